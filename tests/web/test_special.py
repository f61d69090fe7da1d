"""The page's special functions, run by Node, against mpmath in 30 digits."""

from __future__ import annotations

import json
import shutil
import subprocess

import mpmath
import numpy as np
import pytest

from diracgan.web.bundle import ASSETS

NODE = shutil.which("node")
if NODE is None:
    pytest.skip("no Node is installed", allow_module_level=True)

ABOVE = [
    1e-9,
    0.3,
    0.5,
    0.99999,
    1 + 1e-9,
    1.4616321449683622,
    1.47,
    2 - 1e-9,
    2.5,
    3.3,
    9.99,
    10.0,
    47.1,
    1e5,
]
BELOW = [-0.004, -1.3, -2.7, -7.2]
POINTS = {
    "erf": [*np.linspace(-6.5, 6.5, 28), 0.1, 0.9999, 1e-20],
    "erfc": [*np.linspace(-6.5, 26.5, 67), 0.49, 0.51],
    "erfInv": [*np.linspace(-0.98, 0.98, 29), 1e-300, 3e-9, 0.5, 0.5000001, 1 - 1e-6, 1e-13 - 1, 1 - 2**-53],
    "lgamma": [*ABOVE, *BELOW],
    "digamma": [*ABOVE, *BELOW],
    "polygamma1": [*ABOVE, *BELOW],
    "polygamma2": [*ABOVE, *BELOW],
}
TRUTH = {
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erfInv": mpmath.erfinv,
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))) if x < 100 else mpmath.loggamma(x),
    "digamma": mpmath.digamma,
    "polygamma1": lambda x: mpmath.polygamma(1, x),
    "polygamma2": lambda x: mpmath.polygamma(2, x),
}
DRIVER = """
import { readFileSync } from "fs";
import * as f from "./special.js";
const polygamma = (m) => (x) => f.polygamma(m, x);
const all = { ...f, polygamma1: polygamma(1), polygamma2: polygamma(2) };
const asked = Object.entries(JSON.parse(readFileSync(0, "utf8")));
console.log(JSON.stringify(Object.fromEntries(asked.map(([name, xs]) => [name, xs.map((x) => String(all[name](x)))]))));
"""


def told(folder, asked):
    """What the page's functions give at these points."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "driver.mjs").write_text(DRIVER)
    shutil.copy(ASSETS / "special.js", folder)
    command = [str(NODE), str(folder / "driver.mjs")]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return {
        name: [float(x.replace("Infinity", "inf")) for x in xs]
        for name, xs in json.loads(done.stdout).items()
    }


def test_special_functions_are_right_to_1e_14_also_beside_their_zeros(tmp_path):
    found = told(tmp_path, POINTS)
    with mpmath.workdps(30):
        for name, xs in POINTS.items():
            want = [TRUTH[name](mpmath.mpf(float(x))) for x in xs]
            wrong = [abs(y - w) / abs(w) for y, w in zip(found[name], want, strict=True)]
            assert max(wrong) < 1e-14, (name, xs[int(np.argmax(wrong))])


def test_poles_and_what_is_out_of_reach(tmp_path):
    huge = 1e300
    found = told(
        tmp_path,
        {
            "erf": [40, -40],
            "erfc": [40, -40],
            "erfInv": [1, -1, 0, 1.1],
            "lgamma": [0, -1, 1, 2],
            "polygamma1": [-huge],
        },
    )
    assert found["erf"] == [1, -1] and found["erfc"] == [0, 2]
    assert found["erfInv"][:3] == [np.inf, -np.inf, 0] and np.isnan(found["erfInv"][3])
    assert found["lgamma"] == [np.inf, np.inf, 0, 0]
    assert np.isnan(found["polygamma1"]).all()
