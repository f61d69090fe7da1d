"""The config of a run: everything needed to make it again, as a TOML file.

    steps = 2000
    [variant]
    name = "ns"
    r1 = 0.1
    [rule]
    name = "adam"
    lr = 0.0002
    [problem]
    name = "digits"
    [networks]
    kind = "dcgan"
    [[tricks]]
    name = "instance-noise"
    std = 0.1

A file need not name everything; what a run writes names every value.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, listed, mapping, number, shown, unknown
from ..parameters import Parametric, param, parameters
from ..registry import Registry, settings as read_settings, source as source_of
from ..rules import RULES, Rule, rule
from ..variants import VARIANTS, Variant, parse, with_values
from ..variants.presets import PRESETS
from . import bounds, loss_file
from .architecture import Architecture
from .problems import PROBLEMS, Problem, problem
from .toml_tables import read_table
from .tricks import TRICKS, AuxiliaryClasses, Trick, trick

T = TypeVar("T")
DEVICES = ("auto", "cpu", "gpu", "tpu")
_TABLES = ("variant", "rule", "problem", "networks", "tricks", "alarms")


class TrainingConfig(Parametric):
    """How long, how large, how often: the numbers of a run that belong to no table.

    Example:
        >>> TrainingConfig(steps=2000).resolved().log_every
        100
    """

    steps: int = param(1000, "iterations of the rule", low=1)
    batch: int = param(128, "samples in a minibatch", low=1, high=2**24)
    seed: int = param(0, "of weights, minibatches and all other draws", low=0)
    seeds: int = param(1, "runs at once, with this seed and the following ones", low=1, high=4096)
    dtype: str = param("float32", "what is computed in", choices=("float32", "float64", "bfloat16"))
    device: str = param("auto", "where", choices=DEVICES)
    devices: int = param(1, "over how many a minibatch is spread", low=1)
    pretrain: int = param(0, "iterations before the first one in which only the critic moves", low=0)
    warmup: bool = param(True, "averages begin with a short memory: decay min(beta, (1 + t)/(10 + t))")
    mean: bool = param(False, "keep the plain mean of the weights over all iterations")
    truncation: float | None = param(None, "at generation, what of z lies beyond is drawn again", low=0.05)
    truncate: str = param(
        "entries", "what lies beyond it: entries of z, or a z by its norm", choices=("entries", "norm")
    )
    log_every: int | None = param(None, "iterations between two lines of metrics; a 20th of the run", low=1)
    sample_every: int | None = param(None, "iterations between two sample grids; a tenth of the run", low=1)
    save_every: int | None = param(None, "iterations between two checkpoints; a tenth of the run", low=1)
    walks: bool = param(False, "beside each sample grid, samples on paths from one z to another")
    filters: bool = param(False, "beside each sample grid of images, the filters of the critic's first layer")
    tensorboard: bool = param(False, "write the metrics for TensorBoard as well")
    classifier: bool = param(True, "score labelled problems by a classifier trained on the same data")

    def resolved(self) -> TrainingConfig:
        """The same with every interval a number."""

        def each(given: int | None, share: int) -> int:
            return max(1, self.steps // share) if given is None else given

        intervals = {"log_every": 20, "sample_every": 10, "save_every": 10}
        return dataclasses.replace(self, **{n: each(getattr(self, n), k) for n, k in intervals.items()})


class Alarms(Parametric):
    """When a run is stopped because going on is useless.

    Attributes:
        on: whether any alarm but that of numbers that are not finite stops a run.
        critic_zero: a critic's loss below this, with all real samples judged above all fake ones, is 0.
        patience: how many lines of metrics in a row must say so.
        blow_up: a singular value so many times the largest at the start has blown up.
        falling: a generator's loss that falls over so many lines, in 19 of 20 pairs of them, while the critic ranks
            fake samples above real ones, is that of one that fools it with garbage; None: not watched.
        mode_loss: a run that loses this share of the most modes (or classes) that it covered has collapsed.
    """

    on: bool = param(True, "whether alarms stop a run; numbers that are not finite always do")
    critic_zero: float = param(1e-3, "a critic's loss below this is 0", low=0)
    patience: int = param(5, "lines of metrics in a row that must say so", low=1)
    blow_up: float = param(50.0, "growth of a singular value that is a blow-up", low=1)
    falling: int | None = param(
        None, "lines of metrics over which a generator's loss that falls steadily stops the run", low=5
    )
    mode_loss: float = param(0.5, "share of the most modes covered whose loss is a collapse", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """A run before it is made; :meth:`table` and :func:`from_table` are each other's inverse."""

    variant: Variant
    rule: Rule
    problem: Problem
    networks: Architecture
    tricks: tuple[Trick, ...]
    alarms: Alarms
    training: TrainingConfig
    averages: tuple[float, ...] = ()

    def table(self) -> dict[str, Any]:
        """The config as plain values.

        Raises:
            InputError: for a rule or a problem that cannot be made again from a name and numbers.
        """
        if not self.problem.spec:
            raise InputError(
                "a problem made by hand cannot be written to a folder; allowed: dg.training.problem(...)"
            )
        return {
            **_set(self.training.hyperparameters),
            "averages": list(self.averages),
            "variant": _variant_table(self.variant),
            "rule": _rule_table(self.rule),
            "problem": {k: list(x) if isinstance(x, tuple) else x for k, x in self.problem.spec},
            "networks": _set(self.networks.hyperparameters),
            "alarms": _set(self.alarms.hyperparameters),
            "tricks": [{"name": _named_in(TRICKS, t), **_set(t.hyperparameters)} for t in self.tricks],
        }

    def with_training(self, **settings: Any) -> RunConfig:
        """The same run with other settings of :class:`TrainingConfig`."""
        whole = {**_set(self.training.hyperparameters), **settings}
        return dataclasses.replace(self, training=from_settings(TrainingConfig, whole, "run"))


