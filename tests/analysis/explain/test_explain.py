"""Formulas derived from the definition are the field itself; statements are computed, so they hold for any loss."""

import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from selection import slow_but

import diracgan as dg
from diracgan.analysis.explain.explanation import explain
from diracgan.analysis.explain.implications import length_of_the_critic, numeric_functions
from diracgan.analysis.explain.symbolic_model import SymbolicModel
from diracgan.cli.app import main
from diracgan.cli.explain import _preset
from diracgan.parameters import parameters
from diracgan.tracing.symbolic import exact, formulas, functions, stopped

MODULES = [numeric_functions(), "numpy"]
NAMES = sorted(dg.variants())


def unusual(name):
    """The variant with other numbers than its defaults."""
    rng = np.random.default_rng(len(name))
    own = parameters(type(dg.variant(name)))
    given = {n: float(np.round(rng.uniform(0.4, 1.6), 3)) for n, p in own.items() if p.kind == "number"}
    return dg.variant(name, **{n: 5.0 if n == "clip" else x + (n == "p") for n, x in given.items()})


def values(expressions, model, phi, theta):
    f = sp.lambdify(model.z, [e.subs(model.numbers) for e in expressions], modules=MODULES)
    return np.array([np.broadcast_to(x, ()) for x in f(*phi, *theta)], float)


PAIRS = [(n, d) for n in NAMES for d in (1, 2)]
FEW = [
    ("ns", 1),
    ("wgan-gp", 2),
    ("gan-qp", 2),
    ("wgan-clip", 1),
    ("fgan-kl", 1),
]


@pytest.mark.parametrize(("name", "dim"), slow_but(PAIRS, *FEW))
def test_formulas_are_the_field(name, dim):
    variant = unusual(name)
    shown = list(explain(variant, dim).field.values())
    rng = np.random.default_rng(5)
    with jax.enable_x64(True):
        model = SymbolicModel(variant, dim)
        f = dg.field(variant)
        # what is shown holds abbreviations: s and the norms
        phi, theta = (np.array(s, dtype=object) for s in (model.phi, model.theta))
        long = {sp.Symbol("s", real=True): phi @ theta}
        long |= {
            sp.Symbol(f"|{n}|", positive=True): sp.sqrt(x @ x) for n, x in (("phi", phi), ("theta", theta))
        }
        shown = [e.subs(long) if dim == 2 else e for e in shown]
        for _ in range(4):
            p, t = rng.normal(size=(2, dim))
            want = np.concatenate(f(jnp.asarray(p), jnp.asarray(t)))
            for formula in (model.field, shown):
                np.testing.assert_allclose(values(formula, model, p, t), want, rtol=1e-12, atol=1e-13)


@pytest.mark.slow  # fast, by a closed form: test_known_formulas_come_out
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("wgan-gp", {"c": 0.0, "lam": 0.4}),
        ("wgan-div", {"p": 2.0}),
        ("gan-qp", {"norm": "l2sq"}),
        ("lsgan", {"fake_label": 0.0}),
        ("lsgan", {"fake_label": -2.0, "target": 0.5}),
        ("ns", {"r1": 0.3, "consensus": 0.2, "sga": 0.1}),
        ("ns", {"gp": 0.3, "gp_center": 0.0, "smooth_fake": 0.1}),
        ("rpgan", {"noise": 0.6}),
    ],
)
def test_eigenvalues_are_those_of_the_spectrum(name, given, dim):
    variant = dg.variant(name, **given)
    e, s = explain(variant, dim), dg.spectrum(variant, dim=dim)
    if s.jacobian is None:
        assert e.jacobian is None
        assert not e.eigenvalues
        return
    numbers = SymbolicModel(variant, dim).numbers
    got = [complex(v.subs(numbers)) for v, n in e.eigenvalues for _ in range(n)]
    np.testing.assert_allclose(np.sort_complex(got), np.sort_complex(s.eigenvalues), atol=1e-8)
    np.testing.assert_allclose(np.array(e.jacobian.subs(numbers), float), s.jacobian, atol=1e-8)


