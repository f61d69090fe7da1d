"""The oscillation doctor: what is there is found with its errors, and what is not is not."""

from __future__ import annotations

import json
import pickle
import zipfile
from importlib import import_module

import numpy as np
import pytest
from scipy.signal import lfilter

import diracgan as dg
from diracgan.errors import InputError
from diracgan.monitoring.logs import read
from diracgan.numerics.modal_fits import oscillation_modes

ROWS = 400
N = np.arange(ROWS)


def damped(seed: int) -> tuple[np.ndarray, float, float]:
    """A damped oscillation around 3 with noise 20 dB below it: the record, its frequency and its damping."""
    rng = np.random.default_rng(seed)
    omega, sigma = rng.uniform(0.1, 1.5), rng.uniform(2, 6) / ROWS
    y = np.exp(-sigma * N) * np.cos(omega * N + rng.uniform(0, 6))
    return 3 + y + 0.1 * np.sqrt(np.mean(y**2)) * rng.normal(size=ROWS), omega, sigma


def nothing(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=ROWS)
    return {
        "white": lambda: noise,
        "walk": lambda: noise.cumsum(),
        "walk and white": lambda: rng.normal(size=ROWS).cumsum() + 5 * noise,
        "red": lambda: lfilter([1], [1, -0.9], noise),
        "decay": lambda: np.exp(-N / 60) + 0.05 * noise,
        "power law": lambda: 1 / np.sqrt(N + 1) + 0.02 * noise,
        "exact decay": lambda: np.exp(-N * rng.uniform(0.01, 0.1)),
        "exact power law": lambda: 1 / np.sqrt(N + rng.uniform(1, 5)),
    }[kind]()


NOTHING = ("white", "walk", "walk and white", "red", "decay", "power law", "exact decay", "exact power law")


def check_recovery(seeds: range) -> None:
    scores = []
    for seed in seeds:
        y, omega, sigma = damped(seed)
        (m,) = oscillation_modes(y[None]).modes
        assert m.steady
        assert m.omega == pytest.approx(omega, rel=0.01)
        assert m.sigma == pytest.approx(
            sigma, rel=0.1
        )  # what is promised at 20 dB; the scores below test the errors
        scores.append([(m.omega - omega) / m.errors[0], (m.sigma - sigma) / m.errors[1]])
    spread = np.sqrt(np.mean(np.square(scores), axis=0))
    assert np.all(spread < 1 + 3 / np.sqrt(2 * len(scores)))  # the error bars are as wide as they should be
    assert np.all(spread > 1 - 3 / np.sqrt(2 * len(scores)))


def test_frequency_within_a_hundredth_and_damping_within_a_tenth_at_20_db():
    check_recovery(range(4))


@pytest.mark.slow  # fast, of four seeds: the test above
def test_the_same_over_many_seeds():
    check_recovery(range(100, 160))


@pytest.mark.parametrize("kind", NOTHING)
def test_no_oscillation_where_there_is_none(kind):
    assert oscillation_modes(nothing(kind, 0)[None]).modes == []


@pytest.mark.slow  # fast, of one seed: the test above
@pytest.mark.parametrize("kind", NOTHING)
def test_no_oscillation_over_many_seeds(kind):
    assert [s for s in range(60) if oscillation_modes(nothing(kind, s)[None]).modes] == []


def test_an_oscillation_that_noise_keeps_going_is_told_from_a_rotation():
    rng = np.random.default_rng(0)
    sigma, omega = 0.03, 0.4
    kicks = rng.normal(size=1500) + 1j * rng.normal(size=1500)
    z = lfilter([1], [1, -np.exp(-sigma + 1j * omega)], kicks)[100:]
    found = dg.diagnose(z.real)
    assert found.kind == "wandering"
    (o,) = found.oscillations
    assert abs(o.frequency - omega) < 4 * o.frequency_error
    assert abs(o.damping - sigma) < 4 * o.damping_error
    assert 0.9 < o.share["series"] <= 1  # there is nothing else in it


