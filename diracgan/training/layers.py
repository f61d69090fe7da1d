"""Layers of small networks: pytrees whose leaves are trained parameters, functions of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..errors import InputError
from ..pytrees import Pytree

_ROUNDS = 24  # of power iteration: two singular values 3 % apart are told to 0.5 %
_EPS = 1e-5  # added to variances
_WIDE = 16  # rows and columns from which on writing out a matrix is little beside a product with it

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky-relu": lambda x: jnp.where(x >= 0, x, 0.2 * x),
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "silu": jax.nn.silu,
    "identity": lambda x: x,
}


class Pass(NamedTuple):
    """What one pass through a network needs besides its input.

    Attributes:
        key: of dropout; None for none.
        reference: a fixed batch of inputs that virtual batch norm takes its statistics from, or None.
        dtype: the floating-point type to compute in; None for that of the parameters.
        condition: what gains and shifts of conditional norms depend on, (n, k), or None.
    """

    key: Any = None
    reference: Any = None
    dtype: Any = None
    condition: Any = None


PLAIN = Pass()  # no dropout, no reference, the parameters' own numbers


class LinearCritic(eqx.Module):
    """The Dirac critic D(x) = w.x, w (d,)."""

    w: Array

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """x (n, d) -> (n,)."""
        return x @ self.w


class PointGenerator(eqx.Module):
    """The Dirac generator: one sample, wherever z is."""

    point: Array

    def __call__(self, z: Pytree, how: Pass = PLAIN) -> Array:
        """Anything -> (1, d)."""
        return self.point[None]


class Weighted(eqx.Module):
    """A layer with a weight, output channels last, a bias or None, and its way of normalising the weight."""

    w: Array
    b: Array | None
    gain: Array | None  # of weight norm
    norm: str = eqx.field(static=True, default="none")

    def kernel(self) -> Array:
        """The weight as it is used: as it is, divided by its spectral norm, or gain w/|w| per output."""
        if self.norm == "spectral":
            return self.w / spectral_norm(self.w)
        if self.gain is not None:
            axes = tuple(range(self.w.ndim - 1))
            return self.w * (self.gain / jnp.sqrt(jnp.sum(self.w**2, axis=axes) + 1e-12))
        return self.w

    def divided(self) -> Weighted:
        """The same layer with its weight divided by its spectral norm."""
        return eqx.tree_at(lambda layer: layer.w, self, self.w / spectral_norm(self.w))

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """The layer on a batch."""
        raise NotImplementedError

    def biased(self, y: Array) -> Array:
        """The output with the bias added, where there is one."""
        return y if self.b is None else y + self.b


class Dense(Weighted):
    """x W + b of whatever a sample's shape is: (n, ...) -> (n, out)."""

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """The layer on a batch."""
        return self.biased(product(x.reshape(len(x), -1), self.kernel()))


class Project(Weighted):
    """z to the first image of a convolutional generator: (n, k) -> (n, side, side, channels)."""

    side: int = eqx.field(static=True, default=4)

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """The layer on a batch; its bias, if any, is one per channel."""
        y = product(x.reshape(len(x), -1), self.kernel()).reshape(len(x), self.side, self.side, -1)
        return self.biased(y)