def test_formulas_about_a_datum_hold_it_as_a_symbol():
    e = explain(dg.variant("ns", r1=0.1), x0=0.5)
    phi, theta = sp.symbols("phi theta", real=True)
    r1, x0 = sp.symbols("r1 x0", positive=True)
    sigma, _ = functions()
    assert e.field["phi'"] == -phi * r1 - theta * sigma(phi * theta) + x0 * sigma(-phi * x0)
    # both logits bend the critic's loss: x0^2/4 of the real one and theta^2/4 = x0^2/4 of the fake one
    assert e.jacobian == sp.Matrix([[-r1 - x0**2 / 2, -sp.S.Half], [sp.S.Half, 0]])
    assert e.x0 == [0.5] and e.values["x0"] == 0.5 and "d = 1, x0 = 0.5: stable" in e.notes[0]


@pytest.mark.slow  # fast: test_formulas_about_a_datum_hold_it_as_a_symbol
@pytest.mark.parametrize("x0", [[0.6, 0.3], [0.0, -1.2]])
def test_in_the_plane_the_jacobian_about_a_datum_is_the_spectrums(x0):
    variant = dg.variant("ns", r1=0.1)
    e, s = explain(variant, x0=x0, rule="simultaneous:lr=0.2"), dg.spectrum(variant, x0=x0)
    numbers = SymbolicModel(variant, 2, x0).numbers
    np.testing.assert_allclose(np.array(e.jacobian.subs(numbers), float), s.jacobian, atol=1e-12)
    assert "d = 2: stable" in e.notes[-1]


def test_known_formulas_come_out():
    e = explain(dg.variant("ns"))
    phi, theta = sp.symbols("phi theta", real=True)
    sigma, softplus = functions()
    assert e.field == {"phi'": -theta * sigma(phi * theta), "theta'": phi * sigma(-phi * theta)}
    d_r, d_f = sp.symbols("D_r D_f", real=True)
    assert e.losses == {"L_D": softplus(d_f) + softplus(-d_r), "L_G": softplus(-d_f)}
    said = " ".join(e.notes)
    assert "E t -> 8" in said and "the period is 12.5664" in said
    lam = sp.Symbol("lam", positive=True)
    e = explain(dg.variant("wgan-gp", c=0.0, lam=0.4))
    assert [v for v, _ in e.eigenvalues] == [
        -lam + sp.I * sp.sqrt(1 - lam**2),
        -lam - sp.I * sp.sqrt(1 - lam**2),
    ]


@pytest.mark.slow  # fast, in numbers: variants/test_modifiers.py::test_noise_damps_ns_like_l2_at_rest
def test_noise_damps_by_half_its_variance():
    mu = sp.Symbol("noise", positive=True)
    assert explain(dg.variant("ns", noise=0.5)).jacobian[0, 0] == -(mu**2) / 2


def notes(name, **given):
    return " ".join(explain(dg.variant(name, **given)).notes)


@pytest.mark.slow  # fast, of ns: test_known_formulas_come_out; of wgan: the next test
def test_statements_are_true():
    assert "E t -> 8" in notes("ns")
    assert "the period is 12.5664" in notes("ns")
    assert "E is conserved, every orbit is neutral" in notes("saturating")
    assert "E is conserved, every orbit is neutral" in notes("fgan-js", mode="minimax")
    assert "small orbits are neutral" in notes("hinge")
    assert "every (0, theta) is one" in notes("lsgan", fake_label=0.0)
    assert "form a line" not in notes("lsgan")
    assert "no derivative: the field jumps" in notes("wgan-gp")
    assert "not an equilibrium" in notes("wgan")
    assert "|phi| is conserved" in notes("wgan")
    assert "|phi| is conserved" not in notes("wgan", consensus=0.1)
    assert "inside the box" in notes("wgan-clip")
    assert "a/b form" not in notes("gan-qp")
    assert "wedge" in notes("gan-qp")
    assert "wedge" not in notes("ns", r1=0.1)
    assert "D_f - D_r alone" in notes("rpgan")
    assert "with x0 = 1 in d = 1, stable" in notes("ns")


