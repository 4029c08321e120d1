"""The project's readers of files, and the valid files that invalid ones are made from."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import warnings
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
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    Concatenate,
    ConfigurationError,
    Conv2d,
    Dropout,
    EarlyStopping,
    Embedding,
    Ensemble,
    ExponentialMovingAverage,
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
    ShapeError,
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
from chainrule.pytree import tree_leaves

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
    return contents


def load_network(path: Path) -> None:
    """Load a network; what loads predicts numbers, can be printed, saved and loaded again."""
    network = Network.load(path, modules=[Scale])
    predict(network)
    shown = repr(network)
    if len(shown) % 5 == 0:  # one in five: writing takes as long as everything else
        network.save(path.with_name("again.npz"))
        again = Network.load(path.with_name("again.npz"), modules=[Scale])
        if repr(again) != shown:
            raise AssertionError("a loaded network is another one after it was saved and loaded")


BATCHES: list[Any] = [
    X[:4],
    RNG.standard_normal((4, 1, 4, 4)).astype(np.float32),
    np.arange(8).reshape(2, 4) % 5,
    RNG.standard_normal((4, 5, 3)).astype(np.float32),
    {"a": RNG.standard_normal((4, 4)), "b": RNG.standard_normal((4, 4))},
    RNG.standard_normal((4, 4)).astype(np.float32),
]
"""A batch for each network of `networks`."""

REFUSED = (InputError, ShapeError, ConfigurationError)
"""What a network or preparation may say of rows that are not for it."""

MODERATE = 1e6
"""Numbers beyond this, in a file, may overflow on their way through a network."""


def predict(network: Network) -> None:
    """Predict what fits; where all values are of a moderate size, nothing may be NaN."""
    if any(np.abs(value).max(initial=0) > MODERATE for value in network.state().values()):
        return
    for batch in BATCHES:
        with contextlib.suppress(*REFUSED):
            for y in tree_leaves(network.predict(batch)):
                if np.isnan(y).any():
                    raise AssertionError("a loaded network predicts NaN")


# ---------------------------------------------------------------- ensembles and preparations


TABLE = {
    "size": [1.0, 2.0, 4.0, np.nan, 8.0, 3.0],
    "town": ["a", "b", "c", "a", "b", "c"],
    "kind": ["x", "y", "x", None, "y", "x"],
}


def ensembles(folder: Path) -> list[bytes]:
    """Return files of ensembles: of classes, numbers, with categories, weights and epochs."""
    rows = TablePreparation(n_bins=2, embed_from=2).fit(TABLE)
    width = len(rows.get_feature_names_out())
    ensembles = [
        Ensemble([3, 4, 3], 3, activation="leaky_relu", seed=0),
        Ensemble([3, 4, 1], [{"seed": 1}, {"dropout": 0.5}], output="linear", dtype="float64"),
        Ensemble(
            *([width, 4, 2], [{"dropout": 0.1}, {"dropout": 0.2}]),
            batch_norm=True,
            categories=rows.code_categories_,
            seed=0,
        ),
    ]
    ensembles[0].fit(X, Y, epochs=2, validation_split=0.3)
    ensembles[1].target_preparation = Standardizer().fit(X[:, 0])
    ensembles[1].preparation = Standardizer().fit(X)
    ensembles[2].preparation = rows
    contents = []
    for ensemble in ensembles:
        ensemble.save(folder / "good.npz")
        contents.append((folder / "good.npz").read_bytes())
    return contents


def load_ensemble(path: Path) -> None:
    """Load an ensemble; what loads predicts, and can be saved and loaded again."""
    ensemble = Ensemble.load(path)
    predict(ensemble.network)
    with contextlib.suppress(*REFUSED):
        ensemble.predict(X)
    with contextlib.suppress(*REFUSED), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about categories that it does not know
        ensemble.predict_raw(TABLE if isinstance(ensemble.preparation, TablePreparation) else X)
    ensemble.networks()
    if len(ensemble.notes) % 2 == 0 and len(path.read_bytes()) % 5 == 0:
        ensemble.save(path.with_name("again.npz"))
        Ensemble.load(path.with_name("again.npz"))


def table_models(folder: Path) -> list[bytes]:
    """Return models of tables as the command makes them: of classes, and of a number."""
    from chainrule.command import main

    rows = [f"{a:.2f},{b:.2f},{'uv'[int(c > 0)]},{c:.2f}" for a, b, c in X]
    (folder / "good.csv").write_text("\n".join(["size (cm),b,kind,price", *rows]) + "\n")
    contents = []
    for target in ("kind", "price"):
        options = f"--target {target} --epochs 1 --hidden 4 --members 2 --quiet".split()
        files = [str(folder / "good.csv"), "--output", str(folder / "m.npz")]
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(["train", *files, *options])
        if code:
            raise AssertionError(f"chainrule train returned {code}")
        contents.append((folder / "m.npz").read_bytes())
    return contents


def inspect_model(path: Path) -> None:
    """Tell what is known of a model, in words and as JSON, and predict a row."""
    from chainrule.command.models.table_model import TableModel
    from chainrule.command.reports.text import model_report

    model = TableModel.load(str(path))
    "\n".join(model_report(str(path), model))
    json.dumps(model.metadata.as_dict())
    row = {"size (cm)": [1.0], "b": [2.0], "kind": np.array(["u"], object), "price": [1.0]}
    with contextlib.suppress(*REFUSED), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about categories that it does not know
        model.predict(row, 1)


def preparations(folder: Path) -> list[bytes]:
    """Return files of small networks with preparations of every kind."""
    frame = {"size": X[:, 0], "town": [f"t{n % 4}" for n in range(30)], "flag": Y > 1}
    inputs = [
        Standardizer().fit(X),
        Standardizer().fit(X.reshape(30, 3, 1)),
        TablePreparation().fit(X),
        TablePreparation(n_bins=4, max_categories=3).fit(frame),
        TablePreparation(embed_from=3, categorical_features=["flag"]).fit(frame),
    ]
    contents = []
    for rows in inputs:
        network = Network([Linear(1, 1, seed=0)])
        network.preparation = rows
        network.target_preparation = Standardizer([1.0], [2.0])
        network.save(folder / "good.npz")
        contents.append((folder / "good.npz").read_bytes())
    return contents


def load_preparation(path: Path) -> None:
    """Load a network's preparations; what loads turns rows into finite numbers, and reports."""
    network = Network.load(path)
    frame = {"size": X[:, 0], "town": ["t1"] * 30, "flag": Y > 1}
    for prepare in (network.preparation, network.target_preparation):
        for rows in (X, X.reshape(30, 3, 1), frame):
            with contextlib.suppress(*REFUSED), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about categories that it does not know
                if prepare is not None and np.isnan(prepare.transform(rows)).any():
                    raise AssertionError("a loaded preparation returns NaN")
        if isinstance(prepare, TablePreparation):
            with contextlib.suppress(InputError):
                str(prepare.report(frame))
            prepare.get_feature_names_out()
        repr(prepare)
    network.save(path.with_name("again.npz"))


