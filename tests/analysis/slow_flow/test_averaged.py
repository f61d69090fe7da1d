"""The averaged flow of adaptive rules against iterated maps, limits in closed form, and symmetries."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import diracgan as dg
from diracgan.analysis.slow_flow.averaged import _end, _iterated
from diracgan.analysis.slow_flow.cycles import Cycle
from diracgan.analysis.slow_flow.rotation import drifts, return_map
from diracgan.game import Players
from diracgan.rules import RULES

LINEAR = dg.variant("wgan-linear")


NS = dg.variant("ns").with_(r1=0.0)


def adam(lr=0.01, **parameters):
    return dg.rule("adam", lr=lr, **parameters)


# largest |phi| over the last fifth of 400,000 steps from (0.1, 0.2), lr 0.01, eps 1e-8: figures of the issue
@pytest.mark.parametrize(
    ("beta1", "beta2", "alternating", "largest"),
    [
        (0.0, 0.99, False, 0.2829),
        (0.5, 0.999, False, 1.550),
        (0.9, 0.999, False, 3.917),
        pytest.param(0.0, 0.99, True, 0.0100, marks=pytest.mark.slow),
        # one player after the other: the limit of a long second moment, below
        pytest.param(0.5, 0.999, True, 1.2653, marks=pytest.mark.slow),
        (0.9, 0.999, True, 3.8117),
    ],
)
def test_figures_of_iterated_runs(beta1, beta2, alternating, largest):
    found = dg.averaged(LINEAR, adam(beta1=beta1, beta2=beta2, alternating=alternating))
    assert found.amplitude == pytest.approx(largest, rel=1e-3)
    assert (found.kind.value == "orbit") == (largest == 0.01) == bool(found.iterated)
    if not found.iterated:
        (cycle,) = found.cycles
        assert cycle.stable and abs(cycle.multipliers[0]) < 1 and cycle.residual < 1e-6
        assert sorted(found.memory_times) == pytest.approx([1 / (1 - beta1)] * 2 + [1 / (1 - beta2)] * 2)


def run(variant, rule, steps=60_000):
    """Largest |phi| over the last fifth of a run, and the mean time between upward passages through 0."""
    phi = dg.simulate(variant, rule=rule, steps=steps, dim=1).phi.values[:, 0]
    phi = phi[-steps // 5 :]
    up = np.flatnonzero((phi[:-1] < 0) & (phi[1:] >= 0))
    at = up - phi[up] / (phi[up + 1] - phi[up])
    return float(np.abs(phi).max()), float(np.diff(at).mean())


@pytest.mark.parametrize(
    ("beta1", "beta2", "lr"), [(0.0, 0.9, 0.01), (0.5, 0.999, 0.01), (0.9, 0.999, 0.001), (0.9, 0.9, 0.01)]
)
def test_a_nonlinear_game_against_its_own_runs(beta1, beta2, lr):
    rule = adam(lr=lr, beta1=beta1, beta2=beta2)
    amplitude, period = run(NS, rule)
    found = dg.averaged(NS, rule)
    assert found.amplitude == pytest.approx(amplitude, rel=2e-3)
    assert found.period == pytest.approx(period, rel=2e-3)


def test_the_limit_of_a_long_second_moment():
    # v nearly constant over a rotation: growth w^2 (tau1 + 1/2) by the lag of m and of the step against the damping
    # 1/(8 tau2) by v's ripple at 2 w, where A = lr sqrt(2)/w: A = 4 lr sqrt(tau2 (tau1 + 1/2)), without the
    # 1/2 where the players take turns
    for beta1, tau1 in ((0.0, 0.0), (0.5, 1.0)):
        found = dg.averaged(LINEAR, adam(beta1=beta1, beta2=0.9999))
        assert found.amplitude == pytest.approx(0.04 * math.sqrt(1e4 * (tau1 + 0.5)), rel=3e-3)
        assert found.period == pytest.approx(2 * math.pi * math.sqrt(8e4 * (tau1 + 0.5)), rel=3e-3)
    found = dg.averaged(LINEAR, adam(beta1=0.5, beta2=0.9999, alternating=True))
    assert found.amplitude == pytest.approx(0.04 * math.sqrt(1e4), rel=3e-3)


def test_it_grows_without_bound_exactly_from_beta1_equal_to_beta2_on():
    # far out v follows g^2: passing 0 moves the other player's turning point by lr (2 (tau2 - tau1) log(2 R/sigma)
    # - 2 tau2 - 1) inwards, sigma^2 = beta2/(1 - beta2)^2: outwards for ever from beta1 = beta2 on, and then R' ~ 1/R
    # above it a quarter turn from a few steps' radius may leave hundreds of steps farther out (0.95, 0.66)
    for beta1, beta2 in ((0.9, 0.9), (0.95, 0.9), (0.95, 0.66)):
        found = dg.averaged(LINEAR, adam(beta1=beta1, beta2=beta2))
        assert found.kind.value == "growing" and found.amplitude is None and not found.cycles
    found = dg.averaged(LINEAR, adam(beta1=0.9, beta2=0.9))
    assert found.growth == pytest.approx(0.5, abs=0.01) and found.unbounded
    # at beta2 = 0.905 the logarithm wins at R = (s/2) exp((2 t + 1)/(2 (t - tau1))) = 9e8 steps, beyond what is
    # looked at
    nearly = dg.averaged(LINEAR, adam(beta1=0.9, beta2=0.905))
    assert nearly.kind.value == "growing" and not nearly.unbounded and "may lie beyond" in nearly.text
    # outwards by lr (2 tau2 + 1) = 19 lr four times in the 4 R/lr steps round the square: R dR/dn = 19 lr^2
    assert found.radii[-1] * found.drift[-1] * (found.step_sizes[1] / 0.01) ** 2 == pytest.approx(
        19.0, rel=0.01
    )
    assert dg.averaged(LINEAR, adam(beta1=0.9, beta2=0.93)).kind.value == "limit-cycle"


@pytest.mark.parametrize(
    ("beta1", "beta2", "largest", "period"),  # of the map, over the last fifth of 300,000 steps
    [(0.2, 0.3, 0.7263, 293.28), (0.3, 0.4, 0.7282, 295.16), (0.5, 0.6, 0.5605, 231.41)],
)
def test_a_memory_of_two_steps_against_the_map(beta1, beta2, largest, period):
    found = dg.averaged(LINEAR, adam(beta1=beta1, beta2=beta2))
    assert found.amplitude == pytest.approx(largest, rel=0.01) and not found.iterated
    assert found.period == pytest.approx(period, rel=0.01) and found.cycles[0].stable


@pytest.mark.slow  # fast: shorter rotations, above
def test_a_far_cycle_of_a_short_memory_attracts_from_both_sides():
    # the map comes in from 7000 steps and goes out from 4500 (700,000 iterations each); t = 7/13 and tau1 = 3/7 give
    # R = (s/2) exp((2 t + 1)/(2 (t - tau1))) = 5770
    t, tau1, s = 0.35 / 0.65, 0.3 / 0.7, math.sqrt(0.35) / 0.65
    closed = 0.5 * s * math.exp((2 * t + 1) / (2 * (t - tau1)))
    for phi0 in (0.1, 70.0):
        found = dg.averaged(LINEAR, adam(beta1=0.3, beta2=0.35), phi0=phi0, theta0=0.0)
        (cycle,) = found.cycles
        assert cycle.stable and found.amplitude == pytest.approx(0.01 * closed, rel=0.02)
        assert 45.0 < found.amplitude < 70.0


def test_the_bilinear_game_knows_no_scale():
    first = dg.averaged(LINEAR, adam(beta1=0.5, beta2=0.99))
    compiled = drifts._cache_size(), return_map._cache_size()
    second = dg.averaged(LINEAR, adam(lr_d=1e-4, lr_g=3e-4, beta1=0.5, beta2=0.99))
    assert (
        drifts._cache_size(),
        return_map._cache_size(),
    ) == compiled  # one program for both ways to give rates
    assert second.amplitude / 1e-4 == pytest.approx(first.amplitude / 0.01, rel=2e-3)
    assert second.amplitude_theta / 3e-4 == pytest.approx(first.amplitude_theta / 0.01, rel=2e-3)
    assert second.period == pytest.approx(first.period, rel=2e-3)


def test_r1_bounds_the_cycle_where_the_second_moment_is_slow():
    # the damping gamma w / (2 a0) of R1 against w^2 (tau1 + 1/2): A = 2 sqrt(2) lr a0 (tau1 + 1/2)/gamma, small gamma
    found = dg.averaged(NS.with_(r1=0.05), adam(lr=1e-4, beta1=0.0, beta2=0.9999))
    assert found.amplitude == pytest.approx(math.sqrt(2) * 1e-4 * 0.5 / 0.05, rel=0.03)


@pytest.mark.slow  # that it grows: above
def test_no_cycle_is_told_from_a_rotation_or_two():
    """Grows for ever, one rotation in 60,000 iterations: over a window of 80,000 phi's mean square tells nothing."""
    with jax.enable_x64(True):
        rule, at = adam(beta1=0.95, beta2=0.66), Players(np.array([0.1]), np.array([0.2]))
        end = _iterated(LINEAR, rule, np.zeros(1), at, Players(np.array(0.01), np.array(0.01)))
    assert end.kind.value in ("growing", "undecided") and end.iterated == 1_600_000


