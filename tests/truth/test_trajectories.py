"""Whole trajectories against closed forms: rotations, exponentials, exact piecewise solutions, periods, circles."""

from __future__ import annotations

import json

import numpy as np
import oracles
import pytest
from scipy.linalg import expm
from scipy.special import i0
from selection import slow_but

import diracgan as dg
from diracgan.dynamics import run

TIGHT = {"rtol": 1e-12, "atol": 1e-14, "solver": "DOP853"}


def last(traj) -> np.ndarray:
    return np.concatenate([traj["phi"][-1], traj["theta"][-1]])


def events(traj) -> list[tuple[float, str]]:
    return [(e["time"], e["kind"]) for e in json.loads(traj.attrs["events"])]


# ------------------------------------------------------------ linear fields


def test_wgan_linear_rotates_about_the_datum():
    # phi' = -a g, g' = b phi, g = theta - x0: g'' = -a b g, an ellipse of angular frequency sqrt(a b)
    phi0, theta0, x0 = np.array([0.7, -1.2, 0.1]), np.array([0.4, 2.0, -0.3]), np.array([0.5, 0.0, -1.0])
    a, b = 1.7, 0.3
    ts = np.array([0.0, 0.3, 5.0, 60.0])
    traj = run(dg.variant("wgan-linear"), phi0, theta0, x0=x0, rate_d=a, rate_g=b, ts=ts, **TIGHT)
    w = np.sqrt(a * b)
    g0 = theta0 - x0
    c, s = np.cos(w * ts)[:, None], np.sin(w * ts)[:, None]
    np.testing.assert_allclose(traj["phi"], phi0 * c - np.sqrt(a / b) * g0 * s, atol=1e-9)
    np.testing.assert_allclose(traj["theta"], x0 + g0 * c + np.sqrt(b / a) * phi0 * s, atol=1e-9)


@pytest.mark.parametrize("lam", [0.1, 1.0, 2.5])
def test_wgan_gp_zero_is_a_matrix_exponential_and_so_is_its_average(lam):
    # z' = J z and zbar' = (z - zbar)/tau, together one linear system
    phi0, theta0, x0, mu, a, b, tau = (
        np.array([0.7, -1.2]),
        np.array([0.4, 2.0]),
        np.array([0.5, -1.0]),
        0.2,
        1.3,
        0.6,
        3.0,
    )
    v = dg.variant("wgan-gp", c=0.0, lam=lam).with_(l2=mu)
    traj = run(v, phi0, theta0, x0=x0, rate_d=a, rate_g=b, ts=[0.5, 7.0], ema_tau=tau, **TIGHT)
    whole = np.zeros((4, 4))
    whole[:2, :2] = [[-a * (2 * lam + mu), -a], [b, 0.0]]
    whole[2:, :2], whole[2:, 2:] = np.eye(2) / tau, -np.eye(2) / tau
    for k, t in enumerate((0.5, 7.0)):
        for i in range(2):
            z0 = np.array([phi0[i], theta0[i] - x0[i]] * 2)
            phi, g, phi_ema, g_ema = expm(whole * t) @ z0
            np.testing.assert_allclose(
                [traj[n][k, i] for n in ("phi", "theta", "phi_ema", "theta_ema")],
                [phi, g + x0[i], phi_ema, g_ema + x0[i]],
                atol=1e-10,
            )


# ------------------------------------------------------------ piecewise linear fields


STARTS = [
    (0.1, 1.0, 0.1, 0.2, 1.0, 1.0, 0.0),
    (0.37, 0.6, -0.5, 1.3, 1.7, 0.4, 0.0),
    (0.05, 2.0, 0.3, 0.4, 0.5, 2.0, 0.2),
]
EXACT = [(s, *start) for s in ("DOP853", "LSODA", "tsit5") for start in STARTS]


