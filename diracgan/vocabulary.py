"""Enumerations whose members carry their own description, used by every room."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self


class Vocabulary(StrEnum):
    """Words, each written with what belongs to it.

    Attributes:
        meaning: what it says, in a sentence.
        words: its name in a sentence or a title; the meaning, unless a vocabulary says otherwise.
    """

    def __new__(cls, word: str, *_: Any) -> Self:
        """The word; :meth:`__init__` takes what belongs to it."""
        member = str.__new__(cls, word)
        member._value_ = word
        return member

    def __init__(self, word: str, meaning: str) -> None:
        self.meaning = self.words = meaning

    @property
    def number(self) -> int:
        """Its place in the list, by which arrays hold it."""
        return list(type(self)).index(self)
