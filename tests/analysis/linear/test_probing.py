"""Many systems looked at by NumPy: each as if alone, and as a compiled program sees them."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.linear.margins import stacked
from diracgan.analysis.linear.probing import _probes, filled_up, host_probe, look
from diracgan.analysis.linear.settings import settings

GAMMAS = (0.1, 0.4, 2.5)
KICKED = dg.variant("wgan-gp", c=1.0, lam=0.5)


def _batch(variants, rule=None, **where):
    return stacked([settings(v, rule, **where) for v in variants])


def test_jacobians_of_many_fields_at_once():
    found, alive = look(*_batch([dg.variant("ns").with_(r1=g) for g in GAMMAS], dim=1), size=64)
    expected = [[[-g, -0.5], [0.5, 0.0]] for g in GAMMAS]
    np.testing.assert_allclose(found.jacobian, expected, rtol=0, atol=1e-15)
    assert alive.all()
    assert not found.residual.any()


@pytest.mark.parametrize("rule", [None, dg.rule("heavy-ball", lr=0.3, beta=0.2, alternating=True)])
def test_a_batch_is_seen_as_each_of_its_systems_alone(rule):
    variants = [dg.variant("wgan-gp", c=c, lam=0.5) for c in (0.0, 0.5, 1.0)]
    found, alive = look(*_batch(variants, rule, x0=0.3), size=64)
    assert len({int(k) for k in found.kind}) == 2  # with and without a kink
    for i, v in enumerate(variants):
        alone, here = look(*_batch([v], rule, x0=0.3), size=64)
        np.testing.assert_array_equal(here, alive[i : i + 1])
        for one, of_many in zip(alone, found, strict=True):
            np.testing.assert_allclose(of_many[i : i + 1], one, rtol=1e-12, atol=1e-300)


def test_batches_are_filled_up_with_their_last_entry():
    assert filled_up({"a": np.array([1.0, 2.0])}, 4)["a"].tolist() == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.slow  # it compiles; each of a batch as if alone is asserted in a moment above
@pytest.mark.parametrize(
    ("variants", "rule"),
    [
        ([dg.variant("ns").with_(r1=g) for g in GAMMAS], None),
        ([dg.variant("ns").with_(r1=g, noise=0.3) for g in GAMMAS], dg.rule("alternating", lr=0.3)),
        ([KICKED, KICKED], dg.rule("heavy-ball", lr=0.3, beta=0.2)),
        ([dg.variant("ns").with_(r1=g) for g in GAMMAS], dg.rule("adam", lr=0.01, eps=1e-3)),
    ],
)
def test_numpy_sees_what_a_compiled_program_sees(variants, rule):
    system, moves, at = _batch(variants, rule, dim=2, x0=(0.2, 0.1))
    quick = host_probe(*jax.tree.map(lambda x: x[0], (system, moves, at)))
    assert quick is not None
    with jax.enable_x64(True):
        by_xla = jax.tree.map(np.asarray, _probes(system, moves, at))
    for one, other in zip(jax.tree.leaves(quick(system, moves, at)), jax.tree.leaves(by_xla), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-13)
