"""Progress of long work, for a person at a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol


class Progress(Protocol):
    """Called whenever something is done."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """So many of so many, and what else is to be said."""
        ...


@contextlib.contextmanager
def progress(start: int = 0) -> Iterator[Progress | None]:
    """A progress bar with rate and time left where a person looks at a terminal; None elsewhere.

    Args:
        start: how much was done before, in another process.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, completed=start)

        def update(done: int, total: int, note: str = "") -> None:
            speed = bar.tasks[0].speed
            rate = f"{speed:.3g}/s " if speed else ""
            bar.update(task, completed=done, total=total, description=rate + note)

        yield update


def lines(tell: Callable[[str], object]) -> Progress:
    """Progress as lines of text, with the time left at the rate so far.

    Example:
        >>> lines(print)(2, 2, "the last")
        2 of 2: the last
    """
    began = time.monotonic()

    def update(done: int, total: int, note: str = "") -> None:
        left = (time.monotonic() - began) * (total - done) / max(done, 1)
        time_left = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
        said = f", about {time_left} left" if left > 1 else ""
        tell(f"{done} of {total}{said}: {note}")

    return update
