"""Eigenvalues or multipliers with the boundary of stability, and their locus."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import FixedLocator, NullLocator

from ..analysis.linear.status import Status
from ..errors import InputError, holds, real_array
from ..numerics.float_range import LARGEST
from .axes_helpers import ON_WHITE, equal_scales, film, legend_below, scale_beside, styled, ticks
from .headings import panel_page
from .letters import number, with_letters
from .series import Array
from .theme import BLUE, GREEN, INK, PALE, SHADE, VERMILION, power_of_ten, time_map

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from ..analysis.linear.spectrum import Spectrum

__all__ = ["animate_locus", "eigenvalues", "locus", "locus_figure"]

# multipliers beyond the first make powers of ten of what lies beyond the second
_FAR_OUT, _LINEAR = 20.0, 1.5
_TALLEST = 1.5  # of a locus of multipliers: what goes further up or aside is named at the frame


def status_words(spectrum: Spectrum) -> str:
    """Return a spectrum's status as the words of a title.

    Example:
        >>> from types import SimpleNamespace
        >>> at = {"phi": [0.0], "theta": [0.0]}
        >>> status_words(SimpleNamespace(status="not-an-equilibrium", x0=[0.0], at=at))
        'no equilibrium at 0'
    """
    words = Status(spectrum.status).words
    x0, at = getattr(spectrum, "x0", None), getattr(spectrum, "at", None)
    if spectrum.status != Status.NOT_AN_EQUILIBRIUM or x0 is None or at is None:
        return words
    at_datum = not np.any(at["phi"]) and np.array_equal(at["theta"], x0)
    place = "the point examined" if not at_datum else "(0, x₀)" if np.any(x0) else "0"
    return f"{words} at {place}"


def eigenvalues(spectrum: Spectrum, ax: Axes | None = None) -> Axes:
    """Draw the eigenvalues in the complex plane with the stability boundary, or why there are none.

    The boundary is the imaginary axis for a flow and the unit circle for a map; the unstable side is
    shaded. Filled discs are stable, crosses unstable, rings too close to the boundary to be told (within
    the spectrum's error bound).

    Args:
        spectrum: a :class:`diracgan.analysis.Spectrum`, or anything with ``kind``, ``eigenvalues`` or
            ``multipliers``, ``status`` and ``text``.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> from types import SimpleNamespace
        >>> from matplotlib.figure import Figure
        >>> s = SimpleNamespace(kind="flow", eigenvalues=[0.5j, -0.5j], status="marginal", error=1e-15)
        >>> eigenvalues(s, Figure().add_subplot()).get_title("left")
        'eigenvalues (stable: left of the line)'
    """
    holds("spectrum", spectrum, ("status",), "what dg.spectrum returns")
    values = spectral_values(spectrum)
    is_map = getattr(spectrum, "kind", "flow") == "map"
    period = int(getattr(spectrum, "period", 1))
    what = f"multipliers of {f'{period} steps' if period > 1 else 'one step'}" if is_map else "eigenvalues"
    with styled(ax) as ax:
        if values.size == 0:
            text = getattr(spectrum, "text", "") or Status(spectrum.status).words
            _words(ax, f"no {what}", with_letters(str(text)))
            return ax
        extra = getattr(spectrum, "ema_multipliers", None) if is_map else None
        extra: Any = np.asarray([] if extra is None else extra, dtype=complex).reshape(-1)
        _boundary(ax, np.concatenate([values, extra]), is_map, what)
        bound = _finite(getattr(spectrum, "error", None), 0.0)
        excess = (np.abs(values) - 1) if is_map else values.real
        near = np.abs(excess) <= bound
        for chosen, marker, fill, edge, size in (
            (~near & (excess < 0), "o", BLUE, "white", 42),
            (~near & (excess > 0), "X", VERMILION, "white", 52),
            (near, "o", "white", INK, 34),
        ):
            at: Any = values[chosen]
            if at.size:
                look = {"marker": marker, "facecolor": fill, "edgecolor": edge, "linewidth": 1.1}
                ax.scatter(at.real, at.imag, s=size, zorder=4, **look)
        if extra.size:
            ax.scatter(extra.real, extra.imag, s=30, marker="D", facecolor="none", edgecolor=GREEN, zorder=3)
    return ax


class LocusOptions(TypedDict, total=False):
    """What :func:`locus` takes besides values and axes."""

    name: str
    kind: str
    critical: float | Sequence[float] | None


def locus(
    values: Sequence[float] | Array,
    eigenvalues: ArrayLike,
    ax: Axes | None = None,
    *,
    name: str = "γ",
    kind: str = "flow",
    critical: float | Sequence[float] | None = None,
) -> Axes:
    """Draw how the eigenvalues move as one hyperparameter goes through ``values``.

    Args:
        values: the hyperparameter's values, (K,).
        eigenvalues: the eigenvalues at each, (K, m), complex.
        ax: axes to draw on; a new figure when ``None``.
        name: what the hyperparameter is called.
        kind: ``"flow"`` (boundary: imaginary axis) or ``"map"`` (unit circle).
        critical: a value to mark, or several, e.g. where a pair meets the real axis.

    Returns:
        The axes.

    Raises:
        InputError: when the two do not have one row per value.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> g = np.linspace(0, 2, 9)
        >>> root = np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j)
        >>> ax = locus(g, -g[:, None] / 2 + root * [1, -1], Figure().add_subplot(), critical=1.0)
        >>> [t.get_text() for t in ax.get_legend().get_texts()]
        ['γ = 0', 'γ = 1 (critical)', 'γ = 2']
    """
    at = real_array("values", values).reshape(-1)
    rows = np.asarray(eigenvalues, dtype=complex)
    if rows.ndim != 2 or len(rows) != len(at) or rows.size == 0:
        raise InputError(f"eigenvalues has shape {rows.shape}; allowed: ({len(at)}, m), one row per value")
    flat: Any = rows.reshape(-1)
    finite = flat[np.isfinite(flat)]
    if not len(finite):
        raise InputError("there is no finite eigenvalue to draw; allowed: at least one")
    with styled(ax) as ax:
        near: Any = (
            finite if np.max(np.abs(finite)) > _FAR_OUT else 1j * np.minimum(np.abs(finite.imag), _TALLEST)
        )
        _boundary(
            ax,
            near if kind == "map" else finite,
            kind == "map",
            "multipliers" if kind == "map" else "eigenvalues",
        )
        scale = Normalize(float(at.min()), float(at.max()))
        look: dict[str, Any] = {"c": np.repeat(at, rows.shape[1]), "cmap": time_map(), "norm": scale}
        ax.scatter(flat.real, flat.imag, s=7, linewidth=0, zorder=3, **look)
        marks = [(at[0], "o", 44), (at[-1], "s", 40)]
        marked = [] if critical is None else np.atleast_1d(np.asarray(critical, float)).tolist()
        marks[1:1] = [(value, "D", 46) for value in marked]
        for value, marker, size in marks:
            row = rows[int(np.argmin(np.abs(at - value)))]
            label = f"{name} = {number(float(value))}" + (" (critical)" if marker == "D" else "")
            look = {"marker": marker, "facecolor": "white", "edgecolor": INK, "label": label}
            ax.scatter(row.real, row.imag, s=size, zorder=4, **look)
        equal_scales(ax)
        ticks(ax.xaxis, 6)
        if kind == "map":
            _name_beyond(ax, at, rows, name)
        scale_beside(ax, scale, name)
        legend_below(ax)
    return ax


def _name_beyond(ax: Axes, at: Array, rows: Any, name: str) -> None:
    """An arrow at the frame, to every side where multipliers leave it, at the farthest that lies beyond it there."""
    low, high = (np.array(limits) for limits in zip(ax.get_xlim(), ax.get_ylim(), strict=True))
    sides = []
    for sign in (-1.0, 1.0):
        for axis, part in enumerate((rows.real, rows.imag)):
            edge = (high if sign > 0 else low)[axis]
            far = np.where(np.isfinite(part), sign * part, -np.inf) - sign * edge
            if not np.max(far) > 0:
                continue
            leaves = rows.flat[int(np.argmin(np.where(far > 0, far, np.inf)))]
            across = (leaves.imag, leaves.real)[axis]
            inside = low[1 - axis] <= across <= high[1 - axis]  # else it has left the frame elsewhere before
            sides.append((inside, sign, axis, edge, across, np.unravel_index(int(np.argmax(far)), far.shape)))
    for inside, sign, axis, edge, across, (k, j) in sides:
        if not inside and any(side[0] for side in sides):
            continue
        crossing = np.clip(across, low[1 - axis], high[1 - axis])
        tip = (float(crossing), float(edge)) if axis else (float(edge), float(crossing))
        text = f"to {_complex(rows[k, j])} at {name} = {number(float(at[k]))}"
        inward = -sign * np.array([[14.0, 0.0], [0.0, 14.0]])[axis]
        how: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": INK, "zorder": 6}
        arrow = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tip, inward, arrowprops=arrow, **how)
        # words reach inwards, where there is room for them
        left = bool(2 * crossing < low[0] + high[0]) if axis else sign < 0
        side = "left" if left else "right"
        above = inward + ([8.0 if left else -8.0, -3.0] if axis else [0.0, 7.0])
        ax.annotate(text, tip, above, ha=side, va="bottom", bbox=ON_WHITE, **how)


def _complex(z: complex) -> str:
    if abs(z.imag) <= 1e-9 * abs(z):
        return number(z.real, 3)
    sign = "+" if z.imag > 0 else "\N{MINUS SIGN}"
    return f"{number(z.real, 3)} {sign} {number(abs(z.imag), 3)}i"


def locus_figure(
    values: Sequence[float] | Array,
    eigenvalues: ArrayLike,
    *,
    title: str,
    below: str = "",
    **how: Unpack[LocusOptions],
) -> Figure:
    """Draw :func:`locus` on a page of its own: what ``diracgan critical --out`` draws.

    Example:
        >>> g = np.linspace(0, 2, 9)
        >>> root = np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j)
        >>> fig = locus_figure(g, -g[:, None] / 2 + root * [1, -1], title="ns + r1", critical=1.0)
        >>> fig.texts[0].get_text()
        'ns + r1'
    """
    high = 5.8 if how.get("kind") == "map" else 4.6
    with panel_page(8.2, high, (0.1, 1.0 / high, 0.76, 1 - 2.3 / high), title, below) as (fig, ax):
        locus(values, eigenvalues, ax, **how)
    return fig


def animate_locus(
    values: Sequence[float] | Array,
    eigenvalues: ArrayLike,
    *,
    title: str,
    rate: int = 20,
    **how: Unpack[LocusOptions],
) -> FuncAnimation:
    """Return the eigenvalues in motion as the hyperparameter goes through ``values``, over the trace they leave.

    Args:
        values: the hyperparameter's values, (K,), one frame each.
        eigenvalues: the eigenvalues at each, (K, m).
        title: of the page.
        rate: frames per second.
        **how: ``name``, ``kind`` and ``critical`` of :func:`locus`.

    Returns:
        A matplotlib animation: :func:`diracgan.plotting.save` writes it as .gif or .mp4.

    Example:
        >>> g = np.linspace(0, 2, 9)
        >>> root = np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j)
        >>> animate_locus(g, -g[:, None] / 2 + root * [1, -1], title="ns + r1").frame_rate
        20
    """
    at, rows = real_array("values", values), np.asarray(eigenvalues, complex)
    fig, name = locus_figure(at, rows, title=title, **how), how.get("name", "γ")
    with styled(fig.axes[0]) as ax:
        dot: dict[str, Any] = {"marker": "o", "markersize": 9, "color": VERMILION, "markeredgecolor": "white"}
        (now,) = ax.plot([], [], linestyle="none", zorder=6, **dot)
        said = fig.text(0.97, 0.985, "", ha="right", va="top", fontsize=9)

        def draw(k: int) -> list[Any]:
            now.set_data(rows[k].real, rows[k].imag)
            said.set_text(f"{name} = {number(float(at[k]), 3)}")
            return []

        draw(0)
    return film(fig, draw, len(at), rate)


def spectral_values(spectrum: Spectrum) -> Array:
    """Return the eigenvalues of a flow or the multipliers of a map, (m,) complex, perhaps empty."""
    key = "multipliers" if getattr(spectrum, "kind", "flow") == "map" else "eigenvalues"
    found = getattr(spectrum, key, None)
    values = np.asarray([] if found is None else found, dtype=complex).reshape(-1)
    return values[np.isfinite(values)]


def _boundary(ax: Axes, values: Any, is_map: bool, what: str) -> None:
    """The complex plane around ``values`` with the boundary of stability, titled with what they are."""
    (_circle if is_map else _half_plane)(ax, values)
    title = f"{what} (stable: {'inside the circle' if is_map else 'left of the line'})"
    ax.set(title=title, xlabel="real part", ylabel="imaginary part")


def _half_plane(ax: Axes, values: Any) -> None:
    high = float(np.max(np.abs(values.imag)))
    wide = float(np.max(np.abs(values.real)))
    high, wide = (h if h > 1e-3 * other else 0.0 for h, other in ((high, wide), (wide, high)))
    size = max(high, wide)
    size = size if 1e-290 < size < 1e290 else 1.0
    right = 0.35 * (wide or 0.6 * size)
    left, right = (
        (1.35 * wide, right)
        if wide and np.all(values.real <= 1e-12 * size)
        else (1.35 * (wide or 0.6 * size),) * 2
    )
    ax.set_xlim(-left, right)
    ax.set_ylim(-1.3 * (high or 0.6 * size), 1.3 * (high or 0.6 * size))
    ax.axvspan(0, 100 * right, color=SHADE, linewidth=0, zorder=0)  # also where the limits are widened
    ax.axvline(0, color=INK, linewidth=1.1, zorder=2)
    ax.axhline(0, color=PALE, linewidth=0.6, zorder=1)
    ticks(ax.xaxis, 3)
    ticks(ax.yaxis, 4)


def _circle(ax: Axes, values: Any) -> None:
    reach = float(np.max(np.abs(values)))
    limit = max(1.25, 1.15 * reach if reach < LARGEST else 1.25)
    if limit > _FAR_OUT:  # as Adam's, of 1e5 and more: linear to beyond the circle, then by powers of ten
        limit = 10.0 ** np.ceil(np.log10(limit))
        ax.set_xscale("symlog", linthresh=_LINEAR, linscale=2.0)
        ax.set_yscale("symlog", linthresh=_LINEAR, linscale=2.0)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    ax.set_aspect("equal", adjustable="box")
    ax.axhspan(-100 * limit, 100 * limit, color=SHADE, linewidth=0, zorder=0)
    ax.add_patch(Circle((0, 0), 1.0, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=1))
    ax.axhline(0, color=PALE, linewidth=0.6, zorder=1)
    ax.axvline(0, color=PALE, linewidth=0.6, zorder=1)
    for axis in (ax.xaxis, ax.yaxis):
        if limit > _FAR_OUT:
            axis.set_major_locator(FixedLocator([-limit, -1.0, 1.0, limit]))  # the lines through 0 are drawn
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(_signed_power)
        else:
            ticks(axis, 3)


def _signed_power(x: float, _: object = None) -> str:
    return "0" if x == 0 else ("\N{MINUS SIGN}" if x < 0 else "") + power_of_ten(abs(x))


def _words(ax: Axes, title: str, text: str) -> None:
    """A panel that says in words why it is empty."""
    ax.set_title(title)
    ax.set_axis_off()
    box = ax.get_position()
    figure = ax.get_figure(root=True)
    inches = box.width * (figure.get_figwidth() if figure else 4.0)
    wrapped = textwrap.fill(text, max(18, int(inches * 72 / 4.9)), max_lines=9, placeholder=" …")
    ax.text(0.0, 0.94, wrapped, transform=ax.transAxes, va="top", fontsize=8.5, color=INK, linespacing=1.35)


def _finite(value: float | None, otherwise: float) -> float:
    if value is None:
        return otherwise
    x = float(value)
    return x if np.isfinite(x) else otherwise
