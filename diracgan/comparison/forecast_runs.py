"""Claim D: runs that go on from one checkpoint, and what the forecast said of them there."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..game import Game, Players
from ..jax_settings import own_settings, seeded
from ..measure import operators
from ..measure.critical_setting import EVERY, bisected, critical_value
from ..measure.forecast import forecast, mean_frequency, peak_frequency, spread
from ..measure.noise import ResampledGame
from ..measure.settings import Setting, changed
from ..pytrees import Pytree
from ..rules import Rule, rule
from ..training import networks
from ..training.architecture import Architecture, players
from ..training.problems import problem
from ..variants import Variant, parse
from .protocol import Protocol

T = TypeVar("T")

NOW = "as it is"


class Design(NamedTuple):
    """Runs that share a program: one loss on one problem, several seeds.

    Attributes:
        problem: its spec.
        width: of the hidden layers, or of the convolutions.
        optimiser: the rule's spec.
        variant: what is minimised.
        seeds: of the runs.
        tried: other settings, each from every checkpoint.
        critical: ``"lr"``, ``"beta1"``: whose critical values are looked for.
    """

    problem: str
    width: int
    optimiser: str
    variant: Variant
    seeds: list[int]
    tried: list[str]
    critical: list[str]

    @property
    def group(self) -> str:
        """What the constant guess may know."""
        return f"{self.problem}, {self.width} units, {self.optimiser}"


def designs(protocol: Protocol, given: list[Variant] | None, images: str | None = None) -> list[Design]:
    """Every design of a tier, with ``given`` losses in place of the protocol's; images where a folder holds them."""
    found = []
    for g in protocol.chosen["forecast"]["groups"]:
        if g["problem"] == "images" and images is None:
            continue
        on = f"idx:{images}" if g["problem"] == "images" else g["problem"]
        seeds = [protocol.seed0 + i for i in range(g["seeds"])]
        own = (on, g["width"], g["optimiser"])
        for variant in given or [parse(v) for v in g["variants"]]:
            found.append(Design(*own, variant, seeds, g["tried"], g["critical"]))
    return found


def claims(design: Design, protocol: Protocol) -> list[dict[str, Any]]:
    """The records of one design: forecasts from each checkpoint, and the runs that go on from it."""
    how = protocol["forecast"] | protocol.chosen["forecast"]
    with own_settings(True):
        games, nets = _started(design, how)
        by = rule(design.optimiser)
    now = Setting(NOW, by, games[0].variant, how["batch"], None)
    with own_settings(False):
        states: list[tuple[Players, Pytree]] = [
            (z, by.memory(g, z)) for g, z in zip(_narrow(games), _narrow(nets), strict=True)
        ]
    first = how["checkpoint"] - how["steps"]
    runs = _Runs(design, games, max(first, how["steps"]))
    states, _ = runs.go_on(now, states, first, 0, first)
    states, before = runs.go_on(now, states, how["steps"], 1)
    wanted = [now, *(changed(now, text) for text in design.tried)]
    after = [runs.go_on(s, states, how["steps"], 2)[1] for s in wanted]
    records = [r for i, at in enumerate(states) for r in _compared(design, i, games[i], at, by, how)]
    for k, r in enumerate(records):
        i, j = divmod(k, len(wanted))
        r |= {"before": _measured(before[i], how), "measured": _measured(after[j][i], how)}
        r["lr_over_batch"] = float(wanted[j].rule.time_step) / wanted[j].batch
    for name in design.critical:
        records += _limits(runs, name, now, states, [_spreads(x) for x in after[0]], how)
    return records


# ---------------- the runs


def _started(design: Design, how: dict[str, Any]) -> tuple[list[Game], list[Players]]:
    """The games and fresh networks of every seed, in 64 bits."""
    made, games, nets = problem(design.problem, latent=how["inputs"]), [], []
    form: dict[str, Any] = {"width": design.width}
    if len(made.shape) == 1:
        form |= {"kind": "mlp", "depth": how["depth"]}
        form |= {"activation_d": how["activation"], "activation_g": how["activation"]}
    else:
        form |= {"kind": "dcgan", "norm_d": "none", "norm_g": "none"}
    for seed in design.seeds:
        keys = jax.random.split(seeded(seed), 3)
        nets.append(operators.doubled(players(Architecture(**form), made, keys[0])))
        rows = np.asarray(made.everything(keys[1], how["samples"]).x, float)[: how["samples"]]
        x = jnp.asarray(np.resize(rows, (how["samples"], *rows.shape[1:])))
        z = jax.random.normal(keys[2], (how["samples"], how["inputs"]), jnp.float64)
        games.append(Game(design.variant, x, z, networks.critic, networks.generator))
    return games, nets


