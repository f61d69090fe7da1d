"""The explorer's page in a browser without a window, driven as a person drives it."""

from __future__ import annotations

import contextlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

pytestmark = pytest.mark.slow
sync_api = pytest.importorskip("playwright.sync_api", reason="the extra explore-test is not installed")
pytest.importorskip("marimo", reason="the extra explore is not installed")
pytest.importorskip("anywidget", reason="the extra explore is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)
WAIT = 60_000.0  # ms: the first move compiles, and other tests may hold the machine
MINE = """
import jax.numpy as jnp
import diracgan as dg

@dg.register("my-wgan")
class Mine(dg.Variant):
    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)
    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page's process and its address; one file of a user's is named on its command line."""
    mine = tmp_path_factory.mktemp("explorer") / "mine.py"
    mine.write_text(MINE)
    words = [sys.executable, "-m", "diracgan", "explore", "--no-browser", "--file", str(mine)]
    served = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        address = served.stdout.readline().strip().rstrip("/")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}", address)
        for _ in range(240):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{address}/controls/", timeout=20) as answer,
            ):
                assert answer.status == 200
                break
            time.sleep(0.25)
        else:
            pytest.fail("the page did not come up")
        yield served, f"{address}/controls"
    finally:
        served.terminate()
        served.wait(timeout=30)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        shown = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield shown
        shown.close()


class Tab:
    """One tab: what a person sees and does in it."""

    def __init__(self, browser, address, width=1280):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.errors: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.goto(address)
        self.page.wait_for_selector(".picture img[src]")
        self.settled()

    def settled(self):
        """Wait until the last move was answered."""
        self.page.wait_for_timeout(50)
        board = self.page.locator(".board")
        last = None
        for _ in range(1200):
            now = board.get_attribute("data-serial"), board.get_attribute("data-sent")
            if now[0] == now[1] and now == last:
                return
            last = now
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no answer: {last}")

    @property
    def picture(self):
        return self.page.locator(".picture img").get_attribute("src")

    def field(self, key):
        return self.page.locator(f'[id="dg-{key}"]')

    def wrong(self, key):
        return self.page.locator(f'output[data-for="{key}"]').inner_text()

    def type(self, key, text):
        self.field(key).fill(text)
        self.settled()

    def choose(self, key, name):
        self.field(key).select_option(name)
        self.settled()

    def slide(self, name, value):
        slider = self.page.get_by_label(f"{name}, slider").first
        slider.evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value)
        )
        self.settled()

    def rows(self):
        """The table but for its verdicts, which come when they are found."""
        return [r.inner_text().split("\t")[:4] for r in self.page.locator("tbody tr").all()]

    def verdict(self, row=0):
        cell = self.page.locator("td.verdict").nth(row)
        for _ in range(600):
            if "being followed" not in (text := cell.inner_text()):
                return text
            self.page.wait_for_timeout(100)
        raise AssertionError("no verdict came")

    def close(self):
        assert self.errors == []
        self.context.close()


def numbers(text):
    """The numbers of a cell, which have true minus signs."""
    return [float(x.split("= ")[1]) for x in text.replace("\N{MINUS SIGN}", "-").split(", ")]


@pytest.fixture
def tab(browser, server):
    opened = Tab(browser, server[1])
    yield opened
    opened.close()


def test_picture_and_numbers_follow_every_control(tab):
    first, before = tab.picture, tab.rows()
    assert before[0][:3] == ["ns", "undecided by eigenvalues", "±0.5i (twice)"]
    tab.slide("r1", 0.3)
    assert tab.picture != first
    assert tab.rows()[0][:3] == ["ns + r1=0.3", "linearly stable", "−0.15 ± 0.477i (twice)"]
    assert tab.verdict().startswith("converges to the equilibrium like exp(-0.15 t)")
    tab.choose("0", "wgan-gp")
    assert tab.rows()[0][1] == "no derivative at the equilibrium" or "derivative" in tab.rows()[0][1]
    tab.type("0.c", "0")
    assert tab.rows()[0][0] == "wgan-gp(lam=0.1, c=0)" and tab.rows()[0][1] == "linearly stable"
    tab.choose("rule", "simultaneous")
    tab.type("rule.lr", "0.5")
    assert "modulus" in tab.rows()[0][2] and "unstable" in tab.rows()[0][1]
    tab.choose("rule", "flow")
    assert "modulus" not in tab.rows()[0][2]


