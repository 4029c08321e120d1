"""evaluate, inspect, environment, help, version; and what the command needs."""

import json
import subprocess
import sys

import pytest
from command.running import HEADER, ROOT, called, chainrule, fruit, variables, write_csv

import chainrule as package
from chainrule.command import main


def ran(*arguments, **given):
    done = called(*arguments, **given)
    assert done.returncode == 0, done.stderr
    return done


# ---------------------------------------------------------------- evaluate, inspect


def test_evaluating_shows_scores_here_and_in_training(folder):
    told = ran("evaluate", "kind.npz", "holdout.csv", cwd=folder).stdout
    assert told.startswith("80 rows, ")
    assert "in training" in told
    assert "true \\ predicted" in told
    told = json.loads(ran("evaluate", "price.npz", "holdout.csv", "--json", cwd=folder).stdout)
    assert told["rows"] == 80
    assert 0 < told["scores"]["coverage"] <= 1


def test_scores_are_scikit_learns(folder, tmp_path):
    import pandas as pd
    from sklearn import metrics

    told = json.loads(ran("evaluate", "kind.npz", "holdout.csv", "--json", cwd=folder).stdout)
    out = tmp_path / "p.parquet"
    arguments = ("predict", "kind.npz", "holdout.csv", "--keep", "kind", "--probabilities")
    ran(*arguments, "-o", out, cwd=folder)
    frame = pd.read_parquet(out)
    p = frame[[f"probability_{name}" for name in told["classes"]]].to_numpy()
    true, predicted = frame["kind"], frame["predicted_kind"]
    expected = {
        "accuracy": metrics.accuracy_score(true, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(true, predicted),
        "log_loss": metrics.log_loss(true, p),
        "roc_auc": metrics.roc_auc_score(true, p, multi_class="ovr"),
    }
    for name, value in expected.items():
        assert told["scores"][name] == pytest.approx(value), name
    assert told["confusion"] == metrics.confusion_matrix(true, predicted).tolist()


def test_a_class_that_the_model_does_not_know_counts_as_wrong(folder, tmp_path):
    rows = [[*row[:4], "quince", row[5]] for row in fruit(20, 4)]
    write_csv(tmp_path / "t.csv", HEADER, rows)
    told = ran("evaluate", folder / "kind.npz", "t.csv", cwd=tmp_path).stdout
    assert "does not know these classes: 'quince' (20)." in told
    write_csv(tmp_path / "t.csv", HEADER, [*rows, *fruit(20, 4)])
    done = ran("evaluate", folder / "kind.npz", "t.csv", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["unknown_classes"] == {"quince": 20}
    assert told["scores"]["accuracy"] <= 0.5


def test_inspecting_shows_columns_scores_and_architecture(folder):
    told = ran("inspect", "kind.npz", cwd=folder).stdout
    assert "a model of a table, for classification, by chainrule" in told
    assert "Predicts kind, one of 3 classes: apple, pear, plum." in told
    assert "2 networks 7-16-3" in told
    assert "length_cm  number" in told
    assert " cm (missing in " in told
    assert "3 categories: " in told
    assert "linear model" in told
    told = json.loads(ran("inspect", "price.npz", "--json", cwd=folder).stdout)
    assert told["architecture"]["members"] == 2
    assert told["target"] == "price"
    assert told["scores"]["mean"]["r2"] < 0.1


# ---------------------------------------------------------------- environment


def test_environment_advises_one_thread_and_measures_nothing():
    done = chainrule("environment", OPENBLAS_NUM_THREADS="2")
    assert "NumPy    " in done.stdout
    threads = json.loads(chainrule("environment", "--json", OPENBLAS_NUM_THREADS="2").stdout)
    if "openblas" in threads["blas"] and threads["threads"] == 2:
        assert "OPENBLAS_NUM_THREADS=1, set before Python starts, may" in done.stdout
        assert any("OPENBLAS_NUM_THREADS=1" in text for text in threads["advice"])
    assert "OPENBLAS_NUM_THREADS" not in chainrule("environment").stdout


# ---------------------------------------------------------------- help, and what it needs


@pytest.mark.parametrize(
    "name", ["train", "doctor", "evaluate", "predict", "inspect", "environment", None]
)
def test_help_teaches_with_an_example(name, capsys):
    assert main([name, "--help"] if name else ["--help"]) == 0
    told = capsys.readouterr().out
    assert f"\n    chainrule {name or 'train'} " in told or f"\n    chainrule {name}\n" in told
    assert max(map(len, told.splitlines())) <= 100


def test_the_page_teaches_every_option():
    from chainrule.command.cli import cli

    page = (ROOT / "docs" / "command.md").read_text("utf-8")
    for name, command in cli.commands.items():
        for parameter in command.params:
            longest = max([*parameter.opts, *parameter.secondary_opts], key=len)
            assert longest in page or not longest.startswith("--"), f"{name} {longest}"


def test_without_its_extra_the_command_says_what_to_install():
    program = (
        "import sys; sys.modules['click'] = None; import chainrule.command as c; exit(c.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "The command needs click: pip install 'chainrule[cli]'.\n"


def test_without_a_package_of_its_extra_it_says_so_too():
    program = (
        "import sys; sys.modules['pyarrow'] = None; import chainrule.command as c;"
        "exit(c.main(['inspect', 'model.npz']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "chainrule: The command needs pyarrow: pip install 'chainrule[cli]'.\n"


@pytest.mark.parametrize("module", ["chainrule", "chainrule_command"])
def test_version(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout == f"chainrule, version {package.__version__}\n"


def test_help_loads_none_of_the_slow_packages():
    program = """
import sys
from chainrule.command import main
main(["--help"])
slow = {"pandas", "pyarrow", "sklearn", "matplotlib", "tqdm"} & set(sys.modules)
print(slow, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"


@pytest.mark.parametrize("subcommand", ["predict", "evaluate"])
def test_what_uses_a_model_needs_neither_pandas_nor_scikit_learn(folder, subcommand):
    program = """
import importlib.abc, sys

class NotThere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("pandas", "sklearn"):
            raise ImportError(name)

sys.meta_path.insert(0, NotThere())
from chainrule.command import main
sys.exit(main([sys.argv[1], "kind.npz", "holdout.csv"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, subcommand],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=variables(),
    )
    assert done.returncode == 0, done.stderr
    assert subcommand == "evaluate" or len(done.stdout.splitlines()) == 81


def test_the_reader_of_the_output_may_stop(folder):
    program = f"{sys.executable} -m chainrule_command predict kind.npz fruit.csv | head -1"
    done = subprocess.run(
        program,
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        env=variables(),
        check=False,
    )
    assert done.stdout == "predicted_kind\n"
    assert "Traceback" not in done.stderr
