"""What all rules share: any players, any dtype, numbered evaluations, checked parameters, derivatives."""

from __future__ import annotations

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from selection import slow_but

import diracgan as dg
from diracgan import dirac
from diracgan.game import Game, Players, WrappedGame
from diracgan.rules import implicit

RULES = {n: dg.rule(n, lr=0.05) for n in dg.rules() if not n.startswith("my-")}
RULES |= {
    "lazy": dg.rule("alternating", lr=0.05, n_critic=2, lazy=3),
    "adam-alternating": dg.rule("adam", lr=0.05, alternating=True, n_critic=2, lazy=2),
    "lookahead-adam": dg.rule("lookahead", lr=0.05, k=2, inner="adam"),
    "optax": dg.rule.from_optax(optax.adam(0.05), alternating=True),
}


def network(weights, x):
    return jnp.tanh(x @ weights["in"]["w"] + weights["in"]["b"]) @ weights["out"]


def small_network(key, n_in, n_out):
    a, b, c = jax.random.split(key, 3)
    draw = jax.random.normal
    return {"in": {"w": draw(a, (n_in, 4)), "b": draw(b, (4,))}, "out": draw(c, (4, n_out))}


@functools.cache
def small_game():
    data, noise, d, g = jax.random.split(jax.random.key(0), 4)
    x, z = 1.0 + 0.3 * jax.random.normal(data, (8, 2)), jax.random.normal(noise, (8, 3))
    game = Game(
        dg.variant("ns").with_(r1=0.1), x, z, critic=lambda w, x: network(w, x)[:, 0], generator=network
    )
    return game, Players(small_network(d, 2, 1), small_network(g, 3, 2))


@pytest.mark.slow  # fast, Dirac game: contract/test_pairs.py::test_an_iteration_is_finite_pure_and_keeps_its_dtype
@pytest.mark.parametrize("name", RULES)
def test_networks_in_float32_move_and_keep_their_types(name):
    game, players = small_game()
    rule = RULES[name]

    @jax.jit
    def go(players):
        return rule.iterate(game, players, rule.memory(game, players))

    after, memory = go(players)
    before = jax.eval_shape(lambda z: rule.memory(game, z), players)
    for a, b in zip(jax.tree.leaves((after, memory)), jax.tree.leaves((players, before)), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    moves = [
        jnp.max(jnp.abs(a - b)) for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(players), strict=True)
    ]
    assert all(0 < float(m) < 1 for m in moves)


@pytest.mark.slow  # fast, of one system: test_a_large_linear_system_is_solved_without_its_matrix
def test_rules_that_solve_agree_by_matrix_and_by_products(monkeypatch):
    variant, x0 = dg.variant("ns").with_(r1=0.2), jnp.array([0.3, -0.2, 0.1])
    with jax.enable_x64(True):
        game = dirac.game(dirac.cast(variant, jnp.float64), x0.astype(jnp.float64))
        z = Players(jnp.array([0.4, -0.9, 0.3]), jnp.array([0.8, 0.1, -0.5]))
        for name in ("implicit", "cgd"):
            rule = dg.rule(name, lr_d=0.7, lr_g=0.4)

            def step(z, rule=rule):
                return (rule.iterate(game, z, ())[0],) * 2

            both = jax.jacfwd(step, has_aux=True)

            dense = jax.jit(both)(z)
            monkeypatch.setattr(implicit, "DENSE", 1)
            free = jax.jit(lambda z, both=both: both(z))(z)
            monkeypatch.undo()
            gaps = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), dense, free)
            assert max(jax.tree.leaves(gaps)) < 1e-12, name


@pytest.mark.parametrize("size", [1e-290, 1e-200, 1e-155, 1.0, 1e155, 1e200])
def test_the_implicit_step_has_no_scale_of_its_own(size):
    # of a linear field w = (I - h J)^-1 z for z of any size: sums of squares left the float range beyond 1e-154 and
    # 1e154, and where both sides of a test are 0 or infinite every z is a root: it stayed where it was, without a word
    v, rule = dg.variant("wgan-gp", c=0.0, lam=0.5), dg.rule("implicit", lr=0.75)
    with jax.enable_x64(True):
        after = dg.step(v, rule)(jnp.array([size]), jnp.array([0.5 * size]))
    expected = np.linalg.solve(np.eye(2) - 0.75 * np.array([[-1.0, -1.0], [1.0, 0.0]]), [1.0, 0.5])
    assert np.concatenate(after) / size == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow  # derivatives of a step: a_rule_vmaps_and_...
