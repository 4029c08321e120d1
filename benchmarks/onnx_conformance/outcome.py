"""One case put to its adapter: what is called, how it is read, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.onnx_conformance.cases import Array, NodeCase

PASSED = "passed"
IN_PART = "in part"
NOT_EXPRESSIBLE = "not expressible"
FAILED = "failed"
OUTCOMES = (PASSED, IN_PART, NOT_EXPRESSIBLE, FAILED)

TYPES = ("float32", "float64", "int32", "int64", "bool")
"""What chainrule computes in, and what indices, lengths and masks come in."""


class NotExpressible(Exception):
    """The node asks for something that chainrule has no word for; the message says what."""


@dataclass(frozen=True)
class Expression:
    """A node said in chainrule.

    part       the module, loss or optimizer that does the work
    call       its method, with everything but the data: called here, and nowhere else
    arguments  the data, laid out as chainrule has it
    read       what `call` returned -> the node's outputs by position, in ONNX's layout; None for
               one that chainrule does not give
    """

    part: Any
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    read: Callable[[Any], Sequence[Array | None]] = lambda y: (y,)


Adapter = Callable[[NodeCase], Expression]


@dataclass(frozen=True)
class Counterpart:
    """What in chainrule does the work of an operator, and the adapter that says its nodes."""

    parts: tuple[str, ...]
    express: Adapter


def predicts(
    module: Any,
    x: Array,
    read: Callable[[Any], Sequence[Array | None]] = lambda y: (y,),
) -> Expression:
    """Return the commonest expression: the module's output for x."""
    return Expression(module, module.predict, (x,), read)


@dataclass(frozen=True)
class Result:
    """What came of one case.

    outcome  one of OUTCOMES
    part     the class that ran, "" where none did
    note     why not; or which outputs have no counterpart
    """

    operator: str
    name: str
    outcome: str
    part: str = ""
    note: str = ""


def run(case: NodeCase, counterpart: Counterpart) -> Result:
    """Put the case to its adapter, run what it says, and compare all that comes out."""
    part = ""
    try:
        refuse_types(case)
        expression = counterpart.express(case)
        part = type(expression.part).__name__
        if part not in counterpart.parts:
            raise AssertionError(f"{part} is not named as a counterpart of {case.operator}")
        got = expression.read(expression.call(*expression.arguments))
        missing = compare(case, got)
    except NotExpressible as reason:
        return Result(case.operator, case.name, NOT_EXPRESSIBLE, note=str(reason))
    except Exception as error:  # whatever goes wrong is a failure of this case, told in the table
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return Result(case.operator, case.name, FAILED, part, text[:300])
    if missing:
        return Result(case.operator, case.name, IN_PART, part, f"without {', '.join(missing)}")
    return Result(case.operator, case.name, PASSED, part)


def refuse_types(case: NodeCase) -> None:
    """Raise NotExpressible where the case is about a type that chainrule does not compute in."""
    for value in (*case.inputs, *case.outputs.values()):
        kind = getattr(value, "dtype", None)
        if value is not None and str(kind) not in TYPES:
            raise NotExpressible(str(kind) if kind is not None else "a sequence of tensors")


def compare(case: NodeCase, got: Sequence[Array | None]) -> list[str]:
    """Raise AssertionError unless what is there is equal; return the names of what is not there."""
    missing = []
    for position, (name, expected) in zip(case.positions, case.outputs.items(), strict=True):
        y = got[position] if position < len(got) else None
        if y is None:
            missing.append(name)
            continue
        expected = np.asarray(expected)
        if y.shape != expected.shape or y.dtype != expected.dtype:
            raise AssertionError(
                f"{name} is {y.dtype} {y.shape}, expected {expected.dtype} {expected.shape}"
            )
        np.testing.assert_allclose(y, expected, rtol=case.rtol, atol=case.atol, err_msg=name)
    if len(missing) == len(case.outputs):
        raise AssertionError("nothing came out that could be compared")
    return missing
