"""Bad input: exit code 2, one line that names the value and what is allowed, and no file left behind."""

from __future__ import annotations

import pytest

from diracgan.cli.app import COMMANDS, main
from diracgan.cli.failures import explain

VARIANT_COMMANDS = ["plot", "simulate", "eig"]

GOOD = """
import jax.numpy as jnp, diracgan as dg

@dg.register("fine")
class Fine(dg.Variant):
    k: float = 1.0
    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)
    def generator_loss(self, real, fake, x_real, x_fake): return -self.k * jnp.mean(fake)
"""
VECTOR = GOOD.replace("return jnp.mean(fake) - jnp.mean(real)", "return fake - jnp.ones(3)").replace(
    "fine", "vec"
)
RAISES = GOOD.replace("fine", "raising").replace("jnp.mean(fake) - jnp.mean(real)", "undefined_name")
ASTRAY = GOOD.replace("fine", "astray").replace(
    "jnp.mean(fake) -", "dg.variant('no-such-loss') and jnp.mean(fake) -"
)
TEXT = GOOD.replace("fine", "wordy").replace("jnp.mean(fake) - jnp.mean(real)", "'a word'")
LOOP = GOOD.replace("fine", "looping").replace(
    "jnp.mean(fake) -",
    "__import__('jax').lax.while_loop(lambda c: c < 3, lambda c: 2 * c + 1, jnp.mean(fake)) -",
)


def one_line(err: str) -> str:
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert err.startswith("diracgan: ")
    assert "Traceback" not in err
    return err


