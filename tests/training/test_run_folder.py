"""A run's folder: one writer, no reader that writes, and no moment at which a kill loses anything."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from deaths import DEATH, Killed
from selection import slow_but

from diracgan.errors import InputError
from diracgan.files import json_object
from diracgan.locks import locked
from diracgan.training import load_run, resume, train
from diracgan.training.config import configure
from diracgan.training.run_folder import LOCK, lines_until, write_config

SMALL = {"networks": {"width": 4}, "batch": 8, "log_every": 1, "save_every": 2, "sample_every": 2}


def go_on(out: Path, steps: int = 4) -> None:
    """What a person does after a kill: go on where there is a run, else begin it."""
    if (out / "config.toml").exists():
        resume(out)
    else:
        train("ns", "points8", steps=steps, out=out, **SMALL)


def contents(out: Path) -> dict[str, bytes]:
    """Every file, without how long it took."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()} | {
        "result.json": b""
    }


@pytest.mark.parametrize("every", slow_but([5, 25], 25))  # odd ones among them
def test_a_kill_before_any_operation_on_the_disk_loses_nothing(folder, every):
    whole = folder.resolve() / "whole"
    DEATH.within(whole, -1)
    train("ns", "points8", steps=4, out=whole, **SMALL)
    operations, DEATH.folder = DEATH.seen, ""
    assert operations > 30
    for after in range(0, operations, every):
        out = folder.resolve() / f"killed-{after}"
        DEATH.within(out, after)
        with pytest.raises(Killed):
            train("ns", "points8", steps=4, out=out, **SMALL)
        DEATH.folder = ""
        lines = out / "metrics.jsonl"
        if after % 2 and lines.exists():
            with lines.open("a") as file:
                file.write('{"step": 1, "loss')  # a line on whose writing it died
        go_on(out)
        assert contents(out) == contents(whole), after


@pytest.mark.slow  # fast, at the first training: the test above
def test_a_kill_while_going_on_loses_nothing(folder):
    whole, random_ = folder.resolve() / "whole", random.Random(0)
    train("ns", "points8", steps=6, out=whole, **SMALL)
    for k in range(20):
        out = folder.resolve() / f"killed-{k}"
        for _ in range(3):
            DEATH.within(out, random_.randrange(60))
            with contextlib.suppress(Killed):
                go_on(out, 6)
            DEATH.folder = ""
        go_on(out, 6)
        assert contents(out) == contents(whole), k


