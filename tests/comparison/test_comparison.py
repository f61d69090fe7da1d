"""The comparison: its statistics, its predictions against closed forms, and what its reports say."""

from __future__ import annotations

import json
import threading
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.comparison import (
    api,
    forecast_runs,
    forecast_scores,
    from_scratch,
    near_equilibrium,
    prediction,
    protocol,
)
from diracgan.comparison.claims import _toy, claim_a, claim_b, claim_c, claim_d
from diracgan.comparison.gate import _control, control_results, gated
from diracgan.comparison.parts import Parts, code_of
from diracgan.comparison.statistics import auc, auc_interval, lower_bound, rank_correlation, spread, tally
from diracgan.dirac import game
from diracgan.dynamics import run
from diracgan.errors import InputError
from diracgan.game import Players
from diracgan.measure.equilibria import NoEquilibrium
from diracgan.reporting import comparison as words
from diracgan.reporting.encode import plain

HOW = protocol("ci")["equilibrium"]


def forecast_records():
    """Four checkpoints of one group; spreads forecast a tenth too high, one run of the ladder blows up, unannounced."""
    made = []
    for seed in range(4):
        for k, (setting, rate) in enumerate((("as it is", 1.0), ("batch=16", 4.0), ("lr=1.6e-2", 8.0))):
            got = [(seed + 1.0) * (k + 1.0)] * 6
            if setting == "lr=1.6e-2" and seed == 3:
                got = [100.0] * 6
            series = {
                n: {"spread": 1.1 * g, "spread_low": g, "spread_high": 1.2 * g, "frequency": None}
                | {"mean_frequency": 0.1}
                for n, g in zip(protocol("ci")["forecast"]["series"], got, strict=True)
            }
            seen = {"finite": True, "spread": got, "level": got, "oscillates": [True] * 6}
            seen |= {"frequency": [0.1] * 6, "mean_frequency": [0.1 if seed else 0.2] * 6}
            own = {"kind": "setting", "group": "g", "variant": "ns", "seed": seed, "setting": setting}
            own |= {"status": "spreads", "growth": 1.0 + 0.01 * (seed == 3), "departure": None}
            own |= {"lr_over_batch": rate, "before": seen, "measured": seen, "forecast": series}
            made.append(own)
        limit = {"kind": "critical", "group": "g", "variant": "ns", "seed": seed, "parameter": "beta1"}
        limit |= {"now": 0.5, "predicted": 0.9, "measured": 0.91 if seed else 0.95}
        made.append(limit)
    return made


def test_what_a_forecast_is_scored_by():
    d = claim_d(forecast_records(), protocol("ci"), None)
    spreads = d["spread"]
    assert spreads["forecast"]["median"] == pytest.approx(0.1)
    assert spreads["inside"]["agree"] == spreads["inside"]["of"] == 72
    # of seed 3 the others' spreads are 1, 2, 3: the constant guess is 2 of 4; sqrt(lr/batch) doubles it for batch = 16
    own = forecast_scores._rows(forecast_records()[12], forecast_records()[12:13], protocol("ci")["forecast"])
    assert own[0]["constant"] is None
    rows = [r for r in forecast_records() if r["kind"] == "setting"]
    row = forecast_scores._rows(rows[10], rows, protocol("ci")["forecast"])[0]
    assert (row["measured"], row["constant"], row["root"]) == (8.0, 2.0, 4.0)
    assert d["blow_ups"]["blown"] == 1 and d["blow_ups"]["forecast"]["auc"] == 1.0
    assert d["blow_ups"]["root"]["auc"] == 0.5  # all have the same rate
    mean = d["frequency"]["mean_frequency"]["within"]
    assert mean["agree"] / mean["of"] == pytest.approx(0.75)
    assert d["frequency"]["peak"]["within"]["agree"] == 0
    # 1 - beta1: 0.1 against 0.09 (11 % off) and against 0.05 (100 %)
    assert d["critical"]["beta1"]["within"]["agree"] == 3 and d["critical"]["beta1"]["of"] == 4
    assert d["settings"]["hard"]["of"] == 0 or d["settings"]["hard"]["agree"] == d["settings"]["hard"]["of"]


