"""Networks against what they should compute: other formulas, other libraries, invariances."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.errors import InputError
from diracgan.game import Players
from diracgan.training.architecture import Architecture, players
from diracgan.training.config import configure, from_settings
from diracgan.training.games import game, minibatches
from diracgan.training.layers import (
    Down,
    LinearCritic,
    MinibatchDiscrimination,
    Norm,
    Pass,
    Pool,
    Project,
    Up,
    Weighted,
    normalised,
    product,
    spectral_norm,
)
from diracgan.training.networks import critic
from diracgan.training.problems import Batch, problem
from diracgan.variants.constraints import constrain

KEY = jax.random.key(0)


def x_of(*shape: int, seed: int = 1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def image_problem(side: int):
    made = problem("ring8")
    own = {n: getattr(made, n) for n in made.__dataclass_fields__}
    pixels = x_of(4, side, side, 1).clip(-1, 1)
    how = {"shape": (side, side, 1), "images": True, "network": "dcgan", "mixture": False, "inputs": 5}
    return type(made)(**{**own, "data": pixels, **how})


@pytest.mark.parametrize("wide", [pytest.param(3, marks=pytest.mark.slow), 17])
def test_a_layer_s_product_has_the_derivatives_of_a_product(wide):
    x, w, dx, dw = (
        x_of(wide, wide + 1),
        x_of(wide + 1, wide),
        x_of(wide, wide + 1),
        x_of(wide + 1, wide, seed=3),
    )

    def twice(by):
        loss = lambda x, w: jnp.sum(jnp.tanh(by(x, w)) ** 3)  # noqa: E731
        slope = jax.grad(loss, argnums=(0, 1))
        return slope(x, w), jax.jvp(slope, (x, w), (dx, dw)), jax.vmap(slope)(x[None], w[None])

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), twice(product), twice(jnp.matmul)
    )


@pytest.mark.parametrize("side", [3, 4])
def test_the_transposed_convolution_is_one(side):
    w, b = x_of(4, 4, 3, 2), x_of(2)
    x = x_of(2, side, side + 1, 3, seed=2)
    ours = Up(w, b, None)(x)
    theirs = jax.lax.conv_transpose(
        x, w, (2, 2), ((2, 2), (2, 2)), dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=False
    )
    # jax slides the kernel as it lies: a transposed convolution has it turned around
    turned = jax.lax.conv_transpose(
        x, w[::-1, ::-1], (2, 2), ((2, 2), (2, 2)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    assert ours.shape == theirs.shape == (2, 2 * side, 2 * side + 2, 2)
    np.testing.assert_allclose(ours, turned + b, rtol=1e-5, atol=1e-5)
    # and it is the adjoint of the strided convolution with the same kernel
    down = Down(jnp.swapaxes(w, 2, 3), None, None)
    y = x_of(2, 2 * side, 2 * side + 2, 2, seed=3)
    assert float(jnp.vdot(ours - b, y)) == pytest.approx(float(jnp.vdot(x, down(y))), rel=1e-4)


@pytest.mark.parametrize("side", slow_but([8, 16, 28, 32, 64], 28))
def test_a_dcgan_follows_its_guidelines(side):
    made = players(Architecture(kind="dcgan", width=4), image_problem(side), KEY)
    phi, theta = made
    assert jax.eval_shape(phi, jax.ShapeDtypeStruct((2, side, side, 1), jnp.float32)).shape == (2,)
    out = jax.eval_shape(theta, jax.ShapeDtypeStruct((2, 5), jnp.float32))
    assert out.shape == (2, side, side, 1)
    d_norms = [isinstance(layer, Norm) for layer in phi.layers]
    assert not d_norms[1], "no norm at D's input"
    assert isinstance(theta.head, Up), "G ends in a transposed convolution without a norm"
    kinds = [type(layer) for layer in (*phi.layers, *theta.layers) if isinstance(layer, Weighted)]
    assert set(kinds) <= {Down, Up, Project}, "no dense hidden layers, no pooling"
    weights = np.concatenate([np.ravel(w.w) for w in (*theta.layers, theta.head) if isinstance(w, Weighted)])
    assert weights.std() == pytest.approx(0.02, rel=4 / np.sqrt(2 * len(weights)))  # four standard errors
    assert theta.last == "tanh", "samples lie between -1 and 1"


def test_images_that_no_dcgan_fits():
    for side in (7, 6, 66):
        with pytest.raises(InputError, match="allowed: square, of an even side from 8 to 64"):
            players(Architecture(kind="dcgan"), image_problem(side), KEY)


@pytest.mark.parametrize(
    "shape", [(7, 4), (3, 3, 2, 5), *(pytest.param(s, marks=pytest.mark.slow) for s in ((4, 7), (6, 1)))]
)
def test_spectral_norm_is_the_largest_singular_value_with_its_derivative(shape):
    w = x_of(*shape)
    m = np.asarray(w).reshape(-1, shape[-1])
    u, s, v = np.linalg.svd(m, full_matrices=False)
    assert float(spectral_norm(w)) == pytest.approx(s[0], rel=1e-3)
    slope = np.asarray(jax.grad(spectral_norm)(w)).reshape(m.shape)
    # a value right to e has vectors right to its root, sqrt(1e-3) = 0.03
    np.testing.assert_allclose(slope, np.outer(u[:, 0], v[0]), atol=0.03)


def test_a_normalised_variant_divides_weights_by_their_spectral_norm():
    phi = players(Architecture(width=8), problem("ring8"), KEY).phi
    used = constrain(dg.variant("wgan"), phi)
    for a, b in zip(phi.layers, used.layers, strict=True):
        if isinstance(a, Weighted):
            assert np.linalg.norm(b.w, 2) == pytest.approx(1, rel=1e-2)
            np.testing.assert_array_equal(a.b, b.b)
    x, y = x_of(200, 2), x_of(200, 2, seed=5)
    slope = np.abs(critic(used, x) - critic(used, y)) / np.linalg.norm(x - y, axis=1)
    assert slope.max() <= 1.01, "a critic with spectral norms of 1 is 1-Lipschitz"
    assert float(constrain(dg.variant("wgan"), LinearCritic(jnp.array([3.0, 4.0]))).w[0]) == pytest.approx(
        0.6
    )


@pytest.mark.parametrize("kind", ["spectral", "weight"])
def test_norms_of_weights(kind):
    made = players(Architecture(width=8, norm_d=kind), problem("ring8"), KEY).phi
    layer = made.layers[0]
    doubled = eqx.tree_at(lambda net: net.layers[0].w, made, 2 * layer.w)
    x = x_of(5, 2)
    np.testing.assert_allclose(
        doubled(x), made(x), rtol=1e-4, atol=1e-5
    )  # the weight's length does not matter
    plain = eqx.tree_at(lambda net: net.head.b, made, made.head.b + 1.0)
    np.testing.assert_allclose(plain(x), made(x) + 1.0, rtol=1e-5, atol=1e-5)


def test_norms_of_activations():
    x = 3.0 * x_of(6, 5, 5, 4) + 2.0
    axes = {"batch": (0, 1, 2), "layer": (1, 2, 3), "instance": (1, 2)}
    for kind, over in axes.items():
        y = np.asarray(Norm(jnp.ones(4), jnp.zeros(4), kind)(x))
        np.testing.assert_allclose(y.mean(axis=over), 0, atol=1e-4)
        np.testing.assert_allclose(y.var(axis=over), 1, rtol=1e-3)


@pytest.mark.parametrize(
    "axes", [(0, 1, 2), *(pytest.param(a, marks=pytest.mark.slow) for a in ((1, 2, 3), (1, 2)))]
)
def test_the_derivative_of_a_norm_is_that_of_its_formula(axes):
    """To second order, which R1 needs: against automatic differentiation of the formula."""

    def formula(x, gain, shift):
        mean, square = (jnp.mean(y, axis=axes, keepdims=True) for y in (x, x * x))
        return gain * (x - mean) / jnp.sqrt(square - mean**2 + 1e-5) + shift

    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        x, along, weights = (jnp.asarray(random.normal(size=(6, 3, 3, 4))) for _ in range(3))
        at = (2.0 * x + 1.0, *(jnp.asarray(random.normal(size=4)) for _ in range(2)))

        def second(norm):
            slope = jax.grad(lambda a: jnp.sum(weights * norm(*a) ** 3))
            return jax.jvp(slope, (at,), ((along, at[2], at[1]),))

        for ours, theirs in zip(
            jax.tree.leaves(second(lambda *a: normalised(*a, axes))),
            jax.tree.leaves(second(formula)),
            strict=True,
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def alone_as_in_company(norm: str) -> bool:
    phi = players(Architecture(width=8, depth=2, norm_d=norm), problem("ring8"), KEY).phi
    x, how = x_of(6, 2), Pass(reference=x_of(32, 2, seed=9))
    return bool(np.allclose(critic(phi, x, how)[:1], critic(phi, x[:1], how), atol=1e-5))


@pytest.mark.slow  # fast, in the generator: virtual batch norm, below
def test_only_a_batch_norm_lets_samples_depend_on_each_other():
    """Virtual batch norm's effect: the normalisation stays, the dependence goes (arXiv 1606.03498, 3.4)."""
    assert not alone_as_in_company("batch")
    assert alone_as_in_company("virtual")
    assert alone_as_in_company("layer")
    phi = players(Architecture(width=8, norm_d="virtual"), problem("ring8"), KEY).phi
    x = x_of(6, 2)
    shifted = [critic(phi, x, Pass(reference=k * x_of(32, 2))) for k in (1.0, 3.0)]
    assert not np.allclose(*shifted), "the reference batch is what it normalises with"


