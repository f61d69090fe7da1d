"""The seed article's figures. Sentences are our own; every number in them is checked by a test."""

from __future__ import annotations

from .entry import AveragesEntry, Entry, FlowEntry, LocusEntry
from .samples import SamplesEntry

GALLERY: tuple[Entry, ...] = (
    FlowEntry(
        name="ns",
        title="Non-saturating GAN",
        variant="ns",
        t1=400,
        claim=r"""
            Near the equilibrium $\ddot\theta \approx -\theta/4$, so it oscillates and never converges, like every
            f-GAN.
        """,
        truth=r"""
            The eigenvalues $\pm i/2$ leave it undecided; the next order decides, and differently in one
            dimension and in two. From a start like this one ($d \ge 2$, $\phi(0)$ and $\theta(0)$ not
            collinear) the path spirals slowly *onto a circle*, $\lvert\phi\rvert = \lvert\theta\rvert =
            \sqrt l = 0.1732$ with period $4\pi$, where $l = \lvert\phi \wedge \theta\rvert = 0.03$ is
            conserved: that, not the linearisation, is why it never arrives. In $d = 1$, where $l = 0$, it
            does converge, like $r^2\,t \to 8$. And not every f-GAN does the same: the saturating loss stays
            for ever on the orbit it starts on.
        """,
    ),
    FlowEntry(
        name="wgan",
        title="WGAN with a normalised critic",
        variant="wgan",
        t1=10,
        claim=r"With $\lvert\phi\rvert = 1$ by (spectral) normalisation it oscillates around the equilibrium.",
        truth=r"""
            It does not come to rest, but there is no equilibrium to oscillate around: the normalised critic
            has no value at $\phi = 0$, and $\dot\theta$ is always a unit vector. In the flow
            $\lvert\phi\rvert$ keeps its initial length $\rho = 0.2236$, and $\lvert\theta\rvert^2/\rho^2 -
            2\ln(\lvert\theta_\perp\rvert/\rho)$ is conserved, so for $d \ge 2$ the orbit is neutral: its
            size is set by the start. In $d = 1$ $\theta$ simply leaves, at constant speed.
        """,
    ),
    FlowEntry(
        name="wgan-gp-c0",
        title="WGAN-GP, zero-centred penalty (WGAN-div)",
        variant="wgan-gp",
        parameters={"c": 0.0, "lam": 0.1},
        t1=40,
        claim="With $c = 0$ it converges; among gradient penalties only the zero-centred one does.",
        truth=r"""
            It converges, in every dimension: eigenvalues $-\lambda \pm \sqrt{\lambda^2 - 1}$, here $-0.1
            \pm 0.995\,i$, so the decay is exponential, and fastest at $\lambda = 1$. As a rule for
            regularisers in general the "only" would be too strong: L2 on the critic's weights and instance
            noise converge as well.
        """,
    ),
    FlowEntry(
        name="wgan-gp-c1",
        title="WGAN-GP, penalty centred at 1",
        variant="wgan-gp",
        parameters={"c": 1.0, "lam": 0.1},
        t1=80,
        claim="With $c = 1$ it ends on a circle around the equilibrium.",
        truth=r"""
            True for $d \ge 2$ from a non-collinear start: onto the circle of radius exactly $c$, with
            period $2\pi$ for every $\lambda$. The field jumps at $\phi = 0$, so there are no eigenvalues
            that could tell. L2 with weight $\mu$ does not cure it, it only shrinks the circle to $2\lambda
            c/(2\lambda + \mu)$. In $d = 1$ there is a limit cycle for $\lambda < 1$ and, for $\lambda \ge
            1$, a creep to $\phi = 0$, $\theta = \pm 2\lambda c$. With Euler steps of 0.1 (both players at
            once) the circle at $\lambda = 0.1$ would have the radius 2.
        """,
    ),
    FlowEntry(
        name="gan-qp",
        title="GAN-QP",
        variant="gan-qp",
        parameters={"lam": 1.0},
        t1=40,
        claim="It oscillates.",
        truth=r"""
            Eigenvalues $\pm i$: undecided. For $d \ge 2$ from a non-collinear start it goes onto the circle
            of radius $\sqrt l = 0.1732$ with period $2\pi$, at a rate $\sqrt l/(2\lambda)$ while that is
            below 2; in $d = 1$ it converges, like $r\,t \to 3\pi\lambda/2$. The script published with the
            claim divides by $\lvert\phi\rvert$ in place of $\lvert\theta\rvert$, which is another system:
            in $d = 1$ it comes to rest where $\phi = 0$ and $\lvert\theta\rvert \ge \lambda$.
        """,
    ),
    FlowEntry(
        name="gan-qp-l2",
        title="GAN-QP with L2 on the critic",
        variant="gan-qp",
        parameters={"lam": 1.0, "l2": 0.1},
        t1=70,
        claim="A little L2 on the critic's weights makes it converge, as it helps any GAN.",
        truth=r"""
            True here: eigenvalues $-\mu/2 \pm \sqrt{\mu^2/4 - 1}$, with $\mu = 0.1$ about $-0.05 \pm
            0.999\,i$, so the decay is exponential, and $l$ is no longer conserved. It does not help *any*
            GAN: WGAN-GP with $c > 0$ keeps its circle (see above).
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
        truth=r"""
            The average circles too, only closer: an orbit of angular frequency $\omega$, sampled with step
            $h$, is multiplied by $(1 - \beta)/\lvert 1 - \beta\,e^{-i\omega h}\rvert$, here, with $\omega h
            = 0.05$, by 0.90, 0.197 and 0.020 for $\beta$ = 0.9, 0.99, 0.999. And it forgets its start only
            like $\beta^n$, so that for the first two thousand steps 0.99 is nearer than 0.999.
        """,
    ),
    AveragesEntry(
        name="ema-wgan",
        title="EMA over the WGAN with a normalised critic",
        variant="wgan",
        claim="As above.",
        truth=r"""
            These steps do not follow the flow: each moves $\phi$ at right angles to itself and so makes it
            longer, until $\lvert\phi\rvert$, and with it the orbit of $\theta$, grows like $0.1\sqrt n$.
            The averages are smaller and grow all the same: EMA cannot make a divergent run converge.
            (Scaling $\phi$ back to its length after every step is another rule.)
        """,
    ),
    AveragesEntry(
        name="ema-wgan-gp-c1",
        title="EMA over WGAN-GP with c = 1",
        variant="wgan-gp",
        parameters={"c": 1.0, "lam": 0.1},
        claim="As above.",
        truth=r"""
            On the circle of radius 1 with $\omega h = 0.1$ the averages circle at 0.725, 0.100 and 0.0100, as
            $(1 - \beta)/\lvert 1 - \beta\,e^{-i\omega h}\rvert$ says, once the start is forgotten.
        """,
    ),
    AveragesEntry(
        name="ema-gan-qp",
        title="EMA over GAN-QP",
        variant="gan-qp",
        parameters={"lam": 1.0},
        claim="As above.",
        truth=r"""
            The same factors 0.725, 0.100 and 0.0100, on a circle of radius 0.173; what is left of the start,
            $0.999^{6000} \times 0.22 = 0.0005$, lies on top of the last.
        """,
    ),
    SamplesEntry(
        name="ema-samples",
        title="EMA over a real generator",
        variant="ns",
        parameters={"r1": 0.1},
        claim="""
            Shown on faces, raw, with 0.999 and with 0.9999: the larger the decay the smoother the
            samples, at the cost of detail; 0.999 is typical.
        """,
        truth=r"""
            To the eye the strokes are cleaner with 0.999, which has forgotten its start ($0.999^{4000} =
            0.02$). An average without a warm-up holds $\beta^n$ of its start, here 67 % at $\beta =
            0.9999$, and its weights are mostly those of a network that had learned nothing. `diracgan
            train` therefore starts averages with a short memory unless `--no-warmup` is given.
        """,
    ),
    LocusEntry(
        name="locus-r1",
        title="R1 on the non-saturating GAN",
        variant="ns",
        penalty="r1",
        critical=1.0,
        claim="A zero-centred gradient penalty on the data (R1) makes the GAN locally convergent.",
        truth=r"""
            True for every $\gamma > 0$: eigenvalues $-\gamma/2 \pm \sqrt{\gamma^2/4 - 1/4}$. The pair
            leaves the imaginary axis at once, moves on the circle $\lvert\mu\rvert = 1/2$ and meets on the
            real axis at the critical $\gamma = 1$, where convergence is fastest. Beyond it one eigenvalue
            returns towards 0: more penalty is slower.
        """,
    ),
)
