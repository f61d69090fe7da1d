"""The loops in compiled C are XLA's, and closed forms'."""

from __future__ import annotations

import ctypes
import ctypes.util
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan import dirac
from diracgan.analysis.dynamical_system import DiscreteSystem, map_along
from diracgan.dynamics import compiled_loops, event_loop as event_loop_room, loop_text, switchings
from diracgan.dynamics.engines import TimeSpan
from diracgan.dynamics.event_loop import event_loop
from diracgan.dynamics.filippov import DiracSystem
from diracgan.dynamics.regimes import integrate
from diracgan.game import Players
from diracgan.tracing import c_compiler, c_text
from diracgan.tracing.host import along, program_of
from diracgan.tracing.source_text import NotWritable

pytestmark = pytest.mark.usefixtures("c_compiler")


def system_of(variant: dg.Variant, dim: int) -> DiracSystem:
    return DiracSystem(*dirac.cast((variant, np.zeros(dim), Players(1.0, 1.0)), jnp.float64), tau=None)


class Rooted(dg.Variant):
    """phi' = -theta - 3/2 sqrt|f| sign(f) theta, theta' = phi: no value on the far side of the branch f > 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake + jnp.abs(fake) ** 1.5)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


@pytest.mark.parametrize(
    "variant",
    [
        dg.variant("ns"),
        pytest.param(
            dg.variant("hinge"), marks=pytest.mark.slow
        ),  # crossings: those of the box and of the root
        dg.variant("wgan-clip"),
        Rooted(),
    ],
    ids=str,
)
def test_a_flow_in_c_is_that_of_xla_through_its_switchings(variant, monkeypatch):
    span = TimeSpan(0.0, 6.0, np.linspace(0.0, 6.0, 50), 1e-11, 1e-14)
    with jax.enable_x64(True):
        system = system_of(variant, 2)
        start = Players(np.array([0.3, -1.5]), np.array([0.4, 1.1]))
        y = np.concatenate([np.asarray(p) for p in dirac.game(system.variant, system.x0).project(start)])
        assert compiled_loops.flow_loop(system, switchings.start(system, y), 4) is not None
        here = integrate(event_loop, system, y, span)
        monkeypatch.setenv("DIRACGAN_C", "0")
        there = integrate(event_loop, system, y, span)
    assert np.allclose(here.ys, there.ys, rtol=1e-9, atol=1e-11)
    assert [what for _, what in here.events] == [what for _, what in there.events]
    assert np.allclose([t for t, _ in here.events], [t for t, _ in there.events], rtol=1e-9)


def test_a_step_of_what_is_too_long_for_c_counts_as_many(monkeypatch):
    # a budget of steps is one of time: XLA's loop over branches takes a hundred times as long a step
    with jax.enable_x64(True):
        system, y = system_of(dg.variant("wgan-clip"), 1), np.array([0.003, 0.4])
        regime = switchings.start(system, y)
        span = TimeSpan(0.0, 0.03, np.array([0.03]), 1e-11, 1e-14)
        monkeypatch.setattr(event_loop_room, "flow_loop", lambda *_, **__: None)
        dear = event_loop(system, regime, y, span)
        few = event_loop(system, regime, y, span._replace(steps=dear.steps // 2))
        monkeypatch.setenv("DIRACGAN_C", "0")  # there every flow takes as long
        cheap = event_loop(system, regime, y, span)
    assert dear.steps == 100 * cheap.steps > 100 and np.array_equal(dear.y, cheap.y)
    assert few.failure == "max steps" and few.steps < dear.steps


def test_a_surface_once_crossed_is_crossed_within_the_loop(monkeypatch):
    """a = b = 1 + 0.3 sgn(s): r stays, and the angle turns at 1.3 where s > 0 and at 0.7 where s < 0.

    Both losses switch on s = 0. A full turn takes pi/1.3 + pi/0.7; after a hundred the start is there again.
    """

    class Quadrants(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake + 0.3 * jnp.abs(fake))

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake + 0.3 * jnp.abs(fake))

    turn, start, asked = np.pi / 1.3 + np.pi / 0.7, np.array([0.5, 0.4]), []
    settle = switchings.settle
    monkeypatch.setattr(switchings, "settle", lambda *given: asked.append(given[-1]) or settle(*given))
    with jax.enable_x64(True):
        system = system_of(Quadrants(), 1)
        found = integrate(event_loop, system, start, TimeSpan(0.0, 100 * turn, np.zeros(0), 1e-12, 1e-15))
    assert found.result == "ok" and np.allclose(found.y, start, atol=1e-7)
    assert len(found.events) == 400 and {what for _, what in found.events} == {"crossing"}
    assert found.passed >= 396 and len(asked) == 400 - found.passed
    first = (np.pi / 2 - np.arctan2(0.4, 0.5)) / 1.3  # to phi = 0
    times = np.array([t for t, _ in found.events])
    assert np.allclose(times[::4], first + turn * np.arange(100), atol=1e-8)


def test_a_rotation_and_its_neighbours_turn():
    """wgan-linear: phi' = -theta, theta' = phi, so that the flow of a time T is the rotation by T."""
    with jax.enable_x64(True):
        loop = compiled_loops.flow_loop(system_of(dg.variant("wgan-linear"), 1), None, 2, neighbours=2)
        assert loop is not None
        start = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])  # the state, and both unit vectors beside it
        end, _ = compiled_loops.follow(loop, start, (0.0, 7.0), np.zeros(0), (1e-12, 1e-300), 10_000)
    c, s = np.cos(7.0), np.sin(7.0)
    assert end.t == 7.0 and np.allclose(end.y, [c, s, c, s, -s, c], atol=1e-10)


def test_a_blow_up_ends_at_its_time():
    """phi' = phi^2 (the loss -phi^3/3 of the datum 1) from 1 is 1/(1 - t)."""

    class Cubic(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(real**3) / 3

        def generator_loss(self, real, fake, x_real, x_fake):
            return 0.0 * jnp.mean(fake)

    with jax.enable_x64(True):
        system = system_of(Cubic(), 1)._replace(x0=jnp.ones(1))
        out = integrate(
            event_loop, system, np.array([1.0, 0.0]), TimeSpan(0.0, 2.0, np.array([0.5]), 1e-11, 1e-14)
        )
    assert out.result == "diverged" and out.t == pytest.approx(1.0, abs=1e-8)
    assert out.ys[0, 0] == pytest.approx(2.0, rel=1e-9)


@pytest.mark.parametrize("name", ["alternating", "adam", "extragradient", "heavy-ball"])
def test_iterations_in_c_are_those_of_xla(name, monkeypatch):
    with jax.enable_x64(True):
        stable = dg.variant("ns").with_(r1=1.0)
        motion = DiscreteSystem(system_of(stable, 2), dg.rule(name, lr=0.1))
        state = motion.begin(np.array([0.3, -0.1]), np.array([0.4, 0.2]))
        assert compiled_loops.rule_loop(motion.system, motion.rule, state) is not None
        here = motion.advance(state, 0.0, 500.0, 1)
        monkeypatch.setenv("DIRACGAN_C", "0")
        there = motion.advance(state, 0.0, 500.0, 1)
    assert here.result == there.result == "ok" and np.allclose(here.zs, there.zs, rtol=1e-10, atol=1e-13)
    for a, b in zip(jax.tree.leaves(here.end), jax.tree.leaves(there.end), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype and np.allclose(a, b, rtol=1e-10, atol=1e-13)


def test_long_stretches_go_on_where_they_were_left_and_tell_the_first_bad_step(monkeypatch):
    """Simultaneous steps of h on wgan-linear grow by sqrt(1 + h^2): 1e150 is passed after 150 log(10)/log of it."""
    monkeypatch.setattr(compiled_loops, "_CHUNK", 70)
    growth = 0.5 * np.log(1 + 0.5**2)
    with jax.enable_x64(True):
        motion = DiscreteSystem(system_of(dg.variant("wgan-linear"), 1), dg.rule("simultaneous", lr=0.5))
        state = motion.begin(np.array([1.0]), np.array([0.0]))
        fine, far = (motion.advance(state, 0.0, 1024.0 * k, 1) for k in (1, 4))
    assert np.allclose(np.log(np.linalg.norm(fine.zs, axis=1)), growth * fine.t, rtol=1e-12)
    passed = 150 * np.log(10) / growth
    assert far.result == "diverged" and passed <= far.when < passed + 8  # the larger coordinate, as it turns


def test_the_stretching_of_a_turning_contraction_is_its_modulus():
    """wgan-gp c = 0 in steps of h: M = I + h [[-lam, -1], [1, -lam]], both multipliers of modulus |1 + h(i - lam)|."""
    with jax.enable_x64(True):
        motion = DiscreteSystem(
            system_of(dg.variant("wgan-gp", c=0.0, lam=0.5), 1), dg.rule("simultaneous", lr=0.1)
        )
        given, flat = (motion.system, motion.long_run), np.array([1e-3, 2e-3])
        logs = compiled_loops.stretching_loop(map_along, given, flat, 200, 10)
    jacobian = np.eye(2) + motion.jacobian(flat)
    assert logs is not None and np.allclose(np.sum(logs, axis=1), np.log(np.linalg.det(jacobian)), rtol=1e-9)


def _of_matrix(given, x, way):
    return given[0] @ x - x, given[0] @ way - way


@pytest.mark.parametrize("moduli", [(1.2, 1.0, 0.9), (3.0, 1.0, 1e-5), (2.0, 0.5, 1e-14)])
def test_directions_that_contract_at_once_keep_their_stretching(moduli):
    """Of a skew basis: after three steps at 1e-5, and one at 1e-14, nothing would be left of the last direction."""
    basis = np.array([[1.0, 0.4, -0.3], [0.2, 1.0, 0.5], [-0.1, 0.3, 1.0]])
    matrix = basis @ np.diag(moduli) @ np.linalg.inv(basis)
    with jax.enable_x64(True):
        logs = compiled_loops.stretching_loop(_of_matrix, (matrix,), np.zeros(3), 200, 10)
    assert logs is not None and np.allclose(
        logs[-1], np.log(moduli), atol=1e-2 if min(moduli) < 1e-12 else 1e-9
    )


@pytest.mark.parametrize("modulus", [1e-6, 1e6])
def test_directions_that_all_leave_the_float_range_at_once_keep_their_stretching(modulus):
    """Nothing lies flat, but after 32 steps squares of lengths are 1e-384 or 1e384."""
    with jax.enable_x64(True):
        logs = compiled_loops.stretching_loop(_of_matrix, (modulus * np.eye(2),), np.zeros(2), 10, 100)
    assert logs is not None and np.allclose(logs, np.log(modulus), rtol=1e-9)


@pytest.mark.parametrize("in_c", ["1", "0"])
def test_a_velocity_whose_square_leaves_the_float_range_is_followed_all_the_same(in_c, monkeypatch):
    """lsgan from 1e60 moves by 1e180 a time; a first step of length 0 would begin again for ever."""
    monkeypatch.setenv("DIRACGAN_C", in_c)
    with jax.enable_x64(True):
        system, y = system_of(dg.variant("lsgan"), 1), np.array([1e60, 1e60])
        span = TimeSpan(0.0, 1.0, np.ones(1), 1e-9, 1e-12)
        found = event_loop(system, switchings.start(system, y), y, span)
    assert found.steps > 0 and found.t > 0.0 and np.all(np.abs(found.y) <= 1e60)


@pytest.mark.parametrize("in_c", ["1", "0"])
def test_the_unit_of_time_plays_no_part(in_c, monkeypatch):
    """Rates of 2^60 over a span 2^60 times as short: the same arithmetic but for exponents, bit for bit."""
    monkeypatch.setenv("DIRACGAN_C", in_c)
    ends = []
    with jax.enable_x64(True):
        for rate in (1.0, 2.0**60):
            system = system_of(dg.variant("lsgan"), 1)._replace(rates=Players(*np.full(2, rate)))
            span = TimeSpan(0.0, 20.0 / rate, np.array([5.0 / rate]), 1e-11, 1e-14)
            ends.append(integrate(event_loop, system, np.array([3.0, 8.0]), span))
    assert [end.result for end in ends] == ["ok", "ok"]
    assert ends[0].steps == ends[1].steps and np.array_equal(ends[0].y, ends[1].y)


@pytest.mark.parametrize("in_c", ["1", "0"])
def test_no_step_is_made_beyond_the_most(in_c, monkeypatch):
    monkeypatch.setenv("DIRACGAN_C", in_c)
    with jax.enable_x64(True):
        system, y = system_of(dg.variant("lsgan"), 1), np.array([3.0, 8.0])
        span = TimeSpan(0.0, 20.0, np.array([5.0]), 1e-11, 1e-14, steps=7)
        found = event_loop(system, switchings.start(system, y), y, span)
    assert (found.failure, found.steps) == ("max steps", 7)


def _of_scaling(given, x, way):
    return given[0] * x, given[0] * way


def _of_sums(given, x, way):
    """A map with a long sum, of which rows are left out, and a choice; with its derivative along a way."""

    def change(x):
        def add(total, row):
            return total + jnp.where(row[0] < 0.5, jnp.sin(x[0] * row[1]), 0.0), None

        total = jax.lax.scan(add, jnp.zeros(()), jnp.asarray(given[0]))[0]
        return jnp.stack([total / (1.0 + x[1] ** 2), jnp.where(x[0] > 0, x[0] * x[2], x[1]), 0.5 * x[2]])

    return jax.jvp(change, (x,), (way,))


def test_all_ways_at_once_are_each_way_alone():
    given, x = (np.random.default_rng(0).uniform(size=(40, 2)),), np.array([0.3, -0.2, 0.7])
    with jax.enable_x64(True):
        program = program_of(_of_sums, given, x, x)
        value, slopes = along(_of_sums, given, x, np.eye(3))
    text = "\n".join(
        [
            f"#define N 3\n{loop_text.HEAD}",
            c_text.derivative("pushed", program, given[0].size),
            "void run(const double *p, const double *x, double *out) { double ways[3 * BLOCKS * LANES] = {0};",
            "for (int j = 0; j < 3; j++) ways[j * BLOCKS * LANES + j] = 1;",
            "pushed(p, x, (Loose *)ways, out, (Loose *)(out + 3)); }",
        ]
    )
    out = np.zeros(3 + 3 * 4)
    run = c_compiler.loaded(text, ["-O1", "-w"]).run
    run(*(ctypes.c_void_p(a.ctypes.data) for a in (given[0], x, out)))
    np.testing.assert_allclose(out[:3], value[0], rtol=1e-14)
    np.testing.assert_allclose(out[3:].reshape(3, 4)[:, :3], slopes.T, rtol=1e-13, atol=1e-15)


def test_what_is_not_linear_in_the_way_is_not_written():
    with jax.enable_x64(True):
        program = program_of(_of_no_derivative, (), np.ones(1), np.ones(1))
    with pytest.raises(NotWritable, match="exp of a way"):
        c_text.derivative("pushed", program, 0)


def _of_no_derivative(given, x, way):
    return x, jnp.exp(way)


def test_a_power_that_rounds_to_0_is_the_librarys():
    run = c_compiler.loaded(
        loop_text.HEAD + "double run(double x, double y) { return pow(x, y); }", ["-O1", "-w"]
    ).run
    # not NumPy's: its own, on processors with AVX-512, may differ in the last digit
    libms = ctypes.CDLL(ctypes.util.find_library("m")).pow
    for function in (run, libms):
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 2
    numbers = [0.0, 1e-300, 0.5, 0.9, 0.999, 1.0, 1.5, 1e3, np.inf, np.nan, -0.5, -2.0]
    exponents = [0.0, 1.0, 6.0, 1074.0, 1076.0, 7100.0, 8e5, 1e300, np.inf, -1.0, -1e4, np.nan]
    for x, y in itertools.product(numbers, exponents):
        np.testing.assert_array_equal(run(x, y), libms(x, y), err_msg=f"{x}^{y}")


def test_the_stretching_by_what_is_no_number_is_no_number():
    with jax.enable_x64(True):
        logs = compiled_loops.stretching_loop(_of_scaling, (np.array(np.nan),), np.ones(1), 3, 2)
    assert logs is not None and np.all(np.isnan(logs))


@pytest.mark.parametrize("chunk", [1, 70, 1000])
def test_an_orbit_followed_in_parts_has_the_same_stretching(monkeypatch, chunk):
    """However its rows of 33 steps, and strides of up to 32, fall on the calls between which Ctrl-C is heard."""
    matrix = np.array([[1.1, 0.4, 0.0], [-0.3, 0.9, 0.2], [0.1, 0.0, 1e-3]])
    with jax.enable_x64(True):
        whole = compiled_loops.stretching_loop(_of_matrix, (matrix,), np.zeros(3), 20, 33)
        monkeypatch.setattr(compiled_loops, "_CHUNK", chunk)
        parts = compiled_loops.stretching_loop(_of_matrix, (matrix,), np.zeros(3), 20, 33)
    np.testing.assert_array_equal(parts, whole)


def test_counts_of_iterations_stay_as_they_were_given(monkeypatch):
    monkeypatch.setattr(compiled_loops, "_CHUNK", 70)
    with jax.enable_x64(True):
        motion = DiscreteSystem(system_of(dg.variant("ns"), 1), dg.rule("simultaneous", lr=0.1))
        state = motion.begin(np.array([0.3]), np.array([0.4]))
        loop, counts = compiled_loops.rule_loop(motion.system, motion.rule, state), np.array([200, 10])
        loop(state, counts, 1e150)
    assert counts.tolist() == [200, 10]


def test_every_function_of_the_texts_is_declared():
    """One that is not would be taken to return a whole number."""
    texts = [*c_text._OPERATIONS.values(), loop_text.EVENT_LOOP, loop_text.STRETCHING_LOOP]
    written = set(re.findall(r"\b([a-z][a-z0-9]*)\(", " ".join([*texts, loop_text.MAP_LOOP])))
    own = re.findall(r"(?:static|typedef)[\w ]* \**(\w+)\(", " ".join(texts))
    known = {*own, "run", "field", "watched", "pushed", "iteration", "if", "for", "while", "sizeof"}
    declared = re.findall(r"(\w+)\((?:double|void|int)|define (\w+)", loop_text.HEAD)
    assert written - known - {name for pair in declared for name in pair} == set()
    assert {"exp", "pow", "erf", "memcpy", "isfinite"} <= written


def test_without_a_compiler_there_is_no_loop(monkeypatch):
    monkeypatch.setenv("DIRACGAN_C", "0")
    with jax.enable_x64(True):
        assert compiled_loops.flow_loop(system_of(dg.variant("ns"), 1), None, 2) is None


def test_the_coefficients_are_those_of_diffrax():
    from diffrax import Dopri8

    from diracgan.dynamics.dopri8 import ERROR, LOWER, STEP

    table = Dopri8.tableau
    for written, row in zip(LOWER[1:], table.a_lower, strict=True):
        assert np.array_equal(written[: len(row)], row) and not written[len(row) :].any()
    assert np.array_equal(STEP, table.b_sol) and np.array_equal(ERROR, table.b_error)
    assert np.allclose(LOWER.sum(axis=1)[1:], table.c, rtol=0, atol=1e-14)
