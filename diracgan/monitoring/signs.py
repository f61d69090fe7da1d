"""Early signs beside the losses: norms of weights, spread of samples, modes covered."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from .regime_kinds import RegimeKind
from .roles import player_of, words_of

FAST, SLOW = 0.05, 0.002  # weights of the newest value in the two running means
STILL, OUTRUN = 150.0, 0.04  # the critic's relative movement by the generator's: what is one-sided
_GROWN = 1.25  # of a Wasserstein critic's weights, from the slow running mean to the fast one
SPREAD, COLLAPSED, FAR = 0.6, 0.4, 2.5  # of the data's spread, or of the largest that samples have had
LEFT = 0.5  # of the modes that have been covered
_NORM = {"norm", "norms", "weightnorm"}
_NOT_WEIGHTS = {
    "grad",
    "grads",
    "gradient",
    "gradients",
    "spectral",
    "batch",
    "layer",
    "group",
    "update",
    "loss",
}
_SPREAD = {"spread", "std", "stddev", "var", "variance", "diversity"}
_COVERED = {"modes", "coverage", "recall", "classes"}
_REAL = {"real", "data", "true", "target"}
_NOT_SAMPLES = {
    "latent",
    "noise",
    "grad",
    "grads",
    "reward",
    "loss",
    "losses",
    "logits",
    "scores",
    "weight",
    "weights",
    "lr",
}


@dataclasses.dataclass
class RunningMean:
    """Running means of one series, fast and slow, its spread, how far it moves, and how often it has not changed."""

    fast: float
    slow: float
    spread: float = 0.0
    still: int = 0
    last: float = math.nan
    typical: float = 0.0
    seen: int = 0
    pace: float = 0.0
    largest: float = 0.0

    def add(self, x: float, begun: int) -> None:
        """Take one value; the typical size counts from ``begun`` values on."""
        self.seen += 1
        fast, slow = max(FAST, 1.0 / self.seen), max(SLOW, 1.0 / self.seen)
        if self.seen > 1:
            self.pace += max(FAST, 1.0 / (self.seen - 1)) * (abs(x - self.last) - self.pace)
        self.still = self.still + 1 if x == self.last else 0
        self.last = x
        self.spread += slow * (abs(x - self.fast) - self.spread)
        self.fast += fast * (x - self.fast)
        self.slow += slow * (x - self.slow)
        # the typical size follows as a power of the step, never as an exponential
        rate = 2.0 / self.seen
        self.typical = (
            abs(self.fast)
            if self.seen <= begun // 2
            else self.typical * (1 + math.copysign(rate, abs(x) - self.typical))
        )
        if self.seen > begun // 2:
            self.largest = max(self.largest, self.fast)

    @property
    def movement(self) -> float:
        """What it moves by at each update, as a share of its size."""
        return self.pace / max(abs(self.fast), 1e-300)


def sign_of(name: str) -> str | None:
    """What a series tells: ``"norm_d"``, ``"norm_g"``, ``"spread"``, ``"data"``, ``"covered"``; None of another.

    Example:
        >>> [sign_of(n) for n in ("norm_d", "G/weight_norm", "fake_std", "real_std", "modes")]
        ['norm_d', 'norm_g', 'spread', 'data', 'covered']
        >>> [sign_of(n) for n in ("grad_norm_d", "d_loss_std", "G_path_length", "fid")]
        [None, None, None, None]
    """
    words = set(words_of(name))
    if words & _NORM and not words & _NOT_WEIGHTS:
        return {"critic": "norm_d", "generator": "norm_g"}.get(player_of(name) or "")
    if words & _SPREAD and not words & _NOT_SAMPLES:
        return "data" if words & _REAL else "spread"
    return "covered" if words & _COVERED and not words & _REAL else None


def signs(names: Sequence[str]) -> dict[str, str]:
    """Which of the series tells what: sign -> name, of several the first.

    Example:
        >>> signs(["d_loss", "norm_d", "norm_g", "spread"])
        {'norm_d': 'norm_d', 'norm_g': 'norm_g', 'spread': 'spread'}
    """
    found: dict[str, str] = {}
    # modes that narrow samples leave and find again are told by those that are nearest to some
    for name in sorted(names, key=lambda n: "nearest" not in words_of(n)):
        sign = sign_of(name)
        if sign is not None:
            found.setdefault(sign, name)
    return found


def collapsed(names: Sequence[str], values: np.ndarray, first: int, last: int) -> str:
    """In words, how samples have lost their variety in the rows of a log from ``first`` to ``last``; empty if not.

    Args:
        names: of the series.
        values: (series, rows).
        first: the piece's first row; ``last`` the one after its last.
        last: see ``first``.
    """
    found = {sign: values[list(names).index(name)] for sign, name in signs(names).items()}
    named = signs(names)
    for sign, least in (("spread", COLLAPSED), ("covered", LEFT)):
        if sign not in found:
            continue
        now = float(np.median(found[sign][first:last]))
        had = max(float(np.median(b)) for b in np.array_split(found[sign][:last], max(last // 12, 1)))
        usual = float(np.median(found["data"][first:last])) if sign == "spread" and "data" in found else had
        if usual > 0 and had >= SPREAD * usual and now <= least * usual:
            return f"{named[sign]} {now:.3g}, which has been {had:.3g}"
    return ""


def told(
    found: Mapping[str, str], running: Mapping[str, RunningMean], begun: int, bounded: bool
) -> tuple[RegimeKind, str] | None:
    """What the series beside the losses say now; None where they say nothing.

    Args:
        found: of :func:`signs`.
        running: name -> its running means.
        begun: updates from which a series is believed.
        bounded: whether the critic's loss is held against its limits; where not, as a Wasserstein critic's, growing
            weights are all that tells.
    """
    seen = {
        sign: running[name] for sign, name in found.items() if name in running and running[name].seen >= begun
    }
    spread, data = seen.get("spread"), seen.get("data")
    if spread is not None:
        usual = spread.largest if data is None else data.fast
        share, had = spread.fast / max(usual, 1e-300), spread.largest / max(usual, 1e-300)
        of = "their largest" if data is None else "the data's"
        said = f"{found['spread']} is {spread.fast:.3g}, {share:.2g} of {of}"
        if had >= SPREAD and share <= COLLAPSED:
            return RegimeKind.COLLAPSED, f"{said}: the samples have lost their variety"
        if data is not None and share >= FAR:
            return RegimeKind.ONE_SIDED, f"{said}: the generator throws its samples far beyond the data"
    covered = seen.get("covered")
    if covered is not None and covered.largest > 0 and covered.fast <= LEFT * covered.largest:
        said = f"{found['covered']} is {covered.fast:.3g} and has been {covered.largest:.3g}"
        return RegimeKind.COLLAPSED, f"{said}: modes are being lost"
    return _weights(seen.get("norm_d"), seen.get("norm_g"), bounded)


def _weights(
    critic: RunningMean | None, generator: RunningMean | None, bounded: bool
) -> tuple[RegimeKind, str] | None:
    """What the sizes of both players' weights say."""
    if critic is not None and not bounded and critic.fast > _GROWN * critic.slow:
        times = critic.fast / critic.slow
        return (
            RegimeKind.DIVERGING,
            f"the critic's weights are {times:.3g} times their running mean: nothing bounds its slope",
        )
    if critic is None or generator is None or not critic.pace > 0:
        return None
    ratio = critic.movement / max(generator.movement, 1e-300)
    if ratio > STILL:
        said = f"the critic's weights move {min(ratio, 1e9):.3g} times as much as the generator's"
        return RegimeKind.ONE_SIDED, f"{said}: the generator hardly learns"
    if ratio < OUTRUN:
        said = f"the generator's weights move {min(1 / max(ratio, 1e-300), 1e9):.3g} times as much as the critic's"
        return RegimeKind.ONE_SIDED, f"{said}: it outruns the critic, and samples collapse"
    return None
