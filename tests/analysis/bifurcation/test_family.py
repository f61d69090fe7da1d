"""The field or map over two parameters: its derivatives against differences of each other."""

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.bifurcation.family import Family
from diracgan.analysis.linear.parameter_handle import parameter_handle
from diracgan.analysis.linear.settings import settings

STEP = 1e-5
AT = np.array([0.3, -0.2, 0.4, 0.6])  # (phi, theta, gamma, lr)


@pytest.fixture(scope="module")
def family():
    around = settings(dg.variant("ns"), dg.rule("simultaneous"))
    return Family(around, [parameter_handle(around, name) for name in ("r1", "lr")])


def differences(function, u):
    return np.stack([(function(u + way) - function(u - way)) / (2 * STEP) for way in STEP * np.eye(len(u))])


def test_slopes_are_differences_of_the_jacobian(family):
    value, jacobian, slopes = family.equations_with_slopes(AT, len(AT))
    np.testing.assert_array_equal(value, family.equations(AT)[0])
    np.testing.assert_allclose(jacobian, family.equations(AT)[1], atol=1e-15)
    np.testing.assert_allclose(jacobian.T, differences(lambda u: family.equations(u)[0], AT), atol=1e-9)
    turned = differences(lambda u: family.equations(u)[1][:, :2], AT)
    np.testing.assert_allclose(slopes, turned, atol=1e-9)
    np.testing.assert_array_equal(family.equations_with_slopes(AT, 2)[2], slopes[2:])


def test_third_derivatives_are_differences_of_the_second(family):
    x, ps = family.split(AT)
    way = np.array([0.8, 0.6])
    beside = np.stack([x + STEP * way, x - STEP * way])
    second, third = family.curvatures(np.concatenate([beside, x[None]]), ps, way)
    np.testing.assert_allclose(third[2], (second[0] - second[1]) / (2 * STEP), atol=1e-9)
    found = family.derivatives(x, ps)
    np.testing.assert_allclose(found.second(way[None], way[None])[0], second[2], atol=1e-15)
    np.testing.assert_allclose(found.third(*[way[None]] * 3)[0], third[2], atol=1e-15)