class Down(Weighted):
    """A strided convolution, usually of kernel 4: halves each side at stride 2, keeps it at stride 1."""

    stride: int = eqx.field(static=True, default=2)

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, h, w, c) -> (n, h/stride, w/stride, out); w (k, k, c, out)."""
        around = len(self.w) - self.stride
        sides = (around // 2, around - around // 2)
        y = jax.lax.conv_general_dilated(
            x, self.kernel(), (self.stride,) * 2, (sides, sides), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return self.biased(y)


class Pool(eqx.Module):
    """The largest or the average number of each 2x2 square: halves each side."""

    kind: str = eqx.field(static=True)  # max or average

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, h, w, c) -> (n, h/2, w/2, c)."""
        n, h, w, c = x.shape
        squares = x.reshape(n, h // 2, 2, w // 2, 2, c).swapaxes(2, 3).reshape(n, h // 2, w // 2, 4, c)
        if self.kind == "average":
            return jnp.mean(squares, axis=3)
        # of equal numbers, which flat parts of images are full of, the first has the whole slope, as in PyTorch
        first = jax.nn.one_hot(jnp.argmax(squares, axis=3), 4, axis=3, dtype=bool)
        return jnp.sum(jnp.where(first, squares, 0.0), axis=3)


class Up(Weighted):
    """A transposed convolution of stride 2, usually of kernel 4: doubles each side.

    Where the stride does not divide the kernel, neighbouring pixels are sums of unequally many terms: a checkerboard
    (Odena et al. 2016, doi 10.23915/distill.00003).
    """

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, h, w, c) -> (n, 2h, 2w, out); w (k, k, c, out)."""
        k = self.kernel()
        return self.biased(transposed(x, k) if len(k) == 4 else _spread(x, k))


def _spread(x: Array, k: Array) -> Array:
    """The transposed convolution of stride 2: x (n, h, w, c), k (k, k, c, out) -> (n, 2h, 2w, out)."""
    sides = ((len(k) + 1) // 2, len(k) // 2)
    return jax.lax.conv_general_dilated(
        x,
        k[::-1, ::-1],
        (1, 1),
        (sides, sides),
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@jax.custom_jvp
def product(x: Array, w: Array) -> Array:
    """x w, whose gradient along w takes as long as the product itself: x (n, in), w (in, out) -> (n, out).

    That gradient is x^T times the output's, and XLA's products on a CPU take 2.4 times as long over a left factor that
    is to be read by columns; so its transpose is written out first.
    """
    return x @ w


@product.defjvp
def _(at: tuple[Array, Array], along: tuple[Array, Array]) -> tuple[Array, Array]:
    (x, w), (dx, dw) = at, along
    wide = min(*x.shape, *w.shape) >= _WIDE
    return product(x, w), product(dx, w) + (_along_weight(x, dw) if wide else x @ dw)


def _along_weight(x: Array, dw: Array) -> Array:
    def by_rows(x: Array, dw: Array) -> Array:
        return jax.lax.optimization_barrier(x.T).T @ dw

    return jax.lax.platform_dependent(x, dw, cpu=by_rows, default=jnp.matmul)


@jax.custom_jvp
def transposed(x: Array, k: Array) -> Array:
    """The transposed convolution of kernel 4 and stride 2: x (n, h, w, c), k (4, 4, c, out) -> (n, 2h, 2w, out).

    It is linear in each, and along k its derivative goes by sub-pixels (:func:`_by_subpixels`): the same numbers, but
    what automatic differentiation makes of the convolution itself takes ten times as long on a CPU.
    """
    return _spread(x, k)


@transposed.defjvp
def _(at: tuple[Array, Array], along: tuple[Array, Array]) -> tuple[Array, Array]:
    (x, k), (dx, dk) = at, along
    return transposed(x, k), transposed(dx, k) + _by_subpixels(x, dk)


def _by_subpixels(x: Array, k: Array) -> Array:
    """The same for all sub-pixels at once: one product with the whole kernel, whose four 2x2 blocks are added where
    they overlap in an image of half the size, before its channels are spread out to pixels."""
    n, h, w, c = x.shape
    out = k.shape[-1]
    # row 2 p + a of the kernel meets row 2 (i + p) + a of the padded output: block p, sub-pixel a
    blocks = k.reshape(2, 2, 2, 2, c, out).transpose(4, 0, 2, 1, 3, 5).reshape(c, 16 * out)
    y = (x.reshape(-1, c) @ blocks).reshape(n, h, w, 2, 2, 4 * out)
    coarse = sum(  # not empty, and so not the int that sum begins with
        jnp.pad(y[:, :, :, p, q], ((0, 0), (p, 1 - p), (q, 1 - q), (0, 0))) for p in (0, 1) for q in (0, 1)
    )
    fine = coarse.reshape(n, h + 1, w + 1, 2, 2, out).transpose(0, 1, 3, 2, 4, 5)  # type: ignore[union-attr]
    return fine.reshape(n, 2 * h + 2, 2 * w + 2, out)[:, 1:-1, 1:-1]


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def normalised(x: Array, gain: Array, shift: Array, axes: tuple[int, ...]) -> Array:
    """gain (x - mean)/deviation + shift per channel, of x (n, ..., c), with its own moments over ``axes``.

    Its derivative is written out, since its transpose then reads the batch twice and not four times.
    """
    scaled, _ = _standard(x, axes)
    return gain * scaled + shift


def _standard(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """The batch with mean 0 and deviation 1 over ``axes``, and one over its deviation."""
    mean = jnp.mean(x, axis=axes, keepdims=True)
    square = jnp.mean(x * x, axis=axes, keepdims=True)
    over = _over(mean, square)
    return (x - mean) * over, over


def _over(mean: Array, square: Array) -> Array:
    """One over the deviation."""
    return jax.lax.rsqrt(jnp.maximum(square - mean * mean, 0.0) + _EPS)


@normalised.defjvp
def _(
    axes: tuple[int, ...], at: tuple[Array, Array, Array], along: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    (x, gain, shift), (dx, dgain, dshift) = at, along
    scaled, over = _standard(x, axes)
    slope = gain * over
    offset = dshift - slope * jnp.mean(dx, axis=axes, keepdims=True)
    tilt = dgain - slope * jnp.mean(scaled * dx, axis=axes, keepdims=True)
    return gain * scaled + shift, slope * dx + offset + scaled * tilt


class Norm(eqx.Module):
    """Normalises activations to mean 0 and variance 1, then gain x + shift per channel.

    ``batch``: over the batch (and the image); ``layer``: over one sample; ``instance``: over one sample's image,
    channel by channel; ``virtual``: with the statistics of a fixed reference batch and the sample itself, so that
    no sample depends on the others of its batch (arXiv 1606.03498, section 3.4).

    A conditional norm adds to gain and shift what is linear in the condition: a row per class, or weights of z
    (arXiv 1707.00683; 1809.11096, section 3).
    """

    gain: Array
    shift: Array
    kind: str = eqx.field(static=True)
    gain_of: Array | None = None  # (k, c), of a conditional norm
    shift_of: Array | None = None

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, ..., c) -> the same shape."""
        gain, shift = self.affine(x.ndim, how)
        if self.kind == "virtual":
            mean, square = self._virtual(x, how)
            return gain * ((x - mean) * _over(mean, square)) + shift
        axes = {
            "batch": tuple(range(x.ndim - 1)),
            "layer": tuple(range(1, x.ndim)),
            "instance": tuple(range(1, x.ndim - 1)),
        }[self.kind]
        return normalised(x, gain, shift, axes)

    def affine(self, ndim: int, how: Pass) -> tuple[Array, Array]:
        """Gain and shift of a batch with ``ndim`` axes: (c,), or (n, 1, ..., c) of a conditional norm."""
        if self.gain_of is None or self.shift_of is None:
            return self.gain, self.shift
        rows = (-1, *[1] * (ndim - 2), len(self.gain))
        gain, shift = ((how.condition @ w).reshape(rows) for w in (self.gain_of, self.shift_of))
        return self.gain + gain, self.shift + shift

    def _virtual(self, x: Array, how: Pass) -> tuple[Array, Array]:
        if how.reference is None:
            raise InputError(
                "virtual batch norm needs a reference batch; allowed: a trainer's pass through it"
            )
        count: int = how.reference
        known, own = x[:count], tuple(range(1, x.ndim - 1))
        share = 1.0 / (count + 1.0)
        moments = []
        for y in (x, x * x):
            of_reference = jnp.mean(y[:count], axis=tuple(range(known.ndim - 1)), keepdims=True)
            moments.append((1.0 - share) * of_reference + share * jnp.mean(y, axis=own, keepdims=True))
        return moments[0], moments[1]


