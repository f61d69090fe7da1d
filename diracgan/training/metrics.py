"""Metrics of a run, from the players and samples alone.

Every metric is a function of arrays; :func:`scalars` puts together those that a problem has a meaning for.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..game import Players, loss_value
from ..jax_settings import seeded
from ..pytrees import Pytree
from ..variants.constraints import constrain
from ..variants.penalties import squared_slopes
from . import networks
from .games import MinibatchGame
from .generation import sample
from .networks import Pass
from .problems import Problem
from .trainer import TrainingSetup, TrainState, game as game_of
from .tricks import length

_LOOKING = (1 << 30) - 2  # the number of the iteration whose draws monitors use, apart from those of training
_SAMPLES = 1024


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, directions: int = 64) -> float:
    """Mean Wasserstein-1 distance of two sets of equal size, projected on directions that are always the same.

    Args:
        x: samples, (n, ...).
        y: samples, (n, ...).
        directions: how many.

    References:
        Bonneel et al. 2015, doi 10.1007/s10851-014-0506-3.

    Example:
        >>> import numpy as np
        >>> a = np.random.default_rng(0).normal(size=(500, 1))
        >>> round(sliced_wasserstein(a, a + 3.0), 4)
        3.0
    """
    x, y = _rows(x), _rows(y)
    v = np.random.default_rng(6583).normal(size=(x.shape[1], directions))
    v /= np.linalg.norm(v, axis=0)
    return float(np.mean(np.abs(np.sort(x @ v, axis=0) - np.sort(y @ v, axis=0))))


def mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Squared maximum mean discrepancy, unbiased, with Gaussian kernels of 1/2, 1 and 2 times the data's spread.

    References:
        Gretton et al. 2012, JMLR 13, eq. 3.

    Example:
        >>> import numpy as np
        >>> a, b = np.random.default_rng(0).normal(size=(2, 400, 2))
        >>> abs(mmd(a, b)) < 0.01 < mmd(a, b + 1.0)
        True
    """
    x, y = _rows(x), _rows(y)
    scale = 2.0 * np.sum(np.var(x, axis=0)) + 1e-12

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        squares = np.sum(a * a, 1)[:, None] + np.sum(b * b, 1)[None] - 2.0 * a @ b.T
        wide = np.exp(
            -squares / (4.0 * scale)
        )  # its 4th and 16th powers are those of half the width and a quarter
        middle = np.square(np.square(wide))
        return (wide + middle + np.square(np.square(middle))) / 3.0

    def within(own: np.ndarray) -> float:
        return (np.sum(own) - np.trace(own)) / (len(own) * (len(own) - 1))

    return float(within(kernel(x, x)) + within(kernel(y, y)) - 2.0 * np.mean(kernel(x, y)))


def modes(problem: Problem, x: ArrayLike) -> tuple[int, float]:
    """How many modes of a mixture samples cover, and the share of samples near any mode.

    A sample is near its nearest centre within three standard deviations (a mode without spread: within a tenth of
    the least distance of two centres); a mode is covered by a tenth of its fair share of near samples.

    Example:
        >>> import jax
        >>> from diracgan.training.problems import problem
        >>> made = problem("ring8")
        >>> modes(made, made.draw(jax.random.key(0), 1000).x)[0]
        8
    """
    spread = float(problem.spread)
    return _covered(problem, x, 3.0 * spread if spread > 0 else 0.1 * _gap(problem))


def nearest_modes(problem: Problem, x: ArrayLike) -> int:
    """How many modes of a mixture are the nearest one of a tenth of their fair share of samples.

    Counted are samples no farther from a mode than its nearest neighbour is. Where samples are smeared about the modes
    this stays, and :func:`modes` falls; where modes are lost, or all samples lie in the middle, both fall.

    Example:
        >>> from diracgan.training.problems import problem
        >>> made = problem("points8")
        >>> modes(made, 1.2 * made.data)[0], nearest_modes(made, 1.2 * made.data), nearest_modes(made, made.data[:3])
        (0, 8, 3)
    """
    return _covered(problem, x, _gap(problem))[0]


def _gap(problem: Problem) -> float:
    """The least distance of two modes."""
    centres = _rows(problem.data)
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    return float(gaps[gaps > 0].min())


