"""Many iterations in one program: the same bits however they are cut up, the numbers of iterations made one by one."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.training.architecture import Architecture, players
from diracgan.training.games import Draws, _drawn
from diracgan.training.problems import problem
from diracgan.training.trainer import (
    _AHEAD,
    TrainingSetup,
    TrainState,
    _iterations_ahead,
    advance,
    begin,
    iteration,
    stack,
)


def training(seeds: int, networks: dict, **how) -> tuple[TrainingSetup, TrainState]:
    on = problem("ring8")
    rule = dg.rule("adam", lr=0.01, alternating=True, n_critic=2)
    setup = TrainingSetup(dg.variant("wgan-gp"), rule, on, (), None, None, batch=8, **how)
    both = players(Architecture(width=4, **networks), on, jax.random.key(0))
    states = [begin(setup, both, seed) for seed in range(seeds)]
    return setup, stack(states) if seeds > 1 else states[0]


@pytest.mark.parametrize("seeds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_ends_with_the_same_bits_however_it_is_cut_up(seeds):
    setup, state = training(seeds, {"dropout_d": 0.2}, dropout=True)
    assert _iterations_ahead(setup, state) == _AHEAD > 1
    copied = jax.tree.map(jax.numpy.array, state)
    whole = advance(setup, copied, 2 * _AHEAD + 5)
    for count in (
        3,
        _AHEAD - 3,
        1,
        _AHEAD + 4,
    ):  # inside a block, to its end, its first, over the next one's end
        state = advance(setup, state, count)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow  # in the fast suite: however a run is cut up, the first test
def test_iterations_made_one_by_one_draw_the_same_numbers():
    setup, state = training(1, {})
    alone = state
    for _ in range(3):
        alone = jax.jit(iteration)(setup, alone)
    together = advance(setup, jax.tree.map(jax.numpy.array, state), 3)
    assert int(together.step) == 3
    for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_what_waits_is_bounded():
    setup, state = training(1, {})
    large = TrainingSetup(
        setup.variant,
        dg.rule("alternating", lr=0.1, n_critic=10_000),
        setup.problem,
        (),
        None,
        None,
        batch=64,
    )
    assert _iterations_ahead(large, state) == 0, "a minibatch at a time, drawn when it is needed"


class Undeclared(dg.Rule):
    """Three evaluations in one iteration, with numbers of their own, and no word of it in ``draws``."""

    looped: bool = False

    def iterate(self, game, players, memory):
        def once(k, z):
            return dg.rules.move_both(z, self.rates, game.velocity(z, draw=k))

        if self.looped:
            return jax.lax.fori_loop(0, 3, once, players), memory
        return once(2, once(1, once(0, players))), memory


def test_a_number_beyond_those_drawn_ahead_is_never_the_last_of_them():
    ahead = Draws(jax.numpy.arange(2), jax.numpy.array([1.0, 2.0]), {}, (None, None))
    anew = ahead._replace(batch=jax.numpy.array([3.0, 3.0]))
    assert float(_drawn(ahead, 1, lambda _: anew).batch) == 2.0
    assert _drawn(ahead, 2, lambda _: anew) is anew is _drawn(None, 0, lambda _: anew)
    known_later = [float(_drawn(ahead, jax.numpy.int32(k), lambda _: anew).batch) for k in range(3)]
    assert known_later[:2] == [1.0, 2.0] and np.isnan(known_later[2])


@pytest.mark.slow  # in the fast suite: what an evaluation draws, the test above
@pytest.mark.parametrize("looped", [False, True])
def test_an_evaluation_that_a_rule_does_not_declare_never_has_the_minibatch_of_another(looped):
    on = problem("ring8")
    setup = TrainingSetup(dg.variant("ns"), Undeclared(lr=0.1, looped=looped), on, (), None, None, batch=8)
    state = begin(setup, players(Architecture(width=4), on, jax.random.key(0)), 0)
    assert _iterations_ahead(setup, state) == _AHEAD
    alone = jax.tree.leaves(jax.jit(iteration)(setup, state).inner.players)
    ahead = jax.tree.leaves(advance(setup, jax.tree.map(jax.numpy.array, state), 1).inner.players)
    for a, b in zip(alone, ahead, strict=True):
        if looped:  # which number it is, is not known when the program is made
            assert np.isnan(b).any()
        else:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
