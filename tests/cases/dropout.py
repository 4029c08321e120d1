"""Dropout and its relatives; masks and noise are looked at in tests/layers/test_dropout.py."""

from cases import Case
from chainrule.layers import AlphaDropout, Dropout, GaussianNoise, SpatialDropout


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
    Case(
        "AlphaDropout", lambda: AlphaDropout(0.3, seed=0), (6, 5), reference=unchanged, random=True
    ),
    Case("AlphaDropout-off", lambda: AlphaDropout(0), (2, 3, 4), reference=unchanged),
    Case("Dropout-off", lambda: Dropout(0.0), (4, 5), reference=unchanged),
    Case(
        "SpatialDropout",
        lambda: SpatialDropout(0.4, seed=0),
        (3, 4, 2, 3),
        reference=unchanged,
        bad_shape=(3, 4),
        random=True,
    ),
    Case(
        "SpatialDropout-sequence",
        lambda: SpatialDropout(seed=1),
        (3, 4, 5),
        reference=unchanged,
        random=True,
    ),
    Case("SpatialDropout-off", lambda: SpatialDropout(0), (2, 3, 4), reference=unchanged),
    Case("GaussianNoise", lambda: GaussianNoise(seed=0), (6, 5), reference=unchanged, random=True),
    Case(
        "GaussianNoise-strong",
        lambda: GaussianNoise(2.0, seed=1),
        (2, 3, 4, 4),
        reference=unchanged,
        random=True,
    ),
    Case("GaussianNoise-off", lambda: GaussianNoise(0.0), (4, 5), reference=unchanged),
]
