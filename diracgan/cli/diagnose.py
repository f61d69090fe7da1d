"""``diracgan diagnose``: what a training log says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from .. import plotting
from ..errors import InputError
from .layer import CommandResult, Table, argument, drawn_in, option
from .options import AnyVariantOptions, DatumOption, RuleOptions, vector

if TYPE_CHECKING:
    from ..monitoring.diagnose import Diagnosis


@dataclasses.dataclass(frozen=True)
class LogOptions:
    """Which series of a log, and what counts its rows."""

    panel: ClassVar[str] = "Log"
    column: Annotated[
        list[str] | None, option("A series to look at; repeatable; all by default.", metavar="NAME")
    ] = None
    step: Annotated[
        str | None, option("The column that counts steps; by default step, iteration, ...", metavar="NAME")
    ] = None
    interval: Annotated[float | None, option("Steps from row to row, where no column counts them.")] = None
    after: Annotated[float | None, option("Leave out the rows before this step.")] = None
    series: Annotated[bool, option("Only list the columns of the log and what each is read as.")] = False


def command(
    variant: AnyVariantOptions,
    rule: RuleOptions,
    log: LogOptions,
    file: Annotated[str, argument("FILE", "A log of any kind, or a folder that holds one.")],
    dim: Annotated[int, option("Dimension of the Dirac game; 1 by default.", metavar="D", short="-d")] = 1,
    x0: DatumOption = None,
    h: Annotated[
        float | None, option("Time per step; the critic's learning rate where no rule says it.")
    ] = None,
    out: Annotated[str | None, drawn_in("Draw the series and its spectrum")] = None,
) -> CommandResult:
    """Say what a training log shows: its regimes, its oscillations, what theory predicts, and what would help.

    The run is divided into regimes (at chance, drifting, rotating, one player won, ...), each with its evidence.

    Each series is read as a trend, damped oscillations and noise. Frequency and damping come with standard errors;
    where noise alone could look the same, no oscillation is reported. With --variant (and --rule) they are compared
    with the Dirac game's.

    Example: diracgan diagnose run.csv --column d_loss --variant ns --rule alternating --lr 0.01
    """
    made = variant.build_any()
    if made is None and rule.rule is not None:
        raise InputError("--rule belongs to a variant; add --variant NAME")
    chosen, datum = rule.build(), vector("x0", x0)
    if log.series:
        return _columns(file, log.step)

    from ..monitoring.logs import read

    logged = read(file, log.column, log.step, log.interval, log.after)

    # JAX comes with it, whose memory a long log leaves no room for while it is read
    from ..monitoring.diagnose import diagnose

    found = diagnose(logged, made, chosen, dim=dim, x0=datum, h=h)
    return CommandResult(found.as_dict(), _said(found), draw=lambda: plotting.diagnosis_figure(found))


def _columns(file: str, step: str | None) -> CommandResult:
    from ..monitoring.logs import column_roles

    roles, table = column_roles(file, step)
    rows = [[r.name, r.role, r.rows, f"{r.low:.6g}", f"{r.high:.6g}"] for r in roles]
    said = [
        f"{table.format}: {table.rows} rows",
        *(f"note: {note}" for note in table.notes),
        Table(["column", "read as", "numbers", "least", "largest"], rows),
    ]
    record = {"format": table.format, "rows": table.rows, "notes": list(table.notes)}
    return CommandResult(record | {"columns": [dataclasses.asdict(r) for r in roles]}, said)


def _said(found: Diagnosis) -> Iterator[str | Table]:
    first, last = found.log.at[[0, -1]]
    rows = f"{found.clock} {first:.6g} to {last:.6g} by {found.interval:.6g}"
    yield f"{', '.join(found.names)}: {found.rows} rows, {rows}"
    yield from (f"note: {note}" for note in found.notes)
    rows = [
        [f"{r.start:.6g}", f"{r.end:.6g}", r.kind.value.replace("-", " "), r.evidence] for r in found.regimes
    ]
    yield Table(["from", "to", "regime", "evidence"], rows)
    yield from (f"{k.replace('-', ' ')}: {means}; {means_not}" for k, means, means_not in _meanings(found))
    if found.oscillations:
        rows = [
            [
                f"{o.period:.6g}",
                f"{o.frequency:.6g} ± {o.frequency_error:.2g}",
                f"{o.damping:.3g} ± {o.damping_error:.2g}",
                "steady" if o.steady else "wandering",
                ", ".join(f"{100 * s:.3g} %" for s in o.share.values()),
            ]
            for o in found.oscillations
        ]
        yield Table(["period", "frequency", "damping", "phase", "share"], rows)
    yield found.text
    if found.predicted is not None:
        yield found.predicted.text
    for a in found.recommendations:
        value = "" if a.value is None else f" = {a.value:.6g}"
        yield f"- {a.parameter.replace('_', ' ')}{value}: {a.effect} ({a.caveat})"
    yield f"can I stop? {found.stop}"


def _meanings(found: Diagnosis) -> dict[tuple[str, str, str], None]:
    """Each kind of regime once, with what it means and what it does not mean."""
    return dict.fromkeys((r.kind.value, r.means, r.means_not) for r in found.regimes)
