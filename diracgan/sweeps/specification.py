"""What a sweep asks: a variant, how it moves, the axes along which something is turned, and what is wanted.

A :class:`Question` answers for any block of points by itself, with the same numbers wherever it is asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import dirac
from ..analysis.linear.parameter_handle import ParameterHandle, parameter_handle, settable
from ..analysis.linear.settings import LinearSettings, settings
from ..dynamics.simulate import starts
from ..errors import InputError, integer, number, unknown
from ..game import Players
from ..parameters import Parametric, parameters, plain
from ..rules import Rule, init, rule, step
from ..tracing.jaxpr import listing
from ..variants import Variant, modifiers, parse
from . import quantities as what
from .quantities import LINEAR, POINT, TAIL, WHOLE, Case, Course, Quantity

T1, STEPS, DT = 200.0, 2000, 0.01
"""How long a sweep follows: time of a flow, iterations of a rule, step of a flow."""

_START = re.compile(r"(phi0|theta0|x0)(?:\[(\d+)\]|\.(\d+))?")
_OF_RULES = ("lr", "lr_d", "lr_g", "lr_ratio", "ema", "n_critic", "beta")
_LAST = ("lr_ratio", "rate_ratio")  # ratios keep one of two rates, which must be there before


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a question is asked, before anything is turned: what was given, or None."""

    phi0: Any = None
    theta0: Any = None
    dim: int | None = None
    x0: Any = None
    at: Any = None


@dataclasses.dataclass(frozen=True)
class Axis:
    """One thing that is turned.

    Attributes:
        name: what it is called.
        help: one line about it.
        loop: whether every value is a computation of its own (another program, or another datum).
        turn: (draft, value or array over points) -> what has changed.
        check: value -> the value in its proper type; raises InputError.
        words: whether its values are words.
    """

    name: str
    help: str
    loop: bool
    turn: Callable[[Draft, Any], Draft]
    check: Callable[[Any], Any]
    words: bool = False


