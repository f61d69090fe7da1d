"""Power laws from samples whose law is known, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.decay_laws import approach, growth, limiting_exponent, power_law


@pytest.mark.parametrize("exponent", [1 / 6, 1 / 2, 1.0, 2.0, -1 / 3])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_a_power_law_is_found_with_its_constant(exponent: float, offset: float):
    t = np.geomspace(10, 1e5, 12)
    law = power_law(t, 2.5 * (t + offset) ** -exponent)
    assert law is not None
    assert law.exponent == pytest.approx(exponent, abs=1e-9)
    assert law.constant == pytest.approx(2.5, rel=1e-6)
    assert law.offset == pytest.approx(offset, abs=1e-3)


@pytest.mark.parametrize("power", [1 / 4, 1 / 3, 1 / 2, 3 / 4, 2.0])
@pytest.mark.parametrize("away", [-3.0, 0.0, 40.0])
def test_a_growth_is_told_whatever_it_is_measured_from(power: float, away: float):
    # r = |(c, 2.5 (t + 30)^p + D)|, whose speed nears that of the second entry like r^-2
    t = np.geomspace(1e4, 1e8, 40)
    x = 2.5 * (t + 30) ** power + away
    law = growth(t, x / np.hypot(0.1, x) * 2.5 * power * (t + 30) ** (power - 1))
    assert law is not None
    assert law.exponent == pytest.approx(-power, rel=1e-6)
    assert law.constant == pytest.approx(2.5, rel=1e-3)


def test_what_grows_by_no_power_or_comes_to_a_limit_is_no_growth():
    t = np.geomspace(10, 1e5, 40)
    for speed in (
        1 / (t + 3),
        1 / (t + 3) ** 1.5,
        np.exp(t / 1e4),
        -(t**-0.5),
    ):  # like log t, to a limit, exponential, a fall
        assert growth(t, speed) is None


@pytest.mark.parametrize("power", [0.4, 0.5, 1.0, 2.0])
def test_a_speed_that_nears_a_constant_is_that_of_a_growth_like_t(power: float):
    t = np.geomspace(1e4, 1e7, 20)
    for speed in (3 + t**-power, 3 - t**-power, np.full(20, 3.0)):
        law = growth(t, speed)
        assert law is not None and law.exponent == -1.0
        assert law.constant == pytest.approx(3, rel=t[-1] ** -power)


@pytest.mark.parametrize("over", [1e-3, 1e-2, 0.1, 1.0])
def test_a_speed_on_its_way_from_a_constant_to_a_law_follows_neither(over: float):
    # 1/(1 + x^p) falls like x^-p in the end, long after it has begun to fall
    t = np.geomspace(1e5, 1e7, 20)
    x = over * t / t[-1]
    for speed in (1 / (1 + x**0.5), 1 / (1 + x**0.25), 1 / (1 + x)):
        assert growth(t, speed) is None


def test_an_odd_exponent_is_not_taken_for_a_fraction():
    t = np.geomspace(10, 1e5, 12)
    law = power_law(t, t**-0.47)
    assert law is not None
    assert law.exponent == pytest.approx(0.47, abs=1e-6)


@pytest.mark.parametrize(
    "r", [np.exp(-np.linspace(0, 8, 12)), np.ones(12), np.array([1.0, -1.0] * 6), np.full(12, np.nan)]
)
def test_what_is_no_power_law_has_none(r: np.ndarray):
    assert power_law(np.linspace(10, 1000, 12), r) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_limit_that_is_neared_by_a_power_law(sign: int):
    t = np.geomspace(10, 1e4, 12)
    found = approach(t, 0.5 + sign * 0.3 / (t + 5))
    assert found is not None
    limit, law = found
    assert limit == pytest.approx(0.5, abs=1e-6)
    assert law.exponent == pytest.approx(1.0, abs=1e-3)
    assert law.constant == pytest.approx(0.3, rel=1e-2)


def test_a_limit_of_nothing_that_settles():
    t = np.geomspace(10, 1e4, 12)
    assert approach(t, np.sin(t)) is None
    assert approach(t, t) is None
    even = np.linspace(0.0, 20.0, 30)
    assert approach(even, 1.0 + np.exp(-even)) is None  # falls faster than any power


def test_the_limit_of_local_exponents():
    # r = t^(-1/2) (1 + t^(-1/4)): the local exponents tend to 1/2 in a geometric series
    t = np.geomspace(1e3, 1e7, 10)
    found = limiting_exponent(t, t**-0.5 * (1 + t**-0.25))
    assert found is not None
    assert found[0] == pytest.approx(0.5, abs=found[1])
    assert limiting_exponent(t, np.exp(-t / 1e6)) is None


def test_a_distance_that_falls_like_a_logarithm_has_no_power_law():
    # of the limit 1/2 it was said to be 0.322
    t = np.geomspace(10, 1e4, 12)
    assert approach(t, 0.5 - 3 / np.log(t)) is None
