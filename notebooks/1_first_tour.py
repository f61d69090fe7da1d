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
# its remedies. It works in two dimensions and shows where the generator goes; its pictures are drawn anew here, from its
# start $\varphi = (0.1, 0.2)$, $\theta = (0.2, 0.1)$. Each claim is tested in one dimension and in two, by following the
# motion itself.
#
# **Predict, then check.** Some cells hold a `guess = None`. Put your own answer there before you run them: what one has
# predicted, and wrongly, one remembers. Exercises with folded solutions stand at the end.

# %%
import matplotlib.pyplot as plt
import numpy as np

import diracgan as dg


plt.rcParams["figure.dpi"] = 72


def picture(*runs):
    """Where the generator goes, one panel a run: a variant and how long it is followed."""
    fig, axes = plt.subplots(1, len(runs), figsize=(3.6 * len(runs), 3), squeeze=False, layout="constrained")
    for ax, (variant, t1) in zip(axes[0], runs, strict=True):
        dg.plot.path(dg.simulate(variant, t1=t1, backend="scipy"), ax=ax, target="datum")
        ax.set_title(variant.label, fontsize=9)
    plt.show()


# %% [markdown]
# ## The vanilla GAN
# **The article:** it oscillates around the equilibrium and never converges, like every f-GAN.
#
# The linearisation has purely imaginary eigenvalues, so it decides nothing. The verdict looks at the motion itself: in
# one dimension the non-saturating GAN does converge, only slowly; in two it ends on a circle, because the area spanned
# by critic and generator is conserved.
#
# **Predict** the radius of that circle. The area is $l = \lvert\varphi_1\theta_2 - \varphi_2\theta_1\rvert$, and on the circle
# critic and generator are equally long and at a right angle.

# %%
guess = None
ns = dg.variant("ns")
print(dg.spectrum(ns).text)
for dim in (1, 2):
    print(f"d = {dim}:", dg.verdict(ns, dim=dim).text)
print(f"radius: predicted {guess}, root of the area {np.sqrt(abs(0.1 * 0.1 - 0.2 * 0.2)):.4f}")
picture((ns, 400.0))

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
picture((wgan, 10.0))

# %% [markdown]
# ## The gradient penalty: its centre matters
# **The article:** a penalty lam (|grad D| - c)^2 makes WGAN converge for c = 0 and end on a circle for c = 1.
#
# So it is, in two dimensions. Centred at 1 the field has no derivative at the equilibrium, and the radius of the circle is
# exactly the centre, whatever the weight lam.
#
# **Predict** what is left of the circle when c is halved, and when lam is made ten times as large.

# %%
guess = None  # two radii, for (c, lam) = (0.5, 0.1) and (1, 1)
for c, lam in ((0.0, 0.1), (1.0, 0.1), (0.5, 0.1), (1.0, 1.0)):
    v = dg.variant("wgan-gp", c=c, lam=lam)
    print(f"c = {c:g}, lam = {lam:g}: {dg.spectrum(v).status};", dg.verdict(v, dim=2).text)
print("radii: predicted", guess)
picture((dg.variant("wgan-gp", c=0.0), 40.0), (dg.variant("wgan-gp", c=1.0), 80.0))

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
picture((qp, 40.0), (qp.with_(l2=0.1), 70.0))

# %% [markdown]
# ## Averaging the weights
# **The article:** where it oscillates, the average of the weights finds the centre.
#
# The larger the decay of an exponential average, the less of the swing is left in it: about 1 - decay over the angle that
# is turned per step, here $h/2 = 0.05$. It moves nothing in the run, though.
#
# **Predict** what share of the swing is left with a decay of 0.99, and of 0.999.

