"""The comparison as a whole: what is asked, the parts that are run, and the result."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InputError, callback, listed, one_of, shown, word
from ..files import path_of
from ..measure.equilibria import NoEquilibrium
from ..records import Record
from ..training.problems import problem
from ..variants import Variant, parse
from . import floors, forecast_runs, from_scratch, near_equilibrium
from .claims import Records, claim_a, claim_b, claim_c, claim_d
from .gate import control_results, gated
from .parts import Parts
from .protocol import CLAIMS, Protocol, protocol


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
        problem("idx", path=word("images", images))  # one that cannot be used is refused before anything runs
    if folder is not None:
        path_of("folder", folder)
    asked = list(claims) if isinstance(claims, str) else listed("claims", claims, ", ".join(CLAIMS))
    if not asked:
        raise InputError(f"claims is empty; allowed: one or more of {', '.join(CLAIMS)}")
    for claim in asked:
        one_of("claim", claim, CLAIMS)
    callback("done", done)
    given = None if variants is None else _parsed(variants)
    local, scratch = any(x in asked for x in "AB"), "C" in asked
    near = (given or [parse(s) for s in chosen["equilibrium"]["variants"]]) if local else []
    far = (given or [parse(s) for s in chosen.chosen["scratch_variants"]]) if scratch else []
    labels = {v.label for v in near}
    extra = [parse(s) for s in chosen["controls"]["references"]] if local and len(near) < 3 else []
    references = [v for v in extra if v.label not in labels]
    noisy = _noisy(given, chosen) if local else []
    designs = forecast_runs.designs(chosen, given, images) if "D" in asked else []
    with Parts(chosen, folder, device, done) as parts:
        # The longest first, so that no core is idle at the end. Neighbours among the designs share programs: of two at
        # a time one would wait for the other's.
        apart = sorted(range(len(designs)), key=lambda i: (i % 2, i))
        long = {i: parts.add("forecasts", forecast_runs.claims, designs[i]) for i in apart}
        wanted = [
            [long[i] for i in range(len(designs))],
            [
                parts.add("from_scratch", from_scratch.claims, v, o)
                for v in far
                for o in chosen.chosen["scratch_optimisers"]
            ],
            [parts.add("floors", floors.claim, v) for v in noisy],
            [parts.add("equilibria", _local, v) for v in near],
            [parts.add("equilibria", _local, v) for v in references],
        ]
        of_forecasts, of_scratch, of_floors, found, beside = ([f.result() for f in part] for part in wanted)
    merged = {key: [r for one, _ in found for r in one.get(key, [])] for key in near_equilibrium.KEYS}
    missing = [reason for _, reasons in found for reason in reasons]
    a = claim_a(merged["A"], [r for records in of_floors for r in records], missing, chosen)
    b = claim_b(merged["B"], missing)
    c = claim_c([r for records in of_scratch for r in records], chosen)
    d = claim_d([r for records in of_forecasts for r in records], chosen, images)
    others = [r for one, _ in beside for r in one.get("A", [])]
    controls = control_results(merged, others, chosen) if local else []
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
        gated(a, b, c, d, controls, chosen),
        time.monotonic() - began,
    )


def _parsed(variants: Sequence[Variant | str]) -> list[Variant]:
    named = listed("variants", variants, "variants, or names")
    given = [parse(v) if isinstance(v, str) else v for v in named]
    if not (given and all(isinstance(v, Variant) for v in given)):
        raise InputError(f"variants = {shown(variants)}; allowed: variants, or names as in `diracgan list`")
    return given


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
