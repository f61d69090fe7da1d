"""Branches of rules with lazy penalties, against the product of their steps' matrices and iterations in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import diracgan as dg

GAMMA, BETA = 0.2, 0.3


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def multipliers(h, every, momentum, alternating):
    """Those of ``every`` steps of ns + lazy R1 at 0, on phi, theta and their last moves; the first has the penalty."""
    whole = np.eye(4)
    for k in range(every):
        gamma, beta = (GAMMA * every if k == 0 else 0.0), (BETA if momentum else 0.0)
        critic = np.array([1 - h * gamma, -h / 2, beta, 0])
        seen = critic if alternating else np.array([1, 0, 0, 0])
        generator = np.array([0, 1, 0, beta]) + h / 2 * seen
        whole = np.stack([critic, generator, critic - [1, 0, 0, 0], generator - [0, 1, 0, 0]]) @ whole
    return np.linalg.eigvals(whole)


def largest_radius(z, h, every, steps):
    """Of a run of simultaneous steps, at every ``every``-th step of its last third."""
    phi, theta = z
    radii = []
    for k in range(every * steps):
        gamma, s = (GAMMA * every if k % every == 0 else 0.0), phi * theta
        if k % every == 0:
            radii.append(np.hypot(phi, theta))
        phi, theta = phi - h * (sigmoid(s) * theta + gamma * phi), theta + h * sigmoid(-s) * phi
    return max(radii[2 * steps // 3 :])


@pytest.mark.slow  # fast, that product: rules/test_multipliers.py::test_lazy_multipliers_are_those_of_the_whole_period
@pytest.mark.parametrize(
    ("name", "numbers", "every", "kind"),
    [
        ("simultaneous", {}, 2, "neimark-sacker"),
        ("simultaneous", {}, 16, "flip"),
        ("alternating", {}, 4, "flip"),
        ("heavy-ball", {"beta": BETA, "alternating": True}, 2, "neimark-sacker"),
    ],
)
def test_a_lazy_penalty_moves_the_threshold_to_where_the_product_of_its_steps_has_it(
    name, numbers, every, kind
):
    momentum, alternating = "beta" in numbers, name != "simultaneous"

    def height(h):
        return np.abs(multipliers(h, every, momentum, alternating)).max() - 1

    rule = dg.rule(name, lr=0.05, lazy=every, **numbers)
    point = dg.bifurcation.branch(dg.variant("ns").with_(r1=GAMMA), over="lr=0.005:3", rule=rule).points[0]
    steps = np.linspace(0.005, 3, 3000)
    first = next(k for k, h in enumerate(steps) if height(h) > 0)
    assert point.kind == kind
    assert point.value == pytest.approx(brentq(height, steps[first - 1], steps[first], xtol=1e-14), abs=1e-10)
    critical = multipliers(point.value, every, momentum, alternating)
    assert np.abs(critical - point.eigenvalue).min() < 1e-8
    if name == "simultaneous" and kind == "neimark-sacker":
        h = 1.01 * point.value
        circle = dg.bifurcation.circle(point, h)
        assert point.criticality == "supercritical" and circle.attracts
        assert abs(circle.exponents[0]) <= circle.exponent_errors[0]
        assert circle.radius == pytest.approx(largest_radius(circle.points[0], h, every, 6000), rel=1e-3)
