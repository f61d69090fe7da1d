"""How early `dg.Monitor` warns of runs that fail: the protocol of monitor.md, on runs of our own trainer.

    python benchmarks/monitor.py [--first 2000] [--seeds 13] [--keep FOLDER] [--only DESIGN ...]

Choices were made on seeds from 1000 (`--first 1000`); what is reported comes from seeds from 2000. --keep keeps the
courses of the series, so that another monitor sees the same runs without training them again.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.stats import beta

import diracgan as dg
from diracgan.game import Players, loss_value
from diracgan.training import generation, metrics
from diracgan.training.alarms import AlarmMonitor
from diracgan.training.build import start
from diracgan.training.config import Alarms, configure
from diracgan.training.trainer import TrainingSetup, TrainState, begin, game, iteration, stack, unstack
from diracgan.training.tricks import length

STEPS, LINES, BATCH, WIDTH = 2000, 100, 64, 16
AHEAD, CHANGE = STEPS // 10, 2 * LINES // 5
# What going on with is no use, as `diracgan train` judges it from samples, logits and weights: not from losses alone.
TRUTH = Alarms(critic_zero=0.015, blow_up=10.0)
# Of the data's spread: samples that had more than the first and keep to less than the second for TRUTH.patience lines
SPREAD, COLLAPSED = 0.6, 0.3
# Of the modes: as many were the nearest one of samples, and no more than so many are, for as many lines
MODES, LEFT = 0.75, 0.25


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
    "lsgan, generator too slow": Design("lsgan", "ring8", adam(1e-3, 1e-6)),
    "wgan, penalty taken away": Design("wgan-linear:gp=1", "ring8", CALM, ("wgan-linear", adam(3e-2, 1e-3))),
    "wgan without penalty": Design("wgan-linear", "ring8", {"name": "heavy-ball", "lr": 0.002, "beta": 0.9}),
    "hinge, generator made 20 times faster": Design(
        "hinge:r1=0.1", "ring8", CALM, ("hinge", adam(3e-4, 6e-3))
    ),
    "ns, generator made 100 times faster": Design("ns:r1=0.1", "ring8", CALM, ("ns", adam(1e-4, 1e-2))),
}


# What is kept of every iteration: what a training loop has at hand
SERIES = ("loss_d", "loss_g", "d_real", "d_fake", "norm_d", "norm_g", "spread", "spread_real")
GIVEN = {"two losses": SERIES[:2], "what a training loop has": SERIES}


@eqx.filter_jit
def piece(setup: TrainingSetup, state: TrainState, count: int) -> tuple[TrainState, Array]:
    """``count`` iterations of every seed, and :data:`SERIES` on the minibatch of each, (count, seeds, series)."""

    def one(state: TrainState) -> tuple[TrainState, Array]:
        on = game(setup, state.seed, state.step, state.past).at(0)
        z = state.inner.players
        x = on.shown("critic", on.fake(z))
        real, fake = on.judged(z.phi, x)
        seen = [
            loss_value(on.variant, "critic_loss", real, fake, x),
            on.generator_loss(z),
            jnp.mean(real),
            jnp.mean(fake),
            length(z.phi),
            length(z.theta),
            jnp.sqrt(jnp.mean(jnp.var(x.fake, axis=0))),
            jnp.sqrt(jnp.mean(jnp.var(x.real, axis=0))),
        ]
        return iteration(setup, state), jnp.stack(seen)

    return jax.lax.scan(lambda s, _: jax.vmap(one)(s), state, None, length=count)


@dataclasses.dataclass
class Lost:
    """Whether a share that has been large keeps small for :data:`TRUTH`'s number of lines."""

    once: float
    then: float
    had: bool = False
    lines: int = 0

    def at(self, share: float) -> bool:
        self.had = self.had or share >= self.once
        self.lines = self.lines + 1 if self.had and share <= self.then else 0
        return self.lines >= TRUTH.patience


