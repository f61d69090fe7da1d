"""The fields of the whole catalogue, typed here from the papers' losses, at points where they could go wrong."""

import contextlib
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from scipy.special import expit as sigma
from stated import formula

import diracgan as dg
from diracgan.analysis.catalogue_report import catalogue
from diracgan.parameters import parameters

_LSGAN = {"fake_label": 0.3, "real_label": 0.8, "target": -0.4}


def _unit(phi):
    return phi / np.linalg.norm(phi)


def _qp(distance):
    def field(phi, theta, x0):
        gap = theta - x0
        return -gap - (phi @ gap) * gap / (0.7 * distance(gap)), phi

    return field


# (phi, theta, x0) -> (phi', theta'); s = phi.theta, r = phi.x0, u = s - r
FIELDS = {
    "ns": ({}, lambda p, t, x: (sigma(-(p @ x)) * x - sigma(p @ t) * t, sigma(-(p @ t)) * p)),
    "saturating": ({}, lambda p, t, x: (sigma(-(p @ x)) * x - sigma(p @ t) * t, sigma(p @ t) * p)),
    "wgan-linear": ({}, lambda p, t, x: (x - t, p)),
    "wgan": ({}, lambda p, t, x: ((x - t - _unit(p) * (_unit(p) @ (x - t))) / np.linalg.norm(p), _unit(p))),
    "wgan-gp": (
        {"lam": 0.4, "c": 0.6},
        lambda p, t, x: (x - t - 0.8 * (p - 0.6 * _unit(p)), p),
    ),
    "wgan-clip": ({"clip": 50.0}, lambda p, t, x: (x - t, p)),
    "wgan-div": (
        {"k": 0.5, "p": 3.0},
        lambda p, t, x: (x - t - 1.5 * np.linalg.norm(p) * p, p),
    ),
    "lsgan": (_LSGAN, lambda p, t, x: ((0.8 - p @ x) * x + (0.3 - p @ t) * t, (-0.4 - p @ t) * p)),
    "hinge": ({}, lambda p, t, x: ((p @ x < 1) * x - (p @ t > -1) * t, p)),
    "rpgan": ({}, lambda p, t, x: (-sigma(p @ (t - x)) * (t - x), sigma(-(p @ (t - x))) * p)),
    "ragan": ({}, lambda p, t, x: (-2 * sigma(p @ (t - x)) * (t - x), 2 * sigma(-(p @ (t - x))) * p)),
    "gan-qp": ({"lam": 0.7}, _qp(np.linalg.norm)),
    "gan-qp l1": ({"lam": 0.7, "norm": "l1"}, _qp(lambda g: np.abs(g).sum())),
    "gan-qp l2sq": ({"lam": 0.7, "norm": "l2sq"}, _qp(lambda g: g @ g)),
    "gan-qp rms": ({"lam": 0.7, "norm": "rms"}, _qp(lambda g: np.sqrt(np.mean(g * g)))),
    "fgan-kl": ({}, lambda p, t, x: (x - np.exp(p @ t - 1) * t, p)),
    "fgan-kl minimax": (
        {"mode": "minimax"},
        lambda p, t, x: (x - np.exp(p @ t - 1) * t, np.exp(p @ t - 1) * p),
    ),
    "fgan-reverse-kl": ({}, lambda p, t, x: (np.exp(-(p @ x)) * x - t, np.exp(-(p @ t)) * p)),
    "fgan-reverse-kl minimax": ({"mode": "minimax"}, lambda p, t, x: (np.exp(-(p @ x)) * x - t, p)),
    "fgan-pearson": ({}, lambda p, t, x: (x - (1 + p @ t / 2) * t, p)),
    "fgan-pearson minimax": (
        {"mode": "minimax"},
        lambda p, t, x: (x - (1 + p @ t / 2) * t, (1 + p @ t / 2) * p),
    ),
    "fgan-hellinger": (
        {},
        lambda p, t, x: (np.exp(-(p @ x)) * x - np.exp(p @ t) * t, np.exp(-(p @ t)) * p),
    ),
    "fgan-hellinger minimax": (
        {"mode": "minimax"},
        lambda p, t, x: (np.exp(-(p @ x)) * x - np.exp(p @ t) * t, np.exp(p @ t) * p),
    ),
    "fgan-js": ({}, lambda p, t, x: (sigma(-(p @ x)) * x - sigma(p @ t) * t, sigma(-(p @ t)) * p)),
    "fgan-js minimax": (
        {"mode": "minimax"},
        lambda p, t, x: (sigma(-(p @ x)) * x - sigma(p @ t) * t, sigma(p @ t) * p),
    ),
}
POINTS = [
    ([0.7], [-0.4], [0.0]),
    ([-1.3], [2.1], [0.6]),
    ([0.3, -0.8], [1.1, 0.4], [0.0, 0.0]),
    ([2.3, -1.8], [1.7, 0.9], [-0.6, 0.5]),
    ([0.1, 0.2, -0.7], [-0.3, 0.2, 0.5], [0.4, -0.1, 0.9]),
]


