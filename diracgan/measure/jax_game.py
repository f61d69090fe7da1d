"""A game in JAX: a field on pytrees, its products, and one iteration of a rule, as maps of flat vectors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from ..errors import InputError, one_line
from ..game import GameLike, Players
from ..jax_settings import own_settings
from ..pytrees import Pytree
from ..rules import Rule, from_optax
from ..rules.per_player import Memory
from ..tracing.switching import branched
from . import operators
from .leading import PLAYERS
from .measured_game import UserGame

Field = Callable[..., Players]  # players, one batch, weight of the critic's penalties -> velocities


class BatchGame(GameLike):
    """The game of given batches, as a rule moves it: every evaluation sees the mean over all of them."""

    def __init__(
        self, field: Field, batches: list[Any], project: Callable[[Players], Players] | None
    ) -> None:
        """``project``: what becomes of players after a step, or None."""
        self.field, self.batches, self.onto = field, batches, project

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        """The mean field."""
        return mean_over(lambda batch: self.field(players, batch, penalty), self.batches)

    def project(self, players: Players) -> Players:
        """As given."""
        return players if self.onto is None else self.onto(players)


_UNROLLED = 4  # batches: so few run faster one after the other in the program than in its loop


def mean_over(fn: Callable[[Any], Any], batches: list[Any]) -> Pytree:
    """The mean of ``fn`` over batches; many of one shape are a loop, whose program is as long as that of one."""
    if len(batches) <= _UNROLLED or not _alike(batches):
        return jax.tree.map(lambda *v: sum(v) / len(v), *map(fn, batches))
    first, *others = batches
    rows = jax.tree.map(lambda *x: jnp.stack(x), *others)
    whole, _ = jax.lax.scan(lambda so_far, b: (jax.tree.map(jnp.add, so_far, fn(b)), None), fn(first), rows)
    return jax.tree.map(lambda v: v / len(batches), whole)


def _alike(batches: list[Any]) -> bool:
    """Whether batches are arrays of the same shapes and types."""
    leaves = [x for b in batches for x in jax.tree.leaves(b)]
    kinds = {str(jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), b)) for b in batches}
    return all(eqx.is_array(x) for x in leaves) and len(kinds) == 1


class CriticView(NamedTuple):
    """What a penalty on the critic's slope needs.

    Attributes:
        critic: (players, batch, x) -> the logits of the samples x.
        samples: (players, batch) -> real and fake samples.
    """

    critic: Callable[[Players, Any, Array], Array]
    samples: Callable[[Players, Pytree], tuple[Array, Array]]


_SAME_STEP = 0.1  # by how much of it the step from rest may differ from the linear one


class JaxGame:
    """A :class:`~diracgan.measure.measured_game.GameBackend` of a field on pytrees."""

    def __init__(
        self,
        field: Field,
        players: Players,
        rule: Rule | None = None,
        memory: Pytree = None,
        project: Callable[[Players], Players] | None = None,
        view: CriticView | None = None,
        losses: Callable[[Players, Pytree], Array] | None = None,
    ) -> None:
        self.view, self.has_slopes, self.losses = view, view is not None, losses
        self.players, self.rule, self.memory = players, rule, memory
        leaves = jax.tree.leaves(players)
        self.dtype = np.float64 if any(np.asarray(x).dtype == np.float64 for x in leaves) else np.float32
        n_d, n_g = (sum(int(np.size(x)) for x in jax.tree.leaves(p)) for p in players)
        self.sizes = (n_d, n_g)
        self.game_of = functools.partial(BatchGame, field, project=project)
        self._programs: dict[str, Any] = {}
        self._linear: tuple[Any, Any] = (None, None)  # the last linearisation, and of what
        self.state_size = 0 if rule is None else self._step_size()

    def field(self, batches: list[Any], moved: np.ndarray | None = None) -> np.ndarray:
        """The mean field, at the players displaced by ``moved``."""
        with self._precision():
            y = operators.flat(self.players)
            y = y if moved is None else y + jnp.asarray(moved, y.dtype)
            return np.asarray(self._program("field", self._field)(y, batches))

    def product(self, batches: list[Any], v: np.ndarray) -> np.ndarray:
        """J v; the field itself is evaluated once for all products."""
        return self._pushed("flow", batches, v)

    def step_product(self, batches: list[Any], v: np.ndarray) -> np.ndarray:
        """S v, of one whole iteration on the full state."""
        return self._pushed("step", batches, v)

    def remembered(self, batches: list[Any]) -> list[np.ndarray]:
        """What the rule remembers, leaf by leaf."""
        assert self.rule is not None
        with self._precision():
            return operators.remembered(self.rule, self.game_of(batches), self.players, self.memory)

    def transposed(self, batches: list[Any], u: np.ndarray) -> np.ndarray:
        """J^T u."""
        with self._precision():
            y = operators.flat(self.players)

            def pull(y: Array, batches: list[Any], u: Array) -> Array:
                return jax.vjp(lambda y: self._field(y, batches), y)[1](u)[0]

            return np.asarray(self._program("pull", pull)(y, batches, jnp.asarray(u, y.dtype)))

    def slopes(self, batch: Pytree) -> np.ndarray:
        """Mean |grad_x D|^2 at real and at fake samples, (2,)."""
        with self._precision():
            return np.asarray(self._program("slopes", self._slopes)(self.players, batch))

    def penalty_product(self, batch: Pytree, v: np.ndarray) -> np.ndarray:
        """H v with H the Hessian of 1/2 E |grad_x D|^2 at real samples in the critic's parameters, (n_d,)."""
        with self._precision():
            y, restore = ravel_pytree(self.players.phi)

            def product(y: Array, batch: Pytree, v: Array) -> Array:
                def half(y: Array) -> Array:
                    return 0.5 * self._slopes(self.players._replace(phi=restore(y)), batch)[0]

                return jax.jvp(jax.grad(half), (y,), (v,))[1]

            return np.asarray(self._program("penalty", product)(y, batch, jnp.asarray(v, y.dtype)))

    def step_sizes(self) -> np.ndarray | None:
        """How far one step moves each parameter per unit of its gradient, long after a start: (n,); None if unknown."""
        if self.rule is None:
            return None
        with self._precision():
            each = self.rule.step_sizes(self.players, self.memory)
            return None if each is None else np.asarray(operators.flat(each))

    def averaging(self) -> float:
        """Decay of the running average of gradients that the critic steps along; 0 for plain steps."""
        if self.rule is None:
            return 0.0
        with self._precision():
            return self.rule.averaging(self.players, self.memory)

    def _slopes(self, players: Players, batch: Pytree) -> Array:
        view = self.view
        assert view is not None
        samples = view.samples(players, batch)

        def slope(x: Array) -> Array:
            g = jax.grad(lambda x: jnp.sum(view.critic(players, batch, x)))(x)
            return jnp.mean(jnp.sum(g.reshape(len(g), -1) ** 2, axis=1))

        return jnp.stack([slope(x) for x in samples])

    def _pushed(self, of: str, batches: list[Any], v: np.ndarray) -> np.ndarray:
        with self._precision():
            key = (of, *map(id, batches))
            if self._linear[0] != key:
                if of == "step":
                    self._check_rest(batches)
                make = self._linear_field if of == "flow" else self._linear_step
                self._linear = None, None  # the old one's memory goes first
                self._linear = key, self._program(f"linear {of}", make)(batches)
            apply = self._program("apply", lambda linear, v: linear(v))
            return np.asarray(apply(self._linear[1], jnp.asarray(v, self.dtype)))

    def _linear_field(self, batches: list[Any]) -> Any:
        return jax.linearize(lambda y: self._field(y, batches), operators.flat(self.players))[1]

    def _linear_step(self, batches: list[Any]) -> Any:
        start, step = self._full_step(batches)
        return jax.linearize(step, start)[1]

    def _check_rest(self, batches: list[Any]) -> None:
        """Raises InputError where there is no memory and the step from the one of rest is not the linear one."""
        assert self.rule is not None
        if self.memory is not None or jax.tree.structure(self.rule.at_rest) == jax.tree.structure(self.rule):
            return
        true, linear = np.asarray(self._program("from rest", self._steps_from_rest)(batches))
        if np.linalg.norm(true - linear) > _SAME_STEP * np.linalg.norm(linear):
            raise InputError(
                f"the optimiser is not at rest there: a step of {np.linalg.norm(true):.3g} where one linear in the "
                f"gradient is {np.linalg.norm(linear):.3g}; add state=, what it remembers"
            )

    def _steps_from_rest(self, batches: list[Any]) -> Array:
        assert self.rule is not None
        game = self.game_of(batches)
        rest = self.rule.rest(game, self.players)
        after = (r.over_a_period(game)(self.players, rest)[0] for r in (self.rule, self.rule.at_rest))
        return jnp.stack([operators.flat(jax.tree.map(jnp.subtract, a, self.players)) for a in after])

    def _full_step(self, batches: list[Any]) -> Any:
        assert self.rule is not None
        return operators.full_step(self.rule, self.game_of(batches), self.players, self.memory)

    def _step_size(self) -> int:
        with self._precision():
            return jax.eval_shape(lambda: self._full_step([])[0]).shape[0]

    def _field(self, y: Array, batches: list[Any]) -> Array:
        return operators.flat(self.game_of(batches).velocity(operators.unflat(self.players, y)))

    def _program(self, name: str, make: Any) -> Any:
        if name not in self._programs:
            self._programs[name] = eqx.filter_jit(make)  # a batch may hold what is not an array
        return self._programs[name]

    def _precision(self) -> Any:
        return own_settings(self.dtype == np.float64)


