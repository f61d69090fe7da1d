"""What the records of all runs say of each claim."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..dynamics.motion_result import MotionResult
from . import forecast_scores
from .forecast_records import CriticalRecord, ForecastRecord
from .prediction import ModeKind
from .protocol import Protocol
from .statistics import auc, grouped, rank_correlation, spread, tally

Records = list[dict[str, Any]]
_LARGE = 1e300  # stands for what diverged: ranks want numbers


def claim_a(records: Records, noise: Records, missing: Records, chosen: Protocol) -> dict[str, Any]:
    """Linear theory against the run: verdicts, eigenvalues, critical learning rate, noise floor."""
    thresholds = chosen["thresholds"]
    followed = [r for r in records if r["kind"] != "critical"]
    limits = [r for r in records if r["kind"] == "critical"]
    rates = [r["growth_error"] for r in limits if r["expected"] != ModeKind.NEUTRAL]
    return {
        "claim": "linear theory against the run, near a known equilibrium",
        "verdicts": grouped([r for r in followed if r["kind"] == "leading"]),
        "eigenvalue_error": spread(r["error"] for r in followed),
        "critical_learning_rate": {
            "sign": grouped(limits),
            "growth_error": spread(rates),
            "growth_within": tally(e <= thresholds["A_growth"] for e in rates),
        },
        "noise_floor": {
            "runs": noise,
            "floor_error": spread(r["floor_error"] for r in noise),
            "floor_within": tally(r["floor_error"] <= thresholds["A_noise_floor"] for r in noise),
            "ema_error": spread(r["ema_error"] for r in noise),
            "ema_within": tally(r["ema_error"] <= thresholds["A_ema_ratio"] for r in noise),
        },
        "not_covered": missing,
        "runs": records,
    }


def claim_b(records: Records, missing: Records) -> dict[str, Any]:
    """The Dirac toy against the network: bare, with overlap damping, and in full."""

    def by(name: str) -> dict[str, Any]:
        held = [{**r, "agree": r["agreements"][name]} for r in records]
        return {"verdicts": grouped(held), "eigenvalue_error": spread(r["errors"][name] for r in records)}

    predictors = {name: by(name) for name in ("bare", "corrected", "full")}
    why = {}
    for problem in dict.fromkeys(r["problem"] for r in records):
        own = [r for r in records if r["problem"] == problem]
        why[problem] = {
            "bare_wrong": sum(not r["agreements"]["bare"] for r in own),
            "of": len(own),
            "median_overlap": float(np.median([r["overlap"] / r["sigma"] for r in own])),
            "text": _why(own),
        }
    return {
        "claim": "the Dirac toy against the real network, near a known equilibrium",
        **predictors["corrected"],
        "predictors": predictors,
        "why": why,
        "not_covered": missing,
        "runs": records,
    }


def _why(own: Records) -> str:
    wrong = [r for r in own if not r["agreements"]["bare"]]
    if not wrong:
        return "the bare toy is right: nothing damps the network that does not damp the toy"
    damped = sum(r["verdict"] == ModeKind.DECAYS and r["verdicts"]["bare"] != ModeKind.DECAYS for r in wrong)
    share = float(np.median([r["overlap"] / r["sigma"] for r in wrong]))
    return (
        f"the bare toy is wrong in {len(wrong)} of {len(own)}, in {damped} of them because the network is damped and "
        f"the toy is not: real and fake samples overlap, and -u^T J_DD u is {share:.2g} of the coupling there"
    )


def claim_c(records: Records, chosen: Protocol) -> dict[str, Any]:
    """Training from a random start, for each optimiser."""
    how = chosen["scratch"]
    errors = [r["error"] for r in records if r["error"] is not None]
    by = {
        o: [r for r in records if r["optimiser"] == o] for o in dict.fromkeys(r["optimiser"] for r in records)
    }
    groups: Records = []
    for optimiser, mine in by.items():
        for problem in dict.fromkeys(r["problem"] for r in mine):
            own = [r for r in mine if r["problem"] == problem]
            groups.append({"optimiser": optimiser, "problem": problem, **_toy(own, how)})
    seen = [(r["frequency"] is not None, r["predicted_frequency"] is not None) for r in records]
    ratios = {
        o: rank_correlation(*zip(*((r["predicted_ratio"], r["ratio"]) for r in own), strict=True))
        for o, own in by.items()
    }
    return {
        "claim": "training from a random start: the Jacobian near the end, and the toy",
        "verdicts": {o: {**grouped(own), "commonest": _commonest(own)} for o, own in by.items()},
        "tail_ratio": ratios,
        "eigenvalue_error": spread(errors),
        "oscillations": {
            "both": seen.count((True, True)),
            "run": seen.count((True, False)),
            "prediction": seen.count((False, True)),
        },
        "toy": groups,
        "failures": sum(r["result"] != MotionResult.OK for r in records),
        "runs": records,
    }


def claim_d(records: Records, chosen: Protocol, images: str | None) -> dict[str, Any]:
    """Forecasts against the runs that go on from a checkpoint."""
    tier = chosen.chosen["forecast"]
    left_out = [g for g in tier["groups"] if g["problem"] == "images" and images is None]
    missing = [{"problems": [g["problem"]], "reason": "no file of images was named"} for g in left_out]
    kept = cast("list[ForecastRecord | CriticalRecord]", records)
    return forecast_scores.scored(kept, chosen["forecast"] | tier, missing)


def _commonest(records: Records) -> dict[str, int]:
    """How often the commonest verdict would be right if it were always said."""
    verdicts = [r["verdict"] for r in records]
    return {"agree": max((verdicts.count(v) for v in set(verdicts)), default=0), "of": len(records)}


def _toy(own: Records, how: dict[str, Any]) -> dict[str, Any]:
    """How well the toy's residual oscillation orders the networks', and how well it could be ordered at all.

    ``variant_alone`` scores a run by the median of its variant's other seeds: what a prediction that knows only the
    variant could reach. ``persistence`` scores it by its own oscillation before the tail.
    """
    scores = [r["toy"] if np.isfinite(r["toy"]) else _LARGE for r in own]
    sizes = [min(r["oscillation"], _LARGE) for r in own]
    more = [x > np.median(sizes) for x in sizes] if sizes else []
    return {
        "oscillates": auc(scores, more, how["permutations"]),
        "variant_alone": auc(*_alone(own, sizes, more), how["permutations"]),
        "persistence": auc([min(r["before"], _LARGE) for r in own], more, how["permutations"]),
        "oscillation": rank_correlation(scores, sizes),
        "distance": rank_correlation(scores, [min(r["distance"], _LARGE) for r in own]),
        "modes_found": float(np.mean([r["modes"] / r["modes_of"] for r in own])) if own else None,
        "oscillating": sum(r["oscillates"] for r in own),
        "of": len(own),
    }


def _alone(own: Records, sizes: list[float], more: list[bool]) -> tuple[list[float], list[bool]]:
    """Of each run the median size of its variant's other seeds, and its outcome; nothing where there is one variant."""
    names = [r["variant"] for r in own]
    if len(set(names)) < 2:
        return [], []
    others = [[x for j, x in enumerate(sizes) if j != i and names[j] == name] for i, name in enumerate(names)]
    return [float(np.median(x)) if x else 0.0 for x in others], more
