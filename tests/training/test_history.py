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


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def marked(panel):
    """Return the epochs at which vertical lines stand, by their labels."""
    return {
        line.get_label(): line.get_xdata()[0]
        for line in panel.lines
        if line.get_label().startswith("epoch")
    }


def test_the_plot_shows_training_validation_and_what_is_marked(history, tmp_path):
    pytest.importorskip("matplotlib")
    figure = history.plot()
    loss, accuracy = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy"]
    drawn = {line.get_label(): line.get_ydata() for line in loss.lines}
    np.testing.assert_array_equal(drawn["training"], history.epochs["loss"])
    np.testing.assert_array_equal(drawn["validation"], history.epochs["val_loss"])
    both = {"epoch 3: lowest val_loss": 3, "epoch 4: the network's weights": 4}
    assert marked(loss) == marked(accuracy) == both
    assert legend(figure) == ["training", "validation", *both]
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000


def test_one_mark_where_the_network_has_the_weights_of_the_best_epoch(history):
    pytest.importorskip("matplotlib")
    history.kept_epoch = 2
    says = "epoch 3: lowest val_loss and the network's weights"
    assert marked(history.plot().axes[0]) == {says: 3}
    del history.epochs["val_loss"]
    assert "epoch 4: lowest loss" in legend(history.plot())


def test_no_epoch_is_called_the_best_where_nothing_was_measured():
    pytest.importorskip("matplotlib")
    history = History()
    for _ in range(2):
        history.add_epoch({"loss": math.nan})
    assert legend(history.plot()) == ["training", "epoch 2: the network's weights"]


@pytest.mark.parametrize(
    ("name", "values", "scale"),
    [
        ("loss", [1000.0, 10, 0.01], "log"),
        ("loss", [1.0, 0.5, 0.011], "linear"),
        ("loss", [1.0, 0.01, math.nan, math.inf], "log"),
        ("loss", [1.0, 0.001, 0.0], "linear"),
        ("loss", [100.0, 1.0, -1.0], "linear"),
        ("accuracy", [0.001, 0.5, 0.99], "linear"),
        ("unheard_of", [0.001, 0.5, 0.99], "linear"),
    ],
)
def test_a_loss_that_spans_decades_has_a_logarithmic_axis(name, values, scale):
    pytest.importorskip("matplotlib")
    history = History()
    for value in values:
        history.add_epoch({"loss": 1.0, name: value})
    panel = next(axis for axis in history.plot().axes if axis.get_title() == name)
    assert panel.get_yscale() == scale
    assert panel.get_ylabel() == (f"{name} (logarithmic)" if scale == "log" else name)


def test_the_validation_loss_counts_too_when_decades_are_counted(history):
    pytest.importorskip("matplotlib")
    history.epochs["val_loss"] = [50.0, 0.4, 0.3, 0.2]
    assert history.plot().axes[0].get_yscale() == "log"


def test_many_metrics_stand_in_rows():
    pytest.importorskip("matplotlib")
    history = History()
    history.add_epoch(dict.fromkeys(("loss", "accuracy", "f1", "recall", "precision"), 0.5))
    figure = history.plot()
    rows = {axis.get_subplotspec().rowspan.start for axis in figure.axes}
    assert len(figure.axes) == 5
    assert rows == {0, 1}


def test_a_notebook_shows_the_epochs_as_a_table(history):
    history.kept_epoch = 1
    history.notes.append("a note with <angles>")
    history.stop_reason = "enough & more"
    shown = history._repr_html_()
    assert shown.count("<tr>") == 5
    assert "the network&#x27;s weights are of epoch 2" in shown
    bold = [line for line in shown.splitlines() if line.startswith("<tr><th")]
    assert [">epoch<" in line or ">2<" in line for line in bold] == [True, True]
    assert "a note with &lt;angles&gt;" in shown
    assert "stopped: enough &amp; more" in shown
    assert History()._repr_html_() is None


def test_of_a_long_history_its_ends_and_the_kept_epoch_are_shown():
    history = History()
    for epoch in range(100):
        history.add_epoch({"loss": 1 / (epoch + 1), "<b>": math.nan})
    history.kept_epoch = 49
    rows = [line for line in history._repr_html_().splitlines() if line.startswith("<tr>")]
    first_cells = [row.split(">")[2].split("<")[0] for row in rows]
    ends = ["1", "2", "3", "4", "5", "...", "50", "...", "96", "97", "98", "99", "100"]
    assert first_cells == ["epoch", *ends]
    assert "&lt;b&gt;" in rows[0]
    assert "nan" not in rows[1]


def test_a_plot_of_nothing_is_refused():
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match="no epoch"):
        History().plot()


def test_without_matplotlib_the_extra_is_named(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[plots\]'"):
        history.plot()
