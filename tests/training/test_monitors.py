"""Monitors against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.game import Players
from diracgan.training import metrics
from diracgan.training.alarms import AlarmMonitor
from diracgan.training.architecture import Architecture, players
from diracgan.training.config import Alarms
from diracgan.training.networks import singular_values
from diracgan.training.problems import problem
from diracgan.training.trainer import TrainingSetup

RNG = np.random.default_rng(3)


def test_sliced_wasserstein_of_shifted_and_of_scaled_gaussians():
    x = RNG.normal(size=(40_000, 2))
    # projected on a random direction a shift m has the mean size |m| 2/pi, in the plane; |cos| scatters by 0.31 about
    # 2/pi = 0.64, the mean over 64 directions by 6 % of it
    assert metrics.sliced_wasserstein(x, x + np.array([3.0, 0.0])) == pytest.approx(6 / np.pi, rel=0.1)
    assert metrics.sliced_wasserstein(x, 2 * x) == pytest.approx(np.sqrt(2 / np.pi), rel=0.02)
    assert metrics.sliced_wasserstein(x, RNG.permutation(x)) == 0.0


def test_mmd_of_the_same_distribution_has_the_mean_zero():
    found = [metrics.mmd(*RNG.normal(size=(2, 100, 2))) for _ in range(200)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(200)


def test_mmd_is_the_sum_over_pairs_of_samples():
    x, y = RNG.normal(size=(2, 5, 2))
    scale = 2 * np.sum(np.var(x, axis=0))

    def kernel(a, b):
        return sum(np.exp(-np.sum((a - b) ** 2) / (width * width * scale)) for width in (0.5, 1.0, 2.0)) / 3

    within = [sum(kernel(a[i], a[j]) for i in range(5) for j in range(5) if i != j) / 20 for a in (x, y)]
    across = sum(kernel(a, b) for a in x for b in y) / 25
    assert metrics.mmd(x, y) == pytest.approx(sum(within) - 2 * across, rel=1e-12)


def test_modes_of_what_misses_some():
    on = problem("grid25")
    centres = np.asarray(on.data)
    x = np.repeat(centres[:10], 50, axis=0) + 0.05 * RNG.normal(size=(500, 2))
    covered, near = metrics.modes(on, x)
    assert covered == 10
    assert near == pytest.approx(1 - np.exp(-4.5), abs=0.02)  # within three deviations, in the plane
    assert metrics.modes(on, x + 1.0) == (0, 0.0)
    few = np.concatenate([np.repeat(centres[:1], 990, axis=0), centres[1:11]])
    assert metrics.modes(on, few)[0] == 1, "a lone sample covers nothing"


def test_frechet_of_gaussians_is_the_closed_form():
    a, b = RNG.normal(size=(2, 3, 3))
    x, y = RNG.normal(size=(2, 200_000, 3))
    c_x, c_y = a @ a.T, b @ b.T
    m = np.array([0.5, -1.0, 0.2])
    import scipy.linalg

    expected = m @ m + np.trace(c_x + c_y - 2 * scipy.linalg.sqrtm(c_x @ c_y).real)
    assert metrics.frechet(x @ a.T, y @ b.T + m) == pytest.approx(expected, rel=0.02)


def test_inception_score_of_groups():
    """Certain about k classes alike: k."""
    for k in (1, 3, 7):
        assert metrics.inception_score(np.eye(10)[np.arange(210) % k]) == pytest.approx(k)


def test_a_probe_finds_what_is_linear_and_nothing_else():
    f = RNG.normal(size=(2000, 6))
    assert metrics.probe(f, (f @ RNG.normal(size=(6, 3))).argmax(axis=1), 3) > 0.9
    assert metrics.probe(f, RNG.integers(0, 3, 2000), 3) < 0.45


def test_the_path_angle_tells_rotation_from_attraction():
    """Along the line from a start to the equilibrium: 0 for a rotation, mu/2 / sqrt(mu^2/4 ...) for a damped one."""
    on = problem("dirac", x0=[0.0, 0.0], phi0=[0.3, 0.4], theta0=[0.5, -0.2])
    both = players(Architecture(), on, jax.random.key(0))
    rest = jax.tree.map(jnp.zeros_like, both)
    for variant in (dg.variant("wgan-linear"), dg.variant("wgan-linear").with_(l2=0.8)):
        setup = TrainingSetup(variant, dg.rule("alternating"), on, (), None, None, batch=1)
        found = metrics.path(setup, both, rest, points=5)  # at -1/2, 0, 1/2, 1, 3/2 of the way
        z = np.concatenate([both.phi.w, both.theta.point])
        mu = variant.extras.get("l2", 0.0)
        v = np.concatenate([-z[2:] - mu * z[:2], z[:2]])
        angle = -v @ z / np.linalg.norm(v) / np.linalg.norm(z)
        np.testing.assert_allclose(found["path_angle"], angle * np.array([1, 1, 1, 0, -1]), atol=1e-5)
        np.testing.assert_allclose(
            found["path_norm"], np.linalg.norm(v) * np.array([1.5, 1, 0.5, 0, 0.5]), atol=1e-5
        )


def test_singular_values_are_those_of_the_weight_as_it_is_used():
    phi = players(Architecture(width=8, norm_d="spectral"), problem("ring8"), jax.random.key(0)).phi
    found = singular_values(phi)
    assert list(found) == ["layers[0]", "layers[2]", "head"]
    assert all(values[0] == pytest.approx(1, rel=0.01) for values in found.values())
    assert all(values == sorted(values, reverse=True) and len(values) <= 3 for values in found.values())
    assert isinstance(metrics.singular_values(Players(phi, phi))["d/head"][0], float)


def falls(losses, **line) -> bool:
    """Whether the alarm of a generator's loss that falls steadily is raised by these losses."""
    monitor = AlarmMonitor(Alarms(falling=10))
    seen = {"d_fake": 1.0, "d_real": 0.0, "loss_d": 1.0, **line}
    alarms = [monitor.check({"step": k, "loss_g": float(x), **seen}) for k, x in enumerate(losses)]
    return any(a is not None and a.name == "generator loss falls" for a in alarms)


def test_a_generators_loss_that_falls_steadily_is_told_from_one_that_does_not():
    """Of ten independent losses in a random order at most 2 of 45 pairs rise with probability 54/10! = 1.5e-5."""
    t = np.arange(40)
    assert falls(1.0 - 0.02 * t + 0.002 * RNG.normal(size=40))
    assert not falls(1.0 - 0.02 * t, d_fake=-1.0), "the critic is not fooled"
    assert not falls(1.0 + 0.02 * t)
    assert not falls(np.cos(t))  # an oscillation falls for three lines only
    assert not any(falls(RNG.normal(size=40)) for _ in range(50))
    assert AlarmMonitor(Alarms()).check({"step": 0, "loss_g": 1.0}) is None


@pytest.mark.slow  # fast, by written losses: the test above
def test_a_critic_that_stands_still_is_fooled_with_garbage():
    """With the critic's learning rate next to 0 the generator walks to wherever its logit is highest."""
    rule = dg.rule("adam", lr_d=1e-9, lr_g=3e-3, beta1=0.5, alternating=True)
    how = {"networks": {"width": 8}, "batch": 64, "steps": 60, "log_every": 4, "save_every": 60}
    run = dg.train("ns", "gauss2d", rule=rule, alarms={"falling": 10}, **how)
    assert run.result == "generator loss falls"
    assert dg.train("ns", "gauss2d", rule=rule, **how).result == "ok"
