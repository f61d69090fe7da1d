"""Registries of things chosen by name, and the one reader of ``NAME:k=v,...``.

Variants, rules, problems, tricks and presets each have a :class:`Registry`. A name may be a built-in one, one that
this process has registered, or ``PATH.py:NAME`` and ``package.module:NAME`` for a user's own, which are imported first.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, NamedTuple, TypeVar

from .errors import InputError, Written, number, one_line, shown, unknown, word

T = TypeVar("T")
C = TypeVar("C", bound=type)
USER_MODULE = "_diracgan_user_"  # what the names of modules that are made of a user's file begin with


class _Entry(NamedTuple):
    thing: Any
    reference: str


class SpecParts(NamedTuple):
    """The parts of ``[SOURCE:]NAME[:k=v,...]``.

    Attributes:
        source: the file or the module that registers the name; ``""`` where nothing is to be imported.
        name: the name; ``""`` where a file is to have one alone.
        settings: what follows it.
    """

    source: str
    name: str
    settings: str


class Registry(Generic[T]):
    """The things of one kind by their names, in the order of registration.

    Args:
        kind: what one of them is called in messages, e.g. ``"variant"``.
        summary: a thing's one line.
        also: other names that may be given where one of these is asked for.
        families: prefix -> (NAME -> the thing called ``prefix:NAME``, or None), for what is not listed one by one; the
            prefix may be left out where nothing registered has the name.

    Example:
        >>> colours = Registry("colour", summary=str)
        >>> colours.add("red", "the longest waves")
        >>> colours.summaries()
        {'red': 'the longest waves'}
        >>> colours["rad"]
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: unknown colour 'rad'; did you mean 'red'? Allowed: red
    """

    def __init__(
        self,
        kind: str,
        summary: Callable[[T], str],
        also: Iterable[str] = (),
        families: Mapping[str, Callable[[str], T | None]] | None = None,
    ) -> None:
        """Begin without entries."""
        self.kind, self._summary, self._families = kind, summary, families or {}
        self._also = frozenset(also)
        self.entries: dict[str, _Entry] = {}

    def __contains__(self, name: object) -> bool:
        """Whether ``name`` is registered, or of a family."""
        return self._found(name) is not None

    def __iter__(self) -> Iterator[str]:
        """The registered names."""
        return iter(self.entries)

    def __getitem__(self, name: str) -> T:
        """What is registered as ``name``; InputError names the choices."""
        found = self._found(name)
        if found is None:
            raise self.unknown(name)
        return found

    def reference(self, name: str) -> str:
        """Where the thing called ``name`` comes from."""
        return self.entries[name].reference

    def summaries(self) -> dict[str, str]:
        """Name -> one line of everything that is registered."""
        return {name: self._summary(entry.thing) for name, entry in self.entries.items()}

    def unknown(self, name: object) -> InputError:
        """The error for a name that is not registered, not raised."""
        families = (f"{prefix}:NAME" for prefix in self._families)
        return unknown(self.kind, name, [*self.entries, *self._also, *families])

    def add(self, name: str, thing: T, reference: str = "") -> None:
        """Register ``thing`` as ``name``; its own definition, run again, replaces it.

        Raises:
            InputError: for a bad name, or one that something else has.
        """
        self.check(name, reference)
        if name in self.entries and _origin(taken := self.entries[name].thing) != _origin(thing):
            file, qualified = _origin(taken)
            users = taken.__module__.startswith(USER_MODULE)
            where = file if users else ".".join(filter(None, (taken.__module__, qualified)))
            raise InputError(f"the {self.kind} name {name!r} is taken by {where}; allowed: another name")
        self.entries[name] = _Entry(thing, reference)

    def register(self, name: str, reference: str, base: type) -> Callable[[C], C]:
        """The decorator that gives a subclass of ``base`` its name and its reference.

        Raises:
            InputError: for a bad name, one that another class has, or what is not such a class.
        """
        self.check(name, reference)

        def give(cls: C) -> C:
            if not (isinstance(cls, type) and issubclass(cls, base)):
                raise InputError(f"a {self.kind} is a subclass of {base.__name__}, which {shown(cls)} is not")
            thing: Any = cls
            self.add(name, thing, reference)
            # C is bound to type; what it makes is checked above
            cls.name, cls.reference = name, reference  # type: ignore[attr-defined]
            return cls

        return give

    def check(self, name: str, reference: str) -> None:
        """Raise InputError for a bad name, or a reference that is not text."""
        word("reference", reference)
        if not isinstance(name, str) or not name or set(name) & set(":,= ") or name.endswith(".py"):
            raise InputError(
                f"{shown(name)} is not a name for a {self.kind}; allowed: words without ':', ',', '=' or spaces"
            )

    def find(self, spec: str) -> tuple[str, str]:
        """The registered name in ``NAME[:...]``, ``PATH.py:NAME[:...]`` or ``package.module:NAME[:...]``.

        Args:
            spec: as on a command line. A file or a module is imported, and what it registers with it.

        Returns:
            The name, and the text after its colon.

        Raises:
            InputError: naming what is wrong: the file, its own error line, or the name.
        """
        source, name, rest = self.parts(spec)
        if not source:
            if name not in self and name not in self._also:
                raise self.unknown(name)
            return name, rest
        names = self.load_file(source) if is_file(source) else self.load_module(source)
        if not name and len(names) == 1:
            name = names[0]
        if name not in names:
            wrong = unknown(f"{self.kind} in {source}", name, names)
            how = f"a class there becomes a {self.kind} by the decorator that registers it under a name"
            raise wrong if names else InputError(f"{wrong}: {how}")
        return name, rest

    def parts(self, spec: str) -> SpecParts:
        """The parts of what :meth:`find` takes; nothing is imported, and whether there is such a name is not asked.

        Example:
            >>> colours = Registry("colour", summary=str)
            >>> colours.parts("mine.py:red:k=2"), colours.parts("red:k=2").source
            (SpecParts(source='mine.py', name='red', settings='k=2'), '')
        """
        if not isinstance(spec, str):
            raise self.unknown(spec)
        head, _, rest = spec.partition(":")
        if head in self.entries or head in self._also:
            return SpecParts("", head, rest)
        if head in self._families:
            member, _, rest = rest.partition(":")
            return SpecParts("", f"{head}:{member}", rest)
        for prefix, member_of in self._families.items():
            if head.isidentifier() and member_of(head):
                return SpecParts("", f"{prefix}:{head}", rest)
        source, rest = source_and_rest(spec)
        if not source:  # nothing before the colon is no name, and not the name behind it
            return SpecParts("", "", rest)
        if not (is_file(source) or (rest and "=" not in rest.split(":")[0])):
            return SpecParts("", head, rest)
        name, _, rest = rest.partition(":")
        return SpecParts(source, name, rest)

    def load_file(self, path: str) -> list[str]:
        """Import a Python file and return the names of this kind that it registers.

        Raises:
            InputError: when it is missing or raises on import; its own error line is shown.
        """
        return self._of(import_file(path, f"registers a {self.kind}"))

    def load_module(self, name: str) -> list[str]:
        """Import a module by its dotted name and return the names of this kind that it registers."""
        try:
            return self._of(import_module(name))
        except InputError as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and cause.name == name.split(".")[0]:
                raise self.unknown(name) from None
            raise

    def _found(self, name: object) -> T | None:
        """What is registered as ``name``, or of a family; None for anything else."""
        if not isinstance(name, str):
            return None
        if name in self.entries:
            return self.entries[name].thing
        prefix, _, member = name.partition(":")
        return self._families[prefix](member) if prefix in self._families else None

    def _of(self, module: ModuleType) -> list[str]:
        return [n for n, entry in self.entries.items() if entry.thing.__module__ == module.__name__]


def _origin(thing: object) -> tuple[str, str]:
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    return file or thing.__module__, getattr(thing, "__qualname__", "")


def source(thing: object, name: str) -> str:
    """The words by which another process finds what is registered as ``name``: with its file or module, if it has one.

    Example:
        >>> import diracgan as dg
        >>> source(type(dg.variant("ns")), "ns")
        'ns'
    """
    home = sys.modules.get(thing.__module__)
    if thing.__module__.startswith(USER_MODULE):
        return f"{getattr(home, '__file__', '')}:{name}"
    if thing.__module__.split(".")[0] == __package__ or not getattr(home, "__spec__", None):
        return name
    return name if thing.__module__ == "__main__" else f"{thing.__module__}:{name}"


# ---------------------------------------------------------------- k=v,...


def assignment(word: str) -> tuple[str, Written | None]:
    """The name and the value in ``name=value``, None without one; hyphens in the name count as underscores.

    Example:
        >>> assignment("n-critic=3"), assignment("lr")
        (('n_critic', '3'), ('lr', None))
    """
    name, equals, value = (x.strip() for x in word.partition("="))
    return name.replace("-", "_"), Written(value) if equals else None


def parameter_range(word: str) -> tuple[str, tuple[float, float] | None]:
    """The name and the ends in ``NAME=LOW:HIGH``, None where the name stands alone.

    Raises:
        InputError: for what is neither.

    Example:
        >>> parameter_range("lr-ratio=0.1:2"), parameter_range("lr")
        (('lr_ratio', (0.1, 2.0)), ('lr', None))
    """
    name, span = assignment(word)
    ends = [] if span is None else [Written(end.strip()) for end in span.split(":")]
    if not name or (span is not None and not (len(ends) == 2 and all(ends))):
        raise InputError(f"{word!r} is not a parameter with its range; allowed: NAME or NAME=LOW:HIGH")
    if not ends:
        return name, None
    return name, (number(f"low of {name}", ends[0]), number(f"high of {name}", ends[1]))


def settings(
    text: str, spec: str = "", first: str | None = None, known: Collection[str] = ()
) -> dict[str, Written]:
    """Name -> text of ``k=v,...``; hyphens in names count as underscores.

    Args:
        text: what is read.
        spec: the whole of which it is a part, for messages; ``text`` by default.
        first: a setting that may come first without its name: a file's path, say, which may hold commas.
        known: with ``first``, the names that can follow it.

    Raises:
        InputError: for what is not a setting, and for a name that comes twice.

    Example:
        >>> settings("lr=0.2,n-critic=3")
        {'lr': '0.2', 'n_critic': '3'}
        >>> settings("a, b.gz,labels=c.gz", first="path", known=["labels"])
        {'path': 'a, b.gz', 'labels': 'c.gz'}
    """
    spec = spec or text
    parts: list[str] = []

    def is_named(part: str, names: Collection[str]) -> bool:
        name, equals, _ = part.partition("=")
        return bool(equals) and name.strip() in names

    if first is None:
        parts = text.split(",")
    else:
        while "," in text and is_named(text.rpartition(",")[2], known):
            text, _, last = text.rpartition(",")
            parts.insert(0, last)
        parts.insert(0, text if not text or is_named(text, {first, *known}) else f"{first}={text}")
    found: dict[str, Written] = {}
    for part in filter(None, parts):
        key, value = assignment(part)
        if not (key and value):
            raise InputError(
                f"{part!r} in {spec!r} is not a setting; allowed: name=value, separated by commas"
            )
        found = merged(found, {key: value})
    return found


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return both, or raise InputError when one name is set twice.

    Example:
        >>> merged({"r1": 1}, {"r2": 2})
        {'r1': 1, 'r2': 2}
    """
    for name in second:
        if name in first:
            raise InputError(f"{name} is set twice, to {first[name]} and {second[name]}; allowed: once")
    return {**first, **second}


