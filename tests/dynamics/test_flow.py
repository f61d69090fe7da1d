"""Both engines, one answer: agreement, order of accuracy, oracles, provenance, and what the arguments mean."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from scipy.integrate import solve_ivp
from selection import slow_but

import diracgan as dg
from diracgan.dynamics import engines, run
from diracgan.dynamics.engines import DIFFRAX, SCIPY

PHI, THETA = np.array([0.6, -0.2]), np.array([0.3, 0.9])


def last(traj) -> np.ndarray:
    return np.concatenate([traj["phi"][-1], traj["theta"][-1]])


@pytest.fixture(scope="module")
def truth():
    return oracles.integrate(oracles.field("gan-qp", np.zeros(2), lam=0.7, l2=0.1), [*PHI, *THETA], [12.0])[0]


@pytest.mark.parametrize(
    "solver",
    [
        pytest.param(s, marks=[pytest.mark.slow] * (s not in ("tsit5", "DOP853", "LSODA")))
        for s in [*DIFFRAX, *SCIPY]
    ],
)
def test_every_solver_agrees_with_an_independent_one(solver, truth):
    v = dg.variant("gan-qp", lam=0.7).with_(l2=0.1)
    traj = run(v, PHI, THETA, t1=12.0, rtol=1e-12, atol=1e-14, solver=solver)
    np.testing.assert_allclose(last(traj), truth, atol=1e-8)
    assert traj.attrs["result"] == "ok"
    assert traj.attrs["solver"] == solver
    # at its default tolerances it is as good as they say
    np.testing.assert_allclose(last(run(v, PHI, THETA, t1=12.0, solver=solver)), truth, atol=1e-6)


@pytest.mark.parametrize(
    ("solver", "order"),
    [
        pytest.param("tsit5", 5, marks=pytest.mark.slow),
        pytest.param("dopri5", 5, marks=pytest.mark.slow),
        pytest.param("dopri8", 8, marks=pytest.mark.slow),
        ("RK45", 5),
        ("DOP853", 8),
    ],
)
def test_the_order_of_accuracy(solver, order, truth):
    # the error of a method of order p follows the number of steps as n^-p; halving log(rtol) changes n accordingly
    v = dg.variant("gan-qp", lam=0.7).with_(l2=0.1)
    errors, counts = [], []
    for rtol in np.geomspace(1e-4, 1e-9, 6) if order == 5 else np.geomspace(1e-6, 1e-11, 6):
        from diracgan.dynamics.engines import engine
        from diracgan.dynamics.regimes import integrate

        traj, steps = counted(engine(solver, "diffrax")[1], integrate, v, rtol)
        errors.append(np.abs(traj - truth).max())
        counts.append(steps)
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert order - 1.2 < -slope < order + 2.5


def counted(use, integrate, v, rtol):
    import jax
    import jax.numpy as jnp

    from diracgan import dirac
    from diracgan.dynamics.engines import TimeSpan
    from diracgan.dynamics.filippov import DiracSystem
    from diracgan.game import Players

    with jax.enable_x64(True):
        system = DiracSystem(*dirac.cast((v, np.zeros(2), Players(1.0, 1.0)), jnp.float64), None)
        span = TimeSpan(0.0, 12.0, np.array([12.0]), rtol, 1e-16)
        out = integrate(use, system, np.concatenate([PHI, THETA]), span)
    return out.ys[-1], out.steps


@pytest.mark.slow  # fast, of the ends: the next test; a row on a switching: variants/test_hinge.py
def test_rows_times_and_ends():
    v = dg.variant("wgan-linear")
    traj = run(v, [1.0], [0.0], t1=7.0, solver="DOP853")
    assert traj["time"].shape == (1001,)
    assert traj["phi"].shape == (1001, 1)
    np.testing.assert_allclose(traj["phi"][:, 0], np.cos(traj["time"]), atol=1e-7)
    assert (traj["time"][0], traj["time"][-1]) == (0.0, 7.0)
    for solver in ("DOP853", "tsit5"):
        ts = [0.0, 1e-9, 0.5, 2.0]
        traj = run(v, [1.0], [0.0], ts=ts, t1=5.0, solver=solver)  # may end before t1
        np.testing.assert_array_equal(traj["time"], ts)
        np.testing.assert_allclose(traj["theta"][:, 0], np.sin(ts), atol=1e-8)
        assert traj["phi"][0, 0] == 1.0
    # rows next to, on and between switchings are all filled
    w = dg.variant("wgan-gp", lam=0.3, c=0.7)
    crossings = [
        e["time"] for e in json.loads(run(w, [0.1], [0.2], t1=20.0, solver="DOP853").attrs["events"])
    ]
    ts = np.unique(np.concatenate([[t - 1e-9, t, t + 1e-9] for t in crossings]))
    exact = oracles.critic_pays(lambda i: (0.6, (0.42, -0.42)[i]), [0.0])
    for solver in ("DOP853", "tsit5"):
        rows = run(w, [0.1], [0.2], ts=ts, t1=20.0, solver=solver)
        assert np.all(np.isfinite(rows["phi"]))
        for t, phi, theta in zip(ts[:4], rows["phi"][:, 0], rows["theta"][:, 0], strict=False):
            np.testing.assert_allclose(
                [phi, theta], oracles.piecewise_linear(exact, (0.1, 0.2), t)[0], atol=1e-8
            )


def test_defaults_are_the_seeds():
    traj = run(dg.variant("ns"), solver="DOP853")
    assert traj["phi"][0].tolist() == [0.1, 0.2]
    assert traj["theta"][0].tolist() == [0.2, 0.1]
    assert traj["time"][-1] == 40.0
    assert run(dg.variant("ns"), dim=1, t1=1.0, solver="DOP853")["theta"][0].tolist() == [0.2]
    assert run(dg.variant("ns"), dim=3, t1=1.0, solver="DOP853")["phi"][0].tolist() == [0.1, 0.2, 0.3]


def test_a_stiff_start_is_told_by_its_decay_and_the_length_of_the_run():
    from diracgan.dynamics.engines import fitting
    from diracgan.dynamics.filippov import DiracSystem
    from diracgan.game import Players

    system = DiracSystem(dg.variant("wgan-linear").with_(l2=100.0), np.zeros(1), Players(1.0, 1.0), None)
    z = np.array([1.0, 1.0])  # decays like exp(-100 t), and steps of 1/20 of that time are stable
    found = [fitting(*asked, system, z, t1) for *asked, t1 in SOLVERS_ASKED_FOR]
    assert found == [None, "LSODA", None, "DOP853"]


SOLVERS_ASKED_FOR = [
    (None, "scipy", 40.0),
    (None, "scipy", 60.0),
    (None, "diffrax", 60.0),
    ("DOP853", "scipy", 60.0),
]


@pytest.mark.slow  # fast, the choice alone: the test above
def test_from_a_stiff_start_scipy_takes_its_solver_for_that():
    # phi' = -theta - g phi, theta' = phi: from where phi is slaved to theta, theta = exp(mu t) with the slow eigenvalue
    g, ts = 1000.0, np.array([0.0, 20.0])
    slow = -2 / (g + np.sqrt(g * g - 4))
    stiff = run(dg.variant("wgan-linear").with_(l2=g), [slow], [1.0], ts=ts, backend="scipy")
    assert (stiff.attrs["solver"], stiff.attrs["result"]) == ("LSODA", "ok")
    np.testing.assert_allclose(stiff["theta"][-1], np.exp(slow * 20), rtol=1e-7)
    # a jump of the field beside the start is not stiffness
    assert run(dg.variant("wgan-gp"), [1e-3], [0.5], t1=2.0, backend="scipy").attrs["solver"] == "DOP853"


def test_it_says_what_produced_it():
    v = dg.variant("wgan-gp", lam=0.3, c=0.2).with_(l2=0.1)
    ds = dg.simulate(
        v, phi0=PHI, theta0=THETA, x0=[0.5, 0.0], t1=2.0, rate_d=2.0, ema_tau=3.0, backend="scipy"
    )
    a = ds.attrs
    assert json.loads(a["hyperparameters"]) == {"lam": 0.3, "c": 0.2, "one_sided": False, "l2": 0.1}
    assert (a["variant_name"], a["solver"], a["rtol"], a["atol"]) == ("wgan-gp", "DOP853", 1e-9, 1e-12)
    assert (a["rate_d"], a["rate_g"], a["ema_tau"], json.loads(a["x0"])) == (2.0, 1.0, 3.0, [0.5, 0.0])
    assert a["result"] == "ok"
    assert np.isnan(a["result_time"])
    assert {"python", "jax", "numpy", "diracgan"} <= set(json.loads(a["versions"]))
    assert a["wall_time_s"] > 0
    assert ds.phi.dims == ds.theta_ema.dims == ("time", "component")


def test_the_average_follows_its_own_equation():
    tau, t1 = 2.5, 9.0
    traj = run(dg.variant("ns"), PHI, THETA, t1=t1, ema_tau=tau, rtol=1e-12, atol=1e-14, solver="DOP853")
    right = oracles.field("ns", np.zeros(2))

    def both(t, y):
        return np.concatenate([right(t, y[:4]), (y[:4] - y[4:]) / tau])

    truth = oracles.integrate(both, [*PHI, *THETA] * 2, [t1])[0]
    np.testing.assert_allclose(
        np.concatenate([traj[n][-1] for n in ("phi_ema", "theta_ema")]), truth[4:], atol=1e-10
    )
    np.testing.assert_array_equal(traj["phi_ema"][0], PHI)


@pytest.mark.parametrize(
    ("solver", "chunk"), slow_but([("DOP853", 500), ("DOP853", 5000), ("tsit5", 5000)], ("DOP853", 500))
)
def test_an_unreachable_end_is_given_up_in_time(solver, chunk, monkeypatch):
    monkeypatch.setattr(
        engines, "_CHUNK", chunk
    )  # after so many steps it asks for the first time how far it is
    # steps of 1e-9 towards t = 40: no explicit solver gets there
    traj = run(dg.variant("wgan-gp", c=0.0, lam=1e10), [0.1], [0.2], t1=40.0, solver=solver)
    assert traj.attrs["result"] == "stiff"
    assert 0 <= traj.attrs["result_time"] < 1
    assert np.all(np.isnan(traj["phi"][-1]))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"t1": 0.0}, "t1 = 0"),
        ({"t1": np.nan}, "t1 = nan"),
        ({"ts": [0.0, 2.0, 1.0]}, "allowed: increasing times"),
        ({"ts": [0.0, 50.0], "t1": 40.0}, "allowed: increasing times"),
        ({"ts": []}, "ts"),
        ({"solver": "tsit6"}, "tsit5"),
        ({"backend": "numpy"}, "scipy"),
        ({"rtol": -1e-3}, "rtol"),
        ({"rate_d": 0.0}, "rate_d"),
        ({"ema_tau": -1.0}, "ema_tau"),
        ({"phi0": [1.0, 2.0], "theta0": [1.0]}, "equally many"),
        ({"phi0": [1.0, np.inf], "theta0": [1.0, 1.0]}, "phi0"),
        ({"phi0": [], "theta0": []}, "phi0"),
        ({"dim": 0}, "dim"),
        ({"dim": 2, "x0": [1.0, 2.0, 3.0]}, "x0"),
        ({"steps": 3}, "rule"),
        ({"rule": "alternating"}, "rule"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(given, says):
    with pytest.raises(dg.InputError, match=says) as error:
        run(dg.variant("ns"), **given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("solver", DIFFRAX)
@pytest.mark.parametrize("size", [30.0, 300.0])
def test_a_first_step_that_overflows_is_made_again_shorter(solver, size):
    """wgan-div with p = 4, k = 2: phi' = -theta - 8 |phi|^2 phi, theta' = phi, from where |phi| falls at once."""

    def field(t, z):
        return [-z[1] - 8 * z[0] ** 3, z[0]]

    truth = solve_ivp(field, (0, 2), [size, size / 2], method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1]
    traj = dg.simulate(dg.variant("wgan-div", p=4.0), [size], [size / 2], t1=2.0, solver=solver)
    assert traj.attrs["result"] == "ok"
    np.testing.assert_allclose(last(traj), truth, rtol=1e-7)


def test_the_pure_flow_makes_it_again_too():
    game, start = dg.variant("wgan-div", p=4.0), ([30.0], [15.0])
    end = dg.flow(game, *start, [2.0])
    # in single precision
    truth = last(dg.simulate(game, *start, t1=2.0))
    np.testing.assert_allclose(np.concatenate([end.phi[0], end.theta[0]]), truth, rtol=1e-3)


class Ramp(dg.Variant):
    """phi' = -(1 + sgn(phi theta)) theta, theta' = phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.abs(fake) + fake)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


