"""The degree of what curves a change near its zero, of motions written out."""

import numpy as np
import pytest

from diracgan.analysis.verdict import curvature

TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


class Falling:
    """z' = J z - c |z - z0|^(q - 1) (z - z0) about z0, or z+ - z."""

    def __init__(self, q, at=0.0, c=1.0, discrete=False):
        self.q, self.at, self.c, self.discrete = q, np.array([0.0, at]), c, discrete

    def change(self, z):
        off = z - self.at
        moved = TURN @ off - self.c * np.linalg.norm(off) ** (self.q - 1) * off
        return (z + moved) - z if self.discrete else moved


def degrees(motion, size, *given):
    ways = curvature.directions(2, *given)
    return curvature.degrees(motion, motion.at, TURN, ways, size)


@pytest.mark.parametrize("q", [1.5, 3, 5])
@pytest.mark.parametrize("discrete", [False, True])
def test_the_degree_is_that_of_the_terms_beside_the_linear_ones(q, discrete):
    found = degrees(Falling(q, at=0.5, discrete=discrete), 1e-2)
    assert len(found) == 6
    np.testing.assert_allclose(found, q, atol=1e-5)


@pytest.mark.parametrize(("at", "discrete"), [(0.0, True), (1e3, False), (1e3, True)])
def test_terms_below_the_rounding_of_the_change_have_no_degree(at, discrete):
    # s^3 = 1e-27 beside an iteration that is rounded by 1e-25, or 1e-18 beside what 1e3 rounds by 1e-13
    size = 1e-9 if at == 0 else 1e-6
    assert np.isnan(degrees(Falling(3, at=at, discrete=discrete), size)).all()


def test_where_the_change_leaves_the_float_range_there_is_no_degree_and_no_warning():
    assert not np.isfinite(degrees(Falling(5), 1e100)).any()


def test_given_directions_come_first_and_have_the_length_1():
    ways = curvature.directions(3, np.array([0.0, 3.0, 4.0]))
    assert ways[0] == pytest.approx([0.0, 0.6, 0.8])
    np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1.0, rtol=1e-15)
