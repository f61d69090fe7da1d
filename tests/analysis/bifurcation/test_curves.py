"""Curves of bifurcations in two parameters, and their points of codimension two, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import written_games as games

import diracgan as dg
from diracgan.analysis.bifurcation import atlas, born_cycles, branch, curve, sensitivity
from diracgan.analysis.bifurcation.curves import _differentiable, _nearest
from diracgan.analysis.linear.margins import Margin
from diracgan.analysis.linear.status import Status

STEP = dg.rule("simultaneous", lr=1.0)
NS = dg.variant("ns")


def only(found, kind):
    (point,) = [p for p in found.points if p.kind == kind]
    return point


# docs/theory.md section 4; ns has a0 b0 = 1/4, so that with R1 the flow's eigenvalues are -g/2 +- sqrt(g^2 - 1)/2
CLOSED = {
    # |1 + zeta|^2 = 1 - h g + h^2/4
    "ns simultaneous": (NS, "simultaneous", {}, "neimark-sacker", lambda g, h: h - 4 * g),
    # trace 2 - h g - h^2/4, determinant 1 - h g: a multiplier is -1 where h^2/4 + 2 h g = 4
    "ns alternating": (NS, "alternating", {}, "flip", lambda g, h: h - 4 * (np.sqrt(g**2 + 1) - g)),
}


@pytest.mark.slow  # in the fast suite: strong resonances, and the atlas's flips
@pytest.mark.parametrize("case", CLOSED)
def test_the_closed_forms_are_curves(case):
    variant, rule, numbers, kind, zero = CLOSED[case]
    start = branch(variant.with_(r1=0.5), over="lr=0.01:3", rule=dg.rule(rule, **numbers))
    found = curve(only(start, kind), over=("gamma=0.02:1.5", "lr=0.01:5"))
    assert np.abs(zero(*found.values.T)).max() < 1e-8 and found.residuals.max() < 1e-12
    assert len(found.values) > 20 and np.ptp(found.values[:, 0]) > 0.9
    # the parameters are those of the family: the multiplier is critical at each point by the spectrum's own account
    for k in (0, len(found.values) // 2):
        g, h = found.values[k]
        s = dg.spectrum(variant.with_(r1=g), dim=1, rule=dg.rule(rule, lr=h, **numbers))
        assert np.abs(s.multipliers - found.eigenvalues[k]).min() < 1e-6


@pytest.mark.slow  # fast, flips of plain steps: test_an_atlas_finds_each_curve_once
def test_alternating_heavy_ball_in_momentum_and_step():
    # (x-1)^2 (x-b)^2 + h^2 x^3 = 0 on the bilinear game: at x = -1, 4 (1+b)^2 = h^2
    rule = dg.rule("heavy-ball", beta=-0.5, alternating=True)
    start = branch(dg.variant("wgan-linear"), over="lr=0.1:3", rule=rule)
    found = curve(only(start, "flip"), over=("beta=-0.9:-0.1", "lr=0.01:3"))
    b, h = found.values.T
    assert np.abs(h - 2 * (1 + b)).max() < 1e-8 and b.min() < -0.89 and b.max() > -0.11


@pytest.fixture(scope="module")
def neimark_sacker():
    """The first point of ns + R1 = 0.5 under simultaneous steps, at lr = 2: h = 4 g."""
    return branch(NS.with_(r1=0.5), over="lr=0.01:3", rule=dg.rule("simultaneous")).points[0]


def test_how_a_threshold_moves_is_the_slope_of_its_curve(neimark_sacker):
    assert sensitivity(neimark_sacker, "gamma") == pytest.approx(4.0, abs=1e-9)


@pytest.mark.slow  # a straight curve is above, one that bends here
def test_the_slope_of_a_curve_that_bends():
    # flips at h = 4 (sqrt(g^2 + 1) - g)
    g = 0.5
    start = branch(NS.with_(r1=g), over="lr=0.01:3", rule=dg.rule("alternating"))
    assert sensitivity(only(start, "flip"), "gamma") == pytest.approx(
        4 * (g / np.sqrt(g**2 + 1) - 1), abs=1e-9
    )


def test_the_strong_resonances_lie_where_the_trace_says_and_end_the_curve(neimark_sacker):
    # at h = 4 g the multipliers have the cosine 1 - 2 g^2: 0 at 1:4, -1/2 at 1:3, -1 at 1:2
    found = curve(neimark_sacker, over=("gamma=0.1:1.5", "lr=0.01:8"))
    g, h = found.values.T
    assert np.abs(h - 4 * g).max() < 1e-8 and found.residuals.max() < 1e-12 and len(g) > 20
    # the parameters are those of the family: the multiplier is critical by the spectrum's own account
    middle = len(g) // 2
    s = dg.spectrum(NS.with_(r1=g[middle]), dim=1, rule=dg.rule("simultaneous", lr=h[middle]))
    assert np.abs(s.multipliers - found.eigenvalues[middle]).min() < 1e-6
    where = {p.name: p.values[0] for p in found.points}
    wanted = {"1:4 resonance": 0.5**0.5, "1:3 resonance": 0.75**0.5, "1:2 resonance": 1.0}
    assert where == pytest.approx(wanted, abs=1e-9)
    assert any("1:2 resonance" in end for end in found.ends) and found.values[:, 0].max() <= 1.0 + 1e-9


@pytest.mark.slow  # no fast witness: too dear
def test_a_curve_may_run_along_the_border_of_what_is_allowed():
    # ns: the eigenvalues are imaginary at gamma = 0 for every ratio of rates
    found = curve(branch(NS, over="gamma=0:1").points[0], over=("gamma=0:1", "rate_ratio=0.5:2"))
    assert np.abs(found.values[:, 0]).max() < 1e-12
    np.testing.assert_allclose(found.eigenvalues.imag, np.sqrt(found.values[:, 1]) / 2, atol=1e-9)


@pytest.mark.slow  # no fast witness: too dear
def test_two_folds_meet_in_a_cusp():
    start = branch(games.Cusp(k=-1.0), over="k=-1:1", start=([-1.0997], [0.0]), x0=1.0)
    found = curve(start.points[0], over=("k=-1:1", "m=-1:1"))
    k, m = found.values.T
    assert np.abs(27 * k**2 - 4 * m**3).max() < 1e-8 and k.min() < -0.3 < 0.3 < k.max()
    (cusp,) = [p for p in found.points if p.name == "cusp"]
    assert cusp.values == pytest.approx((0.0, 0.0), abs=1e-8)


@pytest.mark.slow  # no fast witness: too dear
def test_fold_and_hopf_curves_meet_in_a_bogdanov_takens_point():
    # equilibria phi^2 + m phi + k = 0, theta = 0; that of the Hopf curve is phi = 0 at k = 0
    v = games.BogdanovTakens(k=-0.1)
    start = branch(v, over="k=-0.3:0.2", start=([-0.1531], [0.0]), x0=1.0)
    hopf, fold = only(start, "hopf"), only(start, "fold")
    along = curve(hopf, over=("k=-0.3:0.2", "m=-0.8:0.4"))
    assert np.abs(along.values[:, 0]).max() < 1e-10 and along.values[:, 1].max() < 1e-6
    np.testing.assert_allclose(along.eigenvalues.imag**2, -along.values[:, 1], atol=1e-9)
    other = curve(fold, over=("k=-0.3:0.2", "m=-0.8:0.4"))
    assert np.abs(4 * other.values[:, 0] - other.values[:, 1] ** 2).max() < 1e-10
    for c in (along, other):
        (point,) = [p for p in c.points if p.name == "Bogdanov-Takens"]
        assert point.values == pytest.approx((0.0, 0.0), abs=1e-7)


@pytest.mark.slow  # no fast witness: too dear; the coefficient itself: numerics/test_normal_form.py
@pytest.mark.parametrize(
    ("variant", "rule", "kind", "name"),
    [
        (games.Bautin(), None, "hopf", "Bautin"),
        (games.Chenciner(), STEP, "neimark-sacker", "Chenciner"),
        (games.Flips(), STEP, "flip", "generalised flip"),
    ],
)
def test_where_the_cubic_coefficient_changes_its_sign_the_point_is_named(variant, rule, kind, name):
    start = branch(variant.__class__(k=-0.2), over="k=-0.3:0.3", start=([0.0], [0.0]), x0=1.0, rule=rule)
    found = curve(only(start, kind), over=("k=-0.3:0.3", "m=-0.7:0.9"))
    assert np.abs(found.values[:, 0]).max() < 1e-10
    (point,) = found.points
    assert point.name == name and point.values == pytest.approx((0.0, 0.0), abs=1e-8)
    # supercritical on one side, subcritical on the other
    below = found.coefficients[found.values[:, 1] < -0.05]
    above = found.coefficients[found.values[:, 1] > 0.05]
    assert len({*np.sign(below)}) == len({*np.sign(above)}) == 1 and below[0] * above[0] < 0


@pytest.mark.slow  # no fast witness: too dear
def test_a_fold_flip_point_is_named():
    v = games.FoldFlip(k=0.1)
    start = branch(v, over="k=-0.2:0.3", start=([0.1**0.5], [0.0]), x0=1.0, rule=STEP)
    found = curve(only(start, "fold"), over=("k=-0.2:0.3", "m=-0.5:0.4"))
    (point,) = found.points
    assert point.name == "fold-flip" and point.values == pytest.approx((0.0, 0.0), abs=1e-8)


def test_an_atlas_finds_each_curve_once():
    found = atlas(NS, ("gamma=0.1:1.4", "lr=0.1:6"), rule=dg.rule("simultaneous"))
    # the flip: x = -1 in x^2 - (2 - h g) x + 1 - h g + h^2/4: 4 - 2 h g + h^2/4 = 0, from g = 1 on
    assert sorted(c.kind for c in found.curves) == ["flip", "neimark-sacker"]
    flip = next(c for c in found.curves if c.kind == "flip")
    g, h = flip.values.T
    assert np.abs(4 - 2 * h * g + h**2 / 4).max() < 1e-8
    # there the other multiplier is 1 - h^2/8: at h = 4 both are -1, and beyond it is outside the circle
    assert [p.name for p in flip.points] == ["1:2 resonance"]
    assert flip.points[0].values == pytest.approx((1.0, 4.0), abs=1e-6)
    assert flip.statuses == ["unstable" if x > 4 else "marginal" for x in h]
    # the point at which both curves meet is one
    assert "codimension two: 3" in found.text


def test_there_is_no_resonance_where_the_steps_vanish():
    # at lr -> 0 the map is the identity: all multipliers go to 1, at angles in proportion to lr
    start = branch(NS.with_(r1=0.05), over="lr=0.01:0.4", rule=dg.rule("simultaneous"))
    found = curve(start.points[0], over=("gamma", "lr"))
    assert found.values.min() < 1e-6 and not found.points


@pytest.mark.slow  # fast, of the curve itself: test_coinciding_pairs_and_missing_values_are_said
def test_what_was_met_but_not_followed_is_not_denied():
    found = atlas(NS, ("gamma=0.1:0.9", "lr=0.1:3"), rule=dg.rule("simultaneous"), dim=2)
    assert "no curve of bifurcations was followed" in found.text and "coincide" in found.notes[0]


@pytest.mark.slow  # fast, where it has none: test_adaptive_chart.py
def test_adam_has_an_atlas_where_its_linearisation_reaches_anything():
    over = ("gamma=0.05:2", "lr=0.0001:0.02")
    found = atlas(NS, over, rule=dg.rule("adam", eps=1e-3))
    (only_one,) = found.curves
    g, h = only_one.values[len(only_one.values) // 2]
    s = dg.spectrum(NS.with_(r1=g), dim=1, rule=dg.rule("adam", eps=1e-3, lr=h))
    assert np.abs(np.abs(s.multipliers) - 1).min() < 1e-9
    with pytest.raises(dg.InputError, match="no useful linearisation"):
        atlas(NS, over, rule=dg.rule("adam"))


@pytest.mark.parametrize(
    ("over", "rule", "words"),
    [
        (("gamma", "gamma"), None, "one parameter"),
        (("gamma", "r1"), None, "one parameter"),
        (("rate_d", "rate_ratio"), None, "one parameter"),
        (("gamma",), None, "two parameters"),
        ("gamma", None, "two parameters"),
        (("gamma=1:0", "rate_d"), None, "empty interval"),
        (("gamma=-1:1", "rate_d"), None, r"numbers in \[0, "),
        (("gamma", "nothing"), None, "nothing"),
        (("noise=0.1:1", "gamma"), None, "a minute to trace"),
        (("n_critic", "lr"), "alternating", "integer"),
    ],
)
def test_bad_input_is_one_line(over, rule, words):
    with pytest.raises(dg.InputError, match=words) as error:
        atlas(NS, over, rule=None if rule is None else dg.rule(rule))
    assert "\n" not in str(error.value)


def test_coinciding_pairs_and_missing_values_are_said(neimark_sacker):
    start = branch(NS.with_(r1=0.5), over="lr=0.01:3", rule=dg.rule("simultaneous"), dim=2)
    with pytest.raises(dg.InputError, match="coincide"):
        curve(start.points[0], over=("gamma", "lr"))
    with pytest.raises(dg.InputError, match="no value yet"):
        curve(neimark_sacker, over=("noise", "lr"))
    with pytest.raises(dg.InputError, match="hold the point"):
        curve(neimark_sacker, over=("gamma=0.6:1", "lr"))


def test_numbers_that_do_not_move_a_point_have_no_curve_through_it():
    # phi' = (k - theta^2) phi - theta at rates r, s: the trace r k is 0 at k = 0 for all of them
    (point,) = branch(games.VanDerPol(), over="k=-1:1", start=([0.0], [0.0]), x0=1.0).points
    with pytest.raises(
        dg.InputError, match=r"no single curve in \(rate_d, rate_g\), as where it lies at all"
    ):
        curve(point, over=("rate_d=0.5:2", "rate_g=0.5:2"))
    # what is asked of the point itself is a number, within a range
    for ask, words in [
        (lambda: point.radius("x"), "value = 'x' is not a number"),
        (lambda: point.normal_form_radius(None), "value = None is not a number"),
        (lambda: born_cycles(point, "a", 1.0), "k = 'a' is not a number"),
        (lambda: born_cycles(point, 1.0, 0.0), "k from 1.0 to 0.0 is an empty interval"),
    ]:
        with pytest.raises(dg.InputError, match=words):
            ask()


def test_no_curve_is_followed_where_the_equilibrium_has_no_derivative():
    # wgan-gp: for c > 0 the penalty has a kink at phi = 0
    start = branch(
        dg.variant("wgan-gp", c=0.0, lam=0.3), over="lr=0.05:1", rule=dg.rule("simultaneous", lr=0.1)
    )
    with pytest.raises(dg.InputError, match="no derivative at this equilibrium") as error:
        curve(only(start, "neimark-sacker"), over=("lam=0.05:1", "c=0:1"))
    assert "\n" not in str(error.value)


def test_a_curve_ends_where_the_derivative_is_lost_on_the_stretch_of_its_start():
    # the second number is a thousand times as large: what lies nearest is told in units of both
    values = np.array([[0.0, 0.0], [0.1, 1000.0], [0.9, 1010.0], [1.0, 1400.0], [1.1, 2000.0]])
    lost = [Margin(Status.NO_DERIVATIVE, np.nan, np.nan, np.zeros(0))]
    kept = [Margin(Status.MARGINAL, 0.0, 0.1, np.zeros(0))]
    found = _differentiable(lost + 4 * kept, values, np.array([1.0, 1005.0]), ("here", "there"))
    assert found[0] == slice(1, 5) and "no derivative" in found[1][0] and found[1][1] == "there"
    assert [_nearest(values, p) for p in ((0.9, 1005.0), (0.2, 1020.0))] == [2, 1]
    with pytest.raises(dg.InputError, match="no derivative at this equilibrium"):
        _differentiable(2 * kept + lost + 2 * kept, values, np.array([0.9, 1005.0]), ("here", "there"))


@pytest.mark.slow  # fast, of three: test_the_strong_resonances_lie_where_the_trace_says_and_end_the_curve
def test_the_four_strong_resonances_of_one_curve():
    # steps of size 1: (-m, 0) is fixed at k = 0, where the determinant is 1 and the trace 2 - m
    game = games.BogdanovTakens(k=-0.1, m=1.0)
    start = branch(game, over="k=-0.2:0.1", start=([-1.0916], [0.0]), x0=1.0, rule=STEP)
    found = curve(only(start, "neimark-sacker"), over=("k=-1:1", "m=-0.5:4.5"))
    assert np.abs(found.values[:, 0]).max() < 1e-9
    where = {p.name: p.values for p in found.points if "resonance" in p.name}
    assert where.keys() == {"1:1 resonance", "1:2 resonance", "1:3 resonance", "1:4 resonance"}
    for name, m in (("1:1", 0.0), ("1:4", 2.0), ("1:3", 3.0), ("1:2", 4.0)):
        assert where[f"{name} resonance"] == pytest.approx((0.0, m), abs=1e-7)


@pytest.mark.slow  # fast: numerics/test_continuation.py::test_an_upright_curve_is_followed_from_its_start
def test_a_curve_that_stands_upright_is_followed_from_its_point():
    # det = q = 1 for every k: the point cannot be sought at its q, and was found far away at a k of 1e300
    game = games.UprightNeimarkSacker(k=0.7)
    (point,) = branch(game, over="q=0.3:1.4", start=([0.0], [0.0]), rule=STEP, x0=1.0).points
    found = curve(point, over=("k=-3:3", "q=0.3:1.4"))
    np.testing.assert_allclose(found.values[:, 1], 1.0, atol=1e-12)
    assert dict(zip([p.name for p in found.points], [p.values[0] for p in found.points], strict=True)) == {
        name: pytest.approx(k, abs=1e-9)  # k = 2 cos(angle)
        for name, k in [
            ("1:2 resonance", -2),
            ("1:3 resonance", -1),
            ("1:4 resonance", 0),
            ("1:1 resonance", 2),
        ]
    }
