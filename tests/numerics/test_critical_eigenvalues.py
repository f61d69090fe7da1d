"""Functions of critical eigenvalues against finite differences and closed forms, also where two eigenvalues meet."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.critical_eigenvalues import Criterion, critical_function, critical_group


@pytest.mark.parametrize("criterion", Criterion)
@pytest.mark.parametrize("seed", range(5))
def test_the_derivatives_are_those_of_differences(criterion, seed):
    random = np.random.default_rng(seed)
    q = np.linalg.qr(random.normal(size=(5, 5)))[0]
    inner = np.diag([0.0, 0.0, criterion.value if not criterion.is_pair else 0.4, -0.3, 2.0]).astype(float)
    inner[:2, :2] = [[0.3, -0.9], [0.9, 0.3]]  # a pair, and a real eigenvalue close to critical
    a, ways = q @ inner @ q.T, random.normal(size=(3, 5, 5))
    near = np.array([0.3 + 0.9j, 0.3 - 0.9j]) if criterion.is_pair else np.array([criterion.value])

    def value(matrix):
        return critical_function(critical_group(matrix, near, criterion), criterion, ways)

    h = 1e-5
    differences = [(value(a + h * w)[0] - value(a - h * w)[0]) / (2 * h) for w in ways]
    np.testing.assert_allclose(value(a)[1], differences, atol=1e-7)


def test_what_vanishes_is_smooth_where_the_pair_becomes_real():
    # multipliers of (x - 1)^2 = s: e^(+-i angle) off the circle for s < 0, real for s > 0; their product is 1 - s
    for s in (-1e-3, -1e-9, 0.0, 1e-9, 1e-3):
        a = np.array([[1.0, s], [1.0, 1.0]])
        way = np.array([[0.0, 1.0], [0.0, 0.0]])[None]
        group = critical_group(a, np.array([1.0 + 0.01j, 1.0 - 0.01j]), Criterion.UNIT_PAIR)
        value, slope = critical_function(group, Criterion.UNIT_PAIR, way)
        assert value == pytest.approx(-s, abs=1e-14) and slope[0] == pytest.approx(-1.0, abs=1e-12)


def test_a_double_eigenvalue_has_a_smooth_function_too():
    # det of [[0, 1], [-p, s]] is p, whatever s
    for s in (-0.05, 0.0, 0.05):
        a, way = np.array([[0.0, 1.0], [0.0, s]]), np.array([[[0.0, 0.0], [-1.0, 0.0]]])
        group = critical_group(a, np.array([0.0]), Criterion.ZERO)
        value, slope = critical_function(group, Criterion.ZERO, way)
        assert len(group.values) == 2
        assert value == pytest.approx(0.0, abs=1e-14) and slope[0] == pytest.approx(1.0, abs=1e-12)
