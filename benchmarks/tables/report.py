"""The comparison as Markdown (docs/results/tables.md), and as condensed records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.tables.catalogue import BY_NAME, LARGE
from benchmarks.tables.methods import Method
from benchmarks.tables.records import Key, Record
from benchmarks.tables.scores import PRIMARY
from benchmarks.tables.standing import (
    Standing,
    duel,
    interval,
    seconds,
    standing,
    values,
)
from benchmarks.tables.table import Facts

Found = dict[Key, Record]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def groups(tables: Sequence[Facts]) -> dict[str, list[Facts]]:
    """Return the groups of tables that are summarized, the judging half first."""
    judging = [facts for facts in tables if facts.half == "judging"]
    return {
        "Judging, all": judging,
        f"Judging, up to {LARGE:,} rows": [facts for facts in judging if not facts.large],
        f"Judging, more than {LARGE:,} rows": [facts for facts in judging if facts.large],
        "Judging, classification": [f for f in judging if f.task == "classification"],
        "Judging, regression": [f for f in judging if f.task == "regression"],
        "Choosing, all": [facts for facts in tables if facts.half == "choosing"],
    }


def catalogue(tables: Sequence[Facts]) -> str:
    """Return what the tables are, and to which half each belongs."""
    rows = [
        [
            facts.name,
            f"{BY_NAME[facts.name].package}, {BY_NAME[facts.name].item}",
            facts.half,
            f"{facts.classes} classes" if facts.classes else "number",
            f"{facts.rows:,}",
            str(facts.numbers),
            str(facts.categories),
            f"{100 * facts.missing:.1f} %" if facts.missing else "",
            facts.fingerprint,
        ]
        for facts in tables
    ]
    head = ["table", "from", "half", "target", "rows", "numbers", "categories", "missing"]
    return markdown([*head, "fingerprint"], rows)


def everything(
    methods: Sequence[Method], tables: Sequence[Facts], found: Found, splits: int, against: str = ""
) -> str:
    """Return the whole report; `against` names the method that the others are compared with."""
    parts = []
    for title, members in groups(tables).items():
        figures = standing(found, members, methods, splits)
        if figures.tables:
            parts.append(f"### {title}: {_how_many(figures, members)}")
            parts.append(summary(figures, found, against))
        if figures.tables and against:
            parts.append(duels(figures, against))
    parts += ["### Every score", every_score(methods, tables, found, splits)]
    parts += ["### Every time", every_time(methods, tables, found)]
    lost = not_ended(found)
    return "\n\n".join(part for part in [*parts, lost] if part) + "\n"


def _how_many(figures: Standing, members: Sequence[Facts]) -> str:
    there, all_of_them = len(figures.tables), len(members)
    if there == all_of_them:
        return f"{there} tables"
    names = {facts.name for facts in figures.tables}
    left_out = ", ".join(facts.name for facts in members if facts.name not in names)
    return f"{there} of {all_of_them} tables (not run by all: {left_out})"


def summary(figures: Standing, found: Found, against: str = "") -> str:
    """Return a line for each method, with times relative to `against`, or to the fastest one."""
    errors = figures.geometric_mean_error()
    fit = _times(figures, found, "fit", against)
    predict = _times(figures, found, "predict", against)
    rows = []
    for column in np.argsort(
        figures.mean_ranks
    ):  # methods that are not ranked have NaN, and come last
        method = figures.methods[column]
        low, high = interval(figures.normalised[:, column])
        rank, first = f"{figures.mean_ranks[column]:.2f}", str(figures.times_best[column])
        rows.append(
            [
                method.name,
                rank if method.ranked else "",
                f"{figures.normalised[:, column].mean():.3f} ({low:.3f} to {high:.3f})",
                first if method.ranked else "",
                f"{errors[column]:.4f}",
                *_means(figures, found, method, "log_loss", "ece", "coverage_90", "width_90"),
                fit[column],
                predict[column],
            ]
        )
    head = ["method", "mean rank", "normalised score (95 %)", "best on", "error (geometric mean)"]
    head += ["log loss", "ECE", "coverage of 90 %", "their width", "fit, ×", "predict, ×"]
    return markdown(head, rows)


def _means(figures: Standing, found: Found, method: Method, *scores: str) -> Iterable[str]:
    """Yield the mean of each score over the tables that have it."""
    for score in scores:
        of_tables = [values(found, facts, method.name, score) for facts in figures.tables]
        means = [np.mean(of_splits) for of_splits in of_tables if of_splits]
        yield f"{np.mean(means):.3f}" if means else ""


def _times(figures: Standing, found: Found, part: str, against: str) -> list[str]:
    """Return each method's processor time as a ratio: the geometric mean over the tables."""
    logs = np.full((len(figures.tables), len(figures.methods)), np.nan)
    for row, facts in enumerate(figures.tables):
        for column, method in enumerate(figures.methods):
            kept = seconds(found, facts, method.name, part)
            if kept:
                logs[row, column] = np.log(max(float(np.mean(kept)), 1e-4))  # of the clock
    if against:
        reference = logs[:, figures.column(against)]
    else:
        ranked = [column for column, method in enumerate(figures.methods) if method.ranked]
        totals = [_mean(logs[:, column]) for column in ranked]
        reference = logs[:, ranked[int(np.nanargmin(totals))]]
    ratios = [np.exp(_mean(logs[:, c] - reference)) for c in range(len(figures.methods))]
    return ["" if np.isnan(ratio) else f"{ratio:.3g}" for ratio in ratios]


