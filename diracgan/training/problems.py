"""What is learned: real samples and the generator's inputs, drawn on the device from a key.

A :class:`Problem` is a pytree: its data are leaves, so that a compiled step takes them as an argument. ``draw(key, n)``
gives a minibatch; ``everything()`` the whole of a finite data set, for a game without randomness. Pixels are scaled
to [-1, 1].
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError, integer, number, unknown
from ..game import Players
from . import data_files
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
        modes: whether the rows of ``data`` are modes that a generator can miss.
        fixed: whether every draw is the same (no randomness in the data).
        spec: name and options that make the problem again.
    """

    data: Array
    labels: Array | None
    spread: Array
    inputs_data: Array | None
    name: str = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    inputs: int = eqx.field(static=True)
    classes: int = eqx.field(static=True, default=0)
    images: bool = eqx.field(static=True, default=False)
    network: str = eqx.field(static=True, default="mlp")
    modes: bool = eqx.field(static=True, default=False)
    fixed: bool = eqx.field(static=True, default=False)
    spec: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())

    @property
    def size(self) -> int:
        """How many numbers a sample has."""
        return int(np.prod(self.shape))

    @property
    def paired(self) -> bool:
        """Whether each real sample belongs to one input of the generator."""
        return self.inputs_data is not None

    def draw(self, key: Array, count: int) -> Batch:
        """A minibatch of ``count`` samples, with replacement, and as many inputs."""
        if self.fixed:
            return Batch(self.data, None if self.inputs == 0 else self.latent(key, len(self.data)))
        which, draws = jax.random.split(key)
        rows = jax.random.bits(which, (count,)) % len(self.data)
        blurred = self.modes or self.name == "gauss2d"
        # one draw of all normal numbers: random numbers are most of what a small game's step takes to compile
        inputs = 0 if self.paired else self.inputs
        shape = (count, inputs + (self.size if blurred else 0))
        numbers = normal(draws, shape, self.data.dtype)
        x = self.data[rows]
        if blurred:
            x = x + self.spread * numbers[:, inputs:].reshape(x.shape)
        z = numbers[:, :inputs] if self.inputs_data is None else self.inputs_data[rows]
        return Batch(x, z, None if self.labels is None else self.labels[rows])

    def latent(self, key: Array, count: int, truncation: float | None = None) -> Array:
        """The generator's inputs, standard normal, (count, inputs).

        Args:
            key: a random key.
            count: how many.
            truncation: entries beyond this are drawn again (arXiv 1809.11096, section 3.1), or None.
        """
        if self.inputs_data is not None:
            return self.inputs_data[jax.random.randint(key, (count,), 0, len(self.inputs_data))]
        shape, dtype = (count, self.inputs), self.data.dtype
        if truncation is None:
            return normal(key, shape, dtype)
        return jax.random.truncated_normal(key, -truncation, truncation, shape, dtype)

    def everything(self, key: Array, count: int = 0) -> Batch:
        """Every sample of a finite set once (of a mixture ``count`` draws), with inputs that stay: no minibatches."""
        if self.modes or self.name == "gauss2d":
            return self.draw(key, count or 1024)
        z = self.inputs_data if self.paired else self.latent(key, len(self.data))
        return Batch(self.data, z if self.inputs else None, self.labels)

    def start(self) -> Players:
        """Where the Dirac players start: phi0_i = 0.1 i and theta0 its reverse (d = 1: 0.1 and 0.2)."""
        options, d = dict(self.spec), self.shape[0]
        line = 0.1 * np.arange(1, d + 1)
        usual = {"phi0": line, "theta0": np.array([0.2]) if d == 1 else line[::-1]}
        given = [_vector(n, options[n]) if n in options else x for n, x in usual.items()]
        return Players(*(jnp.asarray(x, self.data.dtype) for x in given))


