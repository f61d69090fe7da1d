"""Plain arrays of a trajectory for plotting, cut where it ends.

The drawing functions take an ``xarray.Dataset``, a ``Trajectory`` or any mapping with the same names;
none of them is imported here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, shown
from .letters import number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array = NDArray[np.float64]

# Beyond this an axis' limits overflow; such rows are not drawn (and the title says "diverged").
_LARGEST = 1e290
_MOST_ROWS = 3001  # of a flow that is drawn


class FlatPath(NamedTuple):
    """A path in a plane.

    Attributes:
        points: (rows, 2).
        origin: where the equilibrium is, (2,).
        averaged: the path's average, (rows, 2), if any.
        labels: of the two axes.
        title: what plane it is, where that needs to be said.
    """

    points: Array
    origin: Array
    averaged: Array | None
    labels: tuple[str, str]
    title: str = ""


@dataclass(frozen=True)
class Series:
    """The drawable part of one trajectory: rows that are finite, in order.

    Attributes:
        phi: the critic's parameters, (rows, d).
        theta: the generator's, (rows, d).
        clock: time of a flow, or step number of a rule, (rows,).
        discrete: whether ``clock`` counts steps.
        x0: the datum, (d,).
        phi_ema: averaged parameters of the critic, (rows, d), if any.
        theta_ema: averaged parameters of the generator, (rows, d), if any.
        attrs: what produced the trajectory.
    """

    phi: Array
    theta: Array
    clock: Array
    discrete: bool
    x0: Array
    phi_ema: Array | None = None
    theta_ema: Array | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Number of components of each player."""
        return self.phi.shape[1]

    @property
    def name(self) -> str:
        """What moved: the variant's label."""
        return str(self.attrs.get("variant") or "trajectory")

    @property
    def clock_name(self) -> str:
        """The label of the clock's axis."""
        return "step" if self.discrete else "time t"

    @property
    def datum(self) -> str:
        """How θ's distance from the datum is written: ``|θ|`` when the datum is 0."""
        return "|θ − x₀|" if np.any(self.x0) else "|θ|"

    def failure(self) -> str:
        """Return one sentence on how the trajectory ended early, or nothing when it did not."""
        result = str(self.attrs.get("result", "ok"))
        if result == "ok":
            return ""
        text = str(self.attrs.get("result_text") or "")
        if text:
            return text
        when = _float(self.attrs.get("result_time"))
        return result if when is None else f"{result} at t = {when:.6g}"

    def flat(self) -> FlatPath:
        """The path in a plane: (φ, θ) for d = 1, the generator's for d = 2, the plane of the start for d ≥ 3."""
        if self.dim == 1:
            both = None if self.phi_ema is None or self.theta_ema is None else [self.phi_ema, self.theta_ema]
            return FlatPath(
                np.hstack([self.phi, self.theta]),
                np.array([0.0, self.x0[0]]),
                None if both is None else np.hstack(both),
                ("critic φ", "generator θ"),
            )
        if self.dim == 2:
            return FlatPath(self.theta, self.x0, self.theta_ema, ("generator θ₁", "generator θ₂"))
        shifted = self.theta - self.x0
        basis = plane(shifted[0], self.phi[0])
        averaged = None if self.theta_ema is None else (self.theta_ema - self.x0) @ basis.T
        prefix = "θ − x₀" if np.any(self.x0) else "θ"
        along, across = ("along θ(0)", "across θ(0)") if np.any(shifted[0]) else ("along e₁", "along e₂")
        points = shifted @ basis.T
        out, size = (float(norm(x).max()) for x in (shifted - points @ basis, shifted))
        leaves = "" if out <= 1e-6 * size else f"; θ leaves it by {number(out, 2)}"
        title = f"plane of the start, d = {self.dim}{leaves}"
        return FlatPath(points, np.zeros(2), averaged, (f"{prefix} {along}", f"{prefix} {across}"), title)


class NamedArrays(Protocol):
    """Arrays by name, of which a trajectory has ``phi``, ``theta`` and a clock."""

    def __contains__(self, name: str, /) -> bool: ...

    def __getitem__(self, name: str, /) -> Any: ...


TrajectoryLike: TypeAlias = Series | NamedArrays
"""What :func:`read` reads: a Dataset, a ``Trajectory``, a mapping, or what it returned."""


