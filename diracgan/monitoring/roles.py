"""Roles of series: the discriminator's (critic's) and the generator's losses, by their usual names."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

_CRITIC = {
    *("d", "dis", "disc", "discr", "discrim", "dscr", "discriminator", "critic", "crit", "netd"),
    *("errd", "lossd", "dloss", "df", "dreal", "discloss", "disloss"),
    *("discriminateur", "discriminador", "discriminatore", "diskriminator"),
    *("critique", "critico", "kritiker"),
    *("дискриминатор", "дискриминатора", "критик", "判别器", "判別器", "識別器"),
}
_GENERATOR = {
    *("g", "gen", "generator", "netg", "errg", "lossg", "gloss", "genloss"),
    *("generateur", "generador", "generatore", "gerador", "генератор", "генератора", "生成器"),
}
_LOSS = {
    *("l", "loss", "losses", "err", "error", "cost", "gan"),
    *("errd", "errg", "lossd", "lossg", "dloss", "gloss", "discloss", "disloss", "genloss"),
    *("perte", "verlust", "perdida", "perdita", "perda", "потери", "потеря", "损失", "損失"),
}
# words for parts of a player's loss, and for what is not a loss
_PART = {
    *("real", "fake", "gp", "reg", "r1", "r2", "penalty", "grad", "norm"),
    *("scores", "score", "logits", "signs", "acc", "accuracy", "prob", "out"),
    *("l1", "pix", "pixel", "percep", "perceptual", "style", "sty", "ds", "cycle", "cyc", "identity", "idt"),
    *("recon", "rec", "mel", "kl", "vgg", "feat", "fea", "fm", "tv", "ssim", "lpips", "dur", "cls"),
    *("x", "z", "lr", "val", "param"),
}


# words of a writing that puts no blank between them
_UNPARTED = re.compile(r"(判[别別]器|識別器|生成器|[损損]失)")


def words_of(name: str) -> list[str]:
    """The words in a name, without accents.

    Example:
        >>> words_of("Loss/D/loss"), words_of("lossD"), words_of("train.gLoss")
        (['loss', 'd', 'loss'], ['loss', 'd'], ['train', 'g', 'loss'])
        >>> words_of("perte_générateur"), words_of("生成器损失")
        (['perte', 'generateur'], ['生成器', '损失'])
    """
    return list(_words(name))


@functools.lru_cache(maxsize=1 << 15)  # every column is asked several times, every printed name at each line
def _words(name: str) -> tuple[str, ...]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    if not apart.isascii():
        letters = unicodedata.normalize("NFKD", _UNPARTED.sub(r" \1 ", apart))
        apart = unicodedata.normalize("NFC", re.sub(r"(?<=[a-zA-Z])[\u0300-\u036f]+", "", letters))
    return tuple(w for w in re.split(r"[\W_]+", apart.lower()) if w)


def player_words(player: str) -> str:
    """What a player is called in a sentence: a newcomer may know the critic as the discriminator.

    Example:
        >>> player_words("critic"), player_words("generator")
        ('discriminator (critic)', 'generator')
    """
    return "discriminator (critic)" if player == "critic" else player


def player_of(name: str) -> str | None:
    """``"critic"``, ``"generator"``, or None: whose series a name says it is.

    Example:
        >>> [player_of(n) for n in ("d_loss", "Gen_loss", "errD", "fid", "Loss/G/loss", "D(G(z))")]
        ['critic', 'generator', 'critic', None, 'generator', 'critic']
        >>> player_of("loss_disc_fake_g")  # of MMGeneration: what the discriminator says of fake samples to G
        'generator'
    """
    if words_of(name)[-2:] in (["fake", "g"], ["fake", "gen"]):
        return "generator"
    for word in words_of(name):
        if word in _CRITIC:
            return "critic"
        if word in _GENERATOR:
            return "generator"
    # GAN, as SPADE calls what the generator loses against the critic; adv, as Encodec does
    own = [w for w in words_of(name) if w not in ("loss", "l")]
    return "generator" if own in (["gan"], ["adv"]) else None


def is_loss(name: str) -> bool:
    """Whether a name is that of a player's whole loss, not of a part of it or of a score."""
    words, player = words_of(name), player_of(name)
    # a generator's loss is that on fake samples
    parts = _PART - {"fake"} if player == "generator" and set(words) & _LOSS else _PART
    if player is None or set(words) & parts:
        return False
    return bool(set(words) & {*_LOSS, "total"}) or len(words) == 1 or words[0] in ("d", "g")


def says_loss(name: str) -> bool:
    """Whether a name says that it is a loss, of whomever: ``train_loss`` is, ``l1_loss`` is a part of one.

    Example:
        >>> [says_loss(n) for n in ("loss", "val.cost", "l1_loss", "fid")]
        [True, True, False, False]
    """
    words = set(words_of(name))
    return bool(words & _LOSS) and not words & (_PART - {"val"})


def losses(names: Sequence[str]) -> tuple[str | None, str | None]:
    """The names of the critic's and of the generator's loss among these; None for one that is not there.

    Example:
        >>> losses(["Loss/scores/real", "Loss/D/loss", "Loss/G/loss", "Loss/r1_penalty"])
        ('Loss/D/loss', 'Loss/G/loss')
        >>> losses(["D_A", "G_A", "D_B", "G_B"]), losses(["D/latent", "G/ref_adv", "G/latent_adv"])
        (('D_A', 'G_A'), ('D/latent', 'G/latent_adv'))
    """

    def first(player: str, side: frozenset[str]) -> str | None:
        found = [n for n in names if player_of(n) == player and is_loss(n)]
        return min(
            found,
            key=lambda n: (not side <= {*words_of(n)}, not {*words_of(n)} & _LOSS, len(n)),
            default=None,
        )

    critic = first("critic", frozenset())
    # of two games side by side the generator that plays against this critic
    side = frozenset(words_of(critic or "")) - _LOSS - _CRITIC
    return critic, first("generator", side)
