# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # A first tour
# GAN training is a game, not a descent. The *Dirac GAN* is its smallest model: the data are the one point 0, the
# generator is one point $\theta$, and the critic is linear, $D(x) = \varphi\cdot x$. Each player descends a loss of its
# own, $\varphi' = -\nabla_\varphi L_D$ and $\theta' = -\nabla_\theta L_G$: a vector field that need not be the
# gradient of anything. Its equilibrium is $\varphi = \theta = 0$.
#
# Here we follow the journey of Su Jianlin's article "The third stage of GAN" (kexue.fm/archives/6583) from the flow to
# its remedies. It works in two dimensions; each claim is tested in one dimension and in two, by following the motion
# itself.

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

# %% [markdown]
# ## The vanilla GAN
# **The article:** it oscillates around the equilibrium and never converges, like every f-GAN.
#
# The linearisation has purely imaginary eigenvalues, so it decides nothing. The verdict looks at the motion itself: in
# one dimension the non-saturating GAN does converge, only slowly; in two it ends on a circle, because the area spanned
# by critic and generator is conserved.

# %%
ns = dg.variant("ns")
print(dg.spectrum(ns).text)
for dim in (1, 2):
    print(f"d = {dim}:", dg.verdict(ns, dim=dim).text)

# %%
traj = dg.simulate(ns, phi0=[0.1, 0.2], theta0=[0.2, 0.1], ts=np.linspace(0, 600, 6001))
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
dg.plot.path(traj, ax=axes[0])
dg.plot.radii(traj, ax=axes[1])
plt.show()

# %% [markdown]
# ## WGAN with a critic of length 1
# **The article:** normalising the critic is not enough, it oscillates.
#
# There is no equilibrium to oscillate around, for a critic of length 0 cannot be normalised. In one dimension the
# generator leaves; in two it keeps an orbit whose size its start has set.

# %%
wgan = dg.variant("wgan")
print(dg.spectrum(wgan).text)
for dim in (1, 2):
    print(f"d = {dim}:", dg.verdict(wgan, dim=dim).text)

# %% [markdown]
# ## The gradient penalty: its centre matters
# **The article:** a penalty lam (|grad D| - c)^2 makes WGAN converge for c = 0 and end on a circle for c = 1.
#
# So it is, in two dimensions. Centred at 1 the field has no derivative at the equilibrium, and the radius of the circle is
# exactly the centre, whatever the weight lam.

# %%
for c, lam in ((0.0, 0.1), (1.0, 0.1), (1.0, 1.0)):
    v = dg.variant("wgan-gp", c=c, lam=lam)
    print(f"c = {c:g}, lam = {lam:g}: {dg.spectrum(v).status};", dg.verdict(v, dim=2).text)

# %% [markdown]
# ## L2 on the critic helps, but not every GAN
# **The article:** GAN-QP, which divides the difference of the critic's outputs by the distance of the samples,
# oscillates too; a little L2 on the critic's weights makes it converge, as it helps any GAN.
#
# It does help GAN-QP, here with $\mu/2\,|\varphi|^2$ and $\mu = 0.1$. With the one-centred penalty it only shrinks the
# circle, to $2\,\mathrm{lam}\,c/(2\,\mathrm{lam} + \mu) = 2/3$.

# %%
qp, centred = dg.variant("gan-qp"), dg.variant("wgan-gp", c=1.0)
for v in (qp, qp.with_(l2=0.1), centred.with_(l2=0.1)):
    print(v.label, "->", dg.verdict(v, dim=2).text)

# %% [markdown]
# ## Averaging the weights
# **The article:** where it oscillates, the average of the weights finds the centre.
#
# The larger the decay of an exponential average, the less of the swing is left in it: about 1 - decay over the angle that
# is turned per step, here 0.001/0.05 = 0.02. It moves nothing in the run, though.

# %%
run = dg.simulate(ns, phi0=[0.1, 0.2], theta0=[0.2, 0.1], rule=dg.rule("alternating", lr=0.1, ema=0.999), steps=20000)
raw, mean = (np.linalg.norm(run[n].values[-2000:], axis=1).mean() for n in ("theta", "theta_ema"))
print(f"distance from the data: {raw:.3f} raw, {mean:.5f} averaged, {mean / raw:.3f} of it")
