"""Claim D, scored: forecasts against runs, and beside every figure what guessing would have reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from ..measure.forecast import ForecastStatus
from .forecast_records import CriticalRecord, ForecastRecord, SpreadRow
from .forecast_runs import NOW
from .statistics import auc, auc_interval, interval

Guess = Literal["forecast", "constant", "root", "shuffled", "persistence"]
GUESSES: tuple[Guess, ...] = ("forecast", "constant", "root", "shuffled", "persistence")


def scored(
    records: Sequence[ForecastRecord | CriticalRecord], how: dict[str, Any], missing: list[dict[str, Any]]
) -> dict[str, Any]:
    """What claim D says: spreads, orders of settings, blow-ups, frequencies and critical values.

    Args:
        records: of every design.
        how: the protocol's section.
        missing: what was not run, and why.
    """
    settings = [r for r in records if r["kind"] == "setting"]
    limits = [r for r in records if r["kind"] == "critical"]
    statuses = [r["status"] for r in settings]
    return {
        "claim": "the next iterations of a run, forecast from one checkpoint",
        "statuses": {s: statuses.count(s) for s in sorted(set(statuses))},
        "spread": spreads(settings, how),
        "settings": orders(settings, how),
        "blow_ups": blow_ups(settings, how),
        "frequency": frequencies(settings, how),
        "critical": {
            name: critical([r for r in limits if r["parameter"] == name], how)
            for name in dict.fromkeys(r["parameter"] for r in limits)
        },
        "not_covered": missing,
        "runs": records,
    }


def stands(r: ForecastRecord) -> bool:
    """Whether a run has a spread, and a forecast of it that stands by itself; the others are counted."""
    return r["measured"]["finite"] and r["status"] == ForecastStatus.SPREADS


def errors(pairs: Iterable[tuple[float, float]], within: float) -> dict[str, Any]:
    """|guess/measured - 1|: its median, its 90 % quantile, how many are within a bound, of how many.

    Example:
        >>> found = errors([(1.1, 1.0), (2.0, 1.0)], within=0.4)
        >>> round(found["median"], 2), found["within"]["agree"], found["within"]["of"]
        (0.55, 1, 2)
    """
    both = np.array(list(pairs), float).reshape(-1, 2)
    if not len(both):
        return {"median": None, "ninety": None, "within": interval([])}
    with np.errstate(divide="ignore", invalid="ignore"):  # what was measured may stand still
        e = np.nan_to_num(np.abs(both[:, 0] / both[:, 1] - 1.0), nan=np.inf, posinf=np.inf)
        quantiles = np.nan_to_num(np.quantile(e, [0.5, 0.9]), nan=np.inf, posinf=np.inf)
    return {
        "median": float(quantiles[0]),
        "ninety": float(quantiles[1]),
        "within": interval(e <= within),
    }


# ---------------- spreads


def spreads(records: Sequence[ForecastRecord], how: dict[str, Any]) -> dict[str, Any]:
    """Every series under every setting, against the forecast and four guesses; apart for each group and series."""
    rows = [row for r in records if stands(r) for row in _rows(r, records, how)]

    def by(mine: Sequence[SpreadRow]) -> dict[str, Any]:
        found: dict[str, Any] = {
            g: errors([(guess, x["measured"]) for x in mine if (guess := x[g]) is not None], how["wide"])
            for g in GUESSES
        }
        return found | {"inside": interval(x["inside"] for x in mine)}

    def apart(key: Literal["series", "setting", "group"], mine: Sequence[SpreadRow]) -> dict[str, Any]:
        return {n: by([x for x in mine if x[key] == n]) for n in dict.fromkeys(x[key] for x in mine)}

    own = [x for x in rows if x["setting"] == NOW]
    return {
        **by(rows),
        "as it is": by(own),
        "per_series": apart("series", rows),
        "per_setting": apart("setting", rows),
        "per_group": apart("group", rows),
    }


def _rows(r: ForecastRecord, records: Sequence[ForecastRecord], how: dict[str, Any]) -> list[SpreadRow]:
    """One row per series: what was forecast and measured, and what guesses say that know other checkpoints."""
    others = [x for x in records if x["group"] == r["group"] and _checkpoint(x) != _checkpoint(r)]
    usual = [x for x in others if x["setting"] == NOW and x["measured"]["finite"]]
    twins = [x for x in others if x["setting"] == r["setting"] and x["status"] != ForecastStatus.UNSTABLE]
    start = next(x for x in records if _checkpoint(x) == _checkpoint(r) and x["setting"] == NOW)
    rows: list[SpreadRow] = []
    for j, name in enumerate(how["series"]):
        if name not in r["forecast"]:
            continue
        got, said = r["measured"]["spread"][j], r["forecast"][name]
        constant = float(np.median([x["measured"]["spread"][j] for x in usual])) if usual else None
        ratio = np.sqrt(r["lr_over_batch"] / start["lr_over_batch"])
        rows.append(
            {
                "series": name,
                "setting": r["setting"],
                "group": r["group"],
                "measured": got,
                "forecast": said["spread"],
                "constant": constant,
                "root": None if constant is None else constant * ratio,
                "shuffled": twins[0]["forecast"][name]["spread"] if twins else None,
                "persistence": r["before"]["spread"][j] if r["before"]["finite"] else None,
                "inside": bool(said["spread_low"] <= got <= said["spread_high"]),
            }
        )
    return rows


def _checkpoint(r: ForecastRecord) -> tuple[str, str, int]:
    return r["group"], r["variant"], r["seed"]


def _checkpoints(records: Sequence[ForecastRecord]) -> list[list[ForecastRecord]]:
    by: dict[tuple[str, str, int], list[ForecastRecord]] = {}
    for r in records:
        by.setdefault(_checkpoint(r), []).append(r)
    return list(by.values())


# ---------------- the order of settings


def orders(records: Sequence[ForecastRecord], how: dict[str, Any]) -> dict[str, Any]:
    """Of two settings from one checkpoint, which spreads further: hard pairs and obvious ones apart.

    A pair is hard where its forecast spreads differ by less than ``hard``; one whose measured spreads differ by less
    than ``clear`` is left out. sqrt(lr/batch) answers the hard ones too, by a coin where it says nothing.
    """
    hard, obvious, guessed, mixed = [], [], [], []
    coin = np.random.default_rng(0)
    for mine in _checkpoints([r for r in records if stands(r)]):
        for name in how["pairs"]:
            j = how["series"].index(name)
            seen = [
                (r["forecast"][name]["spread"], r["measured"]["spread"][j], r["lr_over_batch"]) for r in mine
            ]
            for a, one in enumerate(seen):
                for other in seen[:a]:
                    (f, x, q), (f2, x2, q2) = one, other
                    if max(x, x2) < how["clear"] * min(x, x2):
                        continue
                    right = (f > f2) == (x > x2)
                    if max(f, f2) >= how["hard"] * min(f, f2):
                        obvious.append(right)
                        continue
                    hard.append(right)
                    guessed.append((q > q2) == (x > x2) if q != q2 else bool(coin.integers(2)))
                    k = int(coin.integers(len(seen)))
                    mixed.append((f > seen[k][0]) == (x > x2))
    return {
        "hard": interval(hard),
        "hard, by sqrt(lr/batch)": interval(guessed),
        "hard, shuffled": interval(mixed),
        "obvious": interval(obvious),
    }


# ---------------- blow-ups


def blow_ups(records: Sequence[ForecastRecord], how: dict[str, Any]) -> dict[str, Any]:
    """Growth of the leading turning multiplier against what blew up, among the settings of the ladder."""
    growth, rate, blown, unstable, origin = [], [], [], [], []
    for mine in _checkpoints(records):
        start = next(r for r in mine if r["setting"] == NOW)
        for r in (r for r in mine if r["setting"] in how["ladder"]):
            growth.append(r["growth"] or 0.0)
            rate.append(r["lr_over_batch"])
            blown.append(_blew_up(r, start, how))
            unstable.append(r["status"] == ForecastStatus.UNSTABLE)
            origin.append(_checkpoint(r))
    shuffled = list(np.random.default_rng(0).permutation(growth))
    often = [b == (2 * sum(blown) > len(blown)) for b in blown]
    count = how["permutations"]
    return {
        "blown": sum(blown),
        "of": len(blown),
        "forecast": auc(growth, blown, count) | auc_interval(growth, blown, origin),
        "root": auc(rate, blown, count) | auc_interval(rate, blown, origin),
        "shuffled": auc(shuffled, blown, count),
        "called": interval(u == b for u, b in zip(unstable, blown, strict=True)),
        "found": interval(u for u, b in zip(unstable, blown, strict=True) if b),
        "false_alarms": interval(u for u, b in zip(unstable, blown, strict=True) if not b),
        "constant": interval(often),
    }


def _blew_up(r: ForecastRecord, start: ForecastRecord, how: dict[str, Any]) -> bool:
    if not r["measured"]["finite"]:
        return True
    if not start["measured"]["finite"]:  # nothing to be compared with
        return False
    watched = [how["series"].index(n) for n in how["pairs"]]
    return any(r["measured"]["spread"][j] > how["blow_up"] * start["measured"]["spread"][j] for j in watched)


# ---------------- frequencies


def frequencies(records: Sequence[ForecastRecord], how: dict[str, Any]) -> dict[str, Any]:
    """Mean frequency and peak of the series that oscillate beyond their surrogates, and the shuffled control."""
    kept = [
        (j, name, r)
        for r in records
        if stands(r)
        for j, name in enumerate(how["series"])
        if name in how["pairs"] and r["measured"]["oscillates"][j]
    ]

    def by(what: Literal["mean_frequency", "frequency"]) -> dict[str, Any]:
        pairs = [(n, r["forecast"][n][what], r["measured"][what][j]) for j, n, r in kept]
        pairs = [(n, f, g) for n, f, g in pairs if g is not None]
        mixed = _turned(pairs)
        constant = [(n, float(np.median([g for m, _, g in pairs if m == n])), g) for n, _, g in pairs]
        return {
            "within": interval(map(_near(how), pairs)),
            "median": float(np.median([abs((f or np.inf) / g - 1) for _, f, g in pairs])) if pairs else None,
            "shuffled": interval(map(_near(how), mixed)),
            "constant": interval(map(_near(how), constant)),
        }

    return {"mean_frequency": by("mean_frequency"), "peak": by("frequency")}


def _near(how: dict[str, Any]) -> Callable[[tuple[str, float | None, float]], bool]:
    return lambda pair: pair[1] is not None and abs(pair[1] / pair[2] - 1) <= how["frequency"]


def _turned(pairs: list[tuple[str, float | None, float]]) -> list[tuple[str, float | None, float]]:
    """Every measured frequency beside the next run's forecast of the same series."""
    found = []
    for name in dict.fromkeys(n for n, _, _ in pairs):
        own = [(f, g) for n, f, g in pairs if n == name]
        found += [(name, own[(i + 1) % len(own)][0], g) for i, (_, g) in enumerate(own) if len(own) > 1]
    return found


