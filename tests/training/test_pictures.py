"""Pictures of what was learned: walks from one input to another, filters of the critic's first layer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.errors import InputError
from diracgan.training import generation, networks, train
from diracgan.training.architecture import Architecture, players
from diracgan.training.build import start
from diracgan.training.config import configure
from diracgan.training.latent import walk
from diracgan.training.layers import Weighted
from diracgan.training.networks import filters
from diracgan.training.pictures import grid
from diracgan.training.problems import problem
from diracgan.training.run import Run
from diracgan.variants import variant
from diracgan.variants.constraints import constrain

KEY = jax.random.key(0)


@pytest.mark.slow  # fast, the inputs alone: the next test
def test_a_walk_begins_and_ends_with_the_samples_of_its_ends():
    setup, state = start(configure("ns", "digits:latent=6", networks={"width": 4, "norm_g": "layer"}))
    theta = state.inner.players.theta
    made = generation.walks(setup, theta, KEY, 3, 5)
    assert made.shape == (3, 5, 8, 8, 1)
    for k, z in zip((0, -1), (setup.problem.latent(key, 3) for key in jax.random.split(KEY)), strict=True):
        np.testing.assert_allclose(made[:, k], theta(z), atol=1e-5)


def test_normal_inputs_walk_on_an_arc_and_uniform_ones_straight():
    """At equal distances of the angle, and with lengths that grow evenly; the ends may be one point."""
    a, b = np.random.default_rng(0).normal(size=(2, 20, 6))
    way = np.asarray(walk(jnp.asarray(a), jnp.asarray(b), 7))
    lengths = np.linalg.norm(way, axis=-1)
    np.testing.assert_allclose(np.diff(lengths, n=2, axis=1), 0.0, atol=1e-4)
    angles = np.arccos(np.sum(way[:, 1:] * way[:, :-1], axis=-1) / (lengths[:, 1:] * lengths[:, :-1]))
    np.testing.assert_allclose(angles, np.repeat(angles[:, :1], 6, axis=1), atol=1e-3)
    np.testing.assert_allclose(walk(jnp.asarray(a), jnp.asarray(a), 3)[:, 1], a, atol=1e-5)
    straight = walk(jnp.asarray(a), jnp.asarray(b), 3, "uniform")
    np.testing.assert_allclose(straight[:, 1], (a + b) / 2, atol=1e-6)


def test_filters_are_the_weights_as_they_are_used():
    on = problem("digits")
    phi = players(Architecture(width=3, norm_d="spectral"), on, KEY).phi
    used = np.asarray(constrain(variant("ns"), phi).layers[0].kernel())
    shown = filters(phi, on.shape)
    for k in range(3):
        np.testing.assert_allclose(shown[k], used[..., k] / np.abs(used[..., k]).max(), rtol=1e-5)
    dense = players(Architecture(kind="mlp", width=5), on, KEY).phi
    picture = filters(dense, on.shape)
    assert picture.shape == (5, 8, 8, 1)
    # a filter is what its unit answers to: its product with an image is the unit's input
    image = jnp.asarray(np.random.default_rng(1).normal(size=(1, 8, 8, 1)), jnp.float32)
    answer = np.tensordot(picture, np.asarray(image[0]), axes=3) * np.abs(np.asarray(dense.layers[0].w)).max(
        axis=0
    )
    np.testing.assert_allclose(answer, np.asarray(dense.layers[0](image))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "dcgan"])
def test_filters_leave_out_what_a_batch_adds(kind):
    """A sample that is its batch's mean differs from it by 0: its answer is that of the filters alone."""
    on = problem("digits")
    phi = players(Architecture(kind=kind, width=3, minibatch="difference"), on, KEY).phi
    first = next(layer for layer in phi.layers if isinstance(layer, Weighted))
    picture = filters(phi, on.shape)
    seen = np.asarray(first.kernel()).reshape(*picture.shape[1:3], 2, 3)[:, :, 0]
    scaled = np.moveaxis(seen / np.abs(seen).max(axis=(0, 1)), -1, 0)
    np.testing.assert_allclose(picture[..., 0], scaled, rtol=1e-5)
    image = jnp.asarray(np.random.default_rng(1).normal(size=(1, 8, 8, 1)), jnp.float32)
    answer = np.asarray(first(phi.layers[0](image)))[0]
    corner = np.asarray(image[0, :, :, 0]) if kind == "mlp" else np.asarray(image[0, 1:5, 1:5, 0])
    answer = answer if kind == "mlp" else answer[1, 1]
    np.testing.assert_allclose(np.einsum("hw,hwo->o", corner, seen), answer, rtol=1e-4, atol=1e-5)


def test_a_walk_stands_in_one_row():
    x = np.linspace(-1, 1, 3)[:, None, None, None] * np.ones((3, 4, 4, 1))
    page = grid(np.concatenate([x, x]), 3)
    side = page.shape[1] // 14
    assert page.shape[:2] == (9 * side, 14 * side)  # two rows of three, a line between any two
    assert page[0, 0, 0] == 0 < page[0, 5 * side, 0] < page[0, 10 * side, 0] == 255


@pytest.mark.slow  # fast, without a run: the tests above
def test_pictures_of_a_run(folder):
    how = {"networks": {"width": 4}, "batch": 8, "steps": 2, "classifier": False, "sample_every": 2}
    run = train("ns", "digits", out="a", walks=True, filters=True, **how)
    names = {p.name for p in (folder / "a/samples").iterdir()}
    assert {"00000002.png", "00000002-walks.png", "00000002-filters.png"} <= names
    made = run.walk(4, 2, average=None)
    assert made.shape == (2, 4, 8, 8, 1)
    train("ns", "ring8", out="b", walks=True, **{**how, "networks": {"width": 4}})
    assert (folder / "b/samples/00000002-walks.png").exists()


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("ring8", {"filters": True}, "filters are of critics of images"),
        ("denoise", {"walks": True}, "walks need a random z"),
        ("dirac", {"walks": True}, "walks need a random z"),
        ("ring8", {"truncate": "norms"}, "did you mean 'norm'?"),
        ("ring8:prior=uniform", {"truncate": "norm"}, "needs a normal z"),
    ],
)
def test_pictures_and_draws_that_cannot_be_made(name, settings, said):
    with pytest.raises(InputError, match=said) as told:
        configure("ns", name, training=settings)
    assert "\n" not in str(told.value)


def test_generate_refuses_what_is_not_allowed():
    config = configure("ns", "points8", networks={"width": 4, "depth": 1}, training={"batch": 4})
    run = Run(config, *start(config), [])  # as it begins: its steps are not compiled
    with pytest.raises(InputError, match="truncation = -1 is out of range"):
        run.generate(3, truncation=-1.0)
    with pytest.raises(InputError, match="unknown truncate 'nrom'"):
        run.generate(3, truncation=1.0, truncate="nrom")
    with pytest.raises(InputError, match="points = 1 is too small"):
        run.walk(1)
    assert networks.generator(run.players.theta, run.setup.problem.latent(KEY, 3)).shape == (3, 2)
