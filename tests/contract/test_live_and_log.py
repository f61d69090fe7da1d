"""A monitor that was fed a run and a diagnosis of its log end with the same regime, in the same words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import diracgan as dg
from diracgan.monitoring.logs import Log, read
from diracgan.monitoring.pieces import meaning_of
from diracgan.monitoring.regimes import LossRegime, regimes

LOGS = Path(__file__).parents[1] / "logs"
EXPECTED = json.loads((LOGS / "expected.json").read_text(encoding="utf-8"))
ROWS = 1000
N = np.arange(ROWS)
LATE = N >= 500  # where the second half begins
RAMP = np.clip((N - 300) / 400, 0.0, 1.0)


def noisy(level: object, seed: int, size: float = 0.02) -> np.ndarray:
    return level * np.ones(ROWS) + size * np.random.default_rng(seed).normal(size=ROWS)


def spread(level: object, seed: int) -> np.ndarray:
    return level * np.exp(0.1 * np.random.default_rng(seed).normal(size=ROWS))


def at_chance(**more: np.ndarray) -> dict[str, np.ndarray]:
    return {"d_loss": noisy(1.386, 0), "g_loss": noisy(0.693, 1), **more}


def walk(step: float, seed: int) -> np.ndarray:
    return 6.0 * np.exp(step * np.random.default_rng(seed).choice([-1.0, 1.0], size=ROWS).cumsum())


SWING = LATE * 0.15 * np.sin(N / 9)
# the series, the loss that was trained, and the regime that both must end with
DRAWN = {
    "at chance": (at_chance(), "ns", "at-chance"),
    "settled": ({"d_loss": noisy(0.9, 0), "g_loss": noisy(1.2, 1)}, "ns", "settled"),
    "a critic at chance, by its mean": (
        {"d_loss": noisy(0.693, 0), "g_loss": noisy(0.693, 1)},
        "ns",
        "at-chance",
    ),
    "the critic wins": (
        {"d_loss": np.abs(noisy(np.where(LATE, 0.01, 1.3), 0)), "g_loss": noisy(np.where(LATE, 6.0, 0.8), 1)},
        *("ns", "player-won"),
    ),
    "the generator wins": (
        {"d_loss": noisy(np.where(LATE, 5.0, 1.3), 0), "g_loss": np.abs(noisy(np.where(LATE, 0.01, 0.8), 1))},
        *("ns", "player-won"),
    ),
    "nothing moves": (
        {"d_loss": np.where(LATE, 1.1, noisy(1.3, 0)), "g_loss": np.where(LATE, 0.6, noisy(0.7, 1))},
        *("ns", "dead"),
    ),
    "not finite": (at_chance() | {"d_loss": np.where(N < 900, noisy(1.386, 0), np.nan)}, "ns", "diverging"),
    "without bound": (at_chance() | {"d_loss": noisy(1.3 + np.exp((N - 800) / 30), 0)}, "ns", "diverging"),
    "a flip at once": (
        {"d_loss": noisy(np.where(N < 600, 0.8, 1.9), 0), "g_loss": noisy(np.where(N < 600, 1.3, 0.35), 1)},
        *("ns", "flipped"),
    ),
    "a flip that takes its time": (
        {"d_loss": noisy(0.8 + 1.1 * RAMP, 0), "g_loss": noisy(1.3 - 0.95 * RAMP, 1)},
        *("ns", "flipped"),
    ),
    "a Wasserstein loss's sign": (
        {"d_loss": noisy(np.where(N < 600, -2.0, 2.0), 0), "g_loss": noisy(0.7, 1)},
        *("wgan-linear", "flipped"),
    ),
    "a generator that outruns its critic": (
        {"d_loss": noisy(1.386 + LATE * 0.03 + SWING, 0), "g_loss": noisy(0.693 - SWING, 1)},
        *("ns", "one-sided"),
    ),
    "weights of one player move": (at_chance(norm_d=walk(1e-3, 2), norm_g=walk(1e-6, 3)), "ns", "one-sided"),
    "samples lose their spread": (at_chance(fake_std=spread(np.where(LATE, 0.1, 1.4), 2)), "ns", "collapsed"),
    "modes are lost": (at_chance(modes=np.where(LATE, 3.0, 8.0)), "ns", "collapsed"),
    "gradients explode": (
        at_chance(grad_norm_d=spread(np.exp(0.02 * LATE * (N - 500)), 2)),
        "ns",
        "diverging",
    ),
    "the generator's gradient vanishes": (
        at_chance(grad_norm_d=spread(1.0, 2), grad_norm_g=spread(np.where(LATE, 1e-5, 1.0), 3)),
        *("ns", "one-sided"),
    ),
    "both gradients vanish": (
        at_chance(**{f"grad_norm_{p}": spread(np.where(LATE, 1e-5, 1.0), k) for k, p in enumerate("dg", 2)}),
        *("ns", "dead"),
    ),
    "probabilities: the critic wins": (
        {"D(x)": 1 - spread(np.where(LATE, 0.005, 0.4), 2), "D(G(z))": spread(np.where(LATE, 0.005, 0.4), 3)},
        *("ns", "player-won"),
    ),
    "probabilities at chance": ({"D(x)": noisy(0.5, 2), "D(G(z))": noisy(0.49, 3)}, "ns", "at-chance"),
    "outputs of a hinge critic": (
        {"d_real": noisy(np.where(LATE, 1.4, 0.2), 2), "d_fake": noisy(np.where(LATE, -1.4, -0.1), 3)},
        *("hinge", "player-won"),
    ),
}


def last_of(log: Log, variant: dg.Variant | None) -> LossRegime:
    return regimes(log, meaning_of(log, variant))[-1]


def fed(series: dict[str, np.ndarray], variant: str | None, at: np.ndarray | None = None) -> dg.Monitor:
    monitor = dg.Monitor(variant)
    clock = N if at is None else at
    for step, row in zip(clock.tolist(), np.stack(list(series.values())).T.tolist(), strict=True):
        monitor.update(step, **dict(zip(series, row, strict=True)))
    return monitor


QUICK = (
    "at chance",
    "not finite",
    "a flip that takes its time",
    "the critic wins",
    "gradients explode",
)  # the others are slow
QUICK = (
    *QUICK,
    "a generator that outruns its critic",
    "probabilities: the critic wins",
    "samples lose their spread",
)


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in DRAWN]
)
def test_live_and_afterwards_a_drawn_run_ends_the_same(name):
    series, variant, kind = DRAWN[name]
    monitor = fed(series, variant)
    last = last_of(read({"step": N, **series}), dg.variant(variant))
    assert last.kind.value == monitor.state()["regime"] == kind, last.evidence
    said = [w.kind for w in monitor.warnings]
    assert said[-1:] == ([last.kind] if last.kind.warned else []), monitor.warnings
    assert all(str(w).count("; ") >= 1 and w.remedy for w in monitor.warnings)
    assert len(said) <= 2


@pytest.mark.parametrize("name", EXPECTED)
def test_live_and_afterwards_a_log_ends_the_same(name):
    if name == "events":
        pytest.importorskip("tensorboard", reason="TensorBoard's reader is in the extra `logs`")
    log = read(LOGS / name)
    monitor = fed(dict(zip(log.names, log.values, strict=True)), None, log.at)
    assert monitor.state()["regime"] == last_of(log, None).kind.value
