"""The base of variants: two losses, their penalties and the critic's constraint, written once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from numpy.typing import ArrayLike

from ..errors import InputError, unknown
from ..jax_settings import own_settings
from ..parameters import Parametric, parameters, plain, text
from ..pytrees import Pytree
from ..registry import Registry
from .penalties import Critic, modifiers
from .presets import PRESETS


class Variant(Parametric):
    """A GAN variant: the critic's and the generator's loss, each minimised by its own player.

    Subclass it, write the two losses on whole batches of logits, and give it a name with :func:`diracgan.register`:
    that is all that every command needs. Annotated class attributes become hyperparameters.

    Attributes:
        name: the registered name.
        reference: where the loss comes from.
        constraint: how the critic is parametrised or projected: ``"none"``, ``"normalised"`` (D =
            phi.x/|phi|) or ``"clipped"`` (every weight in [-clip, clip]; the class has a parameter ``clip``).
        labelled: whether the critic's loss is a distance to labels, which it then takes from :meth:`labels`.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> class Quadratic(dg.Variant):
        ...     k: float = 1.0
        ...     def critic_loss(self, real, fake, x_real, x_fake):
        ...         return jnp.mean(fake) - jnp.mean(real)
        ...     def generator_loss(self, real, fake, x_real, x_fake):
        ...         return -self.k * jnp.mean(fake)
        >>> dphi, dtheta = dg.field(Quadratic(k=2.0))(jnp.ones(1), jnp.ones(1))
        >>> float(dphi[0]), float(dtheta[0])
        (-1.0, 2.0)
    """

    constraint: ClassVar[str] = "none"
    labelled: ClassVar[bool] = False
    for_networks: ClassVar[Mapping[str, float]] = MappingProxyType({})  # defaults where networks play
    networks: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {}
    )  # settings of these networks that differ from the usual
    network_rule: ClassVar[str] = ""  # what moves them, where that is not the usual rule

    extras: dict[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)
    options: tuple[tuple[str, str], ...] = dataclasses.field(
        default=(), kw_only=True, metadata={"static": True}
    )

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """The critic's loss without penalties.

        Args:
            real: logits D(x_real), shape (n,).
            fake: logits D(x_fake), shape (m,).
            x_real: real samples, shape (n, ...).
            x_fake: fake samples, shape (m, ...).

        Returns:
            A scalar, which the critic minimises.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no critic_loss")

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """The generator's loss; arguments as in :meth:`critic_loss`. Returns a scalar, which it minimises."""
        raise NotImplementedError(f"{type(self).__name__} defines no generator_loss")

    def penalty(self, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
        """The penalty that belongs to the variant itself, added to the critic's loss; 0 by default.

        Args:
            critic: one sample -> its logit, the critic as it is used (constraint included).
            phi: the critic's raw parameters, any pytree.
            x_real: real samples, shape (n, ...).
            x_fake: fake samples, shape (m, ...).

        Returns:
            A scalar.
        """
        return jnp.zeros(())

    def labels(self, fake: float, real: float) -> tuple[float, float]:
        """The labels of fake and real samples in the critic's loss, smoothed as ``with_`` asks.

        fake + beta and real - alpha, with beta = ``smooth_fake`` and alpha = ``smooth_real``. A class that
        calls this says ``labelled = True``.

        Example:
            >>> import diracgan as dg
            >>> dg.variant("ns").with_(smooth_real=0.25).labels(0.0, 1.0)
            (0.0, 0.75)
        """
        return fake + self.extras.get("smooth_fake", 0.0), real - self.extras.get("smooth_real", 0.0)

    def with_(self, **changes: ArrayLike | None) -> Variant:
        """Return this variant with penalties or transforms set; only what is named is replaced.

        Args:
            **changes: e.g. ``l2=0.1, r1=0.3``; names and domains in :func:`modifiers`. None takes one off.

        Raises:
            InputError: for an unknown name, a value that is not allowed, or a loss that it does not fit.

        Example:
            >>> import diracgan as dg
            >>> dg.variant("ns").with_(l2=0.1, r1=0.3).label
            'ns + l2=0.1 + r1=0.3'
        """
        known = modifiers()
        extras, options = dict(self.extras), dict(self.options)
        for name, value in changes.items():
            if name not in known:
                raise unknown("penalty or transform", name, known)
            store = options if known[name].kind == "choice" else extras
            if value is None:
                store.pop(name, None)
            else:
                _refuse(self, name)
                store[name] = known[name].check(value)
        order = [n for n in known if n in extras]
        return dataclasses.replace(
            self, extras={n: extras[n] for n in order}, options=tuple(sorted(options.items()))
        )

    @property
    def added(self) -> dict[str, Any]:
        """Name -> value of what :meth:`with_` has set, arrays as they are."""
        return {**self.extras, **dict(self.options)}

    @property
    def modifications(self) -> dict[str, Any]:
        """Name -> plain value of what :meth:`with_` has set."""
        return {n: plain(x) for n, x in self.added.items()}

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Name -> plain value of every parameter, the variant's own first, then penalties and transforms."""
        return super().hyperparameters | self.modifications

    @property
    def label(self) -> str:
        """The variant in words, e.g. ``wgan-gp(lam=0.1, c=0) + l2=0.1``; of choices, those that are not the default."""
        said = {k: plain(getattr(self, k)) for k in parameters(type(self))}
        usual = {
            k
            for k, p in parameters(type(self)).items()
            if p.kind in ("flag", "choice") and said[k] == p.default
        }
        own = ", ".join(f"{k}={text(x)}" for k, x in said.items() if k not in usual)
        name = self.name or type(self).__name__
        added = "".join(f" + {k}={text(x)}" for k, x in self.modifications.items())
        return (f"{name}({own})" if own else name) + added


VARIANTS: Registry[type[Variant]] = Registry("variant", lambda cls: cls.summary(), also=PRESETS)


def _refuse(variant: Variant, name: str) -> None:
    """Raise InputError when the modifier ``name`` makes no sense on the variant's loss."""
    who = variant.name or type(variant).__name__
    if name in ("smooth_real", "smooth_fake") and not variant.labelled:
        labelled = ", ".join(n for n in VARIANTS if VARIANTS[n].labelled)
        raise InputError(f"{name} needs a loss with labels, and {who!r} has none; allowed: {labelled}")
    if name == "noise" and _uses_samples(variant):
        raise InputError(
            f"noise averages over the logits, but the loss of {who!r} needs the samples' distance"
        )


@own_settings()
def _uses_samples(variant: Variant) -> bool:
    """Whether a loss computes with the samples, not their logits alone: it then fails on samples without values."""
    logits, x = jax.ShapeDtypeStruct((1,), jnp.float32), jax.ShapeDtypeStruct((1, 2), jnp.float32)

    def works(loss: Callable[..., Any], samples: Any) -> bool:
        try:
            jax.eval_shape(lambda real, fake: loss(real, fake, samples, samples), logits, logits)
        except (Exception, SystemExit):  # a loss that fails says so, with its own line, where it is evaluated
            return False
        return True

    losses = (variant.critic_loss, variant.generator_loss)
    return any(works(loss, jnp.zeros(x.shape, x.dtype)) and not works(loss, x) for loss in losses)
