"""Bifurcation diagrams claim no more than was decided."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from diracgan.plotting.branches import branches


def drawn(statuses: list[str]) -> dict[str, list[float]]:
    """Legend entry -> values of the parameter that its first line covers."""
    k = len(statuses)
    branch = SimpleNamespace(
        kind="equilibria",
        parameter="p",
        values=np.arange(float(k)),
        phi=np.zeros((k, 1)),
        theta=np.ones((k, 1)),
        x0=[0.0],
        statuses=statuses,
        points=[],
        born_at=None,
    )
    ax = branches([branch], Figure().add_subplot())
    return {str(line.get_label()): np.asarray(line.get_xdata()).tolist() for line in ax.get_lines()}


def test_a_point_on_the_edge_takes_its_neighbours_status_and_an_undecided_stretch_does_not():
    edge = drawn(["stable", "stable", "marginal", "unstable"])
    assert edge == {"equilibria, stable": [0.0, 1.0, 2.0, 3.0], "equilibria, unstable": [3.0]}
    stretch = drawn(["stable", "marginal", "marginal", "unstable"])
    assert stretch["equilibria, marginal"] == [1.0, 2.0, 3.0]


def test_of_an_orbit_all_points_are_drawn():
    orbits = np.stack([np.array([[[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]])] * 2, axis=1)[
        0
    ]  # (phi, theta) of three
    branch = SimpleNamespace(
        kind="orbits of period 3",
        parameter="p",
        values=np.arange(2.0),
        orbits=orbits,
        x0=[0.0],
        statuses=["stable", "stable"],
        points=[],
        born_at=None,
    )
    ax = branches([branch], Figure().add_subplot())
    assert [line.get_ydata()[0] for line in ax.get_lines()] == [1.0, 2.0, 5.0]
    assert len(ax.get_legend().get_texts()) == 1
