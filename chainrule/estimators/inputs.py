"""What users give, before scikit-learn looks at it: masks, dates and missing labels are refused.

NumPy, and so scikit-learn, would take what lies below a mask, and dates, for numbers in silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.checks import check_array
from chainrule.errors import InputError
from chainrule.preparation.values import is_missing_type


def refuse_masks_and_dates(name: str, values: Any) -> None:
    """Raise InputError for masked values and for dates or times."""
    if isinstance(values, np.ma.MaskedArray):
        check_array(name, values)
    if getattr(getattr(values, "dtype", None), "kind", "") in ("M", "m"):
        raise InputError(
            f"{name} holds dates or times ({values.dtype}), which are not numbers. Make numbers of "
            "what matters in them, such as the days since an event."
        )


def plain_labels(y: Any) -> Any:
    """Return labels of pandas and polars in NumPy's own types; refuse missing ones.

    Otherwise whole numbers that may be missing would become floats, and be predicted as such.
    """
    if isinstance(y, np.ma.MaskedArray):
        check_array("y", y)
    dtype = getattr(y, "dtype", None)
    extension = dtype is not None and not isinstance(dtype, np.dtype)
    one_axis = isinstance(y, list | tuple) or len(getattr(y, "shape", ())) == 1
    if not one_axis or not (extension or getattr(dtype, "kind", "O") in ("O", "M", "m")):
        return y
    labels = list(y)
    for row, label in enumerate(labels):
        if is_missing_type(type(label)) or (np.ndim(label) == 0 and label != label):
            raise InputError(f"y holds no label in row {row}. Leave out the rows without one.")
    if not extension:
        return y
    plain = np.array(labels)
    return plain.astype(object) if plain.dtype.kind == "U" else plain
