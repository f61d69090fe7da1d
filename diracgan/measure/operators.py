"""The operators that are linearised: the joint field, or one whole iteration of a rule, on flat vectors.

Everything has a leading axis of runs, which share one program: seeds are measured together.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from numpy.typing import ArrayLike

from ..game import Game, GameLike, Players
from ..pytrees import Pytree
from ..rules import Rule, float_vector
from ..rules.base import varying
from ..training import networks
from ..training.games import MinibatchGame
from ..variants import Variant
from .leading import state_units

T = TypeVar("T")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StackableGame(Game):
    """The game of one training batch as a pytree: it stacks, and changes its precision, with all that belongs to it.

    Attributes:
        more: what else of a :class:`~diracgan.training.games.MinibatchGame` is made of arrays.
        plain: and what is not.
    """

    more: dict[str, Any] = dataclasses.field(default_factory=dict)
    plain: tuple[tuple[str, Any], ...] = dataclasses.field(default=(), metadata={"static": True})

    def velocity(
        self,
        players: Players,
        draw: int | Array = 0,
        penalty: float | Array = 1.0,
        modes: Array | None = None,
    ) -> Players:
        """The field as the training game has it, tricks included."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(Game)}
        return MinibatchGame(**own, **self.more, **dict(self.plain)).velocity(players, draw, penalty, modes)


def stackable(game: Game) -> Game:
    """A training batch's game as a pytree; any other game as it is."""
    if not isinstance(game, MinibatchGame):
        return game
    own = {f.name: getattr(game, f.name) for f in dataclasses.fields(game)}
    base = {f.name: own.pop(f.name) for f in dataclasses.fields(Game)}
    base |= {n: _known(base[n]) for n in ("critic", "generator")}
    plain = {n: own.pop(n) for n in list(own) if n in ("seen", "unrolled", "labels")}
    return StackableGame(**base, more=own, plain=tuple(plain.items()))


_FUNCTIONS: dict[Any, Any] = {}


def _known(function: T) -> T:
    """Of equal partials the first that was seen: programs belong to a function itself, and every game makes its own."""
    if not isinstance(function, functools.partial):
        return function
    try:
        key = (function.func, function.args, tuple(sorted(function.keywords.items())))
        return _FUNCTIONS.setdefault(key, function)
    except TypeError:  # made with arrays
        return function


def doubled(tree: T) -> T:
    """The floating-point numbers of a pytree in float64, as arrays; the rest as it is."""
    return jax.tree.map(_cast, tree)


def _cast(x: Pytree) -> Pytree:
    if isinstance(x, (bool, int)) or not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        return x
    return jnp.asarray(np.asarray(x, np.float64))  # by NumPy: no program to compile for every shape


def stacked(trees: Sequence[Pytree]) -> Pytree:
    """Pytrees of one structure as one, with a leading axis of runs."""
    return jax.tree.map(lambda *leaves: _stack(leaves), *trees)


def _stack(leaves: tuple[Any, ...]) -> Array:
    if any(isinstance(x, Array) and jnp.issubdtype(x.dtype, jax.dtypes.extended) for x in leaves):
        return jnp.stack(leaves)  # random keys
    return jnp.asarray(np.stack([np.asarray(x) for x in leaves]))


def flat(players: Players) -> Array:
    """All parameters of both players, the critic's first: (n,)."""
    return ravel_pytree(players)[0]


def unflat(players: Players, y: Array) -> Players:
    """The inverse of :func:`flat`; ``players`` gives the shapes."""
    return ravel_pytree(players)[1](y)


def length(players: Players) -> int:
    """How many parameters each run has."""
    return sum(int(np.prod(np.shape(x)[1:])) for x in jax.tree.leaves(players))


def moved(players: Players, y: ArrayLike) -> Players:
    """The players of every run, moved by the flat vectors y (S, n)."""
    leaves, tree = jax.tree.flatten(players)
    ends = np.cumsum([np.size(x[0]) for x in leaves])
    parts = np.split(np.asarray(y), ends[:-1], axis=1)
    there = [jnp.asarray(np.asarray(x) + d.reshape(x.shape)) for x, d in zip(leaves, parts, strict=True)]
    return jax.tree.unflatten(tree, there)


@jax.jit
def velocities(games: Game, players: Players) -> Array:
    """The joint field of every run, (S, n)."""
    return jax.vmap(lambda g, z: flat(g.velocity(z)))(games, players)


