"""A user's own game in JAX against dense Jacobians by jacfwd, and everybody's operators."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import diracgan as dg
from diracgan.game import Players
from diracgan.measure.leading import leading


def d_loss(critic, generator, batch):
    x, z = batch
    real, fake = jax.vmap(critic)(x), jax.vmap(critic)(jax.vmap(generator)(z))
    slopes = jax.vmap(jax.grad(lambda x: critic(x)[0]))(x)
    return jnp.mean(jax.nn.softplus(-real) + jax.nn.softplus(fake)) + 0.2 * jnp.mean(slopes**2)


def g_loss(critic, generator, batch):
    return jnp.mean(jax.nn.softplus(-jax.vmap(critic)(jax.vmap(generator)(batch[1]))))


@pytest.fixture(scope="module")
def own():
    """Two equinox networks in float64, batches, the optimisers' states, and both dense Jacobians."""
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), 8)
        nets = [
            eqx.nn.MLP(2, n, 4, 1, activation=jnp.tanh, key=k) for n, k in zip((1, 2), keys, strict=False)
        ]
        nets = [jax.tree.map(lambda x: x.astype(jnp.float64) if eqx.is_array(x) else x, n) for n in nets]
        batches = [tuple(jax.random.normal(k, (2, 16, 2), jnp.float64)) for k in keys[2:]]
        opt = optax.chain(optax.clip_by_global_norm(0.05), optax.adamw(1e-2, b1=0.5, weight_decay=0.1))
        moving = [eqx.filter(n, eqx.is_array) for n in nets]
        still = [eqx.filter(n, eqx.is_array, inverse=True) for n in nets]
        states = [opt.init(m) for m in moving]

        def gradients(moving, batch):
            whole = [eqx.combine(a, b) for a, b in zip(moving, still, strict=True)]
            down = jax.grad(lambda m: d_loss(eqx.combine(m, still[0]), whole[1], batch))(moving[0])
            side = jax.grad(lambda m: g_loss(whole[0], eqx.combine(m, still[1]), batch))(moving[1])
            return down, side

        def iterate(moving, states, batch):  # a training loop as anybody writes it
            step, first = opt.update(gradients(moving, batch)[0], states[0], moving[0])
            moving = [optax.apply_updates(moving[0], step), moving[1]]
            step, second = opt.update(gradients(moving, batch)[1], states[1], moving[1])
            return [moving[0], optax.apply_updates(moving[1], step)], [first, second]

        for batch in batches[1:]:
            moving, states = jax.jit(iterate)(moving, states, batch)
        flat, restore = ravel_pytree(Players(*moving))

        def field(y, batch):
            return -ravel_pytree(Players(*gradients(restore(y), batch)))[0]

        floats = [x for x in jax.tree.leaves(states) if jnp.issubdtype(x.dtype, jnp.floating)]
        whole, back = ravel_pytree((Players(*moving), floats))

        def step(y):
            at, own = back(y)
            given = iter(own)
            full = jax.tree.map(lambda x: next(given) if jnp.issubdtype(x.dtype, jnp.floating) else x, states)
            after, new = iterate(list(at), full, batches[0])
            kept = [x for x in jax.tree.leaves(new) if jnp.issubdtype(x.dtype, jnp.floating)]
            return ravel_pytree((Players(*after), kept))[0]

        flow = np.asarray(jax.jit(jax.jacfwd(lambda y: field(y, batches[0])))(flat))
        steps = np.asarray(jax.jit(jax.jacfwd(step))(whole))
        seen = jax.jit(field)
        both = np.stack([np.asarray(seen(flat, b)) for b in batches])
        nets = [eqx.combine(a, b) for a, b in zip(moving, still, strict=True)]
    measured = dg.measure.game(d_loss, g_loss, *nets, batches, optimiser=(opt, opt), state=tuple(states))
    return measured, flow, steps, both, nets, batches


def nearest(found, dense):
    return max(np.abs(dense - mu).min() for mu in found)