def _narrow(tree: T) -> T:
    """Floating-point numbers in 32 bits, in which runs are trained."""
    return jax.tree.map(lambda x: x if isinstance(x, bool | int) else _single(x), tree)


def _single(x: Pytree) -> Pytree:
    return np.asarray(x, np.float32) if jnp.issubdtype(jnp.result_type(x), jnp.floating) else np.asarray(x)


def _watched(game: Game, at: Players) -> Array:
    """Losses without penalties, mean logits, and of plane samples their mean, of all samples: (4 or more,)."""
    x = game.generator(at.theta, game.z)
    real, fake = game.logits(at.phi, game.x_real), game.logits(at.phi, x)
    losses = [getattr(game.variant, n)(real, fake, game.x_real, x) for n in ("critic_loss", "generator_loss")]
    seen = jnp.stack([*losses, jnp.mean(real), jnp.mean(fake)])
    return jnp.concatenate([seen, jnp.mean(x, axis=0)]) if x.ndim == 2 else seen


class _Trained(NamedTuple):
    """Runs that are trained together, each leaf with an axis over them: rules, games, states and keys."""

    rules: Rule
    games: Game
    states: Pytree
    keys: Array


@functools.partial(jax.jit, static_argnums=(3, 4))
def _train(runs: _Trained, looks: int, every: int, most: int, batch: int) -> tuple[Pytree, Array]:
    """``looks`` times ``every`` iterations of every run on minibatches, ``most`` at most, and what was watched.

    Returns:
        The states, and (runs, most, 4 or more): zeros after the last look. Only another ``most`` or ``batch`` needs
        another program.
    """

    def one(rule: Rule, game: Game, state: tuple[Players, Pytree], key: Array) -> tuple[Pytree, Array]:
        split = jax.random.split(key, most)

        def once(n: Array, state: tuple[Players, Pytree]) -> tuple[Players, Pytree]:
            return rule.iterate(ResampledGame(game, split[n], batch), *state)

        def look(k: Array, now: tuple[Pytree, Array]) -> tuple[Pytree, Array]:
            after = jax.lax.fori_loop(k * every, (k + 1) * every, once, now[0])
            return after, now[1].at[k].set(_watched(game, after[0]))

        seen = jax.eval_shape(_watched, game, state[0])
        return jax.lax.fori_loop(0, looks, look, (state, jnp.zeros((most, *seen.shape), seen.dtype)))

    return jax.vmap(one)(*runs)


