"""``diracgan train``: a real network, trained by the losses and rules of the Dirac system."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ..errors import InputError
from ..progress import Progress, progress
from ..registry import merged
from .layer import CommandResult, OverwriteOption, argument, flag, make_room, option, tell
from .options import DECAY, AnyVariantOptions, DeviceOption, RuleOptions, assignments, given_in, vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..training.config import RunConfig
    from ..training.run import Run


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """How the players are built, and what is changed about the game."""

    panel: ClassVar[str] = "Networks and tricks"
    networks: Annotated[
        list[str] | None,
        option(
            "kind=mlp|dcgan, width, depth, width_d, depth_d, norm_d, norm_g, activation_d, activation_g, "
            "dropout_d, dropout_g, minibatch, condition, labels_g, skip_z, kernel, pool_d; repeatable.",
            metavar="NAME=VALUE",
            short="-N",
        ),
    ] = None
    width: Annotated[int | None, option("Units of a layer, or channels; 64 by default.")] = None
    trick: Annotated[
        list[str] | None,
        option(
            "instance-noise, flip-labels, clip-gradient, ...; repeatable. An unknown name lists them.",
            metavar="NAME[:k=v,...]",
            names="trick",
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The networks' settings."""
        short = {} if self.width is None else {"width": self.width}
        return merged(short, assignments(self.networks, "--networks"))


@dataclasses.dataclass(frozen=True)
class TrainingRunOptions:
    """How long, how large, where."""

    panel: ClassVar[str] = "Run"
    steps: Annotated[
        int | None, option("Number of iterations; 1000 by default, 5000 on ring8 and grid25.", short="-n")
    ] = None
    batch: Annotated[
        int | None, option("Samples in a minibatch; 128 by default, 256 on ring8 and grid25.")
    ] = None
    seed: Annotated[int | None, option("Seed of the weights and of all draws; 0 by default.")] = None
    seeds: Annotated[
        int | None, option("How many runs at once, with seeds from --seed on; 1 by default.")
    ] = None
    dtype: Annotated[
        str | None, option("Precision of the run; float32 by default.", metavar="float32|float64|bfloat16")
    ] = None
    device: DeviceOption = None
    devices: Annotated[
        int | None, option("How many devices share a minibatch; 1 by default.", metavar="N")
    ] = None
    pretrain: Annotated[
        int | None, option("Iterations of the critic alone before the first; 0 by default.")
    ] = None


