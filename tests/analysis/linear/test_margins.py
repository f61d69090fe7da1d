"""Margins of many settings at once agree with the spectrum of each."""

import dataclasses

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.linear.margins import locus, margins, matrices, slopes
from diracgan.analysis.linear.parameter_handle import parameter_handle, set_all
from diracgan.analysis.linear.settings import settings


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
@pytest.mark.parametrize("dim", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_margin_is_the_spectrums(variant, rule, x0, dim):
    datum = np.full(dim, x0)
    (m,) = margins([settings(variant, rule, dim=dim, x0=datum)])
    s = dg.spectrum(variant, dim=dim, x0=datum, rule=rule)
    assert m.status == s.status
    if s.margin is not None:
        assert m.value == pytest.approx(s.margin, abs=1e-13)
        assert m.error == pytest.approx(s.error, rel=1e-6)


def test_a_locus_is_the_spectrum_at_every_value():
    # wgan-gp with c = 0: x^2 + 2 lam d x + d g = 0 with the players' rates d and g
    v, lams = dg.variant("wgan-gp", c=0.0), [0.25, 2.0]
    for rates in ({}, {"rate_d": 2.0, "rate_g": 0.5}, {"rate_g": 3.0}):
        d, g = rates.get("rate_d", 1.0), rates.get("rate_g", 1.0)
        rows = locus(v, "lam", lams, **rates)
        for lam, row in zip(lams, rows, strict=True):
            want = np.sort_complex(np.roots([1.0, 2 * lam * d, d * g]))
            np.testing.assert_allclose(np.sort_complex(row), want, rtol=1e-12)
    # where there is no derivative, a row of NaN
    assert np.isnan(locus(dg.variant("wgan-gp"), "c", [0.0, 1.0])).all(axis=1).tolist() == [False, True]
    with pytest.raises(dg.InputError, match="no eigenvalues for any lam"):
        locus(dg.variant("wgan-gp"), "lam", lams)


def test_slopes_are_the_derivative_of_the_matrix():
    """Also where a ratio of learning rates comes before the rate that it is a ratio of."""
    around = settings(dg.variant("ns").with_(r1=0.3), dg.rule("alternating", lr=0.2))
    handles = [parameter_handle(around, n) for n in ("r1", "lr_ratio", "lr")]
    at, h = np.array([0.3, 2.0, 0.2]), 1e-6
    found = slopes(around, handles, at)
    for step, slope in zip(h * np.eye(3), found, strict=True):
        above, below = matrices([set_all(around, handles, at + step), set_all(around, handles, at - step)])
        assert np.allclose(slope, (above - below) / (2 * h), atol=1e-8) and np.any(slope)


def test_the_matrix_of_a_map_is_one_plus_its_change():
    # simultaneous steps on wgan-gp with c = 0: I + h [[-2 lam, -1], [1, 0]], each of three in its own row
    batch = [
        settings(dg.variant("wgan-gp", c=0.0, lam=x), dg.rule("simultaneous", lr=0.5))
        for x in (0.0, 0.3, 1.0)
    ]
    want = [[[1 - x, -0.5], [0.5, 1.0]] for x in (0.0, 0.3, 1.0)]
    np.testing.assert_allclose(matrices(batch), want, atol=1e-15)


def test_a_shared_name_has_to_be_qualified():
    class Shared(dg.Variant):
        beta: float = 0.5

    around = settings(Shared(), dg.rule("heavy-ball"))
    with pytest.raises(dg.InputError, match="several numbers"):
        parameter_handle(around, "beta")
    assert parameter_handle(around, "rule.beta").now == 0.9
    assert parameter_handle(around, "variant.beta").now == 0.5


def test_gamma_is_r1_where_nothing_else_is_called_so():
    around = settings(dg.variant("ns").with_(r1=0.3))
    k = parameter_handle(around, "gamma")
    assert k.now == 0.3 and k.set(around, 0.7).variant.modifications == {"r1": 0.7}
    with pytest.raises(dg.InputError, match="gama.*gamma"):
        parameter_handle(around, "gama")

    class Own(dg.Variant):
        gamma: float = 0.5

    k = parameter_handle(settings(Own()), "gamma")
    assert k.now == 0.5 and k.set(settings(Own()), 2.0).variant.gamma == 2.0


def test_what_counts_steps_is_an_integer():
    around = settings(dg.variant("wgan-gp"), dg.rule("alternating", lazy=2))
    whole = {n: parameter_handle(around, n).is_integer for n in ("n_critic", "lazy", "lr", "lam", "c")}
    assert whole == {"n_critic": True, "lazy": True, "lr": False, "lam": False, "c": False}


def test_rates_and_their_ratios_are_positive_numbers():
    around = settings(dg.variant("ns"), rate_d=2.0, rate_g=0.5)
    for name, now, after in (
        ("rate_d", 2.0, (3, 0.5)),
        ("rate_g", 0.5, (2, 3)),
        ("rate_ratio", 4.0, (1.5, 0.5)),
    ):
        k = parameter_handle(around, name)
        assert (k.now, k.domain.low, k.domain.open_low) == (now, 0.0, True)
        assert k.set(around, 3.0).rates == after
    around = settings(dg.variant("ns"), dg.rule("simultaneous", lr_d=0.3, lr_g=0.1))
    k = parameter_handle(around, "lr_ratio")
    assert (k.now, k.domain.low, k.domain.open_low) == (pytest.approx(3.0), 0.0, True)
    assert k.set(around, 2.0).rule.rates == (0.2, 0.1)
    around = settings(dg.variant("ns"), dg.rule("lookahead", inner=dg.rule("heavy-ball", lr=0.3)))
    with pytest.raises(dg.InputError, match="lr_ratio belongs to a rule; give one, or ask for rate_d"):
        parameter_handle(settings(dg.variant("ns")), "lr_ratio")
    with pytest.raises(dg.InputError, match="unknown parameter 'lr_q'; did you mean 'lr_g'"):
        parameter_handle(around, "lr_q")
    with pytest.raises(dg.InputError, match=r"lr_ratio"):  # the outer rule's, by its own name
        parameter_handle(around, "inner.lr_ratio")


def test_a_rule_inside_a_rule_can_be_turned():
    inner = dg.rule("heavy-ball", lr=0.3, beta=0.1)
    around = settings(dg.variant("ns"), dg.rule("lookahead", inner=inner))
    k = parameter_handle(around, "inner.beta")
    assert k.now == 0.1
    with pytest.raises(dataclasses.FrozenInstanceError):
        k.now = 0.2
    assert k.set(around, 0.7).rule.inner.beta == 0.7
    assert parameter_handle(around, "lr").set(around, 0.2).rule.inner.lr == 0.2
