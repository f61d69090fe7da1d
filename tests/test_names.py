"""A name means one thing: no two classes of the package share theirs."""

import ast
from collections import defaultdict
from pathlib import Path

import diracgan

PACKAGE = Path(diracgan.__file__).parent


def test_no_two_classes_share_a_name():
    homes = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}
