// The smooth pieces of a motion: which branch of every switching function holds, and along which surfaces the motion
// slides by Filippov's rule; diracgan.dynamics.switchings step by step (Filippov, Differential Equations with
// Discontinuous Righthand Sides, chapter 2).

import { eigenvalues } from "./eigenvalues.js";

const [PARALLEL, FLAT, TURNS] = [1e-9, 8 * 2 ** -52, 1e-4]; // of an eigenvalue by differences
const [VANISHES, STEEP, OFF] = [1e3, 0.02, [1e-7, 1e-9]];

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const most = (v) => v.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
const sizeOf = (z) => Math.max(1, most(z));

export class Regimes {
  constructor(system) {
    const { sites, size, faces, rest } = system;
    Object.assign(this, { system, sites, size, losses: sites - faces, datum: most(rest), slides: [], resting: false });
    this.modes = Array(sites).fill(1);
    this.slack = Array(sites).fill(0);
    this.axes = Array.from({ length: size }, (_, k) => Float64Array.from({ length: size }, (_, i) => Number(i === k)));
    this.found = Array(sites).fill(0);
  }

  // -------------------------------------------------------------- the field and the surfaces

  /** The field with the branches `modes`; where one has no value beyond its surface, the branch beyond takes its place. */
  branch(z, modes, o) {
    const { code, p, motion } = this.system;
    if (!this.sites) return motion(z, o);
    code.frozen(z, modes, p, o);
    if (!this.lost(o)) return o;
    const g = this.surfaces(z, modes);
    const beyond = modes.map((m, i) => !(m * g[i] >= 0));
    for (const free of [...modes.keys(), -1]) {
      code.frozen(z, modes.map((m, i) => (beyond[i] && (free < 0 || i === free) ? -m : m)), p, o);
      if (!this.lost(o)) break;
    }
    return o;
  }

  lost(o) {
    for (let i = 0; i < this.size; i++) if (Number.isNaN(o[i])) return true;
    return false;
  }

  /** The velocity in the present regime, or in the one with other branches. */
  velocity(z, o, modes = this.modes) {
    if (this.resting) return o.fill(0, 0, this.size);
    this.branch(z, modes, o);
    if (!this.slides.length) return o;
    const { steps, shares, normals } = this.beside(z, modes, o);
    for (let i = 0; i < this.size; i++) steps.forEach((step, k) => { o[i] += shares[k] * step[i]; });
    const off = solved(normals.map((a) => [...normals.map((b) => dot(a, b)), dot(a, o)]));
    for (let i = 0; i < this.size; i++) normals.forEach((normal, k) => { o[i] -= off[k] * normal[i]; });
    return o;
  }

  /** The velocity as a new vector. */
  moving(z, modes = this.modes) {
    return this.velocity(z, new Float64Array(this.size), modes);
  }

  asLossesStand(z) {
    const o = new Float64Array(this.size);
    this.system.motion(z, o);
    return o;
  }

  /** Across every surface slid upon the change of the field, and the share of it that keeps the motion on all of them. */
  beside(z, modes, here) {
    const steps = this.slides.map(({ flips }) => this.branch(z, across(modes, flips), new Float64Array(this.size)).map((x, i) => x - here[i]));
    const all = this.normals(z, modes);
    const normals = this.slides.map(({ index }) => all[index]);
    const rows = normals.map((normal, j) => {
      const row = [...steps.map((step) => dot(normal, step)), -dot(normal, here)];
      const stands = Math.abs(row[j]) <= 1e-9 * Math.hypot(...normal) * most(here.subarray(0, this.size));
      return stands ? row.map((x, k) => (k === j ? x + 1 : k === normals.length ? 0.5 : x)) : row;
    });
    return { steps, normals, shares: solved(rows) };
  }

  surfaces(z, modes = this.modes) {
    this.system.code.surfaces(z, modes, this.system.p, this.found);
    return this.found.slice();
  }

  /** The switching functions as the losses stand. */
  natural(z) {
    this.system.code.natural(z, this.system.p, this.found);
    return this.found.slice();
  }

  /** How fast the switching functions change along v. */
  along(z, v, modes = this.modes) {
    this.system.code.speeds(z, modes, v, this.system.p, this.found);
    return this.found.slice();
  }

  /** Their gradients, one row each. */
  normals(z, modes = this.modes) {
    const columns = this.axes.map((axis) => this.along(z, axis, modes));
    return Array.from({ length: this.sites }, (_, k) => columns.map((column) => column[k]));
  }

  /** Positive while the regime lasts: the surfaces, then slides left on this side, then those left on the far side. */
  guards(z) {
    if (!this.sites || this.resting) return [];
    const held = this.surfaces(z).map((g, i) => {
      const value = this.modes[i] * g + this.slack[i];
      return Number.isNaN(value) || this.slides.some(({ flips }) => flips[i]) ? 1 : value;
    });
    if (!this.slides.length) return held;
    const { shares } = this.beside(z, this.modes, this.branch(z, this.modes, new Float64Array(this.size)));
    return [...held, ...shares, ...shares.map((x) => 1 - x)];
  }

