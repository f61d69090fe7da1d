"""What people's PyTorch networks, losses and optimisers do, against finite differences of a plain training step."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from torch_functions import Cube

import diracgan as dg

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
nn, F, KIND = torch.nn, torch.nn.functional, torch.float64
soft, parametrizations = F.softplus, nn.utils.parametrizations


def d_loss(D, G, batch):
    return soft(-D(batch[0])).mean() + soft(D(G(batch[1]).detach())).mean()


def g_loss(D, G, batch):
    return soft(-D(G(batch[1]))).mean()


def critic(*layers):
    return nn.Sequential(nn.Linear(2, 4), *layers, nn.Tanh(), nn.Linear(4, 1))


def generator(*layers):
    return nn.Sequential(nn.Linear(2, 4), *layers, nn.Tanh(), nn.Linear(4, 2))


def pictures(*layers, tail=()):
    """8x8 pictures of one channel to a logit."""
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 3, 3, 2, 1), *layers, nn.Flatten(), *tail)


def painter(*layers):
    return nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4)), *layers, nn.Flatten())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.again, self.out = self.first, nn.Linear(2, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.again(torch.tanh(self.first(x)))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.GRU(1, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.cell(x[:, :, None])[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.mix, self.out = (
            nn.Linear(1, 4),
            nn.MultiheadAttention(4, 2, batch_first=True),
            nn.Linear(4, 1),
        )

    def forward(self, x):
        tokens = self.up(x[:, :, None])
        return self.out(self.mix(tokens, tokens, tokens, need_weights=False)[0].mean(1))


class Deviation(nn.Module):
    """The standard deviation over the minibatch as a further feature."""

    def forward(self, x):
        return torch.cat([x, x.std(0).mean().expand(len(x), 1)], 1)


class Counting(nn.Module):
    """A buffer that every pass moves."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4, dtype=KIND))

    def forward(self, x):
        self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return x - self.mean


class Own(nn.Module):
    def forward(self, x):
        return Cube.apply(x)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = critic()

    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(self.net, x, use_reentrant=False)


class Volumes(nn.Module):
    """Determinants and solutions, whose own backward passes PyTorch takes from values without a tangent."""

    def forward(self, x):
        square = x.unflatten(1, (2, 2))
        positive = square @ square.transpose(1, 2) + torch.eye(2, dtype=x.dtype)
        solved = torch.linalg.solve(positive, square[:, 0])
        each = torch.det(square), torch.logdet(positive), torch.linalg.slogdet(square)[1]
        return torch.stack([*each, solved.sum(1)], 1)


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterDict({"a": torch.randn(2, 3), "b": torch.randn(3, 1)})
        self.still = nn.ParameterList([torch.randn(3)])

    def forward(self, x):
        return torch.sin(x @ self.weights["a"] + self.still[0]) @ self.weights["b"]


class Directions(nn.Module):
    """Weights of length 1, by hand."""

    def __init__(self):
        super().__init__()
        self.v, self.out = nn.Parameter(torch.randn(4, 2)), nn.Linear(4, 1)

    def forward(self, x):
        return self.out(torch.tanh(x @ (self.v / self.v.norm(dim=1, keepdim=True)).T))


def strided():
    net = critic()
    net[0].weight = nn.Parameter(torch.randn(2, 4).t())
    return net


def held(net):
    """Spectral norm with its vectors held."""
    parametrizations.spectral_norm(net[0])
    net[0].eval()
    return net


def last(net):
    return net.to(memory_format=torch.channels_last)


def frozen(net):
    net[0].requires_grad_(False)
    return net


