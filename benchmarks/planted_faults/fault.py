"""A fault: a function's name, a piece of its code, and the wrong code that takes its place.

The function is found by importing it, wherever its file is, and the piece by its syntax tree, so
that moving a file, wrapping a line or changing a comment changes nothing. Where the piece is no
longer there, or is there several times, planting says so.
"""

import ast
import importlib
import inspect
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


class DoesNotApply(Exception):
    """The code is no longer what a fault expects."""


@dataclass(frozen=True)
class Fault:
    """Wrong code in place of right code.

    Parameters
    ----------
    kind
        What is wrong, in two or three words: "wrong sign", "mean for sum".
    where
        The dotted name by which the function, method or class is imported, such as
        ``"chainrule.Linear.backward"``; of a property, its getter.
    right
        One expression, or one statement, that is in there once.
    wrong
        What takes its place; ``"pass"`` leaves a statement out.
    """

    kind: str
    where: str
    right: str
    wrong: str

    @property
    def name(self) -> str:
        """A name for tables and for the command line."""
        return f"{self.where.removeprefix('chainrule.')}: {self.kind}"

    def plant(self) -> tuple[Path, str]:
        """Return the file that it is in, and the text of that file with the fault."""
        file, path = self._place()
        source = file.read_text("utf-8")
        function = definition(parsed(source), path)
        if function is None:
            raise DoesNotApply(f"{self.name}: {file} has no {'.'.join(path)}")
        piece = ast.parse(textwrap.dedent(self.right)).body
        if len(piece) != 1:
            raise DoesNotApply(f"{self.name}: give one expression or one statement")
        wanted: ast.AST = piece[0]
        if isinstance(wanted, ast.Expr) and is_expression(self.wrong):
            wanted = wanted.value
        found = [node for node in ast.walk(function) if same_code(node, wanted)]
        if len(found) != 1:
            times = "is not there" if not found else f"is there {len(found)} times"
            raise DoesNotApply(f"{self.name}: {self.right!r} {times} in {file}")
        return file, replaced(source, found[0], self.wrong)

    def _place(self) -> tuple[Path, list[str]]:
        """Return the file of the function, and its name within it."""
        thing = imported(self.where)
        if isinstance(thing, property):
            thing = thing.fget
        thing = inspect.unwrap(getattr(thing, "__func__", thing))
        module = inspect.getmodule(thing)
        if module is None or module.__file__ is None or not hasattr(thing, "__qualname__"):
            raise DoesNotApply(f"{self.name}: {self.where} is no function and no class")
        return Path(module.__file__), thing.__qualname__.split(".")


@lru_cache(maxsize=8)
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def imported(where: str) -> Any:
    """Return what a dotted name stands for."""
    parts = where.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[end:]:
                # of a package getattr, so that what it loads late is loaded
                look_up = inspect.getattr_static if isinstance(thing, type) else getattr
                thing = look_up(thing, part)
        except AttributeError:
            break
        return thing
    raise DoesNotApply(f"there is no {where}")


def definition(tree: ast.AST, path: list[str]) -> ast.AST | None:
    """Return the node that defines a class or a function of that name within it."""
    for name in path:
        kinds = ast.ClassDef | ast.FunctionDef
        below = ast.walk(tree) if name == path[0] else ast.iter_child_nodes(tree)
        found = [node for node in below if isinstance(node, kinds) and node.name == name]
        if not found:
            return None
        tree = found[0]
    return tree


def is_expression(code: str) -> bool:
    try:
        ast.parse(code, mode="eval")
    except SyntaxError:
        return False
    return True


def same_code(node: ast.AST, wanted: ast.AST) -> bool:
    return type(node) is type(wanted) and ast.dump(node) == ast.dump(wanted)


def replaced(source: str, node: Any, wrong: str) -> str:
    """Return the source with other code in the place of a node; all other lines stay."""
    lines = source.splitlines(keepends=True)
    before = "".join(lines[: node.lineno - 1])
    first, last = lines[node.lineno - 1], lines[node.end_lineno - 1]
    head = first.encode()[: node.col_offset].decode()
    tail = last.encode()[node.end_col_offset :].decode()
    if isinstance(node, ast.expr):
        wrong = f"({wrong})"
    else:
        wrong = textwrap.indent(textwrap.dedent(wrong), " " * node.col_offset).lstrip()
    return before + head + wrong + tail + "".join(lines[node.end_lineno :])
