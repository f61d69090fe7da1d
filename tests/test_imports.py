"""Data flows one way: a module imports only what stands before it. And what is light stays light."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from sources import PACKAGE, modules, nodes

import diracgan

# A room may import from the rooms before it and from itself; those of one line stay apart.
ORDER = (
    {
        "children",
        "errors",
        "jax_settings",
        "lazy",
        "outside_values",
        "processes",
        "progress",
        "records",
        "vocabulary",
    },
    {"files", "memory", "numerics", "parameters", "pytrees", "registry"},
    {"locks"},
    {"variants"},
    {"tracing"},
    {"instance_noise"},
    {"game"},
    {"dirac"},
    {"rules"},
    {"dynamics"},
    {"analysis", "training"},
    {"ensemble", "measure"},
    {"sweeps", "monitoring"},
    {"comparison"},
    {"plotting"},
    {"gallery", "reporting"},
    {"web"},
    {"cli"},
    {"__main__"},
)
RANK = {name: i for i, names in enumerate(ORDER) for name in names}
# What measures must not know the prediction.
FORBIDDEN = {"training": {"dirac", "analysis"}, "measure": {"dirac", "analysis", "ensemble"}}


def imports(path: Path) -> set[str]:
    """The modules of this package that ``path`` imports, by their dotted names without ``diracgan.``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    here = ["diracgan", *parts] if parts[-1] != "__init__" else ["diracgan", *parts[:-1], ""]
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{source}.{a.name}" for a in node.names} if source == "diracgan" else {source}
    return {name.removeprefix("diracgan.") for name in found if name.startswith("diracgan.")}


