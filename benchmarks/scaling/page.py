"""The page docs/scaling.md, into which benchmarks write what they have measured."""

from __future__ import annotations

from benchmarks.speed.sides import ROOT

DOCS = ROOT / "docs"
PAGE = DOCS / "scaling.md"


def write(name: str, text: str) -> None:
    """Put the text between the two marks with this name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, began, rest = PAGE.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (began and ended):
        raise SystemExit(f"docs/scaling.md needs the lines {begin.strip()} and {end}.")
    PAGE.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", "utf-8")
