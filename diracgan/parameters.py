"""Named parameters on frozen pytrees, common to variants and rules.

A subclass of :class:`Parametric` is a frozen dataclass whose numbers are pytree leaves (they vmap, differentiate and do
not recompile when their value changes) and whose flags, integers and words are static structure.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, dataclass_transform

import jax
import numpy as np
from jax.core import Tracer
from numpy.typing import ArrayLike

from .errors import (
    LARGEST,
    InputError,
    as_text,
    integer,
    is_plain_text,
    number,
    one_of,
    real_array,
    shown,
    unknown,
)
from .outside_values import outside_values


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One named parameter: its default, its kind and what is allowed.

    Attributes:
        name: the keyword.
        default: the value when it is not given.
        kind: ``"number"`` (a pytree leaf), ``"integer"``, ``"flag"``, ``"choice"`` or ``"object"``.
        low: least allowed number; ``open_low`` excludes it.
        high: largest allowed number; ``open_high`` excludes it.
        choices: the allowed words of a choice.
        optional: whether ``None`` is a value.
        help: one line.

    Example:
        >>> Parameter("lam", 0.1, low=0.0).check(0.5)
        0.5
    """

    name: str
    default: Any
    kind: str = "number"
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    help: str = ""

    def check(self, value: Any) -> Any:
        """Return ``value`` in its proper type; tracers and arrays of numbers pass through.

        Raises:
            InputError: naming the value and what is allowed.
        """
        if value is None or self._is_nothing(value):
            if self.optional:
                return None
            raise InputError(f"{self.name} needs a value; allowed: one like its default, {self.default}")
        if self.kind == "flag":
            return _flag(self.name, value)
        if self.kind == "integer":
            return integer(
                self.name,
                value,
                low=int(self.low or 0),
                high=LARGEST if self.high is None else int(self.high),
            )
        if self.kind == "choice":
            return as_text(one_of(self.name, value, self.choices) if self.choices else value)
        if self.kind == "object" or is_traced(value):
            return value
        domain = {"low": self.low, "high": self.high, "open_low": self.open_low, "open_high": self.open_high}
        if not _has_axes(value):
            checked = number(self.name, value, **domain)
            return value if isinstance(value, jax.Array) else checked
        several = real_array(self.name, value)
        if not several.size:
            raise InputError(f"{self.name} = {shown(value)} is empty; allowed: at least one number")
        found = value if isinstance(value, jax.Array) else np.asarray(value)
        if found.dtype == bool:
            raise InputError(f"{self.name} = {shown(value)} is not made of numbers; allowed: real numbers")
        for end in (several.min(), several.max()):
            number(self.name, end, **domain)
        return found

    def _is_nothing(self, value: object) -> bool:
        """Whether a value is the word for None, where that is written in words."""
        is_word = self.kind == "choice" or not is_plain_text(value)
        return is_word and isinstance(value, str) and value.lower() == "none" and value not in self.choices


