"""How far a reader has to walk: what the package's main flows enter, and how long its text is.

    python -m benchmarks.reading            the figures beside their limits
    python -m benchmarks.reading --files    also how many calls each flow makes in each file

Three flows are followed: one step of an MLP by hand and `Trainer.fit` on one batch, both after a
warm-up, and a network of two layers saved and loaded. Counted are the calls of the package's own
functions, how many different functions these are, and in how many files they are. A line of code
is one that holds something besides docstrings, comments and white space.

None of the figures depends on the machine. `LIMITS` is what none of them may exceed;
tests/test_reading.py keeps it.
"""

import argparse
import ast
import io
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import chainrule as cr

PACKAGE = Path(cr.__file__).resolve().parent

LIMITS = {
    "step": {"calls": 65, "functions": 34, "files": 8},
    "fit": {"calls": 1_700, "functions": 312, "files": 40},
    # what is saved is built once more, to see that it would come back
    "save and load": {"calls": 1_250, "functions": 157, "files": 20},
    "package": {"lines": 27_300, "lines of the command": 2_650, "entries at its top": 26},
}
"""What each figure is at most. Lower it when a figure falls."""

SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def flows(folder: Path) -> dict[str, Callable[[], object]]:
    """Return the flows by name, ready to be followed."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 4)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 32)]
    network = cr.Network([4, 16, 16, 3], seed=0)
    loss, adam = cr.CategoricalCrossEntropy(), cr.Adam(1e-3)
    small = cr.Network([cr.Linear(4, 8), cr.Linear(8, 3)], seed=0)
    path = folder / "small.npz"

    def step() -> None:
        predictions = network.forward(x)
        loss.forward(y, predictions)
        network.backward(loss.backward(y, predictions))
        adam.step(network)

    def fit() -> None:
        trainer = cr.Trainer(cr.Network([4, 16, 3], seed=0), loss, cr.Adam(1e-3), seed=0)
        trainer.fit(x, y, epochs=1, batch_size=32, progress=False)

    for _ in range(3):
        step()
        fit()
    small.save(path)
    return {
        "step": step,
        "fit": fit,
        "save and load": lambda: (small.save(path), cr.Network.load(path)),
    }


def follow(flow: Callable[[], object]) -> Counter[tuple[str, str]]:
    """Return how often a flow calls each of the package's functions: {(file, function): calls}."""
    calls: Counter[tuple[str, str]] = Counter()

    def count(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(PACKAGE)):
            place = Path(file).relative_to(PACKAGE).as_posix()
            calls[place, frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        flow()
    finally:
        sys.setprofile(None)
    return calls


def lines_of_code(source: str) -> int:
    """Return how many lines hold code: no docstring, no comment, not blank."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        for statement in filter(is_text, statements(node)):
            docstrings.update(range(statement.lineno, statement.end_lineno + 1))
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            held.update(range(token.start[0], token.end[0] + 1))
    return len(held - docstrings)


def statements(node: ast.AST) -> list[ast.stmt]:
    body = getattr(node, "body", [])
    return body if isinstance(body, list) else []


def is_text(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    is_constant = isinstance(statement, ast.Expr) and isinstance(value, ast.Constant)
    return is_constant and isinstance(value.value, str)


def lines_by_part() -> Counter[str]:
    """Return the lines of code of each entry at the package's top."""
    parts: Counter[str] = Counter()
    for file in PACKAGE.rglob("*.py"):
        parts[file.relative_to(PACKAGE).parts[0]] += lines_of_code(file.read_text("utf-8"))
    return parts


def entries_at_the_top() -> list[str]:
    return sorted(
        path.name
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    )


def measure() -> tuple[dict[str, dict[str, int]], dict[str, Counter[tuple[str, str]]]]:
    """Return the figures, as in LIMITS, and the calls of each flow."""
    with tempfile.TemporaryDirectory() as folder:
        followed = {name: follow(flow) for name, flow in flows(Path(folder)).items()}
    figures = {
        name: {
            "calls": calls.total(),
            "functions": len(calls),
            "files": len({file for file, _ in calls}),
        }
        for name, calls in followed.items()
    }
    parts = lines_by_part()
    figures["package"] = {
        "lines": parts.total(),
        "lines of the command": parts["command"],
        "entries at its top": len(entries_at_the_top()),
    }
    return figures, followed


def main() -> int:
    """Print the figures; return 1 where one exceeds its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading")
    parser.add_argument("--files", action="store_true", help="list the files that flows enter")
    arguments = parser.parse_args()
    figures, followed = measure()
    print(f"{'flow':<16}{'figure':<22}{'found':>8}{'limit':>8}")
    exceeded = False
    for name, found in figures.items():
        for figure, value in found.items():
            limit = LIMITS[name][figure]
            exceeded = exceeded or value > limit
            print(f"{name:<16}{figure:<22}{value:>8,}{limit:>8,}{'  too many' * (value > limit)}")
    print("\nlines by part:", ", ".join(f"{k} {v:,}" for k, v in lines_by_part().most_common(12)))
    for name, calls in followed.items() if arguments.files else ():
        files: Counter[str] = Counter()
        for (file, _), count in calls.items():
            files[file] += count
        print(f"\n{name}: " + ", ".join(f"{file} {count}" for file, count in files.most_common()))
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
