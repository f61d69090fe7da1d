"""``diracgan list``: variants, penalties, rules, problems and presets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .layer import CommandResult, Table, option

if TYPE_CHECKING:
    from ..registry import Registry

_TITLES = {
    "variants": "Variants",
    "modifiers": "On any variant: --l2, --r1, -p NAME=VALUE or with_(NAME=VALUE)",
    "rules": "Rules: --rule NAME",
    "presets": "Presets: as --variant, a variant with its penalties; dg.preset(NAME) gives the rule too",
    "problems": "Problems of `diracgan train`: NAME[:k=v,...], and prior=uniform where inputs are random",
    "tricks": "Tricks of `diracgan train`: --trick NAME[:k=v,...]",
}


def command(
    format: Annotated[
        str, option("How it is shown; text by default.", choices=("text", "json", "markdown"))
    ] = "text",
) -> CommandResult:
    """List the variants, penalties, rules, presets, problems and tricks, with their parameters and defaults.

    Example: diracgan list --format markdown
    """
    found = _everything()
    return CommandResult(found, _said(found, format))


def _said(found: dict[str, list[dict[str, Any]]], format: str) -> Iterator[str | Table]:
    from ..reporting import markdown

    middle = {"modifiers": "allowed", "presets": "stands for"}
    for key, entries in found.items():
        columns = ["name", middle.get(key, "parameters"), "what it is"]
        rows = [[e["name"], _middle(key, e), e["summary"]] for e in entries]
        if format == "markdown":
            yield f"## {_TITLES[key]}\n\n{markdown(columns, rows)}\n"
        else:
            yield Table(columns, rows, _TITLES[key])
            yield ""


def _middle(key: str, entry: dict[str, Any]) -> str:
    if key == "presets":
        return f"{entry['variant']} under {entry['rule']}"
    if key == "modifiers":
        return _allowed(entry["parameters"][0])
    return ", ".join(
        p["name"] if p["default"] is None else f"{p['name']}={p['default']}" for p in entry["parameters"]
    )


def _allowed(p: dict[str, Any]) -> str:
    if p["choices"]:
        return " | ".join(p["choices"])
    bounds = [f"{sign} {p[key]:g}" for sign, key in ((">=", "low"), ("<=", "high")) if p[key] is not None]
    return " ".join([f"{p['kind']}s", " and ".join(bounds)]).strip()


def _everything() -> dict[str, list[dict[str, Any]]]:
    from ..rules import RULES
    from ..rules.registry import preset
    from ..training.problems import PROBLEMS, options
    from ..training.tricks import TRICKS
    from ..variants import VARIANTS, modifiers, parameters, presets

    def entries(registry: Registry[Any], referenced: bool = True) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "summary": line,
                **({"reference": registry.reference(name)} if referenced else {}),
                "parameters": _parameters(parameters(registry[name])),
            }
            for name, line in registry.summaries().items()
        ]

    pairs = {name: preset(name) for name in presets()}
    return {
        "variants": entries(VARIANTS),
        "modifiers": [
            {"name": n, "summary": p.help, "parameters": _parameters({n: p})} for n, p in modifiers().items()
        ],
        "rules": entries(RULES, referenced=False),
        "presets": [
            {"name": n, "summary": line, "variant": pairs[n][0].label, "rule": pairs[n][1].label}
            for n, line in presets().items()
        ],
        "problems": [
            {"name": n, "summary": line, "parameters": [_option(k, x) for k, x in options(n).items()]}
            for n, line in PROBLEMS.summaries().items()
        ],
        "tricks": entries(TRICKS),
    }


def _option(name: str, default: object) -> dict[str, Any]:
    return {"name": name, "default": list(default) if isinstance(default, tuple) else default}


def _parameters(found: dict[str, Any]) -> list[dict[str, Any]]:
    names = ("name", "default", "kind", "low", "high", "choices", "help")
    return [{n: getattr(p, n) for n in names} for p in found.values()]
