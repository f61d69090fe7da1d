"""Bad input: one line that says what is allowed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import diracgan as dg
from diracgan.ensemble.api import ensemble

GOOD = np.ones((3, 2))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (dict(phi0=np.ones((3, 2, 2))), "phi0 has shape (3, 2, 2)"),
        (dict(phi0=np.ones((4, 2))), "allowed: equal shapes"),
        (dict(phi0=np.zeros((0, 2)), theta0=np.zeros((0, 2))), "N, d >= 1"),
        (dict(phi0="ab"), "not an array of numbers"),
        (dict(phi0=1j * np.ones((3, 2))), "not an array of numbers"),
        (dict(theta0=np.full((3, 2), np.nan)), "not finite"),
        (dict(dt=-0.1), "dt = -0.1"),
        (dict(dt=0.0), "dt = 0"),
        (dict(t1=0.0), "t1 = 0"),
        (dict(t1=1.0, dt=0.03), "the nearest is 0.99"),
        (dict(dt=1e-300), "dt = 1e-300 is too small for t1 = 40: 4e+301 steps"),
        (dict(dt=5e-324), "dt = 4.94066e-324 is too small"),
        (dict(t1=1e300), "is too small for t1 = 1e+300"),
        (dict(t1=40.0, dt=1e-8), "dt >= 1.86e-08"),
        (dict(rule=dg.rule("simultaneous"), steps=2**31), "steps = 2147483648 is too large"),
        (
            dict(rule=dg.rule("simultaneous"), steps=10**30),
            "30 digits is too large; allowed: integers from 1 to 2147483647",
        ),
        (dict(t1=0.004, dt=0.01), "the nearest is 0.01"),
        (dict(method="rk5"), "did you mean 'rk4'"),
        (dict(method="rk4", adaptive=True), "estimates no error"),
        (dict(dt=0.1, adaptive=True), "dt = 0.1 belongs to fixed steps"),
        (dict(rtol=1e-3), "rtol = 0.001 belongs to adaptive"),
        (dict(rtol=-1.0, adaptive=True), "rtol = -1"),
        (dict(max_steps=0, adaptive=True), "max_steps = 0"),
        (dict(steps=10), "needs a rule"),
        (dict(rule=dg.rule("simultaneous"), t1=1.0), "t1 belongs to the flow"),
        (dict(rule=dg.rule("simultaneous"), adaptive=True), "adaptive belongs to the flow"),
        (dict(rule=dg.rule("simultaneous"), rate_d=2.0), "rate_d and rate_g belong to the flow"),
        (dict(rule=dg.rule("simultaneous"), steps=0), "steps = 0"),
        (dict(rule=dg.rule("simultaneous"), steps=5, save=[0, 2.5]), "not a whole number"),
        (dict(rule="simultaneous"), "is not a rule"),
        (dict(dtype="float16"), "unknown dtype"),
        (dict(dtype="number"), "unknown dtype"),
        (dict(save="median"), "unknown statistic 'median'"),
        (dict(save=None), "save"),
        (dict(save=[]), "save"),
        (dict(save=[1.0, 0.5], t1=1.0), "increase"),
        (dict(save=[0.5, 2.0], t1=1.0), "within [0, 1]"),
        (dict(save=[0.123], t1=1.0, dt=0.01), "the nearest is 0.12"),
        (dict(x0=[1.0, 2.0, 3.0]), "x0 has shape (3,)"),
        (dict(x0=[1.0, np.inf]), "x0"),
        (dict(x0="1"), "x0 = '1' is not a vector of numbers"),
        (dict(phi0=np.full((4, 1), "2020", "datetime64[Y]")), "phi0 is not an array of numbers"),
        (dict(theta0=[["1"]]), "theta0 is not an array of numbers"),
        (dict(devices=0), "devices = 0"),
        (dict(devices=4096), "allowed: 1 to"),
        (dict(devices=["cpu"]), "devices"),
        (dict(escape=-1.0), "escape = -1"),
        (dict(rate_g=0.0), "rate_g = 0"),
    ],
)
def test_one_line_says_what_is_allowed(arguments, said):
    given = {"phi0": GOOD, "theta0": GOOD} | arguments
    with pytest.raises(dg.InputError) as error:
        ensemble(dg.variant("ns"), given.pop("phi0"), given.pop("theta0"), **given)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_arrays_of_hyperparameters_are_checked():
    v = dg.variant("wgan-gp")
    with pytest.raises(dg.InputError, match=r"lam has shape \(5,\)"):
        ensemble(dataclasses.replace(v, lam=np.ones(5)), GOOD, GOOD)
    with pytest.raises(dg.InputError, match="lam = -1"):
        ensemble(dataclasses.replace(v, lam=np.array([0.0, 1.0, -1.0])), GOOD, GOOD)
    with pytest.raises(dg.InputError, match="is not a variant"):
        ensemble("ns", GOOD, GOOD)  # type: ignore[arg-type]


def test_a_vector_is_many_trajectories_in_one_dimension():
    e = ensemble(dg.variant("ns"), np.ones(4), np.zeros(4), t1=0.1, dt=0.01)
    assert e["phi"].shape == (4, 1)
