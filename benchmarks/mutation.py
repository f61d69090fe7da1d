"""Mutation testing of the ground floors: would the tests notice if a line were wrong?

    pip install -e ".[dev,test]"
    python benchmarks/mutation.py                      # 400 mutants; goes on where it was
    python benchmarks/mutation.py --share 2/3          # one of three processes side by side
    python benchmarks/mutation.py --again survived     # once more, e.g. after a test was written
    python benchmarks/mutation.py --page               # writes benchmarks/mutation.md from what has been run

cosmic-ray's operators make the mutants: arithmetic, comparisons, numbers, booleans, decorators, loops, exceptions. A
seeded sample takes places at random and one mutant at each. cosmic-ray would start an interpreter for each; here one
process that has imported JAX, and nothing of diracgan, forks for each, and the mutant is imported in place of the
module. A first run says which test executes which line; a mutant is tried against the tests of its room that execute
something of its module, the most telling and cheapest first, until one fails or they have had ``--seconds``: what is
left untried can only make survivors of mutants that would be killed. Compiled programs are kept under the hash of what
they compute, so that a mutant that computes something else compiles anew. A limit is one of processor time, which
other processes do not use up. Needs ``os.fork``, and Python 3.12 for ``sys.monitoring``.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# a room: its modules, and the tests that are its own
ROOMS = {
    "variants": (
        ["diracgan/variants"],
        ["tests/variants", "tests/contract/test_variants.py", "tests/truth/test_fields.py"],
    ),
    "game": (
        ["diracgan/game.py"],
        [
            "tests/test_game.py",
            "tests/truth/test_fields.py",
            "tests/contract",
            "tests/variants",
            "tests/rules",
            "tests/tracing",
        ],
    ),
    "rules": (["diracgan/rules"], ["tests/rules", "tests/contract/test_pairs.py"]),
    "tracing": (["diracgan/tracing"], ["tests/tracing"]),
    "analysis/linear": (["diracgan/analysis/linear"], ["tests/analysis/linear"]),
}
BITWISE = (
    "BitAnd",
    "BitOr",
    "BitXor",
    "LShift",
    "RShift",
)  # no floating-point number has them: too easily noticed
FIRST, PATIENCE = 12, 8
PAGE, REASONS = ROOT / "benchmarks/mutation.md", ROOT / "benchmarks/mutation.toml"


class Mutant(NamedTuple):
    room: str
    module: str
    line: int
    column: int
    operator: str
    occurrence: int

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line}:{self.column} {self.operator} {self.occurrence}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "diracgan-mutation")
    parser.add_argument("--room", action="append", choices=list(ROOMS), help="only this one; may be repeated")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of tests a mutant, by what they take without it"
    )
    parser.add_argument("--again", choices=["survived", "timeout"], help="run these once more")
    parser.add_argument("--only", help="of --again, those whose name contains this")
    parser.add_argument(
        "--share", default="1/1", help="of several processes side by side, begin as this one, e.g. 2/3"
    )
    parser.add_argument("--page", action="store_true", help="only write the page")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    results = options.folder / "results.jsonl"
    if not options.page:
        prepare(options.folder)
        rooms = options.room or list(ROOMS)
        known = executed(options.folder, rooms)
        mutants = [m for m in kept_sample(options) if m.room in rooms]
        share, of = (int(x) for x in options.share.split("/"))
        first = (share - 1) * len(mutants) // of
        for k, mutant in enumerate(mutants[first:] + mutants[:first], 1):
            done = {r["name"]: r for r in read(results)}  # others may run beside
            if not redo(mutant, done.get(mutant.name), options):
                continue
            result = attempt(mutant, known, options.folder, options.seconds)
            with results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(
                f"{k}/{len(mutants)} {result['outcome']:8} {result['seconds']:5.1f} s  {mutant.name}",
                flush=True,
            )
    sources = options.folder / "sources.txt"
    taken = sources.read_text() if sources.exists() else "an unknown commit"
    page({r["name"]: r for r in read(results)}, kept_sample(options), options.seed, taken)


def redo(mutant: Mutant, before: dict | None, options: argparse.Namespace) -> bool:
    if options.again is None:
        return before is None
    return before is not None and before["outcome"] == options.again and (options.only or "") in mutant.name


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# --- the mutants


def kept_sample(options: argparse.Namespace) -> list[Mutant]:
    """The sample, drawn once a folder: a run that goes on after the code changed asks for another ``--folder``."""
    kept = options.folder / f"sample-{options.count}-{options.seed}.json"
    if not kept.exists():
        kept.write_text(json.dumps(sample(options.count, options.seed)))
        of = ["git", "-C", str(ROOT), "log", "-1", "--format=%h of %as"]
        (options.folder / "sources.txt").write_text(subprocess.check_output(of, text=True).strip())
    return [Mutant(*m) for m in json.loads(kept.read_text())]


def sample(count: int, seed: int) -> list[Mutant]:
    """Places at random, in proportion to how many each module has, and one mutant at each."""
    rng, chosen = random.Random(seed), []
    places = candidates()
    order = sorted(places)
    rng.shuffle(order)
    for place in order:
        here = sorted(places[place])
        rng.shuffle(here)
        for mutant in here:
            if differs(mutant):
                chosen.append(mutant)
                break
        if len(chosen) == count:
            break
    return chosen


def candidates() -> dict[tuple[str, int, int], list[Mutant]]:
    from cosmic_ray.ast import ast_nodes, get_ast_from_path

    places: dict[tuple[str, int, int], list[Mutant]] = {}
    for room, (sources, _) in ROOMS.items():
        for path in files(sources, "*.py"):
            tree = get_ast_from_path(ROOT / path)
            for name, operator in operators().items():
                found = (p for node in ast_nodes(tree) for p, _ in operator.mutation_positions(node))
                for k, (line, column) in enumerate(found):
                    places.setdefault((path, line, column), []).append(
                        Mutant(room, path, line, column, name, k)
                    )
    return places


@functools.cache
def operators() -> dict:
    from cosmic_ray import plugins

    every = {n: plugins.get_operator(n) for n in plugins.operator_names()}
    return {
        n.removeprefix("core/"): operator()
        for n, operator in every.items()
        if n != "core/NoOp" and not operator.arguments() and not n.endswith(BITWISE)
    }


def differs(mutant: Mutant) -> bool:
    """Whether it is a program, and another one: annotations are not run."""
    try:
        return bare(mutated(mutant)) != bare((ROOT / mutant.module).read_text())
    except SyntaxError:
        return False


def mutated(mutant: Mutant) -> str:
    from cosmic_ray.mutating import mutate_code

    text = mutate_code((ROOT / mutant.module).read_text(), operators()[mutant.operator], mutant.occurrence)
    assert text is not None, mutant
    return text


def bare(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


def files(places: list[str], pattern: str) -> list[str]:
    return sorted(
        str(p.relative_to(ROOT))
        for place in places
        for p in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob(pattern))
    )


# --- running tests in a child


def prepare(folder: Path) -> None:
    """Import what takes long, for all children; set no backend of JAX up, whose threads do not survive a fork."""
    os.chdir(ROOT)
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of other libraries: two seconds of imports
    }
    sys.path[:0] = [str(ROOT)]
    for name in (
        "pytest equinox diffrax optimistix optax sympy hypothesis xarray scipy.integrate scipy.optimize scipy.linalg "
        "jax.experimental.pallas"
    ).split():
        importlib.import_module(name)
    assert not any(name.partition(".")[0] == "diracgan" for name in sys.modules)
    gc.collect()
    gc.freeze()


class Replaced(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Finds one module, with another text than its file has."""

    def __init__(self, name: str, path: str, text: str):
        super().__init__(name, path)
        self.text = text

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        package = self.path.endswith("__init__.py")
        return importlib.util.spec_from_file_location(
            self.name,
            self.path,
            loader=self,
            submodule_search_locations=[str(Path(self.path).parent)] if package else None,
        )

    def get_code(self, fullname):
        return compile(self.text, self.path, "exec", dont_inherit=True)


