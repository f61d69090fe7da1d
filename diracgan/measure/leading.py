"""Leading eigenvalues of any linear operator, given only its product v -> A v.

Our own runs, a user's networks in JAX or PyTorch and anybody's operator all come through :func:`leading`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InputError, integer, number, one_line, one_of, shown
from ..numerics.arnoldi import arnoldi
from ..records import Record

WHICH = ("rightmost", "fastest", "turning")
PLAYERS: tuple[str, str] = ("critic", "generator")
OF = ("flow", "step", *PLAYERS)
Velocity = Callable[[Any], np.ndarray]  # displacement (S, n), or None for none -> the field there, (S, n)
Products = Callable[[np.ndarray], np.ndarray]  # (S, n) -> (S, n)

# A derivative's finite differences get better tenfold with a ten times smaller step; a kink's do not.
_SCALES = (1e-4, 1e-6)
_KINK = 1e-3
_SLOW = (
    0.95  # a multiplier above this modulus decays slowly: those of Adam's first moment (beta1 <= 0.9) do not
)
_HELD = 1 << 28  # bytes of a basis, beyond which it starts again from its best part
_TOLERANCE = {8: 1e-6, 4: 1e-3}  # by the bytes of a number: a product in float32 is good to some 1e-5


@dataclasses.dataclass(frozen=True)
class GameSpectrum(Record):
    """Eigenvalues of a game's Jacobian, or of one whole iteration, with what they are worth.

    Attributes:
        eigenvalues: (k,), complex; of a step these are its multipliers. With a batch (runs, k), as all below.
        residuals: |J v - mu v| with |v| = 1, (k,); of an optimiser's step in units of the state's own sizes.
        vectors: unit eigenvectors in the order of the flattened players, (k, n); of a step the rule's memory
            follows; of one player's block its own parameters alone.
        converged: whether each residual is below the tolerance times the largest |mu| found, (k,).
        which: what was asked for; ``of`` likewise.
        velocity: the field's largest entry there; 0 at an equilibrium. None of an operator alone.
        defect: how far finite differences stay from the derivative, relative: of order 1 at a kink. None where
            it was not probed: of an operator alone, and in float32, whose differences are too coarse.
        size: n, the length of the state.
        products: Jacobian-vector products that it took; each costs about two gradient evaluations.
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray
    vectors: np.ndarray = dataclasses.field(repr=False)
    converged: np.ndarray
    which: str
    of: str
    velocity: np.ndarray | float | None
    defect: np.ndarray | float | None
    size: int
    products: int

    @property
    def smooth(self) -> np.ndarray | np.bool_ | None:
        """Whether the field has the derivative that automatic differentiation says, as far as probing tells."""
        return None if self.defect is None else np.asarray(self.defect) < _KINK


def checked(
    which: str, of: str, k: object, tol: object, most: object, size: int = 8
) -> tuple[int, float, int]:
    """k, tol and most, in range; ``size`` is that of a number in bytes, and decides the tolerance where it is None.

    Raises:
        InputError: for what is not allowed.
    """
    one_of("which", which, WHICH)
    one_of("of", of, OF)
    good = _TOLERANCE[size] if tol is None else number("tol", tol, low=0.0, open_low=True)
    return integer("k", k, low=1), good, integer("most", most, low=1)


