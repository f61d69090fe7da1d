"""Gradient penalties of a critic whose logits depend on the whole batch, as PyTorch takes them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.game import Players
from diracgan.training import Architecture, players, problem, train
from diracgan.training.config import configure, from_table
from diracgan.training.games import game
from diracgan.training.layers import MinibatchDiscrimination
from diracgan.training.toml_tables import toml


def summed_slopes(network, x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """|d (sum of the batch's logits) / d x_i|^2 by central differences.

    ``torch.autograd.grad(D(x).sum(), x, create_graph=True)[0]``, which R1 and WGAN-GP in PyTorch square, is this
    gradient by its definition; PyTorch itself is not needed to know it.
    """
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = eps
        found[place] = float(
            jnp.sum(network(jnp.asarray(x + step))) - jnp.sum(network(jnp.asarray(x - step)))
        )
    return np.sum((found / (2 * eps)).reshape(len(x), -1) ** 2, axis=1)


@pytest.mark.parametrize(
    "networks",
    slow_but([{"norm_d": "batch"}, {"minibatch": "std"}, {"norm_d": "layer"}], {"minibatch": "std"}),
)
def test_penalties_are_those_of_the_whole_batch(networks):
    with jax.enable_x64(True):
        on = problem("curve", count=6)
        made = Architecture(width=8, activation_d="tanh", activation_g="tanh", **networks)
        both = players(made, on, jax.random.key(0))
        both = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), both)
        x_real = np.asarray(on.data, float)
        x_fake = np.asarray(both.theta(game(dg.variant("ns"), on, jax.random.key(1)).z), float)
        truth = {
            "r1": 0.5 * np.mean(summed_slopes(both.phi, x_real)),
            "r2": 0.5 * np.mean(summed_slopes(both.phi, x_fake)),
            "gp": np.mean((np.sqrt(summed_slopes(both.phi, 0.5 * (x_real + x_fake))) - 1.0) ** 2),
        }
        bare = game(dg.variant("ns"), on, jax.random.key(1)).critic_loss(both)
        for name, value in truth.items():
            loss = game(dg.variant("ns").with_(**{name: 1.0}), on, jax.random.key(1)).critic_loss(both)
            assert value > 1e-6  # 0 where every sample is a batch of its own
            assert float(loss - bare) == pytest.approx(value, rel=1e-6)


def in_torch(torch, critic):
    """The same critic in PyTorch, with the same numbers."""
    layers = []
    for layer in (*critic.layers, critic.head):
        match type(layer).__name__:
            case "Dense":
                made = torch.nn.Linear(*layer.w.shape, bias=layer.b is not None, dtype=torch.float64)
                numbers = [np.asarray(layer.w).T, *([] if layer.b is None else [np.asarray(layer.b)])]
            case "Norm":
                made = torch.nn.BatchNorm1d(len(layer.gain), track_running_stats=False, dtype=torch.float64)
                numbers = [np.asarray(layer.gain), np.asarray(layer.shift)]
            case _:
                made, numbers = torch.nn.Tanh(), []
        for ours, theirs in zip(numbers, made.parameters(), strict=True):
            theirs.data = torch.tensor(ours.copy())
        layers.append(made)
    return torch.nn.Sequential(*layers, torch.nn.Flatten(0))


def test_penalties_under_batch_norm_and_their_gradients_are_pytorchs():
    """Seven samples of five numbers, three hidden layers: by ``torch.autograd`` itself."""
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(0).normal
    with jax.enable_x64(True):
        on = dg.training.samples(draw(size=(7, 5)), latent=5)
        made = Architecture(width=8, depth=3, norm_d="batch", activation_d="tanh", activation_g="tanh")
        both = jax.tree.map(
            lambda a: jnp.asarray(0.6 * draw(size=a.shape)), players(made, on, jax.random.key(0))
        )
        critic, bare = in_torch(torch, both.phi), game(dg.variant("ns"), on, jax.random.key(1))
        x_real, x_fake = np.asarray(bare.x_real, float), np.asarray(both.theta(bare.z), float)

        def slopes(x):
            x = torch.tensor(x, requires_grad=True)
            return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]

        truth = {
            "r1": 0.5 * (slopes(x_real) ** 2).sum(1).mean(),
            "r2": 0.5 * (slopes(x_fake) ** 2).sum(1).mean(),
            "gp": ((slopes(0.5 * (x_real + x_fake)).norm(dim=1) - 1.0) ** 2).mean(),
        }
        for name, theirs in truth.items():
            penalised = game(dg.variant("ns").with_(**{name: 1.0}), on, jax.random.key(1))
            ours, slope = jax.value_and_grad(
                lambda phi, p=penalised: (
                    p.critic_loss(Players(phi, both.theta)) - bare.critic_loss(Players(phi, both.theta))
                )
            )(both.phi)
            assert float(ours) == pytest.approx(float(theirs.detach()), rel=1e-12)
            first = torch.autograd.grad(theirs, critic[0].weight, retain_graph=True)[0]
            np.testing.assert_allclose(slope.layers[0].w.T, first.numpy(), rtol=1e-9, atol=1e-12)


def test_where_samples_do_not_mix_the_whole_batch_is_each_sample():
    with jax.enable_x64(True):
        on = problem("curve", count=6)
        both = players(Architecture(width=8, activation_d="tanh"), on, jax.random.key(0))
        one = jax.vmap(jax.grad(lambda x: both.phi(x[None])[0]))(on.data)
        loss = [
            game(v, on, jax.random.key(1)).critic_loss(both)
            for v in (dg.variant("ns"), dg.variant("ns").with_(r1=2.0))
        ]
        assert float(loss[1] - loss[0]) == pytest.approx(float(jnp.mean(jnp.sum(one**2, axis=1))), rel=1e-10)


def test_minibatch_discrimination_does_not_grow_with_the_batch():
    t = jax.random.normal(jax.random.key(0), (3, 8, 4))
    same = jnp.ones((5, 3))
    for n in (2, 50):
        near = MinibatchDiscrimination(t)(jnp.ones((n, 3)))[:, 3:]
        np.testing.assert_allclose(near, 1.0, rtol=1e-5)  # all alike, however many there are
    apart = MinibatchDiscrimination(t)(1e3 * jax.random.normal(jax.random.key(1), (5, 3)))[:, 3:]
    np.testing.assert_allclose(apart, 0.0, atol=1e-6)
    assert MinibatchDiscrimination(t)(same[:1]).shape == (1, 11)


def test_networks_get_the_penalty_of_the_source():
    """Gulrajani et al. 2017 (arXiv 1704.00028, algorithm 1): lam = 10; the Dirac system keeps its 0.1."""
    assert configure("wgan-gp", "ring8").variant.lam == 10.0
    assert configure("wgan-gp:c=0", "ring8").variant.hyperparameters == {
        "lam": 10.0,
        "c": 0.0,
        "one_sided": False,
    }
    assert configure("wgan-gp:lam=0.5", "ring8").variant.lam == 0.5
    assert configure("wgan-gp", "dirac").variant.lam == dg.variant("wgan-gp").lam == 0.1
    assert configure(dg.variant("wgan-gp"), "ring8").variant.lam == 0.1  # an object says what it is
    assert from_table({"variant": {"name": "wgan-gp"}}).variant.lam == 10.0
    assert from_table({"variant": {"name": "wgan-gp", "lam": 0.1}}).variant.lam == 0.1
    assert "lam = 10.0" in toml(configure("wgan-gp", "ring8").table())


@pytest.mark.slow  # fast, without the command: test_networks_get_the_penalty_of_the_source
def test_the_command_trains_with_the_penalty_of_the_source(cli):
    for words, lam in (([], 10), (["--lam", 0.1], 0.1), (["-p", "lam=3"], 3)):
        short = ("points8", "--width", 4, "--batch", 8, "--steps", 1, "--out", f"a{lam}")
        code, out, err = cli("train", *short, "-v", "wgan-gp", *words)
        assert code == 0, err
        assert f"wgan-gp(lam={lam}, c=1)" in out


@pytest.mark.slow  # no fast witness: it trains; a feature: test_minibatch_discrimination_does_not_grow_with_the_batch
def test_a_critic_with_batch_features_trains():
    for networks in ({"minibatch": "discrimination"}, {"norm_d": "batch"}):
        run = train("ns:r1=0.1", "points8", steps=200, networks={"width": 16, **networks}, batch=64)
        assert run.result == "ok"
        assert max(abs(m["loss_d"]) for m in run.metrics) < 100
    assert isinstance(run.players, Players)
