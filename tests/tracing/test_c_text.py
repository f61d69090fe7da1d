"""A scalar program in C gives what NumPy gives, also of what is no number."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.tracing import c_compiler
from diracgan.tracing.c_text import function
from diracgan.tracing.scalar_program import trace

pytestmark = pytest.mark.usefixtures("c_compiler")
HEAD = "#include <math.h>\n#include <stdint.h>\ntypedef double T;\n"
CALL = "\nvoid run(const double *x, double *out) { f(x, x, out); }\n"


def parts(x):
    whole = x.astype(jnp.int64) if x.dtype != bool else x
    return (
        jnp.sign(x),
        jnp.abs(x),
        jnp.maximum(x, 0.0),
        jnp.minimum(x, 0.0),
        jax.lax.clamp(-1.0, x, 1.0),
        x.astype(bool),
        jax.nn.relu(x),
        jnp.where(jnp.isfinite(x), jnp.sign(whole), 0),
    )


def test_operations_of_one_number_are_numpys():
    with jax.enable_x64(True):
        program = trace(parts, jnp.ones(()))
    run = c_compiler.loaded(HEAD + function("f", program, 0) + CALL, ["-O1", "-w"]).run
    for x in (np.nan, np.inf, -np.inf, -3.5, -0.3, 0.0, 0.3, 1.0, 256.0, 1e6):
        given, out = np.array([x]), np.zeros(len(program.outputs))
        run(*(ctypes.c_void_p(a.ctypes.data) for a in (given, out)))
        np.testing.assert_array_equal(out, np.array(program.on_host(given), float), err_msg=f"of {x}")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux alone lists what is loaded")
def test_a_library_is_unloaded_with_the_last_of_its_functions():
    gc.freeze()  # what other tests have left is not looked through three times

    def loaded() -> int:
        gc.collect()
        return Path("/proc/self/maps").read_text().count("kernel.so")

    before = loaded()
    one = c_compiler.loaded("int one(void) { return 1; }", []).one
    assert loaded() > before and one() == 1
    del one
    assert loaded() == before


ROWS = np.stack([np.linspace(0.0, 1.0, 100), np.linspace(-1.0, 2.0, 100)], axis=1)


def nested(x):
    """Two sums one behind the other, of which the second leaves rows out, and a term without a row."""

    def first(total, row):
        return (total[0] + jnp.exp(-row[0] * x), total[1] - x * row[1], total[2] + x), None

    a, b, c = jax.lax.scan(first, (0.5 * x, jnp.zeros(()), jnp.zeros(())), jnp.asarray(ROWS))[0]

    def second(total, row):
        return total + jnp.where(row[0] < 0.5, jnp.sin(a * row[1]), 0.0), None

    return a, b, c, jax.lax.scan(second, jnp.zeros(()), jnp.asarray(ROWS))[0]


def test_a_long_loop_that_adds_up_stays_a_sum_in_c_in_numpy_and_in_jax():
    with jax.enable_x64(True):
        program = trace(nested, jnp.ones(()))
        by_jax = [np.asarray(r) for r in program([jnp.array([0.7, 0.7])])]
    assert program.sums
    assert not program.on_arrays
    assert len(program.order) < 40
    x, (r, w) = 0.7, ROWS.T
    a = 0.5 * x + np.exp(-r * x).sum()
    want = [a, -x * w.sum(), 100 * x, np.sin(a * w[r < 0.5]).sum()]
    np.testing.assert_allclose(program.on_host([np.float64(x)]), want, rtol=1e-13)
    np.testing.assert_allclose(
        np.array([np.broadcast_to(y, 2) for y in program.on_host([np.array([x, x])])]).T,
        [want, want],
        rtol=1e-13,
    )
    np.testing.assert_allclose(np.array([np.broadcast_to(y, 2) for y in by_jax]).T, [want, want], rtol=1e-13)
    run = c_compiler.loaded(HEAD + function("f", program, 0) + CALL, ["-O1", "-w"]).run
    given, out = np.array([x]), np.zeros(4)
    run(*(ctypes.c_void_p(y.ctypes.data) for y in (given, out)))
    np.testing.assert_allclose(out, want, rtol=1e-13)


def test_equal_counts_take_one_power_and_others_their_own():
    """As of Adam, whose players count their steps."""
    with jax.enable_x64(True):
        counts = jnp.zeros((), jnp.int32)
        program = trace(lambda b, n, m: (b**n, b**m), jnp.ones(()), counts, counts)
    text = function("f", program, 0)
    assert text.count("==") == 1
    run = c_compiler.loaded(HEAD + text + CALL, ["-O1", "-w"]).run
    for n, m in ((3, 3), (3, 5), (0, 7)):
        given, out = np.array([0.9, n, m]), np.zeros(2)
        run(*(ctypes.c_void_p(y.ctypes.data) for y in (given, out)))
        np.testing.assert_allclose(out, [0.9**n, 0.9**m], rtol=1e-15)


def test_the_power_that_is_written_first_is_the_one_that_others_take():
    """Whatever the program's order: here the first one waits for a sum."""

    def powers(b, n, rows):
        total = jax.lax.scan(lambda t, x: (t + jnp.sin(b * x), None), jnp.zeros(()), rows)[0]
        return b ** (n + (total > 0).astype(jnp.int32)), b**n

    with jax.enable_x64(True):
        rows = jnp.linspace(0.0, 1.0, 400)
        program = trace(lambda b, n: powers(b, n, rows), jnp.ones(()), jnp.zeros((), jnp.int32))
    run = c_compiler.loaded(HEAD + function("f", program, 0) + CALL, ["-O1", "-w"]).run
    given, out = np.array([0.9, 3.0]), np.zeros(2)
    run(*(ctypes.c_void_p(y.ctypes.data) for y in (given, out)))
    np.testing.assert_allclose(out, [0.9**4, 0.9**3], rtol=1e-15)


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Commands of the compiler so far, whose code is kept in ``tmp_path/kept``."""
    monkeypatch.setenv(c_compiler.FOLDER, str(tmp_path / "kept"))
    commands = []
    monkeypatch.setattr(
        c_compiler.children,
        "call",
        lambda words, timeout, call=c_compiler.children.call: commands.append(words) or call(words, timeout),
    )
    return commands


def made(source: str, *flags: str) -> int:
    return c_compiler.loaded(f"int one(void) {{ return {source}; }}", flags).one()


def test_compiled_code_is_kept_by_all_that_it_follows_from(compiled, tmp_path, monkeypatch):
    assert made("7") == made("7") == 7 and len(compiled) == 1
    assert made("8") == 8 and made("7", "-O1") == 7 and len(compiled) == 3
    assert made("7", "-march=native") == made("7", "-march=native") == 7 and len(compiled) == 5
    kept = sorted((tmp_path / "kept").iterdir())
    assert len(kept) == 3, "what is made for one processor is not kept"
    gc.collect()  # what is still loaded is not read again
    for file in kept:
        file.unlink()
        file.write_bytes(b"cut off")
    assert made("7") == 7 and len(compiled) == 6
    monkeypatch.setattr(c_compiler, "_MOST", 2)
    assert made("9") == 9
    assert len(list((tmp_path / "kept").iterdir())) == 2
    monkeypatch.setenv(c_compiler.FOLDER, "0")
    assert made("9") == 9 and len(compiled) == 8


def cut(kept: Path) -> None:
    """Half of the file: the loader maps it and dies of a bus error."""
    kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])


def another_answer(kept: Path) -> None:
    """Whose sevens are nines."""
    code = kept.read_bytes()
    kept.write_bytes(code.replace((7).to_bytes(4, sys.byteorder), (9).to_bytes(4, sys.byteorder)))


def of_another_source(kept: Path) -> None:
    """Whole, but under the name of another."""
    assert made("8") == 8
    (other,) = set(kept.parent.iterdir()) - {kept}
    other.replace(kept)


def written_by_all(kept: Path) -> None:
    kept.chmod(0o666)


def in_a_folder_of_all(kept: Path) -> None:
    kept.parent.chmod(0o777)


def loaded_by_another_user(kept: Path) -> None:
    c_compiler.os.geteuid = lambda: kept.stat().st_uid + 1


@pytest.mark.skipif(os.name != "posix", reason="of users and rights of POSIX")
@pytest.mark.parametrize(
    "spoil",
    [cut, another_answer, of_another_source, written_by_all, in_a_folder_of_all, loaded_by_another_user],
)
def test_kept_code_that_is_damaged_or_may_be_another_s_is_not_loaded(spoil, compiled, tmp_path, monkeypatch):
    monkeypatch.setattr(c_compiler.os, "geteuid", os.geteuid)  # set back at the end
    assert made("7") == 7
    gc.collect()  # what is still loaded is not read again
    (kept,) = (tmp_path / "kept").iterdir()
    spoil(kept)
    before = len(compiled)
    assert made("7") == 7
    assert len(compiled) == before + 1


def test_large_code_is_not_kept(compiled, tmp_path, monkeypatch):
    monkeypatch.setattr(c_compiler, "_BYTES", 100)
    assert made("7") == 7
    assert list((tmp_path / "kept").iterdir()) == []
