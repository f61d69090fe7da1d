"""Binomial bounds, and whether an order could be chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def lower_bound(agree: int, of: int, confidence: float = 0.95) -> float | None:
    """The exact one-sided lower bound on a proportion (Clopper & Pearson 1934); None of nothing.

    Example:
        >>> round(lower_bound(78, 78), 4)
        0.9623
    """
    if of == 0:
        return None
    from scipy.stats import beta

    return 0.0 if agree == 0 else float(beta.ppf(1.0 - confidence, agree, of - agree + 1))


def tally(outcomes: Iterable[bool]) -> dict[str, Any]:
    """{agree, of, lower_bound} of outcomes.

    Example:
        >>> tally([True, True, False])["agree"]
        2
    """
    listed = [bool(x) for x in outcomes]
    return {"agree": sum(listed), "of": len(listed), "lower_bound": lower_bound(sum(listed), len(listed))}


def interval(outcomes: Iterable[bool], confidence: float = 0.95) -> dict[str, Any]:
    """{agree, of, low, high} of outcomes: the exact two-sided bounds; None of nothing.

    Example:
        >>> found = interval([True] * 78)
        >>> round(found["low"], 4), found["high"]
        (0.9538, 1.0)
    """
    listed = [bool(x) for x in outcomes]
    agree, of = sum(listed), len(listed)
    if not of:
        return {"agree": 0, "of": 0, "low": None, "high": None}
    from scipy.stats import binomtest

    ends = binomtest(agree, of).proportion_ci(confidence, "exact")
    return {"agree": agree, "of": of, "low": float(ends.low), "high": float(ends.high)}


def spread(errors: Iterable[float]) -> dict[str, float | None]:
    """{median, p95, max} of errors; what is not finite counts as infinite.

    Example:
        >>> spread([1.0, 2.0, 3.0])["median"]
        2.0
    """
    listed = np.array([e if np.isfinite(e) else np.inf for e in errors], float)
    if not len(listed):
        return {"median": None, "p95": None, "max": None}
    quantile = np.quantile(listed, [0.5, 0.95], method="higher")
    return {"median": float(quantile[0]), "p95": float(quantile[1]), "max": float(listed.max())}


def grouped(records: Sequence[dict[str, Any]], key: str = "agree") -> dict[str, Any]:
    """Tallies in all, per variant and per problem."""
    found: dict[str, Any] = tally(r[key] for r in records)
    for name in ("variant", "problem"):
        names = dict.fromkeys(r[name] for r in records)
        found[f"per_{name}"] = {n: tally(r[key] for r in records if r[name] == n) for n in names}
    return found


def auc(
    score: Sequence[float], outcome: Sequence[bool], permutations: int = 10000, seed: int = 0
) -> dict[str, Any]:
    """The area under the ROC curve, P(score of a positive > that of a negative), and its permutation p-value.

    Example:
        >>> auc([0.1, 0.2, 0.8, 0.9], [False, False, True, True], permutations=100)["auc"]
        1.0
    """
    x, y = np.asarray(score, float), np.asarray(outcome, bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        return {"auc": None, "p": None, "positives": positives, "negatives": negatives}
    from scipy.stats import rankdata

    ranks = rankdata(x)

    def area(chosen: np.ndarray) -> np.ndarray:
        return (chosen - positives * (positives + 1) / 2) / (positives * negatives)

    own = float(area(ranks[y].sum()))
    random = np.random.default_rng(seed)
    others = area(np.array([random.permutation(ranks)[:positives].sum() for _ in range(permutations)]))
    p = (1 + int(np.sum(others >= own - 1e-12))) / (permutations + 1)
    return {"auc": own, "p": float(p), "positives": positives, "negatives": negatives}


def auc_interval(
    score: Sequence[float],
    outcome: Sequence[bool],
    clusters: Sequence[object],
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, float | None]:
    """{low, high} of the area under the ROC curve: the middle 95 % of a bootstrap over whole clusters.

    What comes from one cluster (one checkpoint) is not independent, so that clusters are drawn, with replacement. Draws
    with one outcome alone are left out; None where all are. Where the order is perfect both ends are 1.

    References:
        Field, Welsh 2007, Bootstrapping clustered data (doi 10.1111/j.1467-9868.2007.00593.x).

    Example:
        >>> auc_interval([0.1, 0.8, 0.9, 0.2], [False, True, False, True], ["a", "a", "b", "b"], draws=200)
        {'low': 0.0, 'high': 1.0}
    """
    x, y = np.asarray(score, float), np.asarray(outcome, bool)
    members = [np.flatnonzero([c == name for c in clusters]) for name in dict.fromkeys(clusters)]
    random, areas = np.random.default_rng(seed), []
    for _ in range(draws if members else 0):
        drawn = np.concatenate([members[k] for k in random.integers(len(members), size=len(members))])
        yes, no = x[drawn][y[drawn]], x[drawn][~y[drawn]]
        if len(yes) and len(no):
            areas.append(np.mean(0.5 + 0.5 * np.sign(yes[:, None] - no)))
    if not areas:
        return {"low": None, "high": None}
    low, high = np.quantile(areas, [0.025, 0.975])
    return {"low": float(low), "high": float(high)}


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    """Spearman's rho and its p-value, infinite values the largest; None where one of them does not vary.

    Example:
        >>> rank_correlation([1.0, 2.0, 3.0], [1.0, 4.0, 9.0])["rho"]
        1.0
    """
    x, y = (np.nan_to_num(np.asarray(z, float), nan=np.nan, posinf=1e300) for z in (a, b))
    good = np.isfinite(x) & np.isfinite(y)
    if good.sum() < 3 or np.ptp(x[good]) == 0 or np.ptp(y[good]) == 0:
        return {"rho": None, "p": None, "of": int(good.sum())}
    from scipy.stats import spearmanr

    found: Any = spearmanr(x[good], y[good])
    return {"rho": float(found.statistic), "p": float(found.pvalue), "of": int(good.sum())}
