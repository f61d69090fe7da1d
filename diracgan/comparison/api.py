"""The comparison as a whole: four claims, their controls, and whether they reach the protocol."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, callback, listed, one_of, shown, word
from ..files import path_of
from ..measure.equilibria import NoEquilibrium
from ..records import Record
from ..variants import Variant, parse
from . import floors, forecast_runs, forecast_scores, from_scratch, near_equilibrium
from .parts import Parts
from .protocol import CLAIMS, Protocol, protocol
from .statistics import auc, grouped, rank_correlation, spread, tally

Records = list[dict[str, Any]]
_LARGE = 1e300  # stands for what diverged: ranks want numbers


@dataclasses.dataclass(frozen=True)
class Comparison(Record):
    """Prediction against measurement; the attributes are the keys of the JSON.

    Attributes:
        A: linear theory against the run, near a known equilibrium.
        B: the Dirac toy against the real network, there.
        C: the toy, and the Jacobian at the end, against training from scratch, for each optimiser apart.
        D: a forecast from one checkpoint against the run that goes on from it.
        controls: [{name, failed_as_expected, ...}]: what is wrong must fail by A's own criteria.
        protocol: the SHA-256 of the protocol file.
        tier: ci, standard or full; ``seed0`` the first seed; ``width`` of the hidden layers.
        variants: what was compared.
        gate: {passed, checks [{name, value, threshold, passed, text}], stated}: what is stated gates nothing.
        wall_time_s: how long it took.
    """

    A: dict[str, Any]
    B: dict[str, Any]
    C: dict[str, Any]
    D: dict[str, Any]
    controls: Records
    protocol: str
    tier: str
    seed0: int
    width: int
    variants: list[str]
    gate: dict[str, Any]
    wall_time_s: float

    @property
    def passed(self) -> bool:
        """Whether every threshold is reached and every control failed."""
        return self.gate["passed"]


def compare(
    tier: str = "ci",
    seed0: int = 0,
    width: int | None = None,
    variants: Sequence[Variant | str] | None = None,
    done: Callable[[int, int, str], None] | None = None,
    *,
    claims: Sequence[str] = CLAIMS,
    folder: str | os.PathLike[str] | None = None,
    device: str = "auto",
    images: str | None = None,
) -> Comparison:
    """Compare predictions with runs of real networks, by the committed protocol.

    A: eigenvalues of one iteration by linear theory against those of runs seeded on eigenmodes at an exact equilibrium
    (data from a frozen generator, the critic's last layer 0): verdict, multiplier, critical learning rate. B: each
    singular value of the network's coupling as a Dirac system, bare, with its overlap damping, and in full. C: training
    from a random start: what the Jacobian at the beginning of a run's tail says of it, and what the toy's own run under
    the same rule says of the residual oscillation. D: from one checkpoint of training on minibatches, what
    :func:`~diracgan.forecast` says of the next iterations under several settings.

    Args:
        tier: ``"ci"``, ``"standard"`` or ``"full"``.
        seed0: the first seed; all others are counted from it.
        width: units of a hidden layer; None for the tier's.
        variants: variants or their names (``"my.py:loss"``); None for the protocol's.
        done: called after each part with how many are done, how many there are, and which it was.
        claims: which of ``"A"`` (with B, whose runs are the same), ``"C"`` and ``"D"``; the others are empty.
        folder: keeps the records of every part that is done; parts that lie there already are not run again.
        device: auto, cpu, gpu or tpu.
        images: an IDX file of images (MNIST) for the full tier's convolutions; None leaves them out.

    Returns:
        A :class:`Comparison`. A variant without an equilibrium or a derivative there is named in ``not_covered``.

    Raises:
        InputError: for arguments that are not allowed, or a loss that fails.

    References:
        Mescheder et al. 2018 (arXiv 1801.04406); Nagarajan & Kolter 2017 (1706.04156).

    Example:
        >>> import diracgan as dg
        >>> found = dg.compare("ci", variants=["wgan-linear"])  # doctest: +SKIP
        >>> found.A["verdicts"]["agree"] == found.A["verdicts"]["of"]  # doctest: +SKIP
        True
    """
    began = time.monotonic()
    chosen = protocol(tier, seed0, width)
    if images is not None:
        if not Path(word("images", images)).exists():  # before anything runs
            raise InputError(f"no file {images!r}; allowed: an IDX file of images, as MNIST's are")
    if folder is not None:
        path_of("folder", folder)
    asked = list(claims) if isinstance(claims, str) else listed("claims", claims, ", ".join(CLAIMS))
    if not asked:
        raise InputError(f"claims is empty; allowed: one or more of {', '.join(CLAIMS)}")
    for claim in asked:
        one_of("claim", claim, CLAIMS)
    callback("done", done)
    named = None if variants is None else listed("variants", variants, "variants, or names")
    given = None if named is None else [parse(v) if isinstance(v, str) else v for v in named]
    if given is not None and not (given and all(isinstance(v, Variant) for v in given)):
        raise InputError(f"variants = {shown(variants)}; allowed: variants, or names as in `diracgan list`")
    local, scratch = any(x in asked for x in "AB"), "C" in asked
    near = (given or [parse(s) for s in chosen["equilibrium"]["variants"]]) if local else []
    far = (given or [parse(s) for s in chosen.chosen["scratch_variants"]]) if scratch else []
    labels = {v.label for v in near}
    extra = [parse(s) for s in chosen["controls"]["references"]] if local and len(near) < 3 else []
    references = [v for v in extra if v.label not in labels]
    noisy = _noisy(given, chosen) if local else []
    designs = forecast_runs.designs(chosen, given, images) if "D" in asked else []
    with Parts(chosen, folder, device, done) as parts:
        wanted = [
            [parts.add("equilibria", _local, v) for v in near],
            [parts.add("equilibria", _local, v) for v in references],
            [parts.add("floors", floors.claim, v) for v in noisy],
            [
                parts.add("from_scratch", from_scratch.claims, v, o)
                for v in far
                for o in chosen.chosen["scratch_optimisers"]
            ],
            [parts.add("forecasts", forecast_runs.claims, d) for d in designs],
        ]
        found, beside, of_floors, of_scratch, of_forecasts = ([f.result() for f in part] for part in wanted)
    merged = {key: [r for one, _ in found for r in one.get(key, [])] for key in near_equilibrium.KEYS}
    missing = [reason for _, reasons in found for reason in reasons]
    a = _claim_a(merged["A"], [r for records in of_floors for r in records], missing, chosen)
    b = _claim_b(merged["B"], missing)
    c = _claim_c([r for records in of_scratch for r in records], chosen)
    d = _claim_d([r for records in of_forecasts for r in records], chosen, images)
    controls = _controls(merged, [r for one, _ in beside for r in one.get("A", [])], chosen) if local else []
    return Comparison(
        a,
        b,
        c,
        d,
        controls,
        chosen.sha256,
        tier,
        chosen.seed0,
        chosen.width,
        list(dict.fromkeys(v.label for v in (*near, *far, *(d.variant for d in designs)))),
        _gate(a, b, c, d, controls, chosen),
        time.monotonic() - began,
    )


def _local(variant: Variant, chosen: Protocol) -> tuple[dict[str, Records], Records]:
    """The records of a variant near its equilibria, and why there are none of some."""
    problems = chosen["equilibrium"]["problems"]
    found: dict[str, Records] = {key: [] for key in near_equilibrium.KEYS}
    missing: Records = []
    for group in (["dirac"], [p for p in problems if p != "dirac"]):
        try:
            made = near_equilibrium.claims(variant, chosen, group)
        except NoEquilibrium as error:
            missing.append({"variant": variant.label, "problems": group, "reason": str(error)})
            continue
        for key, records in made.items():
            found[key] += records
    return found, missing


def _noisy(given: list[Variant] | None, chosen: Protocol) -> list[Variant]:
    if not chosen.chosen["noise"] or given is not None:
        return []
    return [parse(s) for s in chosen["noise"]["variants"]]


def _claim_a(records: Records, noise: Records, missing: Records, chosen: Protocol) -> dict[str, Any]:
    thresholds = chosen["thresholds"]
    followed = [r for r in records if r["kind"] != "critical"]
    limits = [r for r in records if r["kind"] == "critical"]
    rates = [r["growth_error"] for r in limits if r["expected"] != "neutral"]
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


def _claim_b(records: Records, missing: Records) -> dict[str, Any]:
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
    damped = sum(r["verdict"] == "decays" and r["verdicts"]["bare"] != "decays" for r in wrong)
    share = float(np.median([r["overlap"] / r["sigma"] for r in wrong]))
    return (
        f"the bare toy is wrong in {len(wrong)} of {len(own)}, in {damped} of them because the network is damped and "
        f"the toy is not: real and fake samples overlap, and -u^T J_DD u is {share:.2g} of the coupling there"
    )


def _claim_c(records: Records, chosen: Protocol) -> dict[str, Any]:
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
        "failures": sum(r["result"] != "ok" for r in records),
        "runs": records,
    }


def _claim_d(records: Records, chosen: Protocol, images: str | None) -> dict[str, Any]:
    tier = chosen.chosen["forecast"]
    left_out = [g for g in tier["groups"] if g["problem"] == "images" and images is None]
    missing = [{"problems": [g["problem"]], "reason": "no file of images was named"} for g in left_out]
    return forecast_scores.scored(records, chosen["forecast"] | tier, missing)


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


def _controls(merged: dict[str, Records], beside: Records, chosen: Protocol) -> Records:
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


def _gate(
    a: dict[str, Any],
    b: dict[str, Any],
    c: dict[str, Any],
    d: dict[str, Any],
    controls: Records,
    chosen: Protocol,
) -> dict[str, Any]:
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
