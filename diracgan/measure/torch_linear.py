"""The linear part of a computation in PyTorch, recorded once and applied many times: what ``jax.linearize`` is in JAX.

Forward-mode differentiation computes every value again beside its tangent, product after product. Of one such
computation only the operations that the tangents pass through are kept, with the values they meet; applied again, they
cost about half. What cannot be kept (a value that steers by a tangent, a write into something constant) is said by
:class:`NotLinear`, and the caller differentiates anew.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]
from torch.utils._python_dispatch import TorchDispatchMode  # pyright: ignore[reportMissingImports]
from torch.utils._pytree import tree_flatten, tree_unflatten  # pyright: ignore[reportMissingImports]
from torch.utils.weak import WeakIdKeyDictionary  # pyright: ignore[reportMissingImports]

Function = Callable[[list[Tensor]], list[Tensor]]
_SAME_VALUE = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)
_PRUNE = 50  # operations between two looks at what is asked for
_SAME = 1e3  # rounding units by which an application may differ from the computation that was recorded


class NotLinear(Exception):
    """The computation cannot be applied again to other tangents."""


class _Slot(NamedTuple):
    """Where an intermediate tangent stands."""

    number: int


class _Operation(NamedTuple):
    call: Any
    arguments: list[Any]  # flat: slots, tensors and plain values
    tree: Any
    results: list[int | None]  # a slot for each flat result; None where it is not a tensor


class _Recorder(TorchDispatchMode):
    """Keeps the operations that tangents pass through; the others are done once and their values kept."""

    def __init__(self, tangents: list[Tensor]) -> None:
        super().__init__()
        self.slots: Any = WeakIdKeyDictionary()
        self.operations: list[_Operation] = []
        self.known: dict[Any, list[int | None]] = {}  # what was computed already, by operation and arguments
        self.alike: dict[Any, list[Tensor]] = {}
        self.versions: list[tuple[Tensor, int]] = []
        self.count, self.until = 0, _PRUNE
        for x in tangents:
            self._new(x)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        flat, tree = tree_flatten((args, kwargs or {}))
        moving = [self.slots.get(x) if isinstance(x, Tensor) else None for x in flat]
        if all(s is None for s in moving):
            return func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags or torch.Tag.data_dependent_output in func.tags:
            raise NotLinear(f"{func} of a tangent")
        if func in _SAME_VALUE:  # writes would go through it all the same
            made = func(*args, **(kwargs or {}))
            self.slots[made] = moving[0]
            return made
        writes = func._schema.is_mutable
        if writes and not _writes_into_tangents(func, args, kwargs or {}, self.slots):
            raise NotLinear(f"{func} writes a tangent into a constant")
        versions = [x._version for x, s in zip(flat, moving, strict=True) if s is not None]
        made = func(*args, **(kwargs or {}))
        kept = [
            _Slot(s) if s is not None else self._constant(x) if isinstance(x, Tensor) else x
            for x, s in zip(flat, moving, strict=True)
        ]
        key = None if writes else (func, str(tree), *map(_key, kept), *versions)
        self._record(func, kept, tree, tree_flatten(made)[0], key)
        return made

    def _record(self, func: Any, kept: list[Any], tree: Any, made: list[Any], key: Any) -> None:
        if key in self.known:  # the same tangent as before
            for x, slot in zip(made, self.known[key], strict=True):
                if slot is not None:
                    self.slots[x] = slot
            return
        results = [self.slots[x] if isinstance(x, Tensor) and x in self.slots else self._new(x) for x in made]
        self.operations.append(_Operation(func, kept, tree, results))
        if len(self.operations) >= self.until:
            self._prune()
        if key is not None:
            self.known[key] = results

    def _prune(self) -> None:
        """Forget what no living tangent hangs on, and the values it met: much of what is made is not asked for."""
        self.operations, _ = _needed(self.operations, list(self.slots.values()))
        made = {s for one in self.operations for s in one.results}
        met = {id(x) for one in self.operations for x in one.arguments}
        self.known = {k: r for k, r in self.known.items() if not made.isdisjoint(r)}
        self.alike = {k: [x for x in held if id(x) in met] for k, held in self.alike.items()}
        self.versions = [(x, v) for x, v in self.versions if id(x) in met]
        self.until = len(self.operations) + _PRUNE

    def _new(self, x: Any) -> int | None:
        if not isinstance(x, Tensor):
            return None
        self.slots[x] = self.count
        self.count += 1
        return self.count - 1

    def _constant(self, x: Tensor) -> Tensor:
        """x, or what was met before with the same values: two losses often compute the same."""
        x = x.detach()
        if x.device.type == "meta":  # has a shape alone
            return x
        about = float(x.sum()) if x.numel() and not x.is_complex() else 0.0
        met = self.alike.setdefault((x.shape, x.stride(), x.dtype, about), [])
        for other in met:
            if torch.equal(other, x):
                return other
        met.append(x)
        self.versions.append((x, x._version))
        return x


class LinearPart:
    """tangents -> their images, as recorded."""

    def __init__(self, function: Function, tangents: list[Tensor]) -> None:
        """Record ``function`` at ``tangents``.

        Raises:
            NotLinear: where it cannot be applied again.
        """
        given = [x.detach() for x in tangents]
        recorder = _Recorder(given)
        with recorder:
            images = function(given)
        if any(x._version != version for x, version in recorder.versions):
            raise NotLinear("a constant was written to later")
        self.images = [x.detach() for x in images]
        self._ends = [recorder.slots.get(x) for x in images]
        self._operations, self._spent = _needed(recorder.operations, self._ends)
        self._unchecked: list[Tensor] | None = given
        del recorder
        _trim()

    def __call__(self, tangents: list[Tensor]) -> list[Tensor]:
        """The images of other tangents.

        Raises:
            NotLinear: where the opposite of what was recorded does not have the opposite image.
        """
        if self._unchecked is not None:
            self._check(self._apply([-x for x in self._unchecked]))
        return self._apply(tangents)

    def _apply(self, tangents: list[Tensor]) -> list[Tensor]:
        held: dict[int, Tensor] = dict(enumerate(tangents))
        with torch.no_grad():
            for (call, arguments, tree, results), spent in zip(self._operations, self._spent, strict=True):
                flat = [held[x.number] if isinstance(x, _Slot) else x for x in arguments]
                args, kwargs = tree_unflatten(flat, tree)
                for slot, x in zip(results, tree_flatten(call(*args, **kwargs))[0], strict=True):
                    if slot is not None:
                        held[slot] = x
                for slot in spent:
                    held.pop(slot, None)
        return [x if s is None else held[s] for s, x in zip(self._ends, self.images, strict=True)]

    def _check(self, opposite: list[Tensor]) -> None:
        for x, y in zip(opposite, self.images, strict=True):
            far = float((x + y).abs().max()) if y.numel() else 0.0
            scale = float(y.abs().max()) if y.numel() else 0.0
            if not far <= _SAME * torch.finfo(y.dtype).eps * scale:
                raise NotLinear("a part of it does not follow the tangents")
        self._unchecked = None
        self.images = [
            x if s is None else x.new_empty(0) for x, s in zip(self.images, self._ends, strict=True)
        ]


def _trim() -> None:
    """Recording frees much in small pieces, which glibc would keep from everybody else."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _needed(operations: list[_Operation], ends: list[int | None]) -> tuple[list[_Operation], list[list[int]]]:
    """The operations that the ends hang on, and after each of them the slots that nothing asks for any more."""
    wanted, last = {s for s in ends if s is not None}, {s for s in ends if s is not None}
    kept, spent = [], []
    for one in reversed(operations):
        if one.call._schema.is_mutable or any(s in wanted for s in one.results):
            asked = {x.number for x in one.arguments if isinstance(x, _Slot)}
            wanted |= asked
            gone = {s for s in (*asked, *one.results) if s is not None} - last
            last |= gone
            kept.append(one)
            spent.append(sorted(gone))
    return kept[::-1], spent[::-1]


def _writes_into_tangents(func: Any, args: Any, kwargs: Any, slots: Any) -> bool:
    for i, a in enumerate(func._schema.arguments):
        if a.alias_info is not None and a.alias_info.is_write:
            x = args[i] if i < len(args) else kwargs.get(a.name)
            if isinstance(x, Tensor) and x not in slots:
                return False
    return True


def _key(x: Any) -> Any:
    return ("tensor", id(x)) if isinstance(x, Tensor) else (type(x).__name__, str(x))