@pytest.mark.slow  # fast, without a signal: the first test
def test_killed_by_a_signal_at_random_points(folder):
    words = [
        sys.executable,
        "-m",
        "diracgan",
        "train",
        "points8",
        "--width",
        "4",
        "--batch",
        "8",
        "--steps",
        "400",
    ]
    words += ["--log-every", "20", "--save-every", "20", "--sample-every", "20", "--out"]
    how = {"networks": {"width": 4}, "batch": 8, "log_every": 20, "save_every": 20, "sample_every": 20}
    whole, random_ = folder / "whole", random.Random(1)
    train("ns", "points8", steps=400, out=whole, **how)
    for k in range(20):
        out = folder / f"killed-{k}"
        child = subprocess.Popen([*words, str(out)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while child.poll() is None and not (out / "samples").exists():
            time.sleep(0.005)
        time.sleep(random_.expovariate(4.0))
        child.send_signal(signal.SIGKILL)
        child.wait()
        if not (out / "result.json").exists():
            resume(out)
        assert contents(out) == contents(whole), k


def test_a_reader_changes_nothing(folder):
    train("ns", "points8", steps=4, out="a", **SMALL)
    out = folder / "a"
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "loss_d": 1.0}\n')  # the run goes on, beyond its last checkpoint
    before = contents(out)
    run = load_run("a")
    assert [m["step"] for m in run.metrics] == [0, 1, 2, 3, 4]
    assert contents(out) == before
    with locked(out / LOCK, out):
        load_run("a")


def test_one_writer_at_a_time(folder):
    out = folder / "deep" / "er" / "a"
    train("ns", "points8", steps=2, out=out, **SMALL)  # makes its folder with those above it
    assert not (out / LOCK).exists()
    with locked(out / LOCK, out):
        assert json.loads((out / LOCK).read_text()).keys() == {"pid", "host", "process_start", "since"}
        with pytest.raises(
            InputError, match=f"is being written by process {os.getpid()} on {platform.node()}"
        ):
            resume(out, steps=4)
    (out / LOCK).write_text(
        json.dumps({"pid": 1 << 22, "host": platform.node()})
    )  # no process has this number
    assert resume(out, steps=4).steps == 4
    (folder / "new").mkdir()
    with locked(folder / "new" / LOCK, "new"), pytest.raises(InputError, match="is being written"):
        train("ns", "points8", steps=2, out="new", **SMALL)


def test_without_locks_of_the_file_system_the_owner_decides(folder, monkeypatch):
    from diracgan import locks

    monkeypatch.setattr(locks, "_hold", lambda handle: False)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = {"host": platform.node(), "process_start": locks._process_start(os.getpid())}
    for owner, kept in (
        (own | {"pid": os.getpid()}, True),
        (own | {"pid": dead.pid}, False),
        (own | {"pid": os.getpid(), "process_start": "1"}, False),  # the number is another process's now
        (own | {"pid": dead.pid, "host": "elsewhere"}, True),
    ):
        (folder / LOCK).write_text(json.dumps(owner))
        if kept:
            with pytest.raises(InputError, match="is being written"), locked(folder / LOCK, folder):
                pass
            (folder / LOCK).unlink()
        else:
            with locked(folder / LOCK, folder):
                assert json.loads((folder / LOCK).read_text())["pid"] == os.getpid()


def test_a_folder_of_something_else_is_left_alone(folder, cli):
    out = folder / "theirs"
    out.mkdir()
    (out / "metrics.jsonl").write_text('{"epoch": 1}\n')
    before = contents(out)
    for words in (["points8", "--steps", "2"], ["--resume"]):
        code, _, err = cli("train", *words, "--out", out)
        assert (code, err.count("\n")) == (2, 1)
    with pytest.raises(InputError, match=r"not empty: it holds 'metrics\.jsonl'"):
        train("ns", "points8", steps=2, out=out)
    assert contents(out) == before


@pytest.mark.parametrize("line", ['{"epoch": 1}', "[]", "[" * 100_000 + "]" * 100_000, '{"step": null}'])
def test_metrics_that_no_run_has_written(folder, line):
    (folder / "metrics.jsonl").write_text('{"step": 0}\n' + line + "\n")
    with pytest.raises(InputError, match="line 2 of .* has no step") as told:
        lines_until(folder / "metrics.jsonl", 5)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("line", ['{"step": 7, "loss_d": 1.0}', '{"step": 0, "mine": 1}', "mine"])
def test_metrics_without_a_checkpoint_are_somebodys(folder, line):
    write_config(folder, configure("ns", "points8").table())
    (folder / "metrics.jsonl").write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl.*allowed"):
        resume(".")
    assert (folder / "metrics.jsonl").read_text() == f"{line}\n"


def test_only_a_last_line_may_be_cut_short(folder):
    file = folder / "metrics.jsonl"
    file.write_text('{"step": 0}\n{"step": 1')
    assert lines_until(file, 5) == [{"step": 0}]
    for text in (
        '{"step": 0}\n{"st\n{"step": 2}\n',
        "hello\n",
    ):  # what a writer that was stopped does not leave
        file.write_text(text)
        with pytest.raises(InputError, match="has no step"):
            lines_until(file, 5)


def test_a_checkpoint_with_another_bit_is_refused(folder):
    train("ns", "points8", steps=2, out="run", **SMALL)
    file = folder / "run" / "checkpoints" / "last.eqx"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1  # among the numbers of the last array
    file.write_bytes(bytes(content))
    before = contents(folder / "run")
    with pytest.raises(InputError, match="damaged: its checksum"):
        load_run("run")
    with pytest.raises(InputError, match="damaged: its checksum"):
        resume("run", steps=4)
    assert contents(folder / "run") == before


def endless(file: Path) -> None:
    """A terabyte of nothing behind what is there."""
    with file.open("ab") as held:
        held.truncate(1 << 40)


def test_an_endless_file_is_not_read_whole(folder):
    (folder / "metrics.jsonl").write_text('{"step": 0}\n')
    endless(folder / "metrics.jsonl")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="line 2 of .* has no step"):
        lines_until(folder / "metrics.jsonl", 5)
    assert json_object(folder / "metrics.jsonl") is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # a GiB


