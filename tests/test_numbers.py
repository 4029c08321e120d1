"""The traps of floating point and of chance: what goes wrong quietly where nobody looks."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest
from cases import all_cases

from chainrule import (
    GELU,
    SGD,
    Adam,
    AdamW,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    CosineSimilarity,
    DotProduct,
    Dropout,
    GlobalAvgPool,
    InputError,
    InstanceNorm,
    LayerNorm,
    Linear,
    LogSoftmax,
    MeanSquaredError,
    Module,
    Network,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Sigmoid,
    Softmax,
    StackedBatchNorm,
    Standardizer,
    Tanh,
    batches,
    check_module,
    loss_functions,
    train_test_split,
)
from chainrule.initializers import Zero
from chainrule.layers.memory_format import in_format
from chainrule.layers.sums import sum_of_channels, sum_of_rows
from chainrule.module import cast, walk

TYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = pytest.mark.parametrize("size", [1, 30, 90, 110, 800, 10_000])
TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def exact_softmax(z):
    """Return p in float64 for logits (N, C), number by number."""
    distances = [[float(v) - float(max(row)) for v in row] for row in z]
    return np.array([[math.exp(d) / math.fsum(map(math.exp, r)) for d in r] for r in distances])


def exact_sigmoid(z):
    return np.vectorize(lambda v: math.exp(min(v, 0)) / (1 + math.exp(-abs(v))))(z.astype(float))


def logits(size, dtype, classes=4):
    """Return logits of up to this size, the corners (all of it for one class) among them."""
    drawn = np.random.default_rng(0).uniform(-size, size, (40, classes))
    corners = np.where(np.eye(classes, dtype=bool), size, -size)
    return np.concatenate([drawn, corners, -corners]).astype(dtype)


# ---------------------------------------------------------------- cross-entropy in two steps


@TYPES
@SIZES
@pytest.mark.parametrize("target", ["right", "wrong", "spread"])
def test_softmax_and_cross_entropy_in_two_steps_give_p_minus_y(size, dtype, target):
    z = logits(size, dtype)
    y = {
        "right": np.eye(4)[z.argmax(axis=1)],
        "wrong": np.eye(4)[z.argmin(axis=1)],
        "spread": np.full(z.shape, 0.25),
    }[target]
    network, loss_function = Network([Softmax()], dtype=dtype), CategoricalCrossEntropy()
    p = network.forward(z)
    loss = loss_function.forward(y, p)
    dz = network.backward(loss_function.backward(y, p))
    assert dz.dtype == dtype
    np.testing.assert_allclose(dz * len(z), exact_softmax(z) - y, atol=TOLERANCE[dtype], rtol=0)
    assert math.isfinite(loss)
    assert 0 <= loss <= 710


@TYPES
@SIZES
@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
def test_sigmoid_and_cross_entropy_in_two_steps_give_p_minus_y(size, dtype, target):
    z = logits(size, dtype, classes=2)
    y = np.full(z.shape, target)
    network, loss_function = Network([Sigmoid()], dtype=dtype), BinaryCrossEntropy()
    p = network.forward(z)
    loss = loss_function.forward(y, p)
    dz = network.backward(loss_function.backward(y, p))
    assert dz.dtype == dtype
    exact = (exact_sigmoid(z) - y) / z.shape[1]
    np.testing.assert_allclose(dz * len(z), exact, atol=TOLERANCE[dtype], rtol=0)
    assert math.isfinite(loss)
    assert 0 <= loss <= 710


@TYPES
@SIZES
def test_from_logits_gives_the_exact_loss_of_classes(size, dtype):
    z = logits(size, dtype)
    labels = np.arange(len(z)) % 4
    exact = math.fsum(
        math.log(math.fsum(math.exp(float(v) - float(max(row))) for v in row))
        - (float(row[label]) - float(max(row)))
        for row, label in zip(z, labels, strict=True)
    ) / len(z)
    loss = CategoricalCrossEntropy(from_logits=True)
    eps = float(np.finfo(dtype).eps)
    assert loss.forward(labels, z) == pytest.approx(exact, rel=8 * eps)
    gradient = loss.backward(labels, z) * len(z)
    expected = exact_softmax(z) - np.eye(4)[labels]
    np.testing.assert_allclose(gradient, expected, atol=TOLERANCE[dtype], rtol=0)


@TYPES
@SIZES
@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
def test_from_logits_gives_the_exact_loss_of_yes_or_no(size, dtype, target):
    z = logits(size, dtype, classes=1)
    y = float(np.asarray(target, dtype))  # 0.3 as that type has it
    exact = math.fsum(
        max(v, 0) - v * y + math.log1p(math.exp(-abs(v))) for v in map(float, z[:, 0])
    )
    loss = BinaryCrossEntropy(from_logits=True)
    targets = np.full(z.shape, target)
    eps = float(np.finfo(dtype).eps)
    assert loss.forward(targets, z) == pytest.approx(exact / len(z), rel=8 * eps)
    gradient = loss.backward(targets, z) * len(z)
    np.testing.assert_allclose(gradient, exact_sigmoid(z) - y, atol=TOLERANCE[dtype], rtol=0)


def test_the_worst_mistake_is_told_in_full():
    z = np.array([[10_000.0, -10_000.0]], np.float32)
    assert CategoricalCrossEntropy(from_logits=True).forward([1], z) == 20_000
    assert BinaryCrossEntropy(from_logits=True).forward([[0.0]], z[:, :1]) == 10_000


@TYPES
@pytest.mark.parametrize("end", [Softmax, Sigmoid])
def test_a_whole_network_learns_from_extreme_mistakes(end, dtype):
    network = Network([Linear(2, 2), end()], dtype=dtype)
    network[0].weight.value = 10_000 * np.array([[-1, 1], [1, -1]])  # everything the wrong way
    loss = CategoricalCrossEntropy() if end is Softmax else BinaryCrossEntropy()
    x = y = np.eye(2)
    network.backward(loss.backward(y, network.forward(x)))
    share = 1 if end is Softmax else 2  # the binary loss is a mean over its two outputs too
    np.testing.assert_allclose(network[0].weight.grad * 2 * share, [[-1, 1], [1, -1]], atol=1e-6)


# ---------------------------------------------------------------- first values


def test_random_initialization_gives_different_neurons():
    for initialization in ("random", "kaiming"):
        network = Network([4, 16, 8, 3], initialization=initialization, seed=0)
        for layer in (network[0], network[2], network[4]):
            columns = layer.weight.value.T
            assert len(np.unique(columns, axis=0)) == len(columns)
            assert abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 0.999


def train(network, steps=20, seed=0):
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    loss, losses = CategoricalCrossEntropy(), []
    for _ in range(steps):
        y = network.forward(x)
        losses.append(loss.forward(labels, y))
        network.backward(loss.backward(labels, y))
        network.update(0.5)
    return losses


def test_zero_initialization_keeps_neurons_equal_for_ever_and_says_so():
    layers = [Linear(4, 6), Sigmoid(), Linear(6, 3), Softmax()]
    network = Network(layers, initialization="zero")
    train(network)
    first, last = network[0].weight.value, network[2].weight.value
    assert first.any()
    assert last.any()
    np.testing.assert_array_equal(first, np.repeat(first[:, :1], 6, axis=1))
    np.testing.assert_array_equal(last, np.repeat(last[:1], 6, axis=0))
    assert "symmetry" in Zero.__doc__


def test_zero_initialization_behind_relu_learns_the_last_bias_alone():
    network = Network([4, 8, 3], initialization="zero")
    losses = train(network)
    learned = [name for name, value in network.state().items() if value.any()]
    assert learned == ["layers.2.bias"]
    assert losses[-1] < losses[0]
    assert "only the last bias learns" in Zero.__doc__


# ---------------------------------------------------------------- predict


def everything(network):
    """Return the values, gradients, generators and half-done passes of a network, as bytes."""
    half_done = {path: vars(m).get("_saved") for path, m in walk(network) if isinstance(m, Module)}
    return pickle.dumps((network, half_done))


def test_predict_on_four_threads_is_predict_alone_and_changes_nothing():
    layers = [Linear(20, 64), ReLU(), Dropout(0.5), Residual(Sequential([Linear(64, 64), Tanh()]))]
    network = Network([*layers, Linear(64, 5), Softmax()], seed=0)
    rng = np.random.default_rng(0)
    network.forward(rng.standard_normal((8, 20)))
    network.backward(rng.standard_normal((8, 5)))
    network.forward(rng.standard_normal((8, 20)))  # this pass is still under way
    inputs = [rng.standard_normal((64 + thread, 20)) for thread in range(4)]
    expected = [network.predict(x) for x in inputs]
    before = everything(network)
    start, results = threading.Barrier(4), {}

    def work(thread):
        start.wait()
        results[thread] = [network.predict(inputs[thread]) for _ in range(40)]

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert everything(network) == before
    for thread in range(4):
        assert len(results[thread]) == 40
        for y in results[thread]:
            np.testing.assert_array_equal(y, expected[thread])


# ---------------------------------------------------------------- chance


def whole_run(seed, optimizer):
    """Build, split, standardise, train and predict, all from one seed; return what came out."""
    data = np.random.default_rng(99)  # the same data in every run
    X, y = data.standard_normal((90, 4)) * [1, 5, 0.1, 2], data.integers(0, 3, 90)
    X_train, X_test, y_train, _ = train_test_split(X, y, stratify=y, seed=seed)
    scaler = Standardizer().fit(X_train)
    layers = [Linear(4, 16), ReLU(), Dropout(0.3), Linear(16, 16), Dropout(0.3), Linear(16, 3)]
    network = Network([*layers, Softmax()], seed=seed)
    first = network.state()
    loss, losses, order = CategoricalCrossEntropy(), [], np.random.default_rng(seed)
    optimizer = optimizer()
    for _ in range(3):
        for x, labels in batches(scaler.transform(X_train), y_train, batch_size=16, seed=order):
            p = network.forward(x)
            losses.append(loss.forward(labels, p))
            network.backward(loss.backward(labels, p))
            optimizer.step(network)
    return first, losses, network.state(), network.predict(scaler.transform(X_test))


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_the_same_seed_gives_the_same_training_bit_for_bit(optimizer):
    one, two, other = (whole_run(seed, optimizer) for seed in (5, 5, 6))
    for same in (0, 2):
        assert one[same].keys() == two[same].keys()
        for name in one[same]:
            np.testing.assert_array_equal(one[same][name], two[same][name])
    assert one[1] == two[1]
    np.testing.assert_array_equal(one[3], two[3])
    assert not np.array_equal(one[0]["layers.0.weight"], other[0]["layers.0.weight"])
    assert one[1] != other[1]


def test_the_global_random_state_is_neither_read_nor_changed():
    def state():
        name, keys, *rest = np.random.get_state()  # noqa: NPY002
        return name, keys.tobytes(), *rest

    np.random.seed(1)  # noqa: NPY002
    before = state()
    first = whole_run(5, Adam)
    check_module(Network([Linear(3, 3), Dropout(0.5)], seed=0), np.ones((2, 3)))
    Network([4, 3], initialization="random")
    Dropout(0.5).forward(np.ones((2, 2)))
    assert state() == before
    np.random.seed(2)  # noqa: NPY002
    assert whole_run(5, Adam)[1] == first[1]


# ---------------------------------------------------------------- types


@TYPES
@pytest.mark.parametrize("optimizer", [None, SGD, Adam, AdamW])
@pytest.mark.parametrize("given", ["float32", "float64", "int64", "list"])
def test_the_networks_type_stays_from_the_door_to_the_update(dtype, optimizer, given):
    layers = [Linear(3, 4), Sigmoid(), Residual(Tanh()), Dropout(0.5), Linear(4, 2), Softmax()]
    network = Network(layers, seed=0, dtype=dtype)
    x = [[1, 2, 3], [4, 5, 6]] if given == "list" else np.arange(6).reshape(2, 3).astype(given)
    loss = CategoricalCrossEntropy()
    step = (lambda n: n.update(np.float64(0.1))) if optimizer is None else optimizer().step
    for _ in range(2):
        y = network.forward(x)
        dy = loss.backward([0, 1], y, sample_weight=[1.0, 2.0])
        dx = network.backward(dy.astype("float64"))
        step(network)
        for array in (y, dy, dx, network.predict(x), network.flat.values, network.flat.grads):
            assert array.dtype == dtype
        for parameter in network.named_parameters().values():
            assert parameter.value.dtype == parameter.grad.dtype == dtype


@TYPES
def test_layers_on_their_own_keep_the_type_too(dtype):
    linear = Linear(3, 2, seed=0)
    x = np.ones((4, 3), dtype)
    linear.forward(x)
    linear.backward(np.ones((4, 2), dtype))
    assert linear.weight.grad.dtype == np.float32, "parameters keep theirs"


# ---------------------------------------------------------------- means


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_the_loss_is_a_mean_and_the_gradient_that_of_the_mean(batch):
    rng = np.random.default_rng(0)
    p, labels = exact_softmax(rng.standard_normal((batch, 3))), rng.integers(0, 3, batch)
    loss = CategoricalCrossEntropy()
    each = [loss.forward(labels[[n]], p[[n]]) for n in range(batch)]
    assert loss.forward(labels, p) == pytest.approx(math.fsum(each) / batch)
    gradients = [loss.backward(labels[[n]], p[[n]])[0] / batch for n in range(batch)]
    np.testing.assert_allclose(loss.backward(labels, p), gradients, rtol=1e-14)


def test_a_network_of_one_weight_step_by_step():
    network = Network([Linear(1, 1)], initialization="zero", dtype="float64")
    loss = MeanSquaredError()
    x, y = [[1.0], [2.0]], [3.0, 5.0]
    prediction = network.forward(x)
    assert loss.forward(y, prediction) == (9 + 25) / 2
    dx = network.backward(loss.backward(y, prediction))
    # d/dw mean (w x + b - y)² = mean 2 (0 - y) x = -(2·3·1 + 2·5·2) / 2; for b without the x
    assert network[0].weight.grad == -13
    assert network[0].bias.grad == -8
    np.testing.assert_array_equal(dx, [[0], [0]])
    network.update(0.5)
    assert network[0].weight.value == 6.5
    assert network[0].bias.value == 4


# ---------------------------------------------------------------- sums of many numbers

CLASSES = {type(case.build()): case for case in reversed(all_cases()) if not case.random}
MANY_ROWS = 40_000


@pytest.mark.parametrize("case", CLASSES.values(), ids=lambda case: case.name)
def test_a_batch_that_is_repeated_gives_a_gradient_as_many_times_as_large(case):
    """Whatever adds up equal rows one after the other in float32 is 1e-4 off by then."""
    x = case.input()
    times = MANY_ROWS // len(x)
    gradients = []
    for dtype, repeats in (("float64", 1), ("float32", times)):
        module = case.build()
        cast(module, dtype)
        arguments = {k: np.repeat(v, repeats, 0) for k, v in case.arguments.items() if np.ndim(v)}
        rows = np.repeat(x, repeats, axis=0)
        y = module(rows.astype(dtype) if x.dtype.kind == "f" else rows, **arguments)
        dy = 1 + 0.1 * np.random.default_rng(0).standard_normal((len(x), *y.shape[1:]))
        module.backward(np.repeat(dy, repeats, axis=0).astype(dtype))
        gradients.append({k: p.grad / repeats for k, p in module.named_parameters().items()})
    expected, found = gradients
    for name in expected:
        scale = max(np.abs(expected[name]).max(), np.abs(dy).mean())
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5 * scale, rtol=0)


def around_one(*shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    x *= 0.1
    x += 1
    return x


LONG = 300_000
MEANS = {
    "one window": (AvgPool1d(40_000), (1, 2, 40_000)),
    "windows of 1,024": (AvgPool1d(1024), (1, 2, LONG)),
    "sliding windows": (AvgPool1d(1500, 7), (1, 2, 6000)),
    "an image": (AvgPool2d(200), (1, 2, 200, 200)),
    "sliding over an image": (AvgPool2d(300, 50), (1, 2, 500, 500)),
    "with padding": (AvgPool2d(200, 50, padding=60, count_include_pad=False), (1, 1, 500, 500)),
    "all of a channel": (GlobalAvgPool(), (1, 2, LONG)),
    "softmax of many classes": (Softmax(axis=1), (1, LONG // 3, 3)),
    "log-softmax of many classes": (LogSoftmax(axis=1), (1, LONG // 3, 3)),
    "the features of a layer": (LayerNorm(LONG), (2, LONG)),
    "the square of many features": (RMSNorm(LONG), (2, LONG)),
    "the pixels of a channel": (BatchNorm(2), (2, 2, LONG)),
    "channels of one sample": (InstanceNorm(2), (2, 2, LONG)),
}


@pytest.mark.parametrize(("module", "shape"), MEANS.values(), ids=MEANS)
def test_a_mean_of_many_numbers_is_exact_to_rounding(module, shape):
    x, dy = around_one(*shape), around_one(*module.predict(np.ones(shape)).shape, seed=1)
    results = []
    for dtype in ("float32", "float64"):
        own = copy.deepcopy(module)
        cast(own, dtype)
        y = own.forward(x.astype(dtype))
        dx = own.backward(dy.astype(dtype))
        results.append((y, dx, *(buffer.value for buffer in own.named_buffers().values())))
    for found, expected in zip(*results, strict=True):
        scale = max(np.abs(expected).max(), np.abs(dx).max())
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale, rtol=0)


@pytest.mark.parametrize("batch_last", [False, True])
def test_a_channel_s_sum_is_exact_in_either_format_of_memory(batch_last):
    images = in_format(around_one(20, 3, 100, 100), batch_last)
    expected = images.sum(axis=(0, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(sum_of_channels(images), expected, rtol=3e-7)
    pooled = GlobalAvgPool().forward(images)
    np.testing.assert_allclose(pooled, images.mean(axis=(2, 3), dtype=np.float64), rtol=3e-7)


@pytest.mark.parametrize("rows", [0, 1, 511, 512, 513, 1000, 200_000])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 5)])
def test_rows_are_added_up_exactly(rows, shape):
    x = around_one(rows, *shape)
    expected = x.sum(axis=0, dtype=np.float64)
    np.testing.assert_allclose(sum_of_rows(x), expected, rtol=1e-6)
    out = np.empty(shape, np.float32)
    assert sum_of_rows(x, out=out) is out
    np.testing.assert_array_equal(out, sum_of_rows(x))


# ---------------------------------------------------------------- numbers of any size

FLOAT_CASES = [c for c in all_cases() if c.input().dtype.kind == "f" and not c.random]
LARGEST = float(np.finfo(np.float32).max)
# Not 2 to 4: where a tanh or a sigmoid saturates, rounding is all that is left of its slope; and
# not the ends: numbers below 1e-38 have few digits, and Softmax's smallest probability is 1e-38.
POWERS = [-30, 1, 17, 20, 30]


def pass_through(case, x, dtype, nudge=None):
    """Return y, dx, the prediction and every gradient, or the error."""
    module = case.build()
    cast(module, dtype)
    for parameter in module.parameters() if nudge else ():
        parameter.value = parameter.value * nudge(parameter.shape)
    x = x.astype(dtype)
    try:
        found = {"y": module(x, **case.arguments)}
        dy = np.random.default_rng(1).standard_normal(found["y"].shape).astype(np.float32)
        with np.errstate(all="ignore"):
            dx = module.backward(dy.astype(dtype))
        found["dx"] = dx[0] if isinstance(dx, tuple) else dx
        found |= {name: p.grad for name, p in module.named_parameters().items()}
        return found | {"predict": module.predict(x, **case.arguments)}
    except InputError as error:
        return error


def is_zero_by_symmetry(name):
    """Whether rounding is all that is in a gradient: a key's bias moves all scores alike."""
    return name.endswith("k_proj.bias")


