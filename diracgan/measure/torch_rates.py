"""What a PyTorch optimiser's steps come to under a steady gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor  # pyright: ignore[reportMissingImports]
    from torch.optim import Optimizer  # pyright: ignore[reportMissingImports]


def steady_rate(optimiser: Optimizer, group: dict[str, Any], state: dict[str, Any]) -> Tensor | float | None:
    """What one parameter moves per unit of a steady gradient; None for an optimiser that is not known here."""
    name, lr = type(optimiser).__name__, group["lr"]
    if name == "SGD" and not group["nesterov"]:
        return lr * (1.0 - group["dampening"]) / (1.0 - group["momentum"]) if group["momentum"] else lr
    if name in ("Adam", "AdamW") and state and not group["amsgrad"]:
        square = state["exp_avg_sq"] / (1.0 - group["betas"][1] ** float(state["step"]))
        return lr / (square.sqrt() + group["eps"])
    if name == "RMSprop" and state and not group["momentum"] and not group["centered"]:
        return lr / (state["square_avg"].sqrt() + group["eps"])
    return None


def averaging(optimiser: Optimizer) -> float:
    """Decay of the running average of gradients that an optimiser steps along, the largest of its groups; 0 without."""
    return max(
        float(g["betas"][0] if "betas" in g else g.get("momentum", 0.0)) for g in optimiser.param_groups
    )
