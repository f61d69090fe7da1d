"""The command as a process of its own: exit codes, signals, pipes, terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from diracgan.cli import signals

HERE = [sys.executable, "-m", "diracgan"]
SLOW_START = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job would ignore
from diracgan.cli import app
from diracgan import files
real = files.Path.replace
def slow(self, target):
    print("writing", file=sys.stderr, flush=True)
    time.sleep(60)
files.Path.replace = slow
sys.argv = ["diracgan", "simulate", "-v", "ns", "--rule", "simultaneous", "--steps", "3", "--out", "a.npz"]
app.entry()
"""


def run(*words, **kwargs):
    return subprocess.run([*HERE, *words], capture_output=True, text=True, **kwargs)


def test_module_and_script_are_the_same():
    script = os.path.join(os.path.dirname(sys.executable), "diracgan")  # noqa: PTH118, PTH120
    if not os.path.exists(script):  # noqa: PTH110
        pytest.skip("the package is on the path but not installed")
    words = ["list", "--format", "json"]
    done = subprocess.run([script, *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run(*words).stdout


def test_bad_input(tmp_path):
    done = run("plot", "--variant", "wgan-pg", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("diracgan: unknown variant 'wgan-pg'; did you mean 'wgan-gp'? Allowed: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_nothing_but_the_answer_is_printed(tmp_path):
    words = ["simulate", "-v", "wgan", "--dim", "1", "--rule", "simultaneous", "--steps", "2"]
    done = run(*words, "--format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{"schema": "diracgan.simulate/1"')


def test_a_reader_that_leaves_is_no_error():
    piped = f"{sys.executable} -m diracgan simulate -v ns --rule simultaneous --steps 2000 --format json | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {piped}"], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "{"
    assert done.returncode in (0, 141)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_an_interrupted_write_leaves_the_old_file(tmp_path, number, code):
    (tmp_path / "a.npz").write_text("old")
    running = subprocess.Popen(
        [sys.executable, "-c", SLOW_START],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert running.stderr.readline() == "writing\n"
    time.sleep(0.1)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code
    assert out == ""
    assert err.count("\n") <= 1
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert (tmp_path / "a.npz").read_text() == "old"


class ExtensionFileLoader:
    """As Python's, with the code of a compiled module in Python."""

    def exec_module(self, heard):
        signal.raise_signal(signal.SIGUSR1)
        heard.append("goes on")


def test_a_signal_waits_until_a_compiled_module_is_loaded(monkeypatch):
    """C++ that meets an exception while it makes its classes ends the process with a traceback and SIGABRT."""
    sent, heard = [], []
    monkeypatch.setattr(signals.os, "kill", lambda process, number: sent.append(number))
    monkeypatch.setattr(signals, "_WORDS", {})
    monkeypatch.setattr(signals, "_heard", [])
    before = signal.signal(signal.SIGUSR1, signals._raise)
    try:
        ExtensionFileLoader().exec_module(heard)
        assert heard == ["goes on"]
        until = time.monotonic() + 10.0
        while not sent and time.monotonic() < until:
            time.sleep(0.01)
        assert sent == [signal.SIGUSR1]
        with pytest.raises(signals.Terminated):
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    done = run("plot", "-v", "ns", "--out", str(locked / "a.png"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the shell closes it")
def test_a_closed_output_is_one_line():
    words = f"{sys.executable} -m diracgan list"
    done = subprocess.run(["bash", "-c", f"{words} >&-"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "diracgan: standard output is closed; allowed: a terminal, a file or a pipe\n"
    done = subprocess.run(["bash", "-c", f"{words} --format yaml 2>&-"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")  # noqa: PTH110
def test_a_full_disk_is_one_line():
    words = f"{sys.executable} -m diracgan list > /dev/full"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "diracgan: no space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")  # noqa: PTH110
def test_where_standard_error_takes_nothing_the_exit_code_is_the_same(tmp_path):
    words = f"{sys.executable} -m diracgan eig -v nope 2> /dev/full"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


LONG = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from diracgan.cli import app
print("begun", file=sys.stderr, flush=True)
steps = ["--steps", "2000000000", "--every", "1000000000"]
sys.argv = ["diracgan", "simulate", "-v", "ns", "--dim", "1", "--rule", "simultaneous", *steps]  # on a cycle
app.entry()
"""


@pytest.mark.parametrize(
    ("number", "said", "code"),
    [
        (signal.SIGINT, "interrupted", 130),
        pytest.param(signal.SIGTERM, "terminated", 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_is_heard_in_a_long_run_of_steps(tmp_path, number, said, code):
    running = subprocess.Popen([sys.executable, "-c", LONG], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert running.stderr.readline() == "begun\n"
    time.sleep(2)  # it is among its two thousand million steps, or on the way there
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (code, f"diracgan: {said}\n")


DROPPED = """
import os, signal, time
from diracgan.cli import signals
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
signals.answer_at_once()
class Left:
    def __del__(self):  # what is raised here, Python drops
        os.kill(os.getpid(), {number})
        time.sleep(0.2)
try:
    Left()
    time.sleep(60)
except BaseException as error:
    print("cleared up after", type(error).__name__)
"""


@pytest.mark.parametrize(
    ("number", "said", "name"),
    [(signal.SIGINT, "interrupted", "KeyboardInterrupt"), (signal.SIGTERM, "terminated", "Terminated")],
)
def test_a_signal_that_comes_in_a_destructor_is_heard_all_the_same(number, said, name):
    code = DROPPED.format(number=int(number))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"cleared up after {name}\n"
    assert done.stderr == f"diracgan: {said}\n"
