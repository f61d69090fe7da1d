"""Oscillations of records that are known to hold them, or not to."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.modal_fits import oscillation_modes


def record(parts, rows: int = 400, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    n = np.arange(rows)
    y = sum(a * np.exp(-s * n) * np.cos(w * n + d) for a, w, s, d in parts)
    return y + noise * np.random.default_rng(seed).normal(size=rows)


@pytest.mark.parametrize(("omega", "sigma"), [(0.2, 0.005), (1.3, 0.0), (0.1, -0.004)])
def test_a_mode_lies_within_its_errors(omega: float, sigma: float):
    (m,) = oscillation_modes(record([(1.0, omega, sigma, 0.7)])[None]).modes
    assert abs(m.omega - omega) < 4 * m.errors[0]
    assert abs(m.sigma - sigma) < 4 * m.errors[1]
    # noise of 0.05 in 400 rows leaves an amplitude of 1 within 0.05 sqrt(2/400) = 0.0035; where it decays or grows it
    # is that of one end of the record, up to five times as uncertain: six of these
    assert m.amplitudes[0] == pytest.approx(1.0, abs=0.1)
    assert m.phases[0] == pytest.approx(0.7, abs=0.1)
    assert m.steady
    assert m.exponential
    assert m.chance < 1e-6


@pytest.mark.slow  # fast, of one mode: the test above
def test_two_modes_in_two_channels():
    parts = [(1.0, 0.2, 0.002, 0.0), (0.5, 0.7, 0.004, 1.0)]
    channels = np.stack([record(parts), record([(0.5, 0.2, 0.002, 1.0), (1.0, 0.7, 0.004, 0.0)], seed=1)])
    found = sorted(oscillation_modes(channels).modes, key=lambda m: m.omega)
    for m, (_, omega, sigma, _) in zip(found, parts, strict=True):
        assert abs(m.omega - omega) < 5 * m.errors[0]
        assert abs(m.sigma - sigma) < 5 * m.errors[1]


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_noise_and_trends_are_no_oscillation(seed: int):
    rng = np.random.default_rng(seed)
    white, red = rng.normal(size=300), np.cumsum(rng.normal(size=300))
    decay = np.exp(-np.arange(300) / 50) + 0.01 * rng.normal(size=300)
    for y in (white, red, decay):
        assert oscillation_modes(y[None]).modes == []


@pytest.mark.slow  # fast, in units of 1: test_a_mode_lies_within_its_errors
def test_the_fit_is_in_the_records_units():
    y = 1e6 + 1e3 * record([(1.0, 0.3, 0.0, 0.0)], noise=0.02)
    found = oscillation_modes(y[None])
    assert found.modes[0].amplitudes[0] == pytest.approx(1e3, rel=0.02)
    # a deviation over 400 rows is known within 1/sqrt(800) = 3.5 %; the fit takes a trend and a mode out of it
    assert found.noise[0] == pytest.approx(20.0, rel=0.1)
    assert np.std(found.fitted[0] - y) == pytest.approx(20.0, rel=0.1)


@pytest.mark.parametrize(
    ("rows", "sigma", "noise", "off"),
    [(200, 0.005, 1e-4, 1e-3), (60, -0.01, 1e-2, 0.0), (200, 0.005, 1e-2, 0.0)],
)
def test_the_damping_of_what_flips_is_within_its_error_or_unknown(
    rows: int, sigma: float, noise: float, off: float
):
    """What changes sign from row to row is also what an autoregression does by itself: its damping stays open."""
    (m,) = oscillation_modes(record([(1.0, np.pi - off, sigma, 0.0)], rows, noise, seed=1)[None]).modes
    assert abs(m.sigma - sigma) < 4 * m.errors[1]
    assert abs(m.omega - (np.pi - off)) < 4 * m.errors[0] < 0.1
