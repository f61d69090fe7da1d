"""Discrete steps against plain loops: who moves first and how often, rates, averages, kept rows, memory, failures."""

from __future__ import annotations

import jax
import numpy as np
import oracles
import pytest

import diracgan as dg
from diracgan.dynamics import run

PHI, THETA, X0 = np.array([0.6, -0.2]), np.array([0.3, 0.9]), np.array([0.1, 0.4])


def loop(right, phi, theta, steps, *, rule, lr_d, lr_g, n_critic=1, first="critic", ema=None):
    """Every state of gradient steps, written out; rows (phi, theta, their averages)."""
    d = len(phi)
    z = np.concatenate([phi, theta])
    mean, rows = z.copy(), []

    def critic(z):
        return np.concatenate([z[:d] + lr_d * right(0, z)[:d], z[d:]])

    def generator(z):
        return np.concatenate([z[:d], z[d:] + lr_g * right(0, z)[d:]])

    rows.append([*z, *mean])
    for _ in range(steps):
        if rule == "simultaneous":
            v = right(0, z)
            z = z + np.concatenate([lr_d * v[:d], lr_g * v[d:]])
        elif first == "critic":
            for _ in range(n_critic):
                z = critic(z)
            z = generator(z)
        else:
            z = generator(z)
            for _ in range(n_critic):
                z = critic(z)
        if ema is not None:
            mean = ema * mean + (1 - ema) * z
        rows.append([*z, *mean])
    return np.array(rows)


RULES = [
    ("simultaneous", {"lr": 0.05}, {"lr_d": 0.05, "lr_g": 0.05}),
    ("simultaneous", {"lr_d": 0.02, "lr_g": 0.07, "ema": 0.9}, {"lr_d": 0.02, "lr_g": 0.07, "ema": 0.9}),
    ("alternating", {"lr": 0.1, "ema": 0.0}, {"lr_d": 0.1, "lr_g": 0.1, "ema": 0.0}),
    (
        "alternating",
        {"lr": 0.3, "lr_d": 0.03, "n_critic": 5, "ema": 0.99},
        {"lr_d": 0.03, "lr_g": 0.3, "n_critic": 5, "ema": 0.99},
    ),
    (
        "alternating",
        {"lr": 0.04, "lr_g": 0.01, "n_critic": 3, "first": "generator"},
        {"lr_d": 0.04, "lr_g": 0.01, "n_critic": 3, "first": "generator"},
    ),
]
GAMES = [
    ("ns", {}, {"r1": 0.3}),
    ("wgan-gp", {"lam": 0.37, "c": 0.6}, {}),
    ("gan-qp", {"lam": 0.7}, {"l2": 0.1}),
    ("wgan", {}, {}),
]


# each rule on one game and each game under one rule; the whole product is slow
PRODUCT = [
    pytest.param(*rule, *game, marks=[pytest.mark.slow] * (i != 3 and k != 0))
    for k, game in enumerate(GAMES)
    for i, rule in enumerate(RULES)
]


@pytest.mark.parametrize(("rule", "given", "meant", "name", "own", "damping"), PRODUCT)
def test_steps_are_those_of_a_plain_loop(rule, given, meant, name, own, damping):
    right = oracles.field(name, X0, **own, **damping)
    truth = loop(right, PHI, THETA, 60, rule=rule, **meant)
    v = dg.variant(name, **own).with_(**damping)
    traj = run(v, PHI, THETA, x0=X0, rule=dg.rule(rule, **given), steps=60)
    names = ("phi", "theta", "phi_ema", "theta_ema") if "ema" in given else ("phi", "theta")
    got = np.hstack([traj[n] for n in names])
    np.testing.assert_allclose(got, truth[:, : got.shape[1]], rtol=1e-12, atol=1e-12)
    assert ("phi_ema" in traj) == ("ema" in given)
    np.testing.assert_allclose(traj["time"], np.arange(61) * meant["lr_g"], rtol=1e-14)


@pytest.mark.parametrize(
    ("steps", "every", "rows"), [(10, 3, [0, 3, 6, 9, 10]), (9, 3, [0, 3, 6, 9]), (2, 5, [0, 2])]
)
def test_every_keeps_its_rows_and_the_last(steps, every, rows):
    rule = dg.rule("alternating", lr=0.1, ema=0.5)
    whole = run(dg.variant("ns"), PHI, THETA, rule=rule, steps=steps)
    kept = run(dg.variant("ns"), PHI, THETA, rule=rule, steps=steps, every=every)
    np.testing.assert_array_equal(kept["step"], rows)
    for n in ("phi", "theta", "phi_ema", "theta_ema", "time"):
        np.testing.assert_allclose(kept[n], whole[n][rows], rtol=1e-14)


