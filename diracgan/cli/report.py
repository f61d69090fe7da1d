"""``diracgan report``: many variants in one table, and the gate for continuous integration."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from ..errors import InputError, number
from ..progress import progress
from .layer import CommandResult, JUnitOption, Table, argument, endings, option, output, style_of, tell

_SUFFIXES = {".txt": "table", ".md": "markdown", ".json": "json", ".xml": "junit"}


@dataclasses.dataclass(frozen=True)
class EntryOptions:
    """Which variants are reported on, and as which motions."""

    variants: Annotated[
        list[str] | None,
        argument(
            "VARIANT...",
            "NAME[:k=v,...], PATH.py:NAME[:k=v,...] or pkg.module:NAME; the whole catalogue by default.",
            names="variant",
        ),
    ] = None
    file: Annotated[
        list[str] | None, option("Every variant of this file; repeatable.", metavar="FILE.py", short="-f")
    ] = None
    rule: Annotated[
        list[str] | None,
        option(
            "Rules beside the flow, NAME[:k=v,...]; repeatable, or separated by spaces in one; `none` for the flow "
            "alone; simultaneous and alternating by default.",
            metavar="NAME",
            names="rule",
        ),
    ] = None
    x0: Annotated[float, option("The datum, the same in every entry; 0 by default.")] = 0.0
    verdicts: Annotated[
        str, option("For which motions to give a verdict; the flow by default.", metavar="flow|all|none")
    ] = "flow"
    effort: Annotated[
        float | None, option("Factor on a verdict's budget of field evaluations; low by default.")
    ] = None
    jobs: Annotated[
        int | None, option("How many processes work; two by default where there are two cores.", short="-j")
    ] = None

    def report(self) -> dict[str, Any]:
        """The report on all of them."""
        from ..analysis import catalogue_report

        words = [w for text in self.rule or [] for w in text.split()]
        with progress() as bar:
            found = catalogue_report.report(
                self._chosen(),
                rules=catalogue_report.DEFAULT_RULES
                if self.rule is None
                else [w for w in words if w != "none"],
                x0=self.x0,
                effort=catalogue_report.LOW_EFFORT if self.effort is None else self.effort,
                verdicts=self.verdicts,
                jobs=min(2, os.cpu_count() or 1) if self.jobs is None else self.jobs,
                done=bar,
            )
        return found.as_dict()

    def _chosen(self) -> list[str] | None:
        """The variants, those of files by their place; None for all."""
        from ..variants import VARIANTS

        chosen = list(self.variants or [])
        for path in self.file or []:
            found = VARIANTS.load_file(path)
            if not found:
                raise InputError(
                    f"{path!r} does not register a variant; allowed: a file with @diracgan.register(...)"
                )
            given = path if path.endswith(".py") else f"./{path}"
            chosen += [f"{given}:{name}" for name in found]
        return list(dict.fromkeys(chosen)) or None


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """What the report must hold."""

    baseline: Annotated[
        str | None, option("Fail where a row differs from this report.", metavar="FILE.json")
    ] = None
    tolerance: Annotated[
        float, option("Relative tolerance of eigenvalues against the baseline; 1e-6 by default.")
    ] = 1e-6
    fail_on: Annotated[
        list[str] | None,
        option(
            "Fail on these statuses or verdicts: unstable, marginal, diverges, limit-cycle, ...",
            metavar="WORD,...",
        ),
    ] = None

    def asked(self) -> tuple[Sequence[str], dict[str, Any] | None, float]:
        """The words that fail, the report to compare with, and the tolerance, read and checked."""
        from ..reporting import report as reporting

        tolerance = number("tolerance", self.tolerance, low=0, high=1)
        words = reporting.failing(w for text in self.fail_on or [] for w in text.split(","))
        return words, None if self.baseline is None else reporting.baseline(self.baseline), tolerance


def command(
    entries: EntryOptions,
    gate: GateOptions,
    junit: JUnitOption = None,
    out: Annotated[
        str | None,
        output("Write to this file in place of the screen: .txt, .md, .json or .xml.", endings(*_SUFFIXES)),
    ] = None,
    format: Annotated[
        str | None, option("How it is shown; table by default.", choices=tuple(_SUFFIXES.values()))
    ] = None,
    schema: Annotated[bool, option("Print the JSON schema of the report and nothing else.")] = False,
) -> CommandResult:
    """Report on variants as flows and under rules, in d = 1 and d = 2: one table, and a gate for CI.

    Exits with 1 when the gate (--baseline, --fail-on) fails, with 2 when a loss could not be computed. Where
    GITHUB_STEP_SUMMARY names a file, the table is added to it as markdown.

    Example: diracgan report ns wgan-gp:c=0 --fail-on unstable --junit report.xml
    """
    from ..reporting import report as reporting, schema as schemas

    if schema:
        return CommandResult(None, [json.dumps(schemas.report_schema())])
    style, asked = style_of(format, out, _SUFFIXES, "table"), gate.asked()
    doc = reporting.document(entries.report())
    doc["gate"] = _judged(doc, *asked, partial=bool(entries.variants))
    said = _publish(doc, style, out, junit)
    code, complaints = _end(doc, reporting.errors(doc))
    if doc["gate"] is not None and not code and (style == "table" or out is not None):
        against = f" or differs from {gate.baseline}" if gate.baseline is not None else ""
        said.append(f"the gate is passed: of {_counted(len(doc['rows']), 'row')} none fails{against}")
    return CommandResult(None, said, complaints, code)


def _judged(
    doc: dict[str, Any], words: Sequence[str], before: dict[str, Any] | None, tolerance: float, partial: bool
) -> dict[str, Any] | None:
    """What the gate finds in a report, which may cover a part of the baseline only; None without a gate."""
    from ..reporting import report as reporting

    if not words and before is None:
        return None
    found = {
        "failures": reporting.failures(doc, words),
        "differences": []
        if before is None
        else reporting.differences(doc, before, tolerance, partial=partial),
    }
    return {
        "passed": not any(found.values()),
        **{k: [f._asdict() for f in listed] for k, listed in found.items()},
    }


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _publish(doc: dict[str, Any], style: str, out: str | None, junit: str | None) -> list[str | Table]:
    """Write what was asked for; what is left is to be printed."""
    from ..files import write_text
    from ..reporting import junit as xml
    from ..reporting.report import COLUMNS, as_markdown, as_text, rows

    for path, content in ((out, as_text(doc, style)), (junit, xml.junit(doc))):
        if path is not None:
            write_text(path, content)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(as_markdown(doc) + "\n")
        except OSError as error:  # the summary is a courtesy; the gate decides
            tell(f"GITHUB_STEP_SUMMARY cannot be written: {error.strerror}")
    if out is not None:
        return [f"{_counted(len(doc['rows']), 'row')} written to {out}"]
    if style == "table":
        return [Table(COLUMNS, rows(doc))]
    return [as_text(doc, style, lines=False).rstrip("\n")]


def _end(doc: dict[str, Any], errors: list[Any]) -> tuple[int, list[str]]:
    """The exit code, and what is to be said about it."""
    gate = doc["gate"]
    found = [] if gate is None else [*gate["failures"], *gate["differences"]]
    said = [f"{f['row']}: {f['text']}" for f in found]
    if errors:
        more = f" (and {len(errors) - 1} more rows)" if len(errors) > 1 else ""
        return 2, [*said, f"could not be computed: {errors[0].row}: {errors[0].text}{more}"]
    if found:
        return 1, [*said, f"the gate failed with {_counted(len(found), 'finding')}"]
    return 0, []