  /** How fast the guards change along the motion v; those of slides by differences. */
  falls(z, v, guards) {
    const speeds = this.along(z, v).map((s, i) => this.modes[i] * s);
    if (!this.slides.length) return speeds;
    const e = (1e-6 * sizeOf(z)) / (most(v.subarray(0, this.size)) || 1);
    const ahead = this.guards(z.map((x, i) => x + e * v[i]));
    return guards.map((g, i) => (i < this.sites ? speeds[i] : (ahead[i] - g) / e));
  }

  // -------------------------------------------------------------- from one regime to the next

  /** The regime in which a trajectory from z begins. */
  start(z) {
    const v = this.asLossesStand(z);
    this.resting = !v.some((x) => x !== 0); // also where the field jumps away on every side
    if (!this.sites || this.resting) return;
    const g = this.natural(z);
    this.modes = g.map((x) => (x >= 0 ? 1 : -1));
    const flat = this.flat(z);
    this.asItStands(z, flat);
    this.leave(z, flat.map((x, i) => x || (i >= this.losses && Math.abs(g[i]) <= 1e-12)));
    const seen = flat.slice();
    for (let turn = 0; turn < this.losses; turn++) {
      const k = this.vanishing(z).findIndex((on, i) => on && i < this.losses && !seen[i]);
      if (k < 0) return;
      const { tied, flips } = this.switching(z, k);
      tied.forEach((on, i) => { seen[i] ||= on; });
      const [here, there] = this.sides(z, k, flips);
      if (here < 0 && there > 0) this.slide(k, flips);
      else {
        const stays = (here >= 0 && there >= 0) || this.restsAtEdge(z, k);
        const goes = here <= 0 && there <= 0;
        const chosen = dot(this.normals(z)[k], v) * this.modes[k] >= 0; // pushed off on both sides, the loss as it stands chooses
        if (!stays && (goes || !chosen)) this.cross(flips);
        this.leave(z, tied);
      }
    }
  }

  /** The regime after `guard` has fallen to 0 at z, and with it every surface that is met at the same moment. */
  settle(z, guard) {
    const still = this.guards(z).map((x, i) => x <= 2 * this.slack[i]);
    this.slack = this.slack.map((x, i) => (still[i] && i !== guard ? x : 0));
    const met = new Set();
    for (let late = guard; late >= 0; ) {
      met.add(late);
      const slid = this.after(z, late);
      if (this.slides.length > slid) this.release(z);
      const fallen = this.guards(z).slice(0, this.sites).map((x, i) => x <= 0 && this.slack[i] === 0 && !met.has(i));
      const flat = this.flat(z).map((x, i) => x && fallen[i]);
      this.asItStands(z, flat);
      this.leave(z, flat);
      late = fallen.findIndex((x, i) => x && !flat[i]);
    }
  }

  /** What follows when one guard has fallen; whether the motion slides on its surface. */
  after(z, guard) {
    const alone = this.modes.map((_, i) => i === guard);
    if (guard >= this.sites) {
      const count = this.slides.length;
      const [{ flips }] = this.slides.splice((guard - this.sites) % count, 1);
      if (guard >= this.sites + count) this.cross(flips);
      this.leave(z, flips);
    } else if (guard >= this.losses) {
      this.cross(alone);
      this.leave(z, alone);
    } else {
      const { tied, flips } = this.switching(z, guard);
      const [here, there] = this.sides(z, guard, flips);
      if (here <= 0 && there > 0) {
        this.slide(guard, flips);
        return true;
      }
      this.cross(flips);
      this.leave(z, tied);
    }
    return false;
  }

  /** Off every surface slid upon to which the field no longer pushes back from both sides. */
  release(z) {
    for (const slide of this.slides.slice().reverse()) {
      const kept = this.slides;
      this.slides = kept.filter((other) => other !== slide);
      const [here, there] = this.sides(z, slide.index, slide.flips);
      const least = 1e-9 * (Math.abs(here) + Math.abs(there));
      if (here <= least && there >= -least) this.slides = kept;
      else {
        if (!(here > least)) this.cross(slide.flips);
        this.leave(z, slide.flips);
      }
    }
  }

  cross(flips) {
    this.modes = across(this.modes, flips);
  }

  leave(z, which) {
    this.slack = this.slack.map((x, i) => (which[i] ? 1e-13 * sizeOf(z) : x));
  }

  slide(index, flips) {
    const own = flips.map((x, i) => x || i === index);
    this.slides = [...this.slides, { index, flips: own }];
    this.slack = this.slack.map((x, i) => (own[i] ? 0 : x));
  }

