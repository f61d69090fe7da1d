"""Early signs beside the losses: norms of weights and gradients, the critic's outputs, samples' spread, modes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .outputs import OutputLimits
from .regime_kinds import RegimeKind
from .roles import player_of, player_words, words_of

FAST, SLOW = 0.05, 0.002  # weights of the newest value in the two running means
STILL, OUTRUN = 150.0, 0.04  # the critic's relative movement by the generator's: what is one-sided
_GROWN = 1.25  # of a Wasserstein critic's weights, from the slow running mean to the fast one
SPREAD, COLLAPSED, FAR = 0.6, 0.4, 2.5  # of the data's spread, or of the largest that samples have had
LEFT = 0.5  # of the modes that have been covered
EXPLODED, VANISHED = 10.0, 1e-3  # of a gradient's usual norm, and of the largest that it has had
GRADIENTS = ("grad_d", "grad_g")
_LEAST = 1e-300
_EXPLODING = "go back to a checkpoint from before and halve the learning rates, or clip the gradients"
_VANISHING = "go back to a checkpoint from before; look for saturated outputs or a clipped logarithm; add R1"
_GRADIENT = {"grad", "grads", "gradient", "gradients", "gradnorm"}
_NOT_GRADIENT = {"penalty", "gp", "scale", "scaler", "clip", "real", "fake", "x", "r1", "r2", "loss"}
_OUTPUT = {
    "score",
    "scores",
    "logit",
    "logits",
    "prob",
    "probs",
    "out",
    "output",
    "pred",
    "d",
    "critic",
    "disc",
}
_NOT_OUTPUT = {
    "acc",
    "accuracy",
    "std",
    "var",
    "norm",
    "penalty",
    "gp",
    "spread",
    "loss",
    "losses",
    "err",
    "error",
}
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
    largest: float = -math.inf
    low: float = math.inf
    high: float = -math.inf

    def add(self, x: float, begun: int) -> None:
        """Take one value; the typical size counts from ``begun`` values on."""
        self.seen += 1
        fast, slow = max(FAST, 1.0 / self.seen), max(SLOW, 1.0 / self.seen)
        if self.seen > 1:
            self.pace += max(FAST, 1.0 / (self.seen - 1)) * (abs(x - self.last) - self.pace)
        self.still = self.still + 1 if x == self.last else 0
        self.low, self.high = min(x, self.low), max(x, self.high)
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
    """What a series tells: ``"norm_d"``, ``"grad_g"``, ``"real"``, ``"spread"``, ``"data"``, ``"covered"``, or None.

    Example:
        >>> [sign_of(n) for n in ("norm_d", "G/weight_norm", "fake_std", "real_std", "modes")]
        ['norm_d', 'norm_g', 'spread', 'data', 'covered']
        >>> [sign_of(n) for n in ("grad_norm_d", "D(x)", "D(G(z))", "Loss/scores/real", "d_fake")]
        ['grad_d', 'real', 'fake', 'real', 'fake']
        >>> [sign_of(n) for n in ("gradient_penalty", "d_loss_std", "G_path_length", "d_loss_real")]
        [None, None, None, None]
    """
    listed = words_of(name)
    words = set(listed)
    if words & _GRADIENT and not words & _NOT_GRADIENT:
        return {"critic": "grad_d", "generator": "grad_g"}.get(player_of(name) or "")
    if listed in (["d", "x"], ["d", "g", "z"]):  # of PyTorch's DCGAN
        return "real" if listed[1] == "x" else "fake"
    said = (
        words - {"loss"} if words & {"scores", "logits"} else words
    )  # StyleGAN's Loss/scores/real is not a loss
    if said & {"real", "fake"} and said & _OUTPUT and not said & (_NOT_OUTPUT | _GRADIENT):
        return "real" if "real" in said else "fake"
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


class Sign(NamedTuple):
    """What series beside the losses say.

    Attributes:
        kind: the regime that they tell.
        evidence: the numbers that say so.
        player: who has won, where one has.
        remedy: what helps, where it is not the usual remedy of that regime.
    """

    kind: RegimeKind
    evidence: str
    player: str | None = None
    remedy: str = ""


def levels_at(names: Sequence[str], values: np.ndarray, first: int, last: int) -> dict[str, RunningMean]:
    """What :func:`told` looks at, of the rows of a log from ``first`` to ``last``: medians in place of running means.

    Args:
        names: of the series.
        values: (series, rows).
        first: the piece's first row; ``last`` the one after its last.
        last: see ``first``.
    """
    made = {}
    for sign, name in signs(names).items():
        y = values[list(names).index(name), :last]
        y = logarithms(y) if sign in GRADIENTS else y
        part, blocks = y[first:], np.array_split(y, max(last // 12, 1))
        made[sign] = RunningMean(
            float(np.median(part)),
            float(np.median(y)),
            pace=float(np.mean(np.abs(np.diff(part)))) if len(part) > 1 else 0.0,
            largest=max(float(np.median(b)) for b in blocks),
            seen=last,
            low=float(y.min()),
            high=float(y.max()),
        )
    return made


def logarithm(norm: float) -> float:
    """Of a norm, since norms differ by ratios; of 0 that of a very small one."""
    return math.log(max(abs(norm), _LEAST))


def logarithms(norms: np.ndarray) -> np.ndarray:
    """:func:`logarithm` of every one."""
    return np.log(np.maximum(np.abs(norms), _LEAST))


def told(
    found: Mapping[str, str],
    seen: Mapping[str, RunningMean],
    bounded: bool,
    limits: OutputLimits | None = None,
) -> Sign | None:
    """What the series beside the losses say now; None where they say nothing.

    Args:
        found: of :func:`signs`.
        seen: sign -> its running means, of gradients' norms those of the logarithms.
        bounded: whether the critic's loss is held against its limits; where not, as a Wasserstein critic's, growing
            weights are all that tells.
        limits: what the critic's outputs are held against, or None.
    """
    return (
        _variety(found, seen.get("spread"), seen.get("data"), seen.get("covered"))
        or _weights(seen.get("norm_d"), seen.get("norm_g"), bounded)
        or _gradients(found, seen)
        or _outputs(found, seen, limits)
    )


def outputs_at_chance(seen: Mapping[str, RunningMean], limits: OutputLimits | None) -> bool:
    """Whether the critic says the same of real and fake samples, by its outputs."""
    real, fake = seen.get("real"), seen.get("fake")
    if limits is None or real is None or fake is None:
        return False
    return _held_against(limits, real, fake).at_chance(real.fast, fake.fast)


def _held_against(limits: OutputLimits, real: RunningMean, fake: RunningMean) -> OutputLimits:
    shares = min(real.low, fake.low) >= 0 and max(real.high, fake.high) <= 1
    return limits.probabilities() if shares and limits.logistic else limits


def _outputs(
    found: Mapping[str, str], seen: Mapping[str, RunningMean], limits: OutputLimits | None
) -> Sign | None:
    """Who has won by what the critic says of real and of fake samples."""
    real, fake = seen.get("real"), seen.get("fake")
    if limits is None or real is None or fake is None:
        return None
    won = _held_against(limits, real, fake).winner(real.fast, fake.fast)
    if won is None:
        return None
    said = f"{found['real']} {real.fast:.3g}, {found['fake']} {fake.fast:.3g}"
    return Sign(RegimeKind.WON, f"{said}: the {player_words(won)} has won", won)


def _gradients(found: Mapping[str, str], seen: Mapping[str, RunningMean]) -> Sign | None:
    """What the sizes of both players' gradients say."""
    gone = []
    for sign in GRADIENTS:
        at = seen.get(sign)
        if at is None:
            continue
        if at.fast - at.slow > math.log(EXPLODED):
            said = f"{found[sign]} is {math.exp(at.fast):.3g}, {math.exp(at.fast - at.slow):.3g} times its usual size"
            return Sign(RegimeKind.DIVERGING, f"{said}: gradients explode", remedy=_EXPLODING)
        if at.fast - at.largest < math.log(VANISHED):
            gone.append(
                (sign, f"{found[sign]} is {math.exp(at.fast):.3g} and has been {math.exp(at.largest):.3g}")
            )
    if not gone:
        return None
    said = "; ".join(words for _, words in gone)
    if len(gone) == len(GRADIENTS):
        return Sign(RegimeKind.DEAD, f"{said}: neither player learns", remedy=_VANISHING)
    who = player_words("generator" if gone[0][0] == "grad_g" else "critic")
    return Sign(RegimeKind.ONE_SIDED, f"{said}: the {who} hardly learns", remedy=_VANISHING)


