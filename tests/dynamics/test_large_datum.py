"""A datum so large that the logistic function of phi.x0 is steeper than can be told from a jump: it holds nothing.

The truth is Radau with the field typed in by hand, in d = 1 from u = phi x0. With s = phi theta, L_D = -log sigma(u) -
log sigma(-s), L_G = -log sigma(s): u' = x0 (sigma(-u) x0 - sigma(s) theta), theta' = sigma(-s) phi.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import expit

import diracgan as dg
from diracgan.dynamics.filippov import DiracSystem, jumps_nowhere
from diracgan.dynamics.regimes import rests
from diracgan.game import Players
from diracgan.variants import parse


def by_hand(x0, t):
    """(phi, theta) of ns in d = 1 from (0.1, 0.2) at the times ``t``."""

    def field(_, y):
        u, theta = y
        s = u / x0 * theta
        return x0 * (expit(-u) * x0 - expit(s) * theta), expit(-s) * u / x0

    found = solve_ivp(field, (0, t[-1]), [0.1 * x0, 0.2], "Radau", t, rtol=1e-10, atol=1e-13)
    return found.y / np.array([[x0], [1.0]])


@pytest.mark.parametrize("x0", [1e6, -1e6])
def test_a_motion_in_a_steep_layer_is_not_held_there(x0):
    # u rests at sigma(-u) x0 = sigma(s) theta, and theta' = u / 2 x0: it was said to stay at 0.22 from t = 60
    system = DiracSystem(dg.variant("ns"), np.array([x0]), Players(1.0, 1.0), None)
    states = by_hand(x0, np.array([60.0, 4000.0])).T
    assert abs(states[1, 1] - states[0, 1]) > 0.02
    assert not any(rests(system, y, abs(x0)) for y in states)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(
    ("name", "smooth"),
    [
        *(
            (name, True)
            for name in ("ns", "ns:r1=0.3", "saturating", "lsgan", "wgan-linear", "fgan-kl", "rpgan")
        ),
        *(
            (name, False)
            for name in ("ns:gp=0.1", "hinge", "gan-qp", "wgan", "wgan-gp", "wgan-clip", "wgan-div")
        ),
    ],
)
def test_what_jumps_nowhere_is_known_by_its_operations(name, smooth, dim):
    # a norm in d >= 2 has no surface, and jumps at a point all the same
    assert jumps_nowhere(DiracSystem(parse(name), np.zeros(dim), Players(1.0, 1.0), None)) is smooth


class OneLogit(dg.Variant):
    """A plain function of the fake's logit as both losses."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(type(self).loss(fake))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(type(self).loss(fake))


@pytest.mark.parametrize(
    ("loss", "smooth"),
    [
        (lambda s: 1e10 * jnp.tanh(s) ** 3, True),
        (lambda s: s / 3.0 + jnp.exp(-(s**2)), True),
        (lambda s: s**2 / jnp.sqrt(s**2), False),
        (lambda s: s / (s**2), False),
        (lambda s: s**-3, False),
        (jnp.cbrt, False),
        (lambda s: jnp.log(s**2), False),
        (lambda s: jnp.arctan2(s, s**2), False),
        (lambda s: s * (s == 0), False),
    ],
    ids=["tanh", "bell", "root", "quotient", "power", "cbrt", "log", "arctan2", "equal"],
)
def test_operations_without_a_derivative_somewhere(loss, smooth):
    v = type("OneLogit", (OneLogit,), {"loss": staticmethod(loss), "__module__": __name__})()
    assert jumps_nowhere(DiracSystem(v, np.zeros(1), Players(1.0, 1.0), None)) is smooth


@pytest.mark.slow  # fast, the point where it is given up: test_a_motion_in_a_steep_layer_is_not_held_there
@pytest.mark.parametrize(
    ("name", "x0", "start"),
    [
        ("ns", [1e10], [0.1]),
        ("saturating", [1e6, 1e6], [0.1, 0.2]),
        (
            "ns:gp=0.1",
            [1e6, 1e6],
            [0.1, 0.2],
        ),  # its norm jumps at phi = 0 alone, far from where the motion is
    ],
)
def test_a_motion_that_is_given_up_is_not_captured(name, x0, start):
    v = dg.verdict(parse(name), phi0=start, theta0=start[::-1], x0=x0)
    assert v.kind == "undecided" and "discontinuity" not in v.text


@pytest.mark.parametrize(
    ("x0", "reached"), [(1e6, "which no effort reaches"), (3e4, "at an effort of about 8e+03")]
)
def test_a_narrow_orbit_far_from_the_datum_is_seen_to_drift(x0, reached):
    """hinge slides on phi.x0 = 1, where phi = x0/|x0|^2 along the datum: theta' = 1/|x0| there, and turns across it.

    |theta - x0| is the same to 1e-7 for as long as theta moves by less: it was said to be neutral for ever.
    """
    told = dg.verdict(dg.variant("hinge"), x0=[x0, x0], edge=False)
    assert told.kind == "undecided"
    assert f"drifts by about {1 / (2**0.5 * x0):.1g} per unit of time" in told.text
    # over the distance sqrt(2) x0
    assert told.text.endswith(f"where that leads is seen from about t = {2 * x0**2:.1g} on, {reached}")
    assert "conserved" not in told.numbers
