"""Epochs may be told to a function of one's own, such as one that draws a bar."""

import numpy as np

from chainrule.estimators import NetworkRegressor


def test_a_function_is_told_of_every_epoch(capsys):
    X = np.random.default_rng(0).normal(size=(80, 3))
    told = []
    regressor = NetworkRegressor(
        hidden_layers=8,
        members=2,
        epochs=4,
        verbose=lambda epoch, row: told.append((epoch, row["loss"].shape)),
    )
    regressor.fit(X, X[:, 0])
    assert told == [(epoch, (2,)) for epoch in range(4)]
    assert capsys.readouterr().err == ""