class FirstFailure:
    """A plugin of pytest: the most telling tests first, the others not at all, and which one noticed."""

    def __init__(self, order: list[str], known: dict[str, dict], path: Path):
        self.order, self.known, self.path = {name: k for k, name in enumerate(order)}, known, path

    def pytest_collection_modifyitems(self, items):
        chosen = [i for i in items if i.nodeid in self.order or i.nodeid not in self.known]
        items[:] = sorted(chosen, key=lambda i: self.order.get(i.nodeid, -1))  # a new test first

    def pytest_collectreport(self, report):
        if report.failed:
            self.path.write_text(report.nodeid or "collection")

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.path.write_text(report.nodeid)


class Executed:
    """A plugin of pytest: the processor time of each test, and the lines of the rooms that it is the first to execute.

    A program that is traced once is not traced again by the next test: what each executes alone may be more.
    """

    def __init__(self, sources: list[str], path: Path):
        self.sources = {str(ROOT / s): s for s in sources}
        self.path, self.lines, self.found = path, {}, {}
        events = sys.monitoring
        events.use_tool_id(events.COVERAGE_ID, "diracgan")
        events.register_callback(events.COVERAGE_ID, events.events.LINE, self.line)
        events.set_events(events.COVERAGE_ID, events.events.LINE)

    def line(self, code, number):
        if code.co_filename in self.sources:
            self.lines.setdefault(self.sources[code.co_filename], set()).add(number)
        return sys.monitoring.DISABLE  # once a test is enough

    def pytest_runtest_setup(self):
        self.lines, self.began = {}, time.process_time()
        sys.monitoring.restart_events()

    def pytest_runtest_teardown(self, item):
        lines = {s: sorted(n) for s, n in self.lines.items()}
        self.found[item.nodeid] = {"seconds": time.process_time() - self.began, "lines": lines}

    def pytest_sessionfinish(self):
        self.path.write_text(json.dumps(self.found))