def test_the_start_is_dragged_and_moved_by_keys(tab):
    before = tab.rows()[0][3]
    mark = tab.page.locator('[data-mark="θ"]')
    mark.scroll_into_view_if_needed()
    box, plane = mark.locator("rect").bounding_box(), tab.page.locator(".plane").bounding_box()
    assert box is not None and plane is not None
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    tab.page.mouse.move(plane["x"] + 0.9 * plane["width"], plane["y"] + 0.25 * plane["height"], steps=5)
    tab.page.mouse.up()
    tab.settled()
    theta = [float(x) for x in tab.field("theta0").input_value().split(",")]
    assert theta == pytest.approx([0.4, 0.25], abs=0.01)
    assert tab.rows()[0][3] != before
    mark.focus()
    tab.page.keyboard.press("ArrowLeft")
    tab.settled()
    assert float(tab.field("theta0").input_value().split(",")[0]) == pytest.approx(theta[0] - 0.01, abs=2e-3)
    tab.page.get_by_role("radio", name="1").check()
    tab.settled()
    assert tab.field("theta0").input_value() == "0.5" and "twice" not in tab.rows()[0][2]


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("0.r1", "-1", "r1 = -1 is out of range; allowed: finite numbers >= 0"),
        ("0.l2", "much", "much"),
        ("phi0", "1,2,3", "3 numbers; allowed: 1 or 2"),
        ("length", "0", "end time = 0"),
    ],
)
def test_a_bad_value_says_so_beside_its_field(tab, key, text, said):
    good, before = tab.field(key).input_value(), tab.rows()
    tab.type(key, text)
    assert said in tab.wrong(key)
    near, field = (
        tab.page.locator(s).bounding_box() for s in (f'output[data-for="{key}"]', f'[id="dg-{key}"]')
    )
    assert near is not None and field is not None and abs(near["y"] - field["y"]) < 60
    assert tab.rows() == before and tab.field(key).get_attribute("aria-invalid") == "true"
    tab.type(key, good)
    assert tab.wrong(key) == "" and tab.field(key).get_attribute("aria-invalid") is None


def test_the_copied_command_and_code_give_the_numbers_shown(tab, cli, folder):
    tab.choose("0", "wgan-gp")
    tab.type("0.c", "0")
    tab.type("0.lam", "0.35")
    tab.type("phi0", "0.6,-0.2")
    verdict, row = tab.verdict(), tab.rows()[0]
    tab.page.get_by_role("button", name="Copy the command").click()
    command = tab.page.evaluate("navigator.clipboard.readText()")
    said = []
    for line in command.splitlines():
        assert line.startswith("diracgan ")
        status, out, err = cli(*shlex.split(line)[1:])
        assert status == 0, err
        said.append(" ".join(out.split()))
    assert verdict in said[1] and row[0] in said[0]
    tab.page.get_by_role("button", name="Copy the code").click()
    space: dict[str, object] = {}
    exec(tab.page.evaluate("navigator.clipboard.readText()"), space)
    traj = space["traj"]
    sizes = [float(np.linalg.norm(np.asarray(traj[n])[-1])) for n in ("phi", "theta")]  # type: ignore[index]
    assert numbers(row[3]) == pytest.approx(sizes, rel=1e-3, abs=1e-7)


def test_up_to_four_variants_stand_side_by_side(tab):
    more = tab.page.get_by_role("button", name="Compare another variant")
    for k in range(1, 4):
        more.click()
        tab.settled()
        tab.choose(f"{k}", "ns")
        tab.type(f"{k}.r1", f"0.{k}")
    assert [r[0] for r in tab.rows()] == ["ns", "ns + r1=0.1", "ns + r1=0.2", "ns + r1=0.3"]
    assert more.is_disabled()
    assert tab.verdict(3).startswith("converges to the equilibrium like exp(-0.15 t)")
    tab.page.get_by_role("button", name="remove variant 2").click()
    tab.settled()
    assert [r[0] for r in tab.rows()] == ["ns", "ns + r1=0.2", "ns + r1=0.3"]


