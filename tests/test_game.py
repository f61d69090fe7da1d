"""The game of two players: its field with transforms, its faces, and what it says of a user's loss that fails."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan import dirac
from diracgan.game import Game, Players
from diracgan.variants import Variant


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


def players(phi, theta):
    return Players(jnp.array([phi]), jnp.array([theta]))


@pytest.mark.parametrize(("consensus", "sga"), [(0.3, None), (None, 0.4), (0.3, 0.4), (None, None)])
def test_transforms_of_a_linear_field(consensus, sga):
    # v = J z with J = [[-2 lam, -1], [1, 0]]: v - gamma J^T v + (s/2) (J - J^T) v
    j, z = np.array([[-0.8, -1.0], [1.0, 0.0]]), np.array([0.7, -0.4])
    v = j @ z
    want = v - (consensus or 0.0) * j.T @ v + 0.5 * (sga or 0.0) * (j - j.T) @ v
    given = {k: x for k, x in {"consensus": consensus, "sga": sga}.items() if x is not None}
    field = dg.field(dg.variant("wgan-gp", c=0.0, lam=0.4).with_(**given))
    np.testing.assert_allclose(np.concatenate(field(*players(*z))), want, rtol=1e-14)


@pytest.mark.parametrize(
    ("phi", "theta", "modes", "faces"),
    [
        (0.1, 0.7, None, [0.2, 0.4]),  # the gaps to the upper and the lower face
        (0.3, -0.5, None, [-0.5, 0.6]),  # phi' = -theta pushes against the upper one, which holds
        (0.3, 0.5, None, [0.0, 0.6]),
        (-0.3, 0.5, None, [0.6, -0.5]),
        (0.1, 0.7, [-1, 1], [0.7, 0.4]),  # held by the modes, it is let go where the push ends
    ],
)
def test_faces_of_the_clipped_box_are_surfaces(phi, theta, modes, faces):
    game = dirac.game(dg.variant("wgan-clip", clip=0.3), jnp.zeros(1))
    modes = None if modes is None else jnp.array(modes)
    np.testing.assert_allclose(game.surfaces(players(phi, theta), modes), faces, atol=1e-15)
    stands = modes is not None or (abs(phi) == 0.3 and -phi * theta > 0)
    moved = game.motion(players(phi, theta), modes)
    np.testing.assert_allclose(np.concatenate(moved), [0.0 if stands else -theta, phi])


def test_a_game_is_a_pytree_of_numbers_alone():
    # its functions are part of its structure, so that it may be an argument of jax.jit
    game = dirac.game(dg.variant("ns").with_(r1=0.1), jnp.zeros(1))
    leaves, structure = jax.tree.flatten(game)
    assert all(isinstance(x, jax.Array | float) for x in leaves)
    assert jax.tree.unflatten(structure, leaves).generator is game.generator


class Bad(dg.Variant):
    """A loss that ``value`` writes."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return self.value(fake - real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


def raises(x):
    raise KeyError("weights")


def leaves(x):
    raise SystemExit("enough")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (raises, "critic_loss of 'Failing' failed: .*weights"),
        (leaves, "critic_loss of 'Failing' failed: .*enough"),
        (lambda x: x, r"critic_loss of 'Failing' has shape \(1,\); allowed: a scalar"),
        (lambda x: jnp.int32(3), "critic_loss of 'Failing' is of type int32; allowed: a real floating-point"),
        (
            lambda x: jax.lax.while_loop(lambda y: y < 1, lambda y: 2 * y + 1, jnp.mean(x)),
            "critic_loss of 'Failing' has a while loop, which has no gradient",
        ),
        (
            lambda x: jax.pure_callback(lambda y: y, jax.ShapeDtypeStruct((), x.dtype), jnp.mean(x)),
            "critic_loss of 'Failing' has no gradient: .*allowed: operations that JAX differentiates",
        ),
    ],
)
def test_a_loss_that_fails_is_named_in_one_line(value, says):
    failing = type("Failing", (Bad,), {"value": staticmethod(value), "__module__": __name__})
    with pytest.raises(dg.InputError, match=says) as raised:
        dg.field(failing())(*players(0.3, 0.2))
    assert "\n" not in str(raised.value)