# words after the command, and what the line must hold
BAD = [
    (["-v", "wgan_gp"], ["'wgan_gp'", "did you mean 'wgan-gp'", "saturating"]),
    (["-v", "nothing-like-it"], ["'nothing-like-it'", "Allowed", "gan-qp"]),
    (["-v", ""], ["''", "Allowed"]),
    ([], ["'--variant'", "missing option", "--help"]),
    (["-v", "ns", "--c", "1"], ["'c'", "ns"]),
    (["-v", "ns", "--lam", "1"], ["'lam'", "ns"]),
    (["-v", "wgan-gp", "-p", "lamb=1"], ["'lamb'", "did you mean 'lam'"]),
    (["-v", "wgan-gp", "-p", "lam"], ["'lam'", "name=value"]),
    (["-v", "wgan-gp", "-p", "=1"], ["'=1'", "name=value"]),
    (["-v", "wgan-gp:lam"], ["'lam'", "name=value"]),
    (["-v", "wgan-gp", "--lam", "1", "-p", "lam=2"], ["lam is set twice"]),
    (["-v", "ns:r1=1", "--r1", "2"], ["r1 is set twice, to 1 and 2"]),
    (["-v", "ns:r1=1", "--gamma", "2"], ["r1 is set twice, to 1 and 2"]),
    (["-v", "wgan-gp:c=0", "-p", "c=1"], ["c is set twice, to 0 and 1"]),
    (["-v", "wgan-gp", "--lam", "nan"], ["lam = nan", "not finite", ">= 0"]),
    (["-v", "wgan-gp", "--lam", "inf"], ["lam = inf", "not finite"]),
    (["-v", "wgan-gp", "--lam", "-1"], ["lam = -1", ">= 0"]),
    (["-v", "wgan-gp", "--c", "-1"], ["c = -1", ">= 0"]),
    (["-v", "wgan-gp", "--c", "one"], ["--c = 'one'", "number"]),
    (["-v", "wgan-gp", "-p", "c=one"], ["c = 'one'", "not a number"]),
    (["-v", "wgan-gp", "-p", "one_sided=perhaps"], ["one_sided = 'perhaps'", "true, false"]),
    (["-v", "gan-qp", "--lam", "0"], ["lam = 0", "> 0"]),
    (["-v", "ns", "--l2", "-0.1"], ["l2 = -0.1", ">= 0"]),
    (["-v", "ns", "--r1", "nan"], ["r1 = nan", "not finite"]),
    (["-v", "ns", "--gamma", "1", "--r1", "2"], ["r1 is set twice, to 1.0 and 2.0"]),
    (["-v", "ns", "--phi0", "0.1,0.2", "--theta0", "0.1"], ["phi0 has 2", "theta0 has 1"]),
    (["-v", "ns", "--phi0", "0.1,x", "--theta0", "0.1,0.2"], ["phi0[1] = 'x'", "not a number"]),
    (["-v", "ns", "--phi0", "0.1,nan", "--theta0", "0.1,0.2"], ["phi0[1] = nan", "not finite"]),
    (["-v", "ns", "--phi0", "", "--theta0", "0.1"], ["phi0 = ''", "not a number"]),
    (["-v", "ns", "--dim", "0"], ["dim = 0", "from 1 to"]),
    (["-v", "ns", "--dim", "-2"], ["dim = -2", "from 1 to"]),
    (["-v", "ns", "--dim", "1.5"], ["--dim = '1.5'", "integer"]),
    (["-v", "ns", "--dim", "3", "--phi0", "1,2", "--theta0", "1,2"], ["dim = 3", "2 entries"]),
    (["-v", "ns", "--dim", "2", "--x0", "1,2,3"], ["x0 has 3", "2"]),
    (["-v", "ns", "--rate-d", "0"], ["rate_d = 0", "> 0"]),
    (["-v", "ns", "--rate-g", "nan"], ["rate_g = nan", "not finite"]),
    (["-v", "ns", "--rule", "alternate"], ["'alternate'", "did you mean 'alternating'"]),
    (["-v", "ns", "--rule", "alternating", "--lr", "0"], ["lr = 0", "> 0"]),
    (["-v", "ns", "--rule", "alternating", "--lr", "-1"], ["lr = -1", "> 0"]),
    (["-v", "ns", "--rule", "alternating", "--lr", "nan"], ["lr = nan"]),
    (["-v", "ns", "--rule", "alternating", "--ema", "1"], ["ema = 1", "[0, 1)"]),
    (["-v", "ns", "--rule", "alternating", "--ema", "-0.1"], ["ema = -0.1", "[0, 1)"]),
    (["-v", "ns", "--rule", "alternating", "--n-critic", "0"], ["n_critic = 0", "from 1 to"]),
    (["-v", "ns", "--rule", "alternating", "--first", "nobody"], ["'nobody'", "critic", "generator"]),
    (["-v", "ns", "--rule", "simultaneous", "--first", "critic"], ["'first'", "simultaneous"]),
    (["-v", "ns", "--rule", "simultaneous", "-r", "beta=1"], ["'beta'", "simultaneous"]),
    (["-v", "ns", "--lr", "0.1"], ["--lr", "--rule"]),
    (["-v", "ns", "--ema", "0.9"], ["--ema", "--rule"]),
    (["-v", "ns", "--rule", "alternating", "--rate-d", "2"], ["rate", "lr"]),
    (["-v", "ns", "--format", "xml"], ["'xml'", "json", "text"]),
    (["-v", "ns", "--vraiant", "ns"], ["'--vraiant'", "did you mean '--variant'"]),
    (["-v", "ns", "--r2", "0.1"], ["'--r2'", "did you mean '-p r2=...'"]),
    (["-v", "ns", "--gp-center", "0"], ["'--gp-center'", "did you mean '-p gp_center=...'"]),
    (["-v", "ns", "more"], ["more"]),
    (["-v", "missing.py:fine"], ["'missing.py'"]),
    (["-v", "raises.py:fine"], ["raises.py", "line 1", "ZeroDivisionError: division by zero"]),
    (["-v", "syntax.py:fine"], ["syntax.py", "line 2", "SyntaxError"]),
    (["-v", "quits.py:fine"], ["quits.py", "SystemExit"]),
    (["-v", "fine.py:fien"], ["'fien'", "did you mean 'fine'"]),
    (["-v", "empty.py:fine"], ["'fine'", "Allowed: none", "decorator that registers"]),
    (["-v", "fine.py:fine:k=x"], ["k = 'x'", "not a number"]),
    (["-v", "fine.py:fine:j=1"], ["'j'", "k"]),
    (["-v", "vec.py:vec"], ["vec", "scalar", "(3,)"]),
    (["-v", "raising.py:raising"], ["undefined_name"]),
    (["-v", "loop.py:looping"], ["critic_loss of 'looping' has a while loop", "allowed: lax.scan"]),
    (["-v", "wordy.py:wordy"], ["critic_loss of 'wordy'", "a word"]),
    (["-v", "no.such.module:fine"], ["no.such.module"]),
]
MOVING = [
    (["-v", "ns", "--t1", "0"], ["t1 = 0", "> 0"]),
    (["-v", "ns", "--t1", "-1"], ["t1 = -1", "> 0"]),
    (["-v", "ns", "--t1", "inf"], ["t1 = inf", "not finite"]),
    (["-v", "ns", "--t1", "soon"], ["--t1 = 'soon'", "number"]),
    (["-v", "ns", "--ema-tau", "0"], ["ema_tau = 0", "> 0"]),
    (["-v", "ns", "--solver", "tsit6"], ["'tsit6'", "did you mean 'tsit5'"]),
    (["-v", "ns", "--backend", "numpy"], ["'numpy'", "diffrax", "scipy"]),
    (["-v", "ns", "--rtol", "0"], ["rtol = 0"]),
    (["-v", "ns", "--rtol", "nan"], ["rtol = nan"]),
    (["-v", "ns", "--atol", "-1"], ["atol = -1"]),
    (["-v", "ns", "--steps", "10"], ["--steps", "--rule"]),
    (["-v", "ns", "--seed", "-1"], ["seed = -1", "from 0 to"]),
    (["-v", "ns", "--sde", "1,2,3", "--sde-step", "0.1"], ["sde is 3", "4 variances"]),
    (["-v", "ns", "--sde", "0.1"], ["sde_step"]),
    (["-v", "ns", "--sde-step", "0.1"], ["sde_step = 0.1", "needs sde"]),
    (["-v", "ns", "--rule", "alternating", "--steps", "0"], ["steps = 0", "from 1 to"]),
    (["-v", "ns", "--rule", "alternating", "--steps", "-3"], ["steps = -3", "from 1 to"]),
    (["-v", "ns", "--rule", "alternating", "--steps", "1e3"], ["--steps = '1e3'", "integer"]),
    (["-v", "ns", "--rule", "alternating", "--every", "0"], ["every = 0", "from 1 to"]),
    (["-v", "ns", "--rule", "alternating", "--t1", "3"], ["--t1", "--steps"]),
    (["-v", "ns", "--rule", "alternating", "--ema-tau", "3"], ["--ema-tau", "--ema"]),
    (["-v", "ns", "--out", "no/such/folder/a.nc"], ["no/such/folder"]),
    (["-v", "ns", "--out", "a.docx"], ["'.docx'", "Allowed"]),
    (["-v", "ns", "--out", "a"], ["unknown suffix ''", "Allowed"]),
    (["-v", "ns", "--out", "/proc/a.nc"], ["/proc/a"]),
    (["-v", "ns", "--out", "/dev/null"], ["/dev/null"]),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Users' files, written once: one name must not be defined by two files."""
    there = tmp_path_factory.mktemp("sources")
    texts = {
        "raises.py": "1 / 0",
        "syntax.py": "x = 1\ndef:",
        "quits.py": "import sys; sys.exit(3)",
        "empty.py": "",
        "fine.py": GOOD,
        "vec.py": VECTOR,
        "raising.py": RAISES,
        "astray.py": ASTRAY,
        "wordy.py": TEXT,
        "loop.py": LOOP,
    }
    for name, text in texts.items():
        (there / name).write_text(text)
    return there


@pytest.fixture
def files(folder, sources):
    """The current folder, with the users' files in it."""
    for source in sources.glob("*.py"):
        (folder / source.name).symlink_to(source)
    return {p.name for p in folder.iterdir()}


def check(cli, folder, files, words, says):
    code, out, err = cli(*words)
    line = one_line(err)
    assert code == 2
    assert out == ""
    for part in says:
        assert part in line, line
    assert {p.name for p in folder.iterdir()} - {"__pycache__"} == files


@pytest.mark.parametrize("command", VARIANT_COMMANDS)
@pytest.mark.parametrize(("words", "says"), BAD, ids=lambda x: " ".join(x) if x and x[0][:1] == "-" else "")
def test_every_command_refuses(cli, folder, files, command, words, says):
    check(cli, folder, files, [command, *words], says)


@pytest.mark.parametrize("command", ["plot", "simulate"])
@pytest.mark.parametrize(
    ("words", "says"), MOVING, ids=lambda x: " ".join(x) if x and x[0][:1] == "-" else ""
)
def test_what_moves_refuses(cli, folder, files, command, words, says):
    words = [w.replace(".nc", ".png") if command == "plot" else w for w in words]
    says = [s.replace(".nc", ".png") if command == "plot" else s for s in says]
    check(cli, folder, files, [command, *words], says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plto"], ["'plto'", "did you mean 'plot'", *COMMANDS]),
        (["--nothing"], ["'--nothing'", "--version"]),
        (["list", "--format", "yaml"], ["'yaml'", "json, markdown, text"]),
        (["eig", "-v", "ns", "--at", "1,2,3"], ["'1,2,3'", "3 numbers"]),
        (["eig", "-v", "ns", "--at", "1,x"], ["at[1] = 'x'"]),
        *((["eig", "-v", v], ["is not a module", "pkg.module", "PATH.py"]) for v in (".:x", "a..b:x")),
        (["eig", "-v", "ns", "--dim", "3", "--at", "1,2"], ["2 numbers", "6"]),
        (["eig", "-v", "ns", "--t1", "3"], ["'--t1'"]),
        (["figures", "--only", "wgan-gp-c2"], ["'wgan-gp-c2'", "did you mean 'wgan-gp-c"]),
        (["figures", "--out", "no/such/folder"], ["no/such"]),
        (["figures", "--out", "file.txt"], ["'file.txt'", "not a folder"]),
        (["plot", "-v", "ns", "--out", "a.nc"], ["'.nc'", ".pdf", ".gif"]),
        (["simulate", "-v", "ns", "--out", "a.png"], ["'.png'", ".npz"]),
        (["eig", "-v", "ns", "--r1", "1", "--r1", "2"], ["--r1", "given 2 times", "once"]),
        (["plot", "-v", "ns", "--variant", "lsgan"], ["--variant", "given 2 times", "once"]),
        (["plot", "-v", "ns", "--out", "x" * 300 + ".png"], ["cannot be written"]),
        # an empty word, as of a shell's variable that is not set, is not a word left out
        (["train", "", "--steps", "1"], ["unknown problem ''", "ring8"]),
        (["train", "dirac", "-v", "", "--steps", "1"], ["unknown variant ''", "wgan"]),
        (["train", "dirac", "--steps", "1", "--out", ""], ["out = ''", "not empty"]),
        (["train", "--resume", "--out", ""], ["''", "not empty"]),
        (["figures", "--only", "ns", "--out", ""], ["''", "not empty"]),
        (["diagnose", ""], ["log = ''", "not empty"]),
        (["eig", "-v", ":ns"], ["unknown variant ''", "wgan"]),
        (["eig", "-v", "ns", "-p", ""], ["-p = ''", "NAME=VALUE"]),
        (["train", "dirac", "--steps", "1", "-N", " "], ["--networks = ' '", "NAME=VALUE"]),
        (["train", "dirac", "--steps", "1", "--alarm", ""], ["--alarm = ''", "NAME=VALUE"]),
        (["report", "ns", "--fail-on", ""], ["''", "unstable"]),
        (["report", "ns", "--fail-on", "unstable,"], ["''", "unstable"]),
        (["watch", "file.txt", "--pause", "1e300"], ["pause = 1e+300", "86400"]),
        # an axis of a grid is a second value
        (
            ["sweep", "lr=1,2", "-v", "ns", "--rule", "rk2", "--lr", "3"],
            ["lr is set twice", "to 3.0", "an axis"],
        ),
        (["sweep", "lr=1,2", "-v", "ns", "--rule", "rk2:lr=3"], ["lr is set twice", "to 3 ", "an axis"]),
        (["sweep", "r1=1,2", "-v", "ns:r1=3"], ["r1 is set twice", "to 3 ", "an axis"]),
        (["sweep", "r1=1,2", "-v", "ns", "-p", "r1=3"], ["r1 is set twice", "to 3 ", "an axis"]),
        (["sweep", "rate_d=1,2", "-v", "ns", "--rate-d", "3"], ["rate_d is set twice", "an axis"]),
        (["sweep", "dim=1,2", "-v", "ns", "--dim", "3"], ["dim is set twice", "an axis"]),
        (
            ["map", "basins", "phi0=0,1", "theta0=0,1", "-v", "ns", "--phi0", "1", "--theta0", "1"],
            ["is set twice"],
        ),
    ],
    ids=lambda x: " ".join(x)[:40],
)
def test_single_commands_refuse(cli, folder, words, says):
    (folder / "file.txt").write_text("")
    check(cli, folder, {"file.txt"}, words, says)


