"""The linear analysis: statuses, the traps that fake a derivative, error bounds, and what non-normality adds."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import diracgan as dg
from diracgan.analysis.linear.decision import Status
from diracgan.analysis.linear.spectrum import _words
from diracgan.numerics import eigen

DIMS = [1, pytest.param(2, marks=pytest.mark.slow), 3]


class User(dg.Variant):
    """A linear WGAN whose critic pays ``mu`` times a penalty that a user wrote."""

    mu: float = 0.1

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


def penalised(of_phi) -> type[User]:
    """A fresh class of the linear WGAN with the penalty mu of_phi(phi)."""
    body = {"penalty": lambda self, critic, phi, *_: self.mu * of_phi(phi), "__module__": __name__}
    return type("Penalised", (User,), body)


def spectrum_of(jacobian) -> np.ndarray:
    w = np.linalg.eigvals(np.array(jacobian))
    return w[np.lexsort((-w.imag, -w.real))]


# ------------------------------------------------------------ is there a derivative?

naive = penalised(jnp.linalg.norm)
naive_square = penalised(lambda phi: jnp.linalg.norm(phi) ** 2)
guarded = penalised(lambda phi: jnp.where(jnp.sum(phi**2) > 0, jnp.sqrt(jnp.sum(phi**2)), 0.0))
softened = penalised(lambda phi: jnp.sqrt(jnp.sum(phi**2) + 1e-24))
kinked = penalised(lambda phi: jnp.sum(phi * jnp.abs(phi)))
rooted = penalised(lambda phi: jnp.sum(jnp.abs(phi) ** 1.5))
cubed = penalised(lambda phi: jnp.linalg.norm(phi) ** 3)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("c", [1.0, 1e-6])
def test_the_penalty_that_wants_a_slope_has_no_derivative(dim, c):
    # phi' jumps by 2 lam c phi/|phi| at phi = 0, however small c is; a safe norm would report a clean spiral
    s = dg.spectrum(dg.variant("wgan-gp", c=c), dim=dim)
    assert (s.status, s.differentiable, s.is_equilibrium) == ("no-derivative", False, True)
    assert s.eigenvalues.size == 0
    assert s.margin is None
    assert c < 1 or "the field jumps" in s.text  # a jump of 2e-7 is not told from a kink


@pytest.mark.parametrize("loss", [naive, guarded, softened], ids=["naive", "guarded", "softened"])
@pytest.mark.parametrize("dim", [1, 2])
def test_a_norm_has_no_derivative_at_zero_however_it_is_written(loss, dim):
    assert dg.spectrum(loss(), dim=dim).status == "no-derivative"


@pytest.mark.parametrize(("loss", "mu"), [(kinked, 1e-6), (kinked, 1.0), (rooted, 0.1)])
def test_a_kink_and_a_root_have_no_derivative(loss, mu):
    s = dg.spectrum(loss(mu=mu), dim=1)
    assert s.status == "no-derivative" and "the field has a kink" in s.text


def test_where_autodiff_fails_the_jacobian_is_still_right():
    # |phi|^2 through a naive norm: autodiff's second derivative at 0 is NaN or wrong; the truth is L2 with mu = 0.2
    s = dg.spectrum(naive_square(), dim=2)
    np.testing.assert_allclose(
        s.eigenvalues, [-0.1 + 0.99498743710662j] * 2 + [-0.1 - 0.99498743710662j] * 2, atol=1e-12
    )
    assert s.status == "stable"
    # |phi|^3 adds nothing to first order
    np.testing.assert_allclose(dg.spectrum(cubed(), dim=2).eigenvalues.imag, [1, 1, -1, -1], atol=1e-12)


@pytest.mark.parametrize("power", [1.05, 1.2, 1.3])
def test_a_slope_that_differences_approach_slowly_is_that_of_the_point(power):
    # phi' = -theta - mu (2e-3 phi + |phi|^power sgn phi): the power adds nothing at 0, though at 1e-9 from there it
    # still adds 0.03 to the slope
    steep = penalised(lambda phi: jnp.sum(1e-3 * phi**2 + jnp.abs(phi) ** (1 + power) / (1 + power)))
    s = dg.spectrum(steep(mu=1.0), dim=1)
    assert s.status == "stable"
    np.testing.assert_allclose(s.eigenvalues, spectrum_of([[-2e-3, -1.0], [1.0, 0.0]]), atol=1e-12)


class Squared(User):
    """GAN-QP with the squared distance, written without care: 0/0 wherever the fake meets the datum."""

    def critic_loss(self, real, fake, x_real, x_fake):
        rise = jnp.mean(fake - real)
        return rise + 0.5 * rise**2 / jnp.sum((x_fake - x_real) ** 2)


def test_a_field_homogeneous_of_degree_one_passes_the_axes_and_has_no_derivative():
    # phi' = -theta - s theta/|theta|^2: in d = 1 that is -theta - phi, in d >= 2 a kink that no axis shows
    s = dg.spectrum(Squared(), dim=1)
    np.testing.assert_allclose(s.eigenvalues, [-0.5 + 0.75**0.5 * 1j, -0.5 - 0.75**0.5 * 1j], atol=1e-9)
    for dim in (2, 3):
        s = dg.spectrum(Squared(), dim=dim)
        assert (s.status, s.differentiable, s.is_equilibrium) == ("no-derivative", False, True)


class Unsmooth(User):
    """GAN-QP's own quotient without care: 0/0 on theta = x0, and yet differentiable at the equilibrium."""

    def critic_loss(self, real, fake, x_real, x_fake):
        rise = jnp.mean(fake - real)
        return rise + 0.5 * rise**2 / jnp.linalg.norm(x_fake - x_real)