@pytest.mark.slow  # no fast witness: too dear
def test_optax_is_followed_by_its_own_code():
    own = dg.averaged(LINEAR, adam(beta1=0.5))
    theirs = dg.averaged(LINEAR, dg.rule.from_optax(optax.adam(0.01, 0.5, 0.999)))
    assert theirs.amplitude == pytest.approx(own.amplitude, rel=1e-6)


@pytest.mark.slow  # growth without bound: Adam's from beta1 = beta2 on, above
def test_amsgrad_never_forgets_and_grows():
    # steps are h g/R on a circle of radius R, so that its lag pumps R dR/dn = const
    found = dg.averaged(LINEAR, "amsgrad:lr=0.01,beta1=0.5")
    assert found.kind.value == "growing" and found.unbounded and math.isinf(found.memory_times[-1])
    assert found.growth == pytest.approx(0.5, abs=0.005)
    assert (
        dg.verdict(LINEAR, dim=1, rule=dg.rule("amsgrad", lr=0.01, beta1=0.5), effort=0.2, edge=False).kind
        == "diverges"
    )


@pytest.mark.parametrize(("beta1", "tau1"), [(0.0, 0.0), (0.5, 1.0), (0.7, 7 / 3)])
def test_amsgrad_is_pumped_by_two_thirds_of_its_lag(beta1, tau1):
    # each peak x_{k+1} = (1 + p) sqrt(x_k x_{k-1}): the maxima, which grow along, leave two thirds of p
    rule = dg.rule("amsgrad", lr=0.01, beta1=beta1, beta2=0.9)
    found = dg.simulate(LINEAR, rule=rule, steps=200_000, phi0=[5.0], theta0=[0.0], every=10)
    squares = (found.phi.values[:, 0] ** 2 + found.theta.values[:, 0] ** 2) / 1e-4
    half = len(squares) // 2
    gained = (squares[-1] - squares[half]) / (2 * 100_000)
    assert gained == pytest.approx(2 / 3 * (tau1 + 0.5), rel=0.03)


