"""``diracgan plot``: the picture of one trajectory and its eigenvalues."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ..errors import InputError
from ..plotting.views import VIEWS, Drawn, PictureView, view as view_of
from .layer import CommandResult, SizeOption, drawing, option, output, printed
from .options import MotionOptions, VariantOptions

if TYPE_CHECKING:
    from ..analysis import Spectrum, Verdict
    from ..rules import Rule
    from ..variants import Variant

_SWING = 3.0  # factor by which a linear motion may exceed its envelope: an ellipse, a transient
_ARRIVED = 1e-6  # of the start: further in nothing but rounding decides


@dataclass(frozen=True)
class PictureOptions:
    """What is drawn, and where it goes."""

    out: Annotated[
        str | None,
        output(
            "The picture: .png, .pdf, .svg, or moving .gif, .mp4; named after the variant by default.",
            drawing,
            draws=True,
        ),
    ] = None
    view: Annotated[
        str,
        option(
            "The usual page, by default; the discriminator's (critic's) line with the fake sample (d = 1); the path in "
            "space (d = 3).",
            choices=VIEWS,
        ),
    ] = "page"
    verdict: Annotated[
        bool | None,
        option(
            "Title the picture with the verdict (seconds more); by default unless eigenvalues predict the run.",
            called="--verdict/--no-verdict",
        ),
    ] = None
    size: SizeOption = None
    show: Annotated[bool, option("Open a window as well.")] = False


def command(variant: VariantOptions, motion: MotionOptions, picture: PictureOptions) -> CommandResult:
    """Draw where the players go, how far from the equilibrium, and what the eigenvalues say.

    d = 1: phase portrait with the field. d >= 2: the generator's path (d >= 3: in the plane of the start).

    Example: diracgan plot --variant wgan-gp --c 0
    """
    from ..plotting import cache

    view, judged = view_of(picture.view), picture.verdict
    kept = None if judged else cache.file_of([picture.view, asdict(variant), asdict(motion)])
    game = cache.read(kept) or _game(variant, motion, picture.view)

    from ..plotting.saving import check, is_moving, save, show

    path = check(picture.out or game.name)
    size, moving = printed(picture.size, str(path)), is_moving(path)
    if moving and judged:
        raise InputError("--verdict titles a picture that stands still; allowed: .png, .pdf, .svg")
    if isinstance(game, _Game):
        drawn = _computed(game, False if moving else judged, kept)
    else:
        drawn = Drawn(game.trajectory, game.spectrum)
    drawn = drawn._replace(size=size)
    save((view.moving if moving else view.still)(drawn), path, size=size)
    if picture.show:
        show(view.still(drawn))
    return _said(drawn, path)


def _said(drawn: Drawn, path: Path) -> CommandResult:
    """What the picture shows, and where it is."""
    found, attrs, told = drawn.spectrum, drawn.trajectory["attrs"], drawn.verdict
    lines = [
        f"{found.variant}, d = {found.dim}: {found.text}",
        *([] if told is None else [told.text]),
        f"{attrs['result']}: {attrs['result_text']}",
        str(path),
    ]
    about = {n: attrs[n] for n in ("variant", "result", "result_time", "result_text")}
    about |= {"status": found.status, "text": found.text, "verdict": None if told is None else told.kind}
    return CommandResult(about | {"out": path}, lines)


class _Game(NamedTuple):
    """What is simulated, and the name of its picture."""

    variant: Variant
    arguments: dict[str, Any]
    name: str


def _game(variant: VariantOptions, motion: MotionOptions, view: str) -> _Game:
    """What the options ask for; InputError says what is wrong."""
    made, arguments, dim = variant.build(), motion.drawn(), _dimension(view, view_of(view), motion)
    if not motion.start.given():
        arguments["dim"] = dim
    return _Game(made, arguments, default_name(made, dim, arguments.get("rule")))


def _computed(game: _Game, judged: bool | None, kept: Path | None) -> Drawn:
    """The motion, its eigenvalues, for d = 1 its field, and the verdict where it is asked for or needed.

    The first two are kept where the eigenvalues foretell the motion.
    """
    from ..analysis import spectrum
    from ..gallery.basins_overlay import flat_field
    from ..gallery.pictures import smooth_run
    from ..plotting import cache

    made, arguments = game.variant, game.arguments
    rule, x0 = arguments.get("rule"), arguments.get("x0")
    rates = {n: arguments[n] for n in ("rate_d", "rate_g") if n in arguments}
    traj = smooth_run(made, **arguments)
    found = spectrum(made, dim=traj["phi"].shape[1], x0=x0, rule=rule, **rates)
    path = {**traj.data, "attrs": dict(traj.attrs)}
    if found.dim == 1:
        field, kept = flat_field(made, x0, **rates), None
    else:
        field = None
    foretold = _foretold(found, path)
    if foretold and cache.ours(made, rule):
        cache.keep(kept, cache.Motion(path, found, game.name))
    judged = not foretold if judged is None else judged
    return Drawn(path, found, field, _verdict(made, arguments) if judged else None)


def _foretold(found: Spectrum, path: dict[str, Any]) -> bool:
    """Whether the eigenvalues say where the run goes: they are stable, and it has come in as fast as they promise."""
    import numpy as np

    from ..analysis.linear.status import Status
    from ..plotting.series import read

    run = read(path)
    if found.status != Status.STABLE or found.margin is None or run.failure():
        return False
    before, after = np.linalg.norm(np.hstack([run.phi, run.theta - run.x0])[[0, -1]], axis=1)
    left = (1.0 - found.margin) ** run.clock[-1] if run.discrete else np.exp(-found.margin * run.clock[-1])
    return bool(after <= _SWING * max(left, _ARRIVED) * before)


def _verdict(variant: Variant, arguments: dict[str, Any]) -> Verdict:
    """What happens from the picture's start."""
    from ..analysis import verdict
    from ..gallery.pictures import JUDGED

    return verdict(variant, edge=False, **{k: x for k, x in arguments.items() if k in JUDGED})


def _dimension(name: str, chosen: PictureView, motion: MotionOptions) -> int:
    """The dimension that is asked for, or the view's own."""
    dim = motion.start.dimension(default=chosen.DIMENSION or 2)
    if chosen.DIMENSION not in (None, dim):
        raise InputError(
            f"--view {name} draws d = {chosen.DIMENSION} and this is d = {dim}; allowed: --view page"
        )
    return dim


def default_name(variant: Variant, dim: int, rule: Rule | None) -> str:
    """Name a picture after what it shows: ``wgan-gp-c0.png``, ``ns-r1=0.3.png``.

    Only what differs from the defaults is named.
    """
    from ..parameters import parameters, text

    def changed(thing: Variant | Rule) -> list[str]:
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
