"""``diracgan list``: what there is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import choice

FORMATS = ("text", "json", "markdown")


def command(
    format: Annotated[str, typer.Option("--format", help="text, json or markdown.", metavar="NAME")] = "text",
) -> None:
    """Show every variant, penalty and rule with its parameters, defaults and one line.

    Example: diracgan list --format markdown
    """
    choice("format", format, FORMATS)
    from ..reporting import dumps, markdown, show

    tables = {"variants": _variants(), "modifiers": _modifiers(), "rules": _rules()}
    if format == "json":
        print(dumps("diracgan.list/1", tables))
        return
    titles = {
        "variants": "Variants",
        "modifiers": "On any variant: --l2, --r1, -p NAME=VALUE or with_(NAME=VALUE)",
        "rules": "Rules: --rule NAME",
    }
    for key, entries in tables.items():
        rows = [[e["name"], ", ".join(map(_shown, e["parameters"])) or "none", e["summary"]] for e in entries]
        columns = ["name", "parameters", "what it is"]
        if key == "modifiers":
            columns, rows = ["name", "domain", "what it is"], [[r[0], _domain(e), r[2]] for r, e in zip(rows, entries, strict=True)]  # noqa: E501  # fmt: skip
        if format == "markdown":
            print(f"## {titles[key]}\n\n{markdown(columns, rows)}\n")
        else:
            show(columns, rows, titles[key])
            print()


def _variants() -> list[dict[str, Any]]:
    from ..variants import parameters, variant_class, variants

    return [
        {
            "name": name,
            "summary": line,
            "reference": variant_class(name).reference,
            "parameters": _parameters(parameters(variant_class(name))),
        }
        for name, line in variants().items()
    ]


def _modifiers() -> list[dict[str, Any]]:
    from ..variants import modifiers

    return [{"name": n, "summary": p.help, "parameters": _parameters({n: p})} for n, p in modifiers().items()]


def _rules() -> list[dict[str, Any]]:
    from ..dynamics import rule_class, rules
    from ..variants import parameters

    return [
        {"name": name, "summary": line, "parameters": _parameters(parameters(rule_class(name)))}
        for name, line in rules().items()
    ]


def _parameters(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": p.name,
            "default": p.default,
            "kind": p.kind,
            "low": p.low,
            "high": p.high,
            "choices": list(p.choices),
            "help": p.help,
        }
        for p in found.values()
    ]


def _shown(p: dict[str, Any]) -> str:
    return p["name"] if p["default"] is None else f"{p['name']}={p['default']}"


def _domain(entry: dict[str, Any]) -> str:
    (p,) = entry["parameters"]
    if p["choices"]:
        return " | ".join(p["choices"])
    low = "" if p["low"] is None else f">= {p['low']:g}"
    return f"{p['kind']} {low}".strip()