@pytest.mark.slow  # fast, of one line: test_frequency_within_a_hundredth_and_damping_within_a_tenth_at_20_db
def test_two_lines_a_growing_one_and_the_lag_between_players():
    rng = np.random.default_rng(1)
    grow = np.exp(0.004 * N)
    d = grow * np.cos(0.3 * N) + 0.5 * np.cos(0.9 * N + 1)
    g = 2 * grow * np.sin(0.3 * N)
    found = dg.diagnose(
        {"step": 10 * N, "d": d + 0.05 * rng.normal(size=ROWS), "g": g + 0.05 * rng.normal(size=ROWS)}
    )
    first, second = found.oscillations
    assert first.frequency == pytest.approx(0.03, rel=0.01)  # per step, not per row
    # growth of 0.004 over 400 rows, under a second line a fifth as large at the end: known within a few %
    assert first.damping == pytest.approx(-0.0004, rel=0.1)
    assert second.frequency == pytest.approx(0.09, rel=0.01)
    assert found.lag["g"] == pytest.approx(-90, abs=2)
    assert first.amplitude["g"] == pytest.approx(2, rel=0.05)
    ema = next(a for a in found.recommendations if a.parameter == "ema")
    assert ema.value is None and "grows" in ema.effect


def test_an_undamped_rotation_among_slow_drift_has_no_damping_beyond_its_error():
    rng = np.random.default_rng(2)
    y = np.cos(0.25 * N) + 0.1 * rng.normal(size=ROWS).cumsum() + 0.3 * rng.normal(size=ROWS)
    (o,) = dg.diagnose(y).oscillations
    assert o.frequency == pytest.approx(0.25, rel=0.01)
    assert abs(o.damping) < 4 * o.damping_error


def test_a_long_series_is_averaged_in_blocks_without_a_shift():
    n = np.arange(40_000)
    y = np.exp(-1e-4 * n) * np.cos(0.01 * n + 0.5) + np.random.default_rng(0).normal(size=len(n))
    found = dg.diagnose(y)
    (o,) = found.oscillations
    assert o.frequency == pytest.approx(0.01, rel=0.01)
    # noise as large as the mode in 40,000 rows, of which the decay leaves 10,000: sigma is known within
    # 2 sigma sqrt(2/10,000) = 3 %, amplitude and phase within 2 sqrt(2/10,000) = 0.03; three to five of these
    assert o.damping == pytest.approx(1e-4, rel=0.1)
    assert o.amplitude["series"] == pytest.approx(1.0, rel=0.1)
    assert o.phase["series"] == pytest.approx(0.5, abs=0.15)
    assert any("means of" in note for note in found.notes)


@pytest.mark.slow  # fast, of a written series, without the game: test_a_plain_learning_rate_gives_gamma
def test_the_dirac_game_agrees_with_its_own_runs():
    v, rule = dg.variant("ns").with_(r1=0.1), dg.rule("alternating", lr=0.2)
    run = dg.simulate(v, phi0=[0.02], theta0=[0.01], rule=rule, steps=400)
    rng = np.random.default_rng(0)
    series = {"step": run.step.values, "phi": run.phi.values[:, 0] + 2e-4 * rng.normal(size=401)}
    found = dg.diagnose(series, v, rule)
    mu = max(dg.spectrum(v, rule=rule).multipliers, key=abs)
    (o,) = found.oscillations
    assert o.frequency == pytest.approx(abs(np.angle(mu)), rel=0.01)
    assert o.damping == pytest.approx(
        -np.log(abs(mu)), rel=0.1
    )  # the run is nonlinear, and noise is a hundredth of it
    assert found.predicted is not None and found.predicted.agrees and found.predicted.multiple == 1
    r1 = next(a for a in found.recommendations if a.parameter == "r1")
    assert (
        r1.value == pytest.approx(0.9, abs=0.1)
    )  # on top of 0.1; critical damping is at r1 = 1, times the measured frequency over the predicted, known within 1 %


def test_the_recommended_average_does_what_it_says():
    y = np.cos(0.1 * np.arange(3000)) + 0.05 * np.random.default_rng(0).normal(size=3000)
    advice = dg.diagnose(y[:500]).recommendations[0]
    assert advice.parameter == "ema" and advice.value is not None
    mean = lfilter([1 - advice.value], [1, -advice.value], np.cos(0.1 * np.arange(3000)))
    assert np.abs(mean[2000:]).max() == pytest.approx(0.1, rel=0.05)


# ---------------- reading


def test_the_same_series_from_every_kind_of_file(folder):
    y, *_ = damped(0)
    rows = [{"step": 5 * k, "loss": {"d": float(v)}, "name": "x", "lr": 0.1} for k, v in enumerate(y)]
    (folder / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "a.json").write_text(json.dumps({"step": [5 * k for k in range(ROWS)], "loss.d": y.tolist()}))
    np.savez(folder / "a.npz", step=5 * np.arange(ROWS), **{"loss.d": y})
    lines = [f"{5 * k};{v!r};" for k, v in enumerate(y.tolist())]
    (folder / "a.csv").write_text("\n".join(["step;loss.d;note", *lines]))
    (folder / "a.txt").write_text(
        "\n".join(["# a comment", "step loss.d", *(x[:-1].replace(";", " ") for x in lines)])
    )
    for name in ("a.jsonl", "a.json", "a.npz", "a.csv", "a.txt"):
        log = read(name)
        assert (log.names, log.interval, log.clock) == (["loss.d"], 5.0, "step"), name
        np.testing.assert_array_equal(log.values[0], y)


