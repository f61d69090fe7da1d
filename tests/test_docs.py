"""The documentation is true: its code runs, its commands exist, every public name is on a page."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb
from stated import formula, multipliers_of

import diracgan
from diracgan.analysis.catalogue_report import catalogue
from diracgan.analysis.kinds import Kind, Outcome
from diracgan.analysis.verdict import judges, judging
from diracgan.cli.app import COMMANDS
from diracgan.game import GameLike, Players
from diracgan.plotting.posters import colour_of
from diracgan.rules import RULES, move, move_both
from diracgan.training.problems import PROBLEMS
from diracgan.training.tricks import TRICKS
from diracgan.variants import VARIANTS, param

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
pytestmark = pytest.mark.skipif(
    not (DOCS / "hooks.py").is_file(), reason="the tests run away from their repository"
)
GENERATED = {"page.html", "gallery.md", "benchmarks.md", "changes.md"}
PAGES = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))
# Clusters and long sweeps are described there, not run.
STANDS = {"cluster.md"}
ANEW = "write it anew: python docs/hooks.py"


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def lines(page: str) -> list[str]:
    """Every line of a page that calls the program, also those that are only shown."""
    return re.findall(r"^(?:    )?(diracgan [a-z].*)$", text_of(page), re.MULTILINE)


def imported(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hooks():
    return imported("hooks")


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


@pytest.mark.parametrize(
    "page", [*(DOCS / p for p in PAGES), ROOT / "figures" / "README.md"], ids=lambda p: p.name
)
def test_a_page_has_one_title(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1  # the table of contents ends at a second


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(page)):
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


@pytest.mark.slow  # fast, of one command: the next test
@pytest.mark.parametrize(
    "page", [p for p in PAGES if p not in STANDS and re.search("^```(python|sh)", text_of(p), re.M)]
)
def test_the_code_runs_and_prints_what_the_page_says(page, cli, folder, monkeypatch):
    for registry in (VARIANTS, RULES, PROBLEMS, TRICKS):
        monkeypatch.setattr(registry, "entries", dict(registry.entries))

    def command(line):
        assert line.startswith("diracgan "), line
        status, out, err = cli(*shlex.split(line)[1:])
        assert status == 0, f"{line}: {err}"
        return out

    for block, printed in imported("outputs").runs(text_of(page), command):
        if block[4] is not None:
            assert rounded(printed) == rounded(block[4]), block[3]


def rounded(text):
    """Lines whose long numbers are compared to four digits: the last ones are the machine's, and so is their width."""
    text = re.sub(
        r"error:? (?:bound: )?\d\S+|\d[\d.]*e-(?:0[6-9]|1\d)|[\d.]+e\+\d+ field evaluations", "#", text
    )
    text = re.sub(r" +(?=[ +\]])", "", text)
    return [
        re.sub(r"\d+\.\d{5,}(?:e[+-]\d+)?", lambda m: f"{float(m[0]):.4g}", line)
        for line in text.strip().split("\n")
    ]


def test_a_command_prints_what_a_page_says(cli):
    said = re.search(
        r"```sh\ndiracgan (eig [^\n]*)\n```\n\n```output\n(.*?)```",
        text_of("howto/read-a-report.md"),
        re.DOTALL,
    )
    assert said is not None
    status, out, _ = cli(*shlex.split(said[1]))
    assert status == 0 and rounded(out) == rounded(said[2])


def test_every_output_block_stands_under_its_code():
    block = imported("outputs").BLOCK
    for page in PAGES:
        found = [b for b in block.finditer(text_of(page)) if b[4] is not None]
        assert len(found) == text_of(page).count("```output"), page
        assert all(b[4] and (b[1] == "python" or b[3].count("\n") == 1) for b in found), page


@pytest.mark.slow  # fast, of two losses: analysis/explain/test_explain.py::test_known_formulas_come_out
def test_the_page_of_formulas_is_what_explain_derives(hooks):
    assert text_of("reference/formulas.md") == hooks.formulas_page(), ANEW


def test_the_page_of_formulas_has_every_variant():
    page = text_of("reference/formulas.md")
    assert [name for name in catalogue() if f"\n## {name}\n" not in page] == [], ANEW


def test_the_page_of_verdicts_has_every_kind_with_its_meaning(hooks):
    page = text_of("concepts/verdicts.md")
    assert hooks.with_kinds(page) == page, ANEW
    assert all(f"\n| `{kind}` | " in page for kind in Kind)


