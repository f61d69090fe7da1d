"""Prediction against measurement, by a protocol committed before the runs: the one room that imports both."""

from .api import Comparison, compare
from .prescription import PrescribedNumber, Prescription, prescribe
from .protocol import Protocol, protocol

__all__ = ["Comparison", "PrescribedNumber", "Prescription", "Protocol", "compare", "prescribe", "protocol"]
