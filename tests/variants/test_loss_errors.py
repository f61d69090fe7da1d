"""Whose error it is: the user's loss's, ours, or the interrupt's."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.linear.settings import settings
from diracgan.analysis.verdict import from_start
from diracgan.cli.failures import explain
from diracgan.game import Samples, loss_value
from diracgan.variants.loss_errors import raised_by_loss


class Fails(dg.Variant):
    """A loss that raises what it is given."""

    def critic_loss(self, real, fake, x_real, x_fake):
        raise ValueError("a loss of mine") from self.cause

    cause = None


class Interrupted(Fails):
    """A loss in which an interrupt ends as an error of a library's own."""

    cause = KeyboardInterrupt()


def error_of(fail, *arguments):
    """What it raises, without this frame, which stands in the loss's file."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        fail(*arguments)
    return caught.value.with_traceback(caught.tb.tb_next)


def test_an_error_is_the_losss_where_the_traceback_passes_through_it():
    variant = Fails()
    assert raised_by_loss(error_of(variant.critic_loss, 0, 0, 0, 0), variant)
    assert not raised_by_loss(error_of(dg.variant, "no-such-loss"), variant)
    assert not raised_by_loss(error_of(explain), variant)


def planted(error):
    """A function of this package with a bug that raises ``error``."""
    space = {"error": error}
    exec(compile("def helper():\n    raise error", str(Path(dg.__file__).parent / "game.py"), "exec"), space)
    return space["helper"]


class Catches(dg.Variant):
    """A loss that catches what it calls, and then does what it is told."""

    def critic_loss(self, real, fake, x_real, x_fake):
        try:
            self.first()
        except Exception as error:
            self.then(error)

    def mine(self):
        raise KeyError("mine")

    def again(self, error):
        raise error

    def anew(self, error):
        raise ValueError("of mine") from error

    def instead(self, error):
        raise ValueError("of mine")


@pytest.mark.parametrize(
    ("first", "then", "is_the_losss"),
    [
        ("mine", "again", True),
        ("mine", "anew", True),
        ("mine", "ours", False),  # a bug of ours while the loss handles its own
        ("ours", "again", False),
        ("ours", "anew", False),
        ("ours", "instead", True),  # it has dealt with ours
    ],
)
def test_an_error_in_a_losss_except_block_is_whose_code_raised_it(first, then, is_the_losss):
    variant, bug = Catches(), planted(TypeError("ours"))
    ways = {"mine": variant.mine, "again": variant.again, "anew": variant.anew, "instead": variant.instead}
    object.__setattr__(variant, "first", ways.get(first, bug))
    object.__setattr__(variant, "then", ways.get(then, lambda error: bug()))
    error = error_of(variant.critic_loss, 0, 0, 0, 0)
    assert raised_by_loss(error, variant) is is_the_losss


@pytest.mark.parametrize(("then", "is_the_losss"), [("again", True), ("ours", False)])
def test_a_bug_of_ours_that_a_loss_reaches_is_no_verdict(monkeypatch, then, is_the_losss):
    variant, bug = Catches(), planted(TypeError("a bug of ours"))
    object.__setattr__(variant, "first", variant.mine)
    object.__setattr__(variant, "then", variant.again if then == "again" else lambda error: bug())
    monkeypatch.setattr(from_start, "decide", lambda case: variant.critic_loss(0, 0, 0, 0))
    asked = settings(dg.variant("ns"), at=([0.1], [0.2]))
    asked = dataclasses.replace(asked, variant=variant)
    monkeypatch.setattr(from_start, "Case", lambda *given: SimpleNamespace(note=print))
    monkeypatch.setattr(from_start.dirac, "game", lambda *given: SimpleNamespace(project=lambda point: point))
    if is_the_losss:
        _, answer = from_start.answer_from(asked, 1.0)
        assert (answer.kind, answer.text) == ("undecided", "undecided: the loss failed with KeyError: 'mine'")
    else:
        with pytest.raises(TypeError, match="a bug of ours"):
            from_start.answer_from(asked, 1.0)


def test_a_bug_of_ours_in_a_loss_is_raised_as_what_it_is():
    variant, bug, x = Catches(), planted(TypeError("a bug of ours")), np.ones(1)
    object.__setattr__(variant, "first", variant.mine)
    for then, raised, says in (
        (variant.again, dg.InputError, "critic_loss of 'Catches' failed: KeyError: 'mine'"),
        (lambda error: bug(), TypeError, "a bug of ours"),
    ):
        object.__setattr__(variant, "then", then)
        with pytest.raises(raised, match=says):
            loss_value(variant, "critic_loss", x, x, Samples(x, x))


def test_a_loss_that_cannot_be_called_or_is_not_there_is_the_users():
    x = np.ones(1)
    few = type("Few", (dg.Variant,), {"critic_loss": lambda self, real, fake: 0.0})()
    for variant, says in ((few, "takes 3 positional arguments"), (dg.Variant(), "defines no critic_loss")):
        with pytest.raises(dg.InputError, match=says):
            loss_value(variant, "critic_loss", x, x, Samples(x, x))


def test_a_loss_given_to_python_c_or_in_a_folder_named_like_the_packages_is_the_users():
    source = Path(__file__).read_text().split("class Interrupted")[0].split("class Fails")[1]
    for name in ("<string>", f"{Path(dg.__file__).parent}_losses/mine.py"):
        space = {"dg": dg, "__name__": __name__}
        exec(compile(f"class Fails{source}", name, "exec"), space)
        variant = space["Fails"]()
        assert raised_by_loss(error_of(variant.critic_loss, 0, 0, 0, 0), variant)


def test_an_interrupt_inside_a_loss_is_not_an_error_of_the_loss():
    variant = Interrupted()
    assert not raised_by_loss(error_of(variant.critic_loss, 0, 0, 0, 0), variant)
