"""What the commands answer, held against closed forms, and where they leave it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.cli.app import COMMANDS, load, main
from diracgan.cli.layer import typer_function
from diracgan.cli.options import NoiseOptions, StepOptions, assignments, vector
from diracgan.cli.plot import _foretold
from diracgan.errors import InputError
from diracgan.variants import VARIANTS

CORE = ["list", "plot", "simulate", "eig", "figures"]


def answer(cli, *words):
    """The one JSON object on standard output, read strictly."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    code, out, err = cli(*words, "--format", "json")
    assert code == 0, err
    assert err == ""
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=refuse)


def examples(command: str) -> list[str]:
    return re.findall(r"Example: (diracgan .*)", load(command).help)


@pytest.mark.parametrize("command", CORE)
def test_help_teaches(cli, command):
    code, out, _ = cli(command, "--help")
    assert code == 0
    assert "Example: diracgan" in " ".join(out.split())


@pytest.mark.parametrize(
    "command", slow_but(CORE, "list", "plot", "eig")
)  # figures: below; simulate: the README
def test_the_example_of_each_help_runs(cli, command):
    (example,) = examples(command)
    code, out, err = cli(*shlex.split(example)[1:])
    assert code == 0, err
    assert out


def test_no_words_and_help_are_the_same(cli):
    assert cli() == cli("--help")
    out = cli()[1]
    assert all(name in out for name in COMMANDS)


def test_version(cli):
    assert cli("--version") == (0, f"diracgan {dg.__version__}\n", "")


# ---------------------------------------------------------------- eig


@pytest.mark.parametrize("lam", slow_but([0.1, 0.37, 0.99, 1.7], 0.37, 1.7))
def test_eig_of_wgan_gp(cli, lam):
    found = answer(cli, "eig", "-v", "wgan-gp", "--c", 0, "--lam", lam)
    root = np.emath.sqrt(lam**2 - 1)
    expected = sorted([-lam + root, -lam - root], key=lambda x: (-x.real, -x.imag))
    np.testing.assert_allclose(found["eigenvalues"], [[x.real, x.imag] for x in expected], atol=1e-12)
    assert found["schema"] == "diracgan.eig/1"
    assert found["status"] == "stable"
    assert found["hyperparameters"]["lam"] == lam


def test_eig_has_the_names_of_python(cli):
    found = answer(cli, "eig", "-v", "ns", "--dim", 3, "--rule", "alternating", "--lr", 0.2, "--ema", 0.9)
    in_python = dg.spectrum(dg.variant("ns"), dim=3, rule=dg.rule("alternating", lr=0.2, ema=0.9))
    assert set(found) == {"schema", *in_python.as_dict()}
    np.testing.assert_array_equal(found["multipliers"], [[x.real, x.imag] for x in in_python.multipliers])
    assert found["ema_multipliers"] == [[0.9, 0.0]] * 6
    assert found["dim"] == 3


@pytest.mark.parametrize(
    ("words", "dim"),
    [
        ([], 1),
        (["--dim", 3], 3),
        (["--phi0", "1,2", "--theta0", "2,1"], 2),
        (["--x0", "1,2,3"], 3),
        (["--x0", "0.5"], 1),
        (["--x0", "0.5", "--dim", 2], 2),
        (["--at", "1,2,3,4"], 2),
    ],
)
def test_eig_takes_its_dimension_from_what_is_given(cli, words, dim):
    assert answer(cli, "eig", "-v", "wgan-linear", *words)["dim"] == dim


def test_eig_without_a_derivative_says_so(cli):
    found = answer(cli, "eig", "-v", "wgan-gp", "--c", 1)
    assert found["status"] == "no-derivative"
    assert found["eigenvalues"] == []
    found = answer(cli, "eig", "-v", "wgan")
    assert found["status"] == "not-an-equilibrium"
    assert found["residual"] is None
    for variant in ("wgan-gp", "wgan"):
        _, out, _ = cli("eig", "-v", variant)
        assert "nan" not in out.lower()
        assert "no eigenvalues" in out


def test_rates_act_in_eig(cli):
    found = answer(cli, "eig", "-v", "wgan-linear", "--rate-d", 4, "--rate-g", 9)
    np.testing.assert_allclose(found["eigenvalues"], [[0, 6], [0, -6]], atol=1e-12)


# ---------------------------------------------------------------- simulate


