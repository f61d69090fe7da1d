"""Rules made from optax transformations."""

from __future__ import annotations

import pickle
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import diracgan as dg
from diracgan.game import Players
from diracgan.rules import RULES
from diracgan.rules.optax import _is_steady
from diracgan.rules.per_player import Memory
from diracgan.training.config import configure, from_table
from diracgan.training.toml_tables import toml

DAMPED = dg.variant("wgan-gp", c=0.0, lam=0.4)
START = {"phi0": [0.4, -0.3], "theta0": [0.7, 0.2]}


@pytest.mark.parametrize(
    "turns",
    [pytest.param({}, marks=pytest.mark.slow), {"alternating": True, "n_critic": 2}],
    ids=["at once", "alternating"],
)
def test_optax_adam_is_our_adam(turns):
    own = dg.rule("adam", lr_d=0.05, lr_g=0.02, beta1=0.5, beta2=0.9, eps=1e-6, **turns)
    theirs = dg.rule.from_optax(*(optax.adam(h, 0.5, 0.9, 1e-6) for h in (0.05, 0.02)), **turns)
    a, b = (dg.simulate(dg.variant("ns").with_(r1=0.1), rule=r, steps=30, **START) for r in (own, theirs))
    assert np.max(np.abs(a.phi.values - b.phi.values)) < 1e-12
    assert np.max(np.abs(a.theta.values - b.theta.values)) < 1e-12


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ("adamw:lr=0.05,beta1=0.5,weight_decay=0.1", optax.adamw(0.05, 0.5, weight_decay=0.1)),
        ("amsgrad:lr=0.05,beta1=0.5,beta2=0.9", optax.amsgrad(0.05, 0.5, 0.9)),
        ("rmsprop:lr=0.05,beta2=0.95", optax.rmsprop(0.05, decay=0.95)),
        ("optax:nadam:lr=0.05,b1=0.5", optax.nadam(0.05, 0.5)),
        ("optax:sgd:lr=0.05,momentum=0.5", optax.sgd(0.05, 0.5)),  # its default is None
    ],
)
def test_a_named_rule_makes_the_steps_of_optax(own, theirs):
    runs = [
        dg.simulate(dg.variant("ns").with_(r1=0.1), rule=r, steps=30, **START)
        for r in (dg.rule(own, alternating=True), dg.rule.from_optax(theirs, alternating=True))
    ]
    for player in ("phi", "theta"):
        a, b = (run[player].values for run in runs)
        assert np.max(np.abs(a - b)) < 1e-12


def test_an_optimiser_of_optax_is_a_rule_by_its_name():
    rule = dg.rule("optax:nadam", lr=0.01, b1=0.5)
    assert rule.label.startswith("optax:nadam(lr=0.01, b1=0.5") and rule.name in RULES
    assert (
        dg.rule(rule.name, **rule.hyperparameters).label
        == rule.label
        == dg.rule("nadam:lr=0.01,b1=0.5").label
    )
    assert {"rmsprop", "adamw", "amsgrad"} <= set(dg.rules()) and rule.name not in dg.rules()
    config = configure("ns", "points8", rule_=rule)
    assert (
        from_table(tomllib.loads(toml(config.table()))).rule.label == rule.label
    )  # so that a run's folder names it
    for wrong in ("optax:chain", "optax:", "optax:nadam:beta=1"):
        with pytest.raises(dg.InputError, match="optax:NAME|parameter of optax:nadam"):
            dg.rule(wrong)


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        (dg.rule("heavy-ball", lr=0.1, beta=0.5), optax.sgd(0.1, momentum=0.5)),
        pytest.param(dg.rule("adam", lr=0.1, eps=0.5), optax.adam(0.1, eps=0.5), marks=pytest.mark.slow),
        pytest.param(dg.rule("adam", lr=1e-9), optax.adam(1e-9), marks=pytest.mark.slow),
        pytest.param(
            dg.rule("adamw", lr=0.1, eps=0.5, weight_decay=0.2),
            optax.adamw(0.1, eps=0.5, weight_decay=0.2),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            dg.rule("rmsprop", lr=0.1, eps=0.5), optax.rmsprop(0.1, eps=0.5), marks=pytest.mark.slow
        ),
        pytest.param(dg.rule("rmsprop", lr=1e-6), optax.rmsprop(1e-6), marks=pytest.mark.slow),
        pytest.param(
            dg.rule("optimistic", lr=0.1), optax.optimistic_gradient_descent(0.1), marks=pytest.mark.slow
        ),
    ],
    ids=["momentum", "adam", "adam, tiny eps", "adamw", "rmsprop", "rmsprop, tiny eps", "optimistic"],
)
def test_multipliers_are_those_of_the_rule_it_is(own, theirs):
    ours = dg.spectrum(DAMPED, rule=own).multipliers
    found = dg.spectrum(DAMPED, rule=dg.rule.from_optax(theirs)).multipliers
    assert np.allclose(np.sort_complex(found), np.sort_complex(ours), rtol=0, atol=1e-9)


