"""Drawn losses, starts and rules: a verdict contradicts neither spectrum nor multipliers, nor other units."""

import itertools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.analysis.kinds import KINDS, Kind
from diracgan.analysis.verdict import Verdict
from diracgan.variants import Variant

SEED = 20261128
# in the fast suite, in .ci/run, which asks for the rest by name, and in .ci/full
FAST, SEEDED, ALL = 8, 50, 2000
EFFORT, QUICK_EFFORT = 0.02, 0.01
BUDGET = 2e7  # field evaluations at effort 1


class Smooth(Variant):
    """h(fake) = a f + b f^2/2 + c tanh f for the critic, -(a f + k f^2/2) for the generator, and a penalty."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    k: float = 0.0
    m: float = 0.0
    unit: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        h = self.a * fake + self.b * fake**2 / 2 + self.c * jnp.tanh(fake)
        return self.unit * (jnp.mean(h) - self.a * jnp.mean(real))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -self.unit * jnp.mean(self.a * fake + self.k * fake**2 / 2)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.unit * self.m * jnp.sum(phi**2) / 2


class Piecewise(Smooth):
    """The same with b |f| in place of b f^2/2: a kink where the critic's value changes its sign."""

    def critic_loss(self, real, fake, x_real, x_fake):
        h = self.a * fake + self.b * jnp.abs(fake) + self.c * jnp.tanh(fake)
        return self.unit * (jnp.mean(h) - self.a * jnp.mean(real))


RULES = (None, "simultaneous", "alternating", "extragradient", "heavy-ball", "adam")


class Drawn(NamedTuple):
    """A loss with its numbers, a start, a rule or None, and a unit of time."""

    loss: type[Smooth]
    numbers: dict[str, float]
    phi: np.ndarray
    theta: np.ndarray
    rule: Any
    unit: float

    @property
    def programs(self) -> tuple:
        """What this draw shares compiled programs with."""
        name = None if self.rule is None else self.rule.name
        return self.loss.__name__, len(self.phi), name, self.rule is not None and self.rule.ema is not None


def draw(k: int) -> Drawn:
    """The k-th draw, from its own seed."""
    rng = np.random.default_rng([SEED, k])
    kind = (Smooth, Piecewise)[int(rng.integers(2))]
    a, b, c, g, m = rng.choice([0.0, 1.0], 5, p=[0.4, 0.6]) * rng.normal(size=5)
    variant = {"a": 0.5 + abs(a), "b": 0.6 * np.tanh(b), "c": 0.5 * c, "k": 0.5 * g, "m": 0.4 * m}
    d = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))
    phi, theta = rng.normal(size=(2, d)) * 10.0 ** rng.uniform(-2, 0.3)
    rule = rng.choice(np.array(RULES, object), p=[0.4, 0.14, 0.14, 0.1, 0.1, 0.12])
    ema = 0.9 if rng.random() < 0.2 else None
    made = None if rule is None else dg.rule(str(rule), lr=float(rng.uniform(0.05, 0.4)), ema=ema)
    return Drawn(
        kind,
        {n: float(x) for n, x in variant.items()},
        phi,
        theta,
        made,
        float(2.0 ** rng.integers(-12, 13)),
    )


def agree(one: Verdict, two: Verdict, unit: float):
    """The verdict on losses ``unit`` times as large is the same, at ``unit`` times the speed."""
    if Kind.UNDECIDED in (one.kind, two.kind):
        return
    assert one.kind == two.kind, (one.text, two.text)
    for name, power in (
        ("rate", 1),
        ("frequency", 1),
        ("period", -1),
        ("radius_phi", 0),
        ("radius_theta", 0),
    ):
        if name in one.numbers and name in two.numbers:
            expected = one.numbers[name] * unit**power
            assert two.numbers[name] == pytest.approx(expected, rel=2e-2, abs=1e-9 * unit**power), name


# Losses, d, rules and whether an average is kept along: each compiles programs of its own.
SHARED = (
    ("Smooth", 1, None, False),
    ("Piecewise", 1, None, False),
    ("Piecewise", 2, None, False),
    ("Smooth", 2, "heavy-ball", False),
    ("Smooth", 3, "alternating", False),
    ("Piecewise", 1, "adam", False),
)


def quick(count: int) -> list[int]:
    """The first draws that share compiled programs with others."""
    return list(itertools.islice((k for k in itertools.count() if draw(k).programs in SHARED), count))


