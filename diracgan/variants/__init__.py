"""What is minimised: the variants, their penalties, and the registry."""

from ..parameters import Parameter, param, parameters
from . import quadratic, vanilla, wasserstein
from ._math import minus_log_sigmoid, norm, quotient, softplus
from .base import Critic, Variant
from .penalties import modifiers
from .registry import build, load_file, load_module, parse, register, variant, variant_class, variants

__all__ = [
    "Critic",
    "Parameter",
    "Variant",
    "build",
    "load_file",
    "load_module",
    "minus_log_sigmoid",
    "modifiers",
    "norm",
    "param",
    "parameters",
    "parse",
    "quadratic",
    "quotient",
    "register",
    "softplus",
    "vanilla",
    "variant",
    "variant_class",
    "variants",
    "wasserstein",
]