def test_a_loss_is_traced_once_whatever_its_numbers():
    traced = []

    class Counted(Variant):
        k: float = 1.0

        def critic_loss(self, real, fake, x_real, x_fake):
            traced.append("critic")
            return self.k * jnp.mean(jnp.abs(fake) - real)

        def generator_loss(self, real, fake, x_real, x_fake):
            traced.append("generator")
            return -self.k * jnp.mean(fake)

    def seen(variant, x0, z, modes):
        game = dirac.game(variant, x0)
        return game.velocity(z), game.velocity(z, modes=modes), game.surfaces(z)

    for k in (1.0, 2.0):
        numbers = dirac.cast((Counted(k=k), np.zeros(1)), np.float64)
        found = jax.eval_shape(lambda *given: seen(*given), *numbers, players(1.0, 1.0), jnp.ones(1))
        assert found[2].shape == (1,)
    assert sorted(traced) == ["critic", "generator"]


def test_what_a_critic_closes_over_is_not_another_games():
    def theta_dot(x0, c):
        linear = dg.variant("wgan-linear")
        game = Game(linear, x0[None], None, lambda phi, x: c * (x @ phi), dirac.generator)
        return game.velocity(players(3.0, 1.0)).theta[0]

    for c in ([1.0, 2.0], [5.0, 7.0]):
        np.testing.assert_allclose(jax.vmap(theta_dot)(jnp.zeros((2, 1)), jnp.array(c)), 3.0 * np.array(c))


def test_a_loss_that_prints_has_the_field_of_the_one_that_does_not(capfd):
    def value(prints):
        def of(x):
            if prints:
                jax.debug.print("a logit is {}", x[0])
            return jnp.mean(jnp.abs(x))

        return of

    fields = []
    for prints in (False, True):
        made = type("Printing", (Bad,), {"value": staticmethod(value(prints)), "__module__": __name__})()
        fields.append(dg.field(made)(*players(0.3, 0.2)))
        assert dg.spectrum(made).status == "no-derivative"  # |f - r| has a kink at rest
    np.testing.assert_array_equal(*(jnp.concatenate(f) for f in fields))
    assert "a logit is" in capfd.readouterr().out


def test_a_number_that_is_an_array_is_refused_outside_of_vmap():
    two = dg.variant("ns", r1=jnp.array([0.1, 0.2]))
    with pytest.raises(
        dg.InputError, match=r"a hyperparameter of 'ns' is an array here; allowed: .*jax.vmap"
    ):
        dg.field(two)(*players(0.3, 0.2))
    both = jax.vmap(lambda v: dg.field(v)(*players(0.3, 0.2))[0])(two)
    assert both.shape == (2, 1)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (
            jnp.full(1, 0.6),
            jnp.full(1, 0.6).dtype,
        ),  # weakly typed by JAX, float64 where JAX_ENABLE_X64 asks for it
        ([1, 2], jnp.float64),
        (np.ones(1, np.int64), jnp.float64),
        (jnp.ones(1, jnp.bfloat16), jnp.bfloat16),
        (jnp.ones(1, jnp.float16), jnp.float16),
    ],
)
def test_the_field_keeps_the_players_precision(given, dtype):
    assert dg.field(dg.variant("wgan"))(given, given).phi.dtype == dtype


def test_players_that_are_numbers_are_refused():
    with pytest.raises(dg.InputError, match="phi = 0.5 is a number; allowed: an array with d entries"):
        dg.field(dg.variant("ns"))(0.5, 0.5)
    with pytest.raises(dg.InputError, match="theta = 0.5 is a number"):
        dg.field(dg.variant("ns"))(jnp.ones(1), 0.5)


def test_players_of_different_shapes_are_refused():
    for call in (dg.field(dg.variant("ns")), dg.step(dg.variant("ns"), dg.rule("simultaneous", lr=0.1))):
        with pytest.raises(
            dg.InputError, match=r"phi has the shape \(3,\) and theta \(1,\); allowed: arrays of"
        ):
            call(jnp.ones(3), jnp.ones(1))
