"""What is no number, no variant, no rule, no point: one line that names it and what is allowed, from every function."""

from __future__ import annotations

import functools
import math
import warnings

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import InputError, instance, one_of, real_array, word
from diracgan.game import Players
from diracgan.parameters import parameters
from diracgan.rules import RULES
from diracgan.training import Architecture
from diracgan.training.alarms import Alarms
from diracgan.training.config import TrainingConfig, configure
from diracgan.training.problems import PROBLEMS, options
from diracgan.training.tricks import TRICKS
from diracgan.variants import modifiers
from diracgan.variants.base import VARIANTS


class Odd:
    """A thing of no use, with lines in its name."""

    def __repr__(self) -> str:
        return "<an\nodd thing>"


V, R = dg.variant("ns"), dg.rule("simultaneous", lr=0.1)
LOG = np.sin(0.3 * np.arange(200))
NOT_NUMBERS = ["x", "", [], {"a": 1}, b"x", b"12", 2 + 1j, Odd(), np.array([[1.0, 2.0]]), math.nan, math.inf]
NOT_OBJECTS = ["x", None, [], 3, {"a": 1}, Odd(), np.zeros((2, 2))]
NOT_NAMES = [3, [], None, b"x", Odd(), np.array(["a", "b"]), "no-such-name"]
# one call each, which takes a wrong value, and the wrong values
CALLS = {
    "lyapunov's steps": (lambda x: dg.lyapunov(V, rule=R, steps=x), NOT_NUMBERS),
    "attractors' box": (lambda x: dg.attractors(V, rule=R, box=x), [*NOT_NUMBERS, 0, 1e300]),
    "attractors' starts": (lambda x: dg.attractors(V, rule=R, starts=x), [*NOT_NUMBERS, 0, 1.5, 10**12]),
    "spectrum's rate": (lambda x: dg.spectrum(V, rate_d=x), [*NOT_NUMBERS, 0, -1]),
    "verdict's effort": (lambda x: dg.verdict(V, effort=x), [*NOT_NUMBERS, 0, 1e-300]),
    "the start": (lambda x: dg.simulate(V, phi0=x, theta0=[0.1]), NOT_NUMBERS),
    "the field's datum": (lambda x: dg.field(V, x), [x for x in NOT_NUMBERS[:7] if x != []]),
    "the step's datum": (lambda x: dg.step(V, R, x), [x for x in NOT_NUMBERS[:7] if x != []]),
    "the times": (lambda x: dg.simulate(V, ts=x), [*NOT_NUMBERS[:7], [1, [2]], -1, math.nan]),
    "what is tuned": (lambda x: dg.tune(V, x), [3, Odd(), {3: (0, 1)}, np.array("x"), np.ma.masked]),
    "the flow's rate": (lambda x: dg.flow(V, [0.1], [0.1], [0.0, 1.0], rate_d=x), [*NOT_NUMBERS, 0, [1.0]]),
    "the flow's tolerance": (lambda x: dg.flow(V, [0.1], [0.1], [0.0, 1.0], rtol=x), [*NOT_NUMBERS, -1]),
    "the flow's start": (lambda x: dg.flow(V, x, [0.1], [0.0]), [*NOT_NUMBERS[:7], 10**12]),
    "an average's reduction": (
        lambda x: dg.ema(omega=0.3, h=0.1, reduction=x),
        [*NOT_NUMBERS, 0.5, 1e300],
    ),
    "a floor's step": (lambda x: dg.measure.floor(x, [np.eye(1)], np.eye(1)), [*NOT_NUMBERS, [1, 2]]),
    "a floor's kicks": (lambda x: dg.measure.floor([[0.5]], x, np.eye(1)), [3, {"a": 1}, "x", [[[1, 2]]]]),
    "a floor's average": (lambda x: dg.measure.floor([[0.5]], [[[1]]], [[1]], ema=x), [*NOT_NUMBERS, 1]),
    "a pencil's series": (lambda x: dg.measure.pencil(x), [*NOT_NUMBERS[:7], 3.0, [1.0]]),
    "a pencil's delays": (lambda x: dg.measure.pencil(LOG, delays=x), [*NOT_NUMBERS, -1, 0]),
    "a pencil's cutoff": (lambda x: dg.measure.pencil(LOG, cutoff=x), [*NOT_NUMBERS, -1]),
    "an operator's seed": (lambda x: dg.measure.eigenvalues(lambda v: v, 3, k=1, seed=x), [*NOT_NUMBERS, -1]),
    "the members": (lambda x: dg.spectra(V, x), [*NOT_NUMBERS, 0]),
    "whose spectra": (lambda x: dg.spectra(x, 2), NOT_OBJECTS),
    "a log's variant": (lambda x: dg.diagnose(LOG, variant=x), [x for x in NOT_OBJECTS if x is not None]),
    "a log's columns": (lambda x: dg.diagnose({"d": LOG}, columns=x), ["d", 3, [1], np.zeros((2, 2)), Odd()]),
    "what is saved": (lambda x: dg.save(x, "x.npz"), NOT_OBJECTS),
    "a parameter": (lambda x: dg.critical(V, x), NOT_NAMES),
    "a method": (
        lambda x: dg.ensemble(V, [[0.1]], [[0.1]], method=x),
        [x for x in NOT_NAMES if x is not None],
    ),
    "a solver": (lambda x: dg.flow(V, [0.1], [0.1], [0.0, 1.0], solver=x), NOT_NAMES),
    "a tier": (lambda x: dg.compare(tier=x), NOT_NAMES),
    "a claim": (lambda x: dg.compare(claims=x), [3, None, [3], "E", ["no-such-claim"], Odd()]),
    "a device": (lambda x: dg.compare(device=x), NOT_NAMES),
    "a folder": (lambda x: dg.compare(folder=x), [3, [], Odd()]),
    "a critical setting": (lambda x: dg.critical_setting(None, x), NOT_NAMES),
    "a forecast run": (lambda x: dg.critical_setting(x), [3, None, [1], "no-such-run", Odd()]),
    "whom a forecast tells": (lambda x: dg.forecast(None, tell=x), [3, "x", [], Odd()]),
    "a choice": (lambda x: dg.rule("alternating", first=x), NOT_NAMES),
    "the reported": (lambda x: dg.report(x), ["ns", 3, Odd()]),
    "the report's rules": (lambda x: dg.report(["ns"], rules=x), ["adam", 3, Odd()]),
    "a reference": (lambda x: dg.register_rule("a-name", x)(type(R)), [3, None, Odd()]),
    "a curve's point": (lambda x: dg.bifurcation.curve(x, ("gamma", "lr")), NOT_OBJECTS),
    "a circle's point": (lambda x: dg.bifurcation.circle(x, 0.2), NOT_OBJECTS),
    "a switch's point": (lambda x: dg.bifurcation.switch(x, 0.0, 1.0), NOT_OBJECTS),
    "a sensitivity's point": (lambda x: dg.bifurcation.sensitivity(x, "lr"), NOT_OBJECTS),
    "a branch": (lambda x: dg.bifurcation.others(x), NOT_OBJECTS),
    "a teacher's student": (lambda x: dg.measure.teacher(V, x, np.zeros((2, 2))), NOT_OBJECTS),
    "a covariance's game": (
        lambda x: dg.measure.gradient_covariance(x, Players(np.zeros(1), np.zeros(1)), 2),
        NOT_OBJECTS,
    ),
    "a run": (lambda x: dg.prescribe(x), [3, None, [1], "no-such-run", Odd()]),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_wrong_value_is_one_line(what, folder):
    call, values = CALLS[what]
    for value in values:
        with pytest.raises(InputError) as caught:
            call(value)
        said = str(caught.value)
        assert "\n" not in said
        assert "llowed" in said or "give " in said or "needs" in said, said


def test_numbers_of_numpy_and_arrays_without_axes_are_numbers():
    plain = dg.simulate(V, phi0=[0.1], theta0=[0.2], rule=R, steps=4)
    same = dg.simulate(V, np.float32(0.1), np.array(0.2), rule=R, steps=np.int64(4), every=np.array(1))
    np.testing.assert_allclose(same.theta, plain.theta, rtol=1e-6)
    assert dg.spectrum(V, dim=np.int32(1), rate_d=np.array(2.0)).eigenvalues.shape == (2,)


def test_a_masked_number_is_none():
    """NumPy reads it as NaN, with a warning, or brings to light what is masked."""
    for masked in (np.ma.masked, np.ma.masked_array(0.1, True), np.ma.masked_array([2], [True])):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError, match="is not (a number|made of numbers); allowed"):
                dg.rule("alternating", lr=masked)
            with pytest.raises(InputError, match="is not a whole number; allowed"):
                dg.rule("alternating", n_critic=masked)
    assert dg.rule("alternating", lr=np.ma.masked_array(0.1, False)).lr == 0.1


