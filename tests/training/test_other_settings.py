"""Whatever is changed between a checkpoint and its resume is refused by name, with both values."""

import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule import (
    Adam,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    CSVLog,
    Doctor,
    EarlyStopping,
    ExponentialMovingAverage,
    Linear,
    Network,
    ReduceOnPlateau,
    ReLU,
    StateError,
    StopFile,
    Trainer,
)
from chainrule.metrics import accuracy
from chainrule.training.settings import options_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)

OPTIONS = {"epochs": 3, "batch_size": 16, "validation_split": 0.25, "progress": False}


def trainer(optimizer=None, loss=None, **options):
    network = Network([Linear(4, 8), ReLU(), Linear(8, 2)], seed=0)
    loss = loss or CategoricalCrossEntropy(from_logits=True)
    options = {"metrics": [accuracy], "seed": 1} | options
    return Trainer(network, loss, optimizer or Adam(0.01), **options)


def refused(message, subject, path, **options):
    before = subject.network.state()
    with pytest.raises(StateError, match=message):
        subject.fit(X, Y, **OPTIONS | options, resume=path)
    np.testing.assert_equal(subject.network.state(), before)


# ---------------------------------------------------------------- callbacks


class Mine(Callback):
    """A callback of a user's, with options of several kinds."""

    may_change = ("path",)

    def __init__(self, limit=1.0, *, rows=None, how=np.mean, path="a.txt"):
        self.limit, self.rows, self.how, self.path = limit, rows, how, path

    def state(self):
        return {"seen": 1}


class Stateless(Callback):
    """Begins anew with every training: another one of its class is another callback."""

    def __init__(self, limit):
        self.limit = limit


class Derived(EarlyStopping):
    """Its constructor takes nothing that it passes on."""

    patient = 3

    def __init__(self):
        super().__init__("val_loss", patience=self.patient)


CALLBACKS = {
    EarlyStopping: {
        "monitor": "val_accuracy",
        "patience": 5,
        "min_delta": 0.1,
        "mode": "max",
        "restore_best": False,
    },
    ReduceOnPlateau: {
        "monitor": "val_accuracy",
        "factor": 0.1,
        "patience": 2,
        "min_delta": 0.1,
        "min_lr": 1e-5,
        "mode": "max",
    },
    Checkpoint: {"monitor": "val_accuracy", "mode": "max"},
    Mine: {"limit": 2.0, "rows": np.arange(3), "how": np.median},
    ExponentialMovingAverage: {"decay": 0.5, "warmup": True, "apply": False},
}
CHANGES = [(kind, name) for kind, changes in CALLBACKS.items() for name in changes]


def all_callbacks(kind=Callback):
    own = [each for each in kind.__subclasses__() if each.__module__.startswith("chainrule.")]
    return [*own, *(below for each in own for below in all_callbacks(each))]


def test_every_option_of_every_callback_with_a_state_is_compared_or_may_change():
    with_state = [kind for kind in all_callbacks() if kind.state is not Callback.state]
    assert len(with_state) >= 4
    for kind in with_state:
        names = list(inspect.signature(kind).parameters)
        assert sorted(names) == sorted([*CALLBACKS[kind], *kind.may_change]), kind


def made(kind, folder, **options):
    if kind is Checkpoint:
        return [Checkpoint(folder, **options)]
    return [kind(**options), Checkpoint(folder)]


@pytest.mark.parametrize(("kind", "name"), CHANGES, ids=[f"{k.__name__} {n}" for k, n in CHANGES])
def test_another_option_of_a_callback_is_refused_by_name(tmp_path, kind, name):
    trainer().fit(X, Y, **OPTIONS, callbacks=made(kind, tmp_path))
    other = made(kind, tmp_path, **{name: CALLBACKS[kind][name]})
    message = f"{kind.__name__}'s {name} was .*, here it is "
    if kind is ExponentialMovingAverage:
        message = r"average was .*decay=0.999\)\"?'?\], here it is "
    refused(message, trainer(), tmp_path / "last.npz", callbacks=other)


def test_callbacks_may_be_left_out_added_and_write_elsewhere(tmp_path):
    logs = [CSVLog(tmp_path / "a.csv"), StopFile(tmp_path / "a")]
    first = [Mine(), Stateless(1), EarlyStopping(), Checkpoint(tmp_path), *logs]
    trainer().fit(X, Y, **OPTIONS, callbacks=first)
    other = [
        ReduceOnPlateau(),
        Mine(path="b.txt"),
        Stateless(2),
        StopFile(tmp_path / "b"),
        CSVLog(tmp_path / "b.csv"),
        Checkpoint(tmp_path / "other", every_steps=1),
        Doctor(show=False),
    ]
    subject = trainer()
    subject.fit(X, Y, **OPTIONS | {"epochs": 4}, callbacks=other, resume=tmp_path / "last.npz")
    assert subject.state.epoch == 4


def test_of_two_of_a_class_each_is_compared_with_its_own(tmp_path):
    first = [EarlyStopping(patience=3), EarlyStopping(patience=4), Checkpoint(tmp_path)]
    trainer().fit(X, Y, **OPTIONS, callbacks=first)
    other = [EarlyStopping(patience=3), EarlyStopping(patience=5)]
    message = "EarlyStopping 2's patience was 4, here it is 5"
    refused(message, trainer(), tmp_path / "last.npz", callbacks=other)


