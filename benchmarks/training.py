"""A training step and a spectrum: time per step against PyTorch eager, products against gradients.

    python benchmarks/training.py [--quick] [--only mlp,dcgan,spectrum] [--json FILE]

Same networks (checked: the same weights give the same samples and the same logits), same losses (ns), same Adam, same
batch, a fresh minibatch for each player's turn, on the same cores, in turn in one run; PyTorch on one core and on all,
whichever is faster. Without PyTorch those lines are skipped, and the output says so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diracgan as dg
from diracgan.game import Players
from diracgan.measure import operators
from diracgan.training.build import arithmetic, start
from diracgan.training.config import configure
from diracgan.training.trainer import advance

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # PyTorch's threads need not spin where others compute too
torch: Any
try:
    import torch  # pyright: ignore[reportMissingImports]
except ImportError:  # the ratios need it, nothing else does
    torch = None

Steps = Callable[[int], Any]
MLP = {"kind": "mlp", "width": 128, "depth": 2}
DCGAN = {"kind": "dcgan", "width": 64}


def seconds(steps: Steps, count: int) -> float:
    began = time.perf_counter()
    steps(count)
    return (time.perf_counter() - began) / count


def side_by_side(jobs: list[Steps], count: int, rounds: int) -> list[float]:
    """Seconds per step of each, the best of rounds in which all run in turn."""
    for job in jobs:
        job(3)
    times = [[seconds(job, count) for job in jobs] for _ in range(rounds)]
    return [min(x) for x in zip(*times, strict=True)]


def threaded(steps: Steps, threads: int) -> Steps:
    """PyTorch's steps on so many cores."""

    def go(count: int) -> None:
        torch.set_num_threads(threads)
        steps(count)

    return go


def trainer(problem: str, networks: dict[str, Any], batch: int, lr: float) -> tuple[Steps, Players, Any]:
    """Our steps, the networks they start from, and the problem."""
    rule = dg.rule("adam", lr=lr, beta1=0.5, alternating=True)
    made = configure(
        "ns",
        problem,
        rule_=rule,
        networks=networks,
        training={"batch": batch, "classifier": False, "steps": 1},
    )
    with arithmetic(made):
        setup, state = start(made)
    kept = [state]
    first = jax.tree.map(np.array, state.inner.players)

    def go(count: int) -> None:
        kept[0] = jax.block_until_ready(advance(setup, kept[0], count))

    return go, first, setup.problem


def rival(players: Players, problem: Any, batch: int, lr: float) -> Steps:
    """The same in PyTorch, written as its tutorials do."""
    nn = torch.nn
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    images, inputs = problem.images, problem.inputs
    data = torch.tensor(np.array(problem.data), device=device)
    if images:
        data = data.permute(0, 3, 1, 2).contiguous()
    d, g = _network(players.phi, "d", images).to(device), _network(players.theta, "g", images).to(device)
    _same(players, d, g, problem, device)
    over_d = torch.optim.Adam(d.parameters(), lr=lr, betas=(0.5, 0.999))
    over_g = torch.optim.Adam(g.parameters(), lr=lr, betas=(0.5, 0.999))
    softplus, spread = nn.functional.softplus, float(problem.spread)

    def real() -> Any:
        x = data[torch.randint(len(data), (batch,), device=device)]
        return x if images else x + spread * torch.randn(batch, data.shape[1], device=device)

    def latent() -> Any:
        return torch.randn(batch, inputs, device=device)

    def go(count: int) -> None:
        for _ in range(count):
            with torch.no_grad():
                fake = g(latent())
            over_d.zero_grad()
            (softplus(-d(real())).mean() + softplus(d(fake)).mean()).backward()
            over_d.step()
            over_g.zero_grad()
            softplus(-d(g(latent()))).mean().backward()
            over_g.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return go


def _network(ours: Any, who: str, images: bool) -> Any:
    """A network of ours in PyTorch, weights included."""
    nn, made = torch.nn, []
    activations = {"relu": nn.ReLU(), "leaky-relu": nn.LeakyReLU(0.2), "tanh": nn.Tanh()}

    def filled(layer: Any, weight: np.ndarray, bias: Any) -> Any:
        layer.weight.data = torch.tensor(np.ascontiguousarray(weight))
        if bias is not None:
            layer.bias.data = torch.tensor(np.array(bias))
        return layer

    for layer in (*ours.layers, ours.head):
        kind = type(layer).__name__
        if kind == "Activation":
            made.append(activations[layer.name])
            continue
        if kind == "Norm":
            norm = nn.BatchNorm2d(len(layer.gain), track_running_stats=False)
            made.append(filled(norm, layer.gain, layer.shift))
            continue
        w, biased = np.array(layer.w), layer.b is not None
        if kind == "Down":
            conv = nn.Conv2d(w.shape[2], w.shape[3], 4, 2, 1, bias=biased)
            made.append(filled(conv, w.transpose(3, 2, 0, 1), layer.b))
        elif kind == "Up":
            conv = nn.ConvTranspose2d(w.shape[2], w.shape[3], 4, 2, 1, bias=biased)
            made.append(filled(conv, w.transpose(2, 3, 0, 1), layer.b))
        elif kind == "Project":
            side = layer.side
            w = w.reshape(len(w), side, side, -1).transpose(0, 3, 1, 2)
            conv = nn.ConvTranspose2d(w.shape[0], w.shape[1], side, bias=biased)
            made += [nn.Unflatten(1, (len(w), 1, 1)), filled(conv, w, layer.b)]
        elif images:  # the critic's head: one kernel as large as its image
            side = int((len(w) / np.shape(ours.layers[-2].gain)[0]) ** 0.5)
            conv = nn.Conv2d(len(w) // side**2, 1, side, bias=biased)
            made += [filled(conv, w.reshape(1, side, side, -1).transpose(0, 3, 1, 2), layer.b)]
        else:
            made.append(filled(nn.Linear(*w.shape, bias=biased), w.T, layer.b))
    made += [nn.Tanh()] if who == "g" and images else [nn.Flatten(0)] if who == "d" else []
    return nn.Sequential(*made)


def _same(players: Players, d: Any, g: Any, problem: Any, device: str) -> None:
    """The same samples and logits; in exact products, which TF32's are not."""
    z = np.random.default_rng(0).standard_normal((8, problem.inputs)).astype(np.float32)
    with jax.default_matmul_precision("highest"):
        x = players.theta(jnp.asarray(z))
        mine = np.asarray(players.phi(x))
    allowed = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad():
        theirs = g(torch.tensor(z, device=device))
        logits = d(theirs).cpu().numpy()
    shown = theirs.permute(0, 2, 3, 1) if problem.images else theirs
    np.testing.assert_allclose(shown.cpu().numpy(), np.asarray(x), atol=1e-4)
    np.testing.assert_allclose(logits, mine, atol=1e-4)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allowed


def pictures(folder: str) -> str:
    """4096 images of 28x28 pixels, as a problem."""
    path = Path(folder) / "images.npz"
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (4096, 28, 28), np.uint8))
    return f"npz:{path}"


