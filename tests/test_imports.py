"""Imports run one way, need NumPy alone, and load nothing else.

ORDER is the layout of the house: a file imports only from files above it. A new file gets its
place here. Inside a folder the files may stand in any order, as long as no import goes round in
a circle; those of layers/ have their order too.
"""

import ast
import graphlib
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chainrule"

ORDER = [
    "errors",
    "checks",
    "parameter",
    "pytree",
    "module",
    "watching",
    "initializers",
    "layers",
    "preparation",
    "storage",
    "summary",
    "network",
    "loss_functions",
    "optimizers",
    "metrics",
    "data",
    "diagnosis",
    "doctor.conditions",
    "plots",
    "parallel",
    "training",
    "doctor",
    "ensemble",
    "exchange",
    "estimators",
    "__init__",
    "distributed",
    "command",
    "__main__",
]
LATE = {"module": {"storage.module_file"}}
"""What a file imports from below it, inside the functions that need it: a module saves itself."""

CORE = ORDER[: ORDER.index("diagnosis") + 1]
"""From errors to diagnosis: NumPy and the standard library are all that is imported, ever."""

LAYERS = [
    "allocator",
    "micro_batch",
    "memory_format",
    "sums",
    "shape_checks",
    "linear",
    "activations",
    "erfc",
    "smooth_activations",
    "shape",
    "sharing",
    "joins",
    "containers",
    "graph",
    "inputs",
    "windows",
    "padding",
    "resampling",
    "convolution_kernels",
    "convolution",
    "pooling",
    "adaptive_pooling",
    "running_statistics",
    "normalization",
    "dropout",
    "category_embedding",
    "stacked",
    "embedding",
    "recurrent_cells",
    "recurrent",
    "attention",
    "transformer",
    "__init__",
]


def module_name(file: Path) -> str:
    """Return "layers.linear" for chainrule/layers/linear.py, and "layers" for its __init__.py."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def every_file(check: Callable[[str], None]) -> Callable[[], None]:
    """Make one test of a check that each file has to pass."""

    def test() -> None:
        for name in FILES:
            check(name)

    return test


def inside_package(dotted: str) -> str:
    """Return "layers.linear" for "chainrule.layers.linear", "__init__" for the package itself."""
    return dotted.removeprefix("chainrule").removeprefix(".") or "__init__"


@cache
def imports(name: str, tree: ast.AST | None = None) -> set[str]:
    """Return what a file imports: whole dotted names, such as "numpy" or "chainrule.errors"."""
    found = set()
    for node in ast.walk(tree or ast.parse(FILES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relative to itself; write the whole name"
            for alias in node.names:  # `from chainrule import module` is the file module.py
                whole = f"{node.module}.{alias.name}"
                is_file = inside_package(whole) in FILES and node.module.startswith("chainrule")
                found.add(whole if is_file else node.module)
    return found


def own(name: str) -> set[str]:
    """Return which of the package's files a file imports, such as "layers.linear"."""
    mine = {dotted for dotted in imports(name) if dotted.split(".")[0] == "chainrule"}
    return {inside_package(dotted) for dotted in mine} - LATE.get(name, set())


def foreign(name: str, tree: ast.AST | None = None) -> set[str]:
    """Return the top names that a file imports from neither chainrule nor Python itself."""
    tops = {dotted.split(".")[0] for dotted in imports(name, tree)}
    return tops - {"chainrule"} - set(sys.stdlib_module_names)


def step(name: str) -> int:
    """Return a file's place: that of its own folder, where it has one, or of the one around it."""
    while name not in ORDER:
        name = name.rpartition(".")[0]
    return ORDER.index(name)


def test_the_parser_of_this_test_sees_imports():
    assert own("network") >= {"module", "errors", "layers.containers", "summary"}
    assert own("__init__") >= {"layers", "network"}
    assert foreign("network") == {"numpy"}
    assert "math" in imports("network")


@every_file
def test_every_file_has_its_place(name):
    top, *below = name.split(".")
    assert top in ORDER, f"give {name} its place in ORDER"
    if top == "layers" and below:
        assert below[0] in LAYERS, f"give {name} its place in LAYERS"


@every_file
def test_a_file_imports_only_from_files_above_it(name):
    for imported in own(name):
        assert imported in FILES, f"{name} imports {imported}, which is no file"
        if step(imported) != step(name):
            assert step(imported) < step(name), f"{name} imports {imported}, which is below it"
        elif name.startswith("layers."):
            places = [LAYERS.index((n.split(".") + ["__init__"])[1]) for n in (imported, name)]
            assert places[0] < places[1], f"{name} imports {imported}, which is below it"


