"""The learning rate, or the beta1, from which on a trained network's run would blow up from its checkpoint."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError, integer, one_of
from ..game import Game, Players
from ..jax_settings import own_settings, seeded
from ..pytrees import Pytree
from ..records import Record
from ..rules import Rule
from ..training.run import Run
from . import operators
from .checkpoint import checkpoint
from .forecast import spread
from .jax_step import JaxCheckpoint
from .measured_game import MeasuredGame
from .settings import Setting, changed

VARIED = ("lr", "beta1")
WATCHED = ("loss_g", "d_real", "d_fake")  # loss_d is at its extremum: its spread is of second order
BLOWS_UP = 5.0  # a series that spreads so many times as far as under the run's own setting
FACTOR = 32.0  # of lr, or 1/FACTOR of 1 - beta1, up to which is looked
BISECTIONS = 5  # to a tenth
EVERY = 5  # iterations between two looks
# of the window, which is followed: on pilot runs more told no more of lr, and less missed what beta1 does slowly
_SHARES = {"lr": 0.3, "beta1": 1.0}
_PARTS = 4  # after each of which is seen whether it has blown up
_NEAR = 1e-6  # of the way to the next look, that two runs on the same minibatches begin apart
_GROWS = 2.0  # times as far apart at the end of the window as at its beginning
_STEADY = 1.5  # times as far in the whole window as in what is followed, at most, spreads what does not wander slowly
_FEWEST = 10  # looks, which a spread takes at least


@dataclasses.dataclass(frozen=True)
class CriticalSetting(Record):
    """What :func:`critical_setting` finds.

    Attributes:
        parameter: ``lr`` or ``beta1``.
        now: the run's own.
        value: from which on a run blows up; None where it does so nowhere that was looked at.
        by: ``"growth"`` where two runs on the same minibatches part there, ``"noise"`` where they do not, so that it is
            minibatch noise that adds up with the rate; None without a value.
        largest: up to where was looked.
        iterations: on minibatches, that were made in all.
        text: in words.
    """

    parameter: str
    now: float
    value: float | None
    by: str | None
    largest: float
    iterations: int
    text: str


def critical_setting(
    run: Run | MeasuredGame | Game | str | os.PathLike[str],
    parameter: str = "lr",
    steps: int = 2500,
    *,
    samples: int = 256,
    seed: int = 0,
    players: Players | None = None,
    rule: Rule | None = None,
    memory: Pytree = None,
    batch: int | None = None,
) -> CriticalSetting:
    """The learning rate, or the beta1, above which a run would blow up from its last checkpoint.

    It blows up where loss_g or a mean logit spreads more than five times as far as under the run's own setting. Linear
    theory cannot tell: a multiplier beyond 1 often ends on a small cycle, for the second moments grow with the
    gradients. So the nonlinear step itself is followed, on the same minibatches under both settings: for three tenths
    of the window (at least 50 iterations) at other learning rates, and for all of it at other beta1, whose effects are
    slow; no longer than until it has blown up. The value is bisected up to 32 times the learning rate, or 1/32 of
    1 - beta1, to a tenth: it is taken for granted that what blows up at a value does so beyond it. A series that
    wanders so slowly that what is followed holds little of it does not count. This is the experiment itself, made on
    other minibatches than the run's next ones: for beta1 whole, for lr a third of it.

    Args:
        run: as in :func:`~diracgan.forecast`, as are ``samples``, ``seed``, ``players``, ``rule``, ``memory`` and
            ``batch``.
        parameter: ``"lr"`` (of both players, in their ratio) or ``"beta1"``.
        steps: iterations of the window within which it is to blow up.
        samples: of a mixture, on which everything is monitored.
        seed: of all draws.
        players: where a Game is.
        rule: how it moves.
        memory: what the rule remembers there.
        batch: samples in a Game's minibatch.

    Returns:
        A :class:`CriticalSetting`. How far it is from runs is measured in docs/howto/forecast.md.

    Raises:
        InputError: for what is not a run, or a parameter that its rule does not have.

    Example:
        >>> import diracgan as dg
        >>> run = dg.train("ns:r1=0.1", "points8", networks={"width": 4}, steps=300, batch=16)
        >>> found = dg.critical_setting(run, "lr", 200, samples=32)
        >>> found.value > found.now
        True
    """
    one_of("parameter", parameter, VARIED)
    steps, seed = integer("steps", steps, low=50), integer("seed", seed, low=0)
    with own_settings(True):
        search = _search(*checkpoint(run, players, rule, memory, batch, samples), parameter, steps, seed)
        value = search.value()
        by = None if value is None else search.cause(value)
        return search.said(value, by)


def critical_value(
    game: Game, parameter: str, steps: int, *, players: Players, rule: Rule, memory: Pytree, batch: int
) -> float | None:
    """The value alone of :func:`critical_setting` at a game's state, without what makes it blow up there."""
    with own_settings(True):
        return _search(*checkpoint(game, players, rule, memory, batch), parameter, steps, 0).value()