# %%
guess = None
for decay in (0.99, 0.999):
    rule = dg.rule("alternating", lr=0.1, ema=decay)
    run = dg.simulate(ns, phi0=[0.1, 0.2], theta0=[0.2, 0.1], rule=rule, steps=20000)
    raw, mean = (np.linalg.norm(run[n].values[-2000:], axis=1).mean() for n in ("theta", "theta_ema"))
    print(f"decay {decay}: distance from the data: {raw:.3f} raw, {mean:.5f} averaged, {mean / raw:.4f} of it")
print("shares: predicted", guess)

# %%
rule = dg.rule("alternating", lr=0.1, ema=0.99)
fig, ax = plt.subplots(figsize=(4, 3.2), layout="constrained")
dg.plot.path(dg.simulate(ns, phi0=[0.1, 0.2], theta0=[0.2, 0.1], rule=rule, steps=2000), ax=ax)
plt.show()

# %% [markdown]
# ## Exercise 1: one eigenvalue by hand
# In one dimension the zero-centred penalty of weight $\lambda$ gives
# $L_D = \varphi\theta + \lambda\varphi^2$ and $L_G = -\varphi\theta$.
#
# 1. Write down $\varphi'$, $\theta'$ and the matrix $J$ of this linear system.
# 2. Find its eigenvalues. For which $\lambda$ does it turn, and for which does it go in directly?
# 3. Which $\lambda$ converges fastest, and how fast? What happens for a larger one, and why is more not better?
#
# <details><summary>Solution</summary>
#
# $\varphi' = -\theta - 2\lambda\varphi$ and $\theta' = \varphi$, so
#
# $$J = \begin{pmatrix} -2\lambda & -1 \\ 1 & 0 \end{pmatrix}, \qquad
# \det(J - \mu) = \mu^2 + 2\lambda\mu + 1 = 0, \qquad \mu = -\lambda \pm \sqrt{\lambda^2 - 1}.$$
#
# For $\lambda < 1$ the pair is complex: it turns with $\sqrt{1 - \lambda^2}$ and decays like $e^{-\lambda t}$. From
# $\lambda = 1$ on both are real. The slower one, $-\lambda + \sqrt{\lambda^2 - 1}$, is $-1$ at $\lambda = 1$ and returns to 0,
# like $-1/(2\lambda)$: a critic that is held down so firmly hardly tells the generator where to go. The fastest is
# $\lambda = 1$, with rate 1.
#
# </details>
#
# Check (the eigenvalues by decreasing real part, then what is fastest):

# %%
for lam in (0.1, 0.5, 1.0, 2.0):
    print(f"lam = {lam}:", dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=lam)).eigenvalues.round(4))
print(dg.tune(dg.variant("wgan-gp", c=0.0), {"lam": (0.0, 5.0)}).text)

# %% [markdown]
# ## Exercise 2: design a remedy
# GAN-QP ended on a circle, and L2 of weight $\mu = 0.1$ on its critic made it converge, like $e^{-0.05\,t}$. Choose the $\mu$
# that makes it converge fastest. (Near the equilibrium GAN-QP is $\varphi' = -\theta$, $\theta' = \varphi$, and L2 adds
# $-\mu\varphi$ to the first.) How does it compare with the $\lambda$ of exercise 1?
#
# <details><summary>Solution</summary>
#
# An eigenvalue $\nu$ solves $\nu^2 + \mu\nu + 1 = 0$, so $\nu = -\mu/2 \pm \sqrt{\mu^2/4 - 1}$: the same as above with
# $\lambda = \mu/2$. The fastest is $\mu = 2$, where both eigenvalues are $-1$. On a linear critic L2 of weight $\mu$, R1 of
# weight $\gamma = \mu$ and the zero-centred penalty of weight $\lambda = \mu/2$ are one and the same.
#
# </details>
#
# Check yours; the verdict follows the nonlinear motion, in two dimensions:

# %%
guess = None
mu = 2.0 if guess is None else guess
remedied = qp.with_(l2=mu)
print(remedied.label, "->", dg.verdict(remedied, dim=2).text)
