"""Data as they lie on disk, and draws as they should be distributed."""

from __future__ import annotations

import gzip
import os
import struct
import sys
import tracemalloc
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.stats import chi2, kstest, uniform

import diracgan as dg
from diracgan import memory
from diracgan.errors import InputError
from diracgan.training.problems import problem, problems

ROOT = Path(__file__).parents[2]
MNIST = Path(os.environ.get("DIRACGAN_MNIST", ROOT.parent / "shared/data/mnist"))
IMAGES = MNIST / "t10k-images-idx3-ubyte.gz"
mnist = pytest.mark.skipif(
    not IMAGES.is_file(), reason=f"no MNIST in {MNIST}; DIRACGAN_MNIST names its folder"
)


def images(n=6, side=8, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def refused(said: str, name: str, **options) -> None:
    with pytest.raises(InputError, match=said) as told:
        problem(name, **options)
    assert "\n" not in str(told.value)


def test_an_idx_file_gz_or_not_with_its_labels(folder):
    pixels, classes = images(), np.array([0, 1, 2, 1, 0, 2], np.uint8)
    Path("train-images-idx3-ubyte").write_bytes(idx(pixels))
    Path("train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(classes)))
    made = problem("idx:train-images-idx3-ubyte")
    np.testing.assert_allclose(np.asarray(made.data)[..., 0], pixels / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(made.labels, classes)
    assert (made.shape, made.classes, made.network) == ((8, 8, 1), 3, "dcgan")
    assert problem("idx:train-images-idx3-ubyte", labels="none").classes == 0
    assert problem("idx:train-images-idx3-ubyte", pad=1).shape == (10, 10, 1)
    Path("c-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
    assert problem("idx:c-images-idx3-ubyte").labels is None  # .gz is found without being named
    assert Path(dict(made.spec)["path"]).is_absolute()


def test_idx_files_that_are_not_what_they_should_be(folder):
    whole = idx(images())
    cases = {
        "magic": (b"\x00\x00\x0d\x03" + whole[4:], "magic number 0x00000d03; allowed: 0x00000803"),
        "labels": (idx(np.arange(6, dtype=np.uint8)), "magic number 0x00000801"),
        "short": (whole[:-1], r"is truncated: 399 bytes, but 6 x 8 x 8 needs 400"),
        "long": (whole + b"x", "is too long"),
        "header": (whole[:9], "its header alone has 16 bytes, the file has 9"),
        "empty": (b"", "has 0 bytes"),
        "nothing": (idx(np.zeros((0, 8, 8), np.uint8)), "holds nothing"),
        "text": (b"hello world, no pixels here", "magic number 0x68656c6c"),
        "gz": (gzip.compress(whole)[:-9], "is truncated: its gzip stream ends early"),
    }
    for name, (raw, said) in cases.items():
        Path(name).write_bytes(raw)
        refused(said, f"idx:{name}")
    refused("no file 'missing'", "idx:missing")
    Path("a").write_bytes(whole)
    Path("b").write_bytes(idx(np.arange(5, dtype=np.uint8)))
    refused("5 labels for 6 images", "idx:a", labels="b")
    refused("no file 'c'", "idx:a", labels="c")
    refused("magic number 0x00000803; allowed: 0x00000801", "idx:a", labels="a")
    refused("5 labels for 6 images", "idx:a,labels=b")
    assert problem("idx:a,labels=none,latent=3").inputs == 3


def test_sizes_are_checked_before_anything_is_read(folder):
    # (2^32 - 1)^3 overflows 64 bits; 65536^4 = 2^64 is 0 in them
    for name, shape in (("cube", (2**32 - 1,) * 3), ("four", (65536,) * 4)):
        Path(name).write_bytes(struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape) + b"x")
        refused(f"says that it holds .* = {shape[0] ** len(shape)} bytes; allowed: at most", f"idx:{name}")
    # 64 MiB of zeros in 64 KiB behind a header that names 4 bytes: five bytes of them are read
    Path("bomb.gz").write_bytes(gzip.compress(idx(np.zeros((1, 2, 2), np.uint8)) + bytes(1 << 26)))
    tracemalloc.start()
    refused("is too long: 1 x 2 x 2 needs 20 bytes, and more follow", "idx:bomb.gz")
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_pixels_that_do_not_fit_into_memory_are_refused_before_they_are_doubles(folder, monkeypatch):
    Path("some").write_bytes(idx(images()))
    np.savez("some.npz", images())
    problem("idx:some"), problem("npz:some.npz")
    monkeypatch.setattr(memory, "_of_this_machine", lambda: 8.0 * images().size)
    refused("this machine has .* 'some' holds 6 x 8 x 8 pixels; take fewer", "idx:some")
    Path("some").write_bytes(Path("some").read_bytes()[:16])  # what its header says is enough
    refused("this machine has .* 'some' holds 6 x 8 x 8 pixels; take fewer", "idx:some")
    refused("this machine has .* of 'some.npz' is .6, 8, 8, 1.; take fewer samples", "npz:some.npz")


def test_npz_files(folder):
    vectors = np.random.default_rng(0).normal(size=(7, 3))
    np.savez("v.npz", x=vectors, y=np.array([0, 1, 0, 1, 2, 2, 0]))
    made = problem("npz:v.npz")
    np.testing.assert_allclose(made.data, vectors, rtol=1e-6)
    assert (made.shape, made.classes, made.network, made.images) == ((3,), 3, "mlp", False)
    np.savez("i.npz", images(5))
    made = problem("npz:i.npz")
    assert (made.shape, made.network, float(np.abs(made.data).max()) <= 1) == ((8, 8, 1), "dcgan", True)
    bad = vectors.copy()
    bad[4, 1] = np.nan
    np.savez("nan.npz", x=bad)
    refused(r"1 numbers that are not finite \(NaN\), the first at \(4, 1\)", "npz:nan.npz")
    for far, kind in (
        (1e308, np.float64),
        (-1e13, np.float32),
        (10**13, np.int64),
    ):  # a float32 run would say NaN
        bad = np.zeros((7, 3), kind)
        bad[4, 1] = far
        np.savez("far.npz", x=bad)
        refused(r"at \(4, 1\); allowed: numbers in \[-1e\+12, 1e\+12\]", "npz:far.npz")
    np.savez("half.npz", x=vectors.astype(np.float16))
    assert problem("npz:half.npz").shape == (3,)
    np.savez("range.npz", x=3 * np.random.default_rng(0).normal(size=(4, 8, 8)))
    refused(r"allowed: numbers in \[-1, 1\]", "npz:range.npz")
    np.savez("labels.npz", x=vectors, y=np.arange(3))
    refused("allowed: one class 0, 1, ... for each of 7 samples", "npz:labels.npz")
    np.savez("objects.npz", x=np.array([{}, {}], object))
    refused("is not an .npz file of numbers; allowed: what numpy.savez writes", "npz:objects.npz")
    np.savez("two.npz", a=vectors, b=vectors)
    refused("no array 'x'; allowed: key=a or key=b", "npz:two.npz")
    assert problem("npz:two.npz", key="b").size == problem("npz:two.npz,key=b").size == 3
    Path("text.npz").write_text("no zip")
    refused("'text.npz'", "npz:text.npz")
    Path("cut.npz").write_bytes(Path("v.npz").read_bytes()[:-100])
    refused("'cut.npz'", "npz:cut.npz")
    refused("no file 'missing.npz'", "npz:missing.npz")


def test_digits_say_how_to_be_had(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    refused("pip install scikit-learn, or diracgan with its extra 'train'", "digits")


def test_mixtures_are_what_they_say():
    for name, centres, spread in (("ring8", 8, 0.02), ("grid25", 25, 0.05), ("points8", 8, 0.0)):
        made = problem(name)
        x = np.asarray(made.draw(jax.random.key(0), 20_000).x, np.float64)
        away = x[:, None] - np.asarray(made.data)
        nearest = np.linalg.norm(away, axis=-1).argmin(axis=1)
        assert len(made.data) == centres
        # a share p of n draws scatters by sqrt((1 - p)/(p n)) of itself, 1.9 % and 3.5 % here; 25 of them within four
        np.testing.assert_allclose(
            np.bincount(nearest) / 20_000, 1 / centres, rtol=4 * np.sqrt((centres - 1) / 20_000)
        )
        residual = away[np.arange(20_000), nearest]
        assert residual.std() == pytest.approx(spread, rel=0.02, abs=1e-7)
    z = np.asarray(problem("ring8").draw(jax.random.key(1), 20_000).z)
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert z.std() == pytest.approx(1, rel=0.01)
    x = np.asarray(problem("gauss2d", mean=[3.0, 1.0], std=0.5).draw(jax.random.key(0), 20_000).x)
    np.testing.assert_allclose(x.mean(axis=0), [3, 1], atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), 0.25 * np.eye(2), atol=0.01)


def test_truncated_inputs_lie_inside():
    made = problem("ring8")
    z = np.asarray(made.latent(jax.random.key(0), 20_000, truncation=0.5))
    assert np.abs(z).max() <= 0.5
    # the variance of a standard normal cut off at 0.5
    assert z.var() == pytest.approx(1 - 2 * 0.5 * 0.3520653 / 0.3829249, rel=0.02)


def test_inputs_truncated_by_their_norm_are_normal_ones_in_a_ball():
    """|z|^2 of a normal z of 8 entries is chi-squared: given |z| <= b its mean is 8 F_10(b^2)/F_8(b^2)."""
    made = problem("ring8", latent=8)
    for bound in (0.05, 1.5, 3.0, 40.0):
        z = np.asarray(made.latent(jax.random.key(0), 20_000, bound, "norm"))
        square = (z**2).sum(axis=1)
        assert square.max() <= bound**2 * (1 + 1e-6)
        expected = 8 * chi2(10).cdf(bound**2) / chi2(8).cdf(bound**2)
        assert square.mean() == pytest.approx(expected, rel=0.02)
        np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=4 * bound / np.sqrt(20_000))
    most = problem("digits", latent=512).latent(jax.random.key(0), 100, 1.0, "norm")
    # P(|z| <= 1) is below 1e-500 here; the mean radius of the uniform ball is 512/513
    assert np.linalg.norm(most, axis=1).mean() == pytest.approx(512 / 513, abs=1e-3)


def test_a_uniform_prior_in_training_and_at_generation():
    made = problem("ring8:prior=uniform")
    assert dict(made.spec) == {"name": "ring8", "prior": "uniform"}
    for z in (made.draw(jax.random.key(0), 20_000).z, made.latent(jax.random.key(1), 20_000)):
        for entry in np.asarray(z)[:, :3].T:
            assert kstest(entry, uniform(-1, 2).cdf).pvalue > 1e-3
    cut = np.asarray(made.latent(jax.random.key(0), 20_000, truncation=0.5))
    assert kstest(cut[:, 0], uniform(-0.5, 1).cdf).pvalue > 1e-3
    with pytest.raises(InputError, match="not truncated by its norm"):
        made.latent(jax.random.key(0), 3, 1.0, "norm")
    refused("did you mean 'uniform'", "ring8:prior=unifrom")
    refused("draws no inputs at random", "denoise:prior=uniform")


def test_a_paired_problem_pairs():
    made = problem("denoise", std=0.3)
    batch = made.draw(jax.random.key(0), 500)
    noise = np.asarray(batch.z) - np.asarray(batch.x).reshape(500, -1)
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert made.draw(jax.random.key(0), 5).labels.shape == (5,)


def test_every_problem_says_what_it_is():
    assert all(text and not text.endswith(".") for text in problems().values())
    refused("did you mean 'ring8'", "ring9")
    refused("did you mean 'std'", "ring8", sdt=1)
    refused("must have 2 entries", "dirac", x0=[0.0, 0.0], phi0=[1.0])


@mnist
def test_mnist_as_it_is_distributed():
    made = problem(f"idx:{IMAGES}")
    assert made.data.shape == (10_000, 28, 28, 1)
    assert np.bincount(made.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (float(made.data.min()), float(made.data.max())) == (-1.0, 1.0)
    assert made.network == "dcgan"


@mnist
@pytest.mark.slow  # no fast witness: it trains; the score: test_monitors.py::test_inception_score_of_groups
def test_mnist_through_a_dcgan_becomes_digits():
    """After a few hundred steps a classifier of the data tells classes in the samples, where at first it told none."""
    from diracgan.training import train

    adam = dg.rule("adam", lr=1e-3, beta1=0.5, alternating=True)
    how = {"networks": {"width": 16}, "batch": 64, "log_every": 200, "save_every": 200}
    run = train("ns", f"idx:{IMAGES}", rule=adam, steps=400, **how)
    scores = [line["inception"] for line in run.metrics]
    assert run.result == "ok"
    assert scores[0] < 1.5
    assert scores[-1] > 3.5
    assert run.metrics[-1]["frechet"] < 0.5 * run.metrics[0]["frechet"]
