// The flow: Dormand and Prince's method of order 8 (Hairer, Norsett, Wanner, Solving ODEs I, section II.10), one smooth
// piece at a time; on a discontinuity it crosses or slides by Filippov's rule.

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

const LARGEST = 1e150;
const MOST_STEPS = 20000;
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

// ---------------------------------------------------------------- regimes

/** The smooth pieces of a system: which branch of every switching function holds, and along which ones it slides. */
class Regimes {
  constructor(system, rates) {
    const { sites, size, faces } = system;
    Object.assign(this, { system, rates, sites, size, losses: sites - faces });
    this.modes = new Float64Array(sites);
    this.slack = new Float64Array(sites);
    this.slides = []; // of {index, flips}
    this.work = Array.from({ length: 4 }, () => new Float64Array(size));
    this.values = new Float64Array(sites);
    this.rate = new Float64Array(sites);
  }

  /** The field with the branches `modes`; as the losses stand where a branch has no value. */
  branch(z, modes, o) {
    const { system } = this;
    if (!this.sites) system.motion(z, o);
    else {
      system.code.frozen(z, modes, system.p, o);
      if (o.subarray(0, this.size).some(Number.isNaN)) system.motion(z, o);
    }
    const d = this.size / 2;
    for (let i = 0; i < this.size; i++) o[i] *= this.rates[i < d ? 0 : 1];
  }

  /** The velocity in the present regime. */
  velocity(z, o) {
    this.branch(z, this.modes, o);
    if (!this.slides.length) return;
    const { shares, steps } = this.shares(z, o);
    shares.forEach((share, k) => {
      for (let i = 0; i < this.size; i++) o[i] += share * steps[k][i];
    });
  }

  /** The share of the far side's field, for every surface slid upon, that keeps the motion on all of them. */
  shares(z, here) {
    const steps = this.slides.map(({ flips }) => {
      const there = new Float64Array(this.size);
      this.branch(z, this.across(flips), there);
      return there.map((x, i) => x - here[i]);
    });
    const speeds = (v) => this.speeds(z, v).slice();
    const pull = speeds(here);
    const columns = steps.map(speeds);
    const rows = this.slides.map(({ index }) => [...columns.map((c) => c[index]), -pull[index]]);
    return { shares: solved(rows), steps };
  }

  speeds(z, v) {
    this.system.code.speeds(z, this.modes, v, this.system.p, this.rate);
    return this.rate;
  }

  across(flips) {
    return this.modes.map((m, i) => (flips.has(i) ? -m : m));
  }

  surfaces(z) {
    this.system.code.surfaces(z, this.modes, this.system.p, this.values);
    return this.values;
  }

  /** Positive while the regime lasts. */
  guards(z) {
    if (!this.sites) return [];
    const slid = (i) => this.slides.some(({ flips }) => flips.has(i));
    const held = Array.from(this.surfaces(z), (g, i) => {
      const value = this.modes[i] * g + this.slack[i];
      return slid(i) || Number.isNaN(value) || this.flat.has(i) ? 1 : value;
    });
    if (!this.slides.length) return held;
    const here = this.work[0];
    this.branch(z, this.modes, here);
    const { shares } = this.shares(z, here);
    return [...held, ...shares, ...shares.map((x) => 1 - x)];
  }

  /** Those surfaces of the losses that are met together with `index`. */
  shared(z, index) {
    const scale = 1e-9 * Math.max(1, ...z.map(Math.abs));
    const g = this.surfaces(z);
    const found = new Set([index]);
    for (let i = 0; i < this.losses; i++) if (!this.flat.has(i) && Math.abs(g[i]) <= scale) found.add(i);
    return found;
  }

  /** How fast the motion here, and that on the far side, move away from a surface towards this side. */
  sides(z, index, flips) {
    const [here, there] = [this.work[1], this.work[2]];
    this.velocity(z, here);
    const away = this.modes[index] * this.speeds(z, here)[index];
    this.branch(z, this.across(flips), there);
    return [away, this.modes[index] * this.speeds(z, there)[index]];
  }

