"""Spectra of families against closed forms and against the careful single ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.ensemble.spectra import spectra
from diracgan.variants import variants


def test_gradient_penalty_family():
    lam = np.linspace(0, 3, 1001)
    family = dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=lam)
    s = spectra(family, len(lam), dim=3)
    assert (s.closed, s.multiplicity) == (True, 3)
    root = np.sqrt(lam**2 - 1 + 0j)
    np.testing.assert_allclose(s.eigenvalues, np.stack([-lam + root, -lam - root], axis=1), atol=1e-12)


@pytest.mark.parametrize("count", [1, 3])
def test_a_small_eigenvalue_beside_a_large_one_keeps_its_digits(count):
    # -lam + sqrt(lam^2 - 1) = -1/(lam + sqrt(lam^2 - 1)): as a difference it is 0 from lam = 1e8 on
    lam = np.array([1e4, 1e7, 1e9])[:count]
    found = spectra(dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=lam), count).eigenvalues
    far = -lam - np.sqrt(lam**2 - 1)
    np.testing.assert_allclose(found, np.stack([1 / far, far], axis=1), rtol=1e-14)


NAMES = list(variants())
SMOOTH_KINKED_CLIPPED = [("ns", 1), ("wgan-gp", 2), ("gan-qp", 1), ("wgan-clip", 2)]


@pytest.mark.parametrize(
    ("name", "dim"), slow_but([(n, d) for n in NAMES for d in (1, 2)], *SMOOTH_KINKED_CLIPPED)
)
def test_agrees_with_the_single_spectrum(name, dim):
    s, one = spectra(dg.variant(name), 1, dim), dg.spectrum(dg.variant(name), dim=dim)
    if one.status in ("no-derivative", "not-an-equilibrium"):
        assert np.isnan(s.eigenvalues).all()
    else:
        found = np.sort_complex(np.repeat(s.eigenvalues[0], s.multiplicity).round(10) + 0.0)
        np.testing.assert_allclose(found, np.sort_complex(one.eigenvalues.round(10) + 0.0), atol=1e-9)


def test_a_member_without_a_derivative_is_nan_and_harms_no_other():
    family = dataclasses.replace(dg.variant("wgan-gp", lam=0.5), c=np.array([0.0, 1.0, 0.0]))
    values = spectra(family, 3).eigenvalues
    assert np.isnan(values[1]).all()
    np.testing.assert_allclose(values[[0, 2]], [[-0.5 + 0.75**0.5 * 1j, -0.5 - 0.75**0.5 * 1j]] * 2)


@pytest.mark.usefixtures("c_compiler")
def test_large_families_in_compiled_c_are_the_same(monkeypatch: pytest.MonkeyPatch):
    # a size that no block divides; the last member is not at an equilibrium, and NaN
    c = np.zeros(100_003)
    c[-1] = 1.0
    family = dataclasses.replace(dg.variant("wgan-gp"), lam=np.linspace(0, 3, len(c)), c=c)
    found = spectra(family, len(c)).eigenvalues
    monkeypatch.setenv("DIRACGAN_C", "0")
    # a root of what rounding leaves where both are one
    np.testing.assert_allclose(found, spectra(family, len(c)).eigenvalues, rtol=0, atol=3e-8)
    assert np.isnan(found[-1]).all()
    assert np.isfinite(found[:-1]).all()


class Bent(dg.Variant):
    """On (phi, theta_1): z' = scale (theta_1, -phi - sin(k theta_1)/k - 2 kink |theta_1| - push)."""

    k: float = 1.0
    kink: float = 0.0
    push: float = 0.0
    scale: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return self.scale * (jnp.mean(fake) - jnp.mean(real))

    def generator_loss(self, real, fake, x_real, x_fake):
        x = x_fake[..., 0]
        bent = -jnp.cos(self.k * x) / self.k**2 + self.kink * x * jnp.abs(x) + self.push * x
        return self.scale * (jnp.mean(bent) - jnp.mean(fake))


# in closed form, and not; the slow one's path is that of wgan-clip above
@pytest.mark.parametrize("dim", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_derivative_and_equilibrium_are_told_as_the_single_spectrum_tells_them(dim):
    members: list[
        tuple[dict[str, Any], bool]
    ] = [  # bent within 1e-6; a weak kink; a push that is small by itself, and one beside a large field
        ({"k": 1e6}, True),
        ({"kink": 1e-5}, False),
        ({"push": 5e-10}, False),
        ({"push": 1e-3, "scale": 1e-8}, False),
        ({"push": 1e-11, "scale": 1e6}, True),
    ]
    each = [Bent(**numbers) for numbers, _ in members]
    columns = np.array([[v.k, v.kink, v.push, v.scale] for v in each]).T
    family = dataclasses.replace(Bent(), **dict(zip(("k", "kink", "push", "scale"), columns, strict=True)))
    found = spectra(family, len(each), dim)
    assert found.closed == (dim == 1)
    for v, values, (_, linear) in zip(each, found.eigenvalues, members, strict=True):
        one = dg.spectrum(v, dim=dim)
        assert (len(one.eigenvalues) > 0) == linear
        if linear:
            np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(one.eigenvalues), rtol=1e-9)
            # of [[0, 1], [-1, -1]]
            assert np.min(np.abs(values - v.scale * (-0.5 + 0.75**0.5 * 1j))) < 1e-9 * v.scale
        else:
            assert np.isnan(values).all()


def test_arrays_of_another_length_are_refused():
    with pytest.raises(dg.InputError, match="shape"):
        spectra(dataclasses.replace(dg.variant("wgan-gp"), lam=np.ones(4)), 3)
