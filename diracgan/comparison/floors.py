"""Claim A, with minibatches: the noise floor of a run and of its weight average, by the Lyapunov equation."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..jax_settings import own_settings, seeded
from ..measure import NoiseFloor, equilibria, floor, gradient_covariance
from ..measure.noise import alternating_step
from ..measure.probes import follow_minibatches
from ..variants import Variant
from . import prediction
from .near_equilibrium import LinearisedEquilibria, linearised
from .protocol import Protocol


def claim(variant: Variant, protocol: Protocol) -> list[dict[str, Any]]:
    """Predicted and measured floor of one variant's networks, one record per seed.

    Predicted: E |c|^2 of every mode that decays fast enough for the run to sample it, from the gradients' covariance at
    the equilibrium. Measured: the mean square of the same coefficients along a run on minibatches. The floor is the
    root of the sum over modes.
    """
    how = protocol["noise"]
    with own_settings(True):
        on = _averaged(linearised(variant, protocol, [how["problem"]]))
        lr = how["eta"] / on.scale
        predicted = [_floor(on, i, lr, how, protocol.seed0) for i in range(len(lr))]
        rules = dataclasses.replace(prediction.made(how["rule"], lr), ema=jnp.full(len(lr), how["ema"]))
        count = how["burn_in"] + how["steps"]
        keys = jax.random.split(seeded(protocol.seed0 + 77), len(lr))
        basis = jnp.asarray(on.linear.basis)
        path = follow_minibatches(rules, on.at.game, on.at.players, basis, keys, count, how["batch"])
        seen = np.asarray(path)[:, how["burn_in"] :]
    own = {"variant": variant.label, "problem": how["problem"], "rule": how["rule"], "ema": how["ema"]}
    return [
        {**own, "seed": on.keys[i][1], "lr": float(lr[i]), **_held(predicted[i], seen[i])}
        for i in range(len(lr))
    ]


def _averaged(on: LinearisedEquilibria) -> LinearisedEquilibria:
    """Linearised as minibatches are on average: every real sample with every latent, which a penalty between samples
    tells from each with its own."""
    x, z = on.at.game.x_real, on.at.game.z
    n = x.shape[1]
    pairs = dataclasses.replace(on.at.game, x_real=jnp.repeat(x, n, axis=1), z=jnp.tile(z, (1, n, 1)))
    linear = equilibria.compressed(equilibria.reduced(pairs, on.at.players))
    return dataclasses.replace(on, linear=linear)


def _floor(on: LinearisedEquilibria, i: int, lr: np.ndarray, how: dict[str, Any], seed: int) -> NoiseFloor:
    game, at = jax.tree.map(lambda x: x[i], (on.at.game, on.at.players))
    jacobian = on.linear.jacobian[i]
    sigma = gradient_covariance(game, at, how["batch"], on.linear.basis[i], how["draws"], seed)
    step = prediction.steps(how["rule"], lr[i : i + 1], jacobian[None])[0]
    _, kicks = alternating_step(jacobian, float(lr[i]), float(lr[i]))
    return floor(step, kicks, sigma, how["ema"], how["slowest"])


def _held(predicted: NoiseFloor, seen: np.ndarray) -> dict[str, Any]:
    assert predicted.ema_power is not None
    raw, mean = (float(np.sum(np.mean(np.abs(seen[:, k] @ predicted.left.T) ** 2, axis=0))) for k in (0, 1))
    expected, got = float(np.sqrt(predicted.power.sum())), float(np.sqrt(raw))
    ratio, got_ratio = float(np.sqrt(predicted.ema_power.sum())) / expected, float(np.sqrt(mean)) / got
    return {
        "modes": len(predicted.power),
        "floor": expected,
        "measured_floor": got,
        "floor_error": abs(got / expected - 1.0),
        "ema_ratio": ratio,
        "measured_ema_ratio": got_ratio,
        "ema_error": abs(got_ratio / ratio - 1.0),
    }
