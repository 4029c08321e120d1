"""Which method is better: scores by table, normalised scores, ranks, differences.

A table's score is the mean over its splits of accuracy, or of R². *Normalised*, it is

    max(0, (score - baseline) / (best - baseline))

where the baseline always answers the most frequent class, or the mean, and best is the best of the
ranked methods on that table. TabZilla (McElfresh et al., 2023) puts the zero at the worst method
instead; then one bad method changes the figures of all the others. The *error* is 1 - accuracy, or
√(1 - R²), which is the RMSE in deviations of the target; its shifted geometric mean over tables,
exp(mean(log(error + 0.01))) - 0.01, weighs relative improvements (after Holzmüller et al., 2024).

A fit that failed or ran out of time counts as the baseline's. A table that some ranked method has
not been run on yet is left out of every summary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, wilcoxon

from benchmarks.tables.methods import Method
from benchmarks.tables.methods.marks import BASELINE
from benchmarks.tables.records import Key, Record
from benchmarks.tables.scores import PRIMARY
from benchmarks.tables.table import Facts

SHIFT = 0.01
RESAMPLES = 10_000


def values(found: dict[Key, Record], facts: Facts, method: str, score: str) -> list[float]:
    """Return a score of each split that finished, in the order of the splits."""
    fits = sorted(key for key in found if key[0] == facts.name and key[2] == method)
    kept = (found[fit] for fit in fits)
    return [r["scores"][score] for r in kept if r["status"] == "ok" and score in r["scores"]]


def seconds(found: dict[Key, Record], facts: Facts, method: str, part: str = "fit") -> list[float]:
    """Return the processor time of each split that finished."""
    fits = sorted(key for key in found if key[0] == facts.name and key[2] == method)
    return [found[fit][part]["cpu"] for fit in fits if found[fit]["status"] == "ok"]


def finished(
    found: dict[Key, Record], tables: Iterable[Facts], methods: Sequence[Method], splits: int
) -> list[Facts]:
    """Return the tables on which each method, and the baseline, has a record of every split."""
    names = {method.name for method in methods} | {BASELINE}
    return [
        facts
        for facts in tables
        if all((facts.name, s, name) in found for s in range(splits) for name in names)
    ]


@dataclass(frozen=True)
class Standing:
    """Results of methods (columns) on tables (rows)."""

    tables: list[Facts]
    methods: list[Method]
    scores: np.ndarray  # (tables, methods): accuracy or R², mean of the splits
    spreads: np.ndarray  # (tables, methods): deviation of the splits, 0 where there is one
    baselines: np.ndarray  # (tables,)

    @property
    def _ranked(self) -> np.ndarray:
        return np.array([method.ranked for method in self.methods], bool)

    @property
    def normalised(self) -> np.ndarray:
        """0 for the baseline, 1 for the best ranked method; (tables, methods)."""
        baselines = self.baselines[:, np.newaxis]
        best = self.scores[:, self._ranked].max(axis=1, keepdims=True, initial=-np.inf)
        room = best - baselines
        usable = np.where(room > 0, room, 1.0)
        return np.where(room > 0, np.maximum(self.scores - baselines, 0.0) / usable, 0.0)

    @property
    def ranks(self) -> np.ndarray:
        """1 is the best, ties share their mean rank; NaN for methods that are not ranked."""
        ranks = np.full(self.scores.shape, np.nan)
        if len(self.tables):
            # rounded, so that equal accuracies are equal whatever the order of summation
            ranks[:, self._ranked] = rankdata(-self.scores[:, self._ranked].round(9), axis=1)
        return ranks

    @property
    def mean_ranks(self) -> np.ndarray:
        return self.ranks.mean(axis=0)

    @property
    def times_best(self) -> np.ndarray:
        """The number of tables on which each method is best, ties included."""
        best = np.nanmin(self.ranks, axis=1, keepdims=True)
        return (self.ranks == best).sum(axis=0)

    @property
    def errors(self) -> np.ndarray:
        """1 - accuracy, or √(1 - R²); (tables, methods)."""
        missed = np.maximum(1.0 - self.scores, 0.0)
        squared = np.array([facts.task == "regression" for facts in self.tables], bool)
        return np.where(squared[:, np.newaxis], np.sqrt(missed), missed)

    def geometric_mean_error(self) -> np.ndarray:
        return np.exp(np.log(self.errors + SHIFT).mean(axis=0)) - SHIFT

    def worse_beyond_spread(self, one: str, other: str) -> list[str]:
        """Return the tables where `one` is worse than `other` by more than the other's spread."""
        behind = self.scores[:, self.column(other)] - self.scores[:, self.column(one)]
        beyond = behind > self.spreads[:, self.column(other)]
        return [facts.name for facts, worse in zip(self.tables, beyond, strict=True) if worse]

    def column(self, name: str) -> int:
        return [method.name for method in self.methods].index(name)


def standing(
    found: dict[Key, Record], tables: Iterable[Facts], methods: Sequence[Method], splits: int
) -> Standing:
    """Return the results of all methods on the tables on which all ranked ones have been run."""
    ranked = [method for method in methods if method.ranked]
    complete = finished(found, tables, ranked, splits)
    baselines = np.array(
        [np.mean(values(found, f, BASELINE, PRIMARY[f.task])) for f in complete], float
    )
    scores, spreads = np.empty((2, len(complete), len(methods)))
    for row, facts in enumerate(complete):
        for column, method in enumerate(methods):
            kept = values(found, facts, method.name, PRIMARY[facts.task])
            kept += [baselines[row]] * (splits - len(kept))
            scores[row, column] = np.mean(kept)
            spreads[row, column] = np.std(kept, ddof=1) if len(kept) > 1 else 0.0
    return Standing(complete, list(methods), scores, spreads, baselines)


def interval(figures: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return a bootstrap interval of the mean, for other tables like these."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(figures), size=(RESAMPLES, len(figures)))
    ends = np.quantile(figures[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(ends[0]), float(ends[1])


@dataclass(frozen=True)
class Duel:
    """One method compared with another on the same tables."""

    better: int
    equal: int
    worse: int
    difference: float  # of the mean normalised scores
    interval: tuple[float, float]  # of the difference, 95 %
    p: float  # Wilcoxon's signed-rank test of the normalised scores, two-sided


def duel(figures: Standing, one: str, other: str) -> Duel:
    """Compare `one` with `other`."""
    mine = figures.normalised[:, figures.column(one)]
    gap = (mine - figures.normalised[:, figures.column(other)]).round(9)
    p = float(wilcoxon(gap).pvalue) if gap.any() else 1.0
    counts = [int((gap > 0).sum()), int((gap == 0).sum()), int((gap < 0).sum())]
    return Duel(*counts, difference=float(gap.mean()), interval=interval(gap), p=p)
