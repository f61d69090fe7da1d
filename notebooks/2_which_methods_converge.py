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

# %%
found = dg.verdict(dg.variant("ns"), dim=2)
start = np.array([0.1, 0.2]), np.array([0.2, 0.1])
area = abs(start[0][0] * start[1][1] - start[0][1] * start[1][0])
print(f"radius of the circle: {found.numbers['radius_theta']:.8f}, root of the area: {np.sqrt(area):.8f}")
assert abs(found.numbers["radius_theta"] - np.sqrt(area)) < 1e-6

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
# the same as L2 on its weights; and so does noise on the samples, for losses that are curved:

# %%
for extra in ({"r1": 0.1}, {"noise": 0.7}):
    v = dg.variant("ns").with_(**extra)
    print(f"{v.label:18}", *(f"d = {d}: {dg.verdict(v, dim=d).kind}" for d in (1, 2)), sep="   ")
