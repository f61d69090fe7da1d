"""Any optax transformation as a rule, and any optimiser of optax by its name."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError, one_line, shown
from ..game import GameLike, Players
from ..jax_settings import own_settings
from ..parameters import check, param
from ..pytrees import Pytree
from ..tracing.switching import evaluate
from .base import Rule, variation
from .per_player import CRITIC, GENERATOR, Memory, PerPlayerRule

if TYPE_CHECKING:
    import optax

_LONG = 2**30  # updates after which a bias correction or a schedule is over
_SETTLING = 200_000
_TINIEST, _GRADIENTS = 1e-25, (1e-18, 1e6, 97)  # sizes of lasting gradients whose steps are compared
_LASTING = 5_000  # updates
_SMALL = 1e-6  # of a sum: a smaller update ends it; momentum 0.99 would still add a hundred times as much


class OptaxRule(PerPlayerRule):
    """Each player moved by an optax transformation of its own, which :meth:`transformation` gives."""

    def transformation(self, who: str) -> optax.GradientTransformation:
        """The player's :class:`optax.GradientTransformation`, learning rate included."""
        raise NotImplementedError

    def memory(self, game: GameLike, players: Players) -> Memory:
        """Both transformations' states."""
        made = super().memory(game, players)
        return made._replace(
            phi=self.transformation(CRITIC).init(players.phi),
            theta=self.transformation(GENERATOR).init(players.theta),
        )

    def update(self, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
        """The transformation's update of the gradient -v."""
        return _updates(self.transformation(who), z, v, state)

    def rest(self, game: GameLike, players: Players) -> Memory:
        """The states after many updates with the gradient 0."""
        memory = self.memory(game, players)
        return memory._replace(
            phi=_state_at_rest(self.transformation(CRITIC), players.phi, memory.phi),
            theta=_state_at_rest(self.transformation(GENERATOR), players.theta, memory.theta),
        )

    def step_sizes(self, players: Players, memory: Memory | None) -> Players | None:
        """What all updates that a gradient of 1 causes add up to; None where a transformation mixes parameters.

        Squares that are remembered stay what they are, so that those are needed: without a state only transformations
        that are linear in the gradient have step sizes.
        """
        states = (None, None) if memory is None else (memory.phi, memory.theta)
        critic = _answer(self.transformation(CRITIC), players.phi, states[0])
        generator = _answer(self.transformation(GENERATOR), players.theta, states[1])
        return None if critic is None or generator is None else Players(critic[1], generator[1])

    def averaging(self, players: Players, memory: Memory | None) -> float:
        """1 - (the first of the updates that a gradient causes)/(all of them), the median of what moves."""
        answer = _answer(self.transformation(CRITIC), players.phi, None if memory is None else memory.phi)
        if answer is None:
            return 0.0
        first, total = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(a)]) for a in answer)
        moves = np.abs(total) > 0  # a frozen parameter does not
        return float(np.median(1.0 - first[moves] / total[moves])) if np.any(moves) else 0.0

    @property
    def is_adaptive(self) -> bool:
        """Its transformations may be: what they do is only known by trying."""
        return True

    @property
    def at_rest(self) -> Rule:
        """Both transformations replaced by their linearisations at rest."""
        return variation(self, _LinearAtRest)

    @property
    def linearises(self) -> bool | Array:
        """Where tiny gradients move each player as the transformation's derivative says."""
        return self.why_not_linearisable() is None

    def why_not_linearisable(self) -> str | None:
        """Which player's transformation has no derivative at rest, and why."""
        for who, opt in (("critic", self._tried(CRITIC)), ("generator", self._tried(GENERATOR))):
            try:
                steady = _is_steady(opt)
            except (
                AttributeError,
                LookupError,
                TypeError,
                ValueError,
            ) as error:  # as where it labels parameters
                return f"the {who}'s optax transformation takes no other parameters than its own: {one_line(error)}"
            if not steady:
                return f"the {who}'s optax transformation counts its updates and does not treat them alike"
            if not _is_smooth(opt):
                return (
                    f"the {who}'s optax transformation moves it by steps that do not shrink with the gradient"
                )
        return None

    @property
    def linear_below(self) -> float | None:
        """The velocity at which steps are half, or twice, as long as in proportion to it; None where they never are."""
        bounds = [_proportional_below(self._tried(who)) for who in (CRITIC, GENERATOR)]
        return min((b for b in bounds if b is not None), default=None)

    def _tried(self, who: str) -> Any:
        """The transformation on which it is tried whether there is a linearisation."""
        return self.transformation(who)


