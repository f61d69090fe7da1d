"""The C text of the loops of :mod:`.compiled_loops`, around functions that a scalar program is written out as.

A short loop is compiled with its function; the long one of the flow is compiled once for all flows, whose functions and
sizes it is told.
"""

from ..tracing.c_text import FUNCTIONS

_OF_ONE = sorted({*FUNCTIONS, "exp", "tanh", "sqrt", "fabs"})

#: What the texts use of C's library: to read its headers takes a quarter of the time of compiling a short loop.
HEAD = f"""
typedef double T;
#define LANES 2
#define VECTORS(n) (((n) + LANES - 1) / LANES)
#define BLOCKS VECTORS(N)
typedef double V __attribute__((vector_size(8 * LANES)));
typedef V Loose __attribute__((aligned(8), may_alias));
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
double {", ".join(f"{name}(double)" for name in _OF_ONE)};
double pow(double, double), fmin(double, double), fmax(double, double);
void *memcpy(void *, const void *, __SIZE_TYPE__), *memset(void *, int, __SIZE_TYPE__);
#define isfinite __builtin_isfinite
#define NAN __builtin_nan("")
#define INFINITY __builtin_inf()
/* what is 0 as rounded, as x^y <= e^(y (x - 1)), is so at once: the library takes three times as long for it */
static double power(double x, double y) {{ return x >= 0 && x < 1 && y * (x - 1) < -746 ? 0 : pow(x, y); }}
#define pow power
"""

