"""A picture as it is printed: its width in millimetres, its letters in points, and nothing cut."""

from __future__ import annotations

import re
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from selection import slow_but

from diracgan import plotting as plot
from diracgan.cli.app import main
from diracgan.errors import InputError
from diracgan.measure.forecast import Forecast, SeriesForecast, SettingForecast
from diracgan.plotting.agreement import figure as agreement
from diracgan.plotting.sizes import SIZES, size_of

T = np.linspace(0, 6, 61)
WHY = "no derivative: the field jumps at this equilibrium, so there is no Jacobian and no eigenvalue"
LONG = "wgan-gp(lam=0.35, c=1, one_sided=True) + l2=0.1 + r1=0.3 + noise=0.7"


def page(size, dim=2, values=(0.5j, -0.5j), name=LONG):
    z = np.stack([np.cos(T), np.sin(T)], axis=1)[:, :dim]
    traj = {"phi": z, "theta": z, "time": T, "attrs": {"variant": name, "solver": "tsit5"}}
    found = SimpleNamespace(kind="flow", eigenvalues=list(values), status="marginal", text=WHY, error=1e-15)
    text = "ends on a circle: |phi| = 0.1732, |theta - x0| = 0.1732, period 12.57 at last"
    seen = SimpleNamespace(text=text, kind="limit-circle", numbers={"radius_theta": 0.9})
    return plot.figure(traj, found, verdict=seen, size=size)


def texts(fig):
    return [t for t in fig.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text().strip()]


FULL = [(1, (0.5j, -0.5j)), (2, ()), (2, (-0.1 + 0.477j, -0.1 - 0.477j))]
PAGES = [(name, *values) for name in SIZES for values in FULL]


@pytest.mark.parametrize(("name", "dim", "values"), slow_but(PAGES, *PAGES[::3]))
def test_nothing_is_cut_and_no_letter_is_too_small(name, dim, values):
    size = size_of(name)
    fig = page(size, dim, values)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    whole = fig.bbox
    for text in texts(fig):
        assert "…" not in text.get_text()
        box = text.get_window_extent(canvas.get_renderer())
        inside = (box.x0 >= -1, box.y0 >= -1, box.x1 <= whole.x1 + 1, box.y1 <= whole.y1 + 1)
        assert all(inside), (text.get_text(), box, whole)
    assert min(t.get_fontsize() for t in texts(fig)) * size.scale == pytest.approx(size.letters)
    boxes = [ax.get_window_extent() for ax in fig.axes]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_a_column_is_85_mm_wide_with_letters_of_7_points(tmp_path):
    size = size_of("column")
    fig = page(size)
    png, svg, pdf = (plot.save(fig, tmp_path / f"a.{s}", size=size) for s in ("png", "svg", "pdf"))
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert image.width / 200 * 25.4 == pytest.approx(85, abs=0.2)
    head = re.search(r'width="([\d.]+)pt" height="[\d.]+pt" viewBox="0 0 ([\d.]+) ', svg.read_text("utf-8"))
    printed, drawn = map(float, head.groups())
    assert printed / 72 * 25.4 == pytest.approx(85, abs=0.1)
    letters = [float(x) for x in re.findall(r"font(?:-size)?: (?:\w+ )*([\d.]+)px", svg.read_text("utf-8"))]
    assert min(letters) * printed / drawn == pytest.approx(7, abs=0.01)
    data = pdf.read_bytes()
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", data)
    assert float(box[1]) / 72 * 25.4 == pytest.approx(85, abs=0.1)
    contents = [
        zlib.decompress(part) for part in re.findall(rb"stream\r?\n(x\x9c.*?)\r?\nendstream", data, re.S)
    ]
    assert any(b"0.875 0 0 0.875 0 0 cm" in part for part in contents)  # 7 points of 8


def test_sizes_keep_their_shape(tmp_path):
    size = size_of("slide")
    fig = page(size)
    wide, high = fig.get_size_inches() * size.scale
    assert (wide, high) == pytest.approx((13.33, 7.5), abs=0.01)
    assert page(size_of("poster")).get_figwidth() * size_of("poster").scale * 25.4 == pytest.approx(420)


def test_an_unknown_size_names_the_nearest(capsys):
    with pytest.raises(InputError, match=r"did you mean 'column'"):
        size_of("colum")
    assert main(["plot", "--variant", "ns", "--size", "colum"]) == 2
    assert "did you mean 'column'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["plot", "--variant", "ns", "--out", "a.gif"], "stands still"),
        (["verdict", "--variant", "ns"], "add --out"),
    ],
)
def test_what_has_no_size_says_so(words, why, capsys):
    assert main([*words, "--size", "page"]) == 2
    assert why in capsys.readouterr().err


