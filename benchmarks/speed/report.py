"""What is made of the measurements: tables in Markdown, JSON, and the plot."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.growth import AXES, Growth
from benchmarks.speed.measure import Measured
from benchmarks.speed.sides import FLOOR, OURS, SIDES, Side

SLACK = 0.005
"""A ratio is shown with two digits behind the point, and judged as it is shown."""

YES, NO = "yes", "**no**"

LIMITS = {
    "scratch_bytes": ("MB of scratch memory", 1e6),
    "seconds_beyond_floor": ("ms beyond NumPy's own", 1e-3),
}


# ---------------------------------------------------------------- tables


def everything(rows: Sequence[Measured], growths: Sequence[Growth], sides: Sequence[Side]) -> str:
    """Return all tables, with what they were measured on."""
    parts = [where(sides)]
    if rows:
        parts += [times(rows, sides), goals(rows), memory(rows, sides), remarks(rows)]
    parts += [exponents(growths, sides)] * bool(growths)
    return "\n\n".join(filter(None, parts))


def times(rows: Iterable[Measured], sides: Sequence[Side]) -> str:
    """Return the time of each side, and of each other side how many times ours that is."""
    others = [side for side in sides if side is not OURS]
    header = ["work", "of one", OURS.title, *(f"{side.title}, × ours" for side in others)]
    body = []
    for row in rows:
        ours = seconds(row.median(OURS.name)) if OURS.name in row.seconds else "–"
        body.append([row.work.title, row.work.unit, ours, *(cell(row, s.name) for s in others)])
    return table(header, body)


def cell(row: Measured, side: str) -> str:
    if side not in row.seconds:
        return "–"
    return f"{seconds(row.median(side))}, {row.ratio(side):.2f}×"


def in_short(row: Measured) -> str:
    """Return a row as one line: our time, and the others' as multiples of it."""
    if OURS.name not in row.seconds:
        return row.skipped[OURS.name]
    ratios = [f"{name} {row.ratio(name):.2f}×" for name in row.seconds if name != OURS.name]
    return ", ".join([seconds(row.median(OURS.name)), *ratios])


def goals(rows: Iterable[Measured]) -> str:
    """Return what was to be reached, and whether it was."""
    body = []
    for row in rows:
        for side, least in row.work.goals.items():
            if side in row.seconds:
                goal, reached = goal_in_words(row, side, least)
                body.append([row.work.title, *goal, YES if reached else NO])
        for name, most in row.work.limits.items():
            if (found := row.figure(name)) is not None:
                words, unit = LIMITS[name]
                goal = f"{words} ≤ {most / unit:.0f}", f"{found / unit:.1f}"
                body.append([row.work.title, *goal, YES if found <= most else NO])
    return table(["work", "to reach", "measured", "reached"], body) if body else ""


def goal_in_words(row: Measured, side: str, least: float) -> tuple[tuple[str, str], bool]:
    """Return goal and measurement as ratios of at least, or at most, something above 1."""
    title, ratio = SIDES[side].title, row.ratio(side)
    if least >= 1:
        goal = f"{title} takes ≥ {least:.1f} × our time", f"{ratio:.2f} ×"
        return goal, ratio >= least - SLACK
    goal = f"we take ≤ {1 / least:.1f} × the time of {title}", f"{1 / ratio:.2f} ×"
    return goal, 1 / ratio <= 1 / least + SLACK


def memory(rows: Iterable[Measured], sides: Sequence[Side]) -> str:
    """Return the peak of each process's memory, interpreter and libraries included."""
    body = [
        [row.work.title, *(megabytes(row.memory.get(side.name)) for side in sides)]
        for row in rows
        if row.memory
    ]
    header = ["peak memory, MB", *(side.title for side in sides)]
    return table(header, body) if body else ""


def exponents(growths: Iterable[Growth], sides: Sequence[Side]) -> str:
    """Return the exponent b of t = a n^b for each side."""
    shown = [side for side in sides if any(growth.line(side.name)[0] for growth in growths)]
    body = []
    for growth in growths:
        sizes = ", ".join(map(str, growth.points))
        found = (f"{growth.exponent(side.name):.2f}" for side in shown)
        body.append([AXES[growth.axis], sizes, *found])
    return table(["step's time", "sizes", *(f"{s.title}, exponent" for s in shown)], body)


def remarks(rows: Iterable[Measured]) -> str:
    """Return what sides told about how they did the work, and which of them failed or had none."""
    found = []
    for row in rows:
        told = {side: text for side, text in row.notes.items() if text}
        for side, reason in row.skipped.items():
            if side == OURS.name or reason.startswith("it failed"):
                told[side] = f"left out: {reason}"
        found += [f"- {row.work.title}: {SIDES[n].title}: {text}." for n, text in told.items()]
    return "\n".join(found)


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns also stand below each other."""
    rows = [list(header), *map(list, body)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def seconds(value: float) -> str:
    """Return a time with three digits, in the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.2f} µs"


def megabytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 1e6:.0f}"


# ---------------------------------------------------------------- where it was measured


