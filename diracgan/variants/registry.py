"""The registered variants, and how a name, a file or a module becomes one."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, one_line, unknown
from ..parameters import check, parameters
from .base import Variant
from .penalties import modifiers
from .recipes import PRESETS

_REGISTRY: dict[str, type[Variant]] = {}
V = TypeVar("V", bound=type[Variant])


def register(name: str, reference: str = "") -> Callable[[V], V]:
    """Give a :class:`Variant` subclass its name; every command and function then knows it.

    Args:
        name: what the variant is called, without ``:``, ``,`` or ``=``.
        reference: DOI, arXiv number or address of where the loss comes from.

    Raises:
        InputError: for a bad name, one that another class has, or a class that is no Variant.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> @dg.register("my-wgan", reference="arXiv 1701.07875")
        ... class MyWGAN(dg.Variant):
        ...     def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)
        ...     def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)
        >>> dg.variant("my-wgan").label
        'my-wgan'
    """
    if not name or set(name) & set(":,= ") or name.endswith(".py"):
        raise InputError(f"{name!r} is no name for a variant; allowed: words without ':', ',', '=' or spaces")

    def give(cls: V) -> V:
        if not (inspect.isclass(cls) and issubclass(cls, Variant)):
            raise InputError(f"register({name!r}) is for subclasses of diracgan.Variant, not {cls!r}")
        taken = _REGISTRY.get(name)
        if taken is not None and _origin(taken) != _origin(cls):
            raise InputError(f"the variant name {name!r} is taken by {taken.__module__}.{taken.__qualname__}")
        cls.name, cls.reference = name, reference
        _REGISTRY[name] = cls
        return cls

    return give


def variants() -> dict[str, str]:
    """Name -> one line of every registered variant.

    Example:
        >>> import diracgan as dg
        >>> dg.variants()["wgan-linear"]
        'WGAN with an unconstrained linear critic: a pure rotation'
    """
    return {name: cls.summary() for name, cls in _REGISTRY.items()}


def labelled() -> list[str]:
    """The registered variants whose loss has labels to smooth."""
    return [name for name, cls in _REGISTRY.items() if cls.labelled]


def variant_class(name: str) -> type[Variant]:
    """The class registered as ``name``; InputError names the choices."""
    if name not in _REGISTRY:
        raise unknown("variant", name, [*_REGISTRY, *PRESETS])
    return _REGISTRY[name]


def variant(name: str, **parameters_: Any) -> Variant:
    """Make a registered variant with these hyperparameters.

    Args:
        name: a registered name, see :func:`variants`, or a preset's: its variant with its penalties.
        **parameters_: the variant's own parameters; penalties and transforms (``l2=0.1``) go to ``with_``.

    Raises:
        InputError: (a ValueError) for an unknown name or parameter, naming the choices.

    Example:
        >>> import diracgan as dg
        >>> dg.variant("wgan-gp", c=0.6, lam=0.37).hyperparameters
        {'lam': 0.37, 'c': 0.6, 'one_sided': False}
    """
    return _named(name, parameters_)


def _named(name: str, given: dict[str, Any]) -> Variant:
    if name in PRESETS and name not in _REGISTRY:
        return build(variant_class(PRESETS[name].variant), {**PRESETS[name].modifiers, **given})
    return build(variant_class(name), given)


def build(cls: type[Variant], given: dict[str, Any]) -> Variant:
    """Make ``cls`` from its own parameters and modifiers, all checked."""
    own, added = parameters(cls), modifiers()
    for key in given:
        if key not in own and key not in added:
            error = unknown(f"parameter of {cls.name or cls.__name__}", key, own)
            raise InputError(f"{error} (and on any variant: {', '.join(added)})")
    made = cls(**check(cls, {k: x for k, x in given.items() if k in own}))
    changes = {k: x for k, x in given.items() if k not in own}
    return made.with_(**changes) if changes else made


def parse(spec: str) -> Variant:
    """Make the variant that a command line names.

    Args:
        spec: ``NAME[:k=v,...]``, ``PATH.py:NAME[:k=v,...]`` or ``package.module:NAME[:k=v,...]``.

    Raises:
        InputError: naming what is wrong: file, its own error line, name or parameter.

    Example:
        >>> parse("wgan-gp:c=0,lam=0.5,l2=0.1").label
        'wgan-gp(lam=0.5, c=0) + l2=0.1'
    """
    head, _, rest = spec.partition(":")
    if head in _REGISTRY or head in PRESETS:
        return _named(head, dict(_settings(rest, spec)))
    if head.endswith(".py") or "/" in head:
        cls, settings = _from(load_file(head), head, rest)
    elif rest and "=" not in rest.split(":")[0]:
        cls, settings = _from(load_module(head), head, rest)
    else:
        raise unknown("variant", head, [*_REGISTRY, *PRESETS])
    return build(cls, _settings(settings, spec))


def load_file(path: str) -> list[str]:
    """Import a Python file and return the names of the variants that it registers.

    Raises:
        InputError: when it is missing or raises on import; its own error line is shown.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"no variant file {path!r}; allowed: a Python file that registers a variant")
    module = f"_diracgan_user_{file.resolve().stem}_{abs(hash(str(file.resolve())))}"
    loader = importlib.util.spec_from_file_location(module, file)
    if loader is None or loader.loader is None:
        raise InputError(f"{path!r} is no Python file")
    made = importlib.util.module_from_spec(loader)
    sys.modules[module] = made
    return _registered_by(lambda: loader.loader.exec_module(made), module, path)  # type: ignore[union-attr]


def load_module(name: str) -> list[str]:
    """Import a module by its dotted name and return the names of the variants that it registers."""
    return _registered_by(lambda: importlib.import_module(name), name, name)


def _registered_by(action: Callable[[], Any], module: str, shown: str) -> list[str]:
    try:
        action()
    except InputError as error:
        raise InputError(f"{shown}: {error}") from error
    except (Exception, SystemExit) as error:  # whatever a user's file raises is the user's to read
        if isinstance(error, ModuleNotFoundError) and error.name == shown.split(".")[0]:
            raise unknown("variant", shown, _REGISTRY) from None
        raise InputError(f"{shown} cannot be imported: {_where(error, module)}{one_line(error)}") from error
    return [n for n, cls in _REGISTRY.items() if cls.__module__ == module]


def _where(error: BaseException, module: str) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"line {error.lineno}: "
    file = getattr(sys.modules.get(module), "__file__", None)
    trace, line = error.__traceback__, None
    while trace is not None:
        if file and trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""


def _from(names: list[str], source: str, rest: str) -> tuple[type[Variant], str]:
    name, _, settings = rest.partition(":")
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        raise unknown(f"variant in {source}", name, names)
    return _REGISTRY[name], settings


def _settings(text: str, spec: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise InputError(f"{part!r} in {spec!r} is no setting; allowed: name=value, separated by commas")
        found[key.strip()] = value.strip()
    return found


def _origin(cls: type) -> tuple[str | None, str]:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return (file or cls.__module__, cls.__qualname__)
