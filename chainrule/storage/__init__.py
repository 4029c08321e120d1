"""Networks and trainings in files: verified, atomic, without pickle.

archive.py        one file of named arrays and a description
architecture.py   a network's architecture as data, and back
rng_state.py      a random generator's state as data, and back
"""
