"""Padding: each number of the output by itself, from the picture of a row in each mode."""

import numpy as np

from cases import Case
from chainrule.layers import Pad1d, Pad2d

NAMES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""What NumPy calls the modes."""


def padded(*widths):
    """Return a reference by NumPy's own function."""

    def reference(module, x, training):
        constant = {"constant_values": module.value} if module.mode == "constant" else {}
        return np.pad(x, ((0, 0), (0, 0), *widths), NAMES[module.mode], **constant)

    return reference


def cases(mode):
    """Return what each mode goes through."""
    any_size = mode in ("constant", "replicate")
    return [
        Case(
            f"Pad2d-{mode}",
            lambda: Pad2d(((1, 2), (3, 0)), mode=mode),
            (2, 3, 4, 5),
            reference=padded((1, 2), (3, 0)),
            bad_shape=(2, 3, 4) if any_size else (2, 3, 4, 2),
        ),
        Case(
            f"Pad2d-{mode}_alike",
            lambda: Pad2d(2, mode=mode),
            (1, 1, 3, 3),
            reference=padded((2, 2), (2, 2)),
        ),
        Case(
            f"Pad2d-{mode}_across",
            lambda: Pad2d((0, 1), mode=mode),
            (2, 1, 2, 2),
            reference=padded((0, 0), (1, 1)),
        ),
        Case(
            f"Pad1d-{mode}",
            lambda: Pad1d((1, 3), mode=mode),
            (2, 3, 4),
            reference=padded((1, 3)),
            bad_shape=(2, 4),
        ),
    ]


CASES = [
    *(case for mode in NAMES for case in cases(mode)),
    Case(
        "Pad2d-value", lambda: Pad2d(1, value=-2.5), (2, 2, 3, 3), reference=padded((1, 1), (1, 1))
    ),
    Case("Pad1d-one", lambda: Pad1d(2, mode="replicate"), (1, 1, 1), reference=padded((2, 2))),
    Case("Pad1d-none", lambda: Pad1d(0, mode="reflect"), (1, 2, 1), reference=padded((0, 0))),
]
