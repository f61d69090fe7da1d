"""The documentation is true: its code runs, its commands exist, every public name is on a page."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import diracgan
from diracgan.cli.app import COMMANDS
from diracgan.rules import RULES
from diracgan.training.problems import PROBLEMS
from diracgan.training.tricks import TRICKS
from diracgan.variants import VARIANTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
pytestmark = pytest.mark.skipif(
    not (DOCS / "hooks.py").is_file(), reason="the tests run away from their repository"
)
GENERATED = {"page.html", "gallery.md", "benchmarks.md", "changes.md"}
PAGES = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(python|sh)(?:[^\n]*title=\"([^\"]+)\")?[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Clusters and long sweeps are described there, not run.
STANDS = {"cluster.md"}


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, title, code) of every block of a page, in order."""
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


def lines(page: str) -> list[str]:
    """Every line of a page that calls the program, also those that are only shown."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^(?:    )?(diracgan [a-z].*)$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_on_a_page(hooks):
    page = hooks.api_page() + hooks.pictures_page()
    for name in diracgan.__all__:
        if name in ("__version__", "plot"):
            continue
        assert re.search(rf"(heading: |### )dg\.{name}$", page, re.MULTILINE), name
    for name in diracgan.plot.__all__:
        assert f"heading: dg.plot.{name}\n" in page, name


def test_a_public_name_without_a_docstring_is_an_error(hooks):
    def bare():
        pass

    with pytest.raises(ValueError, match="no docstring"):
        hooks._entry("bare", bare)


def test_every_command_and_every_option_is_on_the_page(hooks):
    page = hooks.commands_page()
    for name in COMMANDS:
        assert f"\n## {name}\n" in page
        about, rows = hooks.options_of(name)
        assert about and rows
        for written, _, what in rows:
            assert "`{}`".format(written.replace("|", "\\|")) in page
            assert what or name == "list", (name, written)


def test_pages_that_are_listed_are_there_and_pages_that_are_there_are_listed():
    listed = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    references = {f"reference/{n}.md" for n in ("python", "pictures", "commands")}
    assert set(listed) - GENERATED - references == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (DOCS / page).read_text(encoding="utf-8")):
        at = (DOCS / page).parent / target
        picture = re.sub(r"^(\.\./)*figures/", "", target)
        assert (
            at.exists() or target.rsplit("/", 1)[-1] in GENERATED or (ROOT / "figures" / picture).exists()
        ), target


@pytest.mark.parametrize(
    "line", sorted({line for page in PAGES for line in lines(page) if "..." not in line})
)
def test_commands_take_their_options(line, hooks):
    words = shlex.split(line)[1:]
    _, rows = hooks.options_of(words[0])
    known = {o.strip() for written, _, _ in rows for o in written.split(",")}
    for word in words[1:]:
        if word.startswith("-") and not re.fullmatch(r"-?\d.*", word):
            assert word.partition("=")[0] in known, word


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if p not in STANDS and blocks(p)])
def test_the_code_runs(page, cli, folder, monkeypatch):
    for registry in (VARIANTS, RULES, PROBLEMS, TRICKS):
        monkeypatch.setattr(registry, "entries", dict(registry.entries))
    space: dict[str, object] = {"__name__": "docs"}
    for language, title, code in blocks(page):
        if language == "python" and title:
            (folder / title).write_text(code)
        elif language == "python":
            exec(compile(code, page, "exec"), space)
        else:
            for line in code.splitlines():
                assert line.startswith("diracgan "), line
                status, _, err = cli(*shlex.split(line)[1:])
                assert status == 0, f"{line}: {err}"


def outputs():
    """(page, command, what the page says that it prints) of every output block under a command."""
    found = re.compile(r"^```sh\n(diracgan [^\n]*)\n```\n\n```output\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(p, *m) for p in PAGES for m in found.findall((DOCS / p).read_text(encoding="utf-8"))]


def rounded(text):
    """Lines whose long numbers are compared to four digits: the last ones are the machine's."""
    text = re.sub(r"error bound: \S+|[\d.]+e\+\d+ field evaluations", "#", text)
    return [
        re.sub(r"\d+\.\d{5,}(?:e[+-]\d+)?", lambda m: f"{float(m[0]):.4g}", line)
        for line in text.strip().split("\n")
    ]


@pytest.mark.parametrize(
    ("page", "line", "said"),
    [x if "verdict" not in x[1] else pytest.param(*x, marks=pytest.mark.slow) for x in outputs()],
)
def test_what_a_page_says_that_a_command_prints(page, line, said, cli):
    status, out, _ = cli(*shlex.split(line)[1:])
    assert status == 0 and rounded(out) == rounded(said), page


def test_every_output_block_stands_under_its_command():
    marked = sum((DOCS / p).read_text(encoding="utf-8").count("```output") for p in PAGES)
    assert marked == len(outputs()) >= 2


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    pytest.importorskip("material", reason="the extra docs is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra docs is not installed")
    import os
    import subprocess
    import sys

    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "python" / "index.html").stat().st_size > 100_000
