"""Numbers, powers and the field's letters as pictures write them; no matplotlib is imported for them."""

from __future__ import annotations

import re

_LETTERS = {"phi": "φ", "theta": "θ", "x0": "x₀"}
_RAISED = str.maketrans("-\N{MINUS SIGN}.0123456789knp", "⁻⁻·⁰¹²³⁴⁵⁶⁷⁸⁹ᵏⁿᵖ")


def number(x: float, digits: int = 4) -> str:
    """Return ``x`` with a true minus sign, ``digits`` significant digits, and its power of ten as one.

    Example:
        >>> number(-0.05), number(1.0), number(1e-12), number(2e9).replace("\N{NO-BREAK SPACE}", " ")
        ('−0.05', '1', '10⁻¹²', '2 × 10⁹')
    """
    mantissa, mark, exponent = f"{x:.{digits}g}".partition("e")
    said = mantissa.replace("-", "\N{MINUS SIGN}")
    if not mark:
        return said
    power = "10" + raised(str(int(exponent)))
    if mantissa in ("1", "-1"):
        return said[:-1] + power
    return f"{said}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{power}"


def raised(power: str) -> str:
    """A power in raised letters.

    Example:
        >>> "t" + raised("-0.5")
        't⁻⁰·⁵'
    """
    return power.translate(_RAISED)


def with_powers(text: str) -> str:
    """A sentence whose powers, 1e-05 and t^-0.5, are written as in a picture.

    In text an exponent that is one number or letter stands bare, and anything longer in parentheses: t^(-1/2).

    Example:
        >>> with_powers("like 2 t^-0.5, to 1e-05; |phi|^2/2, t^(-1/2)").replace("\N{NO-BREAK SPACE}", " ")
        'like 2 t⁻⁰·⁵, to 10⁻⁵; |phi|²/2, t^(-1/2)'
    """
    text = re.sub(r"(?<![\w.])\d+(?:\.\d+)?e[+-]?\d+\b", lambda m: number(float(m[0]), 12), text)
    return re.sub(r"\^([-\N{MINUS SIGN}]?(?:\d+(?:\.\d+)?|[knp]))(?!\w)", lambda m: raised(m[1]), text)


def with_letters(text: str) -> str:
    """A sentence with powers and Greek letters as in a picture; a name that holds a symbol, phi_ema, stays as it is.

    Example:
        >>> with_letters("|theta - x0| = 1, max0 of phi_ema")
        '|θ − x₀| = 1, max0 of phi_ema'
    """
    # before the powers: a raised digit counts as part of a word
    text = with_powers(re.sub(r"\b(?:phi|theta|x0)\b", lambda m: _LETTERS[m[0]], text))
    return text.replace(" - ", " − ").replace("(-", "(−").replace("= -", "= −")
