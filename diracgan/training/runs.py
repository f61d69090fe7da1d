"""A run: made from a config, kept in a folder, resumed where it was stopped.

run/config.toml          everything that makes it again: diracgan train --config run/config.toml
run/metrics.jsonl        one JSON object a line, no times in it: two equal runs write equal files
run/samples/00001000.png sample grids, with every average of the generator beside it
run/checkpoints/         last.eqx and best.eqx, replaced whole
run/result.json          how it ended
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..errors import InputError, integer, unknown
from ..files import folder as writable
from ..files import replacing
from ..game import Players
from . import metrics, pictures
from .alarms import Alarm, AlarmMonitor
from .build import arithmetic, generators, start, warnings
from .config import RunConfig, configure, from_table, read, toml
from .games import MinibatchGame
from .games import game as one_game
from .run_folder import CONFIG, METRICS, RESULT, RunFolder, jsonable, lines_until, restore
from .trainer import TrainingSetup, TrainState, advance, unstack

_GRID, _CLOUD = 64, 1000  # samples in a picture
_PATIENCE_S = 0.5  # between two looks at the clock

Tell = Callable[[int, int, Mapping[str, Any]], None]


@dataclasses.dataclass
class Run:
    """A run that was made: its players, its metrics and how it ended.

    Attributes:
        config: what it was made from.
        setup: the same, ready to go on.
        state: the state after the last iteration.
        metrics: the lines of metrics; with several seeds each names its own.
        result: ``"ok"`` or the name of the alarm that stopped it.
        text: how it ended, in words.
        folder: where it is kept, or None.
    """

    config: RunConfig
    setup: TrainingSetup
    state: TrainState
    metrics: list[dict[str, Any]]
    result: str = "ok"
    text: str = ""
    folder: Path | None = None

    @property
    def players(self) -> Players:
        """The networks at the end; with several seeds stacked along a first axis."""
        return self.state.inner.players

    @property
    def steps(self) -> int:
        """Iterations made."""
        return int(np.max(np.asarray(self.state.step)))

    def generate(
        self,
        count: int,
        seed: int = 0,
        *,
        average: float | str | None = None,
        truncation: float | None = None,
        dropout: bool = False,
    ) -> np.ndarray:
        """Samples of the generator (of the first seed), (count, *shape).

        Args:
            count: how many.
            seed: of z.
            average: decay of a kept average, ``"rule"`` for the rule's, ``"mean"`` for the plain one; None: none.
            truncation: entries of z beyond this are drawn again; None for the run's own setting.
            dropout: whether the generator's activations are dropped at generation too.

        With labels, sample i is of class i modulo the number of classes.

        Raises:
            InputError: for an average that was not kept.
        """
        with arithmetic(self.config):
            kept = generators(self.setup, unstack(self.state, 0))
            name = "raw" if average is None else str(average)
            if name not in kept:
                raise unknown("average", name, kept)
            limit = self.config.training.truncation if truncation is None else truncation
            key, many = jax.random.key(seed), integer("count", count, low=1)
            return np.asarray(metrics.sample(self.setup, kept[name], key, many, limit, dropout)[0])

    def path(self, points: int = 21) -> dict[str, list[float]]:
        """Path angle and path norm from the first seed's start to where it is now: :func:`monitors.path`."""
        with arithmetic(self.config):
            begun = unstack(start(self.config)[1], 0).inner.players
            return metrics.path(
                self.setup, begun, unstack(self.state, 0).inner.players, self.config.training.seed, points
            )

    def game(self, count: int = 0, seed: int = 0) -> MinibatchGame:
        """The game of one large batch of the run's problem: its field, without randomness."""
        s = self.setup
        with arithmetic(self.config):
            made = one_game(
                s.variant, s.problem, jax.random.key(seed), count=count, conditional=s.conditional
            )
            more = {"tricks": s.tricks, "classifier": s.classifier, "past": self.state.past}
            return dataclasses.replace(made, key=jax.random.key(seed), step=self.state.step, **more)


