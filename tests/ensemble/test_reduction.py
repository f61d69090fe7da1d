"""The plane that a rotation-invariant motion stays in: found, used, and mapped back."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.ensemble import reduction
from diracgan.ensemble.api import ensemble

from .conftest import assert_equal, iterated, joined, rk4, starts


class Uneven(dg.Variant):
    """Looks rotation-invariant in its losses but not in its penalty."""

    k: float = 0.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.k * jnp.sum(phi**4)


class Average(dg.Variant):
    """Rotation-invariant in each dimension, but not the same system in all: it divides by d."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake) + jnp.mean(x_fake**2)


class Steep(dg.Variant):
    """Rotation-invariant, and soon infinite on the states that are drawn to find that out."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) + jnp.mean(fake**8)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake) + jnp.mean(fake**4)


@pytest.mark.filterwarnings("error")
def test_states_that_overflow_say_nothing_and_warn_of_nothing():
    phi, theta = 0.1 * np.stack(starts(3, 4)) / 4
    e = ensemble(Steep(), phi, theta, rule=dg.rule("simultaneous", lr=0.1), steps=5)
    assert e.attrs["reduced"] == "from 4 to the 2 dimensions that the start spans"
    assert_equal(joined(e), iterated(Steep(), dg.rule("simultaneous", lr=0.1), phi, theta, 5))


@pytest.mark.parametrize("dim", [3, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", slow_but(["ns", "wgan", "wgan-gp", "gan-qp", "ragan"], "wgan"))
def test_reduced_equals_direct(name, dim):
    phi, theta = starts(25, dim)
    e = ensemble(dg.variant(name), phi, theta, t1=1.0, dt=0.01)
    assert e.attrs["reduced"] != "no"
    assert e["phi"].shape == (25, dim)
    assert_equal(joined(e), rk4(dg.variant(name), phi, theta, 0.01, 100))


@pytest.mark.slow  # reduced runs are compared above
def test_the_cost_does_not_depend_on_the_dimension():
    phi, theta = starts(3, 2000)
    e = ensemble(dg.variant("ns"), phi, theta, t1=0.5, dt=0.01)
    assert e.attrs["reduced"] == "from 2000 to the 2 dimensions that the start spans"
    assert_equal(joined(e), rk4(dg.variant("ns"), phi, theta, 0.01, 50))


def test_with_a_datum_three_dimensions_suffice():
    phi, theta = starts(10, 6)
    x0 = np.arange(6) / 6
    e = ensemble(dg.variant("ns"), phi, theta, t1=1.0, dt=0.01, x0=x0)
    assert e.attrs["reduced"].startswith("from 6 to the 3")
    assert_equal(joined(e), rk4(dg.variant("ns"), phi, theta, 0.01, 100, x0))


@pytest.mark.parametrize("start", slow_but(["collinear", "phi zero", "theta zero"], "collinear"))
def test_degenerate_planes(start):
    phi, theta = starts(10, 4)
    if start == "collinear":
        theta = -2.5 * phi
    elif start == "phi zero":
        phi = np.zeros_like(phi)
    else:
        theta = np.zeros_like(theta)
    e = ensemble(dg.variant("ns"), phi, theta, t1=1.0, dt=0.01)
    assert e.attrs["reduced"] != "no"
    assert_equal(joined(e), rk4(dg.variant("ns"), phi, theta, 0.01, 100))


@pytest.mark.parametrize(
    ("variant", "rule"),
    [
        (dg.variant("ns"), dg.rule("adam", lr=0.01)),
        pytest.param(dg.variant("wgan-clip"), None, marks=pytest.mark.slow),  # as Uneven: coordinates apart
        (Uneven(k=0.1), None),
        pytest.param(Average(), None, marks=pytest.mark.slow),
    ],
)
def test_what_is_not_invariant_runs_directly(variant, rule):
    phi, theta = starts(10, 4)
    if rule is None:
        e = ensemble(variant, phi, theta, t1=0.2, dt=0.01)
        expected = rk4(variant, phi, theta, 0.01, 20)
    else:
        e = ensemble(variant, phi, theta, rule=rule, steps=20)
        expected = iterated(variant, rule, phi, theta, 20)
    assert e.attrs["reduced"] == "no"
    assert_equal(joined(e), expected)


def test_one_member_that_is_not_invariant_decides():
    import dataclasses

    phi, theta = starts(9, 3)
    k = np.linspace(0, 1, 9)
    e = ensemble(dataclasses.replace(Uneven(), k=k), phi, theta, t1=0.1, dt=0.01)
    assert e.attrs["reduced"] == "no"
    assert ensemble(Uneven(k=0.0), phi, theta, t1=0.1, dt=0.01).attrs["reduced"] != "no"


def test_statistics_of_lengths_survive_the_reduction():
    phi, theta = starts(12, 5)
    kind = dict(t1=1.0, dt=0.01)
    lengths = ["mean_radius", "arc", "escape_time", "entry_time"]
    reduced = ensemble(dg.variant("ns"), phi, theta, save=lengths, **kind)
    direct = ensemble(dg.variant("ns"), phi, theta, save="stats", **kind)
    assert (reduced.attrs["reduced"] != "no", direct.attrs["reduced"]) == (True, "no")
    for name in lengths:
        np.testing.assert_allclose(reduced[name], direct[name], rtol=1e-12)


def test_many_dimensions_without_a_plane():
    phi, theta = starts(5, 100)
    rule = dg.rule("adam", lr=0.01)
    e = ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=10, save=["mean_radius", "max"])
    assert e.attrs["fused"].startswith("not in scalar operations")
    assert e["phi_max"].shape == (5, 100)
    # Adam divides a coordinate's gradient by its own root mean square, and its rounding with it: large beside a
    # gradient that passes through 0, as some of 1000 do in ten steps.
    assert_equal(joined(e), iterated(dg.variant("ns"), rule, phi, theta, 10), tolerance=1e-11)


def test_axes_are_orthonormal_and_span_the_start():
    phi, theta = starts(20, 6)
    f = reduction.frame(phi, theta, None)
    gram = np.einsum("and,bnd->nab", f.axes, f.axes)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(2), gram.shape), atol=1e-15)
    np.testing.assert_allclose(f.back(f.phi), phi, atol=1e-14)
    np.testing.assert_allclose(f.back(f.theta), theta, atol=1e-14)
