"""The hinge loss across its kink, against a closed form."""

import numpy as np
import pytest

import diracgan as dg


@pytest.mark.parametrize("solver", [pytest.param("tsit5", marks=pytest.mark.slow), "DOP853"])
def test_flow_passes_the_kink_at_a_saved_time(solver):
    # s = -3 < -1: phi rests, theta' = phi = 1 until s = -1 at t = 2, a saved time; then a rotation, s = -cos 2(t - 2),
    # that touches the kink s = -1 again and again
    traj = dg.simulate(
        dg.variant("hinge"),
        phi0=[1.0],
        theta0=[-3.0],
        t1=12.0,
        ts=np.linspace(0, 12, 25),
        rtol=1e-11,
        atol=1e-13,
        solver=solver,
    )
    t = traj.time.values
    turned = np.maximum(t - 2, 0)
    phi = np.cos(turned) + np.sin(turned)
    theta = np.where(t < 2, t - 3, np.sin(turned) - np.cos(turned))
    assert traj.attrs["result"] == "ok"
    np.testing.assert_allclose(traj.phi[:, 0], phi, atol=1e-9)
    np.testing.assert_allclose(traj.theta[:, 0], theta, atol=1e-9)