def of_losses(said: UserGame, batch: Pytree, state: Pytree) -> JaxGame:
    """The backend of a user's two losses ``loss(phi, theta, batch)`` over JAX pytrees."""
    for who, player in (("phi", said.phi), ("theta", said.theta)):
        _training(who, player)
    moving, still = zip(*(eqx.partition(p, _moving_part(p)) for p in (said.phi, said.theta)), strict=True)
    players = Players(*(_arrays(who, p) for who, p in zip(("phi", "theta"), moving, strict=True)))
    _apart(players)
    own = {n: getattr(said, n) for n in ("critic_loss", "generator_loss", "critic", "samples")}

    def whole(at: Players) -> tuple[Any, ...]:
        return tuple(eqx.combine(a, b) for a, b in zip(at, still, strict=True))

    def called(name: str, *given: Any) -> Any:
        try:
            return own[name](*given)
        except InputError:
            raise
        except Exception as error:  # a user's code: its own line is what helps
            raise InputError(f"{name} failed: {one_line(error)}") from error

    def loss(name: str, at: Players, batch: Pytree) -> Array:
        return called(name, *whole(at), batch)

    def field(at: Players, batch: Pytree, penalty: float | Array) -> Players:
        critic = _held_at(lambda z: loss("critic_loss", z, batch), at)
        generator = _held_at(lambda z: loss("generator_loss", z, batch), at)
        down = Players(
            jax.grad(lambda phi: critic(Players(phi, at.theta)))(at.phi),
            jax.grad(lambda theta: generator(Players(at.phi, theta)))(at.theta),
        )
        return jax.tree.map(jnp.negative, down)

    double = any(np.asarray(x).dtype == np.float64 for x in jax.tree.leaves(players))
    with own_settings(double):
        for name in ("critic_loss", "generator_loss"):
            _scalar(name, eqx.filter_eval_shape(functools.partial(loss, name), players, batch), players)
        rule, memory = _rule(said, state, players)
    view = None
    if said.critic is not None:
        view = CriticView(
            lambda at, batch, x: called("critic", whole(at)[0], x),
            lambda at, batch: called("samples", whole(at)[1], batch),
        )

    def values(at: Players, batch: Pytree) -> Array:
        return jnp.stack([loss(name, at, batch) for name in ("critic_loss", "generator_loss")])

    return JaxGame(field, players, rule, memory, view=view, losses=values)


