"""Bifurcation diagrams claim no more than was decided."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from diracgan.plotting.axes_helpers import name_beside
from diracgan.plotting.branches import branch_title, branches


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
        ends=("", ""),
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
        ends=("", ""),
    )
    ax = branches([branch], Figure().add_subplot())
    assert [line.get_ydata()[0] for line in ax.get_lines()] == [1.0, 2.0, 5.0]
    assert len(ax.get_legend().get_texts()) == 1


def a_branch(theta: float, points: list[tuple[float, int]]) -> SimpleNamespace:
    """Equilibria at one height over p = 0 to 4, with flips at (value, side) at which nothing is drawn that is born."""
    at = [
        SimpleNamespace(
            kind="flip", value=v, side=s, phi=[0.0], theta=[theta], criticality="transcritical", scale=None
        )
        for v, s in points
    ]
    k = np.arange(5.0)
    return SimpleNamespace(
        kind="equilibria", parameter="p", values=k, phi=np.zeros((5, 1)), theta=np.full((5, 1), theta),
        x0=[0.0], statuses=["stable"] * 5, points=at, born_at=9.0, low=0.0, high=4.0, ends=("", ""),
    )  # fmt: skip


def test_names_stand_within_the_axes_apart_from_each_other_and_from_what_is_born():
    ax = Figure(figsize=(6, 4)).add_axes((0.1, 0.1, 0.8, 0.8))
    branches([a_branch(0.0, [(1.0, 1), (2.0, -1), (2.05, -1), (3.95, -1)])], ax)
    texts = {t.get_text(): t for t in ax.texts}
    assert list(texts) == ["flip\n1", "flip\n2, 2.05", "flip\n3.95"]
    assert [t.get_ha() for t in texts.values()] == ["right", "left", "right"]


def test_names_at_one_place_stand_on_different_sides():
    ax, taken = Figure(figsize=(6, 4)).add_axes((0.1, 0.1, 0.8, 0.8)), []
    for name in ("1:2", "1:3", "1:4", "CH"):
        name_beside(ax, (0.5, 0.5), name, taken)
    assert len({(t.get_ha(), t.xyann[1] > 0) for t in ax.texts}) == 4
    assert all(not box.count_overlaps([b for b in taken if b is not box]) for box in taken)


def test_heights_begin_at_no_distance_unless_all_are_far_from_it():
    def limits(*heights: float) -> tuple[float, float]:
        return branches([a_branch(h, []) for h in heights], Figure().add_subplot()).get_ylim()

    assert limits(0.0)[0] == -0.05 and limits(0.0)[1] == 1.0
    assert limits(0.2, 1.0)[0] == 0.0
    assert 0.8 < limits(0.9, 1.0)[0] < 0.9


def test_a_title_says_0_where_a_point_is_there_up_to_rounding():
    point = SimpleNamespace(criticality="subcritical", kind="hopf", value=3.5e-19)
    branch = SimpleNamespace(
        variant="ns", rule=None, parameter="gamma", low=-0.5, high=0.3, kind="equilibria", points=[point]
    )
    assert branch_title(branch).endswith("subcritical Hopf at gamma = 0")


def test_a_branch_that_goes_off_leaves_the_others_their_room():
    flat, off = a_branch(2.0, []), a_branch(2.0, [])
    off.theta = np.geomspace(2.0, 1000.0, len(off.values))[:, None]
    assert branches([flat, off], Figure().add_subplot()).get_ylim()[1] > 1000
    off.ends = ("the branch begins there", "|x| grows beyond 1000")
    assert branches([flat, off], Figure().add_subplot()).get_ylim() == (-0.5, 10)
