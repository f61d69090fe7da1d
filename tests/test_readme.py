"""The README is true: its set-up commands are two single lines, and its commands and code run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import diracgan

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
LONG = tuple(
    f"diracgan {command}"
    for command in (
        "averaged",
        "bifurcation",
        "map",
        "plot --variant ns --dim 1",
        "report",
        "train",
        "tune",
        "verdict",
    )
)  # seconds each, and other tests run these commands too
pytestmark = pytest.mark.skipif(not README.is_file(), reason="the tests run away from their repository")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[Any]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("diracgan ")]
    return [pytest.param(line, marks=[pytest.mark.slow] * line.startswith(LONG)) for line in lines]


def test_two_set_up_commands_each_a_single_line():
    setup = [b for b in blocks("sh") if "pip install" in b]
    assert [b.count("\n") for b in setup] == [1, 1]
    start = "python3 -m venv .venv && . .venv/bin/activate && pip install -e "
    assert setup[0] == f"{start}. && diracgan plot --variant wgan-gp --c 0\n"
    assert setup[1] == f'{start}".[test]" && pytest\n'


def test_the_first_screen_holds_what_it_promises():
    screen = "\n".join(README.read_text(encoding="utf-8").splitlines()[:24])
    assert len(re.findall(r"!\[.*?\]\(", screen)) == 1
    assert screen.count("python3 -m venv") == 2


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the sdist holds no pages")
def test_links_lead_somewhere():
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("line", commands())
def test_the_commands_run(cli, folder, line):
    (folder / "my.py").write_text(next(b for b in blocks("python") if "@dg.register" in b))
    code, out, err = cli(*shlex.split(line)[1:])
    assert code == 0, err
    assert out


def test_the_code_runs(folder):
    for block in blocks("python"):
        # one name must not be defined in two places; unoptimised C takes a minute for so many trajectories
        changed = block.replace("my-lsgan", "readme-lsgan").replace("100_000", "1_000")
        exec(compile(changed, "README.md", "exec"), {"__name__": "_readme"})
    assert "readme-lsgan" in diracgan.variants()


def test_the_package_says_one_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {diracgan.__version__}\n" in citation
    assert f"\n## {diracgan.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
