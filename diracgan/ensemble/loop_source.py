"""Source text of time loops over a scalar program: one text, compiled for a processor or a GPU.

The text is about lanes: ``V`` holds one number for each of ``L`` trajectories (a vector register on a processor, a
scalar in a thread of a GPU), ``M`` says for which of them a condition holds. What these are, how they are loaded and
how functions of them are evaluated stands in the head that each compiler's module puts before the text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..tracing.c_text import FUNCTIONS, c_type, known, literal, scalar_expression
from ..tracing.scalar_program import Node, Program
from ..tracing.source_text import ARITHMETIC, NotWritable, expression
from .methods import tableau

_VECTOR_OPERATIONS = {
    **ARITHMETIC,
    "max": "greater({}, {})",
    "min": "smaller({}, {})",
    "abs": "size({})",
    "sign": "signum({})",
    "sqrt": "root({})",
    "rsqrt": "1 / root({})",
    "tanh": "tangent({})",
    "exp": "exponential({})",
    "logistic": "sigmoid({})",
    "pow": "each_pow({}, {})",
    "is_finite": "size({}) < (T)INFINITY",
    **{n: f"each_{n}({{}})" for n in FUNCTIONS},
    "eq": "{} == {}",
    "ne": "{} != {}",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} ^ {}",
    "not": "negated({})",
}


class Text:
    """A program's operations as statements.

    Attributes:
        program: the program.
        dtype: the type of its real numbers.
        side: how many vectors of trajectories go side by side, to hide latencies.
        before: statements that depend on nothing that varies over trajectories or changes.
        each: statements to be made once for each trajectory.
        shared: statements that change from step to step, the same for all trajectories.
        inner: statements that vary and change.
    """

    def __init__(
        self,
        program: Program,
        varies: Sequence[bool],
        changes: Sequence[bool],
        dtype: np.dtype,
        side: int,
        names: tuple[str, str] = ("x", "n"),
    ) -> None:
        self.program, self.dtype, self.side, self.input = program, dtype, side, names[0]
        self.names = {n: f"{names[1]}{i}" for i, n in enumerate(program.order)}
        self.varies, moves = _depends(program, varies), _depends(program, changes)
        self.before: list[str] = []
        self.each: list[str] = []
        self.shared: list[str] = []
        self.inner: list[str] = []
        where = {
            (False, False): self.before,
            (True, False): self.each,
            (False, True): self.shared,
            (True, True): self.inner,
        }
        for node in program.order:
            if node.op not in ("known", "input"):
                where[self.varies[node], moves[node]] += self._statements(node)

    def type(self, kind: np.dtype) -> str:
        """The C type of a number of a NumPy type."""
        return c_type(kind, self.dtype)

    def scalar(self, node: Node) -> str:
        """A value that all trajectories share."""
        if node.op == "known":
            return known(node)
        return f"{self.input}{node.detail}" if node.op == "input" else self.names[node]

    def lane(self, node: Node, u: int) -> str:
        """The ``u``-th vector of a value."""
        if self.varies[node]:
            return f"{self.input}{node.detail}_{u}" if node.op == "input" else f"{self.names[node]}_{u}"
        return f"{'mask' if np.dtype(node.dtype).kind == 'b' else 'splat'}({self.scalar(node)})"

    def _statements(self, node: Node) -> list[str]:
        kind, name = np.dtype(node.dtype), self.names[node]
        if not self.varies[node]:
            value = scalar_expression(node, [self.scalar(a) for a in node.args], self.dtype)
            return [f"const {self.type(kind)} {name} = {value};"]
        if kind.kind in "iu":
            raise NotWritable("whole numbers that vary over trajectories")
        word = "M" if kind.kind == "b" else "V"
        if kind.kind == "f":
            self.type(kind)
        return [
            f"const {word} {name}_{u} = {self._value(node, functools.partial(self.lane, u=u))};"
            for u in range(self.side)
        ]

    def _value(self, node: Node, read: Callable[[Node], str]) -> str:
        if (inner := _sigmoid_of(node)) is not None:
            return f"sigmoid({read(inner)})"
        if (inner := _sigmoid_of(node, -1)) is not None:  # of x, not of -x: they share one exponential
            return f"1 - sigmoid({read(inner)})"
        if node.op == "tanh" and (inner := _scaled(node.args[0], 0.5)) is not None:
            return f"half_tangent({read(inner)})"
        args = [read(a) for a in node.args]
        if node.op == "select_n" and len(args) == 3 and np.dtype(node.args[0].dtype).kind == "b":
            mask, no, yes = args
            if np.dtype(node.dtype).kind == "b":
                return f"({mask} & {yes}) | (negated({mask}) & {no})"
            return f"choose({mask}, {yes}, {no})"
        if node.op == "clamp":
            low, x, high = args
            return f"smaller(greater({x}, {low}), {high})"
        if node.op == "convert_element_type":
            source, target = np.dtype(node.args[0].dtype), np.dtype(node.dtype)
            if source.kind == "b" and target == self.dtype:
                return f"choose({args[0]}, splat(1), splat(0))"
            raise NotWritable(f"{source} to {target}")
        if node.op in ("eq", "ne") and np.dtype(node.args[0].dtype).kind == "b":
            different = f"({args[0]} ^ {args[1]})"
            return f"negated({different})" if node.op == "eq" else different
        return expression(node, args, _VECTOR_OPERATIONS)


def _depends(program: Program, inputs: Sequence[bool]) -> dict[Node, bool]:
    at: dict[Node, bool] = {}
    for n in program.order:
        at[n] = inputs[n.detail] if n.op == "input" else any(at[a] for a in n.args)
    return at


def _scaled(node: Node, factor: float) -> Node | None:
    """x where the node is ``factor`` x."""
    if node.op != "mul":
        return None
    for a, b in (node.args, node.args[::-1]):
        if a.known and a.detail == factor:
            return b
    return None


def _sigmoid_of(node: Node, sign: int = 1) -> Node | None:
    """x where the node is (1 + tanh(x/2))/2, as the losses write a sigmoid; with ``sign`` -1 that of -x."""
    if node.op != "add":
        return None
    for a, b in (node.args, node.args[::-1]):
        inner = _scaled(b, 0.5) if a.known and a.detail == 0.5 else None
        if inner is not None and inner.op == "tanh":
            return _scaled(inner.args[0], sign * 0.5)
    return None


def _header(leaves: int, entries: int) -> list[str]:
    """A kernel's first lines: each array is an argument of its own, the number of steps is read from one."""
    names = [f"leaf{i}" for i in range(leaves)] + [f"entry{k}" for k in range(entries)]
    arrays = [f"void *{n}" for n in (*names, "most", *(f"result{k}" for k in range(entries)))]
    return [
        f"ENTRY run({', '.join(arrays)}, long long count) {{",
        "const int steps = *(int *)most;",
        "LIMITS",
    ]


