"""Flatten, Reshape, Transpose: where each number goes."""

import numpy as np

from cases import Case
from chainrule.layers import Flatten, Identity, Reshape, Transpose


def in_order(shape):
    """Return a reference that deals each sample's numbers, in order, into another shape."""

    def reference(module, x, training):
        y = np.empty((len(x), *shape))
        for sample in range(len(x)):
            numbers = iter(x[sample].ravel().tolist())
            for place in np.ndindex(shape):
                y[sample][place] = next(numbers)
        return y

    return reference


def transposed(module, x, training):
    y = np.empty((len(x), *(x.shape[1 + axis] for axis in module.axes)))
    for sample, *place in np.ndindex(x.shape):
        y[(sample, *(place[axis] for axis in module.axes))] = x[(sample, *place)]
    return y


CASES = [
    Case("Identity", Identity, (3, 2, 4), reference=lambda module, x, training: x),
    Case("Flatten", Flatten, (3, 2, 4, 5), reference=in_order((40,))),
    Case("Flatten-table", Flatten, (3, 4), reference=in_order((4,))),
    Case("Flatten-one_sample", Flatten, (1, 3, 2), reference=in_order((6,))),
    Case(
        "Reshape",
        lambda: Reshape((3, 2, 2)),
        (4, 12),
        reference=in_order((3, 2, 2)),
        bad_shape=(4, 10),
    ),
    Case(
        "Reshape-rest",
        lambda: Reshape((2, -1)),
        (3, 4, 5),
        reference=in_order((2, 10)),
        bad_shape=(3, 3, 5),
    ),
    Case("Reshape-single_numbers", lambda: Reshape([1]), (5, 1, 1), reference=in_order((1,))),
    Case(
        "Transpose",
        lambda: Transpose((1, 0)),
        (2, 3, 4),
        reference=transposed,
        bad_shape=(2, 3, 4, 5),
    ),
    Case("Transpose-three", lambda: Transpose((2, 0, 1)), (2, 3, 4, 5), reference=transposed),
    Case("Transpose-same", lambda: Transpose([0]), (3, 4), reference=transposed),
]
