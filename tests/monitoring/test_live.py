"""A monitor that is fed step by step, and the callbacks that feed it."""

from __future__ import annotations

import io
import math
import re
import sys
import types

import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import InputError
from diracgan.monitoring import callbacks
from diracgan.monitoring.levels import limits_of
from diracgan.monitoring.logs import read
from diracgan.monitoring.pieces import meaning_of
from diracgan.monitoring.regime_kinds import RegimeKind
from diracgan.monitoring.regimes import regimes


def fed(monitor: dg.Monitor, d: np.ndarray, g: np.ndarray) -> list[str]:
    said = [monitor.update(k, d_loss=a, g_loss=b) for k, (a, b) in enumerate(zip(d, g, strict=True))]
    return [w.kind.value for w in said if w is not None]


def test_a_healthy_run_is_not_warned_of():
    rng = np.random.default_rng(0)
    n = np.arange(4000)
    d = 1.386 + 0.1 * np.sin(0.01 * n) + 0.2 * rng.normal(size=4000)
    g = 0.693 + 0.1 * np.cos(0.01 * n) + 0.2 * rng.normal(size=4000)
    assert fed(dg.Monitor(variant="ns"), d, g) == []


@pytest.mark.parametrize("variant", ["ns", None])
def test_each_failure_is_warned_of_once_with_evidence_and_remedy(variant):
    rng = np.random.default_rng(1)
    n = np.arange(2000)
    noise = 0.05 * rng.normal(size=2000)
    fade = 1 / (1 + np.exp((n - 1000) / 40))  # from 1 to 0: the discriminator wins
    won = dg.Monitor(variant=variant)
    assert fed(won, 1.3 * fade + 0.01 * np.abs(noise), 0.7 + 6 * (1 - fade) + noise) == [
        "drifting",
        "player-won",
    ]
    assert "about to win, and its loss still falls" in won.warnings[0].evidence
    assert "d_loss" in won.warnings[1].evidence and "checkpoint" in won.warnings[1].remedy
    assert 1000 < won.warnings[0].step < won.warnings[1].step < 1400
    grows = dg.Monitor(variant=variant)
    assert fed(grows, 1.3 + noise + np.exp((n - 1500) / 60), 0.7 + noise) == ["diverging"]
    dead = dg.Monitor(variant=variant)
    assert fed(dead, np.where(n < 1000, 1.3 + noise, 1.1), np.where(n < 1000, 0.7 + noise, 0.6)) == ["dead"]
    flips = dg.Monitor(variant="wgan-linear")
    assert fed(flips, np.where(n < 1000, -2.0, 2.0) + noise, 0.7 + noise) == ["flipped"]
    assert "d_loss has changed its sign, from -" in flips.warnings[0].evidence
    stuck = dg.Monitor(variant=variant)
    assert (
        fed(stuck, np.where(n < 1000, 1.3 + noise, 16.118), np.where(n < 1000, 0.7 + noise, 16.118))[-1]
        == "dead"
    )
    assert "g_loss is at -ln 1e-7: saturated by clipping" in stuck.warnings[-1].evidence
    clipped = dg.Monitor(variant=variant)  # its running mean is still far from where the loss stands
    assert fed(clipped, np.where(n < 1000, 1.3 + noise, 0.0), np.where(n < 1000, 0.7 + noise, 100.0)) == [
        "player-won"
    ]
    assert "d_loss 0, g_loss 100:" in clipped.warnings[0].evidence
    assert "g_loss is at PyTorch's BCELoss" in clipped.warnings[0].evidence
    nan = dg.Monitor(variant=variant)
    assert fed(nan, np.where(n == 700, math.nan, 1.3 + noise), 0.7 + noise)[:1] == ["diverging"]
    assert nan.warnings[0].step == 700


@pytest.mark.parametrize("name", ["ns", "hinge", "lsgan", None])
def test_a_monitor_and_a_diagnosis_of_its_log_agree_on_the_winner(name):
    """Both levels of the two losses, across the thresholds: one rule decides, live and afterwards."""
    rng = np.random.default_rng(3)
    limits = limits_of(dg.variant(name or "ns"))
    assert limits is not None
    for near in (0.8, 0.86, 0.9, 0.97):  # how far the critic's loss has come from chance to its victory
        d = (1 - near) * limits.chance[0] + near * limits.critic_won[0]
        g = limits.critic_won[1] if math.isfinite(limits.critic_won[1]) else 5.0
        d, g = (x + 1e-3 * rng.normal(size=400) for x in (d, g))
        monitor = dg.Monitor(variant=name)
        fed(monitor, d, g)
        found = dg.diagnose({"d_loss": d, "g_loss": g}, None if name is None else dg.variant(name))
        won = found.regimes[-1].kind.value == "player-won"
        assert (monitor.state()["regime"] == "player-won") == won, (near, found.regimes[-1])


