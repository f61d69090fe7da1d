"""What it means: equilibria, spectra and verdicts; arrays in, records out.

Each question's module loads when it is first asked.
"""

from typing import TYPE_CHECKING

from .._callable import load_on_use

if TYPE_CHECKING:
    from .averaging import Averaging, ema
    from .critical import Critical, critical
    from .diagnose import Diagnosis, diagnose
    from .noise import Scatter, stationary_covariance
    from .spectrum import Spectrum, spectrum
    from .survey import Report, report
    from .tune import Tuned, tune
    from .verdict import Verdict, verdict

__all__ = [
    "Averaging",
    "Critical",
    "Diagnosis",
    "Report",
    "Scatter",
    "Spectrum",
    "Tuned",
    "Verdict",
    "critical",
    "diagnose",
    "ema",
    "report",
    "spectrum",
    "stationary_covariance",
    "tune",
    "verdict",
]

load_on_use(
    __name__,
    averaging=("Averaging", "ema"),
    critical=("Critical", "critical"),
    diagnose=("Diagnosis", "diagnose"),
    noise=("Scatter", "stationary_covariance"),
    spectrum=("Spectrum", "spectrum"),
    survey=("Report", "report"),
    tune=("Tuned", "tune"),
    verdict=("Verdict", "verdict"),
)
