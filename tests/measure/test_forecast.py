"""The forecast against the discrete Lyapunov equation on a game whose step is linear, and against bad input."""

from __future__ import annotations

import dataclasses
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.optimize import brentq
from scipy.signal import detrend, lfilter

import diracgan as dg
from diracgan.cli.app import main
from diracgan.errors import InputError
from diracgan.game import Game, Players
from diracgan.measure.checkpoint import checkpoint
from diracgan.measure.critical_setting import _squares, _tells
from diracgan.measure.forecast import peak_frequency, spread
from diracgan.measure.jax_step import settled
from diracgan.measure.settings import Setting, changed
from diracgan.numerics.reduced_order import capped, driven, reduced
from diracgan.training.runs import load_run

N, BATCH, H, MU = 64, 8, 0.1, 0.2
rng = np.random.default_rng(5)
X, Z = 1.0 + rng.standard_normal((N, 1)), 0.5 * rng.standard_normal((N, 1))


def linear_game(mu=MU):
    """D(x) = phi x, G(z) = theta + z, wgan-linear + l2: phi' = mean(x) - theta - mean(z) - mu phi, theta' = phi."""
    variant = dg.variant("wgan-linear").with_(l2=mu)
    game = Game(variant, X, Z, lambda phi, x: x @ phi, lambda theta, z: theta + z)
    return game, Players(np.zeros(1), np.array([X.mean() - Z.mean()]))


def step(h=H, mu=MU):
    return np.eye(2) + h * np.array([[-mu, -1.0], [1.0, 0.0]])


def noise(h=H, batch=BATCH):
    """The covariance of one minibatch step: rows are drawn with replacement, x and z apart."""
    return np.diag([h**2 * (X.var() + Z.var()) / batch, 0.0])


def predicted(settings=(), steps=6000, mu=MU):
    game, at = linear_game(mu)
    rule = dg.rule("simultaneous", lr=H)
    return dg.forecast(game, settings, steps, players=at, rule=rule, batch=BATCH).settings


@pytest.fixture(scope="module")
def found():
    return predicted(["batch=32", "ema=0.99", "lr=0.5"])


def test_the_spread_is_the_stationary_deviation(found):
    for setting, batch in ((found[0], BATCH), (found[1], 32)):
        exact = np.sqrt(np.diag(solve_discrete_lyapunov(step(), noise(batch=batch))))
        for name, value in (("d_real", exact[0] * X.mean()), ("samples_0", exact[1])):
            series = setting.series[name]
            assert series.spread_low < value < series.spread_high
            # 512 minibatches give their deviation within 1/sqrt(2 512) = 3 %, 32 windows of 30 memories within 2 %
            assert series.spread == pytest.approx(value, rel=0.09)


def test_a_loss_at_its_extremum_has_its_second_order(found):
    # L_G = -phi (theta + mean z), of mean -cov(phi, theta) - phi mean(x): at phi = 0 its slope in theta is 0
    sigma = solve_discrete_lyapunov(step(), noise())
    exact = np.sqrt(sigma[0, 0] * X.mean() ** 2)
    # the same minibatches and windows as above, so within the same 3 % and 2 %
    assert found[0].series["loss_g"].spread == pytest.approx(exact, rel=0.09)


def test_the_frequency_is_the_argument_of_the_multiplier(found):
    multiplier = np.linalg.eigvals(step())[0]
    assert found[0].growth == pytest.approx(abs(multiplier), rel=1e-9)
    assert found[0].angle == pytest.approx(abs(np.angle(multiplier)), rel=1e-9)
    series = found[0].series["samples_0"]
    assert series.frequency == pytest.approx(abs(np.angle(multiplier)), rel=0.05)
    assert series.frequency_low <= series.frequency <= series.frequency_high


