"""batches, train_test_split and one_hot."""

import numpy as np
import pytest
from sklearn import model_selection

from chainrule import ConfigurationError, InputError, batches, train_test_split
from chainrule.data import one_hot

# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("count", [1, 7, 8, 9, 31])
@pytest.mark.parametrize("batch_size", [1, 4, 8, 100])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_sample_comes_once_and_stays_with_its_label(count, batch_size, shuffle):
    X, y = np.arange(2 * count).reshape(count, 2), np.arange(count)
    found = list(batches(X, y, batch_size=batch_size, shuffle=shuffle, seed=0))
    sizes = [len(labels) for _, labels in found]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert sizes[-1] == count - batch_size * (len(sizes) - 1) <= batch_size
    order = np.concatenate([labels for _, labels in found])
    assert sorted(order) == list(range(count))
    if not shuffle:
        assert list(order) == list(range(count))
    for rows, labels in found:
        np.testing.assert_array_equal(rows, X[labels])


def test_batches_are_shuffled_by_their_seed():
    def order(seed):
        return np.concatenate([b for (b,) in batches(np.arange(50), batch_size=8, seed=seed)])

    assert list(order(0)) != list(range(50))
    assert list(order(0)) == list(order(0))
    assert list(order(0)) != list(order(1))
    assert list(order(None)) != list(order(None))


def test_one_generator_gives_every_epoch_its_own_order():
    def run():
        rng = np.random.default_rng(0)
        return [
            [list(b) for (b,) in batches(np.arange(20), batch_size=6, seed=rng)] for _ in range(3)
        ]

    first = run()
    assert first == run()
    assert first[0] != first[1] != first[2]


def test_lists_and_tables_are_taken():
    found = list(batches([[1, 2], [3, 4], [5, 6]], ["a", "b", "c"], batch_size=2, shuffle=False))
    np.testing.assert_array_equal(found[0][0], [[1, 2], [3, 4]])
    assert list(found[1][1]) == ["c"]


def test_batches_are_copies():
    X = np.zeros((4, 2))
    for (x,) in batches(X, batch_size=4, shuffle=False):
        x += 1
    assert not X.any()


@pytest.mark.parametrize("function", [lambda *a: batches(*a, batch_size=2), train_test_split])
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((3, 2)), np.ones(4)), r"same number of samples, got \[3, 4\]"),
        ((np.ones((0, 2)), np.ones(0)), "The data is empty"),
        ((), "There is no data: give at least one array"),
        ((np.ones(3), 5), "one entry for each sample, got a single value"),
    ],
)
def test_data_that_does_not_fit_is_refused_at_the_call(function, arrays, message):
    with pytest.raises(InputError, match=message):
        function(*arrays)  # not at the first batch


@pytest.mark.parametrize("size", [0, -1, 2.0, "2", None])
def test_bad_batch_sizes_are_refused_at_the_call(size):
    with pytest.raises(ConfigurationError) as caught:
        batches(np.ones(3), batch_size=size)
    message = f"batch_size must be a whole number of at least 1, got {size!r}."
    assert str(caught.value) == message


# ---------------------------------------------------------------- train_test_split


def test_the_parts_are_the_whole_and_hang_together():
    X, y = np.arange(60).reshape(30, 2), np.arange(30)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, seed=0)
    assert (len(X_train), len(X_test)) == (24, 6)
    assert sorted([*y_train, *y_test]) == list(range(30))
    np.testing.assert_array_equal(X_train, X[y_train])
    np.testing.assert_array_equal(X_test, X[y_test])
    assert list(y_train) != sorted(y_train), "in random order"


@pytest.mark.parametrize("stratified", [True, False])
def test_a_split_is_repeated_by_its_seed(stratified):
    labels = np.arange(40) % 4 if stratified else None

    def test_part(seed):
        return list(train_test_split(np.arange(40), stratify=labels, seed=seed)[1])

    assert test_part(0) == test_part(0)
    assert test_part(0) != test_part(1)
    assert test_part(None) != test_part(None)


