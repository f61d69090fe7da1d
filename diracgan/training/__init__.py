"""Real games: networks and data, moved by the same losses, penalties and rules as the Dirac system.

    run = dg.train("ns:r1=0.1", "ring8", steps=5000, out="run")
    run = dg.training.load_run("run", which="best")

Names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "Alarms": "plan",
    "Architecture": "networks",
    "Course": "plan",
    "Problem": "problems",
    "Run": "runs",
    "Trick": "tricks",
    "game": "games",
    "load_run": "runs",
    "minibatches": "games",
    "players": "networks",
    "problem": "problems",
    "problems": "problems",
    "register_trick": "tricks",
    "resume": "runs",
    "train": "runs",
    "train_classifier": "classifier",
    "trick": "tricks",
}

__all__ = [
    "Alarms",
    "Architecture",
    "Course",
    "Problem",
    "Run",
    "Trick",
    "game",
    "load_run",
    "minibatches",
    "players",
    "problem",
    "problems",
    "register_trick",
    "resume",
    "train",
    "train_classifier",
    "trick",
]

if TYPE_CHECKING:
    from .classifier import train_classifier
    from .games import game, minibatches
    from .networks import Architecture, players
    from .plan import Alarms, Course
    from .problems import Problem, problem, problems
    from .runs import Run, load_run, resume, train
    from .tricks import Trick, register_trick, trick


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'diracgan.training' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
