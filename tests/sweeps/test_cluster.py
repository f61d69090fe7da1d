"""A Dask cluster of separate processes: the same bytes as this machine, also when its workers die."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import diracgan as dg

distributed = pytest.importorskip("distributed")

MINE = """
import os, signal
from pathlib import Path
import jax.numpy as jnp
import diracgan as dg


@dg.register("cluster-loss")
class Mine(dg.Variant):
    k: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -self.k * jnp.mean(fake)


def deadly(point):
    \"\"\"Kills the process that computes it, the first time at each of two points.\"\"\"
    mark = Path(__file__).with_name(f"died-{point.values['k']:g}")
    if point.values["k"] in (1.5, 3.0) and not mark.exists() and os.getpid() != MAIN:
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return point.values["k"] ** 2
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with started(2) as made:
        yield made


@pytest.fixture(scope="module")
def worker() -> Iterator[Any]:
    with started(1) as made:
        yield made


def started(count: int) -> Any:
    return distributed.LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow  # no fast witness: it starts a cluster
def test_workers_that_die_change_nothing(cluster: Any, tmp_path: Path):
    from diracgan.variants import parse

    file = tmp_path / "mine.py"
    file.write_text(MINE.replace("MAIN", str(os.getpid())))
    v = parse(f"{file}:cluster-loss").with_(r1=0.2)
    asked = ["margin", f"{file}:deadly"]
    over = {"k": "0.5:4:8", "l2": "0:1:3"}
    here, there = tmp_path / "here.zarr", tmp_path / "there.zarr"
    dg.sweep(v, over, asked, out=here, chunk=3, devices=1)
    dg.sweep(v, over, asked, out=there, chunk=3, scheduler=cluster.scheduler_address)
    assert sorted(p.name for p in tmp_path.glob("died-*")) == ["died-1.5", "died-3"]
    assert contents(there) == contents(here)


@pytest.mark.slow  # fast, by processes: test_sweep.py, the store does not depend on who computes
def test_runs_on_a_cluster_equal_those_here(cluster: Any, tmp_path: Path):
    rule = dg.rule("alternating", lr=0.1, ema=0.9)
    arguments: dict[str, Any] = {"rule": rule, "steps": 200, "chunk": 8, "theta0": [0.3]}
    over = {"phi0": "-1:1:5", "lr": "0.1:0.4:7"}
    asked = ["final_radius", "limit_radius", "period", "ema_gain"]
    here, there = tmp_path / "here.zarr", tmp_path / "there.zarr"
    dg.sweep(dg.variant("ns"), over, asked, out=here, **arguments)
    dg.sweep(dg.variant("ns"), over, asked, out=there, scheduler=cluster, **arguments)
    assert contents(there) == contents(here)


def test_an_error_in_a_worker_is_said_in_its_own_words(worker: Any, tmp_path: Path):
    file = tmp_path / "bad.py"
    file.write_text("def bad(point):\n    return 1 / (point.values['r1'] - 1)\n")
    with pytest.raises(dg.InputError, match=r"bad failed at r1 = 1: ZeroDivisionError"):
        dg.sweep(dg.variant("ns"), {"r1": "0:1:2"}, f"{file}:bad", scheduler=worker)


def test_what_cannot_be_sent_is_refused(worker: Any):
    optax = pytest.importorskip("optax")
    rule = dg.rule.from_optax(optax.sgd(0.1))
    with pytest.raises(dg.InputError, match="cannot be sent"):
        dg.sweep(dg.variant("ns"), {"r1": "0:1:2"}, rule=rule, scheduler=worker)
