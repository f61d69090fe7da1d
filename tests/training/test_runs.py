"""A run is a folder: complete, repeatable, resumed to the last bit, stopped with a name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.errors import InputError
from diracgan.training import config, load_run, metrics, problem, resume, train
from diracgan.training.build import warnings
from diracgan.training.config import read
from diracgan.training.toml_tables import toml

SMALL = {"networks": {"width": 8}, "batch": 16, "log_every": 5, "save_every": 10, "sample_every": 20}


def leaves(run) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree.leaves(run.state)]


def equal(a, b) -> None:
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_folder_holds_everything_and_its_config_makes_the_same_run(folder):
    how = SMALL | {"tricks": ["instance-noise:std=0.1,until=50", "flip-labels"], "averages": (0.9, 0.99)}
    run = train("ns", "ring8", steps=20, seed=3, out="a", tensorboard=True, **how)
    assert next((folder / "a/tensorboard").iterdir()).stat().st_size > 500
    assert (run.result, run.steps) == ("ok", 20)
    assert repr(run).startswith("<Run: ns, adam(") and repr(run).endswith(", ring8; 20 of 20 steps, ok>")
    assert [m["step"] for m in run.metrics] == [0, 5, 10, 15, 20]
    assert sorted(p.name for p in (folder / "a" / "samples").iterdir()) == ["00000000.png", "00000020.png"]
    assert (folder / "a/samples/00000020.png").read_bytes()[:4] == b"\x89PNG"
    assert {p.name for p in (folder / "a" / "checkpoints").iterdir()} == {"last.eqx", "best.eqx"}

    made = read("a/config.toml")
    (folder / "again.toml").write_text(toml(made.table()))
    assert (folder / "again.toml").read_text() == (folder / "a/config.toml").read_text()
    from diracgan.training.runs import train_from_config

    again = train_from_config(made, "b")
    equal(run, again)
    for name in ("metrics.jsonl", "samples/00000020.png"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    equal(load_run("a"), run)
    assert load_run("a").result == "ok"
    assert run.generate(5).shape == (5, 2)
    assert not np.array_equal(run.generate(5), run.generate(5, average=0.99))
    with pytest.raises(InputError, match="unknown average"):
        run.generate(5, average=0.5)


@pytest.mark.slow  # fast: test_run_folder.py::test_a_kill_before_any_operation_on_the_disk_loses_nothing
@pytest.mark.parametrize("rule", ["adam", "optimistic"])
def test_two_halves_are_a_whole(folder, rule):
    how = SMALL | {"rule": dg.rule(rule, lr=0.01, ema=0.9), "mean": True, "tricks": ["history:weight=0.1"]}
    whole = train("hinge", "points8", steps=30, out="whole", **how)
    train("hinge", "points8", steps=20, out="half", **(how | {"log_every": 5}))
    equal(resume("half", steps=30), whole)
    assert (folder / "half/metrics.jsonl").read_bytes() == (folder / "whole/metrics.jsonl").read_bytes()


@pytest.mark.slow  # fast, of small networks: test_run_folder.py, a kill loses nothing
def test_two_halves_of_a_convolutional_run(folder):
    how = SMALL | {
        "networks": {"width": 4, "dropout_d": 0.2},
        "classifier": False,
        "log_every": 2,
        "save_every": 3,
    }
    whole = train("ns", "digits", steps=6, out="whole", **how)
    train("ns", "digits", steps=3, out="half", **how)
    equal(resume("half", steps=6), whole)
    assert (folder / "half/metrics.jsonl").read_bytes() == (folder / "whole/metrics.jsonl").read_bytes()


@pytest.mark.slow  # fast, without a signal: test_run_folder.py
def test_killed_at_any_step_it_goes_on_bit_for_bit(folder):
    words = ["train", "ring8", "--width", "8", "--batch", "16", "--steps", "1000", "--log-every", "50"]
    words += ["--save-every", "50", "--sample-every", "1000", "--out", "killed"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "diracgan", *words], env=environment, stderr=subprocess.DEVNULL
    )
    lines, deadline = folder / "killed/metrics.jsonl", time.monotonic() + 240
    while time.monotonic() < deadline and not (lines.is_file() and lines.read_text().count("\n") >= 3):
        assert child.poll() is None
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with lines.open("a") as file:
        file.write('{"step": 40')  # what a process that dies while it writes may leave
    run = resume("killed")
    again = train(
        "ns",
        "ring8",
        steps=1000,
        out="whole",
        **{**SMALL, "log_every": 50, "save_every": 50} | {"sample_every": 1000},
    )
    equal(run, again)
    assert lines.read_bytes() == (folder / "whole/metrics.jsonl").read_bytes()


def test_what_is_not_finite_stops_and_the_last_good_checkpoint_stays(folder):
    networks = SMALL["networks"] | {
        "activation_d": "leaky-relu",
        "activation_g": "relu",
    }  # bounded by nothing
    how = {**SMALL, "networks": networks, "rule": dg.rule("simultaneous", lr=50.0)}
    run = train("wgan-linear", "ring8", steps=200, out="a", **how)
    assert run.result == "NaN"
    assert run.text.startswith("alarm: NaN: ")
    assert run.steps < 200
    kept = load_run("a")
    assert all(np.all(np.isfinite(x)) for x in leaves(kept))
    assert (kept.result, kept.steps % 10) == ("NaN", 0)
    assert json.loads((folder / "a/result.json").read_text())["result"] == "NaN"


@pytest.mark.slow  # fast: the alarms by their metrics, next
def test_a_critic_that_has_won_is_told():
    far = train(
        "ns", "point:x0=9 9", rule=dg.rule("adam", lr=0.02, lr_g=1e-9, alternating=True), steps=400, **SMALL
    )
    assert far.result == "critic loss 0"
    on = train("ns", "point:x0=9 9", rule=far.config.rule, steps=60, alarms={"on": False}, **SMALL)
    assert on.result == "ok"


def test_alarms_by_their_metrics():
    from diracgan.training.alarms import AlarmMonitor
    from diracgan.training.config import Alarms

    watch = AlarmMonitor(Alarms(blow_up=10.0, patience=1))
    assert watch.check({"step": 0, "singular": {"d/head": [2.0, 1.0]}, "modes": 8.0}) is None
    assert watch.check({"step": 1, "singular": {"d/head": [19.0, 1.0]}, "modes": 5.0}) is None
    assert (
        watch.check({"step": 2, "singular": {"d/head": [21.0, 1.0]}, "modes": 5.0}).name == "singular values"
    )
    assert watch.check({"step": 3, "modes": 2.0, "nearest_modes": 8.0}) is None  # smeared about all of them
    assert watch.check({"step": 3, "modes": 4.0, "nearest_modes": 4.0}).name == "mode loss"
    assert watch.check({"step": 3, "modes": 4.0}).name == "mode loss"
    assert AlarmMonitor(Alarms()).check({"step": 0, "modes": 1.0}) is None  # nothing was there to be lost
    watch, scores = AlarmMonitor(Alarms(patience=1)), {"inception_real": 9.0}
    noise, wide, narrow = ({"classes": [1 / k] * k + [0.0] * (10 - k)} for k in (9, 8, 3))
    assert watch.check({"step": 0, "inception": 1.1} | noise | scores) is None
    assert watch.check({"step": 1, "inception": 1.1} | narrow | scores) is None  # of noise no class was lost
    assert watch.check({"step": 2, "inception": 5.0} | wide | scores) is None
    assert watch.check({"step": 3, "inception": 1.5} | narrow | scores).text.startswith("3 of 8 classes")
    watch = AlarmMonitor(Alarms())
    for covered, raised in zip(
        (8, 3, 3, 3, 3, 8, 3, 3, 3, 3, 3), [False] * 10 + [True], strict=True
    ):  # 5 in a row
        assert (watch.check({"step": 0, "modes": float(covered)}) is not None) == raised


@pytest.mark.slow  # no fast witness: it compiles two trainings
def test_seeds_at_once_are_the_seeds_one_by_one():
    both = train("ns", "ring8", steps=10, seed=5, seeds=2, **SMALL)
    assert [(m["step"], m["seed"]) for m in both.metrics][:2] == [(0, 5), (0, 6)]
    for k in range(2):
        alone = train("ns", "ring8", steps=10, seed=5 + k, **SMALL)
        mine = [m for m in both.metrics if m["seed"] == 5 + k]
        for a, b in zip(mine, alone.metrics, strict=True):
            assert a["distance"] == pytest.approx(b["distance"], rel=1e-3)


@pytest.mark.slow  # fast, of bfloat16, without training: test_devices.py::test_a_step_computes_in_what_it_is_told
def test_numbers_of_every_kind():
    for dtype, kept in (("float64", "float64"), ("bfloat16", "float32")):
        run = train("ns", "ring8", steps=2, dtype=dtype, **SMALL)
        assert {x.dtype.name for x in jax.tree.leaves(run.players)} == {kept}
    assert jax.numpy.ones(1).dtype == "float32"  # nothing global has changed


@pytest.mark.slow  # fast, the trust: test_run_folder.py::test_code_that_a_config_names_runs_on_trust_alone
def test_a_users_variant_trains_and_its_config_finds_it(folder, cli):
    (folder / "mine.py").write_text(
        "import jax.numpy as jnp, diracgan as dg\n"
        "@dg.register('mine', reference='-')\n"
        "class Mine(dg.Variant):\n"
        "    k: float = 1.0\n"
        "    def critic_loss(self, real, fake, x_real, x_fake):\n"
        "        return .5 * jnp.mean((real - self.k) ** 2) + .5 * jnp.mean(fake ** 2)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake):\n"
        "        return .5 * jnp.mean((fake - self.k) ** 2)\n"
    )
    short = ("--width", 8, "--batch", 16, "--steps", 4)
    code, out, err = cli("train", "points8", "-v", "mine.py:mine:k=2", "--l2", 0.1, *short, "--out", "a")
    assert code == 0, err
    assert "mine(k=2) + l2=0.1" in out
    assert (folder / "a/loss.py").read_bytes() == (folder / "mine.py").read_bytes()
    for words in (["--config", "a/config.toml", "--out", "b"], ["--resume", "--out", "a"]):
        code, _, err = cli("train", *words)
        assert (code, err.count("\n")) == (2, 1)
        assert "runs the code of 'mine.py'; allowed: --trust" in err.replace(str(folder) + os.sep, "")
    assert not (folder / "b").exists()
    with pytest.raises(InputError, match="trust=True"):
        load_run("a")
    code, _, err = cli("train", "--config", "a/config.toml", "--out", "b", "--trust")
    assert code == 0, err
    assert (folder / "a/metrics.jsonl").read_bytes() == (folder / "b/metrics.jsonl").read_bytes()
    (folder / "mine.py").write_text("raise SystemExit('other code')\n")
    from diracgan.variants import VARIANTS

    del VARIANTS.entries["mine"]  # as in another process
    assert resume("a", trust=True).result == "ok"  # by the copy, which is what the run was made with
    (folder / "a/loss.py").write_text("raise SystemExit('other code')\n")
    with pytest.raises(InputError, match=r"neither .*mine\.py' nor loss\.py beside it has the SHA-256"):
        load_run("a", trust=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "rinq8"], "unknown problem 'rinq8'; did you mean 'ring8'?"),
        (["train", "ring8:raduis=3"], "did you mean 'radius'?"),
        (["train", "ring8", "-N", "widht=3"], "did you mean 'width'?"),
        (["train", "ring8", "--trick", "flip-label"], "did you mean 'flip-labels'?"),
        (["train", "ring8", "-N", "kind=dcgan"], "dcgan needs images"),
        (["train", "ring8", "-N", "condition=acgan"], "needs labels"),
        (["train", "ring8", "--steps", "0"], "steps = 0 is too small"),
        (["train", "ring8", "--dtype", "float16"], "did you mean 'bfloat16'?"),
        (["train", "ring8", "--device", "tpu"], "is not here"),
        (["train", "ring8", "--devices", "64"], "devices = 64"),
        (["train", "--resume", "--out", "nothing"], "no file"),
        (["train", "--config", "bad.toml"], "did you mean 'steps'?"),
        (["train", "--config", "deep.toml"], "did you mean 'width'?"),
        (["train", "--config", "broken.toml"], "is not TOML"),
        (["train", "ring8", "--config", "deep.toml"], "does not go with --config"),
        (["train", "idx:nothing.gz"], "no file"),
        (["train", "dirac", "--trick", "feature-matching"], "needs a critic with features"),
        (["train", "digits", "--trick", "reconstruction"], "needs a paired problem"),
    ],
)
def test_bad_input_is_one_line(cli, folder, words, said):
    (folder / "bad.toml").write_text("stpes = 3\n")
    (folder / "deep.toml").write_text("[networks]\nwidthh = 3\n")
    (folder / "broken.toml").write_text("steps = = 3\n")
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.slow  # fast, of another bit: test_run_folder.py::test_a_checkpoint_with_another_bit_is_refused
def test_a_checkpoint_of_another_network(folder, cli):
    train("ns", "ring8", steps=2, out="a", **SMALL)
    config = folder / "a/config.toml"
    config.write_text(config.read_text().replace("width = 8", "width = 9"))
    code, _, err = cli("train", "--resume", "--out", "a", "--steps", 4)
    assert code == 2
    assert "is of another network: its inner.players.phi.layers[0].w is float32 2x8, here" in err
    config.write_text(config.read_text().replace("width = 9", "width = 8"))
    whole = (folder / "a/checkpoints/last.eqx").read_bytes()
    # cut short it is still ours, as its first line says, but not what was written; of other bytes nothing is known
    for content, said in (
        (whole[:-40], "is damaged: its checksum is another; allowed: a whole checkpoint"),
        (whole[40:], "is not a checkpoint, or damaged"),
    ):
        (folder / "a/checkpoints/last.eqx").write_bytes(content)
        code, _, err = cli("train", "--resume", "--out", "a", "--steps", 4)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    code, _, err = cli("train", "ring8", "--out", "a")
    assert "holds a run already" in err
    assert "or --overwrite" in err
    (folder / "a/notes.txt").touch()
    assert cli("train", "dirac", "--out", "a", "--steps", 1, "--overwrite")[0] == 2, "somebody else's file"
    assert 'name = "ring8"' in config.read_text(), "nothing is removed"
    (folder / "a/notes.txt").unlink()
    assert cli("train", "dirac", "--out", "a", "--steps", 1, "--overwrite")[0] == 0
    assert 'name = "dirac"' in config.read_text()


def test_what_is_unwise_is_said(cli):
    made = config.configure("ns:r1=0.1", "ring8", networks={"norm_d": "batch"})
    assert [w.split(":")[0] for w in warnings(made)] == ["batch norm in the critic under a gradient penalty"]
    # the critic of 8x8 pixels is one convolution and its head: there is no norm, and none by default
    assert not warnings(config.configure("ns:r1=0.1", "digits"))
    for on, networks in (("digits", {}), ("ring8", {"depth_d": 1})):
        made = config.configure("ns:r1=0.1", on, networks={"norm_d": "batch", **networks})
        assert [w.split(":")[0] for w in warnings(made)] == ["norm_d = batch does nothing in these networks"]
    assert not warnings(config.configure("ns:r1=0.1", "dirac"))
    assert not warnings(config.configure("wgan-gp", "ring8", networks={"norm_d": "layer"}))
    code, _, err = cli("train", "ring8", "-N", "norm_d=batch", "--r1", 0.1, "--steps", 0)
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("said", "problem_", "settings"),
    [
        (
            "one iteration of lookahead evaluates the field 100010000 times",
            "ring8",
            {"rule_": dg.rule("lookahead", k=10_000, inner=dg.rule("alternating", lr=0.1, n_critic=10_000))},
        ),
        (
            "networks of width 65536 and depth 1000 are too large",
            "ring8",
            {"networks": {"width": 65536, "depth": 1000}},
        ),
        ("parameters are too large", "ring8:latent=2147483647", {}),
        (
            "batch = 1048576 with 1048576 numbers",
            "ring8",
            {"training": {"batch": 2**20}, "networks": {"minibatch": "discrimination"}},
        ),
        ("lr = 1e\\+300 does not fit in float32", "ring8", {"rule_": "adam:lr=1e300"}),
        ("norm = 1e-60 does not fit in float32", "ring8", {"tricks": "clip-gradient:norm=1e-60"}),
        ("std = 1e\\+300 is out of range", "ring8:std=1e300", {}),
        (
            "the trick clip-gradient is given twice",
            "ring8",
            {"tricks": ["clip-gradient", "history", "clip-gradient:norm=2"]},
        ),
        ("the memory of optimistic would move it on", "ring8", {"tricks": "balance", "rule_": "optimistic"}),
    ],
)
def test_what_no_machine_can_do_is_one_line(said, problem_, settings):
    with pytest.raises(InputError, match=said) as told:
        config.configure("ns", problem_, **settings)
    assert "\n" not in str(told.value)


def test_plans_refuse_what_does_not_fit():
    with pytest.raises(InputError, match="is not a rule"):
        config.configure("ns", "ring8", rule_=3)
    with pytest.raises(InputError, match="no width|width = 0"):
        config.configure("ns", "ring8", networks={"width": 0})


@pytest.mark.slow  # fast, of some, on the Dirac game: test_parity.py::test_every_variant
@pytest.mark.parametrize("name", sorted(dg.variants()))
def test_every_variant_trains_networks(name):
    run = train(name, "ring8", steps=10, **SMALL)
    assert run.result == "ok"
    assert all(np.all(np.isfinite(x)) for x in leaves(run))


@pytest.mark.slow  # fast, of some, on the Dirac game: test_parity.py::test_every_rule_with_its_whole_state
@pytest.mark.parametrize("name", sorted(dg.rules()))
def test_every_rule_trains_networks(name):
    run = train("ns:r1=0.1", "ring8", rule=dg.rule(name, lr=1e-3), steps=4, **SMALL)
    assert run.result == "ok"
    assert all(np.all(np.isfinite(x)) for x in leaves(run))


def test_samples_in_the_middle_of_a_ring_are_near_none_of_its_modes():
    # the modes of ring8 are 2 from the middle and 4 sin(pi/8) = 1.53 from one another
    made = problem("ring8")
    blob = 0.01 * np.random.default_rng(0).normal(size=(800, 2))
    assert metrics.nearest_modes(made, blob) == 0
    assert metrics.nearest_modes(made, np.repeat(1.2 * np.asarray(made.data), 100, axis=0)) == 8
