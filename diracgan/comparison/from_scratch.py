"""Claim C: training from a random start, against the Jacobian at the end and against the Dirac toy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..dynamics import run
from ..dynamics.motion_result import MotionResult
from ..errors import InputError
from ..game import Game, Players
from ..jax_settings import own_settings, seeded
from ..measure import operators
from ..pytrees import Pytree
from ..rules import Rule, rule
from ..training.problems import problem
from ..variants import Variant
from ..vocabulary import Vocabulary
from .networks import fresh
from .protocol import Protocol


class TrainingRecord(NamedTuple):
    """What is kept of a run.

    Attributes:
        path: the directions of the tail's steps, along probes, (tail, 4).
        sizes: the steps' norms, (tail,).
        linear_path: the same of the linear motion that the Jacobian at the tail's beginning makes of its first step.
        linear_sizes: their norms.
        before: the samples' standard deviation along as many steps before the tail.
        spread: the samples' standard deviation along the tail.
        samples: the last ones; ``data`` the real ones.
    """

    path: Any
    sizes: Any
    linear_path: Any
    linear_sizes: Any
    before: Any
    spread: Any
    samples: Any
    data: Any


class TailKind(Vocabulary):
    """How the tail of a training run ends, by how large its last steps are beside its first ones."""

    SETTLES = "settles", "the steps have become smaller by the protocol's factor"
    PERSISTS = "persists", "they have not"
    DIVERGES = "diverges", "they are no longer finite"


_LEAST = 1e-300  # keeps a motion that has come to rest from being divided by 0


def claims(variant: Variant, protocol: Protocol, optimiser: str) -> list[dict[str, Any]]:
    """The records of one variant and optimiser: every problem and seed, failures included."""
    how, tier = protocol["scratch"], protocol.chosen
    by = optimisers(how)[optimiser]
    count = int(how["tail"] * tier["scratch_steps"])
    keys = [(n, protocol.seed0 + i) for n in tier["scratch_problems"] for i in range(tier["scratch_seeds"])]
    with own_settings(True):
        games, starts, centres = _start(variant, protocol, keys)
        rules = operators.repeated(by, len(keys))
        ran = _train(rules, games, starts, tier["scratch_steps"] // count, count)
        ran = [np.asarray(x) for x in ran]
    toy = toy_residual(variant, by, tier["scratch_steps"], how["tail"])
    own = {"variant": variant.label, "optimiser": optimiser, "rule": by.label, "toy": toy}
    records = []
    for i, (name, seed) in enumerate(keys):
        seen = TrainingRecord(*(x[i] for x in ran))
        records.append({**own, "problem": name, "seed": seed, **_judge(seen, centres[name], how)})
    return records


def optimisers(how: dict[str, Any]) -> dict[str, Rule]:
    """Name -> the rule of the protocol."""
    return {
        "sgd": rule("alternating", lr=how["lr"]),
        "adam": rule("adam", lr=how["adam_lr"], beta1=0.5, alternating=True),
    }


def toy_residual(variant: Variant, by: Rule, steps: int, tail: float) -> float:
    """rms |(phi, theta)| of the Dirac system's own run along its tail; infinite where it diverges."""
    try:
        made = run(variant, rule=by, steps=steps)
    except InputError:
        return float("nan")
    z = np.concatenate([np.asarray(made["phi"]), np.asarray(made["theta"])], axis=1)
    last = np.sqrt(np.mean(np.sum(z[-int(tail * steps) :] ** 2, axis=1)))
    return float(last) if np.isfinite(last) else float("inf")


def _start(
    variant: Variant, protocol: Protocol, keys: list[tuple[str, int]]
) -> tuple[Game, Players, dict[str, np.ndarray]]:
    """Random networks, fixed latents and the whole batch of every (problem, seed)."""
    how = protocol["scratch"]
    rows, centres = [], {}
    for name, seed in keys:
        made = problem(name, latent=how["inputs"])
        x = np.asarray(made.everything(seeded(seed), how["samples"]).x, float)
        rows.append(np.resize(x, (how["samples"], *x.shape[1:])))
        centres[name] = np.asarray(made.data, float)
    z = np.stack(
        [np.random.default_rng([s, 11]).standard_normal((how["samples"], how["inputs"])) for _, s in keys]
    )
    place = {n: i for i, n in enumerate(dict.fromkeys(n for n, _ in keys))}
    seeds = jnp.stack([seeded(1000 * s + 500 + place[n]) for n, s in keys])
    game = operators.games_of_runs(variant, jnp.asarray(np.stack(rows)), jnp.asarray(z))
    return game, fresh(protocol.width, how["inputs"], seeds), centres


