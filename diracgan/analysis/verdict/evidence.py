"""The evidence of one verdict: the motion, the windows, what was seen in them, and the cost."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import dirac
from ...dynamics.collinear import InvariantLine, line_of
from ...dynamics.filippov import SLACK, DiracSystem, surface_count
from ...dynamics.starts import starts
from ...game import Players
from ...pytrees import Pytree
from ...rules import Rule
from ...tracing.host import at_once
from ...variants import Variant
from ..decision_thresholds import T
from ..dynamical_system import ContinuousSystem, DiscreteSystem, DynamicalSystem, Stretch
from ..kinds import Kind
from ..linear.decision import heights
from ..linear.settings import LinearSettings
from ..linear.spectrum import Spectrum, spectrum_of
from ..linear.status import DECIDED
from ..orbits import rest_points
from . import formatting, windows
from .scales import Scales, scales


class Look(NamedTuple):
    """One window of the motion: when, and how large the players are in it."""

    time: float
    rms: float
    extents: np.ndarray  # largest and smallest |phi| and |theta - x0|
    diameter: float
    stretch: Stretch

    @property
    def radii(self) -> dict[str, Any]:
        """The largest |phi| and |theta - x0|, as a verdict reports them."""
        return {"radius_phi": float(self.extents[0]), "radius_theta": float(self.extents[2])}

    def is_round(self, tolerance: float) -> bool:
        """Whether |phi| and |theta - x0| are constant to a share of the larger."""
        return bool(max(self.extents[::2] - self.extents[1::2]) <= tolerance * self.extents.max())


class Answer(NamedTuple):
    """A verdict's kind, numbers and sentence, and the full name of who gave it."""

    kind: Kind
    numbers: dict[str, Any]
    text: str
    judge: str = ""

    @property
    def claim(self) -> str:
        """The sentence after "it looks as if": without the kind that some begin with, as "neutral: it keeps"."""
        kind, _, said = self.text.partition(": ")
        return said if " " not in kind and said.startswith(("it ", "its ")) else f"it {self.text}"


def by(judge: Callable[..., Any], answer: Answer) -> Answer:
    """The answer with the name of the function that gave it."""
    return answer._replace(judge=f"{judge.__module__}.{judge.__name__}")


