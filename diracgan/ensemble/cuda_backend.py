"""The CUDA backend: the loops' text compiled at run time, one trajectory per thread, its state in registers.

NVRTC compiles the same text that a processor's compiler gets, behind another head; cuda-core launches it on JAX's own
arrays and stream, from within XLA's programs (:mod:`.foreign_call`). NVRTC was chosen over Pallas: its Triton back end
is going away, its Mosaic back end runs on Hopper and later alone and has no scalar loops with a condition of their own
in each thread, which adaptive steps are. The extra ``cuda`` brings what is needed; without it, or where an operation
has no text, XLA or Pallas runs.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import one_line
from ..tracing.scalar_program import Program
from .blocks import Device
from .foreign_call import ArrayAddress, Place, call

THREADS = 128
"""Threads in a block; each has a trajectory."""

_HEAD = """
#ifdef __CUDACC_RTC__
typedef signed char int8_t; typedef short int16_t; typedef int int32_t; typedef long long int64_t;
typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#else
#include <stdint.h>
#endif
typedef TYPE T;
typedef T V;
typedef bool M;
#define L 1
#define ENTRY extern "C" __global__ void
#define SAME_TYPE decltype
#define EVERY(b, count, side) \\
  for (long long b = blockIdx.x * (long long)blockDim.x + threadIdx.x; b < count; \\
       b += gridDim.x * (long long)blockDim.x)