def test_a_quotient_without_value_on_a_thin_set_does_not_hide_the_derivative():
    s = dg.spectrum(Unsmooth(), dim=2)
    np.testing.assert_allclose(s.eigenvalues, [1j, 1j, -1j, -1j], atol=1e-8)
    assert s.status == "marginal"  # and not stable by the error of a difference
    assert s.error > abs(s.eigenvalues.real).max()


def test_smooth_from_one_side_only_is_smooth_inside():
    # the one-sided penalty is not felt below |phi| = c
    assert dg.spectrum(dg.variant("wgan-gp", c=0.5, one_sided=True), dim=2).status == "marginal"
    assert dg.spectrum(dg.variant("wgan-gp", c=0.0, one_sided=True), dim=2).status == "stable"


# ------------------------------------------------------------ is it an equilibrium?


@pytest.mark.parametrize("dim", DIMS)
def test_the_normalised_critic_has_no_equilibrium(dim):
    s = dg.spectrum(dg.variant("wgan"), dim=dim)
    assert (s.status, s.is_equilibrium, s.residual) == ("not-an-equilibrium", False, None)
    assert s.eigenvalues.size == 0
    assert "nan" not in s.text.lower()


def test_elsewhere_the_residual_decides():
    v = dg.variant("wgan-gp", c=1.0, lam=0.1)
    s = dg.spectrum(v, at=([1.0, 0.0], [0.3, 0.0]))
    assert s.status == "not-an-equilibrium"
    assert s.residual == pytest.approx(1.0, abs=1e-12)  # F = (-theta, phi) on the unit circle
    # a jump whose limits leave 0 outside their hull: phi' is -theta -+ 2 lam c with |theta| > 2 lam c
    assert dg.spectrum(v, at=([0.0], [0.5])).status == "not-an-equilibrium"
    # and one whose hull holds it: every |theta| <= 2 lam c, the rest points of sliding
    assert dg.spectrum(v, at=([0.0], [0.1])).status == "no-derivative"
    assert dg.spectrum(dg.variant("ns"), at=([1e-6], [0.0])).status == "not-an-equilibrium"


