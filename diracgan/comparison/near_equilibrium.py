"""Claims A and B: runs of real networks near an exactly known equilibrium."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..analysis.linear.decision import decide_matrices
from ..dynamics.motion_result import MotionResult
from ..jax_settings import own_settings
from ..measure import equilibria, operators
from ..measure.equilibria import Equilibrium, NoEquilibrium, ReducedJacobian
from ..measure.probes import follow
from ..measure.spectrum import probe
from ..numerics.matrix_pencil import pencil
from ..variants import Variant
from . import prediction
from .networks import students
from .protocol import Protocol

KEYS = ("A", "B", "large perturbation", "wrong L2")


@dataclasses.dataclass
class LinearisedEquilibria:
    """A variant at the equilibria of problems of one shape, linearised.

    Attributes:
        variant: which.
        at: games and players, with a leading axis of runs.
        linear: their Jacobians.
        keys: the (problem, seed) of each run.
        scale: the modulus of the fastest eigenvalue, (S,).
    """

    variant: Variant
    at: Equilibrium
    linear: ReducedJacobian
    keys: list[tuple[str, int]]
    scale: np.ndarray


@dataclasses.dataclass
class SeededRun:
    """One run: where it starts and what is expected of it."""

    run: int
    lr: float
    direction: np.ndarray  # in the reduced coordinates, complex
    record: dict[str, Any]


def linearised(variant: Variant, protocol: Protocol, problems: list[str]) -> LinearisedEquilibria:
    """Put a variant on its exact equilibria; in 64 bits.

    Raises:
        NoEquilibrium: when it does not rest there, or has no derivative there.
    """
    networks, z, keys = students(protocol, problems)
    at = equilibria.teachers(variant, networks, z)
    _, defect = probe(
        at.game, at.players, protocol.seed0, lambda v: equilibria.products(at.game, at.players, v)
    )
    if np.any(defect > 1e-3):
        raise NoEquilibrium(
            f"{variant.label} has no derivative at its equilibrium, so there is no linear theory"
        )
    linear = equilibria.compressed(equilibria.reduced(at.game, at.players))
    scale = np.abs(decide_matrices(linear.jacobian, discrete=False).eigenvalues).max(axis=1)
    if not np.all(scale > 1e-12):
        raise NoEquilibrium(f"{variant.label} is flat at its equilibrium: no mode moves")
    return LinearisedEquilibria(variant, at, linear, keys, scale)


def claims(variant: Variant, protocol: Protocol, problems: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The records of one variant: of claims A and B, and of the controls that must fail.

    Raises:
        NoEquilibrium: when the variant does not rest at a constant critic, or has no derivative there.
    """
    how, wrong = protocol["equilibrium"], protocol["controls"]
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in KEYS}
    with own_settings(True):
        on = linearised(variant, protocol, problems)
        for name in how["rules"]:
            linear, toys = _eigenmode_runs(on, name, how), _toy_runs(on, name, how)
            follow_runs(on, name, [*linear, *toys], how, how["perturbation"])
            found["A"] += [one.record for one in linear]
            found["B"] += [one.record for one in toys]
            found["wrong L2"] += _wrongly_damped(on, name, linear, how, wrong["wrong_l2"])
            if name == how["rules"][0]:  # a control is as good under one rule, and costs as much as a claim
                again = [dataclasses.replace(one, record=dict(one.record)) for one in (*linear, *toys)]
                follow_runs(on, name, again, how, wrong["large_perturbation"])
                kept = [x.record for x in again if x.record["kind"] in ("leading", "fastest")]
                found["large perturbation"] += kept
    return found


def _wrongly_damped(
    on: LinearisedEquilibria, name: str, seeded: list[SeededRun], how: dict[str, Any], l2: float
) -> list[dict[str, Any]]:
    """The runs against the prediction for a critic with another L2 penalty."""
    jacobians = on.linear.jacobian.copy()
    half = range(on.linear.half)
    jacobians[:, half, half] -= l2
    wrong = prediction.steps(name, how["eta"] / on.scale, jacobians)
    records = []
    for one in (x for x in seeded if x.record["kind"] == "leading"):
        mode = prediction.modes(wrong[one.run], how["slowest"])[0]
        record = {**one.record, "predicted": mode.multiplier}
        judge(record, how)
        records.append(record)
    return records


