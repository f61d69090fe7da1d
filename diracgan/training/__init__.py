"""Real games: networks and data, moved by the same losses, penalties and rules as the Dirac system.

    run = dg.train("ns:r1=0.1", "ring8", steps=5000, out="run")
    run = dg.training.load_run("run", which="best")

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._callable import load_on_use

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

load_on_use(
    __name__,
    classifier=("train_classifier",),
    games=("game", "minibatches"),
    networks=("Architecture", "players"),
    plan=("Alarms", "Course"),
    problems=("Problem", "problem", "problems"),
    runs=("Run", "load_run", "resume", "train"),
    tricks=("Trick", "register_trick", "trick"),
)