# ------------------------------------------------------------ what the eigenvalues decide


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("lam", [1.0, 1 - 1e-9, 1 + 1e-12, 0.999, 1e6, 1e9, 1e-3])
def test_eigenvalues_near_and_far_from_critical(lam, dim):
    s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=lam), dim=dim)
    root = np.sqrt(complex((lam - 1.0) * (lam + 1.0)))
    small = 1.0 / (-lam - root)  # their product is 1: -lam + root without cancellation
    truth = np.repeat([small, -lam - root], dim)
    np.testing.assert_allclose(s.eigenvalues, truth, rtol=1e-12, atol=1e-9)
    assert abs(s.margin + truth.real.max()) <= max(s.error, 1e-15)
    assert s.status == "stable"


@pytest.mark.parametrize(
    ("mu", "status"), [(5e-13, "stable"), (-5e-13, "unstable"), (0.0, "marginal"), (1e-17, "marginal")]
)
def test_a_tiny_trace_is_decided_by_the_error_bound(mu, status):
    class Tilted(User):
        def penalty(self, critic, phi, x_real, x_fake):
            return 0.5 * self.mu * jnp.sum(phi**2)

    s = dg.spectrum(Tilted(mu=mu), dim=2)
    assert s.status == status
    assert s.margin == pytest.approx(mu / 2, rel=1e-9, abs=1e-25)
    assert 0 < s.error < 1e-13


def test_rates_of_very_different_size_lose_no_digits():
    # D J with D = diag(r_d, r_g): trace -2 r_d lam, determinant r_d r_g
    s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=0.3), rate_d=1e-6, rate_g=1e6)
    np.testing.assert_allclose(s.eigenvalues, [-3e-7 + 1j, -3e-7 - 1j], rtol=1e-12)
    assert s.margin == pytest.approx(3e-7, rel=1e-12)
    assert s.status == "stable"
    s = dg.spectrum(dg.variant("ns").with_(r1=0.7), dim=3, rate_d=2.0, rate_g=0.5)
    truth = spectrum_of([[-1.4, -1.0], [0.25, 0.0]])
    np.testing.assert_allclose(s.eigenvalues, np.repeat(truth, 3), atol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e2, 1e6])
def test_a_datum_away_from_zero_damps_along_itself(size):
    # ns and saturating: J_phiphi = -x0 x0^T/2; across x0 nothing damps
    x0 = size * np.array([0.6, 0.8])
    for name, sign in (("ns", 1), ("saturating", 1)):
        s = dg.spectrum(dg.variant(name), x0=x0)
        along = spectrum_of([[-(size**2) / 2, -0.5], [sign * 0.5, 0.0]])
        for w in [*along, 0.5j, -0.5j]:
            assert np.min(np.abs(s.eigenvalues - w)) < 1e-9 * (1 + abs(w))
        assert s.at == {"phi": [0.0, 0.0], "theta": x0.tolist()}
    assert dg.spectrum(dg.variant("ns"), x0=[size]).status == "stable"


def test_a_jacobian_that_no_zero_takes_apart():
    # ns, x0 = (1, 2, 2)/3 of length 1: along x0 -1/4 +- sqrt(1/16 - 1/4), across it gamma alone
    s = dg.spectrum(dg.variant("ns").with_(r1=0.2), x0=[1 / 3, 2 / 3, 2 / 3])
    along = spectrum_of([[-0.7, -0.5], [0.5, 0.0]])
    across = spectrum_of([[-0.2, -0.5], [0.5, 0.0]])
    for w in [*along, *across]:
        assert np.min(np.abs(s.eigenvalues - w)) < 1e-12
    assert s.margin == pytest.approx(0.1, abs=1e-12)


def test_the_order_of_the_eigenvalues():
    w = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=0.5), dim=3).eigenvalues
    assert np.all(np.diff(w.real) <= 1e-12)
    assert np.all(w.imag[:3] > 0)
    assert np.all(w.imag[3:] < 0)


# ------------------------------------------------------------ the eigenvalue tools


