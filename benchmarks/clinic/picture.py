"""The confusion table as a picture: what was planted, and what was named first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.clinic.diseases import BY_ID
from benchmarks.clinic.examination import Record
from benchmarks.clinic.report import counts, names_of
from chainrule.plots import plot_confusion

HEALTHY, NOTHING = "healthy", "nothing"


def draw(records: Sequence[Record], file: Path) -> None:
    """Draw whom finding is asked for, with one disease or none, as a PNG."""
    pairs = [
        (planted(record), named(record))
        for record in records
        if not record["diseases"] or (len(record["diseases"]) == 1 and counts(record))
    ]
    names = sorted({name for pair in pairs for name in pair})
    number = {name: k for k, name in enumerate(names)}
    true, said = ([number[name] for name in column] for column in zip(*pairs, strict=True))
    figure = plot_confusion(true, said, class_names=names)
    figure.axes[0].set(xlabel="named first", ylabel="planted", title="")
    figure.savefig(file, bbox_inches="tight")


def planted(record: Record) -> str:
    """Return the finding that is wanted; of several that would do, the one that was named."""
    if not record["diseases"]:
        return HEALTHY
    if record["first"] in names_of(record):
        return str(record["first"])
    return BY_ID[record["diseases"][0]].names[0]


def named(record: Record) -> str:
    """Return what was named first; of a healthy one, the first problem."""
    if record["diseases"]:
        return record["first"] or NOTHING
    return record["problems"][0] if record["problems"] else HEALTHY
