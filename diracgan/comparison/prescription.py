"""Prescription: the hyperparameters for a measured game, by the Dirac theory with nothing fitted.

On the strongest coupling u, v of the players, per iteration and with the parameters' own step sizes (Adam's included),

    a' = -(k + g kappa) a - sigma b,   b' = c a,   omega = sqrt(sigma c),

k the damping that the overlap of real and fake samples (and whatever penalty is there) gives, kappa that of R1 per unit
of its weight, sigma and c the coupling there and back. The eigenvalues -(k + g kappa)/2 +- sqrt((k + g kappa)^2/4 -
omega^2) decay fastest at critical damping, k + g kappa = 2 omega (docs/theory.md, section 3: WGAN-GP c = 0 is fastest
at lam = 1). Trained games are best above that, often on a plateau that begins at about 2.5 times as much: gamma aims
there. The 2.5 was chosen on nine small games beside those that it is judged by (benchmarks/README.md).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import InputError, integer, number
from ..measure import MeasuredGame, eigenvalues, from_run
from ..measure.own_game import one_run
from ..records import Record

_RESAMPLES = 2000
_AIM = 2.5  # of damping to its critical value
_LEVEL = (5.0, 95.0)  # percentiles of the bootstrap over batches


@dataclasses.dataclass(frozen=True)
class PrescribedNumber:
    """One number with what it is worth.

    Attributes:
        value: the number; None where the measurement gives none.
        low: end of its 90 % interval over batches; ``high`` likewise. Infinite where a batch's mean has no such number.
        unit: of all three.
        assumption: what must hold for it.
        check: what to measure afterwards.
        text: it in words, or why there is none.
    """

    value: float | None
    low: float | None
    high: float | None
    unit: str
    assumption: str
    check: str
    text: str


@dataclasses.dataclass(frozen=True)
class Prescription(Record):
    """What :func:`prescribe` finds.

    Attributes:
        gamma: R1's weight in all, (gamma/2) E |grad_x D|^2.
        rate_ratio: by what to multiply lr_d / lr_g, with the penalties as they are.
        lazy: R1 on every lazy-th critic step, lazy times as strong, at most.
        ema_half_life: of the generator's weight average, with ``gamma`` in force.
        measured: what they follow from: omega, damping, penalty (kappa), sigma, response, each with its standard error
            over batches, per iteration; slope_real and slope_fake, E |grad_x D|^2; noise_critic and noise_generator,
            variance over |mean|^2 of the gradients; steepest, R1's largest curvature per iteration.
        step_sizes: ``"optimiser"``, or ``"unit"`` where the optimiser is not known: per unit of the flow's time then.
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
    game: Any,
    *,
    batches: int = 50,
    gamma: float | None = None,
    images: int | None = None,
    seed: int = 0,
) -> Prescription:
    """R1's gamma, the ratio of learning rates, the lazy interval and the average's half-life, from some 50 batches.

    gamma = gamma_now + (5 omega - k)/kappa, ratio = 4 omega^2/k^2, lazy <= min(1/(gamma l), 1/omega) with l the largest
    curvature of R1, half-life = ln 2/omega: of the strongest coupling, at the current weights. gamma damps it 2.5
    times as much as critically, the ratio critically. Under Adam the step sizes follow the penalty: train with a gamma
    first (10 is usual), and measure again at weights trained with what is prescribed.

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
        >>> round(dg.prescribe(measured).gamma.value, 5)  # 5 x 0.5 - 0.2
        2.3
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
    rows, slopes = _coefficients(found, seen, root, mode.critic[0], mode.generator[0])
    steepest, more = _steepest(found, root, seed)
    noise = found.gradient_noise(len(seen)).ratio
    names = ("damping", "sigma", "response", "penalty")
    mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    measured: dict[str, Any] = {n: float(x) for n, x in zip(names, mean, strict=True)}
    measured |= {f"{n}_error": float(x) for n, x in zip(names, error, strict=True)}
    measured |= {"omega": float(_omega(mean[None])[0]), "slope_real": slopes[0], "slope_fake": slopes[1]}
    measured |= {"noise_critic": float(noise[0]), "noise_generator": float(noise[1]), "steepest": steepest}
    draw = np.random.default_rng(seed).integers(0, len(rows), (_RESAMPLES, len(rows)))
    resampled = np.concatenate([mean[None], rows[draw].mean(axis=1)])
    return Prescription(
        _gamma(resampled, now),
        _ratio(resampled),
        _lazy(resampled, now, steepest),
        _half_life(resampled, count),
        measured,
        "unit" if sizes is None else "optimiser",
        len(seen),
        mode.products + 3 * len(seen) + more,
    )


def _game(game: Any, gamma: float | None, images: int | None) -> tuple[MeasuredGame, float, int | None]:
    """The game, R1's weight in force, and the images of an iteration."""
    count = None if images is None else integer("images", images, low=1)
    now = None if gamma is None else number("gamma", gamma, low=0.0)
    if not isinstance(game, MeasuredGame):
        run = one_run(game, "a game from dg.measure.game, what dg.train returns, or its folder")
        own = run.setup.variant.extras.get("r1", 0.0)
        game = from_run(run)
        now = float(own) if now is None else now
        count = run.config.training.batch if count is None else count
    if not game.backend.has_slopes:
        raise InputError("R1 looks at the critic's slope; add critic= and samples= to dg.measure.game")
    return game, 0.0 if now is None else now, count


