"""Any two-player game, ours or a user's own, through Jacobian products alone.

What differs between JAX and PyTorch is a :class:`GameBackend`: a field and its products as flat vectors. Everything
that is reported of a game is computed here, once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, integer, number, unknown
from ..pytrees import Pytree
from .leading import (
    OF,
    GameSpectrum,
    alone,
    block,
    checked,
    derivative_defect,
    leading,
    own_part,
    state_units,
)
from .noise import NoiseFloor, alternating_step, floor

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

_DENSE = 32  # up to this many rows or columns a block's singular values come from all its columns


class GameBackend(Protocol):
    """What a game in JAX or PyTorch answers; n = sum(sizes), the critic's parameters first.

    Attributes:
        sizes: how many parameters the critic and the generator have.
        dtype: of its numbers, float32 or float64.
        state_size: the length of the optimiser step's state; 0 without an optimiser.
        has_slopes: whether it knows the critic alone, as :meth:`slopes` and :meth:`penalty_product` need.
    """

    sizes: tuple[int, int]
    dtype: Any
    state_size: int
    has_slopes: bool

    def field(self, batches: list[Any], moved: np.ndarray | None = None) -> np.ndarray:
        """(-grad_phi L_D, -grad_theta L_G), the mean over batches, at the players displaced by ``moved``: (n,)."""
        ...

    def product(self, batches: list[Any], v: np.ndarray) -> np.ndarray:
        """J v, (n,)."""
        ...

    def transposed(self, batches: list[Any], u: np.ndarray) -> np.ndarray:
        """J^T u, (n,)."""
        ...

    def step_product(self, batches: list[Any], v: np.ndarray) -> np.ndarray:
        """S v, with S the derivative of one whole iteration of the optimisers on the full state: (state_size,)."""
        ...

    def remembered(self, batches: list[Any]) -> list[np.ndarray]:
        """What the optimisers remember, tensor by tensor, as it follows the players in the state of a step."""
        ...

    def slopes(self, batch: Pytree) -> np.ndarray:
        """Mean |grad_x D|^2 at real and at fake samples, (2,)."""
        ...

    def penalty_product(self, batch: Pytree, v: np.ndarray) -> np.ndarray:
        """H v with H the Hessian of 1/2 E |grad_x D|^2 at real samples in the critic's parameters, (n_d,)."""
        ...

    def step_sizes(self) -> np.ndarray | None:
        """How far one step moves each parameter per unit of its gradient, (n,); None where that is not known."""
        ...

    def averaging(self) -> float:
        """Decay of the running average of gradients that the critic steps along; 0 for plain steps."""
        ...


class UserGame(NamedTuple):
    """A user's own game, as :func:`diracgan.measure.game` is given it."""

    critic_loss: Any
    generator_loss: Any
    phi: Any
    theta: Any
    optimiser: Any
    alternating: bool
    n_critic: int
    critic: Any
    samples: Any


class Batches:
    """Batches as they come: read when they are needed, and kept."""

    def __init__(self, given: Iterable[Any]) -> None:
        """Read from ``given``, which may have no end."""
        try:
            # iter refuses None, which is caught below
            self._left: Iterator[Any] = iter(None if isinstance(given, (str, bytes)) else given)  # type: ignore[call-overload]
        except TypeError:
            raise InputError(
                f"batches = {type(given).__name__} cannot be gone through; allowed: a list of batches, a data loader"
            ) from None
        self._read: list[Any] = []

    def first(self, count: int) -> list[Any]:
        """The first ``count`` batches.

        Raises:
            InputError: when there are not so many.
        """
        while len(self._read) < count:
            try:
                self._read.append(next(self._left))
            except StopIteration:
                raise InputError(
                    f"the batches ran out after {len(self._read)}; needed here: {count}"
                ) from None
        return self._read[:count]

    def up_to(self, count: int) -> list[Any]:
        """The first ``count`` batches, or as many as there are."""
        for n in range(len(self._read), count):
            try:
                self.first(n + 1)
            except InputError:
                break
        return self._read[:count]


