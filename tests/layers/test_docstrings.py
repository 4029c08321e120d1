"""Every public layer and initializer says, in its own docstring, how it is used."""

import dataclasses
import inspect
import re

import pytest

import chainrule
from chainrule import initializers

LAYERS = [
    getattr(chainrule, name)
    for name in chainrule.layers.__all__
    if name not in ("Module", "Node", "LinearLayer")  # LinearLayer is Linear
]
INITIALIZERS = [
    getattr(initializers, name)
    for name in initializers.__all__
    if name not in ("BY_NAME", "Random")  # Random is Normal
]
PUBLIC = [*LAYERS, *INITIALIZERS]


def documented(thing):
    """Return the names in the Parameters section of a docstring of its own."""
    doc = inspect.cleandoc(thing.__doc__)
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", doc, re.M | re.S)
    names = re.findall(r"^(\w+(?:, \w+)*) : ", match[1], re.M) if match else []
    return [name for line in names for name in line.split(", ")]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_a_public_name_documents_its_own_parameters(thing):
    assert "__doc__" in vars(thing) or inspect.isfunction(thing)
    assert sorted(documented(thing)) == sorted(inspect.signature(thing).parameters)


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_a_public_name_shows_an_example(thing):
    assert ">>>" in thing.__doc__, "tests/test_examples_in_docstrings.py runs it"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_a_layer_states_its_backward_pass(layer):
    assert "Backward" in layer.__doc__


def test_options_with_defaults_are_documented_once():
    for thing in INITIALIZERS:
        if dataclasses.is_dataclass(thing):
            assert len(documented(thing)) == len(set(documented(thing)))
