"""Where a motion can end: equilibria, periodic orbits and rotating states, refined and with their multipliers.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapters 1, 7 and 10 (shooting, Floquet multipliers).
"""
