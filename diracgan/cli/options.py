"""The options that commands share, each group defined once.

A group is a dataclass whose fields are annotated as typer wants them. :func:`takes` spreads the groups of a
command into single options for typer, and puts them together again for the command.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ..errors import InputError, number, unknown

if TYPE_CHECKING:
    from ..rules import Rule
    from ..variants import Variant

TEXT_OR_JSON = ("text", "json")
_VARIANT, _START, _FLOW, _STEPS, _NOISE, _RESULT = "Variant", "Start", "Flow", "Steps", "Noise", "Result"


def _option(*names: str, help: str, metavar: str | None = None, panel: str) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, show_default=False)


@dataclasses.dataclass(frozen=True)
class VariantOptions:
    """Which variant, with which parameters, penalties and transforms."""

    variant: Annotated[
        str,
        _option(
            "--variant",
            "-v",
            metavar="NAME",
            panel=_VARIANT,
            help="NAME[:k=v,...], PATH.py:NAME[:k=v,...] or pkg.module:NAME[:k=v,...]; see `diracgan list`.",
        ),
    ]
    c: Annotated[float | None, _option("--c", panel=_VARIANT, help="The variant's parameter c.")] = None
    lam: Annotated[float | None, _option("--lam", panel=_VARIANT, help="The variant's parameter lam.")] = None
    gamma: Annotated[
        float | None,
        _option(
            "--gamma",
            panel=_VARIANT,
            help="The variant's parameter gamma; where it has none, the weight of R1, as --r1.",
        ),
    ] = None
    l2: Annotated[float | None, _option("--l2", panel=_VARIANT, help="Add (l2/2) |phi|^2.")] = None
    r1: Annotated[
        float | None, _option("--r1", panel=_VARIANT, help="Add (r1/2) |grad D|^2 at the datum.")
    ] = None
    param: Annotated[
        list[str] | None,
        _option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            panel=_VARIANT,
            help="Any parameter or penalty; repeatable.",
        ),
    ] = None

    def build(self) -> Variant:
        """Make the variant; InputError says what is wrong."""
        from ..parameters import parameters
        from ..variants import build, parse

        short = {k: getattr(self, k) for k in ("c", "lam", "gamma", "l2", "r1")}
        given = merged({k: x for k, x in short.items() if x is not None}, assignments(self.param, "-p"))
        made = parse(self.variant)
        if "gamma" in given and "gamma" not in parameters(type(made)):
            given = merged({"r1": given.pop("gamma")}, given)
        return build(type(made), {**made.hyperparameters, **given}) if given else made


@dataclasses.dataclass(frozen=True)
class StartOptions:
    """Where the players start, and where the datum is."""

    dim: Annotated[
        int | None,
        _option("--dim", "-d", metavar="D", panel=_START, help="Dimension, with the default start."),
    ] = None
    phi0: Annotated[
        str | None,
        _option("--phi0", metavar="A,B", panel=_START, help="The critic's start, one number per axis."),
    ] = None
    theta0: Annotated[
        str | None, _option("--theta0", metavar="A,B", panel=_START, help="The generator's start.")
    ] = None
    x0: Annotated[
        str | None, _option("--x0", metavar="A,B", panel=_START, help="The datum; 0 by default.")
    ] = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names; it knows the defaults and what fits together."""
        vectors = {n: vector(n, getattr(self, n)) for n in ("phi0", "theta0", "x0")}
        return {k: x for k, x in {"dim": self.dim, **vectors}.items() if x is not None}

    def dimension(self, default: int) -> int:
        """The dimension that the options ask for, or the default; InputError when they disagree."""
        from ..dynamics.simulate import starts

        given = self.given()
        scalar = list(given) == ["x0"] and len(given["x0"]) == 1
        alone = default if scalar or not given else None
        phi0, theta0, x0 = (given.get(n) for n in ("phi0", "theta0", "x0"))
        return len(starts(phi0, theta0, given.get("dim", alone), x0)[0])


