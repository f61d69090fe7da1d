// The flow: Dormand and Prince's method of order 8 (Hairer, Norsett, Wanner, Solving ODEs I, section II.10), one smooth
// piece at a time; on a discontinuity it crosses or slides by Filippov's rule.

import { LARGEST } from "./float_range.js";
import { Regimes } from "./regimes.js";
import { TABLEAU } from "./tableau.js";

const STAGES = TABLEAU.B.length;
const sparse = (row) => {
  const at = row.map((x, j) => j).filter((j) => row[j] !== 0);
  return { at: Int32Array.from(at), by: Float64Array.from(at, (j) => row[j]) };
};
const ROWS = TABLEAU.A.map((row, s) => sparse(row.slice(0, s)));
const [WEIGHTS, FIFTH, THIRD] = [TABLEAU.B, TABLEAU.E5, TABLEAU.E3].map(sparse);

/** The sum of the slopes' entries i with the weights of a row. */
function weighted({ at, by }, k, i) {
  let sum = 0;
  for (let j = 0; j < at.length; j++) sum += by[j] * k[at[j]][i];
  return sum;
}

const MOST_STEPS = 40000;
const MOST_PIECES = 2000; // each is found by dozens of steps

/** One step of length h from y, with the slope k[0] known: fills `next` and k, returns the error's norm. */
function attempt(f, y, h, k, next, rtol, atol) {
  const n = y.length;
  for (let s = 1; s < STAGES; s++) {
    for (let i = 0; i < n; i++) next[i] = y[i] + h * weighted(ROWS[s], k, i);
    f(next, k[s]);
  }
  for (let i = 0; i < n; i++) next[i] = y[i] + h * weighted(WEIGHTS, k, i);
  f(next, k[STAGES]);
  let five = 0;
  let three = 0;
  for (let i = 0; i < n; i++) {
    const scale = atol + rtol * Math.max(Math.abs(y[i]), Math.abs(next[i]));
    five += (weighted(FIFTH, k, i) / scale) ** 2;
    three += (weighted(THIRD, k, i) / scale) ** 2;
  }
  if (five === 0 && three === 0) return 0;
  return (Math.abs(h) * five) / Math.sqrt((five + 0.01 * three) * n);
}

// ---------------------------------------------------------------- the end of a regime

const lowest = (g) => g.reduce((least, x, k) => (x < g[least] ? k : least), 0);

/**
 * After how much of a step of length h, which `guards` takes anew, the first guard has fallen, to within `enough` of 0, and
 * which: `[at, index]`. By the Illinois method, and by halves where that does not get on.
 */
function fall(guards, before, end, h, enough) {
  let index = lowest(end);
  let [low, high, a, b, side] = [0, h, Math.max(Math.min(...before), 0), end[index], 0];
  for (let turn = 0; turn < 80 && high - low > 4e-16 * high; turn++) {
    const middle = turn % 4 < 3 && a > 0 ? low + ((high - low) * a) / (a - b) : 0.5 * (low + high);
    const at = Math.min(Math.max(middle, low + 1e-3 * (high - low)), high - 1e-3 * (high - low));
    const g = guards(at);
    const k = lowest(g);
    if (g[k] < enough) {
      [high, b, index] = [at, g[k], k];
      if (Math.abs(b) < enough) break;
      if (side < 0) a /= 2;
      side = -1;
    } else {
      [low, a] = [at, g[k]];
      if (side > 0) b /= 2;
      side = 1;
    }
  }
  return [high, index];
}

/** The share of a step after which a guard that is above 0 at both ends dips below, by Hermite's cubic; 0 for none. */
function dip({ g: g0, s: s0 }, { g: g1, s: s1 }, h) {
  let [deepest, at] = [0, 0];
  g0.forEach((g, k) => {
    if (!(g > 0 && g1[k] > 0 && s0[k] < 0 && s1[k] > 0)) return;
    const [slope, rise] = [h * s0[k], g1[k] - g];
    const [square, cube] = [3 * rise - h * (2 * s0[k] + s1[k]), h * (s0[k] + s1[k]) - 2 * rise];
    const share = -slope / (square + Math.sqrt(Math.max(square ** 2 - 3 * cube * slope, 0)));
    const value = g + share * (slope + share * (square + share * cube));
    if (value < deepest) [deepest, at] = [value, share];
  });
  return at && Math.min(Math.max(at, 0.05), 0.95);
}

// ---------------------------------------------------------------- the whole trajectory

const NO_TIME = 1e-13; // of the whole: a regime that ends so soon has not gone on
const BLOW_UP = 1e-7; // a state that would double within this share of its time has no future

/** Why a motion whose step has fallen to rounding ends. */
function ending(t, y, v) {
  const [size, speed] = [y, v].map((x) => Math.max(...x.map(Math.abs)));
  const outward = y.reduce((sum, x, i) => sum + x * v[i], 0) > 0;
  return !(size <= 1e8) || (outward && size <= BLOW_UP * (1 + t) * speed) ? "diverged" : "stiff";
}

