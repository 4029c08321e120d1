"""How reports are shown: as text on a terminal, as a table in a notebook.

A notebook asks an object for ``_repr_html_``. `html_table` escapes everything it is given, as the
names of classes, inputs and metrics are the user's.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any, Self


class Shown(str):
    """Text that prints as it is on a terminal, and shows as HTML in a notebook."""

    html: str

    def __new__(cls, text: str, html: str = "") -> Self:
        shown = super().__new__(cls, text)
        shown.html = html
        return shown

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str | None:
        return self.html or None


def html_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
    numbers: Collection[int] = (),
    bold: Collection[int] = (),
) -> str:
    """Return a table as HTML, with everything in it escaped.

    Parameters
    ----------
    head, rows : sequence of str, and a sequence of them
        The cells; line breaks are kept.
    title, notes : str, and sequence of str
        Text above the table and below it.
    numbers, bold : collection of int
        The columns to align to the right, and the rows to set in bold.
    """
    alignments = ["right" if column in numbers else "left" for column in range(len(head))]
    lines = [_row("th", head, alignments)]
    lines += [_row("th" if i in bold else "td", row, alignments) for i, row in enumerate(rows)]
    above = [f"<p>{_escaped(title)}</p>"] if title else []
    below = [f"<p>{_escaped(note)}</p>" for note in notes]
    return "\n".join(["<div>", *above, "<table>", *lines, "</table>", *below, "</div>"])


def _row(tag: str, cells: Sequence[str], alignments: Sequence[str]) -> str:
    shown = [
        f'<{tag} style="text-align: {alignment}; white-space: pre-wrap">{_escaped(cell)}</{tag}>'
        for cell, alignment in zip(cells, alignments, strict=True)
    ]
    return f"<tr>{''.join(shown)}</tr>"


def html_text(text: str) -> str:
    """Return text as escaped HTML that keeps its line breaks."""
    return f'<pre style="margin: 0">{_escaped(text)}</pre>'


def _escaped(text: str) -> str:
    import html  # loaded when it is needed

    return html.escape(text)


# ---------------------------------------------------------------- output that is redrawn


def notebook() -> Any:
    """Return IPython's shell if this program runs in a notebook, and None otherwise."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)  # if it is loaded
    shell = None if get_ipython is None else get_ipython()
    return None if getattr(shell, "kernel", None) is None else shell


class NotebookOutput:
    """A place in a notebook's output that can be updated."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._id = ""

    def show(self, text: str, html: str) -> None:
        """Show this in place of what was shown before."""
        first = not self._id
        if first:
            import uuid

            self._id = f"chainrule-{uuid.uuid4().hex}"
        self._shell.display_pub.publish(
            {"text/plain": text, "text/html": html},
            transient={"display_id": self._id},
            update=not first,
        )
