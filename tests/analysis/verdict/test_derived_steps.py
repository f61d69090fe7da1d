"""Verdicts on steps against loops of NumPy that are written out here: the same map, followed by itself."""

import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.variants import Variant


class Kinked(Variant):
    """phi' = -(1 + b sign(phi theta)) theta - m phi, theta' = phi: of degree 1 in (phi, theta), with a kink at 0."""

    b: float = 0.6
    m: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake + self.b * jnp.abs(fake))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.m * jnp.sum(phi**2) / 2


def kinked(z: np.ndarray, b: float, m: float) -> np.ndarray:
    return np.array([-(1 + b * np.sign(z[0] * z[1])) * z[1] - m * z[0], z[0]])


def extragradient(z: np.ndarray, h: float, b: float, m: float) -> np.ndarray:
    return z + h * kinked(z + h * kinked(z, b, m), b, m)


def alternating(z: np.ndarray, h: float, b: float, m: float) -> np.ndarray:
    phi = z[0] + h * kinked(z, b, m)[0]
    return np.array([phi, z[1] + h * phi])


def lookahead(z: np.ndarray, h: float, b: float, m: float) -> np.ndarray:
    y = z
    for _ in range(5):
        y = alternating(y, h, b, m)
    return z + 0.8 * (y - z)


def contraction(step, *numbers: float) -> float:
    """The mean fall of log |z| in an iteration; of degree 1, the map of a vector of any length tells that."""
    z, logs = np.array([0.3, 0.4]), []
    for _ in range(20_000):
        z = step(z, *numbers)
        logs.append(np.log(np.linalg.norm(z)))
        z = z / np.linalg.norm(z)
    return -float(np.mean(logs[1000:]))


AROUND = dg.rule("lookahead", k=5, alpha=0.8, inner="alternating", lr=0.6)
FAST = {
    "lookahead": (AROUND, lookahead, 0.6, 0.6, 1.0),
    # the eigenvalue of one side, which the steps leave, is exp(-1.308)
    "lookahead-across": (AROUND, lookahead, 0.6, 0.3, 1.6),
    "alternating": (dg.rule("alternating", lr=0.9), alternating, 0.9, 0.6, 1.0),
    "extragradient": (dg.rule("extragradient", lr=0.7), extragradient, 0.7, -0.7, 0.8),
    "slower": (dg.rule("extragradient", lr=0.7), extragradient, 0.7, 0.3, 1.6),
}


@pytest.mark.parametrize("name", FAST)
def test_a_fall_at_a_kink_within_one_window_has_the_rate_of_the_map(name):
    # a window sees it fall by hundreds of decades: it was followed on at 0 for 2e7 iterations, and undecided
    rule, step, h, b, m = FAST[name]
    v = dg.verdict(Kinked(b=b, m=m), [0.3], [0.4], rule=rule)
    assert v.kind == "converges-exponentially" and v.evaluations < 1e5
    assert v.numbers["rate"] == pytest.approx(contraction(step, h, b, m), rel=2e-4)


