"""One writer at a time: whoever comes second is told who writes; whoever was killed keeps nobody out."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys

import pytest

import diracgan as dg
from diracgan.locks import locked_output

HOLD = """
import sys, time
from diracgan.locks import locked_output
with locked_output(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def holder(path):
    """Another process that writes ``path``."""
    running = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "held\n"
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()


def sweep(out="a.zarr"):
    return dg.sweep(dg.variant("wgan-gp", c=0.0), {"lam": [0.0, 0.5, 1.0]}, out=out)


# every kind of command that writes: a picture, a folder of them, a page, a sheet, a card, a report, a result
COMMANDS = {
    "a.png": ["plot", "-v", "ns", "--out", "a.png"],
    "figures/README.md": ["figures", "--only", "ns", "--out", "figures"],
    "a.html": ["page", "-v", "ns", "--out", "a.html"],
    "poster.pdf": ["poster"],
    "never-converges.gif": ["card", "never-converges"],
    "b.gif": ["card", "never-converges", "--out", "b.gif"],
    "a.md": ["compare", "--out", "a.md"],
    "c.xml": ["compare", "--out", "a.md", "--junit", "c.xml"],
    "b.png": ["forecast", "run", "--out", "b.png"],
    "a.json": ["report", "ns", "--out", "a.json"],
    "a.zarr": ["sweep", "lam=0,1", "-v", "wgan-gp", "--out", "a.zarr"],
    "a.nc": ["simulate", "-v", "ns", "--out", "a.nc"],
    "d.png": ["bifurcation", "ns", "--over", "r1=0.1:1", "--out", "d.png"],
}


@pytest.mark.skipif(os.name != "posix", reason="another process is killed")
def test_every_command_says_in_one_line_who_writes_its_result(cli, folder):
    (folder / "figures").mkdir()
    with contextlib.ExitStack() as held:
        owners = {name: os.getpid() for name in COMMANDS}
        owners["a.png"] = held.enter_context(holder("a.png")).pid
        for name in COMMANDS:
            if name != "a.png":
                held.enter_context(locked_output(name))
        for name, words in COMMANDS.items():
            code, out, err = cli(*words)
            assert (code, out, err.count("\n")) == (2, "", 1), (words, err)
            assert f"is being written by process {owners[name]} on {platform.node()} since" in err
            assert not (folder / name).exists()


@pytest.mark.skipif(os.name != "posix", reason="a process is killed")
def test_what_a_killed_process_held_is_taken_over(cli, folder):
    with holder("a.png"):
        pass  # and killed
    assert json.loads((folder / ".a.png.lock").read_text())["host"] == platform.node()
    code, _, err = cli("plot", "-v", "ns", "--t1", "1", "--out", "a.png")
    assert (code, err) == (0, "")
    assert [p.name for p in folder.iterdir()] == ["a.png"]


def test_a_sweep_has_one_writer_from_before_its_first_chunk_on(folder):
    with locked_output("a.zarr"), pytest.raises(dg.InputError, match="'a.zarr' is being written by process"):
        sweep()
    whole = sweep()
    with locked_output("a.zarr"), pytest.raises(dg.InputError, match="is being written by process"):
        sweep()
    assert whole.identical(sweep())
    assert [p.name for p in folder.iterdir()] == ["a.zarr"]


def test_two_results_are_two_files(cli):
    code, _, err = cli("report", "ns", "--out", "a.xml", "--junit", "./a.xml")
    assert code == 2
    assert err.endswith("a.xml' is to hold two results; allowed: a file for each\n")
