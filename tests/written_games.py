"""Variants whose d = 1 game, with the datum 1, is a system of known bifurcations.

With D(x) = phi x the real logit is phi and the fake sample is theta, so that any (phi', theta') can be written down:
each player's loss is the integral of what it is to follow.
"""

from __future__ import annotations

import jax.numpy as jnp

import diracgan as dg


class Written(dg.Variant):
    """A system in which k turns; theta' = -theta unless said."""

    k: float = 0.5

    def generator_loss(self, real, fake, x_real, x_fake):
        return 0.5 * jnp.mean(x_fake**2)


class TwoFolds(Written):
    """phi' = k + phi - phi^3/3: folds at phi = +-1, k = -+2/3."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self.k * real + real**2 / 2 - real**4 / 12)


class Pitchfork(Written):
    """phi' = (k - 1/4) phi - phi^3."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k - 0.25) * real**2 / 2 - real**4 / 4)


class LeaningPitchfork(Written):
    """phi' = (k - 1/3) y - y^3 with y = phi - k/2: the same about an equilibrium that moves."""

    def critic_loss(self, real, fake, x_real, x_fake):
        y = real - self.k / 2
        return -jnp.mean((self.k - 1 / 3) * y**2 / 2 - y**4 / 4)


class CentreToSaddle(Written):
    """phi' = theta, theta' = k phi - phi^3: energy is conserved, eigenvalues of 0 are +-sqrt(k)."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k * real - real**3) * x_fake[:, 0])


class UprightNeimarkSacker(Written):
    """With steps of size 1: phi+ = k phi - q theta + phi^2, theta+ = phi: determinant q, trace k at 0."""

    q: float = 0.8

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k - 1.0) * real**2 / 2 - self.q * x_fake[:, 0] * real + real**3 / 3)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(x_fake**2) / 2 - jnp.mean(fake)


class Transcritical(Written):
    """phi' = (k - 1/4) phi - phi^2."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k - 0.25) * real**2 / 2 - real**3 / 3)


class Logistic(Written):
    """With steps of size 1: phi+ = k phi (1 - phi), theta+ = 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k - 1.0) * real**2 / 2 - self.k * real**3 / 3)


class HenonWithMomentum(Written):
    """Under heavy ball with beta = -0.3 and steps of size 1: phi+ = k - phi^2 + 0.3 phi-."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self.k * real - real**3 / 3 - 0.7 * real**2 / 2)


class DelayedLogistic(Written):
    """With steps of size 1: phi+ = k phi (1 - theta), theta+ = phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k * (1.0 - x_fake[:, 0]) - 1.0) * real**2 / 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(x_fake**2) / 2 - jnp.mean(fake)


class Henon(Written):
    """With steps of size 1: phi+ = 1 - k phi^2 + theta, theta+ = 0.3 phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((1.0 + x_fake[:, 0]) * real - self.k * real**3 / 3 - real**2 / 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(x_fake**2) / 2 - 0.3 * jnp.mean(fake)


class VanDerPol(Written):
    """phi' = (k - theta^2) phi - theta, theta' = phi: a Hopf point at k = 0, first Lyapunov coefficient < 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        theta = x_fake[:, 0]
        return -jnp.mean((self.k - theta**2) * real**2 / 2 - theta * real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


class Bistable(dg.Variant):
    """With u = theta - 1: r' = -r (1/4 - r^2) (1 - r^2), angle' = 1 for (phi, u): the circle r = 1/2 lies between rest
    and the stable circle r = 1."""

    def critic_loss(self, real, fake, x_real, x_fake):
        u = x_fake[:, 0] - 1.0
        return jnp.mean(self._bowl(real, u) + u * real)

    def generator_loss(self, real, fake, x_real, x_fake):
        u = x_fake[:, 0] - 1.0
        return jnp.mean(self._bowl(real, u) - u * real)

    @staticmethod
    def _bowl(phi, u):
        s = phi**2 + u**2
        return 0.5 * (s / 4 - 5 / 8 * s**2 + s**3 / 3)


class Cusp(Written):
    """phi' = k + m phi - phi^3: folds at k = +-2 (m/3)^(3/2), which meet in a cusp at (0, 0)."""

    m: float = 0.3

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self.k * real + self.m * real**2 / 2 - real**4 / 4)


