"""The kinds of a verdict."""

KINDS = (
    "converges-exponentially",
    "converges-sublinearly",
    "converges-elsewhere",
    "neutral-orbit",
    "limit-circle",
    "limit-cycle",
    "diverges",
    "finite-time",
    "stuck",
    "undecided",
)
