"""Stroboscopic averaging: the return of a map whose turns are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.numerics.stroboscopic import first_return


def spiral(angle: float, growth: float):
    turn = growth * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return lambda z: jnp.asarray(turn) @ z


@pytest.mark.parametrize(("angle", "tolerance"), [(0.5, 5e-4), (0.1, 1e-8), (0.013, 1e-12)])
def test_a_spiral_returns_after_a_whole_turn(angle, tolerance):
    # z = e^{n (log g + i a)}: back on phi = 0 after n = 2 pi / a steps, larger by g^n
    growth = 1.003
    with jax.enable_x64(True):
        back = first_return(spiral(angle, growth), lambda z: z[0], jnp.array([0.0, 1.0]), 1000)
        assert bool(back.found)
        assert float(back.steps) == pytest.approx(2 * np.pi / angle, rel=tolerance)
        assert float(back.state[0]) == pytest.approx(0.0, abs=tolerance)
        assert float(back.state[1]) == pytest.approx(growth ** (2 * np.pi / angle), rel=tolerance)


def test_its_derivative_is_the_growth_of_a_whole_turn():
    growth, angle = 0.998, 0.1

    def back(radius):
        return first_return(spiral(angle, growth), lambda z: z[0], jnp.stack([0.0, radius]), 1000).state[1]

    with jax.enable_x64(True):
        slope = float(jax.jacfwd(back)(jnp.asarray(2.0)))
    assert slope == pytest.approx(growth ** (2 * np.pi / angle), rel=1e-7)


def test_what_does_not_come_back_says_so():
    back = first_return(lambda z: z + 1.0, lambda z: z[0], jnp.array([0.0, 1.0]), 50)
    assert not bool(back.found)
