"""What all commands share: reading options, calling the command, and printing its answer.

A command is a function that takes groups of options (frozen dataclasses) and single options, and returns an
:class:`CommandResult`. :func:`typer_function` spreads the groups for typer, adds ``--format text|json``, saves the
picture that an option ``out`` asks for as ``--size`` lays it out, and prints the answer; whatever is printed while the
command works, by a user's loss for one, goes to standard error.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo

from ..errors import InputError, OccupiedError, unknown
from ..plotting.sizes import SIZES, Size, size_of
from .completion import names_of, one_of_these

if TYPE_CHECKING:
    from typer.models import ArgumentInfo

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    title: str = ""


@dataclasses.dataclass(frozen=True)
class CommandResult:
    """What a command found.

    Attributes:
        record: the object that ``--format json`` prints; None where the command has laid out its own text.
        said: the same for people, line by line; made only where it is printed.
        complaints: lines for standard error, printed last.
        code: the exit code.
        draw: makes the picture that ``--out`` asks for; where it was saved is the last line, and ``out`` of the object.
    """

    record: Mapping[str, Any] | None
    said: Iterable[str | Table]
    complaints: Sequence[str] = ()
    code: int = 0
    draw: Callable[[], Any] | None = None

    def drawn(self, name: str, out: str | None, size: Size | None = None) -> CommandResult:
        """The same once its picture, or in .json its object, is saved, where it has one and ``out`` says where."""
        if self.draw is None or out is None:
            return self
        if out.lower().endswith(".json") and self.record is not None:
            from ..files import write_text
            from ..reporting import dumps

            write_text(out, dumps(f"diracgan.{name}/1", self.record) + "\n")
        else:
            from ..plotting.saving import save

            save(self.draw(), out, size=size)
        record = None if self.record is None else {**self.record, "out": out}
        return dataclasses.replace(self, record=record, said=itertools.chain(self.said, [out]))


def option(
    help: str,
    *,
    metavar: str | None = None,
    choices: Sequence[str] = (),
    check: Callable[[str], object] | None = None,
    panel: str | None = None,
    names: str | None = None,
    short: str = "",
    called: str = "",
) -> OptionInfo:
    """An option for a field or an argument of a command, which is written like its name: ``--rate-d`` for rate_d.

    Args:
        help: one line.
        metavar: what it takes, where the type does not say it.
        choices: the words that are allowed, if only some are.
        check: what refuses a value, before anything is computed.
        panel: under which heading the help shows it, if not its group's.
        names: the kind of name that it takes, which shells then complete: "variant", "rule", ...
        short: its short name, e.g. ``"-v"``.
        called: how it is written, where that is another name than the field's, e.g. ``"--all"``.

    Example:
        >>> option("What is drawn.", choices=("page", "critic")).metavar
        'page|critic'
    """

    def checked(param: typer.CallbackParam, value: str | None) -> str | None:
        if value is not None and choices and value not in choices:
            raise unknown(param.opts[0].removeprefix("--"), value, choices)
        if value is not None and check is not None:
            check(value)
        return value

    return typer.Option(
        ...,
        *f"{called} {short}".split(),
        help=help,
        metavar=metavar or "|".join(choices) or None,
        show_default=False,
        rich_help_panel=panel,
        callback=checked if choices or check else None,
        autocompletion=names_of(names) if names else one_of_these(choices) if choices else None,
    )


def argument(metavar: str, help: str, *, names: str | None = None) -> ArgumentInfo:
    """A word of a command that needs no option before it; ``names`` as for :func:`option`."""
    return typer.Argument(
        metavar=metavar,
        help=help,
        show_default=False,
        rich_help_panel="Arguments",
        autocompletion=names_of(names) if names else None,
    )


@dataclasses.dataclass(frozen=True)
class FileOption:
    """An option for a file that no other process writes meanwhile.

    Attributes:
        info: the option as typer reads it.
        draws: whether a picture is drawn there, so that the command also has ``--size``.
    """

    info: Any
    draws: bool = False


def written(help: str, metavar: str, check: Callable[[str], object], short: str = "") -> FileOption:
    """An option for a file besides the result; ``check`` refuses what cannot be written."""
    return FileOption(option(help, metavar=metavar, check=check, panel="Result", short=short))


def output(help: str, check: Callable[[str], object], *, draws: bool = False) -> FileOption:
    """The option ``--out`` of a command: the file of its result, or with ``draws`` of its picture."""
    return dataclasses.replace(written(help, "FILE", check, short="-o"), draws=draws)


def style_of(format: str | None, out: str | None, suffixes: Mapping[str, str], default: str) -> str:
    """The form of an answer: the one asked for, or what the ending of ``out`` says.

    Example:
        >>> style_of(None, "a.MD", {".md": "markdown"}, "table")
        'markdown'
    """
    return format or (default if out is None else suffixes[Path(out).suffix.lower()])


def endings(*suffixes: str) -> Callable[[str], object]:
    """A check that a file ends in one of these, and can be written."""

    def check(path: str) -> object:
        from ..files import destination

        return destination(path, suffixes)

    return check


#: A still picture.
picture = endings(".png", ".pdf", ".svg")


def drawn_in(what: str) -> FileOption:
    """The option ``--out`` of a command that draws a still picture when it is given."""
    return output(f"{what}: .png, .pdf or .svg.", picture, draws=True)


def drawing(path: str) -> object:
    """Check that a picture, still or moving, can be written to ``path``."""
    from ..plotting.saving import check

    return check(path)


# The options of several commands, each defined once; groups of them are in :mod:`diracgan.cli.options`.
SizeOption = Annotated[
    str | None,
    option(
        "Lay the picture out for a journal's column (85 mm), a page, a slide or a poster; .png at 200 dpi.",
        choices=tuple(SIZES),
        panel="Result",
    ),
]
JUnitOption = Annotated[str | None, written("Write JUnit XML too.", "FILE.xml", endings(".xml"))]
OverwriteOption = Annotated[bool, option("Replace the results of another run there.", panel="Result")]
# of a command that has no formats of its own
_Format = Annotated[
    str, option("json prints one object and nothing else.", choices=("text", "json"), panel="Result")
]


def printed(size: str | None, out: str | None) -> Size | None:
    """The size of what is drawn in ``out``; None where none was asked for.

    Raises:
        InputError: where no picture is drawn, or one that moves.
    """
    if size is None:
        return None
    if out is None:
        raise InputError("--size is of a picture and none is drawn; add --out FILE")
    if out.lower().endswith((".gif", ".mp4", ".json")):
        raise InputError("--size is of a picture that stands still; allowed: .png, .pdf, .svg")
    return size_of(size)


def with_help(text: str) -> Callable[[F], F]:
    """Add paragraphs that are made from the library to a command's help, before its example."""

    def add(function: F) -> F:
        about, example, line = (inspect.getdoc(function) or "").partition("Example: ")
        function.__doc__ = f"{about}{text}\n\n{example}{line}"
        return function

    return add


