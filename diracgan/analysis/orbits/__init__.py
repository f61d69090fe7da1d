"""Equilibria, periodic orbits and rotating states, refined, with their multipliers.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapters 1, 7 and 10 (shooting, Floquet multipliers).
"""
