"""The samples of a real generator: its command makes the same run, and the picture shows what is said of it."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diracgan.gallery.build import entries
from diracgan.gallery.samples import SamplesEntry
from diracgan.training import load_run

FIGURE = Path(__file__).parents[2] / "figures" / "ema-samples.png"


@pytest.fixture
def entry():
    (found,) = entries("ema-samples")
    assert isinstance(found, SamplesEntry)
    return found


def test_what_is_said_of_the_start_is_the_share_that_an_average_holds(entry):
    assert [round(d**entry.steps, 2) for d in entry.decays] == [0.02, 0.67]
    said = " ".join(entry.truth.split())
    assert r"67 % at $\beta = 0.9999$" in said and "^{4000} = 0.02$" in said


def test_the_slow_average_is_the_greyest(entry):
    with Image.open(FIGURE) as image:
        grey = np.asarray(image.convert("L"), float)
    third = grey.shape[1] // 3
    raw, fast, slow = (grey[110:390, k * third + 40 : (k + 1) * third - 40].std() for k in range(3))
    assert slow < 0.6 * min(raw, fast)


@pytest.mark.slow  # no fast witness: it trains
def test_the_command_makes_the_pictures_run(entry, cli, tmp_path):
    pytest.importorskip("sklearn", reason="the extra train is not installed")
    short = dataclasses.replace(entry, steps=3)
    words = shlex.split(short.commands[1])[1:]
    words[words.index("digits-run")] = str(tmp_path / "run")
    assert cli(*words)[0] == 0
    drawn, commanded = short.train(), load_run(tmp_path / "run")
    for average in (None, *entry.decays):
        np.testing.assert_array_equal(
            drawn.generate(4, average=average), commanded.generate(4, average=average)
        )
