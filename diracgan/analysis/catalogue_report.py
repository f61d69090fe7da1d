"""Many variants and motions in one table: spectra in d = 1 and 2, and verdicts."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import jax
import numpy as np

from ..errors import InputError, callback, integer, listed, number, one_line, one_of, shown, users_place
from ..records import Record
from ..rules import Rule, rule
from ..variants import VARIANTS, Variant, parse, variants
from ..variants.loss_errors import raised_by_loss
from .decision_thresholds import checked_effort
from .kinds import Kind
from .linear.spectrum import spectrum
from .verdict.api import verdict

DEFAULT_RULES = ("simultaneous", "alternating")
DIMENSIONS = (1, 2)
LOW_EFFORT = 0.05
_PATIENCE = 20.0  # times the effort, where that leaves a verdict undecided
VERDICTS = ("flow", "all", "none")


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one motion of one variant does in one dimension.

    Attributes:
        status: of the linearisation at (0, x0).
        eigenvalues: of the flow, or the multipliers of one period of the rule.
        margin: -max Re, or 1 - max modulus: the distance to the threshold; None without eigenvalues.
        error: bound on the margin's error.
        spectral_radius: of a rule's multipliers.
        kind: the verdict's, or None where none was asked for; ``numbers`` and ``text`` belong to it.
    """

    status: str
    eigenvalues: np.ndarray
    margin: float | None
    error: float | None
    spectral_radius: float | None
    kind: str | None
    numbers: dict[str, Any]
    text: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One variant under one motion.

    Attributes:
        variant: its name; ``label`` with its parameters, ``hyperparameters`` those alone, ``reference`` its
        source.
        rule: label of the rule; None for the flow.
        cells: dimension -> :class:`Cell`; empty where the row could not be computed.
        error: one line: why it could not; None where it could.
    """

    variant: str
    label: str
    hyperparameters: dict[str, Any]
    reference: str
    rule: str | None
    cells: dict[int, Cell]
    error: str | None

    @property
    def name(self) -> str:
        """The row in words, unique in a report."""
        return f"{self.label} | {self.rule or 'flow'}"


@dataclasses.dataclass(frozen=True)
class Report(Record):
    """The rows, and what they were computed with.

    Attributes:
        rows: one for every variant and motion, in the order asked for.
        x0: the datum, the same in every entry.
        effort: of the verdicts.
        verdicts: for which motions they were asked.
        version: of the software.
    """

    rows: list[Row]
    x0: float
    effort: float
    verdicts: str
    version: str


def report(
    chosen: Iterable[str | Variant] | None = None,
    rules: Iterable[str | Rule] = DEFAULT_RULES,
    x0: float = 0.0,
    effort: float = LOW_EFFORT,
    verdicts: str = "flow",
    jobs: int = 1,
    done: Callable[[int, int], None] | None = None,
) -> Report:
    """Judge every chosen variant as a flow and under every rule, in d = 1 and d = 2.

    Args:
        chosen: variants, or what names them (``"ns:r1=0.3"``, ``"file.py:mine"``); None for the whole
        catalogue.
        rules: rules, or what names them (``"alternating:lr=0.2"``).
        x0: the datum, the same number in every entry.
        effort: of the verdicts, see :func:`diracgan.verdict`; one that is left undecided is asked for again
            with twenty times as much.
        verdicts: ``"flow"``, ``"all"`` motions or ``"none"``.
        jobs: processes; more than one takes names only, and none that was registered in this process alone.
            A script that asks for more than one needs the usual ``if __name__ == "__main__"``.
        done: called with (variants judged, variants in all) after each.

    Returns:
        A :class:`Report`. A loss that fails gives a row with ``error`` and disturbs no other.

    Raises:
        InputError: for names that do not exist and arguments that are not allowed, before anything is
        computed.

    Example:
        >>> import diracgan as dg
        >>> found = dg.report(["wgan-gp:c=0"], rules=[], verdicts="none")
        >>> found.rows[0].cells[1].status
        'stable'
    """
    callback("done", done)
    specs = list(catalogue()) if chosen is None else listed("chosen", chosen, "a list of names or variants")
    if not specs:
        raise InputError("nothing to report on; allowed: at least one variant")
    one_of("verdicts", verdicts, VERDICTS)
    parsed = [_parsed(v, parse, Variant) for v in specs]
    ways = listed("rules", rules, "a list of names or rules")
    motions: list[Rule | None] = [None, *(_parsed(r, rule, Rule) for r in ways)]
    settings = (number("x0", x0), checked_effort(effort), verdicts)
    total, rows = len(specs), {}
    names = all(isinstance(x, str) for x in (*specs, *ways)) and all(_elsewhere(v) for v in specs)
    if integer("jobs", jobs, low=1, high=1024) > 1 and names and total > 1:
        found = _shared([str(v) for v in specs], [str(r) for r in ways], settings, min(jobs, total))
    else:
        found = ((i, _rows_of(v, motions, *settings)) for i, v in enumerate(parsed))
    for i, part in found:
        rows[i] = part
        if done is not None:
            done(len(rows), total)
    from .. import __version__

    return Report([r for i in range(total) for r in rows[i]], *settings, version=__version__)


def catalogue() -> list[str]:
    """The names of the variants that come with the package.

    Example:
        >>> "ns" in catalogue()
        True
    """
    return [n for n in VARIANTS if VARIANTS[n].__module__.startswith("diracgan.variants.")]


def _elsewhere(spec: Any) -> bool:
    """Whether another process finds the variant too: not one that was registered in this one alone."""
    source, name, _ = VARIANTS.parts(str(spec))
    return bool(source) or name not in variants() or name in catalogue()


def _parsed(given: Any, read: Callable[[str], Any], kind: type) -> Any:
    made = read(given) if isinstance(given, str) else given
    if not isinstance(made, kind):
        word = kind.__name__.lower()
        raise InputError(f"{shown(given)} is not a {word}; allowed: names, or what dg.{word} returns")
    return made


# ---------------------------------------------------------------- one variant


def _rows_of(
    v: Variant, motions: Sequence[Rule | None], x0: float, effort: float, verdicts: str
) -> list[Row]:
    return [_row(v, m, x0, effort, verdicts == "all" or (verdicts == "flow" and m is None)) for m in motions]


def _row(v: Variant, motion: Rule | None, x0: float, effort: float, judged: bool) -> Row:
    cells: dict[int, Cell] = {}
    error = None
    try:
        for d in DIMENSIONS:
            cells[d] = _cell(v, motion, d, np.full(d, x0), effort, judged)
    except Exception as problem:  # a loss is a user's code, and the other rows stand without it
        if not isinstance(problem, InputError) and not raised_by_loss(problem, v):
            raise
        error = users_place(problem) + (
            str(problem) if isinstance(problem, InputError) else one_line(problem)
        )
        error, cells = " ".join(error.split()), {}
    return Row(
        variant=v.name or type(v).__name__,
        label=v.label,
        hyperparameters=v.hyperparameters,
        reference=v.reference,
        rule=None if motion is None else motion.label,
        cells=cells,
        error=error,
    )


def _cell(v: Variant, motion: Rule | None, d: int, x0: np.ndarray, effort: float, judged: bool) -> Cell:
    s = spectrum(v, dim=d, x0=x0, rule=motion)
    found = verdict(v, dim=d, x0=x0, rule=motion, effort=effort, edge=False) if judged else None
    if found is not None and found.kind == Kind.UNDECIDED:
        found = verdict(v, dim=d, x0=x0, rule=motion, effort=_PATIENCE * effort, edge=False)
    return Cell(
        status=s.status,
        eigenvalues=s.eigenvalues,
        margin=s.margin,
        error=s.error,
        spectral_radius=s.spectral_radius,
        kind=None if found is None else found.kind,
        numbers={} if found is None else found.numbers,
        text=s.text if found is None else found.text,
    )


# ---------------------------------------------------------------- several processes


def _shared(
    specs: Sequence[str], rules: Sequence[str], settings: tuple[float, float, str], jobs: int
) -> Iterator[tuple[int, list[Row]]]:
    """The same in other processes, each variant a task of its own."""
    others = {*multiprocessing.active_children()}
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks of jax's threads
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin) as pool:
        tasks: dict[Future[list[Row]], int] = {
            pool.submit(_task, spec, rules, settings): i for i, spec in enumerate(specs)
        }
        try:
            for task in as_completed(tasks):
                i = tasks[task]
                try:
                    yield i, task.result()
                except BrokenProcessPool:  # a loss that takes its process down is judged as what it is
                    yield i, [_lost(specs[i], way) for way in (None, *rules)]
        except BaseException:  # interrupted: what is still computing is of no use to anyone
            pool.shutdown(wait=False, cancel_futures=True)
            for process in {*multiprocessing.active_children()} - others:
                process.terminate()
            raise


def _begin() -> None:
    """Let the parent speak and decide when to stop.

    Two processes must not fight over one accelerator, which these small problems could not use anyway.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS", "cpu"))


def _task(spec: str, rules: Sequence[str], settings: tuple[float, float, str]) -> list[Row]:
    return _rows_of(parse(spec), [None, *(rule(r) for r in rules)], *settings)


def _lost(spec: str, way: str | None) -> Row:
    v = parse(spec)
    label = None if way is None else rule(way).label
    return Row(v.name, v.label, v.hyperparameters, v.reference, label, {}, "its process ended unexpectedly")
