"""A name means one thing: no two classes of the package share theirs."""

import ast
from collections import defaultdict

from sources import PACKAGE, modules, nodes


def test_no_two_classes_share_a_name():
    homes = defaultdict(list)
    for path in modules():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}
