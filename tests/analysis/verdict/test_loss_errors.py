"""Whose error it is: the user's loss's, ours, or the interrupt's."""

from pathlib import Path

import pytest

import diracgan as dg
from diracgan.analysis.verdict.loss_errors import raised_by_loss
from diracgan.cli.failures import explain


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