def test_a_start_near_the_fastest_is_sooner_there_and_misses_none_that_it_lacks():
    values = np.concatenate([[9.0, 8.5, 8.0, 7.5], np.linspace(-6.0, 6.0, 396)])
    near = np.zeros((3, 1, 400))
    near[0, 0, :4] = near[1, 0, [0, 2]] = 1.0  # a field may lack some by symmetry; at rest it is 0

    def found(near):
        how = ((1, 400), "fastest", "flow", 4, 1e-6, 200, 0)
        return leading(lambda v: v * values, *how, near=near)

    of_all, of_two, of_none, random = map(found, (*near, None))
    np.testing.assert_allclose(of_two.eigenvalues[0], values[:4], atol=1e-6)
    assert of_all.products < random.products == of_none.products


@pytest.mark.slow  # fast, of a map: test_anybodys_operator_and_map; in PyTorch: test_torch_game.py
def test_the_flow_and_the_step_against_jacfwd(own):
    measured, flow, steps, *_ = own
    v = np.random.default_rng(0).standard_normal(len(flow))
    np.testing.assert_allclose(measured.matvec(v), flow @ v, atol=1e-9)
    np.testing.assert_allclose(measured.rmatvec(v), flow.T @ v, atol=1e-9)
    w = np.random.default_rng(1).standard_normal(len(steps))
    np.testing.assert_allclose(measured.matvec(w, "step"), steps @ w, rtol=1e-6, atol=1e-6)
    found = measured.spectrum("fastest", 5)
    assert nearest(found.eigenvalues, np.linalg.eigvals(flow)) < 1e-6
    assert np.abs(found.eigenvalues).max() == pytest.approx(np.abs(np.linalg.eigvals(flow)).max(), rel=1e-6)
    assert found.smooth and found.converged.all()
    assert dg.measure.spectrum(measured, "fastest", 5).eigenvalues == pytest.approx(found.eigenvalues)
    moved = measured.spectrum("rightmost", 3, "step")
    scale = np.linalg.norm(steps, 2)  # Adam's second moment: entries of 1e6, whose eigenvalues rounding moves
    for mu, x in zip(moved.eigenvalues, moved.vectors, strict=True):
        assert np.linalg.norm(steps @ x - mu * x) < 1e-9 * scale


@pytest.mark.slow  # fast, in PyTorch: test_torch_game.py::test_the_flow_against_jacfwd
def test_blocks_coupling_and_operator(own):
    measured, flow, *_ = own
    n_d = measured.sizes[0]
    blocks = {"critic": flow[:n_d, :n_d], "generator": flow[n_d:, n_d:]}
    for who, block in blocks.items():
        found = measured.spectrum("fastest", 3, who)
        assert nearest(found.eigenvalues, np.linalg.eigvals(block)) < 1e-6 and found.size == len(block)
    coupling = measured.coupling(3)
    u, s, vt = np.linalg.svd(-flow[:n_d, n_d:])
    np.testing.assert_allclose(coupling.singular_values, s[:3], atol=1e-8)
    for i in range(3):
        damping = -u[:, i] @ blocks["critic"] @ u[:, i]
        assert coupling.damping[i] == pytest.approx(damping, abs=1e-6)
        assert coupling.response[i] == pytest.approx(vt[i] @ flow[n_d:, :n_d] @ u[:, i], abs=1e-6)
    from scipy.sparse.linalg import eigs

    arpack = eigs(measured.operator(), k=2, v0=np.ones(len(flow)), return_eigenvectors=False)
    assert nearest(arpack, np.linalg.eigvals(flow)) < 1e-6
    assert dg.measure.eigenvalues(measured.operator(), k=2).eigenvalues == pytest.approx(
        measured.spectrum("fastest", 2).eigenvalues
    )


