"""Runs the code of every page of the guide to the doctor, and writes what it prints and draws.

    python docs/generate_doctor.py              every page
    python docs/generate_doctor.py dead-relu    some

A page is Markdown: its blocks of Python run one after the other, the block of text behind each is
what it printed, and the figure that it leaves in `figure` is the picture.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "doctor"
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```\n", re.DOTALL)

MOST_LINES = 24
"""A terminal's screen: what is printed beyond it is left out, and the page says so."""


def blocks(page: Path) -> list[str]:
    """Return the page's code."""
    return [code for code, _ in BLOCK.findall(page.read_text("utf-8"))]


def run(code: str, names: dict[str, Any]) -> str:
    """Run a block in the names of those before; return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<page>", "exec"), names)
    return printed.getvalue()


def shortened(printed: str) -> str:
    """Return at most a screen of it."""
    lines = printed.rstrip("\n").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], "..."]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def write(page: Path) -> None:
    """Run a page and write it again, with its picture beside it."""
    names: dict[str, Any] = {"__name__": "page"}
    text = page.read_text("utf-8")

    def rewritten(match: re.Match[str]) -> str:
        printed = shortened(run(match.group(1), names))
        return f"```python\n{match.group(1)}```\n\n```text\n{printed}```\n"

    page.write_text(BLOCK.sub(rewritten, text), "utf-8")
    names["figure"].savefig(page.with_suffix(".png"), dpi=60, metadata={"Software": None})


def main(chosen: list[str]) -> None:
    """Write the pages, all without names."""
    for page in sorted(FOLDER.glob("*.md")):
        if page.stem != "README" and (not chosen or page.stem in chosen):
            write(page)
            print(page.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