def where(sides: Sequence[Side]) -> str:
    """Return processor, BLAS and versions, in a few lines."""
    import chainrule  # late: the process that measures stays small

    found = chainrule.environment()
    lines = [
        f"{processor()}, {found.cores} processors; {platform.system()}, Python {found.python}; "
        f"NumPy {found.numpy} with {found.blas}, kernel {found.kernel}, {found.threads} threads.",
        "Peers: " + (", ".join(versions(sides)) or "none") + ".",
    ]
    missing = sorted({side.package for side in sides if not side.installed})
    lines += [f"Not installed, so left out: {', '.join(missing)}."] * bool(missing)
    return "\n".join(lines)


def versions(sides: Sequence[Side]) -> list[str]:
    named = {"torch": "PyTorch", "jax": "JAX", "sklearn": "scikit-learn"}
    packages = dict.fromkeys(side.package for side in sides if side.installed)
    distribution = {"sklearn": "scikit-learn"}
    return [
        f"{named[p]} {importlib.metadata.version(distribution.get(p, p))}"
        for p in packages
        if p in named
    ]


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()


# ---------------------------------------------------------------- JSON


def as_json(
    rows: Sequence[Measured], growths: Sequence[Growth], sides: Sequence[Side]
) -> dict[str, Any]:
    """Return everything that was measured, as plain numbers."""
    return {
        "where": where(sides).splitlines(),
        "work": [row_as_json(row) for row in rows],
        "growth": [
            {
                "axis": growth.axis,
                "points": {str(n): row_as_json(row) for n, row in growth.points.items()},
            }
            for growth in growths
        ],
    }


def row_as_json(row: Measured) -> dict[str, Any]:
    return {
        "name": row.work.name,
        "title": row.work.title,
        "unit": row.work.unit,
        "goals": dict(row.work.goals),
        "skipped": row.skipped,
        "sides": {side: side_as_json(row, side) for side in row.seconds},
    }


def side_as_json(row: Measured, side: str) -> dict[str, Any]:
    seconds = row.seconds[side]
    quartiles = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else seconds * 3
    return {
        "rounds": len(seconds),
        "median_seconds": digits(row.median(side)),
        "quartiles_seconds": [digits(q) for q in quartiles],
        "times_ours": digits(row.ratio(side)),
        "peak_memory_bytes": row.memory.get(side),
        "note": row.notes.get(side, ""),
        **row.figures.get(side, {}),
    }


def digits(value: float) -> float:
    return float(f"{value:.4g}")


# ---------------------------------------------------------------- the plot


def plot(rows: Sequence[Measured], growths: Sequence[Growth], path: Path) -> None:
    """Draw each side's time beside ours, and how steps grow."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in rows if len(row.seconds) > 1]
    height = 1.5 + 0.38 * len(rows)
    figure = plt.figure(figsize=(9, height + 3.2 * bool(growths)), layout="constrained")
    parts = figure.subfigures(
        1 + bool(growths), 1, height_ratios=[height, 3.2][: 1 + bool(growths)]
    )
    parts = parts if growths else [parts]
    draw_ratios(rows, parts[0].subplots())
    if growths:
        for growth, axes in zip(
            growths, parts[1].subplots(1, len(growths), squeeze=False)[0], strict=True
        ):
            draw_growth(growth, axes)
    figure.savefig(path, dpi=130)
    plt.close(figure)


COLOURS = {
    "chainrule": "black",
    "floor": "#999999",
    "bare": "#2ca02c",
    "loop": "#8c564b",
    "one": "#9467bd",
    "alone": "#e377c2",
    "blas": "#7f7f7f",
    "workers": "#17a017",
    "rank": "#c49c94",
    "ranks": "#aec7e8",
    "torch": "#d62728",
    "jax": "#1f77b4",
    "jax-scan": "#17becf",
    "jax-vmap": "#bcbd22",
    "sklearn": "#ff7f0e",
}


def draw_ratios(rows: Sequence[Measured], axes: Any) -> None:
    """Draw a point for each side of each row, at its time by ours."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.axvline(1, color=COLOURS["chainrule"])
    for name, side in SIDES.items():
        places = [place for place, row in enumerate(rows) if name in row.seconds]
        if places and side is not OURS:
            ratios = [rows[place].ratio(name) for place in places]
            style = {"marker": "|" if side is FLOOR else "o", "ms": 8, "mew": 2, "ls": ""}
            axes.plot(ratios, places, color=COLOURS[name], label=side.title, **style)
    axes.set_yticks(range(len(rows)), [row.work.title for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("time, as a multiple of chainrule's", loc="right")
    axes.grid(axis="x", which="both", alpha=0.2)
    axes.figure.legend(loc="outside upper center", ncols=4, frameon=False)


def draw_growth(growth: Growth, axes: Any) -> None:
    """Draw the time of a step against the size that grows, both logarithmic."""
    for name, side in SIDES.items():
        sizes, seconds = growth.line(name)
        if len(sizes) > 1:
            label = f"{side.title}: n^{growth.exponent(name):.2f}"
            axes.plot(sizes, seconds, "o-", color=COLOURS[name], label=label, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel(growth.axis)
    axes.set_ylabel("seconds a step")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize="small")
