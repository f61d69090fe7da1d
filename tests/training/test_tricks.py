"""Every trick has its effect: a consequence in closed form or measured, on the smallest system that shows it."""

from __future__ import annotations

import dataclasses
from math import factorial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import InputError
from diracgan.game import Players, Samples
from diracgan.rules import init, step
from diracgan.training import generation, train
from diracgan.training.architecture import Architecture, players
from diracgan.training.config import configure
from diracgan.training.games import game, minibatches
from diracgan.training.layers import Weighted
from diracgan.training.problems import Batch, problem
from diracgan.training.trainer import TrainingSetup, begin, iteration
from diracgan.training.tricks import length, register_trick, trick, tricks, weights

KEY = jax.random.key(0)
NS, LINEAR = dg.variant("ns"), dg.variant("wgan-linear")


def dirac(phi: float = 0.7, theta: float = -0.3, x0: float = 0.4):
    on = problem("dirac", x0=[x0], phi0=[phi], theta0=[theta])
    return on, players(Architecture(), on, KEY)


def velocity(variant, *names: str, key=KEY, now: int = 0, past=None, at=(0.7, -0.3)):
    """The players' velocities in the Dirac system under tricks."""
    on, both = dirac(*at)
    made = minibatches(variant, on, key, 1, tricks=tuple(map(trick, names)), step=now, past=past)
    v = made.velocity(both)
    return v.phi.w[0], v.theta.point[0]


def field(variant, *names: str, **how) -> tuple[float, float]:
    """(phi', theta') of the Dirac system under tricks."""
    phi, theta = velocity(variant, *names, **how)
    return float(phi), float(theta)


def followed(variant, rule, steps: int, *names: str, **how) -> np.ndarray:
    """Rows (phi, theta) of training the Dirac system."""
    on, both = dirac()
    setup = TrainingSetup(variant, rule, on, tuple(map(trick, names)), None, None, batch=1, **how)
    state = begin(setup, both, 0)
    once, rows = jax.jit(iteration), []
    for _ in range(steps + 1):
        rows.append([float(state.inner.players.phi.w[0]), float(state.inner.players.theta.point[0])])
        state = once(setup, state)
    return np.array(rows)


# ---------------------------------------------------------------- how the players move


def test_more_critic_steps_move_the_critic_further():
    """On the bilinear game n critic steps of size h are one of size n h: phi is -n h (theta - x0) further."""
    for n in (1, 3):
        rows = followed(LINEAR, dg.rule("alternating", lr=0.1, n_critic=n), 1)
        assert rows[1, 0] == pytest.approx(0.7 - n * 0.1 * (-0.3 - 0.4), rel=1e-5)


def test_two_learning_rates_turn_the_orbit_as_their_geometric_mean():
    """Bilinear, alternating: trace 2 - h_D h_G, so the angle per step is that of h = sqrt(h_D h_G)."""

    def angle(rule) -> float:
        rows = followed(LINEAR, rule, 60)[:, 1] - 0.4
        crossings = np.flatnonzero(np.diff(np.sign(rows)))
        return np.pi / np.diff(crossings).mean()

    # 60 steps of 0.4 hold seven half turns of whole numbers of steps: their mean is known within a step in 47
    assert angle(dg.rule("alternating", lr_d=0.8, lr_g=0.2)) == pytest.approx(2 * np.arcsin(0.2), rel=0.05)
    assert angle(dg.rule("alternating", lr_d=0.2, lr_g=0.8)) == pytest.approx(2 * np.arcsin(0.2), rel=0.05)


def test_pretraining_moves_the_critic_alone():
    on, both = dirac()
    setup = TrainingSetup(LINEAR, dg.rule("alternating", lr=0.1), on, (), None, None, batch=1)
    state = begin(setup, both, 0, pretrain=5)
    assert float(state.inner.players.theta.point[0]) == pytest.approx(-0.3)
    assert float(state.inner.players.phi.w[0]) == pytest.approx(0.7 + 5 * 0.1 * 0.7)  # theta - x0 = -0.7
    assert int(state.step) == 0


