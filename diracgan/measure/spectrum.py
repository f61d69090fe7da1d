"""A few eigenvalues of a game of any size, without its matrix."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError, integer, number, unknown
from ..game import Game, Players
from ..numerics.arnoldi import Ritz, arnoldi
from ..rules import Rule
from . import operators

WHICH = ("rightmost", "fastest", "turning")
OF = ("flow", "step")
# A derivative's finite differences get better tenfold with a ten times smaller step; a kink's do not.
_SCALES = (1e-4, 1e-6)
_KINK = 1e-3
_SLOW = (
    0.95  # a multiplier above this modulus decays slowly: those of Adam's first moment (beta1 <= 0.9) do not
)


@dataclasses.dataclass(frozen=True)
class GameSpectrum:
    """Eigenvalues of a game's Jacobian, or of one whole iteration, with what they are worth.

    Attributes:
        eigenvalues: (k,), complex; of a step these are its multipliers. With a batch (runs, k), as all below.
        residuals: |J v - mu v| with |v| = 1, (k,).
        vectors: unit eigenvectors in the order of the flattened players, (k, n); of a step the rule's memory
            follows.
        converged: whether each residual is below the tolerance times the largest |mu| found, (k,).
        which: what was asked for; ``of`` likewise.
        velocity: the field's largest entry there; 0 at an equilibrium.
        defect: how far finite differences stay from the derivative, relative: of order 1 at a kink.
        size: n, the length of the state.
        products: Jacobian-vector products that it took; each costs about two gradient evaluations.
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray
    vectors: np.ndarray
    converged: np.ndarray
    which: str
    of: str
    velocity: Any
    defect: Any
    size: int
    products: int

    @property
    def smooth(self) -> Any:
        """Whether the field has the derivative that automatic differentiation says, as far as probing tells."""
        return np.asarray(self.defect) < _KINK

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute but the vectors."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "vectors"}


def spectrum(
    run: Any,
    which: str = "rightmost",
    k: int = 10,
    of: str = "flow",
    *,
    players: Players | None = None,
    rule: Rule | None = None,
    samples: int = 256,
    tol: float = 1e-6,
    most: int = 400,
    seed: int = 0,
) -> GameSpectrum:
    """The leading eigenvalues of the game Jacobian of a run, matrix-free.

    Arnoldi on v -> J v, the derivative of the joint field (-grad_phi L_D, -grad_theta L_G) at the players, or of one
    whole iteration of the rule on its full state (momentum included). In float64, whatever the run's precision.

    Args:
        run: a :class:`~diracgan.game.Game` (then ``players``, and for a step ``rule``, say where), anything with the
            attributes ``game``, ``players`` and ``rule``, a training run or its folder (on one large batch), or a list
            of such runs of one shape, measured together.
        which: ``"rightmost"`` (largest real part; of a step: largest modulus), ``"fastest"`` (largest modulus;
            of a step: furthest from 1) or ``"turning"`` (of those that decay slowly, the largest angular frequency:
            largest imaginary part; of a step: largest angle of those of modulus above 0.95). Under Adam the fastest
            of a step are the decay of its moments; the turning ones are the players' rotation.
        k: how many.
        of: ``"flow"`` or ``"step"``.
        players: where, for a game.
        rule: from :func:`diracgan.rule`, for a game's step.
        samples: of a mixture, in the batch on which a training run is measured; a finite problem is taken whole.
        tol: residual, relative to the largest eigenvalue, at which one counts as converged.
        most: largest Krylov basis.
        seed: of the random start.

    Returns:
        :class:`GameSpectrum`.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        Saad 2011, Numerical Methods for Large Eigenvalue Problems, section 6.2.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> from diracgan.dirac import game
        >>> from diracgan.game import Players
        >>> at = Players(jnp.zeros(2), jnp.zeros(2))
        >>> found = dg.measure.spectrum(game(dg.variant("ns"), jnp.zeros(2)), players=at, k=4)
        >>> sorted({round(float(x.imag), 9) for x in found.eigenvalues})
        [-0.5, 0.5]
    """
    if which not in WHICH:
        raise unknown("which", which, WHICH)
    if of not in OF:
        raise unknown("of", of, OF)
    k, most = integer("k", k, low=1), integer("most", most, low=1)
    tol = number("tol", tol, low=0.0, open_low=True)
    listed, many = _listed(run)
    with jax.enable_x64(True):
        parts = [_parts(r, players, rule, of, samples) for r in listed]
        try:
            games, at, rules, memory = operators.doubled(operators.stacked(list(parts)))
        except ValueError as error:
            raise InputError(
                "the runs differ in shape; allowed: runs of one variant, problem and network"
            ) from error
        if rules is not None and memory is None and (reason := parts[0][2].why_not_linearisable()):
            raise InputError(
                f"rule {parts[0][2].label}: {reason}; allowed: of='flow', or a run with its own memory"
            )
        found, n, speed, defect = _measure(games, at, rules, memory, which, k, tol, most, seed)
    values = found.values + (1.0 if of == "step" else 0.0)
    largest = np.abs(found.values).max(axis=1, keepdims=True)
    fields: dict[str, Any] = dict(
        eigenvalues=values,
        residuals=found.residuals,
        vectors=found.vectors,
        converged=found.residuals <= tol * np.maximum(largest, 1e-300),
        velocity=speed,
        defect=defect,
    )
    if not many:
        fields = {name: x[0] for name, x in fields.items()}
    return GameSpectrum(**fields, which=which, of=of, size=n, products=found.products)


