"""The settings of a linearisation: which variant, which motion, at which point."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...dynamics.starts import check_rates, check_untraced, starts, vector
from ...errors import InputError, integer, shown
from ...game import Players
from ...rules import Rule, check_rule
from ...variants import Variant, check_variant


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskedAbout:
    """What a result at a point is about; base of the results, which get it from :attr:`LinearSettings.provenance`.

    Attributes:
        variant: label of the variant as it was given; ``hyperparameters`` its numbers.
        rule: label, or None for the flow.
        dim: dimension d; ``x0`` the datum; ``at`` the point, or the start.
        rate_d: factor on the critic's velocity; ``rate_g`` on the generator's.
    """

    variant: str
    hyperparameters: dict[str, Any]
    rule: str | None
    dim: int
    x0: list[float]
    at: dict[str, list[float]]
    rate_d: float
    rate_g: float


@dataclasses.dataclass(frozen=True)
class LinearSettings:
    """One question to the linearisation: what is minimised, how the players move, and where.

    Attributes:
        variant: its numbers may be arrays, one entry for each of many systems.
        rule: how the players step, likewise; None for the flow.
        point: phi and theta, (d,) each.
        x0: the datum, (d,).
        rates: factors on the players' velocities in the flow.
    """

    variant: Variant
    rule: Rule | None
    point: Players
    x0: np.ndarray
    rates: Players

    @property
    def discrete(self) -> bool:
        """Whether a rule's map is meant and not the flow."""
        return self.rule is not None

    @property
    def has_map(self) -> bool:
        """Whether there is a map to linearise: a rule, and one that has a derivative at rest."""
        return self.rule is not None and bool(self.rule.linearises)

    @property
    def provenance(self) -> dict[str, Any]:
        """What a record says about where its numbers come from."""
        return {
            "variant": self.variant.label,
            "hyperparameters": self.variant.hyperparameters,
            "rule": None if self.rule is None else self.rule.label,
            "dim": len(self.x0),
            "x0": self.x0.tolist(),
            "at": {n: p.tolist() for n, p in self.point._asdict().items()},
            "rate_d": float(self.rates.phi),
            "rate_g": float(self.rates.theta),
        }


def settings(
    variant: Variant,
    rule: Rule | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> LinearSettings:
    """Check the arguments that every linear question takes; see :func:`diracgan.spectrum`.

    Raises:
        InputError: for arguments that are not allowed.

    Example:
        >>> import diracgan as dg
        >>> settings(dg.variant("ns"), dim=2).x0.tolist()
        [0.0, 0.0]
    """
    check_variant(variant)
    if rule is not None:
        check_rule(rule)
    check_untraced("a question about stability", variant, rule)
    point, datum = _point_and_datum(dim, x0, at)
    integer("dim", len(datum), low=1, high=1000)  # twice as many rows of a dense matrix
    return LinearSettings(variant, rule, point, datum, check_rates(rate_d, rate_g, rule))


def _point_and_datum(
    dim: int | None, x0: ArrayLike | None, at: tuple[ArrayLike, ArrayLike] | None
) -> tuple[Players, np.ndarray]:
    """The point that is asked about, (0, x0) where none is named, and the datum."""
    if at is None:
        _, _, datum = starts(None, None, _dim_of(dim, x0), x0)
        return Players(np.zeros_like(datum), datum), datum
    try:
        phi, theta = at
    except (TypeError, ValueError):
        raise InputError(
            f"at = {shown(at)} is not a point; allowed: (phi, theta), each with d entries"
        ) from None
    phi, theta, datum = starts(vector("at phi", phi), vector("at theta", theta), dim, x0)
    return Players(phi, theta), datum


def _dim_of(dim: int | None, x0: ArrayLike | None) -> int:
    return dim if dim is not None else (1 if x0 is None else len(vector("x0", x0)))
