"""What the package imports is declared, and what is declared is used."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib

import pytest
from sources import PACKAGE, modules, nodes

PROJECT = PACKAGE.parent / "pyproject.toml"
pytestmark = pytest.mark.skipif(not PROJECT.is_file(), reason="the tests run away from their repository")

# imported as -> distributed as, where the names differ
DISTRIBUTION = {
    "PIL": "pillow",
    "cuda": "cuda-core",
    "sklearn": "scikit-learn",
    "google_crc32c": "google-crc32c",
    "mpl_toolkits": "matplotlib",
    "tensorboardX": "tensorboardx",
    "tomli_w": "tomli-w",
}
# used through another library: jax needs its compiled part, h5netcdf writes through h5py
BEHIND = {"jaxlib", "h5py", "h5netcdf"}


def name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower()


def declared() -> tuple[set[str], set[str]]:
    """The distributions that are always installed, and those of the extras."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = {name(r) for listed in project["optional-dependencies"].values() for r in listed}
    return {name(r) for r in project["dependencies"]}, extras - {"diracgan"}


@functools.cache
def imported() -> dict[str, str]:
    """Every distribution that a module of the package imports, with one place."""
    found = {}
    for path in modules():
        for node in nodes(path):
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for full in names:
                top = full.split(".")[0]
                if full.startswith("google.") or full == "google_crc32c":
                    top = "google_crc32c"
                if top not in sys.stdlib_module_names and top != "diracgan":
                    found[DISTRIBUTION.get(top, top).lower()] = f"{path.relative_to(PACKAGE)}:{node.lineno}"
    return found


def test_what_is_imported_is_declared():
    always, extras = declared()
    assert {n: place for n, place in imported().items() if n not in always | extras} == {}


def test_what_is_declared_is_used():
    always, _ = declared()
    assert always - set(imported()) - BEHIND == set()
