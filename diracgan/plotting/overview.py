"""The page of ``diracgan plot``: portrait, distances and eigenvalues."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.kinds import Kind
from ..analysis.linear.status import DECIDED, Status
from .axes_helpers import legend_below
from .curves import radii
from .flowlines import VectorField
from .headings import WHOLE, heading, heading_height, run_words
from .letters import number, with_letters
from .portraits import portrait
from .series import Series, TrajectoryLike, read
from .sizes import Layout, Size, layout
from .spectra import eigenvalues, spectral_values, status_words
from .theme import INK, style

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..analysis.linear.spectrum import Spectrum
    from ..analysis.verdict.api import Verdict

__all__ = ["figure"]


def figure(
    traj: TrajectoryLike,
    spectrum: Spectrum | None = None,
    field: VectorField | None = None,
    *,
    verdict: Verdict | None = None,
    size: Size | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw one trajectory and its spectrum on one page, titled with what happens, or else with the status.

    Left the portrait (d = 1: phase portrait with the field; d ≥ 2: the generator's path), right |φ| and
    |θ − x₀| over time and the eigenvalues, or why there are none.

    Args:
        traj: a trajectory.
        spectrum: its :class:`diracgan.analysis.Spectrum`; without it the panel is left out.
        field: vectorised field for the streamlines of d = 1.
        verdict: what happens from this start, :class:`diracgan.analysis.Verdict`: the title then gives its words, the
            status stands below, and a limit circle is drawn dashed.
        size: what it is printed as, :func:`diracgan.plotting.sizes.size_of`: the panels then stand as that width and
            its letters ask for, and nothing of the title is cut; :func:`diracgan.plotting.save` takes its ``scale``.
        fig: a figure to draw in, 9.6 x 5.7 inches or of that shape; a new one, which pyplot does not
            know, when ``None``.

    Returns:
        The figure.

    Raises:
        InputError: when the trajectory holds nothing to draw.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> fig = figure({"phi": z, "theta": z, "time": t, "attrs": {"variant": "wgan-linear"}})
        >>> fig.texts[0].get_text()
        'wgan-linear'
    """
    series = read(traj)
    words = _heading(series, spectrum, verdict, 110 if size is None else 1000)
    most = 2 if size is None else WHOLE
    head = 0.0 if size is None else heading_height(size.inches, *words, most=most)
    panels = layout(size, head, values=spectrum is None or spectral_values(spectrum).size > 0)
    with style():
        fig = Figure(figsize=(panels.width, panels.height)) if fig is None else fig
        heading(fig, *words, most=most)
        target = "datum" if getattr(spectrum, "is_equilibrium", None) is False else "equilibrium"
        ax = portrait(series, fig.add_axes(panels.part(panels.main)), field=field, target=target)
        if verdict is not None and series.dim == 2:
            _limit_circle(ax, series, verdict)
        radii(series, fig.add_axes(panels.part(panels.alone if spectrum is None else panels.radii)))
        if spectrum is not None:
            _spectrum(fig, panels, spectrum)
        fig.set_label(_provenance(series))
    return fig


def _heading(
    series: Series, spectrum: Spectrum | None, verdict: Verdict | None, most: int
) -> tuple[str, str, str]:
    """The title, how it was computed, and what went wrong; a name of at most ``most`` letters."""
    name = series.name
    name = textwrap.shorten(name, most, placeholder=" …") if " " in name else name[:most]
    title = name if spectrum is None else f"{name}: {_status_said(spectrum)}"
    below = run_words(series)
    if verdict is not None:
        below = f"{status_words(spectrum)}; {below}" if spectrum is not None else below
        title = f"{name}: {with_letters(str(verdict.text))}"
    return title, below, series.failure()


def _status_said(spectrum: Spectrum) -> str:
    """What the eigenvalues say, with their numbers where they decide."""
    decides = spectrum.status in DECIDED and getattr(spectrum, "text", "")
    return with_letters(str(spectrum.text)) if decides else status_words(spectrum)


def _spectrum(fig: Figure, panels: Layout, spectrum: Spectrum) -> None:
    """The eigenvalues and what they say, or why there are none."""
    if not spectral_values(spectrum).size:
        eigenvalues(spectrum, fig.add_axes(panels.part(panels.empty)))
        return
    eigenvalues(spectrum, fig.add_axes(panels.part(panels.values)))
    left, top = panels.words
    at, said = (left / panels.width, top / panels.height), spectral_words(spectrum, panels.letters)
    fig.text(*at, said, va="top", fontsize=8, linespacing=1.4)


