"""Compiled loops inside XLA's programs: a handler of XLA's foreign function interface, written with ctypes.

XLA hands over where its arrays lie and, on a GPU, the stream that it works on, so that a loop reads and writes JAX's
own arrays in turn with everything else and nothing is copied. The structures are those of XLA's header
``xla/ffi/api/c_api.h`` (:func:`jax.ffi.include_dir`), a stable binary interface of which fields are only ever added at
the end.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable, Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any, NamedTuple

import jax
import numpy as np

from ..errors import one_line


class ArrayAddress(NamedTuple):
    """Where an array lies.

    Attributes:
        address: of its first entry, on the device.
        entries: how many it has.
    """

    address: int
    entries: int


class Place(NamedTuple):
    """Where a loop runs.

    Attributes:
        device: the number of the GPU; 0 on a processor.
        stream: the address of XLA's stream; 0 on a processor.
    """

    device: int
    stream: int


Launch = Callable[[list[ArrayAddress], list[ArrayAddress], Place], None]
"""Starts a loop: its arrays, those that it writes, and where. On a GPU it does not wait for the end."""

_LAUNCHES: dict[str, Launch] = {}
_TARGET = "diracgan_loop"


def call(launch: Launch, text: str, arrays: Sequence[Any], like: Sequence[Any]) -> list[jax.Array]:
    """What the loop ``text`` makes of ``arrays``: new arrays ``like`` those given, also under :func:`jax.jit`.

    Args:
        launch: starts the loop; on all later calls too.
        text: the loop's source, which tells it from others in programs that XLA keeps on the disk.
        arrays: what it reads.
        like: arrays of the shapes and types that it writes.
    """
    key = hashlib.sha256(text.encode()).hexdigest()
    _LAUNCHES[key] = launch
    _registered()
    shapes = [jax.ShapeDtypeStruct(np.shape(x), x.dtype) for x in like]
    return list(jax.ffi.ffi_call(_TARGET, shapes)(*arrays, text=key))


# ---------------------------------------------------------------- XLA's structures


class _Version(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("extension", c_void_p), ("major", c_int), ("minor", c_int)]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("dtype", c_int),
        ("data", c_void_p),
        ("rank", c_int64),
        ("dims", POINTER(c_int64)),
    ]


class _Buffers(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("count", c_int64),
        ("types", c_void_p),
        ("items", POINTER(POINTER(_Buffer))),
    ]


class _Text(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("length", c_size_t)]


class _Attributes(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("count", c_int64),
        ("types", c_void_p),
        ("names", c_void_p),
        ("items", POINTER(POINTER(_Text))),
    ]


class _Failure(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("extension", c_void_p), ("message", c_char_p), ("code", c_int)]


class _Query(ctypes.Structure):
    """What the context is asked for: the stream, or the number of the device."""

    _fields_ = [("size", c_size_t), ("extension", c_void_p), ("context", c_void_p), ("answer", c_void_p)]


_Function = ctypes.CFUNCTYPE(c_void_p, c_void_p)
_FUNCTIONS = (
    *("create_error", "error_message", "destroy_error", "register_handler", "stream", "register_type"),
    *("context", "set_state", "get_state", "allocate", "free", "schedule", "threads"),
    *("create_future", "set_available", "set_error", "run", "device"),
)


class _Api(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("version", _Version),
        ("internal", c_void_p),
        *((name, _Function) for name in _FUNCTIONS),
    ]


class _Frame(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("api", POINTER(_Api)),
        ("context", c_void_p),
        ("stage", c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
        ("attributes", _Attributes),
    ]


class _Metadata(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("version", _Version), ("traits", c_uint32)]


class _MetadataQuestion(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("type", c_int),
        ("next", c_void_p),
        ("metadata", POINTER(_Metadata)),
    ]


_METADATA, _MAJOR, _MINOR, _EXECUTE, _INTERNAL = 1, 0, 1, 3, 13


# ---------------------------------------------------------------- the handler


@_Function
def _handle(address: int) -> int | None:
    """One call by XLA: 0, or an error that XLA raises where the result is asked for."""
    frame = _Frame.from_address(address)
    if frame.extension:
        question = _MetadataQuestion.from_address(frame.extension)
        if question.type == _METADATA:
            version = question.metadata.contents.version
            version.major, version.minor, question.metadata.contents.traits = _MAJOR, _MINOR, 0
            return None
    if frame.stage != _EXECUTE:
        return None
    try:
        key = frame.attributes.items[0].contents
        launch = _LAUNCHES[ctypes.string_at(key.data, key.length).decode()]
        launch(_memory(frame.arguments), _memory(frame.results), _place(frame))
    except BaseException as error:  # nothing may pass through XLA's own code
        said = one_line(error).encode()
        failure = _Failure(ctypes.sizeof(_Failure), None, said, _INTERNAL)
        return frame.api.contents.create_error(ctypes.addressof(failure))
    return None


def _memory(buffers: _Buffers) -> list[ArrayAddress]:
    found = [buffers.items[i].contents for i in range(buffers.count)]
    return [ArrayAddress(b.data or 0, int(np.prod(b.dims[: b.rank]))) for b in found]


def _place(frame: _Frame) -> Place:
    """The device and the stream; a processor has neither, and says so by an error."""
    api, answers = frame.api.contents, []
    for ask in (api.device, api.stream):
        query = _Query(ctypes.sizeof(_Query), None, frame.context, None)
        error = ask(ctypes.addressof(query))
        if error:
            given = (c_size_t * 3)(ctypes.sizeof(c_size_t) * 3, 0, error)
            api.destroy_error(ctypes.addressof(given))
        answers.append(0 if error else query.answer or 0)
    return Place(answers[0] & 0xFFFFFFFF, answers[1])


@functools.cache
def _registered() -> None:
    capsule = jax.ffi.pycapsule(ctypes.cast(_handle, c_void_p).value)
    for platform in ("cpu", "CUDA"):
        jax.ffi.register_ffi_target(_TARGET, capsule, platform=platform)
