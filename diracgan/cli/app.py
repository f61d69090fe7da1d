"""``diracgan``: the list of commands, and what every command does with an error.

To add a command, write ``cli/<name>.py`` with a function ``command`` (see :mod:`diracgan.cli.layer`) and add its name
to :data:`COMMANDS`. Its module is imported when the command is called or help is asked for, so it imports what is heavy
inside the function.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import platform
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from ..errors import InputError, unknown, users_place
from ..files import user_cache
from . import signals
from .failures import explain
from .layer import typer_function

COMMANDS = (
    "list",
    "plot",
    "simulate",
    "eig",
    "verdict",
    "explain",
    "critical",
    "bifurcation",
    "attractors",
    "tune",
    "ema",
    "averaged",
    "diagnose",
    "watch",
    "compare-variants",
    "sweep",
    "map",
    "report",
    "train",
    "compare",
    "prescribe",
    "forecast",
    "figures",
    "poster",
    "card",
    "page",
    "explore",
    "bench",
)

#: Set by the line that a shell's start-up file evaluates, see docs/start.md, and by what that line defines.
COMPLETE = "_DIRACGAN_COMPLETE"

_UsageError: Any = typer.BadParameter.__mro__[1]  # typer exports only its subclass


class _Command(TyperCommand):
    """A command whose options are given once, where they are not repeatable."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # as shells do to complete a line
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for option in order:
                if order.count(option) > 1 and option.nargs == 1 and not getattr(option, "multiple", False):
                    raise InputError(f"{option.opts[0]} is given {order.count(option)} times; allowed: once")
        return super().parse_args(ctx, args)


class _Commands(TyperGroup):
    """The commands by name; a module is imported when its command is looked at."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            raise unknown("command", cmd_name, COMMANDS)
        return load(cmd_name)


def load(name: str) -> Any:
    """The command ``name`` with its options, as typer reads it.

    Example:
        >>> "--variant" in [o for p in load("plot").params for o in p.opts]
        True
    """
    module = importlib.import_module(f"diracgan.cli.{name.replace('-', '_')}")
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    app.command(name, cls=_Command)(typer_function(name, module.command))
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        print(f"diracgan {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What a GAN's training dynamics really do: paths, eigenvalues and pictures from two losses.

    Example: diracgan plot --variant wgan-gp --c 0
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after ``diracgan``; those of this process by default.

    Returns:
        0 done, 1 a gate failed (or a bug of ours), 2 bad usage or input; 130 after Ctrl-C, 143 after SIGTERM, 141 when
        the reader of the output has gone. Whatever goes wrong prints one line on standard error, without a traceback
        (the variable ``DIRACGAN_TRACEBACK=1`` asks for it).

    Example:
        >>> from diracgan.cli.app import main
        >>> main(["--version"])
        diracgan 0.1.0
        0
    """
    words = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except _UsageError as error:
        return _fail(_usage(error, words), 2)
    except KeyboardInterrupt:
        return signals.say(2)
    except signals.Terminated:
        return signals.say(15)
    except BrokenPipeError:
        _drop_output()
        return 141
    except BaseException as error:
        if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
            _drop_output()  # rich, which prints the help, ends so in its own way
            return 141
        if not (isinstance(error, (Exception, SystemExit)) or users_place(error)):
            raise
        return _failed(error)


def _failed(error: BaseException) -> int:
    """Say in one line what a command ended with, and return its exit code."""
    number = signals.received()
    if number is not None:  # a library may say in its own way that it was interrupted
        return signals.say(number)
    if os.environ.get("DIRACGAN_TRACEBACK") == "1":
        import traceback

        traceback.print_exception(error)
    line, code = explain(error)
    try:
        sys.stdout.flush()
    except OSError:  # what could not be printed is what failed
        _drop_output()
    return _fail(line, code)


def _run(words: list[str]) -> int:
    app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode="markdown")
    app.callback()(_root)
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # standard error is for what the command itself has to say
        group = typer.main.get_group(app)
        if COMPLETE in os.environ:
            return _complete(group)
        try:
            with group.make_context("diracgan", words) as context:
                group.invoke(context)
        except typer.Exit as end:
            return end.exit_code
    return 0


def _complete(group: Any) -> int:
    """Say the shell's line that switches completion on, or what completes the words before the cursor."""
    # typer exports nothing else that completes
    from typer.completion import completion_init, shell_complete  # pyright: ignore[reportPrivateImportUsage]

    completion_init()
    return shell_complete(group, {}, "diracgan", COMPLETE, os.environ[COMPLETE])


def _drop_output() -> None:
    """Send what is left to nowhere: Python would complain once more when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry() -> NoReturn:
    """Run the command line of this process and exit: what the console script calls."""
    if sys.stderr is None:  # the caller has closed it
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.exit(_fail("standard output is closed; allowed: a terminal, a file or a pipe", 2))
    signals.answer_at_once()
    # Imports make no garbage: looking for it after every 700 objects takes a tenth of a plot, and once more at the
    # end another tenth.
    gc.set_threshold(100_000)
    # The matrices are small: on a busy machine a threaded BLAS takes thirty times as long over them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _keep_what_was_computed()
    code = main()
    gc.freeze()
    signals.leave(code)


def _keep_what_was_computed() -> None:
    """Let JAX and the C compiler keep what they compile, and ``plot`` its numbers, in the user's cache folder.

    Kept per machine, since home folders are shared by machines whose instructions differ. Whoever sets these
    variables decides: ``JAX_ENABLE_COMPILATION_CACHE=false``, ``DIRACGAN_C_CACHE=0`` and ``DIRACGAN_CACHE=0`` switch it
    off.
    """
    cache = user_cache()
    if cache is None:
        return
    here = platform.node() or "here"
    os.environ.setdefault("DIRACGAN_CACHE", str(cache / "pictures" / here))
    os.environ.setdefault("DIRACGAN_C_CACHE", str(cache / "c" / here))
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache / "jax" / here))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # some jaxlib warn of tuning hints that the machine itself, which compiled, does not list among its features
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # where standard error takes nothing, the code alone speaks
        print("diracgan: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return code


def _usage(error: Any, words: Sequence[str]) -> str:
    """What is wrong with the words, what is allowed, and the nearest match."""
    option = getattr(error, "option_name", None)
    if option is not None and type(error).__name__ == "NoSuchOption":
        known = {o for p in error.ctx.command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        if "--param" in known:
            from ..variants.penalties import modifiers

            name = option.removeprefix("--").replace("-", "_")
            if name in modifiers():
                return f"unknown option {option!r}; did you mean '-p {name}=...'? Allowed: -p with any penalty's name"
        return str(unknown("option", option, [o for o in known if o.startswith("-")]))
    text = error.format_message().rstrip(".")
    given = _given(getattr(error, "param", None), words)
    if given is not None:
        text = f"{given}: {_plain(error.message.rstrip('.'))}"
    command = error.ctx.command_path if getattr(error, "ctx", None) else "diracgan"
    return f"{text[:1].lower()}{text[1:]}; see {command} --help"


def _plain(message: str) -> str:
    """A misread value in everyday words, whichever way the installed typer puts it."""
    found = re.search(r"is not a valid (float|int)", message)
    words = {"float": "not a number; allowed: numbers", "int": "not an integer; allowed: integers"}
    return words[found[1]] if found else message


def _given(param: object, words: Sequence[str]) -> str | None:
    """The option that was misread, with its value, e.g. ``--c = 'one'``."""
    names = getattr(param, "opts", ())
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names and (equals or i + 1 < len(words)):
            return f"{name} = {value if equals else words[i + 1]!r}"
    return None
