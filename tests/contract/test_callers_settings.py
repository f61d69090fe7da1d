"""Settings of JAX that a caller has made for code of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.cli.app import main
from diracgan.comparison import prediction
from diracgan.gallery.basins_overlay import flat_field
from diracgan.parameters import in_double

V, R, BY = dg.variant("ns", r1=0.3), dg.rule("adam", lr=0.1), dg.rule("alternating", lr=0.1)
AT = np.array([0.1]), np.array([0.2])
OWN = jnp.ones(3), 2 * jnp.ones(3)
LOG = {"d": 1.386 + 0.1 * np.sin(0.3 * np.arange(200)), "g": 0.693 + 0.1 * np.cos(0.3 * np.arange(200))}


def own_losses():
    """Eigenvalues of two losses of the caller's own."""
    made = dg.measure.game(
        lambda phi, theta, x: jnp.logaddexp(0.0, phi @ theta) + 0.5 * phi @ phi + x @ phi,
        lambda phi, theta, x: jnp.logaddexp(0.0, -phi @ theta),
        *OWN,
        batches=[OWN[0]],
    )
    return dg.measure.spectrum(made, k=2).eigenvalues


def optax_rule():
    pytest.importorskip("optax")
    return dg.spectrum(V, rule=dg.rule("optax:rmsprop", lr=0.1)).multipliers


def picture():
    with tempfile.TemporaryDirectory() as folder:
        assert main(["plot", "-v", "ns", "--t1", "3", "--out", f"{folder}/a.png"]) == 0
        return np.frombuffer(Path(folder, "a.png").read_bytes(), np.uint8)


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
    "tuned": lambda: str(dg.tune(V, ["lr"], rule=BY)),
    "critical": lambda: str(dg.critical(V, "lr", rule=dg.rule("extragradient", lr=0.1))),
    "spectra": lambda: dg.spectra(dg.variant("wgan-gp", c=0.0, lam=[0.1, 0.5]), 2).eigenvalues,
    "reduced": lambda: (
        dg.ensemble(V, np.full((2, 5), 0.1), np.full((2, 5), 0.2), dt=0.1, t1=1.0).theta.values
    ),
    "compared": lambda: prediction.steps(
        "alternating", np.array([0.1]), np.array([[[-1.0, 0.3], [-0.3, 0.0]]])
    ),
    "gallery": lambda: flat_field(V)(np.ones((3, 1)), np.full((3, 1), 2.0))[0],
    "picture": picture,
    "optax": optax_rule,
    "blurred": lambda: dg.verdict(dg.variant("ns", noise=0.1)).numbers["rate"],
    "own losses": own_losses,
    "log": lambda: str(dg.diagnose(LOG)),
    "noise": lambda: dg.simulate(V, sde=0.1, sde_step=0.1, t1=1.0, seed=1).theta.values,
}
SETTINGS = {
    "strict promotion": lambda: (jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise")),
    "no implicit transfer": lambda: (jax.transfer_guard("disallow"),),
    "leaks checked": lambda: (jax.checking_leaks(),),  # diffrax's own loops end in an IndexError of JAX's
    "nothing compiled": lambda: (jax.disable_jit(),),  # diffrax's loops of diracgan's lengths do not end so
    "stopped at NaN": lambda: (jax.debug_nans(True), jax.debug_infs(True)),
    "coarse products": lambda: (jax.default_matmul_precision("BF16_BF16_F32"),),
    "other random numbers": lambda: (jax.default_prng_impl("rbg"), jax.threefry_partitionable(False)),
}
# the others are as wide as their caller's arrays, which follow the caller's setting
OF_ONE_WIDTH = [n for n in ASKED if n not in ("pure flow", "own losses")]
LATER = {"tuned", "blurred", "own losses", "optax", "log", "picture", "noise", "critical", "reduced"}
# in 32 bits products are as exact as a caller asks for
PAIRS = [(s, n) for s in SETTINGS for n in (OF_ONE_WIDTH if s == "coarse products" else ASKED)]
FIRST = [p for p in PAIRS if p[1] not in LATER and p[0] in [*SETTINGS][:4]]
FIRST += [("other random numbers", "noise"), ("coarse products", "compared"), ("stopped at NaN", "exponents")]
FIRST += [("no implicit transfer", "log"), ("no implicit transfer", "own losses")]


@pytest.fixture(scope="module")
def usual():
    known = {}

    def of(name):
        if name not in known:
            known[name] = ASKED[name]()
        return known[name]

    return of


@pytest.mark.parametrize(("setting", "name"), slow_but(PAIRS, *FIRST))
def test_a_callers_settings_change_no_answer(usual, name, setting):
    expected = usual(name)
    with contextlib.ExitStack() as settings:
        for one in SETTINGS[setting]():
            settings.enter_context(one)
        np.testing.assert_array_equal(ASKED[name](), expected)


@pytest.mark.parametrize("name", slow_but(OF_ONE_WIDTH, *[n for n in OF_ONE_WIDTH if n not in LATER]))
def test_where_64_bits_are_usual_answers_are_the_same(usual, name):
    expected = usual(name)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(ASKED[name](), expected)


def words() -> dict[str, str]:
    """Every answer to its last digit, from a process of its own."""
    return {name: repr(np.asarray(ASKED[name]()).tolist()) for name in OF_ONE_WIDTH}


@pytest.mark.slow  # fast, of 64 bits on one device: test_where_64_bits_are_usual_answers_are_the_same
@pytest.mark.parametrize("double", [False, True])
def test_on_the_second_of_several_devices_answers_are_the_same(usual, double):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = environment.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    here = Path(__file__)
    program = (
        f"import sys; sys.path[:0] = [{str(here.parent)!r}, {str(here.parents[1])!r}]\n"
        "import jax, json\n"
        "import test_callers_settings as asked\n"
        "jax.config.update('jax_default_device', jax.devices()[1])\n"
        f"jax.config.update('jax_enable_x64', {double})\n"
        "found = asked.words()\n"
        "assert jax.config.jax_default_device == jax.devices()[1]\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {name: repr(np.asarray(usual(name)).tolist()) for name in OF_ONE_WIDTH}


def test_what_a_caller_has_set_is_set_afterwards():
    with jax.disable_jit(), jax.checking_leaks(), jax.numpy_dtype_promotion("strict"), jax.debug_nans(True):
        dg.simulate(V, rule=R, steps=2)
        assert jax.config.jax_disable_jit and jax.config.jax_check_tracer_leaks and jax.config.jax_debug_nans
        assert jax.config.jax_numpy_dtype_promotion == "strict"
        assert not in_double()
