"""Dropout; what its mask must look like in training is tested in tests/layers/test_dropout.py."""

from cases import Case
from chainrule.layers import Dropout


def unchanged(module, x, training):
    return x


CASES = [
    Case("Dropout", lambda: Dropout(0.5, seed=0), (6, 5), reference=unchanged, random=True),
    Case(
        "Dropout-image",
        lambda: Dropout(0.2, seed=1),
        (2, 3, 4, 4),
        reference=unchanged,
        random=True,
    ),
    Case("Dropout-off", lambda: Dropout(0.0), (4, 5), reference=unchanged),
]