def child(work, limit: float) -> tuple[int | None, float]:
    """What ``work`` returns, from a fork, and its processor time; None if that came to the limit of seconds."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 9))
            code = int(work())
        finally:
            os._exit(code)
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)  # negative where a signal ended it
    return None if code == -signal.SIGXCPU else code, used.ru_utime + used.ru_stime


def tests(paths: list[str], plugin) -> int:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    flags = "-x -q -o addopts= --import-mode=importlib --assert=plain --tb=no --disable-warnings"
    without = [f"-pno:{name}" for name in ("cacheprovider", "unraisableexception", "threadexception")]
    return pytest.main([*flags.split(), "-m", "not slow", *without, *paths], plugins=[plugin])


def executed(folder: Path, rooms: list[str]) -> dict[str, dict]:
    """Each test of the rooms: how long it takes, and the lines that it executes."""
    kept = folder / "executed.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    sources = files([s for places, _ in ROOMS.values() for s in places], "*.py")
    for path in dict.fromkeys(files([t for room in rooms for t in ROOMS[room][1]], "test_*.py")):
        stamp = (ROOT / path).stat().st_mtime
        if path in known and known[path]["stamp"] == stamp:
            continue
        report = folder / "report.json"
        code, seconds = child(lambda path=path, report=report: tests([path], Executed(sources, report)), 1800)
        if code != 0:
            sys.exit(f"{path} fails without any mutant: pytest says {code}")
        known[path] = {"stamp": stamp, "tests": json.loads(report.read_text())}
        kept.write_text(json.dumps(known))
        print(f"{path}: {seconds:.1f} s", flush=True)
    return {name: found for file in known.values() for name, found in file["tests"].items()}


def telling(mutant: Mutant, known: dict[str, dict]) -> list[str]:
    """The room's tests, those first that execute the line, then the definition around it, then the module."""
    tree = ast.parse((ROOT / mutant.module).read_text())
    around = next(
        (range(n.lineno, n.end_lineno + 1) for n in tree.body if n.lineno <= mutant.line <= n.end_lineno), ()
    )
    own, ranked = set(files(ROOMS[mutant.room][1], "test_*.py")), []
    for name, found in known.items():
        lines = found["lines"].get(mutant.module, ())
        if name.partition("::")[0] in own:
            near = (mutant.line in lines, any(n in around for n in lines), bool(lines))
            ranked.append((-sum(near), found["seconds"], name))
    bodies = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    if any(n.body[0].lineno <= mutant.line <= n.end_lineno for n in bodies):
        ranked = sorted(r for r in ranked if r[0]) or sorted(ranked)
    else:  # what runs on import, any test of the room may notice
        ranked.sort(key=lambda r: r[1])
    return [name for *_, name in ranked]


def affordable(order: list[str], known: dict[str, dict], budget: float) -> list[str]:
    sums = itertools.accumulate(known[t]["seconds"] for t in order)
    return [t for t, spent in zip(order, sums, strict=True) if spent <= budget] or order[:1]