def split_counts(labels, test_size, seed=0):
    """Return how many of each class are in the training and in the test part."""
    where = np.arange(len(labels))
    train, test = train_test_split(where, test_size=test_size, stratify=labels, seed=seed)
    assert sorted([*train, *test]) == list(where), "disjoint, and nothing is lost"
    labels = np.asarray(labels)
    classes = np.unique(labels)
    return tuple(np.array([(labels[p] == c).sum() for c in classes]) for p in (train, test))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("test_size", [0.1, 0.2, 0.25, 0.4, 0.75])
def test_every_class_is_split_in_proportion(seed, test_size):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(5), rng.integers(12, 60, 5))
    rng.shuffle(labels)
    train, test = split_counts(labels, test_size, seed)
    exact = (train + test) * test_size
    assert (abs(test - exact) < 1).all()
    assert abs(test.sum() - test_size * len(labels)) <= 0.5 + 1e-9


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("test_size", [0.1, 0.2, 0.25, 0.4, 0.75])
def test_class_counts_beside_scikit_learns(seed, test_size):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(5), rng.integers(12, 60, 5))
    _, theirs = model_selection.train_test_split(
        labels, test_size=test_size, stratify=labels, random_state=seed
    )
    _, ours = split_counts(labels, test_size, seed)
    # It rounds the whole test part up, we round it to nearest; ties fall one way or the other.
    assert (abs(ours - np.bincount(theirs, minlength=5)) <= 1).all()


@pytest.mark.parametrize("test_size", [0.1, 0.2, 0.3, 0.5, 0.9])
def test_class_counts_are_scikit_learns_where_they_come_out_whole(test_size):
    labels = np.repeat(np.arange(3), [50, 20, 80])
    _, theirs = model_selection.train_test_split(
        labels, test_size=test_size, stratify=labels, random_state=0
    )
    _, ours = split_counts(labels, test_size)
    np.testing.assert_array_equal(ours, np.bincount(theirs))


def test_tiny_classes_are_in_both_parts():
    train, test = split_counts([0] * 50 + [1] * 2 + [2] * 3, 0.1)
    assert test[1] == test[2] == 1
    train, test = split_counts([0] * 50 + [1] * 2, 0.9)
    assert train[1] == 1
    train, test = split_counts([0, 0, 1, 1], 0.01)
    assert list(train) == list(test) == [1, 1]


def test_labels_may_be_text():
    _, test = split_counts(np.array(["setosa"] * 10 + ["virginica"] * 20), 0.2)
    assert list(test) == [2, 4]


def test_samples_without_a_label_are_a_class_of_their_own():
    labels = [0.0] * 10 + [np.nan] * 10
    _, test = train_test_split(np.arange(20), stratify=labels, test_size=0.2, seed=0)
    assert (test < 10).sum() == (test >= 10).sum() == 2


def test_two_samples_are_the_least():
    train, test = train_test_split([1, 2], test_size=0.01, seed=0)
    assert (len(train), len(test)) == (1, 1)
    with pytest.raises(InputError, match="with 1 sample cannot be split into two parts"):
        train_test_split([1])
    with pytest.raises(InputError, match="with 1 sample cannot be split into two parts"):
        train_test_split(np.arange(5), stratify=[0, 0, 1, 1, 2])


@pytest.mark.parametrize("size", [0, 1, -0.2, 1.5, 20, np.nan])
def test_bad_test_sizes(size):
    with pytest.raises(ConfigurationError, match="0 < test_size < 1, got"):
        train_test_split(np.arange(10), test_size=size)


@pytest.mark.parametrize("labels", [[0, 1], np.eye(3)[[0, 1, 2, 0]], np.zeros((4, 1))])
def test_labels_to_stratify_by_that_do_not_fit(labels):
    with pytest.raises(InputError, match=r"stratify must hold 4 labels, got the shape \("):
        train_test_split(np.arange(4), stratify=labels)


# ---------------------------------------------------------------- one_hot


def test_one_hot_is_in_data_too():
    np.testing.assert_array_equal(one_hot([2, 0], 3), [[0, 0, 1], [1, 0, 0]])


def test_ragged_rows_cannot_be_split():
    with pytest.raises(InputError, match="rows of array 1 differ in length"):
        train_test_split([1, 2], [[1, 2], [3]])
