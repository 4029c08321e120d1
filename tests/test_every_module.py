"""The battery: every module goes through every one of these tests.

A new module needs a case in tests/cases/; `test_every_module_has_a_case` fails until it has.
"""

import copy
import inspect
import pickle

import numpy as np
import pytest
from cases import Case, all_cases

import chainrule
from chainrule import BackwardError, BatchNorm, InputError, Module, ShapeError, check_module
from chainrule.module import cast, walk

CASES = all_cases()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def module_classes() -> list[type[Module]]:
    public = [getattr(chainrule, name) for name in dir(chainrule)]
    return [
        thing
        for thing in public
        if inspect.isclass(thing) and issubclass(thing, Module) and thing is not Module
    ]


def built(case: Case, dtype: str = "float64") -> Module:
    module = case.build()
    cast(module, dtype)
    return module


def cast_input(case: Case, dtype: str = "float64"):
    x = case.input()
    return x if x.dtype.kind in "iu" else x.astype(dtype)


def forward(case: Case, module: Module, x, training: bool = True):
    return module.forward(x, training, **case.arguments)


def fresh_gradient(y):
    return np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)


def everything(module: Module) -> bytes:
    """Return every attribute of every module below, half-done passes included."""
    kept = []
    for path, thing in walk(module):
        if isinstance(thing, Module):
            plain = {
                name: value
                for name, value in vars(thing).items()
                if not isinstance(value, Module | chainrule.Parameter | chainrule.Buffer)
                and name not in ("layers", "_flat")
            }
            kept.append((path, pickle.dumps(plain)))
        else:
            kept.append((path, thing.value.tobytes()))
    return pickle.dumps(kept)


def test_every_module_has_a_case():
    names = {case.name.split("-")[0] for case in CASES}
    # a join takes several arrays at once: its cases are graphs that it stands in
    alone = {cls.__name__ for cls in module_classes() if not cls.joins}
    assert alone - names == set()
    assert len(names & {cls.__name__ for cls in module_classes()}) > 10


def test_case_names_are_unique_and_true():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    for case in CASES:
        assert type(case.build()).__name__ == case.name.split("-")[0]


@every_case
def test_values_against_an_independent_reference(case):
    module, x = built(case), cast_input(case)
    for training in (False,) if case.random else (False, True):
        expected = case.reference(copy.deepcopy(module), x.copy(), training)
        y = forward(case, module, x, training)
        np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-12)
        assert y.shape == np.shape(expected)


@every_case
def test_gradients_of_the_input_and_of_every_parameter(case):
    report = check_module(built(case), cast_input(case), arguments=case.arguments)
    assert report.passed, str(report)
    assert len(report.gradients) >= len(case.build().named_parameters())


@every_case
def test_parameters_alone_get_the_same_gradients(case):
    modules, x = (built(case), built(case)), cast_input(case)
    for module in modules:
        y = forward(case, module, x)
    dy = fresh_gradient(y)
    modules[0].backward(dy)
    assert modules[1].backward_parameters(dy) is None
    expected, found = (module.named_parameters() for module in modules)
    for name, parameter in expected.items():
        np.testing.assert_array_equal(found[name].grad, parameter.grad)


@every_case
def test_read_only_arrays_and_outputs_left_alone(case):
    module, x = built(case), cast_input(case)
    x.flags.writeable = False
    y = forward(case, module, x)
    dy = fresh_gradient(y)
    dy.flags.writeable = False
    kept = y.copy()
    dx = module.backward(dy)
    dx = dx[0] if isinstance(dx, tuple) else dx
    kept_dx = np.copy(dx)
    module.backward(-fresh_gradient(forward(case, module, x + 1 if x.dtype.kind == "f" else x)))
    np.testing.assert_array_equal(y if not case.random else kept, kept)
    np.testing.assert_array_equal(dx, kept_dx)


def of_no_samples(case: Case):
    """Return the arguments without samples; a mask for all samples alike stays as it is."""
    samples = len(case.input())
    return {
        name: value[:0] if np.ndim(value) and len(value) == samples else value
        for name, value in case.arguments.items()
    }