@jax.jit
def flow_linear(games: Game, players: Players) -> Callable[[Array], Array]:
    """The joint field of every run as the linear map J, for :func:`applied`.

    The field itself is evaluated once, here, so that a product costs two gradient evaluations and not three.
    """
    return jax.vmap(_linear)(games, players)


def _linear(game: Game, z: Players) -> Callable[[Array], Array]:
    """v -> J v of one run."""
    return jax.linearize(lambda y: flat(game.velocity(unflat(z, y))), flat(z))[1]


@jax.jit
def applied(linear: Callable[[Array], Array], v: Array) -> Array:
    """J v of every run, (S, n)."""
    return jax.vmap(lambda f, v: f(v))(linear, v)


_TOGETHER = 16  # vectors of a run at once: memory grows with them, speed does not


def flow_images(games: Game, players: Players, v: np.ndarray) -> np.ndarray:
    """J v for m vectors of every run: (S, m, n) -> (S, m, n)."""
    left = -v.shape[1] % _TOGETHER  # whole batches: the rest would be a program of its own
    whole = np.pad(v, ((0, 0), (0, left), (0, 0)))
    return np.asarray(_images(games, players, jnp.asarray(whole)))[:, : v.shape[1]]


@jax.jit
def _images(games: Game, players: Players, v: Array) -> Array:
    def images(game: Game, z: Players, v: Array) -> Array:
        rows = v.reshape(-1, _TOGETHER, v.shape[-1])
        return jax.lax.map(jax.vmap(_linear(game, z)), rows).reshape(v.shape)

    return jax.vmap(images)(games, players, v)


def full_step(
    rule: Rule, game: GameLike, players: Players, memory: Pytree = None
) -> tuple[Array, Callable[[Array], Array]]:
    """The full state of a rule as one vector, the players first, and one whole period of the rule as a map of it.

    Without a memory it is that of a rule which has rested at the players for long.
    """
    if memory is None:
        rule, memory = rule.at_rest, rule.rest(game, players)
    start, restore = float_vector((players, memory))
    go = rule.over_a_period(game)
    return start, lambda y: float_vector(go(*restore(y)))[0]


def remembered(rule: Rule, game: GameLike, players: Players, memory: Pytree = None) -> list[np.ndarray]:
    """What of a rule's full state follows the players, leaf by leaf."""
    held = rule.at_rest.rest(game, players) if memory is None else memory
    leaves, moves = jax.tree.leaves(held), jax.tree.leaves(varying(held))
    return [np.asarray(x) for x, m in zip(leaves, moves, strict=True) if m]


@jax.jit
def step_linear(rules: Rule, games: Game, players: Players, memory: Pytree) -> Callable[[Array], Array]:
    """One whole period of a rule on its full state as the linear map S, for :func:`applied`."""

    def linear(rule: Rule, game: Game, z: Players, memory: Pytree) -> Callable[[Array], Array]:
        start, step = full_step(rule, game, z, memory)
        return jax.linearize(step, start)[1]

    return jax.vmap(linear)(rules, games, players, memory)


def games_of_runs(variant: Variant, x_real: Array, z: Array | np.ndarray) -> Game:
    """The games of one variant's runs, each on its own samples, (S, n, ...), of ``x_real`` and ``z``."""
    runs = len(x_real)
    mix, jitter = jnp.full(runs, 0.5), jnp.zeros(runs)
    return Game(
        repeated(variant, runs), x_real, z, networks.critic, networks.generator, mix=mix, jitter=jitter
    )


def repeated(tree: T, runs: int) -> T:
    """The numbers of a rule or a variant once per run, in float64."""
    return jax.tree.map(lambda x: jnp.full((runs,), x, jnp.float64), tree)


def units_of_steps(rules: Rule, games: Game, players: Players, memory: Pytree) -> np.ndarray:
    """The sizes in whose units one iteration of every run is balanced, (S, n), n being the length of a full state."""
    rows = []
    for i, speed in enumerate(np.asarray(velocities(games, players))):
        rule, game, z, held = jax.tree.map(lambda x, i=i: x[i], (rules, games, players, memory))
        rates = rule.step_sizes(z, held)
        moved = speed if rates is None else speed * np.asarray(flat(rates))
        parts = np.split(moved, [flat(Players(z.phi, ())).size])
        rows.append(state_units(parts, remembered(rule, game, z, held)))
    return np.stack(rows)