@pytest.mark.slow  # fast, without them: test_multipliers_are_those_of_the_rule_it_is
def test_schedules_and_clipping_are_over_at_rest():
    schedule = optax.exponential_decay(0.2, 10, 0.5, end_value=0.05)
    rule = dg.rule.from_optax(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(schedule)))
    plain = dg.spectrum(DAMPED, rule=dg.rule("simultaneous", lr=0.05))
    assert np.allclose(
        dg.spectrum(DAMPED, rule=rule).multipliers, plain.multipliers, rtol=0, atol=1e-8
    )  # its rate is in float32


@pytest.mark.parametrize(
    "opt",
    [
        pytest.param(optax.adam(0.1, eps=0.0), marks=pytest.mark.slow),
        pytest.param(optax.lion(0.1), marks=pytest.mark.slow),
        pytest.param(optax.sign_sgd(0.1), marks=pytest.mark.slow),
        optax.MultiSteps(optax.sgd(0.1), 2),
    ],
    ids=["adam, eps 0", "lion", "sign", "every second step"],
)
def test_no_linearisation_where_there_is_none(opt):
    s = dg.spectrum(DAMPED, rule=dg.rule.from_optax(optax.sgd(0.1), opt))
    assert s.status == "no-derivative"
    assert "generator" in s.text
    assert len(s.multipliers) == 0


def test_a_count_that_bias_corrections_read_is_steady_and_another_counter_is_not():
    assert _is_steady(optax.adam(0.1)) and _is_steady(optax.sgd(optax.linear_schedule(0.2, 0.1, 10)))
    assert not _is_steady(optax.MultiSteps(optax.sgd(0.1), 2).gradient_transformation())


@pytest.mark.parametrize(
    ("made", "rate", "beta"),
    [
        (lambda: optax.sgd(0.1), 0.1, 0.0),
        (lambda: optax.sgd(0.1, momentum=0.9), 1.0, 0.9),  # 0.1/(1 - 0.9) in the end
        (lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.2)), 0.2, 0.0),  # unclipped
    ],
)
def test_step_sizes_are_what_a_gradient_moves_in_the_end(made, rate, beta):
    at = Players({"w": jnp.array([[0.3], [2.0]])}, jnp.array([0.5]))
    rule = dg.rule.from_optax(made())
    sizes = rule.step_sizes(at, None)
    np.testing.assert_allclose(np.ravel(sizes.phi["w"]), [rate, rate], rtol=1e-3)
    np.testing.assert_allclose(sizes.theta, [rate], rtol=1e-3)
    assert rule.averaging(at, None) == pytest.approx(beta, abs=1e-3)


def test_adam_has_step_sizes_with_the_squares_that_it_remembers():
    at = Players(jnp.array([0.3, 2.0]), jnp.array([0.5]))
    opt, g = optax.adam(1e-3, b1=0.5), Players(jnp.array([1e-2, 4.0]), jnp.array([0.1]))
    rule, memory = dg.rule.from_optax(opt), states(opt, at)
    assert rule.step_sizes(at, None) is None and rule.step_sizes(at, memory) is None  # nothing remembered yet
    for _ in range(12):  # of a constant gradient: the root of the corrected squares is its size
        memory = memory._replace(
            **{n: opt.update(getattr(g, n), getattr(memory, n), getattr(at, n))[1] for n in at._fields}
        )
    sizes, rate = rule.step_sizes(at, memory), 1e-3 * np.sqrt((1 - 0.999**13) / (1 - 0.999**12) / 0.999)
    np.testing.assert_allclose(sizes.phi, rate / np.array(g.phi), rtol=2e-3)
    np.testing.assert_allclose(sizes.theta, rate / np.array(g.theta), rtol=2e-3)
    assert rule.averaging(at, memory) == pytest.approx(0.5, abs=1e-3)


