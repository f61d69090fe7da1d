"""Training of real GANs: networks and data, moved by the same losses, penalties and rules as the Dirac system.

    run = dg.train("ns:r1=0.1", "ring8", steps=5000, out="run")
    run = dg.training.load_run("run", which="best")

Names load on first use.
"""

from ..lazy import load_on_use

load_on_use(__name__)
