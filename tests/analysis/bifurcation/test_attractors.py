"""What starts end on, against a game whose basins are known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
import written_games as games

import diracgan as dg
from diracgan.analysis import basins, many_runs, run_ends
from diracgan.analysis.bifurcation.attractors import _edges
from diracgan.analysis.dynamical_system import Stretch
from diracgan.analysis.verdict import kicks
from diracgan.game import Players


def met(*given) -> basins.Basins:
    """The attractors that runs of this kind have met: none yet."""
    return basins.Basins(many_runs.Runs(*given))


@pytest.mark.slow  # the edge: a verdict of more effort
def test_rest_and_a_circle_attract_and_the_unstable_circle_is_the_edge():
    found = dg.attractors(games.Bistable(), box=1.0, starts=100, steps=2048, step_size=0.05, x0=1.0)
    circle, rest = found.found
    assert (circle.kind, rest.kind) == ("limit-cycle", "converges-exponentially")
    assert circle.radius == pytest.approx(1.0, rel=1e-4)
    # a disc of radius 1/2 in a square of side 2 holds pi/16 of the starts
    assert rest.share_low < np.pi / 16 < rest.share_high and rest.share + circle.share == 1.0
    (edge,) = found.edges
    assert edge.distance == pytest.approx(0.5, abs=1e-3)
    assert found.survives == pytest.approx(0.5, abs=1e-3)
    off = np.linalg.norm(np.array(found.drawn) - [0.0, 1.0], axis=1)
    np.testing.assert_array_equal(np.array(found.ends_on) == 1, off < 0.5)
    np.testing.assert_allclose(np.linalg.norm(np.array(circle.points) - [0.0, 1.0], axis=1), 1.0, rtol=1e-4)


def test_a_cycle_off_the_equilibrium_has_settled_whatever_part_of_a_turn_is_seen():
    # of TwoCycles turned round (0, 1): as seen from (0, 0), which is no centre of it, a row's distance swings from
    # 1 - r to 1 + r, and the halves of what is seen hold 3.98 turns each
    found = met(games.Bistable(), None, np.ones(1), 0.02, 10_000, 1.5)
    found.runs.centre = np.zeros(2)
    starts = np.array([[0.4, 1.9], [0.7, 1.2], [-0.8, 0.3]])
    assert found.grouped(found.runs.ends(starts)).tolist() == [0, 0, 0]


def test_what_is_turned_is_one_attractor():
    # in d = 2 each start ends on a cycle of its own line through the datum, or circle of its own sense
    found = met(dg.variant("wgan-gp"), None, np.zeros(2), 0.05, 4096, 1.0)
    turned = [np.kron(np.eye(2), [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in (0.0, 1.0, 2.5)]
    start = np.array([0.3, -0.2, 0.1, 0.4])
    assert found.grouped(found.runs.ends(np.array([r @ start for r in turned]))).tolist() == [0, 0, 0]


def test_runs_on_a_strange_attractor_are_one_attractor():
    # Henon's map with k = 1.4: all that stays bounded ends on one set, of which each run's rows are another sample
    rule = dg.rule("simultaneous", lr=1.0)
    found = dg.attractors(games.Henon(k=1.4), rule=rule, box=1.0, starts=16, steps=1024, x0=1.0)
    kinds = sorted(a.kind for a in found.found)
    assert kinds == ["chaotic", "diverges"] and found.unsettled < 0.5
    assert len(found.edges) == 1 and found.survives is None


def test_what_is_slowly_on_its_way_to_rest_is_no_attractor():
    # r' = -1e-4 r: after T = 20 every start is still where it was, on a circle of its own
    found = dg.attractors(dg.variant("wgan-linear").with_(consensus=1e-4), box=1.0, starts=3, steps=1024)
    assert found.found == [] and found.edges == [] and found.unsettled == 1.0
    assert found.ends_on == [-1, -1, -1] and found.text == "100 % not settled"


@pytest.mark.slow  # on its way to rest, above
def test_runs_that_creep_far_off_are_no_attractors():
    # steps of 2.74 throw starts to |z| of 1e3 to 1e6, where sigmoids are flat and a run creeps for ever
    v, rule = dg.variant("ns").with_(r1=0.35), dg.rule("extragradient", lr=2.7396)
    found = dg.attractors(v, rule, box=2.0, starts=40)
    kinds = [str(a.kind) for a in found.found]
    assert "undecided" not in kinds and kinds.count("converges-exponentially") == 1 and found.unsettled > 0
    assert sum(a.count for a in found.found) == round((1 - found.unsettled) * 40)


def test_the_phases_of_an_orbit_of_period_two_are_one_attractor():
    # phi+ = 3.2 phi (1 - phi): what begins in (0, 1) ends on {0.513, 0.799}, at either phase; else it diverges
    found = dg.attractors(games.Logistic(k=3.2), dg.rule("simultaneous", lr=1.0), 0.9, 16, 10_000, x0=1.0)
    assert sorted(a.kind for a in found.found) == ["diverges", "limit-cycle"]
    (orbit,) = (a for a in found.found if a.kind == "limit-cycle")
    assert orbit.centre[0] == pytest.approx((1 + 1 / 3.2) / 2, abs=1e-9)  # x + y = 1 + 1/k


def test_the_points_of_an_orbit_whose_period_keeps_time_with_the_rows_are_one_attractor():
    # phi+ = k phi (1 - phi) has an attracting orbit of period 7 at k = 3.7017; 10,000 steps keep every seventh
    k, x = 3.7017, 0.4
    for _ in range(20_000):
        x = k * x * (1 - x)
    orbit = [x := k * x * (1 - x) for _ in range(7)]
    assert abs(k * x * (1 - x) - orbit[0]) < 1e-9 and np.ptp(orbit) > 0.5
    found = met(games.Logistic(k=k), dg.rule("simultaneous", lr=1.0), np.ones(1), 1.0, 10_000, 1.0)
    starts = np.stack([np.linspace(0.1, 0.9, 12), np.zeros(12)], axis=1)
    assert set(found.labels(starts).tolist()) == {0}
    assert found.known[0].centre[0] == pytest.approx(np.mean(orbit), abs=1e-9)
    assert found.known[0].diameter == pytest.approx(np.ptp(orbit), abs=1e-9)


@pytest.mark.parametrize("turns", [2.4, 4.24, 7.5])
def test_rows_that_end_within_a_turn_of_one_cycle_are_of_one_attractor(turns):
    # a plain mean of 4.24 turns of radius 0.9 is off the centre by 0.05, in a direction that the phase has
    found = met(dg.variant("ns"), None, np.zeros(1), 0.02, 4096, 2.0)
    angles = 2 * np.pi * (np.linspace(0.0, turns, many_runs.ROWS) + np.linspace(0, 1, 9)[:, None])
    ends = [run_ends.end_of(0.9 * np.stack([np.cos(a), np.sin(a)], axis=1), np.zeros(2)) for a in angles]
    assert set(found.grouped(ends).tolist()) == {0}
    assert np.linalg.norm(found.known[0].centre) < basins.SAME * found.known[0].diameter


def test_a_run_that_only_goes_on_is_no_attractor_however_slowly():
    # ns + R1 under extragradient steps of 2.74: thrown to theta = -5e5, from where it creeps back by 1e-4 a step, with
    # phi' and theta' of the size of e^-590; and where it crept, a limit cycle and a line of equilibria were told
    v, rule = dg.variant("ns").with_(r1=0.35), dg.rule("extragradient", lr=2.74)
    found = met(v, rule, np.zeros(1), 2.74, 10_000, 2.0)
    start = np.array([1.2530809568010897, 1.6510223091108869])
    assert found.labels(start[None]).tolist() == [basins.UNSETTLED]
    for phi, theta in [start, (0.42654310306871945, 0.9179862439359936)]:
        assert dg.verdict(v, [phi], [theta], rule, effort=0.1, edge=False).kind == "undecided"


def test_many_starts_are_followed_in_parts(monkeypatch):
    monkeypatch.setattr(many_runs, "_AT_ONCE", 2 * 512 * 8)
    told = []
    found = dg.attractors(
        dg.variant("ns").with_(r1=0.5),
        dg.rule("simultaneous", lr=0.1),
        1.0,
        20,
        1024,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(8, 20), (16, 20), (20, 20)] and found.found[0].count == 20


@pytest.mark.parametrize(
    "bad",
    [
        {"box": 0.0},
        {"starts": 0},
        {"starts": 100_000, "dim": 1000},
        {"steps": 3},
        {"step_size": -1.0},
        {"seed": -1},
    ],
)
def test_bad_input_is_one_line(bad):
    with pytest.raises(dg.InputError) as error:
        dg.attractors(dg.variant("ns"), **bad)
    assert next(iter(bad)) in str(error.value) and "\n" not in str(error.value)


def test_a_verdict_says_from_where_a_cycle_attracts():
    # the unstable circle r = 1/2 lies between rest and the stable circle r = 1
    told = dg.verdict(games.Bistable(), [0.1], [1.1], x0=[1.0])
    assert told.kind == "converges-exponentially" and told.numbers["edge"] == pytest.approx(0.5, abs=1e-3)
    assert told.text.endswith("from |z| > 0.5 along this ray a cycle attracts instead")
    # another unit of time moves no edge
    faster = dg.bifurcation.kick(games.Bistable(), [0.1], [1.1], x0=[1.0], rate_d=2.0, rate_g=2.0)
    assert faster.distance == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("rate", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_an_edge_is_found_in_any_units(rate, size):
    class Scaled(games.Bistable):
        @staticmethod
        def _bowl(phi, u):
            return size**2 * games.Bistable._bowl(phi / size, u / size)

    seen = dg.bifurcation.kick(Scaled(), [0.1 * size], [1 + 0.1 * size], x0=[1.0], rate_d=rate, rate_g=rate)
    assert seen.distance == pytest.approx(0.5 * size, rel=1e-3)


class SlowRest(games.Bistable):
    """With u = theta - 1: r' = -r^3 + r^5, angle' = 1: to 0 like (2 t)^-1/2 below r = 1, off in a finite time above."""

    @staticmethod
    def _bowl(phi, u):
        s = phi**2 + u**2
        return s**2 / 4 - s**3 / 6


def test_a_slow_approach_is_kicked_out_as_well():
    told = dg.verdict(SlowRest(), [0.3], [1.4], x0=[1.0], effort=0.1)
    assert told.kind == "converges-sublinearly" and told.numbers["edge"] == pytest.approx(1.0, abs=1e-3)
    assert told.text.endswith("along this ray it blows up in finite time instead")


@pytest.mark.slow  # neighbours: the next test
def test_cycles_of_one_family_are_no_attractors_beside_each_other():
    # each coordinate's cycle has the size that its own start and memory left it: 0.877 to 0.962 from |z| = 3.86,
    # 0.889 to 0.954 from 3.94, and so on
    v, rule = dg.variant("wgan-linear").with_(r2=0.3), dg.rule("rmsprop", lr=0.17)
    assert dg.bifurcation.kick(v, [-1.35, -0.59], [-0.09, 0.69], rule) is None


def test_neighbours_end_apart_on_two_sides_of_an_edge_and_not_in_one_family():
    # minimax turns on every circle; of Bistable the circle r = 1/2 is an edge
    neutral = met(dg.variant("saturating"), None, np.zeros(1), 0.05, 2048, 2.0)
    assert not neutral.tells_apart(np.array([0.4, 0.3]), np.array([0.4001, 0.3]))
    edge = met(games.Bistable(), None, np.ones(1), 0.05, 4096, 2.0)
    assert edge.tells_apart(np.array([0.4, 1.299]), np.array([0.4, 1.301]))


def test_only_rules_that_solve_equations_are_too_slow_to_look_around():
    class Transformed(dg.Variant):
        """A loss with an operation that no scalar program has."""

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake) - jnp.mean(jnp.fft.ifft(jnp.fft.fft(real)).real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    start = np.array([0.1, 0.1])
    for variant in (Transformed(), dg.variant("ns")):
        for rule, slow in (("optimistic", False), ("implicit", True)):
            runs = many_runs.Runs(variant, dg.rule(rule, lr=0.1), np.zeros(1), 0.1, 1024, 1.0)
            assert runs.solves(start) == slow


@pytest.mark.parametrize(
    ("result", "reached", "label"),
    [
        ("max steps", 0.5, basins.UNSETTLED),
        ("stiff", 0.5, basins.UNSETTLED),
        ("stiff", 1e9, basins.DIVERGED),  # of a blow-up
        ("diverged", 1e150, basins.DIVERGED),
    ],
)
def test_a_run_that_is_given_up_has_not_diverged(monkeypatch, result, reached, label):
    def given_up(self, state, time, span, rows):
        return Stretch(np.zeros(0), np.zeros((0, 2)), np.full(2, reached), time, result, time, "", 0.0, 0)

    monkeypatch.setattr(many_runs.ContinuousSystem, "advance", given_up)
    basin = met(dg.variant("wgan-gp", c=1.0), None, np.zeros(1), 0.1, 1024, 1.0)
    assert basin._group(basin.runs.located_end(np.array([0.1, 0.2]))) == label


def test_the_rows_of_a_flow_are_those_of_runge_kutta_steps():
    # wgan-linear: z' = i z for z = phi + i theta, so that a step multiplies z by the exponential's first five terms
    h, steps = 0.1, 4096
    rows = many_runs.Runs(dg.variant("wgan-linear"), None, np.zeros(1), h, steps, 2.0)._rows(
        np.array([[0.3, 0.4]])
    )
    factor = sum((1j * h) ** k / math.factorial(k) for k in range(5))
    kept = steps - 2 * np.arange(512)[::-1]
    np.testing.assert_allclose(rows[0] @ [1, 1j], (0.3 + 0.4j) * factor**kept, rtol=1e-10)


def test_a_cycle_of_steps_is_not_taken_for_a_slow_approach_to_rest():
    # ns + R1 = 0.5, optimistic steps of 1.28: beyond an unstable circle another motion attracts, of which a start
    # with an empty memory lies in the basin of rest
    v, rule = dg.variant("ns").with_(r1=0.5), dg.rule("optimistic", lr=1.28)
    run = dg.simulate(v, phi0=[0.825], theta0=[0.825], rule=rule, steps=100_000, every=100)
    assert np.hypot(run.phi.values, run.theta.values)[1:].min() > 0.5
    told = dg.verdict(v, [0.825], [0.825], rule=rule, effort=0.1, edge=False)
    assert told.kind != "converges-exponentially"


@pytest.mark.slow  # located: the next test
def test_where_the_field_switches_an_end_must_not_depend_on_the_step():
    # wgan-gp, c = 1, d = 1: one cycle attracts for lam < 1; for lam >= 1 starts creep to phi = 0, theta = +-2 lam c
    found = dg.attractors(dg.variant("wgan-gp", c=1.0, lam=0.35), starts=8, steps=4096)
    assert [(a.kind, a.share) for a in found.found] == [("limit-cycle", 1.0)] and found.unsettled == 0


def test_a_motion_that_depends_on_the_step_is_followed_with_its_switchings_located(monkeypatch):
    lam = 0.35
    found = met(dg.variant("wgan-gp", c=1.0, lam=lam), None, np.zeros(1), 0.02, 4096, 2.0)

    def apart(draws, tell=None, finer=1):
        return [run_ends.at_rest(np.array([0.0, 10.0 * finer]), 10.0 * finer)]

    monkeypatch.setattr(found, "_followed", apart)
    (label,) = found.labels(np.array([[0.5, 0.5]]))
    # on phi > 0: theta - 2 lam = -(a + 2 lam) e^(-lam t) (cos wt + lam/w sin wt) for half a turn, with
    # a = 2 lam coth(pi lam/2w)
    w = np.sqrt(1 - lam**2)
    t, a = np.linspace(0, np.pi / w, 2001), 2 * lam / np.tanh(np.pi * lam / (2 * w))
    theta = 2 * lam - (a + 2 * lam) * np.exp(-lam * t) * (np.cos(w * t) + lam / w * np.sin(w * t))
    phi = (a + 2 * lam) * np.exp(-lam * t) * np.sin(w * t) / w
    assert found.known[label].largest == pytest.approx(np.hypot(phi, theta).max(), rel=1e-3)


def test_a_slow_approach_to_rest_is_one_also_where_another_start_has_come_to_rest_before(monkeypatch):
    # the first start has come to within 1e-7 of the equilibrium, and so it is known; the second is followed to it by
    # steps, and still shrinks where its switchings are located
    found = met(dg.variant("wgan-gp", c=1.0, lam=0.35), None, np.zeros(1), 0.02, 4096, 2.0)
    rested = run_ends.at_rest(np.zeros(2), 1e-7)
    shrinks = run_ends.RunEnd(np.array([0.02, 0.01, 0.03, 0.0, 0.0]), np.zeros((4, 5)), (0.02, 0.015))
    located = iter([rested, shrinks])
    monkeypatch.setattr(found, "_followed", lambda draws: [rested, run_ends.at_rest(np.zeros(2), 0.0)])
    monkeypatch.setattr(found.runs, "located_end", lambda draw: next(located))
    assert found.located_labels(np.zeros((2, 2))).tolist() == [0, 0]


def test_a_motion_that_passes_an_unstable_equilibrium_has_not_settled():
    # Adam steps of 0.0098 against eps = 1e-8: at rest the map's multipliers are as large as lr/eps, however near
    # a start may come for a while
    adam = met(dg.variant("ns").with_(r1=0.43), dg.rule("adam", lr=0.0098), np.zeros(1), 0.0098, 64, 2.0)
    flow = met(dg.variant("ns").with_(r1=0.43), None, np.zeros(1), 0.02, 64, 2.0)
    near = run_ends.at_rest(np.full(2, 1e-70), 1e-70)
    assert adam.grouped([near]).tolist() == [basins.UNSETTLED]
    assert flow.grouped([near]).tolist() == [0]


@pytest.mark.slow  # a cycle of steps, and a slow approach, above
def test_a_small_cycle_is_not_taken_for_an_approach_to_rest_and_a_slow_approach_is_one():
    # ns + R1 = 0.05 under simultaneous steps: beyond lr = 0.2 a circle of radius 1.45 sqrt(lr - 0.2) = 0.065, which
    # starts near like exp(-1e-4 n)
    v, rule = dg.variant("ns").with_(r1=0.05), dg.rule("simultaneous", lr=0.202)
    (one,) = dg.attractors(v, rule, box=1.0, starts=6, steps=10_000).found
    assert one.kind == "limit-cycle" and one.radius == pytest.approx(0.065, rel=0.05)
    # r^2 t -> 8 in d = 1
    (one,) = dg.attractors(dg.variant("ns"), box=5.0, starts=6, steps=4096).found
    assert one.kind == "converges-sublinearly" and one.share == 1.0


def test_no_edge_is_told_of_a_start_from_which_the_basins_steps_diverge(monkeypatch):
    labels = np.array([basins.DIVERGED] + 23 * [0])
    monkeypatch.setattr(kicks.Basins, "labels", lambda self, draws, tell=None: labels[: len(draws)])
    assert kicks.kick(dg.variant("ns").with_(r1=0.5), [0.1], [0.1]) is None


def test_nothing_is_told_where_steps_of_the_flow_diverge_and_the_flow_does_not(monkeypatch):
    labels = np.array(10 * [0] + 14 * [basins.DIVERGED])
    monkeypatch.setattr(kicks.Basins, "labels", lambda self, draws, tell=None: labels[-len(draws) :])
    monkeypatch.setattr(kicks, "_sides", lambda basins, one, two: np.stack([one, two]))
    assert kicks.kick(dg.variant("wgan-gp", c=1.0, lam=0.3), [0.4], [0.4]) is None


def test_an_edge_lies_between_basins_that_meet():
    # 0, 1 and 2 for phi below -1, between, and above 1: between the first and the last there is none
    at = SimpleNamespace(
        labels=lambda draws: np.digitize(draws[:, 0], [-1.0, 1.0]),
        runs=SimpleNamespace(box=2.0, centre=np.zeros(2)),
    )
    draws = np.random.default_rng(0).uniform(-2, 2, size=(60, 2))
    found = _edges(at, [0, 1, 2], at.labels(draws), draws)
    assert [edge.between for edge in found] == [(0, 1), (1, 2)]
    np.testing.assert_allclose([edge.point[0] for edge in found], [-1, 1], atol=1e-8)


class Tristable(dg.Rule):
    """phi+ = phi - phi (phi^2 - 1) (phi^2 - 4)/20, theta+ = theta/2: 0 and +-2 attract, +-1 repel."""

    def iterate(self, game, players, memory):
        p, t = players
        return Players(p - 0.05 * p * (p * p - 1) * (p * p - 4), 0.5 * t), memory


@pytest.mark.slow  # in the fast suite: the test before
def test_attractors_between_whose_basins_another_lies_have_no_edge():
    # the map is monotone on [-2.3, 2.3]: edges lie at phi = +-1, and between the basins of -2 and 2 there is none;
    # the ends of a bisection between them were 2 apart, and their middle an edge at |z| = 0.3
    found = dg.attractors(dg.variant("ns"), rule=Tristable(), box=2.2, starts=40, steps=1024)
    assert sorted(round(a.centre[0], 6) for a in found.found) == [-2, 0, 2]
    assert len(found.edges) == 2
    for edge in found.edges:
        assert abs(edge.point[0]) == pytest.approx(1.0, abs=1e-6)
        assert 0 in {round(found.found[i].centre[0]) for i in edge.between}
    # along the flattest of the rays that meet an edge: 1/cos of its angle, a tenth at 25 degrees
    assert found.survives == pytest.approx(1.0, rel=0.1) and found.survives >= 1.0


class OneStays(dg.Rule):
    """phi+ = phi/10, theta stays: every (0, theta) is a rest point."""

    def iterate(self, game, players, memory):
        return Players(0.1 * players.phi, players.theta), memory


@pytest.mark.parametrize(
    ("variant", "rule", "kind"),
    [
        # |phi|^2 + |theta|^2 is conserved
        pytest.param(dg.variant("saturating"), None, "neutral-orbit", marks=pytest.mark.slow),
        (dg.variant("ns"), OneStays(), "converges-elsewhere"),
    ],
)
def test_ends_that_fill_a_continuum_are_one_entry_and_have_no_edges(variant, rule, kind):
    # twelve starts ended on twelve "attractors" with 66 edges between them
    found = dg.attractors(variant, rule=rule, box=1.0, starts=12, steps=1024)
    (one,) = found.found
    assert (one.kind, one.share, found.edges, found.survives) == (kind, 1.0, [], None)
    assert "continuum" in one.text
