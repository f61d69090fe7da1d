"""What a reader meets is short, and no room asks which rule or loss it was given."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from sources import PACKAGE, modules, nodes

from diracgan.analysis.kinds import Kind, Outcome
from diracgan.analysis.linear.status import Status
from diracgan.comparison.from_scratch import TailKind
from diracgan.comparison.prediction import ModeKind
from diracgan.dynamics.motion_result import MotionResult
from diracgan.measure.forecast import ForecastStatus
from diracgan.rules import RULES
from diracgan.rules.optax import Optax
from diracgan.variants import VARIANTS

MODULES = modules()
TESTS = Path(__file__).parent
# Where a module is held that has no test file of its own and is imported by none: through what stands on it.
THROUGH = {
    "analysis/bifurcation/test_branch.py": ("bifurcation/born_path", "bifurcation/circle_branch"),
    "analysis/bifurcation/test_curves.py": ("bifurcation/critical_system",),
    "analysis/bifurcation/test_cycles.py": (*("bifurcation/cycle_points", "orbits/neighbours"),),
    "analysis/bifurcation/test_drawn_circles.py": ("bifurcation/circle_exponents",),
    "analysis/slow_flow/test_averaged.py": ("slow_flow/rotation",),
    "analysis/thresholds/test_critical.py": ("thresholds/status_intervals",),
    "analysis/thresholds/test_tune.py": ("thresholds/rate_search",),
    "analysis/verdict/test_judges.py": ("judges/periodic_orbits",),
    "analysis/verdict/test_verdict.py": ("verdict/api",),
    "cli/test_commands.py": ("cli/plot", "cli/train"),
    "comparison/test_comparison.py": ("cli/compare", "comparison/forecast_scores"),
    "contract/test_live_and_log.py": ("monitoring/pieces",),
    "dynamics/test_large_datum.py": ("tracing/sites",),
    "dynamics/test_compiled_loops.py": ("dynamics/loop_text",),
    "dynamics/test_flow.py": ("dynamics/simulate", "dynamics/starts"),
    "ensemble/test_bad_input.py": ("ensemble/schedule",),
    "cli/test_layer.py": ("reporting/tables",),
    "ensemble/test_fixed_steps.py": ("ensemble/blocks", "ensemble/loop_source"),
    "measure/test_measure.py": ("measure/leading", "measure/measured_game"),
    "measure/test_own_game.py": ("measure/jax_game",),
    "measure/test_torch_forecast.py": ("measure/torch_checkpoint",),
    "monitoring/readers/test_framework_logs.py": ("monitoring/clocks",),
    "monitoring/readers/test_readers.py": (
        *("readers/delimited", "readers/folders", "readers/json_lines", "readers/printed", "readers/table"),
    ),
    "monitoring/test_diagnose.py": ("monitoring/advice", "monitoring/prediction"),
    "plotting/test_drawing.py": (
        "plotting/averages",
        "plotting/critics",
        "plotting/laws",
        "plotting/portraits",
    ),
    "plotting/test_mends.py": ("plotting/cells",),
    "plotting/test_saving.py": ("plotting/animation",),
    "plotting/test_sizes.py": ("plotting/fitting",),
    "rules/test_multipliers.py": ("rules/adaptive", "rules/lookahead"),
    "rules/test_rules.py": ("rules/base", "rules/per_player"),
    "numerics/test_continuation.py": ("numerics/sign_changes",),
    "sweeps/test_sweep.py": ("sweeps/axes", "sweeps/quantities"),
    "tracing/test_scalar_program.py": ("tracing/scalarize",),
    "training/test_data.py": ("training/classifier", "training/data_files"),
    "training/test_runs.py": ("training/loop", "training/run"),
    "variants/test_parameters.py": ("variants/base", "variants/registry"),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_function_is_longer_than_sixty_lines(path):
    """The body: a signature and a docstring, which name every argument, are as long as the public function needs."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            assert not body or node.end_lineno - body[0].lineno < 60, node.name


def test_no_file_is_longer_than_five_hundred_lines():
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path


def test_the_tests_mirror_the_package():
    """One folder a room; ``contract`` (what every variant, rule and command keeps) and ``truth`` stand beside them."""
    beside = {"contract", "truth", "logs"}
    for folder in (p for p in TESTS.rglob("*") if p.is_dir() and p.name != "__pycache__"):
        room = folder.relative_to(TESTS)
        assert room.parts[0] in beside or (PACKAGE / room).is_dir(), room


