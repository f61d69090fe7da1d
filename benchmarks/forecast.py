"""Forecasts against runs that go on from the same checkpoint, by benchmarks/forecast.toml, which was written first.

    python benchmarks/forecast.py [--pilot | --holdout] [--out forecast.jsonl] [--report]

One JSON line per run and setting is appended to the file as soon as its group is done; groups that are in it already
are not run again. --report only reads the file. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.signal import lfilter, welch
from scipy.stats import binomtest, rankdata

import diracgan as dg
from diracgan.game import Game, Players
from diracgan.measure import operators
from diracgan.measure.forecast import peak_frequency, spread
from diracgan.measure.noise import ResampledGame
from diracgan.measure.settings import Setting, changed
from diracgan.rules import Rule, from_optax
from diracgan.training import networks
from diracgan.training.architecture import Architecture, players
from diracgan.training.problems import problem

RAW = Path(__file__).with_suffix(".toml").read_bytes()
PROTOCOL = tomllib.loads(RAW.decode())
SCORE, WINDOW = PROTOCOL["score"], PROTOCOL["window"]
NOW = "as it is"


@dataclasses.dataclass(frozen=True)
class Part:
    """What one call measures: the pilot, the measurement, or the holdout."""

    name: str
    problem: str
    width: int
    designs: list[list[Any]]
    seeds: list[int]
    tried: list[str]

    @property
    def rule(self) -> Rule:
        if self.name == "holdout":
            import optax

            how = PROTOCOL["holdout"]
            moved = optax.adamw(how["lr"], b1=how["beta1"], weight_decay=how["weight_decay"])
            return from_optax(moved, alternating=True)
        how = PROTOCOL["optimiser"]
        return dg.rule("adam", lr=how["lr"], beta1=how["beta1"], alternating=True)


def part(name: str) -> Part:
    own, games = PROTOCOL["holdout"], PROTOCOL["games"]
    if name == "holdout":
        return Part(name, own["problem"], own["width"], own["designs"], own["seeds"], own["tried"])
    few = games["designs"][: games["pilot_designs"] if name == "pilot" else None]
    seeds = games["pilot_seeds" if name == "pilot" else "seeds"]
    return Part(name, games["problem"], games["width"], few, seeds, PROTOCOL["settings"]["tried"])


def started(chosen: Part, loss: str, r1: float) -> tuple[list[Game], list[Players]]:
    """The games and fresh networks of every seed, in 64 bits."""
    how = PROTOCOL["games"]
    made = problem(chosen.problem, latent=how["inputs"])
    form: dict[str, Any] = {"kind": "mlp", "width": chosen.width, "depth": how["depth"]}
    form |= {"activation_d": how["activation"], "activation_g": how["activation"]}
    variant, games, nets = dg.variant(loss).with_(r1=r1), [], []
    for seed in chosen.seeds:
        keys = jax.random.split(jax.random.key(seed), 3)
        nets.append(operators.doubled(players(Architecture(**form), made, keys[0])))
        rows = np.asarray(made.everything(keys[1], how["samples"]).x, float)
        x = jnp.asarray(np.resize(rows, (how["samples"], *rows.shape[1:])))
        z = jax.random.normal(keys[2], (how["samples"], how["inputs"]), jnp.float64)
        games.append(Game(variant, x, z, networks.critic, networks.generator))
    return games, nets


def watched(game: Game, at: Players) -> Array:
    """Losses without penalties, mean logits, and the samples' mean, of all samples: (6,)."""
    x = game.generator(at.theta, game.z)
    real, fake = game.logits(at.phi, game.x_real), game.logits(at.phi, x)
    losses = [getattr(game.variant, n)(real, fake, game.x_real, x) for n in ("critic_loss", "generator_loss")]
    return jnp.concatenate([jnp.stack([*losses, jnp.mean(real), jnp.mean(fake)]), jnp.mean(x, axis=0)])


@functools.partial(jax.jit, static_argnums=(4, 5))
def go_on(rules: Rule, games: Game, states: Any, keys: Array, steps: int, batch: int) -> tuple[Any, Array]:
    """Iterations of every run on minibatches, and what was watched: (runs, steps, 6)."""

    def one(rule: Rule, game: Game, state: Any, key: Array) -> tuple[Any, Array]:
        def once(state: Any, key: Array) -> tuple[Any, Array]:
            after = rule.iterate(ResampledGame(game, key, batch), *state)
            return after, watched(game, after[0])

        return jax.lax.scan(once, state, jax.random.split(key, steps))

    return jax.vmap(one)(rules, games, states, keys)


