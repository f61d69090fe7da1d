"""Branches and their bifurcations against closed forms."""

from __future__ import annotations

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
import written_games as games
from scipy.optimize import brentq
from selection import slow_but

import diracgan as dg
from diracgan.analysis.bifurcation import born_circles, branch, circle, curve, others, switch
from diracgan.analysis.bifurcation.branch import _unseen, _upright
from diracgan.analysis.linear.status import Status

STEP = dg.rule("simultaneous", lr=1.0)
NS, R1 = dg.variant("ns"), 0.05


CLOSED = [
    # docs/theory.md section 4; ns has a0 b0 = 1/4
    (NS.with_(r1=R1), dg.rule("simultaneous"), "lr=0.01:0.4", "neimark-sacker", 4 * R1),
    (dg.variant("wgan-gp", c=0.0, lam=0.5), dg.rule("simultaneous"), "lr=0.1:3", "neimark-sacker", 1.0),
    # trace 2 - h g - h^2/4, determinant 1 - h g: a multiplier is -1 at h = 4 (sqrt(g^2 + 1) - g)
    (NS.with_(r1=0.5), dg.rule("alternating"), "lr=0.01:3", "flip", 4 * (np.sqrt(1.25) - 0.5)),
    (dg.variant("wgan-linear"), dg.rule("extragradient"), "lr=0.5:2", "neimark-sacker", 1.0),
    (dg.variant("wgan-linear"), dg.rule("optimistic"), "lr=0.2:1", "neimark-sacker", 3**-0.5),
    (NS, None, "gamma=0:2", "hopf", 0.0),
]


@pytest.mark.parametrize(("variant", "rule", "over", "kind", "value"), slow_but(CLOSED, CLOSED[1], CLOSED[5]))
def test_the_closed_forms_are_points_of_a_branch(variant, rule, over, kind, value):
    found = branch(variant, over=over, rule=rule)
    (point,) = found.points
    assert point.kind == kind and point.value == pytest.approx(value, abs=1e-10)
    assert found.residuals.max() < 1e-12 and point.residual < 1e-12
    # statuses are those of the linearisation, and change there and nowhere else
    below, above = (
        {s for s, p in zip(found.statuses, found.values, strict=True) if sign * (p - value) > 1e-6}
        for sign in (-1, 1)
    )
    assert below | above <= {"stable", "unstable", "marginal"} and not (below & above)


def test_the_strong_resonance_of_extragradient_is_named():
    # at h = 1 the multipliers 1 + i - 1 = i are fourth roots of one
    (point,) = branch(dg.variant("wgan-linear"), over="lr=0.5:2", rule=dg.rule("extragradient")).points
    assert point.resonance == "1:4" and point.criticality == "degenerate"  # a linear map has no cubic term
    # of ns, whose eigenvalues are +-i/2, at h = 2: beside z |z|^2 stands conj(z)^3, which is of the same order
    (point,) = branch(NS, over="lr=1.5:2.5", rule=dg.rule("extragradient")).points
    assert point.value == pytest.approx(2.0, abs=1e-10) and point.resonance == "1:4"
    assert point.text.endswith("on this resonance it may be torn, or locked to orbits of period 4")


def test_both_folds_are_found_and_the_unstable_part_between_them():
    found = branch(games.TwoFolds(k=-1.0), over="k=-1:1", start=([-2.1038], [0.0]), x0=1.0)
    assert [p.kind for p in found.points] == ["fold", "fold"]
    np.testing.assert_allclose([p.value for p in found.points], [2 / 3, -2 / 3], atol=1e-10)
    # k - 2/3 = -(phi + 1)^2 + ...: two equilibria at phi = -1 +- sqrt(2/3 - k)
    assert found.points[0].side == -1 and found.points[0].scale == pytest.approx(1.0, rel=1e-6)
    between = np.abs(found.phi[:, 0]) < 0.99
    assert {s for s, b in zip(found.statuses, between, strict=True) if b} == {"unstable"}
    np.testing.assert_allclose(found.values, found.phi[:, 0] ** 3 / 3 - found.phi[:, 0], atol=1e-12)


