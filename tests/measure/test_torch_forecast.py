"""The forecast of a user's own training in PyTorch: its step's transpose, and a game whose spreads are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

import diracgan as dg
from diracgan.errors import InputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
nn, optim, KIND = torch.nn, torch.optim, torch.float64

OPTIMISERS = {
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: optim.Adam(p, lr=1e-2, betas=(0.5, 0.9), maximize=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=1e-3, momentum=0.5, centered=True),
}


def d_loss(critic, generator, batch):
    real, fake = critic(batch[0]), critic(generator(batch[1]).detach())
    return nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean()


def g_loss(critic, generator, batch):
    return nn.functional.softplus(-critic(generator(batch[1]))).mean()


def trained(make, count=8, **how):
    """A small game after a step on each of its batches."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).to(KIND)
    generator = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).to(KIND)
    batches = [tuple(torch.randn(2, 8, 2, dtype=KIND)) for _ in range(count)]
    opts = [make(m.parameters()) for m in (critic, generator)]
    for batch in batches:
        for loss, opt in zip((d_loss, g_loss), opts, strict=True):
            opt.zero_grad()
            loss(critic, generator, batch).backward()
            opt.step()
    return dg.measure.game(d_loss, g_loss, critic, generator, batches, optimiser=opts, **how)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("nesterov", {"n_critic": 2, "clip": (0.05, None)}),
        ("adam", {"together": 2, "n_critic": 2}),
        ("rmsprop", {"alternating": False}),
    ],
)
def test_the_transposed_step_is_the_steps_transpose(name, how):
    from diracgan.measure.torch_step import TransposedStep

    measured = trained(OPTIMISERS[name], **how)
    back, random = TransposedStep(measured.backend, measured.held), np.random.default_rng(0)
    unit = np.ones(measured.backend.state_size)
    kept = measured.backend.remembered(measured.held)
    unit[sum(measured.sizes) :] = np.abs(np.concatenate([x.ravel() for x in kept])) + 1e-9
    u, v = random.standard_normal((2, len(unit)))
    assert back(u / unit) @ (v * unit) == pytest.approx(
        u / unit @ measured.matvec(v * unit, "step"), rel=1e-9
    )


