"""Growth that lasts for long and then ends is no law, and a law that is neared is one.

With the critic's loss log(1 + f^2) at x0 = 0 and the generator's -f, phi' = -2 phi theta^2 / (1 + phi^2 theta^2) and
theta' = phi: far out phi^2 = phi0^2 - 4 t, so theta grows until t = phi0^2 / 4 alone, to theta0 + phi0^3 / 6.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but
from written_games import Bowl

import diracgan as dg
from diracgan.variants import Variant


class Ends(Variant):
    """theta grows like phi0 t, until t = phi0^2 / 4."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.log1p(fake**2))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


class Slides(Variant):
    """phi' = -(phi - at)^q, theta' = phi."""

    q: float = 3.0
    at: float = 0.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return 0.0 * jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return jnp.sum((phi - self.at) ** (self.q + 1)) / (self.q + 1)


STEPS = dg.rule("simultaneous", lr=0.1)


def told(variant, phi, theta, rule=None):
    return dg.verdict(variant, phi, theta, x0=0.0, rule=rule, edge=False)


@pytest.mark.parametrize("rule", [None, STEPS, dg.rule("alternating", lr=0.1)])
@pytest.mark.parametrize("phi", [1e4, 1e6])
def test_growth_that_is_to_end_is_not_said_to_go_on(phi, rule):
    """phi^2 falls by 4 lr per step as well; where it is not followed to the end, that is to come."""
    found = told(Ends(), phi, 2e3, rule)
    assert found.kind == "undecided" and "blows up" not in found.text
    ends = phi**2 / 4 / (1.0 if rule is None else 0.1)
    to_come = any("so this is not how it ends" in line for line in [*found.evidence, found.text])
    assert found.time >= ends * (1 - 1e-6) or to_come


def test_the_flow_is_followed_to_where_the_growth_has_ended():
    """There phi goes to 0 within a time that floats do not tell: nothing blows up."""
    found = told(Ends(), 1e4, 2e3)
    assert found.numbers["limit_theta"] == [pytest.approx(2e3 + 1e12 / 6, rel=1e-6)]


@pytest.mark.parametrize(
    ("q", "at", "exponent", "constant"),
    [
        (1.0, 1.0, 1.0, 1.0),  # phi = 1 + exp(-t)
        (3.0, 1.0, 1.0, 1.0),  # phi = 1 + (2 t)^(-1/2), a correction that dies out slowly
        (3.0, 0.0, 1 / 2, 2**0.5),  # phi = (2 t)^(-1/2)
        (4.0, 0.0, 2 / 3, 1.5 * 3 ** (-1 / 3)),  # phi = (3 t)^(-1/3)
        (2.5, 0.0, 1 / 3, 3 * 1.5 ** (-2 / 3)),  # phi = (3 t / 2)^(-2/3)
    ],
)
@pytest.mark.parametrize("rule", [None, STEPS])
def test_growth_by_a_law_has_its_exponent_and_constant(q, at, exponent, constant, rule):
    found = told(Slides(q=q, at=at), at + 1.0, 0.3, rule)
    assert found.kind == "diverges"
    assert -found.numbers["exponent"] == pytest.approx(exponent, rel=0.02)
    if "constant" in found.numbers:  # theta = C t^p (1 + o(1)) in t = lr n
        seen = found.numbers["constant"] * found.time ** -found.numbers["exponent"]
        t = found.time * (1.0 if rule is None else 0.1)
        assert seen == pytest.approx(constant * t**exponent, rel=0.01)


def test_growth_like_a_logarithm_is_no_power_of_time():
    """phi = 1 / t."""
    flow, steps = told(Slides(q=2.0), 1.0, 0.3), told(Slides(q=2.0), 1.0, 0.3, STEPS)
    for found in (flow, steps):
        assert found.kind == "diverges" and "exponent" not in found.numbers


def test_what_has_yet_to_turn_to_its_growth_creeps_to_no_point():
    """phi = (2 t)^(-1/2) falls from 1e3 for long before theta = (2 t)^(1/2) is seen to grow."""
    found = told(Slides(), 1e3, 0.3)
    assert found.kind == "diverges"
    assert -found.numbers["exponent"] == pytest.approx(0.5, abs=found.numbers["exponent_error"])


EPS = 1e-8  # Adam's


@pytest.mark.parametrize(("lr", "phi"), [(0.1, 1e-3), (0.01, 0.5)])
def test_the_law_of_steps_that_adam_no_longer_scales(lr, phi):
    """Where gradients are far below eps, Adam steps by lr/eps times them: phi = (1.5 (lr/eps) n)^(-2/3).

    Then theta = 3 1.5^(-2/3) (lr n/eps)^(1/3). Before that theta grows like n, and in between sizes pass n^0.5.
    """
    found = told(Bowl(q=2.5), phi, 0.3, dg.rule("adam", lr=lr))
    assert found.kind == "diverges"
    assert -found.numbers["exponent"] == pytest.approx(1 / 3, abs=found.numbers["exponent_error"])
    if "constant" in found.numbers:
        left = (1.5 * lr / EPS * found.time) ** (-2 / 3) / EPS  # of |phi|/eps, by which a step is shorter
        constant = 3 * 1.5 ** (-2 / 3) * (lr / EPS) ** (1 / 3)
        assert found.numbers["constant"] == pytest.approx(constant, rel=left)


@pytest.mark.parametrize(("lr", "phi"), [(0.1, 1e-3), (0.01, 0.5)])
def test_a_law_that_is_years_away_is_not_told_by_the_one_before_it(lr, phi):
    """With q = 3 phi = (2 (lr/eps) n)^(-1/2) comes below eps after 1/(2 lr eps) iterations, more than 5e8.

    From then on theta grows like n^(1/2); until then steps are shorter than lr by phi/(phi + eps), ever more of it.
    """
    found = told(Bowl(), phi, 0.3, dg.rule("adam", lr=lr))
    assert found.kind == "diverges" and "exponent" not in found.numbers
    assert found.time < 0.1 / (2 * lr * EPS)


