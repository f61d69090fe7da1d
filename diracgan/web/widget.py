"""The page as a widget: what travels between the browser and Python, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget  # pyright: ignore[reportMissingImports]
import traitlets  # pyright: ignore[reportMissingImports]

_HERE = Path(__file__).parent


class Page(anywidget.AnyWidget):
    """The whole page; ``state`` comes from the browser, everything else goes there.

    Attributes:
        catalogue: what there is to move, :func:`~diracgan.web.controls.catalogue`.
        state: what the controls hold, :func:`~diracgan.web.controls.state`; ``serial`` counts the moves.
        answer: the move that it answers, what is wrong, and the table, command and code of what is shown.
        png: the picture.
        verdicts: what truly happens, one text a variant, empty until known.
        live: whether a real GAN is being trained, and what is to be said of it.
        live_png: its picture.
    """

    _esm = (_HERE / "page.js").read_text(encoding="utf-8")
    _css = (_HERE / "page.css").read_text(encoding="utf-8")
    catalogue: Any = traitlets.Dict().tag(sync=True)
    state: Any = traitlets.Dict().tag(sync=True)
    answer: Any = traitlets.Dict().tag(sync=True)
    png: Any = traitlets.Bytes(b"").tag(sync=True)
    verdicts: Any = traitlets.List().tag(sync=True)
    live: Any = traitlets.Dict({"running": False, "text": ""}).tag(sync=True)
    live_png: Any = traitlets.Bytes(b"").tag(sync=True)