def test_every_module_of_some_size_is_held_by_a_test_that_can_be_named():
    texts = {p.relative_to(TESTS).as_posix(): p.read_text(encoding="utf-8") for p in TESTS.rglob("test_*.py")}
    assert set(texts) >= set(THROUGH)
    through = {module for modules in THROUGH.values() for module in modules}
    there = {"/".join(path.relative_to(PACKAGE).with_suffix("").parts[-2:]) for path in MODULES}
    assert through <= there, "what has gone"
    for path in MODULES:
        module = path.relative_to(PACKAGE).with_suffix("")
        if path.name == "__init__.py" or len(path.read_text(encoding="utf-8").splitlines()) <= 125:
            continue
        package = ".".join(["diracgan", *module.parts[:-1]])
        named = rf"{package}\.{module.name}\b|from {package} import (\([^)]*|[^\n]*)\b{module.name}\b"
        if any(name.endswith(f"/test_{module.name}.py") for name in texts):
            continue
        if any(re.search(named, text) for text in texts.values()):
            continue
        short = "/".join(module.parts[-2:])
        assert short in through, f"{module}: no test names it; add one, or say in THROUGH which test holds it"


def test_every_room_computes_with_diracgans_own_settings_of_jax():
    """64 bits alone would leave a caller's other settings in force, and a bare key their random numbers."""
    for path in MODULES:
        if path.name != "jax_settings.py":
            called = {ast.unparse(n.func) for n in nodes(path) if isinstance(n, ast.Call)}
            assert not called & {"jax.enable_x64", "jax.random.key", "jax.random.PRNGKey"}, path


def test_no_room_asks_which_rule_or_loss_it_was_given():
    """What depends on it is a property of the class, so that one of a user's own has it too."""
    classes = {cls.__name__ for registry in (RULES, VARIANTS) for cls in map(registry.__getitem__, registry)}
    classes |= {Optax.__name__}
    names = {*RULES, *VARIANTS, "optax"}
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in ("rules", "variants"):
            continue
        for node in nodes(path):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "isinstance"
            ):
                asked = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                assert not asked & classes, f"{path}:{node.lineno}"
            if (
                isinstance(node, ast.Compare)
                and isinstance(node.left, ast.Attribute)
                and node.left.attr == "name"
            ):
                said = {n.value for c in node.comparators for n in ast.walk(c) if isinstance(n, ast.Constant)}
                assert not said & names, f"{path}:{node.lineno}"


def test_statuses_and_kinds_are_compared_with_members_of_their_lists():
    """A word that is misspelt, or has been renamed, would be a comparison that is never true."""
    lists = (Kind, Outcome, Status, ForecastStatus, MotionResult, ModeKind, TailKind)
    words = {word for vocabulary in lists for word in vocabulary}
    words -= {"ok"}  # also how a training ends, which is another list
    words -= {"neutral", "settles"}  # also names of the protocol's numbers
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.Compare):
                said = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
                assert not said & words, f"{path}:{node.lineno}"
            elif isinstance(node, ast.Dict):  # what is looked up by a status: two of its words at least
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                assert len(keys & words) < 2, f"{path}:{node.lineno}"


def test_powers_in_text_are_written_one_way():
    """t^-0.5, |phi|^2 and t^(-1/2), as people type them; only pictures and the page raise them."""
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in ("plotting", "web"):
            continue
        for said in texts(nodes(path)):
            assert not set(said) & set("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"), (path, said)
            assert not re.search(r"\^\([-−]?(\d+(\.\d+)?|[A-Za-z])\)", said), (path, said)


def texts(found):
    """What a module may say: its texts without docstrings."""
    bodies = (n.body for n in found if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef))
    silent = {id(b[0].value) for b in bodies if b and isinstance(b[0], ast.Expr)}
    said = (n for n in found if isinstance(n, ast.Constant) and id(n) not in silent)
    return [n.value for n in said if isinstance(n.value, str)]


def test_whoever_overrules_the_type_checker_says_why():
    """In a comment just above; a library that need not be installed speaks for itself."""
    bare = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for i, line in enumerate(lines):
            if re.search(r"# (type|pyright): ignore", line) and "reportMissingImports" not in line:
                if not any("# " in near for near in lines[max(0, i - 3) : i]):
                    bare.append(f"{path.relative_to(PACKAGE)}:{i + 1}")
    assert bare == []