def typer_function(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    """Spread a command's groups of options into single ones, call it, and say its answer.

    Args:
        name: of the command.
        function: the command.

    Returns:
        A function whose signature typer reads.
    """
    hints = get_type_hints(function, include_extras=True)
    answers = hints.pop("return", None) is CommandResult
    own = {n: (p.default, hints[n]) for n, p in inspect.signature(function).parameters.items()}
    single: dict[str, tuple[Any, Any]] = {}
    for key, (default, hint) in own.items():
        single |= _spread(hint) if dataclasses.is_dataclass(hint) else {key: (default, hint)}
    ours = answers and "format" not in single
    if ours:
        single["format"] = ("text", _Format)

    files = {key: mark for key, (_, hint) in single.items() if (mark := _file_option(hint)) is not None}
    for key, file in files.items():
        default, hint = single[key]
        single[key] = (default, Annotated[get_args(hint)[0], file.info])
    sized = answers and "size" not in single and "out" in files and files["out"].draws
    if sized:
        single["size"] = (None, SizeOption)

    def command(**given: Any) -> None:
        style = given.pop("format") if ours else given.get("format")
        size = printed(given.pop("size"), given.get("out")) if sized else None
        made = {
            key: _gather(hint, given) if dataclasses.is_dataclass(hint) else given[key]
            for key, (_, hint) in own.items()
        }
        if not answers:
            function(**made)
            return
        with contextlib.ExitStack() as held:
            hold(held, [given[key] for key in files if given[key] is not None])
            with contextlib.redirect_stdout(sys.stderr):
                answer = function(**made).drawn(name, given.get("out"), size)
        say(name, answer, style)

    command.__doc__, command.__name__ = inspect.getdoc(function), function.__name__
    command.__annotations__ = {key: _called(key, hint) for key, (_, hint) in single.items()}
    command.__signature__ = _signature({key: d for key, (d, _) in single.items()}, command.__annotations__)
    return command


def _signature(defaults: Mapping[str, Any], hints: Mapping[str, Any]) -> inspect.Signature:
    """Of a function that takes each option by its name."""
    return inspect.Signature(
        [
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if default is dataclasses.MISSING else default,
                annotation=hints[key],
            )
            for key, default in defaults.items()
        ]
    )


