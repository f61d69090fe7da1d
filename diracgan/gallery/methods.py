"""Figures beyond the article's: one of every kind of plot, and the portraits of the 2018 paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .entry import PHI0, THETA0, Entry
from .pictures import law, locus_page, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..variants import Variant


@dataclass(frozen=True, kw_only=True)
class CommandEntry(Entry):
    """A picture that one command draws; ``picture`` calls that very command's functions."""

    command: str
    picture: Callable[[Variant], Any]
    claim: str = ""

    @property
    def commands(self) -> list[str]:
        """The command that draws it into the gallery's folder."""
        return [f"diracgan {self.command} --out figures/{self.name}.png"]

    def draw(self) -> Figure:
        """Compute and draw."""
        return self.picture(self.build())


def _critic(v: Variant) -> Figure:
    from ..analysis import verdict
    from ..dynamics import run
    from ..plotting.critics import critic_figure

    start = [1.0], [1.0]
    return critic_figure(run(v, *start, t1=40.0, backend="scipy"), verdict=verdict(v, *start, edge=False))


def _space(v: Variant) -> Figure:
    from ..analysis import verdict
    from ..plotting.space import space_figure
    from .pictures import smooth_run

    start = [0.3, 0.2, 0.4], [0.4, -0.2, 0.1]
    return space_figure(
        smooth_run(v, *start, t1=60.0, backend="scipy"), verdict=verdict(v, *start, edge=False)
    )


def _law(v: Variant) -> Figure:
    from ..analysis import verdict

    where: dict[str, Any] = {"phi0": [1.0], "theta0": [0.5]}
    return law(v, verdict(v, edge=False, **where), None, where)


def _averaged(v: Variant) -> Figure:
    from ..analysis import averaged
    from ..plotting.slow_flow import slow_flow_figure

    return slow_flow_figure(averaged(v, "adam:lr=0.01,beta1=0.5,beta2=0.999"))


def _bode(v: Variant) -> Figure:
    from ..analysis import ema
    from ..plotting.averages import bode_figure
    from ..rules import rule

    return bode_figure(ema(v, rule("alternating", lr=0.1)))


def _multipliers(v: Variant) -> Any:
    from ..analysis import critical
    from ..rules import rule

    made = rule("simultaneous")
    return locus_page(v, critical(v, "lr", rule=made), made, {})


def _map(
    kind: str, grids: dict[str, str], rule_: str | None = None, **options: Any
) -> Callable[[Variant], Figure]:
    def draw(v: Variant) -> Figure:
        from ..rules import rule
        from ..sweeps.maps import MAPS
        from .basins_overlay import map_page

        made = rule(rule_) if rule_ else None
        return map_page(v, MAPS[kind](v, grids, rule=made, **options), made)

    return draw


_COMPARED = ("ns", "saturating", "wgan", "wgan-gp:c=0", "wgan-gp:c=1", "gan-qp", "lsgan", "hinge")


def _branch(v: Variant) -> Figure:
    from ..analysis.bifurcation import branch
    from ..plotting.branches import branch_title, branches_figure
    from ..rules import rule

    found = branch(v, "lr=0.01:0.4", rule("simultaneous"))
    return branches_figure([found], title=branch_title(found), below=found.text)


def _atlas(v: Variant) -> Figure:
    from ..analysis.bifurcation import atlas
    from ..rules import rule
    from .pictures import atlas_page

    made = rule("heavy-ball", beta=0.3, alternating=True)
    return atlas_page(v, atlas(v, ("gamma=0.01:1", "lr=0.02:5"), made), made)


def _adaptive(v: Variant) -> Figure:
    from ..analysis.bifurcation import adaptive_chart
    from ..plotting.atlas import adaptive_figure
    from ..rules import rule

    return adaptive_figure(adaptive_chart(v, ("gamma=0.01:1", "lr=0.001:0.1"), rule("adam", beta1=0.5)))


def _attractors(v: Variant) -> Figure:
    from ..analysis.bifurcation import attractors
    from ..plotting.attractors import attractors_figure
    from ..rules import rule

    return attractors_figure(attractors(v, rule("optimistic", lr=1.28), box=1.5))