def test_the_address_restores_what_is_shown(tab, browser, server):
    tab.choose("0", "wgan-gp")
    tab.type("0.c", "0.25")
    tab.choose("rule", "alternating")
    tab.type("rule.n_critic", "3")
    tab.type("phi0", "0.3,0.123456789")
    again = Tab(browser, tab.page.url)
    assert again.rows() == tab.rows()
    for key in ("0", "0.c", "rule", "rule.n_critic", "phi0", "length"):
        assert again.field(key).input_value() == tab.field(key).input_value(), key
    again.close()
    broken = Tab(browser, f"{server[1]}/?v=nss")
    assert "did you mean 'ns'" in broken.page.locator(".trouble").inner_text()
    broken.slide("r1", 0.1)
    assert broken.page.locator(".trouble").inner_text() == ""
    broken.close()


def test_picture_and_data_are_downloaded(tab):
    from PIL import Image

    tab.type("0.r1", "0.5")
    with tab.page.expect_download() as picture:
        tab.page.get_by_role("button", name="Download the picture").click()
    with Image.open(picture.value.path()) as image:
        assert image.format == "PNG" and image.width > 1800
    with tab.page.expect_download() as table:
        tab.page.get_by_role("button", name="Download the data").click()
    lines = table.value.path().read_text().splitlines()
    assert lines[0] == "variant,time,phi_0,phi_1,theta_0,theta_1"
    last = np.array(lines[-1].rsplit(",", 4)[1:], float)
    assert [np.hypot(*last[:2]), np.hypot(*last[2:])] == pytest.approx(numbers(tab.rows()[0][3]), rel=1e-3)


def test_two_tabs_do_not_disturb_each_other(tab, browser, server):
    other = Tab(browser, server[1])
    for k in range(1, 4):
        tab.type("0.r1", f"0.{k}")
        other.type("0.l2", f"0.{2 * k}")
    assert tab.rows()[0][0] == "ns + r1=0.3" and other.rows()[0][0] == "ns + l2=0.6"
    assert tab.field("0.l2").input_value() == "0" and other.field("0.r1").input_value() == "0"
    assert tab.verdict() != other.verdict()
    other.close()


def test_the_keyboard_alone_is_enough(tab):
    tab.page.locator("body").click(position={"x": 2, "y": 2})

    def reach(selector, most=60):
        for _ in range(most):
            tab.page.keyboard.press("Tab")
            here = tab.page.evaluate(
                "() => { let e = document.activeElement; while (e && e.shadowRoot) e = e.shadowRoot.activeElement;"
                " return e ? (e.id || e.getAttribute('aria-label') || e.textContent) : '' }"
            )
            if selector in here:
                return
        raise AssertionError(f"Tab never came to {selector}")

    reach("r1, slider")
    for _ in range(3):
        tab.page.keyboard.press("ArrowRight")
    tab.settled()
    assert tab.field("0.r1").input_value() == "0.03" and tab.rows()[0][0] == "ns + r1=0.03"
    reach("Compare another variant")
    tab.page.keyboard.press("Enter")
    tab.settled()
    assert len(tab.rows()) == 2
    reach("dg-rule")
    tab.page.keyboard.type("alternating")
    tab.settled()
    assert tab.field("rule").input_value() == "alternating" and "modulus" in tab.rows()[0][2]
    reach("Copy the command")
    tab.page.keyboard.press("Enter")
    assert "--rule alternating" in tab.page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("width", [1280, 768])
