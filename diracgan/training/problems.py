"""Problems: real samples and latent draws, made on the device from a key.

A :class:`Problem` is a pytree: its data are leaves, so that a compiled step takes them as an argument. ``draw(key, n)``
gives a minibatch; ``everything()`` the whole of a finite data set, for a game without randomness. Pixels are scaled
to [-1, 1].
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..errors import (
    InputError,
    Written,
    flag,
    integer,
    mapping,
    number,
    one_line,
    one_of,
    real_array,
    shown,
    unknown,
)
from ..game import Players
from ..jax_settings import own_settings
from ..registry import Registry, settings, source
from . import data_files, latent
from .data_files import FAR
from .random import normal


class Batch(NamedTuple):
    """A minibatch: real samples (n, ...), what the generator is fed, and labels (n,) or None."""

    x: Array
    z: Array | None
    labels: Array | None = None


class Problem(eqx.Module):
    """Real samples, and what the generator is fed.

    Attributes:
        data: the samples of a finite set, (N, *shape), or the centres of a mixture.
        labels: their classes, (N,) int32, or None.
        spread: standard deviation of a mixture around its centres; 0 for a finite set.
        inputs_data: what the generator is fed with each sample of a paired problem, (N, ...), or None.
        name: what the problem is called.
        shape: of one sample.
        inputs: how many numbers z has.
        classes: number of classes, 0 without labels.
        images: whether samples are images in [-1, 1].
        network: the kind of network that fits.
        mixture: whether the rows of ``data`` are centres of a mixture, each draw spread around one.
        fixed: whether every draw is the same (no randomness in the data).
        prior: what z is drawn from: ``"normal"``, or ``"uniform"`` on [-1, 1].
        training: settings of a run of it that differ from the usual ones, by their names: steps, batch.
        spec: name and options that make the problem again.

    Example:
        >>> import jax, diracgan as dg
        >>> made = dg.training.problem("ring8")
        >>> made.draw(jax.random.key(0), 4).x.shape
        (4, 2)
    """

    data: Array
    labels: Array | None
    spread: Array
    inputs_data: Array | None
    shape: tuple[int, ...] = eqx.field(static=True)
    inputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True, default="")
    classes: int = eqx.field(static=True, default=0)
    images: bool = eqx.field(static=True, default=False)
    network: str = eqx.field(static=True, default="mlp")
    mixture: bool = eqx.field(static=True, default=False)
    fixed: bool = eqx.field(static=True, default=False)
    prior: str = eqx.field(static=True, default="normal")
    training: tuple[tuple[str, int], ...] = eqx.field(static=True, default=())
    spec: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())

    @property
    def size(self) -> int:
        """How many numbers a sample has."""
        return int(np.prod(self.shape))

    @property
    def paired(self) -> bool:
        """Whether each real sample belongs to one input of the generator."""
        return self.inputs_data is not None

    @property
    def modes(self) -> bool:
        """Whether the rows of ``data`` are modes that a generator can miss."""
        return self.mixture and len(self.data) > 1

    def draw(self, key: Array, count: int) -> Batch:
        """A minibatch of ``count`` samples, with replacement, and as many inputs."""
        if self.fixed:
            return Batch(self.data, None if self.inputs == 0 else self.latent(key, len(self.data)))
        which, draws = jax.random.split(key)
        rows = jax.random.bits(which, (count,)) % len(self.data)
        # one draw of all normal numbers: random numbers are most of what a small game's step takes to compile
        inputs = 0 if self.paired else self.inputs
        shape = (count, inputs + (self.size if self.mixture else 0))
        numbers = normal(draws, shape, self.data.dtype)
        x = self.data[rows]
        if self.mixture:
            x = x + self.spread * numbers[:, inputs:].reshape(x.shape)
        z = self._from_normal(numbers[:, :inputs]) if self.inputs_data is None else self.inputs_data[rows]
        return Batch(x, z, None if self.labels is None else self.labels[rows])

    def latent(
        self, key: Array, count: int, truncation: float | None = None, truncate: str = "entries"
    ) -> Array:
        """The generator's inputs from the prior, (count, inputs).

        Args:
            key: a random key.
            count: how many.
            truncation: what lies beyond this is drawn again (arXiv 1809.11096, section 3.1), or None.
            truncate: what lies beyond it: ``"entries"`` by their absolute value, or a whole z by its ``"norm"``.

        Raises:
            InputError: for a uniform z by its norm.
        """
        if self.inputs_data is not None:
            return self.inputs_data[jax.random.randint(key, (count,), 0, len(self.inputs_data))]
        shape, dtype = (count, self.inputs), self.data.dtype
        if truncation is None:
            return self._from_normal(normal(key, shape, dtype))
        if self.prior == "uniform":
            if truncate == "norm":
                raise InputError("a uniform z is not truncated by its norm; allowed: truncate = entries")
            limit = min(truncation, 1.0)
            return jax.random.uniform(key, shape, dtype, -limit, limit)
        if truncate == "norm":
            return latent.within(key, shape, truncation, dtype)
        return jax.random.truncated_normal(key, -truncation, truncation, shape, dtype)

    def _from_normal(self, numbers: Array) -> Array:
        return numbers if self.prior == "normal" else latent.uniform_of(numbers)

    def everything(self, key: Array, count: int = 0) -> Batch:
        """Every sample of a finite set once (of a mixture ``count`` draws), with inputs that stay: no minibatches."""
        if self.mixture:
            return self.draw(key, count or 1024)
        z = self.inputs_data if self.paired else self.latent(key, len(self.data))
        return Batch(self.data, z if self.inputs else None, self.labels)

    def start(self) -> Players:
        """Where linear players start: phi0_i = 0.1 i and theta0 its reverse (d = 1: 0.1 and 0.2)."""
        options, d = dict(self.spec), self.shape[0]
        line = 0.1 * np.arange(1, d + 1)
        usual = {"phi0": line, "theta0": np.array([0.2]) if d == 1 else line[::-1]}
        given = [_vector(n, options[n]) if n in options else x for n, x in usual.items()]
        return Players(*(jnp.asarray(x, self.data.dtype) for x in given))


PROBLEMS: Registry[Callable[..., Problem]] = Registry(
    "problem", lambda make: (inspect.getdoc(make) or "").split("\n", 1)[0].rstrip(".")
)
PRIORS = ("normal", "uniform")  # of the generator's inputs
M = TypeVar("M", bound=Callable[..., Problem])


def register_problem(name: str, reference: str = "") -> Callable[[M], M]:
    """Give a function that makes a :class:`Problem` its name; ``diracgan train`` and ``dg.train`` then know it.

    The function's arguments are the problem's options, its docstring's first line is what lists show. An argument
    annotated ``Path`` is a file: a run remembers where it lies, and the first one may be given without its name.

    Args:
        name: what the problem is called, without ``:``, ``,`` or ``=``.
        reference: where the data come from.

    Raises:
        InputError: for a bad name, one that another function has, or what is not a function.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> @dg.register_problem("half-moon")
        ... def half_moon(count=200, latent=8):
        ...     "Points on a half circle in the plane."
        ...     t = np.linspace(0.0, np.pi, int(count))
        ...     return dg.training.samples(np.stack([np.cos(t), np.sin(t)], axis=1), latent=latent)
        >>> dg.training.problem("half-moon:count=50").data.shape
        (50, 2)
    """

    PROBLEMS.check(name, reference)

    def give(make: M) -> M:
        if not callable(make):
            raise InputError(
                f"a problem is made by a function, which {shown(make)} is not; allowed: a function"
            )
        PROBLEMS.add(name, make, reference)
        return make

    return give


def problem(name: str, **options: Any) -> Problem:
    """A registered problem.

    Args:
        name: ``NAME[:k=v,...]``, see :func:`problems`, or ``PATH.py:NAME[:k=v,...]``; ``idx:PATH`` and ``npz:PATH``
            name a file, ``idx:PATH,labels=PATH`` its labels too.
        **options: the problem's own, e.g. ``latent=16``; of every problem with random inputs ``prior``, what these are
            drawn from: ``"normal"``, or ``"uniform"`` on [-1, 1] as in DCGAN (arXiv 1511.06434, section 4).

    Raises:
        InputError: for an unknown name or option, or a file that is not what it should be.

    Example:
        >>> made = problem("ring8")
        >>> made.data.shape, made.inputs
        ((8, 2), 2)
    """
    head, rest = PROBLEMS.find(name)
    make = PROBLEMS[head]
    known = inspect.signature(make).parameters
    files = [k for k, p in known.items() if "Path" in str(p.annotation)]
    names = [*known, "prior"]
    given = {**settings(rest, name, first=files[0] if files else None, known=names), **options}
    for key in given:
        if key not in names:
            raise unknown(f"option of the problem {head}", key, names)
    prior = given.pop("prior", "normal")
    if prior not in PRIORS:
        raise unknown("prior", prior, PRIORS)
    missing = [k for k, p in known.items() if p.default is p.empty and k not in given]
    if missing:
        raise InputError(f"the problem {head!r} needs {missing[0]}; allowed: {head}:{missing[0]}=...")
    given = {k: _typed(x, known[k].default) for k, x in given.items()}
    made = _run(make, head, given)
    if not isinstance(made, Problem):
        raise InputError(f"the problem {head!r} makes a {type(made).__name__}; allowed: a diracgan.Problem")
    plain = {k: _absolute(x) if k in files else _plain(x) for k, x in sorted(given.items())}
    if prior != made.prior:
        if made.paired or not made.inputs:
            raise InputError(f"the problem {head!r} draws no inputs at random; allowed: no prior")
        plain["prior"] = prior
    return dataclasses.replace(
        made, name=head, prior=prior, spec=(("name", source(make, head)), *plain.items())
    )


def _typed(given: Any, usual: Any) -> Any:
    """What is written in a specification as a number, where the default is one and the text is one."""
    if not isinstance(given, Written) or type(usual) not in (int, float):
        return given
    try:
        return type(usual)(given)
    except ValueError:
        return given


def _run(make: Callable[..., Problem], name: str, given: dict[str, Any]) -> Problem:
    try:
        return make(**given)
    except Exception as error:
        if isinstance(error, InputError) or make.__module__ == __name__:
            raise
        raise InputError(f"the problem {name!r} failed: {one_line(error)}") from error  # a user's own


def problems() -> dict[str, str]:
    """Name -> one line of every problem.

    Example:
        >>> list(problems())[:3]
        ['dirac', 'point', 'curve']
    """
    return PROBLEMS.summaries()


def options(name: str) -> dict[str, Any]:
    """Option -> default of a problem; None for one that must be given or is worked out.

    Example:
        >>> options("ring8")
        {'radius': 2.0, 'std': 0.02, 'latent': 2}
    """
    given = inspect.signature(PROBLEMS[name]).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in given}


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(float(v) for v in value)
    return value


def _absolute(path: str | os.PathLike[str]) -> str:
    """A file's whole path, so that a run can be repeated from another folder."""
    return str(path) if str(path) == "none" else str(Path(path).resolve())


