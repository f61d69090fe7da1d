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

    torch.set_num_threads(1)  # threads cost networks this small more than they save
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

# %% [markdown]
# ## Exercise: read two losses
# A critic answers 4 on every real sample and $-4$ on every fake one. What are its loss and the generator's (non-saturating, as
# above)? How strongly does the generator still learn, and how strongly would it with the saturating loss
# $-\log(1 + e^{D})$?
#
# <details><summary>Solution</summary>
#
# With $s(x) = \log(1 + e^x)$ the critic's loss is $2s(-4) = 0.036$, far below the $2\log 2 = 1.386$ of a critic at chance; the
# generator's is $s(4) = 4.018$, far above $\log 2 = 0.693$. Its slope in $D$ is $-1/(1 + e^{-4}) = -0.982$: it is pushed as hard as can
# be, and the losses alone look lost. The saturating loss has the slope $-1/(1 + e^{4}) = -0.018$: there it no longer learns.
# Of the critic's slope in $x$, through which both must pass, losses say nothing.
#
# </details>

# %%
guess = None  # both losses, both slopes
print("predicted:", guess)
soft = lambda x: np.log1p(np.exp(x))
print(f"losses {2 * soft(-4):.3f} and {soft(4):.3f}; at chance {2 * np.log(2):.3f} and {np.log(2):.3f}")
print(f"slopes in D: non-saturating {-1 / (1 + np.exp(-4)):.3f}, saturating {-1 / (1 + np.exp(4)):.3f}")
