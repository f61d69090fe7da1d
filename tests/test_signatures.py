"""Every public function names and types what it takes and returns."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from typing import Any

import pytest

import diracgan as dg

KEYWORDS = {"variant", "rule"}  # the parameters of the one that is named: they differ from name to name


def functions() -> list[str]:
    found = []
    for name in dg.__all__:
        thing = getattr(dg, name)
        if inspect.isfunction(thing) or (isinstance(thing, types.ModuleType) and callable(thing)):
            found.append(name)
    return found


def function(name: str) -> Any:
    """The function itself, where a package answers as its own function."""
    thing = getattr(dg, name)
    return thing if inspect.isfunction(thing) else getattr(thing, name)


@pytest.mark.parametrize("name", functions())
def test_a_public_function_names_and_types_its_arguments(name):
    public = function(name)
    hints = namespace_hints(public)
    signature = inspect.signature(public)
    assert inspect.signature(getattr(dg, name)) == signature, "a package that is called says what it takes"
    assert signature.return_annotation is not inspect.Signature.empty
    assert "return" in hints and hints["return"] is not Any, "what is returned is known"
    for parameter in signature.parameters.values():
        assert parameter.name in hints, f"{parameter.name} has no type"
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            assert name in KEYWORDS, f"**{parameter.name} hides the names of the arguments"


def namespace_hints(public: Any) -> dict[str, Any]:
    """The annotations as objects, with the names that its module imports for the type checker alone."""
    module = inspect.getmodule(public)
    assert module is not None
    space = dict(vars(module))
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            exec(compile(ast.Module(node.body, []), module.__name__, "exec"), space)
    return typing.get_type_hints(public, globalns=space)
