"""What a reader meets is short, and no room asks which rule or loss it was given."""

from __future__ import annotations

import ast
import re

import pytest
from sources import PACKAGE, modules, nodes

from diracgan.rules import RULES
from diracgan.rules.optax import Optax
from diracgan.variants import VARIANTS

MODULES = modules()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_function_is_longer_than_sixty_lines(path):
    """The body: a signature and a docstring, which name every argument, are as long as the public function needs."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            assert not body or node.end_lineno - body[0].lineno < 60, node.name


def test_no_file_is_longer_than_five_hundred_lines():
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path


def test_no_room_asks_which_rule_or_loss_it_was_given():
    """What depends on it is a property of the class, so that one of a user's own has it too."""
    classes = {cls.__name__ for registry in (RULES, VARIANTS) for cls in map(registry.__getitem__, registry)}
    classes |= {Optax.__name__}
    names = {*RULES, *VARIANTS, "optax"}
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in ("rules", "variants"):
            continue
        for node in nodes(path):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "isinstance"
            ):
                asked = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                assert not asked & classes, where
            if (
                isinstance(node, ast.Compare)
                and isinstance(node.left, ast.Attribute)
                and node.left.attr == "name"
            ):
                said = {n.value for c in node.comparators for n in ast.walk(c) if isinstance(n, ast.Constant)}
                assert not said & names, where


def test_powers_in_text_are_written_one_way():
    """t^-0.5, |phi|^2 and t^(-1/2), as people type them; only pictures and the page raise them."""
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in ("plotting", "web"):
            continue
        for said in texts(nodes(path)):
            assert not set(said) & set("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"), (path, said)
            assert not re.search(r"\^\([-−]?(\d+(\.\d+)?|[A-Za-z])\)", said), (path, said)


def texts(found):
    """What a module may say: its texts without docstrings."""
    bodies = (n.body for n in found if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef))
    silent = {id(b[0].value) for b in bodies if b and isinstance(b[0], ast.Expr)}
    said = (n for n in found if isinstance(n, ast.Constant) and id(n) not in silent)
    return [n.value for n in said if isinstance(n.value, str)]


def test_whoever_overrules_the_type_checker_says_why():
    """In a comment just above; a library that need not be installed speaks for itself."""
    bare = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for i, line in enumerate(lines):
            if re.search(r"# (type|pyright): ignore", line) and "reportMissingImports" not in line:
                if not any("# " in near for near in lines[max(0, i - 3) : i]):
                    bare.append(f"{path.relative_to(PACKAGE)}:{i + 1}")
    assert bare == []