def test_an_average_helps_by_what_the_lyapunov_equation_says(found):
    keep, s, q = 0.99, step(), noise()
    joint = np.block([[s, np.zeros((2, 2))], [(1 - keep) * s, keep * np.eye(2)]])
    onto = np.vstack([np.eye(2), (1 - keep) * np.eye(2)])
    sigma = solve_discrete_lyapunov(joint, onto @ q @ onto.T)
    # the same minibatches drive both, so that what the deviation of 512 of them misses cancels
    assert found[2].series["samples_0"].averaged == pytest.approx(
        np.sqrt(sigma[3, 3] / sigma[1, 1]), rel=0.05
    )
    assert found[2].series["loss_g"].averaged is None  # the critic is part of it


def test_a_turning_multiplier_beyond_the_circle_is_unstable(found):
    assert found[3].status == "unstable"
    assert found[3].growth == pytest.approx(np.abs(np.linalg.eigvals(step(0.5))).max(), rel=1e-9)
    assert not found[3].series
    assert [s.status for s in found[:3]] == ["spreads"] * 3


def widened(h, share, steps=100, runs=400):
    """How many times as far d_real spreads at the learning rate h as at H, in a share of runs of the linear map."""
    kicks = np.random.default_rng(3).standard_normal((steps, runs)) * np.sqrt((X.var() + Z.var()) / BATCH)
    spreads = []
    for rate in (H, h):
        d, seen = np.zeros((2, runs)), []
        for k in kicks:
            d = step(rate) @ d
            d[0] += rate * k
            seen.append(d[0])
        spreads.append(np.std(detrend(np.array(seen)[4::5], axis=0), axis=0))
    return float(np.quantile(spreads[1] / spreads[0], share))


@pytest.mark.slow  # of a user's own game: test_a_users_own_game_is_forecast
def test_the_critical_learning_rate_is_where_runs_spread_five_times_as_far():
    few = brentq(lambda h: widened(h, 0.95) - 5.0, H, 1.0, xtol=0.005)
    most = brentq(lambda h: widened(h, 0.05) - 5.0, H, 1.0, xtol=0.005)
    game, at = linear_game()
    how = {"players": at, "rule": dg.rule("simultaneous", lr=H), "batch": BATCH}
    found = dg.critical_setting(game, "lr", 335, **how, seed=1)  # three tenths: 100
    # |I + h J|^2 = 1 - mu h + h^2 > 1 from h = mu = 0.2 on: two runs part by 1.5 % an iteration at h = 0.3
    assert found.by == "growth" and found.value > MU
    # nine of ten draws of minibatches, bisected to 6 %
    assert 0.94 * few < found.value < 1.06 * most and found.largest == pytest.approx(32 * H)
    # the window, six times 100 under other rates less what had blown up before, two neighbours after one look
    assert found.iterations < 335 + 600 + 205 and json.dumps(found.as_dict())
    with pytest.raises(InputError, match="beta1"):
        dg.critical_setting(game, "beta1", 1000, **how)


@pytest.mark.slow  # where it blows up within a window of the usual length: above
def test_of_a_short_window_a_spread_tells_growth_from_noise(monkeypatch):
    game, at = linear_game()
    how = {"players": at, "rule": dg.rule("simultaneous", lr=H), "batch": BATCH}
    # ten looks are the fewest that a spread is taken of, of the shortest window too
    few, most = (brentq(lambda h, q=q: widened(h, q, 50) - 5.0, H, 1.0, xtol=0.005) for q in (0.95, 0.05))
    brief = dg.critical_setting(game, "lr", 50, **how, seed=1)
    assert 0.94 * few < brief.value < 1.06 * most and "within 50 iterations, from about lr" in brief.text
    with (
        monkeypatch.context() as patched
    ):  # of a noise that adds up, the spread grows as the learning rate at most
        patched.setattr(sys.modules["diracgan.measure.critical_setting"], "FACTOR", 2.0)
        calm = dg.critical_setting(game, "lr", 50, **how | {"rule": dg.rule("simultaneous", lr=1e-4)})
    assert (
        calm.value is calm.by is None and "does not blow up within 50 iterations at lr = 0.0002" in calm.text
    )
    noisy = dg.critical_setting(game, "lr", 50, **how | {"rule": dg.rule("simultaneous", lr=1e-4)})
    # at 32e-4 a step leaves 1 - 3e-4 of a deviation: spreads are those of a walk, and nothing grows: five
    # times as far at 5e-4, which is bisected to a tenth
    assert noisy.by == "noise" and noisy.value == pytest.approx(5e-4, rel=0.2) and "do not part" in noisy.text


