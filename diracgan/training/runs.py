"""``dg.train``, ``dg.resume`` and ``dg.load_run``: begin a run, continue it, read it.

run/config.toml          everything that makes it again: diracgan train --config run/config.toml
run/loss.py              a copy of a user's own loss; the config names its SHA-256
run/metrics.jsonl        one JSON object a line, no times in it: two equal runs write equal files
run/samples/00001000.png sample grids, with every average of the generator beside it; -walks.png, -filters.png
run/checkpoints/         last.eqx and best.eqx, replaced whole
run/result.json          how it ended
run/run.lock             who writes there, while somebody does
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, callback, instance, one_of
from ..files import path_of, refusals
from ..game import Players
from ..rules import Rule
from ..variants import Variant
from .architecture import Architecture
from .build import arithmetic, start
from .config import Alarms, RunConfig, configure, from_table, read
from .games import Trick
from .loop import Tell, go_on
from .problems import Problem
from .run import Run
from .run_folder import (
    CONFIG,
    METRICS,
    RESULT,
    begun_folder,
    check_unbegun,
    ended,
    identity,
    keep_metrics,
    lines_until,
    new_folder,
    restore,
    undone_at_its_start,
    write_config,
)
from .toml_tables import read_table
from .trainer import on_every_device

_KEPT = "what is there is kept: continue with --resume (or resume)"


def train(
    variant: str | Variant = "ns",
    problem: str | Problem = "ring8",
    *,
    rule: str | Rule | None = None,
    networks: Architecture | Mapping[str, Any] | None = None,
    steps: int | None = None,
    batch: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    dtype: str = "float32",
    device: str = "auto",
    devices: int = 1,
    out: str | os.PathLike[str] | None = None,
    tricks: str | Trick | Sequence[str | Trick] = (),
    averages: float | Sequence[float] = (),
    warmup: bool = True,
    mean: bool = False,
    alarms: Alarms | Mapping[str, Any] | None = None,
    players: Players | None = None,
    pretrain: int = 0,
    truncation: float | None = None,
    truncate: str = "entries",
    log_every: int | None = None,
    sample_every: int | None = None,
    save_every: int | None = None,
    walks: bool = False,
    filters: bool = False,
    tensorboard: bool = False,
    classifier: bool = True,
    tell: Tell | None = None,
) -> Run:
    """Train a small real GAN with the losses, penalties and rules of the Dirac system.

    One iteration is ``rule`` applied to the joint field (-grad_phi L_D, -grad_theta L_G) of a fresh minibatch.

    Args:
        variant: a name, ``NAME:k=v``, or what :func:`diracgan.variant` returns.
        problem: a name (dirac, point, curve, points8, gauss2d, ring8, grid25, digits, denoise), ``idx:PATH``,
            ``npz:PATH``, or what :func:`diracgan.training.problem` returns.
        rule: what :func:`diracgan.rule` returns; None for Adam with beta1 = 0.5, alternating.
        networks: settings of :class:`~diracgan.training.architecture.Architecture`, e.g. ``{"width": 128}``.
        steps: iterations of the rule; None for 1,000, or what the problem asks for (ring8 and grid25: 5,000).
        batch: samples in a minibatch; None for 128, or what the problem asks for (ring8 and grid25: 256).
        seed: of weights and all draws.
        seeds: runs at once, with this seed and the following ones.
        dtype: float32, float64 or bfloat16.
        device: auto, cpu, gpu or tpu.
        devices: over how many a minibatch is spread.
        out: the run's folder, new or empty; None keeps the run in memory.
        tricks: names such as ``"instance-noise:std=0.1"``, or what :func:`~diracgan.training.tricks.trick` returns.
        averages: decays of averages of the generator that are kept beside the rule's own, e.g. (0.999, 0.9999).
        warmup: whether these averages begin with a short memory, with the decay min(beta, (1 + t)/(10 + t)).
        mean: whether the plain mean of the weights over all iterations is kept as well.
        alarms: settings of :class:`~diracgan.training.config.Alarms`.
        players: networks to start from, in place of fresh ones.
        pretrain: iterations before the first one in which only the discriminator (critic) moves.
        truncation: what of z lies beyond this is drawn again at generation.
        truncate: what lies beyond it, ``"entries"`` of z by their absolute value or a whole z by its ``"norm"``.
        log_every: iterations between two lines of metrics; None for a 20th of the run.
        sample_every: iterations between two sample grids; None for a tenth of the run.
        save_every: iterations between two checkpoints; None for a tenth of the run.
        walks: whether beside each sample grid samples on paths from one z to another are drawn.
        filters: whether beside each sample grid of images the filters of the critic's first layer are drawn.
        tensorboard: whether the metrics are written for TensorBoard as well.
        classifier: whether labelled problems are scored by a classifier trained on the same data.
        tell: called with (step, steps, last line of metrics) as the run goes on.

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
    config = configure(
        variant,
        problem,
        rule_=rule,
        networks=networks,
        tricks=tricks,
        alarms=alarms,
        averages=averages,
        training={
            "steps": steps,
            "batch": batch,
            "seed": seed,
            "seeds": seeds,
            "dtype": dtype,
            "device": device,
            "devices": devices,
            "pretrain": pretrain,
            "warmup": warmup,
            "mean": mean,
            "truncation": truncation,
            "truncate": truncate,
            "log_every": log_every,
            "sample_every": sample_every,
            "save_every": save_every,
            "walks": walks,
            "filters": filters,
            "tensorboard": tensorboard,
            "classifier": classifier,
        },
    )
    return train_from_config(config, out, players=players, tell=tell)


