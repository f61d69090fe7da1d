"""The field of every seed variant against the derivatives on paper, in d = 1, 2, 3 and for any datum."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from selection import slow_but

import diracgan as dg

SEED = {
    "ns": {},
    "saturating": {},
    "wgan": {},
    "wgan-linear": {},
    "wgan-gp": {"lam": 0.37, "c": 0.6},
    "gan-qp": {"lam": 0.7},
}
numbers = st.floats(-4, 4).filter(lambda x: abs(x) > 1e-3)


def evaluated(variant, phi, theta, x0):
    with jax.enable_x64(True):
        dphi, dtheta = dg.field(variant, x0)(jnp.asarray(phi), jnp.asarray(theta))
        return np.concatenate([dphi, dtheta])


@pytest.mark.parametrize("name", SEED)
@pytest.mark.parametrize("dim", slow_but([1, 2, 3], 1, 3))
@settings(max_examples=12)
@given(data=st.data())
def test_the_field_is_the_one_on_paper(name, dim, data):
    phi, theta, x0 = (data.draw(arrays(float, dim, elements=numbers)) for _ in range(3))
    damping = data.draw(st.fixed_dictionaries({k: st.floats(0, 3) for k in ("l2", "r1", "r2")}))
    own = {k: data.draw(st.floats(0.01, 5)) for k in SEED[name]}
    got = evaluated(dg.variant(name, **own).with_(**damping), phi, theta, x0)
    truth = oracles.field(name, x0, **own, **damping)(0.0, np.concatenate([phi, theta]))
    np.testing.assert_allclose(got, truth, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("size", [0.3, 0.8])
def test_the_one_sided_penalty_acts_above_its_norm_only(dim, size):
    own = {"lam": 0.5, "c": 0.6, "one_sided": True}
    phi = np.full(dim, size / np.sqrt(dim))
    theta, x0 = np.linspace(0.2, 1.0, dim), np.zeros(dim)
    got = evaluated(dg.variant("wgan-gp", **own), phi, theta, x0)
    truth = oracles.field("wgan-gp", x0, **own)(0.0, np.concatenate([phi, theta]))
    np.testing.assert_allclose(got, truth, atol=1e-14)
    assert np.allclose(got[:dim], -theta) == (size < 0.6)


@pytest.mark.parametrize("dim", slow_but([1, 2, 3], 1, 3))
def test_where_the_naive_gradient_is_nan_the_field_has_its_value(dim):
    zero, theta = np.zeros(dim), np.linspace(0.5, 1.5, dim)
    for c in (0.0, 1.0):  # |phi| at 0: the smallest element of what the kink allows is 0
        got = evaluated(dg.variant("wgan-gp", c=c), zero, theta, zero)
        np.testing.assert_array_equal(got, np.concatenate([-theta, zero]))
    # GAN-QP at theta = x0: the quotient tends to 0
    got = evaluated(dg.variant("gan-qp"), theta, zero, zero)
    np.testing.assert_array_equal(got, np.concatenate([zero, theta]))
    got = evaluated(dg.variant("gan-qp"), theta, 2 * theta, 2 * theta)
    np.testing.assert_array_equal(got, np.concatenate([zero, theta]))


def test_far_out_the_field_neither_overflows_nor_vanishes_by_rounding():
    # sigma(700) = 1 and sigma(-700) = e^-700: both players' fields at s = +-700 and beyond
    for s in (700.0, -700.0, 1e5, -1e5, 1e200):
        phi, theta = np.array([s]), np.array([1.0])
        for name in ("ns", "saturating"):
            got = evaluated(dg.variant(name), phi, theta, np.zeros(1))
            truth = (
                oracles.field(name, [0.0])(0.0, np.array([s, 1.0])) if abs(s) < 1e6 else np.array([-1.0, 0.0])
            )
            if name == "saturating" and abs(s) > 1e6:
                truth[1] = s
            np.testing.assert_allclose(got, truth, rtol=1e-9, atol=1e-15 * abs(s))


def test_equal_penalties_on_the_linear_critic():
    # R1(g) = R2(g) = L2(g) = GP(c = 0, 2 lam = g)
    phi, theta, x0 = np.array([0.4, -1.1]), np.array([0.3, 0.9]), np.array([0.2, -0.5])
    linear = dg.variant("wgan-linear")
    fields = [evaluated(linear.with_(**{k: 0.8}), phi, theta, x0) for k in ("l2", "r1", "r2")]
    fields.append(evaluated(dg.variant("wgan-gp", c=0.0, lam=0.4), phi, theta, x0))
    for f in fields[1:]:
        np.testing.assert_allclose(f, fields[0], rtol=1e-14)
    # and on the normalised one the gradient penalties are constant
    wgan = dg.variant("wgan")
    np.testing.assert_allclose(
        evaluated(wgan.with_(r1=0.8, r2=0.3), phi, theta, x0), evaluated(wgan, phi, theta, x0), atol=1e-15
    )
    assert abs(phi @ evaluated(wgan, phi, theta, x0)[:2]) < 1e-15  # tangent to its sphere
