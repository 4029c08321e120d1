"""RealMLP (Holzmüller et al., 2024) and TabM (Gorishniy et al., 2025), from pytabkit.

Both scale numbers and encode categories themselves, but refuse missing numbers.
"""

from typing import Any

from benchmarks.tables.methods.method import Method


def _built(name: str, task: str, seed: int) -> Any:
    from pytabkit.models.sklearn import sklearn_interfaces
    from sklearn.pipeline import make_pipeline

    from benchmarks.tables.preparation import imputed

    kind = "Classifier" if task == "classification" else "Regressor"
    learner = getattr(sklearn_interfaces, f"{name}_{kind}")
    return make_pipeline(imputed(), learner(random_state=seed, device="cpu", n_threads=1))


def realmlp(task: str, seed: int) -> Any:
    return _built("RealMLP_TD", task, seed)


def tabm(task: str, seed: int) -> Any:
    return _built("TabM_D", task, seed)


METHODS = (
    Method("RealMLP", "pytabkit", realmlp, cost=10),
    Method("TabM", "pytabkit", tabm, cost=40),
)
