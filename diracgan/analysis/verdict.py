"""What truly happens from a start: followed, measured and refined, never looked up.

The motion is followed tightly, and looked at in windows of some eight turns at times that grow geometrically. What the
windows have in common names the kind: a point approached, an amplitude falling by a power law, an orbit that no longer
changes, growth. Newton then refines the end that was named, and its multipliers say whether it attracts.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import dirac
from ..dynamics.piecewise import System, natural, surface_count, velocity
from ..dynamics.rules import Rule
from ..dynamics.simulate import Line, line_of, starts
from ..errors import InputError, number, one_line
from ..game import Players
from ..variants import Variant
from . import eigen, laws, orbits
from .motion import Flow, Iteration, Motion, Stretch
from .normal_form import lyapunov_coefficient
from .spectrum import spectrum

KINDS = (
    "converges-exponentially",
    "converges-sublinearly",
    "converges-elsewhere",
    "neutral-orbit",
    "limit-circle",
    "limit-cycle",
    "diverges",
    "finite-time",
    "stuck",
    "undecided",
)

_BUDGET = 2.0e7  # field evaluations at effort 1
_TURNS = 8  # turns in a window
_SKIP = 0.6  # of the time so far, between windows
_SETTLED = 3e-6  # relative change between windows below which an orbit counts as settled
_PATIENCE = 300  # turns that an orbit must keep before it counts as neutral
_MOVED = 1e-4  # relative change since the start above which it was attracted
_ROUND = 1e-5  # relative spread below which a radius counts as constant


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What happens from one start, and the numbers and observations that prove it.

    Attributes:
        kind: one of :data:`KINDS`.
        numbers: where they apply: rate, frequency (angular), half_life, exponent, exponent_error and constant of
            r ~ C t^-p (p < 0 for growth), radius_phi, radius_theta, period, floquet, approach_exponent (the p of the
            distance to an orbit), limit_phi, limit_theta, conserved, capture_time, blow_up_time. Of maps per iteration.
        evidence: what was done and seen, one line each.
        text: the verdict in one sentence.
        variant: label of the variant; ``hyperparameters`` its numbers.
        rule: label of the rule, or None for the flow.
        phi0: the critic's start; ``theta0`` the generator's; ``x0`` the datum.
        rate_d: factor on the critic's velocity; ``rate_g`` on the generator's.
        effort: the budget's factor; ``evaluations`` what was spent; ``time`` until when the motion was followed.
    """

    kind: str
    numbers: dict[str, Any]
    evidence: list[str]
    text: str
    variant: str
    hyperparameters: dict[str, Any]
    rule: str | None
    phi0: list[float]
    theta0: list[float]
    x0: list[float]
    rate_d: float
    rate_g: float
    effort: float
    evaluations: float
    time: float

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


class _Look(NamedTuple):
    """One window of the motion: when, and how large the players are in it."""

    time: float
    rms: float
    extents: np.ndarray  # largest and smallest |phi| and |theta - x0|
    diameter: float
    stretch: Stretch


class _Answer(NamedTuple):
    kind: str
    numbers: dict[str, Any]
    text: str


def verdict(
    variant: Variant,
    phi0: Any = None,
    theta0: Any = None,
    rule: Rule | None = None,
    x0: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    effort: float = 1.0,
    dim: int | None = None,
) -> Verdict:
    """Say what truly happens from (phi0, theta0), also where eigenvalues say nothing.

    Computed from the field or the map alone: a renamed variant has the same verdict. Deterministic; in float64.

    Args:
        variant: from :func:`diracgan.variant`.
        phi0: the critic's start, shape (d,); None for the default start in d = ``dim`` (2).
        theta0: the generator's start, shape (d,).
        rule: from :func:`diracgan.rule`; None for the flow.
        x0: the datum, shape (d,) or a number; None for 0.
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        effort: factor on the budget of field evaluations; 1 takes about 10 s at worst.
        dim: the dimension when no start is given.

    Returns:
        A :class:`Verdict`. Whatever the loss does (NaN, constants, jumps), the answer is a verdict, at worst
        ``undecided`` with its reason.

    Raises:
        InputError: for arguments that are not allowed, or a loss that cannot be evaluated at all.

    References:
        docs/theory.md sections 2 and 3; Kuznetsov 2004; Filippov 1988.

    Example:
        >>> import diracgan as dg
        >>> v = dg.verdict(dg.variant("wgan-gp", c=0.0, lam=0.5), [1.0], [0.5])
        >>> v.kind, round(v.numbers["rate"], 9)
        ('converges-exponentially', 0.5)
    """
    if not isinstance(variant, Variant):
        raise InputError(f"{variant!r} is no variant; allowed: what dg.variant(...) returns")
    phi, theta, datum = starts(phi0, theta0, dim, x0)
    rates = Players(
        number("rate_d", rate_d, low=0, open_low=True), number("rate_g", rate_g, low=0, open_low=True)
    )
    budget = _BUDGET * number("effort", effort, low=0, open_low=True)
    with jax.enable_x64(True):
        system = System(*dirac.cast((variant, datum, rates), jnp.float64), tau=None)
        on = dirac.game(system.variant, system.x0).project(
            Players(phi, theta)
        )  # a clipped critic starts on its box
        begin = Players(*(np.asarray(p) for p in on))
        line = line_of(system, begin) if rule is None else None
        case = _Case(variant, system, rule, begin, line, budget)
        try:
            answer = case.decide()
        except InputError:
            raise
        except Exception as error:  # whatever a user's loss does, a verdict is no traceback
            answer = _Answer("undecided", {}, f"undecided: the analysis failed with {one_line(error)}")
    return Verdict(
        kind=answer.kind,
        numbers=answer.numbers,
        evidence=case.evidence,
        text=answer.text,
        variant=variant.label,
        hyperparameters=variant.hyperparameters,
        rule=None if rule is None else rule.label,
        phi0=phi.tolist(),
        theta0=theta.tolist(),
        x0=datum.tolist(),
        rate_d=rates.phi,
        rate_g=rates.theta,
        effort=float(effort),
        evaluations=case.spent,
        time=case.time,
    )