@pytest.mark.slow  # lazy multipliers: tests/rules/test_multipliers.py
def test_lazy_penalties_act_now_and_then_and_as_much():
    """With lazy = 2 the critic decays by 2 h gamma every other step: from rest at theta = x0 = 0 only R1 acts."""
    on = problem("dirac", x0=[0.0], phi0=[1.0], theta0=[0.0])
    both = players(Architecture(), on, KEY)
    rows = []
    for lazy in (None, 2):
        rule = dg.rule("simultaneous", lr_d=0.1, lr_g=1e-9, lazy=lazy)
        state = init(rule, minibatches(LINEAR, on, KEY, 1), both)
        for k in range(2):
            state = step(rule, minibatches(LINEAR.with_(r1=1.0), on, jax.random.key(k), 1), state)
        rows.append(float(state.players.phi.w[0]))
    assert rows == pytest.approx([0.9**2, 0.8], rel=1e-5)


@pytest.mark.parametrize("norm", [0.1, pytest.param(10.0, marks=pytest.mark.slow)])
def test_clipped_velocities_keep_their_direction(norm):
    on = problem("ring8")
    both = players(Architecture(width=4), on, KEY)
    plain, clipped = (
        jax.jit(lambda z, t=t: minibatches(NS, on, KEY, 8, tricks=t).velocity(z))(both)
        for t in ((), (trick("clip-gradient", norm=norm),))
    )
    for a, b in zip(plain, clipped, strict=True):
        size = float(length(a))
        scale = min(1.0, norm / size)
        for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            np.testing.assert_allclose(q, scale * p, rtol=1e-4, atol=1e-7)


def test_averages_of_the_generator():
    rule = dg.rule("alternating", lr=0.3, ema=0.9)
    on, both = dirac()
    setup = TrainingSetup(LINEAR, rule, on, (), None, None, batch=1, averages=(0.5, 0.9), averaging=True)
    state, once = begin(setup, both, 0), jax.jit(iteration)
    seen = [float(state.inner.players.theta.point[0])]
    fast = seen[0]
    for _ in range(300):
        state = once(setup, state)
        seen.append(float(state.inner.players.theta.point[0]))
        fast = 0.5 * fast + 0.5 * seen[-1]
    assert float(state.averages[0].point[0]) == pytest.approx(fast, abs=1e-5)
    assert float(state.averages[1].point[0]) == pytest.approx(float(state.inner.ema.theta.point[0]), abs=1e-5)
    assert float(state.past.theta.point[0]) == pytest.approx(np.mean(seen), abs=1e-5)
    # the centre of the orbit is the equilibrium: the mean is nearer to it than the orbit ever is on average
    assert abs(np.mean(seen) - 0.4) < 0.05 * np.abs(np.array(seen) - 0.4).mean()


def test_an_average_with_warm_up_forgets_the_start():
    """With beta_t = (1 + t)/(10 + t) the start weighs 9! n!/(n + 9)! after n steps; later beta itself holds."""
    on, both = dirac(0.0, 1.0, 0.0)
    still = dg.rule("simultaneous", lr=1e-12)
    setup = TrainingSetup(LINEAR, still, on, (), None, None, batch=1, averages=(0.9,), warmup=True)
    state = begin(setup, both, 0)
    away = eqx.tree_at(lambda s: s.inner.players.theta.point, state, jnp.zeros(1))  # all that follows is 0
    once, kept = jax.jit(iteration), []
    for _ in range(84):
        away = once(setup, away)
        kept.append(float(away.averages[0].point[0]))
    exact = [factorial(9) * factorial(n) / factorial(n + 9) for n in range(1, 82)]
    np.testing.assert_allclose(kept[:81], exact, rtol=1e-4)  # (1 + t)/(10 + t) < 0.9 for t < 80 + 1
    assert kept[83] / kept[82] == pytest.approx(0.9, rel=1e-5)