#define IS_FIRST (blockIdx.x == 0 && threadIdx.x == 0)
#define LIMITS
#define F static __device__ __forceinline__
F V splat(T x) { return x; }
F M mask(int b) { return b != 0; }
F M negated(M m) { return !m; }
F M any_lane(M m) { return m; }
F V choose(M m, V a, V b) { return m ? a : b; }
F V load(const T *p) { return *p; }
F void store(T *p, V x) { *p = x; }
F V greater(V a, V b) { return a > b || a != a ? a : b; }
F V smaller(V a, V b) { return a < b || a != a ? a : b; }
F V at_least(V x, V low) { return x < low ? low : x; }
F V at_most(V x, V high) { return x > high ? high : x; }
F V size(V x) { return x < 0 ? -x : x; }
F V signum(V x) { return x > 0 ? (V)1 : x < 0 ? (V)-1 : x; }
F V root(V x) { return sqrt(x); }
F V exponential(V x) { return exp(x); }
F V tangent(V x) { return tanh(x); }
F V half_tangent(V x) { return tanh((V).5 * x); }
F float quotient(float a, float b) { return __fdividef(a, b); }
F double quotient(double a, double b) { return a / b; }
F float fast_exp(float x) { return __expf(x); }
F double fast_exp(double x) { return exp(x); }
/* in single precision the fast functions: their error is below that of a step, and the sum with 1 keeps it there */
F V sigmoid(V x) { return quotient((V)1, 1 + fast_exp(-x)); }
F V inverse_fifth_root(V e) { return powf(e > (V)1e-12 ? (float)e : 1e-12f, -.2f); }
#define EACH(name, f) F V name(V x) { return f(x); }
EACH(each_log, log) EACH(each_log1p, log1p) EACH(each_expm1, expm1) EACH(each_sin, sin) EACH(each_cos, cos)
EACH(each_floor, floor) EACH(each_ceil, ceil) EACH(each_erf, erf) EACH(each_erfc, erfc) EACH(each_atan, atan)
EACH(each_asinh, asinh)
F V each_pow(V x, V y) { return pow(x, y); }
"""


@dataclasses.dataclass(frozen=True, eq=False)
class CudaLoop:
    """A loop on a GPU, one trajectory in a thread.

    Attributes:
        text: its source.
    """

    text: str

    def fails(self, device: Device) -> str:
        """Why it does not compile for a GPU; "" where it does."""
        try:
            _compiled_for(self.text, device.local_hardware_id or 0)
        except Exception as error:  # whatever a compiler or a driver says: the run goes on without
            return one_line(error)
        return ""

    def launch(self, reads: list[ArrayAddress], writes: list[ArrayAddress], place: Place) -> None:
        """Start it on XLA's own stream; what follows there waits for it."""
        from cuda.core import LaunchConfig, Stream, launch  # pyright: ignore[reportMissingImports]

        count = max(m.entries for m in (*reads, *writes))
        config = LaunchConfig(grid=-(-count // THREADS), block=THREADS)
        function = _on_device(self.text, place.device)
        launch(Stream.from_handle(place.stream), config, function, *arguments(reads, writes))


def arguments(reads: Sequence[ArrayAddress], writes: Sequence[ArrayAddress]) -> list[Any]:
    """What a kernel is called with: cuda-core takes whole numbers for pointers, NumPy's for numbers."""
    every = [*reads, *writes]
    return [*(m.address for m in every), np.int64(max(m.entries for m in every))]


@functools.cache
def missing(device: Device) -> str:
    """Why no loop can be launched on a GPU from here; "" where a trial on a few numbers went well."""
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        return "cuda-core is not installed (diracgan's extra 'cuda' brings it)"
    loop = CudaLoop(trial())
    try:
        with jax.ensure_compile_time_eval():  # also while a program is traced its numbers are asked for
            x = jax.device_put(np.arange(2 * THREADS, dtype=np.float32), device)
            (doubled,) = jax.jit(lambda x: call(loop.launch, loop.text, [x, jnp.int32(2)], [x]))(x)
            right = np.array_equal(doubled, 2 * np.arange(x.size, dtype=np.float32))
    except (
        Exception
    ) as error:  # whatever a driver, a compiler or another version says: the run goes on without
        return f"a trial launch failed: {one_line(error)}"
    return "" if right else "a trial launch gave wrong numbers"


def trial() -> str:
    """A loop that multiplies an array by its number of steps."""
    body = "EVERY(b, count, 1) store((T *)result0 + b, load((T *)entry0 + b) * *(int *)most);"
    head = "ENTRY run(void *entry0, void *most, void *result0, long long count)"
    return f"{_head(np.dtype(np.float32))}{head} {{ {body} }}\n"


def loop(writer: Callable[..., str], program: object, *what: Any) -> CudaLoop | None:
    """A loop over ``program`` on the GPU, or None for what is not scalars; arguments as for the processor's.

    Raises:
        NotWritable: for an operation or a type that has no text in CUDA; it is named.
    """
    return _loop(writer, program, *what) if isinstance(program, Program) else None


def source(writer: Callable[..., str], *what: Any) -> str:
    """The CUDA C++ source of a loop; arguments as for :func:`loop`."""
    return _head(what[-1]) + writer(*what, 1)


def _head(dtype: np.dtype) -> str:
    return f"#define TYPE {'double' if dtype == np.float64 else 'float'}\n{_HEAD}"


@functools.lru_cache(maxsize=128)
def _loop(*what: Any) -> CudaLoop:
    return CudaLoop(source(*what))


def compiled(source: str, arch: str, logs: TextIO | None = None) -> Any:
    """The machine code of a source for an architecture such as ``"sm_90"``; needs no GPU.

    It is kept on the disk by cuda-core, under the source's hash, the architecture and the compiler's version.

    Args:
        source: from :func:`source`.
        arch: the architecture.
        logs: something with ``write`` that gets what the assembler says of registers and spills.
    """
    from cuda.core import Program as Source, ProgramOptions  # pyright: ignore[reportMissingImports]
    from cuda.core.utils import FileStreamProgramCache  # pyright: ignore[reportMissingImports]

    if logs is not None:
        options = ProgramOptions(arch=arch, std="c++17", ptxas_options=["-v"])
        return Source(source, "c++", options).compile("cubin", logs=logs)
    made = Source(source, "c++", ProgramOptions(arch=arch, std="c++17"))
    try:
        with FileStreamProgramCache() as kept:
            return made.compile("cubin", cache=kept)
    except OSError:  # there is no folder to keep it in
        return made.compile("cubin")


@functools.lru_cache(maxsize=256)
def _compiled_for(source: str, index: int) -> Any:
    """The machine code for one GPU."""
    from cuda.core import Device  # pyright: ignore[reportMissingImports]

    return compiled(source, f"sm_{Device(index).arch}")


@functools.lru_cache(maxsize=256)
def _on_device(source: str, index: int) -> Any:
    """The kernel for one GPU; only within XLA's calls, where that GPU's context is the current one anyway."""
    from cuda.core import Device  # pyright: ignore[reportMissingImports]

    Device(index).set_current()
    return _compiled_for(source, index).get_kernel("run")
