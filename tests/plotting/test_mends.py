"""What a picture must not do: hide, flicker, end in a staircase, show one of two attractors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import diracgan as dg
from diracgan import plotting as plot
from diracgan.plotting.axes_helpers import pace
from diracgan.plotting.sizes import size_of
from diracgan.sweeps import basins, bifurcation, stability

T = np.linspace(0, 40 * np.pi, 4001)


def orbit(turns=20.0, radius=1.0):
    angle = turns * T / T[-1] * 2 * np.pi
    phi, theta = radius * np.cos(angle)[:, None], radius * np.sin(angle)[:, None]
    return {"phi": phi, "theta": theta, "time": T, "attrs": {}}


def test_critic_lines_are_told_apart_on_an_orbit_of_many_turns():
    """Six equally spaced instants of 5 whole turns would be one line six times."""
    ax = plot.critic(orbit(5.0), Figure().add_subplot())
    dots = [k for k, line in enumerate(ax.lines) if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    assert len(dots) == 6
    lines = [(ax.lines[k - 1].get_xydata()[1], ax.lines[k].get_xdata()[0]) for k in dots]
    seen = np.array([(y / x, theta) for (x, y), theta in lines])
    scaled = seen / np.abs(seen).max(axis=0)
    apart = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)[np.triu_indices(len(scaled), 1)]
    assert np.sort(apart)[1] > 0.4  # but for the first and the last, which are the same point


@pytest.mark.parametrize("turns", [0.3, 7.0, 30.0, 200.0])
def test_films_turn_at_most_twice_a_second(turns):
    z = orbit(turns)
    frames, rate = pace(np.hstack([z["phi"], z["theta"]]), 80, 20)
    assert turns / (frames / rate) <= 2.05
    assert frames >= min(12 * turns, 480) - 1 and 80 <= frames <= 480 and 1 <= rate <= 20


def test_what_stands_still_in_a_gif_keeps_its_colour(tmp_path):
    file = plot.save(plot.animate_critic(orbit(1.0), frames=3), tmp_path / "a.gif")
    with Image.open(file) as film:
        corner = []
        for k in range(film.n_frames):
            film.seek(k)
            corner.append(np.asarray(film.convert("RGB"))[:60, :300])  # the title, but not the time
    still = np.all(corner[0] == corner[-1], axis=2)
    assert all(np.array_equal(c[still], corner[0][still]) for c in corner)


LEVELS = np.arange(256) / 255
LIGHT = np.where(LEVELS <= 0.04045, LEVELS / 12.92, ((LEVELS + 0.055) / 1.055) ** 2.4)


def relative_luminance(frame):
    """Of every pixel, as WCAG 2 defines it: linear light, weighed by what the eye makes of each colour."""
    red, green, blue = frame.convert("RGB").split()
    channels = ((red, 0.2126), (green, 0.7152), (blue, 0.0722))
    return sum((weight * LIGHT)[np.asarray(channel)] for channel, weight in channels)


LOCUS = np.linspace(0, 2, 81)
ROOTS = -LOCUS[:, None] / 2 + np.sqrt(LOCUS[:, None] ** 2 / 4 - 0.25 + 0j) * [1, -1]
FILMS = {
    "portrait": lambda: plot.animate(orbit(8.0)),
    "critic": lambda: plot.animate_critic(orbit(2.0), frames=22),
    "locus": lambda: plot.animate_locus(LOCUS, ROOTS, title="ns"),
    "card": lambda: plot.animate_card(orbit(8.0), "it stops", "it does not", "diracgan list", hold=0.5),
}


@pytest.mark.parametrize(
    "kind", ["critic", *(pytest.param(k, marks=pytest.mark.slow) for k in FILMS if k != "critic")]
)
def test_films_do_not_flash(kind, tmp_path):
    """A flash is a tenth of the luminance on a quarter of the picture (WCAG 2.3.1); these are far below it."""
    file = plot.save(FILMS[kind](), tmp_path / "a.gif")
    flashing, drift, before = [], [], None
    with Image.open(file) as film:
        for k in range(film.n_frames):
            film.seek(k)
            now = relative_luminance(film)
            if before is not None:
                flashing.append(float(np.mean(np.abs(now - before) > 0.1)))
                drift.append(abs(float(now.mean() - before.mean())))
            before = now
    assert len(flashing) >= 20
    # what moves is thin: a line, a point; words that appear stand still from then on
    assert np.sort(flashing)[-3] < 0.03 and max(flashing) < 0.1
    assert max(drift) < 0.03


def test_runs_that_one_scale_would_hide_have_their_own_with_a_bar():
    small = [(n, orbit(1.0, 0.1), "small") for n in "abc"]
    fig = plot.multiples([*small, ("d", orbit(1.0, 5.0), "large")], title="four")
    widths = [np.ptp(ax.get_xlim()) for ax in fig.axes]
    assert widths == pytest.approx([0.216, 0.216, 0.216, 10.8])
    assert [ax.texts[0].get_text() for ax in fig.axes] == ["0.05", "0.05", "0.05", "2"]
    assert "the bar is so long in units of φ and θ" in [t.get_text() for t in fig.legends[0].get_texts()]
    alike = plot.multiples([*small, ("d", orbit(1.0, 0.12), "as small")], title="four")
    assert len({np.ptp(ax.get_xlim()) for ax in alike.axes}) == 1 and not alike.axes[0].texts


@pytest.mark.slow  # fast, in numbers: cli/test_sweep.py::test_a_stability_chart_with_its_threshold
def test_a_chart_ends_at_its_exact_threshold():
    """Simultaneous steps with R1 (gamma <= 1) converge for h < 4 gamma."""
    found = stability(
        dg.variant("ns"), {"gamma": "0.05:1:12", "lr": "0.1:3.9:12"}, rule=dg.rule("simultaneous")
    )
    ax = plot.stability(found, Figure().add_subplot())
    (areas,) = [c for c in ax.collections if hasattr(c, "levels")]
    outside = areas.get_paths()[0].vertices
    x, y = outside.T
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    inner = (x > left + 0.06) & (x < right - 0.06) & (y > low + 0.25) & (y < high - 0.25)
    assert inner.sum() > 5
    assert np.abs(y - 4 * x)[inner].max() < 0.08  # cells are 0.35 high
    said = " ".join(t.get_text() for t in plot.map_figure(found).texts)
    assert "margin: 1 − largest |multiplier|, lost per step" in said


def test_an_orbit_diagram_follows_both_points_and_says_what_its_dots_are():
    """wgan-gp with c = 1, lam > 1 in d = 1 creeps to phi = 0, theta = +-2 lam; below it turns on one cycle."""
    found = bifurcation(dg.variant("wgan-gp"), {"lam": "0.5,1.2"}, t1=200.0)
    ends = np.asarray(found.orbit)
    for lam, row in zip((1.2,), ends[1:], strict=True):
        row = row[np.isfinite(row)]
        assert row.max() == pytest.approx(2 * lam, abs=0.02) and row.min() == pytest.approx(
            -2 * lam, abs=0.02
        )
    ax = plot.bifurcation(found, Figure().add_subplot())
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["last turning points, from 4 starts", "where it comes to rest, from 4 starts"]
    title = plot.map_figure(found).texts[0].get_text()
    assert "keeps moving for lam = 0.5, comes to rest for lam = 1.2" in " ".join(title.split())


def test_two_basins_show_the_points_they_lead_to():
    found = basins(dg.variant("wgan-gp", lam=1.2), {"phi0": "-2:2:9", "theta0": "-4:4:8"}, t1=200.0)
    ax = plot.basins(found, Figure().add_subplot())
    points = sorted(
        (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_gid() == "limit"
    )
    np.testing.assert_allclose(sorted(y for _, y in points), [-2.4, 2.4], atol=0.03)
    np.testing.assert_allclose([x for x, _ in points], 0, atol=0.03)


def test_numbers_of_a_spectrum_have_one_notation():
    spectrum = SimpleNamespace(kind="map", multipliers=[5e5j, -5e5j], status="unstable", error=1e-9, text="")
    said = " ".join(t.get_text() for t in plot.figure(orbit(1.0), spectrum).texts)
    assert "10⁻⁹" in said and "10⁵" in said and "e5" not in said and "e−9" not in said


@pytest.mark.parametrize("kind", ["flow", "map"])
def test_a_locus_has_one_unit_across_and_up_and_matplotlib_does_not_complain(kind, caplog):
    """r1 of the non-saturating game: lambda^2 + r1 lambda + 1/4 = 0, a circle while the pair is complex."""
    g = np.linspace(0, 2, 41)
    roots = -g[:, None] / 2 + np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j) * [1, -1]
    fig = plot.locus_figure(g, roots if kind == "flow" else 1 + 0.5 * roots, title="ns", kind=kind)
    FigureCanvasAgg(fig).draw()
    ax = fig.axes[0]
    units = (ax.transData.transform((1, 1)) - ax.transData.transform((0, 0))).tolist()
    assert units[0] == pytest.approx(units[1], rel=1e-6)
    assert caplog.records == []


def test_a_path_in_d_3_has_a_title_that_ends_before_the_scales_name():
    z = np.cumsum(np.random.default_rng(0).normal(size=(50, 3)), axis=0)
    traj = {"phi": z[:, ::-1], "theta": z, "time": np.arange(50.0), "attrs": {}}
    for name in ("column", "page", "slide"):
        fig = plot.figure(traj, size=size_of(name))
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        ax = fig.axes[0]
        title = next(t for t in (ax._left_title, ax.title, ax._right_title) if t.get_text())
        scale = next(a for a in ax.child_axes if a.get_title()).title
        boxes = [t.get_window_extent(canvas.get_renderer()) for t in (title, scale)]
        assert boxes[0].x1 < boxes[1].x0, name


@pytest.mark.parametrize("kind", ["flow", "map"])
def test_a_heading_of_four_lines_stands_above_the_title_of_its_locus(kind):
    g = np.linspace(0, 2, 9)
    roots = -g[:, None] / 2 + np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j) * [1, -1]
    words = {
        "title": "stable for gamma < 3.9375; " * 4,
        "below": "closes in, and nothing near holds it; " * 4,
    }
    fig = plot.locus_figure(g, roots if kind == "flow" else 1 + 0.5 * roots, kind=kind, **words)
    FigureCanvasAgg(fig).draw()
    lowest = min(text.get_window_extent().y0 for text in fig.texts)
    assert lowest >= fig.axes[0]._left_title.get_window_extent().y1
