"""The page that ``diracgan plot`` draws: where the players go, how far, and what the eigenvalues say."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes_helpers import legend_below
from .curves import radii
from .flowlines import VectorField
from .headings import heading, run_words
from .portraits import portrait
from .reusable_figure import ReusableFigure
from .series import Series, read
from .spectra import eigenvalues, spectral_values, status_words
from .theme import INK, number, style

# The layout is written down in inches instead of being solved for at every draw: an engine would draw
# everything twice.
_WIDTH, _HEIGHT = 9.6, 5.7
_MAIN = (0.85, 1.0, 3.75, 3.75)
_RIGHT, _RIGHT_WIDTH = 6.05, 3.35
_TOP = 4.75


def figure(
    traj: Any,
    spectrum: Any = None,
    field: VectorField | None = None,
    *,
    verdict: Any = None,
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
    with style():
        fig = Figure(figsize=(_WIDTH, _HEIGHT)) if fig is None else fig
        name = series.name
        name = textwrap.shorten(name, 110, placeholder=" …") if " " in name else name[:110]
        title = name if spectrum is None else f"{name}: {status_words(spectrum)}"
        below = run_words(series)
        if verdict is not None:
            below = f"{status_words(spectrum)}; {below}" if spectrum is not None else below
            title = f"{name}: {verdict_sentence(verdict)}"
        heading(fig, title, below, series.failure())
        target = "datum" if getattr(spectrum, "is_equilibrium", None) is False else "equilibrium"
        ax = portrait(series, fig.add_axes(_inches(*_MAIN)), field=field, target=target)
        if verdict is not None and series.dim == 2:
            _limit_circle(ax, series, verdict)
        if spectrum is None:
            radii(series, fig.add_axes(_inches(_RIGHT, 1.0, _RIGHT_WIDTH, _TOP - 1.25)))
        else:
            radii(series, fig.add_axes(_inches(_RIGHT, 3.2, _RIGHT_WIDTH, _TOP - 3.45)))
            if spectral_values(spectrum).size:
                eigenvalues(spectrum, fig.add_axes(_inches(_RIGHT, 0.62, 1.72, 1.72)))
                fig.text(
                    (_RIGHT + 1.95) / _WIDTH,
                    2.34 / _HEIGHT,
                    spectral_words(spectrum),
                    va="top",
                    fontsize=8,
                    linespacing=1.4,
                )
            else:
                eigenvalues(spectrum, fig.add_axes(_inches(_RIGHT, 0.62, _RIGHT_WIDTH, 1.72)))
        fig.set_label(_provenance(series))
    return fig


def verdict_sentence(verdict: Any) -> str:
    """A verdict's own sentence with the letters of a picture.

    Example:
        >>> from types import SimpleNamespace
        >>> verdict_sentence(SimpleNamespace(text="ends on a circle: |phi| = 1, |theta - x0| = 1"))
        'ends on a circle: |φ| = 1, |θ − x₀| = 1'
    """
    words = {"phi": "φ", "theta": "θ", "x0": "x₀", " - ": " − ", "(-": "(−", "^-": "^−"}
    text = str(verdict.text)
    for plain, drawn in words.items():
        text = text.replace(plain, drawn)
    return text


def _limit_circle(ax: Axes, series: Series, verdict: Any) -> None:
    """The circle on which the generator ends, dashed."""
    if verdict.kind != "limit-circle":
        return
    radius = float(verdict.numbers["radius_theta"])
    turn = np.linspace(0, 2 * np.pi, 181)
    x, y = (float(c) + radius * f(turn) for c, f in zip(series.x0, (np.cos, np.sin), strict=True))
    ax.plot(
        x, y, color=INK, linewidth=1.1, linestyle=(0, (5, 3)), zorder=5, label="limit circle", gid="limit"
    )
    legend_below(ax)


def reusable_page() -> ReusableFigure:
    """A figure of the page's size, for one page after another.

    Example:
        >>> reusable_page().axes
        []
    """
    with style():
        return ReusableFigure(figsize=(_WIDTH, _HEIGHT))


def spectral_words(spectrum: Any) -> str:
    """Return what the eigenvalue panel shows in a few short lines: status, values, margin, error bound.

    Example:
        >>> from types import SimpleNamespace
        >>> s = SimpleNamespace(kind="flow", eigenvalues=[0.5j, -0.5j], status="marginal", error=1e-15)
        >>> print(spectral_words(s))
        undecided by eigenvalues
        ±0.5i
        largest real part 0
        error bound 1e−15
    """
    values = spectral_values(spectrum)
    is_map = getattr(spectrum, "kind", "flow") == "map"
    lines = textwrap.wrap(status_words(spectrum), 25)
    error = getattr(spectrum, "error", None)
    bound = float(error) if error is not None and np.isfinite(error) else 0.0
    pairs = grouped(values, bound)
    for pair in pairs[:5]:
        lines += textwrap.wrap(pair, 25, subsequent_indent="  ")
    lines += [f"… {len(pairs) - 5} more"] if len(pairs) > 5 else []
    top = float(np.abs(values).max() if is_map else values.real.max())
    what, boundary = ("largest modulus", 1.0) if is_map else ("largest real part", 0.0)
    lines.append(f"{what} {number(boundary if abs(top - boundary) <= bound else top, 6)}")
    if error is not None:
        lines.append(f"error bound {number(float(error), 2)}")
    growth = getattr(spectrum, "transient_growth", None)
    if spectrum.status == "stable" and growth is not None and np.isfinite(growth) and growth > 1.01:
        lines += ["first grows up to", f"{number(float(growth), 3)}-fold"]
    if getattr(spectrum, "ema_multipliers", None) is not None and is_map and len(spectrum.ema_multipliers):
        lines.append("◇ of the average alone")
    return "\n".join(lines)


def grouped(values: Any, error: float = 0.0) -> list[str]:
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
    return "" if count < 2 else "  (twice)" if count == 2 else f"  (× {count})"


def _provenance(series: Series) -> str:
    """What produced the picture, as JSON for the file's metadata: all attributes but the time it took."""
    plain = {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in sorted(series.attrs.items())}
    kept = {k: v for k, v in plain.items() if k != "wall_time_s"}
    return json.dumps(kept, default=str, ensure_ascii=False) if kept else ""


def _inches(left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    return left / _WIDTH, bottom / _HEIGHT, width / _WIDTH, height / _HEIGHT