@pytest.mark.parametrize("rule", [dg.rule("simultaneous", lr=0.1), dg.rule("alternating", lr=0.1)])
@pytest.mark.parametrize("phi", [1e-3, 3e-3])
def test_a_player_that_has_stood_still_for_long_is_followed_to_its_law(phi, rule):
    """phi stays for 1/(2 lr phi^2) iterations, 5e6 from 1e-3; then theta = (2 lr n)^(1/2)."""
    found = told(Slides(), phi, 0.3, rule)
    assert found.kind == "diverges" and found.numbers["exponent"] == -0.5
    assert found.numbers["constant"] == pytest.approx(0.2**0.5, rel=1e-5)


def test_a_player_whose_way_has_no_end_creeps_to_no_point():
    """phi = (2 t)^(-1/2) falls from 1e4: phi' like t^(-3/2), whose way ends, but theta' like t^(-1/2)."""
    found = told(Slides(), 1e4, 1e2)
    assert found.kind == "diverges"
    assert -found.numbers["exponent"] == pytest.approx(0.5, abs=found.numbers["exponent_error"])


def power(values, q):
    """|f|^q, with its slope at 0."""
    return jnp.where(values == 0, 0.0, jnp.where(values == 0, 1.0, jnp.abs(values)) ** q)


class Dissipated(dg.Variant):
    """r r' = -q |f|^q, so that r' = -k r^(2q - 1) with k = q <|sin cos|^q>, and r ~ ((2q - 2) k t)^(-1/(2q - 2))."""

    q: float = 1.25

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake + power(fake, self.q))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    @property
    def constant(self):
        angles = np.linspace(0, 2 * np.pi, 100_001)[:-1]
        k = self.q * np.mean(np.abs(np.sin(angles) * np.cos(angles)) ** self.q)
        return ((2 * self.q - 2) * k) ** (-1 / (2 * self.q - 2))


class Halted(dg.Variant):
    """A rotation by a' = -(q + 1) |f|^q, which ends where phi = a r = 0: a^(1 - q) = (q - 1) (q + 1) r^(2q) t."""

    q: float = 1.25

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake * power(fake, self.q))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake * power(fake, self.q))


@pytest.mark.parametrize("q", slow_but([1.1, 1.25, 1.37, 2.0], 1.25))
def test_a_fall_tells_its_constant_to_within_its_error(q):
    found = dg.verdict(Dissipated(q=q), [0.1], [0.2], edge=False)
    numbers, expected = found.numbers, Dissipated(q=q).constant
    assert found.kind == "converges-sublinearly"
    assert abs(numbers["constant"] - expected) < numbers["constant_error"] < 3e-3 * expected


@pytest.mark.parametrize("q", slow_but([1.25, 1.37, 2.0, 2.3], 1.37))
def test_a_creep_whose_exponent_is_no_fraction_says_how_far_its_constant_is_known(q):
    # of q = 1.37 the exponent 100/37 was taken for 8/3, which makes a constant of 1.46 of 2.00
    found = dg.verdict(Halted(q=q), [0.3], [0.9], edge=False)
    numbers, r, p = found.numbers, 0.9**0.5, 1 / (q - 1)
    assert found.kind == "converges-elsewhere"
    assert abs(numbers["exponent"] - p) < 2 * numbers["exponent_error"]
    expected = r * ((q - 1) * (q + 1) * r ** (2 * q)) ** -p
    assert abs(numbers["constant"] - expected) < numbers["constant_error"] < 0.5 * expected


class Roots(Slides):
    """phi' = -|phi theta|^p sign(phi theta) theta - phi, theta' = phi: with p < 1 it rests at phi = 0 after some time.

    |phi|^(1 - p) falls at least as fast as -(1 - p) |theta|^(1 + p), theta being at least theta0 > 0.
    """

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.abs(fake) ** (self.q + 1)) / (self.q + 1)

    def penalty(self, critic, phi, x_real, x_fake):
        return jnp.sum(phi**2) / 2


@pytest.mark.parametrize("p", slow_but([0.5, 0.7], 0.7))
def test_a_rest_is_not_a_narrow_orbit_that_drifts(p):
    """Its swings are those of rounding: "goes round and drifts by about 0" was said, until t = inf."""
    found = told(Roots(q=p), 0.4, 0.3)
    assert found.kind in ("stuck", "undecided")
    assert "goes round" not in found.text and "inf" not in found.text.replace("finite", "")


class Layer(Slides):
    """phi' = -clip(phi theta, -1, 1) theta - |phi|^(1/2) sign(phi), theta' = phi: as steep as theta^2 at phi = 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        size = jnp.abs(fake)
        return jnp.mean(jnp.where(size < 1, fake**2 / 2, size - 0.5))

    def penalty(self, critic, phi, x_real, x_fake):
        return jnp.sum(jnp.abs(phi) ** 1.5) / 1.5


def test_a_layer_a_millionth_as_wide_as_the_state_is_no_jump():
    """phi' = -|theta| - phi^(1/2) until phi = 1e-4: theta^2 - phi^2 grows by the integral of 2 phi^(3/2)."""
    found = told(Layer(), 1e3, -1e4)
    assert found.kind == "stuck" and "finite time" in found.text
    theta = -np.sqrt(1e8 - 1e6 + 2 * 1e3**1.5 * 0.1 / 2.5)
    np.testing.assert_allclose(found.numbers["limit_theta"], theta, rtol=1e-6)
