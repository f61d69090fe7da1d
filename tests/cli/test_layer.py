"""The layer that commands stand on: what they share is one thing everywhere."""

from __future__ import annotations

import ast
import importlib
import io
import json
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from diracgan.cli import app, signals
from diracgan.cli.app import COMMANDS, load
from diracgan.cli.failures import explain
from diracgan.cli.layer import CommandResult
from diracgan.errors import InputError, integer
from diracgan.reporting import show, tell

NEW = '''
"""``diracgan half``: a new command."""

from typing import Annotated

from diracgan.cli.layer import CommandResult, Table, option
from diracgan.cli.options import GameOptions, headline


def command(game: GameOptions, twice: Annotated[bool, option("Halve twice.")] = False) -> CommandResult:
    """Halve the margin.

    Example: diracgan half --variant ns --r1 0.4
    """
    from diracgan.analysis import spectrum

    print("a word on the way")
    made, rule = game.build()
    found = spectrum(made, rule=rule, **game.at_equilibrium())
    half = found.margin / (4 if twice else 2)
    return CommandResult({"half": half}, [headline(found), Table(["half"], [[half]])])
'''


@pytest.fixture
def half(monkeypatch, tmp_path):
    (tmp_path / "half.py").write_text(NEW)
    monkeypatch.syspath_prepend(str(tmp_path))
    import half as module  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "diracgan.cli.half", module)
    monkeypatch.setattr(app, "COMMANDS", (*COMMANDS, "half"))


def test_a_new_command_takes_fewer_than_forty_lines(half, cli):
    assert NEW.count("\n") < 40
    # ns + r1: tr J = -r1 and det J = 1/4, so that the margin is r1/2 where r1 < 1
    code, out, err = cli("half", "-v", "ns", "--r1", "0.4", "--format", "json")
    assert (code, json.loads(out)) == (0, {"schema": "diracgan.half/1", "half": pytest.approx(0.1)})
    assert err == "a word on the way\n"  # what is printed on the way does not go among the answer
    code, out, _ = cli("half", "-v", "ns", "--r1", "0.4", "--twice")
    assert (code, out.splitlines()[0]) == (0, "ns + r1=0.4, d = 1, flow")
    assert cli("half", "-v", "ns", "--format", "jsn")[0] == 2


def options() -> list[Any]:
    return [p for c in COMMANDS for p in load(c).params if p.param_type_name == "option"]


def test_one_short_name_stands_for_one_option():
    long: dict[str, set[str]] = {}
    for p in options():
        names = [o for o in p.opts if o.startswith("--")]
        for short in set(p.opts) - set(names):
            long.setdefault(short, set()).add(names[0])
    assert {short: names for short, names in long.items() if len(names) > 1} == {}


# What an option means where more than one command has it. A command that means something else takes another name.
MEANINGS = {
    "--adaptive": "steps of a flow by its tolerances",
    "--amplitude": "size of a cycle that is asked for",
    "--atol": "absolute tolerance of the integrator",
    "--backend": "what integrates",
    "--ball": "radius that counts as the equilibrium",
    "--c": "the parameter c",
    "--chunk": "points computed at a time",
    "--device": "where networks run",
    "--devices": "how many cores or GPUs share the work",
    "--dim": "dimension of the Dirac game",
    "--dt": "step of a flow",
    "--dtype": "which floats",
    "--effort": "factor on a verdict's budget",
    "--ema": "decay of the moving average",
    "--ema-tau": "time constant of the flow's moving average",
    "--escape": "radius of escape",
    "--every": "which iterations are kept",
    "--file": "a file of variants",
    "--first": "who moves first",
    "--format": "how the answer is written",
    "--gamma": "the weight of R1, or the parameter gamma",
    "--h": "time of a step",
    "--junit": "a JUnit report beside",
    "--l2": "the weight of the L2 penalty",
    "--lam": "the parameter lam",
    "--lr": "learning rate of both players",
    "--lr-d": "the critic's learning rate",
    "--lr-g": "the generator's learning rate",
    "--method": "method of a flow",
    "--n-critic": "critic steps per iteration",
    "--only": "which of the pieces of work",
    "--out": "where the result is written",
    "--over": "what is turned, and over which range",
    "--overwrite": "replace what is there",
    "--param": "any parameter of the variant",
    "--phi0": "the critic's start",
    "--r1": "the weight of R1",
    "--rate-d": "the critic's rate in the flow",
    "--rate-g": "the generator's rate in the flow",
    "--rtol": "relative tolerance of the integrator",
    "--rule": "how the players step",
    "--rule-param": "any parameter of the rule",
    "--scheduler": "whose workers compute",
    "--sde": "variance of the noise on the field",
    "--sde-step": "the h of the flow's SDE",
    "--seed": "seed of whatever is random",
    "--size": "what a still picture is printed as",
    "--solver": "the integrator's method",
    "--steps": "number of iterations",
    "--t1": "end time",
    "--theta0": "the generator's start",
    "--variant": "what is minimised",
    "--width": "units of a hidden layer",
    "--x0": "the datum",
}
# What takes another form in a command, and means the same thing all the same.
FORMS = {
    "--dtype": "a network also takes bfloat16",
    "--format": "each command has its own formats",
    "--out": "a file, or a folder",
    "--over": "a range, an optional one, or a grid",
    "--rule": "report and page take several",
    "--variant": "compare and page take several",
    "--width": "that of a network, or the tier's",
    "--x0": "a vector where d is free, one number where a report covers d = 1 and d = 2",
}


