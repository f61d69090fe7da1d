"""Variants: the losses that are minimised, their penalties, and the registry."""

from ..lazy import callable_package, import_modules
from ..parameters import Parameter, param, parameters
from ._math import minus_log_sigmoid, norm, quotient, softplus
from .base import VARIANTS, Variant
from .penalties import Critic, modifiers
from .presets import presets
from .registry import build, check_variant, parse, register, variant, variants, with_values

__all__ = [
    "VARIANTS",
    "Critic",
    "Parameter",
    "Variant",
    "build",
    "check_variant",
    "minus_log_sigmoid",
    "modifiers",
    "norm",
    "param",
    "parameters",
    "parse",
    "presets",
    "quotient",
    "register",
    "softplus",
    "variant",
    "variants",
    "with_values",
]

import_modules(__name__, __path__)  # every family registers its variants
callable_package(__name__, "variants")  # dg.variants() lists them, whatever was imported first
