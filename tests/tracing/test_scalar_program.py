"""Functions as scalar programs: the same values as the function itself, on any structure of arrays."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.tracing.scalar_program import NotScalarizable, trace

COUNT = 5
TURNS = np.array([1, 2])


def compare(fn, *shapes, on_arrays=()):
    """Evaluate ``fn`` as a scalar program, by JAX and by NumPy, and mapped over trajectories."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        arrays = [rng.normal(size=(*s, COUNT)) for s in shapes]
        program = trace(fn, *(jnp.zeros(s) for s in shapes))
        assert program.on_arrays == on_arrays
        values = [row for a in arrays for row in a.reshape(-1, COUNT)]
        expected = jax.tree.leaves(jax.vmap(fn, in_axes=-1, out_axes=-1)(*map(jnp.asarray, arrays)))
        expected = np.concatenate([np.asarray(x).reshape(-1, COUNT) for x in expected])
        for found in (program([jnp.asarray(v) for v in values]), program.on_host(values)):
            rows = np.array([np.broadcast_to(x, COUNT) for x in found])
            np.testing.assert_allclose(rows, expected, rtol=1e-13, atol=1e-13)
    return program


FUNCTIONS = {
    "matrix product": (lambda a, b: a @ b, (2, 3), (3, 4)),
    "batched product": (lambda a, b: jnp.einsum("bij,bjk->bki", a, b), (2, 2, 3), (2, 3, 2)),
    "sums": (lambda a: (a.sum(0), a.max(1), a.min(), a.prod(1), jnp.any(a > 0, axis=0)), (3, 2)),
    "running sums": (
        lambda a: (jnp.cumsum(a, 0), jnp.cumprod(a, 1), jax.lax.cummax(a, reverse=True)),
        (3, 2),
    ),
    "moves": (lambda a: (a.T, a[::-1], a[1:, :1], a.reshape(-1), jnp.flip(a, 1), a[:, None]), (3, 2)),
    "stacks": (lambda a, b: (jnp.stack([a, b], 1), jnp.concatenate([a, b]), jnp.tile(a, 2)), (3,), (3,)),
    "indices": (lambda a: (a[jnp.array([2, 0])], a[2], jnp.roll(a, 1), a.at[1].set(0.0)), (3,)),
    "gradient of indices": (jax.grad(lambda a: a[jnp.array([2, 0, 2])] @ jnp.tanh(a) + a[1] ** 2), (3,)),
    "pad": (lambda a: jnp.pad(a, 1, constant_values=3.0), (2, 2)),
    "choices": (lambda a: jnp.where(a > 0, jnp.sqrt(jnp.abs(a)), jnp.clip(a, -0.5, 0.1)), (4,)),
    "powers": (lambda a: (a**2, a**3, a**-2, jnp.abs(a) ** 1.3, a / 3.0), (2,)),
    "known loop": (lambda a: jax.lax.fori_loop(0, 3, lambda i, x: x * 1.1 + i, a), (2,)),
    "scan": (lambda a: jax.lax.scan(lambda c, x: (c + x, c * x), 0.0, a), (4,)),
    "scan of matrices": (
        lambda a: jax.lax.scan(lambda c, x: (c @ x, c + x.T), jnp.eye(2), a),
        (3, 2, 2),
    ),
    "counted loop with constants": (
        lambda a, b: jax.lax.while_loop(
            lambda c: c[0] < jnp.sum(TURNS), lambda c: (c[0] + 1, c[1] * a[0] + b), (0, a[1])
        ),
        (2,),
        (),
    ),
    "scan backwards": (lambda a: jax.lax.scan(lambda c, x: (c + x, c * x), 0.0, a, reverse=True), (4,)),
    "branch": (lambda a: jax.lax.cond(a[0] > 0, lambda x: x * 2, lambda x: x - 1, a), (2,)),
    "switch": (lambda a: jax.lax.switch((a[0] > 0).astype(int), [jnp.sin, jnp.cos], a), (2,)),
    "known switches": (  # JAX clamps what is beyond the branches
        lambda a: [jax.lax.switch(jnp.asarray(k), [jnp.sin, jnp.cos, jnp.tanh], a) for k in (-1, 1, 7)],
        (2,),
    ),
    "gradient": (jax.grad(lambda a: jnp.sum(jnp.tanh(a) * jnp.exp(-(a @ a)))), (3,)),
    "hessian": (jax.hessian(lambda a: jnp.sum(jax.nn.softplus(a) ** 2)), (2,)),
    "constant": (lambda a: (jnp.eye(2), jnp.arange(3.0), a), (1,)),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_values(name):
    compare(*FUNCTIONS[name])


def test_what_cannot_be_scalarized_runs_on_arrays():
    compare(lambda a: jnp.sort(a), (4,), on_arrays=("sort",))
    compare(
        lambda a: jax.lax.while_loop(lambda x: jnp.sum(x) < 3, lambda x: x + 0.5, a),
        (2,),
        on_arrays=("while",),
    )


def test_a_long_loop_stays_a_loop():
    compare(lambda a: jax.lax.fori_loop(0, 3001, lambda i, x: 0.5 * x + 1.0, a), (), on_arrays=("scan",))


def test_places_that_are_not_known_stay_an_array_operation():
    program = compare(lambda a: a.at[(a[0] > 0).astype(int)].add(2.0), (3,), on_arrays=("scatter-add",))
    assert program


def test_both_players_share_one_tanh():
    import diracgan as dg
    from diracgan.ensemble.vector_field import EnsembleSystem, step_program

    for name in ("ns", "saturating"):
        program = step_program(EnsembleSystem(dg.variant(name), None, None, None), 2, "float32").advance
        assert [n.op for n in program.order].count("tanh") == 1
        assert len(program.order) < 25


def test_an_absent_datum_costs_nothing():
    program = compare(lambda a: jax.grad(lambda x: jnp.tanh(x @ jnp.zeros(2)) + x @ x)(a), (2,))
    assert not [n for n in program.order if n.op == "tanh"]


def test_types_that_are_not_numbers_are_refused():
    with pytest.raises(NotScalarizable, match="not a real number's"):
        trace(lambda x: jnp.real(jnp.exp(1j * x)), jnp.zeros(2))


def test_what_is_too_large_is_refused():
    with pytest.raises(NotScalarizable, match="scalar operations"):
        trace(lambda x: jnp.tanh(x), jnp.zeros(5000))


def test_which_outputs_vary():
    program = trace(lambda a, b: (a + b, a * 2, 3.0), 0.0, 0.0)
    assert program.varying([True, False]) == [True, True, False]
    assert program.varying([False, True]) == [True, False, False]


def test_the_same_program_every_time():
    # Resumed sweeps are bit-identical only if sums are taken in the same order in every process.
    import diracgan as dg
    from diracgan.ensemble import c_backend, loop_source, vector_field
    from diracgan.ensemble.methods import RK4

    system = vector_field.EnsembleSystem(dg.variant("wgan-gp").with_(r1=0.1), RK4(lr=0.1), None, None)
    leaves = jax.tree.leaves(system)
    sources = set()
    for _ in range(2):
        vector_field._step_program.cache_clear()
        step = vector_field.step_program(system, 2, np.float32).advance
        what = step, [False] * len(leaves), [True] * 4, np.dtype("float32")
        sources.add(c_backend.source(loop_source.fixed_steps, *what))
    assert len(sources) == 1
