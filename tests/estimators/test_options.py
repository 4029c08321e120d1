"""Every option refuses invalid values, and does what it says."""

import functools

import numpy as np
import pytest
from sklearn.datasets import load_iris

from chainrule import Adam, CategoricalFocalCrossEntropy, Hinge, Quantile
from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import NetworkClassifier, NetworkRegressor

X, Y = load_iris(return_X_y=True)
QUICK = {"hidden_layers": (8,), "members": 2, "epochs": 20, "learning_rate": 0.03}
KINDS = [NetworkClassifier, NetworkRegressor]

NONSENSE = [
    ("hidden_layers", (0,), "hidden_layers must be a sequence of whole numbers"),
    ("hidden_layers", "big", "hidden_layers must be a sequence of whole numbers"),
    ("hidden_layers", -3, "hidden_layers must be a whole number"),
    ("activation", "step", "activation must be one of 'elu'"),
    ("dropout", 1.0, "dropout must be a number with 0 <= dropout < 1"),
    ("batch_norm", "yes", "batch_norm must be True, False or 'auto'"),
    ("optimizer", "lbfgs", "optimizer must be one of 'adam'"),
    ("optimizer", Adam(0.1), "or the class of one, such as Adam"),
    ("learning_rate", 0, "learning_rate must be a number with 0 < learning_rate"),
    ("learning_rate", "constant", "learning_rate must be a number"),
    ("weight_decay", -1, "weight_decay must be a number with 0 <= weight_decay"),
    ("loss", "hinge", "loss must be one of '"),
    ("epochs", 0, "epochs must be a whole number of at least 1"),
    ("batch_size", "big", "batch_size must be a whole number"),
    ("batch_size", 2.5, "batch_size must be a whole number"),
    ("early_stopping", "yes", "early_stopping must be True, False or 'auto'"),
    ("validation_fraction", 1.0, "validation_fraction must be a number"),
    ("patience", 0, "patience must be a whole number"),
    ("members", 0, "members must be a whole number"),
    ("warm_start", None, "warm_start must be True or False"),
    ("random_state", "seed", "cannot be used to seed"),
    ("dtype", "float16", "dtype must be float32 or float64"),
    ("preparation", "scale", "preparation must be 'auto', None or a Preparation"),
    ("network", 3, "network must be a Network, or a function"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "value", "message"), NONSENSE)
def test_invalid_options_are_refused(kind, name, value, message):
    with pytest.raises(ValueError, match=message):
        kind(**{name: value}).fit(X, Y)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("even", "class_weight must be 'balanced', a dict"),
        ({7: 1.0}, r"class_weight names \[7\], and y has the classes \[0, 1, 2\]"),
        ({0: -1.0}, "numbers of at least 0"),
        ([1.0, 2.0, 3.0], "may be a list only for several labels"),
    ],
)
def test_invalid_class_weights_are_refused(weight, message):
    with pytest.raises(ConfigurationError, match=message):
        NetworkClassifier(class_weight=weight).fit(X, Y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("hidden_layer_sizes", "it is called hidden_layers"),
        ("max_iter", "it is called epochs"),
        ("alpha", "it is called weight_decay"),
        ("n_iter_no_change", "it is called patience"),
        ("learning_rate_init", "it is called learning_rate"),
        ("seed", "it is called random_state"),
        ("layers", r"layers of your own are network=Network\("),
        ("beta_1", "optimizer=functools.partial"),
    ],
)
def test_options_of_other_libraries_are_refused_with_advice(kind, option, advice):
    with pytest.raises(
        ConfigurationError, match=f"{kind.__name__} has no option '{option}'.*{advice}"
    ):
        kind(**{option: 1})


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_the_estimator_are_refused_by_fit_with_advice(kind):
    for option in ("epochs", "batch_size", "verbose"):
        with pytest.raises(ConfigurationError, match="an option of the estimator, not of fit"):
            kind().fit(X, Y, **{option: 3})
    with pytest.raises(AttributeError, match="it is called network_"):
        _ = kind().model_


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_hidden_layers_may_be_given_by_position(kind):
    with pytest.raises(TypeError, match="positional"):
        kind((8,), "relu")


