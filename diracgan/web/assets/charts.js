// The charts beside the plane: distance over time, and eigenvalues or multipliers.

import { nice } from "./plane.js";
import { say } from "./words.js";

const PAD = { left: 46, right: 12, top: 10, bottom: 30 };

function label(g, text, x, y, align, baseline, colour) {
  g.fillStyle = colour;
  g.textAlign = align;
  g.textBaseline = baseline;
  g.fillText(text, x, y);
}

/** Distances of several runs over time; logarithmic where they span more than two decades. */
export function drawDistances({ g, width, height }, runs, until, unit, colours) {
  const all = runs.flatMap(({ distances }) => [Math.min(...distances.r), Math.max(...distances.r)]).filter((x) => x < 1e30);
  const top = Math.max(...all, 1e-12);
  const low = Math.max(Math.min(...all), 1e-14 * top);
  const log = low < 0.02 * top;
  const end = Math.max(...runs.map(({ distances }) => distances.t[distances.t.length - 1]));
  const [from, to] = log ? [Math.floor(Math.log10(low)), Math.ceil(Math.log10(top) - 1e-9)] : [0, 1.04 * top];
  const y = (r) => {
    const part = ((log ? Math.log10(Math.max(r, 1e-300)) : r) - from) / (to - from || 1);
    return height - PAD.bottom - (height - PAD.top - PAD.bottom) * Math.min(Math.max(part, 0), 1);
  };
  g.font = "11px system-ui, sans-serif";
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  const every = log ? Math.max(1, Math.ceil((to - from) / 4)) : nice(to / 4);
  const ticks = [];
  for (let v = from; v <= to * (1 + 1e-9) || (log && v <= to); v += every) ticks.push(log ? 10 ** v : v);
  const said = ticks.map((r) => say(Number(r.toPrecision(6))).replace(/^1\s×\s/, ""));
  const left = Math.max(PAD.left, ...said.map((text) => g.measureText(text).width + 12));
  const x = (t) => left + ((width - left - PAD.right) * t) / (end || 1);
  for (const [k, r] of ticks.entries()) {
    g.beginPath();
    g.moveTo(left, Math.round(y(r)) + 0.5);
    g.lineTo(width - PAD.right, Math.round(y(r)) + 0.5);
    g.stroke();
    label(g, said[k], left - 6, y(r), "right", "middle", colours.soft);
  }
  const step = end > 0 ? nice(end / 5) : 1; // a run may end where it starts
  for (let t = 0; t <= end * (1 + 1e-9); t += step) {
    label(g, say(Number(t.toPrecision(4))), x(t), height - PAD.bottom + 6, "center", "top", colours.soft);
  }
  label(g, unit === "t" ? "time t" : "time h × step", (left + width) / 2, height - 2, "center", "bottom", colours.soft);
  for (const { distances, colour, average } of runs) {
    drawLine(g, distances.t, distances.r, x, y, colour, 1.75);
    if (average) drawLine(g, distances.t, average, x, y, colour, 1.25, [4, 3]);
  }
  if (until < end) {
    g.strokeStyle = colours.soft;
    g.beginPath();
    g.moveTo(x(until), PAD.top);
    g.lineTo(x(until), height - PAD.bottom);
    g.stroke();
  }
}

function drawLine(g, t, r, x, y, colour, width, dash = []) {
  g.strokeStyle = colour;
  g.lineWidth = width;
  g.setLineDash(dash);
  g.beginPath();
  const stride = Math.max(1, Math.floor(t.length / 1500));
  for (let k = 0; k < t.length; k += stride) g.lineTo(x(t[k]), y(r[k]));
  g.lineTo(x(t[t.length - 1]), y(r[t.length - 1]));
  g.stroke();
  g.setLineDash([]);
}

// ---------------------------------------------------------------- spectra

function cross(g, x, y, colour) {
  g.strokeStyle = colour;
  g.lineWidth = 2;
  g.beginPath();
  g.moveTo(x - 4, y - 4);
  g.lineTo(x + 4, y + 4);
  g.moveTo(x - 4, y + 4);
  g.lineTo(x + 4, y - 4);
  g.stroke();
}