/**
 * The flow from z0 to t1.
 *
 * @param system from model.js
 * @param {ArrayLike<number>} z0 phi, then theta
 * @param {number} t1
 * @param {{tau?: number, ts?: number[], rtol?: number, atol?: number}} options `tau`: time constant of the average; `ts`:
 *   times to step on exactly
 * @returns `{t, y, v, size, result}`: rows of `size` numbers, with the velocity beside them
 */
export function flow(system, z0, t1, { tau = 0, ts = [], rtol = 1e-12, atol = 1e-14 } = {}) {
  const players = system.size;
  const n = tau > 0 ? 2 * players : players;
  const regimes = new Regimes(system);
  const f = (y, o) => {
    regimes.velocity(y, o);
    for (let i = players; i < n; i++) o[i] = (y[i - players] - y[i]) / tau;
  };
  let y = new Float64Array(n);
  system.project(...Array.from(z0).slice(0, players), system.p, y); // a clipped critic starts on its box
  for (let i = players; i < n; i++) y[i] = y[i - players];
  const k = Array.from({ length: STAGES + 1 }, () => new Float64Array(n));
  const kept = { t: [0], y: [...y], v: [], size: n, result: "ok" };
  const game = (z) => z.subarray(0, players);
  const watched = () => {
    const g = regimes.guards(game(y));
    return { g, s: g.length ? regimes.falls(game(y), k[0], g) : [] };
  };
  regimes.start(game(y));
  f(y, k[0]);
  let before = watched();
  const keep = (v) => {
    kept.t.push(t);
    for (let i = 0; i < n; i++) {
      kept.y.push(y[i]);
      kept.v.push(v[i]);
    }
  };
  kept.v.push(...k[0]);
  const stops = [...ts.filter((x) => x > 0 && x < t1), t1];
  let [t, next, h, rejected] = [0, new Float64Array(n), Math.min(0.05, t1), false];
  let [steps, pieces, repeats, begun] = [0, 0, 0, 0];
  while (stops.length) {
    if (++steps > MOST_STEPS || pieces > MOST_PIECES) { kept.result = "max steps"; break; }
    if (repeats > 2 * regimes.sites + 4) { kept.result = "stuck"; break; }
    const left = stops[0] - t;
    const whole = h >= left * (1 - 1e-12);
    const now = whole ? left : h;
    const error = attempt(f, y, now, k, next, rtol, atol);
    if (!(error <= 1)) {
      h = now * (Number.isFinite(error) ? Math.max(0.2, 0.9 * error ** -0.125) : 0.2);
      rejected = true;
      if (h < 1e-14 * Math.max(1, t)) { kept.result = ending(t, game(y), game(k[0])); break; }
      continue;
    }
    const ends = regimes.guards(game(next));
    const after = { g: ends, s: ends.length ? regimes.falls(game(next), k[STAGES], ends) : [] };
    const fallen = ends.length && Math.min(...ends) < 0;
    const share = ends.length && !fallen && now > 1e-10 * t ? dip(before, after, now) : 0;
    if (share) { // it is taken again, up to the dip
      h = share * now;
      rejected = true;
      continue;
    }
    if (fallen) {
      const redo = (at) => { attempt(f, y, at, k, next, rtol, atol); return regimes.guards(game(next)); };
      const [at, index] = fall(redo, before.g, ends, now, Math.max(2 ** -52, 0.01 * atol) * Math.max(1, ...y.map(Math.abs)));
      redo(at);
      t += at;
      [y, next] = [next, y];
      keep(k[STAGES]); // the velocity before, in a row of its own
      pieces++;
      repeats = t - begun <= NO_TIME * t1 ? repeats + 1 : 0;
      begun = t;
      if (regimes.restsAtEdge(game(y), index, Math.max(1e-9, 10 * rtol))) regimes.resting = true;
      else regimes.settle(game(y), index);
      f(y, k[0]);
      before = watched();
    } else {
      t = whole ? stops.shift() : t + now;
      [y, next] = [next, y];
      k[0].set(k[STAGES]);
      before = after;
      const growth = error === 0 ? 10 : Math.min(10, 0.9 * error ** -0.125);
      h = Math.max(whole ? h : 0, now * (rejected ? Math.min(1, growth) : growth));
      rejected = false;
    }
    if (!y.every(Number.isFinite) || y.some((x) => Math.abs(x) > LARGEST)) { kept.result = "diverged"; break; }
    keep(k[0]);
  }
  return { ...kept, t: Float64Array.from(kept.t), y: Float64Array.from(kept.y), v: Float64Array.from(kept.v) };
}

/** The state at a time between two rows, by Hermite's cubic. */
export function between(path, time, out) {
  const { t, y, v, size } = path;
  let [low, high] = [0, t.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (t[middle] <= time) low = middle;
    else high = middle;
  }
  const h = t[high] - t[low];
  const s = h > 0 ? Math.min(Math.max((time - t[low]) / h, 0), 1) : 0;
  const [a, b] = [(1 + 2 * s) * (1 - s) ** 2, s * (1 - s) ** 2 * h];
  const [c, d] = [s * s * (3 - 2 * s), s * s * (s - 1) * h];
  for (let i = 0; i < size; i++) {
    const [l, r] = [low * size + i, high * size + i];
    out[i] = a * y[l] + b * v[l] + c * y[r] + d * v[r];
  }
  return out;
}
