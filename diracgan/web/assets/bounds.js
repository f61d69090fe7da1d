// Eigenvalues with a bound on each one's error, as Python's numerics/eigen.py has them: blocks that exact zeros take
// apart, balanced; then the lesser of condition x perturbation and Elsner's (|A| + |A'|)^(1 - 1/n) |E|^(1/n).

import { eigenvalues } from "./eigenvalues.js";
import { BOUNDS } from "./linearisation.js";

/** Indices that depend on each other, by the zeros of the rows: the strongly connected components. */
function blocks(rows) {
  const n = rows.length;
  const reach = rows.map((row, i) => row.map((x, j) => x !== 0 || i === j));
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) reach[i][j] ||= reach[i][k] && reach[k][j];
    }
  }
  const all = Array.from({ length: n }, (_, i) => i);
  return all.map((i) => all.filter((j) => reach[i][j] && reach[j][i])).filter((block, i) => block[0] === i);
}

/** The same matrix in units in which rows and columns are of like size: powers of two, in place. */
function balance(a) {
  const all = a.map((_, i) => i);
  for (let turn = 0, moved = true; moved && turn < 20; turn++) {
    moved = false;
    for (const i of all) {
      const others = all.filter((j) => j !== i);
      const column = others.reduce((sum, j) => sum + Math.abs(a[j][i]), 0);
      const row = others.reduce((sum, j) => sum + Math.abs(a[i][j]), 0);
      const factor = column && row ? 2 ** Math.round(Math.log2(row / column) / 2) : 1;
      if (column * factor + row / factor >= 0.95 * (column + row)) continue;
      for (const j of all) { a[j][i] *= factor; a[i][j] /= factor; }
      moved = true;
    }
  }
  return a;
}

/** The size of an eigenvalue's projector, the product of (A - y)/(x - y) over the others y: its condition. */
function condition(a, values, k) {
  const n = a.length;
  let [re, im] = [0, 0].map((_, part) => a.map((row, i) => row.map((_, j) => (part === 0 && i === j ? 1 : 0))));
  for (let m = 0; m < n; m++) {
    if (m === k) continue;
    const [x, y] = [values[k][0] - values[m][0], values[k][1] - values[m][1]];
    const square = x * x + y * y;
    const next = [0, 0].map(() => a.map(() => new Float64Array(n)));
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let [p, q] = [-values[m][0] * re[i][j] + values[m][1] * im[i][j], -values[m][0] * im[i][j] - values[m][1] * re[i][j]];
        for (let l = 0; l < n; l++) { p += a[i][l] * re[l][j]; q += a[i][l] * im[l][j]; }
        next[0][i][j] = (p * x + q * y) / square;
        next[1][i][j] = (q * x - p * y) / square;
      }
    }
    [re, im] = next;
  }
  return Math.hypot(...re.map((row) => Math.hypot(...row)), ...im.map((row) => Math.hypot(...row)));
}

function ofBlock(rows) {
  const a = balance(rows);
  const n = a.length;
  const sums = (at) => Math.max(...a.map((_, i) => a.reduce((sum, _, j) => sum + Math.abs(at(i, j)), 0)));
  const size = Math.sqrt(sums((i, j) => a[i][j]) * sums((i, j) => a[j][i]));
  const off = BOUNDS.perturbation * size;
  const worst = (2 * size + off) ** (1 - 1 / n) * off ** (1 / n);
  const values = eigenvalues(a);
  return values.map((value, k) => {
    const bound = condition(a, values, k) * off;
    return { value, error: bound < worst ? bound : worst };
  });
}

/**
 * @param {number[][]} rows a square matrix of finite numbers
 * @returns objects {value: [re, im], error}, by decreasing real part, then imaginary part
 */
export function bounded(rows) {
  const found = blocks(rows).flatMap((block) => ofBlock(block.map((i) => block.map((j) => rows[i][j]))));
  const near = (a, b) => Math.abs(a.value[0] - b.value[0]) <= a.error + b.error;
  return found.sort((a, b) => (near(a, b) ? b.value[1] - a.value[1] : b.value[0] - a.value[0]));
}
