"""Initialisers: fans, gains and structures against PyTorch, whose matrices are (out, in)."""

import math

import numpy as np
import pytest

from chainrule.initializers import (
    Identity,
    KaimingNormal,
    KaimingUniform,
    Orthogonal,
    TruncatedNormal,
    XavierNormal,
    XavierUniform,
    fans,
    gain,
)

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
init = torch.nn.init


def theirs(shape):
    """Return an empty tensor of our shape, a matrix transposed."""
    return torch.empty(shape[::-1] if len(shape) == 2 else shape, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(4, 8), (8, 4), (6, 3, 5), (6, 3, 5, 4), (8, 1, 3, 3)])
def test_fans(shape):
    assert fans(shape) == init._calculate_fan_in_and_fan_out(theirs(shape))


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains(name):
    assert gain(name) == pytest.approx(init.calculate_gain(name), rel=1e-15)
    if name == "leaky_relu":
        assert gain(name, negative_slope=0.3) == pytest.approx(
            init.calculate_gain(name, 0.3), rel=1e-15
        )


@pytest.mark.parametrize("shape", [(300, 500), (40, 60, 5, 5)])
@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (KaimingNormal(), lambda t: init.kaiming_normal_(t, nonlinearity="relu")),
        (KaimingUniform(), lambda t: init.kaiming_uniform_(t, nonlinearity="relu")),
        (KaimingUniform(gain("tanh")), lambda t: init.kaiming_uniform_(t, nonlinearity="tanh")),
        (XavierNormal(), init.xavier_normal_),
        (XavierUniform(), init.xavier_uniform_),
        (TruncatedNormal(0.5, mean=1.0), lambda t: init.trunc_normal_(t, 1.0, 0.5, 0.0, 2.0)),
    ],
    ids=repr,
)
def test_spread_and_range(ours, reference, shape):
    torch.manual_seed(0)
    drawn = ours(shape, np.random.default_rng(0))
    other = reference(theirs(shape)).numpy()
    assert drawn.std() == pytest.approx(other.std(), rel=6 / math.sqrt(2 * drawn.size))
    if not isinstance(ours, KaimingNormal | XavierNormal):  # those have no ends
        assert drawn.max() == pytest.approx(other.max(), rel=0.001)
        assert drawn.min() == pytest.approx(other.min(), rel=0.001, abs=0.001)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 3, 3, 3)])
def test_orthogonal_has_their_singular_values(shape):
    ours = Orthogonal(1.5)(shape, np.random.default_rng(0)).reshape(shape[0], -1)
    other = init.orthogonal_(theirs(shape), 1.5).reshape(theirs(shape).shape[0], -1).numpy()
    np.testing.assert_allclose(
        np.linalg.svd(ours, compute_uv=False), np.linalg.svd(other, compute_uv=False), rtol=1e-10
    )


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (4, 4, 3), (4, 2, 3, 4)])
def test_identity(shape):
    ours = Identity()(shape, np.random.default_rng(0))
    if len(shape) == 2:
        np.testing.assert_array_equal(ours.T, init.eye_(theirs(shape)).numpy())
    else:
        np.testing.assert_array_equal(ours, init.dirac_(theirs(shape)).numpy())
