"""Statistics accumulated in the loop, against NumPy on a dense run."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg
from diracgan.ensemble.api import ensemble

from .conftest import starts


@pytest.mark.parametrize(
    ("engine", "x0"),
    [
        ("in_registers", [0.3, -0.2]),
        ("through_xla", None),
        pytest.param("in_registers", None, marks=pytest.mark.slow),
        pytest.param("through_xla", [0.3, -0.2], marks=pytest.mark.slow),
    ],
)
def test_statistics_are_those_of_the_dense_run(engine, x0, request):
    request.getfixturevalue(engine)
    phi, theta = starts(20, 2, seed=3)
    phi[0], theta[0] = [0.01, 0.0], [0.01, 0.0]
    v, dt, n = dg.variant("ns"), 0.05, 200
    kind = dict(t1=n * dt, dt=dt, x0=x0)
    e = ensemble(v, phi, theta, save="stats", escape=1.7, ball=0.3, **kind)
    dense = ensemble(v, phi, theta, save=np.arange(n + 1) * dt, **kind)
    p, t = dense["phi"], dense["theta"]
    np.testing.assert_allclose(e["phi"], p[:, -1], atol=1e-13)
    for name, values in (("phi", p), ("theta", t)):
        np.testing.assert_allclose(e[f"{name}_min"], values.min(axis=1), atol=1e-13)
        np.testing.assert_allclose(e[f"{name}_max"], values.max(axis=1), atol=1e-13)
    r = np.sqrt((p**2).sum(axis=2) + ((t - (0 if x0 is None else x0)) ** 2).sum(axis=2))
    np.testing.assert_allclose(e["mean_radius"], np.trapezoid(r, dx=dt, axis=1) / (n * dt), rtol=1e-12)
    steps = np.diff(np.concatenate([p, t], axis=2), axis=1)
    np.testing.assert_allclose(e["arc"], np.sqrt((steps**2).sum(axis=2)).sum(axis=1), rtol=1e-12)
    for name, met in (("escape_time", r >= 1.7), ("entry_time", r <= 0.3)):
        first = np.where(met.any(axis=1), met.argmax(axis=1) * dt, np.nan)
        np.testing.assert_allclose(e[name], first, rtol=1e-12)
        assert np.isnan(first).any()
        assert np.isfinite(first).any()


def test_only_what_is_asked_for_is_there():
    phi, theta = starts(3, 2)
    e = ensemble(dg.variant("ns"), phi, theta, t1=0.1, dt=0.01)
    assert set(e.data_vars) == {"phi", "theta", "status"}
    e = ensemble(dg.variant("ns"), phi, theta, t1=0.1, dt=0.01, save=["arc", "max"])
    assert set(e.data_vars) == {"phi", "theta", "status", "arc", "phi_max", "theta_max"}


def test_a_rule_with_memory_is_watched_too():
    phi, theta = starts(9, 1)
    rule = dg.rule("adam", lr=0.05)
    e = ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=30, save="stats")
    dense = ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=30, save=np.arange(31))
    np.testing.assert_allclose(e["phi_max"], dense["phi"].max(axis=1), rtol=1e-13)
    np.testing.assert_allclose(e["theta_min"], dense["theta"].min(axis=1), rtol=1e-13)


def test_what_diverged_keeps_its_last_finite_numbers():
    phi, theta = np.array([[3.0], [0.1]]), np.array([[3.0], [0.1]])
    e = ensemble(
        dg.variant("lsgan"), phi, theta, rule=dg.rule("simultaneous", lr=1.5), steps=200, save="stats"
    )
    assert e["status"][0] == 1
    assert np.isnan(e["phi"][0]).all()
    assert np.isfinite(e["mean_radius"][0])
    assert np.isfinite(e["arc"][0])
    assert np.isfinite(e["phi_max"][0]).all()
    assert e["escape_time"][0] > 0


def test_adaptive_steps_are_looked_into():
    # the rotation has phi = cos t, theta = sin t: both extremes are 1, the path has the length t, the radius is 1
    e = ensemble(dg.variant("wgan-linear"), [[1.0]], [[0.0]], t1=20.0, adaptive=True, save="stats", ball=1.5)
    extremes = [float(e[n][0, 0]) for n in ("phi_max", "phi_min", "theta_max", "theta_min")]
    np.testing.assert_allclose(extremes, [1, -1, 1, -1], atol=2e-3)
    np.testing.assert_allclose([e["arc"][0] / 20, e["mean_radius"][0]], 1, atol=2e-3)
    assert (float(e["entry_time"][0]), np.isnan(e["escape_time"][0])) == (0.0, True)
