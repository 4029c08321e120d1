"""The project's readers of files, and the valid files that invalid ones are made from."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz import mutations as change
from chainrule import (
    LSTM,
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    Checkpoint,
    Concatenate,
    Conv2d,
    Dropout,
    EarlyStopping,
    Embedding,
    Ensemble,
    FileFormatError,
    Flatten,
    Graph,
    InputError,
    LastStep,
    LayerNorm,
    Linear,
    Module,
    Network,
    Node,
    NotFiniteError,
    Parameter,
    PositionalEncoding,
    PReLU,
    ReduceOnPlateau,
    ReLU,
    Residual,
    Sequential,
    Standardizer,
    StateError,
    TablePreparation,
    Trainer,
    TransformerBlock,
    read_csv,
    read_idx,
    read_npz,
)
from chainrule.diagnosis import replay
from chainrule.metrics import accuracy

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 3)).astype(np.float32)
Y = np.arange(30) % 3

ARCHIVE = (
    change.bytes_changed,
    change.zip_changed,
    change.header_changed,
    *(change.description_changed,) * 4,
    *(change.arrays_changed,) * 2,
)


@dataclass
class Reader:
    """A reader, files that it can read, and how they are changed.

    Attributes
    ----------
    good : function
        Returns the contents of valid files; it may write into the folder it is given.
    changes : tuple of Mutation
        The ways to change them, all equally likely.
    read : function
        Reads a file; its result is ignored.
    errors : tuple of Exception classes
        The errors that it may raise.
    """

    good: Callable[[Path], list[bytes]]
    changes: tuple[change.Mutation, ...]
    read: Callable[[Path], Any]
    errors: tuple[type[Exception], ...] = (StateError,)


# ---------------------------------------------------------------- networks


class Scale(Module):
    """A user's own layer, with arguments of every kind."""

    def __init__(self, features: int, sizes: Any = (), options: Any = None) -> None:
        self.features, self.sizes, self.options = features, sizes, options
        self.gain = Parameter(np.ones(features))

    def forward(self, x: Any, training: bool = True) -> Any:
        self.save_for_backward(x, training=training)
        return x * self.gain.value

    def backward(self, dy: Any) -> Any:
        (x,) = self.saved_values()
        self.gain.grad = (dy * x).sum(axis=0)
        return dy * self.gain.value


def networks(folder: Path) -> list[bytes]:
    """Return files of networks: images, sequences, graphs, shared parameters, a user's layers."""
    mlp = Network([3, 4, 3], seed=0)
    mlp.metadata["note"] = {"words": ["a", "b"], "number": 1.5}
    inner = Linear(4, 4, seed=0)
    tied = [Linear(4, 4, seed=1), Linear(4, 4, seed=2)]
    tied[1].weight = tied[0].weight
    options = {"kind": np.dtype("float64"), "deep": {"x": [1, (2, 3)]}}
    kinds = [
        mlp,
        Network(
            [Conv2d(1, 2, 3, padding="same"), BatchNorm(2), PReLU(2), Flatten(), Linear(32, 2)]
        ),
        Network([Embedding(5, 4), PositionalEncoding(4), TransformerBlock(4, 2), LayerNorm(4)]),
        Network([LSTM(3, 2, num_layers=2, bidirectional=True), LastStep(), Linear(4, 2)]),
        Network(
            Graph(
                ["a", "b"],
                {
                    "left": Node(inner, "a"),
                    "right": Node(inner, "b"),
                    "both": Node(Concatenate(), "left", "right"),
                },
                "both",
            )
        ),
        Network([Residual(Sequential([*tied, ReLU(), Dropout(0.1)])), Scale(4, (1, 2), options)]),
    ]
    contents = []
    for network in kinds:
        if network is mlp:
            network.preparation = Standardizer().fit(X)
        network.save(folder / "good.npz", class_names=["a", "b", "c"])
        contents.append((folder / "good.npz").read_bytes())
    rows = TablePreparation(n_bins=2, embed_from=2).fit(TABLE)
    ensemble = Ensemble(
        [len(rows.get_feature_names_out()), 4, 2],
        [{"dropout": 0.1}, {"dropout": 0.2}],
        batch_norm=True,
        categories=rows.code_categories_,
        seed=0,
    )
    ensemble.save(folder / "good.npz", preparation=rows)
    return [*contents, (folder / "good.npz").read_bytes()]


TABLE = {
    "size": [1.0, 2.0, 4.0, np.nan, 8.0, 3.0],
    "town": ["a", "b", "c", "a", "b", "c"],
    "kind": ["x", "y", "x", None, "y", "x"],
}


