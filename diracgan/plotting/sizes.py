"""Sizes of a picture: its printed width, its smallest letters, and the layout of its panels.

A page is laid out in inches for the letters of the style file, of which the smallest have 8 points, and printed at a
scale. The layout is written down instead of being solved for at every draw: an engine would draw everything twice.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import unknown

Box = tuple[float, float, float, float]  # left, bottom, width, height

MM = 1 / 25.4  # inches
DPI = 200  # of a .png in one of these sizes
SMALLEST = 8.0  # points, of the letters in a layout


class Size(NamedTuple):
    """A picture as it is printed.

    Attributes:
        width: in mm.
        letters: the smallest, in points.
        stacked: whether its panels stand one below the other.
        shape: height over width; None for as high as it needs to be.
    """

    width: float
    letters: float
    stacked: bool = False
    shape: float | None = None

    @property
    def scale(self) -> float:
        """What is printed over what is laid out."""
        return self.letters / SMALLEST

    @property
    def inches(self) -> float:
        """The width of the layout."""
        return self.width * MM / self.scale


#: A journal's column, a page's text, a slide of 16:9, a poster of size A2.
SIZES = {
    "column": Size(85.0, 7.0, stacked=True),
    "page": Size(170.0, 7.0),
    "slide": Size(338.7, 13.0, shape=9 / 16),
    "poster": Size(420.0, 16.0),
}


def size_of(name: str) -> Size:
    """A size by its name.

    Raises:
        InputError: for another name.

    Example:
        >>> size_of("column").letters, round(size_of("column").inches, 2)
        (7.0, 3.82)
    """
    if name not in SIZES:
        raise unknown("size", name, SIZES)
    return SIZES[name]


class Layout(NamedTuple):
    """Where the panels of the page of one trajectory stand, in inches.

    Attributes:
        width: of the page.
        height: of the page.
        main: the portrait.
        radii: the distances, beside a spectrum.
        alone: the distances, without one.
        values: the square of the eigenvalues; ``words`` is where what they say begins, at the top left.
        empty: the panel that says why there are none.
        letters: of one line beside the eigenvalues.
    """

    width: float
    height: float
    main: Box
    radii: Box
    alone: Box
    values: Box
    words: tuple[float, float]
    empty: Box
    letters: int = 25

    def part(self, box: Box) -> Box:
        """A box in parts of the page."""
        left, bottom, wide, high = box
        return left / self.width, bottom / self.height, wide / self.width, high / self.height


USUAL = Layout(
    9.6,
    5.7,
    main=(0.85, 1.0, 3.75, 3.75),
    radii=(6.05, 3.2, 3.35, 1.3),
    alone=(6.05, 1.0, 3.35, 3.5),
    values=(6.05, 0.62, 1.72, 1.72),
    words=(8.0, 2.34),
    empty=(6.05, 0.62, 3.35, 1.72),
)


def layout(chosen: Size | None, head: float, *, values: bool = True) -> Layout:
    """Where the panels stand under a heading of ``head`` inches; without ``values`` the last one holds words alone.

    Example:
        >>> layout(None, 0.5).width, layout(size_of("slide"), 0.5).height / layout(size_of("slide"), 0.5).width
        (9.6, 0.5625)
    """
    if chosen is None:
        return USUAL
    return _stacked(chosen.inches, head, 1.25 if values else 0.7) if chosen.stacked else _beside(chosen, head)


def _stacked(width: float, head: float, value: float) -> Layout:
    side = width - 1.5
    low, distance, legend = 0.55, 1.15, 1.25  # a legend of three rows stands between the panels
    bottoms = low, low + value + 0.85, low + value + 0.85 + distance + legend
    left, wide = 0.72, width - 0.94
    return Layout(
        width,
        bottoms[2] + side + 0.3 + head,
        main=(left, bottoms[2], side, side),
        radii=(left, bottoms[1], wide, distance),
        alone=(left, low, wide, bottoms[1] + distance - low),
        values=(left, low, value, value),
        words=(left + value + 0.2, low + value),
        empty=(left, low, wide, value),
        letters=21,
    )


def _beside(chosen: Size, head: float) -> Layout:
    width, legend, value = chosen.inches, 0.95, 1.15
    widest = width - 2.22 - 2.9  # what is said beside the eigenvalues needs its room
    high = chosen.shape * width if chosen.shape else head + 0.3 + widest + legend
    side = min(high - head - 0.3 - legend, widest)
    left, low = 0.72 + side + 1.35, 0.55
    wide, top = width - left - 0.15, legend + side - 0.25
    above = low + value + 0.8
    return Layout(
        width,
        high,
        main=(0.72, legend, side, side),
        radii=(left, above, wide, top - above),
        alone=(left, legend, wide, top - legend),
        values=(left, low, value, value),
        words=(left + value + 0.15, low + value),
        empty=(left, low, wide, value),
        letters=20,
    )