#: What :mod:`.event_loop` does, step for step: the same stages, step control, guards and rows. Of a flow it is told its
#: functions and, in this order, its sizes: ``N`` entries of a state, ``WAYS`` neighbours carried along with it,
#: ``SITES`` guards besides the float range; ``FROZEN`` tells that a field without a value is another loop's business,
#: ``SLIDES`` along how many surfaces the motion slides; of its ``PARAMETERS`` the signs of the branches begin at
#: ``MODES`` and the slacks of the surfaces at ``SLACK``. The float range ends at ``LARGEST``; ``LEAVING`` is the slack
#: of a surface that is being left, as a share of what its guard changes by while the state does by its size. A surface
#: whose sites are known to switch together, and which the field crosses, is crossed here; whatever else happens at a
#: surface ends the loop.
EVENT_LOOP = """
typedef void Function(const double *p, const double *x, double *out);
typedef struct { Function *field, *watched; const int64_t *sizes; } Flow;
#define SIZES(flow) \
  const int64_t N = flow->sizes[0], WAYS = flow->sizes[1], SITES = flow->sizes[2], FROZEN = flow->sizes[3]; \
  const int64_t SLIDES = flow->sizes[4], PARAMETERS = flow->sizes[5], MODES = flow->sizes[6]; \
  const int64_t SLACK = flow->sizes[7], ALL = N * (1 + WAYS), GUARDS = SITES + 1
#define WIDE (VECTORS(ALL) * LANES)
#define STAGES 14
#define HALVINGS 60
#define SHORTEST 1e-300
enum { RUNNING, DONE, EVENT, STIFF, LOST = 9 };

static int is_lost(const double *v, int count) {
  for (int i = 0; i < count; i++) if (v[i] != v[i]) return 1;
  return 0;
}

/* the k-th choice of branches beyond their surfaces, by the guards there, to be freed: one alone, in the end all */
static void freed(const Flow *flow, const double *p, const double *guards, int k, double *q) {
  SIZES(flow);
  for (int i = 0; i < SITES; i++) {
    int beyond = !(guards[i] - p[SLACK + i] >= 0);
    q[MODES + i] = beyond && (i == k || k == SITES) ? -p[MODES + i] : p[MODES + i];
  }
}

/* a frozen branch that has no value beyond its surface gives way to the one beyond, alone if that will do */
static void continued(const Flow *flow, const double *p, const double *y, double *v) {
  SIZES(flow);
  if (!SITES || SLIDES) return;
  double q[PARAMETERS], out[2 * SITES];
  memcpy(q, p, sizeof q);
  flow->watched(p, y, out);
  for (int k = 0; k <= SITES && is_lost(v, N); k++) {
    freed(flow, p, out, k, q);
    flow->field(q, y, v);
  }
}

static void velocity(const Flow *flow, const double *p, const double *y, double *v) {
  SIZES(flow);
  if (!WAYS) {
    flow->field(p, y, v);
    if (FROZEN && is_lost(v, N)) continued(flow, p, y, v);
    return;
  }
  double x[2 * N], out[2 * N];
  memcpy(x, y, sizeof(double) * N);
  for (int w = 1; w <= WAYS; w++) {
    memcpy(x + N, y + w * N, sizeof(double) * N);
    flow->field(p, x, out);
    memcpy(v + w * N, out + N, sizeof(double) * N);
  }
  memcpy(v, out, sizeof(double) * N);
}

/* the guards, the last one the float range, and their slopes: by the same field, whose branches turn their guards */
static void look(const Flow *flow, const double *p, const double *y, double *g, double *s) {
  SIZES(flow);
  double out[2 * SITES + 1], q[PARAMETERS], other[2 * SITES + 1];
  if (SITES) flow->watched(p, y, out);
  if (SITES && !SLIDES) memcpy(q, p, sizeof q);
  for (int k = 0; !SLIDES && k <= SITES && is_lost(out + SITES, SITES); k++) {
    freed(flow, p, out, k, q);
    flow->watched(q, y, other);
    for (int i = 0; i < SITES; i++) {
      out[SITES + i] = q[MODES + i] == p[MODES + i] ? other[SITES + i] : -other[SITES + i];
    }
  }
  memcpy(g, out, sizeof(double) * SITES);
  memcpy(s, out + SITES, sizeof(double) * SITES);
  double most = 0;
  int finite = 1;
  for (int i = 0; i < ALL; i++) { double a = fabs(y[i]); if (a > most) most = a; if (!isfinite(a)) finite = 0; }
  g[SITES] = finite ? LARGEST - most : -1;
  s[SITES] = 0;
}

/* the error in units of what is allowed; NaN stays */
static double measured(const Flow *flow, const double *e, const double *y, const double *z, double rtol, double atol) {
  SIZES(flow);
  double off = 0, big = 0, others = 0, size = 0;
  for (int i = 0; !WAYS && i < ALL; i++) {
    double a = fabs(e[i]) / (atol + rtol * fmax(fabs(y[i]), fabs(z[i])));
    if (a != a) return a;
    size = fmax(size, a);
  }
  if (!WAYS) return size;
  for (int i = 0; i < ALL; i++) {
    double a = fabs(e[i]), b = fmax(fabs(y[i]), fabs(z[i]));
    if (a != a) return a;
    if (i < N) { off = fmax(off, a); big = fmax(big, b); } else { others = fmax(others, a); size = fmax(size, b); }
  }
  return fmax(off / (rtol * big + atol), others / (10 * rtol * fmax(size, atol)));
}

/* Whether the motion plainly crosses the surface of guard k: all sites that switch there are near it, no other is but
   what touches it, and the field beyond leads away from all. Then the parameters, the guards and their slopes are those
   of the regime beyond. */
static int crosses(const Flow *flow, double *p, const int64_t *shared, int k, const double *y, double *g, double *s) {
  SIZES(flow);
  if (!SITES || SLIDES || k >= SITES || !shared[k * SITES + k] || !(s[k] < 0)) return 0;
  double q[PARAMETERS], out[2 * SITES], v[N], off = 0, fast = 0, flat = -1e-6 * s[k];
  int tied[SITES];
  flow->field(p, y, v);
  if (is_lost(v, N)) continued(flow, p, y, v); /* it has just come beyond the surface, where it may have no value */
  for (int c = 0; c < N; c++) { off = fmax(off, fabs(y[c])); fast = fmax(fast, fabs(v[c])); }
  memcpy(q, p, sizeof q);
  for (int j = 0; j < SITES; j++) {
    int flips = shared[k * SITES + j];
    /* what a guard changes by while the state does by its size: so rounding is told in any unit of either */
    double unit = (off > 0 ? off : 1) / fast * fabs(flips ? s[j] : s[k]), slack = p[SLACK + j], least = 1e-9 * unit;
    tied[j] = flips || (!(g[j] <= 2 * slack) && g[j] <= least); /* a little above 0 by its slack: still being left */
    if (tied[j]) {
      if (!(s[j] <= flat && fabs(g[j] - slack) <= least) || !(flips || s[j] >= -flat)) return 0;
      if (flips) q[MODES + j] = -p[MODES + j];
      q[SLACK + j] = LEAVING * unit;
    } else if (!(g[j] <= 2 * slack)) {
      q[SLACK + j] = 0;
    }
  }
  flow->watched(q, y, out);
  for (int j = 0; j < SITES; j++) {
    if (!(out[j] > 0)) return 0;
    if (tied[j] && !(out[SITES + j] >= (j == k ? 1e-9 * (out[SITES + j] - s[j]) : -flat))) return 0;
  }
  if (!(-s[k] >= 1e-4 * out[SITES + k])) return 0; /* it may have come to rest at the edge */
  memcpy(p, q, sizeof q);
  memcpy(g, out, sizeof(double) * SITES);
  memcpy(s, out + SITES, sizeof(double) * SITES);
  return 1;
}

/* the sum of weighted rows of K, entry by entry in vectors; rows are padded with zeros to whole ones */
static void weighed(int64_t wide, const double *weights, int rows, const double *K, double *sums) {
  for (int64_t c = 0; c < wide; c += LANES) {
    V sum = {0};
    for (int j = 0; j < rows; j++) sum += weights[j] * *(const Loose *)(K + j * wide + c);
    *(Loose *)(sums + c) = sum;
  }
}

/* where a guard above 0 at both ends is lowest within the step, by its cubic */
static double lowest(double g0, double s0, double g1, double s1, double h, double *share) {
  double slope = h * s0, rise = g1 - g0;
  double square = 3 * rise - h * (2 * s0 + s1), cube = h * (s0 + s1) - 2 * rise;
  *share = 0.5;
  if (!(g0 > 0 && g1 > 0 && s0 < 0 && s1 > 0)) return INFINITY;
  double root = sqrt(fmax(square * square - 3 * cube * slope, 0));
  *share = -slope / (square + root);
  return g0 + *share * (slope + *share * (square + *share * cube));
}

long long run(Function *field, Function *watched, const int64_t *sizes, double *p, const double *table,
              const double *limits, const double *ts, const int64_t *shared, double *now, int64_t *counts, double *y,
              double *before, double *ys, double *crossings, long long rows, long long enough, long long most) {
  const Flow told = {field, watched, sizes}, *flow = &told;
  SIZES(flow);
  const double *lower = table, *weights = table + STAGES * STAGES, *errors = weights + STAGES;
  double t1 = limits[0], rtol = limits[1], atol = limits[2];
  double t = now[0], h = now[1], low = now[2], high = now[3];
  int64_t steps = counts[0], status = counts[1], guard = counts[2], halvings = counts[3], k = counts[4];
  int64_t until = steps + most, crossed = counts[5];
  double *g0 = before, *s0 = before + GUARDS;
  double K[STAGES][WIDE], w[WIDE], z[WIDE], e[WIDE], g[GUARDS], s[GUARDS];
  memset(K, 0, sizeof K);
  while (status == RUNNING && steps < until) {
    double target = k < rows && ts[k] < t1 ? ts[k] : t1;
    int begins = h == 0, seeking = halvings > 0, last = halvings == HALVINGS;
    int lands = !seeking && h >= target - t;
    double length = seeking ? (last ? high : 0.5 * (low + high)) : lands ? target - t : h;
    for (int i = 0; i < STAGES; i++) {
      weighed(WIDE, lower + i * STAGES, i, K[0], w);
      for (int c = 0; c < ALL; c++) w[c] = y[c] + length * w[c];
      velocity(flow, p, w, K[i]);
      if (FROZEN && is_lost(K[i], ALL)) { counts[1] = LOST; return LOST; }
    }
    weighed(WIDE, weights, STAGES, K[0], z);
    weighed(WIDE, errors, STAGES, K[0], e);
    for (int c = 0; c < ALL; c++) { z[c] = y[c] + length * z[c]; e[c] *= length; }
    double size = measured(flow, e, y, z, rtol, atol);
    int good = seeking || (isfinite(size) && size <= 1);
    look(flow, p, z, g, s);
    int least = 0;
    for (int i = 1; i < GUARDS; i++) if (g[i] < g[least]) least = i;
    int fallen = good && isfinite(size) && !begins && g[least] < 0; /* without a value nothing has been met */
    double depth = INFINITY, share = 0.5;
    for (int i = 0; i < GUARDS; i++) {
      double at, here = lowest(g0[i], s0[i], g[i], s[i], length, &at);
      if (here < depth) { depth = here; share = at; }
    }
    int dips = good && !seeking && !fallen && depth < 0 && length > 1e-10 * fabs(t); /* in any unit of time */
    int moves = last || (good && !fallen && !seeking && !dips);
    low = seeking ? (fallen ? low : length) : 0;
    high = fallen ? length : high;
    halvings = seeking || fallen ? halvings + 1 : 0;
    double factor = isfinite(size) ? fmin(fmax(0.9 * pow(size, -0.125), 0.2), 5) : 0.1;
    double grown = lands && good ? fmax(h, length * factor) : length * factor;
    if (dips) grown = fmin(fmax(share, 0.05), 0.95) * length;
    if (begins) {
      double far = 0, fast = 0;
      for (int c = 0; c < ALL; c++) { far += y[c] * y[c]; fast += K[0][c] * K[0][c]; }
      grown = 0.01 * (sqrt(far) + atol / rtol) / (sqrt(fast) + 1e-300); /* what tolerances count as large */
      if (!(grown >= SHORTEST)) grown = SHORTEST; /* where squares overflow; a length of 0 would begin for ever */
    }
    int tiny = !good && length <= fmax(1e-15 * fabs(t), SHORTEST); /* rounding of t, in any unit of time */
    if (moves) {
      t = lands ? target : t + length;
      memcpy(y, z, sizeof(double) * ALL);
      memcpy(g0, g, sizeof g);
      memcpy(s0, s, sizeof s);
    }
    h = grown;
    if (last) guard = least;
    status = last ? EVENT : tiny ? STIFF : moves && t >= t1 ? DONE : RUNNING;
    if (last && t < t1 && crossed < enough && !(crossed && t - crossings[crossed - 1] <= 1e-13 * t1) &&
        crosses(flow, p, shared, least, y, g0, s0)) {
      status = RUNNING;
      crossings[crossed++] = t;
      halvings = 0;
      low = high = 0;
    }
    steps += !begins;
    if (k < rows && t >= ts[k]) { memcpy(ys + k * ALL, y, sizeof(double) * ALL); k++; }
  }
  now[0] = t; now[1] = h; now[2] = low; now[3] = high;
  counts[0] = steps; counts[1] = status; counts[2] = guard; counts[3] = halvings; counts[4] = k; counts[5] = crossed;
  return status;
}
"""