def test_minibatch_features_tell_a_collapsed_batch():
    """The critic's last features of a batch without variety differ from those of one with it, sample by sample."""
    spread, collapsed = x_of(8, 2), jnp.tile(x_of(1, 2), (8, 1))
    for kind in ("std", "discrimination"):
        phi = players(Architecture(width=8, minibatch=kind), problem("ring8"), KEY).phi
        extra = slice(8, None)
        alone = phi.features(collapsed[:1])[0, extra] if kind == "std" else None
        same, different = (np.asarray(phi.features(x))[:, extra] for x in (collapsed, spread))
        if kind == "std":
            np.testing.assert_allclose(same, 1e-4, rtol=1e-2)
            np.testing.assert_allclose(alone, same[0], rtol=1e-3)
            assert different.min() > 0.05
        else:
            np.testing.assert_allclose(same, 1.0, rtol=1e-5)  # all seven others are at distance 0
            assert different.max() < 6.9 / 7
    t = x_of(3, 2, 2)
    x = x_of(4, 3)
    m = np.einsum("nk,kbc->nbc", x, t)
    by_hand = [
        [sum(np.exp(-np.abs(m[i, b] - m[j, b]).sum()) for j in range(4) if j != i) / 3 for b in range(2)]
        for i in range(4)
    ]
    np.testing.assert_allclose(MinibatchDiscrimination(t)(x)[:, 3:], by_hand, rtol=1e-5)


