"""Variants and rules as JavaScript: traced apart from their definitions, and combined where they run.

A rule is traced over a game whose field is a call that stays a call, so that every rule moves every variant in the
browser without a program for each pair of them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import dirac
from ..errors import InputError
from ..game import GameLike, Players
from ..jax_settings import own_settings
from ..parameters import Parameter, parameters, plain
from ..pytrees import Pytree
from ..registry import source
from ..rules import RULES, Rule, init, rule, step
from ..rules.base import State
from ..tracing.scalar_program import MOST, NotScalarizable, Program, trace
from ..tracing.source_text import NotWritable
from ..variants import Variant, modifiers
from .controls import span
from .javascript import body

if TYPE_CHECKING:
    from jax import Array

DIMENSIONS = (1, 2)
OFFERED = ("l2", "r1")  # penalties with a slider on every variant
CRITIC_STEPS = (1, 2, 5)  # what n_critic can be in the page: a loop is written out
SYMBOLS = {
    "lam": "λ",
    "c": "c",
    "clip": "w",
    "k": "k",
    "p": "p",
    "l2": "μ",
    "r1": "γ",
    "r2": "γ₂",
    "noise": "σ",
    "gp": "λ_gp",
    "gp_center": "c_gp",
    "consensus": "γ_c",
    "sga": "λ_s",
    "lr": "h",
    "lr_d": "h_D",
    "lr_g": "h_G",
    "beta": "β",
    "beta1": "β₁",
    "beta2": "β₂",
    "eps": "ε",
    "alpha": "α",
    "delta": "δ",
    "kappa": "κ",
    "rho": "ρ",
    "tau": "τ",
    "omega": "ω",
    "ema": "β_E",
    "real_label": "b",
    "fake_label": "a",
    "target": "c",
}


# ---------------------------------------------------------------- variants


def variant_source(variant: Variant) -> str:
    """A variant as one call of ``variant(meta, forms)``: its parameters, and its programs in each dimension.

    Every choice of its flags and words is a form of its own; numbers are arguments of the programs. ``l2`` and ``r1``
    are there at 0, other penalties where ``variant`` has them.

    Raises:
        InputError: where it has no scalar form, or one that JavaScript cannot say.
    """
    cls = type(variant)
    own = {n: p for n, p in parameters(cls).items() if p.kind != "object"}
    added = [n for n in modifiers() if n in OFFERED or n in variant.added]
    about = [_parameter(p, getattr(variant, n)) for n, p in own.items()]
    about += [
        _parameter(modifiers()[n], variant.added.get(n, 0.0))
        for n in added
        if n in variant.extras or n in OFFERED
    ]
    forms = []
    for words in _choices(own):
        form = _with_choices(variant, words)
        try:
            programs = ",".join(f"{d}:{_form(form, d)}" for d in DIMENSIONS)
        except (NotScalarizable, NotWritable) as error:
            why = f"{error} has no form in JavaScript" if isinstance(error, NotWritable) else str(error)
            raise InputError(
                f"{variant.label} cannot run in a page: {why}; allowed: losses of at most {MOST} scalar operations "
                "(a table as a sum of jnp.maximum(x - knot, 0)), no instance noise"
            ) from None
        forms.append(f"{json.dumps(_key(words))}:{{names:{json.dumps(_names(form))},{programs}}}")
    meta = {
        "name": variant.name,
        "spec": source(cls, variant.name),
        "about": cls.summary(),
        "options": dict(variant.options),
        "parameters": about,
    }
    return f"variant({json.dumps(meta, ensure_ascii=False)},{{{','.join(forms)}}});"


def _with_choices(variant: Variant, words: dict[str, Any]) -> Variant:
    made = dataclasses.replace(variant, **words)
    return made.with_(**{n: 0.0 for n in OFFERED if n not in made.extras})


def _names(variant: Variant) -> list[str]:
    """The numbers of a variant in the order in which its programs take them."""
    return [_last(path) for path, _ in jax.tree_util.tree_flatten_with_path(variant)[0]]


def _last(path: Sequence[Any]) -> str:
    key = path[-1]
    return str(getattr(key, "name", getattr(key, "key", key)))


def _form(variant: Variant, dim: int) -> str:
    """The programs of one form in ``dim`` dimensions, as an object of functions."""
    with own_settings(True):
        return "{" + ",".join(_functions(variant, dim)) + "}"


def _functions(variant: Variant, dim: int) -> Iterator[str]:
    number, vector = jax.ShapeDtypeStruct((), float), jax.ShapeDtypeStruct((dim,), float)
    shown = jax.tree.map(lambda _: number, variant)
    z = Players(vector, vector)
    given = (shown, vector)
    p = [f"p[{k}]" for k in range(len(jax.tree.leaves(variant)) + dim)]
    apart, stored = [f"z{k}" for k in range(2 * dim)], [f"z[{k}]" for k in range(2 * dim)]

    def made(name: str, args: str, fn: Callable[..., Any], examples: Sequence[Any], inputs: list[str]) -> str:
        return f"{name}({args},p,o){{{body(trace(fn, *given, *examples), [*p, *inputs])}}}"

    yield made("velocity", ",".join(apart), lambda v, x0, z: dirac.game(v, x0).velocity(z), [z], apart)
    yield made("jacobian", "z", _jacobian, [z], stored)
    if variant.constraint == "clipped":
        yield made("project", ",".join(apart), lambda v, x0, z: dirac.game(v, x0).project(z), [z], apart)
    game = dirac.game(jax.tree.map(jnp.asarray, variant), jnp.zeros(dim))
    sites = jax.eval_shape(game.surfaces, z).shape[0]
    if sites:
        modes = jax.ShapeDtypeStruct((sites,), float)
        m, v = [f"m[{k}]" for k in range(sites)], [f"v[{k}]" for k in range(2 * dim)]
        yield f"sites:{sites},faces:{game.faces(Players(np.zeros(dim), np.zeros(dim)))}"
        yield made("motion", "z", lambda v, x0, z: dirac.game(v, x0).motion(z), [z], stored)
        yield made(
            "frozen", "z,m", lambda v, x0, z, m: dirac.game(v, x0).motion(z, m), [z, modes], stored + m
        )
        yield made("natural", "z", lambda v, x0, z: dirac.game(v, x0).surfaces(z), [z], stored)
        yield made(
            "surfaces", "z,m", lambda v, x0, z, m: dirac.game(v, x0).surfaces(z, m), [z, modes], stored + m
        )
        yield made("speeds", "z,m,v", _speeds, [z, modes, z], stored + m + v)


def _jacobian(variant: Variant, x0: Array, z: Players) -> Array:
    def flat(y: Array) -> Array:
        d = x0.shape[0]
        return jnp.concatenate(dirac.game(variant, x0).velocity(Players(y[:d], y[d:])))

    return jax.jacfwd(flat)(jnp.concatenate(z))


def _speeds(variant: Variant, x0: Array, z: Players, modes: Array, v: Players) -> Array:
    """How fast the switching functions change along ``v``."""
    return jax.jvp(lambda z: dirac.game(variant, x0).surfaces(z, modes), (z,), (v,))[1]


# ---------------------------------------------------------------- rules


@functools.cache
def _entry(name: str) -> Callable[..., Any]:
    """A function of scalars that tracing keeps as a call, by its name."""

    def kept(*args: Array) -> Array | int:
        return sum(args)

    kept.__name__ = name
    return jax.jit(kept)


class _Calls(GameLike):
    """A game whose field and constraint are calls."""

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        if not (isinstance(penalty, (int, float)) and penalty == 1.0):
            raise NotScalarizable("it switches the penalties")
        return _called("velocity", players)

    def project(self, players: Players) -> Players:
        return _called("project", players)


def _called(name: str, players: Players) -> Players:
    z = [*players.phi, *players.theta]
    out = [_entry(f"{name}_{k}")(*z) for k in range(len(z))]
    d = len(out) // 2
    return Players(jnp.stack(out[:d]), jnp.stack(out[d:]))


def rule_sources(names: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> rule as one call of ``rule(meta, forms)``; and name -> why, of those that are not scalar."""
    written, left = {}, {}
    for name in names:
        try:
            written[name] = rule_source(name)
        except (NotScalarizable, NotWritable) as why:
            left[name] = str(why)
    return written, left