def test_options_that_a_subclass_passes_on_and_changed_attributes_count(tmp_path, monkeypatch):
    trainer().fit(X, Y, **OPTIONS, callbacks=[Derived(), Checkpoint(tmp_path)])
    monkeypatch.setattr(Derived, "patient", 4)
    path = tmp_path / "last.npz"
    refused("Derived's patience was 3, here it is 4", trainer(), path, callbacks=[Derived()])
    late = Derived()
    late.min_delta = 0.5
    late.patience = 3
    refused("Derived's min_delta was 0.0, here it is 0.5", trainer(), path, callbacks=[late])


def test_a_checkpoint_of_a_version_that_noted_no_options_is_resumed(tmp_path, monkeypatch):
    from chainrule.storage.archive import read_archive, write_archive

    path = tmp_path / "last.npz"
    trainer().fit(X, Y, **OPTIONS, callbacks=[EarlyStopping(), Checkpoint(tmp_path)])
    arrays, description = read_archive(path, "checkpoint")
    del description["settings"]["options"]
    write_archive(path, "checkpoint", arrays, description)
    trainer().fit(X, Y, **OPTIONS, callbacks=[EarlyStopping(patience=3)], resume=path)
    description["settings"]["options"] = {"EarlyStopping": 3}
    write_archive(path, "checkpoint", arrays, description)
    refused("options.*should be a dict", trainer(), path, callbacks=[EarlyStopping()])


# ---------------------------------------------------------------- everything else


class Warm:
    """A schedule of a user's that does not say what it is."""

    def __init__(self, peak):
        self.peak = peak

    def __call__(self, step):
        return self.peak


class Jitter:
    def __init__(self, sigma):
        self.sigma = sigma

    def __call__(self, x, rng=None):
        return x


class Share:
    def __init__(self, threshold):
        self.threshold = threshold
        self.__name__ = "share"

    def __call__(self, y, y_pred):
        return self.threshold


def with_loss(**options):
    return {"loss": CategoricalCrossEntropy(from_logits=True, **options)}


FOCAL = cr.CategoricalFocalCrossEntropy(from_logits=True)

SCHEDULES = {
    "step": (cr.StepDecay(0.01, 5), cr.StepDecay(0.01, 6)),
    "cosine": (cr.CosineDecay(0.01, 50), cr.CosineDecay(0.01, 60)),
    "warmup": (cr.LinearWarmup(5, 0.01), cr.LinearWarmup(6, 0.01)),
    "nested": (
        cr.LinearWarmup(5, cr.ExponentialDecay(0.01, 0.9)),
        cr.LinearWarmup(5, cr.ExponentialDecay(0.01, 0.8)),
    ),
    "mine": (Warm(0.01), Warm(0.02)),
}
OTHER = {
    **{
        f"schedule {k}": ({"optimizer": Adam(a)}, {"optimizer": Adam(b)}, {}, {}, "learning_rate")
        for k, (a, b) in SCHEDULES.items()
    },
    "smoothing": (with_loss(), with_loss(label_smoothing=0.1), {}, {}, "loss"),
    "classes": (with_loss(), with_loss(class_weight=[1, 2]), {}, {}, "loss"),
    "kind of loss": ({}, {"loss": FOCAL}, {}, {}, "loss"),
    "metric": ({}, {"metrics": [cr.metrics.log_loss]}, {}, {}, "metrics"),
    "threshold": (
        {"metrics": {"share": Share(0.5)}},
        {"metrics": {"share": Share(0.6)}},
        {},
        {},
        "metrics: share's threshold",
    ),
    "augment": ({}, {}, {"augment": Jitter(0.1)}, {"augment": Jitter(0.2)}, "augment's sigma"),
    "multipliers": (
        {},
        {"optimizer": Adam(0.01, lr_multipliers={"layers.0.*": 0.1})},
        {},
        {},
        "lr_multipliers",
    ),
    "order": ({}, {}, {}, {"shuffle": False}, "shuffle"),
    "last batch": ({}, {}, {}, {"drop_last": True}, "drop_last"),
    "micro-batches": ({}, {"micro_batch_size": 4}, {}, {}, "micro_batch_size"),
    "batch norm": ({"workers": 2}, {"workers": 2, "sync_batch_norm": True}, {}, {}, "sync_batch_n"),
}


@pytest.mark.parametrize("what", OTHER)
def test_everything_else_that_changes_the_numbers_is_refused(tmp_path, what):
    first, second, fit_first, fit_second, name = OTHER[what]
    trainer(**first).fit(X, Y, **OPTIONS | fit_first, callbacks=[Checkpoint(tmp_path)])
    message = f"{name}.* was .*, here it is "
    refused(message, trainer(**second), tmp_path / "last.npz", **fit_second)


def test_options_are_those_constructor_arguments_that_are_attributes():
    assert options_of(Warm(0.5)) == {"peak": 0.5}
    assert options_of(np.float32(1)) == {}
    assert options_of(EarlyStopping(patience=7))["patience"] == 7
    assert options_of(Mine(rows=np.zeros(10**6)))["rows"] != "0" * 8
    assert len(options_of(Mine(rows=np.zeros(10**6)))["rows"]) == 8
