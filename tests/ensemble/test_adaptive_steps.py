"""Adaptive steps: within tolerance of an independent solver, whatever else is in the ensemble."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from selection import slow_but

import diracgan as dg
from diracgan.ensemble import compiled_adaptive
from diracgan.ensemble.api import STATUS, ensemble

from .conftest import joined, starts


@pytest.fixture(params=["XLA", "compiled C"], autouse=True)
def engine(request, monkeypatch):
    """Every truth of this file holds whichever runs it."""
    request.getfixturevalue("c_compiler" if request.param == "compiled C" else "through_xla")
    monkeypatch.setattr(compiled_adaptive, "WORTH", 0 if request.param == "compiled C" else np.inf)
    return request.param


# what also holds through XLA is left to .ci/full where DOP853, a datum and what gives up are compared in both
IN_C = [pytest.param("XLA", marks=pytest.mark.slow), "compiled C"]


def solved(variant, phi, theta, t1, x0=None):
    """DOP853 to 1e-12, from the field's own function."""
    import jax

    dim = phi.shape[1]
    with jax.enable_x64(True):
        field = dg.field(variant, x0)
        joint = jax.jit(lambda y: jax.numpy.concatenate(field(y[:dim], y[dim:])))

        def rhs(_, y):
            return np.asarray(joint(y))

        ends = [
            solve_ivp(rhs, (0, t1), np.concatenate([a, b]), "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
            for a, b in zip(phi, theta, strict=True)
        ]
    return np.array(ends)


@pytest.mark.parametrize("name", slow_but(["ns", "saturating", "wgan", "gan-qp", "lsgan", "ragan"], "ns"))
def test_within_tolerance_of_dop853(name, engine):
    phi, theta = starts(4, 2)
    phi /= np.linalg.norm(phi, axis=1)[
        :, None
    ]  # the normalised critic magnifies errors by exp(|theta| t / |phi|)
    expected = solved(dg.variant(name), phi, theta, 3.0)
    errors = []
    for rtol in (1e-4, 1e-7, 1e-10):
        e = ensemble(dg.variant(name), phi, theta, t1=3.0, adaptive=True, rtol=rtol, atol=1e-3 * rtol)
        assert (e["status"] == 0).all()
        assert e.attrs["engine"] == engine
        errors.append(np.abs(joined(e) - expected).max() / rtol)
    assert max(errors) < 50  # steps x amplification of one step's error
    assert errors[-1] * 1e-10 < 1e-8


def test_a_datum_and_saved_times():
    phi, theta = starts(4, 2)
    x0 = [0.5, -0.3]
    e = ensemble(
        dg.variant("ns"),
        phi,
        theta,
        t1=4.0,
        adaptive=True,
        rtol=1e-9,
        atol=1e-12,
        x0=x0,
        save=[0.0, 1.5, 4.0],
    )
    assert e["phi"].shape == (4, 3, 2)
    np.testing.assert_array_equal(e["phi"][:, 0], phi)
    for k, t in ((1, 1.5), (2, 4.0)):
        np.testing.assert_allclose(
            joined(e)[:, k], solved(dg.variant("ns"), phi, theta, t, x0), rtol=0, atol=1e-7
        )


@pytest.mark.slow  # fast, of fixed steps: test_fixed_steps.py::test_datum_and_rates
def test_halved_rates_double_the_time():
    phi, theta = starts(4, 2)
    slow = ensemble(
        dg.variant("ns"), phi, theta, t1=8.0, adaptive=True, rate_d=0.5, rate_g=0.5, rtol=1e-9, atol=1e-12
    )
    fast = ensemble(dg.variant("ns"), phi, theta, t1=4.0, adaptive=True, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(joined(slow), joined(fast), rtol=0, atol=1e-7)


@pytest.mark.parametrize("engine", IN_C, indirect=True)
def test_stiff_company_does_not_spoil_accuracy_or_finish():
    # Normalised critic: its direction follows theta at the rate |theta|/rho^2, rho = |phi|; one in four is about
    # a thousand times stiffer than the rest.
    phi, theta = starts(64, 2)
    phi[::4] *= 0.03
    e = ensemble(
        dg.variant("wgan"), phi, theta, t1=1.0, adaptive=True, rtol=1e-8, atol=1e-11, max_steps=100_000
    )
    assert (e["status"] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(e["phi"], axis=1), np.linalg.norm(phi, axis=1), rtol=1e-4)
    easy = np.arange(64) % 4 == 1
    np.testing.assert_allclose(
        joined(e)[easy], solved(dg.variant("wgan"), phi[easy], theta[easy], 1.0), atol=1e-5
    )


def test_who_cannot_go_on_is_said_and_left_alone():
    # wgan-div with p = 6 is stiff beyond measure from far away; max_steps gives it up, the others arrive.
    phi, theta = starts(100, 2)
    phi[7] *= 1e6
    e = ensemble(dg.variant("wgan-div"), phi, theta, t1=1.0, adaptive=True, max_steps=3000)
    assert STATUS[int(e["status"][7])] != "ok"
    assert np.isnan(joined(e)[7]).all()
    others = np.delete(np.arange(100), 7)
    assert (e["status"][others] == 0).all()
    np.testing.assert_allclose(
        joined(e)[others[:5]],
        solved(dg.variant("wgan-div"), phi[others[:5]], theta[others[:5]], 1.0),
        atol=1e-5,
    )


@pytest.mark.parametrize("engine", IN_C, indirect=True)
def test_an_explosion_is_called_divergence():
    # L_D = L_G = -D(theta)^2/2: phi' = s theta, theta' = s phi, and in d = 1 from phi = theta = r: r' = r^3, which
    # explodes at t = 1/(2 r^2).
    import jax.numpy as jnp

    class Explosive(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return -0.5 * jnp.mean(fake**2)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -0.5 * jnp.mean(fake**2)

    r = np.linspace(0.2, 2.0, 60)[:, None]
    e = ensemble(
        Explosive(), r, r, t1=1.0, adaptive=True, rtol=1e-9, atol=1e-12, save="escape_time", escape=100.0
    )
    pole = 1 / (2 * r[:, 0] ** 2)
    np.testing.assert_array_equal(e["status"], np.where(pole < 1.0, 1, 0))
    gone = pole < 1.0
    np.testing.assert_allclose(e["escape_time"][gone], pole[gone] - 1 / 1e4, rtol=1e-3)
    assert np.isnan(e["escape_time"][~gone]).all()
    np.testing.assert_allclose(e["phi"][~gone, 0], 1 / np.sqrt(1 / r[~gone, 0] ** 2 - 2), rtol=1e-6)


@pytest.mark.parametrize("engine", IN_C, indirect=True)
def test_statistics_agree_with_fine_fixed_steps():
    phi, theta = starts(30, 2)
    a = ensemble(
        dg.variant("ns"), phi, theta, t1=6.0, adaptive=True, rtol=1e-10, atol=1e-12, save="stats", escape=1.5
    )
    b = ensemble(dg.variant("ns"), phi, theta, t1=6.0, dt=0.005, save="stats", escape=1.5)
    np.testing.assert_allclose(a["mean_radius"], b["mean_radius"], rtol=2e-3)
    np.testing.assert_allclose(a["arc"], b["arc"], rtol=2e-3)
    np.testing.assert_allclose(a["phi_max"], b["phi_max"], atol=2e-2)


@pytest.mark.slow  # fast, of fixed steps: test_fixed_steps.py::test_single_precision
def test_single_precision():
    phi, theta = starts(200, 2)
    e = ensemble(dg.variant("ns"), phi, theta, t1=5.0, adaptive=True, dtype="float32")
    fine = ensemble(dg.variant("ns"), phi, theta, t1=5.0, adaptive=True, rtol=1e-10, atol=1e-12)
    assert e["phi"].dtype == np.float32
    np.testing.assert_allclose(joined(e), joined(fine), atol=2e-3)
