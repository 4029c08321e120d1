"""What is planted: each disease is a function that makes a healthy set-up ill, more or less.

Strength is 0 (mild), 1 or 2 (obvious). A disease that does not fit a set-up returns None.

of_data.py of_networks.py of_steps.py of_code.py   the diseases
changes.py   what several of them do to a set-up
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.clinic.diseases.of_code import detached, logarithm, own_relu, wrong_backward
from benchmarks.clinic.diseases.of_data import (
    broken_one_hot,
    empty_columns,
    far_targets,
    large_targets,
    leak,
    lost_class,
    not_finite,
    one_answer,
    overlap,
    rare_class,
    repeated_columns,
    shifted_labels,
    wild_column,
    wild_inputs,
    wrong_labels,
)
from benchmarks.clinic.diseases.of_networks import (
    bounded,
    dead,
    deep_sigmoids,
    large_weights,
    no_softmax,
    recurrence,
    saturated,
    sigmoids,
    small_weights,
    softmax_twice,
    sure_from_the_start,
    symmetric,
    too_small,
)
from benchmarks.clinic.diseases.of_steps import (
    frozen,
    high_rate,
    low_rate,
    overtrained,
    slow_statistics,
    stopped_early,
    tiny_batches,
)
from benchmarks.clinic.setup import Setup

Plant = Callable[[Setup, int, np.random.Generator], Setup | None]


@dataclass(frozen=True)
class Disease:
    """`names` are the findings that name it; `harms` is False where no score shows it.

    `mendable` is False where no set-up brings back what the healthy twin has: rows that are gone,
    labels that were changed, a backward that is wrong.
    """

    id: str
    plant: Plant
    names: tuple[str, ...]
    harms: bool = True
    mendable: bool = True


DISEASES = [
    Disease("input-scale", wild_inputs, ("input-scale",)),
    Disease("one wild column", wild_column, ("input-scale",)),
    Disease("not-finite-data", not_finite, ("not-finite-data",)),
    Disease("labels-out-of-range", shifted_labels, ("labels-out-of-range",)),
    Disease("labels-not-one-hot", broken_one_hot, ("labels-not-one-hot",)),
    Disease("class-imbalance", rare_class, ("class-imbalance",), mendable=False),
    Disease("validation-overlap", overlap, ("validation-overlap",), harms=False),
    Disease("leaking-column", leak, ("leaking-column",)),
    Disease("duplicate-columns", repeated_columns, ("duplicate-columns",), harms=False),
    Disease("constant-columns", empty_columns, ("constant-columns",), harms=False),
    Disease("mislabelled-rows", wrong_labels, ("mislabelled-rows",), mendable=False),
    Disease("missing-class", lost_class, ("missing-class",), mendable=False),
    Disease("constant-target", one_answer, ("constant-target",), mendable=False),
    Disease("dominating-samples", far_targets, ("dominating-samples",)),
    Disease("target-scale", large_targets, ("target-scale",)),
    Disease("softmax-twice", softmax_twice, ("softmax-twice",)),
    Disease("no-softmax", no_softmax, ("no-softmax",)),
    Disease("sigmoid-for-classes", sigmoids, ("sigmoid-for-classes",)),
    Disease("bounded-output", bounded, ("bounded-output",)),
    Disease("symmetric-neurons", symmetric, ("symmetric-neurons",)),
    Disease("initialization-too-large", large_weights, ("initialization-too-large",)),
    Disease("initialization-too-small", small_weights, ("initialization-too-small",)),
    Disease("loss-at-start", sure_from_the_start, ("loss-at-start", "initialization-too-large")),
    Disease("dead-relu", dead, ("dead-relu",)),
    Disease("a dead ReLU of one's own", own_relu, ("dead-relu",)),
    Disease("saturated-activation", saturated, ("saturated-activation",)),
    Disease(
        "vanishing-gradients", deep_sigmoids, ("vanishing-gradients", "initialization-too-small")
    ),
    Disease("exploding-gradients", recurrence, ("exploding-gradients", "initialization-too-large")),
    Disease("underfitting", too_small, ("underfitting",)),
    Disease("learning-rate-too-high", high_rate, ("learning-rate-too-high", "not-a-number")),
    Disease("learning-rate-too-low", low_rate, ("learning-rate-too-low",)),
    Disease("still-improving", stopped_early, ("still-improving", "learning-rate-too-low")),
    Disease("unchanged-layer", frozen, ("unchanged-layer",)),
    Disease("train-predict-gap", slow_statistics, ("train-predict-gap",)),
    Disease("small-batches-for-batch-norm", tiny_batches, ("small-batches-for-batch-norm",)),
    Disease("overfitting", overtrained, ("overfitting",)),
    Disease("wrong-backward", wrong_backward, ("wrong-backward",), mendable=False),
    Disease("a detached layer", detached, ("wrong-backward", "unchanged-layer"), mendable=False),
    Disease("not-a-number", logarithm, ("not-a-number",), mendable=False),
]

BY_ID = {disease.id: disease for disease in DISEASES}

PAIRS = [
    ("input-scale", "learning-rate-too-low"),
    ("input-scale", "softmax-twice"),
    ("softmax-twice", "learning-rate-too-low"),
    ("target-scale", "learning-rate-too-low"),
    ("initialization-too-large", "learning-rate-too-high"),
    ("not-finite-data", "softmax-twice"),
    ("not-finite-data", "learning-rate-too-low"),
    ("wrong-backward", "input-scale"),
]
"""Two at once: whichever is named first is right, and the other should be named too."""
