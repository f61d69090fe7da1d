"""Prediction against measurement: the one room that knows both, by a protocol committed before the runs."""

from .api import Comparison, compare
from .prescription import PrescribedNumber, Prescription, prescribe
from .protocol import Protocol, protocol

__all__ = ["Comparison", "PrescribedNumber", "Prescription", "Protocol", "compare", "prescribe", "protocol"]