def penalised(D, G, batch):
    """WGAN-GP between, with random numbers in the loss."""
    x, fake = batch[0], G(batch[1]).detach()
    t = torch.rand(len(x), 1, dtype=KIND)
    between = (t * x + (1 - t) * fake).requires_grad_()
    (g,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    return D(fake).mean() - D(x).mean() + 10 * ((g.norm(dim=1) - 1) ** 2).mean()


def spectrum_of(D, G, batch):
    """Complex numbers on the way."""
    return (torch.fft.rfft(G(batch[1]), dim=0).abs() ** 2).mean() + g_loss(D, G, batch)


def matched(D, G, batch):
    """Feature matching beside the usual loss: two losses of one player, summed."""
    features = [D[:2](x).mean(0) for x in (batch[0], G(batch[1]))]
    return g_loss(D, G, batch) + ((features[0] - features[1]) ** 2).sum()


def hinge(D, G, batch):
    return F.relu(1 - D(batch[0])).mean() + F.relu(1 + D(G(batch[1]).detach())).mean()


def relativistic(D, G, batch):
    return soft(-(D(batch[0]) - D(G(batch[1]).detach()))).mean()


def entropies(D, G, batch):
    one, zero = torch.ones(12, 1, dtype=KIND), torch.zeros(12, 1, dtype=KIND)
    loss = nn.BCEWithLogitsLoss()
    return loss(D(batch[0]), one) + loss(D(G(batch[1]).detach()), zero)


def probabilities(D, G, batch):
    loss = nn.BCELoss()
    real, fake = (torch.sigmoid(D(x)) for x in (batch[0], G(batch[1]).detach()))
    return loss(real, torch.full_like(real, 0.9)) + loss(fake, torch.zeros_like(fake))


def distances(D, G, batch):
    """An energy distance: cdist has no forward mode."""
    return torch.cdist(G(batch[1]), batch[0]).mean() + g_loss(D, G, batch)


GAMES = {  # critic, generator, and losses where they are not the usual
    "batch norm": lambda: (critic(), generator(nn.BatchNorm1d(4))),
    "layer norm": lambda: (critic(nn.LayerNorm(4)), generator(nn.LayerNorm(4))),
    "group norm": lambda: (critic(nn.GroupNorm(2, 4)), generator()),
    "instance norm": lambda: (
        pictures(nn.InstanceNorm2d(3), tail=(nn.Linear(48, 1),)),
        painter(nn.Upsample(scale_factor=2)),
    ),
    "dropout": lambda: (critic(nn.Dropout(0.4)), generator()),
    "spectral norm held": lambda: (held(critic()), generator()),
    "weight norm": lambda: (
        nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 4)), nn.Tanh(), nn.Linear(4, 1)),
        nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 4), dim=1), nn.Tanh(), nn.Linear(4, 2)),
    ),
    "weight norm by hand": lambda: (Directions(), generator()),
    "orthogonal": lambda: (
        nn.Sequential(parametrizations.orthogonal(nn.Linear(2, 2)), nn.Tanh(), nn.Linear(2, 1)),
        generator(),
    ),
    "tied": lambda: (Tied(), generator()),
    "strided": lambda: (strided(), generator()),
    "recurrent": lambda: (Recurrent(), generator()),
    "attention": lambda: (Attention(), generator()),
    "minibatch deviation": lambda: (
        nn.Sequential(Deviation(), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)),
        generator(),
    ),
    "buffers that move": lambda: (critic(Counting()), generator()),
    "parameter lists": lambda: (Listed(), generator()),
    "own function": lambda: (critic(Own()), generator()),
    "in place": lambda: (critic(nn.ELU(inplace=True)), generator(nn.LeakyReLU(0.1, inplace=True))),
    "activations": lambda: (critic(nn.GELU(), nn.PReLU(), nn.SiLU()), generator(nn.Softmax(1), nn.Mish())),
    "frozen": lambda: (frozen(critic()), generator()),
    "channels last": lambda: (
        last(pictures(nn.LeakyReLU(0.2), tail=(nn.Linear(48, 1),))),
        last(painter(nn.ConvTranspose2d(1, 1, 4, 2, 1))),
    ),
    "pooled": lambda: (
        pictures(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), tail=(nn.Linear(3, 1),)),
        painter(nn.Conv2d(1, 4, 3, padding="same", padding_mode="circular"), nn.PixelShuffle(2)),
    ),
    "bilinear": lambda: (
        pictures(nn.SiLU(), tail=(nn.Linear(48, 1),)),
        painter(nn.Upsample(scale_factor=2, mode="bilinear")),
    ),
    "determinants": lambda: (critic(Volumes()), generator()),
    "wgan-gp": lambda: (critic(), generator(), penalised, g_loss),
    "complex": lambda: (critic(), generator(), d_loss, spectrum_of),
    "two losses": lambda: (critic(), generator(), d_loss, matched),
    "hinge": lambda: (critic(), generator(), hinge, g_loss),
    "relativistic": lambda: (critic(), generator(), relativistic, g_loss),
    "bce with logits": lambda: (critic(), generator(), entropies, g_loss),
    "bce": lambda: (critic(), generator(), probabilities, g_loss),
}


