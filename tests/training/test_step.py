"""A step that overflows is undone: values, and what the optimizer remembers."""

import numpy as np
import pytest

from chainrule import Momentum, Network
from chainrule.training.step import StepFailed, _move


def test_a_step_that_overflows_leaves_values_and_optimizer_as_they_were():
    network, optimizer = Network([2, 3], seed=0), Momentum(1e10)
    network.set_gradients(np.full(len(network.flat), 1e-12, np.float32))
    optimizer.step(network)
    values, state = network.flat.values.copy(), optimizer.state()
    network.set_gradients(np.full(len(network.flat), 1e35, np.float32))
    with np.errstate(over="ignore"), pytest.raises(StepFailed):
        _move(network, optimizer, norm=1e35, rate=1e10, spread=None)
    np.testing.assert_array_equal(network.flat.values, values)
    assert optimizer.steps == 1
    for name, kept in optimizer.state().items():
        np.testing.assert_array_equal(kept, state[name])
