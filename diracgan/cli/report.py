"""``diracgan report``: many variants in one table, and the gate for continuous integration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from .options import choice, output

FORMATS = ("table", "markdown", "json", "junit")
_SUFFIXES = {".txt": "table", ".md": "markdown", ".json": "json", ".xml": "junit"}


def command(
    variants: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VARIANT...",
            help="NAME[:k=v,...], PATH.py:NAME[:k=v,...] or pkg.module:NAME; the whole catalogue by default.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE.py",
            help="Every variant of this file; repeatable.",
            show_default=False,
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="NAME[:k=v,...]",
            help="Rules beside the flow; repeatable, or separated by spaces in one. `none` for the flow alone.",
            show_default="simultaneous, alternating",
        ),
    ] = None,
    x0: Annotated[float, typer.Option("--x0", help="The datum, the same in every entry.")] = 0.0,
    verdicts: Annotated[
        str,
        typer.Option(
            "--verdicts", metavar="flow|all|none", help="For which motions to say what truly happens."
        ),
    ] = "flow",
    effort: Annotated[
        float | None, typer.Option("--effort", help="Of the verdicts; low by default.", show_default=False)
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="FILE.json",
            help="Fail on what differs from this report.",
            show_default=False,
        ),
    ] = None,
    rtol: Annotated[
        float, typer.Option("--rtol", help="Relative tolerance of eigenvalues against the baseline.")
    ] = 1e-6,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="WORD,...",
            help="Fail on these statuses or verdicts: unstable,marginal,diverges,limit-cycle,...",
            show_default=False,
        ),
    ] = None,
    junit_file: Annotated[
        str | None,
        typer.Option("--junit", metavar="FILE.xml", help="Write JUnit XML too.", show_default=False),
    ] = None,
    out: Annotated[str | None, output("Write here and not on the screen: .txt, .md, .json or .xml.")] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", help="Processes; two where there are two cores.", show_default=False),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(FORMATS), help="How it is shown.", show_default="table"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the report and nothing else.")
    ] = False,
) -> None:
    """Judge variants as flows and under rules, in d = 1 and d = 2: one table, and a gate for CI.

    Exits with 1 when the gate (--baseline, --fail-on) fails, with 2 when a loss could not be computed. Where
    GITHUB_STEP_SUMMARY names a file, the table is added to it as markdown.

    Example: diracgan report ns wgan-gp:c=0 --fail-on unstable --junit report.xml
    """
    if schema:
        from json import dumps as write

        from ..reporting.schema import report_schema

        print(write(report_schema()))
        return
    style = _style(format, out)
    from ..files import destination
    from ..reporting import report as reporting

    words = reporting.failing(w for text in fail_on or [] for w in text.split(","))
    _ = out and destination(out, _SUFFIXES), junit_file and destination(junit_file, [".xml"])
    before = None if baseline is None else reporting.baseline(baseline)

    from ..analysis import catalogue_report

    chosen = _chosen(variants, file)
    found = catalogue_report.report(
        chosen,
        rules=_rules(rule, catalogue_report.DEFAULT_RULES),
        x0=x0,
        effort=catalogue_report.LOW_EFFORT if effort is None else effort,
        verdicts=verdicts,
        jobs=min(2, os.cpu_count() or 1) if jobs is None else jobs,
        done=_progress if sys.stderr.isatty() else None,
    )
    doc = reporting.document(found.as_dict())
    failures = reporting.failures(doc, words)
    differences = [] if before is None else reporting.differences(doc, before, rtol, partial=bool(variants))
    if words or before is not None:
        gate = {"failures": failures, "differences": differences}
        findings = {k: [f._asdict() for f in listed] for k, listed in gate.items()}
        doc["gate"] = {"passed": not any(gate.values()), **findings}
    _publish(doc, style, out, junit_file)
    _end(doc, reporting.errors(doc))
    if doc["gate"] is not None and (style == "table" or out is not None):
        against = f" or differs from {baseline}" if before is not None else ""
        print(f"the gate is passed: of {_counted(len(doc['rows']), 'row')} none fails{against}")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _style(format: str | None, out: str | None) -> str:
    if format is not None:
        return choice("format", format, FORMATS)
    return _SUFFIXES.get(Path(out).suffix.lower(), "table") if out is not None else "table"


def _chosen(names: list[str] | None, files: list[str] | None) -> list[str] | None:
    from ..variants import load_file

    chosen = list(names or [])
    for path in files or []:
        found = load_file(path)
        if not found:
            raise InputError(f"{path!r} registers no variant; allowed: a file with @diracgan.register(...)")
        given = path if path.endswith(".py") else f"./{path}"
        chosen += [f"{given}:{name}" for name in found]
    return list(dict.fromkeys(chosen)) or None


def _rules(given: list[str] | None, default: tuple[str, ...]) -> list[str]:
    if given is None:
        return list(default)
    words = [w for text in given for w in text.split()]
    return [w for w in words if w != "none"]


def _progress(count: int, total: int) -> None:
    print(f"\r{count} of {total} variants", end="\n" if count == total else "", file=sys.stderr, flush=True)


def _publish(doc: dict[str, Any], style: str, out: str | None, junit_file: str | None) -> None:
    from ..files import replacing
    from ..reporting.junit import junit
    from ..reporting.report import as_markdown

    if out is None:
        _show(doc, style)
    else:
        with replacing(out) as temporary:
            temporary.write_text(_as_text(doc, style, lines=True), encoding="utf-8")
        print(f"{_counted(len(doc['rows']), 'row')} written to {out}")
    if junit_file is not None:
        with replacing(junit_file) as temporary:
            temporary.write_text(junit(doc), encoding="utf-8")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(as_markdown(doc) + "\n")
        except OSError as error:  # the summary is a courtesy; the gate decides
            print(f"diracgan: GITHUB_STEP_SUMMARY cannot be written: {error.strerror}", file=sys.stderr)


def _show(doc: dict[str, Any], style: str) -> None:
    if style != "table":
        print(_as_text(doc, style).rstrip("\n"))
        return
    from ..reporting import show
    from ..reporting.report import COLUMNS, rows

    show(COLUMNS, rows(doc))


def _as_text(doc: dict[str, Any], style: str, lines: bool = False) -> str:
    if style == "json":
        from json import dumps as layout
        from json import loads

        from ..reporting import dumps
        from ..reporting.schema import REPORT

        line = dumps(REPORT, doc)
        # a baseline lies in a repository, where one line per number shows what changed
        return (layout(loads(line), indent=1, ensure_ascii=False) if lines else line) + "\n"
    if style == "junit":
        from ..reporting.junit import junit

        return junit(doc)
    from ..reporting.report import COLUMNS, as_markdown, rows

    if style == "markdown":
        return as_markdown(doc) + "\n"
    from io import StringIO

    from ..reporting import show

    text = StringIO()
    show(COLUMNS, rows(doc), file=text)
    return text.getvalue()


def _end(doc: dict[str, Any], errors: list[Any]) -> None:
    gate = doc["gate"]
    for found in [] if gate is None else [*gate["failures"], *gate["differences"]]:
        print(f"diracgan: {found['row']}: {found['text']}", file=sys.stderr)
    if errors:
        first = f"{errors[0].row}: {errors[0].text}"
        more = f" (and {len(errors) - 1} more rows)" if len(errors) > 1 else ""
        raise InputError(f"could not be computed: {first}{more}")
    if gate is not None and not gate["passed"]:
        count = len(gate["failures"]) + len(gate["differences"])
        print(f"diracgan: the gate failed with {_counted(count, 'finding')}", file=sys.stderr)
        raise typer.Exit(1)
