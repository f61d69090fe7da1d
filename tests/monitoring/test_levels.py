"""Levels that follow from a loss's definition, against what the literature and scripts know by heart."""

from __future__ import annotations

import math

import numpy as np
import pytest

import diracgan as dg
from diracgan.monitoring.levels import (
    bounded_by_chance,
    ceiling_near,
    guessed,
    in_bits,
    levels,
    limits_of,
    limits_seen,
)
from diracgan.monitoring.regime_kinds import RegimeKind


def value(name: str, player: str, kind: str, convention: str = "", **parameters: float) -> float:
    found = [x for x in levels(dg.variant(name, **parameters)) if (x.player, x.kind) == (player, kind)]
    return next(x.value for x in found if x.convention == convention)


@pytest.mark.parametrize(
    ("name", "chance", "generator"),
    [
        ("ns", 2 * math.log(2), math.log(2)),
        ("saturating", 2 * math.log(2), -math.log(2)),
        ("hinge", 2.0, 0.0),
        ("rpgan", math.log(2), math.log(2)),
        ("wgan-linear", 0.0, 0.0),
    ],
)
def test_chance(name, chance, generator):
    assert value(name, "critic", "chance", "sum") == pytest.approx(chance, abs=1e-6)
    assert value(name, "generator", "chance") == pytest.approx(generator, abs=1e-6)


@pytest.mark.parametrize(("low", "high", "target"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0)])
def test_least_squares_go_by_their_labels(low, high, target):
    given = {"fake_label": low, "real_label": high, "target": target}
    # at chance every sample gets the mean of the labels, where the critic's loss is least
    assert value("lsgan", "critic", "chance", "sum", **given) == pytest.approx(
        ((high - low) / 2) ** 2, abs=1e-6
    )
    assert value("lsgan", "critic", "critic-won", "sum", **given) == pytest.approx(0.0, abs=1e-6)
    assert value("lsgan", "generator", "critic-won", **given) == pytest.approx(
        (low - target) ** 2 / 2, abs=1e-6
    )


def test_where_a_player_has_won_and_what_gradient_is_left():
    assert value("ns", "critic", "critic-won", "sum") == pytest.approx(0.0, abs=1e-6)
    assert value("ns", "generator", "critic-won") == math.inf
    slope = {
        n: next(x.gradient for x in levels(dg.variant(n)) if x.kind == "critic-won")
        for n in ("ns", "saturating", "hinge")
    }
    assert slope["ns"] == pytest.approx(1.0, abs=1e-4)  # sigma(-D_f): the non-saturating loss keeps its slope
    assert slope["saturating"] == pytest.approx(0.0, abs=1e-4)  # sigma(D_f): the minimax one loses it
    assert slope["hinge"] == pytest.approx(1.0)
    assert value("hinge", "generator", "critic-won") == pytest.approx(1.0)
    assert not bounded_by_chance(dg.variant("wgan-linear")) and bounded_by_chance(dg.variant("hinge"))


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (16.118, "-ln 1e-7"),
        (15.942, "float32"),
        (13.8155, "-ln 1e-6"),
        (27.631, "-ln 1e-12"),
        (100.0, "BCELoss"),
    ],
)
def test_ceilings_that_clipping_makes(seen, name):
    assert name in str(ceiling_near(seen))
    assert ceiling_near(seen * 1.01) is None


def test_a_guess_among_the_usual_losses():
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.normal(size=100)
    pairs = {
        "ns": (1.3 + noise, 0.8 + noise),
        "hinge": (1.9 + noise, noise),
        "wgan-linear": (-3 + noise, 2 + noise),
    }
    for name, (d, g) in pairs.items():
        found = guessed(d, g)
        assert found is not None and found.name == name
    assert guessed(None, None) is None


