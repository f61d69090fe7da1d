"""Sample grids as PNG files: pixels put side by side, no plotting library."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files import replacing

_PAPER, _INK, _REAL, _FAKE = (255, 255, 255), (40, 40, 40), (170, 170, 170), (200, 60, 40)
_GAP, _SIDE, _HEAD = 8, 320, 16


def write(
    path: str | os.PathLike[str], panels: Mapping[str, Any], images: bool, across: int | None = None
) -> None:
    """Write panels of samples side by side, each under its name.

    Args:
        path: the .png file.
        panels: name -> samples: (n, h, w, c) in [-1, 1], or (n, d); the first panel of vectors lies under the others.
        images: whether the samples are images.
        across: how many images stand in a row; None for as many rows as columns.
    """
    from PIL import Image, ImageDraw

    drawn = [grid(x, across) if images else points(x, next(iter(panels.values()))) for x in panels.values()]
    height = max(p.shape[0] for p in drawn) + _HEAD
    page = Image.new("RGB", (sum(p.shape[1] + _GAP for p in drawn) - _GAP, height), _PAPER)
    pen, left = ImageDraw.Draw(page), 0
    for name, p in zip(panels, drawn, strict=True):
        page.paste(Image.fromarray(p), (left, _HEAD))
        pen.text((left + 1, 2), name, fill=_INK)
        left += p.shape[1] + _GAP
    with replacing(path) as temporary:
        page.save(temporary, format="PNG")


def grid(x: np.ndarray, across: int | None = None) -> np.ndarray:
    """Images as one, in rows: (n, h, w, c) in [-1, 1] -> (H, W, 3) of bytes, small ones magnified."""
    x = np.asarray(x, np.float32)
    if x.shape[-1] not in (1, 3):
        x = x.mean(axis=-1, keepdims=True)
    page = np.broadcast_to((tiles := tiled(x, across)), (*tiles.shape[:2], 3))
    scale = max(1, _SIDE // page.shape[1])
    return page.repeat(scale, axis=0).repeat(scale, axis=1)


def tiled(x: np.ndarray, across: int | None = None) -> np.ndarray:
    """Images as one, in rows with grey lines between them: (n, h, w, c) in [-1, 1] -> (H, W, c) of bytes.

    Example:
        >>> tiled(np.zeros((5, 8, 8, 1))).shape
        (17, 26, 1)
    """
    n, h, w, channels = x.shape
    across = math.ceil(math.sqrt(n)) if across is None else across
    down = math.ceil(n / across)
    page = np.full((down * (h + 1) - 1, across * (w + 1) - 1, channels), 128, np.uint8)
    pixels = np.round(127.5 * (np.clip(np.nan_to_num(x, nan=-1.0), -1, 1) + 1)).astype(np.uint8)
    for i, image in enumerate(pixels):
        r, c = divmod(i, across)
        page[r * (h + 1) : r * (h + 1) + h, c * (w + 1) : c * (w + 1) + w] = image
    return page


def points(x: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Samples in the plane of their first two numbers over the real ones: (n, d) -> (side, side, 3) of bytes."""
    page = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    real = _plane(real)
    low, high = real.min(axis=0), real.max(axis=0)
    middle, half = (low + high) / 2, 0.65 * float(max((high - low).max(), 1e-3))
    for some, colour in ((real, _REAL), (_plane(x), _FAKE)) if x is not real else ((real, _REAL),):
        with np.errstate(invalid="ignore", over="ignore"):
            at = np.round((some - middle) / half * (_SIDE / 2) + _SIDE / 2)
        at = at[np.all(np.isfinite(at) & (at >= 1) & (at < _SIDE - 1), axis=1)].astype(int)
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            page[_SIDE - 1 - at[:, 1] - dy, at[:, 0] + dx] = colour
    return page


def _plane(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    return x[:, :2] if x.shape[1] > 1 else np.concatenate([x, np.zeros_like(x)], axis=1)
