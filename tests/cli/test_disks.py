"""A disk that is full, files that may not be replaced: one line, and everything as it was.

A limit on the size of files stands for a full disk: the operating system refuses in the middle of a write.
"""

from __future__ import annotations

import contextlib
import json
import os

import jax
import pytest

import diracgan as dg
from diracgan.files import _machine

resource = pytest.importorskip("resource", reason="sizes of files are limited on POSIX alone")

STEPS = ["-v", "ns", "--dim", "1", "--rule", "simultaneous", "--steps", "300"]
WRITING = [
    ["plot", *STEPS, "--out", "a.png"],
    # their files go the same way
    *(pytest.param(["plot", *STEPS, "--out", f"a{s}"], marks=pytest.mark.slow) for s in (".svg", ".pdf")),
    pytest.param(["plot", *STEPS[:-1], "5", "--out", "a.gif"], marks=pytest.mark.slow),
    *(["simulate", *STEPS, "--out", f"a{suffix}"] for suffix in (".nc", ".zarr", ".npz", ".csv", ".json")),
    ["sweep", "lam=0:1:300", "-v", "wgan-gp:c=0", "--out", "a.zarr"],
    ["page", "-v", "ns", "--out", "a.html"],
    ["ema", "--omega", "0.3", "--h", "0.1", "--decay", "0.9", "--out", "a.png"],
    ["report", "wgan-linear", "--verdicts", "none", "--out", "a.json"],
    pytest.param(["figures", "--only", "ns", "--out", "figures"], marks=pytest.mark.slow),
    pytest.param(["card", "never-converges"], marks=pytest.mark.slow),
    pytest.param(["poster", "wgan-linear", "--alone", "--out", "a.svg"], marks=pytest.mark.slow),
]


@contextlib.contextmanager
def files_of_at_most(size):
    kept = jax.config.jax_enable_compilation_cache  # programs are no results
    jax.config.update("jax_enable_compilation_cache", False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        jax.config.update("jax_enable_compilation_cache", kept)


@pytest.mark.parametrize("words", WRITING, ids=lambda w: f"{w[0]} {w[-1]}")
def test_a_write_that_is_refused_halfway_is_one_line_and_leaves_nothing(cli, folder, words):
    with files_of_at_most(900):
        code, _, err = cli(*words)
    assert (code, err.count("\n")) == (2, 1), err
    assert "cannot be written: file too large" in err
    assert not list(folder.iterdir())


@pytest.mark.slow  # fast, of single files: the test above
def test_a_run_whose_disk_is_full_says_how_to_go_on(cli, folder):
    words = ["train", "points8", "-N", "width=4", "--steps", "4", "--out", "run"]
    with files_of_at_most(3000):
        code, _, err = cli(*words)
    assert (code, err.count("\n")) == (2, 1), err
    assert "cannot be written: file too large" in err
    assert not [p for p in folder.rglob("*") if p.name.startswith(".") or p.name.endswith(".lock")]
    code, out, _ = cli("train", "--resume", "--out", "run", "--format", "json")
    assert (code, json.loads(out)["steps"]) == (0, 4)


def test_a_file_that_is_write_protected_is_not_replaced(cli, folder, monkeypatch):
    (folder / "a.png").write_text("kept")
    known = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and known(path, mode))
    code, _, err = cli("plot", *STEPS, "--out", "a.png")
    assert code == 2 and err.startswith("diracgan: 'a.png' is write-protected; allowed: ")
    assert (folder / "a.png").read_text() == "kept"


def test_a_result_is_read_from_a_medium_that_cannot_be_written(folder, monkeypatch):
    made = dg.simulate(dg.variant("ns"), rule=dg.rule("simultaneous"), steps=2)
    dg.save(made, "a.npz")
    left = folder / f".a-{_machine()}-{2**22 + 1}-00000000.npz"  # by a process that was killed
    left.touch()

    def refuse(self, *args, **kwargs):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert dg.load("a.npz").identical(made)


def test_a_loop_of_links_and_a_name_with_a_nul_are_refused(cli, folder):
    (folder / "loop.png").symlink_to("loop.png")
    code, _, err = cli("plot", *STEPS, "--out", "loop.png")
    assert (code, err.count("\n")) == (2, 1) or (code == 0 and not (folder / "loop.png").is_symlink())
    for call in (
        lambda: dg.train("ns", "points8", steps=1, out="a\0b"),
        lambda: dg.load("a\0b.npz"),
    ):
        with pytest.raises(dg.InputError, match="llowed"):
            call()
