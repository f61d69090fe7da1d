"""What is measured against dense linear algebra, closed forms, and the analysis of the Dirac system."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan import dirac
from diracgan.game import Game, Players
from diracgan.measure import equilibria, operators
from diracgan.numerics.arnoldi import arnoldi
from diracgan.training import networks
from diracgan.training.architecture import Architecture, players
from diracgan.training.problems import problem

SMOOTH = Architecture(kind="mlp", width=8, activation_d="tanh", activation_g="tanh")


def nets(seed):
    p = problem("gauss2d", latent=2)
    with jax.enable_x64(True):
        z = jax.random.normal(jax.random.key(seed), (12, 2))
        return players(SMOOTH, p, jax.random.key(seed + 50)), z


def small_game(seed, variant):
    made, z = nets(seed)
    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(seed + 9), (12, 2))
    return Game(variant, x, z, networks.critic, networks.generator), made


@pytest.fixture(scope="module")
def somewhere():
    """A game away from rest, and its dense Jacobian."""
    game, at = small_game(3, dg.variant("ns"))
    with jax.enable_x64(True):
        y = operators.flat(at)
        jacobian = jax.jacfwd(lambda y: operators.flat(game.velocity(operators.unflat(at, y))))(y)
    return game, at, np.asarray(jacobian)


def test_residuals_are_small_beside_the_eigenvalues_also_where_entries_are_huge():
    # as in Adam's step, where the players' part of a step depends on the second moment like 1e6
    rng = np.random.default_rng(4)
    matrix = np.diag(np.linspace(1.0, 2.0, 80))
    matrix[:8, 40:] = 1e6 * rng.standard_normal((8, 40))
    found = arnoldi(lambda v: v @ matrix.T, rng.standard_normal((1, 80)), 3, np.abs, tol=1e-9)
    assert np.all(found.residuals <= 1e-9 * np.abs(found.values).max())


def test_arnoldi_agrees_with_dense_matrices_and_with_arpack():
    from scipy.sparse.linalg import eigs

    random = np.random.default_rng(0)
    matrices = random.standard_normal((3, 120, 120)) / np.sqrt(120)
    matrices += np.diag(np.linspace(0, 2, 120)) * np.arange(3)[:, None, None]
    found = arnoldi(
        lambda v: np.einsum("rmn,rn->rm", matrices, v), random.standard_normal((3, 120)), 6, np.abs, 1e-11
    )
    for matrix, values in zip(matrices, found.values, strict=True):
        dense = np.linalg.eigvals(matrix)
        dense = dense[np.argsort(-np.abs(dense))][:6]
        assert np.allclose(np.sort(np.abs(values)), np.sort(np.abs(dense)), rtol=1e-8)
        start = np.ones(120)  # its own start is random
        arpack = eigs(matrix, k=6, which="LM", v0=start, ncv=60, return_eigenvectors=False)
        assert np.allclose(np.sort(np.abs(values)), np.sort(np.abs(arpack)), rtol=1e-8)
    assert found.residuals.max() < 1e-8


def test_an_exhausted_krylov_space_is_no_harm():
    matrix = np.zeros((30, 30))
    matrix[0, 1], matrix[1, 0] = -2.0, 2.0  # rank 2: the rest is one eigenvalue, 0
    found = arnoldi(lambda v: v @ matrix.T, np.random.default_rng(1).standard_normal((1, 30)), 3, np.abs)
    assert np.allclose(found.values[0], [2j, -2j, 0.0], atol=1e-12)


def test_copies_of_an_eigenvalue_are_found_where_the_space_allows():
    at = Players(jnp.zeros(2), jnp.zeros(2))
    found = dg.measure.spectrum(dirac.game(dg.variant("ns"), jnp.zeros(2)), players=at, k=4)
    assert np.allclose(np.sort(found.eigenvalues.imag), [-0.5, -0.5, 0.5, 0.5])


@pytest.mark.slow  # fast, in PyTorch: test_torch_game.py::test_the_flow_against_jacfwd
@pytest.mark.parametrize("which", ["rightmost", "fastest"])
def test_flow_of_a_network_against_its_dense_jacobian(somewhere, which):
    game, at, jacobian = somewhere
    found = dg.measure.spectrum(game, which, 4, players=at)
    dense = np.linalg.eigvals(jacobian)
    order = np.argsort(-(dense.real if which == "rightmost" else np.abs(dense)))
    assert np.allclose(np.sort_complex(found.eigenvalues[:3]), np.sort_complex(dense[order][:3]), atol=1e-7)
    assert found.converged.all() and found.smooth and found.size == len(jacobian)
    # a pair is good at 1e-6 of the largest |mu|, 4.4 here: the fourth is not yet better than that
    left = [
        np.linalg.norm(jacobian @ v - mu * v) for mu, v in zip(found.eigenvalues, found.vectors, strict=True)
    ]
    assert max(left) < 1e-6 * np.abs(found.eigenvalues).max()
    assert np.allclose(left, found.residuals, rtol=1e-6, atol=1e-12)  # and it says how good it is


@pytest.mark.slow  # fast, of matrices: numerics/test_arnoldi.py::test_the_first_eigenpairs_of_several_operators
def test_runs_are_measured_together(somewhere):
    game, at, _ = somewhere
    other = small_game(4, dg.variant("ns"))

    class Run:
        def __init__(self, game, players):
            self.game, self.players, self.rule = game, players, dg.rule("alternating", lr=0.1)

    runs = [Run(game, at), Run(*other)]
    both = dg.measure.spectrum(runs, "fastest", 2, of="step")
    for i, run in enumerate(runs):
        alone = dg.measure.spectrum(run, "fastest", 2, of="step")
        assert np.allclose(both.eigenvalues[i], alone.eigenvalues, atol=1e-6)


@pytest.mark.slow  # no fast witness: the compiler counts what it compiles
def test_a_product_costs_at_most_two_and_a_half_gradients():
    wide = Architecture(kind="mlp", width=48, activation_d="tanh", activation_g="tanh")
    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(0), (64, 2))
        at = players(wide, problem("gauss2d", latent=2), jax.random.key(1))
    game = Game(dg.variant("ns"), x, x, networks.critic, networks.generator)
    with jax.enable_x64(True):
        games, stacked = jax.tree.map(lambda x: jnp.asarray(x)[None], (game, at))
        v = operators.flat(at)[None]
        gradient = operators.velocities.lower(games, stacked).compile().cost_analysis()
        linear = operators.flow_linear(games, stacked)
        product = operators.applied.lower(linear, v).compile().cost_analysis()
    assert product["flops"] <= 2.5 * gradient["flops"]


@pytest.mark.slow  # fast, of the Dirac game: test_multipliers_of_the_dirac_system
def test_a_training_run_with_its_optimisers_memory(tmp_path):
    """The step's Jacobian of Adam mid-run against a dense one; several seeds, and from the folder."""
    from diracgan.measure.operators import full_step, stackable

    how = {"networks": {"width": 4, "depth": 1, "activation_d": "tanh", "activation_g": "tanh"}}
    run = dg.train("ns", "points8", steps=3, seeds=2, out=tmp_path / "run", **how)
    found = dg.measure.spectrum(run, "fastest", 2, of="step", samples=16)
    assert found.eigenvalues.shape == (2, 2)
    again = dg.measure.spectrum(tmp_path / "run", "fastest", 2, of="step", samples=16)
    assert np.allclose(again.eigenvalues, found.eigenvalues)
    from diracgan.training.trainer import unstack

    with jax.enable_x64(True):
        state = unstack(run.state, 1).inner
        game = dataclasses.replace(run, state=unstack(run.state, 1)).game(16)
        game, players, memory = operators.doubled((stackable(game), state.players, state.memory))
        start, step = full_step(operators.doubled(run.setup.rule), game, players, memory)
        dense = np.asarray(jax.jacfwd(step)(start))
    for value, v in zip(found.eigenvalues[1], found.vectors[1], strict=True):
        assert np.linalg.norm(dense @ v - value * v) < 1e-6 * np.linalg.norm(dense, 2)


