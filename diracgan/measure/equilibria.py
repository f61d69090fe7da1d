"""Real networks with an exactly known equilibrium, and their Jacobian there as a few Dirac systems.

The data are what a frozen generator G* makes of the latents; at G = G* and with the critic's last layer at 0 the
critic cannot tell real from fake, wherever it looks. There the Jacobian is zero but for the critic's head and the
generator: J = [[-K, -B], [C, 0]], with C = B^T up to the losses' slopes, and each singular value of B is one Dirac
system of that strength.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError, instance, real_array
from ..game import Game, Players
from ..jax_settings import own_settings
from ..pytrees import Pytree
from ..training import networks
from ..variants import Variant, check_variant
from ..variants.constraints import constrain
from . import operators

_REST = 1e-9  # a velocity this large is none of an equilibrium
_LOGITS = np.linspace(-4.0, 4.0, 33)  # a constant critic's logit is looked for between these


class NoEquilibrium(InputError):
    """A variant that has no known equilibrium, or no derivative there."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FrozenFeatureGame(Game):
    """A game whose critic trains its last layer alone, on the frozen ``features`` of a network."""

    features: Any = None

    def logits(self, phi: Pytree, x: Array) -> Array:
        """The head ``phi`` on the features: x (n, ...) -> (n,)."""
        if self.variant.constraint == "normalised":
            phi = constrain(self.variant, phi)
        return self.critic(_headed(self.features, phi), x)


@dataclasses.dataclass(frozen=True)
class Equilibrium:
    """A game with players at rest; from :func:`teachers` several of one shape, all with a leading axis of runs.

    Attributes:
        game: who plays; ``players`` where.
        residual: the field's largest entry, 0 up to rounding.
        logit: what the critic says of every sample.
        frozen: whether the critic's features are held fixed, because a penalty on them would not let them rest.
    """

    game: Game
    players: Players
    residual: float
    logit: float
    frozen: bool


def teacher(variant: Variant, student: Players, z: Array | np.ndarray) -> Equilibrium:
    """The exact equilibrium of a variant with the networks ``student``, the generator being its own teacher.

    Args:
        variant: from :func:`diracgan.variant`.
        student: networks from :mod:`diracgan.training.architecture`.
        z: the latents that the data are made of, (n, ...).

    Returns:
        An :class:`Equilibrium`: data G(z), the weights of the critic's head 0 and its bias where the variant wants
        it.

    Raises:
        NoEquilibrium: when the variant does not rest there (the normalised critic, labels that no constant meets).

    References:
        Nagarajan & Kolter 2017 (arXiv 1706.04156), section 3.2; Mescheder et al. 2018 (1801.04406), section 4.

    Example:
        >>> import jax, diracgan as dg
        >>> from diracgan.training.architecture import Architecture, players
        >>> from diracgan.training.problems import problem
        >>> p = problem("ring8")
        >>> z = jax.random.normal(jax.random.key(1), (16, p.inputs))
        >>> nets = players(Architecture(width=8, activation_d="tanh"), p, jax.random.key(0))
        >>> dg.measure.teacher(dg.variant("ns"), nets, z).residual < 1e-12
        True
    """
    check_variant(variant)
    instance("student", student, Players, "the players of a run, or Players(critic, generator)")
    real_array("z", z, (None, None))
    with own_settings(True):
        student, z = jax.tree.map(lambda x: jnp.asarray(x)[None], operators.doubled((student, z)))
        found = teachers(variant, student, z)
        game, players = jax.tree.map(lambda x: x[0], (found.game, found.players))
    return dataclasses.replace(found, game=game, players=players)


