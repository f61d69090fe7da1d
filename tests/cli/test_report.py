"""``diracgan report`` as continuous integration calls it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

QUICK = ("--rule", "none", "--verdicts", "none", "-j", 1)

MINE = """
import jax.numpy as jnp, diracgan as dg
@dg.register("report-fine")
class Fine(dg.Variant):
    k: float = 2.0
    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)
    def generator_loss(self, real, fake, x_real, x_fake): return -self.k * jnp.mean(fake)
"""
BROKEN = """
@dg.register("report-broken")
class Broken(dg.Variant):
    def critic_loss(self, real, fake, x_real, x_fake): return jnp.nonsense(fake)
    def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)
"""


def test_the_table(cli):
    code, out, err = cli("report", "ns", "wgan-gp:c=0", *QUICK)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["variant", "ns", "wgan-gp(lam=0.1,"]


def test_json_is_one_object_and_the_out_file_the_same(cli, folder):
    code, out, _ = cli("report", "ns", *QUICK, "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert found["schema"] == "diracgan.report/1"
    assert found["gate"] is None
    assert cli("report", "ns", *QUICK, "--out", "r.json") == (0, "1 row written to r.json\n", "")
    assert json.loads((folder / "r.json").read_text()) == found


def test_fail_on_ends_with_one_and_names_the_rows(cli, folder):
    code, _, err = cli(
        "report", "ns", "wgan-gp:c=0", *QUICK, "--fail-on", "unstable,marginal", "--junit", "j.xml"
    )
    assert code == 1
    assert "ns | flow: marginal in d = 1" in err
    root = ElementTree.fromstring((folder / "j.xml").read_text())
    assert root.attrib["failures"] == "1"
    code, out, _ = cli("report", "wgan-gp:c=0", *QUICK, "--fail-on", "unstable", "--format", "json")
    assert code == 0
    assert json.loads(out)["gate"] == {"passed": True, "failures": [], "differences": []}


def test_a_baseline_names_what_changed(cli):
    assert cli("report", "wgan-gp:c=0", *QUICK, "--out", "r.json")[0] == 0
    code, out, _ = cli("report", "wgan-gp:c=0", *QUICK, "--baseline", "r.json")
    assert code == 0
    assert out.splitlines()[-1] == "the gate is passed: of 1 row none fails or differs from r.json"
    stored = json.loads(Path("r.json").read_text())
    stored["rows"][0]["cells"]["1"]["margin"] += 0.01
    Path("r.json").write_text(json.dumps(stored))
    code, out, err = cli("report", "wgan-gp:c=0", *QUICK, "--baseline", "r.json", "--format", "json")
    assert code == 1
    assert "d = 1: margin was 0.11, is 0.1" in err
    assert json.loads(out)["gate"]["differences"][0]["text"] == "d = 1: margin was 0.11, is 0.1"


def test_every_variant_of_a_file(cli, folder):
    (folder / "mine.py").write_text(MINE)
    code, out, _ = cli("report", "--file", "mine.py", *QUICK, "--format", "json")
    assert code == 0
    (row,) = json.loads(out)["rows"]
    assert row["label"] == "report-fine(k=2)"
    assert row["cells"]["1"]["eigenvalues"][0] == pytest.approx([0.0, 2**0.5])


def test_a_broken_loss_is_a_row_and_a_line(cli, folder):
    (folder / "two.py").write_text(MINE.replace("report-fine", "report-two") + BROKEN)
    code, out, err = cli("report", "--file", "two.py", *QUICK, "--junit", "j.xml")
    assert code == 2
    assert "Traceback" not in err
    assert "nonsense" in err.splitlines()[-1]
    assert "report-two" in out
    assert ElementTree.fromstring((folder / "j.xml").read_text()).attrib["errors"] == "1"


def test_the_step_summary_is_added_to(cli, folder, monkeypatch):
    summary = folder / "summary.md"
    summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert cli("report", "ns", *QUICK, "--fail-on", "unstable")[0] == 0
    text = summary.read_text()
    assert text.startswith("# before\n## diracgan report")
    assert "| ns | flow |" in text
    assert "The gate is passed" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "no" / "where.md"))
    code, _, err = cli("report", "ns", *QUICK)
    assert code == 0
    assert "cannot be written" in err


def test_the_schema_is_printed(cli):
    code, out, _ = cli("report", "--schema")
    assert code == 0
    assert json.loads(out)["title"] == "diracgan report"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope"], "unknown variant 'nope'"),
        (["ns", "--rule", "nope"], "unknown rule"),
        (["ns", "--format", "yaml"], "unknown format"),
        (["ns", "--out", "r.yaml"], "unknown suffix"),
        (["ns", "--junit", "j.txt"], "unknown suffix"),
        (["ns", "--out", "no/where.json"], "does not exist"),
        (["ns", "--fail-on", "unstabel"], "did you mean 'unstable'"),
        (["ns", "--baseline", "none.json"], "cannot be read"),
        (["--file", "none.py"], "there is no file 'none.py'"),
        (["ns", "--effort", "0"], "out of range"),
        (["ns", "--jobs", "0"], "too small"),
        (["ns", "--verdicts", "some"], "unknown verdicts"),
        (["ns", "--tolerance", "x"], "tolerance"),
        (["ns", "--nonsense"], "--nonsense"),
    ],
)
def test_bad_input_is_one_line_and_two(cli, words, says):
    code, out, err = cli("report", *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert says in err


def test_a_baseline_nested_too_deeply_is_one_line(cli, folder):
    Path("deep.json").write_text("[" * 100_000)
    code, out, err = cli("report", "ns", "--baseline", "deep.json")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "baseline 'deep.json' is not JSON" in err and "Error" not in err


@pytest.mark.slow  # fast, of one loss: test_a_baseline_names_what_changed
def test_the_catalogue_keeps_its_baseline(cli):
    baseline = Path(__file__).parents[2] / "reports" / "baseline.json"
    if not baseline.is_file():
        pytest.skip("the tests run away from their repository")
    code, _, err = cli("report", "--baseline", baseline)
    assert code == 0, f"{err}where it is right so, write it anew: diracgan report --out reports/baseline.json"
