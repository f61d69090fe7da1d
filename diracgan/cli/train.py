"""``diracgan train``: a real network, trained by the losses and rules of the Dirac system."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ..errors import InputError
from .options import (
    TEXT_OR_JSON,
    Format,
    RuleOptions,
    VariantOptions,
    _option,
    assignments,
    choice,
    merged,
    takes,
    vector,
)

_VARIANT, _NETWORK, _RUN, _KEEP = "Variant", "Networks and tricks", "Run", "What is kept"


@dataclasses.dataclass(frozen=True)
class TrainVariantOptions(VariantOptions):
    """Which variant; ns when none is named."""

    variant: Annotated[
        str | None,
        _option(
            "--variant",
            "-v",
            metavar="NAME",
            panel=_VARIANT,
            help="NAME[:k=v,...], PATH.py:NAME[:k=v,...] or pkg.module:NAME; ns by default.",
        ),
    ] = None  # type: ignore[assignment]  # optional here alone

    def build(self) -> Any:
        """Make the variant; None when nothing was asked for."""
        if self.variant is None:
            if any(x is not None for x in vars(self).values()):
                return dataclasses.replace(self, variant="ns").build()
            return None
        return super().build()


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """How the players are built, and what is changed about the game."""

    networks: Annotated[
        list[str] | None,
        _option(
            "--networks",
            "-N",
            metavar="NAME=VALUE",
            panel=_NETWORK,
            help="kind=mlp|dcgan, width, depth, norm_d, norm_g, activation_d, activation_g, dropout_d, dropout_g, "
            "minibatch, condition; repeatable.",
        ),
    ] = None
    width: Annotated[
        int | None, _option("--width", panel=_NETWORK, help="Units of a layer, or channels; 64.")
    ] = None
    trick: Annotated[
        list[str] | None,
        _option(
            "--trick",
            metavar="NAME[:k=v,...]",
            panel=_NETWORK,
            help="instance-noise, flip-labels, clip-gradient, ...; repeatable. An unknown name lists them.",
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The networks' settings."""
        short = {} if self.width is None else {"width": self.width}
        return merged(short, assignments(self.networks, "--networks"))


@dataclasses.dataclass(frozen=True)
class TrainingRunOptions:
    """How long, how large, where."""

    steps: Annotated[int | None, _option("--steps", "-n", panel=_RUN, help="Iterations; 1000.")] = None
    batch: Annotated[int | None, _option("--batch", panel=_RUN, help="Samples in a minibatch; 128.")] = None
    seed: Annotated[int | None, _option("--seed", panel=_RUN, help="Of weights and all draws; 0.")] = None
    seeds: Annotated[
        int | None, _option("--seeds", panel=_RUN, help="So many runs at once, from --seed on; 1.")
    ] = None
    dtype: Annotated[
        str | None, _option("--dtype", metavar="float32|float64|bfloat16", panel=_RUN, help="Numbers.")
    ] = None
    device: Annotated[
        str | None, _option("--device", metavar="auto|cpu|gpu|tpu", panel=_RUN, help="Where.")
    ] = None
    devices: Annotated[
        int | None, _option("--devices", panel=_RUN, help="Spread each minibatch over so many; 1.")
    ] = None
    pretrain: Annotated[
        int | None, _option("--pretrain", panel=_RUN, help="Critic-only iterations before the first; 0.")
    ] = None
    log_every: Annotated[
        int | None, _option("--log-every", panel=_KEEP, help="Iterations between lines of metrics.")
    ] = None
    sample_every: Annotated[
        int | None, _option("--sample-every", panel=_KEEP, help="Iterations between sample grids.")
    ] = None
    save_every: Annotated[
        int | None, _option("--save-every", panel=_KEEP, help="Iterations between checkpoints.")
    ] = None
    tensorboard: Annotated[
        bool | None, _option("--tensorboard", panel=_KEEP, help="Write the metrics for TensorBoard as well.")
    ] = None
    truncation: Annotated[
        float | None, _option("--truncation", panel=_KEEP, help="Redraw z beyond this at generation.")
    ] = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        return {k: x for k, x in vars(self).items() if x is not None}


