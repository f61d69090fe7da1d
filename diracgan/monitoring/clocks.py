"""Clocks of a log: their names, counters that are not series, and resumed runs."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

import numpy as np

from ..errors import unknown

# Names of clocks and what they count, the preferred first: steps stand before images, epochs and seconds.
_UNITS = {
    **dict.fromkeys(("step", "global_step", "_step", "train_step", "total_steps", "steps"), "steps"),
    **dict.fromkeys(("iteration", "iterations", "iter", "iters", "itr"), "steps"),
    **dict.fromkeys(("global_iter", "cur_iter", "current_iter", "num_updates", "it", "niter", "i"), "steps"),
    **dict.fromkeys(("batch", "batches"), "batches"),
    **dict.fromkeys(("batch_idx", "n"), "steps"),
    "kimg": "kimg",
    **dict.fromkeys(("cur_nimg", "nimg", "images"), "images"),
    "tick": "ticks",
    **dict.fromkeys(("time", "t"), "units of time"),
    **dict.fromkeys(("epoch", "epochs", "ep"), "epochs"),
    **dict.fromkeys(("wall_time", "walltime", "timestamp", "_timestamp", "_runtime", "runtime"), "seconds"),
    **dict.fromkeys(("elapsed", "relative_time", "seconds"), "seconds"),
    "index": "rows",
}
CLOCKS = tuple(_UNITS)
# clocks in other languages
FOREIGN = {
    **dict.fromkeys(("étape", "etape", "schritt", "paso", "passo", "шаг", "步", "步数", "ステップ"), "step"),
    **dict.fromkeys(("itération", "iteración", "iterazione", "iteração", "итерация", "迭代"), "iteration"),
    **dict.fromkeys(
        ("époque", "epoque", "epoche", "época", "epoca", "эпоха", "轮次", "轮", "エポック"), "epoch"
    ),
}
_SETTINGS = re.compile(
    r"(^|[^a-z])(lr|learning_rate|learning rate|seed|rank|world_size|momentum|gamma|beta\d?|eta|memory"
    r"|(epoch|iter|iteration|batch|data|step|load)_?time)($|[^a-z])"
)
_KIND_OF_TIME = re.compile(r"(?<=time)\s*\((process|wall|s|sec|seconds)\)$")  # Relative Time (Process)
_TIMINGS = (
    "timing",
    "resources",
    "sec_per",
    "maintenance",
    "cpumem",
    "gpumem",
    "it/s",
    "examples/s",
    "progress",
    "_runtime",
    "per_second",
    "total_flos",
)
_MOST_REPEATED = 0.75  # of a clock's values, so many are different ones
_FALLS = 0.1  # of a counter's rows at most, where it begins again
_MIXED = 0.25  # of the rows: what falls so often is not what begins anew with every epoch
FEWEST = 24  # rows below which nothing can be said


@functools.lru_cache(maxsize=1 << 15)
def plain_name(name: str) -> str:
    """The last part of a name in small letters: ``Progress/kimg`` is ``kimg``.

    Example:
        >>> [plain_name(n) for n in ("trainer/global_step", "Wall time", "Unnamed: 0", "globalStep", "Schritt")]
        ['global_step', 'wall_time', 'index', 'global_step', 'step']
    """
    if name == "" or name.startswith("Unnamed:"):
        return "index"
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    plain = re.split(r"[/.]", _KIND_OF_TIME.sub("", apart.lower()))[-1].replace(" ", "_")
    return FOREIGN.get(plain, plain)


def is_clock_name(name: str) -> bool:
    """Whether a column of this name counts something, and is never a series."""
    return plain_name(name) in CLOCKS


def is_setting(name: str) -> bool:
    """Whether a column of this name is a setting or a timing, and no series unless it is asked for."""
    lower = name.lower()
    return bool(_SETTINGS.search(lower)) or any(t in lower for t in _TIMINGS)


def unit(clock: str) -> str:
    """What a clock counts, in words.

    Example:
        >>> unit("Progress/kimg"), unit("global_step"), unit("row")
        ('kimg', 'steps', 'rows')
    """
    name = plain_name(clock)
    return "rows" if name == "row" else _UNITS.get(name, "steps")  # row stands for no clock at all


def head(values: np.ndarray, rows: int = 200_000) -> np.ndarray:
    """The finite ones of the first rows: enough to tell what a column is."""
    first = values[:rows]
    return first[np.isfinite(first)]


def counts(values: np.ndarray) -> bool:
    """Whether a column does nothing but count: whole numbers that rise by one unit, rest, or begin again.

    Example:
        >>> import numpy as np
        >>> counts(np.arange(100.0) % 40), counts(np.sin(np.arange(100.0)))
        (True, False)
    """
    finite = head(values)
    if len(finite) < FEWEST or np.any(finite != np.round(finite)):
        return False
    gaps = np.diff(finite)
    step = gaps.max()
    again = finite[1:] == finite[0]
    return bool(step > 0 and np.all((gaps == step) | (gaps == 0) | again))


def clock_of(columns: Mapping[str, np.ndarray], asked: str | None) -> str | None:
    """The name of the column that counts rows: the one asked for, or the first of :data:`CLOCKS` that fits.

    Raises:
        InputError: for a name that is not there.
    """
    if asked is not None:
        if asked not in columns:
            raise unknown("column", asked, columns)
        return asked
    if len(columns) < 2:
        return None
    order = {name: k for k, name in enumerate(CLOCKS)}
    named = sorted((n for n in columns if plain_name(n) in order), key=lambda n: order[plain_name(n)])
    good = [n for n in named if _rises(columns[n])]
    return next((n for n in good if _differs(columns[n])), next((n for n in good if len(good) == 1), None))


def _rises(values: np.ndarray) -> bool:
    """Whether values mostly rise: a counter, or one that begins again now and then."""
    finite = head(values)
    if len(finite) < 3:
        return False
    return bool(np.mean(np.diff(finite) < 0) < _FALLS) and bool(finite.max() > finite.min())


def falling(columns: Mapping[str, np.ndarray]) -> list[str]:
    """A note on a column that is named for a clock and none, since it falls too often; empty where there is none.

    Example:
        >>> import numpy as np
        >>> falling({"step": np.array([0, 100, 1, 101, 2, 102.0]), "d_loss": np.ones(6)})
        ['step falls on 40 % of the rows and was not used: rows are counted; do several runs write to this log?']
    """
    named = [n for n in columns if plain_name(n) in CLOCKS]
    for name in sorted(named, key=lambda n: CLOCKS.index(plain_name(n))):
        finite = head(columns[name])
        share = float(np.mean(np.diff(finite) < 0)) if len(finite) > 2 else 0.0
        if share >= _FALLS:
            mixed = "; do several runs write to this log?" if share > _MIXED else ""
            return [
                f"{name} falls on {100 * share:.0f} % of the rows and was not used: rows are counted{mixed}"
            ]
    return []


def _differs(values: np.ndarray) -> bool:
    """Whether the values do not repeat beyond what lines written in turn repeat them."""
    finite = head(values)
    seen = len(np.unique(finite))
    written_in_turn = np.count_nonzero(np.diff(finite)) + 1  # rows of one step that follow each other
    return bool(seen > _MOST_REPEATED * min(len(finite), written_in_turn) and seen > 2)


def counted_through(columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, str] | None:
    """A clock made of an epoch and what begins anew within every epoch; None where there are no such two.

    Example:
        >>> import numpy as np
        >>> made = counted_through({"epoch": np.repeat([1.0, 2.0], 3), "iters": np.array([1.0, 2, 3, 1, 2, 3])})
        >>> made[0].tolist(), made[1]
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 'iters')
    """
    epoch = next((n for n in columns if unit(n) == "epochs"), None)
    inner = next(
        (
            n
            for n in columns
            if plain_name(n) in ("step", "iters", "iter", "iteration", "batch", "batch_idx", "i")
        ),
        None,
    )
    if epoch is None or inner is None:
        return None
    e, i = columns[epoch], columns[inner]
    ok = np.isfinite(e) & np.isfinite(i)
    back = np.flatnonzero(np.diff(i[ok]) < 0)
    # where a run is resumed the counter falls and the epoch does not rise: now and then, not as a rule
    if not len(back) or np.mean(np.diff(e[ok])[back] > 0) <= 0.5:
        return None
    gaps = np.diff(i[ok])
    stride = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else 1.0
    first = float(np.nanmin(i))
    # an epoch is as long as its counter goes, and one stride to the next epoch's first
    length = (
        float(np.nanmax(i)) + (stride - first if first < stride else 0.0)
        if first
        else float(np.nanmax(i)) + stride
    )
    return i + (e - np.nanmin(e)) * length, inner


def run_starts(at: np.ndarray) -> tuple[list[int], list[int]]:
    """Where a clock goes back: rows at which a run was resumed, and rows at which another run begins.

    A run that begins anew at (or next to) the first step is another run; one that goes back to a step in between was
    resumed there.

    Example:
        >>> import numpy as np
        >>> run_starts(np.array([0, 1, 2, 3, 2, 3, 4, 0, 1, 2.0]))
        ([4], [7])
    """
    back = np.flatnonzero(np.diff(at) < 0) + 1
    if not len(back):
        return [], []
    gaps = np.diff(at)
    stride = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else 1.0
    first = at[0] + 1.5 * stride
    fresh = [int(k) for k in back if at[k] <= first and at[k - 1] > first + stride]
    return [int(k) for k in back if int(k) not in fresh], fresh