@own_settings()
def samples(
    data: ArrayLike,
    *,
    latent: int = 8,
    labels: ArrayLike | None = None,
    pairs: ArrayLike | None = None,
    spread: float = 0.0,
    mixture: bool = False,
    images: bool = False,
    network: str = "mlp",
    fixed: bool = False,
    training: Mapping[str, int] | None = None,
) -> Problem:
    """The problem of an array of samples.

    Args:
        data: the samples, (N, ...), or the centres of a mixture.
        latent: how many numbers the generator is fed.
        labels: the samples' classes 0, 1, ..., (N,), or None.
        pairs: what the generator is fed with each sample, (N, ...), in place of random numbers; or None.
        spread: standard deviation around the centres of a mixture.
        mixture: whether ``data`` are centres.
        images: whether samples are images, (height, width, channels) with values in [-1, 1].
        network: the kind of network that fits: ``"mlp"``, ``"dcgan"`` or ``"linear"``.
        fixed: whether every draw is the whole of ``data``.
        training: settings of a run of it that differ from the usual ones: ``{"steps": 5000}``.

    Returns:
        A :class:`Problem`.

    Example:
        >>> samples([[0.0, 1.0], [1.0, 0.0]], latent=2).shape
        (2,)
    """
    numbers = (
        isinstance(data, (np.ndarray, Array)) and data.dtype.kind in "biuf"
    )  # kept as they are: they may be many
    x = jnp.asarray(np.asarray(data) if numbers else real_array("data", data), jnp.result_type(float))
    if not x.ndim or not x.size:
        raise InputError(f"data have the shape {x.shape}; allowed: (N, ...), at least one sample")
    for name, value in (("mixture", mixture), ("images", images), ("fixed", fixed)):
        flag(name, value)
    one_of("network", network, ("mlp", "dcgan", "linear"))
    training = None if training is None else mapping("training", training, "settings by name")
    labels = None if labels is None else real_array("labels", labels, (len(x),))
    pairs = None if pairs is None else real_array("pairs", pairs, (len(x), *[None] * (np.ndim(pairs) - 1)))
    return Problem(
        x,
        None if labels is None else jnp.asarray(labels, jnp.int32),
        jnp.asarray(number("spread", spread, low=0), x.dtype),
        None if pairs is None else jnp.asarray(pairs, x.dtype),
        shape=x.shape[1:],
        inputs=integer("latent", latent, low=0),
        classes=0 if labels is None else int(np.max(labels)) + 1,
        mixture=mixture,
        images=images,
        network=network,
        fixed=fixed,
        training=tuple((training or {}).items()),
    )