def _mean(figures: np.ndarray) -> float:
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if len(known) else float("nan")


def duels(figures: Standing, against: str) -> str:
    """Return a comparison of `against` with each other ranked method."""
    rows = []
    for method in figures.methods:
        if method.ranked and method.name != against:
            found = duel(figures, against, method.name)
            low, high = found.interval
            counts = f"{found.better} / {found.equal} / {found.worse}"
            gap = f"{found.difference:+.3f} ({low:+.3f} to {high:+.3f})"
            beyond = ", ".join(figures.worse_beyond_spread(against, method.name)) or "none"
            rows.append([method.name, counts, gap, f"{found.p:.3f}", beyond])
    if not rows:
        return ""
    head = [f"{against} against", "better / equal / worse", "normalised score, by how much (95 %)"]
    head += ["Wilcoxon's p", "worse by more than the other's spread on"]
    return markdown(head, rows)


def every_score(
    methods: Sequence[Method], tables: Sequence[Facts], found: Found, splits: int
) -> str:
    """Return the accuracy or R² of each method on each table, the best ranked one in bold."""
    rows = []
    for facts in _by_half(tables):
        score = PRIMARY[facts.task]
        means = [_mean(np.array(values(found, facts, m.name, score))) for m in methods]
        ranked = [x for x, m in zip(means, methods, strict=True) if m.ranked and not np.isnan(x)]
        best = max(ranked, default=np.inf)
        cells = []
        for mean, method in zip(means, methods, strict=True):
            ended = sum(key[0] == facts.name and key[2] == method.name for key in found)
            text = "–" if np.isnan(mean) else f"{mean:.4f}"
            if 0 < ended < splits or (ended and np.isnan(mean)):
                text += f" ({ended} of {splits})" if not np.isnan(mean) else " (did not end)"
            cells.append(f"**{text}**" if method.ranked and mean >= best else text)
        shown = {"accuracy": "accuracy", "r2": "R²"}[score]
        rows.append([facts.name, facts.half, f"{facts.rows:,}", shown, *cells])
    head = ["table", "half", "rows", "score", *(method.name for method in methods)]
    return markdown(head, rows)


def every_time(methods: Sequence[Method], tables: Sequence[Facts], found: Found) -> str:
    """Return the seconds of processor time to fit and to predict, the mean over the splits."""
    rows = []
    for facts in _by_half(tables):
        cells = []
        for method in methods:
            both = [seconds(found, facts, method.name, part) for part in ("fit", "predict")]
            cells.append(" + ".join(f"{np.mean(s):.3g}" for s in both if s) or "–")
        rows.append([facts.name, f"{facts.rows:,}", *cells])
    return markdown(["table", "rows", *(method.name for method in methods)], rows)


def not_ended(found: Found) -> str:
    """Return the fits that failed or ran out of time."""
    lost = [record for record in found.values() if record["status"] != "ok"]
    if not lost:
        return ""
    rows = [[r["method"], r["table"], str(r["split"]), r["status"]] for r in lost]
    title = "### Not ended, and counted as the baseline"
    return f"{title}\n\n{markdown(['method', 'table', 'split', 'how it ended'], sorted(rows))}"


def _by_half(tables: Sequence[Facts]) -> list[Facts]:
    return sorted(tables, key=lambda facts: (facts.half != "judging", facts.rows, facts.name))


def condensed(found: Found, tables: Sequence[Facts]) -> str:
    """Return all records as sorted JSON lines, without what only the runner needs."""
    known = {facts.name for facts in tables}
    kept = ("table", "split", "method", "status", "version", "processor", "fit", "predict")
    lines = []
    for key in sorted(found):
        record = found[key]
        if record["table"] in known:
            rest = {name: record[name] for name in kept if name in record}
            scores = {n: float(f"{v:.5g}") for n, v in record.get("scores", {}).items()}
            lines.append(json.dumps(rest | ({"scores": scores} if scores else {})))
    return "\n".join(lines) + "\n"
