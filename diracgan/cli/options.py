"""The options that commands share, each group defined once.

A group is a frozen dataclass whose fields are options, or further groups; :mod:`diracgan.cli.layer` spreads them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ..errors import InputError, Written, number
from ..registry import merged, settings
from .layer import argument, flag, option

if TYPE_CHECKING:
    from ..rules import Rule
    from ..variants import Variant

_VARIANT = "NAME[:k=v,...], PATH.py:NAME[:k=v,...] or pkg.module:NAME[:k=v,...]; see `diracgan list`."


def given_in(group: object) -> dict[str, Any]:
    """The options of a group that were given, by their names."""
    return {k: x for k, x in vars(group).items() if x is not None and x is not False and x != []}


DatumOption = Annotated[str | None, option("The datum; 0 by default.", metavar="A,B")]
DeviceOption = Annotated[
    str | None, option("Where networks run; auto, JAX's own choice, by default.", metavar="auto|cpu|gpu|tpu")
]
EffortOption = Annotated[float, option("Factor on a verdict's budget of field evaluations; 1 by default.")]


@dataclasses.dataclass(frozen=True)
class VariantOptions:
    """Which variant, with which parameters, penalties and transforms."""

    panel: ClassVar[str] = "Variant"
    variant: Annotated[str, option(_VARIANT, metavar="NAME", names="variant", short="-v")]
    c: Annotated[float | None, option("The variant's parameter c.")] = None
    lam: Annotated[float | None, option("The variant's parameter lam.")] = None
    gamma: Annotated[
        float | None, option("The variant's parameter gamma; where it has none, the weight of R1, as --r1.")
    ] = None
    l2: Annotated[float | None, option("Add (l2/2) |phi|^2.")] = None
    r1: Annotated[float | None, option("Add (r1/2) |grad D|^2 at the datum.")] = None
    param: Annotated[
        list[str] | None,
        option("Any parameter of the variant, or penalty; repeatable.", metavar="NAME=VALUE", short="-p"),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The parameters that options set, beside those in the variant's name."""
        short = {k: x for k, x in given_in(self).items() if k not in ("variant", "name", "param")}
        return merged(short, assignments(self.param, "-p"))

    def build(self) -> Variant:
        """Make the variant; InputError says what is wrong."""
        from ..variants import parse

        return parse(self.variant, self.settings())


@dataclasses.dataclass(frozen=True)
class AnyVariantOptions(VariantOptions):
    """A variant that need not be named."""

    # here it may be left out
    variant: Annotated[  # type: ignore[assignment]
        str | None, option(_VARIANT, metavar="NAME", names="variant", short="-v")
    ] = None

    def build_any(self, default: str | None = None) -> Variant | None:
        """Make the variant, or ``default`` where only its parameters are given; None where nothing is.

        Raises:
            InputError: for parameters of no variant.
        """
        given = given_in(self)
        if not given:
            return None
        if self.variant is None and default is None:
            raise InputError(f"{flag(next(iter(given)))} belongs to a variant; add --variant NAME")
        return dataclasses.replace(self, variant=default if self.variant is None else self.variant).build()


@dataclasses.dataclass(frozen=True)
class NamedVariantOptions(AnyVariantOptions):
    """A variant that is named by a word, or by --variant."""

    name: Annotated[
        str | None,
        argument(
            "NAME", "A variant or a preset, as --variant takes it; see `diracgan list`.", names="variant"
        ),
    ] = None

    @property
    def spec(self) -> str | None:
        """The word, or what --variant says."""
        return self.name or self.variant

    def build_named(self, example: str) -> Variant:
        """Make the variant.

        Raises:
            InputError: as :func:`only_one`, which names the ``example``.
        """
        wanted = only_one("variant", self.name, self.variant, example)
        return dataclasses.replace(self, variant=wanted, name=None).build()


