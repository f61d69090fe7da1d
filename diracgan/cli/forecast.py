"""``diracgan forecast``: what a run does next, as it is and under other settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import plotting
from ..progress import progress
from .layer import CommandResult, Table, argument, drawn_in, option

if TYPE_CHECKING:
    from ..measure.forecast import Forecast


def command(
    run: Annotated[str, argument("RUN", "The folder of a run that `diracgan train` made.")],
    try_: Annotated[
        list[str] | None,
        option("Another setting, e.g. lr=2e-3; repeatable.", metavar="NAME=VALUE,...", called="--try"),
    ] = None,
    critical: Annotated[
        list[str] | None,
        option("Find the value beyond which the run blows up; repeatable.", metavar="lr|beta1"),
    ] = None,
    steps: Annotated[int, option("How many iterations ahead; 2500 by default.", short="-n")] = 2500,
    samples: Annotated[int, option("Samples that are monitored; 256 by default.")] = 256,
    seed: Annotated[int, option("Seed of the minibatches; 0 by default.")] = 0,
    out: Annotated[str | None, drawn_in("Draw levels and spreads")] = None,
) -> CommandResult:
    """Say how far losses, logits and samples will spread over the next iterations, from a run's last checkpoint.

    Linear response of the whole optimiser step to minibatch noise; nothing is trained. With --try also under other
    learning rates, moments, batch sizes or penalties, and which of them would be unstable; with --critical the
    learning rate or beta1 beyond which the run blows up.

    Example: diracgan forecast ring8-run --try lr=2e-3 --try beta1=0.9 --critical lr
    """
    from ..errors import one_of
    from ..measure.critical_setting import VARIED, critical_setting
    from ..measure.forecast import forecast

    for n in critical or ():
        one_of("parameter", n, VARIED)  # before minutes are spent
    with progress() as bar:
        found = forecast(run, try_ or (), steps, samples=samples, seed=seed, tell=bar)
        limits = []
        for done, n in enumerate(critical or ()):
            if bar is not None:
                bar(done, len(critical or ()), f"critical {n}, by following the run")
            limits.append(critical_setting(run, n, steps, samples=samples, seed=seed))
    record = found.as_dict() | {"critical": [x.as_dict() for x in limits]}
    return CommandResult(record, _said(found, limits), draw=lambda: plotting.forecast_figure(found))


def _said(found: Forecast, limits: list[Any]) -> Iterator[str | Table]:
    rows = [[s.setting, n, *x.words] for s in found.settings for n, x in s.series.items()]
    yield Table(["setting", "series", "level", "spread", "from", "to", "iterations a turn", "averaged"], rows)
    yield from (f"- {s.setting}: {s.text}" for s in found.settings)
    yield from (f"- critical {x.parameter}: {x.text}" for x in limits)
    count = len(found.settings)
    yield f"{found.steps} iterations ahead, {count} setting{'s' * (count > 1)}, {found.unstable} unstable"
