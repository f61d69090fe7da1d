"""Whole documents: pandas' JSON in every orientation, TensorBoard's, Sacred's, MLflow's; what Python prints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diracgan.errors import InputError
from diracgan.monitoring.logs import read
from diracgan.monitoring.roles import losses

K = range(60)
D = [round(1.386 + 0.1 * float(np.sin(0.3 * k)), 4) for k in K]
G = [round(0.693 + 0.1 * float(np.cos(0.3 * k)), 4) for k in K]
ROWS = [{"step": 10 * k, "d_loss": D[k], "g_loss": G[k]} for k in K]
FRAME = {n: {str(k): r[n] for k, r in enumerate(ROWS)} for n in ROWS[0]}
SACRED = {n: {"steps": [10 * k for k in K], "values": y} for n, y in (("d_loss", D), ("g_loss", G))}

# what the file holds, and its clock
DOCUMENTS = {
    "pandas, columns": (json.dumps(FRAME), "step"),
    "pandas, index": (json.dumps({str(k): r for k, r in enumerate(ROWS)}), "step"),
    "pandas, split": (json.dumps({"columns": [*ROWS[0]], "data": [[*r.values()] for r in ROWS]}), "step"),
    "pandas, records": (json.dumps(ROWS), "step"),
    "Sacred": (json.dumps(SACRED), "step"),
    "Comet": (
        json.dumps(
            [
                {
                    "metricName": n,
                    "metricValue": str(y[k]),
                    "timestamp": 1.7e12 + k,
                    "step": 10 * k,
                    "epoch": None,
                }
                for k in K
                for n, y in (("d_loss", D), ("g_loss", G))
            ]
        ),
        "step",
    ),
    "objects over several lines": ("\n".join(json.dumps(r, indent=2) for r in ROWS), "step"),
    "objects without a break": ("".join(map(json.dumps, ROWS)), "step"),
    "a list that is not closed yet": (
        "[\n" + "".join(json.dumps(r) + ",\n" for r in ROWS) + '{"step": 6',
        "step",
    ),
    "Python's dictionary of lists": (str({"d_loss": D, "g_loss": G}), "row"),
    "Python's list of dictionaries": (str(ROWS), "step"),
    "lists behind their names": (f"d_losses = {D}\nG_losses: {[np.float64(x) for x in G]}\n", "row"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_read_as_what_was_written(name, folder):
    text, clock = DOCUMENTS[name]
    for file in ("log.txt", "log.json"):
        if file == "log.json" and text.startswith("d_losses"):
            continue
        (folder / file).write_text(text)
        log = read(file)
        assert (log.clock, log.interval) == (clock, 10 if clock == "step" else 1)
        for player, values in zip(losses(log.names), (D, G), strict=True):
            np.testing.assert_array_equal(log.values[log.names.index(str(player))], values)


def test_rows_of_numbers_without_names_are_numbered(folder):
    for text in (
        "".join(f"[{k}, {D[k]}, {G[k]}]\n" for k in K),
        "".join(f"({k}, {D[k]}, {G[k]})\n" for k in K),
    ):
        (folder / "log.txt").write_text(text)
        log = read("log.txt")
        np.testing.assert_array_equal(log.values, [D, G])
        assert log.names == ["2", "3"]


@pytest.mark.parametrize("kind", ["TensorBoard", "MLflow"])
def test_a_file_a_series_is_one_run(kind, folder):
    (folder / "run" / "metrics").mkdir(parents=True)
    for name, y in (("Loss_D", D), ("Loss_G", G)):
        if kind == "TensorBoard":
            rows = [[1.7e9 + k, 10 * k, y[k]] for k in K]
            (folder / "run" / f"run-.-tag-{name}.json").write_text(json.dumps(rows))
        else:
            (folder / "run" / "metrics" / name).write_text(
                "".join(f"17{k:011d} {y[k]} {10 * k}\n" for k in K)
            )
    log = read("run")
    assert losses(log.names) == ("Loss_D", "Loss_G") and log.interval == 10
    np.testing.assert_array_equal(log.values[log.names.index("Loss_D")], D)
    if kind == "TensorBoard":
        alone = read("run/run-.-tag-Loss_G.json")
        assert (alone.names, alone.clock, alone.format) == (["Loss_G"], "Step", "TensorBoard's JSON")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "tick 0 kimg 0.1 time 1m augment 0.0\ntick 1 kimg 4.1 time 2m augment 0.1\n",
            "neither a table nor lines",
        ),
        ("epoch train loss\n" + "1 0.5\n" * 30, "names 3 columns above rows of 2 cells"),
        ('{"a": 1}\nnonsense\n{"a": 2}\n', "line 2 is not JSON"),
        ('{"a": [[1, 2], [3]]}', "no series that varies"),
    ],
)
def test_what_is_no_document_is_refused_in_one_line(text, words, folder):
    (folder / "log.txt").write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read("log.txt")
    assert "\n" not in str(error.value)


def test_an_array_without_its_middle_says_what_to_print(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text(f"d_loss = {np.linspace(1, 2, 5000)!r}\n")
    with pytest.raises(InputError, match=r"without its middle.*d_loss\.tolist\(\)"):
        read(file)
