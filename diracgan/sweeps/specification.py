"""The specification of a sweep: a variant, a motion, the axes, and the quantity.

A :class:`Specification` answers for any block of points by itself, with the same numbers wherever it is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..analysis.linear.settings import settings as linear_settings
from ..dynamics.starts import check_untraced, dimension, starts
from ..errors import InputError
from ..game import Players
from ..parameters import plain
from ..rules import Rule
from ..variants import Variant
from ..variants.registry import check_variant
from . import quantities as what
from .axes import Axis, PointSetup, axis, components
from .quantities import PointBatch
from .quantity import LINEAR, TAIL, WHOLE, Quantity
from .settings import RunSettings


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a question is asked, before anything is varied: what was given, or None."""

    phi0: Any = None
    theta0: Any = None
    dim: int | None = None
    x0: Any = None
    at: Any = None

    @property
    def dimension(self) -> int | None:
        """The dimension that it says; None where it does not."""
        return dimension(self.phi0, self.theta0, self.dim, self.x0)


@dataclasses.dataclass(frozen=True, eq=False)
class Specification:
    """What is asked at every point.

    Attributes:
        variant: what is minimised; ``rule`` how the players move, None for the flow.
        start: start and datum.
        rates: factors on the flow's velocities.
        axes: what is varied, in order.
        quantities: what is measured.
        settings: how runs are followed.
    """

    variant: Variant
    rule: Rule | None
    start: Start
    rates: Players
    axes: tuple[Axis, ...]
    quantities: tuple[Quantity, ...]
    settings: RunSettings

    def answer(
        self,
        values: Mapping[str, np.ndarray],
        device: Any = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> dict[str, np.ndarray]:
        """Every quantity on the block that ``values`` span, (len of each axis, ...).

        Args:
            values: axis -> its values; one value for an axis that loops.
            device: the accelerator to use; None for one core.
            stopped: whether nobody waits any more; asked between points that are slow.
        """
        shape = tuple(len(values[a.name]) for a in self.axes)
        mesh = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
        points = {a.name: values[a.name][m.ravel()] for a, m in zip(self.axes, mesh, strict=True)}
        found = what.measure(self.case(points), self.quantities, device, stopped)
        return {n: x.reshape(*shape, *x.shape[1:]) for n, x in found.items()}

    def case(self, points: Mapping[str, np.ndarray]) -> PointBatch:
        """The case of any points, one value of every axis each; axes that loop have the same everywhere."""
        count = len(next(iter(points.values())))
        dims = {a.name: int(points[a.name][0]) for a in self.axes if a.name == "dim"}
        draft = self.draft(dims.get("dim", self.start.dim))
        for a in sorted(self.axes, key=lambda a: a.ratio):
            value = points[a.name]
            draft = a.apply(draft, a.check(plain(value[0])) if a.loop else value)

        def rows(x: np.ndarray) -> np.ndarray:
            return np.broadcast_to(x, (count, x.shape[-1]))

        point = draft.setup.point
        if self.start.at is None:
            point = Players(np.zeros_like(draft.x0), draft.x0)
        setup = dataclasses.replace(draft.setup, x0=draft.x0, point=point)
        settings = dataclasses.replace(self.settings, ema_tau=draft.ema_tau)
        values = {n: np.asarray(x) for n, x in points.items()}
        return PointBatch(setup, rows(draft.phi), rows(draft.theta), settings, values)

    def draft(self, dim: int | None) -> PointSetup:
        """The point before any axis has changed it, in ``dim`` dimensions."""
        p = self.start
        phi, theta, x0 = starts(p.phi0, p.theta0, dim, p.x0)
        around = linear_settings(
            self.variant, self.rule, None if p.at is not None else len(x0), x0, p.at, *self.rates
        )
        return PointSetup(around, phi, theta, x0, self.settings.ema_tau)


def question(
    variant: Variant,
    rule: Rule | None,
    *,
    start: Start,
    rates: Players,
    names: Sequence[str],
    quantities: tuple[Quantity, ...],
    settings: RunSettings,
) -> Specification:
    """A question about the axes ``names``, everything checked.

    Raises:
        InputError: for names that nothing turns, or quantities that make no sense here.
    """
    check_variant(variant)
    check_untraced("a sweep", variant, rule)
    what.check(quantities, rule, names, settings)
    start = _with_dimension(start, names, quantities)
    bare = Specification(variant, rule, start, rates, (), quantities, settings)
    draft = bare.draft(start.dim)
    followed = any(q.group in (WHOLE, TAIL) for q in quantities)
    axes = tuple(axis(n, draft, names, followed) for n in names)
    return dataclasses.replace(bare, axes=axes)


def _with_dimension(start: Start, names: Sequence[str], quantities: Sequence[Quantity]) -> Start:
    """d = 1 for the linearisation and for a start given as one number; else 2, as everywhere."""
    if "dim" in names:
        if any(getattr(start, n) is not None for n in ("phi0", "theta0", "dim", "at")):
            raise InputError("the axis dim varies the default start; leave out phi0, theta0, at and dim")
        return start
    if start.dim is not None or start.phi0 is not None or start.theta0 is not None or start.at is not None:
        return start
    if start.x0 is not None and np.ndim(start.x0) and len(start.x0) > 1:
        return start
    indices = components(names)
    if indices:
        return dataclasses.replace(start, dim=max(2, 1 + max(indices)))
    alone = all(q.group == LINEAR for q in quantities) or any(n in ("phi0", "theta0") for n in names)
    return dataclasses.replace(start, dim=1 if alone else 2)
