"""How the players move: the flow, the rules, and the trajectories they make."""

from .flow import Step, flow, step
from .simulate import run, simulate
from .trajectory import Trajectory

__all__ = ["Step", "Trajectory", "flow", "run", "simulate", "step"]
