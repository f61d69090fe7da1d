"""The sources of the package, each parsed once for all the tests that read them."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import diracgan

PACKAGE = Path(diracgan.__file__).parent


@functools.cache
def modules() -> tuple[Path, ...]:
    """Every module of the package."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


@functools.cache
def tree(path: Path) -> ast.Module:
    """What a module says; tests only read it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All that stands in it."""
    return tuple(ast.walk(tree(path)))
