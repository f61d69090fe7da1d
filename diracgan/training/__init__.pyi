from .architecture import Architecture as Architecture, players as players
from .classifier import train_classifier as train_classifier
from .config import Alarms as Alarms, TrainingConfig as TrainingConfig
from .games import game as game, minibatches as minibatches
from .problems import (
    Problem as Problem,
    problem as problem,
    problems as problems,
    register_problem as register_problem,
    samples as samples,
)
from .runs import Run as Run, load_run as load_run, resume as resume, train as train
from .tricks import Trick as Trick, register_trick as register_trick, trick as trick
