"""Maps of parameters: any quantity over any grid, kept in a store, computed here or on a cluster.

Names load on first use.
"""

from ..lazy import load_on_use

load_on_use(__name__)