  leave(flips, z) {
    const slack = 1e-13 * Math.max(1, ...z.map(Math.abs));
    flips.forEach((i) => { this.slack[i] = slack; });
  }

  cross(flips, z) {
    this.modes = this.across(flips);
    this.leave(flips, z);
  }

  /** The regime in which a trajectory from z begins. */
  start(z) {
    this.flat = new Set();
    if (!this.sites) return;
    this.system.code.natural(z, this.system.p, this.values);
    this.modes = this.values.map((g) => (g >= 0 ? 1 : -1));
    const g = this.surfaces(z).slice();
    const random = [this.work[1], this.work[2]];
    random.forEach((v, k) => v.forEach((_, i) => { v[i] = Math.cos(1 + 3 * k + 2 * i); }));
    const slopes = random.map((v) => this.speeds(z, v).slice());
    for (let i = 0; i < this.losses; i++) {
      if (Math.abs(g[i]) > 1e-12) continue;
      if (slopes.every((s) => Math.abs(s[i]) < 1e-14)) this.flat.add(i);
    }
    this.flat.forEach((i) => this.asItStands(z, i));
    for (let i = 0; i < this.sites; i++) {
      if (this.flat.has(i) || Math.abs(g[i]) > 1e-12 || this.slack[i]) continue;
      if (i >= this.losses) this.leave(new Set([i]), z);
      else {
        const flips = this.shared(z, i);
        const [here, there] = this.sides(z, i, flips);
        if (here < 0 && there > 0) this.slides.push({ index: i, flips });
        else if (here <= 0 && there <= 0) this.cross(flips, z);
        else this.leave(flips, z);
      }
    }
  }

  /** A switching function that is 0 throughout: the branch that the losses themselves take a little further on. */
  asItStands(z, index) {
    const [v, ahead, wanted, found] = this.work;
    this.velocity(z, v);
    const speed = Math.max(...v.map(Math.abs));
    if (!(speed > 0)) return;
    for (let i = 0; i < this.size; i++) ahead[i] = z[i] + (1e-7 / speed) * v[i];
    this.system.motion(ahead, wanted);
    const d = this.size / 2;
    const miss = (modes) => {
      this.branch(ahead, modes, found);
      return Math.max(...found.map((x, i) => Math.abs(x - this.rates[i < d ? 0 : 1] * wanted[i])));
    };
    const other = this.across(new Set([index]));
    if (miss(other) < 0.5 * miss(this.modes)) this.modes = other;
  }

  /** What follows when a guard has fallen to 0 at z. */
  settle(z, fallen) {
    this.slack.fill(0);
    if (fallen >= this.sites) {
      const count = this.slides.length;
      const k = (fallen - this.sites) % count;
      const [{ flips }] = this.slides.splice(k, 1);
      if (fallen >= this.sites + count) this.cross(flips, z);
      else this.leave(flips, z);
      return;
    }
    if (fallen >= this.losses) {
      this.cross(new Set([fallen]), z);
      return;
    }
    const flips = this.shared(z, fallen);
    const [here, there] = this.sides(z, fallen, flips);
    if (here <= 0 && there > 0) this.slides.push({ index: fallen, flips });
    else this.cross(flips, z);
  }
}

/** Gauss' elimination of a few rows [A | b]. */
function solved(rows) {
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[best][k])) best = i;
    [rows[k], rows[best]] = [rows[best], rows[k]];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  return rows.map((row, k) => row[n] / row[k]);
}

// ---------------------------------------------------------------- the whole trajectory

