"""What the tail of a run shows, on motions written down here: radii, periods, turning points, where they go."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import InputError
from diracgan.sweeps import limit_sets
from diracgan.sweeps.quantity import QUANTITIES

END, DT = 20_000, 0.01


def tail(*motions, end=END, dt=DT, status=None):
    """The tail of motions t -> (phi, theta - x0), each (rows, d)."""
    rows = limit_sets.rows(end, dt, False)
    z = [m(rows.save) for m in motions]
    phi, theta = (np.stack([pair[k] for pair in z]) for k in (0, 1))
    codes = np.zeros(len(z), np.int8) if status is None else np.asarray(status, np.int8)
    return limit_sets.Tail(rows, phi, theta, codes, dt is None)


def turning(radius, omega, d=1):
    """r (cos wt, sin wt) for a radius that is a function of time."""

    def at(t):
        phi, theta = radius(t) * np.cos(omega * t), radius(t) * np.sin(omega * t)
        return (phi[:, None] * np.ones(d) / np.sqrt(d), theta[:, None] * np.ones(d) / np.sqrt(d))

    return at


def constant(t):
    return 0.7 * np.ones_like(t)


def test_a_circle_has_its_radius_and_its_period():
    omega = 0.83
    seen = tail(turning(constant, omega))
    # rows stand 0.09 apart, so that the largest of them misses the top by at most (omega step / 2)^2 / 2
    assert seen.radius("phi")[0] == pytest.approx(0.7, rel=(omega * 0.1 / 2) ** 2 / 2)
    assert seen.radius()[0] == pytest.approx(0.7, rel=1e-12)  # |z| is the same everywhere
    assert seen.period()[0] == pytest.approx(2 * np.pi / omega, rel=1e-6)
    assert abs(seen.middle("theta")[0]) < 1e-2
    # turning points of theta: plus and minus the radius, on the parabola through three rows
    points = seen.orbit(32, 1e3)[0]
    np.testing.assert_allclose(np.sort(np.abs(points[np.isfinite(points)])), 0.7, rtol=1e-4)


@pytest.mark.parametrize(
    ("radius", "outcome"),
    [
        (constant, "orbit"),
        (lambda t: 0.7 + np.exp(-0.02 * t), "orbit"),  # settles on one
        (lambda t: 1 / np.sqrt(1 + t), "converging"),  # r^2 t -> 1: beyond the ball for long
        (lambda t: np.exp(-0.1 * t), "equilibrium"),
        (lambda t: 0.01 * np.sqrt(1 + t), "growing"),
        (lambda t: 0.1 + 0.02 * t, "growing"),
    ],
)
def test_where_a_radius_goes(radius, outcome):
    code = tail(turning(radius, 1.3)).limit(1e-3, 1e3)
    assert limit_sets.words(code).tolist() == [outcome]


def test_a_point_at_rest_and_what_failed():
    def rests(t):
        return np.zeros((len(t), 1)), np.full((len(t), 1), 0.4)

    seen = tail(rests, rests, rests, turning(lambda t: 2e3 * np.ones_like(t), 1.0), status=[0, 1, 3, 0])
    assert limit_sets.words(seen.limit(1e-3, 1e3)).tolist() == [
        "elsewhere",
        "diverges",
        "undecided",
        "diverges",
    ]
    assert seen.radius()[:3].tolist()[:2] == [0.4, np.inf] and np.isnan(seen.radius()[2])
    assert np.isnan(seen.period()[:3]).all()
    assert seen.middle("theta")[0] == 0.4 and np.isnan(seen.middle("theta")[1])
    found = seen.orbit(4, 1e3)
    assert found[0, 0] == 0.4 and np.isnan(found[0, 1:]).all()
    assert np.isnan(found[1:]).all()


def test_a_conserved_area_keeps_a_falling_radius_on_an_orbit():
    # r^2 = 2 l + 1/(1 + t) falls for ever, but l = |phi ^ theta| = 0.08 is conserved: r^2 >= 2 l
    def held(t):
        size2 = 0.16 + 1 / (1 + t)
        a = np.sqrt(size2 / 2 + np.sqrt((size2 / 2) ** 2 - 0.08**2))  # a b = 0.08, a^2 + b^2 = r^2
        c, s, b = np.cos(0.9 * t), np.sin(0.9 * t), 0.08 / a
        return np.stack([a * c, a * s], axis=1), np.stack([-b * s, b * c], axis=1)

    assert limit_sets.words(tail(held).limit(1e-3, 1e3)).tolist() == ["orbit"]


def test_a_rule_shows_its_last_iterates():
    def flips(n):
        return np.zeros((len(n), 1)), (0.3 * (-1.0) ** n)[:, None]

    seen = tail(flips, end=2000, dt=None)
    assert seen.period()[0] == 2.0  # (-1)^n comes back after two iterations
    assert seen.orbit(6, 1e3)[0].tolist() == [-0.3, 0.3, -0.3, 0.3, -0.3, 0.3]


def test_rows_lie_within_the_run_and_increase():
    for end, dt, adaptive in ((64, None, False), (2000, None, False), (END, DT, False), (200.0, None, True)):
        rows = limit_sets.rows(end, dt, adaptive)
        last = end if adaptive or dt is None else end * dt
        assert rows.save[0] >= 0 and rows.save[-1] <= last * (1 + 1e-12)
        assert (np.diff(rows.save) > 0).all()
        np.testing.assert_array_equal(rows.save[rows.tail], rows.times)
    with pytest.raises(InputError, match="at least 64"):
        limit_sets.rows(63, None, False)


@pytest.mark.parametrize("d", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_jax_s_arrays_are_judged_alike_where_they_are(d):
    radii = (constant, lambda t: np.exp(-0.1 * t), lambda t: 0.01 * np.sqrt(1 + t), lambda t: 0.1 + 0.02 * t)
    seen = tail(*(turning(r, 0.83, d) for r in (*radii, constant)), status=[0, 0, 0, 0, 1])
    with jax.enable_x64(True):
        both = jnp.asarray(seen.phi), jnp.asarray(seen.theta)
        there = limit_sets.tail(seen.rows, *both, np.zeros(d), jnp.asarray(seen.status), seen.discrete)
        for name, given in (
            *(("radius", (player,)) for player in ("", "phi", "theta")),
            *(("middle", (player,)) for player in ("phi", "theta")),
            *(("period", ()), ("limit", (1e-3, 1e3)), ("orbit", (8, 1e3))),
        ):
            found = getattr(there, name)(*given)
            assert isinstance(found, jax.Array) or name == "orbit"
            np.testing.assert_allclose(
                found, getattr(seen, name)(*given), rtol=1e-9, atol=1e-12, err_msg=name
            )


def test_the_tail_of_a_long_run_is_what_its_quantities_say():
    # alternating steps of wgan-linear with h = 1e-3 turn once in 6,283 iterations: the last 1,024 of 8,060 miss the
    # largest |phi| of the last half
    h, steps, phi, theta = 1e-3, 8060, 1.0, 0.3
    sizes = []
    for _ in range(steps):
        phi -= h * theta
        theta += h * phi
        sizes.append(abs(phi))
    over, rule = {"l2": [0.0]}, dg.rule("alternating", lr=h)
    found = dg.sweep(
        dg.variant("wgan-linear"), over, "radius_phi", rule=rule, phi0=[1.0], theta0=[0.3], steps=steps
    )
    assert max(sizes[-1024:]) < 0.95 * max(sizes[-4030:])
    np.testing.assert_allclose(found.radius_phi.values, max(sizes[-1024:]), rtol=1e-9)
    assert "or its last 1,024 iterations" in QUANTITIES["radius_phi"].help
    assert found.radius_phi.attrs["long_name"] == QUANTITIES["radius_phi"].help
    late = limit_sets.rows(200_000, 0.01, False)
    np.testing.assert_allclose(np.diff(late.times), 0.1)
    assert len(late.times) == 1024
