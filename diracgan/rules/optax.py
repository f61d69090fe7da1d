"""Any optax transformation as a rule."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError, unknown
from ..game import GameLike, Players
from ..parameters import Parameter, check, param, parameters
from ..tracing.switching import evaluate
from .base import Rule
from .per_player import CRITIC, Memory, PerPlayerRule

_LONG = 2**30  # updates after which a bias correction or a schedule is over
_SETTLING = 200_000


class Optax(PerPlayerRule):
    """Each player moved by an optax transformation of its own; made by :func:`from_optax`."""

    lr: float = param(
        1.0,
        "time that one step stands for; the learning rates are optax's own",
        low=0,
        open_low=True,
        kw_only=True,
    )
    alternating: bool = param(False, "players take turns, the generator seeing the new critic")
    n_critic: int = param(1, "critic steps in one iteration, when alternating", low=1, high=10_000)
    note: str = param("", "what the transformations are, for the record")

    critic_opt: Any = dataclasses.field(default=None, kw_only=True, metadata={"static": True})
    generator_opt: Any = dataclasses.field(default=None, kw_only=True, metadata={"static": True})

    def memory(self, game: GameLike, players: Players) -> Memory:
        """Both transformations' states."""
        made = super().memory(game, players)
        return made._replace(
            phi=self.critic_opt.init(players.phi), theta=self.generator_opt.init(players.theta)
        )

    def update(self, who: str, z: Any, v: Any, state: Any) -> tuple[Any, Any]:
        """The transformation's update of the gradient -v."""
        return _updates(self._of(who), z, v, state)

    def rest(self, game: GameLike, players: Players) -> Memory:
        """The states after many updates with the gradient 0."""
        memory = self.memory(game, players)
        return memory._replace(
            phi=_state_at_rest(self.critic_opt, players.phi, memory.phi),
            theta=_state_at_rest(self.generator_opt, players.theta, memory.theta),
        )

    @property
    def is_adaptive(self) -> bool:
        """Its transformations may be: what they do is only known by trying."""
        return True

    @property
    def lr_sets_steps(self) -> bool:
        """They are the transformations'."""
        return False

    @property
    def is_made_by_name(self) -> bool:
        """The transformations are functions."""
        return False

    @property
    def at_rest(self) -> Rule:
        """Both transformations replaced by their linearisations at rest."""
        return _OptaxAtRest(**{n: getattr(self, n) for n in self.__dataclass_fields__})

    @property
    def linearises(self) -> Any:
        """Where tiny gradients move each player as the transformation's derivative says."""
        return self.why_not_linearisable() is None

    def why_not_linearisable(self) -> str | None:
        """Which player's transformation has no derivative at rest, and why."""
        for who, opt in (("critic", self.critic_opt), ("generator", self.generator_opt)):
            if not _is_steady(opt):
                return f"the {who}'s optax transformation counts its updates and does not treat them alike"
            if not _is_smooth(opt):
                return (
                    f"the {who}'s optax transformation moves it by steps that do not shrink with the gradient"
                )
        return None

    def _of(self, who: str) -> Any:
        return self.critic_opt if who == CRITIC else self.generator_opt


class _OptaxAtRest(Optax):
    """The map with the derivative that the transformations have at rest, and none of their curvature."""

    def update(self, who: str, z: Any, v: Any, state: Any) -> tuple[Any, Any]:
        return _linear_updates(self._of(who), z, v, state)


