"""What is measured in a window, against motions whose means, periods and peaks are known."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.analysis.dynamical_system import Stretch
from diracgan.analysis.verdict import windows

T = np.linspace(0.0, 50.0, 801)


def window(zs: np.ndarray) -> Stretch:
    return Stretch(T, zs, zs[-1], float(T[-1]), "ok", np.nan, "", 1.0, 0)


@pytest.mark.parametrize("begins", [0.0, 0.7, 2.9, 4.4])
def test_a_mean_and_a_slope_hardly_see_where_in_a_turn_the_window_begins(begins):
    swing = np.cos(T + begins)  # eight turns, less a quarter
    assert windows.mean(3.0 + swing) == pytest.approx(3.0, abs=3e-4)
    assert windows.slope(T, 0.2 * T + swing) == pytest.approx(0.2, abs=2e-3)
    assert abs(np.mean(swing)) < 0.03 and windows.about(window(swing[:, None]), np.zeros(1)) == pytest.approx(
        0.5**0.5, rel=1e-3
    )


def test_a_passage_is_upward_and_on_the_chord():
    (times,) = windows.passages(np.sin(T), T)
    np.testing.assert_allclose(times, 2 * np.pi * np.arange(1, 8), atol=1e-5)
    there, beside = windows.passages(np.array([-1.0, 3.0, 1.0, -1.0, 1.0]), np.arange(5.0), np.ones(5))
    assert there.tolist() == [0.25, 3.5] and beside.tolist() == [1.0, 1.0]


def test_the_period_is_that_of_the_main_component_about_its_mean():
    ellipse = np.stack([4.0 + 2.0 * np.cos(1.3 * T), 0.1 * np.sin(1.3 * T)], axis=1)
    assert windows.mean_period(window(ellipse)) == pytest.approx(2 * np.pi / 1.3, rel=1e-5)
    assert windows.mean_period(window(np.stack([T, 0 * T], axis=1))) is None
    assert windows.mean_period(window(np.ones((801, 2)))) is None
    assert windows.mean_period(window(ellipse * np.where(T < 40, 1.0, np.nan)[:, None])) is None


@pytest.mark.parametrize("period", [8.3, 11.7177, 8.01, 5.0 + 1 / 30])
def test_the_mean_period_of_rows_that_are_few_in_a_turn_is_known_to_six_digits(period):
    # an uneven rotation on a bent curve; 8.01 rows in a turn fall on nearly the same places of a hundred turns
    n = np.arange(4096.0)
    angle = 2 * np.pi * n / period + 0.3
    uneven = angle + 0.4 * np.sin(angle) + 0.1 * np.cos(2 * angle)
    zs = np.stack([np.cos(uneven) + 0.2 * np.cos(2 * angle), 0.7 * np.sin(uneven)], axis=1)
    assert windows.mean_period(window(zs)._replace(t=n)) == pytest.approx(period, rel=1e-6)


def test_a_peak_lies_between_rows_and_a_kink_on_one():
    t = T - 0.013
    assert windows.peak(np.cos(t)) == pytest.approx(1.0, abs=1e-10)  # between rows
    assert windows.peak(np.exp(np.sin(2 * t))) == pytest.approx(
        np.e, rel=1e-6
    )  # bends unequally on both sides
    # three rows of 1 - (x - 0.3)^2: near an end there is no quartic
    assert windows.peak(np.array([-0.69, 0.91, 0.51])) == pytest.approx(1.0, abs=1e-12)
    tent = -np.abs(t - 20.0)
    assert windows.peak(tent) == tent.max()
    assert windows.peak(T) == T[-1]


def test_the_wedge_is_the_area_of_both_players():
    z = np.array([[3.0, 0.0, 1.0, 2.0], [1.0, 1.0, -2.0, -2.0]])
    np.testing.assert_allclose(windows.wedge(z, 2), [6.0, 0.0], atol=1e-12)