class Activation(eqx.Module):
    """A function of each number, by name."""

    name: str = eqx.field(static=True)

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """The same shape."""
        return ACTIVATIONS[self.name](x)


class Dropout(eqx.Module):
    """Each number is 0 with probability ``rate``, else divided by 1 - rate; nothing without a key."""

    rate: float = eqx.field(static=True)
    index: int = eqx.field(static=True)

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """The same shape."""
        if how.key is None:
            return x
        kept = jax.random.bernoulli(jax.random.fold_in(how.key, self.index), 1.0 - self.rate, x.shape)
        return jnp.where(kept, x / (1.0 - self.rate), 0.0)


class MinibatchStd(eqx.Module):
    """One more feature, the same for a whole batch: the mean standard deviation of its features (1710.10196)."""

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, k) -> (n, k + 1)."""
        spread = jnp.mean(jnp.sqrt(jnp.var(x, axis=0) + 1e-8))
        return jnp.concatenate([x, jnp.broadcast_to(spread, (len(x), 1)).astype(x.dtype)], axis=1)


class MinibatchDifference(eqx.Module):
    """More channels: each sample's difference from the mean of its batch; 0 where one sample is made of all z."""

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, ..., c) -> (n, ..., 2 c)."""
        return jnp.concatenate([x, x - jnp.mean(x, axis=0)], axis=-1)


class MinibatchDiscrimination(eqx.Module):
    """More features: how near the others of the batch are, in learned projections (arXiv 1606.03498, section 3.2).

    o_b(i) = mean over the others j of exp(-|M_ib - M_jb|_1) with M = f T. The source sums: then a feature is as large
    as the batch, the critic's slope along it grows with the batch size, and training diverges.
    """

    t: Array  # (k, kernels, dims)

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """(n, k) -> (n, k + kernels)."""
        m = jnp.einsum("nk,kbc->nbc", x, self.t)
        near = jnp.exp(-jnp.sum(jnp.abs(m[:, None] - m[None]), axis=-1))
        others = max(len(x) - 1, 1)
        return jnp.concatenate([x, (jnp.sum(near, axis=1) - 1.0) / others], axis=1)


class Flat(eqx.Module):
    """Any sample as a row: (n, ...) -> (n, k)."""

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """The layer on a batch."""
        return x.reshape(len(x), -1)


def spectral_norm(w: Array) -> Array:
    """The largest singular value of a weight as a matrix (inputs, outputs); a vector's is its length.

    By power iteration on the smaller Gram matrix, through which derivatives of any order pass.

    Example:
        >>> round(float(spectral_norm(jnp.array([[3.0, 0.0], [0.0, -4.0]]))), 5)
        4.0
    """
    m = w.reshape(-1, w.shape[-1])
    if 1 in m.shape:
        return jnp.sqrt(jnp.sum(m * m))
    gram = m @ m.T if m.shape[0] < m.shape[1] else m.T @ m
    start = 1.0 + 0.5 * jnp.cos(jnp.arange(len(gram), dtype=w.dtype) ** 2)

    def once(_: Array, v: Array) -> Array:
        u = gram @ v
        return u / jnp.sqrt(jnp.sum(u * u) + 1e-30)

    v = jax.lax.fori_loop(0, _ROUNDS, once, start)
    return jnp.sqrt(v @ gram @ v / (v @ v + 1e-30) + 1e-30)