def test_memory_is_constant_and_means_keep_their_sum():
    monitor = dg.Monitor(variant="ns")
    for k in range(5000):
        monitor.update(k, d_loss=1.0 + 0.001 * k, g_loss=0.5)
    kept = monitor.series()
    assert len(kept["step"]) <= 1024
    block = 8  # 5000 rows in rows of 8 are the first that fit
    np.testing.assert_allclose(
        kept["d_loss"][:500], 1.0 + 0.001 * (kept["step"][:500] + (block - 1) / 2), rtol=1e-12
    )
    state = monitor.state()
    assert state["updates"] == 5000 and state["means"]["g_loss"] == pytest.approx(0.5)


def test_a_loss_that_is_given_on_some_updates_keeps_its_size():
    monitor = dg.Monitor(variant="ns")
    for k in range(
        5001
    ):  # the generator moves once in five updates, so most rows of one update lack its loss
        monitor.update(k, d_loss=1.3, **({"g_loss": 0.7} if k % 5 == 0 else {}))
    kept = monitor.series()
    assert len(kept["step"]) > 512
    np.testing.assert_allclose(kept["g_loss"][np.isfinite(kept["g_loss"])], 0.7)
    assert np.all(np.isfinite(kept["g_loss"][:-1]))  # a row of eight updates holds one at least


def test_the_whole_diagnosis_is_there_on_demand():
    monitor = dg.Monitor(variant="ns")
    with pytest.raises(InputError, match="too few to diagnose"):
        monitor.diagnose()
    rng = np.random.default_rng(0)
    for k in range(600):
        monitor.update(k, d_loss=1.39 + 0.02 * rng.normal(), g_loss=0.69 + 0.02 * rng.normal())
    assert [r.kind.value for r in monitor.diagnose().regimes] == ["at-chance"]


def test_what_is_no_number_is_refused():
    with pytest.raises(InputError, match="d_loss = 'x' is not a number"):
        dg.Monitor().update(0, d_loss="x")
    for value in (None, np.ones(3), 10**400):
        with pytest.raises(InputError, match="d_loss = .* is not a number"):
            dg.Monitor().update(0, d_loss=value)
    for step in ("a", None, math.nan):
        with pytest.raises(InputError, match="step = "):
            dg.Monitor().update(step, d_loss=1.0)
    with pytest.raises(InputError, match="did you mean 'ns'"):
        dg.Monitor(variant="nss")
    with pytest.raises(InputError, match="variant = 3 is not a variant"):
        dg.Monitor(variant=3)
    with pytest.raises(InputError, match="rule = 'adam' is not a rule"):
        dg.Monitor(rule="adam")


class Tensor:
    """Stands for a tensor of one element."""

    def __init__(self, x: float) -> None:
        self.x = x

    def item(self) -> float:
        return self.x


def test_tensors_are_taken_as_they_are(recwarn):
    torch = pytest.importorskip("torch")
    monitor = dg.Monitor()
    monitor.update(0, d_loss=torch.ones(1, requires_grad=True), g_loss=np.ones((1, 1)))
    assert monitor.state()["means"] == {"d_loss": 1.0, "g_loss": 1.0} and not recwarn
    for value in (torch.ones(2, 300), torch.ones((), device="meta")):
        with pytest.raises(InputError, match="is not a number") as error:
            callbacks.torch_hook(monitor)(0, d_loss=value)
        assert "\n" not in str(error.value)


def stand_in(monkeypatch, module: str, name: str) -> None:
    made = types.ModuleType(module)
    setattr(made, name, type(name, (), {}))
    for k in range(module.count(".") + 1):
        part = ".".join(module.split(".")[: k + 1])
        monkeypatch.setitem(sys.modules, part, made if part == module else types.ModuleType(part))


