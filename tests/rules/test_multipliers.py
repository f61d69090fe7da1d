"""Every rule's multipliers against closed forms (docs/theory.md section 4) on two linear games.

The bilinear game has J = [[0, -1], [1, 0]]; with l2 = 2 lam, as WGAN-GP with c = 0, it has J = [[-2 lam, -1], [1, 0]].
With two learning rates, zeta is an eigenvalue of H J, H = diag(h_d, h_g).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from jax.flatten_util import ravel_pytree
from scipy.optimize import linear_sum_assignment
from selection import slow_but
from stated import multipliers_of

import diracgan as dg
from diracgan import dirac
from diracgan.game import Players

LAM, H, K = 0.4, 0.3, 3
DAMPED = np.array([[-2 * LAM, -1.0], [1.0, 0.0]])
GAMES = {
    "bilinear": dg.variant("wgan-linear"),
    "damped": dg.variant("wgan-linear").with_(l2=2 * LAM),
    "wgan-gp": dg.variant("wgan-gp", c=0.0, lam=LAM),
}
JACOBIANS = {"bilinear": np.array([[0.0, -1.0], [1.0, 0.0]]), "damped": DAMPED, "wgan-gp": DAMPED}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@jax.jit
def jacobian(variant, rule, x0):
    """Of one period on (players, floating-point memory), by nothing but the rule's own functions."""
    game, z = dirac.game(variant, x0), Players(jnp.zeros_like(x0), x0)
    leaves, tree = jax.tree.flatten((z, rule.rest(game, z)))
    moving = [i for i, x in enumerate(leaves) if jnp.issubdtype(x.dtype, jnp.floating)]
    flat, unravel = ravel_pytree([leaves[i] for i in moving])

    def whole(y):
        now = list(leaves)
        for i, x in zip(moving, unravel(y), strict=True):
            now[i] = x
        out = jax.tree.leaves(rule.at_rest.over_a_period(game)(*jax.tree.unflatten(tree, now)))
        return jnp.concatenate([out[i].ravel() for i in moving])

    return jax.jacfwd(whole)(flat), whole(flat) - flat


def multipliers(variant, rule, dim=1):
    matrix, moved = jacobian(*dirac.cast((variant, rule), jnp.float64), jnp.linspace(0.0, 0.5, dim))
    assert np.max(np.abs(moved)) < 1e-15
    return np.linalg.eigvals(np.asarray(matrix))


def agree(found, expected, tolerance=1e-9):
    expected = np.asarray(expected, complex)
    assert len(found) == len(expected)
    gaps = np.abs(found[:, None] - expected[None, :])
    assert gaps[linear_sum_assignment(gaps)].max() < tolerance


def zetas(name, h_d=H, h_g=H):
    return np.linalg.eigvals(np.diag([h_d, h_g]) @ JACOBIANS[name])


def quadratic(b, c):
    """The roots of x^2 + b x + c for each entry."""
    return np.concatenate([np.roots([1.0, x, y]) for x, y in np.broadcast(b, c)])


RUNGE = {
    "simultaneous": [1, 1],
    "extragradient": [1, 1, 1],
    "rk2": [1, 1, 1 / 2],
    "rk4": [1, 1, 1 / 2, 1 / 6, 1 / 24],
}


@pytest.mark.parametrize("name", slow_but(GAMES, "damped"))
@pytest.mark.parametrize("rule", RUNGE)
def test_rules_that_are_polynomials_of_the_jacobian(rule, name):
    for rates in ({"lr": H}, {"lr_d": H, "lr_g": 0.1}):
        z = zetas(name, H, rates.get("lr_g", H))
        expected = np.polynomial.polynomial.polyval(z, RUNGE[rule])
        agree(multipliers(GAMES[name], dg.rule(rule, **rates)), expected)


@pytest.mark.parametrize("name", slow_but(GAMES, "damped"))
def test_rules_with_two_steps(name):
    z, beta = zetas(name), 0.7
    agree(multipliers(GAMES[name], dg.rule("optimistic", lr=H)), quadratic(-(1 + 2 * z), z))
    agree(
        multipliers(GAMES[name], dg.rule("heavy-ball", lr=H, beta=beta)),
        quadratic(-(1 + beta + z), beta + 0 * z),
    )
    agree(
        multipliers(GAMES[name], dg.rule("nesterov", lr=H, beta=beta)),
        quadratic(-(1 + beta) * (1 + z), beta * (1 + z)),
    )


