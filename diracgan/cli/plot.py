"""``diracgan plot``: the picture of one trajectory and its eigenvalues."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .options import (
    TEXT_OR_JSON,
    FlowOptions,
    Format,
    NoiseOptions,
    RateOptions,
    RuleOptions,
    StartOptions,
    StepOptions,
    VariantOptions,
    choice,
    motion,
    output,
    takes,
)

if TYPE_CHECKING:
    from ..rules import Rule
    from ..variants import Variant

_VIEWS = {"page": 2, "critic": 1, "space": 3}  # with the dimension that each draws by default


@takes(VariantOptions, StartOptions, FlowOptions, StepOptions, RateOptions, RuleOptions, NoiseOptions)
def command(
    variant: VariantOptions,
    start: StartOptions,
    flow: FlowOptions,
    steps: StepOptions,
    rates: RateOptions,
    rule: RuleOptions,
    noise: NoiseOptions,
    out: Annotated[
        str | None, output(".png, .pdf, .svg, or moving .gif, .mp4; named after the variant by default.")
    ] = None,
    view: Annotated[
        str,
        typer.Option(
            "--view",
            metavar="page|critic|space",
            rich_help_panel="Result",
            show_default=False,
            help="The page; the critic's line and its fake sample (d = 1); the path in space (d = 3).",
        ),
    ] = "page",
    show: Annotated[
        bool, typer.Option("--show", help="Open a window as well.", rich_help_panel="Result")
    ] = False,
    format: Format = "text",
) -> None:
    """Draw where the players go, how far from the equilibrium, and what the eigenvalues say.

    d = 1: phase portrait with the field. d >= 2: the generator's path (d >= 3: in the plane of the start).

    Example: diracgan plot --variant wgan-gp --c 0
    """
    choice("format", format, TEXT_OR_JSON)
    choice("view", view, tuple(_VIEWS))
    if out is not None:
        from ..plotting.saving import check

        check(out)
    made = variant.build()
    arguments = {**start.given(), **motion(flow, steps, rates, rule, noise)}
    if not {"rule", "sde", "solver", "backend"} & arguments.keys():
        arguments["backend"] = "scipy"  # one path needs no compiled solver, and a second less
    dim = start.dimension(default=_VIEWS[view])
    if view != "page":
        if dim != _VIEWS[view]:
            raise InputError(
                f"--view {view} draws d = {_VIEWS[view]} and this is d = {dim}; allowed: --view page"
            )
        if not start.given():
            arguments["dim"] = dim
    target = out or default_name(made, dim, arguments.get("rule"))

    from ..analysis import spectrum
    from ..dynamics import run
    from ..gallery.basins_overlay import flat_field
    from ..plotting.saving import ANIMATIONS, check, save
    from ..reporting import dumps

    path = check(target)
    traj = run(made, **arguments)
    given = start.given()
    found = spectrum(
        made, dim=traj["phi"].shape[1], x0=given.get("x0"), rule=arguments.get("rule"), **rates.arguments()
    )
    field = flat_field(made, given.get("x0"), rates.rate_d, rates.rate_g) if found.dim == 1 else None
    save(_picture(view, path.suffix.lower() in ANIMATIONS, traj, found, field), path)
    if format == "json":
        about = {n: traj.attrs[n] for n in ("variant", "result", "result_time", "result_text")}
        print(dumps("diracgan.plot/1", about | {"status": found.status, "text": found.text, "out": path}))
    else:
        print(f"{found.variant}, d = {found.dim}: {found.text}")
        print(f"{traj.attrs['result']}: {traj.attrs['result_text']}")
        print(path)
    if show:
        from ..plotting.overview import figure
        from ..plotting.saving import show as open_window

        open_window(figure(traj, found, field))


def _picture(view: str, moving: bool, traj: Any, found: Any, field: Any) -> Any:
    """What is drawn of a trajectory, still or moving."""
    if view == "critic":
        from ..plotting import animate_critic, critic_figure

        return (animate_critic if moving else critic_figure)(traj)
    if view == "space":
        from ..plotting import space_figure

        if moving:
            raise InputError("--view space stands still; allowed: .png, .pdf, .svg")
        return space_figure(traj)
    from ..plotting import animate, figure

    return (animate if moving else figure)(traj, found, field)


def default_name(variant: Variant, dim: int, rule: Rule | None) -> str:
    """Name a picture after what it shows: ``wgan-gp-c0.png``, ``ns-r1=0.3.png``.

    Only what differs from the defaults is named.
    """
    from ..parameters import parameters, text

    def changed(thing: Any) -> list[str]:
        usual = {n: p.default for n, p in parameters(type(thing)).items()}
        return [
            f"{n.replace('_', '-')}{'=' if n[-1].isdigit() else ''}{text(x)}"
            for n, x in thing.hyperparameters.items()
            if x != usual.get(n)
        ]

    parts = [variant.name or type(variant).__name__, *changed(variant)]
    parts += [f"d{dim}"] if dim != 2 else []
    parts += [rule.name, *changed(rule)] if rule is not None else []
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", "-".join(parts))[:150] + ".png"
