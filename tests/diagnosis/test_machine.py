"""What environment() finds, and what it advises."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import chainrule
from chainrule import environment as environment_of
from chainrule.diagnosis.machine import Environment

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
        ({"features": ("SSE", "AVX512_SKX")}, True),
        ({"kernel": None}, False),  # nothing is known
        ({"kernel": "SkylakeX"}, False),
        ({"features": ("X86_V2", "X86_V3")}, False),
        ({"blas": "accelerate unknown"}, False),
    ],
)
def test_another_kernel_is_advised_only_if_it_may_be_faster(changed, expected):
    advice = replace(AMD, threads=1, **changed).advice
    assert [text.startswith("OPENBLAS_CORETYPE=SKYLAKEX,") for text in advice] == [True] * expected


@pytest.mark.parametrize(("threads", "expected"), [(1, 0), (2, 1), (None, 0)])
def test_one_thread_is_advised_if_there_are_several(threads, expected):
    found = replace(AMD, kernel="SkylakeX", threads=threads)
    assert str(found).count("OPENBLAS_NUM_THREADS=1, ") == len(found.advice) == expected
    assert replace(found, blas="accelerate unknown").advice == []


@pytest.mark.parametrize("call", [lambda: None, lambda: 8])
def test_cores_without_affinity(monkeypatch, call):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", call)
    assert module().cores() == (call() or 1)
