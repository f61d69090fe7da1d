"""A reused figure's page is the page that a new figure would show, whatever stood on it before."""

from __future__ import annotations

import io
import random

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import diracgan as dg
from diracgan.plotting.overview import figure, reusable_page
from diracgan.plotting.saving import png


@pytest.fixture(scope="module")
def pages():
    """Runs and spectra that use the axes unlike each other."""
    averaged = dg.rule("alternating", lr=0.1, ema=0.9)
    cases = [
        ("wgan-gp:c=0,r1=3", [0.1, 0.2], [0.2, 0.1], None),  # decades: a logarithmic scale
        ("wgan-gp:c=1", [0.1, 0.2], [0.2, 0.1], None),  # words in place of eigenvalues
        ("ns", [1.0], [0.5], None),  # the plane of d = 1
        ("ns:r1=0.3", [1e5, 0.2], [0.2, 0.1], averaged),  # a circle, an average, large numbers
    ]
    found = []
    for spec, phi0, theta0, how in cases:
        v = dg.variants.parse(spec)
        more = {"t1": 30.0, "backend": "scipy"} if how is None else {"rule": how, "steps": 200}
        traj = dg.simulate(v, phi0=phi0, theta0=theta0, **more)
        found.append((traj, dg.spectrum(v, dim=len(phi0), rule=how)))
    return found


def test_a_page_is_the_same_on_a_reused_figure(pages):
    fresh = [png(figure(*page)) for page in pages]
    used, draw = reusable_page(), random.Random(0)
    for _ in range(12):
        k = draw.randrange(len(pages))
        used.wipe()
        assert png(figure(*pages[k], fig=used)) == fresh[k], k


def test_png_holds_what_matplotlib_drew():
    fig = Figure(figsize=(2.0, 1.0))
    fig.add_subplot().plot([0, 1, 0])
    seen = np.asarray(Image.open(io.BytesIO(png(fig, dpi=80))))
    assert seen.shape == (80, 160, 3)
    assert fig.dpi != 80
    buffer = io.BytesIO()
    with matplotlib.rc_context({"text.hinting": "none"}):
        fig.savefig(buffer, dpi=80)
    np.testing.assert_array_equal(seen, np.asarray(Image.open(buffer))[..., :3])