def test_the_implicit_step_has_reverse_derivatives_too():
    with jax.enable_x64(True):
        v = dg.variant("ns").with_(r1=0.2)

        @jax.jit
        def end(h, phi):
            return dg.step(v, dg.rule("implicit", lr=h))(phi, jnp.array([0.4])).theta[0]

        phi = jnp.array([0.7])
        by_h, by_phi = jax.grad(end, (0, 1))(0.5, phi)
        e = 1e-5
        assert abs(by_h - (end(0.5 + e, phi) - end(0.5 - e, phi)) / (2 * e)) < 1e-9
        assert abs(by_phi[0] - (end(0.5, phi + e) - end(0.5, phi - e)) / (2 * e)) < 1e-9


def test_an_average_starts_at_the_players_and_follows_them():
    v, keep = dg.variant("ns").with_(r1=0.3), 0.7
    with jax.enable_x64(True):
        s = dg.step(v, dg.rule("alternating", lr=0.2, ema=keep))
        state = s.init(jnp.array([0.3]), jnp.array([0.8]))
        average = np.array([0.3, 0.8])
        for _ in range(3):
            state = s.next(state)
            average = keep * average + (1 - keep) * np.concatenate(state.players)
            np.testing.assert_allclose(np.concatenate(state.ema), average, rtol=1e-14)
        plain = dg.step(v, dg.rule("alternating", lr=0.2))
        assert plain.next(plain.init(jnp.array([0.3]), jnp.array([0.8]))).ema is None


def test_newtons_steps_are_halved_where_whole_ones_lead_astray():
    # whole steps for arctan x = 0 go off to infinity from |x| > 1.39
    with jax.enable_x64(True):
        found = implicit._newton(jnp.arctan, jnp.array([3.0, -20.0]))
        np.testing.assert_allclose(found, 0.0, atol=1e-15)
        assert np.isnan(implicit._newton(lambda x: 1 + x**2, jnp.array([0.3]))).all()  # no root


def test_newtons_whole_steps_double_the_digits(monkeypatch):
    # x^2 = 2 from 1.5: 1e-1, 2e-3, 2e-6, 2e-12, all; then two steps that find nothing better
    monkeypatch.setattr(implicit, "_NEWTON_STEPS", 8)
    with jax.enable_x64(True):
        found = implicit._newton(lambda x: x**2 - 2, jnp.array([1.5]))
        np.testing.assert_allclose(found, np.sqrt(2), rtol=1e-15)


def test_a_large_linear_system_is_solved_without_its_matrix(monkeypatch):
    monkeypatch.setattr(implicit, "DENSE", 2)
    a, b = np.array([[2.0, 1.0, 0.0], [-1.0, 1.0, 0.5], [0.0, 0.3, 1.0]]), np.array([1.0, -2.0, 0.5])
    with jax.enable_x64(True):
        found = implicit._solve(lambda x: jnp.asarray(a) @ x, jnp.asarray(b))
        np.testing.assert_allclose(found, np.linalg.solve(a, b), rtol=1e-12)


class Numbered(WrappedGame):
    """A game that writes down which evaluations it is asked for."""

    def __init__(self, game):
        super().__init__(game)
        self.seen = []

    def velocity(self, players, draw=0, penalty=1.0):
        self.seen.append(int(draw))
        return super().velocity(players, draw, penalty)


def test_a_player_that_waits_has_the_rate_zero():
    class Stepped(WrappedGame):
        def apply_step(self, players, rates, draw=0):
            seen.append(tuple(rates))
            return super().apply_step(players, rates, draw)

    z, seen = Players(jnp.ones(1), jnp.ones(1)), []
    game = Stepped(dirac.game(dg.variant("wgan-linear"), jnp.zeros(1)))
    for rule in (dg.rule("alternating", lr_d=0.3, lr_g=0.1), dg.rule("simultaneous", lr_d=0.3, lr_g=0.1)):
        rule.iterate(game, z, rule.memory(game, z))
    assert seen == [(0.3, 0.0), (0.0, 0.1), (0.3, 0.1)]


