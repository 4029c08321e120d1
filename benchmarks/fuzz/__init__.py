"""Damaged and hostile files for every reader: `python -m benchmarks.fuzz`.

mutations.py   how a file is changed: its bytes, its zip, its headers, its description, its arrays
readers.py     the readers, and the good files that theirs are made from
trial.py       one changed file put to a reader, and what may come of it
"""
