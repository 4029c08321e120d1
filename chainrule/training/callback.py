"""Callback: plain objects that `Trainer.fit` calls at certain moments, and that may stop it.

A callback is any subclass of `Callback` with some of its four hooks. All there is to know is in the
state it is given: ``state.network``, ``optimizer``, ``history``, ``epoch``, ``step``; and
``state.stop("why")`` ends training after the current step.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any

from chainrule.checks import check_instance, is_own
from chainrule.checks.habits import CALLBACK_HOOKS
from chainrule.checks.own_code import check_call, described, named
from chainrule.errors import ChainruleError, ConfigurationError, StateError
from chainrule.training.state import TrainingState

HOOKS = ("on_fit_begin", "on_step_end", "on_epoch_end", "on_fit_end", "before_fit_end")


class Callback:
    """The parent of all callbacks: four hooks that do nothing, and a state for checkpoints.

    Callbacks are called in the order of the list that `Trainer.fit` is given. `on_fit_end` is
    called in the opposite order, however training ended, also by an error.

    Examples
    --------
    >>> from chainrule import Callback
    >>> class StopAtLoss(Callback):
    ...     def on_epoch_end(self, state):
    ...         if state.history.epochs["loss"][-1] < 0.1:
    ...             state.stop("the loss is small enough")
    """

    columns: tuple[str, ...] = ()
    """The columns it writes itself into ``state.history.epochs``, so that they can be monitored."""

    first_rank_alone: bool = False
    """Whether, where several processes train together, only the first one calls it: for what writes
    files or shows something. All other callbacks are called on every rank."""

    may_change: tuple[str, ...] = ()
    """The options that may be others when a training is resumed, such as a path. All other options
    of a callback that has a `state` have to be the same; its options are the constructor arguments
    that are kept as attributes of the same name."""

    def on_fit_begin(self, state: TrainingState) -> None:
        """Act before the first step (or the next one, after a resume)."""

    def on_step_end(self, state: TrainingState) -> None:
        """Act after a step: the parameters have just moved."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Act after an epoch: its row is in ``state.history.epochs``, validation included."""

    def on_fit_end(self, state: TrainingState) -> None:
        """Act after the last step."""

    def before_fit_end(self, state: TrainingState) -> None:
        """Act after the last step, before any `on_fit_end` changes the network."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs: numbers, strings and arrays by name."""
        return {}

    def load_state(self, state: Mapping[str, Any], training: TrainingState) -> None:
        """Restore what the method `state` returned."""


