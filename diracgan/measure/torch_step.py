"""The transposed Jacobian of one whole iteration of two ``torch.optim`` over PyTorch modules.

A gradient's transpose is a backward pass through its own graph, which is kept. An optimiser's ``step()`` acts on every
entry by itself: its Jacobian is a few diagonals, read off by forward mode, and no optimiser's formula is written here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch.autograd.forward_ad as dual  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

from ..errors import InputError
from .leading import PLAYERS
from .torch_game import Tensors, TorchGame
from .torch_losses import tangents_of

_SAME = 1e3  # rounding units by which a step may differ from its diagonals
_WEIGHT, _GRADIENT = "weight", "gradient"


class _Update(NamedTuple):
    """One player's move within an iteration.

    Attributes:
        who: critic or generator.
        pull: the gradient's transpose: entries of u by name -> (d gradient/d players)^T u.
        slopes: (entry that comes out, entry that goes in) -> d out/d in, each a diagonal.
    """

    who: str
    pull: Callable[[Tensors], Tensors]
    slopes: dict[tuple[str, str], Tensor]


class TransposedStep:
    """u -> S^T u, with S the derivative of one iteration on (weights, what both optimisers remember)."""

    def __init__(self, game: TorchGame, batches: list[Any]) -> None:
        """Linearise ``game``'s iteration on the mean over ``batches``.

        Raises:
            InputError: for an optimiser whose step mixes entries, or a loss that detaches something of its own.
        """
        self.game, self.updates = game, []
        at, states = dict(game.start), {w: dict(game.state[w]) for w in PLAYERS}
        for w in game.order:
            seen = at if game.alternating else game.start
            gradient, pull = _pulled(game, w, seen, batches)
            slopes = _slopes(game, w, at, gradient, states[w])
            self.updates.append(_Update(w, pull, slopes))
            moved, after = game.stepped(w, at, game.clipped(w, gradient), states[w])
            at, states[w] = at | moved, after

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """S^T u, (state_size,)."""
        game = self.game
        flat = game.split(u, "step")
        back = {n: flat[n] for n in game.start}
        states = {w: {k: flat[f"{w} {k}"] for k in game.state[w]} for w in PLAYERS}
        first = {n: torch.zeros_like(x) for n, x in back.items()}  # of the players before the iteration
        for who, pull, slopes in reversed(self.updates):
            out = {n: back[n] for n in game.names[who]} | states[who]
            into: dict[str, Tensor] = {}
            for (a, b), slope in slopes.items():
                into[b] = into.get(b, 0.0) + slope * out[a]
            back |= {n: into[n] for n in game.names[who]}
            states[who] = {k: into[k] for k in states[who]}
            seen = back if game.alternating else first
            pulled = pull({n: into[f"{n}/{_GRADIENT}"] for n in game.names[who]})
            seen |= {n: seen[n] + x for n, x in pulled.items()}
        whole = [back[n] + first[n] for n in back]
        return game.flattened([*whole, *(x for w in PLAYERS for x in states[w].values())])


def _pulled(
    game: TorchGame, who: str, at: Tensors, batches: list[Any]
) -> tuple[list[Tensor], Callable[[Tensors], Tensors]]:
    """The mean gradient of one player at the players ``at``, and the transpose of its derivative, clipping included."""
    kept = []
    for batch in batches:
        leaves = game.fresh(at, tuple(at))
        kept.append((leaves, game.attached(who, leaves, batch)))
    each = [[g.detach() for g in gradient] for _, gradient in kept]
    mean = [torch.stack(gs).mean(0) for gs in zip(*each, strict=True)]

    def pull(u: Tensors) -> Tensors:
        given = [u[n] for n in game.names[who]]
        if game.clip[PLAYERS.index(who)] is not None:  # a clipped vector's derivative is symmetric
            with dual.dual_level():
                both = [dual.make_dual(g, x) for g, x in zip(mean, given, strict=True)]
                given = tangents_of(game.clipped(who, both))
        total = {n: torch.zeros_like(x) for n, x in game.start.items()}
        for leaves, gradient in kept:
            asked = [(g, x) for g, x in zip(gradient, given, strict=True) if g.requires_grad]
            if not asked:
                continue
            found = torch.autograd.grad(
                *([g for g, _ in asked], list(leaves.values()), [x for _, x in asked]),
                retain_graph=True,
                allow_unused=True,
            )
            for n, x in zip(leaves, found, strict=True):
                if x is not None:
                    total[n] = total[n] + x.detach() / len(kept)
        return total

    return mean, pull


def _slopes(
    game: TorchGame, who: str, at: Tensors, gradient: list[Tensor], state: Tensors
) -> dict[tuple[str, str], Tensor]:
    """The diagonals of one ``step()``: of every weight and memory that comes out by every entry that goes in."""
    names, memory = game.names[who], game.state[who]
    kinds = [_WEIGHT, _GRADIENT, *dict.fromkeys(k.rsplit("/", 1)[1] for k in memory)]
    clipped = game.clipped(who, gradient)
    whole = {n: at[n] for n in names} | {k: state[k] for k in memory}
    whole |= {f"{n}/{_GRADIENT}": g for n, g in zip(names, clipped, strict=True)}

    def image(moving: Tensors) -> Tensors:
        with dual.dual_level():
            entries = {k: dual.make_dual(x.clone(), moving[k]) for k, x in whole.items()}
            moved, after = game.stepped(
                *(who, {n: entries[n] for n in names}, [entries[f"{n}/{_GRADIENT}"] for n in names]),
                state | {k: entries[k] for k in memory},
            )
            out = {n: moved[n] for n in names} | {k: after[k] for k in memory}
            return dict(zip(out, tangents_of(list(out.values())), strict=True))

    random = torch.Generator(device=game.device).manual_seed(0)
    tried = {
        k: torch.randn(x.shape, generator=random).to(x) * (x.abs() + x.abs().mean()) for k, x in whole.items()
    }
    there, found, total = image(tried), {}, {}
    for kind in kinds:
        mine = {k for k in whole if _kind(k, names) == kind}
        ones = {k: torch.ones_like(x) if k in mine else torch.zeros_like(x) for k, x in whole.items()}
        for out, slope in image(ones).items():
            name = out if out in names else out.rsplit("/", 1)[0]
            into = name if kind == _WEIGHT else f"{name}/{kind}"
            if into in whole:
                found[out, into] = slope
                total[out] = total.get(out, 0.0) + slope * tried[into]
    for out, x in there.items():
        if float((total[out] - x).abs().max()) > _SAME * torch.finfo(game.kind).eps * float(x.abs().max()):
            raise InputError(
                f"a step of the {who}'s {type((game.optimisers or {})[who]).__name__} mixes entries, so that it "
                "has no transpose here; allowed: optimisers that move each by itself (SGD, Adam, RMSprop, ...)"
            )
    return found


def _kind(entry: str, names: list[str]) -> str:
    return _WEIGHT if entry in names else entry.rsplit("/", 1)[1]