# ---------------------------------------------------------------- what the losses are shown


def test_one_sided_smoothing_moves_the_critics_optimum():
    """With real label 1 - a and no fakes there, the best logit is log((1 - a)/a), not infinity."""
    logit = jnp.linspace(-6, 6, 4001)
    for a in (0.1, 0.25):
        v = NS.with_(smooth_real=a)
        loss = jax.vmap(lambda d, v=v: v.critic_loss(d[None], jnp.full(1, -30.0), d[None], d[None]))(logit)
        assert float(logit[jnp.argmin(loss)]) == pytest.approx(np.log((1 - a) / a), abs=0.01)
    two = NS.with_(smooth_real=0.1, smooth_fake=0.1)  # two-sided: both logits are bounded
    loss = jax.vmap(lambda d: two.critic_loss(d[None], -d[None], d[None], d[None]))(logit)
    assert float(logit[jnp.argmin(loss)]) == pytest.approx(np.log(9), abs=0.01)


def test_flipped_labels_slow_the_critic():
    """A share p of flipped pairs multiplies the bilinear critic's velocity by 1 - 2 p; the generator's stays."""
    plain = field(LINEAR)
    keys = jax.vmap(jax.random.key)(jnp.arange(60))
    flipped = jax.jit(jax.vmap(lambda key: velocity(LINEAR, "flip-labels:share=0.25", key=key)))
    found = np.stack(flipped(keys), axis=1)
    assert set(np.round(found[:, 0] / plain[0], 5)) == {1.0, -1.0}
    assert found[:, 0].mean() / plain[0] == pytest.approx(0.5, abs=4 * 0.87 / np.sqrt(60))
    np.testing.assert_allclose(found[:, 1], plain[1], rtol=1e-6)


def test_soft_labels_are_drawn_for_each_sample():
    """Uniform labels: the cross entropy is linear in a label, so that the mean loss is that of the mean labels, and the
    variance of a sample's loss is that of its label times the squared logit."""
    on, both = dirac(2.0, 0.5, 1.0)  # logits 2 of the real sample, 1 of the fake one
    soft = trick("soft-labels", below=0.3, above=0.2, fake=0.4)
    made = lambda key, t: minibatches(NS, on, key, 1, tricks=t).at(0).critic_loss(both)  # noqa: E731
    losses = jax.vmap(lambda key: made(key, (soft,)))(jax.random.split(KEY, 20_000))
    # labels 1 - U(-0.2, 0.3) and U(0, 0.4): means 0.95 and 0.2; entropy(d, t) = softplus(d) - t d
    softplus = lambda d: float(np.log1p(np.exp(d)))  # noqa: E731
    error = float(losses.std()) / np.sqrt(20_000)
    assert float(losses.mean()) == pytest.approx(
        softplus(2.0) - 0.95 * 2.0 + softplus(1.0) - 0.2 * 1.0, abs=4 * error
    )
    assert float(losses.var()) == pytest.approx((2.0**2 * 0.5**2 + 1.0**2 * 0.4**2) / 12, rel=0.05)
    assert float(losses.min()) > softplus(2.0) - 1.2 * 2.0 + softplus(1.0) - 0.4 * 1.0 - 1e-5
    assert made(KEY, (trick("soft-labels", below=0.0, fake=0.0),)) == pytest.approx(float(made(KEY, ())))
    even = NS.with_(smooth_real=0.25)  # the same as labels that are all 0.75
    both_ways = minibatches(even, on, KEY, 1, tricks=(trick("soft-labels", below=0.0, fake=0.0),)).at(0)
    assert float(both_ways.critic_loss(both)) == pytest.approx(
        softplus(2.0) - 0.75 * 2.0 + softplus(1.0), rel=1e-5
    )
    with pytest.raises(InputError, match="needs a loss with labels, and 'wgan-gp' has none"):
        configure("wgan-gp", "ring8", tricks="soft-labels")


