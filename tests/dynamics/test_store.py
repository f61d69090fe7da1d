"""What is saved is read back equal to the last bit, and a failed write leaves what was there."""

from __future__ import annotations

import csv
import gc
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from selection import slow_but

import diracgan as dg
from diracgan.dynamics import store
from diracgan.errors import InputError
from diracgan.files import SAVED_BY, destination, folder, replacing

KEPT = [".nc", ".zarr", ".npz"]


def short(t1: float = 1.0, name: str = "ns") -> xr.Dataset:
    """A run of the flow, of an engine that needs little compiling."""
    return dg.simulate(dg.variant(name), t1=t1, backend="scipy")


def everything() -> xr.Dataset:
    """A dataset with one of each kind that some format would change."""
    rng = np.random.default_rng(0)
    n = 4
    data = {
        "phi": (("time", "component"), rng.normal(size=(n, 2)), {"units": "1", "flag": True}),
        "negative_zero": (("time",), -np.zeros(n)),
        "special": (("time",), np.array([np.nan, np.inf, -np.inf, -0.0])),
        "single": (("time",), rng.normal(size=n).astype(np.float32)),
        "half": (("time",), rng.normal(size=n).astype(np.float16)),
        "flags": (("time",), np.array([True, False, True, True])),
        "complex": (("time",), np.array([1 + 2j, complex(np.inf, -0.0), complex(np.nan, 1), -0j])),
        "complex64": (("time",), np.array([1 + 2j] * n, dtype=np.complex64)),
        "words": (("time",), np.array(["a", "bcd", "", "é"])),
        "bytes": (("time",), np.array([b"a", b"bcd", b"", b"x"])),
        "scalar": ((), np.int32(3)),
        "small": (("time",), np.arange(n, dtype=np.uint8)),
        "empty": (("none",), np.zeros(0)),
    }
    coords = {
        "time": np.arange(n) * 0.1,
        "step": ("time", np.arange(n)),
        "component": [0, 1],
        "kind": ("component", np.array(["x", "y"])),
    }
    attrs = {
        "text": "a\né",
        "nothing": None,
        "yes": True,
        "count": 3,
        "third": 1 / 3,
        "nan": math.nan,
        "inf": -math.inf,
        "list": [1, 2.5, "x", [None]],
        "tuple": (1, 2),
        "dict": {"lam": 0.1, "kind": None},
        "array": np.arange(3.0),
        "scalar": np.float32(0.1),
        "complex": 1 + 2j,
        "json": '{"x": 1}',
        "blank": "",
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def assert_same(read: xr.Dataset, made: xr.Dataset) -> None:
    assert list(read.coords) == list(made.coords)
    assert list(read.data_vars) == list(made.data_vars)
    for name, v in made.variables.items():
        w = read.variables[name]
        assert w.dims == v.dims
        assert w.dtype == v.dtype
        assert w.values.tobytes() == v.values.tobytes(), name
        assert repr(w.attrs) == repr(v.attrs)
    assert repr(read.attrs) == repr(made.attrs)  # repr tells NaN, -0.0, 1 from 1.0 and True


@pytest.mark.parametrize("suffix", KEPT)
def test_read_back_to_the_last_bit(tmp_path, suffix):
    made = everything()
    path = dg.save(made, tmp_path / f"a{suffix}")
    assert path == (tmp_path / f"a{suffix}").resolve()
    assert_same(dg.load(path), made)


@pytest.mark.parametrize("suffix", KEPT)
@pytest.mark.parametrize("kind", ["flow", "rule"])
def test_a_simulation_is_read_back(tmp_path, suffix, kind):
    v = dg.variant("wgan-gp", c=0.6, lam=0.37).with_(l2=0.1)
    how = (
        {"t1": 2.0, "ema_tau": 3.0, "backend": "scipy"}
        if kind == "flow"
        else {"rule": dg.rule("alternating", ema=0.9), "steps": 7}
    )
    made = dg.simulate(v, seed=3, **how)
    assert_same(dg.load(dg.save(made, tmp_path / f"a{suffix}")), made)
    assert made.attrs["seed"] == 3
    assert json.loads(made.attrs["hyperparameters"])["lam"] == 0.37


@pytest.mark.parametrize("flips", slow_but([30, 300], 30))
@pytest.mark.parametrize("suffix", KEPT)
def test_a_bit_that_has_changed_is_told_or_changes_nothing(tmp_path, suffix, flips):
    made, rng = everything(), random.Random(0)
    path = dg.save(made, tmp_path / f"a{suffix}")
    files = sorted(p for p in [path, *path.rglob("*")] if p.is_file())
    told = 0
    for _ in range(flips):
        file = rng.choice(files)
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(changed))
        said = f"'a{suffix}'"
        try:
            assert_same(dg.load(path), made)
        except InputError as error:
            told, said = told + 1, str(error)
        assert "\n" not in said and f"a{suffix}'" in said
        file.write_bytes(whole)
    assert told > 5
    assert_same(dg.load(path), made)


