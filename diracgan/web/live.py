"""A real GAN on one data point as it trains, beside the Dirac game from the same start.

Near its equilibrium a network moves its output like a Dirac player with a learning rate of its own: the rule's, times
how far the output moves for a unit of gradient. What moves a network's slope at the data moves its value and curvature
there as well, which damps where a loss bends: the corrected prediction has that too. All of it is measured at the start
and then kept; that it changes as the networks learn is what the predictions leave out.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..jax_settings import seeded
from ..pytrees import Pytree
from .scene import Scene, rule_of, variant_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from ..game import Players
    from ..plotting.saving import Figure
    from ..rules import Rule
    from ..variants import Variant

STEPS, EVERY = 3000, 5
_USUAL = "alternating:lr=0.003"  # moves the networks where the page shows the flow
_LATENTS, _WIDTH, _BATCH = 256, 32, 64
_PAUSE_S = 0.4  # between two pictures


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """How far a run has come.

    Attributes:
        path: mean sample minus the data point, (k, 2), every ``EVERY`` steps from the start.
        predicted: the Dirac generator's, of the whole run, (n, 2); NaN after it diverged.
        corrected: the same against a critic whose value and curvature move with its slope; NaN where that has no
            meaning, under steps by signs and for a constrained critic.
        label: of the variant; ``rule`` of the rule.
        speeds: the factors on the critic's and the generator's learning rate in the prediction.
        text: what is to be said.
    """

    path: np.ndarray
    predicted: np.ndarray
    corrected: np.ndarray
    label: str
    rule: str
    speeds: tuple[float, float]
    text: str


def progress_of(shown: Scene, steps: int = STEPS, pause: float = _PAUSE_S) -> Generator[Snapshot, None, None]:
    """Train on the problem ``point`` with the first variant and the scene's rule.

    Args:
        shown: the scene; the flow is followed by plain alternating steps.
        steps: iterations; ``pause`` seconds at least between two looks.

    Yields:
        :class:`Snapshot`, the last one at the end of the run.

    Raises:
        InputError: when the rule cannot move networks.
    """
    import jax
    import jax.numpy as jnp

    from ..training.build import arithmetic, start
    from ..training.config import configure
    from ..training.trainer import advance

    v, by = variant_of(shown.variants[0]), rule_of(shown.rule or _USUAL)
    assert by is not None
    made = configure(
        v,
        "point",
        rule_=by,
        networks={"width": _WIDTH},
        alarms={"on": False},
        training={"steps": steps, "batch": _BATCH},
    )
    with arithmetic(made):
        setup, state = start(made)
        datum = np.asarray(made.problem.data, float)[0]
        z = jax.random.normal(seeded(1), (_LATENTS, made.problem.inputs), jnp.float32)
        mean = jax.jit(lambda theta: jnp.mean(theta(z), axis=0))
        phi0, *speeds = _measured(state.inner.players, z, by.is_adaptive)
        path = [np.asarray(mean(state.inner.players.theta), float) - datum]
        predicted = _predicted(v, by, phi0, path[0], speeds, steps)
        corrected = _corrected(v, by, state.inner.players.phi, (datum, path[0]), speeds[1], predicted)
        looked = time.monotonic() - pause
        for done in range(EVERY, steps + 1, EVERY):
            state = advance(setup, state, EVERY)
            path.append(np.asarray(mean(state.inner.players.theta), float) - datum)
            over = done + EVERY > steps or not np.all(np.isfinite(path[-1]))
            if over or time.monotonic() - looked >= pause:
                k = len(path) - 1
                text = f"Step {done} of {steps}: {_said(path[k], predicted[k], corrected[k])}"
                yield Snapshot(
                    np.stack(path), predicted, corrected, v.label, by.label, (speeds[0], speeds[1]), text
                )
                looked = time.monotonic()
            if over:
                return


def _measured(players: Players, z: Array, signs: bool) -> tuple[np.ndarray, float, float]:
    """The critic's mean slope at the samples, and how far a unit of gradient moves it and the mean sample.

    A step by signs moves an output by the sum of its derivatives' sizes, a plain one by the sum of their squares.
    """
    import jax
    import jax.numpy as jnp

    x = players.theta(z)

    def slope(phi: Callable[[Array], Array]) -> Array:
        return jnp.mean(jax.vmap(jax.grad(lambda one: phi(one[None])[0]))(x), axis=0)

    def speed(output: Callable[[Pytree], Array], player: Pytree) -> float:
        leaves = jax.tree.leaves(jax.jit(jax.jacrev(output))(player))
        return float(sum(jnp.sum(jnp.abs(x) if signs else x * x) for x in leaves) / x.shape[1])

    moving = speed(slope, players.phi), speed(lambda theta: jnp.mean(theta(z), axis=0), players.theta)
    return np.asarray(slope(players.phi), float), *moving


def _predicted(
    v: Variant, by: Rule, phi0: np.ndarray, theta0: np.ndarray, speeds: Sequence[float], steps: int
) -> np.ndarray:
    from ..dynamics import run

    try:
        made = run(v, phi0, theta0, rule=_at_speeds(by, speeds), steps=steps, every=EVERY)
    except InputError:
        return np.full((steps // EVERY + 1, 2), np.nan)
    return np.asarray(made["theta"])


def _corrected(
    v: Variant,
    by: Rule,
    phi: Pytree,
    where: tuple[np.ndarray, np.ndarray],
    speed: float,
    predicted: np.ndarray,
) -> np.ndarray:
    """As many rows as ``predicted``, against a critic that moves as the network ``phi`` does."""
    from .measured_critic import generator_path, measured_critic

    if by.is_adaptive or v.constraint != "none":
        return np.full(predicted.shape, np.nan)
    datum, theta0 = where
    try:
        moved, critic = _at_speeds(by, (1.0, speed)), measured_critic(phi, np.asarray(datum, np.float32))
        return generator_path(v, moved, critic, theta0, len(predicted), EVERY)
    except InputError:
        return np.full(predicted.shape, np.nan)


def _at_speeds(by: Rule, speeds: Sequence[float]) -> Rule:
    """The rule with each learning rate times a factor."""
    from ..rules import rule

    own = by.hyperparameters
    usual = 0.1 if own.get("lr") is None else own["lr"]
    rates = {n: (own.get(n) or usual) * k for n, k in zip(("lr_d", "lr_g"), speeds, strict=True)}
    rest = {n: x for n, x in own.items() if n not in ("lr", "lr_d", "lr_g", "inner") and x is not None}
    return rule(by.name, **rest, **rates)


def _said(real: np.ndarray, toy: np.ndarray, corrected: np.ndarray) -> str:
    def size(x: np.ndarray) -> str:
        return f"{np.linalg.norm(x):.3g}" if np.all(np.isfinite(x)) else "not finite"

    if not np.all(np.isfinite(corrected)):
        return f"the mean sample's distance from the data is {size(real)}, the Dirac game's {size(toy)}."
    return (
        f"the mean sample's distance from the data is {size(real)}; the Dirac game's {size(toy)}, and "
        f"{size(corrected)} with what a network adds: the critic's value and curvature at the data move with its slope."
    )


def picture(now: Snapshot) -> Figure:
    """The path and the distance of a run so far, beside the prediction."""
    from ..plotting.training_path import training_path_figure

    speeds = " and ".join(f"{x:.3g}" for x in now.speeds)
    title = f"{now.label}: a real GAN on one data point, and the Dirac game"
    below = f"{now.rule}; speeds of the prediction {speeds}, measured at the start"
    return training_path_figure(now.path, now.predicted, EVERY, now.corrected, title=title, below=below)