def flag(name: str) -> str:
    """How a command line writes a field's name.

    Example:
        >>> flag("rate_d")
        '--rate-d'
    """
    return f"--{name.replace('_', '-')}"


def _called(name: str, hint: Any) -> Any:
    """The option under its field's name, unless it has one of its own; a copy, since several fields may have it."""
    if get_origin(hint) is not Annotated:
        return hint
    kind, info = get_args(hint)
    words = getattr(info, "param_decls", None) or ()
    if not isinstance(info, OptionInfo) or any(word.startswith("--") for word in words):
        return hint
    info = copy.copy(info)
    info.param_decls = flag(name), *words
    return Annotated[kind, info]


def _file_option(hint: object) -> FileOption | None:
    """The file that an annotation names, if it names one."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, FileOption)), None)


def hold(held: contextlib.ExitStack, paths: Sequence[str]) -> None:
    """Let no other process write these files until ``held`` ends.

    Raises:
        InputError: when one does, or two of the paths are one file.
    """
    from ..locks import locked_output

    for k, path in enumerate(paths):
        if Path(path).resolve() in [Path(other).resolve() for other in paths[:k]]:
            raise InputError(f"{path!r} is to hold two results; allowed: a file for each")
        held.enter_context(locked_output(path))


@functools.cache  # most commands have the same groups, and each is read in milliseconds
def _spread(group: Any) -> dict[str, tuple[Any, Any]]:
    """Name -> default and annotation of every option of a group; its ``panel`` is theirs."""
    found: dict[str, tuple[Any, Any]] = {}
    hints = get_type_hints(group, include_extras=True)
    for f in dataclasses.fields(group):
        hint = hints[f.name]
        if dataclasses.is_dataclass(hint):
            found |= _spread(hint)
            continue
        found[f.name] = (f.default, _in_panel(hint, getattr(group, "panel", None)))
    return found


def _in_panel(hint: object, panel: str | None) -> object:
    """The option under a heading of the help; a copy, since several groups may have it."""
    if panel is None or _file_option(hint) is not None:
        return hint
    kind, info = get_args(hint)
    if info.rich_help_panel is None:
        info = copy.copy(info)
        info.rich_help_panel = panel
    return Annotated[kind, info]


def _gather(group: Any, given: Mapping[str, Any]) -> Any:
    """The group made of what was given."""
    hints = get_type_hints(group)
    return group(
        **{
            f.name: _gather(hints[f.name], given)
            if dataclasses.is_dataclass(hints[f.name])
            else given[f.name]
            for f in dataclasses.fields(group)
        }
    )


def say(name: str, answer: CommandResult, style: str | None) -> None:
    """Print an answer, in words or as one JSON object; leave with its exit code if that is not 0."""
    from .. import reporting

    if style == "json" and answer.record is not None:
        print(reporting.dumps(f"diracgan.{name}/1", answer.record))
    else:
        for part in answer.said:
            if isinstance(part, Table):
                reporting.show(part.columns, part.rows, part.title)
            elif style == "text":
                reporting.tell(part)
            else:
                print(part)
    sys.stdout.flush()
    for line in answer.complaints:
        tell(line)
    if answer.code:
        raise typer.Exit(answer.code)


def make_room(work: Callable[[], T], overwrite: bool) -> T:
    """``work()``; where other results are in its way, once more when they may be removed.

    Args:
        work: what raises :class:`OccupiedError` before it has done anything.
        overwrite: whether they may; else a person at a terminal is asked.
    """
    try:
        return work()
    except OccupiedError as error:
        asked = sys.stdin.isatty() and sys.stderr.isatty()
        if not (overwrite or (asked and typer.confirm(f"{error}. Replace it?", err=True))):
            raise
        error.clear()
    return work()


def tell(line: str) -> None:
    """Say something on standard error; where that takes nothing, the command goes on without."""
    with contextlib.suppress(OSError):
        print(f"diracgan: {line}", file=sys.stderr, flush=True)