def _compared(_: Variant) -> Figure:
    from ..variants import parse

    made = [parse(spec) for spec in _COMPARED]
    how = {"phi0": PHI0, "theta0": THETA0, "t1": 60.0, "backend": "scipy"}
    return side_by_side([(v.label, v) for v in made], how)[0]


# The nine methods of the 2018 paper's figures, in this project's conventions: its penalty (reg/2)(|phi| - g)^2 is
# lam = reg/2, c = g; its gradient penalty reg is R1 with gamma = reg.
PORTRAITS = (
    ("GAN", "saturating"),
    ("NSGAN", "ns"),
    ("WGAN, clipped at 1", "wgan-clip:clip=1"),
    ("WGAN-GP, reg 0.7, g₀ = 1", "wgan-gp:lam=0.35,c=1"),
    ("instance noise 0.7", "saturating:noise=0.7"),
    ("GAN-GP, γ = 0.3", "saturating:r1=0.3"),
    ("GAN-GP, γ = 1", "saturating:r1=1"),
    ("consensus, γ = 1", "saturating:consensus=1"),
    ("NSGAN-GP, γ = 0.3", "ns:r1=0.3"),
)


@dataclass(frozen=True, kw_only=True)
class Portraits(Entry):
    """The nine portraits of the 2018 paper for one way of stepping."""

    variant: str = "saturating"
    rule: str
    n_critic: int | None = None

    @property
    def commands(self) -> list[str]:
        """The command that draws it, and the same comparison of one's own."""
        how = f"--rule {self.rule} --lr 0.2"
        how += f" --n-critic {self.n_critic} --first generator" if self.n_critic else ""
        names = " ".join(spec for _, spec in PORTRAITS)
        return [
            f"diracgan figures --only {self.name}",
            f"diracgan compare-variants {names} --phi0 1 --theta0 1 {how} --steps 500",
        ]

    def draw(self) -> Figure:
        """Run the nine and draw them, with what truly becomes of each."""
        from ..rules import rule
        from ..variants import parse

        more = {"n_critic": self.n_critic, "first": "generator"} if self.n_critic else {}
        how = {"phi0": [1.0], "theta0": [1.0], "rule": rule(self.rule, lr=0.2, **more), "steps": 500}
        return side_by_side(
            [(name, parse(spec)) for name, spec in PORTRAITS],
            how,
            title=f"The portraits of 2018: {self.title.split(', ', 1)[-1]}",
            below="steps of h = 0.2 from φ = θ = 1, 500 of them; below each what becomes of it",
            columns=5,
        )[0]


