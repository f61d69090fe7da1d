"""What is drawn over a map of basins in the plane (φ, θ): the field, and the limit cycles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.kinds import Kind, Outcome
from ..jax_settings import own_settings
from ..plotting.series import Array
from ..rules import Rule
from ..variants import Variant

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from ..plotting.maps import OnBasins

__all__ = ["map_page"]

_SAME = 0.02  # cycles whose sizes differ by less than this share are one
_MOST = 3  # different sizes beyond which orbits are not isolated cycles
_ITERATES = 600


def on_top(variant: Variant, found: Any, rule: Rule | None = None) -> OnBasins:
    """What :func:`diracgan.plotting.maps.basins` draws on top of a map.

    Args:
        variant: that of the map.
        found: what :func:`diracgan.sweeps.basins` returned.
        rule: that of the map.

    Returns:
        ``field``, for a flow, and ``cycle``, a list of trajectories; nothing unless the axes are phi0 and theta0.
    """
    if found["limit"].dims != ("phi0", "theta0"):
        return {}
    x0 = json.loads(found.attrs["start"])["x0"]
    rates = {n: float(found.attrs.get(n, 1.0)) for n in ("rate_d", "rate_g")}
    made: OnBasins = {"cycle": cycles(variant, found, x0, rule, **rates)}
    if rule is None:
        made["field"] = flat_field(variant, x0, **rates)
    return made


def map_page(variant: Variant, found: xr.Dataset, rule: Rule | None = None) -> Figure:
    """The page of a map, a map of basins with what lies over it."""
    from ..plotting.maps import map_figure

    over: OnBasins = on_top(variant, found, rule) if found.attrs["map"] == "basins" else {}
    return map_figure(found, **over)


def flat_field(
    variant: Variant, x0: Any = None, rate_d: float = 1.0, rate_g: float = 1.0
) -> Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]:
    """The field of a game with d = 1 on columns of points, (N, 1) each, in float64."""
    import jax

    from ..dirac import field as field_of

    velocity = jax.vmap(field_of(variant, x0))

    def at(phi: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
        with own_settings(True):
            dphi, dtheta = velocity(phi, theta)
        return rate_d * np.asarray(dphi), rate_g * np.asarray(dtheta)

    return at


def cycles(
    variant: Variant, found: Any, x0: Any = None, rule: Rule | None = None, **rates: float
) -> list[dict[str, Array]]:
    """The limit cycles among the orbits of a map of basins, each followed for a turn from where a start came to.

    Orbits of a few sizes are asked about, one of each: only what the verdict calls a limit cycle is one.
    """
    from ..analysis import verdict
    from ..dynamics import run

    words = np.array(str(found["limit"].attrs["flag_meanings"]).split())
    here = words[np.asarray(found["limit"])] == Outcome.ORBIT
    how: dict[str, Any] = {"rule": rule} if rule is not None else rates
    made = []
    for i, j in _one_of_each(np.asarray(found["limit_radius"]), here):
        start = [float(found["phi0"][i])], [float(found["theta0"][j])]
        seen = verdict(variant, *start, x0=x0, edge=False, **how)
        if seen.kind != Kind.LIMIT_CYCLE:
            continue
        settings = json.loads(found.attrs["settings"])["flow"]
        if rule is not None:
            late = run(variant, *start, x0=x0, rule=rule, steps=settings["steps"] + _ITERATES)
            kept = slice(-_ITERATES, None)
        else:
            end, turn = settings["t1"], float(seen.numbers["period"])
            ts = np.concatenate([[0.0], end + np.linspace(0.0, 1.01 * turn, 1001)])
            # rates are numbers by name
            late = run(variant, *start, x0=x0, t1=ts[-1], ts=ts, **rates)  # type: ignore[arg-type]
            kept = slice(1, None)
        made.append({n: np.asarray(late[n], float)[kept] for n in ("phi", "theta", "time")})
    return made


def _one_of_each(sizes: Array, here: Array) -> list[tuple[int, int]]:
    """An index of every size among those ``here``; none where they are too many to be isolated."""
    left, found = here.copy(), []
    while left.any():
        i, j = (int(k[0]) for k in np.nonzero(left))
        left &= np.abs(sizes - sizes[i, j]) > _SAME * sizes[i, j]
        found.append((i, j))
        if len(found) > _MOST:
            return []
    return found
