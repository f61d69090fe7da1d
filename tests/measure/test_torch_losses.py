"""What stands in for PyTorch's own functions in a measured loss has their values, and right second derivatives."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
import torch.autograd.forward_ad as dual  # noqa: E402  # only where there is PyTorch

from diracgan.measure import torch_losses  # noqa: E402

A = torch.randn(5, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
B = A[:, 0]
PAIRS = {
    "det": (torch_losses.det, torch.linalg.det),
    "slogdet": (lambda a: torch_losses.slogdet(a)[1], lambda a: torch.linalg.slogdet(a)[1]),
    "sign": (lambda a: torch_losses.slogdet(a).sign, lambda a: torch.linalg.slogdet(a).sign),
    "solve": (lambda a: torch_losses.solve(a, B), lambda a: torch.linalg.solve(a, B)),
    "solve from the right": (
        lambda a: torch_losses.solve(a, A, left=False),
        lambda a: torch.linalg.solve(a, A, left=False),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_and_second_derivatives(name):
    own, theirs = PAIRS[name]
    torch.testing.assert_close(own(A), theirs(A))
    if name == "sign":
        return
    v = torch.ones_like(A)
    with dual.dual_level():  # forward over reverse, as products are made
        x = dual.make_dual(A.clone().requires_grad_(), v)
        ahead = dual.unpack_dual(torch.autograd.grad(own(x).sin().sum(), x)[0]).tangent
    x = A.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(theirs(x).sin().sum(), x, create_graph=True)
    (twice,) = torch.autograd.grad((gradient * v).sum(), x)
    torch.testing.assert_close(ahead, twice)


def test_a_negative_determinant_has_no_logarithm():
    assert torch.equal(torch_losses.logdet(A).isnan(), torch.logdet(A).isnan())
    assert torch_losses.det(A[0]).shape == ()


def test_arguments_may_be_named_as_in_pytorch():
    calls = (
        lambda: torch.det(input=A),
        lambda: torch.linalg.det(A=A),
        lambda: torch.linalg.slogdet(A=A).logabsdet,
        lambda: torch.linalg.solve(A=A, B=B),
        lambda: torch.linalg.solve(A, B=B),
    )
    for call in calls:
        with torch_losses.Detached(False):
            own = call()
        torch.testing.assert_close(own, call())
