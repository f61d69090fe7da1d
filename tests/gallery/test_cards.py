"""The cards say what the errata's page says, and are squares in motion."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from diracgan.cli.app import main
from diracgan.gallery.errata import CARDS, card
from diracgan.plotting.cards import card_figure

PAGE = Path(__file__).parents[2] / "docs" / "errata.md"


READ = {
    r"\phi": "φ",
    r"\theta": "θ",
    r"\lambda": "λ",
    r"\mu": "μ",
    r"\gamma": "γ",
    r"\beta": "β",
    r"\pm": "±",
    r"\to": "→",
    r"\ge": "≥",
    r"\le": "≤",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\wedge": "∧",
    r"\nabla": "∇",
    r"\sqrt": "√",
    "_0": "₀",
    "_1": "₁",
    "_2": "₂",
    "-": "−",
}


def read(formula):
    """A formula in TeX as the cards write it."""
    formula = re.sub(r"\\frac\{(.*?)\}\{(.*?)\}", r"(\1/\2)", formula)
    for tex, sign in READ.items():
        formula = formula.replace(tex, sign)
    return formula


def plain(text):
    """As it is read: formulas in signs; spaces, quotation marks and the critic's other name do not count."""
    text = re.sub(r"\$([^$]+)\$", lambda m: read(m[1]), " ".join(text.split()))
    return re.sub(r"[\\\"“”\s]", "", text.replace("discriminator (critic)", "critic"))


def test_there_is_a_card_for_each_line_of_the_errata():
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert [plain(s.split("\n")[0]) for s in sections] == [plain(c.sentence) for c in CARDS]
    for section, c in zip(sections, CARDS, strict=True):
        assert plain(c.truth).rstrip(".") in plain(section), c.name


def test_commands_are_the_pages_and_the_command_line_knows_them():
    page = plain(PAGE.read_text("utf-8"))
    alone = {"exact-zero", "gamma"}  # shown in Python, or not at all
    assert [c.name for c in CARDS if plain(c.command) not in page and c.name not in alone] == []


@pytest.mark.parametrize(
    "c",
    [c if c.name == "consensus" else pytest.param(c, marks=pytest.mark.slow) for c in CARDS],
    ids=lambda c: c.name,
)
def test_nothing_is_cut(c):
    fig = c.draw(moving=False)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    texts = [*fig.texts, *fig.axes[0].get_legend().get_texts()]
    boxes = {t.get_text(): t.get_window_extent(canvas.get_renderer()) for t in texts}
    for said, box in boxes.items():
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= fig.bbox.x1 and box.y1 <= fig.bbox.y1, said
    sentence, truth, command = (list(boxes.values())[k] for k in range(3))
    legend = fig.axes[0].get_legend().get_window_extent(canvas.get_renderer())
    below = fig.axes[0].xaxis.label.get_window_extent(canvas.get_renderer())
    assert truth.y1 < min(legend.y0, below.y0) and command.y1 < truth.y0
    scale = next(a for a in fig.axes[0].child_axes if a.get_title())
    assert sentence.y0 > scale.title.get_window_extent(canvas.get_renderer()).y1
    assert legend.x0 > scale.get_tightbbox(canvas.get_renderer()).x1


@pytest.mark.parametrize("c", sorted(CARDS, key=lambda c: len(c.truth))[-3:], ids=lambda c: c.name)
def test_words_keep_clear_of_the_edge_and_of_the_command(c):
    z = np.eye(2)[:, :1]
    fig = card_figure({"phi": z, "theta": z, "time": [0.0, 1.0]}, c.sentence, c.truth, c.command)
    renderer = FigureCanvasAgg(fig).get_renderer()
    sentence, truth, command = (t.get_window_extent(renderer) for t in fig.texts)
    assert max(box.x1 for box in (sentence, truth, command)) < 0.97 * fig.bbox.x1
    assert command.y1 < truth.y0 and command.y0 > 0


@pytest.mark.slow  # fast, of one still: test_nothing_is_cut
def test_a_card_is_a_square_that_ends_with_the_truth(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["card", "consensus"]) == 0
    assert capsys.readouterr().out.strip().endswith("consensus.gif")
    with Image.open("consensus.gif") as film:
        assert film.size[0] == film.size[1]
        first = np.asarray(film.convert("L"))[480:]
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("L"))[480:]
    assert first.min() > 200
    assert last.min() < 100


def test_without_a_name_they_are_listed_and_a_wrong_one_is_named(capsys):
    assert main(["card"]) == 0
    assert "never-converges" in capsys.readouterr().out
    assert main(["card", "never-converge"]) == 2
    assert "did you mean 'never-converges'" in capsys.readouterr().err
    assert card("ema").sentence == "“EMA makes it converge”"
    assert main(["card", "ema", "--all"]) == 2
    assert "allowed: one of the two" in capsys.readouterr().err
    assert main(["card", "--all", "--out", "x.gif"]) == 2


def test_only_what_was_said_stands_in_quotation_marks():
    headings = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert [h.startswith('"') for h in headings] == [c.sentence.startswith("“") for c in CARDS]


def test_where_there_is_no_equilibrium_none_is_drawn():
    labels = [
        t.get_text() for t in card("wgan-oscillates").draw(moving=False).axes[0].get_legend().get_texts()
    ]
    assert "datum" in labels and "equilibrium" not in labels
