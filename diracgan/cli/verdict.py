"""``diracgan verdict``: what truly happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from .layer import CommandResult, option, output, picture
from .options import GameOptions


def command(
    game: GameOptions,
    effort: Annotated[
        float, option("--effort", "Factor on a verdict's budget of field evaluations; 1 by default.")
    ] = 1.0,
    out: Annotated[
        str | None, output("Draw the radius over time with the law found: .png, .pdf or .svg.", picture)
    ] = None,
) -> CommandResult:
    """Say what truly happens from a start, also where eigenvalues say nothing.

    Computed from the field or the map: converges (how fast, where to), orbits, circles, cycles, diverges, gets stuck,
    or undecided with its reason.

    Example: diracgan verdict --variant ns --phi0 1 --theta0 1
    """
    (made, rule), where = game.build(), game.from_start()

    from ..analysis import verdict

    found = verdict(made, rule=rule, effort=effort, **where)
    if out is not None:
        _draw(made, rule, found, where, out)
    return CommandResult(found.as_dict(), _said(found))


def _draw(variant: Any, rule: Any, found: Any, where: dict[str, Any], out: str) -> None:
    """The radius until the verdict is plain to see, with its law."""
    import numpy as np

    from ..dynamics import run
    from ..plotting import law_figure, save

    n = found.numbers
    usual = 1e4 if found.kind == "converges-sublinearly" else 400.0
    last = max(20.0 / n["rate"] if n.get("rate", 0) > 0 else usual, 20.0)
    ends = (0.999 * n[k] for k in ("blow_up_time", "capture_time") if n.get(k, 0) > 0)
    last = min(last, 1e5, *ends)
    if rule is not None:
        steps = int(min(max(last, 200), 20000))
        traj = run(variant, rule=rule, steps=steps, every=max(1, steps // 4000), **where)
    else:
        ts = np.union1d(np.linspace(0, last, 2001), np.geomspace(1e-3, last, 1001))
        traj = run(variant, ts=ts, t1=float(ts[-1]), backend="scipy", **where)
    save(law_figure(traj, found), out)


def _said(found: Any) -> Iterator[str]:
    phi0, theta0 = (", ".join(f"{x:.6g}" for x in start) for start in (found.phi0, found.theta0))
    yield f"{found.variant}, {found.rule or 'flow'}, from ({phi0}), ({theta0})"
    yield f"verdict: {found.kind}"
    yield from (f"  {name}: {_shown(value)}" for name, value in found.numbers.items())
    yield from (f"  - {line}" for line in found.evidence)
    yield found.text


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(x)}" for k, x in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(x) for x in value)
    if isinstance(value, complex):
        return f"{value.real:.10g} {'-' if value.imag < 0 else '+'} {abs(value.imag):.10g}i"
    return f"{value:.10g}"