@dataclasses.dataclass(frozen=True)
class RateOptions:
    """How fast each player moves in the flow."""

    rate_d: Annotated[float, _option("--rate-d", panel=_FLOW, help="The critic's rate; 1 by default.")] = 1.0
    rate_g: Annotated[float, _option("--rate-g", panel=_FLOW, help="The generator's rate; 1 by default.")] = (
        1.0
    )

    def arguments(self) -> dict[str, float]:
        """``rate_d`` and ``rate_g`` for the library."""
        return {"rate_d": self.rate_d, "rate_g": self.rate_g}


@dataclasses.dataclass(frozen=True)
class RuleOptions:
    """A discrete rule in place of the flow."""

    rule: Annotated[
        str | None,
        _option("--rule", metavar="NAME", panel=_STEPS, help="Discrete steps; see `diracgan list`."),
    ] = None
    lr: Annotated[float | None, _option("--lr", panel=_STEPS, help="Learning rate of both players.")] = None
    lr_d: Annotated[float | None, _option("--lr-d", panel=_STEPS, help="The critic's learning rate.")] = None
    lr_g: Annotated[float | None, _option("--lr-g", panel=_STEPS, help="The generator's learning rate.")] = (
        None
    )
    n_critic: Annotated[
        int | None, _option("--n-critic", panel=_STEPS, help="Critic steps per iteration.")
    ] = None
    first: Annotated[
        str | None, _option("--first", metavar="critic|generator", panel=_STEPS, help="Who moves first.")
    ] = None
    ema: Annotated[
        float | None, _option("--ema", panel=_STEPS, help="Decay of the moving average, in [0, 1).")
    ] = None
    rule_param: Annotated[
        list[str] | None,
        _option(
            "--rule-param", "-r", metavar="NAME=VALUE", panel=_STEPS, help="Any rule parameter; repeatable."
        ),
    ] = None

    def build(self) -> Rule | None:
        """Make the rule; None for the flow."""
        names = ("lr", "lr_d", "lr_g", "n_critic", "first", "ema")
        short = {k: getattr(self, k) for k in names if getattr(self, k) is not None}
        given = merged(short, assignments(self.rule_param, "-r"))
        if self.rule is None:
            if given:
                from ..rules import rules

                flag = f"--{next(iter(given)).replace('_', '-')}"
                raise InputError(f"{flag} belongs to a rule; add --rule NAME, allowed: {', '.join(rules())}")
            return None
        from ..rules import rule

        return rule(self.rule, **given)


