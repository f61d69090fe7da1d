"""Pages that are written from what they describe: the API, the commands, the gallery, benchmarks, changes.

Formulas become MathML while the site is built, so that no page needs a script or a font for them.
``python docs/hooks.py`` writes ``reference/formulas.md`` and the table of ``concepts/verdicts.md`` anew.
"""

from __future__ import annotations

import functools
import html
import inspect
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

# The order of the API's page; a public name that is in no group stands under the last one.
GROUPS = {
    "What is minimised": ("Variant", "variant", "variants", "register", "preset", "presets"),
    "The pure core": ("field", "step", "flow"),
    "How the players move": ("Rule", "rule", "rules", "register_rule", "simulate", "Trajectory", "save", "load"),
    "What it means": ("spectrum", "verdict", "critical", "bifurcation", "attractors", "lyapunov", "tune", "ema",
                      "averaged", "explain", "report", "stationary_covariance", "diagnose", "Monitor", "analysis"),
    "Many at once": ("ensemble", "spectra", "sweep"),
    "Real games": ("train", "Problem", "register_problem", "measure", "training", "compare", "prescribe",
                   "forecast"),
    "Else": (),
}  # fmt: skip


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, and the pictures that they show."""
    from mkdocs.structure.files import File

    pages = {
        "reference/python.md": api_page(),
        "reference/pictures.md": pictures_page(),
        "reference/commands.md": commands_page(),
        "gallery.md": (ROOT / "figures" / "README.md")
        .read_text(encoding="utf-8")
        .replace("](", "](figures/"),
        "benchmarks.md": _without_links((ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")),
        "changes.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, "page.html", content=running_page()))
    for folder in ("figures", "benchmarks"):
        for picture in sorted((ROOT / folder).glob("*.png")):
            files.append(File.generated(config, f"{folder}/{picture.name}", abs_src_path=str(picture)))
    return files


@functools.cache
def running_page() -> str:
    """Return the page in which the game runs, with every variant: what ``diracgan page`` writes."""
    import diracgan as dg
    from diracgan.web.bundle import page

    return page([dg.variant(name) for name in dg.variants()])


def _without_links(text: str) -> str:
    """Links to files of the repository, which the site does not hold, as plain names."""
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", text)


# ---------------- formulas

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[([](.*?)\\[)\]]</\1>', re.DOTALL)
# What the converter leaves to a font's finer tables: bars in pairs, primes that stand high already, signs and slashes.
_BEFORE = (
    (r"\\lvert\b", r"\\left\\vert "),
    (r"\\rvert\b", r"\\right\\vert "),
    (r"(?<!\\)\\(log|ln)\b", r"\\\1\\,"),
)
_AFTER = (
    (
        r"<msup>(<mi>[^<]*</mi>|<mover>(?:(?!</mover>).)*</mover>)<mi>&#x02032;</mi></msup>",
        r"\1<mo lspace='0' rspace='0'>&#x02032;</mo>",
    ),
    (r"<mo>(?:/|&#x0002F;)</mo>", "<mo lspace='0' rspace='0'>/</mo>"),
    (
        r"(<mo[^>]*>(?:&#x0003D;|&#x0002C;|&#x00028;|&#x02192;)</mo>(?:<mspace[^>]*/>)?)<mo>&#x02212;</mo>",
        r"\1<mo form='prefix'>&#x02212;</mo>",
    ),
)


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """What stands between dollars as MathML."""
    return _FORMULA.sub(
        lambda found: _typeset(html.unescape(found[2]).strip(), inline=found[1] == "span"), content
    )


def _typeset(latex: str, *, inline: bool) -> str:
    from latex2mathml.converter import convert

    for old, new in _BEFORE:
        latex = re.sub(old, new, latex)
    made = convert(latex, display="inline" if inline else "block")
    for old, new in _AFTER:
        made = re.sub(old, new, made)
    return made if inline else f'<div class="formula">{made}</div>'


def formulas_page() -> str:
    """Return the page of every variant's formulas, as `diracgan explain` derives them; it takes a minute."""
    import diracgan as dg

    parts = [
        "# Formulas of every variant",
        "Derived from the definitions by `diracgan explain NAME`, which prints what follows from them too, takes "
        "`--dim 2`, penalties and your own loss, and writes LaTeX with `--format latex`. $D_r$ and $D_f$ are the "
        "logits of a real and of a fake sample. Here $d = 1$ and the datum is 0; "
        r"$\sigma(x) = 1/(1 + e^{-x})$, $\operatorname{softplus}(x) = \log(1 + e^x)$.",
    ]
    for name in dg.variants():
        text = dg.explain(dg.variant(name)).render("markdown").partition("\n### What happens")[0]
        lines = text.splitlines()[1:]
        parts += [f"## {name}", *filter(None, map(_formula_line, lines))]
    return "\n\n".join(parts) + "\n"


def _formula_line(line: str) -> str:
    """A line of an explanation without what the page says once at its top."""
    if line.startswith("with "):
        told = [m for m in re.findall(r"`[^`]*`", line) if not m.startswith(("`sigma(", "`softplus("))]
        return f"with {', '.join(told)}." if told else ""
    return f"**{line[4:]}**" if line.startswith("### ") else line


