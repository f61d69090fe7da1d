"""wgan-clip as a projected flow, against its closed form.

Each component is a system of its own: phi' = -rate_d (theta - x0) inside the box and at a face that it does not push
against, else 0; theta' = rate_g phi. Inside it turns, at omega = sqrt(rate_d rate_g); on a face theta moves linearly
until it passes x0, where the push ends. From there on the orbit touches the faces and never rests on them again.
"""

import json
from math import acos, atan2, cos, hypot, pi, sin, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg


def component(phi, theta, clip, t, x0=0.0, rate_d=1.0, rate_g=1.0):
    """(phi, theta) at time t."""
    omega, q = sqrt(rate_d * rate_g), sqrt(rate_d / rate_g)
    gap = q * (theta - x0)  # in (phi, gap) the free motion is a rotation by omega t
    now = 0.0
    while True:
        if abs(phi) >= clip - 1e-14 and -gap * phi > 1e-13:  # held
            stay = abs(gap) / (omega * clip)
            if now + stay >= t:
                return phi, x0 + (gap + omega * phi * (t - now)) / q
            now, gap = now + stay, 0.0
        r, angle = hypot(phi, gap), atan2(gap, phi)
        hits = []
        if r > clip * (1 + 1e-13):
            for face in (clip, -clip):
                for a in (acos(face / r), -acos(face / r)):
                    turn = (a - angle) % (2 * pi)
                    if -sin(angle + turn) * face > 1e-12 and turn > 1e-12:
                        hits.append((turn / omega, face))
        wait, face = min(hits, default=(float("inf"), 0.0))
        if now + wait >= t:
            a = angle + omega * (t - now)
            return r * cos(a), x0 + r * sin(a) / q
        now, phi, gap = now + wait, face, r * sin(angle + omega * wait)


CASES = [
    ([0.2], [0.7], {}),
    ([-0.1], [1.3], {}),
    ([0.3], [-0.5], {}),  # starts on a face and is held
    ([0.3], [0.5], {}),  # starts on a face and leaves it at once
    ([0.1, 0.2], [0.9, -0.4], {}),  # both weights held at once
    ([0.1, 0.2, -0.3], [0.9, -0.4, 0.2], {"x0": [0.2, 0.1, -0.6]}),
    ([0.2, -0.1], [0.7, 0.8], {"rate_d": 2.0, "rate_g": 0.5}),
    ([0.25, 0.25], [0.6, 0.6], {}),  # on a diagonal the faces are met at |phi| = sqrt(2) clip
]


@pytest.mark.parametrize(
    ("phi0", "theta0", "more", "solver"),
    # held from the start, about a datum, on the diagonal; the others show parts of these, two rates tests/truth
    [pytest.param(*c, "DOP853", marks=[pytest.mark.slow] * (k in (0, 1, 3, 6))) for k, c in enumerate(CASES)]
    # the engine that takes longer to compile crosses surfaces in tests/truth/test_trajectories.py
    + [pytest.param(*case, "tsit5", marks=pytest.mark.slow) for case in CASES if len(case[0]) < 3],
)
def test_flow_is_the_closed_form(phi0, theta0, more, solver):
    traj = dg.simulate(
        dg.variant("wgan-clip"),
        phi0=phi0,
        theta0=theta0,
        t1=20.0,
        ts=np.linspace(0, 20, 81),
        rtol=1e-12,
        atol=1e-14,
        solver=solver,
        **more,
    )
    datum = more.get("x0", [0.0] * len(phi0))
    rates = {k: x for k, x in more.items() if k != "x0"}
    want = np.array(
        [
            [component(p, q, 0.3, t, x, **rates) for p, q, x in zip(phi0, theta0, datum, strict=True)]
            for t in traj.time.values
        ]
    )
    assert traj.attrs["result"] == "ok"
    np.testing.assert_allclose(traj.phi, want[..., 0], atol=2e-10)
    np.testing.assert_allclose(traj.theta, want[..., 1], atol=2e-10)


@pytest.mark.slow  # fast, the motion: test_flow_is_the_closed_form
def test_faces_are_events_and_only_they():
    traj = dg.simulate(dg.variant("wgan-clip"), phi0=[-0.1], theta0=[1.3], t1=6.0, rtol=1e-11)
    events = json.loads(traj.attrs["events"])
    assert [e["kind"] for e in events] == ["slide", "leave"]
    r, angle = hypot(0.1, 1.3), atan2(1.3, -0.1)
    hit = acos(-0.3 / r) - angle
    np.testing.assert_allclose(events[0]["time"], hit, atol=1e-9)
    np.testing.assert_allclose(events[1]["time"], hit + r * sin(angle + hit) / 0.3, atol=1e-9)
    inside = dg.simulate(dg.variant("wgan-clip"), dim=2, t1=20.0)  # the default start never meets the box
    assert json.loads(inside.attrs["events"]) == []


def test_a_start_outside_the_box_starts_on_it():
    traj = dg.simulate(dg.variant("wgan-clip"), phi0=[0.9], theta0=[-0.5], t1=1.0, backend="scipy")
    assert float(traj.phi[0, 0]) == 0.3
    np.testing.assert_allclose(traj.theta[-1, 0], -0.2, atol=1e-9)


def test_steps_are_clipped_after_each_critic_step():
    phi, theta = 0.25, -0.5
    rows = []
    for _ in range(12):
        for _ in range(2):
            phi = min(max(phi - 0.2 * theta, -0.3), 0.3)
        theta = theta + 0.2 * phi
        rows.append((phi, theta))
    traj = dg.simulate(
        dg.variant("wgan-clip"),
        phi0=[0.25],
        theta0=[-0.5],
        rule=dg.rule("alternating", lr=0.2, n_critic=2),
        steps=12,
    )
    np.testing.assert_allclose(traj.phi[1:, 0], [r[0] for r in rows], atol=1e-15)
    np.testing.assert_allclose(traj.theta[1:, 0], [r[1] for r in rows], atol=1e-15)


@pytest.mark.slow  # fast, of wgan-clip: test_field_on_a_face_does_not_point_out
def test_any_variant_can_be_clipped():
    class Clipped(dg.Variant):
        constraint = "clipped"
        clip: float = 0.3

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(jnp.abs(fake - 0.1)) - jnp.mean(real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    traj = dg.simulate(Clipped(), phi0=[0.2], theta0=[-0.5], t1=3.0, rtol=1e-10)
    # s < 0.1: phi' = theta (a saddle with theta' = phi): down to the lower face; there theta falls to -1/3 at s = 0.1
    assert traj.attrs["result"] == "ok"
    assert np.max(np.abs(traj.phi)) <= 0.3 + 1e-12
    fine = dg.simulate(
        Clipped(),
        phi0=[0.2],
        theta0=[-0.5],
        rule=dg.rule("simultaneous", lr=1e-4),
        steps=30_000,
        every=30_000,
    )
    np.testing.assert_allclose(traj.phi[-1], fine.phi[-1], atol=2e-3)
    np.testing.assert_allclose(traj.theta[-1], fine.theta[-1], atol=2e-3)


def test_field_on_a_face_does_not_point_out():
    with jax.enable_x64(True):
        f = dg.field(dg.variant("wgan-clip"))
        held, free = (f(jnp.array([0.3, -0.3]), s * jnp.array([-1.0, 1.0])).phi for s in (1.0, -1.0))
    np.testing.assert_array_equal(held, [0.0, 0.0])
    np.testing.assert_array_equal(free, [-1.0, 1.0])
