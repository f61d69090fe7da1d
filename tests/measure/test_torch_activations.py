"""Every activation of torch.nn in both players, against the dense Jacobian by two backward passes of PyTorch itself."""

from __future__ import annotations

import numpy as np
import pytest
from torch_functions import Cube

import diracgan as dg

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
nn, soft, KIND = torch.nn, torch.nn.functional.softplus, torch.float64
RATE = 0.1


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


NAMES = (
    *("ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "Hardtanh", "ReLU", "ReLU6"),
    *("LeakyReLU", "PReLU", "GLU", "Sigmoid", "LogSigmoid", "Softplus", "Softsign", "Tanh", "Tanhshrink"),
    *("Softshrink", "Hardshrink"),
)
ACTIVATIONS = {name: getattr(nn, name) for name in NAMES} | {
    "Threshold": lambda: nn.Threshold(0.1, 0.0),
    "Softmax": lambda: nn.Softmax(1),
    "Softmin": lambda: nn.Softmin(1),
    "LogSoftmax": lambda: nn.LogSoftmax(1),
    "GELU by tanh": lambda: nn.GELU("tanh"),
    "SiLU in place": lambda: nn.SiLU(inplace=True),
    "Mish in place": lambda: nn.Mish(inplace=True),
    "Hardsigmoid in place": lambda: nn.Hardsigmoid(inplace=True),
    "own function": lambda: Called(Cube.apply),
}
HARD = {
    name: lambda: Called(lambda x: nn.functional.relu6(x + 3) / 6)
    for name in ACTIVATIONS
    if "Hardsig" in name
}
TWICE = ACTIVATIONS | HARD  # of its own hard sigmoid PyTorch has no second derivative
FAST = (("SiLU", "plain"),)


def penalised(D, G, batch):
    x = batch[0].detach().requires_grad_()
    real = D(x)
    (g,) = torch.autograd.grad(real.sum(), x, create_graph=True)
    return plain(D, G, batch) + g.square().sum(1).mean()


def plain(D, G, batch):
    return soft(-D(batch[0])).mean() + soft(D(G(batch[1]))).mean()


def g_loss(D, G, batch):
    return soft(-D(G(batch[1]))).mean()


def networks(name, steep=1.0, among=ACTIVATIONS):
    torch.manual_seed(0)
    activation = among[name]
    width = 2 if name == "GLU" else 4
    D = nn.Sequential(nn.Linear(2, 4), activation(), nn.Linear(width, 1)).to(KIND)
    G = nn.Sequential(nn.Linear(2, 4), activation(), nn.Linear(width, 2)).to(KIND)
    with torch.no_grad():  # shrinking activations pass what is large
        for net in (D, G):
            net[0].weight *= steep
    return D, G, (torch.randn(9, 2, dtype=KIND), torch.randn(9, 2, dtype=KIND))


def dense(D, G, loss, batch):
    """The field's Jacobian, row by row."""
    both = [*D.parameters(), *G.parameters()]
    rows = []
    for net, own in ((D, loss), (G, g_loss)):
        for g in torch.autograd.grad(own(D, G, batch), list(net.parameters()), create_graph=True):
            for entry in g.reshape(-1):
                found = torch.autograd.grad(entry, both, retain_graph=True, allow_unused=True)
                whole = [torch.zeros_like(p) if x is None else x for p, x in zip(both, found, strict=True)]
                rows.append(-torch.cat([x.reshape(-1) for x in whole]))
    return torch.stack(rows).numpy()


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        pytest.param(name, loss, marks=[] if (name, loss.__name__) in FAST else pytest.mark.slow)
        for name in ACTIVATIONS
        for loss in (plain, penalised)
    ],
)
def test_flow_and_step_against_the_dense_jacobian(name, loss):
    steep = 4.0 if "shrink" in name or name == "Threshold" else 1.0
    D, G, batch = networks(name, steep)
    truth = dense(*networks(name, steep, TWICE)[:2], loss, batch)
    assert np.abs(truth).max() > 1e-3
    pair = tuple(torch.optim.SGD(net.parameters(), lr=RATE) for net in (D, G))
    measured = dg.measure.game(loss, g_loss, D, G, [batch], optimiser=pair, alternating=False)
    close = {"rtol": 1e-9, "atol": 1e-11}
    for v in np.random.default_rng(0).standard_normal((3, len(truth))):
        np.testing.assert_allclose(measured.rmatvec(v), v @ truth, **close)
        np.testing.assert_allclose(measured.matvec(v), truth @ v, **close)
        np.testing.assert_allclose(measured.matvec(v, "step"), v + RATE * truth @ v, **close)


def test_what_has_no_derivative_is_named_in_one_line():
    D, G, batch = networks("Tanh")
    D[1] = Called(lambda x: torch.special.gammainc(x.exp(), x.exp()))
    with pytest.raises(dg.InputError, match="critic_loss cannot be differentiated: .*igamma") as caught:
        dg.measure.game(plain, g_loss, D, G, [batch])
    assert "\n" not in str(caught.value)