def test_each_framework_feeds_the_same_monitor(monkeypatch):
    logged = {"d_loss": Tensor(1.2), "g_loss": 0.8, "epoch": 3, "lr": 1e-4, "note": "x", "train_runtime": 9.0}
    stand_in(monkeypatch, "lightning.pytorch", "Callback")
    stand_in(monkeypatch, "keras.callbacks", "Callback")
    stand_in(monkeypatch, "transformers", "TrainerCallback")
    trainer = types.SimpleNamespace(callback_metrics=logged, global_step=7)
    calls = {
        callbacks.lightning_callback: lambda c: c.on_train_batch_end(trainer, None, None, None, 0),
        callbacks.keras_callback: lambda c: c.on_train_batch_end(0, logged),
        callbacks.transformers_callback: lambda c: c.on_log(
            None, types.SimpleNamespace(global_step=7), None, logged
        ),
    }
    for make, call in calls.items():
        monitor = dg.Monitor(variant="ns")
        call(make(monitor))
        assert monitor.state()["means"] == {"d_loss": 1.2, "g_loss": 0.8}
    monitor = dg.Monitor(variant="ns")
    callbacks.torch_hook(monitor)(0, d_loss=Tensor(1.2), g_loss=Tensor(math.inf))
    assert monitor.state()["regime"] == "diverging"


def test_what_lightning_keeps_from_before_is_not_taken_again(monkeypatch):
    torch = pytest.importorskip("torch")
    stand_in(monkeypatch, "lightning.pytorch", "Callback")
    monitor, kept = dg.Monitor(variant="ns"), {}
    callback = callbacks.lightning_callback(monitor)
    trainer = types.SimpleNamespace(callback_metrics=kept, global_step=0)
    for epoch in range(3):
        for batch in range(10):
            trainer.global_step += 1
            kept["d_loss"] = torch.tensor(1.0 + trainer.global_step)
            if batch % 5 == 0:
                kept["g_loss"] = torch.tensor(1.0)  # every fifth batch
            callback.on_train_batch_end(trainer, None, None, None, batch)
            kept["d_loss"] = kept["d_loss"].detach()  # the same memory under another object
        kept["w_loss"] = torch.tensor(float(epoch))  # once an epoch
        callback.on_train_epoch_end(trainer, None)
    given = {n: int(np.isfinite(y).sum()) for n, y in monitor.series().items()}
    assert given == {"step": 33, "d_loss": 30, "g_loss": 6, "w_loss": 3}


def test_of_keras_running_means_each_batch_is_taken(monkeypatch):
    stand_in(monkeypatch, "keras.callbacks", "Callback")
    monitor = dg.Monitor(variant="ns")
    callback = callbacks.keras_callback(monitor)
    callback.model = types.SimpleNamespace(
        metrics=[
            types.SimpleNamespace(name="d_loss", total=1, count=1),
            types.SimpleNamespace(name="g_loss", total=0, count=0),
        ]
    )
    losses = np.random.default_rng(0).uniform(size=(2, 30))
    for epoch, row in enumerate(losses):
        callback.on_epoch_begin(epoch)
        for batch, loss in enumerate(row):
            callback.model.metrics[0].count = batch + 1
            callback.on_train_batch_end(batch, {"d_loss": float(np.mean(row[: batch + 1])), "g_loss": loss})
    kept = monitor.series()
    np.testing.assert_allclose(kept["d_loss"], losses.ravel(), rtol=1e-9)
    np.testing.assert_allclose(kept["g_loss"], losses.ravel())


def test_a_name_for_every_step_does_not_fill_the_memory():
    monitor = dg.Monitor(variant="ns")
    for step in range(400):
        monitor.update(step, d_loss=1.3, g_loss=0.7, **{f"loss_of_{step}": 0.5})
    found = monitor.state()
    assert (len(found["means"]), found["left_out"]) == (256, 400 - 254)
    assert {"d_loss", "g_loss"} <= found["means"].keys()
    assert (
        monitor.update(400, late=math.nan).kind is RegimeKind.DIVERGING
    )  # what is left out is looked at still


def test_keras_weighs_a_last_batch_that_is_smaller(monkeypatch):
    stand_in(monkeypatch, "keras.callbacks", "Callback")
    monitor = dg.Monitor(variant="ns")
    callback = callbacks.keras_callback(monitor)
    mean = types.SimpleNamespace(name="d_loss", total=1, count=0)  # as Keras compiles it: every sample counts
    callback.model = types.SimpleNamespace(metrics=[mean])
    losses, rows, total = [0.3, 0.9, 0.5], [64, 64, 7], 0.0
    callback.on_epoch_begin(0)
    for batch, (loss, size) in enumerate(zip(losses, rows, strict=True)):
        mean.count, total = mean.count + size, total + size * loss
        callback.on_train_batch_end(batch, {"d_loss": total / mean.count})
    np.testing.assert_allclose(monitor.series()["d_loss"], losses, rtol=1e-9)


