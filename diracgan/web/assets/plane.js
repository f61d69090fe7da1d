// The plane of a picture: in d = 1 of (φ, θ), in d = 2 of θ and, drawn thin, of φ.

import { between } from "./flow.js";

const NICE = [1, 1.5, 2, 3, 4, 6, 8, 10];

/** The least round number that is not below x. */
export function nice(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * NICE.find((m) => m * power >= x * (1 - 1e-9));
}

const fitted = new WeakMap(); // to ask a canvas for its size lays the whole page out: once for every size, not for every frame

/** Fit a canvas to its place and the screen's pixels. */
export function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
  fitted.set(canvas, { g: canvas.getContext("2d"), width, height, ratio });
}

/** A canvas that was fitted: `{g, width, height}` in CSS pixels, cleared. */
export function canvasOf(canvas) {
  const { g, width, height, ratio } = fitted.get(canvas);
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return { g, width, height };
}

/** From the game's numbers to pixels and back: a square of half-width `reach` round the middle. */
export function frameOf(width, height, reach) {
  const scale = Math.min(width, height) / 2 / reach;
  return {
    reach,
    scale,
    width,
    height,
    x: (a) => width / 2 + a * scale,
    y: (b) => height / 2 - b * scale,
    a: (x) => (x - width / 2) / scale,
    b: (y) => (height / 2 - y) / scale,
    right: width / 2 / scale,
    top: height / 2 / scale,
  };
}

/** Axes through 0 with their names and a few numbers. */
export function drawAxes(g, frame, names, colours) {
  const { width, height } = frame;
  g.strokeStyle = colours.line;
  g.fillStyle = colours.soft;
  g.lineWidth = 1;
  g.font = "11px system-ui, sans-serif";
  g.beginPath();
  g.moveTo(0, frame.y(0));
  g.lineTo(width, frame.y(0));
  g.moveTo(frame.x(0), 0);
  g.lineTo(frame.x(0), height);
  g.stroke();
  const step = nice(64 / frame.scale);
  const said = (k) => String(Number((k * step).toPrecision(3))).replace("-", "−");
  for (let k = -40; k <= 40; k++) {
    const [x, y] = [frame.x(k * step), frame.y(k * step)];
    g.textAlign = "center";
    g.textBaseline = "bottom";
    if (x > 34 && x < width - 16) g.fillText(said(k), x, height - 4);
    g.textAlign = "left";
    g.textBaseline = "middle";
    if (y > 12 && y < height - 22) g.fillText(said(k), 6, y);
  }
  g.fillStyle = colours.ink;
  g.font = "italic 13px Georgia, serif";
  g.textAlign = "right";
  g.textBaseline = "bottom";
  g.fillText(names[0], width - 8, frame.y(0) - 4);
  g.textAlign = "left";
  g.textBaseline = "top";
  g.fillText(names[1], frame.x(0) + 6, 4);
}

let [arrows, lengths] = [new Float64Array(0), new Float64Array(0)]; // filled anew for every picture

/** Arrows of a planar field `at(a, b, out)`: as long as a cell where it is strong, shorter where it is weak. */
export function drawArrows(g, frame, at, colour, cells = 17) {
  const out = [0, 0];
  const gap = (2 * frame.reach) / cells;
  const [columns, rows] = [Math.ceil(frame.right / gap), Math.ceil(frame.top / gap)];
  const most = (2 * columns + 1) * (2 * rows + 1);
  if (arrows.length < 4 * most) [arrows, lengths] = [new Float64Array(4 * most), new Float64Array(most)];
  let count = 0;
  for (let i = -columns; i <= columns; i++) {
    for (let j = -rows; j <= rows; j++) {
      const [a, b] = [(i + 0.5) * gap, (j + 0.5) * gap];
      at(a, b, out);
      const size = Math.hypot(out[0], out[1]);
      if (!Number.isFinite(size)) continue;
      arrows[4 * count] = a;
      arrows[4 * count + 1] = b;
      arrows[4 * count + 2] = out[0];
      arrows[4 * count + 3] = out[1];
      lengths[count++] = size;
    }
  }
  const typical = lengths.subarray(0, count).sort()[count >> 1];
  if (!(typical > 0)) return;
  g.strokeStyle = colour;
  g.lineWidth = 1;
  g.beginPath();
  for (let k = 0; k < count; k++) {
    const [a, b, u, v] = [arrows[4 * k], arrows[4 * k + 1], arrows[4 * k + 2], arrows[4 * k + 3]];
    const size = Math.hypot(u, v);
    if (size < 1e-12 * typical) continue;
    const length = (0.8 * gap * frame.scale * size) / (size + 0.6 * typical);
    const [dx, dy] = [(u / size) * length, (-v / size) * length];
    const [x, y] = [frame.x(a) - dx / 2, frame.y(b) - dy / 2];
    const [ex, ey] = [x + dx, y + dy];
    const head = Math.min(4, 0.4 * length);
    const turn = Math.atan2(dy, dx);
    g.moveTo(x, y);
    g.lineTo(ex, ey);
    g.lineTo(ex - head * Math.cos(turn - 0.5), ey - head * Math.sin(turn - 0.5));
    g.moveTo(ex, ey);
    g.lineTo(ex - head * Math.cos(turn + 0.5), ey - head * Math.sin(turn + 0.5));
  }
  g.stroke();
}