def _record(on: LinearisedEquilibria, i: int, name: str, lr: float, **more: Any) -> dict[str, Any]:
    problem, seed = on.keys[i]
    own = {"variant": on.variant.label, "problem": problem, "seed": seed, "rule": name, "lr": float(lr)}
    return {**own, "frozen_features": on.at.frozen, **more}


def _eigenmode_runs(on: LinearisedEquilibria, name: str, how: dict[str, Any]) -> list[SeededRun]:
    lr = how["eta"] / on.scale
    seeded = []
    for i, matrix in enumerate(prediction.steps(name, lr, on.linear.jacobian)):
        found = prediction.modes(matrix, how["slowest"])
        fastest = max(found, key=lambda m: abs(m.multiplier - 1.0))
        for kind, mode in (("leading", found[0]), ("fastest", fastest)):
            record = _record(on, i, name, lr[i], kind=kind, predicted=mode.multiplier)
            seeded.append(SeededRun(i, lr[i], mode.vector, record))
    limit = prediction.critical(name, on.linear.jacobian, on.scale, how)
    factors = zip(how["critical"], how["never_stable"], strict=True)
    low, high = (np.where(limit > 0, f * limit, e / on.scale) for f, e in factors)
    for side, rate in (("below", low), ("above", high)):
        known = np.isfinite(rate)
        matrices = prediction.steps(name, np.where(known, rate, lr), on.linear.jacobian)
        for i in np.flatnonzero(known).tolist():
            mode = prediction.modes(matrices[i], how["slowest"])[0]
            more = {"critical": float(limit[i]), "side": side, "predicted": mode.multiplier}
            seeded.append(
                SeededRun(i, rate[i], mode.vector, _record(on, i, name, rate[i], kind="critical", **more))
            )
    return seeded


def _toy_runs(on: LinearisedEquilibria, name: str, how: dict[str, Any]) -> list[SeededRun]:
    lr = how["eta"] / on.scale
    seeded: list[SeededRun] = []
    matrices = prediction.steps(name, lr, on.linear.jacobian)
    for i, matrix in enumerate(matrices):
        parts = (on.linear.damping[i], on.linear.coupling[i], on.linear.response[i])
        found = prediction.modes(matrix, how["slowest"])
        for toy in prediction.toys(on.variant, *parts, how):
            near = _nearest(found, toy)
            record = _record(
                on, i, name, lr[i], kind="toy", mode=toy.index, sigma=toy.sigma, overlap=toy.overlap
            )
            record["predicted"] = {"full": near.multiplier}
            for kind, small in (("bare", toy.bare), ("corrected", toy.corrected)):
                record["predicted"][kind] = _leading(prediction.steps(name, lr[i : i + 1], small[None])[0])
            seeded.append(SeededRun(i, lr[i], near.vector, record))
    return seeded


def _leading(matrix: np.ndarray) -> complex:
    if not np.all(np.isfinite(matrix)):
        return complex("nan")
    values = decide_matrices(matrix[None], discrete=True).eigenvalues[0]
    values = values[values.imag > -1e-12]
    return complex(values[np.argmax(np.abs(values))])


def _nearest(found: list[prediction.StepMode], toy: prediction.Toy) -> prediction.StepMode:
    """The mode that lies most in a toy's plane; of two overdamped ones that do, the slower."""
    shares = np.array([_overlap(m.vector, toy) for m in found])
    return found[int(np.argmax(shares >= 0.5 * shares.max()))]


def _overlap(vector: np.ndarray, toy: prediction.Toy) -> float:
    p = len(toy.critic)
    part = abs(toy.critic @ vector[:p]) ** 2 + abs(toy.generator @ vector[p:]) ** 2
    return float(part / np.sum(np.abs(vector) ** 2))


