"""The doctor examines the network that an estimator's options would train."""

import numpy as np
import pytest

from chainrule import Linear, Network, ReLU, Softmax
from chainrule.errors import InputError
from chainrule.estimators import NetworkClassifier, NetworkRegressor
from chainrule.network import code_columns

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 300)
X = RNG.standard_normal((300, 4)) + 1.5 * np.eye(3, 4)[Y]


def test_good_options_have_no_problem_and_the_estimator_does_not_change():
    classifier = NetworkClassifier(members=2, epochs=20, random_state=np.random.RandomState(0))
    before = str(classifier.random_state.get_state()), dict(vars(classifier))
    report = classifier.diagnose(X * 1000, np.array(["a", "b", "c"])[Y])
    assert report.problems == []  # its preparation has brought the rows to size
    assert (str(classifier.random_state.get_state()), dict(vars(classifier))) == before
    y = (X[:, 0] + X[:, 1] ** 2) * 5000
    assert NetworkRegressor(members=1, epochs=20).diagnose(X, y).problems == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"learning_rate": 1e-7, "epochs": 20}, "learning-rate-too-low"),
        ({"learning_rate": 5.0, "epochs": 60}, "learning-rate-too-high"),
        ({"preparation": None, "epochs": 20}, "input-scale"),
    ],
)
def test_bad_options_are_reported(options, found):
    report = NetworkClassifier(members=1, random_state=0, **options).diagnose(X * 1000, Y)
    assert report.findings[0].id == found


def test_a_given_network_is_diagnosed():
    network = Network([Linear(4, 8), ReLU(), Linear(8, 3), Softmax()], initialization="zero")
    state = network.state()
    report = NetworkClassifier(network=network, epochs=20).diagnose(X, Y)
    assert report.findings[0].id == "symmetric-neurons"
    assert all(np.array_equal(v, state[k]) for k, v in network.state().items())


def test_the_same_seed_gives_the_same_report():
    """A single member draws new dropout masks."""
    cases = [
        NetworkClassifier(epochs=20, random_state=0).diagnose(X, Y).examination for _ in range(2)
    ]
    first, second = (case.trial.losses for case in cases)
    np.testing.assert_array_equal(first, second)


# ---------------------------------------------------------------- what things are called


def frame_of(x, **more):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(x, columns=["a", "b", "c", "d"]).assign(**more)


def found(report):
    return {finding.id: finding for finding in report.every_finding()}


def test_columns_are_named_as_in_the_frame():
    """A text column of three values becomes three inputs, and missing values add one."""
    x = X.copy()
    x[::9, 0] = np.nan
    frame = frame_of(x, town=np.array(["x", "y", "z"])[Y], e=X[:, 1], same=1.0)
    report = NetworkClassifier(members=1, epochs=20, random_state=0).diagnose(frame, Y)
    known = found(report)
    assert known["leaking-column"].columns == ("town",)
    assert known["leaking-column"].remedy.startswith("X = X.drop(columns=['town'])")
    assert known["duplicate-columns"].columns == ("e",)
    assert "'e' repeats 'b'" in known["duplicate-columns"].summary
    assert known["constant-columns"].columns == ("same",)
    plan = report.prescribe()
    width = report.examination.X.shape[1]
    assert width == 4 + 1 + 3 + 1  # the gap's indicator, the towns, e; what is constant is left out
    assert plan.prepare(report.examination.X, report.examination.y)[0].shape[1] == width - 3 - 1
    assert "['town']" in plan.explain()
    plan.fit(report.examination.X, report.examination.y, epochs=1, progress=False)


def test_missing_values_in_the_same_rows_are_no_duplicate_columns():
    x = X.copy()
    x[::7, 0] = x[::7, 1] = np.nan  # their indicators are the same column twice
    report = NetworkClassifier(members=1, epochs=20, random_state=0).diagnose(x, Y)
    assert "duplicate-columns" not in report.ids()


def test_columns_of_an_array_are_named_by_their_index():
    x = np.column_stack([np.zeros(300), X, X[:, 2]])
    report = NetworkClassifier(members=1, epochs=20, random_state=0).diagnose(x, Y)
    assert found(report)["duplicate-columns"].columns == (5,)
    assert "5 repeats 3" in found(report)["duplicate-columns"].summary
    raw = NetworkClassifier(members=1, epochs=20, random_state=0, preparation=None)
    report = raw.diagnose(frame_of(X * [1, 1, 1, 1e5]), Y)
    assert found(report)["input-scale"].columns == ("d",)


