"""Programs that we start end when we do, with what they have started themselves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from diracgan import children


def test_what_fails_and_what_takes_long_is_said():
    with pytest.raises(subprocess.CalledProcessError):
        children.call([sys.executable, "-c", "raise SystemExit(3)"], timeout=60)
    with pytest.raises(OSError, match="no-such-program"):
        children.call(["no-such-program"], timeout=60)
    with pytest.raises(subprocess.TimeoutExpired):
        children.call([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell")
def test_a_driver_and_its_compiler_are_killed_and_none_is_started_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "_ending", threading.Event())
    driver = ["sh", "-c", f"(sleep 1; touch {tmp_path / 'late'}) & touch {tmp_path / 'begun'}; wait"]
    failed: list[BaseException] = []

    def compile_it() -> None:
        try:
            children.call(driver, timeout=60)
        except subprocess.SubprocessError as error:
            failed.append(error)

    thread = threading.Thread(target=compile_it)
    thread.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    children.end()
    thread.join(timeout=30)
    assert len(failed) == 1
    with pytest.raises(subprocess.SubprocessError):
        children.call(["sleep", "60"], timeout=60)
    time.sleep(1.2)
    assert not (tmp_path / "late").exists()
