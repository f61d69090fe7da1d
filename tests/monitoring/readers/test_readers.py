"""Every kind of log that people have, from a small made-up file with the table it holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from diracgan.errors import InputError
from diracgan.monitoring.logs import column_roles, read
from diracgan.monitoring.readers.table import Columns

LOGS = Path(__file__).parents[2] / "logs"
EXPECTED = json.loads((LOGS / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_log_of_every_format_is_read_as_what_was_written(name):
    if name == "events":
        pytest.importorskip("tensorboard", reason="TensorBoard's reader is in the extra `logs`")
    expected = EXPECTED[name]
    log = read(LOGS / name)
    assert log.format == expected["format"]
    assert (log.clock, log.first, log.interval) == (
        expected["clock"],
        expected["first"],
        expected["interval"],
    )
    assert sorted(log.names) == sorted(expected["series"])
    for series, values in zip(log.names, log.values, strict=True):
        np.testing.assert_allclose(values, expected["series"][series], rtol=1e-12, atol=0)
    assert expected["says"] in "; ".join(log.notes)


def test_without_tensorboard_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
    with pytest.raises(InputError, match="pip install tensorboard, or diracgan with its extra 'logs'"):
        read(LOGS / "events")


def test_every_column_is_said_what_it_was_read_as(cli):
    code, out, err = cli("diagnose", LOGS / "stats.jsonl", "--series")
    assert (code, err) == (0, "")
    roles = {r.name: r.role for r in column_roles(LOGS / "stats.jsonl")[0]}
    assert roles["Progress/kimg"] == "clock" and roles["timestamp"] == "counter"
    assert roles["Loss/D/loss"] == "critic's loss" and roles["Loss/G/loss"] == "generator's loss"
    assert roles["Loss/r1_penalty"] == "series" and roles["Timing/total_sec"] == "setting"
    assert all(n in out for n in roles)


def test_the_last_line_of_a_growing_file_may_be_cut_off(folder):
    rows = [json.dumps({"step": k, "d_loss": float(np.sin(k))}) for k in range(30)]
    (folder / "a.jsonl").write_text("\n".join(rows)[:-9])
    assert read("a.jsonl").values.shape == (1, 29)
    (folder / "a.csv").write_text(
        "step,d_loss,g_loss\n" + "".join(f"{k},{k % 7}.5,{k % 5}.5\n" for k in range(30)) + "30,1"
    )
    assert read("a.csv").values.shape == (2, 30)


def test_a_header_that_is_written_again_starts_another_run(folder):
    y = np.sin(np.arange(60)).tolist()
    text = "step,d\n" + "".join(f"{k},{v}\n" for k, v in enumerate(y[:30]))
    (folder / "a.csv").write_text(text + "step,d\n" + "".join(f"{k},{v}\n" for k, v in enumerate(y)))
    log = read("a.csv")
    np.testing.assert_array_equal(log.values[0], y)
    assert "2 runs in one file" in log.notes[0]
    (folder / "b.csv").write_text(
        (folder / "a.csv").read_text().replace("\n", ",\n")
    )  # a comma after each last cell
    np.testing.assert_array_equal(read("b.csv").values, log.values)
    assert read("b.csv").notes == log.notes


def test_a_run_that_goes_on_under_its_header_is_one_run_and_without_a_clock_another(folder):
    y = np.sin(np.arange(120)).tolist()
    head, rows = "step,d\n", [f"{k},{v}\n" for k, v in enumerate(y)]
    (folder / "a.csv").write_text(head + "".join(head * (k in (40, 80)) + row for k, row in enumerate(rows)))
    np.testing.assert_array_equal(read("a.csv").values[0], y)
    wider = "step,d,r1\n" + "".join(rows[40:]).replace("\n", ",0.5\n")
    (folder / "b.csv").write_text(head + "".join(rows[:40]) + wider)
    log = read("b.csv")
    np.testing.assert_array_equal(log.values[0], y)
    assert log.notes == ["columns that only a later header names were left out: r1"]
    cells = [f"{v},{-v}\n" for v in y]
    (folder / "c.csv").write_text("d,e\n" + "".join(cells[:50]) + "d,e\n" + "".join(cells[50:]))
    log = read("c.csv")
    np.testing.assert_array_equal(log.values[0], y[50:])
    np.testing.assert_array_equal(read("c.csv", run="last").values[0], y[50:])
    assert "2 runs in one file" in log.notes[0]


def test_of_several_runs_the_last_may_be_asked_for(folder):
    y = np.sin(np.arange(60)).tolist()
    rows = [f"{k},{v}\n" for k, v in enumerate(y)]
    (folder / "a.csv").write_text("step,d\n" + "".join(rows) + "".join(rows[:30]))
    np.testing.assert_array_equal(read("a.csv").values[0], y)
    np.testing.assert_array_equal(read("a.csv", run="last").values[0], y[:30])
    with pytest.raises(InputError, match="unknown run 'first'.*longest"):
        read("a.csv", run="first")


def test_two_runs_that_write_to_one_file_are_said(folder):
    rows = [f"{k},{np.sin(k)}\n{500 + k},0.5\n" for k in range(60)]
    (folder / "a.csv").write_text("step,d\n" + "".join(rows))
    log = read("a.csv")
    assert log.clock == "row" and log.notes[0].startswith("step falls on 50 % of the rows")
    assert log.notes[0].endswith("do several runs write to this log?")


def test_seeds_in_one_file_are_runs(folder):
    lines = [{"step": k, "seed": s, "d_loss": float(np.sin(k + s))} for k in range(40) for s in (0, 1)]
    (folder / "a.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    log = read("a.jsonl")
    np.testing.assert_allclose(log.values[0], np.sin(np.arange(40) + 1))
    assert "2 runs in one file" in log.notes[0]


def test_series_that_are_logged_in_turn_are_brought_together():
    step = np.arange(200.0)
    d = np.where(step % 2 == 0, 1.0 + 0.01 * step, np.nan)
    g = np.where(step % 2 == 1, 2.0 - 0.01 * step, np.nan)
    log = read({"step": step, "d_loss": d, "g_loss": g})
    at = dict(zip(log.names, log.values, strict=True))
    np.testing.assert_allclose(
        at["g_loss"], 3.0 - at["d_loss"], atol=1e-12
    )  # both are straight lines in the step
    assert log.first == 2.0 and "rows of d_loss from step 2 on, where all have begun" in log.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.csv", None, "cannot be read"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"d,g\nx,y\n", "holds no numbers"),
        ("a.csv", b"d\n1.5\n", "never|no series that varies|1 complete row"),
        ("a.csv", b"x\n" + b"2.5\n" * 40, "no series that varies"),
        ("a.csv", b"d,g\n" + b"nan,nan\n" * 40, "holds no numbers"),
        ("a.bin", b"\x00\x01\x02" * 50, "is not text"),
        ("a.jsonl", b'{"d": 1}\nnonsense\n{"d": 2}\n', "line 2 is not JSON"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(cli, folder, name, content, words):
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read(name)
    code, out, err = cli("diagnose", name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no log"):
        read(empty)


def test_a_name_that_holds_numbers_stays_as_it_is(folder):
    k = np.arange(60)
    rows = np.stack([1000.0 * k, 1.3 + 0.1 * np.sin(0.3 * k)], 1)
    (folder / "a.csv").write_text("step,d_loss_64_128\n" + "".join(f"{int(s):_},{x}\n" for s, x in rows))
    (folder / "a.log").write_text("".join(f"step: {int(s):_} d_loss_64_128: {x}\n" for s, x in rows))
    for name in ("a.csv", "a.log"):
        log = read(name)
        assert (log.names, log.clock, log.interval) == (["d_loss_64_128"], "step", 1000)


@pytest.mark.parametrize("form", ["{k},{d},{g}\n", "step {k}, d_loss {d}, g_loss {g}\n"])
def test_a_last_line_that_is_being_written_is_no_end_in_nan(form, tmp_path):
    rng, file = np.random.default_rng(0), tmp_path / "log.txt"
    noise = 0.02 * rng.normal(size=(2, 60))
    rows = "".join(form.format(k=k, d=1.38 + a, g=0.69 + b) for k, (a, b) in enumerate(noise.T))
    head = "step,d_loss,g_loss\n" if form[0] == "{" else ""
    cut = form.split("{g}")[0].format(k=60, d=1.3)
    for end in (cut, cut[:-3]):
        file.write_text(head + rows + end)
        log = read(file)
        assert (log.values.shape, log.broken) == ((2, 60), None)
    file.write_text(head + rows + form.format(k=60, d=1.4, g=0.7).strip())  # whole, without its newline
    assert read(file).values.shape == (2, 61)
    file.write_text(head + rows + form.format(k=60, d="nan", g="nan"))
    assert read(file).broken == 60


@pytest.mark.parametrize(
    ("form", "blank"),
    [
        ("{k},{d},{g}\n", "60,1.4,\n"),
        ("{k},{d},{g}\n", "60,,\n"),
        ("step {k}, d_loss {d}, g_loss {g}\n", "step 60, d_loss 1.4\n"),
        ('{{"step":{k},"d":{d},"g":{g}}}\n', '{"step":60,"d":1.4}\n'),
    ],
)
def test_a_last_row_that_is_blank_is_no_end_in_nan_and_one_that_says_nan_is(form, blank, tmp_path):
    rng, file = np.random.default_rng(0), tmp_path / "log.txt"
    noise = 0.02 * rng.normal(size=(2, 60))
    head = "step,d_loss,g_loss\n" if form[:3] == "{k}" else ""
    rows = head + "".join(form.format(k=k, d=1.38 + a, g=0.69 + b) for k, (a, b) in enumerate(noise.T))
    file.write_text(rows + blank)
    log = read(file)
    assert (log.values.shape, log.broken, log.notes) == ((2, 60), None, [])
    file.write_text(rows + form.format(k=60, d="NaN", g="NaN"))
    assert read(file).broken == 60
    if head:  # as pandas writes NaN
        file.write_text(rows + "60,,\n61,,\n")
        assert read(file).broken == 60


def test_columns_that_a_whole_chunk_lacks_stay_in_their_rows():
    columns = Columns(["step", "d", "g"])
    columns.extend([["0", "1"], ["1", "1"]])
    columns.extend([["2", "1", "5"]])
    np.testing.assert_equal(columns.arrays()["g"], [np.nan, np.nan, 5.0])