def field(variant, phi, theta, x0):
    with jax.enable_x64(True):
        return [
            np.asarray(a) for a in dg.field(variant, jnp.asarray(x0))(jnp.asarray(phi), jnp.asarray(theta))
        ]


LOSSES = ("critic_loss", "generator_loss")


def unlike_its_defaults(name):
    """The variant with other numbers, where its domains allow them."""
    variant = dg.variant(name)
    for key, p in parameters(type(variant)).items():
        if p.kind == "number" and (usual := getattr(variant, key)) is not None:
            with contextlib.suppress(dg.InputError):
                variant = dg.variant(name, **{**variant.hyperparameters, key: 0.9 * usual + 0.05})
    return variant


@pytest.mark.parametrize("name", catalogue())
def test_a_loss_is_the_formula_that_its_docstring_states(name):
    """Of batches: the mean over pairs of real and fake logits. A loss that states none has its closed form above."""
    variant = unlike_its_defaults(name)
    numbers = {k: x for k, x in variant.hyperparameters.items() if isinstance(x, float)}
    stated = {
        which: formula(inspect.getdoc(getattr(variant, which)) or "", ["D_r", "D_f", *numbers])
        for which in LOSSES
    }
    assert None not in stated.values() or name in {key.split()[0] for key in FIELDS}, (
        f"nothing says what {name} should be: begin the docstrings of its losses with their formulas of D_r and D_f, "
        "as hinge does, or add its field by hand to FIELDS"
    )
    real, fake = np.random.default_rng(3).normal(scale=1.5, size=(2, 7))
    for which, said in stated.items():
        if said is None:
            continue
        words = {"mean": np.mean, "sigma": sigma, "softplus": lambda x: np.logaddexp(0.0, x)}
        value = sp.lambdify(list(map(sp.Symbol, ("D_r", "D_f", *numbers))), said, [words, "numpy"])
        want = np.mean(value(real, fake, *numbers.values()))
        with jax.enable_x64(True):
            got = getattr(variant, which)(*map(jnp.asarray, (real, fake)), *jnp.zeros((2, 7, 2)))
        assert float(got) == pytest.approx(want, rel=1e-13), which


def test_whatever_has_a_closed_form_here_is_a_variant():
    assert {key.split()[0] for key in FIELDS} <= set(catalogue())


@pytest.mark.parametrize("key", FIELDS)
def test_field_is_the_closed_form(key):
    parameters, truth = FIELDS[key]
    variant = dg.variant(key.split()[0], **parameters)
    for phi, theta, x0 in POINTS:
        got = field(variant, phi, theta, x0)
        want = truth(*(np.array(a) for a in (phi, theta, x0)))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b * np.ones_like(a), rtol=2e-14, atol=2e-15)