@eqx.filter_jit
def looked_at(setup: TrainingSetup, state: TrainState) -> tuple[Array, Array, Array, Array]:
    """The critic's loss, the least real logit less the largest fake one, and samples, of every seed."""

    def one(state: TrainState) -> tuple[Array, Array, Array, Array]:
        on = game(setup, state.seed, (1 << 30) - 2, state.past, state.step).at(0)
        z = state.inner.players
        x = on.shown("critic", on.fake(z))
        real, fake = on.judged(z.phi, x)
        made, _ = generation.sample(setup, z.theta, jax.random.key(5), 1024)
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(p)) for p in jax.tree.leaves(z)]))
        return (
            loss_value(on.variant, "critic_loss", real, fake, x),
            jnp.min(real) - jnp.max(fake),
            made,
            finite,
        )

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
    """:data:`SERIES` at every step, (seeds, steps, series); each run's alarm ("" where none) and its step."""
    setup, state = setup_of(design, design.variant, design.rule, seeds)
    watches = [AlarmMonitor(TRUTH) for _ in seeds]
    ended: list[tuple[str, int]] = [("", STEPS)] * len(seeds)
    every, rows = STEPS // LINES, []
    lost = [{"collapse": Lost(SPREAD, COLLAPSED), "modes": Lost(MODES, LEFT)} for _ in seeds]
    for line in range(1, LINES + 1):
        state, losses = piece(setup, state, every)
        rows.append(np.asarray(losses))
        _look(setup, state, watches, ended, lost, line * every)
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
    lost: list[dict[str, Lost]],
    step: int,
) -> None:
    """Let every run's alarms look at its state; what an alarm ends stays ended."""
    spread = _spread(setup.problem.draw(jax.random.key(3), 1024).x)
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
        alarm = watches[i].check(line)
        left = metrics.nearest_modes(setup.problem, made[i]) / len(setup.problem.data) if finite[i] else 1.0
        gone = {
            "collapse": lost[i]["collapse"].at(_spread(made[i]) / spread),
            "modes": lost[i]["modes"].at(left),
        }
        first = alarm.name if alarm is not None else next((n for n, so in gone.items() if so), None)
        if first is not None:
            ended[i] = (first, step)


def _spread(x: Any) -> float:
    """The root mean square distance of samples from their mean."""
    return float(np.sqrt(np.sum(np.var(np.asarray(x, float), axis=0))))


def warned(course: np.ndarray, variant: str, until: int, names: Sequence[str]) -> tuple[int | None, str]:
    """The step and the kind of the first warning of a monitor that is given these series; None where there is none."""
    monitor, given = dg.Monitor(variant.split(":")[0]), [SERIES.index(n) for n in names]
    for step, row in enumerate(course[:until, given].tolist()):
        said = monitor.update(step, **dict(zip(names, row, strict=True)))
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
    ask.add_argument("--first", type=int, default=2000)
    ask.add_argument("--seeds", type=int, default=13)
    ask.add_argument("--keep")
    ask.add_argument("--only", nargs="*")
    given = ask.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    found: dict[str, Counter[tuple[str, str]]] = {what: Counter() for what in GIVEN}
    for name in given.only or DESIGNS:
        begun, design = time.process_time(), DESIGNS[name]
        courses_of, ended = kept(name, seeds, given.keep)
        print(f"{name} ({time.process_time() - begun:.0f} s)")
        for what, names in GIVEN.items():
            said = []
            for course, (alarm, end) in zip(courses_of, ended, strict=True):
                step, kind = warned(course, design.variant, end, names)
                cause = 0 if design.then is None else STEPS * CHANGE // LINES
                case = "held" if not alarm else alarm if end >= cause + AHEAD else f"{alarm}, at once"
                case = "made to fail" if design.fails and not alarm else case
                case = case if design.fails or not alarm else f"{case}, made to hold"
                early = step is not None and step <= end - AHEAD
                found[what][case, "early" if early else "late" if step is not None else "no"] += 1
                said.append(f"{alarm or '-'} {end}: {kind or '-'} {'' if step is None else step}".strip())
            print(f"  {what}: {'; '.join(said)}", flush=True)
    for what, counts in found.items():
        print(what)
        report(counts)


def report(found: Counter[tuple[str, str]]) -> None:
    """The shares that the protocol asks for, and what they are made of."""
    alarms = sorted({a for a, _ in found} - {"held", "made to fail"})
    made = [a for a in alarms if not a.endswith("made to hold")]
    later = [a for a in made if not a.endswith("at once")]

    def count(cases: Iterable[str], *when: str) -> int:
        return sum(found[c, w] for c in cases for w in when or ("early", "late", "no"))

    for what, some in (
        ("made to fail and failed", made),
        (f"of these, {AHEAD} steps or more after the cause", later),
        ("with those made to hold that failed", alarms),
    ):
        print(f"  {what}, warned at least {AHEAD} steps ahead: {bounds(count(some, 'early'), count(some))}")
    print(
        f"  made to fail and failed, warned ahead at all: {bounds(count(made, 'early', 'late'), count(made))}"
    )
    for a in alarms:
        print(
            f"    {a}: {count([a], 'early')} ahead, {count([a], 'late')} less far ahead, {count([a], 'no')} not"
        )
    print(f"  held, warned of all the same: {bounds(count(['held'], 'early', 'late'), count(['held']))}")
    apart = ["made to fail"]
    print(
        f"  made to fail, and no alarm by the end: {count(apart)}, of which {count(apart, 'early', 'late')} warned of"
    )


if __name__ == "__main__":
    main()