def drawn_by(kind):
    """One figure of a kind whose layout is not the page's own."""
    z = np.stack([np.cos(T), np.sin(T)], axis=1)
    traj = {"phi": z, "theta": z, "time": T, "attrs": {"variant": "ns", "solver": "tsit5"}}
    flat = {**traj, "phi": z[:, :1], "theta": z[:, 1:]}
    if kind == "multiples":
        runs = [
            (f"wgan-gp(lam=0.{k}, c=1, one_sided=True)", traj, "onto a limit cycle, period 6.28")
            for k in range(7)
        ]
        return plot.multiples(runs, title="7 variants from one start: 0 of 7 converge", below="flow, d = 2")
    if kind == "critic":
        return plot.critic_figure(flat)
    if kind == "space":
        return plot.space_figure({**traj, "phi": np.c_[z, z[:, 0]], "theta": np.c_[z, z[:, 1]]})
    if kind == "forecast":
        turning = dict.fromkeys(
            ("mean_frequency", "frequency", "frequency_low", "frequency_high", "averaged")
        )
        series = SeriesForecast(1.0, 1.2, 1.1, 1.3, 0.1, 0.05, 0.2, **turning)
        names = ("loss_d", "loss_g", "d_real", "d_fake", "samples_0")
        ways = [
            SettingForecast(
                s, "spreads", 0.99, 0.1, None, dict.fromkeys(names, series), "loss_g spreads by 0.1"
            )
            for s in ("as it is", "lr=4e-3, beta1=0.9")
        ]
        return plot.forecast_figure(Forecast(ways, steps=2500, size=10, products=20))
    if kind == "agreement":
        return agreement(COMPARED)
    if kind == "orbits":
        orbit = xr.DataArray(np.c_[T, -T], dims=("lam", "sample"), coords={"lam": 0.1 + T})
        attrs = {"map": "bifurcation", "variant": LONG, "starts": 2, "settings": '{"flow": {"t1": 200.0}}'}
        found = xr.Dataset(
            {"orbit": orbit, "threshold": ("change", [])}, attrs=attrs | {"start": '{"x0": [0]}'}
        )
        return plot.map_figure(found)
    rows = np.stack([T - 3 + 0j, 3 - T + 0.5j], axis=1)
    return plot.locus_figure(T, rows, title=f"{LONG}: what an answer says", below="as γ varies", name="γ")


RUN = {
    "kind": "near",
    "rule": "alternating",
    "predicted": 0.98 + 0.1j,
    "measured": 0.97 + 0.1j,
    "agree": True,
}
NAMES = ["ns", "saturating + r1=0.3", "wgan-gp(lam=0.35, c=0)", "hinge + r1=0.3", "wgan-linear + l2=0.1"]
VERDICTS = {"per_variant": {n: {"agree": 1, "of": 1} for n in NAMES}}
COMPARED = {
    "A": {
        "verdicts": VERDICTS,
        "runs": [{**RUN, "variant": n} for n in NAMES],
        "eigenvalue_error": {"median": 1e-3},
    }
}


def test_a_circle_of_eigenvalues_is_one_in_a_column_too(tmp_path):
    size, fig = size_of("column"), drawn_by("locus")
    plot.save(fig, tmp_path / "a.png", size=size)
    ax = fig.axes[0]
    wide, high = np.asarray(ax.get_position().size) * fig.get_size_inches()
    assert np.ptp(ax.get_xlim()) / wide == pytest.approx(np.ptp(ax.get_ylim()) / high)


COLUMNS = ["multiples", "critic", "space", "locus", "forecast", "agreement", "orbits"]


@pytest.mark.parametrize("kind", slow_but(COLUMNS, "critic", "locus", "orbits"))
def test_any_figure_fits_into_a_column(kind, tmp_path):
    size, fig = size_of("column"), drawn_by(kind)
    before = {" ".join(t.get_text().split()) for t in texts(fig) if len(t.get_text()) > 6}
    with Image.open(plot.save(fig, tmp_path / "a.png", size=size)) as image:
        assert image.width / 200 * 25.4 == pytest.approx(85, abs=0.2)
    after = " ".join(" ".join(t.get_text().split()) for t in texts(fig))
    assert all(said in after for said in before)  # folded, but not shortened
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    numbers = {id(t) for axis in fig.findobj(Axis) for t in axis.findobj(Text)}
    for text in (t for t in texts(fig) if id(t) not in numbers):
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= -2 and box.x1 <= fig.bbox.x1 + 2, text.get_text()
        assert box.y0 >= -2 and box.y1 <= fig.bbox.y1 + 2, text.get_text()
    boxes = [ax.get_window_extent() for ax in fig.axes if ax.axison and ax.name != "3d"]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert min(t.get_fontsize() for t in texts(fig)) * size.scale == pytest.approx(7)
    if kind == "multiples":  # each row is named on its left
        first = [ax.get_position().x0 < 0.2 for ax in fig.axes]
        assert [ax.yaxis.label.get_visible() for ax in fig.axes] == first and sum(first) == 4
