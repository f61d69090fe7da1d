"""What is minimised: the variants, their penalties, and the registry."""

from ..lazy import callable_package
from ..parameters import Parameter, param, parameters
from . import f_divergence, hinge, least_squares, quadratic, relativistic, vanilla, wasserstein
from ._math import minus_log_sigmoid, norm, quotient, softplus
from .base import Critic, Variant
from .penalties import modifiers
from .recipes import presets
from .registry import build, load_file, load_module, parse, register, variant, variant_class, variants

__all__ = [
    "Critic",
    "Parameter",
    "Variant",
    "build",
    "f_divergence",
    "hinge",
    "least_squares",
    "load_file",
    "load_module",
    "minus_log_sigmoid",
    "modifiers",
    "norm",
    "param",
    "parameters",
    "parse",
    "presets",
    "quadratic",
    "quotient",
    "register",
    "relativistic",
    "softplus",
    "vanilla",
    "variant",
    "variant_class",
    "variants",
    "wasserstein",
]

callable_package(__name__, "variants")  # dg.variants() lists them, whatever was imported first
