"""What every test shares: no display, reproducible draws, and a folder of its own for what writes files."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
# For the workers of pytest-xdist, which between them use every core already: small matrices gain nothing by threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Most of the suite's time is the compilation of programs that run for milliseconds; a third of that is LLVM's
# optimisation. `XLA_FLAGS= pytest` tests what users run, as .ci/full does.
# Its older emitters compile in 0.6 of the time, and in 0.8 of that where a program is not split among threads.
# jaxlib 0.12 has them no more, and an unknown flag ends the process.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    + " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    * version("jaxlib").startswith("0.10."),
)

import pytest
from hypothesis import settings

settings.register_profile("diracgan", derandomize=True, deadline=None)
settings.load_profile("diracgan")


def pytest_collection():
    """Look for no garbage among modules that are imported and rewritten: it took a quarter of that, in every worker."""
    gc.disable()


def pytest_collection_finish():
    """Look for garbage less often, and never among what imports have made: it was a twentieth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def exact_products():
    """On a GPU float32 products are TF32's, right to 1e-3, unless exact ones are asked for: tests ask for them."""
    import jax

    if jax.default_backend() == "gpu":
        jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(autouse=True, scope="session")
def quickly_compiled_c():
    """Ensembles' C compiles in a tenth of the time without optimisation, and is optimised where XLA's programs are."""
    if "optimization_level=0" in os.environ["XLA_FLAGS"]:
        from diracgan.ensemble import c_backend

        assert c_backend._FLAGS[0] == "-O3"
        c_backend._FLAGS = ("-O0", *c_backend._FLAGS[1:])


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Give back compiled programs before they fill a small machine's memory, 2 GB each worker, or a process's maps.

    Linux allows a process 65,530 maps.
    """
    yield
    maps, pages = Path("/proc/self/maps"), Path("/proc/self/statm")
    if "jax" not in sys.modules or not maps.exists():
        return
    resident = int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if resident > 2e9 or maps.read_bytes().count(b"\n") > 40_000:
        sys.modules["jax"].clear_caches()
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # glibc's alone keeps what has been freed
            ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture
def c_compiler():
    """What tests of compiled C ask for: they are skipped together, in one line, where there is no compiler.

    Where ``DIRACGAN_REQUIRE_C`` says that there is one, as .ci/run does, they fail instead. The processor is the
    default device meanwhile, also where JAX sees a GPU.
    """
    import jax

    from diracgan.ensemble import c_backend

    if not c_backend.available():
        missing = "no C compiler, or DIRACGAN_C=0: compiled C is not tested here"
        if os.environ.get("DIRACGAN_REQUIRE_C") == "1":
            pytest.fail(f"DIRACGAN_REQUIRE_C=1, but there is {missing}")
        pytest.skip(missing)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder, capsys):
    """Run a command in an empty folder: ``cli("eig", "-v", "ns")`` -> (exit code, stdout, stderr)."""
    from diracgan.cli.app import main

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(w) for w in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
