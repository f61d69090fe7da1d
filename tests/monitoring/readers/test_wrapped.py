"""Logs that something else wraps: a container's runtime, a structured logger, LaTeX."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diracgan.monitoring.logs import read

K = range(60)
D = [round(1.386 + 0.1 * float(np.sin(0.3 * k)), 4) for k in K]
G = [round(0.693 + 0.1 * float(np.cos(0.3 * k)), 4) for k in K]
LINES = [f"step {k} | Loss_D: {D[k]:.4f} Loss_G: {G[k]:.4f}" for k in K]
CSV = ["step,Loss_D,Loss_G", *(f"{k},{D[k]},{G[k]}" for k in K)]
ROWS = [rf"{k} & \textbf{{{D[k]}}} & ${G[k]}$ \\" for k in K]
TABLE = [
    r"\begin{tabular}{rrr}",
    r"\toprule",
    r"step & Loss\_D & Loss\_G \\ \midrule",
    *ROWS,
    r"\end{tabular}",
]

WRAPPED = {
    "Docker": [
        json.dumps({"log": x + "\n", "stream": "stdout", "time": "2024-03-01T12:00:00Z"}) for x in LINES
    ],
    "Docker, a table": [json.dumps({"log": x + "\n", "stream": "stdout"}) for x in CSV],
    "Docker, a line in two": [
        json.dumps({"log": part, "stream": "stdout"})
        for x in LINES
        for part in ((". " * (1 << 13) + x[:20])[-(1 << 14) :], x[20:] + "\n")
    ],
    "Kubernetes": [f"2024-03-01T12:00:00.123456789Z stdout F {x}" for x in LINES],
    "loguru": [
        json.dumps({"text": f"2024-03-01 12:00:00.1 | INFO | {x}\n", "record": {"elapsed": {"seconds": 2.5}}})
        for x in LINES
    ],
    "Python's logging": [
        json.dumps({"message": x, "created": 1709294400.25, "relativeCreated": 0.5, "lineno": 3})
        for x in LINES
    ],
    "CloudWatch": [json.dumps({"timestamp": 1709294400000, "message": x}) for x in LINES],
    "LaTeX": TABLE,
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_what_is_wrapped_is_read(wrapper, tmp_path):
    file = tmp_path / ("log.tex" if wrapper == "LaTeX" else "log.json")
    file.write_text("\n".join(WRAPPED[wrapper]) + "\n")
    log = read(file)
    assert (log.names, log.clock, log.interval) == (["Loss_D", "Loss_G"], "step", 1)
    np.testing.assert_allclose(log.values, [D, G])


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (lambda k: {"d_loss": D[k]}, "d_loss"),
        (lambda k: {"loss": D[k]}, "loss"),
        (lambda k: {"metrics": {"d_loss": D[k]}}, "metrics.d_loss"),
        (lambda k: {"fid": D[k]}, "fid"),
    ],
)
def test_an_object_with_numbers_of_its_own_keeps_them_beside_its_message(form, name, tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps({"message": f"epoch {k}", "step": k} | form(k)) + "\n" for k in K))
    log = read(file)
    assert log.names == [name]
    np.testing.assert_allclose(log.values[0], D)
