"""Every public function names and types what it takes and returns."""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sources import PACKAGE, modules, nodes

import diracgan as dg

KEYWORDS = {  # the parameters of the one that is named, which differ from name to name; of a game its further fields
    *("variant", "rule", "training.problem", "training.trick", "variants.variant"),
    *("training.game", "training.minibatches"),
}
PYTREE = "what a rule remembers: any pytree"
OWN = "the networks, batches and optimisers of a user, in JAX or in PyTorch"
TYPED_ANY = {  # what is typed Any, each with its reason
    "critical_setting.memory": PYTREE,
    "bifurcation.threshold.return": "a function of one number, of an array of them, or of a pytree of those",
    **{
        f"measure.game.{name}": OWN
        for name in ("critic_loss", "generator_loss", "phi", "theta", "batches", "optimiser", "state")
    },
    "measure.game.critic": OWN,
    "measure.game.samples": OWN,
    "measure.eigenvalues.matvec": "an operator, a matrix or a map of a state",
    "measure.eigenvalues.n": "a length, or a state: any pytree",
    **{f"rules.move.{name}": PYTREE for name in ("z", "v", "return")},
    **{f"rules.scaled.{name}": PYTREE for name in ("h", "v", "return")},
    "rules.float_vector.tree": "any pytree",
    "rules.float_vector.return": "a pytree like the one given",
    "rules.from_optax.critic_opt": "a transformation of optax, or one that has its two functions",
    "rules.from_optax.generator_opt": "likewise",
    "training.game.how": "further fields of a game, of whatever type",
    "training.minibatches.how": "likewise",
    "training.problem.options": "a registered problem may take an option of any type",
    "training.trick.parameters": "a registered trick may take a parameter of any type",
    "variants.param.default": "a field of any type, as of dataclasses",
    "variants.param.return": "likewise: the field stands for its value",
    "forecast.memory": PYTREE,
    "rule.parameters": "a user's class may declare a parameter of any type",
    "sweep.scheduler": "an address, or a cluster or client of Dask, which need not be installed",
    "variant.parameters_": "a user's class may declare a parameter of any type",
    "Problem.__init__.spec": "the arguments that it was made from, of whatever type",
    "Rule.averaging.memory": PYTREE,
    "Rule.iterate.memory": PYTREE,
    "Rule.iterate.return": PYTREE,
    "Rule.memory.return": PYTREE,
    "Rule.over_a_period.return": PYTREE,
    "Rule.rest.return": PYTREE,
    "Rule.step_sizes.memory": PYTREE,
    "Variant.penalty.phi": "the critic's parameters: any pytree",
}
JSON = "a value of JSON: a number, text, a list, a dictionary, ..."
SETTING = "a parameter's value, of whatever type its class declares"
NODE = "a number, an array, or a list of arrays of an operation on several"
INSIDE = {  # the functions of every room that return Any, each with its reason; what returns a pytree says so
    "cli.app.get_command": "typer exports none of the classes that its commands have",
    "cli.app.load": "likewise",
    "ensemble.compiled_adaptive.compiled_loop": "the loop of the backend that is asked",
    "ensemble.cuda_backend.compiled": "of cuda-core, which need not be installed",
    "measure.jax_game.called": "what a function of the user's returns",
    "monitoring.levels.behind": "of numbers a bool, of arrays one of them",
    "parameters.check": SETTING,
    "parameters.param": "a field of any type, as of dataclasses",
    "parameters.plain": SETTING,
    "records.plain": JSON,
    "sweeps.provenance.listed": JSON,
    **{f"tracing.nodes.{name}": NODE for name in ("by_jax", "by_numpy", "on_host")},
    "web.widget.widget": "of anywidget, which need not be installed",
}


def functions() -> list[str]:
    """The public functions: of the package, and of its namespaces those that it does not have itself."""
    found = {name: public(name) for name in dg.__all__}
    called = {name: f for name, f in found.items() if inspect.isfunction(f) or is_called(f)}
    for space, module in found.items():
        if isinstance(module, types.ModuleType):
            inside = {f"{space}.{name}": getattr(module, name) for name in module.__all__}
            known = [function(name) for name in called]
            called |= {name: f for name, f in inside.items() if inspect.isfunction(f) and f not in known}
    return list(called)


def is_called(thing: Any) -> bool:
    """Whether it is a package that answers as its own function."""
    return isinstance(thing, types.ModuleType) and callable(thing)


def public(name: str) -> Any:
    """What stands at a dotted public name."""
    return operator.attrgetter(name)(dg)


def function(name: str) -> Any:
    """The function itself, where a package answers as its own function."""
    thing = public(name)
    return thing if inspect.isfunction(thing) else getattr(thing, name)


@pytest.mark.parametrize("name", functions())
def test_a_public_function_names_and_types_its_arguments(name):
    f = function(name)
    hints = typing.get_type_hints(f) if name in dg.__all__ else namespace_hints(f)
    signature = inspect.signature(f)
    assert inspect.signature(public(name)) == signature, "a package that is called says what it takes"
    assert signature.return_annotation is not inspect.Signature.empty
    assert hints["return"] is not Any or f"{name}.return" in TYPED_ANY, "what is returned is known"
    for parameter in signature.parameters.values():
        assert parameter.name in hints, f"{parameter.name} has no type"
        named = typing.get_origin(hints[parameter.name]) is typing.Unpack
        if parameter.kind is inspect.Parameter.VAR_KEYWORD and not named:
            assert name in KEYWORDS, f"**{parameter.name} hides the names of the arguments"


def namespace_hints(f: Any) -> dict[str, Any]:
    """The annotations as objects, with the names that its module imports for the type checker alone."""
    module = inspect.getmodule(f)
    assert module is not None
    return typing.get_type_hints(f, globalns=namespace(module))


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
    found = {name: function(name) for name in functions()}
    found |= dict(methods())
    untyped = {
        f"{name}.{argument}"
        for name, f in found.items()
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


def test_a_function_of_any_room_says_what_it_returns():
    returning = (path for path in modules() if "-> Any:" in path.read_text(encoding="utf-8"))
    found = {
        f"{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}.{node.name}"
        for path in returning
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and isinstance(node.returns, ast.Name)
        and node.returns.id == "Any"
    }
    assert found == set(INSIDE), "give it its type, diracgan.pytrees.Pytree for a pytree, or a reason above"
