"""Limits on the page's requests: bounds on numbers, a time limit per computation, few at once."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import InputError
from ..records import is_number

LARGEST, MOST_REPEATS, LONGEST_TEXT = 1e6, 100, 2000
"""Bounds on a parameter's size, on an integer such as n_critic, and on the letters of NAME:k=v,..."""
MOST_UPDATES = 400_000
"""Steps of a rule times the gradients in one of them."""
ANSWER_S, VERDICT_S, LIVE_S = 60.0, 120.0, 900.0
"""Seconds for a picture (its first one compiles), for a verdict, and for a real GAN."""
UNSEEN_S = 180.0
"""Seconds after which a real GAN ends that no page asks about: one in the background asks once a minute."""
MOST_AT_ONCE = 4
_GRACE_S = 5.0  # compiled code is left at its end alone

T = TypeVar("T")


class Interrupted(BaseException):
    """Thrown into a computation that nobody waits for; no handler of errors takes it for one."""


_running: list[threading.Thread] = []
_lock = threading.Lock()


def limited(work: Callable[[], T], seconds: float, cancelled: Callable[[], bool] = lambda: False) -> T:
    """``work()``, interrupted once its time is over or nobody waits for it any more.

    It runs in a thread of its own, into which :class:`Interrupted` is thrown. Compiled code hears of it at its end, and
    until then holds its place among the few that may run.

    Raises:
        InputError: when the time is over, it was cancelled, or too many run already.

    Example:
        >>> limited(lambda: 6 * 7, 1.0)
        42
        >>> limited(lambda: [None for _ in iter(int, 1)], 0.2)
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: this takes longer than 0.2 seconds here; shorten it, or ask on the command line
    """
    made: list[tuple[bool, Any]] = []

    def go() -> None:
        try:
            made.append((True, work()))
        except BaseException as error:  # raised again where it is waited for
            made.append((False, error))

    thread = threading.Thread(target=go, daemon=True)
    with _lock:
        _running[:] = [t for t in _running if t.is_alive()]
        if len(_running) >= MOST_AT_ONCE:
            raise InputError(
                f"{MOST_AT_ONCE} computations are running; change something once they have ended"
            )
        _running.append(thread)
        thread.start()
    end = time.monotonic() + seconds
    while thread.is_alive():
        thread.join(0.05)
        late = time.monotonic() > end
        if thread.is_alive() and (late or cancelled()):
            assert thread.ident is not None
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted)
            )
            thread.join(_GRACE_S)
            break
    result: Any = Interrupted()
    if made:
        done, result = made[0]
        if done:
            return result
    if isinstance(result, Interrupted):
        if time.monotonic() > end:
            raise InputError(
                f"this takes longer than {seconds:g} seconds here; shorten it, or ask on the command line"
            )
        raise InputError("cancelled")
    raise result


def bounded(values: Mapping[str, Any]) -> None:
    """Raise InputError for a parameter that is larger than a page needs.

    Example:
        >>> bounded({"n_critic": 5, "lr": 0.1, "first": "critic", "lr_d": None})
        >>> bounded({"n_critic": 4_000_000_000})
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: n_critic = 4000000000 is too much for this page; allowed: at most 100
    """
    for name, value in values.items():
        if is_number(value):
            most = MOST_REPEATS if isinstance(value, int) else LARGEST
            if not abs(value) <= most:
                raise InputError(
                    f"{name} = {value:.10g} is too much for this page; allowed: at most {most:g}"
                )


def affordable(steps: float, values: Mapping[str, Any]) -> None:
    """Raise InputError where a rule's steps and the gradients in each are too many together.

    Example:
        >>> affordable(20_000, {"n_critic": 100})
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: 20000 steps of 100 updates are too much for this page; allowed: at most 4000 steps
    """
    updates = 1
    for value in values.values():
        if isinstance(value, int) and not isinstance(value, bool):
            updates *= max(value, 1)
    if steps * updates > MOST_UPDATES:
        raise InputError(
            f"{steps:g} steps of {updates} updates are too much for this page; "
            f"allowed: at most {max(MOST_UPDATES // updates, 1)} steps"
        )
