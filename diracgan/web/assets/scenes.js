// Six pictures for a classroom: each asks before it shows. The first five are those of Su Jianlin's article on the
// dynamics of GANs (kexue.fm/archives/6583); the last is the average that hides an oscillation.

const start = { dim: 2, z0: [0.1, 0.2, 0.2, 0.1] };

export const SCENES = [
  {
    title: "Non-saturating",
    state: { ...start, variants: ["ns"], t1: 100, show: ["field"] },
    question: "The original GAN, both players small. Where does the generator's point θ go?",
    choices: ["Into the data at 0", "Round a circle for ever", "Away without end"],
    right: 1,
    told: "It circles. What φ and θ span, |φ|²|θ|² − (φ·θ)², never changes, so from a start like this the game cannot "
      + "reach 0. The eigenvalues ± i/2 have no real part and do not decide.",
  },
  {
    title: "WGAN, |φ| = 1",
    state: { ...start, variants: ["wgan"], t1: 20, show: ["field"] },
    question: "A Wasserstein critic normalised to length one, as spectral norm does. Does that tame the circling?",
    choices: ["Yes, θ settles", "No, it keeps turning", "It stops half way"],
    right: 1,
    told: "The generator always moves at speed one: θ′ is a unit vector, also next to the data, so nothing can come to rest "
      + "there. It turns round the data for ever.",
  },
  {
    title: "WGAN-GP, c = 1",
    state: { ...start, variants: ["wgan-gp:c=1,lam=0.1"], t1: 80, show: ["field"] },
    question: "The gradient penalty asks for slopes of length 1. On what does θ end?",
    choices: ["On the data at 0", "On a circle of radius 0.1", "On a circle of radius 1"],
    right: 2,
    told: "On the circle of radius exactly c = 1. The penalty wants |φ| = 1, and a critic with that slope goes on pushing. "
      + "The weight λ only sets how soon.",
  },
  {
    title: "WGAN-GP, c = 0",
    state: { ...start, variants: ["wgan-gp:c=0,lam=0.1"], t1: 60, show: ["field"] },
    question: "The same penalty, but it asks for slope 0. What changes?",
    choices: ["The circle shrinks to 0", "The circle doubles", "Nothing"],
    right: 0,
    told: "Now the penalty is friction: eigenvalues −λ ± i√(1 − λ²), and every start spirals into the data. Fastest at λ = 1: "
      + "move the slider.",
  },
  {
    title: "GAN-QP",
    state: { ...start, variants: ["gan-qp"], t1: 60, show: ["field"] },
    question: "GAN-QP adds a quadratic term over the distance. Is that enough to converge in the plane?",
    choices: ["Yes, quickly", "Yes, but slowly", "No, it circles"],
    right: 2,
    told: "It circles, as every loss does that pushes φ along θ and θ along φ. On a line (d = 1) the same loss does "
      + "converge, slowly: look at d = 1.",
  },
  {
    title: "Averaging",
    state: { ...start, variants: ["ns"], rule: "alternating:lr=0.1,ema=0.99", steps: 2000, show: ["ema"] },
    question: "The run circles. What does an exponential average of its weights, β = 0.99, do?",
    choices: ["Circles as wide", "Settles near the centre", "Follows with a delay"],
    right: 1,
    told: "The average comes to lie near the centre, which is the equilibrium. A larger β gives a smaller rest and a longer "
      + "wait. It helps a run that circles, not one that runs away.",
  },
];
