"""Where the eigenvalues go as one number changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ...rules import Rule
from ...variants import Variant
from .margins import margins
from .parameter_handle import parameter_handle
from .settings import settings


def locus(
    variant: Variant,
    parameter: str,
    values: Sequence[float] | np.ndarray,
    rule: Rule | None = None,
    dim: int | None = None,
    x0: Any = None,
    at: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> np.ndarray:
    """The eigenvalues (or multipliers) at every value of one parameter.

    Args:
        variant: from :func:`diracgan.variant`.
        parameter: as :func:`diracgan.critical` takes it.
        values: of the parameter, (K,).
        rule: from :func:`diracgan.rule`; None for the flow.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium; None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        Complex numbers, (K, m), each row in the order of a spectrum; NaN where there is no derivative.

    Raises:
        InputError: for arguments that are not allowed, or where no value has eigenvalues.

    Example:
        >>> import diracgan as dg
        >>> locus(dg.variant("wgan-gp", c=0.0), "lam", [0.5, 1.0]).round(6).real.tolist()
        [[-0.5, -0.5], [-1.0, -1.0]]
    """
    around = settings(variant, rule, dim, x0, at, rate_d, rate_g)
    handle = parameter_handle(around, parameter)
    rows = [m.eigenvalues for m in margins([handle.set(around, x) for x in values])]
    size = max((len(r) for r in rows), default=0)
    if not size:
        raise InputError(
            f"{variant.label} has no eigenvalues for any {handle.name} here; see diracgan verdict"
        )
    return np.stack([r if len(r) == size else np.full(size, np.nan, complex) for r in rows])
