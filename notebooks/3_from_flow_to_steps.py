# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # From flow to steps
# Training is not a flow. A step has a size, somebody moves first, optimisers remember. What of the flow survives?

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

# %% [markdown]
# ## One rotation, many rules
# The linear WGAN is a pure rotation. Each rule turns it into multipliers; below 1 in modulus means that it converges.

# %%
v = dg.variant("wgan-linear")
rates = np.linspace(0.02, 1.2, 60)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
styles = {"simultaneous": "-", "alternating": "--", "extragradient": "-.", "optimistic": ":", "implicit": (0, (5, 1))}
for name, style in styles.items():
    radius = [dg.spectrum(v, rule=dg.rule(name, lr=h)).spectral_radius for h in rates]
    ax.plot(rates, radius, linestyle=style, label=name)
ax.axhline(1, color="0.6", linewidth=0.6, zorder=0)
ax.set_ylim(0.6, 1.5)
ax.set_xlabel("learning rate")
ax.set_ylabel("largest |multiplier|")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Simultaneous steps always grow. Alternating ones neither grow nor shrink. Extragradient and optimistic steps damp up to
# a limit; the implicit step, which nobody can take exactly in a real network, always damps.
#
# ## Exactly where
# No need to read it off: thresholds are found to rounding.

# %%
for name in ("alternating", "extragradient", "optimistic"):
    edge = dg.critical(v, "lr", rule=dg.rule(name)).thresholds[-1]
    print(f"{name:14} {edge.below} until lr = {edge.value:.10f}, {edge.above} beyond")
assert abs(dg.critical(v, "lr", rule=dg.rule("optimistic")).values[-1] - 1 / np.sqrt(3)) < 1e-6

# %% [markdown]
# ## With a penalty, a chart
# The non-saturating GAN with R1 of weight gamma, under simultaneous steps. For gamma up to 1, as here, it converges where lr
# is below 4 gamma; the margin that is shown is 1 - largest |multiplier|.

# %%
from diracgan.sweeps import stability

chart = stability(dg.variant("ns"), {"gamma": "0.02:1:50", "lr": "0.05:4:50"}, rule=dg.rule("simultaneous"))
fig, ax = plt.subplots(figsize=(5.4, 4.2))
dg.plot.stability(chart, ax=ax)
plt.show()

# %% [markdown]
# ## The best learning rate is not the largest stable one
# Here $|1 + h\mu|^2 = 1 - \gamma h + h^2/4$, which is smallest at $h = 2\gamma$: half of the largest stable one.

# %%
best = dg.tune(dg.variant("ns").with_(r1=0.5), {"lr": (0.01, 2.0)}, rule=dg.rule("simultaneous"))
print(best.text)

# %% [markdown]
# ## Momentum
# Positive momentum, good for descent, is bad for rotation. Negative momentum with alternating steps damps it (Gidel et al.
# 2019), still on the pure rotation of the linear WGAN:

# %%
for beta in (0.5, 0.0, -0.5):
    rule = dg.rule("heavy-ball", lr=0.2, beta=beta, alternating=True)
    print(f"beta = {beta:+.1f}: {dg.spectrum(v, rule=rule).text}")
