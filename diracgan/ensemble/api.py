"""Ensembles: arrays of starts in, labelled arrays out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..dynamics.motion_result import MotionResult
from ..dynamics.starts import check_rates, check_untraced
from ..dynamics.trajectory import identity, versions
from ..errors import InputError, flag, number, shown, unknown
from ..game import Players
from ..jax_settings import own_settings
from ..lazy import module_on_use
from ..memory import check_memory
from ..parameters import Parametric, is_traced, parameters
from ..rules import Rule
from ..rules.registry import check_rule
from ..variants import Variant, modifiers
from ..variants.registry import check_variant
from . import c_backend, on_device, reduction
from .adaptive_steps import integrate
from .blocks import Device, DeviceChoice, Devices, choose, one_device
from .fixed_steps import EnsembleResult, Task, iterate
from .labels import dimensions, labelled
from .schedule import EnsembleRequest, adaptive_schedule, described, fixed_schedule, rule_schedule
from .statistics import INVARIANT, statistics_and_times
from .vector_field import EnsembleSystem, StepProgram, step_program

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")

P = TypeVar("P", bound=Parametric)
ARRAYS = ("numpy", "jax")
"""Where an ensemble's arrays may be: on the host, or where JAX has them."""
_ENDS = (MotionResult.OK, MotionResult.DIVERGED, MotionResult.MAX_STEPS, MotionResult.STIFF)
STATUS = tuple(end.value for end in _ENDS)
"""How a trajectory ended, by the number in ``status``."""
_STREAMED = 2**28  # bytes of a piece that is sent to a GPU: one is computed while another is on its way


