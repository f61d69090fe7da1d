"""The order in memory of the constants of a recorded computation: a CPU convolves images fastest channel by channel.

A product with the Jacobian of a convolutional game is mostly convolutions, which oneDNN does faster where the channels
of a pixel lie beside each other (channels last). Every operation carries its arguments' order on to its
result, so that only constants are turned. What reads the order itself stays as it was recorded.
"""

from __future__ import annotations

from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

_ATEN = torch.ops.aten
_CONVOLUTIONS = (_ATEN.convolution.default, _ATEN.convolution_backward.default)
# A view asks for an order that holds it; reshape copies where there is none.
_RESHAPED = {_ATEN.view.default: _ATEN.reshape.default, _ATEN._unsafe_view.default: _ATEN.reshape.default}
_READS_ORDER = ("as_strided", "_reshape_alias", "view.dtype", "view_as_complex", "view_as_real")


def turn(operations: list[Any], order: torch.memory_format) -> list[Any]:
    """The same operations, their constants turned in place, one after the other, so that none is held twice.

    Args:
        operations: as recorded; empty, or those that :func:`may_turn` allows.
        order: ``torch.channels_last``, or ``torch.contiguous_format`` for the way back.
    """
    places: dict[int, list[tuple[list[Any], int]]] = {}
    for one in operations:
        for i, x in enumerate(one.arguments):
            if isinstance(x, Tensor) and _is_image(x):
                places.setdefault(id(x), []).append((one.arguments, i))
    for found in places.values():
        arguments, i = found[0]
        turned = arguments[i].contiguous(memory_format=order)
        for arguments, i in found:
            arguments[i] = turned
    return [one._replace(call=_RESHAPED.get(one.call, one.call)) for one in operations]


def may_turn(operations: list[Any]) -> bool:
    """Whether there are convolutions that gain by it, and nothing that reads the order or writes through a view."""
    constants = [x for one in operations for x in one.arguments if isinstance(x, Tensor)]
    return (
        any(one.call in _CONVOLUTIONS for one in operations)
        and any(_is_image(x) for x in constants)
        and all(x.device.type == "cpu" and x.dtype != torch.float64 for x in constants)
        and not any(one.writes or any(n in str(one.call) for n in _READS_ORDER) for one in operations)
    )


def _is_image(x: Tensor) -> bool:
    """(batch, channels, height, width), whole in memory; a weight's shape likewise."""
    whole = x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
    return x.dim() == 4 and whole and x.shape[1] > 1 and x.shape[2] * x.shape[3] > 1