def test_balance_lets_one_player_wait():
    """ns: L_D = 2 log 2 and L_G = log 2 at equilibrium: with a ratio of 1/2 or more the generator stands still there
    and never arrives, where without it the two, with R1, converge: below."""
    for ratio, moves in ((0.45, True), (0.55, False)):
        v = field(NS, f"balance:ratio={ratio}", at=(0.01, 0.39))
        assert (v[1] != 0.0) == moves
        assert v[0] != 0.0
    plain = field(NS, at=(0.01, 0.39))
    assert field(NS, "balance:ratio=0.45", at=(0.01, 0.39)) == pytest.approx(plain)


@pytest.mark.slow  # it stands still while it is held: the next test
def test_balance_keeps_the_generator_from_equilibrium():
    damped, rule = NS.with_(r1=1.0), dg.rule("alternating", lr=0.1)
    free, held = (followed(damped, rule, 800, *names)[-1] for names in ((), ("balance:ratio=0.55",)))
    np.testing.assert_allclose(free, [0.0, 0.4], atol=1e-3)
    assert abs(held[1] - 0.4) > 0.05


@pytest.mark.parametrize("rule", ["adam:lr=0.05", "heavy-ball:lr=0.3,beta=0.9"])
def test_balance_holds_a_player_against_its_momentum(rule):
    """A generator whose loss is below ratio L_D stays where it is, with what its optimiser remembers."""
    on, both = dirac(0.7, -0.3)
    setup = TrainingSetup(NS, dg.rule(rule), on, (trick("balance", ratio=0.55),), None, None, batch=1)
    state, once, moved = begin(setup, both, 0), jax.jit(iteration), []
    g = minibatches(NS, on, KEY, 1).at(0)

    def generators(state):
        return jax.tree.leaves((state.inner.players.theta, state.inner.memory.theta))

    for _ in range(25):
        before, state = state, once(setup, state)
        moved.append(bool(setup.tricks[0].moves(g, before.inner.players)[1]))
        assert (generators(state) != generators(before)) == moved[-1]
    assert moved[0]
    assert not all(moved)


@pytest.mark.slow  # fast, of the mean: variants/test_modifiers.py, noise damps ns
def test_instance_noise_damps_and_decays():
    """Noise of deviation s damps the critic like R1(s^2/4) near rest; at step ``until`` the field is the plain one."""
    s = 0.6
    on, both = dirac(0.05, 0.0, 0.0)
    noise = (trick("instance-noise", std=s),)
    keys = jax.random.split(KEY, 40_000)
    slow = jax.vmap(lambda k: minibatches(NS, on, k, 1, tricks=noise).velocity(both).phi.w[0])(keys)
    # E[e sigma(phi e)] = phi s^2/4 for small phi, from the real and from the fake sample
    assert float(slow.mean()) == pytest.approx(-2 * 0.05 * s**2 / 4, abs=4 * float(slow.std()) / 200)
    plain = field(NS)
    assert field(NS, "instance-noise:std=0.6,until=10", now=10) == pytest.approx(plain)
    assert field(NS, "instance-noise:std=0.6,until=10", now=5) != pytest.approx(plain, rel=1e-3)


@pytest.mark.slow  # no fast witness: too dear
def test_mixed_batches_differ_only_by_a_norm_over_the_batch():
    """With separate batches a batch norm hides a shift of all fakes; in a mixed one the critic sees it."""
    on = problem("gauss2d")
    for norm, seen in (("none", False), ("batch", True)):
        both = players(Architecture(width=6, norm_d=norm, activation_d="tanh"), on, KEY)
        batch = on.draw(KEY, 64)
        losses = [
            float(game(NS, on, batch=batch, tricks=t).critic_loss(both))
            for t in ((), (trick("mixed-batches"),))
        ]
        assert (abs(losses[0] - losses[1]) > 1e-3) == seen


