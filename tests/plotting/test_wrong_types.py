"""What cannot be drawn is refused in one line, by every public function that draws."""

from __future__ import annotations

import inspect

import pytest

import diracgan as dg
from diracgan import plotting

SAVING = ("check", "save", "show")  # take a figure or a path, in test_saving.py


def needed(public):
    """The names of the arguments that have no default."""
    parameters = inspect.signature(public).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


def drawing():
    public = {name: getattr(plotting, name) for name in plotting.__all__ if name not in SAVING}
    return {name: thing for name, thing in public.items() if inspect.isfunction(thing) and needed(thing)}


@pytest.mark.parametrize("value", [7, None, "x", 1j], ids=repr)
@pytest.mark.parametrize("name", drawing())
def test_what_cannot_be_drawn_is_refused_in_one_line(name, value):
    public = drawing()[name]
    given = {n: "words" if n in ("title", "sentence", "truth", "command") else value for n in needed(public)}
    with pytest.raises(dg.InputError, match="allowed|needed"):
        public(**given)


def test_the_line_names_what_was_given_and_where_one_comes_from():
    with pytest.raises(dg.InputError, match=r"found = 7 .* allowed: what dg\.bifurcation\.atlas"):
        plotting.atlas_figure(7)
    with pytest.raises(dg.InputError, match=r"traj = 7 .* allowed: what dg\.simulate returns"):
        plotting.portrait(7)
