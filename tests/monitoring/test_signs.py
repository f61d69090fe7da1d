"""What a run gives beside its losses: weights' norms, samples' spread, modes covered, halves of the critic's loss."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg
from diracgan.monitoring.logs import column_roles, read

ROWS = 900


def watched(**series: np.ndarray) -> list[tuple[str, float]]:
    """Kinds and steps of the warnings of a monitor that is given losses at chance and these series."""
    rng, monitor = np.random.default_rng(0), dg.Monitor(variant="ns")
    for k in range(ROWS):
        noise = 0.02 * rng.normal(size=2)
        monitor.update(
            k, d_loss=1.386 + noise[0], g_loss=0.693 + noise[1], **{n: y[k] for n, y in series.items()}
        )
    return [(w.kind.value, w.step) for w in monitor.warnings]


def walk(step: float, seed: int, start: float = 6.0) -> np.ndarray:
    """A norm that moves by ``step`` of itself at each update."""
    return start * np.exp(step * np.random.default_rng(seed).choice([-1.0, 1.0], size=ROWS).cumsum())


def test_samples_that_lose_their_spread_are_warned_of_while_losses_stay_at_chance():
    rng, fall = np.random.default_rng(1), np.where(np.arange(ROWS) < 500, 1.0, 0.1)
    spread = 1.4 * fall * (1 + 0.05 * rng.normal(size=ROWS))
    for more in ({}, {"real_std": 1.4 + 0.05 * rng.normal(size=ROWS)}):
        said = watched(fake_std=spread, **more)
        assert [k for k, _ in said] == ["collapsed"] and 500 < said[0][1] < 560
    assert watched(modes=np.where(np.arange(ROWS) < 500, 8.0, 3.0))[0][0] == "collapsed"
    assert watched(fake_std=spread / fall, real_std=np.full(ROWS, 1.4)) == []  # no fall, no warning
    assert (
        watched(fake_std=np.full(ROWS, 0.1), real_std=np.full(ROWS, 1.4)) == []
    )  # never spread: nothing lost


@pytest.mark.parametrize(("critic", "generator"), [(1e-3, 1e-6), (1e-4, 1e-2)])
def test_a_player_that_hardly_moves_beside_the_other_is_warned_of(critic, generator):
    said = watched(norm_d=walk(critic, 2), norm_g=walk(generator, 3))
    assert said[0][0] == "one-sided" and said[0][1] < 100
    assert watched(norm_d=walk(3e-3, 2), norm_g=walk(1e-4, 3)) == []  # 30 times faster: two time scales


def test_a_wasserstein_critic_whose_weights_grow_diverges_before_its_loss_does():
    monitor = dg.Monitor(variant="wgan-linear")
    for k in range(ROWS):
        monitor.update(
            k, d_loss=0.1, g_loss=0.2 + 1e-6 * k, norm_d=6.0 if k < 500 else 6.0 * 1.005 ** (k - 500)
        )
    assert monitor.warnings[0].kind.value == "diverging"
    assert "nothing bounds its slope" in monitor.warnings[0].evidence
    unknown = dg.Monitor()  # a loss that nobody named: growing weights alone are no sign
    for k in range(ROWS):
        unknown.update(k, loss=1.0 + 1e-6 * k, norm_d=6.0 if k < 500 else 6.0 * 1.005 ** (k - 500))
    assert unknown.warnings == []


@pytest.mark.parametrize(
    ("name", "lead", "behind"), [("ns", (0.8, 1.3), (1.9, 0.35)), ("hinge", (1.2, 0.6), (2.8, -0.6))]
)
def test_a_flip_is_what_the_loss_says_live_as_in_a_log(name, lead, behind):
    rng, n = np.random.default_rng(0), np.arange(2000)
    d, g = (
        np.where(n < 1000, a, b) + 0.05 * rng.normal(size=2000) for a, b in zip(lead, behind, strict=True)
    )
    monitor = dg.Monitor(variant=name)
    for k in n:
        monitor.update(k, d_loss=d[k], g_loss=g[k])
    assert [w.kind.value for w in monitor.warnings] == ["flipped"]
    found = dg.diagnose({"d_loss": d, "g_loss": g}, dg.variant(name))
    assert [r.kind.value for r in found.regimes] == ["settled", "flipped"]
    # a generator's hinge loss takes both signs by itself: its sign alone is no flip
    alone = dg.Monitor(variant="hinge")
    for k in n:
        alone.update(k, d_loss=2.0, g_loss=0.5 if k < 1000 else -0.5)
    assert "flipped" not in [w.kind.value for w in alone.warnings]


def test_a_log_has_a_regime_of_its_own_for_collapse():
    rng, n = np.random.default_rng(0), np.arange(800)
    spread = np.where(n < 500, 1.4, 0.1) * (1 + 0.05 * rng.normal(size=800))
    d, g = 1.386 + 0.03 * rng.normal(size=800), 0.693 + 0.03 * rng.normal(size=800)
    found = dg.diagnose({"d_loss": d, "g_loss": g, "sample_std": spread})
    assert [(r.kind.value, r.first) for r in found.regimes] == [("at-chance", 0), ("collapsed", 500)]
    assert found.stop.startswith("yes: the samples have lost their variety since 500")


@pytest.mark.parametrize(
    "names",
    [("d1", "d2"), ("errD_real", "errD_fake"), ("loss_d_real", "loss_d_fake"), ("D_loss1", "D_loss2")],
)
def test_halves_of_the_critics_loss_are_summed_and_said_to_be_a_guess(names):
    rng = np.random.default_rng(0)
    series = {n: 0.693 + 0.02 * rng.normal(size=200) for n in (*names, "g_loss")}
    log = read({"step": np.arange(200), **series})
    np.testing.assert_allclose(
        log.values[-1 if log.names[-1] != "g_loss" else 0], series[names[0]] + series[names[1]]
    )
    assert any("is taken for the critic's loss" in n and n.endswith("a guess") for n in log.notes)
    assert [r.kind.value for r in dg.diagnose(series).regimes] == ["at-chance"]
    roles, _ = column_roles(series)
    assert [r.role for r in roles[:2]] == ["half of the critic's loss (a guess)"] * 2
    monitor = dg.Monitor(variant="ns")
    for k in range(200):
        monitor.update(k, **{n: y[k] for n, y in series.items()})
    means = monitor.state()["means"]
    assert any(abs(m - 1.386) < 0.05 for m in means.values())


def test_scores_of_a_critic_are_not_halves_of_its_loss():
    rng = np.random.default_rng(0)
    series = {n: rng.normal(size=100) for n in ("D_real", "D_fake", "G_GAN")}
    assert read(series).names == ["D_real", "D_fake", "G_GAN"]


def test_two_games_side_by_side_are_said_to_be_two():
    rng = np.random.default_rng(0)
    found = read({n: 0.25 + 0.02 * rng.normal(size=100) for n in ("G_B", "D_B", "G_A", "D_A")})
    assert any("two games side by side: regimes are those of D_B with G_B" in n for n in found.notes)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_squares_may_be_halved_or_not(scale):
    """At chance between labels 0 and 1 a squared distance is 1/4, a critic's two of them 1/2; the paper halves them."""
    rng = np.random.default_rng(0)
    d, g = (scale * c + 0.005 * rng.normal(size=300) for c in (0.25, 0.125))
    v = dg.variant("lsgan", fake_label=0.0, real_label=1.0, target=1.0)
    assert [r.kind.value for r in dg.diagnose({"d_loss": d, "g_loss": g}, v).regimes] == ["at-chance"]
    won = dg.diagnose({"d_loss": 0.01 * d, "g_loss": 4 * g}, v)
    assert [(r.kind.value, r.player) for r in won.regimes] == [("player-won", "critic")]
