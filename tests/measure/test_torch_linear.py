"""The recorded linear part of a computation against the computation itself."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
from diracgan.measure import torch_linear  # noqa: E402

dual, F, KIND = torch.autograd.forward_ad, torch.nn.functional, torch.float64


def pushed(function, *at):
    """tangents -> the tangents of function(at), as forward mode has them."""

    def images(tangents):
        with dual.dual_level():
            made = function(*(dual.make_dual(x, t) for x, t in zip(at, tangents, strict=True)))
            return [
                t if (t := dual.unpack_dual(y).tangent) is not None else torch.zeros_like(y) for y in made
            ]

    return images


def given(seed, *shapes):
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=made, dtype=KIND) for s in shapes]


def test_what_was_recorded_is_the_derivative_and_evaluates_no_value_again():
    a, b = given(0, (3, 4), (4,))
    calls = []

    def function(a, b):
        calls.append(1)
        hidden = torch.tanh(a * b).cumsum(0)
        hidden[0] = hidden[1] ** 2  # a write in place
        return [F.softplus(hidden.mean()), torch.cat([hidden.reshape(-1), b]), torch.ones(2, dtype=KIND)]

    part = torch_linear.LinearPart(pushed(function, a, b), given(1, (3, 4), (4,)))
    for seed in (2, 3):
        tangents = given(seed, (3, 4), (4,))
        want = torch.func.jvp(lambda a, b: tuple(function(a, b)), (a, b), tuple(tangents))[1]
        before = len(calls)
        for one, other in zip(part(tangents), want, strict=True):
            torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
        assert len(calls) == before


def test_equal_work_is_done_once():
    (a,) = given(0, (5, 5))
    once = torch_linear.LinearPart(pushed(lambda a: [torch.sin(a @ a)], a), given(1, (5, 5)))
    twice = torch_linear.LinearPart(
        pushed(lambda a: [torch.sin(a @ a), torch.sin(a @ a)], a), given(1, (5, 5))
    )
    assert len(twice._operations) == len(once._operations)


def test_a_write_makes_equal_work_another_and_a_part_along_nothing_is_checked():
    """norm's tangent is divided in place: the second loss must not divide the first one's again."""

    def function(a, b):
        return [torch.sin(a / a.norm(dim=1, keepdim=True)) for _ in range(2)] + [b**2]

    at, zero = given(0, (3, 4), (2,)), [torch.zeros(3, 4, dtype=KIND), *given(1, (2,))]
    part = torch_linear.LinearPart(pushed(function, *at), zero)
    tangents = given(2, (3, 4), (2,))
    want = torch.func.jvp(lambda a, b: tuple(function(a, b)), tuple(at), tuple(tangents))[1]
    for _ in range(2):
        for one, other in zip(part(tangents), want, strict=True):
            torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    alone = torch_linear.LinearPart(pushed(lambda a, b: function(a, b)[1:], *at), zero)
    assert len(part._operations) == len(alone._operations)  # what is written is computed once too


def twice_read(t):
    one, other = t[0] * 2, t[0] * 2
    other.view(-1).add_(t[0])
    return [one, other]


@pytest.mark.parametrize(
    "images",
    [
        twice_read,
        lambda t: [t[0] * float(t[0].sum() > 0)],  # steered by a tangent
        lambda t: [t[0] + torch.from_numpy(np.array(t[0].tolist()))],  # a part that does not follow it
        lambda t: [t[0] * torch.rand_like(t[0])],
        lambda t: [torch.zeros(2, dtype=KIND).copy_(t[0])],
        lambda t: [t[0] + 1.0],
    ],
    ids=["one of two equal", "steered", "outside", "random", "into a constant", "not linear"],
)
def test_what_cannot_be_applied_again_is_said(images):
    with pytest.raises(torch_linear.NotLinear):
        torch_linear.LinearPart(images, given(0, (2,)))(given(1, (2,)))


def test_products_with_other_batches_and_without_a_record_are_the_same():
    torch.manual_seed(0)
    nets = [
        torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, m)).to(KIND)
        for m in (1, 2)
    ]
    batches = given(5, (6, 2), (6, 2))

    def d_loss(D, G, x):  # a value that steers: what is recorded is not used
        fake = D(G(x))
        return F.softplus(-D(x)).mean() + (F.softplus(fake).mean() if fake.sum().item() > 0 else fake.mean())

    def g_loss(D, G, x):
        return F.softplus(-D(G(x))).mean()

    measured = dg.measure.game(d_loss, g_loss, *nets, batches)
    v = np.random.default_rng(0).standard_normal(sum(measured.sizes))
    for batch in (batches[0], batches[1], batches[0]):
        there, back = (measured.backend.field([batch], s * 1e-6 * v) for s in (1, -1))
        for _ in range(3):
            np.testing.assert_allclose(measured.backend.product([batch], v), (there - back) / 2e-6, atol=1e-7)


def test_a_product_after_the_weights_have_moved_is_that_of_the_new_ones():
    torch.manual_seed(0)
    nn = torch.nn
    critic, generator = (
        nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).to(KIND),
        nn.Linear(2, 2).to(KIND),
    )
    batches = [torch.randn(8, 2, dtype=KIND) for _ in range(2)]

    def measured():
        return dg.measure.game(
            lambda d, g, b: F.softplus(-d(b)).mean() + F.softplus(d(g(b))).mean(),
            lambda d, g, b: F.softplus(-d(g(b))).mean(),
            critic,
            generator,
            batches,
        )

    before = measured()
    way = np.ones(sum(before.backend.sizes))
    before.backend.product(batches, way)
    with torch.no_grad():
        for p in critic.parameters():
            p.mul_(2.0)
    found, wanted = (game.backend.product(batches, way) for game in (before, measured()))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