def is_below_what_counts(case, name, power):
    """Whether a gradient is a difference of nearly equal numbers, which float32 cannot resolve.

    Attention weights of inputs near 0 are all equal, and so are the gradients that they share.
    """
    attends = "attention" in case.name.lower() or case.name.startswith(("Transformer", "Network-t"))
    return attends and power < 2 and ("q_proj" in name or "k_proj" in name)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("case", FLOAT_CASES, ids=lambda case: case.name)
def test_float32_gives_what_float64_does_for_inputs_of_any_size(case, power):
    """Where float32 can hold it: to rounding, or as far as rounded inputs and weights determine it.

    BatchNorm refuses what its running variance cannot hold, and a member of a stack becomes NaN.
    """
    with np.errstate(all="ignore"):
        x = case.input_with(lambda x: x * 10.0**power).astype(np.float32)
    if not np.abs(x).max(initial=0) < LARGEST / 100:
        pytest.skip("float32 does not hold this input, or sums of some of its numbers")
    exact, found = pass_through(case, x, "float64"), pass_through(case, x, "float32")
    if isinstance(found, InputError):
        assert power >= 19
        assert "is too large for float32" in str(found)
        return
    if isinstance(case.build(), StackedBatchNorm) and power >= 20:
        assert np.isnan(found["y"]).all() or case.build().running_var is None
        return
    rng = np.random.default_rng(0)

    def nudge(shape):
        return 1 + 3e-7 * rng.standard_normal(shape)

    nudged = []
    for _ in range(3):
        moved = case.input_with(lambda _: x * nudge(x.shape))
        nudged.append(pass_through(case, moved, "float64", nudge))
    for name, expected in exact.items():
        if expected is None or is_zero_by_symmetry(name):
            continue
        if is_below_what_counts(case, name, power):
            assert np.isfinite(found[name]).all()
            continue
        held = np.abs(expected) < LARGEST
        error = np.abs(found[name].astype(np.float64) - expected)[held]
        spread = sum(np.abs(other[name] - expected)[held] for other in nudged)
        size = np.abs(expected[held])
        limit = 1e-4 * size + 1e-5 * size.max(initial=0) + 30 * spread + 1e-6
        assert (error <= limit).all(), name