def _limit_circle(ax: Axes, series: Series, verdict: Verdict) -> None:
    """The circle on which the generator ends, dashed."""
    if verdict.kind != Kind.LIMIT_CIRCLE:
        return
    radius = float(verdict.numbers["radius_theta"])
    turn = np.linspace(0, 2 * np.pi, 181)
    x, y = (float(c) + radius * f(turn) for c, f in zip(series.x0, (np.cos, np.sin), strict=True))
    ax.plot(
        x, y, color=INK, linewidth=1.1, linestyle=(0, (5, 3)), zorder=5, label="limit circle", gid="limit"
    )
    legend_below(ax)


def spectral_words(spectrum: Spectrum, letters: int = 25) -> str:
    """Return what the eigenvalue panel shows in short lines of ``letters``: status, values, margin, error bound.

    Example:
        >>> from types import SimpleNamespace
        >>> s = SimpleNamespace(kind="flow", eigenvalues=[0.5j, -0.5j], status="marginal", error=1e-15)
        >>> print(spectral_words(s))
        undecided by eigenvalues
        ±0.5i
        largest real part 0
        error bound 10⁻¹⁵
    """
    values = spectral_values(spectrum)
    is_map = getattr(spectrum, "kind", "flow") == "map"
    lines = textwrap.wrap(status_words(spectrum), letters)
    error = getattr(spectrum, "error", None)
    bound = float(error) if error is not None and np.isfinite(error) else 0.0
    pairs = grouped(values, bound)
    for pair in pairs[:5]:
        lines += textwrap.wrap(pair, letters, subsequent_indent="  ")
    lines += [f"… {len(pairs) - 5} more"] if len(pairs) > 5 else []
    top = float(np.abs(values).max() if is_map else values.real.max())
    what, boundary = ("largest modulus", 1.0) if is_map else ("largest real part", 0.0)
    lines.append(f"{what} {number(boundary if abs(top - boundary) <= bound else top, 6)}")
    if error is not None:
        lines.append(f"error bound {number(float(error), 2)}")
    growth = getattr(spectrum, "transient_growth", None)
    if spectrum.status == Status.STABLE and growth is not None and np.isfinite(growth) and growth > 1.01:
        lines += ["first grows up to", f"{number(float(growth), 3)}-fold"]
    if getattr(spectrum, "ema_multipliers", None) is not None and is_map and len(spectrum.ema_multipliers):
        lines.append("◇ of the average alone")
    return "\n".join(lines)


def grouped(values: ArrayLike, error: float = 0.0) -> list[str]:
    """Return eigenvalues in words: conjugate pairs as ±, repeated ones once with their multiplicity.

    Args:
        values: eigenvalues, (m,) complex.
        error: bound on their error: what is nearer than this is written as one.

    Example:
        >>> grouped([-0.1 + 1j, -0.1 + 1j, -0.1 - 1j, -0.1 - 1j, 0.5])
        ['0.5', '−0.1 ± i  (twice)']
    """
    left = sorted(np.asarray(values, dtype=complex).tolist(), key=lambda z: (-z.real, -z.imag))
    floor = 1e-14 * max((abs(z) for z in left), default=0.0)
    counts: list[tuple[complex, int]] = []
    for value in left:
        near = max(error, 1e-12 * abs(value), floor)
        real, imaginary = (0.0 if abs(x) <= near else x for x in (value.real, abs(value.imag)))
        upper = complex(real, imaginary)
        for i, (known, count) in enumerate(counts):
            if abs(known - upper) <= 2 * near:
                counts[i] = (known, count + 1)
                break
        else:
            counts.append((upper, 1))
    return [_complex(z) + _times(n // 2 if z.imag else n) for z, n in counts]


def _complex(value: complex) -> str:
    if not value.imag:
        return number(value.real)
    size = number(value.imag)
    imaginary = "i" if size == "1" else f"{size}i"
    return f"{number(value.real)} ± {imaginary}" if value.real else f"±{imaginary}"


def _times(count: int) -> str:
    return "" if count < 2 else "  (twice)" if count == 2 else f"  (×\N{NO-BREAK SPACE}{count})"


def _provenance(series: Series) -> str:
    """What produced the picture, as JSON for the file's metadata: all attributes but the time it took."""
    plain = {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in sorted(series.attrs.items())}
    kept = {k: v for k, v in plain.items() if k != "wall_time_s"}
    return json.dumps(kept, default=str, ensure_ascii=False) if kept else ""
