"""Prescription: the hyperparameters for a measured game, by the Dirac theory and what a step bears.

On the strongest coupling u, v of the players, per iteration and with the parameters' own step sizes (Adam's included),

    a' = -(k + g kappa) a - sigma b,   b' = c a,   omega = sqrt(sigma c),

k the damping that the overlap of real and fake samples (and whatever penalty is there) gives, kappa that of R1 per unit
of its weight, sigma and c the coupling there and back. The eigenvalues -(k + g kappa)/2 +- sqrt((k + g kappa)^2/4 -
omega^2) decay fastest at critical damping, k + g kappa = 2 omega (docs/theory.md, section 3: WGAN-GP c = 0 is fastest
at lam = 1). Trained games are best above that, as strongly damped as their steps bear: R1's steepest direction, of
curvature l per iteration, overshoots for good where g l > 2 (1 + beta)/(1 - beta), beta the decay of the running
average that the step is taken along (0 for plain steps). gamma is that of five times critical damping, at least that
of R1's own critical damping, at most a quarter of what the steepest direction bears. The five and the quarter were
chosen on small games beside those that they are judged by (benchmarks/README.md).
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from ..errors import InputError, integer, number
from ..measure import MeasuredGame, eigenvalues, from_run, operators
from ..measure.own_game import one_run
from ..records import Record
from ..training.run import Run

_RESAMPLES = 2000
_AIM = 5.0  # of damping to its critical value
_SHARE = 0.25  # of what R1's steepest direction bears
_LEVEL = (5.0, 95.0)  # percentiles of the bootstrap over batches
# the least and the largest of (a sweep's best) / (what was prescribed) in 18 games that are not flat, of a protocol
# that was written before (benchmarks/README.md): a 19th lies between them 17 times in 19
_BEST = (1.0 / 20.9, 1.0 / 0.842)
_UNKNOWN = "how far the optimiser steps is not known (dg.measure.game takes optimiser= and its state=)"
_NAMES = ("damping", "sigma", "response", "penalty", "steepest")  # of what is measured on each batch


@dataclasses.dataclass(frozen=True)
class PrescribedNumber:
    """One number with what it is worth.

    Attributes:
        value: the number; None where the measurement gives none.
        low: end of its 90 % interval over batches, which covers the measurement and not whether it is best; ``high``
            likewise. Infinite where a batch's mean has no such number.
        unit: of all of them.
        assumption: what must hold for it.
        check: what to measure afterwards.
        text: it in words, or why there is none.
        best_low: end of the range in which the best of a sweep is to be expected nine times in ten, as in the small
            games that the rule was held against; ``best_high`` likewise. None where that was not measured.
        best_high: see ``best_low``.
    """

    value: float | None
    low: float | None
    high: float | None
    unit: str
    assumption: str
    check: str
    text: str
    best_low: float | None = None
    best_high: float | None = None


@dataclasses.dataclass(frozen=True)
class Prescription(Record):
    """What :func:`prescribe` finds.

    Attributes:
        gamma: R1's weight in all, (gamma/2) E |grad_x D|^2.
        rate_ratio: by what to multiply lr_d / lr_g, with the penalties as they are.
        lazy: R1 on every lazy-th critic step, lazy times as strong, at most.
        ema_half_life: of the generator's weight average, with ``gamma`` in force.
        measured: what they follow from: omega; damping, sigma, response, penalty (kappa), steepest (R1's largest
            curvature), each with its standard error over batches, per iteration; bears, what gamma times steepest may
            reach before it overshoots for good (infinite where the optimiser is not known); slope_real and slope_fake,
            E |grad_x D|^2; noise_critic and noise_generator, variance over |mean|^2 of the gradients.
        step_sizes: ``"optimiser"``, or ``"unit"`` where the optimiser is not known: per unit of the flow's time then,
            with no bound on gamma by what a step bears, no lazy interval and no half-life.
        batches: how many were seen.
        products: with a Jacobian or a penalty's Hessian, that it took; each costs about two gradient evaluations.
    """

    gamma: PrescribedNumber
    rate_ratio: PrescribedNumber
    lazy: PrescribedNumber
    ema_half_life: PrescribedNumber
    measured: dict[str, Any]
    step_sizes: str
    batches: int
    products: int


def prescribe(
    game: MeasuredGame | Run | str | os.PathLike[str],
    *,
    batches: int = 50,
    gamma: float | None = None,
    images: int | None = None,
    seed: int = 0,
) -> Prescription:
    """R1's gamma, the ratio of learning rates, the lazy interval and the average's half-life, from some 50 batches.

    gamma = min(max(gamma_now + (10 omega - k)/kappa, 2 omega/kappa), (1 + beta)/(2 (1 - beta) l)), ratio =
    4 omega^2/k^2, lazy <= min(1/(gamma l), 1/omega), half-life = ln 2/omega: of the strongest coupling, at the current
    weights; l is the largest curvature of R1, beta the decay of the gradient's running average (Adam's beta1,
    momentum). gamma damps the coupling five times as much as critically, by R1 alone at least critically, and takes at
    most a quarter of what R1's steepest direction bears; the ratio damps critically. Under Adam the step sizes follow
    the penalty: train with a gamma first (10 is usual; a tenth where that diverges), and measure again at weights
    trained with what is prescribed.

    Args:
        game: what :func:`diracgan.measure.game` returns, with ``critic`` and ``samples`` given; or a training run of
            ours, or its folder.
        batches: how many are looked at.
        gamma: the weight of R1 that is in force now; None for that of our run, else 0.
        images: real images of one iteration; None for our run's batch; without it the half-life is in iterations.
        seed: of the bootstrap and the random starts.

    Returns:
        A :class:`Prescription`. A number that the measurement does not give is None, and says why.

    Raises:
        InputError: for a game without ``critic`` and ``samples``, or fewer than two batches.

    References:
        Mescheder, Geiger, Nowozin 2018 (arXiv 1801.04406), section 4; Heusel et al. 2017 (1706.08500) for two rates;
        Karras et al. 2020 (1912.04958), appendix B, for lazy regularisation.

    Example:
        >>> import jax.numpy as jnp, numpy as np, diracgan as dg
        >>> measured = dg.measure.game(  # the Dirac game of strength 0.5 with damping 0.2
        ...     lambda phi, theta, x: 0.5 * jnp.sum(phi * theta) + 0.1 * jnp.sum(phi**2) - jnp.sum(phi * x),
        ...     lambda phi, theta, x: -0.5 * jnp.sum(phi * theta), jnp.ones(1), jnp.ones(1), [jnp.zeros(1)] * 3,
        ...     critic=lambda phi, x: x * phi, samples=lambda theta, x: (x[None, :], theta[None, :]))
        >>> round(dg.prescribe(measured).gamma.value, 5)  # 10 x 0.5 - 0.2
        4.8
    """
    batches, seed = integer("batches", batches, low=2), integer("seed", seed, low=0)  # before a run is loaded
    found, now, count = _game(game, gamma, images)
    few = found.minibatches or found.batches
    seen = few.up_to(batches)
    if len(seen) < 2:
        raise InputError(
            f"the batches ran out after {len(seen)}; needed here: 2 or more, of {batches} asked for"
        )
    sizes = found.backend.step_sizes()
    root = np.ones(sum(found.sizes)) if sizes is None else np.sqrt(np.asarray(sizes, float))
    mode = found.coupling(1, seed, None if sizes is None else sizes)
    steepest, more = _steepest(found, root, seed)
    rows, slopes = _coefficients(found, seen, root, (mode.critic[0], mode.generator[0], steepest))
    beta = found.backend.averaging()
    bears = np.inf if sizes is None else 2.0 * (1.0 + beta) / (1.0 - beta)
    noise = found.gradient_noise(len(seen)).ratio
    mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    measured: dict[str, Any] = {n: float(x) for n, x in zip(_NAMES, mean, strict=True)}
    measured |= {f"{n}_error": float(x) for n, x in zip(_NAMES, error, strict=True)}
    measured |= {"omega": float(_omega(mean[None])[0]), "slope_real": slopes[0], "slope_fake": slopes[1]}
    measured |= {"noise_critic": float(noise[0]), "noise_generator": float(noise[1]), "bears": float(bears)}
    draw = np.random.default_rng(seed).integers(0, len(rows), (_RESAMPLES, len(rows)))
    resampled = np.concatenate([mean[None], rows[draw].mean(axis=1)])
    weight = _prescribed_gamma(resampled, now, bears)
    return Prescription(
        _gamma(resampled, weight, now, bears),
        _ratio(resampled),
        _lazy(resampled, weight, sizes is not None),
        _half_life(resampled, count, sizes is not None),
        measured,
        "unit" if sizes is None else "optimiser",
        len(seen),
        mode.products + 4 * len(seen) + more,
    )


def _game(game: Any, gamma: float | None, images: int | None) -> tuple[MeasuredGame, float, int | None]:
    """The game, R1's weight in force, and the images of an iteration."""
    count = None if images is None else integer("images", images, low=1)
    now = None if gamma is None else number("gamma", gamma, low=0.0)
    if not isinstance(game, MeasuredGame):
        run = one_run(game, "a game from dg.measure.game, what dg.train returns, or its folder")
        own = run.setup.variant.extras.get("r1", 0.0)
        if not np.all(np.isfinite(operators.flat(run.players))):
            raise InputError(
                f"the run has diverged: its weights are not finite; allowed: one that has not, such as with R1 of "
                f"{own / 10:g} in place of {own:g}, or with a lower learning rate"
            )
        game = from_run(run)
        now = float(own) if now is None else now
        count = run.config.training.batch if count is None else count
    if not game.backend.has_slopes:
        raise InputError("R1 looks at the critic's slope; add critic= and samples= to dg.measure.game")
    return game, 0.0 if now is None else now, count


