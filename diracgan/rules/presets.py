"""A preset as the two things that it stands for: a variant and the rule that moves it."""

from __future__ import annotations

from ..variants import Variant, variant
from ..variants.presets import PRESETS, presets
from . import Rule, rule


def preset(name: str) -> tuple[Variant, Rule]:
    """The variant and the recommended rule of a preset that practitioners know.

    Args:
        name: ``"stylegan"`` (ns with lazy R1, Adam, EMA), ``"r3gan"`` (rpgan with R1 and R2) or ``"dcgan"``
            (ns, Adam 2e-4 with beta1 0.5). As a variant's name each stands for its variant and penalties.

    Returns:
        (variant, rule).

    Raises:
        InputError: for an unknown name, naming the choices.

    Example:
        >>> import diracgan as dg
        >>> v, r = dg.preset("r3gan")
        >>> v.label
        'rpgan + r1=0.05 + r2=0.05'
        >>> dg.variant("r3gan").label == v.label
        True
    """
    found = PRESETS[name]
    return variant(found.variant, **found.modifiers), rule(found.rule, **found.settings)


__all__ = ["preset", "presets"]