@pytest.mark.parametrize("kind", ["none", "difference"])
def test_a_generator_that_makes_one_sample_of_all_latents_is_seen_by_differences(kind):
    """Real batches {-1, 1}, fake ones {-1, -1} or {1, 1}: sample by sample they are equally likely, so no critic of
    single samples gets below log 4; one that sees differences from the batch mean gets to 0."""
    real, fakes = jnp.array([[-1.0], [1.0]]), [jnp.full((2, 1), -1.0), jnp.full((2, 1), 1.0)]
    phi = players(Architecture(width=8, minibatch=kind), problem("point", x0=0.0), KEY).phi

    def loss(phi):
        fake = sum(jnp.mean(jax.nn.softplus(phi(x))) for x in fakes) / 2
        return jnp.mean(jax.nn.softplus(-phi(real))) + fake

    @jax.jit
    def trained(phi):
        def step(_, phi):
            return jax.tree.map(lambda w, g: w - 0.3 * g, phi, jax.grad(loss)(phi))

        return jax.lax.fori_loop(0, 400, step, phi)

    end = float(loss(trained(phi)))
    if kind == "none":
        assert end == pytest.approx(np.log(4.0), abs=1e-3)
    else:
        assert end < 0.05


def test_differences_from_the_batch_mean_are_channels_of_images():
    phi = players(Architecture(kind="dcgan", width=4, minibatch="difference"), image_problem(8), KEY).phi
    assert phi.layers[1].w.shape == (4, 4, 2, 4)
    x = x_of(3, 8, 8, 1)
    np.testing.assert_allclose(phi.layers[0](x)[..., 1], (x - x.mean(axis=0))[..., 0], atol=1e-6)
    assert phi(x).shape == (3,)


