"""The C backend: a motion's scalar program written out as C on vector registers, where there is a compiler.

The whole time loop of a few vectors of trajectories runs without touching memory. The C is generated from the same
program that XLA would run, which takes over wherever something is missing: a compiler, an operation, a reason to wait
for the compilation.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..tracing.c_compiler import available, compiler, loaded
from ..tracing.scalar_program import Program
from ..tracing.source_text import NotWritable
from .blocks import cores
from .foreign_call import ArrayAddress, Place

WORTH = 10_000_000
"""Trajectory-steps from which on the compilation pays."""

GROUP = 128
"""Trajectories come in multiples of this."""

MACHINE = "-march=native"
"""The processor that code is for, in the compiler's words."""
_HELD = 16  # vectors for the state, several side by side to hide latencies (measured on AVX2 and AVX-512)
# (e^r - 1)/r by powers of r: 1, 1/2, then what comes nearest to the rest for |r| <= log(2)/2, relative to the whole.
# 3e-17 off in double precision, 1.6e-8 in single: an eighth of a unit in the last place, in fewer terms than Taylor's.
_SERIES = {
    "double": "1 .5 0.1666666666666668 0.04166666666661959 0.008333333333318987 0.0013888888920687474"
    " 0.00019841269894265765 2.480151610508747e-05 2.7557235198146623e-06 2.762232943622183e-07 2.511233962362608e-08",
    "float": "1 .5 .1666654363 .04166643441 .008366528868 .001393780852",
}
_FLAGS = ("-O3", "-mprefer-vector-width=512", "-fno-math-errno", "-fno-trapping-math", "-w")


