"""Margins of many settings at once agree with the spectrum of each."""

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.linear.margins import knob, margins, matrices, setup, slopes


@pytest.mark.parametrize(
    ("variant", "rule", "x0"),
    [
        (dg.variant("ns").with_(r1=0.2), None, 0.0),
        (dg.variant("wgan-gp"), None, 0.0),
        (dg.variant("gan-qp"), dg.rule("optimistic"), 1.0),
        (dg.variant("wgan"), dg.rule("alternating"), 0.0),
        (dg.variant("lsgan"), dg.rule("heavy-ball"), 0.5),
    ],
)
@pytest.mark.parametrize("dim", [1, 2])
def test_a_margin_is_the_spectrums(variant, rule, x0, dim):
    datum = np.full(dim, x0)
    (m,) = margins([setup(variant, rule, dim=dim, x0=datum)])
    s = dg.spectrum(variant, dim=dim, x0=datum, rule=rule)
    assert m.status == s.status
    if s.margin is not None:
        assert m.value == pytest.approx(s.margin, abs=1e-13)
        assert m.error == pytest.approx(s.error, rel=0.5)


@pytest.mark.parametrize("lr", [1e-4, 1e-7, 1e-11])
def test_a_tiny_learning_rate_is_no_kink(lr):
    # step(z) - z is rounding in the last digits of z = (0, 1); the flow there has the margin 1/4
    v, rule = dg.variant("ns"), dg.rule("simultaneous", lr=lr)
    s = dg.spectrum(v, x0=1.0, rule=rule)
    assert s.differentiable
    assert s.margin == pytest.approx(0.25 * lr, rel=1e-2, abs=1e-14)
    assert margins([setup(v, rule, x0=1.0)])[0].status == s.status


def test_slopes_are_the_derivative_of_the_matrix():
    around = setup(dg.variant("ns").with_(r1=0.3), dg.rule("alternating", lr=0.2))
    knobs, at, h = [knob(around, n) for n in ("r1", "lr")], [0.3, 0.2], 1e-6
    found = slopes(around, knobs, at)
    for k, x, slope in zip(knobs, at, found, strict=True):
        above, below = matrices([k.turn(around, x + h), k.turn(around, x - h)])
        assert np.allclose(slope, (above - below) / (2 * h), atol=1e-8)


def test_a_shared_name_has_to_be_qualified():
    class Shared(dg.Variant):
        beta: float = 0.5

    around = setup(Shared(), dg.rule("heavy-ball"))
    with pytest.raises(dg.InputError, match="several numbers"):
        knob(around, "beta")
    assert knob(around, "rule.beta").now == 0.9
    assert knob(around, "variant.beta").now == 0.5


def test_a_rule_inside_a_rule_can_be_turned():
    inner = dg.rule("heavy-ball", lr=0.3, beta=0.1)
    around = setup(dg.variant("ns"), dg.rule("lookahead", inner=inner))
    k = knob(around, "inner.beta")
    assert k.now == 0.1
    assert k.turn(around, 0.7).rule.inner.beta == 0.7
    assert knob(around, "lr").turn(around, 0.2).rule.inner.lr == 0.2
