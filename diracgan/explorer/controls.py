"""The page's controls: sliders from the parameters' own ranges, and a plane in which the start is dragged."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .scene import Scene

if TYPE_CHECKING:
    from ..parameters import Parameter

# Penalties that every variant's panel offers; the others are given in the page's address.
OFFERED = ("l2", "r1", "noise")
_WIDEST = 2.0  # a slider of a parameter without an upper bound ends here, or at four times its default


FILES = "DIRACGAN_EXPLORER_FILES"  # how the page's process learns which files the command line named


def load_files() -> None:
    """Register the variants of the files that the command line named; the page itself opens none."""
    from ..variants.registry import load_file

    for path in filter(None, os.environ.get(FILES, "").split(os.pathsep)):
        load_file(path)


def choices() -> list[str]:
    """The variants that can be chosen: built in, or loaded on the command line.

    Example:
        >>> "wgan-gp" in choices()
        True
    """
    from ..variants import variants

    return list(variants())


def names(shown: Scene) -> list[str]:
    """The names of a scene's variants, each once.

    Example:
        >>> names(Scene(variants=("ns:r1=1", "ns", "gan-qp")))
        ['ns', 'gan-qp']
    """
    return list(dict.fromkeys(spec.partition(":")[0] for spec in shown.variants))


def of_variant(mo: Any, name: str, shown: Scene) -> Any:
    """A panel of sliders for a variant's parameters and the usual penalties."""
    from ..parameters import parameters
    from ..variants import modifiers, variant
    from .scene import variant_of

    made = variant(name)
    now = next((variant_of(s).hyperparameters for s in shown.variants if s.partition(":")[0] == name), {})
    own = dict(parameters(type(made)))
    extra = {k: p for k, p in modifiers().items() if k in OFFERED}
    return mo.ui.dictionary({k: control(mo, p, now.get(k)) for k, p in {**own, **extra}.items()}, label=name)


def of_rule(mo: Any, name: str, shown: Scene) -> Any:
    """A panel of sliders for a rule's parameters; empty for the flow."""
    from ..dynamics import rule
    from ..parameters import parameters
    from .scene import rule_of

    if not name:
        return mo.ui.dictionary({})
    made = rule(name)
    same = shown.rule.partition(":")[0] == name
    now = rule_of(shown.rule).hyperparameters if same else made.hyperparameters  # type: ignore[union-attr]
    known = {k: p for k, p in parameters(type(made)).items() if p.default is not None and p.kind != "object"}
    return mo.ui.dictionary({k: control(mo, p, now.get(k)) for k, p in known.items()}, label=name)


def control(mo: Any, p: Parameter, now: Any) -> Any:
    """The control of one parameter: a switch, a list, or a slider with a field to type into."""
    value = p.default if now is None else now
    if p.choices:
        return mo.ui.dropdown([str(c) for c in p.choices], value=str(value), label=p.name)
    if p.kind == "flag":
        return mo.ui.switch(bool(value), label=p.name)
    low, high, step = span(p, 0.0 if value is None else float(value))
    start = min(max(0.0 if value is None else float(value), low), high)
    return mo.ui.slider(low, high, step, value=start, include_input=True, label=p.name)


def span(p: Parameter, value: float) -> tuple[float, float, float]:
    """Where a slider begins, ends, and its step.

    Example:
        >>> from diracgan.parameters import Parameter
        >>> from diracgan.variants import modifiers
        >>> span(modifiers()["r1"], 0.0)
        (0.0, 2.0, 0.01)
    """
    whole = p.kind == "integer"
    high = float(p.high) if p.high is not None else max(_WIDEST, 4.0 * abs(value))
    low = float(p.low) if p.low is not None else -high
    if whole:
        return low, max(high, low + 9.0), 1.0
    step = (high - low) / 200
    if getattr(p, "open_low", False):
        low += step
    if getattr(p, "open_high", False):
        high -= step
    return low, high, step


def spec(name: str, values: Mapping[str, Any]) -> str:
    """NAME[:k=v,...] with what differs from the defaults.

    Example:
        >>> spec("ns", {"l2": 0.0, "r1": 0.3}), spec("alternating", {"lr": 0.1, "n_critic": 5})
        ('ns:r1=0.3', 'alternating:n_critic=5')
    """
    from ..dynamics import rule, rules
    from ..parameters import parameters
    from ..variants import variant, variants

    usual: dict[str, Any] = dict.fromkeys(OFFERED, 0.0) if name in variants() else {}
    thing = variant(name) if name in variants() else rule(name) if name in rules() else None
    usual |= {k: p.default for k, p in parameters(type(thing)).items()}
    parts = [
        f"{k}={_text(x)}"
        for k, x in values.items()
        if x is not None and str(x) != str(usual.get(k)) and not _same(x, usual.get(k))
    ]
    return f"{name}:{','.join(parts)}" if parts else name


def _same(a: Any, b: Any) -> bool:
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float))
    return numbers and abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-9)


