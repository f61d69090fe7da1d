"""Peculiarities of exports: Weights & Biases' bounds and run names, Lightning's rows, Keras' epochs."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from .table import LogTable

_BOUND = re.compile(r"__(MIN|MAX)$")


def cleaned(table: LogTable) -> LogTable:
    """The table under the name of what wrote it, without columns that only repeat others.

    Example:
        >>> import numpy as np
        >>> names = ("Step", "run - d", "run - d__MIN", "run - d__MAX")
        >>> found = cleaned(LogTable({n: np.arange(3.0) for n in names}, "CSV"))
        >>> found.format, list(found.columns)
        ('Weights & Biases export', ['Step', 'd'])
    """
    names = list(table.columns)
    bounds = [n for n in names if _BOUND.search(n) and _BOUND.sub("", n) in names]
    if bounds or any(" - " in n for n in names) or "_step" in names:
        return _wandb(table, bounds)
    if {"epoch", "step"} <= set(names) and _rows_of_their_own(table):
        return dataclasses.replace(table, format="Lightning's metrics.csv")
    if names and names[0] == "epoch" and "step" not in names and any("loss" in n for n in names):
        return dataclasses.replace(table, format="Keras' CSVLogger")
    if {"Wall time", "Step", "Value"} <= set(names):
        return dataclasses.replace(table, format="TensorBoard's CSV")
    return table


def _rows_of_their_own(table: LogTable) -> bool:
    series = [c for n, c in table.columns.items() if n not in ("epoch", "step")]
    return any(0 < int(np.isfinite(c).sum()) < len(c) for c in series)


def _wandb(table: LogTable, bounds: list[str]) -> LogTable:
    kept = {n: c for n, c in table.columns.items() if n not in bounds}
    notes = list(table.notes)
    if bounds:
        notes.append(f"{len(bounds)} columns __MIN and __MAX repeat their series and were left out")
    runs = {n.rsplit(" - ", 1)[0] for n in kept if " - " in n}
    if runs:
        size = {
            r: max(int(np.isfinite(c).sum()) for n, c in kept.items() if n.startswith(f"{r} - "))
            for r in runs
        }
        chosen = max(sorted(runs), key=size.__getitem__)
        kept = {
            n.removeprefix(f"{chosen} - "): c
            for n, c in kept.items()
            if " - " not in n or n.startswith(f"{chosen} - ")
        }
        if len(runs) > 1:
            notes.append(f"{len(runs)} runs side by side ({', '.join(sorted(runs))}); {chosen!r} was used")
    return dataclasses.replace(table, columns=kept, format="Weights & Biases export", notes=tuple(notes))
