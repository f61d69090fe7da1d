"""Compressed logs: read as what they hold, bounded, and refused in one line where they are no log."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest

from diracgan.errors import InputError
from diracgan.monitoring.logs import read
from diracgan.monitoring.readers import compressed

D = [1.3 + 0.1 * float(np.sin(0.3 * k)) for k in range(60)]
TEXT = ("step,d_loss\n" + "".join(f"{k}0,{x}\n" for k, x in enumerate(D))).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv.gz", gzip.compress(TEXT)),
        ("log.csv.bz2", bz2.compress(TEXT)),
        ("log", lzma.compress(TEXT)),
        ("run.zip", zipped({"run/metrics": TEXT})),
        ("run.zip", zipped({"run/args.txt": b"lr: 0.1\n", "run/metrics.csv": TEXT})),
    ],
)
def test_a_compressed_log_is_read_as_what_it_holds(name, content, folder):
    (folder / name).write_bytes(content)
    log = read(name)
    assert (log.clock, log.interval, log.names) == ("step", 10, ["d_loss"])
    np.testing.assert_array_equal(log.values[0], D)


def test_a_compressed_log_is_found_in_a_folder(folder):
    (folder / "run").mkdir()
    (folder / "run" / "metrics.csv.gz").write_bytes(gzip.compress(TEXT))
    assert read("run").names == ["d_loss"]


def test_one_that_is_still_written_is_read_as_far_as_it_goes(folder):
    rows = "step,d_loss\n" + "".join(
        f"{k},{x}\n" for k, x in enumerate(np.random.default_rng(0).normal(size=9000))
    )
    whole = gzip.compress(rows.encode())
    (folder / "log.csv.gz").write_bytes(whole[: len(whole) // 2])
    log = read("log.csv.gz")
    assert 3000 < log.values.shape[1] < 6000 and "ends in the middle" in log.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.gz", gzip.compress(b"1," * 1_000_000), "unpacks to more than 0 MB"),
        ("a.zip", zipped({"a": b"1," * 1_000_000}), "unpacks to more than 0 MB"),
        ("a.zip", zipped({f"f{k}": b"" for k in range(5)}), "holds 5 files"),
        ("a.zip", zipped({"inner": gzip.compress(TEXT)}), "compressed again"),
        ("a.gz", gzip.compress(gzip.compress(TEXT)), "compressed again"),
        ("a.gz", gzip.compress(TEXT)[:8] + b"\xff" * 40, "cannot be unpacked"),
        ("a.zip", b"PK\x03\x04" + b"\0" * 60, "cannot be unpacked"),
        ("a.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 60, "zstd"),
    ],
    # not the bytes, which hold the time: two workers would not find the same tests
    ids=[
        "gzip bomb",
        "zip bomb",
        "many files",
        "gzip in zip",
        "gzip in gzip",
        "damaged gzip",
        "damaged zip",
        "zstd",
    ],
)
def test_what_is_no_compressed_log_is_refused_in_one_line(name, content, words, folder, monkeypatch):
    monkeypatch.setattr(compressed, "_SMALL", 100_000)
    monkeypatch.setattr(compressed, "_FILES", 4)
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        read(name)
    assert "\n" not in str(error.value)
