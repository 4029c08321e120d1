"""chainrule: an ensemble and a single network, both with their defaults."""

from typing import Any

from benchmarks.tables.methods.method import Method


def built(task: str, **options: Any) -> Any:
    from chainrule.estimators import NetworkClassifier, NetworkRegressor

    return (NetworkClassifier if task == "classification" else NetworkRegressor)(**options)


def interval(model: Any, X: Any, level: float) -> Any:
    return model.predict_interval(X, coverage=level)


METHODS = (
    Method(
        "chainrule",
        "chainrule",
        lambda task, seed: built(task, random_state=seed),
        interval=interval,
        cost=6,
    ),
    Method(
        "chainrule, one network",
        "chainrule",
        lambda task, seed: built(task, members=1, random_state=seed),
        interval=interval,
        ranked=False,
        cost=5,
    ),
)
