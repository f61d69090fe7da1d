"""What is chosen by name: one registry, one reader of ``NAME:k=v,...``, and a user's own files."""

import re
import textwrap

import numpy as np
import pytest
from sources import modules

import diracgan as dg
from diracgan.registry import Registry, parameter_range, settings, source
from diracgan.rules import RULES
from diracgan.training.problems import PROBLEMS
from diracgan.training.tricks import TRICKS
from diracgan.variants import VARIANTS

MINE = """
    import numpy as np, diracgan as dg

    @dg.register_rule("registry-half")
    class Half(dg.Rule):
        "Simultaneous steps of half the learning rate."
        def iterate(self, game, players, memory):
            half = dg.rules.scaled(0.5, self.rates)
            return game.apply_step(dg.rules.move_both(players, half, game.velocity(players)), half), memory

    @dg.register_problem("registry-line")
    def line(count=5, latent=3):
        "Points on a line."
        return dg.training.samples(np.linspace(0, 1, count)[:, None], latent=latent)

    @dg.register_problem("registry-broken")
    def broken(count=5):
        raise RuntimeError("no data today")
"""


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    for registry in (VARIANTS, RULES, PROBLEMS, TRICKS):
        monkeypatch.setattr(registry, "entries", dict(registry.entries))


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(MINE))
    return str(file)


def test_what_is_not_a_function_makes_no_problem():
    with pytest.raises(dg.InputError, match="which 3 is not; allowed: a function"):
        dg.register_problem("registry-three")(3)
    assert "registry-three" not in PROBLEMS


@pytest.mark.parametrize(
    ("make", "spec"),
    [
        (dg.variants.parse, "ns:r1=1,r1=2"),
        (dg.variants.parse, "stylegan:r1=1,l2=0,r1=2"),
        (dg.rule, "adam:lr=1,beta1=0.5,lr=2"),
        (dg.training.problem, "ring8:std=1,std=2"),
        (dg.training.trick, "flip-labels:share=0.1,share=0.2"),
    ],
)
def test_a_name_set_twice_is_an_error_that_names_it(make, spec):
    with pytest.raises(dg.InputError, match=r"(r1|lr|std|share) is set twice, to .* and .*; allowed: once"):
        make(spec)


def test_a_rule_set_in_its_name_and_beside_it_is_set_twice():
    with pytest.raises(dg.InputError, match="lr is set twice"):
        dg.rule("adam:lr=0.1", lr=0.2)


@pytest.mark.parametrize("text", ["r1", "r1=", "=1", "r1==,"])
def test_what_is_not_a_setting_is_named(text):
    if text == "r1==,":
        assert settings(text) == {"r1": "="}
    else:
        with pytest.raises(dg.InputError, match="is not a setting"):
            settings(text)


def test_a_path_may_come_first_and_hold_commas_and_equal_signs():
    known = ("path", "labels", "pad")
    assert settings("a,b=c/d.gz,pad=2", first="path", known=known) == {"path": "a,b=c/d.gz", "pad": "2"}
    assert settings("path=x.gz,labels=y.gz", first="path", known=known) == {"path": "x.gz", "labels": "y.gz"}
    assert settings("labels", first="path", known=known) == {"path": "labels"}
    assert settings("", first="path", known=known) == {}


def test_a_rule_of_a_users_file_moves_the_players(mine):
    rule = dg.rule(f"{mine}:registry-half:lr=0.2")
    ours = dg.rule("simultaneous", lr=0.1)  # half of 0.2
    start = {"phi0": [0.3], "theta0": [0.4], "steps": 5}
    found, expected = (dg.simulate(dg.variant("ns"), rule=r, **start) for r in (rule, ours))
    np.testing.assert_allclose(found.phi, expected.phi, rtol=1e-14)
    assert source(type(rule), rule.name) == f"{mine}:registry-half"


def test_a_problem_of_a_users_file_is_made_again_by_its_spec(mine):
    made = dg.training.problem(f"{mine}:registry-line:count=7", latent=2)
    assert (made.data.shape, made.inputs, made.name) == ((7, 1), 2, "registry-line")
    assert dict(made.spec) == {"name": f"{mine}:registry-line", "count": 7, "latent": 2}
    words = dict(made.spec)
    again = dg.training.problem(words.pop("name"), **words)
    assert again.spec == made.spec
    assert bool((again.data == made.data).all())


def test_what_a_users_problem_raises_is_one_line(mine):
    with pytest.raises(
        dg.InputError, match="the problem 'registry-broken' failed: RuntimeError: no data today"
    ):
        dg.training.problem(f"{mine}:registry-broken")


def test_a_file_registers_what_it_names_and_nothing_else(mine):
    with pytest.raises(dg.InputError, match=r"unknown rule in .*mine\.py 'registry-line'.*registry-half"):
        dg.rule(f"{mine}:registry-line")
    with pytest.raises(
        dg.InputError, match="there is no file 'gone.py'; allowed: a Python file that registers a rule"
    ):
        dg.rule("gone.py:x")


