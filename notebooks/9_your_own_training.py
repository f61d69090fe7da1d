# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Your own training, in PyTorch
# From the first log to a prescription, on a small GAN written as a PyTorch script has it: two networks, two losses, two Adams.
# Nothing of it is diracgan's. Without PyTorch the cells say so and do nothing.

# %%
import numpy as np

import diracgan as dg

try:
    import torch
    from torch.nn.functional import softplus
except ImportError:
    torch = None
    print("PyTorch is not installed; pip install diracgan[torch] brings it")


# %% [markdown]
# ## A training loop, watched
# Eight points on a circle, a critic and a generator of 32 units. The monitor reads both losses and warns at most once a regime.


# %%
def networks():
    torch.manual_seed(0)

    def made(outputs):
        return torch.nn.Sequential(
            torch.nn.Linear(2, 32), torch.nn.Tanh(), torch.nn.Linear(32, 32), torch.nn.Tanh(), torch.nn.Linear(32, outputs)
        )

    return made(1), made(2)


def critic_loss(D, G, batch):
    x, z = batch
    return softplus(-D(x)).mean() + softplus(D(G(z).detach())).mean()


def generator_loss(D, G, batch):
    return softplus(-D(G(batch[1]))).mean()


def batches(seed):
    draw = torch.Generator().manual_seed(seed)
    while True:
        angle = 2 * np.pi * torch.randint(8, (64,), generator=draw) / 8
        yield torch.stack([angle.cos(), angle.sin()], 1), torch.randn(64, 2, generator=draw)


def trained(lr_d, lr_g, steps=800):
    D, G = networks()
    pair = [torch.optim.Adam(m.parameters(), lr, betas=(0.5, 0.999)) for m, lr in ((D, lr_d), (G, lr_g))]
    monitor = dg.Monitor(variant="ns")
    for step, batch in zip(range(steps), batches(1), strict=False):
        values = []
        for loss, optimiser in zip((critic_loss, generator_loss), pair, strict=True):
            value = loss(D, G, batch)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            values.append(value.item())
        warning = monitor.update(step, d_loss=values[0], g_loss=values[1])
        if warning is not None:
            print(warning)
    return D, G, pair, monitor


if torch is not None:
    trained(3e-3, 1e-6)  # a generator that hardly moves: the critic wins

# %% [markdown]
# The warning comes when the critic is far from chance and the generator has hardly moved. With equal rates the players keep up
# with each other:

# %%
if torch is not None:
    D, G, pair, monitor = trained(1e-3, 1e-3)
    found = monitor.diagnose()
    for r in found.regimes:
        print(f"step {r.start:.0f} to {r.end:.0f}: {r.kind.value}: {r.evidence}")
    print("can I stop?", found.stop)

# %% [markdown]
# The losses say where they are, and what they cannot say.
#
# ## The game behind the log
# What the Jacobian of the two losses does at these weights, and what damps the strongest coupling:

# %%
if torch is not None:
    game = dg.measure.game(
        critic_loss,
        generator_loss,
        D,
        G,
        batches(2),
        optimiser=pair,
        critic=lambda D, x: D(x),
        samples=lambda G, batch: (batch[0], G(batch[1])),
    )
    print("parameters:", game.sizes)
    print("eigenvalues of the flow:", game.spectrum("fastest", k=4).eigenvalues.round(3))
    strongest = game.coupling(k=2)
    print("couplings:", strongest.singular_values.round(3), "damping:", strongest.damping.round(3))

# %% [markdown]
# ## A prescription
# R1's gamma, the ratio of the learning rates, the lazy interval and the average's half-life, each with an interval over
# batches, what it assumes and what to check. Under Adam gamma is a number for weights trained with about that gamma: measure
# again there. How far to trust it is measured on the page "Which gamma?".

# %%
if torch is not None:
    said = dg.prescribe(game, batches=20, images=64)
    for name in ("gamma", "rate_ratio", "lazy", "ema_half_life"):
        number = getattr(said, name)
        value = "-" if number.value is None else f"{number.value:.3g} ({number.low:.3g} to {number.high:.3g})"
        print(f"{name}: {value}: {number.text}")
