"""The programs that come with the package are those of its sources, and all that they are derived from is looked at."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import diracgan
from diracgan.web import shipped
from diracgan.web.shipped import MODULES

PACKAGE = Path(diracgan.__file__).parent
# say what is wrong, load what is asked for, read what was typed, name a type: they decide nothing about a program
BESIDE = {
    "__init__.py",
    "errors.py",
    "lazy.py",
    "pytrees.py",
    "web/__init__.py",
    "web/limits.py",
    "web/scene.py",
    "web/shipped.py",
}


def imported(path):
    """The package's own modules that a module names in its imports, lazy ones included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            room = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            found |= {room, *(room / a.name for a in node.names)}
    files = {f for place in found for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()}
    return {f.relative_to(PACKAGE).as_posix() for f in files}


def test_the_programs_are_of_todays_sources():
    """Else the first start of `diracgan explore` has to generate them."""
    assert shipped.shipped() is not None, "write them anew: python -m diracgan.web.ship"


def test_every_module_behind_the_programs_is_looked_at():
    """Followed from the module that writes them; what only stands beside them is not followed."""
    behind, new = set(), {"web/programs.py"}
    while new:
        behind |= new
        new = {m for path in new for m in imported(PACKAGE / path)} - behind - BESIDE
    unseen = {m for m in behind if not any(m == known or m.startswith(f"{known}/") for known in MODULES)}
    assert unseen == set()
    assert len(behind) > 20 and all((PACKAGE / known).exists() for known in MODULES)


@pytest.mark.parametrize("text", ["", "{", '{"sources": "of other sources"}'])
def test_damaged_or_older_programs_are_not_used(tmp_path, monkeypatch, text):
    path = tmp_path / "programs.json"
    monkeypatch.setattr(shipped, "PROGRAMS", path)
    assert shipped.shipped() is None
    path.write_text(text)
    assert shipped.shipped() is None


def test_line_ends_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "web" / "shipped.py"))
    monkeypatch.setattr(shipped, "MODULES", ("game.py",))
    (tmp_path / "game.py").write_bytes(b"one\ntwo\n")
    usual = shipped.digest()
    (tmp_path / "game.py").write_bytes(b"one\r\ntwo\r\n")
    assert shipped.digest() == usual
    (tmp_path / "game.py").write_bytes(b"one\nthree\n")
    assert shipped.digest() != usual