def problem(name: str, **options: Any) -> Problem:
    """A registered problem.

    Args:
        name: see :func:`problems`; ``idx:PATH`` and ``npz:PATH`` name a file, ``idx:PATH,labels=PATH`` its labels.
        **options: the problem's own, e.g. ``latent=16``.

    Raises:
        InputError: for an unknown name or option, or a file that is not what it should be.

    Example:
        >>> made = problem("ring8")
        >>> made.data.shape, made.inputs
        ((8, 2), 8)
    """
    head, _, rest = name.partition(":")
    if head in ("idx", "npz") and rest:
        options = {**_file(head, rest), **options}
    elif rest:
        options = {**_settings(rest, name), **options}
    if head not in _MAKERS:
        raise unknown("problem", head, _MAKERS)
    known = inspect.signature(_MAKERS[head]).parameters
    for key in options:
        if key not in known:
            raise unknown(f"option of the problem {head}", key, known)
    made = _MAKERS[head](**options)
    files_ = {"path", "labels"} if head == "idx" else {"path"}
    plain = {k: _absolute(x) if k in files_ else _plain(x) for k, x in sorted(options.items())}
    return _with(made, spec=(("name", head), *plain.items()))


def problems() -> dict[str, str]:
    """Name -> one line of every problem.

    Example:
        >>> list(problems())[:3]
        ['dirac', 'point', 'curve']
    """
    return {n: (inspect.getdoc(f) or "").split("\n", 1)[0].rstrip(".") for n, f in _MAKERS.items()}


def options(name: str) -> dict[str, Any]:
    """Option -> default of a problem; None for one that must be given or is worked out.

    Example:
        >>> options("ring8")
        {'radius': 2.0, 'std': 0.02, 'latent': 8}
    """
    if name not in _MAKERS:
        raise unknown("problem", name, _MAKERS)
    given = inspect.signature(_MAKERS[name]).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in given}


def _with(made: Problem, **changes: Any) -> Problem:
    own = {n: getattr(made, n) for n in made.__dataclass_fields__}
    return Problem(**{**own, **changes})


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(float(v) for v in value)
    return value


def _absolute(path: Any) -> str:
    """A file's whole path, so that a run can be repeated from another folder."""
    return str(path) if str(path) == "none" else str(Path(path).resolve())


def _file(head: str, text: str) -> dict[str, str]:
    """A path, which may hold commas, and the options that follow it."""
    known, found = inspect.signature(_MAKERS[head]).parameters, {}
    while "," in text:
        path, _, last = text.rpartition(",")
        key, equals, value = last.partition("=")
        if not (equals and key in known):
            break
        text, found[key] = path, value
    return {"path": text, **found}


