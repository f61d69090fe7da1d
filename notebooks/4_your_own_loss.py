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
# From an idea to a gate in CI. The idea here: least squares, with the generator's target halfway.

# %%
import json
import tempfile
from pathlib import Path

import diracgan as dg

source = '''
import jax.numpy as jnp, diracgan as dg


@dg.register("halfway", reference="this notebook")
class Halfway(dg.Variant):
    """Least squares, the generator aims halfway."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return 0.5 * jnp.mean((real - 1) ** 2) + 0.5 * jnp.mean((fake + 1) ** 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return 0.5 * jnp.mean((fake - 0.5) ** 2)
'''
folder = Path(tempfile.mkdtemp())
path = folder / "my.py"
path.write_text(source)
v = dg.variants.parse(f"{path}:halfway")

# %% [markdown]
# ## What does it do?
# First what the linearisation says, then what truly happens.

# %%
print(dg.spectrum(v).text)
for d in (1, 2):
    print(f"d = {d}:", dg.verdict(v, dim=d).text)

# %% [markdown]
# ## What would help?

# %%
best = dg.tune(v, {"r1": (0.0, 10.0)})
print(best.text)
print(dg.verdict(v.with_(r1=best.best["r1"]), dim=2).text)

# %% [markdown]
# ## See it

# %%
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.9))
for ax, w in zip(axes, (v, v.with_(r1=0.5))):
    dg.plot.path(dg.simulate(w, t1=40.0, backend="scipy"), ax=ax)
    ax.set_title(w.label.split("/")[-1])
fig.subplots_adjust(wspace=0.6, bottom=0.25)
plt.show()

# %% [markdown]
# ## Keep it so
# `diracgan report` judges it as a flow and under rules, and exits with 1 on what you name. Committed as a baseline, the
# answer is held against every later change.

# %%
from diracgan.cli.app import main

baseline = folder / "baseline.json"
words = ["report", f"{path}:halfway:r1=0.5", "--fail-on", "diverges,finite-time", "--out", str(baseline)]
print("exit code", main(words))
print("kept:", ", ".join(json.loads(baseline.read_text())))