def _held_at(loss: Callable[[Players], Array], at: Players) -> Callable[[Players], Array]:
    """The loss, with what it stops taken at ``at``: no player's gradient sees it, the field's derivative does."""
    traced = branched(loss, (at,))
    return (lambda z: traced((z,), held=(at,))[0]) if traced.stops else loss


def _is_moving(x: object) -> bool:
    return isinstance(x, (Array, np.ndarray)) and jnp.issubdtype(x.dtype, jnp.inexact)


def _moving_part(player: Pytree) -> Pytree:
    """Which of a player's leaves are parameters: no gradient moves what a layer only remembers."""
    nnx = sys.modules.get("flax.nnx")  # a module of it exists only where it is imported
    variables = () if nnx is None else (nnx.Variable,)
    remembered = (eqx.nn.State, *variables)

    def part(x: Pytree) -> Pytree:
        return _is_moving if not isinstance(x, remembered) or (nnx and isinstance(x, nnx.Param)) else False

    return jax.tree.map(part, player, is_leaf=lambda x: isinstance(x, remembered))


def _arrays(who: str, moving: Pytree) -> Pytree:
    leaves = jax.tree.leaves(moving)
    if not leaves:
        raise InputError(f"{who} has no floating-point array; allowed: a pytree of parameters that move")
    for x in leaves:
        if np.asarray(x).dtype not in (np.float32, np.float64):
            raise InputError(f"{who} holds {np.asarray(x).dtype}; allowed: float32 or float64")
    return moving


