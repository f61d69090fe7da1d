"""Whether a process lives, asked of the system."""

import os
import subprocess
import sys

import pytest

from diracgan.processes import is_alive


@pytest.mark.skipif(os.name != "posix", reason="it can be asked of POSIX alone")
def test_a_process_is_alive_until_it_has_ended():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(child.pid)
    child.communicate()
    assert not is_alive(child.pid)  # it has been waited for: the system knows it no longer


def test_nobody_is_taken_for_dead_where_it_cannot_be_asked(monkeypatch):
    assert is_alive(10**30)  # no number of a process
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.delattr(os, "kill")  # on Windows it would end the process
    assert is_alive(1)
