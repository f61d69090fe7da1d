"""The stationary covariance of a rule of one's own, however many evaluations it declares."""

import numpy as np
import pytest

import diracgan as dg
from diracgan.parameters import param
from diracgan.rules import Rule, move_both

DAMPED = dg.variant("wgan-gp", c=0.0, lam=0.4)
SIGMA = np.array([[1.0, 0.3], [0.3, 2.0]])


class TwoSteps(Rule):
    """Two gradient steps in one iteration, each with a minibatch of its own."""

    name = "two-steps"
    declared: int = param(2, "how many evaluations it says that it numbers", low=1)

    def iterate(self, game, players, memory):
        for draw in range(2):
            v = game.velocity(players, draw=draw)
            players = game.apply_step(move_both(players, self.rates, v), self.rates, draw)
        return players, memory

    @property
    def draws(self):
        return self.declared


@pytest.mark.parametrize("declared", [2, 5])
def test_two_steps_an_iteration_settle_to_what_one_step_settles_to(declared):
    # C = A C A^T + h^2 Sigma holds after every step, so after every other one
    expected = dg.stationary_covariance(DAMPED, dg.rule("simultaneous", lr=0.1), sde=SIGMA).covariance
    found = dg.stationary_covariance(DAMPED, TwoSteps(lr=0.1, declared=declared), sde=SIGMA).covariance
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("wraps", [False, True])
def test_a_rule_that_numbers_more_than_it_declares_is_refused(wraps):
    rule = TwoSteps(lr=0.1, declared=1)
    rule = dg.rule("lookahead", k=3, inner=rule) if wraps else rule
    with pytest.raises(dg.InputError, match=rf"{rule.name} numbers more .* draws = {rule.draws}; allowed"):
        dg.stationary_covariance(DAMPED, rule, sde=SIGMA)
