"""What class weights and the score of several labels do, told by hand."""

import numpy as np
import pytest

from chainrule.estimators.targets import MulticlassTargets, MultilabelTargets
from chainrule.estimators.validation import multiply_class_weight


def test_balanced_weights_ignore_classes_without_rows():
    targets = MulticlassTargets(np.array(["a", "b", "c"]))
    y = np.array(["a", "a", "a", "c"])
    weight = multiply_class_weight("balanced", targets, y, None)
    np.testing.assert_allclose(weight, [2 / 3, 2 / 3, 2 / 3, 2])  # 2 each in total, 1 on average


def test_balanced_weights_take_the_rows_weights_into_account():
    targets = MulticlassTargets(np.array([0, 1]))
    weight = multiply_class_weight("balanced", targets, np.array([0, 0, 1]), np.array([1.0, 3, 2]))
    np.testing.assert_allclose(weight, [0.75, 2.25, 3])


@pytest.mark.parametrize(
    ("outputs", "score"),
    [([[0.9, 0.1], [0.8, 0.9]], 1.0), ([[0.9, 0.6], [0.8, 0.9]], 0.5), ([[0.4, 0], [0, 0.9]], 0)],
)
def test_a_row_of_several_labels_is_right_if_all_of_them_are(outputs, score):
    assert MultilabelTargets(2).score(np.array([[1, 0], [1, 1]]), np.array(outputs)) == score
