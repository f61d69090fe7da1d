"""A parameter of a variant, a penalty, a rule or the flow, by name: its domain, and how it is set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from ...errors import InputError, unknown, word
from ...game import Players
from ...parameters import Parameter, parameters
from ...rules import Rule
from ...variants import modifiers
from .settings import LinearSettings


@dataclasses.dataclass(frozen=True)
class ParameterHandle:
    """One number of the settings that can be set.

    Attributes:
        name: as it was asked for.
        owner: whose it is: "variant", "rule" or "flow".
        own_name: what its owner calls it.
        domain: what is allowed.
        set: (settings, value) -> the settings with that value.
        now: its present value, or None.
    """

    name: str
    owner: str
    own_name: str
    domain: Parameter
    set: Callable[[LinearSettings, Any], LinearSettings]
    now: Any

    @property
    def about(self) -> str:
        """One line about it."""
        weight = "weight of R1: " if self.domain.name == "r1" else ""
        return f"{weight}{self.domain.help}"

    @property
    def is_integer(self) -> bool:
        """Whether only integers are allowed."""
        return self.domain.kind == "integer"

    @property
    def is_ratio(self) -> bool:
        """Whether it is one of two rates over the other, which it keeps, so that it is set after both."""
        return self.own_name in ("lr_ratio", "rate_ratio")


def set_all(
    around: LinearSettings, handles: Iterable[ParameterHandle], values: Iterable[Any]
) -> LinearSettings:
    """The settings with these values of several numbers, ratios last: they are kept as what they make of the others.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> around = settings(dg.variant("ns"), dg.rule("simultaneous"))
        >>> handles = [parameter_handle(around, name) for name in ("lr_ratio", "lr")]
        >>> set_all(around, handles, [2.0, 0.5]).rule.label
        'simultaneous(lr=0.5, lr_d=1, lr_g=0.5)'
    """
    pairs = zip(handles, values, strict=True)
    for handle, value in sorted(pairs, key=lambda pair: pair[0].is_ratio):
        around = handle.set(around, value)
    return around


def parameter_handle(around: LinearSettings, name: str) -> ParameterHandle:
    """The number called ``name``: of the variant, a penalty or transform on it, the rule, or the flow's rates.

    Args:
        around: the settings that are asked about.
        name: e.g. ``"r1"``, ``"lr"``, ``"lr_ratio"`` (lr_d / lr_g, lr_g kept), ``"rate_ratio"``, ``"n_critic"``; where
            a variant and its rule share a name, ``"variant.NAME"`` or ``"rule.NAME"``; of a rule inside a rule
            ``"inner.beta"``. ``"gamma"`` is the weight of R1, ``"r1"``, where nothing else is called so.

    Raises:
        InputError: for an unknown name, one that is not a number, or one that decides nothing.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> parameter_handle(settings(dg.variant("ns")), "r1").domain.low
        0.0
    """
    wanted = word("parameter", name).strip().replace("-", "_")
    found = _entries(around)
    hits = [k for k in found if k == wanted or k.partition(".")[2] == wanted]
    if not hits and wanted == "gamma":
        hits = ["variant.r1"]
    if len(hits) > 1:
        raise InputError(f"{name!r} names several numbers; allowed: {', '.join(sorted(hits))}")
    if not hits:
        if around.rule is None and wanted in ("lr", "lr_d", "lr_g", "lr_ratio", "ema", "n_critic", "beta"):
            raise InputError(f"{wanted} belongs to a rule; give one, or ask for rate_d, rate_g or rate_ratio")
        raise unknown("parameter", name, _numbers_in(found))
    if wanted == "lr" and around.rule is not None and None not in (around.rule.lr_d, around.rule.lr_g):
        raise InputError("lr decides nothing while lr_d and lr_g are given; allowed: lr_d, lr_g, lr_ratio")
    domain, setter, now = found[hits[0]]
    if domain.kind not in ("number", "integer"):
        raise InputError(
            f"{name} is a {domain.kind}, not a number; allowed: parameters with a numerical value"
        )
    owner, _, own_name = hits[0].partition(".")
    return ParameterHandle(wanted, owner, own_name, domain, setter, now)


def settable(around: LinearSettings) -> set[str]:
    """The names that :func:`parameter_handle` knows.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> sorted(settable(settings(dg.variant("ns"))) & {"gamma", "r1", "lr", "rate_d"})
        ['gamma', 'r1', 'rate_d']
    """
    return _numbers_in(_entries(around))


def _numbers_in(found: dict[str, _Entry]) -> set[str]:
    return {"gamma"} | {
        k.partition(".")[2] for k, (p, _, _) in found.items() if p.kind in ("number", "integer")
    }


_Entry = tuple[Parameter, Callable[[LinearSettings, Any], LinearSettings], Any]


def _entries(around: LinearSettings) -> dict[str, _Entry]:
    return {**_of_flow(around), **_of_rule(around), **_of_variant(around)}


def _of_variant(around: LinearSettings) -> dict[str, _Entry]:
    v = around.variant

    def own(name: str) -> Callable[[LinearSettings, Any], LinearSettings]:
        return lambda s, x: dataclasses.replace(s, variant=dataclasses.replace(s.variant, **{name: x}))

    def added(name: str) -> Callable[[LinearSettings, Any], LinearSettings]:
        return lambda s, x: dataclasses.replace(s, variant=s.variant.with_(**{name: x}))

    found: dict[str, _Entry] = {}
    for n, p in parameters(type(v)).items():
        found[f"variant.{n}"] = (p, own(n), getattr(v, n))
    for n, p in modifiers().items():
        if f"variant.{n}" not in found:
            found[f"variant.{n}"] = (p, added(n), v.modifications.get(n))
    return found


def _of_rule(around: LinearSettings) -> dict[str, _Entry]:
    rule = around.rule
    if rule is None:
        return {}

    found: dict[str, _Entry] = {}
    for path, (p, change, now) in _numbers(rule).items():

        def setter(
            s: LinearSettings, x: object, change: Callable[[Any, Any], Any] = change
        ) -> LinearSettings:
            return dataclasses.replace(s, rule=change(s.rule, x))

        found[f"rule.{path}"] = (p, setter, now)
    return found


def _numbers(rule: Rule) -> dict[str, tuple[Parameter, Callable[[Any, Any], Any], Any]]:
    """The parameters of a rule, those of a rule inside it as ``inner.NAME``, and the ratio of its learning
    rates."""
    found: dict[str, tuple[Parameter, Callable[[Any, Any], Any], Any]] = {}
    for n, p in parameters(type(rule)).items():
        now = getattr(rule, n)
        if isinstance(now, Rule):
            shared = parameters(Rule)  # the learning rates are the outer rule's
            for below, (q, change, value) in _numbers(now).items():
                if below in shared or below == "lr_ratio":
                    continue
                found[f"{n}.{below}"] = (
                    q,
                    lambda r, x, n=n, change=change: dataclasses.replace(r, **{n: change(getattr(r, n), x)}),
                    value,
                )
            continue
        found[n] = (p, lambda r, x, n=n: dataclasses.replace(r, **{n: x}), now)
    ratio = Parameter("lr_ratio", None, low=0.0, open_low=True, help="lr_d / lr_g, with lr_g kept")
    if "lr" in found:
        found["lr_ratio"] = (
            ratio,
            lambda r, x: dataclasses.replace(r, lr_d=x * r.rates.theta, lr_g=r.rates.theta),
            rule.rates.phi / rule.rates.theta,
        )
    return found


def _of_flow(around: LinearSettings) -> dict[str, _Entry]:
    if around.rule is not None:
        return {}
    rate = Parameter("rate", 1.0, low=0.0, open_low=True)

    def setter(make: Callable[[Players, float], Players]) -> Callable[[LinearSettings, Any], LinearSettings]:
        return lambda s, x: dataclasses.replace(s, rates=make(s.rates, x))

    phi, theta = around.rates
    return {
        "flow.rate_d": (rate, setter(lambda r, x: r._replace(phi=x)), phi),
        "flow.rate_g": (rate, setter(lambda r, x: r._replace(theta=x)), theta),
        "flow.rate_ratio": (rate, setter(lambda r, x: r._replace(phi=x * r.theta)), phi / theta),
    }
