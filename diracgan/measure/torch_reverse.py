"""Whether reverse differentiation of a PyTorch loss sees what forward mode sees."""

from __future__ import annotations

import math
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
import torch.autograd.forward_ad as dual  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

from ..errors import InputError
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


def _product(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return sum((x * y).sum() for x, y in zip(a, b, strict=True))