def test_a_long_value_is_cut():
    said = str(InputError(f"phi0 = {list(range(10**5))} has too many entries; allowed: at most 10000"))
    assert len(said) < 2100
    assert said.startswith("phi0 = [0, 1, 2")
    assert said.endswith("allowed: at most 10000")


def test_what_arguments_are_checked_with():
    assert one_of("backend", "scipy", {"scipy": 1}) == "scipy"
    assert word("name", "x") == "x"
    assert instance("rule", R, type(R), "a rule") is R
    assert real_array("x", [[1, 2]], (None, 2)).dtype == float
    with pytest.raises(InputError, match=r"x has the shape \(1, 2\); allowed: \(any, 3\)"):
        real_array("x", [[1, 2]], (None, 3))


def test_traced_arguments_are_refused_where_a_program_is_run():
    for call in (
        lambda x: dg.lyapunov(V, [x], [x], rule=R, steps=100),
        lambda x: dg.spectrum(V, rate_d=x),
        lambda x: dg.ema(omega=x, h=0.1, decay=0.9),
        lambda x: dg.attractors(V, rule=R, box=x),
        lambda x: dg.measure.pencil(x * LOG),
        lambda x: dg.diagnose(x * LOG),
    ):
        with pytest.raises(InputError, match="allowed"):
            jax.jit(call)(0.1)


