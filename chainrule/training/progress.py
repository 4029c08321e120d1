"""Progress: plain lines, a bar on a terminal where tqdm is installed, or a bar in a notebook."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from typing import Any, TextIO

from chainrule.checks.extras import require
from chainrule.errors import ConfigurationError
from chainrule.summary.display import NotebookOutput, html_text, notebook
from chainrule.training.callback import Callback
from chainrule.training.monitor import VALIDATION
from chainrule.training.state import TrainingState

SECONDS_BETWEEN_LINES = 0.5
SECONDS_WITHOUT_A_LINE = 30.0
SECONDS_BETWEEN_DRAWINGS = 0.2


def make_progress(progress: bool | str) -> Callback | None:
    """Return what shows progress: ``"bar"``, ``"lines"``, ``"auto"`` (or True), or False for none.

    ``"auto"`` is the bar in a notebook, and on a terminal if tqdm is installed; otherwise lines. A
    bar redraws its line over and over, so into a file or a pipe lines are written in any case.
    """
    if progress is False:
        return None
    shell = notebook()
    if shell is not None and (progress is True or progress in ("auto", "bar")):
        return NotebookBar(NotebookOutput(shell))
    if progress is True or progress == "auto":
        return Bar() if sys.stderr.isatty() and _has_tqdm() else Lines()
    if progress == "lines":
        return Lines()
    if progress == "bar":
        require("tqdm", "progress", "progress='bar'")
        return Bar() if sys.stderr.isatty() else Lines()
    raise ConfigurationError(f"progress must be 'auto', 'bar', 'lines' or False, got {progress!r}.")


def _has_tqdm() -> bool:
    return importlib.util.find_spec("tqdm") is not None


def epoch_line(state: TrainingState) -> str:
    """Return the last epoch's numbers: ``epoch 3/10  loss 0.4312 (validation 0.4501)  4.1 s``."""
    row = state.history.row()
    width = len(str(state.epochs))
    parts = [f"epoch {state.epoch:>{width}}/{state.epochs}"]
    for name, value in row.items():
        if name.startswith(VALIDATION) or name in ("seconds", "learning_rate"):
            continue
        part = f"{name} {value:.4f}"
        held_out = row.get(VALIDATION + name, math.nan)
        parts.append(part if math.isnan(held_out) else f"{part} (validation {held_out:.4f})")
    return "  ".join([*parts, f"{row['seconds']:.1f} s"])


class Progress(Callback):
    """The parent of what shows progress: prints the notes, and why training stopped."""

    first_rank_alone = True

    @property
    def file(self) -> TextIO:
        """Where it prints."""
        return sys.stdout

    def on_fit_begin(self, state: TrainingState) -> None:
        self._noted = 0
        self._print_notes(state)

    def on_fit_end(self, state: TrainingState) -> None:
        self._print_notes(state)
        if state.stop_reason:
            print(f"stopped: {state.stop_reason}", file=self.file, flush=True)

    def _print_notes(self, state: TrainingState) -> None:
        for note in state.notes[self._noted :]:
            print(note, file=self.file, flush=True)
        self._noted = len(state.notes)


class Lines(Progress):
    """One line per epoch; short epochs share one, and a long one gives a sign of life."""

    def on_fit_begin(self, state: TrainingState) -> None:
        self._start = time.monotonic()
        self._last: float | None = None
        self._pending = ""
        super().on_fit_begin(state)

    def on_step_end(self, state: TrainingState) -> None:
        if time.monotonic() - (self._last or self._start) > SECONDS_WITHOUT_A_LINE:
            of = f"/{state.batches_per_epoch}" if state.batches_per_epoch else ""
            loss = state.history.steps["loss"][-1]
            self._print(f"epoch {state.epoch + 1}, batch {state.batch}{of}: loss {loss:.4f}")

    def on_epoch_end(self, state: TrainingState) -> None:
        self._pending = epoch_line(state)
        if self._last is None or time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._print(self._pending)

    def on_fit_end(self, state: TrainingState) -> None:
        if self._pending:
            self._print(self._pending)
        super().on_fit_end(state)

    def _print(self, line: str) -> None:
        print(line, flush=True)
        self._last, self._pending = time.monotonic(), ""


class Bar(Progress):
    """tqdm's bar over the steps of each epoch, and the epoch's line at its end."""

    _bar: Any = None

    @property
    def file(self) -> TextIO:
        """Where tqdm draws too."""
        return sys.stderr

    def on_step_end(self, state: TrainingState) -> None:
        if self._bar is None:
            self._bar = require("tqdm", "progress", "A progress bar").tqdm(
                desc=f"epoch {state.epoch + 1}/{state.epochs}",
                total=state.batches_per_epoch or None,
                initial=state.batch - 1,
                leave=False,
                unit="batch",
            )
        self._bar.update()

    def on_epoch_end(self, state: TrainingState) -> None:
        self._close()
        print(epoch_line(state), file=sys.stderr)

    def on_fit_end(self, state: TrainingState) -> None:
        self._close()
        super().on_fit_end(state)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class NotebookBar(Progress):
    """A bar over the whole training, with the last epoch's numbers below, redrawn in one place.

    It is plain HTML: unlike tqdm's bar for notebooks it needs no ipywidgets, and it is still there
    when the notebook is opened again. When training is over, the last epoch's line remains.
    """

    def __init__(self, output: NotebookOutput) -> None:
        self._output = output
        self._line = ""
        self._drawn = -math.inf

    def on_step_end(self, state: TrainingState) -> None:
        if time.monotonic() - self._drawn >= SECONDS_BETWEEN_DRAWINGS:
            self._draw(state)
            self._drawn = time.monotonic()

    def on_epoch_end(self, state: TrainingState) -> None:
        self._line = epoch_line(state)

    def on_fit_end(self, state: TrainingState) -> None:
        if self._line:
            self._output.show(self._line, html_text(self._line))
        super().on_fit_end(state)

    def _draw(self, state: TrainingState) -> None:
        batches = state.batches_per_epoch
        done = state.epoch + (state.batch / batches if batches else 0)
        of = f"/{batches}" if batches else ""
        now = f"epoch {state.epoch + 1}/{state.epochs}, batch {state.batch}{of}"
        bar = f'<progress value="{done:.4f}" max="{state.epochs}"></progress>'
        text = "\n".join([now, self._line]).strip()
        self._output.show(text, bar + html_text(text))