def test_runs_that_stand_still_or_are_lost_are_scored_all_the_same():
    records = forecast_records()
    now = [r for r in records if r.get("setting") == forecast_runs.NOW]
    now[0]["measured"] = now[0]["measured"] | {"spread": [0.0] * 6}
    now[1]["measured"] = {"finite": False}
    d = claim_d(records, protocol("ci"), None)
    assert 0.5 < d["spread"]["forecast"]["within"]["agree"] / d["spread"]["forecast"]["within"]["of"] < 1.0
    assert d["blow_ups"]["of"] == 4
    assert "no bound" in words.forecasts(plain(d))


def test_a_comparison_of_no_claim_is_refused():
    with pytest.raises(InputError, match="claims is empty"):
        dg.compare("ci", claims=[])


def test_images_that_are_not_there_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="no file"):
        dg.compare("ci", images=str(tmp_path / "none"))
    (tmp_path / "some").write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)
    with pytest.raises(InputError, match="says that it holds"):
        dg.compare("ci", images=str(tmp_path / "some"))


@pytest.mark.slow  # fast, of written records: test_what_a_forecast_is_scored_by
def test_runs_go_on_from_where_they_were_forecast():
    chosen = protocol("ci", seed0=1000)
    chosen.chosen["forecast"] |= {"checkpoint": 600, "steps": 300}
    variant = dg.variant("ns").with_(r1=0.1)
    by = "adam:lr=2e-3,beta1=0.5,alternating=true"
    design = forecast_runs.Design("points8", 4, by, variant, [1000, 1001], ["batch=4"], ["lr"])
    records = forecast_runs.claims(design, chosen)
    assert [r["setting"] for r in records if r["kind"] == "setting"] == ["as it is", "batch=4"] * 2
    json.dumps(records)
    for now, noisier in (records[:2], records[2:4]):
        spreads = np.array([r["measured"]["spread"] for r in (now, noisier)])
        assert np.all(np.isfinite(spreads)) and np.all(spreads > 0)
        assert noisier["lr_over_batch"] == pytest.approx(16 * now["lr_over_batch"])
    limits = [r for r in records if r["kind"] == "critical"]
    assert len(limits) == 2 and all(
        r["parameter"] == "lr" and r["now"] == pytest.approx(2e-3) for r in limits
    )


def test_a_part_that_is_done_is_not_run_again(tmp_path):
    calls = []

    def part(variant, chosen, name):
        calls.append(name)
        return [{"predicted": 1j, "agree": np.bool_(True), "ratio": np.inf}]

    for _ in range(2):
        with Parts(protocol("ci"), tmp_path) as parts:
            asked = [parts.add("some", part, dg.variant("ns"), n) for n in ("a", "b")]
            found = [f.result() for f in asked]
        assert found == [[{"predicted": 1j, "agree": True, "ratio": np.inf}]] * 2
    assert sorted(calls) == ["a", "b"]
    with Parts(protocol("ci", seed0=1), tmp_path) as parts:
        parts.add("some", part, dg.variant("ns"), "a").result()
    assert len(calls) == 3


@pytest.mark.parametrize(
    "content",
    [
        *(b'[{"agree": tr', b"\xff\xfe", b"[" * 100_000, b"[]", b"{}", b"null", b'{"records": []}'),
        b'{"sha256": "0", "records": []}',
    ],
)
def test_a_part_that_is_damaged_is_named(tmp_path, content):
    def run(variant, chosen):
        return []

    with Parts(protocol("ci"), tmp_path) as parts:
        parts.add("some", run, dg.variant("ns")).result()
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    with (
        Parts(protocol("ci"), tmp_path) as parts,
        pytest.raises(InputError, match="json' cannot be read: .*remove it"),
    ):
        parts.add("some", run, dg.variant("ns")).result()


def test_what_runs_is_not_waited_for_after_ctrl_c():
    """Nobody would release it: a pool that waited would never end."""
    begun, released = threading.Event(), threading.Event()

    def part(variant, chosen):
        begun.set()
        released.wait()
        return []

    parts = Parts(protocol("ci"))
    running = [parts.add("some", part, dg.variant("ns")) for _ in range(3)]
    begun.wait()
    parts.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert running[2].cancelled() and not running[0].done()
    released.set()
    assert running[0].result() == []


