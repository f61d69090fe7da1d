"""A judge enters itself: a module put beside the others is asked, without another file being opened."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import jax.numpy as jnp
import pytest

import diracgan as dg
from diracgan.analysis.kinds import Kind
from diracgan.analysis.verdict import consistency, judges, judging
from diracgan.analysis.verdict.evidence import Answer

MODULE = """
from diracgan.analysis.verdict.evidence import Answer
from diracgan.analysis.verdict.judging import judge
from diracgan.analysis.kinds import Kind


@judge(order=5)
def sees_everything(case, stretch):
    return Answer(Kind.STUCK, {}, "as the new judge says")
"""


@pytest.fixture
def put_there(tmp_path, monkeypatch):
    """A module beside the judges' own, and the judges asked anew."""
    judging.in_order()
    (tmp_path / "newcomer.py").write_text(MODULE)
    monkeypatch.setattr(judges, "__path__", [*judges.__path__, str(tmp_path)])
    monkeypatch.setattr(judging, "_ENTERED", dict(judging._ENTERED))
    judging.in_order.cache_clear()
    yield
    sys.modules.pop(f"{judges.__name__}.newcomer", None)
    judging.in_order.cache_clear()


def test_judges_are_asked_in_the_order_that_they_give():
    names = [f.__name__ for f in judging.in_order()]
    assert names[:3] == ["arrived", "to_a_point", "decays"]
    assert names.index("no_longer_changes") < names.index("wanders")


def test_a_module_beside_the_others_is_a_judge(put_there):
    assert judging.in_order()[0].__name__ == "sees_everything"
    found = dg.verdict(dg.variant("ns"), [0.1], [0.2], edge=False)
    assert (found.kind, found.text) == ("stuck", "as the new judge says")


def test_a_log_names_the_judge(caplog):
    with caplog.at_level("DEBUG", logger="diracgan.analysis.verdict.decide"):
        dg.verdict(dg.variant("wgan-gp", c=0.0, lam=0.5), [1.0], [0.5], edge=False)
    assert "judges.fixed_points.to_a_point" in caplog.text
    assert "window 1 to 25.1327: size 0.0" in caplog.text  # exp(-t/2), seen for eight turns of its eigenvalue


def test_a_log_names_the_judge_of_a_start_at_rest(caplog):
    with caplog.at_level("DEBUG", logger="diracgan.analysis.verdict.decide"):
        dg.verdict(dg.variant("ns", r1=0.3), [0.0], [0.0])
    assert "at_equilibrium.judge after 0 windows: " in caplog.text


LAST = "decided by diracgan.analysis.verdict."


@pytest.mark.slow  # fast, of a start beside: test_a_log_says_of_which_start_a_judge_spoke
def test_the_last_line_of_a_log_names_the_judge_though_other_starts_were_followed_later(caplog):
    rule = dg.rule("optimistic", lr=1.28)
    with caplog.at_level("DEBUG", logger="diracgan.analysis.verdict"):
        found = dg.verdict(dg.variant("ns", r1=0.5), [0.1], [0.1], rule=rule)
    assert "edge" in found.numbers
    *before, last = (record.getMessage() for record in caplog.records)
    assert last == f"{LAST}judges.fixed_points.to_a_point: {found.text}"
    first = next(k for k, line in enumerate(before) if line.startswith("beyond the edge: "))
    assert ".fixed_points.to_a_point after " in before[first - 1]
    assert all(line.startswith("beyond the edge: ") for line in before[first:])


def test_a_log_says_of_which_start_a_judge_spoke(caplog):
    with caplog.at_level("DEBUG", logger="diracgan.analysis.verdict"):
        dg.verdict(dg.variant("wgan-linear"), [0.0], [0.0], edge=False)
    *beside, told, last = (record.getMessage() for record in caplog.records)
    assert beside and all(line.startswith("beside it: ") for line in beside)
    assert ".at_equilibrium.judge after 0 windows" in told and last.startswith(
        f"{LAST}at_equilibrium.judge: "
    )


def test_a_log_names_who_decided_where_no_judge_could(caplog):
    class NoValue(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(real - fake) * jnp.nan

        def generator_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(-fake)

    with caplog.at_level("DEBUG", logger="diracgan.analysis.verdict"):
        assert dg.verdict(NoValue(), [0.1], [0.2]).kind == "undecided"
    assert caplog.records[-1].getMessage().startswith(f"{LAST}decide.decide: undecided: ")


def test_a_log_names_the_check_that_objects(caplog):
    claim = Answer(Kind.CONVERGES_EXPONENTIALLY, {"rate": -0.1}, "converges")
    with caplog.at_level("DEBUG", logger="diracgan.analysis.verdict"):
        assert consistency.objection(SimpleNamespace(label=""), claim) == "rate = -0.1 is not positive"
    assert "consistency._against_its_numbers objects: rate = -0.1" in caplog.text


def test_two_judges_cannot_be_asked_at_once():
    with pytest.raises(ValueError, match="order 10"):
        judging.judge(order=10)(lambda case, stretch: None)
