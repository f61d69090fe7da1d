"""What is said once the budget is spent, where the end is derived by hand."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.dynamical_system import DiscreteSystem
from diracgan.analysis.kinds import Kind
from diracgan.analysis.linear.settings import LinearSettings
from diracgan.analysis.verdict import kicks
from diracgan.analysis.verdict.decide import decide
from diracgan.analysis.verdict.evidence import Answer, Case
from diracgan.dynamics.filippov import DiracSystem
from diracgan.game import Players


class Damped(dg.Variant):
    """phi' = -theta - k |phi|^q sgn phi, theta' = phi.

    For q < 1 the damping wins near 0: in the end phi is slaved, |phi| = (|theta|/k)^m with m = 1/q, so that
    |theta|' = -k^-m |theta|^m and r ~ ((m - 1) t/k^m)^(-1/(m - 1)).
    """

    k: float = 0.03
    q: float = 0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.k * jnp.sum(jnp.abs(phi) ** (1 + self.q)) / (1 + self.q)


class PowerUnderNoise(dg.Variant):
    """a = 1 + |s|^(1/2) sgn s. Noise sigma on the fake sample makes of it the above, for theta << sigma.

    |f|^1.5 has the mean E|e|^1.5 (sigma |phi|)^1.5, hence q = 1/2, k = sigma^1.5 E|e|^1.5 and r ~ k^2/t.
    """

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake + jnp.abs(fake) ** 1.5 / 1.5)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


@pytest.mark.slow  # written windows: test_judges.py::test_a_fall_in_one_last_window_has_its_law_where_that_is_a_power
@pytest.mark.parametrize(("k", "q"), [(0.03, 1 / 2), (0.1, 1 / 3)])
def test_a_fall_by_a_law_is_seen_in_few_windows(k, q):
    v = dg.verdict(Damped(k=k, q=q), [0.1], [0.2], effort=0.01, edge=False)
    m = 1 / q
    assert v.kind == "converges-sublinearly" and v.numbers["exponent"] == pytest.approx(1 / (m - 1))
    assert v.numbers["constant"] == pytest.approx((k**m / (m - 1)) ** (1 / (m - 1)), rel=5e-3)


@pytest.mark.slow  # 10 s: hundreds of nodes in each evaluation; windows written down, as above
@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_a_root_under_noise_falls_like_one_over_t(sigma):
    v = dg.verdict(PowerUnderNoise().with_(noise=sigma), [0.1], [0.2])
    moment = 2**0.75 * math.gamma(1.25) / math.sqrt(math.pi)  # E|e|^1.5 = 0.86004
    assert v.kind == "converges-sublinearly" and v.numbers["exponent"] == 1
    assert v.numbers["constant"] == pytest.approx(sigma**3 * moment**2, rel=5e-3)


def case_of(asked) -> Case:
    with jax.enable_x64(True):
        system = DiracSystem(asked.variant, asked.x0, asked.rates, None)
        return Case(asked.variant, system, asked.rule, asked.point, None, 2e7, decide)


def test_no_edge_is_looked_for_where_each_evaluation_is_a_sum_over_noise(monkeypatch):
    monkeypatch.setattr(kicks, "_leaves", lambda *_: pytest.fail("follows starts on the ray"))
    known = Answer(Kind.CONVERGES_EXPONENTIALLY, {}, "")
    for rule in (None, dg.rule("alternating", lr=0.1)):
        at = Players(np.array([0.1]), np.array([0.2]))
        asked = LinearSettings(dg.variant("ns", noise=0.3), rule, at, np.zeros(1), Players(1.0, 1.0))
        assert kicks.kick_from(asked, case_of(asked), known, 2e7) is None


def test_no_stretch_of_steps_costs_more_than_the_budget(monkeypatch):
    """Steps of wgan grow for ever: windows grew fiftyfold, and 64 times as many were looked through for a turn."""
    costs, advance = [], DiscreteSystem.advance

    def counted(self, *how):
        stretch = advance(self, *how)
        costs.append(stretch.cost)
        return stretch

    monkeypatch.setattr(DiscreteSystem, "advance", counted)
    dg.verdict(dg.variant("wgan"), [1.56e-4], [6.75e-5], rule=dg.rule("simultaneous", lr=0.1), effort=0.01)
    assert max(costs) <= 1.001 * 0.01 * 2e7  # a row more or less
