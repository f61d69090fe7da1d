"""Constants turned channels last: the same products, and what knows one order alone as it was recorded."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import diracgan as dg

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
from diracgan.measure import torch_layout  # noqa: E402
from diracgan.measure.torch_linear import LinearPart  # noqa: E402

nn, F, LAST = torch.nn, torch.nn.functional, torch.channels_last


class Critic(nn.Module):
    """Two convolutions, and a view that only one order in memory has."""

    def __init__(self, read):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 3, 4, 2, 1), nn.Conv2d(3, 4, 4, 2, 1)
        self.last, self.read = nn.Linear(16, 1), read

    def forward(self, x):
        hidden = F.batch_norm(self.first(x), None, None, training=True)
        return self.last(self.read(self.second(F.leaky_relu(hidden, 0.2))))


def viewed(x):
    return x.view(len(x), -1)


def strided(x):
    return x.as_strided((len(x), 16), (16, 1))  # what lies in memory, in whatever order


def measured(kind, read):
    torch.manual_seed(0)
    phi, theta = Critic(read).to(kind), nn.ConvTranspose2d(5, 2, 8).to(kind)
    batch = torch.randn(6, 2, 8, 8).to(kind), torch.randn(6, 5, 1, 1).to(kind)
    return dg.measure.game(
        lambda phi, theta, x: F.softplus(-phi(x[0])).mean() + F.softplus(phi(theta(x[1]).detach())).mean(),
        lambda phi, theta, x: F.softplus(-phi(theta(x[1]))).mean(),
        phi,
        theta,
        [batch],
    )


def turned(game):
    """Whether a product's constants lie channels last."""
    constants = [
        x for one in game.backend._recorded[1]._operations for x in one.arguments if torch.is_tensor(x)
    ]
    return any(
        x.dim() == 4 and x.is_contiguous(memory_format=LAST) and not x.is_contiguous() for x in constants
    )


@functools.cache
def wanted():
    """A direction, and its product in float64."""
    exact = measured(torch.float64, viewed)
    v = np.random.default_rng(0).standard_normal(sum(exact.sizes))
    assert not turned(exact)
    return v, exact.matvec(v)


def is_as_wanted(game):
    v, want = wanted()
    for _ in range(2):
        np.testing.assert_allclose(game.matvec(v), want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("read", [viewed, strided])
def test_a_convolutional_game_has_the_same_products_in_either_order(read):
    game = measured(torch.float32, read)
    assert turned(game) == (read is viewed)
    is_as_wanted(game)


@pytest.mark.parametrize(("unknown", "read"), [(("_RESHAPED", {}), viewed), (("_READS_ORDER", ()), strided)])
def test_the_recorded_order_is_restored_where_the_other_is_refused_or_misread(monkeypatch, unknown, read):
    """A view refuses it; what reads the memory itself gives other images."""
    monkeypatch.setattr(torch_layout, *unknown)
    game = measured(torch.float32, read)
    assert not turned(game)
    is_as_wanted(game)


def test_a_first_product_that_is_0_tells_nothing_of_the_order(monkeypatch):
    """Nor does one along a part of the weights: the order is tried on a random direction."""
    monkeypatch.setattr(torch_layout, "_READS_ORDER", ())
    torch.manual_seed(0)
    weight, factor, v = torch.randn(3, 2, 3, 3), torch.randn(4, 3, 6, 6), torch.randn(4, 2, 8, 8)

    def image(tangents):
        product = F.conv2d(tangents[0], weight) * factor
        return [product.as_strided((4, 108), (108, 1)), tangents[0][:0]]

    made = LinearPart(image, [v])
    assert not any(x.any() for x in made([torch.zeros_like(v)]))
    torch.testing.assert_close(made([v])[0], image([v])[0])
