"""A notebook shows what chainrule returns: pictures, tables, one bar; a real one is executed."""

import base64
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

CELLS = {
    "setting": """
        import warnings
        warnings.simplefilter("error")
        import numpy as np
        from chainrule import *
        from chainrule.plots import plot_confusion
        X = np.random.default_rng(0).normal(size=(60, 4))
        y = (X > 0).sum(axis=1) // 2
        network = Network([4, 8, 3], seed=0)
        trainer = Trainer(network, CategoricalCrossEntropy(), Adam(0.01), seed=0)
        class Named(Module):
            def forward(self, x, training=True):
                self.save_for_backward(x.shape, training=training)
                return x * np.inf
            def backward(self, dy):
                return dy
        Named.__name__ = "<script>alert(1)</script>"
    """,
    "network": "network",
    "summary": "network.summary()",
    "training": "history = trainer.fit(X, y, epochs=40, validation_split=0.2)",
    "history": "history",
    "curves": "history.plot()",
    "confusion": "plot_confusion(y, network.predict(X))",
    "range test": "find_learning_rate(network, X, y, loss=trainer.loss, seed=0).plot()",
    "right": "check_module(Linear(3, 2), np.ones((2, 3)))",
    "wrong": "check_module(Named(), np.ones((2, 3)))",
    "hostile": "Network([Linear(4, 3), Named()])",
    "finding": """
        try:
            Trainer(Network([Linear(4, 3), Named()]), MeanSquaredError(), SGD(0.1)).fit(X, X[:, :3])
        except NotFiniteError as error:
            finding = error.origin
        finding
    """,
    "windows": """
        import sys
        print("matplotlib.pyplot" in sys.modules, "tqdm" in sys.modules)
    """,
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return the outputs of each cell, of a notebook that was executed once."""
    for package in ("nbclient", "ipykernel", "matplotlib"):
        pytest.importorskip(package)
    return executed(tmp_path_factory.mktemp("notebook"))


def executed(folder):
    import nbformat

    cells = [nbformat.v4.new_code_cell(textwrap.dedent(code).strip()) for code in CELLS.values()]
    path = folder / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    # In a process of its own: what nbclient and ZeroMQ warn of is not ours. It writes into the
    # folder what would go into the user's own.
    program = (
        "import sys, nbformat, nbclient; path, root = sys.argv[1:]; "
        "notebook = nbformat.read(path, 4); "
        "client = nbclient.NotebookClient(notebook, timeout=120, kernel_name='python3', "
        "resources={'metadata': {'path': root}}); client.execute(); nbformat.write(notebook, path)"
    )
    own = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    environment = os.environ | own | {"PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(folder)}
    environment.pop("PYTHONWARNINGS", None)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(ROOT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cells = nbformat.read(path, 4).cells
    return {name: cell.outputs for name, cell in zip(CELLS, cells, strict=True)}


def data(outputs):
    """Return what the last line of a cell shows, by its kind."""
    (shown,) = [output for output in outputs if output.output_type == "execute_result"]
    return shown.data


@pytest.mark.parametrize("name", ["curves", "confusion", "range test"])
def test_figures_are_shown(outputs, name):
    picture = base64.b64decode(data(outputs[name])["image/png"])
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000


def test_nothing_that_may_open_windows_was_loaded_for_it(outputs):
    assert outputs["windows"][0].text == "False False\n"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("network", ["Network, float32", ">0: Linear(4, 8)<", ">67<", ">parameters<"]),
        ("summary", [">0: Linear(4, 8)<", ">(N, 8)<", ">320 B<", ">total<", "memory: parameters"]),
        ("history", ["40 epochs", ">val_loss<", ">40<"]),
        ("right", ["Linear(3, 2): all gradients are right", ">right<", ">weight<", ">(3, 2)<"]),
        ("finding", ["not finite", ">forward<", "(layers.1)"]),
    ],
)
def test_objects_are_shown_as_tables(outputs, name, parts):
    shown = data(outputs[name])["text/html"]
    assert "<table>" in shown
    for part in parts:
        assert part in shown


def test_the_text_beside_the_table_has_line_breaks(outputs):
    text = data(outputs["summary"])["text/plain"]
    assert text.splitlines()[0] == "layer            output  parameters  memory"
    assert "\\n" not in text


@pytest.mark.parametrize("name", ["wrong", "hostile", "finding"])
def test_names_that_look_like_html_do_nothing(outputs, name):
    shown = data(outputs[name])["text/html"]
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_training_is_one_output_that_ends_with_the_last_epoch(outputs):
    shown = [output for output in outputs["training"] if output.output_type == "display_data"]
    assert len(shown) == 1
    assert "epoch 40/40  loss 0." in shown[0].data["text/html"]
    assert "<progress" not in shown[0].data["text/html"], "it is over"
    printed = "".join(output.get("text", "") for output in outputs["training"])
    assert "12 of 60 samples for validation" in printed
    assert "epoch" not in printed.replace("epochs", ""), "no line an epoch"