@dataclasses.dataclass(frozen=True)
class StartOptions:
    """Where the players start, and where the datum is."""

    panel: ClassVar[str] = "Start"
    dim: Annotated[
        int | None, option("Dimension of the Dirac game, with the default start.", metavar="D", short="-d")
    ] = None
    phi0: Annotated[
        str | None, option("The discriminator's (critic's) start, one number per axis.", metavar="A,B")
    ] = None
    theta0: Annotated[str | None, option("The generator's start.", metavar="A,B")] = None
    x0: DatumOption = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names; it knows the defaults and what fits together."""
        vectors = {n: vector(n, getattr(self, n)) for n in ("phi0", "theta0", "x0")}
        return {k: x for k, x in {"dim": self.dim, **vectors}.items() if x is not None}

    def dimension(self, default: int) -> int:
        """The dimension that the options ask for, or the default; InputError when they disagree."""
        from ..dynamics.starts import starts

        given = self.given()
        scalar = list(given) == ["x0"] and len(given["x0"]) == 1
        alone = default if scalar or not given else None
        phi0, theta0, x0 = (given.get(n) for n in ("phi0", "theta0", "x0"))
        return len(starts(phi0, theta0, given.get("dim", alone), x0)[0])


@dataclasses.dataclass(frozen=True)
class RateOptions:
    """How fast each player moves in the flow."""

    panel: ClassVar[str] = "Flow"
    rate_d: Annotated[float, option("The critic's rate; 1 by default.")] = 1.0
    rate_g: Annotated[float, option("The generator's rate; 1 by default.")] = 1.0

    def arguments(self) -> dict[str, float]:
        """``rate_d`` and ``rate_g`` for the library."""
        return {"rate_d": self.rate_d, "rate_g": self.rate_g}


@dataclasses.dataclass(frozen=True)
class RuleOptions:
    """A discrete rule in place of the flow."""

    panel: ClassVar[str] = "Steps"
    rule: Annotated[
        str | None, option("Take the steps of this rule; see `diracgan list`.", metavar="NAME", names="rule")
    ] = None
    lr: Annotated[float | None, option("Learning rate of both players.")] = None
    lr_d: Annotated[float | None, option("The critic's, in place of --lr.")] = None
    lr_g: Annotated[float | None, option("The generator's, in place of --lr.")] = None
    n_critic: Annotated[int | None, option("Critic steps per iteration.")] = None
    first: Annotated[str | None, option("Who moves first.", metavar="critic|generator")] = None
    ema: Annotated[float | None, option("Decay of the moving average, in [0, 1).")] = None
    rule_param: Annotated[
        list[str] | None, option("Any parameter of the rule; repeatable.", metavar="NAME=VALUE", short="-r")
    ] = None

    def settings(self) -> dict[str, Any]:
        """The rule's parameters that were given."""
        short = {k: x for k, x in given_in(self).items() if k not in ("rule", "rule_param")}
        return merged(short, assignments(self.rule_param, "-r"))

    def build(self) -> Rule | None:
        """Make the rule; None for the flow."""
        given = self.settings()
        if self.rule is None and not given:
            return None
        from ..rules import rule, rules

        if self.rule is None:
            raise InputError(
                f"{flag(next(iter(given)))} belongs to a rule; add --rule NAME, allowed: {', '.join(rules())}"
            )
        return rule(self.rule, **given)


@dataclasses.dataclass(frozen=True)
class GameOptions:
    """A variant, its start, and what moves its players."""

    variant: VariantOptions
    start: StartOptions
    rates: RateOptions
    rule: RuleOptions

    def build(self) -> tuple[Variant, Rule | None]:
        """The variant, and the rule or None for the flow."""
        made, rule = self.variant.build(), self.rule.build()
        if rule is not None and (self.rates.rate_d, self.rates.rate_g) != (1.0, 1.0):
            raise InputError("--rate-d and --rate-g belong to the flow; with --rule use --lr-d and --lr-g")
        return made, rule

    def settings(self) -> dict[str, Any]:
        """Name -> value of everything that the words set: what no axis may set as well."""
        from ..rules import RULES
        from ..variants import VARIANTS

        specs = (VARIANTS, self.variant.variant), (RULES, self.rule.rule)
        named = [settings(known.parts(spec).settings, spec) for known, spec in specs if spec is not None]
        rates = {n: x for n, x in self.rates.arguments().items() if x != 1.0}
        groups = *named, self.variant.settings(), self.rule.settings(), self.start.given(), rates
        return {n: x for group in groups for n, x in group.items()}

    def at_equilibrium(self) -> dict[str, Any]:
        """Dimension (1 unless asked for), datum and rates, for what does not depend on a start."""
        return {
            "dim": self.start.dimension(default=1),
            "x0": self.start.given().get("x0"),
            **self.rates.arguments(),
        }

    def from_start(self) -> dict[str, Any]:
        """Start, datum and rates."""
        return {**self.start.given(), **self.rates.arguments()}


