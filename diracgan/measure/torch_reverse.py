"""Reverse differentiation of a PyTorch loss in forward mode's place, and whether it sees what that sees."""

from __future__ import annotations

import math
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
import torch.autograd.forward_ad as dual  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

from ..errors import InputError, one_line
from ..pytrees import Pytree
from .torch_losses import tangents_of

_SAME = {torch.float64: 1e-8, torch.float32: 1e-3}  # by which the two sides of an inner product may differ


def check_reverse(game: Any, who: str, batch: Pytree) -> None:
    """Raises InputError where a loss hides a player from reverse differentiation alone, as ``no_grad`` does.

    <u, M v> with M = d gradient/d players, for a random u and v, is computed from either side; ``game`` is a
    ``TorchGame``.
    """
    random = torch.Generator().manual_seed(0)

    def drawn(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=random, dtype=x.dtype).to(x.device)

    u, v = [drawn(game.start[n]) for n in game.names[who]], {n: drawn(x) for n, x in game.start.items()}
    with dual.dual_level():
        at = {n: dual.make_dual(x, v[n]) for n, x in game.start.items()}
        ahead = tangents_of(game.mean_gradient(who, at, [batch]))
    at = game.fresh(game.start, tuple(game.start))
    inner = _product(game.attached(who, at, batch), u)
    back = game.pulled(inner, list(at.values()))
    scale = math.sqrt(float(_product(ahead, ahead)) * sum(x.numel() for x in u))
    if abs(float(_product(ahead, u)) - float(_product(back, list(v.values())))) > _SAME[game.kind] * scale:
        raise InputError(
            f"{who}_loss hides a player from reverse differentiation (no_grad), which only forward mode goes through; "
            "no transpose here; allowed: detach(), or nothing: each gradient is taken in its own parameters alone"
        )


def twice_back(game: Any, who: str, at: dict[str, Tensor], batches: list[Pytree]) -> list[Tensor]:
    """The mean gradient at dual numbers, its tangent by a second and a third backward pass: without forward mode.

    Raises:
        InputError: for an operation that cannot be differentiated twice, and what ``TorchGame.attached`` refuses.
    """
    names, moving = game.names[who], dict(zip(at, tangents_of(list(at.values())), strict=True))
    values = {n: dual.unpack_dual(x).primal for n, x in at.items()}
    made, ahead = ([torch.zeros_like(values[n]) for n in names] for _ in range(2))
    try:
        for batch in batches:
            leaves = game.fresh(values, tuple(values))
            gradient = game.attached(who, leaves, batch)
            weights = [torch.zeros_like(g, requires_grad=True) for g in gradient]
            first = game.pulled(_product(gradient, weights), list(leaves.values()), graph=True)
            along = game.pulled(_product(first, list(moving.values())), weights)
            made = [a + g.detach() / len(batches) for a, g in zip(made, gradient, strict=True)]
            ahead = [a + x / len(batches) for a, x in zip(ahead, along, strict=True)]
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"a loss cannot be differentiated twice: {one_line(error)}; allowed: operations that can"
        ) from error
    return [dual.make_dual(g, t) for g, t in zip(made, ahead, strict=True)]


def _product(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return sum((x * y).sum() for x, y in zip(a, b, strict=True))
