"""Bounds on a run's cost, checked before anything is computed."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError, shown
from ..game import Players
from ..jax_settings import seeded
from ..parameters import Parametric
from ..rules import Rule
from .architecture import Architecture, players
from .problems import Problem

EVALUATIONS = 100_000  # of the field in one iteration
NUMBERS = 2**31  # of a network's parameters, and of one minibatch's activations


def check_rule(moves: Rule) -> None:
    """Refuse a rule whose single iteration evaluates the field too often: critic steps times inner steps.

    Raises:
        InputError: naming the number and the most.

    Example:
        >>> from diracgan.rules import rule
        >>> check_rule(rule("adam", alternating=True, n_critic=5))
    """
    if moves.draws > EVALUATIONS:
        raise InputError(
            f"one iteration of {moves.name} evaluates the field {moves.draws} times; allowed: at most {EVALUATIONS} "
            "(critic steps times inner steps)"
        )


def check_size(built: Architecture, on: Problem, batch: int, seeds: int) -> None:
    """Refuse networks and minibatches that no machine holds, without making them.

    Raises:
        InputError: naming what is too large.

    Example:
        >>> from diracgan.training.problems import problem
        >>> made = problem("ring8")
        >>> check_size(Architecture().resolved(made), made, 256, 1)
    """
    width = max(built.size_of(who)[0] for who in "dg")
    depth = max(built.size_of(who)[1] for who in "dg")
    if depth * width * width > NUMBERS:  # also before shapes are worked out, layer by layer
        raise InputError(
            f"networks of width {width} and depth {depth} are too large; allowed: {NUMBERS} parameters"
        )
    shapes: Players = jax.eval_shape(lambda: players(built, on, seeded(0)))
    count = max(sum(math.prod(x.shape) for x in jax.tree.leaves(player)) for player in shapes)
    if count * seeds > NUMBERS:
        raise InputError(
            f"{seeds} networks of {count} parameters are too large; allowed: {NUMBERS} numbers in all"
        )
    entries = max(on.size, on.inputs, width * max(depth, 1))
    entries = max(entries, batch) if built.minibatch == "discrimination" else entries
    if batch * entries * seeds > NUMBERS:
        raise InputError(
            f"batch = {batch} with {entries} numbers a sample and {seeds} seeds is too large; allowed: {NUMBERS} in all"
        )


def check_numbers(settings: Parametric, dtype: str) -> None:
    """Refuse numbers that are infinite in what a run computes in, or that become 0 there although they are not.

    Raises:
        InputError: naming the setting.

    Example:
        >>> from diracgan.rules import rule
        >>> check_numbers(rule("adam", lr=1e-3), "float32")
    """
    kept = jnp.finfo(jnp.float64 if dtype == "float64" else jnp.float32)
    for name, value in settings.hyperparameters.items():
        if isinstance(value, Parametric):
            check_numbers(value, dtype)
        elif np.ndim(value):
            raise InputError(
                f"{name} = {shown(value)} are {np.size(value)} numbers; allowed in training: one"
            )
        elif _outside(value, kept):
            raise InputError(
                f"{name} = {value:g} does not fit in {kept.dtype}; allowed: from {float(kept.tiny):.2g} to "
                f"{float(kept.max):.2g}, or float64"
            )


def _outside(value: object, kept: Any) -> bool:
    if not isinstance(value, float) or value == 0 or not np.isfinite(value):
        return False
    return not float(kept.tiny) <= abs(value) <= float(kept.max)
