"""A process that dies: from some operation on the disk on, none is made any more."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class Killed(BaseException):
    """The process is dead."""


class Death:
    """Stops everything that touches the disk under a folder from the ``after``-th operation on, as a kill does."""

    def __init__(self) -> None:
        self.folder, self.left, self.seen = "", -1, 0
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        if not self.folder or event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.truncate"):
            return
        if event == "open" and not (args[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        if not isinstance(args[0], (str, os.PathLike)) or not os.fspath(args[0]).startswith(self.folder):
            return
        self.seen += 1
        if self.seen > self.left >= 0:
            raise Killed

    def within(self, folder: Path, after: int):
        self.folder, self.left, self.seen = str(folder), after, 0


DEATH = Death()
