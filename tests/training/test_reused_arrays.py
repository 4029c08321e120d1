"""An iterable may fill the same arrays for each batch: nothing keeps them past their time."""

import numpy as np
import pytest

from chainrule import (
    SGD,
    Add,
    BatchNorm,
    CategoricalCrossEntropy,
    Doctor,
    EarlyStopping,
    Graph,
    Linear,
    MeanSquaredError,
    Network,
    Node,
    ReLU,
    Trainer,
    diagnose,
    find_learning_rate,
)

SIZES = (6, 6, 6, 5, 1)  # the last batch joins the one before it


def drawn():
    """Return the batches of an epoch, (x, y, weight), each different from all others."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.standard_normal((n, 4)).astype(np.float32) + k,
            rng.integers(0, 3, n),
            rng.uniform(0.5, 2, n),
        )
        for k, n in enumerate(SIZES)
    ]


class Fresh:
    """Yields arrays of their own for each batch, arranged by a function."""

    def __init__(self, arrange):
        self.arrange = arrange

    def __iter__(self):
        for x, y, weight in drawn():
            yield self.arrange(x.copy(), y.copy(), weight.copy())


class Refilled(Fresh):
    """Yields the same memory for each batch, filled anew; and fills it once more at the end."""

    arrays = np.empty((6, 4), np.float32), np.empty(6, np.int64), np.empty(6)

    def __iter__(self):
        for batch in drawn():
            parts = [array[: len(part)] for array, part in zip(self.arrays, batch, strict=True)]
            for part, values in zip(parts, batch, strict=True):
                part[...] = values
            yield self.arrange(*parts)
            for part in parts:
                part[...] = 1


ARRANGED = {
    "pair": lambda x, y, weight: (x, y),
    "weighted": lambda x, y, weight: (x, y, weight),
    "list": lambda x, y, weight: [x, y],
    "tuple": lambda x, y, weight: ((x, x[:, ::-1]), y),
    "dict": lambda x, y, weight: ({"a": x, "b": x[:, ::-1]}, {"y": y}, weight),
}


def trainer(kind, **options):
    """Return a trainer for batches of this kind, whose metric looks at every number."""
    loss = CategoricalCrossEntropy()
    if kind in ("tuple", "dict"):
        nodes = {
            "left": Node(Linear(4, 3, seed=0), "a"),
            "right": Node(Linear(4, 3, seed=1), "b"),
            "sum": Node(Add(), "left", "right"),
            "y": Node(Network([BatchNorm(3), Linear(3, 3, seed=2)]), "sum"),
        }
        network = Network(Graph(["a", "b"], nodes, ["y"] if kind == "dict" else "y"), seed=0)
    else:
        network = Network([4, 8, 3], seed=0)
    if kind in ("tuple", "dict"):
        loss = CategoricalCrossEntropy(from_logits=True)

    def metric(y_true, y_pred, sample_weight=None):
        y_true, y_pred = (a["y"] if isinstance(a, dict) else a for a in (y_true, y_pred))
        place = np.arange(1, len(y_true) + 1)
        if sample_weight is not None:
            place = place * sample_weight
        return float(place @ (y_pred.sum(axis=1) + y_pred[:, 0] * y_true))

    loss = {"y": loss} if kind == "dict" else loss
    return Trainer(network, loss, SGD(0.05), metrics={"metric": metric}, seed=0, **options)


def evaluated(batches, kind, **options):
    return trainer(kind, **options).evaluate(batches)


def trained(batches, kind, **options):
    it = trainer(kind, **options)
    history = it.fit(batches, epochs=2, validation_data=batches, progress=False)
    history.epochs.pop("seconds")
    return [*history.epochs.values(), history.steps["loss"], it.network.flat.values.tolist()]


def trained_once(batches, kind):
    """From a generator, which is looked at before the first step and read only once."""
    it = trainer(kind)
    own = it.fit(iter(batches), epochs=1, validation_data=iter(batches), progress=False)
    return [own.epochs["loss"], own.epochs["val_metric"], it.network.flat.values.tolist()]


USES = {
    "evaluate": evaluated,
    "evaluate, workers": lambda *given: evaluated(*given, workers=2),
    "fit": trained,
    "fit, micro-batches": lambda *given: trained(*given, micro_batch_size=2),
    "fit, workers": lambda *given: trained(*given, workers=2),
    "fit, generators": trained_once,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ARRANGED)
def test_the_same_as_with_arrays_of_their_own(use, kind):
    result = [USES[use](batches(ARRANGED[kind]), kind) for batches in (Fresh, Refilled)]
    assert result[0] == result[1]


def test_the_example():
    def batches():
        x, y = np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32)
        for value in (0.0, 1.0, 2.0):
            y[...] = value
            yield x, y

    network = Network([Linear(1, 1, bias=False)])
    measured = Trainer(network, MeanSquaredError(), SGD(0.1)).evaluate(batches())
    assert measured["loss"] == pytest.approx(5 / 3)


def test_two_generators_that_fill_the_same_arrays():
    """Both are looked at before the first step; what was taken from one stays what it was."""

    def batches(values):
        for value in values:
            x[...] = y[...] = value
            yield x, y

    losses = []
    for second in (False, True):
        x, y = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
        fit = Trainer(Network([Linear(1, 1, seed=0)]), MeanSquaredError(), SGD(0.1)).fit
        validation = batches([7.0, 8.0]) if second else None
        history = fit(batches([1.0, 2.0]), epochs=1, validation_data=validation, progress=False)
        losses.append(history.steps["loss"])
    assert losses[0] == losses[1]


def test_the_learning_rate_finder():
    def losses(batches):
        network = Network([4, 8, 3], seed=0)
        found = find_learning_rate(
            network, batches(ARRANGED["pair"]), loss=CategoricalCrossEntropy(), steps=12
        )
        return found.losses

    np.testing.assert_array_equal(losses(Fresh), losses(Refilled))


def test_the_doctor():
    def examined(batches):
        network = Network([4, 8, 3], seed=0)
        exam = diagnose(
            network, batches(ARRANGED["pair"]), loss=CategoricalCrossEntropy(), steps=20
        ).examination
        return exam.X, exam.y

    for fresh, refilled in zip(examined(Fresh), examined(Refilled), strict=True):
        np.testing.assert_array_equal(fresh, refilled)

    def told(batches):
        it, doctor = trainer("pair"), Doctor(show=False)
        it.fit(batches(ARRANGED["pair"]), epochs=3, progress=False, callbacks=[doctor])
        return str(doctor.report)

    assert told(Fresh) == told(Refilled)


def test_augmentation_may_write_into_its_batch_and_the_callers_stays():
    def add_one(x, rng):
        x += 1
        return x

    given = [(x, y) for x, y, _ in drawn()]
    network = Network([Linear(4, 3, seed=0), ReLU(), Linear(3, 3, seed=0)])
    loss = CategoricalCrossEntropy(from_logits=True)
    fit = Trainer(network, loss, SGD(0.1), seed=0).fit
    fit(given, epochs=2, augment=add_one, progress=False, callbacks=[EarlyStopping("loss")])
    for (x, y), (expected_x, expected_y, _) in zip(given, drawn(), strict=True):
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(y, expected_y)
