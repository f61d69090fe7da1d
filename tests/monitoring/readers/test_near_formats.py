"""Variants of the usual formats that people have: thousands, progress bars, printed dictionaries, sparse metrics."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diracgan.monitoring.logs import read
from diracgan.monitoring.readers.printed import _alternating, looks_printed, read_printed
from diracgan.monitoring.roles import losses

K = range(120)
D = [round(1.386 + 0.1 * float(np.sin(0.3 * k)), 4) for k in K]
G = [round(0.693 + 0.1 * float(np.cos(0.3 * k)), 4) for k in K]


def lines(form: str, head: str = "") -> str:
    """One line a row, with k, d and g filled in."""
    return head + "".join(form.format(k=k, d=D[k], g=G[k], row=k % 40, epoch=k // 40) for k in K)


STATE = {
    "epoch": 3,
    "log_history": [{"step": 10 * k, "d_loss": D[k], "g_loss": G[k], "epoch": k / 40} for k in K],
}
SPARSE = "".join(f"{50 * k},{D[k]},{G[k]},{'' if k % 10 else 50 - k / 10}\n" for k in K)

# text, the clock and its interval, the names of both losses
FORMATS = {
    "semicolons and thousands": (
        "Step;D Loss;G Loss\n" + "".join(f"{1000 * k:,};{D[k]};{G[k]}\n" for k in K),
        ("Step", 1000),
        ("D Loss", "G Loss"),
    ),
    "quoted thousands": (
        "Step,D_LOSS,G_LOSS\n" + "".join(f'"{1000 * k:,}",{D[k]},{G[k]}\n' for k in K),
        ("Step", 1000),
        ("D_LOSS", "G_LOSS"),
    ),
    "thousands in printed lines": (
        "".join(f"step {1000 * k:,}: d_loss {D[k]}, g_loss {G[k]}\n" for k in K),
        ("step", 1000),
        ("d_loss", "g_loss"),
    ),
    "a progress bar written over": (
        lines("Epoch {epoch}:  5%|##   | {row}/40 [00:01<01:00, 3.2it/s, loss_D={d}, loss_G={g}]\r"),
        ("batch", 1),
        ("loss_D", "loss_G"),
    ),
    "printed dictionaries": (
        lines("{{'step': {k}0, 'd_loss': {d}, 'g_loss': np.float64({g})}}\n"),
        ("step", 10),
        ("d_loss", "g_loss"),
    ),
    "losses below two fractions without names": (
        lines("[{epoch}/3][{row}/40]\n  D loss: {d}\n  G loss: {g}\n"),
        ("batch", 1),
        ("D loss", "G loss"),
    ),
    "losses below an iteration in a ruler": (
        lines("=== Iter: {k}00 ===\nD: {d} .. G: {g}\n"),
        ("Iter", 100),
        ("D", "G"),
    ),
    "losses below a number alone": (
        lines("{k}00:\n  d_loss: {d}\n  g_loss: {g}\n"),
        ("step", 100),
        ("d_loss", "g_loss"),
    ),
    "losses below a line with a rate": (
        lines("Training step {k}00..., lr: 0.0002\n  d_loss -> {d}\n  g_loss -> {g}\n"),
        ("step", 100),
        ("d_loss", "g_loss"),
    ),
    "losses below a count with its sign": (
        lines("Iteration #{k}00\n  D loss: {d}\n  G loss: {g}\n"),
        ("iteration", 100),
        ("D loss", "G loss"),
    ),
    "losses on lines of their own without a clock": (
        lines("d_loss: {d}\ng_loss: {g}\n"),
        ("row", 1),
        ("d_loss", "g_loss"),
    ),
    "StarGAN v2's losses in parts": (
        lines(
            "Elapsed time [0:00:10], Iteration [{k}00/9000], D/latent_real: [{d}] D/latent_fake: [0.0000] "
            "D/latent_reg: [0.01] D/ref_real: [0.7] D/ref_fake: [0.6] G/latent_adv: [{g}]\n"
        ),
        ("iter", 100),
        ("D/latent", "G/latent_adv"),
    ),
    "fairseq's quoted numbers": (
        lines(
            '{{"epoch": {epoch}, "d_loss": "{d}", "g_loss": "{g}", "num_updates": "{k}00", "lr": "0.1"}}\n'
        ),
        ("num_updates", 100),
        ("d_loss", "g_loss"),
    ),
    "quoted numbers behind a prefix": (
        lines('12:00:00 | INFO | train | {{"d_loss": "{d}", "g_loss": "{g}", "num_updates": "{k}00"}}\n'),
        ("num_updates", 100),
        ("d_loss", "g_loss"),
    ),
    "SPADE's GAN": (
        lines("(epoch: 1, iters: {k}, time: 0.2) GAN: {g} GAN_Feat: 3.2 D_Fake: {d} D_real: 0.000 \n"),
        ("iters", 1),
        ("D", "GAN"),
    ),
    "VQGAN's discloss": (
        lines("Epoch 0: 9%|x| {k}/400 [00:12<00:30, 3.2it/s, discloss_step={d}, train/g_loss={g}]\n"),
        ("batch", 1),
        ("discloss_step", "train/g_loss"),
    ),
    "lines of two processes": (
        "".join(f"{rank}: step {100 * k} d_loss {D[k]} g_loss {G[k]}\n" for k in K for rank in (0, 1)),
        ("step", 100),
        ("d_loss", "g_loss"),
    ),
    "a table of rich": (
        "┏━━━━━━┳━━━━━━━━┓\n┃ step ┃ d_loss ┃ g_loss ┃\n┡━━━━━━╇━━━━━━━━┩\n"
        + lines("│ {k}0 │ {d} │ {g} │\n"),
        ("step", 10),
        ("d_loss", "g_loss"),
    ),
    "printed arrays": (
        f"D = {np.array(D)!r}\nG = tensor({G}, device='cuda:0')\n",
        ("row", 1),
        ("D", "G"),
    ),
    "a defaultdict": (
        f"defaultdict(<class 'list'>, {{'d_loss': {D}, 'g_loss': {G}}})",
        ("row", 1),
        ("d_loss", "g_loss"),
    ),
    "trainer_state.json": (json.dumps(STATE), ("step", 10), ("d_loss", "g_loss")),
    "lists within an object": (
        json.dumps({"args": {"lr": 1e-4}, "history": {"d_loss": D, "g_loss": G}}),
        ("row", 1),
        ("d_loss", "g_loss"),
    ),
    "nested objects": (
        "".join(
            json.dumps({"iter": k, "loss": {"disc": {"total": D[k]}, "gen": {"total": G[k]}}}) + "\n"
            for k in K
        ),
        ("iter", 1),
        ("loss.disc.total", "loss.gen.total"),
    ),
    "a metric on few rows": ("_step,d_loss,g_loss,fid\n" + SPARSE, ("_step", 50), ("d_loss", "g_loss")),
    "StyleGAN's log.txt": (
        lines("tick {k:<5d} kimg {k}.0     time 1m 02s   sec/tick 29.5 gpumem 9.1 loss_d {d} loss_g {g}\n"),
        ("kimg", 1),
        ("loss_d", "loss_g"),
    ),
    "camel case": (
        "globalStep,discLoss,genLoss,epochTime\n" + lines("{k}0,{d},{g},{d}\n"),
        ("globalStep", 10),
        ("discLoss", "genLoss"),
    ),
    "points between thousands, decimal commas": (
        "Step;D Loss;G Loss\n"
        + "".join(f"{1000 * k:,}".replace(",", ".") + f";{D[k]};{G[k]}\n".replace(".", ",") for k in K),
        ("Step", 1000),
        ("D Loss", "G Loss"),
    ),
    "how far of how many": (
        "iters,Loss D,Loss G\n" + lines("{k}0/1200,{d},{g}\n"),
        ("iters", 10),
        ("Loss D", "Loss G"),
    ),
    "colours of a terminal": (
        lines("\x1b[32mINFO\x1b[0m:root:\x1b[1mstep\x1b[0m={k}0 \x1b[31mloss_D\x1b[0m={d} loss_G={g}\n"),
        ("step", 10),
        ("loss_D", "loss_G"),
    ),
    "an epoch's means beside the steps'": (
        "d_loss_step,g_loss_step,epoch,step,d_loss_epoch,g_loss_epoch\n"
        + "".join(
            f"{D[k]},{G[k]},{k // 40},{50 * k},,\n" + (",,0,1999,1.4,0.7\n" if k == 39 else "") for k in K
        ),
        ("step", 50),
        ("d_loss_step", "g_loss_step"),
    ),
    "a CSV below what a script said first": (
        lines("{k}0,{d},{g}\n", "Using device: cuda:0\nLoading 60000 images\n\nstep,d_loss,g_loss\n"),
        ("step", 10),
        ("d_loss", "g_loss"),
    ),
    "a table in Markdown, its numbers in their dress": (
        lines("| `{k}0` | **{d}** | {g} ± 0.02 |\n", "| step | d_loss | g_loss |\n|---|---|---|\n"),
        ("step", 10),
        ("d_loss", "g_loss"),
    ),
    "a step below both losses": (
        lines("loss_D={d}\nloss_G={g}\n=== step {k}0 ===\n", "Training begins\n"),
        ("step", 10),
        ("loss_D", "loss_G"),
    ),
    "a file cut off before its first generator's loss": (
        lines("step: {k}0\nd_loss: {d}\ng_loss: {g}\n", "g_loss: 0.7\n"),
        ("step", 10),
        ("d_loss", "g_loss"),
    ),
    "epochs that stay the same": (
        "epoch,d_loss,g_loss\n" + lines("{epoch},{d},{g}\n"),
        ("row", 1),
        ("d_loss", "g_loss"),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_near_format_is_read_as_what_was_written(name, folder):
    text, (clock, interval), names = FORMATS[name]
    (folder / "log.txt").write_text(text)
    log = read("log.txt")
    assert (log.clock, log.interval) == (clock, interval) and losses(log.names) == names
    assert set(log.names) == set(names)
    for player, written in zip(names, (D, G), strict=True):
        values = log.values[log.names.index(player)]
        if clock == "batch":  # the bar begins anew with every epoch, which is an epoch's rows long
            assert len(values) == len(written)
        np.testing.assert_allclose(values, written, rtol=1e-12)


def test_decimal_commas_are_not_thousands(folder):
    (folder / "log.csv").write_text("step;d_loss\n" + "".join(f"{k};1,{300 + k}\n" for k in K))
    np.testing.assert_allclose(read("log.csv").values[0], [1.3 + k / 1000 for k in K])


def test_a_sparse_metric_is_there_when_it_is_asked_for(folder):
    (folder / "log.csv").write_text("_step,d_loss,g_loss,fid\n" + SPARSE)
    assert "fid is given on few of the rows" in read("log.csv").notes[0]
    with pytest.raises(ValueError, match="12 complete rows"):
        read("log.csv", columns=["d_loss", "fid"])


def test_a_field_that_is_missing_now_and_then_ends_no_run(folder):
    rows = [{"step": k, "d_loss": D[k]} | ({"g_loss": G[k]} if k % 7 else {}) for k in K]
    (folder / "log.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in rows)
    )  # the last row has none either
    log = read("log.jsonl")
    assert log.broken is None and log.values.shape[1] == 118
    np.testing.assert_allclose(log.values[0], D[1:119], atol=0.05)  # blanks are filled in between


def test_two_players_folders_of_events_are_one_run(folder):
    pytest.importorskip("tensorboard")
    writer = pytest.importorskip("tensorboardX").SummaryWriter
    for name, values in (("loss_disc", D), ("loss_gen", G)):
        with writer(f"runs/{name}") as events:
            for k in K:
                events.add_scalar("loss", values[k], 10 * k)
    log = read("runs")
    assert losses(log.names) == ("loss_disc", "loss_gen") and log.interval == 10
    np.testing.assert_allclose(log.values[log.names.index("loss_gen")], G, rtol=1e-6)


def test_a_player_s_events_say_where_it_stopped_being_finite(folder):
    pytest.importorskip("tensorboard")
    writer = pytest.importorskip("tensorboardX").SummaryWriter
    for name, values in (("loss_disc", D), ("loss_gen", [*G[:-5], *[float("nan")] * 5])):
        with writer(f"runs/{name}") as events:
            for k in K:
                events.add_scalar("loss", values[k], 10 * k)
    assert read("runs").broken == 10 * (len(K) - 5)


def test_a_long_line_of_many_metrics_is_read(folder):
    norms = ", ".join(f"norm/layer{k}: 0.5" for k in range(200))  # 4,000 characters
    (folder / "run.log").write_text(
        "".join(f"step {k}, {norms}, d_loss: {D[k]}, g_loss: {G[k]}\n" for k in K[:30])
    )
    log = read("run.log")
    assert (log.interval, losses(log.names)) == (1, ("d_loss", "g_loss"))
    np.testing.assert_allclose(log.values[log.names.index("d_loss")], D[:30], rtol=1e-6)


def test_a_line_beyond_any_log_s_is_not_searched_for_losses():
    """At 200,000 digits, or blanks, the patterns' quadratic time is hours; the table's reader says what is wrong."""
    assert looks_printed("step 1 loss_d: 0.5\nstep 2 loss_d: 0.25\n" + "9" * 200_000)
    for run in ("9", " "):
        assert not looks_printed("step,d\n1," + run * 200_000 + "\n2,3\n")


def test_names_that_stand_before_their_numbers_begin_with_a_letter():
    assert _alternating("d1\t-5.3\tg1\t0.7") == {"d1": -5.3, "g1": 0.7}
    assert _alternating("iter 5,/d,-5.3,.g,0.7") == {"/d": -5.3, ".g": 0.7}
    assert _alternating("1d\t-5.3\tg1\t0.7") == _alternating("d1\t-5.3\tg1") == {}


def test_a_printed_log_says_how_often_its_run_was_started(tmp_path):
    header = "================ Training Loss (Mon Nov 30 02:00:00 2026) ================\n"
    rows = [f"(iters: {k}) D: {D[k]} G: {G[k]}\n" for k in K]
    for cuts, said in (((0,), []), ((0, 40, 90), ["started 3 times"]), ((40,), ["started 2 times"])):
        path = tmp_path / "loss_log.txt"
        path.write_text("".join(header * (k in cuts) + row for k, row in enumerate(rows)))
        assert [note for note in read_printed(path, "utf-8").notes if "started" in note] == said
