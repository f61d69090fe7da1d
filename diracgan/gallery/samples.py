"""The samples of a real generator, raw and averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .entry import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..training.run import Run


@dataclass(frozen=True, kw_only=True)
class SamplesEntry(Entry):
    """Samples of one generator that was trained on small images, and of averages of its weights."""

    steps: int = 4000
    batch: int = 64
    width: int = 16
    lr: float = 1e-3
    decays: tuple[float, ...] = (0.999, 0.9999)
    shown: int = 64

    @property
    def commands(self) -> list[str]:
        """The command that draws this figure, and the one that makes its run with grids of its own."""
        how = f"--lr {self.lr:g} --width {self.width} --batch {self.batch} --steps {self.steps}"
        kept = f"--averages {','.join(f'{d:g}' for d in self.decays)} --no-warmup"
        return [*super().commands, f"diracgan train digits {self._options()} {how} {kept} --out digits-run"]

    def train(self) -> Run:
        """Make the run."""
        from ..rules import rule
        from ..training import train

        how: dict[str, Any] = {"classifier": False, "log_every": self.steps, "warmup": False}
        return train(
            self.build(),
            "digits",
            rule=rule("adam", lr=self.lr, beta1=0.5, alternating=True),
            networks={"width": self.width},
            steps=self.steps,
            batch=self.batch,
            averages=self.decays,
            **how,
        )

    def draw(self) -> Figure:
        """Train, and draw the same z through the raw weights and through each average."""
        from ..plotting.samples import sample_grids

        run = self.train()
        panels = {"raw": run.generate(self.shown)}
        panels |= {f"EMA {d:g}": run.generate(self.shown, average=d) for d in self.decays}
        held = ", ".join(f"EMA {d:g} holds {d**self.steps:.1%} of its start" for d in self.decays)
        return sample_grids(
            panels,
            title=f"After {self.steps} iterations {held}",
            below=f"{self.build().label} on 8×8 digits, Adam {self.lr:g}, alternating; one z in all panels",
        )