def test_balanced_needs_all_rows():
    with pytest.raises(ConfigurationError, match="partial_fit sees a part"):
        NetworkClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("weight", ["balanced", {"rare": 20.0}, {"common": 0.05, "rare": 1.0}])
def test_class_weights_help_a_rare_class(weight):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (400, 2)), rng.normal(1.2, 1, (20, 2))])
    labels = np.array(["common"] * 400 + ["rare"] * 20)
    found = [
        (
            NetworkClassifier(**QUICK, class_weight=w, random_state=0)
            .fit(rows, labels)
            .predict(rows[400:])
            == "rare"
        ).mean()
        for w in (None, weight)
    ]
    assert found[1] > found[0] + 0.3


def test_class_weights_of_several_labels():
    answers = np.median(X, axis=0) < X
    classifier = NetworkClassifier(**QUICK, class_weight="balanced", random_state=0)
    assert classifier.fit(X, answers).score(X, answers) > 0.5


def test_invalid_weights_are_refused():
    for weight, message in [
        (np.ones((150, 2)), "Sample weights must be 1D"),
        (np.ones(3), "inconsistent numbers of samples"),
        (-np.ones(150), "Negative values in sample_weight"),
        (np.zeros(150), "All sample weights are zero"),
    ]:
        with pytest.raises(ValueError, match=message):
            NetworkClassifier().fit(X, Y, sample_weight=weight)
    with pytest.raises(InputError, match="Only one class, 0, is left"):
        NetworkClassifier().fit(X, Y, sample_weight=(Y == 0).astype(float))


def test_a_row_of_weight_zero_is_left_out():
    weight = np.arange(150) % 3 > 0
    with_zero = NetworkClassifier(**QUICK, random_state=0).fit(X, Y, sample_weight=weight)
    without = NetworkClassifier(**QUICK, random_state=0).fit(X[weight], Y[weight])
    np.testing.assert_allclose(with_zero.predict_proba(X), without.predict_proba(X), rtol=1e-4)


def test_validation_data_replaces_held_out_rows():
    classifier = NetworkClassifier(**QUICK, random_state=0, early_stopping=True)
    classifier.fit(X[::2], Y[::2], validation_data=(X[1::2], Y[1::2]))
    assert len(classifier.validation_scores_) == classifier.n_iter_
    weights = np.ones(75)
    again = NetworkClassifier(**QUICK, random_state=0, early_stopping=True)
    again.fit(X[::2], Y[::2], validation_data=(X[1::2], Y[1::2], weights))
    np.testing.assert_allclose(again.predict_proba(X), classifier.predict_proba(X), rtol=1e-5)
    with pytest.raises(ConfigurationError, match="validation_data must be"):
        classifier.fit(X, Y, validation_data=X)
    with pytest.raises(ValueError, match="2 features"):
        classifier.fit(X, Y, validation_data=(X[:, :2], Y))


def test_losses_as_objects():
    focal = NetworkClassifier(**QUICK, loss=CategoricalFocalCrossEntropy(), random_state=0)
    plain = NetworkClassifier(**QUICK, random_state=0)
    p, q = focal.fit(X, Y).predict_proba(X), plain.fit(X, Y).predict_proba(X)
    assert not np.allclose(p, q)
    assert focal.score(X, Y) > 0.9
    with pytest.raises(ConfigurationError, match="loss must take probabilities"):
        NetworkClassifier(loss=Hinge()).fit(X, Y)
    shares = [
        (
            NetworkRegressor(**QUICK, loss=Quantile(q), random_state=0)
            .fit(X[:, :3], X[:, 3])
            .predict(X[:, :3])
            > X[:, 3]
        ).mean()
        for q in (0.1, 0.9)
    ]
    assert shares[0] < 0.3 < 0.7 < shares[1]


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_losses_on_numbers(loss):
    regressor = NetworkRegressor(**QUICK, loss=loss, random_state=0).fit(X[:, :3], X[:, 3])
    assert regressor.score(X[:, :3], X[:, 3]) > 0.8


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "rmsprop", functools.partial(Adam, beta2=0.9)]
)
def test_optimizers(optimizer):
    classifier = NetworkClassifier(
        (8,), members=2, epochs=60, learning_rate=0.05, optimizer=optimizer, random_state=0
    )
    assert classifier.fit(X, Y).score(X, Y) > 0.8


