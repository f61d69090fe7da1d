"""The page's programs, run by Node, against Python's trajectories of the same variants and rules."""

from __future__ import annotations

import json
import shutil
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.dirac import default_start
from diracgan.web.bundle import joined, modules, programs_of
from diracgan.web.javascript import body
from diracgan.web.programs import rule_sources
from diracgan.web.shipped import PROGRAMS

NODE = shutil.which("node")
if NODE is None:
    pytest.skip("no Node is installed", allow_module_level=True)

STEPS, EVERY, T1 = 10_000, 1_000, 40.0
DRIVER = """
import { readFileSync } from "fs";
import "./catalogue.js";
import { system } from "./model.js";
import { flow } from "./flow.js";
import { iterate } from "./steps.js";
import { spectrum } from "./spectrum.js";
const told = JSON.parse(readFileSync(0, "utf8")).map((c) => {
  const dim = c.z0.length / 2;
  const made = system(c.variant, dim, c.x0 ?? [0, 0]);
  if (c.ask === "spectrum") return spectrum(made, c.rule ?? null);
  if (c.rule) {
    const path = iterate(made, c.rule, c.z0, c.steps);
    const rows = [];
    for (let k = 0; k * path.size < path.y.length; k += c.every) {
      rows.push(Array.from(path.y.subarray(k * path.size, k * path.size + 4 * dim)));
    }
    return { rows, result: path.result };
  }
  const path = flow(made, c.z0, c.t1, { ts: c.ts, tau: c.tau ?? 0 });
  const rows = c.ts.map((t) => {
    const k = path.t.indexOf(t);
    return k < 0 ? null : Array.from(path.y.subarray(k * path.size, (k + 1) * path.size));
  });
  return { rows, result: path.result };
});
console.log(JSON.stringify(told));
"""