@pytest.mark.slow  # Adam against its own runs: above
@pytest.mark.parametrize(
    "spec",
    ["adamw:lr=0.01,beta1=0.5,weight_decay=0.1", "rmsprop:lr=0.01,beta2=0.99"],
)
def test_every_adaptive_rule_that_forgets_against_its_own_runs(spec):
    largest, period = run(NS, dg.rule(spec), steps=20_000)
    found = dg.averaged(NS, spec)
    assert found.iterated == 0
    assert found.amplitude == pytest.approx(largest, rel=0.01) and found.period == pytest.approx(
        period, rel=0.01
    )


@pytest.mark.slow  # Adam against its own runs: above
def test_a_rule_of_ones_own_is_averaged_like_adam():
    """Ten lines, with a second moment of both players together."""
    name = "my-normalised"

    @dg.register_rule(name)
    class Normalised(dg.Rule):
        is_adaptive = True

        def memory(self, game, players):
            return jnp.zeros(())

        def iterate(self, game, players, memory):
            v = game.velocity(players)
            memory = 0.99 * memory + 0.01 * jnp.sum(v.phi**2 + v.theta**2)
            rates = self.rates._replace(phi=self.lr / jnp.sqrt(memory), theta=self.lr / jnp.sqrt(memory))
            return game.apply_step(dg.rules.move_both(players, rates, v), rates), memory

    try:
        rule = dg.rule(name, lr=0.01)
        found = dg.averaged(NS, rule)
        largest, period = run(NS, rule, steps=20_000)
        assert found.amplitude == pytest.approx(largest, rel=0.01) and not found.iterated
        # the square of both hardly ripples on a circle: nothing damps but the game, by A^2/8, and a step's half pumps
        assert found.period == pytest.approx(period, rel=0.01)
        kind = dg.verdict(NS, dim=1, rule=rule, effort=0.2, edge=False)
        assert kind.kind == "limit-cycle" and kind.numbers["period"] == pytest.approx(found.period, rel=0.01)
        assert "by its averaged flow" in dg.explain(NS, rule=rule).notes[-1]
        assert dg.ema(NS, rule, decay=[0.99]).text
    finally:
        del RULES.entries[name]


