"""The numbers of every variant: defaults and domains, typed here."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import InputError
from diracgan.parameters import parameters
from diracgan.variants import VARIANTS, modifiers

# (default, lowest, highest, whether the lowest is left out, the highest)
FREE = (None, None, False, False)  # any number
NUMBERS = {
    "lsgan": {"fake_label": (-1.0, *FREE), "real_label": (1.0, *FREE), "target": (1.0, *FREE)},
    "gan-qp": {"lam": (1.0, 0.0, None, True, False)},
    "wgan-gp": {"lam": (0.1, 0.0, None, False, False), "c": (1.0, 0.0, None, False, False)},
    "wgan-clip": {"clip": (0.3, 0.0, None, True, False)},
    "wgan-div": {"k": (2.0, 0.0, None, False, False), "p": (6.0, 1.0, None, False, False)},
}
WITHOUT_NUMBERS = (
    "ns saturating wgan wgan-linear hinge rpgan ragan fgan-kl fgan-reverse-kl fgan-pearson".split()
)
WITHOUT_NUMBERS += ["fgan-hellinger", "fgan-js"]


@pytest.mark.parametrize("name", [*NUMBERS, *WITHOUT_NUMBERS])
def test_defaults_and_domains(name):
    cls = VARIANTS[name]
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    numbers = {n: p for n, p in parameters(cls).items() if p.kind in ("number", "integer")}
    found = {n: (defaults[n], p.low, p.high, p.open_low, p.open_high) for n, p in numbers.items()}
    assert found == NUMBERS.get(name, {})


def test_what_with_adds_has_its_defaults_and_domains():
    weight = (0.0, 0.0, None, False, False)
    expected = dict.fromkeys(("l2", "r1", "r2", "gp", "lecam", "clc", "noise", "consensus"), weight)
    expected |= dict.fromkeys(("smooth_real", "smooth_fake"), (0.0, 0.0, 1.0, False, False))
    expected |= {"gp_center": (1.0, *weight[1:]), "sga": (0.0, *FREE)}
    found = {
        n: (p.default, p.low, p.high, p.open_low, p.open_high) for n, p in modifiers().items() if n != "gp_at"
    }
    assert found == expected
    assert modifiers()["gp_at"].default == "interpolated"


def test_modes_and_switches_have_their_defaults():
    for name in ("fgan-kl", "fgan-reverse-kl", "fgan-pearson", "fgan-hellinger", "fgan-js"):
        assert dg.variant(name).mode == "ns"
    assert dg.variant("gan-qp").norm == "l2"
    assert dg.variant("wgan-gp").one_sided is False


@pytest.mark.parametrize("lam", [np.True_, np.array([True, False]), jnp.array(True), [True, False]], ids=repr)
def test_bools_are_not_numbers_in_arrays_either(lam):
    with pytest.raises(InputError, match="lam = .* is not (a number|made of numbers)"):
        dg.variant("wgan-gp", lam=lam)


def test_a_bool_of_numpy_is_not_a_whole_number():
    with pytest.raises(InputError, match="n_critic = .* is not a whole number"):
        dg.rule("alternating", n_critic=np.True_)
