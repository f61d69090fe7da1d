"""Lines of sums of oscillations whose frequencies are known."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.spectral_lines import spectral_lines

N = np.arange(1024)[:, None]


def test_lines_far_from_every_bin_are_found_with_their_harmonics():
    x = np.cos(0.4321 * N) + 0.3 * np.sin(2 * 0.4321 * N + 1.0) + 0.05 * np.cos(2.9 * N)
    found = spectral_lines(x, 12, 1e-4)
    assert [w for w, _ in found] == pytest.approx([0.4321, 0.8642, 2.9], abs=1e-7)
    assert max(error for _, error in found) < 1e-6


def test_two_lines_closer_than_the_rows_can_tell_are_one_that_is_known_less_well():
    between = 0.5 * 2 * np.pi / len(N)
    (w, error), *_ = spectral_lines(np.cos(N) + 0.3 * np.cos((1.0 + between) * N), 12, 1e-2)
    assert error > 1e-4 and abs(w - 1.0) < 2 * error + between