def _coefficients(
    game: MeasuredGame, seen: list[Any], root: np.ndarray, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, list[float]]:
    """(damping, sigma, response, penalty) of the mode on each batch, (batches, 4), and the mean squared slopes."""
    n_d, kind = game.sizes[0], game.backend.dtype
    p, q = (root[:n_d] * u), (root[n_d:] * v)
    critic = np.concatenate([p, 0.0 * q]).astype(kind)
    generator = np.concatenate([0.0 * p, q]).astype(kind)
    rows, slopes = [], []
    for batch in seen:
        one, other = (game.backend.product([batch], x).astype(float) for x in (critic, generator))
        bend = game.backend.penalty_product(batch, p.astype(kind)).astype(float)
        rows.append([-p @ one[:n_d], -p @ other[:n_d], q @ one[n_d:], p @ bend])
        slopes.append(game.backend.slopes(batch))
    return np.array(rows), [float(x) for x in np.mean(slopes, axis=0)]


def _steepest(game: MeasuredGame, root: np.ndarray, seed: int) -> tuple[float, int]:
    """The largest curvature of R1 per iteration, and the products that it took."""
    n_d, batch = game.sizes[0], game.held[0]
    own = root[:n_d]

    def product(v: np.ndarray) -> np.ndarray:
        return own * game.backend.penalty_product(batch, (own * v).astype(game.backend.dtype)).astype(float)

    found = eigenvalues(product, n_d, 1, "rightmost", tol=1e-2, most=40, seed=seed)
    return float(found.eigenvalues[0].real), found.products


def _omega(rows: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.sqrt(rows[:, 1] * rows[:, 2])


def _numbers(values: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """The estimate and its interval, of which not a number is infinitely large."""
    if not np.isfinite(values[0]):
        return None, None, None
    low, high = np.percentile(np.where(np.isnan(values[1:]), np.inf, values[1:]), _LEVEL, method="nearest")
    return float(values[0]), float(min(low, values[0])), float(max(high, values[0]))


def _damping_gamma(rows: np.ndarray, now: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        need = now + (2.0 * _AIM * _omega(rows) - rows[:, 0]) / rows[:, 3]
    return np.where(rows[:, 3] > 0, np.maximum(need, 0.0), np.nan)


def _gamma(rows: np.ndarray, now: float) -> PrescribedNumber:
    value, low, high = _numbers(_damping_gamma(rows, now))
    if value is None:
        text = "none: " + ("R1 does not damp this mode" if rows[0, 3] <= 0 else "the players do not turn")
    elif value == 0.0:
        value = low = high = None
        text = "cannot say: without more R1 the strongest mode is damped that much, and R1 may be wanted all the same"
    else:
        text = (
            f"R1 with gamma = {value:.3g} (now {now:.3g}) damps the strongest mode {_AIM:g} times critically"
        )
    return PrescribedNumber(
        value,
        low,
        high,
        "weight of 1/2 E |grad_x D|^2",
        "one mode, the strongest coupling, at the current weights; the optimiser's step sizes stay as they are, which "
        "Adam's do only near the gamma that the weights were trained with",
        "measure again at weights trained with it: damping should be 5 omega; where it is not, take the new number",
        text,
    )


def _ratio(rows: np.ndarray) -> PrescribedNumber:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(rows[:, 0] > 0, 4.0 * _omega(rows) ** 2 / rows[:, 0] ** 2, np.nan)
    value, low, high = _numbers(ratio)
    if value is None:
        text = "none: nothing damps the critic, so no ratio of rates does"
    else:
        text = f"lr_d / lr_g times {value:.3g} damps it critically without a change of the penalty"
    return PrescribedNumber(
        value,
        low,
        high,
        "factor on lr_d / lr_g",
        "in place of gamma, not beside it; steps so small that the flow describes them",
        "measure again: damping should be 2 omega; the step's multipliers must stay inside the unit circle",
        text,
    )


def _lazy(rows: np.ndarray, now: float, steepest: float) -> PrescribedNumber:
    gamma = _damping_gamma(rows, now)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.minimum(1.0 / (gamma * steepest), 1.0 / _omega(rows))
        bound = np.where(gamma > 0, bound, np.nan)
        value, low, high = _numbers(np.maximum(np.floor(bound), 1.0))
    text = "none: there is no gamma" if value is None else f"R1 on every {value:.0f}th critic step at most"
    if value == 1.0:
        text = (
            "R1 on every critic step: a rarer, stronger one would overshoot, or act less than once a radian"
        )
    return PrescribedNumber(
        value,
        low,
        high,
        "critic steps",
        "plain steps on the penalty, whose largest curvature l is that of now: no overshoot, lazy gamma l <= 1, and "
        "one penalty at least a radian of the turn",
        "the critic's loss must not jump at the steps with the penalty",
        text,
    )


def _half_life(rows: np.ndarray, images: int | None) -> PrescribedNumber:
    with np.errstate(divide="ignore", invalid="ignore"):
        value, low, high = _numbers(np.log(2.0) / _omega(rows) * (images or 1))
    unit = "iterations" if images is None else "images"
    text = "none: the players do not turn" if value is None else f"a half-life of {value:.3g} {unit}"
    return PrescribedNumber(
        value,
        low,
        high,
        unit,
        "critical damping as above, where the players converge at the rate omega: the longest average no slower",
        "the averaged generator should be no worse than the raw one; a later, quieter run bears a longer average",
        text,
    )
