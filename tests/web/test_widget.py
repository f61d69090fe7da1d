"""The page in a notebook: its frame shows the page, and the address goes both ways."""

from __future__ import annotations

import json
import shutil
import time

import pytest

import diracgan as dg

pytest.importorskip("anywidget", reason="the extra explore is not installed")
from diracgan.errors import InputError
from diracgan.web.widget import _ESM, widget


def test_the_widget_holds_the_page_and_its_address():
    shown = widget(dg.variant("ns"), address="v=ns:r1=0.3&d=1", height=500)
    assert shown.html.lstrip().startswith("<!doctype html>") and '"name": "ns"' in shown.html
    assert (shown.address, shown.height) == ("v=ns:r1=0.3&d=1", 500)
    with pytest.raises(InputError, match="'ns' is not a variant; allowed"):
        widget("ns")


def _until(frame, condition, seconds=60):
    """Wait for a condition from outside: the page's policy forbids the eval by which a browser waits."""
    end = time.monotonic() + seconds
    while not frame.evaluate(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


@pytest.mark.slow  # fast, without a browser: test_the_widget_holds_the_page_and_its_address
def test_the_address_goes_both_ways(tmp_path):
    """As a notebook renders it: the model is a plain object with the methods that anywidget gives it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the extra explore-test is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    shown = widget(dg.variant("ns"), address="v=ns:r1=0.3&d=1&z=0.1,0.2")
    values = json.dumps({n: getattr(shown, n) for n in ("html", "address", "height")}).replace("</", "<\\/")
    notebook = tmp_path / "notebook.html"
    notebook.write_text(
        f"""<!doctype html><meta charset="utf-8"><div id="cell"></div><script type="module">
        {_ESM.replace("export default", "const made =")}
        const values = {values}, told = {{}};
        window.model = {{ get: (n) => values[n], set: (n, x) => {{ values[n] = x; }}, save_changes: () => {{}},
          on: (what, f) => {{ told[what] = f; }}, off: () => {{}},
          change: (x) => {{ values.address = x; told["change:address"](); }} }};
        made.render({{ model: window.model, el: document.getElementById("cell") }});</script>"""
    )
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(reduced_motion="reduce")
        wrong: list[str] = []
        tab.on("pageerror", lambda e: wrong.append(str(e)))
        tab.goto(notebook.as_uri())
        inside = tab.frame_locator("iframe")
        inside.locator("#planes canvas").first.wait_for(timeout=60_000)
        frame = tab.frames[1]
        assert frame.evaluate("window.diracgan.state().variants[0].values.r1") == 0.3
        frame.get_by_text("in a plane").click()
        _until(tab, "window.model.get('address').includes('d=2')")
        tab.evaluate("window.model.change('v=ns:r1=0.7&d=1&z=0.1,0.2')")
        _until(frame, "window.diracgan.state().variants[0].values.r1 === 0.7")
        assert wrong == []
        browser.close()
