"""Thresholds as differentiable functions against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import written_games as games

import diracgan as dg
from diracgan.analysis.bifurcation import branch, threshold


@pytest.fixture(scope="module")
def point():
    """Of ns + R1(g) under simultaneous steps: lr = 4 g while the pair is complex, g < 1."""
    rule = dg.rule("simultaneous", lr=0.1)
    (found,) = branch(dg.variant("ns").with_(r1=0.05), over="lr=0.01:0.4", rule=rule).points
    return found


def test_a_neimark_sacker_point(point):
    lr = threshold(point, ["gamma"])
    with jax.enable_x64(True):
        found = jax.jit(jax.value_and_grad(lambda gamma: lr(gamma[None])))(jnp.asarray(0.3))
        assert [float(x) for x in found] == pytest.approx([1.2, 4.0], abs=1e-11)
        assert found[0].dtype == jnp.float64
        kinds = [jax.eval_shape(lr, jax.ShapeDtypeStruct((1,), k)).dtype for k in (jnp.float32, jnp.int64)]
    assert kinds == [jnp.float32, jnp.float64]


@pytest.mark.slow  # value and slope at one weight: the test above
def test_a_neimark_sacker_point_under_jit_vmap_and_grad(point):
    lr = threshold(point, ["gamma"])
    with jax.enable_x64(True):
        weights = jnp.array([0.05, 0.3, 0.9, 3.0])
        values, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda g: lr(g[None]))))(weights)
        np.testing.assert_allclose(values[:3], 4 * weights[:3], atol=1e-12)
        np.testing.assert_allclose(slopes[:3], 4.0, atol=1e-10)
        assert np.isnan(values[3])
        assert slopes[0] == pytest.approx(dg.bifurcation.sensitivity(point, "gamma"), abs=1e-9)
    assert float(lr(np.array([0.1], np.float32))) == pytest.approx(0.4, rel=1e-4)


@pytest.mark.slow  # fast, of a pair and in one number: a Neimark-Sacker point, above
def test_a_flip_in_two_numbers():
    # alternating steps h_d, h_g of ns + R1(g): trace 2 - h_d g - h_d h_g/4, determinant 1 - h_d g; -1 is a multiplier
    # where 4 = 2 h_d g + h_d h_g/4
    rule = dg.rule("alternating", lr_d=1.0, lr_g=1.0)
    (point,) = (
        p
        for p in branch(dg.variant("ns").with_(r1=0.5), over="lr_d=0.1:6", rule=rule).points
        if p.kind == "flip"
    )
    lr_d = threshold(point, ["gamma", "lr_g"])
    with jax.enable_x64(True):
        at = jnp.array([0.7, 1.4])
        exact = 4 / (2 * 0.7 + 1.4 / 4)
        assert float(lr_d(at)) == pytest.approx(exact, abs=1e-12)
        np.testing.assert_allclose(jax.grad(lr_d)(at), [-(exact**2) / 4 * 2, -(exact**2) / 16], atol=1e-9)


@pytest.mark.slow  # no fast witness of a fold: too dear
def test_a_fold_whose_equilibrium_moves():
    # phi' = k + m phi - phi^3: folds at k = 2 (m/3)^(3/2), dk/dm = (m/3)^(1/2)
    start = ([-1.3247], [0.0])
    points = branch(games.Cusp(k=-1.0, m=1.0), over="k=-1:1", start=start, x0=1.0).points
    k = threshold(max(points, key=lambda p: p.value), ["m"])
    with jax.enable_x64(True):
        value, slope = jax.value_and_grad(k)(jnp.array([0.5]))
    assert float(value) == pytest.approx(2 * (0.5 / 3) ** 1.5, abs=1e-12)
    np.testing.assert_allclose(slope, [(0.5 / 3) ** 0.5], atol=1e-10)


@pytest.mark.parametrize(
    ("others", "words"),
    [("gamma", "is not a list"), (["lr"], "twice"), (["nothing"], "nothing"), ([], "one to 6")],
)
def test_bad_input_is_one_line(point, others, words):
    with pytest.raises(dg.InputError, match=words) as error:
        threshold(point, others)
    assert "\n" not in str(error.value)
