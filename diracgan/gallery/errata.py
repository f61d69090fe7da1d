"""The errata of the field as cards: a published statement, the motion that shows what is wrong, the truth, a command.

Statements, truths and commands are those of docs/errata.md; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import unknown

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

_SECONDS_HELD = 4


@dataclass(frozen=True)
class Card:
    """One line of the errata.

    Attributes:
        name: what the command calls it.
        sentence: as published, in quotation marks; or what the erratum is about.
        truth: what holds.
        command: what shows it.
        variant: what moves in the picture.
        motion: start and how long, as :func:`diracgan.simulate` takes them; ``rule`` by its written form.
    """

    name: str
    sentence: str
    truth: str
    command: str
    variant: str
    motion: dict[str, Any] = field(default_factory=dict)

    def draw(self, *, moving: bool = True) -> Figure | FuncAnimation:
        """Run it and draw it, in motion or as its last frame."""
        from ..analysis import spectrum
        from ..plotting.cards import animate_card, card_figure
        from ..rules import rule
        from ..variants import parse
        from .basins_overlay import flat_field
        from .pictures import smooth_run

        made, how = parse(self.variant), dict(self.motion)
        if "rule" in how:
            how["rule"] = rule(how["rule"])
        else:
            how["backend"] = "scipy"
        traj = smooth_run(made, **how)
        dim = traj["phi"].shape[1]
        target = "equilibrium" if spectrum(made, dim=dim).is_equilibrium else "datum"
        said = (self.sentence, self.truth, self.command)
        behind = flat_field(made) if dim == 1 else None
        if moving:
            return animate_card(traj, *said, field=behind, hold=_SECONDS_HELD, target=target)
        return card_figure(traj, *said, field=behind, target=target)


def _quoted(sentence: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{sentence}\N{RIGHT DOUBLE QUOTATION MARK}"


_ONE: dict[str, Any] = {"phi0": [1.0], "theta0": [0.5]}

CARDS = (
    Card(
        "never-converges",
        _quoted("The vanilla GAN never converges"),
        "In d = 1 the non-saturating GAN converges, like r^2 t → 8.",
        "diracgan verdict --variant ns --phi0 1 --theta0 0.5",
        "ns",
        {**_ONE, "t1": 120.0},
    ),
    Card(
        "all-alike",
        _quoted("Every f-GAN oscillates alike"),
        "The saturating loss keeps its orbit for ever; the non-saturating one, with the same eigenvalues, spirals.",
        "diracgan verdict --variant saturating --dim 1",
        "saturating",
        {**_ONE, "t1": 60.0},
    ),
    Card(
        "wgan-oscillates",
        _quoted("WGAN with |φ| = 1 oscillates around the equilibrium"),
        "There is none to oscillate around: the normalised critic has no value at φ = 0. "
        "In d = 1 the generator leaves at constant speed.",
        "diracgan verdict --variant wgan --dim 1",
        "wgan",
        {"phi0": [0.1], "theta0": [0.2], "t1": 10.0},
    ),
    Card(
        "only-zero-centred",
        _quoted("Only the zero-centred penalty converges"),
        "So do L2 on the critic and instance noise.",
        "diracgan verdict --variant ns --l2 0.1",
        "ns:l2=0.1",
        {**_ONE, "t1": 80.0},
    ),
    Card(
        "l2-helps-any",
        _quoted("L2 on the critic helps any GAN"),
        "Not WGAN-GP with c = 1: its circle shrinks from |φ| = c "
        "to 2λc/(2λ\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}μ) and stays "
        "(λ weighs the penalty, μ L2).",
        "diracgan verdict --variant wgan-gp --c 1 --l2 0.1",
        "wgan-gp:c=1,l2=0.1",
        {"phi0": [1.0, 0.0], "theta0": [0.0, 1.0], "t1": 60.0},
    ),
    Card(
        "false-centre",
        "A safe norm makes a false centre",
        "The field jumps there; there are no eigenvalues.",
        "diracgan eig --variant wgan-gp --c 1",
        "wgan-gp:c=1",
        {"phi0": [0.2], "theta0": [0.1], "t1": 40.0},
    ),
    Card(
        "gan-qp",
        "GAN-QP: |φ| for |θ|",
        "The loss as printed converges in d = 1 and circles in d ≥ 2.",
        "diracgan verdict --variant gan-qp --dim 1",
        "gan-qp",
        {**_ONE, "t1": 60.0},
    ),
    Card(
        "consensus",
        "Consensus optimisation: a factor 1/2",
        "The code of the 2018 paper has a spurious factor 1/2 in the cross term of the regulariser's gradient. "
        "It vanishes at the origin, so no eigenvalue shows it; a step from elsewhere does.",
        "diracgan simulate --variant saturating -p consensus=1 --phi0 1 --theta0 1 --rule simultaneous "
        "--lr 0.2 --steps 1",
        "saturating:consensus=1",
        {"phi0": [1.0], "theta0": [1.0], "rule": "simultaneous:lr=0.2", "steps": 80},
    ),
    Card(
        "gamma",
        "gamma in the toy and gamma in the trainer",
        "The same paper's toy has γ|φ|^2/2 and its trainer γ|∇D|^2 without the half: the “same” γ differs by 2. "
        "Here R1 is (γ/2)|∇D|^2 in both.",
        "diracgan eig --variant ns --r1 0.3",
        "ns:r1=0.3",
        {**_ONE, "t1": 40.0},
    ),
    Card(
        "r3gan",
        "R3GAN, equation 12",
        "It prints f'(0) where f'(0)^2 is meant; the eigenvalues tell.",
        "diracgan eig --variant rpgan --r1 0.5",
        "rpgan:r1=0.5",
        {**_ONE, "t1": 30.0},
    ),
    Card(
        "exact-zero",
        "Exact comparisons with 0",
        "A classification by `trace == 0` calls rounding noise a spiral: 0 a centre, 1e-12 an unstable focus. "
        "GAN equilibria sit exactly there. "
        "Here a status other than marginal needs a margin beyond a computed error bound.",
        "diracgan eig --variant ns",
        "ns",
        {"phi0": [0.1], "theta0": [0.2], "t1": 60.0},
    ),
    Card(
        "adam-diverges",
        _quoted("Simultaneous Adam diverges on the bilinear game, whatever its parameters"),
        "Its equilibrium repels, with every β₁ and β₂; but what leaves it does not go far. "
        "With β₁ < β₂ a cycle attracts from both sides.",
        "diracgan averaged wgan-linear --rule adam:lr=0.01,beta1=0.9,beta2=0.99",
        "wgan-linear",
        {"phi0": [0.3], "theta0": [0.0], "rule": "adam:lr=0.01,beta1=0.9,beta2=0.99", "steps": 8000},
    ),
    Card(
        "ema",
        _quoted("EMA makes it converge"),
        "An average of a divergent run diverges. It finds the centre of an orbit that stays.",
        "diracgan eig --variant wgan-linear --rule simultaneous --lr 0.1 --ema 0.99",
        "wgan-linear",
        {"phi0": [0.1], "theta0": [0.2], "rule": "simultaneous:lr=0.1,ema=0.99", "steps": 600},
    ),
)


def card(name: str) -> Card:
    """A card by its name.

    Raises:
        InputError: for another name.

    Example:
        >>> card("exact-zero").command.split()[:2]
        ['diracgan', 'eig']
    """
    known = {c.name: c for c in CARDS}
    if name not in known:
        raise unknown("card", name, known)
    return known[name]