@pytest.mark.parametrize(
    ("loss", "says"), [("raising", "'undefined_name' is not"), ("astray", "unknown variant 'no-such-loss'")]
)
def test_an_error_in_the_user_s_loss_names_its_line(cli, folder, files, loss, says):
    words = ["eig", "-v", f"{loss}.py:{loss}"]
    check(cli, folder, files, words, [f"diracgan: {loss}.py, line 7: ", says])


def test_a_report_names_the_line_of_a_loss_that_fails(cli, folder, files):
    code, _, err = cli("report", "astray.py:astray", "--rule", "none", "--jobs", "1")
    assert code == 2
    assert "astray(k=1) | flow: astray.py, line 7: unknown variant 'no-such-loss'" in one_line(err)


def test_a_traceback_can_be_asked_for(cli, monkeypatch):
    monkeypatch.setenv("DIRACGAN_TRACEBACK", "1")
    code, _, err = cli("eig", "-v", "nothing")
    assert code == 2
    assert "Traceback" in err


def test_an_old_file_survives_bad_input(cli, folder):
    (folder / "a.nc").write_text("old")
    assert cli("simulate", "-v", "ns", "--t1", "-1", "--out", "a.nc")[0] == 2
    assert (folder / "a.nc").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("JAX_ENABLE_X64", "banana", "invalid truth value 'banana' for environment 'JAX_ENABLE_X64'"),
        ("JAX_TRACEBACK_FILTERING", "zz", 'Invalid value "zz" for JAX flag jax_traceback_filtering'),
        ("MPLBACKEND", "nope", "Key backend: 'nope' is not a valid value for backend"),
    ],
)
def test_a_library_that_refuses_a_variable_of_the_environment_is_no_bug_of_ours(
    monkeypatch, name, value, said
):
    refused = ValueError(said)
    monkeypatch.delenv(name, raising=False)
    assert explain(refused)[1] == 1
    monkeypatch.setenv(name, value)
    assert explain(refused) == (f"{name} = {value!r}: {refused}", 2)


