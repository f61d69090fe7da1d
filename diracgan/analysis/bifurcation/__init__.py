"""Bifurcation analysis: branches, their bifurcations, the cycles and circles born there, and other attractors.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory; docs/concepts/bifurcations.md.
"""

from ...lazy import load_on_use

load_on_use(__name__)
