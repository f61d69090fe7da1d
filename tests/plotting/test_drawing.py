"""What the drawing functions draw and say, on results whose truth is known."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from selection import slow_but

import diracgan as dg
from diracgan import plotting as plot
from diracgan.errors import InputError
from diracgan.plotting.flowlines import _without_jumps
from diracgan.plotting.overview import grouped, spectral_words
from diracgan.plotting.series import plane, read

T = np.linspace(0, 20, 401)


def circle(radius=1.0, rows=len(T)):
    return radius * np.stack([np.cos(T[:rows]), np.sin(T[:rows])], axis=1)


def spiral(dim=2, **attrs):
    z = np.exp((-0.1 + 1j) * T)[:, None] * (1 + 0.5j * np.arange(dim))
    attrs = {"variant": "wgan-gp(c=0)", "solver": "tsit5", "result": "ok", "x0": str([0.0] * dim)} | attrs
    return {"phi": z.imag, "theta": z.real, "time": T, "attrs": attrs}


def steps(count=200):
    z = circle(1.0, count)
    attrs = {"variant": "ns", "rule": "alternating(lr=0.1)", "result": "ok"}
    return {
        "phi": z,
        "theta": z,
        "theta_ema": 0.2 * z,
        "phi_ema": 0.2 * z,
        "step": np.arange(count),
        "attrs": attrs,
    }


def flow(values, status="stable", text="", **more):
    return SimpleNamespace(
        kind="flow", eigenvalues=np.array(values, complex), status=status, text=text or "why", **more
    )


def axes():
    return Figure(figsize=(4, 4)).add_subplot()


def words(fig):
    """All text that a figure shows."""
    found = [t.get_text() for t in fig.texts]
    for ax in fig.axes:
        found += [ax.get_xlabel(), ax.get_ylabel(), ax.get_title("left"), *(t.get_text() for t in ax.texts)]
        if ax.get_legend() is not None:
            found += [t.get_text() for t in ax.get_legend().get_texts()]
    return "\n".join(found)


def render(fig, path):
    with np.errstate(all="raise", under="ignore"):
        plot.save(fig, path)
    return path.stat().st_size


@pytest.mark.filterwarnings("ignore:Animation was deleted")
# ---------------- the page


def test_title_says_variant_parameters_and_status_in_words():
    text = "stable: small perturbations decay like exp(-0.1 t)"
    fig = plot.figure(spiral(), flow([-0.1 + 1j, -0.1 - 1j], text=text, error=1e-15))
    assert fig.texts[0].get_text().replace("\n", " ") == "wgan-gp(c=0): " + text.replace("-", "−")
    assert fig.texts[1].get_text() == "flow (tsit5), t 0 to 20; φ(0) = (0, 0.5), θ(0) = (1, 1)"
    said = words(fig)
    assert "−0.1 ± i" in said
    assert "largest real part −0.1" in said


def test_marginal_is_called_undecided_not_neutral():
    fig = plot.figure(spiral(), flow([0.5j, -0.5j], "marginal", error=1e-12))
    assert fig.texts[0].get_text().endswith("undecided by eigenvalues")
    assert "largest real part 0\nerror bound 10⁻¹²" in words(fig)


@pytest.mark.parametrize("status", ["no-derivative", "not-an-equilibrium"])
def test_without_eigenvalues_the_panel_says_why(status, tmp_path):
    spectrum = flow(
        [], status, is_equilibrium=status == "no-derivative", at={"phi": [0.0], "theta": [0.0]}, x0=[0.0]
    )
    fig = plot.figure(spiral(), spectrum)
    said = words(fig)
    assert "no eigenvalues" in said
    assert "why" in said
    assert ("equilibrium" in said.splitlines()) == (status == "no-derivative")  # else the mark is the datum's
    assert ("datum" in said.splitlines()) == (status == "not-an-equilibrium")
    assert render(fig, tmp_path / "a.png") > 5000


def test_a_trajectory_that_ended_early_is_drawn_until_then_and_says_so(tmp_path):
    traj = spiral(result="diverged", result_text="left the float range at t = 7")
    traj["phi"][140:] = np.nan
    traj["theta"][150:] = np.inf
    fig = plot.figure(traj, flow([1.0], "unstable", error=0.0))
    assert "left the float range at t = 7" in words(fig)
    assert "t 0 to 6.95" in words(fig)
    assert len(read(traj).clock) == 140
    assert render(fig, tmp_path / "a.png") > 5000


def test_failure_without_a_text_still_says_what_and_when():
    assert read(spiral(result="stuck", result_time=3.25)).failure() == "stuck at t = 3.25"
    assert read(spiral()).failure() == ""


def test_the_page_of_one_dimension_has_field_nullclines_and_path(tmp_path):
    fig = plot.figure(spiral(1), field=lambda phi, theta: (-theta - 0.2 * phi, phi))
    said = words(fig)
    for name in ("critic φ", "generator θ", "φ′ = 0", "θ′ = 0", "start", "end", "equilibrium"):
        assert name in said
    assert "jump" not in said
    assert render(fig, tmp_path / "a.png") > 5000


def test_the_page_of_three_dimensions_says_which_plane(tmp_path):
    inside = plot.figure(spiral(3))
    assert "plane of the start, d = 3" in words(inside)
    assert "leaves" not in words(inside)
    out = spiral(3)
    out["theta"][:, 2] += T / 20
    assert "θ leaves it by" in words(plot.figure(out))
    assert render(inside, tmp_path / "a.png") > 5000


def test_steps_are_dots_counted_in_steps_with_the_average_on_top():
    fig = plot.figure(
        steps(),
        SimpleNamespace(kind="map", multipliers=[1.0j, -1.0j], status="marginal", error=1e-14, text=""),
    )
    said = words(fig)
    assert "alternating(lr=0.1), step 0 to 199" in said
    assert "EMA of θ" in said
    assert "multipliers of one step (stable: inside the circle)" in said
    assert "largest modulus 1" in said
    dots = next(c for c in fig.axes[0].collections if c.get_gid() == "path")
    assert len(dots.get_offsets()) == 200
    mean = next(line for line in fig.axes[0].lines if line.get_gid() == "ema")
    np.testing.assert_array_equal(mean.get_xydata(), 0.2 * circle(1.0, 200))


LONG = flow([-0.12345 + 1.2345j, -0.12345 - 1.2345j] * 2, error=1e-15, transient_growth=1.5)
NONE = flow([], "no-derivative")


DRAWN = [spiral(1), spiral(2, result="diverged", result_time=3.0), spiral(3), steps()]
# every path at every scale, with one of the three spectra each; the other two are slow
PAGES = [
    pytest.param(traj, scale, spectrum, marks=[pytest.mark.slow] * ((i + j + k) % 3 > 0))
    for i, traj in enumerate(DRAWN)
    for j, scale in enumerate((1e-12, 1.0, 123456.0))
    for k, spectrum in enumerate((LONG, NONE, None))
]


@pytest.mark.parametrize(("traj", "scale", "spectrum"), PAGES)
def test_labels_of_the_page_do_not_overlap(traj, scale, spectrum):
    traj = traj | {k: scale * traj[k] for k in ("phi", "theta")}
    fig = plot.figure(traj, spectrum, field=lambda p, q: (-q, p))
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    boxes = [(t.get_text(), t.get_window_extent()) for t in fig.texts if t.get_text()]
    for ax in fig.axes:
        bars = ax.child_axes
        labels = [ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title, *(b.title for b in bars)]
        for a in [ax, *bars]:
            for axis in (a.xaxis, a.yaxis) if a.axison else ():
                low, high = sorted(axis.get_view_interval())
                labels += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
                labels += [t.label2 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        boxes += [(t.get_text(), t.get_window_extent()) for t in labels if t.get_text() and t.get_visible()]
        if ax.get_legend() is not None:
            boxes.append(("legend", ax.get_legend().get_window_extent()))
    page = fig.bbox
    assert len(boxes) > 15
    for i, (name, box) in enumerate(boxes):
        assert page.x0 <= box.x0 < box.x1 <= page.x1, name
        assert page.y0 <= box.y0 < box.y1 <= page.y1, name
        for other, its in boxes[:i]:
            apart = box.x1 <= its.x0 or its.x1 <= box.x0 or box.y1 <= its.y0 or its.y1 <= box.y0
            assert apart, (name, other)


# ---------------- drawn on given axes


def test_path_is_drawn_in_order_of_time_and_never_by_pyplot():
    ax = axes()
    assert plot.path(spiral(), ax=ax) is ax
    trail = next(c for c in ax.collections if c.get_gid() == "path")
    segments = np.array(trail.get_segments())
    np.testing.assert_allclose(segments[:, 0], read(spiral()).theta[:-1])
    assert np.all(np.diff(trail.get_array()) > 0)


def test_drawing_neither_imports_pyplot_nor_changes_global_settings():
    code = (
        "import sys, numpy as np, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "from diracgan import plotting as plot\n"
        "t = np.linspace(0, 6, 50); z = np.stack([np.cos(t), np.sin(t)], 1)\n"
        "fig = plot.figure({'phi': z, 'theta': z, 'time': t})\n"
        "import io; fig.savefig(io.BytesIO(), format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'jax' not in sys.modules and 'xarray' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_style_ends_with_its_context_even_after_an_error():
    before = matplotlib.rcParams.copy()
    with pytest.raises(InputError):
        plot.path({"phi": [[1.0]], "theta": [[1.0]], "time": [0.0]}, axes())
    with pytest.raises(InputError):
        plot.locus([1, 2], [[1.0]], axes())
    assert matplotlib.rcParams.copy() == before


def test_one_dimension_has_no_path_and_says_what_has():
    with pytest.raises(InputError, match="draw it with portrait"):
        plot.path(spiral(1), axes())


def test_portrait_draws_the_field_that_it_is_given_once_per_shape():
    shapes = set()

    def field(phi, theta):
        shapes.add((phi.shape, theta.shape))
        return -theta - 0.6 * (np.abs(phi) - 1) * np.sign(phi), phi

    ax = plot.portrait(spiral(1), axes(), field=field)
    assert len(shapes) == 1  # a compiled field compiles once
    assert "jump through 0" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_a_jump_is_told_from_a_nullcline():
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))

    def jumping(a, b):
        return np.sign(a) * 0.6 - b  # a jump at a = 0 for |b| < 0.6, roots on b = +-0.6

    smooth, places = _without_jumps(jumping(x, y), x, y, jumping)
    assert len(places) > 10
    np.testing.assert_allclose(places[:, 0], 0, atol=1e-6)
    assert np.all(np.abs(places[:, 1]) <= 0.6 + 1e-12)

    def steep(a, b):
        return np.tanh(200 * (a - 0.013)) - 0.2 * b

    smooth, places = _without_jumps(steep(x, y), x, y, steep)
    assert len(places) == 0
    np.testing.assert_array_equal(smooth, steep(x, y))


def test_rounding_noise_is_no_nullcline():
    def field(phi, theta):
        return 1e-17 * np.sin(1e3 * phi * theta), np.ones_like(theta)

    ax = plot.portrait(spiral(1), axes(), field=field)
    assert not {"φ′ = 0", "θ′ = 0", "jump through 0"} & {t.get_text() for t in ax.get_legend().get_texts()}


def test_radii_are_the_norms_from_the_datum():
    traj = spiral(x0="[0.5, 0.25]")
    ax = plot.radii(traj, axes())
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["|φ|", "|θ − x₀|"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.linalg.norm(traj["phi"], axis=1))
    np.testing.assert_allclose(ax.lines[1].get_ydata(), np.linalg.norm(traj["theta"] - [0.5, 0.25], axis=1))
    assert ax.get_yscale() == "linear"
    assert ax.get_ylim()[0] == 0


def test_radii_of_many_decades_are_logarithmic():
    fast = {"phi": np.exp(-T)[:, None], "theta": np.exp(-T)[:, None], "time": T}
    assert plot.radii(fast, axes()).get_yscale() == "log"


def test_eigenvalues_are_marked_by_what_is_known_of_each():
    spectrum = flow([0.5, 1e-16 + 1j, 1e-16 - 1j, -0.25], "unstable", error=1e-15)
    ax = plot.eigenvalues(spectrum, axes())
    drawn = [c.get_offsets().tolist() for c in ax.collections]
    assert drawn == [[[-0.25, 0.0]], [[0.5, 0.0]], [[1e-16, 1.0], [1e-16, -1.0]]]
    low, high = ax.get_xlim()
    assert low < -0.25 < 0.5 < high


def test_multipliers_stand_with_a_round_unit_circle():
    spectrum = SimpleNamespace(
        kind="map", multipliers=[0.9, -1.4], ema_multipliers=[0.99], status="unstable", error=0.0, text=""
    )
    ax = plot.eigenvalues(spectrum, axes())
    assert ax.get_aspect() == 1.0
    assert ax.get_xlim()[0] < -1.4
    assert sum(len(c.get_offsets()) for c in ax.collections) == 3


def test_locus_marks_the_critical_value():
    g = np.linspace(0, 2, 41)
    root = np.sqrt(g**2 / 4 - 0.25 + 0j)
    ax = plot.locus(g, np.stack([-g / 2 + root, -g / 2 - root], 1), axes(), critical=1.0)
    marks = {
        c.get_label(): c.get_offsets().tolist() for c in ax.collections if not c.get_label().startswith("_")
    }
    assert marks["γ = 1 (critical)"] == [[-0.5, 0.0], [-0.5, 0.0]]
    assert marks["γ = 0"] == [[0.0, 0.5], [0.0, -0.5]]


def test_ema_lines_have_their_decays_and_their_truth():
    ax = plot.ema({0.9: steps(), 0.99: steps()}, axes())
    assert [line.get_label() for line in ax.lines] == ["raw", "EMA 0.9", "EMA 0.99"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 0.2)
    dashes = [str(line.get_linestyle()) + str(line._unscaled_dash_pattern) for line in ax.lines[1:]]
    assert len(set(dashes)) == 2  # told apart in grey


def test_ema_needs_an_average():
    with pytest.raises(InputError, match="no theta_ema"):
        plot.ema({0.9: spiral()}, axes())
    with pytest.raises(InputError, match="at most 5"):
        plot.ema({0.1 * k: steps() for k in range(1, 8)}, axes())


def test_ema_paths_in_one_and_two_dimensions():
    one = {k: (x[:, :1] if np.ndim(x) == 2 else x) for k, x in steps().items()}
    assert plot.ema_paths({0.9: one}, axes()).get_xlabel() == "critic φ"
    assert plot.ema_paths(steps(), axes(), target="datum").get_xlabel() == "generator θ₁"


def test_plane_is_orthonormal_and_holds_the_start_whatever_its_scale():
    rng = np.random.default_rng(0)
    for scale in (1e-200, 1.0, 1e200):
        first, second = scale * rng.normal(size=(2, 5))
        basis = plane(first, second)
        np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)
        for vector in (first, second):
            np.testing.assert_allclose(basis.T @ (basis @ vector), vector, rtol=1e-9)
    for first, second in (
        (np.zeros(3), np.zeros(3)),
        (np.ones(3), 2 * np.ones(3)),
        (np.zeros(4), np.ones(4)),
    ):
        basis = plane(first, second)
        np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)


def test_pairs_and_multiplicities_in_words():
    assert grouped([0.3j, 0.3j, 0.3j, -0.3j, -0.3j, -0.3j]) == ["±0.3i  (×\N{NO-BREAK SPACE}3)"]
    assert grouped([1e9, 5, 6, -7]) == ["10⁹", "6", "5", "−7"]  # small ones are not swallowed by a large one
    assert grouped([-0.5 + 1e-9j, -0.5 - 1e-9j], error=1e-8) == ["−0.5  (twice)"]
    assert "first grows up to\n2-fold" in spectral_words(flow([-1.0], transient_growth=2.0, error=0.0))
    assert "grows" not in spectral_words(flow([1.0], "unstable", transient_growth=np.inf, error=0.0))


# ---------------- extremes


# the fast suite has the ends
@pytest.mark.parametrize("radius", slow_but([0.0, 1e-300, 1e-12, 1e150, 1e289], 0.0, 1e-300, 1e289))
@pytest.mark.parametrize("dim", slow_but([1, 2], 1))
@pytest.mark.filterwarnings("error")
def test_any_scale_is_drawn(radius, dim, tmp_path):
    z = circle(radius)
    phi, theta = (z[:, :1], z[:, 1:]) if dim == 1 else (z, z)
    fig = plot.figure(
        {"phi": phi, "theta": theta, "time": T},
        flow([radius, -radius], "unstable", error=0.0),
        lambda p, q: (-q, p),
    )
    assert render(fig, tmp_path / "a.png") > 5000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [1, 2])
def test_the_shortest_trajectories_are_drawn(rows, tmp_path):
    fig = plot.figure({"phi": circle()[:rows], "theta": circle()[:rows], "step": np.arange(rows)})
    assert render(fig, tmp_path / "a.png") > 5000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "field",
    [lambda p, q: (np.nan * p, np.nan * q), lambda p, q: (0 * p, 0 * q), lambda p, q: (p / np.abs(p), 1 / q)],
)
def test_fields_without_values_are_drawn(field, tmp_path):
    assert render(plot.figure(spiral(1), field=field), tmp_path / "a.png") > 5000


def test_growth_to_the_end_of_the_float_range_is_drawn(tmp_path):
    with np.errstate(over="ignore"):
        z = circle() * np.exp(40 * T)[:, None]
    traj = {"phi": z, "theta": z, "time": T, "attrs": {"result": "diverged", "result_time": 17.7}}
    fig = plot.figure(traj)
    assert "diverged at t = 17.7" in words(fig)
    assert render(fig, tmp_path / "a.png") > 5000


def test_nothing_finite_is_an_error_in_one_line():
    with pytest.raises(InputError, match="no finite row"):
        plot.figure({"phi": [[np.nan]], "theta": [[0.0]], "time": [0.0]})
    with pytest.raises(InputError, match="no 'theta'"):
        plot.figure({"phi": [[0.0]], "time": [0.0]})
    with pytest.raises(InputError, match="shape"):
        plot.figure({"phi": [[0.0]], "theta": [[0.0], [1.0]], "time": [0.0, 1.0]})


def test_long_names_stay_on_the_page():
    fig = plot.figure(
        spiral(variant="my-loss(" + "a-parameter=1, " * 30 + ")"),
        flow([1.0], "unstable", "unstable: it grows", error=0.0),
    )
    title = fig.texts[0].get_text()
    assert title.count("\n") <= 1
    assert title.replace("\n", " ").endswith("unstable: it grows")


def legends(ax):
    return ax.get_legend_handles_labels()[1]


def test_a_component_that_is_identically_zero_has_no_nullcline():
    # the normalised critic in d = 1: phi' is the part of theta / |phi| at right angles to phi, of which there is none
    from diracgan.gallery.basins_overlay import flat_field
    from diracgan.plotting.flowlines import flow_lines

    for name, expected in (("wgan", []), ("wgan-linear", ["φ′ = 0", "θ′ = 0"])):
        ax = Figure().add_subplot()
        ax.set(xlim=(-0.5, 1.5), ylim=(-1.0, 1.0))
        flow_lines(ax, flat_field(dg.variant(name)))
        assert [label for label in legends(ax) if "′" in label] == expected


def test_a_far_multiplier_is_named_at_the_frame_and_takes_no_room():
    # of 1 - g and 1 + 0.1 i: the circle keeps two thirds of the height although the first goes to -9
    g = np.linspace(0, 10, 101)
    ax = plot.locus(g, np.stack([1 - g, 1 + 0.1j + 0 * g], 1), axes(), kind="map", name="g")
    assert np.ptp(ax.get_ylim()) <= 3.0
    texts = [t.get_text() for t in ax.texts if t.get_text()]
    assert texts == ["to \N{MINUS SIGN}9 at g = 10"]
    # what goes up and aside is named once, where it leaves the frame
    both = plot.locus(g, np.stack([1 - g + 0.8j * g, 1 - g - 0.8j * g], 1), axes(), kind="map", name="g")
    assert len([t for t in both.texts if t.get_text()]) == 2
    near = plot.locus(g, np.stack([1 - g / 10, 1 + 0.1j + 0 * g], 1), axes(), kind="map")
    assert not [t for t in near.texts if t.get_text()]


def test_words_at_the_frame_of_a_locus_stay_inside_it():
    turning = np.exp(1j * np.linspace(0.2, 1.2, 40)) * np.linspace(0.5, 6, 40)
    fig = plot.locus_figure(
        np.linspace(0, 1, 40), np.stack([turning, turning.conj()], 1), title="up", kind="map"
    )
    fig.draw_without_rendering()
    words = [t for t in fig.axes[0].texts if t.get_text()]
    assert words
    frame = fig.axes[0].get_window_extent()
    for text in words:
        assert frame.x0 < text.get_window_extent().x0 < text.get_window_extent().x1 < frame.x1


def test_the_locus_has_one_scale():
    # ns + R1: for gamma < 1 the pair moves on the circle |mu| = 1/2, which must look like one
    from diracgan.plotting import locus

    g = np.linspace(0, 2, 41)
    root = np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j)
    ax = locus(g, -g[:, None] / 2 + root * [1, -1], Figure(figsize=(8, 4)).add_subplot())
    across, up = ax.transData.transform((1, 1)) - ax.transData.transform((0, 0))
    assert across == pytest.approx(up, rel=1e-9)
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    assert x0 < -1.86 and x1 > 0 and y0 <= -0.5 and y1 >= 0.5


def test_multipliers_far_out_stand_on_powers_of_ten():
    # Adam with eps = 1e-8 has multipliers of lr / eps and more: on a linear scale the unit circle would be a dot
    for far, scale in ((5e5, "symlog"), (3.0, "linear")):
        spectrum = SimpleNamespace(
            kind="map", multipliers=[far, 0.5 + 0.5j, 0.5 - 0.5j], status="unstable", error=1e-9
        )
        ax = plot.eigenvalues(spectrum, Figure(figsize=(4, 4)).add_subplot())
        assert (ax.get_xscale(), ax.get_yscale()) == (scale, scale)
        assert ax.get_xlim()[1] > far
        if scale == "symlog":
            ticks = [ax.xaxis.get_major_formatter()(x) for x in ax.xaxis.get_majorticklocs()]
            assert ticks == ["−10⁶", "−1", "1", "10⁶"]
        ax.apply_aspect()
        at = [ax.transData.transform(p) for p in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        middle = ax.transData.transform((0, 0))
        sizes = [float(np.linalg.norm(p - middle)) for p in at]
        np.testing.assert_allclose(sizes, sizes[0], rtol=1e-6)  # the unit circle stays one
        assert sizes[0] > 0.05 * ax.bbox.width  # and is seen: on a linear scale it would be 2e-6 of the width
