"""What every architecture has to do: right gradients, learning, saving, and surviving a kill."""

import importlib
import pkgutil

import numpy as np
import pytest

import architectures
from architectures import Architecture
from chainrule import Adam, Callback, Checkpoint, Network, Trainer, check_module
from chainrule.diagnosis.gradient_check import compare
from chainrule.pytree import tree_leaves, tree_map

NAMES = [m.name for m in pkgutil.iter_modules(architectures.__path__) if "test_" not in m.name]


@pytest.fixture(params=NAMES)
def architecture(request) -> Architecture:
    return importlib.import_module(f"architectures.{request.param}").ARCHITECTURE


def trainer_of(architecture: Architecture, seed=0) -> Trainer:
    return Trainer(
        architecture.build(seed),
        architecture.loss(),
        Adam(architecture.learning_rate),
        loss_weights=architecture.loss_weights,
        clip_norm=architecture.clip_norm,
        seed=seed,
    )


def some(data, count):
    return tree_map(lambda array: array[:count], data)


def test_there_are_nine_and_the_gan():
    assert len(NAMES) == 9


@pytest.mark.parametrize("elements", [8, pytest.param(256, marks=pytest.mark.long)])
def test_gradients_with_the_loss(architecture, elements, monkeypatch):
    """So many elements of each array are compared one by one, and all of them along a direction."""
    monkeypatch.setattr(compare, "MOST_ELEMENTS", elements)
    X, y = architecture.data(0)
    trainer = trainer_of(architecture)
    report = check_module(trainer.network, some(X, 3), loss=trainer.loss, y_true=some(y, 3))
    assert report.passed, str(report)


def test_it_learns_its_task(architecture):
    trainer = trainer_of(architecture)
    assert not architecture.reached(trainer), "nothing to learn"
    X, y = architecture.data(0)
    trainer.fit(
        X,
        y,
        epochs=architecture.epochs,
        batch_size=architecture.batch_size,
        validation_split=0.1,
        progress=False,
    )
    assert architecture.reached(trainer)


def test_it_is_saved_and_loaded_bit_for_bit(architecture, tmp_path):
    X, _ = architecture.data(0)
    network = architecture.build(3)
    network.save(tmp_path / "network.npz")
    again = Network.load(tmp_path / "network.npz", modules=architecture.own_modules)
    for a, b in zip(tree_leaves(again.predict(X)), tree_leaves(network.predict(X)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.flat.values.size == network.flat.values.size


class Kill(Callback):
    """Ends the program, as far as a test can, in the middle of an epoch."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise KeyboardInterrupt


def test_killed_and_resumed_it_ends_with_the_same_bits(architecture, tmp_path):
    X, y = map_arrays_of(architecture)

    def train(folder, *more):
        trainer = trainer_of(architecture)
        checkpoint = Checkpoint(folder, every_steps=2)
        trainer.fit(
            X,
            y,
            epochs=3,
            batch_size=8,
            callbacks=[*more, checkpoint],
            resume=checkpoint.last,
            validation_split=0.2,
            progress=False,
        )
        return trainer.network.state()

    whole = train(tmp_path / "whole")
    for step in (3, 7):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "killed", Kill(step))
    resumed = train(tmp_path / "killed")
    assert list(resumed) == list(whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value)


def map_arrays_of(architecture):
    X, y = architecture.data(0)
    return some(X, 40), some(y, 40)


def test_summary_and_picture_show_it(architecture):
    network = architecture.build(0)
    X, _ = architecture.data(0)
    shapes = tree_map(lambda array: array.shape[1:], X)
    text = network.summary(shapes)
    assert "(N, " in text
    assert "total" in text