# ---------------- critical values


def critical(records: Sequence[CriticalRecord], how: dict[str, Any]) -> dict[str, Any]:
    """Predicted critical values against those of bisected runs, on lr or on 1 - beta1.

    What the search or the runs leave open counts as wrong, unless both do. ``constant`` is the median of the other
    checkpoints' measured ones, ``shuffled`` another checkpoint's prediction.
    """
    unit: Callable[[float], float] = (lambda b: 1.0 - b) if records[0]["parameter"] == "beta1" else float
    rows = [(r["predicted"], r["measured"]) for r in records]
    values = [(None if p is None else unit(p), None if m is None else unit(m)) for p, m in rows]

    def near(p: float | None, m: float | None) -> bool:
        if p is None or m is None:
            return p is m
        return abs(p / m - 1.0) <= how["critical"]

    seen = [m for _, m in values if m is not None]
    others = [[m for j, (_, m) in enumerate(values) if j != i and m is not None] for i in range(len(values))]
    guesses = [float(np.median(x)) if x else None for x in others]
    off = [abs(p / m - 1.0) for p, m in values if p is not None and m is not None]
    return {
        "within": interval(near(p, m) for p, m in values),
        "median": float(np.median(off)) if off else None,
        "constant": interval(near(g, m) for g, (_, m) in zip(guesses, values, strict=True)),
        "shuffled": interval(near(values[i - 1][0], m) for i, (_, m) in enumerate(values)),
        "found": len(seen),
        "of": len(values),
    }
