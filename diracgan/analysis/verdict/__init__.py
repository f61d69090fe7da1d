"""The verdict: a motion followed window by window, and judged by what its windows have in common."""

from ...lazy import callable_package, load_on_use

load_on_use(__name__)
callable_package(__name__, "verdict")  # dg.verdict(...), and still the package of its modules