def _coefficients(
    game: MeasuredGame, seen: list[Any], root: np.ndarray, directions: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, list[float]]:
    """What ``_NAMES`` says of each batch, (batches, 5), and the mean squared slopes.

    The directions are the critic's and the generator's of the mode, and the critic's that R1 is steepest along.
    """
    n_d, kind = game.sizes[0], game.backend.dtype
    p, q, w = (
        root[at] * x for at, x in zip((slice(n_d), slice(n_d, None), slice(n_d)), directions, strict=True)
    )
    critic = np.concatenate([p, 0.0 * q]).astype(kind)
    generator = np.concatenate([0.0 * p, q]).astype(kind)
    rows, slopes = [], []
    for batch in seen:
        one, other = (game.backend.product([batch], x).astype(float) for x in (critic, generator))
        bend, most = (x @ game.backend.penalty_product(batch, x.astype(kind)).astype(float) for x in (p, w))
        rows.append([-p @ one[:n_d], -p @ other[:n_d], q @ one[n_d:], bend, most])
        slopes.append(game.backend.slopes(batch))
    return np.array(rows), [float(x) for x in np.mean(slopes, axis=0)]


def _steepest(game: MeasuredGame, root: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """The direction of R1's largest curvature per iteration, and the products that it took."""
    n_d, batch = game.sizes[0], game.held[0]
    own = root[:n_d]

    def product(v: np.ndarray) -> np.ndarray:
        return own * game.backend.penalty_product(batch, (own * v).astype(game.backend.dtype)).astype(float)

    found = eigenvalues(product, n_d, 1, "rightmost", tol=1e-2, most=40, seed=seed)
    return found.vectors[0].real, found.products


def _omega(rows: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.sqrt(rows[:, 1] * rows[:, 2])


def _numbers(values: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """The estimate and its interval, of which not a number is infinitely large."""
    if not np.isfinite(values[0]):
        return None, None, None
    low, high = np.percentile(np.where(np.isnan(values[1:]), np.inf, values[1:]), _LEVEL, method="nearest")
    return float(values[0]), float(min(low, values[0])), float(max(high, values[0]))


def _prescribed_gamma(rows: np.ndarray, now: float, bears: float) -> np.ndarray:
    """Not a number where R1 bends the critic's loss nowhere; the bound alone where the players do not turn."""
    with np.errstate(divide="ignore", invalid="ignore"):
        omega, kappa = _omega(rows), rows[:, 3]
        damped = np.maximum(now + (2.0 * _AIM * omega - rows[:, 0]) / kappa, 2.0 * omega / kappa)
        bound = np.where(rows[:, 4] > 0, _SHARE * bears / rows[:, 4], np.nan)
    gamma = np.fmin(np.where((kappa > 0) & (omega > 0), damped, np.nan), bound)
    return np.where(np.isfinite(gamma), gamma, np.nan)


def _gamma(rows: np.ndarray, gamma: np.ndarray, now: float, bears: float) -> PrescribedNumber:
    numbers = _numbers(gamma)
    value = numbers[0]
    best_low, best_high = (None, None) if value is None else (value * _BEST[0], value * _BEST[1])
    kappa, steepest = rows[0, 3:]
    if value is None:
        text = "none: " + ("R1 does not damp this mode" if kappa <= 0 else "the players do not turn")
    else:
        text = f"R1 with gamma = {value:.3g} (now {now:.3g})"
        if value * steepest >= (1.0 - 1e-9) * _SHARE * bears:
            text += f" is {_SHARE:g} of what its steepest direction bears"
        else:
            times = (rows[0, 0] + (value - now) * kappa) / (2.0 * _omega(rows[:1])[0])
            text += f" damps the strongest mode {times:.3g} times critically"
        if now * steepest > bears:
            text += "; now it overshoots"
    return PrescribedNumber(
        *numbers,
        "weight of 1/2 E |grad_x D|^2",
        "the strongest coupling and R1's steepest direction, at the current weights; the optimiser's step sizes stay "
        "as they are, which Adam's do only near the gamma that the weights were trained with",
        "measure again at weights trained with it: the number should stay; where it moves, take the new one",
        text,
        best_low,
        best_high,
    )


def _ratio(rows: np.ndarray) -> PrescribedNumber:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(rows[:, 0] > 0, 4.0 * _omega(rows) ** 2 / rows[:, 0] ** 2, np.nan)
    numbers = _numbers(ratio)
    if (value := numbers[0]) is None:
        text = "none: nothing damps the critic, so no ratio of rates does"
    else:
        text = f"lr_d / lr_g times {value:.3g} damps it critically without a change of the penalty"
    return PrescribedNumber(
        *numbers,
        "factor on lr_d / lr_g",
        "in place of gamma, not beside it; steps so small that the flow describes them",
        "measure again: damping should be 2 omega; the step's multipliers must stay inside the unit circle",
        text,
    )


def _lazy(rows: np.ndarray, gamma: np.ndarray, known: bool) -> PrescribedNumber:
    """Not a number where the optimiser's steps are not ``known``: curvatures are not per iteration then."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.fmin(1.0 / (gamma * rows[:, 4]), 1.0 / _omega(rows))
        bound = np.where(known & (gamma > 0), bound, np.nan)
        numbers = _numbers(np.maximum(np.floor(bound), 1.0))
    value = numbers[0]
    reason = "there is no gamma" if known else _UNKNOWN
    text = f"none: {reason}" if value is None else f"R1 on every {value:.0f}th critic step at most"
    if value == 1.0:
        text = (
            "R1 on every critic step: a rarer, stronger one would overshoot, or act less than once a radian"
        )
    return PrescribedNumber(
        *numbers,
        "critic steps",
        "plain steps on the penalty, whose largest curvature l is that of now: no overshoot, lazy gamma l <= 1, and "
        "one penalty at least a radian of the turn",
        "the critic's loss must not jump at the steps with the penalty",
        text,
    )


def _half_life(rows: np.ndarray, images: int | None, known: bool) -> PrescribedNumber:
    """Not a number where the optimiser's steps are not ``known``: omega is not per iteration then."""
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = _numbers(np.log(2.0) / _omega(rows) * (images or 1) if known else np.array([np.nan]))
    value = numbers[0]
    unit = "iterations" if images is None else "images"
    reason = "the players do not turn" if known else _UNKNOWN
    text = f"none: {reason}" if value is None else f"a half-life of {value:.3g} {unit}"
    return PrescribedNumber(
        *numbers,
        unit,
        "critical damping as above, where the players converge at the rate omega: the longest average no slower",
        "the averaged generator should be no worse than the raw one; a later, quieter run bears a longer average",
        text,
    )
