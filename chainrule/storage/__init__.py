"""Networks and trainings in files: verified, atomic, without pickle.

archive.py        one file of named arrays and a description
architecture.py   a network's architecture as data, and back
module_file.py    both in one file, for a module
names.py          names with a prefix
rng_state.py      a random generator's state as data, and back
"""
