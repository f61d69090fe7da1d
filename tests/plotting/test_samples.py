"""Grids of samples: every image stands where it should, and what is no image is refused."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan import plotting as plot
from diracgan.errors import InputError


def test_images_stand_in_rows_with_a_line_between():
    images = np.linspace(-1.0, 1.0, 5)[:, None, None, None] * np.ones((1, 3, 2, 1))
    (shown,) = plot.sample_grids({"raw": images}, title="five").axes[0].images
    grid = np.asarray(shown.get_array())
    assert grid.shape == (2 * 4 - 1, 3 * 3 - 1)  # three in a row, two rows
    assert np.all(grid[:3, :2] == 0) and np.all(grid[4:, 3:5] == 255)  # the first and the fifth
    assert np.all(grid[3] == 128) and np.all(grid[:, 2] == 128)


def test_panels_are_named_and_colours_stay():
    colours = np.zeros((4, 2, 2, 3))
    fig = plot.sample_grids({"raw": colours, "EMA 0.9": colours}, title="two", below="how")
    assert [ax.get_title("left") for ax in fig.axes] == ["raw", "EMA 0.9"]
    assert np.asarray(fig.axes[0].images[0].get_array()).shape == (5, 5, 3)


@pytest.mark.parametrize(
    ("panels", "said"),
    [
        ({}, "no samples"),
        ({"raw": np.zeros((8, 2))}, r"\(8, 2\); allowed: images"),
        ({"raw": np.zeros((0, 2, 2, 1))}, "shape"),
    ],
)
def test_what_is_no_image_is_refused(panels, said):
    with pytest.raises(InputError, match=said):
        plot.sample_grids(panels, title="none")