def read(traj: TrajectoryLike) -> Series:
    """Return the drawable rows of ``traj``.

    Args:
        traj: anything with ``phi`` and ``theta`` of shape (rows, d), ``time`` or ``step``, optionally
            ``phi_ema`` and ``theta_ema``, and ``attrs``: a Dataset of :func:`diracgan.simulate`, a
            ``Trajectory``, or a dict.

    Returns:
        The rows before the first that is not finite.

    Raises:
        InputError: when a name is missing or no row is finite.

    Example:
        >>> s = read({"phi": [[1.0], [2.0]], "theta": [[0.0], [1.0]], "time": [0.0, 1.0]})
        >>> s.dim, s.discrete
        (1, False)
    """
    if isinstance(traj, Series):
        return traj
    if not isinstance(traj, Container):
        raise InputError(
            f"traj = {shown(traj)} is no trajectory; allowed: what dg.simulate returns, or a mapping of its names"
        )
    clock_key = "step" if "step" in traj else "time"
    missing = [k for k in ("phi", "theta", clock_key) if k not in traj]
    if missing:
        raise InputError(f"the trajectory has no {missing[0]!r}; needed: phi, theta, and time or step")
    clock = np.asarray(traj[clock_key], dtype=float).reshape(-1)
    phi, theta = (_rows(traj[k], len(clock), k) for k in ("phi", "theta"))
    means = {k: _rows(traj[k], len(clock), k) if k in traj else None for k in ("phi_ema", "theta_ema")}

    everything = np.hstack([clock[:, None], phi, theta])
    with np.errstate(invalid="ignore"):
        fit = np.all(np.abs(everything) <= _LARGEST, axis=1)
    rows = len(fit) if fit.all() else int(np.argmin(fit))
    if rows == 0:
        raise InputError("the trajectory has no finite row to draw; allowed: at least a finite start")

    attrs = dict(traj.get("attrs", {}) if isinstance(traj, Mapping) else getattr(traj, "attrs", {}))
    return Series(
        phi=phi[:rows],
        theta=theta[:rows],
        clock=clock[:rows],
        discrete=clock_key == "step",
        x0=_datum(attrs.get("x0"), phi.shape[1]),
        phi_ema=None if means["phi_ema"] is None else means["phi_ema"][:rows],
        theta_ema=None if means["theta_ema"] is None else means["theta_ema"][:rows],
        attrs=attrs,
    )


def thin(rows: int, most: int) -> NDArray[np.intp]:
    """Return at most ``most`` row numbers, equally spaced, first and last included.

    Example:
        >>> thin(5, 10).tolist(), thin(9, 3).tolist()
        ([0, 1, 2, 3, 4], [0, 4, 8])
    """
    if rows <= most:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, most).round().astype(np.intp))


def smooth_rows(traj: TrajectoryLike) -> int:
    """Return how many rows a path needs so that straight lines between them show no corners.

    Between two rows a line is off by an eighth of its length times the angle by which the path turns: less than 1/1400
    of the picture, half a pixel.

    Example:
        >>> t = np.linspace(0, 2 * np.pi, 13)
        >>> smooth_rows({"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t})
        63
    """
    points = read(traj).flat().points
    steps = np.diff(points, axis=0)
    size = float(np.ptp(points, axis=0).max(initial=0.0))
    if len(steps) < 2 or size <= 1e-290:
        return len(points)
    before, after = steps[:-1] / size, steps[1:] / size
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    angle = np.abs(np.arctan2(cross, np.sum(before * after, axis=1)))
    off = float((np.minimum(norm(before), norm(after)) * angle).max()) / 8
    return int(min(len(points) * max(1.0, math.sqrt(off * 1400)), _MOST_ROWS))


def norm(rows: Array) -> Array:
    """Return the length of every row, without overflow or underflow of squares."""
    return np.hypot.reduce(rows, axis=1)


def plane(first: Array, second: Array) -> Array:
    """Return two orthonormal rows that span ``first`` and ``second``, completed where those are collinear.

    Example:
        >>> plane(np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 1.0])).tolist()
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    rows: list[Array] = []
    size = max(float(np.max(np.abs(first))), float(np.max(np.abs(second))), 1e-290)
    for vector in (first / size, second / size, *np.eye(len(first))):
        rest = vector - sum((row * (row @ vector) for row in rows), np.zeros(len(first)))
        length = float(norm(rest[None])[0])
        if length > 1e-9:
            rows.append(rest / length)
        if len(rows) == 2:
            break
    return np.stack(rows)


def window(points: Array, margin: float = 0.08) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return x and y limits that hold all ``points`` (rows, 2) with a margin, whatever their scale.

    A direction in which the points do not move (to a thousandth of where they are) gets the other one's
    extent, or 1.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    centre, half = (low + high) / 2, (high - low) / 2
    floor = np.maximum(1e-3 * np.abs(centre), 1e-290)
    still = half < floor
    half = (
        np.where(still, np.maximum(half.max(), floor), half) if not still.all() else np.full(2, floor.max())
    )
    half = np.where(half <= 1e-290, 1.0, half) * (1 + 2 * margin)
    (x, y), (dx, dy) = centre.tolist(), half.tolist()
    return (x - dx, x + dx), (y - dy, y + dy)


def _rows(values: ArrayLike, rows: int, name: str) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != rows:
        raise InputError(f"{name} has shape {np.shape(values)}; allowed: ({rows}, d), one row per time")
    return array


def _datum(x0: ArrayLike | None, dim: int) -> Array:
    values = json.loads(x0) if isinstance(x0, str) else x0
    array = np.zeros(dim) if values is None else np.asarray(values, dtype=float).reshape(-1)
    return np.broadcast_to(array, (dim,)) if array.size in (1, dim) else np.zeros(dim)


def _float(value: Any) -> float | None:
    try:
        x = float(value)
    except (TypeError, ValueError):
        return None
    return x if np.isfinite(x) else None
