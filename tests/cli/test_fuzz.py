"""Random words from every command's own options: an answer or one line, never a traceback, never a file left behind."""

from __future__ import annotations

import random

import pytest
from selection import slow_but

from diracgan.cli.app import COMMANDS, load

# Words that make a command cheap, or stop it where only a long computation would come after.
FIXED = {
    "compare": ["--tier", "nothing"],
    "prescribe": ["nothing"],
    "forecast": ["nothing"],
    "figures": ["--only", "nothing"],
    "poster": ["nothing"],
    "card": ["nothing"],
    "explore": ["--file", "nothing.py"],
    "page": ["-v", "nothing"],
    "train": ["dirac", "--steps", "2", "--width", "2"],
    "report": ["ns", "--verdicts", "none", "--jobs", "1"],
    "map": ["bifurcation", "lr=0.1,0.2", "-v", "ns", "--rule", "simultaneous", "--steps", "5"],
    "sweep": ["lr=0.1,0.2", "-v", "ns", "--rule", "simultaneous"],
    "critical": ["r1", "-v", "ns"],
    "attractors": ["ns", "--starts", "2", "--steps", "1024"],
    "bifurcation": ["ns", "--over", "gamma=0:1"],
    "tune": ["r1", "-v", "ns"],
    "explain": ["ns"],
    "diagnose": ["log.csv"],
    "watch": ["log.csv", "--once"],
    "compare-variants": ["ns", "--effort", "0.1"],
    "verdict": ["-v", "wgan-linear", "--effort", "0.1"],
    "ema": ["--omega", "0.3"],
    "averaged": ["wgan-linear", "--rule", "adam"],
    "list": [],
    "bench": ["--only", "nothing"],
}
HUGE = ["4000000000", "99999999999999999999999", "1" * 5000]
NUMBERS = [
    "0",
    "-1",
    "1e308",
    "-1e308",
    "1e-308",
    "nan",
    "inf",
    "-inf",
    "0.1",
    "1",
    "2",
    "",
    "x",
    "1,5",
    "\u0663",
]
WORDS = [
    *(
        "",
        "::",
        ":",
        "=",
        "a=1",
        "a=,",
        "ns",
        "ns:r1=1",
        "nothing",
        "1",
        "0.1,0.2",
        "1,nan",
        "1e308,1",
        ",",
        "\x00",
    ),
    *(
        "no/such/folder/a.png",
        "a.png",
        "a.csv",
        "a.zarr",
        ".",
        "/dev/null",
        "*",
        "-",
        "\u00e9",
        "text",
        "json",
        "true",
    ),
]


def words(seed: int) -> list[str]:
    """One call, reproducible from its seed."""
    draw = random.Random(seed)
    name = COMMANDS[seed % len(COMMANDS)]
    said = [name, *FIXED.get(name, ["-v", "wgan-linear"])]
    options = [p for p in load(name).params if p.param_type_name == "option" and "--help" not in p.opts]
    for p in draw.sample(options, min(len(options), draw.choice((0, 1, 1, 2, 3)))):
        if getattr(p, "is_flag", False):
            if "--show" not in p.opts:
                said.append(draw.choice(p.opts))
            continue
        number = any(kind in p.type.name for kind in ("int", "float"))
        # a value that only takes long is not bad: what counts steps is small, or larger than anything allowed
        value = draw.choice(HUGE + NUMBERS if number else WORDS)
        said += [draw.choice(p.opts), value]
    return said


def check(cli, folder, seed: int) -> None:
    (folder / "log.csv").write_text("step,d\n" + "\n".join(f"{k},{(k * k) % 17}" for k in range(40)))
    said = words(seed)
    code, _, err = cli(*said)
    assert code in (0, 1, 2), (said, code, err)
    assert "a bug in diracgan" not in err, (said, err)
    assert "Traceback" not in err, (said, err)
    if code == 2:
        assert err.count("\n") == 1, (said, err)
    left = {p.name for p in folder.iterdir()}
    named = {word.rstrip("/") for word in said} | {"log.csv", "run", "compare-variants.png"}
    assert {n for n in left - named if not (n.endswith(".png") and n[0] != ".")} == set(), (said, left)
    if code == 2 and said[0] != "train":
        assert left == {"log.csv"}, (said, left)


@pytest.mark.parametrize("seed", slow_but(range(50), *range(0, 50, 4)))
def test_fifty_calls(cli, folder, seed):
    check(cli, folder, seed)


@pytest.mark.slow  # fast, of other seeds: the test above
@pytest.mark.parametrize("block", range(40))
def test_two_thousand_calls(cli, tmp_path, monkeypatch, block):
    print(f"seeds from {50 + 50 * block}")
    for seed in range(50 + 50 * block, 100 + 50 * block):
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        check(cli, folder, seed)