@pytest.mark.slow  # fast: rotation, truth/test_trajectories.py; JSON, the next test
def test_simulate_rotates(cli):
    found = answer(
        cli, "simulate", "-v", "wgan-linear", "--phi0", "1,0", "--theta0", "0,2", "--t1", math.pi / 2
    )
    assert found["schema"] == "diracgan.simulate/1"
    assert found["time"][-1] == math.pi / 2
    np.testing.assert_allclose(found["phi"][-1], [0, -2], atol=1e-8)
    np.testing.assert_allclose(found["theta"][-1], [1, 0], atol=1e-8)
    assert found["result"] == "ok"
    assert found["result_time"] is None
    assert found["hyperparameters"] == {}


def test_simulate_steps(cli):
    words = ["--rule", "simultaneous", "--lr", 0.5, "--steps", 5, "--every", 2, "--ema", 0.5]
    found = answer(cli, "simulate", "-v", "wgan-linear", "--phi0", 1, "--theta0", 0, *words)
    assert found["step"] == [0, 2, 4, 5]
    assert found["time"] == [0.0, 1.0, 2.0, 2.5]
    z = [(1 + 0.5j) ** k for k in range(6)]
    np.testing.assert_allclose(np.ravel(found["phi"]), [z[k].real for k in found["step"]], atol=1e-12)
    np.testing.assert_allclose(np.ravel(found["theta"]), [z[k].imag for k in found["step"]], atol=1e-12)
    mean = z[0]
    for k in range(1, 6):
        mean = 0.5 * mean + 0.5 * z[k]
    np.testing.assert_allclose([found["phi_ema"][-1][0], found["theta_ema"][-1][0]], [mean.real, mean.imag])


@pytest.mark.slow  # fast: files, dynamics/test_store.py
def test_simulate_saves_what_it_prints(cli, folder):
    found = answer(cli, "simulate", "-v", "ns", "--l2", 0.1, "--t1", 1, "--seed", 5, "--out", "a.nc")
    read = dg.load("a.nc")
    assert found["out"] == str(folder / "a.nc")
    assert read["theta"].values.tolist() == found["theta"]
    assert read.attrs["seed"] == found["seed"] == 5
    code, out, _ = cli("simulate", "-v", "ns", "--l2", 0.1, "--t1", 1, "--out", "b.zarr")
    assert code == 0
    assert out.splitlines()[-1] == str(folder / "b.zarr")
    np.testing.assert_array_equal(dg.load("b.zarr")["theta"], read["theta"])


NOISY = ["simulate", "-v", "ns", "--r1", 0.3, "--dim", 1, "--seed", 3]


@pytest.mark.slow  # that of steps: the next test
def test_noise_of_a_flow_is_the_librarys(cli):
    v, start = dg.variant("ns").with_(r1=0.3), {"phi0": [0.1], "theta0": [0.2], "seed": 3}
    flow = answer(cli, *NOISY, "--t1", 1, "--sde", 0.1, "--sde-step", 0.2)
    np.testing.assert_array_equal(flow["phi"], dg.simulate(v, **start, t1=1.0, sde=0.1, sde_step=0.2)["phi"])


def test_noise_of_steps_is_the_librarys(cli):
    v, start = dg.variant("ns").with_(r1=0.3), {"phi0": [0.1], "theta0": [0.2], "seed": 3}
    steps = answer(cli, *NOISY, "--rule", "alternating", "--lr", 0.1, "--steps", 9, "--sde", "0.1,0")
    rule = dg.rule("alternating", lr=0.1)
    same, other = (
        dg.simulate(v, **start | {"seed": seed}, rule=rule, steps=9, sde=[0.1, 0.0])["phi"] for seed in (3, 4)
    )
    np.testing.assert_array_equal(steps["phi"], same)
    assert not np.allclose(same[1:], other[1:])


@pytest.mark.slow  # every solver against another: tests/dynamics/test_flow.py
def test_both_engines_answer_alike(cli):
    words = ["simulate", "-v", "ns", "--t1", 5, "--rate-d", 2]
    first, second = (answer(cli, *words, "--solver", s) for s in ("dopri8", "LSODA"))
    np.testing.assert_allclose(first["theta"], second["theta"], atol=1e-6)
    assert (first["solver"], second["solver"]) == ("dopri8", "LSODA")


