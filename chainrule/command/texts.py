"""The pieces of a report: columns and tables of text, and a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.command.schema import ColumnInfo, Schema
from chainrule.command.scores import MEANINGS, names_shown
from chainrule.parameter import Array

MOST_SHOWN = 15
"""Columns and classes that a terminal has room for."""

WIDTH = 24


def grid(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return lines of cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append((indent + "  ".join([first.ljust(widths[0]), *cells])).rstrip())
    return lines


def short(text: Any, width: int = WIDTH) -> str:
    """Return text of at most so many characters, on one line, without what steers a terminal."""
    text = " ".join(str(text).split())
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def rounded(value: float) -> str:
    """Return a number with what a person reads of it.

    >>> rounded(0.97214), rounded(12345.6), rounded(0.000012345)
    ('0.972', '12,346', '1.2e-05')
    """
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.0005:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def counted(count: int, thing: str) -> str:
    """Return a number with what it counts.

    >>> counted(1, "row"), counted(1200, "column")
    ('1 row', '1,200 columns')
    """
    return f"{count:,} {thing}" + "s" * (count != 1)


def scores_table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Return the scores of models beside each other, with what they mean."""
    models = list(scores)
    rows = [["", *models, ""]]
    for name in names_shown(scores):
        cells = [rounded(scores[m][name]) if name in scores[m] else "-" for m in models]
        rows.append([name, *cells, MEANINGS[name]])
    lines = grid([row[:-1] for row in rows])
    width = max(map(len, lines))
    return [
        f"{line.ljust(width)}   {row[-1]}".rstrip() for line, row in zip(lines, rows, strict=True)
    ]


def confusion_table(counts: Array, classes: Sequence[Any]) -> list[str]:
    """Return which class was taken for which; of very many classes, nothing."""
    if len(classes) > MOST_SHOWN:
        return [f"  ({len(classes)} classes are too many to show here; see --report or --json)"]
    names = [short(label, 14) for label in classes]
    rows = [["is \\ taken for", *names]]
    rows += [[name, *map(str, row)] for name, row in zip(names, counts.tolist(), strict=True)]
    return grid(rows)


def calibration_table(tenths: Sequence[dict[str, float]]) -> list[str]:
    """Return how often predictions of each sureness are right."""
    rows = [["sure", "right", "rows"]]
    rows += [[f"{t['sure']:.0%}", f"{t['right']:.0%}", f"{t['rows']:,}"] for t in tenths]
    return grid(rows)


def by_importance(columns: Sequence[ColumnInfo]) -> list[ColumnInfo]:
    """Return the columns whose importance was measured, the most important first."""
    measured = [column for column in columns if column.importance is not None]
    return sorted(measured, key=lambda column: -(column.importance or 0))


def importance_table(columns: Sequence[ColumnInfo]) -> list[str]:
    """Return the most important columns, with bars."""
    ranked = by_importance(columns)
    most = max((column.importance or 0 for column in ranked), default=0)
    rows = []
    for column in ranked[:MOST_SHOWN]:
        value = column.importance or 0
        bar = "█" * round(20 * max(value, 0) / most) if most > 0 else ""
        rows.append([short(column.name), signed(value), bar.ljust(20)])
    more = len(ranked) - MOST_SHOWN
    return grid(rows) + ([f"  and {more} more"] if more > 0 else [])


def signed(value: float) -> str:
    """Return a number with its sign, and zero without one.

    >>> signed(0.0123), signed(-0.0001)
    ('+0.012', '0.000')
    """
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}"


def described(column: ColumnInfo) -> str:
    """Return what a column held, in a few words."""
    if column.kind == "category":
        examples = ", ".join(short(text, 60) for text in column.examples)
        told = f"{column.categories:,} categories: {examples}"
        told += ", ..." if column.categories > len(column.examples) else ""
    elif column.kind == "boolean":
        told = "true or false"
    else:
        told = f"{column.low:g} to {column.high:g}" + (f" {column.unit}" * bool(column.unit))
    if column.missing:
        told += f" (missing in {counted(column.missing, 'row')})"
    return told if column.used else f"{told} (left out)"


def target_described(schema: Schema) -> str:
    """Return what is predicted, in a few words."""
    target = short(schema.target, 60)
    if schema.task == "regression":
        unit = f" {schema.target_unit}" if schema.target_unit else ""
        return f"{target}, a number from {schema.target_low:g} to {schema.target_high:g}{unit}"
    shown = ", ".join(short(label) for label in schema.classes[:MOST_SHOWN])
    more = ", ..." if len(schema.classes) > MOST_SHOWN else ""
    return f"{target}, one of {len(schema.classes)} classes: {shown}{more}"


def verdict(schema: Schema) -> str:
    """Return in a sentence what the scores say beside those of the simple models."""
    name = "accuracy" if schema.task == "classification" else "r2"
    if name not in schema.scores["network"]:
        return "The held-out target never changes, so that there is nothing to compare."
    ours, *others = [of_model[name] for of_model in schema.scores.values()]
    linear, simple = others
    figure = (
        f"{ours:.1%} of the held-out rows are right" if name == "accuracy" else f"R² is {ours:.3f}"
    )
    if ours <= simple:
        return (
            f"{figure}: no better than always saying the same. These columns, or so few rows, do "
            "not tell the target."
        )
    if ours < linear:
        return f"{figure}; a linear model is better here ({_as(name, linear)}), and simpler."
    if ours == linear:
        return f"{figure}; a linear model does as well here, and is simpler."
    return (
        f"{figure}, against {_as(name, linear)} by a linear model and {_as(name, simple)} by "
        "always saying the same."
    )


def _as(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "accuracy" else f"{value:.3f}"


def interval_line(percent: int, half_width: float, unit: str) -> str:
    """Return how far an interval reaches."""
    reach = rounded(half_width) + (f" {unit}" if unit else "")
    return f"  The {percent} % interval reaches {reach} to each side of a prediction."


def architecture(ensemble: Any) -> str:
    """Return what the network is, in a sentence."""
    shape, counting = ensemble.architecture, int((ensemble.weights > 0).sum())
    sizes, several = "-".join(map(str, shape.sizes)), len(ensemble) > 1
    told = f"{len(ensemble)} networks {sizes}" if several else f"a network {sizes}"
    if shape.categories:
        many = "a column" if len(shape.categories) == 1 else f"{len(shape.categories)} columns"
        learn = "learn" if several else "learns"
        told += f", which {learn} a vector of {shape.embedding_dim} for each category of {many}"
    told += f", {shape.activation} behind each hidden layer" if len(shape.sizes) > 2 else ""
    if several and counting == 1:
        told += "; the one that did best on the validation rows predicts"
    elif several and counting < len(ensemble):
        told += f"; the {counting} that do best together predict, by their mean"
    elif several:
        told += "; their mean is what is predicted"
    return f"{told}. {parameter_count(ensemble):,} numbers were learned."


def parameter_count(ensemble: Any) -> int:
    """Return how many numbers were learned."""
    return sum(parameter.value.size for parameter in ensemble.network.parameters())
