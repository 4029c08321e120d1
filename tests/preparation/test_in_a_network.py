"""A network with its preparations: predict_raw, in a file, and back."""

import copy
import pickle

import numpy as np
import pytest

from chainrule import (
    Adam,
    ConfigurationError,
    FileFormatError,
    InputError,
    Linear,
    MeanSquaredError,
    Network,
    Preparation,
    ReLU,
    ShapeError,
    Standardizer,
    Trainer,
)
from chainrule.preparation.packing import pack_names
from chainrule.storage.archive import read_archive, write_archive

rng = np.random.default_rng(0)
X = rng.normal([5, -300, 1e-6, 70], [2, 100, 1e-7, 9], (60, 4))
y = 1000 + 40 * X[:, 0] + 0.5 * X[:, 1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def regressor():
    return Network([Linear(4, 8), ReLU(), Linear(8, 1)], seed=0)


class Halved(Preparation):
    """A user's own preparation."""

    fitted = True

    def fit(self, X):
        return self

    def transform(self, X):
        return np.asarray(X) / 2


# ---------------------------------------------------------------- raw rows in, raw units out


def test_a_loaded_network_predicts_raw_rows_in_the_units_of_the_targets(path):
    rows, targets = Standardizer().fit(X), Standardizer().fit(y)
    network = regressor()
    trainer = Trainer(network, MeanSquaredError(), Adam(0.02), seed=0)
    trainer.fit(rows.transform(X), targets.transform(y), epochs=60, progress=False)
    network.save(path, preparation=rows, target_preparation=targets)
    loaded = Network.load(path)
    raw = loaded.predict_raw(X)
    assert raw.shape == (60, 1)
    assert np.abs(raw[:, 0] - y).mean() < 0.2 * y.std()
    prepared = loaded.predict(rows.transform(X))
    np.testing.assert_array_equal(raw, targets.inverse_transform(prepared))
    np.testing.assert_array_equal(raw, network.predict_raw(X))


def test_predict_takes_prepared_numbers_whatever_the_network_holds():
    network = regressor()
    before = network.predict(X)
    network.preparation = Standardizer().fit(X)
    network.target_preparation = Standardizer().fit(y)
    np.testing.assert_array_equal(network.predict(X), before)


@pytest.mark.parametrize("name", ["preparation", "target_preparation"])
def test_one_of_the_two_is_enough(name, path):
    network = regressor()
    setattr(network, name, Standardizer().fit(X if name == "preparation" else y))
    network.save(path)
    loaded = Network.load(path)
    if name == "preparation":
        expected = network.predict(network.preparation.transform(X))
        assert loaded.target_preparation is None
    else:
        expected = network.target_preparation.inverse_transform(network.predict(X))
        assert loaded.preparation is None
    np.testing.assert_array_equal(loaded.predict_raw(X), expected)


def test_without_a_preparation_it_says_what_to_do():
    with pytest.raises(ConfigurationError, match=r"Set network\.preparation = Standardizer\(\)"):
        regressor().predict_raw(X)


def test_another_number_of_columns_is_told_of_the_raw_rows():
    network = Network([Linear(2, 1)], seed=0)
    network.preparation = Standardizer().fit(X)
    with pytest.raises(InputError, match=r"Fitted on rows of 4 columns, got rows of 3 columns\."):
        network.predict_raw(X[:, :3])
    with pytest.raises(ShapeError, match="expected 2 features") as caught:
        network.predict_raw(X)
    assert "rows came from network.preparation, Standardizer(" in caught.value.__notes__[-1]


@pytest.mark.parametrize("wrong", [Standardizer, "standard", 3])
def test_what_is_no_preparation_is_refused(wrong, path):
    network = regressor()
    with pytest.raises(ConfigurationError, match="preparation must be a Preparation"):
        network.save(path, target_preparation=wrong)
    network.preparation = wrong
    with pytest.raises(ConfigurationError, match="preparation must be a Preparation"):
        network.save(path)
    with pytest.raises(ConfigurationError, match="preparation must be a Preparation"):
        network.predict_raw(X)
    assert not path.exists()


def test_targets_are_scaled_back_only_where_there_is_a_way():
    network = regressor()
    network.target_preparation = Halved()
    with pytest.raises(ConfigurationError, match="What Halved does cannot be undone"):
        network.predict_raw(X)


# ---------------------------------------------------------------- copies and files


@pytest.mark.parametrize("again", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_have_them_too(again):
    network = regressor()
    network.preparation = Standardizer().fit(X)
    np.testing.assert_array_equal(again(network).predict_raw(X), network.predict_raw(X))


def test_they_come_back_bit_for_bit_and_again(path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", 3, "d"])
    network = regressor()
    network.save(path, preparation=Standardizer().fit(frame))
    first = path.read_bytes()
    loaded = Network.load(path)
    assert loaded.preparation.feature_names_in_ == ["a", "b", 3, "d"]
    for figure in ("mean", "std"):
        before = getattr(network.preparation, figure)
        assert getattr(loaded.preparation, figure).tobytes() == before.tobytes()
    loaded.save(path)
    assert read_archive(path, "module")[1]["preparations"].keys() == {"preparation"}
    assert len(path.read_bytes()) == len(first)


def test_a_checkpoint_of_the_best_has_them(tmp_path):
    from chainrule import Checkpoint

    network = regressor()
    network.preparation = Standardizer().fit(X)
    trainer = Trainer(network, MeanSquaredError(), Adam(0.01), seed=0)
    X_prepared = network.preparation.transform(X)
    best = Checkpoint(tmp_path)
    trainer.fit(X_prepared, y - y.mean(), epochs=1, callbacks=[best], progress=False)
    loaded = Network.load(best.best)
    np.testing.assert_array_equal(loaded.predict_raw(X), loaded.predict(X_prepared))


def test_what_cannot_be_saved_is_told_before_the_old_file_is_touched(path):
    network = regressor()
    network.save(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"Halved cannot be saved .*Standardizer"):
        network.save(path, preparation=Halved())
    with pytest.raises(InputError, match="Standardizer has not been fitted"):
        network.save(path, preparation=Standardizer())
    assert path.read_bytes() == before
    np.testing.assert_array_equal(
        Network([Linear(4, 2)]).predict(Halved().transform(X)).shape, (60, 2)
    )


def forge(path, described, arrays):
    """Write a file that is valid except for its preparations."""
    network = regressor()
    network.save(path)
    own, description = read_archive(path, "module")
    write_archive(path, "module", {**own, **arrays}, {**description, "preparations": described})


GOOD = {"class": "Standardizer"}
FIGURES = {"preparations/preparation/mean": X[0], "preparations/preparation/std": np.ones(4)}


def names_of(names, whole):
    """Return the names of columns as arrays, as they are in a file."""
    arrays = pack_names(names)
    if whole is not None:
        arrays["names/whole"] = whole
    return {f"preparations/preparation/{name}": array for name, array in arrays.items()}


def test_the_forger_writes_what_is_right(path):
    forge(path, {"preparation": GOOD}, FIGURES)
    np.testing.assert_array_equal(Network.load(path).preparation.mean, X[0])


@pytest.mark.parametrize(
    ("described", "arrays", "message"),
    [
        (3, FIGURES, "preparations should be a dict"),
        ({"preparation": 3}, FIGURES, "needs the preparation None"),
        ({"preparation": {}}, FIGURES, "needs the preparation None"),
        ({"preparation": {"class": "os.system"}}, FIGURES, "needs the preparation 'os.system'"),
        ({"preparation": {"class": ["Standardizer"]}}, FIGURES, "needs the preparation"),
        ({"preparation": {"class": "Network"}}, FIGURES, "needs the preparation 'Network'"),
        ({"__class__": GOOD}, {}, "holds '__class__', which"),
        ({"preparation": {**GOOD, "more": 1}}, FIGURES, "Standardizer .* cannot be built"),
        ({"preparation": GOOD}, {}, "Standardizer .* cannot be built"),
        *(
            ({"preparation": GOOD}, {**FIGURES, **names_of(*names)}, "be built")
            for names in (
                (["a"], None),
                (["a", "b", "c", "c"], None),
                (["a", "b", "c", "d"], np.ones(4, bool)),
                (["a", "b", "c", "d"], np.zeros(3, bool)),
                (["a", "b", "c", "d"], np.zeros(4)),
            )
        ),
        ({"preparation": GOOD}, {**FIGURES, "preparations/preparation/names/whole": X[0]}, "built"),
        *(
            ({"preparation": GOOD}, {**FIGURES, "preparations/preparation/std": std}, "be built")
            for std in (np.zeros(4), np.full(4, np.nan), np.ones(3), np.array(1.0), -np.ones(4))
        ),
    ],
)
def test_hostile_preparations_are_refused(path, described, arrays, message):
    forge(path, described, arrays)
    with pytest.raises(FileFormatError, match=message):
        Network.load(path)


def test_a_file_whose_standardizer_would_be_lost_is_refused(tmp_path):
    path = tmp_path / "old.npz"
    Network([4, 3], seed=0).save(path)
    arrays, description = read_archive(path, "module")
    arrays |= {"standardizer/mean": np.zeros(4), "standardizer/std": np.ones(4)}
    write_archive(path, "module", arrays, description)
    with pytest.raises(FileFormatError, match=r"standardizer/.*saved again with preparation="):
        Network.load(path)
