from . import bifurcation as bifurcation
from .catalogue_report import Report as Report, report as report
from .linear.spectrum import Spectrum as Spectrum, spectrum as spectrum
from .slow_flow.averaged import AveragedFlow as AveragedFlow, averaged as averaged
from .slow_flow.sized import SizedCycle as SizedCycle, sized_cycle as sized_cycle
from .thresholds.critical import Critical as Critical, critical as critical
from .thresholds.noise_covariance import Scatter as Scatter, stationary_covariance as stationary_covariance
from .thresholds.tune import Tuned as Tuned, tune as tune
from .thresholds.tuned_cycle import TunedCycle as TunedCycle, tune_cycle as tune_cycle
from .thresholds.weight_averaging import Averaging as Averaging, ema as ema
from .verdict import Verdict as Verdict, verdict as verdict
