"""A report as JUnit XML: one test case per variant and motion, as continuous integration shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

# characters that XML 1.0 has no place for
_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def junit(doc: Mapping[str, Any]) -> str:
    """The document of a report as JUnit XML.

    A row that the gate does not let pass is a failure, one that could not be computed an error.

    Args:
        doc: from :func:`diracgan.reporting.report.document`.

    Returns:
        The XML with its declaration.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.reporting.report import document
        >>> xml = junit(document(dg.report(["ns"], rules=[], verdicts="none").as_dict()))
        >>> 'tests="1"' in xml, 'name="ns | flow"' in xml
        (True, True)
    """
    gate = doc["gate"] or {"failures": [], "differences": []}
    by_row: dict[str, list[str]] = {}
    for f in (*gate["failures"], *gate["differences"]):
        by_row.setdefault(f["row"], []).append(f["text"])
    known = {r["name"] for r in doc["rows"]}
    lost = [(row, texts) for row, texts in by_row.items() if row not in known]  # rows that are gone, settings
    broken = sum(r["error"] is not None for r in doc["rows"])
    failed = sum(r["name"] in by_row and r["error"] is None for r in doc["rows"]) + len(lost)
    counts = {"tests": str(len(doc["rows"]) + len(lost)), "failures": str(failed), "errors": str(broken)}
    suites = ElementTree.Element("testsuites", {"name": "diracgan report", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "diracgan", **counts})
    for r in doc["rows"]:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"diracgan.{r['variant']}", name=_text(r["name"])
        )
        if r["error"] is not None:
            ElementTree.SubElement(case, "error", message=_text(r["error"]))
        elif r["name"] in by_row:
            _failure(case, by_row[r["name"]])
        said = [f"d = {d}: {_words(c)}" for d, c in r["cells"].items()]
        if said:
            ElementTree.SubElement(case, "system-out").text = _text("\n".join(said))
    for row, texts in lost:
        _failure(
            ElementTree.SubElement(suite, "testcase", classname="diracgan.baseline", name=_text(row)), texts
        )
    ElementTree.indent(suites)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"
    )


def _failure(case: ElementTree.Element, texts: list[str]) -> None:
    ElementTree.SubElement(case, "failure", message=_text("; ".join(texts))).text = _text("\n".join(texts))


def _words(c: Mapping[str, Any]) -> str:
    margin = "" if c["margin"] is None else f", margin {c['margin']:.6g}"
    kind = "" if c["verdict"] is None else f", {c['verdict']['kind']}"
    return f"{c['status']}{margin}{kind}; {c['text']}"


def _text(words: str) -> str:
    return _FORBIDDEN.sub("?", words)
