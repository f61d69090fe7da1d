"""What truly happens: a motion followed window by window, judged by what its windows have in common."""

from typing import TYPE_CHECKING

from ...lazy import load_on_use

if TYPE_CHECKING:
    from .verdict import Verdict, verdict

__all__ = ["Verdict", "verdict"]

load_on_use(__name__, {"verdict": ("Verdict", "verdict")})
