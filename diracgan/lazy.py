"""Packages and modules that share their name with a public function, as ``dg.variants()`` and ``diracgan.variants`` do.

Importing a submodule binds it as an attribute of its parent, over any function of that name.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def callable_package(package: str, function: str) -> None:
    """Let the imported package ``package`` be called as its own ``function``.

    A package that can be called answers to both, whatever was imported first.

    Example:
        >>> import diracgan.variants
        >>> "ns" in diracgan.variants()
        True
    """

    class CallablePackage(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return getattr(self, function)(*args, **kwargs)

    sys.modules[package].__class__ = CallablePackage


def load_on_use(package: str, homes: dict[str, tuple[str, ...]]) -> None:
    """Let names of the package ``package`` load on first use; a module never hides the function of its name.

    Args:
        package: the package's full name.
        homes: for each of its modules, the names that it defines.

    Example:
        >>> import diracgan.analysis.verdict
        >>> diracgan.analysis.verdict.__name__
        'verdict'
    """
    home = {name: module for module, names in homes.items() for name in names}

    class LazyPackage(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name not in home:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            value = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
            setattr(self, name, value)
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            # an imported submodule would bind itself over the function of its name
            if not (name in home and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted(home)

    sys.modules[package].__class__ = LazyPackage
