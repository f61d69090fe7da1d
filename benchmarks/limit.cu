/* What a GPU can do at most: the non-saturating Dirac GAN, d = 2, one trajectory in a thread, its state in registers.
 *
 * Compiled at run time by gpu.py behind "#define T double" (or float) and, for Dormand-Prince 5(4) with a step size in
 * each thread, "#define ADAPTIVE". In single precision exp and division are the fast ones.
 */
#define F static __device__ __forceinline__
#define EACH for (int j = 0; j < 4; j++)
F float sigma(float x) { return __fdividef(1.f, 1.f + __expf(-x)); }
F double sigma(double x) { return 1. / (1. + exp(-x)); }
F void field(const T *y, T *k) {
  T s = sigma(y[0] * y[2] + y[1] * y[3]), c = 1 - s;
  k[0] = -s * y[2], k[1] = -s * y[3], k[2] = c * y[0], k[3] = c * y[1];
}

#ifndef ADAPTIVE
F void follow(T *y, int steps, T h) {
  T k[4], w[4], sum[4];
  for (int i = 0; i < steps; i++) {
    field(y, k); EACH { sum[j] = y[j] + h / 6 * k[j]; w[j] = y[j] + h / 2 * k[j]; }
    field(w, k); EACH { sum[j] += h / 3 * k[j]; w[j] = y[j] + h / 2 * k[j]; }
    field(w, k); EACH { sum[j] += h / 3 * k[j]; w[j] = y[j] + h * k[j]; }
    field(w, k); EACH y[j] = sum[j] + h / 6 * k[j];
  }
}
#else
#define STAGE(k, e) { EACH w[j] = y[j] + h * (e); field(w, k); }
F void follow(T *y, int most, T end) {
  const T rtol = sizeof(T) == 8 ? 1e-6 : 1e-4, atol = sizeof(T) == 8 ? 1e-9 : 1e-6;
  T a[4], b[4], c[4], d[4], e[4], f[4], g[4], w[4], t = 0, h = (T).01;
  field(y, a);
  for (int i = 0; i < most && t < end; i++) {
    if (t + h > end) h = end - t;
    STAGE(b, (T)(1. / 5) * a[j])
    STAGE(c, (T)(3. / 40) * a[j] + (T)(9. / 40) * b[j])
    STAGE(d, (T)(44. / 45) * a[j] - (T)(56. / 15) * b[j] + (T)(32. / 9) * c[j])
    STAGE(e, (T)(19372. / 6561) * a[j] - (T)(25360. / 2187) * b[j] + (T)(64448. / 6561) * c[j] - (T)(212. / 729) * d[j])
    STAGE(f, (T)(9017. / 3168) * a[j] - (T)(355. / 33) * b[j] + (T)(46732. / 5247) * c[j] + (T)(49. / 176) * d[j]
             - (T)(5103. / 18656) * e[j])
    STAGE(g, (T)(35. / 384) * a[j] + (T)(500. / 1113) * c[j] + (T)(125. / 192) * d[j] - (T)(2187. / 6784) * e[j]
             + (T)(11. / 84) * f[j])
    T error = 0;
    EACH {
      T off = h * ((T)(71. / 57600) * a[j] - (T)(71. / 16695) * c[j] + (T)(71. / 1920) * d[j]
                   - (T)(17253. / 339200) * e[j] + (T)(22. / 525) * f[j] - (T)(1. / 40) * g[j]);
      T scale = atol + rtol * fmax(fabs(y[j]), fabs(w[j]));
      error += off * off / (scale * scale);
    }
    error = sqrt(error / 4);
    if (error <= 1) { t += h; EACH { y[j] = w[j]; a[j] = g[j]; } }
    h *= fmin((T)5, fmax((T).2, (T).9 * (T)powf((float)fmax(error, (T)1e-10), -.2f)));
  }
}
#endif

extern "C" __global__ void run(T *h, T *y0, T *y1, T *y2, T *y3, int *most, T *z0, T *z1, T *z2, T *z3, long long count) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count; i += gridDim.x * (long long)blockDim.x) {
    T y[4] = {y0[i], y1[i], y2[i], y3[i]};
    follow(y, *most, *h);
    z0[i] = y[0], z1[i] = y[1], z2[i] = y[2], z3[i] = y[3];
  }
}