def test_the_length_of_a_normalised_critic_is_told_as_it_moves():
    with jax.enable_x64(True):
        shrinks = length_of_the_critic(dg.variant("wgan", l2=0.2))
    assert "conserved" not in shrinks and "shrinks like exp(-0.2 t)" in shrinks


@pytest.mark.slow  # fast, of ns: a tiny start obeys the normal form in test_kinds_of_wrong_answers.py
def test_energy_law_is_what_the_flow_does():
    # fgan-pearson: E t -> the number in the note, on a run long enough
    note = next(n for n in explain(dg.variant("fgan-pearson")).notes if "E t ->" in n)
    constant = float(note.split("E t ->")[1].rstrip("."))
    traj = dg.simulate(dg.variant("fgan-pearson"), phi0=[0.5], theta0=[0.5], t1=4000.0, rtol=1e-9)
    r2 = traj.phi.values[:, 0] ** 2 + traj.theta.values[:, 0] ** 2  # a(0) = b(0) = 1: E = r^2/2
    late = slice(-250, None)
    # E t = C (1 - t0/t + ...) with oscillations of relative size E: compare the slope of 1/E
    slope = np.polyfit(traj.time.values[late], 2 / r2[late], 1)[0]
    np.testing.assert_allclose(1 / slope, constant, rtol=0.01)


def users(critic, generator=None, **body):
    body |= {
        "critic_loss": critic,
        "generator_loss": generator or (lambda self, real, fake, x_real, x_fake: -jnp.mean(fake)),
    }
    return type("Mine", (dg.Variant,), body)()


@pytest.mark.parametrize("name", ["ns", "wgan-gp"])  # functions of our own; brackets that SymPy would expand
def test_an_explanation_is_pickled_as_it_is(name):
    found = explain(dg.variant(name))
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert str(again) == str(found)


def test_a_users_loss_is_explained():
    variant = users(
        lambda self, real, fake, x_real, x_fake: (
            jnp.mean(jax.nn.relu(fake) ** 2) + jnp.mean(jnp.tanh(fake - real))
        )
    )
    e = explain(variant)
    phi, theta = sp.symbols("phi theta", real=True)
    got = e.field["phi'"].subs({phi: 0.7, theta: 0.9}).evalf()
    s = 0.63
    np.testing.assert_allclose(float(got), -(2 * s + 1 - np.tanh(s) ** 2) * 0.9, rtol=1e-12)
    assert e.summary.startswith("Mine")


def test_the_slope_of_a_softplus_off_its_centre_is_a_number():
    # L_D = w softplus((1 + D_f)/w): phi' = -theta sigma((1 + phi theta)/w), theta' = phi, so mu^2 = -sigma(1/w) at 0
    e = explain(
        users(lambda self, real, fake, x_real, x_fake: 0.5 * jnp.mean(jax.nn.softplus((1.0 + fake) / 0.5)))
    )
    (one, _), (other, _) = e.eigenvalues
    assert complex(one) == pytest.approx(1j * np.sqrt(1 / (1 + np.exp(-2.0))), rel=1e-12)
    assert complex(other) == pytest.approx(-complex(one), rel=1e-12)


def test_an_unknown_operation_is_named():
    variant = users(lambda self, real, fake, x_real, x_fake: jnp.mean(jax.lax.bessel_i0e(fake)))
    with pytest.raises(dg.InputError, match="bessel_i0e"):
        explain(variant)


