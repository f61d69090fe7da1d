"""The search for steady modes: what it finds, and that it goes on from what was found in the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.autoregression import Autoregression
from diracgan.numerics.steady_modes import ModeSearch, steady_modes, visible

N = np.arange(400)
TWO = np.exp(-0.004 * N) * np.cos(0.3 * N) + 0.6 * np.cos(0.9 * N)
NOISY = TWO + 0.05 * np.random.default_rng(0).normal(size=len(N))
RECORD = (NOISY - NOISY.mean()) / NOISY.std()


def test_a_search_that_goes_on_finds_what_one_from_the_beginning_does():
    whole = ModeSearch([Autoregression(RECORD)])
    while whole.add():
        pass
    found = [steady_modes(RECORD.tobytes(), 1, most) for most in (1, 2, 3)]
    assert [len(f.poles) for f in found] == [1, 2, 2]
    assert found[0].poles == found[2].poles[:1]
    assert list(found[2].poles) == whole.poles and list(found[2].chances) == whole.chances
    assert sorted(s.imag for s in whole.poles) == pytest.approx([0.3, 0.9], abs=1e-3)


def test_white_noise_has_no_steady_mode():
    y = np.random.default_rng(1).normal(size=300)
    assert steady_modes(((y - y.mean()) / y.std()).tobytes(), 1, 3).poles == ()


def test_a_mode_is_visible_where_it_turns_before_it_dies():
    assert visible(-0.01 + 0.1j, 400)
    assert not visible(-1.0 + 0.1j, 400)  # dead after 3 rows, a twentieth of a turn
    assert not visible(0.02j, 400)  # 1.3 turns of 1.5
