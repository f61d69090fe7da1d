"""A loss with a stopped value: a player's gradient ends there, the derivative of the field does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.lax import stop_gradient as still

import diracgan as dg
from diracgan.dirac import game
from diracgan.game import Players
from diracgan.instance_noise import _holds_still

X0 = 0.7


def scanned(r, f):
    def turn(c, x):
        return 0.5 * c * still(c) + x, still(c) * c

    end, rows = jax.lax.scan(turn, r, 0.1 * jnp.arange(3.0) + f)
    return end + rows.sum()


def chosen(r, f):
    return jax.lax.cond(r > -5, lambda a, b: still(a * b) * a, lambda a, b: a, r + f, f)


def switching(r, f):
    return jnp.abs(still(r - 0.5)) * f + jnp.where(still(f) > 0.1, r, 2 * r * f)


def repeated(r, f):
    turn = jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * still(c[1])), (0, still(f + r)))
    return turn[1] * r**2


def called(r, f):
    return jax.checkpoint(jax.jit(lambda a: jnp.maximum(still(a), 0.2) * a))(f * r)


def shifted(r, f):
    return jax.nn.logsumexp(jnp.stack([r, f, r * f]))


class OneLoss(dg.Variant):
    """A critic's loss of the two logits, one of each."""

    weight: float = 1.0
    of: ClassVar[Callable[..., jax.Array]]

    def critic_loss(self, real, fake, x_real, x_fake):
        return self.weight * self.of(real[0], fake[0])

    def generator_loss(self, real, fake, x_real, x_fake):
        return still(self.weight) * still(real[0]) * x_fake[0, 0]


class OfLogits(OneLoss):
    """The generator's of its logit too."""

    def generator_loss(self, real, fake, x_real, x_fake):
        return -fake[0]


def one_loss(of, kind=OneLoss):
    return type("OneLoss", (kind,), {"of": staticmethod(of), "__module__": __name__})


@pytest.mark.parametrize("of", [scanned, chosen, switching, repeated, called, shifted])
def test_the_field_is_the_loss_s_gradient_and_its_jacobian_that_of_the_field(of):
    variant = one_loss(of)(weight=1.3)

    @jax.jit
    def field(z):
        return jnp.concatenate(dg.field(variant, x0=X0)(z[:1], z[1:]))

    with jax.enable_x64(True):
        z = np.array([0.6, 0.8])
        slope = jax.grad(lambda phi: 1.3 * of(phi * X0, phi * 0.8))(0.6)
        np.testing.assert_allclose(field(z), [-slope, -1.3 * 0.6 * X0], rtol=1e-13)
        by_differences = [(field(z + e) - field(z - e)) / 2e-5 for e in 1e-5 * np.eye(2)]
        np.testing.assert_allclose(jax.jacfwd(field)(z), np.transpose(by_differences), atol=1e-7)


def test_a_stopped_hyperparameter_moves_the_field():
    def generator(weight):
        return dg.field(one_loss(shifted)(weight=weight), x0=X0)(jnp.full(1, 0.6), jnp.full(1, 0.8)).theta[0]

    # theta' = -weight phi x0
    assert float(jax.grad(generator)(1.3)) == pytest.approx(-0.6 * X0, rel=1e-6)


def test_a_surface_of_a_stopped_value_has_a_normal():
    made = game(one_loss(switching)(), jnp.full(1, X0))
    z = Players(jnp.full(1, 0.6), jnp.full(1, 0.8))
    assert made.sites(z).surfaces == 2
    along = jax.jvp(made.surfaces, (z,), (Players(jnp.ones(1), jnp.zeros(1)),))[1]
    # of phi x0 - 0.5 and of phi theta - 0.1 along phi
    np.testing.assert_allclose(along, [X0, 0.8], rtol=1e-6)


class VanDerPol(dg.Variant):
    """phi' = (1 - phi^2) phi / 2 - theta, theta' = phi x0, the critic's velocity written as a stopped factor."""

    def critic_loss(self, real, fake, x_real, x_fake):
        phi, theta = still(real[0]), x_fake[0, 0] - 1.0
        return -(0.5 * (1 - phi**2) * phi - theta) * real[0]

    def generator_loss(self, real, fake, x_real, x_fake):
        return -real[0] * x_fake[0, 0]


