// The iterations of a rule.

import { LARGEST } from "./float_range.js";
import { optimiser } from "./model.js";

const LARGE = 1e8; // what overflows comes from beyond it

/**
 * `count` iterations from z0.
 *
 * @returns `{t, y, size, result}`: rows of phi, theta and their averages; t in units of the flow's time
 */
export function iterate(system, chosen, z0, count) {
  const rule = optimiser(chosen, system);
  const players = system.size;
  const size = 2 * players;
  const y = new Float64Array(size * (count + 1));
  const t = new Float64Array(count + 1);
  let state = rule.begin(z0);
  let next = new Float64Array(state.length);
  let rows = 0;
  const keep = () => {
    const averages = state.length - players; // they stand last
    for (let i = 0; i < players; i++) {
      y[rows * size + i] = state[i];
      y[rows * size + players + i] = state[averages + i];
    }
    t[rows] = rows * rule.h;
    rows++;
  };
  keep();
  let [result, before] = ["ok", 0];
  for (let k = 0; k < count; k++) {
    rule.step(state, next);
    [state, next] = [next, state];
    let largest = 0;
    for (let i = 0; i < players; i++) largest = Math.max(largest, Math.abs(state[i]));
    if (!(largest < LARGEST)) { result = largest !== largest && before < LARGE ? "no value" : "diverged"; break; }
    before = largest;
    keep();
  }
  return { t: t.subarray(0, rows), y: y.subarray(0, rows * size), size, result, h: rule.h };
}
