"""What is kept of a picture: the same picture, never an old one, and nothing that is not whole."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from diracgan.plotting import cache

WORDS = ("plot", "--variant", "wgan-gp", "--c", "0", "--t1", "2")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The files that are kept, in a folder that this test alone uses."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "kept"))
    return lambda: sorted((tmp_path / "kept").glob("*.npz"))


def motion(**spectrum) -> cache.Motion:
    found = SimpleNamespace(eigenvalues=np.array([1j, -1j]), status="marginal", at={"phi": [0.0]}, **spectrum)
    return cache.Motion({"phi": np.eye(2), "attrs": {"variant": "ns"}}, found, "ns.png")


def test_what_is_kept_draws_the_same_picture_without_jax(cli, kept, folder):
    code, first, _ = cli(*WORDS, "--out", "first.png")
    assert code == 0
    assert len(kept()) == 1
    again = "import sys; from diracgan.cli.app import main; code = main(); assert 'jax' not in sys.modules; exit(code)"
    words = [sys.executable, "-c", again, *WORDS, "--out", "again.png"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == first.replace("first.png", "again.png")
    assert (folder / "again.png").read_bytes() == (folder / "first.png").read_bytes()


def test_another_question_is_another_key(kept, monkeypatch):
    options = ["page", {"variant": "ns", "r1": None}, {"t1": 2.0}]
    first = cache.file_of(options)
    assert cache.file_of(options) == first
    assert cache.file_of(["page", {"variant": "ns", "r1": 0.1}, {"t1": 2.0}]) != first
    monkeypatch.setattr(cache, "_version", lambda package: f"{package} of tomorrow")
    assert cache.file_of(options) != first


def test_another_version_of_a_package_whose_text_is_the_same_is_another_key(tmp_path, monkeypatch):
    # equinox and diffrax read their version from their metadata, so that no line of theirs need differ
    (tmp_path / "computes").mkdir()
    (tmp_path / "computes/__init__.py").write_text("__version__ = importlib.metadata.version('computes')")
    monkeypatch.syspath_prepend(tmp_path)
    seen = set()
    for number in ("1.0", "1.1"):
        metadata = tmp_path / f"computes-{number}.dist-info"
        metadata.mkdir()
        seen.add(cache._version("computes"))
        metadata.rmdir()
    assert len(seen) == 2 and cache._version("no_such_package") is None


def test_an_edited_source_is_another_key(kept, monkeypatch, tmp_path):
    package = tmp_path / "package"
    (package / "plotting").mkdir(parents=True)
    (package / "losses.py").write_text("loss = 1")
    monkeypatch.setattr(cache, "__file__", str(package / "plotting/cache.py"))
    first = cache.file_of([])
    (package / "losses.py").write_text("loss = 2")
    assert cache.file_of([]) != first


def test_switched_off_nothing_is_kept(cli, kept, monkeypatch):
    monkeypatch.setenv(cache.FOLDER, "0")
    assert cache.file_of([]) is None
    assert cache.read(None) is None
    monkeypatch.delenv(cache.FOLDER)
    assert cache.file_of([]) is None, "only the command line keeps anything"


def test_a_file_that_is_not_whole_is_computed_again(kept):
    path = cache.file_of([])
    cache.keep(path, motion(error=float("inf"), rule=None))
    whole, found = path.read_bytes(), cache.read(path)
    assert found.name == "ns.png"
    np.testing.assert_array_equal(found.spectrum.eigenvalues, [1j, -1j])
    assert (found.spectrum.error, found.spectrum.rule, found.spectrum.at) == (np.inf, None, {"phi": [0.0]})
    for broken in (b"", whole[:100], whole[:-30], b"\0" * len(whole)):
        path.write_bytes(broken)
        assert cache.read(path) is None
    assert not list(path.parent.glob(".*")), "nothing is left beside it"


def test_what_cannot_be_kept_is_not(kept, tmp_path):
    path = cache.file_of([])
    cache.keep(path, motion(text=object()))
    cache.keep(path, motion(jacobian=np.zeros(cache._BYTES)))
    cache.keep(None, motion())
    assert not kept()
    (tmp_path / "kept").write_text("a file where the folder should be")
    cache.keep(path, motion())
    assert cache.read(path) is None


def test_the_oldest_are_forgotten(kept, monkeypatch):
    monkeypatch.setattr(cache, "_MOST", 2)
    for k in range(3):
        path = cache.file_of([k])
        cache.keep(path, motion())
        os.utime(path, (k, k))
    mine = path.with_name("run.npz")
    np.savez(mine, x=np.zeros(1))
    os.utime(mine, (0, 0))
    cache.keep(cache.file_of([3]), motion())
    assert mine.exists(), "a file of somebody else's in the same folder"
    mine.unlink()
    assert kept() == sorted(map(cache.file_of, ([2], [3])))


def test_a_loss_of_ones_own_is_not_kept(cli, kept, folder):
    (folder / "mine.py").write_text(
        "import jax.numpy as jnp\nimport diracgan as dg\n"
        "@dg.register('mine-kept')\nclass Mine(dg.Variant):\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)\n"
    )
    assert cli("plot", "--variant", "mine.py:mine-kept", "--t1", "1")[0] == 0
    assert not kept()