class BogdanovTakens(Written):
    """phi' = theta, theta' = k + m phi + phi^2 + phi theta (Kuznetsov 2004, section 8.4).

    Folds at 4 k = m^2, a Hopf point of phi = 0 at k = 0 for m < 0, both end at (0, 0).
    """

    m: float = -0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(x_fake[:, 0] * real)

    def generator_loss(self, real, fake, x_real, x_fake):
        theta = x_fake[:, 0]
        return -jnp.mean((self.k + self.m * real + real**2) * theta + real * theta**2 / 2)


def _radial(x, y, k, m):
    """The integral over x of k x + m x r^2, r^2 = x^2 + y^2."""
    return x * x * (2 * k + m * (x * x + 2 * y * y)) / 4


class Bautin(Written):
    """r' = k r + m r^3, angle' = 1: Hopf at k = 0, a Bautin point at (0, 0)."""

    m: float = -0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        theta = x_fake[:, 0]
        return -jnp.mean(_radial(real, theta, self.k, self.m) - theta * real)

    def generator_loss(self, real, fake, x_real, x_fake):
        theta = x_fake[:, 0]
        return -jnp.mean(_radial(theta, real, self.k, self.m) + theta * real)


class Chenciner(Written):
    """With steps of size 1: r+ = r (1 + k + m r^2), angle+ = angle + arctan(4/3).

    With g(r) = k + m r^2 and the rotation (3 -4; 4 3)/5, phi+ = (3 phi - 4 theta)/5 (1 + g).
    """

    m: float = -0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(_turned(real, x_fake[:, 0], self.k, self.m, -0.8))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(_turned(x_fake[:, 0], real, self.k, self.m, 0.8))


def _turned(x, y, k, m, sine):
    """The integral over x of (0.6 x + sine y) (1 + k + m r^2) - x."""
    of_y = x * (1 + k + m * (x * x / 3 + y * y))
    return 0.6 * _radial(x, y, k, m) + sine * y * of_y - 0.2 * x * x


class Flips(Written):
    """With steps of size 1: phi+ = -(1 + k) phi + m phi^3, theta+ = -theta/2: flip k = 0, degenerate at m = 0."""

    m: float = 0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean((2.0 + self.k) * real**2 / 2 - self.m * real**4 / 4)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(0.75 * x_fake**2)


class FoldFlip(Written):
    """With steps of size 1: phi+ = phi + k - phi^2, theta+ = -(1 + m) theta + theta^3: a fold k = 0, flips at m = 0."""

    m: float = -0.3

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self.k * real - real**3 / 3)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean((2.0 + self.m) * x_fake**2 / 2 - x_fake**4 / 4)


class Turning(Written):
    """With steps of size 1: r+ = r (1 + k - r^2), angle+ = angle + ``angle``, in (phi, theta)."""

    angle: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self._turned(real, x_fake[:, 0], -1.0))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self._turned(x_fake[:, 0], real, 1.0))

    def _turned(self, x, y, side):
        """The integral over x of (cos x + side sin y) (1 + k - r^2) - x."""
        cosine, sine = jnp.cos(self.angle), side * jnp.sin(self.angle)
        of_y = x * (1 + self.k - (x * x / 3 + y * y))
        of_x = x * x * (2 * (1 + self.k) - (x * x + 2 * y * y)) / 4
        return cosine * of_x + sine * y * of_y - x * x / 2


