"""Penalties and transforms that ``with_`` adds to any variant, each written once.

A penalty joins the critic's loss. It sees the critic as a function (gradient penalties), its parameters (L2),
or only its logits (LeCam, CLC). Conventions of docs/theory.md section 1: on a linear critic
R1(gamma) = R2(gamma) = L2(mu = gamma) = GP(c = 0, 2 lam = gamma).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..parameters import Parameter
from ..pytrees import Pytree
from ._math import norm, root

Critic = Callable[[Array], Array]
Settings = Mapping[str, Any]
"""What ``with_`` has set, by name."""
Penalty = Callable[[Settings, Critic, Any, Array, Array], Array]
LogitPenalty = Callable[[Settings, Array, Array], Array]


def l2(given: Settings, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
    """(mu/2) |phi|^2 on the critic's raw parameters."""
    return 0.5 * given["l2"] * sum(jnp.sum(p * p) for p in jax.tree.leaves(phi))


def r1(given: Settings, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
    """(gamma/2) mean |grad_x D|^2 at real samples (arXiv 1801.04406, eq. 9)."""
    return 0.5 * given["r1"] * jnp.mean(squared_slopes(critic, x_real))


def r2(given: Settings, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
    """(gamma/2) mean |grad_x D|^2 at fake samples (arXiv 1801.04406, eq. 10)."""
    return 0.5 * given["r2"] * jnp.mean(squared_slopes(critic, x_fake))


def gp(given: Settings, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
    """lam mean (|grad_x D| - center)^2 at the points ``gp_at`` (arXiv 1704.00028; noisy: 1705.07215)."""
    x = POINTS[given.get("gp_at", "interpolated")](critic, x_real, x_fake)
    center = given.get("gp_center", GP_CENTER)
    return given["gp"] * jnp.mean(excess(critic, x, center))


def lecam(given: Settings, real: Array, fake: Array) -> Array:
    """lam mean D_f^2 + lam mean D_r^2: the anchors of LeCam regularisation at 0 (arXiv 2104.03310, eq. 4)."""
    return given["lecam"] * (jnp.mean(fake**2) + jnp.mean(real**2))


def clc(given: Settings, real: Array, fake: Array) -> Array:
    """(lam/2) (mean D_r^2 + mean D_f^2): centring of the critic's logits."""
    return 0.5 * given["clc"] * (jnp.mean(real**2) + jnp.mean(fake**2))


def squared_slopes(critic: Critic, x: Array) -> Array:
    """|grad_x D|^2 at every sample: x (n, ...) -> (n,).

    A training game's critic takes the gradients of the whole batch itself (``critic.gradients``): under batch norm a
    sample alone has none.
    """
    whole = getattr(critic, "gradients", None)
    if whole is None:
        return jax.vmap(lambda sample: jnp.sum(jax.grad(critic)(sample) ** 2))(x)
    return jnp.sum(jnp.square(whole(x)).reshape(len(x), -1), axis=1)


def slopes(critic: Critic, x: Array) -> Array:
    """|grad_x D| at every sample: x (n, ...) -> (n,); as :func:`squared_slopes`."""
    whole = getattr(critic, "gradients", None)
    return jax.vmap(norm)(jax.vmap(jax.grad(critic))(x) if whole is None else whole(x))


def excess(critic: Critic, x: Array, c: float | Array, one_sided: bool = False) -> Array:
    """(|grad_x D| - c)^2 at every sample, one-sided only where |grad_x D| > c: x (n, ...) -> (n,)."""
    square = squared_slopes(critic, x)
    slope = root(square)
    # multiplied out, so that c = 0 leaves the smooth |grad D|^2 and its true second derivative at 0
    value = square - 2.0 * c * slope + c**2
    return jnp.where(slope >= c, value, 0.0) if one_sided else value


def between(critic: Critic, x_real: Array, x_fake: Array) -> Array:
    """Points between real and fake samples: half-way, or where a training game's ``critic.mix`` puts them."""
    mix = getattr(critic, "mix", 0.5)
    return mix * x_real + (1.0 - mix) * x_fake


def around(critic: Critic, x_real: Array, x_fake: Array) -> Array:
    """Points around the real samples: themselves, or moved by a training game's ``critic.jitter``."""
    return x_real + getattr(critic, "jitter", 0.0)


POINTS: dict[str, Callable[[Critic, Array, Array], Array]] = {
    "interpolated": between,
    "real": lambda critic, x_real, x_fake: x_real,
    "fake": lambda critic, x_real, x_fake: x_fake,
    "noisy": around,
}
GP_CENTER = 1.0  # what WGAN-GP and DRAGAN ask of the gradient's norm
PENALTIES: dict[str, Penalty] = {"l2": l2, "r1": r1, "r2": r2, "gp": gp}
LOGIT_PENALTIES: dict[str, LogitPenalty] = {"lecam": lecam, "clc": clc}

_MODIFIERS = (
    Parameter("l2", 0.0, low=0.0, help="(mu/2)|phi|^2 on the critic's parameters"),
    Parameter("r1", 0.0, low=0.0, help="(gamma/2)|grad D|^2 at real samples"),
    Parameter("r2", 0.0, low=0.0, help="(gamma/2)|grad D|^2 at fake samples"),
    Parameter("gp", 0.0, low=0.0, help="lam (|grad D| - gp_center)^2 at the points gp_at"),
    Parameter("gp_center", GP_CENTER, low=0.0, help="norm of the gradient that gp asks for"),
    Parameter("gp_at", "interpolated", kind="choice", choices=tuple(POINTS), help="where gp looks"),
    Parameter("lecam", 0.0, low=0.0, help="lam D_f^2 + lam D_r^2, LeCam with its anchors at 0"),
    Parameter("clc", 0.0, low=0.0, help="(lam/2)(D_r^2 + D_f^2)"),
    Parameter("smooth_real", 0.0, low=0.0, high=1.0, help="the real label less this, in the critic's loss"),
    Parameter("smooth_fake", 0.0, low=0.0, high=1.0, help="the fake label plus this, in the critic's loss"),
    Parameter("noise", 0.0, low=0.0, help="instance noise: standard deviation on real and fake samples"),
    Parameter("consensus", 0.0, low=0.0, help="on the field: v - gamma grad |v|^2 / 2"),
    Parameter("sga", 0.0, help="on the field: v + (lam/2) (J - J^T) v, symplectic adjustment"),
)


def modifiers() -> dict[str, Parameter]:
    """Name -> :class:`~diracgan.parameters.Parameter` of what ``with_`` takes.

    Example:
        >>> list(modifiers())[:2]
        ['l2', 'r1']
    """
    return {p.name: p for p in _MODIFIERS}


def total(own: Array, given: Settings, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
    """What joins the critic's loss: the variant's own penalty, and every one in ``given`` that sees the critic."""
    return sum((PENALTIES[n](given, critic, phi, x_real, x_fake) for n in given if n in PENALTIES), own)


def on_logits(given: Settings, real: Array, fake: Array) -> Array:
    """The sum of the penalties that are functions of the logits alone."""
    terms = [LOGIT_PENALTIES[name](given, real, fake) for name in given if name in LOGIT_PENALTIES]
    return sum(terms, jnp.zeros(()))