def test_category_codes_are_not_reported_as_large_numbers():
    frame = frame_of(X, town=[f"town {n % 150}" for n in range(300)])
    report = NetworkClassifier(members=2, epochs=20, random_state=0).diagnose(frame, Y)
    assert code_columns(report.examination.network) == 1
    assert "input-scale" not in report.ids()


def test_rows_are_named_by_their_numbers():
    many = np.tile(Y, 10)
    x = RNG.standard_normal((3000, 4)) + 6 * np.eye(3, 4)[many]
    wrong = np.arange(100, 3000, 300)
    labels = many.copy()
    labels[wrong] = (many[wrong] + 1) % 3
    numbers = np.arange(3000) * 2 + 1
    classifier = NetworkClassifier(epochs=20, random_state=0)
    report = classifier.diagnose(x, labels, row_numbers=numbers)
    seen = set(numbers[wrong]) & set(numbers[report.rows])  # of so many rows some are looked at
    assert 3 <= len(seen) < len(wrong)
    named = set(found(report)["mislabelled-rows"].rows)
    assert named <= seen
    assert len(named) >= 0.5 * len(seen)
    plain = classifier.diagnose(x, labels)
    assert set(found(plain)["mislabelled-rows"].rows) == {(number - 1) // 2 for number in named}
    with pytest.raises(InputError, match="row_numbers must be 3000 whole numbers"):
        classifier.diagnose(x, labels, row_numbers=numbers[1:])


def test_classes_are_named_by_their_labels():
    labels = np.array(["usual", "rare", "usual too"])[Y]
    keep = (labels != "rare") | (np.cumsum(labels == "rare") <= 5)
    options = {"members": 1, "epochs": 20, "random_state": 0}
    report = NetworkClassifier(**options).diagnose(X[keep], labels[keep])
    assert found(report)["class-imbalance"].where == "y, class 'rare'"
    weights = {"rare": 20.0}
    report = NetworkClassifier(**options, class_weight=weights).diagnose(X[keep], labels[keep])
    assert report.examination.class_weight == {0: 20.0}  # the first of the sorted labels
    assert "class-imbalance" not in report.ids()


def test_a_single_class_is_reported_but_cannot_be_fitted():
    classifier = NetworkClassifier(members=1, epochs=20, random_state=0)
    labels = np.full(300, "only")
    (only,) = classifier.diagnose(X, labels).findings
    assert (only.id, only.severity) == ("constant-target", "problem")
    assert "'only'" in only.summary
    with pytest.raises(InputError, match="only one class"):
        classifier.fit(X, labels)


def test_targets_of_a_regression_are_reported_in_their_units():
    (only,) = NetworkRegressor(members=1, epochs=20).diagnose(X, np.full(300, 7.25)).findings
    assert (only.id, only.summary) == (
        "constant-target",
        "every target is 7.25: there is nothing to learn",
    )


# ---------------------------------------------------------------- rows that stand there twice


def test_duplicate_rows():
    x, y = np.concatenate([X, X[:100]]), np.concatenate([Y, Y[:100]])
    report = NetworkClassifier(members=1, epochs=20, random_state=0).diagnose(x, y)
    first = report.findings[0]
    assert (first.id, first.severity) == ("duplicate-rows", "problem")
    assert first.rows == tuple(range(300, 400))
    assert "300 repeats 0" in first.summary
    y[300:] = (y[300:] + 1) % 3  # the same inputs with another target are no copies
    report = NetworkClassifier(members=1, epochs=20, random_state=0).diagnose(x, y)
    assert "duplicate-rows" not in report.ids()


@pytest.mark.parametrize("values", [2, 3])
def test_rows_of_few_values_are_alike_by_chance(values):
    x = RNG.integers(0, values, (600, 4)).astype(float)
    report = NetworkClassifier(members=1, epochs=20, random_state=0).diagnose(x, x[:, 0] > 0)
    assert "duplicate-rows" not in report.ids()


def test_several_labels_and_several_numbers_are_diagnosed():
    options = {"members": 2, "epochs": 20, "random_state": 0}
    labels = (X[:, :2] > 0).astype(int)
    assert NetworkClassifier(**options).diagnose(X, labels).problems == []
    assert NetworkRegressor(**options).diagnose(X, X[:, :2] ** 2).problems == []