def node(folder, cases):
    """What the page's programs answer to ``cases``, lists of plain objects."""
    done = subprocess.run(
        [str(NODE), str(folder / "driver.mjs")],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def written(folder, variants):
    """The page's modules as files that Node reads."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "driver.mjs").write_text(DRIVER)
    for name, text in modules(*programs_of(dg.variants.parse(v) for v in variants)).items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return written(tmp_path_factory.mktemp("few"), ["ns", "wgan-gp", "wgan-clip"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return written(tmp_path_factory.mktemp("whole"), dg.variants())


def nudged(z0):
    """The start, and starts away from it in every entry by an ulp of 1, the rounding of runs that grow to that size.

    By an ulp of their own, of 0.1, they may come together again to the last bit, and then nothing shows what becomes of
    a rounding made later: ragan's do within 100 contracted steps, and leave s = 0 by what is rounded at the 650th.
    """
    return z0 + np.finfo(float).eps * np.eye(len(z0) + 1, len(z0), -1)


def agree(found, runs):
    """Whether rows agree with the first of ``runs`` (N, rows, entries), the others being nudged ones.

    To 1e-9 max(1, |z|), or ten times what an ulp of 1 at the start makes of Python's own runs; up to where that is a
    tenth of the state, from where on nothing is predicted, also where Python's runs come near each other again. (Under
    simultaneous steps in d = 2 some variants grow along s = 0, which has become unstable: Python's contracted
    multiplications leave it, JavaScript's products keep the symmetry to the last bit.)
    """
    base = runs[0]
    scale = np.maximum(1.0, np.max(np.abs(base), axis=1))
    with np.errstate(invalid="ignore"):
        spread = 10 * np.nanmax(np.abs(runs - base), axis=(0, 2))
    alive = np.isfinite(base).all(axis=1) & (scale < 1e100) & (spread < 0.1 * scale)
    rows = range(len(base) if alive.all() else int(np.argmin(alive)))
    assert len(rows) > 0 and len(found) >= len(rows)
    return all(np.max(np.abs(np.array(found[k]) - base[k])) <= max(1e-9 * scale[k], spread[k]) for k in rows)


def many_steps(variant, rule, dim):
    """Rows of one rule from the usual start and from nudged ones, (N, rows, entries)."""
    starts = nudged(np.concatenate(default_start(dim)))
    many = np.resize(starts, (1000, 2 * dim))  # enough for one compiled loop
    ran = dg.ensemble(
        variant, many[:, :dim], many[:, dim:], rule=rule, steps=STEPS, save=[*range(0, STEPS + 1, EVERY)]
    )
    return np.concatenate([np.asarray(ran["phi"]), np.asarray(ran["theta"])], axis=-1)[: len(starts)]


def flow_rows(variant, z0, ts):
    """Rows of the flow from each start, (N, rows, entries)."""
    d = len(z0[0]) // 2
    runs = [
        dg.simulate(
            variant, phi0=z[:d], theta0=z[d:], t1=ts[-1], ts=ts, backend="scipy", rtol=1e-12, atol=1e-14
        )
        for z in z0
    ]
    return np.array([np.concatenate([np.asarray(r["phi"]), np.asarray(r["theta"])], axis=1) for r in runs])


def test_a_flow_that_starts_outside_the_box_of_a_clipped_critic_starts_on_it(few):
    case = {
        "variant": {"name": "wgan-clip", "values": {}},
        "z0": [0.5, 0.35],
        "t1": 2.0,
        "ts": [0.5, 1.0, 2.0],
    }
    (found,) = node(few, [case])
    assert found["result"] == "ok"
    want = flow_rows(dg.variant("wgan-clip"), [[0.5, 0.35]], [0.5, 1.0, 2.0])
    # inside the box the flow is a rotation: from (0.3, 0.35), theta = 0.35 cos t + 0.3 sin t
    assert found["rows"][0][1] == pytest.approx(0.35 * np.cos(0.5) + 0.3 * np.sin(0.5), abs=1e-10)
    assert agree(found["rows"], want)


def first_shown(folder):
    """The variant that a page of these modules begins with."""
    (folder / "first.mjs").write_text(
        'import "./catalogue.js";\nimport { usualState } from "./state.js";\n'
        "console.log(usualState().variants[0].name);\n"
    )
    done = subprocess.run([str(NODE), str(folder / "first.mjs")], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow  # fast, the order: test_page.py::test_a_loss_of_ones_own_stands_beside_those_of_the_package
def test_a_page_begins_with_what_was_named_first_and_the_catalogue_with_ns(whole, tmp_path):
    assert first_shown(whole) == "ns"
    assert first_shown(written(tmp_path, ["wgan-gp", "ns"])) == "wgan-gp"


LEFT_OUT = json.loads(PROGRAMS.read_text(encoding="utf-8"))["left"]
SCALAR = [name for name in dg.rules() if name not in LEFT_OUT]


def test_only_rules_that_solve_equations_are_not_in_the_page():
    assert all(why.endswith(" on arrays") for why in LEFT_OUT.values())  # a loop of Newton's, a linear system
    known = "simultaneous alternating heavy-ball nesterov adam extragradient optimistic lookahead rk2 rk4"
    assert not set(LEFT_OUT) & {*known.split(), "adamw", "amsgrad", "rmsprop"}
    assert rule_sources([*LEFT_OUT, "rk2"])[1] == LEFT_OUT


@pytest.mark.parametrize("rule", slow_but(SCALAR, "alternating", "adam", "lookahead"))
def test_every_rule_makes_the_steps_that_python_makes(few, rule):
    z0 = np.concatenate(default_start(2))
    case = {
        "variant": {"name": "ns", "values": {"r1": 0.3}},
        "rule": {"name": rule, "values": {"lr": 0.05, "ema": 0.9}},
    }
    (found,) = node(few, [{**case, "z0": [*z0], "steps": 200, "every": 50}])
    ran = dg.simulate(
        dg.variant("ns", r1=0.3),
        phi0=z0[:2],
        theta0=z0[2:],
        rule=dg.rule(rule, lr=0.05, ema=0.9),
        steps=200,
        every=50,
    )
    want = np.concatenate([np.asarray(ran[n]) for n in ("phi", "theta", "phi_ema", "theta_ema")], axis=1)
    assert np.allclose(found["rows"], want, rtol=0, atol=1e-12)


@pytest.mark.slow  # fast, 200 steps of some: the test above
@pytest.mark.parametrize("variant", dg.variants())
def test_ten_thousand_steps_of_every_rule(whole, variant):
    cases, want = [], []
    for rule in SCALAR:
        for dim in (1, 2) if rule in ("simultaneous", "adam") else (2,):
            z0 = [*np.concatenate(default_start(dim))]
            asked = {
                "variant": {"name": variant, "values": {}},
                "rule": {"name": rule, "values": {"lr": 0.1}},
            }
            cases.append({**asked, "z0": z0, "steps": STEPS, "every": EVERY})
            want.append(many_steps(dg.variant(variant), dg.rule(rule, lr=0.1), dim))
    found = node(whole, cases)
    wrong = []
    for case, f, w in zip(cases, found, want, strict=True):
        rows = [r[: len(case["z0"])] for r in f["rows"]]
        if not agree(rows, w):
            wrong.append((case["rule"]["name"], len(case["z0"]) // 2))
    assert wrong == []


USUAL = {1: [0.1, 0.2], 2: [0.1, 0.2, 0.2, 0.1]}


def followed(folder, specs):
    """Whether the page's flow agrees with Python's, for (name, values, z0) each."""
    ts = [*np.linspace(0, T1, 11)]
    cases = [{"variant": {"name": n, "values": v}, "z0": z0, "t1": T1, "ts": ts} for n, v, z0 in specs]
    wrong = []
    for (name, values, z0), found in zip(specs, node(folder, cases), strict=True):
        variant = dg.variant(name, **values)
        want = flow_rows(variant, [np.array(z0)], ts)
        if not agree(found["rows"], want) and not agree(
            found["rows"], flow_rows(variant, nudged(np.array(z0)), ts)
        ):
            wrong.append((name, values, z0))
    return wrong


def test_the_flow_is_pythons_where_it_is_smooth_and_where_it_switches(few):
    specs = [("ns", {"r1": 0.2}, USUAL[2]), ("wgan-gp", {}, USUAL[1]), ("wgan-gp", {}, USUAL[2])]
    assert followed(few, specs) == []


@pytest.mark.slow  # fast, of two: the test above
@pytest.mark.parametrize("variant", dg.variants())
def test_the_flow_of_every_variant(whole, variant):
    assert followed(whole, [(variant, {}, USUAL[d]) for d in (1, 2)]) == []


@pytest.mark.slow  # fast, on a jump: test_the_flow_is_pythons_where_it_is_smooth_and_where_it_switches
def test_the_flow_slides_rests_and_is_held_as_in_python(whole):
    specs = [
        ("wgan-gp", {"lam": 1.2}, [0.1, 0.2]),  # comes to rest on the jump
        ("wgan-gp", {"one_sided": True}, [1.5, 0.2, 0.2, 0.1]),
        ("wgan-clip", {}, [0.1, 1.0]),  # held at a face of the box
        ("wgan-clip", {}, [0.1, -0.2, 1.0, 0.3]),
        ("hinge", {}, [1.5, 1.5]),
        ("gan-qp", {"norm": "l1"}, USUAL[2]),
        ("gan-qp", {"norm": "l2sq"}, USUAL[2]),
        ("lsgan", {"l2": 0.1}, USUAL[2]),
        ("fgan-kl", {"mode": "minimax"}, USUAL[1]),
    ]
    assert followed(whole, specs) == []


SMOOTH = "softplus tanh arctan sin gelu silu cosh log1p".split()
KINKED = "abs relu leaky_relu hard_tanh".split()


def own_loss(name, seed):
    """Register losses that are in no repository: sums of drawn functions of drawn arguments, one with a kink."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(seed)

    def sum_of_drawn():
        picked = [*rng.choice(SMOOTH, 2), rng.choice(KINKED)]
        numbers = rng.normal(size=(3, 3))

        def total(x):
            functions = [getattr(jax.nn, n, None) or getattr(jnp, n) for n in picked]
            inside = [b * x + c for _, b, c in numbers]
            small = [
                jnp.tanh(y) * 0.9 if n in ("cosh", "log1p") else y
                for n, y in zip(picked, inside, strict=True)
            ]
            return sum(a * f(y) for f, y, (a, _, _) in zip(functions, small, numbers, strict=True))

        return total

    real_part, fake_part, generators = sum_of_drawn(), sum_of_drawn(), sum_of_drawn()

    class Own(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(real_part(real)) + jnp.mean(fake_part(fake))

        def generator_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(generators(fake))

    dg.register(name)(Own)


@pytest.mark.slow  # fast, without its flow: test_page.py::test_a_loss_of_ones_own_stands_beside_those_of_the_package
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_flow_of_losses_that_are_in_no_repository(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(dg.variants.VARIANTS, "entries", dict(dg.variants.VARIANTS.entries))
    own_loss(f"own-{seed}", seed)
    folder = written(tmp_path, [f"own-{seed}"])
    assert followed(folder, [(f"own-{seed}", {}, USUAL[d]) for d in (1, 2)]) == []


@pytest.mark.slow  # fast, of the functions: test_special.py
def test_a_loss_may_hold_the_error_function_and_the_gamma_function(tmp_path, monkeypatch):
    from jax.scipy.special import erf, erfinv, gammaln
    from jax.scipy.stats import norm

    class Probit(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(0.3 * real**2 - jnp.log(norm.cdf(real))) + jnp.mean(gammaln(2.0 + fake**2) + fake)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(erf(fake) + erfinv(0.5 * jnp.tanh(fake)))

    monkeypatch.setattr(dg.variants.VARIANTS, "entries", dict(dg.variants.VARIANTS.entries))
    dg.register("own-probit")(Probit)
    folder = written(tmp_path, ["own-probit"])
    assert followed(folder, [("own-probit", {}, USUAL[d]) for d in (1, 2)]) == []


@pytest.mark.slow  # fast, of known ones: test_the_flow_is_pythons_where_it_is_smooth_and_where_it_switches
def test_losses_of_ones_own_slide_and_rest_as_in_python(tmp_path, monkeypatch):
    """One critic slides and is let go on its other side; of the other loss the two switch on surfaces that meet."""
    import jax
    import jax.numpy as jnp

    class Repelled(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(jnp.log1p(jnp.exp(-real)) + 0.05 * real**2) + jnp.mean(jnp.log1p(fake**2) + fake)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(jnp.log1p(jnp.abs(fake)) + fake)

    class Distant(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            gap = jnp.sqrt(jnp.sum((x_real - x_fake) ** 2) + 1e-3)
            return jnp.mean(jax.nn.relu(3.0 * gap - (real - fake))) + jnp.mean(fake**2)

        def generator_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(real - fake) + 0.2 * jnp.mean(jnp.abs(x_fake))

    monkeypatch.setattr(dg.variants.VARIANTS, "entries", dict(dg.variants.VARIANTS.entries))
    dg.register("own-repelled")(Repelled)
    dg.register("own-distant")(Distant)
    folder = written(tmp_path, ["own-repelled", "own-distant"])
    specs = [("own-repelled", {}, [1.796, -1.256]), ("own-repelled", {}, [0.586, -1.224])]
    specs += [("own-distant", {"l2": 0.58}, [-0.381, 1.683, 0.069, 1.484])]
    assert followed(folder, specs) == []


@pytest.mark.slow  # fast, of steps: test_every_rule_makes_the_steps_that_python_makes
def test_an_average_follows_the_flow(few):
    ts = [0.0, 10.0, 20.0]
    case = {"variant": {"name": "ns", "values": {}}, "z0": USUAL[2], "t1": 20.0, "ts": ts, "tau": 5.0}
    (found,) = node(few, [case])
    ran = dg.simulate(
        dg.variant("ns"),
        phi0=[0.1, 0.2],
        theta0=[0.2, 0.1],
        t1=20.0,
        ts=ts,
        ema_tau=5.0,
        rtol=1e-12,
        atol=1e-14,
    )
    want = np.concatenate([np.asarray(ran[n]) for n in ("phi", "theta", "phi_ema", "theta_ema")], axis=1)
    assert np.allclose(found["rows"], want, rtol=0, atol=1e-9)


def test_the_datum_is_where_it_is_said_to_be(few):
    case = {
        "variant": {"name": "ns", "values": {}},
        "z0": [0.1, 0.2],
        "x0": [0.7],
        "t1": 5.0,
        "ts": [0.0, 5.0],
    }
    (found,) = node(few, [case])
    ran = dg.simulate(
        dg.variant("ns"), phi0=[0.1], theta0=[0.2], x0=[0.7], t1=5.0, ts=[0.0, 5.0], rtol=1e-12, atol=1e-14
    )
    assert np.allclose(found["rows"][1], [ran["phi"][1, 0], ran["theta"][1, 0]], rtol=0, atol=1e-9)


SPECTRA = [
    ("ns", {}, None),
    ("ns", {"r1": 1e-9}, None),
    ("ns", {"r1": 0.3}, None),
    ("wgan-gp", {"c": 1.0}, None),
]
SPECTRA += [
    ("ns", {"r1": 0.3}, {"name": r, "values": {"lr": 0.2}}) for r in ("alternating", "heavy-ball", "adam")
]


def test_eigenvalues_and_multipliers_are_pythons(few):
    cases = [
        {"ask": "spectrum", "variant": {"name": n, "values": v}, "rule": r, "z0": USUAL[2]}
        for n, v, r in SPECTRA
    ]
    for (name, values, rule), found in zip(SPECTRA, node(few, cases), strict=True):
        made = None if rule is None else dg.rule(rule["name"], **rule["values"])
        s = dg.spectrum(dg.variant(name, **values), dim=2, rule=made)
        want = s.eigenvalues if rule is None else s.multipliers
        assert found["status"] == s.status
        got = np.array([complex(*x) for x in found["values"]])
        assert got.shape == want.shape
        size = max(1.0, np.max(np.abs(want), initial=0.0))
        assert all(np.min(np.abs(got - x)) <= 1e-7 * size for x in want)


SCALED = """
import jax.numpy as jnp
import diracgan as dg

@dg.register("scaled-by")
class Scaled(dg.Variant):
    scale: float = 1.0
    push: float = 0.0
    def critic_loss(self, real, fake, x_real, x_fake):
        return self.scale * (jnp.mean(jnp.square(fake + 1.0)) - jnp.mean(real) * self.push)
    def generator_loss(self, real, fake, x_real, x_fake):
        return -self.scale * jnp.mean(fake)
"""


def test_no_status_depends_on_the_size_of_a_loss(tmp_path):
    """In another unit of the losses the field is another one by that factor; the page decides what Python decides."""
    (tmp_path / "scaled.py").write_text(SCALED)
    folder = written(tmp_path, [f"{tmp_path / 'scaled.py'}:scaled-by"])
    chosen = [{"scale": s, "push": p} for s in (1e-10, 1.0, 1e10) for p in (0.0, 2.0)]
    cases = [
        {
            "ask": "spectrum",
            "variant": {"name": "scaled-by", "values": v},
            "x0": [1.0, 1.0],
            "z0": USUAL[2],
        }
        for v in chosen
    ]
    # the critic is pushed by scale (push - 2) x0 at (0, x0)
    for values, found in zip(chosen, node(folder, cases), strict=True):
        s = dg.spectrum(dg.variant("scaled-by", **values), dim=2, x0=[1.0, 1.0])
        assert (s.status == "not-an-equilibrium") == (values["push"] == 0.0)
        assert found["status"] == s.status


@pytest.mark.slow  # no fast witness: it writes a page of its own
def test_a_rule_that_meets_a_point_without_a_value_is_not_said_to_run_away(tmp_path):
    """One step takes phi to 0, where phi/|phi| has no value."""
    rule = {"name": "simultaneous", "values": {"lr": 0.5}}
    case = {"variant": {"name": "wgan", "values": {"l2": 2.0}}, "rule": rule, "z0": [0.4, -1.4]}
    folder = written(tmp_path, ["wgan"])
    (found,) = node(folder, [{**case, "steps": 5, "every": 1}])
    assert found["result"] == "no value"
    assert np.allclose([row[:2] for row in found["rows"]], [[0.4, -1.4], [0.0, -0.9]], rtol=0, atol=1e-15)


def test_bundled_modules_are_one_script(tmp_path):
    parts = {
        "a": 'import { b } from "./b.js";\nconst LARGEST = b + 1;\nconsole.log(LARGEST);\n',
        "b": "const LARGEST = 2;\nexport const b = LARGEST;\n",
    }
    (tmp_path / "script.mjs").write_text(joined(parts, "a"))
    done = subprocess.run(
        [str(NODE), str(tmp_path / "script.mjs")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "3\n"


def test_numbers_are_rounded_as_python_rounds_them():
    import jax
    import jax.numpy as jnp

    from diracgan.tracing.scalar_program import trace

    values = [-2.5, -1.5, -0.6, -0.5, 0.49999999999999994, 0.5, 1.5, 2.5, 1e15 + 0.5, 3e16, -1e300]
    with jax.enable_x64(True):
        number = jax.ShapeDtypeStruct((), float)
        even, away = (body(trace(f, number), ["x"]) for f in (jnp.round, jax.lax.round))
    script = f"const even=(x,o=[])=>{{{even}return o[0];}};const away=(x,o=[])=>{{{away}return o[0];}};"
    script += f"console.log(JSON.stringify([{values}.map((x)=>even(x)),[-2.5,1.5].map((x)=>away(x))]))"
    done = subprocess.run([str(NODE), "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[round(x) for x in values], [-3, 2]]


def test_what_javascript_lacks_is_refused():
    import jax
    import jax.numpy as jnp

    from diracgan.tracing.scalar_program import trace
    from diracgan.tracing.source_text import NotWritable

    with pytest.raises(NotWritable, match="bessel_i0e"):
        body(trace(jax.scipy.special.i0e, jnp.zeros(())), ["x"])