@takes(TrainVariantOptions, RuleOptions, NetworkOptions, TrainingRunOptions)
def command(
    variant: TrainVariantOptions,
    rule: RuleOptions,
    network: NetworkOptions,
    run: TrainingRunOptions,
    problem: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROBLEM]",
            help="dirac, point, curve, points8, gauss2d, ring8, grid25, digits, denoise, idx:PATH or npz:PATH; "
            "NAME:k=v sets options. ring8 by default.",
            show_default=False,
        ),
    ] = None,
    averages: Annotated[
        str | None,
        typer.Option(
            "--averages",
            metavar="0.999,0.9999",
            help="Averages of the generator kept beside it.",
            rich_help_panel=_KEEP,
            show_default=False,
        ),
    ] = None,
    mean: Annotated[
        bool, typer.Option("--mean", help="Keep the plain mean of the weights.", rich_help_panel=_KEEP)
    ] = False,
    alarm: Annotated[
        list[str] | None,
        typer.Option(
            "--alarm",
            metavar="NAME=VALUE",
            help="on, critic_zero, patience, blow_up, mode_loss; on=false goes on whatever happens.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Repeat the run of a config.toml.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --out; --steps may ask for more.", rich_help_panel=_RUN
        ),
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Run the loss in a Python file or module that the config of --config or --resume names.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="The run's folder.", rich_help_panel=_KEEP)
    ] = "run",
    format: Format = "text",
) -> None:
    """Train a small GAN and keep config, metrics, sample grids and checkpoints in a folder.

    Without --rule: Adam with beta1 0.5, alternating, learning rate 2e-4 for convolutions, else 1e-3; --lr, --lr-d,
    --lr-g, --n-critic and --ema change it. Exit code 1 when an alarm (NaN, critic loss 0, singular values, mode loss)
    stopped the run.

    Example: diracgan train digits -v ns --r1 0.1 --steps 2000 --averages 0.999 --out digits-run
    """
    choice("format", format, TEXT_OR_JSON)
    from ..training import runs

    asked = _Asked(variant.build(), rule, network, run, problem, averages, mean, alarm)
    if resume or config is not None:
        _alone("--resume" if resume else "--config", asked, resume and config is not None)
    with _bar() as tell:
        if resume:
            made = runs.resume(out, steps=run.steps, trust=trust, tell=tell)
        else:
            wanted = asked.config() if config is None else _changed(config, run, trust)
            for text in runs.warnings(wanted):
                print(f"diracgan: warning: {text}", file=sys.stderr)
            made = runs.train_from_config(wanted, out, tell=tell)
    _say(made, out, format)
    if made.result != "ok":
        raise typer.Exit(1)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What the options ask for, where no config says everything."""

    variant: Any
    rule: RuleOptions
    network: NetworkOptions
    run: TrainingRunOptions
    problem: str | None
    averages: str | None
    mean: bool
    alarm: list[str] | None

    def given(self) -> list[str]:
        """The options that were given, but for those of the run."""
        values = {
            "PROBLEM": self.problem,
            "--variant": self.variant,
            "--rule": {k: x for k, x in vars(self.rule).items() if x is not None} or None,
            "--networks": self.network.settings() or None,
            "--trick": self.network.trick,
            "--averages": self.averages,
            "--mean": self.mean or None,
            "--alarm": self.alarm,
        }
        return [name for name, x in values.items() if x is not None]

    def config(self) -> Any:
        """The config that they make."""
        from ..training import config as configs
        from ..training.problems import problem as find

        on = find(self.problem or "ring8")
        settings = self.network.settings()
        kind = configs.from_settings(configs.Architecture, settings, "networks").resolved(on).kind
        return configs.configure(
            "ns" if self.variant is None else self.variant,
            on,
            rule_=_rule(self.rule, kind),
            networks=settings,
            tricks=self.network.trick or (),
            alarms=assignments(self.alarm, "--alarm"),
            averages=vector("averages", self.averages) or (),
            mean=self.mean,
            **self.run.given(),
        )


def _alone(what: str, asked: _Asked, both: bool) -> None:
    """Raise InputError when more was asked for than goes with --resume or --config."""
    kept = {"steps"} if what == "--resume" else {"steps", "seed", "device"}
    beside = ["--config"] if both else asked.given()
    beside += [f"--{n.replace('_', '-')}" for n in asked.run.given() if n not in kept]
    if beside:
        raise InputError(
            f"{beside[0]} does not go with {what}, which says everything; allowed: --out, --trust, "
            + ", ".join(f"--{n}" for n in sorted(kept))
        )


def _changed(config: str, run: TrainingRunOptions, trust: bool) -> Any:
    """The config of a file, with what the options change."""
    from ..training import config as configs

    made = configs.read(config, trust=trust)
    changed = {**_values(made.training), **run.given()}
    return dataclasses.replace(made, training=configs.from_settings(configs.TrainingConfig, changed, "run"))


def _values(record: Any) -> dict[str, Any]:
    return {k: x for k, x in record.hyperparameters.items() if x is not None}


def _rule(rule: RuleOptions, kind: str) -> Any:
    """The rule that was asked for; without a name, and by its own, the default one with changes."""
    from ..rules import rule as make
    from ..training.config import default_rule

    usual = default_rule(kind)
    if rule.rule not in (None, usual.name):
        return rule.build()
    short = {k: x for k, x in vars(rule).items() if x is not None and k not in ("rule", "rule_param")}
    given = merged(short, assignments(rule.rule_param, "-r"))
    return make(usual.name, **{**_values(usual), **given})


@contextlib.contextmanager
def _bar() -> Iterator[Any]:
    """A progress bar on a terminal, with losses, rate and time left; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("train", total=None, rate="", losses="")

        def tell(step: int, steps: int, line: Any) -> None:
            losses = " ".join(f"{n[-1].upper()} {line[n]:.4g}" for n in ("loss_d", "loss_g") if n in line)
            speed = bar.tasks[0].speed
            rate = f"{speed:.3g}/s" if speed else ""
            bar.update(task, completed=step, total=steps, rate=rate, losses=losses)

        yield tell


def _say(run: Any, out: str, format: str) -> None:
    last = {k: x for k, x in run.metrics[-1].items() if k != "singular"} if run.metrics else {}
    if format == "json":
        from ..reporting import dumps

        record = {
            "result": run.result,
            "text": run.text,
            "steps": run.steps,
            "out": str(out),
            "metrics": last,
        }
        print(dumps("diracgan.train/1", {"config": run.config.table(), **record}))
        return
    print(f"{run.config.variant.label} on {run.config.problem.name}, {run.config.rule.label}")
    shown = [f"{k} {x:.4g}" for k, x in last.items() if isinstance(x, float)]
    for k in range(0, len(shown), 6):
        print("  " + "   ".join(shown[k : k + 6]))
    print(run.text)
    print(out)