@pytest.mark.parametrize(("few", "compiles"), [(1_000, False), pytest.param(0, True, marks=pytest.mark.slow)])
def test_a_short_slide_by_scipy_is_not_compiled(few, compiles, monkeypatch):
    # XLA takes seconds for the guards of a slide. phi^2/2 + theta^2 = 3/4 until phi is 0, where nothing moves any more
    slid = []

    def counted(compiled):
        def call(system, y, regime):
            slid.append(regime.sliding)
            return compiled(system, y, regime)

        return call

    for fn in (engines.watch, engines.flow_in):
        monkeypatch.setattr(fn, "compiled", counted(fn.compiled))
    monkeypatch.setattr(engines, "_FEW", few)
    traj = run(Ramp(), [1.0], [0.5], t1=2.0, backend="scipy")
    assert traj.attrs["result"] == "stuck"
    when = np.arctan(np.sqrt(2)) / np.sqrt(2)  # of phi = cos(sqrt(2) t) - sin(sqrt(2) t)/sqrt(2)
    assert traj.attrs["result_time"] == pytest.approx(when, rel=1e-9)
    np.testing.assert_allclose([traj["phi"][-1, 0], traj["theta"][-1, 0]], [0.0, np.sqrt(0.75)], atol=1e-9)
    assert any(slid) == compiles