def test_a_run_that_ends_early_is_still_an_answer(cli):
    words = ["--rule", "simultaneous", "--lr", 1e3, "--steps", 400]
    found = answer(cli, "simulate", "-v", "wgan-linear", *words)
    assert found["result"] == "diverged"
    assert found["phi"][-1] == [None, None]
    assert found["result_time"] > 0


# ---------------------------------------------------------------- plot


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["-v", "wgan-gp", "--c", 0], "wgan-gp-c0.png"),
        pytest.param(
            ["-v", "wgan-gp", "--c", 0, "--lam", 0.5, "--dim", 1],
            "wgan-gp-lam0.5-c0-d1.png",
            marks=pytest.mark.slow,
        ),
        (["-v", "ns", "--r1", 0.3, "--rule", "alternating"], "ns-r1=0.3-alternating.png"),
    ],
)
def test_plot_names_its_picture_and_says_where_it_is(cli, folder, words, name):
    code, out, err = cli("plot", *words, "--t1" if "--rule" not in words else "--steps", 5)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == str(folder / name)
    assert [p.name for p in folder.iterdir()] == [name]
    assert (folder / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".png", b"\x89PNG"),
        (".pdf", b"%PDF"),
        (".svg", b"<?xml"),
        pytest.param(".gif", b"GIF8", marks=pytest.mark.slow),
    ],
)
def test_plot_writes_by_suffix(cli, folder, suffix, start):
    code, _, err = cli("plot", "-v", "wgan-linear", "--t1", 3, "--out", f"a{suffix}")
    assert code == 0, err
    assert (folder / f"a{suffix}").read_bytes().startswith(start)


DRAWN = [(v, d) for v in ("ns", "wgan", "wgan-gp", "gan-qp") for d in (1, 2, 3)]


@pytest.mark.parametrize(
    ("variant", "dim"), slow_but(DRAWN, ("ns", 3))
)  # d = 1, gan-qp: the README's commands
def test_plot_draws_in_every_dimension(cli, folder, dim, variant):
    found = answer(cli, "plot", "-v", variant, "--dim", dim, "--t1", 4, "--out", "a.png")
    assert found["schema"] == "diracgan.plot/1"
    assert found["out"] == str(folder / "a.png")
    assert found["status"] == dg.spectrum(dg.variant(variant), dim=dim).status
    assert (found["verdict"] is None) == (found["status"] in ("stable", "unstable"))


def test_a_printed_threshold_is_known_to_its_printed_error(cli):
    status, out, _ = cli("critical", "lr", "-v", "ns", "--r1", 0.3, "--rule", "alternating")
    found = re.search(r"lr = (\S+) \(error (\S+)\)", out)
    assert status == 0 and found is not None
    flip = 8 * (math.sqrt(0.3**2 + 1) - 0.3) / 2  # 4 - 2 gamma h - h^2/4 = 0
    assert abs(float(found[1]) - flip) <= 1.5 * float(found[2])  # an error has one digit


def test_a_picture_asks_for_the_verdict_where_eigenvalues_decide_nothing(cli, folder):
    words = ["plot", "-v", "wgan-linear", "--dim", 1, "--t1", 4, "--out", "a.png"]
    assert answer(cli, *words)["verdict"] == "neutral-orbit"
    assert answer(cli, *words, "--no-verdict")["verdict"] is None
    assert answer(cli, *words, "--l2", 0.3, "--verdict")["verdict"] == "converges-exponentially"


@pytest.mark.parametrize(
    ("status", "last", "foretold"),
    [("stable", 0.02, True), ("stable", 0.5, False), ("stable", 1e9, False), ("unstable", 1e9, False)],
)
def test_eigenvalues_foretell_a_run_that_comes_in_as_they_promise(status, last, foretold):
    run = {"phi": [[1.0], [last]], "theta": [[0.0], [0.0]], "time": [0.0, 40.0], "attrs": {}}
    assert _foretold(SimpleNamespace(status=status, margin=0.1), run) == foretold  # exp(-4) = 0.018


@pytest.mark.slow  # fast witness: the test before
def test_a_picture_asks_for_the_verdict_where_the_run_does_not_come_in(cli, folder):
    words = ["-v", "lsgan", "--l2", 0.24, "--rule", "simultaneous"]
    near, far = [*words, "--dim", 1], [*words, "--phi0", 7, "--theta0", 7, "--lr", 0.1]
    drawn = "--steps", 200, "--out", "a.png"
    cycle = answer(cli, "plot", *near, "--lr", 0.3, *drawn)
    assert (cycle["status"], cycle["verdict"]) == ("unstable", "limit-cycle")
    assert answer(cli, "plot", *near, "--lr", 0.1, *drawn)["verdict"] is None
    away = answer(cli, "plot", *far, *drawn)
    assert (away["status"], away["verdict"]) == ("stable", answer(cli, "verdict", *far)["kind"])


