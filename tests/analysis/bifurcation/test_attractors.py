"""What starts end on, against a game whose basins are known."""

from __future__ import annotations

import numpy as np
import pytest
import written_games as games

import diracgan as dg


def test_rest_and_a_circle_attract_and_the_unstable_circle_is_the_edge():
    found = dg.attractors(games.Bistable(), box=1.0, starts=100, steps=2048, step_size=0.05, x0=1.0)
    circle, rest = found.found
    assert (circle.kind, rest.kind) == ("limit-cycle", "converges-exponentially")
    assert circle.radius == pytest.approx(1.0, rel=1e-4)
    # a disc of radius 1/2 in a square of side 2 holds pi/16 of the starts
    assert rest.share_low < np.pi / 16 < rest.share_high and rest.share + circle.share == 1.0
    (edge,) = found.edges
    assert edge.distance == pytest.approx(0.5, abs=1e-3)
    assert found.survives == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("bad", [{"box": 0.0}, {"starts": 0}, {"steps": 3}, {"step_size": -1.0}])
def test_bad_input_is_one_line(bad):
    with pytest.raises(dg.InputError) as error:
        dg.attractors(dg.variant("ns"), **bad)
    assert next(iter(bad)) in str(error.value) and "\n" not in str(error.value)