def test_points_of_a_gradient_penalty():
    """(|D'(x)| - 1)^2 of a critic with a known slope tells where it was looked at."""
    on = problem("points8")
    both = players(Architecture(width=4), on, KEY)
    quadratic = eqx.tree_at(lambda z: z.phi, both, _Square(jnp.ones(1)))  # |grad D| = 2 |x|
    found = {}
    for at in ("real", "fake", "interpolated", "noisy"):
        v = LINEAR.with_(gp=1.0, gp_center=0.0, gp_at=at)
        made = minibatches(v, on, KEY, 512).at(0)
        plain = minibatches(LINEAR, on, KEY, 512).at(0)
        found[at] = float(made.critic_loss(quadratic) - plain.critic_loss(quadratic))
        fake = np.asarray(plain.fake(quadratic))
    assert found["real"] == pytest.approx(4.0, rel=1e-4)  # |x| = 1
    assert found["fake"] == pytest.approx(4 * (fake**2).sum(1).mean(), rel=1e-4)
    # E |u x + (1 - u) y|^2 = (|x|^2 + |y|^2)/3 + E x.y/3 with x, y independent and E x = 0; over 512 draws the mean
    # scatters by 3 to 4 %, of u as of the jitter
    assert found["interpolated"] == pytest.approx((found["real"] + found["fake"]) / 3, rel=0.1)
    assert found["noisy"] == pytest.approx(
        4 * (1 + 2 * 0.25 * 0.5), rel=0.1
    )  # jitter: half the data's deviation


class _Square(eqx.Module):
    w: jax.Array

    def __call__(self, x, how=None):
        return self.w[0] * jnp.sum(x * x, axis=1)


# ---------------------------------------------------------------- what joins the losses


def test_orthogonal_regularisation_makes_weights_orthogonal():
    on = problem("ring8")
    both = players(Architecture(width=4), on, KEY)
    one = trick("orthogonal", beta=0.05, diagonal=True, on="critic")
    made = game(LINEAR, on, KEY, count=8, tricks=(one,))
    bare = game(LINEAR, on, KEY, count=8)

    def term(phi):
        z = both._replace(phi=phi)
        return made.critic_loss(z) - bare.critic_loss(z)

    w = np.concatenate(
        [[np.square(np.asarray(x).T @ np.asarray(x) - np.eye(x.shape[1])).sum()] for x in weights(both.phi)]
    )
    assert float(term(both.phi)) == pytest.approx(0.05 * w.sum(), rel=1e-4)
    phi = both.phi
    descend = jax.jit(lambda p: jax.tree.map(lambda a, g: a - 0.5 * g, p, jax.grad(term)(p)))
    for _ in range(300):
        phi = descend(phi)
    tall = [x for x in weights(phi) if x.shape[0] >= x.shape[1]]
    assert tall
    for x in tall:
        np.testing.assert_allclose(np.asarray(x).T @ np.asarray(x), np.eye(x.shape[1]), atol=1e-2)
    assert float(one.generator(made, both)) == 0.0


@pytest.mark.slow  # no fast witness: its law needs thousands of steps
def test_historical_averaging_damps_the_rotation():
    """On the bilinear game it turns a spiral out into r ~ t^(-1/(4 w^2 + 1)).

    z' = J z - 2 w (z - m), m' = (z - m)/t with J = +-i: for large t z follows m, z = 2 w m/(2 w - J), so that
    m ~ t^(J/(2 w - J)), whose real part is -1/(4 w^2 + 1).
    """
    rule = dg.rule("simultaneous", lr=0.05)
    plain = np.linalg.norm(followed(LINEAR, rule, 400) - [0.0, 0.4], axis=1)
    assert plain[-1] == pytest.approx(plain[0] * (1 + 0.05**2) ** 200, rel=1e-3)
    for w, steps in (
        (0.5, 3000),
        (0.25, 3000),
    ):  # a law for large t: between 1000 and 3000 steps a few % off
        r = np.linalg.norm(followed(LINEAR, rule, steps, f"history:weight={w}") - [0.0, 0.4], axis=1)
        slope = np.polyfit(np.log(np.arange(1000, steps)), np.log(r[1000:steps]), 1)[0]
        assert slope == pytest.approx(-1 / (4 * w**2 + 1), rel=0.05)


