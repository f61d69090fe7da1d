"""The provenance of a sweep's result, and its identity."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
from jax import Array

from .. import dirac
from ..dynamics.starts import starts
from ..errors import InputError
from ..game import Players
from ..jax_settings import own_settings
from ..parameters import Parametric, plain
from ..rules import Rule, State, init, step
from ..tracing.jaxpr import listing
from ..variants import Variant
from . import quantities as what
from .specification import Specification


def labelled(specification: Specification, values: Mapping[str, np.ndarray]) -> tuple[Variant, Rule | None]:
    """The variant and the rule with the range of what is varied in its place: what provenance can hold.

    The number of dimensions of an array tells here which axis it comes from.
    """
    draft, said = specification.draft(specification.start.dim), [""]
    for a in sorted(specification.axes, key=lambda a: a.ratio):
        if not a.shown:
            continue
        with contextlib.suppress(InputError):  # where a word is refused, the first value stays
            words = spanned(values[a.name])
            draft = a.apply(draft, words if a.loop else np.ones((1,) * len(said)))
            said.append("swept" if a.ratio else words)
    made = (draft.setup.variant, draft.setup.rule)
    return jax.tree.map(lambda x: said[np.ndim(x)] if np.ndim(x) else x, made)


def described(specification: Specification) -> dict[str, Any]:
    """Everything that the answers depend on besides the grids, as plain values."""
    start = specification.start
    phi, theta, x0 = starts(start.phi0, start.theta0, start.dim, start.x0)
    return {
        "variant": {
            "name": specification.variant.name or type(specification.variant).__name__,
            "hyperparameters": _worded(specification.variant.hyperparameters),
            "definition": definition(specification.variant, specification.rule),
        },
        "rule": None
        if specification.rule is None
        else {"name": specification.rule.name, **_worded(specification.rule.hyperparameters)},
        "start": {
            "phi0": phi.tolist(),
            "theta0": theta.tolist(),
            "x0": x0.tolist(),
            "at": listed(start.at),
        },
        "rates": [float(r) for r in specification.rates],
        "quantities": [what.fingerprint(q) for q in specification.quantities],
        "settings": _worded(asdict(specification.settings)),
    }


def spanned(values: np.ndarray) -> str:
    """The values of an axis in a few words.

    Example:
        >>> spanned(np.linspace(0.0, 2.0, 5)), spanned(np.array([0.5, 2.0])), spanned(np.array(["l1", "l2"]))
        ('0..2', '0.5|2', 'l1|l2')
    """
    if values.dtype.kind != "f":
        return "|".join(map(str, values))
    return "|".join(f"{x:g}" for x in values) if len(values) < 4 else f"{values.min():g}..{values.max():g}"


def definition(variant: Variant, rule: Rule | None) -> str:
    """What tells one definition from another: a hash of the traced field, or iteration, without its numbers.

    Example:
        >>> import diracgan as dg
        >>> definition(dg.variant("ns"), None) == definition(dg.variant("ns"), None)
        True
    """
    with own_settings(True):
        v, r, x0, z = dirac.cast((variant, rule, np.zeros(2), Players(np.ones(2), np.ones(2))), np.float64)

        def moved(v: Variant, r: Rule | None, x0: Array, z: Players) -> Players | State:
            game = dirac.game(v, x0)
            return game.motion(z) if r is None else step(r, game, init(r, game, z))

        program, constants = listing(moved, v, r, x0, z)
    digest = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "", program).encode())
    for constant in constants:
        digest.update(constant.tobytes())
    return digest.hexdigest()[:16]


def _worded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: x.label if isinstance(x, Parametric) else x for n, x in values.items()}


def listed(value: Any) -> Any:
    """Arrays and sequences as lists of plain numbers."""
    if value is None or np.ndim(value) == 0:
        return plain(value)
    return [listed(x) for x in value]
