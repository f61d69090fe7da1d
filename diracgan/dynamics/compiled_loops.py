"""Long runs in compiled C, where the machine has a compiler: one regime of the flow, and a rule's iterations.

A few lines of C around the scalar program of the field, or of one step, compile in a fifth of the time that XLA takes
for the same loop, and run several times faster on a handful of numbers. The loop of the flow is not that short: it is
compiled once, and of each flow only its functions are. Where there is no compiler, or a loss has an
operation that has no text in C, XLA's loops (:mod:`.event_loop`, :mod:`.iterations`) take over.
"""

from __future__ import annotations

import ctypes
import functools
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..game import Players
from ..numerics.float_range import LARGEST
from ..numerics.lyapunov import SMALLEST
from ..pytrees import Pytree
from ..rules import Rule, State, step
from ..tracing import c_compiler, c_text
from ..tracing.host import numbers, program_of, scalars
from ..tracing.scalar_program import Program
from ..tracing.source_text import NotWritable
from . import dopri8, filippov
from .filippov import DiracSystem, Regime
from .loop_text import EVENT_LOOP, HEAD, MAP_LOOP, RUNGE_KUTTA_STEP, STRETCHING_LOOP

_FLAGS = ("-O1", "-fno-math-errno", "-ffp-contract=off", "-w")
_MOST_KEPT = 256  # loops


@functools.lru_cache(maxsize=_MOST_KEPT)
def _compiled(
    programs: tuple[tuple[str, Program, int], ...],
    text: str,
    writer: Callable[[str, Program, int], str] = c_text.function,
    **sizes: float,
) -> Callable[..., int] | None:
    """The function ``run`` of a loop around programs as functions, or None where it cannot be compiled."""
    defined = [f"#define {name} {value}" for name, value in sizes.items()]
    try:
        functions = [writer(*program) for program in programs]
        run = c_compiler.loaded("\n".join([*defined, HEAD, *functions, text]), _FLAGS).run
    except (NotWritable, OSError, subprocess.SubprocessError):
        return None
    run.restype = ctypes.c_longlong
    return run


@functools.lru_cache(maxsize=_MOST_KEPT)
def _functions(programs: tuple[tuple[str, Program, int], ...]) -> ctypes.CDLL | None:
    """Programs as functions of one library, or None where they cannot be compiled."""
    try:
        texts = [c_text.function(*program).removeprefix("static ") for program in programs]
        return c_compiler.loaded("\n".join([HEAD, *texts]), _FLAGS)
    except (NotWritable, OSError, subprocess.SubprocessError):
        return None


