# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Your own loss in ten lines
# From an idea to a gate in CI. The idea here: least squares, with the generator's target halfway. It is one file, `my.py`,
# which in your repository you write by hand:

# %%
import os
import tempfile
from pathlib import Path

import diracgan as dg

os.chdir(tempfile.mkdtemp())  # in place of your repository
Path("my.py").write_text('''
import jax.numpy as jnp, diracgan as dg


@dg.register("halfway", reference="this notebook")
class Halfway(dg.Variant):
    """Least squares, the generator aims halfway."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return 0.5 * jnp.mean((real - 1) ** 2) + 0.5 * jnp.mean((fake + 1) ** 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return 0.5 * jnp.mean((fake - 0.5) ** 2)
''')
v = dg.variants.parse("my.py:halfway")

# %% [markdown]
# ## What does it do?
# First what the linearisation says, then what truly happens.
#
# **By hand.** With the datum at 0 a real logit is 0 and a fake one is $s = \varphi\theta$ in one dimension. Which flow do the two
# losses give, and which eigenvalues has it at $\varphi = \theta = 0$?
#
# <details><summary>Solution</summary>
#
# $L_D = \tfrac12 + \tfrac12(s + 1)^2$ and $L_G = \tfrac12(s - \tfrac12)^2$, so $\varphi' = -(s + 1)\,\theta$ and
# $\theta' = (\tfrac12 - s)\,\varphi$. At $s = 0$ the matrix is
#
# $$J = \begin{pmatrix} 0 & -1 \\ \tfrac12 & 0 \end{pmatrix}, \qquad \mu^2 + \tfrac12 = 0, \qquad
# \mu = \pm i/\sqrt2 \approx \pm 0.7071\,i.$$
#
# On the imaginary axis: it turns, and the linearisation does not decide whether in or out.
#
# </details>
#
# Check:

# %%
guess = None
print("found:", dg.spectrum(v).eigenvalues.round(4), "predicted:", guess)
print(dg.spectrum(v).text)
for d in (1, 2):
    print(f"d = {d}:", dg.verdict(v, dim=d).text)

# %% [markdown]
# It is marginal, and in two dimensions it never arrives.
#
# ## What would help?
# A penalty on the critic's slope at the data, R1. How much of it is best?
#
# **Predict**: R1 of weight $\gamma$ adds $-\gamma\varphi$ to $\varphi'$, so $\mu^2 + \gamma\mu + \tfrac12 = 0$. It is fastest
# where the two eigenvalues meet.

# %%
guess = None
best = dg.tune(v, {"r1": (0.0, 10.0)})
print(best.text, f"; predicted {guess}", sep="")
chosen = round(best.best["r1"], 1)
print(dg.verdict(v.with_(r1=chosen), dim=2).text)

# %% [markdown]
# ## See it

# %%
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.9))
for ax, w in zip(axes, (v, v.with_(r1=chosen))):
    dg.plot.path(dg.simulate(w, t1=40.0, backend="scipy"), ax=ax)
    ax.set_title(w.label.split("/")[-1])
fig.subplots_adjust(wspace=0.6, bottom=0.25)
plt.show()

# %% [markdown]
# ## Exercise: design another remedy
# Suppose that R1 is too slow for you (it needs a second derivative), and you put noise of standard deviation $\sigma$ on all
# samples instead. The losses are squares, so their mean over the noise is exact: what do they become? Which
# $\sigma$ does the same, near the equilibrium, as R1 of weight $\gamma$, and which is best?
#
# <details><summary>Solution</summary>
#
# With $\varepsilon$ of mean 0 and variance 1 the mean of $(\varphi(x + \sigma\varepsilon) - y)^2$ is
# $(\varphi x - y)^2 + \sigma^2\varphi^2$. The critic pays that twice, on real and on fake samples:
# $L_D$ gains $2\cdot\tfrac12\sigma^2\varphi^2 = \sigma^2\varphi^2$, and $\varphi'$ gains $-2\sigma^2\varphi$. The generator's loss gains
# $\tfrac12\sigma^2\varphi^2$, in which it has no say. So $\gamma = 2\sigma^2$; the best $\gamma = \sqrt2$ is
# $\sigma = 2^{-1/4} \approx 0.8409$.
#
# </details>
#
# Check yours: both eigenvalues at $-1/\sqrt2$. (That is stable, so it decides in every dimension.)

# %%
sigma = 2**-0.25  # your own here
for w in (v.with_(noise=sigma), v.with_(r1=2 * sigma**2)):
    print(w.label.split("/")[-1], dg.spectrum(w).eigenvalues.round(4))

# %% [markdown]
# ## Keep it so
# `diracgan report` judges it as a flow and under rules, and exits with 1 on what you name. A shell would say
#
#     diracgan report my.py:halfway --fail-on limit-circle,diverges,finite-time
#
# and this is what the gate says of the bare loss, and of the one with the penalty, which it keeps as a baseline:

# %%
import subprocess
import sys


def report(*words):
    gate = "--fail-on", "limit-circle,diverges,finite-time"
    done = subprocess.run([sys.executable, "-m", "diracgan", "report", *words, *gate], capture_output=True, text=True)
    print(done.stdout, *done.stderr.splitlines()[:4], f"exit code {done.returncode}", sep="\n")


report("my.py:halfway")
report(f"my.py:halfway:r1={chosen}", "--out", "baseline.json")

# %% [markdown]
# Commit `my.py` and `baseline.json`. From then on the same arguments with `--baseline` fail, with names, on whatever has
# changed. Somebody moves the generator's target:

# %%
text = Path("my.py").read_text()
Path("my.py").write_text(text.replace("(fake - 0.5)", "(fake - 0.1)"))
report(f"my.py:halfway:r1={chosen}", "--baseline", "baseline.json")

# %% [markdown]
# In `.github/workflows/dynamics.yml` that is one step after those which check out, set up Python and install diracgan
# (the README has the whole file):
#
#     - run: diracgan report my.py:halfway:r1=1.4 --baseline baseline.json --fail-on limit-circle,diverges,finite-time