def configure(
    variant: str | Variant = "ns",
    problem_: str | Problem = "ring8",
    *,
    chosen: Collection[str] | None = None,
    rule_: str | Rule | Mapping[str, Any] | None = None,
    networks: Architecture | Mapping[str, Any] | None = None,
    tricks: Any = (),
    alarms: Alarms | Mapping[str, Any] | None = None,
    averages: Any = (),
    training: TrainingConfig | Mapping[str, Any] | None = None,
) -> RunConfig:
    """Put a run together from names or objects, with every default decided.

    Args:
        variant: a name, ``NAME:k=v``, or a variant.
        problem_: likewise.
        chosen: those of the variant's parameters that do not take its defaults for networks; None: those in its name
            (:func:`chosen_in`), of a made variant all.
        rule_: a name, ``NAME:k=v``, or a rule; of a mapping :func:`default_rule` with these parameters, or the rule of
            its ``name``; None for :func:`default_rule`.
        networks: an architecture, or those of its settings that are not the usual ones.
        tricks: one or several, by name or made.
        alarms: likewise settings of :class:`Alarms`.
        averages: decays of the averages of the generator.
        training: likewise settings of :class:`TrainingConfig`; None stands for the problem's own default.

    Raises:
        InputError: for what does not exist or does not fit together.
    """
    on = _made(problem_, Problem, problem, "a name, or what dg.training.problem(...) returns")
    losses = _made(variant, Variant, parse, "a name, or what dg.variant(...) returns")
    built = _architecture(networks, losses, on)
    if chosen is None and isinstance(variant, str):
        chosen = chosen_in(variant)
    if chosen is not None and built.kind != "linear":
        own = {n: x for n, x in type(losses).for_networks.items() if n not in chosen}
        losses = with_values(losses, own)
    wanted = [tricks] if isinstance(tricks, (str, Trick)) else listed("tricks", tricks, "names, or tricks")
    made = [_made(t, Trick, trick, "NAME[:k=v,...], or what tricks.trick(...) returns") for t in wanted]
    if built.condition == "acgan" and not any(isinstance(t, AuxiliaryClasses) for t in made):
        made.append(trick("acgan"))
    run = _training(training, on)
    if run.filters and (not on.images or built.kind == "linear"):
        raise InputError(
            f"filters are of critics of images, which {on.name!r} has none of; allowed: filters = false"
        )
    if run.walks and (on.paired or not on.inputs):
        raise InputError(f"walks need a random z, which {on.name!r} has none of; allowed: walks = false")
    if run.truncate == "norm" and (on.prior != "normal" or on.paired):
        raise InputError(f"truncate = norm needs a normal z, which {on.name!r} has not; allowed: entries")
    moves = _moves(rule_, built.kind, losses)
    _fit(made, on, built, losses, moves)
    bounds.check_rule(moves)
    bounds.check_size(built, on, run.batch, run.seeds)
    for settings in (losses, moves, *made):
        bounds.check_numbers(settings, run.dtype)
    alone = isinstance(averages, (int, float, complex, str))
    given = [averages] if alone else listed("averages", averages, "decays")
    decays = tuple(number("averages", b, low=0, high=1, open_high=True) for b in given)
    if len(set(decays)) < len(decays):
        raise InputError(f"averages = {list(decays)} names a decay twice; allowed: each once")
    return RunConfig(
        losses,
        moves,
        on,
        built,
        tuple(made),
        alarms if isinstance(alarms, Alarms) else from_settings(Alarms, alarms or {}, "alarms"),
        run,
        decays,
    )