def attempt(mutant: Mutant, known: dict[str, dict], folder: Path, budget: float) -> dict:
    order = affordable(telling(mutant, known), known, budget)
    noticed = folder / f"noticed-{os.getpid()}"
    noticed.unlink(missing_ok=True)
    name = mutant.module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    finder = Replaced(name, str(ROOT / mutant.module), mutated(mutant))

    def work(chosen: list[str]) -> int:
        sys.meta_path.insert(0, finder)
        return tests(sorted({t.partition("::")[0] for t in chosen}), FirstFailure(chosen, known, noticed))

    code, seconds = 0, 0.0
    # most are noticed at once, without what collecting many files takes
    for chosen in filter(None, (order[:FIRST], order[FIRST:])):
        code, more = child(
            lambda chosen=chosen: work(chosen), PATIENCE * (5 + sum(known[t]["seconds"] for t in chosen))
        )
        seconds += more
        if code not in (0, 5):
            break
    outcome = (
        "timeout" if code is None else "survived" if code in (0, 5) else "killed"
    )  # 5: there was no test
    by = noticed.read_text() if noticed.exists() else "a crash" if code and code < 0 else ""
    before, after = ((ROOT / mutant.module).read_text().splitlines(), finder.text.splitlines())
    changed = mutant.line - 1
    if len(after) == len(before):
        changed = next((k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b), changed)
    return {
        "name": mutant.name,
        "outcome": outcome,
        "seconds": round(seconds, 2),
        "by": by,
        "before": before[changed].strip(),
        "after": after[changed].strip() if len(after) == len(before) else "(removed)",
    }


# --- the page


def page(results: dict[str, dict], mutants: list[Mutant], seed: int, taken: str) -> None:
    """The page of what was found; mutation.toml says which survivors are equivalent, and which have a test since.

    ``taken``: the commit of the sources that were changed, and its date.
    """
    said = tomllib.loads(REASONS.read_text()) if REASONS.exists() else {}
    same, since = said.get("equivalent", {}), said.get("killed since", {})
    limits = said.get("limits", {})
    rows, survivors = [], []
    for room in ROOMS:
        here = [results[m.name] for m in mutants if m.room == room and m.name in results]
        alive = [r for r in here if r["outcome"] == "survived"]
        keys = [
            f"{r['name'].partition(':')[0].removeprefix('diracgan/')}: {r['before']} -> {r['after']}"
            for r in alive
        ]
        counts = [
            len(here),
            len(here) - len(alive),
            sum(k in since for k in keys),
            sum(k in same for k in keys),
            sum(k in limits for k in keys),
        ]
        rows.append((room, *counts, len(alive) - sum(counts[2:])))
        survivors += [
            (
                k.partition(": ")[0]
                + ("" if stands(k.partition(": ")[0], r["before"]) else " (changed since)"),
                r["before"],
                r["after"],
                (same | since | {name: f"limit: {why}" for name, why in limits.items()}).get(k, "open"),
            )
            for k, r in zip(keys, alive, strict=True)
        ]
    rows.append(("all", *(sum(row[k] for row in rows) for k in range(1, 7))))
    total, open_ = rows[-1][1], rows[-1][6]
    slow = sum(results[m.name]["outcome"] == "timeout" for m in mutants if m.name in results)
    lines = [
        "# Mutation testing",
        "Does a test fail when a line is wrong? `python benchmarks/mutation.py` (its docstring says how) takes",
        f"places at random (seed {seed}, {len(mutants)} in all) in the ground floors, changes each by one of",
        "cosmic-ray's operators, and runs the room's own fast tests, the most telling first, until one fails",
        "or they have had `--seconds`, which were 3 to 20 of the tests' own.",
        f"A mutant that makes them use eight times as much processor time counts as killed ({slow} did), one that",
        "computes the same as equivalent. A limit bounds effort, and no test tells it from the next number:",
        f"a mutant of one is another program, and counts as not killed. {total} of the {len(mutants)} have been",
        "run; the next call of the script goes on with the rest.",
        "",
        f"The sources are those of commit {taken}; a line that is gone since is marked as changed.",
        "",
        "| room | run | killed | killed by tests written since | equivalent | limits | open "
        "| killed of what can be, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {n} | {a} | {b} | {c} | {d} | {e} | {o} | {100 * (b + c) / max(a - d, 1):.1f} |"
            for n, a, b, c, d, e, o in rows
        ),
        "",
        "## What survived",
        "",
        "| module | line | became | why no test noticed |",
        "| --- | --- | --- | --- |",
        *(f"| {m} | {code(a)} | {code(b)} | {why} |" for m, a, b, why in survivors),
    ]
    PAGE.write_text("\n".join(lines) + "\n")
    print(f"{total - open_} of {total} killed or equivalent, {open_} open: {PAGE}")


@functools.cache
def source(module: str) -> frozenset[str]:
    """The lines of a module as it is now, without their indentation."""
    path = ROOT / "diracgan" / module
    return frozenset(map(str.strip, path.read_text().splitlines())) if path.exists() else frozenset()


def stands(module: str, line: str) -> bool:
    """Whether a line that was changed is still in the code."""
    return line in source(module)


def code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    main()
