"""Reduced systems against the large ones that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.reduced_order import reduced


@pytest.mark.parametrize(("size", "outputs", "most"), [(40, 3, 150), (200, 7, 150), (60, 5, 12)])
def test_a_reduced_system_is_the_projection_and_answers_exactly_at_first(size, outputs, most):
    draw = np.random.default_rng(size)
    a, rows = draw.standard_normal((size, size)) / np.sqrt(size), draw.standard_normal((outputs, size))
    found = reduced(lambda v: v @ a, rows, most)
    q, blocks = found.basis, min(most, size) // outputs
    assert found.products == q.shape[1] == (size if most >= size else outputs * blocks)
    np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), atol=1e-12)
    np.testing.assert_allclose(found.transition, q.T @ a @ q, atol=1e-12)
    exact, small = rows, found.output
    for _ in range(blocks):  # C A^k, whose rows span the space
        np.testing.assert_allclose(small @ q.T, exact, atol=1e-10)
        exact, small = exact @ a, small @ found.transition
