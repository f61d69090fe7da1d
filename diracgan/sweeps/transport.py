"""A specification serialised for another process, and back."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..game import Players
from ..parameters import Parametric
from ..registry import source
from ..rules import Rule, rule
from ..variants import build, parse
from .provenance import listed
from .quantities import function, quantities
from .quantity import QUANTITIES, Quantity
from .settings import RunSettings
from .specification import Specification, Start, question


def packed(specification: Specification) -> tuple[str, tuple[Any, ...]]:
    """The question as text for another process, and the functions that must travel with it.

    Raises:
        InputError: for a variant or a rule that another process cannot make.
    """
    plan = {
        "variant": _packed(specification.variant, "variant"),
        "rule": None if specification.rule is None else _packed(specification.rule, "rule"),
        "start": {n: listed(x) for n, x in dataclasses.asdict(specification.start).items()},
        "rates": [float(r) for r in specification.rates],
        "axes": [a.name for a in specification.axes],
        "quantities": [q.name for q in specification.quantities],
        "settings": dataclasses.asdict(specification.settings),
    }
    return json.dumps(plan), tuple(_sent(q) for q in specification.quantities)


def unpacked(text: str, functions: Sequence[Any]) -> Specification:
    """The question that :func:`packed` sent."""
    plan = json.loads(text)
    wanted = [
        QUANTITIES[name] if sent is None else dataclasses.replace(quantities(_received(sent))[0], name=name)
        for name, sent in zip(plan["quantities"], functions, strict=True)
    ]
    made = _unpacked(plan["rule"]) if plan["rule"] else None
    start, rates, settings = Start(**plan["start"]), Players(*plan["rates"]), RunSettings(**plan["settings"])
    return question(
        _unpacked(plan["variant"]),
        made,
        start=start,
        rates=rates,
        names=plan["axes"],
        quantities=tuple(wanted),
        settings=settings,
    )


def origin(thing: Any, name: str) -> str:
    """The words by which a worker finds what is called ``name``: of a package, or of a file, which it may lie beside.

    Raises:
        InputError: for what was typed into a session: no worker can import it.
    """
    home = sys.modules.get(thing.__module__)
    package = getattr(home, "__package__", "") and thing.__module__ != "__main__"
    if package or thing.__module__.split(".")[0] == "diracgan":
        return source(thing, name)
    file = getattr(home, "__file__", None)
    if file is None:
        raise InputError(
            f"{thing.__qualname__!r} was defined in a session, where workers cannot find it; put it into a file"
        )
    return f"{Path(file).resolve()}:{name}"


def _packed(thing: Parametric, kind: str) -> dict[str, Any]:
    cls = type(thing)
    if not cls.name:
        raise InputError(f"{cls.__name__} has no name by which workers could make it; register it")
    if isinstance(thing, Rule) and not thing.is_made_by_name:
        raise InputError(
            "a rule made of optax transformations cannot be sent to workers; run without a scheduler"
        )
    values = {n: _packed(x, "rule") if isinstance(x, Rule) else x for n, x in thing.hyperparameters.items()}
    return {"kind": kind, "name": origin(cls, cls.name), "values": values}


def _unpacked(packed: dict[str, Any]) -> Any:
    values = {n: _unpacked(x) if isinstance(x, dict) else x for n, x in packed["values"].items()}
    name = packed["name"]
    return build(type(parse(name)), values) if packed["kind"] == "variant" else rule(name, **values)


def _sent(q: Quantity) -> Any:
    """A user's function as a place where workers find it, or itself where there is none."""
    if q.function is None:
        return None
    name = getattr(q.function, "__qualname__", "")
    try:
        spec = origin(q.function, name)
    except (InputError, AttributeError):
        return q.function
    return spec if ":" in spec and name.isidentifier() else q.function


def _received(sent: Any) -> Any:
    return sent if callable(sent) else function(sent)
