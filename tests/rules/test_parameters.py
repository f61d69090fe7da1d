"""The numbers of every rule: defaults and domains, typed here."""

from __future__ import annotations

import dataclasses

import optax
import pytest

import diracgan as dg
from diracgan.parameters import parameters
from diracgan.rules import RULES
from diracgan.rules.optax import Optax

# name -> (default, lowest, highest, whether the lowest is left out, the highest)
EVERY = {
    "lr": (0.1, 0, None, True, False),
    "lr_d": (None, 0, None, True, False),
    "lr_g": (None, 0, None, True, False),
    "ema": (None, 0, 1, False, True),
}
STEPS = (1, 1, 10_000, False, False)
OWN = {
    "simultaneous": {"lazy": (None, *STEPS[1:])},
    "alternating": {"lazy": (None, *STEPS[1:]), "n_critic": STEPS},
    "heavy-ball": {"lazy": (None, *STEPS[1:]), "n_critic": STEPS, "beta": (0.9, -1, 1, False, False)},
    "nesterov": {"beta": (0.9, -1, 1, False, False)},
    "adam": {
        "lazy": (None, *STEPS[1:]),
        "n_critic": STEPS,
        "beta1": (0.9, 0, 1, False, True),
        "beta2": (0.999, 0, 1, False, True),
        "eps": (1e-8, 0, None, False, False),
    },
    "extragradient": {},
    "optimistic": {},
    "lookahead": {
        "lr": (None, *EVERY["lr"][1:]),
        "k": (5, *STEPS[1:]),
        "alpha": (0.5, 0, 1, True, False),
    },
    "implicit": {},
    "cgd": {},
    "rk2": {},
    "rk4": {},
}


@pytest.mark.parametrize("name", OWN)
def test_defaults_and_domains(name):
    cls = RULES[name]
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    numbers = {n: p for n, p in parameters(cls).items() if p.kind in ("number", "integer")}
    found = {n: (defaults[n], p.low, p.high, p.open_low, p.open_high) for n, p in numbers.items()}
    assert found == EVERY | OWN[name]


def test_the_domains_of_a_rule_made_of_optax():
    found = {n: (p.low, p.high, p.open_low, p.open_high) for n, p in parameters(Optax).items()}
    assert (found["lr"], found["n_critic"]) == (EVERY["lr"][1:], STEPS[1:])
    rule = dg.rule.from_optax(optax.sgd(0.1))
    assert (rule.lr, rule.alternating, rule.n_critic) == (1.0, False, 1)
    assert {f.name: f.default for f in dataclasses.fields(Optax)}["lr"] == 1.0


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("nesterov", {"beta": -1.5}, {"beta": -1.0}),
        ("lookahead", {"lr": -0.5}, {"lr": 0.5}),
        ("lookahead", {"alpha": 1.1}, {"alpha": 1.0}),
        ("lookahead", {"k": 10_001}, {"k": 10_000}),
        ("adam", {"beta2": 1.0}, {"beta2": 0.0}),
        ("alternating", {"n_critic": 0}, {"n_critic": 1}),
    ],
)
def test_a_domain_ends_where_it_says(name, bad, good):
    assert dg.rule(name, **good).hyperparameters.items() >= good.items()
    with pytest.raises(dg.InputError, match=next(iter(bad))):
        dg.rule(name, **bad)