def test_blocks_of_two_are_exact_where_the_eigenvalues_meet():
    # (a - 3)^2 in a badly scaled companion form
    w, errors = eigen.eigenvalues(np.array([[6.0, -9 * 2.0**30], [2.0**-30, 0.0]]))
    np.testing.assert_allclose(w, [3.0, 3.0], rtol=1e-15)
    assert np.all(errors < 1e-6)


def test_error_bounds_hold_under_perturbation():
    rng = np.random.default_rng(7)
    for _ in range(200):
        n = int(rng.integers(2, 5))
        a = rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-3, 3, size=(n, 1))
        e = 1e-7 * np.abs(a).max() * rng.uniform(-1, 1, size=(n, n)) / n
        w, errors = eigen.eigenvalues(a, float(np.abs(e).max() * n))
        moved = np.linalg.eigvals(a + e)
        for value, bound in zip(w, errors, strict=True):
            assert np.min(np.abs(moved - value)) <= 1.5 * bound  # first order


def test_transient_growth_is_the_largest_norm_of_the_propagator():
    rng = np.random.default_rng(3)
    for _ in range(6):
        n = int(rng.integers(2, 5))
        a = rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-1.5, 1.5, size=(n, 1))
        a -= (np.linalg.eigvals(a).real.max() + 10.0 ** rng.uniform(-2, 0)) * np.eye(n)
        w = np.linalg.eigvals(a)
        ts = np.geomspace(1e-3 / np.abs(w).max(), 10 / np.min(-w.real), 1500)
        truth = max(1.0, *(np.linalg.norm(expm(a * t), 2) for t in ts))
        assert eigen.transient_growth(a, True, False) == pytest.approx(truth, rel=1e-3)
    kick = np.array([[0.9, 5.0], [0.0, 0.8]])
    truth = max(np.linalg.norm(np.linalg.matrix_power(kick, k), 2) for k in range(200))
    assert eigen.transient_growth(kick, True, True) == pytest.approx(truth, rel=1e-12)


def test_a_spectrum_turns_where_its_imaginary_part_is_more_than_rounding():
    for imag, way in ((1e-12, "direct"), (1e-6, "spiral")):
        pair = -1.0 + imag * np.array([1j, -1j])
        assert _words(Status.STABLE, pair, 1.0, False, 1).endswith(f"({way})")


@pytest.mark.parametrize(("discrete", "where"), [(True, "unit circle"), (False, "imaginary axis")])
def test_what_is_marginal_says_where_its_eigenvalue_lies(discrete, where):
    words = _words(Status.MARGINAL, np.array([1j, -1j]), 0.0, discrete, 1)
    assert words.startswith("undecided") and f"on the {where}," in words


def test_a_stable_spectrum_can_amplify_and_a_centre_does_not():
    # [[-2 lam r, -r], [1/r, 0]] at r = 10: the ellipse is ten times as long as wide
    s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=0.01), rate_d=10.0, rate_g=0.1)
    assert s.status == "stable"
    a = np.array([[-0.2, -10.0], [0.1, 0.0]])
    truth = max(np.linalg.norm(expm(a * t), 2) for t in np.linspace(0, 4, 400))
    assert s.kind == "flow" and s.differentiable is True
    with pytest.raises(dataclasses.FrozenInstanceError):
        s.status = "unstable"
    assert 8 < truth < 10 and s.transient_growth == pytest.approx(truth, rel=1e-3)
    assert s.numerical_abscissa == pytest.approx(
        np.linalg.eigvalsh(np.array([[-0.2, -4.95], [-4.95, 0]]))[-1], rel=1e-9
    )
    assert dg.spectrum(dg.variant("wgan-linear"), dim=2).transient_growth == pytest.approx(1.0, abs=1e-9)
    assert dg.spectrum(dg.variant("wgan-linear"), rate_d=4.0).transient_growth == pytest.approx(2.0, rel=1e-6)


# ------------------------------------------------------------ steps