@pytest.mark.slow  # fast, of two numbers: test_the_noise_floor_of_the_dirac_game
def test_noise_against_the_batches_themselves(own):
    measured, _, _, fields, *_ = own
    np.testing.assert_allclose(measured.gradient_covariance(), np.cov(fields, rowvar=False), atol=1e-12)
    noise, n_d = measured.gradient_noise(), measured.sizes[0]
    traces = [np.cov(fields[:, :n_d], rowvar=False).trace(), np.cov(fields[:, n_d:], rowvar=False).trace()]
    np.testing.assert_allclose(noise.variance, traces, rtol=1e-9)
    assert noise.batches == len(fields)


@pytest.mark.slow  # no fast witness: too dear
def test_a_mean_over_batches(own):
    *_, fields, nets, batches = own
    measured = dg.measure.game(d_loss, g_loss, *nets, iter(batches), together=3)
    np.testing.assert_allclose(measured.velocity(), fields[:3].mean(axis=0), atol=1e-12)


def test_the_noise_floor_of_the_dirac_game():
    """phi' = -k phi - theta + noise, theta' = phi: the floor of alternating steps from the Lyapunov equation."""
    from scipy.linalg import solve_discrete_lyapunov

    noise = np.random.default_rng(0).standard_normal(40)
    with jax.enable_x64(True):
        measured = dg.measure.game(
            lambda phi, theta, e: phi[0] * theta[0] + 0.3 * phi[0] ** 2 - e * phi[0],
            lambda phi, theta, e: -phi[0] * theta[0],
            np.zeros(1),
            np.zeros(1),
            [jnp.asarray(x) for x in noise],
        )
    alone = np.var(noise, ddof=1)  # the noise moves the critic alone
    np.testing.assert_allclose(measured.gradient_covariance(), np.diag([alone, 0.0]), atol=1e-12)
    np.testing.assert_allclose(measured.gradient_noise().variance, [alone, 0.0], rtol=1e-9, atol=1e-12)
    found = measured.noise_floor(0.1, 0.1)
    step = np.array([[1 - 0.06, -0.1], [0.1 * (1 - 0.06), 1 - 0.01]])
    kick = 0.1 * np.array([[1.0], [0.1]])
    sigma = solve_discrete_lyapunov(step, kick @ kick.T * alone)
    power = np.real(np.diag(found.left @ sigma @ found.left.conj().T))
    np.testing.assert_allclose(np.sort(found.power), np.sort(power), rtol=1e-9)


def test_anybodys_operator_and_map():
    matrix = np.random.default_rng(0).standard_normal((50, 50))
    dense = np.linalg.eigvals(matrix)
    for given in (matrix, lambda v: matrix @ v):
        found = dg.measure.eigenvalues(given, None if given is matrix else 50, k=4)
        assert nearest(found.eigenvalues, dense) < 1e-5 and found.products <= 50
    with jax.enable_x64(True):
        state = {"a": jnp.array([0.3, 0.7]), "b": jnp.array(1.1)}

        def step(s):
            return {"a": jnp.sin(s["a"]) * s["b"], "b": s["b"] ** 2 - s["a"][0]}

        flat, restore = ravel_pytree(state)
        jacobian = np.asarray(jax.jacfwd(lambda y: ravel_pytree(step(restore(y)))[0])(flat))
    found = dg.measure.eigenvalues(step, state, k=3, of="step")
    assert nearest(found.eigenvalues, np.linalg.eigvals(jacobian)) < 1e-9


@pytest.mark.slow  # no fast witness: it trains
def test_a_run_of_ours_is_the_same_object():
    how = {"width": 4, "depth": 1, "activation_d": "tanh", "activation_g": "tanh"}
    run = dg.train("ns:r1=0.1", "points8", steps=2, networks=how, classifier=False)
    measured = dg.measure.from_run(run)
    direct = dg.measure.spectrum(run, "fastest", 2)
    assert measured.spectrum("fastest", 2).eigenvalues == pytest.approx(direct.eigenvalues)
    assert dg.measure.spectrum(run, "fastest", 2, "critic").eigenvalues == pytest.approx(
        measured.spectrum("fastest", 2, "critic").eigenvalues
    )
    stepped = dg.measure.spectrum(run, "fastest", 2, "step")
    assert measured.spectrum("fastest", 2, "step").eigenvalues == pytest.approx(stepped.eigenvalues)
    # Adam's step in the players depends on its second moments like 1e6: as far from normal as that makes it, rounding
    # alone moves multipliers by 1e-7 unless each entry is measured in its own size
    whole = np.stack([measured.matvec(v, "step") for v in np.eye(stepped.size)], axis=1)
    close = dg.measure.spectrum(run, "fastest", 2, "step", tol=1e-12)
    assert nearest(close.eigenvalues, np.linalg.eigvals(whole)) < 1e-9


