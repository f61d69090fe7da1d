"""Grids of a generator's samples side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..errors import InputError, mapping
from ..training.pictures import tiled
from .headings import heading_height, page

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["sample_grids"]

_SIDE, _GAP, _EDGE = 3.0, 0.15, 0.3  # inches: of a grid, between two, around them


def sample_grids(panels: Mapping[str, ArrayLike], *, title: str, below: str = "") -> Figure:
    """Draw images of several generators side by side, each under its name.

    Args:
        panels: name -> images, (n, height, width, 1) or (n, height, width, 3), with values in [-1, 1].
        title: the answer.
        below: how the samples were made.

    Returns:
        The figure.

    Raises:
        InputError: where there is nothing to draw, or samples are not images.

    Example:
        >>> import numpy as np
        >>> grey = np.zeros((16, 8, 8, 1))
        >>> fig = sample_grids({"raw": grey, "EMA 0.999": grey}, title="raw and averaged")
        >>> [ax.get_title("left") for ax in fig.axes]
        ['raw', 'EMA 0.999']
    """
    panels = mapping("panels", panels, "names, each with its images")
    if not panels:
        raise InputError("there are no samples; allowed: at least one panel")
    grids = {name: _grid(name, np.asarray(images)) for name, images in panels.items()}
    width = len(grids) * (_SIDE + _GAP) - _GAP + 2 * _EDGE
    height = heading_height(width, title, below) + 0.3 + _SIDE + _EDGE
    with page(width, height, title, below) as fig:
        for k, (name, grid) in enumerate(grids.items()):
            left = (_EDGE + k * (_SIDE + _GAP)) / width
            ax = fig.add_axes((left, _EDGE / height, _SIDE / width, _SIDE / height))
            ax.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ax.set_title(name, loc="left")
            ax.set_axis_off()
    return fig


def _grid(name: str, images: np.ndarray) -> np.ndarray:
    """Images in rows and columns as one, of bytes."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise InputError(
            f"samples {name!r} have the shape {images.shape}; allowed: images (n, height, width, 1 or 3)"
        )
    made = tiled(images)
    return made[..., 0] if made.shape[-1] == 1 else made
