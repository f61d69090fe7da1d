"""Settings of JAX that a caller has made for code of their own."""

from __future__ import annotations

import contextlib

import jax
import numpy as np
import pytest

import diracgan as dg

V, R = dg.variant("ns", r1=0.3), dg.rule("adam", lr=0.1)
AT = np.array([0.1]), np.array([0.2])
ASKED = {
    "steps": lambda: dg.simulate(V, rule=R, steps=5).theta.values,
    "flow": lambda: dg.simulate(V, t1=2.0).theta.values,
    "pure flow": lambda: np.asarray(dg.flow(V, *AT, np.linspace(0.0, 1.0, 3)).theta),
    "multipliers": lambda: dg.spectrum(V, rule=dg.rule("amsgrad")).multipliers,
    "exponents": lambda: dg.verdict(V).numbers["rate"],
    "explained": lambda: str(dg.explain(V)),
    "on the host": lambda: dg.ensemble(V, [[0.1]], [[0.2]], t1=1.0, dt=0.1).theta.values,
    "on the device": lambda: np.asarray(dg.ensemble(V, [[0.1]], [[0.2]], t1=1.0, dt=0.1, arrays="jax").theta),
    "networks": lambda: dg.train("ns", "ring8", steps=2).metrics[-1]["loss_d"],
}
SETTINGS = {
    "strict promotion": lambda: (jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise")),
    "no implicit transfer": lambda: (jax.transfer_guard("disallow"),),
    "leaks checked": lambda: (jax.checking_leaks(),),  # diffrax's own loops end in an IndexError of JAX's
    "nothing compiled": lambda: (jax.disable_jit(),),  # diffrax's loops of diracgan's lengths do not end so
}


@pytest.fixture(scope="module")
def usual():
    return {name: ask() for name, ask in ASKED.items()}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_callers_settings_change_no_answer(usual, name, setting):
    with contextlib.ExitStack() as settings:
        for one in SETTINGS[setting]():
            settings.enter_context(one)
        np.testing.assert_array_equal(ASKED[name](), usual[name])


@pytest.mark.parametrize(
    "name", [n for n in ASKED if n != "pure flow"]
)  # it is as wide as its caller's arrays
def test_where_64_bits_are_usual_answers_are_the_same(usual, name):
    with jax.enable_x64(True):
        np.testing.assert_array_equal(ASKED[name](), usual[name])


def test_what_a_caller_has_set_is_set_afterwards():
    with jax.disable_jit(), jax.checking_leaks(), jax.numpy_dtype_promotion("strict"):
        dg.simulate(V, rule=R, steps=2)
        assert jax.config.jax_disable_jit and jax.config.jax_check_tracer_leaks
        assert jax.config.jax_numpy_dtype_promotion == "strict"