class _LinearAtRest:
    """The map with the derivative that the transformations have at rest, and none of their curvature."""

    def update(self: Any, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
        return _linear_updates(self.transformation(who), z, v, state)


class Optax(OptaxRule):
    """Each player moved by an optax transformation that was made elsewhere; see :func:`from_optax`."""

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

    def transformation(self, who: str) -> optax.GradientTransformation:
        """As it was given."""
        return self.critic_opt if who == CRITIC else self.generator_opt

    @property
    def lr_sets_steps(self) -> bool:
        """They are the transformations'."""
        return False

    @property
    def is_made_by_name(self) -> bool:
        """The transformations are functions."""
        return False


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
    floating-point state; counters and the numbers of ``inject_hyperparams`` do not count. A transformation whose
    update does not shrink with the gradient (Adam with eps = 0, a sign) or that acts only now and then has none.

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
                f"{name} = {shown(opt)} is not an optax transformation; allowed: what optax.adam(...) returns"
            )
    turns = {"alternating": alternating, "n_critic": n_critic, "lazy": lazy}
    return Optax(**check(Optax, turns | {"ema": ema, "lr": lr, "note": note}), **both)


Optax.name, Optax.reference = "optax", "doi 10.5281/zenodo.4477198"


class NamedOptax(OptaxRule):
    """Both players moved by the optimiser of optax that the class is made for; see :func:`optax_class`."""

    optimiser: ClassVar[str] = ""

    def transformation(self, who: str) -> optax.GradientTransformation:
        """``optax.NAME`` with these numbers."""
        return self._made(getattr(self.rates, who))

    def _tried(self, who: str) -> Any:
        return self._made(1.0)  # no derivative hangs on the rate

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by the optimiser's name, since no module holds its class."""
        return _of_optax, (self.optimiser, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def _made(self, rate: Any) -> optax.GradientTransformation:
        import optax

        own = {n: getattr(self, n) for n in _numbers(self.optimiser) or ()}
        return getattr(optax, self.optimiser)(rate, **own)


@functools.cache
def optax_class(name: str) -> type[NamedOptax] | None:
    """The class of the rule ``optax:NAME``; None where optax has no such optimiser that takes a learning rate.

    Its parameters are optax's own, by optax's names; the learning rates are ours.

    Example:
        >>> import diracgan as dg
        >>> dg.rule("optax:nadam:lr=0.01,b1=0.5").label
        'optax:nadam(lr=0.01, b1=0.5, b2=0.999, eps=1e-08, eps_root=0, nesterov=True, alternating=False, n_critic=1)'
        >>> optax_class("chain") is None
        True
    """
    numbers = _numbers(name)
    if numbers is None:
        return None
    body: dict[str, Any] = {"__module__": __name__, "optimiser": name, "__annotations__": {}}
    body["__doc__"] = f"Both players moved by optax.{name}."
    turns = {n: Optax.__dataclass_fields__[n] for n in ("alternating", "n_critic")}
    for n, value in numbers.items():
        body["__annotations__"][n] = "float | None" if value is None else type(value).__name__
        low = 0.0 if n in _DECAYS | _SIZES else None
        high = 1.0 if n in _DECAYS else None
        domain = {"low": low, "high": high, "open_high": high is not None}
        body[n] = dataclasses.field(default=value, metadata={"domain": domain, "static": True})
    for n, turn in turns.items():
        body["__annotations__"][n] = turn.type
        body[n] = dataclasses.field(default=turn.default, metadata=turn.metadata)
    made = type(f"Optax_{name}", (NamedOptax,), body)
    made.name, made.reference = f"optax:{name}", Optax.reference
    return made


def _of_optax(name: str, numbers: dict[str, Any]) -> NamedOptax:
    cls = optax_class(name)
    if cls is None:
        raise InputError(
            f"this optax has no optimiser {name!r}; allowed: the optax that the rule was made with"
        )
    return cls(**numbers)


_DECAYS = {"b1", "b2", "b3", "decay", "rho", "momentum"}  # beyond [0, 1) a memory grows for ever
_SIZES = {"eps", "eps_root"}
_NO_NUMBER = {"momentum", "optimism", "weight_decay_rate"}  # None by default, or a number


@functools.cache
def _numbers(name: str) -> dict[str, Any] | None:
    """optax's own names and defaults of an optimiser's numbers and flags; None without one that takes a rate."""
    if not name.isidentifier() or importlib.util.find_spec("optax") is None:
        return None
    import optax

    made = getattr(optax, name, None)
    taken = inspect.signature(made).parameters if callable(made) and not isinstance(made, type) else {}
    if "learning_rate" not in taken:
        return None
    return {n: p.default for n, p in taken.items() if isinstance(p.default, int | float) or n in _NO_NUMBER}


def _updates(opt: optax.GradientTransformation, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
    return opt.update(jax.tree.map(jnp.negative, v), state, z)


def _linear_updates(
    opt: optax.GradientTransformation, z: Pytree, v: Pytree, state: Pytree
) -> tuple[Any, Any]:
    """The updates to first order in the gradient and in the state's distance from rest."""
    still = jax.tree.map(jnp.zeros_like, v)
    rest = _state_at_rest(opt, z, state)

    def update(v: Pytree, floats: list[Any]) -> tuple[Any, list[Any]]:
        # interpreted, so that a root at 0 has the derivative 0 that its product with a vanishing mean needs
        step, new = evaluate(lambda v, x: _updates(opt, z, v, _with_floats(state, x)), (v, floats))[0]
        return step, _floats(new)

    away = jax.tree.map(jnp.subtract, _floats(state), _floats(rest))
    (step, new), (dstep, dnew) = jax.jvp(update, (still, _floats(rest)), (v, away))
    counted = _updates(opt, z, v, state)[1]
    return jax.tree.map(jnp.add, step, dstep), _with_floats(counted, jax.tree.map(jnp.add, new, dnew))


def _state_at_rest(opt: optax.GradientTransformation, z: Pytree, state: Pytree) -> Pytree:
    """The state after many updates with the gradient 0."""
    z = jax.lax.stop_gradient(z)
    state = jax.lax.stop_gradient(_with_floats(state, _floats(opt.init(z))))
    still = jax.tree.map(jnp.zeros_like, z)

    def long(path: tuple[Any, ...], x: Pytree) -> Pytree:
        return jnp.full_like(x, _LONG) if _is_count(path) and not _is_float(x) else x

    def moving(state: tuple[Any, Any, Any]) -> Array:
        return state[1] & (state[2] < _SETTLING)

    def once(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        old, _, count = state
        new = jax.tree_util.tree_map_with_path(long, _updates(opt, z, still, old)[1])
        changed = [jnp.any(a != b) for a, b in zip(_floats(old), _floats(new), strict=True)]
        return new, jnp.any(jnp.array(changed, bool)), count + 1

    state = jax.tree_util.tree_map_with_path(long, state)
    return jax.lax.while_loop(moving, once, (state, jnp.array(True), jnp.int32(0)))[0]


def _answer(opt: optax.GradientTransformation, z: Pytree, state: Pytree) -> tuple[Pytree, Pytree] | None:
    """To first order in a gradient of 1 everywhere: the update that it makes, and the sum of all that follow from it.

    None where parameters are mixed, where that is not finite, or where no state is given and the update is not linear.
    """
    held = opt.init(z) if state is None else state

    def update(v: Pytree, floats: list[Any]) -> tuple[Any, list[Any]]:
        step, new = _updates(opt, z, v, _with_floats(held, floats))
        return step, _floats(new)

    def pushed(v: Pytree, floats: list[Any], moved: list[Any]) -> tuple[Any, Any]:
        return jax.jvp(update, (jax.tree.map(jnp.zeros_like, z), floats), (v, moved))

    def going_on(now: tuple[Any, ...]) -> Array:
        _, _, total, last, count = now
        return (count < _LASTING) & (jnp.max(jnp.abs(flat(last))) > _SMALL * jnp.max(jnp.abs(flat(total))))

    def once(now: tuple[Any, ...]) -> tuple[Any, ...]:
        floats, moved, total, _, count = now
        (_, floats), (last, moved) = pushed(jax.tree.map(jnp.zeros_like, z), floats, moved)
        return floats, moved, jax.tree.map(jnp.add, total, last), last, count + 1

    def flat(tree: Pytree) -> Array:
        return jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(tree)])

    floats, one = _floats(held), jax.tree.map(jnp.ones_like, z)
    (still, after), (first, moved) = pushed(one, floats, jax.tree.map(jnp.zeros_like, floats))
    uneven = jax.tree.map(lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), z)
    apart = pushed(uneven, floats, jax.tree.map(jnp.zeros_like, floats))[1][0]
    total = jax.lax.while_loop(going_on, once, (after, moved, first, first, jnp.int32(0)))[2]
    same = np.allclose(flat(apart), flat(uneven) * flat(first), rtol=1e-3, atol=0.0)
    if state is None:
        small = 1e-2 / flat(one).size ** 0.5  # within any norm that gradients are clipped to
        step = flat(update(jax.tree.map(lambda x: small * x, one), floats)[0]) - flat(still)
        same = same and np.allclose(step, small * flat(first), rtol=1e-3, atol=0.0)
    return (first, total) if same and np.all(np.isfinite(flat(total))) else None