@given(
    hnp.arrays(hnp.floating_dtypes(sizes=(32, 64), endianness="<"), hnp.array_shapes(max_dims=3, max_side=4))
)
def test_any_floats_survive_npz(values):
    made = xr.Dataset({"x": ([f"d{i}" for i in range(values.ndim)], values)})
    import tempfile

    with tempfile.TemporaryDirectory() as there:
        assert_same(dg.load(dg.save(made, Path(there) / "a.npz")), made)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_any_attribute_survives(value):
    packed = json.loads(json.dumps(store._packed("a", value)))
    assert repr(store._unpacked(packed)) == repr(value)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_other_programs_can_read_it(tmp_path, suffix):
    made = short()
    path = dg.save(made, tmp_path / f"a{suffix}")
    engine = {".nc": {"engine": "h5netcdf"}, ".zarr": {"engine": "zarr", "consolidated": False}}[suffix]
    with xr.open_dataset(path, **engine) as read:
        assert read.attrs["variant"] == "ns"
        np.testing.assert_array_equal(read["phi"], made["phi"])


def test_numpy_alone_can_read_npz(tmp_path):
    made = short()
    with np.load(dg.save(made, tmp_path / "a.npz"), allow_pickle=False) as read:
        np.testing.assert_array_equal(read["value/theta"], made["theta"])


def test_csv_has_one_row_per_time(tmp_path):
    made = dg.simulate(dg.variant("ns"), rule=dg.rule("simultaneous"), steps=5)
    with dg.save(made, tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["step"]) for r in rows] == [0, 1, 2, 3, 4, 5]
    assert [float(r["theta[1]"]) for r in rows] == made["theta"][:, 1].values.tolist()


def test_json_is_strict_and_complete(tmp_path):
    made = everything()
    text = dg.save(made, tmp_path / "a.json").read_text()

    def refuse(word):
        raise AssertionError(word)

    read = json.loads(text, parse_constant=refuse)
    assert read["special"] == [None, None, None, -0.0]
    assert read["complex"][0] == [1.0, 2.0]
    assert read["phi"] == made["phi"].values.tolist()


