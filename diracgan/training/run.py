"""A finished run: its players, its metrics, samples of its generator."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, integer, unknown
from ..game import Players
from ..jax_settings import seeded
from ..parameters import parameters
from ..pytrees import Pytree
from . import generation, metrics
from .build import arithmetic, generators, start
from .config import RunConfig, TrainingConfig
from .games import MinibatchGame, game as one_game
from .networks import Pass
from .problems import Batch
from .trainer import TrainingSetup, TrainState, unstack


@dataclasses.dataclass(repr=False)
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

    def __repr__(self) -> str:
        """One line: its arrays and networks would be a page."""
        c = self.config
        what = f"{c.variant.label}, {c.rule.label}, {c.problem.name}"
        return f"<Run: {what}; {self.steps} of {c.training.steps} steps, {self.result}>"

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
        truncate: str | None = None,
        dropout: bool = False,
    ) -> np.ndarray:
        """Samples of the generator (of the first seed), (count, *shape).

        Args:
            count: how many.
            seed: of z.
            average: decay of a kept average, ``"rule"`` for the rule's, ``"mean"`` for the plain one; None: none.
            truncation: what of z lies beyond this is drawn again; None for the run's own setting.
            truncate: what lies beyond it, ``"entries"`` of z or a z by its ``"norm"``; None for the run's own setting.
            dropout: whether the generator's activations are dropped at generation too.

        With labels, sample i is of class i modulo the number of classes.

        Raises:
            InputError: for an average that was not kept, or a truncation that is not allowed.
        """
        with arithmetic(self.config):
            theta = self._generator(average)
            given = {"truncation": truncation, "truncate": truncate}
            known, config = parameters(TrainingConfig), self.config.training
            limit, what = (getattr(config, n) if x is None else known[n].check(x) for n, x in given.items())
            key, many = seeded(seed), integer("count", count, low=1)
            return np.asarray(generation.sample(self.setup, theta, key, many, limit, dropout, what)[0])

    def _generator(self, average: float | str | None) -> Pytree:
        kept = generators(self.setup, unstack(self.state, 0))
        name = "raw" if average is None else str(average)
        if name not in kept:
            raise unknown("average", name, kept)
        return kept[name]

    def walk(
        self, points: int = 9, rows: int = 1, seed: int = 0, *, average: float | str | None = None
    ) -> np.ndarray:
        """Samples along paths from one z to another, (rows, points, *shape): :func:`~diracgan.training.latent.walk`.

        With labels, row i is of class i modulo the number of classes. Under batch norm in the generator a sample
        depends on all others of the walk.

        Args:
            points: how many samples on each way, both ends included.
            rows: how many ways.
            seed: of the ends.
            average: as in :meth:`generate`.

        Raises:
            InputError: for an average that was not kept, or a problem without a random z.
        """
        if self.setup.problem.paired or not self.setup.problem.inputs:
            raise InputError(f"a walk needs a random z, which {self.setup.problem.name!r} has none of")
        counts = integer("rows", rows, low=1), integer("points", points, low=2)
        with arithmetic(self.config):
            theta = self._generator(average)
            return np.asarray(generation.walks(self.setup, theta, seeded(seed), *counts))

    def path(self, points: int = 21) -> dict[str, list[float]]:
        """Path angle and norm from the first seed's start to where it is: :func:`diracgan.training.metrics.path`."""
        with arithmetic(self.config):
            begun = unstack(start(self.config)[1], 0).inner.players
            return metrics.path(
                self.setup, begun, unstack(self.state, 0).inner.players, self.config.training.seed, points
            )

    def game(self, count: int = 0, seed: int = 0, batch: Batch | None = None) -> MinibatchGame:
        """The game of one large batch of the run's problem, or of ``batch``: its field, without randomness."""
        s = self.setup
        with arithmetic(self.config):
            made = one_game(
                s.variant,
                s.problem,
                seeded(seed),
                count=count,
                batch=batch,
                conditional=s.conditional,
                seen=Pass(reference=s.reference),
                making=Pass(reference=s.reference_z),
            )
            more = {"tricks": s.tricks, "classifier": s.classifier, "past": self.state.past}
            return dataclasses.replace(made, key=seeded(seed), step=self.state.step, **more)
