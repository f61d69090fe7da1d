// Thousands of starts at once: points that flow, or take the steps of a rule.

import { optimiser } from "./model.js";

export const COUNT = 2000;

/** A cloud of starts over the plane; in d = 2 of θ, with the critic that the start has. */
export class Cloud {
  constructor(system, rule, reach, z0) {
    this.width = this.move(system, rule, reach, z0);
    this.states = new Float64Array(COUNT * this.width);
    this.age = new Float64Array(COUNT);
    this.seed = 7;
    this.work = Array.from({ length: 5 }, () => new Float64Array(Math.max(this.width, system.size)));
    for (let k = 0; k < COUNT; k++) {
      this.reborn(k);
      this.age[k] = this.random() * 12;
    }
  }

  /** What moves it; returns how many numbers a state has. */
  move(system, rule, reach, z0) {
    Object.assign(this, { system, reach, z0: Array.from(z0), rule: rule ? optimiser(rule, system) : null });
    return this.rule ? this.rule.size : system.size;
  }

  /** The same points under another motion; null where their states have another size. */
  steer(system, rule, reach, z0) {
    return system.dim === this.system.dim && this.move(system, rule, reach, z0) === this.width ? this : null;
  }

  /** The same numbers every time, so that a link shows the same. */
  random() {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 2 ** 32;
  }

  reborn(k) {
    const { dim, size } = this.system;
    const [drawn, z] = [[], new Float64Array(size)];
    for (let i = 0; i < size; i++) {
      const axis = dim === 1 ? i : i - dim;
      drawn[i] = axis < 0 ? this.z0[i] : (2 * this.random() - 1) * this.reach[axis];
    }
    this.system.project(...drawn, this.system.p, z); // a clipped critic starts on its box
    this.states.set(this.rule ? this.rule.begin(z) : z, k * this.width);
    this.age[k] = 0;
  }

  /** On by one iteration, or by dt of the flow in one step of Runge and Kutta's method. */
  advance(dt) {
    const { width, states } = this;
    for (let k = 0; k < COUNT; k++) {
      const state = states.subarray(k * width, (k + 1) * width);
      if (this.rule) {
        this.rule.step(state, this.work[0]);
        state.set(this.work[0].subarray(0, width));
        this.age[k] += this.rule.h;
      } else {
        this.flow(state, dt);
        this.age[k] += dt;
      }
      if (this.age[k] > 12 + (k % 7) || !this.inside(state)) this.reborn(k);
    }
  }

  inside(state) {
    const far = 3 * Math.max(...this.reach);
    for (let i = 0; i < this.system.size; i++) if (!(Math.abs(state[i]) < far)) return false;
    return true;
  }

  flow(z, h) {
    const [a, b, c, d, y] = this.work;
    const n = this.system.size;
    const { motion } = this.system;
    motion(z, a);
    for (let i = 0; i < n; i++) y[i] = z[i] + 0.5 * h * a[i];
    motion(y, b);
    for (let i = 0; i < n; i++) y[i] = z[i] + 0.5 * h * b[i];
    motion(y, c);
    for (let i = 0; i < n; i++) y[i] = z[i] + h * c[i];
    motion(y, d);
    for (let i = 0; i < n; i++) z[i] += (h / 6) * (a[i] + 2 * (b[i] + c[i]) + d[i]);
  }

  draw(g, frame, colour) {
    const { dim } = this.system;
    const [first, second] = dim === 1 ? [0, 1] : [2, 3];
    g.fillStyle = colour;
    for (let k = 0; k < COUNT; k++) {
      g.fillRect(frame.x(this.states[k * this.width + first]) - 1, frame.y(this.states[k * this.width + second]) - 1, 2, 2);
    }
  }
}
