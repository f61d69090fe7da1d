"""A report as JUnit XML: one test case per variant and motion, as continuous integration shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

# characters that XML 1.0 has no place for
_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


class JUnitCase(NamedTuple):
    """One test case: whose, its name, what failed, what could not be computed, and what else it says."""

    owner: str
    name: str
    failures: Sequence[str] = ()
    error: str | None = None
    said: str = ""


def as_xml(title: str, suite: str, cases: Sequence[JUnitCase]) -> str:
    """Test cases as JUnit XML, as continuous integration shows them."""
    failed, broken = (
        sum(found) for found in ((bool(c.failures) for c in cases), (c.error is not None for c in cases))
    )
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": str(broken)}
    suites = ElementTree.Element("testsuites", {"name": title, **counts})
    within = ElementTree.SubElement(suites, "testsuite", {"name": suite, **counts})
    for c in cases:
        case = ElementTree.SubElement(within, "testcase", classname=f"diracgan.{c.owner}", name=_text(c.name))
        if c.error is not None:
            ElementTree.SubElement(case, "error", message=_text(c.error))
        if c.failures:
            failure = ElementTree.SubElement(case, "failure", message=_text("; ".join(c.failures)))
            failure.text = _text("\n".join(c.failures))
        if c.said:
            ElementTree.SubElement(case, "system-out").text = _text(c.said)
    ElementTree.indent(suites)
    xml = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n'


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
    cases = []
    for r in doc["rows"]:
        said = "\n".join(f"d = {d}: {_words(c)}" for d, c in r["cells"].items())
        failures = by_row.pop(r["name"], ()) if r["error"] is None else ()
        cases.append(JUnitCase(r["variant"], r["name"], failures, r["error"], said))
    known = {r["name"] for r in doc["rows"]}
    # rows that are gone, settings
    cases += [JUnitCase("baseline", row, texts) for row, texts in by_row.items() if row not in known]
    return as_xml("diracgan report", "diracgan", cases)


def _words(c: Mapping[str, Any]) -> str:
    margin = "" if c["margin"] is None else f", margin {c['margin']:.6g}"
    kind = "" if c["verdict"] is None else f", {c['verdict']['kind']}"
    return f"{c['status']}{margin}{kind}; {c['text']}"


def _text(words: str) -> str:
    return _FORBIDDEN.sub("?", words)
