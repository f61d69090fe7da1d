"""Long runs of steps: one compilation for every number of steps, sizes bounded, interrupts heard."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.dynamics import iterations, run
from diracgan.dynamics.iterations import row_numbers

LINEAR, RULE = dg.variant("wgan-linear"), dg.rule("simultaneous", lr=0.01)


def test_one_compilation_serves_every_number_of_steps():
    run(LINEAR, dim=1, rule=RULE, steps=3)
    before = iterations.advance._cache_size()
    for steps, every in ((1, 1), (7, 3), (300, 1), (1000, 7), (5000, 4999)):
        run(LINEAR, dim=1, rule=RULE, steps=steps, every=every)
    assert iterations.advance._cache_size() == before


@pytest.mark.parametrize(
    ("steps", "every"), [(1, 1), (1000, 1), (1000, 7), (600, 10**12), (513, 256), (256, 256)]
)
def test_rows_are_those_of_the_closed_form(steps, every):
    # phi+ = phi - h theta, theta+ = theta + h phi: phi + i theta is multiplied by 1 + i h
    traj = run(LINEAR, [0.3], [0.4], rule=RULE, steps=steps, every=every)
    kept = sorted({*range(0, steps + 1, every), steps})
    assert traj["step"].tolist() == row_numbers(steps, every).tolist() == kept
    z = (0.3 + 0.4j) * (1 + 0.01j) ** np.array(kept)
    np.testing.assert_allclose(traj["phi"][:, 0] + 1j * traj["theta"][:, 0], z, rtol=1e-12)


def test_a_run_that_overflows_stops_there():
    traj = run(
        dg.variant("wgan-linear"), dim=1, rule=dg.rule("simultaneous", lr=1e3), steps=10**12, every=10**10
    )
    assert traj.attrs["result"] == "diverged"
    assert np.all(np.isnan(traj["phi"][1:]))
    # |z| = (1 + h^2)^(n/2) |z_0| passes the largest double, e^709.78, with n about 2 * 711.3/log(1 + 1e6)
    assert traj.attrs["result_time"] / 1e3 == pytest.approx(103, abs=2)


def test_an_interrupt_is_heard_between_the_chunks(monkeypatch):
    heard, advance = [], iterations.advance

    def counted(*arguments):
        heard.append(time.perf_counter())
        if len(heard) == 5:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(iterations, "advance", counted)
    with pytest.raises(KeyboardInterrupt):
        run(LINEAR, dim=1, rule=RULE, steps=10**14, every=10**13)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 10**30}, "steps = .* is too large"),
        ({"steps": 10**12}, "rows of 4 numbers are too many"),
        ({"every": 10**30}, "every = "),
        ({"dim": 10**9}, "dim = .* is too large"),
        ({"phi0": "abc"}, "phi0"),
        ({"phi0": {"a": 1}}, "phi0"),
        ({"phi0": 1j}, "phi0"),
        ({"x0": [[1.0]]}, "x0"),
    ],
)
def test_what_is_too_large_or_of_another_type_is_refused_at_once(given, says):
    with pytest.raises(dg.InputError, match=says):
        run(LINEAR, **({"rule": RULE} | given))


@pytest.mark.parametrize("name", ["alternating", "adam", "heavy-ball"])
def test_inner_loops_are_bounded(name):
    with pytest.raises(dg.InputError, match="n_critic = .* is too large"):
        dg.rule(name, n_critic=4 * 10**9)


def test_what_is_traced_is_pointed_to_the_pure_functions():
    with pytest.raises(dg.InputError, match=r"dg\.flow"):
        jax.jit(lambda c: run(dg.variant("wgan-gp", c=c), t1=1.0)["phi"])(0.5)
    with pytest.raises(dg.InputError, match=r"dg\.flow"):
        jax.grad(lambda p: run(LINEAR, p, jnp.ones(1), t1=1.0)["phi"].sum())(jnp.ones(1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: dg.simulate("ns"),
        lambda: dg.field("ns"),
        lambda: dg.step("ns", RULE),
        lambda: dg.step(LINEAR, "adam"),
        lambda: dg.step(LINEAR, RULE)("a", jnp.ones(1)),
        lambda: dg.flow("ns", jnp.ones(1), jnp.ones(1), jnp.ones(1)),
        lambda: dg.flow(LINEAR, "a", jnp.ones(1), jnp.ones(1)),
        lambda: dg.flow(LINEAR, jnp.ones(1), jnp.ones(2), jnp.ones(1)),
        lambda: dg.flow(LINEAR, jnp.ones(1), jnp.ones(1), 1.0),
        lambda: dg.flow(LINEAR, jnp.ones(1), jnp.ones(1), jnp.ones(1), max_steps=0),
    ],
)
def test_wrong_types_are_answered_in_one_line(call):
    with pytest.raises(dg.InputError, match="allowed") as caught:
        call()
    assert "\n" not in str(caught.value)
