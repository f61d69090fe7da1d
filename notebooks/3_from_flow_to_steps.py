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
#
# **Predict** which of the five rules of the picture damp it, which let it grow and which do neither, at a small learning
# rate. And how far has the first been thrown out after 1000 simultaneous steps of 0.1?

# %%
guess = None  # distance after 1000 steps, in units of that at the start
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
# a limit; the implicit step, which nobody can take exactly in a real network, always damps. A simultaneous step of size
# $h$ has $|1 \pm ih| = \sqrt{1 + h^2}$, which is next to nothing, a thousand times over:

# %%
run = dg.simulate(v, phi0=[0.1], theta0=[0.0], rule=dg.rule("simultaneous", lr=0.1), steps=1000)
grown = np.hypot(run.phi.values, run.theta.values)[-1, 0] / 0.1
print(f"after 1000 steps: {grown:.4f} times as far; by hand: {1.01**500:.4f}; predicted: {guess}")

# %% [markdown]
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

# %% [markdown]
# ## Exercise 1: one eigenvalue by hand
# In one dimension the linear WGAN under alternating steps of size $h$ is $\varphi^+ = \varphi - h\theta$ and then
# $\theta^+ = \theta + h\varphi^+$: the generator sees the critic that has already moved.
#
# 1. Write the whole iteration as a matrix. What is its determinant, and what does it say of areas in the plane?
# 2. Find the multipliers. Up to which $h$ do they lie on the unit circle, and by which angle do they turn?
# 3. At $h = 2.1$, how large is the larger of the two?
#
# <details><summary>Solution</summary>
#
# $$M = \begin{pmatrix} 1 & -h \\ h & 1 - h^2 \end{pmatrix}, \qquad \det M = 1, \qquad \mathrm{tr}\,M = 2 - h^2.$$
#
# Areas are preserved, so nothing can be damped. The multipliers solve $m^2 - (2 - h^2)\,m + 1 = 0$. While
# $\lvert 2 - h^2\rvert < 2$, that is $h < 2$, they are complex with product 1: on the unit circle, at angles $\pm\alpha$ with
# $2\cos\alpha = 2 - h^2$, or $\sin(\alpha/2) = h/2$. Beyond, both are real and negative, and one of them is outside: at $h = 2.1$ they are
# $(-2.41 \pm \sqrt{2.41^2 - 4})/2 = -0.5327$ and $-1.8773$. The run then jumps from side to side as it grows.
#
# </details>

# %%
for h in (0.5, 1.9, 2.1):
    m = dg.spectrum(v, rule=dg.rule("alternating", lr=h)).multipliers
    print(f"h = {h}: {m.round(4)}, |m| = {abs(m).round(4)}")
    print(f"   on the circle by hand: {h < 2}", f"at angle {2 * np.arcsin(h / 2):.4f}, found {np.angle(m[0]):.4f}" if h < 2 else "")

# %% [markdown]
# ## Exercise 2: design a remedy
# Simultaneous steps of 0.5 are given, and the non-saturating GAN in d = 1. Its flow with R1 of weight $\gamma$ has the
# eigenvalues $\mu = -\gamma/2 \pm \sqrt{\gamma^2/4 - 1/4}$. Which $\gamma$ does it need to converge at all, which makes it
# converge fastest, and where does it end to converge again?
#
# <details><summary>Solution</summary>
#
# For $\gamma \le 1$ the pair is complex, with $|1 + h\mu|^2 = 1 - \gamma h + h^2/4$: below 1 iff $\gamma > h/4 = 0.125$, and
# falling until $\gamma = 1$, where both multipliers are $1 - h/2 = 0.75$. From there on they part along the real axis and the
# larger one rises again: the fastest is $\gamma = 1$, at every $h$ up to 2. The other one falls, and reaches $-1$ where
# $\mu = -2/h = -4$; with $\mu^2 + \gamma\mu + 1/4 = 0$ that is $\gamma = 4 + 1/16 = 4.0625$.
#
# </details>

# %%
guess = None  # lower end, best, upper end
rule = dg.rule("simultaneous", lr=0.5)
print("predicted:", guess)
print(dg.critical(dg.variant("ns"), "r1", rule=rule).text)
print(dg.tune(dg.variant("ns"), {"r1": (0.0, 5.0)}, rule=rule).text)