def test_a_parameter_that_python_asks_about_keeps_its_number():
    class Choosy(dg.Variant):
        k: float = 2.0

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake) * (self.k if self.k > 1 else 1.0) - jnp.mean(real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    with jax.enable_x64(True):
        try:
            dg.field(Choosy())(jnp.ones(1), jnp.ones(1))
        except dg.InputError:
            with pytest.raises(dg.InputError, match="Choosy"):
                explain(Choosy())
        else:
            assert str(explain(Choosy()).field["phi'"]) == "-2*theta"


@pytest.mark.parametrize(
    ("critic", "loss"),
    [
        (lambda self, real, fake, x_real, x_fake: jnp.mean(fake) * jnp.nan, "nan"),
        (lambda self, real, fake, x_real, x_fake: 0.0 * jnp.mean(fake), "0"),
        pytest.param(
            lambda self, real, fake, x_real, x_fake: jnp.mean(jnp.sqrt(fake)),
            "sqrt(D_f)",
            marks=pytest.mark.slow,
        ),
        (
            lambda self, real, fake, x_real, x_fake: jnp.mean(jnp.where(fake > 0.3, fake, -2 * fake)),
            "(D_f if D_f > 3/10 else -2*D_f)",
        ),
        pytest.param(
            lambda self, real, fake, x_real, x_fake: jnp.mean(jnp.sign(fake) * jnp.floor(fake)),
            "floor(D_f)*sign(D_f)",
            marks=pytest.mark.slow,
        ),
        (lambda self, real, fake, x_real, x_fake: jnp.mean(1 / (x_fake - x_real)), "1/(x_f - x_r)"),
    ],
    ids=["nan", "constant", "root", "where", "steps", "pole"],
)
def test_awkward_losses_are_explained_as_they_are_written(critic, loss):
    for dim in (1, 2):
        lines = str(explain(users(critic), dim)).splitlines()
        assert f"  L_D = {loss}" in lines
        assert any(line.startswith("What happens") for line in lines)


def test_a_loss_without_a_value_at_rest_is_said_so_once():
    notes = explain(users(lambda self, real, fake, *_: jnp.mean(jnp.log(fake - 5.0)))).notes
    assert len(notes) == 1 and "no finite value at (0, 0)" in notes[0]


def test_a_step_has_a_place_and_no_slope():
    e = explain(users(lambda self, real, fake, *_: jnp.mean(fake + jnp.floor(10 * fake) * fake / 10)))
    assert str(e.field["phi'"]) == "-theta*floor(10*phi*theta)/10 - theta"
    assert any("10*phi*theta is a whole number" in note for note in e.notes)
    assert not any("eigenvalues are" in note for note in e.notes)


def test_indexing_and_linear_algebra_have_formulas():
    x = np.array(sp.symbols("a b c", real=True))

    def fn(x):
        y = jnp.concatenate([x[1:], x[:1]])
        return (
            jnp.dot(y, x) + jnp.linalg.norm(x[None, :2]) + jnp.max(x) - x[-1] + jnp.where(x[0] > 0, x[0], 0.0)
        )

    a, b, c = x
    (got,) = formulas(fn, x)
    want = (
        a * b
        + b * c
        + c * a
        + sp.sqrt(a**2 + b**2)
        + sp.Max(a, b, c)
        - c
        + sp.Piecewise((a, a > 0), (0, True))
    )
    assert sp.simplify(got.item() - want) == 0


def test_numbers_are_exact():
    assert exact(0.1) == sp.Rational(1, 10)
    assert exact(-2.5) == sp.Rational(-5, 2)
    assert exact(float(np.log(2))) == sp.log(2)
    assert exact(float(np.pi / 2)) == sp.pi / 2
    assert isinstance(exact(0.12345678912345), sp.Float)


@pytest.mark.parametrize("format", ["text", "latex", "markdown"])
def test_every_format_shows_everything(format):
    shown = explain(dg.variant("wgan-gp", c=0.0), 2).render(format)
    for word in ("Losses", "Field", "Jacobian", "Eigenvalues", "What happens", "Reference"):
        assert word in shown
    if format == "latex":
        assert shown.count(r"\begin{") == shown.count(r"\end{")
        assert r"\lambda" in shown


class Held(dg.Variant):
    """Losses that hold a value still, or bring a derivative with them."""

    own: bool = False

    def critic_loss(self, real, fake, x_real, x_fake):
        rounded = fake + jax.lax.stop_gradient(jnp.round(fake) - fake)  # straight through: round(f), slope 1
        return jnp.mean(0.5 * (rounded + 0.25) ** 2 + (_straight(fake) if self.own else 0.0))

    def generator_loss(self, real, fake, x_real, x_fake):
        slope = jax.grad(lambda f: jnp.mean(jax.nn.softplus(-f)))(fake)  # -sigma(-f)
        return jnp.mean(jax.lax.stop_gradient(slope) * fake)


@jax.custom_jvp
def _straight(x):
    return jnp.sin(x)


_straight.defjvp(lambda x, dx: (jnp.sin(*x), *dx))


def test_what_a_loss_stops_has_no_slope_in_the_formulas():
    with jax.enable_x64(True):
        model = SymbolicModel(Held(), 1)
    (phi, theta), sigma = model.z, functions()[0]
    f = phi * theta
    by_hand = [-(sp.floor(f + sp.Rational(1, 2)) + 0.25) * theta, sigma(-f) * phi]
    for u, v in ((0.3, 0.8), (1.7, -1.2), (-2.0, -1.1)):
        for formula, e in zip(model.field, by_hand, strict=True):
            at = [float(x.subs({phi: u, theta: v}).evalf()) for x in (formula, e)]
            assert at[0] == pytest.approx(at[1], abs=1e-12)
    assert all(e.has(stopped()) for e in model.dirac_losses.values())


@pytest.mark.slow  # fast: the formulas, the test before
def test_what_a_loss_stops_is_explained():
    found = explain(Held())
    assert "sg(x) = x" in str(found) and "sg(" not in str(list(found.field.values()))


@pytest.mark.parametrize("loss", [Held(), dg.variant("wgan").with_(r1=0.3)])
def test_a_transform_of_a_field_with_steps_has_their_slope_0(loss):
    variant = loss.with_(consensus=0.1)
    with jax.enable_x64(True):
        shown = values(SymbolicModel(variant, 1).field, SymbolicModel(variant, 1), [1.3], [0.8])
        assert shown == pytest.approx(np.concatenate(dg.field(variant)(np.array([1.3]), np.array([0.8]))))


def test_a_derivative_that_is_not_the_formulas_is_refused():
    with pytest.raises(dg.errors.InputError, match="custom_jvp"):
        explain(Held(own=True))


def test_command_prints_one_json_object(capsys):
    assert main(["explain", "wgan-gp", "--c", "0", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["field"] == {"phi'": "-(2*lam*phi + theta)", "theta'": "phi"}
    assert found["jacobian"] == [["-2*lam", "-1"], ["1", "0"]]


def test_command_explains_presets(capsys):
    for name, rule in (("stylegan", "lazy=16"), ("r3gan", "r2=0.05"), ("dcgan", "beta1=0.5")):
        assert main(["explain", name]) == 0
        out = capsys.readouterr().out
        assert rule in out
        assert "adam" in out


def test_command_takes_a_users_file(tmp_path, capsys):
    file = tmp_path / "my.py"
    file.write_text(
        "import jax.numpy as jnp, diracgan as dg\n"
        "@dg.register('my-cubic')\n"
        "class Cubic(dg.Variant):\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake + fake**3)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)\n"
    )
    assert main(["explain", f"{file}:my-cubic"]) == 0
    assert "L_D = D_f**3 + D_f" in capsys.readouterr().out
    assert _preset(f"{file}:stylegan") is None  # whatever the user calls it


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nss"], "did you mean 'ns'"),
        ([], "which variant"),
        (["ns", "--dim", "3"], "allowed: 1, 2"),
        (["ns", "--dim", "0"], "too small"),
        (["ns", "--format", "html"], "unknown"),
        (["ns", "-p", "lam=1"], "unknown parameter"),
    ],
)
def test_command_refuses_in_one_line(words, said, capsys):
    assert main(["explain", *words]) == 2
    out = capsys.readouterr()
    assert said in out.err
    assert out.err.count("\n") == 1
    assert not out.out