def test_multipliers_of_gradient_steps():
    h, lam = 0.3, 0.4
    v = dg.variant("wgan-gp", c=0.0, lam=lam)
    mu = spectrum_of([[-2 * lam, -1], [1, 0]])
    s = dg.spectrum(v, dim=2, rule=dg.rule("simultaneous", lr=h))
    np.testing.assert_allclose(s.multipliers, np.repeat(1 + h * mu, 2), atol=1e-12)
    assert s.spectral_radius == pytest.approx(np.abs(1 + h * mu).max(), abs=1e-12)
    assert s.kind == "map"
    # alternating, critic first: J = (I + h_g E_g J)(I + h_d E_d J)
    j = np.array([[-2 * lam, -1], [1, 0]])
    for n, hd, hg in ((1, 0.3, 0.3), (3, 0.2, 0.05)):
        critic, generator = np.eye(2) + hd * np.diag([1, 0]) @ j, np.eye(2) + hg * np.diag([0, 1]) @ j
        s = dg.spectrum(v, rule=dg.rule("alternating", lr_d=hd, lr_g=hg, n_critic=n))
        np.testing.assert_allclose(
            s.multipliers, spectrum_of(generator @ np.linalg.matrix_power(critic, n)), atol=1e-12
        )
        s = dg.spectrum(v, rule=dg.rule("alternating", lr_d=hd, lr_g=hg, n_critic=n, first="generator"))
        np.testing.assert_allclose(
            s.multipliers, spectrum_of(np.linalg.matrix_power(critic, n) @ generator), atol=1e-12
        )


def test_steps_on_the_bilinear_game():
    linear = dg.variant("wgan-linear")
    s = dg.spectrum(linear, rule=dg.rule("simultaneous", lr=0.1))
    assert (s.status, s.spectral_radius) == ("unstable", pytest.approx(np.sqrt(1.01), abs=1e-13))
    s = dg.spectrum(linear, rule=dg.rule("alternating", lr=0.1))  # det 1, |trace| < 2: on the circle
    assert s.status == "marginal"
    assert abs(s.margin) <= s.error < 1e-13
    s = dg.spectrum(linear, rule=dg.rule("alternating", lr=2.0))  # the Jordan block at -1
    assert s.status == "marginal"
    np.testing.assert_allclose(s.multipliers, [-1, -1], atol=1e-12)
    assert s.transient_growth == np.inf


def test_growth_is_said_per_iteration_or_per_period():
    v = dg.variant("wgan-linear")
    one = dg.spectrum(v, rule=dg.rule("simultaneous", lr=0.1))
    four = dg.spectrum(v.with_(r1=0.3), rule=dg.rule("simultaneous", lr=0.1, lazy=4))
    assert one.text.endswith(f"grow by a factor of {np.sqrt(1.01):.4g} per iteration (spiral)")
    assert four.text.endswith("per 4 iterations (spiral)") and "decay by a factor of" in four.text


def test_an_average_adds_its_own_multipliers_and_does_not_stabilise():
    s = dg.spectrum(dg.variant("ns"), dim=2, rule=dg.rule("simultaneous", lr=0.1, ema=0.99))
    assert s.status == "unstable"
    np.testing.assert_allclose(s.ema_multipliers, [0.99] * 4)
    assert s.spectral_radius == pytest.approx(np.hypot(1, 0.05), abs=1e-12)


def test_a_rule_where_the_field_has_no_derivative_has_none_either():
    for name in ("simultaneous", "alternating"):
        s = dg.spectrum(dg.variant("wgan-gp", c=1.0), dim=1, rule=dg.rule(name, lr=0.1))
        assert s.status == "no-derivative"
        assert s.multipliers.size == 0
        assert dg.spectrum(dg.variant("wgan"), dim=2, rule=dg.rule(name)).status == "not-an-equilibrium"


def test_the_answer_is_plain_data():
    s = dg.spectrum(dg.variant("ns", l2=0.1), dim=2, rate_d=2.0)
    d = s.as_dict()
    assert (d["variant"], d["dim"], d["rate_d"], d["x0"]) == ("ns + l2=0.1", 2, 2.0, [0.0, 0.0])
    assert d["hyperparameters"] == {"l2": 0.1}
