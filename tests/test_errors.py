"""The hierarchy of errors, and how they tell their place."""

import copy
import pickle

import pytest

from chainrule import Linear, errors
from chainrule.errors import (
    BackwardError,
    ChainruleError,
    ConfigurationError,
    InputError,
    MissingExtraError,
    ModuleError,
    ShapeError,
    StateError,
)


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (ModuleError, ()),
        (ShapeError, (ModuleError, ValueError)),
        (BackwardError, (ModuleError, RuntimeError)),
        (InputError, (ValueError,)),
        (ConfigurationError, (ValueError,)),
        (StateError, (ValueError,)),
        (MissingExtraError, (ImportError,)),
    ],
)
def test_each_error_is_also_the_builtin_that_callers_expect(kind, parents):
    assert issubclass(kind, ChainruleError)
    for parent in parents:
        assert issubclass(kind, parent)


def every_kind(parent):
    return {parent}.union(*map(every_kind, parent.__subclasses__()))


def test_the_drawing_on_top_of_the_file_names_them_all():
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), ChainruleError)
        assert name in errors.__doc__
    kinds = {kind.__name__ for kind in every_kind(ChainruleError)}
    assert kinds == set(errors.__all__)


def test_a_module_error_tells_its_module_and_path():
    assert str(ModuleError("too hot.")) == "too hot."
    error = ShapeError("too wide.", Linear(2, 3))
    assert str(error) == "Linear: too wide."
    error.path = "layers.4"
    assert str(error) == "Linear (layers.4): too wide."
    assert error.detail == "too wide."


@pytest.mark.parametrize("duplicate", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_errors_travel_between_processes(duplicate):
    error = BackwardError("no forward.", Linear(2, 3))
    error.path = "layers.0"
    again = duplicate(error)
    assert type(again) is BackwardError
    assert str(again) == "Linear (layers.0): no forward."
