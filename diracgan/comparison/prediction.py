"""What linear theory says of a rule near an equilibrium: the rule's own code on the linear field z' = J z."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..analysis import spectrum
from ..analysis.linear.decision import decide_matrices
from ..errors import InputError
from ..game import GameLike, Players
from ..jax_settings import own_settings
from ..rules import Rule, rule
from ..variants import Variant
from ..vocabulary import Vocabulary


class _LinearGame(GameLike):
    """A game whose field is J z; the first half of z is the critic."""

    def __init__(self, jacobian: Array) -> None:
        self.jacobian, self.half = jacobian, jacobian.shape[0] // 2

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        v = self.jacobian @ jnp.concatenate(players)
        return Players(v[: self.half], v[self.half :])


@jax.jit
def _matrices(rules: Rule, jacobians: Array) -> Array:
    def one(rule: Rule, jacobian: Array) -> Array:
        game = _LinearGame(jacobian)
        zero = jnp.zeros(len(jacobian))

        def go(z: Array) -> Array:
            players = Players(z[: game.half], z[game.half :])
            memory = rule.memory(game, players)
            return jnp.concatenate(rule.iterate(game, players, memory)[0])

        return jax.jacfwd(go)(zero)

    return jax.vmap(one)(rules, jacobians)


def made(name: str, lr: np.ndarray, **how: Any) -> Rule:
    """A rule without memory with one learning rate per run."""
    one = rule(name, lr=1.0, **how)
    filled = jax.tree.map(lambda x: np.full(np.shape(lr), x, float), dirac.cast(one, jnp.float64))
    return dataclasses.replace(filled, lr=jnp.asarray(lr, float))


def steps(name: str, lr: np.ndarray, jacobians: np.ndarray) -> np.ndarray:
    """The matrices of one iteration, (S, m, m), at the learning rates lr (S,)."""
    with own_settings(True):
        return np.asarray(_matrices(made(name, lr), jnp.asarray(jacobians)))


@dataclasses.dataclass(frozen=True)
class StepMode:
    """A mode of an iteration: its multiplier and its direction, (m,)."""

    multiplier: complex
    vector: np.ndarray


def modes(matrix: np.ndarray, slowest: float) -> list[StepMode]:
    """The modes of one iteration that are not neutral, one of each conjugate pair, the slowest decaying first."""
    values, vectors = map(np.asarray, np.linalg.eig(matrix))
    speed = np.abs(values - 1.0)
    kept = (speed > slowest * speed.max()) & (np.imag(values) > -1e-12)
    order = np.argsort(-np.abs(values[kept]), kind="stable")
    return [StepMode(complex(v), y) for v, y in zip(values[kept][order], vectors.T[kept][order], strict=True)]


class ModeKind(Vocabulary):
    """What becomes of a mode of an iteration."""

    DECAYS = "decays", "its multiplier lies inside the unit circle"
    NEUTRAL = "neutral", "its multiplier lies on the unit circle, as far as the protocol tells"
    GROWS = "grows", "its multiplier lies outside the unit circle, or is not finite"


def verdict(multiplier: complex, neutral: float) -> str:
    """Whether a multiplier decays, is neutral or grows: the word of a :class:`ModeKind`.

    Example:
        >>> verdict(0.5j, 1e-5), verdict(1.0, 1e-5), verdict(complex("nan"), 1e-5)
        ('decays', 'neutral', 'grows')
    """
    size = abs(multiplier)
    if not np.isfinite(size):
        return ModeKind.GROWS.value
    logarithm = np.log(max(size, 1e-300))
    if abs(logarithm) <= neutral:
        return ModeKind.NEUTRAL.value
    return (ModeKind.DECAYS if logarithm < 0 else ModeKind.GROWS).value


def critical(name: str, jacobians: np.ndarray, scale: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """The learning rate up to which no followed mode grows, (S,): 0 where every one grows, NaN where none found does.

    Args:
        name: of the rule.
        jacobians: (S, m, m).
        scale: the fastest eigenvalue's modulus, (S,).
        how: the protocol's section.
    """
    low, high = how["critical_range"]
    grid = np.geomspace(low, high, 25)

    def grows(eta: np.ndarray) -> np.ndarray:
        values = decide_matrices(steps(name, eta / scale, jacobians), discrete=True).eigenvalues
        speed = np.abs(values - 1.0)
        followed = speed > how["slowest"] * speed.max(axis=1, keepdims=True)
        return np.where(followed, np.abs(values), 0.0).max(axis=1) > np.exp(
            how["neutral"] * np.minimum(1.0, eta**2)
        )

    found = np.stack([grows(np.full(len(scale), eta)) for eta in grid])
    first = np.where(found.any(axis=0), found.argmax(axis=0), len(grid))
    below, above = grid[np.clip(first - 1, 0, None)], grid[np.clip(first, None, len(grid) - 1)]
    for _ in range(16):  # to 1e-5
        middle = np.sqrt(below * above)
        over = grows(middle)
        below, above = np.where(over, below, middle), np.where(over, middle, above)
    value = np.sqrt(below * above) / scale
    return np.where(first == 0, 0.0, np.where(first == len(grid), np.nan, value))


@dataclasses.dataclass(frozen=True)
class Toy:
    """One singular value of B as a Dirac system.

    Attributes:
        index: which, 0 for the largest.
        sigma: the singular value.
        overlap: -u^T J_DD u, the damping that the overlap of real and fake samples (and a penalty) gives it.
        bare: the Dirac system of that strength, (2, 2).
        corrected: the same with ``overlap`` for its damping.
    """

    index: int
    sigma: float
    overlap: float
    bare: np.ndarray
    corrected: np.ndarray
    critic: np.ndarray
    generator: np.ndarray


def toys(
    variant: Variant, damping: np.ndarray, coupling: np.ndarray, response: np.ndarray, how: dict[str, Any]
) -> list[Toy]:
    """The Dirac systems that a network's Jacobian J = [[-K, -B], [C, 0]] is taken for.

    The bare one is the Jacobian of the variant's own Dirac system with a generator of gain sigma/|b|; NaN where
    that has no derivative.
    """
    smallest = dirac_jacobian(variant)
    u, s, vt = np.linalg.svd(coupling)
    kept = [i for i in range(how["modes"]) if i < len(s) and s[i] >= how["weakest"] * s[0] and s[0] > 0]
    found = []
    for i in kept:
        own = float(u[:, i] @ damping @ u[:, i])
        gain = s[i] / abs(smallest[0, 1])
        bare = np.array([[smallest[0, 0], -s[i]], [abs(smallest[1, 0]) * gain, 0.0]])
        corrected = np.array([[-own, -s[i]], [vt[i] @ response @ u[:, i], 0.0]])
        found.append(Toy(i, float(s[i]), own, bare, corrected, u[:, i], vt[i]))
    return found


def dirac_jacobian(variant: Variant) -> np.ndarray:
    """The Jacobian of the Dirac system in d = 1, (2, 2); NaN without one."""
    try:
        found = spectrum(variant, dim=1).jacobian
    except InputError:
        found = None
    return np.full((2, 2), np.nan) if found is None else np.asarray(found)