def test_members_differ_and_the_first_has_the_given_options():
    classifier = NetworkClassifier(
        (4,), members=6, epochs=1, learning_rate=0.01, weight_decay=0.1, dropout=0.2, random_state=0
    ).fit(X, Y)
    first, *others = classifier.network_.members
    assert (first.learning_rate, first.weight_decay, first.dropout) == (0.01, 0.1, 0.2)
    assert len({member.learning_rate for member in others}) == 5
    assert all(0.003 < member.learning_rate < 0.031 for member in others)
    assert all(0 <= member.dropout <= 0.4 for member in others)


def test_invalid_targets_are_refused():
    for y, message in [
        (np.linspace(0, 1, 150), "Unknown label type: continuous"),
        (np.stack([Y, Y + 1], axis=1), "MultiOutputClassifier"),
        (np.zeros(150), "only one class in y, 0.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            NetworkClassifier().fit(X, y)
    with pytest.raises(ValueError, match="the target y is None"):
        NetworkRegressor().fit(X, None)
    with pytest.raises(ValueError, match="dim 3"):
        NetworkRegressor().fit(X, np.zeros((150, 2, 2)))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "b", "c"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-1.0, 0.0, 7.0]),
        np.array([10, 20, 30], dtype=np.uint8),
    ],
    ids=["text", "objects", "floats", "small numbers"],
)
def test_labels_of_any_kind(labels):
    classifier = NetworkClassifier(**QUICK, random_state=0).fit(X, labels[Y])
    assert classifier.predict(X).dtype == labels.dtype
    np.testing.assert_array_equal(classifier.classes_, labels)
    assert classifier.score(X, labels[Y]) > 0.9


def test_booleans_as_labels():
    classifier = NetworkClassifier(**QUICK, random_state=0).fit(X, Y == 0)
    assert classifier.predict(X).dtype == np.bool_
    assert classifier.score(X, Y == 0) > 0.95


def test_batch_norm_depends_on_the_number_of_rows():
    def has_it(estimator):
        return any("running_mean" in name for name in estimator.network_.network.state())

    few = NetworkClassifier(**QUICK).fit(X[::4], Y[::4])
    many = NetworkClassifier(**QUICK).fit(X, Y)
    in_parts = NetworkClassifier(**QUICK).partial_fit(X, Y, classes=[0, 1, 2])
    assert (has_it(few), has_it(many), has_it(in_parts)) == (False, True, False)
    assert has_it(NetworkClassifier(**QUICK, batch_norm=True).fit(X[::4], Y[::4]))
    assert not has_it(NetworkClassifier(**QUICK, batch_norm=False).fit(X, Y))
    with pytest.raises(ConfigurationError, match="batch_norm must be True, False or 'auto'"):
        NetworkClassifier(batch_norm="yes").fit(X, Y)


def test_a_large_table_has_its_numbers_encoded_in_bins():
    x = np.random.default_rng(0).standard_normal((4000, 3))
    options = {"members": 1, "epochs": 1, "hidden_layers": 4}
    large = NetworkRegressor(**options).fit(x, x[:, 0])
    small = NetworkRegressor(**options).fit(x[1:], x[1:, 0])
    assert large.network_.preparation.n_bins == 16
    assert small.network_.preparation.n_bins == 0
    wide = NetworkRegressor(**options).fit(np.tile(x, 100), x[:, 0])
    assert wide.network_.preparation.n_bins == 3
