"""``diracgan explore``: the interactive page, served."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated

from ..errors import InputError, integer, not_installed
from .layer import option


def _check_address(text: str) -> None:
    """Refuse an address below whose path no page can be offered."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        _ = parts.port
        offers = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        )
    except ValueError:
        offers = False
    if text and not offers:
        raise InputError(
            f"base-url = {text!r}; allowed: an address that begins with http:// or https:// and names a host, "
            "without ? and #"
        )


def command(
    port: Annotated[int, option("The port; 0, a free one, by default.")] = 0,
    file: Annotated[
        list[str] | None,
        option("Offer the variants of this file too; repeatable.", metavar="FILE.py", short="-f"),
    ] = None,
    host: Annotated[
        str, option("Where it listens: this machine alone by default; 0.0.0.0 for its network too.")
    ] = "127.0.0.1",
    base_url: Annotated[
        str,
        option(
            "The address at which a proxy, JupyterHub or a tunnel offers it.",
            metavar="URL",
            check=_check_address,
        ),
    ] = "",
    browser: Annotated[
        bool, option("Open the page (default), or only serve it.", called="--browser/--no-browser")
    ] = True,
) -> None:
    """Serve the explorer, on this machine alone by default, until Ctrl-C.

    The page of `diracgan page`, with what needs Python beside it: verdicts, thresholds, pictures and numbers to keep, a
    real GAN on one point. Its address holds its state, and a token of this start: no other page of the browser can use
    it.

    Example: diracgan explore --port 8123
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise not_installed("the explorer", "uvicorn", "explore")
    integer("port", port, low=0, high=65_535)
    if file:
        _offer(file)
    from ..web.server import serve

    serve(_free(port, host), browser, host, base_url)


def _offer(files: list[str]) -> None:
    """Let the page offer what these files register; what is wrong with one is said before anything is served."""
    for name in files:
        if not Path(name).is_file():
            raise InputError(f"{name!r} is not a file; allowed: a Python file with a registered variant")
    from ..rules import rules
    from ..variants import variants
    from ..web.controls import load_files
    from ..web.shipped import FILES

    before = {*variants(), *rules()}
    os.environ[FILES] = os.pathsep.join(str(Path(name).resolve()) for name in files)
    load_files()
    if {*variants(), *rules()} == before:
        raise InputError(
            f"{', '.join(files)}: no variant and no rule is registered there; "
            "allowed: a Python file that registers one"
        )


def _free(port: int, host: str) -> int:
    """The port that was asked for, or any free one; whether it is free is seen before the page says where it is."""
    import errno
    import socket

    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just left is free
            probe.bind(address)
            return int(probe.getsockname()[1])
    except (OSError, UnicodeError) as error:  # a name of more letters than names have
        reason = getattr(error, "strerror", None) or str(error)
        elsewhere = getattr(error, "errno", None) == errno.EADDRNOTAVAIL
        if elsewhere or isinstance(error, (socket.gaierror, UnicodeError)):
            raise InputError(
                f"host = {host!r} is not this machine's ({reason}); allowed: a name or number of this machine, such as "
                "127.0.0.1, or 0.0.0.0 for its network too"
            ) from None
        raise InputError(
            f"port = {port} of {host} is not available ({reason}); allowed: a free one, or 0 for any"
        ) from None
