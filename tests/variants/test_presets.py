"""The numbers of the presets, typed here from their papers."""

from __future__ import annotations

import math

import pytest

import diracgan as dg

ADAM = {"eps": 1e-8, "alternating": True, "n_critic": 1}


@pytest.mark.parametrize(
    ("name", "label", "numbers"),
    [
        ("dcgan", "ns", {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999} | ADAM),  # Radford et al., section 4
        (
            "stylegan",  # Karras et al. 2019, appendix C, and 2020, appendix B
            "ns + r1=10",
            {"lr": 2e-3, "beta1": 0.0, "beta2": 0.99, "lazy": 16, "ema": 0.999} | ADAM,
        ),
        (
            "r3gan",  # Huang et al. 2025, for CIFAR-10
            "rpgan + r1=0.05 + r2=0.05",
            {"lr": 2e-4, "beta1": 0.0, "beta2": 0.9, "ema": 0.9999} | ADAM,
        ),
    ],
)
def test_presets_are_the_papers(name, label, numbers):
    variant, rule = dg.preset(name)
    assert (variant.label, rule.name) == (label, "adam")
    given = {n: x for n, x in rule.hyperparameters.items() if x is not None}
    assert given == pytest.approx(numbers)
    assert math.isclose(rule.rates[0], numbers["lr"])
