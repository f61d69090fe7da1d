"""Headings: whole, within the page, and broken where one reads on."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from diracgan.plotting.headings import folded, heading_height, page, panel_page, spanned

TITLES = [
    "wgan-gp(lam=0.1, c=0): converges to the equilibrium like exp(−0.1 t); it spirals in at angular frequency 0.99499",
    "ns: |θ| ends at 0.17 raw, 0.16 with EMA 0.9, 0.034 with EMA 0.99, 0.0041 with EMA 0.999",
    "ns: ends on a circle: |φ| = 0.173205, |θ − x₀| = 0.173205",
]


@pytest.mark.parametrize("width", [6.4, 9.6])
@pytest.mark.parametrize("title", TITLES)
def test_a_heading_is_whole_and_ends_before_the_edge(title, width):
    with page(width, 4.0, title, f"flow (DOP853), t 0 to 400; φ(0) = (0.1, 0.2); {title}") as fig:
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        first = " ".join(fig.texts[0].get_text().split())
        assert first == title
        for text in fig.texts:
            assert text.get_window_extent(canvas.get_renderer()).x1 < fig.bbox.x1


@pytest.mark.parametrize("title", TITLES)
def test_no_line_ends_within_an_equation_or_beside_one_word(title):
    lines = folded(title, 3.3, 10.0, "bold", even=True)
    assert len(lines) > 1
    for line in lines[:-1]:
        assert not line.endswith(("=", "EMA", "frequency", "→", "(−0.1"))
    assert len(lines[-1]) > 0.4 * max(map(len, lines))


@pytest.mark.parametrize("name", ["a-name-of-a-loss-that-no-one-would-write-by-hand:", "x" * 60])
def test_a_name_longer_than_a_line_is_broken_and_no_letter_is_lost(name):
    with panel_page(3.3, 4.0, (0.2, 0.2, 0.6, 0.6), f"{name} ends on a circle", "flow") as (fig, _):
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        title = fig.texts[0]
        assert "".join(title.get_text().split()) == f"{name}endsonacircle"
        assert title.get_window_extent(canvas.get_renderer()).x1 < fig.bbox.x1


def test_what_does_not_fit_is_said_to_be_cut():
    assert folded("one two three four five six", 0.7, 10.0, most=2)[-1].endswith(" …")


def test_only_the_parameter_that_is_varied_has_a_range():
    assert spanned("adam(lr=0.1, lr_d=0.2)", "lr", 0.01, 1.0) == "adam(lr=0.01..1, lr_d=0.2)"


def test_a_page_with_one_panel_grows_by_what_its_heading_has_beyond_two_lines_and_cuts_nothing():
    box, long = (0.1, 0.2, 0.8, 0.6), "; ".join(TITLES)
    with (
        panel_page(7.6, 6.0, box, "ns", "how") as (usual, small),
        panel_page(7.6, 6.0, box, long, "how") as (fig, ax),
    ):
        assert usual.get_figheight() == 6.0 < fig.get_figheight()
        assert " ".join(fig.texts[0].get_text().split()) == long.replace("\n", " ")
    for side in (0, 1):  # the panel keeps its inches, and their distance from below
        inches = [
            a.get_position().get_points()[side, 1] * f.get_figheight() for f, a in ((usual, small), (fig, ax))
        ]
        assert inches[0] == pytest.approx(inches[1])


def test_a_title_of_two_lines_has_room_without_a_line_below():
    title = "diverges, like exp(0.34657 n): it passes a limit"
    with page(3.4, 4.0, title) as fig:
        FigureCanvasAgg(fig).draw()
        (written,) = fig.texts
        assert "\n" in written.get_text()
        lowest = written.get_window_extent().y0
    assert 4.0 - heading_height(3.4, title, "") < lowest / fig.dpi