#: The stretching along an orbit of z + change(z), ``N`` entries, by Gram and Schmidt: their logarithms in each row. The
#: frame is set right after a stride of steps, as many as it takes without lying flat: where it does, the stride is made
#: again, shorter. Its directions stand side by side in vectors, entry by entry, and all are pushed by one call.
STRETCHING_LOOP = """
enum { LONGEST = 32, WAYS = BLOCKS * LANES };
static const double FLAT = 1e-8, UPRIGHT = 1e-4; /* what is left of a direction without those before it */
typedef double Frame[N][WAYS];

/* the products of direction i with those from the block of another on */
static void products(Frame frame, int i, int from, double *found) {
  for (int b = from / LANES; b < BLOCKS; b++) {
    V sum = {0};
    for (int c = 0; c < N; c++) sum += frame[c][i] * *(Loose *)&frame[c][b * LANES];
    *(Loose *)&found[b * LANES] = sum;
  }
}

static double set_right(Frame frame, double *lengths, double least) {
  double left = 1, whole[N], along[WAYS];
  for (int j = 0; j < N; j++) {
    whole[j] = 0;
    for (int c = 0; c < N; c++) whole[j] += frame[c][j] * frame[c][j];
  }
  for (int i = 0; i < N; i++) {
    double length = 0;
    for (int c = 0; c < N; c++) length += frame[c][i] * frame[c][i];
    length = sqrt(length);
    if (!(length >= left * sqrt(whole[i]))) left = length / sqrt(whole[i]); /* a NaN stays */
    if (length < least) length = least;
    if (!(length > least && length < INFINITY)) left = 0; /* it may have left the float range on the way */
    for (int c = 0; c < N; c++) frame[c][i] /= length;
    lengths[i] = length;
    products(frame, i, i + 1, along);
    for (int j = 0; j <= i; j++) along[j] = 0;
    for (int c = 0; c < N; c++) {
      for (int b = (i + 1) / LANES; b < BLOCKS; b++) {
        *(Loose *)&frame[c][b * LANES] -= *(Loose *)&along[b * LANES] * frame[c][i];
      }
    }
  }
  return left;
}

static void push(const double *p, double *x, Frame frame) {
  double change[N];
  Frame moved;
  pushed(p, x, (Loose *)frame, change, (Loose *)moved);
  for (int c = 0; c < N; c++) x[c] += change[c];
  for (int k = 0; k < N * BLOCKS; k++) ((Loose *)frame)[k] += ((Loose *)moved)[k];
}

/* on from now = {row, steps of it, stride}, all 0 at first, for about as many steps as most; whether rows are left */
long long run(const double *p, double *x, double (*frame)[WAYS], double *logs, int64_t *now, long long rows,
              long long kept, long long most, double least) {
  double before[N], lengths[N];
  Frame upright;
  int64_t row = now[0], k = now[1], stride = now[2], made = 0;
  if (!stride) {
    memset(frame, 0, sizeof upright);
    for (int j = 0; j < N; j++) frame[j][j] = 1;
    stride = 1;
  }
  while (row < rows && made < most) {
    double *sums = logs + row * N;
    if (!k) memset(sums, 0, sizeof(double) * N);
    while (k < kept && made < most) {
      long long many = stride < kept - k ? stride : kept - k;
      memcpy(before, x, sizeof before);
      memcpy(upright, frame, sizeof upright);
      for (long long n = 0; n < many; n++) push(p, x, frame);
      made += many;
      double left = set_right(frame, lengths, least);
      if (many > 1 && !(left > FLAT)) {
        memcpy(x, before, sizeof before);
        memcpy(frame, upright, sizeof upright);
        stride = many / 2;
        continue;
      }
      for (int j = 0; j < N; j++) sums[j] += log(lengths[j]);
      k += many;
      if (many == stride && stride < LONGEST && left > UPRIGHT) stride *= 2;
    }
    if (k < kept) break;
    for (int j = 0; j < N; j++) sums[j] /= kept;
    row++;
    k = 0;
  }
  now[0] = row; now[1] = k; now[2] = stride;
  return row < rows;
}
"""

