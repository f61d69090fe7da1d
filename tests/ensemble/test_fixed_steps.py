"""Fixed steps: the same numbers as the definition, for every registered variant and rule, by every engine."""

from __future__ import annotations

import dataclasses
import textwrap
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.ensemble import blocks, fixed_steps
from diracgan.ensemble.api import ensemble
from diracgan.variants import modifiers, variants

from .conftest import assert_equal, iterated, joined, rk4, starts

SMALL = {"gp_at": "real", "noise": None}


BOTH = [(n, d) for n in variants() for d in (1, 2)]
FEW = [("ns", 1), ("wgan-gp", 2), ("wgan-clip", 2), ("gan-qp", 1), ("ragan", 1)]


@pytest.mark.parametrize(("name", "dim"), slow_but(BOTH, *FEW))
def test_rk4_is_classical_runge_kutta(name, dim):
    phi, theta = starts(40, dim)
    e = ensemble(dg.variant(name), phi, theta, t1=0.5, dt=0.01)
    assert e.attrs["fused"] == "yes"
    assert_equal(joined(e), rk4(dg.variant(name), phi, theta, 0.01, 50))


class Arctangents(dg.Variant):
    """Losses of bounded logits."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean((jnp.arctan(real) - 1) ** 2) + jnp.mean(jnp.arctan(fake) ** 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean((jnp.arctan(fake) - 1) ** 2)


def test_arctangents_are_right_in_vectors_of_any_length(through_xla):
    """jaxlib 0.10 and 0.11 get them wrong in 512 bits, where XLA optimises: with ``XLA_FLAGS=``, as in .ci/full."""
    phi, theta = (2 * z for z in starts(64, 1))
    e = ensemble(Arctangents(), phi, theta, t1=0.2, dt=0.01)
    assert e.attrs["engine"] == "XLA"
    assert_equal(joined(e), rk4(Arctangents(), phi, theta, 0.01, 20))


@pytest.mark.slow  # fast, of a few rules: test_every_rule_in_compiled_c
@pytest.mark.parametrize("name", list(variants()))
def test_compiled_c_is_classical_runge_kutta(name, in_registers):
    phi, theta = starts(300, 2)
    e = ensemble(dg.variant(name), phi, theta, t1=0.5, dt=0.01)
    assert e.attrs["engine"] == "compiled C"
    assert_equal(joined(e), rk4(dg.variant(name), phi, theta, 0.01, 50))


@pytest.mark.slow  # fast, without any: test_rk4_is_classical_runge_kutta
@pytest.mark.parametrize("engine", ["in_registers", "through_xla"])
@pytest.mark.parametrize("name", [m for m in modifiers() if m != "noise"])
def test_every_modifier(name, engine, request):
    request.getfixturevalue(engine)
    variant = dg.variant("ns").with_(**({"gp_at": "real", "gp": 0.2} if name == "gp_at" else {name: 0.2}))
    phi, theta = starts(40, 2)
    assert_equal(joined(ensemble(variant, phi, theta, t1=0.2, dt=0.01)), rk4(variant, phi, theta, 0.01, 20))


@pytest.mark.slow  # fast, of functions: tracing/test_scalar_program.py::test_what_cannot_be_scalarized_runs_on_arrays
def test_instance_noise_is_not_in_scalar_operations_and_says_so():
    variant = dg.variant("ns").with_(noise=0.3)
    phi, theta = starts(5, 1)
    e = ensemble(variant, phi, theta, t1=0.02, dt=0.01)
    assert e.attrs["fused"].startswith("not in scalar operations")
    assert_equal(joined(e), rk4(variant, phi, theta, 0.01, 2))


@pytest.mark.parametrize("name", slow_but(dg.rules(), "alternating", "adam", "extragradient", "lookahead"))
def test_every_rule(name):
    rule = dg.rule(name, lr=0.05)
    phi, theta = starts(30, 2)
    e = ensemble(dg.variant("wgan-gp", c=0.0), phi, theta, rule=rule, steps=20)
    assert_equal(joined(e), iterated(dg.variant("wgan-gp", c=0.0), rule, phi, theta, 20), 1e-11)


@pytest.mark.parametrize(
    "name", slow_but([n for n in dg.rules() if n not in ("implicit", "cgd")], "alternating", "adam", "rk4")
)
def test_every_rule_in_compiled_c(name, in_registers):
    rule = dg.rule(name, lr=0.05, ema=0.9)
    phi, theta = starts(130, 1)
    e = ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=20)
    # what solves equations runs on arrays; web/test_page_programs.py says which rules must not
    assert e.attrs["engine"] == "compiled C" or e.attrs["fused"].endswith(" on arrays")
    assert_equal(joined(e), iterated(dg.variant("ns"), rule, phi, theta, 20), 1e-11)


def test_rule_with_ema_and_several_critic_steps():
    rule = dg.rule("alternating", lr_d=0.1, lr_g=0.05, n_critic=3, ema=0.8)
    phi, theta = starts(1, 2)
    e = ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=7, save=[0, 3, 7])
    one = dg.simulate(dg.variant("ns"), phi0=phi[0], theta0=theta[0], rule=rule, steps=7)
    for name in ("phi", "theta", "phi_ema", "theta_ema"):
        np.testing.assert_allclose(e[name][0], one[name].values[[0, 3, 7]], rtol=0, atol=1e-14)
    assert e["step"].values.tolist() == [0, 3, 7]
    np.testing.assert_allclose(e["time"], [0, 0.15, 0.35])


@pytest.mark.parametrize("engine", ["in_registers", pytest.param("through_xla", marks=pytest.mark.slow)])
def test_a_users_loss_from_a_file(engine, request, tmp_path):
    request.getfixturevalue(engine)
    path = tmp_path / "mine.py"
    path.write_text(
        textwrap.dedent(
            f"""
            import jax, jax.numpy as jnp, diracgan as dg
            @dg.register("odd-{engine}", reference="none")
            class Odd(dg.Variant):
                k: float = 0.7
                def critic_loss(self, real, fake, x_real, x_fake):
                    hinge = jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jnp.log1p(jnp.exp(fake)))
                    return hinge + self.k * jnp.mean(jnp.abs(x_fake - x_real) ** 3)
                def generator_loss(self, real, fake, x_real, x_fake):
                    power = jnp.mean(jnp.sqrt(1 + fake**2) ** 1.5)
                    return power + self.k * jnp.mean(jnp.cos(jnp.sum(x_fake, axis=-1)))
            """
        )
    )
    variant = dg.variants.parse(f"{path}:odd-{engine}")
    phi, theta = starts(50, 3)
    e = ensemble(variant, phi, theta, t1=0.3, dt=0.01)
    assert e.attrs["fused"] == "yes"
    assert e.attrs["reduced"] == "no"
    assert_equal(joined(e), rk4(variant, phi, theta, 0.01, 30))


@pytest.mark.parametrize("method", ["rk4", "tsit5"])
def test_order_of_accuracy(method):
    # The WGAN-GP field with c = 0 is linear: z(t) = exp(t J) z(0).
    from scipy.linalg import expm

    phi, theta = starts(8, 1)
    exact = np.concatenate([phi, theta], axis=1) @ expm(2.0 * np.array([[-0.8, -1.0], [1.0, 0.0]])).T
    sizes = 2.0 / np.array([16, 32, 64] if method == "rk4" else [32, 64, 128])
    errors = []
    for dt in sizes:
        e = ensemble(dg.variant("wgan-gp", c=0.0, lam=0.4), phi, theta, t1=2.0, dt=dt, method=method)
        errors.append(np.abs(joined(e) - exact).max())
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    # Tsitouras' pair does a little better than its order on a linear field
    assert {"rk4": 4, "tsit5": 5}[method] - 0.25 <= slope <= {"rk4": 4, "tsit5": 5}[method] + 0.5


@pytest.mark.parametrize("x0", [None, [0.5, -1.0]])
def test_datum_and_rates(x0):
    phi, theta = starts(20, 2)
    e = ensemble(dg.variant("lsgan"), phi, theta, t1=0.3, dt=0.01, x0=x0, rate_d=2.0, rate_g=0.5)
    rule = dg.rule("rk4", lr_d=0.02, lr_g=0.005)
    assert_equal(joined(e), iterated(dg.variant("lsgan"), rule, phi, theta, 30, x0))


@pytest.mark.parametrize("engine", ["in_registers", "through_xla"])
def test_one_hyperparameter_a_trajectory(engine, request):
    request.getfixturevalue(engine)
    phi, theta = starts(150, 2)
    lam, lr = np.linspace(0, 2, 150), np.linspace(0.01, 0.1, 150)
    variant = dataclasses.replace(dg.variant("wgan-gp"), lam=lam)
    rule = dataclasses.replace(dg.rule("alternating"), lr=lr)
    e = ensemble(variant, phi, theta, rule=rule, steps=25, save="stats")
    assert len(e.attrs["hyperparameters"]) < 100
    for i in (0, 77, 149):
        v, r = dg.variant("wgan-gp", lam=float(lam[i])), dg.rule("alternating", lr=float(lr[i]))
        assert_equal(joined(e)[i : i + 1], iterated(v, r, phi[i : i + 1], theta[i : i + 1], 25))
        one = ensemble(v, phi[i : i + 1], theta[i : i + 1], rule=r, steps=25, save="mean_radius")
        assert float(e["mean_radius"][i]) == pytest.approx(float(one["mean_radius"][0]), rel=1e-12)


@pytest.mark.parametrize("engine", ["in_registers", pytest.param("through_xla", marks=pytest.mark.slow)])
def test_single_precision(engine, request):
    request.getfixturevalue(engine)
    phi, theta = starts(500, 2)
    e = ensemble(dg.variant("ns"), phi, theta, t1=2.0, dt=0.01, dtype="float32")
    assert e["phi"].dtype == np.float32
    expected = rk4(dg.variant("ns"), phi.astype(np.float32), theta.astype(np.float32), 0.01, 200)
    assert_equal(joined(e), expected, 2e-5)


@pytest.mark.parametrize("count", slow_but([1, 2, 127, 129, 2049, 5000], 1, 129, 5000))
def test_any_number_of_trajectories_and_devices(count, in_registers):
    phi, theta = starts(count, 2)
    by_two = ensemble(dg.variant("ns"), phi, theta, t1=0.1, dt=0.01)
    by_one = ensemble(dg.variant("ns"), phi, theta, t1=0.1, dt=0.01, devices=1)
    np.testing.assert_array_equal(joined(by_two), joined(by_one))
    assert_equal(joined(by_two), rk4(dg.variant("ns"), phi, theta, 0.01, 10))


@pytest.mark.parametrize("engine", ["in_registers", "through_xla"])
def test_steps_made_by_runs_are_the_same_to_the_last_bit(engine, request, monkeypatch):
    request.getfixturevalue(engine)
    phi, theta = starts(300, 1)
    how = dict(rule=dg.rule("alternating", lr=0.1, ema=0.9), steps=23, save="stats")
    whole = ensemble(dg.variant("ns"), phi, theta, **how)
    monkeypatch.setattr(fixed_steps, "_RUN", 1)
    monkeypatch.setattr(fixed_steps, "_RUN_S", 0.0)
    by_runs = ensemble(dg.variant("ns"), phi, theta, **how)
    for name in whole.data_vars:
        np.testing.assert_array_equal(by_runs[name], whole[name])


def test_workers_whose_results_nobody_waits_for_end():
    begun, ended = threading.Event(), []

    def work(share):
        if share == 0:
            begun.wait()
            raise KeyboardInterrupt
        begun.set()
        while True:  # for ever, where nobody says that the results are no longer wanted
            try:
                blocks.look_up()
            except blocks.LeftError:
                ended.append(share)
                raise

    two = blocks.Devices("cpu", tuple(jax.local_devices(backend="cpu")[:1]), 2)
    with pytest.raises(KeyboardInterrupt):
        blocks.over(two, work, [0, 1], lambda share: None, "never met before")
    assert ended == [1]
    blocks.look_up()  # nobody has left where nobody was waited for


@pytest.mark.parametrize("engine", ["in_registers", "through_xla"])
def test_a_divergent_trajectory_harms_no_other(engine, request):
    request.getfixturevalue(engine)
    phi, theta = starts(200, 1)
    phi[3], theta[3] = 80.0, -80.0
    rule = dg.rule("simultaneous", lr=0.3)
    e = ensemble(dg.variant("lsgan"), phi, theta, rule=rule, steps=60, save="stats")
    expected = iterated(dg.variant("lsgan"), rule, phi, theta, 60)
    lost = ~np.isfinite(expected).all(axis=1)
    assert lost[3]
    assert not lost.all()
    np.testing.assert_array_equal(e["status"] == 1, lost)
    assert np.isnan(e["phi"][lost]).all()
    assert np.isfinite(e["escape_time"][lost]).all()
    assert_equal(joined(e), expected)


def test_conserved_quantities():
    # Minimax GANs conserve r^2, and with every a/b form the bivector phi^theta (docs/theory.md section 2).
    phi, theta = starts(50, 2)
    e = ensemble(dg.variant("saturating"), phi, theta, t1=20.0, dt=0.01)
    wedge = [
        z[0][:, 0] * z[1][:, 1] - z[0][:, 1] * z[1][:, 0] for z in ((phi, theta), (e["phi"], e["theta"]))
    ]
    np.testing.assert_allclose(wedge[1], wedge[0], rtol=0, atol=1e-8)
    square = [(z[0] ** 2 + z[1] ** 2).sum(axis=1) for z in ((phi, theta), (e["phi"], e["theta"]))]
    np.testing.assert_allclose(square[1], square[0], rtol=1e-8)
