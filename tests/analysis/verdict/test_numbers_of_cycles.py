"""The numbers of cycles and tori of steps have the digits that long plain iterations give them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import diracgan as dg
from diracgan.variants import parse


def iterated(step, z, count):
    """The players, (count, 2), of a map of lists of numbers."""
    rows = np.empty((count, 2))
    for n in range(count):
        z = step(n, *z)
        rows[n] = z[:2]
    return rows


def by_adam(slopes, start, lr, beta1, count):
    """Kingma, Ba 2015, algorithm 1, of two numbers with the gradients ``slopes(phi, theta)``."""

    def step(n, phi, theta, means, squares):
        seen = slopes(phi, theta)
        means = [beta1 * m + (1 - beta1) * s for m, s in zip(means, seen, strict=True)]
        squares = [0.999 * q + 0.001 * s * s for q, s in zip(squares, seen, strict=True)]
        fresh, late = lr / (1 - beta1 ** (n + 1)), 1 - 0.999 ** (n + 1)
        a, b = (fresh * m / (math.sqrt(q / late) + 1e-8) for m, q in zip(means, squares, strict=True))
        return phi - a, theta - b, means, squares

    return iterated(step, (*start, (0.0, 0.0), (0.0, 0.0)), count)


def radii(v):
    return [v.numbers["radius_phi"], v.numbers["radius_theta"]]


def slopes_of_ns(phi, theta):
    return theta / (1 + math.exp(-phi * theta)), -phi / (1 + math.exp(phi * theta))


@pytest.mark.parametrize("beta1", [pytest.param(0.9, marks=pytest.mark.slow), 0.5])
def test_a_cycle_of_adam_turns_as_fast_as_a_long_loop(beta1):
    v = dg.verdict(dg.variant("ns"), [0.1], [0.2], rule=dg.rule("adam", lr=0.05, beta1=beta1), edge=False)
    late = by_adam(slopes_of_ns, (0.1, 0.2), 0.05, beta1, 150_000)[50_000:]
    turned = np.diff(np.unwrap(np.arctan2(late[:, 1], late[:, 0])))
    window = np.hanning(len(turned))
    assert v.kind == "limit-cycle"
    assert v.numbers["period"] == pytest.approx(2 * np.pi * window.sum() / abs(window @ turned), rel=1e-7)
    assert radii(v) == pytest.approx(np.max(np.abs(late), axis=0), rel=1e-6)


@pytest.mark.slow  # fast: the cycle above
def test_a_torus_of_adam_is_as_large_as_the_largest_of_a_million_steps():
    # fgan-kl and fgan-reverse-kl are each other's mirror images, phi for theta
    rule = dg.rule("adam", lr=0.1)
    one = dg.verdict(dg.variant("fgan-kl"), [0.0828], [0.0726], rule=rule, edge=False)
    two = dg.verdict(dg.variant("fgan-reverse-kl"), [-0.2128], [-0.0548], rule=rule, edge=False)

    def slopes(phi, theta):
        return theta * math.exp(phi * theta - 1), -phi

    met = np.max(np.abs(by_adam(slopes, (0.0828, 0.0726), 0.1, 0.9, 1_000_000)[300_000:]), axis=0)
    assert one.kind == two.kind == "quasi-periodic"
    assert radii(one) == pytest.approx(met, rel=3e-5) and radii(two) == pytest.approx(met[::-1], rel=3e-5)


def circle_beyond_the_critical_step(beyond):
    """Largest |phi| and |theta|, in sqrt(h - 0.4), of ns with r1 = 0.1 at the step h, by its iteration written out.

    Multipliers: |m|^2 = 1 - r1 h + h^2/4, so log|z| grows by (h - 4 r1) h/8 a step beyond h = 4 r1 = 0.4; the cubic
    terms take away k |z|^2, so that |z| ~ sqrt(h - 0.4), and of a deviation e^-25 is left.
    """
    h, fallen = 0.4 + beyond, int(250 / beyond)

    def step(n, phi, theta):
        up, down = slopes_of_ns(phi, theta)
        return phi - h * (up + 0.1 * phi), theta - h * down

    rows = iterated(step, (1.43 * beyond**0.5, 0.0), fallen + 20_000)[fallen:]
    return np.max(np.abs(rows), axis=0) / beyond**0.5


@pytest.mark.parametrize(
    "beyond", [1e-8, 1e-4, *(pytest.param(x, marks=pytest.mark.slow) for x in (1e-3, 1e-5, 1e-6))]
)
def test_just_beyond_the_critical_step_a_small_circle_remains(beyond):
    rule = dg.rule("simultaneous", lr=0.4 + beyond)
    v = dg.verdict(parse("ns:r1=0.1"), [0.1], [0.2], rule=rule, edge=False)
    assert v.kind == "limit-cycle" and dg.spectrum(parse("ns:r1=0.1"), rule=rule, dim=1).status == "unstable"
    wide, narrow = (circle_beyond_the_critical_step(x) for x in (4e-3, 1e-3))
    expected = (narrow + (beyond - 1e-3) * (wide - narrow) / 3e-3) * beyond**0.5
    assert radii(v) == pytest.approx(expected, rel=1e-6)
    # m = 0.98 + 0.199 i at the critical step, beyond which the angle changes like h - 0.4
    turn = 2 * np.pi / np.angle(0.98 + 1j * np.sqrt(1 - 0.98**2))
    assert v.numbers["period"] == pytest.approx(turn, rel=1e-7 + 3 * beyond)