@pytest.mark.parametrize(
    ("solver", "lam", "c", "phi0", "theta0", "a", "b", "mu"),
    # tsit5, which takes longer to compile, crosses surfaces exactly in tests/tracing/test_switching.py
    slow_but(EXACT, ("DOP853", *STARTS[1])),
)
def test_wgan_gp_in_one_dimension_crosses_its_surface_exactly(solver, lam, c, phi0, theta0, a, b, mu):
    # phi' = a (-theta - (2 lam + mu) phi + 2 lam c sign phi): linear on both sides of phi = 0
    pieces = oracles.critic_pays(lambda i: (2 * lam + mu, (2 * lam * c, -2 * lam * c)[i]), [0.0], a, b)
    truth, crossings = oracles.piecewise_linear(pieces, (phi0, theta0), 30.0)
    v = dg.variant("wgan-gp", lam=lam, c=c).with_(l2=mu)
    traj = run(v, [phi0], [theta0], rate_d=a, rate_g=b, t1=30.0, rtol=1e-12, atol=1e-14, solver=solver)
    np.testing.assert_allclose(last(traj), truth, atol=1e-10)
    assert [kind for _, kind in events(traj)] == ["crossing"] * len(crossings)
    np.testing.assert_allclose([t for t, _ in events(traj)], [t for t, _ in crossings], atol=1e-10)
    # and to 1e-8 at the default tolerances
    traj = run(
        v, [phi0], [theta0], rate_d=a, rate_g=b, t1=30.0, solver="tsit5" if solver == "tsit5" else "DOP853"
    )
    np.testing.assert_allclose([t for t, _ in events(traj)], [t for t, _ in crossings], atol=1e-8)


def test_the_one_sided_penalty_in_one_dimension():
    # inside |phi| < c a rotation, outside phi' = -theta - 2 lam (phi -+ c)
    lam, c = 0.4, 0.7
    pieces = oracles.critic_pays(
        lambda i: ((2 * lam, 2 * lam * c), (0.0, 0.0), (2 * lam, -2 * lam * c))[i], [-c, c]
    )
    truth, crossings = oracles.piecewise_linear(pieces, (1.5, 0.3), 25.0)
    traj = run(dg.variant("wgan-gp", lam=lam, c=c, one_sided=True), [1.5], [0.3], t1=25.0, **TIGHT)
    np.testing.assert_allclose(last(traj), truth, atol=1e-10)
    met = np.array([t for t, _ in events(traj)])  # and phi = 0, where |phi| has a kink that nobody feels
    assert all(np.min(np.abs(met - t)) < 1e-9 for t, _ in crossings)


def test_a_strong_penalty_creeps_to_the_edge_of_its_jump():
    # lam >= 1: on phi > 0 the node (0, 2 lam c) attracts: phi -> 0, theta -> 2 lam c
    lam, c = 1.5, 0.8
    traj = run(dg.variant("wgan-gp", lam=lam, c=c), [0.5], [0.1], t1=40.0, **TIGHT)
    j = np.array([[-2 * lam, -1.0], [1.0, 0.0]])
    truth = expm(40 * j) @ [0.5, 0.1 - 2 * lam * c] + [0.0, 2 * lam * c]
    np.testing.assert_allclose(last(traj), truth, atol=1e-10)
    assert not events(traj)


@pytest.mark.slow  # fast, of fewer: test_wgan_gp_in_one_dimension_crosses_its_surface_exactly
def test_many_crossings_do_not_drift():
    # lam < 1: a limit cycle. By symmetry half a period maps (0, theta) to (0, -theta); the crossings become equispaced
    lam, c = 0.6, 0.5
    traj = run(dg.variant("wgan-gp", lam=lam, c=c), [0.1], [0.2], t1=200.0, **TIGHT | {"solver": "tsit5"})
    times = np.array([t for t, _ in events(traj)])
    w = np.sqrt(1 - lam**2)
    # from (0, -q), phi = B e^(-lam t) sin(w t)/w with B = phi'(0) = q + 2 lam c: back at 0 after pi/w
    np.testing.assert_allclose(np.diff(times)[10:], np.pi / w, atol=1e-8)
    # theta - 2 lam c = -(q + 2 lam c) e^(-lam t)(cos wt + lam/w sin wt): q = 2 lam c (1 + f)/(1 - f) with f so:
    f = np.exp(-lam * np.pi / w)
    truth, _ = oracles.piecewise_linear(
        oracles.critic_pays(lambda i: (2 * lam, (2 * lam * c, -2 * lam * c)[i]), [0.0]), (0.1, 0.2), 200.0
    )
    np.testing.assert_allclose(last(traj), truth, atol=1e-8)
    largest = 2 * lam * c * (1 + f) / (1 - f)
    assert np.abs(traj["theta"][500:]).max() <= largest + 1e-9


# ------------------------------------------------------------ vanilla


