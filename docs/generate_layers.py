"""Write docs/layers.md: every layer, loss, optimizer, schedule and initialiser, from the code.

    python docs/generate_layers.py

The formula is the first sentence of the class's docstring, the options are its constructor's.
What is known of it comes from two files of results: docs/torch_parity.json, written by
docs/record_torch_parity.py, and docs/onnx_conformance.json, written by
`python -m benchmarks.onnx_conformance --write`. Neither PyTorch nor onnx is needed here.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import chainrule

DOCS = Path(__file__).parent
PAGE = DOCS / "layers.md"

INTRODUCTION = """# Layers, losses, optimizers, schedules, initialisers

Written by `python docs/generate_layers.py`, from the code and from two files of results; a test
holds this page to them. {count} classes.

- **options**: what stands behind `*` is given by name.
- **PyTorch**: what tests compare with PyTorch {torch} in float64, and in how many tests: the output
  values, the gradients, or the steps of an optimizer. Recorded while those tests ran and passed,
  by `{parity}`; a class counts where a test calls it itself, or a network of it alone. A dash:
  there is no such test, in most cases because PyTorch has no such thing.
- **ONNX's node cases**: how many of the operator's published cases this class passes; the others
  ask for something it has no word for, or for what another class does. [ONNX](results/onnx.md)
  has the whole table with reasons. *In part* means: equal in the outputs that it gives.
"""


def page() -> str:
    """Return the whole page."""
    parity = json.loads((DOCS / "torch_parity.json").read_text(encoding="utf-8"))
    conformance = json.loads((DOCS / "onnx_conformance.json").read_text(encoding="utf-8"))
    sections = {title: find() for title, find in SECTIONS.items()}
    text = INTRODUCTION.format(
        count=sum(map(len, sections.values())), torch=parity["torch"], parity=parity["command"]
    )
    for title, found in sections.items():
        rows = [
            [name(cls), formula(cls), options(cls), known(cls, parity), passed(cls, conformance)]
            for cls in found
        ]
        text += f"\n## {title}\n\n{table(rows)}\n"
    return text


# ---------------------------------------------------------------- what there is


def public(module: ModuleType) -> list[type]:
    """Return the public classes of a file or a folder, in the order in which they stand there."""
    names = getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
    things = {thing for thing in map(vars(module).get, names) if inspect.isclass(thing)}
    here = [thing for thing in things if thing.__module__.startswith(module.__name__)]
    return sorted(here, key=lambda cls: (cls.__module__, inspect.getsourcelines(cls)[1]))


def layers() -> list[type]:
    """Return every module, file by file."""
    found = [cls for cls in public(chainrule.layers) if issubclass(cls, chainrule.Module)]
    return [*found, chainrule.Network]


def losses() -> list[type]:
    """Return every loss."""
    return [cls for cls in public(chainrule.loss_functions) if cls is not chainrule.Loss]


def optimizers() -> list[type]:
    """Return every optimizer."""
    found = [cls for cls in public(chainrule.optimizers) if cls is not chainrule.Optimizer]
    return [cls for cls in found if cls not in schedules()]


def schedules() -> list[type]:
    """Return every schedule of the learning rate."""
    return public(chainrule.optimizers.schedules)


def initializers() -> list[type]:
    """Return everything that draws first values."""
    return public(chainrule.initializers)


SECTIONS = {
    "Layers": layers,
    "Losses": losses,
    "Optimizers": optimizers,
    "Schedules": schedules,
    "Initialisers": initializers,
}

# ---------------------------------------------------------------- a class, cell by cell


def name(cls: type) -> str:
    """Return the class's name, with a link to its file."""
    return f"[`{cls.__name__}`](../{cls.__module__.replace('.', '/')}.py)"


def formula(cls: type) -> str:
    """Return the first sentence of the docstring."""
    return " ".join(inspect.getdoc(cls).split("\n\n")[0].split())


def options(cls: type) -> str:
    """Return the constructor's arguments with their defaults, without types; `*` as in Python."""
    shown = []
    for argument in inspect.signature(cls).parameters.values():
        if argument.kind is argument.KEYWORD_ONLY and "`*`" not in shown:
            shown.append("`*`")
        shown.append(f"`{argument.replace(annotation=argument.empty)}`")
    return ", ".join(shown)


def known(cls: type, parity: dict[str, Any]) -> str:
    """Return what tests compare with PyTorch."""
    record = parity["classes"].get(cls.__name__)
    if record is None:
        return "–"
    order = [shown for shown in ("values", "gradients", "steps") if shown in record["shown"]]
    tests = f"{record['tests']} test" + ("s" if record["tests"] > 1 else "")
    return f"{', '.join(order)} ({tests})"


def passed(cls: type, conformance: dict[str, Any]) -> str:
    """Return, for every operator that this class is the counterpart of, the cases it passes."""
    cells = []
    for operator, parts in conformance["parts"].items():
        if cls.__name__ not in parts:
            continue
        results = [r for r in conformance["results"] if r["operator"] == operator]
        mine = Counter(r["outcome"] for r in results if r.get("part") == cls.__name__)
        others = [f"{mine[o]} {o}" for o in ("in part", "failed") if mine[o]]
        cell = f"{operator} {mine['passed']}/{len(results)}"
        cells.append(cell + (f" ({', '.join(others)})" if others else ""))
    return "; ".join(cells) or "–"


def table(rows: list[list[str]]) -> str:
    """Return a Markdown table of these rows."""
    head = [["class", "formula", "options", "PyTorch", "ONNX's node cases"], ["---"] * 5]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in head + cells)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} written")