def test_without_the_framework_one_line_names_it(monkeypatch):
    for module in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match="needs lightning, which is not installed"):
        callbacks.lightning_callback(dg.Monitor())


def between_looks(monkeypatch, acts):
    """Let ``diracgan watch`` find what each act leaves at its next look, then Ctrl-C."""
    left = iter(acts)

    def wait(seconds: float) -> None:
        act = next(left, None)
        if act is None:
            raise KeyboardInterrupt
        act()

    monkeypatch.setattr("diracgan.monitoring.watching.follow.__defaults__", (None, 5.0, wait))


def test_a_growing_file_is_followed_until_ctrl_c(cli, folder, monkeypatch):
    rng = np.random.default_rng(0)
    file = folder / "log.csv"
    rows = [f"{k},{1.386 + 0.03 * rng.normal()},{0.693 + 0.03 * rng.normal()}\n" for k in range(300)]
    more = [f"{k},{0.01 * abs(rng.normal())},{7 + 0.3 * rng.normal()}\n" for k in range(300, 600)]
    file.write_text("step,d_loss,g_loss\n" + "".join(rows))
    between_looks(monkeypatch, [lambda: file.write_text(file.read_text() + "".join(more))])
    code, out, err = cli("watch", "log.csv")
    assert code == 130 and "can I stop? yes, or change it: the critic has won" in out
    assert "seen: at chance from 0, player won from 300" in out
    lines = err.splitlines()
    assert lines[0] == "note: no variant was named; by its range the loss is taken for ns: a guess"
    assert lines[1].startswith("now step 0 to 299: at chance")
    assert "player won" in lines[-1] and "\x1b" not in err


def test_a_log_that_is_rotated_broken_and_begun_again_is_followed(cli, folder, monkeypatch):
    rng = np.random.default_rng(0)
    file, head = folder / "log.csv", "step,d_loss,g_loss\n"
    rows = "".join(f"{k},{1.386 + 0.03 * rng.normal()},{0.693 + 0.03 * rng.normal()}\n" for k in range(300))
    won = "".join(f"{k},{0.01 * abs(rng.normal())},{7 + 0.3 * rng.normal()}\n" for k in range(100))
    file.write_text(head + rows)
    between_looks(
        monkeypatch,
        [
            lambda: file.rename(folder / "log.csv.1"),
            lambda: file.write_text(head + rows[:200]),
            lambda: file.write_text(head + rows),
            lambda: file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)),
            lambda: file.write_text(
                head + rows + head + won
            ),  # the last run is shorter, and what is followed
        ],
    )
    code, out, err = cli("watch", "log.csv")
    lines = [line for line in err.splitlines() if line.startswith(("waiting", "note"))]
    said = (
        "note: no variant was named",
        "No such file",
        "holds 5 complete rows",
        "is not a log but",
        "note: 2 runs in one file: the step begins",
    )
    assert len(lines) == len(said) and all(part in line for part, line in zip(said, lines, strict=True))
    assert code == 130 and out.startswith("step 99, 100 rows; seen: player won from 0")


def test_the_line_that_is_written_over_fits_a_narrow_terminal(folder, monkeypatch):
    from diracgan.cli.watch import _goes_on

    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "60")
    log = read({"d_loss": [1.386, 1.387] * 40, "g_loss": [0.693, 0.694] * 40})
    _goes_on(log, regimes(log, meaning_of(log, dg.variant("ns")))[-1], "", True)
    line = re.sub(r"\x1b\[[\d;]*[mK]|\r", "", shown.getvalue())
    assert line.startswith("row 0 to 79: rotating") and len(line) == 59


def test_a_log_that_is_too_short_is_waited_for_and_refused_at_once(cli, folder, monkeypatch):
    (folder / "log.csv").write_text("step,d_loss,g_loss\n0,1.3,0.7\n")

    def wait(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("diracgan.monitoring.watching.follow.__defaults__", (None, 5.0, wait))
    code, out, err = cli("watch", "log.csv")
    assert (code, out) == (130, "the log was too short to say anything\n")
    assert err.startswith("waiting: 'log.csv' holds 1 complete row") and err.count("\n") == 1
    code, out, err = cli("watch", "log.csv", "--once")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["gone.csv"], "cannot be read"), (["x.csv", "--pause", "0"], "pause = 0 is out of range")],
)
def test_watch_refuses_in_one_line(cli, words, said):
    code, out, err = cli("watch", *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err
