"""scikit-learn: gradient boosting, the random forest, the multi-layer perceptron."""

from typing import Any

from benchmarks.tables.methods.method import Method


def boosting(task: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if task == "classification":
        return HistGradientBoostingClassifier(random_state=seed)
    return HistGradientBoostingRegressor(random_state=seed)


def forest(task: str, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.pipeline import make_pipeline

    from benchmarks.tables.preparation import one_hot

    forests = {"classification": RandomForestClassifier, "regression": RandomForestRegressor}
    return make_pipeline(one_hot(), forests[task](random_state=seed))


def mlp(task: str, seed: int) -> Any:
    """Return the perceptron as its guide recommends: inputs and target standardized."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from benchmarks.tables.preparation import one_hot

    if task == "classification":
        return make_pipeline(one_hot(), MLPClassifier(random_state=seed))
    learner = make_pipeline(one_hot(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(learner, transformer=StandardScaler())


METHODS = (
    Method("HistGradientBoosting", "scikit-learn", boosting, cost=3),
    Method("RandomForest", "scikit-learn", forest, cost=4),
    Method("MLP", "scikit-learn", mlp, cost=5),
)
