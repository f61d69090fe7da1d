"""Functions of numbers evaluated by NumPy are those that XLA compiles."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan import dirac
from diracgan.dynamics import filippov, switchings
from diracgan.dynamics.filippov import DiracSystem
from diracgan.game import Players
from diracgan.tracing.host import along, at_once, program_of


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