#: One step of the classical Runge-Kutta method of order 4 on a flow, as an iteration; its length is the parameter after
#: the ``PARAMETERS`` of the field.
RUNGE_KUTTA_STEP = """
static void iteration(const double *p, const double *y, double *next) {
  static const double reach[4] = {0, 0.5, 0.5, 1}, weights[4] = {1. / 6, 1. / 3, 1. / 3, 1. / 6};
  double h = p[PARAMETERS], k[N] = {0}, at[N];
  memcpy(next, y, sizeof k);
  for (int i = 0; i < 4; i++) {
    for (int c = 0; c < N; c++) at[c] = y[c] + reach[i] * h * k[c];
    field(p, at, k);
    for (int c = 0; c < N; c++) next[c] += weights[i] * h * k[c];
  }
}
"""

#: The iterations of a map: ``N`` entries of a state, the first ``PLAYERS`` of them the players.
MAP_LOOP = """
long long run(const double *p, const int64_t *counts, double *x, double *kept, int64_t *bad, double bound,
              long long rows, long long number) {
  double next[N];
  for (long long row = 0; row < rows; row++) {
    for (int64_t n = 0; n < counts[row]; n++) {
      iteration(p, x, next);
      memcpy(x, next, sizeof next);
      number++;
      int fine = 1;
      for (int i = 0; i < PLAYERS; i++) fine &= fabs(x[i]) < bound;
      if (!fine && *bad < 0) *bad = number;
    }
    memcpy(kept + row * PLAYERS, x, sizeof(double) * PLAYERS);
  }
  return *bad;
}
"""
