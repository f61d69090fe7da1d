"""Many variants in one report: what fails stays in its row, and processes change nothing."""

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.catalogue_report import catalogue


class Broken(dg.Variant):
    """A loss with a mistake in it."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return np.nonsense(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -fake.mean()


class NaN(dg.Variant):
    """A loss without a value."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return np.nan * real.mean() * fake.mean()

    def generator_loss(self, real, fake, x_real, x_fake):
        return -fake.mean()


def test_a_broken_loss_disturbs_no_other():
    found = dg.report([Broken(), dg.variant("wgan-linear"), NaN()], rules=[], verdicts="none")
    broken, fine, nan = found.rows
    assert "nonsense" in broken.error
    assert "\n" not in broken.error
    assert broken.cells == {}
    assert fine.error is None
    assert fine.cells[2].status == "marginal"
    assert nan.cells[1].status == "not-an-equilibrium"


def test_a_bug_of_ours_is_raised_and_not_put_in_a_row(monkeypatch):
    from diracgan.analysis.linear import margins

    def broken(*_, **__):
        raise TypeError("planted")

    monkeypatch.setattr(margins, "decide", broken)
    with pytest.raises(TypeError, match="planted"):
        dg.report(["wgan-gp:c=0"], rules=[], verdicts="none")


def test_every_motion_has_its_row_in_order():
    found = dg.report(["ns", "wgan-gp:c=0"], rules=["simultaneous", "alternating:lr=0.3"], verdicts="none")
    assert [r.rule for r in found.rows[:3]] == [
        None,
        "simultaneous(lr=0.1)",
        dg.rule("alternating", lr=0.3).label,
    ]
    assert [r.variant for r in found.rows] == ["ns"] * 3 + ["wgan-gp"] * 3
    assert len({r.name for r in found.rows}) == 6
    assert all(set(r.cells) == {1, 2} for r in found.rows)


def test_the_datum_moves_the_equilibrium():
    # with x0 = 1 the non-saturating game gains J_phiphi = -1/4 and a margin in d = 1, none in d = 2
    (row,) = dg.report(["ns"], rules=[], x0=1.0, verdicts="none").rows
    assert row.cells[1].margin == pytest.approx(0.25, rel=1e-9)
    assert row.cells[2].status == "marginal"


@pytest.mark.slow  # no fast witness: too dear
def test_a_verdict_is_asked_for_the_flow_only():
    found = dg.report(["wgan-gp:c=0,lam=0.5"], rules=["simultaneous"])
    flow, steps = found.rows
    assert flow.cells[1].kind == "converges-exponentially"
    assert flow.cells[1].numbers["rate"] == pytest.approx(0.5, rel=1e-3)
    assert steps.cells[1].kind is None


def test_the_catalogue_is_the_packages_own_and_another_process_may_not_know_more():
    @dg.register("survey-local")
    class Local(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return fake.mean() - real.mean()

        def generator_loss(self, real, fake, x_real, x_fake):
            return -fake.mean()

    assert "survey-local" not in catalogue()
    found = dg.report(["survey-local", "survey-local:l2=1"], rules=[], verdicts="none", jobs=2)
    assert [r.cells[1].status for r in found.rows] == ["marginal", "stable"]


@pytest.mark.slow  # no fast witness: each process imports JAX
def test_processes_change_nothing():
    one, two = (dg.report(["wgan-linear", "wgan-gp:c=0"], verdicts="none", jobs=n) for n in (1, 2))
    for a, b in zip(one.rows, two.rows, strict=True):
        assert (a.name, a.error) == (b.name, b.error)
        for d in (1, 2):
            assert np.array_equal(a.cells[d].eigenvalues, b.cells[d].eigenvalues)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"chosen": []}, "nothing to report"),
        ({"chosen": ["nope"]}, "unknown variant"),
        ({"chosen": [3]}, "is not a variant"),
        ({"rules": ["nope"]}, "unknown rule"),
        ({"rules": ["alternating:lr"]}, "is not a setting"),
        ({"rules": ["alternating:lr=-1"]}, "out of range"),
        ({"verdicts": "some"}, "unknown verdicts"),
        ({"effort": 0.0}, "out of range"),
        ({"jobs": 0}, "too small"),
        ({"x0": float("nan")}, "not finite"),
    ],
)
def test_bad_input_is_named_before_anything_is_computed(given, says):
    with pytest.raises(dg.InputError, match=says):
        dg.report(**{"chosen": ["ns"], **given})
