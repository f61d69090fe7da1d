"""What it means: equilibria, spectra and verdicts; arrays in, records out.

Each question's module loads when it is first asked.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .catalogue_report import Report, report
    from .linear.spectrum import Spectrum, spectrum
    from .thresholds.critical import Critical, critical
    from .thresholds.noise_covariance import Scatter, stationary_covariance
    from .thresholds.tune import Tuned, tune
    from .thresholds.weight_averaging import Averaging, ema
    from .verdict.verdict import Verdict, verdict

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

load_on_use(
    __name__,
    {
        "catalogue_report": ("Report", "report"),
        "linear.spectrum": ("Spectrum", "spectrum"),
        "thresholds.critical": ("Critical", "critical"),
        "thresholds.noise_covariance": ("Scatter", "stationary_covariance"),
        "thresholds.tune": ("Tuned", "tune"),
        "thresholds.weight_averaging": ("Averaging", "ema"),
        "verdict.verdict": ("Verdict", "verdict"),
    },
)
