"""Printed logs: ``name: number`` pairs on a line, with clocks in brackets or parentheses.

pix2pix and CycleGAN (``(epoch: 1, iters: 100, time: .., data: ..) G_GAN: 0.7``), StudioGAN (``Step: 100 Progress: ..
Gen_loss: 0.9``), PyTorch's DCGAN (``[0/5][100/1583] Loss_D: 0.4``), StyleGAN's log.txt (``tick 3 kimg 12.0 ..``),
HiFi-GAN's ``Gen Loss Total : 45.1``, tflib's names and numbers between tabs, tqdm's bars, printed dictionaries, and
whatever else prints its losses so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..clocks import FEWEST, FOREIGN, is_clock_name, plain_name
from ..roles import player_of, says_loss
from .table import TENSOR, Columns, LogTable, whole_lines, without_thousands

_NUMBER = r"[-+]?(?>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)"  # whole: of 1.5s it is not 1
_NAME = r"[^\W\d][\w./()-]{0,60}"
# a name holds no digit alone; of "D(G(z)): 0.1 / 0.02" both numbers are read
_PAIR = re.compile(
    rf"(?<!\w)({_NAME}(?: (?:loss|score|acc))?)['\"]?"
    rf"\s*(?:[:=]|->)\s*(?:np\.float\d+\(|['\"])?({_NUMBER})i?(?![\w:])"  # InfluxDB's integers: 3i
    rf"(?:\s*/\s*({_NUMBER}))?",
    re.IGNORECASE,
)
# "Gen Loss Total : 45.1" after a mark: a name of several words, of which the first is not a count (E012)
_WORDS = re.compile(
    rf"(?:^|[,;|\[\]])\s*(?![A-Za-z]+\d+ )([A-Za-z][\w.-]*(?: [A-Za-z][\w.()-]*){{1,3}})(?=\s*[:=]\s*{_NUMBER})"
)
_FRACTION = re.compile(
    r"(?:\b(epoch|batch|step|iter)\w*(?:\(\w+\))?[:\s]*\[?\s*|\[\s*)(\d+)\s*/\s*(\d+)\]?(?![\d/]| \d\d?:\d\d:)"
    r"|\b(epoch|batch|step|iter)\w*(?:\(\w+\))?[:\s]*\[\s*(\d+)\]",
    re.IGNORECASE,
)
# "tick 3 kimg 12.0 loss_d 1.39", "D loss 1.39": a name, a blank, a number
_SPACED = re.compile(
    rf"(?<![\w.])((?:(?:[dg]|disc|gen|discriminator|generator|critic) )?{_NAME})\s+({_NUMBER})(?![\w.:/])",
    re.IGNORECASE,
)
# "loss D/G: 1.39/0.69", "D / G loss": two names before two numbers
_BOTH = re.compile(r"(?<![\w./])([a-z_]+) ?/ ?([a-z_]+)(?=(?: loss)?\s*[:=])", re.IGNORECASE)
# of tqdm, of rich, of Flashy ("| 3/200 | 3.2 it/sec |") and of PyTorch's language models ("| 50/ 200 batches |")
_BAR = re.compile(r"(?:\|\s*|━\S*\s+)(\d+)/\s*\d+\s*(?:\[|\d+:|\||batches\b)")
_UNFINISHED = re.compile(r"^[\s\x08]*(\d+)/(?!\1\b)\d+\s*(?:\[[=>.]|━|.*ms/step)")  # of Keras, amid an epoch
# [0.69, 0.5] behind a name: the loss before what is measured beside it
_BRACKETED = re.compile(
    r"([:=]\s*)\[\s*([-+]?\d*\.\d+(?:[eE][-+]?\d+)?|[-+]?nan|[-+]?inf)(?:[,\s]+[^\[\],\s]+){0,3}\s*\]"
)
_PERCENT = re.compile(r":?\s*\d+%\|[^|]*(?=\|)")  # and the bar itself, up to its count
_COUNT = re.compile(
    rf"\b(epoch|ep|batch|(?:global_)?step|it|itr|iter|iteration|{'|'.join(FOREIGN)})s? +#?(\d+)\b(?!/|\.?\w)",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"\bepoch['\"]?\s*[:=]\s*\d", re.IGNORECASE)
_ALONE = re.compile(r"\] \[(\d+)\] ")  # of CLU: "logging_writer.py:48] [500] d_loss=1.386"
# "100: ..", "0 [D loss: ..", "000100 -> ..", ">1, 1/117, ..", "#100 ..": a line that begins with its clock
_LEADING = re.compile(r"^\s*[>#(]?\s*(\d+)\)?(?:/\d+(?=:\s)|, (\d+)/\d+)?(?=\s*->|\s*[|>,\[]|:?(?:\s|$))")
# "D_loss: 0,6931": no thousands are parted so
_COMMA = re.compile(r"[:=]\s*[-+]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?![\d,.])")
_COMMAS = re.compile(r"([:=]\s*[-+]?\d+),(\d+)(?![\d,])")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal
_JULIA = re.compile(r"(?<![\w.])(\d+\.\d+)f(-?\d+)(?!\w)")  # 1.386f0, in single precision
_SOURCES = (".py", ".cc", ".cpp", ".jl")  # what stands before the number of a line that printed
_HEADER = re.compile(r"^=+ .* =+$")
_STUDIO = re.compile(r"\bStep:\s*\d+\s+Progress:.*Gen_loss:")
# VITS, MelGAN and their descendants list their losses without names, in this order
_VITS = re.compile(r"\tINFO\t(?:Losses: )?\[([^\[\]]+)\]")
_VITS_NAMES = ("loss_disc", "loss_gen", "loss_fm", "loss_mel", "loss_dur", "loss_kl")
_MELGAN = re.compile(
    rf"\bms/batch\s+\S+ \| loss \[\s*({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s*\]"
)
_MELGAN_NAMES = ("loss_D", "loss_G", "loss_feat", "s_error")
# DeepFaceLab: [13:37:01][#003045][0541ms][0.6421][0.6132], what it rebuilds of the source and of the destination
_FACES = re.compile(rf"\[#(\d+)\]\[\d+ms\]\[({_NUMBER})\](?:\[({_NUMBER})\])?", re.IGNORECASE)
_ENDLESS = re.compile(r"\d{400}|\s{400}")  # no number; the time of the patterns grows with its square
_HEAD = 1 << 16  # characters that tell how decimals are written
_SEEN = 3  # decimal commas among them
_HELD = 4096  # lines at most that wait for a clock below them
# of loguru: __main__:train:88 - ...
_CALLER = re.compile(r"\b[\w.]+:[\w<>]+:\d+(?= [-|] )")
_TIMINGS = {"time", "data"}  # of pix2pix: seconds an iteration and a load took, not a clock


def looks_printed(head: str) -> bool:
    """Whether two of the first lines are of this kind."""
    lines = head.splitlines()[:200]
    found = sum(row is not None for _, row in _rows(_pointed(lines, head)))
    return found >= min(2, len([x for x in lines if x.strip()]))


def read_printed(path: Path, encoding: str) -> LogTable:
    """Read the lines that hold at least one pair; one without a clock has that of the last line of clocks."""
    columns, starts, kind, unfinished = Columns(), [], "printed text", []
    with path.open(encoding=encoding, errors="replace") as file:
        head = file.read(_HEAD)
        file.seek(0)
        below = _clock_below(_pointed(head.splitlines(), head))
        for line, row in _rows(_pointed(whole_lines(file), head), below):
            if _HEADER.search(line) and not _clock(line, False):
                starts.append(columns.rows)
            if row is not None:
                kind = _kind(line) if columns.rows == 0 else kind
                if _UNFINISHED.match(_COLOUR.sub("", line)):
                    unfinished.append(columns.rows)
                columns.append(row)
    made = columns.arrays()
    cuts = sorted({s for s in starts if 0 < s < columns.rows})
    notes = [f"started {len(cuts) + 1} times"] if cuts else []
    if below:
        notes.append("the clock stands below its losses")
    if unfinished and columns.rows - len(unfinished) >= FEWEST:
        made = {n: np.delete(c, unfinished) for n, c in made.items()}
        notes.append(f"{len(unfinished)} running means within epochs were left out")
    return LogTable(made, kind, tuple(notes), ends_blank=columns.ends_blank)


def _pointed(lines: Iterable[str], head: str) -> Iterable[str]:
    """The lines, with decimal points where the first of them have commas behind names and no number a point."""
    commas = len(_COMMA.findall(head)) >= _SEEN and not re.search(r"[:=]\s*[-+]?\d+\.\d", head)
    return (_COMMAS.sub(r"\1.\2", line) for line in lines) if commas else lines


def _rows(lines: Iterable[str], below: bool = False) -> Iterator[tuple[str, dict[str, float] | None]]:
    """Each line and its numbers, None where it reports nothing.

    Args:
        lines: of a log.
        below: whether a clock on a line of its own counts the lines above it, not those below.
    """
    before: dict[str, float] = {}
    held: list[tuple[str, dict[str, float]]] = []  # lines that wait for the clock below them
    for line in lines:
        clock, values = _row(line, before)
        told = {n: x for n, x in before.items() if n == "epoch" or clock.keys().isdisjoint(before)}
        if clock and not any(map(_of_loss, values)):
            before = told | clock  # the losses may stand below
        own = bool(clock) or any(map(is_clock_name, values))
        if values and below and not own:
            held.append((line, values))
        elif values:
            yield line, {n: x for n, x in before.items() if n == "epoch" or not own} | clock | values
        else:
            yield line, None
        ended = bool(clock) and not values
        if ended or len(held) == _HELD:
            yield from ((above, (before if ended else {}) | row) for above, row in held)
            held = []
    yield from held


def _of_loss(name: str) -> bool:
    return player_of(name) is not None or says_loss(name)


def _clock_below(lines: Iterable[str]) -> bool:
    """Whether the clock stands below its losses: they come first, all of them, and a clock ends them time and again.

    Example:
        >>> lines = 5 * ["d_loss: 1.38", "g_loss: 0.7", "step: 100"]
        >>> _clock_below(lines), _clock_below(lines[1:]), _clock_below(lines[2:])
        (True, False, False)
    """
    before: dict[str, float] = {}
    above: set[str] = set()  # clocks that have stood on lines of their own
    groups: list[set[str]] = [set()]  # names of losses between such lines
    for line in lines:
        clock, values = _row(line, before)
        before |= clock
        found = {*filter(_of_loss, values)}
        if found and (clock or any(map(is_clock_name, values))):
            return False
        groups[-1] |= found
        if clock and not values and groups[-1]:
            if len(groups) == 1 and clock.keys() & above:
                return False
            groups.append(set())
        above |= clock.keys()
        if len(groups) > _SEEN:
            break
    return len(groups) > 2 and all(g == groups[0] for g in groups[:-1])


def _kind(line: str) -> str:
    if re.search(r"\(epoch: \d+, iters: \d+", line):
        return "loss_log.txt of pix2pix or CycleGAN"
    return "StudioGAN's log" if _STUDIO.search(line) else "printed text"


def _row(line: str, before: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """What counts one line, and its other numbers by their names; ``before``: the clock that was told last."""
    if _ENDLESS.search(line):
        return {}, {}
    line = _JULIA.sub(r"\1e\2", _CALLER.sub("", _PERCENT.sub("", _COLOUR.sub("", line))))
    line = without_thousands(_BRACKETED.sub(r"\1\2", TENSOR.sub(r"\1\2", _listed(line))))
    clock = _clock(line, "epoch" in before)
    both = {f"{m[1]}/{m[2]}": (m[1], m[2]) for m in _BOTH.finditer(line) if _players(m[1], m[2])}
    line = _BOTH.sub(r"\1/\2", line) if both else line
    timed = re.search(r"\(epoch: \d+, iters: \d+.*?\)", line) is not None
    values = {}
    for name, value, second in _pairs(line):
        key = name.strip("()") if name.count("(") != name.count(")") else name
        if timed and key in _TIMINGS:
            continue
        if second and key.removesuffix(" loss") in both:
            one, other = both[key.removesuffix(" loss")]
            values |= {one: float(value), other: float(second)}
            continue
        values[key] = float(value)
        if second and not is_clock_name(key):  # 3/200
            values[f"{key} 2"] = float(second)
    if values and all(map(is_clock_name, values)):
        clock, values = clock | values, {}
    beside = clock or before  # losses on lines of their own below their step
    alone = all(player_of(n) is not None and says_loss(n) for n in values)  # rows are counted
    if values and (alone or len(beside | values) > 1):
        return clock, values
    spaced = _alternating(line) or {name: float(value) for name, value in _SPACED.findall(line)}
    told = [n for n in spaced if player_of(n) is not None]
    return clock, (values | spaced if told and len(beside | values | spaced) > 1 else {})


def _listed(line: str) -> str:
    """A line with names before the losses that it lists without."""
    return _FACES.sub(_of_faces, _MELGAN.sub(_of_melgan, _VITS.sub(_with_names, line)))


def _of_faces(found: re.Match[str]) -> str:
    iteration, source, destination = found.groups()
    second = "" if destination is None else f", dst_loss: {destination}"
    return f", iter: {iteration}, src_loss: {source}{second}"


def _of_melgan(found: re.Match[str]) -> str:
    return ", ".join(f"{n}: {x}" for n, x in zip(_MELGAN_NAMES, found.groups(), strict=True))


def _with_names(found: re.Match[str]) -> str:
    """A list of VITS' losses with their names; behind its six stand the step and the learning rate."""
    numbers = [x.strip() for x in found[1].split(",")]
    if len(numbers) not in (5, 8) or not all(re.fullmatch(_NUMBER, x, re.IGNORECASE) for x in numbers):
        return found[0]
    names = [n for n in _VITS_NAMES if len(numbers) == 8 or n != "loss_dur"]
    named = zip([*names, "step", "lr"], numbers, strict=False)
    return "\t" + ", ".join(f"{n}: {x}" for n, x in named)


