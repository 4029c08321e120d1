"""The moving average of the weights: its formula, its use for evaluation, its state."""

import numpy as np
import pytest

from chainrule import ConfigurationError, ExponentialMovingAverage, Linear, Network, StateError


def network_of(*weights, dtype="float64"):
    network = Network([Linear(2, 1, bias=False)], dtype=dtype)
    network.flat.values[:] = weights
    return network


def averaged(decay, *places):
    network, average = network_of(0, 0), ExponentialMovingAverage(decay)
    for weights in places:
        network.flat.values[:] = weights
        average.update(network)
    return network, average


def test_by_hand():
    network, average = averaged(0.75, [4, 0], [8, 0], [1, 16])
    with average.applied(network):
        np.testing.assert_allclose(network.flat.values, [0.75 * 5 + 0.25, 4])
    assert average.steps == 3


def test_the_first_step_is_the_weights_themselves():
    average = averaged(0.99, [4, 2])[1]
    average.copy_to(other := network_of(0, 0))
    np.testing.assert_array_equal(other.flat.values, [4, 2])


def test_own_weights_come_back_also_after_an_error():
    network, average = averaged(0.5, [4, 2], [0, 0])
    with average.applied(network) as same:
        assert same is network
        np.testing.assert_array_equal(network.predict([[1.0, 0.0]]), [[2.0]])
    np.testing.assert_array_equal(network.flat.values, [0, 0])
    with pytest.raises(ZeroDivisionError), average.applied(network):
        1 / 0  # noqa: B018
    np.testing.assert_array_equal(network.flat.values, [0, 0])
    average.update(network)
    assert average.steps == 3


def test_updating_while_applied_is_refused():
    network, average = averaged(0.5, [4, 2], [0, 0])
    with (
        average.applied(network),
        pytest.raises(ConfigurationError, match="update belongs after the with block"),
    ):
        average.update(network)


def test_for_good():
    network, average = averaged(0.5, [4, 2], [0, 0])
    average.copy_to(network)
    np.testing.assert_array_equal(network.flat.values, [2, 1])


def test_the_type_is_kept():
    network, average = network_of(1, 2, dtype="float32"), ExponentialMovingAverage(np.float64(0.9))
    average.update(network)
    average.update(network)
    assert average.state()["average"].dtype == np.float32


def test_goes_on_bit_for_bit_from_its_state():
    places = np.random.default_rng(0).standard_normal((10, 2))
    straight = averaged(0.9, *places)[1].state()
    network, average = averaged(0.9, *places[:4])
    saved = average.state()
    average.update(network)  # what is saved is a copy
    again = ExponentialMovingAverage(0.9)
    again.load_state(saved)
    for weights in places[4:]:
        network.flat.values[:] = weights
        again.update(network)
    assert again.steps == 10
    np.testing.assert_array_equal(again.state()["average"], straight["average"])


def test_an_empty_state():
    average = averaged(0.9, [1, 2])[1]
    assert ExponentialMovingAverage().state() == {"steps": 0}
    average.load_state(ExponentialMovingAverage().state())
    with pytest.raises(ConfigurationError, match="There is no average yet: call update"):
        average.copy_to(network_of(0, 0))


def test_states_that_do_not_fit():
    average = averaged(0.9, [1, 2])[1]
    with pytest.raises(StateError, match=r"remembers \['average', 'steps'\], got \['steps'\]"):
        average.load_state({"steps": np.array(1)})
    with pytest.raises(StateError, match=r"remembers \['steps'\], got \[\]"):
        average.load_state({})
    larger = Network([Linear(3, 1, bias=False)])
    for method in (average.update, average.copy_to):
        with pytest.raises(StateError, match="The average has 2 values, the network 3"):
            method(larger)


@pytest.mark.parametrize("decay", [1, -0.1, None])
def test_a_decay_that_makes_no_sense(decay):
    with pytest.raises(ConfigurationError, match="0 <= decay < 1, got"):
        ExponentialMovingAverage(decay)


def test_shows_itself():
    assert repr(ExponentialMovingAverage(0.9)) == "ExponentialMovingAverage(decay=0.9)"