def train(
    variant: Any = "ns",
    problem: Any = "ring8",
    *,
    rule: Any = None,
    networks: Any = None,
    steps: int = 1000,
    seed: int = 0,
    dtype: str = "float32",
    out: str | os.PathLike[str] | None = None,
    tricks: Any = (),
    averages: Any = (),
    alarms: Any = None,
    players: Players | None = None,
    tell: Tell | None = None,
    **course: Any,
) -> Run:
    """Train a small real GAN with the losses, penalties and rules of the Dirac system.

    One iteration is ``rule`` applied to the joint field (-grad_phi L_D, -grad_theta L_G) of a fresh minibatch.

    Args:
        variant: a name, ``NAME:k=v``, or what :func:`diracgan.variant` returns.
        problem: a name (dirac, point, curve, points8, gauss2d, ring8, grid25, digits, denoise), ``idx:PATH``,
            ``npz:PATH``, or what :func:`diracgan.training.problem` returns.
        rule: what :func:`diracgan.rule` returns; None for Adam with beta1 = 0.5, alternating.
        networks: settings of :class:`~diracgan.training.networks.Architecture`, e.g. ``{"width": 128}``.
        steps: iterations of the rule.
        seed: of weights and all draws.
        dtype: float32, float64 or bfloat16.
        out: the run's folder, new or empty; None keeps the run in memory.
        tricks: names such as ``"instance-noise:std=0.1"``, or what :func:`~diracgan.training.tricks.trick` returns.
        averages: decays of averages of the generator that are kept beside the rule's own, e.g. (0.999, 0.9999).
        alarms: settings of :class:`~diracgan.training.config.Alarms`.
        players: networks to start from, in place of fresh ones.
        tell: called with (step, steps, last line of metrics) as the run goes on.
        **course: batch, seeds, device, devices, pretrain, mean, truncation, log_every, sample_every, save_every,
            classifier: see :class:`~diracgan.training.config.TrainingConfig`.

    Returns:
        A :class:`Run`; ``run.result`` is ``"ok"`` or the alarm that stopped it.

    Raises:
        InputError: for what is not allowed, in one line.

    References:
        Radford et al. 2015 (arXiv 1511.06434) for the convolutional networks and the default rule.

    Example:
        >>> import diracgan as dg
        >>> run = dg.train("ns:r1=0.1", "points8", networks={"width": 8}, steps=4, log_every=2, save_every=4)
        >>> run.result, [line["step"] for line in run.metrics]
        ('ok', [0, 2, 4])
    """
    made = configure(
        variant,
        problem,
        rule_=rule,
        networks=networks,
        tricks=tricks,
        alarms=alarms,
        averages=averages,
        steps=steps,
        seed=seed,
        dtype=dtype,
        **course,
    )
    return train_from_config(made, out, players=players, tell=tell)


def train_from_config(
    made: RunConfig,
    out: str | os.PathLike[str] | None = None,
    *,
    players: Players | None = None,
    tell: Tell | None = None,
) -> Run:
    """Make the run of a config; arguments as in :func:`train`."""
    target, table = None, {}
    if out is not None:
        if players is not None:
            raise InputError(
                "a run from given players cannot be made again from its folder; allowed: out=None"
            )
        target = Path(os.fspath(out))
        if (target / CONFIG).exists():
            raise InputError(
                f"{os.fspath(out)!r} holds a run already; allowed: another folder, or to resume it"
            )
        table = _rebuilt(made)
        target = writable(out)
    with arithmetic(made):
        setup, state = start(made, players)
        if target is not None:
            with replacing(target / CONFIG) as temporary:
                temporary.write_text(toml(table), encoding="utf-8")
        return _go_on(Run(made, setup, state, [], folder=target), tell)


