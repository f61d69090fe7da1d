"""`diracgan sweep` and `diracgan map`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from diracgan.cli.app import main

NS = ["--variant", "ns", "--rule", "simultaneous"]


def test_a_sweep_as_json(capsys: pytest.CaptureFixture[str]):
    assert (
        main(["sweep", "gamma=0:1:3", "--over", "lr=0.5,1", *NS, "-q", "margin,status", "--format", "json"])
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "diracgan.sweep/1"
    assert said["axes"] == {"gamma": [0.0, 0.5, 1.0], "lr": [0.5, 1.0]}
    g, h = np.meshgrid([0, 0.5, 1], [0.5, 1], indexing="ij")
    np.testing.assert_allclose(
        said["quantities"]["margin"]["values"], 1 - np.sqrt(1 - g * h + h * h / 4), atol=1e-8
    )
    meanings = said["quantities"]["status"]["meanings"]
    assert [meanings[k] for k in said["quantities"]["status"]["values"][0]] == ["unstable", "unstable"]


def test_gamma_is_the_same_as_an_axis_and_as_an_option(capsys: pytest.CaptureFixture[str]):
    words = ["sweep", "lr=0.5,1", *NS, "--format", "json"]
    found = []
    for given in (["gamma=0.3"], ["--gamma", "0.3"], ["--r1", "0.3"]):
        assert main([*words, *given]) == 0
        found.append(json.loads(capsys.readouterr().out)["quantities"]["margin"]["values"])
    assert np.ravel(found[0]).tolist() == found[1] == found[2]


def test_every_quantity_is_in_the_help(capsys: pytest.CaptureFixture[str]):
    from diracgan.sweeps.quantity import QUANTITIES

    assert main(["sweep", "--help"]) == 0
    said = capsys.readouterr().out
    assert [q for q in QUANTITIES if q not in said] == []


def test_what_a_sweep_says_counts_all_points(capsys: pytest.CaptureFixture[str]):
    # final radius of a rotation: never in the ball, so that there is no entry time anywhere
    words = ["sweep", "phi0=1,2,3", "--variant", "wgan-linear", "--theta0", "0", "--t1", "2"]
    assert main([*words, "-q", "entry_time,final_radius"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["entry_time", "none", "at", "3", "3"] in rows
    assert ["final_radius", "1", "to", "3", "3"] in rows


@pytest.mark.slow  # its words: tests/sweeps; a chart is drawn below
def test_a_chart_without_an_equilibrium_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "chart.svg"
    axes = ["l2=0:1:3", "rate_ratio=0.5,1,2"]
    assert main(["map", "stability", *axes, "--variant", "wgan", "--out", str(out)]) == 0
    assert "stable nowhere on this grid (not-an-equilibrium)" in capsys.readouterr().out
    assert "no equilibrium on this grid" in out.read_text()
    assert "exact threshold" not in out.read_text()


def test_a_sweep_to_a_store_and_on_from_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "s.zarr"
    words = ["sweep", "r1=0:1:6", *NS, "--lr", "0.1", "--chunk", "2", "--out", str(out)]
    assert main(words) == 0
    assert str(out) in capsys.readouterr().out
    (out / "margin" / "c" / "1").unlink()
    assert main(words) == 0
    assert xr.open_zarr(out, consolidated=False).margin.notnull().all()
    other = [*words[:-2], "--l2", "0.1", "--out", str(out)]
    before = xr.open_zarr(out, consolidated=False).margin.values
    assert main(other) == 2
    said = capsys.readouterr().err
    assert said.startswith("diracgan: ")
    assert said.rstrip().endswith("or --overwrite")
    np.testing.assert_array_equal(xr.open_zarr(out, consolidated=False).margin.values, before)
    (out / "notes.txt").write_text("somebody's")
    assert main([*other, "--overwrite"]) == 2
    assert "'notes.txt', which is no part of a result" in capsys.readouterr().err
    (out / "notes.txt").unlink()
    assert main([*other, "--overwrite"]) == 0
    assert (xr.open_zarr(out, consolidated=False).margin.values != before).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", *NS], "no axis"),
        (["sweep", "r1", *NS], "'r1' is not an axis"),
        (["sweep", "gamma=", *NS], "the axis gamma is empty"),
        (["sweep", "gamma=0,1", "--out", "/nowhere/x.zarr", *NS], "does not exist"),
        (["sweep", "r1=0:1:2", "r1=0,1", *NS], "given twice"),
        (["sweep", "r1=0:1:2", *NS, "-q", "periods"], "did you mean 'period'"),
        (["sweep", "r1=0:1:2", *NS, "--scheduler", "tcp://127.0.0.1:9"], "no scheduler answers"),
        (["sweep", "r1=0:1:2", *NS, "-q", "nowhere.py:f"], "no file 'nowhere.py'"),
        (["sweep", "r1=0:1:2", "--variant", "ns", "--steps", "7"], "needs a rule"),
        (["map", "basin", "--variant", "ns"], "did you mean 'basins'"),
        (["map", "stability", "r1=0:1:2", *NS], "2 axes"),
        (["map", "stability", *NS, "--out", "chart.jpg"], "unknown suffix"),
        (["map", "bifurcation", "r1=0:1:2", "lr=0.1,0.2", *NS], "1 axis"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(words) == 2
    heard = capsys.readouterr()
    assert said in heard.err
    assert heard.err.count("\n") == 1
    assert heard.out == ""


def test_a_stability_chart_with_its_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    picture = tmp_path / "chart.png"
    axes = ["gamma=0.05:0.95:7", "lr=0.1:4:9"]
    assert main(["map", "stability", *axes, *NS, "--out", str(picture), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    ends = np.array(said["threshold"]).reshape(-1, 2)
    np.testing.assert_allclose(ends[:, 1], 4 * ends[:, 0], rtol=1e-12)  # stable iff lr < 4 gamma
    assert len(ends) >= 12
    assert picture.stat().st_size > 1000


def test_basins_of_the_creeping_critic(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    # wgan-gp, c = 1, lam >= 1, d = 1: creeps to phi = 0, theta = +-2 lam, from opposite starts to opposite ends
    out = tmp_path / "basins.svg"
    words = [
        "map",
        "basins",
        "phi0=-1,1",
        "theta0=-0.5,0.5",
        "--variant",
        "wgan-gp",
        "--lam",
        "1.5",
        "--t1",
        "100",
    ]
    assert main([*words, "--out", str(out), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)["quantities"]
    theta = np.array(said["limit_theta"]["values"])
    np.testing.assert_allclose(theta, -theta[::-1, ::-1], atol=1e-9)
    np.testing.assert_allclose(np.abs(theta), 3.0, atol=0.02)
    assert "another point" in out.read_text()


@pytest.mark.slow  # fast, where the critic creeps: the test above
def test_basins_with_their_limit_cycle(tmp_path: Path):
    # wgan-gp, c = 1, lam < 1, d = 1: every start ends on one cycle (docs/theory.md section 3)
    out = tmp_path / "basins.svg"
    words = ["map", "basins", "phi0=-1,1", "theta0=-0.5,0.5", "--variant", "wgan-gp", "--lam", "0.4"]
    assert main([*words, "--t1", "100", "--out", str(out)]) == 0
    assert "limit cycle" in out.read_text()


@pytest.mark.slow  # orbits: tests/sweeps; another map is drawn above
def test_an_orbit_diagram(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [
        "map",
        "bifurcation",
        "lr=0.8:1.2:5",
        "--variant",
        "wgan-gp",
        "--c",
        "0",
        "--lam",
        "0.5",
        "--dim",
        "1",
    ]
    assert main([*words, "--rule", "simultaneous", "--out", str(tmp_path / "o.pdf"), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(said["threshold"], [1.0], rtol=1e-12)  # stable iff lr < 2 lam
    assert np.all(np.abs(np.array(said["quantities"]["orbit"]["values"][0], float)) < 1e-6)
    assert np.array(said["quantities"]["orbit"]["values"][4], float).size == 4 * 128  # from four starts
