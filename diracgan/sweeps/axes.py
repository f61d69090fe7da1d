"""The axes of a sweep: what each name of a grid changes, and which values it may have."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..analysis.linear.parameter_handle import ParameterHandle, parameter_handle, settable
from ..analysis.linear.settings import LinearSettings
from ..errors import InputError, integer, number, unknown
from ..parameters import Parameter, parameters
from ..variants import modifiers

_START = re.compile(r"(phi0|theta0|x0)(?:\[(\d+)\]|\.(\d+))?")
_OF_RULES = ("lr", "lr_d", "lr_g", "lr_ratio", "ema", "n_critic", "beta")
_MOST_DIMENSIONS = 100_000


@dataclasses.dataclass(frozen=True)
class PointSetup:
    """A case in the making: the setup, the starts, the datum as numbers or arrays over points."""

    setup: LinearSettings
    phi: np.ndarray
    theta: np.ndarray
    x0: np.ndarray
    ema_tau: Any


@dataclasses.dataclass(frozen=True)
class Axis:
    """One thing that is varied.

    Attributes:
        name: what it is called.
        help: one line about it.
        loop: whether every value is a computation of its own (another program, or another datum).
        apply: (draft, value or array over points) -> what has changed.
        check: value -> the value in its proper type; raises InputError.
        words: whether its values are words.
        ratio: whether it keeps one of two rates, which must be there before.
        shown: whether the label of the variant or of the rule shows it.
    """

    name: str
    help: str
    loop: bool
    apply: Callable[[PointSetup, Any], PointSetup]
    check: Callable[[Any], Any]
    words: bool = False
    ratio: bool = False
    shown: bool = True


def components(names: Iterable[str]) -> list[int]:
    """The components of starts and of the datum that ``names`` turn.

    Example:
        >>> components(["phi0[2]", "lr", "theta0"])
        [2]
    """
    return [int(m[2] or m[3]) for n in names if (m := _START.fullmatch(n)) and (m[2] or m[3])]


def axis(name: str, draft: PointSetup, names: Sequence[str], followed: bool) -> Axis:
    """The axis ``name``, its effect tried once.

    Args:
        name: what the grid is called.
        draft: the point at which nothing has been changed yet.
        names: all axes.
        followed: whether runs are followed, which have one datum and one pair of rates.

    Raises:
        InputError: for a name that nothing answers to.
    """
    if name == "dim":
        return Axis(name, "dimension d", True, lambda d, x: d, _dimension, shown=False)
    if found := _START.fullmatch(name):
        return _of_start(name, found[1], found[2] or found[3], draft, names, followed)
    if name == "ema_tau" and draft.setup.rule is None:
        return Axis(
            name,
            "time constant of the weight average",
            False,
            lambda d, x: dataclasses.replace(d, ema_tau=x),
            lambda x: number("ema_tau", x, low=0, open_low=True),
            shown=False,
        )
    return _of_setup(name, draft, names, followed)


def _dimension(value: object) -> int:
    return integer("dim", value, low=1, high=_MOST_DIMENSIONS)


def _of_start(
    name: str, which: str, index: str | None, draft: PointSetup, names: Sequence[str], followed: bool
) -> Axis:
    field = {"phi0": "phi", "theta0": "theta", "x0": "x0"}[which]
    dim = len(draft.x0)
    k = None if index is None else int(index)
    if "dim" in names:
        raise InputError(f"the axes dim and {name} exclude each other: dim turns the default start")
    if k is not None and k >= dim:
        allowed = f"{which}[0] to {which}[{dim - 1}]" if dim > 1 else which
        raise InputError(f"{name} has no meaning for d = {dim}; allowed: {allowed}, or dim = {k + 1} or more")
    if k is None and dim > 1 and which != "x0":
        choices = ", ".join(f"{which}[{i}]" for i in range(min(dim, 4)))
        raise InputError(
            f"{which} has {dim} components; allowed: {choices}{', ...' if dim > 4 else ''}, or dim = 1"
        )

    def turn(d: PointSetup, value: object) -> PointSetup:
        value = np.atleast_1d(np.asarray(value, float))
        x = np.array(np.broadcast_to(getattr(d, field), (len(value), dim)))
        x[:, slice(None) if k is None else k] = value[:, None] if k is None else value
        return dataclasses.replace(d, **{field: x if np.size(value) > 1 or not loop else x[0]})

    loop = which == "x0" and followed  # an ensemble has one datum
    who = {"phi0": "the critic's start", "theta0": "the generator's start", "x0": "the datum"}[which]
    return Axis(name, who, loop, turn, lambda x: number(name, x), shown=False)


def _of_setup(name: str, draft: PointSetup, names: Sequence[str], followed: bool) -> Axis:
    if special := _of_structure(name, draft):
        return special
    found = _handle(name, draft, names)
    of_flow = found.owner == "flow"
    loop = found.is_integer or (followed and of_flow)

    def turn(d: PointSetup, value: object) -> PointSetup:
        return dataclasses.replace(d, setup=found.set(d.setup, value))

    def check(value: object) -> object:
        checked = dataclasses.replace(found.domain, name=name).check(value)
        turn(draft, checked)  # a loss may refuse what its domain allows
        return checked

    return Axis(name, found.about, loop, turn, check, ratio=found.is_ratio, shown=not of_flow)


def _handle(name: str, draft: PointSetup, names: Sequence[str]) -> ParameterHandle:
    if name == "gamma" and "r1" in names and parameter_handle(draft.setup, name).domain.name == "r1":
        raise InputError("gamma and r1 are the same weight here, that of R1; allowed: one of them as an axis")
    try:
        return parameter_handle(draft.setup, name)
    except InputError:
        bare = name.strip().replace("-", "_")
        known = settable(draft.setup)
        if bare in known or (draft.setup.rule is None and bare in _OF_RULES):
            raise
        every = {*known, *_structures(draft.setup), "x0", "dim"}
        dim = draft.phi.shape[-1]
        for start in ("phi0", "theta0"):
            every |= {start} if dim == 1 else {f"{start}[{i}]" for i in range(min(dim, 4))}
        raise unknown("axis", name, every | ({"ema_tau"} if draft.setup.rule is None else set())) from None


def _structures(around: LinearSettings) -> list[str]:
    """The flags and choices of the variant, its modifiers and the rule."""
    rule_class = [] if around.rule is None else [parameters(type(around.rule))]
    every = [parameters(type(around.variant)), modifiers(), *rule_class]
    return [n for known in every for n, p in known.items() if p.kind in ("flag", "choice")]


def _of_structure(name: str, draft: PointSetup) -> Axis | None:
    """A flag or a choice: of the variant, a modifier of it, or the rule."""
    v, r = draft.setup.variant, draft.setup.rule
    bare = name.partition(".")[2] if name.startswith(("variant.", "rule.")) else name
    own = {} if name.startswith("rule.") else parameters(type(v))
    added = {} if name.startswith("rule.") else modifiers()
    ruled = {} if r is None or name.startswith("variant.") else parameters(type(r))
    for known, change in (
        (own, lambda s, x: dataclasses.replace(s, variant=dataclasses.replace(s.variant, **{bare: x}))),
        (added, lambda s, x: dataclasses.replace(s, variant=s.variant.with_(**{bare: x}))),
        (ruled, lambda s, x: dataclasses.replace(s, rule=dataclasses.replace(s.rule, **{bare: x}))),
    ):
        domain = known.get(bare)
        if domain is not None and domain.kind in ("flag", "choice"):
            flag = domain.kind == "flag"

            def turn(
                d: PointSetup,
                value: object,
                change: Callable[[LinearSettings, object], LinearSettings] = change,
            ) -> PointSetup:
                return dataclasses.replace(d, setup=change(d.setup, value))

            def check(value: object, domain: Parameter = domain, flag: bool = flag) -> object:
                return domain.check(bool(value) if flag and value in (0.0, 1.0) else value)

            return Axis(name, domain.help, True, turn, check, words=not flag)
    return None