/** Where and how the first guard falls within the step that led from y by h, or null. */
function fall(regimes, y, h, next, step) {
  const before = regimes.guards(y);
  const end = regimes.guards(next);
  const lowest = (g) => g.reduce((least, x, k) => (x < g[least] ? k : least), 0);
  if (!end.length || end[lowest(end)] >= 0) return null;
  let [low, high] = [0, h];
  let [a, b] = [Math.max(before[lowest(before)], 0), end[lowest(end)]];
  const trial = new Float64Array(y.length);
  let index = lowest(end);
  for (let turn = 0; turn < 80 && high - low > 4e-16 * Math.max(h, high); turn++) {
    const middle = turn % 3 < 2 && a > 0 ? low + ((high - low) * a) / (a - b) : 0.5 * (low + high);
    const at = Math.min(Math.max(middle, low + 1e-3 * (high - low)), high - 1e-3 * (high - low));
    step(at, trial);
    const g = regimes.guards(trial);
    const k = lowest(g);
    const met = Math.abs(g[k]) < 1e-16;
    if (g[k] < 0 || met) { [high, b, index] = [at, g[k], k]; } else { [low, a] = [at, g[k]]; }
    if (met) break;
  }
  step(high, trial);
  return { h: high, y: trial, index };
}

/**
 * The flow from z0 to t1.
 *
 * @param system from model.js
 * @param {ArrayLike<number>} z0 phi, then theta
 * @param {number} t1
 * @param {{tau?: number, rates?: number[], ts?: number[], rtol?: number, atol?: number}} options `tau`: time constant of the
 *   average; `ts`: times to step on exactly
 * @returns `{t, y, v, size, result}`: rows of `size` numbers, with the velocity beside them
 */
export function flow(system, z0, t1, { tau = 0, rates = [1, 1], ts = [], rtol = 1e-12, atol = 1e-14 } = {}) {
  const players = system.size;
  const n = tau > 0 ? 2 * players : players;
  const regimes = new Regimes(system, rates);
  const f = (y, o) => {
    regimes.velocity(y, o);
    for (let i = players; i < n; i++) o[i] = (y[i - players] - y[i]) / tau;
  };
  let y = new Float64Array(n);
  system.project(...Array.from(z0).slice(0, players), system.p, y); // a clipped critic starts on its box
  for (let i = players; i < n; i++) y[i] = y[i - players];
  const k = Array.from({ length: STAGES + 1 }, () => new Float64Array(n));
  const kept = { t: [0], y: [...y], v: [], size: n, result: "ok" };
  regimes.start(y);
  f(y, k[0]);
  const keep = (v) => {
    kept.t.push(t);
    for (let i = 0; i < n; i++) {
      kept.y.push(y[i]);
      kept.v.push(v[i]);
    }
  };
  kept.v.push(...k[0]);
  const stops = [...ts.filter((x) => x > 0 && x < t1), t1];
  let [t, next, h, steps, pieces, rejected] = [0, new Float64Array(n), Math.min(0.05, t1), 0, 0, false];
  while (stops.length) {
    if (++steps > MOST_STEPS || pieces > MOST_PIECES) { kept.result = "max steps"; break; }
    const left = stops[0] - t;
    const whole = h >= left * (1 - 1e-12);
    const now = whole ? left : h;
    const error = attempt(f, y, now, k, next, rtol, atol);
    if (!(error <= 1)) {
      h = now * (Number.isFinite(error) ? Math.max(0.2, 0.9 * error ** -0.125) : 0.2);
      rejected = true;
      if (h < 1e-14 * Math.max(1, t)) { kept.result = "stiff"; break; }
      continue;
    }
    const first = k[0].slice();
    const redo = (at, out) => { k[0].set(first); attempt(f, y, at, k, out, rtol, atol); };
    const fallen = regimes.sites ? fall(regimes, y, now, next, redo) : null;
    if (fallen) {
      pieces++;
      t += fallen.h;
      y.set(fallen.y);
      keep(k[STAGES]); // the velocity before, in a row of its own
      regimes.settle(y, fallen.index);
      f(y, k[0]);
    } else {
      t = whole ? stops.shift() : t + now;
      [y, next] = [next, y];
      k[0].set(k[STAGES]);
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
