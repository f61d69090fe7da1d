"""The pictures beyond the page: what they draw is what they were given, and their commands answer."""

from __future__ import annotations

import shlex
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from diracgan import plotting as plot
from diracgan.dynamics import run
from diracgan.errors import InputError
from diracgan.gallery.build import entries
from diracgan.gallery.methods import METHODS, PORTRAITS
from diracgan.rules import rule
from diracgan.variants import parse, variant

T = np.linspace(0.0, 20.0, 400)


def spiral(dim=1, rate=0.1, **attrs):
    z = np.stack([np.cos(T + k) for k in range(dim)], axis=1) * np.exp(-rate * T)[:, None]
    w = np.stack([np.sin(T + k) for k in range(dim)], axis=1) * np.exp(-rate * T)[:, None]
    return {"phi": z, "theta": w, "time": T, "attrs": {"variant": "a", **attrs}}


def test_the_rate_and_the_law_are_straight_lines_on_their_scales():
    found = SimpleNamespace(kind="converges-exponentially", numbers={"rate": 0.1}, rule=None, text="")
    ax = plot.decay(spiral(), found, Figure().add_subplot())
    r, law = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(r, np.exp(-0.1 * T))
    np.testing.assert_allclose(law, r, rtol=1e-9)  # the envelope is the exponential itself
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    power = {"phi": 0 * T[1:, None], "theta": (3 / T[1:] ** 2)[:, None], "time": T[1:]}
    found = SimpleNamespace(
        kind="converges-sublinearly", numbers={"exponent": 2.0, "constant": 3.0}, rule=None
    )
    ax = plot.power_law(power, found, Figure().add_subplot())
    np.testing.assert_allclose(ax.lines[1].get_ydata(), ax.lines[0].get_ydata())
    assert ax.get_yscale() == ax.get_xscale() == "log"


def test_the_fake_sample_lies_on_the_critic():
    ax = plot.critic(spiral(), Figure().add_subplot(), instants=4)
    points = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    lines = [line for line in ax.lines if line.get_marker() in ("None", "") and len(line.get_xdata()) == 2]
    assert len(points) == 4
    for point, line in zip(points, lines[-4:], strict=True):
        (x,), (y,) = point.get_xdata(), point.get_ydata()
        slope = np.diff(line.get_ydata()) / np.diff(line.get_xdata())
        assert y == pytest.approx(float(slope[0]) * x)
    with pytest.raises(InputError, match="d = 2; allowed: d = 1"):
        plot.critic(spiral(2))


def test_films_of_the_critic_and_of_eigenvalues_move():
    film = plot.animate_critic(spiral(), frames=5)
    line = film.figure.axes[0].lines[1]
    film._func(0)
    first = np.array(line.get_ydata())
    film._func(4)
    assert np.abs(first - np.array(line.get_ydata())).max() > 0.01
    g = np.linspace(0, 2, 5)
    rows = -g[:, None] / 2 + np.sqrt(g[:, None] ** 2 / 4 - 0.25 + 0j) * [1, -1]
    film = plot.animate_locus(g, rows, title="ns")
    dots = film.figure.axes[0].lines[-1]
    film._func(3)
    np.testing.assert_allclose(dots.get_xdata() + 1j * dots.get_ydata(), rows[3])


def test_multiples_share_one_scale_and_leave_out_what_leaves():
    runs = [(str(k), spiral(2, rate), "converges") for k, rate in enumerate((0.1, 0.05, -1.0))]
    fig = plot.multiples(runs, title="three")
    limits = {(*ax.get_xlim(), *ax.get_ylim()) for ax in fig.axes}
    assert len(limits) == 1
    assert 1 < limits.pop()[1] < 3  # not the size of the one that grows to e^20
    with pytest.raises(InputError, match="one dimension"):
        plot.multiples([("a", spiral(1), ""), ("b", spiral(2), "")], title="two")


def test_space_wants_three_dimensions():
    fig = plot.space_figure(spiral(3))
    assert [fig.axes[0].get_xlabel(), fig.axes[0].get_zlabel()] == ["θ₁", "θ₃"]
    with pytest.raises(InputError, match="--dim 3"):
        plot.space_figure(spiral(2))


def test_bode_is_the_gain():
    from diracgan.analysis.thresholds.weight_averaging import gain

    ax = plot.bode([0.9, 0.99], Figure().add_subplot(), mark_at=0.05)
    for beta, line in zip((0.9, 0.99), ax.lines, strict=False):
        np.testing.assert_allclose(line.get_ydata(), gain(beta, line.get_xdata()))
    with pytest.raises(InputError, match=r"\(0, 1\)"):
        plot.bode([1.0])