class _Case:
    """One verdict in the making: the motion, what was seen of it, and what it cost."""

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
        self.motion: Motion = Flow(self.system) if rule is None else Iteration(self.system, rule)
        self.spent, self.time = 0.0, 0.0
        self.evidence: list[str] = []
        self.looks: list[_Look] = []
        self.balance: float | None = None
        self.finest = self._finest()
        if line is not None:
            self.note(
                "the start lies on a line through the datum, on which the game is the one-dimensional one"
            )

    def note(self, line: str) -> None:
        self.evidence.append(line)

    def _finest(self) -> float:
        """The distance from (0, x0) below which rounding, tolerances or switchings blur the motion."""
        offset = 1e-12 * float(np.max(np.abs(self.origin)))
        if self.motion.discrete:
            return offset + 1e-290
        return offset + (1e-5 if surface_count(self.system) else 1e-11)

    # ------------------------------------------------------------ following

    def decide(self) -> _Answer:
        d = self.system.dim
        phi, theta = self.start if self.line is None else self.line.down(self.start)
        state = self.motion.begin(phi, theta)
        flat = self.motion.flat(state)
        self.linear = spectrum(
            self.variant,
            x0=np.asarray(self.system.x0),
            rule=self.rule,
            rate_d=float(self.system.rates.phi),
            rate_g=float(self.system.rates.theta),
        )
        self.note(f"at (0, x0): {self.linear.text}")
        first = self.motion.change(flat)[: 2 * d]
        if not np.all(np.isfinite(first)):
            return _Answer("undecided", {}, "undecided: the field has no finite value at the start")
        r0 = float(np.linalg.norm(flat[: 2 * d] - self.origin))
        size = float(np.linalg.norm(first))
        if size <= 1e-14 * (1.0 + r0):
            return self._at_rest(flat[: 2 * d])
        turn = self._turn(size, r0)
        self._weakly_nonlinear()
        answer = self._follow(state, turn)
        self._equilibria(answer, r0)
        if self.rule is None:
            self.note(f"followed to t = {self.time:.4g} with {self.spent:.3g} field evaluations")
        else:
            self.note(f"followed for {self.time:.0f} iterations")
        return answer

    def _weakly_nonlinear(self) -> None:
        """Note the first Lyapunov coefficient of a smooth marginal equilibrium in d = 1."""
        self.lyapunov: float | None = None
        plane = self.system.dim == 1 and not self.motion.discrete
        if not plane or self.linear.status != "marginal" or surface_count(self.system):
            return
        self.lyapunov = lyapunov_coefficient(functools.partial(velocity, self.system), self.origin)
        if self.lyapunov is not None:
            self.note(f"first Lyapunov coefficient at (0, x0), by autodiff: {self.lyapunov:.6g}")

    def _equilibria(self, answer: _Answer, r0: float) -> None:
        """Note which other equilibria there are, where the end leaves that open."""
        if answer.kind not in ("converges-elsewhere", "diverges", "undecided") or self.motion.discrete:
            return
        found = [r for r in orbits.equilibria(self.motion, max(1.0, 2 * r0)) if self._defined(r.flat)]
        if not found:
            self.note("root finding from 16 starts found no equilibrium")
            return
        least, nearest = min(orbits.rank(rest.jacobian) for rest in found), _vector(found[0].flat)
        if least < len(found[0].flat):
            self.note(
                f"root finding from 16 starts found a line (or more) of equilibria: the Jacobian has rank {least}; "
                f"nearest {nearest}"
            )
        elif len(found) == 1:
            self.note(f"root finding from 16 starts found one equilibrium, isolated: {nearest}")
        else:
            self.note(
                f"root finding from 16 starts found {len(found)} equilibria, isolated; nearest {nearest}"
            )

    def _defined(self, flat: np.ndarray) -> bool:
        """Whether the losses themselves have a value there."""
        return bool(np.all(np.isfinite(np.asarray(natural(self.system, flat)[1]))))

    def _turn(self, speed: float, r0: float) -> float:
        """A first guess of the time that one turn takes."""
        values = self.linear.multipliers if self.motion.discrete else self.linear.eigenvalues
        with np.errstate(divide="ignore"):
            rates = np.abs(np.log(values[np.abs(values) > 1e-6])) if self.motion.discrete else np.abs(values)
        rates = rates[rates > 1e-9]
        if len(rates):
            turn = 2 * np.pi / (rates.max() if not self.motion.discrete else np.min(np.append(rates, np.pi)))
        else:
            turn = 2 * np.pi * max(r0, 1e-9) / speed
        least = 16.0 if self.motion.discrete else 1e-4
        return float(np.clip(turn, least, 1e5))

    def _follow(self, state: Any, turn: float) -> _Answer:
        for round_ in range(60):
            self.turn = turn
            span = _TURNS * turn
            stretch = self._advance(state, span, 1)
            if stretch.result != "ok":
                return self._ended(stretch)
            self.looks.append(self._look(stretch))
            if round_ == 0:
                seen = _mean_period(stretch)
                if seen is not None and not 0.6 < seen / turn < 1.7:
                    turn = float(np.clip(seen, turn / 50, turn * 50))
            unseen = _mean_period(stretch) is None and not self._plunges()
            if round_ < 4 and self.linear.differentiable is False and unseen:
                turn *= 2.5  # no eigenvalue has told how long a turn takes, and the window has not seen three
            state = stretch.end
            answer = self._judge(stretch)
            if answer is not None:
                return answer
            if self.spent >= self.budget:
                break
            if self._plunges():  # what falls fast is soon too small to be seen: window after window
                continue
            stretch = self._advance(state, max(_SKIP * self.time, span), 0 if self.motion.discrete else 1)
            if stretch.result != "ok":
                return self._ended(stretch, since=state)
            answer = self._arrived(stretch)
            if answer is not None:
                return answer
            state = stretch.end
        return self._give_up()

    def _plunges(self) -> bool:
        """Whether the distance from (0, x0) falls tenfold or more within a window, where no derivative tells why."""
        r = self._distances(self.looks[-1])
        return not self.linear.differentiable and bool(r[-1] < 0.1 * r[0])

    def _advance(self, state: Any, span: float, rows: int) -> Stretch:
        stretch = self.motion.advance(state, self.time, span, rows)
        self.before, self.time = self.time, stretch.time
        self.spent += stretch.cost
        return stretch

    def _look(self, stretch: Stretch) -> _Look:
        d = self.system.dim
        size = max(float(np.max(np.abs(stretch.zs - self.origin))), 1e-300)
        from_rest = (stretch.zs - self.origin) / size  # a state near the float range has a square beyond it
        squares = [np.sum(part**2, axis=1) for part in (from_rest[:, :d], from_rest[:, d:])]
        extents = np.array(
            [e for q in squares for e in (_peak(q), -_peak(-q))]
        )  # of squares: smooth also at 0
        middle = 0.5 * (stretch.t[0] + stretch.t[-1])
        return _Look(
            middle,
            size * _mean(squares[0] + squares[1]) ** 0.5,
            size * np.sqrt(np.maximum(extents, 0.0)),
            size * float(np.ptp(from_rest, axis=0).max()),
            stretch,
        )

    # ------------------------------------------------------------ judging

    def _judge(self, stretch: Stretch) -> _Answer | None:
        return (
            self._arrived(stretch)
            or self._to_a_point(stretch)
            or self._decays(stretch)
            or self._grows()
            or self._settled(stretch)
            or self._wanders(stretch)
            or self._falls_slowly()
        )

    def _at_rest(self, z: np.ndarray) -> _Answer:
        distance = float(np.linalg.norm(z - self.origin))
        numbers = self._limit(z)
        if distance <= 1e-12:
            return _Answer("converges-exponentially", numbers, "starts at the equilibrium and stays there")
        return _Answer("converges-elsewhere", numbers, "starts at another equilibrium and stays there")

    def _to_a_point(self, stretch: Stretch) -> _Answer | None:
        """Exponential convergence: a hyperbolic rest point, approached at the rate that its eigenvalues say."""
        if len(self.looks) < 2:
            return None
        before, now = self.looks[-2], self.looks[-1]
        if not now.diameter < 0.9 * before.diameter:
            return None
        flat = self.motion.flat(stretch.end)
        rest = orbits.rest_near(self.motion, flat, reach=10 * now.diameter + 1e-9)
        if rest is None:
            return None
        z = rest.flat[: 2 * self.system.dim]
        near, far = (_about(look.stretch, z) for look in (now, before))
        if not 0 < near < 0.9 * far:
            if not near <= 1e-12 * (1 + np.linalg.norm(z)):
                return None
        return self._at_point(rest, near, far)

    def _arrived(self, stretch: Stretch) -> _Answer | None:
        """A rest point reached to rounding within a stretch, perhaps on the edge of a discontinuity.

        There the side is no longer told by the state itself, but by where it came from.
        """
        if self.motion.discrete:
            return None
        end = self.motion.flat(stretch.end)
        away = np.linalg.norm(stretch.zs - end, axis=1)
        tail = away[-len(away) // 8 :]
        earlier = np.flatnonzero(away > 1e-9 * (1 + np.linalg.norm(end)))
        if tail.max() > 1e-10 * (1 + np.linalg.norm(end)) or not len(earlier):
            return None
        rest = orbits.rest_near(
            self.motion, end, 1e-9 * (1 + np.linalg.norm(end)), came=stretch.zs[earlier[-1]]
        )
        return None if rest is None else self._at_point(rest, 0.0, 0.0)

    def _at_point(self, rest: orbits.Rest, near: float, far: float) -> _Answer | None:
        """The verdict on a rest point that the motion comes to: ``far`` from it in one window, ``near`` in the next."""
        now, before = self.looks[-1], self.looks[-2] if len(self.looks) > 1 else self.looks[-1]
        z = rest.flat[: 2 * self.system.dim]
        discrete = self.motion.discrete
        found = eigen.eigenvalues(rest.jacobian + np.eye(len(rest.flat)) if discrete else rest.jacobian)
        with np.errstate(divide="ignore"):
            rates = -np.log(np.abs(found.values)) if discrete else -found.values.real
            turning = np.abs(np.angle(found.values)) if discrete else np.abs(found.values.imag)
        rates, turning = rates / self.motion.stride, turning / self.motion.stride  # per iteration
        turning = np.where(turning > np.maximum(1e-12 * np.abs(rates), 1e-15), turning, 0.0)
        bounds = np.maximum(found.errors, 1e-9) / self.motion.stride
        still, stable = np.abs(rates) <= bounds, rates > bounds
        moving = _moves_players(
            rest.jacobian, 2 * self.system.dim, found.values - 1.0 if discrete else found.values
        )
        if not np.all(stable | (still & (turning < 1e-9))) or not np.any(stable):
            return None
        arrived = near <= 1e-9 * max(self.looks[0].diameter, 1e-300)
        choices = np.where(stable & moving, rates, np.inf)
        if not np.any(np.isfinite(choices)):
            return None
        measured = self._measured(z)
        if measured is None and not arrived:
            measured = math.log(far / near) / (now.time - before.time)
        k = int(np.argmin(choices if measured is None else np.abs(choices - measured)))
        agrees = measured is not None and abs(choices[k] - measured) <= 0.05 * choices[k]
        if not agrees:
            if not arrived:
                return None
            k = int(np.argmin(choices))
        rate, frequency = float(rates[k]), float(turning[k])
        seen = f", measured {measured:.6g}" if agrees else ""
        self.note(
            f"Newton: rest point {_vector(z)}, |F| < 1e-9; its eigenvalue gives the rate {rate:.6g}{seen}"
        )
        numbers: dict[str, Any] = {"rate": rate, "frequency": frequency, "half_life": math.log(2) / rate}
        numbers |= self._limit(z)
        per = f"exp(-{rate:.5g} n)" if discrete else f"exp(-{rate:.5g} t)"
        if np.linalg.norm(z - self.origin) <= 1e-6 * max(self.looks[0].rms, 1e-6):
            how = (
                f"spirals in at angular frequency {frequency:.5g}" if frequency > 1e-9 else "goes in directly"
            )
            return _Answer(
                "converges-exponentially", numbers, f"converges to the equilibrium like {per}; it {how}"
            )
        return _Answer(
            "converges-elsewhere", numbers, f"converges like {per} to {self._other(z, rest.jacobian)}"
        )

    def _measured(self, z: np.ndarray) -> float | None:
        """The slope of log |z(t) - z| in the last window that shows it between the start's size and rounding."""
        low, high = 1e-10 * (1.0 + float(np.linalg.norm(z))), 1e-3 * self.looks[0].diameter
        for look in reversed(self.looks):
            r = np.linalg.norm(look.stretch.zs - z, axis=1)
            shown = (r > low) & (r < high)
            if np.sum(shown) >= 64:
                return -_slope(look.stretch.t[shown], np.log(r[shown]))
        return None

    def _decays(self, stretch: Stretch) -> _Answer | None:
        """Exponential convergence to the equilibrium where there is no eigenvalue to compare with: a measured rate.

        It is the fall of the mean of log r from window to window, which does not depend on where in a turn a window
        begins: a field homogeneous of degree 1 about rest has log r = -rate t + what repeats with every turn.
        """
        if self.linear.differentiable:
            return None
        looks = [look for look in self.looks if self._distances(look)[-1] > self.finest]
        if len(looks) >= 3 and looks[-1].rms <= 1e-2 * looks[0].rms:
            found = self._from_windows(looks[-3:])
            seen = "the mean of log r over three windows"
        elif len(looks) < len(self.looks):  # a window or two have left nothing to see
            found = self._from_returns()
            seen = "r at one phase of successive turns"
        else:
            return None
        if found is None:
            return None
        rate, period = found
        numbers = {"rate": rate, "half_life": math.log(2) / rate}
        numbers |= {} if period is None else {"frequency": 2 * math.pi / period, "period": period}
        clock = "n" if self.motion.discrete else "t"
        self.note(f"there is no eigenvalue here: the rate is that of {seen}")
        turning = f", by {math.exp(-rate * period):.5g} with every turn of {period:.6g}" if period else ""
        return _Answer(
            "converges-exponentially",
            numbers | self._limit(self.origin),
            f"converges to the equilibrium like exp(-{rate:.5g} {clock}){turning}, as measured",
        )

    def _from_windows(self, looks: list[_Look]) -> tuple[float, float | None] | None:
        """Rate and period, where the windows agree on them."""
        logs = [np.log(self._distances(look)) for look in looks]
        rates = -np.diff([_mean(log) for log in logs]) / np.diff([look.time for look in looks])
        last, rate = looks[-1].stretch, float(rates[-1])
        within = -_slope(last.t, logs[-1])
        if rate <= 0 or np.ptp(rates) > 0.01 * rate or abs(within - rate) > 0.03 * rate:
            return None
        growth = np.exp(rate * (last.t - last.t[0]))[:, None]
        return rate, _mean_period(last._replace(zs=(last.zs - self.origin) * growth))

    def _from_returns(self) -> tuple[float, float] | None:
        """Rate and period of the returns to phi = 0, a Poincare section in the plane, where they agree."""
        if self.system.dim > 1 or self.motion.discrete:
            return None
        t = np.concatenate([look.stretch.t for look in self.looks])
        off = np.concatenate([look.stretch.zs for look in self.looks]) - self.origin
        seen = np.cumprod(np.linalg.norm(off, axis=1) > self.finest).astype(bool)
        t, off = t[seen], off[seen]
        if len(t) < 3 or np.max(np.diff(t)) > 2 * (t[1] - t[0]):  # windows with gaps
            return None
        rates, turns = [], []
        for phi in (off[:, 0], -off[:, 0]):  # upward and downward passages, each with their own kind
            up = np.flatnonzero((phi[:-1] < 0) & (phi[1:] >= 0))
            part = phi[up] / (phi[up] - phi[up + 1])
            times = t[up] + part * (t[up + 1] - t[up])
            sizes = np.abs(off[up, 1] + part * (off[up + 1, 1] - off[up, 1]))
            turns += list(np.diff(times))
            rates += list(-np.diff(np.log(sizes)) / np.diff(times))
        if len(rates) < 2 or rates[0] <= 0:
            return None
        if np.ptp(rates) > 0.01 * rates[0] or np.ptp(turns) > 0.01 * turns[0]:
            return None
        return float(np.mean(rates)), float(np.mean(turns))

    def _distances(self, look: _Look) -> np.ndarray:
        """r = |(phi, theta - x0)| along a window."""
        return np.linalg.norm(look.stretch.zs - self.origin, axis=1)

    def _grows(self) -> _Answer | None:
        amplitudes = np.array([look.rms for look in self.looks])
        if (
            len(amplitudes) < 8
            or amplitudes[-1] < 1e3 * amplitudes[0]
            or np.any(np.diff(amplitudes[-5:]) <= 0)
        ):
            return None
        law = laws.power_law(np.array([look.time for look in self.looks]), amplitudes)
        if law is None or law.exponent >= 0:
            return None
        numbers = {"exponent": law.exponent, "constant": law.constant, "exponent_error": law.error}
        return _Answer("diverges", numbers, self._growing(law))

    def _growing(self, law: laws.PowerLaw) -> str:
        return f"diverges like {law.constant:.4g} {self._power(law.exponent)}"

    def _power(self, exponent: float) -> str:
        clock = "n" if self.motion.discrete else "t"
        return f"{clock}^{-exponent:.4g}; the exponent p is that of r ~ C {clock}^-p, so it is negative for growth"

    def _settled(self, stretch: Stretch) -> _Answer | None:
        """An orbit that no longer changes: neutral, a circle or a cycle."""
        if len(self.looks) < 4:
            return None
        first, before, now = self.looks[0], self.looks[-2], self.looks[-1]
        scale = max(now.extents.max(), 1e-300)
        if now.diameter <= 1e-7 * max(first.diameter, scale):
            return None
        if np.max(np.abs(now.extents**2 - before.extents**2)) > _SETTLED * scale**2:
            return None
        moved = np.max(np.abs(now.extents**2 - first.extents**2)) > _MOVED * scale**2
        if not moved and now.time < _PATIENCE * self.turn and self.spent < 0.2 * self.budget:
            return None
        radii = {"radius_phi": float(now.extents[0]), "radius_theta": float(now.extents[2])}
        conserved = self._conserved()
        orbit = self._orbit(stretch)
        spread = max(now.extents[0] - now.extents[1], now.extents[2] - now.extents[3])
        round_ = self.system.dim > 1 and spread <= _ROUND * scale
        if orbit is not None:
            radii["period"] = float(orbit.period)
            radii["floquet"] = orbit.multipliers
            self.note(
                f"refined by {orbit.how}: period {orbit.period:.8g}, multipliers {_complex(orbit.multipliers)}"
            )
        attracts = orbit is not None and orbit.attracts
        exact = orbit is not None and orbit.how.startswith("a state")  # whose multipliers leave no doubt
        if not attracts and not (moved and (orbit is None or (round_ and not exact))):
            slow = self._larger(now)
            if slow is not None:
                return slow
            if conserved:
                radii["conserved"] = conserved
                self.note(
                    "conserved along the run: "
                    + ", ".join(f"{n} to {e:.1g}" for n, (_, e) in conserved.items())
                )
                self._drifts_with_tolerance(list(conserved))
            if "period" not in radii and (repeat := _mean_period(self._radii(stretch))) is not None:
                radii["period"] = repeat
                self.note("the orbit does not close; what repeats are its radii, with the period given")
            period = f" with period {radii['period']:.6g}" if "period" in radii else ""
            others = "and only some of its neighbours come to it" if moved else "and so do its neighbours"
            return _Answer(
                "neutral-orbit", _public(radii), f"neutral: it keeps its orbit for ever{period}, {others}"
            )
        if round_:
            text = f"ends on a circle: |phi| = {radii['radius_phi']:.6g}, |theta - x0| = {radii['radius_theta']:.6g}"
            return _Answer("limit-circle", radii, text)
        if orbit is not None or self.motion.discrete:
            text = (
                f"ends on a limit cycle: largest |phi| = {radii['radius_phi']:.6g}, "
                f"|theta - x0| = {radii['radius_theta']:.6g}"
            )
            text += f", period {radii['period']:.6g}" if "period" in radii else ""
            return _Answer("limit-cycle", radii, text)
        if self.spent < 0.5 * self.budget:
            return None
        return _Answer(
            "undecided",
            _public(radii),
            "undecided: it settles on a bounded motion that neither closes nor only turns",
        )

    def _wanders(self, stretch: Stretch) -> _Answer | None:
        """Steps drawn onto a bounded orbit that never repeats to the last digit, as a box or a kink may make it.

        No smooth curve: its radii are the largest met, and its windows differ without a trend.
        """
        if not self.motion.discrete or len(self.looks) < 10:
            return None
        late = self.looks[-6:]
        sizes, extents = np.array([look.rms for look in late]), np.array([look.extents for look in late])
        trend = np.sign(np.diff(sizes))
        if np.ptp(sizes) > 2e-2 * sizes[-1] or np.ptp(extents[:, ::2], axis=0).max() > 0.1 * extents.max():
            return None
        met = np.max([np.max(self._radii(look.stretch).zs, axis=0) for look in late], axis=0) ** 0.5
        begun = [np.linalg.norm(part) for part in np.split(np.concatenate(self.start) - self.origin, 2)]
        drawn = self.linear.status == "unstable" or bool(np.any(begun > (1 + _MOVED) * met))
        if abs(trend.sum()) > 3 or not drawn:
            return None
        numbers: dict[str, Any] = {"radius_phi": float(met[0]), "radius_theta": float(met[1])}
        orbit = self._orbit(stretch)
        period = None if orbit is None else orbit.period
        if orbit is not None:
            numbers |= {"period": orbit.period, "floquet": orbit.multipliers}
            self.note(f"multipliers by {orbit.how}")
        self.note("six windows at growing times show the same orbit, with differences that have no trend")
        text = f"ends on a limit cycle: largest |phi| = {met[0]:.6g}, |theta - x0| = {met[1]:.6g}"
        return _Answer(
            "limit-cycle", numbers, text + (f", period {period:.6g}" if period is not None else "")
        )

    def _radii(self, stretch: Stretch) -> Stretch:
        """The same stretch seen through |phi|^2 and |theta - x0|^2 alone."""
        off, d = stretch.zs - self.origin, self.system.dim
        return stretch._replace(zs=np.stack([np.sum(off[:, :d] ** 2, 1), np.sum(off[:, d:] ** 2, 1)], axis=1))

    def _orbit(self, stretch: Stretch) -> orbits.Orbit | None:
        motion, now = self.motion, self.looks[-1]
        flat = motion.flat(stretch.end)
        d = self.system.dim
        spread = max(now.extents[0] - now.extents[1], now.extents[2] - now.extents[3])
        # whether a memory is counted from 0 or from (0, x0) is the rule's own business
        centred = len(flat) == 2 * d or not np.any(self.origin)
        if d > 1 and spread <= 1e-3 * now.extents.max() and centred:
            centre = np.concatenate([self.origin, np.zeros(len(flat) - 2 * d)])
            phi, moved = flat[:d], motion.change(flat)[:d]
            omega = float(np.linalg.norm(moved) / max(np.linalg.norm(phi), 1e-300))
            if motion.discrete:
                after = phi + moved
                cosine = phi @ after / max(np.linalg.norm(phi) * np.linalg.norm(after), 1e-300)
                omega = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
            turning = orbits.rotating_state(motion, flat, omega, centre) if omega > 0 else None
            if turning is not None:
                return turning
        if isinstance(motion, Flow):
            for period in orbits.returns(stretch.t, stretch.zs):
                orbit = orbits.periodic_orbit(motion, stretch.zs[0], period)
                # neighbours of a motion that does not close may close: they say nothing of it
                if (
                    orbit is not None
                    and np.linalg.norm(orbit.flat - stretch.zs[0]) < 1e-3 * now.extents.max()
                ):
                    return orbit
            return None
        period = _mean_period(stretch)
        if period is None:
            return None
        period = self._longer_period(stretch, period)
        count = int(np.clip(40 * period, 2000, 20000)) // motion.stride
        multipliers = orbits.lyapunov_multipliers(motion, stretch.end, self.time, period, count)
        if not np.all(np.isfinite(multipliers)):
            return None
        # an exponent is 0 or below on what attracts; by as much as one is above 0, all may be off
        error = 1e-3 + 2 * max(0.0, float(np.max(np.abs(multipliers))) - 1.0)
        how = "Lyapunov exponents along the invariant curve"
        return orbits.Orbit(flat, period, multipliers, how, np.full(len(multipliers), error))

    def _longer_period(self, stretch: Stretch, period: float) -> float:
        """The mean period of iterations over a longer run, with at least eight rows in each."""
        rows = int(np.clip(period // 8, 1, 16))
        return _mean_period(self.motion.advance(stretch.end, self.time, rows * len(stretch.t), 1)) or period

    def _falls_slowly(self) -> _Answer | None:
        """An amplitude about the equilibrium that falls by a power law."""
        if len(self.looks) < 8:
            return None
        t = np.array([look.time for look in self.looks])[2:]
        amplitudes = np.array([look.rms for look in self.looks])[2:]
        if np.any(np.diff(amplitudes[-5:]) >= 0) or amplitudes[-1] > 0.5 * amplitudes[0]:
            return None
        law = laws.power_law(t, amplitudes)
        late = self.spent >= 0.35 * self.budget or amplitudes[-1] < 0.02 * amplitudes[0]
        if law is None or law.exponent <= 0 or law.error > 0.02 * law.exponent or not late:
            return None
        if self._held_up():
            return None
        return self._sublinear(law)

    def _by_degree(self, law: laws.PowerLaw) -> laws.PowerLaw:
        """The law with the exponent 1/(q - 1) of r' = -k r^q, where the field is curved by terms of one degree q.

        Only where the fit comes close to it: a shape that still changes slowly bends the fit, not the law.
        """
        slope = self.linear.jacobian
        if self.motion.discrete or slope is None:
            return law
        ways = np.random.default_rng(7).normal(size=(6, len(self.origin)))
        ways *= self.looks[-1].rms / np.linalg.norm(ways, axis=1, keepdims=True)
        bends = [
            [np.linalg.norm(self.motion.change(self.origin + k * w) - k * slope @ w) for k in (1.0, 2.0)]
            for w in ways
        ]
        with np.errstate(all="ignore"):
            degrees = np.log2(np.array(bends)[:, 1] / np.array(bends)[:, 0])
        q = float(np.median(degrees))
        if not (np.all(np.abs(degrees - q) < 0.05) and q > 1.05):
            return law
        exponent = 1 / (round(q) - 1) if abs(q - round(q)) < 0.05 and round(q) > 1 else 1 / (q - 1)
        if abs(law.exponent - exponent) > 0.04 * exponent:
            return law
        look = self.looks[-1]
        constant = look.rms * (look.time + law.offset) ** exponent
        return law._replace(exponent=exponent, constant=constant)

    def _sublinear(self, law: laws.PowerLaw) -> _Answer:
        law = self._by_degree(law)
        numbers = {"exponent": law.exponent, "exponent_error": law.error, "constant": law.constant}
        if self.lyapunov is not None:
            numbers["lyapunov_coefficient"] = self.lyapunov
        self.note(
            f"amplitude law fitted on windows at growing times: r ~ {law.constant:.6g} t^-{law.exponent:.6g} "
            f"(exponent +- {law.error:.2g})"
        )
        clock = "n" if self.motion.discrete else "t"
        return _Answer(
            "converges-sublinearly",
            numbers | self._limit(self.origin),
            f"converges to the equilibrium, but only like {law.constant:.5g} {clock}^-{law.exponent:.4g}",
        )

    def _held_up(self) -> bool:
        """Whether a conserved wedge l > 0 keeps the motion away from the equilibrium: r^2 >= 2 l."""
        if self.system.dim == 1:
            return False
        values = [
            _wedge(look.stretch.zs - self.origin, self.system.dim) for look in (self.looks[0], self.looks[-1])
        ]
        first, last = (float(np.mean(v)) for v in values)
        return first > 1e-9 * self.looks[0].rms ** 2 and abs(last - first) < 1e-6 * first

    def _larger(self, now: _Look) -> _Answer | None:
        """Judge an orbit too small to move visibly by a larger one around it, in the plane."""
        if self.linear.status != "marginal" or now.rms > 0.25 or self.motion.dim > 1 or self.line is not None:
            return None
        factor = 0.5 / now.rms
        bigger = Players(
            self.start.phi * factor,
            np.asarray(self.system.x0) + (self.start.theta - np.asarray(self.system.x0)) * factor,
        )
        case = _Case(self.variant, self.full, self.rule, bigger, None, self.budget)
        answer = case.decide()
        self.spent += case.spent
        if answer.kind != "converges-sublinearly":
            return None
        self.note(
            f"too small to move visibly: judged by the orbit {factor:.3g} times larger that encloses it"
        )
        self.evidence += case.evidence
        return answer

    # ------------------------------------------------------------ ends

    def _ended(self, stretch: Stretch, since: Any = None) -> _Answer:
        d = self.system.dim
        end = self.motion.flat(stretch.end)[: 2 * d]
        self.note(stretch.why or f"the motion ended: {stretch.result} at {stretch.when:.6g}")
        if stretch.result == "stuck":
            numbers = {"capture_time": stretch.when} | self._limit(end)
            return _Answer(
                "stuck",
                numbers,
                f"is captured by a discontinuity at t = {stretch.when:.6g} and rests at {_vector(end)}",
            )
        if self.motion.discrete:
            return _Answer(
                "diverges",
                self._growth_of_map(),
                f"diverges: it leaves the float range at iteration {stretch.when:.0f}",
            )
        if stretch.result in ("diverged", "stiff"):
            return self._blow_up(stretch, since)
        return _Answer("undecided", {}, f"undecided: {stretch.why}")

    def _growth_of_map(self) -> dict[str, Any]:
        if len(self.looks) < 2:
            return {}
        a, b = self.looks[-2:]
        grown = b.rms > a.rms > 0 and math.isfinite(b.rms)
        return {"rate": math.log(b.rms / a.rms) / (b.time - a.time)} if grown else {}

    def _blow_up(self, stretch: Stretch, since: Any) -> _Answer:
        """Tell exponential growth from a blow-up in finite time by the growth rate |F|/|z| near the end."""
        end = self.motion.flat(stretch.end)
        start = self.before
        state = since if since is not None else None
        rows = stretch
        if state is not None:
            rows = self.motion.advance(state, start, max(stretch.time - start, 1e-12) * (1 - 1e-9), 1)
        fine = np.all(np.isfinite(rows.zs), axis=1)
        zs = rows.zs[fine]
        size = np.linalg.norm(zs, axis=1)
        last = self._growth_rate(end)
        half = int(np.searchsorted(size, math.sqrt(max(size[0], 1e-12) * size[-1]))) if len(zs) else 0
        middle = zs[min(half, len(zs) - 1)] if len(zs) else end
        typical = self._growth_rate(middle)
        large = np.linalg.norm(end) > 1e3 * (1.0 + self.looks[0].rms if self.looks else 1.0)
        if stretch.result == "stiff" and not large:  # a singularity of the field, not of the state
            return _Answer("undecided", self._limit(end), f"undecided: {stretch.why}")
        if not np.isfinite(last) or last > 50 * max(typical, 1e-12):
            self.note(f"growth rate |F|/|z|: {typical:.3g} half-way, {last:.3g} at the end")
            return _Answer(
                "finite-time",
                {"blow_up_time": stretch.when},
                f"blows up in finite time, at t = {stretch.when:.6g}",
            )
        self.note(f"growth rate |F|/|z|: {typical:.3g} half-way, {last:.3g} at the end")
        grown = (
            math.log(np.linalg.norm(end) / max(size[0], 1e-300)) / max(stretch.time - rows.t[0], 1e-300)
            if len(zs)
            else last
        )
        return _Answer("diverges", {"rate": grown}, f"diverges exponentially, like exp({grown:.5g} t)")

    def _growth_rate(self, flat: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            value = self.motion.change(flat)
            return float(np.linalg.norm(value) / np.linalg.norm(flat))

    def _give_up(self) -> _Answer:
        """The budget is spent: take what the windows still allow, else say what is missing."""
        looks = self.looks
        stretch = looks[-1].stretch
        amplitudes = np.array([look.rms for look in looks])
        t = np.array([look.time for look in looks])
        if len(looks) >= 6 and np.all(np.diff(amplitudes[-5:]) < 0) and not self._held_up():
            law = laws.power_law(t[1:], amplitudes[1:])
            if (
                law is not None
                and law.exponent > 0
                and law.error < 0.1 * law.exponent
                and amplitudes[-1] < 0.8 * amplitudes[0]
            ):
                return self._sublinear(law)
        slow = self._as_linearised(t, amplitudes)
        if slow is not None:
            return slow
        larger = self._larger(looks[-1])
        if larger is not None:
            return larger
        creeping = self._creeps(t)
        if creeping is not None:
            return creeping
        rises = np.diff(amplitudes[-6:])
        rising = len(rises) == 5 and bool(np.all(rises > 0))
        grown = (
            laws.power_law(t[1:], amplitudes[1:]) if rising and amplitudes[-1] > 2 * amplitudes[0] else None
        )
        if grown is not None and grown.exponent < 0 and grown.error < 0.1 * abs(grown.exponent):
            numbers = {"exponent": grown.exponent, "constant": grown.constant, "exponent_error": grown.error}
            return _Answer("diverges", numbers, self._growing(grown))
        if rising and np.all(rises > 1e-3 * amplitudes[-1]) and np.all(rises[1:] > 0.9 * rises[:-1]):
            self.note("each window shows at least as much growth since the last as the one before")
            tends = laws.limiting_exponent(t[-5:], amplitudes[-5:])
            if tends is not None and tends[0] < 0:
                numbers = {"exponent": tends[0], "exponent_error": tends[1]}
                self.note("the exponent is what the local ones of five windows tend to")
                return _Answer("diverges", numbers, f"diverges, in the end like {self._power(tends[0])}")
            return _Answer(
                "diverges",
                {},
                f"diverges slowly: the amplitude has reached {amplitudes[-1]:.4g} and keeps growing",
            )
        nearing = self._nears(t, amplitudes)
        if nearing is not None:
            return nearing
        orbit = self._orbit(stretch)
        refined = orbit is not None and not orbit.how.startswith("Lyapunov")
        if orbit is not None and refined and orbit.attracts:
            now = looks[-1]
            numbers = {
                "radius_phi": float(now.extents[0]),
                "radius_theta": float(now.extents[2]),
                "period": float(orbit.period),
                "floquet": orbit.multipliers,
            }
            self.note(f"still relaxing; the orbit was refined by {orbit.how} from where the run ended")
            d = self.system.dim
            kind = "limit-circle" if orbit.how.startswith("a state") else "limit-cycle"
            if kind == "limit-circle":
                off = orbit.flat[: 2 * d] - self.origin
                numbers |= {
                    "radius_phi": float(np.linalg.norm(off[:d])),
                    "radius_theta": float(np.linalg.norm(off[d:])),
                }
            return _Answer(
                kind, numbers, f"approaches a {kind.replace('-', ' ')} of period {orbit.period:.6g}"
            )
        when = f"{self.time:.4g} iterations" if self.motion.discrete else f"t = {self.time:.4g}"
        return _Answer(
            "undecided",
            {},
            f"undecided: after {when} the motion neither settles nor follows a law{_trend(amplitudes)}; "
            "a larger effort may tell",
        )

    def _as_linearised(self, t: np.ndarray, amplitudes: np.ndarray) -> _Answer | None:
        """A stable equilibrium whose slow pull, and nothing else, is seen in the last windows."""
        if self.linear.status != "stable" or len(t) < 6 or np.any(np.diff(amplitudes[-5:]) >= 0):
            return None
        values = self.linear.multipliers if self.motion.discrete else self.linear.eigenvalues
        with np.errstate(divide="ignore"):
            rates = -np.log(np.abs(values)) / self.motion.stride if self.motion.discrete else -values.real
        k = int(np.argmin(rates))
        rate = float(rates[k])
        seen = -np.diff(np.log(amplitudes[-3:])) / np.diff(t[-3:])
        off = np.abs(seen - rate)
        if np.any(off > 0.3 * rate) or (off[-1] > 0.02 * rate and off[-1] >= off[-2]):
            return None
        turning = abs(
            float(np.angle(values[k]) / self.motion.stride if self.motion.discrete else values[k].imag)
        )
        self.note(f"the amplitude falls as the eigenvalue says: the rate {rate:.6g}, measured {seen[-1]:.6g}")
        numbers = {"rate": rate, "frequency": turning, "half_life": math.log(2) / rate}
        clock = "n" if self.motion.discrete else "t"
        return _Answer(
            "converges-exponentially",
            numbers | self._limit(self.origin),
            f"converges to the equilibrium, though only like exp(-{rate:.5g} {clock})",
        )

    def _nears(self, t: np.ndarray, amplitudes: np.ndarray) -> _Answer | None:
        """An orbit that is neared by a power law, as a semistable one is: what is left when the law has run out."""
        found = laws.approach(t[1:], amplitudes[1:])
        if found is None:
            return None
        limit, law = found
        shrink = limit / amplitudes[-1]
        if law.error > 0.1 * law.exponent or not 0.9 < shrink < 1.1:
            return None
        left = (t[-5:] + law.offset) ** -law.exponent
        late = np.array([look.extents for look in self.looks[-5:]])
        extents = np.array([np.polyfit(left, e, 1)[1] for e in late.T])
        numbers: dict[str, Any] = {"radius_phi": float(extents[0]), "radius_theta": float(extents[2])}
        numbers["approach_exponent"] = law.exponent
        stretch = self.looks[-1].stretch
        round_ = self.system.dim > 1 and max(extents[::2] - extents[1::2]) <= 1e-3 * extents.max()
        kind = "limit-circle" if round_ else "limit-cycle"
        period = _mean_period(stretch)
        if isinstance(self.motion, Flow) and period is not None:
            on = self.origin + shrink * (stretch.zs[0] - self.origin)
            orbit = orbits.periodic_orbit(self.motion, on, period)
            if orbit is not None:
                numbers |= {"period": orbit.period, "floquet": orbit.multipliers}
                period = orbit.period
        if period is not None:
            numbers["period"] = period
        self.note(
            f"the amplitude nears {limit:.6g} like {law.constant:.4g} t^-{law.exponent:.4g} "
            f"(exponent +- {law.error:.2g})"
        )
        clock = "n" if self.motion.discrete else "t"
        return _Answer(
            kind,
            numbers,
            f"nears a {kind.replace('-', ' ')} with largest |phi| = {extents[0]:.5g}, |theta - x0| = "
            f"{extents[2]:.5g}, but only like {clock}^-{law.exponent:.4g}",
        )

    def _creeps(self, t: np.ndarray) -> _Answer | None:
        """A point that is crept to more slowly than exponentially: the path in a window shrinks by a power law."""
        diameters = np.array([look.diameter for look in self.looks])
        if len(t) < 7 or np.any(np.diff(diameters[-5:]) >= 0) or diameters[-1] > 1e-2 * diameters[0]:
            return None
        law = laws.power_law(t[1:], diameters[1:])
        if law is None or law.exponent <= 1.0:
            return None
        a, b, c = (look.stretch.zs[-1] for look in self.looks[-3:])
        ratio = np.linalg.norm(c - b) / max(np.linalg.norm(b - a), 1e-300)
        if not ratio < 0.95:
            return None
        limit = c + (c - b) * ratio / (1 - ratio)
        if np.linalg.norm(limit - self.origin) <= 1e-3 * self.looks[0].rms:
            return None
        numbers = {"exponent": law.exponent - 1.0} | self._limit(limit)
        return _Answer(
            "converges-elsewhere",
            numbers,
            f"creeps like t^-{law.exponent - 1:.3g} to {self._other(limit)}",
        )

    # ------------------------------------------------------------ numbers

    def _limit(self, z: np.ndarray) -> dict[str, Any]:
        d = self.system.dim
        scale = max(1.0, float(np.max(np.abs(z))))
        phi, theta = (np.where(np.abs(p) > 1e-12 * scale, p, 0.0) for p in (z[:d], z[d : 2 * d]))
        if self.line is not None:
            phi, theta = self.line.up("phi", phi), self.line.up("theta", theta)
        return {"limit_phi": (phi + 0.0).tolist(), "limit_theta": (theta + 0.0).tolist()}

    def _other(self, z: np.ndarray, jacobian: np.ndarray | None = None) -> str:
        """A limit other than (0, x0) in words; with the Jacobian of the change where it is an equilibrium."""
        if jacobian is None:
            return f"{_vector(z)}, which is not (0, x0)"
        free = len(jacobian) - orbits.rank(jacobian)
        if not free:
            return f"{_vector(z)}, an equilibrium other than (0, x0)"
        return f"{_vector(z)}, one of a {'line' if free == 1 else f'{free}-dimensional family'} of equilibria"

    def _drifts_with_tolerance(self, names: list[str]) -> None:
        """Note that what drifts is the solver's: the drift over a few turns falls with the tolerance."""
        if not isinstance(self.motion, Flow):
            return
        start = self.looks[0].stretch.zs[0]
        drifts = []
        for loosened in (1e6, 1e2):
            run = self.motion.advance(start, 0.0, 4 * _TURNS * self.turn, 0, loosened)
            values = self._quantities(np.stack([start, run.end]) - self.origin)
            drifts.append(max(float(np.ptp(values[n]) / np.max(np.abs(values[n]))) for n in names))
        self.note(
            f"their drift over {4 * _TURNS} turns is {drifts[0]:.1g} at rtol 1e-5 and {drifts[1]:.1g} at rtol 1e-9"
        )

    def _conserved(self) -> dict[str, Any]:
        """Quantities that did not drift between the first and the last window: name -> (value, relative drift)."""
        first, last = (look.stretch.zs - self.origin for look in (self.looks[0], self.looks[-1]))
        both, d = np.concatenate([first, last]), self.system.dim
        self.balance = _balance(np.sum(both[:, :d] ** 2, axis=1), np.sum(both[:, d:] ** 2, axis=1))
        values = self._quantities(both)
        largest = np.max(np.abs(values["|phi|^2 + |theta - x0|^2"]))
        found = {}
        for name, q in values.items():
            drift = float(np.ptp(q) / max(np.max(np.abs(q)), 1e-300))
            if drift < 1e-7 and np.max(np.abs(q)) > 1e-9 * largest:
                found[name] = (float(np.mean(q)), drift)
        return found

    def _quantities(self, both: np.ndarray) -> dict[str, np.ndarray]:
        """What a GAN may conserve, along states (n, 2d) counted from (0, x0)."""
        d = self.system.dim
        squares = {
            "|phi|": np.sum(both[:, :d] ** 2, axis=1) ** 0.5,
            "|theta - x0|": np.sum(both[:, d:] ** 2, axis=1) ** 0.5,
            "|phi|^2 + |theta - x0|^2": np.sum(both**2, axis=1),
        }
        if d > 1:
            squares["|phi ^ (theta - x0)|"] = _wedge(both, d)
        if self.balance is not None:
            name = f"|phi|^2 + {self.balance:.6g} |theta - x0|^2"
            squares[name] = squares["|phi|"] ** 2 + self.balance * squares["|theta - x0|"] ** 2
        return squares


def _trend(amplitudes: np.ndarray) -> str:
    """What an amplitude has done over windows at growing times, in words."""
    first, before, last = (
        float(amplitudes[0]),
        float(amplitudes[-min(4, len(amplitudes))]),
        float(amplitudes[-1]),
    )
    if not min(first, before) > 0 or abs(last / first - 1) < 0.01:
        return ""
    way = "grown" if last > first else "fallen"
    return (
        f": its amplitude has {way} from {first:.4g} to {last:.4g}, "
        f"by a factor {last / before:.4g} over the last three windows"
    )


def _balance(phi2: np.ndarray, theta2: np.ndarray) -> float | None:
    """The positive weight w, other than 1, for which |phi|^2 + w |theta|^2 varies least; None without variation."""
    spread = np.var(theta2)
    if spread <= 1e-16 * np.mean(theta2) ** 2:
        return None
    weight = -float(np.mean((phi2 - phi2.mean()) * (theta2 - theta2.mean())) / spread)
    return weight if weight > 1e-6 and abs(weight - 1) > 1e-6 else None


def _public(numbers: dict[str, Any]) -> dict[str, Any]:
    if "conserved" in numbers:
        numbers = numbers | {"conserved": {n: value for n, (value, _) in numbers["conserved"].items()}}
    return numbers


def _moves_players(jacobian: np.ndarray, count: int, values: np.ndarray) -> np.ndarray:
    """Which eigenvalues have a mode in which the first ``count`` entries, the players, move: not only a memory."""
    found, vectors = np.linalg.eig(jacobian)
    seen = found[np.linalg.norm(vectors[:count], axis=0) > 1e-9 * np.linalg.norm(vectors, axis=0)]
    return np.array([np.any(np.abs(seen - v) <= 1e-7 * (1.0 + abs(v))) for v in values])


def _wedge(z: np.ndarray, d: int) -> np.ndarray:
    phi, theta = z[:, :d], z[:, d:]
    gram = np.sum(phi**2, axis=1) * np.sum(theta**2, axis=1) - np.sum(phi * theta, axis=1) ** 2
    return np.sqrt(np.maximum(gram, 0.0))


def _mean(values: np.ndarray) -> float:
    """Mean under a Hann window, which hardly sees where in a turn the window begins and ends."""
    weights = np.sin(np.pi * (np.arange(len(values)) + 0.5) / len(values)) ** 2
    return float(np.sum(weights * values) / np.sum(weights))


def _slope(t: np.ndarray, values: np.ndarray) -> float:
    """Slope of a straight line fitted under a Hann window."""
    weights = np.sin(np.pi * (np.arange(len(t)) + 0.5) / len(t))
    return float(np.polyfit(t - t.mean(), values, 1, w=weights)[0])


def _about(stretch: Stretch, z: np.ndarray) -> float:
    """Root mean square distance from ``z`` in a window."""
    return _mean(np.sum((stretch.zs - z) ** 2, axis=1)) ** 0.5


def _peak(values: np.ndarray) -> float:
    """The largest value, by a parabola through the samples around it."""
    k = int(np.argmax(values))
    if k in (0, len(values) - 1):
        return float(values[k])
    a, b, c = values[k - 1 : k + 2]
    bend = a - 2 * b + c
    return float(b - (c - a) ** 2 / (8 * bend)) if bend < 0 else float(b)


def _mean_period(stretch: Stretch) -> float | None:
    """Mean time between upward passages of the main component through its mean; None for fewer than three."""
    zs = stretch.zs - stretch.zs.mean(axis=0)
    if not np.all(np.isfinite(zs)) or np.max(np.abs(zs)) <= 0:
        return None
    signal = zs @ np.linalg.svd(zs / np.max(np.abs(zs)), full_matrices=False)[2][0]
    up = np.flatnonzero((signal[:-1] < 0) & (signal[1:] >= 0))
    if len(up) < 3:
        return None
    part = signal[up] / (signal[up] - signal[up + 1])
    times = stretch.t[up] + part * (stretch.t[up + 1] - stretch.t[up])
    return float((times[-1] - times[0]) / (len(times) - 1))


def _vector(z: np.ndarray) -> str:
    rounding = 1e-12 * max(1.0, float(np.max(np.abs(z))))
    return "(" + ", ".join(f"{x:.5g}" if abs(x) > rounding else "0" for x in z) + ")"


def _complex(values: np.ndarray) -> str:
    return ", ".join(f"{v.real:.5g}{v.imag:+.5g}i" if abs(v.imag) > 1e-9 else f"{v.real:.5g}" for v in values)
