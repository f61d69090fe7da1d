"""Claim A, with minibatches: the noise floor of a run and of its weight average, by the Lyapunov equation."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..training.measure import floor, gradient_covariance
from ..training.measure.following import follow_minibatches
from ..variants import Variant
from . import prediction
from .local import bench
from .protocol import Protocol


def claim(variant: Variant, protocol: Protocol) -> dict[str, Any]:
    """Predicted and measured floor of every decaying mode of one network, seen together.

    Predicted: E |c|^2 per mode from the gradients' covariance at the equilibrium. Measured: the mean square of the same
    coefficients along a run on minibatches. The floor is the root of the sum over modes.
    """
    how = protocol["noise"]
    with jax.enable_x64(True):
        on = bench(variant, protocol, [how["problem"]])
        lr = how["eta"] / on.scale[:1]
        game, at = jax.tree.map(lambda x: x[0], (on.at.game, on.at.players))
        basis, half = on.linear.basis[0], on.linear.half
        sigma = gradient_covariance(game, at, how["batch"], basis, how["draws"], protocol.seed0)
        step = prediction.steps(how["rule"], lr, on.linear.jacobian[:1])[0]
        kicks = _kicks(on.linear.jacobian[0], float(lr[0]), half)
        predicted = floor(step, kicks, sigma, how["ema"], how["slowest"])
        rules = dataclasses.replace(prediction.made(how["rule"], lr), ema=jnp.full(1, how["ema"]))
        count = how["burn_in"] + how["steps"]
        keys = jax.random.split(jax.random.key(protocol.seed0 + 77), 1)
        one = [jax.tree.map(lambda x: x[:1], x) for x in (on.at.game, on.at.players)]
        path = follow_minibatches(rules, *one, jnp.asarray(basis[None]), keys, count, how["batch"])
        seen = np.asarray(path)[0, how["burn_in"] :]
    raw, mean = (np.mean(np.abs(seen[:, i] @ predicted.left.T) ** 2, axis=0) for i in (0, 1))
    assert predicted.ema_power is not None
    expected, got = np.sqrt(predicted.power.sum()), np.sqrt(raw.sum())
    ratio, got_ratio = np.sqrt(predicted.ema_power.sum()) / expected, np.sqrt(mean.sum()) / got
    return {
        "variant": variant.label,
        "problem": how["problem"],
        "seed": on.keys[0][1],
        "rule": how["rule"],
        "lr": float(lr[0]),
        "ema": how["ema"],
        "modes": len(predicted.power),
        "floor": float(expected),
        "measured_floor": float(got),
        "floor_error": float(abs(got / expected - 1.0)),
        "ema_ratio": float(ratio),
        "measured_ema_ratio": float(got_ratio),
        "ema_error": float(abs(got_ratio / ratio - 1.0)),
    }


def _kicks(jacobian: np.ndarray, lr: float, half: int) -> list[np.ndarray]:
    """How the noise of the critic's and of the generator's minibatch moves alternating players."""
    eye = np.eye(2 * half)
    first, second = eye.copy(), eye.copy()
    first[half:], second[:half] = 0.0, 0.0
    after = eye + lr * second @ jacobian  # the generator sees the moved critic
    return [lr * after @ first, lr * second]