class Powers(Variant):
    """phi' = -theta, theta' = phi (1 + f^3): an iteration of many steps takes many powers of what is large."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake + fake**4 / 4)


@pytest.mark.parametrize("inner", ["simultaneous", "optimistic", "extragradient"])
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("start", [1.0, 30.0])
def test_an_iteration_that_overflows_at_once_diverges(inner, d, start):
    # from 30 a first step leads to 30 (1.2 x 810,000), whose seventh power the next one takes: beyond 1e308 within
    # eight. It was "no finite value at the start: the losses have one, but not their derivatives", or undecided
    rule = dg.rule("lookahead", k=8, alpha=0.5, inner=inner, lr=1.2)
    v = dg.verdict(Powers(), [start] * d, [start] * d, rule=rule, edge=False)
    assert v.kind == "diverges", v.text


def test_a_step_without_a_value_at_once_is_told_as_that():
    class Root(Variant):  # theta' = sqrt(1 - theta), with no value beyond 1
        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake) * 0.0

        def generator_loss(self, real, fake, x_real, x_fake):
            return 2 / 3 * jnp.mean((1 - x_fake) ** 1.5)

    v = dg.verdict(Root(), [0.3], [0.5], rule=dg.rule("extragradient", lr=1.0))
    assert v.kind == "undecided"
    assert "iteration 1 has no finite value, from |z| = 0.583" in v.text


class Bent(Variant):
    """phi' = -(a + b sech^2 f) theta - m phi, theta' = c phi."""

    a: float = 0.876
    b: float = -0.718
    c: float = 0.59
    m: float = 0.0072

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(self.a * fake + self.b * jnp.tanh(fake))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -self.c * jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.m * jnp.sum(phi**2) / 2


def test_the_radii_of_steps_that_repeat_are_those_that_they_take():
    # RMSProp locks onto 118 steps a turn: between them nothing is taken, and a peak interpolated there was 2e-4 off
    v = Bent()
    found = dg.verdict(v, [2.0], [0.3], rule=dg.rule("rmsprop", lr=0.196, beta2=0.99), edge=False)
    z, square, taken = np.array([2.0, 0.3]), np.zeros(2), []
    for _ in range(20_000):
        f = z[0] * z[1]
        g = np.array([-(v.a + v.b * np.cosh(f) ** -2.0) * z[1] - v.m * z[0], v.c * z[0]])
        square = 0.99 * square + 0.01 * g**2
        z = z + 0.196 * g / np.sqrt(square + 1e-8)
        taken.append(np.abs(z))
    assert np.max(np.abs(taken[-1] - taken[-1 - 118])) < 1e-10
    assert found.kind == "limit-cycle" and found.numbers["period"] == 118
    radii = [found.numbers["radius_phi"], found.numbers["radius_theta"]]
    assert radii == pytest.approx(np.max(taken[-118:], axis=0), rel=1e-9)


class Flips(Variant):
    """phi' = 0.6 tanh phi - 0.8 phi - 1.3 phi, the last by a penalty, theta' = 1 - theta."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(0.4 * real**2 - 0.6 * jnp.log(jnp.cosh(real)))

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean((x_fake - 1) ** 2) / 2

    def penalty(self, critic, phi, x_real, x_fake):
        return 1.3 * jnp.sum(phi**2) / 2


@pytest.mark.parametrize(("lazy", "period"), [(2, 4), (3, 6)])
def test_the_radius_of_a_cycle_under_a_lazy_penalty_is_that_of_all_of_its_steps(lazy, period):
    # the step with the penalty leads beyond 0 and furthest out, the others back: for lazy = 3 the last one's 0.656, at
    # which the penalty falls next, was said to be the radius
    rule = dg.rule("simultaneous", lr_d=1.0, lr_g=0.5, lazy=lazy)
    found = dg.verdict(Flips(), [0.3], [1.2], x0=[1.0], rule=rule, edge=False)
    phi, taken = 0.3, []
    for n in range(600):
        phi = phi + 0.6 * np.tanh(phi) - 0.8 * phi - (1.3 * lazy * phi if n % lazy == 0 else 0.0)
        taken.append(phi)
    assert taken[-1] == pytest.approx(taken[-1 - period], rel=1e-12)
    assert found.kind == "limit-cycle" and found.numbers["period"] == period
    assert found.numbers["radius_phi"] == pytest.approx(np.max(np.abs(taken[-period:])), rel=1e-9)