@pytest.mark.slow  # what the pass through such networks is: tests/training/test_networks.py
def test_minibatches_of_a_run_see_its_reference_batch():
    """Virtual batch norm takes its moments from one; without it a pass through the networks is refused."""
    networks = {"width": 4, "depth": 1, "norm_d": "virtual", "norm_g": "virtual"}
    run = dg.train("ns", "points8", networks=networks, steps=1, batch=8, classifier=False)
    measured = dg.measure.from_run(run, samples=16)
    assert np.all(np.isfinite(measured.gradient_noise(2).variance))


def mean(phi, theta, batch):
    return jnp.mean(phi * theta * batch)


def alone(phi, theta, batch):
    return jnp.mean(phi * batch)


def with_adam(state):
    return dg.measure.game(mean, mean, *ONES, [1.0], optimiser=optax.adam(0.1), state=(state, state))


def inferring():
    return eqx.nn.Sequential(
        [eqx.nn.Linear(1, 1, key=jax.random.key(0)), eqx.nn.Dropout(0.5, inference=True)]
    )


ONES = (np.ones(2, np.float32), np.ones(2, np.float32))


def test_multipliers_of_adam_in_float32_are_those_of_the_dense_step():
    """Second moments of 1e-6 beside weights of 1: LAPACK balances the dense matrix, Arnoldi needs the sizes."""
    opt = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))

    def critic_loss(phi, theta, x):
        return jnp.sum(phi * theta) + 0.3 * jnp.sum(phi**3) - jnp.sum(phi * x)

    def generator_loss(phi, theta, x):
        return 0.1 * jnp.sum(theta**4) - jnp.sum(phi * theta)

    at = [jnp.array([0.3, -0.2, 0.1], jnp.float32), jnp.array([0.5, 0.1, -0.3], jnp.float32)]
    states, x = [opt.init(a) for a in at], jnp.array([0.2, 0.1, 0.3], jnp.float32)
    for _ in range(3):
        for k, loss in enumerate((critic_loss, generator_loss)):
            step, states[k] = opt.update(jax.grad(loss, argnums=k)(*at, x), states[k], at[k])
            at[k] = at[k] + step
    how = {"optimiser": (opt, opt), "state": tuple(states)}
    measured = dg.measure.game(critic_loss, generator_loss, *at, [x], **how)
    dense = np.stack([measured.matvec(e, of="step") for e in np.eye(18, dtype=np.float32)], axis=1)
    multipliers = np.linalg.eigvals(dense.astype(float))
    found = measured.spectrum(k=4, of="step")
    for z, v in zip(found.eigenvalues, found.vectors, strict=True):
        assert np.min(np.abs(multipliers - z)) < 1e-4  # without the state's sizes 1e-1
        np.testing.assert_allclose(dense @ v, z * v, atol=1e-4)