def teachers(variant: Variant, students: Players, z: Array | np.ndarray) -> Equilibrium:
    """:func:`teacher` for networks and latents with a leading axis of runs, in 64 bits."""
    whole = operators.games_of_runs(variant, jax.vmap(networks.generator)(students.theta, z), z)
    own = head(students.phi)
    worst = np.inf
    logits = [0.0]
    for attempt in ("silent", "constant"):
        if attempt == "constant":
            logits = _constants(
                FrozenFeatureGame(*_fields(whole), features=students.phi), own, students.theta
            )
        for logit in logits:
            silent = _constant(own, logit)
            full = students._replace(phi=_headed(students.phi, silent))
            if (worst := _speed(whole, full)) <= _REST:
                return Equilibrium(whole, full, worst, logit, False)
        for logit in logits if attempt == "constant" else []:
            partial = FrozenFeatureGame(*_fields(whole), features=students.phi)
            alone = students._replace(phi=_constant(own, logit))
            if (worst := _speed(partial, alone)) <= _REST:
                return Equilibrium(partial, alone, worst, logit, True)
    raise NoEquilibrium(
        f"{variant.label} does not rest at a constant critic (|F| = {worst:.3g}); "
        "allowed: a loss that is at peace when real and fake samples are the same"
    )


def head(phi: Pytree) -> Pytree:
    """The last layer of a critic: what D is linear in."""
    return getattr(phi, "head", phi)


def _fields(game: Game) -> list[Any]:
    return [getattr(game, f.name) for f in dataclasses.fields(game)]


def _headed(phi: Pytree, layer: Pytree) -> Pytree:
    return eqx.tree_at(lambda n: n.head, phi, layer) if hasattr(phi, "head") else layer


def _constant(layer: Pytree, logit: float) -> Pytree:
    silent = jax.tree.map(jnp.zeros_like, layer)
    return silent if _bias(layer) is None else eqx.tree_at(_bias, silent, jnp.full_like(layer.b, logit))


def _bias(layer: Pytree) -> Array | None:
    return getattr(layer, "b", None)


def _speed(games: Game, players: Players) -> float:
    found = np.abs(np.asarray(operators.velocities(games, players))).max()
    return float(found) if np.isfinite(found) else np.inf


def _constants(games: Game, layer: Pytree, theta: Pytree) -> list[float]:
    """The constant logits at which the bias of the first run's critic rests: 0, and the zeros of its velocity."""
    if _bias(layer) is None:
        return [0.0]
    one = jax.tree.map(lambda x: jnp.repeat(x[:1], len(_LOGITS), axis=0), (games, layer, theta))

    def pull(at: np.ndarray) -> np.ndarray:
        silent = jax.tree.map(jnp.zeros_like, one[1])
        silent = eqx.tree_at(_bias, silent, jnp.asarray(at)[:, None])
        return np.asarray(_pulls(one[0], Players(silent, one[2])))

    pulls = pull(_LOGITS)
    low, high = _LOGITS[:-1].copy(), _LOGITS[1:].copy()
    bracket = pulls[:-1] * pulls[1:] < 0
    for _ in range(60 if bracket.any() else 0):
        middle = 0.5 * (low + high)
        same = pull(np.append(middle, 0.0))[:-1] * pulls[:-1] > 0
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    roots = [*low[bracket], *_LOGITS[np.abs(pulls) <= _REST]]
    return [0.0, *sorted((float(b) for b in roots if b != 0.0), key=abs)][:4]


@jax.jit
def _pulls(games: Game, players: Players) -> Array:
    return jax.vmap(lambda g, z: g.velocity(z).phi.b[0])(games, players)


@dataclasses.dataclass(frozen=True)
class ReducedJacobian:
    """The linearisation at equilibria of one shape, on the few directions that are not neutral.

    Attributes:
        basis: (S, n, 2p), orthonormal columns: p of the critic's head, then p of the generator.
        jacobian: of the field on them, (S, 2p, 2p).
        leak: how much of J leaves them, relative; rounding at a silent critic.
    """

    basis: np.ndarray
    jacobian: np.ndarray
    leak: np.ndarray

    @property
    def half(self) -> int:
        """How many directions each player has, p."""
        return self.jacobian.shape[1] // 2

    @property
    def damping(self) -> np.ndarray:
        """K = -J_DD, (S, p, p)."""
        return -self.jacobian[:, : self.half, : self.half]

    @property
    def coupling(self) -> np.ndarray:
        """B = -J_DG, (S, p, p)."""
        return -self.jacobian[:, : self.half, self.half :]

    @property
    def response(self) -> np.ndarray:
        """C = J_GD, (S, p, p)."""
        return self.jacobian[:, self.half :, : self.half]


