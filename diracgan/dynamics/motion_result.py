"""The one vocabulary of how a trajectory ended."""

from __future__ import annotations

from ..vocabulary import Vocabulary


class MotionResult(Vocabulary):
    """How a trajectory ended; ``meaning`` says it in words.

    Example:
        >>> MotionResult("stuck").meaning, MotionResult.MAX_STEPS == "max steps"
        ('rests on a discontinuity, or cannot leave it', True)
    """

    OK = "ok", "reached its end"
    DIVERGED = "diverged", "left the float range, or grows without bound"
    STIFF = "stiff", "the steps fell to rounding, or the field has no value"
    MAX_STEPS = "max steps", "given up after too many steps or switchings"
    STUCK = "stuck", "rests on a discontinuity, or cannot leave it"
