"""Loops whose steps are one kernel give what the same steps give as they are."""

import jax
import jax.numpy as jnp
import numpy as np

from diracgan.dynamics.one_kernel import one_kernel


def test_a_step_is_the_same_as_one_kernel():
    def turned(z):  # by h = 0.1 and back through a library's solver, or by arithmetic alone
        return z + 0.1 * jnp.stack([-z[1], jnp.sin(z[0])])

    def solved(z):
        return jnp.linalg.solve(jnp.array([[1.0, 0.1], [-0.1, 1.0]]), z)

    for step in (turned, solved):
        whole = jax.jit(lambda z, step=step: jax.lax.fori_loop(0, 5, lambda _, y: one_kernel(step)(y), z))
        z = jnp.array([0.3, 0.4])
        expected = z
        for _ in range(5):
            expected = step(expected)
        np.testing.assert_allclose(whole(z), expected, rtol=1e-6)
        marked = "xla_cpu_small_call" in whole.lower(z).as_text()
        assert marked == (step is turned and jax.default_backend() == "cpu")
