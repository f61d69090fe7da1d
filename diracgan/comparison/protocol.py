"""The committed protocol: what is run, with which learning rates, and what must be reached."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from importlib.resources import files
from typing import Any

from ..errors import integer, one_of

TIERS = ("ci", "standard", "full")
CLAIMS = ("A", "B", "C", "D")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """The protocol of one tier.

    Attributes:
        tier: ci, standard or full.
        sha256: of the protocol file.
        content: the file, its ``tier`` chosen.
        width: units of a hidden layer.
        seed0: the first seed.
    """

    tier: str
    sha256: str
    content: dict[str, Any]
    width: int
    seed0: int

    def __getitem__(self, section: str) -> dict[str, Any]:
        """A section of the file, or the chosen tier."""
        return self.content[section]

    @property
    def chosen(self) -> dict[str, Any]:
        """What belongs to the tier."""
        return self.content["tiers"][self.tier]

    @property
    def seeds(self) -> list[int]:
        """The seeds of claims A and B."""
        return [self.seed0 + i for i in range(self.chosen["seeds"])]


def protocol(tier: str = "ci", seed0: int = 0, width: int | None = None) -> Protocol:
    """Read the committed protocol.

    Args:
        tier: ``"ci"``, ``"standard"`` or ``"full"``.
        seed0: the first seed; the others follow it.
        width: units of a hidden layer; None for the tier's.

    Raises:
        InputError: for an unknown tier or a bad number.

    Example:
        >>> protocol("ci").seeds
        [0, 1, 2, 3, 4]
    """
    one_of("tier", tier, TIERS)
    raw = files("diracgan.comparison").joinpath("protocol.toml").read_bytes()
    content = tomllib.loads(raw.decode())
    given = content["tiers"][tier]["width"] if width is None else integer("width", width, low=2)
    return Protocol(tier, hashlib.sha256(raw).hexdigest(), content, given, integer("seed0", seed0, low=0))
