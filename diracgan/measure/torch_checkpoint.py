"""A user's own training in PyTorch as a checkpoint: losses over batches and two ``torch.optim`` with their state."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from ..errors import InputError, integer, number, unknown
from ..parameters import text
from ..pytrees import Pytree
from ..registry import settings as read_settings
from ..rules import Rule
from . import torch_game
from .batch_checkpoint import LEAST, MOST, SERIES
from .leading import PLAYERS
from .linear_response import Monitors
from .measured_game import MeasuredGame
from .settings import Setting
from .torch_step import TransposedStep

_WATCHED = ("critic", "generator", "mean at real", "mean at fake")  # in the order of SERIES
_OPTIONS = ("momentum", "weight_decay", "eps")  # of torch.optim, besides rates and betas
_SUFFIXES = {"lr_d": "critic", "lr_g": "generator"}


@dataclasses.dataclass(frozen=True, eq=False)
class TorchCheckpoint:
    """One state of a user's own training in PyTorch, in the precision of its parameters.

    A :class:`~diracgan.measure.linear_response.LinearisedStep`. Watched are both losses, and the mean logits where the
    critic is known: to first order.

    Attributes:
        game: losses, modules and optimisers.
        whole: the batches that the full step is the mean over.
        each: the batches that minibatch steps are taken on.
    """

    game: torch_game.TorchGame
    whole: list[Any]
    each: list[Any]

    @property
    def start(self) -> np.ndarray:
        """The weights and what the optimisers remember, (n,)."""
        return self._start

    @functools.cached_property
    def _start(self) -> np.ndarray:
        kept = [x.ravel() for x in self.game.remembered(self.whole)]
        return np.concatenate([self.game.flattened(list(self.game.start.values())), *kept]).astype(float)

    @property
    def weights(self) -> int:
        """How many of the state's entries are weights."""
        return sum(self.game.sizes)

    @functools.cached_property
    def _pull(self) -> TransposedStep:
        return TransposedStep(self.game, self.whole)

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """A^T applied to each of b vectors, (b, n)."""
        return np.stack([self._pull(row.astype(self.game.dtype)) for row in v]).astype(float)

    def deviation(self, seed: int) -> np.ndarray:
        """Each entry's standard deviation over the minibatches, (n,)."""
        total, square = np.zeros((2, len(self.start)))
        for batch in self.each:
            kick = self._kick(batch)
            total, square = total + kick, square + kick * kick
        return np.sqrt(np.maximum(square / len(self.each) - (total / len(self.each)) ** 2, 0.0))

    def kicks(self, basis: np.ndarray, seed: int) -> np.ndarray:
        """One iteration on each minibatch less the state itself, in the coordinates of ``basis``, (batches, m)."""
        return np.stack([self._kick(batch) @ basis for batch in self.each])

    def _kick(self, batch: Pytree) -> np.ndarray:
        return self.game.after_step([batch]).astype(float) - self.start

    def monitored(self, scale: np.ndarray, seed: int) -> tuple[np.ndarray, Monitors]:
        """The gradients of what is watched, (p, weights), and its values."""
        pairs = [self._watched(n) for n in _WATCHED if n in self.game.both.losses]
        values = np.array([value for value, _ in pairs])
        return np.stack([row for _, row in pairs]), Monitors(values, np.eye(len(values)), np.zeros(0))

    def _watched(self, name: str) -> tuple[float, np.ndarray]:
        """The mean of what is watched over the batches of the full step, and its gradient in all weights."""
        value, gradient = 0.0, np.zeros(self.weights)
        for batch in self.whole:
            at = self.game.fresh(self.game.start, tuple(self.game.start))
            seen = self.game.loss(name, at, batch, attached=True)
            value += float(seen.detach()) / len(self.whole)
            back = torch.autograd.grad(seen, list(at.values()), allow_unused=True)
            each = [torch.zeros_like(x) if g is None else g for g, x in zip(back, at.values(), strict=True)]
            gradient += self.game.flattened(each) / len(self.whole)
        return value, gradient

    def series(self, monitors: Monitors, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """What is watched where the outputs (..., p) lead: name -> (...)."""
        return dict(zip(SERIES, np.moveaxis(monitors.logits + outputs, -1, 0), strict=False))

    def under(self, setting: Setting) -> TorchCheckpoint:
        """The same state, going on under other options of both optimisers."""
        game, options = copy.copy(self.game), cast("dict[str, Any]", setting.rule)
        game.forget()
        game.optimisers = {w: _with(x, options.get(w, {})) for w, x in (self.game.optimisers or {}).items()}
        game.n_critic = options.get("n_critic", game.n_critic)
        return TorchCheckpoint(game, self.whole, self.each)

    def changed(self, now: Setting, given: Mapping[str, Any] | str) -> Setting:
        """The setting with what is named replaced: ``lr`` (of both players, in their ratio), ``lr_d``, ``lr_g``,
        ``ratio``, ``beta1``, ``beta2``, ``momentum``, ``weight_decay``, ``eps``, ``n_critic``.

        Raises:
            InputError: for what these optimisers do not have.
        """
        wanted = read_settings(given) if isinstance(given, str) else dict(given)
        options = {w: x.param_groups[0] for w, x in (self.game.optimisers or {}).items()}
        known = ["lr", *_SUFFIXES, "ratio", "n_critic", *_names(options.values())]
        made: dict[str, Any] = {w: {} for w in PLAYERS}
        if not wanted:
            raise InputError("a setting is empty; allowed: name=value, separated by commas")
        for name, value in wanted.items():
            if name not in known:
                raise unknown("setting", name, known)
            if name == "n_critic":
                made[name] = integer(name, value, low=1)
            elif name in ("lr", "ratio", *_SUFFIXES):
                made["rates"] = made.get("rates", {}) | {name: number(name, value, low=0.0, open_low=True)}
            else:
                below = name in ("beta1", "beta2", "momentum")
                x = number(name, value, low=0.0, high=1.0 if below else None, open_high=below)
                for w in PLAYERS:
                    made[w][name] = x
        for w, factor in _factors(made.pop("rates", {}), *(float(options[w]["lr"]) for w in PLAYERS)).items():
            made[w]["factor"] = factor
        if made.get("n_critic", 1) > 1 and not self.game.alternating:
            raise InputError("n_critic goes with alternating steps; add alternating=True to dg.measure.game")
        return now._replace(rule=made, label=", ".join(f"{n}={text(x)}" for n, x in wanted.items()))


def _names(groups: Any) -> list[str]:
    """What can be set of both optimisers by name."""
    names = [n for n in _OPTIONS if all(n in g for g in groups)]
    return [*names, *(["beta1", "beta2"] if all("betas" in g for g in groups) else [])]


def _factors(wanted: dict[str, float], own_d: float, own_g: float) -> dict[str, float]:
    """By what each player's rate is multiplied."""
    if "lr_d" in wanted and "ratio" in wanted:
        raise InputError("lr_d and ratio both set the critic's rate; allowed: one of them")
    if not wanted:
        return {}
    if not min(own_d, own_g) > 0:
        raise InputError(
            f"the rates are {own_d:g} and {own_g:g} now, so that no other is a multiple of them; allowed: rates above 0"
        )
    rate_g = wanted.get("lr_g", wanted.get("lr", own_g))
    base = rate_g if "ratio" in wanted else wanted.get("lr", own_g)
    rate_d = wanted.get("lr_d", wanted.get("ratio", own_d / own_g) * base)
    return {"critic": rate_d / own_d, "generator": rate_g / own_g}


def _with(optimiser: Any, given: dict[str, Any]) -> Any:
    """A copy of an optimiser, of the same parameters and state, under other options."""
    own = copy.copy(optimiser)
    own.param_groups = []
    for group in optimiser.param_groups:
        changed = {n: x for n, x in given.items() if n in group}
        if "factor" in given:
            changed["lr"] = group["lr"] * given["factor"]
        if "beta1" in given or "beta2" in given:
            one, two = group["betas"]
            changed["betas"] = (given.get("beta1", one), given.get("beta2", two))
        own.param_groups.append(group | changed)
    return own


def of_measured(measured: MeasuredGame) -> tuple[TorchCheckpoint, Setting]:
    """The state of a user's own training in PyTorch, and the setting that it is under.

    Raises:
        InputError: for a game without optimisers, or too few batches.
    """
    game: Any = measured.backend
    if game.optimisers is None:
        raise InputError("the game does not say how it moves; add optimiser= to dg.measure.game")
    kept = measured.batches.up_to(MOST)
    if len(kept) < LEAST:
        raise InputError(
            f"{len(kept)} batches say too little of minibatch noise; allowed: {LEAST} or more, whatever together= "
            "takes for the full step"
        )
    at = TorchCheckpoint(game, measured.held, kept)
    if not np.all(np.isfinite(at.start)):
        raise InputError(
            "the networks or their optimiser's memory are not finite; allowed: a run whose numbers are finite"
        )
    return at, Setting("as it is", cast("Rule", {}), None, 0, None)  # options in place of a rule
