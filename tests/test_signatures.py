"""Every public function names and types what it takes and returns."""

from __future__ import annotations

import ast
import functools
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import diracgan as dg

KEYWORDS = {"variant", "rule"}  # the parameters of the one that is named: they differ from name to name
PYTREE = "what a rule remembers: any pytree"
TYPED_ANY = {  # what is typed Any, each with its reason
    "critical_setting.memory": PYTREE,
    "forecast.memory": PYTREE,
    "rule.parameters": "a user's class may declare a parameter of any type",
    "sweep.scheduler": "an address, or a cluster or client of Dask, which need not be installed",
    "variant.parameters_": "a user's class may declare a parameter of any type",
    "Problem.__init__.spec": "the arguments that it was made from, of whatever type",
    "Rule.iterate.memory": PYTREE,
    "Rule.iterate.return": PYTREE,
    "Rule.memory.return": PYTREE,
    "Rule.over_a_period.return": PYTREE,
    "Rule.rest.return": PYTREE,
    "Rule.step_sizes.memory": PYTREE,
    "Variant.penalty.phi": "the critic's parameters: any pytree",
}


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
    return typing.get_type_hints(public, globalns=namespace(module))


@functools.cache
def namespace(module: types.ModuleType) -> dict[str, Any]:
    """What a module's names stand for, for the type checker."""
    space = dict(vars(module))
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            exec(compile(ast.Module(node.body, []), module.__name__, "exec"), space)
    return space


def test_only_what_takes_any_object_is_typed_any():
    """Of the public functions, and of the methods of public classes."""
    public = {name: function(name) for name in functions()}
    public |= dict(methods())
    untyped = {
        f"{name}.{argument}"
        for name, f in public.items()
        for argument, hint in namespace_hints(f).items()
        if holds_any(hint)
    }
    assert untyped == set(TYPED_ANY), "give it its type, or a reason above"


def methods() -> Iterator[tuple[str, Any]]:
    """Name -> function of every public method and property that a public class has from this package."""
    for name in dg.__all__:
        thing = getattr(dg, name)
        if not isinstance(thing, type):
            continue
        for cls in (c for c in thing.__mro__ if c.__module__.startswith("diracgan")):
            for method, value in vars(cls).items():
                f = getattr(value, "fget", None) or getattr(value, "__func__", value)
                if inspect.isfunction(f) and (
                    method in ("__init__", "__call__") or not method.startswith("_")
                ):
                    yield f"{name}.{method}", f


def holds_any(hint: Any) -> bool:
    """Whether Any stands for a value, or for a part of one, other than a value of a mapping."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        parts = parts[:1]
    if getattr(origin, "__module__", "").startswith("numpy"):  # the number's type in an array's
        return False
    parts = [p for part in parts for p in (part if isinstance(part, list) else [part])]
    return hint is Any or any(map(holds_any, parts))


@pytest.mark.parametrize(("hint", "holds"), [(Any, True), (list[Any] | None, True), (dict[str, Any], False)])
def test_any_is_found_within_a_type(hint, holds):
    assert holds_any(hint) is holds
