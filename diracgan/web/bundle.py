"""The page as one file: its modules, each a function that returns what it exports, its style and its frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .shipped import shipped

if TYPE_CHECKING:
    from ..variants import Variant

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


def linearisation() -> str:
    """The bounds of the linearisation's decision, and its statuses in words, as a module.

    Example:
        >>> linearisation().splitlines()[0][:34]
        'export const BOUNDS = {"residual":'
    """
    from ..analysis.linear.decision import RESIDUAL
    from ..analysis.linear.status import Status
    from ..numerics.derivative import ALIKE, FALLS, FALLS_SLOWLY, ROUNDING, SCALES
    from ..numerics.eigen import PERTURBATION

    bounds = {
        "residual": RESIDUAL,
        "scales": SCALES,
        "rounding": ROUNDING,
        "falls": FALLS,
        "fallsSlowly": FALLS_SLOWLY,
        "alike": ALIKE,
        "perturbation": PERTURBATION,
    }
    words = {s.value: s.words for s in Status}
    return f"export const BOUNDS = {json.dumps(bounds)};\nexport const STATUS = {json.dumps(words)};\n"


def float_range() -> str:
    """Where floats end, as a module.

    Example:
        >>> float_range()
        'export const LARGEST = 1e+150;\\n'
    """
    from ..numerics.float_range import LARGEST

    return f"export const LARGEST = {json.dumps(LARGEST)};\n"


def generated(variants: Iterable[Variant]) -> dict[str, Any]:
    """The programs of these variants and of every rule: ``variants`` and ``rules`` by name, ``left``, and modules.

    ``left`` is name -> why of the rules that are not scalar.
    """
    from ..rules import RULES
    from .programs import rule_sources, variant_source

    rules, left = rule_sources(RULES)
    own = {v.name: variant_source(v) for v in variants}
    numbers = {"tableau": tableau(), "linearisation": linearisation(), "float_range": float_range()}
    return {"variants": own, "rules": rules, "left": left, "modules": numbers}


def with_own_rules(known: Mapping[str, Any]) -> Mapping[str, Any]:
    """``known`` with the rules that have been registered beside those of the package."""
    from ..rules import RULES
    from .programs import rule_sources

    rules, left = rule_sources(n for n in RULES if n not in known["rules"] and n not in known["left"])
    return {**known, "rules": known["rules"] | rules, "left": known["left"] | left}


def modules(variants: Iterable[str], known: Mapping[str, Any]) -> dict[str, str]:
    """Name -> text of every module of the page, those that are generated included."""
    found = {p.stem: p.read_text(encoding="utf-8") for p in sorted(ASSETS.glob("*.js"))}
    programs = "\n".join([*variants, *known["rules"].values()])
    needed = 'import { rule, variant } from "./model.js";\n'
    functions = [name for _, name in _EXPORT.findall(found["special"])]
    if special := [name for name in functions if re.search(rf"\b{name}\(", programs)]:
        needed += f'import {{ {", ".join(special)} }} from "./special.js";\n'
    catalogue = f"{needed}{programs}\n"
    return found | known["modules"] | {"catalogue": catalogue}


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


def page(variants: Iterable[Variant], rules: Iterable[str] = ()) -> str:
    """The whole page as one HTML file that needs nothing else.

    Args:
        variants: those that can be chosen; all registered rules that are scalar come with them.
        rules: names of those that must be among these.

    Raises:
        InputError: for a variant or one of ``rules`` that cannot be written as scalar operations.
    """
    variants = list(variants)
    names = [v.name for v in variants]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is named {names.count(name)} times; allowed: each variant once")
    programs, known = programs_of(variants)
    for name in rules:
        if name not in known["rules"]:
            why = known["left"].get(name, "it is not registered")
            raise InputError(
                f"{name} cannot run in a page: {why}; allowed: registered rules of scalar operations"
            )
    return assembled(programs, known)


def programs_of(variants: Iterable[Variant]) -> tuple[list[str], Mapping[str, Any]]:
    """The program of each variant, shipped or generated, and what :func:`generated` returns beside them."""
    from ..variants import parse
    from .programs import variant_source

    known = with_own_rules(shipped() or generated([]))

    def program(v: Variant) -> str:
        usual = v.name in known["variants"] and not v.added and v.label == parse(v.name).label
        return known["variants"][v.name] if usual else variant_source(v)

    return [program(v) for v in variants], known


def assembled(programs: Iterable[str], known: Mapping[str, Any], *, served: bool = False) -> str:
    """The page of these variants' programs, with the rules of ``known``.

    Args:
        programs: of each variant that can be chosen.
        known: as :func:`generated` returns it.
        served: whether ``diracgan explore`` stands behind it, and is asked for what needs Python.
    """
    parts = {
        "{{STYLE}}": (ASSETS / "page.css").read_text(encoding="utf-8").strip(),
        "{{SCRIPT}}": joined(modules(programs, known), "served" if served else "app"),
    }
    html = (ASSETS / "page.html").read_text(encoding="utf-8")
    if served:  # it may speak with its own server, and with no other
        html = html.replace("img-src data:", "img-src data:; connect-src 'self'")
    return re.sub(
        "|".join(map(re.escape, parts)), lambda m: parts[m[0]].replace("</script", "<\\/script"), html
    )
