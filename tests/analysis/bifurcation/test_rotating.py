"""Circles in d >= 2 against docs/theory.md section 3."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.bifurcation import rotating_states

CIRCLE = ([1.0, 0.0], [0.0, -1.0])


def test_the_circle_of_wgan_gp_and_its_transverse_exponents_in_every_dimension():
    variant = dg.variant("wgan-gp", c=1.0, lam=0.5)
    found = rotating_states(variant, "lam=0.1:2", CIRCLE)
    np.testing.assert_allclose(found.states, np.tile([1.0, 1.0, 0.0], (len(found.states), 1)), atol=1e-10)
    # mu^3 + 2 lam mu^2 + 4 mu + 4 lam = 0
    for values, lam in zip(found.eigenvalues, found.values, strict=True):
        np.testing.assert_allclose(np.poly(values), [1.0, 2 * lam, 4.0, 4 * lam], atol=1e-9)
    assert set(found.statuses) == {"stable"} and not found.points
    higher = rotating_states(variant, "lam=0.4:0.6", ([0.6, 0.8, 0.0], [0.0, 0.1, -0.9]))
    np.testing.assert_allclose(higher.states[0], [1.0, 1.0, 0.0], atol=1e-10)
    # the whole Jacobian of the flow in the turning frame has the same exponents, and 0 for the rotation
    value = float(found.values[0])
    told = dg.verdict(dg.variant("wgan-gp", c=1.0, lam=value), [1.1, 0.0], [0.1, -1.0], edge=False)
    modulus = np.sort(np.abs(np.append(np.exp(2 * np.pi * found.eigenvalues[0]), 1.0)))
    np.testing.assert_allclose(np.sort(np.abs(told.numbers["floquet"])), modulus, atol=1e-5)


@pytest.mark.slow  # fast, where nothing is conserved: the test above
def test_where_the_wedge_is_conserved_the_start_says_which_circle():
    size = 0.7  # of the wedge
    start = ([size**0.5, 0.0], [0.0, -(size**0.5)])
    found = rotating_states(dg.variant("ns"), "rate_d=0.5:2", start)
    # p = |phi|^2, q = |theta|^2 and s obey p' = -2 r a s, q' = 2 b s, s' = b p - r a q with the wedge l^2 = p q - s^2:
    # at s = 0, a = b = 1/2 and a' = -b' = 1/4, p = r q = l sqrt(r) and mu^2 + (l sqrt(r)/2) mu + r = 0
    root = np.sqrt(found.values)
    states = np.stack([size * root, size / root, 0 * root], axis=1)
    np.testing.assert_allclose(found.states, states, atol=1e-10)
    for values, r in zip(found.eigenvalues, root, strict=True):
        np.testing.assert_allclose(np.poly(values), [1.0, size * r / 2, r**2], atol=1e-9)
    linear = rotating_states(dg.variant("gan-qp"), "lam=0.5:2", start)
    for values, lam in zip(linear.eigenvalues, linear.values, strict=True):
        np.testing.assert_allclose(np.poly(values), [1.0, size**0.5 / lam, 4.0], atol=1e-9)


def test_the_circle_of_euler_steps_is_larger():
    # (m - 1)(m - 1 + h k) = -h^2 for a turn m with k = 2 lam (1 - c/r); |m| = 1 asks for k = h
    lam, h = 0.1, 0.1
    variant, rule = dg.variant("wgan-gp", c=1.0, lam=lam), dg.rule("simultaneous", lr=h)
    found = rotating_states(variant, "lr=0.02:0.12", ([2.0, 0.0], [0.1, -2.0]), rule)
    np.testing.assert_allclose(np.sqrt(found.states[:, 0]), 2 * lam / (2 * lam - found.values), rtol=1e-9)


@pytest.mark.parametrize(
    ("variant", "arguments", "words"),
    [
        (dg.variant("ns"), {"start": ([0.1], [0.2])}, "d = 1"),
        (dg.variant("ns"), {"start": ([0.1, 0.0], [0.2, 0.0])}, "one line"),
        (
            dg.variant("wgan-clip"),
            {"start": CIRCLE, "over": "rate_d=0.5:2"},
            "does not commute|no circle|clip",
        ),
        (
            dg.variant("ns"),
            {"start": CIRCLE, "rule": dg.rule("heavy-ball"), "over": "lr=0.1:1"},
            "memory|value",
        ),
        (dg.variant("ns"), {"start": CIRCLE, "over": "rate_d=2:3"}, "allowed: a value from 2 to 3"),
    ],
)
def test_bad_input_is_one_line(variant, arguments, words):
    with pytest.raises(dg.InputError, match=words) as error:
        rotating_states(variant, **({"over": "rate_d=0.5:2"} | arguments))
    assert "\n" not in str(error.value)