def check(k: int, units: bool = True, effort: float = EFFORT):
    """The invariants of a draw; ``units``: those of other units as well, for which it is followed twice more."""
    kind, parameters, phi, theta, rule, unit = draw(k)
    print(f"seed [{SEED}, {k}]: {kind.__name__}({parameters}), {phi}, {theta}, {rule}, unit {unit}")
    variant = kind(**parameters)
    v = dg.verdict(variant, phi, theta, rule=rule, effort=effort, edge=False)
    s = dg.spectrum(variant, dim=len(phi), rule=rule)
    print(v.kind, v.numbers, s.status)
    assert v.kind in KINDS
    assert v.evaluations < 20 * BUDGET * effort
    if v.kind == Kind.CONVERGES_SUBLINEARLY:
        assert s.status not in ("stable", "unstable")
    if v.kind == Kind.CONVERGES_EXPONENTIALLY:
        assert s.status != "unstable"
        if s.status == "stable" and rule is None:
            assert np.min(np.abs(v.numbers["rate"] / -s.eigenvalues.real - 1)) < 0.05
    if Kind(v.kind).is_orbit:
        assert max(v.numbers["radius_phi"], v.numbers["radius_theta"]) > 0
        assert np.max(np.abs(v.numbers.get("floquet", [0.0]))) < 1.02
    if (
        units and len(phi) > 1 and (rule is None or rule.name != "adam")
    ):  # other axes, each of which Adam scales
        turn = np.linalg.qr(np.random.default_rng([SEED, k, 1]).normal(size=(len(phi), len(phi))))[0]
        agree(v, dg.verdict(variant, turn @ phi, turn @ theta, rule=rule, effort=effort, edge=False), 1.0)
    if units and rule is None:  # other units of time
        agree(v, dg.verdict(kind(**parameters, unit=unit), phi, theta, effort=effort, edge=False), unit)
        # other units of the players: f = phi theta and x0 = 0 stay, as the penalty does not
        if parameters["m"] == 0:
            big = dg.verdict(
                variant, 4 * phi, theta / 4, rate_d=16.0, rate_g=1 / 16, effort=effort, edge=False
            )
            assert Kind.UNDECIDED in (v.kind, big.kind) or v.kind == big.kind, (v.text, big.text)


# 5096: Adam on a kink, whose turns far out are so long that a look at them once took for ever; of other units, 10 is
# turned, 35 has another time and 65 other players, and 5, which is all three, is ten times as dear; 28 is dear too,
# and 14 is of its kind; 5096 is as dear as they, and test_judges.py holds what mended it
DEAR = (5, 28)


@pytest.mark.parametrize(
    "k", slow_but([*quick(SEEDED), 5096], *(k for k in quick(FAST) if k not in DEAR), 65)
)
def test_a_drawn_game_has_a_consistent_verdict(k):
    check(k, units=k % 5 == 0, effort=QUICK_EFFORT)


@pytest.mark.slow  # fast, of a few: the test above
@pytest.mark.parametrize("hundred", range(ALL // 100))
def test_two_thousand_drawn_games_have_consistent_verdicts(hundred):
    failed = []
    for k in range(100 * hundred, 100 * (hundred + 1)):
        try:
            check(k)
        except AssertionError as error:
            failed.append((k, str(error)[:300]))
    assert not failed, failed


def test_what_parts_neighbours_in_one_turn_of_twenty_is_on_no_cycle():
    """Far out Adam's steps of one size mostly pass over where tanh bends, of a width of 1 beside logits of 1e6.

    Where they do not they part neighbours, each turn of 17,351 iterations by a factor 1.198 +- 0.017 on average over
    3000 turns (a loop written out in another language); the ten turns of a first look hold hardly any.
    """
    check(702)


def test_circles_visited_in_turn_are_as_large_as_the_largest():
    """Rows that lie a multiple of five steps apart show one of five circles alone."""
    kind, numbers, phi, theta, rule, _ = draw(1467)
    told = dg.verdict(kind(**numbers), phi, theta, rule=rule, effort=EFFORT, edge=False)
    assert told.kind == "quasi-periodic" and "drawn onto 5 circles" in told.text

    def field(phi, theta):  # b = k = 0
        slope = numbers["a"] + numbers["c"] / np.cosh(phi @ theta) ** 2
        return -slope * theta - numbers["m"] * phi, numbers["a"] * phi

    largest = np.zeros(2)
    for n in range(60_000):
        half = [z + rule.lr * v for z, v in zip((phi, theta), field(phi, theta), strict=True)]
        phi, theta = (z + rule.lr * v for z, v in zip((phi, theta), field(*half), strict=True))
        if n > 55_000:
            largest = np.maximum(largest, [np.linalg.norm(phi), np.linalg.norm(theta)])
    assert [told.numbers["radius_phi"], told.numbers["radius_theta"]] == pytest.approx(largest, rel=1e-4)
