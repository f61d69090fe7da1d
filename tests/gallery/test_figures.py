"""The committed figures say what the code says now: compared by their words and numbers, not by bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from diracgan.analysis import verdict
from diracgan.gallery.build import entries
from diracgan.gallery.entry import PHI0, THETA0, FlowEntry
from diracgan.plotting.letters import with_letters
from diracgan.plotting.saving import said_by, said_in

FIGURES = Path(__file__).parents[2] / "figures"
pytestmark = pytest.mark.skipif(not FIGURES.is_dir(), reason="the tests run away from their repository")
NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-−+]?\d+)?")
CHEAP = ("bode", "locus-r1", "critic", "wgan-gp-c1")


def agree(old, new):
    """Whether two figures say the same: the same words in the same order, and numbers within two parts in a hundred."""

    def parts(texts):
        # where a line ends is the page's width, and a rounding error's bound the machine's
        words = re.sub(r"error bound \S+", "error bound", " ".join(" ".join(texts).split()))
        numbers = [float(x.replace("−", "-")) for x in NUMBER.findall(words)]
        return NUMBER.sub("#", words), numbers

    (words, numbers), (others, found) = parts(old), parts(new)
    return words == others and numbers == pytest.approx(found, rel=0.02, abs=1e-9)


def test_figures_that_say_something_else_do_not_agree():
    assert agree(
        ["ns: ends on a circle: |φ| = 0.1732", "error bound 2 × 10⁻¹⁵"],
        ["ns: ends on a circle: |φ| = 0.1733", "error bound 3 × 10⁻¹⁵"],
    )
    assert agree(["stable; margin: lost per", "step"], ["stable; margin:", "lost per step"])
    assert not agree(["ns: undecided"], ["ns: ends on a circle"])
    assert not agree(["|φ| = 0.17"], ["|φ| = 0.27"])


@pytest.mark.parametrize("name", [e.name for e in entries()])
def test_every_committed_figure_says_what_it_shows(name):
    assert said_in(FIGURES / f"{name}.png")


@pytest.mark.parametrize(
    "name", [e.name if e.name in CHEAP else pytest.param(e.name, marks=pytest.mark.slow) for e in entries()]
)
def test_a_committed_figure_is_what_the_code_draws_now(name):
    now, committed = said_by(entries(name)[0].draw()), said_in(FIGURES / f"{name}.png")
    assert agree(committed, now), f"diracgan figures --only {name}"


@pytest.mark.parametrize("entry", [e for e in entries() if isinstance(e, FlowEntry)], ids=lambda e: e.name)
@pytest.mark.slow  # fast, of the cheap figures: the test above
def test_a_title_is_the_verdict(entry):
    found = verdict(entry.build(), phi0=PHI0, theta0=THETA0, edge=False)
    said = said_in(FIGURES / f"{entry.name}.png")
    assert any(agree([f"{found.variant}: {with_letters(found.text)}"], [text]) for text in said)