class _Runs(NamedTuple):
    """The runs of a design: the game of every seed, and the most iterations that they go on for at once."""

    design: Design
    games: list[Game]
    most: int

    def go_on(
        self,
        setting: Setting | list[Setting],
        states: list[tuple[Players, Pytree]],
        steps: int,
        stream: int,
        every: int = 1,
    ) -> tuple[list[tuple[Players, Pytree]], np.ndarray]:
        """The states of every seed ``steps`` later, and their series; one setting for all, or one each."""
        each = setting if isinstance(setting, list) else [setting] * len(self.games)
        under = [dataclasses.replace(g, variant=s.variant) for g, s in zip(self.games, each, strict=True)]
        with own_settings(False):
            by, own, at = (
                operators.stacked([_narrow(x) for x in xs]) for xs in ([s.rule for s in each], under, states)
            )
            streams = [jax.random.fold_in(seeded(7 * s + 3), stream) for s in self.design.seeds]
            together = _Trained(by, own, at, jnp.stack(streams))
            after, seen = _train(together, steps // every, every, self.most, each[0].batch)
        ends = [jax.tree.map(lambda x, i=i: np.asarray(x[i]), after) for i in range(len(self.games))]
        return ends, np.asarray(seen[:, : steps // every], float)


# ---------------- what is kept of them


def _spreads(series: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return spread(series.T) if np.all(np.isfinite(series)) else np.full(series.shape[1], np.inf)


def _measured(series: np.ndarray, how: dict[str, Any]) -> dict[str, Any]:
    """Level, spread and frequency of each watched series (steps, 4 or more), and whether it oscillates."""
    if not np.all(np.isfinite(series)):
        return {"finite": False}
    frequency = [None if np.isnan(f) else float(f) for f in peak_frequency(series.T)]
    return {
        "finite": True,
        "level": series.mean(axis=0).tolist(),
        "spread": _spreads(series).tolist(),
        "frequency": frequency,
        "mean_frequency": mean_frequency(series.T).tolist(),
        "oscillates": [bool(oscillates(x, how["surrogates"])) for x in series.T],
    }


def oscillates(x: np.ndarray, surrogates: int) -> bool:
    """Whether the spectrum over that of a first-order autoregression peaks higher than in 95 % of its surrogates.

    Example:
        >>> import numpy as np
        >>> t, noise = np.arange(1000), np.random.default_rng(0).standard_normal(1000)
        >>> oscillates(np.sin(0.2 * t) + 0.3 * noise, 99), oscillates(np.cumsum(noise), 99)
        (True, False)
    """
    from scipy.signal import detrend, lfilter, welch

    x = detrend(np.asarray(x, float))
    if not np.std(x) > 0:
        return False
    a = float(np.clip(x[1:] @ x[:-1] / (x @ x), 0.0, 0.9999))
    white = np.random.default_rng(0).standard_normal((surrogates, 2 * len(x)))
    noise: Any = lfilter([np.sqrt(1 - a * a)], [1.0, -a], white)
    rows = np.concatenate([x[None] / x.std(), noise[:, len(x) :]])
    cycles, power = welch(rows, nperseg=len(x) // 4, axis=-1)
    ratio = power[:, 2:] * np.abs(1.0 - a * np.exp(-2j * np.pi * cycles[2:])) ** 2
    peaks = ratio.max(axis=1) / ratio.mean(axis=1)
    return bool(peaks[0] > np.quantile(peaks[1:], 0.95))


def _compared(
    design: Design, i: int, game: Game, state: tuple[Players, Pytree], by: Rule, how: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """What the forecast says of one run under every setting."""
    found = forecast(
        game, design.tried, how["steps"], players=state[0], rule=by, memory=state[1], batch=how["batch"]
    )
    for said in found.settings:
        yield {
            **_own(design, design.seeds[i]),
            "kind": "setting",
            "setting": said.setting,
            "status": said.status,
            "growth": said.growth,
            "departure": said.departure,
            "forecast": {n: dataclasses.asdict(x) for n, x in said.series.items()},
        }


# ---------------- critical values


def _limits(
    runs: _Runs,
    name: str,
    now: Setting,
    states: list[tuple[Players, Pytree]],
    usual: list[np.ndarray],
    how: dict[str, Any],
) -> list[dict[str, Any]]:
    """From where on each checkpoint's runs are said to blow up, and from where on they do."""
    said = [
        critical_value(g, name, how["steps"], players=z[0], rule=now.rule, memory=z[1], batch=how["batch"])
        for g, z in zip(runs.games, states, strict=True)
    ]
    watched = [how["series"].index(n) for n in how["pairs"]]

    def blows_up(values: np.ndarray) -> np.ndarray:
        settings = [changed(now, {name: float(v)}) for v in values]
        _, seen = runs.go_on(settings, states, how["steps"], 2, EVERY)
        spreads = np.array([_spreads(x)[watched] for x in seen])
        return (spreads > how["blow_up"] * np.array(usual)[:, watched]).any(axis=1)

    own = float(now.rule.rates.theta) if name == "lr" else float(getattr(now.rule, "beta1", 0.0))
    measured = bisected(blows_up, own, len(runs.games), name)
    return [
        {
            **_own(runs.design, seed),
            "kind": "critical",
            "parameter": name,
            "now": own,
            "predicted": found,
            "measured": None if np.isnan(x) else float(x),
        }
        for seed, found, x in zip(runs.design.seeds, said, measured, strict=True)
    ]


def _own(design: Design, seed: int) -> dict[str, Any]:
    return {
        "group": design.group,
        "problem": design.problem,
        "optimiser": design.optimiser,
        "variant": design.variant.label,
        "seed": seed,
    }