def test_dropout_keeps_the_mean_and_needs_a_key():
    phi = players(Architecture(width=64, depth=1, dropout_d=0.5), problem("ring8"), KEY).phi
    x = x_of(4, 2)
    np.testing.assert_array_equal(critic(phi, x), critic(phi, x))
    draws = jax.vmap(lambda k: critic(phi, x, Pass(key=k)))(jax.random.split(KEY, 4000))
    error = np.asarray(draws.std(axis=0)).max() / np.sqrt(4000)
    np.testing.assert_allclose(draws.mean(axis=0), critic(phi, x), atol=4 * error)
    assert draws.std(axis=0).min() > 0.05


@pytest.mark.slow  # no fast witness: too dear
def test_a_projection_critic_sees_labels_and_no_slope_along_them(folder):
    np.savez("v.npz", x=x_of(30, 2), y=np.arange(30) % 3)
    on = problem("npz:v.npz", latent=4)
    both = players(Architecture(width=8, condition="projection"), on, KEY)
    made = game(dg.variant("ns").with_(r1=0.2), on, KEY, conditional=True)
    x = made.x_real
    assert x.shape == (30, 5)
    other = x.at[:, 2:].set(jnp.roll(x[:, 2:], 1, axis=1))
    assert not np.allclose(both.phi(x), both.phi(other))
    slope = jax.grad(lambda x: jnp.sum(both.phi(x)))(x)
    np.testing.assert_array_equal(slope[:, 2:], 0.0)
    samples = both.theta(made.z)
    np.testing.assert_array_equal(
        samples[:, 2:], x[:, 2:]
    )  # a fake is judged with the label it was asked for
    v = jax.jit(made.velocity)(both)
    assert all(np.all(np.isfinite(a)) for a in jax.tree.leaves(v))