def test_squares_around_a_line_only_add_up_so_that_what_has_blown_up_stays_so():
    x = np.cumsum(np.random.default_rng(5).standard_normal((3, 60)), axis=1)
    each = np.array([_squares(x[:, :n]) for n in range(10, 61)])
    assert np.all(np.diff(each, axis=0) >= -1e-9 * each[-1])
    t = np.arange(60.0)
    line = np.polyval(np.polyfit(t, x[0], 1), t)
    assert each[-1, 0] == pytest.approx(np.sum((x[0] - line) ** 2))
    assert np.all(np.isinf(_squares(np.full((3, 10), np.nan))))


def test_what_wanders_slowly_tells_no_blow_up_unless_all_does():
    """sin(t/2) has its whole spread in a tenth of 400 looks; of sin(t/120) a tenth holds hardly more than a line."""
    t = np.arange(400)
    fast, slow = np.sin(t / 2), np.sin(t / 120)
    assert _tells(np.stack([fast, slow]), 40).tolist() == [True, False]
    assert _tells(np.stack([slow, slow]), 40).tolist() == [True, True]


def test_a_learning_rate_keeps_the_ratio():
    now = Setting("as it is", dg.rule("adam", lr_d=4e-4, lr_g=1e-4), dg.variant("ns"), 64, None)
    for text, rates in (
        ("lr=2e-4", (8e-4, 2e-4)),
        ("lr=2e-4,ratio=1", (2e-4, 2e-4)),
        ("lr_g=2e-4", (4e-4, 2e-4)),
    ):
        assert [float(x) for x in changed(now, text).rule.rates] == pytest.approx(rates)


def own_losses(**how):
    """The linear game as a user writes it: 64 batches of 8, at the equilibrium of their mean."""
    picks = np.random.default_rng(2).integers(0, N, (2, 64, BATCH))
    batches = [(X[i], Z[j]) for i, j in zip(*picks, strict=True)]
    means = np.array([[x.mean(), z.mean()] for x, z in batches])
    phi, theta = {"w": np.zeros(1)}, {"b": np.array([means[:, 0].mean() - means[:, 1].mean()])}

    def critic_loss(phi, theta, batch):
        x, z = batch
        return phi["w"][0] * (jnp.mean(theta["b"] + z) - jnp.mean(x)) + 0.5 * MU * phi["w"][0] ** 2

    def generator_loss(phi, theta, batch):
        return -phi["w"][0] * jnp.mean(theta["b"] + batch[1])

    how = {"optimiser": dg.rule("simultaneous", lr=H), "together": 64} | how
    return dg.measure.game(critic_loss, generator_loss, phi, theta, batches, **how), means


def test_a_users_own_game_is_forecast():
    game, means = own_losses(
        critic=lambda phi, x: x[:, 0] * phi["w"][0], samples=lambda theta, b: (b[0], theta["b"] + b[1])
    )
    found = dg.forecast(game, ["lr=0.05"], 8000).settings  # multipliers up to 0.9963, cut at 0.9969
    for setting, h in ((found[0], H), (found[1], 0.05)):
        kick = h**2 * np.var(means[:, 0] - means[:, 1])
        exact = np.sqrt(solve_discrete_lyapunov(step(h), np.diag([kick, 0.0]))[0, 0])
        # 512 draws among 64 batches, 12 windows of 30 memories: within 4 % and 4 %
        assert setting.series["d_real"].spread == pytest.approx(exact * means[:, 0].mean(), rel=0.1)
    assert set(found[0].series) == {"loss_d", "loss_g", "d_real", "d_fake"}
    # the means of its minibatches scatter as those of the drawn ones above, within a tenth
    few, most = (brentq(lambda h, q=q: widened(h, q) - 5.0, H, 1.0, xtol=0.005) for q in (0.95, 0.05))
    assert 0.9 * few < dg.critical_setting(game, "lr", 335).value < 1.1 * most


