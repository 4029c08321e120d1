"""Damaged and hostile files for every reader: `python -m benchmarks.fuzz`.

mutations.py   how files are changed: bytes, zip tables, array headers, description, arrays
readers.py     the readers, and the valid files that the changed ones are made from
trial.py       one changed file, given to a reader: the allowed outcomes, time and memory
"""