SIZES_OF_VECTORS = [("float32", e) for e in (-7, 0, 10, 18, 19, 20, 30, 37)] + [
    ("float64", e) for e in (-7, 0, 10, 100, 153, 154, 160, 200, 300)
]


@pytest.mark.parametrize(("dtype", "exponent"), SIZES_OF_VECTORS)
def test_a_cosine_depends_on_directions_alone(dtype, exponent):
    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((2, 5, 3)).astype(dtype)
    long = p * np.asarray(10.0**exponent, dtype)
    loss, tolerance = CosineSimilarity(), 50 * float(np.finfo(dtype).eps)
    for true in (y, y * np.asarray(10.0**exponent, dtype)):
        assert loss(true, long) == pytest.approx(loss(y, p), abs=tolerance)
        gradient = loss.backward(true, long).astype(np.float64) * 10.0**exponent
        np.testing.assert_allclose(gradient, loss.backward(y, p), atol=tolerance * 10)
        joined = DotProduct(normalize=True).forward((true, long))
        np.testing.assert_allclose(joined[:, 0], np.vecdot(y, p) / lengths(y, p), atol=tolerance)
    assert loss(long, long) == pytest.approx(0, abs=tolerance)
    assert loss(long, -long) == pytest.approx(2, abs=tolerance)
    assert loss([[1.0, 1.0]], [[1e20, 1e20]]) == pytest.approx(0, abs=1e-6)


