"""Prescriptions on games whose best numbers are known in closed form."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.cli.app import main


def dirac(strength, damping, noise=0.0, optimiser=None, batches=6):
    """phi' = -k phi - a theta + noise, theta' = a phi, whose R1 has kappa = 1; in float64."""
    draws = noise * np.random.default_rng(0).standard_normal((batches, 1))
    with jax.enable_x64(True):
        return dg.measure.game(
            lambda phi, theta, e: strength * jnp.sum(phi * theta) + 0.5 * (damping + e[0]) * jnp.sum(phi**2),
            lambda phi, theta, e: -strength * jnp.sum(phi * theta),
            np.full(1, 0.3),
            np.full(1, 0.2),
            [jnp.asarray(d) for d in draws],
            optimiser=optimiser,
            critic=lambda phi, x: x @ phi,
            samples=lambda theta, e: (jnp.zeros((4, 1)), jnp.broadcast_to(theta, (4, 1))),
        )


def test_the_dirac_game_is_damped():
    """-(k + g)/2 +- sqrt((k + g)^2/4 - a^2) is double at k + g = 2a; gamma = 5 x 2a - k, ratio 4 a^2/k^2."""
    found = dg.prescribe(dirac(0.5, 0.2), images=64)
    assert found.gamma.value == pytest.approx(4.8, abs=1e-9)
    assert found.gamma.low == pytest.approx(4.8, abs=1e-9) and found.gamma.high == pytest.approx(4.8)
    assert found.gamma.best_low == pytest.approx(4.8 / 20.9) and found.gamma.best_high == pytest.approx(
        4.8 / 0.842
    )
    assert found.lazy.best_low is None and found.lazy.value is None and found.ema_half_life.value is None
    assert (
        "not known" in found.lazy.text and "not known" in found.ema_half_life.text
    )  # in what time, without steps
    assert found.rate_ratio.value == pytest.approx(4 * 0.25 / 0.04)
    assert found.measured["slope_real"] == pytest.approx(0.09)  # |phi|^2
    prescribed = np.linalg.eigvals([[-0.2 - found.gamma.value, -0.5], [0.5, 0.0]])
    assert np.sum(prescribed) == pytest.approx(-5 * 2 * 0.5)
    r = found.rate_ratio.value  # the critic r times as fast
    np.testing.assert_allclose(np.linalg.eigvals([[-0.2 * r, -0.5 * r], [0.5, 0]]), -0.2 * r / 2, rtol=1e-5)


def test_step_sizes_of_the_optimiser_enter():
    """With rates h and h/4: h (k + g) = 5 x 2 a sqrt(h h/4), so gamma = 5 a - k; ln 2/omega with omega = a h/2."""
    found = dg.prescribe(dirac(0.5, 0.2, optimiser=dg.rule("alternating", lr_d=0.01, lr_g=0.0025)), images=64)
    assert found.step_sizes == "optimiser" and found.measured["bears"] == 2.0
    assert found.gamma.value == pytest.approx(5 * 0.5 - 0.2, abs=1e-9)
    assert found.ema_half_life.value == pytest.approx(64 * np.log(2) / (0.5 * 0.005))
    assert found.lazy.value == np.floor(1 / (2.3 * 0.01))  # gamma l <= 1 before a radian of 400 steps


def test_steps_of_optax_are_those_of_the_same_rule():
    optax = pytest.importorskip("optax")
    own = dg.prescribe(dirac(0.5, 0.2, optimiser=dg.rule("alternating", lr=0.05)))
    said = dg.prescribe(dirac(0.5, 0.2, optimiser=(optax.sgd(0.05), optax.sgd(0.05))))
    assert said.step_sizes == "optimiser" and said.measured["bears"] == pytest.approx(2.0)
    for name in ("gamma", "lazy", "ema_half_life"):
        assert getattr(said, name).value == pytest.approx(getattr(own, name).value, rel=1e-6)


def test_no_more_than_a_quarter_of_what_a_step_bears():
    """phi+ = (1 - h g) phi overshoots for good at h g = 2, so with h = 0.4 gamma <= 1.25, where 5 x 2a asks for 10."""
    strong = {"strength": 1.0, "damping": 0.0}
    found = dg.prescribe(dirac(**strong, optimiser=dg.rule("alternating", lr=0.4)), gamma=0.0)
    assert found.gamma.value == pytest.approx(1.25) and "0.25 of what" in found.gamma.text
    assert "overshoots" not in found.gamma.text
    over = dg.prescribe(dirac(**strong, optimiser=dg.rule("alternating", lr=0.4)), gamma=6.0)
    assert over.gamma.value == pytest.approx(1.25) and "now it overshoots" in over.gamma.text


def test_a_running_average_bears_more():
    """m+ = b m + (1 - b) h g z, z+ = z - m+ has the multiplier -1 at h g = 2 (1 + b)/(1 - b) = 6."""
    game, b = dirac(1.0, 0.0, optimiser=dg.rule("adam", lr=0.4, beta1=0.5)), 0.5
    assert game.backend.averaging() == b
    multipliers = np.linalg.eigvals([[1 - (1 - b) * 6, -b], [(1 - b) * 6, b]])
    assert np.min(multipliers.real) == pytest.approx(-1.0)


def test_what_is_in_force_is_kept_and_enough_damping_still_gets_r1():
    assert dg.prescribe(dirac(0.5, 0.2), gamma=0.1).gamma.value == pytest.approx(4.9, abs=1e-9)
    enough = dg.prescribe(dirac(0.5, 30.0))
    assert enough.gamma.value == pytest.approx(1.0) and "31 times" in enough.gamma.text  # 2 omega
    still = dg.prescribe(dirac(0.5, 0.0))
    assert still.rate_ratio.value is None and "nothing damps" in still.rate_ratio.text


def test_the_interval_over_batches_holds_the_mean_and_shrinks():
    few, many = (dg.prescribe(dirac(0.5, 0.2, 0.1, batches=n)).gamma for n in (8, 50))
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < few.high - few.low
    assert many.low < 4.8 < many.high


def test_bad_input():
    loss = lambda phi, theta, b: jnp.sum(phi * theta)  # noqa: E731
    game = dg.measure.game(loss, loss, jnp.ones(1), jnp.ones(1), [0.0] * 3)

    def seen(critic, samples):
        given = {"critic": critic, "samples": samples}
        return dg.prescribe(dg.measure.game(loss, loss, jnp.ones(1), jnp.ones(1), [0.0] * 3, **given))

    for words, call in (
        ("add critic", lambda: dg.prescribe(game)),
        ("go together", lambda: dg.measure.game(loss, loss, jnp.ones(1), jnp.ones(1), [0.0], critic=loss)),
        ("ran out after 1", lambda: dg.prescribe(dirac(0.5, 0.2, batches=1))),
        (
            "samples gives no pair",
            lambda: seen(lambda phi, x: x @ phi, lambda theta, b: jnp.ones((2, 1))),
        ),
        ("samples failed: KeyError", lambda: seen(lambda phi, x: x @ phi, lambda theta, b: {}["real"])),
        ("critic failed: TypeError", lambda: seen(lambda phi: phi, lambda theta, b: (jnp.ones((2, 1)),) * 2)),
        ("too small", lambda: dg.prescribe(dirac(0.5, 0.2), batches=1)),
        ("seed = -1 is too small", lambda: dg.prescribe(game, seed=-1)),
        ("no file '.*config.toml'", lambda: dg.prescribe(__file__)),
    ):
        with pytest.raises(dg.InputError, match=words):
            call()


@pytest.mark.slow  # fast, of the Dirac game: test_the_dirac_game_is_damped
def test_a_run_from_its_folder_and_the_command(tmp_path, capsys):
    how = {"width": 4, "depth": 1, "activation_d": "tanh", "activation_g": "tanh"}
    dg.train("ns:r1=0.1", "points8", steps=20, networks=how, classifier=False, out=tmp_path / "run")
    found = dg.prescribe(tmp_path / "run", batches=4)
    assert found.batches == 4 and found.step_sizes == "optimiser"
    assert main(["prescribe", str(tmp_path / "run"), "--batches", "4", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["gamma"]["value"] == pytest.approx(found.gamma.value)