def test_no_import_goes_round_in_a_circle():
    graph = {name: own(name) for name in FILES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(FILES)


@every_file
def test_the_core_imports_numpy_alone(name):
    if name.split(".")[0] in CORE or name == "__init__":
        assert foreign(name) <= {"numpy"}


@every_file
def test_optional_packages_are_imported_when_they_are_needed(name):
    tree = ast.parse(FILES[name].read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Pass()]
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = [ast.Pass()]
    # The estimators are classes of scikit-learn's kind. The command's extra is loaded as a whole.
    of_its_extra = {
        "estimators": {"sklearn"},
        "command": {"click", "joblib", "pyarrow", "tqdm"},
        "__main__": {"chainrule_command"},
    }
    assert foreign(name, tree) <= {"numpy"} | of_its_extra.get(name.split(".")[0], set())


@every_file
def test_the_estimators_alone_import_scikit_learn_as_they_are_loaded(name):
    if "sklearn" in foreign(name):
        assert name.split(".")[0] == "estimators"


WITHOUT_SCIKIT_LEARN = """
import sys
sys.modules["sklearn"] = None  # as if it were not installed
import chainrule
try:
    import {module}
except chainrule.MissingExtraError as error:
    print(error)
"""


@pytest.mark.parametrize("module", ["chainrule.estimators", "chainrule.estimators.classifier"])
def test_without_scikit_learn_the_estimators_name_the_extra(module):
    told = " ".join(in_a_fresh_interpreter(WITHOUT_SCIKIT_LEARN.format(module=module)))
    assert told == "chainrule.estimators needs sklearn: pip install 'chainrule[sklearn]'."


def in_a_fresh_interpreter(code: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LOADED = """
import sys, numpy, numpy.random
before = set(sys.modules)
import {module}
after = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(*sorted(after - set(sys.stdlib_module_names) - {{"numpy"}}))
"""


def test_importing_chainrule_loads_numpy_and_nothing_else():
    assert in_a_fresh_interpreter(LOADED.format(module="chainrule")) == ["chainrule"]


def test_what_is_loaded_later_is_what_those_parts_offer():
    for part, names in chainrule.LATER.items():
        offered = importlib.import_module(f"chainrule.{part}").__all__
        assert sorted(names) == sorted(offered) or part == "plots"
        for name in names:
            assert getattr(chainrule, name) is getattr(getattr(chainrule, part), name)


def test_training_and_diagnosis_are_loaded_when_they_are_first_wanted():
    program = """
import sys, chainrule
loaded = [p for p in chainrule.LATER if f"chainrule.{p}" in sys.modules]
chainrule.Trainer, chainrule.check_module
print(not loaded, "chainrule.training" in sys.modules, "Trainer" in dir(chainrule))
"""
    assert in_a_fresh_interpreter(program) == ["True", "True", "True"]


def test_a_star_import_takes_every_name_but_none_of_scikit_learns():
    program = """
import pkgutil, sklearn, warnings
theirs = set(sklearn.__all__)
for part in ("datasets", "model_selection", "metrics", "preprocessing", "linear_model", "pipeline"):
    theirs |= set(__import__(f"sklearn.{part}", fromlist=["x"]).__all__)
from chainrule import *
print(sorted(theirs & set(globals()) - {"metrics"}), "Trainer" in globals())
"""
    assert in_a_fresh_interpreter(program) == ["[]", "True"]


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Trainr'"):
        _ = chainrule.Trainr


def test_the_parts_that_messages_recommend_are_there():
    assert chainrule.metrics.accuracy([1], [1]) == 1
    assert callable(chainrule.augmentation.shift)
    assert callable(chainrule.data.batches)
    assert callable(chainrule.plots.plot_confusion)
    assert inspect.isfunction(chainrule.environment)


def test_random_numbers_are_loaded_when_they_are_first_wanted():
    """numpy.random, where NumPy itself leaves it for later, took 40 % of the time of our import."""
    program = (
        "import sys, numpy; anyway = 'numpy.random' in sys.modules; import chainrule; "
        "print(anyway or 'numpy.random' not in sys.modules)"
    )
    assert in_a_fresh_interpreter(program) == ["True"]


@pytest.mark.parametrize("door", ["layers", "network", "loss_functions"])
def test_so_do_the_doors_of_a_checkout(door):
    loaded = in_a_fresh_interpreter(LOADED.format(module=door))
    assert set(loaded) == {"chainrule", door}


def test_the_doors_lead_to_the_package():
    code = """
import chainrule
from layers import Linear, LinearLayer, Module, Neuron, ReLU, Softmax
from loss_functions import (
    BinaryCrossEntropy, CategoricalCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError
)
from network import Network
for name, thing in list(globals().items()):
    if isinstance(thing, type) and not name.startswith("__") and name != "LinearLayer":
        assert thing is getattr(chainrule, name), name
        assert thing.__module__.startswith("chainrule."), name
        print(name)
assert LinearLayer is Linear
"""
    assert len(in_a_fresh_interpreter(code)) == 11
