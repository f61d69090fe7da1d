"""Autoregressions with modes, against plain least squares on the same rows."""

import numpy as np
import pytest
from scipy.signal import lfilter

from diracgan.numerics.autoregression import MOST_LAGS, Autoregression, gain_of, is_flip, scan

ROWS = 400
RNG = np.random.default_rng(5)


def standard(y):
    return (y - y.mean()) / y.std()


COLOURED = standard(lfilter([1.0], [1.0, -1.2, 0.5], RNG.normal(size=2000)))
ROTATING = standard(
    np.exp(-0.004 * np.arange(ROWS)) * np.cos(0.3 * np.arange(ROWS)) + 0.5 * RNG.normal(size=ROWS)
)


def test_the_order_and_the_lags_of_coloured_noise():
    model = Autoregression(COLOURED)
    order, _ = model.order([])
    assert order == 2
    # the estimates scatter by sqrt((1 - a2^2)/n) = 0.02
    np.testing.assert_allclose(model.fit(2, []).lags, [1.2, -0.5], rtol=0, atol=0.06)


@pytest.mark.parametrize("s", [-0.01 + 0.4j, 0.002 + 1.1j, -0.02 + 1j * np.pi])
def test_a_mode_alone_is_fitted_to_rounding(s):
    n = np.arange(ROWS)
    y = np.real((0.7 - 0.2j * (not is_flip(s))) * np.exp(s * n))
    scale = y.std()
    fit = Autoregression((y - y.mean()) / scale).fit(0, [s])
    assert np.max(np.abs(fit.residual)) < 1e-9
    # y = alpha Re z^n + beta Im z^n = Re((alpha - i beta) z^n)
    assert fit.modes[0] * scale == pytest.approx(0.7 - 0.2j * (not is_flip(s)), rel=1e-9)


@pytest.mark.parametrize("order", [0, 2, MOST_LAGS])
@pytest.mark.parametrize("damping", [0.0, 0.004, -0.003])
def test_the_scan_by_fourier_transforms_is_what_fitting_each_frequency_gives(order, damping):
    model, size = Autoregression(ROTATING), 512
    base = model.base(order, [])
    found = scan([model], [base], damping, size)
    for k in (7, 24, 25, 100, 200):
        s = complex(-damping, 2 * np.pi * k / size)
        shrunk = model.count * np.log(model.fit(order, []).cost / model.fit(order, [s]).cost)
        # the window of a growing mode ends at 1, as its columns do
        assert found[k] == pytest.approx(shrunk, rel=1e-6, abs=1e-6)
        assert gain_of(model, base, model.columns([s])) == pytest.approx(shrunk, rel=1e-6, abs=1e-6)
    assert np.argmax(found) == round(0.3 * size / (2 * np.pi))
