"""Stiff flows: what explicit steps spend a budget on, implicit ones follow to the end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import diracgan as dg
from diracgan.analysis.dynamical_system import ContinuousSystem
from diracgan.analysis.verdict.stiffness import StiffSystem, decay_times, in_its_frame
from diracgan.dynamics.filippov import DiracSystem
from diracgan.dynamics.motion_result import MotionResult
from diracgan.game import Players

LAM = 1e4


def system(variant):
    return DiracSystem(variant, jnp.zeros(1), Players(1.0, 1.0), None)


class Slaved(dg.Variant):
    """phi' = -theta - theta^2 phi, theta' = phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake + fake**2 / 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


def test_implicit_steps_follow_a_slow_mode_beside_a_fast_one():
    # phi' = -theta - 2 lam phi, theta' = phi: rates lam +- sqrt(lam^2 - 1)
    with jax.enable_x64(True):
        motion = StiffSystem(system(dg.variant("wgan-linear").with_(l2=2 * LAM)), 2e7)
        assert decay_times(motion, np.zeros(2), 3.0) == pytest.approx(3 * (LAM + np.sqrt(LAM**2 - 1)))
        seen = motion.advance(np.array([0.5, 1.0]), 7.0, 3e4, 1)
    assert seen.result == MotionResult.OK and seen.time == 7.0 + 3e4
    generator = np.array([[-2 * LAM, -1.0], [1.0, 0.0]])
    for k in (1, 500, 1023):
        true = expm((seen.t[k] - 7.0) * generator) @ [0.5, 1.0]
        np.testing.assert_allclose(seen.zs[k], true, rtol=1e-6)
    assert seen.cost < 1e-2 * 13 * 3e4 * 2 * LAM / 6  # of as many steps as stability takes


def test_what_is_stiff_no_longer_is_followed_by_explicit_steps():
    # slaved, phi = -1/theta, so that theta^2 = 40^2 - 2 t; from t = 800 on it turns, once in 2 pi
    with jax.enable_x64(True):
        one, other = (kind(system(Slaved()), 2e8) for kind in (StiffSystem, ContinuousSystem))
        a, b = (motion.advance(np.array([-0.025, 40.0]), 0.0, 850.0, 1) for motion in (one, other))
    assert a.result == b.result == MotionResult.OK
    np.testing.assert_allclose(a.zs, b.zs, atol=1e-6)


@pytest.mark.slow  # fast, the motion alone: above
def test_a_slaved_start_is_followed_to_where_it_turns():
    # E = (phi^2 + theta^2)/2 falls by s^2, on average r^4/8 of a turn: r ~ 2 t^-1/2
    v = dg.verdict(Slaved(), [0.3], [200.0], edge=False)
    assert v.kind == "converges-sublinearly" and v.numbers["exponent"] == pytest.approx(0.5, rel=0.02)
    assert v.numbers["constant"] == pytest.approx(2.0, rel=0.02)
    assert any(line.startswith("stiff:") for line in v.evidence)


@pytest.mark.parametrize("far", [120.0, 1e3])
def test_a_circle_beside_which_a_mode_is_stiff_is_reached_in_the_turning_frame(far, caplog):
    caplog.set_level("DEBUG", "diracgan.analysis.verdict")
    # l = |phi ^ theta| = 1e4 is kept: radii sqrt(l), T = 4 pi, exponents mu^2 + (l/2) mu + 1 = 0
    v = dg.verdict(dg.variant("ns"), [far, 0.0], [0.0, 1e4 / far], effort=0.02, edge=False)
    assert v.kind == "limit-circle" and v.numbers["period"] == pytest.approx(4 * np.pi, rel=1e-9)
    assert f"decided by {in_its_frame.__module__}.in_its_frame: {v.text}" in caplog.text
    assert v.numbers["radius_phi"] == pytest.approx(100.0, rel=1e-6)
    assert v.numbers["radius_theta"] == pytest.approx(100.0, rel=1e-6)
    slow = 2.0 / (-2500.0 - np.sqrt(2500.0**2 - 1)) / 2
    assert np.sort(np.abs(v.numbers["floquet"]))[1] == pytest.approx(np.exp(4 * np.pi * slow), rel=1e-6)
