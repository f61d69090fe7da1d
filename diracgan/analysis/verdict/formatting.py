"""Numbers in the sentences of a verdict."""

from __future__ import annotations

import numpy as np

from ..decision_thresholds import T

_NO_TREND = 0.01  # relative change below which an amplitude stays
_REAL = 1e-9  # imaginary parts that are not written


def trend(amplitudes: np.ndarray) -> str:
    """What an amplitude has done over windows at growing times, in words."""
    first, before, last = (
        float(amplitudes[0]),
        float(amplitudes[-min(4, len(amplitudes))]),
        float(amplitudes[-1]),
    )
    if not min(first, before) > 0 or abs(last / first - 1) < _NO_TREND:
        return ""
    way = "grown" if last > first else "fallen"
    return (
        f": its amplitude has {way} from {first:.4g} to {last:.4g}, "
        f"by a factor {last / before:.4g} over the last three windows"
    )


def vector(z: np.ndarray, size: float = 0.0) -> str:
    """A point in words, what is rounding beside its largest entry and beside ``size`` shown as 0."""
    rounding = T.rounding * max(size, float(np.max(np.abs(z))))
    return "(" + ", ".join(f"{x:.5g}" if abs(x) > rounding else "0" for x in z) + ")"


def complexes(values: np.ndarray) -> str:
    """Complex numbers in words, separated by commas."""
    return ", ".join(
        f"{v.real:.5g}{v.imag:+.5g}i" if abs(v.imag) > _REAL else f"{v.real:.5g}" for v in values
    )