def _made(given: Any, kind: type[T], make: Callable[[str], T], allowed: str) -> T:
    """What is given, made if it is a name."""
    made = make(given) if isinstance(given, str) else given
    if not isinstance(made, kind):
        raise InputError(f"{shown(given)} is not a {kind.__name__.lower()}; allowed: {allowed}")
    return made


def _architecture(
    networks: Architecture | Mapping[str, Any] | None, losses: Variant, on: Problem
) -> Architecture:
    """The networks with the variant's own defaults, as far as they are of this kind of network."""
    if isinstance(networks, Architecture):
        return networks.resolved(on)
    given = mapping("networks", networks or {}, "settings by name")
    kind = on.network if given.get("kind", "auto") == "auto" else given["kind"]
    own = {n: x for n, x in type(losses).networks.items() if n != "depth" or kind == "mlp"}
    return from_settings(Architecture, {**own, **given}, "networks").resolved(on)


def _training(training: TrainingConfig | Mapping[str, Any] | None, on: Problem) -> TrainingConfig:
    if isinstance(training, TrainingConfig):
        return training.resolved()
    given = {k: x for k, x in (training or {}).items() if x is not None}
    return from_settings(TrainingConfig, {**dict(on.training), **given}, "run").resolved()


def chosen_in(spec: str) -> set[str] | None:
    """The parameters that a variant's name sets; None of a preset, which sets all of them.

    Example:
        >>> chosen_in("wgan-gp:lam=0.5")
        {'lam'}
    """
    source, name, given = VARIANTS.parts(spec)
    return None if name in PRESETS and not source else {*read_settings(given, spec)}


def _moves(given: Any, kind: str, losses: Variant) -> Rule:
    """The rule that is meant: as it is, by its name, or the default one with other parameters."""
    if given is None:
        return default_rule(kind, losses)
    if isinstance(given, Mapping):
        usual = default_rule(kind, losses)
        name, settings = given.get("name", usual.name), {n: x for n, x in given.items() if n != "name"}
        if name == usual.name:
            both = ("lr_d", "lr_g") if "lr" in settings else ()  # lr is both players'
            settings = {n: x for n, x in _set(usual.hyperparameters).items() if n not in both} | settings
        return rule(name, **settings)
    return _made(given, Rule, rule, "a name, or what dg.rule(...) returns")


def default_rule(kind: str, losses: Variant) -> Rule:
    """What moves networks of this kind when no rule is named: the variant's own, or Adam as in DCGAN; linear players
    move in plain alternating steps."""
    if kind == "linear":
        return rule("alternating")
    if losses.network_rule:
        return rule(losses.network_rule)
    return rule("adam", lr=2e-4 if kind == "dcgan" else 1e-3, beta1=0.5, alternating=True)


def _fit(tricks: list[Trick], on: Problem, built: Architecture, losses: Variant, moves: Rule) -> None:
    for k, t in enumerate(tricks):
        if type(t) in map(type, tricks[:k]):
            raise InputError(f"the trick {t.name} is given twice; allowed: each trick once")
        if t.holds and not moves.can_hold:
            raise InputError(
                f"{t.name} holds a player, and the memory of {moves.name} would move it on; allowed: a rule without "
                "memory, or one in which each player has its own, such as adam"
            )
        if why := t.unfit(losses, on, built):
            raise InputError(why)


