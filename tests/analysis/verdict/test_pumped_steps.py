"""Steps of one size, as adaptive rules make them, pump the players outwards by as much at every distance, or by less.

Once the second moment follows, a turn about the datum adds c lr^2 to r^2 per iteration: r ~ (c n)^(1/2) lr. Where beta1
and beta2 are alike c falls like the logarithm of r, below 0 in the end where beta1 < beta2: there a cycle lies.
"""

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.kinds import Kind
from diracgan.analysis.verdict import consistency, enclosing
from diracgan.analysis.verdict.evidence import Answer

LINEAR = dg.variant("wgan-linear")


def adam(beta2, beta1=0.9):
    return dg.rule("adam", lr=0.01, beta1=beta1, beta2=beta2)


def amsgrad_by_hand(lr, count, beta1=0.9, beta2=0.999):
    """d r^2/dn of ns in d = 2 over the second half of some AMSGrad steps, in plain numbers."""
    z, m, v, top = np.array([0.1, 0.2, 0.2, 0.1]), np.zeros(4), np.zeros(4), np.zeros(4)
    half = 0.0
    for n in range(1, count + 1):
        s = 1 / (1 + np.exp(-z[:2] @ z[2:]))
        g = np.concatenate([-s * z[2:], (1 - s) * z[:2]])
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        top = np.maximum(top, v)
        z = z + lr * m / (1 - beta1**n) / (np.sqrt(top / (1 - beta2**n)) + 1e-8)
        half = z @ z if n == count // 2 else half
    return (z @ z - half) / (count - count // 2)


def test_amsgrad_grows_on_and_on_in_the_plane():
    found = dg.verdict(dg.variant("ns"), rule=dg.rule("amsgrad", lr=0.1), edge=False)
    assert found.kind == "diverges"
    assert amsgrad_by_hand(0.1, 20_000) > 0


@pytest.mark.parametrize("dim", [1, 2])
def test_equal_memories_are_pumped_evenly(dim):
    """Each coordinate is a game of its own."""
    found = dg.verdict(LINEAR, dim=dim, rule=adam(0.9), effort=0.05, edge=False)
    assert found.kind == "diverges" and found.numbers["exponent"] == -0.5


@pytest.mark.parametrize(
    ("dim", "effort", "said"), [(1, 0.02, "ever weaker outwards"), (2, 0.2, "pumped ever less")]
)
def test_what_is_pumped_ever_less_is_not_said_to_diverge(dim, effort, said):
    """At beta2 = 0.905 the cycle lies beyond a radius of 834, where the runs do not come."""
    found = dg.verdict(LINEAR, dim=dim, rule=adam(0.905), effort=effort, edge=False)
    assert found.kind == "undecided" and said in found.text


def test_a_distant_cycle_overrules_a_law_of_growth():
    """The run grows until its end; the cycle of radius 744 would take 4.5e9 iterations."""
    found = dg.verdict(LINEAR, dim=1, rule=adam(0.91), effort=0.02, edge=False)
    assert found.kind == "limit-cycle" and "more than an average says" in found.text
    assert any(line.startswith("the run itself: ") for line in found.evidence)
    assert found.numbers["radius_phi"] == pytest.approx(dg.averaged(LINEAR, adam(0.91)).amplitude, rel=1e-9)


class Seen:
    """A case that has been seen to grow."""

    adapts, ended, rule = True, False, None

    def __init__(self, times, squares):
        self.times, self.sizes, self.looks = np.asarray(times), np.sqrt(squares), []

    def goes_one_way(self, looks):
        return False


def test_a_pump_that_nears_a_limit_lasts_and_one_that_falls_like_a_logarithm_does_not():
    said = Answer(Kind.DIVERGES, {}, "")
    n = 1e4 * 1.6 ** np.arange(10)
    assert consistency._against_a_weaker_pump(Seen(n, 2 * n), said) is None
    assert consistency._against_a_weaker_pump(Seen(n, 2 * n + 50 * n**0.5), said) is None
    assert "ever less" in consistency._against_a_weaker_pump(Seen(n, n * (20 - np.log(n))), said)
    assert "ever less" in consistency._against_a_weaker_pump(Seen(n, n**0.9), said)
    assert consistency._against_a_weaker_pump(Seen(n, n**0.9), Answer(Kind.LIMIT_CYCLE, {}, "")) is None


def test_a_motion_that_passes_an_amplitude_both_ways_is_drawn_to_no_cycle_there():
    """Adam on fgan-reverse-kl goes in and out between 2.06 and 2.57 within a million iterations."""
    wanders = Seen(np.arange(8), np.array([0.1, 0.1, 2.56, 2.07, 2.5, 2.28, 2.12, 2.1]) ** 2)
    assert enclosing._passes(wanders, 2.34)
    assert not enclosing._passes(wanders, 2.6)
    rises = Seen(np.arange(8), np.linspace(1.0, 2.3, 8) ** 2)
    assert not enclosing._passes(rises, 2.34)
