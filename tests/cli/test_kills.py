"""Whenever a command is killed, its result is the old one or the new one, and the next start clears up."""

from __future__ import annotations

import contextlib
import random

import pytest
from deaths import DEATH, Killed

from diracgan import files

STEPS = ["-v", "ns", "--dim", "1", "--rule", "simultaneous", "--steps", "30"]
WRITING = {
    "a.svg": ["plot", *STEPS],
    "a.npz": ["simulate", *STEPS],
    "a.zarr": ["simulate", *STEPS],
    "a.html": ["page", "-v", "ns"],
    "b.svg": ["ema", "--omega", "0.3", "--h", "0.1", "--decay", "0.9"],
    "a.json": ["report", "ns", "--verdicts", "none"],
    "figures": ["figures", "--only", "ns"],
    "c.svg": ["bifurcation", "ns", "--over", "r1=0.1:1", "--rule", "simultaneous", "--lr", "0.5"],
    "d.svg": ["verdict", "-v", "wgan-linear"],
}
FAST = ("b.svg", "a.npz", "a.zarr")


def contents(path):
    inside = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(p.relative_to(path)): p.read_bytes() for p in inside if p.is_file()}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in WRITING]
)
def test_killed_at_random_points(cli, folder, monkeypatch, name):
    monkeypatch.setattr(files, "is_alive", lambda process: False)  # who is dead runs no more
    there, draw = folder.resolve(), random.Random(name)
    words, target = [*WRITING[name], "--out", name], there / name
    DEATH.within(there, -1)
    assert cli(*words)[0] == 0
    operations, DEATH.folder = DEATH.seen, ""
    assert operations > 4
    whole, alone = contents(target), sorted(p.name for p in there.iterdir())
    for after in draw.sample(range(operations), 4):
        DEATH.within(there, after)
        with contextlib.suppress(Killed):
            cli(*words)
        DEATH.folder = ""
        if name != "figures" and target.exists():
            assert set(contents(target)) == set(whole)
        assert cli(*words)[0] == 0
        assert set(contents(target)) == set(whole)
        assert sorted(p.name for p in there.iterdir()) == alone
        if name.endswith((".svg", ".html")):
            assert contents(target) == whole