def from_table(
    table: Mapping[str, Any], source: str = "the config", *, folder: Path | None = None, trust: bool = False
) -> RunConfig:
    """A config from plain values, such as a TOML file's.

    Args:
        table: the values.
        source: what they are from, for messages.
        folder: where a copy of the loss may lie; None for the current one.
        trust: whether code that the config names may run: losses, rules, problems, tricks in Python files or modules.

    Raises:
        InputError: for an unknown key, naming the table and the nearest one, a value that is not allowed, or code
            without trust.
    """
    rest, given = dict(table), {}
    for n in _TABLES:
        if n in rest:
            given[n] = rest.pop(n)
    for n, x in given.items():
        if n == "tricks" and isinstance(x, list) and not all(isinstance(t, dict) for t in x):
            raise InputError(f"tricks of {source} are {shown(x)}; allowed: [[tricks]] tables")
        want = list if n == "tricks" else dict
        if not isinstance(x, want):
            raise InputError(
                f"{n} of {source} is {shown(x)}; allowed: {'[[tricks]] tables' if n == 'tricks' else f'a table [{n}]'}"
            )
    known = [*parameters(TrainingConfig), "averages"]
    for n in rest:
        if n not in known:
            raise unknown(f"key of {source}", n, [*known, *_TABLES])
    averages = rest.pop("averages", [])
    if not isinstance(averages, list):
        raise InputError(f"averages of {source} is {shown(averages)}; allowed: a list of decays")

    def allowed(spec: str, registry: Registry[Any]) -> str:
        return loss_file.named(spec, registry, trust, source)

    try:
        variant_ = dict(given.get("variant", {"name": "ns"}))
        on = dict(given.get("problem", {"name": "ring8"}))
        digest = variant_.pop("sha256", None)
        spec = _name(variant_, "variant")
        made = parse(loss_file.trusted(spec, digest, folder or Path(), trust, source))
        losses = with_values(made, variant_)
        chosen = chosen_in(spec)
        return configure(
            losses,
            problem(allowed(_name(on, "problem"), PROBLEMS), **on),
            chosen=None if chosen is None else {*chosen, *variant_},
            rule_=_rule(given["rule"], allowed) if "rule" in given else None,
            networks=given.get("networks"),
            tricks=[
                trick(allowed(_name(t, "tricks"), TRICKS), **t) for t in map(dict, given.get("tricks", []))
            ],
            alarms=given.get("alarms"),
            averages=averages,
            training=rest,
        )
    except InputError as error:
        said = str(error)
        raise InputError(said if said.startswith(source) else f"{source}: {said}") from error


def read(path: str | os.PathLike[str], *, trust: bool = False) -> RunConfig:
    """The config of a TOML file.

    Args:
        path: the file.
        trust: whether code that it names may run: losses, rules, problems and tricks in Python files or modules.

    Raises:
        InputError: when it is missing, not TOML, not a config, or names code without trust.
    """
    shown = os.fspath(path)
    config = from_table(read_table(path), shown, folder=Path(shown).parent, trust=trust)
    loss_file.announce(_named_in(VARIANTS, config.variant), shown)
    return config


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: x for k, x in values.items() if x is not None}


def _name(table: dict[str, Any], which: str) -> str:
    if not isinstance(name := table.pop("name", None), str):
        said = "has no name" if name is None else f"has the name {name!r}, which is not text"
        raise InputError(f'[{which}] {said}; allowed: name = "..."')
    return name


def from_settings(cls: type[T], given: Mapping[str, Any], what: str) -> T:
    """A record such as :class:`TrainingConfig` from values that are checked first; ``what`` names it in messages.

    Raises:
        InputError: for an unknown name or a value that is not allowed.
    """
    known = parameters(cls)
    for key in mapping(what, given, "settings by name"):
        if key not in known:
            raise unknown(f"setting of the {what}", key, known)
    return cls(**{k: known[k].check(x) for k, x in given.items()})


def _rule_table(moves: Rule) -> dict[str, Any]:
    return {"name": _named_in(RULES, moves)} | {
        k: _rule_table(x) if isinstance(x, Rule) else x
        for k, x in moves.hyperparameters.items()
        if x is not None
    }


def _rule(table: Any, allowed: Callable[[str, Registry[Any]], str]) -> Rule:
    given = dict(table)
    name = allowed(_name(given, "rule"), RULES)
    return rule(name, **{k: _rule(x, allowed) if isinstance(x, Mapping) else x for k, x in given.items()})


def _variant_table(losses: Variant) -> dict[str, Any]:
    spec = _named_in(VARIANTS, losses)
    file = loss_file.file_of(spec)
    known = {} if file is None else {"sha256": loss_file.sha256(file)}
    return {"name": spec, **known, **_set(losses.hyperparameters)}


def _named_in(registry: Registry[Any], thing: Parametric) -> str:
    """The words by which another process finds the class of a variant, a rule or a trick."""
    cls = type(thing)
    if thing.name not in registry or source_of(registry[thing.name], thing.name) != source_of(
        cls, thing.name
    ):
        raise InputError(
            f"the {registry.kind} {thing.label} is not registered, so no folder can name it; register its class first"
        )
    return source_of(cls, thing.name)
