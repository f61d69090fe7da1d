"""Maps of known character, drawn for this test, against exponents by an exact Jacobian written here.

All are (phi, theta)+ = (f, g) of two cubic polynomials, as games with the datum 1 and steps of size 1.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg

POWERS = [(i, j) for i in range(4) for j in range(4 - i)]
FS, GS = ([f"{letter}{i}{j}" for i, j in POWERS] for letter in "fg")


def _critic(self, real, fake, x_real, x_fake):
    theta = x_fake[:, 0]
    terms = [
        getattr(self, n) * real ** (i + 1) * theta**j / (i + 1) for n, (i, j) in zip(FS, POWERS, strict=True)
    ]
    return jnp.mean(real**2 / 2 - sum(terms))


def _generator(self, real, fake, x_real, x_fake):
    theta = x_fake[:, 0]
    terms = [
        getattr(self, n) * real**i * theta ** (j + 1) / (j + 1) for n, (i, j) in zip(GS, POWERS, strict=True)
    ]
    return jnp.mean(theta**2 / 2 - sum(terms))


Cubics = type(
    "Cubics",
    (dg.Variant,),
    {
        "__annotations__": dict.fromkeys([*FS, *GS], float),
        "__module__": __name__,
        "critic_loss": _critic,
        "generator_loss": _generator,
    }
    | dict.fromkeys([*FS, *GS], 0.0),
)


def turning(angle, k, torn):
    """z+ = e^(i angle) (1 + k - |z|^2) z + torn conj(z)^3."""
    c, s = np.cos(angle), np.sin(angle)
    f = {"10": c * (1 + k), "01": -s * (1 + k), "30": torn - c, "12": -c - 3 * torn, "21": s, "03": s}
    g = {"10": s * (1 + k), "01": c * (1 + k), "30": -s, "12": -s, "21": -c - 3 * torn, "03": torn - c}
    return f, g


def coupled(r, e):
    f = {"10": r * (1 - e), "20": -r * (1 - e), "01": r * e, "02": -r * e}
    return f, {k[::-1]: v for k, v in f.items()}


def henon(a, b):
    return {"00": 1.0, "20": -a, "01": 1.0}, {"10": b}


def logistic(r):
    return {"10": r, "20": -r}, {"01": 0.5}


def delayed(a):
    return {"10": a, "11": -a}, {"10": 1.0}


def duffing(a, b):
    return {"01": 1.0}, {"10": -b, "01": a, "03": -1.0}


def tinkerbell(a, b, c, d):
    return {"20": 1.0, "02": -1.0, "10": a, "01": b}, {"11": 2.0, "10": c, "01": d}


def burgers(n, m):
    return {"10": n, "02": -1.0}, {"01": m, "11": 1.0}


def prey(a, b):
    return {"10": a, "20": -a, "11": -b}, {"11": b}


def cubic(r):
    return {"10": r, "30": -r}, {"01": 0.3}


# a number is the period of an orbit
MAPS = {
    "henon 1.4": (henon(1.4, 0.3), (0.1, 0.1), "chaotic"),
    "henon 1.25": (henon(1.25, 0.3), (0.1, 0.1), 7),
    "henon 1": (henon(1.0, 0.3), (0.1, 0.1), 4),
    "henon 1.3, b = 0.2": (henon(1.3, 0.2), (0.1, 0.1), "chaotic"),
    "henon 0.2, b = 0.9": (henon(0.2, 0.9), (0.1, 0.1), 2),
    "logistic 3.9": (logistic(3.9), (0.3, 0.1), "chaotic"),
    "logistic 3.8319, superstable": (logistic(3.8319), (0.3, 0.1), 3),
    "logistic 3.829, after a chaotic transient": (logistic(3.829), (0.3, 0.1), 3),
    "logistic 3.5": (logistic(3.5), (0.3, 0.1), 4),
    "logistic 3.7": (logistic(3.7), (0.3, 0.1), "chaotic"),
    "logistic 3.59, two bands": (logistic(3.59), (0.3, 0.1), "chaotic"),
    "delayed logistic 2.1": (delayed(2.1), (0.5, 0.4), "circle"),
    "delayed logistic 2.27": (delayed(2.27), (0.5, 0.4), "chaotic"),
    "delayed logistic 2.18, locked": (delayed(2.18), (0.5, 0.4), 7),
    "duffing 2.75": (duffing(2.75, 0.2), (0.3, 0.3), "chaotic"),
    "duffing 2.5": (duffing(2.5, 0.2), (0.3, 0.3), 2),
    "duffing 2.3": (duffing(2.3, 0.2), (0.3, 0.3), 1),
    "tinkerbell 0.9": (tinkerbell(0.9, -0.6013, 2.0, 0.5), (-0.72, -0.64), "chaotic"),
    "tinkerbell 0.3": (tinkerbell(0.3, -0.6, 2.0, 0.5), (-0.72, -0.64), "circle"),
    "burgers 1.75": (burgers(0.75, 1.75), (-0.1, 0.1), "chaotic"),
    "burgers 1.2": (burgers(0.9, 1.2), (-0.1, 0.1), 1),
    "predator and prey 3.6": (prey(3.6, 3.2), (0.5, 0.2), "chaotic"),
    "predator and prey 3.2": (prey(3.2, 3.4), (0.5, 0.2), "circle"),
    "cubic 2.8": (cubic(2.8), (0.3, 0.1), "chaotic"),
    "cubic 2.2": (cubic(2.2), (0.3, 0.1), 2),
    "golden turn": (turning(2 * np.pi * 0.381966, 0.1, 0.0), (0.2, 0.1), "circle"),
    "on the resonance 1:4": (turning(np.pi / 2, 0.1, 0.4), (0.2, 0.1), 4),
    "by the resonance 1:3": (turning(2 * np.pi / 3, 0.05, 0.2), (0.2, 0.1), "circle"),
    "by 1:5": (turning(2 * np.pi / 5 + 0.01, 0.3, 0.3), (0.2, 0.1), "circle"),
    "coupled logistic 3.3": (coupled(3.3, 0.12), (0.3, 0.61), 2),
    "coupled logistic 3.55": (coupled(3.55, 0.06), (0.3, 0.61), 4),
}
FAST = ("predator and prey 3.2", "logistic 3.829, after a chaotic transient", "henon 1.4")
ALL = [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in MAPS]


def exponents_of(f, g, z, drop=20_000, count=40_000):
    """Both exponents, from the exact Jacobian along a long run."""

    def terms(p):
        return [(v, int(k[0]), int(k[1])) for k, v in p.items()]

    both = [terms(f), terms(g)]

    def step(x, y):
        return [sum(v * x**i * y**j for v, i, j in p) for p in both]

    def slope(x, y, p):
        along_x = sum(v * i * x ** (i - 1) * y**j for v, i, j in p if i)
        return along_x, sum(v * j * x**i * y ** (j - 1) for v, i, j in p if j)

    x, y = map(float, z)
    for _ in range(drop):
        x, y = step(x, y)
    u, v, largest, areas = 1.0, 0.3, 0.0, 0.0
    for _ in range(count):
        (a, b), (c, d) = (slope(x, y, p) for p in both)
        u, v = a * u + b * v, c * u + d * v
        size = np.hypot(u, v)
        u, v = u / size, v / size
        largest += np.log(size)
        areas += np.log(abs(a * d - b * c))
        x, y = step(x, y)
    return np.array([largest, areas - largest]) / count


@pytest.mark.parametrize("name", ALL)
def test_what_a_map_does_is_named_and_its_exponents_are_those_of_a_long_run(name):
    (f, g), start, character = MAPS[name]
    game = Cubics(**{f"f{k}": v for k, v in f.items()} | {f"g{k}": v for k, v in g.items()})
    rule, at = dg.rule("simultaneous", lr=1.0), ([start[0]], [start[1]])
    told = dg.verdict(game, *at, rule=rule, x0=1.0, edge=False)
    found = dg.lyapunov(game, *at, rule=rule, x0=1.0)
    expected = exponents_of(f, g, start)
    largest = expected[0]
    assert abs(found.values[0] - largest) <= max(0.03 * abs(largest), 2 * found.errors[0], 2e-4)
    if character == "chaotic":
        assert told.kind == "chaotic" and told.numbers["lyapunov_exponent"] == pytest.approx(
            largest, rel=0.05
        )
        assert abs(found.values[1] - expected[1]) <= 0.03 * abs(expected[1]) + 2 * found.errors[1]
    elif character == "circle":
        assert told.kind == "limit-cycle" and abs(largest) < 1e-3
        assert abs(told.numbers["period"] - round(told.numbers["period"])) > 1e-5
    elif character == 1:
        assert told.kind == "converges-elsewhere" and told.numbers["rate"] == pytest.approx(
            -largest, rel=1e-2
        )
    else:
        assert told.kind == "limit-cycle" and told.numbers["period"] == pytest.approx(character, abs=1e-9)
        assert np.abs(told.numbers["floquet"]).max() < 1.0
