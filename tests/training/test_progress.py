"""Progress: a bar on a terminal, lines elsewhere, nothing when asked."""

import importlib.util
import io
import sys

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
from chainrule.training.progress import Bar, Lines, make_progress

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


def test_anything_else_is_refused():
    with pytest.raises(ConfigurationError, match="'auto', 'bar', 'lines' or False"):
        make_progress("loud")
