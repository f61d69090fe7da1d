"""What brings the cycle of an adaptive rule to a wanted size, against its map written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis import tune_cycle
from diracgan.analysis.slow_flow.sized import log_ratio

LINEAR, NS = dg.variant("wgan-linear"), dg.variant("ns")


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


# minus the gradients of both losses at the datum 0, by hand: D(x) = phi x
FIELDS = {
    "wgan-linear": lambda p, t: (-t, p),
    "ns": lambda p, t: (-t * sigmoid(p * t), p * sigmoid(-p * t)),
    "lsgan": lambda p, t: (-t * (p * t + 1.0), -p * (p * t - 1.0)),
    "hinge": lambda p, t: (-t if p * t > -1.0 else 0.0, p),
}


def by_hand(name, rule, r1=0.0, steps=100_000, start=(0.1, 0.2), ema=None):
    """Largest |theta|, and its average's, over the last fifth of a run of one coordinate."""
    kind, lr_d, lr_g, b2, turns = rule["kind"], rule["lr_d"], rule["lr_g"], rule["beta2"], rule["alternating"]
    b1, decayed, eps = rule.get("beta1", 0.0), rule.get("weight_decay", 0.0), 1e-8
    z, m, v, most = list(start), [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    average, largest, largest_average = z[1], 0.0, 0.0

    def move(k, g, n):
        m[k] = b1 * m[k] + (1 - b1) * g
        v[k] = b2 * v[k] + (1 - b2) * g * g
        if kind == "rmsprop":
            step = g / math.sqrt(v[k] + eps)
        else:
            most[k] = max(most[k], v[k] / (1 - b2**n)) if kind == "amsgrad" else v[k] / (1 - b2**n)
            step = m[k] / (1 - b1**n) / (math.sqrt(most[k]) + eps)
        z[k] += (lr_d, lr_g)[k] * (step - decayed * z[k])

    for n in range(1, steps + 1):
        dp, dt = FIELDS[name](*z)
        move(0, dp - r1 * z[0], n)
        move(1, FIELDS[name](*z)[1] if turns else dt, n)
        if ema is not None:
            average = ema * average + (1 - ema) * z[1]
        if n > 0.8 * steps:
            largest, largest_average = max(largest, abs(z[1])), max(largest_average, abs(average))
    return largest, largest_average


def numbers(rule):
    """What the map by hand needs of a rule."""
    names = ("beta1", "beta2", "weight_decay", "alternating")
    known = {n: getattr(rule, n) for n in names if hasattr(rule, n)}
    return {"kind": rule.name, "lr_d": float(rule.rates.phi), "lr_g": float(rule.rates.theta), **known}


def with_values(variant, rule, values):
    """The variant's R1 and the rule with other numbers."""
    own = dict(values)
    r1 = own.pop("r1", variant.modifications.get("r1", 0.0))
    if (ratio := own.pop("lr_ratio", None)) is not None:
        lr = own.pop("lr", float(rule.rates.theta))
        own |= {"lr_d": ratio * lr, "lr_g": lr}
    settings = numbers(rule) | own
    if "lr" in own:
        settings |= {"lr_d": own["lr"], "lr_g": own["lr"]}
    return float(r1), settings


def test_the_learning_rate_and_the_average_that_give_a_size():
    # A = 4 lr sqrt(tau2 (tau1 + 1/2)) turns in 2 pi sqrt(8 tau2 (tau1 + 1/2)) steps
    found = tune_cycle(LINEAR, 0.5, dg.rule("adam", lr=0.01, beta1=0.5), {"lr": (3e-3, 4e-3)})
    (lr,) = found.changes
    assert lr.reached and lr.stable and lr.values["lr"] == pytest.approx(0.5 / 155.0, rel=1e-3)
    turn = complex(math.cos(math.tau / 688.85), -math.sin(math.tau / 688.85))
    assert (1 - found.decay) / abs(1 - found.decay * turn) == pytest.approx(0.5 / 1.55, rel=1e-3)
    assert 2 ** (-1 / found.half_life) == pytest.approx(found.decay)
    assert "velocities staying above 1e-08" in found.regime and "over 2, 1000 iterations" in found.regime


@pytest.mark.slow  # fast: the learning rate and the average that give a size, above
def test_what_is_out_of_reach_says_so_and_coordinates_of_a_linear_game_are_games_of_their_own():
    # |theta| does not hang on the critic's rate; the cycle of linear WGAN is smallest at beta1 = 0
    rule = dg.rule("adam", lr=0.01, beta1=0.5)
    found = tune_cycle(LINEAR, 0.5, rule, {"lr_ratio": (0.5, 2.0), "beta1": (0.0, 0.9)}, dim=2)
    ratio, beta1 = found.changes
    assert not ratio.reached and ratio.amplitude == pytest.approx(1.55, rel=1e-3)
    assert not beta1.reached and beta1.values == {"beta1": 0.0}
    assert beta1.amplitude == pytest.approx(0.8945, rel=1e-3)
    assert "lr_ratio alone does not reach it, nearest 1.55" in found.text and found.dim == 2
    assert "each of 2 coordinates" in found.regime


def test_a_size_is_held_against_none_and_against_one_without_end():
    assert log_ratio(0.5, 0.25) == pytest.approx(math.log(2.0))
    assert log_ratio(0.5, 0.0) == -log_ratio(0.5, math.inf) == log_ratio(math.inf, 0.5) > 10.0


def test_a_rule_whose_steps_follow_the_gradient_is_refused_in_one_line():
    with pytest.raises(dg.InputError, match="follow the size of the gradient"):
        tune_cycle(LINEAR, 0.1, dg.rule("simultaneous"), "lr")


@pytest.mark.slow  # fast: cli/test_averaged.py, it needs an adaptive rule and a plane
def test_coordinates_that_hang_together_are_told_by_the_map():
    import optax

    from diracgan.analysis.slow_flow.coordinates import falls_apart

    adam, x0 = dg.rule("adam", lr=0.01), [0.3, -0.2]
    clipped = dg.rule.from_optax(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.01)))
    assert falls_apart(LINEAR.with_(r1=0.1), adam, np.array(x0))
    assert not any(falls_apart(dg.variant(n), adam, np.array(x0)) for n in ("ns", "hinge", "lsgan"))
    assert not falls_apart(LINEAR, clipped, np.array(x0))