  // -------------------------------------------------------------- what is met at a point

  /** How fast the motion here, and that on the far side, move away from surface k towards this side. */
  sides(z, k, flips) {
    const normal = this.normals(z)[k].map((x) => x * this.modes[k]);
    const [here, there] = [this.modes, across(this.modes, flips)].map((modes) => dot(normal, this.moving(z, modes)));
    for (const side of [normal, normal.map((x) => -x)]) {
      const [far, near] = OFF.map((off) => this.speedBeside(z, side, off));
      if (far < -VANISHES * Math.max(Math.abs(here), Math.abs(there)) && near < STEEP * far) return [far, -far];
    }
    return [here, there];
  }

  speedBeside(z, normal, off) {
    const by = (off * this.scale(z)) / Math.hypot(...normal);
    return dot(normal, this.asLossesStand(z.map((x, i) => x + by * normal[i])));
  }

  scale(z) {
    return Math.max(most(z), this.datum) || 1;
  }

  /** Whether the motion has come to rest, without turning, where it meets a surface whose far side would carry it away. */
  restsAtEdge(z, k, within = 1e-9) {
    if (this.slides.length || k >= this.losses) return false;
    const { flips } = this.switching(z, k);
    const [here, there] = [this.modes, across(this.modes, flips)].map((modes) => most(this.moving(z, modes)));
    if (!(here <= within * there)) return false;
    const e = 1e-6 * this.scale(z);
    const columns = this.axes.map((axis) => {
      const [after, before] = [e, -e].map((by) => this.moving(z.map((x, i) => x + by * axis[i])));
      return Array.from(after, (x, i) => (x - before[i]) / (2 * e));
    });
    const [[re, im]] = eigenvalues(columns); // of the transpose
    return Math.abs(im) <= TURNS * Math.hypot(re, im);
  }

  /** Which switching functions are 0 to rounding. */
  vanishing(z) {
    const [g, normals] = [this.surfaces(z), this.normals(z)];
    return g.map((x, i) => Math.abs(x) <= 1e-12 * Math.hypot(...normals[i]) * sizeOf(z));
  }

  /** Which of the losses' are 0 with a gradient of 0: they stay so wherever the motion goes, and are not surfaces to cross. */
  flat(z) {
    const [g, normals, size] = [this.surfaces(z), this.normals(z), sizeOf(z)];
    return g.map((x, i) => i < this.losses && most(normals[i]) <= FLAT * size && Math.abs(x) <= FLAT * size * size);
  }

  /** Flat sites take the branches that the losses themselves take, a little further on. */
  asItStands(z, flat) {
    if (!flat.some(Boolean) || this.slides.length) return;
    const v = this.moving(z);
    const by = (1e-7 * sizeOf(z)) / most(v);
    const ahead = z.map((x, i) => x + (Number.isFinite(by) ? by * v[i] : 0));
    const wanted = this.asLossesStand(ahead);
    const miss = (modes) => most(this.moving(ahead, modes).map((x, i) => x - wanted[i]));
    let least = miss(this.modes);
    flat.forEach((on, k) => {
      if (!on || !(least > 1e-12 * most(wanted))) return;
      const other = this.modes.map((m, i) => (i === k ? -m : m));
      const missed = miss(other);
      if (missed < 0.5 * least) [this.modes, least] = [other, missed];
    });
  }

  /** Which sites are tied on surface k, and which of them have the other branch beyond it. */
  switching(z, k) {
    const [g, normals, size] = [this.surfaces(z), this.normals(z), sizeOf(z)];
    const lengths = normals.map((normal) => Math.hypot(...normal));
    const near = (i, length) => i < this.losses && Math.abs(g[i]) <= 1e-9 * length * size;
    const parallel = (i) => lengths[i] > 0 && Math.abs(dot(normals[i], normals[k])) >= (1 - PARALLEL) * lengths[i] * lengths[k];
    const shared = g.map((_, i) => i === k || (lengths[k] > 0 && near(i, lengths[i]) && parallel(i)));
    const tied = shared.map((on, i) => on || (near(i, 1) && lengths[i] <= 1e-6 * lengths[k]));
    if (tied.filter(Boolean).length === 1 || !(lengths[k] > 0)) return { tied: shared, flips: shared };
    const by = (1e-5 * this.scale(z) * this.modes[k]) / lengths[k];
    const beyond = this.natural(z.map((x, i) => x - by * normals[k][i]));
    const flips = tied.map((on, i) => (Number.isNaN(beyond[i]) ? shared[i] : on && beyond[i] * this.modes[i] < 0));
    return { tied, flips: flips.some(Boolean) ? flips : shared };
  }
}

const across = (modes, flips) => modes.map((m, i) => (flips[i] ? -m : m));

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
