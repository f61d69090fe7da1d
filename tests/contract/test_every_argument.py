"""Every argument of every public function: a value that its annotation does not allow ends in one line that names it.

The wrong values come from the annotations. The other arguments are the cheapest ones that are allowed, so that nothing
but the wrong one can be complained about.
"""

from __future__ import annotations

import importlib
import inspect
import math
import sys
import types
import typing
from pathlib import Path

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import shown
from diracgan.game import Game, Players

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_signatures import namespace_hints

PACKAGES = ("", ".measure", ".analysis.bifurcation", ".training", ".sweeps", ".monitoring")


class Odd:
    """A thing of no use, which fails to say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("says nothing")


V, R = dg.variant("ns", r1=0.1), dg.rule("simultaneous", lr=0.1)
NO_RUN = "no-such-run"
ON = {"problem": dg.training.problem("points8"), "key": jax.random.key(0)}
CENTRED = Game(
    V, np.array([[-1.0], [1.0]]), np.zeros((1, 1)), lambda phi, x: x @ phi, lambda theta, z: theta + z
)
ONE = jax.numpy.ones(1)
PAIR = {
    "critic_loss": lambda phi, theta, x: (phi * theta - phi * x).sum(),
    "generator_loss": lambda phi, theta, x: -(phi * theta).sum(),
}
# what an argument is by its name, or in a function of its own
GOOD = {
    **{"variant": V, "phi0": [0.1], "theta0": [0.2], "ts": [0.0, 1.0], "parameter": "r1", "name": "ns"},
    **{"series": np.sin(0.3 * np.arange(200)), "count": 2, "matvec": lambda v: v, "path": "x.npz"},
    **{"step": [[0.5]], "kicks": [[[1.0]]], "covariance": [[1.0]], "run": NO_RUN, "folder": NO_RUN},
}
OWN = {
    "averaged": {"rule": dg.rule("adam")},
    "adaptive_chart": {"over": ("gamma=0.01:1", "lr=0.001:0.1"), "rule": dg.rule("adam")},
    "atlas": {"over": ("r1", "lr"), "rule": R},
    "branch": {"over": "r1"},
    "cycles": {"over": "r1", "start": ([0.1], [0.2])},
    "ema": {"omega": 0.3, "h": 0.1, "decay": 0.9},
    "eigenvalues": {"n": 3, "k": 1},
    "ensemble": {"phi0": [[0.1]], "theta0": [[0.2]]},
    "load": {"path": "missing.npz"},
    "prescribe": {"game": NO_RUN},
    "rotating_states": {"over": "r1", "start": ([0.1, 0.0], [0.2, 0.1])},
    "save": {"path": "x.npz"},
    "stationary_covariance": {"sde_step": 0.1},
    "step": {"rule": R},
    "sweep": {"over": {"lr": [0.1, 0.2]}, "rule": R},
    "bifurcation": {"over": {"lr": [0.1, 0.2]}, "rule": R},
    "stability": {"over": {"r1": [0.1, 0.2], "lr": [0.1, 0.2]}, "rule": R},
    "tune": {"over": ["r1"]},
    "trick": {"name": "soft-labels"},
    "torch_hook": {"monitor": dg.Monitor(variant="ns")},
    "game": {**PAIR, "phi": ONE, "theta": 2 * ONE, "batches": [ONE], **ON, "count": 4},
    "gradient_covariance": {"game": CENTRED, "players": Players(np.zeros(1), np.zeros(1)), "batch": 1},
    "minibatches": {**ON, "size": 4},
    "players": {"architecture": dg.training.Architecture(width=4), **ON},
    "samples": {"data": np.zeros((4, 2))},
    "train_classifier": {"problem": dg.training.samples(np.eye(2), labels=[0, 1])},
}
# (function, argument): why nothing is refused there
FREE = {
    ("minibatches", "dtype"): "an array's type, which JAX checks",
    ("minibatches", "rows"): "a sharding, which JAX checks",
    ("rule", "name"): "named by what follows it",
}
# what takes a point of a branch, a game or a table is in test_wrong_types.py
WHOLE = (
    "born_circles",
    "born_cycles",
    "circle",
    "curve",
    "doubled_cycles",
    "others",
    "sensitivity",
    "switch",
)
WHOLE += ("threshold", "teacher")
# their messages name the file that is missing before the argument, which its reader needs first
FROM_A_FOLDER = ("forecast", "prescribe", "from_run", "spectrum", "resume", "load_run")
CALLBACKS_OF_OTHERS = (
    "keras_callback",
    "lightning_callback",
    "transformers_callback",
)  # need their framework


def functions():
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(f"diracgan{package}")
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, types.ModuleType):
                thing = getattr(thing, name, None)
            if inspect.isfunction(thing) and name not in CALLBACKS_OF_OTHERS:
                found.setdefault(thing, f"{package}.{name}".lstrip("."))
    return {label: thing for thing, label in found.items()}


def kinds_of(hint):
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return {kind for one in typing.get_args(hint) for kind in kinds_of(one)}
    return {typing.get_origin(hint) or hint}


def wrong_values(hint):
    """Values that an annotation does not allow."""
    kinds = kinds_of(hint)
    array, anything = "Array" in str(kinds) or jax.Array in kinds, typing.Any in kinds
    values = [Odd()]
    if str not in kinds and not anything:
        values.append("x")
    if kinds & {int, float} and not array:
        values += [math.nan, 2 + 1j]
        values += [] if str in kinds or anything else ["1"]
        values += [] if float in kinds else [0.5]
    if not (kinds & {int, float, bool} or anything or array):
        values.append(3)
    return values


def cases(label, public):
    name = label.rpartition(".")[2]
    hints, parameters = namespace_hints(public), inspect.signature(public).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    own = OWN.get(name, {})
    good = {p.name: {**GOOD, **own}.get(p.name) for p in named if p.default is p.empty or p.name in own}
    for p in named:
        for value in wrong_values(hints[p.name]) if (name, p.name) not in FREE else ():
            yield p.name, value, {**good, p.name: value}


def complaint(public, given):
    """What a call says about an argument, or why that is not an answer."""
    try:
        found = public(**given)
    except (dg.InputError, TypeError) as error:
        said = str(error)
        return (
            said if "\n" not in said and "object is not" not in said else f"!{type(error).__name__}: {said}"
        )
    return f"!it returns {type(found).__name__}"


@pytest.mark.parametrize("label", functions())
def test_every_argument_that_is_not_allowed_is_one_line_that_names_it(label, folder):
    public, name, bad = functions()[label], label.rpartition(".")[2], []
    if name in WHOLE:
        pytest.skip("its arguments are in test_wrong_types.py")
    for argument, value, given in cases(label, public):
        said = complaint(public, given)
        names_it = argument in said or argument.replace("_", " ") in said or shown(value) in said
        if said.startswith("!") or not (names_it or (name in FROM_A_FOLDER and NO_RUN in said)):
            bad.append(f"{argument} = {shown(value)}: {said}")
    assert bad == []
    assert not list(folder.iterdir())


@pytest.mark.slow  # fast, of all other functions: the test above
def test_arguments_beside_a_point_of_a_branch():
    found = dg.bifurcation.branch(dg.variant("wgan-gp", c=0.0, lam=0.5), "lam", rule=R)
    (point,) = found.points
    calls = {
        "value": [lambda x: dg.bifurcation.others(found, x)],
        "reach": [lambda x: dg.bifurcation.others(found, reach=x)],
        "starts": [lambda x: dg.bifurcation.others(found, starts=x)],
        "other": [lambda x: dg.bifurcation.sensitivity(point, x)],
        "others": [lambda x: dg.bifurcation.threshold(point, x)],
        "over": [lambda x: dg.bifurcation.curve(point, x)],
        "low": [lambda x: dg.bifurcation.curve(point, ("lam", "lr"), x)],
        "high": [lambda x: dg.bifurcation.curve(point, ("lam", "lr"), (None, None), x)],
    }
    for argument, some in calls.items():
        for call in some:
            for value in (Odd(), math.nan, 2 + 1j, b"x"):
                with pytest.raises(dg.InputError, match=argument) as caught:
                    call(value)
                assert "\n" not in str(caught.value)
