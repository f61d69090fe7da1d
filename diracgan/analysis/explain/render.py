"""Titles, equations and sentences as text, LaTeX or markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from .simplify import as_text


@dataclasses.dataclass(frozen=True)
class Document:
    """What is shown, before a format is chosen.

    Attributes:
        title: its title.
        summary: one line.
        sections: titles with their equations: left side, and the right one as an expression or a matrix.
        meanings: what the symbols stand for, as ``name = meaning``.
        notes: sentences.
        reference: the source; "" for none.
    """

    title: str
    summary: str
    sections: Sequence[tuple[str, Sequence[tuple[str, Any]]]]
    meanings: Sequence[str]
    notes: Sequence[str]
    reference: str


def render(document: Document, format: str) -> str:
    """The document as ``"text"``, ``"latex"`` (the body of a document) or ``"markdown"``.

    Example:
        >>> import sympy as sp
        >>> losses = [("Losses", [("L", sp.Symbol("x") ** 2)])]
        >>> print(render(Document("mine", "a square", losses, [], ["It rests."], ""), "text").splitlines()[3])
          L = x**2
    """
    lines = {"text": _text, "latex": _latex, "markdown": _markdown}[format](document)
    return "\n".join(lines)


def _text(e: Document) -> list[str]:
    lines = [f"{e.title}: {e.summary}"]
    for title, equations in e.sections:
        lines += ["", title]
        for left, right in equations:
            if hasattr(right, "tolist"):
                rows = [[as_text(x) for x in row] for row in right.tolist()]
                width = max(len(x) for row in rows for x in row)
                lines += ["  [" + "  ".join(x.rjust(width) for x in row) + "]" for row in rows]
            else:
                lines.append(f"  {left} = {as_text(right)}")
    if e.meanings:
        lines += ["", "with " + "; ".join(e.meanings)]
    lines += ["", "What happens", *(f"  - {note}" for note in e.notes)]
    return [*lines, "", f"Reference: {e.reference or 'none given'}"]


def _markdown(e: Document) -> list[str]:
    lines = [f"## {e.title}", "", e.summary + "."]
    for title, equations in e.sections:
        lines += ["", f"### {title}", ""]
        lines += [f"$$ {_tex_left(left)} = {_tex(right)} $$" for left, right in equations]
    if e.meanings:
        lines += ["", "with " + "; ".join(f"`{m}`" for m in e.meanings) + "."]
    lines += ["", "### What happens", "", *(f"- {note}" for note in e.notes)]
    return [*lines, "", f"Reference: {e.reference or 'none given'}"]


def _latex(e: Document) -> list[str]:
    lines = [rf"\section*{{{plain_tex(e.title)}}}", plain_tex(e.summary) + "."]
    for title, equations in e.sections:
        lines += [rf"\subsection*{{{plain_tex(title)}}}", r"\begin{align*}"]
        lines.append(" \\\\\n".join(f"  {_tex_left(left)} &= {_tex(right)}" for left, right in equations))
        lines.append(r"\end{align*}")
    if e.meanings:
        lines.append("with " + plain_tex("; ".join(e.meanings)) + ".")
    lines += [r"\subsection*{What happens}", r"\begin{itemize}"]
    lines += [rf"  \item {plain_tex(note)}" for note in e.notes]
    return [*lines, r"\end{itemize}", f"Reference: {plain_tex(e.reference or 'none given')}"]


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
    count = times[:-1].replace("times", r"\text{ times}")
    return shown + (rf"\;({count})" if times else "")


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
