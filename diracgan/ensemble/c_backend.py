"""Steps in vector registers: the scalar program of a motion written out as C, where the machine has a compiler.

The whole time loop of a few vectors of trajectories runs without touching memory. The C is generated from the same
program that XLA would run, which takes over wherever something is missing: a compiler, an operation, a reason to wait
for the compilation. The environment variable ``DIRACGAN_C=0`` switches it off, ``CC`` names a compiler.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tracing.scalar_program import Node, Program
from ..tracing.source_text import ARITHMETIC, NotWritable, expression

WORTH = 10_000_000
"""Trajectory-steps from which on the compilation pays."""

GROUP = 128
"""Trajectories come in multiples of this."""

_FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-fno-math-errno", "-fno-trapping-math", "-w")
_VECTOR = 64  # bytes; where registers are shorter the compiler splits it
_REGISTERS = 16  # of 32 are given to the state, several vectors side by side to hide latencies

Run = Callable[[list[np.ndarray], list[np.ndarray], int], None]


def kernel(program: Any, system: Sequence[bool], state: Sequence[bool], dtype: Any) -> Run | None:
    """A compiled loop over ``program``, or None where there can be none.

    Args:
        program: from the system's leaves and the state's entries to the state's entries after a step.
        system: which leaves vary over trajectories.
        state: which entries do.
        dtype: float32 or float64.

    Returns:
        A function of the leaves, the state (changed in place) and the number of steps. Arrays over trajectories have a
        multiple of 128 entries; what is the same for all is an array of shape ().
    """
    if not isinstance(program, Program) or not available():
        return None
    return _kernel(program, tuple(system), tuple(state), np.dtype(dtype))


def available() -> bool:
    """Whether C can be compiled here, and nobody has switched it off."""
    return os.environ.get("DIRACGAN_C", "1") != "0" and compiler() is not None


@functools.cache
def compiler() -> str | None:
    """The C compiler's path, if there is one."""
    names = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    return next((path for n in names if (path := shutil.which(n))), None)


@functools.lru_cache(maxsize=128)
def _kernel(
    program: Program, system: tuple[bool, ...], state: tuple[bool, ...], dtype: np.dtype
) -> Run | None:
    try:
        source = write(program, system, state, dtype)
        library = ctypes.CDLL(str(_compiled(source)))
    except (NotWritable, OSError, subprocess.SubprocessError):
        return None
    run = library.run
    run.restype = None

    def call(leaves: list[np.ndarray], entries: list[np.ndarray], steps: int) -> None:
        count = next(x.size for x, varies in zip(entries, state, strict=True) if varies)
        held = [np.ascontiguousarray(x, dtype) for x in leaves]
        pointers = [
            (ctypes.c_void_p * max(len(xs), 1))(*(x.ctypes.data for x in xs)) for xs in (held, entries)
        ]
        run(*pointers, ctypes.c_long(count), ctypes.c_long(steps))

    return call


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="diracgan-")  # goes away with the process


_number = itertools.count()