@pytest.mark.parametrize(
    ("phi0", "theta0"),
    [
        pytest.param([1.1], [0.4], marks=pytest.mark.slow),
        ([1.5, -0.3], [0.2, 0.9]),
        pytest.param([0.3, 1.0, -0.8], [1.0, 0.5, 0.5], marks=pytest.mark.slow),
    ],
)
def test_the_period_of_saturating(phi0, theta0):
    # With A = |phi|^2, B = |theta|^2: s' = sigma(s) (A - B) and ((A - B)/2)' = -2 sigma(s) s, so s = R sin(chi) and
    # (A - B)/2 = R cos(chi) with chi' = 2 sigma(s), R^2 = r^4/4 - l^2. The players turn by the integral of sigma dt,
    # half of chi's: they are back after two turns of chi, T = integral of (1 + e^(-R sin chi))/2 over 4 pi
    p, q = np.array(phi0), np.array(theta0)
    r2, l2 = p @ p + q @ q, (p @ p) * (q @ q) - (p @ q) ** 2
    period = 2 * np.pi * (1 + i0(np.sqrt(max(r2**2 / 4 - l2, 0.0))))
    traj = run(dg.variant("saturating"), phi0, theta0, t1=period, **TIGHT)
    np.testing.assert_allclose(last(traj), [*phi0, *theta0], atol=1e-9)
    r = np.sum(traj["phi"] ** 2 + traj["theta"] ** 2, axis=1)
    np.testing.assert_allclose(r, r2, atol=1e-10)


@pytest.mark.slow  # fast, by the verdict: a tiny start obeys the normal form in test_kinds_of_wrong_answers.py
def test_non_saturating_converges_in_one_dimension_like_the_root_of_time():
    # averaged: (r^2)' = -r^4/8 + ..., so r^2 t -> 8; the two ends remove the constant of integration
    traj = run(dg.variant("ns"), [0.5], [0.2], ts=[2000.0, 4000.0, 8000.0], solver="tsit5")
    r2 = (traj["phi"] ** 2 + traj["theta"] ** 2)[:, 0]
    slopes = np.diff(1 / r2) / [2000.0, 4000.0]
    np.testing.assert_allclose(slopes, 1 / 8, rtol=2e-3)


def test_non_saturating_ends_on_the_circle_that_the_wedge_allows():
    # any start with s = 0 and |phi| = |theta| rotates with angular frequency sigma(0) = 1/2
    rho = 0.9
    traj = run(dg.variant("ns"), [rho, 0, 0], [0, 0, rho], ts=[1.0, 4 * np.pi], **TIGHT)
    c, s = np.cos(0.5), np.sin(0.5)
    np.testing.assert_allclose(traj["phi"][0], [rho * c, 0, -rho * s], atol=1e-11)
    np.testing.assert_allclose(last(traj), [rho, 0, 0, 0, 0, rho], atol=1e-10)
    # from elsewhere: |phi|, |theta| -> sqrt(l), at the rate l/4
    p, q = np.array([1.0, 0.4]), np.array([-0.3, 1.6])
    l2 = (p @ p) * (q @ q) - (p @ q) ** 2
    ell = np.sqrt(l2)
    traj = run(dg.variant("ns"), p, q, t1=60.0, **TIGHT)
    sizes = [np.linalg.norm(traj[n][-1]) for n in ("phi", "theta")]
    np.testing.assert_allclose(sizes, np.sqrt(ell), atol=10 * np.exp(-60 * ell / 4))


@pytest.mark.parametrize("name", ["ns", pytest.param("saturating", marks=pytest.mark.slow)])
def test_invariants_obey_their_own_smaller_system(name):
    # A = |phi|^2, B = |theta|^2, s: A' = -2 a(s) s, B' = 2 b(s) s, s' = b(s) A - a(s) B; in any dimension
    p, q = np.array([0.9, -0.2, 1.4]), np.array([0.3, 1.1, 0.6])
    traj = run(dg.variant(name), p, q, ts=[3.0, 9.0, 21.0], **TIGHT)

    def right(_, y):
        a = oracles.sigma(y[2])
        b = oracles.sigma(-y[2]) if name == "ns" else a
        return [-2 * a * y[2], 2 * b * y[2], b * y[0] - a * y[1]]

    truth = oracles.integrate(right, [p @ p, q @ q, p @ q], [3.0, 9.0, 21.0])
    phi, theta = traj["phi"], traj["theta"]
    found = [np.sum(phi**2, 1), np.sum(theta**2, 1), np.sum(phi * theta, 1)]
    np.testing.assert_allclose(np.transpose(found), truth, atol=1e-9)


# ------------------------------------------------------------ circles, and the normalised critic


