"""An entry of the gallery: a variant, what is drawn, what is claimed and what is true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..plotting.sizes import Size
    from ..variants import Variant

PHI0, THETA0 = (0.1, 0.2), (0.2, 0.1)  # the seed's start, and the default for d = 2
START_TEXT = "φ(0) = (0.1, 0.2), θ(0) = (0.2, 0.1)"

# The command line spells these parameters out; any other goes through -p.
_FLAGS = ("c", "lam", "gamma", "l2", "r1")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One figure: a variant, and what is said and known of it.

    Attributes:
        name: the file's name without its suffix.
        title: the heading in the gallery.
        variant: a registered name.
        parameters: the variant's parameters and penalties.
        claim: what the seed says, in our words.
        truth: what holds, with its conditions.
    """

    name: str
    title: str
    variant: str
    parameters: dict[str, float] = field(default_factory=dict)
    claim: str
    truth: str

    @property
    def commands(self) -> list[str]:
        """The command that draws this figure, and any that shows more of it."""
        return [f"diracgan figures --only {self.name}"]

    def build(self) -> Variant:
        """Make the variant."""
        from ..variants import modifiers, variant

        extra = {k: x for k, x in self.parameters.items() if k in modifiers()}
        own = {k: x for k, x in self.parameters.items() if k not in extra}
        made = variant(self.variant, **own)
        return made.with_(**extra) if extra else made

    def draw(self) -> Figure:
        """Compute and draw."""
        raise NotImplementedError

    def _options(self) -> str:
        given = [f"--{k} {x:g}" if k in _FLAGS else f"-p {k}={x:g}" for k, x in self.parameters.items()]
        return " ".join([f"--variant {self.variant}", *given])


@dataclass(frozen=True, kw_only=True)
class FlowEntry(Entry):
    """The flow from the seed's start until ``t1``: the page that ``diracgan plot`` draws."""

    t1: float

    @property
    def commands(self) -> list[str]:
        """The command that draws this figure."""
        return [f"diracgan plot {self._options()} --t1 {self.t1:g} --verdict --out figures/{self.name}.png"]

    def draw(self, size: Size | None = None) -> Figure:
        """Simulate the flow, take its spectrum and its verdict, draw all three, laid out for a size in print."""
        from ..analysis import spectrum, verdict
        from ..plotting.overview import figure
        from .pictures import smooth_run

        v = self.build()
        traj = smooth_run(v, PHI0, THETA0, t1=self.t1, backend="scipy")  # as `diracgan plot` does
        seen = verdict(v, phi0=PHI0, theta0=THETA0, edge=False)
        return figure(traj, spectrum(v, dim=2), verdict=seen, size=size)


@dataclass(frozen=True, kw_only=True)
class AveragesEntry(Entry):
    """Averages of one run of alternating steps, for several decays."""

    lr: float = 0.1
    steps: int = 6000
    decays: tuple[float, ...] = (0.9, 0.99, 0.999)

    @property
    def commands(self) -> list[str]:
        """The command that draws this figure, and the one that draws a single average over its run."""
        rule = f"--rule alternating --lr {self.lr:g} --steps {self.steps} --ema {self.decays[1]:g}"
        return [*super().commands, f"diracgan plot {self._options()} {rule}"]

    def draw(self) -> Figure:
        """Run the steps once for each decay and draw the averages over the raw run."""
        from ..analysis import spectrum
        from ..dynamics import run
        from ..plotting.averages import distances_at_last, ema, ema_paths
        from ..plotting.headings import page
        from ..rules import rule

        v = self.build()
        target = "equilibrium" if spectrum(v, dim=2).is_equilibrium else "datum"
        rules = {decay: rule("alternating", lr=self.lr, ema=decay) for decay in self.decays}
        runs = {decay: run(v, PHI0, THETA0, rule=r, steps=self.steps) for decay, r in rules.items()}
        below = f"averages over alternating steps of {self.lr:g}, {self.steps} of them; {START_TEXT}"
        with page(9.6, 5.5, f"{v.label}: {distances_at_last(runs)}", below) as fig:
            side = 0.36 * 9.6 / 5.5
            ema_paths(runs, fig.add_axes((0.09, 0.2, 0.36, side)), target=target)
            ema(runs, fig.add_axes((0.56, 0.2, 0.41, side - 0.04)))
        return fig


@dataclass(frozen=True, kw_only=True)
class LocusEntry(Entry):
    """The eigenvalues of the equilibrium (d = 1) as one penalty's weight goes through its critical value."""

    penalty: str
    critical: float
    symbol: str = "γ"
    points: int = 161

    def draw(self) -> Figure:
        """Take the spectrum at every value and draw the locus."""
        from ..analysis import spectrum
        from ..plotting.letters import number
        from ..plotting.spectra import locus_figure

        # Near the critical value eigenvalues move like a square root: the points stand denser there.
        s = np.linspace(-1, 1, self.points)
        values = self.critical * (1 + s * np.abs(s))
        v = self.build()
        rows = np.stack([spectrum(v.with_(**{self.penalty: x}), dim=1).eigenvalues for x in values.tolist()])
        slowest = float(rows[self.points // 2].real.max())
        met = f"at {self.symbol} = {self.critical:g} the pair meets, with real part {number(slowest, 3)}"
        title = f"{v.label} + {self.penalty}: {met}"
        below = f"eigenvalues as {self.symbol} goes from 0 to {values[-1]:g}"
        return locus_figure(values, rows, title=title, below=below, name=self.symbol, critical=self.critical)
