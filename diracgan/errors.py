"""Errors in one line: the value, what is allowed, and the nearest valid choice."""

from __future__ import annotations

import difflib
import math
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class InputError(ValueError):
    """Bad input from a person. Its message is one line; the command line prints it and exits with 2.

    Example:
        >>> from diracgan.errors import InputError
        >>> issubclass(InputError, ValueError)
        True
    """

    def __init__(self, message: str) -> None:
        """``message``: becomes one line, whatever a value that it names looks like."""
        line = " ".join(str(message).split())
        half = _LONGEST // 2
        super().__init__(line if len(line) <= _LONGEST else f"{line[:half]} ... {line[-half:]}")


_LONGEST = 2000  # characters of a message; a value that it names may be a list of a million


class OccupiedError(InputError):
    """Other results are where new ones are to go; ``clear`` removes them.

    Example:
        >>> error = OccupiedError("'a.zarr' holds another sweep", clear=lambda: None)
        >>> str(error), error.clear()
        ("'a.zarr' holds another sweep", None)
    """

    def __init__(self, message: str, clear: Callable[[], None]) -> None:
        """``clear``: what makes room."""
        super().__init__(message)
        self.clear = clear


class Written(str):
    """A value as a person writes it where everything is text: on a command line, in ``NAME:k=v``, in a form of a page.

    :func:`number` and :func:`integer` read it. Other text they refuse: ``lr="0.1"`` in Python is a slip.

    Example:
        >>> number("lr", Written("0.1")), integer("steps", Written("3"), low=1)
        (0.1, 3)
    """

    __slots__ = ()


def is_plain_text(value: object) -> bool:
    """Whether ``value`` is text, or an array of it, that is not :class:`Written` to be read as a value.

    Example:
        >>> is_plain_text("0.1"), is_plain_text(Written("0.1")), is_plain_text(0.1)
        (True, False, False)
    """
    return (isinstance(value, str) and not isinstance(value, Written)) or _kind(value) in ("S", "U")


def one_line(error: BaseException) -> str:
    """Return ``error`` as ``Type: first line of its message``.

    Example:
        >>> one_line(ZeroDivisionError("division by zero"))
        'ZeroDivisionError: division by zero'
    """
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # a stranger's error may fail to say what it is
        lines = []
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def users_place(error: BaseException | None) -> str:
    """The place in the user's own file that an error, or what an InputError says of it, passed through; else "".

    Example:
        >>> users_place(ZeroDivisionError("ours"))
        ''
    """
    users = {
        getattr(m, "__file__", None) for n, m in list(sys.modules.items()) if n.startswith("_diracgan_user_")
    }
    said = isinstance(error, (Exception, SystemExit))  # importing a file names its line in these
    place = ""
    for frame in traceback.extract_tb(error.__traceback__) if error is not None else ():
        if frame.filename in users and not (frame.name == "<module>" and said):
            place = f"{os.path.relpath(frame.filename)}, line {frame.lineno}: "
    return place or (users_place(error.__cause__) if isinstance(error, InputError) else "")


def reason(error: BaseException) -> str:
    """Return what an error says, in one line of small letters; of the file system's errors their words alone.

    Example:
        >>> reason(FileNotFoundError(2, "No such file or directory", "a.csv"))
        'no such file or directory'
    """
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said.splitlines()[0].lower()


def shown(value: object) -> str:
    """Return ``repr(value)``, or the name of its class where a stranger's object cannot say what it is.

    Example:
        >>> shown("a")
        "'a'"
    """
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def as_text(value: object) -> str:
    """Return ``str(value)``, or the name of its class where a stranger's object cannot say what it is.

    Example:
        >>> as_text(1)
        '1'
    """
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def not_installed(what: str, package: str, extra: str) -> InputError:
    """Return the error for what needs a package that is not there; ``extra``: the extra of diracgan that brings it.

    Example:
        >>> print(not_installed("the widget", "anywidget", "explore"))
        the widget needs anywidget, which is not installed; pip install anywidget, or diracgan with its extra 'explore'
    """
    return InputError(
        f"{what} needs {package}, which is not installed; pip install {package}, or diracgan with its extra {extra!r}"
    )


def unknown(kind: str, value: object, choices: Iterable[str]) -> InputError:
    """Return the error for a name that is none of ``choices``, with the nearest one.

    Args:
        kind: what is named, e.g. ``"variant"``.
        value: the name that was given.
        choices: the names that exist.

    Returns:
        An :class:`InputError`, not raised.

    Example:
        >>> print(unknown("solver", "tsit6", ["tsit5", "dopri5"]))
        unknown solver 'tsit6'; did you mean 'tsit5'? Allowed: dopri5, tsit5
        >>> print(unknown("variant", "kl", ["fgan-kl", "fgan-reverse-kl", "ns"]))
        unknown variant 'kl'; did you mean 'fgan-kl'? Allowed: fgan-kl, fgan-reverse-kl, ns
    """
    names, given = sorted(str(c) for c in choices), value if isinstance(value, str) else shown(value)
    near = _near(given.lower(), names)
    hint = f"; did you mean {near!r}?" if near else "."
    return InputError(f"unknown {kind} {given!r}{hint} Allowed: {', '.join(names) or 'none'}")


