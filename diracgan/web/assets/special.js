// The functions that JavaScript does not have and losses may hold: erf, erfc, erf⁻¹, ln Γ and its derivatives, for real x.
// DLMF is the Digital Library of Mathematical Functions, https://dlmf.nist.gov.

const EULER = 0.5772156649015329;
const ROOT = 1.4616321449683622; // of digamma, and what is behind its last digit: ROOT + REST
const REST = 9.549995429965697e-17;
const HALF = 0.25; // the square of the quadrature's step, 1/2

// ---------------------------------------------------------------- erf, erfc

/** exp(-x²) without the rounding of x² when that is large. */
function bell(x) {
  const near = Math.fround(x); // its square is exact
  return Math.exp(-near * near) * Math.exp((near - x) * (near + x));
}

/** For |x| < 1: DLMF 7.6.2, all of whose terms have one sign. */
function series(x) {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** For x >= 1/2: the trapezium rule and the residue of its poles; Chiarella and Reichel, Math. Comp. 22 (1968) 137. */
function tail(x) {
  let sum = 0.5 / (x * x);
  for (let n = 1; n < 13; n++) sum += Math.exp(-n * n * HALF) / (n * n * HALF + x * x);
  const smooth = ((x * bell(x)) / Math.PI) * sum;
  return x < 2 * Math.PI ? smooth - 2 / Math.expm1(4 * Math.PI * x) : smooth;
}

export function erfc(x) {
  if (x > 28) return 0;
  return x >= 0.5 ? tail(x) : 1 - erf(x);
}

export function erf(x) {
  if (Math.abs(x) < 1 || x !== x) return series(x);
  return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
}

const WINITZKI = 0.147; // A handy approximation for the error function and its inverse (2008): to 0.2 % from 1/2 on

/** The inverse of erf: a guess to a few per cent, and Halley's method, of which every step triples the digits. */
export function erfInv(y) {
  const far = Math.abs(y);
  if (!(far < 1)) return far === 1 ? y * Infinity : NaN;
  let x = (Math.sqrt(Math.PI) / 2) * far;
  if (far > 0.5) {
    const log = Math.log((1 - far) * (1 + far));
    const half = 2 / (Math.PI * WINITZKI) + log / 2;
    x = Math.sqrt(Math.sqrt(half * half - log / WINITZKI) - half);
  }
  for (let k = 0; k < 3; k++) {
    const gap = far > 0.5 ? 1 - far - erfc(x) : erf(x) - far; // 1 - far is exact
    const newton = (Math.sqrt(Math.PI) / 2) * gap * Math.exp(x * x);
    x -= newton / (1 + x * newton);
  }
  return Math.sign(y) * x;
}

// ---------------------------------------------------------------- ln Γ and its derivatives

const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510]; // B₂, B₄, ...

/** Hurwitz' zeta function of a whole number s > 1, by Euler and Maclaurin: DLMF 25.11.5; for q < 0 its sum of q + k. */
function zeta(s, q) {
  if (q < -1e4) return NaN; // a sum of so many terms is not worth a frame
  let sum = 0;
  for (; q < 12; q++) sum += q ** -s;
  let term = q ** (1 - s);
  sum += term / (s - 1) + term / (2 * q);
  for (let k = 0; k < BERNOULLI.length; k++) {
    term *= ((k ? s + 2 * k - 1 : 1) * (s + 2 * k)) / (q * q);
    sum += (BERNOULLI[k] / factorial(2 * k + 2)) * term;
  }
  return sum;
}

function factorial(n) {
  let product = 1;
  for (let k = 2; k <= n; k++) product *= k;
  return product;
}

/** Σ a[k] z^k / k for k = 2, 3, ... with signs that alternate. */
const AT_TWO = Array.from({ length: 38 }, (_, k) => (k < 2 ? 0 : ((-1) ** k * zeta(k, 2)) / k));
const AT_ROOT = Array.from({ length: 42 }, (_, k) => (k < 1 ? 0 : (-1) ** (k + 1) * zeta(k + 1, ROOT)));

function polynomial(coefficients, z) {
  return coefficients.reduceRight((sum, c) => sum * z + c, 0);
}

/** ln |Γ(x)|: Taylor's series at 2, DLMF 5.7.3, up to 2.5; Stirling's series, 5.11.1, from 10. */
export function lgamma(x) {
  if (x <= 0) {
    const wave = Math.abs(Math.sin(Math.PI * (x - Math.round(x))));
    return wave > 0 ? Math.log(Math.PI / wave) - lgamma(1 - x) : Infinity;
  }
  if (x < 0.5) return lgamma(x + 1) - Math.log(x);
  if (x < 1.5) return about2(x - 1) - Math.log1p(x - 1);
  if (x <= 2.5) return about2(x - 2);
  let product = 1;
  for (; x > 2.5 && x < 10; ) product *= --x;
  if (product > 1) return about2(x - 2) + Math.log(product);
  let sum = (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI);
  for (let k = 0, power = 1 / x; k < BERNOULLI.length; k++, power /= x * x) {
    sum += (BERNOULLI[k] / ((2 * k + 1) * (2 * k + 2))) * power;
  }
  return x < Infinity ? sum : x;
}

/** ln Γ(2 + z) for |z| <= 1/2. */
function about2(z) {
  return (1 - EULER) * z + polynomial(AT_TWO, z);
}

/** Γ'/Γ: Taylor's series at its positive root, so that it is right to the last digits there; DLMF 5.11.2 from 10. */
export function digamma(x) {
  if (x <= 0) {
    const wave = Math.tan(Math.PI * (x - Math.round(x)));
    return wave === 0 ? NaN : digamma(1 - x) - Math.PI / wave;
  }
  let shift = 0;
  if (x < 1) shift = -1 / x++;
  for (; x > 2 && x < 10; ) shift += 1 / --x;
  if (x <= 2) return shift + polynomial(AT_ROOT, x - ROOT - REST);
  let sum = Math.log(x) - 0.5 / x;
  for (let k = 0, power = 1 / (x * x); k < BERNOULLI.length; k++, power /= x * x) {
    sum -= (BERNOULLI[k] / (2 * k + 2)) * power;
  }
  return sum;
}

/** The derivative of order m of digamma, DLMF 25.11.12. */
export function polygamma(m, x) {
  return m === 0 ? digamma(x) : (-1) ** (m + 1) * factorial(m) * zeta(m + 1, x);
}
