"""``diracgan explain``: a variant in formulas and words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import InputError, integer
from .layer import CommandResult, option
from .options import DatumOption, NamedVariantOptions, RuleOptions, vector

if TYPE_CHECKING:
    from ..analysis.explain.explanation import Explanation


def command(
    variant: NamedVariantOptions,
    rule: RuleOptions,
    dim: Annotated[
        int | None,
        option("Dimension of the formulas, 1 or 2; 1, or that of --x0, by default.", metavar="D", short="-d"),
    ] = None,
    x0: DatumOption = None,
    format: Annotated[
        str, option("How it is written; text by default.", choices=("text", "latex", "markdown", "json"))
    ] = "text",
) -> CommandResult:
    """Print the losses, the field, its Jacobian and eigenvalues as formulas, and what is known to happen.

    They are derived from the definition, for a loss of your own as for a built-in one. With --rule also what its steps
    do, for Adam by its averaged flow.

    Example: diracgan explain ns --dim 2

    Example: diracgan explain ns --x0 0.5
    """
    made = variant.build_named("diracgan explain ns")
    if dim is not None and integer("dim", dim, low=1) > 2:
        raise InputError(f"--dim = {dim} has no formulas; allowed: 1, 2 (which decides every d >= 2)")

    from ..analysis.explain.explanation import explain

    preset, found = (
        _preset(variant.spec),
        explain(made, dim, rule.build(), vector("x0", x0)),
    )
    return CommandResult({**found.as_dict(), "preset": preset}, _said(found, preset, format))


def _preset(spec: str | None) -> dict[str, Any] | None:
    from ..variants import VARIANTS, presets

    source, name, _ = VARIANTS.parts(spec or "")
    if source or name not in presets():
        return None
    from ..rules.registry import preset
    from ..variants.presets import PRESETS

    found, (made, rule) = PRESETS[name], preset(name)
    return {
        "name": name,
        "summary": found.summary,
        "variant": made.label,
        "rule": rule.label,
        "why": found.why,
        "reference": found.reference,
    }


def _said(found: Explanation, preset: dict[str, Any] | None, format: str) -> Iterator[str]:
    from ..analysis.explain.render import plain_tex

    if preset is not None:
        title, *lines = [
            f"{preset['name']}: {preset['summary']}",
            f"Moved by {preset['rule']}",
            preset["why"],
            f"Reference: {preset['reference']}",
        ]
        if format == "markdown":
            yield "\n\n".join([f"# {title}", *lines, ""])
        elif format == "latex":
            yield "\n\n".join([rf"\section*{{{plain_tex(title)}}}", *map(plain_tex, lines), ""])
        else:
            yield "\n".join([title, *lines, ""])
    yield found.render(format)
