"""A comparison as text: markdown for people, JUnit for continuous integration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .forecast_claim import forecasts
from .junit import JUnitCase, as_xml
from .tables import markdown, rounded

COMPARISON = "diracgan.compare/1"


def as_markdown(doc: Mapping[str, Any]) -> str:
    """The report: four claims apart, the controls, and what the gate says.

    Args:
        doc: from ``Comparison.as_dict()``, made plain.

    Returns:
        Markdown.
    """
    a, b, c, d = (doc[k] for k in "ABCD")
    seeds = f"seeds from {doc['seed0']}, hidden layers of {doc['width']}"
    parts = [
        f"# Prediction against measurement ({doc['tier']})",
        f"{seeds}; protocol {doc['protocol'][:12]}; {doc['wall_time_s']:.0f} s.",
        f"## A. {_sentence(a['claim'])}",
        _headline(a),
        _per(a, "variant"),
        _per(a, "problem"),
        _limits(a["critical_learning_rate"]),
        _floors(a["noise_floor"]),
        _missing(a["not_covered"]),
        f"## B. {_sentence(b['claim'])}",
        _predictors(b),
        _per(b, "variant"),
        "\n".join(f"- {problem}: {x['text']}" for problem, x in b["why"].items()),
        f"## C. {_sentence(c['claim'])}",
        _training(c),
        f"## D. {_sentence(d['claim'])}",
        forecasts(d),
        "## Controls, which must fail",
        _controls(doc["controls"]),
        "## Gate",
        _gate(doc["gate"]),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def junit(doc: Mapping[str, Any]) -> str:
    """The gate's checks, and every variant's verdicts, as JUnit XML."""
    cases = [
        JUnitCase("compare", x["name"], said=x["text"])
        if x["passed"]
        else JUnitCase("compare", x["name"], [x["text"]])
        for x in doc["gate"]["checks"]
    ]
    verdicts = {"A": doc["A"]["verdicts"], "B": doc["B"]["verdicts"]}
    verdicts |= {f"C, {o}": found for o, found in doc["C"]["verdicts"].items()}
    for key, found in verdicts.items():
        per = found["per_variant"].items()
        cases += [JUnitCase("compare", f"{key}: {n}", said=f"verdicts {_share(t)}") for n, t in per]
    return as_xml("diracgan compare", f"diracgan compare {doc['tier']}", cases)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _share(t: Mapping[str, Any]) -> str:
    if not t["of"]:
        return "none"
    return f"{t['agree']}/{t['of']} (at least {100 * t['lower_bound']:.1f} % at 95 % confidence)"


def _headline(claim: Mapping[str, Any]) -> str:
    e = claim["eigenvalue_error"]
    return (
        f"Verdicts right: {_share(claim['verdicts'])}. Eigenvalue error: median {rounded(e['median'])}, "
        f"95 % below {rounded(e['p95'])}, largest {rounded(e['max'])}."
    )


def _per(claim: Mapping[str, Any], what: str) -> str:
    rows = [
        (name, f"{t['agree']}/{t['of']}", rounded(t["lower_bound"]))
        for name, t in claim["verdicts"][f"per_{what}"].items()
    ]
    return markdown((what, "verdicts right", "lower bound"), rows) if rows else ""


def _limits(found: Mapping[str, Any]) -> str:
    return (
        f"Critical learning rate: what happens below and above it is right in {_share(found['sign'])}; rates of growth "
        f"within bounds in {_share(found['growth_within'])}, median error {rounded(found['growth_error']['median'])}."
    )


def _floors(found: Mapping[str, Any]) -> str:
    rows = [
        (
            r["variant"],
            r["modes"],
            rounded(r["floor"]),
            rounded(r["measured_floor"]),
            rounded(r["ema_ratio"]),
            rounded(r["measured_ema_ratio"]),
        )
        for r in found["runs"]
    ]
    heads = ("variant", "modes", "noise floor", "measured", "EMA ratio", "measured")
    if not rows:
        return ""
    errors = [rounded(found[f"{n}_error"]["median"]) for n in ("floor", "ema")]
    said = (
        f"Minibatch noise: the floor within bounds in {_share(found['floor_within'])}, median error {errors[0]}; the "
        f"ratio of the averaged players' floor to it in {_share(found['ema_within'])}, median error {errors[1]}."
    )
    return f"{said}\n\n{markdown(heads, rows)}"


def _missing(listed: list[Mapping[str, Any]]) -> str:
    return "\n".join(f"- Not covered on {', '.join(x['problems'])}: {x['reason']}" for x in listed)


def _predictors(b: Mapping[str, Any]) -> str:
    words = {"bare": "bare toy", "corrected": "toy + overlap damping", "full": "full Jacobian"}
    rows = [
        (
            words[name],
            _share(p["verdicts"]),
            rounded(p["eigenvalue_error"]["median"]),
            rounded(p["eigenvalue_error"]["max"]),
        )
        for name, p in b["predictors"].items()
    ]
    return markdown(("predictor", "verdicts right", "median error", "largest"), rows)


def _training(c: Mapping[str, Any]) -> str:
    found, e = c["oscillations"], c["eigenvalue_error"]
    if not c["verdicts"]:
        return "Not run."
    said = [
        f"Optimisers stand apart: together their rates mean nothing. {c['failures']} of {len(c['runs'])} runs failed "
        "and count as outcomes.",
        markdown(
            ("optimiser", "verdicts right", "lower bound", "always the commonest"),
            [
                (
                    o,
                    f"{t['agree']}/{t['of']}",
                    rounded(t["lower_bound"]),
                    "{agree}/{of}".format(**t["commonest"]),
                )
                for o, t in c["verdicts"].items()
            ],
        ),
        f"Frequency error: median {rounded(e['median'])}, 95 % below {rounded(e['p95'])}, largest {rounded(e['max'])}. "
        f"The steps' direction oscillates in {found['both'] + found['run']} runs, in {found['both']} of them in the "
        f"linear motion too, whose frequency is held against theirs; in {found['prediction']} only there.",
    ]
    rows = [
        (
            g["optimiser"],
            g["problem"],
            rounded(g["oscillates"]["auc"]),
            rounded(g["oscillates"]["p"]),
            rounded(g["variant_alone"]["auc"]),
            rounded(g["persistence"]["auc"]),
            rounded(g["oscillation"]["rho"]),
            rounded(g["distance"]["rho"]),
            rounded(g["modes_found"]),
            f"{g['oscillating']}/{g['of']}",
        )
        for g in c["toy"]
    ]
    heads = (
        "optimiser",
        "problem",
        "AUC of the toy",
        "p",
        "of the variant alone",
        "of the run before",
        "rank corr.: oscillation",
        "distance",
        "modes found",
        "oscillating",
    )
    ratios = [f"{o} {rounded(x['rho'])}" for o, x in c["tail_ratio"].items()]
    said += [
        f"How much of the motion is left at the end, predicted against measured, rank correlation: {', '.join(ratios)}."
    ]
    said += ["The toy's residual oscillation against the networks':", markdown(heads, rows)] if rows else []
    return "\n\n".join(said)


def _controls(listed: list[Mapping[str, Any]]) -> str:
    rows = [
        (
            x["name"],
            f"{x['verdicts']['agree']}/{x['verdicts']['of']}",
            rounded(x["eigenvalue_error"]["median"]),
            "yes" if x["failed_as_expected"] else "NO",
        )
        for x in listed
    ]
    return markdown(("control", "verdicts right", "median error", "failed as expected"), rows)


def _gate(gate: Mapping[str, Any]) -> str:
    rows = [(x["name"], x["text"], "ok" if x["passed"] else "FAILED") for x in gate["checks"]]
    stated = [
        f"{name}: {rounded(x['value'])}; {x['wanted']:g} is the aim, and gates nothing."
        for name, x in gate["stated"].items()
        if x["value"] is not None
    ]
    return "\n\n".join([markdown(("check", "value", "result"), rows), *stated])
