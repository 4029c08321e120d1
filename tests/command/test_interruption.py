"""Ctrl-C at any time: one line, the exit code 130, and no incomplete file."""

import os
import signal
import subprocess
import sys
import time

import pytest
from command.running import HEADER, ROOT, chainrule, fruit, variables

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there"),
    pytest.mark.usefixtures("ctrl_c"),
]
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has none
TOLD = "chainrule: Interrupted; nothing incomplete is left behind.\n"


def interrupted(stderr):
    """Whether nothing else was printed, besides click's line break after the terminal's ^C."""
    return stderr.removeprefix("\n") == TOLD


KILLS_ITS_OWN_PROCESS = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("numpy", ["train", "fruit.csv", "--target", "kind", "-o", "m.npz"]),
        ("pyarrow", ["train", "fruit.csv", "--target", "kind", "-o", "m.npz"]),
        ("pandas", ["train", "fruit.csv", "--target", "kind", "-o", "m.npz"]),
        ("sklearn", ["train", "fruit.csv", "--target", "kind", "-o", "m.npz", "--drop", "id"]),
        ("sklearn", ["doctor", "fruit.csv", "--target", "kind", "--drop", "id"]),
        ("pyarrow", ["evaluate", "kind.npz", "holdout.csv"]),
        ("tqdm", ["predict", "kind.npz", "holdout.csv", "-o", "p.csv"]),
        ("click", ["inspect", "kind.npz"]),
        ("threadpoolctl", ["environment"]),
        ("joblib", ["predict", "kind.npz", ".", "-o", "predictions"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_while_a_package_is_being_loaded(folder, tmp_path, package, arguments):
    """The first half second is spent on imports; there must be no traceback from them."""
    (tmp_path / f"{package}.py").write_text(KILLS_ITS_OWN_PROCESS)
    before = sorted(os.listdir(folder))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = chainrule(*arguments, cwd=folder, PYTHONPATH=path)
    assert interrupted(done.stderr)
    assert done.returncode == 130
    assert sorted(os.listdir(folder)) == before


def test_a_background_job_still_ignores_it(tmp_path):
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done = chainrule("inspect", "nothing.npz", PYTHONPATH=path)
    assert done.returncode == 1  # this click module is empty
    assert TOLD not in done.stderr


def test_while_it_waits_for_a_table_to_learn_from(tmp_path):
    command = [sys.executable, "-m", "chainrule_command", "train", "-", "--target", "y"]
    pipe = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "env": variables()}
    with subprocess.Popen([*command, "-o", "m.npz"], cwd=tmp_path, **pipe) as running:
        running.stdin.write(
            b"x,y\n" + b"1,a\n2,b\n" * 2_000_000
        )  # more than a pipe holds, so it is being read
        running.stdin.flush()
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert interrupted(running.stderr.read().decode())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_doctor_tries_a_network(folder, tmp_path, number):
    """Also while the networks of an ensemble are trained."""
    (tmp_path / "page.html").write_text("from before\n")
    command = [sys.executable, "-m", "chainrule_command", "doctor", str(folder / "fruit.csv")]
    running = subprocess.Popen(
        [*command, "--target", "kind", "--html", "page.html", "--hidden", "3000,3000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables(),
    )
    with running:
        assert running.stdout.readline().startswith(b"Classification: ")
        assert running.stdout.readline().startswith(b"X is ")
        time.sleep(0.5)  # what follows takes minutes
        running.send_signal(number)
        assert running.wait(60) == 130
        assert interrupted(running.stderr.read().decode())
        told = running.stdout.read().splitlines()
        assert [line for line in told if not line.startswith(b"Note: ")] == []
    assert os.listdir(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "from before\n"


def predicting(folder, tmp_path):
    """Return a process that predicts the rows it is sent in p.csv."""
    command = [sys.executable, "-m", "chainrule_command", "predict", folder / "kind.npz", "-"]
    return subprocess.Popen(
        [*map(str, command), "-o", "p.csv"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables(),
    )


def wait_until(true):
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_predictions_are_being_written(folder, tmp_path, number):
    (tmp_path / "p.csv").write_text("from before\n")
    with predicting(folder, tmp_path) as running:
        rows = "\n".join(",".join(row).replace(", with", " with") for row in fruit(200, 1))
        running.stdin.write((",".join(HEADER) + "\n" + rows + "\n").encode())
        running.stdin.flush()  # the pipe stays open
        # the temporary file
        wait_until(lambda: len(os.listdir(tmp_path)) == 2 or running.poll() is not None)
        running.send_signal(number)
        assert running.wait(60) == 130
        assert interrupted(running.stderr.read().decode())
    assert os.listdir(tmp_path) == ["p.csv"]
    assert (tmp_path / "p.csv").read_text() == "from before\n"


def test_a_background_job_is_ended_by_sigterm(folder, tmp_path):
    """It ignores Ctrl-C, but not SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with predicting(folder, tmp_path) as running:
        running.stdin.write(f"{','.join(HEADER)}\n{','.join(fruit(1, 0)[0])}\n".encode())
        running.stdin.flush()
        wait_until(lambda: os.listdir(tmp_path) or running.poll() is not None)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 130
        assert interrupted(running.stderr.read().decode())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (KILL, False)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
@pytest.mark.parametrize("when", ["starting", "writing"])
def test_while_a_folder_is_predicted(folder, tmp_path, number, to_all, when):
    """A terminal sends Ctrl-C to all processes. Whatever ends the first one ends the others."""
    head, *rows = (",".join(row).replace(", with", " with") for row in [HEADER, *fruit(400, 1)])
    tables, out = tmp_path / "new", tmp_path / "out"
    tables.mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        (tables / name).write_text("\n".join([head, *rows * 3000, ""]))
    command = [sys.executable, "-m", "chainrule_command", "predict", folder / "kind.npz", tables]
    running = subprocess.Popen(
        [*map(str, command), "-o", out, "--jobs", "2"],
        stderr=subprocess.PIPE,
        env=variables(),
        start_new_session=True,
    )
    with running:
        wait_until(out.exists)
        if when == "writing":
            wait_until(lambda: len(os.listdir(out)) == 2)  # two temporary files
        (os.killpg if to_all else os.kill)(running.pid, number)
        running.wait(60)
        wait_until(lambda: not group_exists(running.pid))
        if number != KILL:
            assert running.returncode == 130
            assert interrupted(running.stderr.read().decode())
    assert not out.exists() or os.listdir(out) == []
    assert out.exists() == (number == KILL)


def group_exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
