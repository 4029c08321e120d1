"""Who comes to the clinic: a patient follows from its part and its number, from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.clinic.architectures import ARCHITECTURES, drawn
from benchmarks.clinic.datasets import CATALOGUE, SOURCES, read, split
from benchmarks.clinic.diseases import BY_ID, DISEASES, PAIRS
from benchmarks.clinic.setup import Setup
from chainrule import CategoricalCrossEntropy, MeanSquaredError

PARTS = {"tuning": 1, "judging": 2}
"""Each part's seeds are its own."""

HEALTHY, PAIRED = 3, 8
"""Every third patient is healthy, every eighth of the sick has two diseases."""

KINDS = ("table", "table", "table", "image", "sequence")
"""Three of five are tables: most diseases are at home there."""

TRIES = 500


@dataclass(frozen=True)
class Patient:
    """`diseases` are pairs of a name and a strength; none where it is healthy."""

    part: str
    number: int
    data: str
    architecture: str
    seed: int
    diseases: tuple[tuple[str, int], ...]

    @property
    def key(self) -> str:
        ill = " + ".join(f"{name}({strength})" for name, strength in self.diseases) or "healthy"
        return f"{self.part} {self.number}: {self.data}, {self.architecture}, {ill}"


def patient(part: str, number: int, bundled: bool = False) -> Patient:
    """Return a patient; of diseases that do not fit, others are drawn until one does.

    With `bundled` its data come with scikit-learn or are made up.
    """
    rng = np.random.default_rng([PARTS[part], number])
    ours = [source for source in SOURCES if source.part == part and source.bundled >= bundled]
    sick = number - number // HEALTHY - 1
    for attempt in range(TRIES):
        kind = KINDS[rng.integers(len(KINDS))]
        sets = [source for source in ours if source.kind == kind]
        data = sets[rng.integers(len(sets))]
        fitting = [a for a in ARCHITECTURES if a.part == part and a.kind == data.kind]
        architecture = fitting[rng.integers(len(fitting))]
        seed = int(rng.integers(1_000_000))
        names: tuple[str, ...] = ()
        if number % HEALTHY:
            names = (DISEASES[sick % len(DISEASES)].id,)
            if sick % PAIRED == PAIRED - 1:
                names = PAIRS[(sick // PAIRED + attempt) % len(PAIRS)]
        chosen = tuple((name, int(rng.integers(3))) for name in names)
        found = Patient(part, number, data.name, architecture.name, seed, chosen)
        if ill(found) is not None:
            return found
    raise ValueError(f"No patient fits {names}.")


def healthy(patient: Patient) -> Setup:
    """Return the healthy twin."""
    source, data = CATALOGUE[patient.data], read(patient.data)
    architecture = next(
        a
        for a in ARCHITECTURES
        if (a.part, a.kind, a.name) == (source.part, source.kind, patient.architecture)
    )
    X, y, X_test, y_test = split(data, patient.seed)
    layers = drawn(architecture.build, X.shape[1:], data.classes)
    loss = CategoricalCrossEntropy() if data.classes else MeanSquaredError()
    return Setup(
        X, y, X_test, y_test, layers, loss, architecture.optimizer,
        architecture.batch_size, architecture.epochs, patient.seed,
    )  # fmt: skip


def ill(patient: Patient) -> Setup | None:
    """Return the patient with its diseases; None where one of them does not fit."""
    setup: Setup | None = healthy(patient)
    rng = np.random.default_rng(patient.seed)
    for name, strength in patient.diseases:
        if setup is not None:
            setup = BY_ID[name].plant(setup, strength, rng)
    return setup
