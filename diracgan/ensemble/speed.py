"""This machine's speed beside the committed benchmark figures (``speed.toml``)."""

from __future__ import annotations

import dataclasses
import time
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import jax
import numpy as np

from ..errors import unknown
from ..rules import Rule
from ..rules.registry import rule
from ..variants import Variant
from ..variants.registry import variant
from .api import ensemble
from .blocks import choose
from .spectra import spectra

_FEWER = 6  # times that a quick measurement is smaller: large enough for compiled C


class SpeedFigure(NamedTuple):
    """How fast one thing is.

    Attributes:
        name: what.
        rate: of this machine.
        unit: of what a second.
        engine: what computed it.
        committed: machine -> its rate.
    """

    name: str
    rate: float
    unit: str
    engine: str
    committed: dict[str, float]


@dataclasses.dataclass(frozen=True)
class _Case:
    """What is measured: ``work(count)`` makes ``count`` times ``each`` units and says what computed them."""

    count: int
    each: int
    unit: str
    work: Callable[[int], str]


def _follow(count: int, dim: int = 2, **how: Any) -> str:
    ns: Variant = variant("ns")
    starts = np.random.default_rng(0).normal(size=(2, count, dim))
    return str(ensemble(ns, *starts, **how).attrs["engine"])


def _rule() -> Rule:
    return rule("alternating", lr=0.01)


def _spectra(count: int) -> str:
    family = dataclasses.replace(variant("wgan-gp", c=0.0), lam=np.linspace(0.1, 3.0, count))
    return "closed form" if spectra(family, count).closed else "LAPACK"


CASES = {
    "rk4 float32": _Case(131_072, 1000, "steps", lambda n: _follow(n, t1=10.0, dtype="float32")),
    "rk4 float64": _Case(131_072, 1000, "steps", lambda n: _follow(n, t1=10.0)),
    "adaptive": _Case(131_072, 1, "runs", lambda n: _follow(n, t1=40.0, adaptive=True)),
    "alternating": _Case(100_352, 10_000, "steps", lambda n: _follow(n, dim=1, rule=_rule(), steps=10_000)),
    "spectra": _Case(1_000_000, 1, "spectra", _spectra),
}
"""Name -> what is measured: ns in d = 2 (the rule in d = 1), as in the benchmarks."""


def machine() -> str:
    """What computes here.

    Example:
        >>> machine() != ""
        True
    """
    where = choose(None)
    kind = where.devices[0].device_kind
    return f"{where.workers} cores" if where.platform == "cpu" else f"{where.workers} x {kind}"


def committed() -> dict[str, dict[str, float]]:
    """Machine -> name -> its rate, as measured without other work.

    Example:
        >>> sorted(committed()["two cores with AVX-512"])
        ['adaptive', 'alternating', 'rk4 float32', 'rk4 float64', 'spectra']
    """
    return tomllib.loads(files("diracgan.ensemble").joinpath("speed.toml").read_text())


def measured(names: Sequence[str] = (), *, quick: bool = False, repeats: int = 3) -> list[SpeedFigure]:
    """The best of a few runs of every case, compiled before.

    Args:
        names: some of :data:`CASES`; none for all.
        quick: a sixth of the trajectories.
        repeats: runs.

    Raises:
        InputError: for a name that is not a case.
    """
    for name in names:
        if name not in CASES:
            raise unknown("measurement", name, CASES)
    known, found = committed(), []
    for name in names or CASES:
        case, best, engine = CASES[name], float("inf"), ""
        count = max(1, case.count // (_FEWER if quick else 1))
        for k in range(repeats + 1):
            began = time.perf_counter()
            engine = case.work(count)
            if k:
                best = min(best, time.perf_counter() - began)
        others = {where: rates[name] for where, rates in known.items() if name in rates}
        found.append(SpeedFigure(name, count * case.each / best, case.unit, engine, others))
    return found


def versions() -> str:
    """The versions that speed depends on.

    Example:
        >>> versions().startswith("jax ")
        True
    """
    return f"jax {jax.__version__}, numpy {np.__version__}"
