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

from .torch_fusion import fused, kernel_gradients
from .torch_layout import may_turn, turn

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
    copied: int | None = None  # place of the argument that is written to, which is copied before

    @property
    def writes(self) -> bool:
        """Whether it changes what stands in a slot; a function of ours does not."""
        schema = getattr(self.call, "_schema", None)
        return schema is not None and schema.is_mutable and self.copied is None


class _Recorder(TorchDispatchMode):
    """Keeps the operations that tangents pass through; the others are done once and their values kept."""

    def __init__(self, tangents: list[Tensor]) -> None:
        super().__init__()
        self.slots: Any = WeakIdKeyDictionary()
        self.operations: list[_Operation] = []
        self.known: dict[Any, list[int | None]] = {}  # what was computed already, by operation and arguments
        self.roots: dict[int, int] = {}  # slot -> the one whose memory it shares
        self.shared: set[int] = set()  # roots that stand for several tensors of the computation
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
        own = self._written(func, args, kwargs or {}) if func._schema.is_mutable else []
        versions = [x._version for x, s in zip(flat, moving, strict=True) if s is not None]
        made = func(*args, **(kwargs or {}))
        kept = [
            _Slot(s) if s is not None else self._constant(x) if isinstance(x, Tensor) else x
            for x, s in zip(flat, moving, strict=True)
        ]
        key = (func, str(tree), *map(_key, kept), *versions)
        results = tree_flatten(made)[0]
        if func._schema.is_mutable and not own:
            self._record(_Operation(func, kept, tree, []), results, None, {})
            return made
        memory = {_memory(x): self.roots[s] for x, s in zip(flat, moving, strict=True) if s is not None}
        copied = next((i for i, x in enumerate(flat) if x is own[0]), None) if own else None
        for x in own:  # what was written stands in a slot of its own
            memory.pop(_memory(x), None)
            del self.slots[x]
        self._record(_Operation(func, kept, tree, [], copied), results, key, memory)
        for x in own:
            self.slots[x] = self.slots[own[0]]
        return made

    def _written(self, func: Any, args: Any, kwargs: Any) -> list[Tensor]:
        """The tensor that is written to, and its aliases; empty where several are, or one that has views.

        What stood there is forgotten then: what is computed again does not have what is written.

        Raises:
            NotLinear: for a write into a constant, or into one of several tensors that one slot stands for.
        """
        targets = _targets(func, args, kwargs)
        if any(x not in self.slots for x in targets):
            raise NotLinear(f"{func} writes a tangent into a constant")
        aliases = [x for x in self.slots if _memory(x) == _memory(targets[0])]
        alone = {self.slots[x] for x in aliases} == {self.slots[targets[0]]}
        if len(targets) == len(func._schema.returns) == 1 and alone:
            return [targets[0], *(x for x in aliases if x is not targets[0])]
        for root in {self.roots[self.slots[x]] for x in targets}:
            if root in self.shared:
                raise NotLinear(f"{func} writes into one of two equal tangents")
            self.known = {
                k: r for k, r in self.known.items() if all(s is None or self.roots[s] != root for s in r)
            }
        return []

    def _record(self, one: _Operation, made: list[Any], key: Any, memory: dict[int, int]) -> None:
        if key in self.known:  # the same tangent as before
            for x, slot in zip(made, self.known[key], strict=True):
                if slot is not None:
                    self.slots[x] = slot
                    self.shared.add(self.roots[slot])
            return
        results = [
            self.slots[x] if isinstance(x, Tensor) and x in self.slots else self._new(x, memory) for x in made
        ]
        self.operations.append(one._replace(results=results))
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

    def _new(self, x: Any, memory: dict[int, int] | None = None) -> int | None:
        if not isinstance(x, Tensor):
            return None
        self.slots[x] = self.count
        self.roots[self.count] = (memory or {}).get(_memory(x), self.count)
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
        """Record ``function`` along a direction of the size of ``tangents``.

        A random one: along a special one, of which a part is 0, a part of what is recorded would not be checked.

        Raises:
            NotLinear: where it cannot be applied again.
        """
        given = _alike(tangents)
        recorder = _Recorder(given)
        with recorder:
            images = function(given)
        if any(x._version != version for x, version in recorder.versions):
            raise NotLinear("a constant was written to later")
        self._images = [x.detach() for x in images]
        self._ends = [recorder.slots.get(x) for x in images]
        self._operations, self._spent = _needed(recorder.operations, self._ends)
        self._unchecked: list[Tensor] | None = given
        del recorder
        trim()

    def __call__(self, tangents: list[Tensor]) -> list[Tensor]:
        """The images of other tangents.

        Raises:
            NotLinear: where the opposite of what was recorded does not have the opposite image.
        """
        if self._unchecked is not None:
            opposite = [-x for x in self._unchecked]
            images = self._apply(opposite)
            self._check(images)
            self._quicken(opposite, images)
        return self._apply(tangents)

    def _apply(self, tangents: list[Tensor]) -> list[Tensor]:
        held: dict[int, Tensor] = dict(enumerate(tangents))
        with torch.no_grad():
            for (call, arguments, tree, results, copied), spent in zip(
                self._operations, self._spent, strict=True
            ):
                flat = [held[x.number] if isinstance(x, _Slot) else x for x in arguments]
                if copied is not None:
                    flat[copied] = flat[copied].clone()
                args, kwargs = tree_unflatten(flat, tree)
                for slot, x in zip(results, tree_flatten(call(*args, **kwargs))[0], strict=True):
                    if slot is not None:
                        held[slot] = x
                for slot in spent:
                    held.pop(slot, None)
        return [x if s is None else held[s] for s, x in zip(self._ends, self._images, strict=True)]

    def _check(self, opposite: list[Tensor]) -> None:
        for x, y in zip(opposite, self._images, strict=True):
            far = float((x + y).abs().max()) if y.numel() else 0.0
            scale = float(y.abs().max()) if y.numel() else 0.0
            if not far <= _SAME * torch.finfo(y.dtype).eps * scale:
                raise NotLinear("a part of it does not follow the tangents")
        self._unchecked = None
        self._images = [
            x if s is None else x.new_empty(0) for x, s in zip(self._images, self._ends, strict=True)
        ]

    def _quicken(self, tangents: list[Tensor], images: list[Tensor]) -> None:
        """Fewer passes over memory from now on, and channels last, unless that is refused or gives other images."""
        largest = max((float(x.abs().max()) for x in images if x.numel()), default=0.0)
        rounding = _SAME * torch.finfo(images[0].dtype).eps * largest
        recorded, turns = self._operations, may_turn(self._operations)
        quick = kernel_gradients(turn(recorded, torch.channels_last)) if turns else recorded
        self._operations, self._spent = _needed(fused(quick, self._ends, slot_of), self._ends)
        try:
            pairs = zip(self._apply(tangents), images, strict=True)
            same = all(float((x - y).abs().max()) <= rounding for x, y in pairs if y.numel())
        except RuntimeError:
            same = False
        if not same:
            recorded = turn(recorded, torch.contiguous_format) if turns else recorded
            self._operations, self._spent = _needed(recorded, self._ends)
        trim()