def ensemble(
    variant: Variant,
    phi0: ArrayLike,
    theta0: ArrayLike,
    *,
    t1: float | None = None,
    dt: float | None = None,
    method: str | None = None,
    adaptive: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int | None = None,
    rule: Rule | None = None,
    steps: int | None = None,
    x0: ArrayLike | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    dtype: str | np.dtype | type[np.floating] = "float64",
    save: str | Sequence[str] | ArrayLike = "final",
    escape: float = 1e3,
    ball: float = 1e-3,
    devices: DeviceChoice = None,
    arrays: str = "numpy",
) -> xr.Dataset:
    """Integrate many trajectories of the Dirac GAN at once, from arrays of starts.

    z' = F(z) by fixed or adaptive steps, or z+ = rule(z). Derived from the variant's definition; whole blocks of
    trajectories go through all their steps inside the cache, on all cores. Any number of the variant or of the rule may
    be an array of shape (N,): one value a trajectory. Switching surfaces are not located here (``simulate`` does): a
    trajectory that crosses one has first-order accuracy there.

    Args:
        variant: any variant.
        phi0: the critic's starts, shape (N, d); (N,) for d = 1.
        theta0: the generator's starts, likewise.
        t1: end of the flow (40).
        dt: fixed step of the flow (0.01); t1 and the times to save are multiples of it.
        method: ``"rk4"`` or ``"tsit5"``; adaptive steps are tsit5's.
        adaptive: choose the steps by ``rtol`` and ``atol``.
        rtol: relative tolerance of adaptive steps (1e-6; 1e-4 in float32).
        atol: absolute tolerance (1e-9; 1e-6 in float32).
        max_steps: adaptive steps after which a trajectory is given up (16,384).
        rule: from :func:`diracgan.rule`; then ``steps`` iterations are made.
        steps: number of iterations (200).
        x0: the datum, shape (d,) or a number; None for 0.
        rate_d: factor on the critic's velocity in the flow.
        rate_g: factor on the generator's.
        dtype: ``"float64"`` or ``"float32"``.
        save: ``"final"``; ``"stats"`` or names among min, max, mean_radius, arc, escape_time, entry_time; or increasing
            times (for a rule: iterations).
        escape: the radius of ``escape_time`` (1e3).
        ball: the radius of ``entry_time``, around (0, x0) (1e-3).
        devices: None for all cores or accelerators, a number of them, or a list of jax devices.
        arrays: ``"numpy"``; or ``"jax"``: starts are, and results stay, JAX's arrays on one device, and nothing else
            is moved to the host; in float64 JAX computes with them under ``jax.enable_x64(True)`` alone. The run is
            one program of XLA, which hears no Ctrl-C before its end, on a CPU either. NumPy's are sent to a GPU in
            pieces, so that there may be any number.

    Returns:
        An :class:`xarray.Dataset` with phi and theta (trajectory, component), or (trajectory, time, component) at saved
        times, phi_ema and theta_ema with a rule's EMA, the statistics asked for (min and max as ``phi_min``,
        ``theta_max``, ...; seen after every fixed step, eight times in an adaptive one), and ``status`` (trajectory):
        0 ok, 1 diverged, 2 max steps, 3 stiff (the step fell below rounding: a pole or a discontinuity). What did not
        end well is NaN. ``attrs`` say what produced it and how (``fused``, ``reduced``, ``engine``; on a GPU also
        ``fallback``: why it was not compiled CUDA, where it was not).

    Raises:
        InputError: for arguments that are not allowed, naming them.

    References:
        Kutta 1901; Tsitouras 2011 (doi 10.1016/j.camwa.2011.06.002).

    Example:
        >>> import numpy as np, diracgan as dg
        >>> e = dg.ensemble(dg.variant("wgan-linear"), np.ones((3, 1)), np.zeros((3, 1)), t1=3.0, dt=0.01)
        >>> e.phi.dims, round(float(e.phi[0, 0]), 6)
        (('trajectory', 'component'), -0.989992)
    """
    began = time.perf_counter()
    kind = _dtype(dtype)
    if arrays not in ARRAYS:
        raise unknown("kind of arrays", arrays, ARRAYS)
    where = choose(devices) if arrays == "numpy" else one_device(devices, (phi0, theta0))
    phi, theta = starts(phi0, theta0, where.devices[0] if arrays == "jax" else None)
    count, dim = phi.shape
    datum = _datum(x0, dim)
    names, times = statistics_and_times(save)
    radii = (number("escape", escape, low=0, open_low=True), number("ball", ball, low=0, open_low=True))
    check_untraced("dg.ensemble", check_variant(variant), rule)
    variant = _numbers_fit(variant, count)
    rates = check_rates(rate_d, rate_g, rule)
    flow = {"t1": t1, "dt": dt, "method": method, "rtol": rtol, "atol": atol, "max_steps": max_steps}
    flag("adaptive", adaptive)
    if rule is not None:
        others = flow | {"adaptive": adaptive or None}
        schedule = rule_schedule(_numbers_fit(check_rule(rule), count), steps, times, others)
    elif steps is not None:
        raise InputError(f"steps = {shown(steps)} needs a rule; allowed without one: t1 and dt")
    else:
        schedule = (adaptive_schedule if adaptive else fixed_schedule)(flow, rates, times, kind)
    size = len(schedule.stops) * phi.size * 2 * kind.itemsize
    check_memory(size, "give fewer trajectories, fewer times to save, or dtype='float32'")
    still = rates if adaptive and rates != Players(1.0, 1.0) else None
    system = EnsembleSystem(variant, schedule.rule, None if datum is None else tuple(datum), still)
    asked = EnsembleRequest(schedule, names, radii, kind, times is not None)
    data, coords, attrs = _computed(system, phi, theta, datum, asked, where, arrays)
    if times is not None:
        coords |= schedule.coords
    attrs = _about(variant, dim, datum) | schedule.attrs | {"dtype": kind.name} | attrs
    if names:
        attrs |= {"escape": radii[0], "ball": radii[1]}
    attrs |= {"versions": versions(), "wall_time_s": time.perf_counter() - began}
    made = xr.Dataset(data, coords=coords, attrs=attrs)
    made["status"].attrs = {"flag_values": list(range(len(STATUS))), "flag_meanings": ", ".join(STATUS)}
    return made


