"""What is born when stability is lost: branches, their bifurcations, and curves of these.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory; docs/concepts/bifurcations.md.
"""

from ...lazy import load_on_use

load_on_use(__name__)
