"""Claim D of a comparison as text: forecasts against runs, beside the guesses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .tables import markdown, rounded

_GUESSES = {
    "forecast": "forecast",
    "constant": "constant",
    "root": "sqrt(lr/batch)",
    "shuffled": "shuffled",
    "persistence": "the run before",
}


def forecasts(d: Mapping[str, Any]) -> str:
    """The section of claim D, in markdown."""
    missing = [f"- Not covered: {x['problems'][0]}: {x['reason']}" for x in d["not_covered"]]
    if not d["runs"]:
        return "\n".join(["Not run.", *missing])
    statuses = ", ".join(f"{count} {status}" for status, count in d["statuses"].items())
    said = [
        f"Of {sum(d['statuses'].values())} forecasts: {statuses}. Spreads are scored where the forecast says that it "
        "stands (spreads). Constant: the median of other checkpoints' runs; sqrt(lr/batch): the same times that; "
        "shuffled: the forecast from another checkpoint; bounds are exact, two-sided, 95 %, of an AUC by a bootstrap "
        "over checkpoints.",
        _spreads(d["spread"]),
        _inside(d["spread"]),
        _table(("what", "forecast", "sqrt(lr/batch)", "constant", "shuffled"), _told(d)),
        *missing,
    ]
    return "\n\n".join(x for x in said if x)


def _spreads(found: Mapping[str, Any]) -> str:
    kinds = ("per_series", "per_setting", "per_group")
    rows = [("all", found), *((n, x) for kind in kinds for n, x in found[kind].items())]
    words = [
        (name, *(_error(x[g]) for g in _GUESSES), _share(x["forecast"]["within"]))
        for name, x in rows
        if x["forecast"]["median"] is not None
    ]
    heads = ("spread: median error, 90 % below", *_GUESSES.values(), "forecast within 40 %")
    return _table(heads, words)


def _inside(found: Mapping[str, Any]) -> str:
    return f"Inside the stated interval, which is to hold nine of ten: {_share(found['inside'])}."


def _told(d: Mapping[str, Any]) -> list[tuple[str, ...]]:
    pairs, blown, rows = d["settings"], d["blow_ups"], []
    rows.append(
        (
            "hard pairs in order",
            _share(pairs["hard"]),
            _share(pairs["hard, by sqrt(lr/batch)"]),
            "half",
            _share(pairs["hard, shuffled"]),
        )
    )
    rows.append(("obvious pairs in order", _share(pairs["obvious"]), "", "", ""))
    rows.append(
        (
            f"blow-ups ({blown['blown']} of {blown['of']}): AUC",
            *(_area(blown[n]) for n in ("forecast", "root")),
            "0.5",
            rounded(blown["shuffled"]["auc"]),
        )
    )
    rows.append(("called unstable or not, right", _share(blown["called"]), "", _share(blown["constant"]), ""))
    rows.append(("blow-ups called unstable", _share(blown["found"]), "", "", ""))
    rows.append(("others called unstable", _share(blown["false_alarms"]), "", "", ""))
    named = (("mean_frequency", "mean frequencies"), ("peak", "spectral peaks"))
    scored = [(f"{words} within 10 %", d["frequency"][name]) for name, words in named]
    scored += [(f"critical {name} within 25 %", f) for name, f in d["critical"].items()]
    for words, f in scored:
        median = f"{_share(f['within'])}, median error {rounded(f['median'])}"
        rows.append((words, median, "", _share(f["constant"]), _share(f["shuffled"])))
    return rows


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return markdown(heads, rows) if rows else ""


def _error(e: Mapping[str, Any]) -> str:
    if e["median"] is None:
        return "-"
    ninety = "no bound" if e["ninety"] is None else f"{100 * e['ninety']:.0f} %"
    return f"{100 * e['median']:.0f} %, {ninety}"


def _area(found: Mapping[str, Any]) -> str:
    if found["low"] is None:
        return rounded(found["auc"])
    return f"{rounded(found['auc'])} ({found['low']:.2f} to {found['high']:.2f})"


def _share(t: Mapping[str, Any]) -> str:
    if not t["of"]:
        return "none"
    return f"{t['agree']}/{t['of']} ({100 * t['low']:.0f} to {100 * t['high']:.0f} %)"