def _covered(problem: Problem, x: ArrayLike, reach: float) -> tuple[int, float]:
    """How many modes have a tenth of their fair share of the samples within ``reach``, and their share of all."""
    x, centres = _rows(x), _rows(problem.data)
    distance = np.linalg.norm(x[:, None] - centres[None], axis=-1)
    near = distance.min(axis=1) <= reach
    counts = np.bincount(distance.argmin(axis=1)[near], minlength=len(centres))
    return int(np.sum(counts >= max(1.0, 0.1 * len(x) / len(centres)))), float(np.mean(near))


def _rows(x: ArrayLike) -> np.ndarray:
    x = np.asarray(x, np.float64)
    return x.reshape(len(x), -1)


def inception_score(probabilities: ArrayLike) -> float:
    """exp of the mean KL(p(y|x) || p(y)): probabilities (n, classes) -> a scalar in [1, classes].

    References:
        Salimans et al. 2016 (arXiv 1606.03498), section 4; here of whatever classifier gave the probabilities.

    Example:
        >>> import numpy as np
        >>> round(inception_score(np.eye(10)), 3), round(inception_score(np.full((5, 10), 0.1)), 3)
        (10.0, 1.0)
    """
    p = np.clip(np.asarray(probabilities, np.float64), 1e-12, 1.0)
    return float(np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(axis=0))), axis=1))))


def frechet(x: ArrayLike, y: ArrayLike) -> float:
    """Squared Frechet distance of two sets of features as Gaussians, in float64.

    |m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x^(1/2) C_y C_x^(1/2))^(1/2)).

    References:
        Heusel et al. 2017 (arXiv 1706.08500), eq. 6; here of whatever features are given.

    Example:
        >>> import numpy as np
        >>> a = np.random.default_rng(0).normal(size=(5000, 3))
        >>> round(frechet(a, a + [1.0, 0.0, 0.0]), 6)
        1.0
    """
    x, y = _rows(x), _rows(y)
    c_x, c_y = (np.atleast_2d(np.cov(a, rowvar=False)) for a in (x, y))
    values, vectors = np.linalg.eigh(c_x)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c_y @ root), 0)).sum()
    apart = x.mean(axis=0) - y.mean(axis=0)
    return float(apart @ apart + np.trace(c_x) + np.trace(c_y) - 2 * cross)


def probe(features: ArrayLike, labels: Any, classes: int, ridge: float = 1e-2) -> float:
    """Accuracy of a linear classifier on features: ridge regression on the first half, tested on the second.

    References:
        Radford et al. 2015 (arXiv 1511.06434), section 5: D as a feature extractor.
    """
    f = np.asarray(features, np.float64)
    f = (f - f.mean(axis=0)) / (f.std(axis=0) + 1e-8)
    f = np.concatenate([f, np.ones((len(f), 1))], axis=1)
    half, y = len(f) // 2, np.asarray(labels)
    gram = f[:half].T @ f[:half] + ridge * half * np.eye(f.shape[1])
    w = np.linalg.solve(gram, f[:half].T @ np.eye(classes)[y[:half]])
    return float(np.mean(np.argmax(f[half:] @ w, axis=1) == y[half:]))


def path(
    setup: TrainingSetup, a: Players, b: Players, seed: Any = 0, points: int = 21
) -> dict[str, list[float]]:
    """Path angle and path norm on the straight line from one pair of players to another.

    With v the joint field on one minibatch: cosine of v with b - a, and |v|, at ``points`` places. Rotation
    around the end shows as a cosine that changes its sign there, attraction as one that stays positive.

    References:
        Berard et al. 2020 (arXiv 1906.04848), section 4.
    """
    found = _path(setup, a, b, jnp.asarray(seed, jnp.uint32), jnp.linspace(-0.5, 1.5, points))
    return {n: [float(v) for v in x] for n, x in found.items()}


@eqx.filter_jit
def _path(setup: TrainingSetup, a: Players, b: Players, seed: Array, places: Array) -> dict[str, Array]:
    on = game_of(setup, seed, _LOOKING, a, 0)
    way = jax.tree.map(jnp.subtract, b, a)

    def at(place: Array) -> tuple[Array, Array]:
        v = on.velocity(jax.tree.map(lambda p, w: p + place.astype(p.dtype) * w, a, way))
        along = sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(v), jax.tree.leaves(way), strict=True))
        size = length(v)
        return along / jnp.maximum(size * length(way), 1e-30), size

    cosine, norm = jax.lax.map(at, places)
    return {"place": places, "path_angle": cosine, "path_norm": norm}


