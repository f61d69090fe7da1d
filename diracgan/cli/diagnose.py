"""``diracgan diagnose``: the oscillation doctor."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from ..errors import InputError
from .options import TEXT_OR_JSON, Format, RuleOptions, VariantOptions, choice, output, takes, vector

_LOG = "Log"


@dataclasses.dataclass(frozen=True)
class _Trained(VariantOptions):
    """The loss that was trained, where it is known."""

    variant: Annotated[  # type: ignore[assignment]
        str | None,
        typer.Option(
            "--variant", "-v", metavar="NAME", rich_help_panel="Variant", show_default=False,
            help="The loss that was trained, to compare with its Dirac game.",
        ),
    ] = None  # fmt: skip


def _of_log(*names: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_LOG, show_default=False)


@takes(_Trained, RuleOptions)
def command(
    trained: _Trained,
    rule: RuleOptions,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A log (.csv, .tsv, .txt, .jsonl, .json, .npz), or the folder of a run."
        ),
    ],
    column: Annotated[
        list[str] | None,
        _of_log("--column", metavar="NAME", help="A series to look at; repeatable; all by default."),
    ] = None,
    step: Annotated[
        str | None,
        _of_log("--step", metavar="NAME", help="The column that counts steps; step, iteration, ..."),
    ] = None,
    interval: Annotated[
        float | None, _of_log("--interval", help="Steps from row to row, where no column says so.")
    ] = None,
    after: Annotated[float | None, _of_log("--after", help="Leave out what is before this step.")] = None,
    dim: Annotated[
        int, typer.Option("--dim", "-d", help="Dimension of the Dirac game.", show_default=False)
    ] = 1,
    x0: Annotated[
        str | None, typer.Option("--x0", metavar="A,B", help="Its datum; 0 by default.", show_default=False)
    ] = None,
    h: Annotated[
        float | None,
        typer.Option(
            "--h", help="Time per step for the flow, or the critic's learning rate.", show_default=False
        ),
    ] = None,
    out: Annotated[str | None, output("Draw the series and its spectrum: .png, .pdf or .svg.")] = None,
    format: Format = "text",
) -> None:
    """Find the oscillations in a training log, compare them with theory, and say what would help.

    Each series is read as a trend, damped oscillations and noise. Frequency and damping come with standard errors;
    where noise alone would show the like, no oscillation is reported. With --variant (and --rule) they are compared
    with the Dirac game's.

    Example: diracgan diagnose run.csv --column d_loss --variant ns --rule alternating --lr 0.01
    """
    choice("format", format, TEXT_OR_JSON)
    if out is not None:
        from ..plotting.saving import PICTURES, check

        if check(out).suffix.lower() not in PICTURES:
            raise InputError(f"{out!r} would move, and a diagnosis stands; allowed: {', '.join(PICTURES)}")
    made = _variant(trained)
    if made is None and rule.rule is not None:
        raise InputError("--rule belongs to a variant; add --variant NAME")
    chosen = rule.build()

    from ..monitoring.diagnose import diagnose
    from ..reporting import dumps

    found = diagnose(
        file, made, chosen, columns=column, step=step, interval=interval, after=after, dim=dim,
        x0=vector("x0", x0), h=h,
    )  # fmt: skip
    if out is not None:
        from ..plotting.diagnosis import diagnosis_figure
        from ..plotting.saving import save

        save(diagnosis_figure(found), out)
    if format == "json":
        print(dumps("diracgan.diagnose/1", found.as_dict()))
        return
    _say(found, out)


def _variant(options: _Trained) -> Any:
    if options.variant is not None:
        return options.build()
    given = [f.name for f in dataclasses.fields(options) if getattr(options, f.name) not in (None, [])]
    if given:
        raise InputError(f"--{given[0]} belongs to a variant; add --variant NAME")
    return None


def _say(found: Any, out: str | None) -> None:
    from ..reporting import show

    print(f"{', '.join(found.names)}: {found.rows} rows, every {found.interval:g} of {found.clock}")
    for note in found.notes:
        print(f"note: {note}")
    if found.oscillations:
        rows = [
            [
                f"{o.period:.6g}", f"{o.frequency:.6g} ± {o.frequency_error:.2g}",
                f"{o.damping:.3g} ± {o.damping_error:.2g}", "steady" if o.steady else "wandering",
                ", ".join(f"{100 * s:.0f} %" for s in o.share.values()),
            ]
            for o in found.oscillations
        ]  # fmt: skip
        show(["period", "frequency", "damping", "phase", "share"], rows)
    print(found.text)
    if found.predicted is not None:
        print(found.predicted.text)
    for a in found.recommendations:
        value = "" if a.value is None else f" = {a.value:.6g}"
        print(f"- {a.knob.replace('_', ' ')}{value}: {a.effect} ({a.caveat})")
    if out is not None:
        print(out)
