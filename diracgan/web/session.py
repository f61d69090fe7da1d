"""One tab of the page: what it shows, the verdicts that follow, and the real GAN that runs in it."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import InputError, one_line
from ..plotting.overview import reusable_page
from ..plotting.saving import png
from . import limits, live, scene
from .controls import catalogue, read, state
from .limits import limited
from .widget import Page

_SETTLED_S = 0.25  # a scene that stands as long is judged; while a slider moves nothing is
_PROGRAMS = 16  # kinds of losses whose compiled programs are kept, some 30 MiB each


class Closing(Protocol):
    """What knows that the tab was closed."""

    @property
    def should_exit(self) -> bool:
        """Whether it was."""
        ...


class Session:
    """The state behind one tab; two tabs share nothing.

    Args:
        given: the parameters of the page's address.
        closed: what knows that the tab was closed; None never says so.

    Attributes:
        page: the widget.
        shown: the last scene that could be drawn, and ``found`` its runs and spectra.
    """

    def __init__(self, given: Mapping[str, Any], closed: Closing | None = None) -> None:
        self._closed = closed
        self._judging = threading.Lock()
        self._stop = threading.Event()
        self._trouble = ""
        try:
            self.shown = scene.scene(given)
        except InputError as error:
            self.shown, self._trouble = scene.Scene(), str(error)
        self.found: list[Any] = []
        self._figure = reusable_page()
        self.page = Page(catalogue=catalogue(), state=state(self.shown))
        self.page.on_msg(_weakly(self._asked))
        self.page.observe(_weakly(self._moved), names="state")
        weakref.finalize(self, self.page.close)
        self._moved({"new": self.page.state})

    def _moved(self, change: Mapping[str, Any]) -> None:
        """Answer a move; its verdict takes longer than the picture, and must not hold up the next move."""
        moved = change["new"]
        self.show(moved)
        threading.Thread(target=self.judge, args=(moved,), daemon=True).start()

    def show(self, moved: Mapping[str, Any]) -> None:
        """Draw what the controls hold; what is wrong with it is said beside its field."""
        shown, wrong = read(moved)
        serial = moved.get("serial", 0)
        serial = serial if isinstance(serial, int) else 0
        drawn = None
        if serial > 0:
            self._trouble = ""
        if shown is not None:
            try:
                found = limited(lambda: scene.answers(shown), limits.ANSWER_S, self._gone)
                drawn = png(scene.picture(shown, found, self._figure))
                self.shown, self.found = shown, found
            except InputError as error:
                self._trouble = str(error)
        with self.page.hold_sync():
            if drawn is not None:
                _keep()
                _forget(shown)
                self.page.png = drawn
                self.page.verdicts = [""] * len(self.found)
            self.page.answer = self._answer(serial, wrong)

    def judge(self, moved: Mapping[str, Any]) -> None:
        """Say what truly happens in what the controls hold, unless they have moved on."""
        threading.Event().wait(_SETTLED_S)
        if self._left(moved):
            return
        with self._judging:
            shown, _ = read(moved)
            said: list[str] = []
            for k in range(0 if shown is None else len(shown.variants)):
                if self._left(moved):
                    return
                assert shown is not None
                try:
                    one = functools.partial(scene.judged, shown, k)
                    said.append(limited(one, limits.VERDICT_S, lambda: self._left(moved)))
                except InputError as error:
                    said.append(str(error))
                if not self._left(moved):
                    self.page.verdicts = [*said, *[""] * (len(shown.variants) - len(said))]

    def _left(self, moved: Mapping[str, Any]) -> bool:
        return self._gone() or self.page.state.get("serial") != moved.get("serial")

    def _gone(self) -> bool:
        return self._closed is not None and self._closed.should_exit

    def _answer(self, serial: int, wrong: dict[str, str]) -> dict[str, Any]:
        return {
            "serial": serial,
            "wrong": wrong,
            "trouble": self._trouble,
            "lines": scene.table(self.found),
            "command": scene.command(self.shown),
            "code": scene.code(self.shown),
            "query": scene.query(self.shown),
        }

    # ---------------- what buttons ask for

    def _asked(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        what = content.get("do")
        if what == "picture":
            self._send("diracgan.png", "image/png", png(scene.picture(self.shown, self.found), dpi=200))
        elif what == "data":
            self._send("diracgan.csv", "text/csv", scene.data(self.shown, self.found).encode())
        elif what == "stop":
            self._stop.set()
        elif what == "train" and not self.page.live["running"]:
            self._stop.clear()
            self.page.live = {"running": True, "text": "Compiling …"}
            threading.Thread(target=self._train, args=(self.shown,), daemon=True).start()

    def _send(self, name: str, kind: str, content: bytes) -> None:
        self.page.send({"kind": "file", "name": name, "type": kind}, buffers=[content])

    def _train(self, shown: scene.Scene) -> None:
        text, end = "", time.monotonic() + limits.LIVE_S
        try:
            with contextlib.closing(live.progress_of(shown)) as run:
                for now in run:
                    text = now.text
                    with self.page.hold_sync():
                        self.page.live_png = png(live.picture(now))
                        self.page.live = {"running": True, "text": text}
                    if self._stop.is_set() or self._gone() or time.monotonic() > end:
                        text = f"Stopped. {text}"
                        break
        except Exception as error:  # whatever a user's loss does, the page goes on
            text = one_line(error)
        self.page.live = {"running": False, "text": text}


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """The method for as long as its object lives: a registry keeps widgets, and they what they call."""
    found = weakref.WeakMethod(method)

    def call(*given: Any) -> None:
        if (alive := found()) is not None:
            alive(*given)

    return call


@functools.cache  # once a process: what is frozen is never freed
def _keep() -> None:
    """Take what JAX has loaded out of the collector's sight: looking it through would hold up every few moves."""
    gc.collect()
    gc.freeze()


_compiled: set[Any] = set()


def _forget(shown: scene.Scene) -> None:
    """Give back what was compiled for other losses, once they are many: a page may stay open for days."""
    kinds = {tuple(part.partition("=")[0] for part in v.split(",")) for v in shown.variants}
    _compiled.update((kind, shown.rule.partition(":")[0], shown.dim) for kind in kinds)
    if len(_compiled) > _PROGRAMS:
        import ctypes

        import jax

        _compiled.clear()
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # glibc alone keeps what was freed, and has this
            ctypes.CDLL("libc.so.6").malloc_trim(0)