@dataclasses.dataclass(frozen=True)
class KeepOptions:
    """What of a run is kept."""

    panel: ClassVar[str] = "What is kept"
    log_every: Annotated[
        int | None, option("Iterations between lines of metrics; a 20th of the run by default.")
    ] = None
    sample_every: Annotated[
        int | None, option("Iterations between sample grids; a 10th of the run by default.")
    ] = None
    save_every: Annotated[
        int | None, option("Iterations between checkpoints; a 10th of the run by default.")
    ] = None
    walks: Annotated[bool, option("Draw samples on paths from one z to another beside each grid.")] = False
    filters: Annotated[bool, option("Draw the filters of the critic's first layer beside each grid.")] = False
    tensorboard: Annotated[bool | None, option("Write the metrics for TensorBoard as well.")] = None
    truncation: Annotated[
        float | None, option("Redraw z that lies beyond this when samples are generated.")
    ] = None
    truncate: Annotated[
        str | None, option("What of z must not lie beyond --truncation.", metavar="entries|norm")
    ] = None


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """Everything that a run's config.toml holds."""

    variant: AnyVariantOptions
    rule: RuleOptions
    network: NetworkOptions
    run: TrainingRunOptions
    keep: KeepOptions
    problem: Annotated[
        str | None,
        argument(
            "[PROBLEM]",
            "dirac, point, curve, points8, gauss2d, ring8, grid25, digits, denoise, idx:PATH or npz:PATH; "
            "NAME:k=v sets options, of most prior=uniform. ring8 by default.",
            names="problem",
        ),
    ] = None
    averages: Annotated[
        str | None, option("Decays of averages of the generator's weights.", metavar="0.999,0.9999")
    ] = None
    no_warmup: Annotated[bool, option("Give these averages their full memory from the start.")] = False
    mean: Annotated[bool, option("Keep the plain mean of the weights as well.")] = False
    alarm: Annotated[
        list[str] | None,
        option(
            "When a run is stopped: critic_zero, patience, blow_up, falling, mode_loss; on=false never stops it.",
            metavar="NAME=VALUE",
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """The settings of the run itself, by the library's names."""
        own = ({"warmup": False} if self.no_warmup else {}) | ({"mean": True} if self.mean else {})
        return {**given_in(self.run), **given_in(self.keep), **own}

    def flags(self) -> list[str]:
        """Every option that was given, as it is written."""
        groups = (self.variant, self.rule, self.network, self.run, self.keep)
        names = [n for group in groups for n in given_in(group)]
        return [
            flag(n)
            for n in (*names, *(n for n in ("averages", "no_warmup", "mean", "alarm") if getattr(self, n)))
        ]


@dataclasses.dataclass(frozen=True)
class AgainOptions:
    """A run whose config.toml exists already."""

    config: Annotated[str | None, option("Repeat the run of a config.toml.", metavar="FILE")] = None
    resume: Annotated[bool, option("Continue the run in --out; --steps may ask for more.")] = False
    trust: Annotated[
        bool, option("Run the loss in a Python file or module that the config of --config or --resume names.")
    ] = False


def command(
    options: TrainingOptions,
    again: AgainOptions,
    out: Annotated[str, option("The run's folder; run by default.", metavar="FOLDER", short="-o")] = "run",
    overwrite: OverwriteOption = False,
) -> CommandResult:
    """Train a small GAN and keep config, metrics, sample grids and checkpoints in a folder.

    Without --rule: Adam with beta1 0.5, alternating, learning rate 2e-4 for convolutions, else 1e-3, or what the
    variant's source uses (wgan-gp: 5 critic steps, a slow generator); --lr, --lr-d, --lr-g, --n-critic and --ema change
    it. Exit code 1 when an alarm (NaN, critic loss 0, singular values, mode loss)
    stopped the run.

    Example: diracgan train digits -v ns --r1 0.1 --steps 2000 --averages 0.999 --out digits-run
    """
    if again.resume or again.config is not None:
        _only_what_may_change(options, again)
    made = None if again.resume else _config(options, again)

    from ..training import runs
    from ..training.build import warnings

    for text in warnings(made) if made is not None else []:
        tell(f"warning: {text}")

    def work() -> Run:
        with progress() as bar:
            report = _with_losses(bar)
            if made is None:
                return runs.resume(out, steps=options.run.steps, trust=again.trust, tell=report)
            return runs.train_from_config(made, out, tell=report)

    run = make_room(work, overwrite)
    last = {k: x for k, x in run.metrics[-1].items() if k != "singular"} if run.metrics else {}
    record = {"result": run.result, "text": run.text, "steps": run.steps, "out": out, "metrics": last}
    code = 0 if run.result == "ok" else 1
    return CommandResult({"config": run.config.table(), **record}, _said(run, last, out), code=code)


def _only_what_may_change(options: TrainingOptions, again: AgainOptions) -> None:
    """Refuse the options that the config.toml of a run that is repeated or resumed decides."""
    kept = {"--steps"} if again.resume else {"--steps", "--seed", "--device"}
    what = "--resume" if again.resume else "--config"
    beside = ["PROBLEM"] if options.problem else []
    beside += ["--config"] if again.resume and again.config else []
    beside += [f for f in options.flags() if f not in kept]
    if beside:
        raise InputError(
            f"{beside[0]} does not go with {what}, which says everything; allowed: "
            + ", ".join(sorted({"--out", "--trust", *kept}))
        )


def _config(options: TrainingOptions, again: AgainOptions) -> RunConfig:
    from ..training import config as configs
    from ..variants import parse

    if again.config is not None:
        return configs.read(again.config, trust=again.trust).with_training(**options.given())
    spec, name = options.variant.variant, options.rule.rule
    chosen = configs.chosen_in("ns" if spec is None else spec)
    return configs.configure(
        options.variant.build_any("ns") or parse("ns"),
        "ring8" if options.problem is None else options.problem,
        chosen=None if chosen is None else {*chosen, *options.variant.settings()},
        rule_=options.rule.settings() | ({} if name is None else {"name": name}),
        networks=options.network.settings(),
        tricks=options.network.trick or (),
        alarms=assignments(options.alarm, "--alarm"),
        averages=vector("averages", options.averages, **DECAY) or (),
        training=options.given(),
    )


def _with_losses(bar: Progress | None) -> Callable[[int, int, Any], None] | None:
    """What tells of every logged line: the bar, with both losses beside it."""
    if bar is None:
        return None

    def report(step: int, steps: int, line: Mapping[str, Any]) -> None:
        losses = (f"{n[-1].upper()} {line[n]:.4g}" for n in ("loss_d", "loss_g") if n in line)
        bar(step, steps, " ".join(losses))

    return report


def _said(run: Run, last: dict[str, Any], out: str) -> Iterator[str]:
    yield f"{run.config.variant.label} on {run.config.problem.name}, {run.config.rule.label}"
    shown = [f"{k} {x:.4g}" for k, x in last.items() if isinstance(x, float)]
    for k in range(0, len(shown), 6):
        yield "  " + "   ".join(shown[k : k + 6])
    yield run.text
    yield out
