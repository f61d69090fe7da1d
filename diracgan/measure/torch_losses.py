"""Two players' PyTorch losses as one module on given parameters; ``detach()`` keeps its meaning for the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
import torch.autograd.forward_ad as dual  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]
from torch.overrides import TorchFunctionMode  # pyright: ignore[reportMissingImports]

from ..pytrees import Pytree
from .torch_checks import modules_of


class Losses(nn.Module):
    """Both players in one module, so that one functional call replaces the parameters of both."""

    def __init__(self, players: dict[str, Any], losses: dict[str, Any]) -> None:
        super().__init__()
        self.given, self.losses = players, losses
        for who, player in players.items():
            held = player if isinstance(player, nn.Module) else nn.ModuleList(modules_of(player))
            self.add_module(who, held)

    def forward(self, who: str, batch: Pytree) -> Tensor:
        """The loss of ``who``."""
        return self.losses[who](self.given["critic"], self.given["generator"], batch)


class Detached(TorchFunctionMode):
    """``detach()`` as a map: it cuts the gradient and keeps the tangent, or (``attached``) cuts nothing.

    Weight norm, determinants and solutions of linear systems are computed by operations whose second derivatives
    PyTorch has right: of those functions it takes the backward pass from values that have no tangent (2.13). So are
    SiLU, Mish and the hard sigmoid, whose backward passes have no forward mode.
    """

    def __init__(self, attached: bool) -> None:
        super().__init__()
        self.attached = attached

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = _OWN.get(getattr(func, "__name__", ""))
        if own is not None:
            more = dict(kwargs or {})
            named = [
                more.pop(n) for n in ("input", "A") if n in more
            ]  # as torch and torch.linalg call the first
            return own(*named, *args, **more)
        if func not in (Tensor.detach, torch.detach):
            return func(*args, **(kwargs or {}))
        x = args[0] if args else (kwargs or {})["input"]
        return x.view_as(x) if self.attached else leaf_of(x)


class WrittenAfter(TorchFunctionMode):
    """Operations with ``out=`` as the same without it and a copy: forward mode has none of the former (AMSGrad's)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = dict(kwargs or {})
        if not isinstance(own.get("out"), Tensor):
            return func(*args, **own)
        out = own.pop("out")
        return out.copy_(func(*args, **own))


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """g v/|v|, the norm over all dimensions but ``dim``; over all where that is -1."""
    over = [i for i in range(v.dim()) if dim == -1 or i != dim % v.dim()]
    return v * (g / v.square().sum(over, keepdim=True).sqrt())


def det(a: Tensor) -> Tensor:
    """The determinant, by its LU factors."""
    sign, diagonal = _factors(a)
    return sign * diagonal.prod(-1)


def slogdet(a: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of the determinant and the logarithm of its modulus."""
    sign, diagonal = _factors(a)
    made = sign * diagonal.sign().prod(-1), diagonal.abs().log().sum(-1)
    return torch.return_types.slogdet(made)


def logdet(a: Tensor) -> Tensor:
    """The logarithm of a determinant; NaN where that is negative."""
    sign, size = slogdet(a)
    return torch.where(sign < 0, math.nan, size)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B."""
    inverse = torch.linalg.inv(A)
    single = B.dim() == 1 or B.shape == A.shape[:-1]
    right = B[..., None] if single else B
    made = inverse @ right if left else right @ inverse
    return made[..., 0] if single else made


def silu(input: Tensor, inplace: bool = False) -> Tensor:  # PyTorch's name of it
    """x sigmoid(x)."""
    return _written(input, lambda x: x * x.sigmoid(), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(log(1 + e^x))."""
    return _written(input, lambda x: x * functional.softplus(x).tanh(), inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x/6 + 1/2 between 0 and 1."""
    return _written(input, lambda x: functional.hardtanh(x / 6 + 0.5, 0.0, 1.0), inplace)


def _written(x: Tensor, activation: Callable[[Tensor], Tensor], inplace: bool) -> Tensor:
    return x.copy_(activation(x.clone())) if inplace else activation(x)


def _factors(a: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of a matrix' row exchanges, and the diagonal of its upper factor."""
    exchanged, _, upper = torch.linalg.lu(a)
    with torch.no_grad():
        sign = torch.linalg.det(exchanged.detach()).round()
    return sign, upper.diagonal(dim1=-2, dim2=-1)


_OWN = {
    "_weight_norm": weight_norm,
    **dict.fromkeys(("det", "linalg_det"), det),
    **dict.fromkeys(("slogdet", "linalg_slogdet"), slogdet),
    "logdet": logdet,
    "linalg_solve": solve,
    "silu": silu,
    "mish": mish,
    "hardsigmoid": hardsigmoid,
}


def places_of(both: nn.Module) -> dict[str, str]:
    """Every place that holds a parameter or a buffer, once, and the first name of what it holds.

    A module or a parameter may stand in several places; ``functional_call`` would not put back what it finds twice.
    """
    first: dict[int, str] = {}
    places: dict[str, str] = {}
    for prefix, module in both.named_modules():
        for held in (module._parameters, module._buffers):
            for name, x in held.items():
                if x is not None:
                    place = f"{prefix}.{name}" if prefix else name
                    places[place] = first.setdefault(id(x), place)
    return places


def leaf_of(x: Tensor, asking: bool = False) -> Tensor:
    """A new leaf of the same value and tangent."""
    primal, tangent = dual.unpack_dual(x)
    own = primal.detach().requires_grad_(asking)
    return own if tangent is None else dual.make_dual(own, tangent.detach())


def tangents_of(tensors: list[Tensor]) -> list[Tensor]:
    """The tangents of dual tensors; zeros where one has none."""
    both = [dual.unpack_dual(x) for x in tensors]
    return [torch.zeros_like(b.primal) if b.tangent is None else b.tangent for b in both]


def slope(
    critic: Callable[..., Tensor], samples: Callable[..., Sequence[Tensor]], which: int
) -> Callable[..., Tensor]:
    """(critic, generator, batch) -> mean |grad_x D|^2 at real or at fake samples."""

    def squared(phi: Pytree, theta: Pytree, batch: Pytree) -> Tensor:
        x = samples(theta, batch)[which].detach().requires_grad_()
        (g,) = torch.autograd.grad(critic(phi, x).sum(), x, create_graph=True)
        return g.reshape(len(g), -1).square().sum(1).mean()

    return squared


def mean_logit(
    critic: Callable[..., Tensor], samples: Callable[..., Sequence[Tensor]], which: int
) -> Callable[..., Tensor]:
    """(critic, generator, batch) -> the mean logit of real or of fake samples."""
    return lambda phi, theta, batch: critic(phi, samples(theta, batch)[which]).mean()