@dataclasses.dataclass(frozen=True)
class FlowOptions:
    """How the flow is integrated."""

    t1: Annotated[float | None, _option("--t1", "-T", panel=_FLOW, help="End time; 40 by default.")] = None
    ema_tau: Annotated[
        float | None, _option("--ema-tau", panel=_FLOW, help="Time constant of the moving average.")
    ] = None
    solver: Annotated[
        str | None,
        _option("--solver", metavar="NAME", panel=_FLOW, help="tsit5, dopri5, ..., RK45, LSODA, ..."),
    ] = None
    rtol: Annotated[float | None, _option("--rtol", panel=_FLOW, help="Relative tolerance.")] = None
    atol: Annotated[float | None, _option("--atol", panel=_FLOW, help="Absolute tolerance.")] = None
    backend: Annotated[
        str | None,
        _option("--backend", metavar="diffrax|scipy", panel=_FLOW, help="Which engine integrates."),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        return {k: x for k, x in vars(self).items() if x is not None}


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """How many steps, and which are kept."""

    steps: Annotated[int | None, _option("--steps", "-n", panel=_STEPS, help="Number of iterations.")] = None
    every: Annotated[int | None, _option("--every", panel=_STEPS, help="Keep every k-th iteration.")] = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        return {k: x for k, x in vars(self).items() if x is not None}


@dataclasses.dataclass(frozen=True)
class NoiseOptions:
    """Minibatch noise, and the seed of whatever is random."""

    sde: Annotated[
        str | None,
        _option(
            "--sde", metavar="S", panel=_NOISE, help="Variance of the noise on the field, or 2d of them."
        ),
    ] = None
    sde_step: Annotated[
        float | None, _option("--sde-step", metavar="H", panel=_NOISE, help="The h of the flow's SDE.")
    ] = None
    seed: Annotated[
        int, _option("--seed", panel=_NOISE, help="Seed of the random numbers; 0 by default.")
    ] = 0

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        sde = vector("sde", self.sde)
        noise = {"sde": sde[0] if sde is not None and len(sde) == 1 else sde, "sde_step": self.sde_step}
        return {"seed": self.seed} | {k: x for k, x in noise.items() if x is not None}


#: ``--format`` of a command that answers a question.
Format = Annotated[
    str,
    _option("--format", metavar="text|json", panel=_RESULT, help="json prints one object and nothing else."),
]


def output(what: str) -> Any:
    """The option ``--out``; ``what`` names the suffixes."""
    return _option("--out", "-o", metavar="FILE", panel=_RESULT, help=what)


def motion(
    flow: FlowOptions, steps: StepOptions, rates: RateOptions, rule: RuleOptions, noise: NoiseOptions
) -> dict[str, Any]:
    """Put together what ``simulate`` wants to know about how the players move.

    Raises:
        InputError: when options of the flow and of a rule are mixed.
    """
    made = rule.build()
    common = {**rates.arguments(), **noise.given()}
    if made is None:
        if steps.given():
            raise InputError(f"--{next(iter(steps.given()))} belongs to a rule; add --rule NAME")
        return {**flow.given(), **common}
    if flow.given():
        flag = f"--{next(iter(flow.given())).replace('_', '-')}"
        raise InputError(
            f"{flag} belongs to the flow, not to --rule {rule.rule}; allowed: --steps, --every, --ema"
        )
    return {"rule": made, **steps.given(), **common}


def choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return ``value`` when it is one of ``choices``, or raise InputError with the nearest one."""
    if value not in choices:
        raise unknown(name, value, choices)
    return value


def vector(name: str, text: str | None) -> list[float] | None:
    """Read ``"0.1,0.2"`` as numbers.

    Example:
        >>> vector("phi0", "0.1, 2e-1")
        [0.1, 0.2]
    """
    if text is None:
        return None
    parts = [p.strip() for p in text.strip().strip("[]()").split(",")]
    return [number(f"{name}[{i}]" if len(parts) > 1 else name, p) for i, p in enumerate(parts)]


def assignments(texts: list[str] | None, flag: str) -> dict[str, str]:
    """Read ``["name=value", ...]``; commas separate several in one."""
    found: dict[str, str] = {}
    for text in texts or []:
        for part in text.split(","):
            name, equals, value = (x.strip() for x in part.partition("="))
            if not (name and equals and value):
                raise InputError(f"{flag} {text!r} is no setting; allowed: name=value")
            found = merged(found, {name.replace("-", "_"): value})
    return found


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return both, or raise InputError when one name is set twice."""
    for name in second:
        if name in first:
            raise InputError(f"{name} is set twice, to {first[name]} and {second[name]}; allowed: once")
    return {**first, **second}


def takes(*groups: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of these groups: one instance each, as its first arguments in this order.

    Example:
        >>> @takes(NoiseOptions)
        ... def command(noise: NoiseOptions, loud: bool = False) -> int:
        ...     return noise.seed
        >>> command(seed=7)
        7
    """

    def spread(function: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(function, eval_str=True)
        kept = list(own.parameters.values())[len(groups) :]
        fields = [(group, f) for group in groups for f in dataclasses.fields(group)]
        hints = {group: get_type_hints(group, include_extras=True) for group in groups}
        parameters = [
            inspect.Parameter(
                f.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if f.default is dataclasses.MISSING else f.default,
                annotation=hints[group][f.name],
            )
            for group, f in fields
        ]

        def command(**given: Any) -> Any:
            made = [group(**{f.name: given.pop(f.name) for g, f in fields if g is group and f.name in given})
                    for group in groups]  # fmt: skip
            return function(*made, **given)

        rest = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept]
        everything = [*parameters, *rest]
        command.__doc__, command.__name__ = inspect.getdoc(function), function.__name__
        command.__module__, command.__qualname__ = function.__module__, function.__qualname__
        command.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in everything}
        return command

    return spread
