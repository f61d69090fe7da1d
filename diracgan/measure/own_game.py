"""A user's own two losses, or a run of ours, as a :class:`MeasuredGame`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from ..errors import InputError, callback, flag, integer, shown
from ..game import Game, Players
from ..jax_settings import own_settings, seeded
from ..pytrees import Pytree
from ..rules import Rule
from ..training.run import Run
from . import jax_game, operators
from .leading import PLAYERS
from .measured_game import Batches, MeasuredGame, UserGame


def game(
    critic_loss: Callable[[Any, Any, Any], Any],
    generator_loss: Callable[[Any, Any, Any], Any],
    phi: Any,
    theta: Any,
    batches: Iterable[Any],
    *,
    optimiser: Any = None,
    state: Any = None,
    alternating: bool = True,
    n_critic: int = 1,
    clip: float | tuple[float, float] | None = None,
    together: int = 1,
    seed: int = 0,
    critic: Callable[[Any, Any], Any] | None = None,
    samples: Callable[[Any, Any], tuple[Any, Any]] | None = None,
) -> MeasuredGame:
    """The game of your own two losses over your own networks, ready to be measured, in JAX or in PyTorch.

    v(phi, theta) = (-d L_D/d phi, -d L_G/d theta) on the first ``together`` batches, and its Jacobian J, which is only
    ever applied. Numbers stay in the precision of your parameters.

    Args:
        critic_loss: (phi, theta, batch) -> L_D, a scalar, everything that the discriminator (critic) minimises:
            penalties and weight decay in the loss included. In PyTorch phi and theta are your modules.
        generator_loss: (phi, theta, batch) -> L_G.
        phi: the critic: a pytree of arrays (an equinox module, flax's params, a dict), or a ``torch.nn.Module`` or a
            list of them. What has no gradient (integers; ``requires_grad=False``) is frozen.
        theta: the generator, likewise. No parameter may belong to both.
        batches: what the losses are given, one at a time: a list, a data loader, or a generator without end. In JAX a
            batch is a pytree, its random keys and latents in it; in PyTorch random numbers may be drawn in the loss,
            which runs under a seed of the batch's own.
        optimiser: (the critic's, the generator's): two of ``torch.optim``, with their state; two optax
            transformations; or a rule of ours. None where no step is asked for.
        state: the optax transformations' states, a pair; None for what they would remember at rest.
        alternating: whether the generator's gradient is taken at the new critic.
        n_critic: critic steps in one iteration, when alternating.
        clip: the norm that PyTorch gradients are clipped to before a step, one number or a pair; in JAX put
            ``optax.clip_by_global_norm`` in the transformation.
        together: how many batches the field is the mean over; a product's cost grows with it.
        seed: of the random numbers that a PyTorch loss draws at the first batch; the next one has the next seed.
        critic: (phi, x) -> the logits of samples x; with ``samples`` what :func:`diracgan.prescribe` needs besides.
            Several logits of a sample, as a critic of patches gives, are added up, as R1 does in practice.
        samples: (theta, batch) -> (real, fake) samples.

    Returns:
        A :class:`MeasuredGame`: ``spectrum``, ``coupling``, ``gradient_noise``, ``noise_floor``, ``operator`` ...

    Raises:
        InputError: for networks, losses or batches that cannot be measured, in one line that says why.

    References:
        Mescheder, Nowozin, Geiger 2017 (arXiv 1705.10461), section 2; Pearlmutter 1994, doi 10.1162/neco.1994.6.1.147,
        for products with a Hessian.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> d_loss = lambda phi, theta, x: jnp.mean(phi["w"] * theta["w"]) - jnp.mean(phi["w"] * x)
        >>> g_loss = lambda phi, theta, x: -jnp.mean(phi["w"] * theta["w"])
        >>> weights = {"w": jnp.zeros(1)}, {"w": jnp.ones(1)}
        >>> measured = dg.measure.game(d_loss, g_loss, *weights, batches=[jnp.zeros(4)])
        >>> sorted(measured.spectrum(k=2).eigenvalues.imag.tolist())
        [-1.0, 1.0]
    """
    for name, loss in (("critic_loss", critic_loss), ("generator_loss", generator_loss)):
        if not callable(loss):
            raise InputError(
                f"{name} = {shown(loss)} is not a function; allowed: one of (phi, theta, batch) -> scalar"
            )
    callback("critic", critic)
    callback("samples", samples)
    flag("alternating", alternating)
    n_critic, seed = integer("n_critic", n_critic, low=1), integer("seed", seed, low=0)
    if (critic is None) != (samples is None):
        raise InputError("critic and samples go together; add the other one, or leave both out")
    source, count = Batches(batches), integer("together", together, low=1)
    first = source.first(count)[0]
    said = UserGame(
        critic_loss, generator_loss, phi, theta, optimiser, alternating, n_critic, critic, _pairs(samples)
    )
    if _is_torch(phi) or _is_torch(theta):
        from . import torch_game

        if state is not None:
            raise InputError("state is for optax; allowed: optimisers of torch.optim, which hold their own")
        backend: Any = torch_game.of_losses(said, clip, seed)
    else:
        if clip is not None:
            raise InputError("clip is for PyTorch; allowed: optax.clip_by_global_norm in the transformation")
        backend = jax_game.of_losses(said, first, state)
    return _seen(MeasuredGame(backend, source, count))


def from_run(
    run: Run | str | os.PathLike[str], *, samples: int = 256, batch: int | None = None, seed: int = 0
) -> MeasuredGame:
    """A training run of ours, or its folder, as the same object that a user's own networks give.

    Args:
        run: from :func:`diracgan.train`, of one seed, or its folder.
        samples: of a mixture, in the batch whose field is linearised, in float64; a finite problem is taken whole.
        batch: samples in the batches that gradient noise is measured on; None for the run's own.
        seed: of all draws.

    Raises:
        InputError: for what is not a run, or a run of several seeds.
    """
    run = one_run(run)
    size = run.config.training.batch if batch is None else integer("batch", batch, low=1)
    with own_settings(True):
        large = operators.doubled(operators.stackable(run.game(samples, seed)))
        players, rule, memory = operators.doubled((run.players, run.setup.rule, run.state.inner.memory))

    def batches() -> Iterator[Game]:
        key = seeded(seed)
        for i in range(10**6):
            drawn = run.setup.problem.draw(jax.random.fold_in(key, i), size)
            yield operators.doubled(operators.stackable(run.game(seed=seed, batch=drawn)))

    return from_games(large, players, batches(), rule, memory)


def one_run(run: Any, allowed: str = "what dg.train returns, or its folder") -> Run:
    """A training run, or that of its folder, of one seed.

    Raises:
        InputError: naming what is ``allowed``, for anything else.
    """
    if isinstance(run, (str, os.PathLike)):
        from ..training.runs import load_run

        run = load_run(run)
    if getattr(run, "setup", None) is None or getattr(run, "state", None) is None:
        raise InputError(f"{type(run).__name__} is not a training run; allowed: {allowed}")
    if np.ndim(run.state.seed):
        raise InputError("the run has several seeds; allowed: a run of one seed")
    return run


def from_games(
    large: Game,
    players: Players,
    minibatches: Iterable[Game],
    rule: Rule | None = None,
    memory: Pytree = None,
) -> MeasuredGame:
    """Players of ours on one large batch, and the same game on minibatches, as a :class:`MeasuredGame`.

    Args:
        large: whose field is linearised.
        players: where.
        minibatches: what noise is measured on.
        rule: how they move; ``memory`` what it remembers there.
    """

    def field(at: Players, one: Any, penalty: Any) -> Players:
        return one.velocity(at, penalty=penalty)

    view = jax_game.CriticView(
        lambda at, one, x: one.logits(at.phi, x), lambda at, one: (one.x_real, one.generator(at.theta, one.z))
    )
    backend = jax_game.JaxGame(field, players, rule, memory, large.project, view)
    return _seen(MeasuredGame(backend, Batches([large]), minibatches=Batches(minibatches)))


def _seen(measured: MeasuredGame) -> MeasuredGame:
    """The game, once its field is seen to be finite and differentiated through both players.

    Raises:
        InputError: where it is not.
    """
    n_d, velocity = measured.sizes[0], measured.velocity()
    for who, part in zip(PLAYERS, np.split(velocity, [n_d]), strict=True):
        if not np.all(np.isfinite(part)):
            raise InputError(
                f"{who}_loss has a gradient that is not finite on the first batch; allowed: finite weights and data"
            )
    d = np.random.default_rng(0).standard_normal(len(velocity)).astype(measured.backend.dtype)
    for who, part in zip(PLAYERS, (slice(n_d), slice(n_d, None)), strict=True):
        # a gradient may vanish where the players meet, but not its derivative too
        if not np.any(velocity[part]) and not np.any(measured.matvec(d)[part]):
            raise InputError(
                f"{who}_loss does not depend on the {who}; allowed: one that its own parameters change (without "
                "detach or stop_gradient on them)"
            )
    d[:n_d] = 0.0
    moved = measured.backend.field(measured.held, 1e-2 * d)
    if np.any(moved[:n_d] != velocity[:n_d]) and not np.any(measured.matvec(d)[:n_d]):
        raise InputError(
            "critic_loss hides the generator from differentiation; leave out what does: each player's gradient is "
            "taken in its own parameters alone"
        )
    return measured


def _pairs(samples: Callable[[Any, Any], Any] | None) -> Callable[[Any, Any], tuple[Any, Any]] | None:
    """The user's function, whose answer is seen to be a pair: the rows of one array would pass for two."""
    if samples is None:
        return None

    def pair(theta: Any, batch: Any) -> tuple[Any, Any]:
        found = samples(theta, batch)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise InputError("samples gives no pair; allowed: (real, fake)")
        return found[0], found[1]

    return pair


def _is_torch(player: Any) -> bool:
    torch = sys.modules.get("torch")  # a module exists only where it is imported
    if torch is None:
        return False
    held = list(player.values()) if isinstance(player, dict) else player
    several = held if isinstance(held, (list, tuple)) else [held]
    return bool(several) and any(isinstance(m, torch.nn.Module) for m in several)