def _vector(name: str, value: Any) -> np.ndarray:
    entries = [value] if np.ndim(value) == 0 and not isinstance(value, str) else value
    if isinstance(entries, Written):
        entries = [Written(e) for e in entries.replace(";", " ").split()]
    if isinstance(entries, str):
        raise InputError(f"{name} = {shown(value)} is not a number or a list of them; allowed: real numbers")
    made = np.array([number(name, e, low=-FAR, high=FAR) for e in entries])
    if not made.size:
        raise InputError(f"{name} is empty; allowed: at least one number")
    return made


@register_problem("dirac")
def _dirac(x0: Any = 0.0, dim: Any = None, phi0: Any = None, theta0: Any = None) -> Problem:
    """The Dirac system itself: the datum x0, linear players."""
    datum = _vector("x0", x0)
    given = [len(_vector(n, v)) for n, v in (("phi0", phi0), ("theta0", theta0)) if v is not None]
    d = integer("dim", dim, low=1) if dim is not None else max([len(datum), *given])
    if len(datum) not in (1, d) or any(n != d for n in given):
        raise InputError(f"x0, phi0 and theta0 must have {d} entries; they have {[len(datum), *given]}")
    data = np.broadcast_to(datum, (1, d))
    return samples(data, latent=0, network="linear", fixed=True)


