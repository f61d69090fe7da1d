"""The report as a document: its schema, its table, its gate, and its comparison with a baseline."""

import copy
import json
from xml.etree import ElementTree

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.kinds import KINDS
from diracgan.analysis.linear.status import STATUSES
from diracgan.errors import InputError
from diracgan.reporting import dumps, report as reporting
from diracgan.reporting.junit import junit
from diracgan.reporting.schema import REPORT, report_schema


def cell(status="stable", eigenvalues=(-0.1 + 1j, -0.1 - 1j), margin=0.1, kind=None, **numbers):
    return {
        "status": status,
        "eigenvalues": np.array(eigenvalues),
        "margin": margin,
        "error": 1e-15,
        "spectral_radius": None,
        "kind": kind,
        "numbers": numbers,
        "text": "in words",
    }


def row(label="a(x=1)", rule=None, error=None, one=None, two=None):
    cells = {} if error else {1: one or cell(), 2: two or cell()}
    fixed = {"variant": "a", "hyperparameters": {"x": 1.0}, "reference": "r"}
    return {"label": label, "rule": rule, "error": error, "cells": cells, **fixed}


def document(*rows, gate=None):
    found = {"rows": list(rows), "x0": 0.0, "effort": 0.05, "verdicts": "flow", "version": "0"}
    return reporting.document(found, gate)


@pytest.fixture(scope="module")
def real():
    specs = ["wgan-gp:c=0,lam=0.5", "wgan-gp", "wgan"]
    return reporting.document(dg.report(specs, rules=["simultaneous:lr=0.2"], verdicts="none").as_dict())


def test_the_document_keeps_its_schema(real):
    jsonschema = pytest.importorskip("jsonschema")
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    gated = copy.deepcopy(real)
    gated["gate"] = {"passed": False, "failures": [{"row": "a", "text": "b"}], "differences": []}
    judged = document(
        row(one=cell(kind="limit-cycle", period=2.0, floquet=[1.0, 0.5 + 0.1j])), row("b", error="no")
    )
    for doc in (real, gated, judged):
        jsonschema.validate(json.loads(dumps(REPORT, doc)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(dumps(REPORT, real)), "rows": [{}]}, schema)


def test_its_words_are_the_verdicts_words():
    parts = report_schema()["$defs"]
    assert parts["verdict"]["properties"]["kind"]["enum"] == list(KINDS)
    assert parts["cell"]["properties"]["status"]["enum"] == list(STATUSES)


def test_rows_say_what_the_spectrum_says(real):
    by_name = {r["name"]: r for r in real["rows"]}
    flow = by_name["wgan-gp(lam=0.5, c=0) | flow"]["cells"]["1"]
    assert flow["status"] == "stable"
    assert flow["margin"] == pytest.approx(0.5)
    steps = by_name["wgan-gp(lam=0.5, c=0) | simultaneous(lr=0.2)"]["cells"]["2"]
    assert steps["spectral_radius"] ** 2 == pytest.approx(1 - 2 * 0.2 * 0.5 + 0.04)
    assert by_name["wgan-gp(lam=0.1, c=1) | flow"]["cells"]["1"]["status"] == "no-derivative"
    assert by_name["wgan | flow"]["cells"]["1"]["status"] == "not-an-equilibrium"


def test_the_table_is_short_and_honest():
    tiny = cell(status="marginal", eigenvalues=[1e-17 + 0.5j, 1e-17 - 0.5j], margin=-1e-17)
    none = cell(status="no-derivative", eigenvalues=[], margin=None, kind="limit-cycle")
    lines = reporting.rows(document(row(one=tiny, two=none), row("b", error="broke")))
    assert lines[0][2:5] == ["±0.5i (d = 2: none)", "0 (d = 2: none)", "marginal (d = 2: no-derivative)"]
    assert lines[0][5:] == ["", "limit-cycle"]
    assert lines[1][4:6] == ["error", "broke"]
    assert "| a(x=1) | flow |" in reporting.as_markdown(document(row()))


def test_fail_on_looks_at_statuses_verdicts_and_errors():
    doc = document(row(two=cell(kind="diverges")), row("b", one=cell("unstable")), row("c", error="broke"))
    assert reporting.failures(doc, ["diverges"]) == [("a(x=1) | flow", "diverges in d = 2")]
    assert reporting.failures(doc, ["unstable"]) == [("b | flow", "unstable in d = 1")]
    assert reporting.failures(doc, ["error"]) == [("c | flow", "broke")]
    with pytest.raises(InputError, match="did you mean 'unstable'"):
        reporting.failing(["unstabel"])


