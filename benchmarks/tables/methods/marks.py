"""Reference points: a constant prediction, and a linear model."""

from typing import Any

from benchmarks.tables.methods.method import Method

BASELINE = "baseline"


def baseline(task: str, seed: int) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()


def linear(task: str, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    from benchmarks.tables.preparation import one_hot

    model = LogisticRegression(max_iter=1000) if task == "classification" else Ridge()
    return make_pipeline(one_hot(), model)


METHODS = (
    Method(BASELINE, "scikit-learn", baseline, cost=0, ranked=False),
    Method("linear", "scikit-learn", linear, cost=1, ranked=False),
)