def _about(variant: Variant, dim: int, datum: np.ndarray | None) -> dict[str, Any]:
    """What a result says of its variant and datum."""
    return identity(described(variant)) | {"x0": json.dumps([0.0] * dim if datum is None else datum.tolist())}


def _computed(
    system: EnsembleSystem,
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    datum: np.ndarray | None,
    asked: EnsembleRequest,
    where: Devices,
    arrays: str,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Data, coordinates and how it was run: in the few dimensions that the start spans, where that is the same."""
    count, dim = phi.shape
    small: int | None = 2 if datum is None else 3
    if not (dim > small and set(asked.names) <= INVARIANT and reduction.flattens(system, dim, small)):
        small = None
    asked = asked._replace(small=small)
    if arrays == "jax" or where.platform == "gpu":
        put = _on_device if arrays == "jax" else _sent
        found, moves, made_by = put(system, phi, theta, datum, asked, where)
        how = {"engine": made_by.name} | ({"fallback": made_by.why} if made_by.why else {})
    else:
        frame = None if small is None else reduction.frame(phi, theta, datum)
        outcome, moves = _on_host(system, *(frame or (None, phi, theta, datum))[1:], asked, where)
        found, how = labelled(outcome, frame, moves, asked.several), {"engine": outcome.engine}
    how |= {"fused": moves.note or "yes", "devices": f"{where.workers} {where.platform}"}
    how["reduced"] = "no" if small is None else f"from {dim} to the {small} dimensions that the start spans"
    import pandas as pd

    coords = {
        "trajectory": pd.RangeIndex(count),
        "component": np.arange(dim),
    }  # 0.4 ms for 2^22; an array takes 20
    return {n: (dimensions(n, asked.several), x) for n, x in found.items()}, coords, how


def _on_host(
    system: EnsembleSystem,
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    datum: np.ndarray | None,
    asked: EnsembleRequest,
    where: Devices,
) -> tuple[EnsembleResult, StepProgram]:
    """By the cores of this machine, on NumPy's arrays."""
    kind, schedule = asked.kind, asked.schedule
    system = system._replace(x0=None if datum is None else tuple(datum))
    with own_settings(kind == np.float64):
        system = jax.tree.map(lambda x: np.asarray(x, kind), system)
        reference = (*(np.asarray(x, kind) for x in asked.radii), system.x0)
        moves = step_program(system, phi.shape[1], kind)
        players, h = moves.pack(phi, theta, kind), np.asarray(schedule.h, kind)
        task = Task(moves, asked.names, jax.tree.leaves(system), players, reference, h, where)
        if schedule.tolerances is None:
            return iterate(task, schedule.stops), moves
        return integrate(task, schedule.stops, schedule.tolerances, schedule.max_steps), moves


def _on_device(
    system: EnsembleSystem,
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    datum: np.ndarray | None,
    asked: EnsembleRequest,
    where: Devices,
) -> tuple[dict[str, Any], StepProgram, on_device.Engine]:
    """On the device that the arrays are on."""
    found, moves, made_by = on_device.computed(system, phi, theta, datum, asked, where)
    return jax.block_until_ready(found), moves, made_by


def _sent(
    system: EnsembleSystem,
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    datum: np.ndarray | None,
    asked: EnsembleRequest,
    where: Devices,
) -> tuple[dict[str, Any], StepProgram, on_device.Engine]:
    """On GPUs, from and to the host, in pieces."""
    kind, schedule, how = asked.kind, asked.schedule, []
    each = _STREAMED // (2 * phi.shape[1] * kind.itemsize * (len(schedule.stops) + 4))
    each = min(len(phi), max(c_backend.GROUP, each))

    def run(
        part: slice, phi: Array | np.ndarray, theta: Array | np.ndarray, device: Device
    ) -> dict[str, Any]:
        mine, h = jax.tree.map(lambda x: x[part] if np.ndim(x) else x, (system, schedule.h))
        there, piece = Devices(where.platform, (device,), 1), asked._replace(schedule=schedule._replace(h=h))
        data, *how[:] = on_device.computed(mine, phi, theta, datum, piece, there)
        return data

    phi, theta = (z.astype(kind, copy=False) for z in (phi, theta))
    found = on_device.in_pieces(run, phi, theta, each, where)
    return found, how[0], how[1]


# ---------------------------------------------------------------- what is given


def starts(phi0: ArrayLike, theta0: ArrayLike, device: Device | None = None) -> tuple[Any, Any]:
    """The starts as two arrays (N, d) of one shape: NumPy's in float64, or JAX's on a device.

    Raises:
        InputError: for other shapes, no trajectory, or entries that are not finite.
    """
    both = []
    for name, value in (("phi0", phi0), ("theta0", theta0)):
        try:
            if np.iscomplexobj(value) or is_traced(value) or _is_no_number(value):
                raise TypeError
            array = np.asarray(value, float) if device is None or not isinstance(value, Array) else value
        except (TypeError, ValueError):
            raise InputError(
                f"{name} is not an array of numbers; allowed: real numbers of shape (N, d)"
            ) from None
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or 0 in array.shape:
            raise InputError(
                f"{name} has shape {np.shape(value)}; allowed: (N, d) with N, d >= 1, or (N,) for d = 1"
            )
        if device is not None:
            with own_settings(True):
                array = jax.device_put(array, device)
        if not bool((jnp if device is not None else np).isfinite(array).all()):
            raise InputError(f"{name} has entries that are not finite; allowed: finite numbers")
        both.append(array)
    if both[0].shape != both[1].shape:
        raise InputError(f"phi0 has shape {both[0].shape} and theta0 {both[1].shape}; allowed: equal shapes")
    return both[0], both[1]


def _is_no_number(value: ArrayLike) -> bool:
    """Whether NumPy would read words or dates as numbers."""
    return not isinstance(value, Array) and np.asarray(value).dtype.kind in "USmM"


def _dtype(dtype: Any) -> np.dtype:
    try:
        kind = np.dtype(dtype)
    except Exception:  # a stranger's object may raise anything when it is read as a type
        kind = np.dtype(object)
    if kind not in (np.dtype("float32"), np.dtype("float64")):
        raise unknown("dtype", dtype, ("float32", "float64"))
    return kind


def _datum(x0: ArrayLike | None, dim: int) -> np.ndarray | None:
    """x0 as a vector, or None where it is 0."""
    if x0 is None:
        return None
    try:
        if _is_no_number(x0):
            raise TypeError
        datum = np.asarray(x0, float)
    except (TypeError, ValueError):
        raise InputError(
            f"x0 = {shown(x0)} is not a vector of numbers; allowed: {dim} numbers, or one"
        ) from None
    if datum.shape not in ((), (1,), (dim,)) or not np.isfinite(datum).all():
        raise InputError(f"x0 has shape {datum.shape}; allowed: {dim} finite numbers, or one")
    return np.broadcast_to(datum, (dim,)).copy() if datum.any() else None


def _numbers_fit(thing: P, count: int) -> P:
    """``thing``, its arrays checked: one number a trajectory, each within its domain."""
    known = parameters(type(thing)) | modifiers()
    values = {n: getattr(thing, n) for n in parameters(type(thing))} | getattr(thing, "extras", {})
    for name, value in values.items():
        if np.ndim(value) == 0:
            continue
        if np.shape(value) != (count,):
            raise InputError(
                f"{name} has shape {np.shape(value)}; allowed: one number, or ({count},) as the starts"
            )
        for end in (np.min(value), np.max(value)):
            known[name].check(float(end))
    return thing