@pytest.mark.slow  # fast, by the verdict: test_verdict.py, one-centred penalty ends on a circle
def test_the_gradient_penalty_ends_on_a_circle_of_radius_c_whatever_lam_is():
    for lam, mu in ((0.1, 0.0), (0.7, 0.0), (0.4, 0.3)):
        c = 0.8
        rho = 2 * lam * c / (2 * lam + mu)  # L2 shrinks the circle and does not remove it
        v = dg.variant("wgan-gp", lam=lam, c=c).with_(l2=mu)
        traj = run(v, [rho, 0], [0, -rho], t1=2 * np.pi, **TIGHT)
        np.testing.assert_allclose(last(traj), [rho, 0, 0, -rho], atol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(traj["phi"], axis=1), rho, atol=1e-11)
    traj = run(dg.variant("wgan-gp", lam=0.7, c=0.8), [0.1, 0.2, 0.0], [0.2, 0.1, 0.3], t1=80.0, **TIGHT)
    np.testing.assert_allclose(np.linalg.norm(traj["phi"][-1]), 0.8, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(traj["theta"][-1]), 0.8, atol=1e-7)


def test_gan_qp_rotates_on_its_circle():
    traj = run(dg.variant("gan-qp", lam=0.3), [0.7, 0], [0, 0.7], t1=2 * np.pi, **TIGHT)
    np.testing.assert_allclose(last(traj), [0.7, 0, 0, 0.7], atol=1e-10)


@pytest.mark.slow  # no fast witness: its law needs a long run
def test_gan_qp_converges_in_one_dimension():
    # d = 1: phi' = -theta - phi |theta|/lam; averaged r' = -(2/(3 pi lam)) r^2, so r t -> 3 pi lam/2
    lam = 0.8
    traj = run(dg.variant("gan-qp", lam=lam), [0.3], [0.2], ts=[300.0, 600.0, 1200.0], solver="tsit5")
    r = np.hypot(traj["phi"], traj["theta"])[:, 0]
    np.testing.assert_allclose(np.diff(1 / r) / [300.0, 600.0], 2 / (3 * np.pi * lam), rtol=1e-2)


