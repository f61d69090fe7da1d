"""Thresholds against their closed forms (docs/theory.md section 4, or derived beside the test)."""

import math

import numpy as np
import pytest

import diracgan as dg

WGAN = dg.variant("wgan-linear")


def found(variant, parameter, rule=None, **given):
    return dg.critical(
        variant, parameter, rule=None if rule is None else dg.rule(*rule[:1], **rule[1]), **given
    )


# name, variant, parameter, rule, thresholds, (below, above) of each
CASES = [
    # |1 + zeta + zeta^2| = 1 at zeta = i
    ("extragradient", WGAN, "lr", ("extragradient", {}), [1.0], [("stable", "unstable")]),
    ("optimistic", WGAN, "lr", ("optimistic", {}), [1 / math.sqrt(3)], [("stable", "unstable")]),
    # |R4(i eta)|^2 = 1 - eta^6/72 + eta^8/576
    ("rk4", WGAN, "lr", ("rk4", {}), [math.sqrt(8.0)], [("stable", "unstable")]),
    ("alternating", WGAN, "lr", ("alternating", {}), [2.0], [("marginal", "unstable")]),
    (
        "three critic steps",
        WGAN,
        "lr",
        ("alternating", {"n_critic": 3}),
        [2 / math.sqrt(3)],
        [("marginal", "unstable")],
    ),
    ("ratio of rates", WGAN, "lr_ratio", ("alternating", {"lr": 0.5}), [16.0], [("marginal", "unstable")]),
    (
        "negative momentum, rate",
        WGAN,
        "lr",
        ("heavy-ball", {"beta": -0.5, "alternating": True}),
        [1.0],
        [("stable", "unstable")],
    ),
    (
        "negative momentum",
        WGAN,
        "beta",
        ("heavy-ball", {"lr": 0.5, "alternating": True}),
        [-0.75, 0.0],
        [("unstable", "stable"), ("stable", "unstable")],
    ),
    (
        "wgan-gp, rate",
        dg.variant("wgan-gp", c=0.0, lam=0.3),
        "lr",
        ("simultaneous", {}),
        [0.6],
        [("stable", "unstable")],
    ),
    (
        # |mu| h = 2 at the upper end: lam + sqrt(lam^2 - 1) = 2/h, so lam = (h^2 + 4)/(4 h)
        "wgan-gp, weight",
        dg.variant("wgan-gp", c=0.0),
        "lam",
        ("simultaneous", {"lr": 0.1}),
        [0.05, 10.025],
        [("unstable", "stable"), ("stable", "unstable")],
    ),
    (
        "ns + r1, rate",
        dg.variant("ns").with_(r1=0.4),
        "lr",
        ("simultaneous", {}),
        [1.6],
        [("stable", "unstable")],
    ),
    (
        # alternating: det = 1 - h g, trace = 2 - h g - h^2/4; unstable at trace = -(1 + det): h^2/8 + h g = 2
        "ns + r1, alternating",
        dg.variant("ns"),
        "r1",
        ("alternating", {"lr": 0.1}),
        [0.0, 19.9875],
        [("marginal", "stable"), ("stable", "unstable")],
    ),
    ("ns + r1, flow", dg.variant("ns"), "r1", None, [0.0], [("marginal", "stable")]),
    ("ns + consensus", dg.variant("ns"), "consensus", None, [0.0], [("marginal", "stable")]),
    ("wgan-gp, target", dg.variant("wgan-gp", lam=0.5), "c", None, [0.0], [("stable", "no-derivative")]),
]


@pytest.mark.parametrize(
    ("variant", "parameter", "rule", "values", "sides"),
    [
        pytest.param(
            *c[1:], id=c[0], marks=[pytest.mark.slow] * (c[0].startswith("ns +") and "alter" not in c[0])
        )
        for c in CASES
    ],
)
def test_threshold_has_its_closed_form(variant, parameter, rule, values, sides):
    c = found(variant, parameter, rule)
    assert np.allclose(c.values, values, rtol=0, atol=1e-11), c.text
    assert [(t.below, t.above) for t in c.thresholds] == sides
    for t, value in zip(c.thresholds, values, strict=True):
        assert abs(t.value - value) <= max(t.error, 2e-15)


@pytest.mark.parametrize(
    ("variant", "parameter", "rule", "status"),
    [
        (WGAN, "lr", ("simultaneous", {}), "unstable"),
        (WGAN, "lr", ("rk2", {}), "unstable"),  # margin -eta^4/8: rounding hides it below eta = 1e-4
        pytest.param(WGAN, "lr", ("heavy-ball", {"beta": 0.5}), "unstable", marks=pytest.mark.slow),
        pytest.param(WGAN, "lr", ("implicit", {}), "stable", marks=pytest.mark.slow),
        (dg.variant("gan-qp"), "lam", None, "marginal"),
        (dg.variant("wgan"), "rate_ratio", None, "not-an-equilibrium"),
        pytest.param(WGAN, "lr", ("adam", {"eps": 0.0}), "no-derivative", marks=pytest.mark.slow),
    ],
)
def test_where_nothing_changes_it_says_so(variant, parameter, rule, status):
    c = found(variant, parameter, rule)
    assert c.values == []
    assert [i.status for i in c.intervals] == [status]
    assert "no threshold" in c.text