def test_a_variable_whose_value_an_error_only_quotes_is_not_blamed(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    for said in ("backend 'cpu' has no such layout", "'1' is not a shape", "JAX_PLATFORMS_OF_OTHERS"):
        line, code = explain(ValueError(said))
        assert code == 1
        assert line.startswith(f"a bug in diracgan: ValueError: {said}")


def test_a_platform_that_is_not_here_is_no_bug_of_ours(monkeypatch):
    """JAX asserts that a device was found where it knows the platform: JAX_PLATFORMS=cuda without its plugin."""

    def none_found():
        raise AssertionError

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert explain(AssertionError())[1] == 1  # there are devices: it is about something else
    monkeypatch.setattr("jax.devices", none_found)
    line, code = explain(AssertionError())
    assert (line.split(";")[0], code) == ("JAX_PLATFORMS = 'cuda': JAX finds no such device here", 2)
    monkeypatch.delenv("JAX_PLATFORMS")
    assert explain(AssertionError())[1] == 1


def test_what_a_loss_raises_beside_exceptions_names_its_line(cli, folder):
    stop = "class Stop(BaseException): pass"
    text = RAISES.replace("return undefined_name", "raise Stop('no more')").replace("raising", "stopping")
    (folder / "stopping.py").write_text(f"{stop}\n{text}")
    code, _, err = cli("eig", "-v", "stopping.py:stopping")
    assert code == 2
    assert "stopping.py, line 8: " in one_line(err) and "no more" in err


def test_what_only_ends_a_process_is_not_taken_for_a_bug(monkeypatch):
    class Ended(BaseException):
        pass

    def end(words):
        raise Ended

    monkeypatch.setattr("diracgan.cli.app._run", end)
    with pytest.raises(Ended):
        main(["list"])