@pytest.mark.parametrize(
    "rule", [dg.rule("extragradient", lr=0.2), dg.rule("heavy-ball", lr=0.2, beta=-0.3, alternating=True)]
)
def test_multipliers_of_the_dirac_system(rule):
    variant = dg.variant("wgan-gp", c=0.0, lam=0.4)
    at = Players(jnp.zeros(1), jnp.zeros(1))
    game = dirac.game(variant, jnp.zeros(1))
    found = dg.measure.spectrum(game, "rightmost", 4, of="step", players=at, rule=rule)
    expected = dg.spectrum(variant, rule=rule).multipliers
    assert np.allclose(np.sort(np.abs(found.eigenvalues)), np.sort(np.abs(expected)), atol=1e-9)


def test_a_kink_is_told():
    game = dirac.game(dg.variant("wgan-gp", c=1.0), jnp.zeros(2))
    found = dg.measure.spectrum(game, players=Players(jnp.zeros(2), jnp.zeros(2)), k=1)
    assert not found.smooth


@pytest.mark.parametrize("decay", [0.97, 1.0, 1.05])
def test_pencil_of_a_spiral(decay):
    t = np.arange(40)
    path = decay**t * np.stack([np.cos(0.2 * t), np.sin(0.2 * t + 0.3), np.cos(0.2 * t + 1.0)])
    for series in (path.T, path[0]):
        z = dg.measure.pencil(series)
        assert np.allclose(z, decay * np.exp([0.2j, -0.2j]), rtol=1e-9)


