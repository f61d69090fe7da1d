"""Minibatch noise: its law, its seed, and the covariance that it settles to."""

from __future__ import annotations

import json

import numpy as np
import pytest

import diracgan as dg
from diracgan.dynamics import noise

DAMPED = dg.variant("wgan-gp", c=0.0, lam=0.4)
SIGMA = np.array([[1.0, 0.3], [0.3, 2.0]])
J = np.array([[-0.8, -1.0], [1.0, 0.0]])


def spread(traj, start, names=("phi", "theta")):
    """Covariance of the trajectory's rows from ``start`` on, d = 1."""
    return np.cov(*(traj[n].values[start:, 0] for n in names))


def gap(found, expected):
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


CASES = [
    dg.rule("simultaneous", lr=0.1, ema=0.9),
    dg.rule("alternating", lr_d=0.1, lr_g=0.2, n_critic=2, lazy=3, ema=0.8),
    dg.rule("heavy-ball", lr=0.1, beta=0.3, ema=0.9),
    dg.rule("lookahead", lr=0.1, k=3, inner="alternating", ema=0.5),
    dg.rule("extragradient", lr=0.1),
]


@pytest.mark.parametrize(
    "rule",
    [pytest.param(r, marks=[pytest.mark.slow] * (r.name != "heavy-ball")) for r in CASES],
    ids=lambda r: r.name,
)
def test_the_lyapunov_equation_gives_the_scatter_of_a_long_run(rule):
    period = rule.period
    traj = dg.simulate(
        DAMPED, phi0=[0.0], theta0=[0.0], rule=rule, steps=150_000 * period, every=period, sde=SIGMA
    )
    found = dg.stationary_covariance(DAMPED, rule, sde=SIGMA)
    assert found.exists
    # 150,000 rows that forget within about 1/(h lam) = 25: a covariance scatters by sqrt(2 x 25/150,000) = 2 %
    assert gap(spread(traj, 300), found.covariance) < 0.05
    if rule.ema is not None:
        assert gap(spread(traj, 300, ("phi_ema", "theta_ema")), found.ema_covariance) < 0.05


def test_gradient_steps_have_the_textbook_covariance():
    h = 0.1
    a = np.eye(2) + h * J
    found = dg.stationary_covariance(DAMPED, dg.rule("simultaneous", lr=h), sde=SIGMA).covariance
    assert np.allclose(a @ found @ a.T + h**2 * SIGMA, found, rtol=0, atol=1e-14)
    critic, generator = np.array([[1 - 0.8 * h, -h], [0, 1]]), np.array([[1, 0], [h, 1]])
    alone = [np.diag([SIGMA[0, 0], 0]), np.diag([0, SIGMA[1, 1]])]  # each player sees a minibatch of its own
    noise = h**2 * (generator @ alone[0] @ generator.T + alone[1])
    a = generator @ critic
    found = dg.stationary_covariance(DAMPED, dg.rule("alternating", lr=h), sde=SIGMA).covariance
    assert np.allclose(a @ found @ a.T + noise, found, rtol=0, atol=1e-14)


def test_the_average_of_a_simple_walk():
    """x+ = a x + h xi, a = 1 - h mu, averaged with decay b: var (1 - b)(1 + a b)/((1 + b)(1 - a b))."""
    h, b, mu = 0.1, 0.9, 0.8
    rule = dg.rule(
        "simultaneous", lr_d=h, lr_g=1e-9, ema=b
    )  # the generator hardly moves: phi alone is damped
    found = dg.stationary_covariance(DAMPED, rule, sde=[1.0, 0.0])
    a = 1 - h * mu
    var = h**2 / (1 - a**2)
    assert abs(found.covariance[0, 0] / var - 1) < 1e-6
    assert (
        abs(found.ema_covariance[0, 0] / (var * (1 - b) * (1 + a * b) / ((1 + b) * (1 - a * b))) - 1) < 1e-6
    )


@pytest.mark.slow  # fast, the equation: the next test; a scatter, of steps: the first test
def test_the_flow_scatters_as_its_steps_do_for_small_rates():
    h = 0.05
    found = dg.stationary_covariance(DAMPED, sde=SIGMA, sde_step=h, ema_tau=1.0)
    assert np.allclose(J @ found.covariance + found.covariance @ J.T, -h * SIGMA, rtol=0, atol=1e-14)
    small = dg.stationary_covariance(DAMPED, dg.rule("simultaneous", lr=1e-4), sde=SIGMA).covariance / 1e-4
    assert gap(small, found.covariance / h) < 1e-3
    arguments = {"phi0": [0.0], "theta0": [0.0], "sde": SIGMA, "sde_step": h, "ema_tau": 1.0, "seed": 5}
    traj = dg.simulate(DAMPED, t1=6000.0, ts=np.arange(10.0, 6000.5, 0.5), **arguments)
    assert traj.attrs["result"] == "ok"
    assert gap(spread(traj, 0), found.covariance) < 0.05
    assert gap(spread(traj, 0, ("phi_ema", "theta_ema")), found.ema_covariance) < 0.05


