"""What it means: equilibria, spectra and verdicts; arrays in, records out."""

from .averaging import Averaging, ema
from .critical import Critical, critical
from .noise import Scatter, stationary_covariance
from .spectrum import Spectrum, spectrum
from .survey import Report, report
from .tune import Tuned, tune
from .verdict import Verdict, verdict

__all__ = [
    "Averaging",
    "Critical",
    "Report",
    "Scatter",
    "Spectrum",
    "Tuned",
    "Verdict",
    "critical",
    "ema",
    "report",
    "spectrum",
    "stationary_covariance",
    "tune",
    "verdict",
]