class TwoCircles(Turning):
    """With steps of size 1: r+ = r (1 + k + r^2 - r^4), angle+ = angle + ``angle``: a fold of circles at k = -1/4."""

    def _turned(self, x, y, side):
        cosine, sine, s = jnp.cos(self.angle), side * jnp.sin(self.angle), x * x + y * y
        of_x = (1 + self.k) * s / 2 + s**2 / 4 - s**3 / 6
        of_y = (1 + self.k) * x + x**3 / 3 + x * y**2 - (x**5 / 5 + 2 * x**3 * y**2 / 3 + x * y**4)
        return cosine * of_x + sine * y * of_y - x * x / 2


class TwoCycles(Written):
    """r' = k r + a r^3 + b r^5 - c r^7, angle' = 1 for (phi, theta).

    With a = 1, b = -1, c = 0: cycles at r^2 = (1 +- sqrt(1 + 4k))/2, a fold at k = -1/4.
    """

    a: float = 1.0
    b: float = -1.0
    c: float = 0.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self._bowl(real, x_fake[:, 0]) - x_fake[:, 0] * real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self._bowl(real, x_fake[:, 0]) + x_fake[:, 0] * real)

    def _bowl(self, phi, theta):
        s = phi**2 + theta**2
        return self.k * s / 2 + self.a * s**2 / 4 + self.b * s**3 / 6 - self.c * s**4 / 8


class Rossler(dg.Variant):
    """In d = 2 with the datum (1, 0) and l2 = 1: x' = -y - z, y' = x + a y, z' = 1/5 + z (x - c), for x = phi_1 and
    theta = (y, z); phi_2 only decays."""

    c: float = 2.3
    a: float = 0.2

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean((x_fake[:, 0] + x_fake[:, 1]) * real - real**2 / 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        y, z = x_fake[:, 0], x_fake[:, 1]
        return -jnp.mean(real * y + self.a * y**2 / 2 + 0.2 * z + z**2 * (real - self.c) / 2)


class Rings(Written):
    """r' = r (k - r^2), angle' = 1 for (phi, theta), but for what is taken from phi' by ``_beyond``."""

    k: float = 0.8
    c: float = 0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        theta = x_fake[:, 0]
        return -jnp.mean(self._bowl(real, theta) - theta * real - self.c * self._beyond(real, theta))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self._bowl(real, x_fake[:, 0]) + x_fake[:, 0] * real)

    def _bowl(self, phi, theta):
        s = phi**2 + theta**2
        return self.k * s / 2 - s**2 / 4


class Grazes(Rings):
    """phi' jumps down by c where theta > 1, which r^2 = k touches at k = 1, along the surface."""

    def _beyond(self, phi, theta):
        return phi * jnp.where(theta > 1.0, 1.0, 0.0)


class Stopped(Rings):
    """The loss has a kink c max(0, phi - 1) at the logit phi = 1, which r^2 = k touches at k = 1; phi' jumps down."""

    def _beyond(self, phi, theta):
        return jnp.maximum(phi - 1.0, 0.0)


class Bent(Rings):
    """The loss bends, c max(0, phi - 1)^2, at the logit phi = 1, which r^2 = k touches at k = 1; phi' has a kink."""

    def _beyond(self, phi, theta):
        return jnp.maximum(phi - 1.0, 0.0) ** 2


class Relents(Stopped):
    """Where it slides along phi = 1 the near side pushes by k - 1 - theta - theta^2 - m/(1 + (10 theta + 2)^2), and the
    far side holds it."""

    c: float = 2.0
    m: float = 0.2

    def _beyond(self, phi, theta):
        return jnp.maximum(phi - 1.0, 0.0) + self.m / self.c * phi / (1.0 + (10.0 * theta + 2.0) ** 2)


class Bowl(dg.Variant):
    """phi' = -sign(phi_i) |phi_i|^q, theta' = phi: phi = (phi0^(1 - q) + (q - 1) t)^(-1/(q - 1))."""

    q: float = 3.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return 0.0 * jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return jnp.sum(jnp.abs(phi) ** (self.q + 1)) / (self.q + 1)