def test_the_examples_of_a_new_loss_and_rule_are_what_their_docstrings_state(monkeypatch):
    page = text_of("howto/extend.md")
    names = {
        "np": np,
        "jnp": jnp,
        "jax": jax,
        "Array": jax.Array,
        "param": param,
        "register": diracgan.register,
    }
    names |= {"Variant": diracgan.Variant, "register_rule": diracgan.register_rule, "Rule": diracgan.Rule}
    names |= {"GameLike": GameLike, "Players": Players, "move": move, "move_both": move_both}
    for registry in (VARIANTS, RULES):
        monkeypatch.setattr(registry, "entries", dict(registry.entries))
    for first in ("@register(", "@register_rule("):
        block = re.search(rf"^    {re.escape(first)}(.*\n)(?:    .*\n|\n)*", page, re.MULTILINE)
        assert block is not None
        exec(compile(textwrap.dedent(block[0]), "extend.md", "exec"), names)
    variant = diracgan.variant("exponential", k=0.7)
    for which in ("critic_loss", "generator_loss"):
        said = formula(inspect.getdoc(getattr(variant, which)) or "", ["D_r", "D_f", "k"])
        assert said is not None
        want = float(said.subs({"D_r": 0.3, "D_f": -0.4, "k": 0.7}))
        assert float(getattr(variant, which)(0.3, -0.4, 0, 0)) == pytest.approx(want, rel=1e-6)
    rule = diracgan.rule("damped", lr=0.2)
    assert multipliers_of(rule) is not None
    # on wgan-linear zeta = +- 0.2 i: x^2 - (0.9 + zeta) x - 0.1 = 0
    want = np.concatenate([np.roots([1, -(0.9 + z), -0.1]) for z in (0.2j, -0.2j)])
    found = diracgan.spectrum(diracgan.variant("wgan-linear"), rule=rule).multipliers
    assert np.max(np.min(np.abs(want[:, None] - found), axis=1)) < 1e-9


def test_the_example_of_a_new_kind_is_what_its_judge_says_and_looks_like_another(monkeypatch, tmp_path):
    page = text_of("howto/extend.md")
    written = re.search(r"`DOUBLES = (\(.*?\))`", page)
    module = re.search(r'^    """Amplitudes that double\."""\n(?:    .*\n|\n)*', page, re.MULTILINE)
    assert written is not None and module is not None
    given = eval(written[1], {"Outcome": Outcome})
    kind = Kind._new_member_(Kind, *given)
    kind.__init__(*given)
    kind._name_ = "DOUBLES"
    monkeypatch.setattr(Kind, "DOUBLES", kind, raising=False)
    monkeypatch.setattr(Kind, "_member_map_", Kind._member_map_ | {"DOUBLES": kind})
    monkeypatch.setitem(Kind._value2member_map_, "doubles", kind)
    judging.in_order()  # those that are there enter once
    monkeypatch.setattr(judging, "_ENTERED", dict(judging._ENTERED))
    (tmp_path / "doubling.py").write_text(textwrap.dedent(module[0]))
    monkeypatch.setattr(judges, "__path__", [*judges.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, f"{judges.__name__}.doubling", None)  # goes when the test ends
    del sys.modules[f"{judges.__name__}.doubling"]
    names = [judge.__name__ for judge in judging.in_order.__wrapped__()]
    assert names.index("grows") < names.index("doubles") < names.index("no_longer_changes")
    doubles = sys.modules[f"{judges.__name__}.doubling"].doubles
    told = doubles(SimpleNamespace(sizes=np.array([0.7, 1.0, 2.0, 4.0, 8.0])), None)
    assert told.kind is Kind("doubles") and told.numbers == {"ratio": 2.0} and told.kind.words == "doubling"
    assert doubles(SimpleNamespace(sizes=np.array([1.0, 2.0, 4.0, 8.1])), None) is None
    looks, like, unlike = (to_rgb(colour_of(kind)) for kind in (told.kind, Kind.DIVERGES, Kind.UNDECIDED))
    assert rgb_to_hsv(looks)[0] == pytest.approx(rgb_to_hsv(like)[0], abs=0.01)
    assert min(np.ptp([looks, like], axis=0)) > 0.1 and looks != unlike  # a legend tells them apart
    assert colour_of(told.kind) not in map(colour_of, set(Kind) - {told.kind})


def test_formulas_are_typeset_without_a_script(hooks):
    pytest.importorskip("latex2mathml", reason="the extra docs is not installed")
    marked = r"<p>of <span class='arithmatex'>\(-\lvert\phi'\rvert^2\)</span></p>".replace(
        "'arithmatex'", '"arithmatex"'
    )
    made = hooks.on_page_content(marked, None, None, None)
    assert made.startswith('<p>of <math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">')
    assert "\\" not in made and "arithmatex" not in made and made.count("&#x0007C;") == 2


@pytest.mark.slow  # fast, its links: test_links_and_pictures_lead_somewhere
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
