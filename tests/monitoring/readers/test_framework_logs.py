"""What the scripts that people start from print, captured as it is: each with its clock and both losses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diracgan.monitoring.logs import column_roles, read
from diracgan.monitoring.roles import losses

K = range(120)
D = [round(1.386 + 0.1 * float(np.sin(0.3 * k)), 4) for k in K]
G = [round(0.693 + 0.1 * float(np.cos(0.3 * k)), 4) for k in K]
TIME = "2024-03-01 12:{m:02d}:{s:02d},123"

# how a line is written (k: of 120; row: of 40 in an epoch), the clock and its interval, both losses' names
PRINTED = {
    "PyTorch-GAN": (
        "[Epoch {e}/200] [Batch {r}/40] [D loss: {d}] [G loss: {g}]\n",
        "batch",
        1,
        "D loss",
        "G loss",
    ),
    "PyTorch-GAN's CycleGAN": (
        "\r[Epoch {e}/200] [Batch {r}/40] [D loss: {d}] [G loss: {g}, adv: 0.3{r}, cycle: 0.2{r}] ETA: 3:12:{s:02d}.12",
        *("batch", 1, "D loss", "G loss"),
    ),
    "PyTorch's DCGAN": (
        "[{e}/5][{r}/40]\tLoss_D: {d}\tLoss_G: {g}\tD(x): 0.5{r}\tD(G(z)): 0.6{r} / 0.2{r}\n",
        *("batch", 1, "Loss_D", "Loss_G"),
    ),
    "Keras-GAN": ("{k}00 [D loss: {d}, acc.: 5{r}.00%] [G loss: {g}]\n", "step", 100, "D loss", "G loss"),
    "mastery": (">{e}, {r}/40, d1={h}, d2={h} g={g}\n", "batch", 1, "d", "g"),
    "Keras' bars": (
        "Epoch {k}/120\n9/9 [====] - 23s 24ms/step - d_loss: {d} - g_loss: {g}\n",
        "epoch",
        1,
        "d_loss",
        "g_loss",
    ),
    "lightweight-gan": (
        "default:   7%|7         | {k}50/99999 [00:09<1:02,  2it/s]\nG: {g} | D: {d}\n",
        "batch",
        100,
        "D",
        "G",
    ),
    "rosinality": (
        "d: {d}; g: {g}; r1: 0.0{r}:   1%|1   | {k}/800000 [00:09<9:01, 1.9it/s]\r",
        "batch",
        1,
        "d",
        "g",
    ),
    "BigGAN": (
        "\r{k}/62 (  1.60%) (TE/ETA: 1:23 / 89:12) itr: {k}00, G_loss : +{g}, D_loss_real : +{h}, D_loss_fake : +{h}\n",
        *("itr", 100, "D_loss", "G_loss"),
    ),
    "StudioGAN": (
        "[INFO] 2024-03-01 12:00:{s:02d} > Step: {k}00 Progress: 1.0% Elapsed: 0:01 Gen_loss: {g} Dis_loss: {d}\n",
        *("Step", 100, "Dis_loss", "Gen_loss"),
    ),
    "MMGeneration": (
        TIME + " - mmgen - INFO - Iter [{k}00/9999]\tlr: 2.0e-04, eta: 2 days, 3:00:01, data_time: 0.02{r}, "
        "loss_disc_fake: {h}, loss_disc_real: {h}, loss_gen: {g}\n",
        *("iter", 100, "loss_disc", "loss_gen"),
    ),
    "DCGAN in TensorFlow": (
        "Epoch: [ {e}] [{r:4d}/  40] time: 4{k}.5, d_loss: {d}00, g_loss: {g}00\n",
        *("batch", 1, "d_loss", "g_loss"),
    ),
    "TensorFlow's tensors": (
        "Step {k}, gen_loss=tf.Tensor({g}, shape=(), dtype=float32), disc_loss=tf.Tensor({d}, shape=(), dtype=int)\n",
        *("step", 1, "disc_loss", "gen_loss"),
    ),
    "CLU": (
        "I0501 12:00:{s:02d}.123456 140 logging_writer.py:48] [{k}00] d_loss={d}, g_loss={g}\n",
        *("step", 100, "d_loss", "g_loss"),
    ),
    "Flux": (
        "┌ Info: Train step {k}0\n│   loss_dscr = {d}f0\n└   loss_gen = {g}f0\n",
        *("step", 10, "loss_dscr", "loss_gen"),
    ),
    "tensorpack": (
        "[0501 12:00:00 @base.py:283] Epoch {e} (global_step {k}00) finished, time:1 minute 2 seconds.\n"
        "[0501 12:00:00 @monitor.py:474] GAN/discrim/loss: {d}\n[0501 12:00:00 @monitor.py:474] GAN/gen/loss: {g}\n",
        *("global_step", 100, "GAN/discrim/loss", "GAN/gen/loss"),
    ),
    "PaddleGAN": (
        "[05/01 12:00:{s:02d}] engine INFO: Epoch: {e}, iters: {r}, lr: 0.0002 D_A_loss: {d} G_A_loss: {g} ips: 4.5s\n",
        *("iters", 1, "D_A_loss", "G_A_loss"),
    ),
    "a fraction and names without colons": (
        "Iteration: 000{k}/0001000 loss_dis_total {d} loss_gen_total {g}\n",
        *("Iteration", 1, "loss_dis_total", "loss_gen_total"),
    ),
    "mmengine": (
        TIME
        + " - mmengine - INFO - Iter(train) [  {k}00/9999]  lr: 2.0e-04  eta: 1 day, 2:03:04  time: 0.3{r}  "
        "data_time: 0.01  memory: 3000  loss_gen: {g}  loss_disc: {d}\n",
        *("iter", 100, "loss_disc", "loss_gen"),
    ),
    "mmengine by epochs": (
        TIME + " - mmengine - INFO - Epoch(train)  [{e}][ {r}/40]  lr: 2.0e-04  eta: 0:03:04  time: 0.3{r}  "
        "data_time: 0.01  memory: 3000  loss_gen: {g}  loss_disc: {d}\n",
        *("batch", 1, "loss_disc", "loss_gen"),
    ),
    "fastai": ("{k}  0.5{r}  0.6  {g}  {d}  01:{s:02d}\n", "epoch", 1, "crit_loss", "gen_loss"),
    "NumPy's savetxt": ("{k}00 {d} {g}\n", "step", 100, "d_loss", "g_loss"),
    "tabs under a remark": ("{k}00\t{d}\t{g}\n", "step", 100, "d_loss", "g_loss"),
    "Comet": ("d_loss,{d},{k}00\ng_loss,{g},{k}00\n", "step", 100, "d_loss", "g_loss"),
    "BasicSR": (
        TIME
        + " INFO: [x..][epoch:  0, iter:  {k:,}, lr:(1.000e-04,)] [eta: 3 days, 1:00:00, time (data): 0.5{r} (0.01)] "
        "l_g_pix: 1.2e-01 l_g_gan: {g} l_d_real: {h} out_d_real: 0.1{r} l_d_fake: {h} out_d_fake: -0.1{r} \n",
        *("iter", 1, "l_d", "l_g_gan"),
    ),
    "HiFi-GAN": (
        "Steps : {k}00, Disc Loss Total : {d}, Gen Loss Total : {g}, Mel-Spec. Error : 0.5{r}, s/b : 0.33\n",
        *("Steps", 100, "Disc Loss Total", "Gen Loss Total"),
    ),
    "tflib": (
        "iter {k}00\ttime\t0.05\ttrain disc cost\t{d}\ttrain gen cost\t{g}\n",
        *("iter", 100, "train disc cost", "train gen cost"),
    ),
    "ImageNet's meter": (
        TIME + " [INFO] Epoch: [{e}][{r}/40]  D loss: {d}  G loss: {g}\n",
        "batch",
        1,
        "D loss",
        "G loss",
    ),
    "VITS": (
        TIME
        + "\tljs_base\tINFO\tTrain Epoch: {e} [50%]\n"
        + TIME
        + "\tljs_base\tINFO\t[{d}, {g}, 1.2{r}, 20.3, 1.1, 1.8{r}, {k}00, 0.0002]\n",
        *("step", 100, "loss_disc", "loss_gen"),
    ),
    "so-vits-svc": (
        TIME + "\t44k\tINFO\tLosses: [{d}, {g}, 10.2, 20.3{r}, 1.1], step: {k}00, lr: 0.0001\n",
        *("step", 100, "loss_disc", "loss_gen"),
    ),
    "Keras' bars within epochs": (
        "Epoch {k}/120\n1/9 [>...] - ETA: 1s - d_loss: 9.9 - g_loss: 9.9\x08\r"
        "9/9 [===] - 1s - d_loss: {d} - g_loss: {g}\n",
        *("epoch", 1, "d_loss", "g_loss"),
    ),
    "Lightning's rich bar": (
        "Epoch {e}/199 ━━━━━━━━━━ {r}/40 0:00:01 • 0:00:02 20.1it/s v_num: 0 d_loss: {d} g_loss: {g}\n",
        *("batch", 1, "d_loss", "g_loss"),
    ),
    "ESRGAN": (
        "21-03-01 12:{m:02d}:{s:02d}.123 - INFO: <epoch:  {e}, iter: {k:,}, lr:1.000e-04> "
        "l_g_pix: 1.0e-02 l_g_fea: 1.{r} l_g_gan: {g} l_d_real: {h} l_d_fake: {h} D_real: 1.2 D_fake: -1.2 \n",
        *("iter", 1, "l_d", "l_g_gan"),
    ),
    "losses in brackets": (
        "epoch = {k}, d_loss=[{d}, 0.5{r}], g_loss=[{g}]\n",
        "epoch",
        1,
        "d_loss",
        "g_loss",
    ),
    "MATLAB": ("{k} {d} {g}\n", "step", 1, "d_loss", "g_loss"),
    "PrettyTable": ("| {k} | {d} | {g} |\n", "step", 1, "d_loss", "g_loss"),
    "ClearML": (
        "loss,d_loss,{k}00,{d}\nloss,g_loss,{k}00,{g}\n",
        "iteration",
        100,
        "loss/d_loss",
        "loss/g_loss",
    ),
    "blanks between thousands": ("{k}\u202f000;{dc};{gc}\n", "Step", 1000, "D Loss", "G Loss"),
    "apostrophes between thousands": ("{k}'000,{d},{g}\n", "Step", 1000, "D Loss", "G Loss"),
    "Fortran": ("{k},{d}D+00,{g}d+00\n", "step", 1, "d_loss", "g_loss"),
    "absl": (
        "I0301 12:{m:02d}:{s:02d}.123 140 train.py:8] step={k}00 d_loss={d} g_loss={g}\n",
        "step",
        100,
        "d_loss",
        "g_loss",
    ),
    "TensorFlow": (
        "INFO:tensorflow:loss_d = {d}, loss_g = {g}, step = {k}00 (1.2 sec)\n",
        "step",
        100,
        "loss_d",
        "loss_g",
    ),
    "tensors": (
        "epoch {e} step {r} D tensor({d}, device='cuda:0', grad_fn=<Mean>) G tensor({g}, grad_fn=<Mean>)\n",
        *("step", 1, "D", "G"),
    ),
    "losses below their step": (
        "step {k}00\n  D loss: {d}\n  G loss: {g}\n",
        "step",
        100,
        "D loss",
        "G loss",
    ),
    "YAML": ("- step: {k}00\n  d_loss: {d}\n  g_loss: {g}\n", "step", 100, "d_loss", "g_loss"),
    "a line that begins with its clock": ("{k}00 -> lossD={d} lossG={g}\n", "step", 100, "lossD", "lossG"),
    "a drawn table": ("│ {k}00 │ {d} │ {g} │\n", "step", 100, "d_loss", "g_loss"),
    "Excel": ("{k}00;{dc};{gc}\r\n", "Step", 100, "Loss D", "Loss G"),
    "MelGAN": (
        "Epoch {e} | Iters {k}00 / 999 | ms/batch 33.20 | loss [{d} {g} 0.1{r} 0.2{r}]\n",
        *("iter", 100, "loss_D", "loss_G"),
    ),
    "bullets of Markdown": ("- epoch {k}: D loss {d}, G loss {g}\n", "epoch", 1, "D loss", "G loss"),
    "French": (
        "étape {k}: perte_critique: {d} perte_générateur: {g}\n",
        *("step", 1, "perte_critique", "perte_générateur"),
    ),
    "Spanish, a table": ("{k};{dc};{gc}\n", "Época", 1, "Pérdida discriminador", "Pérdida generador"),
    "Chinese": ("轮次 {k} 判别器损失: {d} 生成器损失: {g}\n", "epoch", 1, "判别器损失", "生成器损失"),
    "a short clock": ("it {k}: d {d} g {g}\n", "it", 1, "d", "g"),
    "a count before names": ("E{k} dloss={d} gloss={g}\n", "row", 1, "dloss", "gloss"),
    "a clock after a sign": ("#{k} d_loss {d} g_loss {g}\n", "step", 1, "d_loss", "g_loss"),
    "a clock in parentheses": (
        "({k}) Discriminator: {d} Generator: {g}\n",
        "step",
        1,
        "Discriminator",
        "Generator",
    ),
    "a fraction before the time of day": (
        "[{k}/120 12:{m}{s:02d}] D: {d} G: {g}\n",
        "epoch",
        1,
        "D",
        "G",
    ),
    "InfluxDB": ("gan,run=a step={k}i,d_loss={d},g_loss={g} 17000{k}\n", "step", 1, "d_loss", "g_loss"),
    "Prometheus": (
        '# TYPE gan_loss gauge\ngan_loss{{net="critic"}} {d} {k}000\ngan_loss{{net="generator"}} {g} {k}000\n',
        *("timestamp", 1, "gan_loss_critic", "gan_loss_generator"),
    ),
    "OpenMetrics": (
        '# TYPE gan_loss gauge\ngan_loss{{net="critic"}} {d} 17{k}.25\ngan_loss{{net="generator"}} {g} 17{k}.25\n',
        *("timestamp", 1, "gan_loss_critic", "gan_loss_generator"),
    ),
    "OpenMetrics in whole seconds": (
        "# TYPE d_loss gauge\nd_loss {d} {k}\n# TYPE g_loss gauge\ng_loss {g} {k}\n# EOF\n",
        *("timestamp", 1, "d_loss", "g_loss"),
    ),
    "Prometheus without times": ("# TYPE x gauge\nd_loss {d}\ng_loss {g}\n", "row", 1, "d_loss", "g_loss"),
    "two names before two numbers": ("epoch {k}, D / G loss: {d} / {g}\n", "epoch", 1, "D", "G"),
    "Python's tuples": ("('epoch', {k}, 'D', {d}, 'G', {g})\n", "epoch", 1, "D", "G"),
    "Rust": (
        "Epoch: {k} D loss: Tensor[{d}; f32] G loss: Tensor[{g}; f32]\n",
        *("Epoch", 1, "D loss", "G loss"),
    ),
    "counts in brackets": (
        "Epoch[{e}], Step [{r}], d_loss: {d}, g_loss: {g}\n",
        "step",
        1,
        "d_loss",
        "g_loss",
    ),
    "an epoch, and a fraction of its batches": (
        "ppgan.engine.trainer INFO: Epoch: {e} [{r}/40] lr: 0.0002 G_adv_loss: {g} D_loss: {d} ips: 20.1\n",
        "batch",
        1,
        "D_loss",
        "G_adv_loss",
    ),
    "batches between bars": (
        "| epoch {e:3d} | {r:5d}/   40 batches | lr 0.0002 | ms/batch 12.3 | d_loss {d} | g_loss {g}\n",
        "batch",
        1,
        "d_loss",
        "g_loss",
    ),
    "loguru, which names its caller": (
        "2026-11-30 12:00:00.123 | INFO     | __main__:train:88 - step {k} | loss_D {d} | loss_G {g}\n",
        "step",
        1,
        "loss_D",
        "loss_G",
    ),
    "an iteration below its losses": (
        "D loss: {d} | G loss: {g}\n{k}%|###   | {k}/120 [00:01<00:05, 3.2it/s]\n",
        "batch",
        1,
        "D loss",
        "G loss",
    ),
    "a box a row, its step last": (
        "--------\n| disc/loss | {d} |\n| gen/loss  | {g} |\n| step      | {k} |\n--------\n",
        "step",
        1,
        "disc/loss",
        "gen/loss",
    ),
    "Encodec": (
        "Train | Epoch 1 | {k}/120 | adv {g} | feat 0.5{r} | d_loss {d}\n",
        "batch",
        1,
        "d_loss",
        "adv",
    ),
    "Vocos": (
        "Epoch 0/10 ━━━━━ {k}/120 0:00:10 • 0:00:20 v_num: 0.0 discriminator/total: {d} generator/total: {g}\n",
        *("batch", 1, "discriminator/total", "generator/total"),
    ),
    "TOML": ("[[step]]\nstep = {k}\nd_loss = {d}\ng_loss = {g}\n", "step", 1, "d_loss", "g_loss"),
    "rows of validation": ("{k}00,train,{d},{g}\n{k}00,val,9.9,9.9\n", "step", 100, "d_loss", "g_loss"),
    "a row a number": (
        '{{"key": "d_loss", "value": {d}, "step": {k}e2}}\n{{"key": "g_loss", "value": {g}, "step": {k}e2}}\n',
        *("step", 100, "d_loss", "g_loss"),
    ),
}
HEADS = {
    "MATLAB": "% a run\n% step d_loss g_loss\n",
    "PrettyTable": "+---+---+---+\n| step | d_loss | g_loss |\n+---+---+---+\n",
    "ClearML": "metric,variant,iteration,value\n",
    "blanks between thousands": "Step;D Loss;G Loss\n",
    "apostrophes between thousands": "Step,D Loss,G Loss\n",
    "Fortran": "step,d_loss,g_loss\n",
    "fastai": "epoch  train_loss  valid_loss  gen_loss  crit_loss  time\n",
    "NumPy's savetxt": "# a run\n# step d_loss g_loss\n",
    "tabs under a remark": "#\tstep\td_loss\tg_loss\n#\n",
    "Comet": "metricName,metricValue,step\n",
    "a drawn table": "┃ step ┃ d_loss ┃ g_loss ┃\n",
    "Excel": "\ufeffsep=;\r\nStep;Loss D;Loss G\r\n",
    "Spanish, a table": "Época;Pérdida discriminador;Pérdida generador\n",
    "rows of validation": "step,split,d_loss,g_loss\n",
}


def written(form: str, name: str = "") -> str:
    rows = (
        {"k": k, "e": k // 40, "r": k % 40, "d": D[k], "g": G[k], "h": D[k] / 2, "m": k // 60, "s": k % 60}
        for k in K
    )
    comma = (r | {"dc": str(r["d"]).replace(".", ","), "gc": str(r["g"]).replace(".", ",")} for r in rows)
    return HEADS.get(name, "") + "".join(form.format(**r) for r in comma)


@pytest.mark.parametrize("critic", ["D_A", "loss_D_A", "d_loss_A", "train/loss_D_A", "A/d_loss"])
def test_of_two_games_the_generator_is_the_one_that_plays_against_the_critic(critic):
    def named(player, side):
        return critic.replace("D", player).replace("d_", f"{player.lower()}_").replace("A", side)

    names = [named(player, side) for player, side in (("G", "B"), ("D", "A"), ("G", "A"), ("D", "B"))]
    assert losses(names) == (critic, named("G", "A"))


@pytest.mark.parametrize("name", PRINTED)
def test_what_a_script_prints_is_read_as_it_is(name, folder):
    form, clock, interval, d, g = PRINTED[name]
    (folder / "log.txt").write_bytes(written(form, name).encode())
    log = read("log.txt")
    assert (log.clock, log.interval) == (clock, interval) and losses(log.names) == (d, g)
    for player, values in ((d, D), (g, G)):
        np.testing.assert_allclose(log.values[log.names.index(player)], values, rtol=1e-9)


@pytest.mark.parametrize(
    "form",
    [
        "{k} [{d} 0.5] {g}\n",
        "{k} tensor({d}, device='cuda:0', grad_fn=<AddBackward0>) tensor({g}, grad_fn=<MeanBackward0>)\n",
    ],
)
def test_numbers_that_nothing_names_are_all_there(form, folder):
    (folder / "log.txt").write_text(written(form))
    np.testing.assert_allclose(read("log.txt").values, [D, G], rtol=1e-9)


def test_the_brackets_of_deepfacelab_are_what_it_rebuilds(folder):
    before = 'Starting. Press "Enter" to stop training and save model.\n[09:11:58][#000000][8123ms][1.2]\n'
    (folder / "log.txt").write_text(before + written("[12:{m:02d}:{s:02d}][#00{k}5][0{k}ms][{d}][{g}]\n"))
    log = read("log.txt")
    assert (log.names, log.clock, log.interval) == (["src_loss", "dst_loss"], "iter", 10)
    np.testing.assert_allclose(log.values, [D, G], rtol=1e-9)


def test_metrics_that_are_exported_one_after_the_other_share_their_times(folder):
    lines = [
        f'# TYPE {n} gauge\n{n}{{run="a"}} {x} {k}000\n'
        for n, y in (("d", D), ("g", G))
        for k, x in enumerate(y)
    ]
    (folder / "metrics.prom").write_text("".join(lines))
    log = read("metrics.prom")
    assert (log.names, log.clock, log.unit) == (["d", "g"], "timestamp", "seconds")
    np.testing.assert_allclose(log.values, [D, G], rtol=1e-9)


def test_a_line_among_metrics_that_is_no_sample_is_left_out(folder):
    no_samples = "hello world\nd 1.5 " + "9" * 5000 + "\n"
    (folder / "metrics.prom").write_text("# TYPE d gauge\n" + no_samples + written("d {d}\ng {g}\n"))
    np.testing.assert_allclose(read("metrics.prom").values, [D, G], rtol=1e-9)


def test_a_comment_that_begins_as_those_of_prometheus_do_makes_no_metrics(folder):
    (folder / "log.txt").write_text("# TYPE of run: a GAN\n" + written("step {k} d_loss {d} g_loss {g}\n"))
    np.testing.assert_allclose(read("log.txt").values, [D, G], rtol=1e-9)


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("D_loss_real.log", "D_loss_fake.log", "G_loss.log"), "{k}00: {x:.4e}\n"),
        (("run-.-tag-Loss_D.csv", "run-.-tag-Loss_G.csv"), "17000{k:04d}.5,{k}00,{x}\n"),
    ],
)
def test_a_folder_with_a_file_a_series_is_one_run(names, form, folder):
    (folder / "run").mkdir()
    for n in names:
        values = G if "G" in n else D
        head = "Wall time,Step,Value\n" if n.endswith("csv") else ""
        (folder / "run" / n).write_text(head + "".join(form.format(k=k, x=values[k]) for k in K))
    log = read("run")
    d, g = losses(log.names)
    assert d is not None and g is not None and log.interval == 100
    np.testing.assert_allclose(log.values[log.names.index(g)], G, rtol=1e-3)
    np.testing.assert_allclose(log.values[log.names.index(d)], (len(names) - 1) * np.array(D), rtol=1e-3)


def test_a_trainers_summary_at_its_end_is_not_a_run_that_ended_in_nan(folder):
    rows = [{"step": 10 * k, "d_loss": D[k], "g_loss": G[k]} for k in K] + [{"step": 1200, "train_loss": 1.2}]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": rows}))
    log = read("trainer_state.json")
    assert log.broken is None and log.values.shape == (2, 120)
    ended = [*rows[:-1], {"step": 1200, "d_loss": float("nan"), "g_loss": float("nan")}]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": ended}))
    assert read("trainer_state.json").broken == 1200


def test_a_number_with_a_unit_behind_it_is_not_its_first_digits(folder):
    lines = (f"step {k}: d_loss: {D[k]}, g_loss: {G[k]}, took: 1.{k % 7}s of 3.5GB\n" for k in K)
    (folder / "a.log").write_text("".join(lines))
    assert "took" not in [role.name for role in column_roles("a.log")[0]]


def test_decimal_commas_behind_names_are_no_ends_of_numbers(folder):
    lines = (f"Epoche: {k} D_loss: {D[k]:.4f} G_loss: {G[k]:.4f}\n".replace(".", ",") for k in K)
    (folder / "a.log").write_text("".join(lines))
    log = read("a.log")
    np.testing.assert_allclose(log.values, [D, G])


def test_a_line_that_begins_with_a_fraction_has_it_for_its_clock(folder):
    (folder / "a.log").write_text("".join(f"{100 * k}/50000: d_loss={D[k]}, g_loss={G[k]}\n" for k in K))
    log = read("a.log")
    assert log.interval == 100 and log.names == ["d_loss", "g_loss"]
