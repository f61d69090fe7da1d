"""What a GAN's training dynamics really do: from two losses to flow, steps, spectrum and picture.

Names load on first use, so that ``import diracgan`` costs nothing and pulls in neither JAX nor NumPy.

Example:
    >>> import diracgan as dg
    >>> dg.variant("wgan-gp", c=0.0).name
    'wgan-gp'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Public name -> the module that defines it. A package of the same name is meant itself: it can be called, so
# that ``import diracgan.variants as v`` finds the package.
_HOME = {
    "Trajectory": "diracgan.dynamics",
    "InputError": "diracgan.errors",
    "Problem": "diracgan.training.problems",
    "Rule": "diracgan.rules",
    "Variant": "diracgan.variants",
    "register": "diracgan.variants",
    "register_problem": "diracgan.training.problems",
    "register_rule": "diracgan.rules",
    "variant": "diracgan.variants",
    "variants": "diracgan.variants",
    "field": "diracgan.dirac",
    "step": "diracgan.dynamics",
    "flow": "diracgan.dynamics",
    "load": "diracgan.dynamics.store",
    "rule": "diracgan.rules",
    "rules": "diracgan.rules",
    "save": "diracgan.dynamics.store",
    "simulate": "diracgan.dynamics",
    "spectrum": "diracgan.analysis",
    "compare": "diracgan.comparison",
    "critical": "diracgan.analysis",
    "diagnose": "diracgan.monitoring",
    "ema": "diracgan.analysis",
    "tune": "diracgan.analysis",
    "report": "diracgan.analysis",
    "verdict": "diracgan.analysis",
    "ensemble": "diracgan.ensemble",
    "sweep": "diracgan.sweeps",
    "spectra": "diracgan.ensemble",
    "stationary_covariance": "diracgan.analysis",
    "analysis": "diracgan.analysis",
    "explain": "diracgan.analysis.explain",
    "plot": "diracgan.plotting",
    "measure": "diracgan.measure",
    "preset": "diracgan.rules.presets",
    "presets": "diracgan.rules.presets",
    "train": "diracgan.training",
    "training": "diracgan.training",
}

_MODULES = {"plot", "measure"}  # meant themselves, under a shorter name

__all__ = [
    "InputError",
    "Problem",
    "Rule",
    "Trajectory",
    "Variant",
    "__version__",
    "analysis",
    "compare",
    "critical",
    "diagnose",
    "ema",
    "ensemble",
    "explain",
    "field",
    "flow",
    "load",
    "measure",
    "plot",
    "preset",
    "presets",
    "register",
    "register_problem",
    "register_rule",
    "report",
    "rule",
    "rules",
    "save",
    "simulate",
    "spectra",
    "spectrum",
    "stationary_covariance",
    "step",
    "sweep",
    "train",
    "training",
    "tune",
    "variant",
    "variants",
    "verdict",
]

if TYPE_CHECKING:
    from diracgan import analysis, measure, training
    from diracgan import plotting as plot
    from diracgan.analysis import critical, ema, report, spectrum, stationary_covariance, tune, verdict
    from diracgan.analysis.explain.explanation import explain
    from diracgan.comparison import compare
    from diracgan.dirac import field
    from diracgan.dynamics import Trajectory, flow, simulate, step
    from diracgan.dynamics.store import load, save
    from diracgan.ensemble import ensemble, spectra
    from diracgan.errors import InputError
    from diracgan.monitoring import diagnose
    from diracgan.rules import Rule, register_rule, rule, rules
    from diracgan.rules.presets import preset, presets
    from diracgan.sweeps import sweep
    from diracgan.training import train
    from diracgan.training.problems import Problem, register_problem
    from diracgan.variants import Variant, register, variant, variants


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'diracgan' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(home)
    value = module if name in _MODULES or home == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