def test_what_a_users_own_game_must_have():
    with pytest.raises(InputError, match="add optimiser="):
        dg.forecast(own_losses(optimiser=None)[0])
    game = own_losses()[0]
    with pytest.raises(InputError, match="'batch'"):
        dg.forecast(game, ["batch=3"])
    with pytest.raises(InputError, match="say too little"):
        dg.forecast(dataclasses.replace(game, batches=type(game.batches)(game.batches.first(3)), together=3))


class Leaves(dg.Variant):
    """phi' = phi mean(x^2)/2, theta' = -theta - mean z: phi grows, and nothing turns."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -0.25 * jnp.mean(real**2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return 0.5 * jnp.mean(x_fake**2)


def test_a_multiplier_that_does_not_turn_departs():
    game, at = linear_game()
    game = dataclasses.replace(game, variant=Leaves())
    said = dg.forecast(game, (), 100, players=at, rule=dg.rule("simultaneous", lr=0.1), batch=BATCH).settings[
        0
    ]
    assert said.status == "departs"
    assert said.departure == pytest.approx(1.0 + 0.05 * np.mean(X**2), rel=1e-9)  # phi' = phi mean(x^2)/2
    assert said.growth is None
    assert "do not trust" in said.text


def test_the_reduced_system_answers_as_the_whole_one():
    random = np.random.default_rng(1)
    a = random.standard_normal((60, 60))
    a *= 0.97 / np.abs(np.linalg.eigvals(a)).max()
    c = random.standard_normal((2, 60))
    small = reduced(lambda v: v @ a, c, most=20)
    assert small.transition.shape == (20, 20)
    kick, whole, part = random.standard_normal(60), None, None
    for k in range(10):  # ten blocks of two: ten responses are exact
        whole = kick if k == 0 else a @ whole
        part = small.basis.T @ kick if k == 0 else small.transition @ part
        assert np.allclose(c @ whole, small.output @ part, atol=1e-10)
    exact = reduced(lambda v: v @ a, c, most=100)
    assert np.allclose(np.abs(exact.multipliers), np.sort(np.abs(np.linalg.eigvals(a)))[::-1], rtol=1e-6)


def test_a_cap_leaves_arguments_and_what_is_below_it():
    turn = 1.05 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    cut = capped(np.block([[turn, np.ones((2, 1))], [np.zeros((1, 2)), 0.5 * np.eye(1)]]), 0.99)
    values = np.linalg.eigvals(cut)
    assert sorted(np.abs(values)) == pytest.approx([0.5, 0.99, 0.99])
    assert sorted(np.angle(values)) == pytest.approx([-0.3, 0.0, 0.3])


def test_driven_runs_start_at_rest_and_repeat_with_their_seed():
    args = np.array([[0.9]]), np.eye(1), np.array([[1.0], [-1.0]]), 50, 3
    assert np.array_equal(driven(*args, seed=1), driven(*args, seed=1))
    assert not np.array_equal(driven(*args, seed=1), driven(*args, seed=2))
    assert set(np.abs(driven(*args)[:, 0, 0])) == {1.0}


def test_a_spectrum_that_only_falls_has_no_peak():
    walk = np.cumsum(np.random.default_rng(0).standard_normal((4, 4000)), axis=1)
    assert np.isnan(peak_frequency(walk, together=True)[0])


def test_the_settled_memory_is_the_mean_square_of_minibatch_gradients():
    game, at = linear_game(mu=0.0)
    at = at._replace(theta=at.theta + 0.3)  # the mean gradient of the critic is -0.3, the generator's phi = 0
    rule = dg.rule("adam", lr=1e-3, beta2=0.99)
    with jax.enable_x64(True):
        found = checkpoint(game, at, rule, rule.memory(game, jax.tree.map(jnp.asarray, at)), BATCH)[0]
        memory = settled(found, 4000, 0)
    exact = 0.3**2 + (X.var() + Z.var()) / BATCH
    # the average of g^2 over (1 + beta2)/(1 - beta2) = 199 batches; g^2 scatters by sqrt(2) of its mean at most, so
    # the average by a tenth: two of these
    assert float(memory.phi.square[0]) == pytest.approx(exact, rel=0.2)
    assert int(memory.phi.steps) == 4000


def test_what_a_game_must_be_told():
    game, at = linear_game()
    with pytest.raises(InputError, match="add rule, batch"):
        dg.forecast(game, players=at)
    with pytest.raises(InputError, match="add memory="):
        dg.forecast(game, players=at, rule=dg.rule("adam"), batch=4)
    nowhere = at._replace(phi=np.array([np.nan]))
    with pytest.raises(InputError, match="not finite"):
        dg.forecast(game, players=nowhere, rule=dg.rule("simultaneous"), batch=4)


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({"players": (np.zeros(1), np.zeros(1))}, "players is a tuple"),
        ({"rule": dg.rule("adam"), "memory": 3.0}, "memory is not a state of adam"),
        ({"memory": 3.0}, "memory is not a state of simultaneous"),
        ({"settings": 3}, "3 is not a setting"),
        ({"settings": [3]}, "3 is not a setting"),
    ],
)
def test_what_has_another_type(given, holds):
    game, at = linear_game()
    usual = {"players": at, "rule": dg.rule("simultaneous"), "batch": 4}
    with pytest.raises(InputError, match=holds):
        dg.forecast(game, **(usual | given))


def test_the_batch_that_a_run_has_changes_no_gradients():
    """Else its memory would settle anew, and the same setting be forecast otherwise."""
    now = Setting("as it is", dg.rule("adam", lr=1e-3), dg.variant("ns"), 64, None)
    for given, other in (("batch=64,ema=0.9", False), ("batch=16", True), ("r1=0.1,batch=64", True)):
        assert changed(now, given).other_gradients is other


def test_the_order_of_settings_does_not_matter():
    now = Setting("as it is", dg.rule("adam", lr=1e-3), dg.variant("ns"), 64, None)
    pairs = [
        ("ratio=2,lr=2e-3", "lr=2e-3,ratio=2"),
        ("lr_d=4e-3,lr=2e-3", "lr=2e-3,lr_d=4e-3"),
        ("n_critic=2,alternating=true", "alternating=true,n_critic=2"),
    ]
    for one, other in pairs:
        assert changed(now, one).rule.hyperparameters == changed(now, other).rule.hyperparameters
    for text in pairs[0] + pairs[1]:
        rates = changed(now, text).rule.rates
        assert (float(rates.phi), float(rates.theta)) == pytest.approx((4e-3, 2e-3))
    with pytest.raises(InputError, match="lr_d and ratio both set"):
        changed(now, "lr_d=1e-3,ratio=2")
    with pytest.raises(InputError, match="add alternating=true"):
        changed(now, "n_critic=2")
    with pytest.raises(dg.InputError, match="batch = 99999 is too large; allowed: integers from 1 to 4096"):
        changed(now, "batch=99999")
    assert changed(now._replace(batch=2000), "batch=8000").batch == 8000  # four times its own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("runs") / "run"
    dg.train(
        "ns:r1=0.1", "dirac", rule="adam:lr=0.01", steps=40, out=where
    )  # cheap to compile, without noise
    return str(where)


BAD = [
    (["--try", "lrd=1"], ["'lrd'", "did you mean 'lr_d'"]),
    (["--try", "lr=nan"], ["lr = nan", "not finite"]),
    (["--try", "lr=-1"], ["lr = -1", "> 0"]),
    (["--try", "beta1=1"], ["beta1 = 1", "[0, 1)"]),
    (["--try", "batch=0"], ["batch = 0", "from 1 to 4096"]),
    (["--try", "ema=2"], ["ema = 2"]),
    (["--try", "r1=-1"], ["r1 = -1"]),
    (["--try", "lr"], ["'lr'", "name=value"]),
    (["--try", ""], ["empty"]),
    (["--steps", "3"], ["steps = 3", ">= 50"]),
    (["--samples", "1"], ["samples = 1"]),
    (["--seed", "-1"], ["seed = -1"]),
]


@pytest.mark.parametrize(("words", "parts"), BAD, ids=lambda x: "-".join(x))
def test_bad_input_is_one_line(folder, words, parts, capsys):
    assert main(["forecast", folder, *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert all(part in err for part in parts), err


def test_runs_that_cannot_be_forecast(folder, tmp_path, capsys):
    assert main(["forecast", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
    run = load_run(folder)
    fresh = dataclasses.replace(run, state=run.state._replace(step=jnp.int32(0)))
    with pytest.raises(InputError, match="made no step"):
        dg.forecast(fresh)
    with pytest.raises(InputError, match="go with a Game"):
        dg.forecast(run, batch=3)


def test_the_command_says_what_happens(folder, tmp_path, capsys):
    words, drawn = ["forecast", folder, "--steps", "100", "--try", "lr=1e-5"], tmp_path / "next.png"
    assert main([*words, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "diracgan.forecast/1"
    assert [s["setting"] for s in found["settings"]] == ["as it is", "lr=1e-5"]
    assert set(found["settings"][1]["series"]) == {
        "loss_d",
        "loss_g",
        "d_real",
        "d_fake",
        "samples_0",
    }
    assert main([*words, "--out", str(drawn)]) == 0
    said = capsys.readouterr().out.splitlines()[-2:]
    assert said == ["100 iterations ahead, 2 settings, 0 unstable", str(drawn)]
    assert drawn.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow  # fast, in PyTorch: test_torch_forecast.py::test_settings_of_adam_go_on_from_its_state
def test_a_slower_adam_spreads_less_and_its_average_lags_behind_the_drift():
    run = dg.train("ns:r1=0.1", "points8", networks={"width": 4}, steps=40, batch=16)
    now, slow = dg.forecast(run, ["lr=1e-5,ema=0.9"], 100, samples=32).settings
    assert 0 < slow.series["d_real"].spread < 0.1 * now.series["d_real"].spread
    # An average damps every frequency, but it starts where the generator is: of one that drifts by b a step it lags by
    # 9 b (1 - 0.9^n), which is no straight line. After 40 steps of training that is more than the noise which it takes
    # away. So it is with the iterations themselves, on minibatches and with nothing linearised.
    with jax.enable_x64(True):
        at, setting = checkpoint(run, None, None, None, None, 32)
        at = at.under(changed(setting, "lr=1e-5"))

        def once(state, key):
            z, memory = at.rule.over_a_period(at.minibatches(at.game, key))(*state)
            return (z, memory), jnp.mean(at.game.generator(z.theta, at.game.z)[:, 0])

        def followed(key):
            return jax.lax.scan(once, (at.players, at.memory), jax.random.split(key, 100))[1]

        x = np.asarray(jax.jit(jax.vmap(followed))(jax.random.split(jax.random.key(0), 32)))
    first = slow.series["samples_0"].now
    average = first + lfilter([0.1], [1.0, -0.9], x - first, axis=1)
    real, forecast = spread(average).mean() / spread(x).mean(), slow.series["samples_0"].averaged
    assert real > 1 and forecast > 1
    assert real / 1.35 < forecast < 1.35 * real  # within what a spread is forecast to be wrong by
