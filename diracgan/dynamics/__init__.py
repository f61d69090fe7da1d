"""The motion of the players: the flow, the iterations of rules, and their trajectories."""

from .flow import RuleStep, flow, step
from .simulate import run, simulate
from .trajectory import Trajectory

__all__ = ["RuleStep", "Trajectory", "flow", "run", "simulate", "step"]
