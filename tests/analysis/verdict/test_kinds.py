"""One vocabulary: the schema, the sweeps and the pictures say what diracgan.analysis.kinds says."""

import ast
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from diracgan.analysis.decision_thresholds import T
from diracgan.analysis.kinds import KINDS, OUTCOMES, Kind, Outcome
from diracgan.analysis.thresholds.search_tolerances import S
from diracgan.plotting.small_multiples import verdict_words
from diracgan.reporting.report import failing
from diracgan.reporting.schema import report_schema
from diracgan.sweeps.quantity import QUANTITIES

ROOT = Path(__file__).parents[3]


def test_schema_gate_and_sweeps_take_the_same_words():
    assert report_schema()["$defs"]["verdict"]["properties"]["kind"]["enum"] == list(KINDS)
    assert failing(KINDS) == KINDS
    assert QUANTITIES["verdict"].flags == KINDS and QUANTITIES["limit"].flags == OUTCOMES


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_words_for_a_picture_and_shows_somehow(kind: Kind):
    said = verdict_words(SimpleNamespace(kind=kind.value, numbers={}, rule=None))
    assert said == kind.words and set(kind.outcomes) <= set(Outcome)
    assert kind.is_orbit == (kind.outcomes == (Outcome.ORBIT,))


@pytest.mark.parametrize("record", [T, S], ids=["judges", "searches"])
def test_thresholds_are_one_record_of_positive_numbers(record):
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        assert all(v > 0 for v in (value if isinstance(value, tuple) else (value,))), field.name


@pytest.mark.parametrize("room", ["verdict", "orbits", "slow_flow", "bifurcation", "thresholds"])
def test_numbers_by_which_something_is_decided_have_names(room):
    plain = {0.0, 0.5, 1.0, 2.0}
    for path in sorted((ROOT / "diracgan/analysis" / room).rglob("*.py")):
        functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
        inside = {n for f in functions for part in f.body for n in ast.walk(part)}
        defaults = {
            n for f in functions for d in (*f.args.defaults, *f.args.kw_defaults) if d for n in ast.walk(d)
        }
        for n in inside - defaults:
            if isinstance(n, ast.Constant) and isinstance(n.value, float):
                assert n.value in plain, f"{path.name}:{n.lineno}: give {n.value} a name and a reason"
