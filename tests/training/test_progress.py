"""Progress: a bar on a terminal, lines elsewhere, nothing when asked."""

import importlib.util
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule import (
    SGD,
    ConfigurationError,
    Linear,
    MeanSquaredError,
    MissingExtraError,
    Network,
    Trainer,
)
from chainrule.training import progress
from chainrule.training.progress import Bar, Lines, NotebookBar, make_progress

X = np.arange(20.0)[:, None]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(**options):
    subject = Trainer(Network([Linear(1, 1)], seed=0), MeanSquaredError(), SGD(1e-6), seed=0)
    return subject.fit(X, X, **({"epochs": 3, "batch_size": 5} | options))


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)


def test_a_line_an_epoch(no_waiting, capsys):
    history = fit(progress="lines", validation_split=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("5 of 20 samples for validation")
    loss, held_out = (history.epochs[name][0] for name in ("loss", "val_loss"))
    assert lines[1].startswith(f"epoch 1/3  loss {loss:.4f} (validation {held_out:.4f})  ")
    assert lines[3].startswith("epoch 3/3")


def test_quick_epochs_share_a_line_but_the_last_one_shows(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 1000.0)
    fit(progress="lines", epochs=100)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:13] for line in lines[:2]] == ["epoch   1/100", "epoch 100/100"]
    assert lines[2].startswith("loss was still falling at the end")
    assert len(lines) == 3


def test_a_slow_epoch_gives_a_sign_of_life(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_WITHOUT_A_LINE", 0.0)
    fit(progress="lines", epochs=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch 1, batch 1/4: loss ")
    fit(progress="lines", epochs=1)
    subject = Trainer(Network([Linear(1, 1)], seed=0), MeanSquaredError(), SGD(1e-6))
    subject.fit(iter([(X, X)]), epochs=1, progress="lines")
    assert "epoch 1, batch 1: loss" in capsys.readouterr().out


def test_why_it_stopped_is_said(capsys, monkeypatch):
    from chainrule import Callback

    class Stop(Callback):
        def on_step_end(self, trainer):
            trainer.stop("enough")

    fit(progress="lines", callbacks=[Stop()])
    assert capsys.readouterr().out == "stopped: enough\n"
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit(progress="bar", callbacks=[Stop()])
    assert sys.stderr.getvalue().endswith("stopped: enough\n")


def test_quiet_when_asked(capsys):
    fit(progress=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_bar_on_a_terminal_only(monkeypatch):
    pytest.importorskip("tqdm")
    for choice in ("auto", True, "bar"):
        assert isinstance(make_progress(choice), Lines)
    monkeypatch.setattr(sys, "stderr", Terminal())
    for choice in ("auto", True, "bar"):
        assert isinstance(make_progress(choice), Bar)
    fit(progress="bar", validation_split=0.25)
    text = sys.stderr.getvalue()
    assert "samples for validation" in text
    assert "epoch 1/3:" in text
    assert "epoch 3/3  loss" in text


def test_without_tqdm_lines_are_written_and_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert isinstance(make_progress("auto"), Lines)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[progress\]'"):
        make_progress("bar")


class Shell:
    """What IPython's shell is in a notebook, as far as it is used; keeps all that is shown."""

    kernel = object()

    def __init__(self):
        self.shown = []
        self.display_pub = self

    def publish(self, data, *, transient, update):
        self.shown.append((data["text/plain"], data["text/html"], transient["display_id"], update))


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_DRAWINGS", 0.0)
    return shell


def test_a_notebook_has_a_bar_unless_lines_are_wanted(shell, monkeypatch):
    for choice in ("auto", True, "bar"):
        assert isinstance(make_progress(choice), NotebookBar)
    assert isinstance(make_progress("lines"), Lines)
    assert make_progress(False) is None
    shell.kernel = None  # IPython on a terminal
    assert isinstance(make_progress("bar"), Lines)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert isinstance(make_progress("auto"), Lines)


def test_the_bar_of_a_notebook_is_one_output_redrawn(shell, capsys):
    history = fit(validation_split=0.25)
    texts, htmls, places, updates = zip(*shell.shown, strict=True)
    assert updates == (False, *[True] * 9), "three steps in each of three epochs, and the end"
    assert len(set(places)) == 1
    assert texts[0] == "epoch 1/3, batch 1/3"
    assert '<progress value="0.3333" max="3">' in htmls[0]
    now, last = texts[4].split("\n")
    assert now == "epoch 2/3, batch 2/3"
    assert last.startswith(f"epoch 1/3  loss {history.epochs['loss'][0]:.4f} (validation ")
    assert '<progress value="1.6667" max="3">' in htmls[4]
    assert texts[-1].startswith("epoch 3/3  loss")
    assert "<progress" not in htmls[-1]
    assert capsys.readouterr().out.count("\n") == 1, "the note on the split and nothing else"


def test_two_trainings_have_a_bar_each_and_a_quick_one_is_drawn_rarely(shell, monkeypatch):
    fit(epochs=1)
    fit(epochs=1)
    assert len({place for _, _, place, _ in shell.shown}) == 2
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_DRAWINGS", 1000.0)
    shell.shown.clear()
    fit(epochs=50)
    assert len(shell.shown) == 2, "the first step and the end"


def test_the_bar_of_a_notebook_without_known_length_and_with_a_reason(shell, capsys):
    from chainrule import Callback

    class Stop(Callback):
        def on_step_end(self, trainer):
            trainer.stop("enough <of it>")

    subject = Trainer(
        Network([Linear(1, 1)], seed=0), MeanSquaredError(), SGD(1e-6), metrics={"<b>_loss": spread}
    )
    subject.fit(iter([(X, X), (X, X)]), epochs=1)
    assert shell.shown[0][0] == "epoch 1/1, batch 1"
    assert "&lt;b&gt;_loss" in shell.shown[-1][1]
    assert "<b>" not in shell.shown[-1][1]
    fit(callbacks=[Stop()])
    assert capsys.readouterr().out.endswith("stopped: enough <of it>\n")


def spread(y_true, y_pred):
    return float(np.ptp(y_pred))


def test_anything_else_is_refused():
    with pytest.raises(ConfigurationError, match="'auto', 'bar', 'lines' or False"):
        make_progress("loud")