def test_a_user_s_variant_gets_every_command(cli, folder):
    (folder / "own.py").write_text(
        "import jax.numpy as jnp, diracgan as dg\n"
        "@dg.register('cli-own', reference='none')\n"
        "class Own(dg.Variant):\n"
        "    '''Twice the linear WGAN.'''\n"
        "    k: float = 2.0\n"
        "    def critic_loss(self, real, fake, x_real, x_fake):\n"
        "        return self.k * (jnp.mean(fake) - jnp.mean(real))\n"
        "    def generator_loss(self, real, fake, x_real, x_fake):\n"
        "        return -self.k * jnp.mean(fake)\n"
    )
    found = answer(cli, "eig", "-v", "own.py:cli-own:k=3")
    np.testing.assert_allclose(found["eigenvalues"], [[0, 3], [0, -3]], atol=1e-12)
    found = answer(cli, "eig", "-v", "own.py:cli-own", "-p", "k=5", "--l2", 0.1)
    np.testing.assert_allclose(found["eigenvalues"][0][0], -0.05, atol=1e-12)
    steps = ["--rule", "simultaneous", "--steps", 2]  # its flow: the picture below
    assert answer(cli, "simulate", "-v", "own.py:cli-own", *steps)["variant_name"] == "cli-own"
    assert cli("plot", "-v", "own.py:cli-own", "--t1", 1)[1].splitlines()[-1] == str(folder / "cli-own.png")


# ---------------------------------------------------------------- list, figures


def test_list_shows_everything(cli):
    found = answer(cli, "list")
    assert {v["name"] for v in found["variants"]} == set(dg.variants())
    assert {r["name"] for r in found["rules"]} == set(dg.rules())
    assert {"l2", "r1", "r2"} <= {m["name"] for m in found["modifiers"]}
    assert {p["name"] for p in found["presets"]} == set(dg.presets())
    gp = next(v for v in found["variants"] if v["name"] == "wgan-gp")
    assert {p["name"]: p["default"] for p in gp["parameters"]} == {"lam": 0.1, "c": 1.0, "one_sided": False}
    ours = [v for v in found["variants"] if VARIANTS[v["name"]].__module__.startswith("diracgan.")]
    assert len(ours) >= 17 and all(v["summary"] and v["reference"] for v in ours)
    for form in ("text", "markdown"):
        out = cli("list", "--format", form)[1]
        assert all(name in out for name in (*dg.variants(), *dg.rules(), *dg.presets()))


def test_figures_draws_what_is_asked(cli, folder):
    code, out, err = cli("figures", "--only", "wgan", "--out", "drawn")
    assert (code, err) == (0, "")
    assert {p.name for p in (folder / "drawn").iterdir()} == {"wgan.png", "README.md"}
    assert out.splitlines()[-1] == str(folder / "drawn" / "README.md")


# ---------------------------------------------------------------- the plumbing


def test_vectors_and_settings_are_read():
    assert vector("x", "1, -2e-1,.5") == [1.0, -0.2, 0.5]
    assert vector("x", None) is None
    assert assignments(["a=1,b=x", "c-d=2"], "-p") == {"a": "1", "b": "x", "c_d": "2"}
    with pytest.raises(InputError, match="a is set twice"):
        assignments(["a=1", "a=2"], "-p")


@dataclasses.dataclass(frozen=True)
class Both:
    steps: StepOptions
    noise: NoiseOptions


def seen_by(both: Both, noise: NoiseOptions, loud: bool = False) -> None:
    print(both, noise, loud)


def test_groups_of_options_are_put_together(capsys):
    command = typer_function("seen", seen_by)
    command(steps=3, every=None, sde=None, sde_step=None, seed=1, loud=True)
    expected = Both(StepOptions(3, None), NoiseOptions(seed=1))
    assert capsys.readouterr().out == f"{expected} {NoiseOptions(seed=1)} True\n"
    names = ["steps", "every", "sde", "sde_step", "seed", "loud"]
    assert list(inspect.signature(command).parameters) == names


def test_main_reads_the_words_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["diracgan", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("diracgan ")