/** Eigenvalues beside the imaginary axis, or multipliers and the unit circle with an inset at 1. */
export function drawSpectra(canvas, spectra, colours) {
  const { g, width, height } = canvas;
  const told = spectra.filter(({ found }) => found.values.length);
  g.font = "11px system-ui, sans-serif";
  if (!told.length) {
    const why = spectra.every(({ found }) => found.status === "not-an-equilibrium") ? "no equilibrium" : "no derivative";
    label(g, `${why}: no eigenvalues`, width / 2, height / 2, "center", "middle", colours.soft);
    return;
  }
  if (told[0].found.discrete) {
    const side = Math.min(height, width / 2);
    const whole = { x0: (width - 2 * side) / 4, side, centre: [0, 0], reach: 1.25 };
    const away = told.flatMap(({ found }) => found.values.map(([x, y]) => Math.hypot(x - 1, y))).filter((r) => r < 0.6);
    const inset = { x0: width - side - (width - 2 * side) / 4, side, centre: [1, 0], reach: 1.4 * Math.max(...away, 1e-3) };
    const beyond = told.flatMap(({ found }) => found.values).filter(([x, y]) => Math.max(Math.abs(x), Math.abs(y)) > whole.reach);
    const sizes = beyond.map(([x, y]) => Math.hypot(x, y));
    const title = beyond.length ? `${beyond.length} outside, to ${say(Math.max(...sizes), 2)}` : "unit circle";
    drawCircle(g, whole, told, colours, height, title);
    drawCircle(g, inset, told, colours, height, `at 1, ± ${say(Number(inset.reach.toPrecision(2)))}`);
  } else drawPlane(g, width, height, told, colours);
}

function drawCircle(g, { x0, side, centre, reach }, told, colours, height, title) {
  const scale = (side - 24) / 2 / reach;
  const [cx, cy] = [x0 + side / 2, height / 2 - 6];
  const x = (re) => cx + (re - centre[0]) * scale;
  const y = (im) => cy - (im - centre[1]) * scale;
  g.save();
  g.beginPath();
  g.rect(cx - side / 2 + 6, cy - side / 2 + 12, side - 12, side - 24);
  g.clip();
  g.beginPath();
  g.arc(x(0), y(0), scale, 0, 2 * Math.PI);
  g.fillStyle = colours.calm;
  g.fill();
  g.strokeStyle = colours.soft;
  g.lineWidth = 1.25;
  g.stroke();
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  g.beginPath();
  g.moveTo(cx - side, y(0));
  g.lineTo(cx + side, y(0));
  g.moveTo(x(centre[0]), cy - side);
  g.lineTo(x(centre[0]), cy + side);
  g.stroke();
  for (const { found, colour } of told) found.values.forEach(([re, im]) => cross(g, x(re), y(im), colour));
  g.restore();
  g.strokeStyle = colours.line;
  g.strokeRect(cx - side / 2 + 6.5, cy - side / 2 + 12.5, side - 13, side - 25);
  label(g, title, cx, height - 2, "center", "bottom", colours.soft);
}

function drawPlane(g, width, height, told, colours) {
  const values = told.flatMap(({ found }) => found.values);
  const reach = nice(1.15 * Math.max(...values.map(([x, y]) => Math.max(Math.abs(x), Math.abs(y))), 1e-3));
  const middle = (height - 16) / 2;
  const scale = (middle - 8) / reach;
  const x = (re) => width / 2 + re * scale;
  const y = (im) => middle - im * scale;
  g.fillStyle = colours.calm;
  g.fillRect(0, 0, width / 2, height - 16);
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  g.beginPath();
  g.moveTo(0, y(0));
  g.lineTo(width, y(0));
  g.stroke();
  g.strokeStyle = colours.soft;
  g.lineWidth = 1.25;
  g.beginPath();
  g.moveTo(x(0), 0);
  g.lineTo(x(0), height - 16);
  g.stroke();
  const tick = nice(reach / 2);
  for (const v of [-tick, tick]) {
    label(g, `${say(v)}i`, x(0) + 6, y(v), "left", "middle", colours.soft);
    label(g, say(v), x(v), y(0) + 4, "center", "top", colours.soft);
  }
  for (const { found, colour } of told) found.values.forEach(([re, im]) => cross(g, x(re), y(im), colour));
  label(g, "stable", 8, 6, "left", "top", colours.soft);
  label(g, "unstable", width - 8, 6, "right", "top", colours.soft);
  label(g, "real part", width / 2, height - 1, "center", "bottom", colours.soft);
}