@pytest.mark.parametrize(
    ("rule", "start", "holds"),
    [
        ("simultaneous:lr=0.01", {}, "follow the size of the gradient"),
        ("adam:lr=0.01", {"phi0": [0.1, 0.2], "theta0": [0.1, 0.2]}, "allowed: d = 1"),
        ("adam:lr=0.01", {"phi0": 0.0, "theta0": 0.0}, "the start is the equilibrium"),
        ("adam:lr=1e-8", {}, "steps from the equilibrium; allowed: at most 1e\\+06"),
        ("adam:lr=0.01,eps=10", {}, "eps dominates the steps of adam.*; allowed: a smaller eps, or"),
    ],
)
def test_what_is_refused(rule, start, holds):
    with pytest.raises(dg.InputError, match=holds):
        dg.averaged(LINEAR, rule, **start)


@pytest.mark.slow  # fast, of Adam: eps dominates, above
def test_a_player_whose_gradient_is_of_third_order_is_named():
    # targets 1 and 0: the critic's velocity is -phi theta^2, 1e-5 where |z| = 0.02, beside sqrt(eps) = 1e-4
    game = dg.variant("lsgan", real_label=1.0, fake_label=0.0, target=1.0)
    with pytest.raises(
        dg.InputError, match="the critic's gradient .* so small that eps dominates the steps of rmsprop"
    ):
        dg.averaged(game, "rmsprop:lr=0.003")
    assert dg.averaged(game, "rmsprop:lr=0.003,eps=1e-20").kind.value == "orbit"


def test_steps_that_overflow_are_refused():
    with pytest.raises(dg.InputError, match="are not finite about"):
        dg.averaged(dg.variant("lsgan"), adam(), phi0=1e300, theta0=1.0)


@pytest.mark.slow  # other learning rates: the game knows no scale
def test_no_start_lies_beyond_the_radii_that_were_followed():
    found = dg.averaged(NS, adam(lr=1e-6, beta1=0.0, beta2=0.9))  # 2e5 steps away
    distance = math.hypot(*found.start) / found.step_sizes.mean()
    assert found.kind.value == "limit-cycle" and found.radii[-1] > distance > 1e5
    assert found.arrival > distance  # no more than one step towards it per iteration


def test_what_comes_to_rest_does_not_chatter():
    found = dg.averaged(NS.with_(r1=1.0), adam(eps=0.1), phi0=5.0, theta0=5.0)
    assert (found.kind.value, found.amplitude, found.period) == ("equilibrium", 0.0, None)


def test_a_start_just_inside_an_unstable_cycle_is_led_inwards():
    radii = 3.0 * 1.3 ** np.arange(8)
    inner, outer = (float(np.sqrt(radii[k] * radii[k + 1])) for k in (1, 4))
    rates = (radii - inner) * (radii - outer)  # outwards, inwards, outwards

    def cycle(radius, stable):
        return Cycle(radius, radius, radius, 4.4 * radius, stable, np.empty(0, complex), None, 0.0)

    cycles = [cycle(inner, True), cycle(outer, False)]
    led = [_end(outer * x, radii, rates, cycles) for x in (0.999, 1.001)]
    assert led[0].kind.value == "limit-cycle" and led[0].amplitude == inner
    assert led[1].kind.value == "growing"
    rates[3] = np.nan  # a radius on the way that was not seen
    assert _end(outer * 0.999, radii, rates, cycles) is None


@pytest.mark.slow  # fast: cli/test_averaged.py, critical finds a cycle of a wanted size
def test_a_chatter_whose_size_hangs_on_its_start_says_so():
    variant, starts = dg.variant("ns").with_(r1=1.0), (0.1, 0.1 + 1e-6)
    chaotic, steady = (f"adam:lr=0.001,beta1=0.9,beta2={b}" for b in (0.999, 0.99))
    here, there = (dg.averaged(variant, chaotic, phi0=[p], theta0=[0.2]) for p in starts)
    assert abs(here.amplitude / there.amplitude - 1) > 0.05
    assert here.text.endswith(
        f"hangs on the start's last digits: 1e-06 beside it |phi| = {there.amplitude:.4g}"
    )
    assert "hangs" not in dg.averaged(variant, steady).text


