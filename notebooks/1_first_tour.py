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
# GAN training is a game, not a descent. The *Dirac GAN* is its smallest model: the data are one point, the generator is
# one point, the critic is linear. Here we follow the journey of Su Jianlin's article "The third stage of GAN"
# (kexue.fm/archives/6583) from the flow to its remedies, and test its claims one by one.

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg

# %% [markdown]
# ## The vanilla GAN circles. For ever?
# The linearisation at the equilibrium has purely imaginary eigenvalues, so it decides nothing. The verdict looks at the
# motion itself: in one dimension the non-saturating GAN does converge, only slowly; in two it ends on a circle, because
# the area spanned by critic and generator is conserved.

# %%
ns = dg.variant("ns")
print(dg.spectrum(ns).text)
for dim in (1, 2):
    print(f"d = {dim}:", dg.verdict(ns, dim=dim).text)

# %%
traj = dg.simulate(ns, phi0=[0.1, 0.2], theta0=[0.2, 0.1], t1=100.0)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
dg.plot.path(traj, ax=axes[0])
dg.plot.radii(traj, ax=axes[1])
plt.show()

# %% [markdown]
# ## The gradient penalty: its centre matters
# Centred at 0 it converges. Centred at 1 the field has no derivative at the equilibrium, and the motion ends on a circle
# whose radius is exactly the centre, whatever the weight.

# %%
for c in (0.0, 1.0):
    v = dg.variant("wgan-gp", c=c)
    print(f"c = {c:g}: {dg.spectrum(v).status};", dg.verdict(v).text)

# %% [markdown]
# ## L2 on the critic helps, but not every GAN
# With GAN-QP it makes the circle converge. With the one-centred penalty it only shrinks the circle, to 2 lam c/(2 lam + mu).

# %%
for v in (dg.variant("gan-qp").with_(l2=0.1), dg.variant("wgan-gp", c=1.0).with_(l2=0.1)):
    print(v.label, "->", dg.verdict(v).text)

# %% [markdown]
# ## Averaging the weights
# The average of an oscillation lies near its centre: the gain falls with the decay. It moves nothing, though: what
# diverges still diverges.

# %%
run = dg.simulate(ns, phi0=[0.1, 0.2], theta0=[0.2, 0.1], rule=dg.rule("alternating", lr=0.1, ema=0.999), steps=20000)
raw, mean = (np.linalg.norm(run[n].values[-2000:], axis=1).mean() for n in ("theta", "theta_ema"))
print(f"distance from the data: {raw:.3f} raw, {mean:.5f} averaged")
