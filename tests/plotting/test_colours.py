"""The palette, seen without colour and by the three kinds of colour blindness.

The simulation is that of Machado, Oliveira and Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1, on linear RGB;
distances are those of CIELAB, where about 2 can just be seen side by side.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from diracgan.plotting import axes_helpers, maps, stability_charts, theme

SIGHT = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
LINES = (theme.BLUE, theme.ORANGE, theme.VERMILION, theme.GREEN, theme.PURPLE, theme.INK)
LIMITS = tuple(colour for colour, _ in maps._LIMITS.values())
STATUSES = tuple(colour for colour, _ in stability_charts.STATUS_COLOURS.values())
AREAS = {"limits": LIMITS, "several": maps._SEVERAL, "statuses": STATUSES}


def linear(colour):
    c = np.asarray(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear sRGB under D65."""
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    x = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distances(colours, sight):
    seen = [lab(np.asarray(SIGHT[sight]) @ linear(c)) for c in colours]
    return [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]


def lightness(colour):
    return float(lab(linear(colour))[0])


@pytest.mark.parametrize("sight", SIGHT)
def test_lines_are_told_apart(sight):
    assert min(distances(LINES, sight)) > 12


@pytest.mark.parametrize("name", AREAS)
@pytest.mark.parametrize("sight", SIGHT)
def test_areas_are_told_apart(sight, name):
    assert min(distances(AREAS[name], sight)) > 8


@pytest.mark.parametrize("name", AREAS)
def test_areas_are_told_apart_in_grey(name):
    steps = np.diff(sorted(map(lightness, AREAS[name])))
    assert steps.min() > 7


def test_lines_that_meet_differ_in_dashes_and_markers_too():
    """In grey five lines cannot differ by lightness alone."""
    assert len({str(dashes) for _, dashes, _ in axes_helpers.AVERAGES}) == len(axes_helpers.AVERAGES)
    assert len({marker for *_, marker in axes_helpers.AVERAGES}) == len(axes_helpers.AVERAGES)


@pytest.mark.parametrize("sight", SIGHT)
def test_time_grows_lighter_for_everyone(sight):
    seen = [lab(np.asarray(SIGHT[sight]) @ linear(c))[0] for c in theme.time_map()(np.linspace(0, 1, 24))]
    assert np.all(np.diff(seen) > 0) and seen[-1] < 85


def test_writing_stands_out_from_the_page():
    for colour in (theme.INK, theme.GREY, theme.ALARM):
        light = float(np.array([0.2126729, 0.7151522, 0.0721750]) @ linear(colour))
        assert 1.05 / (light + 0.05) > 4.5  # WCAG 2.2, success criterion 1.4.3
