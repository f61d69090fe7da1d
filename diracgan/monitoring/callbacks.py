"""A monitor in other people's training loops: plain PyTorch, PyTorch Lightning, Keras, Hugging Face's trainer.

Nothing is imported until a callback is made; a monitor reads numbers, so each takes what its framework logs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError, callback, instance
from .clocks import is_clock_name, is_setting
from .live import Monitor, TrainingWarning, scalar


def _say(warning: TrainingWarning) -> None:
    print(f"diracgan: {warning}", file=sys.stderr, flush=True)


def torch_hook(monitor: Monitor, say: Callable[[TrainingWarning], None] = _say) -> Callable[..., None]:
    """Return a function to call once per iteration of a plain loop: ``hook(step, d_loss=loss_d, g_loss=loss_g)``.

    Tensors may be passed as they are; reading one from an accelerator waits for it, so call it every few
    iterations there.

    Args:
        monitor: what watches.
        say: what is done with a warning; by default it is printed on standard error.

    Example:
        >>> hook = torch_hook(Monitor(variant="ns"))
        >>> hook(0, d_loss=1.39, g_loss=0.69)
    """

    instance("monitor", monitor, Monitor, "what dg.Monitor(...) returns")
    if say is None:
        raise InputError("say = None is not a function; allowed: a function of a warning")
    callback("say", say)

    def hook(step: float, **values: Any) -> None:
        warning = monitor.update(step, **values)
        if warning is not None:
            say(warning)

    return hook


def lightning_callback(monitor: Monitor, say: Callable[[TrainingWarning], None] = _say) -> object:
    """A callback for ``Trainer(callbacks=[...])`` that reads what the module logs.

    Args:
        monitor: what watches.
        say: what is done with a warning; by default it is printed on standard error.

    Raises:
        InputError: where Lightning is not installed.
    """
    base = _base(("lightning.pytorch", "pytorch_lightning"), "Callback", "lightning")
    log = _logger(monitor, say)

    class LightningMonitor(base):
        """Reads what was logged since the last batch, and at an epoch's end what is logged only there."""

        def __init__(self) -> None:
            super().__init__()
            self.held: dict[str, Any] = {}
            self.by_batch: set[str] = set()

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            fresh = _fresh(trainer.callback_metrics, self.held)
            self.by_batch |= fresh.keys()
            log(trainer.global_step, fresh)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            fresh = _fresh(trainer.callback_metrics, self.held)
            log(trainer.global_step, {n: x for n, x in fresh.items() if n not in self.by_batch})

    return LightningMonitor()


def keras_callback(monitor: Monitor, say: Callable[[TrainingWarning], None] = _say) -> object:
    """A callback for ``model.fit(callbacks=[...])`` that reads what ``train_step`` returns.

    Args:
        monitor: what watches.
        say: what is done with a warning; by default it is printed on standard error.

    Raises:
        InputError: where Keras is not installed.
    """
    base = _base(("keras.callbacks", "tensorflow.keras.callbacks"), "Callback", "keras")
    log = _logger(monitor, say)

    class KerasMonitor(base):
        """Reads the logs after every training batch; of an epoch's running mean, what that batch has added to it."""

        def __init__(self) -> None:
            super().__init__()
            self.seen = 0
            self.before: dict[str, tuple[float, float]] = {}  # weight and mean

        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.before = {}  # Keras' means begin anew

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            own = dict(logs or {})
            for name, weight in _running_means(getattr(self, "model", None)).items():
                if name not in own:
                    continue
                mean, (held, before) = scalar(name, own[name]), self.before.get(name, (0.0, 0.0))
                held = held if held < weight else 0.0  # reset meanwhile
                own[name] = (weight * mean - held * before) / (weight - held)
                self.before[name] = weight, mean
            log(self.seen, own)
            self.seen += 1

    return KerasMonitor()


def transformers_callback(monitor: Monitor, say: Callable[[TrainingWarning], None] = _say) -> object:
    """A callback for Hugging Face's ``Trainer(callbacks=[...])`` that reads what is logged.

    Args:
        monitor: what watches.
        say: what is done with a warning; by default it is printed on standard error.

    Raises:
        InputError: where transformers is not installed.
    """
    base = _base(("transformers",), "TrainerCallback", "transformers")
    log = _logger(monitor, say)

    class TransformersMonitor(base):
        """Reads the logs whenever the trainer writes them."""

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **rest: Any
        ) -> None:
            log(state.global_step, logs or {})

    return TransformersMonitor()


def _logger(
    monitor: Monitor, say: Callable[[TrainingWarning], None]
) -> Callable[[int, Mapping[str, Any]], None]:
    """:func:`torch_hook` of what a framework logs: of a mapping only its series, and nothing where there are none."""
    hook = torch_hook(monitor, say)

    def log(step: int, logged: Mapping[str, Any]) -> None:
        if found := _scalars(logged):
            hook(step, **found)

    return log


def _running_means(model: object) -> dict[str, float]:
    """A Keras model's metrics in use that are means over an epoch so far, and the weight of all that they hold.

    A loss that Keras compiles weighs every sample, one that a loop updates every batch.
    """
    means = (m for m in getattr(model, "metrics", ()) if hasattr(m, "total") and hasattr(m, "count"))
    return {m.name: float(m.count) for m in means if float(m.count) > 0}


def _fresh(logged: Mapping[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """What was logged anew: Lightning keeps the tensors of earlier batches and epochs among its metrics.

    Args:
        logged: Lightning's metrics.
        held: what was logged before, brought up to date; while it is held no new tensor takes its memory.
    """

    def place(x: Any) -> int:
        return x.data_ptr() if hasattr(x, "data_ptr") else id(x)

    fresh = {n: x for n, x in logged.items() if n not in held or place(x) != place(held[n])}
    held.update(fresh)
    return fresh


def _scalars(logged: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among what was logged, without clocks, settings and timings."""
    made = {}
    for name, value in logged.items():
        if is_clock_name(name) or is_setting(name):
            continue
        try:
            made[name] = scalar(name, value)
        except InputError:
            continue
    return made


def _base(modules: tuple[str, ...], name: str, distribution: str) -> type:
    import importlib

    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise InputError(
        f"this callback needs {distribution}, which is not installed; install it: pip install {distribution}"
    )
