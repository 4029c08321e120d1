"""The confusion table of the clinic, and the figures that it comes to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from benchmarks.clinic.diseases import BY_ID
from benchmarks.clinic.examination import Record, control, cured, harmed


def everything(records: Sequence[Record]) -> str:
    """Return the table and the figures, as Markdown."""
    sick = [r for r in records if r["diseases"]]
    well = [r for r in records if not r["diseases"]]
    return "\n".join([*table(sick), "", *figures(sick, well), "", *false_alarms(well)])


def names_of(record: Record) -> set[str]:
    return {name for disease in record["diseases"] for name in BY_ID[disease].names}


def found(record: Record) -> bool:
    """Whether every planted disease is among the findings."""
    return all(set(BY_ID[d].names) & set(record["found"]) for d in record["diseases"])


def counts(record: Record) -> bool:
    """Whether finding it is asked for: it harms, or no score could show it."""
    return harmed(record) or not all(BY_ID[d].harms for d in record["diseases"])


def table(sick: Sequence[Record]) -> list[str]:
    """Return a line for each disease: how many have it, and what was said of them."""
    by: dict[str, list[Record]] = defaultdict(list)
    for record in sick:
        by[
            " + ".join(record["diseases"]) if len(record["diseases"]) > 1 else record["diseases"][0]
        ].append(record)
    lines = [
        "| planted | patients | harmed | found | named first | cured | named first instead |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sorted(by):
        every = by[name]
        asked = [r for r in every if counts(r)]
        others = Counter(r["first"] or "nothing" for r in asked if r["first"] not in names_of(r))
        told = ", ".join(f"{other} {n}" for other, n in others.most_common(3))
        lines.append(
            f"| {name} | {len(every)} | {len(asked)} | {sum(map(found, asked))} | "
            f"{sum(r['first'] in names_of(r) for r in asked)} | {sum(cured(r) for r in asked)} | "
            f"{told} |"
        )
    return lines


def share(part: Sequence[bool]) -> str:
    return f"{sum(part)} of {len(part)} ({100 * sum(part) / max(1, len(part)):.1f} %)"


def figures(sick: Sequence[Record], well: Sequence[Record]) -> list[str]:
    asked = [r for r in sick if counts(r)]
    single = [r for r in asked if len(r["diseases"]) == 1]
    ill = [r for r in asked if harmed(r)]
    ill = [r for r in ill if all(BY_ID[d].harms for d in r["diseases"])]
    treatable = [r for r in ill if all(BY_ID[d].mendable for d in r["diseases"])]
    return [
        f"- sick {len(sick)}, of whom {len(asked)} are measurably worse than their healthy twin "
        "(or have what no score shows)",
        f"- found: {share([found(r) for r in single])} of those with one disease",
        f"- named first: {share([r['first'] in names_of(r) for r in asked])}",
        "- cured by prescribe(), within 2 points (or 5 %) of the healthy twins' median: "
        f"{share([cured(r) for r in treatable])}",
        "- the same with those whose rows are gone or whose code is wrong: "
        f"{share([cured(r) for r in ill])}",
        f"- healthy controls, by the same measure: {share([control(r) for r in [*sick, *well]])}",
        f"- problems reported of healthy ones: {share([bool(r['problems']) for r in well])}",
        "- seconds of processor time: healthy training "
        f"{mean(r['seconds'] for r in [*sick, *well]):.2f}, diagnosis "
        f"{mean(r['diagnosis_seconds'] for r in [*sick, *well]):.2f}, on average",
    ]


def mean(numbers: Sequence[float]) -> float:
    listed = list(numbers)
    return sum(listed) / max(1, len(listed))


def false_alarms(well: Sequence[Record]) -> list[str]:
    """Return each problem reported of a healthy patient."""
    return [f"- {r['key']}: {', '.join(r['problems'])}" for r in well if r["problems"]]