@pytest.mark.parametrize("name", slow_but(GAMES, "damped"))
def test_rules_that_solve(name):
    agree(multipliers(GAMES[name], dg.rule("implicit", lr=H)), 1 / (1 - zetas(name)))
    # competitive gradient descent inverts the part of J off its diagonal only
    jac = np.diag([H, 0.1]) @ JACOBIANS[name]
    off = jac - np.diag(np.diag(jac))
    agree(
        multipliers(GAMES[name], dg.rule("cgd", lr_d=H, lr_g=0.1)),
        np.linalg.eigvals(np.eye(2) + np.linalg.solve(np.eye(2) - off, jac)),
    )
    if name == "bilinear":
        agree(multipliers(GAMES[name], dg.rule("cgd", lr=H)), 1 / (1 - zetas(name)))


@pytest.mark.parametrize("name", [n for n in dg.rules() if multipliers_of(dg.rule(n))])
def test_a_rule_has_the_multipliers_that_its_docstring_states(name):
    """At zeta = h mu of both eigenvalues mu; what the rule remembers besides may add others."""
    said, are_roots = multipliers_of(rule := dg.rule(name, lr=H))
    said = said.subs({k: x for k, x in rule.hyperparameters.items() if sp.Symbol(k) in said.free_symbols})
    expected = []
    for zeta in zetas("damped"):
        value = sp.expand(said.subs("zeta", complex(zeta)))
        expected += sp.Poly(value, sp.Symbol("x")).nroots() if are_roots else [value]
    found = multipliers(GAMES["damped"], rule)
    gaps = np.abs(np.array(expected, complex)[:, None] - found[None, :])
    assert len(expected) <= len(found) and gaps[linear_sum_assignment(gaps)].max() < 1e-9


def test_what_docstrings_state_is_read():
    stated = {n for n in dg.rules() if multipliers_of(dg.rule(n))}
    assert stated >= {"simultaneous", "extragradient", "optimistic", "heavy-ball", "nesterov", "rk2", "rk4"}


@pytest.mark.parametrize("first", ["critic", "generator"])
def test_alternating(first):
    for n, h_d, h_g in ((1, H, H), (3, 0.2, 0.4)):
        rule = dg.rule("alternating", lr_d=h_d, lr_g=h_g, n_critic=n, first=first)
        agree(multipliers(GAMES["bilinear"], rule), np.roots([1.0, -(2 - n * h_d * h_g), 1.0]))
        critic = np.eye(2) + np.diag([h_d, 0.0]) @ JACOBIANS["damped"]
        generator = np.eye(2) + np.diag([0.0, h_g]) @ JACOBIANS["damped"]
        agree(
            multipliers(GAMES["damped"], rule),
            np.linalg.eigvals(
                np.linalg.matrix_power(critic, n) @ generator
            ),  # a product's are those of its cycle
        )


def test_alternating_heavy_ball():
    for beta, status in ((-0.4, "stable"), (0.4, "unstable")):
        rule = dg.rule("heavy-ball", lr=H, beta=beta, alternating=True)
        square = np.polymul(np.polymul([1, -1], [1, -1]), np.polymul([1, -beta], [1, -beta]))
        agree(multipliers(GAMES["bilinear"], rule), np.roots(np.polyadd(square, [H**2, 0, 0, 0])), 1e-8)
        assert dg.spectrum(GAMES["bilinear"], rule=rule).status == status


@pytest.mark.parametrize("name", slow_but(GAMES, "damped"))
def test_adam_is_linear_at_rest(name):
    h, b1, b2, eps = 0.1, 0.9, 0.99, 0.5
    z = zetas(name, h, h) / eps
    expected = np.append(quadratic(-(1 + b1 + (1 - b1) * z), b1 + 0 * z), [b2, b2])
    agree(multipliers(GAMES[name], dg.rule("adam", lr=h, beta1=b1, beta2=b2, eps=eps)), expected)


def test_adam_at_rest_is_the_limit_of_adam_itself():
    # at amplitude 1e-9, far below eps, and after many steps Adam's own map is its linearisation
    rule = dg.rule("adam", lr=0.1, beta1=0.5, beta2=0.6, eps=0.5)
    rates = np.abs(multipliers(GAMES["damped"], rule))
    traj = dg.simulate(GAMES["damped"], phi0=[1e-9], theta0=[1e-9], rule=rule, steps=400)
    size = np.hypot(traj.phi[:, 0], traj.theta[:, 0]).values
    slope = np.polyfit(np.arange(200, 401), np.log(size[200:]), 1)[0]
    assert abs(np.exp(slope) - np.max(rates)) < 2e-4