# ---------------------------------------------------------------- trainings


class _Resumed(Exception):
    """Ends a training that was resumed."""


class EndsAfterAnEpoch(Callback):
    """Ends a training at the first end of an epoch; callbacks before it have acted."""

    def on_epoch_end(self, state: Any) -> None:
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


def training() -> Trainer:
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
    return Trainer(network, loss, Adam(0.01), metrics=[accuracy], seed=1, post_mortem_file=None)


def fit(trainer: Trainer, callbacks: list[Any], **options: Any) -> None:
    """Train with the options that all these trainings share."""
    watching = [
        EarlyStopping("loss", patience=5),
        ReduceOnPlateau("loss", patience=2),
        ExponentialMovingAverage(0.9),
    ]
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
        fit(training(), [StopAt(folder / str(step), step)])
        contents.append((folder / str(step) / "last.npz").read_bytes())
    return contents


LEGAL = ("too large for float32", "All weights are 0", "The loss is infinite")
"""What a training may say about numbers that are as they may be."""


def resume(path: Path) -> None:
    """Resume from a checkpoint, up to the end of the epoch."""
    try:
        fit(training(), [EndsAfterAnEpoch(), Checkpoint(path.parent)], resume=path)
    except (_Resumed, NotFiniteError):  # values may be so large that they overflow
        return
    except InputError as error:
        if not any(words in str(error) for words in LEGAL):
            raise


def post_mortems(folder: Path) -> list[bytes]:
    """Return the post-mortems of trainings that meet infinity."""
    contents = []
    for number in range(2):
        trainer = training()
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
    "ensemble": Reader(ensembles, ARCHIVE, load_ensemble),
    "preparation": Reader(preparations, ARCHIVE, load_preparation),
    "table model": Reader(table_models, ARCHIVE, inspect_model),
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