def _is_steady(opt: optax.GradientTransformation) -> bool:
    """Whether no counter but ``count``, which bias corrections and schedules read, goes on for ever."""
    with own_settings(True):
        z = jnp.zeros(2)
        before = _updates(opt, z, z, opt.init(z))[1]
        after = jax.tree.leaves(_updates(opt, z, z, before)[1])
        for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), after, strict=True):
            is_key = jnp.issubdtype(jnp.result_type(old), jax.dtypes.prng_key)
            if not is_key and not _is_float(old) and not _is_count(path) and bool(jnp.any(old != new)):
                return False
    return True


def _is_smooth(opt: optax.GradientTransformation) -> bool:
    """Whether three updates with gradients far below any eps are what the linearisation says."""
    with own_settings(True):
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


def _proportional_below(opt: optax.GradientTransformation) -> float | None:
    """The size of a lasting gradient whose step is half, or twice, of what the tiniest one's would make it."""
    with own_settings(True):
        sizes = np.append(_TINIEST, np.geomspace(*_GRADIENTS))
        z = jnp.zeros(1)
        rest = _state_at_rest(opt, z, opt.init(z))

        def lasting(v: Array) -> Array:
            state = jax.lax.fori_loop(0, _LASTING, lambda _, s: _updates(opt, z, v, s)[1], rest)
            return _updates(opt, z, v, state)[0][0]

        steps = np.array(jax.jit(jax.vmap(lasting))(jnp.asarray(sizes)[:, None]))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.abs(np.log2(np.abs(steps / sizes) / abs(steps[0] / sizes[0])))
    off = np.flatnonzero(shares >= 1.0)
    if len(off) == 0:
        return None
    last, first = off[0] - 1, off[0]
    part = (1.0 - shares[last]) / (shares[first] - shares[last])
    return float(f"{sizes[last] * (sizes[first] / sizes[last]) ** part:.2g}")


def _is_count(path: tuple[Any, ...]) -> bool:
    return bool(path) and getattr(path[-1], "name", None) == "count"


def _is_float(x: object) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def _floats(tree: Pytree) -> list[Any]:
    return [x for x in jax.tree.leaves(tree) if _is_float(x)]


def _with_floats(tree: Pytree, floats: list[Any]) -> Pytree:
    given = iter(floats)
    return jax.tree.map(lambda x: next(given) if _is_float(x) else x, tree)
