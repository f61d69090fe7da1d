"""Saving of pictures: whole or not at all, the same bytes for the same picture."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import InputError
from ..files import destination, replacing
from .sizes import DPI, Size
from .theme import style

if TYPE_CHECKING:
    from matplotlib.animation import Animation
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    Picture: TypeAlias = Figure | Animation

__all__ = ["check", "save", "show"]

#: What a still picture may end in.
PICTURES = (".png", ".pdf", ".svg")
#: What a moving picture may end in.
ANIMATIONS = (".gif", ".mp4")

# A date would make every file differ from the last; None leaves the entry out.
_UNDATED: dict[str, dict[str, Any]] = {
    ".png": {"Software": "diracgan"},
    ".pdf": {"CreationDate": None, "Creator": "diracgan"},
    ".svg": {"Date": None, "Creator": "diracgan"},
}
_ABOUT = {".png": "Description", ".pdf": "Subject", ".svg": "Description"}
_SAYS = "Says"  # a .png's entry of its own


def is_moving(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is named as an animation."""
    return Path(path).suffix.lower() in ANIMATIONS


def check(path: str | os.PathLike[str]) -> Path:
    """Check, before anything is computed, that a picture can be saved as ``path``.

    Args:
        path: a file that ends in .png, .pdf, .svg (still), .gif or .mp4 (moving).

    Returns:
        The absolute path.

    Raises:
        InputError: for another suffix, a folder that is missing or cannot be written, or .mp4 without
            ffmpeg.

    Example:
        >>> check("path.jpg")
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: 'path.jpg': unknown suffix '.jpg'; ...
    """
    target = destination(path, [*PICTURES, *ANIMATIONS])
    if target.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(
            f"{os.fspath(path)!r}: .mp4 needs the program ffmpeg, which is not installed; allowed here: .gif"
        )
    return target


def save(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    colours: int | None = None,
    size: Size | None = None,
    dpi: float | None = None,
) -> Path:
    """Save a figure or an animation; the suffix says how.

    Args:
        picture: what :func:`diracgan.plotting.figure` or :func:`diracgan.plotting.animate` returned, or
            any figure.
        path: a file ending in .png, .pdf or .svg for a figure, .gif or .mp4 for an animation.
        colours: for .png, reduce to so many colours: a third of the size, for files kept in a repository.
        size: what a figure is printed as, :func:`diracgan.plotting.sizes.size_of`: it is laid out for that width, and
            written so large that its smallest letters are the size's.
        dpi: of a .png; 200 with a ``size``, the style's own without.

    Returns:
        The absolute path.

    Raises:
        InputError: as :func:`check`, and when picture and suffix do not fit. The old file is then as it
            was.

    Example:
        >>> from matplotlib.figure import Figure
        >>> save(Figure(), "empty.png").name  # doctest: +SKIP
        'empty.png'
    """
    target = check(path)
    suffix = target.suffix.lower()
    still = hasattr(picture, "savefig")
    if still != (suffix in PICTURES):
        kind, fitting = ("figure", PICTURES) if still else ("animation", ANIMATIONS)
        raise InputError(
            f"{os.fspath(path)!r}: {suffix} does not hold a {kind}; allowed: {', '.join(fitting)}"
        )
    if size is not None and not still:
        raise InputError("a size in print is of a picture that stands still; allowed: .png, .pdf, .svg")
    with style(), replacing(target) as temporary:
        if still:
            if size is not None:
                from .fitting import fit

                # what stands still is a figure
                fit(picture, size)  # type: ignore[arg-type]
            metadata = dict(_UNDATED[suffix])
            # a figure, as `still` says
            about = str(picture.get_label())  # type: ignore[union-attr]
            if about:
                metadata[_ABOUT[suffix]] = about
            if suffix == ".png":
                # a figure, as `still` says
                metadata[_SAYS] = json.dumps(said_by(picture), ensure_ascii=False)  # type: ignore[arg-type]
            scale = size.scale if size else 1.0 if dpi else None
            _write(picture, temporary, suffix, metadata, scale, dpi or DPI)
            if colours is not None and suffix == ".png":
                _reduce(temporary, colours)
        else:
            _film(picture, temporary, suffix)
    return target


def _write(
    figure: Any, file: Path, suffix: str, metadata: dict[str, Any], scale: float | None, dpi: float
) -> None:
    """Write a figure, ``scale`` times as large where that is not None.

    It is made in memory: on a full disk the libraries beneath raise what they like.
    """
    made = io.BytesIO()
    if scale is None or suffix == ".svg":
        figure.savefig(made, format=suffix[1:], metadata=metadata)
    elif suffix == ".png":
        chunk = {"pil_kwargs": {"dpi": (dpi, dpi)}}
        figure.savefig(made, format="png", metadata=metadata, dpi=dpi * scale, **chunk)
    else:
        with _scaled_pages(made, metadata, scale) as pages:
            pages.savefig(figure)
    content = made.getvalue()
    if scale is not None and suffix == ".svg":
        sides = re.compile(r'(?<= )(width|height)="([\d.]+)pt"')
        text = content.decode("utf-8")
        content = sides.sub(lambda m: f'{m[1]}="{float(m[2]) * scale:.6g}pt"', text, count=2).encode()
    file.write_bytes(content)


