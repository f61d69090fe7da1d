"""An explanation as text, LaTeX or markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...parameters import text
from .simplify import words_of

if TYPE_CHECKING:
    from .explanation import Explanation

FORMATS = ("text", "latex", "markdown", "json")


def render(e: Explanation, format: str) -> str:
    """An explanation as text, LaTeX (the body of a document) or markdown.

    Example:
        >>> import diracgan as dg
        >>> print(render(dg.explain(dg.variant("wgan-linear")), "text").splitlines()[0])
        wgan-linear: WGAN with an unconstrained linear critic: a pure rotation
    """
    return {"text": _text, "latex": _latex, "markdown": _markdown}[format](e)


def _sections(e: Explanation) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Titles with their equations: left side, and the right one as an expression."""
    eigen = [
        (f"mu_{i + 1}" + (f" ({n} times)" if n > 1 else ""), v) for i, (v, n) in enumerate(e.eigenvalues)
    ]
    sections = [
        ("Losses, of one real and one fake sample", list(e.losses.items())),
        ("Losses on the Dirac GAN, with penalties", list(e.dirac_losses.items())),
        (f"Field, d = {e.dim}", list(e.field.items())),
    ]
    if e.jacobian is not None:
        sections.append(("Jacobian at (0, 0)", [("J", e.jacobian)]))
    if eigen:
        sections.append(("Eigenvalues", eigen))
    return sections


def _meanings(e: Explanation) -> list[str]:
    found = [f"{n} = {text(x)}" for n, x in e.values.items()] + [f"{n} = {x}" for n, x in e.where.items()]
    shown = str([*e.dirac_losses.values(), *e.field.values()])
    if "sigma(" in shown:
        found.append("sigma(x) = 1/(1 + exp(-x))")
    if "softplus(" in shown:
        found.append("softplus(x) = log(1 + exp(x))")
    return found


def _text(e: Explanation) -> str:
    lines = [f"{e.variant}: {e.summary}"]
    for title, equations in _sections(e):
        lines += ["", title]
        for left, right in equations:
            if hasattr(right, "tolist"):
                rows = [[words_of(x) for x in row] for row in right.tolist()]
                width = max(len(x) for row in rows for x in row)
                lines += ["  [" + "  ".join(x.rjust(width) for x in row) + "]" for row in rows]
            else:
                lines.append(f"  {left} = {words_of(right)}")
    if meanings := _meanings(e):
        lines += ["", "with " + "; ".join(meanings)]
    lines += ["", "What happens", *(f"  - {note}" for note in e.notes)]
    return "\n".join([*lines, "", f"Reference: {e.reference or 'none given'}"])


def _tex(value: Any) -> str:
    import sympy as sp

    known = {"|phi|": r"\lVert\phi\rVert", "|theta|": r"\lVert\theta\rVert", "lam": r"\lambda"}
    names = {s: known[s.name] for s in getattr(value, "free_symbols", ()) if s.name in known}
    names |= {s: rf"\mathrm{{{s.name}}}".replace("_", r"\_") for s in value.free_symbols if _is_word(s.name)}
    return sp.latex(value, symbol_names=names)


def _is_word(name: str) -> bool:
    head = name.split("_")[0]
    return len(head) > 1 and head not in ("phi", "theta", "lam", "gamma", "beta", "sigma") and "|" not in name


def _tex_left(name: str) -> str:
    head, _, times = name.partition(" (")
    prime, head = "'" * head.endswith("'"), head.rstrip("'")
    base, _, index = head.partition("_")
    base = rf"\{base}" if base in ("phi", "theta", "mu") else base
    shown = base + (rf"_{{{index}}}" if index else "") + prime
    return shown + (rf"\;({times[:-1].replace('times', chr(92) + 'text{ times}')})" if times else "")


def _markdown(e: Explanation) -> str:
    lines = [f"## {e.variant}", "", e.summary + "."]
    for title, equations in _sections(e):
        lines += ["", f"### {title}", ""]
        lines += [f"$$ {_tex_left(left)} = {_tex(right)} $$" for left, right in equations]
    if meanings := _meanings(e):
        lines += ["", "with " + "; ".join(f"`{m}`" for m in meanings) + "."]
    lines += ["", "### What happens", "", *(f"- {note}" for note in e.notes)]
    return "\n".join([*lines, "", f"Reference: {e.reference or 'none given'}"])


def _latex(e: Explanation) -> str:
    lines = [rf"\section*{{{plain_tex(e.variant)}}}", plain_tex(e.summary) + "."]
    for title, equations in _sections(e):
        lines += [rf"\subsection*{{{plain_tex(title)}}}", r"\begin{align*}"]
        lines.append(" \\\\\n".join(f"  {_tex_left(left)} &= {_tex(right)}" for left, right in equations))
        lines.append(r"\end{align*}")
    if meanings := _meanings(e):
        lines.append("with " + plain_tex("; ".join(meanings)) + ".")
    lines += [r"\subsection*{What happens}", r"\begin{itemize}"]
    lines += [rf"  \item {plain_tex(note)}" for note in e.notes]
    return "\n".join([*lines, r"\end{itemize}", f"Reference: {plain_tex(e.reference or 'none given')}"])


def plain_tex(words: str) -> str:
    """Words with what LaTeX reserves written out."""
    table = {
        "\\": r"\textbackslash{}",
        "_": r"\_",
        "^": r"\^{}",
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "$": r"\$",
    }
    table |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "{": r"\{", "}": r"\}"}
    return "".join(table.get(c, c) for c in words)
