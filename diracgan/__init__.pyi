from . import analysis as analysis, measure as measure, plotting, training as training
from .analysis import (
    averaged as averaged,
    bifurcation as bifurcation,
    critical as critical,
    ema as ema,
    report as report,
    spectrum as spectrum,
    stationary_covariance as stationary_covariance,
    tune as tune,
    verdict as verdict,
)
from .analysis.bifurcation.attractors import attractors as attractors
from .analysis.explain.explanation import explain as explain
from .analysis.orbits.lyapunov import lyapunov as lyapunov
from .comparison import compare as compare, prescribe as prescribe
from .dirac import field as field
from .dynamics import Trajectory as Trajectory, flow as flow, simulate as simulate, step as step
from .dynamics.store import load as load, save as save
from .ensemble import ensemble as ensemble, spectra as spectra
from .errors import InputError as InputError
from .measure.critical_setting import critical_setting as critical_setting
from .measure.forecast import forecast as forecast
from .monitoring import Monitor as Monitor, diagnose as diagnose
from .rules import Rule as Rule, register_rule as register_rule, rule as rule, rules as rules
from .rules.registry import preset as preset
from .sweeps import sweep as sweep
from .training import train as train
from .training.problems import Problem as Problem, register_problem as register_problem
from .variants import Variant as Variant, register as register, variant as variant, variants as variants
from .variants.presets import presets as presets

__version__: str
plot = plotting
