"""How early `dg.Monitor` warns of runs that fail: the protocol of monitor.md, on runs of our own trainer.

    python benchmarks/monitor.py [--first 0] [--seeds 5] [--keep FOLDER] [--only DESIGN ...]

Choices were made on seeds from 1000 (`--first 1000`); what is reported comes from seeds from 0. --keep keeps the
courses of losses, so that another monitor sees the same runs without training them again.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.stats import beta

import diracgan as dg
from diracgan.game import Players
from diracgan.training import metrics
from diracgan.training.alarms import AlarmMonitor
from diracgan.training.build import start
from diracgan.training.config import Alarms, configure
from diracgan.training.trainer import TrainingSetup, TrainState, begin, game, iteration, stack, unstack

STEPS, LINES, BATCH, WIDTH = 2000, 100, 64, 16
AHEAD, CHANGE = STEPS // 10, 2 * LINES // 5
# What going on with is no use, as `diracgan train` judges it from samples, logits and weights: not from losses alone.
TRUTH = Alarms(critic_zero=0.015, blow_up=10.0)
# Of the data's spread: samples that had more than the first and keep to less than the second for TRUTH.patience lines
SPREAD, COLLAPSED = 0.6, 0.3


@dataclasses.dataclass(frozen=True)
class Design:
    """How runs are made: a loss, a problem and a rule, and what loss and rule become at 40 % of the run."""

    variant: str
    problem: str
    rule: dict[str, Any]
    then: tuple[str, dict[str, Any]] | None = None
    fails: bool = True  # what it was made to do


def adam(lr_d: float, lr_g: float, beta1: float = 0.5) -> dict[str, Any]:
    return {"name": "adam", "lr_d": lr_d, "lr_g": lr_g, "beta1": beta1, "alternating": True}


CALM = adam(1e-3, 1e-3)
DESIGNS = {
    # made to hold
    "ns, R1, ring8": Design("ns:r1=0.1", "ring8", CALM, fails=False),
    "ns, R1, points8": Design("ns:r1=0.3", "points8", CALM, fails=False),
    "hinge, R1, ring8": Design("hinge:r1=0.1", "ring8", CALM, fails=False),
    "lsgan, R1, points8": Design("lsgan:r1=0.1", "points8", CALM, fails=False),
    "wgan, gradient penalty, ring8": Design("wgan-linear:gp=1", "ring8", CALM, fails=False),
    "ns, gradient steps, ring8": Design(
        "ns:r1=0.1", "ring8", {"name": "alternating", "lr": 0.05}, fails=False
    ),
    # made to hold with a critic far ahead
    "ns, critic 30 times faster": Design("ns", "points8", adam(3e-2, 1e-3), fails=False),
    "ns, critic made 30 times faster": Design(
        "ns:r1=0.1", "ring8", CALM, ("ns", adam(3e-2, 1e-3)), fails=False
    ),
    # made to fail
    "ns, generator too slow": Design("ns", "ring8", adam(2e-3, 1e-6)),
    "ns, generator made too slow": Design("ns", "ring8", adam(2e-4, 2e-5), ("ns", adam(4e-3, 1e-6))),
    "hinge, generator too slow": Design("hinge", "ring8", adam(1e-3, 1e-6)),
    "lsgan, generator too slow": Design("lsgan", "ring8", adam(4e-3, 1e-6)),
    "wgan, penalty taken away": Design("wgan-linear:gp=1", "ring8", CALM, ("wgan-linear", adam(6e-2, 1e-3))),
    "wgan without penalty": Design("wgan-linear", "ring8", {"name": "heavy-ball", "lr": 0.003, "beta": 0.9}),
    "ns, generator with momentum": Design("ns:r1=0.1", "ring8", CALM, ("ns", adam(1e-3, 1e-1, 0.9))),
    "ns, generator 30 times faster": Design("ns", "points8", adam(1e-3, 3e-2, 0.9)),
}


@eqx.filter_jit
def piece(setup: TrainingSetup, state: TrainState, count: int) -> tuple[TrainState, Array]:
    """``count`` iterations of every seed, and both losses on the minibatch of each, (count, seeds, 2)."""

    def one(state: TrainState) -> tuple[TrainState, Array]:
        on = game(setup, state.seed, state.step, state.past).at(0)
        z = state.inner.players
        x = on.shown("critic", on.fake(z))
        real, fake = on.judged(z.phi, x)
        losses = jnp.stack([on._value("critic_loss", real, fake, x), on.generator_loss(z)])
        return iteration(setup, state), losses

    return jax.lax.scan(lambda s, _: jax.vmap(one)(s), state, None, length=count)


@eqx.filter_jit
def looked_at(setup: TrainingSetup, state: TrainState) -> tuple[Array, Array, Array, Array]:
    """The critic's loss, the least real logit less the largest fake one, and samples, of every seed."""

    def one(state: TrainState) -> tuple[Array, Array, Array, Array]:
        on = game(setup, state.seed, (1 << 30) - 2, state.past, state.step).at(0)
        z = state.inner.players
        x = on.shown("critic", on.fake(z))
        real, fake = on.judged(z.phi, x)
        made, _ = metrics.sample(setup, z.theta, jax.random.key(5), 1024)
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(p)) for p in jax.tree.leaves(z)]))
        return on._value("critic_loss", real, fake, x), jnp.min(real) - jnp.max(fake), made, finite

    return jax.vmap(one)(state)


def setup_of(
    design: Design, variant: str, rule: dict[str, Any], seeds: range
) -> tuple[TrainingSetup, TrainState]:
    how = dict(rule)
    made = configure(
        variant,
        design.problem,
        rule_=dg.rule(how.pop("name"), **how),
        networks={"width": WIDTH},
        training={"steps": STEPS, "batch": BATCH, "seed": seeds[0], "seeds": len(seeds)},
    )
    return start(made)


