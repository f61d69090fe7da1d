"""Judges of steps drawn onto a bounded motion that never repeats: chaos, or a torus, by their Lyapunov exponents."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....numerics.lyapunov import Exponents
from ...decision_thresholds import T
from ...dynamical_system import DiscreteSystem, Stretch
from ...kinds import Kind
from ...orbits.lyapunov_exponents import exponents_along
from .. import windows
from ..evidence import Answer, Case
from ..judging import judge


@judge(order=60)
def never_repeats(case: Case, stretch: Stretch) -> Answer | None:
    """A bounded motion of steps whose windows differ without a trend, looked at by its exponents now and then."""
    count = len(case.looks) - T.wander_windows
    if not case.motion.discrete or count < 0 or count % T.strange_windows:
        return None
    late = case.looks[-6:]
    sizes, extents = np.array([look.rms for look in late]), np.array([look.extents for look in late])
    trend = abs(np.sign(np.diff(sizes)).sum())
    if trend > 3 or sizes.max() > T.strange_sizes * sizes.min() or np.ptp(sizes) <= T.settled * sizes[-1]:
        return None
    if max(look.diameter for look in late) < T.wander_diameter * extents.max():
        return None
    met = np.max([look.extents for look in late], axis=0)
    return by_exponents(case, {"radius_phi": float(met[0]), "radius_theta": float(met[2])})


def by_exponents(case: Case, numbers: dict[str, Any]) -> Answer | None:
    """Chaotic or quasi-periodic, where the exponents of a long run leave no doubt."""
    motion = case.motion
    if not isinstance(motion, DiscreteSystem):
        return None
    end = case.looks[-1].stretch.end
    found = exponents_along(motion, end, T.chaotic_iterations // motion.period)
    case.spent += T.chaotic_iterations
    if not np.all(np.isfinite(found.values)):
        return None
    largest, error = float(found.values[0]), float(found.errors[0])
    shown = ", ".join(f"{x:.4g} +- {e:.1g}" for x, e in zip(found.values, found.errors, strict=True))
    numbers = numbers | {
        "lyapunov_exponent": largest,
        "lyapunov_error": error,
        "lyapunov_exponents": found.values.tolist(),
        "dimension": found.dimension,
    }
    if largest > max(T.chaotic * error, T.no_exponent):
        case.note(f"Lyapunov exponents over {T.chaotic_iterations} iterations: {shown}")
        return Answer(
            Kind.CHAOTIC,
            numbers,
            f"chaotic: it stays bounded while neighbours separate like exp({largest:.4g} n), "
            f"on a set of dimension {found.dimension:.3g} (Kaplan-Yorke)",
        )
    zero = _vanish(found)
    if zero[0] and not np.any(zero[1:]) and case.system.dim == 1:
        case.note(f"Lyapunov exponents over {T.chaotic_iterations} iterations: {shown}")
        return _invariant_circle(case, numbers, found.values)
    frequencies = two_frequencies(case) if np.sum(zero) == 2 and np.all(zero[:2]) else None
    if frequencies is None or np.all(zero):
        return None
    case.note(f"Lyapunov exponents over {T.chaotic_iterations} iterations: {shown}")
    return Answer(
        Kind.QUASI_PERIODIC,
        numbers | {"frequency": frequencies[0], "frequencies": list(frequencies)},
        f"quasi-periodic: it is drawn onto a torus, on which it turns with the angular frequencies "
        f"{frequencies[0]:.4g} and {frequencies[1]:.4g} per iteration",
    )


def only_shears(case: Case) -> bool:
    """Whether all exponents of a long run of steps are 0: neighbours part like n, as on the curves of a twist map."""
    motion = case.motion
    if not isinstance(motion, DiscreteSystem):
        return False
    case.spent += T.chaotic_iterations
    found = exponents_along(motion, case.looks[-1].stretch.end, T.chaotic_iterations // motion.period)
    return bool(np.all(np.isfinite(found.values)) and np.all(_vanish(found)))


def _vanish(found: Exponents) -> np.ndarray:
    """Which exponents are 0 as far as they are known."""
    return np.abs(found.values) <= np.maximum(T.chaotic * found.errors, T.no_exponent)


def _invariant_circle(case: Case, numbers: dict[str, Any], exponents: np.ndarray) -> Answer:
    """One direction in which neighbours keep their distance, along the motion, and others that bring them to it."""
    period = windows.mean_period(case.motion.advance(case.looks[-1].stretch.end, 0.0, 1.0, 1))
    if period is not None:
        numbers |= {"period": float(period), "floquet": np.exp(exponents * period).astype(complex)}
    return Answer(
        Kind.LIMIT_CYCLE,
        numbers,
        f"ends on an invariant circle: largest |phi| = {numbers['radius_phi']:.6g}, "
        f"|theta - x0| = {numbers['radius_theta']:.6g}"
        + (f", period {period:.6g} on average" if period is not None else ""),
    )


def two_frequencies(case: Case) -> tuple[float, float] | None:
    """The angular frequencies of the two strongest lines that are not multiples of one another; None for one line."""
    rows = case.motion.advance(case.looks[-1].stretch.end, 0.0, 1.0, 1).zs
    off = (rows - rows.mean(axis=0)) * np.hanning(len(rows))[:, None]
    power = np.sum(np.abs(np.fft.rfft(off, 8 * len(rows), axis=0)) ** 2, axis=1)
    width = 24  # of a line, in the bins of the padded transform
    lines = []
    for _ in range(12):
        k = int(np.argmax(power))
        if power[k] <= 0 or (lines and power[k] < T.faintest_line * lines[0][1]):
            break
        lines.append((2 * np.pi * k / (8 * len(rows)), float(power[k])))
        power[max(k - width, 0) : k + width + 1] = 0.0
    resolution = 2 * np.pi * 3 / len(rows)
    for frequency, _ in lines[1:]:
        multiples = lines[0][0] * np.arange(0, 40)
        folded = np.abs((multiples + np.pi) % (2 * np.pi) - np.pi)
        if np.min(np.abs(folded - frequency)) > resolution:
            return lines[0][0], frequency
    return None