def _variety(
    found: Mapping[str, str],
    spread: RunningMean | None,
    data: RunningMean | None,
    covered: RunningMean | None,
) -> Sign | None:
    """What the spread of samples says, and the modes that they cover."""
    if spread is not None:
        usual = spread.largest if data is None else data.fast
        share, had = spread.fast / max(usual, 1e-300), spread.largest / max(usual, 1e-300)
        of = "their largest" if data is None else "the data's"
        said = f"{found['spread']} is {spread.fast:.3g}, {share:.2g} of {of}"
        if had >= SPREAD and share <= COLLAPSED:
            return Sign(RegimeKind.COLLAPSED, f"{said}: the samples have lost their variety")
        if data is not None and share >= FAR:
            return Sign(RegimeKind.ONE_SIDED, f"{said}: the generator throws its samples far beyond the data")
    if covered is not None and covered.largest > 0 and covered.fast <= LEFT * covered.largest:
        said = f"{found['covered']} is {covered.fast:.3g} and has been {covered.largest:.3g}"
        return Sign(RegimeKind.COLLAPSED, f"{said}: modes are being lost")
    return None


def _weights(critic: RunningMean | None, generator: RunningMean | None, bounded: bool) -> Sign | None:
    """What the sizes of both players' weights say."""
    if critic is not None and not bounded and critic.fast > _GROWN * critic.slow:
        times = critic.fast / critic.slow
        return Sign(
            RegimeKind.DIVERGING,
            f"the critic's weights are {times:.3g} times their running mean: nothing bounds its slope",
        )
    if critic is None or generator is None or not critic.pace > 0:
        return None
    ratio = critic.movement / max(generator.movement, 1e-300)
    if ratio > STILL:
        said = f"the critic's weights move {min(ratio, 1e9):.3g} times as much as the generator's"
        return Sign(RegimeKind.ONE_SIDED, f"{said}: the generator hardly learns")
    if ratio < OUTRUN:
        said = f"the generator's weights move {min(1 / max(ratio, 1e-300), 1e9):.3g} times as much as the critic's"
        return Sign(RegimeKind.ONE_SIDED, f"{said}: it outruns the critic, and samples collapse")
    return None