def test_adam_without_its_start_is_adam_after_many_steps():
    game, z = dirac.game(GAMES["damped"], jnp.zeros(1)), Players(jnp.array([0.4]), jnp.array([-0.9]))
    rule = dg.rule("adam", lr_d=0.1, lr_g=0.3, beta1=0.5, beta2=0.9, eps=0.02)
    start = rule.memory(game, z)
    late = jax.tree.map(lambda x: jnp.full_like(x, 10_000) if jnp.ndim(x) == 0 else x + 0.3, start)
    now, then = (r.iterate(game, z, late) for r in (rule, rule.bias_corrected))
    for a, b in zip(jax.tree.leaves(now), jax.tree.leaves(then), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-14)
    assert (
        abs(
            float(
                rule.iterate(game, z, start)[0].phi[0] - rule.bias_corrected.iterate(game, z, start)[0].phi[0]
            )
        )
        > 0.01
    )


def test_adam_without_eps_has_no_linearisation():
    for name in ("adam", "lookahead"):
        rule = dg.rule("adam", eps=0.0)
        rule = rule if name == "adam" else dg.rule("lookahead", inner=rule)
        s = dg.spectrum(GAMES["damped"], rule=rule)
        assert s.status == "no-derivative"
        assert len(s.multipliers) == 0
        assert "eps = 0" in s.text
        assert rule.linearises is False and dg.rule(name).linearises is True


@pytest.mark.parametrize("name", slow_but(GAMES, "damped"))
def test_lookahead(name):
    alpha, z = 0.3, zetas(name)
    rule = dg.rule("lookahead", lr=H, k=K, alpha=alpha)
    agree(multipliers(GAMES[name], rule), 1 - alpha + alpha * (1 + z) ** K)
    # around momentum: the players go back, the displacement is kept
    beta, jac, eye = 0.6, H * JACOBIANS[name], np.eye(2)
    inner = np.block([[eye + jac, beta * eye], [jac, beta * eye]])
    fast = np.linalg.matrix_power(inner, K)
    back = np.diag([alpha, alpha, 1.0, 1.0]) @ fast + np.diag([1 - alpha, 1 - alpha, 0.0, 0.0])
    rule = dg.rule("lookahead", k=K, alpha=alpha, inner=dg.rule("heavy-ball", lr=H, beta=beta))
    agree(multipliers(GAMES[name], rule), np.linalg.eigvals(back))


@pytest.mark.parametrize("lazy", [1, 2, 3])
def test_lazy_multipliers_are_those_of_the_whole_period(lazy):
    free, paid = (
        np.eye(2) + H * JACOBIANS["bilinear"],
        np.eye(2) + H * np.array([[-2 * lazy * LAM, -1.0], [1.0, 0.0]]),
    )
    rule = dg.rule("simultaneous", lr=H, lazy=lazy)
    assert rule.period == lazy
    whole = np.linalg.matrix_power(free, lazy - 1) @ paid
    agree(multipliers(GAMES["damped"], rule), np.linalg.eigvals(whole))
    counted = rule.memory(dirac.game(GAMES["damped"], jnp.zeros(1)), Players(jnp.zeros(1), jnp.zeros(1)))
    assert isinstance(counted.critic_steps, tuple) == (lazy == 1)  # nothing to count where every step pays


def test_lazy_counts_critic_steps_across_iterations():
    def critic(paid):
        return np.eye(2) + np.array([[-2 * 3 * LAM * H if paid else 0.0, -H], [0.0, 0.0]])

    generator = np.array([[1.0, 0.0], [H, 1.0]])
    product = np.eye(2)
    for number in range(6):  # three iterations of two critic steps: penalties on steps 0 and 3
        product = critic(number % 3 == 0) @ product
        product = generator @ product if number % 2 else product
    rule = dg.rule("alternating", lr=H, n_critic=2, lazy=3)
    assert rule.period == 3
    agree(multipliers(GAMES["damped"], rule), np.linalg.eigvals(product))
    assert dg.rule("lookahead", k=3, inner=rule).period == 1
    assert dg.rule("lookahead", k=2, inner=rule).period == 3
    agree(
        multipliers(GAMES["damped"], dg.rule("lookahead", k=3, alpha=1.0, inner=rule)),
        np.linalg.eigvals(product),
    )


def test_each_dimension_repeats_the_multipliers():
    rule = dg.rule("optimistic", lr=H)
    agree(multipliers(GAMES["damped"], rule, 3), np.repeat(multipliers(GAMES["damped"], rule), 3))


def test_published_thresholds():
    """Where docs/theory.md says that a rule changes sides."""
    v = GAMES["bilinear"]
    for name, eta, extra in (
        ("extragradient", 1.0, {}),
        ("optimistic", 3**-0.5, {}),
        ("rk4", 8**0.5, {}),
        ("heavy-ball", 2 * (1 - 0.3), {"beta": -0.3, "alternating": True}),
    ):
        below, above = (
            dg.spectrum(v, rule=dg.rule(name, lr=eta * s, **extra)).status for s in (0.999, 1.001)
        )
        assert (below, above) == ("stable", "unstable"), name