def from_optax(
    critic_opt: Any,
    generator_opt: Any = None,
    *,
    alternating: bool = False,
    n_critic: int = 1,
    lazy: int | None = None,
    ema: float | None = None,
    lr: float = 1.0,
    note: str = "",
) -> Optax:
    """The rule that moves each player by an optax transformation; also as ``dg.rule.from_optax``.

    z+ = z + update(-F(z)), each player with its own state. Its linearisation is that of the transformation
    after many steps (bias corrections and schedules by ``count`` are over) on the players and the
    floating-point state; counters do not count, constants that it keeps as state do (``inject_hyperparams``:
    multiplier 1). A transformation whose update does not shrink with the gradient (Adam with eps = 0, a sign)
    or that acts only now and then has none.

    Args:
        critic_opt: an :class:`optax.GradientTransformation`, learning rate included.
        generator_opt: the generator's; None for the same as the critic's.
        alternating: whether the generator's gradient is taken at the new critic.
        n_critic: critic steps in one iteration, when alternating.
        lazy: penalties on every ``lazy``-th critic step only, ``lazy`` times as strong.
        ema: decay of the weight average.
        lr: time that one step stands for, for the time axis and for minibatch noise.
        note: what the transformations are, for the record (optax does not say).

    Raises:
        InputError: for what is not a transformation.

    References:
        optax, doi 10.5281/zenodo.4477198; https://optax.readthedocs.io

    Example:
        >>> import optax, diracgan as dg
        >>> r = dg.rule.from_optax(optax.sgd(0.1), optax.sgd(0.05), alternating=True)
        >>> dg.spectrum(dg.variant("wgan-gp", c=0.0), rule=r).status
        'stable'
    """
    both = {"critic_opt": critic_opt, "generator_opt": critic_opt if generator_opt is None else generator_opt}
    for name, opt in both.items():
        if not (callable(getattr(opt, "init", None)) and callable(getattr(opt, "update", None))):
            raise InputError(
                f"{name} = {opt!r} is not an optax transformation; allowed: what optax.adam(...) returns"
            )
    turns = {"alternating": alternating, "n_critic": n_critic, "lazy": lazy}
    return Optax(**check(Optax, turns | {"ema": ema, "lr": lr, "note": note}), **both)


Optax.name, Optax.reference = "optax", "doi 10.5281/zenodo.4477198"


_TURNS = ("alternating", "n_critic", "lazy", "ema")
_WORDS = {"beta1": ("b1",), "beta2": ("b2", "decay")}  # our name, and optax's
_DECAYS = {"b1", "b2", "b3", "decay", "rho", "momentum"}  # beyond [0, 1) a memory grows for ever
_SIZES = {"eps", "eps_root"}


def is_optax_name(name: str) -> bool:
    """Whether optax has an optimiser of this name that takes a learning rate.

    Example:
        >>> is_optax_name("rmsprop"), is_optax_name("chain")
        (True, False)
    """
    if not name.isidentifier() or importlib.util.find_spec("optax") is None:
        return False
    import optax

    made = getattr(optax, name, None)
    return inspect.isfunction(made) and "learning_rate" in inspect.signature(made).parameters


def optax_rule(name: str, given: Mapping[str, Any]) -> Optax:
    """The rule that optax has under this name: both players moved by ``optax.NAME``.

    Args:
        name: ``"rmsprop"``, ``"adamw"``, ``"amsgrad"``, ...
        given: numbers and flags of optax's own, by its names, ``beta1`` and ``beta2`` by ours too; ``lr`` or ``lr_d``
            and ``lr_g``; ``alternating``, ``n_critic``, ``lazy``, ``ema``.

    Raises:
        InputError: for a parameter that it does not have, naming the choices, or a value that is not allowed.

    Example:
        >>> optax_rule("rmsprop", {"lr": 0.01, "beta2": "0.95"}).note
        'rmsprop(decay=0.95, learning_rate=0.01)'
    """
    import optax

    make = getattr(optax, name)
    theirs = {
        p.name: _own(p.name, p.default)
        for p in inspect.signature(make).parameters.values()
        if isinstance(p.default, int | float)
    }
    ours = {n: parameters(Optax)[n] for n in (*_TURNS, "lr", "lr_d", "lr_g")}
    words = {word: n for word, names in _WORDS.items() for n in names if n in theirs}
    turns: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in given.items():
        found = words.get(key, key)
        if found in ours:
            turns[found] = ours[found].check(value)
        elif found in theirs:
            own[found] = dataclasses.replace(theirs[found], name=key).check(value)
        else:
            raise unknown(f"parameter of optax.{name}", key, [*ours, *words, *theirs])
    usual = turns.pop("lr", parameters(Rule)["lr"].default)
    rates = [turns.pop(n, None) or usual for n in ("lr_d", "lr_g")]
    pair = [_named(name, tuple(sorted(own.items())), rate) for rate in rates]
    said = [", ".join(f"{n}={x:g}" for n, x in sorted({**own, "learning_rate": r}.items())) for r in rates]
    note = f"{name}({said[0]})" if rates[0] == rates[1] else f"{name}({said[0]}), {name}({said[1]})"
    return from_optax(*pair, lr=rates[1], note=note, **turns)


def _own(name: str, default: float) -> Parameter:
    """A parameter of optax's, which says no ranges itself."""
    kind = "flag" if isinstance(default, bool) else "number"
    low = 0.0 if name in _DECAYS | _SIZES else None
    high = 1.0 if name in _DECAYS else None
    return Parameter(name, default, kind, low=low, high=high, open_high=high is not None)