def test_rates_scale_the_velocity_with_its_noise():
    h = 0.05
    rates = np.diag([2.0, 0.5])
    found = dg.stationary_covariance(DAMPED, sde=SIGMA, sde_step=h, rate_d=2.0, rate_g=0.5).covariance
    drift = rates @ J
    assert np.allclose(drift @ found + found @ drift.T, -h * rates @ SIGMA @ rates, rtol=0, atol=1e-14)


def test_noise_leaves_the_linear_verdict_unchanged():
    """Two runs under the same noise draw together, or apart, by the noiseless multipliers."""
    steps = 120
    for variant, lr in ((DAMPED, 0.1), (DAMPED, 0.9), (dg.variant("wgan-linear"), 0.1)):
        rule = dg.rule("simultaneous", lr=lr)
        s = dg.spectrum(variant, rule=rule)
        assert s.status == ("stable" if lr == 0.1 and variant is DAMPED else "unstable")
        runs = [
            dg.simulate(variant, phi0=[p], theta0=[t], rule=rule, steps=steps, sde=0.5, seed=3)
            for p, t in ((0.1, 0.2), (1.1, 0.2))
        ]
        apart = np.array([float((runs[1][n] - runs[0][n])[-1, 0]) for n in ("phi", "theta")])
        expected = np.linalg.matrix_power(s.jacobian, steps) @ [1.0, 0.0]
        assert gap(apart, expected) < 1e-9 * max(
            1.0, float(np.abs(runs[0].phi[-1, 0])) / np.max(np.abs(expected))
        )


@pytest.mark.slow  # fast, of steps: cli/test_commands.py::test_noise_of_steps_is_the_librarys
def test_noise_is_its_seed():
    rule = dg.rule("alternating", lr=0.1)
    a, b, c = (dg.simulate(DAMPED, rule=rule, steps=20, sde=0.1, seed=seed).phi.values for seed in (0, 0, 1))
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)
    x, y = (dg.simulate(DAMPED, t1=1.0, sde=0.1, sde_step=0.1, seed=seed).phi.values for seed in (None, 0))
    assert np.array_equal(x, y)


def test_a_trajectory_records_its_noise():
    traj = dg.simulate(DAMPED, dim=1, t1=1.0, sde=[1.0, 2.0], sde_step=0.1)
    assert json.loads(traj.attrs["sde"]) == [[1.0, 0.0], [0.0, 2.0]]
    assert (traj.attrs["sde_step"], traj.attrs["solver"], traj.attrs["seed"]) == (0.1, "shark", 0)


def test_without_stability_there_is_no_covariance():
    for variant, rule in ((dg.variant("ns"), None), (dg.variant("wgan-linear"), dg.rule("simultaneous"))):
        found = dg.stationary_covariance(variant, rule, sde_step=0.1 if rule is None else None)
        assert not found.exists
        assert np.all(np.isnan(found.covariance))
        assert "not stable" in found.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sde": [[1.0, 0.0]]}, "1x2"),
        ({"sde": [[1.0, 0.5], [0.0, 1.0]]}, "symmetric"),
        ({"sde": [[1.0, 2.0], [2.0, 1.0]]}, "variance -1"),
        ({"sde": "noise"}, "'noise'"),
        ({"sde": 1.0}, "sde_step"),
        ({"sde_step": 0.1}, "needs sde"),
        ({"sde": 1.0, "sde_step": 0.0}, "sde_step"),
        ({"sde": 1.0, "sde_step": 0.1, "solver": "tsit5"}, "solver"),
        ({"sde": 1.0, "sde_step": 0.1, "rule": dg.rule("simultaneous")}, "belongs to the flow"),
    ],
)
def test_bad_noise_is_refused(arguments, says):
    with pytest.raises(dg.InputError, match=says):
        dg.simulate(DAMPED, dim=1, **arguments)


def test_an_interrupt_is_heard_within_a_noisy_flow(monkeypatch):
    heard, solve = [], noise._solve

    def counted(*arguments):
        heard.append(1)
        if len(heard) == 3:
            raise KeyboardInterrupt
        return solve(*arguments)

    monkeypatch.setattr(noise, "_solve", counted)
    with pytest.raises(KeyboardInterrupt):
        dg.simulate(DAMPED, dim=1, t1=1e5, sde=[1.0, 2.0], sde_step=0.1)  # compiled above
