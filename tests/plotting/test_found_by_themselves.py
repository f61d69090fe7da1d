"""A picture is added by one file: `dg.plot` and `diracgan plot --view` find it without being told."""

import sys

import pytest

from diracgan import plotting
from diracgan.errors import InputError
from diracgan.lazy import load_from_modules
from diracgan.plotting.views import VIEWS, view


def test_a_new_module_is_found_by_what_it_lists(tmp_path, monkeypatch):
    room = tmp_path / "drawing_room"
    room.mkdir()
    (room / "__init__.py").write_text(
        "from diracgan.lazy import load_from_modules\nload_from_modules(__name__)\n"
    )
    listed = '__all__ = [\n    "rings",\n    "ring_figure",\n]\n'
    (room / "rings.py").write_text(f"{listed}\n\ndef rings():\n    return 'drawn'\n\n\nring_figure = rings\n")
    (room / "helpers.py").write_text("raise RuntimeError('what lists nothing is not imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import drawing_room  # pyright: ignore[reportMissingImports]

    assert drawing_room.__all__ == ["ring_figure", "rings"]
    assert "drawing_room.rings" not in sys.modules, "its list is read without importing it"
    assert drawing_room.rings() == "drawn", "the function, not the module of the same name"
    with pytest.raises(AttributeError):
        _ = drawing_room.squares
    load_from_modules("drawing_room")  # again: nothing changes
    assert drawing_room.ring_figure() == "drawn"


def test_every_public_picture_is_documented_and_is_at_home_in_one_module():
    for name in plotting.__all__:
        thing = getattr(plotting, name)
        assert thing.__doc__, name
        assert thing.__module__.startswith("diracgan.plotting."), f"{name} is listed where it is not defined"


def test_views_say_what_they_draw_before_anything_is_computed():
    assert VIEWS[0] == "page"
    assert {name: view(name).DIMENSION for name in VIEWS} == {"page": None, "critic": 1, "space": 3}
    with pytest.raises(InputError, match="did you mean 'space'"):
        view("spaec")
