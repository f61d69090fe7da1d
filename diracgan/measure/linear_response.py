"""The linear response of a checkpoint to minibatch noise, reduced to the monitored series."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import InputError
from ..numerics.reduced_order import ReducedModel, reduced

BASIS = 150  # largest Krylov basis: eight blocks, beyond which nothing changed on the pilot runs


class Monitors(NamedTuple):
    """What is watched, near a checkpoint.

    Attributes:
        logits: of all real and all fake samples there, (q,).
        onto: directions of the logits, orthonormal, (q, k).
        mean: the principal coordinates of the samples' mean there, (s,).
    """

    logits: np.ndarray
    onto: np.ndarray
    mean: np.ndarray


class LinearisedStep(Protocol):
    """One whole iteration near a checkpoint: d+ = A d + kick on the full state, its weights first."""

    @property
    def start(self) -> np.ndarray:
        """The full state there, (n,)."""
        ...

    @property
    def weights(self) -> int:
        """How many of its entries are weights."""
        ...

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """A^T applied to each of b vectors, (b, n)."""
        ...

    def deviation(self, seed: int) -> np.ndarray:
        """Each entry's standard deviation over minibatches, (n,)."""
        ...

    def kicks(self, basis: np.ndarray, seed: int) -> np.ndarray:
        """A minibatch's iteration less the state itself, in the coordinates of ``basis`` (n, m): (draws, m)."""
        ...

    def monitored(self, scale: np.ndarray, seed: int) -> tuple[np.ndarray, Monitors]:
        """The rows of the outputs, (p, weights), and what they are coordinates of; ``scale``: the weights' units."""
        ...

    def series(self, monitors: Monitors, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """What is watched where the outputs (..., p) lead: name -> (...)."""
        ...


@dataclasses.dataclass(frozen=True)
class LinearResponse:
    """d+ = A d + kick near a checkpoint, seen through its monitors.

    Attributes:
        step: what was linearised.
        model: the reduced system.
        kicks: one minibatch iteration less the state itself, in the reduced coordinates, (draws, m).
        monitors: what its outputs are coordinates of.
    """

    step: LinearisedStep
    model: ReducedModel
    kicks: np.ndarray
    monitors: Monitors

    @property
    def size(self) -> int:
        """The length of the full state."""
        return len(self.step.start)


def linear_response(step: LinearisedStep, seed: int = 0) -> LinearResponse:
    """Linearise one whole iteration at a checkpoint.

    Raises:
        InputError: where the step has no finite derivative.
    """
    scale = step.deviation(seed)
    scale = np.where(scale > 0, scale, np.median(scale[scale > 0]) if np.any(scale > 0) else 1.0)
    rows, monitors = step.monitored(scale[: step.weights], seed)
    wide = np.zeros((len(rows), len(scale)))
    wide[:, : step.weights] = rows * scale[: step.weights]

    def transposed(v: np.ndarray) -> np.ndarray:
        image = scale * step.transposed(v / scale)
        if not np.all(np.isfinite(image)):
            raise InputError(
                "the iteration has no finite derivative at this checkpoint; allowed: a later one"
            )
        return image

    model = reduced(transposed, wide, BASIS)
    return LinearResponse(step, model, step.kicks(model.basis / scale[:, None], seed), monitors)