def resume(folder: str | os.PathLike[str], *, steps: int | None = None, tell: Tell | None = None) -> Run:
    """Go on with a run where its last checkpoint left it: on the same device, bit for bit.

    Args:
        folder: the run's.
        steps: how many iterations it shall have in all; None for what it was to have.
        tell: as in :func:`train`.

    Raises:
        InputError: when there is no run, its checkpoint belongs to another network, or it has more steps already.
    """
    target = Path(os.fspath(folder))
    made = read(target / CONFIG)
    if steps is not None:
        longer = dataclasses.replace(made.training, steps=integer("steps", steps, low=1))
        made = dataclasses.replace(made, training=longer)
    with arithmetic(made):
        run = _restored(made, target, "last")
        if run.steps > made.training.steps:
            raise InputError(f"{target} has made {run.steps} steps; allowed: steps = {run.steps} or more")
        if steps is not None:
            with replacing(target / CONFIG) as temporary:
                temporary.write_text(toml(made.table()), encoding="utf-8")
        return _go_on(run, tell)


def load_run(folder: str | os.PathLike[str], which: str = "last") -> Run:
    """A run from its folder.

    Args:
        folder: the run's.
        which: the checkpoint: ``"last"`` or ``"best"`` (least sliced Wasserstein distance to the data).

    Raises:
        InputError: when there is no run, or no such checkpoint, or it belongs to another network.
    """
    if which not in ("last", "best"):
        raise unknown("checkpoint", which, ("last", "best"))
    target = Path(os.fspath(folder))
    made = read(target / CONFIG)
    with arithmetic(made):
        run = _restored(made, target, which)
    with contextlib.suppress(OSError, ValueError):
        ended = json.loads((target / RESULT).read_text(encoding="utf-8"))
        run.result, run.text = ended["result"], ended["text"]
    return run


# ---------------------------------------------------------------- the loop


