"""Real games: networks and data, moved by the same losses, penalties and rules as the Dirac system.

    run = dg.train("ns:r1=0.1", "ring8", steps=5000, out="run")
    run = dg.training.load_run("run", which="best")

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import load_on_use

__all__ = [
    "Alarms",
    "Architecture",
    "Problem",
    "Run",
    "TrainingConfig",
    "Trick",
    "game",
    "load_run",
    "minibatches",
    "players",
    "problem",
    "problems",
    "register_problem",
    "register_trick",
    "resume",
    "samples",
    "train",
    "train_classifier",
    "trick",
]

if TYPE_CHECKING:
    from .classifier import train_classifier
    from .config import Alarms, TrainingConfig
    from .games import game, minibatches
    from .networks import Architecture, players
    from .problems import Problem, problem, problems, register_problem, samples
    from .runs import Run, load_run, resume, train
    from .tricks import Trick, register_trick, trick

load_on_use(
    __name__,
    {
        "classifier": ("train_classifier",),
        "games": ("game", "minibatches"),
        "networks": ("Architecture", "players"),
        "config": ("Alarms", "TrainingConfig"),
        "problems": ("Problem", "problem", "problems", "register_problem", "samples"),
        "runs": ("Run", "load_run", "resume", "train"),
        "tricks": ("Trick", "register_trick", "trick"),
    },
)