def courses(design: Design, seeds: range) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Both losses at every step, (seeds, steps, 2), and the alarm that ends each run with its step; "" where none."""
    setup, state = setup_of(design, design.variant, design.rule, seeds)
    watches = [AlarmMonitor(TRUTH) for _ in seeds]
    ended: list[tuple[str, int]] = [("", STEPS)] * len(seeds)
    every, rows, narrow = STEPS // LINES, [], -np.ones(len(seeds), int)
    for line in range(1, LINES + 1):
        state, losses = piece(setup, state, every)
        rows.append(np.asarray(losses))
        _look(setup, state, watches, ended, narrow, line * every)
        if design.then is not None and line == CHANGE:
            setup = setup_of(design, *design.then, seeds)[0]
            state = _changed(setup, state)
    return np.concatenate(rows).transpose(1, 0, 2), ended


def _changed(setup: TrainingSetup, state: TrainState) -> TrainState:
    """The same players under another rule, whose memory begins anew."""
    each = [unstack(state, k) for k in range(len(state.seed))]
    return stack([begin(setup, one.inner.players, one.seed)._replace(step=one.step) for one in each])


def _look(
    setup: TrainingSetup,
    state: TrainState,
    watches: list[AlarmMonitor],
    ended: list[tuple[str, int]],
    narrow: np.ndarray,
    step: int,
) -> None:
    """Let every run's alarms look at its state; what an alarm ends stays ended."""
    spread = float(np.std(setup.problem.draw(jax.random.key(3), 1024).x))
    loss, margin, made, finite = (np.asarray(x) for x in looked_at(setup, state))
    for i in range(len(watches)):
        if ended[i][0]:
            continue
        line: dict[str, Any] = {"step": step, "loss_d": float(loss[i]), "margin": float(margin[i])}
        if not finite[i]:
            line["norm_d"] = float("nan")
        else:
            players: Players = unstack(state, i).inner.players
            line["singular"] = metrics.singular_values(players)
            line["modes"] = float(metrics.modes(setup.problem, made[i])[0])
        alarm = watches[i].check(line)
        share = made[i].std() / spread
        # -1: they have not been spread yet
        narrow[i] = -int(share < SPREAD) if narrow[i] < 0 else narrow[i] + 1 if share < COLLAPSED else 0
        if alarm is not None:
            ended[i] = (alarm.name, step)
        elif narrow[i] >= TRUTH.patience:
            ended[i] = ("collapse", step)


def warned(losses: np.ndarray, variant: str, until: int) -> tuple[int | None, str]:
    """The step and the kind of a monitor's first warning; None where there is none."""
    monitor = dg.Monitor(variant.split(":")[0])
    for step in range(until):
        said = monitor.update(step, d_loss=losses[step, 0], g_loss=losses[step, 1])
        if said is not None:
            return step, said.kind.value
    return None, ""


def bounds(hits: int, of: int) -> str:
    """A share with its 95 % interval (Clopper and Pearson)."""
    if not of:
        return "0 of 0"
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return f"{hits} of {of} ({100 * hits / of:.0f} %; {100 * low:.0f} to {100 * high:.0f} %)"


def kept(name: str, seeds: range, folder: str | None) -> tuple[np.ndarray, list[tuple[str, int]]]:
    path = None if folder is None else Path(folder) / f"{name.replace(' ', '-')}-{seeds[0]}-{len(seeds)}.npz"
    if path is not None and path.exists():
        held = np.load(path)
        return held["losses"], [(str(a), int(s)) for a, s in zip(held["alarms"], held["ends"], strict=True)]
    losses, ended = courses(DESIGNS[name], seeds)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        names, ends = zip(*ended, strict=True)
        np.savez_compressed(path, losses=losses, alarms=np.array(names), ends=np.array(ends))
    return losses, ended


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--first", type=int, default=0)
    ask.add_argument("--seeds", type=int, default=5)
    ask.add_argument("--keep")
    ask.add_argument("--only", nargs="*")
    given = ask.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    found: Counter[tuple[str, str]] = Counter()
    for name in given.only or DESIGNS:
        begun, design = time.process_time(), DESIGNS[name]
        losses, ended = kept(name, seeds, given.keep)
        said = []
        for course, (alarm, end) in zip(losses, ended, strict=True):
            step, kind = warned(course, design.variant, end)
            case = alarm or ("made to fail" if design.fails else "held")
            found[
                case,
                "early" if step is not None and step <= end - AHEAD else "late" if step is not None else "no",
            ] += 1
            said.append(f"{alarm or '-'} {end}: {kind or '-'} {'' if step is None else step}".strip())
        print(f"{name} ({time.process_time() - begun:.0f} s)", *said, sep="\n    ", flush=True)
    report(found)


def report(found: Counter[tuple[str, str]]) -> None:
    """The shares that the protocol asks for, and what they are made of."""
    alarms = sorted({a for a, _ in found} - {"held", "made to fail"})

    def count(cases: Iterable[str], *when: str) -> int:
        return sum(found[c, w] for c in cases for w in when or ("early", "late", "no"))

    print(f"failed, warned at least {AHEAD} steps ahead: {bounds(count(alarms, 'early'), count(alarms))}")
    for a in alarms:
        print(
            f"    {a}: {count([a], 'early')} ahead, {count([a], 'late')} less far ahead, {count([a], 'no')} not"
        )
    print(f"held, warned of all the same: {bounds(count(['held'], 'early', 'late'), count(['held']))}")
    apart = ["made to fail"]
    print(
        f"made to fail, and no alarm by the end: {count(apart)}, of which {count(apart, 'early', 'late')} warned of"
    )


if __name__ == "__main__":
    main()