def test_bounds_are_exact():
    """Of n successes in n the one-sided bound is alpha^(1/n); of none it is 0."""
    assert lower_bound(78, 78) == pytest.approx(0.05 ** (1 / 78), rel=1e-12)
    assert lower_bound(0, 5) == 0.0 and lower_bound(0, 0) is None
    from scipy.stats import binom

    bound = lower_bound(17, 20)
    assert binom.sf(16, 20, bound) == pytest.approx(0.05, rel=1e-9)
    assert tally([True, False])["lower_bound"] < 0.5


def test_bounds_of_an_auc_draw_whole_clusters():
    score, outcome = [0.1, 0.9, 0.2, 0.8], [False, True, True, False]  # one cluster in order, one reversed
    apart = auc_interval(score, outcome, ["a", "a", "b", "b"])
    assert apart == {"low": 0.0, "high": 1.0}
    assert auc_interval([0.1, 0.9] * 8, [False, True] * 8, range(16)) == {"low": 1.0, "high": 1.0}
    many = auc_interval(score * 50, outcome * 50, [k // 2 for k in range(200)])
    whole = auc(score * 50, outcome * 50, 10)["auc"]
    assert whole == 0.75 and 0.6 < many["low"] < whole < many["high"] < 0.9
    assert auc_interval([1.0], [True], ["a"]) == {"low": None, "high": None}


def test_auc_is_the_share_of_ordered_pairs():
    random = np.random.default_rng(0)
    score, outcome = random.integers(0, 5, 40).astype(float), random.uniform(size=40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in score[outcome] for b in score[~outcome]]
    assert auc(score, outcome, 200)["auc"] == pytest.approx(np.mean(pairs))
    assert auc([1.0, 2.0], [True, True])["auc"] is None
    assert rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])["rho"] is None
    assert spread([1.0, np.nan])["max"] == np.inf


@pytest.mark.parametrize(("name", "limit"), [("simultaneous", 0.8), ("alternating", None)])
def test_critical_learning_rates_of_the_toy(name, limit):
    """wgan-gp, c = 0, lam = 0.4: simultaneous steps are stable below 2 lam (theory.md, section 4)."""
    jacobian = prediction.dirac_jacobian(dg.variant("wgan-gp", c=0.0, lam=0.4))[None]
    scale = np.abs(np.linalg.eigvals(jacobian)).max(axis=1)
    found = prediction.critical(name, jacobian, scale, HOW)[0]
    if limit is None:
        limit = dg.critical(dg.variant("wgan-gp", c=0.0, lam=0.4), "lr", rule=dg.rule(name)).values[0]
    assert found == pytest.approx(limit, rel=1e-4)


def test_critical_learning_rates_of_a_rotation():
    jacobian = np.array([[[0.0, -2.0], [2.0, 0.0]]])
    assert prediction.critical("simultaneous", jacobian, np.array([2.0]), HOW)[0] == 0.0
    assert prediction.critical("alternating", jacobian, np.array([2.0]), HOW)[0] == pytest.approx(
        1.0, rel=1e-3
    )


def test_the_toy_of_a_toy_is_itself():
    j = prediction.dirac_jacobian(dg.variant("wgan-gp", c=0.0, lam=0.3))
    (toy,) = prediction.toys(dg.variant("wgan-gp", c=0.0, lam=0.3), -j[:1, :1], -j[:1, 1:], j[1:, :1], HOW)
    assert np.allclose(toy.bare, j) and np.allclose(toy.corrected, j) and toy.overlap == pytest.approx(0.6)


@pytest.fixture(scope="module")
def small():
    """One variant on one real problem and one seed."""
    chosen = protocol("ci", seed0=3, width=6)
    chosen.content["tiers"]["ci"]["seeds"] = 1
    return chosen, near_equilibrium.claims(dg.variant("ns"), chosen, ["points8"])


def test_linear_theory_is_what_networks_do(small):
    _, found = small
    followed = [r for r in found["A"] if r["kind"] != "critical"]
    assert all(r["agree"] for r in found["A"])
    assert max(r["error"] for r in followed) < 1e-4
    assert {r["side"] for r in found["A"] if r["kind"] == "critical"} == {"below", "above"}