@register_problem("point")
def _point(x0: Any = (1.0, 0.5), latent: Any = 8) -> Problem:
    """One data point, networks on both sides."""
    return samples(_vector("x0", x0)[None], latent=latent)


@register_problem("curve")
def _curve(count: Any = 48, latent: Any = 8) -> Problem:
    """48 points on a closed curve in the plane."""
    t = 2 * np.pi * np.arange(integer("count", count, low=3)) / int(count)
    r = 1.0 + 0.3 * np.cos(3 * t)
    return samples(np.stack([r * np.cos(t), r * np.sin(t)], axis=1), latent=latent)


@register_problem("points8")
def _points8(radius: Any = 1.0, latent: Any = 8) -> Problem:
    """8 points on a circle."""
    return samples(
        number("radius", radius, low=0, high=FAR, open_low=True) * _circle(8), latent=latent, mixture=True
    )


@register_problem("gauss2d")
def _gauss2d(mean: Any = (1.0, -0.5), std: Any = 0.5, latent: Any = 8) -> Problem:
    """One Gaussian in the plane."""
    spread = number("std", std, low=0, high=FAR, open_low=True)
    return samples(_vector("mean", mean)[None], latent=latent, spread=spread, mixture=True)


# Narrow modes, far apart: found one after the other, in some 3,000 steps, and sharp with batches of 256; from a plane
# of inputs a tanh network folds all of them at once, from 8 inputs it leaves some out.
_MANY_MODES = {"steps": 5000, "batch": 256}


