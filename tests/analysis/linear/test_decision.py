"""The one decision of the linearisation, through each of its three doors: one point, many questions, whole arrays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import diracgan as dg
from diracgan.analysis.linear.decision import leading_frequency, margin_of, status_of
from diracgan.analysis.linear.margins import margins
from diracgan.analysis.linear.settings import settings as asked
from diracgan.analysis.linear.status import STATUSES, Status
from diracgan.sweeps.linear import linear, part


def through_every_door(
    v: dg.Variant, rule: dg.dynamics.Rule | None = None, **where
) -> tuple[str, float | None]:
    """Status and margin, which the three doors must agree on to the last digit of what each computes."""
    s = dg.spectrum(v, rule=rule, **where)
    question = asked(v, rule, **where)
    (m,) = margins([question])
    many = linear(question, 3)
    assert {s.status, m.status, *(STATUSES[k] for k in many.status)} == {s.status}
    if s.margin is None:
        assert np.isnan(m.value) and np.isnan(many.margin).all()
    else:
        # one program for one point and one for many: they differ by what rounding leaves of the Jacobian
        np.testing.assert_allclose([m.value, *many.margin], s.margin, rtol=1e-13, atol=s.error)
        assert m.error == pytest.approx(s.error, rel=1e-6)
    return s.status, s.margin


@pytest.mark.parametrize("lr", [1e-4, 1e-7, 1e-11])
def test_a_tiny_learning_rate_is_no_kink(lr: float):
    # step(z) - z is rounding in the last digits of z = (0, 1); the flow there has mu = (-1 +- i sqrt 3)/4
    status, margin = through_every_door(dg.variant("ns"), dg.rule("simultaneous", lr=lr), x0=1.0)
    assert status == "stable"
    assert margin == pytest.approx(1 - abs(1 + lr * (-1 + 1j * 3**0.5) / 4), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("lr", [0.1, 1e-7, 1e-9])
def test_a_tiny_learning_rate_makes_no_equilibrium(lr: float):
    # |F| = 5e-4 whatever the step is
    found = through_every_door(dg.variant("ns"), dg.rule("simultaneous", lr=lr), at=([1e-3], [0.0]))
    assert found == ("not-an-equilibrium", None)


class Kinked(dg.Variant):
    """A linear WGAN whose critic pays |phi| phi, a kink of the field at phi = 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return 0.5 * jnp.sum(phi * jnp.abs(phi))


@pytest.mark.parametrize("lr", [0.1, 1e-9, 1e-12])
def test_a_tiny_learning_rate_hides_no_kink(lr: float):
    rule = dg.rule("simultaneous", lr=lr)
    assert through_every_door(Kinked(), rule) == ("no-derivative", None)
    assert through_every_door(dg.variant("wgan-gp", c=1.0), rule) == ("no-derivative", None)


def test_a_rule_without_linearisation_rests_where_the_field_does():
    adam = dg.rule("adam", eps=0.0)
    assert through_every_door(dg.variant("ns"), adam)[0] == "no-derivative"
    assert through_every_door(dg.variant("ns"), adam, at=([1.0], [0.0]))[0] == "not-an-equilibrium"
    assert through_every_door(dg.variant("wgan"), adam)[0] == "not-an-equilibrium"  # the critic has no value
    s = dg.spectrum(dg.variant("ns"), rule=adam, at=([1.0], [0.0]))
    assert not s.is_equilibrium
    assert s.residual == pytest.approx(0.5)  # theta' = sigma(0) phi


@pytest.mark.parametrize("size", [1e-200, 1e160, 1e300])
@pytest.mark.parametrize(
    "x0", [[0.0], pytest.param([1 / 3, 2 / 3, 2 / 3], marks=pytest.mark.slow)], ids=["d1", "d3"]
)
def test_the_ends_of_the_float_range_decide_nothing(size: float, x0: list[float]):
    # mu^2 + mu/5 + 1/4 = 0 in the unit of time 1/size; in d = 3 with a datum along no axis the blocks are of six
    v = dg.variant("ns").with_(r1=0.2)
    status, margin = through_every_door(v, x0=x0, rate_d=size, rate_g=size)
    assert status == "stable"
    assert margin is not None
    assert margin / size == pytest.approx(0.1, rel=1e-12)


@pytest.mark.slow  # fast: test_probing.py::test_a_batch_is_seen_as_each_of_its_systems_alone
def test_members_of_a_family_do_not_disturb_each_other():
    # the weight of sga couples what is apart at 0; a defective matrix at r1 = 1; a jump, and no equilibrium at all
    weights = np.array([0.0, 0.3, 1.0])
    family = dg.variant("ns").with_(r1=weights, sga=weights)
    for rule in (None, dg.rule("heavy-ball", lr=0.1)):
        around = asked(family, rule, dim=2)
        many = linear(around, 3)
        for i in range(3):
            s = dg.spectrum(part(around, i).variant, dim=2, rule=rule)
            assert STATUSES[many.status[i]] == s.status
            assert many.margin[i] == pytest.approx(s.margin, abs=s.error)
    mixed = dataclasses.replace(dg.variant("wgan-gp", lam=0.5), c=np.array([0.0, 1.0, 0.0]))
    found = linear(asked(mixed), 3)
    assert [STATUSES[k] for k in found.status] == ["stable", "no-derivative", "stable"]
    np.testing.assert_allclose(found.margin, [0.5, np.nan, 0.5], atol=1e-14)


