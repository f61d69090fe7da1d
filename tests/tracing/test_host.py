"""Functions of numbers evaluated by NumPy are those that XLA compiles."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan import dirac
from diracgan.analysis.dynamical_system import ContinuousSystem, DiscreteSystem
from diracgan.dynamics import filippov, switchings
from diracgan.dynamics.filippov import DiracSystem
from diracgan.game import Players
from diracgan.tracing.host import along, at_once, by_program, in_rows, program_of
from diracgan.tracing.jaxpr import operation_names


def system_of(name: str, dim: int, **numbers: float) -> DiracSystem:
    parts = dg.variant(name, **numbers), np.linspace(0.0, 0.2, dim), Players(1.0, 0.7)
    return DiracSystem(*dirac.cast(parts, jnp.float64), tau=None)


@pytest.mark.parametrize("name", slow_but(["ns", "hinge", "wgan-clip", "gan-qp"], "hinge", "wgan-clip"))
def test_a_field_its_surfaces_and_its_guards_are_those_that_are_compiled(name):
    with jax.enable_x64(True):
        system = system_of(name, 2)
        y = np.array([0.3, -0.2, 0.4, 0.1])
        regime = switchings.start(system, y)
        for fn, args in (
            (filippov.natural, (system, y)),
            (filippov.look, (system, y, regime.modes)),
            (filippov.watch, (system, y, regime)),
        ):
            for here, there in zip(fn(*args), fn.compiled(*args), strict=True):
                assert np.allclose(here, there, rtol=1e-13, atol=1e-15)


def test_a_branch_without_a_value_is_continued_as_by_the_compiled_field():
    """|r|^(3/2), frozen on the side r > 0, has no value at r < 0: the branch beyond takes its place there."""

    class Rooted(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake) + jnp.mean(jnp.abs(real) ** 1.5)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    with jax.enable_x64(True):
        system = DiracSystem(*dirac.cast((Rooted(), np.ones(1), Players(1.0, 1.0)), jnp.float64), tau=None)
        here = filippov.velocity(system, np.array([-0.25, 0.5]), np.ones(filippov.surface_count(system)))
        # phi' = -theta - 3/2 |r|^(1/2) sign(r) with r = phi = -1/4, theta' = phi
        assert np.allclose(here, [-0.5 + 0.75, -0.25])


def test_many_points_are_seen_at_once():
    def cubed(scale, y):
        return {"power": scale * y**3, "sum": jnp.sum(y)}

    points = np.arange(6.0).reshape(3, 2)
    with jax.enable_x64(True):
        power, sums = along(cubed, np.float64(2.0), points)
    assert np.array_equal(power, 2 * points**3) and np.array_equal(sums, points.sum(axis=1))


def test_what_is_too_large_or_has_no_scalar_program_is_compiled():
    solved = at_once()(lambda a: jnp.linalg.inv(a))
    assert program_of(jnp.linalg.inv, np.eye(2)) is None
    assert np.allclose(solved(2.0 * np.eye(2)), 0.5 * np.eye(2))


def test_numbers_share_one_program_and_integers_stay_integers():
    def counted(n, x):
        return n + 1, x * n

    with jax.enable_x64(True):
        one, other = (program_of(counted, np.int32(k), np.float64(k)) for k in (1, 5))
        n, x = at_once()(counted)(np.int32(3), np.float64(0.5))
    assert one is other and n == 4 and n.dtype == np.int32 and x == 1.5


WEIGHTS = np.linspace(0.0, 1.0, 300)


def summed(x):
    """sum over k of tanh(w_k x), as a loop row by row."""
    return jax.lax.scan(lambda total, w: (total + jnp.tanh(w * x), None), jnp.zeros_like(x), WEIGHTS)[0]


def test_a_long_sum_in_a_traced_function_is_one_operation():
    with jax.enable_x64(True):
        x = np.array([0.3, -2.0])
        found = jax.jit(lambda x: by_program(summed, x))(x)
        np.testing.assert_allclose(found, np.tanh(np.outer(x, WEIGHTS)).sum(axis=1), rtol=1e-13)
        assert "scan" in operation_names(summed, x)
        assert "scan" not in operation_names(lambda x: by_program(summed, x), x)


@pytest.mark.slow  # the fast suite sees the sum itself, above
def test_a_flow_and_steps_under_noise_without_a_compiler_are_those_of_compiled_c(c_compiler, monkeypatch):
    with jax.enable_x64(True):
        parts = dg.variant("ns", noise=0.7), np.zeros(1), Players(1.0, 1.0)
        system, start = (
            DiracSystem(*dirac.cast(parts, jnp.float64), tau=None),
            (np.array([0.1]), np.array([0.2])),
        )
        motions = ContinuousSystem(system), DiscreteSystem(system, dg.rule("alternating", lr=0.1))
        assert all(motion.price > 50.0 for motion in motions)  # hundreds of nodes, and two losses
        for motion in motions:
            here = motion.advance(motion.begin(*start), 0.0, 1024.0 if motion.discrete else 5.0, 1)
            monkeypatch.setenv("DIRACGAN_C", "0")
            there = motion.advance(motion.begin(*start), 0.0, 1024.0 if motion.discrete else 5.0, 1)
            monkeypatch.delenv("DIRACGAN_C")
            np.testing.assert_allclose(here.zs, there.zs, rtol=1e-9, atol=1e-12)
        assert there.cost == motions[1].price * 1024


def test_a_field_without_a_long_sum_has_the_price_1():
    with jax.enable_x64(True):
        assert ContinuousSystem(system_of("ns", 1)).price == 1.0


def _weighted(given, x, y):
    return {"sum": jnp.sum(given["a"] * x) + y, "product": x * y[0]}


def test_many_functions_at_many_states_each():
    rng = np.random.default_rng(3)
    given, x, y = {"a": rng.normal(size=(4, 2))}, rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 5, 2))
    program = program_of(_weighted, {"a": given["a"][0]}, x[0, 0], y[0, 0])
    product, total = in_rows(program, given, x, y)
    np.testing.assert_allclose(product, x * y[..., :1])
    np.testing.assert_allclose(total, np.sum(given["a"][:, None] * x, axis=-1, keepdims=True) + y)
    np.testing.assert_array_equal(in_rows(program.of_first_leaf, given, x, y)[0], product)
    assert program.of_first_leaf.price < program.price