def test_the_number_that_gives_a_wanted_size():
    # A = 4 lr sqrt(tau2 (tau1 + 1/2)) at tau2 = 1e4: tau1 = 1 gives 4.8990
    rule = adam(beta1=0.9, beta2=0.9999)
    found = dg.analysis.sized_cycle(LINEAR, "beta1", 0.04 * math.sqrt(1.5e4), rule, low=0.1, high=0.9)
    (beta1,) = found.values
    assert beta1 / (1 - beta1) == pytest.approx(1.0, rel=0.01)
    nothing = dg.analysis.sized_cycle(LINEAR, "beta1", 1e6, rule, low=0.4, high=0.6)
    assert not nothing.values and "it is from" in nothing.text
    with pytest.raises(dg.InputError, match=r"simultaneous\(lr=0\.1\) follow the size"):
        dg.analysis.sized_cycle(LINEAR, "lr", 1.0, dg.rule("simultaneous"))


def test_a_wanted_size_is_the_generators_unless_the_critics_is_asked_for():
    # each player's steps are its gradient over the root mean square of it, so that phi' = sqrt(2) lr_d cos(omega n) and
    # theta' = -sqrt(2) lr_g sin(omega n): with 2 lr_g = lr_d the critic's amplitude is twice the generator's
    rule = dg.rule("adam", lr_d=0.01, lr_g=0.005, beta1=0.5)
    (of_generator,) = dg.analysis.sized_cycle(LINEAR, "beta2", 0.25, rule, low=0.95, high=0.999).values
    of_critic = dg.analysis.sized_cycle(LINEAR, "beta2", 0.5, rule, low=0.95, high=0.999, player="phi")
    assert of_critic.values == pytest.approx([of_generator], abs=1e-4)


def test_an_average_sees_the_cycle_and_not_the_linearisation():
    rule = adam(beta1=0.5)
    flow = dg.averaged(LINEAR, rule)
    found = dg.ema(LINEAR, rule, reduction=10.0)
    assert found.angle == pytest.approx(2 * math.pi / flow.period, rel=1e-9)
    assert found.cycle_amplitude == pytest.approx(flow.amplitude) and "is left" in found.text
    phi = dg.simulate(LINEAR, rule=adam(beta1=0.5, ema=found.decay), steps=60_000, dim=1)
    late = slice(-5_000, None)
    ratio = float(abs(phi.phi[late]).max() / abs(phi.phi_ema[late]).max())
    assert ratio == pytest.approx(10.0, rel=0.01)  # the cycle is nearly a sine


@pytest.mark.slow  # fast: an average sees the cycle, above
def test_an_average_sees_a_pattern_of_four_steps():
    # in turns with beta1 = 0 the players jump by a right angle; which of two mirrored patterns hangs on the start
    rule = adam(beta1=0.0, beta2=0.99, alternating=True)
    found = dg.ema(LINEAR, rule, decay=0.9)
    assert found.angle == pytest.approx(math.pi / 2, rel=1e-9)
    assert (
        found.gains[0] == pytest.approx(0.1 / math.hypot(1.0, 0.9))
        and "stays within |phi| = 0.01" in found.text
    )
    ends = [dg.averaged(LINEAR, rule, phi0=0.1, theta0=theta) for theta in (0.2, -0.2)]
    for one, other in (ends, ends[::-1]):
        assert one.amplitude == pytest.approx(other.amplitude_theta, rel=1e-6)


def test_an_average_of_several_dimensions_says_where_its_angle_holds():
    found = dg.ema(NS, adam(), decay=0.9, dim=2)
    assert found.cycle_amplitude is None and "that holds while velocities stay below 1e-08" in found.text
    assert "velocities" not in dg.ema(NS, dg.rule("simultaneous"), decay=0.9, dim=2).text


def test_a_verdict_asks_the_averaged_flow_where_a_run_is_too_short():
    # a run of a verdict's length sees an orbit that hardly changes any more; it grows like n^(1/2)
    found = dg.verdict(LINEAR, dim=1, rule=adam(beta1=0.9, beta2=0.9), effort=1e-3, edge=False)
    assert found.kind == "diverges" and found.numbers["exponent"] == pytest.approx(-0.5, abs=0.01)
    assert any(line.startswith("averaged flow") for line in found.evidence)


@pytest.mark.slow  # fast: what comes to rest does not chatter, above
def test_a_range_whose_end_comes_to_rest_has_the_size_0_there():
    # R1 settles the players as soon as eps is not small against the gradient of one step
    game, rule = NS.with_(r1=1.0), adam(beta1=0.0, beta2=0.9)
    found = dg.analysis.sized_cycle(game, "eps", 0.5, rule, low=1e-8, high=3.5e-3, player="phi")
    assert not found.values and found.amplitudes[-1] == 0.0 < found.amplitudes[0] < 0.02
    assert "it is from 0 to 0.01123" in found.text
