"""The shipped programs of every variant and rule: the page is there before JAX is imported.

``python -m diracgan.web.ship`` writes them anew. Where the sources that they are derived from have changed since,
they are not used, and the page is generated instead.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..files import json_object

PROGRAMS = Path(__file__).parent / "assets" / "programs.json"
FILES = "DIRACGAN_EXPLORER_FILES"  # how the page's process learns which files the command line named
# What the programs are derived from, below the package.
MODULES = (
    "variants",
    "rules",
    "tracing",
    "dirac.py",
    "game.py",
    "jax_settings.py",
    "instance_noise.py",
    "outside_values.py",
    "analysis/linear/decision.py",
    "analysis/linear/status.py",
    "numerics/derivative.py",
    "numerics/eigen.py",
    "numerics/gaussian_mean.py",
    "parameters.py",
    "registry.py",
    "vocabulary.py",
    "web/controls.py",
    "web/javascript.py",
    "web/programs.py",
)


def shipped() -> dict[str, Any] | None:
    """What :func:`diracgan.web.bundle.generated` returns of the package's own; None where it is of other sources.

    Example:
        >>> known = shipped()
        >>> known is None or "wgan-gp" in known["variants"]
        True
    """
    found = json_object(PROGRAMS)
    return found if found is not None and found.get("sources") == digest() else None


def digest() -> str:
    """The sources that the programs are derived from, as one number."""
    root, seen = Path(__file__).parents[1], hashlib.sha256()
    for module in MODULES:
        at = root / module
        for path in [at] if at.is_file() else sorted(at.rglob("*.py")):
            seen.update(path.read_bytes().replace(b"\r\n", b"\n"))  # Git on Windows writes the former
    return seen.hexdigest()[:32]
