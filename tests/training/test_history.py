"""History: two tables, and what can be made of them."""

import csv
import json
import math
import sys

import numpy as np
import pytest

from chainrule import ConfigurationError, InputError, MissingExtraError
from chainrule.training.history import History
from chainrule.training.monitor import better_is


@pytest.fixture
def history():
    history = History()
    for epoch in range(4):
        row = {"loss": 1 / (epoch + 1), "accuracy": epoch / 4, "val_loss": (epoch - 2) ** 2}
        history.add_epoch(row | {"learning_rate": 0.1, "seconds": 1.5})
    history.steps = {"loss": [1.0, 0.5], "gradient_norm": [2.0, math.inf], "learning_rate": [0, 1]}
    return history


def test_rows_and_columns(history):
    assert len(history) == 4
    assert history.column("accuracy") == [0, 0.25, 0.5, 0.75]
    assert history.row()["val_loss"] == 1
    assert history.row(0)["val_loss"] == 4
    with pytest.raises(ConfigurationError, match=r"no 'recall' in this history; it has \['acc"):
        history.column("recall")
    last = "History(4 epochs, 2 steps; the network's weights are of epoch 4: loss=0.25, accuracy="
    assert repr(history).startswith(last)
    history.kept_epoch = 1
    assert "the network's weights are of epoch 2: loss=0.5, accuracy=0.25" in repr(history)
    assert repr(History()) == "History(0 epochs, 0 steps)"


def test_a_number_that_comes_late_or_stays_away_is_nan():
    history = History()
    for row in ({"loss": 1}, {"loss": 2, "accuracy": 0.5}, {"accuracy": 0.75}):
        history.add_epoch(row)
    np.testing.assert_array_equal(history.epochs["loss"], [1, 2, math.nan])
    np.testing.assert_array_equal(history.epochs["accuracy"], [math.nan, 0.5, 0.75])
    assert history.best_epoch() == 0
    assert history.best_epoch("accuracy") == 2


def test_the_best_epoch(history):
    assert history.best_epoch() == 2, "of the validation loss"
    assert history.best_epoch("loss") == 3
    assert history.best_epoch("accuracy") == 3
    assert history.best_epoch("accuracy", "min") == 0
    del history.epochs["val_loss"]
    assert history.best_epoch() == 3, "of the loss, where nothing was validated"
    with pytest.raises(InputError, match="no epoch"):
        History().best_epoch()


@pytest.mark.parametrize("name", ["loss", "val_loss", "mean_absolute_error"])
def test_losses_and_errors_get_better_downwards(name):
    assert better_is(name) == "min"


@pytest.mark.parametrize("name", ["accuracy", "validation_top_k_accuracy", "r2_score", "f1"])
def test_accuracies_and_scores_get_better_upwards(name):
    assert better_is(name) == "max"


def test_of_other_names_it_has_to_be_said():
    assert better_is("speed", "max") == "max"
    for mode in (None, "up"):
        with pytest.raises(ConfigurationError, match="larger 'speed' better or worse"):
            better_is("speed", mode)


def test_csv(history, tmp_path):
    history.to_csv(tmp_path / "epochs.csv")
    rows = list(csv.reader((tmp_path / "epochs.csv").read_text().splitlines()))
    assert rows[0] == ["epoch", *history.epochs]
    assert [float(row[1]) for row in rows[1:]] == history.epochs["loss"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    history.to_csv(tmp_path / "steps.csv", steps=True)
    assert (tmp_path / "steps.csv").read_text().splitlines() == [
        "step,loss,gradient_norm,learning_rate",
        "1,1.0,2.0,0",
        "2,0.5,inf,1",
    ]


def test_json_says_null_where_it_has_no_word(history, tmp_path):
    history.stop_reason = "Ctrl-C"
    history.to_json(tmp_path / "h.json")
    content = json.loads((tmp_path / "h.json").read_text(), parse_constant=pytest.fail)
    assert content["epochs"] == history.epochs
    assert content["steps"]["gradient_norm"] == [2.0, None]
    assert content["stop_reason"] == "Ctrl-C"


def test_the_plot_shows_training_validation_and_the_best_epoch(history, tmp_path):
    pytest.importorskip("matplotlib")
    figure = history.plot()
    loss, accuracy = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy"]
    drawn = {line.get_label(): line.get_ydata() for line in loss.lines}
    np.testing.assert_array_equal(drawn["training"], history.epochs["loss"])
    np.testing.assert_array_equal(drawn["validation"], history.epochs["val_loss"])
    best = next(line for line in accuracy.lines if line.get_label() == "best epoch: 3")
    assert best.get_xdata()[0] == 3
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000


def test_a_plot_of_nothing_is_refused():
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match="no epoch"):
        History().plot()


def test_without_matplotlib_the_extra_is_named(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[plots\]'"):
        history.plot()
