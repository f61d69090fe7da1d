"""Every rule's steps against plain NumPy loops, written from the rules' definitions alone."""

from __future__ import annotations

import numpy as np
import pytest
from selection import slow_but
from stated import multipliers_of

import diracgan as dg

X0, GAMMA, H_D, H_G, STEPS = np.array([0.3, -0.2]), 0.3, 0.3, 0.2, 20
PHI, THETA = np.array([0.1, 0.5]), np.array([0.7, -0.4])
VARIANT = dg.variant("ns").with_(r1=GAMMA)
H = np.array([H_D, H_D, H_G, H_G])


def sigma(x):
    return 1 / (1 + np.exp(-x))


def parts(z, penalty=1.0):
    """-grad L_D and -grad L_G of the non-saturating GAN with R1, by hand."""
    phi, theta = z[:2], z[2:]
    s, real = phi @ theta, phi @ X0
    return sigma(-real) * X0 - sigma(s) * theta - penalty * GAMMA * phi, sigma(-s) * phi


def field(z, penalty=1.0):
    return np.concatenate(parts(z, penalty))


def mixed(z):
    """d(-grad_phi L_D)/dtheta and d(-grad_theta L_G)/dphi."""
    phi, theta = z[:2], z[2:]
    s = phi @ theta
    slope = sigma(s) * sigma(-s)
    return (
        -sigma(s) * np.eye(2) - slope * np.outer(theta, phi),
        sigma(-s) * np.eye(2) - slope * np.outer(phi, theta),
    )


def alternate(z, step, n_critic=1, generator_first=False):
    """Turns: ``step(z, who)`` gives the new half of the player."""
    z = z.copy()
    for who in [1] * generator_first + [0] * n_critic + [1] * (not generator_first):
        z[2 * who : 2 * who + 2] = step(z, who)
    return z


def simultaneous(z, memory):
    return z + H * field(z), None


def alternating(z, memory):
    return alternate(z, lambda z, who: (z + H * field(z))[2 * who : 2 * who + 2], 3), None


def generator_first(z, memory):
    return alternate(z, lambda z, who: (z + H * field(z))[2 * who : 2 * who + 2], 2, True), None


def heavy_ball(z, last):
    last = z if last is None else last
    return z + H * field(z) + 0.6 * (z - last), z


def heavy_ball_alternating(z, last):
    last = z if last is None else last

    def step(now, who):
        return (now + H * field(now) - 0.4 * (z - last))[2 * who : 2 * who + 2]

    return alternate(z, step), z


def nesterov(z, last):
    ahead = z + 0.6 * (z - (z if last is None else last))
    return ahead + H * field(ahead), z


def adam(z, memory, turns=False, decay=0.0, largest=False):
    z = z.copy()
    m, v, top, t = (np.zeros(4), np.zeros(4), np.zeros(4), 0) if memory is None else memory
    m, v, top, t = m.copy(), v.copy(), top.copy(), t + 1
    for who in [[0, 1], [2, 3]] if turns else [[0, 1, 2, 3]]:
        g = field(z)[who]
        m[who] = 0.8 * m[who] + 0.2 * g
        v[who] = 0.95 * v[who] + 0.05 * g**2
        top[who] = np.maximum(top[who] * largest, v[who] / (1 - 0.95**t))
        pull = decay * z[who]
        z[who] += H[who] * (m[who] / (1 - 0.8**t) / (np.sqrt(top[who]) + 1e-3) - pull)
    return z, (m, v, top, t)


def adamw(z, memory):
    return adam(z, memory, decay=0.3)


def amsgrad(z, memory):
    return adam(z, memory, largest=True)


def rmsprop(z, v):
    g = field(z)
    v = 0.95 * (0.0 if v is None else v) + 0.05 * g**2
    return z + H * g / np.sqrt(v + 1e-3), v


def adam_alternating(z, memory):
    return adam(z, memory, turns=True)


def extragradient(z, memory):
    return z + H * field(z + H * field(z)), None


def optimistic(z, last):
    now = field(z)
    return z + 2 * H * now - H * (now if last is None else last), now


def lookahead(z, memory):
    fast = z
    for _ in range(4):
        fast = fast + H * field(fast)
    return z + 0.3 * (fast - z), None


def implicit(z, memory):
    w = z
    for _ in range(500):  # a contraction: h |J| < 1
        w = z + H * field(w)
    return w, None


def competitive(z, memory):
    f, g = (-p for p in parts(z))  # grad_x f, grad_y g
    d_xy, d_yx = (-m for m in mixed(z))
    eye = np.eye(2)
    dx = -H_D * np.linalg.solve(eye - H_D * H_G * d_xy @ d_yx, f - H_G * d_xy @ g)
    dy = -H_G * np.linalg.solve(eye - H_D * H_G * d_yx @ d_xy, g - H_D * d_yx @ f)
    return z + np.concatenate([dx, dy]), None


def heun(z, memory):
    k1 = field(z)
    return z + H / 2 * (k1 + field(z + H * k1)), None


def rk4(z, memory):
    k1 = field(z)
    k2 = field(z + H / 2 * k1)
    k3 = field(z + H / 2 * k2)
    k4 = field(z + H * k3)
    return z + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None


def lazy(z, count):
    count = 0 if count is None else count
    return z + H * field(z, 3.0 if count % 3 == 0 else 0.0), count + 1


def lazy_alternating(z, count):
    count = 0 if count is None else count

    def step(now, who):
        nonlocal count
        penalty = 3.0 if count % 3 == 0 else 0.0
        count += who == 0
        return (now + H * field(now, penalty))[2 * who : 2 * who + 2]

    return alternate(z, step, 2), count