def _go_on(run: Run, tell: Tell | None) -> Run:
    course, setup = run.config.training, run.setup
    watches = {k: AlarmMonitor(run.config.alarms) for k in range(course.seeds)}
    stopped: dict[int, Alarm] = {}
    best = np.inf
    for line in run.metrics:
        _heed(watches, stopped, line, course.seed)
        best = min(best, _score(line)) if line["step"] % _or_never(course.save_every) == 0 else best
    began, first = time.monotonic(), run.steps
    line: dict[str, Any] = run.metrics[-1] if run.metrics else {}
    files = None if run.folder is None else RunFolder(run.folder, course.tensorboard)
    every = (course.log_every, course.sample_every, course.save_every)
    chunk, step = 1, run.steps
    if step == 0 and not run.metrics:
        if files is not None:
            files.save("last", run.state, run.steps)
        line = _log(run, files, watches, stopped)
        _picture(run, files)
    while step < course.steps and len(stopped) < course.seeds:
        stop = min(course.steps, *((step // _or_never(k) + 1) * _or_never(k) for k in every))
        clock = time.monotonic()
        while step < stop:
            count = min(chunk, stop - step)
            run.state = jax.block_until_ready(advance(setup, run.state, count))
            step += count
            now = time.monotonic()
            if now - clock < _PATIENCE_S:
                chunk *= 2
            elif now - clock > 2 * _PATIENCE_S:
                chunk = max(1, chunk // 2)
            clock = now
            if tell is not None:
                tell(step, course.steps, line)
        due = [step % _or_never(k) == 0 or step == course.steps for k in every]
        if due[0] or due[2]:
            line = _log(run, files, watches, stopped)
        if stopped and len(stopped) == course.seeds:
            break
        if due[1]:
            _picture(run, files)
        if due[2] and files is not None:
            files.save("last", run.state, run.steps)
            if course.seeds == 1 and _score(line) < best:
                best = _score(line)
                files.save("best", run.state, run.steps)
    if tell is not None:
        tell(step, course.steps, line)
    _end(run, stopped)
    if files is not None:
        files.end(_record(run, time.monotonic() - began, run.steps - first))
    return run


def _or_never(every: int | None) -> int:
    return every or 1 << 62


def _score(line: Mapping[str, Any]) -> float:
    return float(line.get("distance", np.inf))


def _heed(
    watches: dict[int, AlarmMonitor], stopped: dict[int, Alarm], line: Mapping[str, Any], seed: int
) -> None:
    k = line.get("seed", seed) - seed
    if k not in stopped:
        alarm = watches[k].check(line)
        if alarm is not None:
            stopped[k] = alarm


def _log(
    run: Run, files: RunFolder | None, watches: dict[int, AlarmMonitor], stopped: dict[int, Alarm]
) -> dict[str, Any]:
    course = run.config.training
    last: dict[str, Any] = {}
    for k in range(course.seeds):
        state = unstack(run.state, k)
        who = {} if course.seeds == 1 else {"seed": course.seed + k}
        line = {"step": int(state.step), **who, **_measured(run.setup, state)}
        run.metrics.append(line)
        if files is not None:
            files.line(line)
        _heed(watches, stopped, line, course.seed)
        last = last or line
    return last


def _measured(setup: TrainingSetup, state: TrainState) -> dict[str, Any]:
    """One line of metrics: plain numbers."""
    kept = generators(setup, state)
    theta = kept["raw"]
    line: dict[str, Any] = metrics.look(setup, state, theta)
    if not np.all([np.all(np.isfinite(x)) for x in jax.tree.leaves(state.inner.players)]):
        return line | {"norm_d": float("nan")}
    line["singular"] = metrics.singular_values(state.inner.players)
    problem = setup.problem
    if problem.labels is not None and np.isfinite(line["loss_d"]):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(state.seed), 11), 2)
        batch = problem.draw(keys[0], 1024)
        if setup.classifier is not None:
            made, _ = metrics.sample(setup, theta, keys[1], 1024)
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
    key = jax.random.fold_in(jax.random.key(state.seed), 13)
    panels = {"data": np.asarray(setup.problem.draw(key, count).x)}
    for name, theta in generators(setup, state).items():
        limit = run.config.training.truncation
        panels[name] = np.asarray(metrics.sample(setup, theta, key, count, limit)[0])
    if not setup.problem.images or setup.problem.data.ndim == 4:
        pictures.write(files.samples / f"{int(state.step):08d}.png", panels, setup.problem.images)


def _end(run: Run, stopped: dict[int, Alarm]) -> None:
    if not stopped:
        run.result, run.text = "ok", f"made {run.steps} steps"
        return
    names = sorted({a.name for a in stopped.values()})
    first = next(iter(stopped.values()))
    some = f" ({len(stopped)} of {run.config.training.seeds} seeds)" if run.config.training.seeds > 1 else ""
    run.text = f"alarm: {first.name}{some}: {first.text}"
    run.result = ", ".join(names) if len(stopped) == run.config.training.seeds else "ok"


def _record(run: Run, seconds: float, steps: int) -> dict[str, Any]:
    """How it ended, and how fast."""
    scores = [(_score(m), m["step"]) for m in run.metrics if np.isfinite(_score(m))]
    return {
        "result": run.result,
        "text": run.text,
        "steps": run.steps,
        "best": None if not scores else {"distance": min(scores)[0], "step": min(scores)[1]},
        "seconds": seconds,
        "steps_per_second": steps / seconds if seconds > 0 else None,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }


def _restored(made: RunConfig, target: Path, which: str) -> Run:
    setup, like = start(made)
    file = target / "checkpoints" / f"{which}.eqx"
    state, step = restore(file, like)
    if setup.mesh is not None:
        whole = jax.sharding.NamedSharding(setup.mesh, jax.sharding.PartitionSpec())
        state = eqx.filter_shard(state, whole)
    lines = lines_until(target / METRICS, step)
    if which == "last" and lines is not None:
        with replacing(target / METRICS) as temporary:
            temporary.write_text("".join(json.dumps(jsonable(m)) + "\n" for m in lines), encoding="utf-8")
    return Run(made, setup, state, lines or [], folder=target)


def _rebuilt(made: RunConfig) -> dict[str, Any]:
    """The plan's table, once it has been seen to make the plan again."""
    table = made.table()
    again = from_table(table, "the run's config").table()
    if again != table:
        raise InputError(f"this run cannot be made again from a config: {_first_difference(table, again)}")
    return table


def _first_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    return next(
        (f"{k} = {a.get(k)!r} would be {b.get(k)!r}" for k in {**a, **b} if a.get(k) != b.get(k)), "?"
    )


__all__ = [
    "Run",
    "configure",
    "generators",
    "load_run",
    "resume",
    "start",
    "train",
    "train_from_config",
    "warnings",
]