def _apart(players: Players) -> None:
    mine = {id(x) for x in jax.tree.leaves(players.phi)}
    if any(id(x) in mine for x in jax.tree.leaves(players.theta)):
        raise InputError(
            "phi and theta share an array: a parameter belongs to one player; allowed: keep what is shared in the "
            "losses, frozen"
        )


def _scalar(name: str, made: Any, players: Players) -> None:
    shape = getattr(made, "shape", None)
    if shape is None:
        raise InputError(
            f"{name} gives a {type(made).__name__}; allowed: one scalar, the sum where a player has several losses"
        )
    if shape != () or not jnp.issubdtype(made.dtype, jnp.floating):
        raise InputError(
            f"{name} gives {made.dtype} of shape {shape}; allowed: a real scalar (mean over the batch)"
        )
    least = min((np.asarray(x).dtype for x in jax.tree.leaves(players)), key=lambda kind: kind.itemsize)
    if made.dtype.itemsize < least.itemsize:
        raise InputError(
            f"{name} gives {made.dtype} of parameters in {least}, too coarse to be differentiated; allowed: losses "
            f"computed in {least}"
        )


def _training(who: str, player: Pytree) -> None:
    """Raises InputError for flax's variables that are not parameters, and an equinox layer in inference mode."""

    def held(x: object) -> bool:
        return isinstance(x, eqx.Module) and getattr(x, "inference", None) is True

    if isinstance(player, Mapping) and "params" in player and len(player) > 1:
        others = ", ".join(repr(str(n)) for n in player if n != "params")
        raise InputError(
            f"{who} holds {others} beside 'params', which no gradient moves; allowed: {who}['params'], the others in "
            "the losses"
        )
    for x in jax.tree.leaves(player, is_leaf=held):
        if held(x):
            raise InputError(
                f"{who} is in inference mode, where {type(x).__name__} does not do what it does in training; allowed: "
                f"eqx.nn.inference_mode({who}, value=False)"
            )


def _remembered(name: str, transformation: Any, state: Pytree, player: Pytree) -> Any:
    """A player's optax state, once it is seen to be of this transformation and not empty.

    Raises:
        InputError: where it is not.
    """
    fresh = jax.eval_shape(transformation.init, player)
    given, wanted = ([np.shape(x) for x in jax.tree.leaves(t)] for t in (state, fresh))
    if jax.tree.structure(state) != jax.tree.structure(fresh) or given != wanted:
        raise InputError(
            f"state does not belong to the {name}'s optimiser and parameters; allowed: what its init or update gave"
        )
    counts = [x for x in jax.tree.leaves(state) if jnp.issubdtype(jnp.result_type(x), jnp.integer)]
    if counts and not any(np.any(np.asarray(x)) for x in counts):
        raise InputError(f"the {name}'s optimiser remembers nothing yet; allowed: its state after a step")
    return state


def _rule(said: UserGame, state: Pytree, players: Players) -> tuple[Rule | None, Any]:
    """The rule and its memory, from a rule of ours or a pair of optax transformations and their states."""
    optimiser = said.optimiser
    if optimiser is None:
        if state is not None:
            raise InputError("state belongs to an optimiser; add optimiser=(the critic's, the generator's)")
        return None, None
    if isinstance(optimiser, Rule):
        if getattr(optimiser, "lazy", None):
            raise InputError(
                "a lazy penalty needs the penalty apart from the loss; allowed: rules without lazy"
            )
        rule, memory = optimiser, state
    else:
        pair = (
            optimiser
            if isinstance(optimiser, (tuple, list)) and not hasattr(optimiser, "init")
            else (optimiser,) * 2
        )
        if len(pair) != 2:
            raise InputError("optimiser is not a pair; allowed: (the critic's, the generator's)")
        rule = from_optax(*pair, alternating=said.alternating, n_critic=said.n_critic)
        if state is not None and (not isinstance(state, (tuple, list)) or len(state) != 2):
            raise InputError("state is not a pair; allowed: (the critic's, the generator's) optax states")
        memory = None
        if state is not None:
            own = [_remembered(*each) for each in zip(PLAYERS, pair, state, players, strict=True)]
            memory = Memory(own[0], own[1], ())
    if memory is None and (reason := rule.why_not_linearisable()):
        raise InputError(f"{reason}; add state=, what the optimiser remembers")
    return rule, memory