def test_one_option_means_one_thing_in_every_command():
    """Each name that several commands have stands here once, with one type, one arity, one form and one short name."""
    commands: dict[str, set[str]] = {}
    forms: dict[str, set[tuple[Any, ...]]] = {}
    for c in COMMANDS:
        for p in load(c).params:
            if p.param_type_name == "option":
                short = tuple(o for o in p.opts if not o.startswith("--"))
                kind = "flag" if p.is_flag else p.type.name
                commands.setdefault(p.opts[0], set()).add(c)
                forms.setdefault(p.opts[0], set()).add((kind, p.multiple, p.metavar, short))
    shared = {o for o, by in commands.items() if len(by) > 1}
    assert shared == set(MEANINGS), "an option that a second command gets has its meaning written down here"
    assert len(set(MEANINGS.values())) == len(MEANINGS), "two names for one thing"
    assert {o for o, f in forms.items() if len(f) > 1} == set(FORMS)


def test_what_is_left_out_is_said():
    """Where an option has a number or a word by default, its help names it."""
    silent = [
        (c, p.opts[0])
        for c in COMMANDS
        for p in load(c).params
        if p.param_type_name == "option" and not p.is_flag and p.default not in (None, "")
        if p.opts[0] != "--format" and not re.search(r"\bby default\b", p.help)
    ]
    assert silent == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_at_most_forty_lines(name):
    """Its options, its help, and its work: read the options, call the library, say what it found."""
    module = importlib.import_module(f"diracgan.cli.{name.replace('-', '_')}")
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (command,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "command"]
    first = min(n.lineno for n in (command, *command.decorator_list))
    assert command.end_lineno is not None and command.end_lineno - first < 40


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_fits_into_eighty_columns(cli, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = cli(command, "--help")
    assert code == 0 and "…" not in out
    assert max(map(len, out.splitlines())) <= 80


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [3, 7])
def test_a_wide_table_loses_nothing_in_a_narrow_terminal(monkeypatch, columns):
    for name, value in {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    rows = [[f"{i}{k}w" * 20 for k in range(columns)] for i in range(3)]
    seen = Terminal()
    show([f"column {k}" for k in range(columns)], rows, file=seen)
    shown = re.sub(r"\x1b\[[\d;]*m", "", seen.getvalue())
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    assert shown.count("w") == 3 * columns * 20


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("fits", ["fits"]),
        ("  - " + "word " * 11, ["  - word word word word word", "    word word word word word", "    word"]),
        ("x" * 50, ["x" * 50]),  # a path is not cut
        (
            "  diracgan eig " + "--l2 0.1 " * 4,
            ["  diracgan eig " + "--l2 0.1 " * 4],
        ),  # a command is copied whole
    ],
)
def test_a_long_line_is_folded_between_words_where_a_person_reads_it(monkeypatch, line, folded):
    monkeypatch.setenv("COLUMNS", "30")
    seen, piped = Terminal(), io.StringIO()
    tell(line, seen)
    tell(line, piped)
    assert seen.getvalue().splitlines() == folded
    assert piped.getvalue() == line + "\n"


def test_a_bug_of_ours_says_where_to_report_it_and_what_the_system_refuses_is_said():
    line, code = explain(KeyError("num_consts"))
    assert code == 1 and line.startswith("a bug in diracgan: KeyError: ") and "report it" in line
    assert explain(MemoryError())[1] == 2 and "not enough memory" in explain(MemoryError())[0]
    assert explain(OSError(28, "No space left on device")) == ("no space left on device", 2)


def test_what_fails_after_a_signal_is_the_interrupt_and_no_bug(monkeypatch, capfd):
    def broken_off(words: object) -> int:
        raise RuntimeError("INTERNAL: CpuCallback error: KeyboardInterrupt")

    monkeypatch.setattr(app, "_run", broken_off)
    assert app.main(["list"]) == 1 and "a bug in diracgan" in capfd.readouterr().err
    monkeypatch.setattr(signals, "_heard", [signal.SIGINT])
    monkeypatch.setattr(signals, "_said", threading.Event())
    assert app.main(["list"]) == 130
    assert capfd.readouterr().err == "diracgan: interrupted\n"


@pytest.mark.parametrize("huge", [2**31, 10**40, float("inf"), 10**4000])
def test_a_huge_integer_is_refused_in_a_short_line(huge):
    with pytest.raises(InputError, match=r"allowed: integers") as caught:
        integer("n", huge, low=1)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("rtol", ["nan", "-1", "inf", "2"])
def test_a_gate_without_a_tolerance_is_refused(cli, rtol):
    code, out, err = cli("report", "ns", "--tolerance", rtol)
    assert (code, out) == (2, "") and "tolerance = " in err and "allowed: " in err


def test_a_picture_is_saved_where_one_is_asked_for_and_said_last(tmp_path):
    from matplotlib.figure import Figure

    made = CommandResult({"a": 1}, ["said"], draw=Figure)
    assert made.drawn("eig", None) is made
    out = str(tmp_path / "a.svg")
    drawn = made.drawn("eig", out)
    assert (list(drawn.said), drawn.record) == (["said", out], {"a": 1, "out": out})
    assert "<svg" in (tmp_path / "a.svg").read_text()
    table = CommandResult({}, []).drawn("eig", out)  # what draws nothing writes its own file
    assert (table.record, list(table.said)) == ({}, [])