def _clock(line: str, epoch: bool) -> dict[str, float]:
    """What counts a line: a bar's batch, fractions, counts in words, or the number that it begins with."""
    clock = {}
    bar = _BAR.search(line)
    if bar is not None:
        clock["batch"] = float(bar[1])
    counts = _FRACTION.findall(line)
    inner = len(counts) == 1 and (epoch or _EPOCH.search(line) is not None)  # of two the first is the epoch
    for k, (name, at, _, alone, count) in enumerate(counts):
        clock[(name or alone).lower() or ("epoch", "batch")[min(k + inner, 1)]] = float(at or count)
    clock |= {plain_name(name): float(at) for name, at in _COUNT.findall(line)}
    alone = _ALONE.search(line)
    if alone is not None and not clock:
        clock["step"] = float(alone[1])
    leading = _LEADING.match(line)
    if leading is None or clock or _counted(line):
        return clock
    one, other = leading.groups()
    return {"step": float(one)} if other is None else {"epoch": float(one), "batch": float(other)}


def _players(one: str, other: str) -> bool:
    return None not in (player_of(one), player_of(other)) and player_of(one) != player_of(other)


def _counted(line: str) -> bool:
    """Whether one of a line's pairs is a clock."""
    return any(is_clock_name(name) for name, _, _ in _pairs(line))


def _pairs(line: str) -> Iterator[tuple[str, str, str]]:
    whole = {m.end(1): m[1] for m in _WORDS.finditer(line) if player_of(m[1]) is not None}
    for m in _PAIR.finditer(line):
        name = whole.get(m.end(1), m[1])
        lower = name.lower()
        if not lower.startswith(("http", "elapsed", "(data")) and not lower.endswith(_SOURCES):
            yield name, m[2], m[3] or ""


def _alternating(line: str) -> dict[str, float]:
    """The numbers of a line whose cells are a name and a number by turns: ``train disc cost\\t-5.3\\t...``."""
    parted = line.strip().strip("()[]")  # also a printed tuple: ('epoch', 0, 'D', 1.38, 'G', 0.79)
    cells = [c.strip().strip("'\"") for c in re.split("\t" if "\t" in line else ",", parted)]
    cells = cells[len(cells) % 2 :]  # before them may stand a clock of two words
    if len(cells) < 4 or not all(re.fullmatch(_NUMBER, c, re.IGNORECASE) for c in cells[1::2]):
        return {}
    names = cells[::2]
    return (
        dict(zip(names, map(float, cells[1::2]), strict=True))
        if all(n.lstrip("/.")[:1].isalpha() for n in names)
        else {}
    )
