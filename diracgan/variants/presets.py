"""Presets: published training settings as a variant, its modifiers and a rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..registry import Registry


@dataclasses.dataclass(frozen=True)
class Preset:
    """A variant, what is added to it, and the rule that moves it.

    Attributes:
        variant: the variant's name.
        modifiers: what ``with_`` sets on it.
        rule: the recommended rule's name.
        settings: the rule's parameters.
        summary: one line.
        why: what each part is for.
        reference: where the numbers come from.
    """

    variant: str
    modifiers: Mapping[str, float]
    rule: str
    settings: Mapping[str, Any]
    summary: str
    why: str
    reference: str


PRESETS: Registry[Preset] = Registry("preset", lambda preset: preset.summary)
for _name, _preset in {
    "dcgan": Preset(
        variant="ns",
        modifiers={},
        rule="adam",
        settings={"lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "alternating": True},
        summary="DCGAN: non-saturating loss, Adam 2e-4 with beta1 0.5",
        why="No damping in the flow: what holds the game are small steps. Halving Adam's usual beta1 "
        "shortens the memory of a velocity that turns with the game; a long one feeds the oscillation.",
        reference="arXiv 1511.06434, section 4",
    ),
    "stylegan": Preset(
        variant="ns",
        modifiers={"r1": 10.0},
        rule="adam",
        settings={"lr": 2e-3, "beta1": 0.0, "beta2": 0.99, "alternating": True, "lazy": 16, "ema": 0.999},
        summary="StyleGAN: non-saturating loss with lazy R1, Adam without momentum, weights averaged",
        why="R1 damps the critic, so the equilibrium attracts; it acts on every 16th critic step, 16 times "
        "as strong, which costs less and has the same mean. beta1 = 0 keeps no velocity, and the average of "
        "the weights lies inside what still turns.",
        reference="arXiv 1912.04958, section 3.1 and appendix B; gamma: 1812.04948",
    ),
    "r3gan": Preset(
        variant="rpgan",
        modifiers={"r1": 0.05, "r2": 0.05},
        rule="adam",
        settings={"lr": 2e-4, "beta1": 0.0, "beta2": 0.9, "alternating": True, "ema": 0.9999},
        summary="R3GAN: relativistic pairing with R1 and R2, Adam without momentum, averaged weights",
        why="Pairing makes the loss a function of D_f - D_r, blind to where the datum lies; R1 and R2 damp "
        "at both kinds of samples, on a linear critic like R1 with their sum. The numbers are for CIFAR-10.",
        reference="arXiv 2501.05441, sections 2 and 3",
    ),
}.items():
    PRESETS.add(_name, _preset, _preset.reference)


def presets() -> dict[str, str]:
    """Name -> one line of every preset.

    Example:
        >>> presets()["dcgan"]
        'DCGAN: non-saturating loss, Adam 2e-4 with beta1 0.5'
    """
    return PRESETS.summaries()