def test_pencil_of_fewer_modes_and_of_broken_runs():
    z = dg.measure.pencil(0.5 ** np.arange(12.0)[:, None] * np.ones(3))
    assert np.isclose(z[0], 0.5) and np.isnan(z[1])
    assert np.isnan(dg.measure.pencil(np.full((12, 3), np.nan))).all()


def test_floor_against_the_dirac_systems_stationary_covariance():
    variant = dg.variant("wgan-gp", c=0.0, lam=0.5)
    rule = dg.rule("simultaneous", lr=0.1, ema=0.95)
    known = dg.stationary_covariance(variant, rule=rule, sde=1.0)
    step = dg.spectrum(variant, rule=rule).jacobian
    f = dg.measure.floor(step, [0.1 * np.eye(2)], np.eye(2), ema=0.95)
    power = np.real(np.diag(f.left @ known.covariance @ f.left.conj().T))
    averaged = np.real(np.diag(f.left @ known.ema_covariance @ f.left.conj().T))
    assert np.allclose(f.power, power, rtol=1e-9)
    assert np.allclose(f.ema_power, averaged, rtol=1e-9)


@pytest.mark.slow  # no fast witness: a teacher is a network, too dear
def test_a_teacher_is_an_exact_equilibrium_with_known_damping():
    """ns: K = E[h h^T]/2 of the critic's features, B^T = C, and nothing else moves."""
    made, z = nets(0)
    at = dg.measure.teacher(dg.variant("ns"), made, z)
    assert at.residual < 1e-14 and not at.frozen
    with jax.enable_x64(True):
        found = equilibria.reduced(
            *(jax.tree.map(lambda x: jnp.asarray(x)[None], p) for p in (at.game, at.players))
        )
        h = np.asarray(made.phi.features(at.game.x_real))
    h = np.concatenate([h, np.ones((len(h), 1))], axis=1)
    assert np.allclose(found.damping[0], 0.5 * h.T @ h / len(h), atol=1e-12)
    assert np.allclose(found.response[0], found.coupling[0].T, atol=1e-12)
    assert found.leak[0] < 1e-12
    fastest = dg.measure.spectrum(at.game, "fastest", 2, players=at.players).eigenvalues
    dense = np.linalg.eigvals(found.jacobian[0])
    assert np.allclose(np.abs(fastest), np.sort(np.abs(dense))[::-1][:2], rtol=1e-8)