def made(name):
    torch.manual_seed(0)
    D, G, *losses = GAMES[name]()
    D, G = D.to(KIND), G.to(KIND)
    width = G(torch.zeros(12, 2, dtype=KIND)).shape[1]
    batches = [(torch.randn(12, width, dtype=KIND), torch.randn(12, 2, dtype=KIND)) for _ in range(3)]
    return D, G, batches, losses or [d_loss, g_loss]


def moving(net):
    return [p for p in net.parameters() if p.requires_grad]


def moved(nets, v):
    """Copies of the networks, displaced."""
    nets = copy.deepcopy(nets)
    parts = iter(torch.from_numpy(np.array(v)).split([p.numel() for net in nets for p in moving(net)]))
    with torch.no_grad():
        for p in (p for net in nets for p in moving(net)):
            p += next(parts).reshape(p.shape)
    return nets


def field(nets, losses, batch, v):
    """The field as a training loop has it."""
    down = []
    for i, loss in enumerate(losses):
        own = moved(nets, v)
        torch.manual_seed(0)
        loss(*own, batch).backward()
        down += [torch.zeros_like(p) if p.grad is None else p.grad for p in moving(own[i])]
    return -torch.cat([g.reshape(-1) for g in down]).numpy()


@pytest.mark.slow  # fast, of a plain game: test_torch_game.py::test_the_flow_against_jacfwd
@pytest.mark.parametrize("name", GAMES)
def test_products_against_plain_training_gradients(name):
    D, G, batches, losses = made(name)
    before = copy.deepcopy((D.state_dict(), G.state_dict()))
    measured = dg.measure.game(*losses, D, G, batches)
    random = np.random.default_rng(0)
    for _ in range(3):  # recorded, checked and applied again
        v = random.standard_normal(sum(measured.sizes))
        eps = 1e-5 / np.linalg.norm(v)
        slope = (field((D, G), losses, batches[0], eps * v) - field((D, G), losses, batches[0], -eps * v)) / (
            2 * eps
        )
        np.testing.assert_allclose(measured.matvec(v), slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
    u = random.standard_normal(len(v))
    if name == "buffers that move":  # what it detaches is its own, and only a tangent goes through that
        with pytest.raises(dg.InputError, match="no transpose"):
            measured.rmatvec(u)
    else:
        assert u @ measured.matvec(v) == pytest.approx(measured.rmatvec(u) @ v, rel=1e-8, abs=1e-8)
    for old, net in zip(before, (D, G), strict=True):
        assert all(torch.equal(x, net.state_dict()[n]) for n, x in old.items())


def without_gradients(D, G, batch):
    with torch.no_grad():
        fake = G(batch[1])
    return soft(-D(batch[0])).mean() + soft(D(fake)).mean()


def test_no_grad_has_a_product_and_no_transpose():
    D, G, batches, _ = made("layer norm")
    whole, hidden = (dg.measure.game(loss, g_loss, D, G, batches) for loss in (d_loss, without_gradients))
    v = np.random.default_rng(0).standard_normal(sum(whole.sizes))
    np.testing.assert_allclose(hidden.matvec(v), whole.matvec(v), rtol=1e-12)
    with pytest.raises(dg.InputError, match="critic_loss hides a player .* no transpose here"):
        hidden.rmatvec(v)


def sized(**how):
    return lambda p: torch.optim.Adam(p, lr=1e-3, **how)


OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "maximising": lambda p: torch.optim.SGD(p, lr=0.1, maximize=True),
    "adam": sized(betas=(0.0, 0.9)),
    "adam each for itself": sized(foreach=False),
    "adam together": sized(foreach=True),
    "adam fused": sized(fused=True),
    "amsgrad": sized(amsgrad=True),
    "adam decay": sized(weight_decay=0.1),
    "a tensor's rate": lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-3)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1),
    "nadam": lambda p: torch.optim.NAdam(p, lr=1e-3),
    "radam": lambda p: torch.optim.RAdam(p, lr=1e-3),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "adadelta": lambda p: torch.optim.Adadelta(p, eps=1e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.5),
    "rmsprop centred": lambda p: torch.optim.RMSprop(p, lr=1e-3, centered=True, eps=1e-2),
    "asgd": lambda p: torch.optim.ASGD(p, lr=1e-2),
}


def stepped(nets, pair, batch, scheduled=()):
    for loss, optimiser in zip((d_loss, g_loss), pair, strict=True):
        optimiser.zero_grad()
        loss(*nets, batch).backward()
        optimiser.step()
    for one in scheduled:
        one.step()


COUNTERS = ("step", "mu_product", "eta", "mu")