CASES = [
    ("wgan-linear", {}, "adam:lr=0.01,beta1=0.5", {"lr": (1e-3, 1e-2)}, 0.5, 1),
    ("wgan-linear", {}, "adam:lr=0.01,beta1=0.5,alternating=true", {"beta2": (0.95, 0.999)}, 0.6, 2),
    ("wgan-linear", {}, "rmsprop:lr=0.01", {"beta2": (0.9, 0.99)}, 0.2, 2),
    ("wgan-linear", {"r1": 0.05}, "adamw:lr=0.01,beta1=0.5", {"beta1": (0.0, 0.8)}, 0.4, 2),
    ("ns", {}, "adam:lr=0.01,beta1=0.5", {"lr": (1e-4, 1e-2), "beta2": (0.95, 0.999)}, 0.05, 1),
    ("ns", {}, "adam:lr=0.01,beta1=0.9,alternating=true", {"beta1": (0.1, 0.9)}, 0.5, 1),
    ("ns", {}, "adam:lr=0.01,beta1=0.5", {"r1": (0.01, 0.3)}, 0.3, 1),
    ("ns", {}, "adamw:lr=0.01,beta1=0.5,weight_decay=0.05", {"lr": (1e-3, 1e-2)}, 0.3, 1),
    ("ns", {}, "amsgrad:lr=0.01,beta1=0.5", {"lr": (3e-3, 1e-2)}, 0.4, 1),
    ("ns", {"r1": 0.1}, "adam:lr=0.01,beta1=0.5", {"lr_ratio": (0.2, 5.0)}, 0.3, 1),
    ("lsgan", {}, "rmsprop:lr=0.003,beta2=0.95", {"beta2": (0.9, 0.99)}, 0.05, 1),
    ("lsgan", {}, "adam:lr=0.003,beta1=0.5,alternating=true", {"lr": (1e-3, 1e-2)}, 0.2, 1),
    ("hinge", {}, "adam:lr=0.01,beta1=0.5", {"beta1": (0.0, 0.9)}, 1.0, 1),
]


@pytest.mark.slow  # fast: the learning rate and the average that give a size, above
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[2]}-{'-'.join(c[3])}")
def test_prescribed_cycles_have_their_size_when_the_map_is_iterated_by_hand(case):
    name, penalties, spec, over, wanted, dim = case
    variant, rule = dg.variant(name).with_(**penalties), dg.rule(spec)
    found = tune_cycle(variant, wanted, rule, over, dim=dim)
    reached = [c for c in found.changes if c.reached]
    assert reached, found.text
    for change in reached:
        r1, settings = with_values(variant, rule, change.values)
        steps = int(max(4 * (change.arrival or 50_000), 20 * (change.period or 0), 20_000))
        starts = [(0.1, 0.2)] if dim == 1 else [(0.1, 0.2), (0.2, 0.1)]
        for start in starts:  # each coordinate of a game that falls apart
            size, _ = by_hand(name, settings, r1, steps, start)
            assert size == pytest.approx(wanted, rel=0.05)
    if found.decay:
        r1, settings = with_values(variant, rule, {})
        steps = int(max(4 * (found.now.arrival or 50_000), 20 * found.now.period, 12 * found.horizon))
        left = by_hand(name, settings, r1, steps, ema=found.decay)[1]
        assert left == pytest.approx(wanted, rel=0.05)
