"""What is kept of a cache, beside other processes that keep and forget."""

from __future__ import annotations

import os

import pytest

from diracgan.files import forget_oldest


@pytest.mark.skipif(os.name != "posix", reason="of links that anybody may make")
def test_the_oldest_are_forgotten_though_another_process_has_removed_one(tmp_path):
    for age in range(5):
        file = tmp_path / f"{age}.so"
        file.touch()
        os.utime(file, (100 - age, 100 - age))
    (tmp_path / "gone.so").symlink_to(tmp_path / "nothing")  # listed, and not there when asked for its age
    (tmp_path / "other.txt").touch()
    forget_oldest(tmp_path, "*.so", 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.so", "1.so", "gone.so", "other.txt"]