class Swung(Variant):
    """phi' = -(1 + 0.572 f exp(-f^2/2) - 0.354 cos f) theta - 0.0226 k phi, theta' = (0.864 - 0.514 sigma(f)) phi."""

    k: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake - 0.572 * jnp.exp(-(fake**2) / 2) - 0.354 * jnp.sin(fake))

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(0.514 * jnp.logaddexp(fake, 0.0) - 0.864 * fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.k * 0.0226 * jnp.sum(phi**2) / 2


@pytest.mark.parametrize("unit", [1.0, 0.1, 3.0])
def test_circles_in_turn_are_told_in_any_unit_of_the_players(unit):
    # negative momentum in d = 2: every other step is on a circle of 2.44205, the others on one of 2.38750, 2 % apart,
    # and 83 steps go round: less than the circles' own gaps, so that in other units it was one cycle. Players in other
    # units: phi u and theta/u, at rates u^2 and 1/u^2
    phi, theta = np.array([-0.001231, 0.0002172]), np.array([0.0021083, 0.000358989])
    h, beta = 0.3429, -0.467
    rule = dg.rule("heavy-ball", lr_d=h * unit**2, lr_g=h / unit**2, beta=beta)
    v = dg.verdict(Swung(k=unit**-2.0), phi * unit, theta / unit, rule=rule, edge=False)
    u, w, sizes = np.zeros(2), np.zeros(2), []
    for _ in range(40_000):
        f = phi @ theta
        a, b = 1 + 0.572 * f * np.exp(-(f**2) / 2) - 0.354 * np.cos(f), 0.864 - 0.514 / (1 + np.exp(-f))
        u, w = -h * (a * theta + 0.0226 * phi) + beta * u, h * b * phi + beta * w
        phi, theta = phi + u, theta + w
        sizes.append(np.linalg.norm(phi))
    assert np.ptp(sizes[-100::2]) < 1e-6 and abs(sizes[-1] - sizes[-2]) > 0.05
    assert v.kind == "quasi-periodic" and "2 circles" in v.text
    assert v.numbers["radius_phi"] / unit == pytest.approx(max(sizes[-100:]), rel=1e-6)


class Rooted(Variant):
    """phi' = -(a + b f/sqrt(1 + f^2)) theta - m phi, theta' = (c + k f/sqrt(1 + f^2)) phi."""

    a: float = 1.258
    b: float = 0.496
    c: float = 0.833
    k: float = 0.863
    m: float = 0.0509

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(self.a * fake + self.b * jnp.sqrt(1 + fake**2))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self.c * fake + self.k * jnp.sqrt(1 + fake**2))

    def penalty(self, critic, phi, x_real, x_fake):
        return self.m * jnp.sum(phi**2) / 2


def far_growth(v: Rooted, h: float) -> float:
    """The mean growth of log |z| in a simultaneous step far out, where f/sqrt(1 + f^2) is the sign of f."""
    z, logs = np.array([1.0, 0.3]), []
    for _ in range(20_000):
        side = np.sign(z[0] * z[1])
        z = z + h * np.array([-(v.a + v.b * side) * z[1] - v.m * z[0], (v.c + v.k * side) * z[0]])
        logs.append(np.log(np.linalg.norm(z)))
        z = z / np.linalg.norm(z)
    return float(np.mean(logs))


@pytest.mark.parametrize(("h", "k"), [(0.09639, 0.863), (0.05, 0.863), (0.2, 1.2)])
def test_no_cycle_is_seen_where_squares_of_logits_leave_the_float_range(h, k):
    # beyond |z| = 1e77 the square of f is infinite and f/sqrt(1 + f^2) is 0 in floats: a push is lost there, and
    # what grows by exp(0.013 n) was said to end on an invariant circle of |phi| = 3.8e77
    v = Rooted(k=k)
    growth = far_growth(v, h)
    assert growth > 0
    found = dg.verdict(v, [0.03], [0.02], rule=dg.rule("simultaneous", lr=h), edge=False)
    assert found.kind == "diverges"
    assert found.numbers["rate"] == pytest.approx(growth, rel=2e-2)


def test_a_growth_of_steps_by_many_decades_has_its_rate_though_the_budget_ends():
    # rk2 on the bilinear game: |z+|^2 = |z|^2 (1 + eta^4/4), eta = h sqrt(a c); tanh is lost far out
    v, h = Bent(a=0.874, b=0.077, c=1.2, m=0.0), 0.0689
    growth = 0.5 * np.log1p((h**2 * v.a * v.c) ** 2 / 4)
    found = dg.verdict(v, [1.1], [1.0], rule=dg.rule("rk2", lr=h), edge=False)
    assert found.kind == "diverges" and found.numbers["rate"] == pytest.approx(growth, rel=1e-2)


@pytest.mark.parametrize("name", ["fgan-kl", "fgan-hellinger"])
def test_a_growth_that_an_exponential_ends_has_no_rate(name):
    # below s = 1 the steps grow like exp(0.002 n), tenfold in a thousand; where exp(s) takes over they end within ten
    v = dg.verdict(dg.variant(name), [0.9, -0.4], [-0.3, 1.1], rule=dg.rule("simultaneous", lr=0.1))
    assert v.kind == "diverges" and "rate" not in v.numbers and v.time < 2000


def clipped(phi: float, theta: float) -> tuple[float, float]:
    return np.clip(phi - 0.1 * theta, -0.3, 0.3), theta + 0.1 * phi


