"""The picture of curves of bifurcations."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from diracgan.analysis.bifurcation.points import PointKind
from diracgan.plotting.atlas import atlas


def test_points_that_would_cover_each_other_share_a_mark():
    # of the ranges 2 and 10: the second point is 0.5 % away from the first, the third 5 %
    points = [
        SimpleNamespace(name=name, values=at)
        for name, at in (
            ("Chenciner", (1.0, 5.0)),
            ("1:4 resonance", (1.01, 5.05)),
            ("1:3 resonance", (1.1, 5.5)),
        )
    ]
    curve = SimpleNamespace(
        kind=PointKind.NEIMARK_SACKER,
        parameters=("gamma", "lr"),
        low=(0.0, 0.0),
        high=(2.0, 10.0),
        values=np.array([[0.0, 0.0], [2.0, 10.0]]),
        statuses=["marginal", "marginal"],
        points=points,
    )
    drawn = atlas(curve, Figure().add_subplot())
    assert [t.get_text() for t in drawn.texts] == ["CH, 1:4", "1:3"]