def _text(x: Any) -> str:
    return f"{x:.10g}" if isinstance(x, (int, float)) and not isinstance(x, bool) else str(x)


def png(fig: Any, dpi: int = 90) -> bytes:
    """The figure as a PNG file's bytes."""
    out = io.BytesIO()
    fig.savefig(out, format="png", dpi=dpi)
    return out.getvalue()


def start(value: Any) -> dict[str, str]:
    """What the plane says, as parameters of the page's address.

    Example:
        >>> start({"dim": 1, "points": [[0.5, 0.25]]}), start({"dim": 2, "points": [[1, 2], [3, 4]]})
        ({'phi0': '0.5', 'theta0': '0.25'}, {'phi0': '1,2', 'theta0': '3,4'})
    """
    points = value["points"]
    if int(value["dim"]) == 1:
        return {"phi0": f"{points[0][0]:.4g}", "theta0": f"{points[0][1]:.4g}"}
    return {n: ",".join(f"{x:.4g}" for x in z) for n, z in zip(("phi0", "theta0"), points, strict=True)}


def pad(dim: int, shown: Scene) -> Any:
    """A plane in which the start is dragged, or moved with the arrow keys: (φ, θ) for d = 1, φ and θ for d = 2."""
    import anywidget  # pyright: ignore[reportMissingImports]
    import traitlets  # pyright: ignore[reportMissingImports]

    here = shown if shown.dim == dim else Scene(phi0=(0.5,), theta0=(0.5,)) if dim == 1 else Scene()
    at = [[here.phi0[0], here.theta0[0]]] if dim == 1 else [list(here.phi0), list(here.theta0)]
    reach = max(1.0, 1.5 * max(abs(x) for point in at for x in point))

    class Pad(anywidget.AnyWidget):
        _esm = _SCRIPT
        dim = traitlets.Int(1).tag(sync=True)
        reach = traitlets.Float(1.0).tag(sync=True)
        points = traitlets.List([]).tag(sync=True)

    return Pad(dim=dim, reach=reach, points=at)


_SCRIPT = """
function render({ model, el }) {
  const size = 200, ns = "http://www.w3.org/2000/svg", reach = model.get("reach");
  const names = model.get("dim") === 1 ? ["start"] : ["φ", "θ"];
  const colours = ["#0072B2", "#D55E00"];
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("width", size);
  svg.style.cssText = "border:1px solid #999;touch-action:none;max-width:100%";
  const line = (x1, y1, x2, y2) => {
    const l = document.createElementNS(ns, "line");
    for (const [k, v] of Object.entries({ x1, y1, x2, y2, stroke: "#bbb" })) l.setAttribute(k, v);
    svg.append(l);
  };
  line(0, size / 2, size, size / 2);
  line(size / 2, 0, size / 2, size);
  const out = (v) => [(v[0] / reach + 1) * size / 2, (1 - v[1] / reach) * size / 2];
  const set = (k, v) => {
    const kept = v.map((x) => Math.round(1000 * Math.max(-reach, Math.min(reach, x))) / 1000);
    const points = model.get("points").map((p, i) => (i === k ? kept : p));
    model.set("points", points);
    model.save_changes();
    place();
  };
  const marks = names.map((name, k) => {
    const g = document.createElementNS(ns, "g");
    g.setAttribute("tabindex", "0");
    g.setAttribute("role", "slider");
    g.setAttribute("aria-label", `start of ${name}; arrow keys move it`);
    g.style.cursor = "grab";
    const c = document.createElementNS(ns, "circle");
    c.setAttribute("r", 8);
    c.setAttribute("fill", colours[k]);
    const t = document.createElementNS(ns, "text");
    t.textContent = name;
    t.setAttribute("x", 11);
    t.setAttribute("y", 4);
    t.setAttribute("font-size", 12);
    t.setAttribute("fill", "currentColor");
    g.append(c, t);
    svg.append(g);
    g.addEventListener("pointerdown", (e) => { g.setPointerCapture(e.pointerId); g.dataset.held = "1"; });
    g.addEventListener("pointerup", () => { delete g.dataset.held; });
    g.addEventListener("pointermove", (e) => {
      if (!g.dataset.held) return;
      const b = svg.getBoundingClientRect();
      set(k, [(2 * (e.clientX - b.left) / b.width - 1) * reach, (1 - 2 * (e.clientY - b.top) / b.height) * reach]);
    });
    g.addEventListener("keydown", (e) => {
      const d = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
      if (!d) return;
      e.preventDefault();
      const p = model.get("points")[k];
      set(k, [p[0] + d[0] * reach / 50, p[1] + d[1] * reach / 50]);
    });
    return g;
  });
  const place = () => marks.forEach((g, k) => {
    const [x, y] = out(model.get("points")[k]);
    g.setAttribute("transform", `translate(${x},${y})`);
    g.setAttribute("aria-valuetext", model.get("points")[k].join(", "));
  });
  model.on("change:points", place);
  place();
  el.append(svg);
}
export default { render };
"""