def _side_by_side(held: int, most: int, room: int) -> int:
    """How many vectors of trajectories go side by side, a power of two, of which each holds ``held`` in registers."""
    return 1 << (max(1, min(most, room // max(1, held))).bit_length() - 1)


def fixed_steps(
    program: Program, system: Sequence[bool], state: Sequence[bool], dtype: np.dtype, room: int
) -> str:
    """``steps`` times ``program``, from the system's leaves and the state's entries to the entries after a step.

    Args:
        program: one step.
        system: which leaves vary over trajectories.
        state: which entries do.
        dtype: the type of every number that varies.
        room: vectors of states that are held at once.

    Raises:
        NotWritable: for an operation or a type that has no text here.
    """
    first, side = len(system), _side_by_side(sum(state), 8, room)
    text = Text(program, [*system, *state], [False] * first + [True] * len(state), dtype, side)
    fixed, begin = _leaves(system, side)
    shared, renew, end, finish = [], [], [], []
    for k, (varies, out) in enumerate(zip(state, program.outputs, strict=True)):
        i, kind = first + k, np.dtype(out.dtype)
        if varies:
            if kind != dtype:
                raise NotWritable(f"state of type {kind}")
            begin += [f"V x{i}_{u} = load({_at('entry', k, u)});" for u in range(side)]
            renew += [(f"x{i}_{u}", text.lane(out, u)) for u in range(side)]
            end += [f"store({_at('result', k, u)}, x{i}_{u});" for u in range(side)]
        else:  # goes through the same values in every group, from the start each time
            name = text.type(kind)
            fixed.append(f"{name} y{i};")
            shared += [f"{name} x{i} = *({name} *)entry{k};", f"y{i} = x{i};"]
            renew.append((f"x{i}", text.scalar(out)))
            end.append(f"y{i} = x{i};")
            finish.append(f"*({name} *)result{k} = y{i};")
    body = [
        *fixed,
        *text.before,
        f"EVERY(b, count, {side}) {{",
        *shared,
        *begin,
        *text.each,
        "for (int i = 0; i < steps; i++) {",
        *text.shared,
        *text.inner,
        *(f"const SAME_TYPE({name}) r{j} = {value};" for j, (name, value) in enumerate(renew)),
        *(f"{name} = r{j};" for j, (name, _) in enumerate(renew)),
        "}",
        *end,
        "}",
        *(["if (IS_FIRST) {", *finish, "}"] if finish else []),
    ]
    return "\n".join([*_header(first, len(state)), *body, "}"]) + "\n"


def complex_pairs(program: Program, system: Sequence[bool], dtype: np.dtype, room: int) -> str:
    """``program`` once, to two complex arrays: from its outputs (a, b, c) the numbers a + ic and b - ic.

    Whether any a is no number it says in ``doubt``, an int: to look for that afterwards would read the answer again.

    Args:
        program: from the system's leaves to three numbers.
        system: which leaves vary over members.
        dtype: the type of every number that varies.
        room: as of :func:`fixed_steps`.

    Raises:
        NotWritable: for an operation or a type that has no text here.
    """
    side = _side_by_side(1, 2, room)  # nothing is repeated: with more, values leave the registers
    text = Text(program, system, [False] * len(system), dtype, side)
    fixed, begin = _leaves(system, side)
    larger, smaller, turn = program.outputs
    arrays = [
        f"void *{n}" for n in (*(f"leaf{i}" for i in range(len(system))), "result0", "result1", "doubt")
    ]
    body = [
        f"ENTRY run({', '.join(arrays)}, long long count) {{",
        "LIMITS",
        *fixed,
        *text.before,
        "M none = mask(0);",
        f"EVERY(b, count, {side}) {{",
        *begin,
        *text.each,
        *(f"none |= {text.lane(larger, u)} != {text.lane(larger, u)};" for u in range(side)),
        *(
            f"store_complex((T *)result{k} + 2 * (b + {u} * L), {text.lane(real, u)}, {sign}{text.lane(turn, u)});"
            for k, (real, sign) in enumerate(((larger, ""), (smaller, "-")))
            for u in range(side)
        ),
        "}",
        "*(int *)doubt = any_lane(none);",
    ]
    return "\n".join([*body, "}"]) + "\n"


def _leaves(varies: Sequence[bool], side: int) -> tuple[list[str], list[str]]:
    """Reading the system's leaves: those that all trajectories share, and those of a group."""
    fixed = [f"const T x{i} = *(const T *)leaf{i};" for i, each in enumerate(varies) if not each]
    return fixed, [
        f"const V x{i}_{u} = load({_at('leaf', i, u)});"
        for i, each in enumerate(varies)
        if each
        for u in range(side)
    ]


def _at(table: str, k: int, u: int) -> str:
    return f"(T *){table}{k} + b + {u} * L"


class Looks(NamedTuple):
    """What is watched along an adaptive step.

    Attributes:
        program: (numbers, accumulators, state before, state now, time, time passed) -> accumulators.
        numbers: how many fixed numbers it takes.
        accumulators: how many it keeps.
        times: how often it looks at a step.
    """

    program: Program
    numbers: int
    accumulators: int
    times: int


class Control(NamedTuple):
    """How the next step's size follows from the error: h min(max(safety error^(-1/5), shrink), grow)."""

    safety: float
    shrink: float
    grow: float


def adaptive_steps(
    field: Program,
    system: Sequence[bool],
    looks: Looks | None,
    control: Control,
    dtype: np.dtype,
    room: int,
) -> str:
    """Tsitouras' 5(4) pair with a step size for each trajectory, at most ``steps`` of them.

    The leaves are the system's, rtol, atol, the least step, the time at the end, and the numbers of ``looks``. The
    entries are the state, the time left, the step size (0: to be found), 1 for a trajectory whose least step
    failed, the number of steps made, and the accumulators of ``looks``.

    Raises:
        NotWritable: for an operation or a type that has no text here.
    """
    first, n = len(system), len(field.outputs)
    moving, side = [True] * n, _side_by_side(n, 4, room)
    text = Text(field, [*system, *moving], [False] * first + moving, dtype, side)
    fixed, begin = _leaves(system, side)
    fixed += [
        f"const T {name} = *(const T *)leaf{first + j};"
        for j, name in enumerate(("rtol", "atol", "least", "end"))
    ]
    kept = [*(f"y{c}" for c in range(n)), "togo", "h", "lost", "used"]
    watched = [] if looks is None else [f"a{k}" for k in range(looks.accumulators)]
    begin += [
        f"V {name}_{u} = load({_at('entry', k, u)});"
        for k, name in enumerate([*kept, *watched])
        for u in range(side)
    ]
    look, look_before = _look(looks, first + 4, n, dtype, side)
    each = range(side)
    velocity = functools.partial(_velocity, text, first, n)
    body = [
        *fixed,
        *text.before,
        *look_before,
        f"EVERY(b, count, {side}) {{",
        *begin,
        *text.each,
        *(f"V k0_{c}_{u};" for c in range(n) for u in each),
        *velocity("y{c}_{u}", "k0_{c}_{u}"),
        *(line for u in each for line in _first_step(n, u)),
        "for (int i = 0; i < steps; i++) {",
        *(f"const M busy_{u} = togo_{u} > 0;" for u in each),
        f"if (!any_lane({' | '.join(f'busy_{u}' for u in each)})) break;",
        *(f"const V step_{u} = at_most(h_{u}, togo_{u});" for u in each),  # 0 for who has arrived
        *_stages(velocity, n, side),
        *(line for u in each for line in _error(n, u)),
        *look,
        *(line for u in each for line in _accept(n, u, control)),
        "}",
        *(
            f"store({_at('result', k, u)}, {name}_{u});"
            for k, name in enumerate([*kept, *watched])
            for u in each
        ),
        "}",
    ]
    leaves = first + 4 + (0 if looks is None else looks.numbers)
    return "\n".join([*_header(leaves, n + 4 + len(watched)), *body, "}"]) + "\n"


def _velocity(text: Text, first: int, n: int, state: str, result: str) -> list[str]:
    """``result`` = the field at ``state``, both format strings of a component and a vector."""
    program_inputs = [
        f"const V x{first + c}_{u} = {state.format(c=c, u=u)};" for c in range(n) for u in range(text.side)
    ]
    assigned = [
        f"{result.format(c=c, u=u)} = {text.lane(out, u)};"
        for c, out in enumerate(text.program.outputs)
        for u in range(text.side)
    ]
    return ["{", *program_inputs, *text.shared, *text.inner, *assigned, "}"]


def _first_step(n: int, u: int) -> list[str]:
    """A step across a tenth of the state's own size, for a trajectory that has none yet."""
    size = " + ".join(f"y{c}_{u} * y{c}_{u}" for c in range(n))
    speed = " + ".join(f"k0_{c}_{u} * k0_{c}_{u}" for c in range(n))
    return [
        f"h_{u} = choose(h_{u} > 0, h_{u}, "
        f"smaller(togo_{u}, (T).1 * root(({size} + atol) / ({speed} + atol))));"
    ]


def _stages(velocity: Callable[[str, str], list[str]], n: int, side: int) -> list[str]:
    """The six stages: states w, slopes k."""
    lines = []
    for r, row in enumerate(tableau()[0], 1):
        for c in range(n):
            for u in range(side):
                pull = " + ".join(f"{literal(a)} * k{j}_{c}_{u}" for j, a in enumerate(row) if a)
                lines += [f"const V w{r}_{c}_{u} = y{c}_{u} + step_{u} * ({pull});", f"V k{r}_{c}_{u};"]
        lines += velocity(f"w{r}_{{c}}_{{u}}", f"k{r}_{{c}}_{{u}}")
    return lines


def _error(n: int, u: int) -> list[str]:
    """The root mean square over components of (error estimate) / (atol + rtol |y|), and what follows from it."""
    lines, last = [], len(tableau()[0])
    for c in range(n):
        estimate = " + ".join(f"{literal(b)} * k{j}_{c}_{u}" for j, b in enumerate(tableau()[1]) if b)
        scale = f"(atol + rtol * at_least(size(w{last}_{c}_{u}), size(y{c}_{u})))"
        lines.append(f"const V e{c}_{u} = step_{u} * ({estimate}) / {scale};")
    squares = " + ".join(f"e{c}_{u} * e{c}_{u}" for c in range(n))
    return [
        *lines,
        f"const V raw_{u} = root(({squares}) * {literal(1 / n)});",
        f"const V error_{u} = choose(raw_{u} < (T)1e12, raw_{u}, splat((T)1e12));",
        f"const M fine_{u} = busy_{u} & (error_{u} <= 1);",
        f"const M stuck_{u} = busy_{u} & (error_{u} > 1) & (h_{u} <= least);",
    ]


def _accept(n: int, u: int, control: Control) -> list[str]:
    """The step is taken where its error allows it, and the next one's size follows."""
    last = len(tableau()[0])
    factor = (
        f"at_most(at_least({literal(control.safety)} * inverse_fifth_root(error_{u}), "
        f"splat({literal(control.shrink)})), splat({literal(control.grow)}))"
    )
    return [
        *(f"y{c}_{u} = choose(fine_{u}, w{last}_{c}_{u}, y{c}_{u});" for c in range(n)),
        *(f"k0_{c}_{u} = choose(fine_{u}, k{last}_{c}_{u}, k0_{c}_{u});" for c in range(n)),
        f"const V factor_{u} = {factor};",
        # a step cut short by the end says nothing about larger ones
        f"const V limited_{u} = choose(togo_{u} >= h_{u}, factor_{u}, at_most(factor_{u}, splat(1)));",
        f"h_{u} = choose(busy_{u}, at_least(h_{u} * limited_{u}, splat(least)), h_{u});",
        f"togo_{u} = choose(stuck_{u}, splat(0), choose(fine_{u}, togo_{u} - step_{u}, togo_{u}));",
        f"lost_{u} = choose(stuck_{u}, splat(1), lost_{u});",
        f"used_{u} = used_{u} + choose(busy_{u}, splat(1), splat(0));",
    ]


def _look(looks: Looks | None, first: int, n: int, dtype: np.dtype, side: int) -> tuple[list[str], list[str]]:
    """The accumulators along the cubic between the ends of a step that is taken; and what is read and computed once."""
    if looks is None:
        return [], []
    kept, last, each = looks.accumulators, len(tableau()[0]), range(side)
    varies = [False] * looks.numbers + [True] * (kept + 2 * n + 2)
    text = Text(looks.program, varies, varies, dtype, side, ("z", "m"))
    before = [f"const T z{j} = *(const T *)leaf{first + j};" for j in range(looks.numbers)]
    # a step that no lane takes is not looked at: a thread of a GPU, a lane itself, then needs no second set of `a`
    lines = [f"if (any_lane({' | '.join(f'fine_{u}' for u in each)})) {{"]
    lines += [f"V now_a{k}_{u} = a{k}_{u};" for k in range(kept) for u in each]
    lines += [f"V old{c}_{u} = y{c}_{u};" for c in range(n) for u in each]
    lines += [
        f"for (int q = 1; q <= {looks.times}; q++) {{",
        f"const T part = q / (T){looks.times}, rest = 1 - part, rise = part * part * (3 - 2 * part);",
    ]
    for u in each:
        inputs = [f"now_a{k}_{u}" for k in range(kept)]
        inputs += [f"old{c}_{u}" for c in range(n)]
        inputs += [
            f"y{c}_{u} + rise * (w{last}_{c}_{u} - y{c}_{u}) "
            f"+ step_{u} * (part * rest) * (rest * k0_{c}_{u} - part * k{last}_{c}_{u})"
            for c in range(n)
        ]
        inputs += [f"end - (togo_{u} - step_{u}) - rest * step_{u}", f"step_{u} * {literal(1 / looks.times)}"]
        lines += [f"const V z{looks.numbers + j}_{u} = {value};" for j, value in enumerate(inputs)]
    lines += [*text.each, *text.shared, *text.inner]
    for u in each:
        lines += [f"now_a{k}_{u} = {text.lane(out, u)};" for k, out in enumerate(looks.program.outputs)]
        lines += [f"old{c}_{u} = z{looks.numbers + kept + n + c}_{u};" for c in range(n)]
    taken = [f"a{k}_{u} = choose(fine_{u}, now_a{k}_{u}, a{k}_{u});" for k in range(kept) for u in each]
    return [*lines, "}", *taken, "}"], [*before, *text.before]
