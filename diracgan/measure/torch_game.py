"""A game in PyTorch: the field of two losses over modules, its products, and one iteration of two ``torch.optim``.

A product is forward-mode over reverse-mode: the losses run on dual numbers, so that ``no_grad`` and
``torch.autograd.grad`` inside a loss (gradient penalties) mean what they mean in training; ``detach()`` cuts the
gradient and not the tangent, since the field depends on what was detached. Where an operation has no forward mode, a
product takes a second and a third backward pass instead. The modules' parameters and buffers are never written: every
evaluation runs on copies, by :func:`torch.func.functional_call`, and under the random seed of its batch.
"""

from __future__ import annotations

import collections
import copy
import functools
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch.autograd.forward_ad as dual  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.func import functional_call  # pyright: ignore[reportMissingImports]
from torch.nn.attention import SDPBackend, sdpa_kernel  # pyright: ignore[reportMissingImports]
from torch.utils.checkpoint import CheckpointError  # pyright: ignore[reportMissingImports]

from ..errors import InputError, integer, number, one_line
from ..pytrees import Pytree
from .leading import PLAYERS
from .measured_game import UserGame
from .torch_checks import check_loss, check_mode, modules_of
from .torch_linear import LinearPart, NotLinear, trim
from .torch_losses import Detached, Losses, WrittenAfter, leaf_of, mean_logit, places_of, slope, tangents_of
from .torch_rates import averaging, steady_rate
from .torch_reverse import check_reverse, twice_back

_COUNTERS = ("step", "mu_product", "eta", "mu")  # tensors of torch.optim that no gradient moves

Tensors = dict[str, Tensor]  # by the parameter's name in the container of both players