@dataclasses.dataclass(frozen=True)
class Draft:
    """A case in the making: the setup, the starts, the datum as numbers or arrays over points."""

    setup: LinearSettings
    phi: np.ndarray
    theta: np.ndarray
    x0: np.ndarray
    ema_tau: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
    """What is asked at every point.

    Attributes:
        variant: what is minimised; ``rule`` how the players move, None for the flow.
        place: start and datum.
        rates: factors on the flow's velocities.
        axes: what is turned, in order.
        asked: the quantities.
        course: how runs are followed.
    """

    variant: Variant
    rule: Rule | None
    place: Place
    rates: Players
    axes: tuple[Axis, ...]
    asked: tuple[Quantity, ...]
    course: Course

    def answer(
        self,
        values: Mapping[str, np.ndarray],
        device: Any = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> dict[str, np.ndarray]:
        """Every quantity on the block that ``values`` span, (len of each axis, ...).

        Args:
            values: axis -> its values; one value for an axis that loops.
            device: the accelerator to use; None for one core.
            stopped: whether nobody waits any more; asked between points that are slow.
        """
        shape = tuple(len(values[a.name]) for a in self.axes)
        mesh = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
        points = {a.name: values[a.name][m.ravel()] for a, m in zip(self.axes, mesh, strict=True)}
        found = what.measure(self.case(points), self.asked, device, stopped)
        return {n: x.reshape(*shape, *x.shape[1:]) for n, x in found.items()}

    def case(self, points: Mapping[str, np.ndarray]) -> Case:
        """The case of any points, one value of every axis each; axes that loop have the same everywhere."""
        count = len(next(iter(points.values())))
        dims = {a.name: int(points[a.name][0]) for a in self.axes if a.name == "dim"}
        draft = self._draft(dims.get("dim", self.place.dim))
        for a in sorted(self.axes, key=lambda a: a.name in _LAST):
            value = points[a.name]
            draft = a.turn(draft, a.check(plain(value[0])) if a.loop else value)

        def rows(x: np.ndarray) -> np.ndarray:
            return np.broadcast_to(x, (count, x.shape[-1]))

        point = draft.setup.point
        if self.place.at is None:
            point = Players(np.zeros_like(draft.x0), draft.x0)
        setup = dataclasses.replace(draft.setup, x0=draft.x0, point=point)
        course = dataclasses.replace(self.course, ema_tau=draft.ema_tau)
        values = {n: np.asarray(x) for n, x in points.items()}
        return Case(setup, rows(draft.phi), rows(draft.theta), course, values)

    def _draft(self, dim: int | None) -> Draft:
        p = self.place
        phi, theta, x0 = starts(p.phi0, p.theta0, dim, p.x0)
        around = settings(
            self.variant, self.rule, None if p.at is not None else len(x0), x0, p.at, *self.rates
        )
        return Draft(around, phi, theta, x0, self.course.ema_tau)

    # ------------------------------------------------------------ identity

    def labelled(self, values: Mapping[str, np.ndarray]) -> tuple[Variant, Rule | None]:
        """The variant and the rule with the range of what is turned in its place: what provenance can hold.

        The number of dimensions of an array tells here which axis it comes from.
        """
        draft, said = self._draft(self.place.dim), [""]
        for a in sorted(self.axes, key=lambda a: a.name in _LAST):
            if a.name in ("dim", "ema_tau") or a.name.startswith("rate_") or _START.fullmatch(a.name):
                continue  # what neither label shows
            with contextlib.suppress(InputError):  # where a word is refused, the first value stays
                words = spanned(values[a.name])
                draft = a.turn(draft, words if a.loop else np.ones((1,) * len(said)))
                said.append("swept" if a.name in _LAST else words)
        made = (draft.setup.variant, draft.setup.rule)
        return jax.tree.map(lambda x: said[np.ndim(x)] if np.ndim(x) else x, made)

    def described(self) -> dict[str, Any]:
        """Everything that the answers depend on besides the grids, as plain values."""
        phi, theta, x0 = starts(self.place.phi0, self.place.theta0, self.place.dim, self.place.x0)
        return {
            "variant": {
                "name": self.variant.name or type(self.variant).__name__,
                "hyperparameters": _worded(self.variant.hyperparameters),
                "definition": definition(self.variant, self.rule),
            },
            "rule": None
            if self.rule is None
            else {"name": self.rule.name, **_worded(self.rule.hyperparameters)},
            "start": {
                "phi0": phi.tolist(),
                "theta0": theta.tolist(),
                "x0": x0.tolist(),
                "at": _listed(self.place.at),
            },
            "rates": [float(r) for r in self.rates],
            "quantities": [what.fingerprint(q) for q in self.asked],
            "course": _worded(dataclasses.asdict(self.course)),
        }

    def shipped(self) -> tuple[str, tuple[Any, ...]]:
        """The question as text for another process, and the functions that must travel with it.

        Raises:
            InputError: for a variant or a rule that another process cannot make.
        """
        plan = {
            "variant": _packed(self.variant, "variant"),
            "rule": None if self.rule is None else _packed(self.rule, "rule"),
            "place": {n: _listed(x) for n, x in dataclasses.asdict(self.place).items()},
            "rates": [float(r) for r in self.rates],
            "axes": [a.name for a in self.axes],
            "asked": [q.name for q in self.asked],
            "course": dataclasses.asdict(self.course),
        }
        return json.dumps(plan), tuple(_sent(q) for q in self.asked)


def unshipped(text: str, functions: Sequence[Any]) -> Question:
    """The question that :meth:`Question.shipped` sent."""
    plan = json.loads(text)
    asked = [
        what.QUANTITIES[name]
        if sent is None
        else dataclasses.replace(what.quantities(_received(sent))[0], name=name)
        for name, sent in zip(plan["asked"], functions, strict=True)
    ]
    made = _unpacked(plan["rule"]) if plan["rule"] else None
    place, rates, course = Place(**plan["place"]), Players(*plan["rates"]), Course(**plan["course"])
    return question(_unpacked(plan["variant"]), made, place, rates, plan["axes"], tuple(asked), course)


def question(
    variant: Variant,
    rule: Rule | None,
    place: Place,
    rates: Players,
    names: Sequence[str],
    asked: tuple[Quantity, ...],
    course: Course,
) -> Question:
    """A question about the axes ``names``, everything checked.

    Raises:
        InputError: for names that nothing turns, or quantities that make no sense here.
    """
    if not isinstance(variant, Variant):
        raise InputError(f"{variant!r} is no variant; allowed: what dg.variant(...) returns")
    what.check(asked, rule, names, course)
    place = _with_dimension(place, names, asked)
    bare = Question(variant, rule, place, rates, (), asked, course)
    draft = bare._draft(place.dim)
    followed = any(q.group in (WHOLE, TAIL) for q in asked)
    axes = tuple(_axis(n, draft, names, followed) for n in names)
    return dataclasses.replace(bare, axes=axes)


def _with_dimension(place: Place, names: Sequence[str], asked: Sequence[Quantity]) -> Place:
    """d = 1 for the linearisation and for a start given as one number; else 2, as everywhere."""
    if "dim" in names:
        if any(getattr(place, n) is not None for n in ("phi0", "theta0", "dim", "at")):
            raise InputError("the axis dim turns the default start; give no phi0, theta0, at or dim besides")
        return place
    if place.dim is not None or place.phi0 is not None or place.theta0 is not None or place.at is not None:
        return place
    if place.x0 is not None and np.ndim(place.x0) and len(place.x0) > 1:
        return place
    indices = components(names)
    if indices:
        return dataclasses.replace(place, dim=max(2, 1 + max(indices)))
    alone = all(q.group == LINEAR for q in asked) or any(n in ("phi0", "theta0") for n in names)
    return dataclasses.replace(place, dim=1 if alone else 2)


def components(names: Iterable[str]) -> list[int]:
    """The components of starts and of the datum that ``names`` turn.

    Example:
        >>> components(["phi0[2]", "lr", "theta0"])
        [2]
    """
    return [int(m[2] or m[3]) for n in names if (m := _START.fullmatch(n)) and (m[2] or m[3])]


def course_of(
    rule: Rule | None,
    t1: Any = None,
    dt: Any = None,
    steps: Any = None,
    method: str | None = None,
    adaptive: bool = False,
    rtol: Any = None,
    atol: Any = None,
    dtype: str = "float64",
    escape: float = 1e3,
    ball: float = 1e-3,
    ema_tau: Any = None,
    effort: float = 1.0,
) -> Course:
    """How runs are followed, checked.

    Raises:
        InputError: for values that are not allowed, or what belongs to a flow given with a rule.
    """
    flow: dict[str, Any] = {"t1": t1, "dt": dt, "method": method, "rtol": rtol, "atol": atol}
    given = {n: x for n, x in flow.items() if x is not None} | ({"adaptive": True} if adaptive else {})
    if str(dtype) not in ("float32", "float64"):
        raise unknown("dtype", dtype, ("float32", "float64"))
    if rule is not None:
        if given or ema_tau is not None:
            raise InputError(
                f"{next(iter(given), 'ema_tau')} belongs to the flow; a rule has steps (and ema)"
            )
        end: float = integer("steps", STEPS if steps is None else steps, low=1)
        flow = {"steps": end}
    else:
        if steps is not None:
            raise InputError(f"steps = {steps} needs a rule; allowed without one: t1 and dt")
        time = number("t1", T1 if t1 is None else t1, low=0, open_low=True)
        given["t1"] = time
        if not adaptive:
            h = given["dt"] = number("dt", DT if dt is None else dt, low=0, open_low=True)
            if abs(time / h - round(time / h)) > 1e-6:
                raise InputError(
                    f"t1 = {time:g} is not a multiple of dt = {h:g}; the nearest is {round(time / h) * h:g}"
                )
        flow, end = given, time if adaptive else round(time / given["dt"])
    tau = None if ema_tau is None else number("ema_tau", ema_tau, low=0, open_low=True)
    outer, inner = (number(n, x, low=0, open_low=True) for n, x in (("escape", escape), ("ball", ball)))
    return Course(flow, end, outer, inner, tau, number("effort", effort, low=0, open_low=True), str(dtype))


# ---------------------------------------------------------------- axes


def _axis(name: str, draft: Draft, names: Sequence[str], followed: bool) -> Axis:
    """The axis ``name``, its turning tried."""
    if name == "dim":
        return Axis(name, "dimension d", True, lambda d, x: d, lambda x: integer("dim", x, low=1))
    if found := _START.fullmatch(name):
        return _of_start(name, found[1], found[2] or found[3], draft, names, followed)
    if name == "ema_tau" and draft.setup.rule is None:
        return Axis(
            name,
            "time constant of the weight average",
            False,
            lambda d, x: dataclasses.replace(d, ema_tau=x),
            lambda x: number("ema_tau", x, low=0, open_low=True),
        )
    return _of_setup(name, draft, names, followed)


def _of_start(
    name: str, which: str, index: str | None, draft: Draft, names: Sequence[str], followed: bool
) -> Axis:
    field = {"phi0": "phi", "theta0": "theta", "x0": "x0"}[which]
    dim = len(draft.x0)
    k = None if index is None else int(index)
    if "dim" in names:
        raise InputError(f"the axes dim and {name} exclude each other: dim turns the default start")
    if k is not None and k >= dim:
        allowed = f"{which}[0] to {which}[{dim - 1}]" if dim > 1 else which
        raise InputError(f"{name} has no meaning for d = {dim}; allowed: {allowed}, or dim = {k + 1} or more")
    if k is None and dim > 1 and which != "x0":
        choices = ", ".join(f"{which}[{i}]" for i in range(min(dim, 4)))
        raise InputError(
            f"{which} has {dim} components; allowed: {choices}{', ...' if dim > 4 else ''}, or dim = 1"
        )

    def turn(d: Draft, value: Any) -> Draft:
        value = np.atleast_1d(np.asarray(value, float))
        x = np.array(np.broadcast_to(getattr(d, field), (len(value), dim)))
        x[:, slice(None) if k is None else k] = value[:, None] if k is None else value
        return dataclasses.replace(d, **{field: x if np.size(value) > 1 or not loop else x[0]})

    loop = which == "x0" and followed  # an ensemble has one datum
    who = {"phi0": "the critic's start", "theta0": "the generator's start", "x0": "the datum"}[which]
    return Axis(name, who, loop, turn, lambda x: number(name, x))


def _of_setup(name: str, draft: Draft, names: Sequence[str], followed: bool) -> Axis:
    if special := _of_structure(name, draft):
        return special
    found = _knob(name, draft, names)
    loop = found.is_integer or (followed and found.name.startswith("rate_"))

    def turn(d: Draft, value: Any) -> Draft:
        return dataclasses.replace(d, setup=found.set(d.setup, value))

    def check(value: Any) -> Any:
        checked = dataclasses.replace(found.domain, name=name).check(value)
        turn(draft, checked)  # a loss may refuse what its domain allows
        return checked

    said = found.domain.help
    if found.domain.name == "r1":
        said = f"weight of R1: {said}"
    return Axis(name, said, loop, turn, check)


def _knob(name: str, draft: Draft, names: Sequence[str]) -> ParameterHandle:
    if name == "gamma" and "r1" in names and parameter_handle(draft.setup, name).domain.name == "r1":
        raise InputError("gamma and r1 are the same weight here, that of R1; allowed: one of them as an axis")
    try:
        return parameter_handle(draft.setup, name)
    except InputError:
        bare = name.strip().replace("-", "_")
        known = settable(draft.setup)
        if bare in known or (draft.setup.rule is None and bare in _OF_RULES):
            raise
        every = {*known, *_structures(draft.setup), "x0", "dim"}
        dim = draft.phi.shape[-1]
        for start in ("phi0", "theta0"):
            every |= {start} if dim == 1 else {f"{start}[{i}]" for i in range(min(dim, 4))}
        raise unknown("axis", name, every | ({"ema_tau"} if draft.setup.rule is None else set())) from None


def _structures(around: LinearSettings) -> list[str]:
    """The flags and choices of the variant, its modifiers and the rule."""
    rule_class = [] if around.rule is None else [parameters(type(around.rule))]
    every = [parameters(type(around.variant)), modifiers(), *rule_class]
    return [n for known in every for n, p in known.items() if p.kind in ("flag", "choice")]


def _of_structure(name: str, draft: Draft) -> Axis | None:
    """A flag or a choice: of the variant, a modifier of it, or the rule."""
    v, r = draft.setup.variant, draft.setup.rule
    bare = name.partition(".")[2] if name.startswith(("variant.", "rule.")) else name
    own = {} if name.startswith("rule.") else parameters(type(v))
    added = {} if name.startswith("rule.") else modifiers()
    ruled = {} if r is None or name.startswith("variant.") else parameters(type(r))
    for known, change in (
        (own, lambda s, x: dataclasses.replace(s, variant=dataclasses.replace(s.variant, **{bare: x}))),
        (added, lambda s, x: dataclasses.replace(s, variant=s.variant.with_(**{bare: x}))),
        (ruled, lambda s, x: dataclasses.replace(s, rule=dataclasses.replace(s.rule, **{bare: x}))),
    ):
        domain = known.get(bare)
        if domain is not None and domain.kind in ("flag", "choice"):
            flag = domain.kind == "flag"

            def turn(d: Draft, value: Any, change: Any = change) -> Draft:
                return dataclasses.replace(d, setup=change(d.setup, value))

            def check(value: Any, domain: Any = domain, flag: bool = flag) -> Any:
                return domain.check(bool(value) if flag and value in (0.0, 1.0) else value)

            return Axis(name, domain.help, True, turn, check, words=not flag)
    return None


# ---------------------------------------------------------------- identity


def spanned(values: np.ndarray) -> str:
    """The values of an axis in a few words.

    Example:
        >>> spanned(np.linspace(0.0, 2.0, 5)), spanned(np.array([0.5, 2.0])), spanned(np.array(["l1", "l2"]))
        ('0..2', '0.5|2', 'l1|l2')
    """
    if values.dtype.kind != "f":
        return "|".join(map(str, values))
    return "|".join(f"{x:g}" for x in values) if len(values) < 4 else f"{values.min():g}..{values.max():g}"


def definition(variant: Variant, rule: Rule | None) -> str:
    """What tells one definition from another: a hash of the traced field, or iteration, without its numbers.

    Example:
        >>> import diracgan as dg
        >>> definition(dg.variant("ns"), None) == definition(dg.variant("ns"), None)
        True
    """
    with jax.enable_x64(True):
        v, r, x0, z = dirac.cast((variant, rule, np.zeros(2), Players(np.ones(2), np.ones(2))), np.float64)

        def moved(v: Any, r: Any, x0: Any, z: Any) -> Any:
            game = dirac.game(v, x0)
            return game.motion(z) if r is None else step(r, game, init(r, game, z))

        program, constants = listing(moved, v, r, x0, z)
    digest = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "", program).encode())
    for constant in constants:
        digest.update(constant.tobytes())
    return digest.hexdigest()[:16]


