"""Settings of JAX that a caller has made for code of their own."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import diracgan as dg

V, R = dg.variant("ns", r1=0.3), dg.rule("adam", lr=0.1)
ASKED = {
    "steps": lambda: dg.simulate(V, rule=R, steps=5).theta.values,
    "multipliers": lambda: dg.spectrum(V, rule=dg.rule("amsgrad")).multipliers,
    "on the device": lambda: np.asarray(dg.ensemble(V, [[0.1]], [[0.2]], t1=1.0, dt=0.1, arrays="jax").theta),
    "networks": lambda: dg.train("ns", "ring8", steps=2).metrics[-1]["loss_d"],
}


@pytest.mark.parametrize("name", ASKED)
def test_strict_promotion_changes_no_answer(name):
    usual = ASKED[name]()
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        np.testing.assert_array_equal(ASKED[name](), usual)
