"""Cycles of an adaptive rule over two parameters, where its equilibrium has no useful linearisation."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, callback, integer, shown
from ...records import Record
from ...rules import Rule, check_rule
from ...variants import Variant
from ..linear.parameter_handle import set_all
from ..linear.settings import AskedAbout, settings
from ..slow_flow.averaged import averaged
from .curves import Rectangle, plane, rectangle

_CELLS = 13
_SHORTEST = 1e-3  # of a range that begins at 0: the first value that is looked at
_WIDE = 20.0  # last/first of a range from which its values are equispaced by their logarithm


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaptiveChart(Rectangle, AskedAbout, Record):
    """What an adaptive rule ends on over a rectangle of two parameters.

    Attributes:
        parameters: the two names; ``low`` and ``high`` their ranges.
        first: the values of the first that were looked at, (m,); ``second`` of the second, (n,).
        amplitudes: largest |phi| in the end, (m, n); NaN where it grows, or is not known.
        periods: iterations of a rotation, (m, n); NaN likewise.
        kinds: what the start leads to, m lists of n: limit-cycle, orbit, equilibrium, growing, undecided.
        counts: how many cycles there are, stable or not, that averaging finds, (m, n).
        text: one sentence in words.
    """

    first: np.ndarray
    second: np.ndarray
    amplitudes: np.ndarray
    periods: np.ndarray
    kinds: list[list[str]]
    counts: np.ndarray
    text: str


def adaptive_chart(
    variant: Variant,
    over: Sequence[str],
    rule: Rule,
    start: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    x0: ArrayLike | None = None,
    cells: int = _CELLS,
    progress: Callable[[int, int], None] | None = None,
) -> AdaptiveChart:
    """The sizes of the cycles on which an adaptive rule ends, on a grid of two parameters, d = 1.

    At each point the averaged flow (:func:`diracgan.averaged`), or the iterated map where a rotation takes too few
    steps to average over. Where eps is small the cycles shrink in proportion to lr, so that curves of one size fan out.

    Args:
        variant: from :func:`diracgan.variant`.
        over: two parameters with their ranges: ``("gamma=0.01:1", "lr=0.001:0.1")``.
        rule: from :func:`diracgan.rule`; its steps must not shrink with the gradient.
        start: phi and theta from which it starts; None for 0.1 and 0.2.
        x0: the datum; 0.
        cells: how many values of either are looked at.
        progress: called with how many points were computed, of how many.

    Returns:
        An :class:`AdaptiveChart`.

    Raises:
        InputError: for arguments that are not allowed, or a rule whose steps follow the gradient.

    Example:
        >>> import diracgan as dg
        >>> rule = dg.rule("adam", beta1=0.5, beta2=0.99)
        >>> over = ("gamma=0.01:0.1", "lr=0.001:0.01")
        >>> found = dg.bifurcation.adaptive_chart(dg.variant("ns"), over, rule, cells=2)
        >>> found.kinds, (found.amplitudes[:, 1] / found.amplitudes[:, 0]).round(1).tolist()
        ([['limit-cycle', 'limit-cycle'], ['limit-cycle', 'limit-cycle']], [8.3, 9.7])
    """
    check_rule(rule)
    callback("progress", progress)
    if not isinstance(start, (tuple, list)) or len(start) != 2:
        raise InputError(
            f"start = {shown(start)} is not a pair; allowed: (phi, theta), None for the usual one"
        )
    around = settings(variant, rule, 1, x0)
    handles, low, high = plane(around, over)
    count = integer("cells", cells, low=2, high=100)
    axes = [_values(a, b, count) for a, b in zip(low, high, strict=True)]
    rows = []
    for i, p in enumerate(axes[0]):
        for j, q in enumerate(axes[1]):
            here = set_all(around, handles, (float(p), float(q)))
            assert here.rule is not None
            rows.append(averaged(here.variant, here.rule, phi0=start[0], theta0=start[1], x0=around.x0))
            if progress is not None:
                progress(i * count + j + 1, count * count)

    def grid(values: list[Any]) -> np.ndarray:
        return np.array([np.nan if v is None else v for v in values], float).reshape(count, count)

    kinds = [[str(f.kind) for f in rows[k : k + count]] for k in range(0, len(rows), count)]
    asked: dict[str, Any] = dict(around.provenance)
    asked["at"] = {"phi": [rows[0].start[0]], "theta": [rows[0].start[1]]}
    amplitudes, place = grid([f.amplitude for f in rows]), rectangle(handles, low, high)
    return AdaptiveChart(
        first=axes[0],
        second=axes[1],
        amplitudes=amplitudes,
        periods=grid([f.period for f in rows]),
        kinds=kinds,
        counts=grid([len(f.cycles) for f in rows]).astype(int),
        text=_words(place["parameters"], kinds, amplitudes),
        **place,
        **asked,
    )


def _values(low: float, high: float, count: int) -> np.ndarray:
    """Equispaced, by their logarithm where the range is wide and does not begin at 0, which many cannot be (lr)."""
    if low > 0 and high >= _WIDE * low:
        return np.geomspace(low, high, count)
    return np.linspace(low or _SHORTEST * high, high, count)


def _words(names: tuple[str, str], kinds: list[list[str]], amplitudes: np.ndarray) -> str:
    met = Counter(k for row in kinds for k in row)
    said = ", ".join(f"{n} {k}" for k, n in met.most_common())
    sizes = amplitudes[np.isfinite(amplitudes)]
    largest = f"; largest |phi| from {sizes.min():.3g} to {sizes.max():.3g}" if len(sizes) else ""
    return f"what the rule ends on at {sum(met.values())} points of ({names[0]}, {names[1]}): {said}{largest}"
