"""What is born when stability is lost: branches, their bifurcations, what is born there, and what else attracts.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory; docs/concepts/bifurcations.md.
"""

from ...lazy import load_on_use

load_on_use(__name__)
