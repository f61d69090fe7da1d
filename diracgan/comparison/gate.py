"""Whether the claims reach the protocol's thresholds, and whether the controls fail, as they must."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import near_equilibrium
from .claims import Records
from .protocol import Protocol
from .statistics import spread, tally


def control_results(merged: dict[str, Records], beside: Records, chosen: Protocol) -> Records:
    """What is wrong must fail by claim A's own criterion: [{name, failed_as_expected, ...}]."""
    return [
        _control("large perturbation", merged["large perturbation"], chosen),
        _control("wrong L2", merged["wrong L2"], chosen),
        _control("shuffled variant labels", _shuffled(merged["A"], beside, chosen), chosen),
    ]


def _control(name: str, records: Records, chosen: Protocol) -> dict[str, Any]:
    verdicts = tally(r["agree"] for r in records if r["kind"] == "leading")
    errors = spread(r["error"] for r in records)
    reached = _reaches(verdicts, errors, chosen)
    return {"name": name, "failed_as_expected": not reached, "verdicts": verdicts, "eigenvalue_error": errors}


def _reaches(verdicts: dict[str, Any], errors: dict[str, Any], chosen: Protocol) -> bool:
    """Claim A's own criterion; nothing reaches it without a run."""
    t = chosen["thresholds"]
    if not verdicts["of"]:
        return False
    right = verdicts["agree"] / verdicts["of"] >= t["A_verdicts"]
    return right and errors["median"] <= t["A_eigenvalue_median"]


def _shuffled(records: Records, beside: Records, chosen: Protocol) -> Records:
    """Each variant's runs against another variant's prediction, no variant against its own."""
    leading = [r for r in (*records, *beside) if r["kind"] == "leading"]
    names = list(dict.fromkeys(r["variant"] for r in leading))
    order = np.random.default_rng(chosen.seed0).permutation(len(names))
    other = {names[i]: names[j] for i, j in zip(order, np.roll(order, 1), strict=True)}
    known = {(r["variant"], r["problem"], r["seed"], r["rule"]): r for r in leading}
    found = []
    for r in (r for r in records if r["kind"] == "leading"):
        twin = known.get((other[r["variant"]], r["problem"], r["seed"], r["rule"]))
        if twin is not None:
            record = {**r, "predicted": twin["predicted"], "labelled": other[r["variant"]]}
            near_equilibrium.judge(record, chosen["equilibrium"])
            found.append(record)
    return found


def gated(
    a: dict[str, Any],
    b: dict[str, Any],
    c: dict[str, Any],
    d: dict[str, Any],
    controls: Records,
    chosen: Protocol,
) -> dict[str, Any]:
    """{passed, checks, stated}: every threshold with the value that is held against it."""
    t = chosen["thresholds"]
    limits, noise = a["critical_learning_rate"], a["noise_floor"]
    checks = [
        ("A: verdicts", _share(a["verdicts"]), t["A_verdicts"], True),
        ("A: median eigenvalue error", a["eigenvalue_error"]["median"], t["A_eigenvalue_median"], False),
        ("A: sign at the critical learning rate", _share(limits["sign"]), t["A_critical_sign"], True),
        ("A: growth rates within bounds", _share(limits["growth_within"]), t["A_growth_share"], True),
        ("A: median error of the noise floor", noise["floor_error"]["median"], t["A_noise_floor"], False),
        ("A: median error of the EMA ratio", noise["ema_error"]["median"], t["A_ema_ratio"], False),
        ("B: verdicts of the corrected toy", _share(b["verdicts"]), t["B_corrected"], True),
    ]
    listed: Records = []
    for name, value, threshold, least in checks:
        if value is not None:
            text = f"{value:.4g}, {'at least' if least else 'at most'} {threshold:g} wanted"
            passed = value >= threshold if least else value <= threshold
            listed.append(
                {"name": name, "value": value, "threshold": threshold, "passed": passed, "text": text}
            )
    for control in controls:
        failed = control["failed_as_expected"]
        text = "fails, as it must" if failed else "passes, and had to fail"
        name = f"control: {control['name']}"
        listed.append({"name": name, "value": None, "threshold": None, "passed": failed, "text": text})
    stated = {
        f"C: verdicts, {o}": {"value": _share(found), "wanted": t["C_verdicts"]}
        for o, found in c["verdicts"].items()
    }
    return {
        "passed": all(x["passed"] for x in listed),
        "checks": listed,
        "stated": stated | _stated_of_forecasts(d, t),
    }


def _stated_of_forecasts(d: dict[str, Any], t: dict[str, Any]) -> dict[str, Any]:
    own = d["spread"]["forecast"]
    values = {
        "D: median error of a spread": (own["median"], t["D_median"]),
        "D: spreads within 40 %": (_share(own["within"]), t["D_within"]),
        "D: hard pairs in order": (_share(d["settings"]["hard"]), t["D_hard_pairs"]),
        "D: AUC of blow-ups": (d["blow_ups"]["forecast"]["auc"], t["D_blow_up_auc"]),
        "D: mean frequencies within 10 %": (
            _share(d["frequency"]["mean_frequency"]["within"]),
            t["D_frequency"],
        ),
    }
    values |= {
        f"D: critical {n} within 25 %": (_share(found["within"]), t["D_critical"])
        for n, found in d["critical"].items()
    }
    return {n: {"value": value, "wanted": wanted} for n, (value, wanted) in values.items()}


def _share(counted: dict[str, Any]) -> float | None:
    return counted["agree"] / counted["of"] if counted["of"] else None