@pytest.mark.slow  # fast, of another loss on features: the next test
def test_feature_matching_makes_the_means_of_features_agree():
    on = problem("gauss2d")
    both = players(Architecture(width=8), on, KEY)
    batch = on.draw(KEY, 256)
    made = game(NS, on, batch=batch, tricks=(trick("feature-matching"),))
    real, fake = (np.asarray(made.features(both.phi, x)).mean(axis=0) for x in (batch.x, made.fake(both)))
    assert float(made.generator_loss(both)) == pytest.approx(np.square(real - fake).sum(), rel=1e-4)
    theta, first = both.theta, float(made.generator_loss(both))
    loss = lambda t: made.generator_loss(Players(both.phi, t))  # noqa: E731
    descend = jax.jit(lambda t: jax.tree.map(lambda a, g: a - 0.02 * g, t, jax.grad(loss)(t)))
    for _ in range(200):
        theta = descend(theta)
    assert float(loss(theta)) < 0.01 * first
    both_losses = dataclasses.replace(made, tricks=(trick("feature-matching", add=True),))
    assert float(both_losses.generator_loss(both)) == pytest.approx(
        first + float(game(NS, on, batch=batch).generator_loss(both)), rel=1e-5
    )


def test_reconstruction_in_pixels_and_in_features():
    on = problem("denoise", std=0.3)
    both = players(Architecture(width=16), on, KEY)
    batch = on.draw(KEY, 64)
    made = game(NS, on, batch=batch, tricks=(trick("reconstruction", weight=2.0),))
    bare = float(game(NS, on, batch=batch).generator_loss(both))
    mse = float(np.mean(np.square(np.asarray(made.fake(both)) - np.asarray(batch.x))))
    assert float(made.generator_loss(both)) - bare == pytest.approx(2 * mse, rel=1e-4)
    absolute = game(NS, on, batch=batch, tricks=(trick("reconstruction", weight=2.0, norm="l1"),))
    mae = float(np.mean(np.abs(np.asarray(made.fake(both)) - np.asarray(batch.x))))
    assert float(absolute.generator_loss(both)) - bare == pytest.approx(2 * mae, rel=1e-4)
    with pytest.raises(InputError, match="needs a classifier"):
        game(NS, on, batch=batch, tricks=(trick("reconstruction", features=True),)).generator_loss(both)
    same = _Known(players(Architecture(width=4), on, KEY).phi)
    inside = game(NS, on, batch=batch, tricks=(trick("reconstruction", features=True),), classifier=same)
    far = np.square(same.features(inside.fake(both)) - same.features(batch.x)).mean()
    assert float(inside.generator_loss(both)) - bare == pytest.approx(float(far), rel=1e-3)


class _Known(eqx.Module):
    network: object

    def features(self, x):
        return self.network.features(x).reshape(len(x), -1)  # type: ignore[attr-defined]


@pytest.mark.slow  # no fast witness: it trains
def test_an_auxiliary_classifier_learns_classes_that_the_generator_is_asked_for(folder):
    """Two points with two labels: asked for a class, the AC-GAN's generator makes that class."""
    x = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 20, axis=0)
    np.savez("two.npz", x=x, y=np.repeat([0, 1], 20))
    how = {
        "networks": {"width": 16, "condition": "acgan"},
        "log_every": 300,
        "classifier": False,
        "batch": 32,
    }
    adam = dg.rule("adam", lr=2e-3, beta1=0.5, alternating=True)
    run = train("ns:r1=0.1", "npz:two.npz", rule=adam, steps=600, **how)
    assert run.result == "ok"
    made, labels = generation.sample(run.setup, run.state.inner.players.theta, KEY, 400)
    side = np.where(np.asarray(made)[:, 0] > 0, 0, 1)
    assert np.mean(side == np.asarray(labels)) > 0.9


