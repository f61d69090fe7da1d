"""Independent truth for the tests: fields written out by hand, and trajectories that need no step size.

Nothing here uses jax or the package: signs, factors and conventions are those of docs/theory.md, derived again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq


def sigma(s: float) -> float:
    """The logistic function, without overflow."""
    return 1.0 / (1.0 + math.exp(-s)) if s >= 0 else math.exp(s) / (1.0 + math.exp(s))


def field(
    name: str, x0, *, rate_d=1.0, rate_g=1.0, l2=0.0, r1=0.0, r2=0.0, lam=None, c=None, one_sided=False
):
    """(t, y) -> dy/dt of a seed variant, y = (phi, theta), from the derivatives on paper.

    With s = phi.theta, r = phi.x0 and g = theta - x0:
      vanilla   L_D = log(1 + e^-r) + log(1 + e^s)       -dL_D/dphi = sigma(-r) x0 - sigma(s) theta
                ns: L_G = log(1 + e^-s), -dL_G/dtheta = sigma(-s) phi; saturating: -log(1 + e^s), sigma(s) phi
      wgan*     L_D = s - r                              -dL_D/dphi = -g,  -dL_G/dtheta = phi
      wgan      the same of u = phi/|phi|: du/dphi = (1 - u u^T)/|phi|
      wgan-gp   adds lam (|phi| - c)^2                   -2 lam (1 - c/|phi|) phi
      gan-qp    adds (phi.g)^2/(2 lam |g|)               -(phi.g) g/(lam |g|)
      l2, r1, r2 of weight m                             -m phi (r1 and r2 vanish on the normalised critic)
    """
    x0 = np.asarray(x0, float)
    d = len(x0)

    def right(_t, y):
        phi, theta = y[:d], y[d:]
        s, r, g = phi @ theta, phi @ x0, theta - x0
        size = np.linalg.norm(phi)
        damping = l2 if name == "wgan" else l2 + r1 + r2
        if name in ("ns", "saturating"):
            dphi = sigma(-r) * x0 - sigma(s) * theta
            dtheta = (sigma(-s) if name == "ns" else sigma(s)) * phi
        elif name == "wgan":
            u = phi / size
            dphi, dtheta = -(g - u * (u @ g)) / size, u
        else:
            dphi, dtheta = -g, phi
        if name == "wgan-gp" and size > 0 and not (one_sided and size < c):
            dphi = dphi - 2 * lam * (1 - c / size) * phi
        if name == "gan-qp" and np.any(g):
            dphi = dphi - (phi @ g) * g / (lam * np.linalg.norm(g))
        return np.concatenate([rate_d * (dphi - damping * phi), rate_g * dtheta])

    return right


def integrate(right: Callable, y0, ts) -> np.ndarray:
    """Rows of the solution at ``ts`` (> 0) as accurately as doubles allow: (len(ts), n)."""
    out = solve_ivp(right, (0.0, ts[-1]), y0, method="DOP853", rtol=3e-14, atol=1e-16, t_eval=ts)
    assert out.success
    return out.y.T


class Piece(NamedTuple):
    """Where ``low < phi < high`` in d = 1: z' = a z + b, z = (phi, theta)."""

    low: float
    high: float
    a: np.ndarray
    b: np.ndarray


def critic_pays(slope: Callable[[int], tuple[float, float]], ends, rate_d=1.0, rate_g=1.0) -> list[Piece]:
    """Pieces of phi' = rate_d (-theta - k phi - m), theta' = rate_g phi, with (k, m) = slope(i) between ``ends``."""
    edges = [-math.inf, *ends, math.inf]
    pieces = []
    for i, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        k, m = slope(i)
        a = np.array([[-rate_d * k, -rate_d], [rate_g, 0.0]])
        pieces.append(Piece(low, high, a, np.array([-rate_d * m, 0.0])))
    return pieces


def piecewise_linear(pieces: list[Piece], z, t1: float, scan: int = 4000):
    """The state at ``t1`` and the crossings [(time, phi)] of a piecewise linear flow in d = 1, piece by exact piece.

    Within a piece z(t) is a matrix exponential; the time it reaches an edge is a root of a smooth function of t. Where
    both sides push towards an edge the motion stays on it, with phi' = 0 and theta' = rate_g phi there.
    """
    z, t, crossings, here = np.array(z, float), 0.0, [], None
    while t < t1:
        at_edge = [k for k, p in enumerate(pieces) if z[0] == p.low]
        if here is None or at_edge:
            above = at_edge[0] if at_edge else next(k for k, p in enumerate(pieces) if p.low < z[0] < p.high)
            here = above
            if at_edge:
                up = (pieces[above].a @ z + pieces[above].b)[0]
                down = (pieces[above - 1].a @ z + pieces[above - 1].b)[0]
                if down > 0 > up:  # slide: theta moves at rate_g phi until one side lets go
                    speed = pieces[above].a[1, 0] * z[0]
                    hold = t1 - t
                    for p, v in ((pieces[above], up), (pieces[above - 1], down)):
                        rate = p.a[0, 1] * speed  # of that side's phi' while theta moves
                        if rate != 0 and -v / rate > 0:
                            hold = min(hold, -v / rate)
                    z, t = z + np.array([0.0, speed * hold]), t + hold
                    crossings.append((t, z[0]))
                    if t >= t1:
                        return z, crossings[:-1]
                    sides = [(p.a @ z + p.b)[0] for p in (pieces[above], pieces[above - 1])]
                    # leave to the side whose push has just turned: its phi' now grows away from the edge
                    here = above if abs(sides[0]) < abs(sides[1]) else above - 1
                else:
                    here = above if up >= 0 and (up > 0 or down >= 0) else above - 1
        p = pieces[here]
        full = np.zeros((3, 3))
        full[:2, :2], full[:2, 2] = p.a, p.b

        def phi(u, full=full, z=z):
            return (expm(full * u) @ np.append(z, 1.0))[0]

        us = np.linspace(0.0, t1 - t, scan + 1)[1:]
        step = expm(full * us[0])
        path, now = [], np.append(z, 1.0)
        for _ in us:
            now = step @ now
            path.append(now[0])
        path = np.array(path)
        out = np.flatnonzero((path < p.low) | (path > p.high))
        if not len(out):
            return (expm(full * (t1 - t)) @ np.append(z, 1.0))[:2], crossings
        edge = p.low if path[out[0]] < p.low else p.high
        before = us[out[0] - 1] if out[0] else min(1e-9, us[0] / 2)
        hit = brentq(lambda u, edge=edge: phi(u) - edge, before, us[out[0]], xtol=1e-15, rtol=1e-15)
        z = (expm(full * hit) @ np.append(z, 1.0))[:2]
        z[0], t = edge, t + hit
        crossings.append((t, edge))
    return z, crossings