class TorchGame:
    """A :class:`~diracgan.measure.measured_game.GameBackend` of two losses over PyTorch modules."""

    def __init__(
        self,
        losses: dict[str, Any],
        players: dict[str, Any],
        optimisers: tuple[Any, Any] | None,
        alternating: bool,
        n_critic: int,
        clip: tuple[float | None, float | None],
        seed: int,
    ) -> None:
        check_mode(players)
        self.has_slopes = "slope at real" in losses
        self.both = Losses(players, losses)
        self.places = places_of(self.both)
        named = dict(self.both.named_parameters())
        trained = [n for n, p in named.items() if p.requires_grad]
        self.names = {w: [n for n in trained if n.startswith(w + ".")] for w in PLAYERS}
        self._check_parameters()
        self.start = {n: named[n].detach() for w in PLAYERS for n in self.names[w]}
        first = next(iter(self.start.values()))
        self.kind, self.device = first.dtype, first.device
        self.dtype = np.float64 if self.kind == torch.float64 else np.float32
        self.sizes = tuple(sum(self.start[n].numel() for n in self.names[w]) for w in PLAYERS)
        self.alternating, self.n_critic = alternating, integer("n_critic", n_critic, low=1)
        self.clip, self.seed, self.forward_mode = clip, seed, True
        self._recorded: tuple[Any, Any]  # the last product, and of what
        self._held: list[Any]  # its batches, whose identities are part of that
        self.forget()
        self._numbers: dict[int, tuple[int, Any]] = {}  # of batches as they came, which are kept
        self.through: dict[str, bool] = {}  # whether a loss's detach() may be gone through
        self.optimisers = None if optimisers is None else dict(zip(PLAYERS, optimisers, strict=True))
        self.state: dict[str, Tensors] = {w: {} for w in PLAYERS}
        if self.optimisers is not None:
            self.state = {w: self._state_of(w) for w in PLAYERS}
        moving = sum(t.numel() for w in PLAYERS for t in self.state[w].values())
        self.state_size = 0 if optimisers is None else sum(self.sizes) + moving

    # ---------------- what a game answers

    def field(self, batches: list[Any], moved: np.ndarray | None = None) -> np.ndarray:
        """The mean field, at the players displaced by ``moved``."""
        at = self.start if moved is None else self._added(moved)
        found = np.concatenate([-self.flattened(self.mean_gradient(w, at, batches)) for w in PLAYERS])
        trim()
        return found

    def product(self, batches: list[Any], v: np.ndarray) -> np.ndarray:
        """J v: the gradients' tangents; of the first product what does not hang on v is kept for those that follow."""
        return -self.flattened(self._applied("flow", batches, v))

    def transposed(self, batches: list[Any], u: np.ndarray) -> np.ndarray:
        """J^T u: the gradient of <u, field>."""
        weights, total = self.split(u), None
        for w in PLAYERS:
            for batch in batches:
                at = self.fresh(self.start, tuple(self.start))
                gradient = self.attached(w, at, batch)
                inner = sum((g * weights[n]).sum() for n, g in zip(self.names[w], gradient, strict=True))
                back = self.pulled(inner, list(at.values()))
                total = back if total is None else [a + b for a, b in zip(total, back, strict=True)]
        assert total is not None
        return -self.flattened(total) / len(batches)

    def step_product(self, batches: list[Any], v: np.ndarray) -> np.ndarray:
        """S v: one whole iteration of both optimisers' own ``step()`` on dual numbers."""
        return self.flattened(self._applied("step", batches, v))

    def remembered(self, batches: list[Any]) -> list[np.ndarray]:
        """What the optimisers remember, tensor by tensor."""
        return [x.cpu().numpy() for w in PLAYERS for x in self.state[w].values()]

    def slopes(self, batch: Pytree) -> np.ndarray:
        """Mean |grad_x D|^2 at real and at fake samples, (2,)."""
        at = self.fresh(self.start, ())
        return np.array([float(self.loss(f"slope at {x}", at, batch).detach()) for x in ("real", "fake")])

    def penalty_product(self, batch: Pytree, v: np.ndarray) -> np.ndarray:
        """H v with H the Hessian of 1/2 E |grad_x D|^2 at real samples in the critic's parameters, (n_d,)."""
        names = self.names["critic"]
        at = self.fresh(self.start, tuple(names))
        own = [at[n] for n in names]
        half = 0.5 * self.loss("slope at real", at, batch)
        gradient = self.pulled(half, own, graph=True)
        weights = self.split(np.concatenate([v, np.zeros(self.sizes[1])]))
        inner = sum((g * weights[n]).sum() for n, g in zip(names, gradient, strict=True))
        return self.flattened(self.pulled(inner, own))

    def step_sizes(self) -> np.ndarray | None:
        """How far one step moves each parameter per unit of its gradient, long after a start: (n,); None if unknown."""
        if self.optimisers is None:
            return None
        sizes = []
        for who in PLAYERS:
            given, names = self.optimisers[who], self._names_of(who)
            groups = {names[id(p)]: (p, g) for g in given.param_groups for p in g["params"] if id(p) in names}
            for n in self.names[who]:
                if n not in groups:
                    sizes.append(torch.zeros_like(self.start[n]))
                    continue
                p, group = groups[n]
                rate = steady_rate(given, group, given.state.get(p, {}))
                if rate is None:
                    return None
                sizes.append(torch.as_tensor(rate).to(self.start[n]).expand_as(self.start[n]))
        return self.flattened(sizes)

    def averaging(self) -> float:
        """Decay of the running average of gradients that the critic steps along; 0 for plain steps."""
        return 0.0 if self.optimisers is None else averaging(self.optimisers["critic"])

    @property
    def order(self) -> tuple[str, ...]:
        """Who moves in one iteration, in turn."""
        return ("critic",) * (self.n_critic if self.alternating else 1) + ("generator",)

    # ---------------- products

    def _applied(self, of: str, batches: list[Any], v: np.ndarray) -> list[Tensor]:
        """What a product gives, by what was recorded of the last one where it was with the same batches."""
        tangents = list(self.split(v, of).values())
        key = (of, *map(id, batches), *self._versions())
        if self._recorded[0] == key:
            try:
                return self._recorded[1](tangents)
            except NotLinear:
                self._recorded = key, functools.partial(self._image, of, batches)
                return self._image(of, batches, tangents)
        self.forget()  # the old one's memory goes first
        self._held = list(batches)
        try:
            part: Any = LinearPart(functools.partial(self._image, of, batches), tangents)
            images = part(tangents)
        except NotLinear:
            part = functools.partial(self._image, of, batches)
            images = part(tangents)
        self._recorded = key, part
        return images

    def forget(self) -> None:
        """Drop what was recorded of the last product: of other options it is another."""
        self._recorded, self._held = (None, None), []

    def _versions(self) -> list[int]:
        """How often each tensor of the modules and of the optimisers has been written to."""
        states = (x for w in PLAYERS for x in self.state[w].values())
        return [x._version for x in (*self.both.parameters(), *self.both.buffers(), *states)]

    def _image(self, of: str, batches: list[Any], tangents: list[Tensor]) -> list[Tensor]:
        """The tangents of both gradients, or of the state after a step."""
        if of == "step":
            return self._step_image(batches, tangents)
        with dual.dual_level():
            at = {n: dual.make_dual(x, t) for (n, x), t in zip(self.start.items(), tangents, strict=True)}
            return [t for w in PLAYERS for t in tangents_of(self.mean_gradient(w, at, batches))]

    def _step_image(self, batches: list[Any], tangents: list[Tensor]) -> list[Tensor]:
        given = iter(tangents)
        with dual.dual_level():
            at = {n: dual.make_dual(x.clone(), next(given).clone()) for n, x in self.start.items()}
            states = {
                w: {n: dual.make_dual(x.clone(), next(given).clone()) for n, x in self.state[w].items()}
                for w in PLAYERS
            }
            return tangents_of(self._iterated(at, states, batches))

    def after_step(self, batches: list[Any]) -> np.ndarray:
        """The state after one whole iteration on these batches, (state_size,)."""
        return self.flattened(self._iterated(self.start, self.state, batches))

    def _iterated(self, at: Tensors, states: dict[str, Tensors], batches: list[Any]) -> list[Tensor]:
        before, states = at, dict(states)
        for w in self.order:
            gradient = self.clipped(w, self.mean_gradient(w, at if self.alternating else before, batches))
            moved, after = self.stepped(w, at, gradient, states[w])
            at, states[w] = {**at, **moved}, after
        # an optimiser keeps them in another order
        return [*at.values(), *(states[w][key] for w in PLAYERS for key in self.state[w])]

    # ---------------- gradients

    def _gradient(
        self, who: str, at: Tensors, batch: Pytree, *, graph: bool = False, attached: bool = False
    ) -> list[Tensor]:
        """The gradient of one player's loss in its own parameters, which must ask for one."""
        loss = self.loss(who, at, batch, attached)
        return self.pulled(loss, [at[n] for n in self.names[who]], graph=graph)

    def loss(self, who: str, at: Tensors, batch: Pytree, attached: bool = False) -> Tensor:
        """A player's loss, or what else the game knows by name, at these parameters, through ``detach()`` or not."""
        buffers = {n: b.clone() for n, b in self.both.named_buffers()}
        given = {place: (at | buffers)[n] for place, n in self.places.items() if n in at or n in buffers}
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            # the other kernels of attention have no second derivative
            with (
                torch.random.fork_rng(devices),
                torch.enable_grad(),
                sdpa_kernel(SDPBackend.MATH),
                Detached(attached),
            ):
                torch.manual_seed(self.seed + self._number(batch))
                loss = functional_call(self.both, given, (who, batch), tie_weights=False)
        except InputError:
            raise
        except Exception as error:  # the user's own code: what it says is what helps
            if _lacks_forward_mode(error):
                raise
            name = f"{who}_loss" if who in self.names else "critic= or samples="  # what slopes are taken of
            raise InputError(f"{name} failed: {one_line(error)}") from error
        check_loss(who, loss, self.kind)
        return loss

    def _number(self, batch: Pytree) -> int:
        """How many batches came before this one: what is drawn in the loss differs between batches, and stays."""
        return self._numbers.setdefault(id(batch), (len(self._numbers), batch))[0]

    def attached(self, who: str, at: Tensors, batch: Pytree) -> list[Tensor]:
        """The gradient with its graph, through ``detach()`` where that leaves the gradient as it is.

        It does where a loss detaches what the other player made; where it detaches something of its own, no.
        """
        through, first = self._gradient(who, at, batch, graph=True, attached=True), who not in self.through
        if first:
            given = self._gradient(who, at, batch)
            scale = max(float(g.abs().max()) for g in given)
            far = max(float((a - b).detach().abs().max()) for a, b in zip(through, given, strict=True))
            self.through[who] = far <= 1e3 * torch.finfo(self.kind).eps * scale
        if not self.through[who]:
            raise InputError(
                f"{who}_loss detaches something of its own, which only forward mode goes through; no transpose here; "
                "allowed: detach() of what the other player made"
            )
        if first and self.forward_mode:
            check_reverse(self, who, batch)
        return through

    @staticmethod
    def pulled(value: Any, leaves: list[Tensor], *, graph: bool = False) -> list[Tensor]:
        """The gradient of a value in leaves; zeros where it does not depend on one."""
        if not isinstance(value, Tensor) or not value.requires_grad:
            return [torch.zeros_like(x) for x in leaves]
        try:
            found = torch.autograd.grad(value, leaves, create_graph=graph, allow_unused=True)
        except CheckpointError as error:  # after the parameters have been put back
            raise InputError(
                "a network computes values again in its backward pass; allowed: the same without torch.utils.checkpoint"
            ) from error
        except RuntimeError as error:
            if "a second time" not in str(error):
                raise
            raise InputError("a loss calls backward() itself; allowed: one that gives its scalar") from error
        return [torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True)]

    def mean_gradient(self, who: str, at: Tensors, batches: list[Any]) -> list[Tensor]:
        """The gradient, the mean over batches; of dual numbers a dual one, also where forward mode is lacking."""
        moving = any(dual.unpack_dual(x).tangent is not None for x in at.values())
        if moving and not self.forward_mode:
            return twice_back(self, who, at, batches)
        total: list[Tensor] | None = None
        try:
            for batch in batches:
                part = self._gradient(who, self.fresh(at, tuple(self.names[who])), batch)
                total = part if total is None else [a + b for a, b in zip(total, part, strict=True)]
        except (NotImplementedError, RuntimeError) as error:
            if not (moving and _lacks_forward_mode(error)):
                if not isinstance(error, NotImplementedError):
                    raise
                raise InputError(
                    f"{who}_loss cannot be differentiated: {one_line(error)}; allowed: operations that can"
                ) from error
            self.forward_mode = False
            return twice_back(self, who, at, batches)
        assert total is not None
        return [x / len(batches) for x in total]

    @staticmethod
    def fresh(at: Tensors, asking: tuple[str, ...]) -> Tensors:
        """New leaves of the same values and tangents, of which ``asking`` ask for a gradient."""
        return {n: leaf_of(x, n in asking) for n, x in at.items()}

    # ---------------- the optimisers' own step

    def clipped(self, who: str, gradient: list[Tensor]) -> list[Tensor]:
        """The gradient as the optimiser is given it."""
        limit = self.clip[PLAYERS.index(who)]
        if limit is None:
            return gradient
        held = [torch.zeros_like(self.start[n]) for n in self.names[who]]
        for x, g in zip(held, gradient, strict=True):
            x.grad = leaf_of(g).clone()
        nn.utils.clip_grad_norm_(held, limit, foreach=False)
        return [x.grad for x in held if x.grad is not None]

    def stepped(
        self, who: str, at: Tensors, gradient: list[Tensor], state: Tensors
    ) -> tuple[Tensors, Tensors]:
        """One ``step()`` of a copy of the optimiser on dual parameters, gradients and state.

        What ``state`` lacks is as the optimiser has it; what comes back has its counters too, for a second step.
        """
        assert self.optimisers is not None
        given, names = self.optimisers[who], self._names_of(who)
        leaves = {n: leaf_of(at[n]).clone() for n in self.names[who]}
        for n, g in zip(self.names[who], gradient, strict=True):
            leaves[n].grad = leaf_of(g).clone()
        own = copy.copy(given)
        own.__dict__.pop("step", None)  # a learning rate scheduler's, which steps the one that was given
        plain = {"foreach": False, "fused": False, "capturable": False, "differentiable": False}
        own.param_groups = [
            {**group, **{o: x for o, x in plain.items() if o in group}}
            | {"params": [leaves[names[id(p)]] for p in group["params"] if id(p) in names]}
            for group in given.param_groups
        ]
        own.state = collections.defaultdict(dict)
        for p, kept in given.state.items():
            if id(p) in names:
                n = names[id(p)]
                held = {k: state.get(f"{n}/{k}", x) for k, x in kept.items()}
                own.state[leaves[n]] = {
                    k: x.clone() if isinstance(x, Tensor) else copy.deepcopy(x) for k, x in held.items()
                }
        try:
            with torch.no_grad(), WrittenAfter():
                own.step()
        except (TypeError, NotImplementedError) as error:
            raise InputError(
                f"a step of the {who}'s {type(given).__name__} cannot be differentiated: {one_line(error)}; allowed: "
                "optimisers whose step() takes no closure and whose operations have a forward mode"
            ) from error
        return leaves, {f"{n}/{k}": x for n, p in leaves.items() for k, x in own.state[p].items()}

    def _state_of(self, who: str) -> Tensors:
        """What an optimiser remembers as floating-point tensors, by parameter and key.

        Raises:
            InputError: for an optimiser of other parameters, or one that has not stepped yet.
        """
        assert self.optimisers is not None
        given, names = self.optimisers[who], self._names_of(who)
        if not isinstance(given, torch.optim.Optimizer):
            raise InputError(
                f"the {who}'s optimiser is a {type(given).__name__}; allowed: one of torch.optim"
            )
        held = [p for g in given.param_groups for p in g["params"] if p.requires_grad]
        if any(id(p) not in names for p in held):
            raise InputError(
                f"the {who}'s optimiser holds parameters that are not the {who}'s; allowed: its own"
            )
        state = {
            f"{names[id(p)]}/{k}": x.detach()
            for p, kept in given.state.items()
            if id(p) in names
            for k, x in kept.items()
            if _moves(k, x)
        }
        at = {n: x.clone() for n, x in self.start.items()}
        still = [torch.zeros_like(self.start[n]) for n in self.names[who]]
        after = self.stepped(who, at, still, state)[1]
        if {key for key, x in after.items() if _moves(key, x)} != set(state):
            raise InputError(f"the {who}'s optimiser remembers nothing yet; allowed: after a step of it")
        order = sorted(state, key=lambda key: (self.names[who].index(key.split("/")[0]), key))
        return {key: state[key] for key in order}

    def _names_of(self, who: str) -> dict[int, str]:
        return {id(p): n for n, p in self.both.named_parameters() if n in self.names[who]}

    # ---------------- flat vectors

    def split(self, v: np.ndarray, of: str = "flow") -> Tensors:
        """By name; of a step the optimisers' memories follow."""
        at, whole = {}, torch.from_numpy(np.array(v)).to(self.device, self.kind)
        k, parts = 0, dict(self.start)
        if of == "step":
            parts |= {f"{w} {n}": x for w in PLAYERS for n, x in self.state[w].items()}
        for n, x in parts.items():
            at[n] = whole[k : k + x.numel()].reshape(x.shape)
            k += x.numel()
        return at

    def _added(self, v: np.ndarray) -> Tensors:
        return {n: self.start[n] + d for n, d in self.split(v).items()}

    @staticmethod
    def flattened(tensors: list[Tensor]) -> np.ndarray:
        """The entries of all tensors, in their order."""
        return torch.cat([t.detach().reshape(-1) for t in tensors]).cpu().numpy()

    # ---------------- what is refused

    def _check_parameters(self) -> None:
        owners: dict[int, str] = {}
        for who in PLAYERS:
            if not self.names[who]:
                raise InputError(
                    f"the {who} has no parameter that moves; allowed: requires_grad=True on some"
                )
            for n, p in getattr(self.both, who).named_parameters():
                if p.requires_grad and owners.setdefault(id(p), who) != who:
                    raise InputError(
                        f"{n} belongs to both players; allowed: one owner per parameter, or requires_grad=False"
                    )
        for n, p in self.both.named_parameters():
            if p.is_meta or isinstance(p, nn.UninitializedParameter):
                what = "on meta" if p.is_meta else "not initialised"
                raise InputError(
                    f"{n} is {what}; allowed: parameters with values, as after a first forward pass"
                )
        kinds = {str(p.dtype) for p in self.both.parameters() if p.requires_grad}
        if len(kinds) > 1 or kinds - {"torch.float32", "torch.float64"}:
            raise InputError(
                f"the parameters are {', '.join(sorted(kinds))}; allowed: all float32, or all float64"
            )


