"""The range test: on a problem whose best rate is known."""

import sys

import numpy as np
import pytest

from chainrule import (
    SGD,
    Adam,
    CategoricalCrossEntropy,
    ConfigurationError,
    InputError,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    find_learning_rate,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((256, 4))
TARGET = X @ np.array([[1.0], [-2.0], [0.5], [3.0]])


def linear():
    return Network([Linear(4, 1, seed=0)], dtype="float64")


def run(network=None, **options):
    options = {
        "loss": MeanSquaredError(),
        "optimizer": SGD(),
        "batch_size": 32,
        "seed": 0,
    } | options
    return find_learning_rate(network or linear(), X, TARGET, **options)


def test_the_suggestion_is_near_what_the_curvature_says():
    # The loss's curvature is 2 in every direction: a rate of 0.5 solves it, 1 diverges.
    test = run(lowest=1e-5, highest=100.0)
    assert 0.02 < test.suggestion < 1.0
    assert test.learning_rates[-1] < 30, "it ended when the loss exploded"
    assert len(test.losses) == len(test.learning_rates) == len(test.smoothed) < 100
    assert test.learning_rates[0] == 1e-5
    np.testing.assert_allclose(np.diff(np.log(test.learning_rates)), np.log(1e7) / 99)


def test_training_with_the_suggestion_beats_a_thirtieth_of_it_and_thirty_times_it():
    suggestion = run(lowest=1e-5, highest=100.0).suggestion
    losses = []
    for rate in (suggestion, suggestion / 30, suggestion * 30):
        network, loss = linear(), MeanSquaredError()
        for _ in range(20):
            with np.errstate(all="ignore"):
                y = network.forward(X)
                network.backward(loss.backward(TARGET, y))
                network.update(rate)
        losses.append(np.nan_to_num(loss.forward(TARGET, network.predict(X)), nan=np.inf))
    assert losses[0] == min(losses)


def test_network_and_optimizer_are_left_as_they_are():
    network, optimizer = linear(), Adam(0.123)
    before = network.state()
    run(network, optimizer=optimizer)
    for name, value in network.state().items():
        np.testing.assert_array_equal(value, before[name])
    assert (optimizer.steps, optimizer.learning_rate) == (0, 0.123)


def test_it_goes_through_small_data_and_iterables_again_and_again():
    network = Network([Linear(4, 8, seed=0), ReLU(), Linear(8, 2, seed=1)])
    loss, labels = CategoricalCrossEntropy(from_logits=True), (X[:40, 0] > 0).astype(int)
    from_arrays = find_learning_rate(network, X[:40], labels, loss=loss, highest=0.1, seed=0)
    assert len(from_arrays.losses) == 100
    batches = [(X[:20], labels[:20]), (X[20:40], labels[20:40])]
    from_batches = find_learning_rate(network, batches, loss=loss, highest=0.1, steps=25)
    assert len(from_batches.losses) == 25


def test_infinity_ends_the_test_too():
    test = run(lowest=1e-3, highest=1e30, steps=60, optimizer=SGD())
    assert np.isfinite(test.losses).all()
    assert np.isfinite(test.suggestion)


def test_the_smoothed_loss_is_the_corrected_moving_average():
    test = run(steps=10)
    weights = np.array([[0.9 ** (t - s) if s <= t else 0 for s in range(10)] for t in range(10)])
    expected = (weights @ test.losses) / weights.sum(axis=1)
    np.testing.assert_allclose(test.smoothed, expected)


def test_the_plot_marks_the_suggestion(tmp_path):
    pytest.importorskip("matplotlib")
    test = run()
    figure = test.plot()
    (panel,) = figure.axes
    assert panel.get_xscale() == "log"
    assert panel.lines[2].get_xdata()[0] == test.suggestion
    figure.savefig(tmp_path / "test.png")
    assert (tmp_path / "test.png").stat().st_size > 5000


def test_what_makes_no_sense_is_refused():
    for options, message in (
        ({"lowest": 0}, "0 < lowest, got 0"),
        ({"lowest": 1.0, "highest": 0.1}, "1 < highest, got 0.1"),
        ({"highest": np.inf}, "< highest, got inf"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            run(**options)
    with pytest.raises(ConfigurationError, match="steps must be"):
        run(steps=3)
    with pytest.raises(InputError, match="diverged within"):
        run(lowest=1e10, highest=1e20)


def lines_executed(steps):
    """Return how many lines of learning_rate_finder.py a test of so many steps executes."""
    count = 0

    def look(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith("learning_rate_finder.py"):
            return None
        count += event == "line"
        return look

    sys.settrace(look)
    try:
        assert len(run(steps=steps, lowest=1e-9, highest=1e-3).losses) == steps
    finally:
        sys.settrace(None)
    return count


def test_the_work_grows_with_the_steps_not_with_their_square():
    assert lines_executed(400) < 6 * lines_executed(100)


def test_a_single_sample_left_over_joins_the_batch_before_it():
    sizes = []

    class Noticing(MeanSquaredError):
        def losses(self, y_true, y_pred):
            sizes.append(len(y_true))
            return super().losses(y_true, y_pred)

    find_learning_rate(linear(), X[:33], TARGET[:33], loss=Noticing(), batch_size=16, steps=10)
    assert set(sizes[-10:]) == {16, 17}
