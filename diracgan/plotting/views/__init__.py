"""Views of ``diracgan plot --view NAME``: each module is one view, and is found by itself.

To add a view, write ``views/NAME.py`` with the functions of :class:`PictureView`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from ...errors import InputError, unknown

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

    from ...analysis.linear.spectrum import Spectrum
    from ...analysis.verdict.api import Verdict
    from ..flowlines import VectorField
    from ..sizes import Size

#: The names of the views, the page first.
VIEWS = tuple(
    sorted((m.name for m in pkgutil.iter_modules(__path__)), key=lambda name: (name != "page", name))
)


class Drawn(NamedTuple):
    """What a view draws.

    Attributes:
        trajectory: where the players go.
        spectrum: its eigenvalues.
        field: the vectorised field, for d = 1.
        verdict: what happens in the end, where it was asked for.
        size: what it is printed as, where that was asked for.
    """

    trajectory: Mapping[str, Any]
    spectrum: Spectrum
    field: VectorField | None = None
    verdict: Verdict | None = None
    size: Size | None = None


class PictureView(Protocol):
    """What a module of this folder defines.

    Attributes:
        DIMENSION: the only d that it draws; None where it draws every one.
    """

    DIMENSION: int | None

    def still(self, drawn: Drawn) -> Figure:
        """Draw it."""
        ...

    def moving(self, drawn: Drawn) -> FuncAnimation:
        """Animate it; InputError where it cannot move."""
        ...


def view(name: str) -> PictureView:
    """The view called ``name``.

    Raises:
        InputError: for another name.

    Example:
        >>> view("space").DIMENSION
        3
    """
    if name not in VIEWS:
        raise unknown("view", name, VIEWS)
    return cast(PictureView, importlib.import_module(f"{__name__}.{name}"))


def stands_still(name: str) -> InputError:
    """The error of a view that cannot move, not raised."""
    return InputError(f"--view {name} stands still; allowed: .png, .pdf, .svg")
