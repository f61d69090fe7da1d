"""Fewer passes over memory in a recorded computation, and kernels' gradients as matrix products.

Outside its convolutions a product with the Jacobian is bound by memory, and much of it is the product rule, ``a b + c``
and ``a b + c d``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]
from torch.nn.functional import pad  # pyright: ignore[reportMissingImports]
from torch.utils._pytree import tree_flatten  # pyright: ignore[reportMissingImports]

_ATEN = torch.ops.aten
_FEW_POINTS = 16  # of an output, up to which oneDNN's kernel gradient has half the speed of a matrix product
_TWO, _THREE = (tree_flatten(((0,) * n, {}))[1] for n in (2, 3))  # as plain arguments are flattened


def fused(operations: list[Any], ends: list[int | None], slot_of: Callable[[Any], int | None]) -> list[Any]:
    """The same operations, a product that one sum alone asks for taken into that sum.

    Args:
        operations: as recorded; none is changed where one of them writes into what others may read.
        ends: the slots of the results.
        slot_of: an argument -> its slot; None for anything else.
    """
    if any(one.writes for one in operations):
        return operations
    asked = Counter(slot_of(x) for one in operations for x in one.arguments) + Counter(ends)
    products = {one.results[0]: i for i, one in enumerate(operations) if one.call is _ATEN.mul.Tensor}
    kept: list[Any] = list(operations)
    for i, one in enumerate(operations):
        for k in range(2) if one.call is _ATEN.add.Tensor and one.tree == _TWO else ():
            slot, other = slot_of(one.arguments[k]), one.arguments[1 - k]
            at = products.get(slot)
            given = [] if at is None else [other, *operations[at].arguments]
            if at is None or asked[slot] != 1 or not all(_is_array(x, slot_of) for x in given):
                continue
            kept[i], kept[at] = one._replace(call=_ATEN.addcmul.default, arguments=given, tree=_THREE), None
            break
    return [one for one in kept if one is not None]


def _is_array(x: Any, slot_of: Callable[[Any], int | None]) -> bool:
    return slot_of(x) is not None or (isinstance(x, Tensor) and x.dim() > 0)


def kernel_gradients(operations: list[Any]) -> list[Any]:
    """The same operations with :func:`convolution_backward` for PyTorch's own."""
    own = {_ATEN.convolution_backward.default: convolution_backward}
    return [one._replace(call=own.get(one.call, one.call)) for one in operations]


def convolution_backward(
    grad: Tensor, x: Tensor, weight: Tensor, *rest: Any
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """As ``torch.ops.aten.convolution_backward``, faster where a kernel's gradient alone is asked for at few points.

    It is one product then, of the output's gradient with the input's patches, which are rows where channels lie last.
    """
    _, stride, padding, dilation, transposed, _, groups, mask = rest
    few, many = (x, grad) if transposed else (grad, x)
    plain = groups == 1 and weight.dim() == 4 and all(d == 1 for d in dilation)
    if not plain or list(mask) != [False, True, False] or few.shape[2] * few.shape[3] > _FEW_POINTS:
        return _ATEN.convolution_backward(grad, x, weight, *rest)
    (count, out, h, w), (_, channels, *kernel) = few.shape, weight.shape
    rows = pad(many.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0]))
    image, row, point, channel = rows.stride()
    patches = rows.as_strided(
        (count, h, w, *kernel, channels), (image, stride[0] * row, stride[1] * point, row, point, channel)
    )
    made = few.permute(0, 2, 3, 1).reshape(-1, out).t() @ patches.reshape(count * h * w, -1)
    return None, made.view(out, *kernel, channels).permute(0, 3, 1, 2), None
