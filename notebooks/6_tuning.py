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
# A run oscillates. How much penalty, which learning rate, how much averaging? From the chart to the run, on a game whose
# parameters we pretend not to know.

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
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The diagnosis

# %%
found = dg.diagnose(log, dg.variant("ns").with_(r1=0.02), rule)
print(found.text)
print(found.predicted.text)
for a in found.recommendations:
    print(f"- {a.knob} {'' if a.value is None else f'= {a.value:.4g}'}: {a.effect}")

# %% [markdown]
# ## Averaging
# The recommended decay, applied to the series: the swing is a tenth of what it was.

# %%
decay = next(a.value for a in found.recommendations if a.knob == "ema")
averaged = dg.simulate(hidden, phi0=[0.5], theta0=[0.5], rule=dg.rule("alternating", lr=0.1, ema=decay), steps=1500)
late = slice(900, 1500)
ratio = np.ptp(averaged.theta_ema.values[late]) / np.ptp(averaged.theta.values[late])
print(f"decay {decay:.4g} leaves {ratio:.2f} of the swing")

# %% [markdown]
# ## The penalty
# Averaging shows the centre and moves nothing. The penalty damps the run itself. The best value, and what it does:

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
# Too little circles, too much creeps. In a real network gamma has another scale, and the same shape: raise it until the
# damping per turn that `dg.diagnose` reads is near the best one's, and stop when convergence slows again.
#
# ## The learning rate
# How far may it go with this penalty?

# %%
print(dg.critical(dg.variant("ns").with_(r1=best.best["r1"]), "lr", rule=rule).text)
