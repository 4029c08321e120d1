"""Names that are no ordinary files: devices, pipes, sockets, folders. They stay what they are."""

import os
import socket
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

from chainrule import (
    Adam,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    CSVLog,
    Ensemble,
    FileFormatError,
    History,
    Linear,
    Network,
    StopFile,
    Trainer,
    diagnose,
    read_csv,
    read_idx,
    read_npz,
    replay,
)
from chainrule.storage.atomic import write_atomically

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows keeps such names apart")

X, Y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 0])
LOSS = CategoricalCrossEntropy()


def network():
    return Network([4, 3], seed=0)


def fit(callback=None, **options):
    trainer = Trainer(network(), LOSS, Adam(0.01), seed=0, **options)
    trainer.fit(X, Y, epochs=1, callbacks=[callback] if callback else [], progress=False)


def history():
    made = History()
    made.epochs, made.steps = {"loss": [1.0]}, {"loss": [1.0]}
    return made


def report():
    pytest.importorskip("matplotlib")
    return diagnose(network(), X, Y, loss=LOSS, seed=0)


WRITERS = {
    "Module.save": lambda path: Linear(2, 1).save(path),
    "Network.save": lambda path: network().save(path),
    "Ensemble.save": lambda path: Ensemble([4, 3], 2, seed=0).save(path),
    "History.to_csv": lambda path: history().to_csv(path),
    "History.to_json": lambda path: history().to_json(path),
    "Report.save_html": lambda path: report().save_html(path),
    "CSVLog": lambda path: fit(CSVLog(path)),
    "StopFile": lambda path: fit(StopFile(path)),
    "post_mortem_file": lambda path: fit(post_mortem_file=path),
    "Checkpoint, last": lambda path: fit(Checkpoint(in_folder(path, "last.npz"))),
    "Checkpoint, best": lambda path: fit(Checkpoint(in_folder(path, "best.npz"))),
}


def in_folder(path, name):
    """Return a folder in which `path` is found under another name."""
    folder = path.parent / "runs"
    folder.mkdir()
    (folder / name).symlink_to(path)
    return folder


READERS = {
    "Network.load": Network.load,
    "Linear.load": Linear.load,
    "Ensemble.load": Ensemble.load,
    "resume": lambda path: Trainer(network(), LOSS, Adam(0.01), seed=0).fit(X, Y, resume=path),
    "replay": lambda path: replay(path, network(), LOSS, Adam(0.01)),
    "read_idx": read_idx,
    "read_npz": read_npz,
    "read_csv": read_csv,
}


@pytest.fixture(params=["folder", "pipe", "socket", "device"])
def special(request, tmp_path):
    """Return the path of something that is no ordinary file."""
    path, held = tmp_path / "thing", None
    if request.param == "folder":
        path.mkdir()
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        held = socket.socket(socket.AF_UNIX)
        held.bind(os.path.relpath(path) if len(str(path)) > 100 else str(path))
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # another /dev/zero
            open(path, "rb").close()
        except (PermissionError, AttributeError):
            pytest.skip("only root makes devices, and not everywhere")
    yield path, request.param
    if held is not None:
        held.close()


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_replaces_what_is_no_ordinary_file(special, writer):
    path, kind = special
    before = os.stat(path)
    with pytest.raises(ConfigurationError, match=f"is a {kind}, which"):
        WRITERS[writer](path)
    after = os.stat(path)
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
    assert not list(path.parent.glob(".*.tmp"))


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_for_what_is_no_ordinary_file(special, reader):
    path, kind = special
    if reader == "read_csv" and kind == "pipe":
        pytest.skip("it is read: see below")
    with pytest.raises(FileFormatError, match=f"is a {kind}"):
        READERS[reader](path)


def test_a_table_may_come_through_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a,b\n1,2\n",))
    writer.start()
    table, names = read_csv(pipe)
    writer.join()
    assert (table.tolist(), names) == ([[1.0, 2.0]], ["a", "b"])


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    link, file = tmp_path / "link.npz", tmp_path / "file.npz"
    link.symlink_to(file)
    for _ in range(2):  # first the link leads nowhere yet
        network().save(link)
        assert link.is_symlink()
        assert file.is_file()
        Network.load(link)


def test_a_link_to_itself_is_not_replaced(tmp_path):
    link = tmp_path / "link.npz"
    link.symlink_to(link)
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(link, lambda file: file.write(b"x"))
    assert link.is_symlink()


def test_the_null_device_is_still_there():
    """Refused even where the program may remove it; tried without removing anything."""
    with pytest.raises(ConfigurationError, match="/dev/null is a device, which a file would"):
        write_atomically("/dev/null", lambda file: pytest.fail("it wrote"))


def test_standard_output_is_no_file_when_it_is_a_pipe(tmp_path):
    code = "from chainrule import Linear; Linear(2, 1).save('/dev/stdout')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "/dev/stdout is a pipe, which a file would replace" in done.stderr
    file = tmp_path / "out.npz"
    with file.open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, timeout=60, check=True)
    assert Linear.load(file).in_features == 2


def test_a_post_mortem_that_cannot_be_written_does_not_hide_the_failure(tmp_path, monkeypatch):
    from chainrule import NotFiniteError

    monkeypatch.chdir(tmp_path)
    trainer = Trainer(network(), LOSS, Adam(0.01), post_mortem_file="late.npz")
    os.mkfifo("late.npz")
    trainer.network.layers[0].weight.value[...] = 3e38
    with pytest.raises(NotFiniteError):
        trainer.fit(X * 1e3, Y, epochs=1, progress=False)