RATES = {"lr_d": H_D, "lr_g": H_G}
ADAM = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3}
CASES = {
    simultaneous: dg.rule("simultaneous", **RATES),
    alternating: dg.rule("alternating", **RATES, n_critic=3),
    generator_first: dg.rule("alternating", **RATES, n_critic=2, first="generator"),
    heavy_ball: dg.rule("heavy-ball", **RATES, beta=0.6),
    heavy_ball_alternating: dg.rule("heavy-ball", **RATES, beta=-0.4, alternating=True),
    nesterov: dg.rule("nesterov", **RATES, beta=0.6),
    adam: dg.rule("adam", **RATES, **ADAM),
    adam_alternating: dg.rule("adam", **RATES, **ADAM, alternating=True),
    adamw: dg.rule("adamw", **RATES, **ADAM, weight_decay=0.3),
    amsgrad: dg.rule("amsgrad", **RATES, **ADAM),
    rmsprop: dg.rule("rmsprop", **RATES, beta2=0.95, eps=1e-3),
    extragradient: dg.rule("extragradient", **RATES),
    optimistic: dg.rule("optimistic", **RATES),
    lookahead: dg.rule("lookahead", **RATES, k=4, alpha=0.3),
    implicit: dg.rule("implicit", **RATES),
    competitive: dg.rule("cgd", **RATES),
    heun: dg.rule("rk2", **RATES),
    rk4: dg.rule("rk4", **RATES),
    lazy: dg.rule("simultaneous", **RATES, lazy=3),
    lazy_alternating: dg.rule("alternating", **RATES, n_critic=2, lazy=3),
}


@pytest.mark.parametrize("loop", CASES, ids=lambda loop: loop.__name__)
def test_steps_are_those_of_a_plain_loop(loop):
    traj = dg.simulate(VARIANT, phi0=PHI, theta0=THETA, x0=X0, rule=CASES[loop], steps=STEPS)
    z, memory = np.concatenate([PHI, THETA]), None
    for row in range(STEPS + 1):
        found = np.concatenate([traj.phi[row], traj.theta[row]])
        assert np.max(np.abs(found - z)) < 1e-12, row
        z, memory = loop(z, memory)


def test_every_rule_is_in_the_loops_or_states_its_multipliers():
    """Which rules/test_multipliers.py then holds against the rule."""
    loops = {r.name for r in CASES.values()}
    for name in dg.rules():
        if name in loops or not type(dg.rule(name)).__module__.startswith("diracgan."):
            continue
        assert multipliers_of(dg.rule(name)), (
            f"nothing says what {name} should do: write its multipliers into its docstring, as 'Multipliers 1 + zeta.' "
            "or 'Multipliers x^2 - (2 + zeta) x + 1 = 0.', or add its plain loop to CASES"
        )


def test_implicit_solves_its_equation_where_no_contraction_does():
    rule = dg.rule("implicit", lr=20.0)
    traj = dg.simulate(dg.variant("ns").with_(l2=0.1), phi0=[1.0], theta0=[-2.0], rule=rule, steps=3)
    for row in range(3):
        old, new = ((float(traj.phi[k, 0]), float(traj.theta[k, 0])) for k in (row, row + 1))
        s = new[0] * new[1]
        assert abs(new[0] - old[0] - 20 * (-sigma(s) * new[1] - 0.1 * new[0])) < 1e-12
        assert abs(new[1] - old[1] - 20 * sigma(-s) * new[0]) < 1e-12


def test_the_clipped_critic_stays_in_its_box():
    v = dg.variant("wgan-clip", clip=0.3)
    for rule in (
        dg.rule("alternating", lr=0.2),
        dg.rule("heavy-ball", lr=0.2),
        dg.rule("extragradient", lr=0.2),
    ):
        traj = dg.simulate(v, theta0=[1.0, -1.0], phi0=[0.1, 0.2], rule=rule, steps=30)
        assert float(np.abs(traj.phi).max()) == 0.3, rule.label


def test_implicit_jumps_across_a_kink():
    """WGAN-GP in d = 1: whole Newton steps reach the far side of phi = 0, halved ones would get stuck."""
    v, h = dg.variant("wgan-gp", lam=0.1, c=1.0), 0.1
    traj = dg.simulate(v, dim=1, rule=dg.rule("implicit", lr=h), steps=300)
    phi, theta = traj.phi.values[:, 0], traj.theta.values[:, 0]
    assert np.sum(np.diff(np.sign(phi)) != 0) >= 2
    assert np.max(np.abs(np.diff(theta) - h * phi[1:])) < 1e-14
    assert np.max(np.abs(np.diff(phi) + h * (theta[1:] + 0.2 * (phi[1:] - np.sign(phi[1:]))))) < 1e-14


@pytest.mark.parametrize("backend", slow_but(["scipy", "diffrax"], "scipy"))
def test_a_tiny_start_turns_with_the_same_relative_error(backend):
    for size in (1e-6, 1e-12):
        run = dg.simulate(dg.variant("wgan-linear"), [size], [0.0], ts=[0.0, 5.0], backend=backend)
        turned = np.array([run.phi[-1, 0], run.theta[-1, 0]]) / size
        np.testing.assert_allclose(turned, [np.cos(5.0), np.sin(5.0)], rtol=1e-7)
        assert run.attrs["atol"] == pytest.approx(1e-9 * size)


@pytest.mark.parametrize(("data", "attrs", "named"), [(3, {}, "data = 3"), ({}, 4, "attrs = 4")])
def test_a_trajectory_is_made_of_dictionaries(data, attrs, named):
    with pytest.raises(dg.InputError, match=f"{named}; allowed: a dictionary"):
        dg.Trajectory(data, attrs)
