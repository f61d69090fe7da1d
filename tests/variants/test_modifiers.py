"""What with_ adds: penalties, smoothed labels and instance noise, against formulas typed here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit as sigma
from scipy.stats import norm as normal
from selection import slow_but

import diracgan as dg
from diracgan.instance_noise import coupling_of, smooth_mean
from diracgan.variants import modifiers, penalties

PHI, THETA, X0 = np.array([0.7, -0.4]), np.array([-0.3, 1.1]), np.array([0.2, 0.5])


def field(variant, phi=PHI, theta=THETA, x0=X0):
    with jax.enable_x64(True):
        return [
            np.asarray(a) for a in dg.field(variant, jnp.asarray(x0))(jnp.asarray(phi), jnp.asarray(theta))
        ]


def added(name, **changes):
    """What a modifier adds to the two velocities."""
    v = dg.variant(name)
    return [a - b for a, b in zip(field(v.with_(**changes)), field(v), strict=True)]


S, R, LENGTH = PHI @ THETA, PHI @ X0, np.linalg.norm(PHI)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        pytest.param(name, at, marks=[pytest.mark.slow] * (name != "gan-qp" and at != "interpolated"))
        for name in ("ns", "hinge", "gan-qp")
        for at in ("real", "fake", "interpolated", "noisy")
    ],
)
def test_gradient_penalty_on_any_variant(name, at):
    dphi, dtheta = added(name, gp=0.3, gp_center=0.5, gp_at=at)
    np.testing.assert_allclose(dphi, -0.6 * (LENGTH - 0.5) * PHI / LENGTH, atol=1e-15)
    np.testing.assert_allclose(dtheta, 0.0, atol=1e-16)


def test_gradient_penalty_asks_for_norm_one_by_default():
    np.testing.assert_allclose(added("ns", gp=0.3)[0], -0.6 * (LENGTH - 1) * PHI / LENGTH, atol=1e-15)


def test_slopes_are_the_critics_own_where_it_takes_those_of_the_whole_batch():
    class Whole:
        def gradients(self, x):
            return 2.0 * x

    x = jnp.arange(12.0).reshape(2, 3, 2)
    sizes = np.sum(4 * np.arange(12.0).reshape(2, 6) ** 2, axis=1)
    np.testing.assert_allclose(penalties.squared_slopes(Whole(), x), sizes)
    np.testing.assert_allclose(penalties.slopes(Whole(), x), np.sqrt(sizes), rtol=1e-6)
    np.testing.assert_allclose(penalties.squared_slopes(lambda s: jnp.sum(s**2), x), sizes)


def test_penalties_on_the_logits():
    np.testing.assert_allclose(added("rpgan", lecam=0.3)[0], -0.6 * (S * THETA + R * X0), atol=1e-15)
    np.testing.assert_allclose(added("rpgan", clc=0.3)[0], -0.3 * (S * THETA + R * X0), atol=1e-15)


def test_penalties_add_up_and_see_the_critic_as_it_is_used():
    both = added("ns", r1=0.2, r2=0.3, l2=0.4, gp=0.1, gp_center=0.0)
    np.testing.assert_allclose(both[0], -(0.2 + 0.3 + 0.4 + 0.2) * PHI, atol=1e-15)
    np.testing.assert_allclose(added("wgan", r1=0.2, gp=0.1)[0], 0.0, atol=1e-15)  # |grad D| = 1 always
    np.testing.assert_allclose(added("wgan", l2=0.2)[0], -0.2 * PHI, atol=1e-15)


def test_with_replaces_only_what_is_named():
    v = dg.variant("ns").with_(r1=0.2, gp=0.3).with_(gp_at="fake", r1=0.5)
    assert v.modifications == {"r1": 0.5, "gp": 0.3, "gp_at": "fake"}
    assert v.with_(gp=None).label == "ns + r1=0.5 + gp_at=fake"
    assert v.hyperparameters == v.modifications


def test_smoothed_labels_act_on_the_critic_alone():
    for name in ("ns", "saturating"):
        dphi, dtheta = added(name, smooth_real=0.1, smooth_fake=0.2)
        np.testing.assert_allclose(dphi, -0.1 * X0 + 0.2 * THETA, atol=1e-15)
        np.testing.assert_allclose(dtheta, 0.0, atol=1e-16)
    dphi, dtheta = added("lsgan", smooth_real=0.1, smooth_fake=0.2)
    np.testing.assert_allclose(dphi, -0.1 * X0 + 0.2 * THETA, atol=1e-15)
    np.testing.assert_allclose(dtheta, 0.0, atol=1e-16)


@pytest.mark.parametrize("name", ["hinge", "wgan-gp", "rpgan", "gan-qp", "fgan-js"])
def test_smoothing_is_refused_where_there_are_no_labels(name):
    with pytest.raises(dg.InputError, match=r"smooth_real needs a loss with labels.*ns, saturating"):
        dg.variant(name).with_(smooth_real=0.1)


@pytest.mark.parametrize("which", ["l2", "l1", "l2sq", "rms"])
def test_noise_is_refused_where_the_loss_needs_the_samples(which):
    with pytest.raises(dg.InputError, match="distance"):
        dg.variant("gan-qp", norm=which).with_(noise=0.1)


def test_noise_is_refused_for_a_users_loss_by_its_trace():
    class Far(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean((fake - real) * jnp.sum((x_fake - x_real) ** 2))

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    with pytest.raises(dg.InputError, match="Far"):
        Far().with_(noise=0.1)


NODES = np.linspace(-12, 12, 2001)  # the trapezium converges exponentially here
WEIGHTS = normal.pdf(NODES) * (NODES[1] - NODES[0])


def gauss(f, mean, spread):
    return WEIGHTS @ f(mean + spread * NODES)


@pytest.mark.parametrize("sigma_", [0.05, 1.5])
@pytest.mark.parametrize("dim", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_noise_on_ns_is_its_gaussian_mean(dim, sigma_):
    rng = np.random.default_rng(dim)
    phi, theta, x0 = rng.normal(size=(3, dim)) * 0.6
    dphi, dtheta = field(dg.variant("ns").with_(noise=sigma_), phi, theta, x0)
    a, s, r = sigma_ * np.linalg.norm(phi), phi @ theta, phi @ x0

    def steep(u):
        return sigma(u) * sigma(-u)

    # Stein: E[f'(s + a e) sigma e] along phi is sigma^2 phi E f''
    pull = sigma_**2 * (gauss(steep, r, a) + gauss(steep, s, a)) * phi
    want = gauss(lambda u: sigma(-u), r, a) * x0 - gauss(sigma, s, a) * theta - pull
    np.testing.assert_allclose(dphi, want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dtheta, gauss(lambda u: sigma(-u), s, a) * phi, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dim", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_noise_damps_ns_like_l2_at_rest(dim):
    # E softplus(u + sigma phi.e) has the Hessian sigma^2/4 I at phi = 0, once for each kind of sample
    with jax.enable_x64(True):
        f = dg.field(dg.variant("ns").with_(noise=0.8))
        got = jax.jit(jax.jacobian(lambda phi: f(phi, jnp.zeros(dim)).phi))(jnp.zeros(dim))
    np.testing.assert_allclose(got, -0.5 * 0.64 * np.eye(dim), atol=1e-9)


def test_noise_on_hinge_is_smooth_and_exact():
    dphi, dtheta = field(dg.variant("hinge").with_(noise=0.7))
    a = 0.7 * LENGTH
    want = normal.cdf((1 - R) / a) * X0 - normal.cdf((1 + S) / a) * THETA
    want -= 0.7 * PHI / LENGTH * (normal.pdf((1 - R) / a) + normal.pdf((1 + S) / a))
    np.testing.assert_allclose(dphi, want, atol=1e-13)
    np.testing.assert_allclose(dtheta, PHI, atol=1e-13)


def test_noise_on_a_paired_loss_adds_both_variances():
    dphi, _ = field(dg.variant("rpgan").with_(noise=0.7))
    u, a = S - R, 0.7 * np.sqrt(2) * LENGTH
    want = -gauss(sigma, u, a) * (THETA - X0) - 2 * 0.49 * gauss(lambda v: sigma(v) * sigma(-v), u, a) * PHI
    np.testing.assert_allclose(dphi, want, atol=1e-13)


def test_noise_reaches_the_penalties_on_logits():
    v = dg.variant("wgan-linear").with_(lecam=0.3)
    got = field(v.with_(noise=0.7))[0] - field(v)[0]
    np.testing.assert_allclose(got, -4 * 0.3 * 0.49 * PHI, atol=1e-13)


def test_noise_pairs_a_loss_that_does_not_split():
    # E (r + a e)^2 (f + b h)^2 = (r^2 + a^2)(f^2 + b^2)
    with jax.enable_x64(True):
        r, f, a, b = (jnp.array([x]) for x in (0.3, -0.8, 0.5, 1.2))
        got = smooth_mean(lambda r, f: jnp.sum(r**2 * f**2), "pairs", r, f, a, b)
    np.testing.assert_allclose(got, (0.09 + 0.25) * (0.64 + 1.44), rtol=1e-12)


def test_coupling_is_found_from_the_loss():
    found = {n: coupling_of(dg.variant(n), "critic_loss") for n in ("ns", "hinge", "rpgan", "ragan", "lsgan")}
    assert found == dict(
        ns="separable", hinge="separable", rpgan="difference", ragan="difference", lsgan="separable"
    )
    assert coupling_of(dg.variant("rpgan"), "generator_loss") == "difference"


def test_a_mean_that_quadrature_cannot_reach_is_nan():
    with jax.enable_x64(True):
        one = jnp.ones(1)

        def mean(f):
            return smooth_mean(
                lambda r, f: jnp.sum(jnp.logaddexp(0.0, 1e4 * f)), "separable", one, f, one, one
            )

        assert np.isnan(mean(one))
        assert np.isnan(jax.grad(mean)(one))


SMOOTH = {
    "softplus": (lambda u: jnp.logaddexp(0.0, u), lambda u: np.logaddexp(0.0, u)),
    "shifted": (lambda u: jnp.logaddexp(0.0, 3 * u - 5), lambda u: np.logaddexp(0.0, 3 * u - 5)),
    "square": (lambda u: (u - 1) ** 2, lambda u: (u - 1) ** 2),
    "tanh": (jnp.tanh, np.tanh),
}


@pytest.mark.parametrize("name", slow_but(SMOOTH, "softplus", "square"))
def test_the_mean_over_noise_is_the_integral_for_logits_of_any_size(name):
    """Against SciPy's adaptive quadrature, which is told where the loss bends; 60 is noise 3 on a weight of 20."""
    loss, plain = SMOOTH[name]
    logits, deviations = np.array(
        [(m, s) for m in (-40.0, -2.0, 0.0, 11.0, 40.0) for s in (1e-3, 0.05, 0.7, 3, 20, 60)]
    ).T
    with jax.enable_x64(True):
        one = jnp.ones(1)

        def mean(m, s):
            return smooth_mean(lambda r, f: jnp.sum(loss(f)), "separable", 0 * one, m[None], one, s[None])

        got = np.asarray(jax.jit(jax.vmap(mean))(jnp.asarray(logits), jnp.asarray(deviations)))
    for m, s, g in zip(logits, deviations, got, strict=True):
        bends = [(u - m) / s for u in (-5, 0, 1.7, 5) if abs(u - m) < 12 * s]
        want = quad(
            lambda e, m=m, s=s: plain(m + s * e) * normal.pdf(e),
            -12,
            12,
            points=bends or None,
            limit=500,
            epsabs=1e-13,
            epsrel=1e-12,
        )[0]
        assert g == pytest.approx(want, rel=2e-12, abs=2e-12)


