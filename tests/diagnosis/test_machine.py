"""What environment() says, and that it measures only on request and changes nothing."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import chainrule
from chainrule import environment as environment_of
from chainrule.diagnosis.machine import Environment, may_gain

AMD = Environment(
    python="3.11.7",
    numpy="2.4.6",
    blas="scipy-openblas 0.3.31",
    kernel="Haswell",
    threads=2,
    cores=2,
    features=("X86_V2", "X86_V3", "X86_V4"),
)


def module():
    """Return the file itself; the function is chainrule.environment."""
    return sys.modules["chainrule.diagnosis.machine"]


def test_it_tells_what_is_here():
    found = chainrule.environment()
    assert found.numpy == np.__version__
    assert sys.version.startswith(found.python)
    assert 1 <= found.cores <= os.cpu_count()
    assert found.features
    assert found.wide_kernel_gain is None
    assert found.advice == ""
    for value in (found.blas, found.numpy, *found.features):
        assert value in str(found)


def test_kernel_and_threads_are_those_threadpoolctl_tells(monkeypatch):
    information = [
        {"user_api": "openmp", "filepath": "/numpy/libgomp.so", "num_threads": 9},
        {"user_api": "blas", "filepath": "/torch/libblas.so", "num_threads": 8},
        {"user_api": "blas", "filepath": "/numpy/b.so", "num_threads": 3, "architecture": "Zen"},
    ]
    fake = type(sys)("threadpoolctl")
    fake.threadpool_info = lambda: information
    monkeypatch.setitem(sys.modules, "threadpoolctl", fake)
    found = environment_of()
    assert (found.kernel, found.threads) == ("Zen", 3)
    assert "Zen" in str(found)
    information.pop()
    assert (environment_of().kernel, environment_of().threads) == (None, 8)
    information.clear()
    assert environment_of().threads is None


def test_without_threadpoolctl_it_says_what_would_tell(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    found = environment_of()
    assert found.kernel is None
    assert found.threads is None
    assert "threadpoolctl" in str(found)


@pytest.mark.skipif(
    importlib.util.find_spec("threadpoolctl") is None, reason="threadpoolctl is not installed"
)
def test_threads_are_as_many_as_the_environment_asks_for():
    code = "import chainrule; print(chainrule.environment().threads)"
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True)
    assert done.stdout.split() in ([b"1"], [b"None"])  # None where BLAS is not one that it knows


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"kernel": "Zen"}, True),
        ({"kernel": None}, True),
        ({"features": ("SSE", "AVX512_SKX")}, True),
        ({"kernel": "SkylakeX"}, False),
        ({"features": ("X86_V2", "X86_V3")}, False),
        ({"blas": "accelerate unknown"}, False),
    ],
)
def test_another_kernel_is_tried_only_where_it_could_gain(changed, expected):
    assert may_gain(replace(AMD, **changed)) is expected


@pytest.mark.parametrize(("gain", "said"), [(None, False), (1.0, False), (0.5, False), (1.7, True)])
def test_advice_is_given_only_where_it_was_measured(gain, said):
    found = replace(AMD, wide_kernel_gain=gain)
    assert ("OPENBLAS_CORETYPE=SKYLAKEX" in found.advice) is said
    assert ("1.7 times" in str(found)) is said
    assert found.advice.count(".") == (2 if said else 0)  # one sentence, with one number in it


def test_it_measures_on_request_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(module(), "may_gain", lambda found: True)

    def seconds(settings):
        asked.append(settings)
        return 1.0 if settings else 1.6

    monkeypatch.setattr(module(), "seconds_of_a_product", seconds)
    assert environment_of().wide_kernel_gain is None
    assert not asked
    assert environment_of(measure=True).wide_kernel_gain == pytest.approx(1.6)
    assert asked == [{}, {"OPENBLAS_CORETYPE": "SKYLAKEX"}] * 3
    monkeypatch.setattr(module(), "may_gain", lambda found: False)
    assert environment_of(measure=True).wide_kernel_gain is None


def test_the_product_is_timed_elsewhere_and_the_environment_stays(monkeypatch):
    before = dict(os.environ)
    code = "import os; print(float(os.environ['SETTING']))"
    monkeypatch.setattr(module(), "TIMED_PRODUCT", code)
    assert module().seconds_of_a_product({"SETTING": "0.25"}) == 0.25
    assert dict(os.environ) == before
    monkeypatch.undo()
    assert module().seconds_of_a_product({}) > 0


@pytest.mark.parametrize("call", [lambda: None, lambda: 8])
def test_cores_without_affinity(monkeypatch, call):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", call)
    assert module().cores() == (call() or 1)