@functools.partial(jax.jit, static_argnums=(3, 4))
def _train(rules: Rule, games: Game, starts: Players, tails: int, tail: int) -> TrainingRecord:
    """Train for as many ``tails`` (2 or more), of which the last is kept as it is and as the Jacobian of the iteration
    at its beginning has it."""

    def one(rule: Rule, game: Game, z: Players) -> TrainingRecord:
        n = operators.flat(z).shape[0]
        probes = jax.random.normal(seeded(0), (n, 4)) / jnp.sqrt(n)

        def seen(step: Array) -> tuple[Array, Array]:
            size = jnp.linalg.norm(step)
            return step @ probes / jnp.maximum(size, _LEAST), size

        def real(carried: Pytree, _: None) -> tuple[Any, Any]:
            state, total, square = carried
            after = rule.iterate(game, *state)
            x = game.generator(after[0].theta, game.z)
            return (after, total + x, square + x * x), seen(
                operators.flat(after[0]) - operators.flat(state[0])
            )

        def watched(begun: Pytree, _: None) -> tuple[Any, Any]:
            zero = jnp.zeros_like(game.x_real)
            (state, total, square), steps = jax.lax.scan(real, (begun, zero, zero), None, tail)
            variance = jnp.mean(square / tail - (total / tail) ** 2)
            return state, (begun, jnp.sqrt(jnp.maximum(variance, 0.0)), steps)

        first = (z, rule.memory(game, z))
        end, kept = jax.lax.scan(watched, first, None, tails)  # one program for all of them
        begun, spread, (path, sizes) = jax.tree.map(lambda x: x[-1], kept)
        linear_path, linear_sizes = _linear(rule, game, begun, tail, seen)
        samples = game.generator(end[0].theta, game.z)
        before = kept[1][-2]
        return TrainingRecord(path, sizes, linear_path, linear_sizes, before, spread, samples, game.x_real)

    return jax.vmap(one)(rules, games, starts)


def _linear(
    rule: Rule,
    game: Game,
    state: tuple[Players, Pytree],
    tail: int,
    seen: Callable[[Array], tuple[Array, Array]],
) -> tuple[Array, Array]:
    """The steps that the Jacobian of the iteration at ``state`` makes of the first one; it may grow without bound."""
    start, step = operators.full_step(rule, game, *state)
    after, push = jax.linearize(step, start)
    weights = len(operators.flat(state[0]))

    def go(carried: tuple[Array, Array], _: None) -> tuple[Any, tuple[Array, Array]]:
        d, log = carried
        direction, size = seen(d[:weights])
        scale = jnp.maximum(jnp.linalg.norm(d), _LEAST)
        return (push(d / scale), log + jnp.log(scale)), (direction, jnp.exp(log) * size)

    return jax.lax.scan(go, (after - start, jnp.zeros(())), None, tail)[1]


def _judge(seen: TrainingRecord, centres: np.ndarray, how: dict[str, Any]) -> dict[str, Any]:
    path, sizes, linear_path, linear_sizes, before, spread, samples, data = seen
    finite = bool(np.all(np.isfinite(sizes)) and np.all(np.isfinite(samples)))
    ratio, expected = _ratio(sizes), _ratio(linear_sizes)
    seen_kind, expected_kind = _tail_kind(ratio, how), _tail_kind(expected, how)
    scale = max(float(np.sqrt(np.mean((data - data.mean(axis=0)) ** 2))), 1.0)
    frequency, predicted = _frequency(path, how), _frequency(linear_path, how)
    return {
        "result": (MotionResult.OK if finite else MotionResult.DIVERGED).value,
        "ratio": ratio,
        "predicted_ratio": expected,
        "verdict": (seen_kind if finite else TailKind.DIVERGES).value,
        "expected": expected_kind.value,
        "agree": finite and seen_kind is expected_kind,
        "frequency": frequency,
        "predicted_frequency": predicted,
        "error": abs(predicted / frequency - 1.0) if frequency and predicted else None,
        "before": float(before) / scale if np.isfinite(before) else float("inf"),
        "oscillation": float(spread) / scale if finite else float("inf"),
        "oscillates": not finite or float(spread) / scale > how["oscillates"],
        "distance": _distance(samples, data) if finite else float("inf"),
        "modes": int(np.sum(_near(centres, samples) < how["modes_within"])) if finite else 0,
        "modes_of": len(centres),
    }


def _ratio(sizes: np.ndarray) -> float:
    quarter = max(1, len(sizes) // 4)
    with np.errstate(over="ignore", invalid="ignore"):
        first, last = (np.sqrt(np.mean(s**2)) for s in (sizes[:quarter], sizes[-quarter:]))
        found = last / first if first > 0 else np.nan
    return float(found) if np.isfinite(found) else float("inf")


def _tail_kind(ratio: float, how: dict[str, Any]) -> TailKind:
    return TailKind.SETTLES if ratio < how["settles"] else TailKind.PERSISTS


def _frequency(directions: np.ndarray, how: dict[str, Any]) -> float | None:
    """The angular frequency at which the steps' direction oscillates most, per iteration; None where it does not.

    The peak of the spectrum of what is left of the directions without their trend; of two periods at least.
    """
    if not np.all(np.isfinite(directions)):
        return None
    from scipy.signal import detrend, periodogram

    around = detrend(directions, axis=0)
    if np.mean(around**2) <= how["turns"] ** 2 * np.mean(directions**2):
        return None
    # the stub of `detrend` does not know False
    cycles, power = periodogram(around, window="hann", nfft=8 * len(around), detrend=False, axis=0)  # type: ignore[arg-type]
    slow = int(np.searchsorted(cycles, 2.0 / len(around)))
    peak = slow + int(np.argmax(power.sum(axis=1)[slow:]))
    return float(2.0 * np.pi * cycles[peak]) if peak > slow else None


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of a the distance to the nearest row of b."""
    return np.sqrt(np.min(np.sum((a[:, None] - b[None]) ** 2, axis=-1), axis=1))


def _distance(samples: np.ndarray, data: np.ndarray) -> float:
    """The mean distance from samples to data and from data to samples."""
    return float(0.5 * (np.mean(_near(samples, data)) + np.mean(_near(data, samples))))
