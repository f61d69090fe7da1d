# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Does the toy predict the real GAN?
# The Dirac game has two numbers. A real GAN has thousands, and data. What carries over? Three claims, kept apart, each
# measured here on networks that are trained as you watch.

# %%
import diracgan as dg

found = dg.compare("ci", variants=["ns"])

# %% [markdown]
# ## A. Linear theory, near an exact equilibrium
# Data come from a frozen generator and the critic's last layer is 0: an equilibrium that is known exactly. Runs start on
# its eigenmodes; the eigenvalues of one iteration predict what they do.

# %%
a = found.A
print(a["claim"])
print(f"stable or not: {a['verdicts']['agree']} of {a['verdicts']['of']} agree, at least {a['verdicts']['lower_bound']:.2f} (95 %)")

# %% [markdown]
# ## B. The Dirac game, mode by mode
# Near that equilibrium the network's coupling has singular values, and each turns like a Dirac game of that strength.

# %%
b = found.B
print(b["claim"])
print(f"{b['verdicts']['agree']} of {b['verdicts']['of']} agree; median error of an eigenvalue {b['eigenvalue_error']['median']:.1e}")
for name, said in b["predictors"].items():
    print(f"  {name:10} {said['verdicts']['agree']} of {said['verdicts']['of']}")

# %% [markdown]
# ## C. Training from scratch
# Here theory stands on thinner ground: no exact equilibrium, a Jacobian that moves. It is measured all the same.

# %%
c = found.C
print(c["claim"])
print(f"{c['verdicts']['agree']} of {c['verdicts']['of']} agree; median error of an eigenvalue {c['eigenvalue_error']['median']:.2f}")

# %% [markdown]
# ## The controls
# A comparison that could not fail says nothing. These must fail, and do.

# %%
for control in found.controls:
    print(control["name"] if isinstance(control, dict) and "name" in control else control)

# %% [markdown]
# ## What to take home
# Near equilibrium the toy predicts the real network, mode by mode, once each mode's overlap damping is counted in. From
# scratch it gives a direction. `diracgan compare` runs the same over all variants, and exits with 1 below its thresholds.
