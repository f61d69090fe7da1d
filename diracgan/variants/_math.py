"""Functions for writing losses: right in value and derivative at the points where GANs rest."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_jvp
def softplus(x: Array) -> Array:
    """log(1 + e^x), with the derivative (1 + tanh(x/2))/2: one tanh that both players share.

    Example:
        >>> float(softplus(0.0)) == float(jnp.log(2.0))
        True
    """
    return jnp.logaddexp(x, 0.0)


@softplus.defjvp
def _softplus_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return softplus(x), dx * (0.5 * jnp.tanh(0.5 * x) + 0.5)


def minus_log_sigmoid(x: Array) -> Array:
    """-log sigma(x), written softplus(x) - x."""
    return softplus(x) - x


@jax.custom_jvp
def root(x: Array) -> Array:
    """sqrt(x) whose derivative at 0 is 0, the smallest element of what a norm's kink allows."""
    return jnp.sqrt(x)


@root.defjvp
def _root_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    positive = x > 0
    slope = jnp.where(positive, 0.5 / root(jnp.where(positive, x, 1.0)), 0.0)
    return root(x), dx * slope


def norm(x: Array) -> Array:
    """Euclidean norm of all entries; its gradient at 0 is 0.

    Example:
        >>> float(jax.grad(norm)(jnp.zeros(2))[0])
        0.0
    """
    return root(jnp.sum(x * x))


def quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b = 0: for quotients that tend to 0 there."""
    zero = b == 0
    return jnp.where(zero, 0.0, a / jnp.where(zero, 1.0, b))


def cross_entropy(logit: Array, label: float | Array) -> Array:
    """-label log sigma(logit) - (1 - label) log(1 - sigma(logit)), written softplus(logit) - label logit.

    Example:
        >>> float(cross_entropy(jnp.asarray(0.0), 0.9)) == float(jnp.log(2.0))
        True
    """
    return softplus(logit) - label * logit


@jax.custom_jvp
def power(x: Array, exponent: Array) -> Array:
    """x^exponent for x >= 0, of which 0 is finite with all its derivatives: 0^a is 1 for a = 0, else 0.

    So |g|^p = power(|g|^2, p/2) has the gradient 0 at g = 0 for p > 1, and the right Jacobian for p >= 2.

    Example:
        >>> float(power(jnp.asarray(0.0), jnp.asarray(0.0))), float(power(jnp.asarray(4.0), jnp.asarray(1.5)))
        (1.0, 8.0)
    """
    positive = x > 0
    return jnp.where(positive, jnp.where(positive, x, 1.0) ** exponent, jnp.where(exponent == 0, 1.0, 0.0))


@power.defjvp
def _power_jvp(primals, tangents):
    (x, a), (dx, da) = primals, tangents
    value = power(x, a)
    log = jnp.log(jnp.where(x > 0, x, 1.0))
    return value, a * power(x, a - 1.0) * dx + value * log * da