class InOtherUnits(dg.Variant):
    """The non-saturating loss (and a penalty) of players measured in other units: phi = a P, theta = b T.

    The logits are a b P T, and P' = -dL_D/dP / a^2, which the players' rates 1/a^2 and 1/b^2 say.
    """

    a: float = 1.0
    b: float = 1.0
    smooth: float = 0.0
    jump: float = 0.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(
            jnp.logaddexp(0.0, -self.a * self.b * real) + jnp.logaddexp(0.0, self.a * self.b * fake)
        )

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.logaddexp(0.0, -self.a * self.b * fake))

    def penalty(self, critic, phi, x_real, x_fake):
        return jnp.sum(0.5 * self.smooth * (self.a * phi) ** 2 + self.jump * jnp.abs(self.a * phi))


exponents = st.integers(-10, 10)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    a=exponents,
    b=exponents,
    time=st.integers(-60, 60),
    smooth=st.sampled_from([0.0, 1e-9, 0.3, -0.2]),
    jump=st.sampled_from([0.0, 0.0, 0.5]),
    x0=st.sampled_from([0.0, 0.7]),
    off=st.sampled_from([0.0, 0.0, 0.1]),
)
def test_units_decide_nothing(a, b, time, smooth, jump, x0, off):
    """The same system in other units of time and of the players has the same status, and its margin in these units."""

    def status(a: float, b: float, time: float) -> tuple[str, float | None]:
        s = dg.spectrum(
            InOtherUnits(a=a, b=b, smooth=smooth, jump=jump),
            x0=x0 / b,
            at=([0.0], [(x0 + off) / b]),
            rate_d=time / a**2,
            rate_g=time / b**2,
        )
        return s.status, None if s.margin is None else s.margin / time

    plain, other = status(1.0, 1.0, 1.0), status(2.0**a, 2.0**b, 2.0**time)
    assert other[0] == plain[0]
    if plain[1] is not None:
        assert other[1] == pytest.approx(plain[1], rel=1e-6, abs=1e-14)


def test_the_frequency_of_what_turns_in_any_unit():
    w = np.array([[0.5, -0.1 + 2j, -0.1 - 2j], [1.0, 0.5, 0.25]])
    for unit in (1e-30, 1.0, 1e30):
        np.testing.assert_allclose(leading_frequency(unit * w, False), [2 * unit, 0.0])
    mixed = np.array([[1.0], [1e12]]) * w[[0, 0]]  # each in its own unit
    np.testing.assert_allclose(leading_frequency(mixed, False), [2.0, 2e12])
    assert leading_frequency(np.array([1j, -1j]), True) == pytest.approx(np.pi / 2)


def test_every_status_is_known_everywhere():
    from diracgan.plotting.stability_charts import STATUS_COLOURS
    from diracgan.reporting.schema import report_schema

    text = repr(report_schema())
    page = (Path(__file__).parents[3] / "docs/concepts/eigenvalues.md").read_text(encoding="utf-8")
    for s in STATUSES:
        assert repr(s) in text
        assert f"`{s}`" in page
        assert s == "stable" or s in STATUS_COLOURS  # what is stable is drawn by its margin


def test_the_margin_is_as_unsure_as_whatever_may_be_the_largest():
    # one far below the largest, but so badly known that it may lie above it; then one that stays below whatever it is
    for low, error in ((-3.0, 0.5), (-30.0, 0.1)):
        margin, off = margin_of(np.array([-1.0, low]), np.array([0.1, 2.5]), discrete=False)
        assert (margin, off) == (1.0, pytest.approx(error))
    margin, off = margin_of(np.array([0.6 + 0.8j, 0.5]), np.array([1e-9, 0.7]), discrete=True)
    assert (margin, off) == (pytest.approx(0.0, abs=1e-15), pytest.approx(0.2))


@pytest.mark.parametrize("discrete", [False, True])
def test_what_is_surely_unstable_is_so_beside_whatever_is_badly_known(discrete: bool):
    # growth 0.5 +- 0.1, beside one that may lie anywhere within 3 of -0.25; then growth 0.05 +- 0.1, which may be none
    for growth, status in ((0.5, Status.UNSTABLE), (0.05, Status.MARGINAL)):
        values = np.array([growth, -0.25]) + (1.0 if discrete else 0.0)
        margin, off = margin_of(values, np.array([0.1, 3.0]), discrete)
        assert margin == pytest.approx(-growth)
        assert status_of(margin, off) == status.number
        assert off == pytest.approx(0.1 if status is Status.UNSTABLE else 2.75 - growth)


@pytest.mark.parametrize(
    ("margin", "error", "status"),
    [
        (1e-9, 1e-12, Status.STABLE),
        (-1e-9, 1e-12, Status.UNSTABLE),
        (1e-12, 1e-12, Status.MARGINAL),
        (-1.0, np.inf, Status.MARGINAL),
        (np.nan, 1e-12, Status.MARGINAL),
    ],
)
def test_what_a_margin_cannot_tell_from_0_is_undecided(margin: float, error: float, status: Status):
    assert status_of(margin, error) == status.number