def singular_values(players: Players, count: int = 3) -> dict[str, list[float]]:
    """The top ``count`` singular values of every weight of both players, by ``d/`` or ``g/`` and the layer's place."""
    found = {}
    for who, network in (("d", players.phi), ("g", players.theta)):
        found |= {f"{who}/{n}": s for n, s in networks.singular_values(network, count).items()}
    return found


def scalars(setup: TrainingSetup, state: TrainState, generator: Pytree) -> dict[str, float]:
    """The scalars of one state, and of samples of ``generator`` (the generator, or one of its averages).

    Losses and mean logits on a minibatch; ``margin``: the least real logit less the largest fake one; norms of both
    players; mean |grad D| at real and fake samples; distance (sliced Wasserstein) and MMD of samples to the data; the
    spread of samples and of the data (root mean square distance from their mean, by the root of the dimension);
    on mixtures the modes covered, the share of samples near one, and the modes that are the nearest of some.
    """
    values, pair = _scalars(setup, state, generator)
    found = {n: float(x) for n, x in values.items()}
    if pair is None or not all(np.all(np.isfinite(x)) for x in pair):
        return found
    real, made = pair
    found["distance"] = sliced_wasserstein(real, made)
    found["mmd"] = mmd(real[:512], made[:512])
    for name, some in (("spread", made), ("spread_real", real)):
        found[name] = float(np.sqrt(np.mean(np.var(_rows(some), axis=0))))
    if setup.problem.modes:
        covered, found["near"] = modes(setup.problem, made)
        found["modes"] = float(covered)
        found["nearest_modes"] = float(nearest_modes(setup.problem, made))
    return found


@eqx.filter_jit
def _scalars(
    setup: TrainingSetup, state: TrainState, generator: Pytree
) -> tuple[dict[str, Array], tuple[Array, Array] | None]:
    on: MinibatchGame = game_of(setup, state.seed, _LOOKING, state.past, state.step).at(state.step)
    z = state.inner.players
    x = on.shown("critic", on.fake(z))
    real, fake = on.judged(z.phi, x)
    found = {
        "loss_d": loss_value(on.variant, "critic_loss", real, fake, x),
        "loss_g": on.generator_loss(z),
        "d_real": jnp.mean(real),
        "d_fake": jnp.mean(fake),
        "margin": jnp.min(real) - jnp.max(fake),
        "norm_d": length(z.phi),
        "norm_g": length(z.theta),
    }
    plain = functools.partial(networks.critic, how=on.seen._replace(key=None))  # nothing dropped
    view = dataclasses.replace(on, critic=plain).view(z.phi)
    for name, some in (("real", x.real), ("fake", x.fake)):
        found[f"slope_{name}"] = jnp.mean(jnp.sqrt(squared_slopes(view, some[:128])))
    if setup.problem.inputs == 0:
        return found, None
    keys = jax.random.split(jax.random.fold_in(seeded(state.seed), _LOOKING + 1))
    made, _ = sample(setup, generator, keys[1], _SAMPLES)
    return found, (setup.problem.draw(keys[0], _SAMPLES).x, made)


def judged_by(classifier: Pytree, problem: Problem, made: Array, real: Array) -> dict[str, Any]:
    """Scores that a classifier of the same data gives: Inception-style score, Frechet distance, share per class.

    Args:
        classifier: from :func:`diracgan.training.classifier.train_classifier`.
        problem: whose classes it knows.
        made: samples, (n, ...).
        real: as many real ones.
    """
    chances, features = (np.asarray(a) for a in _classified(classifier, made))
    known, own = (np.asarray(a) for a in _classified(classifier, real))
    share = np.bincount(chances.argmax(axis=1), minlength=problem.classes) / len(chances)
    return {
        "inception": inception_score(chances),
        "inception_real": inception_score(known),
        "frechet": frechet(features, own),
        "classes": [round(float(s), 6) for s in share],
    }


@eqx.filter_jit
def _classified(classifier: Pytree, x: Array) -> tuple[Array, Array]:
    f = classifier.features(x)
    return jax.nn.softmax(classifier.head(f)), f.reshape(len(f), -1)


@eqx.filter_jit
def critic_features(setup: TrainingSetup, players: Players, x: Array) -> Array:
    """The critic's features of unlabelled samples: (n, ...) -> (n, k)."""
    network = constrain(setup.variant, players.phi)
    return network.features(x, Pass(None, setup.reference)).reshape(len(x), -1)