def quadratic(phi: float, theta: float) -> tuple[float, float]:
    return phi - 0.1 * theta * (1 + phi * theta / abs(theta)), theta + 0.1 * phi


@pytest.mark.parametrize(("name", "step"), [("wgan-clip", clipped), ("gan-qp", quadratic)])
def test_a_circle_with_kinks_is_as_large_as_the_steps_on_it(name, step):
    v = dg.verdict(dg.variant(name), [0.1], [0.2], rule=dg.rule("simultaneous", lr=0.1), edge=False)
    z, met = (0.1, 0.2), []
    for _ in range(120_000):
        z = step(*z)
        met.append(z)
    largest = np.max(np.abs(met[20_000:]), axis=0)
    assert v.kind == "limit-cycle"
    # the largest of n steps lies below that of the circle by about (turn/n)^2
    assert [v.numbers["radius_phi"], v.numbers["radius_theta"]] == pytest.approx(largest, rel=3e-6)


def amsgrad_with_consensus(z: np.ndarray, lr: float, eps: float, count: int) -> np.ndarray:
    """The roots that AMSGrad divides by after its steps on ns + consensus=1, by its own formulas in d = 1."""
    z, m, v, largest = (np.array(x, float) for x in (z, np.zeros(2), np.zeros(2), np.zeros(2)))
    for n in range(1, count + 1):
        phi, theta = z
        a, b = 1 / (1 + np.exp(-phi * theta)), 1 / (1 + np.exp(phi * theta))
        bend = a * b
        f = np.array([-a * theta, b * phi])
        slope = np.array(
            [[-bend * theta**2, -a - bend * phi * theta], [b - bend * phi * theta, -bend * phi**2]]
        )
        g = f - slope.T @ f
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        largest = np.maximum(largest, v / (1 - 0.999**n))
        z = z + lr * m / (1 - 0.9**n) / (np.sqrt(largest) + eps)
    return np.sqrt(largest) + eps


@pytest.mark.parametrize("eps", [1e-8, 0.0])
def test_amsgrad_comes_to_rest_with_the_largest_square_that_it_remembers(eps):
    # F = J z with J = [[0, -1/2], [1/2, 0]] near rest, and v = F - J^T F = (J - 1/4) z; with the roots s that it keeps
    # the state (z, m) is multiplied by [[1 + (1 - b) D A, b D], [(1 - b) A, b]], D = h/s. A fresh memory has D = h/eps
    found = dg.verdict(
        dg.variant("ns").with_(consensus=1.0), [0.1], [0.2], dg.rule("amsgrad", lr=0.01, eps=eps)
    )
    a = np.array([[-0.25, -0.5], [0.5, -0.25]])
    d = np.diag(0.01 / amsgrad_with_consensus(np.array([0.1, 0.2]), 0.01, eps, 3000))
    step = np.block([[np.eye(2) + 0.1 * d @ a, 0.9 * d], [0.1 * a, 0.9 * np.eye(2)]])
    slowest = max(np.linalg.eigvals(step), key=abs)
    assert found.kind == "converges-exponentially"
    assert found.numbers["rate"] == pytest.approx(-np.log(abs(slowest)), rel=1e-6)
    assert found.numbers["frequency"] == pytest.approx(abs(np.angle(slowest)), rel=1e-6)
    if eps:
        assert "where that begins afresh, the equilibrium is unstable" in found.text
        fresh = dg.spectrum(dg.variant("ns").with_(consensus=1.0), 1, rule=dg.rule("amsgrad", lr=0.01))
        assert fresh.status == "unstable"


