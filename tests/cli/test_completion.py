"""Shells complete commands, options and names, by the line that docs/start.md gives."""

from __future__ import annotations

import pytest

from diracgan.cli.app import COMMANDS, COMPLETE, main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_line(monkeypatch, capsys, shell):
    monkeypatch.setenv(COMPLETE, f"source_{shell}")
    assert main([]) == 0
    assert f"{COMPLETE}=complete_{shell}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ver", {"verdict"}),
        ("", set(COMMANDS)),
        ("plot --si", {"--size"}),
        ("plt", set()),
        ("plot --variant wgan-g", {"wgan-gp"}),
        ("eig -v ns --rule extra", {"extragradient"}),
        ("plot --size po", {"poster"}),
        ("card exact", {"exact-zero"}),
        ("train ring", {"ring8"}),
        ("sweep -q spectral", {"spectral_radius"}),
    ],
)
def test_words_are_completed(monkeypatch, capsys, words, found):
    monkeypatch.setenv(COMPLETE, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"diracgan {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    assert main([]) == 0
    assert set(capsys.readouterr().out.split()) == found