@pytest.mark.slow  # no fast witness, as above
def test_every_singular_value_is_a_dirac_system():
    made, z = nets(1)
    at = dg.measure.teacher(dg.variant("wgan-linear"), made, z)
    with jax.enable_x64(True):
        found = equilibria.reduced(
            *(jax.tree.map(lambda x: jnp.asarray(x)[None], p) for p in (at.game, at.players))
        )
    turning = np.sort(np.linalg.eigvals(found.jacobian[0]).imag)[::-1][:3]
    assert np.allclose(turning, np.linalg.svd(found.coupling[0])[1][:3], atol=1e-9)


@pytest.mark.slow  # no fast witness, as above
def test_teachers_of_other_kinds():
    made, z = nets(2)
    biased = dg.measure.teacher(dg.variant("fgan-kl"), made, z)
    assert biased.logit == pytest.approx(1.0, abs=1e-12)  # f'(1) of Kullback-Leibler
    decayed = dg.measure.teacher(dg.variant("wgan-linear").with_(l2=0.1), made, z)
    assert decayed.frozen and decayed.residual < 1e-14  # L2 would let the features shrink
    with pytest.raises(dg.InputError, match="does not rest"):
        dg.measure.teacher(dg.variant("wgan"), made, z)


def test_bad_input():
    game = dirac.game(dg.variant("ns"), jnp.zeros(1))
    at = Players(jnp.zeros(1), jnp.zeros(1))
    for words, call in (
        ("players=", lambda: dg.measure.spectrum(game)),
        ("add rule", lambda: dg.measure.spectrum(game, of="step", players=at)),
        ("rightmost", lambda: dg.measure.spectrum(game, "leftmost", players=at)),
        ("is not a run", lambda: dg.measure.spectrum(3)),
        ("too short", lambda: dg.measure.pencil([1.0, 2.0])),
        ("grows", lambda: dg.measure.floor([[1.1]], [[[1.0]]], [[1.0]])),
    ):
        with pytest.raises(dg.InputError, match=words):
            call()


def test_turning_finds_the_rotation_under_adam():
    """A rotation w (phi' = -w theta, theta' = w phi) under Adam with eps so large that its step is lr/eps times the
    bias-corrected mean gradient: the players turn by about lr w/eps an iteration, beside moments that only decay."""
    from diracgan.dirac import game
    from diracgan.game import Players

    at = Players(jnp.zeros(1), jnp.zeros(1))
    rule = dg.rule("adam", lr=0.05, beta1=0.5, eps=1.0)
    made = game(dg.variant("wgan-linear"), jnp.zeros(1))
    found = dg.measure.spectrum(made, "turning", players=at, rule=rule, of="step", k=2)
    # along an eigenvector of the rotation m+ = b m + (1 - b) i w z and z+ = z + a m+, with a = lr/eps: for z+ = mu z,
    # m+ = (mu - 1) z/a, and so (mu - 1)(mu - b) = a (1 - b) i w mu
    truth = np.roots([1.0, -(1.5 + 0.05 * 0.5j), 0.5])
    slow = truth[np.argmax(np.abs(truth))]
    above = found.eigenvalues[np.argmax(found.eigenvalues.imag)]
    np.testing.assert_allclose(above, slow, rtol=1e-9)
    np.testing.assert_allclose(np.sort(found.eigenvalues.imag), [-slow.imag, slow.imag], rtol=1e-9)
    fastest = dg.measure.spectrum(made, "fastest", players=at, rule=rule, of="step", k=1)
    assert abs(fastest.eigenvalues[0]) < 0.6  # the first moment's decay
