"""One verdict in the making: the motion, the windows it was looked at in, what was seen, and what it cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...dynamics.filippov import System, surface_count
from ...dynamics.simulate import Line
from ...game import Players
from ...rules import Rule
from ...variants import Variant
from .. import orbits
from ..dynamical_system import ContinuousSystem, DiscreteSystem, DynamicalSystem, Stretch
from ..linear.spectrum import Spectrum
from . import formatting, windows

TURNS = 8  # turns in a window
MOVED = 1e-4  # relative change since the start above which a motion was attracted


class Look(NamedTuple):
    """One window of the motion: when, and how large the players are in it."""

    time: float
    rms: float
    extents: np.ndarray  # largest and smallest |phi| and |theta - x0|
    diameter: float
    stretch: Stretch


class Answer(NamedTuple):
    """A verdict's kind, numbers and sentence."""

    kind: str
    numbers: dict[str, Any]
    text: str


class Case:
    """The motion from one start and what was seen of it.

    Attributes:
        motion: the flow or the iteration that is followed, on the line of the start where there is one.
        origin: (0, x0) as one vector.
        linear: the spectrum at (0, x0); ``lyapunov`` the first Lyapunov coefficient, where it was asked for.
        looks: the windows so far; ``turn`` the time of one turn as guessed from them.
        time: until when the motion was followed, ``before`` that until the last stretch, ``spent`` evaluations.
        balance: the weight w for which |phi|^2 + w |theta - x0|^2 varies least along the run.
        evidence: what was done and seen, one line each.
    """

    linear: Spectrum
    lyapunov: float | None
    turn: float
    before: float

    def __init__(
        self,
        variant: Variant,
        system: System,
        rule: Rule | None,
        start: Players,
        line: Line | None,
        budget: float,
    ) -> None:
        self.variant, self.rule, self.start, self.line, self.budget = variant, rule, start, line, budget
        self.full = system
        self.system = system if line is None else line.flat(system)
        self.origin = np.concatenate([np.zeros(self.system.dim), np.asarray(self.system.x0)])
        self.motion: DynamicalSystem = (
            ContinuousSystem(self.system) if rule is None else DiscreteSystem(self.system, rule)
        )
        self.spent, self.time = 0.0, 0.0
        self.evidence: list[str] = []
        self.looks: list[Look] = []
        self.balance: float | None = None
        self.finest = self._finest()
        if line is not None:
            self.note(
                "the start lies on a line through the datum, on which the game is the one-dimensional one"
            )

    @property
    def clock(self) -> str:
        """What laws are written over: n of iterations, t of the flow."""
        return "n" if self.motion.discrete else "t"

    def note(self, line: str) -> None:
        """Add a line to the evidence."""
        self.evidence.append(line)

    def _finest(self) -> float:
        """The distance from (0, x0) below which rounding, tolerances or switchings blur the motion."""
        offset = 1e-12 * float(np.max(np.abs(self.origin)))
        if self.motion.discrete:
            return offset + 1e-290
        return offset + (1e-5 if surface_count(self.system) else 1e-11)

    def plunges(self) -> bool:
        """Whether the distance from (0, x0) falls tenfold or more within a window, where no derivative tells why."""
        r = self.distances(self.looks[-1])
        return not self.linear.differentiable and bool(r[-1] < 0.1 * r[0])

    def advance(self, state: Any, span: float, rows: int) -> Stretch:
        """Follow the motion on for a span, at its cost."""
        stretch = self.motion.advance(state, self.time, span, rows)
        self.before, self.time = self.time, stretch.time
        self.spent += stretch.cost
        return stretch

    def look(self, stretch: Stretch) -> Look:
        """How large the players are in a window."""
        d = self.system.dim
        size = max(float(np.max(np.abs(stretch.zs - self.origin))), 1e-300)
        from_rest = (stretch.zs - self.origin) / size  # a state near the float range has a square beyond it
        squares = [np.sum(part**2, axis=1) for part in (from_rest[:, :d], from_rest[:, d:])]
        extents = np.array(
            [e for q in squares for e in (windows.peak(q), -windows.peak(-q))]
        )  # of squares: smooth also at 0
        middle = 0.5 * (stretch.t[0] + stretch.t[-1])
        return Look(
            middle,
            size * windows.mean(squares[0] + squares[1]) ** 0.5,
            size * np.sqrt(np.maximum(extents, 0.0)),
            size * float(np.ptp(from_rest, axis=0).max()),
            stretch,
        )

    def distances(self, look: Look) -> np.ndarray:
        """r = |(phi, theta - x0)| along a window."""
        return np.linalg.norm(look.stretch.zs - self.origin, axis=1)

    def power(self, exponent: float) -> str:
        """A law of growth in words, with the sign that its exponent has in the numbers."""
        return f"{self.clock}^{-exponent:.4g} (p = {exponent:.4g} in r ~ C {self.clock}^-p)"

    def radii(self, stretch: Stretch) -> Stretch:
        """The same stretch seen through |phi|^2 and |theta - x0|^2 alone."""
        off, d = stretch.zs - self.origin, self.system.dim
        return stretch._replace(zs=np.stack([np.sum(off[:, :d] ** 2, 1), np.sum(off[:, d:] ** 2, 1)], axis=1))

    def limit(self, z: np.ndarray) -> dict[str, Any]:
        """The numbers of a limit, in the game's own coordinates, without the debris of rounding."""
        d = self.system.dim
        scale = max(1.0, float(np.max(np.abs(z))))
        phi, theta = (np.where(np.abs(p) > 1e-12 * scale, p, 0.0) for p in (z[:d], z[d : 2 * d]))
        if self.line is not None:
            phi, theta = self.line.up("phi", phi), self.line.up("theta", theta)
        return {"limit_phi": (phi + 0.0).tolist(), "limit_theta": (theta + 0.0).tolist()}

    def other(self, z: np.ndarray, jacobian: np.ndarray | None = None) -> str:
        """A limit other than (0, x0) in words; with the Jacobian of the change where it is an equilibrium."""
        if jacobian is None:
            return f"{formatting.vector(z)}, which is not (0, x0)"
        free = len(jacobian) - orbits.rank(jacobian)
        if not free:
            return f"{formatting.vector(z)}, an equilibrium other than (0, x0)"
        return f"{formatting.vector(z)}, one of a {'line' if free == 1 else f'{free}-dimensional family'} of equilibria"