def _scaled_pages(file: io.BytesIO, metadata: dict[str, Any], scale: float) -> PdfPages:
    """A PDF whose pages are ``scale`` times as large as the figures on them."""
    from matplotlib.backends.backend_pdf import Op, PdfFile, PdfPages

    class Scaled(PdfFile):
        def newPage(self, width: float, height: float) -> None:  # matplotlib's name
            super().newPage(scale * width, scale * height)
            self.width, self.height = width, height  # at which lines are cut, in the figure's own units
            self.output(scale, 0, 0, scale, 0, 0, Op.concat_matrix)

    class Pages(PdfPages):
        def _ensure_file(self) -> PdfFile:
            if self._file is None:
                self._file = Scaled(file, metadata=metadata)
            return self._file

    return Pages(file, metadata=metadata)


def said_by(figure: Figure) -> list[str]:
    """Everything that a figure says in words and numbers, axes by axes: titles, labels, legends, notes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> _ = figure.suptitle("an answer")
        >>> said_by(figure)
        ['an answer']
    """
    from matplotlib.text import Text

    ticks = {
        id(t)
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        for t in axis.get_ticklabels(which="both")
    }
    texts = [t for t in figure.findobj(Text) if isinstance(t, Text) and id(t) not in ticks]
    return [said for t in texts if t.get_visible() and (said := " ".join(t.get_text().split()))]


def said_in(path: str | os.PathLike[str]) -> list[str]:
    """What a saved .png says, as :func:`said_by` told it when it was drawn; [] where it was saved without.

    Example:
        >>> from matplotlib.figure import Figure
        >>> said_in(save(Figure(), "empty.png"))  # doctest: +SKIP
        []
    """
    from PIL import Image

    with Image.open(path) as image:
        return json.loads(image.info.get(_SAYS, "[]"))


def _reduce(file: Path, colours: int) -> None:
    from PIL import Image, PngImagePlugin

    with Image.open(file) as image:
        kept = PngImagePlugin.PngInfo()
        for key, text in image.info.items():
            if isinstance(key, str) and isinstance(text, str):
                kept.add_itxt(key, text)
        small = image.convert("RGB").quantize(
            colours, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE
        )
        small.save(file, format="PNG", optimize=True, pnginfo=kept, dpi=image.info.get("dpi"))


def _film(picture: Any, temporary: Path, suffix: str) -> None:
    from matplotlib.animation import FFMpegWriter, PillowWriter

    rate = getattr(picture, "frame_rate", 20)
    if suffix == ".gif":
        writer = _with_one_palette(PillowWriter(fps=rate))
    else:
        # yuv420p and even sizes: what every player takes.
        writer = FFMpegWriter(
            fps=rate,
            codec="libx264",
            extra_args=[
                "-pix_fmt",
                "yuv420p",
                "-vf",
                "pad=ceil(iw/2)*2:ceil(ih/2)*2",
                "-fflags",
                "+bitexact",
            ],
        )
    picture.save(temporary, writer=writer)


def _with_one_palette(writer: Any) -> Any:
    """A writer of .gif whose frames share the last one's colours: with a palette each they flicker.

    Frames wait in compressed form: a film of plain ones would take a gigabyte.
    """
    from PIL import Image

    grab, kept, size = writer.grab_frame, [], []

    def grab_frame(**how: Any) -> None:
        grab(**how)
        frame = writer._frames.pop().convert("RGB")
        size[:] = frame.size
        kept.append(zlib.compress(frame.tobytes(), 1))

    def finish() -> None:
        none = Image.Dither.NONE

        def image(packed: bytes) -> Image.Image:
            return Image.frombytes("RGB", tuple(size), zlib.decompress(packed))

        palette = image(kept[-1]).quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=none)
        # what does not change is one frame that is shown for longer
        fresh = [k for k, packed in enumerate(kept) if not k or packed != kept[k - 1]]
        shown = (image(kept[k]).quantize(palette=palette, dither=none) for k in fresh)
        lasting = [round(1000 / writer.fps) * n for n in np.diff([*fresh, len(kept)]).tolist()]
        next(shown).save(writer.outfile, save_all=True, append_images=shown, duration=lasting, loop=0)

    writer.grab_frame, writer.finish = grab_frame, finish
    return writer


def show(picture: Picture) -> None:
    """Open a figure in a window and wait until it is closed; of an animation, its page.

    Raises:
        InputError: where there is no display to open it on.
    """
    from matplotlib import pyplot

    try:
        canvas = type(pyplot.figure().canvas)
        pyplot.close()
    except ImportError:  # the backend that the environment names cannot be loaded here
        canvas = None
    if canvas is None or canvas.required_interactive_framework is None:
        raise InputError(
            "a window needs a display and a toolkit (Tk, Qt, ...), and there is none; save to a file"
        )
    # the canvas of a toolkit is bound to a figure
    canvas.new_manager(picture.figure, 1)  # type: ignore[union-attr]
    pyplot.show()


def png(fig: Figure, dpi: float | None = None) -> bytes:
    """Return the figure as a PNG file's bytes, fast: without hints for its letters, and packed as it comes.

    A Pillow that tries five filters on every row takes twice as long.

    Example:
        >>> from matplotlib.figure import Figure
        >>> png(Figure())[1:4]
        b'PNG'
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before = fig.dpi
    try:
        fig.set_dpi(dpi or before)
        canvas = FigureCanvasAgg(fig)
        with rc_context({"text.hinting": "none"}):
            canvas.draw()
    finally:
        fig.set_dpi(before)
    seen = np.asarray(canvas.buffer_rgba())
    high, wide = seen.shape[:2]
    rows = np.zeros((high, 1 + 3 * wide), np.uint8)  # each row begins with its filter, 0: none
    rows[:, 1:] = seen[..., :3].reshape(high, -1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.data, 1)),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