def _near(value: str, names: list[str]) -> str | None:
    """The shortest name that ends in ``value`` after a hyphen (``kl``: ``fgan-kl``), or the one spelt most like it."""
    ends = sorted((name for name in names if value and name.endswith(f"-{value}")), key=len)
    return next(iter(ends or difflib.get_close_matches(value, names, n=1, cutoff=0.5)), None)


def one_of(kind: str, value: object, choices: Collection[str]) -> str:
    """Return ``value`` where it is one of ``choices``, or raise :func:`unknown`.

    Example:
        >>> one_of("backend", "scipy", ("diffrax", "scipy"))
        'scipy'
    """
    if not isinstance(value, str) or value not in choices:
        raise unknown(kind, value, choices)
    return value


def word(name: str, value: object) -> str:
    """Return ``value`` where it is text, or raise :class:`InputError`.

    Example:
        >>> word("parameter", "lr")
        'lr'
    """
    if not isinstance(value, str):
        raise InputError(f"{name} = {shown(value)} is not text; allowed: a word in quotes")
    return value


def instance(name: str, value: object, kind: type[T], allowed: str) -> T:
    """Return ``value`` where it is a ``kind``, or raise :class:`InputError`.

    Args:
        name: what the argument is called.
        value: anything.
        kind: the class that is wanted.
        allowed: where one comes from, in words.

    Example:
        >>> instance("point", 3, str, "what a branch holds in points")
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: point = 3 is not a str; allowed: what a branch holds in points
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} = {shown(value)} is not a {kind.__name__}; allowed: {allowed}")
    return value


def holds(name: str, value: object, attributes: Collection[str], allowed: str) -> None:
    """Raise :class:`InputError` where ``value`` lacks an attribute: a result is drawn by what it holds, not its class.

    Example:
        >>> holds("found", 1 + 2j, ("real", "imag"), "complex numbers")
    """
    if any(not hasattr(value, a) for a in attributes):
        raise InputError(f"{name} = {shown(value)} is no result of this kind; allowed: {allowed}")


def flag(name: str, value: object) -> bool:
    """Return ``value`` where it is True or False, or raise :class:`InputError`.

    Example:
        >>> flag("adaptive", True)
        True
    """
    is_bool = isinstance(value, bool) or (_kind(value) == "b" and getattr(value, "shape", ()) == ())
    if not is_bool:  # NumPy's are bools of another class
        raise InputError(f"{name} = {shown(value)} is not a bool; allowed: True, False")
    return bool(value)


def callback(name: str, value: object) -> None:
    """Raise :class:`InputError` where ``value`` is neither a function nor None.

    Example:
        >>> callback("progress", None)
    """
    if value is not None and not callable(value):
        raise InputError(f"{name} = {shown(value)} is not a function; allowed: a function, or None")


def listed(name: str, value: object, allowed: str) -> list[Any]:
    """Return what ``value`` holds as a list, or raise :class:`InputError` for what holds nothing, or is text.

    Example:
        >>> listed("quantities", ("margin",), "names")
        ['margin']
    """
    try:
        if not isinstance(value, (str, bytes)):
            # what cannot be listed raises, which is caught below
            return list(value)  # type: ignore[call-overload]
    except Exception:  # a stranger's object may raise anything when it is gone through
        pass
    raise InputError(f"{name} = {shown(value)} is not a list; allowed: {allowed}")


def mapping(name: str, value: object, allowed: str) -> dict[str, Any]:
    """Return ``value`` as a dictionary where it is a mapping, or raise :class:`InputError`.

    Example:
        >>> mapping("networks", {"width": 8}, "settings")
        {'width': 8}
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{name} = {shown(value)} is not a mapping; allowed: {allowed}")
    return dict(value)


def real_array(name: str, value: object, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """Return ``value`` as an array of float64, or raise :class:`InputError`.

    Args:
        name: what the array is called.
        value: anything that NumPy takes.
        shape: how long each axis must be, None for any length; None for any shape.

    Example:
        >>> real_array("step", [[0.5]], (None, None)).shape
        (1, 1)
    """
    import numpy as np

    wanted = "any shape" if shape is None else f"({', '.join('any' if n is None else str(n) for n in shape)})"
    try:
        given = np.asarray(value)
        hidden = np.ma.is_masked(value)  # NumPy would bring to light what is masked
        x = None if hidden or given.dtype.kind not in "biuf" else given.astype(float)
    except Exception:  # a stranger's object may raise anything when it is read as numbers
        x = None
    if x is None:
        raise InputError(
            f"{name} = {shown(value)} is not made of numbers; allowed: real numbers, of shape {wanted}"
        )
    if shape is not None and (
        x.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, x.shape, strict=True))
    ):
        raise InputError(f"{name} has the shape {x.shape}; allowed: {wanted}")
    return x


