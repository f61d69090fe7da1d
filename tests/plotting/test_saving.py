"""Pictures as files: by suffix, whole or not at all, the same bytes twice, in vector formats as text."""

from __future__ import annotations

import json
import re
import shutil

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from diracgan import plotting as plot
from diracgan.errors import InputError
from diracgan.plotting import saving
from diracgan.plotting.sizes import size_of

T = np.linspace(0, 6, 61)
Z = np.stack([np.cos(T), np.sin(T)], axis=1)
TRAJ = {
    "phi": Z,
    "theta": Z,
    "time": T,
    "attrs": {"variant": "wgan-linear", "lam": "λ", "wall_time_s": 0.5, "result_time": np.nan},
}


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".PNG"])
def test_the_same_picture_is_the_same_file(suffix, tmp_path):
    one, two = (plot.save(plot.figure(TRAJ), tmp_path / f"{n}{suffix}") for n in "ab")
    assert one.read_bytes() == two.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {one.name, two.name}


def test_vector_files_hold_text_as_text(tmp_path):
    svg = plot.save(plot.figure(TRAJ), tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ">generator θ₁</text>" in svg
    pdf = plot.save(plot.figure(TRAJ), tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf  # Type 42: TrueType, not outlines
    assert b"/Subtype /Type3" not in pdf


def test_a_file_says_what_produced_it_but_not_when(tmp_path):
    file = plot.save(plot.figure(TRAJ), tmp_path / "a.png")
    with Image.open(file) as image:
        about = json.loads(image.info["Description"], parse_constant=pytest.fail)
    assert about == {"variant": "wgan-linear", "lam": "λ", "result_time": None}
    assert b"Date" not in file.read_bytes()


def test_fewer_colours_keep_the_picture_and_its_metadata(tmp_path):
    full = plot.save(plot.figure(TRAJ), tmp_path / "a.png")
    small = plot.save(plot.figure(TRAJ), tmp_path / "b.png", colours=256)
    assert small.stat().st_size < 0.6 * full.stat().st_size
    with Image.open(full) as a, Image.open(small) as b:
        difference = np.abs(np.asarray(a.convert("RGB"), int) - np.asarray(b.convert("RGB"), int))
        assert b.info["Description"] == a.info["Description"]
    assert difference.mean() < 1
    assert difference.max() < 40


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.jpg", r"unknown suffix '\.jpg'.*Allowed: .*\.png"),
        ("a.pgn", r"did you mean '\.png'"),
        ("a", "unknown suffix ''"),
        ("missing/a.png", "does not exist"),
        ("a.gif", r"\.gif does not hold a figure; allowed: \.png, \.pdf, \.svg"),
    ],
)
def test_bad_targets_are_named_before_anything_is_written(name, why, tmp_path):
    with pytest.raises(InputError, match=why):
        plot.save(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"old")

    class Broken(Figure):
        def draw(self, renderer):
            raise RuntimeError("no ink")

    with pytest.raises(RuntimeError):
        plot.save(Broken(), file)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_mp4_without_ffmpeg_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(saving.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="ffmpeg"):
        plot.check(tmp_path / "a.mp4")


def frames(file):
    with Image.open(file) as film:
        for k in range(film.n_frames):
            film.seek(k)
            yield np.asarray(film.convert("L"), float)


@pytest.mark.parametrize("discrete", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_path_grows_and_the_last_frame_is_the_page(discrete, tmp_path):
    traj = {k: v for k, v in TRAJ.items() if k != "time"} | {"step": np.arange(61)} if discrete else TRAJ
    file = plot.save(plot.animate(traj, frames=5, rate=4), tmp_path / "a.gif")
    seen = list(frames(file))
    assert len(seen) >= 4
    ink = [np.sum(255 - f) for f in seen]
    assert ink == sorted(ink)
    page = plot.save(plot.figure(traj), tmp_path / "a.png")
    with Image.open(page) as image:
        whole = np.asarray(image.convert("L"), float)
    differs = np.abs(seen[-1] - whole) > 40
    differs[:40] = False  # the caption with the time
    assert differs.mean() < 2e-3
    assert (np.abs(seen[0] - whole) > 40).mean() > 3e-3


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_mp4_is_a_film(tmp_path):
    file = plot.save(plot.animate(TRAJ, frames=3, rate=4), tmp_path / "a.mp4")
    assert file.read_bytes()[4:8] == b"ftyp"
    with pytest.raises(InputError, match=r"\.png does not hold a animation|\.png does not hold an animation"):
        plot.save(plot.animate(TRAJ, frames=3), tmp_path / "a.png")


def test_without_a_display_show_says_so(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    try:
        with pytest.raises(InputError, match="display"):
            plot.show(Figure())
        assert pyplot.get_fignums() == []
    finally:
        pyplot.switch_backend(before)


def test_a_line_of_a_narrow_pdf_reaches_the_edge_of_its_axes(tmp_path):
    # a page that is printed smaller than it is laid out: lines were cut at the printed width
    fig = Figure(figsize=(8.2, 4.0))
    fig.add_axes((0.1, 0.2, 0.85, 0.7)).plot([0.0, 1.0], [0.0, 1.0], color=(0.2, 0.4, 0.6))
    with matplotlib.rc_context({"pdf.compression": 0}):
        saving.save(fig, tmp_path / "a.pdf", size=size_of("column"))
    drawn = (tmp_path / "a.pdf").read_bytes().partition(b"0.2 0.4 0.6 RG")[2].partition(b"\nS\n")[0]
    (end,) = re.findall(rb"([\d.]+) [\d.]+ l\b", drawn)
    box = fig.axes[0].get_position()  # beyond the line are 5 % of it on either side
    assert float(end) == pytest.approx(72 * fig.get_figwidth() * (box.x1 - box.width * 0.05 / 1.1), rel=1e-3)
