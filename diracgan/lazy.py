"""Names that load on first use, and packages named like a public function, e.g. ``dg.variants()``.

A package's stub, ``__init__.pyi``, is the one list of its public names: type checkers read it, and so does
:func:`load_on_use`. Where each module lists its own, :func:`load_from_modules` reads those. It is what lazy_loader's
``attach_stub`` does, in the same time (`diracgan --help` and ``import diracgan`` cost what they did with either); but
lazy_loader binds a function over the package of its name, and ``import diracgan.variants as v`` must find the package.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any


def import_modules(package: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that what each of them registers is there without being named anywhere.

    Args:
        package: its full name.
        path: where its modules are, its ``__path__``.

    Example:
        >>> import diracgan.rules
        >>> import_modules(diracgan.rules.__name__, diracgan.rules.__path__)
    """
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")


def callable_package(package: str, function: str) -> None:
    """Let the imported package ``package`` be called as its own ``function``.

    A package that can be called answers to both, whatever was imported first, so that ``import`` finds its modules by
    any path; its help and its pickle are those of a function, looked up by its name.

    Example:
        >>> import diracgan.variants
        >>> "ns" in diracgan.variants()
        True
    """

    module: Any = sys.modules[package]

    class CallablePackage(type(module)):  # a package whose names load on use remains one
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return getattr(self, function)(*args, **kwargs)

        def __reduce__(self) -> tuple[Any, ...]:  # a module alone cannot be sent to another process
            return importlib.import_module, (package,)

        # a property in place of a text: the function is not imported before its help is read
        @property
        def __doc__(self) -> str | None:  # type: ignore[override]
            return getattr(self, function).__doc__

        @property
        def __signature__(self) -> Any:  # what help in a notebook shows of it
            import inspect

            return inspect.signature(getattr(self, function))

    module.__class__ = CallablePackage


def load_on_use(package: str) -> None:
    """Let the names in the stub of the package ``package`` load on first use.

    A module that is imported never hides the function of its name; a package that can be called is that function.

    Args:
        package: the package's full name.

    Example:
        >>> import diracgan.sweeps.sweep
        >>> diracgan.sweeps.sweep.__name__
        'sweep'
    """
    stub = Path(str(sys.modules[package].__file__)).with_suffix(".pyi")
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    homes = {
        a.asname or a.name: (
            f"{package.rsplit('.', n.level - 1)[0]}.{n.module or a.name}",
            a.name if n.module else None,
        )
        for n in body
        if isinstance(n, ast.ImportFrom)
        for a in n.names
    }
    for n in body:
        if isinstance(n, ast.Assign):  # another name for a module
            homes[ast.unparse(n.targets[0])] = homes.pop(ast.unparse(n.value))
    _load_from(package, homes)


def load_from_modules(package: str) -> None:
    """Let the names that the modules of ``package`` list in their ``__all__`` load on first use.

    The lists are read, the modules are not imported; so a new module is found without being named anywhere.

    Args:
        package: the package's full name.

    Example:
        >>> import diracgan.plotting
        >>> diracgan.plotting.radii.__module__
        'diracgan.plotting.curves'
    """
    found = {}
    for path in sorted(Path(str(sys.modules[package].__file__)).parent.glob("[!_]*.py")):
        listed = re.search(r"^__all__ = (\[[^]]*])", path.read_text(encoding="utf-8"), re.MULTILINE)
        for name in ast.literal_eval(listed[1]) if listed else ():
            found[name] = (f"{package}.{path.stem}", name)
    _load_from(package, found)


def module_on_use(name: str) -> ModuleType:
    """What stands for a module that is imported when something of it is asked for, so that annotations may name it.

    Args:
        name: the module's full name.

    Example:
        >>> module_on_use("fractions").Fraction(1, 2)
        Fraction(1, 2)
    """

    class ModuleOnUse(ModuleType):
        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(name), attribute)

    return ModuleOnUse(name)


def _load_from(package: str, homes: dict[str, tuple[str, str | None]]) -> None:
    """Let each name of ``package`` load from its module and by the name there; None for the module itself."""
    module = sys.modules[package]

    class LazyPackage(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name not in homes:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            place, attribute = homes[name]
            found = importlib.import_module(place)
            own = callable(found) and place == f"{package}.{name}"
            value = found if attribute is None or own else getattr(found, attribute)
            setattr(self, name, value)
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            # an imported submodule would bind itself over the function of its name
            hides = isinstance(value, ModuleType) and homes.get(name, ("", None))[1] is not None
            if not hides or callable(value):
                super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return list(self.__all__)

    module.__class__ = LazyPackage
    public = [*homes, *(["__version__"] if "__version__" in vars(module) else [])]
    vars(module)["__all__"] = sorted(public)
