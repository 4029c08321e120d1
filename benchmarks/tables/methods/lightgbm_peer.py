"""LightGBM, which handles missing values and categories itself."""

from typing import Any

from benchmarks.tables.methods.method import Method


def lightgbm(task: str, seed: int) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    learner = LGBMClassifier if task == "classification" else LGBMRegressor
    return learner(random_state=seed, n_jobs=1, verbosity=-1)


METHODS = (Method("LightGBM", "lightgbm", lightgbm, cost=2),)
