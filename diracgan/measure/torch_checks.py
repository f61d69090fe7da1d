"""Which PyTorch modules and losses can be measured, and the error for the others."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from ..errors import InputError

_MODES = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


def check_mode(players: dict[str, Any]) -> None:
    """Raises InputError for modules that cannot be differentiated twice, or do not do what they do in training."""
    for who, player in players.items():
        for module in modules_of(player):
            if hasattr(module, "_orig_mod"):
                raise InputError(
                    f"the {who} is compiled, and what is compiled has no second derivative; allowed: the module "
                    "that was given to torch.compile"
                )
            inner = [m for m in module.modules() if isinstance(m, _MODES)]
            if inner and not module.training:
                raise InputError(
                    f"the {who} is in eval mode, where {type(inner[0]).__name__} does not do what it does in "
                    f"training; allowed: .train()"
                )
            for m in module.modules():
                _check_embedding(who, m)
            if module.training and any(_power_iterates(m) for m in module.modules()):
                raise InputError(
                    f"the {who}'s spectral_norm moves its own vectors at every pass, which has no derivative here; "
                    "allowed: .eval() on the layers that have it, so that they are held"
                )


def _check_embedding(who: str, module: nn.Module) -> None:
    if not isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return
    name = type(module).__name__
    if module.max_norm is not None:
        raise InputError(
            f"the {who}'s {name} shortens its own weights at every pass (max_norm), which has no derivative here; "
            "allowed: max_norm=None"
        )
    if module.sparse and module.weight.requires_grad:
        raise InputError(
            f"the {who}'s {name} has sparse gradients, which have no products here; allowed: sparse=False"
        )


def check_loss(who: str, loss: Any, kind: Any) -> None:
    """Raises InputError for what is not a real scalar, or is coarser than the parameters' ``kind``."""
    if not isinstance(loss, Tensor):
        raise InputError(
            f"{who}_loss gives a {type(loss).__name__}; allowed: one scalar, the sum where a player has several"
        )
    if loss.shape != () or not loss.is_floating_point():
        raise InputError(
            f"{who}_loss gives {loss.dtype} of shape {tuple(loss.shape)}; allowed: a real scalar"
        )
    if loss.dtype.itemsize < kind.itemsize:
        raise InputError(
            f"{who}_loss gives {loss.dtype} of parameters in {kind}, too coarse to be differentiated; allowed: losses "
            f"computed in {kind}, without autocast"
        )


def modules_of(player: object, who: str = "player") -> list[nn.Module]:
    """The modules that one player is made of: one, or those of a list or dict."""
    if isinstance(player, nn.Module):
        return [player]
    held = list(player.values()) if isinstance(player, dict) else player
    if not isinstance(held, (list, tuple)) or not held or not all(isinstance(m, nn.Module) for m in held):
        raise InputError(
            f"the {who} is a {type(player).__name__}; allowed: a torch.nn.Module, or a list of them"
        )
    return list(held)


def _power_iterates(module: nn.Module) -> bool:
    if not module.training:
        return False
    hooks = list(module._forward_pre_hooks.values())
    lists = getattr(module, "parametrizations", {})
    parts = [p for held in (lists.values() if hasattr(lists, "values") else []) for p in held]
    return any(type(x).__name__ in ("SpectralNorm", "_SpectralNorm") for x in (*hooks, *parts))
