# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Why Adam does not settle, and when that matters
# Adam's step has the size of the learning rate, however small the gradient. So the players of a GAN do not come to
# rest: they end on a cycle. How large is it, what makes it, and what makes it small?

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

v = dg.variant("wgan-linear")

# %% [markdown]
# **Predict, then check.** One run starts at a distance of 5 steps of the learning rate, another at 150. Where does each end:
# at rest, on a cycle of its own, on the same one?

# %%
guess = None  # where each ends

# %% [markdown]
# ## A run, from inside and from outside
# Two starts, one near the equilibrium and one far from it, under the same Adam.

# %%
rule = dg.rule("adam", lr=0.01, beta1=0.5, beta2=0.99)
fig, ax = plt.subplots(figsize=(4.2, 4), layout="constrained")
for start in (0.05, 1.5):
    run = dg.simulate(v, phi0=[start], theta0=[0.0], rule=rule, steps=3000)
    ax.plot(run.phi[:, 0], run.theta[:, 0], linewidth=0.5, label=f"from phi = {start}")
ax.set_xlabel("phi")
ax.set_ylabel("theta")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The averaged flow
# At every radius the map is followed round once, its memory in its response. What a rotation gains or loses is the
# slow field; where it changes its sign lies the cycle.

# %%
flow = dg.averaged(v, rule)
print(flow.text)
print("predicted:", guess)
fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.semilogx(flow.radii, flow.radii * flow.drift)
ax.axhline(0, color="grey", linewidth=0.5)
for cycle in flow.cycles:
    ax.axvline(cycle.radius, linestyle=":", color="black")
ax.set_xlim(3, 200)
ax.set_ylim(-30, 3)
ax.set_xlabel("radius, in steps of the generator")
ax.set_ylabel("R dR/dn")
plt.show()

# %% [markdown]
# ## What pumps and what damps
# The averaged gradient lags, and so does a step that both players take at once: that pumps. The second moment swells
# and ebbs in every rotation: that damps. For a long second moment the balance is A = 4 lr sqrt(tau2 (tau1 + 1/2)),
# without the half when the players take turns.

# %%
beta2 = 1 - np.geomspace(0.1, 1e-4, 9)
fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
for beta1, color in ((0.0, "C0"), (0.5, "C1"), (0.9, "C2")):
    flows = [dg.averaged(v, dg.rule("adam", lr=0.01, beta1=beta1, beta2=b)) for b in beta2]
    ax.loglog(
        1 / (1 - beta2), [f.amplitude or np.nan for f in flows], "o", color=color, label=f"beta1 = {beta1}"
    )
    ax.loglog(
        1 / (1 - beta2), 0.04 * np.sqrt((beta1 / (1 - beta1) + 0.5) / (1 - beta2)), color=color, linewidth=0.7
    )
ax.set_xlabel("tau2 = 1/(1 - beta2)")
ax.set_ylabel("largest |phi|")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Where beta2 comes down to beta1 the cycle runs away: with beta1 >= beta2 there is none, and the run grows like the
# root of n.

# %%
for b in (0.99, 0.95, 0.92, 0.9):
    print(f"beta1 = 0.9, beta2 = {b}:", dg.averaged(v, dg.rule("adam", lr=0.01, beta1=0.9, beta2=b)).text)

# %% [markdown]
# ## When that matters
# When the cycle is large against what the game resolves. R1 is the strongest remedy, beta1 = 0 in turns the next:
# then nothing pumps.

# %%
for r1 in (0.0, 0.03, 0.1, 0.3):
    found = dg.averaged(dg.variant("ns").with_(r1=r1), dg.rule("adam", lr=0.001, beta1=0.5))
    print(f"r1 = {r1}: largest |phi| = {found.amplitude:.4f}, a rotation in {found.period:.0f} iterations")
for name in ("dcgan", "stylegan", "r3gan"):
    print(f"{name}: {dg.averaged(*dg.preset(name)).text}")

# %% [markdown]
# Or average the weights, over a few of its periods:

# %%
print(dg.ema(dg.variant("ns").with_(r1=0.1), dg.rule("adam", lr=0.001, beta1=0.5), reduction=20).text)

# %% [markdown]
# All of this is one eigenvalue without noise. In a real network under minibatches the second moment is mostly the
# noise's; there a forecast from measured Jacobians and noise takes over.

# %% [markdown]
# ## Exercise: a smaller cycle
# Simultaneous Adam with lr = 0.001, $\beta_1 = 0.5$ and $\beta_2 = 0.999$ on the linear game.
#
# 1. By the formula above, how large is its cycle?
# 2. Half the learning rate, or $\beta_1 = 0$, or both players in turns: which makes it smallest?
#
# <details><summary>Solution</summary>
#
# $\tau_1 = \beta_1/(1 - \beta_1) = 1$ and $\tau_2 = 1/(1 - \beta_2) = 1000$, so
#
# $$A = 4\,\mathrm{lr}\,\sqrt{\tau_2\,(\tau_1 + 1/2)} = 0.004\,\sqrt{1500} = 0.155.$$
#
# Half the learning rate halves it: 0.077. $\beta_1 = 0$ leaves the half alone: $0.004\sqrt{500} = 0.089$. Turns take the
# half away: $0.004\sqrt{1000} = 0.126$. So the learning rate does most, at half the speed; $\beta_1 = 0$ *and* turns leave
# nothing that pumps.
#
# </details>

# %%
guess = None  # the size, and which remedy
print("predicted:", guess)
for lr, beta1, turns in ((0.001, 0.5, False), (0.0005, 0.5, False), (0.001, 0.0, False), (0.001, 0.5, True)):
    by_hand = 4 * lr * np.sqrt(1000 * (beta1 / (1 - beta1) + (0.0 if turns else 0.5)))
    found = dg.averaged(v, dg.rule("adam", lr=lr, beta1=beta1, beta2=0.999, alternating=turns))
    print(f"lr {lr}, beta1 {beta1}, in turns {turns}: by hand {by_hand:.4f}, found {found.amplitude:.4f}")
