"""From a config to networks, data and optimiser, in the dtype and on the devices that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import ArrayLike

from ..errors import InputError, word
from ..game import Players
from ..jax_settings import own_settings, seeded
from ..variants import Variant
from .architecture import NORMALISING, players as fresh
from .classifier import train_classifier
from .config import RunConfig
from .games import game as one_game
from .layers import Norm
from .problems import Problem
from .trainer import TrainingSetup, TrainState, begin, convolutional, on_every_device, stack

T = TypeVar("T")


def start(made: RunConfig, players: Players | None = None) -> tuple[TrainingSetup, TrainState]:
    """What is trained, and the state before the first iteration.

    Raises:
        InputError: for a device that is not there.
    """
    config = made.training
    dtype = jnp.float64 if config.dtype == "float64" else jnp.float32  # of parameters
    keys = [jax.random.fold_in(seeded(config.seed + k), 7) for k in range(config.seeds)]
    on = _cast(made.problem, dtype)
    both = [fresh(made.networks, on, key) if players is None else _cast(players, dtype) for key in keys]
    classifier = None
    wanted = any(t.classifies for t in made.tricks)
    if (config.classifier or wanted) and on.labels is not None:
        classifier = train_classifier(on, seed=config.seed).network
    conditional = made.networks.condition != "none"
    reference, reference_z = _references(made, on, keys[0])
    setup = TrainingSetup(
        _cast(made.variant, dtype),
        _cast(made.rule, dtype),
        on,
        _cast(made.tricks, dtype),
        reference,
        classifier,
        reference_z=reference_z,
        batch=config.batch,
        conditional=conditional,
        dropout=bool(float(made.networks.dropout_d) or float(made.networks.dropout_g)),
        compute="bfloat16" if config.dtype == "bfloat16" else None,
        unrolled=convolutional(both[0]) and "cpu" in (config.device, jax.default_backend()),
        averages=made.averages,
        warmup=config.warmup,
        averaging=config.mean,
        mesh=_mesh(config.devices),
    )
    if config.devices > 1 and config.batch % config.devices:
        raise InputError(
            f"batch = {config.batch} over {config.devices} devices; allowed: a multiple of {config.devices}"
        )
    states = [begin(setup, p, config.seed + k, config.pretrain) for k, p in enumerate(both)]
    state = states[0] if config.seeds == 1 else stack(states)
    return on_every_device(setup.mesh, (setup, state))


def _references(made: RunConfig, on: Problem, key: Array) -> tuple[Array | None, Array | None]:
    """The batch of samples and that of inputs that virtual batch norm takes its statistics from, or None."""
    norms = made.networks.norm_d, made.networks.norm_g
    if "virtual" not in norms:
        return None, None
    batch = on.draw(jax.random.fold_in(key, 1), made.training.batch)
    both = one_game(made.variant, on, batch=batch, conditional=made.networks.condition != "none")
    samples, inputs = (
        x if norm == "virtual" else None for norm, x in zip(norms, (both.x_real, both.z), strict=True)
    )
    return samples, inputs


@contextlib.contextmanager
def on_device(name: str) -> Iterator[None]:
    """Arrays go to the first device of this kind, while it lasts; ``"auto"`` for jax's own choice.

    Raises:
        InputError: for a device that this machine does not have.
    """
    if word("device", name) == "auto":
        yield
        return
    try:
        found = jax.devices(name)[0]
    except RuntimeError as error:
        here = sorted({d.platform for d in jax.devices()})
        raise InputError(f"device {name!r} is not here; allowed: auto, {', '.join(here)}") from error
    with jax.default_device(found):
        yield


@contextlib.contextmanager
def arithmetic(made: RunConfig) -> Iterator[None]:
    """The numbers and the device of a run, while it lasts; nothing global changes.

    A caller's own settings of JAX do not reach into networks.

    Raises:
        InputError: for a device that this machine does not have.
    """
    with own_settings(made.training.dtype == "float64"), on_device(made.training.device):
        yield


def generators(setup: TrainingSetup, state: TrainState) -> dict[str, Any]:
    """The generator and every average of it that is kept, by name."""
    found = {"raw": state.inner.players.theta}
    if state.inner.ema is not None:
        found["rule"] = state.inner.ema.theta
    found |= {str(b): a for b, a in zip(setup.averages, state.averages, strict=True)}
    if state.past is not None and setup.averaging:
        found["mean"] = state.past.theta
    return found


def warnings(made: RunConfig) -> list[str]:
    """What is allowed but unwise about a run, one line each."""
    found = []
    both = jax.eval_shape(lambda: fresh(made.networks, made.problem, seeded(0)))
    own = type(made.variant).penalty is not Variant.penalty
    penalised = own or made.variant.modifications.keys() & {"r1", "r2", "gp"}
    norms = [[v.kind for v in getattr(one, "layers", ()) if isinstance(v, Norm)] for one in both]
    without = {"d": "the critic's first layer has none, and it has no other", "g": "no hidden layer"}
    for who, kinds in zip("dg", norms, strict=True):
        norm = getattr(made.networks, f"norm_{who}")
        if norm in NORMALISING and not kinds:
            found.append(f"norm_{who} = {norm} does nothing in these networks: {without[who]}")
    if penalised and "batch" in norms[0]:
        found.append(
            "batch norm in the critic under a gradient penalty: the penalty is meant for the slope at each sample, and "
            "in a batch norm each logit depends on the other samples too, so that it is the slope of the batch's sum "
            "of logits; layer, instance, spectral and weight norm keep samples apart (arXiv 1704.00028, section 4)"
        )
    if made.networks.minibatch != "none" and penalised:
        found.append(
            "a gradient penalty on a critic with features of the batch: it is the slope of the batch's sum of logits, "
            "not of each sample's own"
        )
    return found


def _cast(tree: T, dtype: DTypeLike) -> T:
    """The floating-point numbers of a tree as arrays of one type: values never recompile."""

    def one(x: ArrayLike) -> Array:
        if isinstance(x, (bool, int)) or not jnp.issubdtype(jnp.result_type(x), jnp.inexact):
            return jnp.asarray(x)
        return jnp.asarray(x, dtype)

    return jax.tree.map(one, tree)


def _mesh(devices: int) -> jax.sharding.Mesh | None:
    if devices == 1:
        return None
    here = jax.devices()
    if len(here) < devices:
        raise InputError(f"devices = {devices}, but here are {len(here)}; allowed: at most {len(here)}")
    return jax.sharding.Mesh(np.array(here[:devices]), ("batch",))
