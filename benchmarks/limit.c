/* What a processor's cores can do at most: the non-saturating Dirac GAN, several vectors of trajectories side by side in registers.
 *
 *   cc -O3 -march=native -mprefer-vector-width=512 -ffast-math -fopenmp -shared -fPIC limit.c -o limit.so -lm
 *
 * rk4_TYPE_uU:  d = 2; y is (4, n), rows phi_1, phi_2, theta_1, theta_2; n a multiple of 64 U numbers.
 * train_TYPE:   d = 1; both players at once (alternate = 0) or the critic first (alternate = 1).
 */
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define BYTES 64
#else
#define BYTES 32
#endif
#define TYPES(T, I, N)                                     \
  typedef T T##_##N __attribute__((vector_size(BYTES)));   \
  typedef I I##_##N __attribute__((vector_size(BYTES)));
TYPES(float, int32_t, v)
TYPES(double, int64_t, v)
#define OPAQUE(x) __asm__("" : "+v"(x)) /* keeps fast-math from undoing the rounding by a large number */

/* sigma(x) = 1 / (1 + 2^k e^r), r = -x - k log 2 */
static inline float_v sigma_f(float_v x) {
  float_v k = x * -1.442695041f + 12582912.f;
  OPAQUE(k);
  float_v n = k - 12582912.f, r = -x - n * 0.69314718f, p = r * (1.f / 720) + 1.f / 120;
  p = p * r + 1.f / 24, p = p * r + 1.f / 6, p = p * r + .5f, p = p * r + 1, p = p * r + 1;
  return 1 / (1 + (float_v)((int32_t_v)p + ((int32_t_v)k << 23)));
}

static inline double_v sigma_d(double_v x) {
  double_v k = x * -1.4426950408889634 + 6755399441055744.;
  OPAQUE(k);
  double_v n = k - 6755399441055744., r = -x - n * 0.6931471803691238;
  r -= n * 1.9082149292705877e-10;
  double_v p = r * (1. / 479001600) + 1. / 39916800;
  p = p * r + 1. / 3628800, p = p * r + 1. / 362880, p = p * r + 1. / 40320, p = p * r + 1. / 5040;
  p = p * r + 1. / 720, p = p * r + 1. / 120, p = p * r + 1. / 24, p = p * r + 1. / 6, p = p * r + .5;
  p = p * r + 1, p = p * r + 1;
  return 1 / (1 + (double_v)((int64_t_v)p + ((int64_t_v)k << 52)));
}

#define ALL for (int i = 0; i < 4 * U; i++)
#define FIELD(y, k)                                                              \
  for (int u = 0; u < U; u++) {                                                  \
    V s = SIGMA(y[u] * y[2 * U + u] + y[U + u] * y[3 * U + u]), c = 1 - s;        \
    k[u] = -s * y[2 * U + u], k[U + u] = -s * y[3 * U + u];                       \
    k[2 * U + u] = c * y[u], k[3 * U + u] = c * y[U + u];                         \
  }
#define RK4(NAME, T, V_, SIGMA_, U_)                                              \
  void NAME(T *y, long n, long steps, T h) {                                      \
    enum { U = U_, L = BYTES / sizeof(T) };                                          \
    typedef V_ V;                                                                 \
    _Pragma("omp parallel for schedule(static)") for (long b = 0; b < n; b += U * L) { \
      V z[4 * U], k[4 * U], w[4 * U], sum[4 * U];                                 \
      ALL memcpy(&z[i], y + (i / U) * n + b + (i % U) * L, sizeof(V));            \
      for (long t = 0; t < steps; t++) {                                          \
        FIELD(z, k) ALL sum[i] = z[i] + h / 6 * k[i], w[i] = z[i] + h / 2 * k[i]; \
        FIELD(w, k) ALL sum[i] += h / 3 * k[i], w[i] = z[i] + h / 2 * k[i];       \
        FIELD(w, k) ALL sum[i] += h / 3 * k[i], w[i] = z[i] + h * k[i];           \
        FIELD(w, k) ALL z[i] = sum[i] + h / 6 * k[i];                             \
      }                                                                           \
      ALL memcpy(y + (i / U) * n + b + (i % U) * L, &z[i], sizeof(V));            \
    }                                                                             \
  }
#define SIGMA sigma_f
RK4(rk4_f32_u1, float, float_v, sigma_f, 1)
RK4(rk4_f32_u2, float, float_v, sigma_f, 2)
RK4(rk4_f32_u4, float, float_v, sigma_f, 4)
#undef SIGMA
#define SIGMA sigma_d
RK4(rk4_f64_u1, double, double_v, sigma_d, 1)
RK4(rk4_f64_u2, double, double_v, sigma_d, 2)
RK4(rk4_f64_u4, double, double_v, sigma_d, 4)
#undef SIGMA

#define EACH for (int u = 0; u < 8; u++)
#define TRAIN(NAME, T, V, SIGMA)                                                  \
  void NAME(T *theta, T *phi, long n, long steps, T h, int alternate) {           \
    enum { L = BYTES / sizeof(T) };                                                  \
    _Pragma("omp parallel for schedule(static)") for (long b = 0; b < n; b += 8 * L) { \
      V x[8], y[8];                                                               \
      EACH memcpy(&x[u], theta + b + u * L, sizeof(V)), memcpy(&y[u], phi + b + u * L, sizeof(V)); \
      for (long t = 0; t < steps; t++) {                                          \
        if (alternate) {                                                          \
          EACH y[u] -= h * x[u] * SIGMA(x[u] * y[u]);                             \
          EACH x[u] += h * y[u] * (1 - SIGMA(x[u] * y[u]));                       \
        } else EACH {                                                             \
          V s = SIGMA(x[u] * y[u]), moved = y[u] - h * x[u] * s;                  \
          x[u] += h * y[u] * (1 - s), y[u] = moved;                               \
        }                                                                         \
      }                                                                           \
      EACH memcpy(theta + b + u * L, &x[u], sizeof(V)), memcpy(phi + b + u * L, &y[u], sizeof(V)); \
    }                                                                             \
  }
TRAIN(train_f32, float, float_v, sigma_f)
TRAIN(train_f64, double, double_v, sigma_d)