def param(
    default: Any,
    help: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
    choices: tuple[str, ...] = (),
    kw_only: bool = False,
) -> Any:
    """Declare a parameter of a variant or a rule with its domain.

    Example:
        >>> class Scaled(Parametric):
        ...     lam: float = param(0.1, "weight", low=0)
        >>> [p.name for p in parameters(Scaled).values()]
        ['lam']
    """
    domain = dict(
        low=low, high=high, open_low=open_low, open_high=open_high, choices=tuple(choices), help=help
    )
    return dataclasses.field(default=default, metadata={"domain": domain}, kw_only=kw_only)


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(param, dataclasses.field))
class Parametric:
    """Base of everything with named parameters; see the module's first lines."""

    name: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        made: Any = cls  # a dataclass from here on
        names = [f.name for f in dataclasses.fields(made)]
        static = [p.name for p in parameters(cls).values() if p.kind in _STATIC]
        static += [f.name for f in dataclasses.fields(made) if f.metadata.get("static")]
        _register(cls, [n for n in names if n not in static], static)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Name -> plain value of every parameter, in the order of declaration."""
        return {n: plain(getattr(self, n)) for n in parameters(type(self))}

    @property
    def label(self) -> str:
        """The name with its parameters, e.g. ``wgan-gp(lam=0.1, c=0)``."""
        inside = ", ".join(f"{k}={text(x)}" for k, x in self.hyperparameters.items() if x is not None)
        return f"{self.name or type(self).__name__}({inside})" if inside else self.name or type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.label}>"

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        doc = (cls.__dict__.get("__doc__") or "").strip()
        # a dataclass without a docstring is given its signature as one
        return "" if doc.startswith(f"{cls.__name__}(") else doc.split("\n", 1)[0].rstrip(".")


def _register(cls: type, leaves: list[str], static: list[str]) -> None:
    """Make ``cls`` a pytree. The class is part of the structure: jax's own registration of dataclasses takes two
    classes with the same fields for equal, and a compiled function of one would then be used for the other. So are the
    numbers that its methods read from outside, for the same reason."""
    keys = [jax.tree_util.GetAttrKey(n) for n in leaves]

    def flatten(x: object) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(x, n) for n in leaves), (
            cls,
            outside_values(cls),
            *(getattr(x, n) for n in static),
        )

    def flatten_with_keys(x: object) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        values, structure = flatten(x)
        return tuple(zip(keys, values, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], values: Iterable[Any]) -> Parametric:
        made = object.__new__(cls)
        for n, x in (*zip(leaves, values, strict=True), *zip(static, structure[2:], strict=True)):
            object.__setattr__(made, n, x)
        return made

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


_STATIC = ("flag", "integer", "choice")
_KINDS = {"bool": "flag", "int": "integer", "str": "choice", "float": "number"}


@functools.cache
def parameters(cls: type) -> dict[str, Parameter]:
    """Name -> :class:`Parameter` of a variant's or rule's own parameters.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.parameters import parameters
        >>> list(parameters(type(dg.variant("gan-qp"))))[0]
        'lam'
    """
    found = {}
    for f in dataclasses.fields(cls):
        if f.name.startswith("_") or (f.kw_only and "domain" not in f.metadata):
            continue
        words = [w.strip() for w in str(getattr(f.type, "__name__", f.type)).split("|")]
        kinds = [_KINDS[w] for w in words if w in _KINDS]
        kind = kinds[0] if kinds else "object"
        default = None if f.default is dataclasses.MISSING else f.default
        found[f.name] = Parameter(
            f.name, default, kind, optional=default is None, **f.metadata.get("domain", {})
        )
    return found


def check(cls: type[Parametric], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``given`` checked against the parameters of ``cls``.

    Raises:
        InputError: for a name that ``cls`` does not take or a value that is not allowed.
    """
    known = parameters(cls)
    for name in given:
        if name not in known:
            raise unknown(f"parameter of {cls.name or cls.__name__}", name, known)
    return {name: known[name].check(value) for name, value in given.items()}


def is_traced(x: object) -> bool:
    """Whether ``x`` stands for a value that is not known yet, under jit, vmap or grad."""
    return isinstance(x, Tracer)


def in_double() -> bool:
    """Whether JAX computes in 64 bits here: everywhere, or within ``jax.enable_x64(True)``."""
    return bool(jax.config.read("jax_enable_x64"))


def plain(value: Any) -> Any:
    """Return a concrete array scalar as a Python number; anything else as it is."""
    if isinstance(value, (np.ndarray, np.generic, jax.Array)) and not is_traced(value):
        return np.asarray(value).tolist()
    return value


def text(value: object) -> str:
    """Return a parameter's value as short text that reads back to the same number."""
    if isinstance(value, bool) or not isinstance(value, float):
        return value.label if isinstance(value, Parametric) else str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _has_axes(value: ArrayLike) -> bool:
    """Whether ``value`` holds several numbers; ragged lists do, and what NumPy cannot read does not."""
    try:
        return isinstance(value, (list, tuple)) or np.ndim(value) > 0
    except Exception:  # a stranger's object may raise anything
        return False


def _flag(name: str, value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if not is_plain_text(value) and as_text(value).lower() in words:
        return words[as_text(value).lower()]
    raise InputError(f"{name} = {shown(value)} is not a truth value; allowed: true, false")
