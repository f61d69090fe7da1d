"""Invariant circles against a map that is a turn and a twist in coordinates bent by hand."""

import numpy as np
import pytest

from diracgan.numerics.invariant_circle import invariant_circle

RHO2 = 2.0 / 3.0  # r+ = r (1.2 - 0.3 r^2) rests at r^2 = 2/3


def bent(z, bend):
    """(x, y) -> (x, y + bend x^2), whose inverse has -bend."""
    return np.stack([z[:, 0], z[:, 1] + bend * z[:, 0] ** 2], axis=1)


def game(turn, twist, bend):
    """The map of many states, and its Jacobians by central differences of a polynomial."""

    def step(z):
        x, y = bent(z, -bend).T
        square = x**2 + y**2
        angle, grow = turn + twist * (square - RHO2), 1.2 - 0.3 * square
        c, s = np.cos(angle), np.sin(angle)
        return bent(np.stack([grow * (c * x - s * y), grow * (s * x + c * y)], axis=1), bend)

    def slope(z):
        e = 1e-5
        columns = [(step(z + e * d) - step(z - e * d)) / (2 * e) for d in np.eye(2)]
        return np.stack(columns, axis=2)

    return step, slope


@pytest.mark.parametrize(("turn", "twist", "bend"), [(1.0, 0.0, 0.0), (0.7, 0.4, 0.3), (2.4, -0.5, 0.6)])
def test_a_bent_circle_has_its_radius_and_its_rotation(turn, twist, bend):
    step, slope = game(turn, twist, bend)
    ring = 2 * np.pi * np.arange(17) / 17
    found = invariant_circle(step, slope, 0.75 * np.stack([np.cos(ring), np.sin(ring)], axis=1), turn + 0.05)
    assert found.rotation == pytest.approx(turn, abs=1e-9)
    np.testing.assert_allclose(np.sum(bent(found.dense(40), -bend) ** 2, axis=1), RHO2, rtol=0, atol=1e-8)
    angles = np.array([0.3, 1.9, 4.0])
    np.testing.assert_allclose(step(found.at(angles)), found.at(angles + turn), rtol=0, atol=1e-8)
    differences = (found.at(angles + 1e-6) - found.at(angles - 1e-6)) / 2e-6
    np.testing.assert_allclose(found.tangents(angles), differences, rtol=0, atol=1e-8)


def test_a_map_without_a_circle_near_the_guess_has_none():
    step, slope = game(1.0, 0.0, 0.0)
    ring = 2 * np.pi * np.arange(17) / 17
    guess = 0.8 * np.stack([np.cos(ring), np.sin(ring)], axis=1)
    # a translation moves every circle away
    moved = np.array([1.0, 0.0])
    assert (
        invariant_circle(lambda z: z + moved, lambda z: np.tile(np.eye(2), (len(z), 1, 1)), guess, 1.0)
        is None
    )
    assert invariant_circle(step, slope, np.full((17, 2), np.nan), 1.0) is None
