"""What a shell completes where an option or a word takes a name; the registries are imported when Tab is pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping


def _variants() -> Mapping[str, str]:
    from ..variants import presets, variants

    return {**variants(), **presets()}


def _rules() -> Mapping[str, str]:
    from ..rules import rules

    return rules()


def _quantities() -> Mapping[str, str]:
    from ..sweeps.quantity import QUANTITIES

    return {name: q.help for name, q in QUANTITIES.items()}


def _problems() -> Mapping[str, str]:
    from ..training.problems import PROBLEMS

    return PROBLEMS.summaries()


def _tricks() -> Mapping[str, str]:
    from ..training.tricks import TRICKS

    return TRICKS.summaries()


def _figures() -> Mapping[str, str]:
    from ..gallery.build import entries

    return {entry.name: entry.title for entry in entries()}


def _cards() -> Mapping[str, str]:
    from ..gallery.errata import CARDS

    return {card.name: card.sentence for card in CARDS}


_NAMES: dict[str, Callable[[], Mapping[str, str]]] = {
    "variant": _variants,
    "rule": _rules,
    "quantity": _quantities,
    "problem": _problems,
    "trick": _tricks,
    "figure": _figures,
    "card": _cards,
}

Completion = Callable[[str], list[tuple[str, str]]]


def names_of(kind: str) -> Completion:
    """What completes the beginning of a name of a kind: each name with its one line.

    Example:
        >>> [name for name, _ in names_of("variant")("wgan-g")]
        ['wgan-gp']
    """
    return lambda incomplete: [
        (name, line) for name, line in _NAMES[kind]().items() if name.startswith(incomplete)
    ]


def one_of_these(choices: Iterable[str]) -> Completion:
    """What completes the beginning of one of a few words.

    Example:
        >>> one_of_these(["text", "json"])("j")
        [('json', '')]
    """
    return lambda incomplete: [(name, "") for name in choices if name.startswith(incomplete)]