def follow_runs(
    on: LinearisedEquilibria, name: str, seeded: list[SeededRun], how: dict[str, Any], length: float
) -> None:
    """Run every one from its seeded deviation and write what was measured into its record."""
    runs = np.array([one.run for one in seeded])
    games, players = jax.tree.map(lambda x: x[runs], (on.at.game, on.at.players))
    starts = np.stack([on.linear.basis[one.run] @ _phased(one) for one in seeded])
    starts *= length / np.linalg.norm(starts, axis=1, keepdims=True)
    n = starts.shape[1]
    probes = np.random.default_rng(0).standard_normal((n, 8)) / np.sqrt(n)
    rules = prediction.made(name, np.array([one.lr for one in seeded]))
    _, path = follow(
        rules, games, operators.moved(players, jnp.asarray(starts)), jnp.asarray(probes), how["steps"]
    )
    rest = np.asarray(jax.vmap(operators.flat)(players)) @ probes
    path = np.asarray(path) - rest[:, None]
    for one, deviation in zip(seeded, path, strict=True):
        _judge(one.record, deviation, how)


def _phased(one: SeededRun) -> np.ndarray:
    """The real start on a complex mode, at a phase of the seed's."""
    phase = np.random.default_rng([one.record["seed"], 3]).uniform(0, 2 * np.pi)
    y = np.real(np.exp(1j * phase) * one.direction)
    return y if np.linalg.norm(y) > 1e-3 * np.linalg.norm(one.direction) else np.abs(one.direction)


def measured(deviation: np.ndarray, how: dict[str, Any]) -> complex:
    """The multiplier of a run on one mode, from its trajectory alone; NaN of a run that left the window at once."""
    size = np.linalg.norm(deviation, axis=1)
    inside = np.isfinite(size) & (size < how["window"] * size[0]) & (size > size[0] / how["window"])
    rows = len(inside) if inside.all() else int(np.argmin(inside))
    if rows < 4:
        return complex("nan")
    found = pencil(deviation[:rows], rank=2, cutoff=how["rank_cutoff"])
    found = found[np.isfinite(found)]
    return complex(found[0].real, abs(found[0].imag)) if len(found) else complex("nan")


def _judge(record: dict[str, Any], deviation: np.ndarray, how: dict[str, Any]) -> None:
    value = measured(deviation, how)
    finite = bool(np.all(np.isfinite(deviation)))
    record |= {"measured": value, "result": (MotionResult.OK if finite else MotionResult.DIVERGED).value}
    said = prediction.verdict(value, how["neutral"])
    record["verdict"] = said
    if record["kind"] == "toy":
        named = record["predicted"]
        record["errors"] = {k: _error(value, p) for k, p in named.items()}
        record["verdicts"] = {k: prediction.verdict(p, how["neutral"]) for k, p in named.items()}
        record["agreements"] = {k: v == said and np.isfinite(named[k]) for k, v in record["verdicts"].items()}
        record["agree"] = record["agreements"]["corrected"]
        return
    judge(record, how)
    if record["kind"] == "critical":
        expected, got = (np.log(max(abs(x), 1e-300)) for x in (record["predicted"], value))
        record["growth_error"] = float(abs(got - expected) / max(abs(expected), how["neutral"]))


def judge(record: dict[str, Any], how: dict[str, Any]) -> None:
    """Write into a record whether what was measured is what was predicted."""
    record["expected"] = prediction.verdict(record["predicted"], how["neutral"])
    record["error"] = _error(record["measured"], record["predicted"])
    record["agree"] = record["expected"] == record["verdict"]


def _error(measured: complex, predicted: complex) -> float:
    """Of an eigenvalue, as a share of what the step does: |measured - predicted|/|predicted - 1|."""
    return float(abs(measured - predicted) / max(abs(predicted - 1.0), 1e-300))
