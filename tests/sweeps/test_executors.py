"""Where the chunks of a sweep are computed on this machine."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from diracgan.sweeps.executors import Local


class Asked:
    """In place of a sweep's question: the devices that an answer is computed on."""

    def answer(self, values, device, stopped):
        return {"given": np.array(str(device)), "default": np.array(str(jax.config.jax_default_device))}


def answered(executor):
    ((_, found),) = executor.run(Asked(), iter([(0, {})]))
    return str(found["given"]), str(found["default"])


def test_cores_alone_leave_jax_s_default_as_it_is():
    if jax.default_backend() != "cpu":
        pytest.skip("JAX sees a GPU")
    assert answered(Local(1)) == ("None", "None")


@pytest.mark.parametrize("asked", ["by a list", "as the default device"])
def test_the_processor_that_was_asked_for_is_the_default_of_every_worker(asked, monkeypatch):
    """A default device is a thread's own: beside a GPU the workers would have gone there."""
    processor = jax.local_devices(backend="cpu")[0]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    if asked == "by a list":
        executor = Local([processor])
    else:
        with jax.default_device(processor):
            executor = Local()
    assert answered(executor) == ("None", str(processor))