def run_on(
    chosen: Part, setting: Setting, games: list[Game], states: list[Any], steps: int, stream: int
) -> Any:
    """The states of every seed some steps later, and their series."""
    under = [dataclasses.replace(g, variant=setting.variant) for g in games]
    stacked = [operators.stacked([operators.doubled(x) for x in xs]) for xs in (under, states)]
    rules = operators.stacked([operators.doubled(setting.rule)] * len(games))
    keys = jnp.stack([jax.random.fold_in(jax.random.key(7 * s + 3), stream) for s in chosen.seeds])
    after, series = go_on(rules, *stacked, keys, steps, setting.batch)
    return [jax.tree.map(lambda x, i=i: x[i], after) for i in range(len(games))], np.asarray(series)


def measured(series: np.ndarray) -> dict[str, Any]:
    """Level, spread and frequency of each watched series (steps, 6) of one run, and whether it oscillates."""
    if not np.all(np.isfinite(series)):
        return {"finite": False}
    found: dict[str, Any] = {"finite": True, "level": series.mean(axis=0).tolist()}
    found["spread"] = spread(series.T).tolist()
    found["frequency"] = [None if np.isnan(f) else float(f) for f in peak_frequency(series.T)]
    found["oscillates"] = [bool(_oscillates(x)) for x in series.T]
    return found


