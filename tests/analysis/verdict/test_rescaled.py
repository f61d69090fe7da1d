"""What a slow fall in d > 1 comes to is the same from every size, and is found without waiting for it.

wgan-div's critic has the penalty k |phi|^p: phi' = -theta - k p |phi|^(p - 2) phi, theta' = phi. About the rotation
phi = (a cos t, b sin t), with r^2 = a^2 + b^2, its mean acts on a and b apart: for p = 6 and k = 2
    a' = -(3/4) a (5 a^4 + 2 a^2 b^2 + b^4), b' = -(3/4) b (5 b^4 + 2 a^2 b^2 + a^4), (b/a)' = 3 (b/a) (a^4 - b^4),
so that every ellipse becomes a circle, though one that is nearly a line takes long, and on a circle r' = -(3/2) r^5:
r ~ (6 t)^(-1/4). On the line b = 0 it is r' = -(15/4) r^5, (15 t)^(-1/4). For p = 4, r' = -k r^3 on a circle.
"""

import numpy as np
import pytest

import diracgan as dg

DIV = dg.variant("wgan-div")
ROUND = 6.0**-0.25


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 0.1])
@pytest.mark.parametrize("dim", [2, 3])
def test_a_start_off_a_line_falls_like_a_circle_from_every_size(size, dim):
    z = np.random.default_rng(dim).normal(size=(2, dim))
    found = dg.verdict(DIV, *(size * z / np.linalg.norm(z)), edge=False)
    assert found.kind == "converges-sublinearly" and found.numbers["exponent"] == 0.25
    assert found.numbers["constant"] == pytest.approx(ROUND, rel=1e-3)


@pytest.mark.parametrize("off", [1e-5, 1e-3, 0.1])
def test_a_start_nearly_on_a_line_falls_like_a_circle_in_the_end(off):
    """For long it falls like the line that it is to leave, (15 t)^(-1/4)."""
    found = dg.verdict(DIV, [1e-4, 2e-4], [2e-4, (4 + off) * 1e-4], edge=False)
    assert found.numbers["exponent"] == 0.25
    assert found.numbers["constant"] == pytest.approx(ROUND, rel=1e-3)


def test_a_start_on_a_line_stays_there():
    found = dg.verdict(DIV, [0.1, 0.2], [0.2, 0.4], edge=False)
    assert found.numbers["constant"] == pytest.approx(15.0**-0.25, rel=1e-3)


@pytest.mark.parametrize("rule", [None, dg.rule("alternating", lr=0.1)])
@pytest.mark.parametrize("size", [1e-6, 0.1])
def test_a_start_on_a_line_but_for_rounding_stays_there(size, rule):
    """What is off the line by 1e-17 grows like r^(-4/5) beside r: that would show once r has fallen by 1e-21."""
    start = size * np.array([1.9, 0.9, 0.06])
    found = dg.verdict(DIV, start, start / 7, rule=rule, edge=False)
    assert found.kind == "converges-sublinearly" and found.numbers["exponent"] == pytest.approx(
        0.25, rel=0.01
    )
    pace, error = (15.0, 4e-3) if rule is None else (15.0 * 0.1, 0.1**2)
    assert found.numbers["constant"] ** -4 == pytest.approx(pace, rel=error)


@pytest.mark.parametrize("k", [0.5, 3.0])
def test_a_cubic_penalty_falls_at_its_own_rate(k):
    found = dg.verdict(dg.variant("wgan-div", k=k, p=4.0), [1e-4, 2e-4], [2e-4, 1e-4], edge=False)
    assert found.kind == "converges-sublinearly" and found.numbers["exponent"] == 0.5
    assert found.numbers["constant"] == pytest.approx((2 * k) ** -0.5, rel=2e-3)


@pytest.mark.parametrize("rate_d", [0.3, 2.0])
def test_players_of_different_rates_turn_on_circles_of_different_sizes(rate_d):
    """|phi| = A, |theta| = A rate_d^(-1/2): |phi|^2/rate_d + |theta|^2 falls by 24 A^6, so A = (24 rate_d t)^(-1/4)."""
    found = dg.verdict(DIV, [1e-4, 2e-4], [2e-4, 1e-4], rate_d=rate_d, edge=False)
    expected = (24 * rate_d) ** -0.25 * (1 + 1 / rate_d) ** 0.5
    assert found.numbers["constant"] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("lr", [0.05, 0.2])
def test_steps_in_turns_fall_like_the_flow(lr):
    """As n = t/lr, up to terms like lr^2: what alternating steps of the bilinear game conserve is phi^2 + theta^2 - lr
    phi.theta."""
    found = dg.verdict(DIV, [1e-4, 2e-4], [2e-4, 1e-4], dg.rule("alternating", lr=lr), edge=False)
    assert found.numbers["exponent"] == 0.25
    assert found.numbers["constant"] == pytest.approx((6 * lr) ** -0.25, rel=lr**2 / 2)


def test_what_keeps_its_wedge_falls_to_no_point():
    """ns falls onto the circle |phi|^2 = |theta|^2 = |phi ^ theta|, where no terms pull inward any more."""
    found = dg.verdict(dg.variant("ns"), [1e-4, 2e-4], [2e-4, 1e-4], edge=False)
    assert found.kind == "limit-circle"
    assert found.numbers["radius_phi"] == pytest.approx(np.sqrt(3) * 1e-4, rel=1e-6)