@dataclasses.dataclass(frozen=True)
class FlowOptions:
    """How the flow is integrated."""

    panel: ClassVar[str] = "Flow"
    t1: Annotated[float | None, option("End time; 40 by default.", short="-T")] = None
    ema_tau: Annotated[float | None, option("Time constant of the moving average.")] = None
    solver: Annotated[str | None, option("tsit5, dopri5, ..., RK45, LSODA, ...", metavar="NAME")] = None
    rtol: Annotated[float | None, option("Relative tolerance; 1e-9 by default.")] = None
    atol: Annotated[float | None, option("Absolute tolerance; 1e-12 by default.")] = None
    backend: Annotated[str | None, option("Which engine integrates.", metavar="diffrax|scipy")] = None


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """How many steps, and which are kept."""

    panel: ClassVar[str] = "Steps"
    steps: Annotated[int | None, option("Number of iterations; 200 by default.", short="-n")] = None
    every: Annotated[int | None, option("Keep every k-th iteration; 1 by default.")] = None


@dataclasses.dataclass(frozen=True)
class NoiseOptions:
    """Minibatch noise, and the seed of whatever is random."""

    panel: ClassVar[str] = "Noise"
    sde: Annotated[
        str | None, option("Variance of the minibatch noise, one for all or 2d of them.", metavar="S")
    ] = None
    sde_step: Annotated[float | None, option("Learning rate h of the SDE.", metavar="H")] = None
    seed: Annotated[int, option("Seed of the random numbers; 0 by default.")] = 0

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        sde = vector("sde", self.sde, low=0)
        noise = {"sde": sde[0] if sde is not None and len(sde) == 1 else sde, "sde_step": self.sde_step}
        return {"seed": self.seed} | {k: x for k, x in noise.items() if x is not None}


@dataclasses.dataclass(frozen=True)
class MotionOptions:
    """Where the players start, and how they move: by the flow or by a rule."""

    start: StartOptions
    flow: FlowOptions
    steps: StepOptions
    rates: RateOptions
    rule: RuleOptions
    noise: NoiseOptions

    def arguments(self) -> dict[str, Any]:
        """What ``simulate`` wants to know.

        Raises:
            InputError: when options of the flow and of a rule are mixed.
        """
        made, flow, steps = self.rule.build(), given_in(self.flow), given_in(self.steps)
        common = {**self.start.given(), **self.rates.arguments(), **self.noise.given()}
        if made is None:
            if steps:
                raise InputError(f"{flag(next(iter(steps)))} belongs to a rule; add --rule NAME")
            return {**flow, **common}
        if flow:
            raise InputError(
                f"{flag(next(iter(flow)))} belongs to the flow, not to --rule {self.rule.rule}; "
                "allowed: --steps, --every, --ema"
            )
        return {"rule": made, **steps, **common}

    def drawn(self) -> dict[str, Any]:
        """The same for a picture: one path needs no compiled solver, and a second less."""
        given = self.arguments()
        return given if {"rule", "sde", "solver", "backend"} & given.keys() else {**given, "backend": "scipy"}


def headline(found: Any) -> str:
    """The variant, the dimension and the rule that a result is about."""
    return f"{found.variant}, d = {found.dim}, {found.rule or 'flow'}"


def vector(name: str, text: str | None, **domain: Any) -> list[float] | None:
    """Read ``"0.1,0.2"`` as numbers, each in the interval that :func:`~diracgan.errors.number` takes.

    Example:
        >>> vector("phi0", "0.1, 2e-1")
        [0.1, 0.2]
    """
    if text is None:
        return None
    parts = [Written(p.strip()) for p in text.strip().strip("[]()").split(",")]
    return [number(f"{name}[{i}]" if len(parts) > 1 else name, p, **domain) for i, p in enumerate(parts)]


#: Where the decay of an average lies.
DECAY: dict[str, Any] = {"low": 0, "high": 1, "open_high": True}


def assignments(texts: list[str] | None, flag: str) -> dict[str, Written]:
    """Read ``["name=value", ...]``; commas separate several in one."""
    found: dict[str, Written] = {}
    for text in texts or []:
        if not text.strip():
            raise InputError(f"{flag} = {text!r} sets nothing; allowed: NAME=VALUE")
        found = merged(found, settings(text, f"{flag} {text}"))
    return found


def complex_words(value: complex, digits: int = 12) -> str:
    """A complex number as it is printed.

    Example:
        >>> complex_words(-0.5 - 1j)
        '-0.5 - 1i'
    """
    return f"{value.real:.{digits}g} {'-' if value.imag < 0 else '+'} {abs(value.imag):.{digits}g}i"


def only_one(what: str, first: str | None, second: str | None, example: str) -> str:
    """What was given as an argument or as an option, but not as both.

    Raises:
        InputError: where neither or two different ones are given.
    """
    if first and second and first != second:
        raise InputError(f"two {what}s, {first} and {second}; allowed: one")
    if not (first or second):
        raise InputError(f"which {what}? e.g. {example}; allowed: see diracgan list")
    return first or second or ""
