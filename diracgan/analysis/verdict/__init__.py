"""The verdict: a motion followed window by window, and judged by what its windows have in common."""

from ...lazy import load_on_use

load_on_use(__name__)
