"""The registry of variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import InputError, one_line, shown, unknown
from ..parameters import check, parameters
from ..registry import merged, settings
from .base import VARIANTS, Variant
from .penalties import modifiers
from .presets import PRESETS

V = TypeVar("V", bound=type[Variant])


def register(name: str, reference: str = "") -> Callable[[V], V]:
    """Give a :class:`Variant` subclass its name; every command and function then knows it.

    Args:
        name: what the variant is called, without ``:``, ``,`` or ``=``.
        reference: DOI, arXiv number or address of where the loss comes from.

    Raises:
        InputError: for a bad name, one that another class has, or a class that is not a Variant.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> @dg.register("my-wgan", reference="arXiv 1701.07875")
        ... class MyWGAN(dg.Variant):
        ...     def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)
        ...     def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)
        >>> dg.variant("my-wgan").label
        'my-wgan'
    """
    return VARIANTS.register(name, reference, Variant)


def variants() -> dict[str, str]:
    """Name -> one line of every registered variant.

    Example:
        >>> import diracgan as dg
        >>> dg.variants()["wgan-linear"]
        'WGAN with an unconstrained linear critic: a pure rotation'
    """
    return VARIANTS.summaries()


def variant(name: str, **parameters_: Any) -> Variant:
    """Make a registered variant with these hyperparameters.

    Args:
        name: ``NAME[:k=v,...]`` with a registered name, see :func:`variants`, or a preset's: its variant with its
            penalties; or ``PATH.py:NAME[:k=v,...]``, ``package.module:NAME[:k=v,...]``.
        **parameters_: the variant's own parameters; penalties and transforms (``l2=0.1``) go to ``with_``.

    Raises:
        InputError: (a ValueError) for an unknown name or parameter, naming the choices.

    Example:
        >>> import diracgan as dg
        >>> dg.variant("wgan-gp", c=0.6, lam=0.37).hyperparameters
        {'lam': 0.37, 'c': 0.6, 'one_sided': False}
    """
    return _read(name, parameters_)


def check_variant(given: object) -> Variant:
    """``given``, or InputError where it is not a variant."""
    if not isinstance(given, Variant):
        raise InputError(f"{shown(given)} is not a variant; allowed: what dg.variant(...) returns")
    return given


def _read(spec: str, given: dict[str, Any]) -> Variant:
    name, rest = VARIANTS.find(spec)
    given = merged(dict(settings(rest, spec)), given)
    if name in PRESETS and name not in VARIANTS:
        return build(VARIANTS[PRESETS[name].variant], {**PRESETS[name].modifiers, **given})
    return build(VARIANTS[name], given)


def parse(spec: str, values: Mapping[str, Any] | None = None) -> Variant:
    """Make the variant that a command line names.

    Args:
        spec: ``NAME[:k=v,...]``, ``PATH.py:NAME[:k=v,...]`` or ``package.module:NAME[:k=v,...]``.
        values: what further options set, as :func:`with_values` takes it.

    Raises:
        InputError: naming what is wrong: file, its own error line, name or parameter; and where the options set again
            what ``spec`` sets.

    Example:
        >>> parse("wgan-gp:c=0,lam=0.5", {"l2": 0.1}).label
        'wgan-gp(lam=0.5, c=0) + l2=0.1'
    """
    made = _read(spec, {})
    values = _by_own_names(type(made), values or {})
    merged(dict(settings(VARIANTS.parts(spec).settings, spec)), values)  # the file is not run once more
    return with_values(made, values)


def with_values(given: Variant, values: Mapping[str, Any]) -> Variant:
    """The variant with other values of its own parameters, of penalties and of transforms.

    Args:
        given: a variant.
        values: by their names; ``gamma`` is R1's weight where the variant has no gamma.

    Raises:
        InputError: for a name or a value that is not allowed.

    Example:
        >>> with_values(variant("wgan-gp", lam=0.5), {"c": 0, "gamma": 0.1}).label
        'wgan-gp(lam=0.5, c=0) + r1=0.1'
    """
    values = _by_own_names(type(given), values)
    return build(type(given), {**given.hyperparameters, **values}) if values else given


def _by_own_names(cls: type[Variant], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with R1's weight under its own name, where ``cls`` has no gamma."""
    values = dict(values)
    if "gamma" in values and "gamma" not in parameters(cls):
        return merged({"r1": values.pop("gamma")}, values)
    return values


def build(cls: type[Variant], given: dict[str, Any]) -> Variant:
    """Make ``cls`` from its own parameters and modifiers, all checked."""
    own, added = parameters(cls), modifiers()
    for key in given:
        if key not in own and key not in added:
            error = unknown(f"parameter of {cls.name or cls.__name__}", key, own)
            raise InputError(f"{error} (and on any variant: {', '.join(added)})")
    values = {
        n: p.default for n, p in own.items() if p.default is not None
    }  # a user's default may be anything
    values = check(cls, values | {k: x for k, x in given.items() if k in own})
    try:
        made = cls(**values)
    except TypeError as error:
        raise InputError(
            f"{cls.name or cls.__name__!r} cannot be made: {one_line(error)}; allowed: parameters as annotated "
            "class attributes, each with its default or given"
        ) from error
    changes = {k: x for k, x in given.items() if k not in own}
    return made.with_(**changes) if changes else made
