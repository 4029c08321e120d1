"""The examples in docstrings (``>>>``) run and print what they say.

An example may use `np`, the public names of chainrule, and those of its own file without
importing them.
"""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import chainrule
from chainrule.errors import MissingExtraError

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    """Yield every module of the package that can be imported here: extras may be missing."""
    for found in pkgutil.walk_packages(chainrule.__path__, "chainrule.", onerror=lambda _: None):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except (ImportError, MissingExtraError):
            continue


def examples():
    """Return the docstrings that hold examples, as doctests."""
    names = {name: getattr(chainrule, name) for name in chainrule.__all__}
    finder = doctest.DocTestFinder()
    tests = [
        test
        for module in [chainrule, *modules()]
        for test in finder.find(module, extraglobs={**names, "np": np, **vars(module)})
    ]
    return [pytest.param(test, id=test.name) for test in tests if test.examples]


EXAMPLES = examples()


@pytest.mark.parametrize("test", EXAMPLES)
def test_an_example_prints_what_it_says(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=output.append)
    assert result.failed == 0, "".join(output)


def test_examples_are_found():
    assert len(EXAMPLES) > 3


def test_an_example_that_is_wrong_fails():
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert runner.run(wrong, out=lambda _: None).failed == 1