def number(
    name: str,
    value: object,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a finite float inside its interval, or raise :class:`InputError`.

    Args:
        name: what the number is called.
        value: anything that ``float`` takes, but no text that is not :class:`Written`.
        low: least allowed value, if any.
        high: largest allowed value, if any.
        open_low: whether ``low`` itself is excluded.
        open_high: whether ``high`` itself is excluded.

    Raises:
        InputError: naming the value and the allowed interval.

    Example:
        >>> number("lr", 0.1, low=0, open_low=True)
        0.1
    """
    allowed = _interval(low, high, open_low, open_high)
    try:
        if (
            isinstance(value, (complex, bool, bytes, bytearray))
            or is_plain_text(value)
            or _kind(value) in ("b", "c")
            or _is_hidden(value)
        ):
            raise TypeError  # bytes are no text; NumPy's would lose their imaginary part without a word, or their mask
        # float and int refuse what they cannot read, which is caught below
        x = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise InputError(f"{name} is too large for a float; allowed: {allowed}") from None
    except Exception:  # a stranger's object may raise anything
        raise InputError(f"{name} = {shown(value)} is not a number; allowed: {allowed}") from None
    if not math.isfinite(x):
        raise InputError(f"{name} = {value} is not finite; allowed: {allowed}")
    if (low is not None and (x < low or (open_low and x == low))) or (
        high is not None and (x > high or (open_high and x == high))
    ):
        raise InputError(f"{name} = {x:g} is out of range; allowed: {allowed}")
    return x


def increasing(low: float, high: float, of: str = "") -> None:
    """Raise :class:`InputError` where ``low`` is not below ``high``; ``of``: whose range it is.

    Example:
        >>> increasing(3.0, 1.0, "r1")
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: low = 3 of r1 must be below high = 1; allowed: low < high, as 1 and 3
    """
    if not low < high:
        first, last = (high, low) if high < low else (0.5 * low, low) if low > 0 else (low, low + 0.5)
        raise InputError(
            f"low = {low:g}{f' of {of}' if of else ''} must be below high = {high:g}; "
            f"allowed: low < high, as {first:g} and {last:g}"
        )


#: What an integer may be at most where nothing says otherwise: what a machine counts with 32 bits.
LARGEST = 2**31 - 1


def integer(name: str, value: object, *, low: int, high: int = LARGEST) -> int:
    """Return ``value`` as an integer in ``[low, high]``, or raise :class:`InputError`.

    Example:
        >>> integer("steps", 200, low=1)
        200
    """
    allowed = f"integers >= {low}" if high == LARGEST else f"integers from {low} to {high}"
    try:
        if _is_hidden(value) or is_plain_text(value):
            raise TypeError
        # float and int refuse what they cannot read, which is caught below
        n = int(str(value)) if isinstance(value, str) else int(value)  # type: ignore[call-overload]
        is_bool = isinstance(value, bool) or _kind(value) == "b"
        exact = isinstance(value, str) or (n == value and not is_bool)
    except Exception:  # likewise
        n, exact = 0, False
    if not exact:
        raise InputError(f"{name} = {shown(value)} is not a whole number; allowed: {allowed}")
    if n < low:
        raise InputError(f"{name} = {n} is too small; allowed: {allowed}")
    if n > high:
        raise InputError(f"{name} = {_short(n)} is too large; allowed: integers from {low} to {high}")
    return n


def _kind(value: object) -> str:
    """NumPy's letter for the type of an array or of one of its numbers; empty for anything else."""
    return getattr(getattr(value, "dtype", None), "kind", "")


def _is_hidden(value: object) -> bool:
    """Whether NumPy masks a number, which ``float`` would read as NaN with a warning."""
    mask = getattr(value, "mask", None)
    # of kind b it is an array of NumPy's, or one of its numbers: both have any()
    return _kind(mask) == "b" and bool(mask.any())  # type: ignore[union-attr]


def _short(n: int) -> str:
    digits = n.bit_length() * 0.30103
    return str(n) if digits < 20 else f"a number of some {digits:.0f} digits"


def _interval(low: float | None, high: float | None, open_low: bool, open_high: bool) -> str:
    if low is None and high is None:
        return "any finite number"
    if high is None:
        return f"finite numbers {'>' if open_low else '>='} {low:g}"
    if low is None:
        return f"finite numbers {'<' if open_high else '<='} {high:g}"
    return f"numbers in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