def growth_of_alternating_saturating_steps(phi, theta, lr: float, count: int) -> tuple[float, float, float]:
    """d log r/dn, the mean of q = (|phi|^2 + |theta|^2)/2, and l = phi ^ theta, 0 in d = 1, by the steps themselves."""
    phi, theta, q = np.array(phi, float), np.array(theta, float), np.empty(count)
    area = phi[0] * theta[-1] - phi[-1] * theta[0]
    for n in range(count):
        phi = phi - lr * theta / (1 + np.exp(-phi @ theta))
        theta = theta + lr * phi / (1 + np.exp(-phi @ theta))
        q[n] = 0.5 * (phi @ phi + theta @ theta - 0.5 * lr * phi @ theta)
    weights = np.hanning(count // 2) / np.hanning(count // 2).sum()
    first, second = (float(weights @ np.log(part)) for part in np.split(q, 2))
    return (second - first) / count, float(q.mean()), float(area)


@pytest.mark.parametrize(
    ("phi", "theta"),
    [([0.6], [0.0]), ([0.8, 0.1], [0.0, 0.3]), pytest.param([0.7], [0.2], marks=pytest.mark.slow)],
)
def test_alternating_steps_of_the_saturating_game_drift_outwards(phi, theta):
    # the normal form of |phi|^2, |theta|^2 and phi.theta, to degree 5: with l = phi ^ theta, kept by every step, and
    # u^2 = q^2 - l^2, d log r/dn = h^4 u^2 (q^2/6144 + 7 u^2/8192) + higher powers of h and q; in d = 1 u = q
    h = 0.4
    rate, q, area = growth_of_alternating_saturating_steps(phi, theta, h, 60_000)
    u2 = q**2 - area**2
    assert rate == pytest.approx(h**4 * u2 * (q**2 / 6144 + 7 * u2 / 8192), rel=0.05)


@pytest.mark.parametrize("lr", [0.4, 0.1, 0.01])
@pytest.mark.parametrize("start", [([0.1], [0.2]), ([0.1, 0.2], [0.2, 0.1])], ids=["line", "plane"])
def test_steps_that_drift_too_slowly_to_be_seen_are_not_said_to_be_neutral_for_ever(start, lr):
    # the flow keeps r; the steps neither keep areas nor reverse, and drift by the law above
    found = dg.verdict(dg.variant("saturating"), *start, dg.rule("alternating", lr=lr), edge=False)
    assert found.kind == "undecided"
    assert ("they grow" if lr > 0.01 else "by less than a run shows") in found.text
    assert dg.verdict(dg.variant("saturating"), *start, edge=False).kind == "neutral-orbit"


def test_alternating_steps_of_the_saturating_game_repel_from_a_state_that_only_turns():
    # |phi| and |theta| stay where phi.theta = s before and -s after the critic's step, h sigma(s) |theta|^2 = 2 s and
    # h sigma(-s) |phi|^2 = 2 s. The determinant (1 - h sigma'(s) |theta|^2)(1 + h sigma'(-s) |phi|^2) is then
    # (1 - 2 s sigma(-s))(1 + 2 s sigma(s)) = 1 + 2 s tanh(s/2) - s^2/cosh(s/2)^2 = 1 + s^4/6 + ..., and two multipliers
    # are 1 and those of l = phi ^ theta and of the angle
    h, s = 0.5, 0.2
    theta2, phi2 = (2 * s / h * (1 + np.exp(-x)) for x in (s, -s))
    across = s / np.sqrt(theta2)
    phi, theta = np.array([across, np.sqrt(phi2 - across**2)]), np.array([np.sqrt(theta2), 0.0])

    def step(z):
        phi, theta = np.split(z, 2)
        phi = phi - h * theta / (1 + np.exp(-phi @ theta))
        return np.concatenate([phi, theta + h * phi / (1 + np.exp(-phi @ theta))])

    z = np.concatenate([phi, theta])
    after = step(z)
    assert np.linalg.norm(after[:2]) == pytest.approx(np.sqrt(phi2), rel=1e-14)
    assert np.linalg.norm(after[2:]) == pytest.approx(np.sqrt(theta2), rel=1e-14)
    slopes = np.array([(step(z + e) - step(z - e)) / 2e-5 for e in 1e-5 * np.eye(4)])
    expected = 1 + 2 * s * np.tanh(s / 2) - (s / np.cosh(s / 2)) ** 2
    assert np.linalg.det(slopes) == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(1 + s**4 / 6, rel=1e-5)
    found = dg.verdict(dg.variant("saturating"), phi, theta, dg.rule("alternating", lr=h), edge=False)
    assert found.kind == "undecided"


@pytest.mark.parametrize("name", ["wgan-linear", "hinge"])
def test_alternating_steps_of_a_bilinear_game_are_neutral_for_ever(name):
    # of determinant 1: phi^2 + theta^2 - h phi theta is kept; hinge's margins are further out than these orbits
    found = dg.verdict(dg.variant(name), [0.1], [0.2], dg.rule("alternating", lr=0.1), edge=False)
    assert found.kind == "neutral-orbit"