def reduced(games: Game, players: Players) -> ReducedJacobian:
    """Linearise equilibria from :func:`teacher`, stacked with a leading axis of runs; in 64 bits."""
    places = _places(players)
    runs, n = len(jax.tree.leaves(players)[0]), operators.length(players)
    units = np.zeros((len(places), n))
    units[np.arange(len(places)), places] = 1.0
    both = np.concatenate([units, 0.0 * units])  # as many as the basis has: one program
    pushed = _images(games, players, np.broadcast_to(both, (runs, *both.shape)))[:, : len(units)]
    of_critic = operators.length(Players(players.phi, ()))
    side = np.swapaxes(pushed[:, :, of_critic:], 1, 2)
    u = np.linalg.svd(side, full_matrices=False)[0]
    p = len(places)
    basis = np.zeros((runs, n, 2 * p))
    basis[:, :, :p] = units.T
    basis[:, of_critic:, p : p + u.shape[2]] = u
    images = np.swapaxes(_images(games, players, np.swapaxes(basis, 1, 2)), 1, 2)
    small = np.swapaxes(basis, 1, 2) @ images
    out = images - basis @ small
    scale = np.maximum(np.linalg.norm(images, axis=(1, 2)), 1e-300)
    return ReducedJacobian(basis, small, np.linalg.norm(out, axis=(1, 2)) / scale)


def compressed(full: ReducedJacobian, tolerance: float = 1e-9) -> ReducedJacobian:
    """The same without the directions that are coupled to nothing, up to ``tolerance``; of equal ones the first stays.

    Of a wide critic's features few differ on the data; an eigenvalue costs the cube of their number.
    """
    p, k = full.half, full.damping
    eye = np.eye(p)
    own = k - np.linalg.eigvalsh(0.5 * (k + np.swapaxes(k, 1, 2)))[:, :1, None] * eye
    b, c = full.coupling, full.response
    sides = np.concatenate([own, np.swapaxes(own, 1, 2), b, np.swapaxes(c, 1, 2)], axis=2)
    u, s, _ = np.linalg.svd(sides, full_matrices=False)
    keep = min(p, 1 + int(np.sum(s > tolerance * s[:, :1], axis=1).max()))
    u = u[:, :, :keep]
    w = np.linalg.svd(np.concatenate([c @ u, np.swapaxes(b, 1, 2) @ u], axis=2), full_matrices=False)[0]
    onto = np.zeros((len(k), 2 * p, 2 * keep))
    onto[:, :p, :keep], onto[:, p:, keep:] = u, w[:, :, :keep]
    images = full.jacobian @ onto
    small = np.swapaxes(onto, 1, 2) @ images
    lost = np.linalg.norm(images - onto @ small, axis=(1, 2))
    leak = lost / np.maximum(np.linalg.norm(full.jacobian, axis=(1, 2)), 1e-300)
    if leak.max() > 1e3 * tolerance:
        return full
    return ReducedJacobian(full.basis @ onto, small, full.leak + leak)


def products(games: Game, players: Players, v: np.ndarray) -> np.ndarray:
    """J v of every run, (S, n), by the program of :func:`reduced`."""
    rows = np.zeros((len(v), 2 * len(_places(players)), np.shape(v)[1]))
    rows[:, 0] = v
    return _images(games, players, rows)[:, 0]


def _images(games: Game, players: Players, v: np.ndarray) -> np.ndarray:
    return operators.flow_images(games, players, np.asarray(v))


def _places(players: Players) -> np.ndarray:
    """Where the head's parameters lie in the flattened players."""
    leaves = jax.tree.leaves(players)
    ends = np.cumsum([int(np.prod(np.shape(x)[1:])) for x in leaves])
    own = {id(x) for x in jax.tree.leaves(head(players.phi))}
    spans = [
        np.arange(e - int(np.prod(np.shape(x)[1:])), e)
        for x, e in zip(leaves, ends, strict=True)
        if id(x) in own
    ]
    return np.concatenate(spans)
