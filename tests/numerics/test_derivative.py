"""Is there a derivative? The same judge in NumPy and traced, on functions whose answer is known."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.numerics.derivative import JUMP, KINK, NONE, SMOOTH, Derivative, Probe, judge, probe

LINEAR = np.array([[-0.4, -1.0], [1.0, 0.2]])


def norm(z):  # with a NaN for its derivative at 0
    return jnp.sqrt(jnp.sum(z**2))


FUNCTIONS = {
    "linear": (lambda z: LINEAR @ z, SMOOTH, LINEAR),
    "cubic": (lambda z: LINEAR @ z + z**3, SMOOTH, LINEAR),
    "hidden square": (lambda z: LINEAR @ z + norm(z) ** 2, SMOOTH, LINEAR),
    "cubed norm": (lambda z: LINEAR @ z + norm(z) ** 3, SMOOTH, LINEAR),
    "steep slopes": (lambda z: LINEAR @ z - jnp.abs(z) ** 1.2, SMOOTH, LINEAR),
    "steep slopes beside a bend": (
        lambda z: LINEAR @ z + jnp.sign(z) * jnp.abs(z) ** 1.2 + 99 * z**2,
        SMOOTH,
        LINEAR,
    ),
    "steeper slopes": (lambda z: LINEAR @ z + 5 * jnp.sign(z) * jnp.abs(z) ** 1.05, SMOOTH, LINEAR),
    "kink": (lambda z: LINEAR @ z + 1e-6 * jnp.abs(z), KINK, None),
    "degree one": (lambda z: z[0] * z[1] * z / jnp.sum(z**2), KINK, None),
    "jump": (lambda z: LINEAR @ z + jnp.sign(z[0]), JUMP, None),
    "thin set": (lambda z: LINEAR @ z + 0.0 * z[0] / (z[0] - z[0] * (z[1] != 0)), NONE, None),
}


@functools.cache
def seen_at_zero(name: str) -> Probe:
    """A batch of one."""
    with jax.enable_x64(True):
        found = jax.jit(lambda z: probe(FUNCTIONS[name][0], z))(np.zeros(2))
    return jax.tree.map(lambda x: np.asarray(x)[None], found)


@jax.jit
def traced_judge(seen: Probe) -> Derivative:
    return judge(seen, jnp)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_what_kind_of_derivative(name: str):
    _, kind, jacobian = FUNCTIONS[name]
    seen = seen_at_zero(name)
    with jax.enable_x64(True):
        traced = traced_judge(seen)
    plain = judge(seen, np)
    assert (plain.kind[0], int(traced.kind[0])) == (kind, kind)
    np.testing.assert_allclose(plain.jacobian, traced.jacobian, atol=1e-12)
    if jacobian is not None:
        np.testing.assert_allclose(plain.jacobian[0], jacobian, atol=1e-12 + 2 * plain.error[0])


def test_a_batch_holds_all_kinds_at_once():
    names = [n for n in FUNCTIONS if n != "thin set"]
    batch = jax.tree.map(lambda *x: np.concatenate(x), *map(seen_at_zero, names))
    with jax.enable_x64(True):
        traced = traced_judge(batch)
    expected = [FUNCTIONS[n][1] for n in names]
    assert judge(batch, np).kind.tolist() == traced.kind.tolist() == expected


@pytest.mark.parametrize("size", [1e-9, 1e-13, 1e-15])
def test_a_difference_of_large_terms_is_not_asked_for_more_than_rounding_leaves(size: float):
    # step(z) - z with z = (0, 1): its values are off by 1e-16 whatever the step
    with jax.enable_x64(True):
        step = jax.jit(
            lambda z: probe(lambda y: (y + size * (LINEAR @ y - LINEAR[:, 1])) - y, z, cancels=True)
        )
        seen = jax.tree.map(lambda x: np.asarray(x)[None], step(np.array([0.0, 1.0])))
    assert judge(seen, np).kind[0] == SMOOTH
