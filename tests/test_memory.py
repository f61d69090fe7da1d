"""What does not fit is refused in one line before it is made."""

from __future__ import annotations

import pytest

import diracgan as dg
from diracgan.errors import InputError
from diracgan.memory import check_memory, check_rows

MANY = {f"r{k}": f"0:1:{n}" for k, n in ((1, 100_000), (2, 100_000))}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: check_rows(10**9, 4, "x"),
            "1000000000 rows of 4 numbers are too many; allowed: at most 50000000",
        ),
        (lambda: check_memory(2.0**40, "x", most=2**31), r"takes 1\.02e\+03 GiB; allowed: 2 GiB; x"),
        (lambda: check_memory(2.0**60, "x"), "this machine has"),
        (
            lambda: dg.simulate(dg.variant("ns"), rule=dg.rule("alternating"), steps=10**9, dim=1),
            "1000000002 rows of 2 numbers are too many",
        ),
        (lambda: dg.sweep(dg.variant("ns"), MANY), r"takes 74\.5 GiB; allowed: 2 GiB; give out="),
    ],
)
def test_it_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
