"""The state of the page's controls as a scene, or what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError, Written, integer, number, unknown
from .limits import bounded
from .scene import LONGEST, MOST, Scene, affordable_scene, rule_of, start_of, variant_of
from .shipped import FILES

if TYPE_CHECKING:
    from ..parameters import Parameter

_WIDEST = 2.0  # a slider of a parameter without an upper bound ends here, or at four times its default


def load_files() -> None:
    """Register the variants and rules of the files that the command line named; the page itself opens none."""
    from ..registry import import_file

    for path in filter(None, os.environ.get(FILES, "").split(os.pathsep)):
        import_file(path, "registers a variant or a rule")


def known_of(name: str) -> dict[str, Parameter]:
    """The parameters that a variant (its penalties included) or a rule has in the page.

    Example:
        >>> list(known_of("alternating"))[:3]
        ['lr', 'lr_d', 'lr_g']
    """
    from ..parameters import parameters
    from ..rules import rule, rules
    from ..variants import modifiers, variant, variants

    if name in variants():
        return {**parameters(type(variant(name))), **modifiers()}
    if name not in rules():
        return {}
    return {n: p for n, p in parameters(type(rule(name))).items() if p.kind != "object"}


def span(p: Parameter, value: float) -> tuple[float, float, float]:
    """Where a slider begins, ends, and its step.

    Example:
        >>> span(known_of("ns")["r1"], 0.0)
        (0.0, 2.0, 0.01)
    """
    whole = p.kind == "integer"
    high = float(p.high) if p.high is not None else max(_WIDEST, 4.0 * abs(value))
    low = float(p.low) if p.low is not None else -high
    if whole:
        return low, max(high, low + 9.0), 1.0
    step = (high - low) / 200
    if p.open_low:
        low += step
    if p.open_high:
        high = max(high - step, value)
    return low, high, step


# ---------------- what was typed


def read(given: Mapping[str, Any]) -> tuple[Scene | None, dict[str, str]]:
    """Read what the controls hold.

    Args:
        given: ``variants`` (each with ``name`` and ``typed``, parameter -> text), ``rule`` (the same; "flow" for none),
            ``phi0``, ``theta0`` and ``length``; every value is text that anyone may have typed.

    Returns:
        The scene, or None, and what is wrong: key of the field -> one line.

    Example:
        >>> ns, start = {"name": "ns", "typed": {"r1": "-1"}}, {"phi0": "1", "theta0": "0", "length": "40"}
        >>> read({"variants": [ns], "rule": {"name": "flow"}, **start})[1]
        {'0.r1': 'r1 = -1 is out of range; allowed: finite numbers >= 0'}
    """
    from ..variants import variants

    wrong: dict[str, str] = {}
    if not _is_state(given):
        return None, {"0": "what the page sent is not a state of its controls"}
    chosen = given.get("variants") or []
    if not 1 <= len(chosen) <= MOST:
        wrong["0"] = f"{len(chosen)} variants; allowed: 1 to {MOST}"
    specs = [_spec(f"{i}", own, variants(), variant_of, wrong) for i, own in enumerate(chosen[:MOST])]
    moved = given.get("rule") or {}
    flow = moved.get("name") == "flow"
    rule = "" if flow else _rule(moved, wrong)
    place = {n: _noted(n, wrong, start_of, n, given.get(n, "")) for n in ("phi0", "theta0")}
    phi0, theta0 = place["phi0"], place["theta0"]
    if phi0 and theta0 and len(phi0) != len(theta0):
        wrong["theta0"] = (
            f"theta0 has {len(theta0)} numbers and phi0 has {len(phi0)}; allowed: as many, 1 or 2"
        )
    length = _noted("length", wrong, _length, given.get("length", ""), flow)
    if wrong:
        return None, wrong
    shown = _noted("length", wrong, affordable_scene, Scene(tuple(specs), rule, phi0, theta0, length))
    return shown, wrong


def _is_state(given: Mapping[str, Any]) -> bool:
    """Whether ``given`` has the shape of what the controls hold; its words may still be anything."""
    variants = given.get("variants") or []
    if not isinstance(variants, list):
        return False
    panels = [*variants, given.get("rule") or {}]
    return all(isinstance(p, Mapping) and isinstance(p.get("typed") or {}, Mapping) for p in panels)


def spec(name: str, values: Mapping[str, Any]) -> str:
    """NAME[:k=v,...] with what differs from the defaults.

    Example:
        >>> spec("ns", {"l2": 0.0, "r1": 0.3}), spec("alternating", {"lr": 0.1, "n_critic": 5})
        ('ns:r1=0.3', 'alternating:n_critic=5')
    """
    usual = {k: p.default for k, p in known_of(name).items()}
    parts = [
        f"{k}={_text(x)}"
        for k, x in values.items()
        if x is not None and str(x) != str(usual.get(k)) and not _same(x, usual.get(k))
    ]
    return f"{name}:{','.join(parts)}" if parts else name


def _rule(moved: Mapping[str, Any], wrong: dict[str, str]) -> str:
    from ..rules import rules

    return _spec("rule", moved, rules(), rule_of, wrong)


def _spec(
    key: str,
    own: Mapping[str, Any],
    names: Mapping[str, str],
    make: Callable[[str], Any],
    wrong: dict[str, str],
) -> str:
    """NAME[:k=v,...] of what one panel holds; what is wrong is noted under the key of its field."""
    name = str(own.get("name"))
    if name not in names:
        wrong[key] = str(unknown("rule" if key == "rule" else "variant", name, names))
        return ""
    known, values = known_of(name), {}
    for n, typed in (own.get("typed") or {}).items():
        if n not in known:
            wrong[key] = str(unknown(f"parameter of {name}", n, known))
        else:
            values[n] = _noted(f"{key}.{n}", wrong, _checked, known[n], Written(typed) or None)
    made = spec(name, values)
    if not any(k.partition(".")[0] == key for k in wrong):
        _noted(key, wrong, make, made)
    return made


def _checked(p: Parameter, typed: str | None) -> Any:
    value = p.check(typed)
    bounded({p.name: value})
    return value


def _noted(key: str, wrong: dict[str, str], check: Callable[..., Any], *given: Any) -> Any:
    try:
        return check(*given)
    except InputError as error:
        wrong[key] = str(error)
        return None


def _length(typed: object, flow: bool) -> float:
    name = "end time" if flow else "steps"
    if str(typed).strip() == "":
        raise InputError(f"{name} needs a value; allowed: {name} > 0")
    if flow:
        return number(name, Written(typed), low=0, open_low=True, high=LONGEST["flow"])
    number(name, Written(typed), low=1, high=LONGEST["steps"])
    return float(integer(name, Written(typed), low=1))


def _same(a: Any, b: Any) -> bool:
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float))
    return numbers and abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-9)


def _text(x: object) -> str:
    return f"{x:.10g}" if isinstance(x, (int, float)) and not isinstance(x, bool) else str(x)
