"""What is born at a point, by its normal form."""

from __future__ import annotations

import numpy as np

from diracgan.analysis.bifurcation.born_path import squared_amplitude
from diracgan.numerics.normal_form import NormalForm


class OfMaps:
    """What is asked of a family here."""

    discrete = True


def form(coefficient: float, error: float) -> NormalForm:
    """Of a pair of multipliers of modulus 1.01."""
    z = np.zeros(2, complex)
    return NormalForm(coefficient, error, 0.0, 1.01 * np.exp(1j), z, z)


def test_the_amplitude_is_where_the_cubic_term_meets_the_growth_and_nothing_where_that_term_is_0():
    # |mu| + c a^2 = 1
    assert np.isclose(squared_amplitude(OfMaps(), form(-0.25, 1e-15)), 0.04)
    assert squared_amplitude(OfMaps(), form(0.25, 1e-15)) < 0
    for coefficient, error in ((0.0, 0.0), (0.0, 1e-16), (-1e-17, 1e-16)):
        assert squared_amplitude(OfMaps(), form(coefficient, error)) == 0.0