# ---------------- verdicts

_TABLE = re.compile(r"^\| kind \|.*\n(?:\|.*\n)*", re.MULTILINE)


def with_kinds(page: str) -> str:
    """Return a page with its table of verdicts as the code has them."""
    from diracgan.analysis.kinds import Kind

    rows = (f"| `{kind}` | {kind.meaning.replace('|', chr(92) + '|')} |" for kind in Kind)
    table = "\n".join(["| kind | what it means |", "|---|---|", *rows, ""])
    return _TABLE.sub(lambda _: table, page, count=1)


# ---------------- Python


def public_names() -> list[tuple[str, str]]:
    """Every public name of the package with its group."""
    import diracgan

    group = {name: title for title, names in GROUPS.items() for name in names}
    return [(n, group.get(n, "Else")) for n in diracgan.__all__ if n not in ("__version__", "plot")]


def api_page() -> str:
    """Return the page of every public name, from the docstrings; one without a docstring is an error."""
    import diracgan

    parts = [
        "# Python",
        "`import diracgan as dg`; every name below is `dg.NAME`, and loads when it is first used.",
    ]
    names = public_names()
    for title, order in GROUPS.items():
        members = [n for n in order if (n, title) in names] + [
            n for n, g in names if g == title and n not in order
        ]
        if not members:
            continue
        parts.append(f"## {title}")
        for name in members:
            parts += _entry(name, getattr(diracgan, name))
    return "\n\n".join(parts) + "\n"


def pictures_page() -> str:
    """Return the page of every drawing function."""
    from diracgan import plotting

    about = inspect.cleandoc(inspect.getdoc(plotting) or "")
    parts = ["# Pictures", f"```text\n{about}\n```", "Every name below is `dg.plot.NAME`."]
    for name in plotting.__all__:
        parts += _entry(f"plot.{name}", getattr(plotting, name))
    return "\n\n".join(parts) + "\n"


def _entry(name: str, thing: Any) -> list[str]:
    """A heading and the documentation of one name; of a package, that of the names it exports."""
    if not inspect.getdoc(thing):
        raise ValueError(f"{name} is public and has no docstring")
    if not inspect.ismodule(thing):
        return [_directive(name, f"{thing.__module__}.{thing.__qualname__}")]
    called = getattr(thing, name, None)
    if callable(thing) and callable(called):  # a package that answers as its own function
        return [_directive(name, f"{called.__module__}.{called.__qualname__}")]
    import diracgan

    parts = [f"### dg.{name}", inspect.cleandoc(inspect.getdoc(thing) or "")]
    shown = {id(getattr(diracgan, n)) for n in diracgan.__all__}
    for member in getattr(thing, "__all__", ()):
        inner = getattr(thing, member)
        if id(inner) in shown or inspect.ismodule(inner) or not inspect.getdoc(inner):
            continue
        if inspect.isclass(inner) or inspect.isfunction(inner):
            home = inner.__module__
            if home.startswith("diracgan"):
                parts.append(_directive(f"{name}.{member}", f"{home}.{inner.__qualname__}"))
    return parts


def _directive(name: str, path: str) -> str:
    return f"::: {path}\n    options:\n      heading: dg.{name}\n      toc_label: {name}"


# ---------------- commands


def commands_page() -> str:
    """Return the page of every command with its options, read from the commands themselves."""
    from diracgan.cli.app import COMMANDS

    parts = [
        "# Command line",
        "`diracgan COMMAND --help` says the same. Exit codes: 0 done, 1 a gate failed, 2 bad usage or input, with one "
        "line that says what is allowed. Commands that answer a question print one JSON object with `--format json`.",
    ]
    for name in COMMANDS:
        parts += _command(name)
    return "\n\n".join(parts) + "\n"


def options_of(name: str) -> tuple[str, list[tuple[str, str, str]]]:
    """A command's help, and for each of its parameters: how it is written, what it takes, what it does."""
    from diracgan.cli.app import load

    command = load(name)
    rows = []
    for p in command.params:
        written = p.opts if p.param_type_name == "option" else [p.metavar or (p.name or "").upper()]
        takes = (
            ""
            if getattr(p, "is_flag", False) or p.param_type_name == "argument"
            else (p.metavar or p.type.name)
        )
        rows.append((", ".join(written), takes, " ".join((getattr(p, "help", "") or "").split())))
    return inspect.cleandoc(command.help or ""), rows


def _command(name: str) -> list[str]:
    about, rows = options_of(name)
    text, _, example = about.partition("Example: ")
    parts = [f"## {name}", text.strip()]
    if example:
        parts.append(f"```sh\n{' '.join(example.split())}\n```")
    table = ["| option | takes | what it does |", "|---|---|---|"]
    for written, takes, what in rows:
        table.append("| " + " | ".join(c.replace("|", "\\|") for c in (f"`{written}`", takes, what)) + " |")
    return [*parts, "\n".join(table)]


def main() -> None:
    """Write anew what other pages hold of the code."""
    docs = Path(__file__).parent
    (docs / "reference" / "formulas.md").write_text(formulas_page(), encoding="utf-8")
    verdicts = docs / "concepts" / "verdicts.md"
    verdicts.write_text(with_kinds(verdicts.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
