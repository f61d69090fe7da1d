"""Documents of JSON, or of Python's lists and dictionaries, that hold a whole log: pandas', TensorBoard's, Sacred's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ...records import is_number
from .arrays import flattened
from .table import LogTable

_SHORT = 8  # entries; a list that is longer is a series, and no vector of one row
_CLOCKS, _VALUES = ("steps", "step", "x", "iterations"), ("values", "value", "y")
_PYTHON = (  # what Python prints otherwise than JSON is written
    (re.compile(r"\b(?:defaultdict|OrderedDict)\((?:<class '\w+'>, )?(\{.*\})\)", re.DOTALL), r"\1"),
    (
        re.compile(
            r"\bnp\.\w+\(([^()]*)\)|\b(?:array|tensor)\(([^()]*?)(?:, (?:dtype|device|grad_fn)=[^()]*)?\)"
        ),
        r"\1\2",
    ),
    (re.compile(r"'"), '"'),
    (re.compile(r"\bNone\b"), "null"),
    (re.compile(r"\bTrue\b"), "true"),
    (re.compile(r"\bFalse\b"), "false"),
    (re.compile(r"\bnan\b"), "NaN"),
    (re.compile(r"\binf\b"), "Infinity"),
    (re.compile(r"\("), "["),
    (re.compile(r",?\s*\)"), "]"),
)
_OPENING, _BETWEEN = re.compile(r"\s*(?:\[\s*(?=\{))?"), re.compile(r"[\s,]*")
# "d_losses = [1.3, 1.4]", "G: [...]", "D = array([1.3, 1.4])": a list behind its name
_NAMED = re.compile(
    r"^\s*['\"]?([A-Za-z_][\w ./()-]*?)['\"]?\s*[=:]?\s*(?:[\w.]*(?:array|Array|tensor|Tensor)\()?"
    r"(\[[^\[\]]*\])(?:(?:,\s*\w+=.*)?\))?[,;]?[ \t]*$",
    re.MULTILINE,
)
_UNNAMED = re.compile(r"[\w.]*(?:array|tensor)\(", re.IGNORECASE)
_BLANKS = re.compile(r"(?<=[\w.])\s+(?=[-+\w.])")  # all that parts numbers in NumPy's print


def parsed(text: str) -> object:
    """What a text holds as JSON or as Python prints it; of several objects one after the other their list; else None.

    Raises:
        RecursionError: where it is nested too deeply.

    Example:
        >>> parsed("{'d': [0.5, nan]}"), parsed('{"a": 1}\\n{"a":\\n2}'), parsed("nonsense")
        ({'d': [0.5, nan]}, [{'a': 1}, {'a': 2}], None)
    """
    for candidate in (text, _of_python(text)):
        try:
            return json.loads(candidate)
        except ValueError:
            pass
        found = _in_turn(candidate)
        if found:
            return found
    return None


def _of_python(text: str) -> str:
    for form, to in _PYTHON:
        text = form.sub(to, text)
    return text


def _in_turn(text: str) -> list[Any]:
    """Objects that follow each other, also within a list that is not closed yet; the last may be cut off."""
    decoder, found = json.JSONDecoder(), []
    at = _after(_OPENING, text, 0)
    while at < len(text):
        try:
            one, at = decoder.raw_decode(text, at)
        except ValueError:
            # only one that the text ends within is left out
            return found if "}" not in text[at:] or text[at:].strip() == "]" else []
        if not isinstance(one, Mapping):
            return []
        found.append(one)
        at = _after(_BETWEEN, text, at)
    return found


def _after(form: re.Pattern[str], text: str, at: int) -> int:
    found = form.match(text, at)
    return at if found is None else found.end()


def named_lists(text: str) -> dict[str, list[float]]:
    """The printed lists of numbers behind their names: ``d_losses = [1.3, 1.4, ...]``.

    Example:
        >>> list(named_lists("G = [" + "0.5, " * 30 + "1]\\nD = array([" + "0.5\\n " * 30 + "1.], dtype=float32)"))
        ['G', 'D']

    Raises:
        InputError: where an array was printed without those in its middle.
    """
    made = {}
    for name, numbers in _NAMED.findall(text):
        if "..." in numbers:
            raise InputError(
                f"{name} was printed without its middle (...); allowed: all of it, as print({name}.tolist()) gives it"
            )
        parted = _BLANKS.sub(", ", numbers)
        try:
            values = json.loads(re.sub(r"(?<=\d)\.(?!\d)", ".0", _of_python(parted)))
        except ValueError:
            continue
        if len(values) > _SHORT and all(map(is_number, values)):
            made["series" if _UNNAMED.fullmatch(name) else name] = values
    return made


def lists(whole: object, depth: int = 3) -> dict[str, list[Any]]:
    """The long lists in an object, also within objects of it, by their own names, or by all where two have one."""
    if not isinstance(whole, Mapping):
        return {}
    found = {k: v for k, v in whole.items() if isinstance(v, list) and len(v) > _SHORT}
    for name, v in whole.items() if depth > 1 else ():
        for k, values in lists(v, depth - 1).items():
            found[k if k not in found else f"{name}.{k}"] = values
    return found


def as_table(whole: object) -> LogTable | None:
    """The table of a document that holds series side by side; None where it does not."""
    if isinstance(whole, list) and len(whole) == 1:
        whole = whole[0]
    if isinstance(whole, list):
        return _of_lists(whole)
    if not isinstance(whole, Mapping):
        return None
    names, data = whole.get("columns"), whole.get("data")
    if isinstance(names, list) and isinstance(data, list):  # pandas, orient="split"
        made = _of_lists(data)
        if made is not None and len(made.columns) == len(names):
            return LogTable(dict(zip(map(str, names), made.columns.values(), strict=True)), "JSON of pandas")
    pairs = {k: _pair(v) for k, v in whole.items()}
    if any(p is not None for p in pairs.values()):
        return _merged({k: p for k, p in pairs.items() if p is not None})
    found = lists(whole)
    if found and not any(isinstance(r, Mapping) for v in found.values() for r in v):
        return LogTable(flattened(found), "JSON")
    return None


def rows_in(whole: object) -> list[Any] | None:
    """The rows of a document that holds one object a row; None where it does not.

    Example:
        >>> rows_in({"d": {"0": 1.3, "1": 1.4}, "g": {"0": 0.7, "1": 0.6}})  # as pandas writes a frame
        [{'d': 1.3, 'g': 0.7}, {'d': 1.4, 'g': 0.6}]
    """
    if isinstance(whole, Mapping):
        found = [v for v in lists(whole).values() if all(isinstance(r, Mapping) for r in v)]
        if found:  # such as log_history of Hugging Face's trainer_state.json
            return max(found, key=len)
        inner = list(whole.values())
        if inner and all(isinstance(v, Mapping) and v for v in inner):
            if all(str(k).lstrip("-").isdigit() for k in whole):  # pandas, orient="index"
                return inner
            if all(str(k).lstrip("-").isdigit() for v in inner for k in v):
                keys = dict.fromkeys(k for v in inner for k in v)
                return [{n: v[k] for n, v in whole.items() if k in v} for k in keys]
        return [whole]
    return whole if isinstance(whole, list) and all(isinstance(r, Mapping) for r in whole) else None


def _of_lists(whole: list[Any]) -> LogTable | None:
    """A list of numbers, or of rows of numbers; TensorBoard's rows are wall time, step and value."""
    if whole and all(map(is_number, whole)):
        return LogTable({"series": np.array(whole, float)}, "JSON")
    rows = [r for r in whole if isinstance(r, list)]
    width = len(rows[0]) if rows else 0
    if not width or len(rows) < len(whole) or any(len(r) != width for r in rows):
        return None
    if len(rows) < _SHORT < width:
        rows, width = [list(r) for r in zip(*rows, strict=True)], len(rows)  # a list a series
    made = [np.array([x if is_number(x) else np.nan for x in c], float) for c in zip(*rows, strict=True)]
    if width == 3 and np.all(made[0] > 1e8) and np.all(np.diff(made[1]) >= 0):
        return LogTable(dict(zip(("Wall time", "Step", "Value"), made, strict=True)), "TensorBoard's JSON")
    return LogTable({str(k + 1): c for k, c in enumerate(made)}, "JSON")


def _pair(value: object) -> tuple[list[float], list[float]] | None:
    """The clock and the values of a series that has both, as Sacred writes it."""
    if not isinstance(value, Mapping):
        return None
    clock = next((value[n] for n in _CLOCKS if isinstance(value.get(n), list)), None)
    values = next((value[n] for n in _VALUES if isinstance(value.get(n), list)), None)
    if clock is None or values is None or len(clock) != len(values):
        return None
    return (clock, values) if all(map(is_number, [*clock, *values])) else None


def _merged(pairs: Mapping[str, tuple[list[float], list[float]]]) -> LogTable:
    """Series with clocks of their own on common rows."""
    steps = sorted({float(x) for clock, _ in pairs.values() for x in clock})
    place = {x: k for k, x in enumerate(steps)}
    columns = {"step": np.array(steps)}
    for name, (clock, values) in pairs.items():
        columns[name] = np.full(len(steps), np.nan)
        columns[name][[place[float(x)] for x in clock]] = values
    return LogTable(columns, "JSON, a clock a series")