class Case:
    """The motion from one start and what was seen of it.

    Attributes:
        motion: the flow or the iteration that is followed, on the line of the start where there is one.
        origin: (0, x0) as one vector.
        linear: the spectrum at (0, x0); ``lyapunov`` the first Lyapunov coefficient, where it was asked for.
        looks: the windows so far; ``turn`` the time of one turn as guessed from them.
        time: until when the motion was followed, ``before`` that until the last stretch, ``spent`` evaluations.
        r0: the start's distance from (0, x0); ``nested`` whether another case asked; ``ended`` whether it ended.
        label: what a log's lines about another start than the verdict's own begin with.
        balance: the weight w for which |phi|^2 + w |theta - x0|^2 varies least along the run.
        decide: what judges a whole case, for judges that ask about another start.
        evidence: what was done and seen, one line each.
    """

    linear: Spectrum
    turn: float
    before: float
    label: str = ""

    def __init__(
        self,
        variant: Variant,
        system: DiracSystem,
        rule: Rule | None,
        start: Players,
        line: InvariantLine | None,
        budget: float,
        decide: Decide,
    ) -> None:
        self.variant, self.rule, self.start, self.line, self.budget = variant, rule, start, line, budget
        self.decide = decide
        self.full = system
        self.system = system if line is None else line.flat(system)
        self.origin = np.concatenate([np.zeros(self.system.dim), np.asarray(self.system.x0)])
        self.motion: DynamicalSystem = (
            ContinuousSystem(self.system, budget) if rule is None else DiscreteSystem(self.system, rule)
        )
        self.spent, self.time, self.r0, self.nested, self.ended = 0.0, 0.0, 0.0, False, False
        self.lyapunov: float | None = None
        self.evidence: list[str] = []
        self.looks: list[Look] = []
        self.balance: float | None = None
        if line is not None:
            self.note(
                "the start lies on a line through the datum, on which the game is the one-dimensional one"
            )

    @property
    def times(self) -> np.ndarray:
        """The middle of every window."""
        return np.array([look.time for look in self.looks])

    @property
    def sizes(self) -> np.ndarray:
        """The root mean square distance from (0, x0) in every window."""
        return np.array([look.rms for look in self.looks])

    @functools.cached_property
    def scales(self) -> Scales:
        """Between which distances from (0, x0) the field is bent."""
        return scales(self.motion, self.origin)

    @property
    def begun(self) -> float:
        """The size of the start and of the datum, beside which rounding is shown as 0."""
        return max(self.r0, float(np.max(np.abs(self.origin))))

    @property
    def decided(self) -> bool:
        """Whether the linearisation at (0, x0) decides."""
        return self.linear.status in DECIDED

    @property
    def adapts(self) -> bool:
        """Whether a rule divides by the root of a second moment: its steps are of one size, far from rest."""
        return self.rule is not None and self.rule.is_adaptive

    @property
    def remembers_for_ever(self) -> bool:
        """Whether what a rule remembers stays at rest: that memory, and not a fresh one, decides what it does there.

        So does AMSGrad's largest square: the eigenvalues at (0, x0) are those of a run that begins beside it.
        """
        return self.rule is not None and self.rule.remembers_at_rest

    @property
    def eigenvalues_tell_turns(self) -> bool:
        """Whether a turn takes as long as the eigenvalues at (0, x0) say; else as long as it is wide."""
        return self.linear.differentiable is not False and self.linear.is_equilibrium and not self.adapts

    def spectrum(self, z: np.ndarray) -> Spectrum:
        """The linearisation at a point, (2d,)."""
        d, (rate_d, rate_g) = self.system.dim, self.system.rates
        rates, x0 = Players(float(rate_d), float(rate_g)), np.asarray(self.system.x0)
        return spectrum_of(LinearSettings(self.variant, self.rule, Players(z[:d], z[d:]), x0, rates))

    @property
    def clock(self) -> str:
        """What laws are written over: n of iterations, t of the flow."""
        return "n" if self.motion.discrete else "t"

    def scaled(self, factor: float) -> Case:
        """The case of a start ``factor`` times as far from (0, x0)."""
        x0 = np.asarray(self.full.x0)
        start = Players(self.start.phi * factor, x0 + (self.start.theta - x0) * factor)
        return self._another(start, self.line, f"{factor:.3g} times as far")

    def beside(self) -> Case:
        """The case of a start displaced by the default start."""
        d = len(self.start.phi)
        phi, theta, _ = starts(None, None, d, None)
        start = Players(self.start.phi + phi, self.start.theta + theta)
        line = line_of(self.full, start) if self.rule is None else None
        return self._another(start, line, "beside it")

    def _another(self, start: Players, line: InvariantLine | None, where: str) -> Case:
        budget = T.another * self.budget
        case = Case(self.variant, self.full, self.rule, allowed(self.full, start), line, budget, self.decide)
        case.nested, case.label = True, f"{self.label}{where}: "
        return case

    def moved(self, factor: float) -> Pytree:
        """The state ``factor`` times as far from (0, x0) as where the last window ended."""
        z = self.origin + factor * (self.looks[-1].stretch.zs[-1] - self.origin)
        return self.motion.begin(*allowed(self.system, Players(z[: self.system.dim], z[self.system.dim :])))

    def amplitudes(self, zs: np.ndarray) -> np.ndarray:
        """|Q^-1 (z - origin)| along states (n, 2d), in whose coordinates the linear rotation of d = 1 is circular."""
        off = zs - self.origin
        turning = self._turning_plane()
        return np.linalg.norm(off if turning is None else np.linalg.solve(turning, off.T).T, axis=1)

    def _turning_plane(self) -> np.ndarray | None:
        """Real and imaginary part of the leading complex eigenvector's players, (2, 2), in d = 1; else None."""
        if self.system.dim > 1 or self.linear.jacobian is None:
            return None
        values, vectors = np.linalg.eig(self.linear.jacobian)
        turns = np.imag(values) > T.slowest * np.abs(values)
        k = int(np.argmax(np.where(turns, heights(values, self.motion.discrete), -np.inf)))
        if not turns[k]:
            return None
        q = vectors[:2, k]
        plane = np.stack([np.real(q), np.imag(q)], axis=1)
        return plane if abs(np.linalg.det(plane)) > T.memory * np.linalg.norm(plane) ** 2 else None

    def slowest_mode(self) -> tuple[float, float]:
        """Rate and angular frequency per unit of time of the linearisation's slowest mode, where it is stable."""
        values = self.linear.multipliers if self.motion.discrete else self.linear.eigenvalues
        high = heights(values, self.motion.discrete)
        k = int(np.argmax(high))
        with np.errstate(divide="ignore"):
            rate = -float(np.log(high[k]) if self.motion.discrete else high[k])
        turning = abs(float(np.angle(values[k]) if self.motion.discrete else values[k].imag))
        return rate / self.motion.period, turning / self.motion.period

    def note(self, line: str) -> None:
        """Add a line to the evidence."""
        self.evidence.append(line)

    @property
    def finest(self) -> float:
        """The distance from (0, x0) below which rounding, tolerances or switchings blur the motion."""
        beside = T.slacks * SLACK if surface_count(self.system) else T.rounding
        offset = beside * float(np.max(np.abs(self.origin)))
        if self.motion.discrete:
            return offset + T.tiny
        return offset + (T.blurred if surface_count(self.system) else T.rounding) * self.r0

    def plunges(self) -> bool:
        """Whether the distance from (0, x0) falls tenfold or more within a window, where no derivative tells why."""
        r = self.distances(self.looks[-1])
        return not self.linear.differentiable and bool(r[-1] < T.plunge * r[0])

    def advance(self, state: Pytree, span: float, rows: int) -> Stretch:
        """Follow the motion on for a span, at its cost."""
        stretch = self.motion.advance(state, self.time, span, rows)
        self.before, self.time = self.time, stretch.time
        self.spent += stretch.cost
        return stretch

    def affordable(self, span: float) -> float:
        """The span, or as many iterations of it as the whole budget pays; a flow stops by itself."""
        return min(span, self.budget / self.motion.price) if self.motion.discrete else span

    def look(self, stretch: Stretch) -> Look:
        """How large the players are in a window."""
        d = self.system.dim
        size = max(float(np.max(np.abs(stretch.zs - self.origin))), T.tiny)
        from_rest = (stretch.zs - self.origin) / size  # a state near the float range has a square beyond it
        squares = [np.sum(part**2, axis=1) for part in (from_rest[:, :d], from_rest[:, d:])]
        # of squares: smooth also at 0
        extents = np.array([e for q in squares for e in (windows.peak(q), -windows.peak(-q))])
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
        return self.distances_of(look.stretch.zs)

    def rate_of_fall(self, looks: list[Look]) -> tuple[float, float]:
        """The rate at which the mean of log r falls over windows, and by how much it varies from one to the next."""
        times = [look.time for look in looks]
        logs = np.array([windows.mean(np.log(self.distances(look))) for look in looks])
        rate = float((logs[0] - logs[-1]) / (times[-1] - times[0]))
        return rate, float(np.max(np.abs(np.diff(logs) / np.diff(times) + rate)))

    def goes_one_way(self, looks: list[Look]) -> bool:
        """Whether r falls from row to row in every window, or rises: the motion never turns."""
        steps = np.concatenate([np.empty(0), *(np.diff(self.distances(look)) for look in looks)])
        return bool(steps.size and (np.all(steps > 0) or np.all(steps < 0)))

    def distances_of(self, zs: np.ndarray) -> np.ndarray:
        """r = |(phi, theta - x0)| of states (n, 2d)."""
        return np.linalg.norm(zs - self.origin, axis=1)

    def power(self, exponent: float, constant: float = 1.0) -> str:
        """A law of growth in words, with the sign that its exponent has in the numbers."""
        factor, degree = f"{constant:.4g} ", f"^{-exponent:.4g}"
        law = f"{'' if factor == '1 ' else factor}{self.clock}{'' if degree == '^1' else degree}"
        return f"{law} (p = {exponent:.4g} in r ~ C {self.clock}^-p)"

    def radii(self, stretch: Stretch) -> Stretch:
        """The same stretch seen through |phi|^2 and |theta - x0|^2 alone."""
        return stretch._replace(zs=self.squares(stretch.zs))

    def squares(self, zs: np.ndarray) -> np.ndarray:
        """|phi|^2 and |theta - x0|^2 of rows of players, (rows, 2)."""
        off, d = zs - self.origin, self.system.dim
        return np.stack([np.sum(off[:, :d] ** 2, 1), np.sum(off[:, d:] ** 2, 1)], axis=1)

    def largest(self, zs: np.ndarray) -> dict[str, Any]:
        """The largest |phi| and |theta - x0| of rows of players, as a verdict reports them."""
        phi, theta = np.sqrt(np.max(self.squares(zs), axis=0))
        return {"radius_phi": float(phi), "radius_theta": float(theta)}

    def met_by_steps(
        self, state: Pytree, radii: dict[str, Any], stretches: int = T.stretches_met
    ) -> dict[str, Any]:
        """:meth:`largest` of single steps from a state on; also of ``radii`` where these turn slowly.

        A window's rows lie some steps apart, and of five circles that are visited in turn every tenth step shows one.
        Between single steps nothing is interpolated: where a loss has kinks the circle has them too, and a quartic
        through steps of which a turn takes thirty is off by 1e-5.
        """
        rows = []
        for _ in range(stretches):
            seen = self.motion.advance(state, 0.0, 1.0, 1)
            state = seen.end
            rows.append(seen.zs)
            if windows.mean_period(seen) is None:
                return {k: max(radii[k], met) for k, met in self.largest(np.concatenate(rows)).items()}
        return self.largest(np.concatenate(rows))

    def limit(self, z: np.ndarray) -> dict[str, Any]:
        """The numbers of a limit, in the game's own coordinates, without the debris of rounding."""
        d = self.system.dim
        scale = max(self.begun, float(np.max(np.abs(z))))
        phi, theta = (np.where(np.abs(p) > T.rounding * scale, p, 0.0) for p in (z[:d], z[d : 2 * d]))
        if self.line is not None:
            phi, theta = self.line.up("phi", phi), self.line.up("theta", theta)
        return {"limit_phi": (phi + 0.0).tolist(), "limit_theta": (theta + 0.0).tolist()}

    def vector(self, z: np.ndarray) -> str:
        """A state in words, without the debris of rounding."""
        return formatting.vector(z, self.begun)

    def to_equilibrium(self, kind: Kind, numbers: dict[str, Any], how: str) -> Answer:
        """The verdict on a motion that comes to (0, x0), and ``how`` it does."""
        return Answer(kind, numbers | self.limit(self.origin), f"converges to the equilibrium{how}")

    def other(self, z: np.ndarray, rest: rest_points.Rest | None = None) -> str:
        """A limit other than (0, x0) in words; with the rest point where it is an equilibrium."""
        if rest is None:
            return f"{self.vector(z)}, which is not (0, x0)"
        free = rest_points.family(self.motion, rest, max(self.r0, float(np.max(np.abs(z)))))
        if free == 0:
            return f"{self.vector(z)}, an equilibrium other than (0, x0)"
        return f"{self.vector(z)}, one of a {'line' if free == 1 else f'{free}-dimensional family'} of equilibria"


def exponential(rate: float, frequency: float | None = None) -> dict[str, Any]:
    """The numbers of an exponential decay."""
    turning = {} if frequency is None else {"frequency": frequency}
    return {"rate": rate, **turning, "half_life": math.log(2) / rate}


def on_circle(numbers: dict[str, Any]) -> Answer:
    """The verdict on a motion that ends with constant |phi| and |theta - x0|."""
    phi, theta = numbers["radius_phi"], numbers["radius_theta"]
    return Answer(
        Kind.LIMIT_CIRCLE, numbers, f"ends on a circle: |phi| = {phi:.6g}, |theta - x0| = {theta:.6g}"
    )


Decide = Callable[[Case], Answer]
"""What judges a whole case."""


@at_once()
def allowed(system: DiracSystem, start: Players) -> Players:
    """Where a motion begins: a clipped critic, on its box."""
    return dirac.game(system.variant, system.x0).project(start)