def _search(at: Any, now: Setting, parameter: str, steps: int, seed: int) -> _CriticalSearch:
    if not isinstance(at, JaxCheckpoint):
        raise InputError(
            "a critical setting follows the step itself in JAX; allowed: a run of ours, or losses over JAX "
            "pytrees; of a game in PyTorch try settings with dg.forecast"
        )
    # refuses rules without it, or whose steps are their own
    changed(now, {parameter: _value(now, parameter)})
    return _CriticalSearch(at, now, parameter, steps, seeded(seed))


def _value(now: Setting, parameter: str) -> float:
    return float(now.rule.rates.theta if parameter == "lr" else getattr(now.rule, parameter, 0.0))


@dataclasses.dataclass
class _CriticalSearch:
    """The nonlinear step, followed from one checkpoint at other values of a parameter; ``made`` counts iterations."""

    at: JaxCheckpoint
    now: Setting
    parameter: str
    steps: int
    key: Array
    made: int = 0

    def varied(self, value: float | None) -> Setting:
        """The setting at a value; None for the run's own."""
        return self.now if value is None else changed(self.now, {self.parameter: value})

    def series(self, setting: Setting, looks: int, parts: int = 1) -> Iterator[np.ndarray]:
        """What is watched, (3, looks), after each of so many parts of them."""
        there, most = self.at.under(setting), self.steps // EVERY
        ends = [looks * part // parts for part in range(parts + 1)]
        seen = np.empty((0, 0))
        for first, last in itertools.pairwise(ends):
            there, rows = _followed(there, self.key, jnp.asarray(first), jnp.asarray(last), most)
            self.made += (last - first) * EVERY
            fresh = np.asarray(rows)[first:last].T
            seen = np.hstack([seen, fresh]) if seen.size else fresh
            yield seen

    def value(self) -> float | None:
        """From which on it blows up; None where it does so nowhere."""
        usual = next(self.series(self.now, self.steps // EVERY))

        def blows_up(values: np.ndarray) -> np.ndarray:
            setting = self.varied(float(values[0]))
            looks = _looks(self.parameter, self.steps)
            most, telling = BLOWS_UP**2 * _squares(usual[:, :looks]), _tells(usual, looks)
            parts = self.series(setting, looks, _PARTS)
            return np.array([any(np.any(~(_squares(x) <= most)[telling]) for x in parts)])

        found = float(bisected(blows_up, _value(self.now, self.parameter), 1, self.parameter)[0])
        return None if np.isnan(found) else found

    def cause(self, value: float) -> str:
        """``"growth"`` where runs on the same minibatches part at this value, else ``"noise"``."""
        setting, most = self.varied(value), self.steps // EVERY
        looks, there = _looks(self.parameter, self.steps), self.at.under(setting)
        after, _ = _followed(there, self.key, jnp.asarray(0), jnp.asarray(1), most)
        apart = np.asarray(_parted(there, after, self.key, jnp.asarray(looks), most))[:looks]
        self.made += (2 * looks + 1) * EVERY
        return "growth" if _grows(apart) else "noise"

    def said(self, value: float | None, by: str | None) -> CriticalSetting:
        """The result, in words too."""
        name, now = self.parameter, _value(self.now, self.parameter)
        largest = float(_largest(now, name))
        followed = EVERY * _looks(name, self.steps)
        if value is None:
            text = f"does not blow up within {followed} iterations at {name} = {largest:.3g}, where the search ends"
        else:
            wide = f"blows up, to {BLOWS_UP:g} times the spread within {followed} iterations"
            text = f"{wide}, from about {name} = {value:.3g} on"
            if by == "noise":
                text += "; by minibatch noise that adds up, not by growth: runs on the same minibatches do not part"
        return CriticalSetting(name, now, value, by, largest, self.made, text)


def _squares(seen: np.ndarray) -> np.ndarray:
    """The sum of squares of series (., looks) around their own lines, which further looks only add to."""
    return seen.shape[1] * spread(seen) ** 2 if np.all(np.isfinite(seen)) else np.full(len(seen), np.inf)


def _tells(usual: np.ndarray, looks: int) -> np.ndarray:
    """Which series (., looks) of the run itself spread in so few looks nearly as far as in all.

    What wanders slowly (of a loss of differences, the logits' common level) spreads little at first, and any faster
    wandering would pass for a blow-up. All, where none does.
    """
    steady = spread(usual) <= _STEADY * spread(usual[:, :looks])
    return steady if np.any(steady) else np.ones_like(steady)


def _looks(parameter: str, steps: int) -> int:
    """How often a run is looked at."""
    return int(min(max(_SHARES[parameter] * steps, _FEWEST * EVERY), steps)) // EVERY


@eqx.filter_jit
def _followed(
    at: JaxCheckpoint, key: Array, first: Array, last: Array, most: int
) -> tuple[JaxCheckpoint, Array]:
    """The checkpoint at which the run ends that goes on from look ``first`` to ``last``, and what is watched at each,
    (most, 3), zeros elsewhere."""

    def once(n: Array, state: tuple[Players, Pytree]) -> tuple[Players, Pytree]:
        return at.iterated(state, jax.random.fold_in(key, n))

    def look(k: Array, now: tuple[Any, Array]) -> tuple[Any, Array]:
        state = jax.lax.fori_loop(k * EVERY, (k + 1) * EVERY, once, now[0])
        return state, now[1].at[k].set(_watched(at, state[0]))

    start = (at.players, at.memory)
    rows = jnp.zeros((most, *jax.eval_shape(lambda z: _watched(at, z), at.players).shape))
    end, seen = jax.lax.fori_loop(first, last, look, (start, rows))
    return eqx.tree_at(lambda c: (c.players, c.memory), at, end), seen


@eqx.filter_jit
def _parted(at: JaxCheckpoint, next_look: JaxCheckpoint, key: Array, looks: Array, most: int) -> Array:
    """How far apart the weights of two runs on the same minibatches are after every few iterations, (most,).

    They begin a small share of the way to ``next_look`` apart. In a linear system the noise, which is the same, drops
    out.
    """
    start, later = ((c.players, c.memory) for c in (at, next_look))
    near = jax.tree.map(lambda x, y: x + _NEAR * (y - x) if eqx.is_inexact_array(x) else x, start, later)

    def once(n: Array, both: Pytree) -> Pytree:
        return jax.vmap(lambda z: at.iterated(z, jax.random.fold_in(key, n)))(both)

    def look(k: Array, now: tuple[Any, Array]) -> tuple[Any, Array]:
        both = jax.lax.fori_loop(k * EVERY, (k + 1) * EVERY, once, now[0])
        one, other = jax.vmap(lambda z: operators.flat(z[0]))(both)
        return both, now[1].at[k].set(jnp.linalg.norm(one - other))

    both = jax.tree.map(lambda *z: jnp.stack(z), start, near)
    return jax.lax.fori_loop(0, looks, look, (both, jnp.zeros(most)))[1]


def _grows(apart: np.ndarray) -> bool:
    """Whether a distance grows: its mean over the last quarter against that over the first one."""
    few = max(len(apart) // 4, 1)
    return not np.all(np.isfinite(apart)) or float(apart[-few:].mean()) > _GROWS * float(apart[:few].mean())


def _watched(at: JaxCheckpoint, players: Players) -> Array:
    there = eqx.tree_at(lambda c: c.players, at, players)
    seen = there.values(there.watched(operators.flat(players))[0])
    return jnp.stack([seen[n] for n in WATCHED if n in seen])


def _largest(own: float, name: str) -> float:
    return _scaled(own, name, float(np.log(FACTOR)))


def _scaled(own: Any, name: str, s: Any) -> Any:
    """e^s times lr, or the beta1 whose 1 - beta1 is e^-s times as large."""
    return own * np.exp(s) if name == "lr" else 1.0 - (1.0 - own) * np.exp(-s)


def bisected(blows_up: Callable[[np.ndarray], np.ndarray], own: float, runs: int, name: str) -> np.ndarray:
    """The value from which each run blows up, (runs,); NaN where it still does not at the largest.

    On the logarithm of lr, or of 1 - beta1, up to 32 times (or 1/32 of) the run's own.

    Example:
        >>> import numpy as np
        >>> found = bisected(lambda x: x > np.array([3.0, 99.0]), 1.0, 2, "lr")
        >>> found.round(1).tolist()
        [3.1, nan]
    """
    low, high = np.zeros(runs), np.full(runs, np.log(FACTOR))
    ends = blows_up(_scaled(own, name, high))
    if not np.any(ends):
        return np.full(runs, np.nan)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        over = blows_up(_scaled(own, name, middle))
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(ends, _scaled(own, name, 0.5 * (low + high)), np.nan)
