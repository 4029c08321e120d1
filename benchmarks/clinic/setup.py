"""Setup: everything that one training is made of, and the score that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import (
    Callback,
    ChainruleError,
    Doctor,
    EarlyStopping,
    Loss,
    Module,
    Network,
    Optimizer,
    Trainer,
)

Array = Any


def same(array: Array) -> Array:
    return array


@dataclass
class Setup:
    """A training. A disease changes some of it, and with `view` how the test part is to be seen.

    `view` is what new inputs go through before the network, `answer` what its output does before it
    is compared with the truth.
    """

    X: Array
    y: Array
    X_test: Array
    y_test: Array
    layers: Callable[[int], Sequence[Module]]
    loss: Loss
    optimizer: Callable[[], Optimizer]
    batch_size: int = 32
    epochs: int = 20
    seed: int = 0
    network_seed: int | None = 0
    validation: tuple[Array, Array] | None = None
    class_weight: Any = None
    patience: int | None = None
    """Of early stopping, where there is any."""
    view: Callable[[Array], Array] = same
    answer: Callable[[Array], Array] = same
    after_drawing: list[Callable[[Network], None]] = field(default_factory=list)
    twin: Setup | None = None
    """The healthy one to be compared with, where a disease needs another network than it had."""

    @property
    def classes(self) -> int:
        """How many classes there are; 0 for a regression."""
        return int(self.y_test.max()) + 1 if self.y_test.dtype.kind in "iu" else 0

    def network(self) -> Network:
        """Return the network, drawn by the seed and then made ill where that is planted."""
        network = Network(list(self.layers(self.seed)))
        for change in self.after_drawing:
            change(network)
        return network

    def truth(self) -> Array:
        return self.y_test


def score(setup: Setup, predict: Callable[[Array], Array]) -> float:
    """Return the accuracy (balanced over the classes), or R², on the test part; -1 at worst."""
    try:
        with np.errstate(all="ignore"):
            out = setup.answer(predict(setup.view(setup.X_test)))
    except ChainruleError:
        return 0.0
    if not np.isfinite(out).all():
        return 0.0
    if setup.classes:
        columns = out.shape[1] if out.ndim == 2 else 1
        chosen = out.argmax(axis=1) if columns > 1 else (out.reshape(-1) > 0.5).astype(int)
        held = np.unique(setup.y_test)
        return float(np.mean([(chosen[setup.y_test == c] == c).mean() for c in held]))
    y, out = setup.y_test.reshape(-1), out.reshape(-1)
    return max(-1.0, 1 - float(((y - out) ** 2).mean() / y.var()))


def train(setup: Setup, doctor: bool = False) -> tuple[float, Any, float]:
    """Train; return the score, the doctor's report if one watched, and the seconds."""
    import time

    network = setup.network()
    watcher = Doctor(show=False)
    callbacks: list[Callback] = [watcher] if doctor else []
    if setup.patience is not None:
        callbacks.append(EarlyStopping(patience=setup.patience))
    trainer = Trainer(network, setup.loss, setup.optimizer(), seed=setup.seed)
    began = time.process_time()
    reached = 0.0
    try:
        trainer.fit(
            setup.X,
            setup.y,
            epochs=setup.epochs,
            batch_size=setup.batch_size,
            validation_data=setup.validation,
            class_weight=setup.class_weight,
            callbacks=callbacks,
            progress=False,
        )
        reached = score(setup, network.predict)
    except (ChainruleError, ArithmeticError):
        reached = 0.0 if setup.classes else -1.0
    seconds = time.process_time() - began
    report = watcher._report if doctor else None
    return reached, report, seconds