# the same field by the engine that takes longer to compile
@pytest.mark.parametrize("backend", slow_but(["diffrax", "scipy"], "scipy"))
def test_a_weight_that_decays_does_not_turn_the_normalised_critic_of_one_number(backend):
    """phi = phi0 e^(-mu t) keeps its sign, and theta' = 1, also where phi is smaller than every tolerance."""
    traj = run(
        dg.variant("wgan", l2=2.0), [0.1], [0.2], ts=[1.0, 40.0], backend=backend, rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(traj["phi"][0], 0.1 * np.exp(-2.0), rtol=1e-8)
    assert 0 < traj["phi"][1, 0] < 1e-11
    np.testing.assert_allclose(traj["theta"][:, 0], [1.2, 40.2], rtol=1e-9)


@pytest.mark.slow  # fast: its |phi|, in the sentence that explain prints, and the orbit without the decay
def test_a_weight_that_decays_makes_the_normalised_critic_of_two_swing_ever_faster():
    # |phi| = rho0 exp(-mu t); the area of an orbit, of |theta| and log tan of half its angle to phi, is an adiabatic
    # invariant and goes like rho^-2 |theta|^3: the largest |theta| falls like rho^(2/3)
    mu, ts = 2.0, np.linspace(0, 0.4, 2001)
    traj = run(dg.variant("wgan", l2=mu), [0.01, 0.0], [0.0, 0.03], ts=ts, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(traj["phi"], axis=1), 0.01 * np.exp(-mu * ts), rtol=1e-6)
    r = np.linalg.norm(traj["theta"], axis=1)
    tops = np.flatnonzero((r[1:-1] > r[:-2]) & (r[1:-1] > r[2:])) + 1
    assert len(tops) > 6 and np.all(np.diff(ts[tops], 2) < 0)
    np.testing.assert_allclose(
        r[tops] * np.exp(2 * mu / 3 * ts[tops]), r[tops[0]] * np.exp(2 * mu / 3 * ts[tops[0]]), rtol=0.02
    )


def test_the_normalised_critic():
    # d = 1: D = sign(phi) x, so phi stands still and theta leaves at unit speed
    traj = run(dg.variant("wgan"), [-0.4], [0.3], ts=[0.5, 10.0], rate_g=0.7, **TIGHT)
    np.testing.assert_allclose(traj["phi"], -0.4, atol=0)
    np.testing.assert_allclose(traj["theta"][:, 0], 0.3 - 0.7 * np.array([0.5, 10.0]), atol=1e-12)
    # d >= 2: |phi| and |theta|^2/rho^2 - 2 ln(|theta_perp|/rho) are conserved, also around a datum
    phi0, theta0, x0 = np.array([0.5, 0.8, 0.0]), np.array([-0.4, 1.0, 0.6]), np.array([0.3, 0.1, 0.0])
    traj = run(dg.variant("wgan"), phi0, theta0, x0=x0, t1=30.0, **TIGHT)
    rho = np.linalg.norm(traj["phi"], axis=1)
    np.testing.assert_allclose(rho, rho[0], atol=1e-11)
    g, u = traj["theta"] - x0, traj["phi"] / rho[:, None]
    across = np.linalg.norm(g - u * np.sum(g * u, axis=1, keepdims=True), axis=1)
    kept = np.sum(g**2, axis=1) / rho**2 - 2 * np.log(across / rho)
    np.testing.assert_allclose(kept, kept[0], atol=1e-9)
    # collinear, its critic never turns
    traj = run(dg.variant("wgan"), [0.3, 0.4], [0.6, 0.8], t1=5.0, **TIGHT)
    np.testing.assert_allclose(traj["theta"][-1], [0.6 + 3.0, 0.8 + 4.0], atol=1e-10)


AB_FORMS = [("ns", {}), ("saturating", {}), ("wgan-linear", {}), ("gan-qp", {"lam": 0.4})]


@pytest.mark.parametrize(("name", "own"), slow_but(AB_FORMS, AB_FORMS[0], AB_FORMS[3]))
@pytest.mark.parametrize("dim", slow_but([2, 3], 3))
def test_the_wedge_is_conserved(name, own, dim):
    # phi' is parallel to theta and theta' to phi: d/dt (phi ^ theta) = phi' ^ theta + phi ^ theta' = 0
    rng = np.random.default_rng(dim)
    phi0, theta0 = rng.normal(size=(2, dim))
    traj = run(dg.variant(name, **own), phi0, theta0, t1=25.0, rate_d=1.4, rate_g=0.8, **TIGHT)
    wedge = np.einsum("ti,tj->tij", traj["phi"], traj["theta"])
    wedge -= wedge.transpose(0, 2, 1)
    np.testing.assert_allclose(wedge, np.broadcast_to(wedge[0], wedge.shape), atol=1e-9)


# ------------------------------------------------------------ anything else, against hand-written fields

UNUSUAL = [
    ("ns", {}, {"r1": 0.3}, 2, True),
    ("ns", {}, {}, 3, True),
    ("saturating", {}, {"l2": 0.05, "r2": 0.2}, 3, True),
    ("wgan", {}, {"l2": 0.02}, 2, True),
    ("wgan-gp", {"lam": 0.37, "c": 0.6}, {}, 3, True),
    ("wgan-gp", {"lam": 2.3, "c": 1.4}, {"r1": 0.1}, 2, False),
    ("wgan-gp", {"lam": 0.6, "c": 0.8, "one_sided": True}, {}, 2, True),
    ("gan-qp", {"lam": 0.17}, {"l2": 0.1}, 3, True),
    ("gan-qp", {"lam": 4.0}, {}, 2, True),
]


@pytest.mark.parametrize(
    ("name", "own", "damping", "dim", "moved"), slow_but(UNUSUAL, UNUSUAL[0], *UNUSUAL[6:8])
)
def test_unusual_parameters_starts_and_rates(name, own, damping, dim, moved):
    rng = np.random.default_rng(len(name) + 10 * dim)
    phi0, theta0, x0 = rng.normal(size=(3, dim))
    x0 = x0 if moved else np.zeros(dim)
    rates = {"rate_d": rng.uniform(0.3, 2), "rate_g": rng.uniform(0.3, 2)}
    ts = [0.7, 5.0, 12.0]
    truth = oracles.integrate(
        oracles.field(name, x0, **own, **damping, **rates), np.concatenate([phi0, theta0]), ts
    )
    v = dg.variant(name, **own).with_(**damping)
    traj = run(v, phi0, theta0, x0=x0, ts=ts, **rates, **TIGHT)
    np.testing.assert_allclose(np.hstack([traj["phi"], traj["theta"]]), truth, atol=1e-8)
    assert traj.attrs["result"] == "ok"
