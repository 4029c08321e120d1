"""Kinds of mess, each as a function of a clean table's text.

`spell` writes every number of the column that matters most, in training and test rows alike: a
habit of whoever made the table. `odd` takes the place of a few of its cells, and `change` changes
the training file as a whole; the test rows have neither. Many are from public reports of users of
pandas, readr, CSV.jl, DuckDB and spreadsheets.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass

Rows = list[list[str]]


@dataclass(frozen=True)
class Table:
    """A table as text: the names of its columns, the rows, the column that matters, the target."""

    header: list[str]
    rows: Rows
    column: int
    target: int

    def written(self, separator: str = ",", ends: str = "\n") -> str:
        """Return it as a file of separated values."""
        return "".join(separator.join(row) + ends for row in [self.header, *self.rows])


@dataclass(frozen=True)
class Kind:
    """A kind of mess; see above. Cells that hold the separator are written in quotation marks."""

    spell: Callable[[str], str] = str
    odd: tuple[str, ...] = ()
    change: Callable[[Table], bytes] = lambda table: table.written().encode()
    options: tuple[str, ...] = ()


def number(form: str) -> Callable[[str], str]:
    """Return a function that writes numbers by a format of Python's."""
    return lambda cell: form.format(float(cell)) if cell else cell


def swapped(form: str, marks: str) -> Callable[[str], str]:
    """Return the same with other characters for the comma and the dot."""
    table = str.maketrans(",.", marks)
    return lambda cell: quoted(form.format(float(cell)).translate(table)) if cell else cell


def quoted(cell: str) -> str:
    return f'"{cell}"' if "," in cell else cell


def text(change: Callable[[str], str]) -> Callable[[Table], bytes]:
    """Return a change of a whole file's text."""
    return lambda table: change(table.written()).encode()


def cells(column: str, change: Callable[[str, int], str]) -> Callable[[Table], bytes]:
    """Return a change of the cells of the column that matters, or of the target."""

    def changed(table: Table) -> bytes:
        place = getattr(table, column)
        rows = [[*row] for row in table.rows]
        for number_, row in enumerate(rows):
            row[place] = change(row[place], number_)
        return Table(table.header, rows, table.column, table.target).written().encode()

    return changed


def with_column(name: str, cell: Callable[[int], str], at: int = 0) -> Callable[[Table], bytes]:
    """Return a change that adds a column, in front or (-1) at the end."""

    def changed(table: Table) -> bytes:
        rows = [[*row] for row in table.rows]
        header = [*table.header]
        for number_, row in enumerate(rows):
            row.insert(at if at >= 0 else len(row), cell(number_))
        header.insert(at if at >= 0 else len(header), name)
        return Table(header, rows, table.column, table.target).written().encode()

    return changed


def after(row: int, line: str) -> Callable[[str], str]:
    """Return a change that puts a line after so many others; after all of them if it is -1."""

    def changed(content: str) -> str:
        lines = content.splitlines(keepends=True)
        place = len(lines) if row < 0 else row
        return "".join([*lines[:place], line, *lines[place:]])

    return changed


def first_line(content: str) -> str:
    return content.splitlines(keepends=True)[0]


ODD = {
    **{f"{word!r} in a few cells": Kind(odd=(word,) * 3) for word in (
        "?", "-", "--", ".", "n/a", "N/A", "NA", " NA", "NaN", "null", "NULL", "None", "missing",
        "unknown", "#N/A", "#REF!", "#DIV/0!", "#VALUE!", " ", "   ", "(null)", "nil",
        "not available",
    )},
    "a typing error": Kind(odd=("0.12x",)),
    "a remark": Kind(odd=("see note 3",)),
    "below the limit": Kind(odd=("<0.5", "<0.5")),
    "a range": Kind(odd=("12-15",)),
    "about": Kind(odd=("~12", "ca. 12")),
    "a footnote's sign": Kind(odd=("12*",)),
}  # fmt: skip

SPELLED = {
    "spaces in front": Kind(lambda cell: f"  {cell}"),
    "spaces behind": Kind(lambda cell: f"{cell}  "),
    "tabs around": Kind(lambda cell: f"\t{cell}\t"),
    "non-breaking spaces around": Kind(lambda cell: f"\u00a0{cell}\u00a0"),
    "a decimal comma": Kind(swapped("{:.3f}", ",,")),
    "commas between thousands": Kind(lambda cell: quoted(number("{:,.3f}")(cell))),
    "dots between thousands": Kind(swapped("{:,.3f}", ".,")),
    "spaces between thousands": Kind(swapped("{:,.3f}", " .")),
    "narrow spaces between thousands": Kind(swapped("{:,.3f}", "\u202f,")),
    "apostrophes between thousands": Kind(swapped("{:,.3f}", "'.")),
    "a dollar sign": Kind(lambda cell: quoted(number("${:,.2f}")(cell))),
    "a euro sign behind": Kind(number("{:.2f} €")),
    "a pound sign": Kind(number("£{:.2f}")),
    "a currency's code": Kind(number("CHF {:.2f}")),
    "a currency's code behind": Kind(number("{:.2f} USD")),
    "percent": Kind(number("{:.3f}%")),
    "percent with a space": Kind(number("{:.3f} %")),
    "a unit": Kind(number("{:.3f} kg")),
    "a unit without a space": Kind(number("{:.3f}mm")),
    "degrees": Kind(number("{:.3f} °C")),
    "a plus sign": Kind(number("{:+.3f}")),
    "a minus of typographers": Kind(lambda cell: cell.replace("-", "\u2212")),
    "negatives in parentheses": Kind(
        lambda cell: f"({cell[1:]})" if cell.startswith("-") else cell
    ),
    "scientific": Kind(number("{:.6e}")),
    "all cells quoted": Kind(lambda cell: f'"{cell}"'),
    "an apostrophe in front": Kind(lambda cell: f"'{cell}"),
    "a formula of text": Kind(lambda cell: f'"=""{cell}"""'),
    "rupees": Kind(number("Rs {:.2f}/-")),
    "minus signs behind": Kind(lambda cell: f"{cell[1:]}-" if cell.startswith("-") else cell),
    "leading zeros": Kind(number("{:09.3f}")),
}