/** Where one of two entries of a planar field is 0, by marching squares; not where it is 0 throughout. */
export function drawNullclines(g, frame, at, colours, cells = 56) {
  const out = [0, 0];
  const side = (2 * Math.max(frame.right, frame.top)) / cells;
  const origin = -Math.max(frame.right, frame.top);
  const grid = [0, 1].map(() => new Float64Array((cells + 1) ** 2));
  for (let i = 0; i <= cells; i++) {
    for (let j = 0; j <= cells; j++) {
      at(origin + (i + 1e-3) * side, origin + (j + 1e-3) * side, out);
      grid[0][i * (cells + 1) + j] = out[0];
      grid[1][i * (cells + 1) + j] = out[1];
    }
  }
  const largest = grid.map((v) => v.reduce((most, x) => Math.max(most, Math.abs(x) || 0), 0));
  grid.forEach((values, which) => {
    if (largest[which] <= 1e-9 * Math.max(...largest)) return;
    g.strokeStyle = colours[which];
    g.lineWidth = 1.25;
    g.setLineDash(which ? [] : [5, 4]);
    g.beginPath();
    for (let i = 0; i < cells; i++) {
      for (let j = 0; j < cells; j++) march(g, frame, values, i, j, cells, origin, side);
    }
    g.stroke();
  });
  g.setLineDash([]);
}

function march(g, frame, values, i, j, cells, origin, side) {
  const at = i * (cells + 1) + j;
  const below = (values[at] < 0) + (values[at + 1] < 0) + (values[at + cells + 1] < 0) + (values[at + cells + 2] < 0);
  if (below % 4 === 0) return; // most cells have no cut
  const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
  const v = corners.map(([a, b]) => values[a * (cells + 1) + b]);
  const cuts = [];
  for (let k = 0; k < 4; k++) {
    const [p, q] = [v[k], v[(k + 1) % 4]];
    if (!(p < 0 !== q < 0) || !Number.isFinite(p) || !Number.isFinite(q)) continue;
    const s = p / (p - q);
    const [a, b] = [corners[k], corners[(k + 1) % 4]];
    cuts.push([origin + (a[0] + s * (b[0] - a[0])) * side, origin + (a[1] + s * (b[1] - a[1])) * side]);
  }
  for (let k = 0; k + 1 < cuts.length; k += 2) {
    g.moveTo(frame.x(cuts[k][0]), frame.y(cuts[k][1]));
    g.lineTo(frame.x(cuts[k + 1][0]), frame.y(cuts[k + 1][1]));
  }
}

/** A path's two entries as a line, up to the time `until`; a flow's rows are joined by its own curve. */
export function drawPath(g, frame, path, [first, second], until, colour, width, dash = []) {
  const { t, y, v, size } = path;
  g.strokeStyle = colour;
  g.lineWidth = width;
  g.lineJoin = "round";
  g.setLineDash(dash);
  g.beginPath();
  g.moveTo(frame.x(y[first]), frame.y(y[second]));
  for (let k = 1; k < t.length && t[k - 1] < until; k++) {
    const [l, r] = [(k - 1) * size, k * size];
    if (v && t[k] <= until) {
      const third = (t[k] - t[k - 1]) / 3;
      g.bezierCurveTo(
        frame.x(y[l + first] + third * v[l + first]), frame.y(y[l + second] + third * v[l + second]),
        frame.x(y[r + first] - third * v[r + first]), frame.y(y[r + second] - third * v[r + second]),
        frame.x(y[r + first]), frame.y(y[r + second]),
      );
    } else if (v) {
      const now = between(path, until, new Float64Array(size));
      g.lineTo(frame.x(now[first]), frame.y(now[second]));
    } else g.lineTo(frame.x(y[r + first]), frame.y(y[r + second]));
  }
  g.stroke();
  g.setLineDash([]);
}

/** A filled dot, with a ring round it where `ring` is a colour. */
export function drawDot(g, x, y, radius, colour, ring = "") {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fillStyle = colour;
  g.fill();
  if (!ring) return;
  g.strokeStyle = ring;
  g.lineWidth = 2;
  g.stroke();
}