def _alike(tangents: list[Tensor]) -> list[Tensor]:
    """Random tangents, each of the size of the one that is given, or of all where that is 0."""
    random = torch.Generator().manual_seed(0)
    sizes = [float(x.square().mean()) if x.numel() else 0.0 for x in tangents]
    usual = max(sizes) or 1.0
    return [
        (torch.randn(x.shape, generator=random, dtype=x.dtype) * (size or usual) ** 0.5).to(x.device)
        for x, size in zip(tangents, sizes, strict=True)
    ]


def trim() -> None:
    """Give back what is free: a graph of gradients frees much in small pieces, which glibc would keep."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def slot_of(x: Any) -> int | None:
    """The number of the slot that an argument stands for; None for a constant."""
    return x.number if isinstance(x, _Slot) else None


def _needed(operations: list[_Operation], ends: list[int | None]) -> tuple[list[_Operation], list[list[int]]]:
    """The operations that the ends hang on, and after each of them the slots that nothing asks for any more."""
    wanted, last = {s for s in ends if s is not None}, {s for s in ends if s is not None}
    kept, spent = [], []
    for one in reversed(operations):
        if one.writes or any(s in wanted for s in one.results):
            asked = {s for x in one.arguments if (s := slot_of(x)) is not None}
            wanted |= asked
            gone = {s for s in (*asked, *one.results) if s is not None} - last
            last |= gone
            kept.append(one)
            spent.append(sorted(gone))
    return kept[::-1], spent[::-1]


def _targets(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operation writes to."""
    given = [
        args[i] if i < len(args) else kwargs.get(a.name)
        for i, a in enumerate(func._schema.arguments)
        if a.alias_info is not None and a.alias_info.is_write
    ]
    return [x for x in tree_flatten(given)[0] if isinstance(x, Tensor)]


def _memory(x: Tensor) -> int:
    """Where a tensor's numbers lie; a view has those of what it is a view of."""
    return x.untyped_storage()._cdata


def _key(x: Any) -> Any:
    return ("tensor", id(x)) if isinstance(x, Tensor) else (type(x).__name__, str(x))
