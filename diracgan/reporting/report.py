"""The report as a document: its table, its gate, and its differences from a baseline. Plain data in, text out."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

from ..errors import InputError, one_line, reason, unknown
from ..files import read_text
from ..records import is_number, plain
from .encode import dumps
from .junit import junit
from .schema import KINDS, REPORT, STATUSES
from .tables import markdown, show

ERROR = "error"
COLUMNS = ("variant", "motion", "eigenvalues", "margin", "status", "verdict d = 1", "verdict d = 2")
VERDICT_TOLERANCE = 0.02  # a low effort fits exponents and radii to this
MULTIPLIER_TOLERANCE = (
    5e-3  # of multipliers near 0, and of double ones at 1, which split by a root of their error
)


class Finding(NamedTuple):
    """Something that a gate does not let pass: in which row, and what."""

    row: str
    text: str


def document(found: Mapping[str, Any], gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A report (``Report.as_dict()``) laid out as its JSON schema says.

    Args:
        found: rows, x0, effort, verdicts and version.
        gate: ``passed``, ``failures`` and ``differences``, where something was gated.

    Returns:
        Dicts, lists, strings and finite numbers, without the key ``schema``.

    Example:
        >>> import diracgan as dg
        >>> d = document(dg.report(["ns"], rules=[], verdicts="none").as_dict())
        >>> d["rows"][0]["name"], d["rows"][0]["cells"]["1"]["eigenvalues"]
        ('ns | flow', [[0.0, 0.5], [0.0, -0.5]])
    """
    return plain(
        {
            "version": found["version"],
            "settings": {k: found[k] for k in ("x0", "effort", "verdicts")},
            "rows": [_row(r) for r in found["rows"]],
            "gate": gate,
        }
    )


def _row(r: Mapping[str, Any]) -> dict[str, Any]:
    motion = r["rule"] or "flow"
    kept = {k: r[k] for k in ("variant", "label", "hyperparameters", "reference", "error")}
    return {
        "name": f"{r['label']} | {motion}",
        "motion": motion,
        **kept,
        "cells": {str(d): _cell(c) for d, c in r["cells"].items()},
    }


def _cell(c: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: c[k] for k in ("status", "eigenvalues", "margin", "error", "spectral_radius", "text")}
    return kept | {"verdict": None if c["kind"] is None else {"kind": c["kind"], "numbers": c["numbers"]}}


# ---------------------------------------------------------------- the table


def rows(doc: Mapping[str, Any]) -> list[list[str]]:
    """The cells of the table under :data:`COLUMNS`, one line per variant and motion."""
    return [_line(r) for r in doc["rows"]]


def as_markdown(doc: Mapping[str, Any]) -> str:
    """The report as markdown: the table, and under it what the gate found."""
    parts = ["## diracgan report", "", markdown(COLUMNS, rows(doc))]
    gate = doc["gate"]
    if gate is not None:
        found = [*gate["failures"], *gate["differences"]]
        parts += [
            "",
            "**The gate is passed.**" if gate["passed"] else f"**The gate failed: {len(found)} findings.**",
        ]
        parts += ["", *(f"- {f['row']}: {f['text']}" for f in found)] if found else []
    return "\n".join(parts)


def as_text(doc: Mapping[str, Any], style: str, lines: bool = True) -> str:
    """The report as a table, markdown, JSON or JUnit XML.

    Args:
        doc: from :func:`document`.
        style: ``"table"``, ``"markdown"``, ``"json"`` or ``"junit"``.
        lines: JSON over many lines, so that a repository's history shows which number changed.
    """
    if style == "json":
        line = dumps(REPORT, doc)
        return (json.dumps(json.loads(line), indent=1, ensure_ascii=False) if lines else line) + "\n"
    if style == "junit":
        return junit(doc)
    if style == "markdown":
        return as_markdown(doc) + "\n"
    text = StringIO()
    show(COLUMNS, rows(doc), file=text)
    return text.getvalue()


def _line(r: Mapping[str, Any]) -> list[str]:
    if r["error"] is not None:
        return [r["label"], r["motion"], "", "", ERROR, r["error"], ""]
    one, two = r["cells"]["1"], r["cells"]["2"]
    shown = [_either(f(one), f(two)) for f in (_spectrum, _margin, lambda c: c["status"])]
    kinds = ["" if c["verdict"] is None else c["verdict"]["kind"] for c in (one, two)]
    return [r["label"], r["motion"], *shown, *kinds]


