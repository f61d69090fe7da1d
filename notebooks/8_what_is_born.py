# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # What is born when training loses stability
# A learning rate is raised, and at some value the equilibrium no longer attracts. What then? A small oscillation that grows
# with the distance from the threshold, or a jump to something far away? Linear analysis gives the threshold. The answer is in
# the terms beyond it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

variant = dg.variant("ns").with_(r1=0.05)
rule = dg.rule("simultaneous", lr=0.1)

# %% [markdown]
# **Predict, then check.** γ is 0.05. From which learning rate on does the equilibrium repel? And just above it: a small
# circle, or a jump to something far away?

# %%
guess = None  # the learning rate, and what comes then

# %% [markdown]
# ## The threshold, and what is born there
# The non-saturating GAN with R1, γ = 0.05, under simultaneous steps. Its multipliers leave the unit circle at h = 4γ.

# %%
found = dg.critical(variant, "lr", rule=rule)
print(found.text)
print(found.born[0].birth)
print("predicted:", guess)

# %% [markdown]
# A pair of multipliers crosses the unit circle: a *Neimark-Sacker* bifurcation. The real part of one coefficient, computed from
# three derivatives of the map, decides. Here it is negative: *supercritical*, a stable circle grows out of the equilibrium.
#
# **Predict, then check.** At lr = 0.24 training is four times as far beyond the threshold as at 0.21. How many times as large is
# its circle?

# %%
guess = None  # how many times

# %%
branch = dg.bifurcation.branch(variant, over="lr=0.05:0.4", rule=rule)
(point,) = branch.points
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
dg.plot.branches([branch], ax)
for lr in np.linspace(0.21, 0.33, 5):
    run = dg.simulate(variant, phi0=[0.1], theta0=[0.1], rule=dg.rule("simultaneous", lr=lr), steps=8000)
    late = np.hypot(run.phi.values[-2000:, 0], run.theta.values[-2000:, 0])
    ax.plot(lr, late.max(), "k.")
    print(f"lr = {lr:.2f}: radius {late.max():.3f}")
plt.show()
print("predicted:", guess)

# %% [markdown]
# The dots are iterated runs. They lie on the circle that the normal form predicts.
#
# ## The dangerous case
# Optimistic steps with γ = 0.5 lose stability at lr = 1.293.
#
# **Predict, then check.** At lr = 1.28 every multiplier lies inside the unit circle. Does training arrive from every start?

# %%
guess = None  # from every start, or from which

# %%
wide, optimistic = dg.variant("ns").with_(r1=0.5), dg.rule("optimistic", lr=1.28)
print(dg.critical(wide, "lr", rule=optimistic).born[0].birth)
print(dg.verdict(wide, [0.1], [0.1], rule=optimistic).text)
print("predicted:", guess)

# %% [markdown]
# The coefficient is positive: *subcritical*. An unstable circle closes in on the equilibrium *before* the threshold, and a kick
# that is too large is not survived although every eigenvalue is fine.

# %%
(edge,) = dg.bifurcation.branch(wide, over="lr=0.5:1.6", rule=optimistic).points
circle = dg.bifurcation.circle(edge, 1.28)
print(f"unstable circle: largest radius {circle.radius:.3f}, by the normal form {circle.predicted:.3f}")
fig, ax = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
ax.plot(*circle.points.T, "k--", zorder=3, label="unstable circle")
for size in (2.0, 3.0):
    start = size * circle.points[0]
    run = dg.simulate(wide, phi0=start[:1], theta0=start[1:], rule=optimistic, steps=400)
    ax.plot(
        run.phi.values[:, 0],
        run.theta.values[:, 0],
        ".",
        markersize=3,
        label=f"from {size:g} times its radius",
    )
ax.set_xlabel("critic φ")
ax.set_ylabel("generator θ")
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# From twice the circle's radius training still arrives, from three times it does not. The rule remembers a gradient, so the
# circle lies among four numbers, of which the picture shows two. A run that starts off it remembers the gradient at its own
# start, and here is thrown out only from farther away.
#
# ## Two parameters
# With γ and the learning rate both free, thresholds are curves. Under alternating heavy ball the stable region is bounded by
# a Neimark-Sacker curve and, beyond its 1:2 resonance, by a flip curve; at the *Chenciner* point super- turns into
# subcritical.

# %%
momentum = dg.rule("heavy-ball", beta=0.3, alternating=True)
atlas = dg.bifurcation.atlas(dg.variant("ns"), ("gamma=0.01:1", "lr=0.02:5"), rule=momentum)
for curve in atlas.curves:
    print(curve.text)
fig, ax = plt.subplots(figsize=(6, 4.4), layout="constrained")
dg.plot.atlas(atlas, ax)
plt.show()

# %% [markdown]
# How much learning rate does a little more γ buy? The slope of the curve, by the implicit function theorem:

# %%
print(dg.bifurcation.sensitivity(point, "gamma"), "= 4, as h = 4γ says")

# %% [markdown]
# ## Further out
# The first circle, of simultaneous steps, attracts. Its Lyapunov exponents say that it is no more than a circle: one is zero,
# along it; the other is negative. A positive one would be chaos.

# %%
print(dg.lyapunov(variant, [0.1], [0.1], rule=dg.rule("simultaneous", lr=0.3)).values)

# %% [markdown]
# ## Exercise: how large a learning rate?
# Simultaneous steps with γ = 0.05 again: the circle's radius is about $1.4528\sqrt{h - 0.2}$. Up to which learning rate does
# training stay within 0.3 of the equilibrium?
#
# <details><summary>Solution</summary>
#
# $h = 0.2 + (0.3/1.4528)^2 = 0.2426$.
#
# </details>

# %%
guess = None  # the learning rate
print("predicted:", guess)
for lr in (0.23, 0.2426, 0.26):
    print(f"lr = {lr}: the circle's own radius is {point.radius(lr):.4f}")

# %% [markdown]
# ## Exercise: which threshold comes first?
# Simultaneous steps on the non-saturating GAN with R1 have the multipliers $1 + h\mu$, where $\mu^2 + \gamma\mu + 1/4 = 0$. Take
# $\gamma = 1.25$ instead of 0.05. At which $h$ is stability lost, and how: does a pair leave the unit circle, or does one
# multiplier pass $-1$?
#
# <details><summary>Solution</summary>
#
# $\mu = -1$ and $\mu = -1/4$: both real, so no pair can leave the circle together. The multipliers are $1 - h$ and $1 - h/4$;
# the first one reaches $-1$ at $h = 2$. That is a *flip*. (A pair needs $\gamma < 1$, where $h = 4\gamma$ comes first.) Along its
# eigenvector the two players' cubic terms cancel, for every $\gamma > 1$: the normal form does not say whether an orbit of
# period 2 is born before the threshold or after it, and the program does not guess.
#
# </details>

# %%
guess = None  # h, and how
print("predicted:", guess)
overdamped = dg.critical(dg.variant("ns").with_(r1=1.25), "lr", rule=rule)
print(overdamped.text)
print(overdamped.born[0].birth)