METHODS: tuple[Entry, ...] = (
    CommandEntry(
        name="compare",
        title="Several variants from one start",
        variant="ns",
        command=f"compare-variants {' '.join(_COMPARED)} --t1 60",
        picture=_compared,
        truth=r"""
            One start, each on a scale of its own with a bar, and below each what becomes of it. In $d = 2$,
            from a start that is not collinear, only the zero-centred penalty arrives: the others keep
            $\lvert\phi \wedge \theta\rvert$ (or, with $c = 1$, end on a circle of radius $c$).
        """,
    ),
    CommandEntry(
        name="critic",
        title="The critic and its fake sample",
        variant="saturating",
        parameters={"r1": 0.3},
        command="plot --variant saturating --r1 0.3 --view critic --phi0 1 --theta0 1 --t1 40 --verdict",
        picture=_critic,
        truth=r"""
            The critic's line $D(x) = \phi x$ at six instants, each with the fake sample $\theta$ on it; the
            datum is at 0. At the equilibrium the line is flat and the sample lies on the datum. The same
            command with a name in .gif draws it in motion.
        """,
    ),
    CommandEntry(
        name="space",
        title="A path in three dimensions",
        variant="wgan-gp",
        parameters={"c": 1.0},
        command="plot --variant wgan-gp --c 1 --view space --phi0 0.3,0.2,0.4 --theta0 0.4,-0.2,0.1 --t1 60 --verdict",
        picture=_space,
        truth=r"""
            A variant that no rotation changes never leaves the plane that its start spans, so that $d = 2$
            decides every $d \ge 2$. Here the path ends on the circle of radius 1 in that plane.
        """,
    ),
    CommandEntry(
        name="law-power",
        title="A power law",
        variant="ns",
        command="verdict --variant ns --phi0 1 --theta0 0.5",
        picture=_law,
        truth=r"""
            In $d = 1$ the non-saturating GAN converges, but only like $r = \sqrt 8\,t^{-1/2}$: a straight
            line on two logarithmic scales, and no straight line on one.
        """,
    ),
    CommandEntry(
        name="law-exponential",
        title="An exponential",
        variant="ns",
        parameters={"r1": 0.3},
        command="verdict --variant ns --r1 0.3 --phi0 1 --theta0 0.5",
        picture=_law,
        truth=r"""
            With R1 it converges like $e^{-\gamma t/2}$: a straight line on one logarithmic scale.
        """,
    ),
    CommandEntry(
        name="bode",
        title="What an average leaves",
        variant="ns",
        command="ema --variant ns --rule alternating --lr 0.1",
        picture=_bode,
        truth=r"""
            An average leaves $\lvert G\rvert = (1 - \beta)/\lvert 1 - \beta\,e^{-i\omega h}\rvert$ of an
            orbit: nearly all of a slow one, a part $(1 - \beta)/(\omega h)$ of a fast one. The orbit of the
            non-saturating GAN at $h = 0.1$ is marked.
        """,
    ),
    CommandEntry(
        name="locus-lr",
        title="Through the unit circle, and what is born there",
        variant="ns",
        parameters={"r1": 0.3},
        picture=_multipliers,
        command="critical lr --variant ns --r1 0.3 --rule simultaneous",
        truth=r"""
            Simultaneous steps on ns + R1 ($\gamma < 1$) converge for $h < 4\gamma$, here 1.2, where the
            multipliers leave the unit circle and a stable circle of radius about $1.78\sqrt{h - 1.2}$ is born.
        """,
    ),
    CommandEntry(
        name="bifurcation",
        title="What is born when stability is lost",
        variant="ns",
        parameters={"r1": 0.05},
        picture=_branch,
        command="bifurcation ns --r1 0.05 --over lr=0.01:0.4 --rule simultaneous",
        truth=r"""
            Simultaneous steps on ns + R1 with $\gamma = 0.05$: at $h = 4\gamma = 0.2$ the fixed point loses
            stability by a supercritical Neimark-Sacker bifurcation, and a stable circle of radius about
            $1.45\sqrt{h - 0.2}$ is born.
        """,
    ),
    CommandEntry(
        name="atlas",
        title="Bifurcations in two parameters",
        variant="ns",
        picture=_atlas,
        command="bifurcation ns --over gamma=0.01:1 --over lr=0.02:5 --rule heavy-ball -r beta=0.3 -r alternating=true",
        truth=r"""
            Alternating heavy ball ($\beta = 0.3$) on ns + R1: the fixed point loses stability on a Neimark-Sacker
            curve up to its 1:2 resonance, beyond it on a flip curve. Beyond the Chenciner point (CH) the circle
            is born unstable.
        """,
    ),
    CommandEntry(
        name="adam-atlas",
        title="The cycles on which Adam ends",
        variant="ns",
        picture=_adaptive,
        command="bifurcation ns --over gamma=0.01:1 --over lr=0.001:0.1 --rule adam -r beta1=0.5",
        truth=r"""
            With $\epsilon = 10^{-8}$ Adam's equilibrium has no useful linearisation: from every learning rate
            training ends on an orbit. Its size grows with the learning rate; more R1 makes it smaller only up to
            $\gamma \approx 0.7$.
        """,
    ),
    CommandEntry(
        name="attractors",
        title="What attracts, and how large a kick is survived",
        variant="ns",
        parameters={"r1": 0.5},
        picture=_attractors,
        command="attractors ns --r1 0.5 --rule optimistic --lr 1.28 --box 1.5",
        truth=r"""
            Optimistic steps just below their threshold: every eigenvalue is inside the unit circle, and half of
            the starts in the box end on a limit cycle of $\lvert z\rvert$ up to 1.17 instead. The diamond lies on
            the edge between the two basins; the dashed circle is the largest kick that was survived.
        """,
    ),
    CommandEntry(
        name="stability",
        title="A stability chart",
        variant="ns",
        picture=_map("stability", {"gamma": "0.01:1:100", "lr": "0.02:4:100"}, "simultaneous"),
        command="map stability gamma=0.01:1:100 lr=0.02:4:100 --variant ns --rule simultaneous",
        truth=r"""
            Simultaneous steps with R1 ($\gamma \le 1$) converge for $h < 4\gamma$: the exact threshold is
            drawn over the computed margins.
        """,
    ),
    CommandEntry(
        name="orbit-diagram",
        title="An orbit diagram",
        variant="wgan-gp",
        picture=_map("bifurcation", {"lam": "0.05:1.5:117"}, t1=200.0, dim=1),
        command="map bifurcation lam=0.05:1.5:117 --variant wgan-gp --dim 1 --t1 200",
        truth=r"""
            WGAN-GP with $c = 1$ in $d = 1$: below $\lambda = 1$ a limit cycle, from there on a creep to
            $\phi = 0$, $\theta = \pm 2\lambda c$.
        """,
    ),
    CommandEntry(
        name="basins",
        title="Basins over the phase portrait",
        variant="wgan-gp",
        parameters={"lam": 1.2, "c": 1.0},
        picture=_map("basins", {"phi0": "-2:2:101", "theta0": "-4:4:101"}, t1=120.0),
        command="map basins phi0=-2:2:101 theta0=-4:4:101 --variant wgan-gp --lam 1.2 --c 1 --t1 120",
        truth=r"""
            WGAN-GP with $c = 1$ and $\lambda = 1.2$ in $d = 1$: streamlines, nullclines, where the field
            jumps, and two basins, of the points $\phi = 0$, $\theta = \pm 2\lambda c = \pm 2.4$, neither of
            which is the equilibrium. (Below $\lambda = 1$ every start ends on one limit cycle.)
        """,
    ),
    CommandEntry(
        name="adam-cycle",
        title="The cycle that Adam ends on",
        variant="wgan-linear",
        picture=_averaged,
        command="averaged wgan-linear --rule adam:lr=0.01,beta1=0.5,beta2=0.999",
        truth="""
            Linear WGAN under simultaneous Adam: a rotation gains radius within 155 steps of the equilibrium and loses
            it beyond, so that every start ends on a cycle of |φ| = 1.55, one rotation in 689 steps, whose size no
            linearisation gives.
        """,
    ),
    Portraits(
        name="portraits-simultaneous",
        title="The portraits of 2018, simultaneous steps",
        rule="simultaneous",
        claim="""
            Of the methods in Mescheder, Geiger & Nowozin 2018 (arXiv 1801.04406) the unregularised GANs and
            the WGANs do not converge; instance noise, zero-centred gradient penalties and consensus
            optimisation do.
        """,
        truth="""
            The same, from the published parameters: $h = 0.2$, start (1, 1), 500 steps. Simultaneous steps
            add growth: the saturating GAN, neutral in the flow, spirals outwards, and the non-saturating
            one, which the flow brings to rest, ends on a cycle.
        """,
    ),
    Portraits(
        name="portraits-alternating-1",
        title="The portraits of 2018, alternating, n_critic = 1",
        rule="alternating",
        n_critic=1,
        claim="Alternating steps keep the unregularised GANs near an orbit; the rest is as with simultaneous ones.",
        truth="""
            One generator step, then one critic step. The non-saturating GAN does converge in $d = 1$, only
            slowly: what looks like an orbit after 500 steps is a spiral whose radius falls like $n^{-1/2}$.
            And the saturating one is on no orbit either: over 400 000 steps its radius more than doubles.
        """,
    ),
    Portraits(
        name="portraits-alternating-5",
        title="The portraits of 2018, alternating, n_critic = 5",
        rule="alternating",
        n_critic=5,
        claim="Five critic steps for each of the generator do not change which methods converge.",
        truth=r"""
            True but for consensus optimisation, which leaves from this start. More critic steps turn
            faster, by $\sqrt 5$, and bring the end of stability nearer: $a\sqrt{n\,h_D h_G}$ must stay
            below 2. And the saturating GAN, neutral in the flow, now converges, though only like
            $n^{-1/6}$.
        """,
    ),
)