def kept(nets, pair):
    """The whole state as measured: weights, then what each optimiser remembers as floating-point tensors."""
    held = [p for net in nets for p in moving(net)]
    for net, o in zip(nets, pair, strict=True):
        for p in moving(net):
            own = o.state.get(p, {})
            held += [
                own[k]
                for k in sorted(own)
                if torch.is_tensor(own[k]) and own[k].is_floating_point() and k not in COUNTERS
            ]
    return held


@pytest.mark.slow  # fast, of some: test_torch_game.py::test_a_whole_step_against_the_training_loop_itself
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_of_every_optimiser_against_the_loop_itself(name):
    D, G, batches, _ = made("layer norm")
    nets, pair = (D, G), [OPTIMISERS[name](net.parameters()) for net in (D, G)]
    for batch in batches[1:]:
        stepped(nets, pair, batch)
    measured = dg.measure.game(d_loss, g_loss, D, G, batches, optimiser=pair)
    state = kept(nets, pair)
    assert measured.backend.state_size == sum(x.numel() for x in state)
    v = np.random.default_rng(1).standard_normal(measured.backend.state_size)
    n = sum(measured.sizes)
    v[n:] *= np.concatenate([[0.0], *[x.detach().numpy().ravel() for x in state]])[
        1 + n :
    ]  # squares stay positive

    def after(d):
        own = copy.deepcopy((nets, pair))
        parts = torch.from_numpy(d).split([x.numel() for x in state])
        with torch.no_grad():
            for x, part in zip(kept(*own), parts, strict=True):
                x += part.reshape(x.shape)
        stepped(*own, batches[0])
        return torch.cat([x.detach().reshape(-1) for x in kept(*own)]).numpy()

    slope = (after(1e-6 * v) - after(-1e-6 * v)) / 2e-6
    for _ in range(2):
        np.testing.assert_allclose(measured.matvec(v, "step"), slope, atol=2e-6 * np.abs(slope).max())


def test_a_scheduled_optimiser_is_left_where_it_was():
    D, G, batches, _ = made("layer norm")
    pair = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in (D, G)]
    scheduled = [torch.optim.lr_scheduler.ExponentialLR(o, 0.5) for o in pair]
    stepped((D, G), pair, batches[1], scheduled)
    before = copy.deepcopy((D.state_dict(), G.state_dict(), *(o.state_dict() for o in pair)))
    measured = dg.measure.game(d_loss, g_loss, D, G, batches, optimiser=pair)
    measured.matvec(np.ones(measured.backend.state_size), "step")
    for old, new in zip(before[:2], (D.state_dict(), G.state_dict()), strict=True):
        assert all(torch.equal(x, new[n]) for n, x in old.items())
    for old, o in zip(before[2:], pair, strict=True):
        for i, held in o.state_dict()["state"].items():
            assert all(torch.equal(held[k], x) for k, x in old["state"][i].items())


def lazily():
    return nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(1))


def named(**how):
    """A critic that looks its first layer up."""
    return lambda: nn.Sequential(nn.Embedding(9, 4, **how), nn.Flatten(), nn.Linear(8, 1))


def steps_itself(D, G, batch):
    loss = d_loss(D, G, batch)
    loss.backward()
    return loss


@pytest.mark.parametrize(
    ("words", "D", "loss"),
    [
        ("checkpoint", Checkpointed, d_loss),
        ("differentiated twice", critic, distances),
        ("complex", lambda: nn.Linear(2, 1, dtype=torch.complex128), d_loss),
        ("bfloat16", lambda: critic().to(torch.bfloat16), d_loss),
        ("not initialised", lazily, d_loss),
        ("max_norm", named(max_norm=1.0), d_loss),
        ("sparse gradients", named(sparse=True), d_loss),
        ("on meta", lambda: critic().to("meta"), d_loss),
        ("critic_loss failed", critic, lambda D, G, batch: d_loss(D, G, [x.float() for x in batch])),
        ("calls backward", critic, steps_itself),
        ("gives a float", critic, lambda D, G, batch: d_loss(D, G, batch).item()),
    ],
)
def test_what_is_refused_is_said_in_one_line(words, D, loss):
    _, G, batches, _ = made("layer norm")
    plain = D()
    as_it_is = words in ("complex", "bfloat16", "not initialised", "on meta")
    with pytest.raises(dg.InputError, match=words) as caught:
        dg.measure.game(
            loss,
            distances if loss is distances else g_loss,
            plain if as_it_is else plain.to(KIND),
            G,
            batches,
        )
    assert "\n" not in str(caught.value)