TARGETS = {
    "spaces around the target": Kind(
        change=cells("target", lambda cell, n: f" {cell} " if n % 2 else cell)
    ),
    "a non-breaking space behind the target": Kind(
        change=cells("target", lambda cell, n: f"{cell}\u00a0" if n % 3 == 0 else cell)
    ),
    "targets missing": Kind(change=cells("target", lambda cell, n: "" if n % 40 == 7 else cell)),
    "targets of spaces": Kind(change=cells("target", lambda cell, n: " " if n % 40 == 7 else cell)),
}

LAYOUTS = {
    "a byte order mark": Kind(change=lambda table: b"\xef\xbb\xbf" + table.written().encode()),
    "lines end with CR LF": Kind(change=lambda table: table.written(ends="\r\n").encode()),
    "lines end with CR": Kind(change=lambda table: table.written(ends="\r").encode()),
    "no line end at the end": Kind(change=text(str.rstrip)),
    "semicolons": Kind(change=lambda table: table.written(";").encode()),
    "tabs": Kind(change=lambda table: table.written("\t").encode()),
    "bars": Kind(change=lambda table: table.written("|").encode()),
    "UTF-16": Kind(change=lambda table: table.written().encode("utf-16")),
    "compressed": Kind(change=lambda table: gzip.compress(table.written().encode())),
    "a title line": Kind(change=text(lambda content: "Report of 2020\n" + content)),
    "a title line of all columns": Kind(
        change=lambda table: (
            "Report" + "," * (len(table.header) - 1) + "\n" + table.written()
        ).encode()
    ),
    "two title lines": Kind(
        change=text(lambda content: "Report of 2020\nby nobody\n" + content),
        options=("--skip-rows", "2"),
    ),
    "comment lines": Kind(
        change=text(lambda content: "# made by hand\n" + content), options=("--comment", "#")
    ),
    "a comment among the rows": Kind(change=text(after(9, "# half of it\n"))),
    "empty lines": Kind(change=text(after(9, "\n\n"))),
    "empty rows": Kind(
        change=lambda table: after(9, "," * (len(table.header) - 1) + "\n")(
            table.written()
        ).encode()
    ),
    "repeated column names": Kind(
        change=text(lambda content: after(50, first_line(content))(content))
    ),
    "a row of totals": Kind(
        change=lambda table: after(
            -1, ",".join("Total" if n == 0 else "" for n in range(len(table.header))) + "\n"
        )(table.written()).encode()
    ),
    "an empty column": Kind(change=with_column("", lambda n: "", -1)),
    "an empty column with a name": Kind(change=with_column("notes", lambda n: "", -1)),
    "a constant column": Kind(change=with_column("year", lambda n: "2020", -1)),
    "row numbers without a name": Kind(change=with_column("", lambda n: str(n + 1))),
    "row numbers of R": Kind(change=with_column("rownames", lambda n: str(n + 1))),
    "row numbers of pandas": Kind(change=with_column("Unnamed: 0", str)),
    "names of rows": Kind(change=with_column("row.names", lambda n: f"Mr. {n}")),
    "a column twice": Kind(change=lambda table: with_column(table.header[0], str)(table)),
    "spaces around column names": Kind(
        change=lambda table: (
            Table([f" {name} " for name in table.header], table.rows, table.column, table.target)
            .written()
            .encode()
        )
    ),
    "quoted column names": Kind(
        change=lambda table: (
            Table([f'"{name}"' for name in table.header], table.rows, table.column, table.target)
            .written()
            .encode()
        )
    ),
    "a row too short": Kind(change=text(after(9, "1,2\n"))),
    "dates": Kind(change=with_column("day", lambda n: f"2020-{n % 12 + 1:02}-{n % 28 + 1:02}", -1)),
    "dates of Germans": Kind(
        change=with_column("day", lambda n: f"{n % 28 + 1:02}.{n % 12 + 1:02}.2020", -1)
    ),
    "free text": Kind(change=with_column("remark", lambda n: f"seen by no. {n} at night", -1)),
}

KINDS = {"clean": Kind()} | ODD | SPELLED | TARGETS | LAYOUTS
