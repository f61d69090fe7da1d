"""Sweeps: closed forms, resumed and parallel runs that give the same bytes, and what is refused."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import diracgan as dg
from diracgan.analysis.kinds import KINDS, Kind
from diracgan.analysis.linear.status import STATUSES
from diracgan.game import Players
from diracgan.rules import Rule
from diracgan.sweeps import store as stores
from diracgan.sweeps.executors import choose_executor
from diracgan.sweeps.settings import run_settings
from diracgan.sweeps.specification import Start
from diracgan.sweeps.sweep import computed, layout, planned

SIMULTANEOUS = dg.rule("simultaneous", lr=0.1)
GRID = {"gamma": "0.05:0.95:13", "lr": "0.1:3.7:17"}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a store, by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def small(out: Path | None = None, **rest: object) -> xr.Dataset:
    """One quick sweep of many chunks."""
    return dg.sweep(
        dg.variant("ns"), GRID, ["margin", "status"], rule=SIMULTANEOUS, out=out, chunk=10, **rest
    )


def specified(over: dict, quantity: object, rule: Rule | None = None):
    """The specification of a sweep of ns, and its axes."""
    return planned(dg.variant("ns"), over, quantity, rule, Start(), Players(1.0, 1.0), run_settings(rule))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of one run that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "whole.zarr"
    small(out, devices=1)
    return out


# ---------------------------------------------------------------- truth


def test_multipliers_of_simultaneous_steps_with_r1():
    # eigenvalues of the flow mu = -g/2 +- sqrt(g^2 - 1)/2, multipliers 1 + h mu: |.|^2 = 1 - g h + h^2/4 for g < 1
    found = small()
    g, h = np.meshgrid(found.gamma, found.lr, indexing="ij")
    np.testing.assert_allclose(found.margin, 1 - np.sqrt(1 - g * h + h**2 / 4), atol=1e-13)
    stable = [STATUSES.index("stable"), STATUSES.index("unstable")]
    np.testing.assert_array_equal(found.status, np.where(h < 4 * g, *stable))


@pytest.mark.slow  # fast, against a closed form: the test above
def test_linear_quantities_agree_with_one_spectrum_at_a_time():
    cases = [
        ("gan-qp", {"lam": "0.5:2:4"}, None, 2),  # a quotient 0/0 at the equilibrium
        ("wgan-gp", {"lam": "0.5:2:4", "c": "0,0.5"}, None, 2),  # with and without a kink
        ("wgan", {"l2": "0:1:3"}, None, 1),  # no equilibrium at all
        ("ns", {"l2": "0:1:3", "lr": "0.1:1:2"}, dg.rule("heavy-ball", beta=-0.3, alternating=True), 1),
        ("lsgan", {"r1": "0:1:3", "rate_ratio": "0.5,2"}, None, 3),
    ]
    for name, over, rule, dim in cases:
        found = dg.sweep(dg.variant(name), over, ["margin", "status"], rule=rule, dim=dim)
        for point in np.ndindex(*found.margin.shape):
            here = found.isel(dict(zip(found.margin.dims, point, strict=True)))
            turned = {n: float(here[n]) for n in here.coords}
            ratio = turned.pop("rate_ratio", 1.0)
            lr = {"lr": turned.pop("lr")} if "lr" in turned else {}
            v = dg.variant(name, **turned)
            r = None if rule is None else dg.rule(rule.name, **rule.hyperparameters | lr)
            rates = {} if rule else {"rate_d": ratio}
            truth = dg.spectrum(v, dim=dim, rule=r, **rates)
            assert STATUSES[int(here.status)] == truth.status, (name, turned)
            if truth.margin is None:
                assert np.isnan(here.margin)
            else:
                assert abs(float(here.margin) - truth.margin) <= 1e-12 + truth.error


@pytest.mark.slow  # fast, of thresholds: test_critical.py::test_dimensions_share_their_threshold
def test_a_rotation_invariant_variant_has_one_margin_in_every_dimension():
    found = dg.sweep(dg.variant("ns").with_(r1=0.4), {"dim": [1, 2, 5]}, "margin")
    np.testing.assert_allclose(found.margin, 0.2, atol=1e-13)


def test_gain_of_the_average():
    rule = dg.rule("alternating", lr=0.1)
    found = dg.sweep(dg.variant("wgan-linear"), {"ema": "0.9,0.99,0.999"}, "ema_gain", rule=rule)
    angle = math.acos(1 - 0.1**2 / 2)  # trace 2 - h^2, determinant 1
    beta = found.ema.values
    np.testing.assert_allclose(found.ema_gain, (1 - beta) / abs(1 - beta * np.exp(-1j * angle)), rtol=1e-9)
    flow = dg.sweep(dg.variant("wgan-linear"), {"ema_tau": "1,10"}, "ema gain")
    np.testing.assert_allclose(flow.ema_gain, 1 / np.sqrt(1 + np.array([1.0, 10.0]) ** 2), rtol=1e-12)


def test_periods_and_radii_of_neutral_orbits():
    # saturating, d = 1: r is conserved and T = 2 pi (1 + I0(r^2/2))
    from scipy.special import i0

    start = np.array([0.5, 1.0, 1.5])
    asked = ["period", "limit_radius", "limit", "final_radius"]
    found = dg.sweep(dg.variant("saturating"), {"phi0": start}, asked, theta0=[0.0], t1=120.0)
    np.testing.assert_allclose(found.period, 2 * np.pi * (1 + i0(start**2 / 2)), rtol=1e-6)
    np.testing.assert_allclose(found.limit_radius, start, rtol=1e-6)
    np.testing.assert_allclose(found.final_radius, start, rtol=1e-6)
    assert found.limit.attrs["flag_meanings"].split()[int(found.limit[0])] == "orbit"


def test_times_of_escape_and_entry():
    # simultaneous steps on the rotation: r grows by sqrt(1 + h^2) an iteration
    h = np.array([0.1, 0.2, 0.4])
    found = dg.sweep(
        dg.variant("wgan-linear"),
        {"lr": h},
        "escape_time",
        rule=SIMULTANEOUS,
        phi0=[1.0],
        theta0=[0.0],
        escape=100.0,
    )
    steps = np.ceil(np.log(100.0) / np.log(np.hypot(1.0, h)))
    np.testing.assert_allclose(found.escape_time, steps * h, rtol=1e-12)
    lam = dg.sweep(dg.variant("wgan-gp", c=0.0), {"lam": "0.5,2"}, ["entry_time", "limit"], dim=1, ball=1e-2)
    assert np.isfinite(lam.entry_time).all()
    assert (lam.limit == 0).all()


@pytest.mark.slow  # fast, of a start as an axis: test_where_runs_are_going
def test_integers_choices_and_starts_are_axes_too():
    v = dg.variant("gan-qp")
    found = dg.sweep(v, {"norm": "l2,l2sq", "phi0[1]": "0.2,0.4"}, "final_radius", t1=1.0)
    assert found.norm.attrs["flag_meanings"] == "l2 l2sq"
    one = dg.ensemble(dg.variant("gan-qp", norm="l2sq"), [[0.1, 0.4]], [[0.2, 0.1]], t1=1.0)
    r = float(np.sqrt((one.phi**2).sum() + (one.theta**2).sum()))
    assert float(found.final_radius[1, 1]) == pytest.approx(r, rel=1e-14)
    # n_D critic steps make al = h sqrt(n_D): bounded iff al < 2, so marginal at 1 and 3, unstable from 4 on at h = 1
    rule = dg.rule("alternating", lr=1.0)
    steps = dg.sweep(dg.variant("wgan-linear"), {"n_critic": [1, 3, 5]}, "status", rule=rule)
    assert [STATUSES[k] for k in steps.status.values] == ["marginal", "marginal", "unstable"]


def test_verdicts_and_functions_go_point_by_point(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text("def weight(point):\n    return point.values['lam'] + float(point.phi0[0])\n")
    found = dg.sweep(
        dg.variant("wgan-gp", c=0.0), {"lam": "0.5,2"}, ["verdict", f"{file}:weight"], effort=0.1, dim=1
    )
    assert [KINDS[k] for k in found.verdict.values] == ["converges-exponentially"] * 2
    np.testing.assert_allclose(found.weight, [0.6, 2.1])


# ---------------------------------------------------------------- stopped, resumed, parallel


def test_the_store_is_what_memory_gets_and_does_not_depend_on_who_computes(undisturbed: Path, tmp_path: Path):
    kept, held = xr.open_zarr(undisturbed, consolidated=False), small()
    for name in held.data_vars:
        np.testing.assert_array_equal(kept[name], held[name])
    assert kept.gamma.attrs["units"] == "1"
    assert kept.margin.attrs["units"] == "1"
    assert kept.attrs["rule"] == "simultaneous(lr=0.1..3.7)"
    assert kept.attrs["variant"] == "ns + r1=0.05..0.95"
    small(tmp_path / "two.zarr", devices=min(2, len(os.sched_getaffinity(0))))
    assert contents(tmp_path / "two.zarr") == contents(undisturbed)


SCRIPT = """
import sys, diracgan as dg
rule = dg.rule("simultaneous", lr=0.1)
dg.sweep(dg.variant("ns"), {grid}, ["margin", "status"], rule=rule, out=sys.argv[1], chunk=10)
"""


@pytest.mark.slow  # fast, by an interrupt: the next test
def test_killed_again_and_again_it_ends_with_the_same_bytes(undisturbed: Path, tmp_path: Path):
    out, total = tmp_path / "killed.zarr", 2 * 13 * 2
    script = SCRIPT.replace("{grid}", repr(GRID))
    for wanted in (3, 11):
        run = subprocess.Popen([sys.executable, "-c", script, str(out)], stderr=subprocess.PIPE)
        for _ in range(6000):
            if run.poll() is not None or sum(1 for _ in out.glob("*/c/*/*")) >= wanted:
                break
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert 11 <= sum(1 for _ in out.glob("*/c/*/*")) <= total
    (out / "margin" / "c" / "0" / "0.0123456789abcdef.partial").write_bytes(b"what a killed write leaves")
    computed_points: list[int] = []
    small(out, progress=lambda done, points: computed_points.append(done))
    assert len(computed_points) <= 26 - 5  # only what was missing: at least five of the chunks were there
    assert contents(out) == contents(undisturbed)


def test_an_interrupted_run_keeps_its_chunks(undisturbed: Path, tmp_path: Path):
    def stop(done: int, points: int) -> None:
        if done > 60:
            raise KeyboardInterrupt

    out = tmp_path / "interrupted.zarr"
    with pytest.raises(KeyboardInterrupt):
        small(out, progress=stop)
    assert 0 < sum(1 for _ in out.glob("margin/c/*/*")) < 26
    small(out)
    assert contents(out) == contents(undisturbed)


def test_only_a_few_chunks_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    asked, values = specified({"r1": "0:1:64"}, "margin")
    alive = {"now": 0, "most": 0}

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive["now"] -= 1

    def answer(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        alive["now"] += 1
        alive["most"] = max(alive.values())
        return {"margin": values["r1"].view(Counted)}

    monkeypatch.setattr(type(asked), "answer", lambda self, values, *rest: answer(values))
    computed(asked, values, out=tmp_path / "s.zarr", chunk=1, who=choose_executor(devices=1))
    assert alive["most"] <= 3


def test_two_processes_do_not_write_to_one_store(undisturbed: Path, tmp_path: Path):
    import shutil

    out = tmp_path / "held.zarr"
    shutil.copytree(undisturbed, out)
    (out / "margin" / "c" / "0" / "0").unlink()
    asked, values = specified(GRID, ["margin", "status"], SIMULTANEOUS)
    with stores.sink(out, layout(asked, values, 10)) as first:
        first.missing()
        with pytest.raises(dg.InputError, match="is being written by process"):
            small(out)


# ---------------------------------------------------------------- refused


def test_a_store_of_other_parameters_is_refused_and_left_as_it_is(undisturbed: Path):
    before = contents(undisturbed)
    others = {
        "axes": lambda: dg.sweep(
            dg.variant("ns"),
            GRID | {"lr": "0.1:3.7:16"},
            ["margin", "status"],
            rule=SIMULTANEOUS,
            out=undisturbed,
            chunk=10,
        ),
        "chunk": lambda: dg.sweep(
            dg.variant("ns"), GRID, ["margin", "status"], rule=SIMULTANEOUS, out=undisturbed, chunk=40
        ),
        "variant": lambda: dg.sweep(
            dg.variant("ns", l2=0.1), GRID, ["margin", "status"], rule=SIMULTANEOUS, out=undisturbed, chunk=10
        ),
        "quantities": lambda: dg.sweep(
            dg.variant("ns"), GRID, "margin", rule=SIMULTANEOUS, out=undisturbed, chunk=10
        ),
    }
    for what, again in others.items():
        with pytest.raises(dg.InputError, match=f"other parameters .*{what}"):
            again()
    assert contents(undisturbed) == before


def test_a_loss_that_has_changed_under_its_name_is_refused(tmp_path: Path):
    text = (
        "import jax.numpy as jnp, diracgan as dg\n@dg.register('changing')\nclass V(dg.Variant):\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -FACTOR * jnp.mean(fake)\n"
    )
    out = tmp_path / "s.zarr"
    from diracgan.variants import parse

    for factor, file in (("1.0", "a.py"), ("2.0", "a.py")):
        (tmp_path / file).write_text(text.replace("FACTOR", factor))
        v = parse(f"{tmp_path / file}:changing")
        if factor == "1.0":
            dg.sweep(v, {"l2": "0,1"}, out=out)
        else:
            with pytest.raises(dg.InputError, match="variant"):
                dg.sweep(v, {"l2": "0,1"}, out=out)


def test_a_damaged_chunk_is_named_and_the_others_are_kept(undisturbed: Path, tmp_path: Path):
    import shutil

    out = tmp_path / "damaged.zarr"
    shutil.copytree(undisturbed, out)
    chunk = out / "margin" / "c" / "3" / "1"
    data = bytearray(chunk.read_bytes())
    data[5] ^= 1
    chunk.write_bytes(bytes(data))
    with pytest.raises(dg.InputError, match="margin/c/3/1.* is damaged"):
        small(out)
    chunk.unlink()
    small(out)
    assert contents(out) == contents(undisturbed)


def test_a_full_disk_is_said_in_one_line_and_finished_chunks_are_kept(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from zarr.storage import LocalStore

    out, put, written = tmp_path / "full.zarr", LocalStore.set, []

    async def full(self: LocalStore, key: str, value: object) -> None:
        if "/c/" in key and out.exists():
            if len([k for k in written if k.startswith(("margin", "status"))]) == 20:
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(key)
        await put(self, key, value)

    monkeypatch.setattr(LocalStore, "set", full)
    with pytest.raises(dg.InputError, match="no space left on device; 10 of 26 chunks are finished") as error:
        small(out)
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    small(out)
    assert contents(out) == contents(undisturbed)


@pytest.mark.parametrize(
    ("over", "rest", "said"),
    [
        ({}, {}, "over has no axis"),
        ({"lr": []}, {}, "lr is empty"),
        ({"lr": "0.1:1:5"}, {"rule": None}, "lr belongs to a rule"),
        ({"gama": "0:1:2"}, {}, "unknown axis 'gama'; did you mean 'gamma'? Allowed:"),
        ({"gama": "0:1:2"}, {}, "phi0, "),
        ({"thta0": "0:1:2"}, {"dim": 2}, "did you mean 'theta0"),
        ({"gamma": "0,1", "r1": "0,1"}, {}, "the same weight"),
        ({"r1": "0:1"}, {}, "is not a grid"),
        ({"r1": "log:0:1:5"}, {}, "ends > 0"),
        ({"r1": "0,0"}, {}, "twice"),
        ({"r1": [0, math.inf]}, {}, "not finite"),
        ({"r1": "-1:1:3"}, {}, "r1 = -1 is out of range"),
        ({"r1": "0:1:2"}, {"quantity": "margni"}, "did you mean 'margin'"),
        ({"r1": "0:1:2"}, {"quantity": []}, "no quantity"),
        ({"r1": "0:1:2"}, {"quantity": ["margin", "margin"]}, "twice"),
        ({"r1": "0:1:2"}, {"quantity": "spectral_radius", "rule": None}, "belongs to a rule"),
        ({"phi0": "0:1:2"}, {"dim": 2}, "phi0 has 2 components"),
        ({"phi0[3]": "0:1:2"}, {"dim": 2}, "no meaning for d = 2; allowed: phi0[0] to phi0[1], or dim = 4"),
        ({"phi0[1]": "0:1:2"}, {"dim": 1}, "allowed: phi0, or dim = 2"),
        ({"r1": "0:1:2"}, {"quantity": {"f g": abs}}, "cannot name a function"),
        ({"r1": "0:1:2"}, {"quantity": {"f": "margin"}}, "margin cannot be called 'f'"),
        ({"r1": "0:1:2"}, {"rule": None, "steps": 5}, "needs a rule"),
        ({"r1": "0:1:2"}, {"rule": None, "t1": 1.0, "dt": 0.3, "quantity": "period"}, "multiple of dt"),
        ({"r1": "0:1:2"}, {"devices": 0}, "devices = 0"),
        ({"r1": "0:1:2"}, {"scheduler": "tcp://127.0.0.1:9"}, "no scheduler answers"),
        ({"r1": "0:1:2"}, {"scheduler": "nowhere"}, "no address with a port"),
        ({"r1": "0:1:2"}, {"devices": 1, "scheduler": "tcp://127.0.0.1:9"}, "exclude each other"),
        ({"r1": "0:1:2"}, {"chunk": 0}, "chunk = 0"),
        ({"n_critic": "1,2.5"}, {"rule": dg.rule("alternating")}, "n_critic"),
        ({"r1": "0:1:2"}, {"steps": 10**12, "quantity": "period"}, "steps = 1000000000000 is too large"),
        (
            {"r1": "0:1:2"},
            {"rule": None, "dt": 1e-300, "quantity": "period"},
            "dt = 1e-300 is too small for t1 = 200",
        ),
        (
            {"r1": "0:1:100000000000"},
            {},
            "count of r1 = 100000000000 is too large; allowed: integers from 1 to 10000000",
        ),
        ({"r1": "0:1:100000", "lr": "0.1:1:1000"}, {"chunk": 1}, "the grid makes 100000000 chunks"),
        ({"dim": "1,1000000000"}, {}, "dim = 1000000000 is too large"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(over: dict, rest: dict, said: str, tmp_path: Path):
    arguments = {"quantity": "margin", "rule": SIMULTANEOUS} | rest
    with pytest.raises(dg.InputError) as error:
        dg.sweep(dg.variant("ns"), over, out=tmp_path / "s.zarr", **arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_fails_says_where(tmp_path: Path):
    def broken(point: object) -> float:
        return 1 / 0

    with pytest.raises(dg.InputError, match=r"broken failed at r1 = 0: ZeroDivisionError"):
        dg.sweep(dg.variant("ns"), {"r1": "0:1:2"}, broken, out=tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_sweep_is_not_touched(tmp_path: Path):
    (tmp_path / "other.zarr").mkdir()
    (tmp_path / "other.zarr" / "zarr.json").write_text(json.dumps({"node_type": "group", "attributes": {}}))
    with pytest.raises(dg.InputError, match="not a sweep's store"):
        dg.sweep(dg.variant("ns"), {"r1": "0:1:2"}, out=tmp_path / "other.zarr")
    foreign = tmp_path / "notes.zarr"  # neither a store nor ours, whatever its files are called
    foreign.mkdir()
    for name in (".unfinished-0123456789ab", "zarr.json.0123456789abcdef.partial", "letter.txt"):
        (foreign / name).write_text("somebody's")
    before = contents(foreign)
    with pytest.raises(dg.InputError, match="notes.zarr"):
        dg.sweep(dg.variant("ns"), {"r1": "0:1:2"}, out=foreign)
    assert contents(foreign) == before
    with pytest.raises(dg.InputError, match=r"suffix"):
        dg.sweep(dg.variant("ns"), {"r1": "0:1:2"}, out=tmp_path / "s.nc")


@pytest.mark.parametrize(
    ("name", "given", "over", "kind"),
    [
        ("ns", {}, {"phi0": "0.5,1.5"}, "converging"),  # like t^(-1/2): never in a ball by then
        pytest.param("saturating", {}, {"phi0": "0.5,1.5"}, "orbit", marks=pytest.mark.slow),
        ("wgan-gp", {"c": 1.0, "lam": 0.95}, {"phi0": "0.5,1.5"}, "orbit"),  # a slow relaxation oscillation
        ("wgan-gp", {"c": 1.0, "lam": 1.5}, {"phi0": "0.5,1.5"}, "elsewhere"),
        pytest.param("wgan-gp", {"c": 0.0}, {"phi0": "0.5,1.5"}, "equilibrium", marks=pytest.mark.slow),
        ("wgan", {}, {"phi0": "0.5,1.5"}, "growing"),  # theta leaves linearly
    ],
)
def test_where_runs_are_going(name: str, given: dict[str, float], over: dict[str, str], kind: str):
    found = dg.sweep(dg.variant(name, **given), over, "limit", theta0=[0.3])
    assert {found.limit.attrs["flag_meanings"].split()[k] for k in found.limit.values} == {kind}


def test_in_the_plane_a_conserved_area_keeps_runs_on_a_circle():
    # ns, d = 2: l = |phi ^ theta| is conserved, so r^2 >= 2 l: a limit circle; collinear starts have l = 0
    starts = {"theta0[1]": [0.1, 0.4], "phi0[0]": [0.1, 1.0]}
    found = dg.sweep(dg.variant("ns"), starts, "limit", phi0=[0.1, 0.2], theta0=[0.2, 0.1])
    words = np.array(found.limit.attrs["flag_meanings"].split())[found.limit.values]
    assert words.tolist() == [["orbit", "orbit"], ["converging", "orbit"]]


@pytest.mark.slow  # fast, of limits that are known: test_where_runs_are_going
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("name", list(dg.variants()))
def test_limits_agree_with_verdicts(name: str, dim: int):
    v = dg.variant(name)
    found = dg.sweep(v, {"l2": [0.0]}, "limit", dim=dim)
    said = found.limit.attrs["flag_meanings"].split()[int(found.limit[0])]
    truth = dg.verdict(v, dim=dim, edge=False).kind
    assert said == "undecided" or said in Kind(truth).outcomes, (said, truth)


def test_a_mapping_gives_functions_names_of_their_own():
    asked = {"twice": lambda p: 2 * p.values["r1"], "square": lambda p: p.values["r1"] ** 2}
    found = dg.sweep(dg.variant("ns"), {"r1": "0:2:3"}, asked)
    assert found.twice.values.tolist() == [0, 2, 4]
    assert found.square.values.tolist() == [0, 1, 4]


@pytest.mark.slow  # fast, of simultaneous ones: cli/test_sweep.py::test_a_stability_chart_with_its_threshold
def test_the_threshold_curve_of_alternating_steps():
    # wgan-gp, c = 0: trace 2 - 2 lam h - h^2, determinant 1 - 2 lam h, so stable iff 4 - 4 lam h - h^2 > 0
    from diracgan.sweeps import stability

    over = {"lam": "0.05:2:9", "lr": "0.03:2.5:11"}
    found = stability(dg.variant("wgan-gp", c=0.0), over, rule=dg.rule("alternating"))
    lam, h = found.threshold.values.reshape(-1, 2).T
    assert len(h) > 20
    np.testing.assert_allclose(4 - 4 * lam * h - h * h, 0, atol=1e-12)


def test_nothing_else_replaces_a_sweep(undisturbed: Path, tmp_path: Path):
    import shutil

    out = tmp_path / "mine.zarr"
    shutil.copytree(undisturbed, out)
    with pytest.raises(dg.InputError, match="mine.zarr' holds a sweep, which this would replace"):
        dg.save(dg.simulate(dg.variant("ns"), rule=SIMULTANEOUS, steps=1), out)
    assert contents(out) == contents(undisturbed)


def test_a_store_says_what_is_promised_of_its_bytes(undisturbed: Path):
    linear = xr.open_zarr(undisturbed, consolidated=False).attrs
    assert (linear["engine"], linear["reproducible"][:11]) == ("NumPy or XLA", "bit for bit")
    from diracgan.ensemble.fixed_steps import engine

    followed = dg.sweep(dg.variant("ns"), {"phi0": "0.1,0.2"}, "final_radius", theta0=[0.1], t1=1.0)
    assert followed.attrs["engine"] == ("compiled C or XLA" if engine() == "compiled C" else engine())


@pytest.mark.parametrize("owner", ["", "flow."])
def test_a_ratio_keeps_the_rate_beside_it_by_either_of_its_names(owner):
    v, (ratios, rates) = dg.variant("ns").with_(r1=0.3), ([0.5, 2.0], [1.0, 3.0])
    found = dg.sweep(v, {f"{owner}rate_ratio": ratios, f"{owner}rate_g": rates}, ["margin"], dim=1)
    one_by_one = [[dg.spectrum(v, rate_d=a * b, rate_g=b).margin for b in rates] for a in ratios]
    np.testing.assert_allclose(found.margin.values, one_by_one, rtol=1e-12)


def test_a_rate_by_its_full_name_is_followed_run_by_run():
    found = [
        dg.sweep(dg.variant("ns").with_(r1=0.3), {name: [0.5, 2.0]}, ["limit"], dim=1, t1=5.0)
        for name in ("rate_d", "flow.rate_d")
    ]
    np.testing.assert_array_equal(*(one.limit.values for one in found))