def test_real_and_fake_samples_that_overlap_damp_ns(small):
    """The bare toy calls the fastest mode of ns neutral under alternating steps; the network is damped."""
    _, found = small
    first = next(r for r in found["B"] if r["mode"] == 0 and r["rule"] == "alternating")
    assert first["verdicts"] == {"full": "decays", "bare": "neutral", "corrected": "decays"}
    assert first["verdict"] == "decays" and first["overlap"] > 0
    assert first["errors"]["corrected"] < first["errors"]["bare"]


def test_what_is_wrong_fails(small):
    chosen, found = small
    for name in ("large perturbation", "wrong L2"):
        assert _control(name, found[name], chosen)["failed_as_expected"]


def test_what_has_no_linear_theory_says_so():
    chosen = protocol("ci")
    with jax.enable_x64(True), pytest.raises(NoEquilibrium, match="no derivative"):
        near_equilibrium.linearised(dg.variant("wgan-gp", c=1.0), chosen, ["dirac"])


@pytest.mark.slow  # one of them: what has no linear theory says so
def test_every_group_of_problems_without_a_theory_is_named():
    _, missing = api._local(dg.variant("wgan-gp", c=1.0), protocol("ci", width=6))
    assert [x["problems"][0] for x in missing] == ["dirac", "point"]
    assert all("no derivative" in x["reason"] for x in missing)


def test_a_broken_run_is_an_outcome():
    record = {"kind": "leading", "predicted": 0.9 + 0.1j}
    path = np.ones((20, 8))
    path[3:] = np.nan
    near_equilibrium._judge(record, path, HOW)
    assert record["result"] == "diverged" and record["verdict"] == "grows" and not record["agree"]


def test_the_frequency_of_what_turns_around_a_drift():
    """Two cycles are the least that counts; a drift has none."""
    how, t = protocol("ci")["scratch"], np.arange(400.0)
    drift = np.stack([np.ones(400), 1e-3 * t, 0.0 * t, 0.0 * t], axis=1)
    assert from_scratch._frequency(drift, how) is None
    assert from_scratch._frequency(np.stack([0.9 ** (t / 20)] * 4, axis=1), how) is None
    for omega in (0.04, 0.5, np.pi):  # 0.04 is two and a half turns in all, beside a drift: a few % of one
        turning = drift + 0.1 * np.cos(omega * t)[:, None] * np.array([0.0, 0.0, 1.0, 0.5])
        assert from_scratch._frequency(turning, how) == pytest.approx(
            omega, rel=0.05 if omega < 0.1 else 5e-3
        )
    assert from_scratch._frequency(np.full((400, 4), np.nan), how) is None


def test_the_linear_motion_of_a_linear_game_is_its_run():
    """wgan-linear is linear: its Jacobian makes of the first step every later one, growing or not."""

    def seen(step):
        size = jnp.linalg.norm(step)
        return step / size, size

    for by in (dg.rule("alternating", lr=0.3), dg.rule("simultaneous", lr=2.5)):
        made = run(dg.variant("wgan-linear"), rule=by, steps=40)
        z = np.concatenate([made["phi"], made["theta"]], axis=1)
        with jax.enable_x64(True):
            on = game(dg.variant("wgan-linear"), jnp.zeros(2))
            start = Players(jnp.asarray(z[0, :2]), jnp.asarray(z[0, 2:]))
            directions, sizes = from_scratch._linear(by, on, (start, by.memory(on, start)), 40, seen)
        steps = np.diff(z, axis=0)
        np.testing.assert_allclose(np.asarray(sizes)[:, None] * np.asarray(directions), steps, rtol=1e-9)


def test_what_a_variant_alone_could_tell():
    """Each run is scored by its variant's other seeds."""
    made = [
        {
            "variant": v,
            "toy": 0.0,
            "oscillation": o,
            "before": b,
            "distance": 0.0,
            "modes": 1,
            "modes_of": 1,
            "oscillates": True,
        }
        for v, o, b in (("a", 1.0, 4.0), ("a", 2.0, 3.0), ("b", 3.0, 2.0), ("b", 4.0, 1.0))
    ]
    found = _toy(made, {"permutations": 10})
    assert found["variant_alone"]["auc"] == 1.0 and found["persistence"]["auc"] == 0.0
    assert _toy(made[:2], {"permutations": 10})["variant_alone"]["auc"] is None


