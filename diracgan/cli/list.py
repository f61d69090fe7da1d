"""``diracgan list``: what there is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import choice

FORMATS = ("text", "json", "markdown")


def command(
    format: Annotated[str, typer.Option("--format", help="text, json or markdown.", metavar="NAME")] = "text",
) -> None:
    """Show every variant, penalty, rule, preset, problem and trick with its parameters, defaults and one line.

    Example: diracgan list --format markdown
    """
    choice("format", format, FORMATS)
    from ..reporting import dumps, markdown, show

    tables = {"variants": _variants(), "modifiers": _modifiers(), "rules": _rules(), "presets": _presets()}
    tables |= {"problems": _problems(), "tricks": _tricks()}
    if format == "json":
        print(dumps("diracgan.list/1", tables))
        return
    titles = {
        "variants": "Variants",
        "modifiers": "On any variant: --l2, --r1, -p NAME=VALUE or with_(NAME=VALUE)",
        "rules": "Rules: --rule NAME",
        "presets": "Presets: as --variant, a variant with its penalties; dg.preset(NAME) gives the rule too",
        "problems": "Problems of `diracgan train`: NAME[:k=v,...]",
        "tricks": "Tricks of `diracgan train`: --trick NAME[:k=v,...]",
    }
    for key, entries in tables.items():
        if key == "modifiers":
            columns = ["name", "allowed", "what it is"]
            rows = [[e["name"], _allowed(e["parameters"][0]), e["summary"]] for e in entries]
        elif key == "presets":
            columns = ["name", "stands for", "what it is"]
            rows = [[e["name"], f"{e['variant']} under {e['rule']}", e["summary"]] for e in entries]
        else:
            columns = ["name", "parameters", "what it is"]
            rows = [[e["name"], ", ".join(map(_shown, e["parameters"])), e["summary"]] for e in entries]
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
    from ..rules import rule_class, rules
    from ..variants import parameters

    return [
        {"name": name, "summary": line, "parameters": _parameters(parameters(rule_class(name)))}
        for name, line in rules().items()
    ]


def _presets() -> list[dict[str, Any]]:
    from ..rules.presets import preset, presets

    return [
        {"name": name, "summary": line, "variant": v.label, "rule": r.label}
        for name, line in presets().items()
        for v, r in [preset(name)]
    ]


def _problems() -> list[dict[str, Any]]:
    from ..training.problems import options, problems

    def option(name: str, default: Any) -> dict[str, Any]:
        return {"name": name, "default": list(default) if isinstance(default, tuple) else default}

    return [
        {"name": n, "summary": line, "parameters": [option(k, x) for k, x in options(n).items()]}
        for n, line in problems().items()
    ]


def _tricks() -> list[dict[str, Any]]:
    from ..training.tricks import trick_class, tricks
    from ..variants import parameters

    return [
        {
            "name": n,
            "summary": line,
            "reference": trick_class(n).reference,
            "parameters": _parameters(parameters(trick_class(n))),
        }
        for n, line in tricks().items()
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


def _allowed(p: dict[str, Any]) -> str:
    if p["choices"]:
        return " | ".join(p["choices"])
    bounds = [
        f">= {p['low']:g}" if p["low"] is not None else "",
        f"<= {p['high']:g}" if p["high"] is not None else "",
    ]
    return " ".join([f"{p['kind']}s", " and ".join(filter(None, bounds))]).strip()