def rule_source(name: str) -> str:
    """One rule with a form for each choice of its flags, words and numbers of critic steps.

    Raises:
        NotScalarizable: where it does not consist of scalar operations.
        NotWritable: where JavaScript has not what it needs.
    """
    own = {n: p for n, p in parameters(RULES[name]).items() if p.kind != "object" and n != "lazy"}
    usual = rule(name)
    about = [_parameter(p, getattr(usual, n)) for n, p in own.items()]
    forms = []
    for words in _choices(own):
        made = rule(name, lr=0.1, lr_d=0.1, lr_g=0.1, ema=0.99, **words)
        with own_settings(True):
            programs = ",".join(f"{d}:{_steps(made, d)}" for d in DIMENSIONS)
        names = json.dumps([_last(path) for path, _ in jax.tree_util.tree_flatten_with_path(made)[0]])
        forms.append(f"{json.dumps(_key(words))}:{{names:{names},{programs}}}")
    meta = {
        "name": name,
        "spec": source(RULES[name], name),
        "about": RULES[name].summary(),
        "parameters": about,
    }
    return f"rule({json.dumps(meta, ensure_ascii=False)},{{{','.join(forms)}}});"


def _steps(made: Rule, dim: int) -> str:
    """The rule's start, step and linear map, over a ``velocity`` and a ``project`` that leave results in ``f``."""
    number, vector = jax.ShapeDtypeStruct((), float), jax.ShapeDtypeStruct((dim,), float)
    shown, z = jax.tree.map(lambda _: number, made), Players(vector, vector)
    q = [f"q[{k}]" for k in range(len(jax.tree.leaves(made)))]
    state = jax.eval_shape(lambda r, z: init(r, _Calls(), z), shown, z)
    keep = {f"{name}_{k}": 2 * dim for name in ("velocity", "project") for k in range(2 * dim)}

    def linear(r: Rule, state: State) -> tuple[Players, Pytree]:
        return r.at_rest.over_a_period(_Calls())(state.players, state.memory)

    def text(name: str, fn: Callable[..., Any], example: Pytree) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(example))
        program: Program = trace(fn, shown, example, keep=keep)
        return f"{name}(s,p,q,o){{{body(program, [*q, *(f's[{k}]' for k in range(count))])}}}"

    parts = [
        text("begin", lambda r, z: init(r, _Calls(), z), z),
        text("step", lambda r, s: step(r, _Calls(), s), state),
        text("linear", linear, state._replace(ema=None)),
    ]
    kinds = [np.dtype(leaf.dtype).kind for leaf in jax.tree.leaves(state) for _ in range(leaf.size)]
    whole = [k for k, kind in enumerate(kinds) if kind != "f"]
    return f"{{size:{len(kinds)},whole:{whole},make:(velocity,project,f)=>({{{','.join(parts)}}})}}"