@pytest.mark.parametrize("solver", ["tsit5", "DOP853"])
def test_a_motion_that_slows_down_is_followed_as_long_as_is_asked(solver):
    """phi = 1 / (1 + t), theta = log(1 + t)."""
    ts = np.append(0.0, np.geomspace(1.0, 1e14, 8))
    traj = run(Slowing(), [1.0], [0.0], ts=ts, solver=solver)
    assert traj.attrs["result"] == "ok"
    np.testing.assert_allclose(traj["theta"][:, 0], np.log1p(ts), atol=1e-5)


def test_too_long_a_time_is_given_up_and_not_called_stiff():
    traj = run(dg.variant("ns"), t1=1e300)
    assert traj.attrs["result"] == "max steps" and 1.0 < traj.attrs["result_time"] < 1e6


class Slowing(dg.Variant):
    """phi' = -phi |phi|, theta' = phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return 0.0 * jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return jnp.sum(jnp.abs(phi) ** 3) / 3


@pytest.mark.parametrize(
    "text", [{"t1": "5"}, {"rtol": "1e-6"}, {"phi0": ["0.1"], "theta0": [0.2]}, {"x0": "1"}, {"rate_d": "2"}]
)
def test_text_is_no_number(text):
    with pytest.raises(dg.InputError, match="is text; allowed: a number"):
        run(dg.variant("ns"), **text)