@pytest.fixture(scope="module")
def document(small):
    """A report on few runs, put together as the command does."""
    chosen, found = small
    record = {
        "variant": "ns",
        "optimiser": "sgd",
        "problem": "ring8",
        "seed": 3,
        "result": "ok",
        "agree": True,
    }
    record |= {"verdict": "settles", "expected": "settles", "error": None, "toy": 0.1, "oscillation": 0.2}
    record |= {
        "ratio": 0.3,
        "predicted_ratio": 0.2,
        "oscillates": True,
        "distance": 0.1,
        "modes": 7,
        "modes_of": 8,
        "before": 0.2,
        "frequency": 0.3,
        "predicted_frequency": None,
    }
    a, b = claim_a(found["A"], [], [], chosen), claim_b(found["B"], [])
    c = claim_c([record], chosen)
    d = claim_d(forecast_records(), chosen, None)
    controls = control_results(found, [], chosen)
    gate = gated(a, b, c, d, controls, chosen)
    made = api.Comparison(a, b, c, d, controls, chosen.sha256, "ci", 3, 6, ["ns"], gate, 1.0)
    return made.as_dict()


def test_the_report_in_every_form(document, tmp_path):
    doc = json.loads(json.dumps(plain(document), allow_nan=False))
    for key in "ABC":
        verdicts = doc[key]["verdicts"] if key != "C" else doc[key]["verdicts"]["sgd"]
        assert {"agree", "of", "lower_bound", "per_variant", "per_problem"} <= verdicts.keys()
        assert doc[key]["eigenvalue_error"].keys() == {"median", "p95", "max"}
        assert doc[key]["runs"]
    assert {c["name"]: c["failed_as_expected"] for c in doc["controls"]}["wrong L2"]
    assert len(doc["protocol"]) == 64
    text = words.as_markdown(doc)
    assert all(f"## {k}. " in text for k in "ABCD") and "toy + overlap damping" in text
    suite = ElementTree.fromstring(words.junit(doc))
    assert int(suite.get("failures")) == sum(not x["passed"] for x in doc["gate"]["checks"])
    from diracgan.plotting.agreement import figure
    from diracgan.plotting.saving import save

    save(figure(document), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--tier", "c"], "did you mean 'ci'"),
        (["--width", "1"], "width"),
        (["--seed0", "-1"], "seed0"),
        (["--variant", "nss"], "did you mean 'ns'"),
        (["--format", "xml"], "markdown"),
        (["--claim", "E"], "claim"),
        (["--device", "abacus", "--claim", "C"], "abacus"),
        (["--junit", "a.txt"], ".xml"),
    ],
)
def test_bad_input_is_one_line(cli, given, said):
    code, out, err = cli("compare", *given)
    assert code == 2 and not out and said in err and err.count("\n") == 1


@pytest.mark.slow  # fast, of a smaller protocol: test_linear_theory_is_what_networks_do
def test_the_ci_tier_reaches_the_protocol(cli):
    code, out, _ = cli(
        "compare",
        "--tier",
        "ci",
        "--seed0",
        40,
        "--format",
        "json",
        "--variant",
        "ns",
        "--variant",
        "wgan-linear",
        "--variant",
        "wgan-gp:c=0,lam=0.5",
    )
    doc = json.loads(out)
    assert code == 0 and doc["A"]["verdicts"]["agree"] >= 0.99 * doc["A"]["verdicts"]["of"]


def test_a_part_that_is_done_belongs_to_the_code_that_it_ran(tmp_path):
    file = tmp_path / "mine.py"
    text = (
        "import jax.numpy as jnp, diracgan as dg\n@dg.register('mine')\nclass Mine(dg.Variant):\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)\n"
    )
    file.write_text(text)
    first = code_of(dg.variant(f"{file}:mine"))
    assert first == code_of(dg.variant(f"{file}:mine")) != code_of(dg.variant("wgan"))
    file.write_text(text.replace("-jnp.mean(fake)\n", "-2 * jnp.mean(fake)\n"))
    assert code_of(dg.variant(f"{file}:mine")) != first