def test_a_million_steps_need_no_more_memory_than_their_rows():
    from diracgan import dirac
    from diracgan.dynamics import iterations
    from diracgan.game import Players

    with jax.enable_x64(True):
        v, rule, z, x0 = dirac.cast(
            (dg.variant("ns"), dg.rule("alternating", lr=0.1), Players(PHI, THETA), X0), float
        )
        counts = np.full(256, 4000)  # steps between the rows of one call
        begun = iterations.started(iterations.first_state(v, rule, x0, z))
        used = iterations.advance.lower(v, rule, x0, None, begun, counts).compile().memory_analysis()
    rows = len(counts) * 4 * 8
    assert used.output_size_in_bytes < 3 * rows
    assert used.temp_size_in_bytes < 8 * rows
    traj = run(
        dg.variant("ns"), PHI, THETA, rule=dg.rule("alternating", lr=0.01), steps=1_000_000, every=1000
    )
    assert traj["phi"].shape == (1001, 2)
    assert traj["step"][-1] == 1_000_000
    assert traj.attrs["result"] == "ok"
    wedge = traj["phi"][:, 0] * traj["theta"][:, 1] - traj["phi"][:, 1] * traj["theta"][:, 0]
    assert abs(wedge[-1]) > 0


def test_alternating_steps_keep_the_wedge_and_simultaneous_ones_inflate_the_circle():
    linear = dg.variant("wgan-linear")
    traj = run(linear, PHI, THETA, rule=dg.rule("alternating", lr=0.3), steps=5000, every=50)
    wedge = traj["phi"][:, 0] * traj["theta"][:, 1] - traj["phi"][:, 1] * traj["theta"][:, 0]
    np.testing.assert_allclose(wedge, wedge[0], rtol=1e-10)
    traj = run(linear, PHI, THETA, rule=dg.rule("simultaneous", lr=0.3), steps=50)
    size = np.sum(traj["phi"] ** 2 + traj["theta"] ** 2, axis=1)
    np.testing.assert_allclose(size, size[0] * 1.09 ** np.arange(51), rtol=1e-12)


def test_leaving_the_float_range_is_a_result():
    traj = run(dg.variant("wgan-linear"), PHI, THETA, rule=dg.rule("simultaneous", lr=100.0), steps=500)
    assert traj.attrs["result"] == "diverged"
    # r grows by sqrt(1 + 100^2) in each step from about 1: 10^308 is passed between steps 153 and 156
    first = round(traj.attrs["result_time"] / 100.0)
    assert 152 <= first <= 156
    assert np.all(np.isfinite(traj["phi"][:first]))
    assert np.all(np.isnan(traj["phi"][first:]))


def test_the_average_on_an_orbit_has_the_gain_of_its_filter():
    # docs/theory.md section 4: the amplitude of the average of a rotation by omega h is (1 - b)/|1 - b exp(-i omega h)|
    h, beta = 0.1, 0.99
    omega = 2 * np.arcsin(0.25 * h) / h  # alternating steps turn by this; a b = 1/4 at the equilibrium of ns
    traj = run(
        dg.variant("ns"), [1e-6, 0], [0, 1e-6], rule=dg.rule("alternating", lr=h, ema=beta), steps=4000
    )
    late = slice(3000, None)
    gain = np.ptp(traj["theta_ema"][late, 0]) / np.ptp(traj["theta"][late, 0])
    assert gain == pytest.approx((1 - beta) / abs(1 - beta * np.exp(-1j * omega * h)), rel=2e-3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"every": 0}, "every"),
        ({"t1": 3.0}, "t1"),
        ({"rate_d": 2.0}, "lr_d"),
        ({"ema_tau": 2.0}, "ema"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(given, says):
    with pytest.raises(dg.InputError, match=says) as error:
        run(dg.variant("ns"), rule=dg.rule("simultaneous"), **given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "given", [{"lr": 0}, {"lr": -1}, {"lr": float("nan")}, {"ema": 1.0}, {"ema": -0.1}, {"lr_d": 0}]
)
def test_bad_rules_are_refused(given):
    with pytest.raises(dg.InputError):
        dg.rule("alternating", **given)
    for bad in ({"n_critic": 0}, {"n_critic": 1.5}, {"first": "both"}, {"speed": 1}):
        with pytest.raises(dg.InputError):
            dg.rule("alternating", **bad)
