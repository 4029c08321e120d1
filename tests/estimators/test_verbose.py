"""`verbose` may be a function, such as one that draws a progress bar."""

import numpy as np

from chainrule.estimators import NetworkRegressor


def test_verbose_as_a_function_is_called_after_every_epoch(capsys):
    X = np.random.default_rng(0).normal(size=(80, 3))
    rows = []
    regressor = NetworkRegressor(
        hidden_layers=8,
        members=2,
        epochs=4,
        verbose=lambda epoch, row: rows.append((epoch, row["loss"].shape)),
    )
    regressor.fit(X, X[:, 0])
    assert rows == [(epoch, (2,)) for epoch in range(4)]
    assert capsys.readouterr().err == ""
