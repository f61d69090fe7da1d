"""The page as one file: its modules, each a function that returns what it exports, its style and its frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..variants import Variant
from .programs import rule_sources, variant_source

ASSETS = Path(__file__).parent / "assets"
_IMPORT = re.compile(r'^import (?:(\{[^}]*\}) from )?"\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:const|let|function|class)) (\w+)", re.MULTILINE)


def tableau() -> str:
    """The coefficients of Dormand and Prince's method of order 8 as a module, from SciPy.

    Example:
        >>> tableau().splitlines()[0][:30]
        'export const TABLEAU = {"A": ['
    """
    from scipy.integrate import DOP853

    rows = {name: getattr(DOP853, name).tolist() for name in ("A", "B", "E3", "E5")}
    return f"export const TABLEAU = {json.dumps(rows)};\n"


def catalogue(variants: Iterable[Variant]) -> str:
    """The programs of these variants and of every rule that is scalar, as a module."""
    rules, _ = rule_sources()
    lines = [*map(variant_source, variants), *rules]
    return 'import { rule, variant } from "./model.js";\n' + "\n".join(lines) + "\n"


def modules(variants: Iterable[Variant]) -> dict[str, str]:
    """Name -> text of every module of the page, those that are generated included."""
    found = {p.stem: p.read_text(encoding="utf-8") for p in sorted(ASSETS.glob("*.js"))}
    return found | {"tableau": tableau(), "catalogue": catalogue(variants)}


def joined(parts: dict[str, str], entry: str) -> str:
    """The module ``entry`` with all that it imports, each once and before who needs it, as one script.

    Example:
        >>> print(joined({"a": 'import { b } from "./b.js";\\nb();\\n', "b": "export function b() {}\\n"}, "a"))
        const b_module = (() => {
        function b() {}
        return { b };
        })();
        const a_module = (() => {
        const { b } = b_module;
        b();
        return {  };
        })();
    """
    order: list[str] = []

    def visit(name: str, above: Sequence[str] = ()) -> None:
        if name in order or name in above:
            return
        for _, needed in _IMPORT.findall(parts[name]):
            visit(needed, (*above, name))
        order.append(name)

    def wrapped(name: str) -> str:
        text = parts[name]
        exported = ", ".join(n for _, n in _EXPORT.findall(text))
        text = _IMPORT.sub(lambda m: f"const {m[1]} = {m[2]}_module;\n" if m[1] else "", text)
        text = _EXPORT.sub(r"\1 \2", text).strip()
        return f"const {name}_module = (() => {{\n{text}\nreturn {{ {exported} }};\n}})();"

    visit(entry)
    return "\n".join(map(wrapped, order))


def page(variants: Iterable[Variant], *, served: bool = False) -> str:
    """The whole page as one HTML file that needs nothing else.

    Args:
        variants: those that can be chosen; all registered rules that are scalar come with them.
        served: whether ``diracgan explore`` stands behind it, and is asked for what needs Python.

    Raises:
        InputError: for a variant that cannot be written as scalar operations.
    """
    variants = list(variants)
    names = [v.name for v in variants]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is named {names.count(name)} times; allowed: each variant once")
    parts = {
        "{{STYLE}}": (ASSETS / "page.css").read_text(encoding="utf-8").strip(),
        "{{SCRIPT}}": joined(modules(variants), "served" if served else "app"),
    }
    html = (ASSETS / "page.html").read_text(encoding="utf-8")
    if served:  # it may speak with its own server, and with no other
        html = html.replace("img-src data:", "img-src data:; connect-src 'self'")
    return re.sub(
        "|".join(map(re.escape, parts)), lambda m: parts[m[0]].replace("</script", "<\\/script"), html
    )
