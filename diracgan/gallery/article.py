"""The list of the seed's figures. Sentences are our own; every number in them is checked by a test."""

from __future__ import annotations

from .entry import AveragesEntry, Entry, FlowEntry, LocusEntry
from .samples import SamplesEntry

GALLERY: tuple[Entry, ...] = (
    FlowEntry(
        name="ns",
        title="Non-saturating GAN",
        variant="ns",
        t1=400,
        claim="Near the equilibrium θ″ ≈ −θ/4, so it oscillates and never converges, like every f-GAN.",
        truth="""
            The eigenvalues ±i/2 leave it undecided; the next order decides, and differently in one
            dimension and in two. From a start like this one (d ≥ 2, φ(0) and θ(0) not collinear) the path
            spirals slowly *onto a circle*, |φ| = |θ| = √l = 0.1732 with period 4π, where l = |φ ∧ θ| = 0.03
            is conserved: that, not the linearisation, is why it never arrives. In d = 1, where l = 0, it
            does converge, like r² t → 8. And not every f-GAN does the same: the saturating loss stays for
            ever on the orbit it starts on.
        """,
    ),
    FlowEntry(
        name="wgan",
        title="WGAN with a normalised critic",
        variant="wgan",
        t1=10,
        claim="With |φ| = 1 by (spectral) normalisation it oscillates around the equilibrium.",
        truth="""
            It does not come to rest, but there is no equilibrium to oscillate around: the normalised critic
            has no value at φ = 0, and θ′ is always a unit vector. In the flow |φ| keeps its initial length
            ρ = 0.2236, and |θ|²/ρ² − 2 ln(|θ⊥|/ρ) is conserved, so for d ≥ 2 the orbit is neutral: its size
            is set by the start. In d = 1 θ simply leaves, at constant speed.
        """,
    ),
    FlowEntry(
        name="wgan-gp-c0",
        title="WGAN-GP, zero-centred penalty (WGAN-div)",
        variant="wgan-gp",
        parameters={"c": 0.0, "lam": 0.1},
        t1=40,
        claim="With c = 0 it converges; among gradient penalties only the zero-centred one does.",
        truth="""
            It converges, in every dimension: eigenvalues −λ ± √(λ² − 1), here −0.1 ± 0.995i, so the decay
            is exponential, and fastest at λ = 1. As a rule for regularisers in general the "only" would be
            too strong: L2 on the critic's weights and instance noise converge as well.
        """,
    ),
    FlowEntry(
        name="wgan-gp-c1",
        title="WGAN-GP, penalty centred at 1",
        variant="wgan-gp",
        parameters={"c": 1.0, "lam": 0.1},
        t1=80,
        claim="With c = 1 it ends on a circle around the equilibrium.",
        truth="""
            True for d ≥ 2 from a non-collinear start: onto the circle of radius exactly c, with period 2π
            for every λ. The field jumps at φ = 0, so there are no eigenvalues that could tell. L2 with
            weight μ does not cure it, it only shrinks the circle to 2λc/(2λ + μ). In d = 1 there is a limit
            cycle for λ < 1 and, for λ ≥ 1, a creep to φ = 0, θ = ±2λc. With Euler steps of 0.1 (both
            players at once) the circle at λ = 0.1 would have the radius 2.
        """,
    ),
    FlowEntry(
        name="gan-qp",
        title="GAN-QP",
        variant="gan-qp",
        parameters={"lam": 1.0},
        t1=40,
        claim="It oscillates.",
        truth="""
            Eigenvalues ±i: undecided. For d ≥ 2 from a non-collinear start it goes onto the circle of
            radius √l = 0.1732 with period 2π, at a rate √l/(2λ) while that is below 2; in d = 1 it
            converges, like r t → 3πλ/2. The script published with the claim divides by |φ| in place of |θ|,
            which is another system: in d = 1 it comes to rest on {φ = 0, |θ| ≥ λ}.
        """,
    ),
    FlowEntry(
        name="gan-qp-l2",
        title="GAN-QP with L2 on the critic",
        variant="gan-qp",
        parameters={"lam": 1.0, "l2": 0.1},
        t1=70,
        claim="A little L2 on the critic's weights makes it converge, as it helps any GAN.",
        truth="""
            True here: eigenvalues −μ/2 ± √(μ²/4 − 1), with μ = 0.1 about −0.05 ± 0.999i, so the decay is
            exponential, and l is no longer conserved. It does not help *any* GAN: WGAN-GP with c > 0 keeps
            its circle (see above).
        """,
    ),
    AveragesEntry(
        name="ema-ns",
        title="EMA over the non-saturating GAN",
        variant="ns",
        claim="""
            The centre of the oscillation is the equilibrium, so an exponential moving average of the
            weights finds it; the larger the decay the smoother, and 0.999 is typical.
        """,
        truth="""
            The average circles too, only closer: an orbit of angular frequency ω, sampled with step h, is
            multiplied by (1 − β)/|1 − β exp(−iωh)|, here, with ωh = 0.05, by 0.90, 0.197 and 0.020 for β =
            0.9, 0.99, 0.999. And it forgets its start only like βⁿ, so that for the first two thousand
            steps 0.99 is nearer than 0.999.
        """,
    ),
    AveragesEntry(
        name="ema-wgan",
        title="EMA over the WGAN with a normalised critic",
        variant="wgan",
        claim="As above.",
        truth="""
            These steps do not follow the flow: each moves φ at right angles to itself and so makes it
            longer, until |φ|, and with it the orbit of θ, grows like 0.1 √n. The averages are smaller and
            grow all the same: EMA cannot make a divergent run converge. (Scaling φ back to its length after
            every step is another rule.)
        """,
    ),
    AveragesEntry(
        name="ema-wgan-gp-c1",
        title="EMA over WGAN-GP with c = 1",
        variant="wgan-gp",
        parameters={"c": 1.0, "lam": 0.1},
        claim="As above.",
        truth="""
            On the circle of radius 1 with ωh = 0.1 the averages circle at 0.725, 0.100 and 0.0100, as (1 −
            β)/|1 − β exp(−iωh)| says, once the start is forgotten.
        """,
    ),
    AveragesEntry(
        name="ema-gan-qp",
        title="EMA over GAN-QP",
        variant="gan-qp",
        parameters={"lam": 1.0},
        claim="As above.",
        truth="The same factors 0.725, 0.100 and 0.0100, on a circle of radius 0.173.",
    ),
    SamplesEntry(
        name="ema-samples",
        title="EMA over a real generator",
        variant="ns",
        parameters={"r1": 0.1},
        claim="""
            Samples of the averaged generator look better than those of the raw one of the same iteration, with
            0.9999 as with 0.999; the larger the decay, the more iterations that takes.
        """,
        truth="""
            With 0.999 they do: strokes are cleaner, and the start is forgotten (0.999⁴⁰⁰⁰ = 0.02). An average
            without a warm-up holds βⁿ of its start, here 67 % at β = 0.9999, and its weights are mostly those of
            a network that had learned nothing. `diracgan train` therefore starts averages with a short memory
            unless `--no-warmup` is given.
        """,
    ),
    LocusEntry(
        name="locus-r1",
        title="R1 on the non-saturating GAN",
        variant="ns",
        penalty="r1",
        critical=1.0,
        claim="A zero-centred gradient penalty on the data (R1) makes the GAN locally convergent.",
        truth="""
            True for every γ > 0: eigenvalues −γ/2 ± √(γ²/4 − 1/4). The pair leaves the imaginary axis at
            once, moves on the circle |μ| = 1/2 and meets on the real axis at the critical γ = 1, where
            convergence is fastest. Beyond it one eigenvalue returns towards 0: more penalty is slower.
        """,
    ),
)
