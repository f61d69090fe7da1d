"""Rest points on a surface, approached from one side for ever.

WGAN-GP with c = 1 in d = 1: phi' = -theta - 2 lam (phi - s), theta' = phi with s the sign of phi. On either side the
motion is linear about (0, 2 lam s), for lam > 1 a node that lies on phi = 0, with the rates lam -+ sqrt(lam^2 - 1):
phi = a exp(-slow t) + b exp(-fast t) changes its sign once, or never. For lam < 1 it is a focus, and always crosses.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import diracgan as dg


def limit(lam: float, phi: float, theta: float) -> float:
    """Where theta ends, from phi != 0, on paper: side by side, each left where phi = 0."""
    side = math.copysign(1.0, phi)
    slow, fast = lam - math.sqrt(lam**2 - 1), lam + math.sqrt(lam**2 - 1)
    for _ in range(10):
        off = theta - 2 * lam * side
        # phi = a + b and theta - 2 lam s = -a/slow - b/fast, since theta' = phi
        a = (off + phi / fast) / (1 / fast - 1 / slow)
        b = phi - a
        if not (a * b < 0 and -b / a > 1):  # the zero lies in the past, or nowhere
            return 2 * lam * side
        t = math.log(-b / a) / (fast - slow)
        theta = 2 * lam * side - a / slow * math.exp(-slow * t) - b / fast * math.exp(-fast * t)
        phi, side = 0.0, -side
    raise AssertionError("more than ten crossings")


@pytest.mark.parametrize(
    ("lam", "phi", "theta"), [(1.2, 0.5, 0.5), (1.02, 2.0, 1.0), (1.02, -0.3, -0.5), (1.5, 0.3, 1.5)]
)
def test_it_is_not_left_by_rounding(lam, phi, theta):
    """Both say where it ends on paper: at |phi| of 1e-12 an error of integration would carry it across."""
    end = limit(lam, phi, theta)
    v = dg.variant("wgan-gp", c=1.0, lam=lam)
    run = dg.simulate(v, phi0=[phi], theta0=[theta], t1=120.0, ts=np.linspace(0, 120, 13))
    assert run.attrs["result"] == "ok"
    assert float(run.theta[-1, 0]) == pytest.approx(end, abs=1e-7)
    seen = dg.verdict(v, [phi], [theta], edge=False)
    assert seen.kind == "converges-elsewhere"
    assert seen.numbers["limit_theta"] == pytest.approx([end], abs=1e-9)
    assert seen.numbers["rate"] == pytest.approx(lam - math.sqrt(lam**2 - 1), rel=1e-6)


def test_beyond_the_edge_it_is_crossed():
    """A start on phi = 0 a thousandth beyond the rest point is carried across, to the other one."""
    v = dg.variant("wgan-gp", c=1.0, lam=1.2)
    run = dg.simulate(v, phi0=[0.0], theta0=[2.401], t1=60.0, ts=np.array([0.0, 60.0]))
    assert float(run.theta[-1, 0]) == pytest.approx(-2.4, abs=1e-7)


def test_a_focus_on_the_edge_is_passed():
    """lam = 0.99: it crosses after half a turn, when it has come within 1e-9 of the focus.

    There the tolerance is a hundredth of what is left, which delays the crossing by a few times 1e-5.
    """
    half = math.pi / math.sqrt(1 - 0.99**2)
    seen = dg.verdict(dg.variant("wgan-gp", c=1.0, lam=0.99), [0.5], [0.5], edge=False)
    assert seen.kind == "limit-cycle"
    assert seen.numbers["period"] == pytest.approx(2 * half, rel=1e-5)
