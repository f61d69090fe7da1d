"""The stationary covariance of minibatch noise around a stable equilibrium."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, DTypeLike

from ... import dirac
from ...dynamics.noise import NoisyGame, covariance, step_size
from ...errors import InputError, number, shown
from ...game import Players
from ...jax_settings import own_settings
from ...rules import Rule, State, float_vector, step
from ...variants import Variant
from ..linear.spectrum import Spectrum, spectrum
from ..linear.status import Status


@dataclasses.dataclass(frozen=True)
class Scatter:
    """The stationary covariance around an equilibrium, to first order in the deviation.

    ``numpy.asarray`` of it is :attr:`covariance`.

    Attributes:
        covariance: of (phi, theta), (2d, 2d); NaN where there is none.
        ema_covariance: of their averages, (2d, 2d); None without EMA.
        full: of the whole state: players, the rule's memory, averages.
        exists: whether the equilibrium is stable with a derivative, so that there is one.
        text: the same in words.
        sigma: the noise's covariance, (2d, 2d).
        sde_step: the SDE's learning rate; None for a rule.
        spectrum: the linearisation that it is computed from; noise does not change it.
    """

    covariance: np.ndarray
    ema_covariance: np.ndarray | None
    full: np.ndarray
    exists: bool
    text: str
    sigma: np.ndarray
    sde_step: float | None
    spectrum: Spectrum

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """The players' covariance."""
        return np.array(self.covariance, dtype=dtype)


def stationary_covariance(
    variant: Variant,
    rule: Rule | None = None,
    sde: ArrayLike = 1.0,
    sde_step: float | None = None,
    *,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    ema_tau: float | None = None,
) -> Scatter:
    """The covariance that minibatch noise settles to around a stable equilibrium.

    Of a rule: C = A C A^T + B Sigma B^T with the Jacobians A of one whole period on the full state (EMA
    included, so that its covariance comes with it) and B with respect to the noise of every step (B = h for a
    gradient step). Of the flow with z' = F: J C + C J^T + h R Sigma R = 0, R the players' rates.

    Args:
        variant: from :func:`diracgan.variant`.
        rule: from :func:`diracgan.rule`, its ``ema`` included; None for the flow.
        sde: the noise's covariance, as in :func:`diracgan.simulate`.
        sde_step: the learning rate h that the flow stands for.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium as (phi, theta); None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        ema_tau: time constant of the flow's average.

    Returns:
        A :class:`Scatter`; without a stable equilibrium its covariance is NaN and its text says why.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        Mandt, Hoffman, Blei 2017 (arXiv 1704.04289), section 3, for SGD; docs/theory.md section 4 for the rules.

    Example:
        >>> import diracgan as dg
        >>> v, r = dg.variant("wgan-gp", c=0.0, lam=1.0), dg.rule("simultaneous", lr=0.1)
        >>> dg.stationary_covariance(v, r, sde=0.01).covariance.round(6).tolist()
        [[0.000555, -0.000528], [-0.000528, 0.001553]]
    """
    seen = spectrum(variant, dim=dim, x0=x0, at=at, rate_d=rate_d, rate_g=rate_g, rule=rule)
    sigma = covariance(sde, seen.dim)
    if rule is None:
        h = step_size(sde_step)
        tau = None if ema_tau is None else number("ema_tau", ema_tau, low=0, open_low=True)
        averaged = tau is not None
    elif sde_step is not None or ema_tau is not None:
        name, value = ("sde_step", sde_step) if sde_step is not None else ("ema_tau", ema_tau)
        raise InputError(
            f"{name} = {shown(value)} belongs to the flow; a rule has its learning rates and ema"
        )
    else:
        h, tau, averaged = None, None, rule.ema is not None
    made = functools.partial(Scatter, sigma=sigma, sde_step=h, spectrum=seen)
    if seen.status != Status.STABLE:
        none = np.full_like(sigma, np.nan)
        text = f"no stationary covariance, as the equilibrium is not stable: {seen.text}"
        return made(none, none if averaged else None, none, False, text)
    # the flow has h, see above
    full = _of_flow(seen, sigma, h, tau) if rule is None else _of_rule(variant, rule, seen, sigma)  # type: ignore[arg-type]
    n = 2 * seen.dim
    widest = float(np.sqrt(np.max(np.diag(full)[:n])))
    text = f"scattered around the equilibrium, by {widest:.4g} (one standard deviation) in its widest entry"
    return made(full[:n, :n], full[-n:, -n:] if averaged else None, full, True, text)


def _of_flow(seen: Spectrum, sigma: np.ndarray, h: float, tau: float | None) -> np.ndarray:
    from scipy.linalg import solve_continuous_lyapunov

    n = len(sigma)
    rates = np.repeat([seen.rate_d, seen.rate_g], seen.dim)
    drift, spread = np.asarray(seen.jacobian), h * rates[:, None] * sigma * rates
    if tau is not None:
        eye = np.eye(n) / tau
        drift = np.block([[drift, np.zeros((n, n))], [eye, -eye]])
        spread = np.pad(spread, (0, n))
    return _symmetric(solve_continuous_lyapunov(drift, -spread))


def _of_rule(variant: Variant, rule: Rule, seen: Spectrum, sigma: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_discrete_lyapunov

    with own_settings(True):
        point = Players(*(jnp.asarray(p) for p in seen.at.values()))
        variant, datum, rule = dirac.cast((variant, jnp.asarray(seen.x0), rule), jnp.float64)
        (a, b), end = jax.tree.map(np.asarray, _jacobians(variant, datum, rule, point))
    if not np.all(np.isfinite(end)):
        raise InputError(
            f"an iteration of {rule.name} numbers more evaluations than its draws = {rule.draws}; allowed: a rule "
            "whose draws are as many as it numbers"
        )
    per_step = b.reshape(len(a), -1, len(sigma))
    spread = np.einsum("iks,st,jkt->ij", per_step, sigma, per_step)
    return _symmetric(solve_discrete_lyapunov(a, spread, method="direct" if len(a) <= 24 else "bilinear"))


@jax.jit
def _jacobians(variant: Variant, x0: Array, rule: Rule, point: Players) -> tuple[tuple[Array, Array], Array]:
    """Of one period at ``point``: with respect to the state, (n, n), and to its steps' kicks, (n, k); and its end.

    The end is NaN where the rule asks for a kick beyond its ``draws``.
    """
    game = dirac.game(variant, x0)
    memory = rule.rest(game, point)
    start = State(point, memory, None if rule.ema is None else point)
    vector, restore = float_vector(start)
    long_run = rule.at_rest

    def one(y: Array, kicks: Array) -> tuple[Array, Array]:
        def next_(state: State, kick: Array) -> tuple[State, None]:
            noisy = NoisyGame(game, lambda draw: kick.at[draw].get(mode="fill", fill_value=jnp.nan))
            return step(long_run, noisy, state), None

        end = float_vector(jax.lax.scan(next_, restore(y), kicks)[0])[0]
        return end, end

    still = jnp.zeros((rule.period, rule.draws, 2 * point.phi.shape[0]))
    (a, b), end = jax.jacfwd(one, (0, 1), has_aux=True)(vector, still)
    return (a, b.reshape(a.shape[0], -1)), end


def _symmetric(c: np.ndarray) -> np.ndarray:
    return 0.5 * (c + c.T)
