"""The last rows of runs that are written down here, and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.analysis.run_ends import RunEnd, at_rest, end_of

T = np.linspace(0.75, 1.0, 512)  # the last quarter of a run
CENTRE = np.array([0.0, 1.0])


def turning(radius, turns=8.0, about=CENTRE):
    angle = 2 * np.pi * turns * (T - T[0]) / 0.25
    return about + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def test_a_circle_has_its_size_and_its_centre_and_stays():
    end = end_of(turning(0.5), CENTRE)
    np.testing.assert_allclose(end.numbers, [0.5, 0.5, 1.0, 0.0, 1.0], atol=1e-3)
    assert (end.largest, end.diameter) == (end.numbers[0], end.numbers[2])
    np.testing.assert_array_equal(end.centre, end.numbers[3:])
    assert np.all(end.spread < 1e-2) and not end.swells and not end.shrinks and end.still_to_go == 0.0
    assert end.sizes == pytest.approx((0.5, 0.5), rel=1e-12)


def test_a_circle_off_the_equilibrium_is_measured_from_that():
    end = end_of(turning(0.5, about=np.array([0.0, 3.0])), CENTRE)
    np.testing.assert_allclose(end.numbers, [2.5, 1.5, 1.0, 0.0, 3.0], atol=1e-3)
    assert not end.swells


@pytest.mark.parametrize(("by", "shrinks"), [(-0.04, True), (0.04, False)])
def test_what_grows_or_shrinks_has_not_settled(by, shrinks):
    size = 1.0 + by * (T - T[0]) / 0.25  # its mean changes by half of that between the halves
    end = end_of(turning(size), CENTRE)
    assert end.swells and end.shrinks == shrinks and end.change == pytest.approx(by / 2, rel=1e-2)
    settled = end_of(turning(1.0 + 0.4 * (size - 1.0)), CENTRE)
    assert not settled.swells and not settled.shrinks


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_the_power_of_a_fall(p):
    # the root mean square over each half stands for its middle, 13/16 and 15/16 of the whole time
    assert end_of(turning(T**-p), CENTRE).power == pytest.approx(p, rel=1.5e-2)
    assert RunEnd(np.zeros(5), np.zeros((4, 5)), (1.0, 0.0)).power == np.inf


def test_what_only_goes_on_has_as_far_to_go_as_its_steps_say():
    # x = 1 - exp(-k (t - t0)): quarters' means shrink by q = exp(-k/16) a quarter, and the rest is a geometric series;
    # what is told takes q from the first and third of three steps
    k = 8.0
    way = np.exp(-k * (T - T[0]))
    rows = np.stack([1.0 - way, 0.0 * T], axis=1)
    means = [part.mean() for part in np.array_split(1.0 - way, 4)]
    end = end_of(rows, np.zeros(2))
    assert end.still_to_go == pytest.approx(1.0 - means[-1], rel=1e-2)
    steady = end_of(np.stack([T, 0 * T], axis=1), np.zeros(2))
    assert steady.still_to_go > 1e3 * steady.diameter  # inf up to rounding
    # there and back is no way
    back = end_of(np.stack([np.abs(T - T.mean()), 0 * T], axis=1), np.zeros(2))
    assert back.still_to_go == 0.0


def test_halves_without_a_whole_number_of_turns_are_no_change():
    # 1.7 turns each of a circle that passes (0, x0) at 0.1: what differs is the mean distance, not how far it gets
    end = end_of(turning(0.9, 3.4, np.array([0.0, 2.0])), CENTRE)
    assert abs(end.change) > 0.02 * end.largest and not end.swells


def test_single_steps_that_close_give_the_numbers_of_one_period():
    orbit = np.array([[0.2, 1.0], [0.5, 1.0], [0.9, 1.0]])
    spaced = np.tile(orbit, (171, 1))[:512]
    end = end_of(spaced, CENTRE, spaced[-512:])
    np.testing.assert_allclose(end.numbers, [0.9, 0.2, 0.7, 1.6 / 3, 1.0], atol=1e-12)
    long = np.random.default_rng(0).uniform(size=(200, 2))  # more than a third of what is seen
    np.testing.assert_allclose(
        end_of(spaced, CENTRE, np.tile(long, (3, 1))[:512]).centre, long.mean(axis=0), atol=1e-12
    )
    drifting = spaced + 1e-3 * np.arange(512)[:, None]
    assert abs(end_of(drifting, CENTRE, drifting).centre[0] - 1.6 / 3) > 0.1


def test_rest_is_one_point_at_its_distance():
    end = at_rest(np.array([0.3, 1.4]), 0.5)
    assert end.numbers.tolist() == [0.5, 0.5, 0.0, 0.3, 1.4] and np.all(end.spread == 0)
    assert not end.swells and not end.shrinks and end.still_to_go == 0.0