def test_truncation_trades_variety_for_the_middle():
    on = problem("gauss2d")
    both = players(Architecture(width=32), on, KEY)
    setup = TrainingSetup(NS, dg.rule("alternating"), on, (), None, None, batch=8)
    wide, narrow = (
        np.asarray(generation.sample(setup, both.theta, KEY, 4000, truncation=t)[0]) for t in (None, 0.3)
    )
    # of normal numbers within 0.3 the variance is 0.03 of the whole; what the network bends makes 0.09 of that
    assert np.trace(np.cov(narrow.T)) < 0.15 * np.trace(np.cov(wide.T))


@pytest.mark.slow  # no fast witness: it needs hundreds of draws
def test_a_larger_batch_has_less_noise():
    """The velocity's variance falls like 1/batch: 8 times the batch, an eighth of the variance."""
    on, variances = problem("gauss2d"), []
    both = players(Architecture(width=8), on, KEY)
    for size in (16, 128):
        keys = jax.random.split(KEY, 300)
        v = jax.jit(jax.vmap(lambda k, n=size: minibatches(LINEAR, on, k, n).velocity(both).phi.head.w))(keys)
        variances.append(float(jnp.sum(jnp.var(v, axis=0))))
    # a variance over 300 draws is known within sqrt(2/300) = 8 %, the ratio within 12 %: two of these
    assert variances[0] / variances[1] == pytest.approx(8.0, rel=0.25)


def test_a_wider_network_is_wider_in_every_hidden_layer():
    on = problem("ring8")
    narrow, wide = (players(Architecture(width=w), on, KEY).phi for w in (16, 32))
    shapes = [[x.w.shape[-1] for x in net.layers if isinstance(x, Weighted)] for net in (narrow, wide)]
    assert shapes == [[16, 16], [32, 32]]


# ---------------------------------------------------------------- the tricks as such


def test_tricks_compose_in_their_order_and_say_what_they_are():
    assert {
        "instance-noise",
        "flip-labels",
        "mixed-batches",
        "clip-gradient",
        "orthogonal",
        "history",
        "feature-matching",
        "reconstruction",
        "acgan",
    } <= set(tricks())
    assert all(tricks().values())
    with pytest.raises(InputError, match="did you mean 'share'"):
        trick("flip-labels:shaer=0.1")
    with pytest.raises(InputError, match="is out of range"):
        trick("flip-labels:share=1.5")

    @register_trick("test-doubling")
    class Doubling(type(trick("mixed-batches")).__mro__[1]):  # type: ignore[misc]
        """Twice the velocity."""

        def velocity(self, v):
            return jax.tree.map(lambda a: 2.0 * a, v)

        def show(self, who, x, game):
            return Samples(x.real, x.fake)

    assert field(LINEAR, "test-doubling") == pytest.approx([2 * a for a in field(LINEAR)])
    clipped = field(LINEAR, "test-doubling", "clip-gradient:norm=0.5")
    assert np.abs(clipped).max() == pytest.approx(0.5)
    assert Batch(jnp.zeros((1, 1)), None).labels is None


@pytest.mark.slow  # no fast witness: it trains; what an average is: test_averages_of_the_generator
def test_weight_averaging_steadies_a_classifier():
    """The source's supervised example, digits in place of CIFAR-10: the raw weights wander, their average does not."""
    from diracgan.training import train_classifier

    found = train_classifier(problem("digits"), steps=600, every=20, lr=0.02, batch=16, width=32, ema=0.98)
    raw, averaged = (np.array(x[len(x) // 2 :]) for x in (found.raw, found.averaged))
    assert averaged.mean() > raw.mean() + 0.02
    assert averaged.std() < 0.3 * raw.std()
    assert averaged.mean() > 0.9
