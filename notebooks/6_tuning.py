# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Tuning: gamma, learning rate and EMA
# A run oscillates. How much penalty, which learning rate, how much averaging? From a log to the remedies, on a game whose
# weight of R1, `r1` or gamma, we pretend not to know.

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

# %% [markdown]
# ## The patient
# A log of some training: two noisy series, one from each player.

# %%
rule = dg.rule("alternating", lr=0.1)
hidden = dg.variant("ns").with_(r1=0.02)
run = dg.simulate(hidden, phi0=[0.5], theta0=[0.5], rule=rule, steps=1500)
rng = np.random.default_rng(0)
log = {
    "step": run.step.values,
    "critic": run.phi.values[:, 0] + 0.03 * rng.normal(size=1501),
    "generator": run.theta.values[:, 0] + 0.03 * rng.normal(size=1501),
}
fig, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
ax.plot(log["step"], log["critic"], linewidth=0.7, label="critic")
ax.plot(log["step"], log["generator"], linewidth=0.7, label="generator")
ax.set_xlabel("step")
ax.set_ylabel("logged value")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# **Predict, then check.** How many steps does one swing take? It is made of $\omega = 1/2$ and the learning rate. And is the run
# damped more than the loss alone would damp it?

# %%
guess = None  # steps of a swing, and whether something damps it

# %% [markdown]
# ## The diagnosis
# We know which loss and which rule were used, and compare with the unregularised game:

# %%
found = dg.diagnose(log, dg.variant("ns"), rule)
print(found.text)
print(found.predicted.text)
print("predicted:", guess)
for a in found.recommendations:
    print(f"- {a.parameter}{'' if a.value is None else f' = {a.value:.4g}'}: {a.effect}")
    print(f"  but: {a.caveat}")

# %% [markdown]
# The frequency is the loss's own. The damping is not: something damps the run. Part of it is the curvature of the loss, as
# the swings are large; the rest is the R1 that we hid.

# %% [markdown]
# ## Averaging
# The recommended decay, in a rerun of the game with that average: the swing is a tenth of what it was.

# %%
decay = next(a.value for a in found.recommendations if a.parameter == "ema")
averaged = dg.simulate(hidden, phi0=[0.5], theta0=[0.5], rule=dg.rule("alternating", lr=0.1, ema=decay), steps=1500)
late = slice(900, 1500)
ratio = np.ptp(averaged.theta_ema.values[late]) / np.ptp(averaged.theta.values[late])
print(f"decay {decay:.4g} leaves {ratio:.2f} of the swing")

# %% [markdown]
# ## The penalty
# Averaging shows the centre and moves nothing. The penalty damps the run itself. How fast the game converges over gamma and
# the learning rate, and the best gamma at this rate:

# %%
from diracgan.sweeps import stability

chart = stability(dg.variant("ns"), {"gamma": "0:3:61", "lr": "0.02:1.5:60"}, rule=rule)
fig, ax = plt.subplots(figsize=(5.4, 4.2))
dg.plot.stability(chart, ax=ax)
plt.show()

# %%
best = dg.tune(dg.variant("ns"), {"r1": (0.0, 5.0)}, rule=rule)
print(best.text)
fig, ax = plt.subplots(figsize=(8, 3.0), layout="constrained")
for r1 in (0.02, best.best["r1"], 10.0):
    cured = dg.simulate(dg.variant("ns").with_(r1=r1), phi0=[0.5], theta0=[0.5], rule=rule, steps=400)
    ax.semilogy(cured.step, np.hypot(cured.phi[:, 0], cured.theta[:, 0]), label=f"r1 = {r1:.3g}")
ax.set_xlabel("step")
ax.set_ylabel("distance from the equilibrium")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Too little circles, too much creeps. In a real network gamma has another scale, and the same shape. At small gamma the
# damping per step $\sigma$ grows in proportion to it, and the best is about where it reaches the frequency $\omega$. So
# one log tells: gamma times $\omega/\sigma$, with $\sigma$ read late in a run, when its swings are small; here
# 0.02 x 0.05/0.001 = 1. Go there in several rises: when the log no longer overshoots you have arrived, and more is slower.
#
# ## The learning rate
# How far may it go with this penalty, and where is it best?

# %%
cured = dg.variant("ns").with_(r1=best.best["r1"])
print(dg.critical(cured, "lr", rule=rule).text)
print(dg.tune(cured, {"lr": (0.01, 4.0)}, rule=rule).text)

# %% [markdown]
# ## Exercise: the decay for a wanted reduction
# An average $\bar z^+ = \beta\bar z + (1 - \beta)z^+$ over an orbit that turns by the angle $\alpha$ a step leaves the share
# $\lvert G\rvert = (1 - \beta)/\lvert 1 - \beta e^{-i\alpha}\rvert$ of it. The game above turns by $\alpha = 0.05$ a step. Which
# $\beta$ leaves a fiftieth? And how long does that average remember?
#
# <details><summary>Solution</summary>
#
# With $\varepsilon = 1 - \beta$ small, $\lvert 1 - \beta e^{-i\alpha}\rvert \approx \sqrt{\varepsilon^2 + \alpha^2}$, and the
# share is about $\varepsilon/\alpha$ where that is small: $\varepsilon \approx 0.05/50 = 0.001$, so $\beta \approx 0.999$. It remembers
# $1/\varepsilon = 1000$ steps, eight turns of the orbit: a reduction $K$ takes $K/2\pi$ turns, at every learning rate.
#
# </details>

# %%
guess = None  # beta
print("predicted:", guess)
print(dg.ema(dg.variant("ns"), rule, reduction=50).text)
beta, angle = 0.999, 0.05
print(f"beta = {beta} leaves 1/{abs(1 - beta * np.exp(-1j * angle)) / (1 - beta):.1f}")