def lengths(y, p):
    return np.linalg.norm(y.astype(float), axis=1) * np.linalg.norm(p.astype(float), axis=1)


@TYPES
def test_below_the_shortest_length_a_cosine_is_linear(dtype):
    y, p = np.array([[1.0, 0.0]], dtype), np.array([[0.25e-8, 0.0]], dtype)
    loss = CosineSimilarity()
    assert loss(y, p) == pytest.approx(0.75)
    np.testing.assert_allclose(loss.backward(y, p), [[-1e8, 0]], rtol=1e-6)
    join = DotProduct(normalize=True)
    assert join.forward((y, p))[0, 0] == pytest.approx(0.25)
    np.testing.assert_allclose(join.backward(np.ones((1, 1), dtype))[1], [[1e8, 0]], rtol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-16, 1.0, 1e20, 1e37])
def test_a_join_may_ask_for_shorter_lengths(size):
    a, b = np.array([[3.0, 4.0]], np.float32), np.array([[4.0, 3.0]], np.float32)
    y = DotProduct(normalize=True, epsilon=1e-35).forward((a * np.float32(size), b))
    np.testing.assert_allclose(y, [[0.96]], rtol=1e-6)


LOSSES = [
    loss_functions.MeanSquaredError(),
    loss_functions.MeanAbsoluteError(),
    loss_functions.Huber(),
    loss_functions.Quantile(0.3),
    loss_functions.Poisson(log_input=True),
    loss_functions.Hinge(),
    loss_functions.CategoricalHinge(),
    loss_functions.MultiMargin(),
    loss_functions.CosineSimilarity(),
    loss_functions.CategoricalCrossEntropy(from_logits=True),
    loss_functions.CategoricalFocalCrossEntropy(from_logits=True),
    loss_functions.KLDivergence(from_logits=True),
    loss_functions.BinaryCrossEntropy(from_logits=True),
    loss_functions.BinaryFocalCrossEntropy(from_logits=True),
]


