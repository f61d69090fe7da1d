"""A loss that reads a number from outside is answered with the number as it is now."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.outside_values import outside_values
from diracgan.variants import VARIANTS

WEIGHT = 0.5
CENTRES = np.zeros(2)
CALLS = 0
ACTIVATION = jax.nn.relu


def penalty(x):
    return WEIGHT * jnp.mean(x**2)


class Weighted(dg.Variant):
    """phi' = -theta (1 + 2 w f), f = phi theta."""

    def critic_loss(self, real, fake, x_real, x_fake):
        global CALLS
        CALLS += 1
        return (
            jnp.mean(fake) - jnp.mean(real) + penalty(fake) + jnp.sum(jnp.asarray(CENTRES)) * jnp.mean(fake)
        )

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


def by_field() -> float:
    return float(dg.field(Weighted())(jnp.array([2.0]), jnp.array([3.0])).phi[0])


def by_steps() -> float:
    return (
        float(dg.step(Weighted(), dg.rule("simultaneous", lr=1.0))(np.array([2.0]), np.array([3.0])).phi[0])
        - 2
    )


def by_ensemble() -> float:
    many = dg.ensemble(Weighted(), [[2.0]], [[3.0]], t1=1e-6, dt=1e-6, dtype="float64")
    return float((many.phi.values[0, 0] - 2.0) / 1e-6)


@pytest.mark.parametrize(
    "velocity",
    [
        by_field,
        *(pytest.param(way, marks=pytest.mark.slow) for way in (by_steps, by_ensemble)),
    ],  # by_field is fast
)
def test_a_changed_global_is_not_answered_with_the_old_number(velocity, monkeypatch):
    assert velocity() == pytest.approx(-3.0 * (1 + 2 * 0.5 * 6), rel=1e-4)
    monkeypatch.setitem(globals(), "WEIGHT", 2)  # read by a function that the loss calls
    assert velocity() == pytest.approx(-3.0 * (1 + 2 * 2 * 6), rel=1e-4)
    monkeypatch.setitem(globals(), "penalty", lambda x: 0.0 * jnp.mean(x))
    assert velocity() == pytest.approx(-3.0, rel=1e-4)
    monkeypatch.setitem(globals(), "CENTRES", np.ones(2))
    assert velocity() == pytest.approx(-9.0, rel=1e-4)


def test_what_is_traced_once_is_not_traced_again_while_nothing_changes():
    f = dg.field(Weighted())
    f(jnp.array([2.0]), jnp.array([3.0]))
    before = CALLS  # which the loss itself writes
    f(jnp.array([2.5]), jnp.array([3.0]))
    assert before == CALLS > 0


def test_variables_around_a_class_and_its_attributes_count():
    weight = 1.0

    class Inner(dg.Variant):
        scale = 3

        def critic_loss(self, real, fake, x_real, x_fake):
            return weight * self.scale * jnp.mean(fake - real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    before = outside_values(Inner)
    weight = 2.0
    around = outside_values(Inner)
    Inner.scale = 4
    assert len({before, around, outside_values(Inner)}) == 3


class Base(dg.Variant):
    scale = 1.0
    calls = 0

    def critic_loss(self, real, fake, x_real, x_fake):
        Base.calls += 1
        return self.scale * self.weight * self.twice(jnp.mean(ACTIVATION(fake) - real))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    @property
    def weight(self):
        return WEIGHT

    @staticmethod
    def twice(x, by=2.0):
        return by * x


class Derived(Base):
    scale = 2.0


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (Derived, "scale", 3.0),  # read by the method of the class above
        (globals(), "WEIGHT", 4.0),  # by a property
        (globals(), "ACTIVATION", jnp.tanh),  # of another module
        (Base.twice, "__defaults__", (3.0,)),
        (Base, "generator_loss", Weighted.critic_loss),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_whatever_a_method_reads_counts(where, name, value, monkeypatch):
    before = outside_values(Derived)
    (monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr)(where, name, value)
    assert outside_values(Derived) != before


def test_an_attribute_that_a_method_counts_its_calls_in_does_not_count(monkeypatch):
    before = outside_values(Derived)
    monkeypatch.setattr(Base, "calls", 7)
    assert outside_values(Derived) == before


@pytest.mark.parametrize("made", [lambda: jax.random.key(0), lambda: deleted(jnp.ones(2)), lambda: [1.0]])
def test_what_cannot_be_compared_is_left_out(made, monkeypatch):
    monkeypatch.setitem(globals(), "ACTIVATION", made())
    assert "ACTIVATION" not in [name for name, *_ in outside_values(Base)]


def deleted(x):
    x.delete()
    return x


def test_the_catalogue_reads_nothing_from_outside():
    ours = [cls for cls in map(VARIANTS.__getitem__, VARIANTS) if cls.__module__.split(".")[0] == "diracgan"]
    assert len(ours) > 10 and all(outside_values(cls) == () for cls in ours)
