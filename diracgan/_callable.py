"""Packages that share their name with a public function, as ``dg.variants()`` and ``diracgan.variants`` do.

Importing a subpackage binds it as an attribute of its parent, over any function of that name. A package that
can be called answers to both, whatever was imported first.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def callable_package(package: str, function: str) -> None:
    """Let the imported package ``package`` be called as its own ``function``.

    Example:
        >>> import diracgan.variants
        >>> "ns" in diracgan.variants()
        True
    """

    class Package(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return getattr(self, function)(*args, **kwargs)

    sys.modules[package].__class__ = Package
