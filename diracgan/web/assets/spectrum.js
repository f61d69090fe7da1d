// What the linearisation at the equilibrium decides, of the flow or of a rule.

import { bounded } from "./bounds.js";
import { BOUNDS } from "./linearisation.js";
import { optimiser } from "./model.js";

const TINY = 2 ** -200; // a displacement whose square vanishes: what is linear answers exactly
const DIRECTIONS = 8;

function jacobian(system) {
  const { size, rest, p, code } = system;
  const flat = new Float64Array(size * size);
  code.jacobian(rest, p, flat);
  return Array.from({ length: size }, (_, i) => Array.from(flat.subarray(i * size, (i + 1) * size)));
}

const times = (rows, v) => rows.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0));

/** The field at rest and around it, on every scale along fixed directions: what Python's probe sees. */
function probe(system) {
  const { size, rest } = system;
  const at = (z) => { const o = new Float64Array(size); system.field(z, o); return o; };
  const ways = Array.from({ length: DIRECTIONS }, (_, k) => {
    const u = Float64Array.from(rest, (_, i) => Math.cos(1 + 2.4 * k + 1.7 * i * (k + 1)));
    return u.map((x, i) => (x / Math.hypot(...u)) * Math.max(1, Math.abs(rest[i])));
  });
  const around = BOUNDS.scales.map((e) => ways.map((u) => at(rest.map((x, i) => x + e * u[i]))));
  return { here: at(rest), ways, around };
}

const largest = (rows) => Math.max(...rows.map((row) => Math.max(...row.map(Math.abs))));

/** Whether the field vanishes at rest, beside its size there and its change over a unit of length. */
function vanishes({ here, around }) {
  const size = Math.max(largest([here]), largest(around[2]));
  const slope = largest(around[0].map((row, k) => row.map((x, i) => x - around[1][k][i]))) / BOUNDS.scales[0];
  return largest([here]) <= BOUNDS.residual * (size + slope);
}

/** Whether what the field moves otherwise than its Jacobian says falls with the scale, as Python decides it. */
function differentiable({ here, ways, around }, rows) {
  if (!rows.flat().every(Number.isFinite)) return false;
  const linear = ways.map((u) => times(rows, u));
  const rest = BOUNDS.scales.map((e, s) =>
    largest(around[s].map((row, k) => row.map((x, i) => x - here[i] - e * linear[k][i]))) / e);
  const floor = (BOUNDS.rounding * (largest(around[2]) + largest(linear) + Number.MIN_VALUE)) / BOUNDS.scales[2];
  const even = rest[0] * rest[2];
  return rest[2] <= Math.max(BOUNDS.falls * rest[1], floor)
    || (rest[2] <= BOUNDS.fallsSlowly * rest[1] && Math.abs(rest[1] ** 2 - even) <= BOUNDS.alike * even);
}

/** The matrix of one iteration near rest: the rule's own map, the field replaced by its derivative. */
function iteration(system, chosen, rows) {
  const { dim, size } = system;
  const flat = Float64Array.from(rows.flat());
  const linear = (...args) => {
    const o = args[args.length - 1];
    for (let i = 0; i < size; i++) {
      o[i] = 0;
      for (let j = 0; j < size; j++) o[i] += flat[i * size + j] * args[j];
    }
  };
  const stay = (...args) => { for (let i = 0; i < size; i++) args[args.length - 1][i] = args[i]; };
  const rule = optimiser(chosen, { ...system, dim }, linear, stay);
  const count = rule.size - size; // the averages stand last
  const moving = Array.from({ length: count }, (_, k) => k).filter((k) => !rule.whole.includes(k));
  const [state, next] = [new Float64Array(rule.size), new Float64Array(rule.size)];
  return moving.map((j) => {
    state.fill(0);
    state[j] = TINY;
    rule.linear(state, next);
    return moving.map((i) => next[i] / TINY);
  });
}

/**
 * @param system from model.js
 * @param chosen a rule's name and values, or null for the flow
 * @returns `{status, values, margin, discrete}`; status as Python names it, values pairs [re, im]
 */
export function spectrum(system, chosen) {
  const discrete = chosen !== null;
  const none = (status) => ({ status, values: [], margin: null, discrete });
  const seen = probe(system);
  if (!vanishes(seen)) return none("not-an-equilibrium");
  const rows = jacobian(system);
  if (!differentiable(seen, rows)) return none("no-derivative");
  const columns = discrete ? iteration(system, chosen, rows) : rows;
  if (!columns.flat().every(Number.isFinite)) return none("no-derivative");
  const found = bounded(columns); // of a matrix or of its transpose
  const heights = found.map(({ value: [x, y] }) => (discrete ? Math.hypot(x, y) : x));
  const margin = (discrete ? 1 : 0) - Math.max(...heights);
  const [beyond, nearer] = [1, -1].map((side) => // what the largest may be at most, and surely is
    (discrete ? 1 : 0) - Math.max(...heights.map((h, k) => h + side * found[k].error)));
  const status = beyond > 0 ? "stable" : nearer < 0 ? "unstable" : "marginal";
  return { status, values: found.map((one) => one.value), margin, discrete };
}