class VanDerPolPotential(VanDerPol):
    """The same field from a loss without a stopped value."""

    def critic_loss(self, real, fake, x_real, x_fake):
        phi, theta = real[0], x_fake[0, 0] - 1.0
        return -0.5 * (phi**2 / 2 - phi**4 / 4) + theta * phi


def test_a_cycle_has_the_multipliers_of_its_field():
    stopped, plain = (dg.verdict(v(), 0.3, 1.5, x0=1.0) for v in (VanDerPol, VanDerPolPotential))
    assert stopped.kind == plain.kind == "limit-cycle"
    assert stopped.numbers["period"] == pytest.approx(plain.numbers["period"], rel=1e-9)
    np.testing.assert_allclose(stopped.numbers["floquet"], plain.numbers["floquet"], rtol=1e-6)


class Henon(dg.Variant):
    """Steps of 1 are Henon's map: phi -> 1 - 1.4 phi^2 + theta, theta -> 0.3 phi, of determinant -0.3."""

    def critic_loss(self, real, fake, x_real, x_fake):
        phi = still(real[0])
        return -(1 - 1.4 * phi**2 + x_fake[0, 0] - phi) * real[0]

    def generator_loss(self, real, fake, x_real, x_fake):
        theta = x_fake[0, 0]
        return -(0.3 * real[0] - still(theta)) * theta


def test_exponents_of_a_map_are_those_of_its_steps():
    verdict = dg.verdict(Henon(), 0.1, 0.1, rule=dg.rule("simultaneous", lr=1.0), x0=1.0, edge=False)
    assert verdict.kind == "chaotic"
    assert verdict.numbers["lyapunov_exponent"] == pytest.approx(0.419, rel=0.02)  # Sprott 2003, table 4.1
    assert sum(verdict.numbers["lyapunov_exponents"]) == pytest.approx(np.log(0.3), rel=1e-6)


def log_softmax(r, f):
    return jax.nn.log_softmax(jnp.stack([r, f]))[0]


def test_under_instance_noise_a_stopped_value_is_refused_and_the_shift_of_a_logsumexp_is_not():
    refusal = "critic_loss of 'OneLoss' stops a gradient, under instance noise"
    with pytest.raises(dg.InputError, match=refusal):
        dg.spectrum(one_loss(lambda r, f: still(r) * r + f, OfLogits)().with_(noise=0.5))
    assert not _holds_still(lambda r, f: log_softmax(r[0], f[0]))


@pytest.mark.slow  # fast: it is not refused, the test before
def test_under_instance_noise_the_shift_of_a_logsumexp_has_no_effect():
    smooth = one_loss(log_softmax, OfLogits)()
    softened = one_loss(lambda r, f: -jax.nn.softplus(f - r), OfLogits)()
    kept, known = (np.asarray(dg.spectrum(v.with_(noise=0.5)).jacobian) for v in (smooth, softened))
    np.testing.assert_allclose(kept, known, atol=1e-10)


@jax.custom_vjp
def straight(x):
    return jnp.sin(x)


straight.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g,))


def test_a_stopped_value_of_a_function_with_a_gradient_of_its_own_has_the_slope_of_its_value():
    # L_D = sg(sin f) r, so phi' = -sin(phi theta) x0, whose slopes are those of the sine; JAX alone has no forward
    # derivative of custom_vjp
    made = one_loss(lambda r, f: still(straight(f)) * r)()
    phi, theta = 0.6, 0.8
    slope = jax.jacfwd(lambda z: dg.field(made, x0=X0)(z[:1], z[1:])[0][0])(jnp.array([phi, theta]))
    np.testing.assert_allclose(slope, -np.cos(phi * theta) * X0 * np.array([theta, phi]), rtol=1e-5)
    # L_D = straight(f) beside a stopped value: phi' = -theta - phi x0, by the gradient that it brings
    made = one_loss(lambda r, f: straight(f) + still(r) * r)()
    slope = jax.jacfwd(lambda z: dg.field(made, x0=X0)(z[:1], z[1:])[0][0])(jnp.array([phi, theta]))
    np.testing.assert_allclose(slope, [-(X0**2), -1.0], rtol=1e-5)