# ---------------------------------------------------------------- parameters


def _choices(own: dict[str, Parameter]) -> list[dict[str, Any]]:
    """Every combination of flags, words, and numbers of critic steps."""
    values: dict[str, Sequence[Any]] = {}
    for n, p in own.items():
        if p.kind == "flag":
            values[n] = (False, True)
        elif p.kind == "choice":
            values[n] = p.choices
        elif p.kind == "integer":
            values[n] = CRITIC_STEPS if n == "n_critic" else (p.default,)
    return [
        dict(zip(values, picked, strict=True))
        for picked in itertools.product(*values.values())
        if not _idle(dict(zip(values, picked, strict=True)))
    ]


def _idle(words: dict[str, Any]) -> bool:
    """Critic steps count only where players take turns."""
    return not words.get("alternating", True) and words.get("n_critic", 1) != 1


def _key(words: dict[str, Any]) -> str:
    return ",".join(f"{n}={x}" for n, x in words.items())


def _parameter(p: Parameter, value: object) -> dict[str, Any]:
    """A parameter as the page draws it."""
    default = p.default if value is None else plain(value)
    shown = {"name": p.name, "symbol": SYMBOLS.get(p.name, p.name), "help": p.help}
    shown |= {"default": default, "usual": p.default}  # in the page, and in Python
    if p.kind == "choice":
        return shown | {"choices": list(p.choices)}
    if p.kind == "flag":
        return shown | {"choices": [False, True]}
    if p.kind == "integer":
        return shown | {"choices": list(CRITIC_STEPS) if p.name == "n_critic" else [p.default]}
    low, high, step = span(p, float(default or 0.0))
    shown |= {"min": low, "max": high, "step": step}
    if p.low is not None:
        shown["low"] = p.low + (1e-9 if p.open_low else 0.0)
    if p.high is not None:
        shown["high"] = p.high - (1e-9 if p.open_high else 0.0)
    return shown
