"""Preparations in scikit-learn's pipelines and searches."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from chainrule import ConfigurationError, Standardizer, TablePreparation

pandas = pytest.importorskip("pandas")

FRAME = pandas.DataFrame({"size": np.arange(40.0), "town": ["x", "y", "z", "w"] * 10})
LABELS = (np.arange(40) // 2) % 2


@pytest.mark.parametrize("preparation", [TablePreparation(), Standardizer()], ids=repr)
def test_in_a_pipeline_and_a_search(preparation):
    X = FRAME if isinstance(preparation, TablePreparation) else FRAME[["size"]]
    pipeline = make_pipeline(preparation, LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1, 10]}, cv=2).fit(X, LABELS)
    assert search.predict(X).shape == (40,)
    assert not preparation.fitted  # the search has worked on clones


def test_options_are_searched_and_cloned():
    preparation = TablePreparation(categorical_features=["size"], max_categories=3, dtype="float64")
    copied = clone(preparation.fit(FRAME))
    assert repr(copied) == repr(preparation)
    assert not copied.fitted
    pipeline = make_pipeline(preparation, LogisticRegression())
    search = GridSearchCV(pipeline, {"tablepreparation__max_categories": [2, 5]}, cv=2)
    search.fit(FRAME, LABELS)
    assert search.best_params_["tablepreparation__max_categories"] in (2, 5)
    names = make_pipeline(TablePreparation()).fit(FRAME).get_feature_names_out()
    assert list(names) == ["size", "town_w", "town_x", "town_y", "town_z"]


def test_setting_options():
    preparation = TablePreparation().fit(FRAME)
    assert preparation.set_params(max_categories=7) is preparation
    assert preparation.max_categories == 7
    assert preparation.fitted
    with pytest.raises(ConfigurationError, match="max_categories must be a whole number"):
        preparation.set_params(max_categories=0)
    with pytest.raises(ConfigurationError, match=r"has no arguments \['most'\]; it has \['categ"):
        preparation.set_params(most=3)
