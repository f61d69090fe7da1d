"""``diracgan critical``, ``tune``, ``ema`` and ``verdict``."""

import json

import pytest


def test_critical_in_words_and_as_json(cli):
    code, out, err = cli("critical", "lr", "-v", "wgan-linear", "--rule", "extragradient")
    assert (code, err) == (0, "")
    assert "stable for lr < 1" in out
    code, out, _ = cli(
        "critical", "--parameter", "lr", "-v", "wgan-linear", "--rule", "extragradient", "--format", "json"
    )
    found = json.loads(out)
    assert found["schema"] == "diracgan.critical/1"
    assert found["values"] == pytest.approx([1.0], abs=1e-12)
    assert found["thresholds"][0]["below"] == "stable"
    assert (found["now"], found["status"]) == (0.1, "stable")


def test_tune_as_json(cli):
    words = ("-v", "wgan-gp", "--c", 0, "--lam", 0.3, "--rule", "simultaneous")
    code, out, _ = cli("tune", "lr=0:1", *words, "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert found["schema"] == "diracgan.tune/1"
    assert found["best"]["lr"] == pytest.approx(0.3, abs=1e-9)
    assert found["ranges"] == {"lr": [0.0, 1.0]}


@pytest.mark.slow  # the same answer as JSON: the test above
def test_tune_in_words(cli):
    words = ("-v", "wgan-gp", "--c", 0, "--lam", 0.3, "--rule", "simultaneous")
    code, out, _ = cli("tune", "--over", "lr=0:1", *words)
    assert code == 0
    assert "fastest at lr = 0.3" in out


def test_ema_in_words_and_as_json(cli):
    code, out, _ = cli("ema", "--omega", 0.5, "--h", 0.1, "--decay", "0.99,0.999")
    assert code == 0
    assert "0.1971" in out
    code, out, _ = cli("ema", "-v", "ns", "--rule", "alternating", "--reduce", 50, "--format", "json")
    found = json.loads(out)
    assert found["schema"] == "diracgan.ema/1"
    assert found["decay"] == pytest.approx(0.9990003, abs=1e-7)
    assert len(found["gains"]) == len(found["decays"]) > 100


def test_verdict_in_words_and_as_json(cli):
    words = (
        "verdict",
        "-v",
        "wgan-gp",
        "--c",
        0,
        "--lam",
        0.5,
        "--phi0",
        1,
        "--theta0",
        0.5,
        "--effort",
        0.1,
    )
    code, out, _ = cli(*words)
    assert code == 0
    assert "verdict: converges-exponentially" in out
    code, out, _ = cli(*words, "--format", "json")
    found = json.loads(out)
    assert found["schema"] == "diracgan.verdict/1"
    assert found["kind"] == "converges-exponentially"
    assert found["numbers"]["rate"] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["critical", "-v", "ns"], "which parameter"),
        (["critical", "r1", "--parameter", "l2", "-v", "ns"], "two parameters"),
        (["critical", "lr", "-v", "ns"], "belongs to a rule"),
        (["critical", "r1", "-v", "ns", "--low", "x"], "low"),
        (["critical", "lr", "-v", "ns", "--rule", "simultaneous", "--rate-d", "2"], "belong to the flow"),
        (["tune", "-v", "ns"], "which parameters"),
        (["tune", "r1=1", "-v", "ns"], "NAME=LOW:HIGH"),
        (["tune", "r1=2:1", "-v", "ns"], "must be below"),
        (["tune", "r1", "r1", "-v", "ns"], "named twice"),
        (["tune", "r1=a:b", "-v", "ns"], "not a number"),
        (["ema"], "whose orbit"),
        (["ema", "--c", "0"], "belongs to a variant"),
        (["ema", "--dim", "2", "--omega", "1"], "belongs to a variant"),
        (["ema", "--omega", "1", "--decay", "1"], "out of range"),
        (["ema", "--omega", "1", "--decay", "x"], "not a number"),
        (
            ["ema", "--omega", "1", "--decay", "0.9,nan"],
            "decay[1] = nan is not finite; allowed: numbers in [0, 1)",
        ),
        (["ema", "--omega", "1", "--tau", "nan"], "tau = nan is not finite; allowed: finite numbers > 0"),
        (["train", "--averages", "nan"], "averages = nan is not finite; allowed: numbers in [0, 1)"),
        (["train", "--averages", "0.9,0.90"], "averages = [0.9, 0.9] names a decay twice"),
        (["train", "--trick", "history", "--trick", "history:weight=2"], "the trick history is given twice"),
        (["ema", "-v", "wgan-gp"], "no frequency"),
        (["verdict", "-v", "ns", "--effort", "0"], "out of range"),
        (["verdict", "-v", "ns", "--rule", "simultaneous", "--rate-d", "2"], "belong to the flow"),
        (["verdict", "-v", "ns", "--format", "yaml"], "unknown format"),
    ],
)
def test_bad_input_is_one_line_and_two(cli, words, says):
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert says in err
