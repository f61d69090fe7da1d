"""A user's own game in PyTorch against dense Jacobians by torch.func.jacfwd and against real optimiser steps."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import diracgan as dg
from diracgan.measure.torch_rates import averaging

torch = pytest.importorskip("torch", reason="PyTorch is not installed; diracgan[torch] brings it")
nn, F, KIND = torch.nn, torch.nn.functional, torch.float64


def d_loss(critic, generator, batch):
    """Non-saturating with R1, as a training script has it: the fake samples detached, the penalty by autograd.grad."""
    x, z = batch
    x = x.clone().requires_grad_()
    real, fake = critic(x), critic(generator(z).detach())
    (slopes,) = torch.autograd.grad(real.sum(), x, create_graph=True)
    return F.softplus(-real).mean() + F.softplus(fake).mean() + 0.5 * (slopes**2).sum(1).mean()


def g_loss(critic, generator, batch):
    return F.softplus(-critic(generator(batch[1]))).mean()


def networks(norm=True):
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).to(KIND)
    middle = [nn.BatchNorm1d(4)] if norm else []
    generator = nn.Sequential(nn.Linear(2, 4), *middle, nn.Tanh(), nn.Linear(4, 2)).to(KIND)
    return critic, generator, [tuple(torch.randn(2, 12, 2, dtype=KIND)) for _ in range(4)]


def trained(batches, critic, generator, opt_d, opt_g, clip=None, n_critic=1):
    for batch in batches:
        for loss, opt in (*[(d_loss, opt_d)] * n_critic, (g_loss, opt_g)):
            opt.zero_grad()
            loss(critic, generator, batch).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_([p for g in opt.param_groups for p in g["params"]], clip)
            opt.step()


def dense(critic, generator, batch):
    """J by torch.func.jacfwd of torch.func.grad, on losses without detach and without autograd.grad inside."""
    parts = [{n: p.detach() for n, p in m.named_parameters()} for m in (critic, generator)]
    x, z = batch

    def call(which, weights, x):
        return torch.func.functional_call((critic, generator)[which], weights, (x,))

    def critic_loss(phi, theta):
        slopes = torch.func.vmap(torch.func.grad(lambda x: call(0, phi, x[None])[0, 0]))(x)
        fake = F.softplus(call(0, phi, call(1, theta, z))).mean()
        return F.softplus(-call(0, phi, x)).mean() + fake + 0.5 * (slopes**2).sum(1).mean()

    def generator_loss(phi, theta):
        return F.softplus(-call(0, phi, call(1, theta, z))).mean()

    sizes = [p.numel() for part in parts for p in part.values()]

    def field(y):
        given = iter(y.split(sizes))
        phi, theta = ({n: next(given).reshape(p.shape) for n, p in part.items()} for part in parts)
        down = torch.func.grad(critic_loss, 0)(phi, theta), torch.func.grad(generator_loss, 1)(phi, theta)
        return -torch.cat([g.reshape(-1) for part in down for g in part.values()])

    flat = torch.cat([p.reshape(-1) for part in parts for p in part.values()])
    return torch.func.jacfwd(field)(flat).numpy()


def columns(measured, of="flow"):
    n = sum(measured.sizes) if of == "flow" else measured.backend.state_size
    return np.stack([measured.matvec(e, of) for e in np.eye(n)], axis=1)


def test_the_flow_against_jacfwd():
    critic, generator, batches = networks(norm=False)
    measured = dg.measure.game(d_loss, g_loss, critic, generator, batches)
    jacobian = dense(critic, generator, batches[0])
    v = np.random.default_rng(0).standard_normal(len(jacobian))
    np.testing.assert_allclose(measured.matvec(v), jacobian @ v, atol=1e-10)
    np.testing.assert_allclose(measured.rmatvec(v), jacobian.T @ v, atol=1e-10)
    found = measured.spectrum("fastest", 4)
    values = np.linalg.eigvals(jacobian)
    assert max(np.abs(values - mu).min() for mu in found.eigenvalues) < 1e-6 and found.smooth
    n_d = measured.sizes[0]
    s = np.linalg.svd(jacobian[:n_d, n_d:])[1]
    np.testing.assert_allclose(measured.coupling(2).singular_values, s[:2], atol=1e-8)
    measured.backend.forward_mode = False  # what an operation without forward mode leads to
    np.testing.assert_allclose(measured.matvec(v), jacobian @ v, atol=1e-10)


def test_batch_norm_by_finite_differences_and_the_modules_stay_as_they_were():
    critic, generator, batches = networks()
    before = copy.deepcopy(generator.state_dict())
    measured = dg.measure.game(d_loss, g_loss, critic, generator, batches)
    v = np.random.default_rng(0).standard_normal(sum(measured.sizes))
    there, back = (measured.backend.field(measured.held, s * 1e-6 * v) for s in (1, -1))
    np.testing.assert_allclose(measured.matvec(v), (there - back) / 2e-6, atol=1e-8)
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(
    ("make", "clip", "n_critic"),
    [
        # the second critic step counts one more than the first
        (lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.5, 0.9)), None, 2),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.1), 0.05, 1),
        # its second moment is Adam's
        pytest.param(lambda p: torch.optim.RMSprop(p, lr=1e-3), None, 1, marks=pytest.mark.slow),
    ],
    ids=["adam", "sgd-decay-clipped", "rmsprop"],
)
def test_a_whole_step_against_the_training_loop_itself(make, clip, n_critic):
    critic, generator, batches = networks()
    opts = [make(m.parameters()) for m in (critic, generator)]
    trained(batches[1:], critic, generator, *opts, clip)
    how = {"optimiser": opts, "clip": clip, "n_critic": n_critic}
    measured = dg.measure.game(d_loss, g_loss, critic, generator, batches, **how)
    state = measured.backend.state
    sizes = [x.numel() for w in state.values() for x in w.values()]

    def tensors(nets, opts):
        weights = [p.detach() for m in nets for p in m.parameters()]
        kept = [
            o.state[p][k]
            for o in opts
            for p in o.param_groups[0]["params"]
            for k in sorted(o.state[p])
            if torch.is_tensor(o.state[p][k]) and k != "step"
        ]
        return weights, kept

    def after(d):
        nets, own = copy.deepcopy(((critic, generator), opts))
        weights, kept = tensors(nets, own)
        parts = torch.from_numpy(d).split([x.numel() for x in (*weights, *kept)])
        with torch.no_grad():
            for x, part in zip((*weights, *kept), parts, strict=True):
                x += part.reshape(x.shape)
        trained(batches[:1], *nets, *own, clip, n_critic)
        return torch.cat([x.reshape(-1) for part in tensors(nets, own) for x in part]).numpy()

    random = np.random.default_rng(1)
    v = random.standard_normal(measured.backend.state_size)
    kept = np.concatenate([x.reshape(-1).numpy() for w in state.values() for x in w.values()] or [[]])
    v[len(v) - sum(sizes) :] *= kept  # a second moment stays positive
    slope = (after(1e-6 * v) - after(-1e-6 * v)) / 2e-6
    np.testing.assert_allclose(measured.matvec(v, "step"), slope, atol=2e-6 * np.abs(slope).max())


def test_maps_of_tensors():
    state = {"a": torch.tensor([0.3, 0.7], dtype=KIND), "b": torch.tensor(1.1, dtype=KIND)}

    def step(s):
        return {"a": torch.sin(s["a"]) * s["b"], "b": s["b"] ** 2 - s["a"][0]}

    found = dg.measure.eigenvalues(step, state, k=3, of="step")
    jacobian = np.array(
        [[np.cos(0.3) * 1.1, 0, np.sin(0.3)], [0, np.cos(0.7) * 1.1, np.sin(0.7)], [-1, 0, 2.2]]
    )
    values = np.linalg.eigvals(jacobian)
    assert max(np.abs(values - mu).min() for mu in found.eigenvalues) < 1e-9


def test_random_numbers_in_the_loss_and_lists_of_modules():
    critic, generator, batches = networks()

    def drawn(critic, generator, batch):
        return F.softplus(critic[0](generator["g"](torch.randn(12, 2, dtype=KIND)))).mean()

    state = torch.random.get_rng_state()
    measured = dg.measure.game(drawn, drawn, [critic], {"g": generator}, batches)
    np.testing.assert_array_equal(measured.velocity(), measured.velocity())
    assert torch.equal(state, torch.random.get_rng_state())


def frozen(critic, generator):
    for p in critic.parameters():
        p.requires_grad_(False)
    return critic, generator


def half_frozen_critic():
    critic, generator, batches = networks(norm=False)
    critic[0].weight.requires_grad_(False)
    return dg.measure.game(d_loss, g_loss, critic, generator, batches)


def test_frozen_layers_are_left_out():
    assert half_frozen_critic().sizes[0] == 5 + 5 + 1


def refused(change, loss=d_loss, **how):
    critic, generator, batches = networks()
    players = change(critic, generator)
    dg.measure.game(loss, g_loss, *players, batches, **how)


def eval_mode(critic, generator):
    return critic, generator.eval()


def normalised(critic, generator):
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(critic[0]), critic[1:]), generator


def shared(critic, generator):
    generator[0].weight = nn.Parameter(torch.zeros(4, 2, dtype=KIND))
    critic.extra = generator[0]
    return critic, generator


def unstepped(critic, generator):
    return [torch.optim.Adam(m.parameters()) for m in (critic, generator)]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("eval mode", lambda: refused(eval_mode)),
        ("no parameter that moves", lambda: refused(frozen)),
        ("spectral_norm", lambda: refused(normalised)),
        ("belongs to both", lambda: refused(shared)),
        ("float16", lambda: refused(lambda c, g: (c.half(), g))),
        ("shape", lambda: refused(lambda c, g: (c, g), lambda c, g, b: c(b[0]))),
        ("bfloat16 of parameters in", lambda: refused(lambda c, g: (c, g), lambda *a: d_loss(*a).bfloat16())),
        ("gives a tuple", lambda: refused(lambda c, g: (c, g), lambda c, g, b: (1.0, 2.0))),
        ("critic_loss failed", lambda: refused(lambda c, g: (c, g), lambda c, g, b: c.missing)),
        ("not finite", lambda: refused(lambda c, g: (c, g), lambda c, g, b: c(b[0]).mean() * float("nan"))),
        ("allowed: a torch.nn.Module", lambda: refused(lambda c, g: (c, 3))),
        (
            "does not depend on the critic",
            lambda: refused(lambda c, g: (c, g), lambda c, g, b: g(b[1]).mean()),
        ),
        ("the critic is compiled", lambda: refused(lambda c, g: (torch.compile(c), g))),
        ("clip has 3 entries", lambda: refused(lambda c, g: (c, g), clip=(1, 2, 3))),
        ("not a pair", lambda: refused(lambda c, g: (c, g), optimiser=3)),
        (
            "another structure",
            lambda: dg.measure.eigenvalues(lambda s: {"b": s["a"]}, {"a": torch.ones(2)}, of="step"),
        ),
        ("one of torch.optim", lambda: refused(lambda c, g: (c, g), optimiser=(3, 3))),
        ("not the critic's", lambda: refused(lambda c, g: (c, g), optimiser=unstepped(*networks()[:2]))),
    ],
)
def test_bad_input_is_one_line(words, call):
    with pytest.raises(dg.InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_optimiser_that_has_not_stepped_is_refused():
    critic, generator, batches = networks()
    with pytest.raises(dg.InputError, match="remembers nothing yet"):
        dg.measure.game(d_loss, g_loss, critic, generator, batches, optimiser=unstepped(critic, generator))


def test_a_step_without_forward_mode_is_refused():
    """LBFGS evaluates the loss within its step, by a closure."""
    critic, generator, batches = networks()
    pair = [torch.optim.LBFGS(m.parameters()) for m in (critic, generator)]
    with pytest.raises(dg.InputError, match="the critic's LBFGS cannot be differentiated"):
        dg.measure.game(d_loss, g_loss, critic, generator, batches, optimiser=pair)


def test_what_an_optimiser_averages():
    one = [nn.Parameter(torch.ones(1))]
    assert (
        averaging(torch.optim.Adam(one, betas=(0.5, 0.9))) == averaging(torch.optim.SGD(one, 0.1, 0.5)) == 0.5
    )
    assert averaging(torch.optim.SGD(one, 0.1)) == averaging(torch.optim.RMSprop(one)) == 0.0


def test_a_prescription_of_the_dirac_game():
    """phi' = -0.2 phi - 0.5 theta, theta' = 0.5 phi under SGD with rates h and h/4: gamma = 5 x 0.5 - 0.2."""
    critic, generator = (nn.Linear(1, 1, bias=False).to(KIND) for _ in range(2))
    one = torch.ones(1, 1, dtype=KIND)
    opts = [torch.optim.SGD(m.parameters(), lr=h) for m, h in ((critic, 0.01), (generator, 0.0025))]
    measured = dg.measure.game(
        lambda D, G, b: 0.5 * D(G(one).detach()).mean() + 0.1 * (D.weight**2).sum(),
        lambda D, G, b: -0.5 * D(G(one)).mean(),
        critic,
        generator,
        [0, 1, 2],
        optimiser=opts,
        critic=lambda D, x: D(x),
        samples=lambda G, b: (0.0 * one, G(one)),
    )
    found = dg.prescribe(measured)
    assert found.gamma.value == pytest.approx(2.3, abs=1e-9) and found.step_sizes == "optimiser"
    assert found.measured["slope_real"] == pytest.approx(float(critic.weight.detach() ** 2))
