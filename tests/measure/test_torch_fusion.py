"""Products within sums, and kernels' gradients as products: the same numbers by fewer operations."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
from diracgan.measure import torch_fusion  # noqa: E402
from diracgan.measure.torch_linear import LinearPart  # noqa: E402

ATEN, KIND = torch.ops.aten, torch.float64


def given(*shapes):
    made = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=made, dtype=KIND) for s in shapes]


def calls(part):
    return [one.call for one in part._operations]


def test_a_product_is_taken_into_the_one_sum_that_asks_for_it():
    a, b, v = given((3, 4), (4,), (3, 4))

    def linear(t):
        twice = t[0] * a  # asked for by three, and a result
        return [twice + t[0], t[0] * b + twice, t[0].cumsum(0) + t[0] * a * b, twice]

    part = LinearPart(linear, [v])
    part([v])
    assert calls(part).count(ATEN.addcmul.default) == 2
    assert calls(part).count(ATEN.mul.Tensor) == 1
    for one, other in zip(part([2 * v]), linear([2 * v]), strict=True):
        torch.testing.assert_close(one, other, atol=1e-13, rtol=1e-13)


def test_nothing_is_fused_where_a_tangent_is_written_through_a_view():
    a, v = given((3, 4), (3, 4))

    def linear(t):
        made = t[0] * a
        twice = t[0] * 2
        twice[0] = t[0][1]
        return [made + t[0], twice]

    part = LinearPart(linear, [v])
    for one, other in zip(part([3 * v]), linear([3 * v]), strict=True):
        torch.testing.assert_close(one, other, atol=1e-13, rtol=1e-13)
    assert ATEN.addcmul.default not in calls(part)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [((8, 8), (4, 4), (2, 2), (1, 1)), ((5, 7), (3, 2), (1, 3), (0, 1)), ((4, 4), (4, 4), (1, 1), (0, 0))],
)
def test_a_kernels_gradient_is_pytorchs(transposed, size, kernel, stride, padding):
    many, weight = given((3, 2, *size), (4, 2, *kernel))
    (few,) = given(ATEN.convolution(many, weight, None, stride, padding, (1, 1), False, (0, 0), 1).shape)
    assert few.shape[2] * few.shape[3] <= torch_fusion._FEW_POINTS
    pair = (many, few) if transposed else (few, many)
    lacking = [0, 0]  # of a transposed convolution's output
    if transposed:
        lacking = [
            n - (m - 1) * s + 2 * p - k
            for n, m, s, p, k in zip(size, few.shape[2:], stride, padding, kernel, strict=True)
        ]
    rest = ([0], stride, padding, (1, 1), transposed, lacking, 1, [False, True, False])
    for order in (torch.contiguous_format, torch.channels_last):
        first, second = (x.contiguous(memory_format=order) for x in pair)
        want = ATEN.convolution_backward(first, second, weight, *rest)[1]
        _, made, _ = torch_fusion.convolution_backward(first, second, weight, *rest)
        torch.testing.assert_close(made, want, atol=1e-12, rtol=1e-12)


def test_other_gradients_of_a_convolution_are_left_to_pytorch():
    x, weight, grad = given((2, 3, 8, 8), (4, 3, 4, 4), (2, 4, 4, 4))
    rest = ([0], [2, 2], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False])
    for one, other in zip(
        torch_fusion.convolution_backward(grad, x, weight, *rest)[:2],
        ATEN.convolution_backward(grad, x, weight, *rest)[:2],
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=0, rtol=0)