# ---------------------------------------------------------------- a user's own files


def source_and_rest(spec: str) -> tuple[str, str]:
    """The file, up to its ``.py``, or the module with which ``SOURCE:...`` begins, and what follows its colon.

    Example:
        >>> source_and_rest("C:/mine.py:loss:k=2"), source_and_rest("package.module:loss")
        (('C:/mine.py', 'loss:k=2'), ('package.module', 'loss'))
    """
    if file := re.match(r"(.*?\.py)(?::|$)", spec):
        return file[1], spec[file.end() :]
    source, _, rest = spec.partition(":")
    return source, rest


def is_file(source: str) -> bool:
    """Whether a source is a file's path, not the dotted name of a module.

    Example:
        >>> is_file("mine.py"), is_file("losses/mine"), is_file("package.module")
        (True, True, False)
    """
    return source.endswith(".py") or "/" in source or os.sep in source


def import_source(source: str, what: str) -> ModuleType:
    """A user's file, or a module by its dotted name; ``what`` a file does that is wanted of it.

    Raises:
        InputError: when it is missing or raises; its own error line is shown.
    """
    return import_file(source, what) if is_file(source) else import_module(source)


def import_file(path: str, what: str) -> ModuleType:
    """Run a Python file and return it as a module.

    Args:
        path: of the file.
        what: for messages, what the file does that is wanted of it.

    Raises:
        InputError: when it is missing or raises; its own error line is shown.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file {path!r}; allowed: a Python file that {what}")
    name = f"{USER_MODULE}{file.resolve().stem}_{abs(hash(str(file.resolve())))}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{path!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # a loader, as checked above
    _run(lambda: spec.loader.exec_module(module), name, path)  # type: ignore[union-attr]
    return module


def import_module(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises:
        InputError: for what is not such a name, for a missing module, or one that raises; its own error line is shown.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"{name!r} is not a module; allowed: a dotted name such as pkg.module, or PATH.py")
    _run(lambda: importlib.import_module(name), name, name)
    return sys.modules[name]


def _run(action: Callable[[], Any], module: str, shown: str) -> None:
    try:
        action()
    except InputError as error:
        raise InputError(f"{shown}: {error}") from error
    except (Exception, SystemExit) as error:  # whatever a user's file raises is the user's to read
        raise InputError(f"{shown} cannot be imported: {_where(error, module)}{one_line(error)}") from error


def _where(error: BaseException, module: str) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"line {error.lineno}: "
    file = getattr(sys.modules.get(module), "__file__", None)
    trace, line = error.__traceback__, None
    while trace is not None:
        if file and trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""