def _either(one: str, two: str) -> str:
    return one if one == two else f"{one} (d = 2: {two})"


def _margin(c: Mapping[str, Any]) -> str:
    if c["margin"] is None:
        return "none"
    # what rounding cannot tell from 0 is shown as 0
    return "0" if abs(c["margin"]) <= (c["error"] or 0.0) else f"{c['margin']:.4g}"


def _spectrum(c: Mapping[str, Any]) -> str:
    """The distinct eigenvalues, a conjugate pair as one, as many digits as tell."""
    shown: list[str] = []
    for re, im in c["eigenvalues"]:
        if re is None or im is None:
            continue
        size = max(abs(re), abs(im))
        real = f"{re:.4g}" if abs(re) > 1e-9 * size else "0"
        turning = f"{abs(im):.4g}i" if abs(im) > 1e-9 * size else ""
        text = f"{real}±{turning}" if turning and real != "0" else (f"±{turning}" if turning else real)
        if text not in shown:
            shown.append(text)
    return ", ".join(shown) or "none"


# ---------------------------------------------------------------- gates


def failing(words: Iterable[str]) -> tuple[str, ...]:
    """Check the words of ``--fail-on``: statuses, verdict kinds, or ``error``.

    Raises:
        InputError: for any other word, naming the nearest.

    Example:
        >>> failing(["unstable", "limit-cycle"])
        ('unstable', 'limit-cycle')
    """
    asked = tuple(w.strip() for w in words)
    for word in asked:
        if word not in (*STATUSES, *KINDS, ERROR):
            raise unknown("status or verdict", word, (*STATUSES, *KINDS, ERROR))
    return asked


def failures(doc: Mapping[str, Any], words: Sequence[str]) -> list[Finding]:
    """Every row of which a status or a verdict is one of ``words``."""
    found = []
    for r in doc["rows"]:
        if r["error"] is not None and ERROR in words:
            found.append(Finding(r["name"], r["error"]))
        for d, c in r["cells"].items():
            said = [c["status"], *([] if c["verdict"] is None else [c["verdict"]["kind"]])]
            found += [Finding(r["name"], f"{w} in d = {d}") for w in said if w in words]
    return found


def errors(doc: Mapping[str, Any]) -> list[Finding]:
    """Every row that could not be computed."""
    return [Finding(r["name"], r["error"]) for r in doc["rows"] if r["error"] is not None]