def test_the_same_report_has_no_differences(real):
    before = json.loads(dumps(REPORT, real))
    assert reporting.differences(real, before) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.update(status="marginal"), "status was marginal, is stable"),
        (lambda c: c.update(margin=0.1 + 1e-4), "margin was 0.1001, is 0.1"),
        (lambda c: c.update(eigenvalues=[[-0.1, 1.001], [-0.1, -1.001]]), "eigenvalues were"),
        (lambda c: c.update(eigenvalues=[]), "eigenvalues were none"),
        (lambda c: c["verdict"].update(kind="limit-cycle"), "verdict was limit-cycle, is diverges"),
        (lambda c: c["verdict"]["numbers"].update(rate=0.6), "rate was 0.6, is 0.5"),
        (lambda c: c["verdict"]["numbers"].pop("rate"), "rate was none, is 0.5"),
        (lambda c: c.update(verdict=None), "verdict was not asked for"),
    ],
)
def test_a_difference_is_named(change, says):
    now = document(row(one=cell(kind="diverges", rate=0.5)))
    before = copy.deepcopy(now)
    change(before["rows"][0]["cells"]["1"])
    (found,) = reporting.differences(now, before)
    assert found.row == "a(x=1) | flow"
    assert says in found.text
    assert found.text.startswith("d = 1")


def test_what_lies_within_the_tolerances_is_the_same():
    now = document(row(one=cell(kind="limit-cycle", period=2.0, exponent_error=0.1)))
    before = copy.deepcopy(now)
    one = before["rows"][0]["cells"]["1"]
    one["margin"] += 5e-8
    one["eigenvalues"] = one["eigenvalues"][::-1]
    one["verdict"]["numbers"] |= {"period": 2.02, "exponent_error": 0.9}
    assert reporting.differences(now, before) == []


def test_multipliers_are_compared_as_a_set_and_a_lyapunov_coefficient_as_a_number():
    numbers = {"floquet": np.array([1.0, 0.5 + 0.1j, 0.5 - 0.1j]), "lyapunov_coefficient": -0.25}
    now = document(row(one=cell(kind="limit-cycle", **numbers)))
    before = copy.deepcopy(now)
    old = before["rows"][0]["cells"]["1"]["verdict"]["numbers"]
    old["floquet"] = [[0.5, -0.1], [1.0, 1e-4], [0.5, 0.1]]  # another order, and rounding
    assert reporting.differences(now, before) == []
    old["floquet"] = [[1.0, 0.0], [0.5, -0.1], [0.45, 0.1]]
    assert "floquet was ((1, 0), (0.5, -0.1), (0.45, 0.1))" in reporting.differences(now, before)[0].text
    old["floquet"] = now["rows"][0]["cells"]["1"]["verdict"]["numbers"]["floquet"]
    old["lyapunov_coefficient"] = -0.3
    assert [f.text for f in reporting.differences(now, before)] == [
        "d = 1: lyapunov_coefficient was -0.3, is -0.25"
    ]


def test_rows_that_come_and_go_are_named():
    now, before = document(row(), row("b")), document(row(), row("c"))
    found = reporting.differences(now, before)
    assert [f.row for f in found] == ["b | flow", "c | flow"]
    assert [f.row for f in reporting.differences(now, before, partial=True)] == ["b | flow"]
    before["settings"]["x0"] = 1.0
    assert reporting.differences(now, before)[0] == ("settings", "x0 was 1.0, is 0.0")


def test_junit_has_one_case_for_each_row():
    gate = {
        "passed": False,
        "failures": [{"row": "b | flow", "text": "unstable in d = 1"}],
        "differences": [{"row": "gone | flow", "text": "is in the baseline and no longer here"}],
    }
    doc = document(
        row(), row("b"), row("c", error='says "no" & <never>\x00'), row(rule="alternating(lr=0.1)"), gate=gate
    )
    root = ElementTree.fromstring(junit(doc))
    assert root.attrib["tests"] == "5"
    assert (root.attrib["failures"], root.attrib["errors"]) == ("2", "1")
    cases = {c.attrib["name"]: c for c in root.iter("testcase")}
    assert set(cases) == {
        "a(x=1) | flow",
        "b | flow",
        "c | flow",
        "a(x=1) | alternating(lr=0.1)",
        "gone | flow",
    }
    assert cases["b | flow"].find("failure").attrib["message"] == "unstable in d = 1"
    assert cases["c | flow"].find("error").attrib["message"] == 'says "no" & <never>?'
    assert cases["a(x=1) | flow"].find("failure") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("nope", "is not JSON"),
        ("[]", "is not a report"),
        ("[" * 100_000, "is not JSON"),
        ('{"schema": "diracgan.eig/1"}', "is not a report"),
        ('{"schema": "diracgan.report/1"}', "not laid out"),
        ('{"schema": "diracgan.report/1", "rows": [{"name": 3}], "settings": {"x0": 0}}', "not laid out"),
    ],
)
def test_a_bad_baseline_is_named(tmp_path, text, says):
    path = tmp_path / "b.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=says):
        reporting.baseline(path)