class Slope(nn.Module):
    """One number."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value], dtype=KIND))


H, MU, BATCH = 0.1, 0.4, 8


def linear(count=32, **how):
    """D(x) = phi x, G = theta: phi' = mean(x) - theta - mu phi, theta' = phi, at the equilibrium of all batches."""
    batches = list(1.0 + torch.randn(count, BATCH, dtype=KIND, generator=torch.Generator().manual_seed(1)))
    means = np.array([float(x.mean()) for x in batches])

    def critic_loss(phi, theta, x):
        return (phi.value * (theta.value.detach() - x.mean()) + 0.5 * MU * phi.value**2).sum()

    def generator_loss(phi, theta, x):
        return -(phi.value * theta.value).sum()

    players = Slope(0.0), Slope(means.mean())
    usual = {
        "optimiser": [optim.SGD(m.parameters(), lr=H) for m in players],
        "alternating": False,
        "together": len(batches),
        "critic": lambda phi, x: phi.value * x,
        "samples": lambda theta, x: (x, theta.value.expand(len(x))),
    }
    return dg.measure.game(critic_loss, generator_loss, *players, batches, **usual | how), means


def test_the_spread_of_the_run_as_it_is_is_the_stationary_deviation():
    game, means = linear(count=8)
    (found,) = dg.forecast(game, (), 3000).settings
    step = np.array([[1 - H * MU, -H], [H, 1.0]])
    assert found.growth == pytest.approx(np.abs(np.linalg.eigvals(step)).max(), rel=1e-9)
    exact = np.sqrt(solve_discrete_lyapunov(step, np.diag([H**2 * means.var(), 0.0]))[0, 0])
    # 12 windows of 30 memories make their deviation within 4 %
    assert found.series["d_real"].spread == pytest.approx(exact * means.mean(), rel=0.1)


@pytest.mark.slow  # under the run's own rates: the test above
def test_the_spread_is_the_stationary_deviation():
    game, means = linear()
    found = dg.forecast(game, ["lr=0.05", "lr_g=0.05", "ratio=2,weight_decay=0.1"], 3000).settings
    rates = [(H, H, 0.0), (0.05, 0.05, 0.0), (H, 0.05, 0.0), (2 * H, H, 0.1)]
    for setting, (h, k, decay) in zip(found, rates, strict=True):
        step = np.array([[1 - h * (MU + decay), -h], [k, 1 - k * decay]])
        assert setting.growth == pytest.approx(np.abs(np.linalg.eigvals(step)).max(), rel=1e-9)
        kick = np.diag([h**2 * means.var(), 0.0])
        exact = np.sqrt(solve_discrete_lyapunov(step, kick)[0, 0])
        if not decay:  # whose mean kick moves the level
            # 32 minibatches, of which 12 windows of 30 memories make their deviation within 4 %
            assert setting.series["d_real"].spread == pytest.approx(exact * means.mean(), rel=0.1)
    assert set(found[0].series) == {"loss_d", "loss_g", "d_real", "d_fake"}


def test_settings_of_adam_go_on_from_its_state():
    game = trained(lambda p: optim.Adam(p, lr=1e-3, betas=(0.5, 0.9)))
    words = ["lr=1e-4", "beta1=0.9,beta2=0.99", "n_critic=2"]
    now, slow, heavy, more = dg.forecast(game, words, 100).settings
    assert slow.series["loss_g"].spread < 0.5 * now.series["loss_g"].spread
    assert [s.setting for s in (heavy, more)] == ["beta1=0.9, beta2=0.99", "n_critic=2"]
    assert len({x.series["loss_g"].spread for x in (now, heavy, more)}) == 3
    assert game.backend.optimisers["critic"].param_groups[0]["lr"] == 1e-3  # as it was


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("beta1=0.5", "'beta1'"),  # SGD has none
        ("lr=nan", "lr = nan"),
        ("momentum=1", "momentum = 1"),
        ("n_critic=2", "alternating"),
        ("lr_d=1,ratio=2", "lr_d and ratio"),
        ("batch=4", "'batch'"),
    ],
)
def test_a_setting_that_is_not_one(setting, said):
    with pytest.raises(InputError, match=said):
        dg.forecast(trained(lambda p: optim.SGD(p, lr=H), alternating=False), [setting])


def test_what_a_game_in_pytorch_must_have():
    with pytest.raises(InputError, match="add optimiser="):
        dg.forecast(linear(optimiser=None)[0])
    with pytest.raises(InputError, match="say too little"):
        dg.forecast(trained(OPTIMISERS["adam"], count=3))
    with pytest.raises(InputError, match="JAX"):
        dg.critical_setting(linear()[0])


def test_a_rate_of_zero_has_no_multiples():
    from diracgan.measure.torch_checkpoint import of_measured

    game = trained(lambda p: optim.SGD(p, lr=0.1, momentum=0.5))
    for optimiser in game.backend.optimisers.values():
        optimiser.param_groups[0]["lr"] = 0.0  # as a warm-up begins
    at, now = of_measured(game)
    assert at.changed(now, "momentum=0.9").rule == {
        "critic": {"momentum": 0.9},
        "generator": {"momentum": 0.9},
    }
    with pytest.raises(InputError, match="the rates are 0 and 0 now"):
        at.changed(now, "lr=0.1")


class Turned(optim.SGD):
    """Moves each entry by its neighbour's gradient."""

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * torch.roll(p.grad, 1)


def test_an_optimiser_that_mixes_entries_has_no_transpose():
    with pytest.raises(InputError, match="mixes entries"):
        dg.forecast(trained(lambda p: Turned(p, lr=0.1)))
