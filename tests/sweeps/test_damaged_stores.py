"""Whatever has happened to a store's files, a sweep that goes on with it says so in one line and changes nothing."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from selection import slow_but

import diracgan as dg


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "a.zarr"
    ask(path)
    return path


def ask(path):
    rule = dg.rule("simultaneous", lr=0.1)
    return dg.sweep(dg.variant("ns"), {"gamma": [0.0, 0.5, 1.0]}, rule=rule, out=path, chunk=1)


DAMAGED = [b"", b'{"a": 1', b"[1, 2]", b"null", b"[" * 100_000, b"\xff" * 24]


FILES = ["zarr.json", "gamma/zarr.json", "gamma/c/0", "margin/zarr.json", "margin/c/1", "zarr.json"]
CASES = list(itertools.product(dict.fromkeys(FILES), DAMAGED))


@pytest.mark.parametrize(
    ("name", "content"),
    slow_but(CASES, *zip(FILES, DAMAGED, strict=True)),
    ids=[f"{name} {content[:6]!r}" for name, content in CASES],
)
def test_a_damaged_store_is_one_line_and_is_left_as_it_is(store, name, content):
    good = (store / name).read_bytes()
    (store / name).write_bytes(content)
    try:
        with pytest.raises(dg.InputError) as caught:
            ask(store)
        assert "\n" not in str(caught.value)
        assert "a.zarr" in str(caught.value)
        assert (store / name).read_bytes() == content
    finally:
        (store / name).write_bytes(good)
    assert ask(store).sizes == {"gamma": 3}


WRONG = [7, None, [1], "[1]", "{", "[" * 100_000]


@pytest.mark.parametrize(
    "name", slow_but(["schema", "fingerprint", "question", "start", "settings"], "question")
)
def test_a_damaged_attribute_is_one_line_or_does_not_matter(store, name):
    about = json.loads((store / "zarr.json").read_text())
    assert name in about["attributes"]
    others = {"fingerprint": "of another sweep"} if name == "question" else {}
    try:
        for wrong in WRONG:
            attributes = about["attributes"] | others | {name: wrong}
            (store / "zarr.json").write_text(json.dumps(about | {"attributes": attributes}))
            if name in ("start", "settings"):  # words for pictures
                assert ask(store).sizes == {"gamma": 3}
            else:
                with pytest.raises(dg.InputError, match=r"a\.zarr") as caught:
                    ask(store)
                assert "\n" not in str(caught.value)
            assert dg.load(store).attrs[name] == wrong
    finally:
        (store / "zarr.json").write_text(json.dumps(about))


def test_a_bit_of_a_sweep_s_numbers_that_has_changed_is_told(store):
    whole, rng, told = dg.load(store), random.Random(0), 0
    for file in sorted(p for p in store.rglob("*") if p.is_file() and "c" in p.relative_to(store).parts):
        good = file.read_bytes()
        for _ in range(4):
            changed = bytearray(good)
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            file.write_bytes(bytes(changed))
            for reads in (lambda: dg.load(store), lambda: ask(store)):
                with pytest.raises(dg.InputError, match="a.zarr") as caught:
                    reads()
                assert "\n" not in str(caught.value)
                told += 1
        file.write_bytes(good)
    assert told == 2 * 4 * 4  # three chunks of the margin, one of gamma
    assert dg.load(store).identical(whole)


def test_a_store_is_not_called_damaged_where_memory_ran_out(tmp_path, monkeypatch):
    import xarray as xr

    from diracgan.sweeps.store import opened

    def full(*_, **__):
        raise MemoryError("cannot allocate 8 GiB")

    monkeypatch.setattr(xr, "open_zarr", full)
    with pytest.raises(MemoryError, match="8 GiB"):
        opened(tmp_path / "whole.zarr")