def train_from_config(
    config: RunConfig,
    out: str | os.PathLike[str] | None = None,
    *,
    players: Players | None = None,
    tell: Tell | None = None,
) -> Run:
    """Make the run of a config; arguments as in :func:`train`."""
    callback("tell", tell)
    if out is not None:
        path_of("out", out)
    if players is not None:
        instance("players", players, Players, "what diracgan.training.players(...) returns")
    if out is not None and players is not None:
        raise InputError("a run from given players cannot be made again from its folder; allowed: out=None")
    if out is None:
        with arithmetic(config):
            return go_on(Run(config, *start(config, players), []), tell)
    with new_folder(out) as target, arithmetic(config):
        table = _reproducible(config)
        setup, state = start(config)
        run = Run(config, setup, state, [], folder=target)
        with refusals(str(target), _KEPT), undone_at_its_start(target, run.metrics):
            write_config(target, table)  # a folder with a config is a run's
            return go_on(run, tell)


def resume(
    folder: str | os.PathLike[str],
    *,
    steps: int | None = None,
    trust: bool = False,
    tell: Tell | None = None,
) -> Run:
    """Continue a run from its last checkpoint, or from its beginning: on the same device, bit for bit.

    Args:
        folder: the run's.
        steps: how many iterations it shall have in all; None for what it was to have.
        trust: whether a loss in a Python file or module that the run's config names may be executed.
        tell: as in :func:`train`.

    Raises:
        InputError: when there is no run, another process writes to it, its checkpoint belongs to another network, it
            has more steps already, it has metrics of steps without a checkpoint, or its loss is code and ``trust`` is
            not given.
    """
    callback("tell", tell)
    target = Path(path_of("folder", folder))
    config = read(target / CONFIG, trust=trust)
    if steps is not None:
        config = config.with_training(steps=steps)
    with begun_folder(target), arithmetic(config):
        begun = (target / "checkpoints" / "last.eqx").exists()
        if not begun:
            check_unbegun(target)
        run = _restored(config, target, "last") if begun else Run(config, *start(config), [], folder=target)
        if run.steps > config.training.steps:
            raise InputError(f"{target} has made {run.steps} steps; allowed: steps = {run.steps} or more")
        if steps is not None:
            write_config(target, read_table(target / CONFIG) | {"steps": config.training.steps})
        with refusals(str(target), _KEPT):
            keep_metrics(target, run.metrics)
            (target / RESULT).unlink(missing_ok=True)  # it goes on
            return go_on(run, tell)


def load_run(folder: str | os.PathLike[str], which: str = "last", *, trust: bool = False) -> Run:
    """A run from its folder, in which nothing is changed: it may still be training.

    Args:
        folder: the run's.
        which: the checkpoint: ``"last"`` or ``"best"`` (least sliced Wasserstein distance to the data).
        trust: whether a loss in a Python file or module that the run's config names may be executed.

    Raises:
        InputError: when there is no run, or no such checkpoint, it belongs to another network, or its loss is code
            and ``trust`` is not given.
    """
    one_of("checkpoint", which, ("last", "best"))
    target = Path(path_of("run", folder))
    config = read(target / CONFIG, trust=trust)
    with arithmetic(config):
        run = _restored(config, target, which)
    end = ended(target)
    if end is not None:
        run.result, run.text = end
    return run


def _restored(config: RunConfig, target: Path, which: str) -> Run:
    setup, like = start(config)
    state, step = restore(target / "checkpoints" / f"{which}.eqx", like, identity(config.table()))
    state = on_every_device(setup.mesh, state)
    return Run(config, setup, state, lines_until(target / METRICS, step), folder=target)


def _reproducible(config: RunConfig) -> dict[str, Any]:
    """The config's table, once it has been seen to make the config again."""
    table = config.table()
    again = from_table(table, "the run's config", trust=True).table()  # it is this process's own code
    if again != table:
        different = next(k for k in {**table, **again} if table.get(k) != again.get(k))
        raise InputError(
            f"this run cannot be made again from a config: {different} = {table.get(different)!r} would be "
            f"{again.get(different)!r}"
        )
    return table
