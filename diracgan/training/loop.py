"""The loop of a run: iterations in pieces, and between them metrics, pictures, alarms and checkpoints.

A checkpoint is the last thing that is written of its step: when there is one, the metrics and pictures up to it are
complete, so that a run that was killed anywhere goes on from its last checkpoint and ends with the same files.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from ..jax_settings import seeded
from . import generation, metrics, networks, pictures
from .alarms import Alarm, AlarmMonitor
from .build import generators
from .run import Run
from .run_folder import RunFolder, identity
from .trainer import TrainingSetup, TrainState, advance, unstack

_GRID, _CLOUD = 64, 1000  # samples in a picture
_WALKS = 8, 9  # how many, and samples on each
_PATIENCE_S = 0.5  # between two looks at the clock
_NEVER = 1 << 62

Tell = Callable[[int, int, Mapping[str, Any]], None]


@dataclasses.dataclass
class _Clock:
    """How long iterations take, without the first piece, which compiles them; and how many fit into a piece."""

    piece: int = 1
    pieces: int = 0
    steps: int = 0
    seconds: float = 0.0

    def count(self, steps: int, seconds: float) -> None:
        self.pieces += 1
        if self.pieces > 1:
            self.steps, self.seconds = self.steps + steps, self.seconds + seconds
        if seconds < _PATIENCE_S:
            self.piece *= 2
        elif seconds > 2 * _PATIENCE_S:
            self.piece = max(1, self.piece // 2)

    @property
    def rate(self) -> float | None:
        """Iterations a second; None where all of them were in the first piece."""
        return self.steps / self.seconds if self.seconds > 0 else None


def go_on(run: Run, tell: Tell | None) -> Run:
    """Make the remaining iterations of a run, and write what it keeps.

    Args:
        run: at its beginning, or where its last checkpoint left it.
        tell: called with (step, steps, last line of metrics).
    """
    config = run.config.training
    monitors = {k: AlarmMonitor(run.config.alarms) for k in range(config.seeds)}
    stopped: dict[int, Alarm] = {}
    line: Mapping[str, Any] = run.metrics[-1] if run.metrics else {}
    for past in run.metrics:
        _heed(monitors, stopped, past, config.seed)
    began, clock, step = time.monotonic(), _Clock(), run.steps
    files = (
        None
        if run.folder is None
        else RunFolder(run.folder, config.tensorboard, identity(run.config.table()))
    )
    best = np.inf if files is None else _best_so_far(run, files)
    every = [_interval(k) for k in (config.log_every, config.sample_every, config.save_every)]
    if step == 0 and not run.metrics:
        line = _log(run, files, monitors, stopped)
        _picture(run, files)
        if files is not None:
            files.save_checkpoint("last", run.state, 0)
    while step < config.steps and len(stopped) < config.seeds:
        stop = min(config.steps, *((step // k + 1) * k for k in every))
        while step < stop:
            count, start = min(clock.piece, stop - step), time.monotonic()
            run.state = jax.block_until_ready(advance(run.setup, run.state, count))
            step += count
            clock.count(count, time.monotonic() - start)
            if tell is not None:
                tell(step, config.steps, line)
        log, sample, save = (step % k == 0 or step == config.steps for k in every)
        if log or save:
            line = _log(run, files, monitors, stopped)
        if len(stopped) == config.seeds:
            break
        if sample:
            _picture(run, files)
        if save and files is not None:
            if config.seeds == 1 and _score(line) < best:
                best = _score(line)
                files.save_checkpoint("best", run.state, step)
            files.save_checkpoint("last", run.state, step)
    if tell is not None:
        tell(step, config.steps, line)
    _end(run, stopped)
    if files is not None:
        files.write_result(_record(run, time.monotonic() - began, clock.rate))
    return run


def _interval(every: int | None) -> int:
    return every or _NEVER


def _best_so_far(run: Run, files: RunFolder) -> float:
    """The score of the best checkpoint; inf of none, or of one that lies beyond the last and is made again."""
    step = files.step_of("best")
    return min((_score(m) for m in run.metrics if m["step"] == step), default=np.inf)


def _score(line: Mapping[str, Any]) -> float:
    return float(line.get("distance", np.inf))


def _heed(
    monitors: dict[int, AlarmMonitor], stopped: dict[int, Alarm], line: Mapping[str, Any], seed: int
) -> None:
    k = line.get("seed", seed) - seed
    if k not in stopped:
        alarm = monitors[k].check(line)
        if alarm is not None:
            stopped[k] = alarm


def _log(
    run: Run, files: RunFolder | None, monitors: dict[int, AlarmMonitor], stopped: dict[int, Alarm]
) -> dict[str, Any]:
    config = run.config.training
    last: dict[str, Any] = {}
    for k in range(config.seeds):
        state = unstack(run.state, k)
        who = {} if config.seeds == 1 else {"seed": config.seed + k}
        line = {"step": int(state.step), **who, **_measured(run.setup, state)}
        run.metrics.append(line)
        if files is not None:
            files.append_metrics(line)
        _heed(monitors, stopped, line, config.seed)
        last = last or line
    return last


def _measured(setup: TrainingSetup, state: TrainState) -> dict[str, Any]:
    """One line of metrics: plain numbers."""
    kept = generators(setup, state)
    theta = kept["raw"]
    line: dict[str, Any] = metrics.scalars(setup, state, theta)
    if not np.all([np.all(np.isfinite(x)) for x in jax.tree.leaves(state.inner.players)]):
        return line | {"norm_d": float("nan")}
    line["singular"] = metrics.singular_values(state.inner.players)
    problem = setup.problem
    if problem.labels is not None and np.isfinite(line["loss_d"]):
        keys = jax.random.split(jax.random.fold_in(seeded(state.seed), 11), 2)
        batch = problem.draw(keys[0], 1024)
        if setup.classifier is not None:
            made, _ = generation.sample(setup, theta, keys[1], 1024)
            line |= metrics.judged_by(setup.classifier, problem, made, batch.x)
        if hasattr(state.inner.players.phi, "features"):
            f = metrics.critic_features(setup, state.inner.players, batch.x)
            line["probe"] = metrics.probe(f, batch.labels, problem.classes)
    return line


def _picture(run: Run, files: RunFolder | None) -> None:
    setup, state = run.setup, unstack(run.state, 0)
    if files is None or setup.problem.inputs == 0:
        return
    count = _GRID if setup.problem.images else _CLOUD
    key, config = jax.random.fold_in(seeded(state.seed), 13), run.config.training
    panels = {"data": np.asarray(setup.problem.draw(key, count).x)}
    for name, theta in generators(setup, state).items():
        made, _ = generation.sample(setup, theta, key, count, config.truncation, truncate=config.truncate)
        panels[name] = np.asarray(made)
    images, name = setup.problem.images, f"{int(state.step):08d}"
    if not images or setup.problem.data.ndim == 4:
        pictures.write(files.samples / f"{name}.png", panels, images)
    if config.walks:
        theta = generators(setup, state)["raw"]
        made = np.asarray(generation.walks(setup, theta, key, *_WALKS)).reshape(-1, *setup.problem.shape)
        shown = {"walks": made} if images else {"data": panels["data"], "walks": made}
        pictures.write(files.samples / f"{name}-walks.png", shown, images, _WALKS[1])
    if config.filters:
        seen = networks.filters(state.inner.players.phi, setup.problem.shape)
        pictures.write(files.samples / f"{name}-filters.png", {"filters": seen}, True)


def _end(run: Run, stopped: dict[int, Alarm]) -> None:
    if not stopped:
        run.result, run.text = "ok", f"made {run.steps} steps"
        return
    names = sorted({a.name for a in stopped.values()})
    first = next(iter(stopped.values()))
    some = f" ({len(stopped)} of {run.config.training.seeds} seeds)" if run.config.training.seeds > 1 else ""
    run.text = f"alarm: {first.name}{some}: {first.text}"
    run.result = ", ".join(names) if len(stopped) == run.config.training.seeds else "ok"


def _record(run: Run, seconds: float, rate: float | None) -> dict[str, Any]:
    """How it ended, and how fast."""
    scores = [(_score(m), m["step"]) for m in run.metrics if np.isfinite(_score(m))]
    return {
        "result": run.result,
        "text": run.text,
        "steps": run.steps,
        "best": None if not scores else {"distance": min(scores)[0], "step": min(scores)[1]},
        "seconds": seconds,
        "steps_per_second": rate,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }
