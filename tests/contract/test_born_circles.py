"""The circle that is born at a Neimark-Sacker point, of every rule, against iterated runs at 1 % from the threshold."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg

# ns + R1 (its weight, the rule's numbers, the range of lr): what loses its stability by a Neimark-Sacker bifurcation
BORN = {
    "simultaneous": [(0.05, {}, "lr=0.01:0.4")],
    "heavy-ball": [
        (0.1, {"beta": 0.3}, "lr=0.01:1"),
        (0.1, {"beta": 0.3, "alternating": True}, "lr=0.01:1"),
        (0.45, {"beta": 0.3, "alternating": True}, "lr=1:3"),  # beyond its Chenciner point: subcritical
    ],
    "nesterov": [(0.3, {"beta": 0.3}, "lr=0.01:2")],
    "extragradient": [(0.5, {}, "lr=0.2:4")],
    "optimistic": [(0.5, {}, "lr=0.2:2")],
    "lookahead": [(0.1, {}, "lr=0.01:4")],
    "rmsprop": [(0.2, {"eps": 0.01}, "lr=0.001:1"), (0.2, {}, "lr=1e-7:1e-3")],
    "rk2": [(0.1, {}, "lr=0.1:4")],
    "rk4": [(0.1, {}, "lr=0.1:8")],
}
NONE = {
    "alternating": "its determinant is 1 - h gamma < 1: stability is lost by a flip",
    **dict.fromkeys(["adam", "adamw", "amsgrad"], "its map has no second derivative at rest"),
    "implicit": "it is stable for every step",
    "cgd": "it is stable for every step",
}
# tests of other modules may register rules of their own
OWN = [name for name in dg.rules() if type(dg.rule(name)).__module__.startswith("diracgan.")]
UNLISTED = [n for n in OWN if n not in {*BORN, *NONE} and dg.rule(n).is_smooth_at_rest]
CASES = [(rule, *case) for rule, cases in BORN.items() for case in cases]
CASES += [(name, 0.2, {}, "lr=0.01:2") for name in UNLISTED]


def test_whatever_is_listed_is_a_rule():
    assert set(BORN) | set(NONE) <= set(OWN)


@pytest.mark.parametrize("name", sorted(BORN))
def test_rules_with_a_circle_have_curvature_at_rest(name):
    # RMSProp divides by sqrt(v + eps): smooth where eps > 0, and around it lookahead
    assert dg.rule(name).is_smooth_at_rest


def test_a_root_of_squares_has_no_curvature_at_rest():
    rough = [dg.rule("adam"), dg.rule("rmsprop", eps=0.0), dg.rule("lookahead", inner="adam")]
    assert not any(rule.is_smooth_at_rest for rule in rough)


def run(variant, rule, start, steps):
    traj = dg.simulate(variant, phi0=start[:1], theta0=start[1:], rule=rule, steps=steps)
    with np.errstate(all="ignore"):
        return np.hypot(traj.phi.values[:, 0], traj.theta.values[:, 0])


def leaves_turning(variant, name, low, high):
    """Whether a pair of multipliers leaves the unit circle between two learning rates, by spectra one by one."""
    there = [
        dg.spectrum(variant, rule=dg.rule(name, lr=lr)).multipliers for lr in np.linspace(low, high, 100)
    ]
    pairs = [np.max(np.abs(x[np.abs(x.imag) > 1e-6]), initial=0.0) for x in there]
    return any(0 < a < 1 < b for a, b in zip(pairs, pairs[1:], strict=False))


def lingering(variant, rule, circle):
    """The largest radius of an orbit between those that die and those that leave, while it stays the same."""
    start, low, high = circle.points[0], 0.3, 6.0
    for _ in range(45):
        scale = 0.5 * (low + high)
        last = run(variant, rule, scale * start, 1500)[-1]
        low, high = (scale, high) if last < circle.least_radius else (low, scale)
    rows = run(variant, rule, low * start, 1500)
    near = np.array([rows[k : k + 40].max() for k in range(20, 820, 40)])
    return near[np.argmin(np.abs(near[1:] / near[:-1] - 1))]


@pytest.mark.slow  # fast, of a map: bifurcation/test_branch.py::test_the_circle_of_the_delayed_logistic_map
@pytest.mark.parametrize(("name", "weight", "numbers", "over"), CASES)
def test_the_predicted_radius_is_that_of_iterated_runs(name, weight, numbers, over):
    variant = dg.variant("ns").with_(r1=weight)
    found = dg.bifurcation.branch(variant, over=over, rule=dg.rule(name, **numbers))
    point = next((p for p in found.points if p.kind == "neimark-sacker"), None)
    if name in UNLISTED and point is None:
        assert not leaves_turning(variant, name, 0.01, 2.0)
        return
    assert point is not None
    lr = point.value * (1 + 0.01 * point.side)
    there = dg.bifurcation.circle(point, lr)
    rule = dg.rule(name, **numbers, lr=lr)
    if point.criticality == "supercritical":
        assert there.attracts
        seen = run(variant, rule, there.points[0], 20_000)[-4000:].max()
    else:
        assert not there.attracts
        seen = lingering(variant, rule, there)
    assert there.radius == pytest.approx(seen, rel=0.02)
    # the normal form is the first term: ten times nearer, its error is ten times smaller
    nearer = dg.bifurcation.circle(point, point.value * (1 + 0.001 * point.side))
    off, less = abs(there.predicted / there.radius - 1), abs(nearer.predicted / nearer.radius - 1)
    assert less < 0.03 and less < 0.2 * off + 1e-4