@pytest.mark.parametrize("suffix", [*KEPT, ".csv", ".json"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, suffix):
    old, new = short(), short(2.0)
    path = dg.save(old, tmp_path / f"a{suffix}")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    writer = store._WRITERS[suffix]

    def interrupted(*args):
        writer(*args)
        raise KeyboardInterrupt

    monkeypatch.setitem(store._WRITERS, suffix, interrupted)
    with pytest.raises(KeyboardInterrupt):
        dg.save(new, path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("suffix", [*KEPT, ".csv", ".json"])
def test_a_new_file_takes_the_old_one_s_place(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    dg.save(short(), path)
    dg.save(short(name="wgan-linear"), path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if suffix in KEPT:
        assert dg.load(path).attrs["variant"] == "wgan-linear"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.npy", "did you mean '.npz'? Allowed: .csv, .json, .nc, .npz, .zarr"),
        ("a", "unknown suffix ''"),
        ("missing/a.nc", "does not exist"),
        ("file.txt/a.nc", "is not a folder"),
        ("taken.nc", "is a folder"),
        ("other.zarr", "was not written by diracgan"),
        ("climate.zarr", "was not written by diracgan"),
        ("noted.zarr", "holds 'mine.txt', which is no part of a result and would be lost"),
        ("x" * 300 + ".nc", "cannot be written"),
        ("a\0.nc", "is not a path"),
    ],
)
def test_bad_destinations(tmp_path, name, says):
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "taken.nc").mkdir()
    (tmp_path / "other.zarr").mkdir()
    (tmp_path / "other.zarr" / "mine.txt").write_text("precious")
    xr.Dataset({"mine": ("x", [1.0])}).to_zarr(tmp_path / "climate.zarr", consolidated=False)
    dg.save(short(), tmp_path / "noted.zarr")
    (tmp_path / "noted.zarr" / "mine.txt").write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        dg.save(everything(), tmp_path / name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.nc", None, "no file"),
        ("a.csv", b"1", "is an export"),
        ("a.txt", b"1", "unknown suffix '.txt'"),
        ("a.nc", b"not a netCDF file", "cannot be read"),
        ("a.npz", b"not a zip file", "cannot be read"),
        ("a.npz", b"", "cannot be read"),
        ("a.zarr", b"a file", "cannot be read"),
    ],
)
def test_bad_sources(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        dg.load(tmp_path / name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_from_before_there_were_checksums_is_not_called_damaged(tmp_path):
    np.savez(tmp_path / "old.npz", diracgan=json.dumps({"schema": "diracgan.dataset/1"}))
    with pytest.raises(InputError, match="its manifest has no checksum"):
        dg.load(tmp_path / "old.npz")


def test_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([object()], dtype=object), diracgan=np.array("{}"))
    with pytest.raises(InputError):
        dg.load(tmp_path / "a.npz")


def test_what_cannot_be_saved_says_so(tmp_path):
    with pytest.raises(InputError, match="attribute 'f'"):
        dg.save(xr.Dataset(attrs={"f": print}), tmp_path / "a.nc")
    with pytest.raises(InputError, match="variable 'x'"):
        dg.save(xr.Dataset({"x": ("t", np.array([object()], dtype=object))}), tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_a_link_is_followed_and_kept(tmp_path):
    real = tmp_path / "real.txt"
    real.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(real)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_an_ordinary_file_has_ordinary_permissions(tmp_path):
    (tmp_path / "plain.csv").write_text("")
    with replacing(tmp_path / "made.csv") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "made.csv").stat().st_mode == (tmp_path / "plain.csv").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_private_file_stays_private(tmp_path):
    (tmp_path / "a.npz").touch(mode=0o600)
    dg.save(everything(), tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("moment", [1, 2])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path, moment):
    old, new = (json.dumps({"node_type": "group", "attributes": {SAVED_BY: x}}) for x in ("old", "new"))
    # a killed process runs no clean-up: what it left is what the renames up to that moment made
    program = f"""
import os, pathlib
from diracgan import files
rename, count = pathlib.Path.rename, 0
def counted(self, there):
    global count
    made = rename(self, there)
    count += 1
    if count == {moment}:
        os._exit(9)
    return made
pathlib.Path.rename = counted
with files.replacing("a.zarr") as temporary:
    temporary.mkdir()
    (temporary / "zarr.json").write_text({new!r})
"""
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(old)
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 9
    destination(tmp_path / "a.zarr", [".zarr"])
    assert (tmp_path / "a.zarr" / "zarr.json").read_text() == {1: old, 2: new}[moment]
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource", reason="sizes of files are limited on POSIX alone")
    complaints, trajectory = [], everything()
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    _, hard = kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, hard))  # the write is refused halfway
        with pytest.raises(InputError, match="file too large"):
            dg.save(trajectory, tmp_path / "a.nc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    gc.collect()  # of what was made in memory
    assert complaints == []
    assert not list(tmp_path.iterdir())


def test_a_folder_is_made_only_where_its_parent_is(tmp_path):
    assert folder(tmp_path / "new").is_dir()
    with pytest.raises(InputError, match="does not exist"):
        folder(tmp_path / "no" / "such")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not a folder"):
        folder(tmp_path / "file")


def test_destination_leaves_nothing_behind(tmp_path):
    destination(tmp_path / "a.png", [".png"])
    assert not list(tmp_path.iterdir())
