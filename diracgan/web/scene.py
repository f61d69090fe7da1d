"""The scene of the page as Python answers it: verdicts, thresholds, a picture, and the numbers."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, Written, number, unknown
from ..registry import settings as read_settings
from .limits import LONGEST_TEXT, affordable, bounded

if TYPE_CHECKING:
    from ..plotting.saving import Figure
    from ..rules import Rule
    from ..variants import Variant

MOST = 4  # variants side by side
LONGEST = {"flow": 1000.0, "steps": 20000.0}
EFFORT = 0.3  # of the verdicts, which follow every move
_ROWS = 401  # what a picture can show; and tolerances to match, for an answer at once
_REACH = 100.0  # |start| in the page


@dataclasses.dataclass(frozen=True)
class Scene:
    """One state of the page.

    Attributes:
        variants: 1 to 4 of NAME[:k=v,...], of registered names.
        rule: NAME[:k=v,...] of a rule; "" for the flow.
        phi0: the critic's start; ``theta0`` the generator's; d = 1 or 2.
        length: end time of the flow, or number of steps.
    """

    variants: tuple[str, ...] = ("ns",)
    rule: str = ""
    phi0: tuple[float, ...] = (0.1, 0.2)
    theta0: tuple[float, ...] = (0.2, 0.1)
    length: float = 40.0

    @property
    def dim(self) -> int:
        """The dimension d."""
        return len(self.phi0)


def affordable_scene(shown: Scene) -> Scene:
    """The scene itself, where its steps are not too many for a page; else InputError."""
    if (by := rule_of(shown.rule)) is not None:
        affordable(shown.length, by.hyperparameters)
    return shown


def start_of(name: str, text: Any) -> tuple[float, ...]:
    """One player's start from numbers separated by commas.

    Example:
        >>> start_of("phi0", "1,-2")
        (1.0, -2.0)
    """
    parts = [Written(p) for p in str(text).split(",")]
    if not 1 <= len(parts) <= 2:
        raise InputError(f"{name} has {len(parts)} numbers; allowed: 1 or 2")
    return tuple(number(name, p, low=-_REACH, high=_REACH) for p in parts)


def variant_of(spec: str) -> Variant:
    """Make a variant from NAME[:k=v,...] of a registered name; the page opens no file and no module.

    Example:
        >>> variant_of("my.py:loss")
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: unknown variant 'my.py'...
    """
    from ..variants import VARIANTS, build, variant, variants

    source, name, rest = VARIANTS.parts(spec)
    if source or name not in variants():
        raise unknown("variant", source or name, variants())
    made = build(type(variant(name)), settings(rest)) if rest else variant(name)
    bounded(made.hyperparameters)
    return made


def rule_of(spec: str) -> Rule | None:
    """Make a rule from NAME[:k=v,...] of a registered name; None for the flow. The page opens no file and no module.

    Example:
        >>> rule_of("alternating:lr=0.2,n_critic=2").hyperparameters["n_critic"]
        2
    """
    from ..parameters import parameters
    from ..rules import RULES, rule

    if not spec:
        return None
    source, name, rest = RULES.parts(spec)
    if source or name not in RULES.entries:
        raise RULES.unknown(source or name)
    given, known = settings(rest), parameters(RULES[name])
    for n in given:
        if n in known and known[n].kind == "object":  # text would make a rule within the rule
            raise unknown(f"parameter of {name} in the page", n, (k for k in known if k != n))
    made = rule(name, **given)
    bounded(made.hyperparameters)
    return made


def settings(text: str) -> dict[str, Written]:
    """Name -> text of ``k=v,...``, of a page's length.

    Example:
        >>> settings("lr=0.2,n_critic=2")
        {'lr': '0.2', 'n_critic': '2'}
    """
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{len(text)} letters of settings; allowed: at most {LONGEST_TEXT}")
    return read_settings(text)


# ---------------- what is shown


def answers(shown: Scene) -> list[tuple[Variant, Any, Any]]:
    """Each variant with its run and its spectrum.

    Example:
        >>> [(v.name, s.status) for v, _, s in answers(Scene(variants=("ns", "wgan-gp:c=0"), length=5.0))]
        [('ns', 'marginal'), ('wgan-gp', 'stable')]
    """
    from ..analysis import spectrum
    from ..dynamics import run

    rule, made = rule_of(shown.rule), []
    for spec in shown.variants:
        v = variant_of(spec)
        if rule is None:
            ts = np.linspace(0.0, shown.length, _ROWS)
            traj = run(
                v, shown.phi0, shown.theta0, ts=ts, t1=shown.length, backend="scipy", rtol=1e-6, atol=1e-9
            )
        else:
            steps = int(shown.length)
            traj = run(v, shown.phi0, shown.theta0, rule=rule, steps=steps, every=max(1, steps // 4000))
        made.append((v, traj, spectrum(v, dim=shown.dim, rule=rule)))
    return made


def picture(shown: Scene, found: list[tuple[Variant, Any, Any]] | None = None) -> Figure:
    """The overview of one variant, or several side by side on one scale.

    Example:
        >>> picture(Scene(length=5.0)).texts[0].get_text()
        'ns: undecided by eigenvalues'
    """
    from ..plotting import figure, multiples
    from ..plotting.spectra import status_words

    found = answers(shown) if found is None else found
    if len(found) == 1:
        _, traj, spectrum = found[0]
        return figure(traj, spectrum)
    runs = [(v.label, traj, status_words(s)) for v, traj, s in found]
    moved = shown.rule or "flow"
    return multiples(runs, title=f"{len(runs)} variants from one start", below=f"{moved}, d = {shown.dim}")


def judged(shown: Scene, index: int = 0, x0: tuple[float, ...] | None = None) -> str:
    """The verdict on one of the variants, in words and the field's symbols; the datum is 0 unless given.

    Example:
        >>> judged(Scene(variants=("wgan-gp:c=0",))).split(";")[0]
        'converges to the equilibrium like exp(−0.1 t)'
    """
    from ..analysis import verdict
    from ..plotting.letters import with_letters

    v, rule = variant_of(shown.variants[index]), rule_of(shown.rule)
    found = verdict(v, phi0=shown.phi0, theta0=shown.theta0, x0=x0, rule=rule, effort=EFFORT, edge=False)
    return with_letters(str(found.text))


def thresholds(shown: Scene, index: int, parameter: str, x0: tuple[float, ...] | None = None) -> str:
    """Where the stability of one of the variants changes as a parameter varies, in words.

    Example:
        >>> thresholds(Scene(variants=("ns:r1=0.1",), rule="simultaneous:lr=0.2"), 0, "r1")
        'stability changes at r1 = 0.05: unstable below, stable above; r1 = 10.025: stable below, unstable above'
    """
    from ..analysis import critical
    from ..analysis.thresholds.critical import digits

    v, rule = variant_of(shown.variants[index]), rule_of(shown.rule)
    found = critical(v, parameter, rule=rule, dim=shown.dim, x0=x0)
    said = [
        f"{parameter} = {digits(t.value, t.error)}: {t.below} below, {t.above} above"
        for t in found.thresholds
    ]
    return f"stability changes at {'; '.join(said)}" if said else found.text


def data(shown: Scene, found: list[tuple[Variant, Any, Any]] | None = None) -> str:
    """The runs as CSV, one row per time and variant.

    Example:
        >>> data(Scene(length=1.0)).splitlines()[0]
        'variant,time,phi_0,phi_1,theta_0,theta_1'
    """
    found = answers(shown) if found is None else found
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    d = shown.dim
    write(["variant", "time", *(f"phi_{k}" for k in range(d)), *(f"theta_{k}" for k in range(d))])
    for v, traj, _ in found:
        rows = np.hstack(
            [np.asarray(traj["time"])[:, None], np.asarray(traj["phi"]), np.asarray(traj["theta"])]
        )
        for row in rows.tolist():
            write([v.label, *(repr(x) for x in row)])
    return out.getvalue()
