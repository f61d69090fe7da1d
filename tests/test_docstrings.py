"""Every public name is documented, and every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import diracgan
from diracgan.rules import RULES
from diracgan.training.problems import PROBLEMS
from diracgan.training.tricks import TRICKS
from diracgan.variants import VARIANTS

NAMES = sorted(
    m.name for m in pkgutil.walk_packages(diracgan.__path__, "diracgan.") if "__main__" not in m.name
)
PACKAGE = Path(diracgan.__file__).parent
REGISTRIES = (VARIANTS, RULES, PROBLEMS, TRICKS)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


# seconds each; the tests of the same module run the same in the fast suite
LONG = (
    "diracgan.analysis.bifurcation.adaptive_chart",
    "diracgan.analysis.bifurcation.atlas",
    "diracgan.analysis.bifurcation.attractors",
    "diracgan.analysis.bifurcation.branch",
    "diracgan.analysis.bifurcation.circle_branch",
    "diracgan.analysis.bifurcation.circles",
    "diracgan.analysis.bifurcation.curves",
    "diracgan.analysis.bifurcation.cycles",
    "diracgan.analysis.bifurcation.rotating",
    "diracgan.analysis.bifurcation.threshold",
    "diracgan.analysis.explain.explanation",
    "diracgan.analysis.orbits.lyapunov",
    "diracgan.analysis.slow_flow.averaged",
    "diracgan.analysis.slow_flow.sized",
    "diracgan.analysis.thresholds.tune",
    "diracgan.dynamics.flow",
    "diracgan.dynamics.store",
    "diracgan.measure.critical_setting",
    "diracgan.measure.equilibria",
    "diracgan.measure.forecast",
    "diracgan.measure.noise",
    "diracgan.numerics.gaussian_mean",
    "diracgan.numerics.normal_form",
    "diracgan.numerics.stroboscopic",
    "diracgan.plotting.atlas",
    "diracgan.plotting.branches",
    "diracgan.plotting.maps",
    "diracgan.plotting.slow_flow",
    "diracgan.rules.adaptive",
    "diracgan.rules.implicit",
    "diracgan.rules.optax",
    "diracgan.sweeps.linear",
    "diracgan.sweeps.maps",
    "diracgan.sweeps.sweep",
    "diracgan.training.architecture",
    "diracgan.training.games",
    "diracgan.training.latent",
    "diracgan.training.metrics",
    "diracgan.training.networks",
    "diracgan.training.runs",
    "diracgan.web.scene",
)


@pytest.mark.parametrize(
    "name", ["diracgan", *(pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in NAMES)]
)
def test_examples_run(name, folder, monkeypatch):
    if name == "diracgan.web.widget":
        pytest.importorskip("anywidget", reason="the extra explore is not installed")
    if name.startswith("diracgan.measure.torch_"):
        pytest.importorskip("torch", reason="the extra torch is not installed")
    module = importlib.import_module(name)
    for registry in REGISTRIES:  # what an example registers ends with it
        monkeypatch.setattr(registry, "entries", dict(registry.entries))
    assert inspect.getdoc(module), f"{name} has no docstring"
    failed, _ = doctest.testmod(module, optionflags=OPTIONS)
    assert not failed


@pytest.mark.parametrize("name", sorted(set(diracgan.__all__) - {"__version__"}))
def test_public_names_have_an_example(name):
    thing = getattr(diracgan, name)
    doc = inspect.getdoc(thing) or ""
    assert doc, f"{name} has no docstring"
    if not inspect.ismodule(thing):
        assert "Example:" in doc, f"{name} shows no example"


REFERENCE = re.compile(r":(?:func|class|mod|meth|attr|data|exc):`~?(diracgan[.\w]*|\.+[\w.]+)`")


def test_what_a_docstring_refers_to_is_there():
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        package = ".".join(["diracgan", *path.relative_to(PACKAGE).parent.parts])
        for found in REFERENCE.finditer(text):
            if not exists(importlib.util.resolve_name(found[1], package)):
                missing.append(
                    f"{path.relative_to(PACKAGE)}:{text.count(chr(10), 0, found.start()) + 1} {found[1]}"
                )
    assert missing == []


def exists(name: str) -> bool:
    """Whether a dotted name leads to a module, something in it, or a field that a class declares."""
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        owner, _, field = name.rpartition(".")
        try:
            return field in getattr(pkgutil.resolve_name(owner), "__annotations__", {})
        except (AttributeError, ImportError, ValueError):
            return False
    return True