def test_injected_hyperparameters_add_no_multiplier():
    at = [np.array([0.3, -0.2]), np.array([0.5, 0.1])]

    def critic_loss(phi, theta, x):
        return jnp.sum(phi * theta) + 0.3 * jnp.sum(phi**3)

    def generator_loss(phi, theta, x):
        return 0.1 * jnp.sum(theta**4) - jnp.sum(phi * theta)

    found = []
    for opt in (optax.sgd(0.1, momentum=0.5), optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.5)):
        state = [opt.update(a, opt.init(a), a)[1] for a in at]
        measured = dg.measure.game(
            critic_loss, generator_loss, *at, [1.0], optimiser=(opt, opt), state=tuple(state)
        )
        assert measured.backend.state_size == 8  # weights and momenta
        dense = np.stack([measured.matvec(e, of="step") for e in np.eye(8)], axis=1)
        found.append(np.sort_complex(np.linalg.eigvals(dense)))
        assert len(np.concatenate(measured.backend.remembered(measured.held))) == 4
    np.testing.assert_allclose(*found, atol=1e-6)  # what is injected is kept in single precision
    assert np.min(np.abs(found[0] - 1.0)) > 1e-3


def test_running_means_of_a_layer_are_not_parameters():
    """They move by no gradient: the weights of a layer and of its batch norm alone are counted."""
    norm, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(2, "batch", mode="batch")

    def loss(phi, theta, x):
        apply = jax.vmap(phi[0], in_axes=(0, None), out_axes=(0, None), axis_name="batch")
        return jnp.mean(apply(x * theta, phi[1])[0] ** 3)

    x = jnp.array([[0.3, -1.0], [1.0, 0.2], [-0.4, 0.7]], jnp.float32)
    measured = dg.measure.game(loss, loss, (norm, state), ONES[1], [x])
    assert measured.sizes == (4, 2)


