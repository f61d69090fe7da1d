from ..verdict.kicks import Kick as Kick, kick as kick
from .adaptive_chart import AdaptiveChart as AdaptiveChart, adaptive_chart as adaptive_chart
from .atlas import Atlas as Atlas, atlas as atlas
from .attractors import (
    Attractor as Attractor,
    Attractors as Attractors,
    Edge as Edge,
    attractors as attractors,
)
from .branch import Branch as Branch, branch as branch, others as others, switch as switch
from .circle_branch import (
    CircleBranch as CircleBranch,
    CirclePoint as CirclePoint,
    born_circles as born_circles,
)
from .circles import Circle as Circle, circle as circle
from .curves import (
    CodimensionTwo as CodimensionTwo,
    Curve as Curve,
    curve as curve,
    no_useful_linearisation as no_useful_linearisation,
    sensitivity as sensitivity,
)
from .cycle_points import CyclePoint as CyclePoint
from .cycles import (
    CycleBranch as CycleBranch,
    born_cycles as born_cycles,
    cycles as cycles,
    doubled_cycles as doubled_cycles,
)
from .points import Bifurcation as Bifurcation
from .rotating import rotating_states as rotating_states
from .threshold import threshold as threshold
