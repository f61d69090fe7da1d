"""The published JSON schema of a report."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ..analysis.kinds import KINDS
from ..analysis.linear.status import STATUSES

REPORT = "diracgan.report/1"


def report_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of what ``diracgan report --format json`` prints.

    Example:
        >>> report_schema()["properties"]["schema"]["const"]
        'diracgan.report/1'
    """
    schema = json.loads(
        files("diracgan.reporting").joinpath("report.schema.json").read_text(encoding="utf-8")
    )
    for where, name, words in (("verdict", "kind", KINDS), ("cell", "status", STATUSES)):
        schema["$defs"][where]["properties"][name] = {"enum": list(words)}
    return schema


__all__ = ["KINDS", "REPORT", "STATUSES", "report_schema"]
