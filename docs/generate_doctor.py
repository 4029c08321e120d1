"""Runs the code of every page of the doctor's guide, and writes what it prints and draws.

    python docs/generate_doctor.py              every page, and the table of conditions in README.md
    python docs/generate_doctor.py dead-relu    some pages

A page is Markdown: its Python blocks run one after the other, the text block after each is what it
printed, and the figure that they leave in `figure` is the picture.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

from chainrule.doctor.conditions import CONDITIONS

FOLDER = Path(__file__).resolve().parent / "doctor"
HEADING = "| condition | page |\n|---|---|\n"
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```\n", re.DOTALL)

MOST_LINES = 24
"""A terminal's screen: further lines are left out, which the page shows by dots."""


def blocks(page: Path) -> list[str]:
    """Return the page's code."""
    return [code for code, _ in BLOCK.findall(page.read_text("utf-8"))]


def run(code: str, names: dict[str, Any]) -> str:
    """Run a block with the names of the blocks before it; return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<page>", "exec"), names)
    return printed.getvalue()


def shortened(printed: str) -> str:
    """Return at most a screen of the text."""
    lines = printed.rstrip("\n").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], "..."]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def write(page: Path) -> None:
    """Run a page, and write it and its picture."""
    names: dict[str, Any] = {"__name__": "page"}
    text = page.read_text("utf-8")

    def rewritten(match: re.Match[str]) -> str:
        printed = shortened(run(match.group(1), names))
        return f"```python\n{match.group(1)}```\n\n```text\n{printed}```\n"

    page.write_text(BLOCK.sub(rewritten, text), "utf-8")
    names["figure"].savefig(page.with_suffix(".png"), dpi=60, metadata={"Software": None})


def table_of_conditions() -> str:
    """Return the conditions with their pages, in the order in which the doctor blames them."""
    with_page = [c for c in CONDITIONS.values() if (FOLDER / f"{c.id}.md").exists()]
    rows = [
        f"| {c.title} | [{c.id}]({c.id}.md) |" for c in sorted(with_page, key=attrgetter("order"))
    ]
    return HEADING + "\n".join(rows) + "\n"


def main(chosen: list[str]) -> None:
    """Write the chosen pages, or all of them and the table."""
    for name in chosen or CONDITIONS:
        page = FOLDER / f"{name}.md"
        if page.exists():
            write(page)
            print(page.name, flush=True)
    if not chosen:
        readme = FOLDER / "README.md"
        text = readme.read_text("utf-8").partition(HEADING)[0]
        readme.write_text(text + table_of_conditions(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