def leading(
    products: Products,
    shape: tuple[int, int],
    which: str,
    of: str,
    k: int,
    tol: float,
    most: int,
    seed: int,
    dtype: DTypeLike = np.float64,
    *,
    near: np.ndarray | None = None,
    units: np.ndarray | None = None,
    velocity: np.ndarray | None = None,
    defect: np.ndarray | None = None,
) -> GameSpectrum:
    """The leading eigenvalues of S operators in lockstep.

    Args:
        products: (S, n) -> (S, n), one product with every operator.
        shape: (S, n).
        which: as of :func:`diracgan.measure.spectrum`.
        of: likewise.
        k: how many.
        tol: residual, relative to the largest eigenvalue, at which one counts as converged.
        most: products at most.
        seed: of the random start.
        dtype: what the basis is kept in.
        near: (S, n), directions rich in what is sought, such as the field: half of the start; the other half is random,
            so that nothing is missed which they lack. None for a random start.
        units: (S, n), in which the entries of a vector are measured meanwhile, start and residuals too; None for 1.
        velocity: for the record; ``defect`` likewise.
    """
    shift = 1.0 if of == "step" else 0.0

    def apply(v: np.ndarray) -> np.ndarray:
        image = products(v) if units is None else products(v * units) / units
        return image - v if shift else image

    def rank(x: np.ndarray) -> np.ndarray:
        if which == "fastest":
            return np.abs(x)
        if which == "turning":
            return _turning_of_step(x + shift) if shift else _turning(x)
        return np.abs(x + shift) if shift else np.real(x)

    runs, n = shape
    start = np.tile(_unit(np.random.default_rng(seed).standard_normal(n)), (runs, 1))
    start = (start if near is None else start + _unit(near)).astype(dtype)
    wide = max(2 * k + 2, _HELD // (n * start.itemsize))
    found = arnoldi(apply, start, k, rank, tol, most, seed, wide)
    largest = np.abs(found.values).max(axis=1, keepdims=True)
    if units is not None:
        for own, unit in zip(found.vectors, units, strict=True):
            for v in own:  # in place: they are what is largest
                v *= unit
                v /= np.linalg.norm(v)
    return GameSpectrum(
        found.values + shift,
        found.residuals,
        found.vectors,
        found.residuals <= tol * np.maximum(largest, 1e-300),
        which,
        of,
        velocity,
        defect,
        n,
        found.products,
    )


_LEAST = 1e-3  # of a tensor's typical entry: what is smaller counts as that


def state_units(moved: Iterable[np.ndarray], memory: Iterable[np.ndarray]) -> np.ndarray:
    """The size of every entry of an optimiser's state, (n,): in its units one iteration is balanced.

    Without it Adam's second moments, of 1e-6 beside weights of 1, make an iteration's derivative so far from normal
    that multipliers are wrong in the second digit in float32, and in the seventh in float64.

    Args:
        moved: how far an iteration moves each player's parameters.
        memory: what the optimiser remembers, tensor by tensor.

    Example:
        >>> state_units([np.array([3.0, 4.0, 0.0, 0.0])], [np.array([-1e-6, 2e-6])]).tolist()
        [2.5, 2.5, 2.5, 2.5, 1e-06, 2e-06]
    """
    parts = [np.full(x.shape, _typical(x)) for x in moved]
    parts += [np.maximum(np.abs(np.ravel(x).astype(float)), _LEAST * _typical(x)) for x in memory]
    return np.concatenate(parts)


def _typical(x: np.ndarray) -> float:
    """The root mean square of entries; 1 where there are none but zeros."""
    return float(np.sqrt(np.mean(np.square(x, dtype=float)))) or 1.0 if x.size else 1.0


def _unit(v: np.ndarray) -> np.ndarray:
    """Vectors of length 1; zeros where there is next to nothing."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), np.finfo(v.dtype).tiny)


def alone(found: GameSpectrum) -> GameSpectrum:
    """The spectrum of the first of S operators, without the leading axis."""
    arrays = ("eigenvalues", "residuals", "vectors", "converged", "velocity", "defect")
    first = {n: x if (x := getattr(found, n)) is None else x[0] for n in arrays}
    return dataclasses.replace(found, **first)


def own_part(of: str, sizes: tuple[int, int]) -> slice:
    """Where one player's parameters stand among both players'; for the flow all of them."""
    return {"critic": slice(sizes[0]), "generator": slice(sizes[0], None)}.get(of, slice(None))


def block(products: Products, of: str, sizes: tuple[int, int]) -> tuple[Products, int]:
    """The products with one player's own block of J, and its size; for the flow those with J itself."""
    if of not in PLAYERS:
        return products, sum(sizes)

    def own(v: np.ndarray) -> np.ndarray:
        whole = np.zeros((len(v), sum(sizes)), v.dtype)
        whole[:, own_part(of, sizes)] = v
        return products(whole)[:, own_part(of, sizes)]

    return own, sizes[PLAYERS.index(of)]


def derivative_defect(velocity: Velocity, products: Products, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The field's largest entry, and how far its finite differences stay from its derivative, of S games.

    Args:
        velocity: the field, displaced.
        products: v -> J v of every game.
        seed: of the direction.
    """
    value = np.asarray(velocity(None))
    runs, n = value.shape
    v = np.tile(np.random.default_rng([seed, 1]).standard_normal(n), (runs, 1))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    slope = np.asarray(products(v))
    scale = np.maximum(np.linalg.norm(slope, axis=1), np.abs(value).max(axis=1))
    errors = []
    for eps in _SCALES:
        rise = (np.asarray(velocity(eps * v)) - value) / eps
        errors.append(np.linalg.norm(rise - slope, axis=1) / np.maximum(scale, 1e-300))
    improved = errors[1] < 0.2 * errors[0]
    worst = np.where(improved | (errors[1] < 1e-6), errors[1], np.maximum(errors[0], errors[1]))
    return np.abs(value).max(axis=1), worst


def eigenvalues(
    matvec: Any,
    n: Any = None,
    k: int = 6,
    which: str = "fastest",
    *,
    of: str = "flow",
    tol: float | None = None,
    most: int = 400,
    seed: int = 0,
) -> GameSpectrum:
    """The leading eigenvalues of anybody's operator, or of the derivative of a map ``step(state)``.

    Args:
        matvec: v (n,) -> A v (n,); a SciPy ``LinearOperator`` or a matrix; or a map of ``n``, a state.
        n: the length of v; a LinearOperator has it. Or the state at which the map is differentiated: a pytree of
            JAX or NumPy arrays or of PyTorch tensors, which the map returns in the same shape.
        k: how many.
        which: as of :func:`diracgan.measure.spectrum`.
        of: ``"step"`` where the operator is one iteration, whose multipliers are compared with 1; else ``"flow"``.
        tol: residual, relative to the largest eigenvalue, at which one counts as converged; None for 1e-6 in
            float64 and 1e-3 in float32.
        most: products at most. A basis of more than some 270 MB starts again from its best part.
        seed: of the random start.

    Returns:
        :class:`GameSpectrum`.

    Raises:
        InputError: for arguments that are not allowed, or an operator that fails or gives numbers that are not finite.

    References:
        Saad 2011, Numerical Methods for Large Eigenvalue Problems, section 6.2.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> found = dg.measure.eigenvalues(lambda v: np.array([0.0, 2.0, 5.0]) * v, 3, k=1)
        >>> round(float(found.eigenvalues[0].real), 9)
        5.0
        >>> import jax.numpy as jnp
        >>> turn = lambda s: {"phi": s["phi"] - 0.1 * s["theta"], "theta": s["theta"] + 0.1 * s["phi"]}
        >>> state = {"phi": jnp.ones(1), "theta": jnp.ones(1)}
        >>> found = dg.measure.eigenvalues(turn, state, k=2, of="step")
        >>> abs(found.eigenvalues).round(4).tolist()
        [1.005, 1.005]
    """
    one_of("of", of, ("flow", "step"))
    seed = integer("seed", seed, low=0)
    apply, size, dtype = _operator(matvec, n)
    k, tol, most = checked(which, of, k, tol, most, np.dtype(dtype).itemsize)

    def products(v: np.ndarray) -> np.ndarray:
        try:
            image = np.asarray(apply(v[0]))
        except InputError:
            raise
        except Exception as error:  # anybody's code: its own line is what helps
            raise InputError(f"the operator failed: {one_line(error)}") from error
        what = ""
        if image.shape != (size,):
            what = f"shape {image.shape}"
        elif image.dtype.kind not in "biuf":
            what = f"entries of {image.dtype}"
        elif not np.all(np.isfinite(image)):
            what = "entries that are not finite"
        if what:
            raise InputError(f"A v has {what}; allowed: {size} finite real numbers")
        return image[None]

    return alone(leading(products, (1, size), which, of, k, tol, most, seed, dtype))


def _operator(matvec: Any, n: Any) -> tuple[Callable[[np.ndarray], Any], int, Any]:
    """v -> A v, its length, and its precision."""
    if hasattr(matvec, "shape") and (hasattr(matvec, "matvec") or not callable(matvec)):
        from scipy.sparse.linalg import aslinearoperator

        if len(matvec.shape) != 2 or matvec.shape[0] != matvec.shape[1]:
            raise InputError(f"the operator has shape {matvec.shape}; allowed: (n, n)")
        known = aslinearoperator(matvec)
        return known.matvec, known.shape[0], np.float32 if known.dtype == np.float32 else np.float64
    if not callable(matvec):
        raise InputError(
            f"matvec = {shown(matvec)} is not an operator; allowed: a function v -> A v, a LinearOperator"
        )
    if n is None:
        raise InputError("n is missing; allowed: the length of v, or the state of a map step(state)")
    if isinstance(n, (int, np.integer)):
        return matvec, integer("n", n, low=1), np.float64
    from .state_map import derivative_of_map

    return derivative_of_map(matvec, n)


def _turning(x: np.ndarray) -> np.ndarray:
    """Ranks a flow's eigenvalues by how fast they turn; what turns less than it decays comes after what turns more."""
    return np.where(np.abs(np.imag(x)) >= -np.real(x), np.abs(np.imag(x)), -np.abs(x))


def _turning_of_step(multiplier: np.ndarray) -> np.ndarray:
    """Ranks multipliers by their angle; those that fall below ``_SLOW`` in one iteration come last."""
    size = np.abs(multiplier)
    return np.where(size > _SLOW, np.abs(np.angle(multiplier)), size - _SLOW)
