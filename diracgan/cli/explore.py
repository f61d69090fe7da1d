"""``diracgan explore``: a page in the browser."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated

from ..errors import InputError, integer
from .layer import option


def command(
    port: Annotated[int, option("--port", "The port; 0 for a free one.")] = 0,
    file: Annotated[
        list[str] | None,
        option("--file -f", "Offer the variants of this file too; repeatable.", metavar="FILE.py"),
    ] = None,
    browser: Annotated[
        bool, option("--browser/--no-browser", "Open the page (default), or only serve it.")
    ] = True,
) -> None:
    """Serve the explorer on this machine alone, until Ctrl-C.

    Choose variants and a rule, move every hyperparameter, drag the start; picture, eigenvalues and the command for the
    same follow. The page's address holds its state, and a token of this start: no other page of the browser can use it.

    Example: diracgan explore --port 8123
    """
    missing = [m for m in ("marimo", "anywidget") if importlib.util.find_spec(m) is None]
    if missing:
        raise InputError(f"the explorer needs {missing[0]}; pip install 'diracgan[explore]'")
    integer("port", port, low=0, high=65_535)
    paths = [Path(f) for f in file or []]
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"{os.fspath(path)!r} is not a file; allowed: a Python file with a registered variant"
            )
    from ..web.controls import FILES
    from ..web.server import serve

    os.environ[FILES] = os.pathsep.join(str(p.resolve()) for p in paths)
    serve(_free(port), browser)


def _free(port: int) -> int:
    """The port that was asked for, or any free one; whether it is free is seen before the page says where it is."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port = {port} cannot be had ({error.strerror}); allowed: a free one, or 0 for any"
            ) from None
        return int(probe.getsockname()[1])