def imported(path: Path, known: set[str]) -> set[str]:
    """The modules, of all those ``known``, that ``path`` imports, whole or names out of them."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            source = ".".join([*parts[: len(parts) - node.level], *filter(None, [node.module])])
            whole = {f"{source}.{a.name}".lstrip(".") for a in node.names}
            found |= whole & known or {source}
    return found & known


def room(dotted: str) -> str:
    return dotted.split(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_arrow_runs_back(path):
    own = room(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."))
    if own == "__init__":
        return  # names every room, imports none: see the tests below
    assert own in RANK, f"{own} has no place in the order of rooms; give it one"
    for target in imports(path):
        there = room(target)
        if there in (own, "__version__"):
            continue
        assert there in RANK, f"{path.name} imports {target}, which has no place in the order of rooms"
        assert RANK[there] < RANK[own], f"{own} must not import {target}: data flows one way"
        assert there not in FORBIDDEN.get(own, ()), f"{own} must not stand on {target}"


# Inside the analysis too: from the bottom up.
ANALYSIS = (
    {"kinds", "dynamical_system", "decision_thresholds"},
    {"linear", "run_ends"},
    {"orbits"},
    {"many_runs"},
    {"basins"},
    {"slow_flow"},
    {"explain"},
    {"verdict"},
    {"bifurcation", "catalogue_report"},
    {"thresholds"},
)


def test_no_arrow_runs_back_inside_the_analysis():
    rank = {name: i for i, names in enumerate(ANALYSIS) for name in names}
    for path in modules():
        own = path.relative_to(PACKAGE).with_suffix("").parts
        if own[0] != "analysis" or own[1] == "__init__":
            continue
        assert own[1] in rank, f"{own[1]} has no place in the order of the analysis; give it one"
        for target in imports(path):
            there = target.split(".")
            if there[0] == "analysis" and len(there) > 1 and there[1] != own[1]:
                assert rank[there[1]] < rank[own[1]], f"{'.'.join(own)} must not import {target}"


def test_no_arrows_make_a_circle():
    names = {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p for p in modules()
    }
    needs = {name: imported(path, set(names)) - {name} for name, path in names.items()}
    assert sum(map(len, needs.values())) > len(names)
    assert list(TopologicalSorter(needs).static_order())  # CycleError names a circle


def test_matplotlib_lives_in_plotting_and_gallery_alone():
    for path in modules():
        names = {a.name for n in nodes(path) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module for n in nodes(path) if isinstance(n, ast.ImportFrom) and n.module and not n.level}
        if any(n.split(".")[0] == "matplotlib" for n in names):
            assert path.relative_to(PACKAGE).parts[0] in ("plotting", "gallery"), path


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after ``code``."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"jax", "numpy", "scipy", "matplotlib", "diffrax", "equinox", "xarray", "sympy", "pandas"}


def test_importing_the_package_is_free():
    assert not loaded_after("import diracgan; dir(diracgan); diracgan.__version__") & HEAVY


def test_help_imports_nothing_heavy():
    assert not loaded_after("from diracgan.cli.app import main; main(['--help'])") & HEAVY


def test_help_of_a_command_imports_nothing_heavy():
    words = [[command, "--help"] for command in ("plot", "simulate", "eig", "figures", "list")]
    code = f"from diracgan.cli.app import main; assert not any(main(w) for w in {words!r})"
    assert not loaded_after(code) & HEAVY


def test_one_picture_needs_no_heavy_machinery(tmp_path):
    words = ["plot", "--variant", "wgan-gp", "--c", "0", "--out", str(tmp_path / "a.png")]
    loaded = loaded_after(f"from diracgan.cli.app import main; assert main({words!r}) == 0")
    unwanted = {"diffrax", "equinox", "xarray", "pandas", "sympy", "optax", "matplotlib.pyplot"}
    assert not loaded & unwanted


def test_reporting_needs_no_jax():
    assert "jax" not in loaded_after("import diracgan.reporting")


def test_a_package_is_found_by_any_import_though_a_function_has_its_name():
    """``import a.b.c as x`` reads attributes: in place of a package, its function would hide all that is in it."""
    names = {
        ".".join(("diracgan", *p.parent.relative_to(PACKAGE).parts)) for p in PACKAGE.rglob("__init__.py")
    }
    verdict = PACKAGE / "analysis" / "verdict"
    names |= {
        ".".join(("diracgan", *p.relative_to(PACKAGE).with_suffix("").parts))
        for p in verdict.rglob("[!_]*.py")
    }
    assert "diracgan.analysis.verdict.judges.trends" in names
    for name in sorted(names):
        found = {}
        exec(f"import {name} as package", found)
        assert found["package"] is importlib.import_module(name), name


def test_a_package_that_is_called_has_the_help_of_its_function_and_goes_to_other_processes():
    from diracgan.analysis.verdict.api import verdict

    assert diracgan.verdict.__doc__ == verdict.__doc__
    assert inspect.signature(diracgan.verdict) == inspect.signature(verdict)
    assert pickle.loads(pickle.dumps(diracgan.verdict)) is diracgan.verdict


def test_settings_of_jax_are_left_alone():
    import jax

    loaded_after(
        "import jax; before = dict(jax.config.values); import diracgan as dg;"
        "(dg.spectrum, dg.simulate, dg.ensemble); import diffrax; dg.variant('ns');"
        "assert dict(jax.config.values) == before;"
        "import jax.numpy as jnp; assert jnp.ones(1).dtype == 'float32'"
    )
    # what is imported is all here by now; an answer changes as little
    before, v = dict(jax.config.values), diracgan.variant("wgan-linear")
    diracgan.spectrum(v)
    for backend in ("diffrax", "scipy"):
        diracgan.simulate(v, t1=1.0, backend=backend)
    assert dict(jax.config.values) == before


@pytest.mark.slow  # an answer in an interpreter where nothing has been asked before
def test_settings_of_jax_are_left_alone_by_the_first_answer():
    loaded_after(
        "import jax; before = dict(jax.config.values); import diracgan as dg; v = dg.variant('ns'); dg.spectrum(v);"
        "dg.simulate(v, t1=1.0); dg.simulate(v, t1=1.0, backend='scipy'); assert dict(jax.config.values) == before"
    )


def test_public_names_are_there():
    for name in diracgan.__all__:
        assert getattr(diracgan, name) is not None
    assert set(diracgan.__all__) == set(dir(diracgan))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        diracgan.nothing  # noqa: B018


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("", marks=pytest.mark.slow),
        pytest.param("import diracgan.variants; ", marks=pytest.mark.slow),
        "from diracgan.variants import ns_; ",
    ],
)
def test_a_package_that_is_a_public_function_answers_to_both(first):
    first = first.replace("from diracgan.variants import ns_", "from diracgan.variants import variant")
    loaded_after(
        f"{first}import diracgan as dg; assert 'ns' in dg.variants(); dg.variant('ns');"
        "assert 'ns' in dg.variants(); import diracgan.variants as v; assert v.parse and 'ns' in v()"
    )
