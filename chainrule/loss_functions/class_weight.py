"""class_weight: how much each class counts, as losses and `Trainer.fit` both take it.

Either a mapping of classes to weights, in which classes that are not named count 1, or a sequence
with one weight for each class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_range, check_whole
from chainrule.errors import ConfigurationError, InputError
from chainrule.parameter import Array

ClassWeight = Mapping[int, float] | Sequence[float]


def check_class_weight(class_weight: ClassWeight | str) -> dict[int, float] | tuple[float, ...]:
    """Return the weights as a dict or a tuple of plain numbers; refuse anything else."""
    if isinstance(class_weight, Mapping):
        return {
            check_whole("a class in class_weight", label, least=0): _weight(label, weight)
            for label, weight in class_weight.items()
        }
    listed: Any = class_weight.tolist() if isinstance(class_weight, np.ndarray) else class_weight
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise ConfigurationError(
            "class_weight must be like {0: 1.0, 1: 5.0}, or one weight for each class; "
            f"got {class_weight!r}. Trainer.fit, which sees all labels, also takes 'balanced'."
        )
    weights = tuple(_weight(label, weight) for label, weight in enumerate(listed))
    if not any(weights):
        raise ConfigurationError(f"class_weight needs a weight above 0, got {weights}.")
    return weights


def _weight(label: int, weight: float) -> float:
    return check_range(f"class_weight[{label}]", weight)


def weight_of_classes(class_weight: ClassWeight, classes: int) -> Array:
    """Return the weight of each of so many classes, (classes,); what goes beyond is left out."""
    if isinstance(class_weight, Mapping):
        return np.array([class_weight.get(label, 1.0) for label in range(classes)])
    if len(class_weight) < classes:
        raise InputError(f"class_weight has {len(class_weight)} weights for {classes} classes.")
    return np.array(class_weight[:classes], np.float64)


def named_classes(class_weight: ClassWeight) -> int:
    """Return how many classes there must be at least, for every weight to have its class."""
    if isinstance(class_weight, Mapping):
        return max(class_weight, default=-1) + 1
    return len(class_weight)
