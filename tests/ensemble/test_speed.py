"""Speed, beside the committed figures."""

from __future__ import annotations

import dataclasses
import json

import pytest

import diracgan as dg
from diracgan.ensemble import speed


@pytest.fixture
def small(monkeypatch):
    """A few trajectories, however many are usual."""
    monkeypatch.setattr(
        speed, "CASES", {n: dataclasses.replace(c, count=128) for n, c in speed.CASES.items()}
    )


def test_every_committed_figure_is_of_a_case():
    for rates in speed.committed().values():
        assert set(rates) <= set(speed.CASES)
        assert min(rates.values()) > 0


def test_this_machine_s_figures_stand_beside_the_committed_ones(small, cli):
    code, out, err = cli("bench", "--only", "rk4 float32", "--only", "spectra", "--format", "json")
    assert code == 0, err
    said = json.loads(out)
    assert said["schema"] == "diracgan.bench/1"
    assert [f["name"] for f in said["figures"]] == ["rk4 float32", "spectra"]
    for figure in said["figures"]:
        assert figure["rate"] > 0
        assert figure["committed"]["two cores with AVX-512"] > 0
    code, out, _ = cli("bench", "--only", "spectra")
    assert code == 0
    assert "of it)" in out


def test_a_case_that_is_not_one(cli):
    code, _, err = cli("bench", "--only", "rk5")
    assert code == 2
    assert "unknown measurement 'rk5'" in err
    with pytest.raises(dg.InputError):
        speed.measured(["rk5"])