@pytest.mark.slow  # fast witness: test_an_endless_file_is_not_read_whole
def test_an_endless_file_of_a_run_is_not_read_whole(folder):
    train("ns", "points8", steps=2, out="run", **SMALL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("result.json", "run.lock", "checkpoints/best.eqx"):  # what they say is not needed
        endless(folder / "run" / name)
    assert load_run("run").steps == resume("run", steps=2).steps == 2
    endless(folder / "run/checkpoints/last.eqx")
    for reading in (load_run, resume):
        with pytest.raises(InputError, match="damaged: its checksum"):
            reading("run")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


FAILS = """import diracgan as dg, jax.numpy as jnp

@dg.register("NAME")
class Late(dg.Variant):
    def critic_loss(self, real, fake, x_real, x_fake):
        if real.shape[0] == 8:  # a minibatch of training
            raise RuntimeError("eight")
        return jnp.mean(fake - real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)
"""


@pytest.mark.parametrize("there", slow_but([False, True], True))
def test_a_first_step_that_fails_leaves_nothing(folder, cli, there):
    name = "late-there" if there else "late"  # a process knows a name once
    (folder / "mine.py").write_text(FAILS.replace("NAME", name))
    out = folder / "deep" / "run"
    if there:
        out.mkdir(parents=True)
    how = ["--networks", "width=4", "--batch", "8", "--steps", "2", "-o", out]
    code, _, err = cli("train", "points8", "-v", f"mine.py:{name}", *how)
    assert code == 2 and err.count("\n") == 1 and "eight" in err
    assert out.is_dir() == there == (folder / "deep").is_dir()
    assert not there or not any(out.iterdir())


def test_a_config_nested_too_deeply_is_one_line(folder, cli):
    (folder / "deep.toml").write_text("steps = " + "[" * 100_000 + "]" * 100_000 + "\n")
    code, _, err = cli("train", "--config", "deep.toml")
    assert (code, err.count("\n")) == (2, 1)
    assert "nested too deeply" in err


EVIL = "import pathlib; pathlib.Path('ran').touch()\n"


@pytest.mark.parametrize("name", ["pathlib:Path", "evil.py:loss", "./evil:loss"])
@pytest.mark.parametrize("part", ["variant", "rule", "problem", "tricks"])
def test_code_that_a_config_names_runs_on_trust_alone(folder, cli, name, part):
    for file in ("evil.py", "evil"):
        (folder / file).write_text(EVIL)
    table = f"[[{part}]]" if part == "tricks" else f"[{part}]"
    (folder / "c.toml").write_text(f'steps = 1\n{table}\nname = "{name}"\n')
    code, _, err = cli("train", "--config", "c.toml")
    assert (code, err.count("\n")) == (2, 1)
    assert "--trust" in err
    assert not (folder / "ran").exists()


def test_a_rule_within_a_rule_and_a_run_folder_ask_as_well(folder):
    """The inner rule of a lookahead, and the same names in the folder of a run that is read or resumed."""
    train("ns", "points8", steps=2, out="a", **SMALL)
    (folder / "evil.py").write_text(EVIL)
    config = folder / "a/config.toml"
    whole = config.read_text()
    inner = '[rule]\nname = "lookahead"\n[rule.inner]\nname = "evil.py:mine"\n'
    rule = whole[whole.index("[rule]") : whole.index("[problem]")]
    for named in (
        whole.replace(rule, inner + "\n"),
        whole.replace('name = "points8"', 'name = "evil.py:mine"'),
        whole.replace("tricks = []\n", "") + '\n[[tricks]]\nname = "evil.py:mine"\n',
    ):
        assert named != whole
        config.write_text(named)
        for reading in (load_run, resume):
            with pytest.raises(InputError, match=r"runs the code of .*trust=True"):
                reading("a")
        assert not (folder / "ran").exists()
    with pytest.raises(InputError):  # with trust it runs, and then there is nothing of that name
        load_run("a", trust=True)
    assert (folder / "ran").exists()


@pytest.mark.parametrize(
    "kills", [[3, 6], pytest.param(range(1, 8), marks=pytest.mark.slow)], ids=["two", "all"]
)
def test_the_best_checkpoint_is_that_of_the_best_line_after_a_kill(folder, kills):
    """Killed between the two checkpoints of one step, or long after the best: the best stays the best."""
    how = {**SMALL, "log_every": 1, "save_every": 1, "sample_every": 9}

    def best(out) -> tuple[int, float]:
        lines = load_run(out).metrics
        return min(lines[1:], key=lambda m: m["distance"])["step"], load_run(out, "best").steps

    train("ns", "points8", steps=8, out="whole", **how)
    assert len(set(best("whole"))) == 1
    for step in kills:
        out = folder / f"killed-{step}"
        train("ns", "points8", steps=step, out=out, **how)
        ahead = folder / "whole/checkpoints/best.eqx"
        if step % 2:  # died after it had written a best that lies beyond the last
            (out / "checkpoints/best.eqx").write_bytes(ahead.read_bytes())
        resume(out, steps=8)
        assert best(out) == best("whole")


@pytest.mark.slow  # no fast witness: too dear
def test_the_rate_leaves_out_what_compiles(folder):
    messages: list[str] = []
    seen = logging.Handler()
    seen.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("jax").addHandler(seen)
    how = {**SMALL, "networks": {"width": 5}, "log_every": 8, "save_every": 8, "sample_every": 8}
    try:
        with jax.log_compiles():
            run = train("ns", "points8", steps=8, out="a", **how)
    finally:
        logging.getLogger("jax").removeHandler(seen)
    record = json.loads((folder / "a/result.json").read_text())
    assert 8 / record["seconds"] < record["steps_per_second"]
    assert np.all([np.all(np.isfinite(x)) for x in jax.tree.leaves(run.players)])
    # pieces of 1, 2, 4 and 1 steps: one program, compiled in the first
    assert len([m for m in messages if m.startswith("Compiling") and "_many" in m]) == 1


def test_a_bit_of_a_checkpoint_or_a_setting_of_its_config_is_never_mixed_in(folder):
    whole = train("ns", "points8", steps=2, out="run", **SMALL)
    file, config = folder / "run" / "checkpoints" / "last.eqx", folder / "run" / "config.toml"
    content, text = file.read_bytes(), config.read_text()
    rng = random.Random(0)
    end_of_header = content.index(b"\n")
    for where in [*rng.sample(range(end_of_header), 12), *rng.sample(range(end_of_header, len(content)), 12)]:
        changed = bytearray(content)
        changed[where] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(changed))
        with pytest.raises(InputError) as caught:
            load_run("run")
        assert "\n" not in str(caught.value)
    file.write_bytes(content)
    for line in ("lr = 0.001", "batch = 8", "seed = 0", "beta1 = 0.5"):
        assert line in text
        config.write_text(
            text.replace(line, f"{line.split(' =')[0]} = {float(line.split()[-1]) * 0.5 + 1:g}"[:11])
        )
        with pytest.raises(InputError):
            resume("run", steps=4)
    config.write_text(text.replace("save_every = 2", "save_every = 3"))  # what decides no number may change
    for x, y in zip(jax.tree.leaves(load_run("run").players), jax.tree.leaves(whole.players), strict=True):
        np.testing.assert_array_equal(x, y)
