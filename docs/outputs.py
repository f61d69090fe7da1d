"""The output blocks of the pages: ``python docs/outputs.py PAGE...`` writes them anew from what their code prints.

An output block stands under a block of Python or of one command; a page without one is not changed.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

BLOCK = re.compile(
    r'^```(python|sh)(?:[^\n]*title="([^"]+)")?[^\n]*\n(.*?)^```\n(?:\n```output\n(.*?)^```\n)?',
    re.DOTALL | re.MULTILINE,
)


def runs(text: str, command: Callable[[str], str]) -> Iterator[tuple[re.Match[str], str]]:
    """Run a page's blocks in order, in the current folder: each block, and what it printed.

    Args:
        text: the page.
        command: runs one line of the shell, and returns what it printed.
    """
    space: dict[str, object] = {"__name__": "docs"}
    for block in BLOCK.finditer(text):
        language, title, code = block[1], block[2], block[3]
        printed = io.StringIO()
        if title:
            Path(title).write_text(code, encoding="utf-8")
        elif language == "python":
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "<docs>", "exec", dont_inherit=True), space)
        else:
            printed.writelines(command(line) for line in code.splitlines())
        yield block, printed.getvalue()


def main(pages: list[str]) -> None:
    """Write the output blocks of these pages anew."""
    import shlex
    import tempfile

    from diracgan.cli.app import main as program

    def command(line: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert program(shlex.split(line)[1:]) == 0, line
        return said.getvalue()

    for page in map(Path, pages):
        text, at, new = page.read_text(encoding="utf-8"), 0, ""
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for block, printed in runs(text, command):
                if block[4] is not None:
                    new += text[at : block.start(4)] + printed.rstrip() + "\n"
                    at = block.end(4)
        page.write_text(new + text[at:], encoding="utf-8")


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="+", metavar="PAGE", type=Path)
    asked = parser.parse_args().pages
    for page in asked:
        if not page.is_file():
            parser.error(f"{page} is not a file")
    main([str(page.resolve()) for page in asked])