@pytest.mark.parametrize(
    ("rule", "draws"),
    [
        (dg.rule("simultaneous"), [0]),
        (dg.rule("alternating", n_critic=3), [0, 1, 2, 3]),
        (dg.rule("heavy-ball", alternating=True, n_critic=2), [0, 1, 2]),
        (dg.rule("extragradient"), [0, 1]),
        (dg.rule("rk4"), [0, 0, 0, 0]),
        (dg.rule("lookahead", k=2, inner=dg.rule("alternating")), [0, 1, 2, 3]),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_every_evaluation_of_an_iteration_has_its_number(rule, draws):
    z = Players(jnp.ones(1), jnp.ones(1))
    with jax.disable_jit():
        game = Numbered(dirac.game(dg.variant("wgan-linear"), jnp.zeros(1)))
        memory = rule.memory(game, z)
        game.seen.clear()
        rule.iterate(game, z, memory)
    assert game.seen == draws
    assert rule.draws == max(draws) + 1


def test_learning_rates_of_lookahead_are_its_inner_rules():
    inner = dg.rule("alternating", lr=0.2, n_critic=2)
    assert dg.rule("lookahead", inner=inner).rates == (0.2, 0.2)
    assert dg.rule("lookahead", lr=0.3, inner=inner).fast.rates == (0.3, 0.3)
    assert dg.rule("lookahead", lr_g=0.3, inner=inner).fast.rates == (0.2, 0.3)
    assert dg.rule("lookahead").fast.label == "simultaneous(lr=0.1)"
    assert dg.rule("lookahead", inner="heavy-ball").inner.name == "heavy-ball"


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("heavy-ball", {"n_critic": 2}, "n_critic = 2 needs players that take turns; add alternating=true"),
        ("heavy-ball", {"beta": 1.5}, "beta"),
        ("heavy-ball", {"alternating": "maybe"}, "alternating"),
        ("adam", {"beta1": 1.0}, "beta1"),
        ("adam", {"eps": -1e-8}, "eps"),
        ("lookahead", {"k": 0}, "k"),
        ("lookahead", {"alpha": 0.0}, "alpha"),
        ("lookahead", {"inner": "adamm"}, "adam"),
        ("lookahead", {"inner": 3.0}, "inner"),
        ("lookahead", {"inner": dg.rule("simultaneous", ema=0.9)}, "ema"),
        ("simultaneous", {"lazy": 0}, "lazy"),
        ("simultaneous", {"n_critic": 2}, "n_critic"),
        ("rk2", {"lr": -0.1}, "lr"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(name, given, says):
    with pytest.raises(dg.InputError, match=says) as raised:
        dg.rule(name, **given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", slow_but(["adam", "lookahead-adam", "optax:nadam"], "lookahead-adam"))
@pytest.mark.parametrize("long_run", ["at_rest", "bias_corrected"])
def test_a_rule_that_has_run_for_long_survives_pickling(name, long_run):
    rule = getattr(RULES[name] if name in RULES else dg.rule(name, lr=0.05), long_run)
    there = pickle.loads(pickle.dumps(rule))
    assert type(there) is type(rule) and there.label == rule.label
    with jax.enable_x64(True):
        game = dirac.game(dg.variant("ns"), jnp.zeros(1))
        players = Players(jnp.array([0.3]), jnp.array([-0.2]))
        one, other = (r.iterate(game, players, r.rest(game, players))[0] for r in (rule, there))
    assert one.phi == other.phi and one.theta == other.theta


def test_a_rule_vmaps_and_differentiates_over_its_numbers():
    v = dg.variant("ns").with_(r1=0.3)

    def end(beta):
        rule = dg.rule("heavy-ball", lr=0.1, beta=beta)
        s = dg.step(v, rule)
        state = s.init(jnp.array([0.3]), jnp.array([0.8]))
        for _ in range(3):
            state = s.next(state)
        return state.players.theta[0]

    with jax.enable_x64(True):
        betas = jnp.array([-0.4, 0.0, 0.7])
        many = jax.vmap(end)(betas)
        assert np.allclose(many, [float(end(b)) for b in (-0.4, 0.0, 0.7)], rtol=0, atol=1e-15)
        slopes = jax.vmap(jax.grad(end))(betas)
        e = 1e-6
        differences = (jax.vmap(end)(betas + e) - jax.vmap(end)(betas - e)) / (2 * e)
        assert np.allclose(slopes, differences, rtol=0, atol=1e-9)
