"""``diracgan explain``: a variant in formulas and words."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from ..errors import InputError, integer
from .options import VariantOptions, choice, takes

FORMATS = ("text", "latex", "markdown", "json")


@dataclasses.dataclass(frozen=True)
class _Options(VariantOptions):
    variant: Annotated[
        str,
        typer.Option("--variant", "-v", metavar="NAME", help="The same as an option.", show_default=False),
    ] = ""


@takes(_Options)
def command(
    variant: _Options,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A variant or a preset: NAME[:k=v,...] or PATH.py:NAME[:k=v,...]; see `diracgan list`.",
            show_default=False,
        ),
    ] = None,
    dim: Annotated[int, typer.Option("--dim", "-d", metavar="1|2", help="Dimension of the formulas.")] = 1,
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="text, latex, markdown or json.")
    ] = "text",
) -> None:
    """Print the losses, the field, its Jacobian and eigenvalues as formulas, and what is known to happen.

    They are derived from the definition, a user's own loss as well as a built-in one.

    Example: diracgan explain ns --dim 2
    """
    choice("format", format, FORMATS)
    if name and variant.variant and name != variant.variant:
        raise InputError(f"two variants, {name} and {variant.variant}; allowed: one")
    wanted = name or variant.variant
    if not wanted:
        raise InputError("which variant? e.g. diracgan explain ns; allowed: see diracgan list")
    made = dataclasses.replace(variant, variant=wanted).build()
    if integer("dim", dim, low=1) > 2:
        raise InputError(f"--dim = {dim} has no formulas; allowed: 1, 2 (which decides every d >= 2)")

    from ..analysis.explain.explanation import explain
    from ..reporting import dumps

    preset = _preset(wanted.partition(":")[0])
    found = explain(made, dim)
    if format == "json":
        print(dumps("diracgan.explain/1", {**found.as_dict(), "preset": preset}))
        return
    if preset is not None:
        print(_words(preset, format))
    print(found.render(format))


def _preset(name: str) -> dict[str, Any] | None:
    from ..variants import presets

    if name not in presets():
        return None
    from ..rules.presets import preset
    from ..variants.recipes import recipe

    found, (made, rule) = recipe(name), preset(name)
    return {
        "name": name,
        "summary": found.summary,
        "variant": made.label,
        "rule": rule.label,
        "why": found.why,
        "reference": found.reference,
    }


def _words(preset: dict[str, Any], format: str) -> str:
    from ..analysis.explain.render import plain_tex

    lines = [
        f"{preset['name']}: {preset['summary']}",
        f"Moved by {preset['rule']}",
        preset["why"],
        f"Reference: {preset['reference']}",
    ]
    if format == "markdown":
        return "\n\n".join([f"# {lines[0]}", *lines[1:], ""])
    if format == "latex":
        return "\n\n".join([rf"\section*{{{plain_tex(lines[0])}}}", *map(plain_tex, lines[1:]), ""])
    return "\n".join([*lines, ""])