def test_a_transformation_that_mixes_parameters_has_no_step_sizes():
    at = Players(jnp.array([0.3, 2.0]), jnp.array([0.5]))
    mixing = optax.stateless(lambda u, z: jax.tree.map(lambda x: -0.1 * x[::-1], u))
    assert dg.rule.from_optax(mixing).step_sizes(at, None) is None


def test_a_frozen_parameter_has_no_part_in_what_averages():
    at = Players(jnp.array([0.3, 2.0, 1.0]), jnp.array([0.5]))
    thawed = optax.stateless(lambda u, z: jax.tree.map(lambda x: x * (jnp.arange(x.size) > 1), u))
    rule = dg.rule.from_optax(optax.chain(optax.sgd(0.1, momentum=0.5), thawed))
    np.testing.assert_allclose(rule.step_sizes(at, None).phi, [0.0, 0.0, 0.2], rtol=1e-5)
    assert rule.averaging(at, None) == pytest.approx(0.5, abs=1e-5)
    assert rule.averaging(at._replace(phi=at.phi[:2]), None) == 0.0  # nothing moves


def test_a_transformation_that_labels_its_own_parameters_asks_for_its_state():
    parts = optax.multi_transform({"on": optax.sgd(0.1), "off": optax.set_to_zero()}, {"a": "on", "b": "off"})
    assert "than its own" in dg.rule.from_optax(parts).why_not_linearisable()
    phi, theta = {"a": jnp.ones(1), "b": jnp.ones(1)}, jnp.ones(1)

    def loss(phi, theta, batch):
        return jnp.sum(phi["a"] * phi["b"] * theta)

    with pytest.raises(dg.InputError, match="add state=") as refused:
        dg.measure.game(loss, loss, phi, theta, [0.0], optimiser=(parts, optax.sgd(0.1)))
    assert "\n" not in str(refused.value)


def states(opt, at):
    return Memory(opt.init(at.phi), opt.init(at.theta), ())


def test_what_is_no_transformation_is_refused():
    with pytest.raises(dg.InputError, match="critic_opt"):
        dg.rule.from_optax("adam")
    with pytest.raises(dg.InputError, match="n_critic"):
        dg.rule.from_optax(optax.sgd(0.1), n_critic=2)


@pytest.mark.parametrize(
    "name", ["amsgrad:beta1=1.5", "rmsprop:beta2=1", "optax:adan:b3=-0.1", "adamw:eps=-1"]
)
def test_a_named_rule_refuses_what_would_never_be_forgotten(name):
    with pytest.raises(dg.InputError, match="out of range; allowed"):
        dg.rule(name)


def test_a_named_rule_goes_to_another_process_as_other_rules_do():
    made = dg.rule("optax:lion", lr_d=0.02, lr_g=0.01, b1=0.8, alternating=True, ema=0.9)
    there = pickle.loads(pickle.dumps(made))
    assert type(there) is type(made)
    assert (there.label, there.hyperparameters) == (made.label, made.hyperparameters)


@pytest.mark.slow  # fast: analysis/thresholds/test_tuned_cycle.py, whose regime names Adam's own bound
def test_the_velocity_below_which_a_transformation_is_linear():
    # a lasting gradient g moves Adam by lr g/(g + eps): half its slope at g = eps; a clipped one at twice the cut
    cut = optax.chain(optax.clip(1.0), optax.sgd(0.1))
    found = [dg.rule.from_optax(o).linear_below for o in (optax.adam(0.01, eps=1e-4), cut, optax.sgd(0.1))]
    assert found[0] == pytest.approx(1e-4, rel=0.05) and found[1] == pytest.approx(2.0, rel=0.05)
    assert found[2] is None
