"""The poster: a panel for each loss and way to move, in its verdict's colour, with its limit set."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from diracgan.analysis.kinds import Kind
from diracgan.cli.app import main
from diracgan.errors import InputError
from diracgan.plotting.posters import _MOST, _OWN, Panel, _best_grid, colour_of, poster_figure
from diracgan.plotting.saving import save
from diracgan.variants.base import VARIANTS

T = np.linspace(0, 40, 801)


def panel(kind, **numbers):
    r = {"converges-exponentially": np.exp(-0.2 * T), "diverges": np.exp(0.1 * T)}.get(
        kind, 2 - np.exp(-0.2 * T)
    )
    traj = {"phi": (r * np.cos(T))[:, None], "theta": (r * np.sin(T))[:, None], "time": T}
    return Panel(traj, SimpleNamespace(kind=kind, numbers=numbers, rule=None))


def test_every_kind_has_a_colour():
    assert len({colour_of(kind) for kind in Kind}) == len(Kind) == len(_OWN)


def test_the_limit_set_is_a_point_a_turn_or_nothing():
    kinds = ("converges-exponentially", "limit-cycle", "diverges")
    panels = [panel("converges-exponentially"), panel("limit-cycle", period=2 * np.pi), panel("diverges")]
    fig = poster_figure(["a", "b", "c"], [("one", False, panels)])
    bold = [[line for line in ax.lines if line.get_gid() == "limit"] for ax in fig.axes]
    assert [len(b) for b in bold] == [1, 1, 0]
    assert bold[0][0].get_xydata().tolist() == [[0.0, 0.0]]
    turn = bold[1][0].get_xydata()
    np.testing.assert_allclose(np.linalg.norm(turn, axis=1), 2, atol=2e-3)
    assert np.ptp(np.unwrap(np.arctan2(turn[:, 1], turn[:, 0]))) == pytest.approx(2.06 * np.pi, rel=0.02)
    edges = [to_hex(ax.spines["left"].get_edgecolor()).upper() for ax in fig.axes]
    assert edges == [colour_of(Kind(k)) for k in kinds]
    assert [t.get_text() for t in fig.legends[0].get_texts()] == [Kind(k).words for k in kinds]


def test_the_legend_says_what_is_undecided():
    fig = poster_figure(["a"], [("one", False, [panel("undecided")])])
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["undecided by the effort of this sheet"]


def test_a_cycle_that_the_run_does_not_turn_twice_has_no_last_turn_and_one_far_out_is_whole():
    fig = poster_figure(["a", "b"], [("one", False, [panel("limit-cycle", period=30.0), far_out()])])
    short, wide = fig.axes
    assert not [line for line in short.lines if line.get_gid() == "limit"]
    assert wide.get_xlim()[1] > 20


def far_out():
    found = panel("limit-cycle", period=2 * np.pi)
    traj = {k: found.traj[k] * np.linspace(0.5, 10, len(T))[:, None] for k in ("phi", "theta")}
    return Panel(traj | {"time": T}, found.verdict)


def test_it_is_a2_with_twenty_losses_and_nothing_overlaps(tmp_path):
    row = [panel("limit-cycle", period=6.28)] * 4
    fig = poster_figure(
        ["flow", "b", "c", "d"], [(f"loss {k}", k == 19, row) for k in range(20)], below="d = 1"
    )
    boxes = [ax.get_position() for ax in fig.axes]
    assert len(boxes) == 80
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert min(b.x0 for b in boxes) > 0 and max(b.x1 for b in boxes) < 1 and min(b.y0 for b in boxes) > 0
    assert fig.get_size_inches() * 25.4 == pytest.approx([420, 594])
    assert "loss 19 (your own)" in [t.get_text() for t in fig.texts]


@pytest.mark.parametrize("losses", [1, 2, 3, 5, 8, 17])
def test_few_losses_fill_the_sheet(losses):
    grid = _best_grid(losses, 4)
    (width, height), blocks = grid.sheet, -(-losses // grid.lines)
    assert blocks * grid.across > 0.9 * width and grid.columns * grid.folds == 4
    assert grid.lines * grid.high > 0.75 * (height - 2.7)  # the title and the legend take the rest
    assert losses * 4 * grid.side**2 > 0.36 * width * (height - 2.7)


@pytest.mark.parametrize("losses", [1, 3])
def test_panels_do_not_overlap(losses):
    row = [panel("diverges")] * 4
    fig = poster_figure(["flow", "b", "c", "d"], [(f"loss {k}", False, row) for k in range(losses)])
    boxes = [ax.get_position() for ax in fig.axes]
    assert max(b.x1 for b in boxes) > 0.8 and min(b.y0 for b in boxes) < 0.25
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_panels_on_two_lines_have_each_their_heading():
    headings = ["flow", "b", "c", "d"]
    fig = poster_figure(headings, [("alone", False, [panel("diverges")] * 4)])
    tops = [ax.get_position().y1 for ax in fig.axes]
    assert tops[0] == tops[1] > tops[2] == tops[3]
    said = {t.get_text(): t.get_position()[1] for t in fig.texts}
    assert all(said[h] > top for h, top in zip(headings, tops, strict=True))


def test_as_many_losses_as_are_allowed_leave_room_for_panels():
    assert _best_grid(_MOST, 4).side > 0.5
    with pytest.raises(InputError, match=f"allowed: 1 to {_MOST}"):
        poster_figure(["flow"], [("a", False, [panel("diverges")])] * (_MOST + 1))
    with pytest.raises(InputError, match="0 losses"):
        poster_figure(["flow"], [])


def test_a_loss_that_the_sheet_holds_is_not_drawn_twice(monkeypatch, tmp_path):
    drawn = []

    def draw(chosen, *, own, **_):
        drawn.append(([v.label for v in chosen], own))
        return poster_figure(["flow"], [("a", False, [panel("diverges")])])

    monkeypatch.setattr("diracgan.gallery.poster.poster", draw)
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import diracgan as dg\n"
        "from diracgan.variants import variant\n\n"
        "@dg.register('poster-own')\n"
        "class Own(type(variant('ns'))):\n    pass\n"
    )
    out = ["--out", str(tmp_path / "a.svg")]
    monkeypatch.setattr(
        VARIANTS, "entries", dict(VARIANTS.entries)
    )  # what the file registers goes with the test
    assert main(["poster", "ns", f"{mine}:poster-own", "ns:r1=0.3", "ns:r1=0.30", *out]) == 0
    labels, own = drawn[-1]
    assert labels[-own:] == ["poster-own", "ns + r1=0.3"] and len(labels) == len(set(labels))
    assert main(["poster", "--alone", "ns", "lsgan", *out]) == 0
    assert [label.split("(")[0] for label in drawn[-1][0]] == ["ns", "lsgan"] and drawn[-1][1] == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--alone"], "leaves no loss"),
        (["nss"], "did you mean 'ns'"),
        (["--lr", "-1"], "lr"),
        (["ns", "lsgan"], "ns, lsgan: already among the known losses; for these only add --alone"),
    ],
)
def test_bad_input_is_one_line(words, why, capsys):
    assert main(["poster", *words]) == 2
    said = capsys.readouterr().err
    assert why in said and said.count("\n") == 1


@pytest.mark.slow  # fast, of written panels: test_it_is_a2_with_twenty_losses_and_nothing_overlaps
def test_the_command_draws_ones_own_beside_the_known(tmp_path, capsys):
    out = tmp_path / "poster.svg"
    assert main(["poster", "--alone", "wgan-gp:c=0", "wgan-linear", "--out", str(out)]) == 0
    text = out.read_text("utf-8")
    # two rows of four panels are wider than high: below the title A2 on its side has room for panels of 128 mm, and
    # upright, with a loss's panels on two lines, of 99
    size = [float(re.search(rf'{side}="([\d.]+)pt"', text)[1]) / 72 * 25.4 for side in ("width", "height")]
    assert size == pytest.approx([594, 420], abs=0.1)
    for said in ("wgan-gp(lam=0.1, c=0)", "converges like exp(−0.1 t)", "a neutral orbit", "diverges"):
        assert said in text
    assert save(poster_figure(["flow"], [("a", False, [panel("diverges")])]), tmp_path / "a.pdf").exists()