def _pointer(x: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


# ---------------------------------------------------------------- the flow of one regime


class FlowLoop(NamedTuple):
    """A compiled loop over steps of the flow of one regime, perhaps with neighbours.

    Attributes:
        run: the code of all flows.
        field: that of this one, or of its derivative along a way; ``watched`` that of its guards, or None.
        watched: see ``field``.
        sizes: what the code is told of both.
        parameters: the numbers of the system and of the regime.
    """

    run: Callable[..., int]
    field: Any
    watched: Any
    sizes: np.ndarray
    parameters: np.ndarray


def flow_loop(
    system: DiracSystem,
    regime: Regime | None,
    size: int,
    neighbours: int = 0,
    velocity: filippov.Velocity = filippov.frozen_velocity,
) -> FlowLoop | None:
    """The loop for one regime, or None where there is none (no compiler, neighbours of a slide).

    Args:
        system: what flows.
        regime: its branches; None for the field as the losses stand.
        size: entries of a state.
        neighbours: how many are carried along, by the derivative of the field; then no guard is watched.
        velocity: of the branches.
    """
    plain = filippov.plain(np.zeros(0)) if regime is None else regime
    on: Regime = jax.tree.map(lambda a: np.asarray(a, float), plain)
    slides, sites = on.sliding, len(on.modes)
    if not c_compiler.available() or (slides and neighbours):
        return None
    given = (system, on)
    y, parameters = np.zeros(size), scalars(numbers(given))
    field_of, watch_of = _FUNCTIONS[velocity]
    field = program_of(_push if neighbours else field_of, given, y, *([y] if neighbours else []))
    watched = sites > 0 and not neighbours
    seen = program_of(watch_of, given, y) if watched else None
    if field is None or (seen is None and watched):
        return None
    count = len(parameters)
    programs = ("field", field, count), *(() if seen is None else [("watched", seen, count)])
    guards = filippov.guard_count(on) - 1 if watched else 0
    modes, slack = count - 2 * sites - slides * (sites + 1), count - sites
    sizes = np.array([size, neighbours, guards, sites > 0, slides, count, modes, slack], np.int64)
    run, code = _compiled((), EVENT_LOOP, LEAVING=filippov.SLACK, LARGEST=LARGEST), _functions(programs)
    if run is None or code is None:
        return None
    return FlowLoop(run, code.field, code.watched if watched else None, sizes, np.array(parameters, float))


Given = tuple[DiracSystem, Regime]


def _flipping(regime: Regime) -> Regime:
    """With booleans, which a program's numbers are not."""
    return regime._replace(flips=regime.flips != jnp.zeros_like(regime.flips))


def _field_by(velocity: filippov.Velocity, given: Given, y: Array) -> Array:
    system, regime = given
    return filippov.flow_by(velocity, system, y, _flipping(regime))


def _push(given: Given, y: Array, way: Array) -> tuple[Array, Array]:
    """The field, and its derivative along a way."""
    return jax.jvp(lambda y: _field(given, y), (y,), (way,))


def _seen_by(velocity: filippov.Velocity, given: Given, y: Array) -> tuple[Array, Array]:
    """The guards besides the float range, and their time derivatives."""
    system, regime = given
    values, slopes = filippov.watch_by(velocity, system, y, _flipping(regime))
    return values[:-1], slopes[:-1]


_FUNCTIONS = {
    velocity: (functools.partial(_field_by, velocity), functools.partial(_seen_by, velocity))
    for velocity in (filippov.frozen_velocity, filippov.every_branch)
}
"""The field and the guards by each of these velocities: always the same objects, by which programs are kept."""
_field = _FUNCTIONS[filippov.frozen_velocity][0]


class LoopEnd(NamedTuple):
    """How a loop ended: as :class:`~diracgan.dynamics.event_loop.LoopState` says it.

    Attributes:
        parameters: those of the regime that it ended in.
        crossings: when surfaces were crossed on the way.
    """

    t: float
    y: np.ndarray
    status: int
    guard: int
    steps: int
    parameters: np.ndarray
    crossings: np.ndarray


_LOST = 9  # a frozen branch has no value: XLA's loop puts another in its place


def follow(
    loop: FlowLoop,
    y: np.ndarray,
    span: tuple[float, float],
    ts: np.ndarray,
    tolerances: tuple[float, float],
    most: int,
    shared: np.ndarray | None = None,
    enough: int = 0,
) -> tuple[LoopEnd, np.ndarray] | None:
    """Follow a regime, or its motion with neighbours, from ``y``; None where a branch loses its value.

    Args:
        loop: from :func:`flow_loop`.
        y: the state, then every neighbour.
        span: from when to when.
        ts: times to keep, not decreasing.
        tolerances: relative and absolute.
        most: steps.
        shared: which sites are known to share a surface, (m, m); such a surface may be crossed.
        enough: crossings, after which a surface ends the loop.

    Returns:
        How it ended, and the rows of the state.
    """
    lower, weights, error = dopri8.LOWER, dopri8.STEP, dopri8.ERROR
    table = np.concatenate([lower.ravel(), weights, error])
    now, counts = np.array([span[0], 0.0, 0.0, 0.0]), np.zeros(6, np.int64)
    counts[4] = np.searchsorted(ts, span[0], side="right")
    y, guards = np.array(y, float), np.zeros(2 * (len(loop.parameters) + 2))
    rows = np.full((len(ts), len(y)), np.nan)
    limits, ts = np.array([span[1], *tolerances]), np.ascontiguousarray(ts, float)
    parameters, crossings = loop.parameters.copy(), np.empty(enough)
    shared = np.ascontiguousarray(np.zeros(0) if shared is None else shared, np.int64)
    arrays = [loop.sizes, parameters, table, limits, ts, shared, now, counts, y, guards, rows, crossings]
    numbers_of = map(ctypes.c_longlong, (len(ts), enough))
    given = [loop.field, loop.watched, *map(_pointer, arrays), *numbers_of]
    while counts[1] == 0 and counts[0] < most:  # comes back now and then, so that Ctrl-C can stop it
        chunk = min(_CHUNK, most - int(counts[0]))
        loop.run(*given, ctypes.c_longlong(chunk))
    if counts[1] == _LOST:
        return None
    times = crossings[: counts[5]]
    return LoopEnd(float(now[0]), y, int(counts[1]), int(counts[2]), int(counts[0]), parameters, times), rows


_CHUNK = 1_000_000  # steps of one call


# ---------------------------------------------------------------- the iterations of a map


class MapLoop:
    """A compiled loop over the iterations of a map, from state to state.

    Attributes:
        run: the code.
    """

    def __init__(self, run: Callable[..., int], parameters: np.ndarray, like: Pytree) -> None:
        """``like``: a state, whose structure and types all states have."""
        self.run, self._parameters = run, parameters
        leaves, self._structure = jax.tree.flatten(like)
        self._leaves = [np.asarray(x) for x in leaves]
        self._dim = self._leaves[0].size

    def __call__(self, state: Pytree, counts: np.ndarray, bound: float) -> tuple[Any, np.ndarray, int | None]:
        """The state after ``counts[0]``, ``counts[1]``, ... more steps, the players in between, the first bad step.

        A step is bad when an entry of the players is not below ``bound``.
        """
        x = np.array(scalars([np.asarray(leaf) for leaf in jax.tree.leaves(state)]), float)
        counts, rows = np.array(counts, np.int64), np.empty((len(counts), 2 * self._dim))
        bad, made, row = np.array([-1], np.int64), 0, 0
        while row < len(counts):
            part = counts[row:].copy()
            ends = np.cumsum(part)
            whole = int(np.searchsorted(ends, _CHUNK, side="right"))
            if whole == 0:  # a part of the way to the next row
                part, whole = np.array([_CHUNK], np.int64), 1
                counts[row] -= _CHUNK
                keeps = False
            else:
                keeps = True
            arrays = [self._parameters, part, x, rows[row : row + whole], bad]
            self.run(
                *map(_pointer, arrays),
                ctypes.c_double(bound),
                ctypes.c_longlong(whole),
                ctypes.c_longlong(made),
            )
            made += int(part[:whole].sum())
            row += whole if keeps else 0
        ends, places = [], iter(x)
        for leaf in self._leaves:
            entries = [next(places) for _ in range(leaf.size)]
            ends.append(np.array(entries, float).astype(leaf.dtype).reshape(leaf.shape))
        return jax.tree.unflatten(self._structure, ends), rows, int(bad[0]) if bad[0] >= 0 else None


def rule_program(system: DiracSystem, rule: Rule, like: State) -> Program | None:
    """One iteration of a rule as a scalar program, or None where it has none: where it solves an equation."""
    return program_of(_iteration, (system, rule), like)


def rule_loop(system: DiracSystem, rule: Rule, like: State) -> MapLoop | None:
    """The loop over a rule's iterations, or None where there is none."""
    given = (system, rule)
    program = rule_program(system, rule, like) if c_compiler.available() else None
    if program is None or len(program.outputs) != sum(np.size(x) for x in jax.tree.leaves(like)):
        return None
    parameters = np.array(scalars(numbers(given)), float)
    programs, sizes = (("iteration", program, len(parameters)),), (len(program.outputs), 2 * system.dim)
    run = _compiled(programs, MAP_LOOP, N=sizes[0], PLAYERS=sizes[1])
    return None if run is None else MapLoop(run, parameters, like)


def runge_kutta_loop(system: DiracSystem, h: float, like: Players) -> MapLoop | None:
    """The loop over steps of length ``h`` of the classical method of order 4 on a flow as its losses stand."""
    given, y = (system, filippov.plain(np.zeros(0))), np.zeros(2 * system.dim)
    program = program_of(_field, given, y) if c_compiler.available() else None
    if program is None:
        return None
    parameters = scalars(numbers(given))
    programs, sizes = (("field", program, len(parameters)),), {"N": len(y), "PLAYERS": len(y)}
    run = _compiled(programs, RUNGE_KUTTA_STEP + MAP_LOOP, PARAMETERS=len(parameters), **sizes)
    return None if run is None else MapLoop(run, np.array([*parameters, h], float), like)


def stretching_loop(
    pushed: Callable[..., Any], given: Pytree, flat: np.ndarray, rows: int, kept: int
) -> np.ndarray | None:
    """The logarithms of :func:`diracgan.numerics.lyapunov.stretching`, (rows, n); None where there is no such loop.

    Args:
        pushed: (given, z, a direction) -> the change of the map, step(z) - z, and its derivative in that direction.
        given: its first argument.
        flat: where the orbit begins, (n,).
        rows: of the answer.
        kept: applications of the map in each.
    """
    program = program_of(pushed, given, flat, flat) if c_compiler.available() else None
    if program is None:
        return None
    parameters = np.array(scalars(numbers(given)), float)
    pushes = (("pushed", program, len(parameters)),)
    run = _compiled(pushes, STRETCHING_LOOP, c_text.derivative, N=len(flat))
    if run is None:
        return None
    size = len(flat)
    logs, now = np.empty((rows, size)), np.zeros(3, np.int64)
    frame = np.empty((size, size + 1))  # a row of it is filled up to whole vectors, of two entries
    arrays = [parameters, np.array(flat, float), frame, logs, now]
    counts = map(ctypes.c_longlong, (rows, kept, max(_CHUNK // size**2, 1)))
    arguments = [*map(_pointer, arrays), *counts, ctypes.c_double(SMALLEST)]
    while run(*arguments):  # comes back now and then, so that Ctrl-C can stop it
        pass
    return logs


def _iteration(given: tuple[DiracSystem, Rule], state: State) -> State:
    system, rule = given
    return step(rule, dirac.game(system.variant, system.x0), state)