@register_problem("ring8")
def _ring8(radius: Any = 2.0, std: Any = 0.02, latent: Any = 2) -> Problem:
    """8 Gaussians on a circle of radius 2, standard deviation 0.02."""
    r = number("radius", radius, low=0, high=FAR, open_low=True)
    spread = number("std", std, low=0, high=FAR)
    return samples(r * _circle(8), latent=latent, spread=spread, mixture=True, training=_MANY_MODES)


@register_problem("grid25")
def _grid25(step: Any = 2.0, std: Any = 0.05, latent: Any = 2) -> Problem:
    """25 Gaussians on a square grid of step 2, standard deviation 0.05."""
    line = number("step", step, low=0, high=FAR, open_low=True) * np.arange(-2, 3)
    centres = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    spread = number("std", std, low=0, high=FAR)
    return samples(centres, latent=latent, spread=spread, mixture=True, training=_MANY_MODES)


@register_problem("digits", reference="scikit-learn, load_digits")
def _digits(latent: Any = 32) -> Problem:
    """scikit-learn's 1797 handwritten digits of 8x8 pixels, with labels."""
    images, labels = data_files.digits()
    return _images(images, labels, latent)


@register_problem("idx")
def _idx(path: Path | str, labels: Path | str | None = None, pad: Any = 0, latent: Any = 64) -> Problem:
    """Images of an IDX file (MNIST and its family), gz or not; labels from the file of the same family."""
    pixels, classes = data_files.idx_images(path, labels)
    return _images(_framed(pixels, pad), classes, latent)


@register_problem("npz")
def _npz(path: Path | str, key: Any = None, labels: Any = None, pad: Any = 0, latent: Any = 64) -> Problem:
    """Any array of vectors or images (n, ...) in an .npz file; integers are pixels of 0 to 255."""
    data, classes = data_files.npz(path, key, labels)
    if data.ndim >= 3:
        return _images(_framed(data, pad), classes, latent)
    return samples(data, latent=latent, labels=classes)


@register_problem("denoise")
def _denoise(std: Any = 0.5) -> Problem:
    """Noisy digits to clean ones: the generator is fed an image, and each has its true answer."""
    images, labels = data_files.digits()
    sigma = number("std", std, low=0, high=FAR)
    noise = np.random.default_rng(0).normal(size=images.shape)
    pairs = (images + sigma * noise).reshape(len(images), -1)
    return samples(images, latent=pairs.shape[1], images=True, pairs=pairs, labels=labels)


def _circle(count: int) -> np.ndarray:
    t = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def _images(images: np.ndarray, labels: np.ndarray | None, latent: Any) -> Problem:
    square = images.shape[1] == images.shape[2] and images.shape[1] % 2 == 0 and 8 <= images.shape[1] <= 64
    kind = "dcgan" if square else "mlp"
    return samples(images, latent=latent, images=True, network=kind, labels=labels)


def _framed(images: np.ndarray, pad: Any) -> np.ndarray:
    """Images with a frame of ``pad`` dark pixels."""
    frame = integer("pad", pad, low=0)
    return np.pad(images, ((0, 0), (frame, frame), (frame, frame), (0, 0)), constant_values=-1.0)