KINKED = {
    "relu": (lambda u: jax.nn.relu(1.0 - u), lambda u: max(1.0 - u, 0.0), [1.0]),
    "abs": (lambda u: jnp.abs(u + 0.5), lambda u: abs(u + 0.5), [-0.5]),
    "leaky": (lambda u: jax.nn.leaky_relu(u, 0.2), lambda u: u if u > 0 else 0.2 * u, [0.0]),
    "squared": (lambda u: jnp.maximum(u, 0.0) ** 2, lambda u: max(u, 0.0) ** 2, [0.0]),
    "two": (
        lambda u: jax.lax.clamp(-1.0, u, 2.0) + u * jnp.abs(u),
        lambda u: np.clip(u, -1, 2) + u * abs(u),
        [-1.0, 0.0, 2.0],
    ),
    "clip": (lambda u: jnp.clip(u, -1.0, 2.0), lambda u: np.clip(u, -1, 2), [-1.0, 2.0]),
    "nested": (
        lambda u: jnp.abs(jax.nn.relu(u) - 0.5) * u,
        lambda u: abs(max(u, 0.0) - 0.5) * u,
        [0.0, 0.5],
    ),
    "huber": (
        lambda u: jnp.where(jnp.abs(u) < 1.0, 0.5 * u * u, jnp.abs(u) - 0.5),
        lambda u: 0.5 * u * u if abs(u) < 1 else abs(u) - 0.5,
        [-1.0, 1.0],
    ),
    "no polynomial": (
        lambda u: jnp.abs(jnp.tanh(u) - 0.5) + jax.nn.relu(1.0 - jnp.tanh(u)),
        lambda u: abs(np.tanh(u) - 0.5) + 1.0 - np.tanh(u),
        [np.arctanh(0.5)],
    ),
}
"""Losses with a kink, for JAX and for SciPy, and where the kinks are."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "nested")) for n in KINKED]
)
def test_the_mean_over_noise_of_a_loss_with_kinks_is_the_integral_and_so_are_its_derivatives(name):
    """Against SciPy, told the kinks: for e ~ N(0, 1), d/dm E g(m + s e) = E e g / s, d/ds = E (e^2 - 1) g / s."""
    loss, plain, kinks = KINKED[name]
    one = np.ones(1)

    def mean(m, s):
        return smooth_mean(lambda r, f: jnp.sum(loss(f)), "separable", 0 * one, m[None], one, s[None])

    logits, deviations = map(np.ravel, np.meshgrid([-6.0, -0.7, 0.0, 1.0, 5.0], [0.05, 0.7, 3.0]))
    with jax.enable_x64(True):
        both = jax.jit(jax.vmap(jax.value_and_grad(mean, argnums=(0, 1))))
        value, (by_mean, by_spread) = both(jnp.asarray(logits), jnp.asarray(deviations))
    for m, s, *got in zip(logits, deviations, value, by_mean, by_spread, strict=True):
        breaks = [(k - m) / s for k in kinks if abs(k - m) < 12 * s] or None
        weights = (lambda e: 1.0, lambda e, s=s: e / s, lambda e, s=s: (e * e - 1.0) / s)
        for g, weight in zip(got, weights, strict=True):

            def integrand(e, m=m, s=s, weight=weight):
                return weight(e) * plain(m + s * e) * normal.pdf(e)

            want = quad(integrand, -12, 12, points=breaks, limit=200, epsabs=1e-11, epsrel=1e-10)[0]
            assert g == pytest.approx(want, rel=1e-10, abs=1e-10)


def test_the_mean_over_noise_of_relu_is_its_closed_form_with_its_curvature():
    # E relu(m + s e) = m Phi(m/s) + s phi(m/s); d/dm = Phi(m/s), d^2/dm^2 = phi(m/s) / s, d/ds = phi(m/s)
    one = np.ones(1)

    def mean(m, s):
        return smooth_mean(lambda r, f: jnp.sum(jax.nn.relu(f)), "separable", 0 * one, m[None], one, s[None])

    m, s = map(np.ravel, np.meshgrid([-2.0, -0.1, 0.0, 0.3, 4.0], [0.05, 0.7, 3.0]))
    with jax.enable_x64(True):

        def derivatives(m, s):
            return mean(m, s), *jax.grad(mean, (0, 1))(m, s), jax.grad(jax.grad(mean))(m, s)

        got = jax.jit(jax.vmap(derivatives))(jnp.asarray(m), jnp.asarray(s))
    cdf, pdf = normal.cdf(m / s), normal.pdf(m / s)
    for have, want in zip(got, (m * cdf + s * pdf, cdf, pdf, pdf / s), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-13)


def test_the_mean_over_noise_of_a_cast_to_whole_numbers_is_right_or_none():
    """E u trunc(u) = sum over k >= 1 of E[u; u >= k] - E[u; u <= -k], and E[u; u >= k] = m Phi(-a) + s phi(a).

    Here a = (k - m)/s, and the other sum is the same of -m. As a polynomial, u trunc(u) would have no step.
    """
    one, k = np.ones(1), np.arange(1, 60)

    def beyond(m, s):
        return np.sum(m * normal.sf((k - m) / s) + s * normal.pdf((k - m) / s))

    with jax.enable_x64(True):
        for m, s, is_seen in [(0.5, 0.05, True), (2.4, 0.03, True), (-3.3, 0.02, True), (0.5, 1.0, False)]:
            mean = smooth_mean(
                lambda r, f: jnp.sum(f * f.astype(int)), "separable", 0 * one, m * one, one, s * one
            )
            assert np.isnan(mean) != is_seen
            if is_seen:
                assert mean == pytest.approx(beyond(m, s) + beyond(-m, s), rel=1e-12, abs=1e-12)


def test_noise_on_a_kinked_loss_that_is_no_polynomial_is_still_the_integral():
    # |u| + tanh u, by Gauss between kinks
    one = np.ones(1)
    with jax.enable_x64(True):
        got = smooth_mean(
            lambda r, f: jnp.sum(jnp.abs(f) + jnp.tanh(f)),
            "separable",
            *(jnp.asarray(x) for x in (0 * one, 0.4 * one, one, 0.7 * one)),
        )

    def integrand(e):
        return (abs(0.4 + 0.7 * e) + np.tanh(0.4 + 0.7 * e)) * normal.pdf(e)

    want = quad(integrand, -12, 12, points=[-0.4 / 0.7], epsabs=1e-12)
    assert got == pytest.approx(want[0], rel=1e-11)


def test_the_mean_over_hardly_any_noise_has_derivatives():
    one = np.ones(1)

    def mean(s):
        return smooth_mean(
            lambda r, f: jnp.sum(jax.nn.relu(1 - f)), "separable", 0 * one, 0 * one, one, s[None]
        )

    with jax.enable_x64(True):  # s^2 underflows; the kink is far
        got = [float(x) for s in (0.0, 1e-200) for x in jax.value_and_grad(mean)(jnp.asarray(s))]
    assert got == pytest.approx([1.0, 0.0, 1.0, 0.0], abs=1e-15)


def _bent(real, fake, width, weight):
    return jnp.sum(weight * jax.nn.relu(jnp.abs(fake - width) - 1.5))


def test_the_mean_over_noise_is_refused_where_a_bent_surface_is_given_by_the_losses_numbers():
    """relu(tanh u - c) bends at artanh c, which is not where a tangent vanishes: a slope would be off by 0.006."""
    one = np.ones(1)

    def mean(m, s, c):
        return smooth_mean(
            lambda r, f, c: jnp.sum(jax.nn.relu(jnp.tanh(f) - c)),
            "separable",
            0 * one,
            m[None],
            one,
            s[None],
            [c],
        )

    with jax.enable_x64(True):
        found = jax.jit(jax.value_and_grad(mean, (0, 1, 2)))(*map(jnp.asarray, (0.1, 0.7, 0.3)))
    assert np.all(np.isnan(jax.tree.leaves(found)))


@pytest.mark.slow  # fast, of kinks at fixed places: the loss with nested ones, above
def test_noise_on_a_loss_whose_nested_kinks_are_given_by_its_numbers():
    """w relu(|u - d| - 3/2) bends at d and d +- 3/2; d and w are traced. Derivatives by m and d are opposite."""
    one, (m, s, d, w) = np.ones(1), (0.4, 0.7, 1.0, 1.7)

    def mean(m, d):
        return smooth_mean(_bent, "separable", 0 * one, m[None], one, s * one, [d, jnp.asarray(w)])

    def weighted(weight):
        breaks = [(k - m) / s for k in (d - 1.5, d, d + 1.5)]
        return quad(
            lambda e: w * weight(e) * max(abs(m + s * e - d) - 1.5, 0.0) * normal.pdf(e),
            -12,
            12,
            points=breaks,
        )[0]

    with jax.enable_x64(True):
        value, (by_mean, by_width) = jax.jit(jax.value_and_grad(mean, (0, 1)))(jnp.asarray(m), jnp.asarray(d))
    assert float(value) == pytest.approx(weighted(lambda e: 1.0), rel=1e-9)
    assert float(by_mean) == pytest.approx(weighted(lambda e: e / s), rel=1e-8)
    assert float(by_width) == pytest.approx(-float(by_mean), rel=1e-9)


@pytest.mark.slow  # no fast witness: too dear
def test_an_orbit_that_drifts_beyond_the_errors_is_not_neutral():
    """Hinge with noise s from r = 0.22 falls by 3e-9 a turn: its kinks are 6 deviations away, beyond all powers of r.

    phi' = -theta P(1 + phi theta + s phi e > 0) - 2 s n, theta' = phi with n the density at the kink: on a circle
    d log r / dt is the mean of (phi phi' + theta theta') / r^2. With r -> 0 it falls like exp(-1 / (2 s^2 r^2)), so
    that r ~ 1 / (s sqrt(2 log t)), which is no power of t.
    """
    s, r = 0.7, 0.05**0.5

    def drift(angle):
        phi, theta = r * np.cos(angle), r * np.sin(angle)
        kinks = 1.0 / (s * abs(phi)), (1.0 + phi * theta) / (s * abs(phi))
        push = theta * normal.sf(kinks[1]) - s * np.sign(phi) * (normal.pdf(kinks[0]) + normal.pdf(kinks[1]))
        return phi * push / r**2

    rate = np.mean([drift(a) for a in 2 * np.pi * (np.arange(2000) + 0.5) / 2000])
    found = dg.verdict(dg.variant("hinge").with_(noise=s), [0.1], [0.2], edge=False)
    assert found.kind == "undecided"
    assert float(found.text.split("share of ")[1].split()[0]) == pytest.approx(-rate, rel=0.01)


@pytest.mark.slow  # less noise still: test_the_mean_over_hardly_any_noise_has_derivatives
def test_a_mean_over_little_noise_is_differentiated_to_all_digits():
    # Stein: d/ds E softplus(m + s e) = s E sigma'(m + s e) = s / 4 at m = 0, to s^2
    with jax.enable_x64(True):
        one = jnp.ones(1)

        def mean(s):
            return smooth_mean(
                lambda r, f: jnp.sum(jnp.logaddexp(0.0, f)), "separable", 0 * one, 0 * one, one, s[None]
            )

        for s in (1e-12, 1e-6, 1e-3):
            at = jnp.asarray(s)
            assert float(jax.grad(mean)(at)) == pytest.approx(0.25 * s, rel=s**2 + 1e-14)
            assert float(jax.jit(jax.grad(jax.grad(mean)))(at)) == pytest.approx(0.25, rel=s**2 + 1e-13)


@pytest.mark.slow  # fast, without noise: contract/test_variants.py::test_the_dtype_is_kept
@pytest.mark.parametrize("name", ["ns", "hinge", "rpgan"])
def test_noise_keeps_the_dtype(name):
    f = dg.field(dg.variant(name).with_(noise=0.4))
    single = [jnp.asarray(x, jnp.float32) for x in (PHI, THETA)]
    want = field(dg.variant(name).with_(noise=0.4), x0=0.0 * X0)
    for double in (False, True):
        with jax.enable_x64(double):
            got = f(*single)
        assert got.phi.dtype == got.theta.dtype == jnp.float32
        np.testing.assert_allclose(got.phi, want[0], atol=1e-5)


def test_every_modifier_and_its_domain():
    assert list(modifiers()) == (
        "l2 r1 r2 gp gp_center gp_at lecam clc smooth_real smooth_fake noise consensus sga".split()
    )
    for name, bad in (("gp", -1), ("noise", -0.1), ("smooth_real", 1.5), ("gp_at", "middle"), ("lecam", "x")):
        with pytest.raises(dg.InputError, match="llowed"):
            dg.variant("ns").with_(**{name: bad})


@pytest.mark.slow  # fast, of four: test_penalties_add_up_and_see_the_critic_as_it_is_used
def test_all_combine():
    v = dg.variant("ns").with_(
        gp=0.1,
        lecam=0.2,
        clc=0.1,
        smooth_real=0.1,
        smooth_fake=0.05,
        noise=0.2,
        l2=0.1,
        r1=0.1,
        consensus=0.2,
    )
    assert np.all(np.isfinite(np.concatenate(field(v))))
    assert "noise=0.2" in v.label