def test_dimensions_share_their_threshold():
    one, three = (found(dg.variant("ns"), "r1", ("simultaneous", {"lr": 0.1}), dim=d) for d in (1, 3))
    assert np.allclose(one.values, three.values, atol=1e-10)
    assert three.dim == 3


def test_whole_numbers_end_between_neighbours():
    # h = 1.1: bounded iff n < 4/h^2 = 3.3
    c = found(WGAN, "n_critic", ("alternating", {"lr": 1.1}), high=5)
    assert c.values == [4.0]
    assert c.intervals[0].high == 3.0
    assert "n_critic >= 4" in c.text


def test_thresholds_agree_with_the_spectrum_beside_them():
    v = dg.variant("lsgan").with_(r1=0.2)
    (t,) = found(v, "lr", ("simultaneous", {})).thresholds
    for x, status in ((t.value * (1 - 1e-9), t.below), (t.value * (1 + 1e-9), t.above)):
        assert dg.spectrum(v, rule=dg.rule("simultaneous", lr=x)).status == status


def test_a_narrow_window_between_grid_points_is_found():
    # sigma(0) = 1/2: ns + r1 under simultaneous steps of h is stable for h/4 < r1, up to (h^2/4 + 4)/(2 h)
    c = found(dg.variant("ns"), "r1", ("simultaneous", {"lr": 3.999}))
    assert np.allclose(c.values, [3.999 / 4, (3.999**2 / 4 + 4) / (2 * 3.999)], atol=1e-10)


def test_ema_decides_nothing():
    c = found(dg.variant("ns"), "ema", ("simultaneous", {"ema": 0.9}))
    assert c.values == []
    assert "decides nothing" in c.text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"parameter": "r3"}, "unknown parameter 'r3'"),
        ({"parameter": "lr"}, "lr belongs to a rule"),
        ({"parameter": "gp_at"}, "not a number"),
        ({"parameter": "r1", "low": 3.0, "high": 1.0}, "must be below"),
        ({"parameter": "r1", "low": -1.0}, "out of range"),
        ({"parameter": "n_critic", "rule": dg.rule("alternating"), "high": 2.5}, "not a whole number"),
        ({"parameter": "lr", "rule": dg.rule("simultaneous", lr_d=1.0, lr_g=1.0)}, "decides nothing"),
        ({"parameter": "lr", "rule": "simultaneous"}, "is not a rule"),
    ],
)
def test_bad_input_is_named(given, says):
    with pytest.raises(dg.InputError, match=says):
        dg.critical(dg.variant("ns"), **given)


def test_what_is_born_at_a_threshold_is_said():
    # ns + R1 under simultaneous steps loses stability at lr = 4 gamma by a supercritical Neimark-Sacker bifurcation
    found = dg.critical(dg.variant("ns").with_(r1=0.05), "lr", rule=dg.rule("simultaneous"))
    (point,) = found.born
    assert (point.kind, point.criticality, point.side) == ("neimark-sacker", "supercritical", 1)
    assert point.birth.startswith(
        "ns + r1 = 0.05, simultaneous, d = 1: at lr = 0.2 a stable circle of radius about 1.45"
    )
    assert point.birth.endswith("sqrt(lr - 0.2) is born")


def test_the_law_of_a_radius_ends_where_runs_have_left_it():
    # saturating + R1: phi' = -theta sigma(s) - gamma phi, theta' = phi sigma(s), so that lr = 0.4 is critical
    (point,) = dg.critical(dg.variant("saturating").with_(r1=0.1), "lr", rule=dg.rule("simultaneous")).born
    h = point.law_until(0.05)
    assert h == pytest.approx(0.4 * 1.0155, rel=1e-3)
    phi, theta, largest = 0.4, 0.0, 0.0
    for k in range(60_000):
        share = 1 / (1 + math.exp(-phi * theta))
        phi, theta = phi - h * (theta * share + 0.1 * phi), theta + h * phi * share
        largest = max(largest, math.hypot(phi, theta)) if k > 50_000 else 0.0
    assert point.scale * math.sqrt(h - point.value) / largest == pytest.approx(1.05, abs=2e-3)
    (flat,) = dg.critical(dg.variant("ns").with_(r1=0.05), "lr", rule=dg.rule("simultaneous")).born
    assert flat.law_until() >= 1.2 * flat.value


def test_nothing_is_said_to_be_born_where_the_parameter_may_not_go():
    assert dg.critical(dg.variant("ns"), "r1").born == []  # marginal at 0, stable above
    (point,) = dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1").points
    assert point.side == 0 and point.scale is None and "gamma < 0, which is not allowed" in point.text
