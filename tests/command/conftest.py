"""Two small models that all tests share."""

import pytest
from command.running import HEADER, QUICK, chainrule, fruit, write_csv


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder with tables and models that were trained on them."""
    folder = tmp_path_factory.mktemp("command")
    write_csv(folder / "fruit.csv", HEADER, fruit(300, 0))
    write_csv(folder / "holdout.csv", HEADER, fruit(80, 1))
    for target, other in (("kind", "price"), ("price", "kind")):
        done = chainrule(
            *("train", "fruit.csv", "--target", target, "--output", f"{target}.npz"),
            *("--drop", "id", "--drop", other, *QUICK),
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        (folder / f"{target}.txt").write_text(done.stdout, "utf-8")
    return folder