def _oscillates(x: np.ndarray) -> bool:
    """Whether the spectrum over that of a first-order autoregression peaks higher than in 95 % of its surrogates."""
    t = np.arange(len(x))
    x = x - np.polyval(np.polyfit(t, x, 1), t)
    a = float(np.clip(x[1:] @ x[:-1] / (x @ x), 0.0, 0.9999))
    white = np.random.default_rng(0).standard_normal((SCORE["surrogates"], 2 * len(x)))
    rows = np.concatenate([x[None] / x.std(), lfilter([np.sqrt(1 - a * a)], [1.0, -a], white)[:, len(x) :]])
    cycles, power = welch(rows, nperseg=len(x) // 4, axis=-1)
    ratio = power[:, 2:] * np.abs(1.0 - a * np.exp(-2j * np.pi * cycles[2:])) ** 2
    peaks = ratio.max(axis=1) / ratio.mean(axis=1)
    return peaks[0] > np.quantile(peaks[1:], 0.95)


def group(chosen: Part, loss: str, r1: float) -> list[dict[str, Any]]:
    """Every record of one design: forecasts from each checkpoint, and the runs that go on from it."""
    games, nets = started(chosen, loss, r1)
    rule, batch, steps = chosen.rule, PROTOCOL["games"]["batch"], WINDOW["steps"]
    now = Setting(NOW, rule, games[0].variant, batch, None)
    states = [(z, operators.doubled(rule.memory(g, z))) for g, z in zip(games, nets, strict=True)]
    states, _ = run_on(chosen, now, games, states, WINDOW["checkpoint"] - steps, 0)
    states, before = run_on(chosen, now, games, states, steps, 1)
    records = []
    wanted = [now, *(changed(now, text) for text in chosen.tried)]
    runs = [run_on(chosen, s, games, states, steps, 2)[1] for s in wanted]
    for i, seed in enumerate(chosen.seeds):
        began = time.perf_counter()
        found = dg.forecast(
            games[i], chosen.tried, steps, players=states[i][0], rule=rule, memory=states[i][1], batch=batch
        )
        seconds = (time.perf_counter() - began) / len(wanted)
        own = {"part": chosen.name, "loss": loss, "r1": r1, "seed": seed, "seconds": seconds}
        for setting, said, series in zip(wanted, found.settings, runs, strict=True):
            lr_over_batch = float(getattr(setting.rule, "lr", 1.0)) / setting.batch
            record = {**own, "setting": said.setting, "growth": said.growth, "status": said.status}
            record["departure"] = said.departure
            record |= {"lr_over_batch": lr_over_batch, "before": measured(before[i])}
            record["forecast"] = {n: dataclasses.asdict(x) for n, x in said.series.items()}
            records.append({**record, "measured": measured(series[i])})
    return records


# ---------------- the scores


def errors(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """|guess/measured - 1|: its median, its 90 % quantile, of how many."""
    e = [abs(a / b - 1.0) for a, b in pairs]
    if not e:
        return {"of": 0}
    return {"median": float(np.median(e)), "ninety": float(np.quantile(e, 0.9)), "of": len(e)}


def share(right: list[bool]) -> dict[str, Any]:
    """How many of how many, with the binomial bounds."""
    if not right:
        return {"right": 0, "of": 0}
    got = int(np.sum(right))
    ends = binomtest(got, len(right)).proportion_ci(SCORE["level"], "exact")
    return {"right": got, "of": len(right), "low": float(ends.low), "high": float(ends.high)}


def comparable(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What has a spread and a forecast of it that stands by itself; the others are counted."""
    return [r for r in records if r["measured"]["finite"] and r["status"] == "spreads"]


def base_scores(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The run's own setting: every series against the forecast and the guesses."""
    own, found = [r for r in comparable(records) if r["setting"] == NOW], {}
    for j, name in enumerate(SCORE["series"]):
        got = [r["measured"]["spread"][j] for r in own]
        said = [r["forecast"][name]["spread"] for r in own]
        others = [float(np.median(got[:i] + got[i + 1 :] or got)) for i in range(len(got))]
        shuffled = [(said[(i + k) % len(got)], got[i]) for k in range(1, len(got)) for i in range(len(got))]
        inside = [
            bool(r["forecast"][name]["spread_low"] <= g <= r["forecast"][name]["spread_high"])
            for r, g in zip(own, got, strict=True)
        ]
        shift = [(r["forecast"][name], r["measured"]["level"][j], g) for r, g in zip(own, got, strict=True)]
        found[name] = {
            "forecast": errors(list(zip(said, got, strict=True))),
            "constant": errors(list(zip(others, got, strict=True))),
            "persistence": errors([(r["before"]["spread"][j], g) for r, g in zip(own, got, strict=True)]),
            "shuffled": errors(shuffled),
            "inside": share(inside),
            "level": float(np.median([abs(f["level"] - x) / g for f, x, g in shift])),
            "level_now": float(np.median([abs(f["now"] - x) / g for f, x, g in shift])),
        }
    return found


def departing_scores(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What departs, apart: every setting's spreads."""
    gone = [r for r in records if r["status"] == "departs" and r["measured"]["finite"]]
    return {
        name: errors([(r["forecast"][name]["spread"], r["measured"]["spread"][j]) for r in gone])
        for j, name in enumerate(SCORE["series"])
    }


def setting_scores(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Other settings from the same checkpoint: each spread, and their order in pairs."""
    names = ("forecast", "forecast of the ratio", "square root", "no change")
    found: dict[str, Any] = {n: [] for n in names}
    by: dict[str, list[Any]] = {}
    hard, obvious, guessed = [], [], []
    for j, name in ((SCORE["series"].index(n), n) for n in SCORE["pairs"]):
        for mine in checkpoints(comparable(records)):
            start = next((r for r in mine if r["setting"] == NOW), None)
            if start is None:
                continue
            spreads = []
            for r in mine:
                got, ratio = r["measured"]["spread"][j], r["lr_over_batch"] / start["lr_over_batch"]
                guess = start["measured"]["spread"][j] * np.sqrt(ratio)
                spreads.append((r["forecast"][name]["spread"], got, guess))
                if r is not start:
                    found["forecast"].append((spreads[-1][0], got))
                    before = start["measured"]["spread"][j]
                    of_ratio = before * spreads[-1][0] / start["forecast"][name]["spread"]
                    found["forecast of the ratio"].append((of_ratio, got))
                    found["square root"].append((guess, got))
                    found["no change"].append((before, got))
                    by.setdefault(r["setting"], []).append((spreads[-1][0], got))
            for a in range(len(spreads)):
                for b in range(a):
                    (f, x, g), (f2, x2, g2) = spreads[a], spreads[b]
                    if max(x, x2) < SCORE["clear"] * min(x, x2):
                        continue
                    right = (f > f2) == (x > x2)
                    (hard if max(f, f2) < SCORE["hard"] * min(f, f2) else obvious).append(right)
                    if max(f, f2) < SCORE["hard"] * min(f, f2):
                        guessed.append((g > g2) == (x > x2) if g != g2 else bool(len(guessed) % 2))
    scored = {n: errors(x) for n, x in found.items()} | {"by setting": {n: errors(x) for n, x in by.items()}}
    return {**scored, "hard": share(hard), "obvious": share(obvious), "hard, by square root": share(guessed)}


def checkpoints(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The records of each checkpoint."""
    by: dict[Any, list[dict[str, Any]]] = {}
    for r in records:
        by.setdefault((r["loss"], r["r1"], r["seed"]), []).append(r)
    return list(by.values())


def blow_ups(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Growth of the leading turning multiplier against what blew up."""
    growth, blown = [], []
    for mine in checkpoints(records):
        start = next(r for r in mine if r["setting"] == NOW)
        for r in mine:
            growth.append(r["growth"] or 0.0)
            ratios = [
                r["measured"]["spread"][j] / start["measured"]["spread"][j]
                for j in map(SCORE["series"].index, SCORE["pairs"])
                if r["measured"]["finite"]
            ]
            blown.append(not ratios or max(ratios) > SCORE["blow_up"])
    ranks, up = rankdata(growth), np.array(blown)
    n, m = int(up.sum()), int((~up).sum())
    auc = float((ranks[up].sum() - n * (n + 1) / 2) / (n * m)) if n and m else None
    said = np.array([r["status"] == "unstable" for mine in checkpoints(records) for r in mine])
    return {
        "blown": n,
        "of": n + m,
        "auc": auc,
        "unstable": int(said.sum()),
        "unstable and blown": int((said & up).sum()),
    }


def frequencies(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Of runs that oscillate beyond their surrogates: within 10 %, and the shuffled control."""
    found = {}
    for j, name in ((SCORE["series"].index(n), n) for n in SCORE["pairs"]):
        turning = [
            (r["forecast"][name]["frequency"], r["measured"]["frequency"][j])
            for r in comparable(records)
            if r["measured"]["oscillates"][j] and r["measured"]["frequency"][j] is not None
        ]
        within = [f is not None and abs(f / g - 1) <= PROTOCOL["reach"]["frequency"] for f, g in turning]
        mixed = [
            f is not None
            and abs(f / turning[(i + k) % len(turning)][1] - 1) <= PROTOCOL["reach"]["frequency"]
            for k in range(1, len(turning))
            for i, (f, _) in enumerate(turning)
        ]
        off = [abs(f / g - 1) for f, g in turning if f is not None]
        found[name] = {
            "within": share(within),
            "none forecast": sum(f is None for f, _ in turning),
            "median": float(np.median(off)) if off else None,
            "shuffled": float(np.mean(mixed)) if mixed else None,
        }
    return found


def report(records: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = [r["status"] for r in records]
    return {
        "protocol": hashlib.sha256(RAW).hexdigest(),
        "statuses": {s: statuses.count(s) for s in sorted(set(statuses))},
        "base": base_scores(records),
        "departing": departing_scores(records),
        "settings": setting_scores(records),
        "blow-ups": blow_ups(records),
        "frequency": frequencies(records),
        "seconds": float(np.median([r["seconds"] for r in records])),
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    which = words.add_mutually_exclusive_group()
    which.add_argument("--pilot", action="store_true")
    which.add_argument("--holdout", action="store_true")
    words.add_argument("--out", type=Path, default=Path("forecast.jsonl"))
    words.add_argument("--report", action="store_true")
    given = words.parse_args()
    chosen = part("pilot" if given.pilot else "holdout" if given.holdout else "measurement")
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    records = [r for r in map(json.loads, lines) if r["part"] == chosen.name]
    done = {(r["loss"], r["r1"]) for r in records}
    for loss, r1 in [] if given.report else chosen.designs:
        if (loss, r1) in done:
            continue
        began = time.perf_counter()
        with jax.enable_x64(True):
            made = group(chosen, loss, r1)
        with given.out.open("a") as file:
            file.writelines(json.dumps(r) + "\n" for r in made)
        records += made
        print(f"{loss} r1={r1}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(json.dumps(report(records), indent=1))


if __name__ == "__main__":
    main()
