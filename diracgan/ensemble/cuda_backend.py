"""Steps in the registers of a GPU: the text of the loops compiled as CUDA C++ at run time, one trajectory in a thread.

NVRTC compiles the same text that a processor's compiler gets, behind another head; cuda-core launches it on JAX's own
arrays. NVRTC was chosen over Pallas: Pallas's Triton back end is going away, its Mosaic back end runs on Hopper and
later alone and has no scalar loops with a condition of their own in each thread, which adaptive steps are. The extra
``cuda`` brings what is needed; without it, or where an operation has no text, XLA or Pallas runs.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tracing.scalar_program import Program
from ..tracing.source_text import NotWritable
from . import loop_source
from .c_backend import Run

THREADS = 128
"""Threads in a block; each has a trajectory."""

_HEAD = """
#ifdef __CUDACC_RTC__
typedef signed char int8_t; typedef short int16_t; typedef int int32_t; typedef long long int64_t;
typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
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
F M any(M m) { return m; }
F V choose(M m, V a, V b) { return m ? a : b; }
F V load(const T *p) { return *p; }
F void store(T *p, V x) { *p = x; }
F V greater(V a, V b) { return a > b || a != a ? a : b; }
F V smaller(V a, V b) { return a < b || a != a ? a : b; }
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
F V each_pow(V x, V y) { return pow(x, y); }
"""


def available() -> bool:
    """Whether CUDA C++ can be compiled and launched from here: a GPU that JAX sees, and the extra ``cuda``."""
    import jax

    found = importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.core")
    return found is not None and any(d.platform == "gpu" for d in jax.local_devices())


def kernel(program: Any, system: Sequence[bool], state: Sequence[bool], dtype: Any) -> Run | None:
    """A loop over ``program`` on the GPU, or None where there can be none; arguments as for the processor's.

    Returns:
        A function of the leaves, the state (changed in place) and the number of steps.
    """
    if not isinstance(program, Program) or not available():
        return None
    return _launched(write, program, tuple(system), tuple(state), np.dtype(dtype))


def adaptive_kernel(
    field: Any,
    system: Sequence[bool],
    looks: loop_source.Looks | None,
    control: loop_source.Control,
    dtype: Any,
) -> Run | None:
    """A loop of adaptive steps on the GPU, a step size in each thread, or None where there can be none."""
    if not isinstance(field, Program) or not available():
        return None
    return _launched(write_adaptive, field, tuple(system), looks, control, np.dtype(dtype))


def write(program: Program, system: Sequence[bool], state: Sequence[bool], dtype: np.dtype) -> str:
    """The CUDA C++ source of a loop over ``program``."""
    return _head(dtype) + loop_source.fixed_steps(program, system, state, dtype, 1)


def write_adaptive(
    field: Program,
    system: Sequence[bool],
    looks: loop_source.Looks | None,
    control: loop_source.Control,
    dtype: np.dtype,
) -> str:
    """The CUDA C++ source of adaptive steps along ``field``."""
    return _head(dtype) + loop_source.adaptive_steps(field, system, looks, control, dtype, 1)


def _head(dtype: np.dtype) -> str:
    return f"#define TYPE {'double' if dtype == np.float64 else 'float'}\n{_HEAD}"


@functools.lru_cache(maxsize=128)
def _launched(writer: Any, *what: Any) -> Run | None:
    try:
        source = writer(*what)
    except NotWritable:
        return None

    def call(leaves: list[np.ndarray], entries: list[np.ndarray], steps: int) -> None:
        _launch(source, what[-1], leaves, entries, steps)

    return call


def compiled(source: str, arch: str, logs: Any = None) -> Any:
    """The machine code of a source for an architecture such as ``"sm_90"``; needs no GPU.

    Args:
        source: from :func:`write` or :func:`write_adaptive`.
        arch: the architecture.
        logs: something with ``write`` that gets what the assembler says of registers and spills.
    """
    from cuda import core  # pyright: ignore[reportMissingImports]

    verbose = {"ptxas_options": ["-v"]} if logs is not None else {}
    return core.Program(source, "c++", core.ProgramOptions(arch=arch, std="c++17", **verbose)).compile(
        "cubin", logs=logs
    )


@functools.lru_cache(maxsize=128)
def _on_device(source: str, index: int) -> tuple[Any, Any]:
    """The kernel on one GPU and a stream for it."""
    from cuda.core import Device  # pyright: ignore[reportMissingImports]

    device = Device(index)
    device.set_current()
    return compiled(source, f"sm_{device.arch}").get_kernel("run"), device.create_stream()


def _launch(
    source: str, dtype: np.dtype, leaves: list[np.ndarray], entries: list[np.ndarray], steps: int
) -> None:
    """Run on the GPU that JAX puts new arrays on, and write what comes out into ``entries``."""
    import jax
    from cuda.core import Device, LaunchConfig, launch  # pyright: ignore[reportMissingImports]
    from cuda.core.utils import StridedMemoryView  # pyright: ignore[reportMissingImports]

    with jax.enable_x64(True):  # pointers are whole numbers of 64 bits
        fixed = [jax.device_put(np.ascontiguousarray(x, dtype)) for x in leaves]
        state = [jax.device_put(x) for x in entries]
        results = [jax.device_put(np.empty_like(x)) for x in entries]
        views = [
            [StridedMemoryView.from_dlpack(x, stream_ptr=-1) for x in xs] for xs in (fixed, state, results)
        ]
        tables = [jax.device_put(np.array([v.ptr for v in vs] or [0], np.uint64)) for vs in views]
        jax.block_until_ready([fixed, state, results, tables])
    index = results[0].device.local_hardware_id
    run, stream = _on_device(source, index)
    Device(index).set_current()
    count = max(x.size for x in entries)
    blocks = -(-count // THREADS)
    pointers = [StridedMemoryView.from_dlpack(t, stream_ptr=-1).ptr for t in tables]
    launch(stream, LaunchConfig(grid=blocks, block=THREADS), run, *pointers, np.int64(count), np.int64(steps))
    stream.sync()
    for mine, theirs in zip(entries, results, strict=True):
        mine[...] = np.asarray(theirs)
