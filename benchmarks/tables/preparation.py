"""Numbers and categories for methods without a preparation.

Numbers: missing ones become the median of the column, with a further column that says so;
then, where wanted, mean 0 and deviation 1. Categories: one column each, a missing one being a
category too; one that was never seen is none of them.
"""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def imputer() -> SimpleImputer:
    return SimpleImputer(strategy="median", add_indicator=True)


def one_hot() -> ColumnTransformer:
    """Return a preparation into numbers only: imputed, standardized, one-hot encoded."""
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(imputer(), StandardScaler()), _numbers()),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), _others()),
        ]
    )


def imputed() -> ColumnTransformer:
    """Return a preparation for methods that need missing numbers to be imputed."""
    transformer = ColumnTransformer(
        [("numbers", imputer(), _numbers()), ("categories", "passthrough", _others())],
        verbose_feature_names_out=False,
    )
    return transformer.set_output(transform="pandas")


def _numbers() -> make_column_selector:
    return make_column_selector(dtype_include=np.number)


def _others() -> make_column_selector:
    return make_column_selector(dtype_include=pd.CategoricalDtype)