@dataclasses.dataclass(frozen=True, eq=False)
class CompiledLoop:
    """A loop in machine code. Arrays over trajectories have a multiple of 128 entries.

    Attributes:
        function: the code.
        dtype: of every number that varies over trajectories.
        text: its source.
    """

    function: Any
    dtype: np.dtype
    text: str

    def __call__(
        self, leaves: Sequence[np.ndarray | np.floating], entries: list[np.ndarray], steps: int
    ) -> None:
        """Run it on NumPy's arrays: ``entries`` are changed in place, what is the same for all has shape ()."""
        held = [np.ascontiguousarray(x, self.dtype) for x in leaves]
        arrays = [*held, *entries, np.array(steps, np.int32), *entries]
        self._run([x.ctypes.data for x in arrays], max(x.size for x in entries))

    def fill(self, leaves: list[np.ndarray], results: list[np.ndarray]) -> bool:
        """Run complex pairs: ``results`` are written to, what is the same for all has shape (); whether one is NaN."""
        doubt = np.zeros((), np.int32)
        arrays = [*(np.ascontiguousarray(x, self.dtype) for x in leaves), *results, doubt]
        self._run([x.ctypes.data for x in arrays], results[0].size)
        return bool(doubt)

    def launch(self, reads: list[ArrayAddress], writes: list[ArrayAddress], place: Place) -> None:
        """Run it on JAX's arrays, shared among the cores."""
        every = [*reads, *writes]
        count = max(m.entries for m in every)
        groups = -(-count // GROUP)
        parts = min(groups, 8 * cores())
        ends = [GROUP * (groups * k // parts) for k in range(parts + 1)]

        def work(a: int, b: int) -> None:
            shift = a * self.dtype.itemsize
            self._run([m.address + (shift if m.entries == count else 0) for m in every], b - a)

        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(work, ends[:-1], ends[1:]))

    def _run(self, addresses: list[int], count: int) -> None:
        self.function(*map(ctypes.c_void_p, addresses), ctypes.c_longlong(count))


@functools.cache
def vector_bytes(machine: str) -> int:
    """The length of a processor's vectors; longer ones than it has would be split badly."""
    if compiler() is None:
        return 64
    asked = [str(compiler()), machine, "-dM", "-E", "-x", "c", "-"]
    said = subprocess.run(asked, input="", capture_output=True, text=True, check=False).stdout
    return 64 if "__AVX512F__" in said else 32


def loop(writer: Callable[..., str], program: object, *what: Any) -> CompiledLoop | None:
    """A compiled loop over ``program``, or None where there can be none.

    Args:
        writer: of :mod:`.loop_source`, which says what the program is from and to.
        program: the program.
        what: what the writer takes besides, as tuples, the last one float32 or float64.
    """
    return _loop(writer, program, *what) if isinstance(program, Program) and available() else None


def source(writer: Callable[..., str], *what: Any) -> str:
    """The C source of a loop; arguments as for :func:`loop`."""
    return _head(what[-1]) + writer(*what, _HELD)


@functools.lru_cache(maxsize=128)
def _loop(writer: Callable[..., str], *what: Any) -> CompiledLoop | None:
    try:
        text = source(writer, *what)
        function = loaded(text, (*_FLAGS, MACHINE)).run
    except (NotWritable, OSError, subprocess.SubprocessError):
        return None
    function.restype = None
    return CompiledLoop(function, what[-1], text)


# ---------------------------------------------------------------- writing C

_HEAD = """
#include <math.h>
#include <string.h>
#include <stdint.h>
typedef TYPE T;
typedef INT I;
#define L (int)(BYTES / sizeof(T))
typedef T V __attribute__((vector_size(BYTES)));
typedef I M __attribute__((vector_size(BYTES)));
typedef float S __attribute__((vector_size(4 * L)));
typedef int32_t W __attribute__((vector_size(4 * L)));
#define F static inline __attribute__((always_inline))
#define ENTRY void
#define SAME_TYPE __typeof__
#define EVERY(b, count, side) for (long long b = 0; b < count; b += side * L)
#define IS_FIRST 1
/* an operation on vectors, of which compilers make one instruction: of a loop over lanes gcc makes one a lane */
F V splat(T x) { return x - (V){0}; }
F M mask(int b) { return (I)-(b != 0) - (M){0}; }
F V choose(M m, V a, V b) { return (V)((m & (M)a) | (~m & (M)b)); }
F M negated(M m) { return ~m; }
F int any_lane(M m) { I r = 0; for (int l = 0; l < L; l++) r |= m[l]; return r != 0; }
F V load(const T *p) { V r; memcpy(&r, p, sizeof r); return r; }
F void store(T *p, V x) { memcpy(p, &x, sizeof x); }
/* lists of entries: a compiler makes one permutation of each, of a loop it makes single stores */
F void store_complex(T *p, V a, V b) { V low = {LOW}, high = {HIGH}; store(p, low); store(p + L, high); }
F V greater(V a, V b) { return choose((a > b) | (a != a), a, b); }
F V smaller(V a, V b) { return choose((a < b) | (a != a), a, b); }
F V size(V x) { return (V)((M)x & ~(M)splat(-(T)0)); }
F V signum(V x) { return choose(x > 0, splat(1), choose(x < 0, splat(-1), x)); }
F V root(V x) { V r; for (int l = 0; l < L; l++) r[l] = SQRT(x[l]); return r; }
/* the bounds are numbers: NaN stays. Where one instruction does that, it is named: gcc makes two or three of a choice,
   and takes vectors apart where it is written lane by lane */
#ifdef __AVX__
F V at_least(V x, V low) { V r; __asm__("vmax" SUFFIX " %1, %2, %0" : "=v"(r) : "v"(x), "v"(low)); return r; }
F V at_most(V x, V high) { V r; __asm__("vmin" SUFFIX " %1, %2, %0" : "=v"(r) : "v"(x), "v"(high)); return r; }
#else
F V at_least(V x, V low) { return choose(x < low, low, x); }
F V at_most(V x, V high) { return choose(x > high, high, x); }
#endif
F V within(V x, V low, V high) { return at_most(at_least(x, low), high); }
static volatile T last = LAST, forty = 40;
#define LIMITS const V LASTS = splat(last), FIRSTS = -LASTS, FORTY = splat(forty), MINUS = -FORTY;
/* e^x - 1 = s p(r) + (s - 1) with x = n log 2 + r, s = 2^n: right to the last bits also near 0 */
F V power(V x, V *s) {
  V k = x * (T)1.4426950408889634 + (T)ROUND; V n = k - (T)ROUND;
  V r = x - n * (T)LN2_HIGH; REST
  V p = POLYNOMIAL
  *s = (V)(((M)k << MANTISSA) + (I)((I)BIAS << MANTISSA));
  return p * r;
}
F V less_one(V x) { V s, p = power(x, &s); return s * p + (s - 1); }
F V exponential_(V x, V low, V high) {
  V s, p = power(within(x, low, high), &s), y = s * p + s;
  return choose(x > high, splat(INFINITY), choose(x < low, splat(0), y));
}
F V half_tangent_(V x, V low, V high) { V e = less_one(within(x, low, high)); return e / (e + 2); }
F V sigmoid_(V x, V low, V high) { V s, p = power(within(x, low, high), &s); p = s * p + s; return p / (p + 1); }
#define exponential(x) exponential_(x, FIRSTS, LASTS)
#define half_tangent(x) half_tangent_(x, MINUS, FORTY)
#define tangent(x) half_tangent(2 * (x))
#define sigmoid(x) sigmoid_(x, FIRSTS, LASTS)
#define EACH(name, f) F V name(V x) { V r; for (int l = 0; l < L; l++) r[l] = f(x[l]); return r; }
EACH(each_log, log) EACH(each_log1p, log1p) EACH(each_expm1, expm1) EACH(each_sin, sin) EACH(each_cos, cos)
EACH(each_floor, floor) EACH(each_ceil, ceil) EACH(each_erf, erf) EACH(each_erfc, erfc) EACH(each_atan, atan)
EACH(each_asinh, asinh)
/* e^(-1/5) to within a thousandth: a guess from the exponent's bits and two Newton steps */
F V inverse_fifth_root(V e) {
  S x = __builtin_convertvector(at_least(e, splat((T)1e-12)), S);
  S y = (S)(1277970406 - __builtin_convertvector(__builtin_convertvector((W)x, S) * .2f, W));
  y = y * (6 - x * y * y * y * y * y) * .2f;
  y = y * (6 - x * y * y * y * y * y) * .2f;
  return __builtin_convertvector(y, V);
}
F V each_pow(V x, V y) { V r; for (int l = 0; l < L; l++) r[l] = pow(x[l], y[l]); return r; }
"""


def _head(dtype: np.dtype) -> str:
    """Vectors of numbers and their functions."""
    double = dtype == np.float64
    *terms, top = _SERIES["double" if double else "float"].split()
    pairs = [f"a[{i}], b[{i}]" for i in range(vector_bytes(MACHINE) // dtype.itemsize)]
    words = {
        "TYPE": "double" if double else "float",
        "INT": "int64_t" if double else "int32_t",
        "BYTES": str(vector_bytes(MACHINE)),
        "SUFFIX": '"pd"' if double else '"ps"',
        "SQRT": "__builtin_sqrt" if double else "__builtin_sqrtf",
        "ROUND": "6755399441055744." if double else "12582912.f",
        "LN2_HIGH": "6.93147180369123816490e-01" if double else "0.69314718f",
        "REST": "r -= n * (T)1.90821492927058770002e-10;" if double else "",
        "POLYNOMIAL": f"splat((T){top}); {' '.join(f'p = p * r + (T){term};' for term in reversed(terms))}",
        "MANTISSA": "52" if double else "23",
        "BIAS": "1023" if double else "127",
        "LAST": "708." if double else "87.f",
        "LOW": ", ".join(pairs[: len(pairs) // 2]),
        "HIGH": ", ".join(pairs[len(pairs) // 2 :]),
    }
    return "".join(f"#define {word} {value}\n" for word, value in words.items()) + _HEAD