@dataclasses.dataclass(frozen=True)
class Coupling:
    """How strongly the players are coupled: each singular value of B = -J_DG is one Dirac system of that strength.

    Attributes:
        singular_values: of B = -d(critic's velocity)/d theta, decreasing, (k,).
        response: v^T C u with C = d(generator's velocity)/d phi, (k,); B^T = C makes it the singular value.
        damping: -u^T J_DD u, what the overlap of real and fake samples, and penalties, damp the critic by, (k,).
        critic: the left singular vectors u, (k, n_d).
        generator: the right singular vectors v, (k, n_g).
        products: with the Jacobian or its transpose, that it took.
    """

    singular_values: np.ndarray
    response: np.ndarray
    damping: np.ndarray
    critic: np.ndarray
    generator: np.ndarray
    products: int

    @property
    def frequency(self) -> np.ndarray:
        """The angular frequency of the undamped Dirac system, sqrt(sigma v^T C u); NaN where the two do not turn."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.singular_values * self.response)


@dataclasses.dataclass(frozen=True)
class GradientNoise:
    """How much the field differs from batch to batch.

    Attributes:
        mean: |mean field|^2 of the critic and of the generator, without its bias of variance/batches, (2,).
        variance: the trace of the covariance between batches, of each, (2,).
        batches: how many were seen.
    """

    mean: np.ndarray
    variance: np.ndarray
    batches: int

    @property
    def ratio(self) -> np.ndarray:
        """Variance over |mean|^2: above 1 a batch's gradient is mostly noise; infinite where no mean was found."""
        with np.errstate(divide="ignore"):
            return np.where(self.mean > 0, self.variance / np.maximum(self.mean, 1e-300), np.inf)


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredGame:
    """A game at the players where it was given: :func:`diracgan.measure.game`, :func:`diracgan.measure.from_run`.

    Attributes:
        backend: its field and products.
        batches: the data.
        together: how many batches, from the first, the field is the mean over.
        minibatches: what noise is measured on; None for the same batches.
    """

    backend: GameBackend
    batches: Batches
    together: int = 1
    minibatches: Batches | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """How many parameters the critic and the generator have."""
        return self.backend.sizes

    @property
    def held(self) -> list[Any]:
        """The batches that the field is the mean over."""
        return self.batches.first(self.together)

    def velocity(self) -> np.ndarray:
        """The joint field (-grad_phi L_D, -grad_theta L_G), (n,)."""
        return self.backend.field(self.held)

    def matvec(self, v: ArrayLike, of: str = "flow") -> np.ndarray:
        """J v for a flat vector v; of a step S v, of a player's block J_DD v or J_GG v."""
        products, size = self._products(of)
        return products(self._vector(v, size)[None])[0]

    def rmatvec(self, u: ArrayLike) -> np.ndarray:
        """J^T u for a flat vector u."""
        return self.backend.transposed(self.held, self._vector(u, sum(self.sizes)))

    def operator(self, of: str = "flow") -> LinearOperator:
        """The Jacobian (or a step's, or a player's block) as a SciPy LinearOperator; the flow's has a transpose too."""
        from scipy.sparse import linalg

        make: Any = linalg.LinearOperator  # its constructor is untyped
        size = self._products(of)[1]
        back = {"rmatvec": self.rmatvec} if of == "flow" else {}
        return make((size, size), matvec=lambda v: self.matvec(v, of), dtype=self.backend.dtype, **back)

    def spectrum(
        self,
        which: str = "rightmost",
        k: int = 10,
        of: str = "flow",
        *,
        tol: float | None = None,
        most: int = 400,
        seed: int = 0,
    ) -> GameSpectrum:
        """The leading eigenvalues; arguments as of :func:`diracgan.measure.spectrum`.

        ``tol`` None is 1e-6 in float64 and 1e-3 in float32.
        """
        seed = integer("seed", seed, low=0)
        k, tol, most = checked(which, of, k, tol, most, np.dtype(self.backend.dtype).itemsize)
        products, size = self._products(of)
        field = self.backend.field(self.held)
        kind = self.backend.dtype
        return alone(
            leading(
                products,
                *((1, size), which, of, k, tol, most, seed, kind),
                near=None if of == "step" else field[None, own_part(of, self.sizes)],
                units=self._state_units()[None].astype(kind) if of == "step" else None,
                velocity=np.abs(field).max(keepdims=True),
                defect=self._defect(seed),
            )
        )

    def _state_units(self) -> np.ndarray:
        rates = self.backend.step_sizes()
        moved = self.velocity() if rates is None else rates * self.velocity()
        return state_units(np.split(moved, [self.sizes[0]]), self.backend.remembered(self.held))

    def coupling(self, k: int = 3, seed: int = 0, step_sizes: Any = None) -> Coupling:
        """The leading singular values of the coupling, with the damping and the response of each.

        Args:
            k: how many.
            seed: of the random start.
            step_sizes: h, how far a step moves each parameter per unit of its gradient, (n,): then everything is that
                of the scaled Jacobian h^1/2 J h^1/2, per iteration. None for the flow's own.

        Raises:
            InputError: where a loss hides the other player from differentiation (``no_grad``).

        References:
            Nagarajan & Kolter 2017 (arXiv 1706.04156), section 3.2.
        """
        seed = integer("seed", seed, low=0)
        count, (n_d, n_g) = [0], self.sizes
        root = np.ones(n_d + n_g) if step_sizes is None else np.sqrt(np.asarray(step_sizes, float))
        if root.shape != (n_d + n_g,):
            raise InputError(f"step_sizes has shape {root.shape}; allowed: ({n_d + n_g},)")
        shape, forward, back = self._coupling_block(count)

        def scaled(w: np.ndarray) -> np.ndarray:
            return root[:n_d] * forward(root[n_d:] * np.ravel(w))

        def transposed(u: np.ndarray) -> np.ndarray:
            return root[n_d:] * back(root[:n_d] * np.ravel(u))

        u, s, v = _largest((shape, scaled, transposed), integer("k", k, low=1), seed)
        damping, response = [], []
        for a, b in zip(u, v, strict=True):
            image = root * self._image(root * np.concatenate([a, 0.0 * b]), count)
            damping.append(-a @ image[:n_d])
            response.append(b @ image[n_d:])
        return Coupling(s, np.array(response), np.array(damping), u, v, count[0])

    def gradient_covariance(self, basis: ArrayLike | None = None, draws: int = 50) -> np.ndarray:
        """The covariance of the joint field from batch to batch, (m, m).

        Args:
            basis: (n, m), the directions of interest; None for all n.
            draws: how many batches, or as many as there are; a variance's relative error is sqrt(2/draws).

        Raises:
            InputError: with fewer than two batches, or for more than 4,000 directions.
        """
        n = sum(self.sizes)
        if basis is None and n > 4000:
            raise InputError(f"the covariance of {n} parameters has {n * n} entries; add basis= (n, m)")
        onto = np.eye(n) if basis is None else np.asarray(basis, float)
        if onto.ndim != 2 or len(onto) != n:
            raise InputError(f"basis has shape {onto.shape}; allowed: ({n}, m)")
        fields = np.stack([f @ onto for f in self._fields(draws)])
        return np.atleast_2d(np.cov(fields, rowvar=False))

    def gradient_noise(self, draws: int = 50) -> GradientNoise:
        """How much of each player's gradient is noise, from ``draws`` batches, or as many as there are."""
        total, squares, count = np.zeros(sum(self.sizes)), np.zeros(2), 0
        for f in self._fields(draws):
            total, count = total + f, count + 1
            squares += self._by_player(f)
        of_mean = self._by_player(total / count)
        variance = (squares - count * of_mean) / (count - 1)
        return GradientNoise(of_mean - variance / count, variance, count)

    def noise_floor(
        self, lr_d: float, lr_g: float, *, k: int = 3, ema: float | None = None, draws: int = 50
    ) -> NoiseFloor:
        """What minibatches hold alternating gradient steps at, on the planes of the strongest couplings.

        Args:
            lr_d: the critic's learning rate; ``lr_g`` the generator's.
            k: how many singular values' planes.
            ema: decay of the weight average, or None.
            draws: batches for the covariance.

        Raises:
            InputError: where a mode grows, so that there is no floor.
        """
        found = self.coupling(k)
        p, n_d = len(found.critic), self.sizes[0]
        basis = np.zeros((sum(self.sizes), 2 * p))
        basis[:n_d, :p], basis[n_d:, p:] = found.critic.T, found.generator.T
        reduced = basis.T @ np.stack([self.matvec(b) for b in basis.T], axis=1)
        rates = number("lr_d", lr_d, low=0.0), number("lr_g", lr_g, low=0.0)
        return floor(*alternating_step(reduced, *rates), self.gradient_covariance(basis, draws), ema)

    # ---------------- the products

    def _products(self, of: str) -> tuple[Any, int]:
        if of not in OF:
            raise unknown("of", of, OF)
        held = self.held
        if of == "step":
            if not self.backend.state_size:
                raise InputError(
                    "of='step' needs an optimiser; add optimiser=(the critic's, the generator's)"
                )
            return lambda v: self._finite(self.backend.step_product(held, v[0]))[
                None
            ], self.backend.state_size
        return block(lambda v: self._finite(self.backend.product(held, v[0]))[None], of, self.sizes)

    def _vector(self, v: ArrayLike, size: int) -> np.ndarray:
        try:
            flat = np.asarray(v, self.backend.dtype)
        except (TypeError, ValueError):
            raise InputError(f"v is a {type(v).__name__} without numbers; allowed: shape ({size},)") from None
        if flat.shape not in ((size,), (size, 1)):
            raise InputError(f"v has shape {flat.shape}; allowed: ({size},)")
        return flat.reshape(-1)

    @staticmethod
    def _finite(image: np.ndarray) -> np.ndarray:
        if not np.all(np.isfinite(image)):
            raise InputError(
                "a product with the Jacobian is not finite: a loss has no second derivative here"
            )
        return image

    def _image(self, v: np.ndarray, count: list[int], *, back: bool = False) -> np.ndarray:
        count[0] += 1
        apply = self.backend.transposed if back else self.backend.product
        return self._finite(apply(self.held, v.astype(self.backend.dtype)))

    def _coupling_block(self, count: list[int]) -> Any:
        """B = -J_DG as (shape, B w, B^T u), both in float64, once it is seen that its transpose is its transpose."""
        n_d, n_g = self.sizes

        def forward(w: np.ndarray) -> np.ndarray:
            return -self._image(np.concatenate([np.zeros(n_d), np.ravel(w)]), count)[:n_d].astype(float)

        def back(u: np.ndarray) -> np.ndarray:
            return -self._image(np.concatenate([np.ravel(u), np.zeros(n_g)]), count, back=True)[n_d:].astype(
                float
            )

        random = np.random.default_rng(0)
        w = random.standard_normal(n_g)
        image = forward(w)
        # with u = B w the two are |B w|^2: no cancellation hides a loss that stops its derivative
        one, other = float(image @ image), float(back(image) @ w)
        if abs(one - other) > 1e-2 * max(abs(one), abs(other)):
            raise InputError(
                "critic_loss hides the generator from reverse differentiation; leave out no_grad: each player's "
                "gradient is taken in its own parameters alone"
            )
        return (n_d, n_g), forward, back

    def _defect(self, seed: int) -> np.ndarray | None:
        """How far finite differences stay from the derivative; None in float32, where they are too coarse."""
        held = self.held
        if self.backend.dtype != np.float64:
            return None

        def field(d: Any) -> np.ndarray:
            return self.backend.field(held, None if d is None else d[0])[None]

        return derivative_defect(field, lambda v: self.backend.product(held, v[0])[None], seed)[1]

    def _fields(self, draws: int) -> Iterator[np.ndarray]:
        few = (self.minibatches or self.batches).up_to(integer("draws", draws, low=2))
        if len(few) < 2:
            raise InputError(
                f"the batches ran out after {len(few)}; needed here: 2 or more, of {draws} asked for"
            )
        for batch in few:
            yield self.backend.field([batch]).astype(float)

    def _by_player(self, v: np.ndarray) -> np.ndarray:
        n_d = self.sizes[0]
        return np.array([v[:n_d] @ v[:n_d], v[n_d:] @ v[n_d:]], float)


def _largest(matrix: Any, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k largest singular triples of a matrix that is only applied: (k, m), (k,), (k, n)."""
    (m, n), forward, back = matrix
    if min(m, n) <= max(_DENSE, k + 1):
        few = n <= m
        rows = np.stack([(forward if few else back)(e) for e in np.eye(min(m, n))])
        u, s, vt = np.linalg.svd(rows.T if few else rows, full_matrices=False)
        return u.T[:k], s[:k], vt[:k]
    from scipy.sparse import linalg

    if not np.any(forward(np.random.default_rng(seed).standard_normal(n))):
        return np.zeros((k, m)), np.zeros(k), np.zeros((k, n))  # not coupled at all
    start = np.random.default_rng(seed).standard_normal(min(m, n))
    make: Any = linalg.LinearOperator  # its constructor is untyped
    operator = make((m, n), matvec=forward, rmatvec=back, dtype=float)
    svds: Any = linalg.svds  # its stubs take whole numbers for tolerances
    triples = svds(operator, k, v0=start, tol=1e-6, maxiter=40)
    u, s, vt = triples
    order = np.argsort(-s)
    return u.T[order], s[order], vt[order]