def test_nothing_runs_over_the_edge(browser, server, width):
    shown = Tab(browser, f"{server[1]}/?v=ns;wgan-gp:c=0;gan-qp;hinge&rule=adam", width)
    wide = "e => [e.scrollWidth, e.clientWidth]"
    assert shown.page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    for e in shown.page.locator(".board, .controls, .words, .picture, fieldset, .row").all():
        inner, outer = e.evaluate(wide)
        assert inner <= outer + 1, e.evaluate("e => e.outerHTML.slice(0, 200)")
    shown.slide("lr", 0.2)
    picture = shown.page.locator(".picture img").bounding_box()
    assert picture is not None and picture["width"] > 0.4 * width
    shown.close()


def test_a_users_file_loads_from_the_command_line_alone(tab, browser, server, folder):
    tab.choose("0", "my-wgan")
    tab.type("0.l2", "0.1")
    assert tab.rows()[0][:2] == ["my-wgan + l2=0.1", "linearly stable"]
    trap = folder / "trap.py"
    trap.write_text(f"open({str(folder / 'sprung')!r}, 'w')\n" + MINE.replace("my-wgan", "trap"))
    for spec in (f"{trap}:trap", f"{trap}", "trap:trap"):
        asked = Tab(browser, f"{server[1]}/?v={spec}")
        assert "unknown variant" in asked.page.locator(".trouble").inner_text()
        assert asked.rows()[0][0] == "ns"
        asked.close()
    assert not (folder / "sprung").exists()


def test_a_real_gan_trains_live_while_the_page_stays_awake(tab):
    button = tab.page.get_by_role("button", name="Train the real GAN")
    button.click()
    tab.page.wait_for_selector("img[alt^='the real GAN'][src]")
    tab.slide("r1", 0.4)
    assert tab.rows()[0][0] == "ns + r1=0.4"
    stop = tab.page.get_by_role("button", name="Stop", exact=True)
    if stop.count():
        stop.click()
    button.wait_for()
    said = tab.page.locator(".words p[aria-live]").inner_text()
    assert re.search(r"Step \d+ of 3000", said)


def resident(pid):
    """MiB held by the page's process and its children."""
    rows = subprocess.run(["ps", "-eo", "pid,ppid,rss"], capture_output=True, text=True, check=True).stdout
    table = [tuple(map(int, r.split())) for r in rows.splitlines()[1:]]
    family = {pid}
    for _ in range(3):
        family |= {p for p, parent, _ in table if parent in family}
    return sum(size for p, _, size in table if p in family) / 1024


def shake(tab, seconds, seed=0):
    """Random input, what is not allowed included."""
    draw = random.Random(seed)
    end, moves = time.monotonic() + seconds, 0
    fields = ("0.r1", "0.l2", "0.noise", "phi0", "theta0", "length")
    while time.monotonic() < end:
        kind = draw.randrange(8)
        if kind <= 2:
            tab.slide(draw.choice(("l2", "r1", "noise", "end time")), round(draw.uniform(0, 3), 2) + 1e-2)
        elif kind == 3:
            words = (
                "-1",
                "x",
                "",
                "1e400",
                "nan",
                "1,2",
                "0.5",
                "1e-9",
                "99",
                "'; import os",
                "<b>",
                "0.1,0.2",
            )
            key = draw.choice(fields)
            before = tab.field(key).input_value()
            tab.type(key, draw.choice(words))
            tab.type(key, before)
        elif kind == 4:
            tab.choose("0", draw.choice(("ns", "saturating")))
        elif kind == 5:
            name = draw.choice(("φ", "θ"))
            tab.page.locator(f'[data-mark="{name}"]').focus()
            tab.page.keyboard.press(draw.choice(("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown")))
            tab.settled()
        elif kind == 6:
            tab.page.reload()
            tab.page.wait_for_selector(".picture img[src]")
            tab.settled()
        else:
            tab.rows()
        moves += 1
    return moves


def test_random_input_breaks_nothing(tab, server):
    shake(tab, 12)
    before = resident(server[0].pid)
    assert shake(tab, 12, seed=1) > 3
    assert resident(server[0].pid) < 1.25 * before + 50
    tab.page.goto(server[1])
    tab.page.wait_for_selector(".picture img[src]")
    tab.settled()
    tab.slide("r1", 0.3)
    assert tab.rows()[0][1] == "linearly stable"
