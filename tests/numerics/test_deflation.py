"""Deflation against polynomials of known roots."""

from __future__ import annotations

import numpy as np

from diracgan.numerics.deflation import deflated_roots


def test_deflation_finds_all_five_roots_of_a_quintic():
    roots = np.array([-2.0, -0.5, 0.1, 1.0, 3.0])

    def quintic(x):
        c = np.poly(roots)
        return np.polyval(c, x), np.array([np.polyval(np.polyder(c), x)])

    found = deflated_roots(quintic, np.linspace(-3, 3.5, 14)[:, None])
    np.testing.assert_allclose(sorted(float(r[0]) for r in found), roots, atol=1e-10)