def spectrum(rows: list[dict[str, Any]], rounds: int) -> None:
    """The ten rightmost eigenvalues of about 36,000 parameters, and a product against a gradient."""
    made = dg.train("ns:r1=0.1", "ring8", networks={"width": 128, "activation_d": "tanh"}, steps=50)
    size = sum(int(np.size(x)) for x in jax.tree.leaves(made.players))
    times, found = [], None
    for k in range(rounds + 1):
        began = time.perf_counter()
        found = dg.measure.spectrum(made, k=10, seed=k)
        times.append(time.perf_counter() - began)
    assert found is not None
    rows.append(
        {"case": f"spectrum, k = 10, {size} parameters: first call", "seconds": times[0], "goal": None}
    )
    rows.append(
        {
            "case": f"spectrum, k = 10, {size} parameters: later ones",
            "seconds": statistics.median(times[1:]),
            "goal": 1.0,
            "products": found.products,
            "converged": int(np.sum(found.converged)),
        }
    )
    with jax.enable_x64(True):
        games, at = operators.doubled(
            operators.stacked([(operators.stackable(made.game(256)), made.players)])
        )
        linear = operators.flow_linear(games, at)
        v = jnp.ones((1, size))

        def product(count: int) -> None:
            for _ in range(count):
                jax.block_until_ready(operators.applied(linear, v))

        def gradient(count: int) -> None:
            for _ in range(count):
                jax.block_until_ready(operators.velocities(games, at))

        mine, others = side_by_side([product, gradient], 50, rounds)
    rows.append(
        {
            "case": "a Jacobian-vector product against both players' gradients",
            "seconds": mine,
            "rival_seconds": others,
            "ratio": mine / others,
            "goal": 2.5,
        }
    )


def main() -> None:
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--quick", action="store_true", help="fewer steps")
    reader.add_argument("--only", default="mlp,dcgan,spectrum")
    reader.add_argument("--json", metavar="FILE")
    given = reader.parse_args()
    wanted, rows = given.only.split(","), []
    rounds = 3 if given.quick else 7
    if torch is None:
        print("PyTorch is not installed: its lines are skipped (pip install torch)")
    else:
        torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "mlp": ("MLP step, 2 x 128 units, ring8", "ring8", MLP, 256, 1e-3, 200, 3.0),
            "dcgan": ("DCGAN step, 28x28, 64 channels", pictures(folder), DCGAN, 128, 2e-4, 5, 1.0),
        }
        for key, (name, problem, networks, batch, lr, count, goal) in cases.items():
            if key not in wanted or torch is None:
                continue
            ours, players, on = trainer(problem, networks, batch, lr)
            theirs = rival(players, on, batch, lr)
            cores = sorted({1, os.cpu_count() or 1})
            jobs = [ours, *(threaded(theirs, n) for n in cores)]
            mine, *others = side_by_side(jobs, max(2, count // (5 if given.quick else 1)), rounds)
            row = {"case": f"{name}, batch {batch}", "seconds": mine, "rival_seconds": min(others)}
            on_each = dict(zip(map(str, cores), others, strict=True))
            rows.append({**row, "rival_on_cores": on_each, "ratio": min(others) / mine, "goal": goal})
    if "spectrum" in wanted:
        spectrum(rows, rounds)
    for r in rows:
        against = (
            f" against {1e3 * r['rival_seconds']:.3g} ms, ratio {r['ratio']:.2f}" if "ratio" in r else ""
        )
        goal = "" if r["goal"] is None else f" (goal {r['goal']:g})"
        more = f", {r['products']} products, {r['converged']} converged" if "products" in r else ""
        print(f"{r['case']}: {1e3 * r['seconds']:.3g} ms{against}{goal}{more}")
    if given.json:
        Path(given.json).write_text(json.dumps({"torch": getattr(torch, "__version__", None), "rows": rows}))


if __name__ == "__main__":
    main()
