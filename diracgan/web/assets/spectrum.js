// What the linearisation at the equilibrium decides, of the flow or of a rule.

import { eigenvalues } from "./eigenvalues.js";
import { optimiser } from "./model.js";

const BOUND = 3e-8; // of a double eigenvalue, which rounding moves by the square root of its size
const TINY = 2 ** -200; // a displacement whose square vanishes: what is linear answers exactly
const DIRECTIONS = 8;

function jacobian(system) {
  const { size, rest, p, code } = system;
  const flat = new Float64Array(size * size);
  code.jacobian(rest, p, flat);
  return Array.from({ length: size }, (_, i) => Array.from(flat.subarray(i * size, (i + 1) * size)));
}

const times = (rows, v) => rows.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0));

/** Whether the field moves like its Jacobian says: finite differences along fixed directions, on a small scale. */
function differentiable(system, rows) {
  const { size, rest } = system;
  const [there, here] = [new Float64Array(size), new Float64Array(size)];
  system.field(rest, here);
  const norm = 1 + Math.max(...rows.flat().map(Math.abs));
  if (!Number.isFinite(norm)) return false;
  for (let k = 0; k < DIRECTIONS; k++) {
    const u = Float64Array.from(rest, (_, i) => Math.cos(1 + 2.4 * k + 1.7 * i * (k + 1)));
    const e = 1e-6;
    system.field(rest.map((x, i) => x + e * u[i]), there);
    const wanted = times(rows, u);
    for (let i = 0; i < size; i++) {
      if (!(Math.abs((there[i] - here[i]) / e - wanted[i]) <= 1e-3 * norm)) return false;
    }
  }
  return true;
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
  const here = new Float64Array(system.size);
  system.field(system.rest, here);
  if (!here.every((x) => Math.abs(x) <= 1e-9)) return none("not-an-equilibrium");
  const rows = jacobian(system);
  if (!differentiable(system, rows)) return none("no-derivative");
  const columns = discrete ? iteration(system, chosen, rows) : rows;
  if (!columns.flat().every(Number.isFinite)) return none("no-derivative");
  const values = eigenvalues(columns); // of a matrix or of its transpose
  const largest = Math.max(...values.map(([x, y]) => (discrete ? Math.hypot(x, y) : x)));
  const margin = discrete ? 1 - largest : -largest;
  const error = BOUND * Math.max(...values.map(([x, y]) => Math.hypot(x, y)), discrete ? 1 : 0);
  const status = Math.abs(margin) <= error ? "marginal" : margin > 0 ? "stable" : "unstable";
  return { status, values, margin, discrete };
}
