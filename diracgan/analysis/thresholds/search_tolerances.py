"""Every tolerance of the searches for thresholds and for the fastest decay, with its reason: one record, ``S``.

Most are relative: to a parameter's range, to its value, to a margin or to the error of one.
"""

from __future__ import annotations

import dataclasses
import math

from ..decision_thresholds import T


@dataclasses.dataclass(frozen=True)
class SearchTolerances:
    """The tolerances of the searches; see the comment at each."""

    # ---------------------------------------------------------------- rounding
    eps: float = T.eps  # of a float
    neighbours: float = 4.0  # roundings of a value: nearer to it no other is looked at
    nothing: float = 1e-18  # the same about 0
    # of a range: what is not told from its end, and how far an end that is not allowed is kept clear of
    end: float = 1e-9
    # of a range: a value so small is measured by the range, which it may lie at any place of
    small: float = 1e-3

    # ---------------------------------------------------------------- coordinates of a search
    wide: float = 50.0  # an upper end over a lower end from which coordinates are denser near the lower one
    lowest: float = 0.02  # in place of a lower end that is smaller
    denser: float = math.log(1e5)  # how much denser: as if over five decades
    even: float = 1e-9  # the same of a range that is not wide: as good as linear

    # ---------------------------------------------------------------- the global search: differential evolution
    generations: int = 120  # at most; three or four parameters have converged by then
    population_spread: tuple[float, float] = (1e-9, 1e-12)  # relative and absolute, at which it has converged
    mutation: tuple[float, float] = (0.4, 0.9)  # dithered: what is known to cope with valleys
    recombination: float = 0.8
    faces: int = 3  # parameters, of more of which ends of ranges are not tried one by one

    # ---------------------------------------------------------------- the local search: simplex after simplex
    simplices: int = 12  # each a tenth of the one before: from a twentieth of a value to its rounding
    fewer_simplices: int = 5  # where only two ends are compared
    smaller: float = 0.1
    first_simplex: float = 0.05  # of a value
    last_simplex: float = 1e-15  # of a value
    steps_of_a_simplex: int = 120  # for each parameter

    # ---------------------------------------------------------------- where the derivative vanishes
    root: float = 1e-15  # relative size of Newton's last step
    root_factor: float = 0.1  # of the first step: the start is close
    root_moved: float = 1e-4  # of a value: a root further away belongs to another minimum
    root_slope: float = 1e-8  # a derivative that is larger there does not vanish
    root_gain: float = 1e-12  # by which the rate may be worse there, for rounding
    same_height: float = 1e-9  # of an eigenvalue: others that decay as fast, with which there is a kink
    arrives_at_once: float = 1e-6  # a modulus that has no phase to rounding, and is as good as 0
    overlap: float = 1e-6  # least singular value of left times right eigenvectors: below, a Jordan block

    # ---------------------------------------------------------------- what is said in the end
    near_end: float = 1e-5  # of a range: nearer to its end the end itself is tried
    digits: tuple[int, ...] = (6, 9, 12)  # of the shorter numbers that are tried
    shorter: float = 1e-9  # of a value: how far a shorter one may be where the minimum is a kink or a cusp
    shorter_smooth: float = 1e-12  # the same of a smooth one, found to more digits
    shorter_small: float = 1e-2  # a value below counts as this: its own digits are not many
    away: float = 0.1  # of the coordinates: so far from the best another one is looked for
    elsewhere: float = 0.02  # of the coordinates: where that search ends further off, it is another one
    as_good: float = 1e-6  # of a rate

    # ---------------------------------------------------------------- values of a parameter that are looked at
    most_integers: int = 512
    integers: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 16, 32, 64)  # each value is a program of its own
    integers_apart: int = 64  # beyond those
    values_near_ends: int = 96  # ever closer to the ends of a range, down to ``end`` of it
    values_near_zero: int = 40  # on either side
    clear: float = 1e2  # times its error: a margin whose size is known to a hundredth
    dips: tuple[int, int, int] = (6, 16, 15)  # rounds, dips of |margin| in a round, values across each
    dip: float = 1e-7  # of a value: narrower dips are not looked into
    third_status: int = 3  # times that a status between two others is followed to both of its ends

    # ---------------------------------------------------------------- marginal by rounding, or truly
    same_end: float = 1e-11  # of an end of a range, or of 1: a change so close to it happens there
    zero: float = 2.0  # times its error: a threshold nearer to 0 is 0
    # of a range, and of the values: a marginal stretch so narrow is one value
    narrow: tuple[float, float] = (1e-5, 1e-3)
    law: tuple[float, float, int] = (0.02, 0.9, 16)  # of its width: from where to where a law is read, values
    law_values: int = 4  # of these that must be decided
    # of the way to the next change: where the margin first exceeds its error is looked for, values
    seen_late: tuple[float, float, int] = (1e-12, 1e-2, 40)
    closest: tuple[int, int] = (3, 6)  # least and most of these that tell the law there
    flat: float = 0.1  # exponent of that law, below which it tells nothing
    least_width: float = 8.0  # times the distance of neighbours: the width of a change in one step
    beside: float = 64.0  # times the width of a change: where margins of both sides are known


S = SearchTolerances()