def _compiled(source: str) -> Path:
    path = Path(_folder().name) / f"kernel{next(_number)}.c"
    path.write_text(source)
    library = path.with_suffix(".so")
    command = [str(compiler()), *_FLAGS, "-shared", "-fPIC", str(path), "-o", str(library), "-lm"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return library


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
#define F static inline __attribute__((always_inline))
F V splat(T x) { V r; for (int l = 0; l < L; l++) r[l] = x; return r; }
F M mask(int b) { M r; for (int l = 0; l < L; l++) r[l] = b ? -1 : 0; return r; }
F V choose(M m, V a, V b) { return (V)((m & (M)a) | (~m & (M)b)); }
F V load(const T *p) { V r; memcpy(&r, p, sizeof r); return r; }
F void store(T *p, V x) { memcpy(p, &x, sizeof x); }
F V greater(V a, V b) { return choose((a > b) | (a != a), a, b); }
F V smaller(V a, V b) { return choose((a < b) | (a != a), a, b); }
F V size(V x) { return choose(x < 0, -x, x); }
F V signum(V x) { return choose(x > 0, splat(1), choose(x < 0, splat(-1), x)); }
F V root(V x) { V r; for (int l = 0; l < L; l++) r[l] = SQRT(x[l]); return r; }
F V above(V x, T c) { V r; for (int l = 0; l < L; l++) r[l] = c > x[l] ? c : x[l]; return r; } /* NaN stays */
F V below(V x, T c) { V r; for (int l = 0; l < L; l++) r[l] = c < x[l] ? c : x[l]; return r; }
/* limits that the compiler does not know: a known one costs a comparison and a blend in place of one minimum */
static volatile T last = LAST, forty = 40;
#define LIMITS const T LASTS = last, FIRSTS = -last, FORTY = forty, MINUS = -forty;
/* e^x - 1 = s p(r) + (s - 1) with x = n log 2 + r, s = 2^n: right to the last bits also near 0 */
F V power(V x, V *s) {
  V k = x * (T)1.4426950408889634 + (T)ROUND; V n = k - (T)ROUND;
  V r = x - n * (T)LN2_HIGH; REST
  V p = splat((T)(1. / TOP)); POLYNOMIAL
  *s = (V)(((M)k << MANTISSA) + (I)((I)BIAS << MANTISSA));
  return p * r;
}
F V less_one(V x) { V s, p = power(x, &s); return s * p + (s - 1); }
F V exponential_(V x, T low, T high) {
  V s, p = power(below(above(x, low), high), &s), y = s * p + s;
  return choose(x > high, splat(INFINITY), choose(x < low, splat(0), y));
}
F V half_tangent_(V x, T low, T high) { V e = less_one(below(above(x, low), high)); return e / (e + 2); }
F V sigmoid_(V x, T low, T high) { V s, p = power(below(above(x, low), high), &s); p = s * p + s; return p / (p + 1); }
#define exponential(x) exponential_(x, FIRSTS, LASTS)
#define half_tangent(x) half_tangent_(x, MINUS, FORTY)
#define tangent(x) half_tangent(2 * (x))
#define sigmoid(x) sigmoid_(x, FIRSTS, LASTS)
#define EACH(name, f) F V name(V x) { V r; for (int l = 0; l < L; l++) r[l] = f(x[l]); return r; }
EACH(each_log, log) EACH(each_log1p, log1p) EACH(each_expm1, expm1) EACH(each_sin, sin) EACH(each_cos, cos)
EACH(each_floor, floor) EACH(each_ceil, ceil) EACH(each_erf, erf) EACH(each_erfc, erfc) EACH(each_atan, atan)
F V each_pow(V x, V y) { V r; for (int l = 0; l < L; l++) r[l] = pow(x[l], y[l]); return r; }
"""

_VECTOR_OPERATIONS = {
    **ARITHMETIC,
    "max": "greater({}, {})",
    "min": "smaller({}, {})",
    "abs": "size({})",
    "sign": "signum({})",
    "sqrt": "root({})",
    "rsqrt": "1 / root({})",
    "tanh": "tangent({})",
    "exp": "exponential({})",
    "logistic": "sigmoid({})",
    "pow": "each_pow({}, {})",
    "is_finite": "size({}) < (T)INFINITY",
    **{
        n: f"each_{n}({{}})"
        for n in ("log", "log1p", "expm1", "sin", "cos", "floor", "ceil", "erf", "erfc", "atan")
    },
    "eq": "{} == {}",
    "ne": "{} != {}",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} ^ {}",
    "not": "~{}",
}
_SCALAR_OPERATIONS = _VECTOR_OPERATIONS | {
    "max": "({0} > {1} || {0} != {0} ? {0} : {1})",
    "min": "({0} < {1} || {0} != {0} ? {0} : {1})",
    "abs": "({0} < 0 ? -{0} : {0})",
    "sign": "({0} > 0) - ({0} < 0)",
    "sqrt": "sqrt({})",
    "rsqrt": "1 / sqrt({})",
    "exp": "exp({})",
    "tanh": "tanh({})",
    "logistic": "1 / (1 + exp(-{}))",
    "pow": "pow({}, {})",
    "not": "!{}",
    "is_finite": "isfinite({})",
    **{
        n: f"{n}({{}})"
        for n in ("log", "log1p", "expm1", "sin", "cos", "floor", "ceil", "erf", "erfc", "atan")
    },
}


def write(program: Program, system: Sequence[bool], state: Sequence[bool], dtype: np.dtype) -> str:
    """The C source of a loop over ``program``; arguments as for :func:`kernel`."""
    return _Writer(program, system, state, dtype).source()


class _Writer:
    def __init__(
        self, program: Program, system: Sequence[bool], state: Sequence[bool], dtype: np.dtype
    ) -> None:
        self.program, self.system, self.state, self.dtype = program, system, state, dtype
        self.names = {n: f"n{i}" for i, n in enumerate(program.order)}
        self.varies = self._depends([*system, *state])
        self.moves = self._depends([False] * len(system) + [True] * len(state))
        self.side = max(1, min(8, _REGISTERS // max(1, sum(state))))
        size = _VECTOR // dtype.itemsize
        while self.side & (self.side - 1) or self.side * size > GROUP:
            self.side -= 1

    def _depends(self, inputs: Sequence[bool]) -> dict[Node, bool]:
        at: dict[Node, bool] = {}
        for n in self.program.order:
            at[n] = inputs[n.detail] if n.op == "input" else any(at[a] for a in n.args)
        return at

    def source(self) -> str:
        places: dict[tuple[bool, bool], list[str]] = {
            (a, b): [] for a in (False, True) for b in (False, True)
        }
        for node in self.program.order:
            if node.op not in ("known", "input"):
                places[self.varies[node], self.moves[node]] += self._statements(node)
        first = len(self.system)
        fixed, shared, begin, renew, end, finish = [], [], [], [], [], []
        for i, varies in enumerate(self.system):
            if varies:
                begin += [
                    f"V x{i}_{u} = load((const T *)leaves[{i}] + b + {u} * L);" for u in range(self.side)
                ]
            else:
                fixed.append(f"const T x{i} = *(const T *)leaves[{i}];")
        kinds = [n.dtype for n in self.program.outputs]
        for k, (varies, out) in enumerate(zip(self.state, self.program.outputs, strict=True)):
            i = first + k
            if varies:
                if np.dtype(kinds[k]) != self.dtype:
                    raise NotWritable(f"state of type {kinds[k]}")
                for u in range(self.side):
                    at = f"(T *)entries[{k}] + b + {u} * L"
                    begin.append(f"V x{i}_{u} = load({at});")
                    renew.append((f"x{i}_{u}", self._lane(out, u)))
                    end.append(f"store({at}, x{i}_{u});")
            else:
                kind = self._type(np.dtype(kinds[k]))
                shared.append(f"{kind} x{i} = *({kind} *)entries[{k}];")
                renew.append((f"x{i}", self._scalar(out)))
                finish.append(f"*({kind} *)entries[{k}] = y{i};")
                shared.append(f"y{i} = x{i};")
                fixed.append(f"{kind} y{i};")
                end.append(f"y{i} = x{i};")
        kept = [f"__typeof__({name}) r{j} = {value};" for j, (name, value) in enumerate(renew)]
        kept += [f"{name} = r{j};" for j, (name, _) in enumerate(renew)]
        # shared entries go through the same values in every group, from the start each time
        body = [
            "void run(void **leaves, void **entries, long count, long steps) {",
            "LIMITS",
            *fixed,
            *places[False, False],
            f"for (long b = 0; b < count; b += {self.side} * L) {{",
            *shared,
            *begin,
            *places[True, False],
            "for (long i = 0; i < steps; i++) {",
            *places[False, True],
            *places[True, True],
            *kept,
            "}",
            *end,
            "}",
            *finish,
            "}",
        ]
        return self._head() + "\n".join(body) + "\n"

    def _head(self) -> str:
        double = self.dtype == np.float64
        terms = range(13 if double else 7, 1, -1)
        factorials = [1]
        for k in range(1, 14):
            factorials.append(factorials[-1] * k)
        words = {
            "TYPE": "double" if double else "float",
            "INT": "int64_t" if double else "int32_t",
            "BYTES": str(_VECTOR),
            "SQRT": "__builtin_sqrt" if double else "__builtin_sqrtf",
            "ROUND": "6755399441055744." if double else "12582912.f",
            "LN2_HIGH": "6.93147180369123816490e-01" if double else "0.69314718f",
            "REST": "r -= n * (T)1.90821492927058770002e-10;" if double else "",
            "TOP": f"{factorials[terms[0]]}.",
            "POLYNOMIAL": " ".join(f"p = p * r + (T)(1. / {factorials[k - 1]}.);" for k in terms),
            "MANTISSA": "52" if double else "23",
            "BIAS": "1023" if double else "127",
            "LAST": "708." if double else "87.f",
        }
        return "".join(f"#define {word} {value}\n" for word, value in words.items()) + _HEAD

    def _type(self, kind: np.dtype) -> str:
        if kind.kind == "f":
            if kind != self.dtype:
                raise NotWritable(f"the type {kind}")
            return "T"
        names = {"b": "uint8_t", "i": f"int{8 * kind.itemsize}_t", "u": f"uint{8 * kind.itemsize}_t"}
        return names[kind.kind]

    def _statements(self, node: Node) -> list[str]:
        kind, name = np.dtype(node.dtype), self.names[node]
        if not self.varies[node]:
            return [
                f"const {self._type(kind)} {name} = {self._value(node, _SCALAR_OPERATIONS, self._scalar)};"
            ]
        if kind.kind in "iu":
            raise NotWritable("whole numbers that vary over trajectories")
        word = "M" if kind.kind == "b" else "V"
        self._type(kind) if kind.kind == "f" else None
        return [
            f"const {word} {name}_{u} = {self._value(node, _VECTOR_OPERATIONS, functools.partial(self._lane, u=u))};"
            for u in range(self.side)
        ]

    def _value(self, node: Node, table: dict[str, str], read: Callable[[Node], str]) -> str:
        vector = table is _VECTOR_OPERATIONS
        if vector and (inner := _sigmoid_of(node)) is not None:
            return f"sigmoid({read(inner)})"
        if vector and node.op == "tanh" and (inner := _half(node.args[0])) is not None:
            return f"half_tangent({read(inner)})"
        args = [read(a) for a in node.args]
        if node.op == "select_n" and len(args) == 3 and np.dtype(node.args[0].dtype).kind == "b":
            mask, no, yes = args
            if vector and np.dtype(node.dtype).kind == "b":
                return f"({mask} & {yes}) | (~{mask} & {no})"
            return f"choose({mask}, {yes}, {no})" if vector else f"{mask} ? {yes} : {no}"
        if node.op == "clamp":
            low, x, high = args
            return f"smaller(greater({x}, {low}), {high})" if vector else f"fmin(fmax({x}, {low}), {high})"
        if node.op == "convert_element_type":
            source, target = np.dtype(node.args[0].dtype), np.dtype(node.dtype)
            if not vector:
                return f"({self._type(target)})({args[0]})" + (" != 0" if target.kind == "b" else "")
            if source.kind == "b" and target == self.dtype:
                return f"choose({args[0]}, splat(1), splat(0))"
            raise NotWritable(f"{source} to {target}")
        if vector and node.op in ("eq", "ne") and np.dtype(node.args[0].dtype).kind == "b":
            return f"{'~' if node.op == 'eq' else ''}({args[0]} ^ {args[1]})"
        return expression(node, args, table)

    def _scalar(self, node: Node) -> str:
        if node.op == "known":
            kind = np.dtype(node.dtype)
            if kind.kind != "f":
                return str(int(node.detail))
            value = float(node.detail)
            if value != value:
                return "((T)NAN)"
            if value in (float("inf"), -float("inf")):
                return f"((T){'-' if value < 0 else ''}INFINITY)"
            return f"((T){value.hex()})"
        return f"x{node.detail}" if node.op == "input" else self.names[node]

    def _lane(self, node: Node, u: int) -> str:
        if self.varies[node]:
            return f"x{node.detail}_{u}" if node.op == "input" else f"{self.names[node]}_{u}"
        whole = np.dtype(node.dtype).kind == "b"
        return f"{'mask' if whole else 'splat'}({self._scalar(node)})"


def _half(node: Node) -> Node | None:
    """x where the node is x/2."""
    if node.op != "mul":
        return None
    for a, b in (node.args, node.args[::-1]):
        if a.known and a.detail == 0.5:
            return b
    return None


def _sigmoid_of(node: Node) -> Node | None:
    """x where the node is (1 + tanh(x/2))/2, as the losses write a sigmoid."""
    if node.op != "add":
        return None
    for a, b in (node.args, node.args[::-1]):
        inner = _half(b) if a.known and a.detail == 0.5 else None
        if inner is not None and inner.op == "tanh":
            return _half(inner.args[0])
    return None
