"""Leading eigenvalues of a run's field or optimiser step, matrix-free."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..game import Game, Players
from ..jax_settings import own_settings
from ..pytrees import Pytree
from ..rules import Rule
from ..training.run import Run
from . import operators
from .leading import GameSpectrum, Products, alone, block, checked, derivative_defect, leading
from .measured_game import MeasuredGame

Measurable: TypeAlias = Run | MeasuredGame | Game | str | os.PathLike[str]


def spectrum(
    run: Measurable | Sequence[Measurable],
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
            attributes ``game``, ``players`` and ``rule``, a training run or its folder (on one large batch), a list
            of such runs of one shape, measured together, or what :func:`diracgan.measure.game` returns.
        which: ``"rightmost"`` (largest real part; of a step: largest modulus), ``"fastest"`` (largest modulus;
            of a step: furthest from 1) or ``"turning"`` (of those that decay slowly, the largest angular frequency:
            largest imaginary part; of a step: largest angle of those of modulus above 0.95). Under Adam the fastest
            of a step are the decay of its moments; the turning ones are the players' rotation.
        k: how many.
        of: ``"flow"``, ``"step"``, or one player's own block of the flow's Jacobian, ``"critic"`` or ``"generator"``.
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
    if isinstance(run, MeasuredGame):
        return run.spectrum(which, k, of, tol=tol, most=most, seed=seed)
    k, tol, most = checked(which, of, k, tol, most)
    listed, many = _listed(run)
    with own_settings(True):
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
        products, n, units, speed, defect = _linear(games, at, rules, memory, of, seed)
        how = {"units": units, "velocity": speed, "defect": defect}
        found = leading(products, (len(listed), n), which, of, k, tol, most, seed, **how)
    return found if many else alone(found)


def _listed(run: Any) -> tuple[list[Any], bool]:
    """The single runs behind what was given: a folder is a run, one of several seeds is several."""
    if isinstance(run, (str, os.PathLike)):
        from ..training.runs import load_run

        run = load_run(run)
    if isinstance(run, (list, tuple)) and run:
        return [one for r in run for one in _listed(r)[0]], True
    single: Any = run
    seeds = getattr(getattr(single, "state", None), "seed", None)
    if seeds is None or not np.ndim(seeds):
        return [run], False
    from ..training.trainer import unstack

    return [dataclasses.replace(single, state=unstack(single.state, i)) for i in range(len(seeds))], True


def _parts(run: Any, players: Players | None, rule: Rule | None, of: str, samples: int) -> tuple[Any, ...]:
    """Game, players, and for a step the rule and what it remembers there (None for what it would at rest)."""
    memory = None
    if isinstance(run, Game):
        if players is None:
            raise InputError("a game alone does not say where it is; add players=Players(phi, theta)")
        game, at, by = run, players, rule
    else:
        try:
            game, at = run.game, players if players is not None else run.players
        except AttributeError:
            raise InputError(
                f"{type(run).__name__} is not a run; allowed: a Game with players=, a training run or its folder, "
                "or a list of runs"
            ) from None
        game = cast(Game, game(samples) if callable(game) else game)
        own = getattr(run, "rule", getattr(getattr(run, "setup", None), "rule", None))
        by = own if rule is None else rule
        if rule is None and players is None:
            memory = getattr(getattr(getattr(run, "state", None), "inner", None), "memory", None)
    if of != "step":
        return operators.stackable(game), at, None, None
    if by is None:
        raise InputError("of='step' needs a rule; add rule=dg.rule(...)")
    return operators.stackable(game), at, by, memory


def _linear(
    games: Game, at: Players, rules: Any, memory: Pytree, of: str, seed: int
) -> tuple[Products, int, np.ndarray | None, np.ndarray, np.ndarray]:
    """The products, the length of a vector, in what units it is measured, and what :func:`probe` says."""
    linear = operators.flow_linear(games, at)

    def flow(v: np.ndarray) -> np.ndarray:
        return np.asarray(operators.applied(linear, jnp.asarray(v)))

    speed, defect = probe(games, at, seed, flow)
    if rules is None:
        sizes = operators.length(Players(at.phi, ())), operators.length(Players((), at.theta))
        return *block(flow, of, sizes), None, speed, defect
    whole = operators.step_linear(rules, games, at, memory)

    def step(v: np.ndarray) -> np.ndarray:
        return np.asarray(operators.applied(whole, jnp.asarray(v)))

    units = operators.units_of_steps(rules, games, at, memory)
    return step, units.shape[1], units, speed, defect


def probe(games: Game, at: Players, seed: int, products: Products) -> tuple[np.ndarray, np.ndarray]:
    """The field's largest entry, and how far its finite differences stay from its derivative, of stacked runs.

    Args:
        games: stacked games; ``at`` where.
        at: stacked players.
        seed: of the direction.
        products: v -> J v of every run, (S, n).
    """

    def velocity(d: Any) -> np.ndarray:
        return np.asarray(operators.velocities(games, at if d is None else operators.moved(at, d)))

    return derivative_defect(velocity, products, seed)
