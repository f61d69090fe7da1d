"""A quantity of a sweep, and the table of those that are built in; light enough for a command's help."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsFloat

from ..analysis.kinds import KINDS, OUTCOMES
from ..analysis.linear.status import STATUSES

if TYPE_CHECKING:
    import numpy as np

    from ..rules import Rule
    from ..variants import Variant

LINEAR, WHOLE, TAIL, POINT = "linear", "whole run", "tail", "point by point"
SAMPLES = 128
"""How many values of an orbit are kept at every point."""

ROWS, FINEST = 1024, 0.1
"""How many states a run's tail has at most, and the time between two of a flow's, so that fast turns are seen."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One point of a sweep, as a user's quantity sees it.

    Attributes:
        variant: with the point's hyperparameters.
        rule: with the point's, or None for the flow.
        phi0: the critic's start, (d,).
        theta0: the generator's, (d,).
        x0: the datum, (d,).
        rate_d: factor on the critic's velocity in the flow.
        rate_g: factor on the generator's.
        values: axis -> its value here.
    """

    variant: Variant
    rule: Rule | None
    phi0: np.ndarray
    theta0: np.ndarray
    x0: np.ndarray
    rate_d: float
    rate_g: float
    values: dict[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``simulate`` and ``verdict`` want to know besides the variant."""
        rates = {} if self.rule is not None else {"rate_d": self.rate_d, "rate_g": self.rate_g}
        return {"phi0": self.phi0, "theta0": self.theta0, "x0": self.x0, "rule": self.rule} | rates


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One thing that a sweep can ask.

    Attributes:
        name: what its variable is called.
        group: how it is found: ``"linear"``, ``"whole run"``, ``"tail"`` or ``"point by point"``.
        help: one line.
        unit: of a flow's; ``map_unit`` of a rule's.
        flags: the words that its numbers stand for; () for a number.
        extra: further dimensions, name and size.
        function: a user's own, for one :class:`Point`.
        needs_rule: whether a flow has none.
        needs_average: whether it is one of an average of the weights.
    """

    name: str
    group: str
    help: str
    unit: str = "1"
    map_unit: str = "1"
    flags: tuple[str, ...] = ()
    extra: tuple[tuple[str, int], ...] = ()
    function: Callable[[Point], SupportsFloat] | None = None
    needs_rule: bool = False
    needs_average: bool = False

    @property
    def dtype(self) -> str:
        """float64, or int8 where its numbers stand for words."""
        return "int8" if self.flags else "float64"

    @property
    def missing(self) -> float:
        """What stands where nothing has been computed yet."""
        return -1 if self.flags else math.nan

    def attributes(self, discrete: bool) -> dict[str, Any]:
        """What its variable says about itself."""
        said: dict[str, Any] = {"long_name": self.help, "units": self.map_unit if discrete else self.unit}
        if self.flags:
            said |= {"flag_values": list(range(len(self.flags))), "flag_meanings": " ".join(self.flags)}
        return said


_TIMES = ("time", "time (iterations x learning rate)")
_LATE = f"the last half of the run, or its last {ROWS:,} iterations (of a flow: states {FINEST} apart)"
_ALL = (
    Quantity("margin", LINEAR, "spectral margin: -max Re, or 1 - max modulus of the multipliers", "1/time"),
    Quantity(
        "spectral_radius",
        LINEAR,
        "largest modulus of the multipliers of one iteration (needs a rule)",
        needs_rule=True,
    ),
    Quantity("status", LINEAR, "what the linearisation says", flags=STATUSES),
    Quantity(
        "frequency", LINEAR, "angular frequency of the leading eigenvalue that turns", "1/time", "1/iteration"
    ),
    Quantity(
        "ema_gain",
        LINEAR,
        "amplitude of the weight average over that of the orbit (needs ema, or ema_tau)",
        needs_average=True,
    ),
    Quantity("final_radius", WHOLE, "r = |(phi, theta - x0)| at the end; infinite where it diverged"),
    Quantity("escape_time", WHOLE, "first time with r >= escape; NaN if never", *_TIMES),
    Quantity("entry_time", WHOLE, "first time with r <= ball; NaN if never", *_TIMES),
    Quantity("limit_radius", TAIL, f"largest r in {_LATE}"),
    Quantity("radius_phi", TAIL, f"largest |phi| in {_LATE}"),
    Quantity("radius_theta", TAIL, f"largest |theta - x0| in {_LATE}"),
    Quantity("limit_phi", TAIL, "middle of phi (its first component) at the end of the run"),
    Quantity("limit_theta", TAIL, "middle of theta - x0 (its first component) at the end of the run"),
    Quantity(
        "period",
        TAIL,
        f"mean time of a turn in {_LATE}; NaN where nothing turns twice",
        "time",
        "iterations",
    ),
    Quantity("limit", TAIL, "where the run is going, as seen until its end", flags=OUTCOMES),
    Quantity(
        "orbit",
        TAIL,
        "theta (d = 1) or |theta - x0|: its last turning points, or a rule's last iterates",
        extra=(("sample", SAMPLES),),
    ),
    Quantity(
        "verdict", POINT, "the verdict's kind: what truly happens (slow: up to seconds a point)", flags=KINDS
    ),
)
QUANTITIES = {q.name: q for q in _ALL}
"""Name -> quantity."""
