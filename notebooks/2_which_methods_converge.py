# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Which methods converge, and in which dimension
# The simplest GAN has one parameter for each player, and most published analysis stops there. One dimension is special: the
# critic and the generator are always collinear. Here we let them be two-dimensional, and several statements change.

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

# %% [markdown]
# ## The same losses, one dimension and two
# Every row is judged by following the motion from one start, (0.1, 0.2) and (0.2, 0.1) in d = 2; no row is looked up.
# What the words mean: a *neutral* orbit stays where it started and so do its neighbours; a limit circle or cycle draws
# the motion to itself; *sublinearly* is slower than any exponential. (All of them are on the page "The verdicts" of the
# documentation.)

# %%
names = ["ns", "saturating", "wgan-linear", "gan-qp", "wgan-gp:c=0", "wgan-gp:c=1"]
print(f"{'':16}{'d = 1':28}d = 2")
for name in names:
    v = dg.variants.parse(name)
    kinds = [dg.verdict(v, dim=d).kind for d in (1, 2)]
    print(f"{name:16}{kinds[0]:28}{kinds[1]}")

# %% [markdown]
# ## Why: an area that is conserved
# In two dimensions critic and generator span an area, the wedge $\varphi\wedge\theta$. Whenever $\varphi'$ is parallel to
# $\theta$ and $\theta'$ to $\varphi$, the area stays what it is. That holds, with the datum at 0, for every loss that sees
# the critic through $\varphi\cdot\theta$ alone, and for GAN-QP. At the equilibrium the area is 0. So whoever starts with
# an area never arrives. (The circle of wgan-gp with c = 1 has another cause: there the penalty pulls $|\varphi|$ to c. And
# the neutral orbits in d = 1 conserve an energy.)

# %%
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for name, style in (("ns", "-"), ("gan-qp", "--"), ("wgan-gp:c=0", "-.")):
    run = dg.simulate(dg.variants.parse(name), t1=60.0, backend="scipy")
    phi, theta = run.phi.values, run.theta.values
    wedge = phi[:, 0] * theta[:, 1] - phi[:, 1] * theta[:, 0]
    ax.plot(run.time, wedge, style, label=name)
ax.set_xlabel("time t")
ax.set_ylabel("wedge φ ∧ θ")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Only the penalty lets it go. The circle on which the non-saturating GAN ends is the one whose area that is:
# $|\varphi| = |\theta| = \sqrt{l}$ with $l = |\varphi\wedge\theta| = 0.03$.
#
# **Predict** the radius from two other starts: $\varphi = (1, 0)$ with $\theta = (0, 0.25)$, and $\varphi = (0.1, 0.2)$ with
# $\theta = (0.2, 0.4)$. Put your two numbers in place of `None` before you run the second cell.

# %%
found = dg.verdict(dg.variant("ns"), dim=2)
start = np.array([0.1, 0.2]), np.array([0.2, 0.1])
area = abs(start[0][0] * start[1][1] - start[0][1] * start[1][0])
print(f"radius of the circle: {found.numbers['radius_theta']:.8f}, root of the area: {np.sqrt(area):.8f}")
assert abs(found.numbers["radius_theta"] - np.sqrt(area)) < 1e-6

# %%
guess = None
for phi0, theta0 in (([1.0, 0.0], [0.0, 0.25]), ([0.1, 0.2], [0.2, 0.4])):
    print(phi0, theta0, dg.verdict(dg.variant("ns"), phi0, theta0).text)
print("predicted:", guess)

# %% [markdown]
# The first has the area 1/4 and the radius 1/2. In the second start critic and generator are collinear: the area is 0, the
# circle has shrunk to the equilibrium, and two dimensions behave like one.

# %% [markdown]
# ## And in a hundred dimensions?
# A loss that no rotation changes never leaves the plane that its start spans: two dimensions decide every higher one.
# (With the datum at 0, and not under clipping to a box or Adam, which see the axes.)

# %%
rng = np.random.default_rng(0)
phi0, theta0 = rng.normal(size=(2, 100)) / 10
run = dg.simulate(dg.variant("ns"), phi0=phi0, theta0=theta0, t1=50.0, backend="scipy")
plane = np.linalg.qr(np.stack([phi0, theta0], axis=1))[0]
theta = run.theta.values
outside = np.linalg.norm(theta - theta @ plane @ plane.T, axis=1).max()
print(f"the path leaves its plane by {outside:.1e} of {np.linalg.norm(theta, axis=1).max():.2f}")

# %% [markdown]
# ## What the list of remedies looks like from here
# A remedy has to break the conservation, and that is not enough, as c = 1 shows. R1 does it, which on a linear critic is
# the same as L2 on its weights; and so does noise on the samples, for losses that are curved. Here the linearisation is
# stable, so that it decides, and in every dimension alike:

# %%
for extra in ({"r1": 0.1}, {"noise": 0.7}):
    v = dg.variant("ns").with_(**extra)
    print(f"{v.label:18} {dg.spectrum(v).text}")

# %% [markdown]
# ## Exercise 1, by hand: what a penalty does to the area
# For a loss that sees the critic through $s = \varphi\cdot\theta$ alone the flow is $\varphi' = -a(s)\,\theta$,
# $\theta' = b(s)\,\varphi$. L2 on the critic adds $-\mu\varphi$ to the first. Differentiate
# $w = \varphi_1\theta_2 - \varphi_2\theta_1$. What is left of the area at time $t$, and how does that depend on the loss?
#
# <details><summary>Solution</summary>
#
# The wedge is bilinear and of a vector with itself it is 0, so
#
# $$w' = \varphi'\wedge\theta + \varphi\wedge\theta' = -a\,\theta\wedge\theta - \mu\,\varphi\wedge\theta + b\,\varphi\wedge\varphi
# = -\mu w.$$
#
# The area is $w(0)\,e^{-\mu t}$, whatever $a$ and $b$ are, and conserved for $\mu = 0$. It falls at twice the rate $\mu/2$ at
# which the players spiral in, as an area should.
#
# </details>

# %%
guess = None  # what is left of the area at t = 20 with mu = 0.1
for name in ("ns", "saturating", "rpgan"):
    run = dg.simulate(dg.variant(name).with_(l2=0.1), t1=20.0, backend="scipy")
    phi, theta = run.phi.values, run.theta.values
    wedge = phi[:, 0] * theta[:, 1] - phi[:, 1] * theta[:, 0]
    print(f"{name:12} {wedge[-1] / wedge[0]:.8f}")
print(f"by hand: {np.exp(-0.1 * 20):.8f}; predicted: {guess}")

# %% [markdown]
# ## Exercise 2: which remedy for which loss?
# Instance noise damped the non-saturating GAN above. Would it damp WGAN with a linear critic, whose losses are
# $L_D = \varphi\cdot(\theta - x_0)$ and $L_G = -\varphi\cdot\theta$, in the mean over noise on both samples? Which
# of noise and R1, both of 0.7, makes the linear WGAN converge in two dimensions?
#
# <details><summary>Solution</summary>
#
# The losses are linear in the samples, so noise of mean 0 drops out: the rotation $\pm i$ stays. (Noise acts through the
# loss's curvature.) L2 and R1 do not need any: with weight $\mu$ the eigenvalues are $-\mu/2 \pm \sqrt{\mu^2/4 - 1}$, each
# as often as there are dimensions.
#
# </details>

# %%
guess = None  # which of the two converges?
for extra in ({"noise": 0.7}, {"r1": 0.7}):
    v = dg.variant("wgan-linear").with_(**extra)
    print(f"{v.label:24} {dg.spectrum(v).eigenvalues.round(4)}")
