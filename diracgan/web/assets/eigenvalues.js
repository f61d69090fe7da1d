// Eigenvalues of a small real matrix: Hessenberg form, then the shifted QR algorithm in complex arithmetic (Golub and
// Van Loan, Matrix Computations, section 7.5).

/** To Hessenberg form by Householder reflections, in place; `a` is an array of rows. */
function hessenberg(a) {
  const n = a.length;
  for (let k = 0; k < n - 2; k++) {
    const x = a.slice(k + 1).map((row) => row[k]);
    const length = Math.hypot(...x);
    if (length === 0) continue;
    x[0] += x[0] >= 0 ? length : -length;
    const square = x.reduce((sum, y) => sum + y * y, 0);
    for (let j = 0; j < n; j++) {
      let dot = 0;
      x.forEach((y, i) => { dot += y * a[k + 1 + i][j]; });
      x.forEach((y, i) => { a[k + 1 + i][j] -= (2 * dot * y) / square; });
    }
    for (const row of a) {
      let dot = 0;
      x.forEach((y, i) => { dot += y * row[k + 1 + i]; });
      x.forEach((y, i) => { row[k + 1 + i] -= (2 * dot * y) / square; });
    }
  }
}

function squareRoot(re, im) {
  const size = Math.hypot(re, im);
  const root = Math.sqrt((size + Math.abs(re)) / 2);
  if (root === 0) return [0, 0];
  return re >= 0 ? [root, im / (2 * root)] : [Math.abs(im) / (2 * root), im >= 0 ? root : -root];
}

/** The eigenvalue of the last 2 x 2 block that is nearer to its corner. */
function shift(re, im, hi) {
  const at = (i, j) => [re[i][j], im[i][j]];
  const [a, b, c, d] = [at(hi - 1, hi - 1), at(hi - 1, hi), at(hi, hi - 1), at(hi, hi)];
  const half = [(a[0] - d[0]) / 2, (a[1] - d[1]) / 2];
  const bc = [b[0] * c[0] - b[1] * c[1], b[0] * c[1] + b[1] * c[0]];
  const root = squareRoot(half[0] ** 2 - half[1] ** 2 + bc[0], 2 * half[0] * half[1] + bc[1]);
  const middle = [(a[0] + d[0]) / 2, (a[1] + d[1]) / 2];
  const both = [1, -1].map((s) => [middle[0] + s * root[0], middle[1] + s * root[1]]);
  const far = both.map(([x, y]) => Math.hypot(x - d[0], y - d[1]));
  return far[0] < far[1] ? both[0] : both[1];
}

/** One QR step with a shift on rows and columns lo..hi: rotations from the left, then from the right. */
function turn(re, im, lo, hi, [sr, si]) {
  for (let i = lo; i <= hi; i++) { re[i][i] -= sr; im[i][i] -= si; }
  const rotations = [];
  for (let k = lo; k < hi; k++) {
    const [xr, xi, yr, yi] = [re[k][k], im[k][k], re[k + 1][k], im[k + 1][k]];
    const r = Math.hypot(xr, xi, yr, yi) || 1;
    const g = [xr / r, xi / r, yr / r, yi / r];
    rotations.push(g);
    const [ar, ai, br, bi] = g; // [conj a, conj b; -b, a]
    for (let j = k; j <= hi; j++) {
      const [pr, pi, qr, qi] = [re[k][j], im[k][j], re[k + 1][j], im[k + 1][j]];
      re[k][j] = ar * pr + ai * pi + br * qr + bi * qi;
      im[k][j] = ar * pi - ai * pr + br * qi - bi * qr;
      re[k + 1][j] = ar * qr - ai * qi - (br * pr - bi * pi);
      im[k + 1][j] = ar * qi + ai * qr - (br * pi + bi * pr);
    }
  }
  rotations.forEach(([ar, ai, br, bi], index) => {
    const k = lo + index;
    for (let i = lo; i <= Math.min(k + 2, hi); i++) {
      const [pr, pi, qr, qi] = [re[i][k], im[i][k], re[i][k + 1], im[i][k + 1]];
      re[i][k] = pr * ar - pi * ai + qr * br - qi * bi;
      im[i][k] = pr * ai + pi * ar + qr * bi + qi * br;
      re[i][k + 1] = qr * ar + qi * ai - (pr * br + pi * bi);
      im[i][k + 1] = qi * ar - qr * ai - (pi * br - pr * bi);
    }
  });
  for (let i = lo; i <= hi; i++) { re[i][i] += sr; im[i][i] += si; }
}

/**
 * @param {number[][]} rows a square matrix of finite numbers
 * @returns {number[][]} pairs [re, im], by decreasing real part, then imaginary part
 */
export function eigenvalues(rows) {
  const n = rows.length;
  const re = rows.map((row) => Array.from(row));
  hessenberg(re);
  const im = re.map((row) => row.map(() => 0));
  const small = (i) => {
    const beside = Math.abs(re[i][i]) + Math.abs(re[i - 1][i - 1]) + Math.abs(im[i][i]) + Math.abs(im[i - 1][i - 1]);
    return Math.abs(re[i][i - 1]) + Math.abs(im[i][i - 1]) <= 2.3e-16 * (beside || 1);
  };
  let turns = 0;
  for (let hi = n - 1; hi > 0; ) {
    let lo = hi;
    while (lo > 0 && !small(lo)) lo--;
    if (lo === hi) { hi--; turns = 0; continue; }
    if (++turns > 100) { hi--; turns = 0; continue; }
    const exceptional = [re[hi][hi] + Math.abs(re[hi][hi - 1]), im[hi][hi]];
    turn(re, im, lo, hi, turns % 11 === 10 ? exceptional : shift(re, im, hi));
  }
  const found = re.map((row, i) => [row[i], im[i][i]]);
  const near = 1e-9 * Math.max(...found.map(([x, y]) => Math.hypot(x, y)), 1e-300);
  found.forEach((pair) => { if (Math.abs(pair[1]) < 1e-3 * near) pair[1] = 0; });
  return found.sort((a, b) => (Math.abs(a[0] - b[0]) > near ? b[0] - a[0] : b[1] - a[1]));
}