def _settings(text: str, spec: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise InputError(f"{part!r} in {spec!r} is no setting; allowed: name=value, separated by commas")
        found[key.strip()] = value.strip()
    return found


def _made(name: str, data: Any, latent: Any, spread: float = 0.0, **how: Any) -> Problem:
    x = jnp.asarray(np.asarray(data), jnp.result_type(float))
    how.setdefault("shape", x.shape[1:])
    labels, pairs = how.pop("labels", None), how.pop("pairs", None)
    return Problem(
        x,
        None if labels is None else jnp.asarray(labels, jnp.int32),
        jnp.asarray(spread, x.dtype),
        None if pairs is None else jnp.asarray(pairs, x.dtype),
        name=name,
        inputs=integer("latent", latent, low=0),
        **how,
    )


def _vector(name: str, value: Any) -> np.ndarray:
    entries = [value] if np.ndim(value) == 0 and not isinstance(value, str) else value
    if isinstance(entries, str):
        entries = entries.replace(";", " ").split()
    made = np.array([number(name, e) for e in entries])
    if not made.size:
        raise InputError(f"{name} is empty; allowed: at least one number")
    return made


def _dirac(x0: Any = 0.0, dim: Any = None, phi0: Any = None, theta0: Any = None) -> Problem:
    """The Dirac system itself: the datum x0, linear players."""
    datum = _vector("x0", x0)
    given = [len(_vector(n, v)) for n, v in (("phi0", phi0), ("theta0", theta0)) if v is not None]
    d = integer("dim", dim, low=1) if dim is not None else max([len(datum), *given])
    if len(datum) not in (1, d) or any(n != d for n in given):
        raise InputError(f"x0, phi0 and theta0 must have {d} entries; they have {[len(datum), *given]}")
    data = np.broadcast_to(datum, (1, d))
    return _made("dirac", data, 0, network="linear", fixed=True)


def _point(x0: Any = (1.0, 0.5), latent: Any = 8) -> Problem:
    """One data point, networks on both sides."""
    return _made("point", _vector("x0", x0)[None], latent)


def _curve(count: Any = 48, latent: Any = 8) -> Problem:
    """48 points on a closed curve in the plane."""
    t = 2 * np.pi * np.arange(integer("count", count, low=3)) / int(count)
    r = 1.0 + 0.3 * np.cos(3 * t)
    return _made("curve", np.stack([r * np.cos(t), r * np.sin(t)], axis=1), latent)


def _points8(radius: Any = 1.0, latent: Any = 8) -> Problem:
    """8 points on a circle."""
    return _made("points8", number("radius", radius, low=0, open_low=True) * _circle(8), latent, modes=True)


def _gauss2d(mean: Any = (1.0, -0.5), std: Any = 0.5, latent: Any = 8) -> Problem:
    """One Gaussian in the plane."""
    spread = number("std", std, low=0, open_low=True)
    return _made("gauss2d", _vector("mean", mean)[None], latent, spread)


def _ring8(radius: Any = 2.0, std: Any = 0.02, latent: Any = 8) -> Problem:
    """8 Gaussians on a circle of radius 2, standard deviation 0.02."""
    r = number("radius", radius, low=0, open_low=True)
    return _made("ring8", r * _circle(8), latent, number("std", std, low=0), modes=True)


def _grid25(step: Any = 2.0, std: Any = 0.05, latent: Any = 8) -> Problem:
    """25 Gaussians on a square grid of step 2, standard deviation 0.05."""
    line = number("step", step, low=0, open_low=True) * np.arange(-2, 3)
    centres = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return _made("grid25", centres, latent, number("std", std, low=0), modes=True)


def _digits(latent: Any = 32) -> Problem:
    """scikit-learn's 1797 handwritten digits of 8x8 pixels, with labels."""
    images, labels = data_files.digits()
    return _images("digits", images, labels, latent)


def _idx(path: Any, labels: Any = None, pad: Any = 0, latent: Any = 64) -> Problem:
    """Images of an IDX file (MNIST and its family), gz or not; labels from the file of the same family."""
    pixels, classes = data_files.idx_images(path, labels)
    return _images("idx", _framed(pixels, pad), classes, latent)


def _npz(path: Any, key: Any = None, labels: Any = None, pad: Any = 0, latent: Any = 64) -> Problem:
    """Any array of vectors or images (n, ...) in an .npz file; integers are pixels of 0 to 255."""
    data, classes = data_files.npz(path, key, labels)
    if data.ndim >= 3:
        return _images("npz", _framed(data, pad), classes, latent)
    return _made("npz", data, latent, **_labelled(classes))


def _denoise(std: Any = 0.5) -> Problem:
    """Noisy digits to clean ones: the generator is fed an image, and each has its true answer."""
    images, labels = data_files.digits()
    sigma = number("std", std, low=0)
    noise = np.random.default_rng(0).normal(size=images.shape)
    pairs = (images + sigma * noise).reshape(len(images), -1)
    return _made(
        "denoise", images, pairs.shape[1], images=True, pairs=pairs, **_labelled(labels), network="mlp"
    )


_MAKERS: dict[str, Callable[..., Problem]] = {
    "dirac": _dirac,
    "point": _point,
    "curve": _curve,
    "points8": _points8,
    "gauss2d": _gauss2d,
    "ring8": _ring8,
    "grid25": _grid25,
    "digits": _digits,
    "idx": _idx,
    "npz": _npz,
    "denoise": _denoise,
}


def _circle(count: int) -> np.ndarray:
    t = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def _labelled(labels: np.ndarray | None) -> dict[str, Any]:
    return {} if labels is None else {"labels": labels, "classes": int(labels.max()) + 1}


def _images(name: str, images: np.ndarray, labels: np.ndarray | None, latent: Any) -> Problem:
    square = images.shape[1] == images.shape[2] and images.shape[1] % 2 == 0 and 8 <= images.shape[1] <= 64
    kind = "dcgan" if square else "mlp"
    return _made(name, images, latent, images=True, network=kind, **_labelled(labels))


def _framed(images: np.ndarray, pad: Any) -> np.ndarray:
    """Images with a frame of ``pad`` dark pixels."""
    frame = integer("pad", pad, low=0)
    return np.pad(images, ((0, 0), (frame, frame), (frame, frame), (0, 0)), constant_values=-1.0)
