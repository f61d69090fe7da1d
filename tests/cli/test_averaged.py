"""``diracgan averaged``."""

from __future__ import annotations

import json


def test_the_cycle_in_words_as_json_and_as_a_picture(cli, folder):
    words = ("averaged", "wgan-linear", "--rule", "adam:lr=0.01,beta1=0.5")
    code, out, err = cli(*words)
    assert (code, err) == (0, "") and "cycle: |phi| = 1.55, period 688.9," in out and "attracts" in out
    code, out, _ = cli(*words, "--format", "json", "--out", "a.png")
    assert (folder / "a.png").read_bytes()[:4] == b"\x89PNG"
    found = json.loads(out)
    assert (
        found["schema"] == "diracgan.averaged/1" and found["kind"] == "limit-cycle" and found["iterated"] == 0
    )
    assert len(found["radii"]) == len(found["drift"]) == len(found["periods"])


def test_it_needs_an_adaptive_rule_and_a_plane(cli):
    for words, holds in (
        (("averaged", "ns"), "which rule"),
        (("averaged", "ns", "--rule", "adam", "--dim", "2"), "allowed: d = 1"),
    ):
        code, out, err = cli(*words)
        assert code == 2 and out == "" and holds in err and len(err.splitlines()) == 1


def test_critical_finds_a_cycle_of_a_wanted_size(cli):
    words = ("critical", "beta2", "-v", "wgan-linear", "--rule", "adam:lr=0.01,beta1=0.5")
    code, out, err = cli(*words, "--amplitude", "0.5", "--low", "0.95", "--high", "0.999")
    assert (code, err) == (0, "") and "a cycle of |theta - x0| = 0.5 at beta2 = 0.990" in out
    assert out.endswith("by the averaged flow without minibatches' noise\n")
    code, out, err = cli("critical", "r1", "-v", "ns", "--amplitude", "0.5")
    assert code == 2 and "allowed: --rule adam" in err


def test_tune_gives_a_cycle_a_wanted_size(cli):
    words = ("tune", "lr=0.003:0.004", "-v", "wgan-linear", "--rule", "adam:lr=0.01,beta1=0.5")
    code, out, err = cli(*words, "--amplitude", "0.5")
    assert (code, err) == (0, "") and "lr = 0.0032258" in out and "a half-life of 223 iterations" in out
    code, out, err = cli("tune", "lr", "-v", "ns", "--amplitude", "0.5")
    assert code == 2 and out == "" and "allowed: --rule adam" in err and len(err.splitlines()) == 1