@every_case
@pytest.mark.parametrize("way", ["forward", "call", "predict"])
def test_a_batch_of_no_samples_gives_none_and_zero_gradients(case, way):
    module, x, arguments = built(case), cast_input(case), of_no_samples(case)
    run = module if way == "call" else getattr(module, way)
    if isinstance(module, chainrule.Network):
        with pytest.raises(InputError, match="is empty: its shape is"):
            run(x[:0], **arguments)
        return
    if isinstance(module, BatchNorm) and (way != "predict" or module.running_mean is None):
        with pytest.raises(ShapeError, match="more than one value per channel"):
            run(x[:0], **arguments)
        return
    y = run(x[:0], **arguments)
    assert y.shape == (0, *forward(case, built(case), x).shape[1:])
    if way == "predict":
        return
    dx = module.backward(np.zeros_like(y))
    dx = dx[0] if isinstance(dx, tuple) else dx
    assert dx is None or dx.shape == x[:0].shape
    for parameter in module.parameters():
        np.testing.assert_array_equal(parameter.grad, np.zeros(parameter.shape))


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(case, dtype):
    module, x = built(case, dtype), cast_input(case, dtype)
    y = forward(case, module, x)
    assert y.dtype == dtype
    dx = module.backward(fresh_gradient(y))
    dx = dx[0] if isinstance(dx, tuple) else dx
    assert dx is None or dx.dtype == dtype
    assert forward(case, module, x, training=False).dtype == dtype
    for parameter in module.named_parameters().values():
        assert parameter.value.dtype == dtype
        assert parameter.grad.dtype == dtype


@every_case
def test_predict_changes_nothing(case):
    module, x = built(case), cast_input(case)
    before = everything(module)
    first = forward(case, module, x, training=False)
    assert everything(module) == before
    np.testing.assert_array_equal(forward(case, module, x, training=False), first)
    forward(case, module, x, training=True)
    before = everything(module)
    forward(case, module, x, training=False)
    assert everything(module) == before, "predict disturbed a training pass that was under way"


@every_case
def test_saved_values_make_another_one_equal(case):
    module, x = built(case), cast_input(case)
    forward(case, module, x, training=True)  # so that running statistics are no first values
    values = module.state()
    other = copy.deepcopy(module)
    for path, thing in walk(other):
        if path in values:
            thing.value = np.zeros(thing.shape)
    other.load_state(values)
    np.testing.assert_array_equal(
        forward(case, other, x, training=False), forward(case, module, x, training=False)
    )


@every_case
def test_copies_are_independent(case):
    module, x = built(case), cast_input(case)
    forward(case, module, x)
    expected = forward(case, module, x, training=False)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        np.testing.assert_array_equal(forward(case, other, x, training=False), expected)
        for parameter in other.named_parameters().values():
            parameter.value = parameter.value + 1
        np.testing.assert_array_equal(forward(case, module, x, training=False), expected)


@every_case
def test_shows_itself_as_python(case):
    module = case.build()
    names = {cls.__name__: cls for cls in module_classes()}
    names |= {"dtype": np.dtype, "Node": chainrule.Node}
    again = eval(repr(module), names)
    assert repr(again) == repr(module)
    shapes = {k: p.shape for k, p in again.named_parameters().items()}
    assert all(shapes[k] == p.shape for k, p in module.named_parameters().items())
    if case.name != "Graph-shared":  # text shows a module that is shared at each of its places
        assert list(shapes) == list(module.named_parameters())


@every_case
def test_backward_belongs_to_one_forward(case):
    module, x = built(case), cast_input(case)
    y = forward(case, built(case), x, training=False)
    for _ in range(2):
        with pytest.raises(BackwardError, match="no forward pass for this backward"):
            module.backward(fresh_gradient(y))
        forward(case, module, x)
        module.backward(fresh_gradient(y))
    with pytest.raises(BackwardError, match="no forward pass for this backward"):
        module.backward(fresh_gradient(y))
    forward(case, module, x, training=False)
    with pytest.raises(BackwardError, match="no forward pass for this backward"):
        module.backward(fresh_gradient(y))


@pytest.mark.parametrize("case", [c for c in CASES if c.bad_shape], ids=lambda case: case.name)
def test_a_wrong_shape_is_refused_clearly(case):
    with pytest.raises(ShapeError) as caught:
        built(case).predict(np.ones(case.bad_shape))
    assert "expected" in str(caught.value)
    assert str(case.bad_shape) in str(caught.value), "the message shows the shape that was given"
