"""Plain values from and to TOML."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import tomli_w

from ..errors import InputError, reason
from ..files import read_text

_MOST = 1 << 20  # bytes, of which tomllib reads a few million a second
# a."a".a...: tomllib's memory grows with the square of the parts
_DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""")


def read_table(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The plain values of a TOML file.

    Raises:
        InputError: when it is missing, longer than a megabyte, or not TOML.
    """
    shown = os.fspath(path)
    try:
        text = read_text(shown, _MOST)
        if _DEEP_KEY.search(text):
            raise RecursionError
        table = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no file {shown!r}; allowed: a config.toml that a run wrote") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{shown!r} cannot be read: {reason(error)}; allowed: a config.toml that a run wrote"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{shown!r} is not TOML: {str(error).splitlines()[0]}") from error
    except RecursionError:
        raise InputError(f"{shown!r} is not a config: its values are nested too deeply") from None
    except ValueError as error:  # an integer of more digits than Python reads
        raise InputError(f"{shown!r} is not a config: {str(error).partition(';')[0]}") from None
    if not table:
        raise InputError(f"{shown!r} is empty; allowed: settings, as in a config.toml that a run wrote")
    return table


def toml(table: Mapping[str, Any]) -> str:
    """Plain values as TOML.

    Example:
        >>> print(toml({"steps": 3, "rule": {"name": "adam", "lr": 0.1}}), end="")
        steps = 3
        <BLANKLINE>
        [rule]
        name = "adam"
        lr = 0.1
    """
    return tomli_w.dumps(_without_none(table))


def _without_none(value: Any) -> Any:
    """TOML has no null: what is not set is left out. Other objects are their text."""
    if isinstance(value, Mapping):
        return {str(k): _without_none(x) for k, x in value.items() if x is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(x) for x in value]
    return value if isinstance(value, (bool, int, float)) else str(value)