ASKED = {
    "verdict": dg.verdict,
    "spectrum": dg.spectrum,
    "explain": dg.explain,
    "critical": lambda v: dg.critical(v, "l2"),
    "tune": lambda v: dg.tune(v, ["l2"]),
    "attractors": lambda v: dg.attractors(v, rule=R),
    "lyapunov": dg.lyapunov,
    "covariance": lambda v: dg.stationary_covariance(v, sde=0.1, sde_step=0.1),
    "ensemble": lambda v: dg.ensemble(v, [[0.1]], [[0.1]]),
    "spectra": lambda v: dg.spectra(v, 2),
    "diagnose": lambda v: dg.diagnose(LOG, v),
    "sweep": lambda v: dg.sweep(v, over={"l2": [0.1, 0.2]}),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_variant_with_a_traced_number_is_refused_by_what_runs_programs(name):
    with pytest.raises(
        InputError, match="under jit, vmap or grad.*allowed there: dg.field, dg.flow and dg.step"
    ):
        jax.jit(lambda r1: ASKED[name](dg.variant("ns", r1=r1)))(0.1)


class Unreadable:
    """What raises errors of its own when it is read as a number, or asked what it is."""

    def __float__(self):
        raise RuntimeError("no number")

    __array__ = __int__ = __repr__ = __float__


@pytest.mark.parametrize(
    "value", [Unreadable(), 10**400, [0.1, [0.2]], np.ma.array([0.1], mask=[True])], ids=type
)
def test_what_cannot_be_read_as_a_number_is_one_line(value):
    for call in (
        lambda: dg.variant("ns", r1=value),
        lambda: dg.rule("adam", lr=value),
        lambda: dg.spectrum(V, x0=value),
        lambda: dg.simulate(V, rule=R, steps=value),
        lambda: dg.diagnose(value),
    ):
        with pytest.raises(InputError, match="llowed|holds"):
            call()


def test_what_is_masked_in_a_log_is_missing():
    hidden = np.ma.array(LOG, mask=np.arange(len(LOG)) == 7)
    hidden.data[7] = 1e9
    assert np.max(dg.diagnose({"d": hidden}).log.values) == np.max(np.delete(LOG, 7))


def numbers_of(cls):
    """Name -> a value of the parameter as text, of every parameter that is a number, a whole one or a truth value."""
    words = {"number": "0.5", "integer": "3", "flag": "true"}
    return {n: words[p.kind] for n, p in parameters(cls).items() if p.kind in words}


def makers():
    """What takes parameters by name: a label, how it is made, and which of them are no text."""
    for name in RULES:
        yield f"rule {name}", functools.partial(dg.rule, name), numbers_of(RULES[name])
    for name in VARIANTS:
        yield f"variant {name}", functools.partial(dg.variant, name), numbers_of(VARIANTS[name])
    for name in TRICKS:
        yield f"trick {name}", functools.partial(dg.training.trick, name), numbers_of(TRICKS[name])
    for name in PROBLEMS:
        usual = options(name)
        given = {n: str(x) for n, x in usual.items() if isinstance(x, (int, float))}
        if "path" not in usual:  # a file that is not there is said first
            yield f"problem {name}", functools.partial(dg.training.problem, name), given
    added = {n: "0.5" for n, p in modifiers().items() if p.kind == "number"}
    yield "with_", V.with_, added
    for what, cls in {"networks": Architecture, "alarms": Alarms}.items():
        yield what, lambda what=what, **given: configure(V, "ring8", **{what: given}), numbers_of(cls)
    yield "run", lambda **given: configure(V, "ring8", training=given), numbers_of(TrainingConfig)


@pytest.mark.parametrize(("make", "given"), [pytest.param(m, g, id=i) for i, m, g in makers()])
def test_text_is_no_number_of_what_is_made_by_name(make, given):
    """``lr="0.1"`` in Python is a slip; what is written in ``NAME:lr=0.1`` or on a command line is read."""
    for name, text in given.items():
        for value in (text, np.str_(text), np.array(text), [text]):
            with pytest.raises(
                InputError, match=f"{name}.* is not (a|made of|a whole|a truth) ?(number|value)"
            ):
                make(**{name: value})


def test_what_is_written_in_a_specification_is_read():
    assert dg.variant("ns:r1=0.3").modifications["r1"] == 0.3
    assert dg.rule("adam:lr=0.1,alternating=true,eps=1e-6").hyperparameters["lr"] == 0.1
    assert dg.training.problem("ring8:std=0.1").name == "ring8"
    assert dg.training.trick("soft-labels:below=0.2").below == 0.2