class CallbackList:
    """The callbacks of a training, called one after the other.

    Parameters
    ----------
    callbacks : sequence of Callback
        In the order in which to call them.

    Attributes
    ----------
    hook : str
        The hook that is being called, or that was called last.
    pending : sequence of Callback
        Those whose hook is still to be called. A checkpoint notes them, so that a resumed training
        begins with them: it then does exactly what this one does next.
    """

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self.callbacks = list(callbacks)
        self.hook, self.pending = "", self.callbacks[:0]
        self._of_step = [
            callback
            for callback in self.callbacks
            if type(callback).on_step_end is not Callback.on_step_end
        ]

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks)

    @contextmanager
    def running(self, state: TrainingState) -> Iterator[None]:
        """Call `on_fit_begin` of all callbacks, and after the block what ends them."""
        with ExitStack() as ends:
            for callback in self.callbacks:
                ends.callback(callback.on_fit_end, state)
                callback.on_fit_begin(state)
            ends.callback(state.apply_average)
            for callback in self.callbacks:
                ends.callback(callback.before_fit_end, state)
            yield

    def on_step_end(self, state: TrainingState) -> None:
        """Call the hook of all callbacks that have it."""
        self._call("on_step_end", self._of_step, state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Call the hook of all callbacks."""
        self._call("on_epoch_end", self.callbacks, state)

    def _call(self, hook: str, callbacks: list[Callback], state: TrainingState) -> None:
        self.hook = hook
        for place, callback in enumerate(callbacks):
            self.pending = callbacks[place + 1 :]
            getattr(callback, hook)(state)

    # ------------------------------------------------------------ in a checkpoint

    def state(self) -> list[dict[str, Any]]:
        """Return each callback's class and state, and the hook that is still to be called."""
        pending = list(self.pending)
        return [
            {
                "class": type(callback).__name__,
                "state": _state_of(callback),
                "pending": self.hook if any(callback is each for each in pending) else "",
            }
            for callback in self.callbacks
        ]

    def load_state(self, saved: Sequence[Mapping[str, Any]], state: TrainingState) -> None:
        """Restore the callbacks' states, each from the next one of its class; call what is pending.

        A file of an older version knows of no pending calls.
        """
        left, pending = list(saved), []
        for callback in self.callbacks:
            entry = next((e for e in left if e["class"] == type(callback).__name__), None)
            if entry is not None:
                left.remove(entry)
                _restore(callback, entry["state"], state)
                if entry.get("pending"):
                    pending.append((callback, entry["pending"]))
        for callback, hook in pending:
            getattr(callback, hook)(state)


def _restore(callback: Callback, saved: Mapping[str, Any], state: TrainingState) -> None:
    """Let a callback restore its state; what it cannot take is the file's fault, or its own."""
    try:
        callback.load_state(saved, state)
    except ChainruleError:
        raise
    except Exception as error:
        name = type(callback).__name__
        raise StateError(
            f"{name}.load_state fails with the state in the checkpoint: "
            f"{type(error).__name__}: {error!s:.300}"
        ) from error


def _state_of(callback: Callback) -> Mapping[str, Any]:
    """Return a callback's state; refuse what is none."""
    state = callback.state()
    if not isinstance(state, Mapping):
        raise ConfigurationError(
            f"{type(callback).__name__}.state returned {described(state)}; it must return a dict "
            "of what a resumed training needs, {} for nothing."
        )
    return state


def check_callbacks(callbacks: Any) -> None:
    """Raise ConfigurationError unless this is a sequence of callbacks."""
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise ConfigurationError(
            f"callbacks must be a list, such as [EarlyStopping()]; got {callbacks!r}."
        )
    for callback in callbacks:
        expected = "callbacks must be objects of subclasses of Callback"
        if inspect.isfunction(callback):
            expected += ", such as class Mine(Callback): def on_epoch_end(self, state): ..."
        check_instance(callback, Callback, expected)
        if is_own(callback):
            _check_own(callback)


def _check_own(callback: Callback) -> None:
    """Raise ConfigurationError where a user's callback would not be called, or wrongly."""
    name = type(callback).__name__
    for hook in dir(type(callback)):
        if not hook.startswith("on_") or hook in HOOKS:
            continue
        meant = CALLBACK_HOOKS.get(hook) or next(iter(get_close_matches(hook, HOOKS, 1, 0.8)), "")
        if meant:
            raise ConfigurationError(
                f"{name}.{hook} would never be called; the nearest hook is {meant}(self, state). "
                f"There are {', '.join(HOOKS)}."
            )
    for hook in HOOKS:
        method = getattr(callback, hook)
        check_call(method, ("state",), f"def {hook}(self, state)")
        if "logs" in inspect.signature(method).parameters:
            raise ConfigurationError(
                f"{named(method)} is called with one argument, the state of the training: "
                f"state.epoch, state.history, state.stop('why'). Write def {hook}(self, state)."
            )
    for method in ("state", "load_state"):
        if not callable(getattr(callback, method)):
            raise ConfigurationError(
                f"{name}.{method} is a method of every callback, for checkpoints; give your "
                "attribute another name."
            )
    if isinstance(callback.columns, str):
        raise ConfigurationError(
            f"{name}.columns must be a tuple of names, got {callback.columns!r}. Write "
            f"({callback.columns!r},)."
        )