class DipsBelow(games.Written):
    """With steps of size 1: r+ = r (1 + (k - 1/3)^2 - d^2 - r^2), d = 1/2000, angle+ = angle + arctan(4/3)."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(games._turned(real, x_fake[:, 0], (self.k - 1 / 3) ** 2 - 25e-8, -1.0, -0.8))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(games._turned(x_fake[:, 0], real, (self.k - 1 / 3) ** 2 - 25e-8, -1.0, 0.8))


@pytest.mark.slow  # fast: numerics/test_continuation.py::test_two_folds_within_one_step_are_found
def test_two_points_within_a_tenth_of_a_step_are_found():
    found = branch(DipsBelow(), over="k=0:1", start=([0.0], [0.0]), rule=STEP, x0=1.0)
    assert [(p.kind, p.side) for p in found.points] == [("neimark-sacker", -1), ("neimark-sacker", 1)]
    np.testing.assert_allclose([p.value for p in found.points], [1 / 3 - 5e-4, 1 / 3 + 5e-4], atol=1e-10)
    assert "stable" in found.statuses  # the point between the two


def test_a_pitchfork_bears_two_branches_that_switching_finds():
    found = branch(games.Pitchfork(), over="k=0:1", start=([0.0], [0.0]), x0=1.0)
    (point,) = found.points
    assert point.kind == "branch-point" and point.value == pytest.approx(0.25, abs=1e-10)
    assert point.criticality == "supercritical" and point.side == 1 and point.scale == pytest.approx(1.0)
    assert point.radius(0.5) == pytest.approx(0.5, rel=1e-10) and point.law_until() == pytest.approx(0.5)
    sides = switch(point, 0.0, 1.0)
    assert len(sides) == 2 and sides[0].phi[-1, 0] * sides[1].phi[-1, 0] < 0
    for side in sides:
        np.testing.assert_allclose(side.phi[:, 0] ** 2, side.values - 0.25, atol=1e-10)
        assert set(side.statuses) == {"stable"}
    # deflation finds them without a branch point
    there = sorted(float(x[0]) for x in others(found, 0.5))
    np.testing.assert_allclose(there, [-0.5, 0.5], atol=1e-10)


@pytest.mark.slow  # fast: numerics/test_continuation.py::test_branch_points_where_nothing_is_exactly_zero
def test_a_pitchfork_off_every_symmetric_line_is_refined_and_named():
    # on phi = k/2 nothing of the equations is exactly 0, and at k = 1/3 Newton's matrix is singular
    (point,) = branch(games.LeaningPitchfork(), over="k=0:1", start=([0.25], [0.0]), x0=1.0).points
    assert (point.kind, point.criticality, point.side) == ("branch-point", "supercritical", 1)
    assert point.value == pytest.approx(1 / 3, abs=1e-10) and point.scale == pytest.approx(1.0)
    for side in switch(point, 0.0, 1.0):
        np.testing.assert_allclose((side.phi[:, 0] - side.values / 2) ** 2, side.values - 1 / 3, atol=1e-10)


def test_a_centre_that_becomes_a_saddle_has_a_branch_point():
    # no growth rate changes its sign from one known to another: they are 0, 0 below and sqrt(k), -sqrt(k) above
    (point,) = branch(games.CentreToSaddle(), over="k=-1:1", start=([0.0], [0.0]), x0=1.0).points
    assert (point.kind, point.multiplicity) == ("branch-point", 2) and abs(point.value) < 1e-10
    assert point.text == "k = 0: branch point; 2 critical eigenvalues coincide"


@pytest.mark.slow  # fast: test_a_centre_that_becomes_a_saddle_has_a_branch_point
def test_the_centres_beside_a_saddle_are_switched_to():
    (point,) = branch(games.CentreToSaddle(), over="k=-1:1", start=([0.0], [0.0]), x0=1.0).points
    with pytest.raises(dg.InputError, match="allowed: a point with a single one$"):
        curve(point, over=("k", "rate_ratio"))
    for side in switch(point, -1.0, 1.0):
        np.testing.assert_allclose(side.phi[:, 0] ** 2, side.values, atol=1e-10)
        assert set(side.statuses) == {"marginal"}  # eigenvalues +-i sqrt(2 k): centres


def test_a_transcritical_point_is_told_from_a_pitchfork():
    (point,) = branch(games.Transcritical(), over="k=0:1", start=([0.0], [0.0]), x0=1.0).points
    assert (point.kind, point.criticality) == ("branch-point", "transcritical")
    assert point.value == pytest.approx(0.25, abs=1e-10)


def test_the_period_doublings_of_the_logistic_map():
    # flips at 3 and, on the orbit of period 2, at 1 + sqrt(6); the orbit's radius is sqrt(r - 3)/3 near 3
    found = branch(games.Logistic(k=2.5), over="k=2:3.8", start=([0.6], [0.0]), rule=STEP, x0=1.0)
    (flip,) = found.points
    assert flip.kind == "flip" and flip.value == pytest.approx(3.0, abs=1e-10)
    assert (flip.criticality, flip.side) == ("supercritical", 1)
    assert flip.scale == pytest.approx(1 / 3, rel=1e-9)

    def largest(r):
        return max(abs(np.roots([r * r, -r * (r + 1), r + 1]) - (1 - 1 / r)))

    assert flip.radius(3.01) == pytest.approx(largest(3.01), rel=1e-9)
    # the orbit is not symmetric about 1 - 1/r, so that its larger distance leaves the law like its own size
    end = brentq(lambda r: largest(r) / (np.sqrt(r - 3) / 3) - 1 / 0.98, 3 + 1e-9, 3.1)
    assert flip.law_until(0.02) == pytest.approx(end, rel=1e-4) and flip.law_until(0.02) <= end
    (doubled,) = switch(flip, 2.0, 3.8)
    assert doubled.kind == "orbits of period 2" and doubled.points[-1].kind == "flip"
    assert doubled.points[-1].value == pytest.approx(1 + np.sqrt(6), abs=1e-9)
    # its two points are the roots of r^2 x^2 - r (r + 1) x + (r + 1)
    roots = [sorted(np.roots([r * r, -r * (r + 1), r + 1])) for r in doubled.values]
    np.testing.assert_allclose(np.sort(doubled.orbits[:, :, 0], axis=1), roots, atol=1e-8)
    assert found.orbits is None
    # the multiplier that matters along the orbit of period 2 is 4 + 2r - r^2; what is given to theta dies at once
    np.testing.assert_allclose(
        doubled.margins, 1 - np.abs(4 + 2 * doubled.values - doubled.values**2), atol=1e-9
    )


@pytest.fixture(scope="module")
def of_three():
    """Orbits of period 3 of r x (1 - x), from a point that the map goes back to at r = 3.84."""
    return branch(games.Logistic(k=3.84), over="k=3.7:4", start=([0.488], [0.0]), rule=STEP, x0=1.0, period=3)


def test_orbits_of_period_three_are_born_in_a_fold_where_no_fixed_point_leads(of_three):
    # r x (1 - x) has them from r = 1 + sqrt(8), where the product of its three slopes is 1
    assert (of_three.kind, of_three.period) == ("orbits of period 3", 3)
    (fold,) = [p for p in of_three.points if p.kind == "fold"]
    assert fold.value == pytest.approx(1 + np.sqrt(8), abs=1e-10)
    x = of_three.orbits[:, :, 0]
    np.testing.assert_allclose(np.roll(x, -1, axis=1), of_three.values[:, None] * x * (1 - x), atol=1e-12)
    slopes = np.prod(of_three.values[:, None] * (1 - 2 * x), axis=1)
    np.testing.assert_allclose(of_three.margins, 1 - np.abs(slopes), atol=1e-7)


@pytest.mark.slow  # in the fast suite: the fold itself
def test_the_fold_of_orbits_of_period_three_in_two_numbers(of_three):
    # with steps of size h the map is that of r = 1 + h (k - 1)
    found = curve(of_three.points[0], over=("k=2:6", "lr=0.3:2"))
    k, h = found.values.T
    assert len(k) > 20
    np.testing.assert_allclose(h * (k - 1), np.sqrt(8), atol=1e-8)


@pytest.mark.slow  # in the fast suite: orbits of a rule that remembers nothing
def test_an_orbit_of_a_rule_that_remembers_needs_the_players_alone():
    # heavy ball with beta = -b and steps of size 1 on A - x^2 - (1 - b) x is the Henon map: orbits of period 2 are the
    # roots of x^2 - (1-b) x + (1-b)^2 - A, and double at A = (1-b)^2 + (1+b)^2/4
    b, rule = 0.3, dg.rule("heavy-ball", lr=1.0, beta=-0.3)
    x = max(np.roots([1.0, -(1 - b), (1 - b) ** 2 - 0.6]))
    found = branch(
        games.HenonWithMomentum(k=0.6),
        over="k=0.4:1.2",
        start=([round(x, 4)], [0.0]),
        rule=rule,
        x0=1.0,
        period=2,
    )
    doubling = next(p for p in found.points if p.kind == "flip")
    assert doubling.value == pytest.approx((1 - b) ** 2 + (1 + b) ** 2 / 4, abs=1e-10)
    left = found.phi[:, 0] ** 2 - (1 - b) * found.phi[:, 0] + (1 - b) ** 2 - found.values
    np.testing.assert_allclose(left, 0, atol=1e-10)


@pytest.mark.parametrize(
    ("start", "rule", "period", "words"),
    [
        (0.3, STEP, 3, r"\(0.3, 0.0\) at k = 3.84 is not on an orbit of period 3"),
        (1 - 1 / 3.84, STEP, 2, "has the period 1 already; allowed: period=1"),
        (0.488, None, 3, "period = 3 counts the iterations of a rule"),
        (0.488, STEP, 65, "period = 65"),
    ],
)
def test_a_start_on_no_such_orbit_is_refused(start, rule, period, words):
    with pytest.raises(dg.InputError, match=words) as error:
        branch(
            games.Logistic(k=3.84), over="k=3.7:4", start=([start], [0.0]), rule=rule, x0=1.0, period=period
        )
    assert "\n" not in str(error.value)


def test_no_law_is_claimed_where_the_second_derivative_jumps():
    # gan-qp in d = 1: phi' = -theta - gamma phi - |theta| phi/lam; beyond lr = gamma the circle is 2.33 (lr - gamma)
    # large, which no cubic coefficient tells, and the second derivative of |theta| phi by autodiff is 0
    found = branch(dg.variant("gan-qp").with_(r1=0.5), over="lr=0.1:2", rule=dg.rule("simultaneous", lr=0.4))
    (point,) = found.points
    assert point.kind == "neimark-sacker" and point.value == pytest.approx(0.5, abs=1e-10)
    assert point.coefficient is None and point.criticality == "" and not point.born
    assert "second derivative jumps" in point.text


def test_the_circle_of_the_delayed_logistic_map():
    # Kuznetsov 2004, section 4.7: a = 2, multipliers e^(+-i pi/3), supercritical
    found = branch(
        games.DelayedLogistic(k=1.8), over="k=1.5:2.2", start=([4 / 9], [4 / 9]), rule=STEP, x0=1.0
    )
    (point,) = found.points
    assert point.value == pytest.approx(2.0, abs=1e-10) and point.criticality == "supercritical"
    assert np.angle(point.eigenvalue) == pytest.approx(np.pi / 3, abs=1e-9)
    a, z = 2.02, np.array([0.51, 0.5])
    rows = []
    for k in range(12000):
        z = np.array([a * z[0] * (1 - z[1]), z[0]])
        if k > 4000:
            rows.append(z - (1 - 1 / a))
    there = circle(point, a)
    assert there.radius == pytest.approx(np.linalg.norm(rows, axis=1).max(), rel=2e-4)
    assert there.attracts and np.abs(there.exponents).min() < 1e-4
    assert there.residual < 1e-10


@pytest.mark.slow  # a fold of cycles: test_cycles.py; circles: the delayed logistic map's
def test_circles_turn_back_in_a_fold():
    game, low, high = games.TwoCircles(k=-0.1), -0.6, 0.1
    (point,) = branch(game, over=f"k={low}:{high}", start=([0.0], [0.0]), rule=STEP, x0=1.0).points
    found = born_circles(point, low, high)
    (fold,) = found.points
    assert (fold.kind, fold.side) == ("fold-of-circles", 1) and fold.value == pytest.approx(-0.25, abs=1e-10)
    # 0 = k + r^2 - r^4 about (0, 0), which lies at a distance of 1 from the datum
    outer = np.where(found.radii > 1.0 + np.sqrt(0.5), 1.0, -1.0)
    square = 0.5 * (1.0 + outer * np.sqrt(1.0 + 4.0 * found.values))
    np.testing.assert_allclose(found.radii, 1.0 + np.sqrt(square), rtol=1e-4)
    np.testing.assert_allclose(found.rotations, 1.0, atol=1e-9)
    # across the circle the map stretches by 1 + 2 r^2 - 4 r^4
    stretch = np.log(np.abs(1 + 2 * square - 4 * square**2))
    np.testing.assert_allclose(found.exponents[:, 0], stretch, atol=1e-5)
    assert {s for s, q in zip(found.statuses, square, strict=True) if q < 0.49} == {"unstable"}
    assert {s for s, q in zip(found.statuses, square, strict=True) if 0.51 < q < 0.99} == {"stable"}
    assert found.ends == ("a Neimark-Sacker point", "the end of the range") and found.residuals.max() < 1e-9
    with pytest.raises(dg.InputError, match="outside the range"):
        born_circles(point, 0.0, 1.0)


@pytest.mark.slow  # fast, of one that attracts: test_the_circle_of_the_delayed_logistic_map
def test_exponents_of_an_unstable_circle():
    found = branch(NS.with_(r1=0.7), over="lr=2:3.5", rule=dg.rule("extragradient"))
    (point,) = found.points
    there = circle(point, 0.999 * point.value)
    across, along = there.exponents  # the circle repels
    assert not there.attracts and abs(along) <= there.exponent_errors[1] < 1e-4
    # r+ = r (1 + height + c r^2) has the derivative 1 - 2 height at its circle
    multipliers = dg.spectrum(
        NS.with_(r1=0.7), dim=1, rule=dg.rule("extragradient", lr=there.value)
    ).multipliers
    assert across == pytest.approx(-2 * (np.abs(multipliers).max() - 1), rel=0.02)
    for value in (float("nan"), "a"):
        with pytest.raises(dg.InputError, match="value"):
            circle(point, value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"over": "nothing"}, "nothing"),
        ({"over": "gamma=1:1"}, "empty interval"),
        ({"over": "gamma=0"}, "NAME=LOW:HIGH"),
        ({"over": "gamma=-1:1"}, r"gamma = -1 .*numbers in \[0, "),
        ({"over": "gamma", "start": ([0.1], [0.2])}, "not an equilibrium"),
        ({"over": "n_critic", "rule": dg.rule("alternating")}, "integer"),
        ({"over": "lr", "rule": dg.rule("adam", eps=0.0)}, "no derivative"),
        ({"over": "lr"}, "belongs to a rule"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    with pytest.raises(dg.InputError, match=words) as error:
        branch(NS, **arguments)
    assert "\n" not in str(error.value)


def test_a_loss_without_a_derivative_has_no_branch():
    with pytest.raises(dg.InputError, match="no derivative"):
        branch(dg.variant("wgan-gp", c=1.0, lam=0.1), over="lam=0.1:1")


def test_a_derivative_that_only_differences_find_carries_no_branch():
    class Steep(dg.Variant):
        """The slope of |f|^1.5 is 0 at 0, where its second derivative is infinite."""

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake) - jnp.mean(real) + 0.1 * jnp.mean(jnp.abs(fake) ** 1.5)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    with pytest.raises(dg.InputError, match=r"has no value by its formula at \(phi, theta\) = \(0.0, 0.0\)"):
        branch(Steep().with_(r1=0.1), over="lr=0.01:1", rule=dg.rule("simultaneous"))


@pytest.mark.parametrize(("stays", "said"), [(4, ""), (5, "up to |z| = 5 "), (9, "up to |z| = 9 ")])
def test_a_branch_stands_upright_where_its_first_points_lie_at_one_value(stays, said):
    values, phi = np.append(np.full(stays, 0.5), 0.6), 0.6 * np.arange(1, stays + 2)[:, None]
    family = SimpleNamespace(around=SimpleNamespace(x0=np.ones(1)))
    found = _upright(
        SimpleNamespace(
            values=values, low=0, high=1, parameter="lr", phi=phi, theta=1 + phi * 4 / 3, family=family
        ),
        0.5,
    )
    assert found == (f"; it stands upright: {said}they all lie at lr = 0.5" if said else "")


def test_points_without_a_derivative_are_counted():
    none, some = SimpleNamespace(status=Status.NO_DERIVATIVE), SimpleNamespace(status=Status.STABLE)
    assert _unseen([some, some]) == ""
    assert _unseen([none, some, none]).startswith("; 2 of them have no derivative")


@pytest.mark.slow  # the sentence: test_a_branch_stands_upright_where_its_first_points_lie_at_one_value
def test_a_branch_that_stands_upright_says_so():
    # hinge is linear while |phi theta| < 1: multiplier -1 at h = 2/mu, mu^2 - 3 mu + 1 = 0, on orbits of every size
    found = branch(dg.variant("hinge").with_(r1=3.0), over="lr=0.1:1", rule=dg.rule("simultaneous"))
    (point,) = found.points
    assert point.value == pytest.approx(4 / (3 + 5**0.5), abs=1e-10) and point.criticality == "degenerate"
    (born,) = switch(point, 0.1, 1.0)
    up, at = born.text.partition("it stands upright: up to |z| = ")[2].split(" they all lie at lr = ")
    assert float(at) == pytest.approx(point.value, abs=1e-9)
    # on the eigenvector phi = -mu theta, as far as the loss is linear: mu theta^2 = 1
    mu = (3 + 5**0.5) / 2
    assert float(up) == pytest.approx(np.sqrt((1 + mu**2) / mu), rel=0.05)


@pytest.mark.slow  # the sentence: test_points_without_a_derivative_are_counted
def test_a_branch_without_derivatives_does_not_say_that_nothing_happens():
    found = branch(dg.variant("wgan-gp", c=0.0, lam=0.3), over="c=0:1")
    count = found.statuses.count("no-derivative")
    assert count == len(found.values) - 1
    assert found.text.endswith(
        f"; {count} of them have no derivative: what happens there no eigenvalue tells"
    )
