"""A trajectory: what a simulation returns, with everything that produced it."""

from __future__ import annotations

import dataclasses
import functools
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, shown
from ..lazy import module_on_use
from ..variants import Variant

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """Named arrays over time and their provenance; :meth:`to_xarray` labels them.

    Attributes:
        data: name -> array; ``time`` (n,), ``phi``, ``theta`` and, with EMA, ``phi_ema``, ``theta_ema`` (n, d); with a
            rule also ``step`` (n,).
        attrs: provenance, plain values only.

    Example:
        >>> import diracgan as dg
        >>> traj = dg.simulate(dg.variant("ns"), rule=dg.rule("simultaneous"), steps=3)
        >>> traj["phi"].dims
        ('time', 'component')
    """

    data: dict[str, np.ndarray]
    attrs: dict[str, Any]

    def __post_init__(self) -> None:
        for name, value in (("data", self.data), ("attrs", self.attrs)):
            if not isinstance(value, dict):
                raise InputError(f"{name} = {shown(value)}; allowed: a dictionary, as dg.simulate makes it")

    def __getitem__(self, name: str) -> np.ndarray:
        return self.data[name]

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def to_xarray(self) -> xr.Dataset:
        """The same as an :class:`xarray.Dataset` with the dimensions time and component."""
        coords = {"component": np.arange(self.data["phi"].shape[1])}
        labels = {n: ("time", self.data[n]) for n in ("time", "step") if n in self.data}
        values = {n: (("time", "component"), x) for n, x in self.data.items() if n not in labels}
        return xr.Dataset(values, coords=labels | coords, attrs=dict(self.attrs))


def identity(variant: Variant) -> dict[str, Any]:
    """What a result says of the variant that made it: plain values."""
    return {
        "variant": variant.label,
        "variant_name": variant.name or type(variant).__name__,
        "hyperparameters": json.dumps(variant.hyperparameters, default=str),
        "reference": variant.reference,
    }


@functools.cache
def versions() -> str:
    """The versions that a result depends on, as JSON."""
    found = {"python": platform.python_version()}
    for package in ("diracgan", "jax", "jaxlib", "numpy", "scipy", "diffrax"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return json.dumps(found)