def _worded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: x.label if isinstance(x, Parametric) else x for n, x in values.items()}


def _listed(value: Any) -> Any:
    if value is None or np.ndim(value) == 0:
        return plain(value)
    return [_listed(x) for x in value]


def origin(thing: Any) -> dict[str, str]:
    """Where another process finds the class (or function) of ``thing``: nothing, a module or a file.

    Raises:
        InputError: for what was typed into a session.
    """
    module = thing.__module__
    if module.split(".")[0] == "diracgan":
        return {}
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if getattr(loaded, "__package__", "") and module != "__main__":
        return {"module": module}
    if file is None:
        raise InputError(
            f"{thing.__qualname__!r} was defined in a session, where workers cannot find it; put it into a file"
        )
    return {"file": str(Path(file).resolve())}


def _packed(thing: Parametric, kind: str) -> dict[str, Any]:
    cls = type(thing)
    if not cls.name:
        raise InputError(f"{cls.__name__} has no name by which workers could make it; register it")
    if cls.name == "optax":
        raise InputError(
            "a rule made of optax transformations cannot be sent to workers; run without a scheduler"
        )
    values = {n: _packed(x, "rule") if isinstance(x, Rule) else x for n, x in thing.hyperparameters.items()}
    return {"kind": kind, "name": cls.name, "from": origin(cls), "values": values}


def _unpacked(packed: dict[str, Any]) -> Any:
    from ..variants.registry import build, load_file, load_module

    where = packed["from"]
    values = {n: _unpacked(x) if isinstance(x, dict) else x for n, x in packed["values"].items()}
    if packed["kind"] == "variant":
        source = where.get("file") or where.get("module")
        made = parse(f"{source}:{packed['name']}" if source else packed["name"])
        return build(type(made), values)
    if "file" in where:
        load_file(where["file"])
    elif "module" in where:
        load_module(where["module"])
    return rule(packed["name"], **values)


def _sent(q: Quantity) -> Any:
    """A user's function as a place where workers find it, or itself where there is none."""
    if q.function is None:
        return None
    name = getattr(q.function, "__qualname__", "")
    try:
        where = origin(q.function)
    except (InputError, AttributeError):
        return q.function
    if not where or not name.isidentifier():
        return q.function
    return f"{where.get('file') or where['module']}:{name}"


def _received(sent: Any) -> Any:
    return sent if callable(sent) else what.function(sent)


__all__ = [
    "DT",
    "POINT",
    "STEPS",
    "T1",
    "Axis",
    "Place",
    "Question",
    "course_of",
    "definition",
    "question",
    "unshipped",
]
