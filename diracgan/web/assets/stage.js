// The pictures: a card for each variant with its answer and its plane, and the two charts.

import { drawDistances, drawSpectra } from "./charts.js";
import { between } from "./flow.js";
import { canvasOf, drawArrows, drawAxes, drawDot, drawNullclines, drawPath, fit, frameOf, nice } from "./plane.js";
import { Cloud } from "./points.js";
import { isFlow, specOf } from "./state.js";
import { say, sayLinear } from "./words.js";

const HUES = ["one", "two", "three", "four"];

/** The page's colours as they are now, light or dark. */
export function coloursNow() {
  const style = getComputedStyle(document.documentElement);
  const named = ["paper", "card", "ink", "soft", "line", "calm", "arrow", ...HUES];
  return Object.fromEntries(named.map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
}

export const hueOf = (index) => HUES[index];

/** Which numbers of the state each handle moves. */
export function handlesOf(dim) {
  if (dim === 1) return [{ name: "start", about: "the start (φ, θ)", entries: [0, 1] }];
  return [
    { name: "φ", about: "the critic's start φ", entries: [0, 1] },
    { name: "θ", about: "the generator's start θ", entries: [2, 3] },
  ];
}

/** The half-width of a plane: what its run needs, but not more than a few times the start's. */
export function reachOf({ path }, z0) {
  const start = Math.max(...z0.map(Math.abs), 1e-3);
  let far = start;
  for (let k = 0; k < path.t.length; k++) {
    for (let i = 0; i < z0.length; i++) {
      const x = Math.abs(path.y[k * path.size + i]);
      if (x > far && x < 1e30) far = x;
    }
  }
  return nice(1.12 * Math.min(far, 12 * start));
}

export class Stage {
  /** `redraw` is called when a canvas has another size than the one that it was drawn in. */
  constructor(place, charts, redraw) {
    const misfit = () => { this.fits = false; redraw(); };
    Object.assign(this, { place, charts, cards: [], clouds: [], layers: [], fits: false, observer: new ResizeObserver(misfit) });
  }

  canvases() {
    return [...this.cards.map(({ canvas }) => canvas), this.charts.distances, this.charts.spectra];
  }

  /** As many cards as there are variants, each with its handles. */
  build(state, onHandle) {
    this.place.replaceChildren();
    this.cards = state.variants.map((_, index) => {
      const card = document.createElement("article");
      card.className = "card";
      card.style.setProperty("--colour", `var(--${HUES[index]})`);
      card.innerHTML = '<h2><span class="swatch"></span><span class="answer"></span></h2><p class="sub"><b></b><span></span></p>'
        + '<div class="plane"><canvas role="img"></canvas></div>';
      const plane = card.querySelector(".plane");
      const handles = handlesOf(state.dim).map((handle) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "handle";
        button.innerHTML = handle.name === "start" ? "" : `<span>${handle.name}</span>`;
        plane.append(button);
        return { ...handle, button };
      });
      const built = { index, card, plane, canvas: plane.querySelector("canvas"), handles };
      onHandle(built);
      this.place.append(card);
      return built;
    });
    this.clouds = [];
    this.fits = false;
    this.observer.disconnect();
    this.canvases().forEach((canvas) => this.observer.observe(canvas));
  }

  /** Columns and heights, such that planes and charts stand on one screen where that is wide enough. */
  size(state) {
    const count = state.variants.length;
    const columns = window.innerWidth < 700 ? 1 : window.innerWidth < 1100 ? Math.min(count, 2) : count;
    this.place.style.setProperty("--columns", columns);
    const wide = this.place.clientWidth / columns;
    const top = this.place.getBoundingClientRect().top + window.scrollY;
    const words = Math.max(...this.cards.map(({ card, plane }) => card.clientHeight - plane.clientHeight), 60);
    const free = window.innerWidth > 900 ? window.innerHeight - top - words - 232 - this.charts.key.offsetHeight : 0.62 * window.innerHeight;
    const tall = Math.max(200, Math.min(free, wide, 640));
    this.place.style.setProperty("--tall", `${Math.round(tall)}px`);
    this.fits = false;
  }

  /** Everything, at the time `until`. */
  draw(state, runs, reach, until, colours, hidden, dragged = false) {
    if (!this.fits) {
      this.canvases().forEach(fit);
      this.cards.forEach((card) => { card.drawn = []; });
    }
    this.fits = true;
    runs.forEach((run, k) => {
      const drawn = [run, reach[k], until, colours, hidden, String(state.show)];
      if (!this.clouds[k] && drawn.every((x, i) => x === this.cards[k].drawn[i])) return;
      this.cards[k].drawn = drawn;
      this.drawCard(state, run, k, reach[k], until, colours, hidden);
    });
    const shown = runs.map((run, k) => ({ colour: colours[HUES[k]], distances: run.distances, average: run.distances.average }));
    const canvas = canvasOf(this.charts.distances);
    if (hidden) canvasOf(this.charts.spectra);
    else drawDistances(canvas, shown, until, isFlow(state) ? "t" : "step", colours);
    if (dragged || hidden) return; // no start changes a spectrum
    drawSpectra(canvasOf(this.charts.spectra), runs.map((run, k) => ({ colour: colours[HUES[k]], found: run.linear })), colours);
  }

  drawCard(state, run, index, reach, until, colours, hidden) {
    const { canvas, handles } = this.cards[index];
    const { g, width, height } = canvasOf(canvas);
    const frame = frameOf(width, height, reach);
    const hue = colours[HUES[index]];
    const now = this.now(run, until);
    this.drawGround(g, frame, state, run, now, colours, index, hidden);
    if (state.show.includes("points") && this.clouds[index] && !hidden) this.clouds[index].draw(g, frame, hue);
    const rest = run.system.rest;
    const data = state.dim === 1 ? [rest[0], rest[1]] : [rest[2], rest[3]];
    drawDot(g, frame.x(data[0]), frame.y(data[1]), 4, colours.card, colours.ink);
    if (!hidden) this.drawPaths(g, frame, state, run, until, now, hue, colours);
    handles.forEach(({ entries, button, about }) => {
      const [a, b] = entries.map((k) => state.z0[k]);
      drawDot(g, frame.x(a), frame.y(b), 6, colours.card, entries[0] === 0 && state.dim === 2 ? colours.soft : hue);
      button.style.transform = `translate(${frame.x(a)}px, ${frame.y(b)}px)`; // moves it without laying the page out
      button.setAttribute("aria-label", `${about}, at ${say(a)}, ${say(b)}; arrow keys move it`);
    });
  }

  now(run, until) {
    const { path } = run;
    const row = new Float64Array(path.size);
    if (path.v) return between(path, until, row);
    const k = Math.min(Math.round(until / (path.h || 1)), path.t.length - 1);
    return path.y.subarray(k * path.size, (k + 1) * path.size);
  }

  /** The field and the axes. In d = 2 the generator's velocity with the critic as it is now. */
  drawGround(g, frame, state, run, now, colours, index, hidden) {
    const { system } = run;
    const field = state.show.includes("field") && !hidden;
    const [z, v] = [new Float64Array(system.size), new Float64Array(system.size)];
    const at = (a, b, o) => {
      if (state.dim === 2) [z[0], z[1], z[2], z[3]] = [now[0], now[1], a, b];
      else [z[0], z[1]] = [a, b];
      system.motion(z, v);
      o[0] = v[state.dim === 2 ? 2 : 0];
      o[1] = v[state.dim === 2 ? 3 : 1];
    };
    if (field && state.dim === 2) drawArrows(g, frame, at, colours.arrow, 11);
    const line = field && state.dim === 1 ? { variant: state.variants[index], x0: state.x0, lines: state.show.includes("lines") } : null;
    this.drawKept(g, frame, index, JSON.stringify([line, state.dim, frame, colours.ink]), (own) => {
      if (line) drawArrows(own, frame, at, colours.arrow);
      if (line?.lines) drawNullclines(own, frame, at, [colours.soft, colours.soft]);
      drawAxes(own, frame, state.dim === 1 ? ["φ", "θ"] : ["θ₁, φ₁", "θ₂, φ₂"], colours);
    });
  }

  /** What no start changes is drawn once for every `key`, and copied. */
  drawKept(g, frame, index, key, draw) {
    const { width, height } = g.canvas;
    const layer = (this.layers[index] ??= { key: "", canvas: document.createElement("canvas") });
    if (layer.key !== `${key} ${width} ${height}`) {
      layer.key = `${key} ${width} ${height}`;
      Object.assign(layer.canvas, { width, height });
      const own = layer.canvas.getContext("2d");
      own.setTransform(g.getTransform());
      draw(own);
    }
    g.drawImage(layer.canvas, 0, 0, frame.width, frame.height);
  }

  drawPaths(g, frame, state, run, until, now, hue, colours) {
    const { path, beside } = run;
    const end = path.t[path.t.length - 1];
    const players = run.system.size;
    const pairs = state.dim === 1 ? [[0, 1]] : [[2, 3], [0, 1]];
    for (const [k, pair] of pairs.entries()) {
      const colour = k === 0 ? hue : colours.soft;
      if (until < end) {
        g.globalAlpha = 0.25;
        drawPath(g, frame, path, pair, end, colour, 1);
        g.globalAlpha = 1;
      }
      drawPath(g, frame, path, pair, until, colour, k === 0 ? 1.9 : 1.1);
      if (beside && k === 0) drawPath(g, frame, beside, pair, until, colours.ink, 1, [2, 3]);
      if (run.averaged && k === 0) {
        const average = pair.map((i) => i + players);
        drawPath(g, frame, path, average, until, colours.ink, 1.6);
        drawDot(g, frame.x(now[average[0]]), frame.y(now[average[1]]), 3.5, colours.ink);
      }
      drawDot(g, frame.x(now[pair[0]]), frame.y(now[pair[1]]), k === 0 ? 5 : 3.5, colour);
    }
  }

  /** The words of every card, and what the pictures say to who does not see them. */
  tell(state, runs, hidden) {
    runs.forEach((run, k) => {
      const { card, canvas } = this.cards[k];
      const name = specOf(state.variants[k], run.about);
      const answer = hidden ? "What will it do?" : run.outcome.text;
      const about = hidden ? "" : `${capital(sayLinear(run.linear))}.`;
      write(card.querySelector(".answer"), answer);
      write(card.querySelector(".sub b"), name);
      write(card.querySelector(".sub span"), `  ${about}`);
      canvas.setAttribute("aria-label", `${name}, d = ${state.dim}: ${answer}. ${about}`);
    });
    write(this.charts.key, legend(state, hidden));
    const named = runs.map((run, k) => [specOf(state.variants[k], run.about), run]);
    const names = named.map(([name, run]) => `${name}: ${hidden ? "not shown yet" : run.outcome.text}`).join("; ");
    this.charts.distances.setAttribute("aria-label", `Distance from the equilibrium over time. ${names}.`);
    this.charts.spectra.setAttribute("aria-label", named.map(([name, run]) => `${name}: ${hidden ? "not shown yet" : sayLinear(run.linear)}`).join("; "));
    write(this.charts.title, isFlow(state) ? "Eigenvalues of the flow" : "Multipliers of one step");
    return names;
  }

  /** Clouds where points are shown; those that are there flow on as the systems are now. */
  steerClouds(state, runs, reach) {
    this.clouds = !state.show.includes("points") ? [] : runs.map((run, k) => {
      const { clientWidth: width, clientHeight: height } = this.cards[k].canvas;
      const { right, top } = frameOf(width, height, reach[k]);
      const motion = [run.system, isFlow(state) ? null : state.rule, [right, top], state.z0];
      return this.clouds[k]?.steer(...motion) ?? new Cloud(...motion);
    });
  }

  /** Fresh clouds, as they are a while after their starts. */
  settleClouds(state, runs, reach) {
    this.clouds = [];
    this.steerClouds(state, runs, reach);
    for (let k = 0; k < 50; k++) this.clouds.forEach((cloud) => cloud.advance(0.1));
  }
}

/** Text that stands there already is not written again: every writing lays the page out anew. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What the signs of a plane mean. */
function legend(state, hidden) {
  const ink = window.matchMedia("(prefers-color-scheme: dark)").matches ? "white" : "black";
  const has = (what) => state.show.includes(what) && !hidden;
  const parts = state.dim === 2 ? ["θ bold, φ thin"] : [];
  parts.push(state.dim === 2 ? `${ink} ring: x₀, the data` : `${ink} ring: the equilibrium (0, x₀)`);
  if (has("field")) parts.push(state.dim === 2 ? "arrows: θ′ at the present φ" : "arrows: (φ′, θ′)");
  if (has("lines") && state.dim === 1) parts.push("φ′ = 0 dashed, θ′ = 0 solid");
  if (has("points")) parts.push("specks: 2000 starts");
  if (has("ema")) parts.push(`average ${ink}`);
  if (has("flow") && !isFlow(state)) parts.push("flow dotted");
  return parts.join(" · ");
}