def test_a_game_of_one_batch_is_the_loss_by_hand():
    on = problem("ring8")
    both = players(Architecture(width=8), on, KEY)
    x, z = x_of(5, 2), x_of(5, 2, seed=2)
    made = game(dg.variant("wgan-linear").with_(r1=0.3), on, batch=Batch(x, z))

    def loss(phi):
        slopes = jax.vmap(jax.grad(lambda one: phi(one[None])[0]))(x)
        return jnp.mean(phi(both.theta(z))) - jnp.mean(phi(x)) + 0.15 * jnp.mean(jnp.sum(slopes**2, axis=1))

    v = jax.jit(made.velocity)(both)
    for a, b in zip(jax.tree.leaves(v.phi), jax.tree.leaves(jax.jit(jax.grad(loss))(both.phi)), strict=True):
        np.testing.assert_allclose(a, -b, rtol=1e-4, atol=1e-5)
    for a, b in zip(
        jax.tree.leaves(v.theta),
        jax.tree.leaves(jax.grad(lambda t: -jnp.mean(both.phi(t(z))))(both.theta)),
        strict=True,
    ):
        np.testing.assert_allclose(a, -b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow  # no fast witness: too dear
def test_the_mean_of_drawn_instance_noise_is_the_integral():
    """Keyed sampling in training, quadrature in the Dirac system: the same field in the mean."""
    on = problem("dirac", x0=[0.4], phi0=[0.7], theta0=[-0.3])
    both = players(Architecture(), on, KEY)
    v = dg.variant("ns").with_(noise=0.5, r1=0.2)
    keys = jax.random.split(jax.random.key(5), 40_000)
    drawn = jax.vmap(lambda k: minibatches(v, on, k, 1).velocity(both))(keys)
    exact = dg.field(v, [0.4])(jnp.array([0.7]), jnp.array([-0.3]))
    for a, b in ((drawn.phi.w, exact[0]), (drawn.theta.point, exact[1])):
        error = float(a.std()) / 200
        assert float(a.mean()) == pytest.approx(float(b[0]), abs=4 * error)


@pytest.mark.slow  # what clipping is: tests/variants/test_clip.py and parity
def test_a_clipped_critic_is_clipped_everywhere():
    on = problem("ring8")
    both = players(Architecture(width=8), on, KEY)
    v = dg.variant("wgan-clip", clip=0.05)
    made = minibatches(v, on, KEY, 4)
    after = made.apply_step(both, Players(0.1, 0.1))
    assert max(float(jnp.abs(w).max()) for w in jax.tree.leaves(after.phi)) <= 0.0500001
    assert max(float(jnp.abs(w).max()) for w in jax.tree.leaves(after.theta)) > 0.1


def test_a_critic_of_another_size_than_the_generator():
    made = players(Architecture(width=8, depth=1, width_d=16, depth_d=3), problem("ring8"), KEY)
    shapes = [[layer.w.shape for layer in (*net.layers, net.head) if hasattr(layer, "w")] for net in made]
    assert shapes == [[(2, 16), (16, 16), (16, 16), (16, 1)], [(2, 8), (8, 2)]]
    made = players(Architecture(width=8, width_d=4), image_problem(8), KEY)
    assert made.phi.layers[0].w.shape == (4, 4, 1, 4)
    assert made.theta.head.w.shape == (4, 4, 8, 1)


def test_a_depth_that_would_be_ignored_is_refused():
    for on, kind in ((image_problem(8), "dcgan"), (problem("dirac"), "linear")):
        for name in ("depth", "depth_d"):
            with pytest.raises(InputError, match=f"{name} = 3 belongs to kind = mlp; allowed in {kind}"):
                Architecture(**{name: 3}).resolved(on)
        assert configure("wgan-gp", on).networks.depth is None  # whose own default, 3, is for an mlp
    assert configure("wgan-gp", "ring8").networks.depth == 3
    assert configure("ns", "ring8").networks.depth == 2


# ---------------------------------------------------------------- kernels, pooling


@pytest.mark.parametrize("k", slow_but([2, 3, 5, 6], 3, 6))
def test_convolutions_of_other_kernels_are_each_others_adjoints(k):
    """Up(y) with a kernel is the transpose of Down with the same one: <Down x, y> = <x, Up y>."""
    w = x_of(k, k, 3, 2)
    x, y = x_of(2, 8, 8, 3), x_of(2, 4, 4, 2, seed=2)
    down = Down(w, None, None)(x)
    padded = np.pad(x, ((0, 0), ((k - 2) // 2, k), ((k - 2) // 2, k), (0, 0)))
    by_hand = sum(
        padded[:, p : p + 8 : 2, q : q + 8 : 2] @ np.asarray(w[p, q]) for p in range(k) for q in range(k)
    )
    np.testing.assert_allclose(down, by_hand, atol=1e-4)
    up = Up(w.transpose(0, 1, 3, 2), None, None)(y)
    assert float(jnp.vdot(down, y)) == pytest.approx(float(jnp.vdot(x, up)), rel=1e-4)


@pytest.mark.parametrize("k", slow_but([3, 4, 5, 6], 3, 4))
def test_a_kernel_that_the_stride_does_not_divide_makes_a_checkerboard(k):
    """Of a constant image with a kernel of ones, pixel m gets as many terms as i with 0 <= m - 2i + lo < k: k/2 of
    each kind of an even kernel, (k - 1)/2 and (k + 1)/2 in turns of an odd one."""
    made = Up(jnp.ones((k, k, 1, 1)), None, None)(jnp.ones((1, 8, 8, 1)))[0, :, :, 0]
    row = np.array([sum(0 <= m - 2 * i + (k - 2) // 2 < k for i in range(8)) for m in range(16)])
    np.testing.assert_array_equal(made, np.outer(row, row))
    inner = np.asarray(made)[4:-4, 4:-4]
    few, many = k // 2, (k + 1) // 2
    assert set(inner.ravel()) == {few * few, few * many, many * many}


def test_of_equal_numbers_the_first_has_the_whole_slope():
    """As ``torch.nn.functional.max_pool2d`` has it; R1 at images with flat parts squares this slope."""
    flat = jnp.zeros((1, 4, 2, 1)).at[0, 3, 0, 0].set(1.0)
    slope = jax.grad(lambda x: jnp.sum(Pool("max")(x) * jnp.array([2.0, 3.0])[None, :, None, None]))(flat)
    np.testing.assert_array_equal(slope[0, :, :, 0], [[2, 0], [0, 0], [0, 0], [3, 0]])


@pytest.mark.slow  # no fast witness: too dear
def test_pooling_in_place_of_strides():
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(Pool("max")(image)[0, :, :, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(Pool("average")(image)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
    on = image_problem(16)
    strided, pooled = (
        players(Architecture(width=4, kernel=3, pool_d=p), on, KEY).phi for p in ("none", "average")
    )
    x = x_of(3, 16, 16, 1)
    assert strided(x).shape == pooled(x).shape == (3,)
    assert [v.w.shape for v in strided.layers if isinstance(v, Down)] == [(3, 3, 1, 4), (3, 3, 4, 8)]
    assert [v.stride for v in pooled.layers if isinstance(v, Down)] == [1, 1]
    assert sum(isinstance(v, Pool) for v in pooled.layers) == 2


# ---------------------------------------------------------------- what a generator is told, and where


def labelled_images():
    made = image_problem(8)
    own = {n: getattr(made, n) for n in made.__dataclass_fields__}
    return type(made)(**{**own, "labels": jnp.arange(4) % 3, "classes": 3})


@pytest.mark.slow  # fast: the norm of a class is that of its formula, next
def test_gains_of_a_class_move_its_samples_alone():
    """Class-conditional batch norm: (gain + g_y) x^ + shift + b_y, and only classes that are asked for are learned."""
    how = Architecture(width=4, condition="projection", labels_g="norm")
    theta = players(how, labelled_images(), KEY).theta
    norms = [v for v in theta.layers if isinstance(v, Norm)]
    assert [v.gain_of.shape for v in norms] == [(3, 4)]
    assert theta.layers[0].w.shape[0] == 5  # z alone: the label does not enter beside it
    z = jnp.concatenate([x_of(6, 5), jax.nn.one_hot(jnp.array([0, 0, 0, 2, 2, 2]), 3)], axis=1)
    moved = eqx.tree_at(lambda t: t.layers[1].gain_of, theta, norms[0].gain_of.at[2].set(0.5))
    before, after = (np.asarray(t(z))[:, :64] for t in (theta, moved))
    np.testing.assert_array_equal(before[:3], after[:3])
    assert np.abs(before[3:] - after[3:]).max() > 1e-6
    slope = jax.grad(lambda t: jnp.sum(t(z)[:, :64] ** 2))(theta).layers[1]
    for rows in (slope.gain_of, slope.shift_of):
        assert np.abs(rows[0]).max() > 0 < np.abs(rows[2]).max()
        np.testing.assert_array_equal(rows[1], 0.0)


def test_the_norm_of_a_class_is_that_of_its_formula():
    x, y = x_of(6, 3, 3, 4), jax.nn.one_hot(jnp.array([0, 1, 2, 0, 1, 2]), 3)
    g, b = x_of(3, 4, seed=3), x_of(3, 4, seed=4)
    made = Norm(jnp.ones(4), jnp.zeros(4), "batch", g, b)(x, Pass(condition=y))
    scaled = (x - x.mean((0, 1, 2))) / jnp.sqrt(x.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(made, (1 + y @ g)[:, None, None] * scaled + (y @ b)[:, None, None], atol=1e-4)


@pytest.mark.parametrize("kind", slow_but(["mlp", "dcgan"], "mlp"))
def test_z_that_skips_the_first_layer_still_arrives(kind):
    """With the first layer's weights 0 a plain generator makes one sample of all z; with skip_z it does not."""
    on = image_problem(8)
    for skip in (False, True):
        theta = players(Architecture(kind=kind, width=8, norm_g="layer", skip_z=skip), on, KEY).theta
        theta = jax.tree.map(lambda w: w + 0.1, theta)  # gains that depend on z begin at 0
        theta = eqx.tree_at(lambda t: t.layers[0].w, theta, jnp.zeros_like(theta.layers[0].w))
        made = np.asarray(theta(x_of(4, 5)))
        assert (np.ptp(made, axis=0).max() > 1e-4) == skip


@pytest.mark.parametrize("kind", slow_but(["mlp", "dcgan"], "mlp"))
def test_virtual_batch_norm_in_the_generator_keeps_samples_apart(kind):
    """A sample does not depend on the others of its batch; with the reference itself as the batch it nearly does what
    batch norm does: of the moments, a share 1/(m + 1) is the sample's own."""
    on, reference, z = image_problem(8), x_of(200, 5, seed=5), x_of(6, 5)
    how = Pass(reference=reference)
    theta = players(Architecture(kind=kind, width=8, norm_g="virtual"), on, KEY).theta
    whole = theta(z, how)
    np.testing.assert_allclose(theta(z[:2], how), whole[:2], atol=1e-5)
    batch = players(Architecture(kind=kind, width=8, norm_g="batch"), on, KEY).theta
    assert float(jnp.abs(batch(z[:2]) - batch(z)[:2]).max()) > 1e-3
    away = jnp.abs(theta(reference, how) - batch(reference))
    assert float(away.max()) < 0.1 * float(jnp.std(batch(reference)))
    with pytest.raises(InputError, match="needs a reference batch"):
        theta(z)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels_g": "norm"}, "needs labels"),
        ({"skip_z": True, "norm_g": "none"}, "needs a norm of the generator's activations"),
        ({"kind": "mlp", "kernel": 3}, "belong to kind = dcgan"),
        ({"kernel": 1}, "kernel = 1 is too small; allowed: integers from 2 to 9"),
        ({"pool_d": "mean"}, "unknown pool_d 'mean'"),
        ({"labels_g": "norms"}, "did you mean 'norm'?"),
    ],
)
def test_networks_that_do_not_fit_are_refused_in_one_line(settings, said):
    with pytest.raises(InputError, match=said) as told:
        from_settings(Architecture, settings, "networks").resolved(image_problem(8))
    assert "\n" not in str(told.value)
