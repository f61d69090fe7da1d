"""``diracgan page`` as a file: what is in it, and what is refused."""

from __future__ import annotations

import json
import re

import pytest

import diracgan as dg
from diracgan.cli.app import main
from diracgan.errors import InputError
from diracgan.web.bundle import page

MINE = """
import jax.numpy as jnp
import diracgan as dg

@dg.register("my-page-loss")
class Mine(dg.Variant):
    slope: float = 0.5
    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)
    def generator_loss(self, real, fake, x_real, x_fake):
        return -self.slope * jnp.mean(fake)
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "mine.py").write_text(MINE)
    out = folder / "page.html"
    assert (
        main(
            ["page", "--variant", "ns:r1=0.3", "-v", f"{folder / 'mine.py'}:my-page-loss", "--out", str(out)]
        )
        == 0
    )
    return out.read_text(encoding="utf-8")


def test_the_file_needs_nothing_else_and_is_small(text):
    assert len(text.encode()) <= 1_000_000
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=[\"'](?!#)", text)
    assert not re.search(
        r"\b(?:fetch|XMLHttpRequest|WebSocket|importScripts)\b|\bimport\s*\(|^import ", text, re.MULTILINE
    )
    assert "{{" not in text.split("<script", 1)[0]


def test_a_loss_of_ones_own_stands_beside_those_of_the_package(text):
    metas = [json.JSONDecoder().raw_decode(m)[0] for m in re.findall(r"^variant\((.*)$", text, re.MULTILINE)]
    assert [m["name"] for m in metas] == ["ns", "my-page-loss"]
    assert {p["name"]: p["default"] for p in metas[0]["parameters"]} == {"l2": 0.0, "r1": 0.3}
    assert metas[1]["spec"].endswith("mine.py:my-page-loss")
    assert [p["name"] for p in metas[1]["parameters"]] == ["slope", "l2", "r1"]


RULE = """
import diracgan as dg

@dg.register_rule("my-page-rule")
class Half(dg.Rule):
    def iterate(self, game, players, memory):
        half = dg.rules.scaled(0.5, self.rates)
        return game.apply_step(dg.rules.move_both(players, half, game.velocity(players)), half), memory
"""


def test_a_rule_of_ones_own_moves_the_page_too(tmp_path, monkeypatch):
    from diracgan.rules import RULES

    monkeypatch.setattr(RULES, "entries", dict(RULES.entries))
    (tmp_path / "rule.py").write_text(RULE)
    out, named = tmp_path / "page.html", f"{tmp_path / 'rule.py'}:my-page-rule"
    assert main(["page", "--variant", "ns", "--rule", named, "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    metas = [json.JSONDecoder().raw_decode(m)[0] for m in re.findall(r"^rule\((.*)$", text, re.MULTILINE)]
    assert [m["spec"] for m in metas if m["name"] == "my-page-rule"] == [named]
    assert {"alternating", "adam"} < {m["name"] for m in metas}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variant", "nss"], "did you mean"),
        (["--variant", "ns", "-v", "ns:r1=1"], "ns is named 2 times"),
        (["--variant", "ns:noise=0.3"], "a long sum"),
        (["--variant", "ns", "--rule", "implicit"], "implicit cannot run in a page"),
        (["--variant", "ns", "--rule", "optax:lion"], "optax:lion cannot run in a page"),
        (["--variant", "ns", "--rule", "adam:lr=0.3"], "sets lr=0.3"),
        (["--variant", "ns", "--rule", "nothing"], "unknown rule 'nothing'"),
        (["--variant", "ns", "--out", "page.png"], ".html"),
        (["--variant", "ns", "--out", "no/such/folder/page.html"], "no/such/folder"),
    ],
)
def test_bad_input_ends_with_one_line(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["page", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_javascript_cannot_say_is_refused_by_name():
    import jax
    import jax.numpy as jnp

    class Bessel(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return jax.scipy.special.i0e(jnp.mean(fake)) - jnp.mean(real)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    with pytest.raises(
        InputError, match="cannot run in a page: bessel_i1e on arrays has no form in JavaScript; allowed"
    ):
        page([Bessel()])
