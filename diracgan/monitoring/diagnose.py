"""``dg.diagnose``: a log's regimes and oscillations, what was predicted, and what would help."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..dynamics.starts import check_untraced, starts
from ..dynamics.trajectory import Trajectory
from ..errors import InputError, integer, number, shown
from ..lazy import module_on_use
from ..numerics.modal_fits import ModalFit, oscillation_modes
from ..records import Record
from ..rules import Rule, check_rule
from ..variants import Variant, check_variant
from .advice import LEAST_SHARE, Advice, advice_on
from .levels import Level, levels
from .logs import Log, read
from .oscillations import Oscillation, in_words, lags_of, oscillation_of
from .pieces import meaning_of, notes_on_loss
from .prediction import ComparedGame, Prediction, predicted_by
from .regime_kinds import RegimeKind
from .regimes import LossRegime, regimes
from .stopping import can_stop

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")


@dataclasses.dataclass(frozen=True)
class Diagnosis(Record):
    """What :func:`diagnose` finds in a log.

    Attributes:
        kind: "rotation" (steady phase), "wandering" (the phase wanders, as of an oscillation that noise keeps going) or
            "none".
        oscillations: strongest first.
        lag: series -> phase of the strongest oscillation against the first series, in degrees in (-180, 180]; about
            +-90 between two players that chase each other.
        noise: series -> standard deviation of what neither trend nor oscillation explains.
        predicted: what the Dirac game says, if a variant was named.
        recommendations: what to try.
        text: the same in words.
        names: of the series; ``rows`` how many rows were used; ``clock`` what counts them, ``interval`` from row to
            row.
        notes: what was left out or changed.
        variant: label, or None; ``rule`` label, or None.
        rule: see ``variant``.
        regimes: what the losses do from when to when.
        levels: the values of the losses that have a meaning.
        loss: the loss function they are read by, or None; ``guessed`` whether nobody named it.
        guessed: see ``loss``.
        stop: whether to stop, as far as the losses can say.
        log: the series; ``fit`` the fitted model (both for the picture).
    """

    kind: str
    oscillations: list[Oscillation]
    lag: dict[str, float]
    noise: dict[str, float]
    predicted: Prediction | None
    recommendations: list[Advice]
    text: str
    names: list[str]
    rows: int
    clock: str
    interval: float
    notes: list[str]
    variant: str | None
    rule: str | None
    regimes: list[LossRegime]
    levels: list[Level]
    loss: str | None
    guessed: bool
    stop: str
    log: Log = dataclasses.field(repr=False)
    fit: ModalFit = dataclasses.field(repr=False)


def diagnose(
    series: str | os.PathLike[str] | Mapping[str, ArrayLike] | xr.Dataset | Trajectory | ArrayLike | Log,
    variant: Variant | None = None,
    rule: Rule | None = None,
    *,
    columns: Sequence[str] | None = None,
    step: str | None = None,
    interval: float | None = None,
    after: float | None = None,
    dim: int = 1,
    x0: ArrayLike | None = None,
    h: float | None = None,
) -> Diagnosis:
    """Find the oscillations of a logged training run, compare them with theory, and say what would help.

    The run is divided into regimes first (start, at chance, drifting, rotating, one player won, ...): what the losses
    mean there follows from the loss's own definition. Oscillations are looked for within a regime.

    Each series is a trend, modes A exp(-sigma n) cos(omega n + delta) that all series share, and noise with a red
    and a white part. Modes are found by a matrix pencil, fitted by maximum likelihood and kept only when noise shows
    the like once in a million records.

    Args:
        series: a log file of any kind or a folder that holds one, a mapping of names to numbers, a result of
            :func:`diracgan.simulate`, an array of shape (rows,) or (rows, series), or a log as
            :func:`~diracgan.monitoring.logs.read` gave it, with which ``columns`` to ``after`` have been chosen.
        variant: the loss that was trained, for a comparison with its Dirac game.
        rule: how it was trained; None compares with the flow.
        columns: the series to look at; all by default.
        step: the name of the column that counts steps; the usual names are known.
        interval: steps from row to row, where no column says so.
        after: leave out what is before this step.
        dim: dimension of the Dirac game.
        x0: its datum.
        h: time per step, to compare with the flow, or the critic's learning rate where no rule says it.

    Returns:
        A :class:`Diagnosis`; frequencies and dampings per step.

    Raises:
        InputError: for files or values that are not allowed.

    References:
        Hua & Sarkar 1990 (matrix pencil); docs/theory.md sections 2 to 4.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> n = np.arange(600)
        >>> noise = 0.05 * np.random.default_rng(0).normal(size=600)
        >>> found = dg.diagnose(np.exp(-0.004 * n) * np.cos(0.1 * n) + noise)
        >>> found.kind, round(found.oscillations[0].period)
        ('rotation', 63)
    """
    _check(variant, rule, columns)
    starts(None, None, integer("dim", dim, low=1), x0)
    pace = None if h is None else number("h", h, low=0, open_low=True)
    log = series if isinstance(series, Log) else read(series, columns, step, interval, after)
    meaning = meaning_of(log, variant)
    parts = regimes(log, meaning)
    turning = [r for r in parts if r.kind is RegimeKind.ROTATING or "oscillation" in r.evidence]
    part = max(turning or parts, key=lambda r: r.rows)
    within = _within(log, part)
    fit = oscillation_modes(within.values)
    found = [oscillation_of(m, within) for m in fit.modes]
    lead = found[0] if found else None
    game = ComparedGame(variant, rule, dim, x0, pace)
    predicted = predicted_by(game, lead)
    span = within.values.shape[1] * log.interval
    share = 0.0 if lead is None else _share_of_log(lead, log, within)
    idle = lead is not None and share < LEAST_SHARE
    still = parts[-1].kind is RegimeKind.DEAD  # nothing moves any more: there is nothing to average
    advice = [] if idle or still else advice_on(game, lead, predicted, span, log.unit)
    kind = "none" if lead is None else "rotation" if lead.steady else "wandering"
    notes = [*log.notes, *_notes_on(fit, within, lead)]
    if idle:
        notes.append(
            f"the oscillation holds {100 * share:.2g} % of the variance; below {100 * LEAST_SHARE:.0f} % nothing is "
            "recommended against it"
        )
    if len(parts) > 1 and found:
        notes.append(f"the oscillation is that of {log.clock} {part.start:.10g} to {part.end:.10g}")
    notes += notes_on_loss(meaning, variant)
    lag = {} if lead is None else lags_of(lead)
    return Diagnosis(
        kind=kind,
        oscillations=found,
        lag=lag,
        noise=log.named(fit.noise),
        predicted=predicted,
        recommendations=advice,
        text=in_words(kind, found, lag, within),
        names=log.names,
        rows=log.values.shape[1],
        clock=log.clock,
        interval=log.interval,
        notes=notes,
        variant=None if variant is None else variant.label,
        rule=None if rule is None else rule.label,
        regimes=parts,
        levels=[] if meaning.variant is None else levels(meaning.variant, meaning.limits),
        loss=None if meaning.variant is None else meaning.variant.label,
        guessed=meaning.guessed,
        stop=can_stop(parts, log.names),
        log=log,
        fit=dataclasses.replace(fit, first=fit.first + part.first),
    )


def _check(variant: object, rule: object, columns: object) -> None:
    """InputError where these are not what :func:`diagnose` takes."""
    if variant is None and rule is not None:
        raise InputError("a rule predicts nothing without a variant; give both")
    if variant is not None:
        check_variant(variant)
    if rule is not None:
        check_rule(rule)
    check_untraced("dg.diagnose", variant, rule)
    if columns is not None and not (
        isinstance(columns, (list, tuple)) and all(isinstance(c, str) for c in columns)
    ):
        raise InputError(
            f"columns = {shown(columns)} are not names; allowed: a list of columns of the log, or None"
        )


def _within(log: Log, part: LossRegime) -> Log:
    """The rows of one regime, without series that stand still there."""
    values = log.values[:, part.first : part.first + part.rows]
    return dataclasses.replace(log, values=values, first=part.start)


def _notes_on(fit: ModalFit, log: Log, lead: Oscillation | None) -> list[str]:
    notes = []
    if fit.first and fit.block == 1:
        notes.append(f"only the last {fit.rows} rows were used")
    elif fit.block > 1:
        notes.append(f"means of {fit.block} rows were used")
    if fit.sawtooth is not None:
        notes.append(
            f"a series begins anew every {fit.sawtooth * log.interval:.6g} {log.unit}, as an average over an epoch "
            "does: that is not a rotation"
        )
    if lead is not None and lead.period < 4 * log.interval:
        notes.append(_alias_note(lead, log))
    return notes


def _share_of_log(lead: Oscillation, log: Log, within: Log) -> float:
    """The part of a whole log's variance that the oscillation of one regime holds, where it is largest."""
    part = within.values.shape[1] / log.values.shape[1]
    of = np.maximum(log.values.var(axis=1), 1e-300)
    weights = np.minimum(part * within.values.var(axis=1) / of, 1.0)
    return max(float(w) * s for w, s in zip(weights, lead.share.values(), strict=True))


def _alias_note(lead: Oscillation, log: Log) -> str:
    """What else a fast oscillation may be: logged every so many steps, faster ones look like it."""
    rows = lead.period / log.interval
    if rows < 2.001:
        said = "a period of 2 rows (a multiplier near -1): what too large a step looks like"
    else:
        said = f"a period of {rows:.3g} rows"
    if log.interval <= 1:
        return f"{said}; nothing faster fits between rows that are every step"
    omega = lead.frequency
    folds = [k * 2 * math.pi / log.interval + sign * omega for k in (1, 2) for sign in (-1, 1)]
    faster = sorted(
        {round(2 * math.pi / w, 6) for w in folds if omega * 1.001 < w <= math.pi * 1.001}, reverse=True
    )
    if not faster:
        return f"{said}; log more often to be sure"
    periods = ", ".join(f"{p:.4g}" for p in faster[:4])
    return f"{said}; periods of {periods} {log.unit} would look the same (aliases): log more often"