def test_running_means_of_nnx_are_not_parameters():
    nnx = pytest.importorskip("flax.nnx", reason="flax is not needed by diracgan")
    norm = nnx.BatchNorm(2, rngs=nnx.Rngs(0))
    x = jnp.array([[0.3, -1.0], [1.0, 0.2], [-0.4, 0.7]], jnp.float32)
    measured = dg.measure.game(*[lambda phi, theta, x: jnp.mean(phi(x * theta) ** 3)] * 2, norm, ONES[1], [x])
    assert measured.sizes == (4, 2)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (
            "holds 'batch_stats' beside 'params'",
            lambda: dg.measure.game(mean, mean, {"params": ONES[0], "batch_stats": ONES[0]}, ONES[1], [1.0]),
        ),
        ("shape", lambda: dg.measure.game(lambda p, t, b: p * t, mean, *ONES, [1.0])),
        ("gives a tuple", lambda: dg.measure.game(lambda p, t, b: (p[0], t[0]), mean, *ONES, [1.0])),
        ("critic_loss failed", lambda: dg.measure.game(lambda p, t, b: p.nothing, mean, *ONES, [1.0])),
        ("critic_loss = 3 is not a function", lambda: dg.measure.game(3, mean, *ONES, [1.0])),
        ("not finite", lambda: dg.measure.game(mean, mean, *ONES, [np.nan])),
        ("ran out after 0", lambda: dg.measure.game(mean, mean, *ONES, [])),
        ("ran out after 1", lambda: dg.measure.game(mean, mean, *ONES, [1.0], together=2)),
        ("ran out after 1", lambda: dg.measure.game(mean, mean, *ONES, [1.0]).gradient_noise()),
        ("gone through", lambda: dg.measure.game(mean, mean, *ONES, 7)),
        ("no floating-point", lambda: dg.measure.game(mean, mean, {}, ONES[1], [1.0])),
        ("share an array", lambda: dg.measure.game(mean, mean, ONES[0], ONES[0], [1.0])),
        ("float16", lambda: dg.measure.game(mean, mean, np.ones(2, np.float16), ONES[1], [1.0])),
        ("bfloat16 of parameters in float", lambda: dg.measure.game(coarse, mean, *ONES, [1.0])),
        ("add optimiser", lambda: dg.measure.game(mean, mean, *ONES, [1.0]).spectrum(of="step")),
        ("state belongs to an optimiser", lambda: dg.measure.game(mean, mean, *ONES, [1.0], state=(1, 2))),
        ("does not belong to the critic's optimiser", lambda: with_adam(optax.sgd(0.1).init(ONES[0]))),
        ("remembers nothing yet", lambda: with_adam(optax.adam(0.1).init(ONES[0]))),
        pytest.param(
            "not at rest there: a step of 0.632 where",  # lr (1 - beta1)/sqrt(1 - beta2) in each of four entries
            lambda: dg.measure.game(mean, mean, *ONES, [1.0], optimiser=optax.adam(0.1)).spectrum(of="step"),
            marks=pytest.mark.slow,
        ),
        ("generator_loss does not depend", lambda: dg.measure.game(mean, alone, *ONES, [1.0])),
        ("inference mode, where Dropout", lambda: dg.measure.game(mean, mean, inferring(), ONES[1], [1.0])),
        ("seed = -1", lambda: dg.measure.game(mean, mean, *ONES, [1.0]).spectrum(seed=-1)),
        ("seed = -1", lambda: dg.measure.game(mean, mean, *ONES, [1.0]).coupling(seed=-1)),
        (
            "step_sizes has shape",
            lambda: dg.measure.game(mean, mean, *ONES, [1.0]).coupling(step_sizes=ONES[0]),
        ),
        ("basis has shape", lambda: dg.measure.game(mean, mean, *ONES, [1.0]).gradient_covariance(ONES[0])),
        ("without numbers", lambda: dg.measure.game(mean, mean, *ONES, [1.0]).matvec("abc")),
        ("not a pair", lambda: dg.measure.game(mean, mean, *ONES, [1.0], optimiser=(1, 2, 3))),
        ("clip is for", lambda: dg.measure.game(mean, mean, *ONES, [1.0], clip=1.0)),
        ("hides", lambda: dg.measure.game(stopped, mean, *ONES, [1.0])),
        ("n is missing", lambda: dg.measure.eigenvalues(lambda v: v)),
        ("not an operator", lambda: dg.measure.eigenvalues(3, 4)),
        ("not finite", lambda: dg.measure.eigenvalues(lambda v: v * np.inf, 4)),
        ("complex128", lambda: dg.measure.eigenvalues(lambda v: v * 1j, 4)),
        ("shape", lambda: dg.measure.eigenvalues(lambda v: v[:2], 4)),
        ("is not a training run", lambda: dg.measure.from_run(3)),
    ],
)
def test_bad_input_is_one_line(words, call):
    with pytest.raises(dg.InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def coarse(phi, theta, batch):
    return mean(phi, theta, batch).astype(jnp.bfloat16)


@jax.custom_jvp
def unseen(x):
    return x


unseen.defjvp(lambda primals, tangents: (primals[0], jnp.zeros_like(tangents[0])))


def stopped(phi, theta, batch):
    return jnp.mean(phi**2 * unseen(theta) * batch)


def held(phi, theta, batch):
    still = jax.lax.stop_gradient
    return jnp.sum(still(jnp.tanh(phi) + phi[::-1] * theta) * phi) * batch + jnp.sum(still(theta**2) * phi)


@pytest.mark.parametrize("batches", [[0.7], [0.7, 1.1]])
def test_what_a_loss_stops_ends_the_player_s_gradient_alone(batches):
    phi, theta, mean_batch = np.array([0.3, -0.8]), np.array([0.5, 0.9]), np.mean(batches)
    game = dg.measure.game(held, lambda p, t, b: -held(t, p, b), phi, theta, batches, together=len(batches))

    def field(y):
        p, t = y[:2], y[2:]
        critic = mean_batch * (np.tanh(p) + p[::-1] * t) + t**2
        generator = mean_batch * (np.tanh(t) + t[::-1] * p) + p**2
        return np.concatenate([-critic, generator])

    y = np.concatenate([phi, theta])
    np.testing.assert_allclose(game.velocity(), field(y), rtol=1e-13)
    by_differences = np.array([(field(y + e) - field(y - e)) / 2e-5 for e in 1e-5 * np.eye(4)]).T
    np.testing.assert_allclose(np.array([game.matvec(e) for e in np.eye(4)]).T, by_differences, atol=1e-9)
