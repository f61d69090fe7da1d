"""A config that cannot be meant as it stands is refused in one line, before a folder is made."""

from __future__ import annotations

import pytest

import diracgan as dg
from diracgan.training.config import chosen_in, configure, read
from diracgan.training.games import Trick
from diracgan.variants import variant

BAD = {
    "": "is empty",
    "# a comment\n\n": "is empty",
    "\ufeffsteps = 3": "is not TOML",
    "steps = 3\nsteps = 4": "is not TOML: Cannot overwrite a value",
    "[variant]\nname = 'ns'\n[variant]\nname = 'wgan'": "is not TOML: Cannot declare",
    "stepss = 3": "unknown key of .* 'stepss'; did you mean 'steps'",
    "[variants]\nname = 'ns'": "did you mean 'variant'",
    "steps = 'x'": "steps = 'x' is not a whole number",
    "steps = 2.5": "not a whole number",
    "steps = [1]": "not a whole number",
    "steps = true": "steps = True is not a whole number",
    f"steps = {'9' * 5000}": "is not a config: Exceeds the limit",
    "warmup = 3": "warmup = 3 is not a truth value",
    "[networks]\nwidth = true": "width = True is not a whole number",
    "[networks]\nwidht = 3": "did you mean 'width'",
    "networks = [1]": "allowed: a table \\[networks\\]",
    "variant = 'ns'": "allowed: a table \\[variant\\]",
    "[variant]\nr1 = 1": "has no name",
    "[variant]\nname = 3": "has the name 3, which is not text",
    "[variant]\nname = 'ns'\nr1 = [1]": "r1 = .* are 1 numbers; allowed in training: one",
    "[variant]\nname = 'ns'\nr1 = [-1]": "r1 = -1 is out of range",
    "[variant]\nname = 'ns'\nr1 = ['a']": "r1 = \\['a'\\] is not made of numbers",
    "[variant]\nname = 'ns'\nr1 = true": "r1 = True is not a number",
    "[variant]\nname = 'ns'\nr1 = 1979-05-27": "is not a number",
    "[rule]\nname = 'adam'\n[rule.lr]\na = 1": "\\[rule\\] has no name",
    "tricks = ['x']": "allowed: \\[\\[tricks\\]\\] tables",
    "[tricks]\nname = 'history'": "allowed: \\[\\[tricks\\]\\] tables",
    "averages = 0.9": "allowed: a list of decays",
    "averages = [[0.9]]": "is not a number",
    f"a = {'[' * 2000}{']' * 2000}": "nested too deeply",
    f"[{'.'.join('a' * 90)}]\nb = 1": "unknown key of .* 'a'",
    f"[{'.'.join('a' * 20_000)}]\nb = 1": "nested too deeply",
    f"a = {{{' . '.join('a' * 20_000)} = 1}}": "nested too deeply",
    ".".join(['"a"', "'a'"] * 10_000) + " = 1": "nested too deeply",
    "steps = 3\0": "is not TOML",
}


@pytest.mark.parametrize("text", BAD, ids=lambda t: repr(t[:20]))
def test_what_cannot_be_meant_is_one_line(folder, text):
    (folder / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(dg.InputError, match=BAD[text]) as caught:
        read("config.toml")
    assert "\n" not in str(caught.value)
    with pytest.raises(dg.InputError):
        dg.training.resume(".")
    assert [p.name for p in folder.iterdir()] == ["config.toml"]


def test_a_file_of_any_length_is_not_read_to_its_end(folder):
    (folder / "config.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(dg.InputError, match="cannot be read: longer than 1048576 bytes; allowed"):
        read("config.toml")


def test_a_presets_name_in_a_file_is_not_the_preset():
    assert chosen_in("stylegan:r1=1") is None
    assert chosen_in("mine.py:stylegan:r1=1") == chosen_in("mine:stylegan:r1=1") == {"r1"}


def test_a_run_that_cannot_begin_leaves_no_folder(folder):
    with pytest.raises(dg.InputError, match="devices = 64"):
        dg.train("ns", "points8", devices=64, batch=64, steps=1, out="a/b")
    assert not list(folder.iterdir())
    (folder / "kept").mkdir()
    with pytest.raises(dg.InputError, match="devices = 64"):
        dg.train("ns", "points8", devices=64, batch=64, steps=1, out="kept/b")
    assert [p.name for p in folder.iterdir()] == ["kept"]


def test_a_mapping_changes_the_default_rule_or_names_another():
    """DCGAN's Adam keeps what is not changed."""
    usual = configure("ns", "points8").rule
    changed = configure("ns", "points8", rule_={"beta2": 0.9}).rule
    assert changed.hyperparameters == {**usual.hyperparameters, "beta2": 0.9}
    apart = configure("ns", "points8", rule_={"lr_d": 0.2}).rule
    assert (apart.lr_d, apart.lr) == (0.2, usual.lr)
    assert configure("ns", "points8", rule_={"name": "alternating", "lr": 0.3}).rule.name == "alternating"


def test_a_variant_takes_its_defaults_for_networks_but_where_it_was_chosen():
    """WGAN-GP's weight is 10 on networks (arXiv 1704.00028); linear players keep that of the Dirac system."""
    made = variant("wgan-gp", lam=2.0)
    assert configure(made, "points8").variant.lam == 2.0
    assert configure(made, "points8", chosen=()).variant.lam == 10.0
    assert configure(made, "points8", chosen=["lam"]).variant.lam == 2.0
    assert configure(made, "dirac", chosen=()).variant.lam == 2.0


def test_settings_of_a_run_change_alone():
    run = configure("ns", "points8", training={"steps": 10}).with_training(steps=20, seed=3)
    assert (run.training.steps, run.training.seed, run.training.log_every) == (20, 3, 1)
    with pytest.raises(dg.InputError, match="steps = 0 is too small"):
        run.with_training(steps=0)


@pytest.mark.parametrize(
    ("losses", "on", "trick", "said"),
    [
        ("wgan-linear", "points8", "soft-labels", "needs a loss with labels"),
        ("ns", "points8", "reconstruction", "needs a paired problem"),
        ("ns", "points8", "acgan", "add networks condition=acgan"),
        ("ns", "dirac", "feature-matching", "needs a critic with features"),
    ],
)
def test_a_trick_says_what_it_does_not_fit(losses, on, trick, said):
    with pytest.raises(dg.InputError, match=said):
        configure(losses, on, tricks=trick)


def test_a_trick_of_ones_own_is_asked_too():
    class OnRingsOnly(Trick):
        """Nothing, on a ring."""

        def unfit(self, variant, problem, networks):
            return None if problem.name == "ring8" else f"not on {problem.name}; allowed: ring8"

    with pytest.raises(dg.InputError, match="not on points8; allowed: ring8"):
        configure("ns", "points8", tricks=OnRingsOnly())
