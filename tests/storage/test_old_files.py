"""Files that earlier versions wrote are read, and predict what they predicted.

Those in files/ were written by version 0.1.0 on 2026-12-01. expected.npz holds inputs and outputs.
"""

from pathlib import Path

import numpy as np
import pytest

from chainrule import Ensemble, Linear, Network, TablePreparation
from chainrule.layers import BatchNorm

FILES = Path(__file__).parent / "files"
EXPECTED = dict(np.load(FILES / "expected.npz"))
NETWORKS = ["classifier", "regressor", "images", "words", "sequences", "tied"]


def close(name, y):
    expected = EXPECTED[f"{name}/y"]
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)  # another machine's BLAS


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    close(name, Network.load(FILES / f"{name}.npz").predict(EXPECTED[f"{name}/x"]))


def test_a_graph_in_which_two_nodes_share_a_module():
    network = Network.load(FILES / "graph.npz")
    close("graph", network.predict((EXPECTED["graph/a"], EXPECTED["graph/b"])))
    assert network.body.nodes["left"].module is network.body.nodes["right"].module


def test_a_single_layer():
    close("module", Linear.load(FILES / "module.npz").predict(EXPECTED["module/x"]))


def test_an_ensemble_and_the_preparation_of_its_table():
    ensemble = Ensemble.load(FILES / "ensemble.npz")
    assert isinstance(ensemble.preparation, TablePreparation)
    table = {
        "size": [1.0, 2.0, 4.0, np.nan, 8.0, 3.0],
        "town": ["a", "b", "c", "a", "b", "c"],
        "kind": ["x", "y", "x", None, "y", "x"],
    }
    close("ensemble", ensemble.predict_raw(table))


def test_what_stands_beside_the_values():
    network = Network.load(FILES / "classifier.npz")
    assert network.metadata == {
        "note": {"words": ["a", "b"], "number": 1.5},
        "class_names": ["a", "b", "c"],
        "metrics": {"accuracy": 0.5},
        "version": "0.1.0",
    }
    rows = network.preparation.transform(EXPECTED["classifier/x"])
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-6)
    scaled = Network.load(FILES / "regressor.npz")
    x = EXPECTED["regressor/x"]
    np.testing.assert_allclose(scaled.predict_raw(x), scaled.predict(x) * 3 + 2)
    assert scaled.dtype == np.float64


def test_what_is_shared_and_running_statistics():
    linear, other = Network.load(FILES / "tied.npz").layers[0].body.layers[:2]
    assert linear.weight is other.weight
    norm = Network.load(FILES / "images.npz").layers[1]
    assert isinstance(norm, BatchNorm)
    assert (norm.running_var.value != 1).all()
