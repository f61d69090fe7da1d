"""Labels of an ensemble's results."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .fixed_steps import EnsembleResult
from .reduction import Frame
from .vector_field import StepProgram


def labelled(
    outcome: EnsembleResult, frame: Frame | None, moves: StepProgram, several: bool, xp: ModuleType = np
) -> dict[str, Any]:
    """Arrays by name; what did not end well is NaN.

    Args:
        outcome: what the ensemble came to.
        frame: the plane that it ran in, or None.
        moves: what moved.
        several: whether the rows have a time.
        xp: NumPy or jax.numpy.
    """
    failed, half = outcome.status != 0, moves.players // 2
    data: dict[str, Any] = {}
    for k, name in enumerate(("phi", "theta", "phi_ema", "theta_ema")[: 4 if moves.ema else 2]):
        rows = xp.stack([xp.vstack(r[k * half : (k + 1) * half]).T for r in outcome.rows], axis=1)
        last = np.arange(rows.shape[1]) == rows.shape[1] - 1
        lost = (failed[:, None] & last[None]) | ~xp.isfinite(rows).all(axis=2)
        rows = xp.where(lost[:, :, None], rows.dtype.type(np.nan), rows)
        rows = rows if frame is None else frame.back(rows, xp).astype(rows.dtype)
        data[name] = rows if several else rows[:, 0]
    for name, value in outcome.seen.items():
        if name in ("min", "max"):
            for k, player in enumerate(("phi", "theta")):
                data[f"{player}_{name}"] = xp.vstack(value[k * half : (k + 1) * half]).T
        elif name == "mean_radius":
            total, lived, last = value
            data[name] = xp.where(lived > 0, total / xp.where(lived > 0, lived, 1), last)
        else:
            data[name] = value
    return data | {"status": outcome.status}


def dimensions(name: str, several: bool) -> tuple[str, ...]:
    """The dimensions of the array ``name``.

    Example:
        >>> dimensions("phi", True), dimensions("theta_max", True), dimensions("arc", True)
        (('trajectory', 'time', 'component'), ('trajectory', 'component'), ('trajectory',))
    """
    if name in ("phi", "theta", "phi_ema", "theta_ema"):
        return ("trajectory", "time", "component") if several else ("trajectory", "component")
    return ("trajectory", "component") if name.startswith(("phi_", "theta_")) else ("trajectory",)
