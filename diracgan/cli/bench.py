"""``diracgan bench``: how fast this machine is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from .layer import CommandResult, Table, option


def command(
    only: Annotated[list[str] | None, option("Measure only this; repeatable.", metavar="NAME")] = None,
    quick: Annotated[bool, option("A sixth of the trajectories: the cost of each call weighs more.")] = False,
) -> CommandResult:
    """Measure ensembles and spectra on this machine, beside the benchmarks' published figures.

    Example: diracgan bench --quick
    """
    from ..ensemble import speed

    found = speed.measured(only or [], quick=quick)
    about = {"machine": speed.machine(), "versions": speed.versions(), "quick": quick}
    rows = [f._asdict() for f in found]
    return CommandResult(about | {"figures": rows}, _said(about, found))


def _said(about: dict[str, Any], found: list[Any]) -> Iterator[str | Table]:
    machines = list(dict.fromkeys(m for f in found for m in f.committed))
    rows = [
        [f.name, f"{f.rate:.2g} {f.unit}/s", f.engine]
        + [
            f"{f.committed[m]:.2g} ({f.rate / f.committed[m]:.2g} of it)" if m in f.committed else "-"
            for m in machines
        ]
        for f in found
    ]
    yield Table(["what", "here", "by", *machines], rows)
    yield f"{about['machine']}, {about['versions']}; the best of three runs each, other work here included"