def load_network(path: Path) -> None:
    """Load a network; what loads can be printed, and saved and loaded again."""
    network = Network.load(path, modules=[Scale])
    if isinstance(network.preparation, TablePreparation):
        with contextlib.suppress(InputError):  # the columns may have other names by now
            network.preparation.transform(TABLE)
        Ensemble.load(path)
    shown = repr(network)
    if len(shown) % 5 == 0:  # one in five: writing takes as long as everything else
        network.save(path.with_name("again.npz"))
        again = Network.load(path.with_name("again.npz"), modules=[Scale])
        if repr(again) != shown:
            raise AssertionError("a loaded network is another one after it was saved and loaded")


# ---------------------------------------------------------------- trainings


class _Resumed(Exception):
    """Ends a training before its first step."""


class _Resumes(Trainer):
    def _train(self, *_: Any) -> None:
        raise _Resumed


class StopAt(Checkpoint):
    """A checkpoint callback that also stops the training after a number of steps."""

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(folder, every_steps=1)
        self.stop_at = step

    def on_step_end(self, state: Any) -> None:
        super().on_step_end(state)
        if state.step == self.stop_at:
            state.stop("enough")


def training(kind: type[Trainer] = _Resumes) -> Trainer:
    """Return a trainer of a small network, with everything that a checkpoint can hold."""
    layers = [
        Linear(3, 4, seed=0),
        BatchNorm(4),
        ReLU(),
        Dropout(0.2, seed=1),
        Linear(4, 3, seed=2),
    ]
    network = Network(layers)
    network.layers[3].rng = np.random.Generator(np.random.MT19937(3))
    loss = CategoricalCrossEntropy(from_logits=True)
    return kind(network, loss, Adam(0.01), metrics=[accuracy], seed=1, post_mortem_file=None)


def fit(trainer: Trainer, callbacks: list[Any], **options: Any) -> None:
    """Train with the options that all these trainings share."""
    watching = [EarlyStopping("loss", patience=5), ReduceOnPlateau("loss", patience=2)]
    trainer.fit(
        *(X, Y),
        epochs=9,
        batch_size=8,
        validation_split=0.2,
        callbacks=[*watching, *callbacks],
        progress=False,
        **options,
    )


def checkpoints(folder: Path) -> list[bytes]:
    """Return checkpoints from the first step, within an epoch, and from the end of one."""
    contents = []
    for step in (1, 7, 9):
        fit(training(Trainer), [StopAt(folder / str(step), step)])
        contents.append((folder / str(step) / "last.npz").read_bytes())
    return contents


def resume(path: Path) -> None:
    """Resume from a checkpoint, up to the next step."""
    try:
        fit(training(), [Checkpoint(path.parent)], resume=path)
    except _Resumed:
        return
    raise AssertionError("the training did not start")


def post_mortems(folder: Path) -> list[bytes]:
    """Return the post-mortems of trainings that meet infinity."""
    contents = []
    for number in range(2):
        trainer = training(Trainer)
        trainer.post_mortem_file = folder / "dead.npz"
        trainer.network.layers[4].weight.value[...] = 3e38
        weight = None if number else np.linspace(1, 2, len(X))
        try:
            trainer.fit(X * 1e3, Y, epochs=1, batch_size=8, sample_weight=weight, progress=False)
        except NotFiniteError:
            contents.append((folder / "dead.npz").read_bytes())
    return contents


def replay_step(path: Path) -> None:
    """Replay a failed step."""
    trainer = training()
    replay(path, trainer.network, trainer.loss, trainer.optimizer)


# ---------------------------------------------------------------- data


def tables(folder: Path) -> list[bytes]:
    """Return ordinary .npz files, plain and compressed."""
    contents = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, X=X, y=Y, mask=Y > 0, one=np.array(3.0))
        contents.append(file.getvalue())
    return contents


def idx_files(folder: Path) -> list[bytes]:
    """Return images and labels in IDX, plain and compressed."""
    images = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (5, 4, 4)) + bytes(range(80))
    floats = b"\0\0\x0d\x01\0\0\0\x03" + np.arange(3, dtype=">f4").tobytes()
    return [images, floats, gzip.compress(images)]


def csv_files(folder: Path) -> list[bytes]:
    """Return a table with a header, and one without."""
    rows = "\n".join(",".join(f"{value:.3f}" for value in row) for row in X)
    return [f"a,b,c\n{rows}\n".encode(), rows.encode()]


ZIP = (change.bytes_changed, change.zip_changed, change.header_changed, change.plain_arrays_changed)

READERS = {
    "network": Reader(networks, ARCHIVE, load_network),
    "checkpoint": Reader(checkpoints, ARCHIVE, resume),
    "post-mortem": Reader(post_mortems, ARCHIVE, replay_step),
    "npz": Reader(tables, ZIP, read_npz, (FileFormatError,)),
    "idx": Reader(
        idx_files, (change.bytes_changed, change.idx_changed), read_idx, (FileFormatError,)
    ),
    "csv": Reader(
        csv_files, (change.bytes_changed, change.csv_changed), read_csv, (FileFormatError,)
    ),
}
