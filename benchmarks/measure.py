"""The ten fastest eigenvalues of a 64-pixel DCGAN in PyTorch: time, products and memory beside its training's.

    python benchmarks/measure.py [--width 44] [--batch 64] [--steps 8] [--threads 2]

Goal: 3 million parameters, batch 64, float32: under two minutes on two cores, memory under three times the training's.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import diracgan as dg

Batch = tuple[Tensor, Tensor]


def networks(width: int) -> tuple[nn.Module, nn.Module]:
    """The critic and the generator of Radford, Metz & Chintala 2016 (arXiv 1511.06434), drawn as it says."""

    def up(a: int, b: int, stride: int, pad: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(a, b, 4, stride, pad, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

    def down(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]

    f = width
    critic = nn.Sequential(
        nn.Conv2d(3, f, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        *(layer for i in (1, 2, 4) for layer in down(i * f, 2 * i * f)),
        nn.Conv2d(8 * f, 1, 4, 1, 0, bias=False),
        nn.Flatten(0),
    )
    generator = nn.Sequential(
        *up(100, 8 * f, 1, 0),
        *(layer for i in (8, 4, 2) for layer in up(i * f, i * f // 2, 2, 1)),
        nn.ConvTranspose2d(f, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    for m in (*critic.modules(), *generator.modules()):
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(m.weight, 0.0, 0.02)
        if isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.weight, 1.0, 0.02)
    return critic, generator


def critic_loss(critic: Any, generator: Any, batch: Batch) -> Tensor:
    return F.softplus(-critic(batch[0])).mean() + F.softplus(critic(generator(batch[1]).detach())).mean()


def generator_loss(critic: Any, generator: Any, batch: Batch) -> Tensor:
    return F.softplus(-critic(generator(batch[1]))).mean()


def batches(count: int, size: int) -> list[Batch]:
    """Smooth random pictures with noise, and latents."""

    def one() -> Batch:
        smooth = F.interpolate(torch.randn(size, 3, 8, 8), size=64, mode="bilinear")
        return torch.tanh(smooth + 0.1 * torch.randn(size, 3, 64, 64)), torch.randn(size, 100, 1, 1)

    return [one() for _ in range(count)]


def peak() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    options = argparse.ArgumentParser(description="The ten fastest eigenvalues of a DCGAN.")
    for name, value in (("width", 44), ("batch", 64), ("steps", 8), ("threads", 2)):
        options.add_argument(f"--{name}", type=int, default=value)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    nets, data = networks(given.width), batches(4, given.batch)
    opts = [torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999)) for m in nets]
    began = time.process_time()
    for i in range(given.steps):
        for loss, opt in zip((critic_loss, generator_loss), opts, strict=True):
            opt.zero_grad()
            loss(*nets, data[i % len(data)]).backward()
            opt.step()
    said: dict[str, Any] = {"step_processor_s": (time.process_time() - began) / given.steps}
    said |= {"training_peak_mb": peak(), "threads": given.threads}
    game = dg.measure.game(critic_loss, generator_loss, *nets, data[:1])
    began, clock = time.process_time(), time.perf_counter()
    found = game.spectrum("fastest", k=10)
    said |= {"parameters": sum(game.sizes), "products": found.products}
    said |= {"processor_s": time.process_time() - began, "seconds": time.perf_counter() - clock}
    said |= {"peak_mb": peak(), "converged": bool(found.converged.all())}
    said["residuals"] = (found.residuals / np.abs(found.eigenvalues[0])).tolist()
    said["eigenvalues"] = [[x.real, x.imag] for x in found.eigenvalues.tolist()]
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
