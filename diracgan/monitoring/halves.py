"""The critic's loss from its halves on real and fake samples: their sum, said to be a guess."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .roles import losses, player_of, says_loss, words_of

_SIDE = re.compile(r"(?:(?<=[a-z0-9])(?=[A-Z])|[_\-./ ]|^)(real|fake)(?=$|[_\-./ A-Z])", re.IGNORECASE)
_NUMBERED = re.compile(r"^(.*[A-Za-z])[_\-. ]?([12])$")
_PLAIN = {"d", "dis", "disc", "discriminator", "critic"}
_PENALTY = {"reg", "gp", "r1", "penalty"}  # beside halves only of a loss: outputs have none


def halves(names: Sequence[str], plain: bool = False) -> tuple[str, str, str] | None:
    """The name of the critic's whole loss and of its two halves; None where it is logged whole, or not at all.

    Args:
        names: of the series.
        plain: whether ``D_real`` is a loss, as pix2pix logs it; elsewhere it is the critic's output, as ``D(x)`` is.

    Example:
        >>> halves(["errD_real", "errD_fake", "errG"]), halves(["d1", "d2", "g"])
        (('errD', 'errD_real', 'errD_fake'), ('d', 'd1', 'd2'))
        >>> halves(["D_real", "D_fake", "G_GAN"]), halves(["D_real", "D_fake", "G_GAN"], plain=True)
        (None, ('D', 'D_real', 'D_fake'))
        >>> halves(["D/latent_real", "D/latent_fake", "D/latent_reg", "G/latent_adv"])  # of StarGAN v2
        ('D/latent', 'D/latent_real', 'D/latent_fake')
    """
    penalised = [words[:-1] for words in map(words_of, names) if words and words[-1] in _PENALTY]
    sides: dict[str, dict[str, str]] = {}
    for name in names:
        base, side = _parted(name)
        if side is None or player_of(base) != "critic":
            continue
        numbered = side in "12" and (says_loss(base) or base.lower() in _PLAIN)
        lossy = says_loss(base) or words_of(base) in penalised
        if numbered or lossy or (plain and base.lower() in _PLAIN):
            sides.setdefault(base, {})[side] = name
    for base, of in sides.items():
        for one, other in (("real", "fake"), ("1", "2")):
            if one not in of or other not in of:
                continue
            pair = of[one], of[other]
            whole = losses([n for n in names if n not in pair])[0] is not None
            return None if whole else (base, *pair)
    return None


def _parted(name: str) -> tuple[str, str | None]:
    """A name without what tells its half, and which half that is."""
    numbered = _NUMBERED.match(name)
    if numbered is not None:
        return numbered[1], numbered[2]
    found = _SIDE.search(name)
    if found is None:
        return name, None
    return (name[: found.start()] + name[found.end() :]).strip("_-./ "), found[1].lower()


def summed(columns: dict[str, np.ndarray], plain: bool = False) -> tuple[dict[str, np.ndarray], list[str]]:
    """The columns with the critic's loss in place of its halves, and what is to be said of it.

    Example:
        >>> made, notes = summed({"d_loss_real": np.array([0.6]), "d_loss_fake": np.array([0.7])})
        >>> list(made), notes
        (['d_loss'], ["d_loss_real + d_loss_fake is taken for the critic's loss d_loss: a guess"])
    """
    found = halves(list(columns), plain)
    if found is None:
        return columns, []
    whole, one, other = found
    made = {n: c for n, c in columns.items() if n not in (one, other)}
    made[whole] = columns[one] + columns[other]
    return made, [f"{one} + {other} is taken for the critic's loss {whole}: a guess"]


def side_by_side(names: Sequence[str]) -> list[str]:
    """What is to be said where two critics are logged, as CycleGAN's ``D_A`` and ``D_B``.

    Example:
        >>> side_by_side(["D_A", "G_A", "D_B", "G_B"])
        ['D_A and D_B are two games side by side: regimes are those of D_A with G_A; the others by name (--column)']
    """
    critic, generator = losses(names)
    words = [] if critic is None else words_of(critic)
    alike = [n for n in names if n != critic and player_of(n) == "critic" and words_of(n)[:-1] == words[:-1]]
    alike = [n for n in alike if len(words) > 1 and len(words_of(n)[-1]) == 1 == len(words[-1])]
    if not alike or generator is None:
        return []
    said = " and ".join([str(critic), *alike])
    read = f"regimes are those of {critic} with {generator}"
    return [f"{said} are two games side by side: {read}; the others by name (--column)"]