@pytest.mark.parametrize("key", [k for k in FIELDS if k != "wgan"])
def test_field_is_finite_at_the_equilibrium_and_far_out(key):
    parameters, _ = FIELDS[key]
    variant = dg.variant(key.split()[0], **parameters)
    for phi, theta, x0 in (
        ([0.0, 0.0], [0.3, 0.1], [0.3, 0.1]),
        ([0.0], [0.0], [0.0]),
        ([0.0], [0.5], [0.0]),
    ):
        assert np.all(np.isfinite(np.concatenate(field(variant, phi, theta, x0))))
    if not key.startswith(
        ("fgan-kl", "fgan-reverse", "fgan-hellinger")
    ):  # whose exponentials are the loss itself
        for sign in (1.0, -1.0):
            assert np.all(np.isfinite(np.concatenate(field(variant, [40.0], [50.0 * sign], [0.2]))))


def test_large_logits_do_not_overflow():
    # at |s| = 900 exp(s) overflows; the gradients are those of the limits
    for name in ("ns", "saturating", "rpgan", "ragan", "fgan-js"):
        for s in (900.0, -900.0):
            dphi, dtheta = field(dg.variant(name), [30.0], [s / 30.0], [0.0])
            scale = 2.0 if name == "ragan" else 1.0
            np.testing.assert_allclose(dphi, -scale * (s > 0) * s / 30.0, atol=1e-14)
            turned = s > 0 if name == "saturating" else s < 0
            np.testing.assert_allclose(dtheta, scale * turned * 30.0, atol=1e-13)


def test_conjugates_are_those_of_their_divergences():
    # f*(t) = sup_u u t - f(u), by brute force on a fine grid of u > 0
    divergences = {
        "fgan-kl": lambda u: u * np.log(u),
        "fgan-reverse-kl": lambda u: -np.log(u),
        "fgan-pearson": lambda u: (u - 1) ** 2,
        "fgan-hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
        "fgan-js": lambda u: -(u + 1) * np.log((1 + u) / 2) + u * np.log(u),
    }
    u = np.exp(np.linspace(-9, 9, 400_001))
    with jax.enable_x64(True):
        for name, f in divergences.items():
            variant = dg.variant(name)
            for v in (-1.2, -0.3, 0.0, 0.4, 1.1):
                t = float(variant.activation(jnp.asarray(v)))
                np.testing.assert_allclose(
                    float(variant.conjugate(jnp.asarray(v))), np.max(u * t - f(u)), atol=1e-7
                )


def test_activations_increase():
    v = jnp.linspace(-3, 3, 101)
    for name in dg.variants():
        if name.startswith("fgan-"):
            assert np.all(np.diff(dg.variant(name).activation(v)) > 0)


def test_defaults_are_the_pinned_ones():
    assert dg.variant("lsgan").hyperparameters == {"fake_label": -1.0, "real_label": 1.0, "target": 1.0}
    assert dg.variant("wgan-clip").hyperparameters == {"clip": 0.3}
    assert dg.variant("wgan-div").hyperparameters == {"k": 2.0, "p": 6.0}
    assert dg.variant("gan-qp").hyperparameters == {"lam": 1.0, "norm": "l2"}
    for name in ("kl", "reverse-kl", "pearson", "hellinger", "js"):
        assert dg.variant(f"fgan-{name}").hyperparameters == {"mode": "ns"}


@pytest.mark.parametrize(("p", "expected"), [(2.0, -4.0), (3.0, 0.0), (6.0, 0.0)])
def test_wgan_div_has_the_true_second_derivative_at_rest(p, expected):
    # d/dphi of -k p |phi|^(p-2) phi at 0: -2k for p = 2, else 0; a norm's autodiff would say 0 for both
    with jax.enable_x64(True):
        f = dg.field(dg.variant("wgan-div", p=p))
        got = jax.jacobian(lambda phi: f(phi, jnp.zeros(2)).phi)(jnp.zeros(2))
    np.testing.assert_allclose(got, expected * np.eye(2), atol=1e-14)


def test_unknown_words_and_numbers_out_of_range_are_refused():
    for name, bad in (
        ("gan-qp", {"norm": "l3"}),
        ("fgan-kl", {"mode": "max"}),
        ("wgan-clip", {"clip": 0.0}),
        ("wgan-div", {"p": 0.5}),
        ("lsgan", {"target": float("nan")}),
    ):
        with pytest.raises(dg.InputError, match="allowed|Allowed"):
            dg.variant(name, **bad)
