"""The results: as a table for the eye, as a file for programs, as a page, docs/results/onnx.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.onnx_conformance.outcome import OUTCOMES, Counterpart, Result

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "onnx_conformance.json"
PAGE = ROOT / "docs" / "results" / "onnx.md"
COMMAND = "python -m benchmarks.onnx_conformance --write"


@dataclass(frozen=True)
class Report:
    """All that came out of one run.

    onnx        the version of the package that made the cases
    expanded    how many further cases are graphs of several operators
    elsewhere   how many cases are of operators without a counterpart here
    parts       what is the counterpart of each operator
    results     one for every case of an operator with a counterpart
    """

    onnx: str
    expanded: int
    elsewhere: int
    parts: Mapping[str, Sequence[str]]
    results: Sequence[Result]

    @property
    def total(self) -> int:
        """How many cases ONNX has."""
        return len(self.results) + self.expanded + self.elsewhere


def make(
    onnx: str,
    expanded: int,
    cases: int,
    counterparts: Mapping[str, Counterpart],
    results: Sequence[Result],
) -> Report:
    """Return the report of a run over `cases` cases of one node each."""
    parts = {operator: counterparts[operator].parts for operator in sorted(counterparts)}
    ordered = sorted(results, key=lambda result: (result.operator, result.name))
    return Report(onnx, expanded, cases - len(results), parts, ordered)


# ---------------------------------------------------------------- for programs


def to_json(report: Report) -> str:
    """Return the report as JSON, one line a case."""
    head: dict[str, Any] = {
        "command": COMMAND,
        "onnx": report.onnx,
        "cases": report.total,
        "expanded": report.expanded,
        "elsewhere": report.elsewhere,
        "parts": {operator: list(parts) for operator, parts in report.parts.items()},
    }
    rows = [{k: v for k, v in asdict(result).items() if v} for result in report.results]
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    listed = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return "{\n" + ",\n".join(lines) + f',\n  "results": [\n{listed}\n  ]\n}}\n'


# ---------------------------------------------------------------- for the eye


def table(report: Report) -> str:
    """Return the Markdown table: an operator a line, and all of them in the last."""
    head = ["operator", "here", "cases", *OUTCOMES, "what is not expressible, or not given"]
    rows = [head, ["---", "---", *["---:"] * (1 + len(OUTCOMES)), "---"]]
    for operator, parts in report.parts.items():
        results = [result for result in report.results if result.operator == operator]
        named = ", ".join(f"`{part}`" for part in parts)
        rows.append([operator, named, *counts(results), reasons(results)])
    rows.append(["**all of these**", "", *counts(report.results), ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def counts(results: Sequence[Result]) -> list[str]:
    """Return how many there are, and how many of each outcome."""
    by_outcome = Counter(result.outcome for result in results)
    return [str(len(results)), *(str(by_outcome[outcome]) for outcome in OUTCOMES)]


def reasons(results: Sequence[Result]) -> str:
    """Return every note with how often it was given, the most frequent first."""
    notes = Counter(result.note for result in results if result.note)
    ordered = sorted(notes.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{note} ({count})" for note, count in ordered).replace("|", "\\|")


def page(report: Report) -> str:
    """Return the whole page."""
    return f"""# ONNX's node cases

The package onnx publishes test cases that nobody here wrote: a node (one operator with its
attributes), inputs, and the outputs that must come out. For every operator that has a
counterpart here, each of its cases is said in chainrule (the module, its arguments and weights),
run, and compared at ONNX's own tolerances (relative 1e-3, absolute 1e-7, shape and type equal).
`{COMMAND}` does it and writes this page; onnx {report.onnx}.

- {report.total} cases there are in all.
- {report.expanded} of them are *expanded*: a computation again, as a graph of several simpler
  operators. They stand outside this comparison.
- {report.elsewhere} are of operators without a counterpart here (Abs, Cast, NonMaxSuppression ...).
- {len(report.results)} are in this table.

{table(report)}

- **passed**: it ran, and every output is equal.
- **in part**: it ran, and the outputs that our module gives are equal; the node asks for a further
  one that ours keeps to itself (a mask, indices, a mean, log-probabilities).
- **not expressible**: the node asks for something that our module has no word for; nothing ran.
- **failed**: it ran and the outputs differ, or it broke down.
"""


def write(report: Report) -> None:
    """Write the file of results and the page."""
    RESULTS.write_text(to_json(report), encoding="utf-8")
    PAGE.write_text(page(report), encoding="utf-8")
