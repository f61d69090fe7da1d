"""How the players move: the flow, the rules, and the trajectories they make."""

from .flow import Step, flow, step
from .rules import Rule, register_rule, rule, rules
from .simulate import run, simulate
from .trajectory import Trajectory

__all__ = ["Rule", "Step", "Trajectory", "flow", "register_rule", "rule", "rules", "run", "simulate", "step"]