@functools.lru_cache(maxsize=256)
def _named(name: str, own: tuple[tuple[str, Any], ...], rate: float) -> Any:
    """One transformation for equal numbers: programs belong to the transformation itself."""
    import optax

    return getattr(optax, name)(rate, **dict(own))


def _updates(opt: Any, z: Any, v: Any, state: Any) -> tuple[Any, Any]:
    return opt.update(jax.tree.map(jnp.negative, v), state, z)


def _linear_updates(opt: Any, z: Any, v: Any, state: Any) -> tuple[Any, Any]:
    """The updates to first order in the gradient and in the state's distance from rest."""
    still = jax.tree.map(jnp.zeros_like, v)
    rest = _state_at_rest(opt, z, state)

    def update(v: Any, floats: list[Any]) -> tuple[Any, list[Any]]:
        # interpreted, so that a root at 0 has the derivative 0 that its product with a vanishing mean needs
        step, new = evaluate(lambda v, x: _updates(opt, z, v, _with_floats(state, x)), (v, floats))[0]
        return step, _floats(new)

    away = jax.tree.map(jnp.subtract, _floats(state), _floats(rest))
    (step, new), (dstep, dnew) = jax.jvp(update, (still, _floats(rest)), (v, away))
    counted = _updates(opt, z, v, state)[1]
    return jax.tree.map(jnp.add, step, dstep), _with_floats(counted, jax.tree.map(jnp.add, new, dnew))


def _state_at_rest(opt: Any, z: Any, state: Any) -> Any:
    """The state after many updates with the gradient 0."""
    z = jax.lax.stop_gradient(z)
    state = jax.lax.stop_gradient(_with_floats(state, _floats(opt.init(z))))
    still = jax.tree.map(jnp.zeros_like, z)

    def long(path: Any, x: Any) -> Any:
        return jnp.full_like(x, _LONG) if _is_count(path) and not _is_float(x) else x

    def moving(state: tuple[Any, Any, Any]) -> Any:
        return state[1] & (state[2] < _SETTLING)

    def once(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        old, _, count = state
        new = jax.tree_util.tree_map_with_path(long, _updates(opt, z, still, old)[1])
        changed = [jnp.any(a != b) for a, b in zip(_floats(old), _floats(new), strict=True)]
        return new, jnp.any(jnp.array(changed, bool)), count + 1

    state = jax.tree_util.tree_map_with_path(long, state)
    return jax.lax.while_loop(moving, once, (state, jnp.array(True), jnp.int32(0)))[0]


def _is_steady(opt: Any) -> bool:
    """Whether no counter but ``count``, which bias corrections and schedules read, goes on for ever."""
    with jax.enable_x64(True):
        z = jnp.zeros(2)
        before = _updates(opt, z, z, opt.init(z))[1]
        after = jax.tree.leaves(_updates(opt, z, z, before)[1])
        for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), after, strict=True):
            is_key = jnp.issubdtype(jnp.result_type(old), jax.dtypes.prng_key)
            if not is_key and not _is_float(old) and not _is_count(path) and bool(jnp.any(old != new)):
                return False
    return True


def _is_smooth(opt: Any) -> bool:
    """Whether three updates with gradients far below any eps are what the linearisation says."""
    with jax.enable_x64(True):
        z = jnp.array([0.3, -0.7, 0.2])
        true = linear = _state_at_rest(opt, z, opt.init(z))
        for direction in ([1.0, -2.0, 0.5], [-0.3, 1.5, 2.0], [2.0, 0.4, -1.0]):
            v = 1e-25 * jnp.array(direction)
            (step, true), (expected, linear) = _updates(opt, z, v, true), _linear_updates(opt, z, v, linear)
            still = _linear_updates(opt, z, 0.0 * v, linear)[0]
            scale = 1e-4 * float(jnp.max(jnp.abs(expected - still))) + 1e-12 * float(jnp.max(jnp.abs(still)))
            if not np.all(np.abs(step - expected) <= scale):
                return False
    return True


def _is_count(path: Any) -> bool:
    return bool(path) and getattr(path[-1], "name", None) == "count"


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def _floats(tree: Any) -> list[Any]:
    return [x for x in jax.tree.leaves(tree) if _is_float(x)]


def _with_floats(tree: Any, floats: list[Any]) -> Any:
    given = iter(floats)
    return jax.tree.map(lambda x: next(given) if _is_float(x) else x, tree)
