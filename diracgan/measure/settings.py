"""Other settings of a run: ``lr=2e-3,batch=256`` applied to its rule, variant and batch size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InputError, integer, number, shown, unknown
from ..parameters import parameters, text
from ..registry import settings as read_settings
from ..rules import Rule
from ..variants import Variant, with_values
from ..variants.penalties import modifiers

# the largest minibatch, or so many times the run's own: 512 are drawn, for minutes, of ever less noise
_MOST_BATCH, _MOST_TIMES = 4096, 4
_KEPT = ("lazy", "note")  # what an optimiser remembers, or what it is called, hangs on these


class Setting(NamedTuple):
    """What a run is made under: a rule, a variant and a batch size.

    Attributes:
        label: what was changed, in words; ``"as it is"`` of nothing.
        rule: how the players move.
        variant: what is minimised; None of a user's own losses.
        batch: samples in a minibatch; 0 of batches that are given.
        ema: decay of the generator's average, or None.
        other_gradients: whether the gradients' distribution differs from that of the run.
    """

    label: str
    rule: Rule
    variant: Variant | None
    batch: int
    ema: float | None
    other_gradients: bool = False


def changed(now: Setting, given: Mapping[str, Any] | str) -> Setting:
    """The setting with what is named replaced.

    Args:
        now: the run's own.
        given: ``"lr=2e-3,batch=256"`` or a mapping, in any order: parameters of the rule (``lr`` is the generator's
            rate, and the critic's follows in their ratio), ``ratio`` (lr_d/lr_g at the generator's rate), ``batch``,
            ``ema``, the variant's parameters and penalties (``gamma`` for ``r1``).

    Raises:
        InputError: for a name that is not a setting here, naming the nearest one, or a value that is not allowed.

    Example:
        >>> import diracgan as dg
        >>> now = Setting("as it is", dg.rule("adam", lr=1e-3), dg.variant("ns"), 64, None)
        >>> changed(now, "lr=2e-3,r1=0.1").variant.label
        'ns + r1=0.1'
    """
    if not isinstance(given, str | Mapping):
        raise InputError(f'{shown(given)} is not a setting; allowed: "lr=2e-3,batch=256", or a mapping')
    wanted = read_settings(given) if isinstance(given, str) else dict(given)
    of_loss = {} if now.variant is None else parameters(type(now.variant))
    if "gamma" not in of_loss:  # else R1's weight goes by that name
        wanted = {"r1" if n == "gamma" else n: x for n, x in wanted.items()}
    if not wanted:
        raise InputError("a setting is empty; allowed: name=value, separated by commas")
    own = [n for n in parameters(type(now.rule)) if n not in _KEPT]
    if not now.rule.lr_sets_steps:
        own = [n for n in own if n in ("n_critic", "alternating")]
    rates = "lr_g" in own
    for_variant = {} if now.variant is None else {**of_loss, **modifiers()}
    known = [*own, *(["ratio"] if rates else []), *(["batch"] if now.batch else []), *for_variant]
    moves: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "batch" and now.batch:
            size = integer("batch", value, low=1, high=max(_MOST_BATCH, _MOST_TIMES * now.batch))
            now = now._replace(batch=size, other_gradients=now.other_gradients or size != now.batch)
        elif name == "ema" and now.batch:
            now = now._replace(ema=number("ema", value, low=0.0, high=1.0, open_high=True))
        elif name == "ratio" and rates:
            moves["ratio"] = number("ratio", value, low=0.0, open_low=True)
        elif name in own:
            moves[name] = parameters(type(now.rule))[name].check(value)
        elif now.variant is not None and name in for_variant:
            now = now._replace(variant=with_values(now.variant, {name: value}), other_gradients=True)
        else:
            raise unknown("setting", name, known)
    said = ", ".join(f"{n}={text(x)}" for n, x in wanted.items())
    return now._replace(rule=_moved_by(now.rule, **moves), label=said)


def _moved_by(rule: Rule, *, ratio: float | None = None, **given: Any) -> Rule:
    """The rule with these parameters, all at once: one may be allowed only with another."""
    if ratio is not None and given.get("lr_d") is not None:
        raise InputError("lr_d and ratio both set the critic's rate; allowed: one of them")
    if "lr" in given:
        given = {**_rates(rule, given["lr"]), **{n: x for n, x in given.items() if n != "lr"}}
    if given:
        rule = dataclasses.replace(rule, **given)
    if ratio is None:
        return rule
    return dataclasses.replace(rule, lr_g=rule.rates.theta, lr_d=ratio * rule.rates.theta)


def _rates(rule: Rule, lr: float) -> dict[str, Any]:
    """The rates that are the rule's own, with the generator's ``lr`` and the critic's in their ratio."""
    if rule.lr_d is None and rule.lr_g is None:
        return {"lr": lr}
    factor = lr / float(rule.rates.theta)
    held = {n: getattr(rule, n) for n in ("lr", "lr_d", "lr_g")}
    return {n: factor * x for n, x in held.items() if x is not None}
