"""Discontinuities of a user's loss: found in the traced program, located in time, crossed, slid along or rested on."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from scipy.integrate import quad, solve_ivp
from selection import slow_but

import diracgan as dg
from diracgan.dynamics import run
from diracgan.tracing.piecewise import form_of
from diracgan.tracing.scalar_program import trace
from diracgan.tracing.switching import evaluate, unlocated

TIGHT = {"rtol": 1e-12, "atol": 1e-14, "solver": "DOP853"}
TABLE = np.array([2.0, -1.0])


class Linear(dg.Variant):
    """A linear WGAN whose critic pays what a test says."""

    k: float = 0.5
    a: float = 0.3

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


def pays(of) -> type[Linear]:
    """The class whose critic pays ``of(self, phi)``."""
    return type(
        "Pays", (Linear,), {"penalty": lambda self, critic, phi, *_: of(self, phi), "__module__": __name__}
    )


def events(traj, *kinds) -> list[float]:
    return [e["time"] for e in json.loads(traj.attrs["events"]) if not kinds or e["kind"] in kinds]


def kinds(traj) -> list[str]:
    return [e["kind"] for e in json.loads(traj.attrs["events"])]


def last(traj) -> np.ndarray:
    return np.concatenate([traj["phi"][-1], traj["theta"][-1]])


# ------------------------------------------------------------ which surfaces are found


PLACES, VALUES = np.array([-1.0, 0.0, 1.0]), np.array([1.0, 0.5, 2.0])


@pytest.mark.parametrize(
    ("fn", "at", "surfaces"),
    [
        (lambda x: jnp.abs(x[0] - 1), [3.0, 0.0], [2.0]),
        (lambda x: jnp.where(x[0] > 2 * x[1], x[0], 0.0), [3.0, 1.0], [1.0]),
        (lambda x: jnp.where(x[0] < 2, x[0], 0.0), [3.0, 1.0], [1.0]),
        (lambda x: jnp.maximum(x[0], x[1]), [3.0, 1.0], [2.0]),
        (lambda x: jnp.minimum(x[0], 0.5), [3.0, 1.0], [2.5]),
        (lambda x: jax.nn.relu(x[0] - 4), [3.0, 1.0], [-1.0]),
        (lambda x: jax.nn.leaky_relu(x[0]), [-3.0, 1.0], [-3.0]),
        (lambda x: jnp.clip(x[0], -1.0, 5.0), [3.0, 1.0], [4.0, 2.0]),
        (lambda x: jnp.sign(x[0]) * x[1], [3.0, 1.0], [3.0]),
        (lambda x: jax.jit(lambda y: jax.jit(jnp.abs)(y - 1))(x[0]), [3.0, 1.0], [2.0]),
        (lambda x: jnp.linalg.norm(x[:1] - 1), [3.0, 0.0], [2.0]),
        (lambda x: jnp.sqrt((x[0] - 1) ** 2), [3.0, 0.0], [2.0]),
        (lambda x: ((x[0] - 1) ** 2) ** 0.5, [3.0, 0.0], [2.0]),
        (lambda x: jax.lax.rsqrt((x[0] - 1) ** 2), [3.0, 0.0], [2.0]),
        (lambda x: jnp.sqrt(9.0 * x[0] ** 2), [2.0, 0.0], [6.0]),
        (lambda x: jnp.sqrt(x[0] ** 2 / 16.0), [2.0, 0.0], [0.5]),
        (lambda x: jnp.sqrt(x[0] ** 4), [3.0, 0.0], [9.0]),
        (lambda x: jax.lax.cond(x[0] > 1, lambda y: y, lambda y: -y, x[0]), [3.0, 0.0], [2.0]),
        (lambda x: jnp.sum(jnp.abs(x)), [3.0, -1.0], [3.0, -1.0]),
        (lambda x: jnp.max(x), [3.0, -1.0], [4.0]),
        (lambda x: jnp.min(jnp.stack([x, 2 * x]), axis=1)[0], [3.0, -1.0], [4.0, 8.0]),
        # of 3, -1, 2: compared are 3 with -1, 3 with 2, and -1 with 2
        (lambda x: jnp.sort(jnp.append(x, 2.0))[0], [3.0, -1.0], [4.0, 1.0, 3.0]),
        (lambda x: jnp.median(jnp.append(x, 2.0)), [3.0, -1.0], [4.0, 1.0, 3.0]),
        # three places of a table, the first and the last of which are compared once more, and twice their distance
        (lambda x: jnp.interp(x[0], PLACES, VALUES), [0.5, 0.0], [1.5, 0.5, 0.5, 1.0, 1.0, 1.5, 0.5]),
    ],
)
def test_every_branch_names_its_surface(fn, at, surfaces):
    with jax.enable_x64(True):
        value, found = evaluate(fn, (jnp.array(at),))
        assert float(value) == pytest.approx(float(fn(jnp.array(at))))
        assert sorted(np.abs(found).tolist()) == pytest.approx(sorted(np.abs(surfaces).tolist()))
        # frozen on the other side, the function is its own smooth continuation: its value there differs or agrees, but
        # its gradient is finite
        other = jax.grad(lambda x: evaluate(fn, (x,), -jnp.sign(found))[0])(jnp.array(at))
        assert np.all(np.isfinite(other))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: jax.nn.softplus(x[0]),
        lambda x: jax.nn.sigmoid(x[0]) + jax.nn.log_sigmoid(x[1]),
        lambda x: jnp.logaddexp(x[0], x[1]),
        lambda x: jax.nn.gelu(x[0]) + jax.nn.silu(x[1]) + jnp.tanh(x[0]),
        lambda x: jnp.sum(x**2) + jnp.exp(x[0]) + jnp.sqrt(1 + x[0] ** 2),
        lambda x: jnp.linalg.norm(x),  # in d = 2 a point, not a surface
        lambda x: dg.variants and jnp.where(jnp.array([True, False]), x, 0.0).sum(),
        lambda x: x[0] / jnp.where(x[1] == 0, 1.0, x[1]),
        lambda x: x[0] * jnp.sum(jnp.abs(TABLE)),  # of numbers, not of the argument
        lambda x: jnp.sqrt(0.0 * x[0] ** 2) + x[1],  # 0 everywhere
        lambda x: jnp.sqrt(9.0 / x[0] ** 2),  # 3/|x| has a pole where |x| has a kink
    ],
)
def test_what_is_smooth_has_no_surface(fn):
    with jax.enable_x64(True):
        x = jnp.array([0.3, -0.7])
        value, surfaces = evaluate(fn, (x,))
        assert surfaces.size == 0
        np.testing.assert_allclose(value, fn(x), rtol=1e-14)


@pytest.mark.parametrize(
    ("fn", "at", "modes", "piece"),
    [
        (lambda x: jnp.abs(x), 3.0, [-1], lambda x: -x),
        (lambda x: jnp.sign(x) * x, 3.0, [-1], lambda x: -x),
        (lambda x: jnp.maximum(x, 1.0), 3.0, [1], lambda x: x),
        (lambda x: jnp.maximum(x, 1.0), 3.0, [-1], lambda x: 1.0),
        (lambda x: jnp.minimum(x, 1.0), 3.0, [1], lambda x: 1.0),
        (lambda x: jnp.minimum(x, 1.0), 3.0, [-1], lambda x: x),
        (lambda x: jax.lax.clamp(-1.0, x, 2.0), 3.0, [1, 1], lambda x: x),
        (lambda x: jax.lax.clamp(-1.0, x, 2.0), 3.0, [-1, 1], lambda x: -1.0),
        (lambda x: jax.lax.clamp(-1.0, x, 2.0), 0.5, [1, -1], lambda x: 2.0),
        (lambda x: jnp.where(x > 2, x**2, 0.0), 1.0, [1], lambda x: x**2),
        (lambda x: jnp.where(x > 2, x**2, 0.0), 3.0, [-1], lambda x: 0.0),
        (lambda x: jnp.where(x < 2, x**2, 0.0), 3.0, [-1], lambda x: x**2),
        (lambda x: jnp.where(x < 2, x**2, 0.0), 1.0, [1], lambda x: 0.0),
        (lambda x: jnp.where(x <= 2, x**2, 0.0), 3.0, [-1], lambda x: x**2),
        (lambda x: jnp.where(x >= 2, x**2, 0.0), 1.0, [1], lambda x: x**2),
        (lambda x: jnp.sqrt((x - 1) ** 2), 3.0, [-1], lambda x: 1 - x),
        (lambda x: jax.lax.rsqrt((x - 1) ** 2), 3.0, [-1], lambda x: 1 / (1 - x)),
        # a step reaches half a step further on either side: an odd step is [2k + 1/2, 2k + 5/2), an even one the rest
        (lambda x: x * jnp.floor(x), 2.3, [1], lambda x: 2 * x),
        (lambda x: x * jnp.floor(x), 2.3, [-1], lambda x: x),
        (lambda x: x * jnp.floor(x), 2.7, [-1], lambda x: 3 * x),
        (lambda x: x * jnp.ceil(x), 2.3, [1], lambda x: 2 * x),
        (lambda x: x * jnp.ceil(x), 2.3, [-1], lambda x: 3 * x),
        (lambda x: x * jnp.round(x), 2.2, [-1], lambda x: 3 * x),
        (lambda x: x * jnp.round(x), 2.8, [1], lambda x: 2 * x),
    ],
)
def test_frozen_a_function_is_the_piece_that_its_modes_name(fn, at, modes, piece):
    with jax.enable_x64(True):
        frozen, slope = jax.value_and_grad(lambda x: evaluate(fn, (x,), jnp.array(modes))[0])(jnp.array(at))
        want, its = jax.value_and_grad(lambda x: jnp.asarray(piece(x)) + 0 * x)(jnp.array(at))
        assert (float(frozen), float(slope)) == pytest.approx((float(want), float(its)), rel=1e-14)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_place_in_a_table_is_that_of_jax_and_a_scalar_program(side):
    def slope(x):
        # 0 below -1, -1/2 to 0, 3/2 to 1, then 0; and the number of places below
        return jax.grad(lambda x: jnp.interp(x, PLACES, VALUES))(x[0]), jnp.searchsorted(PLACES, x, side=side)

    with jax.enable_x64(True):
        program = trace(slope, np.zeros(1))
        assert not program.on_arrays
        for x, k in ((-2.0, -1), (-0.5, 0), (0.7, 1), (3.0, -1)):
            found = program.on_host([x])
            assert found[0] == (0.0 if k < 0 else np.diff(VALUES)[k])
            assert found[1] == np.searchsorted(PLACES, x, side)
        for x in PLACES:
            assert program.on_host([x])[1] == np.searchsorted(PLACES, x, side)


def test_a_half_power_has_the_slope_zero_at_zero_as_a_root_has():
    with jax.enable_x64(True):
        for fn in (jnp.sqrt, lambda x: jax.lax.pow(x, 0.5)):
            slope = jax.grad(lambda x, fn=fn: evaluate(fn, (x,))[0])
            assert float(slope(jnp.array(0.0))) == 0.0  # jax.grad of fn says inf
            assert float(slope(jnp.array(0.25))) == 1.0


def test_a_guarded_root_has_the_gradient_of_the_branch_that_is_taken():
    loss = pays(lambda self, phi: jnp.sum(jnp.where(phi > 1, jnp.sqrt(phi - 1), 0.0)))()
    with jax.enable_x64(True):
        dphi, _ = dg.field(loss)(jnp.array([0.5]), jnp.array([0.2]))  # jax.grad of this says NaN
        assert float(dphi[0]) == -0.2


# ------------------------------------------------------------ crossings, located against closed forms


relu = pays(lambda self, phi: self.k * jnp.sum(jax.nn.relu(phi - self.a)))
kink = pays(lambda self, phi: 0.5 * self.k * jnp.sum(jax.nn.relu(phi - self.a) ** 2))
attracted = pays(lambda self, phi: self.k * jnp.sum(jnp.abs(phi)))
repelled = pays(lambda self, phi: -self.k * jnp.sum(jnp.abs(phi)))
stepped = pays(lambda self, phi: self.k * jnp.sum(jnp.where(phi > self.a, phi - self.a, 0.0)))
clipped = pays(lambda self, phi: self.k * jnp.sum(jnp.clip(phi, -self.a, self.a)))


def pieces(loss, k, a):
    return {
        relu: oracles.critic_pays(lambda i: ((0, 0), (0, k))[i], [a]),
        stepped: oracles.critic_pays(lambda i: ((0, 0), (0, k))[i], [a]),
        kink: oracles.critic_pays(lambda i: ((0, 0), (k, -k * a))[i], [a]),
        attracted: oracles.critic_pays(lambda i: ((0, -k), (0, k))[i], [0.0]),
        repelled: oracles.critic_pays(lambda i: ((0, k), (0, -k))[i], [0.0]),
        clipped: oracles.critic_pays(lambda i: ((0, 0), (0, k), (0, 0))[i], [-a, a]),
    }[loss]


CASES = [
    (relu, 0.5, 0.3, 0.3 + 1e-9, 0.4),
    (relu, 0.5, 0.3, -0.2, -1.4),
    (relu, 0.5, 0.4999, 0.3, 0.4),  # visits the other side for 0.02 units of time
    (stepped, 0.9, 0.2, 1.3, 0.4),
    (kink, 3.0, 0.3, 1.3, 0.4),
    (attracted, 0.3, 0.0, 1.0, 0.0),
    (attracted, 0.3, 0.0, 3.0, -1.0),
    (repelled, 0.3, 0.0, 1.0, 0.0),
    (repelled, 0.05, 0.0, 0.3, 0.7),
    (clipped, 0.6, 0.4, 1.1, 0.3),
]


@pytest.mark.parametrize(("loss", "k", "a", "phi0", "theta0"), slow_but(CASES, CASES[9]))
def test_piecewise_linear_games_are_solved_exactly(loss, k, a, phi0, theta0):
    truth, met = oracles.piecewise_linear(pieces(loss, k, a), (phi0, theta0), 10.0)
    for tolerances, close in ((TIGHT, 1e-10), ({"solver": "DOP853"}, 1e-8)):
        traj = run(loss(k=k, a=a), [phi0], [theta0], t1=10.0, **tolerances)
        np.testing.assert_allclose(last(traj), truth, atol=5 * close)
        found = [t for t in events(traj) if t > 1e-6]
        np.testing.assert_allclose(found, [t for t, _ in met if t > 1e-6], atol=close)


@pytest.mark.slow  # fast, of one: the test above
@pytest.mark.parametrize("solver", ["tsit5", "dopri8", "kvaerno5", "RK45", "Radau", "LSODA"])
def test_every_solver_sees_a_short_visit_and_slides(solver):
    for k, a, phi0, theta0 in ((0.5, 0.4999, 0.3, 0.4), (0.5, 0.3, 0.3, 0.4)):
        truth, met = oracles.piecewise_linear(pieces(relu, k, a), (phi0, theta0), 10.0)
        traj = run(relu(k=k, a=a), [phi0], [theta0], t1=10.0, rtol=1e-10, atol=1e-12, solver=solver)
        np.testing.assert_allclose(last(traj), truth, atol=1e-7)
        np.testing.assert_allclose([t for t in events(traj) if t > 1e-6], [t for t, _ in met], atol=2e-7)


@pytest.mark.slow  # no fast witness: too dear
def test_a_surface_of_the_logits_in_two_dimensions():
    # L_D = s below s = h and 2 s - h above: phi' = -theta or -2 theta, so |phi|^2 + |theta|^2 is conserved below, where
    # it starts, and s' = |phi|^2 - |theta|^2 or |phi|^2 - 2 |theta|^2: it slides while these have two signs
    class Two(Linear):
        def critic_loss(self, real, fake, x_real, x_fake):
            s = jnp.mean(fake) - jnp.mean(real)
            return jnp.where(s > self.a, 2 * s - self.a, s)

    traj = run(Two(a=0.1), [0.3, 0.1], [0.4, -0.2], t1=10.0, **TIGHT)
    phi, theta = traj["phi"], traj["theta"]
    s = np.sum(phi * theta, axis=1)
    assert kinds(traj) == ["slide", "leave"]
    since, until = events(traj)
    inside, time = np.sum(phi**2 + theta**2, axis=1), traj["time"]
    before, along, after = time < since, (time > since) & (time < until), time > until
    assert min(before.sum(), along.sum(), after.sum()) > 10
    assert max(np.ptp(inside[before]), np.ptp(inside[after])) < 1e-9
    assert np.max(s) <= 0.1 + 1e-9
    np.testing.assert_allclose(s[along], 0.1, atol=1e-9)


@pytest.mark.slow  # fast: of nested branches each names its surface, above
def test_the_program_of_a_loss_may_nest_its_branches():
    # |relu(phi) - a| through jit, one surface inside another; and relu(-relu(phi)) which is flat on both sides
    nested = pays(
        lambda self, phi: self.k * jnp.sum(jax.jit(lambda x: jnp.abs(jax.nn.relu(x) - self.a))(phi))
    )
    k, a = 0.3, 0.4
    exact = oracles.critic_pays(lambda i: ((0, 0), (0, -k), (0, k))[i], [0.0, a])
    truth, _ = oracles.piecewise_linear(exact, (1.2, -0.5), 10.0)
    traj = run(nested(k=k, a=a), [1.2], [-0.5], t1=10.0, **TIGHT)
    np.testing.assert_allclose(last(traj), truth, atol=1e-9)
    flat = pays(lambda self, phi: self.k * jnp.sum(jnp.abs(-jax.nn.relu(phi))))
    truth, _ = oracles.piecewise_linear(
        oracles.critic_pays(lambda i: ((0, 0), (0, k))[i], [0.0]), (-0.5, -1.0), 10.0
    )
    np.testing.assert_allclose(last(run(flat(k=k), [-0.5], [-1.0], t1=10.0, **TIGHT)), truth, atol=1e-9)


# ------------------------------------------------------------ sliding and sticking


def test_an_l1_penalty_holds_the_critic_at_zero():
    # phi' = -theta - k sign(phi): sticks at phi = 0 once |theta| < k; theta' = phi = 0 from then on
    traj = run(attracted(k=0.3), [0.1], [0.2], t1=20.0, **TIGHT)
    # (phi, theta) turns about (0, -k): phi = 0.1 cos t - 0.5 sin t, so it arrives when tan t = 1/5
    arrival = np.arctan(0.2)
    assert traj.attrs["result"] == "stuck"
    assert traj.attrs["result_time"] == pytest.approx(arrival, abs=1e-10)
    np.testing.assert_allclose(last(traj), [0.0, np.hypot(0.1, 0.5) - 0.3], atol=1e-10)
    assert kinds(traj) == ["slide"]


@pytest.mark.slow  # fast, of one: an L1 penalty holds the critic, above
def test_two_surfaces_hold_two_components():
    k, p, q = 0.3, np.array([1.0, 0.5]), np.array([0.0, 1.0])
    traj = run(attracted(k=k), p, q, t1=20.0, **TIGHT)
    for i in range(2):  # the components do not know of each other
        truth, _ = oracles.piecewise_linear(pieces(attracted, k, 0), (p[i], q[i]), 20.0)
        np.testing.assert_allclose([traj["phi"][-1, i], traj["theta"][-1, i]], truth, atol=1e-9)
    assert traj.attrs["result"] == "stuck"
    assert traj.attrs["result_time"] == pytest.approx(max(events(traj)), abs=1e-12)


@pytest.mark.slow  # both weights of a clipped critic, on a diagonal: variants/test_clip.py
@pytest.mark.parametrize("dim", [2, 3])
def test_components_that_arrive_at_the_same_moment(dim):
    traj = run(attracted(k=0.3), [0.1] * dim, [0.2] * dim, t1=5.0, **TIGHT)
    np.testing.assert_allclose(last(traj), [0.0] * dim + [np.hypot(0.1, 0.5) - 0.3] * dim, atol=1e-9)
    assert traj.attrs["result"] == "stuck"


def test_a_slide_ends_where_one_side_lets_go():
    # at phi = a the jump holds while -k < theta < 0; theta' = a meanwhile, so it lets go downwards at theta = 0
    traj = run(relu(k=0.5, a=0.3), [0.3], [-0.4], t1=10.0, **TIGHT)
    assert kinds(traj)[:2] in (["leave"], ["leave", "slide"])
    assert events(traj)[0] == pytest.approx(0.4 / 0.3, abs=1e-10)
    rows = traj["time"] < 0.4 / 0.3
    np.testing.assert_allclose(traj["phi"][rows, 0], 0.3, atol=1e-12)
    np.testing.assert_allclose(traj["theta"][rows, 0], -0.4 + 0.3 * traj["time"][rows], atol=1e-12)


def test_a_norm_in_two_dimensions_holds_the_critic_without_a_surface():
    class Norm(Linear):
        def penalty(self, critic, phi, x_real, x_fake):
            return self.k * jnp.linalg.norm(phi)

    traj = run(Norm(k=0.5), [0.1, 0.2], [0.2, 0.1], t1=5.0)
    assert traj.attrs["result"] == "stuck"
    assert np.all(np.isfinite(traj["phi"]))
    np.testing.assert_allclose(traj["phi"][-1], 0.0, atol=1e-8)

    def field(t, z):
        return [*(-z[2:] - 0.5 * z[:2] / np.linalg.norm(z[:2])), *z[:2]]

    def arrives(t, z):
        return np.linalg.norm(z[:2]) - 1e-6

    arrives.terminal = True
    truth = solve_ivp(
        field, (0, 1), [0.1, 0.2, 0.2, 0.1], method="DOP853", events=arrives, rtol=1e-10, atol=1e-12
    )
    # |phi|' <= |theta| - 0.5 < -0.1 on the last stretch
    assert traj.attrs["result_time"] == pytest.approx(truth.t[-1], abs=1e-5)
    np.testing.assert_allclose(traj["theta"][-1], truth.y[2:, -1], atol=1e-5)
    assert np.linalg.norm(traj["theta"][-1]) < 0.5  # what k can hold


def test_repelling_surfaces_are_left_at_once_to_the_side_that_the_loss_takes():
    # phi' = -theta + k sign(phi) at phi = 0 with |theta| < k points away on both sides
    traj = run(repelled(k=0.3), [0.0], [0.1], t1=1.0, **TIGHT)
    assert traj["phi"][-1, 0] < 0  # as -theta, the field there, says
    other = run(repelled(k=0.3), [0.0], [-0.1], t1=1.0, **TIGHT)
    np.testing.assert_allclose(last(other), -last(traj), atol=1e-12)
    # and exactly between, resting is a solution
    traj = run(dg.variant("wgan-gp"), [0.0], [0.0], t1=1.0, **TIGHT)
    np.testing.assert_array_equal(last(traj), [0.0, 0.0])


# ------------------------------------------------------------ the seed's norms

NORMS = [("wgan-gp", {"lam": 0.3, "c": 0.7}), ("gan-qp", {"lam": 0.5})]

LINES = [(n, o, d, m) for n, o in NORMS for d in (2, 3) for m in (False, True)]


@pytest.mark.parametrize(("name", "own", "dim", "moved"), slow_but(LINES, (*NORMS[1], 3, False)))
def test_collinear_starts_are_the_one_dimensional_game(name, own, dim, moved):
    line = np.array([2.0, -1.0, 2.0])[:dim]
    line /= np.linalg.norm(line)
    x0 = np.array([0.3, 0.4, -1.2])[:dim] * moved
    v = dg.variant(name, **own)
    flat = run(v, [0.4], [-1.1], t1=12.0, **TIGHT)
    whole = run(v, 0.4 * line, x0 - 1.1 * line, x0=x0, t1=12.0, **TIGHT)
    np.testing.assert_allclose(whole["phi"], flat["phi"] * line, atol=1e-9)
    np.testing.assert_allclose(whole["theta"], x0 + flat["theta"] * line, atol=1e-9)
    assert len(events(whole)) == len(events(flat)) > 1
    # with an average beside it
    whole = run(v, 0.4 * line, x0 - 1.1 * line, x0=x0, t1=2.0, ema_tau=0.5, **TIGHT)
    flat = run(v, [0.4], [-1.1], t1=2.0, ema_tau=0.5, **TIGHT)
    np.testing.assert_allclose(whole["theta_ema"], x0 + flat["theta_ema"] * line, atol=1e-9)


def test_a_datum_off_the_line_keeps_the_whole_game():
    # ns sees x0 itself: phi along u and theta = x0 + b u with x0 across u is not a line of its own
    x0 = np.array([0.0, 0.8])
    traj = run(dg.variant("ns").with_(l2=0.1), [0.5, 0.0], [0.3, 0.8], x0=x0, ts=[4.0], **TIGHT)
    truth = oracles.integrate(oracles.field("ns", x0, l2=0.1), [0.5, 0.0, 0.3, 0.8], [4.0])
    np.testing.assert_allclose(last(traj), truth[0], atol=1e-9)


@pytest.mark.parametrize("dim", slow_but([1, 2, 3], 2))
def test_starts_on_the_singular_points(dim):
    theta = np.linspace(0.4, 1.2, dim)
    # phi = 0 with c > 0: the critic leaves against theta, as from a start close by
    v = dg.variant("wgan-gp", lam=0.2, c=0.9)
    there = run(v, np.zeros(dim), theta, t1=3.0, **TIGHT)
    size = np.linalg.norm(theta)
    flat = run(v, [-1e-13], [size], t1=3.0, **TIGHT)
    np.testing.assert_allclose(there["theta"][-1], flat["theta"][-1, 0] * theta / size, atol=1e-9)
    # theta = x0 in GAN-QP
    x0 = np.linspace(-0.5, 0.5, dim)
    there = run(dg.variant("gan-qp"), theta, x0, x0=x0, t1=3.0, **TIGHT)
    flat = run(dg.variant("gan-qp"), [size], [0.0], t1=3.0, **TIGHT)
    np.testing.assert_allclose(there["theta"][-1], x0 + flat["theta"][-1, 0] * theta / size, atol=1e-9)
    # the normalised critic has no value at phi = 0
    traj = run(dg.variant("wgan"), np.zeros(dim), theta, t1=3.0, **TIGHT)
    assert traj.attrs["result"] == "stiff"
    assert traj.attrs["result_time"] == 0.0


@pytest.mark.parametrize("miss", slow_but([1e-3, 1e-6, 1e-9], 1e-6))
def test_near_misses_of_the_kink_are_followed(miss):
    # almost collinear: |phi| is almost 0 on the way
    phi0, theta0 = np.array([0.5, miss]), np.array([1.0, 0.0])
    traj = run(dg.variant("gan-qp", lam=0.5), phi0, theta0, ts=[6.0], **TIGHT)
    flat = run(dg.variant("gan-qp", lam=0.5), [0.5], [1.0], ts=[6.0], **TIGHT)
    assert traj.attrs["result"] == "ok"
    assert abs(traj["theta"][-1, 0] - flat["theta"][-1, 0]) < 10 * miss
    wedge = traj["phi"][-1, 0] * traj["theta"][-1, 1] - traj["phi"][-1, 1] * traj["theta"][-1, 0]
    assert wedge == pytest.approx(-miss, rel=1e-6)


# ------------------------------------------------------------ ends that are not ends


@pytest.mark.parametrize("solver", slow_but(["tsit5", "DOP853"], "DOP853"))
def test_a_blow_up_says_when(solver):
    # phi' = 2 s theta, theta' = 2 s phi: K = |phi|^2 - |theta|^2 stays and s' = 2 s (|phi|^2 + |theta|^2), the last
    # factor sqrt(K^2 + 4 s^2)
    class Blow(Linear):
        def critic_loss(self, real, fake, x_real, x_fake):
            return -(jnp.mean(fake) ** 2)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -(jnp.mean(fake) ** 2)

    k = 0.3**2 - 0.4**2
    when = quad(
        lambda u: 1 / (2 * np.sqrt(k**2 + 4 * np.exp(2 * u))), np.log(0.12), 60, epsabs=1e-13, limit=500
    )[0]
    traj = run(Blow(), [0.3], [0.4], t1=100.0, solver=solver)
    assert traj.attrs["result"] == "diverged"
    assert traj.attrs["result_time"] == pytest.approx(when, abs=1e-6)
    late = traj["time"] > when
    assert np.all(np.isnan(traj["phi"][late]))
    assert np.all(np.isfinite(traj["phi"][~late]))


def test_a_loss_without_a_value_is_no_trajectory():
    class Lost(Linear):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.log(-1.0 - jnp.mean(fake) ** 2)

    traj = run(Lost(), [0.3], [0.4], t1=5.0, **TIGHT)
    assert traj.attrs["result"] == "stiff"
    assert np.all(np.isnan(traj["phi"][1:]))
    assert dg.spectrum(Lost()).status == "not-an-equilibrium"


def test_huge_states_are_no_trouble_where_the_field_is_none():
    traj = run(dg.variant("wgan-linear"), [1e100], [1e100], ts=[1.0], solver="DOP853")
    np.testing.assert_allclose(last(traj) / 1e100, [np.cos(1) - np.sin(1), np.sin(1) + np.cos(1)], rtol=1e-8)
    traj = run(dg.variant("wgan-gp", lam=0.3), [1e100, 2.0], [1e100, 1.0], t1=10.0, solver="DOP853")
    assert traj.attrs["result"] == "ok"
    traj = run(dg.variant("wgan-linear"), [1e160], [0.0], ts=[1.0], solver="DOP853")
    assert traj.attrs["result"] in ("ok", "diverged")


@pytest.mark.slow  # fast, the choice of one: dynamics/test_flow.py, a stiff start is told by its decay
def test_stiff_problems_have_solvers():
    lam = 1e5
    fast = -lam - np.sqrt(lam**2 - 1)
    slow = 1 / fast
    truth = (0.1 - fast * 0.2) / (slow - fast) * np.exp(40 * slow)
    for solver in ("Radau", "LSODA", "kvaerno5"):
        traj = run(dg.variant("wgan-gp", c=0.0, lam=lam), [0.1], [0.2], ts=[40.0], solver=solver)
        assert traj["theta"][-1, 0] == pytest.approx(truth, rel=1e-8)


@pytest.mark.slow  # fast, that none is unlocated: test_what_may_switch_without_a_surface_is_named
@pytest.mark.parametrize("dim", [1, 2])
def test_steps_like_floor_are_located_as_comparisons_are(dim):
    def stairs(x):
        return sum(jnp.where(x > k, 1.0, 0.0) - jnp.where(x < -k + 1, 1.0, 0.0) for k in range(1, 12))

    ways = {
        "floor": lambda x: jnp.floor(x),
        "ceil": lambda x: jnp.ceil(x) - 1,
        "round": lambda x: jnp.round(x - 0.5),
        "where": stairs,
    }
    kinds = [pays(lambda self, phi, f=f: jnp.sum(f(10 * phi) * phi) * 0.05) for f in ways.values()]
    start = {"phi0": [0.7, -0.33][:dim], "theta0": [0.9, 0.41][:dim], "t1": 6.0}
    one, *others = (run(kind(), **start) for kind in kinds)
    assert one.attrs["result"] == "ok" and json.loads(one.attrs["events"])
    for other in others:
        np.testing.assert_allclose(other["phi"], one["phi"], atol=1e-9)


@pytest.mark.parametrize(
    ("fn", "named"),
    [
        (lambda x: jnp.sum(jnp.abs(x) + jnp.maximum(x, 0.1) + jax.nn.relu(x) + jnp.floor(x)), ()),
        (lambda x: jax.lax.cond(x[0] > 0, jnp.sum, jnp.max, x), ("cond",)),  # one branch is a maximum
        (
            lambda x: jax.lax.cond(x[0] > 0, jnp.sum, lambda y: 2 * jnp.sum(y), x),
            (),
        ),  # the comparison is a site
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, c: c * 0.5 + x[0], x[0]), ()),
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, c: jnp.abs(c - x[0]), x[0]), ("scan",)),
        (lambda x: jax.lax.while_loop(lambda c: c < 9, lambda c: 2 * c + 1, jnp.abs(x[0])), ("while",)),
        (lambda x: jnp.sort(x)[0] + jnp.max(x), ()),
        (lambda x: jnp.sort(jnp.tile(x, 5))[0] + jnp.max(jnp.tile(x, 5)), ("reduce_max", "sort")),  # too many
        (lambda x: x[jnp.argsort(x)][0], ("sort",)),  # which entry it is, not its value
        (lambda x: jnp.sum(x % 0.3), ("rem",)),
        (lambda x: jnp.sum(x * x.astype(int)), ("convert_element_type",)),  # a step at every whole number
        (lambda x: jnp.sum(x * (x > 0.1).astype(int) + jnp.arange(2).astype(float)), ()),
        (lambda x: jnp.sum(x) + jnp.sort(jnp.arange(3.0))[0], ()),  # of numbers, not of the argument
    ],
)
def test_what_may_switch_without_a_surface_is_named(fn, named):
    assert unlocated(fn, (jnp.array([0.3, -0.2]),)) == named


@pytest.mark.parametrize(
    ("fn", "degree"),
    [
        (lambda u: u * u.astype(int).astype(u.dtype), np.inf),  # u trunc(u): steps at the whole numbers
        (lambda u: u * (u != 0).astype(u.dtype), np.inf),
        (lambda u: u * (u > 0.1).astype(int), 1.0),  # a truth value is cast, not a number
        (lambda u: u**2 * u.astype(jnp.float16).astype(u.dtype), 3.0),
    ],
)
def test_a_cast_to_whole_numbers_is_no_polynomial(fn, degree):
    assert form_of(fn, (jnp.ones(1),)).degree == degree


@pytest.mark.slow  # the absolute value, and ties: above
def test_a_median_rests_where_the_same_loss_written_by_an_absolute_value_does():
    """|f| = max(-f, f), the last of three in order; not located, the jump held nothing."""

    class ByAbs(dg.Variant):
        def size(self, f):
            return jnp.abs(f)

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(self.size(fake) + fake - real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    class BySort(ByAbs):
        def size(self, f):
            return jnp.sort(jnp.stack([f, -f, jnp.zeros_like(f)]), axis=0)[2]

    one, other = (dg.simulate(v, [1.0], [0.5], t1=2.0, backend="scipy") for v in (ByAbs(), BySort()))
    # theta > 0, phi > 0: phi' = -2 theta, theta' = phi keep phi^2/2 + theta^2 = 3/4; at phi = 0 from below phi' = 0
    assert one.attrs["result"] == other.attrs["result"] == "stuck"
    for found in (one, other):
        moving = found["time"] < found.attrs["result_time"]
        np.testing.assert_allclose((found["phi"] ** 2 / 2 + found["theta"] ** 2)[moving], 0.75, rtol=1e-7)
        assert "unlocated" not in found.attrs
    assert other.attrs["result_time"] == pytest.approx(one.attrs["result_time"], rel=1e-9)


@pytest.mark.slow  # fast, of functions: test_what_may_switch_without_a_surface_is_named
def test_a_run_and_a_verdict_name_what_they_do_not_locate():
    class Sorted(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.sort(jnp.concatenate([fake, real] * 5))[-1] - jnp.mean(real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    assert dg.simulate(Sorted(), dim=1, t1=0.1, backend="scipy").attrs["unlocated"] == "sort"
    assert "unlocated" not in dg.simulate(dg.variant("hinge"), dim=1, t1=0.1, backend="scipy").attrs
    evidence = dg.verdict(Sorted(), dim=1, effort=0.01, edge=False).evidence
    assert any("no surface is located: sort" in line for line in evidence)
