"""The pure core: dg.field, dg.step and dg.flow under jit, vmap and grad, in both precisions, through every number."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from scipy.linalg import expm

import diracgan as dg

PHI, THETA, X0 = np.array([0.6, -0.2]), np.array([0.3, 0.9]), np.array([0.1, 0.4])
TS = np.array([0.5, 3.0])


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


def end(v, phi, theta, **arguments):
    return jnp.concatenate([z[-1] for z in dg.flow(v, phi, theta, jnp.asarray(TS), **arguments)])


def test_the_flow_is_the_trajectory():
    v = dg.variant("gan-qp", lam=0.7).with_(l2=0.1)
    z = dg.flow(v, PHI, THETA, TS, x0=X0, rate_d=1.3, rate_g=0.7, rtol=1e-11, atol=1e-13)
    truth = oracles.integrate(
        oracles.field("gan-qp", X0, lam=0.7, l2=0.1, rate_d=1.3, rate_g=0.7), [*PHI, *THETA], TS
    )
    np.testing.assert_allclose(np.hstack(z), truth, atol=1e-9)
    assert z.phi.shape == z.theta.shape == (2, 2)


@pytest.mark.slow  # fast, of the field: test_the_callers_losses_meet_any_transformation
def test_the_flow_under_jit_vmap_and_grad():
    v = dg.variant("wgan-gp", c=0.0, lam=0.3)
    plain = end(v, jnp.asarray(PHI), jnp.asarray(THETA))
    np.testing.assert_allclose(jax.jit(end)(v, jnp.asarray(PHI), jnp.asarray(THETA)), plain, rtol=1e-9)
    # over starts and over hyperparameters
    batch = jax.vmap(lambda p: end(v, p, jnp.asarray(THETA)))(jnp.stack([PHI, -PHI]))
    np.testing.assert_allclose(batch[0], plain, rtol=1e-8)
    lams = jnp.array([0.1, 0.3, 0.9])
    ends = jax.vmap(lambda lam: end(dataclasses.replace(v, lam=lam), jnp.asarray(PHI), jnp.asarray(THETA)))(
        lams
    )
    np.testing.assert_allclose(ends[1], plain, rtol=1e-8)

    def exact(lam, t=TS[-1]):
        j = np.array([[-2 * lam, -1.0], [1.0, 0.0]])
        return expm(t * j)

    for row, lam in zip(ends, lams, strict=True):
        m = exact(float(lam))
        truth = np.concatenate([m[0, 0] * PHI + m[0, 1] * THETA, m[1, 0] * PHI + m[1, 1] * THETA])
        np.testing.assert_allclose(row, truth, atol=1e-8)
    # derivatives: by the start the propagator itself, by lam its difference
    by_v, slope = jax.jacrev(lambda v, p: end(v, p, jnp.asarray(THETA)), argnums=(0, 1))(
        dirac_cast(v), jnp.asarray(PHI)
    )
    m = exact(0.3)
    np.testing.assert_allclose(slope, np.vstack([m[0, 0] * np.eye(2), m[1, 0] * np.eye(2)]), atol=1e-7)
    h = 1e-5
    difference = [(exact(0.3 + s * h)[0] @ [PHI[0], THETA[0]]) for s in (1, -1)]
    assert float(by_v.lam[0]) == pytest.approx((difference[0] - difference[1]) / (2 * h), rel=1e-6)


def dirac_cast(v):
    from diracgan.dirac import cast

    return cast(v, float)


@pytest.mark.slow  # fast, of steps: test_a_step_differentiates_through_a_whole_training_run
def test_rates_datum_and_times_differentiate_too():
    v = dg.variant("wgan-linear")

    def last_phi(rate, x0, t):
        return dg.flow(
            v, jnp.array([1.0]), jnp.array([0.3]), jnp.stack([t]), x0=x0, rate_d=rate, rtol=1e-11
        ).phi[-1, 0]

    # phi = cos w t - (rate/w)(theta0 - x0) sin w t with w = sqrt(rate)
    def exact(rate, x0, t):
        w = jnp.sqrt(rate)
        return jnp.cos(w * t) - w * (0.3 - x0) * jnp.sin(w * t)

    at = tuple(jnp.asarray(x) for x in (1.7, 0.4, 2.0))
    each = (0, 1, 2)  # at once, as each alone is compiled anew
    got, truth = (np.asarray(jax.grad(value, each)(*at)) for value in (last_phi, exact))
    assert got == pytest.approx(truth, rel=1e-6)


def test_precision_is_the_callers():
    v = dg.variant("ns")
    single = dg.flow(
        v, jnp.asarray(PHI, jnp.float32), jnp.asarray(THETA, jnp.float32), jnp.asarray(TS, jnp.float32)
    )
    assert single.phi.dtype == jnp.float32
    double = dg.flow(v, PHI, THETA, TS)
    assert double.phi.dtype == jnp.float64
    np.testing.assert_allclose(single.phi, double.phi, atol=1e-4)
    s = dg.step(v, dg.rule("simultaneous"))
    assert s(jnp.asarray(PHI, jnp.float32), jnp.asarray(THETA, jnp.float32)).phi.dtype == jnp.float32


def test_a_failed_flow_is_not_finite_and_does_not_throw():
    class Blow(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return -(jnp.mean(fake) ** 2)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -(jnp.mean(fake) ** 2)

    starts = jnp.array([[0.3], [1e-3]])
    out = jax.vmap(lambda p: dg.flow(Blow(), p, p, jnp.array([1.0, 20.0]), max_steps=2000).phi)(starts)
    assert np.all(np.isfinite(out[:, 0]))
    assert not np.isfinite(out[0, 1, 0])
    assert np.isfinite(out[1, 1, 0])
    with pytest.raises(dg.InputError, match="tsit5"):
        dg.flow(dg.variant("ns"), PHI, THETA, TS, solver="RK45")


def test_a_step_differentiates_through_a_whole_training_run():
    # wgan-gp c = 0 under simultaneous steps: phi' = -theta - 2 lam phi, theta' = phi; slope against differences
    lam = 0.4

    def size(h):
        s = dg.step(dg.variant("wgan-gp", c=0.0, lam=lam), dataclasses.replace(dg.rule("simultaneous"), lr=h))
        state = s.init(jnp.array([1.0]), jnp.array([1.0]))
        state = jax.lax.fori_loop(0, 40, lambda _, now: s.next(now), state)
        return jnp.log(jnp.sum(jnp.concatenate(state.players) ** 2)) / 80

    for h in (0.1, 0.4, 0.7):
        forty = np.linalg.matrix_power(np.array([[1 - 2 * lam * h, -h], [h, 1.0]]), 40)
        assert float(size(jnp.asarray(h))) == pytest.approx(
            np.log(np.sum((forty @ [1, 1]) ** 2)) / 80, rel=1e-12
        )
        slope, e = float(jax.jacfwd(size)(jnp.asarray(h))), 1e-5
        assert slope == pytest.approx(
            float(size(jnp.asarray(h + e)) - size(jnp.asarray(h - e))) / (2 * e), rel=1e-6
        )


def test_the_callers_losses_meet_any_transformation():
    class Tilted(dg.Variant):
        k: float = 1.0

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(jax.nn.relu(1 + self.k * fake)) + jnp.mean(jnp.abs(real - self.k))

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    def field(k, phi, theta):
        return jnp.concatenate(dg.field(Tilted(k=k), X0)(phi, theta))

    phi, theta = jnp.asarray(PHI), jnp.asarray(THETA)
    plain = field(0.7, phi, theta)
    # phi.theta = 0, so the relu is open: -k theta; |phi.x0 - k| falls towards k: + x0; and theta' = phi
    np.testing.assert_allclose(plain, np.concatenate([-0.7 * THETA + X0, PHI]), atol=1e-14)
    np.testing.assert_allclose(jax.jit(field)(0.7, phi, theta), plain)
    np.testing.assert_allclose(jax.vmap(field, (0, None, None))(jnp.array([0.7, 0.2]), phi, theta)[0], plain)
    np.testing.assert_allclose(jax.jacfwd(field)(0.7, phi, theta)[:2], -THETA, atol=1e-14)
    np.testing.assert_allclose(jax.jacrev(field)(0.7, phi, theta)[:2], -THETA, atol=1e-14)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"x0": "far"}, "x0 = 'far' is not an array of numbers"),
        ({"x0": [1.0, 2.0, 3.0]}, r"x0 has the shape \(3,\); allowed: a number or \(2,\)"),
        ({"rate_d": "fast"}, "rate_d = 'fast' is not an array of numbers"),
        ({"rate_g": None}, "rate_g = None is not an array of numbers"),
    ],
)
def test_a_wrong_datum_or_rate_is_named(wrong, says):
    v, z = dg.variant("ns"), jnp.ones(2)
    with pytest.raises(dg.InputError, match=says):
        dg.flow(v, z, z, [1.0], **wrong)
    if "x0" in wrong:
        with pytest.raises(dg.InputError, match=says):
            dg.step(v, dg.rule("simultaneous"), **wrong)(z, z)


class Steep(dg.Variant):
    """At x0 = 1 phi' = -20 sinh(20 phi), which overflows in a first step that is far too long, and theta' = phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.cosh(20.0 * real))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


def test_a_rejected_step_without_a_value_has_no_part_in_a_gradient():
    """phi = atanh(tanh(10 phi0) exp(-400 t)) / 10."""

    def exact(phi0):
        return jnp.arctanh(jnp.tanh(10 * phi0) * jnp.exp(-400 * 0.01)) / 10

    def last_phi(phi0):
        return dg.flow(Steep(), phi0[None], jnp.array([0.3]), jnp.array([0.01]), x0=1.0).phi[0, 0]

    for phi0 in (jnp.asarray(0.2), jnp.asarray(2.0)):
        assert float(last_phi(phi0)) == pytest.approx(float(exact(phi0)), rel=1e-5)
        assert float(jax.grad(last_phi)(phi0)) == pytest.approx(
            float(jax.grad(exact)(phi0)), rel=1e-4, abs=1e-9
        )
