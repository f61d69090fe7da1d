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


class Transcritical(Written):
    """phi' = (k - 1/4) phi - phi^2."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k - 0.25) * real**2 / 2 - real**3 / 3)


class Logistic(Written):
    """With steps of size 1: phi+ = k phi (1 - phi), theta+ = 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean((self.k - 1.0) * real**2 / 2 - self.k * real**3 / 3)


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
