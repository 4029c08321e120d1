"""One fit in its own process, measured.

Reading the data and importing packages is not measured; preparation, choice of epochs and all else
that `fit` does is.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import scores
from benchmarks.tables.methods import Method, methods
from benchmarks.tables.preparation import one_hot
from benchmarks.tables.records import Key, Record
from benchmarks.tables.table import Table

LEVEL = 0.9  # of prediction intervals


def processor_seconds() -> float:
    """Return the processor time of this process and its children, in user and system mode."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what `work` returns, and its seconds of processor and wall time."""
    used, began = processor_seconds(), time.perf_counter()
    done = work()
    seconds = {"cpu": processor_seconds() - used, "wall": time.perf_counter() - began}
    return done, {name: round(value, 4) for name, value in seconds.items()}


def limit_processor(seconds: float) -> None:
    """Let the system end this process after this many more seconds of processor time."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(processor_seconds() + seconds) + 1, hard))


def fit_and_score(
    table: Table, split: int, method: Method, limit: float | None = None
) -> tuple[Record, np.ndarray]:
    """Return the measured part of a record, and the predictions (probabilities or numbers)."""
    learning, testing = table.split(split)
    X, y = table.X.iloc[learning].reset_index(drop=True), table.y[learning]
    X_test, y_test = table.X.iloc[testing].reset_index(drop=True), table.y[testing]
    one_hot().fit_transform(X)  # so that what all of them share is loaded before it is measured
    model = method.build(table.facts.task, split)
    if limit is not None:
        limit_processor(limit)
    _, fit = timed(lambda: model.fit(X, y))
    if table.facts.task == "classification":
        predictions, predict = timed(lambda: model.predict_proba(X_test))
        predictions = _in_order(predictions, model.classes_, table.facts.classes)
        found = scores.of_classes(y_test, model.predict(X_test), predictions)
    else:
        predictions, predict = timed(lambda: np.asarray(model.predict(X_test)).reshape(-1))
        found = scores.of_numbers(y_test, predictions)
        if method.interval is not None:
            low, high = method.interval(model, X_test, LEVEL)
            found |= scores.of_intervals(y_test, low, high, float(y.std()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured = {"scores": found, "fit": fit, "predict": predict, "peak_kib": memory}
    return measured, predictions


def _in_order(probabilities: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """Return a column for each class, 0 for classes that no training row has."""
    full = np.zeros((len(probabilities), count))
    full[:, np.asarray(known, int)] = probabilities
    return full


def version_of(method: Method) -> str:
    """Return the package's name and version, also of a checkout."""
    try:
        number = version(method.package)
    except PackageNotFoundError:
        number = getattr(import_module(method.package), "__version__", "unknown")
    return f"{method.package} {number}"


def processor() -> str:
    """Return the processor's name, on which times depend."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def work(cache: Path, fit: Key, limit: float, into: Path) -> None:
    """Run a fit in this process, and write the measured part of its record into a JSON file."""
    warnings.simplefilter("ignore")  # peers' own, such as an MLP's that has not converged
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            measured = {"status": "ok"} | _measured(cache, fit, limit)
        except Exception:
            measured = {"status": "failed", "error": traceback.format_exc()[-2000:]}
    into.write_text(json.dumps(measured), "utf-8")


def _measured(cache: Path, fit: Key, limit: float) -> Record:
    name, split, method = fit[0], fit[1], methods()[fit[2]]
    measured, predictions = fit_and_score(Table.load(cache / "data", name), split, method, limit)
    kept = cache / "predictions" / method.name / f"{name}-{split}.npz"
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(kept, predictions=predictions.astype(np.float32))
    by = {"version": version_of(method), "processor": processor()}
    return measured | by
