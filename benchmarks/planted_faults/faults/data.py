"""Faults in what batches are made of."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/data", "tests/training"),
    faults=(
        Fault(
            "balanced by one class too many",
            "chainrule.data.weights.balanced",
            "labels.size / (len(classes) * counts)",
            "labels.size / ((len(classes) + 1) * counts)",
        ),
        Fault(
            "one shift for the whole batch",
            "chainrule.augmentation.crop",
            "rng.integers(0, full_height - height + 1, count)",
            "np.repeat(rng.integers(0, full_height - height + 1), count)",
        ),
        Fault(
            "off by one: the last place is never taken",
            "chainrule.augmentation.crop",
            "full_width - width + 1",
            "max(full_width - width, 1)",
        ),
        Fault(
            "wrong axis mirrored",
            "chainrule.augmentation.horizontal_flip",
            "x[..., ::-1]",
            "x[..., ::-1, :]",
        ),
        Fault(
            "square off its centre",
            "chainrule.data.augmentation._within",
            "middle[:, None] - size // 2",
            "middle[:, None]",
        ),
        Fault(
            "batches of all epochs in one order",
            "chainrule.data.sources.ArraySource.order",
            "rows if rng is None else rng.permutation(rows)",
            "rows",
        ),
    ),
)