def _listed(run: Any) -> tuple[list[Any], bool]:
    """The single runs behind what was given: a folder is a run, one of several seeds is several."""
    if isinstance(run, (str, os.PathLike)):
        from ..training.runs import load_run

        run = load_run(run)
    if isinstance(run, (list, tuple)) and run:
        return [one for r in run for one in _listed(r)[0]], True
    seeds = getattr(getattr(run, "state", None), "seed", None)
    if seeds is None or not np.ndim(seeds):
        return [run], False
    from ..training.trainer import unstack

    return [dataclasses.replace(run, state=unstack(run.state, i)) for i in range(len(seeds))], True


def _parts(run: Any, players: Players | None, rule: Rule | None, of: str, samples: int) -> tuple[Any, ...]:
    """Game, players, and for a step the rule and what it remembers there (None for what it would at rest)."""
    memory = None
    if isinstance(run, Game):
        if players is None:
            raise InputError("a game alone says not where; add players=Players(phi, theta)")
        game, at, by = run, players, rule
    else:
        try:
            game, at = run.game, players if players is not None else run.players
        except AttributeError:
            raise InputError(
                f"{type(run).__name__} is not a run; allowed: a Game with players=, a training run or its folder, "
                "or a list of runs"
            ) from None
        game = game(samples) if callable(game) else game
        own = getattr(run, "rule", getattr(getattr(run, "setup", None), "rule", None))
        by = own if rule is None else rule
        if rule is None and players is None:
            memory = getattr(getattr(getattr(run, "state", None), "inner", None), "memory", None)
    if of == "flow":
        return operators.stackable(game), at, None, None
    if by is None:
        raise InputError("of='step' needs a rule; add rule=dg.rule(...)")
    return operators.stackable(game), at, by, memory


def _measure(
    games: Game,
    at: Players,
    rules: Any,
    memory: Any,
    which: str,
    k: int,
    tol: float,
    most: int,
    seed: int,
) -> tuple[Ritz, int, np.ndarray, np.ndarray]:
    runs = len(jax.tree.leaves(at)[0])
    linear = operators.flow_linear(games, at)
    speed, defect = probe(games, at, seed, lambda v: operators.applied(linear, v))
    n = operators.length(at)
    if rules is not None:
        n = operators.step_size(rules, games, at, memory)
        linear = operators.step_linear(rules, games, at, memory)

    def apply(v: np.ndarray) -> np.ndarray:
        return np.asarray(operators.applied(linear, jnp.asarray(v))) - (0.0 if rules is None else v)

    shift = 0.0 if rules is None else 1.0

    def rank(x: np.ndarray) -> np.ndarray:
        if which == "fastest":
            return np.abs(x)
        if which == "turning":
            return _turning(x) if rules is None else _turning_of_step(x + shift)
        return x.real if rules is None else np.abs(x + shift)

    start = np.tile(np.random.default_rng(seed).standard_normal(n), (runs, 1))
    return arnoldi(apply, start, k, rank, tol, most, seed), n, speed, defect


def _turning(x: np.ndarray) -> np.ndarray:
    """Ranks a flow's eigenvalues by how fast they turn; what turns less than it decays comes after what turns more."""
    return np.where(np.abs(x.imag) >= -x.real, np.abs(x.imag), -np.abs(x))


def _turning_of_step(multiplier: np.ndarray) -> np.ndarray:
    """Ranks multipliers by their angle; those that fall below ``_SLOW`` in one iteration come last."""
    size = np.abs(multiplier)
    return np.where(size > _SLOW, np.abs(np.angle(multiplier)), size - _SLOW)


def probe(
    games: Game,
    at: Players,
    seed: int,
    products: Callable[[Array], Any],
) -> tuple[np.ndarray, np.ndarray]:
    """The field's largest entry, and how far its finite differences stay from its derivative, of stacked runs.

    Args:
        games: stacked games; ``at`` where.
        at: stacked players.
        seed: of the direction.
        products: v -> J v of every run, (S, n).
    """
    value = np.asarray(operators.velocities(games, at))
    runs, n = value.shape
    v = np.tile(np.random.default_rng([seed, 1]).standard_normal(n), (runs, 1))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    slope = np.asarray(products(jnp.asarray(v)))
    scale = np.maximum(np.linalg.norm(slope, axis=1), np.abs(value).max(axis=1))
    errors = []
    for eps in _SCALES:
        moved = operators.moved(at, jnp.asarray(eps * v))
        rise = (np.asarray(operators.velocities(games, moved)) - value) / eps
        errors.append(np.linalg.norm(rise - slope, axis=1) / np.maximum(scale, 1e-300))
    improved = errors[1] < 0.2 * errors[0]
    worst = np.where(improved | (errors[1] < 1e-6), errors[1], np.maximum(errors[0], errors[1]))
    return np.abs(value).max(axis=1), worst