def test_losses_that_no_cross_entropy_has_at_once_are_least_squares():
    noise = 0.01 * np.random.default_rng(0).normal(size=300)
    won = np.arange(300) > 180  # the critic's half on fake samples is at least -ln(1 - exp(-g))
    assert guessed(np.where(won, 0.001, 0.25 + noise), np.where(won, 0.97, 0.27) + noise).name == "lsgan"
    logit = np.linspace(0, 6, 300)  # an exact cross entropy, mean of both halves, on the way to a victory
    assert guessed(np.log1p(np.exp(-logit)), np.log1p(np.exp(logit))).name == "ns"
    assert guessed(np.log1p(np.exp(-logit[:100])), np.log1p(np.exp(logit[:100]))).name == "ns"


def test_logarithms_to_base_2_are_told_by_where_they_rest():
    noise = 0.03 * np.random.default_rng(0).normal(size=200)
    v, away = dg.variant("ns"), np.maximum(np.linspace(-0.4, 0.9, 200), 0.0)
    bits = limits_seen(v, 2 + noise - away, 1 + noise + away)
    assert in_bits(v, bits) and bits.at_chance(2.0, 1.0) and not bits.at_chance(1.386, 0.693)
    assert bits.winner(0.003, 9.0) == "critic"
    nats = [
        (1.386 - away, 0.693 + away),
        (0.9 + noise, 1.2 + noise),
        (1 + noise, 1 + noise),
        (0 * away, 9 + away),
    ]
    nats.append((np.where(np.arange(200) < 90, 1.08, 1.87) + noise, 0.98 + noise))  # a new term
    nats.append((0.9 + np.linspace(0, 2, 200), 1 + noise))  # passes two bits on its way
    assert not any(in_bits(v, limits_seen(v, *pair)) for pair in nats)


@pytest.mark.parametrize(("loss", "times"), [("ns", 1 / np.log(2)), ("lsgan", 2.0)])
def test_levels_are_in_the_unit_of_the_log(loss, times):
    rng, own = np.random.default_rng(0), {"fake_label": 0.0, "real_label": 1.0, "target": 1.0}
    v = dg.variant(loss, **(own if loss == "lsgan" else {}))
    chance = [
        next(x.value for x in levels(v) if (x.player, x.kind) == (p, "chance"))
        for p in ("critic", "generator")
    ]
    noise = 0.004 * rng.normal(size=(2, 200))
    found = dg.diagnose(
        dict(zip(("d_loss", "g_loss"), times * np.array(chance)[:, None] + noise, strict=True)), v
    )
    np.testing.assert_allclose([x.value for x in found.levels], [times * x.value for x in levels(v)])
    np.testing.assert_allclose([x.gradient for x in found.levels], [times * x.gradient for x in levels(v)])


@pytest.mark.parametrize(("d", "g", "own"), [(0.25, 0.125, False), (0.25, 0.25, False), (1.0, 0.5, True)])
def test_least_squares_is_on_the_labels_at_whose_chance_a_log_rests(d, g, own):
    rng = np.random.default_rng(0)
    log = {"d_loss": d * (1 + 0.02 * rng.normal(size=200)), "g_loss": g * (1 + 0.02 * rng.normal(size=200))}
    found = dg.diagnose(log, dg.variant("lsgan"))
    assert [r.kind for r in found.regimes] == [RegimeKind.CHANCE]
    assert any("read by it: a guess" in n for n in found.notes) != own
    chance = [x.value for x in found.levels if x.kind == "chance"]
    assert pytest.approx(d) in chance and pytest.approx(g) in chance
    given = dg.variant("lsgan", fake_label=-1.0, real_label=1.0, target=0.0)
    assert dg.diagnose(log, given).loss == given.label  # labels that were named are kept


def test_the_levels_of_a_loss_on_other_labels_are_evaluated_once(monkeypatch):
    v = dg.variant("lsgan", fake_label=0.05, real_label=0.95, target=0.95)
    first = limits_of(v)
    monkeypatch.setattr("diracgan.monitoring.levels._evaluated", None)  # a Monitor asks many times a run
    again = dg.variant("lsgan", fake_label=0.05, real_label=0.95, target=0.95)
    assert first is not None and limits_of(again) == first
    # at chance both say (0.05 + 0.95)/2: two halves of (0.45)^2/2 each, or their sum
    assert first.chance[0] == pytest.approx(0.45**2)
