"""Alarms that stop a run: each is named, and judged from the metrics alone.

A watch is fed the lines of metrics in their order; one that is fed those of an interrupted run again is where it was.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from .config import Alarms

_SURE = 0.3  # share of the data's own score from which classes of samples count


class Alarm(NamedTuple):
    """What went wrong: a short name, and a sentence."""

    name: str
    text: str


class AlarmMonitor:
    """Looks at one run's metrics, line by line.

    Example:
        >>> AlarmMonitor(Alarms()).check({"step": 3, "loss_d": float("nan")}).name
        'NaN'
    """

    def __init__(self, alarms: Alarms) -> None:
        """``alarms``: the limits."""
        self.limits, self.zeros, self.most, self.start = alarms, 0, 0.0, None
        self.lost = 0
        self.losses: list[float] = []

    def check(self, line: Mapping[str, Any]) -> Alarm | None:
        """The alarm that a line of metrics raises, or None."""
        step = line.get("step", 0)
        for name, value in line.items():
            if isinstance(value, float) and not math.isfinite(value):
                return Alarm("NaN", f"{name} is {value} at step {step}")
        if not self.limits.on:
            return None
        tests = (self._zero, self._blow_up, self._falling, self._loss)
        return next(filter(None, [test(line, step) for test in tests]), None)

    def _zero(self, line: Mapping[str, Any], step: int) -> Alarm | None:
        nothing = abs(line.get("loss_d", 1.0)) < self.limits.critic_zero and line.get("margin", -1.0) > 0
        self.zeros = self.zeros + 1 if nothing else 0
        if self.zeros < self.limits.patience:
            return None
        return Alarm(
            "critic loss 0",
            f"the critic's loss is {line['loss_d']:.2g} since {self.zeros} lines at step {step}: it tells every real "
            "sample from every fake one, and the generator learns nothing more",
        )

    def _blow_up(self, line: Mapping[str, Any], step: int) -> Alarm | None:
        top = line.get("singular", {})
        largest = max((values[0] for values in top.values()), default=0.0)
        if self.start is None:
            self.start = largest
            return None
        where = max(top, key=lambda n: top[n][0], default="")
        if not largest > self.limits.blow_up * max(self.start, 1e-12) > 0 or not top:
            return None
        return Alarm(
            "singular values",
            f"the largest singular value of {where} is {largest:.3g} at step {step}, {largest / self.start:.3g} times "
            "the largest at the start",
        )

    def _falling(self, line: Mapping[str, Any], step: int) -> Alarm | None:
        """S. Chintala's list of tricks, 10: a generator's loss that falls steadily fools the critic with garbage."""
        count = self.limits.falling
        if count is None or "loss_g" not in line:
            return None
        self.losses = [*self.losses, line["loss_g"]][-count:]
        pairs = [a > b for a, b in itertools.combinations(self.losses, 2)]
        fooled = line.get("d_fake", 0.0) > line.get("d_real", 0.0)
        if len(self.losses) < count or not fooled or sum(pairs) < 0.95 * len(pairs):
            return None
        return Alarm(
            "generator loss falls",
            f"the generator's loss fell from {self.losses[0]:.3g} to {self.losses[-1]:.3g} over {count} lines at step "
            f"{step}, and the critic ranks its samples above real ones: it fools the critic, whatever it makes",
        )

    def _loss(self, line: Mapping[str, Any], step: int) -> Alarm | None:
        covered, what = line.get("modes"), "modes"
        if covered is None and "classes" in line:
            fair = 0.1 / len(line["classes"])
            covered, what = float(sum(s >= fair for s in line["classes"])), "classes"
            # before samples look like anything, what a classifier takes them for means nothing
            sure = line.get("inception", 0.0) >= _SURE * line.get("inception_real", 1.0)
            covered = covered if sure or self.most else None
        if covered is None:
            return None
        self.most = max(self.most, covered)
        # samples that lie about all modes, but not on them, are inaccurate or turn around them: none is lost
        left = max(covered, line.get("nearest_modes", 0.0)) if what == "modes" else covered
        gone = self.most >= 4 and left <= (1.0 - self.limits.mode_loss) * self.most
        self.lost = self.lost + 1 if gone else 0  # narrow modes come and go from line to line
        if self.lost < self.limits.patience:
            return None
        return Alarm("mode loss", f"{left:g} of {self.most:g} {what} are left at step {step}")
