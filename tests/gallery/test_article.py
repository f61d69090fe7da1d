"""The gallery: its page is what the list says, its files are there and small, and its sentences are true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import diracgan as dg
from diracgan.analysis import spectrum
from diracgan.dynamics import run
from diracgan.errors import InputError
from diracgan.gallery.build import draw_all, entries, readme
from diracgan.gallery.entry import PHI0, THETA0, AveragesEntry, FlowEntry
from diracgan.plotting import save
from diracgan.rules import rule
from diracgan.variants import variant

FIGURES = Path(__file__).parents[2] / "figures"
NAMES = [e.name for e in entries()]
LENGTH = 0.03**0.5  # sqrt of |phi ^ theta| at the seed's start


def test_the_page_is_written_from_the_list():
    assert (FIGURES / "README.md").read_text(encoding="utf-8") == readme()


def test_the_list_is_what_the_seed_shows():
    flows = {(e.variant, *sorted(e.parameters.items()), e.t1) for e in entries() if isinstance(e, FlowEntry)}
    assert flows == {
        ("ns", 400),
        ("wgan", 10),
        ("wgan-gp", ("c", 0.0), ("lam", 0.1), 40),
        ("wgan-gp", ("c", 1.0), ("lam", 0.1), 80),
        ("gan-qp", ("lam", 1.0), 40),
        ("gan-qp", ("l2", 0.1), ("lam", 1.0), 70),
    }
    assert {e.decays for e in entries() if isinstance(e, AveragesEntry)} == {(0.9, 0.99, 0.999)}


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_there_small_and_has_its_command(name):
    file = FIGURES / f"{name}.png"
    assert file.stat().st_size < 100_000
    with Image.open(file) as image:
        assert image.width >= 640
    page = readme()
    assert f"![{entries(name)[0].title}]({name}.png)" in page
    assert all(command in page for command in entries(name)[0].commands)


def test_no_picture_without_its_entry():
    assert {p.stem for p in FIGURES.glob("*.png")} == set(NAMES)


@pytest.mark.slow  # fast, of another: cli/test_commands.py::test_figures_draws_what_is_asked
def test_one_figure_is_drawn_with_the_page(tmp_path):
    told = []
    written = draw_all(tmp_path, only="ema-wgan-gp-c1", tell=lambda entry, path: told.append(entry.name))
    assert [p.name for p in written] == ["ema-wgan-gp-c1.png", "README.md"]
    assert told == ["ema-wgan-gp-c1"]
    assert written[0].stat().st_size < 100_000


def test_wrong_names_and_folders_are_errors(tmp_path):
    with pytest.raises(InputError, match="did you mean 'gan-qp'"):
        draw_all(tmp_path, only=["gan-pq"])
    with pytest.raises(InputError, match="does not exist"):
        draw_all(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


# ---------------- the sentences about what is true


def flow(name, t1, phi0=PHI0, theta0=THETA0, **parameters):
    own = {k: x for k, x in parameters.items() if k != "l2"}
    v = variant(name, **own)
    v = v.with_(l2=parameters["l2"]) if "l2" in parameters else v
    traj = run(v, phi0, theta0, t1=t1, backend="scipy")
    assert traj.attrs["result"] == "ok"
    return traj["time"], np.asarray(traj["phi"]), np.asarray(traj["theta"])


def length(z):
    return np.linalg.norm(z, axis=1)


def period(t, x):
    """Mean distance of upward zeros."""
    up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    zeros = t[up] - x[up] * (t[up + 1] - t[up]) / (x[up + 1] - x[up])
    return np.diff(zeros).mean()


@pytest.mark.slow  # fast: truth/test_trajectories.py::test_non_saturating_ends_on_the_circle_that_the_wedge_allows
def test_ns_goes_onto_its_circle_in_two_dimensions_and_converges_in_one():
    t, phi, theta = flow("ns", 1500)
    late = t > 1300
    np.testing.assert_allclose(length(phi)[late], LENGTH, rtol=2e-3)
    np.testing.assert_allclose(length(theta)[late], LENGTH, rtol=2e-3)
    assert period(t[late], theta[late, 0]) == pytest.approx(4 * np.pi, rel=1e-3)
    wedge = phi[:, 0] * theta[:, 1] - phi[:, 1] * theta[:, 0]
    np.testing.assert_allclose(wedge, -0.03, rtol=1e-6)
    t, phi, theta = flow("ns", 4000, [1.0], [0.5])
    assert (phi[-1, 0] ** 2 + theta[-1, 0] ** 2) * t[-1] == pytest.approx(8, rel=0.02)


def test_wgan_keeps_its_critic_and_its_neutral_orbit():
    _, phi, theta = flow("wgan", 10)
    rho = length(phi)
    np.testing.assert_allclose(rho, 0.2236, atol=1e-4)
    across = (phi[:, 0] * theta[:, 1] - phi[:, 1] * theta[:, 0]) / rho
    conserved = (length(theta) / rho) ** 2 - 2 * np.log(np.abs(across) / rho)
    np.testing.assert_allclose(conserved, conserved[0], rtol=1e-6)
    assert not spectrum(variant("wgan"), dim=2).is_equilibrium
    t, _, theta = flow("wgan", 10, [0.1], [0.2])
    np.testing.assert_allclose(theta[:, 0], 0.2 + t, rtol=1e-9)


@pytest.mark.slow  # fast: verdict/test_verdict.py::test_one_centred_penalty_ends_on_a_circle_that_l2_only_shrinks
def test_wgan_gp_converges_with_c_0_and_circles_with_c_1():
    values = spectrum(variant("wgan-gp", c=0.0, lam=0.1), dim=2).eigenvalues
    np.testing.assert_allclose(values[0], -0.1 + 0.995j, atol=2e-4)
    t, phi, theta = flow("wgan-gp", 200, c=1.0, lam=0.1)
    np.testing.assert_allclose(length(theta)[t > 150], 1, rtol=1e-3)
    np.testing.assert_allclose(length(phi)[t > 150], 1, rtol=1e-3)
    assert period(t[t > 100], theta[t > 100, 0]) == pytest.approx(2 * np.pi, rel=1e-3)
    t, phi, _ = flow("wgan-gp", 200, c=1.0, lam=0.1, l2=0.1)
    np.testing.assert_allclose(length(phi)[t > 150], 2 * 0.1 / (2 * 0.1 + 0.1), rtol=1e-3)
    euler = run(
        variant("wgan-gp", c=1.0, lam=0.1), PHI0, THETA0, rule=rule("simultaneous", lr=0.1), steps=4000
    )
    np.testing.assert_allclose(length(np.asarray(euler["phi"]))[-100:], 2, rtol=1e-3)


@pytest.mark.slow  # fast, the circle: truth/test_trajectories.py::test_gan_qp_rotates_on_its_circle
def test_gan_qp_circles_and_with_l2_converges():
    t, phi, theta = flow("gan-qp", 150, lam=1.0)
    late = t > 100
    np.testing.assert_allclose(length(phi)[late], LENGTH, rtol=1e-3)
    assert period(t[late], theta[late, 0]) == pytest.approx(2 * np.pi, rel=1e-3)
    t, phi, theta = flow("gan-qp", 3000, [0.1], [0.2], lam=1.0)
    r = np.hypot(phi[-1, 0], theta[-1, 0])
    # r' = -r^2/C: r = C/(t + C/r(0)), C = 3 pi/2
    assert r * (t[-1] + 1.5 * np.pi / np.hypot(0.1, 0.2)) == pytest.approx(1.5 * np.pi, rel=1e-3)
    values = spectrum(variant("gan-qp", lam=1.0).with_(l2=0.1), dim=2).eigenvalues
    np.testing.assert_allclose(values[0], -0.05 + 0.999j, atol=3e-4)


@pytest.mark.parametrize(
    ("name", "parameters", "radius", "factors"),
    [
        ("ns", {}, 0.1732, (0.90, 0.197, 0.020)),
        pytest.param("wgan-gp", {"c": 1.0, "lam": 0.1}, 1.0, (0.725, 0.100, 0.0100), marks=pytest.mark.slow),
        pytest.param("gan-qp", {"lam": 1.0}, 0.173, (0.725, 0.100, 0.0100), marks=pytest.mark.slow),
    ],
)
def test_averages_circle_at_their_factor_of_the_orbit(name, parameters, radius, factors):
    for decay, factor in zip((0.9, 0.99, 0.999), factors, strict=True):
        steps = run(
            variant(name, **parameters),
            PHI0,
            THETA0,
            rule=rule("alternating", lr=0.1, ema=decay),
            steps=14_000,
        )
        raw, mean = (length(np.asarray(steps[k]))[-2000:] for k in ("theta", "theta_ema"))
        np.testing.assert_allclose(raw, radius, rtol=5e-3)
        np.testing.assert_allclose(mean / raw, factor, rtol=1e-2)


@pytest.mark.slow  # fast, of one decay: dynamics/test_steps.py::test_the_average_on_an_orbit_has_the_gain_of_its_filter
def test_the_larger_decay_is_farther_for_two_thousand_steps():
    near, far = (
        length(
            np.asarray(
                run(variant("ns"), PHI0, THETA0, rule=rule("alternating", lr=0.1, ema=d), steps=4000)[
                    "theta_ema"
                ]
            )
        )
        for d in (0.99, 0.999)
    )
    smooth = [np.convolve(x, np.ones(130) / 130, "valid") for x in (near, far)]
    crossing = np.flatnonzero(smooth[0][500:] > smooth[1][500:])[0] + 500
    assert 1700 < crossing < 2300  # "two thousand", of a curve that is averaged over 130 steps


@pytest.mark.slow  # no fast witness: its law needs thousands of steps
def test_steps_of_the_normalised_critic_grow_like_a_square_root():
    steps = run(variant("wgan"), PHI0, THETA0, rule=rule("alternating", lr=0.1, ema=0.999), steps=6000)
    n = np.arange(6001)[1000:]
    np.testing.assert_allclose(length(np.asarray(steps["phi"]))[1000:], 0.1 * np.sqrt(n), rtol=0.02)
    mean = length(np.asarray(steps["theta_ema"]))
    assert mean[6000] > mean[4500] > mean[3000]


def test_r1_meets_at_its_critical_value():
    for gamma in (0.2, 0.999, 1.5, 2.0):
        got = spectrum(variant("ns").with_(r1=gamma), dim=1).eigenvalues
        root = np.emath.sqrt(gamma**2 / 4 - 0.25)
        np.testing.assert_allclose(got, [-gamma / 2 + root, -gamma / 2 - root], atol=1e-9)
    best = [-spectrum(variant("ns").with_(r1=g), dim=1).eigenvalues.real.max() for g in (0.9, 1.0, 1.1)]
    assert np.argmax(best) == 1


def test_numbers_in_the_page_are_those_tested():
    page = readme()
    for said in (
        "0.1732",
        "0.2236",
        r"0.995\,i",
        r"0.999\,i",
        "0.90, 0.197 and 0.020",
        "0.725, 0.100 and 0.0100",
    ):
        assert said in page
    assert not re.search(r"\bTODO\b|\bnan\b", page)


@pytest.mark.slow  # fast, that it stands in the page: test_every_figure_is_there_small_and_has_its_command
@pytest.mark.parametrize("name", ["wgan", "gan-qp-l2"])
def test_the_command_draws_the_figure(name, tmp_path, monkeypatch):
    from diracgan.cli.app import main

    entry = entries(name)[0]
    (tmp_path / "figures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(entry.commands[0])[1:]) == 0
    save(entry.draw(), tmp_path / "here.png")
    with Image.open(tmp_path / "figures" / f"{name}.png") as one, Image.open(tmp_path / "here.png") as two:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_labelled_results_are_drawn_as_they_are():
    traj = dg.simulate(dg.variant("ns"), rule=dg.rule("alternating", lr=0.1, ema=0.9), steps=20)
    ax = dg.plot.portrait(traj, ax=Figure().add_subplot())
    dots = next(c for c in ax.collections if c.get_gid() == "path")
    np.testing.assert_array_equal(dots.get_offsets(), traj.theta.values)
