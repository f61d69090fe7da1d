"""The laws by which an amplitude decays or grows, fitted with an error bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

_CONSTANT = 1e-6  # of a speed: one that varies by less is constant
# of a change in half a decade: the next one, at most, of one that dies out like t^-0.3 or faster
_DIES_OUT = 0.7
_LEAST_ERROR = 0.005  # of an exponent
_DIGITS = 5  # of a constant in words
_STAYS = 0.1  # of the distance that is left: by which a limit may move with two samples more


class PowerLaw(NamedTuple):
    """r ~ constant (t + offset)^(-exponent), with the half-widths of the exponent's and the constant's error bars."""

    exponent: float
    constant: float
    offset: float
    error: float
    constant_error: float

    def scaled(self, factor: float) -> PowerLaw:
        """The law of an amplitude ``factor`` times as large."""
        return self._replace(constant=factor * self.constant, constant_error=factor * self.constant_error)

    @property
    def shown(self) -> str:
        """The constant in as many digits as its error leaves, two to five.

        Example:
            >>> PowerLaw(0.5, 2.82843, 0.0, 0.005, 0.002).shown
            '2.828'
        """
        unknown = self.constant_error / max(abs(self.constant), np.finfo(float).tiny)
        return f"{self.constant:.{int(np.clip(np.ceil(-np.log10(max(unknown, 1e-9))), 2, _DIGITS))}g}"

    @property
    def numbers(self) -> dict[str, float]:
        """As a verdict reports it."""
        return {
            "exponent": self.exponent,
            "exponent_error": self.error,
            "constant": self.constant,
            "constant_error": self.constant_error,
        }


def power_law(t: np.ndarray, r: np.ndarray) -> PowerLaw | None:
    """Fit r ~ C (t + t0)^-p to a slowly falling (or growing) amplitude; None where no such law holds.

    With the right p, r^(-1/p) is a straight line in t. p is found on the later half of the samples, and its error bar
    from how much it moves between the two halves. A p within its error bar (at least half a per cent) of a fraction
    with a denominator up to 6 is taken to be that fraction, since a return map r+ = r - k r^q gives p = 1/(q - 1). The
    constant's error bar holds that of the p that was found, by which it moves like a power of the time.

    Args:
        t: times, increasing, (n,) with n >= 5; r: amplitudes > 0 there.
        r: amplitudes.

    Example:
        >>> t = np.geomspace(10, 1e5, 12)
        >>> law = power_law(t, np.sqrt(8 / (t + 30)))
        >>> round(law.exponent, 6), round(law.constant**2, 3)
        (0.5, 8.0)
    """
    if len(t) < 5 or np.any(r <= 0) or not np.all(np.isfinite(r)) or r[-1] == r[0]:
        return None
    late = slice(len(t) // 2, None) if len(t) >= 8 else slice(None)
    p, misfit = _exponent(t[late], r[late])
    early, _ = _exponent(t[: max(len(t) - 2, 4)], r[: max(len(t) - 2, 4)], near=p)
    if not np.isfinite(p) or misfit > 2e-3:
        return None
    error = max(abs(p - early), _LEAST_ERROR * abs(p))
    exponent = _as_fraction(p, error)
    (constant, offset), (unfounded, _) = (
        _line(t[late], r[late], q) for q in (exponent, early if exponent == p else p)
    )
    if not np.isfinite(constant):
        return None
    constant_error = constant_spread(t[late], r[late], exponent, offset) + abs(unfounded - constant)
    return PowerLaw(exponent, constant, offset, float(error), float(constant_error))


def _line(t: np.ndarray, r: np.ndarray, exponent: float) -> tuple[float, float]:
    """The constant and the offset of a law, by a straight line through r^(-1/p); not a number where it falls."""
    slope, shift = np.polyfit(t, r ** (-1.0 / exponent), 1)
    if slope <= 0:
        return np.nan, np.nan
    return float(r[-1] * (t[-1] + shift / slope) ** exponent), float(shift / slope)


def constant_spread(t: np.ndarray, r: np.ndarray, exponent: float, offset: float) -> float:
    """The half-width of the error bar of a constant: thrice what r (t + offset)^p varies by over the samples.

    Of the samples alone: as means over windows they keep a part of what r swings by.
    """
    return 3.0 * float(np.ptp(r * (t + offset) ** exponent))


def growth(t: np.ndarray, speed: np.ndarray) -> PowerLaw | None:
    """The law r ~ C (t + t0)^p + D of an amplitude that grows, read from its speed; None where no such law holds.

    The error bar of p is at least twice what the later half of the samples has changed it by.

    A growth has no origin of its own: measured from another point it has another D, which bends a fit of r itself for
    many decades. The speed p C (t + t0)^(p - 1) does not know it.

    Args:
        t: times, increasing, (n,) with n >= 10.
        speed: dr/dt > 0 there.

    Example:
        >>> t = np.geomspace(10, 1e5, 12)
        >>> law = growth(t, 2 / 3 * (t + 30) ** (-2 / 3))  # of 2 (t + 30)^(1/3) + D
        >>> round(law.exponent, 6), round(law.constant, 6)
        (-0.333333, 2.0)
    """
    law, earlier = power_law(t, speed), power_law(*(x[: len(t) // 2] for x in (t, speed)))
    if law is None or earlier is None:
        return _linear(t, speed)
    # what it still changes by dies out slowly
    error = max(law.error, 2 * abs(law.exponent - earlier.exponent))
    exponent = _as_fraction(law.exponent, error)
    moved = (t[-1] + law.offset) ** (exponent - law.exponent)
    power = 1.0 - exponent
    if power <= 0:
        return None
    return law.scaled(float(moved / power))._replace(exponent=-power, error=error)


def _linear(t: np.ndarray, speed: np.ndarray) -> PowerLaw | None:
    """The law C t + D of a speed that is constant, or nears a constant by a power law; None for any other.

    Then log speed changes ever less from one half of a decade to the next, in a geometric series.
    """
    if not np.all(speed > 0) or t[-1] < 10.0 * t[0]:
        return None
    if np.ptp(speed) <= _CONSTANT * speed[-1]:
        return PowerLaw(-1.0, float(speed[-1]), 0.0, _LEAST_ERROR, float(np.ptp(speed)))
    late = np.log(t[-1]) - np.log(10.0) * np.array([1.0, 0.5, 0.0])
    before, now = np.diff(np.interp(late, np.log(t), np.log(speed)))
    if not (before * now > 0 and abs(now) < _DIES_OUT * abs(before)):
        return None
    left = now * now / (before - now)
    limit = float(speed[-1] * np.exp(left))
    error = limit * abs(left)
    return PowerLaw(-1.0, limit, 0.0, max(float(abs(now)), _LEAST_ERROR), float(error))


def approach(t: np.ndarray, r: np.ndarray) -> tuple[float, PowerLaw] | None:
    """The limit of an amplitude that nears it by a power law, and the law of the distance; None where none holds.

    The limit is the one for which :func:`power_law` fits the distance best. None too where it is another one without
    the last two samples, as of a distance that falls like 1/log t.

    Example:
        >>> t = np.geomspace(10, 1e4, 12)
        >>> limit, law = approach(t, 0.5 + 3 / (t + 5) ** 2)
        >>> round(limit, 9), round(law.exponent, 6)
        (0.5, 2.0)
    """
    found = _approach(t, r)
    if found is None or len(t) < 8:
        return found
    earlier = _approach(t[:-2], r[:-2])
    stays = earlier is not None and abs(earlier[0] - found[0]) <= _STAYS * abs(found[0] - r[-1])
    return found if stays else None


def _approach(t: np.ndarray, r: np.ndarray) -> tuple[float, PowerLaw] | None:
    steps = np.diff(r)
    if len(t) < 6 or np.any(steps * steps[-1] <= 0) or np.any(np.diff(np.abs(steps)) >= 0):
        return None
    late, last = slice(-7, None), abs(steps[-1])

    def distances(log_gap: float) -> np.ndarray:
        limit = r[-1] + np.sign(steps[-1]) * np.exp(log_gap) * last
        return np.abs(r[late] - limit)

    def misfit(log_gap: float) -> float:
        return _exponent(t[late], distances(log_gap))[1]

    grid = np.linspace(np.log(0.02), np.log(20.0), 50)
    log_gap, _ = _least(misfit, grid, map(misfit, grid), 0.15, 1e-8)
    law = power_law(t[late], distances(log_gap))
    if law is None or law.exponent <= 0:
        return None
    return float(r[-1] + np.sign(steps[-1]) * np.exp(log_gap) * last), law


def limiting_exponent(t: np.ndarray, r: np.ndarray) -> tuple[float, float] | None:
    """What the local exponents -dlog r/dlog t tend to, where they do so steadily, and an error bar; else None.

    For laws with corrections that die out too slowly for :func:`power_law`; the times must grow geometrically.

    Example:
        >>> t = np.geomspace(1e3, 1e6, 9)
        >>> p, error = limiting_exponent(t, t ** (1 / 3) * (1 + 2 * t ** (-1 / 3)))
        >>> round(p, 6), error < 0.03
        (-0.333333, True)
    """
    local = -np.diff(np.log(r)) / np.diff(np.log(t))
    steps = np.diff(local)[-3:]
    if len(steps) < 3 or np.any(steps * steps[-1] <= 0):
        return None
    ratios = steps[1:] / steps[:-1]
    if not (np.all((ratios > 0.2) & (ratios < 0.9)) and np.ptp(ratios) < 0.1):
        return None
    left = float(steps[-1] * ratios[-1] / (1 - ratios[-1]))  # the rest of a geometric series
    p, error = float(local[-1]) + left, max(abs(left) / 2, _LEAST_ERROR)
    return _as_fraction(p, error), error


def _as_fraction(p: float, error: float) -> float:
    """The fraction with a denominator up to 6 that p is within its error, else p."""
    nice = Fraction(p).limit_denominator(6)
    return float(nice) if nice and abs(float(nice) - p) <= error else p


def _least(
    misfit: Callable[[float], float],
    grid: np.ndarray,
    on_grid: Iterable[float],
    reach: float,
    accuracy: float,
) -> tuple[float, float]:
    """Where a misfit is least, within ``reach`` of the best point of a grid, and how large it is there.

    Args:
        misfit: of one number.
        grid: of such numbers.
        on_grid: the misfit at each of them.
        reach: see above.
        accuracy: to which the least is found.
    """
    from scipy.optimize import minimize_scalar

    best, options = grid[int(np.argmin(list(on_grid)))], {"xatol": accuracy}
    found: Any = minimize_scalar(
        misfit, bounds=(best - reach, best + reach), method="bounded", options=options
    )
    return float(found.x), float(found.fun)


def _exponent(t: np.ndarray, r: np.ndarray, near: float | None = None) -> tuple[float, float]:
    """The p for which r^(-1/p) is straightest in t, and the relative misfit that is left.

    Over many decades the valley of the misfit is narrower than the grid: ``near`` is a p that is tried beside it.
    """
    grid = np.linspace(np.log(0.05), np.log(8.0), 60)
    if near:
        grid = np.append(grid, np.log(abs(near)))
    falling = r[-1] < r[0]
    log_r = np.log(r / r[0])
    from_middle = t - t.mean()
    spread = from_middle @ from_middle

    whole = max(float(np.ptp(log_r)), 1e-300)

    def misfits(log_p: np.ndarray) -> np.ndarray:
        """Of each of several, (k,): one by one the grid would cost more than all else."""
        p = np.exp(log_p)[:, None] * (1 if falling else -1)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            line = np.exp(-log_r / p)
            known = np.all(np.isfinite(line) & (line > 0), axis=1)
            line = line / line.max(axis=1, keepdims=True)
            mean = line.mean(axis=1, keepdims=True)
            slope = np.sum(from_middle * (line - mean), axis=1, keepdims=True) / spread
            fit = np.maximum(mean + from_middle * slope, 1e-300)
            off = np.max(np.abs((np.log(fit) - np.log(np.maximum(line, 1e-300))) * p), axis=1)
        return np.where(known, off / whole, 1e3)

    def misfit(log_p: float) -> float:
        return float(misfits(np.array([log_p]))[0])

    log_p, off = _least(misfit, grid, misfits(grid), 0.1, 1e-10)
    return float(np.exp(log_p)) * (1 if falling else -1), off