def baseline(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an earlier report from its JSON.

    Raises:
        InputError: when it cannot be read or is not a report.
    """
    shown = os.fspath(path)
    try:
        found = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"baseline {shown!r} cannot be read: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"baseline {shown!r} is not JSON: {reason(error)}") from error
    if not isinstance(found, dict) or found.get("schema") != REPORT:
        raise InputError(
            f"baseline {shown!r} is not a report; allowed: what `diracgan report --format json` wrote, {REPORT}"
        )
    try:
        for r in found["rows"]:
            assert isinstance(r["name"], str)
            for c in r["cells"].values():
                _ = c["status"], c["eigenvalues"], c["margin"], c["error"], c["verdict"]
        _ = found["settings"]["x0"]
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise InputError(f"baseline {shown!r} is not laid out as {REPORT}: {one_line(error)}") from error
    return found


def differences(
    now: Mapping[str, Any], before: Mapping[str, Any], rtol: float = 1e-6, partial: bool = False
) -> list[Finding]:
    """What has changed since a baseline, beyond the tolerances.

    Args:
        now: the document.
        before: the baseline, from :func:`baseline`.
        rtol: relative tolerance of eigenvalues and margins (and 1e-9 absolute, and the error bounds); numbers
        of a
            verdict have 2 %.
        partial: whether rows of the baseline may be missing, because only some variants were asked for.

    Returns:
        One :class:`Finding` per difference, by row.

    Example:
        >>> differences({"settings": {}, "rows": []}, {"settings": {}, "rows": []})
        []
    """
    found = [
        Finding("settings", f"{k} was {before['settings'].get(k)}, is {x}")
        for k, x in now["settings"].items()
        if not _same(x, before["settings"].get(k), 1e-12, 0.0)
    ]
    old = {r["name"]: r for r in before["rows"]}
    new = {r["name"]: r for r in now["rows"]}
    for name, r in new.items():
        if name not in old:
            found.append(Finding(name, "is not in the baseline"))
            continue
        found += [Finding(name, text) for text in _changes(r, old[name], rtol)]
    if not partial:
        found += [Finding(name, "is in the baseline and no longer here") for name in old if name not in new]
    return found


def _changes(new: Mapping[str, Any], old: Mapping[str, Any], rtol: float) -> list[str]:
    if new["error"] != old.get("error"):
        return [f"error was {old.get('error') or 'none'}, is {new['error'] or 'none'}"]
    found = []
    for d in sorted({*new["cells"], *old["cells"]}):
        a, b = new["cells"].get(d), old["cells"].get(d)
        if a is None or b is None:
            found.append(f"d = {d} {'is gone' if a is None else 'is not in the baseline'}")
            continue
        found += [f"d = {d}: {text}" for text in _cell_changes(a, b, rtol)]
    return found


def _cell_changes(new: Mapping[str, Any], old: Mapping[str, Any], rtol: float) -> list[str]:
    found = []
    if new["status"] != old["status"]:
        found.append(f"status was {old['status']}, is {new['status']}")
    atol = 1e-9 + (new["error"] or 0.0) + (old["error"] or 0.0)
    if not _same(new["margin"], old["margin"], rtol, atol):
        found.append(f"margin was {_n(old['margin'])}, is {_n(new['margin'])}")
    ours, theirs = (sorted(map(tuple, c["eigenvalues"]), key=_by_place) for c in (new, old))
    if not _same_set(ours, theirs, rtol, atol):
        found.append(f"eigenvalues were {_spectrum(old)}, are {_spectrum(new)}")
    a, b = new["verdict"], old["verdict"]
    if (a is None) != (b is None):
        found.append(
            f"verdict was {b['kind'] if b else 'not asked for'}, is {a['kind'] if a else 'not asked for'}"
        )
    elif a is not None and b is not None and a["kind"] != b["kind"]:
        found.append(f"verdict was {b['kind']}, is {a['kind']}")
    elif a is not None and b is not None:
        found += _number_changes(a["numbers"], b["numbers"])
    return found


# What a fit says about itself, and what noise decides, is not a claim about the motion.
_NOT_COMPARED = frozenset({"exponent_error", "constant_error", "floquet_error", "conserved", "half_life"})


def _number_changes(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    found = []
    for key in sorted({*new, *old} - _NOT_COMPARED):
        a: Any = new.get(key)
        b: Any = old.get(key)
        atol = (
            1e-3
            if key in ("limit_phi", "limit_theta")
            else MULTIPLIER_TOLERANCE
            if key == "floquet"
            else 1e-6
        )
        compare: Any = _same_set if key == "floquet" and a is not None and b is not None else _same
        if not compare(a, b, VERDICT_TOLERANCE, atol):
            found.append(f"{key} was {_n(b)}, is {_n(a)}")
    return found


def _same(a: Any, b: Any, rtol: float, atol: float) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
        return bool(a == b)
    return abs(a - b) <= atol + rtol * max(abs(a), abs(b))


def _same_set(ours: Sequence[Any], theirs: Sequence[Any], rtol: float, atol: float) -> bool:
    """Whether the eigenvalues can be paired off, each with its nearest."""
    if len(ours) != len(theirs):
        return False
    left = list(theirs)
    for re, im in ours:
        distances = [math.hypot((re or 0.0) - (x or 0.0), (im or 0.0) - (y or 0.0)) for x, y in left]
        k = min(range(len(left)), key=distances.__getitem__)
        if distances[k] > atol + rtol * math.hypot(re or 0.0, im or 0.0):
            return False
        left.pop(k)
    return True


def _by_place(z: Sequence[Any]) -> tuple[float, float]:
    return (z[0] or 0.0, z[1] or 0.0)


def _n(x: Any) -> str:
    if isinstance(x, (list, tuple)):
        return "(" + ", ".join(_n(y) for y in x) + ")"
    return f"{x:.8g}" if is_number(x) else ("none" if x is None else str(x))
