"""Every threshold by which a verdict's judges decide, with its reason: one record, ``T``.

All are relative: to the size of the motion, to a rate, to a period, or to the rounding of what they are compared with.
A judge that needs another one adds it here.
"""

from __future__ import annotations

import dataclasses

from ..errors import number


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """The thresholds of the judges; see the comment at each."""

    # ---------------------------------------------------------------- following
    budget: float = 2.0e7  # field evaluations at effort 1: about ten seconds on one core
    largest_effort: float = 1e4  # that may be asked for: a day on one core
    turns: int = 8  # turns in a window: enough to average over, few enough to be seen at once
    skip: float = 0.6  # share of the time so far between windows: laws are seen over decades of time
    rounds: int = 60  # windows at most; with `skip` more than any budget reaches
    shortest_window: float = 16.0  # iterations that a turn of a map takes at least: 128 iterations a window
    # a turn in units of the fastest time scale: slower motions are found by growing windows
    longest_turn: float = 1e5
    as_guessed: tuple[float, float] = (0.6, 1.7)  # seen over guessed period within which the guess stands
    longest_correction: float = 50.0  # by which one look may correct the guessed period
    widening: float = 2.5  # of a window that has not seen three turns, where no eigenvalue told their time
    slow_sizes: float = 0.5  # spread of the sizes of four windows of a slow turn, each of another part of it
    slow_ways: float = 0.2  # of the widest of these windows: what rests or creeps goes ever less far
    widenings: int = 4  # such corrections: 40 times the guess in all
    # decays of the fastest mode in a whole run, and in a stretch, above which explicit steps are as many as these
    stiff_run: float = 2e4
    stiff_window: float = 1e3
    implicit: tuple[float, float] = (1e-9, 1e-12)  # tolerances of implicit steps; the second times the size
    implicit_steps: int = 100  # after which the flow may no longer be stiff
    implicit_step: float = 4e3  # evaluations in compiled C that take as long as such a step
    frame_rests: float = 1e-7  # of the field: a shape that moves by less in the frame that turns with it
    frame_steps: int = 1000  # implicit, within which a shape comes to rest in the frame that turns with it
    frame_lasts: float = 1e12  # times as long as it was followed before: a run of such steps has no other end

    # ---------------------------------------------------------------- rounding
    eps: float = 2.220446049250313e-16  # of a float
    rest_rounding: float = 8.0  # times the rounding of the state and the field: what is not told from rest
    # of a state's size: shown as 0, and the least distance from a datum that is told from 0
    rounding: float = 1e-12
    steps_rounding: float = 1e-9  # of an amplitude: what rounding adds up to over a window
    # of the fastest rate: a rate below counts as 0 unless its error bound says that it is not
    slowest: float = 1e-9
    tiny: float = 1e-300  # in place of 0 in a denominator

    # ---------------------------------------------------------------- exponential convergence
    shrinks: float = 0.9  # diameter from window to window below which a point may be approached
    reach: float = 10.0  # diameters of a window within which Newton may find its rest point
    arrived: float = 1e-9  # of the first window's diameter: a motion nearer than this has arrived
    # of the decades that a motion must have fallen to arrive, at its rate and in its time
    in_time: float = 0.5
    # of the state: a window whose last eighth moves less rests on a discontinuity
    tail_at_rest: float = 1e-10
    same_rate: float = 0.05  # by which a measured rate may differ from the eigenvalue that explains it
    outruns: float = 0.5  # of the slowest eigenvalue's rate: a slower approach is not that eigenvalue's
    shared_way: float = 1 - 1e-9  # the cosine of two ways that are one
    same_point: float = 1e-6  # of the motion's first size: a rest point nearer to (0, x0) is (0, x0)
    # of the first diameter, below which the slope of log r is the slowest eigenvalue's
    asymptotic: float = 1e-3
    above_rounding: float = 1e-10  # of the limit's size: nearer than this log r is rounding
    rows_of_a_slope: int = 64  # rows in that range that a slope takes
    seen_to_decay: float = 1e-2  # of the first amplitude: a fall by measurement alone has gone this far
    steady_rate: float = 0.01  # relative spread of a rate measured in windows or from returns
    fallen_by_decades: float = 1e-12  # of the amplitude five windows ago: a fall that is seen between them
    rough_rate: float = 0.1  # by which a rate may vary on a way to rest that ended below rounding
    steady_slope: float = 0.03  # by which the slope within a window may differ from that between windows
    nears_rate: float = 0.3  # by which a rate still on its way to the eigenvalue may be off
    settled_rate: float = 0.02  # below which it has got there
    plunge: float = 0.1  # of the distance within one window: so fast a fall is soon too small to be seen
    blurred: float = 1e-5  # of the motion's scale: nearer to a surface than this, switchings blur it
    slacks: float = 100.0  # of a surface that is left, beside a datum: the same
    memory: float = 1e-9  # share of an eigenvector's length below which the players do not move in its mode
    same_eigenvalue: float = 1e-7  # relative distance of one eigenvalue computed twice

    # ---------------------------------------------------------------- laws
    windows_of_a_law: int = 8  # windows from which a law is read
    transient: int = 2  # windows left out before a law is fitted: still shaped by the start
    monotone: int = 5  # last windows that must all fall (or rise)
    fallen: float = 0.5  # of the first amplitude: what has fallen less follows no law yet
    fallen_at_last: float = 0.8  # the same when the budget is spent
    # of the first amplitude: a fall within one window that is followed by a law has gone this far
    fallen_within: float = 1e-2
    grown: float = 1e3  # times the first amplitude: three decades of a law of growth
    grown_at_last: float = 2.0  # the same when the budget is spent, for growth by a law whose fit is good
    law_error: float = 0.02  # relative error of an exponent that is believed at once
    law_error_at_last: float = 0.1  # the same when the budget is spent
    # error of the exponent of a growth by its speed: half the least distance of fractions with denominators up to 6,
    # 1/6 and 1/5, so that none but one is within it
    growth_error: float = 1 / 60
    far_fallen: float = 0.02  # of the first amplitude: a law seen over so much needs no more time
    enough_spent: float = 0.35  # share of the budget after which a law over less is believed
    keeps_growing: float = 1e-3  # relative growth from window to window that is not an approach to a limit
    no_slower: float = 0.9  # of the growth before: growth that does not slow down
    same_degree: float = 0.05  # by which the degree of the field's curvature may vary along directions
    curved: float = 1.05  # degree above which the field is curved at all
    # by which a fitted exponent may differ from 1/(q - 1) to be replaced by it
    exponent_of_degree: float = 0.04
    smaller: tuple[float, ...] = (1.0, 1e-2, 1e-4)  # shares of an amplitude at which the degree is looked at
    known_bend: float = 64.0  # roundings of a field: less curvature than this has no degree
    bent_by_logarithm: float = 0.3  # by which a logarithm may bend a fitted exponent
    whole_power: float = 0.1  # of a logarithm: a measured power nearer to 1 than this is 1
    # of a motion enlarged again and again: the largest share that the curved terms are of it in a turn
    fall_in_a_turn: float = 0.05
    near_aim: tuple[float, float] = (0.8, 1.25)  # times the size at which they are: near enough
    nearer: float = 0.5  # of a size at which the field is of no one degree
    turns_of_a_leg: float = 40.0  # after which it is enlarged
    legs: int = 120  # at most
    legs_spend: float = 2.0  # times the budget: spent by then, no further leg is begun
    steady_legs: int = 4  # over which a rate that is that of the end changes by less than
    steady_leg: float = 1e-3
    shapes: int = 3  # at which a rate may stay for a while
    beside_shape: float = 0.3  # of a shape: a neighbour, which ends at the same rate
    same_leg: float = 0.01  # by which these rates may differ
    finer_leg: float = 4.0  # times as small a share in a turn, for what averaging leaves out
    falls_on: float = 1e-2  # of the largest rate: a slower fall comes to an end
    far_crept: float = 1e-6  # of the first diameter: a creep that needs no more time to be seen
    creep_shrinks: float = 1e-2  # of the first diameter: a creep to a point has slowed down this much
    # of successive distances at times of windows, by the law: above, the limit is too far to say
    creep_ratio: float = 0.95
    creep_away: float = 1e-3  # of the first amplitude: a limit nearer to (0, x0) is not told from it
    creep_off: float = 0.25  # of the way left, which windows of one factor tell only roughly: the same
    outward: float = 0.25  # share of directions that must lead outward where none leads inward
    exponential: float = 1e-2  # relative spread of the growth rates of a growth that is exponential
    # growth rate |F|/|z| at the end over that half-way, which tells a blow-up from exponential
    blow_up: float = 50.0
    # share of a motion's time that is left out where it cannot be followed again
    before_the_end: float = 1e-9
    # of its first size: an exponential growth so far has left every scale of the losses
    far_out: float = 1e12
    hastens: float = 30.0  # times as fast for its size: a motion of which no effort sees much more
    steps_directions: int = 64  # directions in which steps are tried for leading inward
    steps_radii: tuple[float, float, int] = (1.0, 100.0, 9)  # from where to where, in how many circles
    change_rounding: tuple[float, float] = (
        5.0,
        50.0,
    )  # roundings of |z|^2 and of |z| |dz| in a change of |z|^2
    beside_stuck: float = 1e-6  # of a state at rest: where the field beside it is looked at
    # of the first diameter: distances between which |F|/r grows alike where the field is as steep as a root; the first
    # three are looked at always, the others where floats tell them apart
    beside_root: tuple[float, ...] = (
        *(1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-18, 1e-21, 1e-24, 1e-27),
        *(1e-30, 1e-50, 1e-80),
    )
    told_apart: float = 1e3  # roundings of a point: nearer to it the field is not looked at
    step_to_a_rest: float = (
        0.1  # of log r: steps in which a motion is followed to where a root brings it to rest
    )
    rest_told: float = 1e-6  # of the time so far: what is left to a rest needs no better estimate
    leads_in: float = 0.5  # cosine of a field that leads to the point against the way that is looked along
    # 1 - p of a speed r^p: with p < 0.96, and not that of a jump
    steeper: tuple[float, float] = (0.0376, 0.9)
    grows: float = 0.0072  # the same: what grows by more has no slope
    steeper_alike: float = 0.1  # by which that growth may differ: that of a logarithm does by a fifth
    nearer_stuck: float = 1e-6  # of that, where a jump is as large, a root is not, nor a steep layer
    large: float = 1e3  # times the motion's first size: what stops nearer is a singularity of the field
    near_the_end: float = 0.9  # of the last rows of a blow-up: from there on its time is told no more
    grows_at_the_end: float = 1.5  # it grows by more: a pole of degree p by 1e14^p, a law t^p by 1.1^p

    # ---------------------------------------------------------------- orbits
    settled: float = 3e-6  # relative change of squared extents between windows: the orbit no longer changes
    settled_at_kinks: float = 3e-3  # the same where a kink of the motion falls between two rows of a window
    drifts: float = (
        0.1  # of a window's diameter: extents that change by more belong to a drift, not to an orbit
    )
    # of its least distance r from (0, x0), an orbit's diameter D: where it is no more than half of `settled_at_kinks`,
    # a way by D changes r^2 by no more than that, and the drift could not be told from rest
    far_orbit: float = 1e-3
    steady_pace: float = (
        0.05  # by which the pace of its middle may differ: half of the one digit that is told of it
    )
    moved: float = 1e-4  # relative change since the start above which the motion was attracted
    patience: float = 300.0  # turns that an orbit must keep before it counts as neutral
    patience_spent: float = 0.2  # share of the budget after which it counts without
    no_orbit: float = 1e-7  # of the first diameter: a motion smaller than this is at a point
    round_: float = 1e-5  # relative spread below which a radius is constant
    nearly_round: float = 1e-3  # relative spread below which Newton looks for a state that only turns
    on_orbit: float = 1e-3  # of the orbit: a refined orbit further away is another one
    still_nears: float = 1e-8  # change of squared extents below which an orbit counts as reached
    given_up: float = 0.5  # share of the budget after which an orbit that does not close is undecided
    wander_windows: int = 10  # windows before an orbit that never repeats is looked at
    wander_size: float = 2e-2  # relative spread of the sizes of late windows without a trend
    wander_extents: float = 0.1  # the same of their extents
    wander_diameter: float = 1e-3  # of the extents: a smaller motion is a point at which steps are too small
    longer_windows: tuple[float, ...] = (8.0, 64.0)  # times as long, for a turn longer than a window
    almost_back: float = 0.2  # of a motion's deviation: so near it comes back to where it was on a curve
    # times as far after twice the steps: 2 on a smooth curve, 1.4 on one with jumps, 0.4 on Feigenbaum's set
    goes_on: float = 1.2
    most_curves: int = 16  # that steps are seen to visit in turn
    curves_apart: float = (
        3.0  # times the largest distance between neighbours on one: the least between two of these
    )
    semistable: float = 0.1  # by which the limit of a power law may differ from the last amplitude
    conserved: float = 1e-7  # relative drift of what counts as conserved
    conserved_size: float = 1e-9  # of |z|^2: a smaller quantity is 0
    balanced: float = 1e-6  # a weight nearer to 0 or to 1 is 0 or 1
    held_up: float = 1e-6  # relative change of the wedge below which it keeps the motion away from (0, x0)
    lyapunov_error: float = 1e-3  # of multipliers from Lyapunov exponents over some ten thousand iterations
    known_multipliers: float = 0.5  # largest error of multipliers that are named
    # largest error of a multiplier that counts as on the unit circle beside others that attract: `drifts`/`turns`,
    # rounded down, so that over a window it changes a distance from the orbit by less than a drift is told by
    known_neutral: float = 1e-2
    # of single steps: the largest of so many is that of their circle but for the square of how far apart they lie on it
    stretches_met: int = 16
    # the same on a torus, on which the largest of n steps is that of the torus but for some 1/n: this is a few 1e-5
    stretches_met_on_a_torus: int = 200
    # in a turn, by which the mean period of steps is told: not near a whole number, so that rows of slow turns fall on
    # ever other places of them
    rows_of_a_period: float = 8.4
    lyapunov_turns: float = 40.0  # over which they are looked at first
    # least and most of these iterations, and as many as there are where these leave the leading one in doubt, a little
    # and by more than what counts as known
    lyapunov_iterations: tuple[int, int, int, int] = (2000, 20000, 200_000, 1_000_000)
    # least error of the multiplier of an orbit in which two meet: Newton finds it to a root of its tolerance
    semistable_multiplier: float = 1e-2
    chaotic_iterations: int = 200_000  # of a motion that may be chaotic, for an exponent to one per cent
    slows_down: float = 1.5  # times as long a turn after so many: no orbit that was reached
    chaotic_turns: int = 400  # the same of a flow that may be
    steps_in_a_turn: int = 100  # Runge-Kutta steps that follow its neighbours, at least
    steps_in_a_time: float = 1.0  # the same in one over the field's largest eigenvalue along the motion
    rows_between_slopes: int = 8  # of a window, at every so many of which that is looked at
    # of a flow, or of steps that take long for a turn, in which lines of a spectrum are told apart
    turns_of_lines: int = 60
    chaotic: float = 2.0  # times an exponent's error, above which it is positive
    no_exponent: float = 1e-4  # an exponent per iteration, or turn of a flow, nearer to 0 than this is 0
    strange_sizes: float = 3.0  # by which the sizes of late windows of a strange motion may differ
    walks: float = 2.0  # times the range of a sixteenth of a run: what goes further may not stay bounded
    strange_windows: int = 5  # between two looks at the exponents
    separated: float = 20.0  # e-foldings after which neighbours on a strange set are anywhere on it
    share_paired: float = 0.01  # of all pairs: the nearest of them
    pairs_followed: int = 200  # of these, over that time
    remembered: float = (
        0.5  # slope of a pair's log distance then on that before: 1 on a curve, 0 on a strange set
    )
    same_place: float = 1e-12  # of the set: rows that are nearer are one point
    stays_near: float = 0.1  # of the set: a pair of one point that stays nearer has not separated
    rows_in_a_turn: float = 8.0  # of steps, in which slower lines than a turn's are told apart
    lines: int = 12  # of a spectrum that are looked at
    line: float = 0.05  # turns in all rows, by which the frequency of a line may be off
    fundamental: float = 0.004  # the same of the strongest, of which multiples are taken
    faintest_line: float = (
        1e-4  # of the strongest line's power: a weaker one is not a frequency of the motion
    )
    # of the solver's tolerances, by which a drift is shown to be the solver's
    loosened: tuple[float, float] = (1e6, 1e2)
    no_variation: float = 1e-16  # variance of a square, of its mean squared: rounding
    alike: float = 0.5  # of a motion's size, at least, on a start that stands for it
    # of the size at which the field is bent: an orbit of a marginal equilibrium that is large enough to be followed
    enclosing: float = 0.25
    same_at_sizes: float = 0.02  # by which the ends of two starts may differ, each in units of its size
    enclosing_size: float = 0.5  # of that size: the orbit around it that is followed in its place
    another: float = 0.5  # of the budget: what following another start may take
    # of that size: where the cubic law is looked for
    normal_form_sizes: tuple[float, ...] = (0.1, 0.03, 0.01, 1e-3, 1e-4)
    # of the size beyond which a field is bent no more, or of a larger orbit: where steps show how orbits drift
    further_out: tuple[float, float] = (1.5, 2.0)
    drift_told: float = 10.0  # errors above which such a drift is told with its rate
    areas_seen: int = 32  # places at which a step's determinant is looked at
    areas_kept: float = 1e-12  # what it may differ from 1 by there: rounding
    drift_rounding: float = 1e-9  # of log a over a window: the solver's tolerance over its turns
    drift_wobble: float = 1e-4  # of what log a swings by: what averaging over some eight turns leaves of it
    explained: tuple[float, float] = (
        0.5,
        2.0,
    )  # of what a drift makes of the whole run: what was seen to change
    drift_spends: float = 0.5  # of the budget: a look at a drift that would take more steps is not taken
    drifts_spend: float = 15.0  # times the budget: after so many looks at drifts there are no more
    drift_root: float = 1e-9  # of log a, to which the amplitude that does not drift is found
    # of an orbit's amplitude: its neighbours on either side, where it is neared more slowly than exponentially
    inside: tuple[float, float] = (0.9, 0.97)
    outside: tuple[float, float] = (1.1, 1.03)
    wider: float = 3.0  # times the present amplitude, from which a cycle that it nears is looked for
    decades_inward: int = 12  # from the present amplitude to where the linearisation must have taken over
    decades_outward: int = 6  # from the present amplitude to where a bounded set is looked for

    # ---------------------------------------------------------------- Newton's method on rest points and orbits
    newton_step: float = 1e-13  # relative size of a last step that has converged to rounding
    newton_residual: float = 1e-9  # of what the equation is made of: more, and there is no root
    newton_gain: float = 0.5  # of the change where Newton began: less is left of it at a root
    # singular values below this share of the largest belong to a line of equilibria
    line_of_rest: float = 1e-9
    rank: float = 1e-8  # the same for the directions in which others are looked for
    known_entry: float = (
        1e3  # times what rounding of the state changes: a derivative below is not told from 0
    )
    equilibrations: int = 12  # of rows and columns, by each of which the decades between them are halved
    same_rest: float = 1e-6  # of the reach: two equilibria nearer to each other are one
    beside_jump: float = (
        1e-3  # of the reach: where a line of rest on a jump is looked for, and of the field there
    )
    beside_family: float = 1e-3  # of the reach: how far away another equilibrium of a line is looked for
    beside_rest: float = 1e-7  # of the reach: how far beside an equilibrium the motion itself is looked at
    balanced_rest: float = 1e-6  # of the reach and the slope: what the field's limits around it may leave
    turning_rank: float = 1e-10  # singular values of the equation of a turning state that count as 0
    turning_moved: float = 0.3  # of the state: Newton may move it no further
    turns_alike: float = 1e-9  # relative difference of the change at a turned state from the turned change
    turns_alike_slope: float = 1e-7  # the same of the derivative, and the least error of its multipliers
    period_guess: tuple[float, float] = (0.5, 2.0)  # of the first guess: how far a period may be corrected
    shooting_rank: float = 1e-7  # singular values of the shooting equation that count as 0
    shooting_moved: float = 0.5  # of the orbit: a step further leads to another one
    shooting_stretched: float = 0.3  # of the period, likewise
    closed: float = 1e-9  # of the orbit: a step so small has converged to the flow's tolerance
    not_closed: float = (
        1e-7  # of the orbit, and of the period along it: ends further apart are not a periodic orbit
    )
    # of the largest speed: rounding of some hundred steps, 1e-13 of the orbit, is a hundredth of what is left
    rests_on_its_way: float = 1e-11
    # least error of a multiplier, for the solver's tolerances over a whole period
    multiplier_error: float = 1e-6
    # relative and absolute tolerance of an orbit and its neighbours; the second times the orbit's size
    variational: tuple[float, float] = (1e-13, 1e-16)
    switchings: int = 400  # on one turn
    continuous: float = 1e-9  # of the velocity: a smaller jump of it is none
    grazing: float = 1e-9  # of the speed: what meets a surface more slowly does not cross it
    has_left: float = 0.25  # of the diameter: a motion has to go this far away before it can return
    has_returned: float = 0.12  # of the diameter: and has to come this near
    # of the state: iterations that move less are at a point, on no orbit
    no_points: float = 1e-9
    points_rank: float = 1e-12  # singular values of the equation of periodic points that count as 0
    points_moved: float = 1e-3  # of the orbit: Newton may move its first point no further
    points_error: float = 1e-9  # least error of their multipliers

    # ---------------------------------------------------------------- basins
    edge_effort: float = 0.2  # of a verdict that only names what lies beyond an edge
    edge_price: float = 10.0  # of a field, above which an edge would take longer than the verdict
    edge_step: float = 0.05  # radians of a turn: the Runge-Kutta steps by which basins of the flow are told
    # ---------------------------------------------------------------- the system's own scales
    decade: float = 10.0  # between the distances at which the field's degree is looked at
    decades: int = 30  # of them, on either side of 1
    told_from_datum: float = 1e-6  # of the datum: nearer to it a difference of states has too few digits
    ways_of_scales: int = 4  # along which it is looked at
    # ---------------------------------------------------------------- cross-examination
    # times the motion, the datum and where the field is bent last: how far out growth is asked whether it lasts
    far: float = 1e3
    places_ahead: int = 7  # from here to so far out, from which an equilibrium is looked for
    near_ahead: float = 4.0  # times the distance of such a place: the reach of that search
    straight_ahead: float = 0.9  # cosine of the angle by which an equilibrium may lie beside the way outward
    # times the last two of these: a law of growth seen so far out misses nothing bounded
    well_beyond: float = 1e2
    same_pump: float = 2e-3  # by which what an adaptive rule adds to r^2 may fall from window to window
    pump_ratio: float = 0.9  # of one such fall to the next: closer to 1 it has no limit that could be told
    pump_left: float = 0.5  # of what is added now: the least limit
    seen_to_leave: int = 3  # last local exponents, ever further from a law's
    # of the last, by which local exponents of a player's speed differ that follows a law: a third of by how much
    # those of an exponential fall differ, which grow by 1 + `skip` from window to window
    same_fall: float = 0.2
    speed_rounding: float = 30.0  # roundings in a local exponent of a speed
    unbounded: float = 1e100  # of a state: beyond every bounded set that floats could tell


T = Thresholds()


def checked_effort(effort: object) -> float:
    """The factor on the budget of field evaluations, or InputError: below 1e-4 nothing can be seen.

    Example:
        >>> checked_effort(1)
        1.0
    """
    return number("effort", effort, low=1e-4, high=T.largest_effort)