@pytest.mark.parametrize("power", [-44, -30, -10, 0, 1, 10, 19, 20, 30, 38])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_every_loss_of_outputs_of_any_size(loss, power):
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        pred = (rng.uniform(-1, 1, (6, 4)) * 10.0**power).astype(np.float32)
    true = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 1, 2]]
    values, gradients = zip(
        *(loss.value_and_gradient(true.astype(t), pred.astype(t)) for t in ("f4", "f8")),
        strict=True,
    )
    assert values[0] == loss(true, pred)
    capped = type(loss) is loss_functions.Poisson and power > 1  # in float64 by a larger number
    if not capped:
        assert values[0] == pytest.approx(values[1], rel=1e-4, abs=1e-6)
        scale = np.abs(gradients[1]).max()
        np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5 * scale)
    assert math.isfinite(values[0])
    assert np.isfinite(gradients[0]).all()


# ---------------------------------------------------------------- nothing but our own errors


@pytest.mark.parametrize("size", [3e19, 3e38])
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_a_network_at_the_end_of_float32_gives_no_warning(case, size):
    x = case.input()
    if x.dtype.kind == "f":
        x = case.input_with(lambda x: np.sign(x) * size).astype(np.float32)
    network = Network(case.build())
    network.predict(x, **case.arguments)  # warnings are errors in the tests


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_right_at_the_end_of_float32(approximate):
    layer = GELU(approximate)
    x = np.array([-3e38, -3e19, -50, 50, 3e19, 3e38], np.float32)
    np.testing.assert_array_equal(layer.forward(x), np.maximum(x, 0))
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [0, 0, 0, 1, 1, 1])