def of_losses(said: UserGame, clip: Any, seed: int) -> TorchGame:
    """The backend of a user's two losses ``loss(critic, generator, batch)`` over PyTorch modules."""
    losses = {"critic": said.critic_loss, "generator": said.generator_loss}
    players = {"critic": said.phi, "generator": said.theta}
    if said.critic is not None:
        for i, x in enumerate(("real", "fake")):
            losses[f"slope at {x}"] = slope(said.critic, said.samples, i)
            losses[f"mean at {x}"] = mean_logit(said.critic, said.samples, i)
    for who, player in players.items():
        modules_of(player, who)
    pair = said.optimiser
    if pair is not None and not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise InputError("optimiser is not a pair; allowed: (the critic's, the generator's)")
    limits = clip if isinstance(clip, (tuple, list)) else (clip, clip)
    if len(limits) != 2:
        raise InputError(
            f"clip has {len(limits)} entries; allowed: one norm, or (the critic's, the generator's)"
        )
    norms = tuple(None if c is None else number("clip", c, low=0.0, open_low=True) for c in limits)
    # checked above: two
    return TorchGame(losses, players, pair, said.alternating, said.n_critic, norms, seed)  # type: ignore[arg-type]


def _moves(key: str, x: Tensor) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point() and key.rsplit("/", 1)[-1] not in _COUNTERS


def _lacks_forward_mode(error: BaseException) -> bool:
    said = str(error).lower()
    return any(words in said for words in ("forward ad", "forward mode", "jvp"))