def test_what_the_portraits_say_is_true():
    def last(spec, how, steps):
        z = run(parse(spec), [1.0], [1.0], rule=how, steps=steps)
        return np.hypot(np.asarray(z["phi"])[:, 0], np.asarray(z["theta"])[:, 0])

    together = rule("simultaneous", lr=0.2)
    assert last("saturating", together, 2000)[-1] > 2  # spirals outwards
    r = last("ns", together, 4000)
    assert 0.5 < r[-300:].min() < r[-300:].max() < 1.2  # a cycle
    five = rule("alternating", lr=0.2, n_critic=5, first="generator")
    assert not np.nanmax(last("saturating:consensus=1", five, 500)) < 3
    assert last("saturating:r1=0.3", five, 500)[-1] < 1e-6


def test_the_portraits_are_the_nine_methods_in_this_conventions():
    specs = dict(PORTRAITS)
    assert len(specs) == 9
    gp = parse(specs["WGAN-GP, reg 0.7, g₀ = 1"])
    assert gp.hyperparameters["lam"] == 0.35  # reg/2 (|phi| - g)^2
    assert {e.n_critic for e in METHODS if e.name.startswith("portraits")} == {None, 1, 5}


@pytest.mark.slow  # fast, of plot: cli/test_commands.py::test_plot_names_its_picture_and_says_where_it_is
@pytest.mark.parametrize("name", [e.name for e in METHODS if not e.name.startswith(("portraits", "basins"))])
def test_the_commands_of_the_gallery_draw(cli, folder, name):
    (folder / "figures").mkdir()
    (command,) = entries(name)[0].commands
    code, _, err = cli(*shlex.split(command)[1:])
    assert code == 0, err
    assert (folder / "figures" / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plot", "-v", "ns", "--view", "pge"], "did you mean 'page'?"),
        (["plot", "-v", "ns", "--view", "critic", "--dim", "2"], "draws d = 1 and this is d = 2"),
        (["plot", "-v", "ns", "--view", "space", "--out", "a.gif"], "stands still"),
        (["compare-variants", "ns", "wgann"], "did you mean 'wgan'?"),
        (["compare-variants", "ns", "--out", "a.gif"], "unknown suffix '.gif'"),
        (["critical", "r1", "-v", "ns", "--out", "a.jpg"], "unknown suffix '.jpg'"),
        (["verdict", "-v", "ns", "--out", "a.gif"], "unknown suffix '.gif'"),
        (["ema", "--omega", "1", "--out", "a.png"], "drawn for steps"),
    ],
)
def test_bad_input_is_one_line(cli, words, said):
    code, out, err = cli(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.slow  # fast, of a written answer: cli/test_layer.py, a picture is saved where one is asked for
def test_commands_draw_beside_their_answers(cli, folder):
    code, out, _ = cli("critical", "lam", "-v", "wgan-gp:c=0", "--out", "a.png")
    assert code == 0 and "stable for lam > 0" in out
    assert cli("ema", "--omega", "1", "--h", "0.1", "--out", "b.png")[0] == 0
    assert cli("plot", "-v", "wgan-linear", "--view", "critic", "--t1", "5", "--out", "c.png")[0] == 0
    words = ("compare-variants", "wgan-linear", "wgan-gp:c=0", "--dim", "1", "--t1", "5", "--out", "d.png")
    assert cli(*words, "--format", "json")[0] == 0
    assert all((folder / f"{n}.png").stat().st_size > 5000 for n in "abcd")


def test_locus_leaves_out_values_without_eigenvalues():
    from diracgan.analysis.linear.margins import locus

    rows = locus(variant("wgan-gp", lam=0.5), "c", [0.0, 1.0])
    assert np.isfinite(rows[0]).all() and np.isnan(rows[1]).all()
    ax = plot.locus([0.0, 1.0], rows, Figure().add_subplot())
    assert np.all(np.isfinite(ax.get_xlim()))


@pytest.mark.slow  # fast, of fewer steps: test_what_the_portraits_say_is_true
def test_what_the_portraits_say_of_the_saturating_gan_is_true():
    def radius(n, steps):
        how = rule("alternating", lr=0.2, n_critic=n, first="generator")
        z = run(variant("saturating"), [1.0], [1.0], rule=how, steps=steps, every=499)
        # the largest radius around a step, in the coordinates in which n critic steps turn on a circle
        r = np.hypot(np.asarray(z["phi"])[:, 0], np.sqrt(n) * np.asarray(z["theta"])[:, 0])
        return np.array([r[k - 60 : k].max() for k in (len(r) // 4, len(r) // 2, len(r))])

    assert radius(1, 400_000)[-1] > 2 * 1.5  # it begins at 1.5
    late = radius(5, 1_600_000)
    assert np.diff(np.log(late)) / np.log(2) == pytest.approx([-1 / 6, -1 / 6], abs=0.02)
