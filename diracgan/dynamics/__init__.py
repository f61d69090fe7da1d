"""How the players move: the flow, the rules, and the trajectories they make."""

from .flow import RuleStep, flow, step
from .simulate import run, simulate
from .trajectory import Trajectory

__all__ = ["RuleStep", "Trajectory", "flow", "run", "simulate", "step"]