def test_a_taken_or_a_bad_name_is_refused():
    registry = Registry("thing", summary=str)
    registry.add("one", test_a_taken_or_a_bad_name_is_refused)
    registry.add("one", test_a_taken_or_a_bad_name_is_refused)  # its own definition, run again
    with pytest.raises(dg.InputError, match="the thing name 'one' is taken by .*test_registry.test_a_taken"):
        registry.add("one", textwrap.dedent)
    for name in ("", "a:b", "a,b", "a=b", "a b", "a.py"):
        with pytest.raises(dg.InputError, match="is not a name for a thing"):
            registry.add(name, len)
    with pytest.raises(dg.InputError, match="a rule is a subclass of Rule"):
        dg.register_rule("registry-wrong")(dict)


@pytest.mark.parametrize(
    ("registry", "spec", "parts"),
    [
        (VARIANTS, "ns:r1=0.1", ("", "ns", "r1=0.1")),
        (VARIANTS, "stylegan:r1=0.1", ("", "stylegan", "r1=0.1")),
        (VARIANTS, "nothing:r1=0.1", ("", "nothing", "r1=0.1")),
        (VARIANTS, "of/mine.py:loss:k=2,r1=1", ("of/mine.py", "loss", "k=2,r1=1")),
        (VARIANTS, "C:/mine.py:loss", ("C:/mine.py", "loss", "")),
        (VARIANTS, "mine.py", ("mine.py", "", "")),
        (VARIANTS, "package.module:loss:k=2", ("package.module", "loss", "k=2")),
        (RULES, "optax:sgd:lr=1", ("", "optax:sgd", "lr=1")),
        (RULES, "sgd:lr=1", ("", "optax:sgd", "lr=1")),
        (PROBLEMS, "idx:a, b.gz,labels=c.gz", ("", "idx", "a, b.gz,labels=c.gz")),
    ],
)
def test_what_names_a_thing_has_three_parts(registry, spec, parts):
    """None of these files and modules exists: nothing is imported to tell."""
    assert registry.parts(spec) == parts


def test_nothing_else_takes_a_name_apart():
    """Other modules split no text at colons, but for a grid's LOW:HIGH:COUNT."""
    splits = re.compile(r"""(split|partition)\(["']:["']""")
    found = {p.name for p in modules() if splits.search(p.read_text(encoding="utf-8"))}
    assert found == {"registry.py", "grids.py"}


@pytest.mark.parametrize("word", ["lr=", "lr=1", "lr=1:", "lr=:2", "lr=1:2:3", "=1:2", ""])
def test_what_is_not_a_range_is_named(word):
    with pytest.raises(dg.InputError, match=f"'{word}' is not a parameter with its range"):
        parameter_range(word)


def test_a_users_file_is_run_once(tmp_path, capsys):
    body = """
        print("it runs")
        import diracgan as dg

        @dg.register("registry-run-once")
        class Linear(dg.Variant):
            def critic_loss(self, real, fake, x_real, x_fake): return fake.mean() - real.mean()
            def generator_loss(self, real, fake, x_real, x_fake): return -fake.mean()
    """
    (tmp_path / "mine.py").write_text(textwrap.dedent(body))
    dg.variants.parse(f"{tmp_path}/mine.py:registry-run-once", {"r1": 0.1})
    assert capsys.readouterr().out.count("it runs") == 1


def test_a_setting_imports_no_file(mine):
    for name in ("registry-half", "simultaneous"):  # the second is registered, but not there
        with pytest.raises(dg.InputError, match="unknown rule '.*mine.py:"):
            dg.rule("lookahead", inner=f"{mine}:{name}")


@pytest.mark.parametrize("make", [dg.variant, dg.rule, dg.preset, dg.training.problem])
@pytest.mark.parametrize("name", [3, None, [], {}, b"ns", float("nan"), print])
def test_what_is_not_a_word_is_not_a_name(make, name):
    with pytest.raises(dg.InputError, match="unknown (variant|rule|preset|problem) .*Allowed: "):
        make(name)
    with pytest.raises(dg.InputError, match="is not a name for a rule"):
        dg.register_rule(name)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("k: float", "'odd' cannot be made: .*'k'; allowed: parameters as annotated class attributes"),
        ("k: float = 'a'", "k = 'a' is not a number"),
        ("def __init__(self, k): pass", "'odd' cannot be made: .*'k'"),
    ],
)
def test_a_loss_with_parameters_of_its_own_kind_is_refused_in_one_line(folder, body, says):
    (folder / "odd.py").write_text(
        "import diracgan as dg\n@dg.register('odd', reference='none')\nclass Odd(dg.Variant):\n"
        f"    {body}\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return fake.mean() - real.mean()\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -fake.mean()\n"
    )
    with pytest.raises(dg.InputError, match=says):
        dg.variant("odd.py:odd")