def test_gaps_ends_and_sparse_rows_are_said(folder):
    y = np.sin(0.3 * N)
    gone = np.where(N < 300, y, np.nan)
    assert read({"d": gone}).values.shape == (1, 300)
    assert "not finite from row 300" in read({"d": gone}).notes[0]
    assert read({"d": np.where(N < 300, y, np.inf)}).values.shape == (1, 300)
    sparse = [json.dumps({"step": k, ("d" if k % 2 else "g"): float(y[k])}) for k in range(ROWS)]
    (folder / "s.jsonl").write_text("\n".join(sparse))
    assert read("s.jsonl", ["d"]).interval == 2.0  # metrics that are logged in turn
    uneven = read({"step": np.delete(N, 7), "d": np.delete(y, 7)})
    assert uneven.values.shape == (1, ROWS) and "evened out" in uneven.notes[0]
    assert read({"d": y}, after=100).first == 100


@pytest.mark.parametrize("beyond", [np.inf, 1e308, -1e160])
def test_a_step_that_overflowed_is_left_out(beyond):
    """A number whose square overflows has overflowed: the amplitude of its column is infinite."""
    y = np.sin(0.3 * np.arange(200.0))
    y[[7, 90]] = beyond
    log = read({"d": y})
    assert "rows that are not finite were left out: 2" in log.notes
    np.testing.assert_allclose(log.values[0][[6, 100]], y[[6, 100]])


def test_a_series_of_overflowed_numbers_alone_is_none():
    with pytest.raises(dg.InputError, match="holds no numbers"):
        dg.diagnose({"d": np.where(np.arange(60) % 2, 1e308, -1e308)})  # once "settled: d 0"


def test_names_in_quotes_between_blanks_as_r_writes_them(tmp_path):
    rows = [f'"{k + 1}" {10 * k} {k % 7}.5' for k in range(40)]
    (tmp_path / "r.txt").write_text("\n".join(['"step" "loss of D"', *rows]))
    log = read(tmp_path / "r.txt")
    assert (list(log.names), log.clock, log.interval) == (["loss of D"], "step", 10.0)


def test_a_trajectory_is_a_log(folder):
    run = dg.simulate(dg.variant("wgan-linear"), phi0=[0.1], theta0=[0.2], t1=30.0, backend="scipy")
    log = read(run)
    assert log.clock == "time" and log.names == ["phi", "theta"]
    dg.save(run, "run.npz")
    np.testing.assert_array_equal(read("run.npz").values, log.values)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"d": [1.0, 2.0, 3.0]}, "3 complete rows; allowed: at least 24"),
        ({"x": np.ones(50)}, "no series that varies"),
        ({"d": ["a", "b"]}, "holds no numbers"),
        ({"step": np.geomspace(1, 1e6, 50), "d": np.sin(np.arange(50))}, "too uneven"),
    ],
)
def test_what_cannot_be_read_is_said(source, words):
    with pytest.raises(InputError, match=words):
        read(source)


def test_of_many_series_the_usual_ones_are_looked_at():
    many = {f"x{k}": np.sin(k + N) for k in range(12)} | {"loss_d": np.cos(N)}
    log = read(many)
    assert log.names == ["loss_d"] and "of 13 series only loss_d" in log.notes[0]


@pytest.mark.slow  # no fast witness: it trains; a run of the Dirac game is read: test_a_trajectory_is_a_log
def test_a_run_of_the_trainer_turns_as_its_dirac_game_does(cli, folder):
    words = "dirac -v ns --rule alternating --lr 0.1 --steps 1500 --log-every 5 --out run".split()
    assert cli("train", *words)[0] == 0
    found = dg.diagnose("run", dg.variant("ns"), dg.rule("alternating", lr=0.1), columns=["d_fake"])
    assert found.kind == "rotation" and found.predicted is not None
    assert (
        found.predicted.multiple == 2
    )  # what the critic says of the fake sample is a product of both players
    assert found.predicted.agrees
    assert found.oscillations[0].frequency == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step,d\n" + "".join(f"{k},{k % 7},25\n" for k in range(30)), "row 1 has more cells"),
        ("step,d,d\n" + "".join(f"{k},1,2\n" for k in range(30)), "two columns 'd'"),
        ("step,d\n" + "x" * 200_000 + ",1\n", "not a table"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(folder, text, words):
    (folder / "a.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read("a.csv")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pt", {"archive/data.pkl": b"", "archive/version": b"3"}, "a checkpoint of PyTorch"),
        ("a.npz", {"archive/data.pkl": b""}, "a checkpoint of PyTorch"),
        ("a.xlsx", {"[Content_Types].xml": b"", "xl/workbook.xml": b""}, "a spreadsheet.*CSV"),
        ("a.parquet", b"PAR1\x15\0", "a Parquet table"),
        ("a.html", b"<table border='1'><tr><td>1.3</td></tr></table>", "a page of HTML"),
        ("a.pkl", pickle.dumps({"d": 1}), "a pickle"),
        ("a.h5", b"\x89HDF\r\n\x1a\n\0", "an HDF5"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(folder, name, content, words):
    if isinstance(content, dict):
        with zipfile.ZipFile(name, "w") as archive:
            for member, said in content.items():
                archive.writestr(member, said)
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"'{name}' is not a log but {words}"):
        read(name)


def test_text_that_begins_like_another_kind_is_a_log(folder):
    (folder / "a.csv").write_text("PK_loss,PAR1\n" + "".join(f"{np.sin(k)},{np.cos(k)}\n" for k in range(40)))
    assert read("a.csv").names == ["PK_loss", "PAR1"]


def test_an_archive_of_arrays_with_any_wrong_bit_is_read_or_refused(folder):
    np.savez_compressed("a.npz", d=np.sin(N), g=np.cos(N))
    whole, draw = (folder / "a.npz").read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        content[draw.integers(len(whole))] ^= 1 << draw.integers(8)
        (folder / "b.npz").write_bytes(content)
        try:
            values = read("b.npz").values
        except InputError:
            continue
        assert np.array_equal(values, read("a.npz").values)


def test_deep_json_is_refused(folder):
    (folder / "a.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read("a.json")


def test_repeated_steps_are_said_and_the_later_row_counts():
    step = np.concatenate([N, N[-20:]])  # a run that was taken up again 20 steps before its end
    y = np.concatenate([np.sin(0.3 * N), np.cos(0.3 * N[-20:])])
    log = read({"step": step, "d": y})
    np.testing.assert_array_equal(log.values[0, :-20], np.sin(0.3 * N[:-20]))
    np.testing.assert_array_equal(log.values[0, -20:], np.cos(0.3 * N[-20:]))
    assert "resumed at step 380" in log.notes[0] and "20 rows repeat a step" in log.notes[1]


@pytest.mark.parametrize("at", [0, 200, -1])
def test_one_stray_unix_time_among_the_steps_is_left_out(at):
    step = N.astype(float)
    step[at] = 1_732_800_000.0
    log = read({"step": step, "d": np.sin(0.3 * N)})
    assert log.values.shape[1] in (ROWS - 1, ROWS)  # a row in the middle is filled in between its neighbours
    assert "step 1732800000 is far from all others" in log.notes[0]


def test_an_epoch_that_is_run_again_is_a_resumed_run():
    epoch, batch = np.repeat([0, 1, 2, 3, 3, 4], 40), np.tile(np.arange(40), 6)
    log = read({"epoch": epoch, "batch": batch, "d_loss": np.sin(0.3 * np.arange(240))})
    assert log.values.shape[1] == 200 and log.at[-1] == 199
    assert "resumed at batch 120: what was logged again replaces what was before" in log.notes


@pytest.mark.parametrize(
    "name", ["Batch", "kimg", "Epoch", "Tick", "iters", "seen", "Relative Time (Process)"]
)
def test_a_counter_is_never_a_series(name):
    counters = {"Epoch": N // 50, "seen": 64 * (N % 100)}  # by its name, or by what it does
    log = read({"step": N, name: counters.get(name, N), "d_loss": np.sin(0.3 * N)})
    assert log.names == ["d_loss"]


# ---------------- what is recommended


def test_what_holds_a_hundredth_of_the_variance_is_no_reason_for_advice():
    rng = np.random.default_rng(3)
    transient = 0.6 * np.exp(-0.08 * N) * np.cos(0.7 * N)  # 0.6^2 / (4 x 0.08 x 400) = 0.0028 of variance
    trend = np.tanh((N - 200) / 150)
    y = trend + transient + 0.01 * rng.normal(size=ROWS)
    found = dg.diagnose(y)
    assert found.recommendations == []
    assert any("of the variance; below 5 %" in note for note in found.notes)


TURNING = np.cos(0.1 * N) + 0.05 * np.random.default_rng(0).normal(size=ROWS)


@pytest.fixture(scope="module")
def turning():
    """The fit of ``TURNING``, made once for all that ask what would follow from it."""
    return oscillation_modes(TURNING[None])


@pytest.fixture
def fitted(monkeypatch, turning):
    monkeypatch.setattr(
        import_module("diracgan.monitoring.diagnose"), "oscillation_modes", lambda values: turning
    )


@pytest.mark.usefixtures("fitted")
@pytest.mark.parametrize(
    "rule",
    [
        dg.rule("adam", lr=0.05, eps=0.5),
        # without a large eps Adam's linearisation says nothing, and a verdict is sought
        pytest.param(dg.rule("adam", lr=2e-4), marks=pytest.mark.slow),
        pytest.param(dg.rule("lookahead", inner="adam"), marks=pytest.mark.slow),
    ],
    ids=["large eps", "adam", "lookahead"],
)
def test_an_adam_learning_rate_gives_no_gamma(rule):
    r1 = next(a for a in dg.diagnose(TURNING, dg.variant("ns"), rule).recommendations if a.parameter == "r1")
    assert r1.value is None and "gamma" in r1.effect


@pytest.mark.usefixtures("fitted")
def test_a_plain_learning_rate_gives_gamma():
    r1 = next(a for a in dg.diagnose(TURNING, h=1e-3).recommendations if a.parameter == "r1")
    assert r1.value == pytest.approx(2 * 0.1 / 1e-3, rel=0.02)  # critical damping: gamma lr = 2 omega


# ---------------- the command


def test_the_command_answers_in_words_in_json_and_as_a_picture(cli, folder):
    y, omega, sigma = damped(1)
    (folder / "run.csv").write_text(
        "step,d_loss\n" + "\n".join(f"{k},{v!r}" for k, v in enumerate(y.tolist()))
    )
    code, out, err = cli("diagnose", "run.csv", "--format", "json", "--out", "a.png")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "diracgan.diagnose/1" and found["kind"] == "rotation"
    assert found["oscillations"][0]["frequency"] == pytest.approx(omega, rel=0.01)
    assert found["oscillations"][0]["damping"] == pytest.approx(sigma, rel=0.1)  # as promised at 20 dB
    assert [a["parameter"] for a in found["recommendations"]] == ["ema", "r1", "lr_ratio"]
    assert (folder / "a.png").stat().st_size > 5000
    code, out, _ = cli("diagnose", "run.csv")
    assert code == 0 and "rotation with a period of" in out and "r1: gamma = " in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.csv"], "cannot be read"),
        (["run.log"], "is empty"),
        (["bad.jsonl"], "line 2 is not JSON"),
        (["bad.npz"], "damaged"),
        (["empty.csv"], "empty"),
        (["run.csv", "--column", "d_lss"], "did you mean 'd_loss'?"),
        (["run.csv", "--step", "stp"], "did you mean 'step'?"),
        (["run.csv", "--interval", "0"], "interval = 0 is out of range"),
        (["run.csv", "--rule", "adam"], "add --variant NAME"),
        (["run.csv", "--r1", "1"], "--r1 belongs to a variant"),
        (["run.csv", "--variant", "nss"], "did you mean 'ns'?"),
        (["run.csv", "--out", "a.gif"], "Allowed: .pdf, .png, .svg"),
        (["run.csv", "--format", "jsn"], "did you mean 'json'?"),
        (["run.csv", "--after", "1e9"], "'run.csv' from step 1e+09 on holds 0 complete rows"),
        (["nan.csv"], "without a finite number: d_loss"),
        (["nan.csv", "--column", "d_loss"], "column 'd_loss' of 'nan.csv' holds no numbers"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(cli, folder, words, said):
    (folder / "run.csv").write_text("step,d_loss\n" + "\n".join(f"{k},{np.sin(k)}" for k in range(60)))
    (folder / "bad.jsonl").write_text('{"d": 1}\nnonsense\n')
    (folder / "bad.npz").write_bytes(b"PK not really")
    (folder / "empty.csv").write_text("")
    (folder / "nan.csv").write_text("step,d_loss\n" + "\n".join(f"{k},nan" for k in range(60)))
    (folder / "run.log").write_text("")
    code, out, err = cli("diagnose", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
